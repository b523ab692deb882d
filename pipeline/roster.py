"""The streams of a run, and what belongs to each: tracker, cutter, judge, watcher, the way out. They come and go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from detectors.detector import Detector
from pipeline.config import Config, StreamSettings
from pipeline.metrics import Metrics
from pipeline.overload import Overload
from pipeline.shots import Shots
from pipeline.sinks.sink import Outlet
from pipeline.stages import Cutter, Judge, Watcher
from pipeline.tasks import Origin, Task
from pipeline.tracker import Tracker
from streams.fingerprint import fingerprint
from streams.source import Source


class Roster:
    """Who is watched. The stages look here for what belongs to a stream when something comes of it.

    A stream is added before its first frame, in any thread, and removed after its end; between, its parts are used by
    the stages alone.
    """

    def __init__(self, config: Config, *, task: Task, detector: Detector, metrics: Metrics, overload: Overload) -> None:
        self.trackers: dict[str, Tracker] = {}
        self.cutters: dict[str, Cutter] = {}
        self.judges: dict[str, Judge] = {}
        self.watchers: dict[str, Watcher] = {}
        self.threshold = config.detector.threshold or detector.threshold
        self._config, self._task, self._detector, self._metrics = config, task, detector, metrics
        self._overload = overload

    def add(self, source: Source, settings: StreamSettings, folder: Path) -> Outlet:
        """Take up a stream; return its way out."""
        info = source.info
        origin = Origin(info, _media(source, settings.url), self._detector.hashes)
        judge = self._task.judge()
        self.trackers[info.name] = Tracker(
            self._config.tracker,
            threshold=self.threshold,
            known_classes=self._task.known_classes,
            is_judged=judge is not None,
        )
        if self._config.tracker.shot_cuts:
            self.cutters[info.name] = Shots()
        if judge is not None:
            self.judges[info.name] = judge
        self.watchers[info.name] = self._task.watcher(origin)
        if info.is_live:
            self._overload.live.add(info.name)
        return Outlet(folder, info, self._task, self.threshold, self._config, self._metrics, origin.media, settings.url)

    def remove(self, stream: str) -> None:
        """Forget a stream."""
        self._overload.live.discard(stream)
        for parts in (self.trackers, self.cutters, self.judges, self.watchers):
            parts.pop(stream, None)


def _media(source: Source, url: str, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    """Return what a stream's content is known by; a live one never comes again, and is known by when it was watched."""
    return f"live {now().isoformat()}" if source.info.is_live else fingerprint(url)
