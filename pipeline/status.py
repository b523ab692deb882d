"""What a run says of itself over HTTP: `/metrics`, `/livez`, `/readyz`, `/status`.

The first thing that is there and the last that goes: while networks load it is alive and not ready, and a camera that
is dead makes it neither dead nor unready.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, Literal
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from pipeline.errors import ConfigError
from pipeline.metrics import FrameCounts, Metrics, StreamCondition, versions
from pipeline.overload import Overload

Phase = Literal["starting", "running", "stopping"]

_STUCK_SECONDS = 60.0
_SLOW_CLIENT_SECONDS = 10.0  # a connection that says nothing does not hold its thread for longer


class Status:
    """How a run is. Any thread may call it.

    phase: `starting` until the first frame could be dealt with, `stopping` once it was asked to end
    problems: says what keeps it from being ready beside that, a line each
    reload: what came of the last time that the settings were read again, None where that was never asked for
    """

    def __init__(self, metrics: Metrics, overload: Overload) -> None:
        self.phase: Phase = "starting"
        self.problems: Callable[[], Iterable[str]] = tuple
        self.reload: Mapping[str, Any] | None = None
        self._metrics, self._overload = metrics, overload
        self._began_at = datetime.now(UTC)
        self._beat_at = time.monotonic()

    def run(self, problems: Callable[[], Iterable[str]]) -> None:
        """All is loaded, and frames may come; problems: as above."""
        self.problems = problems
        self.beat()
        self.phase = "running"

    def stop(self) -> None:
        """It was asked to end."""
        self.phase = "stopping"

    def beat(self) -> None:
        """Something was dealt with."""
        self._beat_at = time.monotonic()

    def unready(self) -> list[str]:
        """Say why nothing more can be taken now; nothing where it can."""
        reasons = [] if self.phase == "running" else [self.phase]
        return [*reasons, *self.problems()]

    def dead(self) -> list[str]:
        """Say why only a new start could help; nothing where it goes on. What a source does has no say in it."""
        still = time.monotonic() - self._beat_at
        flying = sum(counts.in_flight for counts in self._metrics.frames.snapshot().values())
        if self.phase != "running" or not flying or still < _STUCK_SECONDS:
            return []
        return [f"{flying} frames are decoded, and for {still:.0f} s none was dealt with"]

    def table(self) -> dict[str, Any]:
        """Return all of it, for `/status`."""
        counts = self._metrics.frames.snapshot()
        conditions = self._metrics.streams.snapshot()
        return {
            "version": versions()["wayside"],
            "started_at": self._began_at.isoformat(timespec="seconds"),
            "phase": self.phase,
            "ready": not self.unready(),
            "problems": [*self.unready(), *self.dead()],
            "overload": {"level": self._overload.level, "highest": self._overload.highest},
            "reload": self.reload,
            "streams": {
                name: _stream_table(condition, counts.get(name, FrameCounts()))
                for name, condition in conditions.items()
            },
        }


def _stream_table(now: StreamCondition, counts: FrameCounts) -> dict[str, Any]:
    def rounded(seconds: float | None) -> float | None:
        return None if seconds is None else round(seconds, 3)

    health = now.health
    told: dict[str, Any] = {
        "state": ("live" if now.is_up else "ended") if health is None else health.state,
        "up": now.is_up,
        "live": now.is_live,
        "age_seconds": rounded(now.age_seconds),
        "lag_seconds": rounded(now.lag_seconds),
        "coverage": round(now.coverage, 4),
        "gap_seconds": rounded(now.gap_seconds),
        "gaps": dict(now.gaps),
        "frames": {
            "decoded": counts.decoded,
            "processed": counts.processed,
            "dropped": counts.dropped_total,
            "sampled_out": counts.sampled_out,
            "corrupt": counts.corrupt,
            "in_flight": counts.in_flight,
        },
    }
    if health is not None:
        wall = health.wall_clock
        told |= {
            "state_seconds": rounded(time.monotonic() - health.since),
            "backend": health.backend,
            "backend_reason": health.backend_reason,
            "fps": rounded(health.fps),
            "reason": health.reason,
            "message": health.message,
            "reconnects": dict(health.reconnects),
            "discontinuities": health.discontinuities,
            "clock": wall and {"method": wall.method, "error_seconds": wall.error_seconds},
        }
    return told


@contextmanager
def served(address: str, port: int | None, metrics: Metrics, status: Status) -> Iterator[None]:
    """Serve while the body of a `with` runs; without a port, not at all. Raises ConfigError."""
    if port is None:
        yield
        return
    try:
        server = _Server((address, port), _Handler)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"metrics cannot be served at {address}:{port}: {error}") from error
    server.set_app(_app(metrics, status))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="http", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _app(metrics: Metrics, status: Status) -> Any:
    pages = metrics.pages()

    def answer(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path in ("/", "/metrics"):
            return pages(environ, start)
        if path == "/status":
            body, code = json.dumps(status.table(), indent=2, ensure_ascii=False), "200 OK"
        elif path in ("/livez", "/readyz"):
            reasons = status.dead() if path == "/livez" else status.unready()
            body, code = "\n".join(reasons) or "ok", "503 Service Unavailable" if reasons else "200 OK"
        else:
            body, code = "there are /metrics, /livez, /readyz and /status", "404 Not Found"
        kind = "application/json" if path == "/status" else "text/plain"
        data = (body + "\n").encode()
        start(code, [("Content-Type", f"{kind}; charset=utf-8"), ("Content-Length", str(len(data)))])
        return [data]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # WSGIServer's asks the name service who it is, which may take long
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    timeout = _SLOW_CLIENT_SECONDS

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each scrape."""
