"""What is written down: the types of `events.jsonl`, their schema and how they are rounded.

Events hold what was seen and said, nothing of the run: no wall clock, no path, no random id; so the same file gives
the same bytes. A live stream never comes again: its events tell the world's time too. `docs/events.md` describes every
field. It knows nothing of tracks, sinks or files.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal

from pipeline.road.catalogue import SpeedUnit
from streams.gap import Reason, WallClock

SCHEMA = 1
"""Goes up where a field is renamed, removed or changes its meaning. A new field or type leaves it as it is."""

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels of the frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Timed:
    """What may happen in a live stream. Of files, all three are left out of what is written.

    at: UTC of `start_seconds`, or of `pts_seconds`
    clock_method: how that is known, see `streams.gap.WallClock`; None of a file
    clock_error_seconds: how far it may be off, None if unknown
    """

    at: str | None = None
    clock_method: str | None = None
    clock_error_seconds: float | None = None


_WALL = tuple(field.name for field in fields(_Timed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen(_Timed):
    """A sign's finished, confirmed track.

    `track` numbers the tracks of one stream from 1. `start_seconds` and `end_seconds` are the PTS of its first and
    last detection. `score` is settled over the track's life, 0 to 1. The best box is the one that the most can be
    read from: the largest with a good score.
    """

    stream: str
    track: int
    class_id: int
    label: str
    start_seconds: float
    end_seconds: float
    score: float
    best_xyxy: Box
    best_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting(_Seen):
    """One of the signs that the catalogue knows, with its language-free meaning."""

    type: ClassVar[str] = "sighting"
    meaning: str
    value: int | None
    unit: SpeedUnit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherSign(_Seen):
    """A sign that is none of those the catalogue knows."""

    type: ClassVar[str] = "other_sign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement(_Timed):
    """What the driver is told: once a sign, at `pts_seconds`, in `lang` (a BCP-47 tag).

    `grade` says how far the words can be trusted: official, reviewed or draft. `passes_in_seconds` is the time until
    the sign passes as it was estimated then (the earliest that is likely); None where the sign has passed already.
    """

    type: ClassVar[str] = "announcement"
    stream: str
    pts_seconds: float
    text: str
    lang: str
    grade: str
    meaning: str
    value: int | None
    unit: SpeedUnit | None
    track: int
    class_id: int
    label: str
    passes_in_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChange(_Timed):
    """The speed limit in force from `pts_seconds` on. Before the first of these it is unknown.

    state: `set` (value and unit say it), `ended` (a sign ended it: the road's general limit, which no sign tells),
    or `unknown`
    reason: `sign`, `end_sign`, `end_all_sign`, `contradiction` (the end of another limit than the one in force),
    `expired` (nothing confirmed it for too long) or `gap` (a live stream was not watched: signs may have been missed)
    """

    type: ClassVar[str] = "limit"
    stream: str
    pts_seconds: float
    state: Literal["set", "ended", "unknown"]
    value: int | None
    unit: SpeedUnit | None
    reason: Literal["sign", "end_sign", "end_all_sign", "contradiction", "expired", "gap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GapEvent(_Timed):
    """A time in which a live stream was not watched; told when it begins and when it is over. Fields as in
    `streams.gap.Gap`.
    """

    type: ClassVar[str] = "gap"
    stream: str
    reason: Reason
    start_seconds: float
    end_seconds: float | None
    lost_seconds: float
    attempts: int
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Impression:
    """One unbroken exposure of a brand, by the rules of one profile; `docs/accounts.md` says how each number is made.

    id: the same for the same stream, media, brand, start and run
    start_pts, end_pts: ticks of `time_base` since the stream's first frame; the end is that of the last frame
    on_screen_seconds: the sum of frames' durations; two placements at once are one second
    bridged_seconds: of frames between, in which the brand was not found
    start_at, end_at: UTC, None where nothing tells; clock_error_seconds: how far they may be off, None if unknown
    mean_share, peak_share: of the picture, all placements together, 0 to 1
    position: cell of a 3x3 grid, 1 to 9 row by row, in which most of the time is; position_shares: of all nine
    placements_mean, placements_peak: placements of the brand at once; other_brands_mean: other brands at once
    solus_seconds: of frames in which no other brand was seen
    sharpness, contrast: means, units in `pipeline/brands/clarity.py`; height_px: median of the boxes
    profile: name and version of the rules; run: whose account it belongs to
    """

    type: ClassVar[str] = "impression"
    stream: str
    id: str
    brand: str
    start_pts: int
    end_pts: int
    time_base: str
    start_seconds: float
    end_seconds: float
    on_screen_seconds: float
    bridged_seconds: float
    start_at: str | None
    end_at: str | None
    clock_method: str
    clock_error_seconds: float | None
    mean_share: float
    peak_share: float
    position: int
    position_shares: tuple[float, ...]
    placements_mean: float
    placements_peak: int
    other_brands_mean: float
    solus_seconds: float
    sharpness: float
    contrast: float
    height_px: int
    score_mean: float
    score_peak: float
    best_xyxy: Box
    best_seconds: float
    closed_by: Literal["left", "cut", "gap", "end", "truncated"]
    profile: str
    run: str


Event = Sighting | OtherSign | Announcement | LimitChange | Impression | GapEvent
EVENTS: tuple[type[Event], ...] = (Sighting, OtherSign, Announcement, LimitChange, Impression, GapEvent)


def timed(event: Event, clock: WallClock | None) -> Event:
    """Return an event of a live stream with the world's time; one of a file, which has no such clock, as it is."""
    if isinstance(event, Impression):  # which knows its time by the rules of its account
        return event
    if clock is None:
        if not isinstance(event, GapEvent):
            return event
        # No frame has come yet that could tell: it is known only when the gap was heard of.
        return replace(event, at=utc(datetime.now(UTC) - timedelta(seconds=event.lost_seconds)), clock_method="arrival")
    seconds = event.start_seconds if isinstance(event, Sighting | OtherSign | GapEvent) else event.pts_seconds
    at = utc(clock.started_at + timedelta(seconds=seconds))
    return replace(event, at=at, clock_method=clock.method, clock_error_seconds=clock.error_seconds)


def utc(moment: datetime) -> str:
    """Return how events write a moment: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def row(event: Event) -> dict[str, object]:
    """Return what is written of an event: its schema and type, then its fields, rounded, always in the same order."""
    names = [field.name for field in fields(event)]
    if isinstance(event, _Timed):
        names = [*names[len(_WALL) :], *(_WALL if event.clock_method is not None else ())]
    values = {name: rounded(name, getattr(event, name)) for name in names}
    return {"schema": SCHEMA, "type": event.type, **values}


def rounded(name: str, value: object) -> object:
    """Round by what a field is: seconds and scores to 4 digits, shares to 6, boxes to 0.1 px. Others pass through."""
    digits = 1 if name.endswith("xyxy") else 6 if name.endswith(("_share", "_shares")) else 4
    if isinstance(value, tuple):
        return [round(float(item), digits) for item in value]
    if isinstance(value, float):
        return round(value, digits)
    return value
