"""What a car does to its dashcam: it sways and jolts."""

from __future__ import annotations

import math

import numpy as np


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
