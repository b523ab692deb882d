"""A video file of RGB pictures: H.264 with the times of its source. Knows nothing of what is drawn in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import cv2
import numpy as np
from av import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from streams.errors import WriteError
from streams.pixels import Image

_FRAGMENT_FRAMES = 60
"""Pictures from one key frame to the next: what is lost when the process is killed."""

_BT709, _LIMITED_RANGE = 1, 1
"""Numbers of ITU-T H.273 and of FFmpeg."""


class VideoWriter:
    """Encodes pictures into a video file, mp4 or what else the suffix says. Use it in a `with`, or close it.

    An mp4 is written in fragments and becomes an ordinary one when it is closed, so what a crash or a kill leaves can
    be played but for the last 60 pictures. There are no B-frames: the times are the source's without an edit list,
    and the first one is at 0. Single-threaded; the encoder's own threads are x264's affair.

    size_wh: of the video. H.264 wants even sizes: an odd one grows by a row or column that repeats its edge. A picture
        of another size is fitted in, with black bars.
    time_base: seconds a tick of the file's clock; the source's own keeps its times exactly.
    quality: x264's crf; 6 more is about half the size, and looks worse.
    preset: x264's; a slower one makes smaller files of the same quality.
    """

    def __init__(
        self,
        path: str | Path,
        size_wh: tuple[int, int],
        *,
        time_base: Fraction,
        quality: int = 23,
        preset: str = "veryfast",
    ) -> None:
        self._path = Path(path)
        self._size_wh = size_wh
        self._time_base = time_base
        self._reformatter = VideoReformatter()
        self._origin: Fraction | None = None
        self._last_tick = -1
        self._durations: dict[int, int] = {}
        # Fragments reach the file when they are whole only if nothing is held back for the sake of long writes.
        options = {"flush_packets": "1"}
        if self._path.suffix.lower() in (".mp4", ".mov", ".m4v"):
            options["movflags"] = "hybrid_fragmented"
        try:
            self._container = av.open(str(self._path), "w", options=options)
            # FFmpeg opens the file with the first picture; a place that cannot be written should be known at once.
            # (Its header cannot be written now either: without a picture after it, FFmpeg crashes at the end.)
            self._path.open("wb").close()
        except (av.FFmpegError, OSError, ValueError) as error:
            raise self._failure(error) from error
        self._is_open = True
        with self._guarded():
            self._stream = self._add_stream(quality, preset)

    def write(self, image: Image, *, pts: int, duration: int = 0, time_base: Fraction | None = None) -> None:
        """Append a picture, RGB uint8 (H, W, 3).

        pts, duration: ticks of `time_base`, the writer's own if None. A pts that does not rise is placed one tick after
        the one before. The duration matters for the last picture, since the others last until the next; 0: unknown.
        """
        if not self._is_open:
            raise WriteError(f"{self._path}: is closed")
        scale = (time_base or self._time_base) / self._time_base
        if self._origin is None:
            self._origin = pts * scale
        tick = max(round(pts * scale - self._origin), self._last_tick + 1)
        self._last_tick = tick
        self._durations[tick] = round(duration * scale)
        frame = VideoFrame.from_ndarray(_fitted(image, self._size_wh), format="rgb24")
        frame = self._reformatter.reformat(
            frame,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )
        frame.pts, frame.time_base = tick, self._time_base
        self._encode(frame)

    def close(self) -> None:
        """Write what is held back and the end of the file. May be called again."""
        if self._is_open:
            self._encode(None)
            self._is_open = False
            with self._guarded():
                self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _encode(self, frame: VideoFrame | None) -> None:
        """Encode a frame, or with None what the encoder still holds."""
        with self._guarded():
            for packet in self._stream.encode(frame):
                if duration := self._durations.pop(packet.pts or 0, 0):
                    packet.duration = duration
                self._container.mux(packet)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        """Turn FFmpeg's errors into ours; after one of them close for good, since it crashes when it is to go on."""
        try:
            yield
        except (av.FFmpegError, OSError) as error:
            self._is_open = False
            with suppress(av.FFmpegError, OSError):
                self._container.close()
            raise self._failure(error) from error

    def _add_stream(self, quality: int, preset: str) -> VideoStream:
        stream = self._container.add_stream("libx264", options={"crf": str(quality), "preset": preset})
        stream.width, stream.height = (size + size % 2 for size in self._size_wh)
        stream.pix_fmt = "yuv420p"
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.gop_size = _FRAGMENT_FRAMES
        context.max_b_frames = 0
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    def _failure(self, error: Exception) -> WriteError:
        reason = getattr(error, "strerror", None) or str(error)
        return WriteError(f"{self._path}: cannot be written: {reason}")


def _fitted(image: Image, size_wh: tuple[int, int]) -> Image:
    """Return the picture at the video's size, made even: scaled to fit with black bars where it has another size."""
    height, width = image.shape[:2]
    if (width, height) != size_wh:
        scale = min(size_wh[0] / width, size_wh[1] / height)
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
        scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (size_wh[0] - width) // 2, (size_wh[1] - height) // 2
        image = np.zeros((size_wh[1], size_wh[0], 3), np.uint8)
        image[top : top + height, left : left + width] = scaled
    rows, columns = image.shape[0] % 2, image.shape[1] % 2
    return np.pad(image, ((0, rows), (0, columns), (0, 0)), mode="edge") if rows or columns else image
