"""From a broadcast's tracks to its account: who is counted, from when, and until when."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from pipeline.brands.profiles import find_profile
from pipeline.brands.task import Broadcast, Observed
from pipeline.events import Event, Impression
from pipeline.stages import StreamEnd, Tracked
from pipeline.tracker import Best, Track
from streams.frame import StreamInfo
from tests.brand_worlds import identity
from tests.worlds import frame

FPS = 10
INFO = StreamInfo("match", (64, 48), float(FPS), Fraction(1, FPS), False, None, None)
PICTURE = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
OTHER = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
BOX = (8.0, 8.0, 40.0, 24.0)


def track(number: int, look: str, brand: int = 0) -> Track:
    """One track at one frame. look: t tentative, c confirmed, b confirmed and bridged, e ended."""
    state = {"t": "tentative", "c": "confirmed", "b": "confirmed", "e": "ended"}[look]
    found = None if look in "be" else 0.9
    return Track(number, state, brand, 0.9, BOX, found, 0.0, 0.0, 0.0, Best(BOX, 0.0, 0.9))  # type: ignore[arg-type]


def watched(*lives: str, cuts: Sequence[int] = (), brands: Sequence[int] = (0, 0, 1)) -> list[Event | Observed]:
    """Watch tracks, a character a frame: see `track`; a space where it is not there; `.`: it is, and was not found."""
    broadcast = Broadcast(INFO, run=identity(find_profile("raw")))
    events: list[Event | Observed] = []
    length = max(map(len, lives))
    for index in range(length):
        looks = [(number, life.ljust(length)[index]) for number, life in enumerate(lives, 1)]
        tracks = [track(number, look, brands[number - 1]) for number, look in looks if look in "tcb"]
        ended = [track(number, look, brands[number - 1]) for number, look in looks if look == "e"]
        shown = PICTURE if any(look in "tcb." for _, look in looks) else OTHER
        picture = frame(shown, index=index, fps=FPS, stream="match")
        events += broadcast.update(Tracked(picture, tracks, ended, True, "shot" if index in cuts else None))
    events += broadcast.close(StreamEnd("match", length / FPS, []))
    return events


def spans(events: Sequence[Event | Observed]) -> list[tuple[float, float, float]]:
    """Start, end and seconds on screen of each impression, in frames."""
    found = [e for e in events if isinstance(e, Impression)]
    return [tuple(round(s * FPS, 6) for s in (e.start_seconds, e.end_seconds, e.on_screen_seconds)) for e in found]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("lives", "expected", "remark"),
    [
        (["  ttcccc  "], [(2, 8, 6)], "what is believed later was there from its first frame on"),
        (["  tttt    "], [], "what is never believed never was"),
        (["  ..ttcc  "], [(2, 8, 6)], "what is found late is looked for in the frames before"),
        ([" .............tcc"], [(4, 17, 13)], "no further back than the account waits"),
        (["cccbbccce "], [(0, 3, 3), (5, 8, 3)], "frames in which it was not found do not count for `raw`"),
        (["ccccbbbbe "], [(0, 4, 4)], "a box that is foretold at its end is none"),
        (["cccccc", "  cccc"], [(0, 6, 6)], "two placements at once are one second"),
        (["ccccccc", "", "  ccc"], [(2, 5, 3), (0, 7, 7)], "two brands at once are two impressions"),
        (["tttttttttttttttttttt"], [], "what nobody ever believes holds nothing up"),
    ],
)
def test_what_is_counted(lives: list[str], expected: list[tuple[float, ...]], remark: str) -> None:
    assert spans(watched(*lives)) == expected, remark


def test_an_exposure_ends_at_a_cut() -> None:
    events = watched("cccccc", cuts=[3])
    assert spans(events) == [(0, 3, 3), (3, 6, 3)]
    assert [e.closed_by for e in events if isinstance(e, Impression)] == ["cut", "end"]


def test_what_is_found_late_was_not_there_before_the_cut() -> None:
    assert spans(watched(".....ttcc", cuts=[3])) == [(3, 9, 6)]


def test_every_frame_is_observed_once_and_handed_over_every_second() -> None:
    events = watched("tc" * 2 + "c" * 31)
    parts = [e for e in events if isinstance(e, Observed)]
    assert [i for part in parts for i in part.observations.index.tolist()] == list(range(35))
    assert len(parts) == 4
    assert all(part.open for part in parts[:3]), "what is on screen is told while it is"
    assert [row for part in parts for row in part.observations.brand.tolist()] == [0] * 35


def test_a_track_that_stays_doubtful_does_not_hold_the_account_up_for_ever() -> None:
    events = watched("t" * 60, "c" * 60)
    first = next(i for i, e in enumerate(events) if isinstance(e, Observed))
    assert first >= 0
    assert sum(isinstance(e, Observed) for e in events) == 6
    assert spans(events) == [(0, 60, 60)]


def test_a_board_that_shows_another_brand_hands_over_at_the_frame_where_it_changed() -> None:
    broadcast = Broadcast(INFO, run=identity(find_profile("raw")))
    events: list[Event | Observed] = []
    for index in range(12):
        now = index / FPS
        if index < 8:  # it is doubted from frame 5 on
            one = replace(track(1, "c", 0), doubted_since=None if index < 5 else 0.5)
        else:
            one = replace(track(2, "c", 1), start_seconds=0.5, follows=1)
        ended = [track(1, "e", 0)] if index == 8 else []
        picture = frame(PICTURE, index=index, fps=FPS, stream="match")
        assert picture.pts_seconds == pytest.approx(now)
        events += broadcast.update(Tracked(picture, [one], ended))
    events += broadcast.close(StreamEnd("match", 1.2, []))
    found = {
        e.brand: (round(e.start_seconds * FPS), round(e.end_seconds * FPS)) for e in events if isinstance(e, Impression)
    }
    assert found == {"Acme": (0, 5), "Bolt": (5, 12)}
