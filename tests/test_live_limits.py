"""Bounds that hold whatever a stream does: attempts, threads, descriptors, memory, sizes of pictures, clocks."""

from __future__ import annotations

import gc
import os
import random
import re
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from streams.av_live import connector
from streams.backoff import Backoff
from streams.errors import OpenError, StreamError
from streams.frame import Frame, StreamInfo
from streams.gap import Gap, WallClock
from streams.live_source import LiveSettings, LiveSource
from streams.pixels import RgbPixels
from streams.urls import address_of
from tests.feeds import Pages, transport_stream
from tests.watching import QUICK, Watched, watched


class Scripted:
    """A connection that gives so many frames, one each `step` seconds, and then fails as it is told."""

    def __init__(self, count: int = 0, *, step: float = 0.01, error: StreamError | None = None) -> None:
        self.info = StreamInfo("cam", None, None, Fraction(1, 1000), True, None, None)
        self.corrupt_packets = 0
        self.wall_clock: WallClock | None = None
        self._count, self._step, self._error = count, step, error
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self._count):
            if self._closed.wait(self._step):
                return
            pixels = RgbPixels(np.full((16, 16, 3), index % 250, np.uint8))
            pts = round(index * self._step * 1000)
            yield Frame("cam", index, pts, Fraction(1, 1000), pts / 1000, self._step, time.monotonic(), False, pixels)
        raise self._error or StreamError("over", reason="end")

    def close(self) -> None:
        self._closed.set()


def test_two_hundred_streams_that_die_together_come_back_spread() -> None:
    """11: no storm: each tries no more often than its waits allow, and no two try as one."""
    attempts: list[float] = []
    lock = threading.Lock()

    def connect() -> Scripted:
        with lock:
            attempts.append(time.monotonic())
        raise OpenError("gone", reason="unreachable")

    settings = LiveSettings(backoff_seconds=1.0)
    sources = [
        LiveSource(
            "rtsp://cam",
            name=f"cam{n}",
            connect=connect,
            settings=settings,
            backoff=Backoff(first_seconds=0.5, cap_seconds=1.0, generator=random.Random(n)),
        )
        for n in range(200)
    ]
    threads = [threading.Thread(target=lambda s=source: list(s.items()), daemon=True) for source in sources]
    began_at = time.monotonic()
    for thread in threads:
        thread.start()
    time.sleep(4)
    for source in sources:
        source.close()
    for thread in threads:
        thread.join(5)
    assert not any(thread.is_alive() for thread in threads)
    each = [sum(source.health().reconnects.values()) for source in sources]
    # Full jitter waits half its bound in the mean: 0.25, then 0.5 s for ever; 4 s are eight or nine attempts.
    assert 5 < sum(each) / 200 < 11
    assert max(each) < 25
    late = sorted((at - began_at) for at in attempts if 1.5 < at - began_at < 3.5)
    bins = np.histogram(late, bins=20, range=(1.5, 3.5))[0]
    # Streams that tried as one would leave most moments empty; a machine that stands still for one leaves that one.
    assert (bins > 0.4 * bins.mean()).mean() >= 0.8, "spread over nearly all moments"
    assert len(late) / 2 < 200 * 3, "attempts a second of all together"


def test_a_stream_that_dies_young_is_asked_less_and_less() -> None:
    """2 of the failures that recur: a connect that succeeds is no reason to begin the waits anew."""
    source = LiveSource(
        "rtsp://cam",
        name="cam",
        connect=lambda: Scripted(5),
        settings=LiveSettings(backoff_seconds=4.0, healthy_seconds=10),
    )
    watch = Watched(source)
    watch.wait(Gap, count=7)
    assert source._backoff.attempts >= 4
    watch.end()


def test_healthy_seconds_begin_the_waits_anew() -> None:
    settings = LiveSettings(healthy_seconds=0.3, backoff_seconds=0.2)
    left = [Scripted(), Scripted(), Scripted(), Scripted(60)]
    source = LiveSource("rtsp://cam", name="cam", connect=lambda: left.pop(0), settings=settings)
    watch = Watched(source)
    watch.wait(Frame, count=50)
    assert source._backoff.attempts == 0
    watch.end()


def test_readers_that_hang_are_few() -> None:
    """A driver that never comes back takes four threads at the most, and the stream is told as stalled meanwhile."""
    release = threading.Event()

    def connect() -> Scripted:
        release.wait(30)
        raise OpenError("gone")

    settings = LiveSettings(open_timeout_seconds=0.1, backoff_seconds=0.05, stall_seconds=0.1)
    source = LiveSource("camera:0", name="hung", connect=connect, settings=settings)
    watch = Watched(source)
    time.sleep(2)
    hung = [thread for thread in threading.enumerate() if thread.name == "read hung"]
    assert len(hung) == 4
    assert source.health().reason == "timeout"
    assert watch.end() < 0.5
    release.set()
    for thread in hung:
        thread.join(5)


def test_a_stream_that_makes_the_program_stumble_is_watched_on() -> None:
    """A mistake of ours is told, by its kind and place alone, and the stream is connected again."""
    left = [Scripted(3, step="soon"), Scripted(9)]  # type: ignore[arg-type]
    source = LiveSource(
        "rtsp://cam", name="cam", connect=lambda: left.pop(0), settings=LiveSettings(backoff_seconds=0.1)
    )
    watch = Watched(source)
    watch.wait(Frame, count=3)
    gap = watch.gaps[0]
    assert gap.reason == "other"
    assert re.fullmatch(r"read cam: an error of this program: TypeError at \w+, line \d+", gap.message)
    watch.end()


def test_setting_the_clock_does_not_tear_times_apart() -> None:
    """18: an hour's jump of the system's clock: frames keep their times, and the next connection has the new ones."""
    hour = [0.0]
    now = time.time()
    source = LiveSource(
        "rtsp://cam",
        name="cam",
        connect=lambda: Scripted(20),
        settings=LiveSettings(backoff_seconds=0.1),
        wall_time=lambda: time.time() + hour[0],
    )
    watch = Watched(source)
    watch.wait(Frame, count=10)
    hour[0] = 3600
    watch.wait(Frame, count=30)
    watch.end()
    frames = watch.frames
    shown = [
        (frame.wall_clock.started_at + timedelta(seconds=frame.pts_seconds)).timestamp() - now
        for frame in frames
        if frame.wall_clock is not None
    ]
    assert len(shown) == len(frames)
    assert all(seconds < 60 for seconds in shown[:20])
    assert all(3600 <= seconds < 3660 for seconds in shown[20:30])
    assert all(0 < frame.duration_seconds < 1 for frame in frames)
    assert all(one.pts < two.pts for one, two in pairwise(frames))


def test_the_clock_of_the_stream_goes_before_arrival() -> None:
    """And lies right on the line of time over connections, whose zero is the first frame ever."""
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    connections = []

    def connect() -> Scripted:
        connection = Scripted(10)
        connection.wall_clock = WallClock(noon + timedelta(hours=len(connections)), "rtcp", 0.05)
        connections.append(connection)
        return connection

    source = LiveSource("rtsp://cam", name="cam", connect=connect, settings=LiveSettings(backoff_seconds=0.1))
    watch = Watched(source)
    watch.wait(Frame, count=20)
    watch.end()
    for index in (0, 9, 10, 19):
        frame = watch.frames[index]
        assert frame.wall_clock is not None
        assert (frame.wall_clock.method, frame.wall_clock.error_seconds) == ("rtcp", 0.05)
        told = frame.wall_clock.started_at + timedelta(seconds=frame.pts_seconds)
        wanted = noon + timedelta(hours=index // 10, seconds=index % 10 * 0.01)
        assert abs(told - wanted) < timedelta(milliseconds=2)


def test_a_thousand_opens_and_closes_leave_nothing_behind() -> None:
    """26: descriptors and threads as before, and memory that does not grow with the count."""
    with Pages() as pages:
        jpeg = cv2.imencode(".jpg", np.zeros((16, 16, 3), np.uint8))[1].tobytes()
        part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode() + jpeg + b"\r\n"
        pages.add("/cam", 4 * part, "multipart/x-mixed-replace; boundary=frame")
        connect = connector(address_of(pages.url("/cam")), name="cam", settings=QUICK)

        def once() -> None:
            connection = connect()
            next(iter(connection))
            connection.close()
            frames = iter(connection)
            with pytest.raises(StopIteration):
                next(frames)

        for _ in range(100):
            once()
        before = _held()
        for _ in range(900):
            once()
        after = _held()
        assert after[0] <= before[0] + 2, "descriptors"
        assert after[1] <= before[1] + 2, "threads"
        assert after[2] - before[2] < 8e6, f"bytes: {before[2]} {after[2]}"


def _held() -> tuple[int, int, int]:
    """Return descriptors, threads and bytes of memory, once the server's threads have ended too."""
    until = time.monotonic() + 3
    while threading.active_count() > 5 and time.monotonic() < until:
        time.sleep(0.05)
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return sum(1 for _ in Path("/proc/self/fd").iterdir()), threading.active_count(), pages * os.sysconf("SC_PAGE_SIZE")


def _peak() -> int:
    """Return the most bytes of memory that were held since this was called last."""
    status = Path("/proc/self/status").read_text()
    Path("/proc/self/clear_refs").write_text("5")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.parametrize("longest_side", [1024, 4096])
def test_a_picture_of_too_many_pixels_takes_no_memory(longest_side: int) -> None:
    """30: a few thousand bytes that claim, and would fill, 25 MB a frame; with the larger limit they do."""
    data = b"".join(transport_stream(count=3, size_wh=(4096, 4096)))
    assert len(data) < 300_000
    with Pages() as pages:
        pages.add("/cam", data, "video/mp2t")
        gc.collect()
        _peak()
        before = _peak()
        settings = LiveSettings(longest_side=longest_side, backoff_seconds=1.0, stall_seconds=1.0)
        with watched(pages.url("/cam"), settings) as watch:
            _, gap = watch.gap_after(0)
        took = _peak() - before
    if longest_side == 4096:
        assert watch.frames
        assert took > 40e6, "else this test could not fail"
    else:
        assert (gap.reason, gap.message) == ("limit", f"{pages.url('/cam')}: a picture of 4096x4096 is too large")
        assert not watch.frames
        assert took < 15e6
