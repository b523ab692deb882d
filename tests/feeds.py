"""Servers of live streams for the tests: transport streams over UDP, HLS and MJPEG over HTTP, all on loopback.

Each picture carries its number (`tests.media.picture`). They run in threads of the test, at the pace of the world.
"""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from fractions import Fraction
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from tests.media import picture

FPS = 15
SIZE_WH = (160, 120)
TS_PACKET = 188


@cache
def transport_stream(
    *, count: int = FPS, first: int = 0, fps: int = FPS, size_wh: tuple[int, int] = SIZE_WH, pts_offset: int = 0
) -> tuple[bytes, ...]:
    """Encode pictures `first`, `first + 1` ... as a transport stream; return its bytes, frame by frame.

    pts_offset: 90 kHz ticks at which it begins
    """
    file = _Pieces()
    with av.open(file, "w", format="mpegts", options={"flush_packets": "1"}) as out:
        stream = out.add_stream(
            "libx264", rate=fps, options={"tune": "zerolatency", "preset": "ultrafast", "g": str(fps)}
        )
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 90_000)
        pieces = []
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture((first + number) % 256, size_wh), format="rgb24")
            frame.pts, frame.time_base = pts_offset + number * 90_000 // fps, Fraction(1, 90_000)
            out.mux(stream.encode(frame))
            pieces.append(file.take())
        out.mux(stream.encode())
    pieces[-1] += file.take()
    return tuple(pieces)


def with_flipped_bits(data: bytes, seed: int) -> bytes:
    """Return a transport stream of which a bit in every `2 ** (6 + seed)`-th byte is the other way round.

    Of seeds 0 and 1, streams appear on the way that were not there at the beginning.
    """
    generator = np.random.default_rng(seed)
    flipped = np.frombuffer(data, np.uint8).copy()
    places = generator.integers(10 * TS_PACKET, flipped.size, flipped.size >> (6 + seed))
    flipped[places] ^= (1 << generator.integers(0, 8, places.size)).astype(np.uint8)
    return flipped.tobytes()


class _Pieces(io.RawIOBase):
    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._data += data
        return len(data)

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


class Ticker:
    """Calls a function for each picture of an endless stream, at its pace, in a thread. Pause, go on, stop."""

    def __init__(self, send: Callable[[int], None], fps: int = FPS) -> None:
        self._send, self._fps = send, fps
        self.is_paused = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        began = time.monotonic()
        number = 0
        while not self._stopped.wait(max(0.0, began + number / self._fps - time.monotonic())):
            if not self.is_paused:
                self._send(number)
            number += 1

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


SECONDS = 20
"""Length of the endless stream before it begins again; no test runs for so long."""


@contextmanager
def udp_feed(port: int, *, pieces: tuple[bytes, ...] | None = None) -> Iterator[Ticker]:
    """Send a transport stream to a port of loopback."""
    pieces = pieces or transport_stream(count=SECONDS * FPS)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:

        def send(number: int) -> None:
            data = pieces[number % len(pieces)]
            for at in range(0, len(data), 7 * TS_PACKET):
                sender.sendto(data[at : at + 7 * TS_PACKET], ("127.0.0.1", port))

        ticker = Ticker(send)
        try:
            yield ticker
        finally:
            ticker.stop()


class Pages:
    """An HTTP server: pages by path, each a function of the request that writes the answer; counts its requests."""

    def __init__(self, port: int = 0, host: str = "127.0.0.1") -> None:
        self.pages: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self.hits: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hits.append(self.path)
                page = outer.pages.get(self.path.partition("?")[0])
                try:
                    if page is None:
                        self.send_error(404)
                    else:
                        page(self)
                except OSError:  # the client has gone
                    self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *args: object) -> None:
                pass

        self.server = Server((host, port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def add(self, path: str, body: bytes, kind: str = "application/octet-stream") -> None:
        def page(request: BaseHTTPRequestHandler) -> None:
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", request.headers.get("Range", ""))
            sent = body if asked is None else body[int(asked[1]) : int(asked[2]) + 1]
            request.send_response(200 if asked is None else 206)
            request.send_header("Content-Type", kind)
            request.send_header("Content-Length", str(len(sent)))
            request.end_headers()
            request.wfile.write(sent)

        self.pages[path] = page

    def redirect(self, path: str, target: str) -> None:
        def page(request: BaseHTTPRequestHandler) -> None:
            request.send_response(302)
            request.send_header("Location", target)
            request.end_headers()

        self.pages[path] = page

    def url(self, path: str, who: str = "") -> str:
        return f"http://{who}127.0.0.1:{self.port}{path}"

    def __enter__(self) -> Pages:
        return self

    def __exit__(self, *args: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def mjpeg_page(stop: threading.Event, fps: int = FPS, kind: str = "moving") -> Callable[[BaseHTTPRequestHandler], None]:
    """Return a page that sends JPEGs, until `stop` is set; kind: moving, still or black."""

    def page(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        request.end_headers()
        number = 0
        while not stop.wait(1 / fps):
            shown = picture(number % 256 if kind == "moving" else 0, SIZE_WH) * (kind != "black")
            jpeg = cv2.imencode(".jpg", shown)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            request.wfile.write(head.encode() + jpeg + b"\r\n")
            number += 1
        request.close_connection = True

    return page


def encrypted(data: bytes, key: bytes, iv: bytes) -> bytes:
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    return encryptor.update(padder.update(data) + padder.finalize()) + encryptor.finalize()


class HlsFeed:
    """Publishes an endless stream as HLS on `pages`, a segment at a time, `/live.m3u8`; with program dates.

    segment_seconds: length of each; kept: how many stand in the playlist
    key_every: segments that are encrypted by one key, `/0.key` and so on; 0 for none
    """

    def __init__(
        self,
        pages: Pages,
        *,
        segment_seconds: int = 1,
        kept: int = 4,
        began_at: datetime | None = None,
        key_every: int = 0,
    ) -> None:
        self._pages, self._kept, self._key_every = pages, kept, key_every
        self._seconds = segment_seconds
        count = FPS * segment_seconds
        pieces = transport_stream(count=SECONDS * FPS)
        self._segments = [b"".join(pieces[at : at + count]) for at in range(0, len(pieces) - count + 1, count)]
        self.began_at = began_at
        self.number = -1
        self.is_paused = False
        for _ in range(kept):
            self._publish()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _publish(self) -> None:
        self.number += 1
        segment = self._segments[self.number % len(self._segments)]
        if self._key_every:
            number = self.number // self._key_every
            key = number.to_bytes(16, "big")
            self._pages.add(f"/{number}.key", key)
            segment = encrypted(segment, key, self.number.to_bytes(16, "big"))
        self._pages.add(f"/{self.number}.ts", segment, "video/mp2t")
        first = max(0, self.number - self._kept + 1)
        lines = [
            "#EXTM3U",
            "#EXT-X-VERSION:3",
            f"#EXT-X-TARGETDURATION:{self._seconds}",
            f"#EXT-X-MEDIA-SEQUENCE:{first}",
        ]
        for number in range(first, self.number + 1):
            if self.began_at is not None and number == first:
                date = self.began_at + timedelta(seconds=number * self._seconds)
                lines.append(f"#EXT-X-PROGRAM-DATE-TIME:{date.isoformat(timespec='milliseconds')}")
            if self._key_every and (number == first or number % self._key_every == 0):
                lines.append(f'#EXT-X-KEY:METHOD=AES-128,URI="{number // self._key_every}.key"')
            lines += [f"#EXTINF:{self._seconds:.3f},", f"{number}.ts"]
        self._pages.add("/live.m3u8", "\n".join(lines).encode(), "application/vnd.apple.mpegurl")

    def _run(self) -> None:
        began = time.monotonic()
        count = 1
        while not self._stopped.wait(max(0.0, began + count * self._seconds - time.monotonic())):
            if not self.is_paused:
                self._publish()
            count += 1

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def __enter__(self) -> HlsFeed:
        return self

    def __exit__(self, *args: object) -> None:
        self.stop()
