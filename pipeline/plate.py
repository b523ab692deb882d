"""Small pictures that are laid over a frame: put together once with Pillow, kept, and blended in microseconds.

Knows nothing of signs or languages.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipeline.lettering import Bitmap, Colour

_OVERSAMPLED = 4  # edges drawn at four times the size and averaged: smooth, and drawn once only


@dataclass(frozen=True, slots=True, eq=False)
class Plate:
    """A picture with transparency, ready to be blended.

    ink: uint8 (H, W, 3), RGB times alpha
    keep: uint8 (H, W, 3), how much of the frame stays, 255 where the plate is clear
    """

    ink: NDArray[np.uint8]
    keep: NDArray[np.uint8]

    @classmethod
    def of(cls, image: Image.Image, *, opacity: float = 1.0) -> Plate:
        """Take an RGBA image. A lower opacity lets more of the frame through."""
        rgba = np.asarray(image).astype(np.float32)
        alpha = rgba[..., 3:] * (opacity / 255)
        ink = np.round(rgba[..., :3] * alpha).astype(np.uint8)
        keep = np.repeat(np.round(255 * (1 - alpha)).astype(np.uint8), 3, axis=2)
        return cls(ink, keep)

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.ink.shape[1], self.ink.shape[0]

    def blend_into(self, rgb: NDArray[np.uint8], x: int, y: int) -> None:
        """Lay the plate on a picture, in place, its upper left corner at x, y. What hangs out is cut off."""
        width, height = self.size_wh
        left, top = max(0, -x), max(0, -y)
        right, bottom = min(width, rgb.shape[1] - x), min(height, rgb.shape[0] - y)
        if left >= right or top >= bottom:
            return
        under = rgb[y + top : y + bottom, x + left : x + right]
        shown = cv2.multiply(under, self.keep[top:bottom, left:right], scale=1 / 255)
        cv2.add(shown, self.ink[top:bottom, left:right], dst=shown)
        under[:] = shown


@lru_cache(maxsize=128)
def rounded(width: int, height: int, radius: int, colour: Colour, opacity: float, edge: Colour | None) -> Image.Image:
    """Draw a rounded rectangle, RGBA, with a thin edge if given one. Treat as read-only: it is kept."""
    scale = _OVERSAMPLED
    image = Image.new("RGBA", (width * scale, height * scale), (*colour, 0))
    draw = ImageDraw.Draw(image)
    box = (0, 0, width * scale - 1, height * scale - 1)
    draw.rounded_rectangle(box, radius * scale, (*colour, round(255 * opacity)))
    if edge is not None:
        draw.rounded_rectangle(box, radius * scale, outline=(*edge, 255), width=scale)
    return image.resize((width, height), Image.Resampling.BOX)


def as_image(bitmap: Bitmap) -> Image.Image:
    """Wrap an RGBA array as a Pillow image."""
    return Image.fromarray(bitmap)
