"""Verify and name: crops at full resolution, classified in one batch over all pictures, boxes refined on the way."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import paired_iou
from detectors.detections import Detections, settled
from detectors.engines import Engine
from detectors.geometry import crop_areas, decode_boxes, on_pixels
from detectors.labels import BACKGROUND
from detectors.picture import Image, Picture

Floats = NDArray[np.float32]
CHUNK = 64
"""Crops run at once at the most, so that memory stays flat in a busy picture."""


class Verifier:
    """Names proposals and refines their boxes.

    temperature: divides the logits; larger makes scores more modest (fitted on held-out tracks)
    keep: probability of a sign below which a proposal is dropped after the first look; higher is faster
    settled: IoU of a box with itself before the first look from which no second one is taken; lower is faster, and
    boxes and names are worse
    """

    def __init__(
        self, engine: Engine, *, window: int, temperature: float, keep: float = 0.02, settled: float = 0.9
    ) -> None:
        self.engine, self.window, self.temperature = engine, window, temperature
        self.keep, self.settled = keep, settled

    def __call__(self, pictures: Sequence[Picture], proposals: Sequence[Floats]) -> list[Detections]:
        """Return a picture's detections with score >= 0.01, doubles suppressed, best first.

        Two looks: the first at the rough proposal, which refines the box; the second at the refined box, which names
        it and refines it once more. A box that the first one hardly moved, as where a track foresaw it, is as good
        without a second. proposals: float32 (N, 4) in pixels, one array a picture.
        """
        owner = np.repeat(np.arange(len(pictures)), [len(p) for p in proposals])
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *proposals])
        probability, refined = self.look(pictures, owner, boxes)
        alive = 1 - probability[:, BACKGROUND] >= self.keep
        owner, boxes, refined, probability = owner[alive], boxes[alive], refined[alive], probability[alive]
        again = paired_iou(boxes, refined) < self.settled
        probability[again], refined[again] = self.look(pictures, owner[again], refined[again])
        return [self.detected(picture, *select(owner == i, refined, probability)) for i, picture in enumerate(pictures)]

    def look(self, pictures: Sequence[Picture], owner: NDArray[np.int64], boxes: Floats) -> tuple[Floats, Floats]:
        """Class probabilities (N, classes) and refined boxes (N, 4) of boxes, each in the picture `owner` tells."""
        areas = on_pixels(crop_areas(boxes))
        outputs = np.zeros((len(boxes), BACKGROUND + 5), np.float32)
        for i in range(0, len(boxes), CHUNK):
            part = slice(i, i + CHUNK)
            crops = [crop(pictures[o], area, self.window) for o, area in zip(owner[part], areas[part], strict=True)]
            outputs[part] = self.engine(np.stack(crops))
        logits = outputs[:, : BACKGROUND + 1] / self.temperature
        shares: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True), decode_boxes(outputs[:, BACKGROUND + 1 :], areas)

    def detected(self, picture: Picture, boxes: Floats, probability: Floats) -> Detections:
        """Detections of one picture: clipped, the best class each, doubles suppressed."""
        class_id = probability[:, :BACKGROUND].argmax(axis=1)
        return settled(picture.size_wh, boxes, probability[np.arange(len(boxes)), class_id], class_id)


def select(rows: NDArray[np.bool_], *arrays: Floats) -> tuple[Floats, ...]:
    return tuple(a[rows] for a in arrays)


def crop(picture: Picture, area: Floats, side: int) -> Image:
    """Cut an area (see `cut`) and bring it to RGB uint8 (side, side, 3)."""
    return squared(cut(picture, area), side)


def cut(picture: Picture, area: Floats) -> Image:
    """Cut an area (centre x, centre y, width, height; on whole pixels), RGB uint8 (height, width, 3).

    What lies outside the picture mirrors its edge, as in training.
    """
    width, height = picture.size_wh
    w, h = int(area[2]), int(area[3])
    x1, y1 = int(area[0] - w / 2), int(area[1] - h / 2)
    left, top = min(max(x1, 0), width - 1), min(max(y1, 0), height - 1)
    right, bottom = max(min(x1 + w, width), left + 1), max(min(y1 + h, height), top + 1)
    patch = picture.patch(left, top, right, bottom)
    if patch.shape[:2] != (h, w):
        edges = (max(0, top - y1), max(0, y1 + h - bottom), max(0, left - x1), max(0, x1 + w - right))
        patch = np.asarray(cv2.copyMakeBorder(patch, *edges, cv2.BORDER_REFLECT_101), np.uint8)
    return patch


def squared(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Bring an image, uint8 (h, w) or (h, w, C), to a square: averaged where it is larger."""
    how = cv2.INTER_AREA if min(image.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (side, side), interpolation=how), np.uint8)
