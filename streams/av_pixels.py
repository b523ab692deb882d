"""FFmpeg's frames into `Pixels`: pixel formats, colour standards and rotation. Knows nothing of time."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from av import VideoFrame
from av.buffer import Buffer
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

from streams.pixels import Pixels, Plane, RgbPixels, YuvPixels, yuv_to_rgb

_NATIVE = frozenset({"yuv420p", "yuvj420p", "nv12"})

_BT601, _BT709 = 5, 1
"""Numbers of ITU-T H.273, which FFmpeg uses too."""

LUMA_WEIGHTS = {
    _BT709: (0.2126, 0.0722),
    4: (0.30, 0.11),  # FCC
    _BT601: (0.299, 0.114),
    6: (0.299, 0.114),  # SMPTE 170M, as BT.601
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020
    10: (0.2627, 0.0593),  # BT.2020 constant luminance: near enough
}
"""Weights of red and blue by matrix number."""

_SWS_COLORSPACE = {
    _BT709: Colorspace.ITU709,
    4: Colorspace.FCC,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}

_FULL_RANGE = 2


@dataclass(frozen=True, slots=True)
class Turn:
    """How a stored picture is turned to be shown: swap rows and columns, then mirror in x, then in y."""

    swaps_axes: bool = False
    mirrors_x: bool = False
    mirrors_y: bool = False

    def __bool__(self) -> bool:
        return self.swaps_axes or self.mirrors_x or self.mirrors_y

    def __call__(self, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the array (H, W) or (H, W, 3) turned: itself where there is nothing to do."""
        if self.swaps_axes:
            array = np.asarray(cv2.transpose(array), np.uint8)
        if self.mirrors_x or self.mirrors_y:
            code = -1 if self.mirrors_x and self.mirrors_y else int(self.mirrors_x)
            array = np.asarray(cv2.flip(array, code), np.uint8)
        return array

    @classmethod
    def of(cls, frame: VideoFrame) -> Turn:
        """Read the display matrix (of a phone's mp4, or of H.264 and HEVC themselves), to the nearest quarter turn.

        The matrix (a b u; c d v; x y w) takes a stored (x, y) to the shown (a x + c y, b x + d y).
        """
        side_data = frame.side_data.get("DISPLAYMATRIX")
        if not isinstance(side_data, Buffer):
            return _UPRIGHT
        a, b, _, c, d = (int(value) for value in np.frombuffer(memoryview(side_data), "=i4")[:5])
        if abs(a) + abs(d) >= abs(b) + abs(c):
            return cls(mirrors_x=a < 0, mirrors_y=d < 0)
        return cls(swaps_axes=True, mirrors_x=c < 0, mirrors_y=b < 0)


_UPRIGHT = Turn()


class AvPixels:
    """Turns the frames of one stream into pixels. Single-threaded: it keeps swscale's tables from frame to frame.

    8-bit YUV 4:2:0 stays as the decoder made it, without a copy. Other subsampled YUV (10 bit, 4:2:2) becomes 8-bit
    4:2:0 of the same matrix and range; the rest (4:4:4, RGB, grey, palettes, most odd sizes) becomes RGB.
    HDR is not tone-mapped: its pictures look flat.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()
        self._angle: int | None = None
        self._turn = _UPRIGHT

    def __call__(self, frame: VideoFrame) -> Pixels:
        turn = self._turn_of(frame)
        is_even = frame.width % 2 == frame.height % 2 == 0
        # Odd sizes: turned planes no longer begin at a whole square, and swscale leaves a last row of chroma unwritten.
        if _is_subsampled_yuv(frame) and (is_even or (frame.format.name in _NATIVE and not turn)):
            return self._yuv(frame, turn)
        return RgbPixels(turn(self._rgb(frame)))

    def _turn_of(self, frame: VideoFrame) -> Turn:
        """Read the matrix only when the angle changes: PyAV's `side_data` makes a frame refer to itself.

        Such a frame waits for the garbage collector; with each frame read, 0.6 GB of 1080p waited.
        """
        if frame.rotation != self._angle:
            self._angle, self._turn = frame.rotation, Turn.of(frame)
        return self._turn

    def _yuv(self, frame: VideoFrame, turn: Turn) -> YuvPixels:
        matrix = _matrix_of(frame)
        is_full_range = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
        if frame.format.name not in _NATIVE:
            frame = self._reformatter.reformat(
                frame,
                format="yuv420p",
                src_color_range=ColorRange.JPEG if is_full_range else ColorRange.MPEG,
                dst_color_range=ColorRange.JPEG if is_full_range else ColorRange.MPEG,
                threads=1,
            )
        if frame.format.name == "nv12":
            y = _plane(frame, 0)
            u, v = cv2.split(_plane(frame, 1).reshape((y.shape[0] + 1) // 2, -1, 2))
        else:
            y, u, v = (_plane(frame, index) for index in range(3))
        kr, kb = LUMA_WEIGHTS[matrix]
        to_rgb = yuv_to_rgb(kr=kr, kb=kb, is_full_range=is_full_range)
        return YuvPixels(turn(y), turn(np.asarray(u)), turn(np.asarray(v)), to_rgb)

    def _rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        matrix = _matrix_of(frame)
        rgb = self._reformatter.reformat(
            frame,
            format="rgb24",
            src_colorspace=None if frame.format.is_rgb else _SWS_COLORSPACE.get(matrix, Colorspace.ITU601),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return np.asarray(rgb.to_ndarray(), np.uint8)


def _plane(frame: VideoFrame, index: int) -> Plane:
    """Return a plane as it lies in the decoder's memory, which lives for as long as the array does."""
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    width = plane.width * (2 if frame.format.name == "nv12" and index == 1 else 1)
    return rows[:, :width] if plane.line_size > 0 else np.ascontiguousarray(rows[::-1, :width])


def _is_subsampled_yuv(frame: VideoFrame) -> bool:
    """Whether chroma is coarser than luma, and there is no alpha channel."""
    components = frame.format.components
    return not frame.format.is_rgb and len(components) == 3 and components[1].width < components[0].width


def _matrix_of(frame: VideoFrame) -> int:
    """Return the number of the frame's YUV matrix; where the stream does not say, what players take: HD is BT.709."""
    if frame.colorspace in LUMA_WEIGHTS:
        return int(frame.colorspace)
    return likely_matrix(frame.width, frame.height)


def likely_matrix(width: int, height: int) -> int:
    """Return the number of the matrix that players take where a stream does not say."""
    return _BT709 if width >= 1280 or height > 576 else _BT601
