"""What a dashcam adds to what is before it: it sways and jolts, it exposes, its sensor makes noise."""

from __future__ import annotations

import math

import cv2
import numpy as np

from pipeline.samples.road.scenery import Image, noise
from pipeline.samples.road.weather import Weather


class Rocking:
    """How the car sways, and the jolts of a real road."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._phase = rng.uniform(0, 2 * math.pi, 8)
        self._rough = rng.uniform(0.5, 1.5)
        self._jolts = np.cumsum(rng.uniform(2, 9, 400))

    def at(self, seconds: float, speed: float) -> tuple[float, float, float, float]:
        """Return yaw and pitch in radians, metres aside, metres up."""
        p = self._phase
        lively = self._rough * (0.4 + speed / 40)
        pitch = lively * 0.0012 * (math.sin(7.5 * seconds + p[0]) + 0.6 * math.sin(12.7 * seconds + p[1]))
        last = int(np.searchsorted(self._jolts, seconds)) - 1
        if last >= 0:
            since = seconds - float(self._jolts[last])
            pitch += 0.007 * lively * math.exp(-3.5 * since) * math.sin(13 * since)
        yaw = 0.004 * math.sin(0.43 * seconds + p[2]) + 0.0015 * math.sin(1.9 * seconds + p[3])
        aside = 0.16 * math.sin(0.31 * seconds + p[4]) + 0.05 * math.sin(0.9 * seconds + p[5])
        return yaw, pitch, aside, 0.012 * lively * math.sin(8.1 * seconds + p[6])


class Film:
    """Exposure, contrast, noise: what a sensor makes of the light."""

    def __init__(self, rng: np.random.Generator, size_wh: tuple[int, int], weather: Weather) -> None:
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
        self._weather = weather

    def develop(self, image: Image, index: int, seconds: float) -> Image:
        height, width = image.shape[:2]
        level = np.arange(256) / 255
        a, b, c = self._phase
        exposure = 1 + 0.1 * math.sin(0.5 * seconds + a) + 0.06 * math.sin(1.3 * seconds + b)
        # Now and then the automatic exposure is caught out, as after a shadow.
        exposure *= 1 + 0.35 * max(0.0, math.sin(0.23 * seconds + c)) ** 12
        curve = np.stack([np.clip((level * g * exposure), 0, 1) ** self._weather.contrast for g in self._weather.gain])
        table = np.rint(255 * curve.T).astype(np.uint8)[None]
        image = np.asarray(cv2.LUT(image, table), np.uint8)
        rng = np.random.default_rng([self._seed, index])
        top, left = rng.integers(64), rng.integers(96)
        part = np.s_[top : top + height, left : left + width]
        cv2.add(image, self._brighter[part], dst=image)
        cv2.subtract(image, self._darker[part], dst=image)
        return image
