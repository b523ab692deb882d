"""One box through time, seen from a moving camera: where it is, how it moves and grows, and how sure that is.

The camera drives on straight for the moments that matter here, so distance falls linearly with time: with growth g (the
rate of log size) an object is 1 / g seconds away, its size after dt is size / (1 - g dt), and its centre, which leaves
the point that the camera drives at in proportion to its size, has moved by v dt / (1 - g dt). With g = 0 that is plain
constant velocity. Two seconds before a sign passes, constant velocity is off by a box size after 0.4 s; this is not.

Around this law runs a Kalman filter per coordinate, in plain floats: a picture has a handful of tracks, and numpy's
price a call is more than the arithmetic.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""

# Noise, as standard deviations. Boxes are good to about 1 px an edge at 16 px.
_CENTRE_NOISE_SIZES = 0.06
_SIZE_NOISE_LOG = 0.07
# A suspension that pitches by half a degree at 1.5 Hz moves the picture by a tenth of its height a second, and turns
# within 0.2 s: 0.1 / sqrt(0.2) heights.
_CENTRE_WANDER_HEIGHTS = 0.25
_GROWTH_WANDER = 0.2
# What is known of a box's rates when it is first seen. Signs come in a few seconds before they pass.
_FIRST_SPEED_HEIGHTS = 0.3
_FIRST_GROWTH = 0.5
_LEAST_SIZE_PX = 1.0


@dataclass(slots=True)
class _Coordinate:
    """A value and its rate, with their covariance."""

    value: float
    rate: float
    value_variance: float
    covariance: float
    rate_variance: float

    def wander(self, dt: float, wander: float) -> None:
        """Let dt seconds pass in which the rate does a random walk of `wander` a root second."""
        q = wander * wander
        self.value_variance += dt * (2 * self.covariance + dt * self.rate_variance) + q * dt**3 / 3
        self.covariance += dt * self.rate_variance + q * dt**2 / 2
        self.rate_variance += q * dt

    def correct(self, value: float, noise: float) -> None:
        variance = self.value_variance + noise * noise
        gain, rate_gain = self.value_variance / variance, self.covariance / variance
        error = value - self.value
        self.value += gain * error
        self.rate += rate_gain * error
        self.rate_variance -= rate_gain * self.covariance
        self.covariance *= 1 - gain
        self.value_variance *= 1 - gain


class Motion:
    """The filter of one box. `height` is the picture's, in pixels: the camera's shaking is a share of it."""

    def __init__(self, box: Box, *, pts_seconds: float, height: int) -> None:
        x, y, size, aspect = _parts(box)
        self._height = height
        self._pts_seconds = pts_seconds
        noise, speed = (_CENTRE_NOISE_SIZES * size) ** 2, (_FIRST_SPEED_HEIGHTS * height) ** 2
        self._x = _Coordinate(x, 0.0, noise, 0.0, speed)
        self._y = _Coordinate(y, 0.0, noise, 0.0, speed)
        self._log_size = _Coordinate(math.log(size), 0.0, _SIZE_NOISE_LOG**2, 0.0, _FIRST_GROWTH**2)
        self._aspect = aspect

    @property
    def box(self) -> Box:
        return _box(self._x.value, self._y.value, math.exp(self._log_size.value), self._aspect)

    @property
    def doubt_sizes(self) -> float:
        """How far the centre may be off, in box sizes: two standard deviations."""
        return 2 * math.sqrt(self._x.value_variance) / math.exp(self._log_size.value)

    def box_at(self, pts_seconds: float) -> Box:
        """Return the box expected at that time, changing nothing."""
        dt = pts_seconds - self._pts_seconds
        stretch = self._stretch(dt)
        return _box(
            self._x.value + self._x.rate * dt * stretch,
            self._y.value + self._y.rate * dt * stretch,
            math.exp(self._log_size.value) * stretch,
            self._aspect,
        )

    def move(self, pts_seconds: float) -> None:
        """Go on to that time without a detection."""
        dt = pts_seconds - self._pts_seconds
        stretch = self._stretch(dt)
        for centre in (self._x, self._y):
            centre.value += centre.rate * dt * stretch
            centre.rate *= stretch * stretch
            centre.wander(dt, _CENTRE_WANDER_HEIGHTS * self._height)
        self._log_size.value += math.log(stretch)
        self._log_size.rate *= stretch
        self._log_size.wander(dt, _GROWTH_WANDER)
        self._pts_seconds = pts_seconds

    def correct(self, box: Box) -> None:
        """Take the box that was found now."""
        x, y, size, aspect = _parts(box)
        self._x.correct(x, _CENTRE_NOISE_SIZES * size)
        self._y.correct(y, _CENTRE_NOISE_SIZES * size)
        self._log_size.correct(math.log(size), _SIZE_NOISE_LOG)
        self._aspect += 0.3 * (aspect - self._aspect)  # a sign's aspect stands still: a slow mean is enough

    def passes_in_seconds(self, size_wh: tuple[int, int]) -> float:
        """Return the earliest likely time until the centre leaves the picture or is beside the camera; else `inf`.

        Early, because growth is taken one standard deviation high: to be told early is of use, late is not.
        """
        growth = max(0.0, self._log_size.rate + math.sqrt(self._log_size.rate_variance))
        ways = [1 / growth] if growth > 0 else []
        for centre, edge in zip((self._x, self._y), size_wh, strict=True):
            if centre.rate:
                way = edge - centre.value if centre.rate > 0 else centre.value
                ways.append(max(0.0, way) / (abs(centre.rate) + growth * max(0.0, way)))
        return min(ways, default=math.inf)

    def _stretch(self, dt: float) -> float:
        """Return by how much the size grows in dt seconds: 1 / (1 - g dt), at most twofold (then it is passing)."""
        return 1 / (1 - min(0.5, self._log_size.rate * dt))


def _parts(box: Box) -> tuple[float, float, float, float]:
    """Return centre x, centre y, size (the root of the area) and aspect (width over height)."""
    width, height = max(box[2] - box[0], _LEAST_SIZE_PX), max(box[3] - box[1], _LEAST_SIZE_PX)
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, math.sqrt(width * height), width / height


def _box(x: float, y: float, size: float, aspect: float) -> Box:
    width, height = size * math.sqrt(aspect), size / math.sqrt(aspect)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
