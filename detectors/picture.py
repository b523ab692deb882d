"""What a detector needs of a picture, so that a decoder's planes are converted only where they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB, uint8 (H, W, 3)."""


class Picture(Protocol):
    """One picture. Any object with these methods will do (a Frame of `streams` has them)."""

    @property
    def size_wh(self) -> tuple[int, int]: ...

    def rgb(self) -> Image:
        """Return the whole picture, RGB uint8 (H, W, 3)."""
        ...

    def half(self) -> Image:
        """Return the picture at half its size, averaged two by two: RGB uint8 (H // 2, W // 2, 3)."""
        ...

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        """Return a rectangle that lies inside the picture at full resolution: RGB uint8 (y2 - y1, x2 - x1, 3)."""
        ...


def around(
    picture: Picture, box: Sequence[float], wide: float, high: float, *, least: int = 1
) -> tuple[Image | None, tuple[int, int]]:
    """What stands in a box and around it, as far as the picture goes, and its upper left corner.

    box: x1, y1, x2, y2 in pixels; wide, high: how much more on each side, as a share of its width and height
    least: None is returned of what has fewer pixels on a side
    """
    x1, y1, x2, y2 = box
    dx, dy = wide * (x2 - x1), high * (y2 - y1)
    width, height = picture.size_wh
    left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
    right, bottom = min(width, ceil(x2 + dx)), min(height, ceil(y2 + dy))
    if right - left < least or bottom - top < least:
        return None, (left, top)
    return picture.patch(left, top, right, bottom), (left, top)


@dataclass(frozen=True, slots=True, eq=False)
class ArrayPicture:
    """A picture that is an RGB array already."""

    array: Image

    def __post_init__(self) -> None:
        if self.array.dtype != np.uint8 or self.array.ndim != 3 or self.array.shape[2] != 3:
            raise ValueError(f"a picture must be uint8 (H, W, 3), got {self.array.dtype} {self.array.shape}")

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.array.shape[1], self.array.shape[0]

    def rgb(self) -> Image:
        return self.array

    def half(self) -> Image:
        width, height = self.size_wh
        even = self.array[: height // 2 * 2, : width // 2 * 2]
        return np.asarray(cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        return self.array[y1:y2, x1:x2]


def as_picture(image: Image | Picture) -> Picture:
    """Wrap an RGB array; pass a picture through."""
    return ArrayPicture(image) if isinstance(image, np.ndarray) else image
