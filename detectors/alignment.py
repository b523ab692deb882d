"""Lays a likeness over a place in a picture: where it fits best, and how well.

Both are seen as crops are, stretched to squares, so that a likeness and a logo seen from aside differ by two scales and
two shifts. Those are tried in turn, by normalised correlation of lightness, coarse first. A crop of something wide is
less wide than it (`geometry.NARROWEST`), so a template tells which part of its crop the logo takes. Knows nothing of
networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import CROP_MARGIN, CROP_SCALE, NARROWEST, crop_areas, on_pixels
from detectors.picture import Image, Picture
from detectors.rendering import Likeness
from detectors.verifier import cut, squared

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
"""Scales of the box that are tried first, each in width with each in height."""
STEPS = (1.15, 1.06)
"""Factors by which the best is then made wider, narrower, higher and lower, as long as it fits better."""
MOST_ROUNDS = 4
AT_ONCE = 0.72
"""Correlation from which a box fits as it is."""
NEARBY = 3
"""Pixels of the template to each side in which a finer scale is searched, around where the one before it fits."""
MOST_CHANGE = 0.1
"""Of the size of what is followed, from one look to the next."""
HOPELESS = 0.4
"""Correlation at the best coarse scale below which no more are tried: of the places that in the end were told on
three tennis clips 2 % have less, of all others half."""


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """What is laid over a place.

    grey: lightness float32 (h, w) of the part of its nominal box that is `span`
    changes: float32 (5, h * w). Its product with what is seen, which is taken for the template a little aside and of
        another size: the contrast, and that times the pixels that it lies to the right and further down and the shares
        by which it is wider and higher, all of these negative
    """

    grey: Floats
    changes: Floats
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
    return Template(grey, _changes(grey), span)


def _changes(grey: Floats) -> Floats:
    """See `Template.changes`: to first order, by least squares of contrast, lightness, two shifts and two sizes."""
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
    longest = max(max(one.grey.shape) for one in tried)
    # Averaging three channels takes two thirds of the time of a crop, and one channel less than half of that.
    grey = np.asarray(cv2.cvtColor(cut(picture, area), cv2.COLOR_RGB2GRAY), np.uint8)
    place = _Place(np.asarray(squared(grey, round(longest * REACH * max(COARSE))), np.float32))
    best, k = _best((_fit(place, wanted, (1.0, 1.0)), k) for k, wanted in enumerate(tried))
    if follow:
        best = _resized(place, tried[k], best)
    elif best.correlation >= AT_ONCE:
        best = _stepped(place, tried[k], best, STEPS[1:])
    else:
        scales = [at for at in product(COARSE, COARSE) if at != (1.0, 1.0)]
        coarse = ((_fit(place, wanted, at), k) for k, wanted in enumerate(tried) for at in scales)
        best, k = _best([(best, k), *coarse])
        if best.correlation >= HOPELESS:
            best = _stepped(place, tried[k], best, STEPS)
    x1, y1, x2, y2 = tried[k].span
    half = nominal[2:] * np.array([x2 - x1, y2 - y1]) * np.array(best.scales) / 2
    centre = area[:2] + (np.array(best.centre) - 0.5) * area[2:]
    return np.concatenate([centre - half, centre + half]).astype(np.float32), best.correlation, k


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Where a template fits best at some scales.

    centre: x and y, in shares of the place; scales: of the box, in width and in height
    seen: what the template lies on, float32 (h, w); size_wh: of the place in the template's pixels
    """

    correlation: float
    centre: tuple[float, float]
    scales: tuple[float, float]
    seen: Floats
    size_wh: tuple[int, int]


def _best(found: Iterable[tuple[_Fit, int]]) -> tuple[_Fit, int]:
    return max(found, key=lambda each: each[0].correlation)


def _stepped(place: _Place, wanted: Template, best: _Fit, steps: Sequence[float]) -> _Fit:
    """Try scales nearby, as long as one fits better."""
    for step in steps:
        for _ in range(MOST_ROUNDS):
            sx, sy = best.scales
            scales = (sx * step, sy), (sx / step, sy), (sx, sy * step), (sx, sy / step)
            better = max((_fit(place, wanted, at, near=best.centre) for at in scales), key=lambda fit: fit.correlation)
            if better.correlation <= best.correlation:
                break
            best = better
    return best


def _resized(place: _Place, wanted: Template, best: _Fit) -> _Fit:
    """Make the box larger or smaller as what is seen tells, as long as it fits better then."""
    for _ in range(MOST_ROUNDS):
        share, dx, dy, wider, higher = (wanted.changes @ best.seen.ravel()).tolist()
        if share <= 0:
            break
        sx, sy = (
            scale * (1 - min(max(change / share, -MOST_CHANGE), MOST_CHANGE))
            for scale, change in zip(best.scales, (wider, higher), strict=True)
        )
        x, y = (
            at - min(max(shift / share, -NEARBY), NEARBY) / size
            for at, shift, size in zip(best.centre, (dx, dy), best.size_wh, strict=True)
        )
        better = _fit(place, wanted, (sx, sy), near=(x, y))
        if better.correlation <= best.correlation:
            break
        best = better
    return best


class _Place:
    """What is searched, lightness float32 (h, w), and the same in the sizes that were asked for."""

    def __init__(self, grey: Floats) -> None:
        self._grey = grey
        self._sized: dict[tuple[int, int], Floats] = {}

    def of(self, size_wh: tuple[int, int]) -> Floats:
        if size_wh not in self._sized:
            h, w = self._grey.shape
            how = cv2.INTER_AREA if size_wh[0] < w and size_wh[1] < h else cv2.INTER_LINEAR
            self._sized[size_wh] = np.asarray(cv2.resize(self._grey, size_wh, interpolation=how), np.float32)
        return self._sized[size_wh]


def _fit(place: _Place, wanted: Template, scales: tuple[float, float], near: tuple[float, float] | None = None) -> _Fit:
    """Where the template fits best if its nominal box is that much of the box, in width and in height.

    near: the centre that is searched around, NEARBY; None: all of the place
    """
    h, w = wanted.grey.shape
    x1, y1, x2, y2 = wanted.span
    wide, high = max(w, round(w / (x2 - x1) * REACH / scales[0])), max(h, round(h / (y2 - y1) * REACH / scales[1]))
    searched, left, top = place.of((wide, high)), 0, 0
    if near is not None:
        left = min(max(0, round(near[0] * wide - w / 2) - NEARBY), wide - w)
        top = min(max(0, round(near[1] * high - h / 2) - NEARBY), high - h)
        searched = searched[top : top + h + 2 * NEARBY, left : left + w + 2 * NEARBY]
    fits = cv2.matchTemplate(searched, wanted.grey, cv2.TM_CCOEFF_NORMED)
    _, most, _, (x, y) = cv2.minMaxLoc(fits)
    centre = (left + x + w / 2) / wide, (top + y + h / 2) / high
    return _Fit(float(most), centre, scales, searched[y : y + h, x : x + w], (wide, high))
