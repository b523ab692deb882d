"""What a run says of itself, asked by HTTP."""

import json
import shutil
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest

from pipeline import status as module
from pipeline.errors import ConfigError
from pipeline.metrics import Metrics
from pipeline.overload import Overload
from pipeline.status import Status, served
from tests.ports import free_port
from tests.test_metrics import filled


def got(port: int, path: str) -> tuple[int, str]:
    """Ask for a page; return the code and the text."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def table(port: int) -> dict[str, Any]:
    return dict(json.loads(got(port, "/status")[1]))


def test_the_pages() -> None:
    metrics, port = filled(), free_port()
    status = Status(metrics, Overload())
    with served("127.0.0.1", port, metrics, status):
        assert got(port, "/livez") == (200, "ok\n"), "alive before anything is loaded"
        assert got(port, "/readyz") == (503, "starting\n")
        status.run(list)
        assert got(port, "/readyz") == (200, "ok\n"), "a stream that is down keeps nobody from being ready"
        status.problems = lambda: ["sink events: the disk is full"]
        assert got(port, "/readyz") == (503, "sink events: the disk is full\n")
        status.problems = tuple
        status.stop()
        assert got(port, "/readyz")[0] == 503
        assert got(port, "/livez")[0] == 200
        assert got(port, "/nothing")[0] == 404
        code, page = got(port, "/metrics")
        assert code == 200
        assert 'wayside_stream_state{state="waiting",stream="front"} 1.0' in page
        told = table(port)
    front = told["streams"]["front"]
    assert (front["state"], front["reason"], front["reconnects"]) == ("waiting", "stall", {"stall": 2})
    assert front["frames"]["decoded"] == sum(front["frames"].values()) - front["frames"]["decoded"]
    assert front["clock"] == {"method": "rtcp", "error_seconds": 0.05}
    assert {"age_seconds", "lag_seconds", "fps", "coverage", "message", "backend", "backend_reason"} <= front.keys()


def test_alive_is_who_deals_with_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    metrics.frames.open("front")
    status = Status(metrics, Overload())
    status.run(list)
    monkeypatch.setattr(module, "_STUCK_SECONDS", -1.0)
    assert status.dead() == [], "nothing to be done"
    metrics.frames.decoded("front", 0.04)
    assert status.dead() == ["1 frames are decoded, and for 0 s none was dealt with"]
    metrics.frames.processed("front")
    assert status.dead() == []


def test_promtool_likes_what_is_served() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    metrics, port = filled(), free_port()
    with served("127.0.0.1", port, metrics, Status(metrics, Overload())):
        page = got(port, "/metrics")[1]
    checked = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_served_to_this_machine_and_only_while_it_runs() -> None:
    metrics, port = Metrics(), free_port()
    status = Status(metrics, Overload())
    with served("127.0.0.1", port, metrics, status):
        assert got(port, "/livez")[0] == 200
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0, "the port is free again"
    with served("127.0.0.1", None, metrics, status):
        assert not [t for t in threading.enumerate() if t.name == "http"], "no port, no server"


def test_who_connects_and_says_nothing_holds_up_nobody() -> None:
    metrics, port = Metrics(), free_port()
    with (
        served("127.0.0.1", port, metrics, Status(metrics, Overload())),
        socket.create_connection(("127.0.0.1", port)),
        socket.create_connection(("127.0.0.1", port)),
    ):
        assert got(port, "/livez")[0] == 200


def test_a_port_that_is_taken() -> None:
    metrics = Metrics()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status = Status(metrics, Overload())
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}"), served("127.0.0.1", port, metrics, status):
            pass
