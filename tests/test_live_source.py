"""A live stream that is watched through trouble: real servers on loopback, and a connection of the test's own."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

from streams.frame import Frame
from streams.gap import Gap
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source
from tests.feeds import FPS, free_port, udp_feed
from tests.media import number_of

QUICK = LiveSettings(stall_seconds=0.6, open_timeout_seconds=3.0, backoff_seconds=0.5)


class Watched:
    """Watches a source in a thread, and keeps what came and when."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.items: list[tuple[float, Frame | Gap]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for item in self.source.items():
            with self._changed:
                self.items.append((time.monotonic(), item))
                self._changed.notify_all()

    @property
    def frames(self) -> list[Frame]:
        return [item for _, item in self.items if isinstance(item, Frame)]

    @property
    def gaps(self) -> list[Gap]:
        return [item for _, item in self.items if isinstance(item, Gap)]

    def wait(self, kind: type, *, count: int = 1, timeout: float = 10.0) -> tuple[float, Frame | Gap]:
        """Return the time and the item when there are `count` of a kind; fails where they do not come."""
        with self._changed:
            is_there = self._changed.wait_for(lambda: sum(isinstance(i, kind) for _, i in self.items) >= count, timeout)
            assert is_there, f"no {kind.__name__} number {count} within {timeout} s: {self.source.health()}"
            return [pair for pair in self.items if isinstance(pair[1], kind)][count - 1]

    def end(self) -> float:
        """Close the source and return how long the iteration went on."""
        began = time.monotonic()
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive(), "the iteration goes on after close"
        return time.monotonic() - began


@contextmanager
def watched(url: str, settings: LiveSettings = QUICK, **kind: object) -> Iterator[Watched]:
    source = open_source(url, name="cam", live=settings, **kind)  # type: ignore[arg-type]
    assert isinstance(source, LiveSource)
    watch = Watched(source)
    try:
        yield watch
    finally:
        watch.end()


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
        assert gap.message == f"udp://127.0.0.1:{port}: no picture for 0.6 s"
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


def test_close_ends_it_wherever_it_waits() -> None:
    with watched(f"udp://127.0.0.1:{free_port(socket.SOCK_DGRAM)}", LiveSettings(open_timeout_seconds=30)) as watch:
        time.sleep(0.3)
        assert watch.source.health().state == "connecting"
        assert watch.end() < 0.5
