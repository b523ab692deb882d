"""What was seen of brands in a run of frames, as columns of integers: what is stored, and what impressions are made of.

Live and recounted impressions are computed from the very same integers, so they can be compared byte by byte. Times are
ticks of the stream's time base. It knows nothing of brands' names, of exposure rules or of files.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streams.frame import Frame

CUT, JUMP, SCANNED = 1, 2, 4
"""Flags of a frame. CUT: another shot begins with it. JUMP: time or the picture's size jumped before it: nothing is
bridged there. SCANNED: it was looked through in full, not only where brands were known to be."""

PX = 10
"""Boxes are stored in tenths of a pixel."""
SCORE = 10_000
"""Scores are stored in ten-thousandths."""

_FRAME_COLUMNS = {"index": "<i8", "pts": "<i8", "duration": "<i8", "sampled": "<i8", "flags": "u1"}
_ROW_COLUMNS = {
    "frame_row": "<i4",
    "brand": "<i2",
    "track": "<i4",
    "x1": "<i4",
    "y1": "<i4",
    "x2": "<i4",
    "y2": "<i4",
    "score": "<u2",
    "sharpness": "<u2",
    "contrast": "<u2",
    "is_bridged": "u1",
}
_DELTAS = {"index", "pts", "frame_row"}
_MAGIC = b"WSO1"
_HEADER = struct.Struct("<4sqqiiqq")


@dataclass(frozen=True, slots=True, eq=False)
class Observations:
    """A run of frames of one stream and one picture size, any number of them; the arrays are read-only.

    time_base: seconds a tick; size_wh: pixels of the pictures

    Columns of frames, all (F,):
    index: as `Frame.index`; pts: ticks since the stream's first frame, rising
    duration: ticks for which the frame stands, never beyond the next pts
    sampled: the part of `duration` in which frames were passed over by choice
    flags: CUT, JUMP, SCANNED

    Columns of detections, all (N,), in the order of frames:
    frame_row: place of its frame in the columns above; brand: place of the brand in the account's list; track: its id
    x1, y1, x2, y2: tenths of a pixel; score: ten-thousandths; sharpness, contrast: as `clarity.py` says
    is_bridged: the tracker held it to be there, and it was not found: it is told, and counts as not seen

    Raises ValueError where the columns do not fit together.
    """

    time_base: Fraction
    size_wh: tuple[int, int]
    index: NDArray[np.int64]
    pts: NDArray[np.int64]
    duration: NDArray[np.int64]
    sampled: NDArray[np.int64]
    flags: NDArray[np.uint8]
    frame_row: NDArray[np.int32]
    brand: NDArray[np.int16]
    track: NDArray[np.int32]
    x1: NDArray[np.int32]
    y1: NDArray[np.int32]
    x2: NDArray[np.int32]
    y2: NDArray[np.int32]
    score: NDArray[np.uint16]
    sharpness: NDArray[np.uint16]
    contrast: NDArray[np.uint16]
    is_bridged: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for columns in (_FRAME_COLUMNS, _ROW_COLUMNS):
            length = len(getattr(self, next(iter(columns))))
            for name, kind in columns.items():
                column = getattr(self, name)
                if column.dtype != np.dtype(kind) or column.shape != (length,):
                    raise ValueError(f"{name} must be {np.dtype(kind)} ({length},), got {column.dtype} {column.shape}")
                column.flags.writeable = False
        if self.time_base <= 0 or min(self.size_wh) < 1:
            raise ValueError(f"time_base and size_wh must be positive, got {self.time_base} and {self.size_wh}")
        if len(self.pts) and (self.duration.min() < 0 or np.any(self.pts[1:] < (self.pts + self.duration)[:-1])):
            raise ValueError("pts must rise, and no frame last beyond the next")
        if np.any(self.pts[1:] == self.pts[:-1]):
            raise ValueError("pts must rise")
        rows = self.frame_row
        if len(rows) and (rows[0] < 0 or rows[-1] >= len(self.pts) or np.any(rows[1:] < rows[:-1])):
            raise ValueError(f"frame_row must rise and lie in 0 to {len(self.pts) - 1}")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.pts)

    @property
    def end_pts(self) -> int:
        """Return when the last frame ends, ticks; of no frames there is no end: ValueError."""
        if not len(self):
            raise ValueError("no frames, no end")
        return int(self.pts[-1] + self.duration[-1])

    def part(self, start: int, stop: int) -> Observations:
        """Return the frames `start` to `stop` (as in a slice, not negative) and what was seen in them."""
        low, high = np.searchsorted(self.frame_row, [start, stop])
        changed: dict[str, Any] = {name: getattr(self, name)[start:stop] for name in _FRAME_COLUMNS}
        changed |= {name: getattr(self, name)[low:high] for name in _ROW_COLUMNS}
        return replace(self, **{**changed, "frame_row": changed["frame_row"] - np.int32(start)})

    def is_same(self, other: Observations) -> bool:
        """Say whether both tell the very same."""
        return (self.time_base, self.size_wh) == (other.time_base, other.size_wh) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in (*_FRAME_COLUMNS, *_ROW_COLUMNS)
        )

    @classmethod
    def concat(cls, parts: Sequence[Observations]) -> Observations:
        """Join runs that follow one another, one or more; ValueError where their sizes or time bases differ."""
        first = parts[0]
        if any((part.time_base, part.size_wh) != (first.time_base, first.size_wh) for part in parts):
            raise ValueError("runs of another picture size or time base cannot be joined")
        if len(parts) == 1:
            return first
        offsets = np.cumsum([0, *(len(part) for part in parts[:-1])])
        changed: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in (*_FRAME_COLUMNS, *_ROW_COLUMNS)
        }
        rows = [part.frame_row + np.int32(offset) for part, offset in zip(parts, offsets, strict=True)]
        return replace(first, **{**changed, "frame_row": np.concatenate(rows)})

    def to_bytes(self) -> bytes:
        """Return it compressed: a header, then each column with the like bytes of its numbers together, by zlib."""
        tick, (width, height) = self.time_base, self.size_wh
        counts = len(self.pts), len(self.frame_row)
        parts = [_HEADER.pack(_MAGIC, tick.numerator, tick.denominator, width, height, *counts)]
        for name, kind in {**_FRAME_COLUMNS, **_ROW_COLUMNS}.items():
            column = getattr(self, name)
            if name in _DELTAS:
                column = np.diff(column, prepend=column.dtype.type(0))
            column = np.ascontiguousarray(column, kind)
            parts.append(column.view(np.uint8).reshape(-1, column.itemsize).T.tobytes())
        return zlib.compress(b"".join(parts), 6)

    @classmethod
    def from_bytes(cls, data: bytes) -> Observations:
        """Read what `to_bytes` wrote; ValueError where it is anything else."""
        try:
            plain = zlib.decompress(data)
            magic, numerator, denominator, width, height, frames, rows = _HEADER.unpack_from(plain)
            if magic != _MAGIC or min(frames, rows) < 0:
                raise ValueError("no block of observations")
            offset, columns = _HEADER.size, {}
            for kinds, length in ((_FRAME_COLUMNS, frames), (_ROW_COLUMNS, rows)):
                for name, kind in kinds.items():
                    size = np.dtype(kind).itemsize
                    shuffled = np.frombuffer(plain, np.uint8, length * size, offset).reshape(size, length)
                    column = np.ascontiguousarray(shuffled.T).reshape(-1).view(kind)
                    columns[name] = np.cumsum(column, dtype=kind) if name in _DELTAS else column
                    offset += length * size
            if offset != len(plain):
                raise ValueError(f"{len(plain) - offset} bytes too many")
            return cls(Fraction(numerator, denominator), (width, height), **columns)
        except (zlib.error, struct.error, ZeroDivisionError) as error:
            raise ValueError(f"no block of observations: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One placement of a brand in a frame.

    brand: place in the account's list of brands; track: id; xyxy: pixels; score: 0 to 1, of this frame's detection, or
    the track's where `is_bridged`; sharpness, contrast: of `clarity.clarity`
    """

    brand: int
    track: int
    xyxy: tuple[float, float, float, float]
    score: float
    sharpness: int = 0
    contrast: int = 0
    is_bridged: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """What is kept of a frame that waits to be counted: all but its pixels; fields as in `Frame`."""

    index: int
    pts_seconds: float
    duration_seconds: float
    size_wh: tuple[int, int]


class ObservationsBuilder:
    """Makes observations of the frames of one stream, fed in order: `add` each, `rest` in the end.

    It hands out what it has once a second of video, and where the picture's size changes; the last frame waits for the
    next one, to know how long it stands.

    time_base: seconds a tick in the account, whose pts count from the stream's first frame, as `Frame.pts_seconds`
    sample_every: only every so many-th frame is looked at by choice; it then stands also for those passed over after it
    longest_frame_seconds: a frame that is said to last longer stands before a gap, and counts as long as the one before
        it. Goes up: pictures that stand still in sparse video count in full, and so does the frame before a gap
    gap_seconds: missing time from which what follows is another scene (JUMP). Goes up: dropped frames break fewer
        exposures
    """

    def __init__(
        self,
        time_base: Fraction,
        *,
        sample_every: int = 1,
        longest_frame_seconds: float = 1.0,
        gap_seconds: float = 0.5,
    ) -> None:
        self._time_base = time_base
        self._sample_every = sample_every
        self._longest = int(Fraction(str(longest_frame_seconds)) / time_base)
        self._gap = int(Fraction(str(gap_seconds)) / time_base)
        self._held: _Held | None = None
        self._last_duration = self._longest
        self._done: list[_Held] = []

    def add(
        self,
        frame: Frame | Moment,
        rows: Sequence[Row],
        *,
        is_cut: bool = False,
        is_jump: bool = False,
        was_scanned: bool = True,
    ) -> Observations | None:
        """Take a frame and what was seen in it; return the frames before it where a second of video is full.

        is_cut: another shot begins with it; is_jump: the stream's clock was reset before it (a jump ahead is seen here)
        """
        pts = self._ticks(Fraction(frame.pts_seconds))
        duration = self._ticks(Fraction(frame.duration_seconds))
        flags = CUT * is_cut | JUMP * is_jump | SCANNED * was_scanned
        new = _Held(frame.index, pts, duration, flags, frame.size_wh, rows)
        ready = None
        if self._held is not None:
            if pts <= self._held.pts:
                raise ValueError(f"pts must rise, got {pts} after {self._held.pts}")
            self._settle(self._held, new)
            is_full = self._second(pts) != self._second(self._done[0].pts)
            if is_full or new.size_wh != self._done[0].size_wh:
                ready = self._taken()
        self._held = new
        return ready

    def rest(self) -> Observations | None:
        """Return what was not handed out yet; None where there is nothing."""
        if self._held is not None:
            self._settle(self._held, None)
            self._held = None
        return self._taken() if self._done else None

    def _settle(self, held: _Held, new: _Held | None) -> None:
        """Decide how long a frame stands, now that the next one is known (None: it is the last)."""
        if held.duration > self._longest:
            held.duration = self._last_duration
        self._last_duration = held.duration
        if new is not None:
            hole = new.pts - held.pts - held.duration
            if hole > 0 and new.index > held.index + 1:
                held.sampled = min(hole, held.duration * (self._sample_every - 1))
                hole -= held.sampled
            held.duration = min(held.duration + held.sampled, new.pts - held.pts)
            if hole > self._gap or new.size_wh != held.size_wh:
                new.flags |= JUMP
        self._done.append(held)

    def _taken(self) -> Observations:
        done, self._done = self._done, []
        return _observations(done, self._time_base)

    def _ticks(self, seconds: Fraction) -> int:
        return round(seconds / self._time_base)

    def _second(self, pts: int) -> int:
        return pts * self._time_base.numerator // self._time_base.denominator


@dataclass(slots=True)
class _Held:
    """A frame that was added; its numbers may still change."""

    index: int
    pts: int
    duration: int
    flags: int
    size_wh: tuple[int, int]
    rows: Sequence[Row]
    sampled: int = 0


def _observations(frames: Sequence[_Held], time_base: Fraction) -> Observations:
    rows = [(number, row) for number, frame in enumerate(frames) for row in frame.rows]
    boxes = np.array([row.xyxy for _, row in rows], np.float64).reshape(-1, 4)
    tenths = np.round(boxes * PX).astype(np.int32).T
    edges: dict[str, Any] = {name: edge.copy() for name, edge in zip(("x1", "y1", "x2", "y2"), tenths, strict=True)}

    def of_frames(name: str) -> Any:
        return np.array([getattr(frame, name) for frame in frames], _FRAME_COLUMNS[name])

    def of_rows(name: str, scale: int = 1, most: int | None = None) -> Any:
        values = np.round(np.array([getattr(row, name) for _, row in rows], np.float64) * scale)
        return np.clip(values, 0, most).astype(_ROW_COLUMNS[name])

    return Observations(
        time_base,
        frames[0].size_wh,
        **{name: of_frames(name) for name in _FRAME_COLUMNS},
        frame_row=np.array([number for number, _ in rows], np.int32),
        brand=of_rows("brand"),
        track=of_rows("track"),
        **edges,
        score=of_rows("score", SCORE, SCORE),
        sharpness=of_rows("sharpness", 1, 0xFFFF),
        contrast=of_rows("contrast", 1, 0xFFFF),
        is_bridged=of_rows("is_bridged"),
    )


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of a stream was looked at, in ticks: without it, "no exposure" cannot be told from "not watching".

    frames: looked at; watched: their time; sampled: time passed over by choice, for which a frame beside it stands;
    scanned: the part of `watched` whose frames were looked through in full; lost: time that no frame stands for
    cuts, jumps: how often the shot changed, and how often time or size jumped; start_pts, end_pts: of all this
    """

    frames: int = 0
    watched: int = 0
    sampled: int = 0
    scanned: int = 0
    lost: int = 0
    cuts: int = 0
    jumps: int = 0
    start_pts: int | None = None
    end_pts: int | None = None

    def plus(self, observations: Observations) -> Coverage:
        """Return it with what follows; the same however that is cut in pieces."""
        if not len(observations):
            return self
        o = observations
        looked = o.duration - o.sampled
        end = int(o.pts[0]) if self.end_pts is None else self.end_pts
        span = o.end_pts - end
        return Coverage(
            frames=self.frames + len(o),
            watched=self.watched + int(looked.sum()),
            sampled=self.sampled + int(o.sampled.sum()),
            scanned=self.scanned + int(looked[o.flags & SCANNED != 0].sum()),
            lost=self.lost + span - int(o.duration.sum()),
            cuts=self.cuts + int(np.count_nonzero(o.flags & CUT)),
            jumps=self.jumps + int(np.count_nonzero(o.flags & JUMP)),
            start_pts=int(o.pts[0]) if self.start_pts is None else self.start_pts,
            end_pts=o.end_pts,
        )

    def to_table(self, time_base: Fraction) -> dict[str, float | int | None]:
        """Return it in seconds, as reports show it."""

        def seconds(ticks: int) -> float:
            return round(ticks * time_base.numerator / time_base.denominator, 4)

        return {
            "frames": self.frames,
            "watched_seconds": seconds(self.watched),
            "sampled_seconds": seconds(self.sampled),
            "lost_seconds": seconds(self.lost),
            "scanned_seconds": seconds(self.scanned),
            "cuts": self.cuts,
            "jumps": self.jumps,
            "start_pts": self.start_pts,
            "end_pts": self.end_pts,
        }
