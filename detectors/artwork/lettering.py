"""The letters and digits of the signs, drawn as strokes after DIN 1451 (a public standard), not taken from a font.

A glyph lies in a cell 70 high whose foot is the baseline; it is given by the middle lines of its strokes, so that the
narrow face (Engschrift) is the same glyph pushed together with strokes of unchanged width. Only the characters that
some sign needs are here.
"""

from __future__ import annotations

from dataclasses import dataclass

from detectors.artwork.canvas import Canvas, Color, circle, place

CELL = 70.0
"""The height of digits and capitals."""

_STROKE = 10.0


@dataclass(frozen=True, slots=True)
class _Glyph:
    width: float  # with its strokes, without the space beside it
    strokes: str


_GLYPHS = {
    "0": _Glyph(41, "M5 20.5 A15.5 15.5 0 0 1 36 20.5 V49.5 A15.5 15.5 0 0 1 5 49.5 Z"),
    "1": _Glyph(25, "M20 0 V70 M1.5 22.5 L18 7"),
    "2": _Glyph(40, "M5 22 V20 A14.8 14.8 0 0 1 34.6 20 C34.6 28 30 32.5 26 37.5 L8 62 M2 65 H39"),
    "3": _Glyph(40, "M5.5 20 V19 A14 14 0 0 1 33.5 19 A13.5 13.5 0 0 1 20 32.7 H14 M20 32.7 A15 15 0 0 1 35 48 V49.5 "
                    "A15 15.5 0 0 1 5 49.5 V48"),
    "4": _Glyph(42, "M23.5 -4 L6.5 53 H42 M30 32 V70"),
    "5": _Glyph(40, "M36 5 H9.5 V37 M9.5 36 C12 31.5 16 29.3 20.5 29.3 A14.8 15 0 0 1 35 44.5 V50 "
                    "A15 15 0 0 1 5 50 V48"),
    "6": _Glyph(41, "M26 -4 L8.6 38 M5 49.5 V48 A15.5 16 0 0 1 36 48 V49.5 A15.5 15.5 0 0 1 5 49.5 "
                    "C5 44 7 41.5 8.6 38"),
    "7": _Glyph(38, "M1 5 H34 C34 16 27 26 22.5 38 C19.5 46 17.5 58 17 72"),
    "8": _Glyph(41, circle(20.5, 18.7, 13.3, 13.7) + circle(20.5, 48.8, 15.5, 16.2)),
    "9": _Glyph(41, "M15 74 L32.4 32 M36 20.5 V22 A15.5 16 0 0 1 5 22 V20.5 A15.5 15.5 0 0 1 36 "
                    "20.5 C36 26 34 28.5 32.4 32"),
    "?": _Glyph(36, "M5 22 V19 A13.3 14 0 0 1 31.5 19 C31.5 32 18 32 18 46 V50 M18 58 V70"),
    "%": _Glyph(62, circle(15, 18, 10, 13) + circle(47, 52, 10, 13) + "M47 -3 L15 73"),
    "S": _Glyph(40, "M34.5 19 A14.5 14 0 0 0 5.5 19 C5.5 37 35 30.5 35 50 A15 15 0 0 1 5 50"),
    "T": _Glyph(38, "M0 5 H38 M19 5 V70"),
    "O": _Glyph(42, "M5 20.5 A16 15.5 0 0 1 37 20.5 V49.5 A16 15.5 0 0 1 5 49.5 Z"),
    "P": _Glyph(39, "M5 70 V5 H19 A15 16 0 0 1 19 37 H5"),
    "H": _Glyph(43, "M5 0 V70 M38 0 V70 M5 34 H38"),
    "Z": _Glyph(38, "M2 5 H33 L6 65 H37"),
    "N": _Glyph(44, "M5 70 V5 H8 L36 65 H39 V0"),
    "E": _Glyph(35, "M35 5 H5 V65 H35 M5 34 H31"),
    "W": _Glyph(62, "M1 -4 L16 66 L31 6 L46 66 L61 -4"),
    "a": _Glyph(36, "M6 33 C9 27 13 25 18 25 A12.5 12 0 0 1 31 37 V70 M31 43 H17 A11 11 0 0 0 17 65 "
                    "C23 65 28 62 31 58"),
    "b": _Glyph(37, "M5 0 V70 M5 38 A13.5 14 0 0 1 32 39 V51 A13.5 14 0 0 1 5 52"),
    "d": _Glyph(37, "M32 0 V70 M32 38 A13.5 14 0 0 0 5 39 V51 A13.5 14 0 0 0 32 52"),
    "e": _Glyph(37, "M5 46 H32 V39 A13.5 14 0 0 0 5 39 V51 A13.5 14 0 0 0 30.5 57"),
    "h": _Glyph(36, "M5 0 V70 M5 38 A13 13 0 0 1 31 38 V70"),
    "i": _Glyph(10, "M5 20 V70 M5 2 V12"),
    "m": _Glyph(60, "M5 20 V70 M5 37 A12.5 12 0 0 1 30 37 V70 M30 37 A12.5 12 0 0 1 55 37 V70"),
    "n": _Glyph(36, "M5 20 V70 M5 38 A13 13 0 0 1 31 38 V70"),
    "p": _Glyph(37, "M5 20 V88 M5 38 A13.5 14 0 0 1 32 39 V51 A13.5 14 0 0 1 5 52"),
    "r": _Glyph(25, "M5 20 V70 M5 38 A14 13 0 0 1 24 26"),
    "s": _Glyph(33, "M28 33 A11.5 9.5 0 0 0 5.5 34.5 C5.5 47 28 42 28 55 A12 11 0 0 1 4.5 57"),
    "t": _Glyph(24, "M9 4 V56 A9 9 0 0 0 18 65 H24 M0 25 H22"),
    "y": _Glyph(38, "M2 16 L20 67 M37 16 L17 78 C15.5 82 13 83.5 7 83.5"),
    "ß": _Glyph(39, "M5 70 V19 A13 14 0 0 1 31 19 C31 29 23 28 23 34 C23 41 34 42 34 53 A12 12 0 0 1 20 65 H16"),
    " ": _Glyph(12, ""),
}  # fmt: skip


def write(
    canvas: Canvas,
    text: str,
    color: Color,
    *,
    x: float,
    y: float,
    height: float,
    narrow: float = 1.0,
    weight: float = 1.0,
    gap: float = 8.0,
) -> None:
    """Write a line centred on (x, y), board units; `height` is that of digits and capitals.

    narrow: letters get narrower below 1, their strokes stay
    weight: strokes get bolder above 1
    gap: space between letters in units of a 70 high cell
    """
    scale = height / CELL
    widths = [_GLYPHS[c].width * narrow for c in text]
    left = -(sum(widths) + gap * (len(text) - 1)) / 2
    foot, x_height_top = y + height / 2, y - height / 2 + 20 * scale
    for character, width in zip(text, widths, strict=True):
        at = place(x + left * scale, y - height / 2, scale, stretch=narrow)
        top = x_height_top if character == "y" else y - height / 2
        bottom = foot + CELL * scale if character in "py" else foot
        canvas.stroke(_GLYPHS[character].strokes, _STROKE * weight * scale, color, at, above=bottom, below=top)
        left += width + gap
