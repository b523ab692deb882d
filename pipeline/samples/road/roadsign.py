"""Paints a sign on its post, as it is lit, aged, turned and blurred, and tells where exactly it is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors import artwork
from pipeline.samples.picture import Watched
from pipeline.samples.road.route import SignPost
from pipeline.samples.road.view import Camera, Painting
from pipeline.samples.sprites import Image

SMALLEST_PX = 6.0
"""Width from which on a sign is in the truth."""

_TEXTURE_SIZES = (256, 180, 128, 90, 64, 45, 32, 23, 16, 11, 8)


@dataclass(frozen=True, slots=True, eq=False)
class SignTextures:
    """A sign as it is lit and aged, at falling sizes.

    levels: RGBA uint8, colours multiplied by alpha
    outline: corners around what is opaque, (N, 2), from -0.5 to 0.5 across the square
    area: its share of the square
    """

    levels: tuple[Image, ...]
    outline: NDArray[np.float64]
    area: float


def sign_textures(sign: SignPost) -> SignTextures:
    levels = []
    for size in _TEXTURE_SIZES:
        drawn = artwork.draw_other(sign.name, size) if sign.name else artwork.draw_sign(sign.class_id or 0, size)
        color = drawn[..., :3].astype(np.float32)
        grey = 0.35 * color.mean(axis=2, keepdims=True) + 0.65 * 200
        color = np.minimum((color * (1 - sign.fade) + grey * sign.fade) * sign.light, 255)
        alpha = drawn[..., 3:].astype(np.float32) / 255
        levels.append(np.rint(np.dstack([color * alpha, alpha * 255])).astype(np.uint8))
    solid = np.ascontiguousarray((levels[0][..., 3] > 127).astype(np.uint8))
    contours, _ = cv2.findContours(solid, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.vstack(contours))[:, 0].astype(np.float64)
    # A pixel at the edge reaches half a pixel farther than its middle.
    size = len(solid)
    middle = (hull + 0.5) / size - 0.5
    return SignTextures(tuple(levels), middle + np.sign(middle) * 0.5 / size, float(solid.mean()))


def paint_sign(
    painting: Painting, camera: Camera, sign: SignPost, textures: SignTextures
) -> tuple[SignPost, tuple[float, float, float, float], Watched] | None:
    """Paint a sign with its post; return the box around it and what is seen of it, or None where it is out of sight."""
    away = sign.s - camera.s_m
    width_px = camera.focal * sign.diameter_m / away
    _paint_post(painting, camera, sign)
    to_picture = _homography(camera, sign)
    outline = cv2.perspectiveTransform(textures.outline[None], to_picture)[0]
    (x1, y1), (x2, y2) = outline.min(axis=0), outline.max(axis=0)
    picture_w, picture_h = camera.size_wh
    if x2 <= 0 or y2 <= 0 or x1 >= picture_w or y1 >= picture_h or width_px < 2:
        return None
    drift = camera.drift(sign.x, sign.y, away)
    margin = math.ceil(max(abs(drift[0]), abs(drift[1])) / 2) + 1
    left, top = max(0, math.floor(x1) - margin), max(0, math.floor(y1) - margin)
    right, bottom = min(picture_w, math.ceil(x2) + margin), min(picture_h, math.ceil(y2) + margin)
    level = max(k for k, size in enumerate(_TEXTURE_SIZES) if size >= 0.9 * width_px or k == 0)
    size = _TEXTURE_SIZES[level]
    # From the texture's pixels to the square from -0.5 to 0.5, to the picture, to the patch.
    to_square = np.array([[1 / size, 0, 0.5 / size - 0.5], [0, 1 / size, 0.5 / size - 0.5], [0, 0, 1]])
    to_patch = np.array([[1, 0, -left - 0.5], [0, 1, -top - 0.5], [0, 0, 1]])
    patch = cv2.warpPerspective(
        textures.levels[level], to_patch @ to_picture @ to_square, (right - left, bottom - top), flags=cv2.INTER_LINEAR
    )
    if math.hypot(*drift) > 1:
        patch = cv2.filter2D(patch, -1, _smear(drift), borderType=cv2.BORDER_REPLICATE)
    patch = painting.haze.over(np.asarray(patch, np.uint8), painting.haze.amount(away))
    painting.lay(patch, left, top)
    if x2 - x1 < SMALLEST_PX:
        return None
    corners = cv2.perspectiveTransform(np.array([[(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)]]), to_picture)
    whole = float(cv2.contourArea(corners[0].astype(np.float32))) * textures.area
    seen = Watched(left, top, np.ascontiguousarray(patch[..., 3]), whole)
    painting.watched.append(seen)
    left, top, right, bottom = (
        round(float(min(max(n, 0.0), limit)), 2) for n, limit in zip((x1, y1, x2, y2), camera.size_wh * 2, strict=True)
    )
    return sign, (left, top, right, bottom), seen


def _homography(camera: Camera, sign: SignPost) -> NDArray[np.float64]:
    """Return the way from the sign's square, -0.5 to 0.5 each way, to the picture."""
    yaw, roll = math.radians(sign.yaw), math.radians(sign.roll)
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    points = []
    for right, down in square * sign.diameter_m:
        across = right * math.cos(roll) - down * math.sin(roll)
        low = right * math.sin(roll) + down * math.cos(roll)
        u, v, _ = camera.project(sign.x + across * math.cos(yaw), sign.y - low, sign.s + across * math.sin(yaw))
        points.append((u, v))
    return np.asarray(cv2.getPerspectiveTransform(square.astype(np.float32), np.array(points, np.float32)), np.float64)


def _smear(drift: tuple[float, float]) -> NDArray[np.float32]:
    """Return the kernel of a straight motion, as long as the drift in pixels."""
    reach = math.ceil(max(abs(drift[0]), abs(drift[1])) / 2)
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    half = np.array(drift) / 2 * 16
    ends = [np.rint(reach * 16 + sign * half).astype(int) for sign in (-1, 1)]
    cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0, 1, cv2.LINE_AA, 4)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _paint_post(painting: Painting, camera: Camera, sign: SignPost) -> None:
    away = sign.s - camera.s_m
    color = painting.haze.tint((138, 141, 144), away)
    behind = sign.s + 0.05
    if sign.is_overhead:
        # An arm over the lane, from a mast beside the road.
        bars = [(5.4, 0, 5.65, sign.y + 0.5), (sign.x - 0.6, sign.y + 0.3, 5.65, sign.y + 0.48)]
    else:
        bars = [(sign.x - 0.038, 0, sign.x + 0.038, sign.y + 0.4 * sign.diameter_m)]
    for x1, y1, x2, y2 in bars:
        painting.fill([camera.project(x, y, behind)[:2] for x, y in ((x1, y1), (x2, y1), (x2, y2), (x1, y2))], color)
