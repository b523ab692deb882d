"""Follows a placement back through the frames before it was found, by what it looked like when it was.

A scan comes a few times a second, and what is small or smeared may take several to be found. It was there before all
the same: the account's frames wait for a second, and so long back it is looked for, from frame to frame, as long as
there is something that looks like it. Knows nothing of brands.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np

from pipeline.motion import Box
from streams.frame import Frame
from streams.pixels import Plane

_LONGEST = 960  # pixels of the longer side that are kept of a frame, at the most
_AROUND = 0.1  # of the box's sides: what lies around it tells where it ends
_LEAST_SIDE, _LEAST_CONTRAST = 6, 4.0  # kept pixels and grey levels; less looks like anything
_REACH = 12, 8  # kept pixels to each side in which it is looked for, across and down
_GROWTH = 1.02  # larger or smaller from frame to frame
_LIKE = 0.75  # correlation from which it is there
_STEADY = 0.003  # by so much another size must be more like it than the one before
_INSIDE = 0.5  # share of it that lies in the picture, at the least


def kept(frame: Frame) -> Plane:
    """What is kept of a frame to look back at it: brightness, of every so many-th pixel; a copy."""
    return frame.luma(_step(frame.size_wh)).copy()


def followed_back(
    picture: Plane, box: Box, speed: tuple[float, float], earlier: Iterable[Plane], *, size_wh: tuple[int, int]
) -> Iterator[Box]:
    """Yield where it was in each of the earlier pictures, the latest first, until it is not there.

    picture, box: where it was found, in pixels of the frame; speed: of its centre, pixels a frame
    earlier: of the frames before, in the same shot; size_wh: of all these frames
    """
    step = _step(size_wh)
    x1, y1, x2, y2 = (edge / step for edge in box)
    wide, high = x2 - x1, y2 - y1
    x, y, scale = (x1 + x2) / 2, (y1 + y2) / 2, 1.0
    look, _, _ = _around(picture, x, y, round(wide * (1 + 2 * _AROUND)), round(high * (1 + 2 * _AROUND)))
    if min(wide, high) < _LEAST_SIDE or float(look.std()) < _LEAST_CONTRAST:
        return
    dx, dy = -speed[0] / step, -speed[1] / step
    for before in earlier:
        best, there = _LIKE, None
        for size in (scale, scale * _GROWTH, scale / _GROWTH):
            wanted = _sized(look, size)
            h, w = wanted.shape
            # What should lie beyond the picture's edge is not looked for.
            out_left, out_right = (max(0, round(w / 2 - edge)) for edge in (x + dx, before.shape[1] - x - dx))
            out_top, out_bottom = (max(0, round(h / 2 - edge)) for edge in (y + dy, before.shape[0] - y - dy))
            wanted = wanted[out_top : h - out_bottom, out_left : w - out_right]
            if min(wanted.shape, default=0) < _LEAST_SIDE:
                continue
            middle = x + dx + (out_left - out_right) / 2, y + dy + (out_top - out_bottom) / 2
            seen, left, top = _around(before, *middle, wanted.shape[1] + 2 * _REACH[0], wanted.shape[0] + 2 * _REACH[1])
            _, like, _, (right, down) = cv2.minMaxLoc(cv2.matchTemplate(seen, wanted, cv2.TM_CCOEFF_NORMED))
            if like > best:
                best = like + _STEADY
                there = left + right - out_left + w / 2, top + down - out_top + h / 2, size
        if there is None:
            return
        dx, dy = 0.5 * (dx + there[0] - x), 0.5 * (dy + there[1] - y)
        x, y, scale = there
        wide_now, high_now = scale * wide, scale * high
        height, width = before.shape
        left, right = max(0.0, x - wide_now / 2), min(float(width), x + wide_now / 2)
        top, bottom = max(0.0, y - high_now / 2), min(float(height), y + high_now / 2)
        if right <= left or bottom <= top or (right - left) * (bottom - top) < _INSIDE * wide_now * high_now:
            return
        yield left * step, top * step, min(size_wh[0], right * step), min(size_wh[1], bottom * step)


def _step(size_wh: tuple[int, int]) -> int:
    """Every so many-th pixel of a frame is kept."""
    return -(-max(size_wh) // _LONGEST)


def _around(picture: Plane, x: float, y: float, width: int, height: int) -> tuple[Plane, int, int]:
    """A piece of a picture with its middle at a place, and its left and upper edge; its edges go on beyond it."""
    left, top = round(x - width / 2), round(y - height / 2)
    columns = np.clip(np.arange(left, left + width), 0, picture.shape[1] - 1)
    rows = np.clip(np.arange(top, top + height), 0, picture.shape[0] - 1)
    return picture[rows[:, None], columns], left, top


def _sized(look: Plane, scale: float) -> Plane:
    h, w = look.shape
    return np.asarray(cv2.resize(look, (max(4, round(w * scale)), max(4, round(h * scale)))), np.uint8)
