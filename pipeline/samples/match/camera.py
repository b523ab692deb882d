"""A pinhole camera in a stadium, and flat things painted as it sees them.

x is metres to the right along the pitch, y metres away from the main camera, z metres up; the pitch's corner is
(0, 0, 0).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.samples.picture import Picture, Watched
from pipeline.samples.sprites import Image, Sprite

Vector = NDArray[np.float64]
"""float64 (3,), metres."""

_NEAR_M = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """Where a camera stands, where it looks and how narrow its view is.

    size_wh: pixels; focal: pixels
    axes: float64 (3, 3), the directions right, down and ahead as rows
    """

    size_wh: tuple[int, int]
    position: Vector
    axes: NDArray[np.float64]
    focal: float

    @classmethod
    def looking(cls, size_wh: tuple[int, int], position: Vector, target: Vector, focal: float) -> Camera:
        ahead = (target - position) / np.linalg.norm(target - position)
        right = np.cross(ahead, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        return cls(size_wh, position, np.array([right, np.cross(ahead, right), ahead]), focal)

    @property
    def lens(self) -> NDArray[np.float64]:
        """Return what takes directions in the camera's axes to (column, row, 1), times their distance."""
        width, height = self.size_wh
        return np.array([[self.focal, 0, width / 2], [0, self.focal, height / 2], [0, 0, 1]])

    def project(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (column, row), float64 (N, 2), and the distance ahead, float64 (N,), of points (N, 3)."""
        seen = (points - self.position) @ self.axes.T @ self.lens.T
        depth = seen[:, 2]
        return seen[:, :2] / np.where(np.abs(depth) < 1e-6, 1e-6, depth)[:, None], depth


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """A rectangle in space.

    origin: its upper left corner as it is read; across, down: from there to the next corners, metres
    """

    origin: Vector
    across: Vector
    down: Vector

    def to_picture(self, camera: Camera) -> NDArray[np.float64]:
        """Return the homography, float64 (3, 3), from the unit square to the picture."""
        columns = np.column_stack([self.across, self.down, self.origin - camera.position])
        return np.asarray(camera.lens @ camera.axes @ columns)


def corners(low: tuple[float, float] = (0, 0), high: tuple[float, float] = (1, 1)) -> NDArray[np.float64]:
    """Return the corners of a rectangle, clockwise from the upper left: float64 (4, 2)."""
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float64)


def warp(to_picture: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return points (N, 2) in the picture."""
    homogeneous = points @ to_picture[:, :2].T + to_picture[:, 2]
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:])


def paint_surface(
    picture: Picture, camera: Camera, surface: Surface, sprite: Sprite, *, sharpness: float = 1.0
) -> NDArray[np.float64] | None:
    """Paint a sprite onto a surface; return its homography, or None where it is out of sight.

    sharpness: above 1 takes a larger sprite than its distance asks for, for ground seen at a grazing angle
    """
    to_picture = surface.to_picture(camera)
    seen = _before_the_camera(to_picture)
    if len(seen) < 3:
        return None
    outline = warp(to_picture, seen)
    (x1, y1), (x2, y2) = outline.min(axis=0), outline.max(axis=0)
    width, height = camera.size_wh
    left, top, right, bottom = max(0, math.floor(x1)), max(0, math.floor(y1)), *_ends(x2, y2, width, height)
    if left >= right or top >= bottom:
        return None
    source = sprite.levels[_level(to_picture, sprite, ((left + right) / 2, (top + bottom) / 2), sharpness)]
    h, w = source.shape[:2]
    to_unit = np.array([[1 / w, 0, 0.5 / w], [0, 1 / h, 0.5 / h], [0, 0, 1]])
    to_patch = np.array([[1, 0, -left - 0.5], [0, 1, -top - 0.5], [0, 0, 1]])
    size = right - left, bottom - top
    patch = cv2.warpPerspective(
        source, to_patch @ to_picture @ to_unit, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    fixed = np.rint(np.clip(outline - (left + 0.5, top + 0.5), -8000, 8000) * 16).astype(np.int32)
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    if source.shape[2] == 3:  # ground and crowd: opaque, large, and nothing before them is watched yet
        cv2.copyTo(patch, mask, picture.image[top:bottom, left:right])
    else:
        picture.lay(np.asarray(cv2.multiply(patch, cv2.merge([mask] * 4), scale=1 / 255), np.uint8), left, top)
    return to_picture


def watch(picture: Picture, outline: NDArray[np.float64]) -> Watched | None:
    """Watch what stays to be seen of an outline (N, 2) in the picture; None where it is out of sight."""
    height, width = picture.image.shape[:2]
    (x1, y1), (x2, y2) = outline.min(axis=0), outline.max(axis=0)
    left, top, right, bottom = max(0, math.floor(x1)), max(0, math.floor(y1)), *_ends(x2, y2, width, height)
    if left >= right or top >= bottom:
        return None
    mask = np.zeros((bottom - top, right - left), np.uint8)
    fixed = np.rint(np.clip(outline - (left + 0.5, top + 0.5), -8000, 8000) * 16).astype(np.int32)
    cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
    seen = Watched(left, top, mask, polygon_area(outline))
    picture.watched.append(seen)
    return seen


def upright(
    picture: Picture,
    camera: Camera,
    sprite: Sprite,
    *,
    foot: Sequence[float],
    height_m: float,
    is_mirrored: bool = False,
    lean: float = 0.0,
) -> None:
    """Paint a sprite that faces the camera, the middle of its lower edge at `foot`; `lean` is to the right a height."""
    at, depth = camera.project(np.array([foot], np.float64))
    if depth[0] < _NEAR_M:
        return
    height = height_m * camera.focal / depth[0]
    width = height * sprite.aspect
    (u, v), margin = at[0], abs(lean) * height
    picture_w, picture_h = camera.size_wh
    left, top = max(0, math.floor(u - width / 2 - margin)), max(0, math.floor(v - height))
    right, bottom = _ends(u + width / 2 + margin, v, picture_w, picture_h)
    if left >= right or top >= bottom or height < 2:
        return
    source: Image = sprite.levels[sprite.level(height)]
    step = source.shape[0] / height
    step_x = -step if is_mirrored else step
    from_x = (left + 0.5 - u + lean * (v - top - 0.5) * -1) * step_x + source.shape[1] / 2 - 0.5
    from_y = (top + 0.5 - (v - height)) * step - 0.5
    to_source = np.array([[step_x, lean * step_x, from_x], [0, step, from_y]])
    size = right - left, bottom - top
    patch = cv2.warpAffine(source, to_source, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    picture.lay(np.asarray(patch, np.uint8), left, top)


def polygon_area(points: NDArray[np.float64]) -> float:
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def _ends(x2: float, y2: float, width: int, height: int) -> tuple[int, int]:
    return min(width, math.ceil(x2)), min(height, math.ceil(y2))


def _before_the_camera(to_picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of the unit square that lies before the camera, (N, 2) (Sutherland and Hodgman)."""
    kept: list[NDArray[np.float64]] = []
    square = corners()
    depths = square @ to_picture[2, :2] + to_picture[2, 2] - _NEAR_M
    for k in range(4):
        a, b = square[k], square[(k + 1) % 4]
        da, db = depths[k], depths[(k + 1) % 4]
        if da >= 0:
            kept.append(a)
        if (da >= 0) != (db >= 0):
            kept.append(a + (b - a) * da / (da - db))
    return np.array(kept)


def _level(to_picture: NDArray[np.float64], sprite: Sprite, middle: tuple[float, float], sharpness: float) -> int:
    """Return the level whose pixels are about as large as the picture's, around a place in the picture."""
    around = np.array([(-2, 0), (2, 0), (0, -2), (0, 2)], np.float64) + middle
    unit = warp(np.asarray(np.linalg.inv(to_picture), np.float64), around)
    h, w = sprite.levels[0].shape[:2]
    steps = np.array([np.linalg.norm((unit[k + 1] - unit[k]) * (w, h)) / 4 for k in (0, 2)])
    wanted = float(np.sqrt(steps.prod())) / sharpness  # texture pixels a picture's pixel
    sizes = [w / level.shape[1] for level in sprite.levels]
    return max(k for k, size in enumerate(sizes) if size <= max(wanted * 1.1, 1.0))
