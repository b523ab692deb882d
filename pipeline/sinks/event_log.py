"""`events.jsonl`: a line an event (see `docs/events.md`)."""

from __future__ import annotations

from pathlib import Path

from pipeline.events import EVENTS, Event, row
from pipeline.sinks.json_lines import JsonLines, OnLines


class EventLog(OnLines):
    """Writes every event of a stream."""

    takes = EVENTS

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        self._lines = JsonLines(path, goes_on=goes_on)

    def write(self, event: Event) -> None:
        self._lines.write(row(event))
