"""Streams that are decoded in a process of their own: the same frames, and a parent that outlives whatever it does."""

from __future__ import annotations

import gc
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from itertools import pairwise
from pathlib import Path
from statistics import median

import cv2
import numpy as np
import pytest

from streams import isolated
from streams.errors import OpenError, StreamError
from streams.frame import Frame
from streams.live import open_live
from streams.live_source import Connection, LiveSettings
from streams.pixels import RgbPixels, YuvPixels
from tests.feeds import FPS, HlsFeed, Pages, mjpeg_page, transport_stream, with_flipped_bits
from tests.live_child import Child, value
from tests.media import number_of, picture
from tests.rtsp_server import RtspServer, needs_rtsp_server
from tests.test_secrets import CANARY, PASSWORD, chain
from tests.watching import QUICK, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="isolate needs Linux")

Measure = Callable[..., None]
ROOT = Path(__file__).parents[1]
PATIENT = LiveSettings(stall_seconds=2.0, open_timeout_seconds=8.0, backoff_seconds=0.5)
"""A process takes a while to start where others want the processor too."""


def decoders(parent: int | None = None, *, title: bytes = b"streams.isolated_child") -> list[int]:
    """Return the processes of a parent, this one if none is given, that decode."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                of = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                is_decoder = title in (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if is_decoder and of == (parent or os.getpid()):
                found.append(int(entry.name))
    return found


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> float:
    """Wait until something holds; return how long that took, seconds."""
    began_at = time.monotonic()
    while not condition():
        assert time.monotonic() - began_at < seconds, "it does not come to hold"
        time.sleep(0.02)
    return time.monotonic() - began_at


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Pages() as server:
        server.pages["/cam"] = mjpeg_page(threading.Event())
        yield server


def over(pages: Pages) -> str:
    """Publish two seconds as HLS that has an end, with the date of each segment; return where."""
    pieces = transport_stream(count=2 * FPS)
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:1"]
    for number in range(2):
        pages.add(f"/{number}.ts", b"".join(pieces[number * FPS : (number + 1) * FPS]), "video/mp2t")
        lines += [f"#EXT-X-PROGRAM-DATE-TIME:2026-05-01T12:00:0{number}.000Z", "#EXTINF:1.000,", f"{number}.ts"]
    pages.add("/live.m3u8", "\n".join([*lines, "#EXT-X-ENDLIST"]).encode(), "application/vnd.apple.mpegurl")
    return pages.url("/live.m3u8")


def jpegs(pages: Pages, *, size_wh: tuple[int, int], sampling: int) -> str:
    """Publish five JPEGs as the stream of a camera; return where."""
    body = b""
    for number in range(5):
        asked = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
        jpeg = cv2.imencode(".jpg", picture(number, size_wh), asked)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        body += head.encode() + jpeg + b"\r\n"
    pages.add("/jpegs", body, "multipart/x-mixed-replace; boundary=frame")
    return pages.url("/jpegs")


def all_of(connection: Connection) -> tuple[list[Frame], str]:
    """Return all frames of a connection, and what ended it."""
    frames: list[Frame] = []
    with pytest.raises(StreamError) as caught:
        frames.extend(connection)
    return frames, f"{type(caught.value).__name__} {caught.value.reason} {caught.value}"


@pytest.mark.parametrize(
    ("kind", "pixels"),
    [("hls", YuvPixels), ("4:2:0", YuvPixels), ("odd", YuvPixels), ("4:4:4", RgbPixels)],
)
def test_frames_are_the_same(kind: str, pixels: type, pages: Pages) -> None:
    if kind == "hls":
        url = over(pages)
    else:
        factor = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if kind == "4:4:4" else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
        url = jpegs(pages, size_wh=(161, 121) if kind == "odd" else (160, 120), sampling=factor)
    rows = []
    for isolate in (False, True):
        connection = open_live(url, "cam", settings=PATIENT, isolate=isolate).connect()
        frames, end = all_of(connection)
        rows.append((frames, end, connection))
    (plain, plain_end, plain_connection), (frames, end, connection) = rows
    assert len(frames) == len(plain) >= 5
    assert end == plain_end
    assert connection.corrupt_packets == plain_connection.corrupt_packets == 0
    assert connection.info.average_fps == plain_connection.info.average_fps
    assert connection.wall_clock == plain_connection.wall_clock
    assert (connection.wall_clock is not None) == (kind == "hls")
    for one, two in zip(plain, frames, strict=True):
        assert isinstance(two.pixels, pixels)
        assert (one.index, one.stream, one.is_corrupt) == (two.index, two.stream, two.is_corrupt)
        assert (one.time_base, one.size_wh) == (two.time_base, two.size_wh)
        if kind == "hls":  # the others have no times of their own
            assert (one.pts, one.pts_seconds, one.duration_seconds) == (two.pts, two.pts_seconds, two.duration_seconds)
        np.testing.assert_array_equal(one.rgb(), two.rgb())
        np.testing.assert_array_equal(one.half(), two.half())
        assert not two.rgb().flags.writeable
    assert all(one.received_at <= two.received_at for one, two in pairwise(frames))
    assert not decoders()


@needs_rtsp_server
@pytest.mark.parametrize("backend", ["pyav", "gstreamer"])
def test_a_camera_by_each_backend(backend: str) -> None:
    """Its clock of RTCP too, where the backend has it at once; with the memory that is allowed as it ships."""
    with RtspServer() as server, watched(server.url, PATIENT, backend=backend, isolate=True) as watch:
        watch.wait(Frame, count=10, timeout=20)
        assert watch.source.health().backend == f"{backend}, isolated"
        numbers = [number_of(frame.rgb()) for frame in watch.frames]
        assert all((two - one) % 256 == 1 for one, two in pairwise(numbers))
        assert len(decoders()) == 1
    wait_for(lambda: not decoders())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_decoder_that_dies(number: signal.Signals, pages: Pages, measure: Measure) -> None:
    """14 and 25: a gap that says what happened, and the stream is back with another process."""
    url = pages.url("/cam")
    with watched(url, PATIENT, isolate=True) as watch:
        watch.wait(Frame, count=5)
        (before,) = decoders()
        killed_at = time.monotonic()
        os.kill(before, number)
        told, gap = watch.gap_after(killed_at)
        assert gap.reason == "decoder"
        assert gap.message == f"{url}: the decoder's process was ended by {number.name}"
        assert told < 1
        back, _ = watch.frame_after(killed_at + told)
        assert back < 4
        assert watch.source.health().reconnects == {"decoder": 1}
        (after,) = decoders()
        assert after != before
    wait_for(lambda: not decoders())
    if number == signal.SIGKILL:
        measure("14 the process of a decoder killed, MJPEG over HTTP (isolate)", told, back)


@pytest.mark.parametrize("megabytes", [40, 200, 390])
def test_a_decoder_that_wants_too_much_memory(megabytes: int, pages: Pages) -> None:
    """25: too little to start at all, to load its libraries, and for a picture of 25 MB."""
    pages.add("/large", b"".join(transport_stream(count=12, size_wh=(4096, 4096))), "video/mp2t")
    url = pages.url("/large")
    settings = LiveSettings(isolate_megabytes=megabytes, stall_seconds=2.0, backoff_seconds=4.0)
    with watched(url, settings, isolate=True) as watch:
        _, gap = watch.gap_after(0, timeout=20)
        assert gap.reason == "decoder"
        what = f"needed more than {megabytes} MB of memory (isolate_megabytes)"
        assert gap.message == f"{url}: the decoder's process {what}"
        assert not watch.frames
    with watched(url, LiveSettings(backoff_seconds=4.0), isolate=True) as watch:
        watch.wait(Frame, count=1, timeout=20)  # with what is allowed as it ships


def test_a_decoder_that_runs_out_of_memory_as_it_goes(pages: Pages) -> None:
    """25: FFmpeg says that the packets are damaged; a stall would be told after five seconds."""
    data = b"".join(transport_stream(count=12, size_wh=(4096, 4096)))

    def endless(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "video/mp2t")
        request.end_headers()
        request.wfile.write(data)
        stop.wait(10)

    stop = threading.Event()
    pages.pages["/endless"] = endless
    settings = LiveSettings(isolate_megabytes=440, stall_seconds=5.0, backoff_seconds=4.0)
    with watched(pages.url("/endless"), settings, isolate=True) as watch:
        began_at = time.monotonic()
        told, gap = watch.gap_after(began_at)
        stop.set()
        assert (gap.reason, told < 4) == ("decoder", True)
        assert "needed more than 440 MB of memory" in gap.message


@pytest.mark.parametrize("isolate", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_bits_that_flip(seed: int, isolate: bool, pages: Pages) -> None:
    """14: whatever the decoder makes of them, there are frames, and an end that is told as one."""
    pages.add("/bits", with_flipped_bits(b"".join(transport_stream(count=4 * FPS)), seed), "video/mp2t")
    frames, end = all_of(open_live(pages.url("/bits"), "cam", settings=PATIENT, isolate=isolate).connect())
    assert end == f"StreamError end {pages.url('/bits')}: the stream ended"
    assert len(frames) > 3
    assert all(frame.size_wh == frame.rgb().shape[1::-1] for frame in frames)


def test_nothing_secret_is_where_others_can_see_it(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    """Title, environment, descriptors: the password goes by standard input, and what else there is stays here."""
    monkeypatch.setenv("WEBHOOK_TOKEN", CANARY)
    with Path(__file__).open() as file, watched(pages.url("/cam", f"user:{PASSWORD}@"), PATIENT, isolate=True) as watch:
        os.set_inheritable(file.fileno(), True)
        watch.wait(Frame, count=3)
        (pid,) = decoders()
        process = Path(f"/proc/{pid}")
        seen = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
        assert b"streams.isolated_child" in seen
        assert b"PATH=" in seen
        assert CANARY.encode() not in seen
        assert not {b"WEBHOOK_TOKEN", b"user:"} & set(re.split(rb"[\0=]", seen))
        held = [str(entry.readlink()) for entry in (process / "fd").iterdir()]
        assert __file__ not in held
        assert CANARY not in repr(watch.gaps) + repr(watch.source.health())


def test_what_a_decoder_may_not(pages: Pages) -> None:
    with watched(pages.url("/cam"), PATIENT, isolate=True) as watch:
        watch.wait(Frame)
        (pid,) = decoders()
        rows = re.findall(r"^(Max [a-z ]+?)  +(\S+) +(\S+)", Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
        limits = {name: (soft, hard) for name, soft, hard in rows}
        assert limits["Max address space"] == (str(PATIENT.isolate_megabytes << 20),) * 2
        assert limits["Max file size"] == limits["Max core file size"] == ("0", "0")
        assert limits["Max open files"] == ("256", "256")
        status = Path(f"/proc/{pid}/status").read_text()
        assert "NoNewPrivs:\t1" in status
        assert os.getsid(pid) == pid != os.getsid(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # as a service's manager sends them to all
            os.kill(pid, number)
        count = len(watch.frames)
        watch.wait(Frame, count=count + 5)
        assert not watch.gaps


WATCHER = """
import sys, threading
from streams.source import open_source
source = open_source(sys.argv[1], name="cam", isolate=True)
for number, frame in enumerate(source):
    if number == 3:
        print("watched", flush=True)
"""


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_parent_that_is_killed_leaves_no_orphan(is_stuck: bool, pages: Pages) -> None:
    """Not even of a process that can no longer look after itself."""
    parent = subprocess.Popen(
        [sys.executable, "-c", WATCHER, pages.url("/cam")],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"watched\n"
        (pid,) = decoders(parent.pid)
        if is_stuck:
            os.kill(pid, signal.SIGSTOP)
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()

    def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            return True

    assert wait_for(is_gone) < 2


def test_closing_while_it_opens() -> None:
    """A server that never answers: the process is gone at once, not when it has had enough."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with watched(f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam", PATIENT, isolate=True) as watch:
            wait_for(lambda: bool(decoders()))
            time.sleep(1)
            assert watch.end() < 0.5
        assert wait_for(lambda: not decoders()) < 1


def test_a_decoder_that_hangs(pages: Pages) -> None:
    """The watchdog tells it as any stall, ends the process, and takes another."""
    with watched(pages.url("/cam"), PATIENT, isolate=True) as watch:
        watch.wait(Frame, count=3)
        (pid,) = decoders()
        os.kill(pid, signal.SIGSTOP)
        stopped_at = time.monotonic()
        told, gap = watch.gap_after(stopped_at)
        assert gap.reason == "stall"
        assert told < PATIENT.stall_seconds + 0.7
        watch.frame_after(stopped_at + told)
        assert pid not in decoders()
        (other,) = decoders()
        os.kill(other, signal.SIGSTOP)
        assert watch.end() < 0.5
    assert wait_for(lambda: not decoders()) < 1


def test_forty_opens_and_closes_leave_nothing_behind(pages: Pages) -> None:
    """26: descriptors, threads and processes as before, whether it is closed early, late or by its own end."""
    pages.add("/short", b"".join(transport_stream(count=3)), "video/mp2t")
    source = open_live(pages.url("/short"), "cam", settings=PATIENT, isolate=True)

    def once(number: int) -> None:
        if number % 4 == 0:  # never read
            source.connect().close()
        elif number % 4 == 1:
            source._connect().close()  # not even started
        elif number % 4 == 2:
            all_of(source.connect())
        else:
            connection = source.connect()
            frames = iter(connection)
            next(frames)
            connection.close()
            assert next(frames, None) is None

    threads = threading.active_count()

    def held() -> tuple[int, int]:
        gc.collect()
        wait_for(lambda: threading.active_count() <= threads)
        return sum(1 for _ in Path("/proc/self/fd").iterdir()), len(decoders(title=b""))  # zombies have no title

    for number in range(4):
        once(number)
    before = held()
    for number in range(40):
        once(number)
    assert held() == before


def test_a_playlist_goes_on_where_it_was(pages: Pages) -> None:
    """What one process has read, the next one does not read again."""
    with HlsFeed(pages), watched(pages.url("/live.m3u8"), PATIENT, isolate=True) as watch:
        watch.wait(Frame, count=10)
        killed_at = time.monotonic()
        os.kill(decoders()[0], signal.SIGKILL)
        told, _ = watch.gap_after(killed_at)
        count = len(watch.frames)
        watch.frame_after(killed_at + told)
        watch.wait(Frame, count=count + 5)
        numbers = [number_of(frame.rgb()) for frame in watch.frames]
        assert all(0 < two - one < 6 * FPS for one, two in pairwise(numbers)), "no picture comes twice"


def test_what_a_playlist_may_reach(pages: Pages) -> None:
    """29: the same as without a process of its own, and over connections."""
    with Pages() as inner:
        inner.add("/1.ts", b"".join(transport_stream(count=FPS)), "video/mp2t")
        text = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1.000,\n{inner.url('/1.ts')}\n"
        pages.add("/live.m3u8", text.encode(), "application/vnd.apple.mpegurl")
        with watched(pages.url("/live.m3u8"), PATIENT, isolate=True) as watch:
            _, gap = watch.gap_after(0)
            assert gap.reason == "limit"
            assert "leads to the private address 127.0.0.1; allow_private would let it" in gap.message
        assert not inner.hits
        with watched(pages.url("/live.m3u8"), PATIENT, isolate=True, allow_private=True) as watch:
            watch.wait(Frame)
        assert inner.hits


@pytest.mark.parametrize("scheme", ["http", "rtsp", "rtmp"])
def test_its_words_reach_the_log(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """Errors as they would be without it, and no more."""
    caplog.set_level(logging.DEBUG, "streams")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"{scheme}://user:{PASSWORD}@127.0.0.1:{closed.getsockname()[1]}/cam?token={CANARY}"
        ends = []
        for isolate in (False, True):
            with pytest.raises(OpenError) as caught:
                open_live(url, "cam", settings=QUICK, isolate=isolate).connect()
            ends.append((str(caught.value), caught.value.reason))
            assert CANARY not in chain(caught.value)
        assert ends[0] == ends[1]
    assert CANARY not in caplog.text
    assert caplog.text.count("is read by pyav") == 2


def test_a_whole_run(tmp_path: Path, pages: Pages) -> None:
    """Two streams of `wayside watch`: one loses its decoder; all that is told says so; the end takes both along."""
    urls = {"one": pages.url("/cam"), "two": pages.url("/cam")}
    with Child(tmp_path, urls, more="[live]\nisolate = true\nopen_timeout_seconds = 10.0\n") as run:
        run.wait_live("one", "two", seconds=60)
        assert run.status()["streams"]["one"]["backend"] == "pyav, isolated"
        held = decoders(run.process.pid)
        (pid,) = (pid for pid in held if Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"\0one\0"))
        os.kill(pid, signal.SIGKILL)
        run.wait(lambda: run.status()["streams"]["one"]["gaps"] == {"decoder": 1}, "a gap")
        run.wait_live("one", "two")
        assert value(run.samples(), "wayside_stream_gaps_total", stream="one", reason="decoder") == 1
        assert len(decoders(run.process.pid)) == 2
        held = decoders(run.process.pid)
        code, seconds = run.end()
        assert (code, seconds < 10) == (0, True)
        assert not [pid for pid in held if Path(f"/proc/{pid}").exists()]
    gaps = [event for event in run.events("one") if event["type"] == "gap"]
    assert [gap["reason"] for gap in gaps] == ["decoder", "decoder"]
    assert gaps[0]["message"] == f"{urls['one']}: the decoder's process was ended by SIGKILL"
    assert not [event for event in run.events("two") if event["type"] == "gap"]


@pytest.mark.parametrize(("size_wh", "most"), [((640, 360), 2.0), ((1920, 1080), 8.0)])
def test_what_it_costs_a_frame(size_wh: tuple[int, int], most: float, pages: Pages) -> None:
    """Milliseconds of CPU of both processes, as docs/sources.md has them (`-s` prints them)."""
    count = 10 * FPS
    pages.add("/long", b"".join(transport_stream(count=count, size_wh=size_wh)), "video/mp2t")

    def of(pid: int) -> float:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def took(*, isolate: bool) -> tuple[float, float, float]:
        connection = open_live(pages.url("/long"), "cam", settings=PATIENT, isolate=isolate).connect()
        frames = iter(connection)
        next(frames)
        pid = decoders()[0] if isolate else None
        began_at, start = time.thread_time(), of(pid) if pid else 0.0
        for _ in range(count - 20):
            next(frames)
        end, ours = of(pid) if pid else 0.0, time.thread_time() - began_at
        connection.close()
        assert next(frames, None) is None
        return 1e3 * ours / (count - 20), 1e3 * (end - start) / (count - 20), start

    rounds = [(took(isolate=False), took(isolate=True)) for _ in range(3)]
    plain = median(ours for (ours, _, _), _ in rounds)
    ours, theirs, start = (median(row[1][part] for row in rounds) for part in range(3))
    print(f"{size_wh}: {plain:.2f} ms a frame; isolated {ours:.2f} here, {theirs:.2f} there; to start {start:.2f} s")
    assert ours + theirs - plain < most


GOOD = {
    "kind": "frame",
    "pts": 0,
    "time_base": [1, 90000],
    "pts_seconds": 0.0,
    "duration_seconds": 0.04,
    "received_at": 0.0,
    "is_corrupt": False,
    "size_wh": [2, 2],
    "to_rgb": None,
    "fps": None,
    "corrupt_packets": 0,
    "clock": None,
    "place": -1,
}

STATE = {"kind": "open", "fps": None, "corrupt_packets": 0, "clock": None, "place": -1}


@pytest.mark.parametrize(
    ("change", "remark"),
    [
        ({"kind": "pickle"}, "another kind"),
        ({"size_wh": [8193, 1]}, "wider than longest_side"),
        ({"size_wh": [0, 1]}, "no picture"),
        ({"size_wh": [2.0, 2]}, "no whole number"),
        ({"size_wh": [2, 2, 2]}, "three sides"),
        ({"pts": 1 << 64}, "more bits than there are"),
        ({"pts": "0"}, "a text"),
        ({"pts": True}, "a truth"),
        ({"time_base": [1, 0]}, "no time base"),
        ({"time_base": [-1, 90000]}, "time that runs back"),
        ({"pts_seconds": 1e300}, "what no date can hold"),
        ({"duration_seconds": -1}, "less than nothing"),
        ({"received_at": float("nan")}, "no number"),
        ({"is_corrupt": 1}, "no truth"),
        ({"to_rgb": [1.0] * 11}, "half a matrix"),
        ({"to_rgb": [float("inf")] * 12}, "no numbers"),
        ({"clock": ["9999-12-31T23:59:59+00:00", "rtcp", 0.1]}, "the end of all dates"),
        ({"clock": ["2026-01-01T00:00:00", "rtcp", 0.1]}, "no time zone"),
        ({"clock": ["2026-01-01T00:00:00+00:00", "mine", 0.1]}, "another method"),
        ({"corrupt_packets": -1}, "less than nothing"),
        ({"kind": "end", "error": "SystemExit", "reason": "end", "message": ""}, "another error"),
        ({"kind": "end", "error": "OpenError", "reason": "because", "message": ""}, "another reason"),
        (None, "no JSON"),
        ("long", "a head of a gigabyte"),
        ("deep", "a head that is nothing but brackets"),
    ],
)
def test_what_a_decoder_that_was_taken_over_may_send(
    change: dict[str, object] | str | None, remark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is, it ends the connection with a StreamError, and goes no further."""

    def packed(head: dict[str, object]) -> bytes:
        text = json.dumps(head).encode()
        return len(text).to_bytes(4, "big") + text

    good = packed({"kind": "ready"}) + packed(STATE) + packed(GOOD) + bytes(12)
    bad = (
        {
            None: b"\0\0\0\5}{}{}",
            "long": (1 << 30).to_bytes(4, "big"),
            "deep": (10_000).to_bytes(4, "big") + b"[" * 10_000,
        }.get(change)
        if not isinstance(change, dict)
        else packed({**GOOD, **change})
    )  # type: ignore[arg-type]
    assert bad is not None
    script = f"import os, sys, time; os.write(int(sys.argv[1]), {good + bad!r}); time.sleep(30)"
    monkeypatch.setattr(isolated, "_COMMAND", (sys.executable, "-c", script))
    connection = open_live("rtsp://127.0.0.1/cam", "cam", settings=QUICK, isolate=True).connect()
    frames, end = all_of(connection)
    assert len(frames) == 1
    assert end == "DecodeError decoder rtsp://127.0.0.1/cam: the decoder's process sent what cannot be used", remark
    assert connection._began_at <= frames[0].received_at <= time.monotonic(), "a time from before it began is not"  # type: ignore[attr-defined]
    assert connection._process.returncode == -signal.SIGKILL  # type: ignore[attr-defined]


SLOW = """
import json, os, sys, time
def send(head, body=b""):
    text = json.dumps(head).encode()
    os.write(int(sys.argv[1]), len(text).to_bytes(4, "big") + text + body)
time.sleep(1.5)
send({"kind": "ready"})
send(%r)
for number in range(5):
    send(%r | {"pts": 3600 * number, "is_corrupt": False}, bytes(12))
time.sleep(30)
"""


def test_the_time_to_start_is_not_the_time_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall of streams that starts at once waits for its processes, not in vain for its cameras."""
    monkeypatch.setattr(isolated, "_COMMAND", (sys.executable, "-c", SLOW % (STATE, GOOD)))
    settings = LiveSettings(open_timeout_seconds=1.0, stall_seconds=9.0)
    with watched("rtsp://127.0.0.1/cam", settings, isolate=True) as watch:
        watch.wait(Frame, count=4)
        assert not watch.gaps


def test_a_process_that_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolated, "_COMMAND", (sys.executable, "-c", "import time; time.sleep(30)"))
    monkeypatch.setattr(isolated, "_START_SECONDS", 1.0)
    with watched("rtsp://127.0.0.1/cam", PATIENT, isolate=True) as watch:
        wait_for(lambda: bool(decoders(title=b"sleep(30)")))
        _, gap = watch.gap_after(0)
        assert (gap.reason, gap.message) == ("decoder", "rtsp://127.0.0.1/cam: its process did not start within 1 s")
        assert watch.end() < 0.5
    assert wait_for(lambda: not decoders(title=b"sleep(30)")) < 1
    monkeypatch.setattr(isolated, "_COMMAND", ("/no/such/program",))
    with pytest.raises(OpenError, match="no process can be started: No such file"):
        open_live("rtsp://127.0.0.1/cam", "cam", isolate=True).connect()


def test_what_it_says_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """No control characters reach a terminal, and no flood the log."""
    caplog.set_level(logging.INFO, "streams")
    script = """
import json, os, sys, time
def send(head):
    text = json.dumps(head).encode()
    os.write(int(sys.argv[1]), len(text).to_bytes(4, "big") + text)
send({"kind": "ready"})
for number in range(1000):
    send({"kind": "log", "level": 30, "text": "one\\n\\x1b[31mtwo"})
send({"kind": "end", "error": "OpenError", "reason": "limit", "message": "three\\r\\nfour" + 1000 * "x"})
time.sleep(30)
"""
    monkeypatch.setattr(isolated, "_COMMAND", (sys.executable, "-c", script))
    with pytest.raises(OpenError) as caught:
        open_live("rtsp://127.0.0.1/cam", "cam", settings=QUICK, isolate=True).connect()
    assert caught.value.reason == "limit"
    assert str(caught.value).startswith("three  fourxx")
    assert len(str(caught.value)) == 500
    said = [record.getMessage() for record in caplog.records if record.name == "streams.isolated"]
    assert said == ["one  [31mtwo"] * 100
