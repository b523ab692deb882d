"""Waits double up to their cap, differ from stream to stream, and begin anew only when told."""

import random

from streams.backoff import Backoff


def test_the_bound_doubles_up_to_the_cap() -> None:
    backoff = Backoff(first_seconds=0.5, cap_seconds=4, generator=random.Random(1))
    bounds = []
    for _ in range(6):
        bounds.append(backoff.bound_seconds)
        assert 0 <= backoff.next_seconds() <= bounds[-1]
    assert bounds == [0.5, 1, 2, 4, 4, 4]
    backoff.reset()
    assert backoff.bound_seconds == 0.5


def test_it_may_wait_for_years() -> None:
    backoff = Backoff()
    assert all(backoff.next_seconds() <= 4 for _ in range(2000))


def test_waits_are_drawn_over_the_whole_range() -> None:
    """Kolmogorov and Smirnov: a thousand streams that wait together come back spread evenly, not as one."""
    waits = []
    for seed in range(1000):
        backoff = Backoff(generator=random.Random(seed))
        for _ in range(5):
            wait = backoff.next_seconds()
        waits.append(wait / 4)
    waits.sort()
    distance = max(abs(wait - (place + 0.5) / 1000) for place, wait in enumerate(waits))
    assert distance < 0.0515, "1.63 over the root of 1000: one in a hundred would be further off"


def test_a_server_that_said_no_is_left_alone_for_longer() -> None:
    backoff = Backoff(generator=random.Random(1))
    assert all(30 <= backoff.longer_seconds(60) <= 60 for _ in range(100))
