"""One rising line of time over wraps, jumps, disorder, losses and connections; the cases are little stories."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.timeline import TICKS, TIME_BASE, Place, Timeline

STEP = 3600


def told(pts: list[int], at: list[float] | None = None, time_base: Fraction = TIME_BASE) -> list[Place]:
    timeline = Timeline()
    at = at or [100 + n / 25 for n in range(len(pts))]
    return [timeline.place(tick, time_base, moment) for tick, moment in zip(pts, at, strict=True)]


def ticks(places: list[Place]) -> list[int]:
    return [place.tick for place in places]


@pytest.mark.parametrize(
    ("pts", "expected"),
    [
        ([5, 5 + STEP, 5 + 2 * STEP], [0, STEP, 2 * STEP]),  # begins with 0, whatever the stream's first time is
        ([2**33 - STEP, 0, STEP], [0, STEP, 2 * STEP]),  # 26 h 30 min: the count begins again, time does not
        ([0, -STEP, -2 * STEP + 2**33], [0, 1, 2]),  # and what is a little out of order across the wrap is no jump
        ([0, STEP, STEP, 2 * STEP], [0, STEP, STEP + 1, 2 * STEP]),  # a repeated time
        ([0, 2 * STEP, STEP, 3 * STEP], [0, 2 * STEP, 2 * STEP + 1, 3 * STEP]),  # two in the wrong order
    ],
)
def test_times_of_one_connection(pts: list[int], expected: list[int]) -> None:
    places = told(pts)
    assert ticks(places) == expected
    assert not any(place.jump_seconds or place.is_hole for place in places)


def test_a_day_and_more_is_exact_to_the_tick() -> None:
    """27 h, a frame in 9 s: across a wrap, the length is what the frames say."""
    timeline = Timeline()
    places = [timeline.place(n * TICKS % 2**33, TIME_BASE, float(n)) for n in range(0, 27 * 3600, 9)]
    assert places[-1].tick == (27 * 3600 - 9) * TICKS
    assert not any(place.jump_seconds for place in places)


@pytest.mark.parametrize("to", [0, 10**9], ids=["back", "ahead"])
def test_a_jump_is_told_and_time_goes_on_as_the_world_does(to: int) -> None:
    places = told([10**7 + n * STEP for n in range(20)] + [to + n * STEP for n in range(5)])
    assert [place.is_hole for place in places] == [n == 20 for n in range(25)]
    assert abs(places[20].jump_seconds) > 100
    assert ticks(places) == pytest.approx([n * STEP for n in range(25)], abs=1)


def test_lost_frames_are_a_hole_but_no_jump() -> None:
    """Two seconds of frames are lost on the way; the clock says so, and the world agrees."""
    places = told([0, STEP, STEP + 2 * TICKS], [10.0, 10.04, 12.04])
    assert ticks(places) == [0, STEP, STEP + 2 * TICKS]
    assert [place.is_hole for place in places] == [False, False, True]
    assert not places[2].jump_seconds


def test_a_burst_after_a_pause_is_neither() -> None:
    """The network held 2 s back and gives them at once: nothing is lost."""
    places = told([n * STEP for n in range(60)], [10 + n / 25 for n in range(5)] + [12.2] * 55)
    assert ticks(places) == [n * STEP for n in range(60)]
    assert not any(place.is_hole for place in places)


def test_a_server_that_begins_with_old_frames() -> None:
    """The last two seconds are sent at once at the beginning, as many servers do."""
    places = told(
        [n * STEP for n in range(60)], [10 + n / 1000 for n in range(50)] + [10.05 + n / 25 for n in range(10)]
    )
    assert not any(place.jump_seconds for place in places)


def test_another_connection_goes_on_by_the_world() -> None:
    timeline = Timeline()
    timeline.place(900_000, TIME_BASE, 10.0)
    timeline.place(903_600, TIME_BASE, 10.04)
    timeline.begin()
    place = timeline.place(7, Fraction(1, 1000), 15.04)
    assert place.tick == 3600 + 5 * TICKS
    assert not place.jump_seconds
    assert timeline.place(47, Fraction(1, 1000), 15.08).tick == 3600 + 5 * TICKS + 3600


@given(st.lists(st.tuples(st.integers(-(2**34), 2**34), st.floats(0, 10)), max_size=50))
def test_time_always_rises(steps: list[tuple[int, float]]) -> None:
    """Whatever a stream says."""
    timeline, at, last = Timeline(), 0.0, -1
    for pts, passed in steps:
        at += passed
        place = timeline.place(pts, TIME_BASE, at)
        assert place.tick > last
        last = place.tick
