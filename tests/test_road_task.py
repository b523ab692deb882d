"""From tracks to events: what a track must be to mean something."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Literal

import numpy as np
import pytest

from detectors.detections import Detections
from pipeline.events import Announcement, Event, LimitChange, OtherSign, Sighting
from pipeline.road.announce import AnnouncerSettings
from pipeline.road.limit import LimitSettings
from pipeline.road.task import Road, RoadSettings
from pipeline.stages import StreamEnd, Tracked
from pipeline.tasks import Origin
from pipeline.tracker import Best, Track, Tracker
from streams.frame import StreamInfo
from tests.worlds import frame

ORIGIN = Origin(StreamInfo("road", (640, 384), 2.0, Fraction(1, 2), False, None, None), "", {})
SQUARE, WIDE, NARROW = (100.0, 50.0, 140.0, 90.0), (100.0, 50.0, 160.0, 90.0), (100.0, 50.0, 120.0, 90.0)


def track(
    class_id: int, state: str = "ended", *, number: int = 1, box: tuple[float, float, float, float] = SQUARE
) -> Track:
    passes_in = 0.0 if state == "ended" else 2.0
    return Track(number, state, class_id, 0.9, box, 0.9, 1.0, 2.0, passes_in, Best(box, 1.8, 0.95))  # type: ignore[arg-type]


def drive(*moments: Sequence[Track], lang: str = "en", country: str = "DE") -> list[Event]:
    """Watch frames, 0.5 s apart, with these tracks."""
    road = Road(road=RoadSettings(lang=lang, country=country), limit=LimitSettings(), announcer=AnnouncerSettings())
    watcher = road.watcher(ORIGIN)
    events: list[Event] = []
    for number, tracks in enumerate(moments):
        picture = frame(np.zeros((8, 8, 3), np.uint8), index=number, fps=2)
        ended = [t for t in tracks if t.state == "ended"]
        events += watcher.update(Tracked(picture, [t for t in tracks if t.state != "ended"], ended))
    return events


@pytest.mark.parametrize(
    ("tracks", "kinds", "remark"),
    [
        ([track(2)], [Announcement, Sighting, LimitChange], "a limit, passed: told late rather than never"),
        ([track(14)], [Announcement, Sighting], "a sign that says nothing of speed"),
        ([track(14, "confirmed")], [Announcement], "still coming"),
        ([track(14, "tentative")], [], "not believed"),
        ([track(43)], [OtherSign], "none of the known ones: nothing is told"),
        ([track(12, box=WIDE)], [OtherSign], "wider than any sign: a gable"),
        ([track(12, box=NARROW)], [Announcement, Sighting], "seen from the side"),
    ],
)
def test_events_of_a_frame(tracks: list[Track], kinds: list[type], remark: str) -> None:
    assert [type(event) for event in drive(tracks)] == kinds, remark


def test_what_is_no_known_sign_has_no_known_class() -> None:
    (event,) = drive([track(12, box=WIDE)])
    assert isinstance(event, OtherSign)
    assert (event.class_id, event.label) == (43, "other_sign")


def test_a_sign_is_told_before_it_passes_and_counts_when_it_has_passed() -> None:
    told, seen, limit = drive([track(2, "confirmed")], [track(2)])
    assert isinstance(told, Announcement)
    assert (told.pts_seconds, told.text, told.passes_in_seconds) == (0.0, "Speed limit 50 km/h", 2.0)
    assert isinstance(seen, Sighting)
    assert (seen.meaning, seen.value, seen.unit) == ("speed_limit.max", 50, "km/h")
    assert isinstance(limit, LimitChange)
    assert limit.pts_seconds == seen.end_seconds == 2.0


def test_signs_in_sight_at_the_end_were_not_passed() -> None:
    watcher = Road(road=RoadSettings(lang="en"), limit=LimitSettings(), announcer=AnnouncerSettings()).watcher(ORIGIN)
    events = list(watcher.close(StreamEnd("road", 3.0, [track(2)])))
    assert [type(event) for event in events] == [Announcement, Sighting], "the limit stays as it was"


@pytest.mark.parametrize(
    ("size_wh", "pts", "remark"),
    [
        ((640, 384), 136, "the clock goes on two seconds later"),
        ((640, 384), 86, "nothing happens"),
        ((320, 192), 86, "the picture has another size"),
    ],
)
def test_no_limit_goes_over_a_jump_or_another_size(size_wh: tuple[int, int], pts: int, remark: str) -> None:
    """Nor does a sign that was in sight before it set one: it was never passed."""
    road = Road(road=RoadSettings(lang="en"), limit=LimitSettings(), announcer=AnnouncerSettings())
    tracker, watcher = Tracker(), road.watcher(ORIGIN)
    events = list(watcher.update(Tracked(frame(np.zeros((384, 640, 3), np.uint8)), [], [track(2)])))
    coming = Detections(np.array([(300, 100, 340, 140)], np.float32), np.array([0.9], np.float32), np.array([4]))
    first = []
    for number in (*range(60, 86), *range(pts, pts + 80)):
        w, h = size_wh if number >= pts else (640, 384)
        picture = frame(np.zeros((h, w, 3), np.uint8), index=number, pts=number)
        grown = replace(coming, xyxy=coming.xyxy + np.array([-1, -1, 1, 1], np.float32) * (number - 60))
        jumps = tracker.jumps
        tracks = tracker.update(
            grown if number < 86 else Detections.empty(), pts_seconds=picture.pts_seconds, size_wh=picture.size_wh
        )
        cut: Literal["jump"] | None = "jump" if tracker.jumps > jumps else None
        new = list(watcher.update(Tracked(picture, tracks, tracker.ended(), cut=cut)))
        first = new if number == pts else first
        events += new
    seen = [event for event in events if isinstance(event, Sighting)]
    limits = [(event.state, event.value, event.reason) for event in events if isinstance(event, LimitChange)]
    assert [sighting.value for sighting in seen] == [50, 70]
    if remark == "nothing happens":
        assert limits == [("set", 50, "sign"), ("set", 70, "sign")]
    else:
        assert limits == [("set", 50, "sign"), ("unknown", None, "gap")], remark
        assert [type(event) for event in first] == [Sighting, LimitChange]
        assert first[-1].pts_seconds == pytest.approx(86 / 25), "from where nobody knows"  # type: ignore[union-attr]


def test_what_a_run_tells_of_its_language() -> None:
    road = Road(road=RoadSettings(lang="de-AT"), limit=LimitSettings(), announcer=AnnouncerSettings())
    about = road.about()
    assert (about["lang"], about["country"]) == ("de", "DE")
    assert sum(about["grades"].values()) == 36, "one sentence a meaning"  # type: ignore[attr-defined]
