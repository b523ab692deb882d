"""Brands that nobody owns, drawn by the project: emblems of shapes, word marks in its fonts, and both together.

A brand is painted in three colours, so it can be had as it is filmed: in its own colours, inverted, in one colour. The
look-alikes resemble a brand in form or colour and are none: they stand on boards and are never enrolled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Canvas, Color, Place, box, circle, join, place, polygon
from pipeline import lettering

Artwork = NDArray[np.uint8]
"""RGBA, straight alpha, uint8 (H, W, 4), cut close."""

WHITE: Color = (250, 250, 248)
BLACK: Color = (22, 22, 24)

_EMBLEM_SIZE = 256


@dataclass(frozen=True, slots=True)
class Ink:
    """The colours a brand is painted in. In one colour `accent` is `main`, or what lies below where it lies on that."""

    main: Color
    accent: Color


Emblem = Callable[[Canvas, Ink], None]


@dataclass(frozen=True, slots=True)
class Brand:
    """One brand.

    name: as it is enrolled
    main, accent: its own colours
    word: None for an emblem alone
    accent_is_above: the accent is painted on the main colour, so in one colour it is left open
    weight, slant, stretch, lang: of the word's letters; `slant` is the lean to the right a unit of height
    """

    name: str
    main: Color
    accent: Color
    emblem: Emblem | None = None
    word: str | None = None
    layout: Literal["row", "stack"] = "row"
    accent_is_above: bool = False
    weight: int = 700
    slant: float = 0.0
    stretch: float = 1.0
    lang: str = "en"
    word_in_accent: bool = False
    in_box: bool = False

    def own(self) -> Ink:
        return Ink(self.main, self.accent)

    def plain(self, color: Color, ground: Color) -> Ink:
        """Return what is used for the brand in one colour."""
        return Ink(color, ground if self.accent_is_above or self.in_box else color)


@lru_cache(maxsize=512)
def draw(brand: Brand, ink: Ink) -> Artwork:
    """Draw a brand; its emblem, or its word where it has none, is about 200 pixels high."""
    emblem = _emblem(brand, ink) if brand.emblem else None
    word = _word(brand, ink) if brand.word else None
    if emblem is not None and word is not None:
        image = _beside(emblem, word) if brand.layout == "row" else _above(emblem, word)
    elif emblem is not None:
        image = emblem
    elif word is not None:
        image = word
    else:
        raise ValueError(f"{brand.name} has neither emblem nor word")
    image.flags.writeable = False
    return image


def _emblem(brand: Brand, ink: Ink) -> Artwork:
    assert brand.emblem is not None
    canvas = Canvas(_EMBLEM_SIZE)
    brand.emblem(canvas, ink)
    return _tight(canvas.image())


def _word(brand: Brand, ink: Ink) -> Artwork:
    color = ink.accent if brand.word_in_accent or brand.in_box else ink.main
    line = lettering.line(brand.word or "", lang=brand.lang, size=220, colour=color, weight=brand.weight)
    mask = _tight(line)[..., 3]
    height, width = mask.shape
    reach = brand.slant * height
    shear = np.array([[brand.stretch, -brand.slant, reach], [0, 1, 0]])
    mask = np.asarray(cv2.warpAffine(mask, shear, (math.ceil(width * brand.stretch + reach), height)), np.uint8)
    image = np.dstack([np.full((*mask.shape, 3), color, np.uint8), mask])
    return _boxed(_tight(image), ink) if brand.in_box else _tight(image)


def _boxed(word: Artwork, ink: Ink) -> Artwork:
    """Put a word on a field of the main colour."""
    margin = round(0.32 * word.shape[0])
    alpha = cv2.copyMakeBorder(word[..., 3], *(margin,) * 4, cv2.BORDER_CONSTANT, value=0)[..., None] / 255
    field = np.array(ink.main) * (1 - alpha) + np.array(ink.accent) * alpha
    return np.dstack([np.rint(field).astype(np.uint8), np.full(alpha.shape[:2], 255, np.uint8)])


def _tight(image: Artwork) -> Artwork:
    rows, columns = (np.flatnonzero(image[..., 3].max(axis=axis) > 8) for axis in (1, 0))
    return np.array(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])


def _resized(image: Artwork, height: float) -> Artwork:
    scale = height / image.shape[0]
    size = max(1, round(image.shape[1] * scale)), max(1, round(height))
    color = image.astype(np.float32)
    color[..., :3] *= color[..., 3:] / 255
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = np.asarray(cv2.resize(color, size, interpolation=method), np.float32)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1e-3)
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def _beside(emblem: Artwork, word: Artwork) -> Artwork:
    emblem, word = _resized(emblem, 200), _resized(word, 118)
    gap = 44
    image = np.zeros((200, emblem.shape[1] + gap + word.shape[1], 4), np.uint8)
    image[:, : emblem.shape[1]] = emblem
    image[41:159, emblem.shape[1] + gap :] = word
    return image


def _above(emblem: Artwork, word: Artwork) -> Artwork:
    emblem, word = _resized(emblem, 150), _resized(word, 62)
    width = max(emblem.shape[1], word.shape[1])
    image = np.zeros((236, width, 4), np.uint8)
    for part, top in ((emblem, 0), (word, 174)):
        left = (width - part.shape[1]) // 2
        image[top : top + part.shape[0], left : left + part.shape[1]] = part
    return image


# --- emblems, on a board of 100 by 100 --------------------------------------------------------------------------------


def _turned(degrees: float) -> Place:
    return join(place(50, 50, degrees=degrees), place(-50, -50))


def _ngon(count: int, radius: float, *, start: float = -90.0) -> str:
    angles = [math.radians(start + 360 * k / count) for k in range(count)]
    return polygon([(50 + radius * math.cos(a), 50 + radius * math.sin(a)) for a in angles])


def _rising_bars(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 47) + circle(50, 50, 38), ink.main)
    for x, top in ((27, 56), (44, 42), (61, 27)):
        canvas.fill(box(x, top, 12, 76 - top), ink.accent)


def _chevrons(canvas: Canvas, ink: Ink) -> None:
    canvas.fill("M50 2 L92 15 V52 C92 76 72 90 50 98 C28 90 8 76 8 52 V15 Z", ink.main)
    for y in (34, 55):
        canvas.stroke(f"M24 {y + 18} L50 {y} L76 {y + 18}", 11, ink.accent)


def _petals(canvas: Canvas, ink: Ink) -> None:
    for k in range(4):
        petal = "M50 47 C28 34 28 14 50 1 C72 14 72 34 50 47 Z"
        canvas.fill(petal, ink.main if k % 2 else ink.accent, _turned(90 * k + 45))


def _mountain(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 48), ink.main)
    canvas.fill("M10 72 L38 30 L53 54 L64 40 L90 72 Z", ink.accent)


def _nut(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(_ngon(6, 49) + _ngon(6, 31), ink.main)
    canvas.fill(box(50, 43, 36, 14), ink.accent)


def _strata(canvas: Canvas, ink: Ink) -> None:
    for k, color in enumerate((ink.main, ink.accent, ink.main)):
        y = 8 + 31 * k
        canvas.fill(polygon([(26, y), (96, y), (76, y + 23), (6, y + 23)]), color)


def _leaf(canvas: Canvas, ink: Ink) -> None:
    canvas.fill("M8 92 C2 42 38 8 92 8 C98 58 62 96 8 92 Z", ink.main)
    canvas.stroke("M2 98 L70 30 M34 66 V40 M34 66 H60", 6, ink.accent)


def _waves(canvas: Canvas, ink: Ink) -> None:
    for radius in (34, 56, 78):
        canvas.stroke(f"M{10 + radius} 90 A{radius} {radius} 0 0 0 10 {90 - radius}", 12, ink.main)
    canvas.fill(circle(16, 84, 11), ink.accent)


def _sun(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 21), ink.accent)
    for k in range(12):
        canvas.fill(polygon([(44, 22), (50, 1), (56, 22)]), ink.main, _turned(30 * k))


def _links(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(33, 50, 32) + circle(33, 50, 20), ink.main)
    canvas.fill(circle(67, 50, 32) + circle(67, 50, 20), ink.accent)
    canvas.stroke("M50 23 A32 32 0 0 1 64.9 53", 12, ink.main)


def _needle(canvas: Canvas, ink: Ink) -> None:
    canvas.fill("M50 2 L86 96 L50 74 Z", ink.accent)
    canvas.fill("M46 10 L14 96 L46 76 Z", ink.main)


def _bolt(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 48), ink.main)
    canvas.fill("M60 9 L22 56 H46 L38 92 L78 42 H53 Z", ink.accent)


def _swell(canvas: Canvas, ink: Ink) -> None:
    for k, color in enumerate((ink.main, ink.accent, ink.main)):
        y = 26 + 24 * k
        canvas.stroke(f"M2 {y} C20 {y - 22} 32 {y - 22} 50 {y} C68 {y + 22} 80 {y + 22} 98 {y}", 12, color)


def _falling_bars(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 47) + circle(50, 50, 38), ink.main)
    for x, top in ((24, 28), (44, 41), (64, 54)):
        canvas.fill(polygon([(x, top), (x + 14, top - 6), (x + 14, 74), (x, 74)]), ink.accent)


def _peak(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(box(3, 3, 94, 94, 16), ink.main)
    canvas.fill("M12 78 L50 22 L88 78 Z", ink.accent)


def _cog(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(_ngon(8, 49, start=22.5) + _ngon(8, 29, start=22.5), ink.main)
    canvas.fill(box(43, 50, 14, 36), ink.accent)


def _half_sun(canvas: Canvas, ink: Ink) -> None:
    canvas.fill("M22 70 A28 28 0 0 1 78 70 Z", ink.accent)
    for k in range(5):
        canvas.fill(box(46, 6, 8, 22), ink.main, join(place(50, 70, degrees=-72 + 36 * k), place(-50, -70)))
    canvas.fill(box(6, 76, 88, 9), ink.main)


def _crest(canvas: Canvas, ink: Ink) -> None:
    canvas.fill("M10 4 H90 V60 L50 98 L10 60 Z", ink.main)
    canvas.stroke("M26 28 H74 M26 48 H74", 9, ink.accent)


def _slash(canvas: Canvas, ink: Ink) -> None:
    canvas.fill(circle(50, 50, 48), ink.main)
    canvas.fill(polygon([(58, 8), (76, 14), (42, 92), (24, 86)]), ink.accent)


_NAVY, _ORANGE, _RED, _GREEN, _PURPLE = (18, 44, 98), (242, 120, 24), (206, 22, 38), (14, 132, 78), (102, 44, 140)
_YELLOW, _SKY, _TEAL, _WINE, _PINK = (250, 204, 20), (16, 138, 206), (0, 128, 140), (124, 18, 54), (226, 48, 128)

BRANDS: tuple[Brand, ...] = (
    Brand("Aurelo", _NAVY, _ORANGE, _rising_bars, "aurelo"),
    Brand("Briva", _RED, _RED, word="BRIVA", weight=900, slant=0.24, stretch=1.12),
    Brand("Corvane", _WINE, _YELLOW, _chevrons, accent_is_above=True),
    Brand("Dynto", _TEAL, _TEAL, word="dynto", weight=800, stretch=1.06),
    Brand("Elvaro", _PURPLE, _PINK, _petals, "Elvaro", weight=500),
    Brand("Fjorda", _SKY, WHITE, _mountain, "FJORDA", accent_is_above=True),
    Brand("Gantry", BLACK, _YELLOW, _nut, "GANTRY", weight=900, stretch=0.86),
    Brand("Holvar", _GREEN, _ORANGE, _strata, "Holvar", weight=600, layout="stack"),
    Brand("Ibisco", (66, 140, 40), WHITE, _leaf, "ibisco", accent_is_above=True, weight=600),
    Brand("Julma", _RED, WHITE, word="JULMA", in_box=True, weight=800),
    Brand("Kvarn", _NAVY, _SKY, _waves, "kvarn", weight=700),
    Brand("Lumeno", _ORANGE, _YELLOW, _sun),
    Brand("Mirabo", _TEAL, _PINK, _links, "MIRABO", layout="stack", weight=700, stretch=1.1),
    Brand("Norvante", _RED, BLACK, _needle, "NORVANTE", weight=400, stretch=1.05),
    Brand("Sanga", (190, 20, 40), _NAVY, _swell, "山河 SANGA", lang="zh", weight=700),
    Brand("Zentro", _PURPLE, _YELLOW, _bolt, accent_is_above=True),
)

LOOKALIKES: tuple[Brand, ...] = (
    Brand("Aurita", _NAVY, _ORANGE, _falling_bars, "aurita"),
    Brand("Brunex", _RED, _RED, word="BRUNEX", weight=900, slant=0.24),
    Brand("Cresta", _WINE, _YELLOW, _crest, accent_is_above=True),
    Brand("Dorinto", _TEAL, _TEAL, word="dorinto", weight=800),
    Brand("Fjella", _SKY, WHITE, _peak, "FJELLA", accent_is_above=True),
    Brand("Gastro", BLACK, _YELLOW, _cog, "GASTRO", weight=900, stretch=0.86),
    Brand("Jolva", _RED, WHITE, word="JOLVA", in_box=True, weight=800, stretch=0.9),
    Brand("Limora", _ORANGE, _YELLOW, _half_sun),
    Brand("Soleno", _GREEN, _SKY, word="Soleno", weight=500, slant=0.2),
    Brand("Zephos", _PURPLE, _YELLOW, _slash, accent_is_above=True),
)


def artworks() -> Mapping[str, Artwork]:
    """Return the artwork of every brand to enrol, in its own colours."""
    return {brand.name: draw(brand, brand.own()) for brand in BRANDS}
