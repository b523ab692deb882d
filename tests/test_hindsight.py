"""Looking back: where something was before it was found."""

import numpy as np
import pytest

from pipeline.brands.hindsight import followed_back
from pipeline.motion import Box

SIZE_WH = (320, 180)
LOOK = np.random.default_rng(1).integers(0, 255, (5, 11), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
"""20 by 44 pixels of something that looks like nothing else."""


def picture(x: float | None, y: float = 80, noise: int = 0) -> np.ndarray:
    """A grey picture with the look's left upper corner at a place, or without it; each noise is another."""
    shown = np.random.default_rng(noise).normal(110, 6, (SIZE_WH[1], SIZE_WH[0]))
    if x is not None:
        left, upto = max(0, round(x)), min(SIZE_WH[0], round(x) + 44)
        shown[round(y) : round(y) + 20, left:upto] = LOOK[:, left - round(x) : upto - round(x)]
    return shown.clip(0, 255).astype(np.uint8)


def at(x: float, y: float = 80) -> Box:
    return x, y, x + 44, y + 20


def back(places: list[float | None], *, speed: tuple[float, float] = (0, 0)) -> list[Box]:
    """Where it is found in frames that show it at these places, the first of which is where it was found."""
    now, *before = [picture(x, noise=k) for k, x in enumerate(places)]
    assert places[0] is not None
    return list(followed_back(now, at(places[0]), speed, before, size_wh=SIZE_WH))


@pytest.mark.parametrize(
    ("places", "speed", "frames", "remark"),
    [
        ([100, 100, 100, 100], (0, 0), 3, "it stood there all the time"),
        ([100, 95, 89, 84, 78], (0, 0), 4, "it moved, which nobody had told"),
        ([100, 75, 50, 25], (25, 0), 3, "it moved fast, which its track tells"),
        ([100, 100, None, 100], (0, 0), 1, "before a frame without it nothing is claimed"),
        ([20, 8, -4, -16, -28, -40], (12, 0), 3, "while it comes in it counts from when half of it is there"),
        ([100, None], (0, 0), 0, "it came with the frame in which it was found"),
    ],
)
def test_it_is_followed_back_as_long_as_it_is_seen(
    places: list[float | None], speed: tuple[float, float], frames: int, remark: str
) -> None:
    found = back(places, speed=speed)
    assert len(found) == frames, remark
    for box, x in zip(found, places[1:], strict=False):
        assert x is not None
        assert np.abs(np.subtract(box, (max(0.0, x), 80, x + 44, 100))).max() <= 3, remark


def test_what_grew_is_followed_by_its_size() -> None:
    import cv2

    def shown(scale: float) -> np.ndarray:
        look = cv2.resize(LOOK, (round(44 * scale), round(20 * scale)))
        scene = picture(None)
        h, w = look.shape
        scene[90 - h // 2 : 90 - h // 2 + h, 160 - w // 2 : 160 - w // 2 + w] = look
        return scene

    now, *before = [shown(1.6 / 1.02**k) for k in range(15)]
    found = list(followed_back(now, (125, 74, 195, 106), (0, 0), before, size_wh=SIZE_WH))
    assert len(found) == 14
    x1, _, x2, _ = found[-1]
    assert x2 - x1 == pytest.approx(44 * 1.6 / 1.02**14, rel=0.1)


@pytest.mark.parametrize(("box", "remark"), [((10, 10, 60, 13), "too small"), ((0, 150, 60, 178), "nothing is there")])
def test_what_looks_like_anything_is_not_looked_for(box: Box, remark: str) -> None:
    grey = np.full((SIZE_WH[1], SIZE_WH[0]), 90, np.uint8)
    assert not list(followed_back(grey, box, (0, 0), [grey, grey], size_wh=SIZE_WH)), remark
