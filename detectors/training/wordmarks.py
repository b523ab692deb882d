"""Draws word marks: invented names in the fonts that are installed, as RGBA artwork cut to its ink.

Fonts come from the wheels of the extra `train` (entry points `fonts_ttf`), Noto Sans and, where they are there, DejaVu.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from detectors.errors import DataError

Artwork = NDArray[np.uint8]
"""RGBA uint8 (h, w, 4), cut to its ink."""

LETTER_PX = 72
ONSETS = " b br c ch d dr f fl g gr h k l m n p pr qu r s sh st t tr v w x y z".split(" ")  # noqa: SIM905
VOWELS = ("a", "e", "i", "o", "u", "ai", "ea", "io", "oo", "ou", "y")
CODAS = ("", "", "", "l", "n", "r", "s", "t", "x", "ck", "ng", "nd", "rd", "ll", "rt", "st")
WIDE = "多芬士护理银行航空汽车电子科技中国上海首华新万达日本東京トヨタソニー한국삼성현대"
"""Characters of Chinese, Japanese and Korean boards."""


@cache
def faces() -> tuple[Path, ...]:
    """Return the Latin fonts found, in the order of their names. DataError where there are none."""
    found: set[Path] = set()
    for package in {point.module for point in entry_points(group="fonts_ttf")}:
        found.update(files_of(package, "files/*.ttf"))
    found.update(files_of("manimgx_fonts", "NotoSans[[]*.ttf"))
    found.update(Path("/usr/share/fonts/truetype/dejavu").glob("DejaVuS*.ttf"))
    if not found:
        raise DataError("no fonts to draw word marks with: pip install 'wayside[train]'")
    return tuple(sorted(found, key=lambda path: path.name))


@cache
def wide_faces() -> tuple[Path, ...]:
    """Return the fonts with Chinese, Japanese and Korean characters; may be none."""
    return tuple(sorted(files_of("manimgx_fonts_cjk", "*.[ot]t[cf]")))


def files_of(package: str, pattern: str) -> list[Path]:
    """Files in the folder of an installed package; none where it is not installed."""
    spec = find_spec(package)
    return [] if spec is None or spec.origin is None else list(Path(spec.origin).parent.glob(pattern))


def invented_name(rng: np.random.Generator) -> str:
    """Return an invented name of one to three words as boards show it: "Fly Brona", "STELLING", "q8"."""
    words = []
    for _ in range(int(rng.choice([1, 1, 1, 1, 2, 2, 3]))):
        syllables = int(rng.choice([1, 1, 2, 2, 3]))
        words.append("".join(str(rng.choice(part)) for _ in range(syllables) for part in (ONSETS, VOWELS, CODAS)))
    text = " ".join(words)
    if rng.random() < 0.08:
        text = text[:2] + str(rng.integers(1, 400))
    how = rng.random()
    return text.upper() if how < 0.5 else text.title() if how < 0.88 else text


def word_mark(rng: np.random.Generator) -> Artwork:
    """Draw one invented word mark in one or two colours, of one line or two."""
    wide = wide_faces()
    if wide and rng.random() < 0.06:
        text = "".join(str(c) for c in rng.choice(list(WIDE), int(rng.integers(2, 7))))
        path = wide[int(rng.integers(len(wide)))]
    else:
        text, stock = invented_name(rng), faces()
        path = stock[int(rng.integers(len(stock)))]
    lines = text.split(" ") if " " in text and rng.random() < 0.35 else [text]
    font = ImageFont.truetype(str(path), LETTER_PX)
    if "[wght]" in path.name:
        font.set_variation_by_axes([int(rng.integers(300, 900))])
    spacing = int(LETTER_PX * max(0.0, rng.normal(0.0, 0.08)))
    pieces = [written(line, font, spacing) for line in lines if line]
    mask = stacked(pieces, gap=int(LETTER_PX * rng.uniform(0.1, 0.3)))
    if rng.random() < 0.3:  # heavier strokes
        mask = np.asarray(cv2.dilate(mask, np.ones((int(rng.integers(2, 6)),) * 2, np.uint8)), np.uint8)
    if rng.random() < 0.25:  # slanted, and at times condensed or extended
        mask = slanted(mask, rng.uniform(-0.1, 0.35))
    height, width = mask.shape
    width = max(8, round(width * float(2.0 ** rng.normal(0, 0.2))))
    mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    rgba = np.zeros((*mask.shape, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = rng.integers(0, 256, 3), mask
    if rng.random() < 0.15:
        rgba[:, int(width * rng.uniform(0.2, 0.8)) :, :3] = rng.integers(0, 256, 3)
    return to_ink(rgba)


def written(text: str, font: ImageFont.FreeTypeFont, spacing: int) -> NDArray[np.uint8]:
    """A line of text as a mask. spacing: pixels between letters; 0 keeps the font's own kerning."""
    pieces = [text] if spacing == 0 else list(text)
    masks = []
    for piece in pieces:
        width = max(1, int(font.getlength(piece)) + LETTER_PX // 2)
        image = PillowImage.new("L", (width, 2 * LETTER_PX), 0)
        ImageDraw.Draw(image).text((LETTER_PX // 4, LETTER_PX // 4), piece, font=font, fill=255)
        mask = np.asarray(image, np.uint8)
        columns = np.flatnonzero(mask.any(axis=0))
        if spacing and len(columns):
            mask = np.pad(mask[:, columns[0] : columns[-1] + 1], ((0, 0), (0, spacing + 3)))
        masks.append(mask)
    return np.concatenate(masks, axis=1)


def stacked(masks: Sequence[NDArray[np.uint8]], *, gap: int) -> NDArray[np.uint8]:
    """Masks one below the other, centred, each cut to its ink."""
    inked = [m[spans(m > 0)] for m in masks if m.any()]
    if not inked:
        return np.full((LETTER_PX // 2, LETTER_PX // 2), 255, np.uint8)  # a font without these letters
    width = max(m.shape[1] for m in inked)
    rows = []
    for m in inked:
        left = (width - m.shape[1]) // 2
        rows += [np.pad(m, ((0, gap), (left, width - m.shape[1] - left)))]
    return np.concatenate(rows)[:-gap] if gap else np.concatenate(rows)


def slanted(mask: NDArray[np.uint8], slope: float) -> NDArray[np.uint8]:
    """The mask sheared to the right by `slope` of its height."""
    height, width = mask.shape
    more = int(abs(slope) * height) + 1
    matrix = np.array([[1, -slope, slope * height if slope > 0 else 0], [0, 1, 0]], np.float32)
    return np.asarray(cv2.warpAffine(mask, matrix, (width + more, height)), np.uint8)


def to_ink(rgba: Artwork) -> Artwork:
    """The artwork cut to where it is seen; as it is where nothing is."""
    seen = rgba[..., 3] > 24
    if not seen.any():
        return rgba
    return np.ascontiguousarray(rgba[spans(seen)])


def spans(seen: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The rows and columns (of a mask that is not empty) between the first and the last that is seen."""
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
