"""The controller with a clock of its own: up quickly, down slowly, and never to and fro."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from pipeline.overload import FULL, LEVELS, Overload, OverloadSettings

FPS = 20


class Machine:
    """Deals with live frames that cost so much a level, on a clock that is turned by hand."""

    def __init__(self, *, budget: float = 1.0) -> None:
        self.now, self.late = 100.0, 0
        self.overload = Overload(
            OverloadSettings(latency_budget_seconds=budget), late=lambda: self.late, clock=lambda: self.now
        )
        self.overload.live.add("camera")
        self.levels: list[tuple[float, int]] = []

    def run(
        self, seconds: float, latency: Callable[[int], float], *, busy: Callable[[int], float] | None = None
    ) -> None:
        """latency: by level; busy: share of the time, by level; without it, all of it where frames are slow."""
        for _ in range(round(seconds * FPS)):
            level = self.overload.level
            slow = latency(level)
            share = busy(level) if busy is not None else 1.0 if slow > 0.5 else 0.7 if slow > 0.3 else 0.3
            self.now += 1 / FPS
            self.overload.batch(1, share / FPS, (1 - share) / FPS)
            self.overload.frame("camera", slow)
            if not self.levels or self.levels[-1][1] != self.overload.level:
                self.levels.append((self.now, self.overload.level))


def test_with_time_to_spare_nothing_is_left_out() -> None:
    machine = Machine()
    machine.run(60, lambda level: 0.1)
    assert machine.overload.level == 0
    assert machine.overload.effort_of("camera") == FULL


def test_it_goes_up_within_seconds_and_no_further_than_it_must() -> None:
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    began = machine.now
    machine.run(8, lambda level: (0.9, 0.8, 0.7, 0.4, 0.2, 0.1, 0.1)[level])
    assert [level for _, level in machine.levels] == [0, 1, 2, 3]
    assert machine.levels[-1][0] - began < 4.5


def test_two_levels_at_once_where_the_budget_is_overrun() -> None:
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    machine.run(2, lambda level: 1.5 if level < 2 else 0.4)
    assert [level for _, level in machine.levels] == [0, 2]


def test_the_first_seconds_in_which_networks_are_compiled_say_nothing() -> None:
    machine = Machine()
    machine.run(1.5, lambda level: 4.0)
    machine.run(5, lambda level: 0.1)
    assert machine.overload.highest == 0


def test_frames_that_come_too_late_are_too_much_too() -> None:
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    for _ in range(40):
        machine.late += 3
        machine.run(0.05, lambda level: 0.1, busy=lambda level: 1.0)
    assert machine.overload.level >= 2, "three of four frames are dropped, though those that are left are in time"


def test_a_burst_is_not_too_much_to_do() -> None:
    """A camera that is connected to gives at once what it has kept: most of it is dropped, and nobody was busy."""
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    for _ in range(40):
        machine.late += 3
        machine.run(0.05, lambda level: 0.1)
    assert machine.overload.highest == 0


def test_slow_frames_with_time_to_spare_are_not_too_much_to_do() -> None:
    """The delay lies elsewhere then, and to look at less would not help."""
    machine = Machine()
    machine.run(60, lambda level: 0.9, busy=lambda level: 0.2)
    assert machine.overload.highest == 0


def test_down_a_level_after_ten_calm_seconds() -> None:
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    machine.run(2, lambda level: 1.5 if level < 2 else 0.4)
    machine.run(9, lambda level: 0.1)
    assert machine.overload.level == 2
    machine.run(3, lambda level: 0.1)
    assert machine.overload.level == 1
    machine.run(15, lambda level: 0.1)
    assert machine.overload.level == 0


def test_neither_calm_nor_too_much_leaves_it_where_it_is() -> None:
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    machine.run(2, lambda level: 0.6 if level < 1 else 0.4)
    machine.run(60, lambda level: 0.4)
    assert machine.overload.level == 1


def test_it_does_not_go_to_and_fro() -> None:
    """A load that level 1 bears and level 0 does not: each try to go down comes later than the one before."""
    machine = Machine()
    machine.run(3, lambda level: 0.1)
    machine.run(600, lambda level: 0.1 if level else 0.8)
    downs = [at for at, level in machine.levels if level == 0][1:]
    pauses = [b - a for a, b in pairwise(downs)]
    assert len(downs) <= 9
    assert pauses == sorted(pauses)
    assert pauses[-1] > 100


def test_the_last_level_is_the_last() -> None:
    machine = Machine()
    machine.run(60, lambda level: 5.0 if machine.now - 100 > 10 else 0.1)
    assert machine.overload.level == len(LEVELS) - 1
    assert machine.overload.effort_of("camera").keep_every == 4
    assert machine.overload.effort_of("film.mp4") == FULL, "a file is never hurried"


def test_each_level_spends_less_in_the_stated_order() -> None:
    work = [(1 / effort.keep_every, effort.shrink, 1 / effort.scans) for effort in LEVELS]
    assert work == sorted(work, reverse=True)
    assert len(set(work)) == len(LEVELS)


@pytest.mark.parametrize(
    ("usual", "level", "expected", "remark"),
    [
        (0.125, 2, 0.5, "four times"),
        (0.5, 2, 1.0, "up to the bound"),
        (2.0, 2, 2.0, "who scans more rarely than the bound keeps to that"),
        (0.0, 2, 0.2, "who scans every frame scans some then"),
        (0.0, 0, 0.0, "unless there is time for all of it"),
    ],
)
def test_how_far_apart_scans_are(usual: float, level: int, expected: float, remark: str) -> None:
    overload = Overload()
    overload.live.add("camera")
    overload.level = level
    assert overload.scan_seconds("camera", usual) == expected, remark
    assert overload.scan_seconds("film.mp4", usual) == usual, remark


def test_a_batch_is_no_larger_than_can_be_dealt_with_in_time() -> None:
    overload = Overload()
    assert overload.most_frames() == 1, "nothing is known yet"
    overload.batch(8, 0.08)
    assert overload.most_frames() == 30
    for _ in range(10):
        overload.batch(4, 0.8)
    assert overload.most_frames() == 1
    overload.batch(0, 9.0)  # a gap alone
    for _ in range(60):
        overload.batch(1, 0.01)
    assert overload.most_frames() > 20
