"""One rising line of time for a stream whose packets may miss, repeat or reset their times. Knows no container."""

from __future__ import annotations

from collections import deque
from statistics import median_low

LONGEST_DISORDER = 16
"""Frames; no codec in use shows a frame more than so many others later than it is stored."""


class MediaClock:
    """Gives each frame its tick, in the order of showing.

    A frame that is behind the one before by a few frames is out of order, and is placed one tick after it. One that is
    further behind means that the stream's clock was reset (files put one after another, a recorder that restarted):
    time goes on from where it was. A step ahead is believed, whatever its size.

    nominal: ticks a frame, for as long as nothing is measured.
    resets: how often the clock was reset.
    """

    def __init__(self, *, nominal: int) -> None:
        self.resets = 0
        self._nominal = max(1, nominal)
        self._offset: int | None = None
        self._last: int | None = None
        self._steps: deque[int] = deque(maxlen=99)

    @property
    def typical_step(self) -> int:
        """Ticks from one frame to the next: the median of the last ones."""
        return median_low(self._steps) if self._steps else self._nominal

    def place(self, pts: int | None) -> int:
        """Return the tick of the next frame, higher than the last one's; None is a frame without a time of its own."""
        if self._last is None:
            self._offset = None if pts is None else 0
            self._last = pts or 0
            return self._last
        tick = self._last + self.typical_step
        if pts is not None:
            if self._offset is None:
                self._offset = tick - pts
            elif self._last - (pts + self._offset) > LONGEST_DISORDER * self.typical_step:
                self._offset = tick - pts
                self.resets += 1
            tick = max(pts + self._offset, self._last + 1)
        self._steps.append(tick - self._last)
        self._last = tick
        return tick
