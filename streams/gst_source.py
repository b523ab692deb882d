"""Live streams by GStreamer: one connection to a camera, a broadcast feed, or a user's own pipeline; connects once.

There is no main loop: pictures are pulled from an appsink with a timeout, and the bus is read between them. GStreamer
calls back into Python only while a pipeline grows, from its own threads, to say which decoder it has taken.
"""

from __future__ import annotations

import atexit
import logging
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from urllib.parse import parse_qsl, urlencode

from streams.errors import DecodeError, OpenError, ReadTimeout, StreamError
from streams.frame import Frame, StreamInfo
from streams.gap import Reason, WallClock, sender_clock
from streams.gst_library import is_hardware, is_video_decoder, library
from streams.gst_pixels import FORMATS, GstPixels
from streams.guard import Guard
from streams.live_source import Connection, LiveSettings
from streams.passage import Passage, through
from streams.trust import Trust
from streams.urls import Address, address_of, redact
from streams.web import doubted

log = logging.getLogger(__name__)

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "srt", "udp", "http", "https", "gst")

_NANOSECOND = Fraction(1, 1_000_000_000)

_PULL_SECONDS = 0.1
"""Between two looks at the bus and at `close` while no picture comes."""

_NTP_TO_UNIX_SECONDS = 2_208_988_800

_QUEUE = 2
"""Pictures that wait in the appsink; whoever reads late holds the pipeline up."""

_SRT_KEYS = {
    "mode": r"caller|listener|rendezvous",
    "passphrase": r".{10,79}",
    "pbkeylen": r"0|16|24|32",
    "streamid": r".{1,512}",
    "latency": r"\d{1,5}",
    "localaddress": r"[0-9A-Fa-f.:]{2,45}",
    "localport": r"\d{1,5}",
}
"""What may stand behind the `?` of an `srt:` URL, and how it must look; named as in GStreamer."""

_RESOURCE, _STREAM = "gst-resource-error-quark", "gst-stream-error-quark"

_RESOURCE_REASONS: dict[int, Reason] = {
    3: "unreachable",  # NOT_FOUND
    4: "unreachable",  # BUSY
    5: "unreachable",  # OPEN_READ
    7: "unreachable",  # OPEN_READ_WRITE
    9: "reset",  # READ
    10: "reset",  # WRITE
}

_INNER_SOURCES = ("udpsrc", "appsrc", "fakesrc")
"""What rtspsrc reads its packets with."""

_SECRET_PROPERTY = re.compile(r"(?i)(?:pass|pw|user|secret|token|key|streamid)[\w-]*\s*=\s*(\"[^\"]*\"|'[^']*'|\S+)")

_CAPS = "video/x-raw,format={" + ",".join(FORMATS) + "}"


class GstConnection:
    """The video of one pipeline, until it ends or `close`. See `live_source.Connection`.

    pipeline: as `parse_launch` made it, with an appsink named `sink`; it is set free at the end
    shown: address for messages, without secrets
    secrets: what must not be told, wherever GStreamer says it
    sources: names of the elements that may read from outside; None: any
    passage: through which it reads, where it does

    decoder, is_hardware: which it is, once it is known; media: what an RTSP server offers (`video`, `audio`)

    Raises StreamError where it does not come up within `settings.open_timeout_seconds`.
    """

    def __init__(
        self,
        pipeline: Any,
        *,
        name: str,
        shown: str,
        settings: LiveSettings,
        secrets: tuple[str, ...] = (),
        sources: tuple[str, ...] | None = None,
        passage: Passage | None = None,
    ) -> None:
        self.corrupt_packets = 0
        self.decoder: str | None = None
        self.is_hardware: bool | None = None
        self.media: set[str] = set()
        self.wall_clock: WallClock | None = None
        self.info = StreamInfo(name, None, None, _NANOSECOND, True, None, None)
        self._library = library()
        self._pipeline = pipeline
        self._decoder: Any = None
        self._shown = shown
        self._settings = settings
        self._secrets = secrets
        self._sources = sources
        self._passage = passage
        self._closed = threading.Event()
        self._freeing = threading.Lock()
        self._is_read = False
        self._error: StreamError | None = None
        self._limit: str | None = None
        self._has_ended = False
        self._is_known = threading.Event()
        self._bus = pipeline.get_bus()
        self._sink = pipeline.get_by_name("sink")
        self._handlers: list[tuple[Any, int]] = []
        _OPEN.add(self)
        try:
            self._watch_growth()
            self._open()
        except BaseException:
            self._free()
            raise

    def __iter__(self) -> Iterator[Frame]:
        with self._freeing:
            if self._closed.is_set():
                return
            self._is_read = True
        try:
            yield from self._frames()
        finally:
            self._free()

    def close(self) -> None:
        """End the connection. The thread that iterates sets the pipeline free, within a tenth of a second."""
        self._closed.set()
        with self._freeing:
            is_read = self._is_read
        if not is_read:
            self._free()

    def tap(self, take: Callable[..., None]) -> None:
        """Have each packet told to `take(pts, dts, size, is_key, is_corrupt)`, by keyword, before it is decoded.

        Seconds, None where unknown; one of GStreamer's threads calls. Without a decoder there are no packets.
        """
        if self._decoder is None:
            return
        gst = self._library.gst

        def passing(_: Any, info: Any) -> Any:
            packet = info.get_buffer()
            take(
                pts=None if packet.pts == gst.CLOCK_TIME_NONE else packet.pts / 1e9,
                dts=None if packet.dts == gst.CLOCK_TIME_NONE else packet.dts / 1e9,
                size=packet.get_size(),
                is_key=not packet.has_flags(gst.BufferFlags.DELTA_UNIT),
                is_corrupt=packet.has_flags(gst.BufferFlags.CORRUPTED),
            )
            return gst.PadProbeReturn.OK

        self._decoder.get_static_pad("sink").add_probe(gst.PadProbeType.BUFFER, passing)

    def told(self) -> dict[str, Any]:
        """Return what the elements say while the stream runs.

        codec, picture: structures of what the decoder takes and gives, None where there is none; containers: the
        elements that took the stream apart; sound: its codec, "" for none, None where that is not known
        """
        containers, sounds = [], set()
        for element in _elements(self._library.gst, self._pipeline):
            factory = element.get_factory()
            if factory is not None and "Demux" in (factory.get_metadata("klass") or ""):
                name = factory.get_name()
                containers += [] if name.startswith("rtp") else [name]
            for pad in element.pads:
                caps = pad.get_current_caps()
                name = caps.get_structure(0).get_name() if caps is not None and caps.get_size() else ""
                if name.startswith("audio/"):
                    sounds.add(name.removeprefix("audio/").removeprefix("x-"))
        sounds |= {"yes"} if "audio" in self.media and not sounds else set()
        decoder, sink = self._decoder, self._sink.get_static_pad("sink")
        codec = None if decoder is None else decoder.get_static_pad("sink").get_current_caps()
        picture = (sink if decoder is None else decoder.get_static_pad("src")).get_current_caps()
        return {
            "codec": codec and codec.get_structure(0),
            "picture": picture and picture.get_structure(0),
            "containers": sorted(set(containers)),
            "decoder": self.decoder,
            "is_hardware": self.is_hardware,
            "sound": ", ".join(sorted(sounds)),
        }

    def _open(self) -> None:
        """Start the pipeline, and wait until the stream is known. Raises StreamError."""
        gst = self._library.gst
        began_at = time.monotonic()
        outcome = self._pipeline.set_state(gst.State.PLAYING)
        deadline = began_at + self._settings.open_timeout_seconds
        while True:
            self._hear(0.02)
            if self._limit is not None:
                raise OpenError(f"{self._shown}: {self._limit}", reason="limit")
            if self._error is not None:
                raise self._error
            if outcome == gst.StateChangeReturn.FAILURE:
                raise OpenError(f"{self._shown}: the pipeline does not start")
            if self._is_known.is_set() or self._sink.get_static_pad("sink").get_current_caps() is not None:
                return
            if time.monotonic() >= deadline:
                seconds = self._settings.open_timeout_seconds
                raise ReadTimeout(f"{self._shown}: no answer within {seconds:g} s", reason="timeout")

    def _frames(self) -> Iterator[Frame]:
        gst = self._library.gst
        pixels = GstPixels(self._library, is_copied=self.decoder is None)
        caps = None
        step = 40_000_000
        first: int | None = None
        pts = 0
        index = 0
        while (sample := self._pull(index == 0)) is not None:
            at = time.monotonic()
            if caps is None or not sample.get_caps().is_equal(caps):
                caps = sample.get_caps()
                step = self._take_caps(caps, pixels) or step
            buffer = sample.get_buffer()
            own = buffer.pts if buffer.pts != gst.CLOCK_TIME_NONE else buffer.dts
            if own != gst.CLOCK_TIME_NONE:
                own = sample.get_segment().to_running_time(gst.Format.TIME, own)
            if own == gst.CLOCK_TIME_NONE:  # without a time, or before its segment begins
                own = pts + step if index else 0
            pts = own
            first = pts if first is None else first
            seconds = (pts - first) / 1e9
            if self.wall_clock is None:
                self.wall_clock = self._rtcp_clock(buffer, at, seconds)
            lasting = buffer.duration if buffer.duration != gst.CLOCK_TIME_NONE else step
            try:
                picture = pixels(buffer)
            except ValueError as error:
                raise DecodeError(f"{self._shown}: {error}") from error
            yield Frame(
                stream=self.info.name,
                index=index,
                pts=pts,
                time_base=_NANOSECOND,
                pts_seconds=seconds,
                duration_seconds=lasting / 1e9,
                received_at=at,
                is_corrupt=buffer.has_flags(gst.BufferFlags.CORRUPTED),
                pixels=picture,
            )
            index += 1

    def _pull(self, is_first: bool) -> Any | None:
        """Wait for the next picture; None once closed. Raises StreamError at the end of the stream."""
        settings = self._settings
        seconds = settings.first_frame_seconds if is_first else settings.stall_seconds
        deadline = time.monotonic() + seconds
        while not self._closed.is_set():
            sample = self._sink.try_pull_sample(round(_PULL_SECONDS * 1e9))
            self._hear(0)
            if self._limit is not None:
                raise OpenError(f"{self._shown}: {self._limit}", reason="limit")
            if sample is not None:
                return sample
            if self._passage is not None and self._passage.error is not None:
                raise self._passage.error
            if self._error is not None:  # told after the pictures that came before it
                raise self._error
            if self._has_ended or self._sink.is_eos():
                raise StreamError(f"{self._shown}: the stream ended", reason="end")
            if time.monotonic() >= deadline:
                what = "no picture within" if is_first else "no picture for"
                raise ReadTimeout(f"{self._shown}: {what} {seconds:g} s", reason="timeout" if is_first else "stall")
        return None

    def _take_caps(self, caps: Any, pixels: GstPixels) -> int | None:
        """Take up the form of the pictures from here on; return nanoseconds a frame where the stream says."""
        try:
            size_wh = pixels.caps(caps)
        except ValueError as error:
            raise DecodeError(f"{self._shown}: {error}") from error
        self._check_size(*size_wh)
        if self._limit is not None:
            raise OpenError(f"{self._shown}: {self._limit}", reason="limit")
        is_told, top, bottom = caps.get_structure(0).get_fraction("framerate")
        rate = top / bottom if is_told and top else None
        self.info = StreamInfo(self.info.name, size_wh, rate, _NANOSECOND, True, None, None)
        return None if rate is None else round(1e9 / rate)

    def _rtcp_clock(self, buffer: Any, at: float, seconds: float) -> WallClock | None:
        """Return the clock of the camera's sender reports, where this picture has its time by it."""
        meta = buffer.get_reference_timestamp_meta(None)
        if meta is None or meta.reference.get_structure(0).get_name() != "timestamp/x-ntp":
            return None
        shown_at = datetime.fromtimestamp(meta.timestamp / 1e9 - _NTP_TO_UNIX_SECONDS, UTC)
        return sender_clock(shown_at - timedelta(seconds=seconds), age_seconds=time.monotonic() - at + seconds)

    def _hear(self, seconds: float) -> None:
        """Read the bus until it is empty, waiting so long for a first message."""
        gst = self._library.gst
        message = self._bus.timed_pop(round(seconds * 1e9))
        while message is not None:
            kind = message.type
            if kind == gst.MessageType.ERROR and self._error is None:
                self._error = self._failure(*message.parse_error())
            elif kind == gst.MessageType.WARNING:
                error, _ = message.parse_warning()
                self.corrupt_packets += (error.domain, error.code) == (_STREAM, 7)  # GST_STREAM_ERROR_DECODE
                log.debug("%s: %s", self._shown, self._without_secrets(error.message))
            elif kind == gst.MessageType.EOS:
                self._has_ended = True
            elif kind == gst.MessageType.ELEMENT:
                structure = message.get_structure()
                if structure is not None and structure.get_name() == "GstRTSPSrcTimeout" and self._error is None:
                    self._error = ReadTimeout(f"{self._shown}: the server fell silent", reason="stall")
            message = self._bus.timed_pop(0)

    def _failure(self, error: Any, debug: str | None) -> StreamError:
        """Say what an error of GStreamer's means here."""
        reason = _reason(error, debug or "")
        text = self._without_secrets(error.message).rstrip(".")
        if reason == "refused":
            text = "the server turns the user or the password down"
        elif reason == "unreachable":
            text = f"the server cannot be reached: {text}"
        elif reason == "timeout":
            text = f"no answer: {text}"
        line = f"{self._shown}: {text}"
        log.debug("%s (%s)", line, self._without_secrets(debug or ""))
        return (DecodeError if reason == "decode" else OpenError)(line, reason=reason)

    def _without_secrets(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _redacted(text)

    def _watch_growth(self) -> None:
        """Be told of the elements that the pipeline takes up by itself, without its keeping this object alive."""
        this = weakref.ref(self)

        def added(_: Any, __: Any, element: Any) -> None:
            connection = this()
            if connection is not None:
                connection._take_element(element)

        self._handlers.append((self._pipeline, self._pipeline.connect("deep-element-added", added)))
        for element in _elements(self._library.gst, self._pipeline):
            self._take_element(element)

    def _take_element(self, element: Any) -> None:
        """Look at an element that came into the pipeline: one of GStreamer's threads, while it grows."""
        factory = element.get_factory()
        if factory is None:
            return
        name = factory.get_name()
        gst = self._library.gst
        if (
            self._sources is not None
            and name not in self._sources
            and factory.list_is_type(gst.ELEMENT_FACTORY_TYPE_SRC)
        ):
            self._limit = f"the stream leads to a {name}, which it may not"
        if is_video_decoder(factory):
            if element.find_property("max-threads") is not None:
                element.set_property("max-threads", 1)  # with more, frames come later
            self.decoder = name
            self.is_hardware = is_hardware(factory)
            log.info("%s: decoded by %s (%s)", self._shown, name, "hardware" if self.is_hardware else "software")
            self._decoder = element
            element.get_static_pad("sink").add_probe(gst.PadProbeType.EVENT_DOWNSTREAM, self._size_probe())
            self._is_known.set()

    def _size_probe(self) -> Callable[[Any, Any], Any]:
        """Return what looks at the size that a stream claims before a decoder takes memory for it."""
        this, gst = weakref.ref(self), self._library.gst

        def told(_: Any, info: Any) -> Any:
            connection, event = this(), info.get_event()
            if connection is None or event.type != gst.EventType.CAPS:
                return gst.PadProbeReturn.OK
            structure = event.parse_caps().get_structure(0)
            (has_width, width), (has_height, height) = structure.get_int("width"), structure.get_int("height")
            if has_width and has_height:
                connection._check_size(width, height)
            return gst.PadProbeReturn.OK if connection._limit is None else gst.PadProbeReturn.DROP

        return told

    def _check_size(self, width: int, height: int) -> None:
        longest = self._settings.longest_side
        if max(width, height) > longest:
            self._limit = f"a picture of {width}x{height} is larger than {longest} (longest_side)"

    def _free(self) -> None:
        """Stop the pipeline and let go of it: one that lives on when Python ends takes the process down with it."""
        self._closed.set()
        with self._freeing:
            pipeline, self._pipeline = self._pipeline, None
        if pipeline is None:
            return
        for element, handler in self._handlers:
            element.disconnect(handler)
        self._handlers.clear()
        pipeline.set_state(self._library.gst.State.NULL)
        self._bus.set_flushing(True)
        self._bus = self._sink = None
        if self._passage is not None:
            self._passage.free()
        _OPEN.discard(self)


_OPEN: weakref.WeakSet[GstConnection] = weakref.WeakSet()


@atexit.register
def _free_all() -> None:
    """Free what is still open when Python ends, else GStreamer's threads crash the process."""
    for connection in list(_OPEN):
        connection.close()
    deadline = time.monotonic() + 2 * _PULL_SECONDS
    while _OPEN and time.monotonic() < deadline:
        time.sleep(0.01)  # for threads that iterate
    for connection in list(_OPEN):
        connection._free()


def connector(
    url: str,
    *,
    name: str,
    settings: LiveSettings,
    transport: str = "tcp",
    allow_private: bool = False,
    trust: Trust | None = None,
) -> Callable[[], Connection]:
    """Return what connects to a URL of `SCHEMES`, as often as it is called. Raises OpenError for what never can be.

    transport: of RTSP, `tcp` or `udp`
    allow_private: without it HTTP is not read: GStreamer goes wherever a playlist leads
    trust: whose certificates are believed
    """
    found = library()
    if url.startswith("gst:"):
        return _pipeline_connector(url, name=name, settings=settings)
    try:
        address = address_of(url)
    except ValueError as error:
        raise OpenError(f"{redact(url)}: {error}", reason="limit") from None
    shown = address.shown
    if address.scheme not in SCHEMES:
        raise OpenError(f"{shown}: GStreamer is not asked to read {address.scheme}:", reason="limit")
    if address.scheme in ("http", "https") and not allow_private:
        raise OpenError(
            f"{shown}: GStreamer goes wherever a playlist leads, and reads HTTP only with allow_private = true; "
            "the backend pyav looks at every address",
            reason="limit",
        )
    element, own = _source(address, transport)
    if found.gst.ElementFactory.find(element) is None:
        raise OpenError(f"{shown}: GStreamer lacks {element} here", reason="limit")
    # Frames of HTTP come a segment at a time: the sink hands them out at the pace of their times.
    text = f"{element} name=source ! decodebin name=decode expose-all-streams=false"
    text += " ! deinterlace method=yadif fields=top ! videoconvert n-threads=1"
    text += f" ! appsink name=sink sync={'true' if element == 'souphttpsrc' else 'false'}"

    guard = Guard(address, allow_private=allow_private, trust=trust)
    if address.scheme in ("https", "rtmps"):
        own |= _tls(address, guard.trust)

    def connect() -> Connection:
        if element == "rtspsrc":
            seconds = settings.open_timeout_seconds
            return through(address, guard, open_seconds=seconds, connect=connect_by)
        failure: StreamError
        try:
            return connect_by(None)
        except StreamError as error:
            failure = error
        raise doubted(address, guard, settings.open_timeout_seconds) or failure

    def connect_by(passage: Passage | None) -> Connection:
        pipeline = found.gst.parse_launch(text)
        properties = own if passage is None else _source(passage.address, transport)[1]
        source = pipeline.get_by_name("source")
        for key, value in properties.items():
            if source.find_property(key) is not None:
                found.gst.util_set_object_arg(source, key, str(value))
        pipeline.get_by_name("decode").set_property("caps", found.gst.Caps.from_string("video/x-raw(ANY)"))
        media: set[str] = set()

        def is_wanted(_: Any, __: int, caps: Any) -> bool:
            kind = caps.get_structure(0).get_string("media")
            media.add(kind)
            return bool(kind == "video")

        if element == "rtspsrc":
            source.connect("select-stream", is_wanted)
        _prepare(pipeline.get_by_name("sink"))
        connection = GstConnection(
            pipeline,
            name=name,
            shown=shown,
            settings=settings,
            secrets=tuple(
                secret for secret in (address.password, address.user, address.query) if secret and len(secret) > 3
            ),
            sources=(element, *_INNER_SOURCES),
            passage=passage,
        )
        connection.media = media
        return connection

    return connect


def _pipeline_connector(url: str, *, name: str, settings: LiveSettings) -> Callable[[], Connection]:
    """Return what starts a pipeline that a user wrote, `gst:` and then as for gst-launch-1.0. Raises OpenError."""
    text = url.removeprefix("gst:")
    shown = redact(url)
    secrets = _long_enough(*(match[1].strip("\"'") for match in _SECRET_PROPERTY.finditer(text)))

    def parse() -> Any:
        gst = library().gst
        pipeline, words = None, ""
        try:
            pipeline = gst.parse_launch(text)
        except library().glib.Error as error:
            words = str(error.message)
        if words:  # raised out here, since an error keeps the one that it is raised beside, secrets and all
            for secret in secrets:
                words = words.replace(secret, "***")
            raise OpenError(f"{shown}: {_redacted(words)}", reason="limit")
        sink = pipeline.get_by_name("sink") if isinstance(pipeline, gst.Bin) else None
        if sink is None or sink.get_factory().get_name() != "appsink":
            raise OpenError(f"{shown}: the pipeline must end in: appsink name=sink", reason="limit")
        if not isinstance(pipeline, gst.Pipeline):  # a single bin
            raise OpenError(f"{shown}: not a pipeline", reason="limit")
        _prepare(sink, is_synchronous="sync=" in text.replace(" ", ""))
        return pipeline

    parse()  # so that a mistake is told at once
    return lambda: GstConnection(parse(), name=name, shown=shown, settings=settings, secrets=secrets)


def _prepare(sink: Any, *, is_synchronous: bool = True) -> None:
    """Make an appsink hand out pictures that are read here, the newest it has, as soon as they are there."""
    sink.set_property("enable-last-sample", False)
    sink.set_property("wait-on-eos", False)
    sink.set_property("qos", False)
    if not is_synchronous:
        sink.set_property("sync", False)
    if not sink.get_property("max-buffers"):
        sink.set_property("max-buffers", _QUEUE)
    if sink.get_property("caps") is None:
        sink.set_property("caps", library().gst.Caps.from_string(_CAPS))


def _source(address: Address, transport: str) -> tuple[str, dict[str, object]]:
    """Return the element that reads an address, and its properties. Raises OpenError."""
    login = {"user-id": address.user or "", "user-pw": address.password or ""} if address.user is not None else {}
    bare = replace(address, user=None, password=None)
    if address.scheme in ("rtsp", "rtsps"):
        pairs = [pair for pair in parse_qsl(address.query, keep_blank_values=True) if pair[0] != "transport"]
        transport = dict(parse_qsl(address.query)).get("transport", transport)
        if transport not in ("tcp", "udp"):
            raise OpenError(f"{address.shown}: transport must be tcp or udp", reason="limit")
        properties: dict[str, object] = {
            "location": bare.url(query=urlencode(pairs) if len(pairs) != len(parse_qsl(address.query)) else None),
            "protocols": "tcp" if transport == "tcp" else "udp+udp-mcast",
            # How long a lost packet is waited for; what is on time goes on at once. It bounds what is kept, too.
            "latency": 2000 if transport == "tcp" else 200,
            "buffer-mode": "none",  # the times of the camera, not those at which packets came
            "drop-on-latency": "true",
            "add-reference-timestamp-meta": "true",
        }
        return "rtspsrc", properties | login
    if address.scheme in ("rtmp", "rtmps"):
        names = {"user-id": "username", "user-pw": "password"}
        return "rtmp2src", {"location": bare.url(), **{names[key]: value for key, value in login.items()}}
    if address.scheme == "srt":
        return "srtsrc", _srt(address)
    if address.scheme == "udp":
        if address.query:
            raise OpenError(f"{address.shown}: GStreamer takes no options behind the ? of udp:", reason="limit")
        if address.port is None:
            raise OpenError(f"{address.shown}: it names no port", reason="limit")
        return "udpsrc", {"address": address.host or "0.0.0.0", "port": address.port, "buffer-size": 1 << 20}
    return "souphttpsrc", {"location": bare.url(), "is-live": "true", "timeout": 5, **login}


def _tls(address: Address, trust: Trust) -> dict[str, object]:
    """Return properties for certificates, which GStreamer checks by itself. Raises OpenError."""
    is_web = address.scheme == "https"
    if not trust.verify:
        return {"ssl-strict": "false"} if is_web else {"tls-validation-flags": "0"}
    if trust.ca_file is not None and not is_web:
        raise OpenError(f"{address.shown}: GStreamer takes no ca_file for rtmps; pyav does", reason="limit")
    return {"ssl-ca-file": trust.ca_file} if trust.ca_file is not None else {}


def _srt(address: Address) -> dict[str, object]:
    if address.port is None:
        raise OpenError(f"{address.shown}: it names no port", reason="limit")
    properties: dict[str, object] = {"uri": f"srt://{address.place}", "auto-reconnect": "false"}
    for key, value in parse_qsl(address.query, keep_blank_values=True):
        if key not in _SRT_KEYS:
            raise OpenError(f"{address.shown}: unknown option {key} (known: {', '.join(_SRT_KEYS)})", reason="limit")
        if not re.fullmatch(_SRT_KEYS[key], value):
            shown = "what it is" if key in ("passphrase", "streamid") else repr(value)
            raise OpenError(f"{address.shown}: {key} cannot be {shown}", reason="limit")
        if key == "mode":  # which it takes to heart in its URI alone
            properties["uri"] = f"srt://{address.place}?mode={value}"
        else:
            properties[key] = value
    return properties


def _elements(gst: Any, pipeline: Any) -> Iterator[Any]:
    """Yield the elements of a pipeline, those in its bins too."""
    elements = pipeline.iterate_recurse()
    while True:
        outcome, element = elements.next()
        if outcome == gst.IteratorResult.RESYNC:
            elements.resync()
        elif outcome == gst.IteratorResult.OK:
            yield element
        else:
            return


def _reason(error: Any, debug: str) -> Reason:
    """Say why a stream is not watched, of the domain and code of an error of GStreamer's and what else it tells."""
    text = f"{error.message} {debug}".lower()
    if (error.domain, error.code) == (_RESOURCE, 15) or "unauthorized" in text or "(401)" in text:
        return "refused"
    if "timed out" in text or "timeout" in text:
        return "timeout"
    if error.domain == _RESOURCE:
        return _RESOURCE_REASONS.get(error.code, "other")
    if error.domain == _STREAM:
        return "reset" if error.code == 1 and "reason error (-5)" in text else "decode"
    return "other"


def _long_enough(*secrets: str | None) -> tuple[str, ...]:
    """Return the secrets that can be taken out of a text without taking it to pieces."""
    return tuple(secret for secret in secrets if secret and len(secret) > 3)


def _redacted(text: str) -> str:
    """Return GStreamer's words on one line, without secrets: it quotes addresses, of which some lack their scheme."""
    words = re.sub(r"[a-z][a-z0-9+.-]*://\S+", lambda match: redact(match[0]), text)
    return " ".join(re.sub(r"//\S*@", "//***@", words).split())
