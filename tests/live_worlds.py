"""Live streams of little worlds: a source that tells of gaps between its frames, as a real one does, on command."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction

from streams.frame import Frame, StreamInfo
from streams.gap import Gap, Health, Reason, State, WallClock
from tests.worlds import FPS, Sign, frame, picture

STARTED_AT = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
CLOCK = WallClock(STARTED_AT, "rtcp", 0.05)

Step = Frame | Gap | float | Callable[[], None]
"""What a source does next: give something, wait for so many seconds, or anything else."""


class LiveWorld:
    """Plays steps as a live source: `items`, `health` and `close` as `prefetch.Survivor` has them.

    is_stuck: `close` does not end it: it hangs in a read that never returns
    """

    corrupt_packets = 0
    resolution_changes = 0
    is_truncated = False

    def __init__(
        self, name: str, steps: Sequence[Step] | Iterator[Step] = (), *, ends: bool = False, is_stuck: bool = False
    ) -> None:
        self.info = StreamInfo(name, None, None, Fraction(1, FPS), True, None, None)
        self.state: State = "connecting"
        self.reconnects: dict[Reason, int] = {}
        self.last_frame_at: float | None = None
        self.closed = threading.Event()
        self.closed_by: list[str] = []
        self._steps, self._ends, self._is_stuck = steps, ends, is_stuck
        self._never = threading.Event()
        self.is_done = False

    def items(self) -> Iterator[Frame | Gap]:
        for step in self._steps:
            if self.closed.is_set():
                return
            if isinstance(step, Frame):
                self.state, self.last_frame_at = "live", time.monotonic()
                yield replace(step, received_at=time.monotonic())
            elif isinstance(step, Gap):
                self.state = "waiting" if step.end_seconds is None else "live"
                yield step
            elif isinstance(step, float):
                self.closed.wait(step)
            else:
                step()
        self.is_done = True
        if self._is_stuck:
            self._never.wait()
        if not self._ends:
            self.closed.wait()

    def __iter__(self) -> Iterator[Frame]:
        return (item for item in self.items() if isinstance(item, Frame))

    def health(self) -> Health:
        return Health(
            self.state,
            time.monotonic(),
            "fake",
            self.last_frame_at,
            "stall" if self.state == "waiting" else None,
            "fell silent" if self.state == "waiting" else "",
            dict(self.reconnects),
            float(FPS),
            CLOCK,
        )

    def close(self) -> None:
        self.closed_by.append(threading.current_thread().name)
        self.closed.set()

    def release(self) -> None:
        """Let a stuck one go, in the end of a test."""
        self._never.set()


def frames(
    name: str, signs: Sequence[Sign], seconds: Sequence[float], *, first: int = 0, pts: int = 0, world: float = 0.0
) -> list[Frame]:
    """Return the frames from `seconds[0]` to before `seconds[1]` of a world.

    first: index; pts: of the first one, in the stream's time; world: seconds that the world is ahead of `seconds`
    """
    count = round((seconds[1] - seconds[0]) * FPS)
    return [
        replace(
            frame(picture(signs, seconds[0] + world + i / FPS), index=first + i, stream=name, pts=pts + i),
            wall_clock=CLOCK,
        )
        for i in range(count)
    ]


def gap(
    name: str, start: float, end: float | None = None, *, reason: Reason = "stall", lost: float | None = None
) -> Gap:
    passed = 0.0 if end is None else end - start
    return Gap(name, reason, start, end, passed if lost is None else lost, 0 if end is None else 2, "fell silent")
