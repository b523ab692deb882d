"""Keeps live streams in time when there is more to do than can be done: spends less on a frame, in a stated order.

Levels, from nothing left out to the most:

    0  all of it
    1  scans twice as far apart; what is tracked is looked at in every frame all the same
    2  scans four times as far apart
    3  scans of a picture 0.7 times as wide: half the work; the smallest signs are found later
    4  scans of a picture half as wide
    5  every second frame of each stream, in turns over the streams
    6  every fourth

Scans are never further apart than `longest_scan_seconds` by this. Beside the levels, a batch takes no more frames than
can be dealt with in time. It goes up quickly, a level each half second, two where the budget is overrun; and down
slowly, after ten calm seconds a level, and after longer ones where that was too early before.

Files never lose a frame or a scan: who asks for a file gets level 0. It knows nothing of pictures, only of times.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OverloadSettings:
    """How late what comes of a live frame may be.

    latency_budget_seconds: from decoding a frame to handing what came of it to the sinks. Goes up: less is left out
        where there is too much to do, and everything comes later
    longest_scan_seconds: scans of a stream are not put further apart than this. Goes up: more streams keep their
        frames, and new signs are found later
    """

    latency_budget_seconds: float = 1.0
    longest_scan_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("latency_budget_seconds", "longest_scan_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Effort:
    """What is spent on a frame. scans: so many times further apart; shrink: how wide the picture is that is scanned, of
    what it would be; keep_every: only every so many-th frame is looked at
    """

    scans: float = 1.0
    shrink: float = 1.0
    keep_every: int = 1


FULL = Effort()
LEVELS = (
    FULL,
    Effort(scans=2.0),
    Effort(scans=4.0),
    Effort(scans=4.0, shrink=0.7),
    Effort(scans=4.0, shrink=0.5),
    Effort(scans=4.0, shrink=0.5, keep_every=2),
    Effort(scans=4.0, shrink=0.5, keep_every=4),
)

_WARM_SECONDS = 2.0  # the first batches compile the networks for their shapes, which says nothing of what follows
_UP_SECONDS = 0.5  # a level has so long to show what it does
_LEAST_FRAMES = 4  # before which nothing can be said
_HIGH = 0.5  # of the budget: from here on the slowest tenth is too slow
_LATE = 0.05  # the share of frames that came too late from which on there is too much to do
_FULL, _SPARE = 0.85, 0.6  # share of the time in which there is something to do: no time left; time to spare
_CALM_SECONDS, _MOST_CALM_SECONDS = 10.0, 120.0  # to go down a level
_LEAST_SCAN_SECONDS = 0.05  # what a scan of every frame is taken for
_BATCH_SHARE = 0.3  # of the budget that a batch may take


class Overload:
    """The controller. Fed from one thread; any thread may ask for `level` and `effort`.

    late: how many live frames were dropped as too late, so far
    clock: the time, in seconds

    live: names of the live streams; all others are files, which it leaves alone
    """

    def __init__(
        self,
        settings: OverloadSettings | None = None,
        *,
        late: Callable[[], int] = lambda: 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.live: set[str] = set()
        self.level = self.highest = 0
        self._settings = settings or OverloadSettings()
        self._late, self._clock = late, clock
        self._began_at: float | None = None
        self._changed_at = 0.0
        self._calm = _CALM_SECONDS
        self._calm_since: float | None = None
        self._latencies: list[float] = []
        self._late_before = 0
        self._looked_at = 0.0
        self._seconds_a_frame = 0.0
        self._busy = self._idle = 0.0

    def effort_of(self, stream: str) -> Effort:
        """What to spend on a frame of a stream now."""
        return LEVELS[self.level] if stream in self.live else FULL

    def scan_seconds(self, stream: str, usual: float) -> float:
        """Return how far apart a stream's scans are to be."""
        effort = self.effort_of(stream)
        if effort.scans == 1:
            return usual
        apart = max(usual, _LEAST_SCAN_SECONDS) * effort.scans
        return max(usual, min(apart, self._settings.longest_scan_seconds))

    def most_frames(self) -> int:
        """Return how many frames can be dealt with in time, 1 or more; 1 where nothing is known yet."""
        if not self._seconds_a_frame:
            return 1
        return max(1, int(_BATCH_SHARE * self._settings.latency_budget_seconds / self._seconds_a_frame))

    def batch(self, frames: int, seconds: float, waited_seconds: float = 0.0) -> None:
        """A batch with so many frames took so long, after so long a wait for frames. A slow one counts more."""
        self._busy += seconds
        self._idle += waited_seconds
        if frames:
            new, known = seconds / frames, self._seconds_a_frame
            self._seconds_a_frame += (new - known) * (0.5 if new > known else 0.1) if known else new

    def frame(self, stream: str, seconds: float) -> None:
        """A frame took so long, from its decoding until it was dealt with. Settles the level."""
        if stream not in self.live:
            return
        now = self._clock()
        if self._began_at is None:
            self._began_at = self._looked_at = self._changed_at = now
        if now - self._began_at < _WARM_SECONDS:
            self._late_before, self._looked_at = self._late(), now
            self._busy = self._idle = 0.0
            return
        if seconds > now - self._changed_at:  # it was decoded before the level changed
            return
        self._latencies.append(seconds)
        if now - self._looked_at >= _UP_SECONDS and len(self._latencies) >= _LEAST_FRAMES:
            self._look(now)

    def _look(self, now: float) -> None:
        """Judge what came since the last look."""
        late, budget = self._late(), self._settings.latency_budget_seconds
        slow = sorted(self._latencies)[int(0.9 * len(self._latencies))]
        dropped = late - self._late_before
        share = dropped / (dropped + len(self._latencies))
        passed = self._busy + self._idle
        busy = self._busy / passed if passed else 1.0
        self._late_before, self._looked_at = late, now
        self._busy = self._idle = 0.0
        self._latencies.clear()
        # A camera that is connected to sends a burst, of which most is dropped: that is not too much to do.
        if busy > _FULL and (slow > _HIGH * budget or share > _LATE):
            self._calm_since = None
            self._up(now, 2 if slow > budget or share > 0.5 else 1)
        elif busy > _SPARE or slow > _HIGH * budget:
            self._calm_since = None
        else:
            self._calm_since = now if self._calm_since is None else self._calm_since
            if self.level and now - self._calm_since >= self._calm:
                self.level -= 1
                self._changed_at = self._calm_since = now

    def _up(self, now: float, levels: int) -> None:
        if self.level == len(LEVELS) - 1:
            return
        # Too much again soon after a step down: that was too early.
        was_early = 0 < now - self._changed_at < self._calm and self.level < self.highest
        self._calm = min(2 * self._calm, _MOST_CALM_SECONDS) if was_early else _CALM_SECONDS
        self.level = min(self.level + levels, len(LEVELS) - 1)
        self.highest = max(self.highest, self.level)
        self._changed_at = now
