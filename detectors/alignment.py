"""Lays a likeness over a place in a picture: where it fits best, and how well.

Both are seen as crops are, stretched to squares, so that a likeness and a logo seen from aside differ by two scales and
two shifts. A few scales are tried everywhere, by normalised correlation of lightness. From the best of these on, what
is seen tells by least squares where it lies and how large it is. A crop of something wide is less wide than it
(`geometry.NARROWEST`), so a template tells which part of its crop the logo takes. Knows nothing of networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import CROP_MARGIN, CROP_SCALE, NARROWEST, crop_areas, on_pixels
from detectors.picture import Image, Picture
from detectors.rendering import Likeness
from detectors.verifier import cut

Floats = NDArray[np.float32]
Span = tuple[float, float, float, float]
"""x1, y1, x2, y2 of what a logo takes of its nominal box, a crop less its margin: shares, 0 to 1."""

WHOLE: Span = (0.0, 0.0, 1.0, 1.0)
SIDE = 24
"""Side of a template, in pixels: enough for a word's letters. One of something wide or high is twice as long and half
as broad."""
WIDE = 2 * SIDE, SIDE // 2
REACH = 1.6
"""The searched place, in sides of the box."""
COARSE = (0.75, 1.0, 1.33)
"""Scales of the box that are tried everywhere, each in width with each in height."""
ROUGHLY = 2 / 3
"""Of a template's sides, as large as it is then: half loses .014 of the correlation, all of it gains nothing."""
CANDIDATES = 3
"""The best of those scales and templates that are then fitted: six give .003 more correlation on a match."""
HOPELESS = 0.4
"""Correlation at the best of these below which nothing is fitted: of the places that in the end were told on three
tennis clips 2 % have less, of all others half (at all of a template's size)."""
MOST_ROUNDS = 4
NEARBY = 3
"""Pixels of the template to each side that a fit moves by in a round at the most."""
MOST_CHANGE = 0.1
"""Of its size."""
WELL = 0.8
"""Correlation below which it is fitted anew from a STEP wider, narrower, higher and lower."""
STEP = 1.15
STEP_ROUNDS = 2
STILL_THERE = 0.7
"""Correlation from which what is followed is looked for no further than where it should be."""
FLAT = 4e-4
"""Contrast over the mean of the squares up to which nothing is seen: a plain wall is uneven by a fiftieth."""
SAMPLED = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What is laid over a place.

    grey: lightness float32 (h, w) of the part of its nominal box that is `span`
    small: the same, ROUGHLY as large
    asks: float32 (7, h * w). Its product with what is seen tells the covariance with the template, its contrast being
        one, and the sum. And if that is taken for the template a little aside and of another size: the contrast, and
        that times the pixels that it lies to the right and further down and the shares by which it is wider and higher,
        all of these negative
    """

    grey: Floats
    small: Floats
    asks: Floats
    span: Span = WHOLE


def templates(likeness: Likeness, views: Sequence[Image]) -> list[Template]:
    """The templates of a likeness's views (see `rendering.views`)."""
    span = span_of(likeness)
    return [template(view, span) for view in views]


def template(view: Image, span: Span = WHOLE, size_wh: tuple[int, int] | None = None) -> Template:
    """The part of a square crop that shows the logo itself. size_wh: of the template; None: as suits the span."""
    side = view.shape[0]
    margin, nominal = side * CROP_MARGIN / CROP_SCALE, side / CROP_SCALE
    x1, y1, x2, y2 = (round(margin + share * nominal) for share in span)
    grey = cv2.cvtColor(view[y1 : max(y2, y1 + 2), x1 : max(x2, x1 + 2)], cv2.COLOR_RGB2GRAY)
    wide, high = span[2] - span[0], span[3] - span[1]
    if size_wh is None:
        size_wh = WIDE if high < 0.7 * wide else WIDE[::-1] if wide < 0.7 * high else (SIDE, SIDE)
    return template_of(np.asarray(cv2.resize(grey, size_wh, interpolation=cv2.INTER_AREA), np.float32), span)


def template_of(grey: Floats, span: Span = WHOLE) -> Template:
    """The template of such lightness (h, w) and such a part of its nominal box."""
    h, w = grey.shape
    small = cv2.resize(grey, (round(w * ROUGHLY), round(h * ROUGHLY)), interpolation=cv2.INTER_AREA)
    flat = (grey - grey.mean()).ravel()
    flat /= np.linalg.norm(flat) + 1e-9
    asks = np.concatenate([flat[None], np.ones((1, flat.size)), _changes(grey)])
    return Template(grey, np.asarray(small, np.float32), np.asarray(asks, np.float32), span)


def _changes(grey: Floats) -> Floats:
    """The rest of `Template.asks`: first order, by least squares of contrast, lightness, two shifts and two sizes."""
    h, w = grey.shape
    down, right = np.gradient(grey.astype(np.float64))
    x, y = np.arange(w) - (w - 1) / 2, (np.arange(h) - (h - 1) / 2)[:, None]
    parts = np.stack([grey, right, down, right * x, down * y, np.ones_like(grey)]).reshape(6, -1)
    length = np.linalg.norm(parts, axis=1, keepdims=True) + 1e-9
    parts /= length
    # A little is added to the diagonal: stripes do not tell of all of these.
    inverse = np.linalg.solve(parts @ parts.T + 1e-3 * np.eye(6), parts) / length
    return np.asarray(inverse[:5], np.float32)


def span_of(likeness: Likeness) -> Span:
    """What the logo takes of its nominal box: less than all of it where it is longer than a crop can show."""
    h, w = likeness.pixels.shape[:2]
    if likeness.kind == "artwork":
        return span_within(w, h)
    if max(w / h, h / w) * NARROWEST < 0.98:
        return WHOLE
    low, high = _inked(likeness.pixels if w > h else likeness.pixels.transpose(1, 0, 2))
    return (0.0, low, 1.0, high) if w > h else (low, 0.0, high, 1.0)


def span_within(wide: float, high: float) -> Span:
    """What something of these sides takes of its nominal box."""
    share = min(1.0, 1 / (max(wide / high, high / wide) * NARROWEST))
    low, upto = 0.5 - share / 2, 0.5 + share / 2
    return (0.0, low, 1.0, upto) if wide > high else (low, 0.0, upto, 1.0)


def _inked(pixels: Image) -> tuple[float, float]:
    """The first and last row, as shares of the nominal box, of what stands in the middle of a photograph's long crop.

    Rows of a word mark have many edges along them; what lies above and below a board mostly has few.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    rows = 40
    small = cv2.resize(grey, (100, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    edges = np.abs(np.diff(small[:, 10:90], axis=1)).mean(axis=1)
    busy = edges > 0.3 * np.percentile(edges, 92)
    first = last = rows // 2
    while first > 0 and busy[max(0, first - 2) : first].any():
        first -= 1
    while last < rows - 1 and busy[last + 1 : last + 3].any():
        last += 1
    low, high = ((edge / rows - 0.5) * CROP_SCALE + 0.5 for edge in (first, last + 1))
    return max(0.0, low), min(1.0, high)


def align(
    picture: Picture, box: Floats, tried: Sequence[Template], *, follow: bool = False
) -> tuple[Floats, float, int]:
    """Return where the best of the templates lies near a box (4,), its correlation, -1 to 1, and which it is.

    follow: the box is about right in size, as where it stood a frame ago: no other scales are tried but the one that
    what is seen there tells of
    """
    nominal = crop_areas(box[None])[0] / np.array([1, 1, CROP_SCALE, CROP_SCALE], np.float32)
    area = on_pixels((nominal * np.array([1, 1, REACH, REACH], np.float32))[None])[0]
    grey = np.asarray(cv2.cvtColor(cut(picture, area), cv2.COLOR_RGB2GRAY), np.uint8)
    place = _Place(grey, least=round(max(max(one.grey.shape) for one in tried) * REACH * max(COARSE)))
    best, k = _followed(place, tried) if follow else _found(place, tried)
    x1, y1, x2, y2 = tried[k].span
    half = nominal[2:] * np.array([x2 - x1, y2 - y1]) * np.array(best.scales) / 2
    centre = area[:2] + (np.array(best.centre) - 0.5) * area[2:]
    return np.concatenate([centre - half, centre + half]).astype(np.float32), best.correlation, k


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """How well a template fits somewhere.

    centre: x and y, in shares of the place; scales: of the box, in width and in height
    told: what `Template.asks` beside the covariance and the sum
    """

    correlation: float
    centre: tuple[float, float]
    scales: tuple[float, float]
    told: tuple[float, ...]


def _found(place: _Place, tried: Sequence[Template]) -> tuple[_Fit, int]:
    """The best of the templates wherever it fits best, at any size, and which it is."""
    rough = [(*start, k) for k, wanted in enumerate(tried) for start in _rough(place, wanted)]
    starts = sorted(rough, key=lambda start: start[0], reverse=True)[:CANDIDATES]
    fits = [(_fit(place, tried[k], centre, scales), k) for _, centre, scales, k in starts]
    if starts[0][0] < HOPELESS:
        return fits[0]
    best, k = max(((_settled(place, tried[k], fit), k) for fit, k in fits), key=lambda each: each[0].correlation)
    if best.correlation < WELL:
        (sx, sy), centre = best.scales, best.centre
        for scales in ((sx * STEP, sy), (sx / STEP, sy), (sx, sy * STEP), (sx, sy / STEP)):
            other = _settled(place, tried[k], _fit(place, tried[k], centre, scales), rounds=STEP_ROUNDS)
            best = max(best, other, key=lambda fit: fit.correlation)
    return best, k


def _followed(place: _Place, tried: Sequence[Template]) -> tuple[_Fit, int]:
    """The best of the templates where the box is, or, if none fits there, wherever it fits best at its size."""
    best, k = _best([_fit(place, wanted, (0.5, 0.5), (1.0, 1.0)) for wanted in tried])
    best = _settled(place, tried[k], best)
    if best.correlation >= STILL_THERE:
        return best, k
    aside, other = _best([_elsewhere(place, wanted) for wanted in tried])
    aside = _settled(place, tried[other], aside)
    return (aside, other) if aside.correlation > best.correlation else (best, k)


def _best(fits: Sequence[_Fit]) -> tuple[_Fit, int]:
    k = max(range(len(fits)), key=lambda i: fits[i].correlation)
    return fits[k], k


class _Place:
    """What is searched, as the sums of its lightness, from which any part of it is averaged to any size.

    Shares are of its width and its height. least: pixels to which a smaller side is brought
    """

    def __init__(self, grey: NDArray[np.uint8], *, least: int) -> None:
        h, w = grey.shape
        if min(h, w) < least:
            grey = np.asarray(cv2.resize(grey, (max(w, least), max(h, least))), np.uint8)
        self._h, self._w = grey.shape
        self._sums = cv2.integral(grey, sdepth=cv2.CV_32F)
        self._mosaics: dict[tuple[tuple[int, ...], tuple[int, ...]], Floats] = {}

    def part(self, left: float, top: float, wide: float, high: float, size_wh: tuple[int, int]) -> Floats:
        """A part of the place, in shares, at a size: float32 (h, w), as sums of the pixels that each one stands for."""
        w, h = size_wh
        across, down = wide * self._w / w, high * self._h / h
        corners = np.array(((across, 0.0, left * self._w), (0.0, down, top * self._h)))
        sums = cv2.warpAffine(self._sums, corners, (w + 1, h + 1), flags=SAMPLED, borderMode=cv2.BORDER_REPLICATE)
        rows = sums[1:] - sums[:-1]
        return np.asarray(rows[:, 1:] - rows[:, :-1], np.float32)

    def mosaic(self, widths: tuple[int, ...], heights: tuple[int, ...]) -> Floats:
        """All of the place, in each width beside each other and in each height below each other: lightness float32."""
        if (widths, heights) not in self._mosaics:
            made = np.empty((sum(heights), sum(widths)), np.float32)
            for top, h in _laid_out(heights):
                for left, w in _laid_out(widths):
                    share = w * h / (self._w * self._h)
                    np.multiply(self.part(0, 0, 1, 1, (w, h)), share, out=made[top : top + h, left : left + w])
            self._mosaics[widths, heights] = made
        return self._mosaics[widths, heights]


def _laid_out(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """Where each of the lengths begins if they are laid one after the other, and the length."""
    return [(sum(lengths[:i]), length) for i, length in enumerate(lengths)]


def _rough(place: _Place, wanted: Template) -> Iterator[tuple[float, tuple[float, float], tuple[float, float]]]:
    """Correlation, centre and scales where the small template fits best at each two of the COARSE scales.

    A correlation of two tiny pictures takes 30 us, and one of all these sizes in one picture 100.
    """
    h, w = wanted.small.shape
    wide, high = _sides(wanted)
    widths = tuple(max(w, round(w / (wide * scale))) for scale in COARSE)
    heights = tuple(max(h, round(h / (high * scale))) for scale in COARSE)
    fits = cv2.matchTemplate(place.mosaic(widths, heights), wanted.small, cv2.TM_CCOEFF_NORMED)
    for top, down in _laid_out(heights):
        for left, across in _laid_out(widths):
            _, most, _, (x, y) = cv2.minMaxLoc(fits[top : top + down - h + 1, left : left + across - w + 1])
            yield most, ((x + w / 2) / across, (y + h / 2) / down), (w / (across * wide), h / (down * high))


def _elsewhere(place: _Place, wanted: Template) -> _Fit:
    """Where the template fits best, as large as the box says."""
    h, w = wanted.grey.shape
    wide, high = _sides(wanted)
    across, down = max(w, round(w / wide)), max(h, round(h / high))
    fits = cv2.matchTemplate(place.part(0, 0, 1, 1, (across, down)), wanted.grey, cv2.TM_CCOEFF_NORMED)
    _, _, _, (x, y) = cv2.minMaxLoc(fits)
    return _fit(place, wanted, ((x + w / 2) / across, (y + h / 2) / down), (1.0, 1.0))


def _sides(wanted: Template) -> tuple[float, float]:
    """What the template takes of the place where its nominal box is as large as the box: shares."""
    x1, y1, x2, y2 = wanted.span
    return (x2 - x1) / REACH, (y2 - y1) / REACH


def _fit(place: _Place, wanted: Template, centre: tuple[float, float], scales: tuple[float, float]) -> _Fit:
    """How well the template fits there, or where it comes nearest to that within the place."""
    h, w = wanted.grey.shape
    usual_wide, usual_high = _sides(wanted)
    wide, high = min(1.0, scales[0] * usual_wide), min(1.0, scales[1] * usual_high)
    left = min(max(0.0, centre[0] - wide / 2), 1 - wide)
    top = min(max(0.0, centre[1] - high / 2), 1 - high)
    seen = place.part(left, top, wide, high, (w, h)).ravel()
    covariance, total, *told = (wanted.asks @ seen).tolist()
    squares = float(seen @ seen)
    contrast = squares - total * total / seen.size
    correlation = covariance / contrast**0.5 if contrast > FLAT * squares else 0.0
    return _Fit(correlation, (left + wide / 2, top + high / 2), (wide / usual_wide, high / usual_high), tuple(told))


def _settled(place: _Place, wanted: Template, best: _Fit, rounds: int = MOST_ROUNDS) -> _Fit:
    """Move the template and make it larger or smaller as what is seen tells, as long as it fits better then."""
    h, w = wanted.grey.shape
    wide, high = _sides(wanted)
    for _ in range(rounds):
        share, right, down, wider, higher = best.told
        if share <= 0:
            break
        (sx, sy), (x, y) = best.scales, best.centre
        x -= _held(right / share, NEARBY) * sx * wide / w
        y -= _held(down / share, NEARBY) * sy * high / h
        scales = sx * (1 - _held(wider / share, MOST_CHANGE)), sy * (1 - _held(higher / share, MOST_CHANGE))
        better = _fit(place, wanted, (x, y), scales)
        if better.correlation <= best.correlation:
            break
        best = better
    return best


def _held(change: float, most: float) -> float:
    return min(max(change, -most), most)
