"""The process in which an isolated stream is decoded: it bounds itself, connects, and sends pictures to its parent.

`isolated` starts it as `python -m streams.isolated_child SOCKET NAME`. Its task comes by standard input, since an
address may hold a password, which neither its title nor its environment may show. What it sends is described at
`_Sender.send`. It needs Linux.
"""

from __future__ import annotations

import json
import mmap
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streams import confinement

if TYPE_CHECKING:
    from streams.frame import Frame
    from streams.live_source import Connection

LENGTH = struct.Struct("!I")
"""Bytes of the JSON that follows."""

OUT_OF_MEMORY = 77
"""Its exit code where it knows that memory was what it lacked."""

UNLOADED = 78
"""The same where a library could not be loaded."""

NO_MEMORY = re.compile(
    r"llocate memory|MemoryError|bad_alloc|failed to map|ailed to allocate|nsufficient memory|can't start new thread"
)
"""What Python, the linker, FFmpeg, OpenCV, GLib and C++ say where there is none."""

_DESCRIPTORS = 256

_SYSTEM = (
    *("/usr", "/lib", "/lib64", "/nix/store", "/gnu/store", "/sys", "/proc/self", "/proc/cpuinfo", "/proc/meminfo"),
    *("/proc/driver", "/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/etc/crypto-policies", "/etc/ld.so.cache"),
    *("/etc/localtime", "/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf"),
    *("/etc/services", "/etc/protocols", "/run/systemd/resolve", "/etc/OpenCL", "/etc/vulkan", "/etc/glvnd"),
)
"""Of the system's files, those that decoding and the network need; secrets of services are not among them."""

_DEVICES = ("null", "zero", "random", "urandom", "dri", "video*", "media*", "nvidia*")
_SET_SIGNAL = 10  # F_SETSIG, which Python's fcntl does not name
_LONGEST_TEXT = 500

_ROOM = 64 << 20
"""Bytes of a picture of 8192 by 4320 and some more."""

_LOOK_SECONDS = 1.0


def main() -> None:
    parent = socket.socket(fileno=int(sys.argv[1]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a service's manager signals all its processes; the parent says when
    task = json.loads(_line(0))
    readable = None if task["url"].startswith("gst:") else _readable(task["ca_file"])  # a pipeline may read a file
    bound(task["megabytes"], readable=readable)
    end_with_parent()
    try:
        _serve(task, _Sender(parent))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)  # nobody reads any more
    except Exception as error:
        if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
            os._exit(OUT_OF_MEMORY)
        if isinstance(error, ImportError):
            os._exit(UNLOADED)
        raise
    os._exit(0)  # threads of GStreamer's have nothing to say any more


def bound(megabytes: int, *, readable: list[str] | None) -> None:
    """Give up what decoding does not need. Memory is counted as addresses (RLIMIT_AS), all libraries included.

    There is no bound on processes: the system counts those of a user, among which are the parent's and its threads.

    readable: of files, those that are left to it, where the kernel can do that; None for all
    """
    import resource

    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")  # where memory runs out, this goes before its parent
    confinement.renounce_privileges()
    if readable is not None:
        confinement.shut_off(readable=readable, listable=["/dev"], devices=_devices())
    limits = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_AS: megabytes << 20,
    }
    for limit, most in limits.items():
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))


def _readable(ca_file: str | None) -> list[str]:
    """Return where libraries, their settings, certificates and names of hosts stand."""
    paths = [*_SYSTEM, sys.prefix, sys.base_prefix, str(Path(__file__).parent)]
    paths += [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    for name, value in os.environ.items():
        if name.startswith(("LD_LIBRARY_PATH", "SSL_CERT_", "GST_", "GI_", "LIBVA_")):
            paths += [path for path in value.split(os.pathsep) if path.startswith("/")]
    caches = os.environ.get("XDG_CACHE_HOME") or str(Path(os.environ.get("HOME", "/nowhere")) / ".cache")
    return [*paths, f"{caches}/gstreamer-1.0", *([] if ca_file is None else [ca_file])]


def _devices() -> list[str]:
    """Return cameras, chips that decode, and what every program has."""
    return [str(path) for pattern in _DEVICES for path in Path("/dev").glob(pattern)]


def end_with_parent() -> None:
    """Have the kernel kill this process once nobody holds the other end of its standard input, whatever it does then.

    PR_SET_PDEATHSIG would look at the thread that started it, which may end before the parent does.
    """
    import fcntl
    import select

    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, _SET_SIGNAL, signal.SIGKILL)
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    if select.select([0], [], [], 0)[0]:  # it was closed before
        os._exit(0)


def _line(descriptor: int) -> bytes:
    """Read up to the end of a line, and no further."""
    line = b""
    while not line.endswith(b"\n"):
        piece = os.read(descriptor, 1 << 16)
        if not piece:
            os._exit(0)
        line += piece
    return line


class _Sender:
    """Sends messages to the parent, one at a time. Any thread.

    frame_at: monotonic time at which the last frame was sent, None before
    """

    def __init__(self, parent: socket.socket) -> None:
        self._parent = parent
        self._lock = threading.Lock()
        self.frame_at: float | None = None

    def send(self, head: dict[str, Any], *body: Any) -> None:
        """Send a message: the length of its JSON, the JSON, and of a frame the bytes of its planes.

        head: `kind` is `ready`, `open`, `frame`, `log` or `end`. Raises OSError where nobody reads.
        """
        text = json.dumps(head).encode()
        with self._lock:
            self._parent.sendall(LENGTH.pack(len(text)) + text)
            for piece in body:
                self._parent.sendall(piece)
        if body:
            self.frame_at = time.monotonic()


def is_full() -> bool:
    """Say whether there is no memory left for a large picture."""
    try:
        mmap.mmap(-1, _ROOM).close()
    except (OSError, MemoryError):
        return True
    return False


def _watch_memory(sender: _Sender) -> None:
    """End the process where no pictures come and memory is out: FFmpeg would take that for damaged packets."""
    while True:
        time.sleep(_LOOK_SECONDS)
        if (sender.frame_at is None or time.monotonic() - sender.frame_at > _LOOK_SECONDS) and is_full():
            os._exit(OUT_OF_MEMORY)


def _serve(task: dict[str, Any], sender: _Sender) -> None:
    """Connect, and send what comes until the end of it."""
    import cv2

    from streams.camera import open_camera
    from streams.errors import StreamError
    from streams.gst_library import library
    from streams.guard import Guard
    from streams.hls import HlsPlace, Past
    from streams.live import SCHEMES, open_live
    from streams.live_source import LiveSettings
    from streams.trust import Trust
    from streams.urls import address_of, scheme_of

    cv2.setNumThreads(1)
    threading.Thread(target=_watch_memory, args=(sender,), daemon=True).start()
    _forward_log(sender, task["level"])
    if task["backend"] == "gstreamer":
        library()
    sender.send({"kind": "ready"})
    past, trust = None, Trust(task["ca_file"], task["tls_verify"])
    try:
        if task["past"] is not None:
            address, known = address_of(task["url"]), task["past"]["private"]
            guard = Guard(address, allow_private=task["allow_private"], trust=trust, known=known)
            past = Past(guard, HlsPlace(task["past"]["place"]))
        settings = LiveSettings(**task["settings"])
        if scheme_of(task["url"]) in SCHEMES:
            source = open_live(
                task["url"],
                task["name"],
                settings=settings,
                backend=task["backend"],
                transport=task["transport"],
                allow_private=task["allow_private"],
                trust=trust,
                past=past,
            )
        else:
            source = open_camera(task["url"], task["name"], settings)
        connection = source.connect()
        sender.send({"kind": "open", **_state(connection, past)})
        for frame in connection:
            head, body = _packed(frame)
            sender.send({"kind": "frame", **head, **_state(connection, past)}, *body)
        error = StreamError("the stream ended", reason="end")
    except StreamError as caught:
        if NO_MEMORY.search(str(caught)):
            raise
        error = caught
    except (OSError, MemoryError):
        raise
    except Exception as caught:
        if NO_MEMORY.search(str(caught)):
            raise
        at = traceback.extract_tb(caught.__traceback__)[-1]
        # Not its text, which may hold an address as it is.
        error = StreamError(f"an error of this program: {type(caught).__name__} at {at.name}, line {at.lineno}")
    if sender.frame_at is None and is_full():
        raise MemoryError
    sender.send({"kind": "end", "error": type(error).__name__, "reason": error.reason, "message": str(error)})


def _state(connection: Connection, past: Any) -> dict[str, Any]:
    """Return what is known of a connection by now."""
    clock = connection.wall_clock
    return {
        "fps": connection.info.average_fps,
        "corrupt_packets": connection.corrupt_packets,
        "clock": clock and [clock.started_at.isoformat(), clock.method, clock.error_seconds],
        "place": None if past is None else past.place.number,
    }


def _packed(frame: Frame) -> tuple[dict[str, Any], list[Any]]:
    """Return a frame's head, and its planes as they are sent, one after another, without gaps."""
    import numpy as np

    from streams.pixels import YuvPixels

    pixels = frame.pixels
    planes = pixels.planes if isinstance(pixels, YuvPixels) else (pixels.rgb(),)
    head = {
        "pts": frame.pts,
        "time_base": [frame.time_base.numerator, frame.time_base.denominator],
        "pts_seconds": frame.pts_seconds,
        "duration_seconds": frame.duration_seconds,
        "received_at": frame.received_at,
        "is_corrupt": frame.is_corrupt,
        "size_wh": list(frame.size_wh),
        "to_rgb": pixels.to_rgb.ravel().tolist() if isinstance(pixels, YuvPixels) else None,
    }
    return head, [np.ascontiguousarray(plane).data.cast("B") for plane in planes]


def _forward_log(sender: _Sender, level: int) -> None:
    """Send lines of the log to the parent."""
    import logging

    class Forward(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.name == "streams.live":
                return  # which the parent has said itself
            with suppress(OSError):
                text = record.getMessage()[:_LONGEST_TEXT]
                sender.send({"kind": "log", "level": record.levelno, "text": text})

    logger = logging.getLogger("streams")
    logger.addHandler(Forward())
    logger.setLevel(level)
    logger.propagate = False


if __name__ == "__main__":
    main()
