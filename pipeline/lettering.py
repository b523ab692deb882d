"""Text -> bitmap, in any script the overlay speaks: `line("Geschwindigkeit", lang="de", size=24)`.

A line is ordered (bidi), cut into runs by the font that has its characters, and each run is shaped by raqm. Knows
nothing of pictures, boxes or signs. Bitmaps are kept by their text, size and colour: the same words come in frame after
frame.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from itertools import groupby
from pathlib import Path
from typing import Literal

import numpy as np
from babel import Locale
from fontTools.ttLib import TTFont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, features

from pipeline import bidi
from pipeline.errors import ConfigError

log = logging.getLogger(__name__)

Bitmap = NDArray[np.uint8]
"""RGBA, straight alpha, uint8 (H, W, 4), read-only."""

Colour = tuple[int, int, int]
"""RGB, 0 to 255."""

WHITE: Colour = (255, 255, 255)

_FONT_PACKAGES = ("manimgx_fonts", "manimgx_fonts_cjk")
"""Noto Sans and Noto Sans CJK as wheels (SIL OFL 1.1): 23 MB, no root needed. Debian's two packages are 69 MB."""

_FONT_FOLDERS = (
    Path("/usr/share/fonts"),
    Path("/usr/local/share/fonts"),
    Path.home() / ".local/share/fonts",
    Path.home() / ".fonts",
    Path("/Library/Fonts"),
    Path("/System/Library/Fonts"),
    Path("C:/Windows/Fonts"),
)

_INSTALL = "pip install manimgx-fonts manimgx-fonts-cjk (or apt install fonts-noto-core fonts-noto-cjk)"

_FAMILIES = ("NotoSans", "NotoSansArabic", "NotoSansHebrew", "NotoSansDevanagari", "NotoSansThai")
_CJK_INDEX = {"ja": 0, "ko": 1, "zh": 2, "zh-Hant": 3}
"""Fonts of the Noto Sans CJK collection: one character has one code and four national shapes."""

_LAST_RESORT = "DejaVuSans"

_AT_SPACES = re.compile(r"[^ ]+ *")
_AT_CHARACTERS = re.compile(r"(?:[!-~\xa0\u202f]+|[（「『]*.)[、。，．：）」』ー…]* *")
_BREAKS = {"ja": _AT_CHARACTERS, "zh": _AT_CHARACTERS}
"""Where a line may break. Thai has no spaces between words either, but breaks between words alone: it shrinks."""

_OVERSAMPLED = (
    4  # drawn larger and averaged: at the size itself hinting rounds each advance, and small words fall apart
)
_ASCENT, _DESCENT = 0.97, 0.25  # of the size: É and g fit, and capitals stand in the middle. Stacked marks take more.
_SMALLEST = 0.72  # a block may shrink to this part of the size asked for, before it is cut


@dataclass(frozen=True, slots=True)
class Face:
    """One font of a file. A variable one is set at any weight, of static ones Regular or Bold is taken."""

    path: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class Run:
    """A stretch of one line that one font sets in one direction."""

    text: str
    face: Face
    is_rtl: bool

    @property
    def direction(self) -> str:
        return "rtl" if self.is_rtl else "ltr"


@lru_cache(maxsize=128)
def line(text: str, *, lang: str, size: int, colour: Colour = WHITE, weight: int = 600) -> Bitmap:
    """Draw one line. The bitmap is as wide as the text and at least as high as a Latin line.

    size: pixels of the em square; capitals are 0.71 of it
    weight: 400 regular to 700 bold; higher is heavier
    """
    scale = _OVERSAMPLED
    set_runs = [(run, _font(run.face, size * scale, weight)) for run in runs(text, lang=lang, weight=weight)]
    above, below = _ASCENT * size * scale, _DESCENT * size * scale
    x = left = right = 0.0
    for run, font in set_runs:
        box = font.getbbox(run.text, anchor="ls", direction=run.direction, language=lang)
        left, right = min(left, x + box[0]), max(right, x + box[2])
        above, below = max(above, -box[1]), max(below, box[3])
        x += font.getlength(run.text, direction=run.direction, language=lang)
    origin, baseline = _whole(-left), _whole(above)
    mask = Image.new("L", (max(scale, origin + _whole(max(right, x))), baseline + _whole(below)))
    draw, x = ImageDraw.Draw(mask), float(origin)
    for run, font in set_runs:
        draw.text((x, baseline), run.text, 255, font, anchor="ls", direction=run.direction, language=lang)
        x += font.getlength(run.text, direction=run.direction, language=lang)
    return _coloured(np.asarray(mask.reduce(scale)), colour)


@lru_cache(maxsize=128)
def block(
    text: str,
    *,
    lang: str,
    size: int,
    max_width: int,
    colour: Colour = WHITE,
    weight: int = 600,
    max_lines: int = 2,
    align: Literal["start", "centre"] = "start",
) -> Bitmap:
    """Draw a text that must not be wider than that: on one line if it fits, else on several, else smaller.

    What is too long even then ends in an ellipsis.

    align: lines stand at the side where the language starts, or in the middle of the longest
    """
    smallest = max(1, int(size * _SMALLEST))
    for shrunk in range(size, smallest - 1, -1):
        rows = _wrapped(text, lang, shrunk, weight, max_width)
        if len(rows) <= max_lines and all(
            width_of(row, lang=lang, size=shrunk, weight=weight) <= max_width for row in rows
        ):
            break
    else:
        rows = [*rows[: max_lines - 1], " ".join(rows[max_lines - 1 :])]
        rows = [_shortened(row, lang, smallest, weight, max_width) for row in rows]
    bitmaps = [line(row, lang=lang, size=shrunk, colour=colour, weight=weight) for row in rows]
    indent = 0.5 if align == "centre" else float(is_rtl(lang))
    return _stacked(bitmaps, indent=indent, gap=round(0.12 * shrunk))


def width_of(text: str, *, lang: str, size: int, weight: int = 600) -> float:
    """Return the advance of a line in pixels."""
    advances = (
        _font(run.face, size * _OVERSAMPLED, weight).getlength(run.text, direction=run.direction, language=lang)
        for run in runs(text, lang=lang, weight=weight)
    )
    return sum(advances) / _OVERSAMPLED


@lru_cache(maxsize=64)
def is_rtl(lang: str) -> bool:
    """Say whether that language is written from right to left."""
    return bool(Locale.parse(lang, sep="-").character_order == "right-to-left")


def runs(text: str, *, lang: str, weight: int = 600) -> list[Run]:
    """Cut a line into runs, in the order in which they stand from left to right."""
    text = unicodedata.normalize("NFC", text)
    found = [
        (Run("".join(c for c, _, _ in group), face, bool(level % 2)), level)
        for (face, level), group in groupby(
            (
                (character, face, level)
                for character, face, level in zip(
                    text, _faces_of(text, lang, weight), bidi.levels(text, is_rtl=is_rtl(lang)), strict=True
                )
                if not _is_control(character)
            ),
            key=lambda item: item[1:],
        )
    ]
    return [found[i][0] for i in bidi.visual_order([level for _, level in found])]


@lru_cache(maxsize=64)
def faces(lang: str, weight: int = 600) -> tuple[Face, ...]:
    """Return the fonts to look for a character in, first come first: Chinese, Japanese and Korean with their own."""
    primary = lang.split("-")[0]
    index = _CJK_INDEX.get("zh-Hant" if lang.startswith(("zh-Hant", "zh-TW", "zh-HK")) else primary, 0)
    latin_first = [Face(path) for family in _FAMILIES if (path := _font_file(family, weight))]
    cjk = [Face(path, index) for path in [_font_file("NotoSansCJK", weight)] if path]
    last = [Face(path) for path in [_font_file(_LAST_RESORT, weight)] if path]
    chosen = [*cjk, *latin_first, *last] if primary in _CJK_INDEX else [*latin_first, *cjk, *last]
    if not chosen:
        raise ConfigError(f"there is no font to write with; {_INSTALL}")
    return tuple(chosen)


def has_glyph(face: Face, character: str) -> bool:
    """Say whether a font can draw that character."""
    return ord(character) in _characters(face)


def _faces_of(text: str, lang: str, weight: int) -> Iterator[Face]:
    """Choose a font for each character. Spaces, marks and joiners stay with what stands before them."""
    candidates = faces(lang, weight)
    face = candidates[0]
    for character in text:
        stays = unicodedata.category(character) in {"Zs", "Mn", "Mc", "Me", "Cf"}
        if not (stays and (has_glyph(face, character) or unicodedata.category(character) == "Cf")):
            having = next((f for f in candidates if has_glyph(f, character)), None)
            if having is None:
                _warn_of_missing(unicodedata.name(character, f"U+{ord(character):04X}").split()[0].title(), lang)
            face = having or face
        yield face


@lru_cache(maxsize=64)
def _warn_of_missing(script: str, lang: str) -> None:
    """Say it once for each script, and draw the font's empty box."""
    log.warning("no font here has the characters of %s (%s): they are drawn as boxes; %s", script, lang, _INSTALL)


def _is_control(character: str) -> bool:
    """What steers the order and is not drawn itself. Joiners shape their neighbours, so they stay."""
    return unicodedata.category(character) == "Cf" and character not in "\u200c\u200d"


@lru_cache(maxsize=64)
def _font_file(family: str, weight: int) -> str | None:
    """Find a family's file: variable before static, wheels before system folders."""
    static = ("Bold", "SemiBold", "Regular") if weight >= 550 else ("Regular", "Medium")
    names = [
        f"{family}[wght].ttf",
        f"{family}-VF.otf.ttc",
        *(f"{family}-{s}{e}" for s in static for e in (".ttf", ".ttc")),
    ]
    files = _installed_fonts()
    return next((files[name] for name in [*names, f"{family}.ttf"] if name in files), None)


@lru_cache(maxsize=1)
def _installed_fonts() -> dict[str, str]:
    """List the font files of this machine: file name -> path, wheels before system folders."""
    specs = [find_spec(package) for package in _FONT_PACKAGES]
    folders = [Path(s.origin).parent for s in specs if s and s.origin] + [f for f in _FONT_FOLDERS if f.is_dir()]
    files: dict[str, str] = {}
    for folder in folders:
        for path in sorted(p for pattern in ("*.ttf", "*.ttc") for p in folder.rglob(pattern)):
            files.setdefault(path.name, str(path))
    return files


@lru_cache(maxsize=32)
def _characters(face: Face) -> frozenset[int]:
    with TTFont(face.path, fontNumber=face.index, lazy=True) as font:
        return frozenset(font.getBestCmap())


@lru_cache(maxsize=128)
def _font(face: Face, size: int, weight: int) -> ImageFont.FreeTypeFont:
    if not features.check("raqm"):  # it is in Pillow, but loads FriBiDi from the system
        raise ConfigError("letters cannot be shaped without the library FriBiDi; apt-get install libfribidi0")
    font = ImageFont.truetype(face.path, size, index=face.index, layout_engine=ImageFont.Layout.RAQM)
    if "[wght]" in face.path or "-VF" in face.path:
        font.set_variation_by_axes([weight])
    return font


def _wrapped(text: str, lang: str, size: int, weight: int, max_width: int) -> list[str]:
    """Break a text into as few lines as fit that width, and those about equally long."""
    rows = _broken(text, lang, size, weight, max_width)
    narrower = max_width
    while len(rows) > 1 and narrower > size:
        narrower -= size
        tried = _broken(text, lang, size, weight, narrower)
        if len(tried) > len(rows) or any(
            width_of(row, lang=lang, size=size, weight=weight) > narrower for row in tried
        ):
            break
        rows = tried
    return rows


def _broken(text: str, lang: str, size: int, weight: int, max_width: int) -> list[str]:
    """Fill line after line up to that width. A piece that is wider has a line of its own."""
    rows: list[str] = []
    for piece in _BREAKS.get(lang.split("-")[0], _AT_SPACES).findall(text):
        if rows and width_of((rows[-1] + piece).strip(" "), lang=lang, size=size, weight=weight) <= max_width:
            rows[-1] += piece
        else:
            rows.append(piece)
    return [row.strip(" ") for row in rows]


def _shortened(text: str, lang: str, size: int, weight: int, max_width: int) -> str:
    """Cut a line so that it fits with an ellipsis."""
    if width_of(text, lang=lang, size=size, weight=weight) <= max_width:
        return text
    kept = next(
        (
            n
            for n in range(len(text), 0, -1)
            if width_of(text[:n].rstrip() + "…", lang=lang, size=size, weight=weight) <= max_width
        ),
        0,
    )
    return text[:kept].rstrip() + "…"


def _whole(pixels: float) -> int:
    """Round up to whole pixels of the bitmap, given in those that it is drawn in."""
    return int(np.ceil(pixels / _OVERSAMPLED)) * _OVERSAMPLED


def _coloured(mask: NDArray[np.uint8], colour: Colour) -> Bitmap:
    bitmap = np.empty((*mask.shape, 4), np.uint8)
    bitmap[..., :3] = colour
    bitmap[..., 3] = mask
    bitmap.flags.writeable = False
    return bitmap


def _stacked(bitmaps: Sequence[Bitmap], *, indent: float, gap: int) -> Bitmap:
    """Put lines below each other, each with that share of its free room to its left."""
    if len(bitmaps) == 1:
        return bitmaps[0]
    width = max(b.shape[1] for b in bitmaps)
    stack = np.zeros((sum(b.shape[0] for b in bitmaps) + gap * (len(bitmaps) - 1), width, 4), np.uint8)
    y = 0
    for bitmap in bitmaps:
        height, wide = bitmap.shape[:2]
        x = round((width - wide) * indent)
        stack[y : y + height, x : x + wide] = bitmap
        y += height + gap
    stack.flags.writeable = False
    return stack
