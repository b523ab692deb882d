"""What a sensor makes of the light before it. Of a frame it needs no more than its index: any may come first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.samples.sprites import Image, noise


class Film:
    """Exposure, contrast, noise: what a sensor makes of the light.

    gain: of red, green and blue
    contrast: exponent of the curve; above 1 is harder
    """

    def __init__(
        self, rng: np.random.Generator, size_wh: tuple[int, int], *, gain: Sequence[float], contrast: float
    ) -> None:
        self._seed = int(rng.integers(1 << 30))
        self._phase = rng.uniform(0, 2 * math.pi, 3)
        width, height = size_wh
        strength = rng.uniform(1.5, 5.5)
        # One tile larger than the picture, at another place in each frame; positive and negative parts apart, since
        # saturating addition of bytes is the fastest.
        size = (height + 64, width + 96)
        luma = noise(rng, *size, slope=0.2)[..., None]
        grain = strength * (0.8 * luma + 0.5 * rng.standard_normal((*size, 3)))
        self._brighter = np.clip(np.rint(grain), 0, 255).astype(np.uint8)
        self._darker = np.clip(np.rint(-grain), 0, 255).astype(np.uint8)
        self._gain, self._contrast = gain, contrast

    def develop(self, image: Image, index: int, seconds: float, *, flash: float = 1.0) -> Image:
        """Return the picture of a frame; `flash` is how many times more light there is than there would be."""
        height, width = image.shape[:2]
        level = np.arange(256) / 255
        a, b, c = self._phase
        exposure = 1 + 0.1 * math.sin(0.5 * seconds + a) + 0.06 * math.sin(1.3 * seconds + b)
        # Now and then the automatic exposure is caught out, as after a shadow.
        exposure *= 1 + 0.35 * max(0.0, math.sin(0.23 * seconds + c)) ** 12
        exposure *= flash
        curve = np.stack([np.clip((level * g * exposure), 0, 1) ** self._contrast for g in self._gain])
        table = np.rint(255 * curve.T).astype(np.uint8)[None]
        image = np.asarray(cv2.LUT(image, table), np.uint8)
        rng = np.random.default_rng([self._seed, index])
        top, left = rng.integers(64), rng.integers(96)
        part = np.s_[top : top + height, left : left + width]
        cv2.add(image, self._brighter[part], dst=image)
        cv2.subtract(image, self._darker[part], dst=image)
        return image
