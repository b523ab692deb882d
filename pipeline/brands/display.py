"""What the overlay shows of a broadcast: brands boxed and named, and each brand's seconds so far in a band below.

It chooses words and colours; `pipeline.overlay` draws the boxes.
"""

from __future__ import annotations

import colorsys
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.lettering import Colour, block, line
from pipeline.overlay import Box, Words, draw_overlay
from pipeline.plate import Plate, as_image, rounded
from pipeline.tracker import Track

_DARK: Colour = (17, 20, 26)
_TEXT: Colour = (250, 250, 250)
_NOTE: Colour = (190, 197, 207)
_FAINT: Colour = (128, 136, 148)
_BAND, _COLUMN = 38, 158  # height of the band, least width of a brand's place in it, for a shorter side of 720 pixels


def colour_of(brand: int) -> Colour:
    """A colour for a brand by its number: hues a golden section apart, so that neighbours differ."""
    red, green, blue = colorsys.hls_to_rgb((0.58 + brand * 0.618034) % 1.0, 0.64, 0.85)
    return round(red * 255), round(green * 255), round(blue * 255)


def size_with_band(picture_wh: tuple[int, int]) -> tuple[int, int]:
    """The size of what is drawn of a picture: it has a band below, so that the tally hides nothing of it."""
    width, height = picture_wh
    band = max(18, round(_BAND * min(picture_wh) / 720))
    return width, height + band + (height + band) % 2  # even, as H.264 wants it


def draw_brands(
    rgb: NDArray[np.uint8], tracks: Iterable[Track], brands: Sequence[str], seconds: Mapping[int, float]
) -> NDArray[np.uint8]:
    """Return a copy of the frame, RGB uint8 (H, W, 3), with everything drawn on it, and the tally in a band below it.

    tracks: that live at this frame; seconds: on screen so far, by the brand's number
    """
    tracks = list(tracks)
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
    height, width = rgb.shape[:2]
    drawn = np.empty((size_with_band((width, height))[1], width, 3), np.uint8)
    drawn[:height] = draw_overlay(rgb, boxes)
    drawn[height:] = _DARK
    now = {track.class_id for track in tracks if track.state == "confirmed"}
    _draw_tally(drawn[height:], brands, seconds, now, min(height, width) / 720)
    return drawn


def _draw_tally(
    band: NDArray[np.uint8], brands: Sequence[str], seconds: Mapping[int, float], now: Container[int], unit: float
) -> None:
    """Draw into the band those brands with the most seconds, and how many more there are.

    now: those on screen, which stand out; unit: pixels of the picture a pixel of one with 720
    """
    size, margin = max(10, round(16 * unit)), round(20 * unit)
    most = sorted(seconds.items(), key=lambda item: (-item[1], item[0]))
    columns = max(1, int((band.shape[1] - 2 * margin) / (_COLUMN * unit)))
    kept = columns if len(most) <= columns else columns - 1  # the last place is for the rest
    place = (band.shape[1] - 2 * margin) // columns
    plates = [
        _brand(brands[brand], f"{spent:.1f} s", colour_of(brand), brand in now, size, place)
        for brand, spent in most[:kept]
    ]
    if len(most) > kept:
        plates.append(Plate.of(as_image(line(f"+ {len(most) - kept}", lang="en", size=size, colour=_NOTE))))
    for column, plate in enumerate(plates):
        plate.blend_into(band, margin + column * place, (band.shape[0] - plate.size_wh[1]) // 2)


@lru_cache(maxsize=256)
def _brand(name: str, spent: str, colour: Colour, is_now: bool, size: int, width: int) -> Plate:
    """Put a brand's place in the band together: its colour, its name, its seconds; the name is cut where it is long."""
    dot, gap = round(size * 0.6), round(size * 0.45)
    time = line(spent, lang="en", size=size, colour=_NOTE if is_now else _FAINT)
    room = max(size, width - dot - 4 * gap - time.shape[1])
    words = block(name, lang="en", size=size, max_width=room, max_lines=1, colour=_TEXT if is_now else _NOTE)
    image = Image.new("RGBA", (width, max(words.shape[0], time.shape[0])), (0, 0, 0, 0))
    image.alpha_composite(rounded(dot, dot, dot // 2, colour, 1.0 if is_now else 0.45, None), (0, _middle(image, dot)))
    image.alpha_composite(as_image(words), (dot + gap, _middle(image, words.shape[0])))
    image.alpha_composite(as_image(time), (dot + 2 * gap + words.shape[1], _middle(image, time.shape[0])))
    return Plate.of(image)


def _middle(image: Image.Image, height: int) -> int:
    return (image.height - height) // 2
