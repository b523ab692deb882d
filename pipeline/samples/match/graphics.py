"""What the broadcaster lays over the picture: score and clock, its own mark, a caption, a partner's plate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline import lettering
from pipeline.samples.match.brands import WHITE, Brand, draw
from pipeline.samples.match.camera import corners, watch
from pipeline.samples.picture import Picture, Watched
from pipeline.samples.sprites import Image, premultiplied

_DARK: Color = (18, 24, 40)
_NAMES = ("R. Halden", "M. Ostry", "T. Kavela", "J. Brandow", "L. Semmer", "A. Vintor")
_TEAMS = ("HAL", "VOR", "KES", "TRI", "OST", "MER", "LUN", "BRA")


@dataclass(frozen=True, slots=True)
class Plate:
    """When a brand is shown on a plate beside the score: seconds of the video."""

    brand: Brand
    start: float
    end: float


class Graphics:
    """Draws over a finished picture. Sizes follow the picture's height."""

    def __init__(
        self, rng: np.random.Generator, size_wh: tuple[int, int], home: Color, away: Color, plates: tuple[Plate, ...]
    ) -> None:
        self._unit = size_wh[1] / 720
        self._size_wh = size_wh
        self._teams = tuple(_TEAMS[k] for k in rng.permutation(len(_TEAMS))[:2])
        self._goals = tuple(int(n) for n in rng.integers(0, 4, 2))
        self._colors = home, away
        self._kickoff = int(rng.integers(120, 2400))
        self._captions = [
            (float(start), _NAMES[rng.integers(len(_NAMES))]) for start in rng.uniform(4, 12, 40).cumsum() * 2.2
        ]
        self._plates = plates

    def paint(
        self, picture: Picture, seconds: float, *, is_replay: bool
    ) -> tuple[Plate, NDArray[np.float64], Watched] | None:
        """Paint it all; return the plate that is shown, its logo's corners (4, 2), and what is seen of it."""
        unit = self._unit
        x, y = round(48 * unit), round(36 * unit)
        clock = self._kickoff + int(seconds)
        bug = _bug(self._teams, self._goals, self._colors, f"{clock // 60:02d}:{clock % 60:02d}", unit)
        _lay(picture, bug, x, y)
        mark = _text("ARENA ONE", 20 * unit, WHITE, 0.55)
        _lay(picture, mark, self._size_wh[0] - mark.shape[1] - round(46 * unit), y)
        if is_replay:
            _lay(picture, _label("REPLAY", unit), x, self._size_wh[1] - round(92 * unit))
        for start, name in self._captions:
            if start <= seconds < start + 3.2 and not is_replay:
                _lay(picture, _label(name, unit), x, self._size_wh[1] - round(92 * unit))
        for plate in self._plates:
            if plate.start <= seconds < plate.end:
                patch, area = _plate(plate.brand, unit)
                left = x + bug.shape[1] + round(14 * unit)
                _lay(picture, patch, left, y)
                quad = area + np.array([left, y])
                seen = watch(picture, quad)
                return (plate, quad, seen) if seen else None
        return None


def _lay(picture: Picture, patch: Image, left: int, top: int) -> None:
    height, width = picture.image.shape[:2]
    part = patch[: max(0, height - top), : max(0, width - left)]
    if part.size and left >= 0 and top >= 0:
        picture.lay(part, left, top)


@lru_cache(maxsize=256)
def _text(words: str, size: float, color: Color, opacity: float = 1.0) -> Image:
    line = lettering.line(words, lang="en", size=max(6, round(size)), colour=color, weight=650)
    return premultiplied(line[..., :3].astype(np.float32), line[..., 3] / 255 * opacity)


@lru_cache(maxsize=64)
def _bug(teams: tuple[str, ...], goals: tuple[int, ...], colors: tuple[Color, Color], clock: str, unit: float) -> Image:
    height = round(38 * unit)
    cells: list[tuple[str, float, Color, Color]] = [
        (clock, 84, (238, 238, 238), _DARK),
        (teams[0], 66, _DARK, WHITE),
        (f"{goals[0]} – {goals[1]}", 76, (200, 30, 50), WHITE),
        (teams[1], 66, _DARK, WHITE),
    ]
    parts = [_cell(words, round(width * unit), height, ground, ink, 22 * unit) for words, width, ground, ink in cells]
    bars = [np.full((height, max(1, round(7 * unit)), 4), (*color, 255), np.uint8) for color in colors]
    return np.hstack([parts[0], bars[0], *parts[1:], bars[1]])


@lru_cache(maxsize=32)
def _label(words: str, unit: float) -> Image:
    text = _text(words, 26 * unit, WHITE)
    return _cell(words, text.shape[1] + round(36 * unit), round(46 * unit), (176, 24, 46), WHITE, 26 * unit)


def _cell(words: str, width: int, height: int, ground: Color, ink: Color, size: float) -> Image:
    cell = np.full((height, width, 4), (*ground, 255), np.uint8)
    _put(cell, _text(words, size, ink))
    return cell


@lru_cache(maxsize=32)
def _plate(brand: Brand, unit: float) -> tuple[Image, NDArray[np.float64]]:
    """Return a white plate with a brand in its own colours, and the corners of the brand on it, pixels."""
    height, width = round(38 * unit), round(190 * unit)
    cell = np.full((height, width, 4), (*WHITE, 255), np.uint8)
    art = draw(brand, brand.own())
    scale = min(0.8 * height / art.shape[0], 0.88 * width / art.shape[1])
    small = premultiplied(art[..., :3].astype(np.float32), art[..., 3] / 255)
    small = np.asarray(cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    left, top = _put(cell, small)
    return cell, corners((left, top), (left + small.shape[1], top + small.shape[0]))


def _put(cell: Image, patch: Image) -> tuple[int, int]:
    """Lay a patch over the middle of a cell, cut to it; return where its upper left corner is."""
    height, width = cell.shape[:2]
    patch = patch[:height, :width]
    left, top = (width - patch.shape[1]) // 2, (height - patch.shape[0]) // 2
    under = cell[top : top + patch.shape[0], left : left + patch.shape[1]]
    under[:] = np.rint(under * (1 - patch[..., 3:] / 255) + patch).clip(0, 255)
    return left, top
