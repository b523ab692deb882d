"""Where to look in one stream's frames: what a scan proposes, where tracks are, and what need not be looked at again.

A scan proposes the same places again and again. What was looked at a moment ago, was nothing and still looks the same
is passed over, and what is tracked is followed as between scans, until after a while everything is looked at anew: so
neither a name that was taken for granted nor a place that was given up lives for ever. All goes by PTS.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from detectors.detections import Detections
from detectors.geometry import crop_areas
from pipeline.tracker import Boxes, Tracker
from streams.frame import Frame

_SAME_PLACE = 0.5  # IoU from which a proposal is where a track is expected: looking twice would find the same
_SIDE = 24  # pixels of the small grey picture that a place is known again by
_LIKE = 0.9  # correlation of two of them from which they show the same
_CONTRAST = 1.3  # ratio of their contrasts up to which they do: what becomes sharp gains some
_NEAR, _AS_LARGE = 0.5, 1.4  # how far apart the places may be, in their sides, and the ratio of these


class Places:
    """One stream's. Per frame: `where`, then `learn` what was found there.

    tracker: of the stream
    anew_seconds: so long after everything in a scan was looked at, everything is again. Goes up: faster, and what is
        taken for something else, or for nothing, stays so for longer; 0: with every scan
    """

    def __init__(self, tracker: Tracker, *, anew_seconds: float = 0.0) -> None:
        self._tracker = tracker
        self._anew_seconds = anew_seconds
        self._anew_at = -inf
        self._nothing = _Looks.empty()
        self._asked: tuple[Boxes, _Looks] | None = None

    def where(self, frame: Frame, proposals: Boxes | None) -> tuple[Boxes, Detections]:
        """Return the boxes to look at in a frame, and what is expected there.

        proposals: None where nothing was scanned; then only tracks of known classes are looked at
        """
        self._asked = None
        now = frame.pts_seconds
        if proposals is None:
            return np.zeros((0, 4), np.float32), self._tracker.expected(now, known_only=True)
        is_anew = not 0 <= now - self._anew_at < self._anew_seconds - frame.duration_seconds / 2
        if is_anew:
            self._anew_at, self._nothing = now, _Looks.empty()
            # What a judge named stays: who reads sees to it that it is read anew.
            expected, again = self._tracker.named(now), self._tracker.unnamed(now)
        else:
            expected, again = self._tracker.expected(now), np.zeros((0, 4), np.float32)
        tracked = np.concatenate([expected.xyxy, again])
        proposals = proposals[iou(proposals, tracked).max(axis=1, initial=0) < _SAME_PLACE]
        if self._anew_seconds:
            looks = _Looks.at(frame, proposals)
            looks = looks.of(~looks.are_among(self._nothing))
            self._asked, proposals = (tracked, looks), looks.boxes
        return np.concatenate([again, proposals]), expected

    def learn(self, found: Detections) -> None:
        """Remember which of the places that were last asked for were nothing."""
        if self._asked is None:
            return
        expected, looks = self._asked
        hints = found.xyxy[found.score >= self._tracker.keep_score]
        overlaps = iou(np.concatenate([expected, looks.boxes]), hints)
        is_source = np.zeros(len(overlaps), bool)
        if len(overlaps):
            is_source[overlaps.argmax(axis=0)] = True  # of a second box on one thing nothing comes again
        self._nothing = self._nothing.with_more(looks.of(~is_source[len(expected) :]))


@dataclass(frozen=True, slots=True, eq=False)
class _Looks:
    """How places look. boxes: float32 (N, 4), pixels; grey: float32 (N, side * side), without mean, of unit length;
    contrast: float32 (N,), grey levels."""

    boxes: Boxes
    grey: NDArray[np.float32]
    contrast: NDArray[np.float32]

    @classmethod
    def empty(cls) -> Self:
        return cls(np.zeros((0, 4), np.float32), np.zeros((0, _SIDE * _SIDE), np.float32), np.zeros(0, np.float32))

    @classmethod
    def at(cls, frame: Frame, boxes: Boxes) -> Self:
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

    def of(self, rows: NDArray[np.bool_]) -> Self:
        return type(self)(self.boxes[rows], self.grey[rows], self.contrast[rows])

    def with_more(self, other: Self) -> Self:
        return type(self)(
            np.concatenate([self.boxes, other.boxes]),
            np.concatenate([self.grey, other.grey]),
            np.concatenate([self.contrast, other.contrast]),
        )

    def are_among(self, others: Self) -> NDArray[np.bool_]:
        """Which of them (N,) look as one of the others does, at the same place."""
        mine, theirs = np.maximum(_sides(self.boxes), 1), np.maximum(_sides(others.boxes), 1)
        is_like = self.grey @ others.grey.T >= _LIKE
        ratios = (self.contrast[:, None] + 1e-3) / (others.contrast + 1e-3)
        is_like &= np.abs(np.log(ratios)) < np.log(_CONTRAST)
        is_like &= np.abs(np.log(mine[:, None] / theirs)).max(axis=2) < np.log(_AS_LARGE)
        apart = np.abs(_centres(self.boxes)[:, None] - _centres(others.boxes)) / mine[:, None]
        is_like &= apart.max(axis=2) < _NEAR
        return np.asarray(is_like.any(axis=1))


def _sides(boxes: Boxes) -> NDArray[np.float32]:
    return boxes[:, 2:] - boxes[:, :2]


def _centres(boxes: Boxes) -> NDArray[np.float32]:
    return np.asarray((boxes[:, :2] + boxes[:, 2:]) / 2, np.float32)
