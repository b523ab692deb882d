"""Pitch, stands, crowd and goals, and the light they lie in."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.artwork.canvas import Color
from pipeline.samples.match.camera import Camera, Surface, paint_surface
from pipeline.samples.picture import Picture
from pipeline.samples.sprites import Image, Sprite, noise, premultiplied

_GRASS_PX = 14  # a metre
_CROWD_PX = 20
_BASE_M = 2.0  # the first row is so high
_PITCH_LOW, _PITCH_HIGH = (-14.0, -12.0), (119.0, 78.0)


@dataclass(frozen=True, slots=True)
class Light:
    """gain, contrast: as `Film` takes them; sky: behind all; grass; crowd: how bright the stands are."""

    gain: tuple[float, float, float]
    contrast: float
    sky: Color
    grass: Color
    crowd: float


LIGHTS = (
    Light((1.04, 1.02, 0.99), 1.05, (150, 184, 216), (84, 128, 52), 0.95),  # afternoon sun
    Light((1.0, 1.02, 1.05), 1.0, (26, 28, 36), (74, 124, 56), 0.55),  # floodlight
    Light((0.94, 0.97, 1.0), 0.97, (190, 196, 200), (78, 112, 56), 0.8),  # overcast
    Light((1.06, 1.0, 0.92), 1.06, (206, 178, 150), (90, 118, 48), 0.75),  # low sun
)


class Stadium:
    """The ground and what surrounds it. Paint it first; nothing of it is a brand."""

    def __init__(self, rng: np.random.Generator, light: Light, home: Color, away: Color) -> None:
        self._light = light
        self._pitch = Sprite.of(_pitch(rng, light.grass), smallest=64)
        crowd = _crowd(rng, home, away, light.crowd)
        self._crowd = Sprite.of(crowd, smallest=32)
        self._end = Sprite.of(np.ascontiguousarray(crowd[:, : round(112 * _CROWD_PX)]), smallest=32)
        self._corner = Sprite.of(np.ascontiguousarray(crowd[:, : round(60 * _CROWD_PX)]), smallest=32)
        self._net = Sprite.of(_net())
        low, high = _PITCH_LOW, _PITCH_HIGH
        self._ground = Surface(
            np.array([low[0], high[1], 0]), np.array([high[0] - low[0], 0, 0]), np.array([0, low[1] - high[1], 0])
        )
        self._stands = (
            (self._corner, _sloping((-42, 70), (0.7071, 0.7071), 60)),
            (self._corner, _sloping((104, 112), (0.7071, -0.7071), 60)),
            (self._end, _sloping((-12, -32), (0, 1), 112)),
            (self._end, _sloping((117, 80), (0, -1), 112)),
            (self._crowd, _sloping((-12, 78), (1, 0), 130)),
        )
        self._front = Sprite.of(
            np.full((8, 64, 3), tuple(round(0.32 * c * light.crowd) for c in (150, 156, 168)), np.uint8)
        )

    def paint(self, picture: Picture, camera: Camera) -> None:
        picture.image[:] = self._light.sky
        for sprite, surface in self._stands:
            paint_surface(picture, camera, surface, sprite)
            paint_surface(picture, camera, _front(surface), self._front)
        paint_surface(picture, camera, self._ground, self._pitch, sharpness=1.4)

    def paint_goal(self, picture: Picture, camera: Camera, x: float) -> None:
        """Paint the goal at one end, posts over its net."""
        back = x + (2.0 if x > 50 else -2.0)
        along = 1.0 if x < 50 else -1.0
        start = 30.34 if along > 0 else 37.66
        net = Surface(np.array([back, start, 2.2]), np.array([0, along * 7.32, 0]), np.array([0, 0, -2.2]))
        paint_surface(picture, camera, net, self._net)
        ends = np.array([(x, 30.34, 0), (x, 30.34, 2.44), (x, 37.66, 2.44), (x, 37.66, 0)], np.float64)
        at, depth = camera.project(ends)
        if depth.min() < 1:
            return
        thick = np.maximum(0.07 * camera.focal / depth, 0.8)
        for k in range(3):
            a, b = at[k], at[k + 1]
            aside = np.array([a[1] - b[1], b[0] - a[0]]) / max(float(np.linalg.norm(b - a)), 1e-6)
            quad = [a + aside * thick[k], b + aside * thick[k + 1], b - aside * thick[k + 1], a - aside * thick[k]]
            picture.fill(np.array(quad), (226, 228, 226))


def _sloping(foot: tuple[float, float], along: tuple[float, float], width_m: float) -> Surface:
    """Return a stand's slope; `foot` is its lower left end as it is seen from the pitch."""
    rise, reach = 20.0, 34.0
    outwards = np.array([-along[1], along[0], 0.0])
    origin = np.array([*foot, _BASE_M]) + outwards * reach + (0, 0, rise)
    return Surface(origin, np.array([along[0] * width_m, along[1] * width_m, 0]), -outwards * reach - (0, 0, rise))


def _front(slope: Surface) -> Surface:
    """Return the wall below a stand's slope."""
    return Surface(slope.origin + slope.down, slope.across, np.array([0.0, 0.0, -_BASE_M]))


def _pitch(rng: np.random.Generator, grass: Color) -> Image:
    px = _GRASS_PX
    width, height = (round((b - a) * px) for a, b in zip(_PITCH_LOW, _PITCH_HIGH, strict=True))
    x = _PITCH_LOW[0] + (np.arange(width) + 0.5) / px
    mown = np.where(np.floor(x / 5.25).astype(int) % 2 == 0, 1.0, 0.86)
    if rng.integers(2):
        y = _PITCH_HIGH[1] - (np.arange(height) + 0.5) / px
        mown = mown[None] * np.where(np.floor(y / 6.8).astype(int) % 2 == 0, 1.0, 0.93)[:, None]
    else:
        mown = np.broadcast_to(mown, (height, width))
    tuft = 0.035 * noise(rng, 512, 512, slope=0.1) + 0.03 * noise(rng, 512, 512, slope=0.9)
    grain = np.tile(tuft, (-(-height // 512), -(-width // 512)))[:height, :width]
    image = np.clip(np.array(grass, np.float32) * (mown * (1 + grain))[..., None], 0, 255).astype(np.uint8)
    white = (226, 230, 224)

    def at(x_m: float, y_m: float) -> tuple[int, int]:
        return round((x_m - _PITCH_LOW[0]) * px * 16), round((_PITCH_HIGH[1] - y_m) * px * 16)

    def frame(x1: float, y1: float, x2: float, y2: float) -> None:
        cv2.rectangle(image, at(x1, y1), at(x2, y2), white, 2, cv2.LINE_AA, 4)

    frame(0, 0, 105, 68)
    frame(0, 0, 52.5, 68)
    for x1, x2, spot in ((0, 16.5, 11.0), (88.5, 105, 94.0)):
        frame(x1, 13.84, x2, 54.16)
        inner = (0, 5.5) if x1 == 0 else (99.5, 105)
        frame(inner[0], 24.84, inner[1], 43.16)
        cv2.circle(image, at(spot, 34), 3 * 16, white, -1, cv2.LINE_AA, 4)
        start, end = (-53, 53) if x1 == 0 else (127, 233)
        radius = round(9.15 * px * 16)
        cv2.ellipse(image, at(spot, 34), (radius, radius), 0, start, end, white, 2, cv2.LINE_AA, 4)
    cv2.circle(image, at(52.5, 34), round(9.15 * px * 16), white, 2, cv2.LINE_AA, 4)
    return np.asarray(image, np.uint8)


def _crowd(rng: np.random.Generator, home: Color, away: Color, brightness: float) -> Image:
    """Paint people in rows on the far stand, 130 by 39 m, with stairs between the blocks."""
    px = _CROWD_PX
    width, height = 130 * px, 39 * px
    image = np.empty((height, width, 3), np.uint8)
    image[:] = (58, 62, 74)
    seat = np.array([(58, 62, 74), (44, 60, 104), (110, 44, 48)][rng.integers(3)], np.float64)
    clothes = [home, home, home, away, (232, 232, 228), (40, 44, 52), (70, 84, 110), (150, 150, 148), (176, 130, 96)]
    hairs = ((40, 32, 28), (96, 70, 46), (24, 22, 22), (170, 150, 120))
    skins = ((224, 184, 156), (196, 148, 116), (120, 84, 62))
    step_x, step_y = 10, 16
    for y in range(8, height, step_y):
        image[y + 5 : y + 9] = seat * 0.8
        filled = rng.random(width // step_x) < 0.9
        for k in np.flatnonzero(filled):
            x = int(k) * step_x + int(rng.integers(-2, 3)) + 4
            up = int(rng.integers(-3, 3))
            color = np.array(clothes[rng.integers(len(clothes))]) * rng.uniform(0.6, 1.05)
            skin = skins[rng.integers(3)]
            cv2.ellipse(image, (x, y + 5), (4, 7 - up), 0, 180, 360, color.tolist(), -1)
            cv2.rectangle(image, (x - 4, y + 5), (x + 4, y + 8), (color * 0.85).tolist(), -1)
            if rng.random() < 0.06:  # arms up
                side = int(rng.choice((-1, 1)))
                cv2.line(image, (x, y + 1 + up), (x + 4 * side, y - 8 + up), skin, 2)
            cv2.circle(image, (x, y - 4 + up), 3, skin, -1)
            cv2.ellipse(image, (x, y - 5 + up), (3, 2), 0, 180, 360, hairs[rng.integers(4)], -1)
    for x in range(0, width, 16 * px):
        image[:, x : x + px] = (124, 124, 122)
    fall = np.linspace(0.72, 1.0, height)[:, None, None]  # the roof's shadow
    return np.asarray(np.clip(image * fall * brightness, 0, 255), np.uint8)


def _net() -> Image:
    alpha = np.zeros((132, 440), np.float32)
    alpha[::7] = alpha[:, ::7] = 0.5
    return premultiplied(np.full((132, 440, 3), 225.0), alpha)
