"""When a stream is scanned: by the time while its picture changes, more rarely while it stands still."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.cadence import Cadence, Turn
from pipeline.overload import LEVELS, Overload
from tests.test_shots import Picture, frame, scenery, view

WIDE = scenery(1)


def still(k: int) -> Picture:
    return view(WIDE, 0)


def pan(k: int) -> Picture:
    return view(WIDE, 4 * k)


def player(k: int) -> Picture:
    """Somebody runs through."""
    image = still(k).copy()
    image[150:210, 3 * k : 3 * k + 24] = 20
    return image


def flash(k: int) -> Picture:
    return np.minimum(still(k).astype(np.int32) + 40 * (k % 2), 255).astype(np.uint8)


def grain(k: int) -> Picture:
    noise = np.random.default_rng(k).normal(0, 6, still(k).shape)
    return np.clip(still(k) + noise, 0, 255).astype(np.uint8)


def another_at(when: int) -> Callable[[int], Picture]:
    """A third of the picture is another from frame `when` on."""

    def world(k: int) -> Picture:
        image = still(k).copy()
        if k >= when:
            image[:, :220] = view(scenery(2), 0)[:, :220]
        return image

    return world


def turns(world: Callable[[int], Picture], still_scan_seconds: float = 1.0) -> dict[Turn, list[int]]:
    """Return which of 4 seconds' frames get what."""
    cadence = Cadence(scan_seconds=0.2, still_scan_seconds=still_scan_seconds, overload=Overload())
    all_turns = [cadence.turn(frame(world(k), k), now=False) for k in range(100)]
    return {kind: [k for k, turn in enumerate(all_turns) if turn == kind] for kind in ("scan", "again", "track")}


def scans(cadence: Cadence, world: Callable[[int], Picture], count: int = 100, cut: int | None = None) -> list[int]:
    return [k for k in range(count) if cadence.turn(frame(world(k), k), now=k == cut) == "scan"]


@pytest.mark.parametrize(
    ("world", "expected", "remark"),
    [
        (still, [0, 5, 15, 35, 60, 85], "0.2, 0.4, 0.8 and then 1 second after the one before"),
        (player, [0, 5, 15, 35, 60, 85], "what moves in a small part of the picture changes nothing"),
        (flash, [0, 5, 15, 35, 60, 85], "nor does more light"),
        (grain, [0, 5, 15, 35, 60, 85], "nor noise"),
        (pan, list(range(0, 100, 5)), "a camera that moves"),
        (another_at(42), [0, 5, 15, 35, 45, 50, 60, 80], "at the next look, and then as from the beginning"),
    ],
)
def test_a_picture_that_stands_still_is_scanned_more_rarely(
    world: Callable[[int], Picture], expected: list[int], remark: str
) -> None:
    got = turns(world)
    assert got["scan"] == expected, remark
    assert sorted(got["scan"] + got["again"]) == list(range(0, 100, 5)), "everything is looked at as often as ever"


@pytest.mark.parametrize("still_scan_seconds", [0.0, 0.1, 0.2])
def test_no_longer_than_usual_is_as_if_it_moved(still_scan_seconds: float) -> None:
    assert turns(still, still_scan_seconds)["scan"] == list(range(0, 100, 5))


def test_another_scene_is_scanned_at_once_and_then_as_from_the_beginning() -> None:
    cadence = Cadence(scan_seconds=0.2, still_scan_seconds=1.0, overload=Overload())
    assert scans(cadence, still, 50, cut=42) == [0, 5, 15, 35, 42, 47]
    cadence.forget("s")  # at a gap
    assert scans(cadence, still, 50) == [0, 5, 15, 35]


def test_another_size_is_another_picture() -> None:
    halves: list[NDArray[np.uint8]] = [still(0), np.ascontiguousarray(still(0)[:180])]
    cadence = Cadence(scan_seconds=0.2, still_scan_seconds=1.0, overload=Overload())
    assert scans(cadence, lambda k: halves[k >= 7], 25) == [0, 5, 10, 15]


def test_what_stands_still_is_scanned_no_more_often_where_there_is_too_much_to_do() -> None:
    overload = Overload()
    overload.live.add("s")
    overload.level = next(i for i, effort in enumerate(LEVELS) if effort.scans == 4)
    cadence = Cadence(scan_seconds=0.2, still_scan_seconds=1.0, overload=overload)
    assert scans(cadence, pan) == [0, 20, 40, 60, 80]
    cadence.forget("s")
    assert scans(cadence, still) == [0, 20, 45, 70, 95]
