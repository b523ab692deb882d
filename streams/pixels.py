"""The pixels of one frame in their native form, and their way to RGB. Knows nothing of time or of FFmpeg.

Costs of a 1080p frame in YUV 4:2:0, one core of a Zen 4, medians: `half()` 0.2 to 0.4 ms, a `patch` of 64 by 64
0.02 ms, `rgb()` 1.9 ms the first time. swscale converts a whole frame in 0.6 ms, 1.1 grey levels off on average; this
arithmetic is exact to rounding, and a `patch` is equal to the same rectangle of `rgb()`, whichever is asked for first.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""RGB, uint8 (H, W, 3)."""

Plane = NDArray[np.uint8]
"""One plane of a picture, uint8 (H, W); rows may lie further apart than W."""

_STRIP_ROWS = 120
"""A whole frame is converted in strips of so many rows (even): they stay in the cache, which is 2.7 times faster."""


class Pixels(Protocol):
    """What a frame needs of its pixels; the methods are described at `streams.frame.Frame`."""

    @property
    def size_wh(self) -> tuple[int, int]: ...

    @property
    def nbytes(self) -> int: ...

    def rgb(self) -> Image: ...

    def half(self) -> Image: ...

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image: ...

    def luma(self, step: int) -> Plane: ...


class RgbPixels:
    """Pixels that are RGB already. The array becomes read-only."""

    def __init__(self, array: Image) -> None:
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
            raise ValueError(f"pixels must be uint8 (H, W, 3), got {array.dtype} {array.shape}")
        array.flags.writeable = False
        self._array = array

    @property
    def size_wh(self) -> tuple[int, int]:
        return self._array.shape[1], self._array.shape[0]

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    def rgb(self) -> Image:
        return self._array

    def half(self) -> Image:
        return _halved(self._array)

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        _check_rectangle(x1, y1, x2, y2, self.size_wh)
        return self._array[y1:y2, x1:x2]

    def luma(self, step: int) -> Plane:
        sampled = np.ascontiguousarray(self._array[::step, ::step])
        return np.asarray(cv2.cvtColor(sampled, cv2.COLOR_RGB2GRAY), np.uint8)


class YuvPixels:
    """Pixels in planes of YUV 4:2:0: one sample of U and V for each square of two by two pixels.

    y: uint8 (H, W); u, v: uint8 (ceil(H / 2), ceil(W / 2)); to_rgb: float32 (3, 4), see `yuv_to_rgb`.
    A sample of U and V holds for its whole square, as swscale has it too.
    """

    def __init__(self, y: Plane, u: Plane, v: Plane, to_rgb: NDArray[np.float32]) -> None:
        height, width = y.shape
        if not y.size or not u.shape == v.shape == ((height + 1) // 2, (width + 1) // 2):
            raise ValueError(f"planes must be 4:2:0, got Y {y.shape}, U {u.shape}, V {v.shape}")
        self._y, self._u, self._v = y, u, v
        self._to_rgb = to_rgb
        self._rgb: Image | None = None

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        """Y, U and V as they lie in memory."""
        return self._y, self._u, self._v

    @property
    def to_rgb(self) -> NDArray[np.float32]:
        return self._to_rgb

    @property
    def size_wh(self) -> tuple[int, int]:
        return self._y.shape[1], self._y.shape[0]

    @property
    def nbytes(self) -> int:
        return self._y.nbytes + self._u.nbytes + self._v.nbytes + (0 if self._rgb is None else self._rgb.nbytes)

    def rgb(self) -> Image:
        if self._rgb is None:
            width, height = self.size_wh
            image = np.empty((height, width, 3), np.uint8)
            for top in range(0, height, _STRIP_ROWS):
                bottom = min(top + _STRIP_ROWS, height)
                self._convert(0, top, width, bottom, image[top:bottom])
            image.flags.writeable = False
            self._rgb = image
        return self._rgb

    def half(self) -> Image:
        """Two by two pixels share U and V, so averaging Y alone gives the half-size picture in 4:4:4.

        It is the average of `rgb()` to 2 levels, but for pixels that were clipped to 0 or 255 before they were averaged
        there (of real video less than 1 %).
        """
        y = _halved(self._y)
        height, width = y.shape
        if not y.size:
            return np.empty((height, width, 3), np.uint8)
        yuv = cv2.merge((y, self._u[:height, :width], self._v[:height, :width]))
        return np.asarray(cv2.transform(yuv, self._to_rgb), np.uint8)

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        _check_rectangle(x1, y1, x2, y2, self.size_wh)
        image = np.empty((y2 - y1, x2 - x1, 3), np.uint8)
        self._convert(x1, y1, x2, y2, image)
        return image

    def luma(self, step: int) -> Plane:
        return self._y[::step, ::step]

    def _convert(self, x1: int, y1: int, x2: int, y2: int, out: Image) -> None:
        """Convert a rectangle into `out`; its corners may be odd."""
        squares = slice(y1 // 2, (y2 + 1) // 2), slice(x1 // 2, (x2 + 1) // 2)
        inside = slice(y1 % 2, y1 % 2 + y2 - y1), slice(x1 % 2, x1 % 2 + x2 - x1)
        u, v = (
            cv2.resize(plane[squares], None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST)[inside]
            for plane in (self._u, self._v)
        )
        cv2.transform(cv2.merge((self._y[y1:y2, x1:x2], u, v)), self._to_rgb, dst=out)


def yuv_to_rgb(*, kr: float, kb: float, is_full_range: bool) -> NDArray[np.float32]:
    """Return the matrix, float32 (3, 4), that takes (Y, U, V, 1) in 0-255 to RGB in 0-255.

    kr, kb: the weights of red and blue in luma, which name the standard (BT.601: 0.299, 0.114; BT.709: 0.2126, 0.0722).
    is_full_range: Y, U and V use all of 0-255 (phones, MJPEG), not 16-235 and 16-240 (nearly everything else).
    """
    kg = 1 - kr - kb
    luma_scale, chroma_scale, black = (1.0, 1.0, 0) if is_full_range else (255 / 219, 255 / 224, 16)
    red_of_v = 2 * (1 - kr) * chroma_scale
    blue_of_u = 2 * (1 - kb) * chroma_scale
    linear = np.array(
        [
            [luma_scale, 0, red_of_v],
            [luma_scale, -blue_of_u * kb / kg, -red_of_v * kr / kg],
            [luma_scale, blue_of_u, 0],
        ]
    )
    offset = -linear @ np.array([black, 128, 128])
    return np.concatenate([linear, offset[:, None]], axis=1).astype(np.float32)


def _halved(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Average two by two; an odd last row or column is left out."""
    height, width = array.shape[0] // 2, array.shape[1] // 2
    if not (height and width):
        return np.empty((height, width, *array.shape[2:]), np.uint8)
    even = array[: height * 2, : width * 2]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _check_rectangle(x1: int, y1: int, x2: int, y2: int, size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    if not (0 <= x1 < x2 <= width and 0 <= y1 < y2 <= height):
        raise ValueError(f"a patch must lie inside {width}x{height}, got x {x1}-{x2}, y {y1}-{y2}")
