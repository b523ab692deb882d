"""Frames of anything that FFmpeg reads, by PyAV. Knows containers and their clocks; knows nothing of reconnecting."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream

from streams.av_pixels import AvPixels
from streams.clock import MediaClock
from streams.deinterlace import Deinterlacer
from streams.errors import OpenError
from streams.frame import Frame, StreamInfo

log = logging.getLogger(__name__)

_MAX_PIXELS = 1 << 26
"""8192 by 8192; a header that claims more is refused before memory is taken for it."""

_NOT_VIDEO = frozenset({"tty", "hls", "concat", "dash", "sdp"})
"""What FFmpeg makes of text: pictures of letters, and lists that lead to other files."""

_READ_ATTEMPTS = 100
"""Failures to read a packet, one right after the other, before the file is given up."""

_LARGEST_HEADER = 1024
"""Bytes that may lie between the place that a demuxer names and the data of the packet."""

_SLACK_FRAMES = 3
"""Headers and packets disagree about the end by up to so many frames; a file that lacks more is truncated."""


_MATROSKA_LENGTH = re.compile(r"(\d+):(\d+):(\d+(?:\.\d+)?)")
"""Of one stream: 00:01:02.345000000."""


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    """A decoded frame that has its place in time, but no duration yet."""

    frame: VideoFrame
    index: int
    pts: int
    received_at: float


class AvSource:
    """The video of one file; of several in it, the one that players show.

    The first frame is decoded when it is opened, so a file without a picture fails there. Iterate it once, in one
    thread; the counters are described at `streams.source.Source`.

    threads: of the decoder; 0 is one a core. With more, frames are decoded side by side: faster, as many frames later,
        and not repeatable where the file is damaged, since FFmpeg's threads race each other to patch the holes.
    """

    def __init__(self, path: str, *, name: str, threads: int = 1) -> None:
        self.corrupt_packets = 0
        self.resolution_changes = 0
        self.is_truncated = False
        self._corrupt_frames = 0
        self._is_closed = False
        self.path = self._path = path
        self._pixels = AvPixels()
        self._container = open_container(path)
        try:
            self._stream = pick_video(self._container, path)
            self._time_base = self._stream.time_base or Fraction(1, 90_000)
            self._declared_end = _declared_end(self._container, self._stream)
            self._clock = MediaClock(nominal=round(1 / (self._time_base * (self._stream.average_rate or 25))))
            self._stream.codec_context.options = {"max_pixels": str(_MAX_PIXELS)}
            self._stream.thread_type = "AUTO"
            self._stream.thread_count = threads
            self._moments = self._timed(_progressive(self._decoded(self._packets())))
            self._first = next(self._moments, None)
            if self._first is None:
                raise OpenError(f"{path}: no picture in it can be decoded")
            self.info = self._describe(name, self._pixels(self._first.frame).size_wh)
        except BaseException:
            self._container.close()
            raise

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames, each one when the next is known: that one ends it."""
        moment, self._first = self._first, None
        if moment is None:
            return
        first_pts, size_wh = moment.pts, self._pixels(moment.frame).size_wh
        try:
            while moment is not None and not self._is_closed:
                following = next(self._moments, None)
                if following is not None:
                    end = following.pts
                else:
                    end = moment.pts + (moment.frame.duration or self._clock.typical_step)
                    self._judge_the_end(end, end - first_pts)
                frame = Frame(
                    stream=self.info.name,
                    index=moment.index,
                    pts=moment.pts,
                    time_base=self._time_base,
                    pts_seconds=float((moment.pts - first_pts) * self._time_base),
                    duration_seconds=float((end - moment.pts) * self._time_base),
                    received_at=moment.received_at,
                    is_corrupt=moment.frame.is_corrupt,
                    pixels=self._pixels(moment.frame),
                )
                if frame.size_wh != size_wh:
                    self.resolution_changes += 1
                    log.warning(
                        "%s: %s at %.3f s, was %s", self._path, _by(frame.size_wh), frame.pts_seconds, _by(size_wh)
                    )
                    size_wh = frame.size_wh
                self._corrupt_frames += frame.is_corrupt
                yield frame
                moment = following
        finally:
            self.close()

    def close(self) -> None:
        self._is_closed = True
        self._first = None
        self._moments.close()  # before the container: a generator that goes on reading a closed one would crash
        self._container.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield packets to the end, past what cannot be read; the last one is empty and makes the decoder give all."""
        failures = 0
        packets = packets_of(self._container, self._stream)
        while failures < _READ_ATTEMPTS:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                failures += 1
                packets = packets_of(self._container, self._stream)  # the one that raised is over
                continue
            if packet is None:
                break
            if packet.size:
                self.corrupt_packets += failures
                failures = 0
            if packet.is_corrupt and (packet.pos or 0) + packet.size + _LARGEST_HEADER >= self._container.size > 0:
                self.is_truncated = True  # the file ends within this packet, which decodes to nothing good
            else:
                yield packet
        self.is_truncated |= failures > 0

    def _decoded(self, packets: Iterable[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        for packet in packets:
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                self.corrupt_packets += 1
                log.debug("%s: packet at %s: %s", self._path, packet.pts, error.strerror)

    def _timed(self, frames: Iterable[VideoFrame]) -> Generator[_Moment, None, None]:
        # AVI stores no presentation times. FFmpeg then puts those of decoding into the packets in the order of
        # decoding, which with B-frames is not that of showing; `dts` is what it was when the frame came out.
        has_no_pts = self._container.format.name == "avi"
        for index, frame in enumerate(frames):
            pts = self._clock.place(frame.dts if has_no_pts else frame.pts)
            yield _Moment(frame, index, pts, time.monotonic())

    def _judge_the_end(self, end: int, ticks: int) -> None:
        """Log what was wrong with the stream, once, at its end."""
        lacking = 0 if self._declared_end is None else self._declared_end - end
        self.is_truncated |= _is_torn_ts(self._container) or lacking > _SLACK_FRAMES * self._clock.typical_step
        if self.is_truncated:
            rest = f", {float(lacking * self._time_base):.1f} s before its end" if lacking > 0 else ""
            log.warning("%s: truncated, breaks off after %.1f s%s", self._path, float(ticks * self._time_base), rest)
        if self.corrupt_packets or self._corrupt_frames:
            damage = f"{self.corrupt_packets} packets could not be decoded, {self._corrupt_frames} frames are damaged"
            log.warning("%s: %s", self._path, damage)
        if self._clock.resets:
            log.warning("%s: its clock was reset %d times", self._path, self._clock.resets)

    def _describe(self, name: str, size_wh: tuple[int, int]) -> StreamInfo:
        stream, container = self._stream, self._container
        seconds = None
        if stream.duration is not None:
            seconds = float(stream.duration * self._time_base)
        elif container.duration is not None:
            seconds = container.duration / av.time_base
        return StreamInfo(
            name=name,
            size_wh=size_wh,
            average_fps=None if stream.average_rate is None else float(stream.average_rate),
            time_base=self._time_base,
            is_live=False,
            started_at=_creation_time(container),
            duration_seconds=seconds,
        )


def open_container(path: str) -> InputContainer:
    """Open a file as FFmpeg reads it. Raises OpenError."""
    try:
        if Path(path).stat().st_size == 0:
            raise OpenError(f"{path}: the file is empty")
        # A file leads to no other address, and a colon in its name makes no protocol of it.
        options = {"max_pixels": str(_MAX_PIXELS), "protocol_whitelist": "file"}
        container = av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.InvalidDataError as error:
        raise OpenError(f"{path}: not a video, or one that breaks off before its index") from error
    except (av.FFmpegError, OSError) as error:
        if isinstance(error, OpenError):
            raise
        raise OpenError(f"{path}: cannot be opened: {error.strerror}") from error
    if container.format.name in _NOT_VIDEO:
        container.close()
        raise OpenError(f"{path}: not a video")
    return container


def pick_video(container: InputContainer, path: str) -> VideoStream:
    """Return the video that players show; cover art of music is none. Raises OpenError."""
    videos = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not videos:
        raise OpenError(f"{path}: holds no video")
    best = container.streams.best("video")
    video = next((s for s in videos if s is best), videos[0])
    if video.codec_context is None:
        raise OpenError(f"{path}: no decoder for its video")
    return video


def packets_of(container: InputContainer, video: VideoStream) -> Iterator[Packet[VideoStream]]:
    """Yield the packets of a stream, and an empty one at the end. Raises FFmpegError, after which it is over.

    Where streams have appeared on the way, as in a damaged or a joined transport stream, PyAV looks for them at the end
    among those that were there at the beginning, and finds none.
    """
    with suppress(IndexError):
        yield from container.demux(video)


def _progressive(frames: Iterable[VideoFrame]) -> Iterator[VideoFrame]:
    deinterlacer = Deinterlacer()
    for frame in frames:
        yield from deinterlacer.push(frame)
    yield from deinterlacer.flush()


def _declared_end(container: InputContainer, stream: VideoStream) -> int | None:
    """Return the tick at which the video ends as the container's header says, None where it does not.

    Of a file with sound and no length for each of its streams the length says nothing about the video.
    """
    if stream.duration is not None:
        return (stream.start_time or 0) + stream.duration
    time_base = stream.time_base or Fraction(1, 90_000)
    if match := _MATROSKA_LENGTH.fullmatch(stream.metadata.get("DURATION", "")):
        hours, minutes, seconds = map(Fraction, match.groups())
        return int((hours * 3600 + minutes * 60 + seconds) / time_base)
    if container.duration is not None and len(container.streams) == 1:
        return int(Fraction(container.duration, av.time_base) / time_base)
    return None


def _is_torn_ts(container: InputContainer) -> bool:
    """Whether a transport stream, which states no length, ends within a packet of 188 (on Blu-ray 192) bytes."""
    return container.format.name == "mpegts" and bool(container.size % 188 and container.size % 192)


def _creation_time(container: InputContainer) -> datetime | None:
    try:
        moment = datetime.fromisoformat(container.metadata["creation_time"])
    except (KeyError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _by(size_wh: tuple[int, int]) -> str:
    return "{}x{}".format(*size_wh)
