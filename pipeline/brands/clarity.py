"""How clear a crop is, as two bounded integers: what the profile `legible` reads. It knows nothing of brands or text.

**contrast**, 0 to 1000: thousandths of the range from black to white between the dark and the light parts of the crop
(the 5th and the 95th percentile of its luma).

**sharpness**, 0 to 480: tenths of lines that are told apart over the crop's height. An edge from dark to light that
takes w pixels lets height / w lines be told apart. So a large blurred logo counts like a small sharp one that can be
read as well, and neither the size of the stream nor the light changes the number, as long as detail is not lost. An
upright letter needs about seven lines to be read, so a word that fills the crop's height about 70.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.picture import Image

_NOISE = 3
"""Times the median step between neighbours that is taken for the part of noise in the steepest one. Goes up: noise
sharpens less, and fine texture counts for blur."""
MOST_LINES = 48
"""Lines told apart at the most; higher crops are sampled down to about as many rows."""
_FLAT = 4
"""Grey levels between dark and light below which there is nothing to be read, only noise."""
_TYPICAL = 0.75
"""Of the steepest step of every row and column, the share that is less steep than the one that counts: not every row
has an edge, and one speck is none."""


def clarity(crop: Image | NDArray[np.uint8]) -> tuple[int, int]:
    """Return sharpness and contrast of a crop, RGB (H, W, 3) or luma (H, W), uint8; of an empty one 0, 0."""
    height, width = crop.shape[:2]
    if min(height, width) < 2:
        return 0, 0
    stride = max(1, round(height / MOST_LINES))
    sampled = np.ascontiguousarray(crop[::stride, ::stride])
    luma = np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGB2GRAY) if sampled.ndim == 3 else sampled, np.uint8)
    if min(luma.shape) < 2:
        return 0, 0
    dark, light = _percentiles(luma, 0.05, 0.95)
    contrast = light - dark
    if contrast < _FLAT:
        return 0, round(contrast * 1000 / 255)
    across = np.asarray(cv2.absdiff(luma[:, 1:], luma[:, :-1]), np.uint8)
    down = np.asarray(cv2.absdiff(luma[1:], luma[:-1]), np.uint8)
    step = (_typical(across.max(axis=1)) + _typical(down.max(axis=0))) / 2 - _NOISE * _percentiles(across, 0.5)[0]
    step = max(step, 0.0)
    lines = min(len(luma) * min(step / contrast, 1.0), MOST_LINES)
    return int(10 * lines), round(contrast * 1000 / 255)


def _percentiles(values: NDArray[np.uint8], *shares: float) -> list[int]:
    below = np.cumsum(cv2.calcHist([values], [0], None, [256], [0, 256]))
    return [int(place) for place in np.searchsorted(below, [share * values.size for share in shares])]


def _typical(steps: NDArray[np.uint8]) -> int:
    place = int(_TYPICAL * (len(steps) - 1))
    return int(np.partition(steps, place)[place])
