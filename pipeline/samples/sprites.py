"""What every painted thing of a generated video is made of: sprites at falling sizes, and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB or RGBA, uint8 (H, W, 3 or 4). RGBA has its colours multiplied by alpha."""

_LEVEL_RATIO = 1.5


@dataclass(frozen=True, slots=True, eq=False)
class Sprite:
    """A picture at falling sizes, each two thirds of the one before.

    levels: RGBA uint8 (h, w, 4), colours multiplied by alpha
    """

    levels: tuple[Image, ...]

    @classmethod
    def of(cls, image: Image, *, smallest: int = 6) -> Sprite:
        levels = [image]
        while min(levels[-1].shape[:2]) > smallest * _LEVEL_RATIO:
            height, width = (max(1, round(n / _LEVEL_RATIO)) for n in levels[-1].shape[:2])
            levels.append(np.asarray(cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_AREA), np.uint8))
        return cls(tuple(levels))

    @property
    def aspect(self) -> float:
        """Width over height."""
        return float(self.levels[0].shape[1] / self.levels[0].shape[0])

    def level(self, height: float) -> int:
        """Return the smallest level that is drawn `height` pixels high without growing by much."""
        for k in range(len(self.levels) - 1, 0, -1):
            if self.levels[k].shape[0] >= 0.9 * height:
                return k
        return 0


def noise(rng: np.random.Generator, height: int, width: int, *, slope: float) -> NDArray[np.float32]:
    """Return noise that repeats without a seam, mean 0, deviation 1: float32 (H, W). Larger slopes are softer."""
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    fy, fx = np.fft.fftfreq(height)[:, None] * height, np.fft.rfftfreq(width)[None] * width
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1
    spectrum = spectrum / frequency**slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, (height, width))
    return np.asarray(field / field.std(), np.float32)


def premultiplied(color: NDArray[np.floating], alpha: NDArray[np.floating]) -> Image:
    """Return RGBA of colours in 0-255, (H, W, 3), and alpha in 0-1, (H, W)."""
    a = np.clip(alpha, 0, 1)[..., None]
    return np.asarray(np.dstack([np.clip(color, 0, 255) * a, a * 255]).round(), np.uint8)
