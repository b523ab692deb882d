"""A live stream that is decoded in a process of its own, with limits; what comes of it is looked at before it is used.

A decoder that crashes, runs wild or takes all memory then ends that process alone, and one that was taken over finds
none of this program's secrets but the address of its stream. Pictures come through a socket as the decoder made them,
and are copied twice on their way. Knows no protocol and no decoder.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from streams.errors import DecodeError, OpenError, ReadTimeout, StreamError
from streams.frame import Frame, StreamInfo
from streams.gap import Reason, WallClock
from streams.guard import PORTS
from streams.hls import Past
from streams.isolated_child import LENGTH, NO_MEMORY, OUT_OF_MEMORY, UNLOADED
from streams.live_source import Connection, LiveSettings
from streams.pixels import Pixels, RgbPixels, YuvPixels
from streams.trust import Trust

log = logging.getLogger(__name__)

_ERRORS: Mapping[str, type[StreamError]] = {
    kind.__name__: kind for kind in (StreamError, OpenError, ReadTimeout, DecodeError)
}

_COMMAND = (sys.executable, "-P", "-B", "-m", "streams.isolated_child")

_KEPT = re.compile(r"PATH|HOME|LANG|LC_\w+|TZ|XDG_CACHE_HOME|LD_LIBRARY_PATH|SSL_CERT_\w+|GST_\w+|GI_\w+|LIBVA_\w+")
"""Variables of the environment that libraries need; what else stands there may be secret."""

_START_SECONDS = 30.0
"""What a process may take to start: a third of a second on an idle machine, more where dozens start at once."""

_END_SECONDS = 1.0
"""A process that has sent its last is given so long to end."""

_LONGEST_HEAD = 1 << 14
_LONGEST_TEXT = 500
_MOST_LINES = 100
"""Of the log, of one connection."""

_LONGEST_SECONDS = 1e9
"""A stream's times are not further from its first frame; nothing overflows with them."""


class IsolatedConnection:
    """One connection, in a process of its own. See `live_source.Connection`; see `SlowConnection` for how it opens.

    task: what the process is told, see `isolated_child`
    shown: address for messages, without secrets
    past: see `isolated`
    """

    def __init__(self, task: Mapping[str, Any], *, shown: str, past: Past | None = None) -> None:
        self.corrupt_packets = 0
        self.wall_clock: WallClock | None = None
        self.info = StreamInfo(task["name"], None, None, Fraction(1, 90_000), True, None, None)
        self._shown = shown
        self._settings = LiveSettings(**task["settings"])
        self._megabytes = task["megabytes"]
        self._past = past
        self._began_at = time.monotonic()
        self._lines = 0
        self._lock = threading.Lock()
        self._is_closed = False
        self._is_read = False
        self._is_free = False
        self._socket, theirs = socket.socketpair()
        self._words, words = os.pipe()
        os.set_blocking(self._words, False)
        os.set_blocking(words, False)  # what is too much is lost, and holds up nobody
        try:
            self._process = subprocess.Popen(
                [*_COMMAND, str(theirs.fileno()), task["name"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=words,
                env=_environment(),
                cwd="/",
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C in a terminal is for the parent alone
            )
        except OSError as error:
            self._socket.close()
            os.close(self._words)
            raise OpenError(f"{shown}: no process can be started: {error.strerror}", reason="decoder") from error
        finally:
            theirs.close()
            os.close(words)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died already, which is told when it is read
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()

    @property
    def start_seconds(self) -> float:
        return _START_SECONDS

    def wait_started(self) -> None:
        """Wait until the process has loaded what it needs. Raises StreamError; `close` ends it."""
        self._wait_for("ready", _START_SECONDS)

    def wait_open(self) -> None:
        """Wait until the stream is known. Raises StreamError; `close` from another thread ends it."""
        # The process sees to the time itself; this is for one that does not.
        self._wait_for("open", self._settings.open_timeout_seconds + self._settings.stall_seconds + 1)

    def _wait_for(self, kind: str, seconds: float) -> None:
        """Wait for a message. Raises StreamError, once what the connection holds is set free."""
        if not self._take():
            raise StreamError(f"{self._shown}: closed", reason="end")
        try:
            self._socket.settimeout(seconds)
            head = self._message()
            if head is None:
                raise StreamError(f"{self._shown}: closed", reason="end")
            if head["kind"] != kind:
                raise self._nonsense()
            self._socket.settimeout(None)
            if kind == "open":
                self._take_state(head)
        except TimeoutError:
            self._free()
            raise ReadTimeout(f"{self._shown}: no answer within {seconds:g} s", reason="timeout") from None
        except (ValueError, TypeError, LookupError):
            self._free()
            raise self._nonsense() from None
        except BaseException:
            self._free()
            raise
        with self._lock:
            self._is_read = False
            is_closed = self._is_closed
        if is_closed:
            self._free()

    def __iter__(self) -> Iterator[Frame]:
        if not self._take():
            return
        index = 0
        try:
            while (head := self._message()) is not None:
                if head["kind"] != "frame":
                    raise self._nonsense()
                frame = self._frame(head, index)
                if frame is None:
                    return
                yield frame
                index += 1
        finally:
            self._free()

    def close(self) -> None:
        """End the process. Any thread; whoever reads then sets free what is left of it."""
        with self._lock:
            self._is_closed = True
            is_read = self._is_read
            if not self._is_free:
                self._kill()
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)
        if not is_read:
            self._free()

    def _take(self) -> bool:
        """Begin to read, unless it is closed."""
        with self._lock:
            if self._is_closed or self._is_free:
                return False
            self._is_read = True
            return True

    def _kill(self) -> None:
        """Kill the process and those that it may have started; under the lock."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _free(self) -> None:
        """End and forget the process; in the thread that reads."""
        with self._lock:
            if self._is_free:
                return
            self._is_closed = self._is_free = True
            self._kill()
        self._process.wait()
        self._socket.close()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self._words)

    def _message(self) -> dict[str, Any] | None:
        """Return the head of the next message that is no line of the log; None once closed. Raises StreamError."""
        while True:
            length = self._bytes(LENGTH.size)
            if length is None:
                return None
            (size,) = LENGTH.unpack(length.tobytes())
            if size > _LONGEST_HEAD:
                raise self._nonsense()
            text = self._bytes(size)
            if text is None:
                return None
            try:
                head = json.loads(text.tobytes())
                kind = head["kind"]
                if kind == "log":
                    self._log(_whole(head["level"], 0, 50), _text(head["text"]))
                    continue
                if kind == "end":
                    failure = _ERRORS[head["error"]](_text(head["message"]), reason=_reason(head["reason"]))
                elif kind in ("ready", "open", "frame"):
                    return dict(head)
                else:
                    failure = self._nonsense()
            except (ValueError, TypeError, LookupError, RecursionError):
                failure = self._nonsense()
            if self._is_closed:
                return None
            raise failure

    def _bytes(self, size: int) -> NDArray[np.uint8] | None:
        """Return so many bytes of what the process sends; None once closed. Raises StreamError where it has ended."""
        data = np.empty(size, np.uint8)
        view, filled = data.data, 0
        while filled < size:
            try:
                count = self._socket.recv_into(view[filled:], size - filled, socket.MSG_WAITALL)
            except TimeoutError:
                raise
            except OSError:
                count = 0
            if self._is_closed:
                return None
            if not count:
                raise self._death()
            filled += count
        return data

    def _death(self) -> StreamError:
        """Say why the process gives no more."""
        try:
            code = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            return self._nonsense()
        try:
            # Only looked at: what libraries say may hold the password.
            words = os.read(self._words, 1 << 16).decode("utf-8", "replace")
        except BlockingIOError:
            words = ""
        if code == OUT_OF_MEMORY or (code and NO_MEMORY.search(words)):
            what = f"needed more than {self._megabytes} MB of memory (isolate_megabytes)"
        elif code == UNLOADED:
            what = "could not load what it needs, or may not read it"
        elif code < 0:
            with suppress(ValueError):
                code = signal.Signals(-code).name  # type: ignore[assignment]
            what = f"was ended by {code}"
        else:
            what = f"ended by itself, with code {code}"
        return DecodeError(f"{self._shown}: the decoder's process {what}", reason="decoder")

    def _nonsense(self) -> StreamError:
        return DecodeError(f"{self._shown}: the decoder's process sent what cannot be used", reason="decoder")

    def _frame(self, head: Mapping[str, Any], index: int) -> Frame | None:
        """Return the frame that a head announces; None once closed. Raises StreamError where it cannot be one."""
        now = time.monotonic()
        try:
            width, height = (_whole(side, 1, self._settings.longest_side) for side in head["size_wh"])
            top, bottom = head["time_base"]
            time_base = Fraction(_whole(top, 1, 1 << 31), _whole(bottom, 1, 1 << 31))
            to_rgb = None
            if head["to_rgb"] is not None:
                to_rgb = np.array([_number(value, -1e4, 1e4) for value in head["to_rgb"]], np.float32).reshape(3, 4)
            if type(head["is_corrupt"]) is not bool:
                raise ValueError
            frame = Frame(
                stream=self.info.name,
                index=index,
                pts=_whole(head["pts"], -(1 << 63), 1 << 63),
                time_base=time_base,
                pts_seconds=_number(head["pts_seconds"], -_LONGEST_SECONDS, _LONGEST_SECONDS),
                duration_seconds=_number(head["duration_seconds"], 0, _LONGEST_SECONDS),
                received_at=min(max(_number(head["received_at"], -math.inf, math.inf), self._began_at), now),
                is_corrupt=head["is_corrupt"],
                pixels=_EMPTY,
            )
            self._take_state(head)
        except (ValueError, TypeError, LookupError):
            raise self._nonsense() from None
        half = (width + 1) // 2, (height + 1) // 2
        data = self._bytes(3 * width * height if to_rgb is None else width * height + 2 * half[0] * half[1])
        if data is None:
            return None
        data.flags.writeable = False
        pixels: Pixels
        if to_rgb is None:
            pixels = RgbPixels(data.reshape(height, width, 3))
        else:
            y, u, v = np.split(data, (width * height, width * height + half[0] * half[1]))
            pixels = YuvPixels(
                y.reshape(height, width), u.reshape(half[1], half[0]), v.reshape(half[1], half[0]), to_rgb
            )
        return replace(frame, pixels=pixels)

    def _take_state(self, head: Mapping[str, Any]) -> None:
        """Take over what a message tells of the connection. Raises ValueError and the like."""
        self.corrupt_packets = max(self.corrupt_packets, _whole(head["corrupt_packets"], 0, 1 << 53))
        if head["fps"] is not None and head["fps"] != self.info.average_fps:
            self.info = replace(self.info, average_fps=_number(head["fps"], 0, 1e6))
        if head["clock"] is not None and self.wall_clock is None:
            text, method, error_seconds = head["clock"]
            started_at = datetime.fromisoformat(text)
            if method not in ("rtcp", "program_date") or started_at.utcoffset() != timedelta(0):
                raise ValueError
            if not 1970 < started_at.year < 2970:
                raise ValueError
            self.wall_clock = WallClock(started_at, method, _number(error_seconds, 0, _LONGEST_SECONDS))
        if self._past is not None:
            self._past.place.number = _whole(head["place"], -1, 1 << 63)

    def _log(self, level: int, text: str) -> None:
        self._lines += 1
        if self._lines <= _MOST_LINES:
            log.log(level, "%s", text)


def isolated(
    url: str,
    *,
    name: str,
    shown: str,
    settings: LiveSettings,
    backend: str = "pyav",
    transport: str = "tcp",
    allow_private: bool = False,
    trust: Trust | None = None,
    past: Past | None = None,
) -> Callable[[], Connection]:
    """Return what starts a process that connects to a live URL or a camera, as often as it is called.

    shown: the address without secrets; the rest as `live.open_live` has it
    past: what is kept from connection to connection; what the configured server's addresses are is found out
        here, where no stream can reach it

    Raises OpenError where there are no such processes.
    """
    if sys.platform != "linux":
        raise OpenError(f"{shown}: isolate needs Linux", reason="limit")
    task = {
        "url": url,
        "name": name,
        "settings": asdict(replace(settings, isolate=False)),
        "megabytes": settings.isolate_megabytes,
        "backend": backend,
        "transport": transport,
        "allow_private": allow_private,
        "ca_file": str(Path(trust.ca_file).absolute()) if trust is not None and trust.ca_file is not None else None,
        "tls_verify": trust is None or trust.verify,
        "past": None,
    }

    def connect() -> Connection:
        kept = None
        if past is not None and past.guard.origin.scheme in PORTS:
            past.guard.admit(past.guard.origin)
            kept = {"private": sorted(past.guard.known or ()), "place": past.place.number}
        return IsolatedConnection({**task, "past": kept, "level": log.getEffectiveLevel()}, shown=shown, past=past)

    return connect


_EMPTY = RgbPixels(np.zeros((1, 1, 3), np.uint8))


def _environment() -> dict[str, str]:
    """Return the environment of a process: where the program and its libraries are, and no secrets."""
    kept = {key: value for key, value in os.environ.items() if _KEPT.fullmatch(key)}
    paths = [str(Path(__file__).parents[1]), *(str(Path(path).absolute()) for path in sys.path if path)]
    # Each thread of BLAS, and each arena of malloc, would take addresses that count as memory.
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }


def _whole(value: object, low: int, high: int) -> int:
    """Return a whole number within bounds, both included. Raises ValueError."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError
    return value


def _number(value: Any, low: float, high: float) -> float:
    """Return a finite number within bounds. Raises ValueError."""
    if type(value) not in (int, float) or not math.isfinite(value) or not low <= value <= high:
        raise ValueError
    return float(value)


def _text(value: object) -> str:
    """Return one line that can be shown. Raises ValueError."""
    if type(value) is not str:
        raise ValueError
    return "".join(letter if letter.isprintable() else " " for letter in value[:_LONGEST_TEXT])


def _reason(value: object) -> Reason:
    if value not in get_args(Reason):
        raise ValueError
    return value  # type: ignore[return-value]
