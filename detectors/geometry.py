"""The one crop geometry that training, scanning and verifying share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

CROP_MARGIN = 0.125
"""A crop shows the box and this share of its width and height more on each side."""

CROP_SCALE = 1 + 2 * CROP_MARGIN
NARROWEST = 0.4
"""A crop's shorter side over its longer, at the least: a sign seen from the side is stretched to a square, no more."""


def crop_areas(xyxy: Floats) -> Floats:
    """Boxes (N, 4) in pixels -> centre x, centre y, width and height (N, 4) of the areas that crops show.

    A crop is its area stretched to a square, so that a sign seen from the side fills it like one seen from the front.
    """
    sides = xyxy[:, 2:] - xyxy[:, :2]
    sides = np.maximum(sides, NARROWEST * sides.max(axis=1, keepdims=True)) * CROP_SCALE
    return np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, sides], axis=1).astype(np.float32)


def on_pixels(areas: Floats) -> Floats:
    """The nearest areas (N, 4) that begin and end on whole pixels, so that a box is decoded from what was cut."""
    sides = np.maximum(np.round(areas[:, 2:]), 2)
    return np.concatenate([np.round(areas[:, :2] - sides / 2) + sides / 2, sides], axis=1).astype(np.float32)


def encode_boxes(xyxy: Floats, areas: Floats) -> Floats:
    """Boxes as a network tells them: offsets of the centre and logarithms of the sides, in the area's nominal box."""
    nominal = areas[:, 2:] / CROP_SCALE
    offset = ((xyxy[:, :2] + xyxy[:, 2:]) / 2 - areas[:, :2]) / nominal
    return np.concatenate([offset, np.log((xyxy[:, 2:] - xyxy[:, :2]) / nominal)], axis=1).astype(np.float32)


def decode_boxes(codes: Floats, areas: Floats) -> Floats:
    """The inverse of `encode_boxes`: (N, 4) codes and areas -> (N, 4) boxes in pixels."""
    nominal = areas[:, 2:] / CROP_SCALE
    centre = areas[:, :2] + codes[:, :2] * nominal
    half = np.exp(np.clip(codes[:, 2:], -2.0, 2.0)) * nominal / 2
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
