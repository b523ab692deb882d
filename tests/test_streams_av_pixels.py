"""Every pixel format comes out with the colours that went in."""

from __future__ import annotations

import numpy as np
import pytest
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from streams.av_pixels import AvPixels
from streams.pixels import RgbPixels, YuvPixels
from tests.media import BT601, BT709, FULL, LIMITED, picture


def stored(
    pix_fmt: str, *, size_wh: tuple[int, int] = (320, 240), matrix: int = BT709, color_range: int = LIMITED
) -> VideoFrame:
    """Return `picture(0)` as a decoder would give it, with its tags."""
    frame = VideoReformatter().reformat(
        VideoFrame.from_ndarray(picture(0, size_wh), format="rgb24"),
        format=pix_fmt,
        dst_colorspace=Colorspace.ITU709 if matrix == BT709 else Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange(color_range),
    )
    frame.colorspace, frame.color_range = matrix, color_range
    return frame


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize(
    ("pix_fmt", "kind"),
    [
        ("yuv420p", YuvPixels),  # nearly every camera and film
        ("yuvj420p", YuvPixels),  # phones, MJPEG: full range by its name
        ("nv12", YuvPixels),  # hardware decoders
        ("nv21", YuvPixels),
        ("yuv420p10le", YuvPixels),  # HEVC Main 10
        ("p010le", YuvPixels),  # the same from hardware
        ("yuv422p", YuvPixels),
        ("yuvj422p", YuvPixels),  # USB cameras' MJPEG
        ("yuyv422", YuvPixels),  # USB cameras without compression
        ("uyvy422", YuvPixels),
        ("yuv422p10le", YuvPixels),  # ProRes
        ("yuv444p", RgbPixels),
        ("yuv444p10le", RgbPixels),
        ("yuva420p", RgbPixels),
        ("rgb24", RgbPixels),
        ("bgr24", RgbPixels),
        ("rgba", RgbPixels),
        ("gbrp", RgbPixels),
        ("gbrp10le", RgbPixels),
    ],
)
def test_colours_survive(pix_fmt: str, kind: type, matrix: int, color_range: int) -> None:
    pixels = AvPixels()(stored(pix_fmt, matrix=matrix, color_range=color_range))
    assert type(pixels) is kind
    difference = np.abs(pixels.rgb().astype(int) - picture(0))
    assert difference.mean() < 1.6, f"{difference.mean():.2f} levels off"
    assert np.abs(pixels.rgb().mean((0, 1)) - picture(0).mean((0, 1))).max() < 2.5, "a colour cast"


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "nv12", "yuv420p10le", "yuv422p", "uyvy422", "yuv444p", "rgb24"])
@pytest.mark.parametrize("size_wh", [(321, 240), (320, 241), (321, 241), (1, 1)])
def test_odd_sizes(pix_fmt: str, size_wh: tuple[int, int]) -> None:
    pixels = AvPixels()(stored(pix_fmt, size_wh=size_wh))
    assert pixels.size_wh == size_wh
    difference = np.abs(pixels.rgb().astype(int) - picture(0, size_wh))
    assert difference.mean() < 2
    # The last row and column are where converters of 4:2:0 go wrong.
    assert difference[-1].mean() < 4
    assert difference[:, -1].mean() < 4


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le"])
def test_grey(pix_fmt: str) -> None:
    image = AvPixels()(stored(pix_fmt)).rgb()
    assert np.ptp(image, axis=2).max() == 0
    assert image[:60].min() < 24, "black became grey"


@pytest.mark.parametrize(
    ("size_wh", "matrix"),
    [
        ((1280, 720), BT709),  # HD
        ((1024, 600), BT709),
        ((720, 576), BT601),  # SD
        ((320, 240), BT601),
    ],
)
def test_matrix_of_streams_that_do_not_say_is_what_players_take(size_wh: tuple[int, int], matrix: int) -> None:
    frame = stored("yuv420p", size_wh=size_wh, matrix=matrix)
    frame.colorspace = 2  # unspecified
    assert np.abs(AvPixels()(frame).rgb().astype(int) - picture(0, size_wh)).mean() < 1.6


def test_planes_are_not_copied_and_outlive_the_frame() -> None:
    frame = stored("yuv420p")
    pixels = AvPixels()(frame)
    assert isinstance(pixels, YuvPixels)
    assert np.shares_memory(pixels._y, np.frombuffer(memoryview(frame.planes[0]), np.uint8))
    before = pixels.patch(0, 0, 320, 240)
    del frame
    VideoFrame(320, 240, "yuv420p")  # would be given the freed memory
    np.testing.assert_array_equal(pixels.rgb(), before)
