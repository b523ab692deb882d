"""Traffic signs drawn by the project: the 43 classes of GTSRB as they look in Germany, and some others.

Every drawing is the project's own and needs no file and no font. Used by the generated drive, the training scenes and
the overlay. It knows shapes and colours alone; what a sign means is in `pipeline.road`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from detectors.artwork import signs
from detectors.artwork.canvas import Canvas

Artwork = NDArray[np.uint8]
"""RGBA, uint8 (size, size, 4), read-only, transparent around the sign."""

CLASSES = len(signs.SIGNS)


@lru_cache(maxsize=1024)
def draw_sign(class_id: int, size: int) -> Artwork:
    """Draw a sign by its GTSRB class number, 0 to 42. A triangle is as wide as the square and not as high."""
    if not 0 <= class_id < CLASSES:
        raise ValueError(f"class_id must be 0 to {CLASSES - 1}, got {class_id}")
    return _drawn(signs.SIGNS[class_id], size)


@lru_cache(maxsize=256)
def draw_limit(value: int, unit: str, size: int, ended: bool = False) -> Artwork:
    """Draw a speed limit of any value, or its end. Where the unit is not km/h it is written beneath the number."""
    if not 1 <= value <= 199:
        raise ValueError(f"a limit must be 1 to 199, got {value}")
    return _drawn(signs.limit(value, "" if unit == "km/h" else unit, is_ended=ended), size)


@lru_cache(maxsize=16)
def draw_unknown_limit(size: int) -> Artwork:
    """Draw the panel's sign for a limit that is not known: a grey ring with a question mark."""
    return _drawn(signs.unknown_limit, size)


@lru_cache(maxsize=256)
def draw_other(name: str, size: int) -> Artwork:
    """Draw a sign that is none of the 43; `other_names` has the names."""
    if name not in signs.OTHERS:
        raise ValueError(f"no such sign: {name!r}; there are {', '.join(signs.OTHERS)}")
    return _drawn(signs.OTHERS[name], size)


def other_names() -> tuple[str, ...]:
    """Return the names of the signs that are none of the 43."""
    return tuple(signs.OTHERS)


def _drawn(drawing: signs.Drawing, size: int) -> Artwork:
    if size < 1:
        raise ValueError(f"size must be positive, got {size}")
    canvas = Canvas(size)
    drawing(canvas)
    image = canvas.image()
    image.flags.writeable = False
    return image
