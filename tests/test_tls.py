"""Encrypted streams with real TLS: certificates are checked, by whom the user says, and what is wrong is told."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from streams.errors import OpenError
from streams.frame import Frame
from streams.gst_library import why_not
from streams.live import open_live
from streams.trust import Trust
from tests.feeds import HlsFeed, Pages, mjpeg_page
from tests.nginx import Nginx, needs_nginx, published
from tests.receiving import certificate
from tests.rtsp_server import RtspServer, needs_rtsp_server
from tests.tls import Tls, tls
from tests.watching import watched

UNTRUSTED = "its certificate is not trusted: self-signed certificate (ca_file names who vouches for it, tls_verify ="
MISNAMED = "its certificate is not trusted: Hostname mismatch, certificate is not valid for 'localhost'. (ca_file"

KINDS = [
    "hls",
    "mjpeg",
    pytest.param("rtsps", marks=needs_rtsp_server),
    pytest.param("rtmps", marks=needs_nginx),
]
needs_gstreamer = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")


@contextmanager
def encrypted_feed(kind: str, folder: Path) -> Iterator[tuple[str, Tls]]:
    """Run a server of a kind behind TLS, and give its URL and what stands before it."""
    with ExitStack() as stack:
        if kind == "rtsps":
            port, rest = stack.enter_context(RtspServer()).port, RtspServer.path
        elif kind == "rtmps":
            nginx = stack.enter_context(Nginx(folder))
            stack.enter_context(published(nginx))
            port, rest = nginx.rtmp_port, "/live/cam"
        else:
            pages = stack.enter_context(Pages())
            pages.pages["/cam"] = mjpeg_page(threading.Event())
            if kind == "hls":
                stack.enter_context(HlsFeed(pages))
            port, rest = pages.port, "/live.m3u8" if kind == "hls" else "/cam"
        before = stack.enter_context(tls(port, certificate(folder)))
        yield f"{kind if kind.startswith('rt') else 'https'}://127.0.0.1:{before.port}{rest}", before


@pytest.mark.parametrize("kind", KINDS)
def test_a_certificate_is_checked_by_whom_the_user_says(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with encrypted_feed(kind, tmp_path) as (url, before):
        with watched(url) as watch:
            _, gap = watch.gap_after(0)
        assert (gap.reason, gap.message[: len(url) + 2 + len(UNTRUSTED)]) == ("unreachable", f"{url}: {UNTRUSTED}")
        assert before.asked == 0, "nothing is asked of a server that is not believed"
        own = Trust(str(tmp_path / "cert.pem"))
        with watched(url.replace("127.0.0.1", "localhost"), trust=own) as watch:
            _, gap = watch.gap_after(0)
        assert MISNAMED in gap.message
        assert before.asked == 0
        with watched(url, trust=own) as watch:
            watch.wait(Frame, count=5)
        assert "certificates are not checked" not in caplog.text
        with watched(url, trust=Trust(verify=False)) as watch:
            watch.wait(Frame, count=5)
        assert "certificates are not checked (tls_verify = false)" in caplog.text


@pytest.mark.parametrize("kind", ["hls", *KINDS[2:]])
def test_in_a_process_of_its_own_too(kind: str, tmp_path: Path) -> None:
    """It may read nothing of this machine but what it needs; the file of certificates is such a thing."""
    with encrypted_feed(kind, tmp_path) as (url, before):
        with watched(url, isolate=True) as watch:
            _, gap = watch.gap_after(0)
        assert UNTRUSTED in gap.message
        assert before.asked == 0
        with watched(url, trust=Trust(str(tmp_path / "cert.pem")), isolate=True) as watch:
            watch.wait(Frame, count=5)


@needs_gstreamer
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mjpeg"])
def test_by_gstreamer_too(kind: str, tmp_path: Path) -> None:
    with encrypted_feed(kind, tmp_path) as (url, before):
        with watched(url, backend="gstreamer", allow_private=True) as watch:
            _, gap = watch.gap_after(0)
        assert (gap.reason, gap.message[: len(url) + 2 + len(UNTRUSTED)]) == ("unreachable", f"{url}: {UNTRUSTED}")
        assert before.asked == 0
        with watched(url, backend="gstreamer", allow_private=True, trust=Trust(verify=False)) as watch:
            watch.wait(Frame, count=5)
        if kind != "rtmps":
            with watched(
                url, backend="gstreamer", allow_private=True, trust=Trust(str(tmp_path / "cert.pem"))
            ) as watch:
                watch.wait(Frame, count=5)


def test_a_file_that_holds_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, message in (("empty", "holds no certificate"), ("none", "No such file or directory")):
        file = tmp_path / name
        with pytest.raises(OpenError, match=f"^ca_file: {file}: {message}$"):
            open_live("rtsps://127.0.0.1/x", "cam", trust=Trust(str(file)))


def test_it_is_said_once_that_nothing_is_checked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    open_live("rtsps://user:s3cr3t@127.0.0.1/x", "cam", trust=Trust(verify=False))
    assert [record.getMessage() for record in caplog.records] == [
        "cam: rtsps://127.0.0.1/x: certificates are not checked (tls_verify = false)"
    ]
