"""A span of a video file as a file of its own, by copying its compressed packets: what was filmed stays as it came.

It begins and ends at key frames, so that it plays, and spans that ask for the same key frames are the same bytes. It
knows containers and their clocks; it knows nothing of why a span is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streams.av_source import open_container, packets_of, pick_video
from streams.errors import DecodeError, StreamError, WriteError

MARGIN_SECONDS = 0.5
"""Shown before and after what was asked for, at the least, where the file has it."""

LONGEST_SECONDS = 300.0
"""Of what was asked for; the rest of a longer one is left out, since a board may stand in the picture for hours."""

_IN_MP4 = frozenset({"av1", "h264", "hevc", "mjpeg", "mpeg1video", "mpeg2video", "mpeg4", "vp9"})
_ENTERED_ANYWHERE = frozenset({"mpeg", "mpegts"})
"""They have no index: a moment is searched by its time, and found somewhere between two key frames. Recordings can be
put one after another, each with times of its own."""

_MUXERS = {".mp4": "mp4", ".mkv": "matroska", ".avi": "avi"}

_LOOKING_BACK = (0, 2, 12, 60, 10**9)
"""Seconds; a stream that is entered anywhere is entered earlier until there is a key frame before what is wanted."""


@dataclass(frozen=True, slots=True)
class Span:
    """What was copied. Ticks are the source's; the first picture of the copy is at 0, and shows `start_pts`.

    suffix: of the container that the codec wants: `.mp4`, else `.mkv`; `.avi` keeps what has no times of its own
    start_pts: of the key frame that it begins with; end_pts: where its last picture ends
    is_whole: all that was asked for is in it
    """

    suffix: str
    start_pts: int
    end_pts: int
    time_base: Fraction
    is_whole: bool


@dataclass(frozen=True, slots=True)
class _Copied:
    """A packet with its times: of showing, and of decoding where that is known, ticks."""

    packet: Packet[VideoStream]
    pts: int
    dts: int | None


def copy_span(
    path: str | Path, target: Path, *, start_pts: int, end_pts: int, longest_seconds: float = LONGEST_SECONDS
) -> Span:
    """Copy the video from the key frame before a moment to the one after another into a file, without sound.

    start_pts, end_pts: ticks of the video's own clock, as `Frame.pts`
    longest_seconds: more of it makes larger files; what comes later is left out, and `is_whole` says so

    Nothing is decoded or encoded. The target's name does not say the format: `Span.suffix` does. Raises StreamError
    where the source cannot be read, or holds no such span (DecodeError), WriteError where the target cannot be written;
    what was begun is then gone.
    """
    try:
        with open_container(str(path)) as source:
            video = pick_video(source, str(path))
            time_base = video.time_base or Fraction(1, 90_000)
            margin = round(MARGIN_SECONDS / time_base)
            until = min(end_pts, start_pts + round(longest_seconds / time_base))
            suffix = _suffix(source, video)
            packets = _between(source, video, start_pts - margin, until + margin, has_pts=suffix != ".avi")
            start, end = _write(packets, video, target, suffix)
        if end <= start_pts or start >= end_pts:
            raise DecodeError(f"{path}: holds nothing at {float(start_pts * time_base):.3f} s of its clock")
    except BaseException:
        with suppress(OSError):
            target.unlink(missing_ok=True)
        raise
    return Span(suffix, start, end, time_base, is_whole=start <= start_pts and end >= end_pts)


def has_one_clock(path: str | Path) -> bool:
    """Say whether a moment of this file is found by its time. Raises StreamError.

    Transport and program streams may have been put together from several, with times that begin again: such a file is
    read through, without decoding.
    """
    with open_container(str(path)) as source:
        video = pick_video(source, str(path))
        if source.format.name not in _ENTERED_ANYWHERE:
            return True
        last = None
        with suppress(av.FFmpegError):
            for packet in packets_of(source, video):
                if packet.dts is None:
                    continue
                if last is not None and packet.dts < last:
                    return False
                last = packet.dts
    return True


def _suffix(source: InputContainer, video: VideoStream) -> str:
    if source.format.name == "avi":
        return ".avi"
    return ".mp4" if video.codec_context.name in _IN_MP4 else ".mkv"


def _between(source: InputContainer, video: VideoStream, start: int, end: int, *, has_pts: bool) -> Iterator[_Copied]:
    """Yield the packets from the last key frame not after `start` to the first one after `end`, without that one.

    has_pts: else packets tell only when they are decoded, and that stands for both
    """
    first = None
    try:
        for packet in _from_key_frame(source, video, start, has_pts=has_pts):
            pts, dts = packet.pts if has_pts else packet.dts, packet.dts
            if pts is None:
                continue
            if first is None:
                first = pts
            elif packet.is_keyframe and dts is not None and dts > end:
                return
            if pts >= first:  # what is shown before the key frame is made of pictures that are not here
                yield _Copied(packet, pts, dts)
    except av.FFmpegError as error:
        raise DecodeError(f"{source.name}: {error.strerror}") from error


def _from_key_frame(
    source: InputContainer, video: VideoStream, start: int, *, has_pts: bool
) -> Iterator[Packet[VideoStream]]:
    """Return packets from the last key frame that is shown at `start` or before; from the file's first if none is."""
    second = 1 / (video.time_base or Fraction(1, 90_000))
    beginning = video.start_time or 0
    if source.format.name in _ENTERED_ANYWHERE:
        beginning -= round(second)  # its first picture is decoded before it is shown
    head: list[Packet[VideoStream]] = []
    for back in _LOOKING_BACK:
        at = max(beginning, start - round(back * second))
        source.seek(at, stream=video, backward=True)
        packets = (packet for packet in packets_of(source, video) if packet.size)
        for packet in packets:
            pts = packet.pts if has_pts else packet.dts
            is_late = pts is not None and pts > start
            if is_late and head:
                return chain(head, [packet], packets)
            if is_late and at > beginning:
                break
            if packet.is_keyframe:
                head = [packet]
            elif head:
                head.append(packet)
        else:
            break
    return iter(head)


def _write(packets: Iterable[_Copied], video: VideoStream, target: Path, suffix: str) -> tuple[int, int]:
    """Put the packets into a file, the first one at 0; return where they start and end."""
    options = {"fflags": "+bitexact"}  # no version and no random id: the same packets make the same file
    if suffix == ".mp4":
        options["movflags"] = "+faststart"
    step = round(1 / ((video.average_rate or 25) * (video.time_base or Fraction(1, 90_000))))
    start = None
    end = 0
    try:
        with av.open(str(target), "w", format=_MUXERS[suffix], options=options) as container:
            stream = container.add_stream_from_template(video, opaque=True)
            if suffix == ".mp4" and video.codec_context.name == "hevc":
                stream.codec_context.codec_tag = "hvc1"  # which Apple's players ask for
            for copied, dts in _with_decode_times(packets):
                packet, start = copied.packet, copied.pts if start is None else start
                end = max(end, copied.pts + (packet.duration or step))
                packet.pts, packet.dts = copied.pts - start, dts - start
                packet.stream = stream
                container.mux(packet)
    except (av.FFmpegError, OSError, ValueError) as error:
        if isinstance(error, StreamError):
            raise
        raise WriteError(f"{target}: cannot be written: {getattr(error, 'strerror', None) or error}") from error
    return start or 0, end


def _with_decode_times(packets: Iterable[_Copied]) -> Iterator[tuple[_Copied, int]]:
    """Give each packet a rising time of decoding; Matroska keeps none, and the first ones after a seek lack them."""
    waiting: list[_Copied] = []
    last: int | None = None
    for copied in packets:
        if copied.dts is None and last is None:
            waiting.append(copied)
            continue
        known = copied.dts if copied.dts is not None else (last or 0) + 1
        yield from ((each, known - len(waiting) + place) for place, each in enumerate(waiting))
        waiting = []
        last = known if last is None else max(known, last + 1)
        yield copied, last
    yield from ((each, each.pts - len(waiting) + place) for place, each in enumerate(waiting))
