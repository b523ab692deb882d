"""A pinhole camera above a bending road, and the picture that it paints from far to near.

Right-hand traffic: x is metres to the right of the road's middle, y metres above it, s metres along it. The road is
flat and bends gently, so its bend only moves things sideways; the camera looks along it. Knows nothing of signs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.picture import Picture
from pipeline.samples.sprites import Image, Sprite

NEAR_M = 1.5
"""Nothing nearer than this is painted."""

FOCAL = 0.9
"""Focal length in widths of the picture: 58 degrees from side to side."""

BEND_STEP_M = 2.0
_HAZE_STEPS = 24
_BLUR_FROM = 2.5  # pixels; less is not seen


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Where the camera is at one moment and where it looks.

    size_wh: pixels
    center_u, horizon_v: pixels, where the road would vanish if it were straight
    x_m, eye_m, s_m: its place; `eye_m` above the road
    speed: m/s
    shutter_seconds: time that light is gathered
    bend: how far the road ahead lies beside its tangent, float (N,), metres to the right, every 2 m
    """

    size_wh: tuple[int, int]
    center_u: float
    horizon_v: float
    x_m: float
    eye_m: float
    s_m: float
    speed: float
    shutter_seconds: float
    bend: NDArray[np.float64]

    @property
    def focal(self) -> float:
        """Pixels."""
        return FOCAL * self.size_wh[0]

    def aside(self, z: float) -> float:
        """Return where the road's middle lies at a distance, metres to the right of the camera."""
        k = min(max(z, 0.0) / BEND_STEP_M, len(self.bend) - 1.001)
        low = int(k)
        return float(self.bend[low] + (self.bend[low + 1] - self.bend[low]) * (k - low)) - self.x_m

    def project(self, x: float, y: float, s: float) -> tuple[float, float, float]:
        """Return (column, row, distance in metres) of a point ahead."""
        z = max(s - self.s_m, 0.1)
        scale = self.focal / z
        return self.center_u + scale * (x + self.aside(z)), self.horizon_v + scale * (self.eye_m - y), z

    def drift(self, x: float, y: float, z: float) -> tuple[float, float]:
        """Return how far a standing point moves over the picture while the shutter is open, pixels right and down."""
        scale = self.focal / (z * z) * self.speed * self.shutter_seconds
        return scale * (x + self.aside(z)), scale * (self.eye_m - y)


class Haze:
    """Air that takes colours with distance. Keeps what it has hazed, so a sprite is hazed once a step."""

    def __init__(self, color: Color, distance_m: float) -> None:
        """`distance_m`: where two thirds of a thing's own colour are gone; larger is clearer."""
        self.color = color
        self._distance_m = distance_m
        self._kept: dict[tuple[int, int, int], Image] = {}

    def amount(self, z: float) -> float:
        """Return the air's share of the colour at a distance, 0 to 1."""
        return 1 - math.exp(-z / self._distance_m)

    def tint(self, color: Sequence[float], z: float) -> Color:
        a = self.amount(z)
        r, g, b = (round(c + (air - c) * a) for c, air in zip(color, self.color, strict=True))
        return r, g, b

    def over(self, image: Image, amount: float) -> Image:
        """Haze an RGBA picture."""
        air = cv2.cvtColor(image[..., 3], cv2.COLOR_GRAY2RGB).astype(np.float32) * np.float32(amount / 255)
        hazed = image.copy()
        hazed[..., :3] = np.rint(image[..., :3] * np.float32(1 - amount) + air * np.array(self.color, np.float32))
        return hazed

    def sprite(self, sprite: Sprite, level: int, z: float) -> Image:
        step = round(self.amount(z) * _HAZE_STEPS)
        key = (id(sprite), level, step)
        if key not in self._kept:
            self._kept[key] = self.over(sprite.levels[level], step / _HAZE_STEPS)
        return self._kept[key]


@dataclass(slots=True, eq=False)
class Painting(Picture):
    """A road's picture in the making, seen through its air."""

    haze: Haze = field(kw_only=True)

    def upright(
        self,
        camera: Camera,
        sprite: Sprite,
        *,
        x: float,
        s: float,
        size_wh_m: tuple[float, float],
        foot_m: float = 0.0,
        is_mirrored: bool = False,
        opacity: float = 1.0,
    ) -> None:
        """Paint a sprite that stands across the road's direction, its foot's middle at (x, foot_m, s)."""
        u, v, z = camera.project(x, foot_m, s)
        if z < NEAR_M:
            return
        width, height = (m * camera.focal / z for m in size_wh_m)
        smear = abs(camera.drift(x, 0, z)[0])
        margin = math.ceil(smear / 2) if smear > _BLUR_FROM else 0
        picture_h, picture_w = self.image.shape[:2]
        left, right = max(0, math.floor(u - width / 2) - margin), min(picture_w, math.ceil(u + width / 2) + margin)
        top, bottom = max(0, math.floor(v - height)), min(picture_h, math.ceil(v))
        if left >= right or top >= bottom or height < 1:
            return
        source = self.haze.sprite(sprite, sprite.level(height), z)
        step_x, step_y = source.shape[1] / width, source.shape[0] / height
        if is_mirrored:
            step_x = -step_x
        # From a pixel's middle in the patch to a pixel's middle in the source.
        from_x = (left + 0.5 - u) * step_x + source.shape[1] / 2 - 0.5
        from_y = (top + 0.5 - (v - height)) * step_y - 0.5
        to_source = np.array([[step_x, 0, from_x], [0, step_y, from_y]])
        patch = cv2.warpAffine(
            source, to_source, (right - left, bottom - top), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        )
        if margin:
            patch = cv2.blur(patch, (2 * margin + 1, 1), borderType=cv2.BORDER_REPLICATE)
        if opacity < 1:
            patch = cv2.convertScaleAbs(patch, alpha=opacity)
        self.lay(np.asarray(patch, np.uint8), left, top)

    def along(
        self, camera: Camera, sprite: Sprite, *, x: float, span_s: tuple[float, float], span_y: tuple[float, float]
    ) -> None:
        """Paint a sprite on a wall along the road; its left edge is at the left in the picture."""
        near, far = max(span_s[0], camera.s_m + NEAR_M), span_s[1]
        if near >= far:
            return
        ends = (far, near) if x + camera.aside(near - camera.s_m) > 0 else (near, far)
        corners = [camera.project(x, span_y[1], s)[:2] for s in ends]
        corners += [camera.project(x, span_y[0], s)[:2] for s in reversed(ends)]
        shown = [(span_s[1] - s) / (span_s[1] - span_s[0]) for s in ends]  # 0 at the far end
        if ends[0] == near:
            shown = [1 - part for part in shown]
        self.quad(sprite, corners, span_u=(shown[0], shown[1]), z=near - camera.s_m)

    def quad(
        self,
        sprite: Sprite,
        corners: Sequence[tuple[float, float]],
        *,
        span_u: tuple[float, float],
        z: float,
    ) -> None:
        """Paint a sprite, or of its width the part `span_u`, onto four corners from the upper left on."""
        points = np.array(corners, np.float32)
        height, width = self.image.shape[:2]
        left, top = (max(0, math.floor(n)) for n in points.min(axis=0))
        right, bottom = min(width, math.ceil(points[:, 0].max())), min(height, math.ceil(points[:, 1].max()))
        if left >= right or top >= bottom:
            return
        edge = float(max(points[3, 1] - points[0, 1], points[2, 1] - points[1, 1]))
        source = self.haze.sprite(sprite, sprite.level(min(edge, 1.5 * (right - left))), z)
        h, w = source.shape[:2]
        u1, u2 = span_u[0] * w, span_u[1] * w
        flat = np.array([(u1, 0), (u2, 0), (u2, h), (u1, h)], np.float32) - 0.5
        to_patch = cv2.getPerspectiveTransform(flat, points - np.array([left, top], np.float32) - 0.5)
        patch = cv2.warpPerspective(source, to_patch, (right - left, bottom - top), flags=cv2.INTER_LINEAR)
        self.lay(np.asarray(patch, np.uint8), left, top)
