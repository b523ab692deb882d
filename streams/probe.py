"""What a stream really is, measured over some seconds of it: packets, pictures and clocks. Shows nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import av
from av.packet import Packet
from av.video.stream import VideoStream

from streams.av_live import AvConnection
from streams.av_pixels import likely_matrix
from streams.av_source import AvSource, open_container, packets_of, pick_video
from streams.errors import OpenError, StreamError
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source
from streams.trust import Trust
from streams.urls import redact, scheme_of

_MATRICES = {1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020", 10: "BT.2020"}
"""Of ITU-T H.273."""

_RANGES = {1: "limited", 2: "full"}

_GST_CODECS = {"x-h264": "h264", "x-h265": "hevc", "x-av1": "av1", "x-vp8": "vp8", "x-vp9": "vp9", "jpeg": "mjpeg"}
_GST_FORMATS = {"I420": "yuv420p", "Y42B": "yuv422p", "Y444": "yuv444p", "NV12": "nv12", "I420_10LE": "yuv420p10le"}
_GST_MATRICES = {"2": "FCC", "3": "BT.709", "4": "BT.601", "5": "SMPTE 240M", "6": "BT.2020"}
_GST_RANGES = {"1": "full", "2": "limited"}
_GST_COLOURS = {"bt601": ("BT.601", "limited"), "bt709": ("BT.709", "limited"), "bt2020": ("BT.2020", "limited")}

_SPREAD = 0.2
"""Of the usual distance of frames; nine in ten of a constant rate lie closer together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What was found. None, of anything, is: the stream does not say, or it could not be measured.

    url: without secrets
    backend: `pyav`, `gstreamer`, or `images` for what is no video
    opened_seconds, first_picture_seconds: from the beginning to where the stream was known, and to its first picture
    matrix, range: of colours; `is_matrix_told`, `is_range_told`: or what is taken where the stream is silent
    declared_fps, measured_fps: frames a second by the header, and by their times
    arrival_fps: and by when they came, of a live stream
    is_variable: the distances of frames differ by more than a fifth
    key_frames: packets that can be begun with; key_frame_frames, key_frame_seconds: the longest way between two
    has_b_frames: frames are stored in another order than shown
    clock: how the times lie in the world's: `rtcp`, `program_date`, `arrival`, `container`
    clock_error_seconds: how far that may be off
    disordered: packets whose decoding time lies before the last one's
    jumps: steps of more than a second, or back, between pictures; longest_step_seconds: of all
    bits_per_second: of the video
    sound: its codec, "" for none
    ended: why it ended before the time was over
    """

    url: str
    backend: str
    is_live: bool
    seconds: float
    container: str | None = None
    codec: str | None = None
    profile: str | None = None
    decoder: str | None = None
    is_hardware: bool | None = None
    size_wh: tuple[int, int] | None = None
    pixel_format: str | None = None
    matrix: str | None = None
    is_matrix_told: bool | None = None
    range: str | None = None
    is_range_told: bool | None = None
    is_interlaced: bool | None = None
    declared_fps: float | None = None
    measured_fps: float | None = None
    arrival_fps: float | None = None
    is_variable: bool | None = None
    frames: int = 0
    key_frames: int | None = None
    key_frame_frames: int | None = None
    key_frame_seconds: float | None = None
    has_b_frames: bool | None = None
    clock: str | None = None
    clock_error_seconds: float | None = None
    disordered: int | None = None
    jumps: int = 0
    longest_step_seconds: float | None = None
    corrupt_packets: int = 0
    corrupt_frames: int = 0
    size_changes: int = 0
    bits_per_second: float | None = None
    sound: str | None = None
    opened_seconds: float | None = None
    first_picture_seconds: float | None = None
    duration_seconds: float | None = None
    ended: str | None = None
    backend_reason: str | None = None


def probe(
    url: str,
    *,
    seconds: float = 5.0,
    live: LiveSettings | None = None,
    backend: str = "auto",
    transport: str = "tcp",
    allow_private: bool = False,
    trust: Trust | None = None,
) -> Probe:
    """Read `seconds` of a source: of the world's time where it is live, of its own where it is not.

    Raises StreamError where it gives no picture at all.
    """
    meter = _Meter()
    source = open_source(url, live=live, backend=backend, transport=transport, allow_private=allow_private, trust=trust)
    try:
        if isinstance(source, LiveSource):
            return _probe_live(source, redact(url), seconds, meter)
        if not isinstance(source, AvSource):
            return _probe_images(source, url, seconds, meter)
    finally:
        source.close()
    return _probe_file(source.path, seconds, meter)


class _Meter:
    """Collects the times of packets and pictures. Seconds are the stream's own but for `arrivals`."""

    def __init__(self) -> None:
        self.began_at = time.monotonic()
        self.opened_at: float | None = None
        self.packets: list[tuple[float | None, float | None, int, bool]] = []
        self.pictures: list[float] = []
        self.arrivals: list[float] = []
        self.sizes: list[tuple[int, int]] = []
        self.corrupt_packets = 0
        self.corrupt_frames = 0

    def packet(self, *, pts: float | None, dts: float | None, size: int, is_key: bool, is_corrupt: bool) -> None:
        self.packets.append((pts, dts, size, is_key))
        self.corrupt_packets += is_corrupt

    def av_packet(self, packet: Packet[VideoStream]) -> None:
        base = packet.time_base
        self.packet(
            pts=None if packet.pts is None else float(packet.pts * base),
            dts=None if packet.dts is None else float(packet.dts * base),
            size=packet.size,
            is_key=packet.is_keyframe,
            is_corrupt=packet.is_corrupt,
        )

    def picture(self, seconds: float, size_wh: tuple[int, int], *, is_corrupt: bool) -> None:
        self.arrivals.append(time.monotonic())
        self.pictures.append(seconds)
        self.sizes.append(size_wh)
        self.corrupt_frames += is_corrupt

    def arrival_fps(self) -> float | None:
        """Return how many pictures came a second in the later half of the time; the first ones had been waiting."""
        middle = (self.arrivals[0] + self.arrivals[-1]) / 2
        late = [at for at in self.arrivals if at >= middle]
        return (len(late) - 1) / (late[-1] - late[0]) if len(late) > 2 and late[-1] > late[0] else None

    def found(self) -> dict[str, Any]:
        """Return what was measured, as fields of `Probe`."""
        steps = [after - before for before, after in pairwise(self.pictures)]
        typical = median(steps) if steps else None
        good = [step for step in steps if typical and 0 <= step <= max(1.0, 5 * typical)]
        found: dict[str, Any] = {
            "frames": len(self.pictures),
            "jumps": len(steps) - len(good),
            "longest_step_seconds": max(steps, default=None),
            "corrupt_frames": self.corrupt_frames,
            "corrupt_packets": self.corrupt_packets,
            "size_wh": self.sizes[-1] if self.sizes else None,
            "size_changes": sum(before != after for before, after in pairwise(self.sizes)),
            "opened_seconds": None if self.opened_at is None else self.opened_at - self.began_at,
            "first_picture_seconds": self.arrivals[0] - self.began_at if self.arrivals else None,
        }
        if sum(good) > 0:
            found["measured_fps"] = len(good) / sum(good)
        if len(good) >= 10:
            ordered = sorted(good)
            found["is_variable"] = ordered[len(good) * 19 // 20] - ordered[len(good) // 20] > _SPREAD * median(good)
        return found | self._found_in_packets(median(good) if good else 0.0)

    def _found_in_packets(self, step: float) -> dict[str, Any]:
        if not self.packets:
            return {}
        keys = [index for index, packet in enumerate(self.packets) if packet[3]]
        times = [pts for pts, _, _, _ in self.packets if pts is not None]
        decoding = [dts for _, dts, _, _ in self.packets if dts is not None]
        span = max(times) - min(times) + step if times else 0.0
        key_times = [at for index in keys if (at := self.packets[index][0]) is not None]
        return {
            "key_frames": len(keys),
            "key_frame_frames": max((after - before for before, after in pairwise(keys)), default=None),
            "key_frame_seconds": max((after - before for before, after in pairwise(key_times)), default=None),
            "disordered": sum(after < before for before, after in pairwise(decoding)) if len(decoding) > 1 else None,
            "has_b_frames": any(after < before for before, after in pairwise(times)),
            "bits_per_second": 8 * sum(size for _, _, size, _ in self.packets) / span if span > 0 else None,
        }


def _probe_live(source: LiveSource, url: str, seconds: float, meter: _Meter) -> Probe:
    """Read a live stream for so long after its first picture, or until it ends."""
    connection: Any = source.connect()
    meter.opened_at = time.monotonic()
    told: dict[str, Any] = {}
    ended = None
    clock = None
    try:
        if isinstance(connection, AvConnection):
            first: list[VideoStream] = []

            def tap(packet: Packet[VideoStream]) -> None:
                first[:] = [packet.stream]
                meter.av_packet(packet)

            connection.tap = tap
            tell: Callable[[], dict[str, Any]] = lambda: _told_by_av(first[0]) if first else {}  # noqa: E731
        else:
            connection.tap(meter.packet)
            tell = lambda: _told_by_gstreamer(connection.told())  # noqa: E731
        deadline = None
        for frame in connection:
            meter.picture(float(frame.pts * frame.time_base), frame.size_wh, is_corrupt=frame.is_corrupt)
            if deadline is None:
                deadline = meter.arrivals[0] + seconds
            elif time.monotonic() >= deadline:
                told = tell()
                break
            if len(meter.pictures) == 1:
                told = tell()
        clock = connection.wall_clock
    except StreamError as error:
        if not meter.pictures:
            raise
        ended, clock = str(error), connection.wall_clock
    finally:
        connection.close()
        with suppress(StreamError):
            for _ in connection:  # which frees what it holds
                break
    span = meter.arrivals[-1] - meter.arrivals[0]
    found = meter.found()
    if isinstance(connection, AvConnection):  # which counts those that are marked, too, but for the very first
        found["corrupt_packets"] = max(found["corrupt_packets"], connection.corrupt_packets)
    else:
        found["corrupt_packets"] += connection.corrupt_packets
    told["container"] = told.get("container") or scheme_of(url)
    return Probe(
        **told | found,
        url=url,
        backend=source.health().backend,
        backend_reason=source.health().backend_reason or None,
        is_live=True,
        seconds=span,
        declared_fps=connection.info.average_fps,
        arrival_fps=meter.arrival_fps(),
        clock="arrival" if clock is None else clock.method,
        clock_error_seconds=None if clock is None else clock.error_seconds,
        ended=ended,
    )


def _probe_file(path: str, seconds: float, meter: _Meter) -> Probe:
    """Read so much of a file, as fast as it goes."""
    meter.began_at = time.monotonic()
    with open_container(path) as container:
        stream = pick_video(container, path)
        meter.opened_at = time.monotonic()
        is_over = is_interlaced = False
        for packet in _packets_of(packets_of(container, stream), meter):
            if packet.size:
                meter.av_packet(packet)
            try:
                pictures = packet.decode()
            except av.FFmpegError:
                meter.corrupt_packets += 1
                continue
            for picture in pictures:
                at = meter.pictures[-1] if picture.time is None and meter.pictures else picture.time or 0.0
                is_interlaced |= picture.interlaced_frame
                meter.picture(at, (picture.width, picture.height), is_corrupt=picture.is_corrupt)
                is_over = at - meter.pictures[0] >= seconds > 0
            if is_over:
                break
        if not meter.pictures:
            raise OpenError(f"{path}: no picture in it can be decoded")
        told = _told_by_av(stream) | {"is_interlaced": is_interlaced}
        duration = None if container.duration is None else container.duration / av.time_base
        clock = "container" if "creation_time" in container.metadata else None
    return Probe(
        **told | meter.found(),
        url=path,
        backend="pyav",
        is_live=False,
        seconds=meter.pictures[-1] - meter.pictures[0],
        declared_fps=None if stream.average_rate is None else float(stream.average_rate),
        clock=clock,
        duration_seconds=duration,
        ended=None if is_over else "the file ends",
    )


def _packets_of(packets: Iterator[Packet[VideoStream]], meter: _Meter) -> Iterator[Packet[VideoStream]]:
    """Yield packets up to the first that cannot be read, which is where a torn file ends."""
    try:
        yield from packets
    except av.FFmpegError:
        meter.corrupt_packets += 1


def _probe_images(source: Any, url: str, seconds: float, meter: _Meter) -> Probe:
    """Look at the frames alone, of images and of what the program makes itself."""
    for frame in source:
        meter.picture(frame.pts_seconds, frame.size_wh, is_corrupt=frame.is_corrupt)
        if frame.pts_seconds >= seconds > 0:
            break
    if not meter.pictures:
        raise OpenError(f"{url}: no picture in it can be decoded")
    found = meter.found() | {"corrupt_packets": source.corrupt_packets}
    return Probe(**found, url=url, backend="images", is_live=False, seconds=meter.pictures[-1])


def _told_by_av(stream: VideoStream) -> dict[str, Any]:
    """Return what the container and the decoder say."""
    codec, container = stream.codec_context, stream.container
    matrix, spread = _MATRICES.get(codec.colorspace), _RANGES.get(codec.color_range)
    if (codec.pix_fmt or "").startswith("yuvj"):
        spread = "full"
    is_yuv = (codec.pix_fmt or "").startswith(("yuv", "nv"))
    sound = container.streams.audio
    is_asked_for_sound = container.format.name != "rtsp"  # of which only the video is asked for
    return {
        "container": container.format.name.split(",")[0],
        "codec": codec.codec.canonical_name,
        "profile": codec.profile,
        "decoder": codec.codec.name,
        "is_hardware": False,
        "pixel_format": codec.pix_fmt,
        "matrix": (matrix or _MATRICES[likely_matrix(codec.width, codec.height)]) if is_yuv else None,
        "is_matrix_told": matrix is not None if is_yuv else None,
        "range": (spread or "limited") if is_yuv else None,
        "is_range_told": spread is not None if is_yuv else None,
        "sound": ", ".join(s.codec_context.name for s in sound) if sound or is_asked_for_sound else None,
    }


def _told_by_gstreamer(told: dict[str, Any]) -> dict[str, Any]:
    """Return what GStreamer says of its elements, in FFmpeg's words where they differ."""
    codec, picture = told["codec"], told["picture"]
    name = None if codec is None else codec.get_name().partition("/")[2]
    colours = (picture.get_string("colorimetry") or "") if picture is not None else ""
    matrix = spread = None
    if colours in _GST_COLOURS:
        matrix, spread = _GST_COLOURS[colours]
    elif colours.count(":") == 3:
        numbers = colours.split(":")
        matrix, spread = _GST_MATRICES.get(numbers[1]), _GST_RANGES.get(numbers[0])
    form = picture.get_string("format") if picture is not None else None
    (_, width), (_, height) = (picture.get_int(side) for side in ("width", "height")) if picture else ((0, 0), (0, 0))
    return {
        "container": ", ".join(told["containers"]) or None,
        "codec": _GST_CODECS.get(name or "", name),
        "profile": None if codec is None else codec.get_string("profile"),
        "decoder": told["decoder"],
        "is_hardware": told["is_hardware"],
        "pixel_format": _GST_FORMATS.get(form or "", form and form.lower()),
        "matrix": matrix or (_MATRICES[likely_matrix(width, height)] if width else None),
        "is_matrix_told": matrix is not None,
        "range": spread or "limited",
        "is_range_told": spread is not None,
        "is_interlaced": None if picture is None else picture.get_string("interlace-mode") not in (None, "progressive"),
        "sound": told["sound"],
    }
