"""A real Prometheus that scrapes what a test serves, every second, with rules or without."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is not installed (Debian package prometheus)"
)


@dataclass(frozen=True)
class Server:
    url: str

    def get(self, path: str, **arguments: str) -> Any:
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(arguments)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[Mapping[str, Any]]:
        """Return the series of an instant query."""
        result = self.get("/api/v1/query", query=expression)["result"]
        assert isinstance(result, list)
        return result

    def firing(self) -> set[tuple[str, str]]:
        """Return the alerts that fire, each with its stream ("" if it has none)."""
        return {
            (alert["labels"]["alertname"], alert["labels"].get("stream", ""))
            for alert in self.get("/api/v1/alerts")["alerts"]
            if alert["state"] == "firing"
        }


def wait_for(what: Callable[[], bool], seconds: float, said: Callable[[], object] = lambda: "it did not come") -> None:
    """Return once something holds; after so long, fail and say how things are."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, said()
        time.sleep(0.1)


@contextmanager
def prometheus(folder: Path, targets: Sequence[str], *, rules: Path | None = None) -> Iterator[Server]:
    """Run a server that scrapes targets (host:port) as the job `wayside`, and stop it."""
    port = free_port()
    config = {  # is YAML too
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "500ms"},
        "rule_files": [] if rules is None else [str(rules)],
        "scrape_configs": [{"job_name": "wayside", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config), encoding="utf-8")
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    server = Server(f"http://127.0.0.1:{port}")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_for(lambda: _is_ready(server, process), 30, (folder / "prometheus.log").read_text)
            yield server
        finally:
            process.terminate()
            process.wait(10)


def _is_ready(server: Server, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "prometheus has ended"
    try:
        with urllib.request.urlopen(f"{server.url}/-/ready", timeout=1):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False
