"""A cable that is pulled, a network that swallows what it gets, and one that is far too slow: in two network namespaces
of the test's own.
"""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache

import pytest

from tests.watching import QUICK

SERVER, CLIENT = "10.203.0.1", "10.203.0.2"


def ip(*words: str, program: str = "ip") -> None:
    done = subprocess.run([program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stderr}"


def at_one_end(name: str, *words: str) -> None:
    """Run `tc`, or what `ip` is to do, in a namespace."""
    if words[0] == "tc":
        ip("-n", name, *words[1:], program="tc")
    else:
        ip("-n", name, *words)


@cache
def why_not() -> str | None:
    """Say why there can be no namespaces here, in one line; None where there can."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return "network namespaces want root and ip (Debian package iproute2)"
    name = f"wayside-{os.getpid()}-t"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        subprocess.run(["ip", "netns", "delete", name], check=False)
        return None
    return f"no network namespaces here: {done.stderr.strip()}"


class Line:
    """A server and a client at the ends of a cable; `lines` are what the client told."""

    def __init__(self) -> None:
        self.names = [f"wayside-{os.getpid()}-{end}" for end in "ab"]
        self.children: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Line:
        one, two = self.names
        for name in self.names:
            ip("netns", "add", name)
        ip("-n", one, "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", two)
        for name, address in zip(self.names, (SERVER, CLIENT), strict=True):
            ip("-n", name, "address", "add", f"{address}/30", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
        server = self._start(one, "serve", SERVER, "8000")
        assert self._line(server) == "ready"
        self._client = self._start(two, "watch", f"http://{SERVER}:8000/cam")
        assert self.read()[1] == "frame"
        return self

    def __exit__(self, *args: object) -> None:
        for child in self.children:
            child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
        for name in self.names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)

    def read(self) -> tuple[float, str, int]:
        """Return when, what and how many attempts the client told next."""
        words = self._line(self._client).split()
        return float(words[0]), words[1], int(words[2])

    def _start(self, name: str, *words: str) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", name, sys.executable, "-m", "tests.netns_child", *words]
        # Unbuffered: a line that was read along with another would be there, and the pipe empty.
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0)
        self.children.append(child)
        return child

    def _line(self, child: subprocess.Popen[bytes]) -> str:
        assert child.stdout is not None
        readable, _, _ = select.select([child.stdout], [], [], 30)
        assert readable, "the child tells nothing"
        return child.stdout.readline().decode().strip()


@pytest.fixture
def line() -> Iterator[Line]:
    if (reason := why_not()) is not None:
        pytest.skip(reason)
    made = Line()
    try:
        with made:
            yield made
    finally:
        made.__exit__()


@pytest.mark.parametrize(
    ("number", "what", "break_it", "mend_it"),
    [
        (9, "a cable pulled for 4 s", ("link", "set", "cable", "down"), ("link", "set", "cable", "up")),
        (
            3,
            "a network that swallows everything for 4 s",
            ("route", "add", "blackhole", f"{CLIENT}/32"),
            ("route", "delete", "blackhole", f"{CLIENT}/32"),
        ),
        (
            7,
            "a link of 8 kbit/s for 4 s",
            ("tc", "qdisc", "add", "dev", "cable", "root", "tbf", "rate", "8kbit", "burst", "2kb", "latency", "1s"),
            ("tc", "qdisc", "delete", "dev", "cable", "root"),
        ),
    ],
    ids=["cable", "half-open", "slow"],
)
def test_a_network_that_fails(
    line: Line,
    number: int,
    what: str,
    break_it: tuple[str, ...],
    mend_it: tuple[str, ...],
    measure: Callable[..., None],
) -> None:
    broken_at = time.monotonic()
    at_one_end(line.names[0], *break_it)
    told_at, reason, _ = line.read()
    assert reason == "stall"
    assert told_at - broken_at < QUICK.stall_seconds + (2 if number == 7 else 0.7), "a slow link lets the first ones by"
    time.sleep(max(0.0, broken_at + 4 - time.monotonic()))
    mended_at = time.monotonic()
    at_one_end(line.names[0], *mend_it)
    back_at, again, attempts = line.read()
    assert again == "again"
    assert line.read()[1] == "frame"
    assert back_at - mended_at < QUICK.open_timeout_seconds + QUICK.backoff_seconds + 1
    assert 1 <= attempts <= 8, "no storm"
    stalled = (
        f"{what}, MJPEG over HTTP (stall {QUICK.stall_seconds:g} s, open timeout {QUICK.open_timeout_seconds:g} s)"
    )
    measure(f"{number} {stalled}", told_at - broken_at, max(0.0, back_at - mended_at))
