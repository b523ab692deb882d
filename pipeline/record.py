"""`run.json`: what a run was, in numbers; `docs/events.md` describes it. Here, and not in the events, stands what may
differ from run to run: times, speeds, versions, settings.
"""

from __future__ import annotations

import json
import platform
import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from detectors.detector import Detector
from pipeline.config import Config
from pipeline.errors import SinkError
from pipeline.events import Event, Impression, LimitChange, OtherSign, Sighting, row
from pipeline.metrics import FrameCounts, Metrics, versions
from pipeline.overload import Overload
from pipeline.tasks import Task
from streams.source import Source

SCHEMA = 1
"""Goes up where a field is renamed, removed or changes its meaning."""


@dataclass(slots=True)
class Summary:
    """What came of one stream, counted.

    seen: by what it means, in the language of the run; seconds: on screen, of what has a time there
    """

    events: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, float] = field(default_factory=dict)
    limit: LimitChange | None = None

    def count(self, event: Event, task: Task) -> None:
        self.events[event.type] += 1
        if (words := task.words(event)) is not None:
            self.seen[words] += 1
        if isinstance(event, Sighting | OtherSign):
            self.labels[event.label] += 1
        elif isinstance(event, LimitChange):
            self.limit = event
        elif isinstance(event, Impression):
            self.seconds[event.brand] = self.seconds.get(event.brand, 0.0) + event.on_screen_seconds

    def told(self) -> dict[str, Any]:
        """Return it as it stands in `run.json`."""
        return {
            "events": dict(sorted(self.events.items())),
            "signs": dict(sorted(self.labels.items())),
            "limit": None if self.limit is None else row(self.limit),
            "brands": {
                brand: {"impressions": self.seen[brand], "seconds": round(seconds, 4)}
                for brand, seconds in sorted(self.seconds.items())
            },
        }


class Record:
    """Keeps the account of a run while the body of a `with` runs, and writes it in the end, whatever the end is.

    The clock runs from entering to leaving; enter it before the first frame is read, and leave it when the sinks have
    written their last.

    folders: of each stream that was watched
    """

    def __init__(self, config: Config, *, task: Task, detector: Detector, metrics: Metrics, overload: Overload) -> None:
        self.summaries: dict[str, Summary] = {}
        self.folders: dict[str, Path] = {}
        self.failures: Mapping[str, Exception] = {}
        self.interrupted_by: signal.Signals | None = None
        self._config = config
        self._overload = overload
        self._lock = threading.Lock()
        self._sources: dict[str, Source] = {}
        self._left: dict[str, dict[str, Any]] = {}  # rows of streams that were taken out
        self._task = task
        self._detector = detector
        self.metrics = metrics
        self._started_at = datetime.now(UTC)
        self._start = time.perf_counter()
        self._seconds = 0.0

    @property
    def frames_per_second(self) -> float:
        """Decoded frames of all streams, from the first read to the last event written."""
        return sum(counts.decoded for counts in self.frames.values()) / self._seconds if self._seconds else 0.0

    @property
    def is_live(self) -> bool:
        """Only live streams were watched, which have no end of their own."""
        with self._lock:
            return all(source.info.is_live for source in self._sources.values())

    def add(self, source: Source, folder: Path) -> None:
        """Keep the account of one more stream, or of its new source. Any thread may call it."""
        with self._lock:
            name = source.info.name
            self._sources[name], self.folders[name] = source, folder
            self._left.pop(name, None)
            self.summaries.setdefault(name, Summary())

    def remove(self, stream: str) -> None:
        """Write the account of a stream that was taken out of the run. Raises SinkError."""
        with self._lock:
            self._seconds = time.perf_counter() - self._start
            row = self._left[stream] = self._stream(self._sources.pop(stream))
            del self.summaries[stream]
        self._write_row(stream, row, self._common(None))

    @property
    def frames(self) -> Mapping[str, FrameCounts]:
        """What became of the frames of each stream."""
        return self.metrics.frames.snapshot()

    def count(self, event: Event) -> None:
        with self._lock:
            self.summaries[event.stream].count(event, self._task)

    def __enter__(self) -> Self:
        self._start = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._seconds = time.perf_counter() - self._start
        common = self._common(error)
        with self._lock:
            rows = {name: self._stream(source) for name, source in self._sources.items()}
        for name, table in rows.items():
            self._write_row(name, table, common)
        rows = {**self._left, **rows}
        if len(rows) > 1:
            total = {key: sum(table[key] for table in rows.values()) for key in _SUMS}
            _write(
                Path(self._config.output.folder) / "run.json",
                {**self._head(), **total, **self._speed(total["frames"]), "streams": rows, **common},
            )

    def _head(self) -> dict[str, Any]:
        return {"schema": SCHEMA, "task": self._config.detector.task}

    def _write_row(self, stream: str, row: dict[str, Any], common: dict[str, Any]) -> None:
        path = self.folders[stream] / "run.json"
        _write(path, {**self._head(), **row, **self._speed(row["frames"]), **common})

    def _common(self, error: BaseException | None) -> dict[str, Any]:
        return {
            "started_at": self._started_at.isoformat(timespec="seconds"),
            "interrupted_by": self.interrupted_by.name if self.interrupted_by else None,
            "error": None if error is None else str(error) or type(error).__name__,
            "models": dict(self._detector.hashes),
            "versions": {"python": platform.python_version(), **versions()},
            "language": self._task.about(),
            "overload": {"level": self._overload.level, "highest": self._overload.highest},
            "stages": {stage: round(seconds, 3) for stage, seconds in self.metrics.stages.seconds().items()},
            "config": self._config.shown(),
        }

    def _speed(self, frames: int) -> dict[str, float]:
        rate = frames / self._seconds if self._seconds else 0.0
        return {"elapsed_seconds": round(self._seconds, 3), "frames_per_second": round(rate, 2)}

    def _stream(self, source: Source) -> dict[str, Any]:
        name = source.info.name
        counts, summary = self.frames.get(name, FrameCounts()), self.summaries[name]
        condition = self.metrics.streams.snapshot().get(name)
        failure = self.failures.get(name)
        return {
            "stream": name,
            "size_wh": source.info.size_wh,
            "frames": counts.decoded,
            "scanned": counts.scanned,
            "processed": counts.processed,
            "sampled_out": counts.sampled_out,
            "dropped": counts.dropped_total,
            "corrupt": counts.corrupt,
            "corrupt_packets": source.corrupt_packets,
            "resolution_changes": source.resolution_changes,
            "video_seconds": round(counts.video_seconds, 4),
            "coverage": 0.0 if condition is None else round(condition.coverage, 4),
            "gaps": {} if condition is None else dict(condition.gaps),
            "gap_seconds": 0.0 if condition is None else round(condition.gap_seconds, 4),
            "is_truncated": source.is_truncated,
            "stream_error": None if failure is None else str(failure),
            "summary": summary.told(),
            **self._task.settled(self.folders[name]),
        }


_SUMS = (
    "frames",
    "scanned",
    "processed",
    "sampled_out",
    "dropped",
    "corrupt",
    "corrupt_packets",
    "resolution_changes",
    "video_seconds",
)


def _write(path: Path, table: dict[str, Any]) -> None:
    """Put the file there whole or not at all."""
    new = path.with_name(path.name + ".new")
    try:
        new.write_text(json.dumps(table, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        new.replace(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
