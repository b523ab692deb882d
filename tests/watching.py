"""Watches a live source in a thread, and keeps what came and when: for the tests of faults.

It is watched as a run watches it, by the stages from `Prefetch` to events, but that nothing is looked for in pictures;
so what a fault is told by, the event and the metrics, is looked at wherever a test waits for a gap or its end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from detectors.detections import Detections
from pipeline.events import Event, row
from pipeline.metrics import Metrics
from pipeline.prefetch import Prefetch, PrefetchSettings
from pipeline.road.announce import AnnouncerSettings
from pipeline.road.limit import LimitSettings
from pipeline.road.task import Road, RoadSettings
from pipeline.stages import Found, events, follow
from pipeline.tasks import Origin
from pipeline.tracker import Tracker
from streams.frame import Frame
from streams.gap import Gap
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source

QUICK = LiveSettings(stall_seconds=1.0, open_timeout_seconds=3.0, backoff_seconds=0.5)


class Watched:
    """Watches a source in a thread, and keeps what came and when.

    items: frames that are whole, and gaps, with the time at which they came; rows: the lines of its event log
    """

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.metrics = Metrics()
        self.items: list[tuple[float, Frame | Gap]] = []
        self.rows: list[dict[str, Any]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        name = self.source.info.name
        road = Road(road=RoadSettings(lang="en"), limit=LimitSettings(), announcer=AnnouncerSettings())
        watchers = {name: road.watcher(Origin(self.source.info, "", {}))}
        with Prefetch([self.source], PrefetchSettings(live_frames=1000), metrics=self.metrics) as prefetch:
            tracked = follow(self._given(prefetch), {name: Tracker()}, metrics=self.metrics)
            for item in events(tracked, watchers, metrics=self.metrics):
                if isinstance(item, Event):
                    with self._changed:
                        self.rows.append(row(item))
                        self._changed.notify_all()

    def _given(self, prefetch: Prefetch) -> Iterator[Found | Gap]:
        for item in prefetch:
            assert isinstance(item, Frame | Gap)
            with self._changed:
                self.items.append((time.monotonic(), item))
                self._changed.notify_all()
            yield Found(item, Detections.empty()) if isinstance(item, Frame) else item

    def value(self, name: str, **labels: str) -> float:
        """Return what a metric of the stream says as of now; 0 where it says nothing."""
        return self.metrics.registry.get_sample_value(name, {"stream": self.source.info.name, **labels}) or 0.0

    @property
    def frames(self) -> list[Frame]:
        return [item for _, item in self.items if isinstance(item, Frame)]

    @property
    def gaps(self) -> list[Gap]:
        return [item for _, item in self.items if isinstance(item, Gap)]

    def wait(self, kind: type, *, count: int = 1, timeout: float = 10.0) -> tuple[float, Frame | Gap]:
        """Return the time and the item when there are `count` of a kind; fails where they do not come."""
        with self._changed:
            is_there = self._changed.wait_for(lambda: sum(isinstance(i, kind) for _, i in self.items) >= count, timeout)
            assert is_there, f"no {kind.__name__} number {count} within {timeout} s: {self.source.health()}"
            return [pair for pair in self.items if isinstance(pair[1], kind)][count - 1]

    def gap_after(self, moment: float, *, timeout: float = 10.0) -> tuple[float, Gap]:
        """Return the first gap that began after a moment, and the seconds until it was told.

        Its line of the event log and its metric are looked at too.
        """
        told, gap = self._after(moment, lambda item: isinstance(item, Gap) and item.end_seconds is None, timeout)
        assert isinstance(gap, Gap)
        line = self.told_of(gap)
        assert (line["reason"], line["message"], line["end_seconds"]) == (gap.reason, gap.message, None)
        assert line["at"].endswith("Z")
        assert line["clock_method"] in ("rtcp", "program_date", "arrival")
        assert self.value("wayside_stream_gaps_total", reason=gap.reason) >= 1
        return told, gap

    def frame_after(self, moment: float, *, timeout: float = 10.0) -> tuple[float, Frame]:
        """Return the first frame that was given after a moment, and the seconds until then.

        Where a gap was over by then, the line that says so and the metrics are looked at too.
        """
        back, frame = self._after(moment, lambda item: isinstance(item, Frame), timeout)
        assert isinstance(frame, Frame)
        over = [gap for gap in self.gaps if gap.end_seconds is not None]
        for gap in over:
            line = self.told_of(gap)
            assert (line["reason"], line["attempts"]) == (gap.reason, gap.attempts)
        lost = sum(gap.lost_seconds for gap in over)
        assert self.value("wayside_stream_gap_seconds_total") >= lost - 0.01
        if any(gap.attempts for gap in over):
            known = self.source.health().reconnects
            assert known
            for reason, number in known.items():
                assert self.value("wayside_stream_reconnects_total", reason=reason) >= number
        return back, frame

    def _after(
        self, moment: float, is_wanted: Callable[[Frame | Gap], bool], timeout: float
    ) -> tuple[float, Frame | Gap]:
        def found() -> tuple[float, Frame | Gap] | None:
            return next(((at - moment, item) for at, item in self.items if at >= moment and is_wanted(item)), None)

        with self._changed:
            row = self._changed.wait_for(found, timeout)
        assert row is not None, f"nothing of the kind within {timeout} s: {self.source.health()}"
        return row

    def told_of(self, gap: Gap) -> dict[str, Any]:
        """Return the line of the event log that tells of a gap; waits for it."""
        end = None if gap.end_seconds is None else round(gap.end_seconds, 4)
        wanted = {"type": "gap", "start_seconds": round(gap.start_seconds, 4), "end_seconds": end}

        def found() -> dict[str, Any] | None:
            return next((line for line in self.rows if line | wanted == line), None)

        with self._changed:
            line = self._changed.wait_for(found, 5)
        assert line is not None, f"no line of {gap} in {self.rows}"
        return line

    def end(self) -> float:
        """Close the source and return how long the iteration went on."""
        began = time.monotonic()
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive(), "the iteration goes on after close"
        return time.monotonic() - began


@contextmanager
def watched(url: str, settings: LiveSettings = QUICK, **kind: object) -> Iterator[Watched]:
    source = open_source(url, name="cam", live=settings, **kind)  # type: ignore[arg-type]
    assert isinstance(source, LiveSource)
    watch = Watched(source)
    try:
        yield watch
    finally:
        watch.end()
