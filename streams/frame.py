"""A frame: the pixels of one moment of one stream, and what is known of the stream they come from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from streams.gap import WallClock
from streams.pixels import Image, Pixels, Plane


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """What is known of a stream when it is opened.

    name: folder and label, see `urls.stream_name`
    size_wh: pixels of the first frame as it is shown, rotation applied; later frames may differ. None of a live stream
        that has not given one yet
    average_fps: as the container says, None where it does not; never use it for times
    time_base: seconds a tick of `Frame.pts`
    is_live: frames come at the world's pace, and the end of the stream is a fault
    started_at: UTC of the first frame, None if unknown; of a file it is the container's creation time, which is as
        right as the camera's clock was, and in a file that was encoded again is the time of that
    duration_seconds: as the container says, None where it does not or where there is no end
    """

    name: str
    size_wh: tuple[int, int] | None
    average_fps: float | None
    time_base: Fraction
    is_live: bool
    started_at: datetime | None
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One decoded frame. It fits where a detector asks for a picture.

    stream: the name of its stream
    index: decoded frames before it in its stream
    pts: presentation time in ticks, rising from frame to frame
    time_base: seconds a tick
    pts_seconds: seconds since the stream's first frame
    duration_seconds: until the next frame; of the last one what its packet says, else the median of those before
    received_at: `time.monotonic()` when it was decoded; for latency, never for times of events
    is_corrupt: the decoder says that it had to make up a part of it; it does not always know
    pixels: in their native form
    wall_clock: of a live stream, how its times lie in the world's
    """

    stream: str
    index: int
    pts: int
    time_base: Fraction
    pts_seconds: float
    duration_seconds: float
    received_at: float
    is_corrupt: bool
    pixels: Pixels
    wall_clock: WallClock | None = None

    @property
    def size_wh(self) -> tuple[int, int]:
        """Pixels, as the frame is shown: phones' rotation is applied."""
        return self.pixels.size_wh

    @property
    def nbytes(self) -> int:
        """Bytes of memory that the pixels hold, the cached RGB picture with them."""
        return self.pixels.nbytes

    def rgb(self) -> Image:
        """Return the whole picture, RGB uint8 (H, W, 3), read-only; converted once, then kept."""
        return self.pixels.rgb()

    def half(self) -> Image:
        """Return the picture at half its size, averaged two by two: RGB uint8 (H // 2, W // 2, 3)."""
        return self.pixels.half()

    def patch(self, x1: int, y1: int, x2: int, y2: int) -> Image:
        """Return a rectangle at full resolution, RGB uint8 (y2 - y1, x2 - x1, 3); converts no more than that.

        Raises ValueError where the rectangle is empty or does not lie inside the picture.
        """
        return self.pixels.patch(x1, y1, x2, y2)

    def luma(self, step: int) -> Plane:
        """Return the brightness of every `step`-th pixel of every `step`-th row, uint8, sizes rounded up.

        In the stream's own range, not spread to 0-255; it may be a view of the decoder's memory.
        """
        return self.pixels.luma(step)
