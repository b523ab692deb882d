"""One picture's detections, as read-only arrays that are checked at the door."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import suppress

LEAST_SCORE, LEAST_SIDE_PX = 0.01, 4
DOUBLE = 0.35
"""Overlap from which the less likely of two boxes is a second one on the same thing."""


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """The boxes found in one picture. Empty is an ordinary value.

    xyxy: float32 (N, 4), pixels of the picture, x2 > x1 and y2 > y1 not enforced for clipped boxes
    score: float32 (N,), calibrated, 0 to 1
    class_id: int64 (N,)
    embedding: float32 (N, D), unit length, or None

    Raises ValueError with the shape that came where one does not fit.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int64]
    embedding: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.score)
        _check("xyxy", self.xyxy, np.float32, (n, 4))
        _check("score", self.score, np.float32, (n,))
        _check("class_id", self.class_id, np.int64, (n,))
        if self.embedding is not None:
            _check("embedding", self.embedding, np.float32, (n, self.embedding.shape[-1]))

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Detections:
        """Return the chosen rows (a slice, a mask or an index array)."""
        embedding = None if self.embedding is None else self.embedding[rows]
        return Detections(self.xyxy[rows], self.score[rows], self.class_id[rows], embedding)

    @classmethod
    def empty(cls) -> Detections:
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))

    @classmethod
    def concat(cls, parts: Iterable[Detections]) -> Detections:
        """Join detections of one picture; embeddings are kept where every part that has rows has them."""
        kept = [p for p in parts if len(p)]
        if not kept:
            return cls.empty()
        embeddings = [p.embedding for p in kept if p.embedding is not None]
        return cls(
            np.concatenate([p.xyxy for p in kept]),
            np.concatenate([p.score for p in kept]),
            np.concatenate([p.class_id for p in kept]),
            np.concatenate(embeddings) if len(embeddings) == len(kept) else None,
        )


def settled(
    size_wh: tuple[int, int],
    boxes: NDArray[np.float32],
    score: NDArray[np.float32],
    class_id: NDArray[np.int64],
    embedding: NDArray[np.float32] | None = None,
) -> Detections:
    """One picture's detections, best first: clipped to it, those of some score and size, doubles suppressed."""
    width, height = size_wh
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32)).astype(np.float32)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    good = np.flatnonzero((score >= LEAST_SCORE) & (sides >= LEAST_SIDE_PX))
    keep = good[suppress(boxes[good], score[good], DOUBLE)]
    return Detections(boxes, score.astype(np.float32), class_id.astype(np.int64), embedding)[keep]


def _check(name: str, array: NDArray[np.generic], dtype: type[np.generic], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(f"{name} must be {np.dtype(dtype)} {shape}, got {array.dtype} {array.shape}")
    array.flags.writeable = False
