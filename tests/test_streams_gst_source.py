"""GStreamer's connections to real servers on loopback: pictures, times, trouble told in time, nothing left behind."""

from __future__ import annotations

import gc
import logging
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import groupby, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from streams import gst_library
from streams.errors import OpenError, StreamError
from streams.frame import Frame
from streams.gap import Gap
from streams.gst_library import decoders, why_not
from streams.gst_pixels import GstPixels
from streams.gst_source import GstConnection, connector
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source
from tests.media import BT601, BT709, FULL, LIMITED, number_of, write_video
from tests.ports import free_port
from tests.rtsp_server import RtspServer, needs_rtsp_server

pytestmark = pytest.mark.skipif(why_not() is not None, reason=why_not() or "")

SOON = LiveSettings(open_timeout_seconds=8, first_frame_seconds=8, stall_seconds=1)
"""Patient with a busy machine while a stream opens, impatient afterwards."""


def connect(url: str, settings: LiveSettings = SOON, **options: Any) -> GstConnection:
    connection = connector(url, name="cam", settings=settings, **options)()
    assert isinstance(connection, GstConnection)
    return connection


def frames_of(url: str, count: int, **options: Any) -> list[Frame]:
    connection = connect(url, **options)
    try:
        return list(islice(connection, count))
    finally:
        connection.close()


def to_the_end(url: str) -> tuple[list[Frame], StreamError]:
    return drained(connect(url))


def drained(connection: GstConnection) -> tuple[list[Frame], StreamError]:
    frames: list[Frame] = []
    with pytest.raises(StreamError) as caught:
        frames.extend(connection)  # which keeps those that came before the error
    return frames, caught.value


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def ffmpeg(*words: str) -> Iterator[None]:
    process = subprocess.Popen(["ffmpeg", "-v", "error", "-nostdin", *words], stderr=subprocess.PIPE)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transport stream of four seconds, a key frame every half second."""
    return write_video(tmp_path_factory.mktemp("film") / "film.ts", pts=range(100), options={"g": "12", "bf": "0"})


@needs_rtsp_server
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_rtsp(transport: str) -> None:
    with RtspServer(fps=25, gop=10, b_frames=2, has_sound=True, user="ann", password="s3cret") as server:
        connection = connect(server.url, transport=transport)
        frames = list(islice(connection, 60))
        connection.close()
    numbers = [number_of(frame.rgb()) for frame in frames[20:]]
    in_order = [after - before for before, after in pairwise(numbers)].count(1)
    assert in_order == 39 if transport == "tcp" else in_order > 30  # UDP loses some where the machine is busy
    steps = [after.pts_seconds - before.pts_seconds for before, after in pairwise(frames[20:])]
    assert sorted(steps)[2:-2] == pytest.approx([0.04] * (len(steps) - 4), abs=0.002)
    assert (connection.info.size_wh, connection.info.average_fps) == ((320, 240), 25)
    assert connection.decoder is not None


@needs_rtsp_server
def test_the_wall_clock_is_that_of_sender_reports() -> None:
    with RtspServer(fps=25) as server:
        connection = connect(server.url)
        for frame in connection:
            if connection.wall_clock is not None or frame.index > 300:
                break
        came_at = datetime.now(UTC)
        connection.close()
    clock = connection.wall_clock
    assert clock is not None
    assert clock.method == "rtcp"
    lag = (came_at - clock.started_at).total_seconds() - frame.pts_seconds
    assert -0.1 < lag < 1


@pytest.mark.parametrize("mode", ["caller", "listener"])
def test_srt(film: Path, mode: str) -> None:
    port = free_udp_port()
    ours, theirs = (mode, "listener" if mode == "caller" else "caller")
    url = f"srt://127.0.0.1:{port}?mode={ours}&passphrase=s3cret-canary&latency=60"
    with ffmpeg(
        *("-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy", "-f", "mpegts"),
        f"srt://127.0.0.1:{port}?mode={theirs}&passphrase=s3cret-canary&pkt_size=1316",
    ):
        time.sleep(0.5)
        frames = frames_of(url, 20)
    assert [number_of(b.rgb()) - number_of(a.rgb()) for a, b in pairwise(frames)].count(1) > 15


def test_srt_with_a_wrong_passphrase_says_no_secret(film: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_udp_port()
    with (
        caplog.at_level(logging.DEBUG),
        ffmpeg(
            *("-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy", "-f", "mpegts"),
            f"srt://127.0.0.1:{port}?mode=listener&passphrase=right-canary",
        ),
    ):
        time.sleep(0.5)
        with pytest.raises(StreamError) as caught:
            frames_of(f"srt://127.0.0.1:{port}?passphrase=wrong-canary", 1)
    assert "canary" not in caplog.text + str(caught.value)


def test_udp(film: Path) -> None:
    port = free_udp_port()
    with ffmpeg(
        *("-re", "-stream_loop", "-1", "-i", str(film), "-c", "copy", "-f", "mpegts"),
        f"udp://127.0.0.1:{port}?pkt_size=1316",
    ):
        frames = frames_of(f"udp://127.0.0.1:{port}", 30)
    assert [number_of(b.rgb()) - number_of(a.rgb()) for a, b in pairwise(frames)].count(1) > 25


@pytest.mark.parametrize(
    ("pix_fmt", "size_wh", "matrix", "color_range"),
    [
        ("yuv420p", (320, 240), BT601, LIMITED),
        ("yuv420p", (320, 240), BT709, LIMITED),
        ("yuv420p", (320, 240), BT709, FULL),
        ("yuv420p", (320, 240), None, None),
        ("yuv420p", (1280, 720), None, None),  # HD, which is taken for BT.709
        ("yuv420p", (322, 182), BT601, LIMITED),  # rows that are padded
        ("yuv420p10le", (320, 240), BT709, LIMITED),
        ("yuv422p", (320, 240), BT601, LIMITED),
        ("yuv422p", (320, 240), BT601, FULL),  # as of a camera's MJPEG
        ("yuv444p", (320, 240), BT709, LIMITED),
    ],
)
def test_the_same_picture_as_pyav(
    tmp_path: Path, pix_fmt: str, size_wh: tuple[int, int], matrix: int | None, color_range: int | None
) -> None:
    path = write_video(
        tmp_path / "film.mp4", pix_fmt=pix_fmt, size_wh=size_wh, pts=range(6), matrix=matrix, color_range=color_range
    )
    with open_source(str(path)) as source:
        expected = list(source)
    ours, error = to_the_end(f"gst:filesrc location={path} ! decodebin ! videoconvert ! appsink name=sink")
    assert error.reason == "end"
    assert [frame.pts_seconds for frame in ours] == pytest.approx([frame.pts_seconds for frame in expected])
    for mine, theirs in zip(ours, expected, strict=True):
        off = np.abs(mine.rgb().astype(int) - theirs.rgb().astype(int))
        # 10 bit and 4:2:2 are made 8 bit 4:2:0 by two libraries, which do not round alike.
        assert off.max() <= (0 if pix_fmt == "yuv420p" else 16), off.max()
        assert off.mean() < 1


@pytest.mark.parametrize("form", ["I420", "YV12", "NV12", "NV21", "RGB", "Y42B", "Y444", "GRAY8", "YUY2", "BGRx"])
def test_every_form_of_pixels_is_read(form: str) -> None:
    """A field of one colour, converted by GStreamer to each form; `videoconvert` where it is none of ours."""
    url = (
        "gst:videotestsrc num-buffers=2 pattern=solid-color foreground-color=0xff2860c0 ! "
        f"video/x-raw,format={form},width=66,height=50,framerate=25/1 ! videoconvert ! appsink name=sink"
    )
    frames, _ = to_the_end(url)
    mean = frames[0].rgb().reshape(-1, 3).mean(0)
    expected = [0x5B] * 3 if form == "GRAY8" else [0x28, 0x60, 0xC0]
    assert mean == pytest.approx(expected, abs=4), form


def test_pictures_are_not_copied_and_outlive_the_connection(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", pts=range(12))
    frames, _ = to_the_end(f"gst:filesrc location={path} ! decodebin ! appsink name=sink")
    gc.collect()
    assert [number_of(frame.rgb()) for frame in frames] == list(range(12))
    luma = frames[0].luma(1)
    assert not luma.flags.writeable
    assert not luma.flags.owndata


def test_without_the_c_functions_pictures_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gst_library.library()
    bare = gst_library.Library(whole.glib, whole.gst, whole.video, None, None)
    monkeypatch.setattr("streams.gst_source.library", lambda: bare)
    path = write_video(tmp_path / "film.mp4", pts=range(5), size_wh=(322, 182))
    frames, _ = to_the_end(f"gst:filesrc location={path} ! decodebin ! appsink name=sink")
    assert [number_of(frame.rgb()) for frame in frames] == list(range(5))


def test_a_change_of_size(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.ts", pts=range(10))
    large = write_video(tmp_path / "large.ts", size_wh=(640, 480), pts=range(10, 20))
    both = tmp_path / "both.ts"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    connection = connect(f"gst:filesrc location={both} ! decodebin ! appsink name=sink")
    frames, _ = drained(connection)
    assert [size_wh for size_wh, _ in groupby(frame.size_wh for frame in frames)] == [(320, 240), (640, 480)]
    assert connection.info.size_wh == (640, 480)


def test_a_picture_that_is_too_large_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", size_wh=(640, 480), pts=range(5))
    with pytest.raises(OpenError, match="640x480 is larger than 500") as caught:
        list(connect(f"gst:filesrc location={path} ! decodebin ! appsink name=sink", LiveSettings(longest_side=500)))
    assert caught.value.reason == "limit"


@needs_rtsp_server
@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_a_server_that_dies_is_told_in_time(transport: str, how: str) -> None:
    with RtspServer() as server:
        connection = connect(server.url, transport=transport)
        frames = iter(connection)
        for _ in range(5):
            next(frames)
        getattr(server, how)()
        began_at = time.monotonic()
        with pytest.raises(StreamError) as caught:
            for _ in frames:
                pass
        took = time.monotonic() - began_at
    assert caught.value.reason in (("stall",) if how == "freeze" else ("end", "reset", "stall", "unreachable"))
    assert took < SOON.stall_seconds + 2
    assert str(server.port) in str(caught.value)


@needs_rtsp_server
def test_close_by_another_thread_ends_a_read_that_waits() -> None:
    with RtspServer() as server:
        connection = connect(server.url, LiveSettings(stall_seconds=30))
        frames = iter(connection)
        next(frames)
        server.freeze()
        timer = threading.Timer(0.5, connection.close)
        began_at = time.monotonic()
        timer.start()
        assert len(list(frames)) < 20
        assert time.monotonic() - began_at < 2.5
        timer.join()


@needs_rtsp_server
def test_a_live_source_comes_back_by_gstreamer_too() -> None:
    settings = LiveSettings(stall_seconds=3, open_timeout_seconds=8, backoff_seconds=0.5)
    with RtspServer(fps=25, gop=5) as server:
        source = open_source(server.url, backend="gstreamer", live=settings)
        assert isinstance(source, LiveSource)
        items = source.items()
        assert sum(isinstance(next(items), Frame) for _ in range(12)) >= 10
        server.kill()
        began = next(item for item in items if isinstance(item, Gap))
        assert source.health().backend == "gstreamer"
        server.start()
        back_at = time.monotonic()
        ended = next(item for item in items if isinstance(item, Gap) and item.end_seconds is not None)
        took = time.monotonic() - back_at
        assert isinstance(next(items), Frame)
        source.close()
    assert (began.end_seconds, began.reason in ("end", "reset", "unreachable")) == (None, True)
    assert ended.lost_seconds > 0
    assert took < 5


@pytest.mark.parametrize(("url", "backend"), [("srt://127.0.0.1:9", "gstreamer"), ("rtsp://127.0.0.1:9/x", "pyav")])
def test_auto_takes_gstreamer_for_what_pyav_has_not(url: str, backend: str) -> None:
    source = open_source(url)
    assert isinstance(source, LiveSource)
    assert source.health().backend == backend


@needs_rtsp_server
def test_nothing_is_left_behind_by_fifty_connections() -> None:
    def held() -> tuple[int, int, int]:
        gc.collect()
        threads = len(list(Path("/proc/self/task").iterdir()))
        return len(list(Path("/proc/self/fd").iterdir())), threads, len(gst_library.decoders())

    with RtspServer(fps=50, gop=5) as server:
        for _ in range(3):
            frames_of(server.url, 2)
        before = held()
        for _ in range(50):
            assert len(frames_of(server.url, 2)) == 2
        deadline = time.monotonic() + 10
        while held() > before and time.monotonic() < deadline:
            time.sleep(0.2)  # threads of a pool that end when they have been idle
        after = held()
    assert after[0] <= before[0]
    assert after[1] <= before[1]


@needs_rtsp_server
@pytest.mark.parametrize("end", ["", "connection.close()", "import os; os.kill(os.getpid(), 15)"])
def test_python_ends_without_a_crash(end: str) -> None:
    with RtspServer() as server:
        script = f"""
            from streams.gst_source import connector
            from streams.live_source import LiveSettings, LiveSource
            connection = connector({server.url!r}, name="cam", settings=LiveSettings(open_timeout_seconds=10))()
            frames = iter(connection)
            kept = [next(frames) for _ in range(3)]
            {end}
        """
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=60)
    assert done.returncode == (-15 if "kill" in end else 0), done.stderr.decode()


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("gst:nosuch ! appsink name=sink", 'no element "nosuch"'),
        ("gst:videotestsrc ! fakesink", "must end in: appsink name=sink"),
        ("gst:videotestsrc ! video/x-raw,width= ! appsink name=sink", "syntax error|could not"),
        ("gst:", "must end in|empty"),
        ("srt://127.0.0.1", "names no port"),
        ("srt://127.0.0.1:9000?nosuch=1", "unknown option nosuch"),
        ("srt://127.0.0.1:9000?passphrase=short", "passphrase cannot be what it is"),
        ("udp://127.0.0.1", "names no port"),
        ("rtsp://127.0.0.1:1/x?transport=pigeon", "transport must be tcp or udp"),
        ("http://127.0.0.1/live.m3u8", "allow_private"),
        ("ftp://127.0.0.1/x", "not asked to read ftp"),
    ],
)
def test_what_never_can_be_is_told_before_it_is_tried(url: str, line: str) -> None:
    with pytest.raises(OpenError, match=line):
        connector(url, name="cam", settings=SOON)


def test_no_server_and_wrong_credentials() -> None:
    with pytest.raises(StreamError) as caught:
        frames_of(f"rtsp://ann:canary-word@127.0.0.1:{free_port()}/cam", 1)
    assert (caught.value.reason, "canary" in str(caught.value)) == ("unreachable", False)


@needs_rtsp_server
@pytest.mark.parametrize("is_digest", [True, False])
def test_refused_credentials(is_digest: bool, caplog: pytest.LogCaptureFixture) -> None:
    with (
        caplog.at_level(logging.DEBUG),
        RtspServer(user="ann", password="right", is_digest=is_digest) as server,
        pytest.raises(OpenError, match="turns the user or the password down") as caught,
    ):
        frames_of(server.url.replace("right", "wrong-canary"), 1)
    assert caught.value.reason == "refused"
    assert "canary" not in caplog.text + str(caught.value)


def test_a_users_pipeline_hides_its_secrets(caplog: pytest.LogCaptureFixture) -> None:
    url = (
        f'gst:rtspsrc location="rtsp://ann:canary-1@127.0.0.1:{free_port()}/cam" user-pw=canary-2 user-id="canary 3" ! '
        "decodebin ! appsink name=sink"
    )
    with caplog.at_level(logging.DEBUG), pytest.raises(StreamError) as caught:
        frames_of(url, 1)
    assert "canary" not in caplog.text + str(caught.value)


def test_silence_is_not_waited_for_long() -> None:
    began_at = time.monotonic()
    with pytest.raises(StreamError, match="no answer within 1 s") as caught:
        connect(f"udp://127.0.0.1:{free_udp_port()}", LiveSettings(open_timeout_seconds=1))
    assert caught.value.reason == "timeout"
    assert time.monotonic() - began_at < 3


def test_decoders_are_listed_the_first_choice_in_front() -> None:
    found = decoders()
    assert "avdec_h264" in [decoder.name for decoder in found]
    assert [decoder.rank for decoder in found] == sorted((decoder.rank for decoder in found), reverse=True)
    hardware = [decoder.rank for decoder in found if decoder.is_hardware]
    assert all(rank > 256 for rank in hardware if rank >= 64)


def test_pixels_that_do_not_fit_are_refused() -> None:
    library = gst_library.library()
    pixels = GstPixels(library)
    assert pixels.caps(library.gst.Caps.from_string("video/x-raw,format=I420,width=64,height=64")) == (64, 64)
    with pytest.raises(ValueError, match="does not fit"):
        pixels(library.gst.Buffer.new_wrapped(b"\0" * 100))
