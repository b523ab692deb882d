"""The image pyramid that a dense window classifier is run over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.picture import Image, Picture

STEP = 2**-0.5
"""Ratio of neighbouring levels; the window classifier is trained for signs within a quarter octave of its size."""


@dataclass(frozen=True, slots=True)
class Level:
    """One level: RGB uint8 (h, w, 3) with `border` pixels of edge on every side.

    scale_wh: pixels of the level for one of the picture
    """

    image: Image
    scale_wh: tuple[float, float]
    border: int

    def to_picture(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Points of the level (N,), (N,) -> points of the picture (N, 2)."""
        return np.stack([(x - self.border) / self.scale_wh[0], (y - self.border) / self.scale_wh[1]], axis=1)


def pyramid(picture: Picture, *, finest: float, window: int, squeezes: Sequence[float] = (1.0,)) -> list[Level]:
    """Levels from `finest` (pixels of the level for one of the picture) down to a window's size.

    squeezes: each level comes once for each of these, that many times narrower than it is high, so that square windows
    see things as wide as that

    A finest level of half the picture or less starts from `half()`, which costs a decoder much less than `rgb()`. It is
    smooth, so its levels are made by interpolation, eight times as fast as averages by area.
    """
    width, height = picture.size_wh
    border = window // 4
    levels: list[Level] = []
    is_halved = finest <= 0.5 and min(width, height) >= 2 * window
    image = picture.half() if is_halved else picture.rgb()
    scale = finest
    while round(min(width, height) * scale) + 2 * border >= window:
        size_wh = max(1, round(width * scale)), max(1, round(height * scale))
        if size_wh != (image.shape[1], image.shape[0]):
            # Interpolation looks at two by two pixels: beyond half it would skip some.
            is_mild = is_halved and 2 * size_wh[0] >= image.shape[1]
            how = cv2.INTER_LINEAR if is_mild or size_wh[0] > image.shape[1] else cv2.INTER_AREA
            image = np.asarray(cv2.resize(image, size_wh, interpolation=how), np.uint8)
        for squeeze in squeezes:
            narrow_wh = max(1, round(size_wh[0] / squeeze)), size_wh[1]
            if narrow_wh[0] + 2 * border < window:
                continue
            narrow = image if narrow_wh == size_wh else cv2.resize(image, narrow_wh, interpolation=cv2.INTER_AREA)
            framed = cv2.copyMakeBorder(narrow, border, border, border, border, cv2.BORDER_REPLICATE)
            levels.append(Level(np.asarray(framed, np.uint8), (narrow_wh[0] / width, narrow_wh[1] / height), border))
        scale *= STEP
    return levels
