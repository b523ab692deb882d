"""Still images: one of them, or a folder of them as a slow video. Knows nothing of FFmpeg."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from PIL import Image as Pillow
from PIL import ImageOps

from streams.errors import DecodeError, OpenError
from streams.frame import Frame, StreamInfo
from streams.pixels import Image, RgbPixels

log = logging.getLogger(__name__)

IMAGE_SUFFIXES = frozenset({".bmp", ".jfif", ".jpeg", ".jpg", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"})
"""Lower case. An animated GIF is a video here."""

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""No others are tried: each of Pillow's parsers is one more that a strange file can reach."""

_MAX_PIXELS = 1 << 26
"""8192 by 8192; a header that claims more is refused before memory is taken for it."""


def read_image(file: Path | BinaryIO) -> Image:
    """Read an image as it is meant to be seen, RGB uint8 (H, W, 3).

    EXIF's orientation is applied, 16 bits become 8, grey becomes RGB, and transparency shows white.
    Raises DecodeError where it is no image, a damaged one or one of more than 67 million pixels.
    """
    try:
        with Pillow.open(file, formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise DecodeError(f"{_label(file)}: {image.width}x{image.height} pixels are too many")
            upright = ImageOps.exif_transpose(image)
            return _as_rgb(upright)
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError(f"{_label(file)}: not an image, or a damaged one") from error


class ImageSource:
    """A folder's images in natural order (2 before 10), `fps` of them a second.

    What is not named like an image is passed over; what is, and cannot be read, is counted in `corrupt_packets`. The
    other counters are described at `streams.source.Source`. The first image is read when it is opened.

    paths: in any order; place: where they come from, for messages.
    """

    def __init__(self, paths: Iterable[Path], *, place: str, name: str, fps: float) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be above 0, got {fps}")
        self.corrupt_packets = 0
        self.resolution_changes = 0
        self.is_truncated = False
        images = sorted((p for p in paths if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()), key=_natural)
        self._images = self._read(images)
        self._first = next(self._images, None)
        if self._first is None:
            raise OpenError(f"{place}: no images there" if not images else f"{place}: no image there can be read")
        time_base = 1 / Fraction(fps).limit_denominator(1001)
        self.info = StreamInfo(
            name=name,
            size_wh=RgbPixels(self._first).size_wh,
            average_fps=float(1 / time_base),
            time_base=time_base,
            is_live=False,
            started_at=None,
            duration_seconds=float(len(images) * time_base),
        )

    def __iter__(self) -> Iterator[Frame]:
        image, self._first = self._first, None
        time_base, size_wh = self.info.time_base, self.info.size_wh
        index = 0
        while image is not None:
            frame = Frame(
                stream=self.info.name,
                index=index,
                pts=index,
                time_base=time_base,
                pts_seconds=float(index * time_base),
                duration_seconds=float(time_base),
                received_at=time.monotonic(),
                is_corrupt=False,
                pixels=RgbPixels(image),
            )
            self.resolution_changes += frame.size_wh != size_wh
            size_wh = frame.size_wh
            yield frame
            image = next(self._images, None)
            index += 1

    def close(self) -> None:
        self._first = None
        self._images.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, paths: Iterable[Path]) -> Generator[Image, None, None]:
        for path in paths:
            try:
                yield read_image(path)
            except DecodeError as error:
                self.corrupt_packets += 1
                log.warning("%s; passed over", error)


def _as_rgb(image: Pillow.Image) -> Image:
    if image.mode.startswith("I"):  # 16 bits of grey; Pillow would cut them off at 255
        grey = np.clip(np.asarray(image, np.int64), 0, 65535)
        return np.repeat(((grey + 128) // 257).astype(np.uint8)[..., None], 3, axis=2)
    if image.has_transparency_data:
        ground = Pillow.new("RGBA", image.size, "white")
        image = Pillow.alpha_composite(ground, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts numbers within names by value."""
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", str(path))]


def _label(file: Path | BinaryIO) -> str:
    return str(file) if isinstance(file, Path) else str(getattr(file, "name", "image"))
