"""Scan: a tiny window classifier, dense over an image pyramid; tells where a sign might be, tuned for recall."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import suppress
from detectors.engines import Engine
from detectors.geometry import CROP_SCALE
from detectors.nets import Architecture
from detectors.picture import Image, Picture
from detectors.pyramid import Level, pyramid

Floats = NDArray[np.float32]


class Scanner:
    """Finds proposals.

    threshold: logit above which a window is let through; lower finds more signs and costs the verifier more crops
    most: proposals a picture at the most
    longest_side: pixels of the finest level's longer side at the most; larger finds smaller signs and costs more,
    about in proportion to its square. A picture is never enlarged.
    """

    def __init__(
        self, engine: Engine, architecture: Architecture, *, threshold: float, most: int = 48, longest_side: int = 960
    ) -> None:
        self.engine, self.architecture = engine, architecture
        self.threshold, self.most, self.longest_side = threshold, most, longest_side

    def __call__(self, pictures: Sequence[Picture]) -> list[tuple[Floats, Floats]]:
        """Return, a picture, proposals float32 (N, 4) in its pixels and their logits float32 (N,), best first.

        Pictures of one size are evaluated together, level by level.
        """
        pyramids = [pyramid(p, finest=self.finest(p.size_wh), window=self.architecture.window) for p in pictures]
        found: list[list[tuple[Floats, Floats]]] = [[] for _ in pictures]
        groups: dict[tuple[tuple[int, int], int], list[int]] = {}
        for i, picture in enumerate(pictures):
            for k in range(len(pyramids[i])):
                groups.setdefault((picture.size_wh, k), []).append(i)
        for (_, k), members in groups.items():
            maps = self.engine(np.stack([pyramids[i][k].image for i in members]))
            for i, scores in zip(members, maps[:, 0], strict=True):
                found[i].append(self.peaks(scores, pyramids[i][k]))
        return [self.merged(parts) for parts in found]

    def finest(self, size_wh: tuple[int, int]) -> float:
        """Scale of the finest level: whole, or less where the picture is larger than `longest_side`."""
        return min(1.0, self.longest_side / max(size_wh))

    def peaks(self, scores: Floats, level: Level) -> tuple[Floats, Floats]:
        """Local maxima of a dense map above the threshold, as boxes in the picture and their logits."""
        highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
        rows, columns = np.nonzero((scores >= highest) & (scores > self.threshold))
        window, stride = self.architecture.window, self.architecture.stride
        centre = level.to_picture(columns * stride + window / 2, rows * stride + window / 2)
        half = window / CROP_SCALE / 2 / np.array(level.scale_wh)
        return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32), scores[rows, columns]

    def merged(self, parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Proposals of all levels, doubles suppressed."""
        if not parts:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        boxes, scores = (np.concatenate(list(column)) for column in zip(*parts, strict=True))
        keep = suppress(boxes, scores, 0.4, most=self.most)
        return boxes[keep], scores[keep]


def windows_of(image: Image, architecture: Architecture) -> Image:
    """Every window that a dense evaluation sees, cut out one by one: uint8 (rows * columns, window, window, 3)."""
    window, stride = architecture.window, architecture.stride
    view = np.lib.stride_tricks.sliding_window_view(image, (window, window), axis=(0, 1))[::stride, ::stride]
    return np.ascontiguousarray(view.transpose(0, 1, 3, 4, 2).reshape(-1, window, window, 3))
