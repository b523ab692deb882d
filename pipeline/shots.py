"""Tells hard cuts: the frames with which another shot begins. Knows nothing of tracks or models.

Two looks at a small picture of brightness. The first, at every frame, compares histograms by cells of a grid, after
brightness and contrast were made equal: a flash or an iris that closes changes them little. Where they differ, the
second look seeks pieces of the frame in the one before, moved by up to a tenth of the width: pans, zooms and whoever
runs through the picture leave most of them to be found, a board that changes leaves those beside it as they were, a cut
leaves few, and none of them exactly.

Measured in `NOTES.md`. Fades and wipes are no hard cuts and are not told.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.frame import Frame
from streams.pixels import Plane

_WIDTH = 128  # of the small picture; 1080p is 15 times larger, so a brand's board is still a stripe in it
_SAMPLES = 2  # a pixel of the small picture is the mean of so many by so many
_GRID = 4, 6  # cells, rows by columns
_BINS = 16
_SPREAD = 3.2  # bins a standard deviation
_LEAST_CONTRAST = 4.0  # grey levels; below it is noise, which must not be spread
_DIFFERENT = 0.15  # of the histograms, 0 to 1
_PIECE_WH = 18, 16
_REACH_XY = 11, 5
_PIECES = 3, 5  # rows by columns
_LIKE, _SAME = 0.8, 0.95  # correlations from which on a piece is found again, and is as it was
_FEW_LIKE, _FEW_LIKE_MORE = 0.36, 0.4  # a share of fewer is a cut; plus so much times the difference
_FEW_SAME = 0.2  # and a share of fewer, since what a board that changes leaves beside it is as it was; unless
_NEARLY_NONE = 0.25  # fewer than that are like anything: a horizon's edge is the same everywhere
_BLACK = 32  # up to here a row or column is a black bar


class Shots:
    """Finds the cuts of one stream. Single-threaded; feed it every frame, in order."""

    def __init__(self) -> None:
        self._before: Plane | None = None
        self._histograms: NDArray[np.float32] | None = None
        self._cells: NDArray[np.int32] = np.empty((0, 0), np.int32)

    def is_cut(self, frame: Frame) -> bool:
        """Say whether another shot begins with this frame. The first one does not count, nor one of another shape."""
        picture = small(frame, _WIDTH, least_height=_PIECE_WH[1])
        before, old = self._before, self._histograms
        self._before, self._histograms = picture, self._histograms_of(picture)
        if before is None or old is None or before.shape != picture.shape:
            return False
        difference = float(np.abs(self._histograms - old).sum()) / (2 * _GRID[0] * _GRID[1])
        if difference <= _DIFFERENT:
            return False
        found = _correlations(before, picture)
        if not len(found):
            return False
        like, same = float((found > _LIKE).mean()), float((found > _SAME).mean())
        return like < _FEW_LIKE + _FEW_LIKE_MORE * difference and (same < _FEW_SAME or like < _NEARLY_NONE)

    def _histograms_of(self, picture: Plane) -> NDArray[np.float32]:
        """Return the cells' histograms, each summing to 1: float32 (cells, bins)."""
        height, width = picture.shape
        if self._cells.shape != picture.shape:
            rows, columns = np.arange(height) * _GRID[0] // height, np.arange(width) * _GRID[1] // width
            self._cells = ((rows[:, None] * _GRID[1] + columns) * _BINS).astype(np.int32)
        mean, deviation = (float(value[0, 0]) for value in cv2.meanStdDev(picture))
        level = (np.arange(256) - mean) * (_SPREAD / max(deviation, _LEAST_CONTRAST)) + _BINS / 2
        bins = np.clip(level, 0, _BINS - 1).astype(np.int32)[picture]
        counts = np.bincount((self._cells + bins).ravel(), minlength=_GRID[0] * _GRID[1] * _BINS)
        histograms = counts.reshape(-1, _BINS).astype(np.float32)
        return np.asarray(histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1), np.float32)


def small(frame: Frame, width: int, *, least_height: int = 1) -> Plane:
    """Return a frame's brightness in a picture of that width, in the stream's own range: uint8 (height, width)."""
    wide, high = frame.size_wh
    sampled = np.ascontiguousarray(frame.luma(max(1, wide // (width * _SAMPLES))))
    size = width, max(least_height, round(width * high / wide))
    return np.asarray(cv2.resize(sampled, size, interpolation=cv2.INTER_AREA), np.uint8)


def _correlations(before: Plane, picture: Plane) -> NDArray[np.float64]:
    """Return how well each piece of the picture is found near its place in the one before, -1 to 1.

    Where nothing can be told from its surroundings there are no pieces: black is compared with what follows by the
    pieces of that.
    """
    before, picture = _without_bars(before, picture)
    (wide, high), (reach_x, reach_y) = _PIECE_WH, _REACH_XY
    height, width = picture.shape
    if width < wide + 2 * reach_x or height < high + 2 * reach_y:
        return np.empty(0)
    found = []
    for y in np.linspace(reach_y, height - reach_y - high, _PIECES[0]).astype(int):
        for x in np.linspace(reach_x, width - reach_x - wide, _PIECES[1]).astype(int):
            piece = picture[y : y + high, x : x + wide]
            if cv2.meanStdDev(piece)[1][0, 0] >= _LEAST_CONTRAST:
                around = before[y - reach_y : y + high + reach_y, x - reach_x : x + wide + reach_x]
                found.append(float(cv2.matchTemplate(around, piece, cv2.TM_CCOEFF_NORMED).max()))
    return np.array(found)


def _without_bars(before: Plane, picture: Plane) -> tuple[Plane, Plane]:
    """Cut off the edges that are black in both: a bar is found again whatever is shown beside it."""
    brightest = np.maximum(before, picture)
    rows, columns = (np.flatnonzero(brightest.max(axis=axis) > _BLACK) for axis in (1, 0))
    if not len(rows):
        return before, picture
    inside = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return before[inside], picture[inside]
