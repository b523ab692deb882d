"""Measures a verifier: top-1 over crops, calibration, and how sure it is of what it does not know."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.engines import Engine
from detectors.geometry import crop_areas, on_pixels
from detectors.labels import BACKGROUND
from detectors.picture import ArrayPicture
from detectors.training.data import Crop
from detectors.verifier import crop

Floats = NDArray[np.float32]


def crop_logits(engine: Engine, crops: Sequence[Crop], *, window: int, quiet: bool = True) -> Floats:
    """Logits of a verifier over signs cut by their boxes, as inference cuts them: float32 (N, classes)."""
    areas = on_pixels(crop_areas(np.array([c.box for c in crops], np.float32)))
    rows = []
    for i in tqdm(range(0, len(crops), 64), desc="evaluate", unit="batch", disable=quiet):
        pairs = zip(crops[i : i + 64], areas[i : i + 64], strict=True)
        images = np.stack([crop(ArrayPicture(c.image), area, window) for c, area in pairs])
        rows.append(engine(images)[:, : BACKGROUND + 1])
    return np.concatenate(rows)


def top1(logits: Floats, class_ids: NDArray[np.int64]) -> float:
    """Share of rows whose largest output, over all classes, is the right one."""
    return float((logits.argmax(axis=1) == class_ids).mean())


def softmax(logits: Floats, temperature: float) -> Floats:
    shares = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True), np.float32)


def fit_temperature(logits: Floats, class_ids: NDArray[np.int64]) -> float:
    """The temperature at which the right classes are likeliest (a search over a grid in steps of 2 %)."""
    grid = np.exp(np.arange(np.log(0.25), np.log(4.0), 0.02))
    rows = np.arange(len(logits))
    losses = [-np.log(softmax(logits, t)[rows, class_ids] + 1e-9).mean() for t in grid]
    return float(grid[int(np.argmin(losses))])


def calibration_error(probability: Floats, class_ids: NDArray[np.int64], *, bins: int = 15) -> float:
    """Expected calibration error: mean distance of score and share of right answers over bins of the score."""
    score, right = probability.max(axis=1), probability.argmax(axis=1) == class_ids
    which = np.minimum((score * bins).astype(int), bins - 1)
    gaps = [abs(score[which == b].mean() - right[which == b].mean()) * (which == b).mean() for b in set(which)]
    return float(np.sum(gaps))
