"""Looks closely at one place: does a brand's likeness fit there in its parts, or only on the whole?

A look-alike has the same outline and another inside: a bolt and a bar in one disc correlate by 0.9. So the likeness is
laid over the place more finely than `alignment.py` does it for many, by an affine warp at the picture's own sharpness,
and then compared piece by piece, as blurred as the picture is: of the pieces with anything in them the worst fifth
tells. That takes 7 ms, so it is for few. Knows nothing of networks and of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.alignment import span_of
from detectors.gallery import Gallery
from detectors.geometry import CROP_MARGIN, CROP_SCALE
from detectors.picture import Image
from detectors.rendering import Likeness, colourings

Floats = NDArray[np.float32]

SIDE, LONGEST = 40, 200
"""Pixels of the shorter and the longer side, at the most, of what is compared."""
COARSE = 0.4
"""Share of that at which views, scales and places are tried."""
SCALES = (0.8, 1.0, 1.25)
AROUND = 0.4
"""What is searched around the box, in its sides."""
TRIED = 2
"""Views that are laid finely, the best of the coarse."""
ROUNDS = 30
BUSY = 0.25
"""Of a likeness's contrast: pieces with less of it are blank."""
BLURS = 0.0, 0.8, 1.2, 1.8, 2.5, 3.5
"""Pixels, as standard deviations, by which a likeness is blurred in turn: pans smear, and depth of field blurs."""
BLURRED = 0.03
"""What a pixel of that takes off the parts' correlation: blurred, look-alikes come nearer."""
LEAST_PX = 8
FITTING = 0.77
"""Correlation of the worst fifth of the pieces from which a likeness fits: of look-alikes none came to more."""
NOWHERE = 3.2
"""Log-odds against a place where artwork fits neither on the whole nor in its parts: a little more than a picture's
score alone can speak for it, so that such a place takes words to be believed."""
LEAST_SEEN = 0.5
"""Share of a likeness that must lie in the picture to be compared; else nothing speaks for or against it."""


@dataclass(frozen=True, slots=True)
class Closeness:
    """How well a likeness fits, by correlation, -1 to 1. whole: all of it; parts: the worst fifth of its pieces.

    is_drawn: it was compared with artwork alone; photographs are blurred and seen from aside themselves, and what does
    not fit such a one may be the brand all the same
    """

    whole: float
    parts: float

    is_drawn: bool = True

    @property
    def evidence(self) -> float:
        """Log-odds that the place shows the brand.

        Parts that fit speak for it. Where the whole fits and the parts do not it is a look-alike; where neither does
        the likeness may have been laid badly, or something stands before it, and that says less.
        """
        if self.parts >= FITTING:
            return min(3.0, 40 * (self.parts - FITTING))
        if not self.is_drawn:
            return 0.0
        is_whole = min(1.0, max(0.0, (self.whole - 0.8) / 0.06))
        is_other = min(1.0, (FITTING - self.parts) / 0.03)
        return -5.0 * is_whole * is_other - NOWHERE * (1 - is_whole) * min(1.0, (FITTING - self.parts) / 0.15)


UNSEEN = Closeness(0.0, FITTING)
"""Too little lies in the picture: nothing speaks for or against it."""


class Likenesses:
    """What the brands of a gallery look like, drawn when it is first wanted."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._photographed = {e.brand for e in gallery.exemplars if e.kind == "photo"}
        self._drawn: dict[int, tuple[Floats, ...]] = {}

    def of(self, brand: int) -> tuple[Floats, ...]:
        """Lightness of each of a brand's looks, with a margin, in their own shapes; none without pictures."""
        if brand not in self._drawn:
            name = self._gallery.brands[brand]
            mine = [look for e in self._gallery.exemplars if e.brand == name for look in _looks(e.likeness)]
            self._drawn[brand] = tuple(mine)
        return self._drawn[brand]

    def is_drawn(self, brand: int) -> bool:
        """True where all that a brand is known by is artwork."""
        return self._gallery.brands[brand] not in self._photographed


def closeness(seen: Image, box: tuple[float, float, float, float], looks: Sequence[Floats]) -> Closeness | None:
    """How close the nearest of the looks comes to a box of a picture; None where there is nothing to compare.

    seen: RGB uint8 (h, w, 3), the place with AROUND of its sides on each side, as far as the picture goes
    """
    x1, y1, x2, y2 = box
    if not looks or x2 - x1 < LEAST_PX or y2 - y1 < LEAST_PX:
        return None
    grey = cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY).astype(np.float32)
    rough = [(*_laid_roughly(grey, box, look), number) for number, look in enumerate(looks)]
    rough.sort(key=lambda found: (-found[0], found[2]))
    fits = (_laid_finely(grey, warp, looks[number]) for _, warp, number in rough[:TRIED])
    seen_fits = [fit for fit in fits if fit is not None]
    return max(seen_fits, key=lambda fit: (fit.parts, fit.whole), default=UNSEEN)


def _looks(likeness: Likeness) -> list[Floats]:
    """The lightness of a likeness in each of its colourings, and of those that are alike one."""
    found: list[Floats] = []
    span = np.array(span_of(likeness)).reshape(2, 2)
    around = CROP_MARGIN * (span[1] - span[0])
    shares = (np.stack([span[0] - around, span[1] + around]) + CROP_MARGIN) / CROP_SCALE
    for image in colourings(likeness):
        size_wh = np.array([image.shape[1], image.shape[0]])
        (left, top), (right, bottom) = np.clip(np.round(shares * size_wh), 0, size_wh).astype(int)
        grey = cv2.cvtColor(image[top:bottom, left:right], cv2.COLOR_RGB2GRAY).astype(np.float32)
        grey = np.asarray((grey - grey.mean()) / (grey.std() + 1e-6), np.float32)
        if all(float((grey * other).mean()) < 0.97 for other in found):
            found.append(grey)
    return found


def _sized(look: Floats, share: float) -> Floats:
    h, w = look.shape
    scale = min(SIDE / min(h, w), LONGEST / max(h, w)) * share
    size_wh = max(6, round(w * scale)), max(6, round(h * scale))
    return np.asarray(cv2.resize(look, size_wh, interpolation=cv2.INTER_AREA), np.float32)


def _laid_roughly(grey: Floats, box: tuple[float, float, float, float], look: Floats) -> tuple[float, Floats]:
    """The correlation of a look where it fits best, and the warp (2, 3) from its pixels in full size to the place's."""
    wanted = _sized(look, COARSE)
    h, w = wanted.shape
    inner = np.array([w, h]) / CROP_SCALE
    x1, y1, x2, y2 = box
    best, found = -2.0, np.zeros((2, 3))
    for scales in product(SCALES, SCALES):
        step = np.array([x2 - x1, y2 - y1]) / inner * scales  # the picture's pixels for one of the look's
        reach = np.ceil(np.array([x2 - x1, y2 - y1]) * AROUND / 2 / step).astype(int) + 1
        size = np.array([w, h]) + 2 * reach
        corner = np.array([x1 + x2, y1 + y2]) / 2 - step * (size - 1) / 2
        warp = np.array([[step[0], 0, corner[0]], [0, step[1], corner[1]]])
        fits = cv2.matchTemplate(_warped(grey, warp, (int(size[0]), int(size[1]))), wanted, cv2.TM_CCOEFF_NORMED)
        _, fit, _, (x, y) = cv2.minMaxLoc(fits)
        if fit > best:
            best, found = fit, warp
            found[:, 2] += step * (x, y)
    full = _sized(look, 1.0)
    shrunk = np.array([w / full.shape[1], h / full.shape[0]])
    found[:, 2] += found[:, :2] @ (shrunk / 2 - 0.5)  # pixels are meant by their centres
    found[:, :2] *= shrunk
    return best, np.asarray(found, np.float32)


def _laid_finely(grey: Floats, warp: Floats, look: Floats) -> Closeness | None:
    """How well a look fits where it is laid finely; None where too little of it lies in the picture."""
    wanted = _sized(look, 1.0)
    finer = 1 / max(1e-3, float(np.sqrt(abs(np.linalg.det(warp[:, :2].astype(np.float64))))))
    if finer > 1:  # the picture has fewer pixels, and is as blurred as that
        wanted = np.asarray(cv2.GaussianBlur(wanted, (0, 0), 0.45 * float(np.sqrt(finer**2 - 1)) + 1e-3), np.float32)
    try:
        criteria = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, ROUNDS, 1e-4)
        _, laid = cv2.findTransformECC(wanted, grey, warp.copy(), cv2.MOTION_AFFINE, criteria, None, 3)  # type: ignore[call-overload]
    except cv2.error:  # it does not converge: what was found roughly is as good as it gets
        laid = warp
    h, w = wanted.shape
    seen = _warped(grey, laid, (w, h))
    is_seen = _warped(np.ones_like(grey), laid, (w, h), border=cv2.BORDER_CONSTANT) > 0.99  # not beyond the picture
    if is_seen.mean() < LEAST_SEEN:
        return None
    blurred = [_blurred(wanted, blur) for blur in BLURS]
    wholes = [_correlation(one[is_seen], seen[is_seen]) for one in blurred]
    best = int(np.argmax(wholes))
    return Closeness(wholes[best], _worst_fifth(blurred[best], seen, is_seen) - BLURRED * BLURS[best])


def _blurred(grey: Floats, pixels: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(grey, (0, 0), pixels), np.float32) if pixels else grey


def _warped(
    grey: Floats, warp: NDArray[np.floating], size_wh: tuple[int, int], *, border: int = cv2.BORDER_REPLICATE
) -> Floats:
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    image = cv2.warpAffine(grey, warp.astype(np.float32), size_wh, flags=flags, borderMode=border)
    return np.asarray(image, np.float32)


def _correlation(one: Floats, other: Floats) -> float:
    a, b = one - one.mean(), other - other.mean()
    return float((a * b).mean() / max(1e-6, float(a.std() * b.std())))


def _worst_fifth(wanted: Floats, seen: Floats, is_seen: NDArray[np.bool_]) -> float:
    """The twentieth percentile of correlations in small windows, where the look has anything."""
    side = max(5, min(wanted.shape) // 4) | 1

    def mean(image: Floats) -> Floats:
        return np.asarray(cv2.boxFilter(image, -1, (side, side)), np.float32)

    a, b = mean(wanted), mean(seen)
    spread_a, spread_b = mean(wanted * wanted) - a * a, mean(seen * seen) - b * b
    least = (0.08 * float(seen.std())) ** 2 + 1e-6
    local = (mean(wanted * seen) - a * b) / np.sqrt(np.maximum(spread_a, 1e-6) * np.maximum(spread_b, least))
    is_busy = is_seen & (spread_a > (BUSY * float(wanted.std())) ** 2)
    return float(np.percentile(np.clip(local[is_busy], -1, 1), 20)) if is_busy.any() else 0.0
