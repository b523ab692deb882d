"""A real nginx on loopback that takes RTMP and gives RTMP and HLS: a child process with a configuration of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import pytest

from tests.feeds import FPS, SIZE_WH
from tests.media import picture
from tests.ports import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
MODULE = next(
    (
        path
        for folder in ("/usr/lib/nginx/modules", "/usr/lib64/nginx/modules", "/usr/share/nginx/modules")
        if (path := Path(folder, "ngx_rtmp_module.so")).is_file()
    ),
    None,
)
needs_nginx = pytest.mark.skipif(
    NGINX is None or MODULE is None, reason="no nginx with RTMP (Debian packages nginx-light libnginx-mod-rtmp)"
)

_SETTINGS = """
load_module {module};
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{ }}
rtmp {{
    server {{
        listen 127.0.0.1:{rtmp};
        ping 1s;
        application live {{
            live on;
            wait_key on;
            hls on;
            hls_path {folder}/hls;
            hls_fragment 1s;
            hls_playlist_length 6s;
        }}
    }}
}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen 127.0.0.1:{http};
        root {folder}/hls;
    }}
}}
"""


class Nginx:
    """One server; `start` and `kill` may be called again, the ports stay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rtmp_port, self.http_port = free_port(), free_port()
        (folder / "hls").mkdir()
        (folder / "nginx.conf").write_text(
            _SETTINGS.format(module=MODULE, folder=folder, rtmp=self.rtmp_port, http=self.http_port)
        )
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def rtmp_url(self) -> str:
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/cam"

    @property
    def hls_url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/cam.m3u8"

    def start(self) -> None:
        assert NGINX is not None
        arguments = [NGINX, "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]
        self._process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 10
        for port in (self.rtmp_port, self.http_port):
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    assert time.monotonic() < until, (self.folder / "error.log").read_text()
                    time.sleep(0.02)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Nginx:
        self.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.kill()


@contextmanager
def published(nginx: Nginx) -> Iterator[None]:
    """Publish numbered pictures over RTMP at their pace, and again after each time that the server went away."""
    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            try:
                _publish(nginx.rtmp_url, stopped)
            except (av.FFmpegError, OSError):
                stopped.wait(0.1)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(5)


def _publish(url: str, stopped: threading.Event) -> None:
    with av.open(url, "w", format="flv", timeout=3) as out:
        options = {"tune": "zerolatency", "preset": "ultrafast", "g": str(FPS)}
        stream = out.add_stream("libx264", rate=FPS, options=options)
        stream.width, stream.height = SIZE_WH
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        began = time.monotonic()
        number = 0
        while not stopped.wait(max(0.0, began + number / FPS - time.monotonic())):
            frame = av.VideoFrame.from_ndarray(picture(number % 256, SIZE_WH), format="rgb24")
            frame.pts, frame.time_base = number * 1000 // FPS, Fraction(1, 1000)
            out.mux(stream.encode(frame))
            number += 1
