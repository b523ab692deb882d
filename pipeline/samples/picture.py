"""A picture in the making, and what is still to be seen of the things in it. Knows nothing of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.sprites import Image

_SHIFT = 4  # fractional bits of cv2's coordinates


@dataclass(slots=True, eq=False)
class Watched:
    """What is still seen of something that was painted, while nearer things are painted over it."""

    left: int
    top: int
    mask: Image  # uint8 (h, w), the alpha that is left
    whole: float  # the sum of alpha over 255 that the thing would have, uncovered and wholly in the picture

    @property
    def fraction(self) -> float:
        return float(min(1.0, self.mask.sum(dtype=np.float64) / 255 / max(self.whole, 1e-6)))


@dataclass(slots=True, eq=False)
class Picture:
    """A picture in the making. Paint what is far first.

    image: RGB uint8 (H, W, 3)
    """

    image: Image
    watched: list[Watched] = field(default_factory=list)

    def fill(self, points: Sequence[tuple[float, float]] | NDArray[np.floating], color: Color) -> None:
        """Fill a convex or simple polygon of (column, row) corners."""
        corners = np.clip(np.asarray(points, np.float64), -4000, 12000)
        low, high = corners.min(axis=0), corners.max(axis=0)
        height, width = self.image.shape[:2]
        if high[0] < 0 or high[1] < 0 or low[0] > width or low[1] > height:
            return
        fixed = np.rint((corners - 0.5) * (1 << _SHIFT)).astype(np.int32)
        cv2.fillPoly(self.image, [fixed], color, cv2.LINE_AA, _SHIFT)
        for seen in self.watched:
            h, w = seen.mask.shape
            if high[0] > seen.left and low[0] < seen.left + w and high[1] > seen.top and low[1] < seen.top + h:
                moved = fixed - np.array([seen.left, seen.top], np.int32) * (1 << _SHIFT)
                cv2.fillPoly(seen.mask, [moved], 0, cv2.LINE_AA, _SHIFT)

    def lay(self, patch: Image, left: int, top: int) -> None:
        """Lay an RGBA patch that lies inside the picture."""
        height, width = patch.shape[:2]
        under = self.image[top : top + height, left : left + width]
        clear = cv2.bitwise_not(cv2.extractChannel(patch, 3))
        cv2.multiply(under, cv2.cvtColor(clear, cv2.COLOR_GRAY2RGB), dst=under, scale=1 / 255)
        cv2.add(under, cv2.cvtColor(patch, cv2.COLOR_RGBA2RGB), dst=under)
        for seen in self.watched:
            y1, y2 = max(top, seen.top), min(top + height, seen.top + seen.mask.shape[0])
            x1, x2 = max(left, seen.left), min(left + width, seen.left + seen.mask.shape[1])
            if y1 < y2 and x1 < x2:
                part = seen.mask[y1 - seen.top : y2 - seen.top, x1 - seen.left : x2 - seen.left]
                cv2.multiply(part, clear[y1 - top : y2 - top, x1 - left : x2 - left], dst=part, scale=1 / 255)
