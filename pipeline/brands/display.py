"""What the overlay shows of a broadcast: brands boxed and named, and each brand's seconds on screen so far.

It chooses words and colours; `pipeline.overlay` draws the boxes.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipeline.lettering import Colour, line
from pipeline.overlay import Box, Words, draw_overlay
from pipeline.plate import Plate, as_image, rounded
from pipeline.tracker import Track

_DARK: Colour = (17, 20, 26)
_TEXT: Colour = (250, 250, 250)
_NOTE: Colour = (190, 197, 207)
_ROWS = 8  # brands in the tally at the most, those with the most seconds


def colour_of(brand: int) -> Colour:
    """A colour for a brand by its number: hues a golden section apart, so that neighbours differ."""
    red, green, blue = colorsys.hls_to_rgb((0.58 + brand * 0.618034) % 1.0, 0.64, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def draw_brands(
    rgb: NDArray[np.uint8], tracks: Iterable[Track], brands: Sequence[str], seconds: Mapping[int, float]
) -> NDArray[np.uint8]:
    """Return a copy of the frame, RGB uint8 (H, W, 3), with everything drawn on it.

    tracks: that live at this frame; seconds: on screen so far, by the brand's number
    """
    boxes = [
        Box(
            track.xyxy,
            colour_of(track.class_id),
            Words(brands[track.class_id], "en"),
            is_tentative=track.state == "tentative",
            is_bridged=track.is_bridged,
        )
        for track in tracks
    ]
    frame = draw_overlay(rgb, boxes)
    most = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))[:_ROWS]
    if most:
        unit = min(frame.shape[:2]) / 720
        rows = tuple((brands[brand], f"{spent:.1f} s", colour_of(brand)) for brand, spent in most)
        _tally(rows, max(11, round(17 * unit))).blend_into(frame, round(20 * unit), round(20 * unit))
    return frame


@lru_cache(maxsize=16)
def _tally(rows: tuple[tuple[str, str, Colour], ...], size: int) -> Plate:
    """Put the list together: a brand's colour, its name, its seconds at the right."""
    names = [line(name, lang="en", size=size, colour=_TEXT) for name, _, _ in rows]
    times = [line(spent, lang="en", size=size, colour=_NOTE) for _, spent, _ in rows]
    pad, dot, step = round(size * 0.6), round(size * 0.55), round(size * 1.4)
    wide = max(bitmap.shape[1] for bitmap in times)
    width = 3 * pad + dot + max(bitmap.shape[1] for bitmap in names) + pad + wide
    image = rounded(width, step * len(rows) + pad, round(size * 0.5), _DARK, 0.84, None).copy()
    for number, (name, spent, (_, _, colour)) in enumerate(zip(names, times, rows, strict=True)):
        top = pad // 2 + number * step
        image.alpha_composite(rounded(dot, dot, dot // 2, colour, 1.0, None), (pad, top + (step - dot) // 2))
        image.alpha_composite(as_image(name), (2 * pad + dot, top + (step - name.shape[0]) // 2))
        image.alpha_composite(as_image(spent), (width - pad - spent.shape[1], top + (step - spent.shape[0]) // 2))
    return Plate.of(image)
