"""What PyAV's connections read, what FFmpeg is asked for, and how its troubles are told."""

from __future__ import annotations

import errno
import socket
import struct
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import av
import pytest

from streams import errors
from streams.av_live import _asked_of_ffmpeg, camera_connector, connector, trouble
from streams.frame import Frame
from streams.live_source import LiveSettings
from streams.urls import address_of
from tests.feeds import FPS, SIZE_WH, Pages, Ticker, mjpeg_page, transport_stream, udp_feed
from tests.media import number_of, picture, write_video
from tests.ports import free_port
from tests.watching import watched


@pytest.mark.parametrize(
    ("error", "is_reading", "reason", "message"),
    [
        (av.ExitError(1, "x"), False, "timeout", "cam: no answer"),
        (av.ExitError(1, "x"), True, "stall", "cam: nothing came for too long"),
        (av.TimeoutError(errno.ETIMEDOUT, "x"), True, "stall", "cam: nothing came for too long"),
        (av.HTTPUnauthorizedError(1, "x"), False, "refused", "cam: user and password were turned down"),
        (av.HTTPForbiddenError(1, "x"), False, "refused", "cam: user and password were turned down"),
        (av.HTTPNotFoundError(1, "Not Found"), False, "unreachable", "cam: Not Found"),
        (av.ConnectionRefusedError(1, "Connection refused"), False, "unreachable", "cam: Connection refused"),
        (av.ConnectionResetError(1, "x"), True, "reset", "cam: the connection was reset"),
        (av.BrokenPipeError(1, "x"), True, "reset", "cam: the connection was reset"),
        (av.InvalidDataError(1, "x"), False, "decode", "cam: cannot be understood"),
        (av.InvalidDataError(1, "x"), True, "decode", "cam: cannot be understood"),
        (av.EOFError(1, "x"), False, "end", "cam: it ended before its first picture"),
        (av.ProtocolNotFoundError(1, "x"), False, "limit", "cam: FFmpeg may not or cannot speak this protocol"),
        (av.OSError(errno.EIO, "Input/output error"), True, "reset", "cam: Input/output error"),
        (av.OSError(errno.ENODEV, "No such device"), True, "reset", "cam: No such device"),  # a camera pulled out
        (av.OSError(errno.EHOSTUNREACH, "No route to host"), False, "unreachable", "cam: No route to host"),
        (av.UnknownError(1, "Unknown"), True, "other", "cam: Unknown"),
    ],
)
def test_troubles_and_their_reasons(error: Exception, is_reading: bool, reason: str, message: str) -> None:
    told = trouble("cam", error, is_reading=is_reading)
    assert isinstance(told, errors.StreamError)
    assert (told.reason, str(told)) == (reason, message)


@pytest.mark.parametrize(
    ("url", "reason", "message"),
    [
        (
            "rtsp://u:s3cr3t@camera.invalid/x",
            "unreachable",
            "rtsp://camera.invalid/x: there is no such host",
        ),
        (
            "rtmp://camera.invalid/a/x",
            "unreachable",
            "rtmp://camera.invalid/a/x: there is no such host",
        ),
        ("rtsp://127.0.0.1:1/x", "unreachable", "rtsp://127.0.0.1:1/x: Connection refused"),
        (
            "udp://239.0.0.1:5004?localaddr=203.0.113.9",
            "unreachable",
            "udp://239.0.0.1:5004: no network interface of this machine has that address, or leads to that group",
        ),
    ],
)
def test_what_cannot_be_reached_is_told_by_what_is_wrong(url: str, reason: str, message: str) -> None:
    with pytest.raises(errors.OpenError) as caught:
        connector(address_of(url), name="cam", settings=LiveSettings())()
    assert (caught.value.reason, str(caught.value)) == (reason, message)


def test_what_ffmpeg_is_asked_for() -> None:
    """Nothing of a URL becomes an option, and each protocol may use what it needs and no more."""
    url, options = _asked_of_ffmpeg(address_of("rtsp://a:b@cam/x?listen=1&rtsp_flags=listen"), "udp", LiveSettings())
    assert url == "rtsp://a:b@cam/x?listen=1&rtsp_flags=listen", "it is the camera's"
    assert options == {
        "protocol_whitelist": "rtsp,rtp,tcp,udp",
        "rtsp_transport": "udp",
        "allowed_media_types": "video",
        "analyzeduration": "100000",
        "timeout": "3000000",
    }
    url, options = _asked_of_ffmpeg(address_of("udp://127.0.0.1:5004?reuse=1"), "tcp", LiveSettings())
    assert url == "udp://127.0.0.1:5004"
    assert options["localaddr"] == "127.0.0.1"
    assert options["reuse"] == "1"
    assert options["protocol_whitelist"] == "udp"
    _, options = _asked_of_ffmpeg(address_of("rtmp://host/app/x"), "tcp", LiveSettings())
    assert "timeout" not in options, "FFmpeg would take it as a wish to be the server"


def test_a_stream_to_this_machine_is_not_taken_from_the_network() -> None:
    """Who listens for 127.0.0.1 listens there, and not on every interface."""
    port = free_port(socket.SOCK_DGRAM)
    with udp_feed(port), watched(f"udp://127.0.0.1:{port}") as watch:
        watch.wait(Frame)
        rows = [line.split()[1] for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
        assert [row for row in rows if row.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]


def test_multicast() -> None:
    group, port = "239.203.77.1", free_port(socket.SOCK_DGRAM)
    pieces = transport_stream(count=4 * FPS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, struct.pack("b", 0))

        def send(number: int) -> None:
            data = pieces[number % len(pieces)]
            for at in range(0, len(data), 1316):
                sender.sendto(data[at : at + 1316], (group, port))

        ticker = Ticker(send)
        try:
            with watched(f"udp://@{group}:{port}?localaddr=127.0.0.1") as watch:
                watch.wait(Frame, count=5)
                numbers = [number_of(frame.rgb()) for frame in watch.frames]
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        finally:
            ticker.stop()


def test_a_transport_stream_over_http() -> None:
    """As some encoders and tuners give it."""
    pieces = transport_stream(count=4 * FPS)
    stop = threading.Event()

    def page(request: object) -> None:
        request.send_response(200)  # type: ignore[attr-defined]
        request.end_headers()  # type: ignore[attr-defined]
        for piece in pieces:
            request.wfile.write(piece)  # type: ignore[attr-defined]
            stop.wait(1 / FPS)

    with Pages() as pages:
        pages.pages["/feed"] = page
        with watched(pages.url("/feed")) as watch:
            watch.wait(Frame, count=10)
            assert [number_of(frame.rgb()) for frame in watch.frames[:10]] == list(range(10))
            assert {two.pts - one.pts for one, two in zip(watch.frames, watch.frames[1:9], strict=False)} == {6000}
        stop.set()


def test_hls_of_fragmented_mp4(tmp_path: Path) -> None:
    """Its header comes first, once; each picture once, in order, with the playlist's date."""
    options = {
        "hls_time": "1",
        "hls_segment_type": "fmp4",
        "hls_list_size": "0",
        "hls_flags": "program_date_time",
    }
    with av.open(str(tmp_path / "live.m3u8"), "w", format="hls", options=options) as out:
        stream = out.add_stream("libx264", rate=FPS, options={"g": str(FPS), "preset": "ultrafast"})
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt = "yuv420p"
        for number in range(4 * FPS):
            frame = av.VideoFrame.from_ndarray(picture(number, SIZE_WH), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with Pages() as pages:
        for path in tmp_path.iterdir():
            pages.add(f"/{path.name}", path.read_bytes())
        with watched(pages.url("/live.m3u8")) as watch:
            watch.wait(Frame, count=2 * FPS)
            assert [number_of(frame.rgb()) for frame in watch.frames[: 2 * FPS]] == list(range(2 * FPS))
            clock = watch.frames[0].wall_clock
            assert clock is not None
            assert clock.method == "program_date"
        assert pages.hits.count("/init.mp4") == 1


def test_a_device_that_ends_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in place of a camera, as there is none here: it ends after ten frames, which a camera would not."""
    path, opened = write_video(tmp_path / "v.mp4", pts=range(10)), av.open

    def as_device(device: str, mode: str, **kind: object) -> object:
        assert (device, kind.pop("format")) == ("/dev/video0", "v4l2")
        return opened(str(path), mode, **kind)  # type: ignore[call-overload]

    monkeypatch.setattr("streams.av_live.av.open", as_device)
    connection = camera_connector("/dev/video0", name="cam", settings=LiveSettings(), options={})()
    numbers = []
    with pytest.raises(errors.StreamError, match="/dev/video0: the stream ended") as caught:
        numbers.extend(number_of(frame.rgb()) for frame in connection)
    assert caught.value.reason == "end"
    assert numbers == list(range(10))


@pytest.mark.parametrize("is_closed", [True, False], ids=["closed", "left alone"])
def test_a_read_that_waits_returns(is_closed: bool) -> None:
    """At once where the connection is closed from another thread; else after the time for reads."""
    stop = threading.Event()
    with Pages() as pages:
        page = mjpeg_page(stop)

        def stalling(request: BaseHTTPRequestHandler) -> None:
            page(request)
            threading.Event().wait(20)

        pages.pages["/cam"] = stalling
        settings = LiveSettings(stall_seconds=1.5, open_timeout_seconds=8)
        connection = connector(address_of(pages.url("/cam")), name="cam", settings=settings)()
        frames = iter(connection)
        next(frames)
        stop.set()
        began_at = time.monotonic()
        closer = threading.Timer(0.5, connection.close)
        if is_closed:
            closer.start()
            assert sum(1 for _ in frames) < FPS
            assert time.monotonic() - began_at < 1.4
        else:
            with pytest.raises(errors.ReadTimeout, match="silent for too long") as caught:
                list(frames)
            assert caught.value.reason == "stall"
            assert 1.4 < time.monotonic() - began_at < 5


@pytest.mark.parametrize(
    ("body", "kind", "message"),
    [
        (b"<html>log in</html>", "text/html", "text/html is not a live stream"),
        (b"\0\0\0\x20ftypisom" + bytes(100), "video/mp4", "video/mp4 is not a live stream"),
        (b"--frame\r\nContent-Type: text/html\r\n\r\n", "multipart/x-mixed-replace", ""),
        (b"", "video/mp2t", ""),
    ],
)
def test_what_is_no_live_stream(body: bytes, kind: str, message: str) -> None:
    with Pages() as pages:
        pages.add("/cam", body, kind)
        with watched(pages.url("/cam")) as watch:
            _, gap = watch.gap_after(0)
            assert gap.message.startswith(pages.url("/cam") + ": " + message), gap.message
            assert gap.reason in ("decode", "end")
            assert not watch.frames
