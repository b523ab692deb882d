"""YUV to RGB by three ways: exact, equal to each other, and the same as swscale's."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter

from streams.pixels import RgbPixels, YuvPixels, yuv_to_rgb
from tests.media import picture

LUMA_WEIGHTS = {Colorspace.ITU601: (0.299, 0.114), Colorspace.ITU709: (0.2126, 0.0722)}


def noise(size_wh: tuple[int, int], *, is_full_range: bool = True) -> YuvPixels:
    """Make planes of noise, in rows that lie apart as a decoder's do."""
    width, height = size_wh
    rng = np.random.default_rng(7)
    y = rng.integers(0, 256, (height, width + 32), np.uint8)[:, :width]
    u, v = rng.integers(0, 256, (2, (height + 1) // 2, (width + 1) // 2 + 16), np.uint8)[:, :, : (width + 1) // 2]
    return YuvPixels(y, u, v, yuv_to_rgb(kr=0.2126, kb=0.0722, is_full_range=is_full_range))


def smooth(matrix: Colorspace, color_range: ColorRange) -> tuple[YuvPixels, VideoFrame]:
    """Make planes of a picture without colours at the edge of the gamut, and FFmpeg's frame of them."""
    frame = VideoReformatter().reformat(
        VideoFrame.from_ndarray(picture(0), format="rgb24"),
        format="yuv420p",
        dst_colorspace=matrix,
        src_color_range=ColorRange.JPEG,
        dst_color_range=color_range,
    )
    planes = [np.frombuffer(memoryview(p), np.uint8).reshape(p.height, p.line_size)[:, : p.width] for p in frame.planes]
    kr, kb = LUMA_WEIGHTS[matrix]
    return YuvPixels(*planes, yuv_to_rgb(kr=kr, kb=kb, is_full_range=color_range == ColorRange.JPEG)), frame


@pytest.mark.parametrize(
    ("kr", "kb", "is_full_range", "yuv", "rgb"),
    [
        (0.299, 0.114, False, (16, 128, 128), (0, 0, 0)),  # black of video
        (0.299, 0.114, False, (235, 128, 128), (255, 255, 255)),  # its white
        (0.299, 0.114, True, (255, 128, 128), (255, 255, 255)),  # white of JPEG
        (0.299, 0.114, True, (76, 85, 255), (254, 0, 0)),  # JPEG's red, from the JFIF formulas
        (0.2126, 0.0722, False, (63, 102, 240), (255, 0, 0)),  # HD's red, from ITU-R BT.709's colour bars
        (0.2126, 0.0722, False, (173, 42, 26), (0, 255, 0)),  # green
        (0.2126, 0.0722, False, (32, 240, 118), (0, 0, 255)),  # blue
        (0.299, 0.114, False, (81, 90, 240), (255, 0, 0)),  # SD's red, from ITU-R BT.601's
        (0.299, 0.114, False, (0, 128, 128), (0, 0, 0)),  # blacker than black is black
    ],
)
def test_known_colours(
    kr: float, kb: float, is_full_range: bool, yuv: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    y, u, v = (np.full(shape, value, np.uint8) for shape, value in zip([(4, 4), (2, 2), (2, 2)], yuv, strict=True))
    pixels = YuvPixels(y, u, v, yuv_to_rgb(kr=kr, kb=kb, is_full_range=is_full_range))
    assert np.abs(pixels.rgb()[0, 0].astype(int) - rgb).max() <= 2, pixels.rgb()[0, 0]


@pytest.mark.parametrize("is_full_range", [True, False])
def test_conversion_is_exact_to_rounding(is_full_range: bool) -> None:
    pixels = noise((64, 48), is_full_range=is_full_range)
    u, v = (plane.repeat(2, 0).repeat(2, 1) for plane in (pixels._u, pixels._v))
    yuv1 = np.stack([pixels._y, u, v, np.ones_like(u)], axis=-1).astype(float)
    exact = np.clip(yuv1 @ pixels._to_rgb.astype(float).T, 0, 255)
    assert np.abs(pixels.rgb() - exact).max() < 0.75


@pytest.mark.parametrize("matrix", LUMA_WEIGHTS)
@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
def test_rgb_is_swscales(matrix: Colorspace, color_range: ColorRange) -> None:
    pixels, frame = smooth(matrix, color_range)
    theirs = VideoReformatter().reformat(
        frame, format="rgb24", src_colorspace=matrix, src_color_range=color_range, dst_color_range=ColorRange.JPEG
    )
    difference = np.abs(pixels.rgb().astype(int) - theirs.to_ndarray())
    assert difference.max() <= 3, f"{difference.max()} levels off"  # swscale's own error is 2
    assert difference.mean() <= 1.3


@pytest.mark.parametrize(
    "size_wh",
    [
        (320, 240),
        (322, 602),  # more than one strip, the last one short
        (33, 17),  # odd both ways
        (2, 2),
        (1, 1),
    ],
)
def test_patches_are_equal_to_the_same_piece_of_the_whole(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    rng = np.random.default_rng(3)
    for _ in range(50):
        x1, y1 = int(rng.integers(width)), int(rng.integers(height))
        x2, y2 = int(rng.integers(x1, width)) + 1, int(rng.integers(y1, height)) + 1
        pixels = noise(size_wh)
        patch = pixels.patch(x1, y1, x2, y2)
        np.testing.assert_array_equal(patch, pixels.rgb()[y1:y2, x1:x2], f"{x1, y1, x2, y2}")


@pytest.mark.parametrize("size_wh", [(320, 240), (321, 241), (3, 3)])
def test_half_is_the_average_of_two_by_two(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    pixels, _ = smooth(Colorspace.ITU709, ColorRange.MPEG)
    cut = YuvPixels(
        np.ascontiguousarray(np.pad(pixels._y, ((0, 1), (0, 1)), "edge")[:height, :width]),
        *(np.pad(p, ((0, 1), (0, 1)), "edge")[: (height + 1) // 2, : (width + 1) // 2] for p in (pixels._u, pixels._v)),
        pixels._to_rgb,
    )
    even = cut.rgb()[: height // 2 * 2, : width // 2 * 2]
    expected = cv2.resize(even, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
    assert cut.half().shape == (height // 2, width // 2, 3)
    assert np.abs(cut.half().astype(int) - expected).max() <= 2


def test_rgb_pixels_are_themselves() -> None:
    image = picture(5, (31, 21))
    pixels = RgbPixels(image)
    assert pixels.rgb() is image
    assert pixels.size_wh == (31, 21)
    np.testing.assert_array_equal(pixels.patch(3, 4, 20, 9), image[4:9, 3:20])
    blocks = image[:20, :30].reshape(10, 2, 15, 2, 3).astype(float).mean((1, 3))
    assert np.abs(pixels.half() - blocks).max() <= 0.5


def test_pixels_of_one_row_have_an_empty_half() -> None:
    assert noise((5, 1)).half().shape == (0, 2, 3)
    assert RgbPixels(np.zeros((1, 5, 3), np.uint8)).half().shape == (0, 2, 3)


def test_what_is_shared_cannot_be_written() -> None:
    for pixels in (noise((8, 8)), RgbPixels(picture(1, (8, 8)))):
        with pytest.raises(ValueError, match="read-only"):
            pixels.rgb()[0, 0] = 1
        assert pixels.rgb() is pixels.rgb(), "converted twice"


@pytest.mark.parametrize(
    "rectangle",
    [
        (0, 0, 0, 4),  # no width
        (2, 3, 4, 3),  # no height
        (-1, 0, 4, 4),  # numpy would count from the other end
        (0, 0, 9, 4),  # numpy would cut it short
    ],
)
def test_patches_must_lie_inside(rectangle: tuple[int, int, int, int]) -> None:
    for pixels in (noise((8, 6)), RgbPixels(picture(1, (8, 6)))):
        with pytest.raises(ValueError, match="inside 8x6"):
            pixels.patch(*rectangle)


def test_planes_that_do_not_fit_are_refused() -> None:
    y, u = np.zeros((5, 5), np.uint8), np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"Y \(5, 5\), U \(2, 2\)"):
        YuvPixels(y, u, u, yuv_to_rgb(kr=0.2126, kb=0.0722, is_full_range=False))
    with pytest.raises(ValueError, match="float64"):
        RgbPixels(np.zeros((5, 5, 3)))  # type: ignore[arg-type]


def test_memory_is_counted() -> None:
    pixels = noise((64, 48))
    assert pixels.nbytes == 64 * 48 * 3 // 2
    pixels.rgb()
    assert pixels.nbytes == 64 * 48 * 3 // 2 + 64 * 48 * 3
