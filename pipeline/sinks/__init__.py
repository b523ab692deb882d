"""Where events and frames go. A new sink is a class with `takes`, `write` and `close`, and a line in `SINKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from difflib import get_close_matches
from types import TracebackType
from typing import Self

from pipeline.errors import ConfigError, SinkError
from pipeline.metrics import Metrics
from pipeline.sinks.background import Background
from pipeline.sinks.detection_log import DetectionLog
from pipeline.sinks.event_log import EventLog
from pipeline.sinks.kafka import open_kafka
from pipeline.sinks.mqtt import open_mqtt
from pipeline.sinks.sink import Outlet, Sink
from pipeline.sinks.speech import Speech
from pipeline.sinks.video import AnnotatedVideo
from pipeline.sinks.webhook import open_webhook
from pipeline.stages import Item

FILES = {
    "events": "events.jsonl",
    "detections": "detections.jsonl",
    "video": "annotated.mp4",
    "ledger": "ledger.sqlite",
}
"""What a sink writes to the folder of its stream."""


def _open_detections(outlet: Outlet) -> Sink:
    path = outlet.folder / FILES["detections"]
    if outlet.config.detector.task == "logos":
        from pipeline.sinks.observation_log import ObservationLog

        return ObservationLog(path, outlet.task.labels, goes_on=outlet.info.is_live)
    return DetectionLog(path, labels=outlet.task.labels, threshold=outlet.threshold, goes_on=outlet.info.is_live)


def _open_ledger(outlet: Outlet) -> Sink:
    from pipeline.sinks.ledger import open_brand_ledger  # who watches a drive needs none of it

    return open_brand_ledger(outlet)


SINKS: Mapping[str, Callable[[Outlet], Sink]] = {
    "events": lambda o: EventLog(o.folder / FILES["events"], goes_on=o.info.is_live),
    "detections": _open_detections,
    "video": lambda o: AnnotatedVideo(o.folder / FILES["video"], o.info, o.task.screen()),
    "ledger": _open_ledger,
    "speech": lambda o: Speech(o.task.lang),
    "webhook": open_webhook,
    "mqtt": open_mqtt,
    "kafka": open_kafka,
}


class Sinks:
    """All sinks of a run, each behind a thread. Use it in a `with`: leaving it writes what waits and closes them."""

    def __init__(self, names: Sequence[str], outlets: Sequence[Outlet], metrics: Metrics) -> None:
        """names: of the sinks that each stream gets, from `SINKS`. Raises ConfigError, SinkError, StreamError."""
        check_names(names)
        self._names, self._metrics = tuple(names), metrics
        self._writers: dict[str, list[Background]] = {}
        with ExitStack() as opened:
            opened.callback(self.close)
            for outlet in outlets:
                self.add(outlet)
            opened.pop_all()

    def add(self, outlet: Outlet) -> None:
        """Open the sinks of one more stream, in any thread. Raises SinkError, StreamError."""
        _make_folder(outlet)
        with ExitStack() as opened:
            writers = []
            for name in self._names:
                writer = Background(name, SINKS[name](outlet), self._metrics)
                opened.callback(writer.close)
                writers.append(writer)
            opened.pop_all()
        self._writers[outlet.info.name] = writers

    def remove(self, stream: str) -> None:
        """Write what waits of a stream that has ended, and close its sinks. Raises what they raised."""
        _close(self._writers.pop(stream, []))

    def failures(self) -> list[str]:
        """Say what has gone wrong with sinks, a line each. Any thread may ask."""
        return [line for writers in list(self._writers.values()) for w in writers if (line := w.failure)]

    def write(self, item: Item) -> None:
        """Give an item to those sinks of its stream that take it; wait where one cannot keep up.

        Raises what a sink has raised since: SinkError or StreamError.
        """
        for writer in self._writers[item.stream]:
            writer.write(item)

    def close(self) -> None:
        """Close them all, also where one of them fails; its error is raised then. They end side by side."""
        _close([writer for writers in self._writers.values() for writer in writers])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _close(writers: Sequence[Background]) -> None:
    for writer in writers:
        writer.end()
    with ExitStack() as closing:
        for writer in writers:
            closing.callback(writer.close)


def check_names(names: Sequence[str]) -> None:
    """Raise ConfigError where there is no such sink."""
    for name in names:
        if name not in SINKS:
            nearest = get_close_matches(name, SINKS, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(SINKS)}"
            raise ConfigError(f"output.sinks: unknown sink {name!r}; {hint}")


def _make_folder(outlet: Outlet) -> None:
    try:
        outlet.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SinkError(f"{outlet.folder}: cannot be made: {error.strerror}") from error
