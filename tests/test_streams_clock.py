"""The media clock: one rising line, whatever the packets say."""

from __future__ import annotations

from itertools import pairwise

import pytest

from streams.clock import MediaClock


@pytest.mark.parametrize(
    ("pts", "ticks"),
    [
        pytest.param([5, 15, 25], [5, 15, 25], id="steady: nothing changes, nor where it begins"),
        pytest.param([0, 10, 500, 510], [0, 10, 500, 510], id="a long still: variable frame rate"),
        pytest.param([0, 10, None, 30], [0, 10, 20, 30], id="one frame without a time"),
        pytest.param([0, 10, 20, None, None], [0, 10, 20, 30, 40], id="the last ones without, as flushed from AVI"),
        pytest.param([None, None, 7000, 7010], [0, 10, 20, 30], id="times begin late, as in RTSP"),
        pytest.param([None, None, None], [0, 10, 20], id="none at all, as in a bare H.264 stream"),
        pytest.param([0, 10, 10, 20], [0, 10, 11, 20], id="the same time twice"),
        pytest.param([0, 10, 30, 20, 40], [0, 10, 30, 31, 40], id="two frames swapped"),
        pytest.param([900, 910, 920, 0, 10, 20], [900, 910, 920, 930, 940, 950], id="the clock begins anew"),
        pytest.param([-20, -10, 0, 10], [-20, -10, 0, 10], id="below zero, as FFmpeg undoes a wrap at 2^33"),
    ],
)
def test_ticks(pts: list[int | None], ticks: list[int]) -> None:
    clock = MediaClock(nominal=10)
    assert [clock.place(time) for time in pts] == ticks


def test_resets_are_counted_and_the_offset_stays() -> None:
    clock = MediaClock(nominal=10)
    times = [*range(0, 1000, 10)] * 3
    ticks = [clock.place(time) for time in times]
    assert ticks == [*range(0, 3000, 10)]
    assert clock.resets == 2


def test_typical_step_is_the_median_and_not_led_astray() -> None:
    clock = MediaClock(nominal=1)
    assert clock.typical_step == 1, "before anything is measured"
    for time in [0, 33, 67, 100, 133, 5000, 5033]:
        clock.place(time)
    assert clock.typical_step == 33


def test_always_rises() -> None:
    clock = MediaClock(nominal=3)
    disorder = [(7919 * number) % 257 if number % 5 else None for number in range(2000)]
    ticks = [clock.place(time) for time in disorder]
    assert all(before < after for before, after in pairwise(ticks))
