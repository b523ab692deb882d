"""RTSP goes through a port of our own, which leads nowhere else: real servers, and hostile ones that count callers."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import StreamError
from streams.frame import Frame
from streams.live import open_live
from streams.passage import Sieve
from tests.ports import Listener, free_port
from tests.rtsp_server import RtspServer, needs_rtsp_server
from tests.test_streams_gst_source import why_not
from tests.watching import QUICK, watched

needs_gstreamer = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")
BACKENDS = ["pyav", pytest.param("gstreamer", marks=needs_gstreamer)]


class Fake:
    """An RTSP server that answers each request as a function says; keeps what it was asked."""

    def __init__(self, answer: Callable[[str, int], str | None]) -> None:
        self.asked: list[str] = []
        self._answer = answer
        self._listener = Listener(self._serve)
        self.port, self.close = self._listener.port, self._listener.close
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(ConnectionError):  # who asks may hang up in the middle
            while data := client.recv(1 << 16):
                text = data.decode("latin-1")
                self.asked.append(text)
                number = re.search(r"(?i)cseq: *(\d+)", text)
                answer = self._answer(text.split()[0], len(self.asked))
                if answer is None or number is None:
                    return
                client.sendall(answer.replace("{n}", number[1]).encode())


OPTIONS = "RTSP/1.0 200 OK\r\nCSeq: {n}\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n"
ASKS = 'RTSP/1.0 401 Unauthorized\r\nCSeq: {n}\r\nWWW-Authenticate: Basic realm="give it to me"\r\n\r\n'


def leads_to(url: str, *, at: str = "DESCRIBE") -> Callable[[str, int], str]:
    moved = f"RTSP/1.0 302 Moved Temporarily\r\nCSeq: {{n}}\r\nLocation: {url}\r\n\r\n"
    return lambda method, _: moved if method == at else OPTIONS


@contextmanager
def fake(answer: Callable[[str, int], str | None]) -> Iterator[Fake]:
    server = Fake(answer)
    try:
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("at", ["OPTIONS", "DESCRIBE"])
def test_a_redirect_to_a_private_server_is_not_followed(backend: str, at: str) -> None:
    """The password would go along. 302 with the name of this machine, 301 and a server that asks are the same."""
    with fake(lambda *_: ASKS) as evil, fake(leads_to(evil.url, at=at)) as camera:
        with watched(camera.url.replace("//", "//user:s3cr3t@"), backend=backend) as watch:
            _, gap = watch.gap_after(0)
        assert gap.reason == "limit"
        message = f"{evil.url}: the stream leads to the private address 127.0.0.1; allow_private would let it"
        assert gap.message == message
        assert camera.asked
        assert evil.asked == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_only_the_second_connection_is_led_astray(backend: str) -> None:
    """A look beforehand would see nothing; every answer of every connection is looked at."""
    with ExitStack() as stack:
        evil = stack.enter_context(fake(lambda *_: ASKS))
        astray = leads_to(evil.url)
        camera = stack.enter_context(fake(lambda method, count: None if count < 3 else astray(method, count)))
        watch = stack.enter_context(watched(camera.url, backend=backend))
        watch.wait(type(watch.gap_after(0)[1]))
        for _ in range(100):
            if watch.source.health().reconnects.get("limit"):
                break
            threading.Event().wait(0.1)
        assert watch.source.health().reconnects["limit"] >= 1
        assert evil.asked == []


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("http://127.0.0.1:{port}/cam", "leads to http:, which it may not"),
        ("rtmp://127.0.0.1:{port}/cam", "leads to rtmp:, which it may not"),
        ("file:///etc/passwd", "leads to what is no address|leads to file:"),
        ("rtsp://localhost:{port}/cam", "private address"),
        ("rtsp://[::ffff:127.0.0.1]:{port}/cam", "private address|no such host"),
        ("rtsp://2130706433:{port}/cam", "private address|no such host"),  # 127.0.0.1 as a number
        ("rtsps://127.0.0.1:{port}/cam", "private address"),
    ],
)
def test_where_a_redirect_may_not_lead(target: str, message: str) -> None:
    with fake(lambda *_: ASKS) as evil, fake(leads_to(target.replace("{port}", str(evil.port)))) as camera:
        with watched(camera.url) as watch:
            _, gap = watch.gap_after(0)
        assert re.search(message, gap.message), gap.message
        assert evil.asked == []


@pytest.mark.parametrize("backend", BACKENDS)
def test_redirects_end(backend: str) -> None:
    with ExitStack() as stack:
        camera = stack.enter_context(fake(lambda *_: moved[0]))
        moved = [f"RTSP/1.0 301 Moved\r\nCSeq: {{n}}\r\nLocation: {camera.url}\r\n\r\n"]
        watch = stack.enter_context(watched(camera.url, backend=backend))
        _, gap = watch.gap_after(0)
        assert (gap.reason, gap.message) == ("limit", f"{camera.url}: redirected more than 5 times")


@needs_rtsp_server
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_redirect_that_is_allowed_is_watched_and_gets_no_password(backend: str) -> None:
    with RtspServer() as server, fake(leads_to(server.url)) as camera:
        url = camera.url.replace("//", "//user:s3cr3t@")
        with watched(url, backend=backend, allow_private=True) as watch:
            watch.wait(Frame, count=5)
    with RtspServer(user="user", password="s3cr3t") as server, fake(leads_to(server.url)) as camera:
        with watched(camera.url.replace("//", "//user:s3cr3t@"), backend=backend, allow_private=True) as watch:
            _, gap = watch.gap_after(0)
        assert gap.reason == "refused"


@needs_rtsp_server
@pytest.mark.parametrize("backend", BACKENDS)
def test_by_udp_too(backend: str) -> None:
    with RtspServer() as server, watched(server.url, backend=backend, transport="udp") as watch:
        watch.wait(Frame, count=5)


def test_what_is_no_rtsp() -> None:
    with fake(lambda *_: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno") as server, watched(server.url) as watch:
        _, gap = watch.gap_after(0)
    assert (gap.reason, gap.message) == ("decode", f"{server.url}: the server does not speak RTSP")


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "rtmp", "rtmps"])
def test_a_name_that_becomes_another_private_address(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS that answers otherwise the second time."""
    answer = ["127.0.0.1"]

    def answering(host: str, port: int, *args: object, **kind: object) -> list[object]:
        if host == "cam.invalid":
            host = answer[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answering)
    port = free_port()
    with socket.create_server(("127.0.0.2", port)) as evil:
        connect = open_live(f"{scheme}://cam.invalid:{port}/a/b", "cam", settings=QUICK)._connect
        with pytest.raises(StreamError) as caught:
            connect()
        assert caught.value.reason == "unreachable"
        answer[0] = "127.0.0.2"
        with pytest.raises(StreamError, match=r"leads to the private address 127\.0\.0\.2"):
            connect()
        evil.settimeout(0.1)
        with pytest.raises(TimeoutError):
            evil.accept()


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_no_description_leads_elsewhere(backend: str, transport: str) -> None:
    """Addresses in the description and its headers, and the one that UDP is to come from, to which packets are sent."""
    with ExitStack() as stack:
        evil = stack.enter_context(fake(lambda *_: ASKS))
        heard = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        heard.bind(("127.0.0.2", 0))
        port = heard.getsockname()[1]
        track = f"m=video {port} RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:{evil.url}/track\r\n"
        text = (
            f"v=0\r\no=- 1 1 IN IP4 127.0.0.2\r\ns=x\r\nc=IN IP4 127.0.0.2\r\nt=0 0\r\na=control:{evil.url}\r\n{track}"
        )
        head = f"Content-Base: {evil.url}/\r\nContent-Location: {evil.url}/\r\nContent-Type: application/sdp\r\n"

        def answer(method: str, _: int) -> str:
            ok = "RTSP/1.0 200 OK\r\nCSeq: {n}\r\n"
            if method == "DESCRIBE":
                return f"{ok}{head}Content-Length: {len(text)}\r\n\r\n{text}"
            if method == "SETUP":
                asked = re.search(r"Transport: *([^\r]*)", camera.asked[-1])
                assert asked is not None
                more = f";server_port={port}-{port + 1}" if transport == "udp" else ""
                return f"{ok}Session: 1\r\nTransport: {asked[1]}{more};source=127.0.0.2;destination=127.0.0.2\r\n\r\n"
            return f"{ok}Session: 1\r\n\r\n" if method != "OPTIONS" else OPTIONS

        camera = stack.enter_context(fake(answer))
        watch = stack.enter_context(watched(camera.url, backend=backend, transport=transport))
        watch.gap_after(0, timeout=20)
        assert any(text.startswith("PLAY") for text in camera.asked), camera.asked
        assert evil.asked == []
        heard.settimeout(0.2)
        with pytest.raises(TimeoutError):
            heard.recv(100)


def amf(*values: object) -> bytes:
    """Encode values as RTMP has them (AMF0)."""
    told = b""
    for value in values:
        if isinstance(value, dict):
            rows = b"".join(struct.pack(">H", len(key)) + key.encode() + amf(item) for key, item in value.items())
            told += b"\x03" + rows + b"\0\0\x09"
        elif isinstance(value, str):
            told += b"\x02" + struct.pack(">H", len(value)) + value.encode()
        else:
            told += b"\x05" if value is None else b"\0" + struct.pack(">d", value)
    return told


def leading_to(url: str, asked: list[bytes]) -> Callable[[socket.socket], None]:
    """Return an RTMP server that answers `connect` as Flash's did where a stream had moved."""

    def serve(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.settimeout(5)
            first = client.recv(1537, socket.MSG_WAITALL)
            client.sendall(b"\x03" + bytes(1536) + first[1:])
            client.recv(1536, socket.MSG_WAITALL)
            asked.append(client.recv(1 << 16))
            ex = {"code": 302.0, "redirect": url}
            info = {"level": "error", "code": "NetConnection.Connect.Rejected", "description": "moved", "ex": ex}
            body = amf("_error", 1.0, None, info)
            chunks = b"\xc3".join(body[at : at + 128] for at in range(0, len(body), 128))
            client.sendall(b"\x03\0\0\0" + struct.pack(">I", len(body))[1:] + b"\x14" + bytes(4) + chunks)
            time.sleep(1)

    return serve


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_follows_a_redirect_of_rtmp(backend: str) -> None:
    """FFmpeg and GStreamer know none; a version that learns it is noticed here."""
    asked: list[bytes] = []
    with fake(lambda *_: None) as evil, socket.create_server(("127.0.0.1", 0)) as server:
        serve = leading_to(f"rtmp://127.0.0.1:{evil.port}/live", asked)

        def run() -> None:
            with suppress(OSError):
                while True:
                    serve(server.accept()[0])

        threading.Thread(target=run, daemon=True).start()
        with watched(f"rtmp://127.0.0.1:{server.getsockname()[1]}/live/cam", backend=backend) as watch:
            watch.gap_after(0)
        server.shutdown(socket.SHUT_RDWR)
        assert b"connect" in asked[0]
        assert evil.asked == []


REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nabcd"
PACKET = b"$\0\0\x08RTSP/1.0"


@pytest.mark.parametrize(
    ("sent", "passed", "target"),
    [
        (REPLY + PACKET, b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nabcd" + PACKET, None),
        (b"\r\n\n" + REPLY.replace(b"\r\n", b"\n"), REPLY, None),  # as some cameras end their lines
        (b"RTSP/2.0  200\nCSeq: 1\n\n", b"RTSP/1.0 200 \r\nCSeq: 1\r\n\r\n", None),
        (b"RTSP/1.0 302 Moved\nlocation : rtsp://a/b\n\n", b"", "rtsp://a/b"),
        (b"RTSP/1.0 3\r02 Moved\nLocation: rtsp://a/b\n\n", b"", "rtsp://a/b"),  # of which FFmpeg takes the \r out
        (b"REDIRECT rtsp://c/d RTSP/1.0\r\nCSeq: 9\r\nLocation: rtsp://a/b\r\n\r\n", b"", "rtsp://a/b"),
        (REPLY + b"RTSP/1.0 305 Use Proxy\r\nLocation: rtsp://a/\r\n\r\n" + PACKET, REPLY, "rtsp://a/"),
        # FFmpeg takes what is in packets of less than 8 bytes for text
        (b"$\0\0\x07RTSP/1.$\0\0\x070 302 a" + REPLY, REPLY, None),
        # a length for us, and another one for whoever takes the last
        (
            b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\nContent-Length: 0\r\n\r\nab",
            b"RTSP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab",
            None,
        ),
        (b"RTSP/1.0 200 OK\r\nLocation: rtsp://a/\r\n\r\n", b"RTSP/1.0 200 OK\r\n\r\n", None),
        (
            b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;unicast;client_port=2-3;server_port=4-5;source=10.0.0.9\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;unicast;client_port=2-3;server_port=4-5;source=10.0.0.5\r\n\r\n",
            None,
        ),
        (
            b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;source=10.0.0.9\r\n\r\n",
            b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
            None,
        ),
    ],
)
def test_what_gets_through(sent: bytes, passed: bytes, target: str | None) -> None:
    for size in (1, 3, 7, len(sent)):
        sieve, got = Sieve("10.0.0.5"), b""
        for at in range(0, len(sent), size):
            got += sieve.passed(sent[at : at + size])
        assert (got, sieve.target) == (passed, target), f"in pieces of {size}"


@pytest.mark.parametrize(
    ("value", "passed"),
    [
        (
            "RTP/AVP;multicast;destination=239.1.2.3;port=5-6;ttl=2",
            "RTP/AVP;multicast;destination=239.1.2.3;port=5-6;ttl=2",
        ),
        ("RTP/AVP;multicast;Destination=10.0.0.9;port=5-6", "RTP/AVP;multicast;port=5-6"),  # no group
        ("RTP/AVP;multicast;destination=localhost;source=10.0.0.9;port=5-6", "RTP/AVP;multicast;port=5-6"),
        ("RTP/AVP; SOURCE=10.0.0.9;server_port=4-5", "RTP/AVP;server_port=4-5;source=10.0.0.5"),
        (
            'RTP/AVP;mode="PLAY,RECORD";server_port=4,RTP/AVP;source=a',
            'RTP/AVP;mode="PLAY,RECORD";server_port=4;source=10.0.0.5',
        ),
    ],
)
def test_whom_a_reader_may_send_to(value: str, passed: str) -> None:
    sent = f"RTSP/1.0 200 OK\r\nTransport: {value}\r\n\r\n".encode()
    assert Sieve("10.0.0.5").passed(sent) == f"RTSP/1.0 200 OK\r\nTransport: {passed}\r\n\r\n".encode()


@pytest.mark.parametrize(
    "sent",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"RTSP/1.0 20 OK\r\n\r\n",
        b"RTSP/1.0\t302 Moved\r\nLocation: rtsp://a/\r\n\r\n",
        b"RTSP/1.0 200 OK\0\r\n\r\n",
        b"RTSP/1.0 304 Not Modified\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n",
        b"a" * (1 << 17),
    ],
)
def test_what_breaks_off(sent: bytes) -> None:
    with pytest.raises(ValueError, match=r"RTSP|answer"):
        Sieve("10.0.0.5").passed(sent)


@given(st.binary(max_size=200), st.sampled_from([b"", REPLY, PACKET, b"RTSP/1.0 302 a\r\nLocation: rtsp://a/\r\n\r\n"]))
def test_no_bytes_break_it_and_none_of_what_passes_leads_elsewhere(data: bytes, before: bytes) -> None:
    passed, said = b"", ""
    try:
        passed = Sieve("10.0.0.5").passed(before + data)
    except ValueError as error:
        said = str(error)
    assert said.isprintable()
    assert not re.match(rb"RTSP/1\.0 3", passed)
