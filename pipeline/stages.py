"""The stages between batches of frames and events. Each is a generator: things in, things out, nothing kept running.

`detect` is lazy: a frame is verified only when the stage after it asks for it, and by then the tracker has seen the
frame before and can tell where to look. So these stages run in one thread, frame by frame, each stream in its order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np

from detectors.boxes import iou
from detectors.detections import Detections
from detectors.detector import Detector
from pipeline.events import EVENTS
from pipeline.metrics import Metrics
from pipeline.tracker import Boxes, Track, Tracker
from streams.frame import Frame


@dataclass(frozen=True, slots=True)
class Found:
    """A frame and what was found in it.

    was_scanned: all of it was looked at; else only where known things were expected
    is_cut: another shot begins with it
    """

    frame: Frame
    detections: Detections
    was_scanned: bool = True
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class Tracked:
    """A frame, the tracks that live there, and the confirmed ones that have ended.

    was_scanned: as `Found` has it
    cut: what ended all tracks before this frame: another shot, or a jump of the clock or the picture's size; else None
    """

    frame: Frame
    tracks: Sequence[Track]
    ended: Sequence[Track]
    was_scanned: bool = True
    cut: Literal["shot", "jump"] | None = None

    @property
    def stream(self) -> str:
        return self.frame.stream


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """A stream is over: its last tracks, and the PTS of its last frame.

    is_cut_short: the stream was not watched to its end
    """

    stream: str
    pts_seconds: float
    ended: Sequence[Track]
    is_cut_short: bool = False


class Cutter(Protocol):
    """Tells where another shot begins; fed every frame of one stream in order (see `shots.py`)."""

    def is_cut(self, frame: Frame) -> bool: ...


# IoU from which a proposal is at a place where a track is expected: looking twice would find the same.
_SAME_PLACE = 0.5


class Judge(Protocol):
    """Says by more than the vote what one stream's tracks are, and which are nothing (see `brands/judge.py`)."""

    def ended(self, tracks: Iterable[Track]) -> list[Track]:
        """What is left of the tracks that have ended; asked first."""
        ...

    def judged(self, frame: Frame, tracks: Sequence[Track]) -> list[Track]:
        """What is left of the tracks that live at a frame."""
        ...


class Item(Protocol):
    """What goes to a stream's sinks: an event, a frame with its tracks, or what a task tells its own sinks."""

    @property
    def stream(self) -> str: ...


class Watcher(Protocol):
    """What turns one stream's tracks into events: the part that a task brings (see `tasks.py`)."""

    def update(self, tracked: Tracked) -> Iterable[Item]: ...

    def close(self, end: StreamEnd) -> Iterable[Item]: ...


def detect(
    batches: Iterable[Sequence[Frame]],
    detector: Detector,
    trackers: Mapping[str, Tracker],
    *,
    scan_seconds: float,
    metrics: Metrics,
    cutters: Mapping[str, Cutter] = MappingProxyType({}),
) -> Iterator[Found]:
    """Scan each stream every `scan_seconds`, a batch at once; verify each frame, a frame of each stream a round.

    cutters: tell of those streams that have one where another shot begins. No track goes on there, and it is scanned.

    What is verified is what the scan proposes and where the stream's tracks are expected. Where there was no scan, only
    tracks of known classes are looked at: the others, nine in ten on a street, can wait for the next one.
    """
    next_scan: dict[str, float] = {}
    for frames in batches:
        with metrics.stages("cut"):
            cuts = {id(f) for f in frames if f.stream in cutters and cutters[f.stream].is_cut(f)}
        due = [frame for frame in frames if _is_due(frame, next_scan, scan_seconds, now=id(frame) in cuts)]
        with metrics.stages("scan"):
            proposals = dict(zip(map(id, due), detector.scan(due) if due else [], strict=True))
        for frame in due:
            metrics.frames.scanned(frame.stream)
        for row in rounds(frames):
            for frame in row:
                if id(frame) in cuts:
                    trackers[frame.stream].cut()
            places = [_where(frame, proposals.get(id(frame)), trackers[frame.stream]) for frame in row]
            with metrics.stages("verify"):
                boxes, expected = [boxes for boxes, _ in places], [known for _, known in places]
                is_anything = any(map(len, boxes)) or any(map(len, expected))
                found = detector.verify(row, boxes, expected) if is_anything else [Detections.empty()] * len(row)
            for frame, detections in zip(row, found, strict=True):
                yield Found(frame, detections, id(frame) in proposals, id(frame) in cuts)


def rounds(frames: Sequence[Frame]) -> Iterator[list[Frame]]:
    """Yield the first frame of each stream, then the second of each that has one, and so on."""
    by_stream: dict[str, list[Frame]] = {}
    for frame in frames:
        by_stream.setdefault(frame.stream, []).append(frame)
    for turn in range(max(map(len, by_stream.values()), default=0)):
        yield [queue[turn] for queue in by_stream.values() if turn < len(queue)]


def follow(
    found: Iterable[Found],
    trackers: Mapping[str, Tracker],
    *,
    metrics: Metrics,
    judges: Mapping[str, Judge] = MappingProxyType({}),
    is_cut_short: Callable[[str], bool] = lambda stream: False,
) -> Iterator[Tracked | StreamEnd]:
    """Track each stream's detections; at the end, end the tracks of all streams.

    judges: of those streams whose tracks are judged by more than their detections
    is_cut_short: says in the end of a stream whether it was not watched to its end
    """
    last_pts = dict.fromkeys(trackers, 0.0)
    for item in found:
        frame = item.frame
        tracker, jumps = trackers[frame.stream], trackers[frame.stream].jumps
        with metrics.stages("track"):
            tracks = tracker.update(
                item.detections,
                pts_seconds=frame.pts_seconds,
                size_wh=frame.size_wh,
                known_only=not item.was_scanned,
            )
        cut: Literal["shot", "jump"] | None = "jump" if tracker.jumps > jumps else "shot" if item.is_cut else None
        if cut is not None:
            metrics.cuts.labels(frame.stream).inc()
        last_pts[frame.stream] = frame.pts_seconds
        ended, judge = tracker.ended(), judges.get(frame.stream)
        if judge is not None:
            with metrics.stages("judge"):
                ended, tracks = judge.ended(ended), judge.judged(frame, tracks)
        yield Tracked(frame, tracks, ended, item.was_scanned, cut)
    for stream, tracker in trackers.items():
        ended = tracker.finish()
        ended = judges[stream].ended(ended) if stream in judges else ended
        yield StreamEnd(stream, last_pts[stream], ended, is_cut_short(stream))


def events(
    tracked: Iterable[Tracked | StreamEnd], watchers: Mapping[str, Watcher], *, metrics: Metrics
) -> Iterator[Item]:
    """Turn tracks into events. Each frame comes after its events, so that who draws it knows them."""
    for item in tracked:
        with metrics.stages("events"):
            watcher = watchers[item.stream]
            new = list(watcher.close(item) if isinstance(item, StreamEnd) else watcher.update(item))
        for event in new:
            if isinstance(event, EVENTS):
                metrics.event(event)
            yield event
        if isinstance(item, StreamEnd):
            continue
        yield item
        # Who asks for more has dealt with what there was.
        metrics.frames.processed(item.frame.stream)
        metrics.latency.observe(time.monotonic() - item.frame.received_at)


def _is_due(frame: Frame, next_scan: dict[str, float], scan_seconds: float, *, now: bool) -> bool:
    """Say whether it is the frame's turn to be scanned: it is the one nearest to when that is due, or `now`."""
    if not now and frame.pts_seconds + frame.duration_seconds / 2 < next_scan.get(frame.stream, 0.0):
        return False
    next_scan[frame.stream] = frame.pts_seconds + scan_seconds
    return True


def _where(frame: Frame, proposals: Boxes | None, tracker: Tracker) -> tuple[Boxes, Detections]:
    """Return the boxes to verify in a frame, and what is expected there; `proposals` is None where it was not scanned.

    With a scan everything is looked at anew, so that a name that was taken for granted does not live for ever.
    """
    if proposals is None:
        return np.zeros((0, 4), np.float32), tracker.expected(frame.pts_seconds, known_only=True)
    predicted = tracker.predicted(frame.pts_seconds)
    is_new = iou(proposals, predicted).max(axis=1, initial=0) < _SAME_PLACE
    return np.concatenate([predicted, proposals[is_new]]), Detections.empty()
