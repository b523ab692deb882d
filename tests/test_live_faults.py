"""What happens to live streams, made to happen: each fault with its message, its gap, and the time until all is well.

The numbers are those of the table of faults in docs/faults.md, which `--fault-table` writes anew; there stands too
which test of which file makes which of them happen.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from streams.frame import Frame
from streams.live_source import LiveSettings
from tests.feeds import FPS, HlsFeed, Pages, mjpeg_page, transport_stream, udp_feed
from tests.media import number_of
from tests.nginx import Nginx, needs_nginx, published
from tests.ports import free_port
from tests.relay import TcpRelay, UdpRelay
from tests.rtsp_server import RtspServer, needs_rtsp_server
from tests.watching import QUICK, watched

Measure = Callable[..., None]


@needs_rtsp_server
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_frozen_server_with_the_settings_as_they_ship(transport: str, measure: Measure) -> None:
    """2: nothing comes and the sockets stay open, as of a pulled cable."""
    with RtspServer() as server, watched(server.url, LiveSettings(), transport=transport) as watch:
        watch.wait(Frame, count=5)
        frozen_at = time.monotonic()
        server.freeze()
        told, gap = watch.gap_after(frozen_at)
        assert gap.reason == "stall"
        assert gap.message == f"{server.url}: no picture for 3 s"
        assert watch.source.health().state in ("stalled", "waiting", "connecting")
        assert told < 5
        time.sleep(0.5)
        thawed_at = time.monotonic()
        server.thaw()
        back, _ = watch.frame_after(thawed_at)
        assert back < 5
        assert watch.source.health().reconnects["stall"] == 1
    measure(f"2 a server frozen (SIGSTOP), RTSP over {transport.upper()}, default settings", told, back)


@needs_rtsp_server
def test_a_killed_server_with_the_settings_as_they_ship(measure: Measure) -> None:
    """5: the connection is closed in order, which for a live stream is a fault."""
    with RtspServer() as server, watched(server.url, LiveSettings()) as watch:
        watch.wait(Frame, count=5)
        killed_at = time.monotonic()
        server.kill()
        told, gap = watch.gap_after(killed_at)
        assert gap.reason in ("end", "reset")
        assert told < 5
        server.start()
        back, _ = watch.frame_after(time.monotonic())
        assert back < 5
        assert watch.source.health().reconnects[gap.reason] == 1
    measure("5 a server killed and started again, RTSP, default settings", told, back)


def test_a_server_that_never_answers(measure: Measure) -> None:
    """1: and a stream beside it does not notice."""
    port = free_port(socket.SOCK_DGRAM)
    settings = LiveSettings(open_timeout_seconds=1.0, backoff_seconds=0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, udp_feed(port), watched(f"udp://127.0.0.1:{port}") as other:
        url = f"rtsp://127.0.0.1:{silent.getsockname()[1]}/cam"
        other.wait(Frame)
        began_at = time.monotonic()
        with watched(url, settings) as watch:
            told, gap = watch.gap_after(began_at)
            assert (gap.reason, gap.message, gap.start_seconds) == ("timeout", f"{url}: no answer within 1 s", 0)
            assert told < 1.5
            time.sleep(2.5)
            assert watch.source.health().reconnects["timeout"] >= 2
        times = [frame.received_at for frame in other.frames]
        assert max(two - one for one, two in pairwise(times)) < 0.5, "the stream beside it has no pause"
    measure("1 a server that never answers (open timeout 1 s)", told, None)


@pytest.mark.parametrize("with_reset", [True, False], ids=["reset", "close"])
@pytest.mark.parametrize("kind", ["mjpeg", pytest.param("rtsp", marks=needs_rtsp_server)])
def test_a_cut_connection(kind: str, with_reset: bool, measure: Measure) -> None:
    """4 and 5: one fault, one attempt, and it goes on."""
    with ExitStack() as stack:
        if kind == "rtsp":
            port, path = stack.enter_context(RtspServer()).port, RtspServer.path
        else:
            pages = stack.enter_context(Pages())
            pages.pages["/cam"] = mjpeg_page(threading.Event())
            port, path = pages.port, "/cam"
        relay = stack.enter_context(TcpRelay(port))
        url = f"{'rtsp' if kind == 'rtsp' else 'http'}://127.0.0.1:{relay.port}{path}"
        watch = stack.enter_context(watched(url))
        watch.wait(Frame, count=5)
        before = relay.connections
        cut_at = time.monotonic()
        relay.cut(with_reset=with_reset)
        told, gap = watch.gap_after(cut_at)
        reason = "reset" if with_reset else "end"
        assert gap.reason == reason, gap
        assert gap.message == f"{url}: " + ("the connection was reset" if reason == "reset" else "the stream ended")
        assert told < 0.5
        back, _ = watch.frame_after(cut_at + told)
        assert back < 2
        assert relay.connections == before + 1
        assert watch.source.health().reconnects == {reason: 1}
    number = "4 a connection reset" if with_reset else "5 a connection closed"
    measure(f"{number}, {'RTSP' if kind == 'rtsp' else 'MJPEG over HTTP'}", told, back)


def test_a_relay_that_stalls(measure: Measure) -> None:
    """2: within one connection; the watchdog does not wait for the socket."""
    with Pages() as pages:
        pages.pages["/cam"] = mjpeg_page(threading.Event())
        with TcpRelay(pages.port) as relay, watched(f"http://127.0.0.1:{relay.port}/cam") as watch:
            watch.wait(Frame, count=5)
            stalled_at = time.monotonic()
            relay.is_stalled = True
            told, gap = watch.gap_after(stalled_at)
            assert gap.reason == "stall"
            assert told < QUICK.stall_seconds + 0.5
            relay.is_stalled = False
            back, _ = watch.frame_after(time.monotonic())
            assert back < 2
    measure(f"2 a stall within a connection, MJPEG over HTTP (stall {QUICK.stall_seconds:g} s)", told, back)


def test_a_playlist_that_stands_still(measure: Measure) -> None:
    """2: what was published is watched to its end before anything is missing."""
    with Pages() as pages, HlsFeed(pages) as feed, watched(pages.url("/live.m3u8")) as watch:
        watch.wait(Frame, count=5)
        feed.is_paused = True
        paused_at = time.monotonic()
        told, gap = watch.gap_after(paused_at)
        assert gap.reason == "stall"
        count = len(watch.frames)
        feed.is_paused = False
        back, _ = watch.frame_after(time.monotonic())
        watch.wait(Frame, count=count + 5)
        numbers = [number_of(frame.rgb()) for frame in watch.frames]
        assert all(0 < two - one < 3 * FPS for one, two in pairwise(numbers)), "no picture comes twice"
        steps = {two.pts - one.pts for one, two in pairwise(watch.frames[:count])}
        assert steps == {90_000 // FPS}
        received = [frame.received_at for frame in watch.frames[:count]]
        assert max(two - one for one, two in pairwise(received)) < 0.5, "given out at the pace of the world"
    measure("2 HLS of 1 s segments stands still; told once what was published is over", told, back)


@pytest.mark.parametrize("percent", [1, 5, 20])
def test_datagrams_are_lost(percent: int, measure: Measure) -> None:
    """6: no crash; within a second of key frames after the loss ends, pictures are whole again."""
    port = free_port(socket.SOCK_DGRAM)
    with UdpRelay(port, seed=percent) as relay, udp_feed(relay.port), watched(f"udp://127.0.0.1:{port}") as watch:
        watch.wait(Frame, count=5)
        relay.loss = percent / 100
        time.sleep(2)
        relay.loss = 0.0
        whole_at = time.monotonic()
        time.sleep(1.5)
        if percent == 20:
            assert watch.source.corrupt_packets > 0, "and it is counted"
        late = [frame for at, frame in watch.items if at > whole_at + 1.1 and isinstance(frame, Frame)]
        assert len(late) > 3
        assert not any(frame.is_corrupt for frame in late)
        assert all(two.pts - one.pts == 90_000 // FPS for one, two in pairwise(late))
        assert all((number_of(two.rgb()) - number_of(one.rgb())) % 256 == 1 for one, two in pairwise(late))
        back = next(
            at - whole_at for at, f in watch.items if at > whole_at and isinstance(f, Frame) and not f.is_corrupt
        )
    measure(f"6 {percent} % of datagrams lost (key frame each second)", None, back)


def test_times_are_those_of_the_stream_whatever_the_network_does(measure: Measure) -> None:
    """8: delayed by 300 ms and by up to 60 ms more each; steps stay those of the pictures."""
    port = free_port(socket.SOCK_DGRAM)
    with UdpRelay(port) as relay, udp_feed(relay.port), watched(f"udp://127.0.0.1:{port}") as watch:
        relay.delay_seconds, relay.jitter_seconds = 0.3, 0.06
        watch.wait(Frame, count=2 * FPS)
        frames = watch.frames
        assert {two.pts - one.pts for one, two in pairwise(frames)} == {90_000 // FPS}
        arrived = [two.received_at - one.received_at for one, two in pairwise(frames)]
        assert max(arrived) - min(arrived) > 0.02, "the network did delay"
        relay.reorder_seconds = 0.02
        time.sleep(0.7)
        relay.reorder_seconds = 0.0
        count = len(watch.frames)
        watch.wait(Frame, count=count + FPS)
        ticks = [frame.pts for frame in watch.frames]
        assert all(one < two for one, two in pairwise(ticks)), "time rises, also where packets overtook each other"


def test_another_size_on_the_way() -> None:
    """15: frames have the new size at once, and no second is lost."""
    port = free_port(socket.SOCK_DGRAM)
    pieces = transport_stream(count=2 * FPS) + transport_stream(
        count=2 * FPS, size_wh=(320, 240), pts_offset=2 * 90_000, first=2 * FPS
    )
    with udp_feed(port, pieces=pieces), watched(f"udp://127.0.0.1:{port}") as watch:
        watch.wait(Frame, count=2 * FPS)
        sizes = [frame.size_wh for frame in watch.frames]
        assert sizes == sorted(sizes)
        assert set(sizes) == {(160, 120), (320, 240)}
        assert watch.source.resolution_changes == 1
        assert watch.value("wayside_stream_cuts_total") == 1, "and it ends all tracks"
        assert watch.source.info.size_wh == (320, 240)
        assert not watch.gaps


@pytest.mark.parametrize(
    ("first", "second", "is_jump"),
    [
        (2**33 - 2 * 90_000, 2**33, False),  # the count of 33 bits begins again
        (10 * 90_000, 3600, True),  # an encoder that was started again
        (3600, 3600 + 7 * 90_000, True),  # five seconds ahead, in no time
    ],
    ids=["wrap", "back", "ahead"],
)
def test_the_clock_of_the_stream_jumps(first: int, second: int, is_jump: bool) -> None:
    """16: a wrap is no jump; a jump is a gap of no length, so that nothing is bridged over it, and is counted."""
    port = free_port(socket.SOCK_DGRAM)
    pieces = transport_stream(count=2 * FPS, pts_offset=first) + transport_stream(
        count=2 * FPS, pts_offset=second, first=2 * FPS
    )
    with udp_feed(port, pieces=pieces), watched(f"udp://127.0.0.1:{port}") as watch:
        watch.wait(Frame, count=2 * FPS + 5)
        frames = watch.frames[: 2 * FPS + 5]
        assert max(two.pts_seconds - one.pts_seconds for one, two in pairwise(frames)) < 0.2
        assert watch.source.health().discontinuities == is_jump
        assert watch.value("wayside_stream_discontinuities_total") == is_jump
        assert [line["reason"] for line in watch.rows] == ["other", "other"] * is_jump
        assert len(watch.gaps) == 2 * is_jump
        assert all(gap.lost_seconds < 0.2 and "its clock jumped by" in gap.message for gap in watch.gaps)
        numbers = [number_of(frame.rgb()) for frame in frames]
        assert all(two - one == 1 for one, two in pairwise(numbers))


@pytest.mark.parametrize(("kind", "state"), [("still", "frozen"), ("black", "black")])
def test_a_picture_that_tells_nothing(kind: str, state: str, caplog: pytest.LogCaptureFixture) -> None:
    """19: a state of its own and a line in the log; frames still flow."""
    settings = LiveSettings(frozen_seconds=0.6, black_seconds=0.4)
    stop = threading.Event()
    with Pages() as pages:
        pages.pages["/cam"] = mjpeg_page(stop, kind=kind)
        with watched(pages.url("/cam"), settings) as watch:
            began_at = watch.wait(Frame)[0]
            while watch.source.health().state == "live":
                assert time.monotonic() - began_at < 3
                time.sleep(0.02)
            health = watch.source.health()
            assert (health.state, health.reason) == (state, state)
            assert watch.value("wayside_stream_state", state=state) == 1
            assert watch.value("wayside_stream_state", state="live") == 0
            assert time.monotonic() - began_at >= 0.35
            watch.frame_after(time.monotonic())
            assert not watch.gaps
            pages.pages["/cam"] = mjpeg_page(threading.Event())
            stop.set()
            watch.gap_after(began_at)
            watch.frame_after(time.monotonic())
            assert watch.source.health().state == "live"
    assert f"cam: the picture is {state}" in caplog.text


def test_a_wall_that_was_away_comes_back_within_its_waits(measure: Measure) -> None:
    """5 and 11, as the settings ship: the server of 20 streams is away until their waits are at their longest."""
    port = free_port()
    with ExitStack() as stack:
        watches = [stack.enter_context(watched(f"http://127.0.0.1:{port}/cam", LiveSettings())) for _ in range(20)]
        time.sleep(8)
        assert all(watch.gaps for watch in watches)
        started_at = time.monotonic()
        pages = stack.enter_context(Pages(port))
        pages.pages["/cam"] = mjpeg_page(threading.Event(), fps=2)
        back = sorted(watch.frame_after(started_at)[0] for watch in watches)
    assert back[-1] < 5
    measure("5 a server away for 8 s, 20 streams, default settings: the median", None, back[10])
    measure("5 a server away for 8 s, 20 streams, default settings: the slowest", None, back[-1])


@needs_rtsp_server
def test_the_time_of_an_rtsp_camera() -> None:
    """Its sender reports give the wall clock, and pictures lie where they were taken."""
    with RtspServer() as server, watched(server.url) as watch:
        until = time.monotonic() + 15
        while not any(frame.wall_clock and frame.wall_clock.method == "rtcp" for frame in watch.frames[-1:]):
            assert time.monotonic() < until, "no sender report"
            time.sleep(0.05)
        frame = watch.frames[-1]
        assert frame.wall_clock is not None
        taken = (frame.wall_clock.started_at + timedelta(seconds=frame.pts_seconds)).timestamp()
        received = time.time() - (time.monotonic() - frame.received_at)
        assert -0.2 < received - taken < 1.0


def test_the_time_of_a_playlist() -> None:
    """Each picture of a second has the second of its segment."""
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    with Pages() as pages, HlsFeed(pages, began_at=noon) as feed, watched(pages.url("/live.m3u8")) as watch:
        watch.wait(Frame, count=20)
        for frame in watch.frames[:20]:
            assert frame.wall_clock is not None
            assert frame.wall_clock.method == "program_date"
            taken = frame.wall_clock.started_at + timedelta(seconds=frame.pts_seconds)
            assert abs((taken - noon).total_seconds() - number_of(frame.rgb()) / FPS) < 0.01
        assert feed.number >= 3


@needs_nginx
def test_rtmp_and_hls_of_a_real_server(tmp_path: Path, measure: Measure) -> None:
    """5: nginx is killed and started again; both streams say so, and both come back."""
    with Nginx(tmp_path) as nginx, published(nginx), watched(nginx.rtmp_url) as rtmp, watched(nginx.hls_url) as hls:
        rtmp.wait(Frame, count=10, timeout=30)
        hls.wait(Frame, count=10, timeout=30)
        steps = [two.pts - one.pts for one, two in pairwise(rtmp.frames[:10])]
        assert all(abs(step - 90_000 / FPS) < 100 for step in steps), "FLV counts in milliseconds"
        killed_at = time.monotonic()
        nginx.kill()
        rtmp_told, gap = rtmp.gap_after(killed_at)
        assert gap.reason in ("end", "reset"), gap
        assert gap.message.startswith(f"{nginx.rtmp_url}: ")
        hls_told, gap = hls.gap_after(killed_at, timeout=20)
        assert gap.reason in ("stall", "unreachable", "reset", "end"), gap
        started_at = time.monotonic()
        nginx.start()
        rtmp_back, _ = rtmp.frame_after(started_at, timeout=20)
        hls_back, _ = hls.frame_after(started_at, timeout=30)
        numbers = [number_of(frame.rgb()) for frame in rtmp.frames]
        assert numbers[0] < numbers[9]
    measure("5 nginx killed and started again, RTMP", rtmp_told, rtmp_back)
    measure(
        "5 nginx killed and started again, HLS: once what was fetched is over; three segments first", hls_told, hls_back
    )
