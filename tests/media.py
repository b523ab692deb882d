"""Little videos for the tests, made when they are needed; each picture carries its number, so none can be mixed up."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from numpy.typing import NDArray

Image = NDArray[np.uint8]

BT601, BT709 = 5, 1
LIMITED, FULL = 1, 2
_BITS = 8


def picture(number: int, size_wh: tuple[int, int] = (320, 240)) -> Image:
    """Draw a smooth, colourful picture whose top quarter shows `number` (0-255) as eight blocks, black or white."""
    width, height = size_wh
    corners = np.array([[[200, 60, 50], [60, 180, 70]], [[60, 70, 190], [190, 180, 60]]], np.uint8)
    image = cv2.resize(corners, size_wh, interpolation=cv2.INTER_LINEAR)
    for bit in range(_BITS):
        left, right = bit * width // _BITS, (bit + 1) * width // _BITS
        image[: height // 4, left:right] = 235 if number >> (_BITS - 1 - bit) & 1 else 20
    return image


def number_of(image: Image) -> int:
    """Read the number back from a picture of any size."""
    height, width = image.shape[:2]
    centres = [(2 * bit + 1) * width // (2 * _BITS) for bit in range(_BITS)]
    return int("".join("1" if image[height // 8, x].mean() > 127 else "0" for x in centres), 2)


def write_video(
    path: Path,
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size_wh: tuple[int, int] = (320, 240),
    pts: Iterable[int] = range(20),
    time_base: Fraction = Fraction(1, 25),
    matrix: int | None = None,
    color_range: int | None = None,
    options: Mapping[str, str] | None = None,
    muxer_options: Mapping[str, str] | None = None,
    rotation: int = 0,
    is_mirrored: bool = False,
    is_interlaced: bool = False,
    sound_seconds: float = 0,
    metadata: Mapping[str, str] | None = None,
    pictures: Iterable[Image] | None = None,
) -> Path:
    """Encode pictures 0, 1, 2, ... at the given times; without `pictures` those of `picture`."""
    pts = list(pts)
    pictures = (picture(number, size_wh) for number in range(len(pts))) if pictures is None else pictures
    reformatter = VideoReformatter()
    with av.open(str(path), "w", options=dict(muxer_options or {})) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=round(1 / time_base), options=dict(options or {}))
        stream.width, stream.height = size_wh
        stream.pix_fmt = pix_fmt
        context = stream.codec_context
        context.time_base = time_base
        if matrix is not None:
            context.colorspace = matrix
        if color_range is not None:
            context.color_range = color_range
        if rotation or is_mirrored:
            stream.set_display_rotation(rotation, hflip=is_mirrored)
        if is_interlaced:
            context.flags |= 1 << 18 | 1 << 29  # AV_CODEC_FLAG_INTERLACED_DCT and _ME
        sound = container.add_stream("aac", rate=48000, layout="mono") if sound_seconds else None
        for tick, image in zip(pts, pictures, strict=True):
            frame = reformatter.reformat(
                av.VideoFrame.from_ndarray(image, format="rgb24"),
                format=pix_fmt,
                dst_colorspace=Colorspace.ITU709 if matrix == BT709 else Colorspace.ITU601,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.JPEG if color_range == FULL else ColorRange.MPEG,
            )
            frame.pts, frame.time_base = tick, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if sound is not None:
            for start in range(0, int(sound_seconds * 48000), 1024):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
                silence.rate, silence.pts, silence.time_base = 48000, start, Fraction(1, 48000)
                container.mux(sound.encode(silence))
            container.mux(sound.encode())
    return path


def trim_by_edit_list(path: Path, *, skip: int, movie_ticks: int) -> None:
    """Overwrite the mp4's edit list: players begin `skip` media ticks late, and show `movie_ticks` (milliseconds)."""
    data = bytearray(path.read_bytes())
    at = data.index(b"elst") + 8  # version and flags, then the number of entries
    (count,) = struct.unpack_from(">I", data, at)
    assert count == 1, f"the file has {count} edits"
    (media_time,) = struct.unpack_from(">i", data, at + 8)
    struct.pack_into(">Ii", data, at + 4, movie_ticks, media_time + skip)
    path.write_bytes(data)
