"""How places look: small grey pictures of them, by which a place is known again. Knows nothing of what is there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import crop_areas
from pipeline.tracker import Boxes
from streams.frame import Frame

_SIDE = 24  # pixels of the small grey picture that a place is known again by
_LIKE = 0.9  # correlation of two of them from which they show the same
_CONTRAST = 1.3  # ratio of their contrasts up to which they do: what becomes sharp gains some
_NEAR, _AS_LARGE = 0.5, 1.4  # how far apart the places may be, in their sides, and the ratio of these
_CHANGED = 0.2  # of the contrast: a difference, averaged over 3 by 3 pixels, from which something has changed


@dataclass(frozen=True, slots=True, eq=False)
class Looks:
    """Some places' looks.

    boxes: float32 (N, 4), pixels; grey: float32 (N, side * side), without mean, of unit length; contrast: float32 (N,),
        grey levels
    """

    boxes: Boxes
    grey: NDArray[np.float32]
    contrast: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Self:
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, _SIDE * _SIDE), np.float32), np.zeros(0, np.float32))

    @classmethod
    def at(cls, frame: Frame, boxes: Boxes) -> Self:
        """How boxes look in a frame, each with the margin that crops have."""
        if not len(boxes):
            return cls.empty()
        luma = frame.luma(1)
        height, width = luma.shape
        grey = np.zeros((len(boxes), _SIDE * _SIDE), np.float32)
        areas = crop_areas(boxes)
        corners = np.concatenate([areas[:, :2] - areas[:, 2:] / 2, areas[:, :2] + areas[:, 2:] / 2], axis=1)
        for i, (x1, y1, x2, y2) in enumerate(corners.round().astype(int).tolist()):
            left, top = min(max(0, x1), width - 1), min(max(0, y1), height - 1)
            seen = luma[top : max(y2, top + 1), left : max(x2, left + 1)]
            grey[i] = cv2.resize(seen, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel()
        grey -= grey.mean(axis=1, keepdims=True)
        contrast = np.asarray(grey.std(axis=1), np.float32)
        return cls(boxes, np.asarray(grey / np.maximum(contrast * _SIDE, 1e-3)[:, None], np.float32), contrast)

    def __len__(self) -> int:
        return len(self.boxes)

    def of(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Self:
        return type(self)(self.boxes[rows], self.grey[rows], self.contrast[rows])

    def with_more(self, other: Self) -> Self:
        return type(self)(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.grey, other.grey]),
            np.concatenate([self.contrast, other.contrast]),
        )

    def are_among(self, others: Self) -> NDArray[np.bool_]:
        """Which of them (N,) look much as one of the others does, at about the same place."""
        mine, theirs = np.maximum(_sides(self.boxes), 1), np.maximum(_sides(others.boxes), 1)
        is_like = self.grey @ others.grey.T >= _LIKE
        is_like &= _are_as_strong(self.contrast[:, None], others.contrast)
        is_like &= np.abs(np.log(mine[:, None] / theirs)).max(axis=2) < np.log(_AS_LARGE)
        apart = np.abs(_centres(self.boxes)[:, None] - _centres(others.boxes)) / mine[:, None]
        is_like &= apart.max(axis=2) < _NEAR
        return np.asarray(is_like.any(axis=1))

    def are_unchanged(self, frame: Frame) -> NDArray[np.bool_]:
        """Which of them (N,) look in that frame as they did, but for noise: nothing has moved there, nor the camera."""
        now = type(self).at(frame, self.boxes)
        differences = ((now.grey - self.grey) * _SIDE).reshape(-1, _SIDE, _SIDE)  # in contrasts
        largest = [float(np.abs(cv2.blur(difference, (3, 3))).max()) for difference in differences]
        return np.asarray((np.array(largest) < _CHANGED) & _are_as_strong(self.contrast, now.contrast), np.bool_)


def _are_as_strong(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.bool_]:
    return np.asarray(np.abs(np.log((one + 1e-3) / (other + 1e-3))) < np.log(_CONTRAST), np.bool_)


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
