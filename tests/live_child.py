"""`wayside watch` as a process of its own, with a TOML that may change while it runs, asked over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

from tests.ports import free_port
from tests.test_metrics import PARTS

ROOT = Path(__file__).parents[1]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def toml(
    streams: Mapping[str, str], out: Path, port: int, *, more: str = "", sinks: Sequence[str] = ("events",)
) -> str:
    rows = [f'[[stream]]\nname = "{name}"\nurl = "{url}"\n' for name, url in streams.items()]
    return "\n".join(
        [*rows, f'[output]\nfolder = "{out}"\nsinks = {list(sinks)}\n', f"[metrics]\nport = {port}\n", more]
    )


class Child:
    """Use it in a `with`: leaving it kills what still runs.

    more: of the TOML; flag: of `wayside watch`
    """

    def __init__(
        self,
        folder: Path,
        streams: Mapping[str, str],
        *,
        more: str = "",
        flag: str = "--quiet",
        sinks: Sequence[str] = ("events",),
        out: Path | None = None,
    ) -> None:
        self.folder, self.out, self.file = folder, out or folder / "out", folder / "wayside.toml"
        self.port, self._more = free_port(), more
        self._sinks = sinks
        self.write(streams)
        self.log = folder / "log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "watch", "--config", str(self.file), flag],
                env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
                stderr=log,
                stdout=log,
            )

    def write(self, streams: Mapping[str, str]) -> None:
        """Write the file; the process reads it again when it is told to."""
        self.file.write_text(toml(streams, self.out, self.port, more=self._more, sinks=self._sinks), encoding="utf-8")

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a page; code 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as page:
                return page.status, page.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def status(self) -> dict[str, Any]:
        code, text = self.get("/status")
        return dict(json.loads(text)) if code == 200 else {"streams": {}, "phase": None, "reload": None}

    def samples(self) -> Samples:
        """Scrape once; what must hold at every scrape is looked at every time."""
        found: Samples = {}
        for family in text_string_to_metric_families(self.get("/metrics")[1]):
            for sample in family.samples:
                found[sample.name, frozenset(sample.labels.items())] = sample.value
        streams = {dict(labels)["stream"] for name, labels in found if name == "wayside_frames_in_flight"}
        for stream in streams:
            parts = [value(found, "wayside_frames_total", stream=stream, result=part) for part in PARTS]
            flying = value(found, "wayside_frames_in_flight", stream=stream)
            decoded = value(found, "wayside_frames_total", stream=stream, result="decoded")
            assert decoded == sum(parts) + flying, f"{stream}: {decoded} decoded, {parts}, {flying} in flight"
        return found

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = 30.0) -> float:
        """Wait until something holds; return how long that took, seconds."""
        began = time.monotonic()
        while not condition():
            assert self.process.poll() is None, f"it has ended: {self.log.read_text()}"
            assert time.monotonic() - began < seconds, f"not within {seconds} s: {what}\n{self.log.read_text()}"
            time.sleep(0.05)
        return time.monotonic() - began

    def wait_live(self, *streams: str, seconds: float = 30.0) -> None:
        self.wait(
            lambda: all(self.status()["streams"].get(name, {}).get("state") == "live" for name in streams),
            f"{streams} live",
            seconds,
        )

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; return its exit code and how long that took, seconds."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(60), time.monotonic() - began

    def events(self, stream: str) -> list[dict[str, Any]]:
        path = self.out / stream / "events.jsonl"
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]
