"""What is told when: once, in time, the urgent first."""

import math

import pytest

from pipeline.road.announce import URGENCY, Announcer, AnnouncerSettings
from pipeline.road.catalogue import Meaning, meaning_ids
from pipeline.tracker import Best, Track

STOP, DANGER, CHILDREN = Meaning("stop"), Meaning("danger.general"), Meaning("children")
LIMIT_50, LIMIT_80 = Meaning("speed_limit.max", 50, "km/h"), Meaning("speed_limit.max", 80, "km/h")
PRIORITY = Meaning("priority_road")

SETTINGS = AnnouncerSettings(lead_seconds=4.0, repeat_seconds=10.0, spacing_seconds=1.0)


def sign(number: int, meaning: Meaning, passes_in: float, *, is_over: bool = False) -> tuple[Track, Meaning]:
    box = (100.0, 50.0, 130.0, 80.0)
    state = "ended" if is_over else "confirmed"
    return Track(number, state, 0, 0.9, box, 0.9, 0.0, 0.0, passes_in, Best(box, 0.0, 0.9)), meaning  # type: ignore[arg-type]


def drive(*moments: tuple[float, list[tuple[Track, Meaning]]]) -> list[tuple[float, int]]:
    """Return (when, track) of all that is told."""
    announcer = Announcer(SETTINGS)
    return [(at, track.id) for at, signs in moments for track, _ in announcer.due(signs, at)]


@pytest.mark.parametrize(
    ("moments", "told", "remark"),
    [
        ([(0.0, [])], [], "nothing there"),
        ([(0.0, [sign(1, STOP, math.inf)])], [], "a sign that comes no nearer"),
        ([(0.0, [sign(1, STOP, 4.1)]), (0.2, [sign(1, STOP, 3.9)])], [(0.2, 1)], "when it is near enough"),
        ([(t / 10, [sign(1, STOP, 3 - t / 10)]) for t in range(30)], [(0.0, 1)], "once"),
        ([(5.0, [sign(1, STOP, 0.0, is_over=True)])], [(5.0, 1)], "at the latest when it is gone"),
        (
            [(1.0, [sign(1, STOP, 1.0)]), (2.0, [sign(1, STOP, 0.0, is_over=True)])],
            [(1.0, 1)],
            "not again when it goes",
        ),
        (
            [(1.0, [sign(1, LIMIT_50, 2.0), sign(2, LIMIT_50, 2.1)]), (2.5, [sign(2, LIMIT_50, 0.0, is_over=True)])],
            [(1.0, 1)],
            "one on each side of the road is one sentence",
        ),
        (
            [(1.0, [sign(1, LIMIT_50, 2.0)]), (12.0, [sign(2, LIMIT_50, 2.0)])],
            [(1.0, 1), (12.0, 2)],
            "the same sentence again after a while",
        ),
        (
            [(1.0, [sign(1, LIMIT_50, 2.0)]), (9.0, [sign(2, LIMIT_50, 2.0)]), (11.5, [sign(2, LIMIT_50, 0.5)])],
            [(1.0, 1)],
            "a sign that was not told for being a repetition is not told later",
        ),
        (
            [(1.0, [sign(1, LIMIT_50, 2.0)]), (2.0, [sign(2, LIMIT_80, 2.0)])],
            [(1.0, 1), (2.0, 2)],
            "another number is another sentence",
        ),
        (
            [(1.0, [sign(1, PRIORITY, 0.5), sign(2, LIMIT_50, 0.5), sign(3, STOP, 0.5), sign(4, CHILDREN, 0.5)])],
            [(1.0, 3), (1.0, 4), (1.0, 2), (1.0, 1)],
            "all at once: the most urgent first, not the nearest number",
        ),
        (
            [(1.0, [sign(1, DANGER, 1.5), sign(2, CHILDREN, 0.5)])],
            [(1.0, 2), (1.0, 1)],
            "of two that are as urgent the nearer first",
        ),
        (
            [(1.0 + t / 10, [sign(1, STOP, 4 - t / 10), sign(2, LIMIT_50, 4 - t / 10)]) for t in range(20)],
            [(1.0, 1), (2.0, 2)],
            "there is time, so the second waits until the first is said",
        ),
        (
            [(1.0, [sign(1, STOP, 1.5), sign(2, LIMIT_50, 1.5)])],
            [(1.0, 1), (1.0, 2)],
            "there is no time, so both come now",
        ),
        (
            [(1.0, [sign(1, LIMIT_50, 2.0)]), (2.5, [sign(1, LIMIT_80, 1.0)]), (3.0, [sign(1, LIMIT_80, 0.5)])],
            [(1.0, 1), (2.5, 1)],
            "the vote has turned: it is put right, once",
        ),
    ],
)
def test_due(
    moments: list[tuple[float, list[tuple[Track, Meaning]]]], told: list[tuple[float, int]], remark: str
) -> None:
    assert drive(*moments) == [(pytest.approx(at), number) for at, number in told], remark


def test_every_meaning_has_an_urgency() -> None:
    ranked = {word for words in URGENCY for word in words}
    assert {meaning.split(".")[0] for meaning in meaning_ids()} == ranked


@pytest.mark.parametrize("name", ["lead_seconds", "repeat_seconds", "spacing_seconds"])
def test_settings_that_cannot_be(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        AnnouncerSettings(**{name: -1.0})
