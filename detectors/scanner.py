"""Scan: a tiny window classifier, dense over an image pyramid; tells where a sign might be, tuned for recall."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import suppress
from detectors.engines import Engine
from detectors.geometry import CROP_SCALE, decode_boxes
from detectors.nets import Architecture
from detectors.picture import Image, Picture
from detectors.pyramid import Level, pyramid

Floats = NDArray[np.float32]

FIRST = 40
"""Peaks for each proposal wanted that are looked at for doubles: a crowd has thousands."""


class Scanner:
    """Finds proposals.

    threshold: logit above which a window is let through; lower finds more signs and costs the verifier more crops
    most: proposals a picture at the most
    longest_side: pixels of the finest level's longer side at the most; larger finds smaller signs and costs more,
    about in proportion to its square. A picture is never enlarged.
    squeezes: see `pyramid`; more of them find wider things and cost time

    A network with five outputs tells, beside the logit, the box in its window (see `geometry.encode_boxes`).
    """

    def __init__(
        self,
        engine: Engine,
        architecture: Architecture,
        *,
        threshold: float,
        most: int = 48,
        longest_side: int = 960,
        squeezes: Sequence[float] = (1.0,),
    ) -> None:
        self.engine, self.architecture = engine, architecture
        self.threshold, self.most, self.longest_side = threshold, most, longest_side
        self.squeezes = tuple(squeezes)

    def __call__(self, pictures: Sequence[Picture], shrink: float = 1.0) -> list[tuple[Floats, Floats]]:
        """Return, a picture, proposals float32 (N, 4) in its pixels and their logits float32 (N,), best first.

        Pictures of one size are evaluated together, level by level. shrink: of the finest level's scale.
        """
        window = self.architecture.window
        pyramids = [
            pyramid(p, finest=shrink * self.finest(p.size_wh), window=window, squeezes=self.squeezes) for p in pictures
        ]
        found: list[list[tuple[Floats, Floats]]] = [[] for _ in pictures]
        groups: dict[tuple[tuple[int, int], int], list[int]] = {}
        for i, picture in enumerate(pictures):
            for k in range(len(pyramids[i])):
                groups.setdefault((picture.size_wh, k), []).append(i)
        for (_, k), members in groups.items():
            maps = self.engine(np.stack([pyramids[i][k].image for i in members]))
            for i, outputs in zip(members, maps, strict=True):
                found[i].append(self.peaks(outputs, pyramids[i][k]))
        return [self.merged(parts) for parts in found]

    def finest(self, size_wh: tuple[int, int]) -> float:
        """Scale of the finest level: whole, or less where the picture is larger than `longest_side`."""
        return min(1.0, self.longest_side / max(size_wh))

    def peaks(self, outputs: Floats, level: Level) -> tuple[Floats, Floats]:
        """Local maxima of a dense map (C, h, w) above the threshold, as boxes in the picture and their logits."""
        scores = outputs[0]
        highest = cv2.dilate(scores, np.ones((3, 3), np.uint8))
        rows, columns = np.nonzero((scores >= highest) & (scores > self.threshold))
        window, stride = self.architecture.window, self.architecture.stride
        centre = level.to_picture(columns * stride + window / 2, rows * stride + window / 2)
        sides = window / np.array(level.scale_wh)
        if len(outputs) == 1:
            half = sides / CROP_SCALE / 2
            return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32), scores[rows, columns]
        areas = np.concatenate([centre, np.broadcast_to(sides, centre.shape)], axis=1).astype(np.float32)
        return decode_boxes(outputs[1:, rows, columns].T, areas), scores[rows, columns]

    def merged(self, parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        """Proposals of all levels, doubles suppressed."""
        if not parts:
            return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        boxes, scores = (np.concatenate(list(column)) for column in zip(*parts, strict=True))
        likely = np.argsort(-scores, kind="stable")[: FIRST * self.most]
        keep = likely[suppress(boxes[likely], scores[likely], 0.4, most=self.most)]
        return boxes[keep], scores[keep]


def windows_of(image: Image, architecture: Architecture) -> Image:
    """Every window that a dense evaluation sees, cut out one by one: uint8 (rows * columns, window, window, 3)."""
    window, stride = architecture.window, architecture.stride
    view = np.lib.stride_tricks.sliding_window_view(image, (window, window), axis=(0, 1))[::stride, ::stride]
    return np.ascontiguousarray(view.transpose(0, 1, 3, 4, 2).reshape(-1, window, window, 3))
