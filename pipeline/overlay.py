"""What the driver sees on the frame: signs boxed and named, the limit in force, what was announced.

Passive: it is told what to draw and keeps nothing of earlier frames. It knows nothing of tracks, detectors or files.
Everything scales with the picture and is mirrored where the language is written from right to left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from detectors.artwork import draw_limit, draw_sign, draw_unknown_limit
from pipeline.lettering import Colour, block, is_rtl, line
from pipeline.plate import Plate, as_image, rounded

_DARK: Colour = (17, 20, 26)
_TEXT: Colour = (250, 250, 250)
_NOTE: Colour = (190, 197, 207)
_AMBER: Colour = (255, 193, 64)
_PALE: Colour = (222, 226, 232)
_END_OF_ALL = 32  # the sign that ends all restrictions
_OPACITY = 0.84  # of the plates: the darkest at which the road behind still shows


@dataclass(frozen=True, slots=True)
class Words:
    """A text in the driver's language and, where that is not proofread, an English line below it."""

    text: str
    lang: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """One sign on the frame.

    xyxy: pixels; colour: of its outline and its label's edge, RGB
    words: None leaves the label away
    pictogram: the class_id (0 to 42) of the drawing shown in the label, or None
    is_tentative: seen too briefly to be believed: corners alone
    is_bridged: not seen in this frame, the place is foretold: corners in its colour
    """

    xyxy: tuple[float, float, float, float]
    colour: Colour
    words: Words | None = None
    pictogram: int | None = None
    is_tentative: bool = False
    is_bridged: bool = False


@dataclass(frozen=True, slots=True)
class Caption:
    """What is being announced."""

    words: Words
    pictogram: int | None = None


@dataclass(frozen=True, slots=True)
class Panel:
    """The limit in force, shown in the upper corner as a sign.

    value, unit: None where no limit is known
    words: a line below the sign
    is_sure: False puts a question mark on a value that may not hold any more
    is_ended: no sign limits the speed; value and unit are None
    """

    value: int | None = None
    unit: str | None = None
    words: Words | None = None
    is_sure: bool = True
    is_ended: bool = False


Area = tuple[int, int, int, int]
"""x1, y1, x2, y2 of a rectangle that is taken, in whole pixels."""


def draw_overlay(
    rgb: NDArray[np.uint8],
    boxes: Sequence[Box],
    panel: Panel | None = None,
    captions: Sequence[Caption] = (),
    *,
    mirrored: bool = False,
) -> NDArray[np.uint8]:
    """Return a copy of the frame, RGB uint8 (H, W, 3), with everything drawn on it.

    mirrored: as it is laid out for a language that is written from right to left
    """
    frame = rgb.copy()
    look = Look(frame.shape[1], frame.shape[0], mirrored)
    nearest_last = sorted(boxes, key=lambda box: box.xyxy[3] - box.xyxy[1])
    for box in nearest_last:
        _outline(frame, look, box)
    taken = [look.framed(box) for box in boxes]
    if panel is not None:
        taken.append(_draw_panel(frame, look, panel))
    taken.extend(_draw_captions(frame, look, captions))
    labels = []
    for box in reversed(nearest_last):  # the nearest chooses its label's place first
        if box.words is not None and not box.is_tentative:
            plate = _label_plate(look, box, box.words)
            area = place(plate.size_wh, look.framed(box), taken, look)
            taken.append(area)
            labels.append((box, plate, area))
    for box, _, area in labels:
        _lead(frame, look, box, area)
    for _, plate, (x, y, _, _) in labels:
        plate.blend_into(frame, x, y)
    return frame


@dataclass(frozen=True, slots=True)
class Look:
    """The measures of a picture. Sizes are given for a shorter side of 720 pixels and scaled from there."""

    width: int
    height: int
    is_mirrored: bool

    def scaled(self, pixels: float, *, least: int = 1) -> int:
        return max(least, round(pixels * min(self.width, self.height) / 720))

    @property
    def gap(self) -> int:
        """Return the distance of a label from its box."""
        return self.scaled(5, least=2)

    def framed(self, box: Box) -> Area:
        """Return the rectangle that the outline of a box takes: it stands a little off, so as not to cover the sign."""
        off = self.scaled(4, least=2)
        x1, y1, x2, y2 = box.xyxy
        return round(x1) - off, round(y1) - off, round(x2) + off, round(y2) + off


def _draw_panel(frame: NDArray[np.uint8], look: Look, panel: Panel) -> Area:
    plate = _panel_plate(look.scaled(92), panel, look.is_mirrored)
    width, height = plate.size_wh
    margin = look.scaled(20)
    x = look.width - margin - width if look.is_mirrored else margin
    plate.blend_into(frame, x, margin)
    return x, margin, x + width, margin + height


def _draw_captions(frame: NDArray[np.uint8], look: Look, captions: Sequence[Caption]) -> Iterator[Area]:
    """Stack the captions at the foot of the picture, the first one on top."""
    bottom = look.height - look.scaled(26)
    for caption in reversed(captions):
        plate = _words_plate(
            caption.words,
            caption.pictogram,
            look.scaled(27, least=13),
            look.scaled(17, least=10),
            int(look.width * 0.86),
        )
        width, height = plate.size_wh
        x, y = (look.width - width) // 2, bottom - height
        plate.blend_into(frame, x, y)
        yield x, y, x + width, y + height
        bottom = y - look.scaled(8)


def _label_plate(look: Look, box: Box, words: Words) -> Plate:
    size, note = look.scaled(19, least=12), look.scaled(13, least=10)
    return _words_plate(words, box.pictogram, size, note, int(look.width * 0.42), box.colour)


def place(size_wh: tuple[int, int], framed: Area, taken: Sequence[Area], look: Look) -> Area:
    """Choose where a label stands: near its box, inside the picture, over nothing else if that can be had."""
    width, height = size_wh
    gap, margin = look.gap, look.scaled(6, least=2)
    right, bottom = max(margin, look.width - margin - width), max(margin, look.height - margin - height)
    best, least = (0, 0, 0, 0), None
    for x, y in _places(width, height, framed, gap, look.is_mirrored):
        x, y = min(max(x, margin), right), min(max(y, margin), bottom)
        area = (x, y, x + width, y + height)
        leader = _leader(framed, area, gap)
        hidden = sum(_shared(area, other) for other in taken)
        if leader is not None:
            hidden += _CROSSED * sum(_shared(leader, other) for other in taken if other != framed)
        if least is None or hidden < least:
            least, best = hidden, area
        if hidden == 0:
            break
    return best


def _places(width: int, height: int, framed: Area, gap: int, is_mirrored: bool) -> Iterator[tuple[int, int]]:
    """Yield the upper left corners to try for a label, the best first: above, below, beside, then further off."""
    x1, y1, x2, y2 = framed
    starts = (x2 - width, x1) if is_mirrored else (x1, x2 - width)
    above, below, middle = y1 - gap - height, y2 + gap, (y1 + y2 - height) // 2
    yield from ((x, y) for x in starts for y in (above, below))
    beside = (x2 + gap, x1 - gap - width)
    yield from ((x, middle) for x in (reversed(beside) if is_mirrored else beside))
    step = height + gap
    yield from ((x, y) for n in (1, 2, 3) for x in starts for y in (above - n * step, below + n * step))


_CROSSED = 20  # how many hidden pixels a pixel of a line across a sign or a label is as bad as


def _leader(framed: Area, area: Area, gap: int) -> Area | None:
    """Return the upright line from a box to a label that stands away from it, as a thin rectangle."""
    x = min(max((area[0] + area[2]) // 2, framed[0] + gap), framed[2] - gap)
    if framed[1] - area[3] > 2 * gap:
        return x, area[3], x + 1, framed[1]
    if area[1] - framed[3] > 2 * gap:
        return x, framed[3], x + 1, area[1]
    return None


def _shared(a: Area, b: Area) -> int:
    """Return how many pixels two rectangles share."""
    return max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))


@lru_cache(maxsize=128)
def _words_plate(
    words: Words, pictogram: int | None, size: int, note_size: int, max_width: int, edge: Colour | None = None
) -> Plate:
    """Put a label together: pictogram, words, English line; the pictogram at the side where the language starts.

    size, note_size: of the letters, in pixels
    edge: its colour; None for a plain one
    """
    mirrored = is_rtl(words.lang)
    pad = round(size * 0.55)
    icon = round(size * (1.9 if words.note is None else 2.4)) if pictogram is not None else 0
    inset = pad + icon + (round(size * 0.5) if icon else 0)  # of the text, from the side where the language starts
    room = max(size * 3, max_width - inset - pad)
    lines = [block(words.text, lang=words.lang, size=size, max_width=room, colour=_TEXT)]
    if words.note is not None:
        note = block(words.note, lang="en", size=note_size, max_width=room, colour=_NOTE, weight=500, max_lines=1)
        lines.append(note)
    leading = round(size * 0.06)
    text_height = sum(bitmap.shape[0] for bitmap in lines) + leading * (len(lines) - 1)
    width = inset + max(bitmap.shape[1] for bitmap in lines) + pad
    height = max(text_height + round(size * 0.36), icon + round(size * 0.5))
    image = rounded(width, height, round(size * 0.5), _DARK, _OPACITY, edge).copy()
    if pictogram is not None:
        drawing = as_image(draw_sign(pictogram, icon))
        image.alpha_composite(drawing, (width - pad - icon if mirrored else pad, (height - icon) // 2))
    y = (height - text_height) // 2
    for bitmap in lines:
        image.alpha_composite(as_image(bitmap), (width - inset - bitmap.shape[1] if mirrored else inset, y))
        y += bitmap.shape[0] + leading
    return Plate.of(image)


@lru_cache(maxsize=32)
def _panel_plate(size: int, panel: Panel, mirrored: bool) -> Plate:
    """Put the panel together. size: of the sign, in pixels."""
    pad = round(size * 0.13)
    words = None
    if panel.words is not None:
        letters, room = max(10, round(size * 0.17)), round(size * 2.1)
        words = block(
            panel.words.text, lang=panel.words.lang, size=letters, max_width=room, colour=_NOTE, align="centre"
        )
    width = max(size, words.shape[1] if words is not None else 0) + 2 * pad
    height = size + 2 * pad + (words.shape[0] if words is not None else 0)
    image = rounded(width, height, round(size * 0.2), _DARK, _OPACITY, None).copy()
    left = (width - size) // 2
    if panel.is_ended:
        image.alpha_composite(as_image(draw_sign(_END_OF_ALL, size)), (left, pad))
    elif panel.value is None or panel.unit is None:
        image.alpha_composite(as_image(draw_unknown_limit(size)), (left, pad))
    else:
        sign = as_image(draw_limit(panel.value, panel.unit, size))
        if not panel.is_sure:
            sign.putalpha(sign.getchannel("A").point(lambda alpha: alpha * 0.55))
        image.alpha_composite(sign, (left, pad))
        if not panel.is_sure:
            mark = _question_mark(round(size * 0.42))
            image.alpha_composite(mark, (left if mirrored else left + size - mark.width, pad + size - mark.height))
    if words is not None:
        image.alpha_composite(as_image(words), ((width - words.shape[1]) // 2, height - words.shape[0] - pad // 2))
    return Plate.of(image)


def _question_mark(size: int) -> Image.Image:
    """Draw what marks a limit that is not sure: a question mark in an amber disc."""
    disc = rounded(size, size, size // 2, _AMBER, 1.0, _DARK).copy()
    glyph = as_image(line("?", lang="en", size=round(size * 0.8), colour=_DARK, weight=700))
    disc.alpha_composite(glyph, ((size - glyph.width) // 2, (size - glyph.height) // 2))
    return disc


def _outline(frame: NDArray[np.uint8], look: Look, box: Box) -> None:
    """Draw a rounded frame around a sign, or its corners alone where the sign is not sure or not seen."""
    x1, y1, x2, y2 = box.xyxy
    off = look.scaled(4, least=2)
    x1, y1, x2, y2 = x1 - off, y1 - off, x2 + off, y2 + off
    radius = min(look.scaled(9, least=3), (x2 - x1) / 4, (y2 - y1) / 4)
    if box.is_tentative:
        _stroke(frame, _corners(x1, y1, x2, y2, radius), _PALE, look.scaled(1.4), closed=False)
        return
    is_whole = not box.is_bridged
    strokes = [np.concatenate(_arcs(x1, y1, x2, y2, radius))] if is_whole else _corners(x1, y1, x2, y2, radius)
    thickness = look.scaled(2.4, least=2)
    _stroke(frame, strokes, _DARK, thickness + look.scaled(2), closed=is_whole)
    _stroke(frame, strokes, box.colour, thickness, closed=is_whole)


def _lead(frame: NDArray[np.uint8], look: Look, box: Box, area: Area) -> None:
    """Draw the line from a box to its label, where that stands away from it."""
    leader = _leader(look.framed(box), area, look.gap)
    if leader is not None:
        x, top, _, foot = leader
        stroke = np.array([(x, top), (x, foot)], np.float64)
        _stroke(frame, [stroke], _DARK, look.scaled(4, least=2), closed=False)
        _stroke(frame, [stroke], box.colour, look.scaled(2), closed=False)


def _arcs(x1: float, y1: float, x2: float, y2: float, radius: float) -> list[NDArray[np.float64]]:
    """Return the four quarter circles of a rounded rectangle, clockwise from the upper left, float64 (6, 2) each."""
    turns = np.linspace(0, np.pi / 2, 6)
    centres = [
        (x1 + radius, y1 + radius),
        (x2 - radius, y1 + radius),
        (x2 - radius, y2 - radius),
        (x1 + radius, y2 - radius),
    ]
    return [
        np.stack([cx - radius * np.cos(turns + n * np.pi / 2), cy - radius * np.sin(turns + n * np.pi / 2)], 1)
        for n, (cx, cy) in enumerate(centres)
    ]


def _corners(x1: float, y1: float, x2: float, y2: float, radius: float) -> list[NDArray[np.float64]]:
    """Return the four corners of a rounded rectangle with short arms."""
    arm = 0.18 * min(x2 - x1, y2 - y1)
    towards = np.array([[(0, arm), (arm, 0)], [(-arm, 0), (0, arm)], [(0, -arm), (-arm, 0)], [(arm, 0), (0, -arm)]])
    return [
        np.concatenate([arc[:1] + before, arc, arc[-1:] + after])
        for arc, (before, after) in zip(_arcs(x1, y1, x2, y2, radius), towards, strict=True)
    ]


def _stroke(
    frame: NDArray[np.uint8], strokes: Sequence[NDArray[np.float64]], colour: Colour, thickness: int, *, closed: bool
) -> None:
    points = [np.round(stroke * 8).astype(np.int32) for stroke in strokes]
    cv2.polylines(frame, points, closed, colour, thickness, cv2.LINE_AA, shift=3)
