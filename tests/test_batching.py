"""Files are batched by count alone, live streams also by time."""

import time

import numpy as np
import pytest

from pipeline.batching import BatchSettings, batch
from streams.frame import Frame
from tests.worlds import frame

GREY = np.zeros((8, 8, 3), np.uint8)


class Frames:
    """Gives numbered frames; a number is a pause of so many seconds, None the end of what comes in time."""

    def __init__(self, count: int, *, is_live: bool = False, pauses: dict[int, float] | None = None) -> None:
        self.is_live = is_live
        self.timeouts: list[float | None] = []
        self._left = [frame(GREY, index=i) for i in range(count)]
        self._pauses = pauses or {}

    def take(self, timeout_seconds: float | None = None) -> Frame | None:
        self.timeouts.append(timeout_seconds)
        if not self._left:
            return None
        pause = self._pauses.get(self._left[0].index, 0.0)
        if timeout_seconds is not None and pause > timeout_seconds:
            self._pauses.pop(self._left[0].index, None)
            return None
        return self._left.pop(0)


@pytest.mark.parametrize(
    ("count", "size", "lengths", "remark"),
    [
        (0, 8, [], "nothing comes"),
        (3, 8, [3], "fewer than a batch"),
        (8, 8, [8], "just one"),
        (10, 4, [4, 4, 2], "the last is shorter"),
        (3, 1, [1, 1, 1], "one by one"),
    ],
)
def test_files_are_batched_by_count(count: int, size: int, lengths: list[int], remark: str) -> None:
    frames = Frames(count)
    made = list(batch(frames, BatchSettings(size=size, wait_seconds=0.0)))
    assert [len(part) for part in made] == lengths, remark
    assert [f.index for part in made for f in part] == list(range(count)), remark
    assert set(frames.timeouts) == {None}, "a file is never given up on"


def test_a_live_batch_goes_when_its_time_is_up() -> None:
    frames = Frames(7, is_live=True, pauses={3: 9.0})
    made = batch(frames, BatchSettings(size=4, wait_seconds=0.05))
    assert [f.index for f in next(made)] == [0, 1, 2], "the fourth is late, so three go"
    assert [f.index for f in next(made)] == [3, 4, 5, 6]
    assert frames.timeouts[0] is None, "the first frame of a batch is waited for as long as it takes"
    assert all(t is not None and t <= 0.05 for t in frames.timeouts[1:4])


def test_a_live_batch_waits_once_not_once_a_frame() -> None:
    frames = Frames(3, is_live=True)
    take = frames.take

    def slow(timeout_seconds: float | None = None) -> Frame | None:
        time.sleep(0.02)
        return take(timeout_seconds)

    frames.take = slow  # type: ignore[method-assign]
    next(batch(frames, BatchSettings(size=3, wait_seconds=5.0)))
    first, second = frames.timeouts[1:]
    assert first is not None
    assert second is not None
    assert second <= first - 0.02


@pytest.mark.parametrize("wrong", [{"size": 0}, {"wait_seconds": -0.1}])
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        BatchSettings(**wrong)  # type: ignore[arg-type]
