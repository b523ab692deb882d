"""Hard negatives: places in photographs without signs where a scanner thinks that it sees one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from detectors.labels import BACKGROUND
from detectors.picture import ArrayPicture
from detectors.scanner import Scanner
from detectors.training.data import Crop, Photo

CONTEXT = 1.3
"""A hard negative is kept with this many of its sides around its centre, on each side."""


def hard_negatives(scanner: Scanner, photos: Sequence[Photo], *, per_photo: int, quiet: bool = True) -> list[Crop]:
    """The places that a scanner scores highest in photographs without signs, as crops of class BACKGROUND.

    Places that touch something marked or boxed are passed over. per_photo: at the most
    """
    found = []
    for photo in tqdm(photos, desc="mining", unit="photo", disable=quiet):
        boxes, _ = scanner([ArrayPicture(photo.image)])[0]
        kept = 0
        for box in boxes:
            if kept == per_photo:
                break
            if touches(photo, box):
                continue
            found.append(place(photo, box))
            kept += 1
    return found


def touches(photo: Photo, box: np.ndarray) -> bool:
    """True where the box overlaps something marked or boxed in the photograph."""
    x1, y1, x2, y2 = (int(v) for v in box)
    if photo.marked is not None and photo.marked[max(0, y1) : y2 + 1, max(0, x1) : x2 + 1].any():
        return True
    return any(min(x2, b[2]) > max(x1, b[0]) and min(y2, b[3]) > max(y1, b[1]) for b in photo.boxes)


def place(photo: Photo, box: np.ndarray) -> Crop:
    """A box of a photograph with some of its surroundings."""
    h, w = photo.image.shape[:2]
    cx, cy, side = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0]
    x1, y1 = max(0, int(cx - CONTEXT * side)), max(0, int(cy - CONTEXT * side))
    x2, y2 = min(w, int(cx + CONTEXT * side) + 1), min(h, int(cy + CONTEXT * side) + 1)
    inside = (float(box[0]) - x1, float(box[1]) - y1, float(box[2]) - x1, float(box[3]) - y1)
    return Crop(np.ascontiguousarray(photo.image[y1:y2, x1:x2]), inside, BACKGROUND, photo.name)
