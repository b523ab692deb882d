"""What the tests of deliveries share: streams, events, and a web server that does as it is told."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from pipeline.config import Config
from pipeline.events import Event, LimitChange
from pipeline.metrics import Metrics
from pipeline.sinks.sink import Outlet
from streams.frame import StreamInfo

INFO = StreamInfo("drive", (640, 384), 25.0, Fraction(1, 25), False, datetime(2026, 5, 1, 12, tzinfo=UTC), 4.0)


def outlet(
    folder: Path, config: Config, metrics: Metrics | None = None, *, info: StreamInfo = INFO, media: str = "film"
) -> Outlet:
    """Return the way out of a stream whose sinks ask nothing of the task."""
    return Outlet(folder, info, cast(Any, None), 0.5, config=config, metrics=metrics or Metrics(), media=media)


def happening(count: int, *, start: int = 0) -> list[Event]:
    """Return so many events, each with its number as its value."""
    event = LimitChange(stream="drive", pts_seconds=0.0, state="set", value=0, unit="km/h", reason="sign")
    return [replace(event, pts_seconds=number / 4, value=number) for number in range(start, start + count)]


def counted(metrics: Metrics, name: str, sink: str) -> float:
    return metrics.registry.get_sample_value(name, {"stream": "drive", "sink": sink}) or 0.0


def wait_until(is_so: Callable[[], bool], *, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Receiver(ThreadingHTTPServer):
    """A web server that answers as its script says, request by request, then `ok`.

    An answer is a status, `ok`, or: `stall` (nothing comes), `drip` (a byte now and then), `reset` (the connection
    breaks before anything is taken), `cut` (in the middle of the answer), `lost` (taken, and the connection breaks
    before the answer). What is taken stands in `taken`, event by event; every request in `requests`.
    """

    daemon_threads = True
    request_queue_size = 50

    def __init__(self, *script: int | str, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.script = list(script)
        self.headers_of_answers: dict[str, str] = {}
        self.refuses: set[int] = set()
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[dict[str, Any]] = []
        self.connections: list[socket.socket] = []
        self.is_over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/hook"

    @property
    def values(self) -> list[int]:
        """The numbers of the events that were taken."""
        return [event["data"]["value"] for event in self.taken]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients go away in these tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # its two writes an answer cost 40 ms else
    server: Receiver

    def setup(self) -> None:
        super().setup()
        self.server.connections.append(self.connection)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        events = json.loads(body)
        events = events if isinstance(events, list) else [events]
        answer = self.server.script.pop(0) if self.server.script else "ok"
        if any(event["data"]["value"] in self.server.refuses for event in events):
            answer = 422
        if answer in ("ok", "lost", 200, 204):
            self.server.taken += events
        if answer in ("reset", "lost"):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
        elif answer in ("stall", "drip"):
            self._hold(answer)
        elif answer == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Le")
            self.close_connection = True
        else:
            self.send_response(answer if isinstance(answer, int) else 200)
            for name, value in self.server.headers_of_answers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

    def _hold(self, answer: str) -> None:
        with suppress(OSError):
            while not self.server.is_over.wait(0.05):
                if answer == "drip":
                    self.wfile.write(b"H")
        self.close_connection = True

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def receiver(*script: int | str, port: int = 0, wrap: Callable[[Any], Any] | None = None) -> Iterator[Receiver]:
    """Run a web server; `wrap` is put around its socket, for TLS."""
    server = Receiver(*script, port=port)
    if wrap is not None:
        server.socket = wrap(server.socket)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield server
    finally:
        server.is_over.set()
        server.shutdown()
        server.server_close()
        for connection in server.connections:
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        thread.join()


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate for 127.0.0.1 that vouches for itself."""
    key, made = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", made], check=True, capture_output=True)
    key.chmod(0o644)
    return key, made
