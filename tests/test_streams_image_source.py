"""Still images as a slow video: every kind of image, in the order of their names."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from streams.errors import DecodeError, OpenError
from streams.image_source import read_image
from streams.source import open_source
from tests.media import number_of, picture


def save(path: Path, number: int = 0, *, size_wh: tuple[int, int] = (64, 48), **options: object) -> Path:
    Pillow.fromarray(picture(number, size_wh)).save(path, **options)  # type: ignore[arg-type]
    return path


def test_a_folder_in_natural_order_without_what_is_no_image(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, name in enumerate(["1.png", "2.JPG", "10.webp", "a1.bmp", "a02.ppm", "a10.tiff"]):
        save(tmp_path / name, number)
    (tmp_path / "3.txt").write_text("boxes")
    (tmp_path / "3.png").write_text("not a picture")
    (tmp_path / "folder.png").mkdir()
    with open_source(str(tmp_path), name="stills") as source:
        frames = list(source)
    assert [number_of(frame.rgb()) for frame in frames] == list(range(6))
    assert [frame.index for frame in frames] == list(range(6))
    assert [frame.pts_seconds for frame in frames] == list(range(6))
    assert {frame.duration_seconds for frame in frames} == {1}
    assert {frame.stream for frame in frames} == {"stills"}
    assert source.corrupt_packets == 1
    assert "3.png: not an image, or a damaged one; passed over" in caplog.text
    assert not source.is_truncated


def test_pace(tmp_path: Path) -> None:
    for number in range(4):
        save(tmp_path / f"{number}.png", number)
    with open_source(str(tmp_path), image_fps=29.97) as source:
        frames = list(source)
    assert source.info.average_fps == pytest.approx(29.97)
    assert source.info.duration_seconds == pytest.approx(4 / 29.97)
    assert frames[3].pts_seconds == pytest.approx(3 / 29.97)
    assert [frame.pts for frame in frames] == [0, 1, 2, 3]
    for pace in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="fps"):
            open_source(str(tmp_path), image_fps=pace)


@pytest.mark.parametrize("pattern", ["*.png", "still[0-9].png", "still?.*", "still1.png"])
def test_globs_and_single_images(tmp_path: Path, pattern: str) -> None:
    save(tmp_path / "still1.png", 1)
    (tmp_path / "other.jpg").write_text("")
    with open_source(str(tmp_path / pattern)) as source:
        assert [number_of(frame.rgb()) for frame in source] == [1]
        assert source.corrupt_packets == 0


def test_sizes_may_differ(tmp_path: Path) -> None:
    for name, size_wh in [("1.png", (64, 48)), ("2.png", (64, 48)), ("3.png", (33, 21)), ("4.png", (64, 48))]:
        save(tmp_path / name, size_wh=size_wh)
    with open_source(str(tmp_path)) as source:
        assert [frame.size_wh for frame in source] == [(64, 48), (64, 48), (33, 21), (64, 48)]
    assert source.resolution_changes == 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path: Path, orientation: int) -> None:
    upright = picture(0b10010011, (64, 48))
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: np.rot90(upright, 2),
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),  # to be turned clockwise
        7: np.rot90(upright.transpose(1, 0, 2), 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "photo.png"
    Pillow.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
    np.testing.assert_array_equal(read_image(path), upright)


RAMP = np.linspace(0, 1, 256)[None].repeat(8, 0)
"""Black to white, (8, 256)."""


def png(*, bits: int, colour_type: int, samples: np.ndarray) -> bytes:
    """Write a PNG by hand: Pillow writes no 16-bit colour. samples: big-endian, (H, W) or (H, W, channels)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in samples)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("8-bit grey", png(bits=8, colour_type=0, samples=np.round(RAMP * 255).astype("u1"))),
        ("16-bit grey", png(bits=16, colour_type=0, samples=np.round(RAMP * 65535).astype(">u2"))),
        (
            "16-bit RGB",
            png(bits=16, colour_type=2, samples=np.round(RAMP * 65535).astype(">u2")[..., None].repeat(3, 2)),
        ),
    ],
)
def test_depths(kind: str, data: bytes) -> None:
    image = read_image(BytesIO(data))
    assert image.shape == (8, 256, 3)
    assert np.abs(image.astype(int) - np.round(RAMP * 255)[..., None]).max() <= 1, kind


def test_sixteen_bit_tiff(tmp_path: Path) -> None:
    path = tmp_path / "grey.tif"
    Pillow.fromarray(np.round(RAMP * 65535).astype(np.uint16)).save(path)
    assert np.abs(read_image(path).astype(int) - np.round(RAMP * 255)[..., None]).max() <= 1


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_shows_white(tmp_path: Path, mode: str) -> None:
    image = Pillow.new("RGBA", (4, 2), (0, 0, 0, 0))  # transparent black
    image.paste((200, 200, 200, 255), (2, 0, 4, 2))
    path = tmp_path / "sign.png"
    image.convert(mode).save(path)
    shown = read_image(path)
    assert (shown[:, :2] == 255).all()
    assert (shown[:, 2:] == 200).all()


def test_palettes_and_ink(tmp_path: Path) -> None:
    for mode, suffix in [("P", "png"), ("CMYK", "jpg"), ("YCbCr", "jpg"), ("1", "png")]:
        path = tmp_path / f"{mode}.{suffix}"
        Pillow.fromarray(picture(0b10100101, (64, 48))).convert(mode).save(path)
        assert number_of(read_image(path)) == 0b10100101, mode


def test_phones_multi_picture_jpeg_is_an_image(tmp_path: Path) -> None:
    first, second = (Pillow.fromarray(picture(number, (64, 48))) for number in (7, 8))
    path = tmp_path / "photo.jpg"
    first.save(path, format="MPO", save_all=True, append_images=[second])
    assert number_of(read_image(path)) == 7


def test_images_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.jpg", size_wh=(320, 240)).read_bytes()
    bomb = png(bits=8, colour_type=0, samples=np.zeros((1, 1), "u1")).replace(
        struct.pack(">II", 1, 1), struct.pack(">II", 9000, 9000), 1
    )
    for name, data, message in [
        ("torn.jpg", whole[: len(whole) // 2], "not an image, or a damaged one"),
        ("text.png", b"a letter", "not an image"),
        ("empty.png", b"", "not an image"),
        ("bomb.png", bomb, "9000x9000 pixels are too many|not an image"),
        ("letters.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n", "not an image"),  # a format that is not read at all
    ]:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DecodeError, match=f"{name}: ({message})"):
            read_image(tmp_path / name)


def test_a_claim_of_too_many_pixels_is_refused_by_its_header() -> None:
    """The checksum of the header is right, so that it is the size that is refused."""
    body = struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    header = struct.pack(">I", len(body)) + b"IHDR" + body + struct.pack(">I", zlib.crc32(b"IHDR" + body))
    rest = png(bits=8, colour_type=0, samples=np.zeros((1, 1), "u1"))[33:]
    with pytest.raises(DecodeError, match="9000x9000 pixels are too many"):
        read_image(BytesIO(b"\x89PNG\r\n\x1a\n" + header + rest))


def test_places_without_images_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a letter")
    (tmp_path / "lies").mkdir()
    (tmp_path / "lies" / "a.png").write_text("a letter")
    for place, message in [
        ("empty", "no images there"),
        ("texts", "no images there"),
        ("texts/*.txt", "no images there"),
        ("lies", "no image there can be read"),
        ("*.png", "no such file or folder"),
    ]:
        with pytest.raises(OpenError) as caught:
            open_source(str(tmp_path / place))
        assert str(caught.value) == f"{tmp_path / place}: {message}"


def test_none_after_closing(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"{number}.png", number)
    source = open_source(str(tmp_path))
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []
