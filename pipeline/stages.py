"""The stages between batches of frames and events. Each is a generator: things in, things out, nothing kept running.

What comes between a stream's frames (a gap, the stream's end) goes through them in its place: no stage bridges it.

`detect` is lazy: a frame is verified only when the stage after it asks for it, and by then the tracker has seen the
frame before and can tell where to look. So these stages run in one thread, frame by frame, each stream in its order.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Literal, Protocol, TypeVar

from detectors.detections import Detections
from detectors.detector import Detector
from pipeline.cadence import Cadence, Turn
from pipeline.events import EVENTS, GapEvent, timed
from pipeline.metrics import Metrics
from pipeline.overload import Overload
from pipeline.places import Places
from pipeline.prefetch import Given, Gone
from pipeline.tracker import Boxes, Track, Tracker
from streams.frame import Frame
from streams.gap import Gap, WallClock


@dataclass(frozen=True, slots=True)
class Found:
    """A frame and what was found in it.

    was_scanned: all of it was looked at, or, of a picture that stands still, all that its last scan proposed; else only
        where known things were expected
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
    cut: what ended all tracks before this frame: another shot, or a jump of the clock or the picture's size, or that
        the stream was not watched before it (`jump`); else None
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
class Break:
    """A live stream is not watched from here on, or, where the gap has an end, it is again: and the tracks it ended."""

    gap: Gap
    ended: Sequence[Track]

    @property
    def stream(self) -> str:
        return self.gap.stream


@dataclass(frozen=True, slots=True)
class StreamEnd:
    """A stream is over: its last tracks, and the PTS of its last frame.

    is_cut_short: the stream was not watched to its end
    """

    stream: str
    pts_seconds: float
    ended: Sequence[Track]
    is_cut_short: bool = False


Between = Gap | Gone
"""What comes between frames."""

_Streamed = TypeVar("_Streamed", Frame, Given)


class Cutter(Protocol):
    """Tells where another shot begins; fed every frame of one stream in order (see `shots.py`)."""

    def is_cut(self, frame: Frame) -> bool: ...


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

    def interrupt(self, missed: Break) -> Iterable[Item]:
        """End what is open: nothing is known of the time until the next frame. It may come twice in a row."""
        ...

    def close(self, end: StreamEnd) -> Iterable[Item]: ...


def detect(
    batches: Iterable[Sequence[Given]],
    detector: Detector,
    trackers: Mapping[str, Tracker],
    *,
    scan_seconds: float,
    still_scan_seconds: float = 0.0,
    anew_seconds: float = 0.0,
    metrics: Metrics,
    cutters: Mapping[str, Cutter] = MappingProxyType({}),
    overload: Overload | None = None,
) -> Iterator[Found | Between]:
    """Scan each stream when it is due (see `Cadence`), a batch at once; verify each frame, a frame of each a round.

    anew_seconds: so long what a scan found holds (see `Places`)
    cutters: tell of those streams that have one where another shot begins. No track goes on there, and it is scanned.

    What is verified is what the scan proposes and where the stream's tracks are expected. Where there was no scan, only
    tracks of known classes are looked at: the others, nine in ten on a street, can wait for the next one.

    overload: has a say in how often and how well live streams are scanned
    """
    overload = overload or Overload()
    cadence = Cadence(scan_seconds=scan_seconds, still_scan_seconds=still_scan_seconds, overload=overload)
    latest: dict[str, Boxes] = {}  # what each stream's last scan proposed
    known: dict[str, Places] = {}
    for given in batches:
        frames = [item for item in given if isinstance(item, Frame)]
        metrics.batch_frames.observe(len(frames))
        with metrics.stages("cut"):
            cuts = {id(f) for f in frames if f.stream in cutters and cutters[f.stream].is_cut(f)}
        with metrics.stages("scan"):
            turns: dict[int, Turn] = {}
            for item in given:
                if isinstance(item, Frame):
                    turns[id(item)] = cadence.turn(item, now=id(item) in cuts)
                else:
                    cadence.forget(item.stream)  # what follows a gap is another scene
            proposals = _scanned(detector, [f for f in frames if turns[id(f)] == "scan"], overload)
        for item in given:
            if not isinstance(item, Frame):
                latest.pop(item.stream, None)
            elif turns[id(item)] == "scan":
                metrics.frames.scanned(item.stream)
                latest[item.stream] = proposals[id(item)]
            elif turns[id(item)] == "again":
                proposals[id(item)] = latest[item.stream]
        for mixed in rounds(given):
            row = [item for item in mixed if isinstance(item, Frame)]
            for item in mixed:
                if not isinstance(item, Frame):
                    known.pop(item.stream, None)
                    yield item
            for frame in row:
                if id(frame) in cuts:
                    trackers[frame.stream].cut()
            with metrics.stages("verify"):
                places = [
                    known.setdefault(frame.stream, Places(trackers[frame.stream], anew_seconds=anew_seconds))
                    for frame in row
                ]
                asked = [each.where(frame, proposals.get(id(frame))) for each, frame in zip(places, row, strict=True)]
                boxes, expected = [boxes for boxes, _ in asked], [there for _, there in asked]
                is_anything = any(map(len, boxes)) or any(map(len, expected))
                found = detector.verify(row, boxes, expected) if is_anything else [Detections.empty()] * len(row)
                found = [each.learn(frame, new) for each, frame, new in zip(places, row, found, strict=True)]
            for frame, detections in zip(row, found, strict=True):
                yield Found(frame, detections, id(frame) in proposals, id(frame) in cuts)


def rounds(given: Sequence[_Streamed]) -> Iterator[list[_Streamed]]:
    """Yield the first of each stream, then the second of each that has one, and so on."""
    by_stream: dict[str, list[_Streamed]] = {}
    for item in given:
        by_stream.setdefault(item.stream, []).append(item)
    for turn in range(max(map(len, by_stream.values()), default=0)):
        yield [queue[turn] for queue in by_stream.values() if turn < len(queue)]


def follow(
    found: Iterable[Found | Between],
    trackers: MutableMapping[str, Tracker],
    *,
    metrics: Metrics,
    judges: Mapping[str, Judge] = MappingProxyType({}),
    is_cut_short: Callable[[str], bool] = lambda stream: False,
) -> Iterator[Tracked | Break | StreamEnd]:
    """Track each stream's detections; end the tracks of a stream at a gap, and those of all streams at the end.

    trackers: that of a stream that is gone is taken out
    judges: of those streams whose tracks are judged by more than their detections
    is_cut_short: says in the end of a stream whether it was not watched to its end
    """

    def settled(stream: str, ended: Sequence[Track]) -> Sequence[Track]:
        """Ended tracks as their judge has them, where there is one."""
        return judges[stream].ended(ended) if stream in judges else ended

    last_pts: dict[str, float] = {}
    broken: set[str] = set()  # streams of which no frame has come since a gap
    for item in found:
        if isinstance(item, Gap):
            trackers[item.stream].cut()
            broken.add(item.stream)
            yield Break(item, settled(item.stream, trackers[item.stream].ended()))
            continue
        if isinstance(item, Gone):
            broken.discard(item.stream)
            ended = settled(item.stream, trackers.pop(item.stream).finish())
            yield StreamEnd(item.stream, last_pts.pop(item.stream, 0.0), ended, is_cut_short=True)
            continue
        frame = item.frame
        tracker, jumps = trackers[frame.stream], trackers[frame.stream].jumps
        with metrics.stages("track"):
            tracks = tracker.update(
                item.detections,
                pts_seconds=frame.pts_seconds,
                size_wh=frame.size_wh,
                known_only=not item.was_scanned,
            )
        is_jump = tracker.jumps > jumps or frame.stream in broken
        broken.discard(frame.stream)
        cut: Literal["shot", "jump"] | None = "jump" if is_jump else "shot" if item.is_cut else None
        if cut is not None:
            metrics.cuts.labels(frame.stream).inc()
        last_pts[frame.stream] = frame.pts_seconds
        ended, judge = settled(frame.stream, tracker.ended()), judges.get(frame.stream)
        if judge is not None:
            with metrics.stages("judge"):
                tracks = judge.judged(frame, tracks)
                tracker.name(track.id for track in tracks)
        yield Tracked(frame, tracks, ended, item.was_scanned, cut)
    for stream, tracker in list(trackers.items()):
        yield StreamEnd(stream, last_pts.get(stream, 0.0), settled(stream, tracker.finish()), is_cut_short(stream))


def events(
    tracked: Iterable[Tracked | Break | StreamEnd],
    watchers: Mapping[str, Watcher],
    *,
    metrics: Metrics,
    overload: Overload | None = None,
) -> Iterator[Item]:
    """Turn tracks into events. Each frame comes after its events, so that who draws it knows them; so does an end.

    Events of live streams get the world's time here.

    overload: is told how long each frame took
    """
    clocks: dict[str, WallClock] = {}
    for item in tracked:
        with metrics.stages("events"):
            new = list(_new_events(item, watchers[item.stream]))
        if isinstance(item, Tracked) and item.frame.wall_clock is not None:
            clocks[item.stream] = item.frame.wall_clock
        for event in new:
            if isinstance(event, EVENTS):
                metrics.event(event)
                yield timed(event, clocks.get(event.stream))
            else:
                yield event
        if isinstance(item, Break):
            continue
        yield item
        # Who asks for more has dealt with what there was.
        if isinstance(item, StreamEnd):
            clocks.pop(item.stream, None)
            continue
        seconds = time.monotonic() - item.frame.received_at
        metrics.frames.processed(item.stream, item.frame.duration_seconds)
        metrics.streams.lag(item.stream, seconds)
        metrics.latency.observe(seconds)
        if overload is not None:
            overload.frame(item.stream, seconds)
            metrics.overload_level.set(overload.level)


def _new_events(item: Tracked | Break | StreamEnd, watcher: Watcher) -> Iterator[Item]:
    if isinstance(item, Tracked):
        yield from watcher.update(item)
    elif isinstance(item, StreamEnd):
        yield from watcher.close(item)
    else:
        yield from watcher.interrupt(item)
        yield GapEvent(**asdict(item.gap))


def _scanned(detector: Detector, frames: Sequence[Frame], overload: Overload) -> dict[int, Boxes]:
    """Return the proposals by the frame's `id`."""
    groups: dict[float, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(overload.effort_of(frame.stream).shrink, []).append(frame)
    found: dict[int, Boxes] = {}
    for shrink, group in groups.items():
        found.update(zip(map(id, group), detector.scan(group, shrink=shrink), strict=True))
    return found
