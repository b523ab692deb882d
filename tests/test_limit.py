"""The limit in force after signs are passed, one after another."""

import pytest

from pipeline.events import LimitChange
from pipeline.road.catalogue import Meaning
from pipeline.road.limit import LimitSettings, LimitState

LIMIT_50 = Meaning("speed_limit.max", 50, "km/h")
LIMIT_80 = Meaning("speed_limit.max", 80, "km/h")
LIMIT_50_MPH = Meaning("speed_limit.max", 50, "mph")
END_80 = Meaning("speed_limit.end", 80, "km/h")
END_ALL = Meaning("end_all_restrictions")
STOP = Meaning("stop")

Passed = list[tuple[float, Meaning]]


def drive(passed: Passed, until: float = 0.0) -> list[LimitChange]:
    """Pass signs at given times, then go on until a time without any."""
    limit = LimitState("road", LimitSettings(expires_after_seconds=100.0))
    changes = []
    for pts_seconds, meaning in passed:
        changes += [limit.wait(pts_seconds), limit.pass_sign(meaning, pts_seconds)]
    return [change for change in (*changes, limit.wait(until)) if change is not None]


@pytest.mark.parametrize(
    ("passed", "until", "changes", "remark"),
    [
        ([], 500, [], "unknown from the start, which is no change"),
        ([(5, STOP)], 500, [], "signs that say nothing of speed"),
        ([(5, LIMIT_50)], 50, [(5, "set", 50, "sign")], "set"),
        ([(5, LIMIT_50), (9, LIMIT_80)], 50, [(5, "set", 50, "sign"), (9, "set", 80, "sign")], "replaced"),
        ([(5, LIMIT_50), (9, LIMIT_50)], 50, [(5, "set", 50, "sign")], "the same again changes nothing"),
        ([(5, LIMIT_50), (9, LIMIT_50_MPH)], 50, [(5, "set", 50, "sign"), (9, "set", 50, "sign")], "another unit"),
        ([(5, LIMIT_80), (9, END_80)], 50, [(5, "set", 80, "sign"), (9, "ended", None, "end_sign")], "its end"),
        (
            [(5, LIMIT_50), (9, END_80)],
            50,
            [(5, "set", 50, "sign"), (9, "unknown", None, "contradiction")],
            "the end of another: one of the two is wrong, so nothing is known",
        ),
        ([(5, LIMIT_50), (9, END_ALL)], 50, [(5, "set", 50, "sign"), (9, "ended", None, "end_all_sign")], "end of all"),
        ([(9, END_ALL), (12, END_ALL)], 50, [(9, "ended", None, "end_all_sign")], "ended twice is ended once"),
        ([(9, END_80)], 50, [(9, "ended", None, "end_sign")], "the end of one that was never seen"),
        ([(9, END_ALL), (12, LIMIT_80)], 50, [(9, "ended", None, "end_all_sign"), (12, "set", 80, "sign")], "set anew"),
        ([(5, LIMIT_50)], 104.9, [(5, "set", 50, "sign")], "not yet expired"),
        ([(5, LIMIT_50)], 300, [(5, "set", 50, "sign"), (105, "unknown", None, "expired")], "expired, when it was due"),
        (
            [(5, LIMIT_50), (90, LIMIT_50)],
            150,
            [(5, "set", 50, "sign")],
            "a repeated sign confirms it, and its time runs anew",
        ),
        (
            [(5, END_ALL)],
            300,
            [(5, "ended", None, "end_all_sign"), (105, "unknown", None, "expired")],
            "ends expire too",
        ),
        (
            [(5, LIMIT_50), (200, LIMIT_50)],
            210,
            [(5, "set", 50, "sign"), (105, "unknown", None, "expired"), (200, "set", 50, "sign")],
            "set again after it had expired",
        ),
        (
            [(9, LIMIT_80), (5, LIMIT_50)],
            50,
            [(9, "set", 80, "sign")],
            "a sign given up late does not undo a later one",
        ),
    ],
)
def test_limit(passed: Passed, until: float, changes: list[tuple[float, str, int | None, str]], remark: str) -> None:
    got = drive(passed, until)
    assert [(c.pts_seconds, c.state, c.value, c.reason) for c in got] == changes, remark
    assert all((c.unit is None) == (c.value is None) for c in got)
    assert all(c.stream == "road" for c in got)


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="expires_after_seconds"):
        LimitSettings(expires_after_seconds=0)


def test_a_limit_is_not_known_after_a_time_that_was_not_watched() -> None:
    limit = LimitState("road")
    assert limit.miss(1.0) is None, "it was unknown before"
    limit.pass_sign(LIMIT_50, 5.0)
    change = limit.miss(9.0)
    assert change is not None
    assert (change.pts_seconds, change.state, change.value, change.reason) == (9.0, "unknown", None, "gap")
    assert limit.miss(9.0) is None, "once"
    assert limit.wait(900.0) is None, "nothing is left that could expire"
    again = limit.pass_sign(LIMIT_50, 12.0)
    assert again is not None
    assert again.state == "set", "what holds after it must be read again"
