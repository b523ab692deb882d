"""Detecting and following: what is scanned, what is verified, and that batches change nothing."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from detectors.detections import Detections
from detectors.detector import with_expected
from detectors.picture import Picture
from pipeline.metrics import Metrics
from pipeline.stages import Break, Found, StreamEnd, Tracked, detect, events, follow, rounds
from pipeline.tracker import Track, Tracker
from streams.frame import Frame
from tests.worlds import Boxes, Expected, Sign, SquareDetector, frame, picture, times

SIGN = Sign(2, z=38)


def frames(signs: Sequence[Sign] = (SIGN,), seconds: float = 1.0, *, stream: str = "road") -> list[Frame]:
    return [frame(picture(signs, now), index=i, stream=stream) for i, now in enumerate(times(seconds))]


def batches(row: Sequence[Frame], size: int) -> list[Sequence[Frame]]:
    return [row[i : i + size] for i in range(0, len(row), size)]


def metrics(*streams: str) -> Metrics:
    counted = Metrics()
    for stream in streams or ("road",):
        counted.frames.open(stream)
    return counted


def run_through(row: Sequence[Frame], size: int, scan_seconds: float = 0.08) -> list[Tracked | StreamEnd]:
    streams = sorted({f.stream for f in row})
    counted, trackers = metrics(*streams), {stream: Tracker() for stream in streams}
    found = detect(batches(row, size), SquareDetector(), trackers, scan_seconds=scan_seconds, metrics=counted)
    return list(follow(found, trackers, metrics=counted))


@pytest.mark.parametrize(
    ("order", "expected", "remark"),
    [
        ("", [], "no frames"),
        ("aaa", ["a", "a", "a"], "one stream: a frame a round"),
        ("abab", ["ab", "ab"], "two streams in step"),
        ("aabca", ["abc", "a", "a"], "uneven: a stream that is done is left out"),
    ],
)
def test_rounds(order: str, expected: list[str], remark: str) -> None:
    grey = np.zeros((8, 8, 3), np.uint8)
    row = [frame(grey, index=i, stream=stream) for i, stream in enumerate(order)]
    assert ["".join(f.stream for f in round_) for round_ in rounds(row)] == expected, remark
    flat = [f.index for round_ in rounds(row) for f in round_ if f.stream == "a"]
    assert flat == sorted(flat), "a stream's frames keep their order"


@pytest.mark.parametrize(
    ("scan_seconds", "every", "size"),
    [(0.0, 1, 8), (0.04, 1, 8), (0.08, 2, 8), (0.08, 2, 1), (0.125, 3, 8), (0.125, 3, 5), (0.11, 3, 8), (9.0, 30, 8)],
)
def test_scans_come_at_their_time_a_batch_at_once(scan_seconds: float, every: int, size: int) -> None:
    detector, counted = SquareDetector(), metrics()
    row = frames()
    list(detect(batches(row, size), detector, {"road": Tracker()}, scan_seconds=scan_seconds, metrics=counted))
    expected = [len([f for f in part if f.index % every == 0]) for part in batches(row, size)]
    assert detector.scans == [count for count in expected if count], "the scan sees all due frames of a batch together"
    assert counted.frames.snapshot()["road"].scanned == sum(expected)


def test_a_dropped_frame_shifts_no_turn() -> None:
    row = [f for f in frames() if f.index != 2]
    detector = SquareDetector()
    list(detect(batches(row, 1), detector, {"road": Tracker()}, scan_seconds=0.08, metrics=metrics()))
    assert sum(detector.scans) == 12, "frame 3 takes the turn of frame 2, and 5 the next"


@pytest.mark.parametrize(("fps", "scans"), [(5, 5), (10, 10), (25, 9), (30, 8), (60, 9)])
def test_scans_a_second_hardly_depend_on_the_rate_of_frames(fps: int, scans: int) -> None:
    grey = np.zeros((8, 8, 3), np.uint8)
    row = [frame(grey, index=i, fps=fps) for i in range(fps)]
    detector = SquareDetector()
    list(detect(batches(row, 8), detector, {"road": Tracker()}, scan_seconds=0.125, metrics=metrics()))
    assert sum(detector.scans) == scans


def test_a_tracked_sign_is_found_without_a_scan() -> None:
    """Only the first frame is scanned; from then on the sign is found where the tracker expects it."""
    items = run_through(frames(seconds=2.0), size=8, scan_seconds=40.0)
    tracked = [item for item in items if isinstance(item, Tracked)]
    assert all(len(item.tracks) == 1 and not item.tracks[0].is_bridged for item in tracked)
    assert tracked[-1].tracks[0].state == "confirmed"


class Asked(SquareDetector):
    """Notes how many places it is asked to verify in each frame."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def verify(
        self, pictures: Sequence[Picture], proposals: Sequence[Boxes], expected: Expected = None
    ) -> list[Detections]:
        self.asked += map(len, with_expected(proposals, expected))
        return super().verify(pictures, proposals, expected)


def test_the_tracker_has_seen_a_frame_before_the_next_is_verified() -> None:
    """`detect` yields frame by frame; were a batch verified at once, the second frame would have no predictions."""
    tracker, detector, counted = Tracker(), Asked(), metrics()
    found = detect(batches(frames(seconds=0.2), 8), detector, {"road": tracker}, scan_seconds=0.32, metrics=counted)
    list(follow(found, {"road": tracker}, metrics=counted))
    assert detector.asked == [1, 1, 1, 1, 1], "one proposal by the scan, then one prediction a frame"


@pytest.mark.parametrize(
    ("signs", "asked", "remark"),
    [
        ([SIGN], [1, 1, 1, 1, 1], "the scan's proposal is where the sign is expected: one look is enough"),
        ([SIGN, Sign(14, x=-3)], [2, 2, 2, 2, 2], "two signs"),
        ([Sign(43, z=38)], [1, 1, 1], "a sign that means nothing is looked at in scanned frames alone"),
    ],
)
def test_what_is_verified(signs: list[Sign], asked: list[int], remark: str) -> None:
    tracker, detector, counted = Tracker(), Asked(), metrics()
    row = frames(signs, seconds=0.2)
    found = detect(batches(row, 8), detector, {"road": tracker}, scan_seconds=0.08, metrics=counted)
    list(follow(found, {"road": tracker}, metrics=counted))
    assert detector.asked == asked, remark


class Namer:
    """Leaves all tracks, or none: a judge that names what the detector has no name for."""

    def __init__(self, names: bool) -> None:
        self.names = names

    def ended(self, tracks: Iterable[Track]) -> list[Track]:
        return list(tracks)

    def judged(self, frame: Frame, tracks: Sequence[Track]) -> list[Track]:
        return list(tracks) if self.names else []


@pytest.mark.parametrize(("names", "asked"), [(True, [1, 1, 1, 1, 1]), (False, [1, 1, 1])])
def test_what_a_judge_named_is_looked_at_in_every_frame(names: bool, asked: list[int]) -> None:
    tracker, detector, counted = Tracker(is_judged=True), Asked(), metrics()
    row = frames([Sign(43, z=38)], seconds=0.2)
    found = detect(batches(row, 8), detector, {"road": tracker}, scan_seconds=0.08, metrics=counted)
    list(follow(found, {"road": tracker}, metrics=counted, judges={"road": Namer(names)}))
    assert detector.asked == asked, "and in a scan's frame it is expected where the scan proposes it: one look"


def test_nothing_to_verify_is_not_verified() -> None:
    detector = SquareDetector()
    found = list(detect(batches(frames(()), 8), detector, {"road": Tracker()}, scan_seconds=0.08, metrics=metrics()))
    assert detector.verifications == []
    assert [len(item.detections) for item in found] == [0] * 25


def test_events_do_not_depend_on_the_batch_size() -> None:
    signs = [SIGN, Sign(13, x=-3.0, z=45)]
    row = [f for pair in zip(frames(signs), frames([Sign(14)], stream="b"), strict=True) for f in pair]
    expected = run_through(row, 1)
    for size in (2, 5, 8):
        for stream in ("road", "b"):
            assert [i for i in run_through(row, size) if i.stream == stream] == [
                i for i in expected if i.stream == stream
            ], f"batches of {size}"


def test_the_end_of_the_streams_ends_their_tracks() -> None:
    row = [*frames(seconds=1.6), *frames((), seconds=0.4, stream="empty")]
    ends = {item.stream: item for item in run_through(row, 8) if isinstance(item, StreamEnd)}
    assert [t.class_id for t in ends["road"].ended] == [2]
    assert ends["empty"].ended == []
    assert ends["empty"].pts_seconds == pytest.approx(0.36)


def test_events_come_before_their_frame_and_frames_are_counted_when_they_are_done() -> None:
    counted = metrics()
    counted.frames.decoded("road", 0.04)
    seen: list[str] = []

    class Watcher:
        def update(self, tracked: Tracked) -> list[str]:
            return ["event"]

        def close(self, end: StreamEnd) -> list[str]:
            return ["last event"]

        def interrupt(self, missed: Break) -> list[str]:
            raise AssertionError("a file has no gaps")

    (first,) = frames(seconds=0.04)
    items = follow([Found(first, Detections.empty())], {"road": Tracker()}, metrics=counted)
    for item in events(items, {"road": Watcher()}, metrics=counted):  # type: ignore[dict-item]
        seen.append(item if isinstance(item, str) else "end" if isinstance(item, StreamEnd) else "frame")
        if seen[-1] == "frame":
            assert counted.frames.snapshot()["road"].in_flight == 1, "it is being dealt with"
    assert seen == ["event", "frame", "last event", "end"]
    assert counted.frames.snapshot()["road"].processed == 1
    assert counted.frames.snapshot()["road"].in_flight == 0


def test_a_cut_is_counted() -> None:
    counted = metrics()
    grey = np.zeros((8, 8, 3), np.uint8)
    jump = [frame(grey, index=i, pts=pts) for i, pts in enumerate((0, 1, 500, 501))]
    list(follow([Found(f, Detections.empty()) for f in jump], {"road": Tracker()}, metrics=counted))
    assert counted.registry.get_sample_value("wayside_stream_cuts_total", {"stream": "road"}) == 1


class CutAt:
    """Says that another shot begins with these frames."""

    def __init__(self, *indices: int) -> None:
        self.indices, self.seen = indices, list[int]()

    def is_cut(self, frame: Frame) -> bool:
        self.seen.append(frame.index)
        return frame.index in self.indices


@pytest.mark.parametrize("size", [1, 8])
def test_no_track_goes_on_in_another_shot_and_its_first_frame_is_scanned(size: int) -> None:
    row, cutter, counted, trackers = frames(seconds=1.6), CutAt(20), metrics(), {"road": Tracker()}
    found = detect(
        batches(row, size),
        SquareDetector(),
        trackers,
        scan_seconds=9.0,
        metrics=counted,
        cutters={"road": cutter},
    )
    tracked = [item for item in follow(found, trackers, metrics=counted) if isinstance(item, Tracked)]
    assert cutter.seen == [f.index for f in row], "it sees every frame, in order"
    assert [t.frame.index for t in tracked if t.was_scanned] == [0, 20]
    assert [(t.frame.index, t.cut) for t in tracked if t.cut] == [(20, "shot")]
    ids = [{track.id for track in t.tracks} for t in tracked]
    assert ids[19] == {1}
    assert ids[20] == {2}, "the same sign in another shot is another track"
    assert counted.registry.get_sample_value("wayside_stream_cuts_total", {"stream": "road"}) == 1


@pytest.mark.parametrize("size", [1, 8])
def test_what_stands_still_is_looked_at_as_often_as_ever_with_fewer_scans(size: int) -> None:
    """A sign that means nothing is looked at in scanned frames alone, and where the last scan's proposals are again."""
    image, tracker, detector, counted = picture([Sign(43, z=38)], 0.0), Tracker(), Asked(), metrics()
    row = [frame(image, index=i) for i in range(25)]
    found = detect(
        batches(row, size), detector, {"road": tracker}, scan_seconds=0.08, still_scan_seconds=9.0, metrics=counted
    )
    tracked = [item for item in follow(found, {"road": tracker}, metrics=counted) if isinstance(item, Tracked)]
    assert sum(detector.scans) == counted.frames.snapshot()["road"].scanned == 4, "frames 0, 2, 6 and 14"
    assert [item.frame.index for item in tracked if item.was_scanned] == list(range(0, 25, 2))
    assert detector.asked == [1] * 13
