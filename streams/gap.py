"""What a live stream tells beside its frames: that it is not being watched, how it is, and how its times are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal

Reason = Literal[
    "end",
    "reset",
    "stall",
    "timeout",
    "refused",
    "unreachable",
    "decode",
    "decoder",
    "limit",
    "frozen",
    "black",
    "other",
]
"""Why a live stream was not watched: it ended or was closed (`end`), was cut off (`reset`), fell silent (`stall`), did
not answer (`timeout`), turned the credentials down (`refused`), could not be reached, gave what cannot be decoded,
broke a limit (size, address, protocol), had the process that decodes it alone die or break its bounds (`decoder`), or
showed the same or no picture for long."""

State = Literal["connecting", "live", "frozen", "black", "stalled", "waiting", "refused", "ended"]
"""How a live stream is: `waiting` backs off before it connects again, `refused` does so for longer."""

STATES: tuple[State, ...] = ("connecting", "live", "frozen", "black", "stalled", "waiting", "refused", "ended")


@dataclass(frozen=True, slots=True)
class WallClock:
    """How a stream's times lie in the world's.

    started_at: UTC of `pts_seconds` 0
    method: `container` (creation time of a file), `rtcp` (sender reports), `program_date` (HLS) or `arrival`
    error_seconds: how far it may be off, None if unknown
    """

    started_at: datetime
    method: Literal["container", "rtcp", "program_date", "arrival"]
    error_seconds: float | None = None


_CLOCK_DAYS = 1.0
"""A camera whose clock is further off was never set."""

_RTCP_ERROR_SECONDS = 0.05


def sender_clock(started_at: datetime, *, age_seconds: float) -> WallClock | None:
    """Return the clock by a camera's sender reports; None of one that was never set.

    started_at: what the camera says of `pts_seconds` 0; age_seconds: how long ago that was by the machine's own clock
    """
    off = datetime.now(UTC) - timedelta(seconds=age_seconds) - started_at
    return None if abs(off) > timedelta(days=_CLOCK_DAYS) else WallClock(started_at, "rtcp", _RTCP_ERROR_SECONDS)


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which a live stream was not watched. It is told twice: when it begins, and when frames come again.

    start_seconds: PTS at which the last frame before it ended; 0 where none has come yet
    end_seconds: PTS of the first frame after it, None while it lasts
    lost_seconds: of the world's time, so far; end less start, but before a first frame
    attempts: at connecting again, so far
    message: for a person, one line without secrets
    """

    stream: str
    reason: Reason
    start_seconds: float
    end_seconds: float | None = None
    lost_seconds: float = 0.0
    attempts: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Health:
    """How a live stream is, as of one moment.

    since: `time.monotonic()` at which the state began
    backend, backend_reason: what reads it, and why that one
    last_frame_at: when the last frame was decoded, None if none was
    reason, message: why it is not live, None and "" where it is
    reconnects: so far, by reason
    fps: frames a second, measured of late; None where there were too few
    discontinuities: jumps of the stream's clock, so far
    """

    state: State
    since: float
    backend: str = ""
    last_frame_at: float | None = None
    reason: Reason | None = None
    message: str = ""
    reconnects: Mapping[Reason, int] = field(default_factory=lambda: MappingProxyType({}))
    fps: float | None = None
    wall_clock: WallClock | None = None
    discontinuities: int = 0
    backend_reason: str = ""
