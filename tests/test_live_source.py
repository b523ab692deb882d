"""A live stream that is watched through trouble: real servers on loopback, and a connection of the test's own."""

from __future__ import annotations

import socket
import time
from itertools import pairwise

import pytest

from streams.frame import Frame
from streams.gap import Gap
from streams.gst_library import why_not
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source
from tests.feeds import FPS, udp_feed
from tests.media import number_of
from tests.ports import free_port
from tests.watching import QUICK, watched


def test_frames_gap_and_frames_again_on_one_line_of_time() -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp_feed(port) as feed, watched(f"udp://127.0.0.1:{port}") as watch:
        watch.wait(Frame, count=10)
        assert watch.source.health().state == "live"
        feed.is_paused = True
        silent_at = time.monotonic()
        told_at, gap = watch.wait(Gap)
        assert QUICK.stall_seconds - 0.2 < told_at - silent_at < QUICK.stall_seconds + 0.5
        assert isinstance(gap, Gap)
        assert (gap.stream, gap.reason, gap.end_seconds) == ("cam", "stall", None)
        assert gap.message == f"udp://127.0.0.1:{port}: no picture for 1 s"
        count = len(watch.frames)
        feed.is_paused = False
        watch.wait(Frame, count=count + 5)
        assert watch.end() < 0.5
        frames = watch.frames
        assert [frame.index for frame in frames] == list(range(len(frames)))
        assert [type(item) for _, item in watch.items[count : count + 3]] == [Gap, Gap, Frame]
        before, end, after = frames[count - 1], watch.gaps[1], frames[count]
        assert end.end_seconds == after.pts_seconds
        assert gap.start_seconds == end.start_seconds
        assert abs(before.pts_seconds + before.duration_seconds - end.start_seconds) < 1e-9
        passed = after.received_at - before.received_at
        assert abs(end.lost_seconds - (passed - 1 / FPS)) < 0.01, "a gap is as long as it was in the world"
        for one, two in pairwise(frames):
            if two is not after:
                assert two.pts - one.pts == 90_000 // FPS
                assert (number_of(two.rgb()) - number_of(one.rgb())) % 256 == 1
        health = watch.source.health()
        assert health.state == "ended"
        assert health.reconnects["stall"] >= 1


@pytest.mark.parametrize(
    ("url", "asked", "backend", "reason"),
    [
        ("rtsp://127.0.0.1/x", "auto", "pyav", "it needs nothing beside this program, and speaks rtsp"),
        ("rtsp://127.0.0.1/x", "pyav", "pyav", "as the settings say"),
        ("srt://127.0.0.1:1", "auto", "gstreamer", "PyAV's wheels have no SRT"),
        ("gst:videotestsrc ! appsink name=sink", "auto", "gstreamer", "it is a pipeline of GStreamer's own"),
    ],
)
def test_it_is_told_what_reads_a_stream_and_why(url: str, asked: str, backend: str, reason: str) -> None:
    if backend == "gstreamer" and why_not() is not None:
        pytest.skip(f"no GStreamer here: {why_not()}")
    source = open_source(url, backend=asked)
    assert isinstance(source, LiveSource)
    with source:
        health = source.health()
    assert (health.backend, health.backend_reason) == (backend, reason)


def test_close_ends_it_wherever_it_waits() -> None:
    with watched(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}", LiveSettings(open_timeout_seconds=30)) as watch:
        time.sleep(0.3)
        assert watch.source.health().state == "connecting"
        assert watch.end() < 0.5
