"""What stands on the boards around the pitch, and how LED boards change it. Knows nothing of cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.match.brands import BLACK, WHITE, Brand, Ink, draw
from pipeline.samples.match.camera import Surface, corners
from pipeline.samples.sprites import Image, Sprite

_PIXELS_A_METRE = 90
_CHANGE_SECONDS = 0.4


@dataclass(frozen=True, slots=True)
class Face:
    """What a board shows: a brand, `count` times beside each other, in colours on a ground."""

    brand: Brand
    ink: Ink
    ground: Color
    count: int
    is_led: bool


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """A face as it is now: its picture, and the logos of it that are not rolled out, each as (brand, its number on the
    board, its corners in the unit square (4, 2), the share of it that has rolled in)."""

    sprite: Sprite
    logos: tuple[tuple[Brand, int, NDArray[np.float64], float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Board:
    """One board. number: from 0; kind: led, board (printed) or wall; size_m: width and height.

    program: what it shows from when on, seconds of the match; how it changes to that
    """

    number: int
    kind: Literal["led", "board", "wall"]
    surface: Surface
    size_m: tuple[float, float]
    program: tuple[tuple[float, Face, Literal["cut", "roll", "slide"]], ...]

    def shown(self, seconds: float) -> Shown:
        last = max((k for k, (start, _, _) in enumerate(self.program) if start <= seconds), default=0)
        start, face, change = self.program[last]
        part = (seconds - start) / _CHANGE_SECONDS
        if last == 0 or part >= 1 or change == "cut":
            sprite, areas = _painted(face, self.size_m)
            return Shown(sprite, tuple((face.brand, k, area, 1.0) for k, area in enumerate(areas)))
        return self._changing(self.program[last - 1][1], face, 0 if change == "roll" else 1, part)

    def _changing(self, old: Face, new: Face, axis: int, part: float) -> Shown:
        """Roll the new face in from below (axis 0) or from the right (1)."""
        (before, old_areas), (after, new_areas) = _painted(old, self.size_m), _painted(new, self.size_m)
        whole = np.concatenate([before.levels[0], after.levels[0]], axis=axis)
        length = before.levels[0].shape[axis]
        first = round(part * length)
        image = whole[first : first + length] if axis == 0 else whole[:, first : first + length]
        step = np.zeros(2)
        step[1 - axis] = first / length
        logos = []
        for brand, areas, offset in ((old.brand, old_areas, 0.0), (new.brand, new_areas, 1.0)):
            for k, area in enumerate(areas):
                moved = area - step
                moved[:, 1 - axis] += offset
                inside = np.clip(moved, 0, 1)
                size, left = (np.ptp(a[:, 1 - axis]) for a in (moved, inside))
                if left > 0.02 * size:
                    logos.append((brand, k, inside, float(left / size)))
        return Shown(Sprite.of(np.ascontiguousarray(image)), tuple(logos))


@lru_cache(maxsize=512)
def _painted(face: Face, size_m: tuple[float, float]) -> tuple[Sprite, tuple[NDArray[np.float64], ...]]:
    """Return a face's picture, RGBA, and the corners of its logos in the unit square."""
    width, height = (round(m * _PIXELS_A_METRE) for m in size_m)
    image = np.empty((height, width, 3), np.float32)
    image[:] = face.ground
    art = draw(face.brand, face.ink)
    cell = width / face.count
    scale = min(0.68 * height / art.shape[0], 0.84 * cell / art.shape[1])
    small = cv2.resize(_over(art), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    h, w = small.shape[:2]
    areas = []
    for k in range(face.count):
        left, top = round((k + 0.5) * cell - w / 2), (height - h) // 2
        under = image[top : top + h, left : left + w]
        under *= 1 - small[..., 3:] / 255
        under += small[..., :3]
        areas.append(corners((left / width, top / height), ((left + w) / width, (top + h) / height)))
    if face.is_led:  # diodes with dark between them, and a little more light than print has
        image = np.minimum(image * 1.08 + 6, 255)
        image[3::4] *= 0.8
        image[:, 3::4] *= 0.8
    else:
        image *= 0.94
        image[-4:] *= 0.6
    image[:, :2] *= 0.75
    rgba = np.dstack([np.clip(np.rint(image), 0, 255), np.full((height, width), 255)]).astype(np.uint8)
    return Sprite.of(rgba), tuple(areas)


def _over(art: Image) -> NDArray[np.float32]:
    color = art.astype(np.float32)
    color[..., :3] *= color[..., 3:] / 255
    return color


def _face(rng: np.random.Generator, brand: Brand, width_m: float, *, is_led: bool) -> Face:
    """Choose colours for a brand on a board: its own, inverted, or one colour."""
    looks: list[tuple[Ink, Color]] = [
        (brand.own(), WHITE),
        (brand.plain(WHITE, brand.main), brand.main),
        (brand.plain(WHITE, BLACK), BLACK),
        (brand.plain(BLACK, WHITE), WHITE),
        (brand.plain(brand.main, WHITE), WHITE),
        (brand.plain(WHITE, (16, 52, 112)), (16, 52, 112)),
    ]
    ink, ground = looks[rng.choice(6, p=(0.3, 0.3, 0.14, 0.06, 0.1, 0.1))]
    art = draw(brand, brand.own())
    fits = width_m / (1.1 * 0.9 * art.shape[1] / art.shape[0])
    count = int(rng.integers(1, max(1, min(3, int(fits))) + 1))
    return Face(brand, ink, ground, count, is_led)


def plan_boards(rng: np.random.Generator, brands: Sequence[Brand], seconds: float) -> list[Board]:
    """Put boards around the pitch: LED along the far side in three runs and behind one goal, printed ones elsewhere."""
    order = [brands[k] for k in rng.permutation(len(brands))]
    boards: list[Board] = []

    def add(
        kind: Literal["led", "board", "wall"], surface: Surface, size_m: tuple[float, float], program: object
    ) -> None:
        boards.append(Board(len(boards), kind, surface, size_m, program))  # type: ignore[arg-type]

    def led_run(first: int, surfaces: Sequence[Surface], size_m: tuple[float, float]) -> None:
        """All boards of a run change together, and show one brand, or two by turns."""
        programs: list[list[tuple[float, Face, str]]] = [[] for _ in surfaces]
        start, turn = -10.0, first
        while start < seconds + 5:
            pair = [order[(turn + k) % len(order)] for k in range(int(rng.integers(1, 3)))]
            faces = [_face(rng, brand, size_m[0], is_led=True) for brand in pair]
            change = ("cut", "roll", "slide")[rng.integers(3)]
            for k, program in enumerate(programs):
                program.append((start, faces[k % len(faces)], change))
            start += float(rng.uniform(5, 10)) if start >= 0 else 10 + float(rng.uniform(2, 8))
            turn += len(pair)
        for surface, program in zip(surfaces, programs, strict=True):
            add("led", surface, size_m, tuple(program))

    size = 8.0, 1.1
    far = [_standing((-4 + 8 * k, 71.6), (1, 0), size, 0.05) for k in range(14)]
    for first, run in ((0, far[:5]), (4, far[5:9]), (8, far[9:])):
        led_run(first, run, size)
    led_run(3, [_standing((111.0, 68 - 8 * k), (0, -1), size, 0.05) for k in range(8)], size)
    printed = [_standing((-6.0, 4 + 8 * k), (0, 1), size, 0.05) for k in range(8)]
    for k, surface in enumerate(printed):
        face = _face(rng, order[(2 * k + 1) % len(order)], size[0], is_led=False)
        add("board", surface, size, ((-10.0, face, "cut"),))
    wall_size = 13.0, 1.3
    for k in range(10):
        brand = order[(k + 5) % len(order)]
        dark = ((16, 30, 62), (38, 42, 48))[int(rng.integers(2)) if k == 0 else 0]
        face = Face(brand, brand.plain(WHITE, dark), dark, 1, is_led=False)
        add("wall", _standing((-12 + 13 * k, 77.0), (1, 0), wall_size, 1.1), wall_size, ((-10.0, face, "cut"),))
    return boards


def _standing(
    foot: tuple[float, float], along: tuple[float, float], size_m: tuple[float, float], above_m: float
) -> Surface:
    """Return an upright surface; `foot` is its left end as it is read."""
    width, height = size_m
    return Surface(
        np.array([*foot, above_m + height]),
        np.array([along[0] * width, along[1] * width, 0.0]),
        np.array([0, 0, -height]),
    )
