"""One rising line of time for a live stream, over all its connections. Knows no network and no pixels.

Ticks are 1/90000 s and begin with 0 at the first frame ever. While a connection lasts, time is the stream's own clock;
from one connection to the next it is the machine's monotonic clock, so that a gap is as long as it was.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from statistics import median_low

from streams.clock import LONGEST_DISORDER

TICKS = 90_000
TIME_BASE = Fraction(1, TICKS)

_WRAP = 1 << 33
"""Transport streams and RTP count 90 kHz in 33 bits: 26 h 30 min."""

_AHEAD_SECONDS = 1.0
"""A frame that would lie so far after the moment at which it came tells that the clock jumped."""

_HOLE_SECONDS = 1.0
_HOLE_STEPS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """Where a frame lies.

    tick: 1/90000 s, higher than the last one's
    jump_seconds: by how much the stream's clock jumped, 0 where it did not
    is_hole: frames are lacking before it: they were lost on the way, or the clock jumped
    """

    tick: int
    jump_seconds: float = 0.0
    is_hole: bool = False


class Timeline:
    """Gives each frame its tick. Single-threaded.

    The stream's clock is unwrapped first (33 bits, the nearer way round). A frame that is behind the one before by a
    few frames is out of order and is placed one tick after it. One further behind, or one from the future, means that
    the clock was reset: time then goes on by the monotonic clock. A step ahead is believed as long as so much time can
    have passed.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._last_at = 0.0
        self._raw: int | None = None
        self._offset = 0
        self._zero_at = 0.0
        self._steps: deque[int] = deque(maxlen=99)

    @property
    def typical_step(self) -> int:
        """Ticks from one frame to the next: the median of the last ones; 1/25 s until there are any."""
        return median_low(self._steps) if self._steps else TICKS // 25

    @property
    def last(self) -> int | None:
        """Tick of the last frame, None before the first."""
        return self._last

    @property
    def end_seconds(self) -> float:
        """When the last frame ends if the next one is as late as most are; 0 before the first."""
        return 0.0 if self._last is None else (self._last + self.typical_step) / TICKS

    def begin(self) -> None:
        """Take what follows as another connection, whose clock has nothing to do with the last one's."""
        self._raw = None

    def place(self, pts: int, time_base: Fraction, at: float) -> Place:
        """Return the place of the next frame, which came at the monotonic time `at`."""
        raw = round(pts * time_base * TICKS)
        place = self._next(raw, at, is_90_khz=time_base == TIME_BASE)
        is_first = self._last is None or self._raw is None
        if self._last is not None and not is_first and not place.is_hole and raw + self._offset == place.tick:
            # One that is out of order says nothing.
            self._steps.append(place.tick - self._last)
        self._last, self._last_at = place.tick, at
        lag = at - place.tick / TICKS
        self._zero_at = lag if is_first or place.jump_seconds else min(self._zero_at, lag)
        self._raw = raw
        return place

    def _next(self, raw: int, at: float, *, is_90_khz: bool) -> Place:
        if self._last is None:
            self._offset = -raw
            return Place(0)
        passed = max(1, round((at - self._last_at) * TICKS))
        if self._raw is None:
            tick = self._last + passed
            self._offset = tick - raw
            return Place(tick)
        step = raw - self._raw
        if is_90_khz:
            step = (step + _WRAP // 2) % _WRAP - _WRAP // 2
        tick = self._raw + self._offset + step
        self._offset = tick - raw
        behind = self._last - tick
        if behind > LONGEST_DISORDER * self.typical_step or tick / TICKS - (at - self._zero_at) > _AHEAD_SECONDS:
            jump = (tick - self._last) / TICKS
            tick = self._last + max(passed, self.typical_step)
            self._offset = tick - raw
            return Place(tick, jump_seconds=jump, is_hole=True)
        tick = max(tick, self._last + 1)
        is_hole = tick - self._last > max(_HOLE_SECONDS * TICKS, _HOLE_STEPS * self.typical_step)
        return Place(tick, is_hole=is_hole)
