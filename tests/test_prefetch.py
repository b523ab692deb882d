"""Decoding ahead: bounded, in turns, stopped when nobody wants more, and every frame accounted for."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from pipeline.metrics import FrameCounts, Metrics
from pipeline.prefetch import Prefetch, PrefetchSettings
from streams.errors import DecodeError
from streams.frame import Frame
from tests.worlds import WorldSource, frame

GREY = np.zeros((16, 16, 3), np.uint8)


class Source(WorldSource):
    """Gives so many grey frames, as fast as they are taken, and tells how far it was read."""

    def __init__(self, count: int, **options: object) -> None:
        super().__init__([], 0.0, **options)  # type: ignore[arg-type]
        self.count = count
        self.read = 0
        self.corrupt: set[int] = set()
        self.pause: Callable[[int], None] = lambda index: None
        self.thread: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        for index in range(self.count):
            if index == self._breaks_after and self._error is not None:
                raise self._error
            self.pause(index)
            self.read += 1
            made = frame(GREY.copy(), index=index, stream=self.info.name)
            yield replace(made, is_corrupt=index in self.corrupt)

    def close(self) -> None:
        super().close()
        self.thread = threading.current_thread().name


def settled(condition: Callable[[], bool], seconds: float = 3.0) -> bool:
    """Wait until something holds that another thread brings about."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


def counts(metrics: Metrics, stream: str = "road") -> FrameCounts:
    return metrics.frames.snapshot()[stream]


def test_one_file_comes_whole_and_in_order() -> None:
    source, metrics = Source(100), Metrics()
    with Prefetch([source], metrics=metrics) as frames:
        assert [f.index for f in frames] == list(range(100))
    assert source.is_closed
    assert source.thread == "decode road", "a source is closed by the thread that read it"
    assert counts(metrics).decoded == counts(metrics).in_flight == 100, "nobody has said yet what became of them"


def test_files_take_turns_whichever_is_the_faster() -> None:
    slow, fast = Source(5, name="slow"), Source(8, name="fast")
    slow.pause = lambda index: time.sleep(0.005)
    with Prefetch([slow, fast], metrics=Metrics()) as frames:
        order = [f.stream for f in frames]
    assert order == ["slow", "fast"] * 5 + ["fast"] * 3


@pytest.mark.parametrize(
    ("settings", "expected", "remark"),
    [
        (PrefetchSettings(file_frames=4), 5, "four wait, a fifth is decoded and waits to be put"),
        (PrefetchSettings(file_frames=1), 2, "one waits"),
        (PrefetchSettings(file_frames=50, budget_megabytes=768 * 3 / 1e6), 4, "the budget holds three"),
        (PrefetchSettings(file_frames=50, budget_megabytes=1e-6), 2, "one frame is let through whatever it holds"),
    ],
)
def test_a_queue_is_bounded(settings: PrefetchSettings, expected: int, remark: str) -> None:
    source = Source(100)
    with Prefetch([source], settings, metrics=Metrics()) as frames:
        assert settled(lambda: source.read == expected), remark
        time.sleep(0.05)
        assert source.read == expected, remark
        assert frames.take() is not None
        assert settled(lambda: source.read == expected + 1), "room for one more"


def test_one_budget_for_all_streams() -> None:
    sources = [Source(50, name=name) for name in "abc"]
    settings = PrefetchSettings(file_frames=50, budget_megabytes=768 * 6 / 1e6)
    with Prefetch(sources, settings, metrics=Metrics()) as frames:
        assert settled(lambda: sum(s.read for s in sources) >= 6)
        time.sleep(0.05)
        assert sum(s.read for s in sources) <= 6 + 3 + 3, "six wait, one a stream in any case, and one in each hand"
        assert len(list(frames)) == 150


def test_a_live_stream_drops_its_oldest_and_counts_them() -> None:
    source, metrics = Source(20, is_live=True), Metrics()
    with Prefetch([source], metrics=metrics) as frames:
        assert settled(lambda: source.read == 20), "it never waits"
        assert settled(lambda: source.is_closed)
        assert [f.index for f in frames] == [18, 19]
    assert counts(metrics).dropped == {"late": 18}


def test_a_live_stream_that_is_silent_holds_up_nobody() -> None:
    gate = threading.Event()
    live, other = Source(1, name="live", is_live=True), Source(3, name="other", is_live=True)
    live.pause = lambda index: gate.wait()
    with Prefetch([live, other], PrefetchSettings(live_frames=3), metrics=Metrics()) as frames:
        assert [f.stream for f in (frames.take(), frames.take(), frames.take()) if f] == ["other"] * 3
        assert frames.take(0.01) is None, "nothing came in time"
        gate.set()
        last = frames.take()
        assert last is not None
        assert last.stream == "live"
        assert frames.take() is None, "all are over"


def test_a_failing_source_hands_its_error_on_after_its_frames() -> None:
    broken = Source(9, name="broken", breaks_after=3, error=DecodeError("broken.mp4: no more"))
    sound = Source(9, name="sound")
    with Prefetch([broken, sound], metrics=Metrics()) as frames:
        taken = [f.stream for f in frames]
        assert taken.count("broken") == 3, "what was read before is not lost"
        assert taken.count("sound") == 9, "the other stream goes on"
        assert frames.failures().keys() == {"broken"}
        with pytest.raises(DecodeError, match="no more"):
            frames.raise_failures()


def test_an_unexpected_error_is_handed_on_too() -> None:
    source = Source(9, breaks_after=0, error=RuntimeError("a bug"))
    with Prefetch([source], metrics=Metrics()) as frames:
        assert list(frames) == []
        with pytest.raises(RuntimeError, match="a bug"):
            frames.raise_failures()


def test_who_stops_early_leaves_nothing_running_and_nothing_uncounted() -> None:
    source, metrics = Source(1000), Metrics()
    with Prefetch([source], metrics=metrics) as frames:
        for _ in range(3):
            frames.take()
            metrics.frames.processed("road")
        assert settled(lambda: source.read == 3 + 5)
    assert source.is_closed
    assert not [t for t in threading.enumerate() if t.name.startswith("decode")]
    left = counts(metrics)
    assert left.in_flight == 0
    assert left.decoded == left.processed + left.dropped_total
    assert left.dropped == {"shutdown": 5}


def test_stop_lets_what_waits_be_taken() -> None:
    source, metrics = Source(1000), Metrics()
    with Prefetch([source], metrics=metrics) as frames:
        assert settled(lambda: source.read == 5)
        frames.stop()
        assert [f.index for f in frames] == [0, 1, 2, 3, 4]
    assert counts(metrics).dropped_total == 0


def test_stop_wakes_who_waits_for_a_frame() -> None:
    gate = threading.Event()
    source = Source(1)
    source.pause = lambda index: gate.wait(0.3)
    with Prefetch([source], metrics=Metrics()) as frames:
        threading.Timer(0.02, frames.stop).start()
        assert len(list(frames)) <= 1


def test_corrupt_and_unsampled_frames_are_counted_and_left_out() -> None:
    source, metrics = Source(12), Metrics()
    source.corrupt = {0, 5, 6}
    with Prefetch([source], PrefetchSettings(sample_every=3), metrics=metrics) as frames:
        assert [f.index for f in frames] == [3, 9]
    assert counts(metrics).corrupt == 3
    assert counts(metrics).sampled_out == 7
    assert counts(metrics).in_flight == 2


@pytest.mark.parametrize(
    "wrong", [{"file_frames": 0}, {"live_frames": 0}, {"sample_every": 0}, {"budget_megabytes": 0.0}]
)
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        PrefetchSettings(**wrong)  # type: ignore[arg-type]
