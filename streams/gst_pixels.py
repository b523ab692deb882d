"""GStreamer's buffers into `Pixels`, without a copy. Knows formats and colour standards; knows nothing of time."""

from __future__ import annotations

import ctypes
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from streams.av_pixels import LUMA_WEIGHTS, likely_matrix
from streams.gst_library import Library
from streams.pixels import Pixels, Plane, RgbPixels, YuvPixels, yuv_to_rgb

FORMATS = ("I420", "YV12", "NV12", "NV21", "Y42B", "Y444", "RGB")
"""What `GstPixels` reads; whatever else there is, `videoconvert` makes one of them of it.

4:2:2 and 4:4:4 are among them since its RGB is 2 to 3 grey levels too dark.
"""

_MATRICES = {2: 4, 3: 1, 4: 6, 5: 7, 6: 9}
"""GstVideoColorMatrix (FCC, BT709, BT601, SMPTE240M, BT2020) to numbers of ITU-T H.273."""

_FULL_RANGE = 1
_MAP_READ = 1


class _MapInfo(ctypes.Structure):
    """GstMapInfo."""

    _fields_ = [
        ("memory", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("maxsize", ctypes.c_size_t),
        ("user_data", ctypes.c_void_p * 4),
        ("reserved", ctypes.c_void_p * 4),
    ]


class _VideoMeta(ctypes.Structure):
    """The beginning of GstVideoMeta."""

    _fields_ = [
        ("meta_flags", ctypes.c_int),
        ("meta_info", ctypes.c_void_p),
        ("buffer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("format", ctypes.c_int),
        ("id", ctypes.c_int),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
        ("n_planes", ctypes.c_uint),
        ("offset", ctypes.c_size_t * 4),
        ("stride", ctypes.c_int * 4),
    ]


class _Mapped:
    """The bytes of a buffer, which stays mapped, and out of its pool, for as long as an array of it lives."""

    def __init__(self, buffer: Any, core: ctypes.CDLL) -> None:
        self._buffer, self._core, self._info = buffer, core, _MapInfo()
        self._address = hash(buffer)  # PyGObject's hash of a C object is its address
        self._is_mapped = bool(core.gst_buffer_map(self._address, ctypes.byref(self._info), _MAP_READ))
        if not self._is_mapped:
            raise ValueError("the picture's memory cannot be read")
        self.__array_interface__ = {
            "version": 3,
            "shape": (self._info.size,),
            "typestr": "|u1",
            "data": (self._info.data, True),
        }

    def __del__(self) -> None:
        if self._is_mapped:
            self._core.gst_buffer_unmap(self._address, ctypes.byref(self._info))


class GstPixels:
    """Turns the buffers of one stream into pixels. Single-threaded; `caps` goes before the first buffer.

    is_copied: pictures are copied out of their buffers, for sources that have few of them
    """

    def __init__(self, library: Library, *, is_copied: bool = False) -> None:
        self._library = library
        self._is_copied = is_copied
        self._info: Any = None
        self._format = ""
        self._to_rgb = yuv_to_rgb(kr=0.299, kb=0.114, is_full_range=False)

    def caps(self, caps: Any) -> tuple[int, int]:
        """Take up the form of the buffers that follow, and return its (width, height). Raises ValueError."""
        info = self._library.video.VideoInfo.new_from_caps(caps)
        if info is None or info.finfo.name not in FORMATS:
            raise ValueError(f"pictures in a form that is not read: {caps.to_string()}")
        self._info, self._format = info, info.finfo.name
        structure = caps.get_structure(0)
        matrix = None
        if structure.has_field("colorimetry"):  # without it, VideoInfo guesses
            matrix = _MATRICES.get(int(info.colorimetry.matrix))
        kr, kb = LUMA_WEIGHTS[matrix or likely_matrix(info.width, info.height)]
        self._to_rgb = yuv_to_rgb(kr=kr, kb=kb, is_full_range=int(info.colorimetry.range) == _FULL_RANGE)
        return info.width, info.height

    def __call__(self, buffer: Any) -> Pixels:
        data, offsets, strides = self._mapped(buffer)
        width, height = self._info.width, self._info.height
        if self._format == "RGB":
            return RgbPixels(_rows(data, offsets[0], strides[0], height, width * 3).reshape(height, width, 3))
        half_wh = (width + 1) // 2, (height + 1) // 2
        chroma_wh = {"Y42B": (half_wh[0], height), "Y444": (width, height)}.get(self._format, half_wh)
        y = _rows(data, offsets[0], strides[0], height, width)
        if self._format in ("NV12", "NV21"):
            both = _rows(data, offsets[1], strides[1], half_wh[1], half_wh[0] * 2)
            u, v = cv2.split(both.reshape(half_wh[1], half_wh[0], 2))
        else:
            u, v = (_rows(data, offsets[plane], strides[plane], chroma_wh[1], chroma_wh[0]) for plane in (1, 2))
        if self._format == "Y444":
            return RgbPixels(np.asarray(cv2.transform(cv2.merge((y, u, v)), self._to_rgb), np.uint8))
        if self._format == "Y42B":
            u, v = (cv2.resize(plane, half_wh, interpolation=cv2.INTER_AREA) for plane in (u, v))
        if self._format in ("NV21", "YV12"):
            u, v = v, u
        return YuvPixels(y, np.asarray(u, np.uint8), np.asarray(v, np.uint8), self._to_rgb)

    def _mapped(self, buffer: Any) -> tuple[NDArray[np.uint8], list[int], list[int]]:
        """Return the buffer's bytes, and where in them each plane begins, and how far apart its rows are."""
        core, video = self._library.core_c, self._library.video_c
        if core is None or video is None:
            is_mapped, info = buffer.map(self._library.gst.MapFlags.READ)
            if not is_mapped:
                raise ValueError("the picture's memory cannot be read")
            data = np.frombuffer(bytes(info.data), np.uint8)
            buffer.unmap(info)
            return data, self._info.offset, self._info.stride
        data = np.asarray(_Mapped(buffer, core))
        if self._is_copied:
            data = data.copy()
            data.flags.writeable = False
        meta = video.gst_buffer_get_video_meta(hash(buffer))
        if not meta:
            return data, self._info.offset, self._info.stride
        layout = _VideoMeta.from_address(meta)
        return data, list(layout.offset), list(layout.stride)


def _rows(data: NDArray[np.uint8], offset: int, stride: int, height: int, width: int) -> Plane:
    """Return a plane as it lies in memory. Raises ValueError where it does not fit in."""
    last = offset + stride * (height - 1) + width
    if stride < width or offset < 0 or last > data.size:
        raise ValueError(f"a picture of {width}x{height} does not fit into {data.size} bytes")
    return np.lib.stride_tricks.as_strided(data[offset:last], (height, width), (stride, 1), writeable=False)
