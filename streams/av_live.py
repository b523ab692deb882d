"""Live streams by PyAV: one connection to a camera or a broadcast feed. Knows FFmpeg's protocols; connects once.

What FFmpeg is told is put together here from what is known to be wanted: nothing in a URL becomes an option of its own.
HTTP is read by `web` and `hls`, and RTSP through a `passage`, since FFmpeg would go wherever a server leads it.
"""

from __future__ import annotations

import errno
import ipaddress
import logging
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from urllib.parse import parse_qsl

import av
from av import VideoFrame
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from streams.av_pixels import AvPixels
from streams.av_source import packets_of, pick_video
from streams.deinterlace import Deinterlacer
from streams.errors import DecodeError, OpenError, ReadTimeout, StreamError
from streams.frame import Frame, StreamInfo
from streams.gap import Reason, WallClock, sender_clock
from streams.guard import PORTS, Guard
from streams.hls import LONGEST_PLAYLIST, Hls, HlsPlace, Past
from streams.live_source import Connection, LiveSettings
from streams.passage import Passage, through
from streams.trust import Trust
from streams.urls import Address
from streams.web import Answer, Web, doubted

log = logging.getLogger(__name__)

PROTOCOLS: Mapping[str, str] = {
    "rtsp": "rtsp,rtp,tcp,udp",
    "rtsps": "rtsp,rtp,tcp,udp",  # TLS is ours
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,tls,tcp",
    "udp": "udp",
}
"""What FFmpeg may speak for a URL of a scheme, by itself; `http` and `https` it does not."""

_CODECS = "h264,hevc,mjpeg,mpeg2video,mpeg4,mpegvideo,mpeg1video,vp8,vp9,libdav1d,av1,libaom-av1,rawvideo,h263"
"""Decoders that cameras and broadcasts have a use for; a stream that brings another is not worth the risk."""

_KINDS = {
    "multipart/x-mixed-replace": "mpjpeg",
    "video/mp2t": "mpegts",
    "video/x-flv": "flv",
    "application/vnd.apple.mpegurl": "hls",
    "application/x-mpegurl": "hls",
    "audio/mpegurl": "hls",
    "audio/x-mpegurl": "hls",
}
"""FFmpeg's demuxers, and our `hls`, by media type; where a server says something else, the first bytes tell."""

_BEGINNINGS = {b"#EXTM3U": "hls", b"\xef\xbb\xbf#EXTM3U": "hls", b"\x47": "mpegts", b"FLV": "flv", b"--": "mpjpeg"}

_UDP_KEYS = {
    "localaddr": r"[0-9A-Fa-f.:]{2,45}",
    "sources": r"[0-9A-Fa-f.:,]{2,400}",
    "reuse": "[01]",
    "buffer_size": r"\d{1,9}",
    "fifo_size": r"\d{1,7}",
}
"""What may stand behind the `?` of a `udp:` URL, and how it must look."""

_PROBE = {"analyzeduration": "1000000", "probesize": "1000000", "fpsprobesize": "0"}
"""A second of it is enough to know it; FFmpeg's own five seconds are five seconds without a picture."""

_PROBE_BRIEFLY = {"analyzeduration": "100000"}
"""Where the header names the streams: what is not known by then, the decoder finds out by itself."""

_PROGRAM_DATE_ERROR_SECONDS = 0.1


class AvConnection:
    """The video of an open container, until it ends or `close`. See `live_source.Connection`.

    shown: address for messages; what FFmpeg says would hold the password
    feed: what the container reads, where that is not FFmpeg's
    passage: through which it reads, where it does
    is_paced: frames come in bursts, and are given out at the pace of their times
    tap: is told of each packet before it is decoded
    has_clock: frames have times of their own; without, they have the time at which they came
    """

    def __init__(
        self,
        container: InputContainer,
        *,
        name: str,
        shown: str,
        settings: LiveSettings,
        feed: _Feeder | None = None,
        passage: Passage | None = None,
        is_paced: bool = False,
        has_clock: bool = True,
    ) -> None:
        self.corrupt_packets = 0
        self.wall_clock: WallClock | None = None
        self.tap: Callable[[Packet[VideoStream]], None] | None = None
        self._shown = shown
        self._feed = feed
        self._passage = passage
        self._is_paced = is_paced
        self._has_clock = has_clock
        self._closed = threading.Event()
        self._container = container
        self._pixels = AvPixels()
        try:
            self._stream = pick_video(container, shown)
            codec = self._stream.codec_context
            if codec.codec.name not in _CODECS.split(","):
                raise OpenError(f"{shown}: {codec.codec.name} is not a codec of live streams", reason="limit")
            if max(codec.width, codec.height) > settings.longest_side:
                claim = f"a picture of {codec.width}x{codec.height} is too large"
                raise OpenError(f"{shown}: {claim}", reason="limit")
            self._time_base = (self._stream.time_base if has_clock else None) or Fraction(1, 90_000)
            codec.options = {"max_pixels": str(settings.longest_side**2)}
            codec.thread_count = 1  # with more, frames come later
            rate = self._stream.average_rate or self._stream.guessed_rate
        except BaseException:
            self._free()
            raise
        self._step = round(1 / (self._time_base * rate)) if rate else round(Fraction(1, 25) / self._time_base)
        self._first_pts: int | None = None
        self.info = StreamInfo(name, None, float(rate) if rate else None, self._time_base, True, None, None)

    def __iter__(self) -> Iterator[Frame]:
        try:
            yield from self._frames()
        finally:
            self._free()

    def close(self) -> None:
        self._closed.set()
        if self._feed is not None:
            self._feed.close()

    def _free(self) -> None:
        self._container.close()
        if self._feed is not None:
            self._feed.free()
        if self._passage is not None:
            self._passage.free()

    def _frames(self) -> Iterator[Frame]:
        deinterlacer = Deinterlacer()
        pts = None
        index = 0
        lead = None
        for packet in self._packets():
            for decoded in self._decoded(packet):
                for picture in deinterlacer.push(decoded):
                    at = time.monotonic()
                    own = picture.pts if picture.pts is not None else picture.dts
                    if not self._has_clock:
                        own = round(at / self._time_base)
                    if own is None and pts is None:
                        continue  # RTSP's first picture may have no time; the next one has
                    pts = own if own is not None else (pts or 0) + self._step
                    if self._first_pts is None:
                        self._first_pts = pts
                    seconds = float((pts - self._first_pts) * self._time_base)
                    if self.wall_clock is None:
                        self.wall_clock = self._find_wall_clock(at, seconds)
                    if self._is_paced:
                        lead = at - seconds if lead is None or at - seconds > lead else lead
                        if self._closed.wait(max(0.0, min(lead + seconds - at, 60.0))):
                            return
                        at = time.monotonic()
                    yield Frame(
                        stream=self.info.name,
                        index=index,
                        pts=pts,
                        time_base=self._time_base,
                        pts_seconds=seconds,
                        duration_seconds=float((picture.duration or self._step) * self._time_base),
                        received_at=at,
                        is_corrupt=picture.is_corrupt,
                        pixels=self._pixels(picture),
                    )
                    index += 1

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield packets until `close`; raises StreamError at the end of the stream."""
        packets = packets_of(self._container, self._stream)
        failure: StreamError | None = None
        while not self._closed.is_set():
            try:
                packet = next(packets, None)
            except av.FFmpegError as error:
                failure = trouble(self._shown, error, is_reading=True)
                break
            if packet is None:
                break
            if packet.is_corrupt and self._first_pts is not None:
                self.corrupt_packets += 1  # pieces of it are missing; it may decode all the same
            if packet.size and self.tap is not None:
                self.tap(packet)
            yield packet  # the last one is empty, and makes the decoder give all
        if self._closed.is_set():
            return
        if self._feed is not None and self._feed.error is not None:
            failure = self._feed.error
        if self._passage is not None and self._passage.error is not None:
            failure = self._passage.error
        raise failure or StreamError(f"{self._shown}: the stream ended", reason="end")

    def _decoded(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        try:
            return packet.decode()
        except av.FFmpegError as error:
            # Before the first picture all that lacks is a key frame, and what is marked as corrupt is counted already.
            self.corrupt_packets += self._first_pts is not None and not packet.is_corrupt
            log.debug("%s: packet at %s: %s", self._shown, packet.pts, error.strerror)
            return []

    def _find_wall_clock(self, at: float, seconds: float) -> WallClock | None:
        """Return what the stream says of its first picture's time, where it does by now."""
        if isinstance(self._feed, _Feeder) and isinstance(self._feed.source, Hls):
            segment = self._feed.source.first
            if segment is None or segment.date is None:
                return None
            return WallClock(segment.date, "program_date", _PROGRAM_DATE_ERROR_SECONDS)
        since = self._container.start_time_realtime
        if not since or self._first_pts is None:
            return None
        first = float(self._first_pts * self._time_base)
        started_at = datetime.fromtimestamp(since / 1e6 + first, UTC)
        return sender_clock(started_at, age_seconds=time.monotonic() - at + seconds)


def connector(
    address: Address,
    *,
    name: str,
    settings: LiveSettings,
    transport: str = "tcp",
    past: Past | None = None,
) -> Callable[[], Connection]:
    """Return what connects to an address, as often as it is called. Raises OpenError for what never can be.

    transport: of RTSP, `tcp` or `udp`; `udp` loses pieces rather than time
    past: where it may lead and whose certificates are believed, and what earlier connections have left
    """
    past = past or Past(Guard(address), HlsPlace())
    guard = past.guard
    if address.scheme in ("http", "https"):
        return lambda: _connect_http(address, guard, past.place, name=name, settings=settings)
    url, options = _asked_of_ffmpeg(address, transport, settings)
    if address.scheme in ("rtsp", "rtsps"):
        return lambda: through(
            address,
            guard,
            open_seconds=settings.open_timeout_seconds,
            connect=lambda passage: AvConnection(
                _opened(passage.address.url(), address.shown, settings, options=options, format_name=None),
                name=name,
                shown=address.shown,
                settings=settings,
                passage=passage,
            ),
        )

    def connect() -> Connection:
        if address.scheme in PORTS:
            guard.admit(address)  # a name that was public, and is private by now
        kind = "mpegts" if address.scheme == "udp" else None
        asked = options | (_tls(guard.trust) if address.scheme == "rtmps" else {})
        failure: StreamError
        try:
            container = _opened(url, address.shown, settings, options=asked, format_name=kind)
        except StreamError as error:
            is_lost = address.scheme == "udp" and error.reason == "unreachable"
            failure = (_unknown_host(address) if is_lost else None) or error
        else:
            return AvConnection(container, name=name, shown=address.shown, settings=settings)
        raise doubted(address, guard, settings.open_timeout_seconds) or failure

    return connect


def _tls(trust: Trust) -> dict[str, str]:
    """Return FFmpeg's options for certificates, of which it checks none by itself."""
    file = trust.file()
    return {"tls_verify": "1" if trust.verify else "0"} | ({} if file is None else {"ca_file": file})


def camera_connector(
    device: str, *, name: str, settings: LiveSettings, options: Mapping[str, str]
) -> Callable[[], Connection]:
    """Return what opens a Video4Linux device, as often as it is called."""
    return lambda: AvConnection(
        _opened(device, device, settings, options={**options, "protocol_whitelist": "file"}, format_name="v4l2"),
        name=name,
        shown=device,
        settings=settings,
    )


def trouble(shown: str, error: Exception, *, is_reading: bool) -> StreamError:
    """Return what FFmpeg says as one of our errors, with its reason; FFmpeg's own would show the password."""
    text = f"{shown}: {getattr(error, 'strerror', None) or type(error).__name__}"
    if isinstance(error, av.ExitError | av.TimeoutError):
        if is_reading:
            return ReadTimeout(f"{shown}: nothing came for too long", reason="stall")
        return ReadTimeout(f"{shown}: no answer", reason="timeout")
    if isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError):
        return OpenError(f"{shown}: user and password were turned down", reason="refused")
    if isinstance(error, av.ConnectionResetError | av.BrokenPipeError | av.ConnectionAbortedError):
        return StreamError(f"{shown}: the connection was reset", reason="reset")
    if isinstance(error, av.EOFError):
        return OpenError(f"{shown}: it ended before its first picture", reason="end")
    if isinstance(error, av.InvalidDataError):
        return (DecodeError if is_reading else OpenError)(f"{shown}: cannot be understood", reason="decode")
    if isinstance(error, av.ProtocolNotFoundError):
        return OpenError(f"{shown}: FFmpeg may not or cannot speak this protocol", reason="limit")
    if not is_reading and getattr(error, "errno", None) == errno.ENODEV and shown.startswith("udp:"):
        text = f"{shown}: no network interface of this machine has that address, or leads to that group"
    if is_reading:
        reason: Reason = "reset" if getattr(error, "errno", None) in (errno.EIO, errno.ENODEV) else "other"
        return StreamError(text, reason=reason)
    return OpenError(text, reason="unreachable")


def _unknown_host(address: Address) -> OpenError | None:
    """Return what to say of a name that leads nowhere, which FFmpeg calls an input/output error; None of any other."""
    try:
        socket.getaddrinfo(address.host or None, address.port)
    except (OSError, UnicodeError):
        return OpenError(f"{address.shown}: there is no such host", reason="unreachable")
    return None


def _microseconds(seconds: float) -> str:
    return str(round(seconds * 1e6))


def _asked_of_ffmpeg(address: Address, transport: str, settings: LiveSettings) -> tuple[str, dict[str, str]]:
    """Return the URL and the options that FFmpeg gets for an address. Raises OpenError."""
    if address.scheme not in PROTOCOLS:
        raise OpenError(f"{address.shown}: no live stream of the scheme {address.scheme}:", reason="limit")
    options = {"protocol_whitelist": PROTOCOLS[address.scheme]}
    if address.scheme in ("udp", "rtsp", "rtsps"):  # of RTMP, a timeout would mean to listen
        options |= {**_PROBE_BRIEFLY, "timeout": _microseconds(settings.stall_seconds)}
    if address.scheme == "udp":
        return _asked_of_udp(address, options)
    if not address.host:
        raise OpenError(f"{address.shown}: it names no host")
    if address.scheme in ("rtmp", "rtmps"):
        return address.url(), {**options, "rtmp_live": "live"}
    if transport not in ("tcp", "udp"):
        raise OpenError(f"{address.shown}: no such transport: {transport} (known: tcp, udp)")
    return address.url(), {**options, "rtsp_transport": transport, "allowed_media_types": "video"}


def _asked_of_udp(address: Address, options: dict[str, str]) -> tuple[str, dict[str, str]]:
    if address.port is None:
        raise OpenError(f"{address.shown}: it names no port")
    options.update({"overrun_nonfatal": "1", "buffer_size": str(1 << 20)})
    for key, value in parse_qsl(address.query, keep_blank_values=True):
        if key not in _UDP_KEYS:
            raise OpenError(f"{address.shown}: unknown option {key} (known: {', '.join(_UDP_KEYS)})")
        if not re.fullmatch(_UDP_KEYS[key], value):
            raise OpenError(f"{address.shown}: {key} cannot be {value!r}")
        options[key] = value
    try:
        is_multicast = ipaddress.ip_address(address.host or "0.0.0.0").is_multicast
    except ValueError:
        raise OpenError(f"{address.shown}: an IP address of this machine or of a group must stand here") from None
    if not is_multicast and address.host not in ("", "0.0.0.0", "::"):
        options.setdefault("localaddr", address.host)  # else it would listen on every interface
    return f"udp://{address.place}", options


def _opened(
    url: str | _Feeder,
    shown: str,
    settings: LiveSettings,
    *,
    options: Mapping[str, str],
    format_name: str | None,
) -> InputContainer:
    """Open a container with limits on time and size. Raises StreamError."""
    asked = {
        **_PROBE,
        "codec_whitelist": _CODECS,
        "max_pixels": str(settings.longest_side**2),
        "rw_timeout": _microseconds(settings.stall_seconds),
        **options,
    }
    failure: StreamError
    try:
        return av.open(
            url,
            "r",
            format=format_name,
            options=asked,
            metadata_errors="replace",
            timeout=(settings.open_timeout_seconds, settings.stall_seconds),
        )
    except (av.FFmpegError, ValueError) as error:
        failure = trouble(shown, error, is_reading=False)
    # Not within `except`: a traceback would show FFmpeg's error too, and with it the URL as it is.
    raise failure


class _Feeder:
    """Hands bytes to FFmpeg. What goes wrong is kept here, since FFmpeg would forget it, and ends the stream."""

    def __init__(self, source: Answer | Hls, beginning: bytes, web: Web) -> None:
        self.error: StreamError | None = None
        self.source = source
        self.name = "feed"
        self._web = web
        self._beginning = beginning

    def close(self) -> None:
        """End a read that waits. Any thread."""
        if isinstance(self.source, Hls):
            self.source.close()
        self._web.close()

    def free(self) -> None:
        """Give back what it holds; in the thread that reads."""
        self.close()
        self._web.free()

    def read(self, size: int) -> bytes:
        if self._beginning:
            piece, self._beginning = self._beginning[:size], self._beginning[size:]
            return piece
        if self.error is not None:
            return b""
        try:
            return self.source.read(size)
        except StreamError as error:
            self.error = error
            return b""


def _connect_http(
    address: Address, guard: Guard, place: HlsPlace, *, name: str, settings: LiveSettings
) -> AvConnection:
    """Open what an HTTP server gives: a playlist, a camera's MJPEG, a transport stream or FLV. Raises StreamError."""
    web = Web(address, guard, open_seconds=settings.open_timeout_seconds, read_seconds=settings.stall_seconds)
    try:
        answer = web.get(address)
        beginning = answer.read(1 << 12)
        kind = next((k for start, k in _BEGINNINGS.items() if beginning.startswith(start)), None)
        kind = kind or _KINDS.get(answer.kind)
        source: Answer | Hls = answer
        if kind == "hls":
            text = answer.text(longest=LONGEST_PLAYLIST, within_seconds=settings.stall_seconds, begun=beginning)
            source = Hls(web, answer.address, text, place, read_seconds=settings.stall_seconds)
            beginning = source.read(1 << 12)
            kind = "mpegts" if beginning.startswith(b"\x47") else "mp4"
        elif kind is None:
            raise OpenError(f"{address.shown}: {answer.kind} is not a live stream", reason="decode")
        feed = _Feeder(source, beginning, web)
        options = {"protocol_whitelist": "none"} | (_PROBE_BRIEFLY if kind == "mpegts" else {})
        failure = None
        try:
            container = _opened(feed, address.shown, settings, options=options, format_name=kind)
        except StreamError as error:
            failure = feed.error or error
        if failure is not None:
            raise failure
        return AvConnection(
            container,
            name=name,
            shown=address.shown,
            settings=settings,
            feed=feed,
            is_paced=isinstance(source, Hls),
            has_clock=kind != "mpjpeg",
        )
    except BaseException:
        web.free()
        raise
