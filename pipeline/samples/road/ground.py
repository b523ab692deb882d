"""The generated road's surface and the sky above it: textures that stream by under a pinhole camera."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.road.view import BEND_STEP_M, NEAR_M, Camera, Haze, Painting
from pipeline.samples.sprites import Image, noise

_FAR_M = 420.0
_HALF_WIDTH_M = 24.0  # beyond it a texture's edge is drawn out
_PERIOD_M = 40.0
_FINEST_PER_M = 40

# Up to a distance the texture with so many samples a metre, across and along: a row of the picture covers the more road
# the farther it lies, and a finer texture would flicker.
_BANDS = ((9.0, 40, 20.0), (18.0, 40, 5.0), (36.0, 40, 1.25), (80.0, 20, 0.4), (_FAR_M, 8, 0.1))


@dataclass(frozen=True, slots=True)
class Strip:
    """A flat piece of ground between two edges along the road; later strips lie on earlier ones."""

    x1: float
    x2: float
    s1: float
    s2: float
    color: Color


@dataclass(frozen=True, slots=True)
class Line:
    """A painted line along the whole road. dash_m and gap_m: 0 where it is unbroken."""

    x: float
    width_m: float
    dash_m: float = 0.0
    gap_m: float = 0.0


class Ground:
    """The road's surface and what lies beside it."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        asphalt: tuple[float, float],
        asphalt_color: Color,
        grass_color: Color,
        lines: Sequence[Line],
        line_color: Color,
    ) -> None:
        """`asphalt`: x of the road's left and right edge."""
        finest = _surface(rng, asphalt, asphalt_color, grass_color)
        self._bands = [(far, across, along, _shrunk(finest, across, along)) for far, across, along in _BANDS]
        self._lines = lines
        self._line_color = line_color
        self._asphalt_color = asphalt_color

    def paint(self, painting: Painting, camera: Camera, strips: Sequence[Strip]) -> None:
        image, haze = painting.image, painting.haze
        height, width = image.shape[:2]
        first = min(height, max(0, math.ceil(camera.horizon_v + camera.focal * camera.eye_m / _FAR_M)))
        image[max(0, math.floor(camera.horizon_v)) : first] = haze.color
        rows = np.arange(first, height, dtype=np.float64)
        z = camera.focal * camera.eye_m / (rows + 0.5 - camera.horizon_v)
        scale = z / camera.focal
        aside = np.interp(z / BEND_STEP_M, np.arange(len(camera.bend)), camera.bend) - camera.x_m
        columns = np.arange(width, dtype=np.float32) + np.float32(0.5 - camera.center_u)
        near = 0.0
        for far, across, along, texture in self._bands:
            band = np.flatnonzero((z >= near) & (z < far))
            near = far
            if not len(band):
                continue
            shift = (_HALF_WIDTH_M - aside[band]) * across - 0.5
            map_x = (scale[band] * across).astype(np.float32)[:, None] * columns + shift.astype(np.float32)[:, None]
            turn = (camera.s_m + z[band]) % _PERIOD_M * along + 0.5  # the texture has one more row at its start
            map_y = np.repeat(turn.astype(np.float32)[:, None], width, axis=1)
            part = cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            image[first + band[0] : first + band[-1] + 1] = part
        for strip in strips:
            self._paint_strip(painting, camera, strip)
        for line in self._lines:
            self._paint_line(painting, camera, line)
        _haze_rows(image, first, haze, z)

    def _paint_strip(self, painting: Painting, camera: Camera, strip: Strip) -> None:
        start, end = max(strip.s1, camera.s_m + NEAR_M), min(strip.s2, camera.s_m + _FAR_M)
        if start < end:
            painting.fill(_outline(camera, strip.x1, strip.x2, start, end), strip.color)

    def _paint_line(self, painting: Painting, camera: Camera, line: Line) -> None:
        left, right = line.x - line.width_m / 2, line.x + line.width_m / 2
        start = camera.s_m + NEAR_M + 1
        period = line.dash_m + line.gap_m
        if period:
            first = math.floor(start / period)
            pieces = [(k * period, k * period + line.dash_m) for k in range(first, first + int(130 / period) + 1)]
        else:
            pieces = [(start + a, start + b) for a, b in ((0, 12), (12, 40), (40, 150))]
        for s1, s2 in reversed(pieces):
            if s2 > start:
                z = max(s1, start) - camera.s_m
                # A line thinner than a pixel covers a part of it.
                cover = min(1.0, 0.35 + 0.65 * line.width_m * camera.focal / z)
                color = [a + (b - a) * cover for a, b in zip(self._asphalt_color, self._line_color, strict=True)]
                painting.fill(_outline(camera, left, right, max(s1, start), s2), painting.haze.tint(color, 0))


def _outline(camera: Camera, x1: float, x2: float, s1: float, s2: float) -> NDArray[np.float64]:
    """Return the corners of a strip of ground, finer where it is near."""
    z1, z2 = s1 - camera.s_m, s2 - camera.s_m
    count = max(2, math.ceil(math.log(z2 / z1) * 7))
    distances = camera.s_m + z1 * (z2 / z1) ** np.linspace(0, 1, count)
    edge = [camera.project(x1, 0, s)[:2] for s in distances] + [camera.project(x2, 0, s)[:2] for s in distances[::-1]]
    return np.array(edge)


def _haze_rows(image: Image, first: int, haze: Haze, z: NDArray[np.float64]) -> None:
    """Haze the far rows; the near ones are clear."""
    last = int(np.count_nonzero(z > 25))
    amount = np.array([haze.amount(float(d)) for d in z[:last]], np.float32)[:, None, None]
    rows = image[first : first + last]
    rows[:] = np.rint(rows * (1 - amount) + np.array(haze.color, np.float32) * amount)


def _surface(rng: np.random.Generator, asphalt: tuple[float, float], road: Color, grass: Color) -> Image:
    """Paint asphalt with its tracks, seams and patches between grass: RGB, 40 samples a metre across, 20 along."""
    rows, columns = round(_PERIOD_M * 20), round(2 * _HALF_WIDTH_M * _FINEST_PER_M)
    x = np.linspace(-_HALF_WIDTH_M, _HALF_WIDTH_M, columns, dtype=np.float32)
    fine, coarse = noise(rng, rows, columns, slope=0.2), noise(rng, rows, columns, slope=1.1)
    # Speed draws the near road out along its direction.
    fine_road = cv2.blur(fine, (1, 5), borderType=cv2.BORDER_REFLECT)

    tracks = np.zeros_like(x)
    for lane in (-1.75, 1.75):
        for wheel in (-0.75, 0.75):
            tracks += np.exp(-(((x - lane - wheel) / 0.28) ** 2))
    tar = (1 - 0.07 * tracks)[None] * (1 + 0.07 * fine_road + 0.05 * coarse)
    surface = np.asarray(road, np.float32) * tar[..., None]
    for _ in range(7):
        _patch(rng, surface, asphalt)

    blades = 1 + 0.13 * cv2.blur(fine, (1, 3)) + 0.14 * coarse
    dry = np.clip(0.25 + 0.22 * noise(rng, rows, columns, slope=1.4), 0, 0.7)[..., None]
    meadow = np.asarray(grass, np.float32) * (1 - dry) + np.array((138, 126, 84), np.float32) * dry
    meadow *= blades[..., None]
    gravel = np.array((128, 120, 106), np.float32) * (1 + 0.16 * fine)[..., None]

    # The edges are ragged: gravel between the asphalt and the grass.
    rag = 0.12 * noise(rng, rows, 1, slope=0.9)
    beyond = np.maximum(asphalt[0] - x[None], x[None] - asphalt[1]) + rag + 0.05 * coarse
    on_gravel = np.clip(beyond * 12, 0, 1)[..., None]
    on_grass = np.clip((beyond - 0.45 - 0.12 * coarse) * 4, 0, 1)[..., None]
    surface = surface * (1 - on_gravel) + gravel * on_gravel
    surface = surface * (1 - on_grass) + meadow * on_grass
    return np.asarray(np.clip(surface, 0, 255), np.uint8)


def _patch(rng: np.random.Generator, surface: NDArray[np.float32], asphalt: tuple[float, float]) -> None:
    """Mend the road: a darker or lighter rectangle, or a seam of tar."""
    rows = surface.shape[0]
    left = round((rng.uniform(asphalt[0], asphalt[1] - 1.5) + _HALF_WIDTH_M) * _FINEST_PER_M)
    top = int(rng.integers(0, rows - 130))
    if rng.random() < 0.5:
        wide, long = int(rng.integers(30, 90)), int(rng.integers(30, 120))
        surface[top : top + long, left : left + wide] *= rng.uniform(0.86, 1.08)
    else:
        points = np.column_stack([left + np.cumsum(rng.normal(0, 3, 12)), top + np.arange(12) * 10]).astype(np.int32)
        cv2.polylines(surface, [points.reshape(-1, 1, 2)], isClosed=False, color=(56, 56, 58), thickness=2)


def _shrunk(finest: Image, across: float, along: float) -> Image:
    """Return the texture with so many samples a metre, and with a row more at either end so that it repeats."""
    size = round(2 * _HALF_WIDTH_M * across), max(4, round(_PERIOD_M * along))
    small = finest if size == finest.shape[1::-1] else cv2.resize(finest, size, interpolation=cv2.INTER_AREA)
    return np.ascontiguousarray(np.vstack([small[-1:], small, small[:1]]), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Sky:
    """The sky and the far hills all around.

    panorama: RGB uint8 (h, w, 3), w a whole turn of the part that is used; it repeats
    horizon: its row at the horizon
    """

    panorama: Image
    horizon: int

    def paint(self, image: Image, camera: Camera, heading: float) -> None:
        """`heading`: radians to the right since the start."""
        height, width = image.shape[:2]
        last = min(height, max(0, math.ceil(camera.horizon_v) + 1))
        top = np.clip(np.arange(last) + self.horizon - round(camera.horizon_v), 0, len(self.panorama) - 1)
        left = round(camera.focal * heading - camera.center_u + width / 2) % self.panorama.shape[1]
        for start in range(-left, width, self.panorama.shape[1]):
            a, b = max(start, 0), min(start + self.panorama.shape[1], width)
            if a < b:
                image[:last, a:b] = self.panorama[top[0] : top[0] + last, a - start : b - start]


def paint_sky(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    *,
    zenith: Color,
    low: Color,
    cloud_color: Color,
    cloudiness: float,
    hill_color: Color,
) -> Sky:
    """Paint gradient, clouds, two ranges of hills and a far edge of woods.

    cloudiness: 0 a clear sky, 1 a closed one
    """
    width, rows = size_wh[0] * 3, size_wh[1]
    # A strip more above and below for what the bumps of the road show.
    horizon = round(rows * 0.75)
    up = np.clip((horizon - np.arange(rows, dtype=np.float32)) / horizon, 0, 1)[:, None, None]
    blend = up**0.7
    sky = np.asarray(low, np.float32) * (1 - blend) + np.asarray(zenith, np.float32) * blend
    small_h, small_w = rows // 2, width // 2
    shape = noise(rng, small_h, small_w, slope=1.25)
    # Clouds flatten out towards the horizon: rows are drawn from ever more of the noise.
    flatten = (np.sqrt(np.linspace(0, 1, rows, dtype=np.float32)) * (small_h - 1))[:, None]
    map_x = np.broadcast_to(np.arange(width, dtype=np.float32) / 2, (rows, width)).copy()
    map_y = np.broadcast_to(flatten, (rows, width)).copy()
    clouds = np.asarray(cv2.remap(shape, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP), np.float32)
    cover = np.clip((clouds + 2.6 * cloudiness - 1.3) * 0.9, 0, 1)[..., None] * (0.25 + 0.75 * np.minimum(1, up * 5))
    lit = np.asarray(cloud_color, np.float32) * (1 - 0.16 * np.clip(clouds - 0.4, 0, 1.6))[..., None]
    sky = sky * (1 - cover) + lit * cover
    for k, tallness in enumerate((0.11, 0.05)):
        ridge = noise(rng, 1, width, slope=1.15)[0]
        top = horizon - rows * tallness * np.clip(0.5 + 0.42 * ridge, 0.05, 2)
        in_hill = np.clip(np.arange(rows)[:, None] - top[None], 0, 1).astype(np.float32)[..., None]
        far = np.asarray(low, np.float32) * (0.72 - 0.3 * k) + np.asarray(hill_color, np.float32) * (0.28 + 0.3 * k)
        sky = sky * (1 - in_hill) + far * in_hill
    crowns, stands = noise(rng, 1, width, slope=0.65)[0], noise(rng, 1, width, slope=1.3)[0]
    woods = 0.012 + 0.004 * crowns + 0.01 * np.clip(stands, 0, 2)
    edge = horizon - rows * np.clip(woods, 0.002, 1)
    in_woods = np.clip(np.arange(rows)[:, None] - edge[None], 0, 1).astype(np.float32)[..., None]
    wood_color = np.asarray(low, np.float32) * 0.28 + np.array((60, 76, 52), np.float32) * 0.72
    sky = sky * (1 - in_woods) + wood_color * in_woods
    return Sky(np.asarray(np.clip(sky, 0, 255), np.uint8), horizon)
