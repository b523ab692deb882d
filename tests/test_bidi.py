"""The order of characters, against raqm's own where one font sets the whole line."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from pipeline import bidi, lettering

LINES = [
    ("abc 12", False, "000000", "Latin alone stays"),
    ("אבג", False, "111", "Hebrew inside English"),
    ("אב 50 km/h ג", True, "111221222211", "number and unit stand left to right in a Hebrew line, each by itself"),
    ("א 12.5 ב", True, "11222211", "a decimal point between digits belongs to the number"),
    ("ع 12,5", True, "112222", "after an Arabic letter too"),
    ("a -5", False, "0000", "a sign before a number in a Latin line"),
    ("א 5%", True, "1122", "a terminator goes with its number"),
    ("א \u206850 km\u2069 ב", True, "11122222111", "an isolate is one neutral to what stands around it"),
    ("a \u2067אב 1\u2069 b", False, "0001112000", "an isolate of the other direction"),
    ("א\u2068ב\u2069", True, "1131", "right to left inside an isolate inside right to left"),
    ("\u0645\u06cc\u200c\u0634", True, "1111", "a joiner takes the level of the letter before it"),
]


@pytest.mark.parametrize(("text", "is_rtl", "expected", "remark"), LINES)
def test_levels(text: str, is_rtl: bool, expected: str, remark: str) -> None:
    assert "".join(map(str, bidi.levels(text, is_rtl=is_rtl))) == expected, remark


@pytest.mark.parametrize(
    ("levels", "expected"),
    [([], []), ([0, 1, 0], [0, 1, 2]), ([1, 2, 1], [2, 1, 0]), ([0, 1, 2, 1], [0, 3, 2, 1]), ([2, 2, 1], [2, 0, 1])],
)
def test_visual_order(levels: list[int], expected: list[int]) -> None:
    assert bidi.visual_order(levels) == expected


PIECES = ["ا", "ب", "م", "۵", "۰", "0", "1", "9", " ", ".", ":", "-", " \u200e ", " \u200f "]  # all in one font


@given(
    text=st.lists(st.sampled_from(PIECES), min_size=1, max_size=14).map("".join).map(str.strip), is_rtl=st.booleans()
)
@settings(max_examples=200, deadline=None)
def test_a_line_cut_into_runs_looks_as_raqm_orders_it(text: str, is_rtl: bool) -> None:
    face = next(f for f in lettering.faces("ar") if lettering.has_glyph(f, "ب"))
    font = ImageFont.truetype(face.path, 20, layout_engine=ImageFont.Layout.RAQM)
    whole = _drawn([(text, "rtl" if is_rtl else "ltr")], font)
    levels = bidi.levels(text, is_rtl=is_rtl)
    cuts = [0, *(i for i in range(1, len(text)) if levels[i] != levels[i - 1]), len(text)]
    runs = [(text[a:b], levels[a]) for a, b in pairwise(cuts) if b > a]
    order = bidi.visual_order([level for _, level in runs])
    cut = _drawn([(runs[i][0], "rtl" if runs[i][1] % 2 else "ltr") for i in order], font)
    assert np.abs(whole.astype(int) - cut).mean() < 0.5, f"{text!r} {levels}"


def _drawn(runs: list[tuple[str, str]], font: ImageFont.FreeTypeFont) -> np.ndarray:
    image = Image.new("L", (400, 48))
    x = 10.0
    for text, direction in runs:
        ImageDraw.Draw(image).text((x, 30), text, 255, font, anchor="ls", direction=direction)
        x += font.getlength(text, direction=direction)
    return np.asarray(image)
