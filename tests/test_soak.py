"""Two minutes of the soak, and that its judge tells what grows."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak import Sample, judged, slope, soak

STEADY = [Sample(float(s), 300.0 + s % 3, 80, 70, 0.1, 14, s, 100.0 * s, 100.0 * s) for s in range(120)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: {}, None),
        (lambda s: {"memory_mb": 300 + s.seconds / 60 * 3}, "memory grows by 3"),
        (lambda s: {"memory_mb": 300 + s.seconds % 30}, None),
        (lambda s: {"memory_mb": 300 + min(s.seconds, 20) * 10}, None),
        (lambda s: {"memory_mb": 900.0 if s.seconds == 100 else 300.0}, None),
        (lambda s: {"descriptors": 80 + int(s.seconds / 2)}, "descriptors grow"),
        (lambda s: {"threads": 70 + int(s.seconds / 2)}, "threads grow"),
        (lambda s: {"lag_seconds": s.seconds / 60}, "lag_seconds grow"),
        (lambda s: {"dealt_with": 0.0}, "no frame"),
    ],
    ids=[
        "steady",
        "memory",
        "given back twice a minute",
        "caches that fill first",
        "an outlier",
        "descriptors",
        "threads",
        "lag",
        "nothing",
    ],
)
def test_what_grows_is_told(change: object, said: str | None) -> None:
    problems = judged([replace(s, **change(s)) for s in STEADY], 30.0)  # type: ignore[operator]
    assert problems == [] if said is None else problems[0].startswith(said), problems


def test_a_slope() -> None:
    assert slope([(float(x), 3 * x + 1) for x in range(50)]) == pytest.approx(3)


def test_a_short_soak(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verdict = soak(float(os.environ.get("MINUTES", "2")), seed=1, folder=tmp_path)
    with capsys.disabled():
        print("\n" + verdict.table())
    assert not verdict.problems
    assert verdict.samples[-1].reconnects > 5, "nothing happened"
