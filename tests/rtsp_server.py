"""A real RTSP server on loopback that tests can start, stop, freeze, kill and start again: Debian's GstRtspServer.

It runs as a child process (`rtsp_child.py`) and gives H.264 of `media.picture(0)`, `picture(1)`, ... `picture(255)`,
again and again for ever, one picture for all clients at a time; `media.number_of` reads the number of a picture.
"""

from __future__ import annotations

import atexit
import json
import select
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import pytest
from av import BitStreamFilterContext

from tests.media import write_video
from tests.ports import free_port

PYTHON = "/usr/bin/python3"
CHILD = Path(__file__).with_name("rtsp_child.py")
LOOP = 256
"""Pictures until the first one comes again; media.picture knows no more."""


@cache
def why_no_rtsp_server() -> str | None:
    """Say why there can be no server here, in one line; None where there can."""
    packages = "Debian packages python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-{base,good,bad}"
    try:
        found = subprocess.run([PYTHON, str(CHILD), "--check"], capture_output=True, text=True, timeout=60)
    except OSError as error:
        return f"no RTSP server: {PYTHON} does not run: {error.strerror} ({packages})"
    if found.returncode:
        return f"no RTSP server: {found.stderr.strip().splitlines()[-1]} ({packages})"
    return f"no RTSP server: GStreamer lacks {found.stdout.strip()} ({packages})" if found.stdout.strip() else None


needs_rtsp_server = pytest.mark.skipif(why_no_rtsp_server() is not None, reason=why_no_rtsp_server() or "")


class RtspServer:
    """One stream, `rtsp://127.0.0.1:PORT/cam`; `start` and `kill` may be called again, the port stays.

    size_wh, fps, gop: of the pictures; a key frame every `gop` frames
    b_frames: between two others
    user, password: what clients must give, by digest or, where `is_digest` is false, as basic
    has_sound: a second track, of silence
    """

    path = "/cam"

    def __init__(
        self,
        *,
        size_wh: tuple[int, int] = (320, 240),
        fps: float = 25,
        gop: int = 25,
        b_frames: int = 0,
        user: str = "",
        password: str = "",
        is_digest: bool = True,
        has_sound: bool = False,
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.user, self.password = user, password
        self._settings = {
            "port": self.port,
            "path": self.path,
            "units": str(encoded(size_wh, fps, gop, b_frames)),
            "fps": fps,
            "user": user,
            "password": password,
            "is_digest": is_digest,
            "has_sound": has_sound,
        }
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The address as a user would give it, with the credentials as they are."""
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"rtsp://{login}127.0.0.1:{self.port}{self.path}"

    def start(self) -> None:
        """Start the server; clients may come when this returns."""
        assert self._process is None, "it runs already"
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed in `kill`
        self._process = subprocess.Popen(
            [PYTHON, str(CHILD), json.dumps(self._settings)], stdout=subprocess.PIPE, stderr=self._errors, text=True
        )
        assert self._process.stdout is not None
        is_said, _, _ = select.select([self._process.stdout], [], [], 30)
        line = self._process.stdout.readline() if is_said else ""
        if not line:
            self.kill()
            raise AssertionError(f"the RTSP server did not start: {self.last_errors}")

    def freeze(self) -> None:
        """Stop the process in its tracks: its sockets stay open and nothing comes, as of a pulled cable."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the process at once; its sockets are closed by the system. May be called again."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        self._errors.seek(0)
        self.last_errors = self._errors.read()
        self._errors.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        self._process.send_signal(number)


@cache
def encoded(size_wh: tuple[int, int], fps: float, gop: int, b_frames: int) -> Path:
    """Return a file of the access units of the loop, as `rtsp_child.units_of` reads it; made once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="wayside-rtsp-"))
    atexit.register(shutil.rmtree, folder)
    time_base = 1 / Fraction(fps).limit_denominator(1001)
    # One slice a picture: rtph264pay puts the headers before each slice of a key frame, which splits it for FFmpeg.
    options: Mapping[str, str] = {
        "preset": "veryfast",
        "g": str(gop),
        "bf": str(b_frames),
        "x264-params": f"scenecut=0:open-gop=0:keyint={gop}:bframes={b_frames}:b-adapt=0:threads=1:sliced-threads=0",
    }
    film = write_video(folder / "loop.mp4", size_wh=size_wh, pts=range(LOOP), time_base=time_base, options=options)
    path = folder / "loop.units"
    with av.open(str(film)) as container, path.open("wb") as file:
        stream = container.streams.video[0]
        assert stream.time_base is not None
        to_annex_b = BitStreamFilterContext("h264_mp4toannexb", stream)
        first = None
        for packet in container.demux(stream):
            for unit in to_annex_b.filter(packet if packet.size else None):
                assert unit.pts is not None
                first = unit.pts if first is None else first
                data = bytes(unit)
                file.write(struct.pack(">II", len(data), round((unit.pts - first) * stream.time_base / time_base)))
                file.write(data)
    film.unlink()
    return path
