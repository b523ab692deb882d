"""Boards seen from aside: how much a place is slanted, and pictures in which it stands upright.

What stands along a pitch is seen level, what stands behind a goal climbs or falls across the picture while its uprights
stay upright: a shear, by which each column is moved up or down. Its slope is told from the place's own edges, as along
the letters and the edge of the board: moved back by the right slope, these fall into the same rows.
Knows nothing of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import CROP_MARGIN
from detectors.picture import Image, Picture, around

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

_SIDE = 32  # of what is looked at
_SLOPES = np.linspace(-0.9, 0.9, 25)  # that are tried, of the place as a square
_CLEAR = 1.3  # how much more must fall together than as the place stands
_MOST_OFF = 0.65  # of a slanted box's height, that the slope moves its ends apart
LEAST = 0.1
"""Slope below which a place is level: it changes little then."""


def _moved() -> NDArray[np.int64]:
    """For each slope (rows) where the pixels of a square, zeros around it, come from: int64 (slopes, side * side)."""
    y, x = np.mgrid[:_SIDE, :_SIDE]
    down = np.round(_SLOPES[:, None, None] * (x - (_SIDE - 1) / 2)).astype(np.int64)
    return np.asarray(((y + down + _SIDE) * _SIDE + x).reshape(len(_SLOPES), -1))


_FROM = _moved()


def slope_of(seen: Image, size_wh: tuple[float, float]) -> float:
    """How far what is seen falls to the right, pixels down for each to the right; 0 where it is level or not clear.

    seen: RGB uint8 (h, w, 3), a place with a little around it; size_wh: of the place in the picture, if that was
    stretched
    """
    grey = cv2.cvtColor(cv2.resize(seen, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    edges = cv2.GaussianBlur(cv2.Sobel(grey, cv2.CV_32F, 0, 1), (0, 0), 0.8)
    field = np.zeros((3 * _SIDE, _SIDE), np.float32)
    field[_SIDE : 2 * _SIDE] = edges
    rows = field.ravel()[_FROM].reshape(len(_SLOPES), _SIDE, _SIDE).sum(axis=2)
    together = np.square(rows).sum(axis=1)
    best = int(together.argmax())
    level = together[np.abs(_SLOPES) <= LEAST].max()
    if together[best] <= _CLEAR * level:
        return 0.0
    at = float(_SLOPES[best])
    if 0 < best < len(_SLOPES) - 1:
        before, most, after = together[best - 1 : best + 2].tolist()
        at += 0.5 * (before - after) / (before - 2 * most + after) * float(_SLOPES[1] - _SLOPES[0])
    slope = at * size_wh[1] / size_wh[0]
    return slope if abs(slope) >= LEAST else 0.0


def upright_boxes(xyxy: Floats, slopes: Floats) -> Floats:
    """What stands in slanted boxes (N, 4), as it stands upright: less high by what the slope moves its ends apart."""
    h = xyxy[:, 3] - xyxy[:, 1]
    off = np.minimum(np.abs(slopes) * (xyxy[:, 2] - xyxy[:, 0]), _MOST_OFF * h) / 2
    return np.asarray(xyxy + np.stack([0 * off, off, 0 * off, -off], axis=1), np.float32)


def slanted_boxes(xyxy: Floats, slopes: Floats) -> Floats:
    """The inverse of `upright_boxes`: the boxes around what is slanted."""
    off = np.abs(slopes) * (xyxy[:, 2] - xyxy[:, 0]) / 2
    return np.asarray(xyxy + np.stack([0 * off, -off, 0 * off, off], axis=1), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Upright:
    """A picture in which what is slanted stands upright: each column is moved, that at `x` is not."""

    picture: Picture
    slope: float
    x: float

    @property
    def size_wh(self) -> tuple[int, int]:
        return self.picture.size_wh

    def rgb(self) -> Image:
        width, height = self.size_wh
        return self.patch(0, 0, width, height)

    def half(self) -> Image:
        width, height = self.size_wh
        return np.asarray(cv2.resize(self.rgb(), (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8)

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        """Return a rectangle; where a column ends, its last pixel goes on."""
        height = self.size_wh[1]
        ends = self._moved(x1), self._moved(x2 - 1)
        top = min(max(0, floor(y1 + min(ends)) - 1), height - 1)
        bottom = min(max(top + 1, ceil(y2 + max(ends)) + 1), height)
        seen = self.picture.patch(x1, top, x2, bottom)
        return _sheared(seen, self.slope, y1 + self._moved(x1) - top, y2 - y1)

    def _moved(self, x: float) -> float:
        return self.slope * (x - self.x)


def uprighted(picture: Picture, box: Box) -> tuple[Picture, Box]:
    """A picture and a box in it, as they are where what stands in the box is upright; the same where it is level."""
    seen, _ = around(picture, box, CROP_MARGIN, CROP_MARGIN, least=2)
    slope = 0.0 if seen is None else slope_of(seen, (seen.shape[1], seen.shape[0]))
    if slope == 0:
        return picture, box
    x1, y1, x2, y2 = upright_boxes(np.array([box], np.float32), np.array([slope], np.float32))[0].tolist()
    return Upright(picture, slope, (box[0] + box[2]) / 2), (x1, y1, x2, y2)


def _sheared(seen: Image, slope: float, down: float, height: int) -> Image:
    """Each column moved up, by `down` and what the slope adds to it: so many rows of it."""
    warp = np.array([[1, 0, 0], [slope, 1, down]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(seen, warp, (seen.shape[1], height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
