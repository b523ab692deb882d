"""A password in a URL is nowhere but at its server: every output is searched for it."""

from __future__ import annotations

import base64
import gc
import logging
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from contextlib import ExitStack, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import quote

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.gallery import Gallery
from streams.errors import StreamError
from streams.frame import Frame
from streams.gst_library import why_not
from streams.live import SCHEMES, open_live
from streams.urls import address_of, redact
from tests.feeds import HlsFeed, Pages, mjpeg_page
from tests.live_child import Child
from tests.rtsp_server import RtspServer, needs_rtsp_server
from tests.watching import QUICK, watched

CANARY = "s3cr3t-CANARY"
PASSWORD = f"{CANARY}@%/"
WAYS = [PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD, safe="/")]
"""As it is, and escaped, wholly and in part."""


def chain(error: BaseException | None) -> str:
    """Return all that an exception shows, with its causes and the ones that it hides, and what they were made of."""
    text = ""
    while error is not None:
        text += (
            "".join(traceback.format_exception(error, chain=False)) + repr(error) + repr(error.args) + repr(vars(error))
        )
        error = error.__cause__ or error.__context__
    return text


@pytest.mark.parametrize("way", WAYS)
def test_the_server_gets_it_however_it_is_written(way: str) -> None:
    address = address_of(f"rtsp://us%40er:{way}@10.0.0.5:8554/live/1?x=y#z")
    assert (address.user, address.password) == ("us@er", PASSWORD)
    assert (address.host, address.port, address.path, address.query) == ("10.0.0.5", 8554, "/live/1", "x=y")
    assert address.url() == f"rtsp://us%40er:{quote(PASSWORD, safe='')}@10.0.0.5:8554/live/1?x=y"
    assert CANARY not in repr(address) + str(address) + address.shown


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20), st.booleans())
def test_any_password_is_hidden(password: str, is_escaped: bool) -> None:
    url = f"rtsp://user:{quote(password, safe='') if is_escaped else password}@cam.example/live"
    address = address_of(url)
    if is_escaped:
        assert address.password == password
    assert address.shown in ("rtsp://cam.example/live", "rtsp://***")
    assert redact(url) == "rtsp://***@cam.example/live"


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("scheme", [*SCHEMES, "gopher"])
def test_nothing_shows_it_where_the_stream_cannot_be_reached(
    scheme: str, way: str, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """For every protocol: log, gaps, health and the whole chain of the error."""
    caplog.set_level(logging.DEBUG)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://user:{way}@127.0.0.1:{closed.getsockname()[1]}/live?token={CANARY}&transport=tcp"
        said = []
        try:
            source = open_live(url, "cam", settings=QUICK)
            said.append(repr(vars(source)))
            timer = threading.Timer(0.5, source.close)
            timer.start()
            said += [repr(gap) for gap in source.items()]
            said.append(repr(source.health()))
            try:
                source._connect()
            except StreamError as error:
                said.append(chain(error))
            timer.join()
        except StreamError as error:
            said.append(chain(error))
    gc.collect()
    out, err = capfd.readouterr()
    text = "\n".join([*said, caplog.text, out, err])
    assert said
    assert CANARY not in text.replace(f"_url={url!r}", "")


@needs_rtsp_server
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("is_digest", [True, False])
def test_a_camera_with_a_password(way: str, is_digest: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with RtspServer(user="user", password=PASSWORD, is_digest=is_digest) as server:
        url = f"rtsp://user:{way}@127.0.0.1:{server.port}{server.path}"
        with watched(url) as watch:
            watch.wait(Frame)
            assert CANARY not in Path("/proc/self/cmdline").read_text()
            server.kill()
            watch.gap_after(0)
        assert CANARY not in repr(watch.gaps) + repr(watch.source.health()) + caplog.text


@needs_rtsp_server
def test_a_camera_that_refuses(caplog: pytest.LogCaptureFixture) -> None:
    """10: a state of its own, a long wait, and the wrong password nowhere either."""
    caplog.set_level(logging.DEBUG)
    with RtspServer(user="user", password="another") as server:
        with watched(f"rtsp://user:{PASSWORD}@127.0.0.1:{server.port}{server.path}") as watch:
            _, gap = watch.gap_after(0)
            assert gap.reason == "refused"
            assert gap.message == f"rtsp://127.0.0.1:{server.port}/cam: user and password were turned down"
            threading.Event().wait(1.0)
            health = watch.source.health()
            assert health.state == "refused"
            assert health.reconnects == {"refused": 1}, "asked once, and then left alone"
        assert CANARY not in repr(watch.gaps) + repr(health) + caplog.text


@pytest.mark.parametrize("kind", ["Basic", "Digest"])
def test_an_http_camera_with_a_password(kind: str) -> None:
    """Digest by the book (RFC 7616), as the server works it out anew."""
    import hashlib
    import re

    def md5(text: str) -> str:
        return hashlib.md5(text.encode()).hexdigest()

    page = mjpeg_page(threading.Event())

    def guarded(request: object) -> None:
        said = request.headers.get("Authorization", "")  # type: ignore[attr-defined]
        if kind == "Basic":
            is_right = said == "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()
        else:
            told = dict(re.findall(r'(\w+)="?([^",]+)', said))
            secret, what = md5(f"user:cams:{PASSWORD}"), md5(f"GET:{request.path}")  # type: ignore[attr-defined]
            wanted = md5(f"{secret}:n0nce:{told.get('nc')}:{told.get('cnonce')}:auth:{what}")
            is_right = told.get("response") == wanted
        if is_right:
            page(request)  # type: ignore[arg-type]
            return
        request.send_response(401)  # type: ignore[attr-defined]
        extra = ', nonce="n0nce", qop="auth", algorithm=MD5' if kind == "Digest" else ""
        request.send_header("WWW-Authenticate", f'{kind} realm="cams"{extra}')  # type: ignore[attr-defined]
        request.send_header("Content-Length", "0")  # type: ignore[attr-defined]
        request.end_headers()  # type: ignore[attr-defined]

    with Pages() as pages:
        pages.pages["/cam"] = guarded
        with watched(pages.url("/cam?fps=5", f"user:{PASSWORD}@")) as watch:
            watch.wait(Frame)
        with watched(pages.url("/cam?fps=5", "user:wrong@")) as watch:
            _, gap = watch.gap_after(0)
            assert (gap.reason, gap.message) == ("refused", pages.url("/cam") + ": the server answers 401")


def test_the_whole_program_keeps_it_to_itself(tmp_path: Path) -> None:
    """`wayside watch -v` of a camera that is not there, and of one that is no camera: no output holds it."""
    with socket.socket() as closed, Pages() as pages:
        closed.bind(("127.0.0.1", 0))
        pages.add("/cam", b"no video", "text/plain")
        config = tmp_path / "wayside.toml"
        config.write_text(
            f"""
            [[stream]]
            url = "rtsp://user:{PASSWORD}@127.0.0.1:{closed.getsockname()[1]}/live"
            name = "gone"
            [[stream]]
            url = "http://user:{PASSWORD}@127.0.0.1:{pages.port}/cam?token={CANARY}"
            name = "none"
            [output]
            folder = "{tmp_path / "out"}"
            """
        )
        told = tmp_path / "told"
        with told.open("w") as file:
            child = subprocess.Popen(
                [sys.executable, "-m", "pipeline", "watch", "-v", "--config", str(config)],
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            until = time.monotonic() + 60
            while not all(f"streams.live_source: {name}:" in told.read_text() for name in ("gone", "none")):
                assert time.monotonic() < until, told.read_text()
                time.sleep(0.1)
            title = Path(f"/proc/{child.pid}/cmdline").read_text()
            child.terminate()
            with suppress(subprocess.TimeoutExpired):
                child.wait(10)
        finally:
            child.kill()
            child.wait()
    files = [path.read_text("utf-8", "replace") for path in tmp_path.rglob("*") if path.is_file() and path != config]
    assert "is not a live stream" in told.read_text()
    assert CANARY not in "\n".join([title, *files])


def refusing(request: BaseHTTPRequestHandler) -> None:
    request.send_error(403)


@needs_rtsp_server
@pytest.mark.parametrize("task", ["signs", "logos"])
def test_no_output_of_a_run_of_live_streams_holds_it(task: str, tmp_path: Path) -> None:
    """Streams that work, and that fail in every way, in one run, asked all the while over HTTP; then told to end.

    In passwords, in tokens of the URL, and in tokens that a server writes into what it leads to.
    """
    login, token = f"user:{quote(PASSWORD, safe='')}@", f"token={CANARY}"
    with ExitStack() as stack:
        good = stack.enter_context(RtspServer(user="user", password=PASSWORD))
        bad = stack.enter_context(RtspServer(user="user", password="another"))
        pages, evil = stack.enter_context(Pages()), stack.enter_context(Pages())
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        gone = f"{login}127.0.0.1:{closed.getsockname()[1]}"
        stack.enter_context(HlsFeed(pages))
        for path in ("/moving", "/stops"):
            pages.pages[path] = mjpeg_page(stop := threading.Event())
        pages.pages["/no"] = refusing
        pages.redirect("/astray", evil.url(f"/cam?{token}", f"user:{CANARY}@"))
        key = f'#EXT-X-KEY:METHOD=AES-128,URI="no?{token}"'
        for path, lines in (("/keyless", [key, "#EXTINF:1,", "0.ts"]), ("/segmentless", ["#EXTINF:1,", f"no?{token}"])):
            text = "\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:1", *lines])
            pages.add(f"{path}.m3u8", text.encode(), "application/vnd.apple.mpegurl")
        at = f"http://{login}127.0.0.1:{pages.port}"
        streams = {
            "camera": f"rtsp://{login}127.0.0.1:{good.port}{good.path}?{token}",
            "refused": f"rtsp://{login}127.0.0.1:{bad.port}{bad.path}",
            "moving": f"{at}/moving?{token}",
            "stops": f"{at}/stops?{token}",
            "hls": f"{at}/live.m3u8?{token}",
            "keyless": f"{at}/keyless.m3u8?{token}",
            "segmentless": f"{at}/segmentless.m3u8",
            "astray": f"{at}/astray?{token}",
            "forbidden": f"{at}/no?{token}",
            "untrusted": f"rtsps://{login}127.0.0.1:{pages.port}/cam?{token}",
            **{f"gone-{scheme}": f"{scheme}://{gone}/live/x?{token}" for scheme in ("rtsp", "rtmp", "rtmps", "https")},
        }
        expected = {"refused": "refused", "keyless": "refused", "astray": "limit", "gone-rtsp": "unreachable"}
        if why_not() is None:
            at_gone = f"location=rtsp://127.0.0.1:{closed.getsockname()[1]}/x user-id=user user-pw={CANARY}"
            streams["gone-gst"] = f"gst:rtspsrc {at_gone} ! decodebin ! videoconvert ! appsink name=sink"
            streams["gone-srt"] = f"srt://127.0.0.1:{closed.getsockname()[1]}?passphrase={CANARY}&streamid={CANARY}"
        more = f'[[stream]]\nurl = "rtsp://{gone}/nameless?{token}"\n'
        more += "[live]\nstall_seconds = 1\nbackoff_seconds = 0.5\nopen_timeout_seconds = 3\n"
        sinks = ["events", "detections", "ledger"] if task == "logos" else ["events", "detections"]
        more = f"[detector]\ntask = {task!r}\n{more}"
        if task == "logos":
            Gallery(brands=["Acme"]).save(tmp_path / "brands.gallery")
            more = f"[brands]\ngallery = {str(tmp_path / 'brands.gallery')!r}\n{more}"
        child = stack.enter_context(Child(tmp_path, streams, more=more, flag="-v", sinks=sinks))
        said: list[str] = []

        def ask() -> dict[str, dict[str, Any]]:
            said.extend(child.get(path)[1] for path in ("/metrics", "/status", "/readyz", "/livez", f"/{CANARY[:3]}"))
            for path in Path("/proc", str(child.process.pid)).glob("task/*/comm"):
                with suppress(OSError):  # a thread that has ended
                    said.append(path.read_text())
            said.append(Path("/proc", str(child.process.pid), "cmdline").read_text())
            found: dict[str, dict[str, Any]] = child.status()["streams"]
            return found

        def are_live(*names: str) -> bool:
            table = ask()
            return all(table.get(name, {}).get("state") == "live" for name in names)

        child.wait(lambda: are_live("camera", "moving", "hls"), "those that work are live", 90)
        child.wait(lambda: all(expected[n] in ask()[n]["gaps"] for n in expected), "those that fail have said so", 60)
        good.kill()
        stop.set()
        child.wait(lambda: bool(ask()["camera"]["gaps"]) and bool(ask()["stops"]["gaps"]), "what breaks off is told")
        child.file.write_text(child.file.read_text() + f'[[stream]]\nurl = "gopher://user:{PASSWORD}@x/?{token}"\n')
        child.process.send_signal(signal.SIGHUP)
        child.wait(lambda: child.status()["reload"] is not None, "a broken file is told")
        ask()
        code, _ = child.end()
        log = child.log.read_text()
        assert code == 0, log
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "wayside.toml"}
    names = {path.name for path in files}
    assert {"log", "run.json", "events.jsonl", "detections.jsonl"} <= names
    assert ("ledger.sqlite" in names) == (task == "logos"), names
    assert any('"gap"' in text or "gaps_total" in text for text in said)
    assert evil.hits == []
    for what, data in [*files.items(), *((f"said {n}", text.encode()) for n, text in enumerate(said))]:
        for secret in (CANARY, quote(PASSWORD, safe=""), base64.b64encode(f"user:{PASSWORD}".encode()).decode()):
            at_byte = data.find(secret.encode())
            assert at_byte < 0, f"{what}: ...{data[max(0, at_byte - 200) : at_byte + 60]!r}"


def test_ffmpeg_says_nothing_by_itself(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    """Its log lines hold addresses as they are; PyAV keeps them off unless somebody asks for them."""
    caplog.set_level(logging.DEBUG)
    assert av.logging.get_level() is None
    with pytest.raises(StreamError):
        open_live(f"rtmp://user:{PASSWORD}@127.0.0.1:1/live", "cam", settings=QUICK)._connect()
    assert CANARY not in "".join(capfd.readouterr()) + caplog.text
