"""People of the match: seen from the side as they run, and from the front with what is on their shirt."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.sprites import Image, Sprite, noise, premultiplied

PHASES = 10
"""Pictures of one stride."""

FIGURE_M = 1.9
"""Height of a sprite; a person fills it but for a little."""

_SKINS: tuple[Color, ...] = ((222, 178, 148), (168, 116, 84), (104, 70, 52))
_HAIRS: tuple[Color, ...] = ((40, 32, 28), (110, 78, 50), (24, 22, 22))

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Kit:
    """What a side wears."""

    shirt: Color
    shorts: Color
    socks: Color


@lru_cache(maxsize=256)
def runner(kit: Kit, variant: int, phase: int) -> Sprite:
    """Paint somebody who runs to the right; a stride has PHASES pictures."""
    scale = 2 * 480 / FIGURE_M
    height, width = 960, 820
    image = np.zeros((height, width, 3), np.uint8)
    mask = np.zeros((height, width), np.uint8)
    skin, hair = _SKINS[variant % 3], _HAIRS[variant % 3]

    def limb(points: list[Point], thick_m: float, color: Color) -> None:
        pixels = [(round(width / 2 + x * scale), round(height - 1 - y * scale)) for x, y in points]
        for a, b in pairwise(pixels):
            for target, value in ((image, color), (mask, 255)):
                cv2.line(target, a, b, value, max(1, round(thick_m * scale)), cv2.LINE_8)

    turn = 2 * math.pi * phase / PHASES
    bob = 0.03 * math.cos(2 * turn)
    hip, shoulder, head = (0.0, 0.93 + bob), (0.10, 1.43 + bob), (0.17, 1.68 + bob)
    for side, dim in ((math.pi, 0.78), (0.0, 1.0)):
        shade = _Shade(dim)
        swing = 0.75 * math.sin(turn + side)
        bend = 0.25 + 0.75 * max(0.0, math.cos(turn + side + 0.4)) ** 2
        knee = _hang(hip, swing + 0.15, 0.44)
        ankle = _hang(knee, swing + 0.15 - bend, 0.43)
        arm = -0.8 * swing
        elbow = _hang((shoulder[0], shoulder[1] - 0.05), arm - 0.1, 0.29)
        hand = _hang(elbow, arm + 0.9, 0.25)
        if side:  # the far arm and leg first, then the trunk over them
            limb([(shoulder[0], shoulder[1] - 0.05), elbow], 0.10, shade(kit.shirt))
            limb([elbow, hand], 0.075, shade(skin))
        limb([hip, knee], 0.16, shade(skin))
        limb([hip, _hang(hip, swing + 0.15, 0.27)], 0.21, shade(kit.shorts))
        limb([knee, ankle], 0.105, shade(kit.socks))
        limb([ankle, (ankle[0] + 0.15 * math.cos(swing), ankle[1] - 0.03 + 0.1 * math.sin(swing))], 0.075, (28, 28, 32))
        if side:
            limb([(0.03, 1.0 + bob), (0.10, 1.40 + bob)], 0.25, kit.shirt)
            limb([(0.08, 1.36 + bob), (0.10, 1.42 + bob)], 0.31, kit.shirt)
            limb([(0.13, 1.53 + bob), head], 0.10, skin)
            limb([head, (head[0], head[1] + 0.03)], 0.19, skin)
            limb([(head[0] - 0.03, head[1] + 0.045), (head[0], head[1] + 0.065)], 0.17, hair)
        else:
            limb([(shoulder[0], shoulder[1] - 0.05), elbow], 0.105, shade(kit.shirt))
            limb([elbow, hand], 0.075, shade(skin))
    return _lit(image, mask, 10 * variant + phase)


@lru_cache(maxsize=32)
def seated(variant: int) -> Sprite:
    """Paint one who sits beside the pitch with a camera or in a steward's vest."""
    colors: tuple[Color, ...] = ((230, 120, 30), (60, 64, 72), (206, 220, 60), (40, 42, 48))
    image, mask = np.zeros((440, 420, 3), np.uint8), np.zeros((440, 420), np.uint8)
    for target, values in (
        (image, (colors[variant % 4], (50, 52, 60), _SKINS[variant % 3], (24, 24, 26))),
        (mask, (255,) * 4),
    ):
        vest, trousers, skin, dark = values
        cv2.line(target, (150, 400), (300, 395), trousers, 70)
        cv2.line(target, (200, 210), (190, 350), vest, 130)
        cv2.circle(target, (205, 90), 48, skin, -1)
        cv2.ellipse(target, (205, 70), (50, 36), 0, 180, 360, dark, -1)
        cv2.line(target, (210, 210), (290, 270), vest, 48)
        if variant % 2:
            cv2.line(target, (270, 250), (370, 240), dark, 56)
    return _lit(image, mask, 90 + variant)


class Front:
    """Somebody from the front, from the knees up: a body, and a shirt of cloth that moves over it.

    kit: colours; badge: what is on the chest, RGBA straight alpha, or None
    badge_box: where it is on the shirt, x1, y1, x2, y2 of its width and height
    """

    PIXELS_A_METRE = 400
    SHIRT_M = (0.60, 0.74)
    SHIRT_FOOT_M = 0.76
    FIGURE_WH_M = (1.1, 1.9)

    def __init__(self, kit: Kit, variant: int, badge: Image | None, *, seed: int) -> None:
        self._phase = np.random.default_rng([seed, variant]).uniform(0, 2 * math.pi, 6)
        self.sprite_body = _front_body(kit, variant)
        width, height = (round(m * self.PIXELS_A_METRE) for m in self.SHIRT_M)
        cloth = np.empty((height, width, 3), np.float32)
        cloth[:] = kit.shirt
        if variant % 2:
            cloth[:, : width // 9] = cloth[:, -(width // 9) :] = np.array(kit.shorts, np.float32)
        self.badge_box = (0.0, 0.0, 0.0, 0.0)
        if badge is not None:
            scale = min(0.60 * width / badge.shape[1], 0.22 * height / badge.shape[0])
            small = cv2.resize(_premultiply(badge), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            h, w = small.shape[:2]
            left, top = (width - w) // 2, round(0.30 * height)
            under = cloth[top : top + h, left : left + w]
            under *= 1 - small[..., 3:].astype(np.float32) / 255
            under += small[..., :3]
            self.badge_box = (left / width, top / height, (left + w) / width, (top + h) / height)
        self._cloth = np.clip(cloth, 0, 255).astype(np.uint8)
        self._mask = _shirt_mask(width, height)
        rng = np.random.default_rng([seed, variant, 1])
        self._folds = 1 + 0.06 * noise(rng, height, width, slope=1.4) + 0.02 * noise(rng, height, width, slope=0.4)
        self._rows, self._columns = np.mgrid[0:height, 0:width].astype(np.float32)

    def shift(
        self, x: NDArray[np.floating], y: NDArray[np.floating], seconds: float
    ) -> tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.floating]]:
        """Return how far the cloth at (x, y), shares of the shirt, is moved right and down, and how it is lit."""
        a, b, c, d, e, _ = self._phase
        ripple = np.sin(9 * x + 5 * y + 5.2 * seconds + a)
        sway = np.sin(3.1 * y - 4.4 * seconds + b)
        tug = np.sin(7 * y - 6 * x + 3.7 * seconds + c)
        dx = 0.022 * ripple * y + 0.028 * sway * y
        dy = 0.016 * tug + 0.010 * np.sin(6 * x + 6.1 * seconds + d)
        light = 1 + 0.10 * np.cos(9 * x + 5 * y + 5.2 * seconds + a + e) * y + 0.07 * tug - 0.22 * (2 * x - 1) ** 2
        return dx, dy, light

    def shirt(self, seconds: float) -> Image:
        """Return the shirt at a moment: RGBA, colours multiplied by alpha."""
        height, width = self._mask.shape
        x, y = self._columns / width, self._rows / height
        dx, dy, light = self.shift(x, y, seconds)
        at_x, at_y = self._columns - (dx * width).astype(np.float32), self._rows - (dy * height).astype(np.float32)
        cloth = np.dstack([self._cloth, self._mask])
        moved = cv2.remap(cloth, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT).astype(np.float32)
        color = moved[..., :3] * (light * self._folds)[..., None]
        return premultiplied(color, moved[..., 3] / 255)

    def outline(self, seconds: float) -> NDArray[np.float64]:
        """Return the badge's outline as the cloth has it, clockwise from the upper left, 8 points a side: (32, 2)."""
        x1, y1, x2, y2 = self.badge_box
        t = np.linspace(0, 1, 8, endpoint=False)
        one = np.ones(8)
        x = np.concatenate([x1 + (x2 - x1) * t, x2 * one, x2 + (x1 - x2) * t, x1 * one])
        y = np.concatenate([y1 * one, y1 + (y2 - y1) * t, y2 * one, y2 + (y1 - y2) * t])
        # The cloth that is seen at p comes from p - shift(p): find p by iteration, the shift is gentle.
        at_x, at_y = x.copy(), y.copy()
        for _ in range(4):
            dx, dy, _ = self.shift(at_x, at_y, seconds)
            at_x, at_y = x + dx, y + dy
        return np.column_stack([at_x, at_y])


def _front_body(kit: Kit, variant: int) -> Sprite:
    """Paint the body without its shirt's front: 1.1 by 1.9 m, the shirt lies from 0.76 to 1.50 m above the ground."""
    scale = Front.PIXELS_A_METRE
    width, height = (round(m * scale) for m in Front.FIGURE_WH_M)
    image, mask = np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8)
    skin, hair = _SKINS[variant % 3], _HAIRS[(variant + 1) % 3]

    def limb(points: list[Point], thick_m: float, color: Color) -> None:
        pixels = [(round(width / 2 + x * scale), round(height - 1 - y * scale)) for x, y in points]
        for a, b in pairwise(pixels):
            for target, value in ((image, color), (mask, 255)):
                cv2.line(target, a, b, value, round(thick_m * scale), cv2.LINE_8)

    shade = _Shade(0.86)
    for side in (-1, 1):
        limb([(side * 0.11, 0.85), (side * 0.13, 0.48)], 0.17, skin)
        limb([(side * 0.13, 0.45), (side * 0.13, 0.08)], 0.12, kit.socks)
        limb([(side * 0.11, 0.86), (side * 0.13, 0.62)], 0.235, kit.shorts)
        limb([(side * 0.30, 1.16), (side * 0.36, 0.88)], 0.085, skin)
        limb([(side * 0.25, 1.40), (side * 0.31, 1.16)], 0.135, shade(kit.shirt))
    limb([(0, 1.45), (0, 1.62)], 0.125, shade(skin))
    limb([(0, 1.64), (0, 1.72)], 0.165, skin)
    limb([(-0.035, 1.775), (0.035, 1.775)], 0.125, hair)
    limb([(-0.075, 1.70), (-0.075, 1.76)], 0.03, hair)
    limb([(0.075, 1.70), (0.075, 1.76)], 0.03, hair)
    for side in (-1, 1):  # eyes and brows are what makes it a face
        limb([(side * 0.034, 1.70), (side * 0.034, 1.70)], 0.014, (40, 30, 28))
        limb([(side * 0.022, 1.722), (side * 0.048, 1.722)], 0.008, hair)
    limb([(-0.025, 1.625), (0.025, 1.625)], 0.009, (150, 84, 76))
    limb([(0, 1.69), (0.004, 1.66)], 0.013, shade(skin))
    return _lit(image, mask, 40 + variant, shrink=1)


def _shirt_mask(width: int, height: int) -> NDArray[np.uint8]:
    outline = np.array(
        [(0.34, 0.0), (0.42, 0.075), (0.58, 0.075), (0.66, 0.0), (0.90, 0.06), (1.0, 0.18), (0.87, 0.36), (0.86, 1.0),
         (0.14, 1.0), (0.13, 0.36), (0.0, 0.18), (0.10, 0.06)]
    )  # fmt: skip
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.rint(outline * (width, height) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


def _lit(image: Image, mask: Image, seed: int, *, shrink: int = 2) -> Sprite:
    """Round a flat figure, RGB and black around it, by light from the upper left and by folds."""
    size = mask.shape[1] // shrink, mask.shape[0] // shrink
    flat = np.asarray(cv2.resize(np.dstack([image, mask]), size, interpolation=cv2.INTER_AREA), np.float32)
    width, height = size
    # The depth is soft: a quarter of the size is enough for it, and blurs sixteen times as fast.
    coarse = cv2.resize(flat[..., 3], (width // 4, height // 4), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(coarse, (0, 0), height / 200)
    depth = cv2.resize(soft, size, interpolation=cv2.INTER_CUBIC) / 255
    slope = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=3) + cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=3)
    light = 0.98 + 0.16 * np.clip(slope * height / 28, -1.5, 1.5)
    folds = np.roll(_folds(), (37 * seed, 91 * seed), axis=(0, 1))
    tiled = np.tile(folds, (-(-height // folds.shape[0]), -(-width // folds.shape[1])))[:height, :width]
    # The colours are multiplied by alpha already: around the figure there was black.
    flat[..., :3] = np.minimum(flat[..., :3] * (light * (1 + 0.05 * tiled))[..., None], flat[..., 3:])
    return Sprite.of(np.rint(np.clip(flat, 0, 255)).astype(np.uint8))


@lru_cache(maxsize=1)
def _folds() -> NDArray[np.float32]:
    return noise(np.random.default_rng(7), 512, 512, slope=1.2)


def _premultiply(image: Image) -> Image:
    return premultiplied(image[..., :3].astype(np.float32), image[..., 3] / 255)


def _hang(start: Point, angle: float, length: float) -> Point:
    """Return the end of a limb; 0 hangs straight down, above it forwards."""
    return start[0] + length * math.sin(angle), start[1] - length * math.cos(angle)


@dataclass(frozen=True, slots=True)
class _Shade:
    dim: float

    def __call__(self, color: Color) -> Color:
        r, g, b = (round(c * self.dim) for c in color)
        return r, g, b
