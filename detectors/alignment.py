"""Lays a likeness over a place in a picture: where it fits best, and how well.

Both are seen as crops are, stretched to squares, so that a likeness and a logo seen from aside differ by two scales and
two shifts. Those are tried in turn, by normalised correlation of lightness, coarse first. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import CROP_MARGIN, CROP_SCALE, crop_areas, on_pixels
from detectors.picture import Image, Picture
from detectors.verifier import crop

Floats = NDArray[np.float32]

SIDE = 24
"""Side of a template, in pixels: enough for a word's letters."""
REACH = 1.6
"""The searched place, in sides of the box."""
COARSE = (0.75, 1.0, 1.33)
FINE = (0.87, 1.0, 1.15)
"""Scales that are tried, each with each in width and height: first these of the box, then these of the best."""
AT_ONCE = 0.72
"""Correlation at which the coarse scales are not tried: a tracked box fits as it is."""


def template(view: Image) -> Floats:
    """The part of a square crop that shows its box, as lightness: float32 (SIDE, SIDE)."""
    side = view.shape[0]
    margin = round(side * CROP_MARGIN / CROP_SCALE)
    grey = cv2.cvtColor(view[margin : side - margin, margin : side - margin], cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32)


def align(picture: Picture, box: Floats, templates: Sequence[Floats]) -> tuple[Floats, float, int]:
    """Return where the best of the templates lies near a box (4,), its correlation, -1 to 1, and which it is."""
    reach = np.array([1, 1, REACH / CROP_SCALE, REACH / CROP_SCALE], np.float32)
    area = on_pixels(crop_areas(box[None]) * reach)[0]
    seen = crop(picture, area, round(SIDE * REACH * max(COARSE)))
    place = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY).astype(np.float32)
    found = [(*_fit(place, wanted, 1.0, 1.0), k, 1.0, 1.0) for k, wanted in enumerate(templates)]
    if max(found)[0] < AT_ONCE:
        found += [(*_fit(place, w, *at), k, *at) for k, w in enumerate(templates) for at in product(COARSE, COARSE)]
    k, cx, cy = max(found)[3:]
    found += [(*_fit(place, templates[k], cx * sx, cy * sy), k, cx * sx, cy * sy) for sx, sy in product(FINE, FINE)]
    fit, x, y, k, sx, sy = max(found)
    half = (box[2:] - box[:2]) * np.array([sx, sy]) / 2
    centre = area[:2] + (np.array([x, y]) - 0.5) * area[2:]
    return np.concatenate([centre - half, centre + half]).astype(np.float32), fit, k


def _fit(place: Floats, wanted: Floats, sx: float, sy: float) -> tuple[float, float, float]:
    """The best correlation where the template is (sx, sy) of the box, and its centre as shares of the place."""
    size_wh = max(SIDE, round(SIDE * REACH / sx)), max(SIDE, round(SIDE * REACH / sy))
    how = cv2.INTER_AREA if size_wh[0] < place.shape[1] else cv2.INTER_LINEAR
    fits = cv2.matchTemplate(cv2.resize(place, size_wh, interpolation=how), wanted, cv2.TM_CCOEFF_NORMED)
    _, most, _, (x, y) = cv2.minMaxLoc(fits)
    return float(most), (x + SIDE / 2) / size_wh[0], (y + SIDE / 2) / size_wh[1]
