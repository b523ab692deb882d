"""Observations -> impressions: a pure fold, exact in integers, and the same however the frames are cut in pieces.

An impression is one unbroken exposure of a brand: the frames in which at least one placement of it fulfils the
profile, with gaps bridged as the profile says. Two placements at once are one second, not two. All sums are integers
(ticks, tenths of a pixel, millionths of the picture) until the impression is made; what is divided is divided once.
`docs/accounts.md` says how each number is made. It knows nothing of files, pictures or detectors.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.brands.observation import CUT, JUMP, PX, SCORE, Observations
from pipeline.brands.profiles import Profile
from pipeline.events import Impression, utc

ClosedBy = Literal["left", "cut", "gap", "end", "truncated"]

_MILLION = 1_000_000
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:wayside:impression")
_MOST_TICKS = 2**62 // _MILLION
"""Ticks that may be weighed at once without leaving 64 bits."""


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of the stream's wall time.

    started_at: UTC of its first frame, None if unknown; method: how that is known, as `container`, or `none`;
    error_seconds: how far it may be off, None where nobody knows
    """

    started_at: datetime | None = None
    method: str = "none"
    error_seconds: float | None = None


class Impressions:
    """Folds one stream's observations, fed in order: `update` each piece, `finish` in the end.

    Impressions come in the order in which it is known that they are over; of one frame, in the order of the brands.

    profile: the rules; brands: names, by the observations' `brand`; stream, media, run: whose account it is, they go
    into the ids; clock: from it the wall times

    Raises ValueError where the observations do not follow one another.
    """

    def __init__(
        self,
        profile: Profile,
        brands: Sequence[str],
        *,
        time_base: Fraction,
        stream: str,
        media: str = "",
        run: str = "",
        clock: Clock | None = None,
    ) -> None:
        self._profile = profile
        self._brands = tuple(brands)
        self._time_base = time_base
        self._stream = stream
        self._media = media
        self._run = run
        self._clock = clock or Clock()
        self._bridge = int(_exact(profile.bridge_seconds) / time_base)
        self._least = ceil(_exact(profile.min_seconds) / time_base)
        self._lives: dict[int, _Life] = {}
        self._watched = 0  # ticks of all frames so far
        self._end_pts: int | None = None

    def update(self, observations: Observations) -> list[Impression]:
        """Take the frames that follow, and return the impressions that are over by them."""
        o = observations
        if o.time_base != self._time_base:
            raise ValueError(f"the time base must be {self._time_base}, got {o.time_base}")
        if not len(o):
            return []
        if self._end_pts is not None and o.pts[0] < self._end_pts:
            raise ValueError(f"pts must rise, got {o.pts[0]} after {self._end_pts}")
        if len(o.brand) and not 0 <= o.brand.min() <= o.brand.max() < len(self._brands):
            raise ValueError(f"brand must be 0 to {len(self._brands) - 1}, got {o.brand.min()} to {o.brand.max()}")
        if int(o.duration.sum()) > _MOST_TICKS and len(o) > 1:
            half = len(o) // 2
            return [*self.update(o.part(0, half)), *self.update(o.part(half, len(o)))]
        closed = self._fold(o)
        self._watched += int(o.duration.sum())
        self._end_pts = o.end_pts
        return self._made(closed)

    def open(self) -> list[Impression]:
        """Return those that are on screen now, as if the stream broke off here."""
        return self._made((0, life, "truncated") for life in self._lives.values())

    def finish(self, closed_by: Literal["end", "truncated", "gap"] = "end") -> list[Impression]:
        """Close what is open, and return it; after a gap more may follow.

        truncated: the stream was not watched to its end; gap: it was not watched before its end, or before more follows
        """
        lives, self._lives = self._lives, {}
        return self._made((0, life, closed_by) for life in lives.values())

    def _fold(self, o: Observations) -> list[tuple[int, _Life, ClosedBy]]:
        """Bring the lives up to the end of a piece; return those that are over, with the frame that tells it."""
        ends = o.pts + o.duration
        is_cut, is_jump = o.flags & CUT != 0, o.flags & JUMP != 0
        barriers = np.flatnonzero(is_cut | is_jump)
        closed: list[tuple[int, _Life, ClosedBy]] = []

        def over(life: _Life, last: int) -> bool:
            """Close a life that is not seen after frame `last`, if a frame after that tells that it is over."""
            barrier = int(barriers.searchsorted(last, "right"))
            at_barrier = int(barriers[barrier]) if barrier < len(barriers) else len(o)
            too_late = int(o.pts.searchsorted(life.end + self._bridge, "right"))
            at = min(at_barrier, too_late)
            if at == len(o):
                return False
            closed.append((at, life, "left" if at < at_barrier else "gap" if is_jump[at] else "cut"))
            return True

        seen: set[int] = set()
        last_frames: dict[int, int] = {}
        for first, last, life in self._runs(o, ends, barriers):
            brand = life.brand
            before = self._lives.get(brand)
            if before is not None:
                if brand not in seen and self._goes_on(before, life, first, barriers):
                    before.join(life)
                    life = before
                elif not over(before, last_frames.get(brand, -1)):  # pragma: no cover
                    raise AssertionError("a life is over before the next begins")
            seen.add(brand)
            self._lives[brand], last_frames[brand] = life, last
        for brand, life in list(self._lives.items()):
            if over(life, last_frames.get(brand, -1)):
                del self._lives[brand]
        return closed

    def _goes_on(self, before: _Life, life: _Life, first: int, barriers: NDArray[np.int64]) -> bool:
        """Say whether the first run of a piece goes on with the life that was open before it."""
        return life.start - before.end <= self._bridge and (not len(barriers) or int(barriers[0]) > first)

    def _runs(
        self, o: Observations, ends: NDArray[np.int64], barriers: NDArray[np.int64]
    ) -> Iterable[tuple[int, int, _Life]]:
        """Yield first frame, last frame and sums of every unbroken run of a brand, brand by brand, in time's order."""
        width, height = o.size_wh[0] * PX, o.size_wh[1] * PX
        x1, x2 = np.clip(o.x1, 0, width).astype(np.int64), np.clip(o.x2, 0, width).astype(np.int64)
        y1, y2 = np.clip(o.y1, 0, height).astype(np.int64), np.clip(o.y2, 0, height).astype(np.int64)
        area = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
        share = area * _MILLION // (width * height)
        rows = np.flatnonzero(self._counts(o, share, y2 - y1))
        if not len(rows):
            return
        # A stable sort of 16 bits is a radix sort, and rows are in the order of frames already.
        rows = rows[np.argsort(o.brand[rows], kind="stable")]
        brand, frame = o.brand[rows].astype(np.int64), o.frame_row[rows].astype(np.int64)
        # Cells: one brand in one frame, however many placements.
        cells = np.flatnonzero(_changes(brand) | _changes(frame))
        cell_brand, cell_frame = brand[cells], frame[cells]
        placements = np.diff(cells, append=len(rows))
        others = np.bincount(cell_frame, minlength=len(o))[cell_frame] - 1
        ticks = o.duration[cell_frame]
        shares = np.minimum(np.add.reduceat(share[rows], cells), _MILLION)
        # Runs: cells of one brand without a barrier or too long a gap between.
        scene = np.searchsorted(barriers, cell_frame, "right")
        gap = o.pts[cell_frame][1:] - ends[cell_frame][:-1]
        runs = np.flatnonzero(_changes(cell_brand) | _changes(scene) | np.concatenate([[True], gap > self._bridge]))
        run_rows = cells[runs]  # the first row of every run
        last_cells = np.append(runs[1:], len(cells)) - 1
        position = _cells_of_nine(x1[rows] + x2[rows], y1[rows] + y2[rows], width, height)
        weight = o.duration[frame]
        number = np.repeat(np.arange(len(runs)), np.diff(run_rows, append=len(rows)))
        nine = np.zeros((len(runs), 9), np.int64)
        np.add.at(nine, (number, position), weight)
        score = o.score[rows].astype(np.int64)
        quality = area[rows] * score * (o.sharpness[rows].astype(np.int64) + 1)
        best = _first_of_most(quality, run_rows, number)
        watched = self._watched + np.cumsum(o.duration) - o.duration
        heights = _histograms((y2 - y1)[rows] // PX, weight, number, len(runs))
        columns = zip(
            cell_frame[runs].tolist(),
            cell_frame[last_cells].tolist(),
            cell_brand[runs].tolist(),
            o.pts[cell_frame[runs]].tolist(),
            ends[cell_frame[last_cells]].tolist(),
            watched[cell_frame[runs]].tolist(),
            (watched + o.duration)[cell_frame[last_cells]].tolist(),
            np.add.reduceat(ticks, runs).tolist(),
            np.add.reduceat(shares * ticks, runs).tolist(),
            np.maximum.reduceat(shares, runs).tolist(),
            nine.tolist(),
            np.add.reduceat(placements * ticks, runs).tolist(),
            np.maximum.reduceat(placements, runs).tolist(),
            np.add.reduceat(others * ticks, runs).tolist(),
            np.add.reduceat(np.where(others == 0, ticks, 0), runs).tolist(),
            np.add.reduceat(weight, run_rows).tolist(),
            np.add.reduceat(o.sharpness[rows] * weight, run_rows).tolist(),
            np.add.reduceat(o.contrast[rows] * weight, run_rows).tolist(),
            np.add.reduceat(score * weight, run_rows).tolist(),
            np.maximum.reduceat(score, run_rows).tolist(),
            heights,
            quality[best].tolist(),
            np.stack([column[rows[best]] for column in (o.x1, o.y1, o.x2, o.y2)], axis=1).tolist(),
            o.pts[frame[best]].tolist(),
            strict=True,
        )
        for first, last, *sums in columns:
            yield first, last, _Life(*sums)

    def _counts(self, o: Observations, share: NDArray[np.int64], height: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Say which detections fulfil the profile: what was found, is large enough, and can be read."""
        profile = self._profile
        counts: NDArray[np.bool_] = o.is_bridged == 0
        for column, least in (
            (share, ceil(_exact(profile.min_share) * _MILLION)),
            (height, profile.min_height_px * PX),
            (o.sharpness, profile.min_sharpness),
            (o.contrast, profile.min_contrast),
            (o.score, ceil(_exact(profile.min_score) * SCORE)),
        ):
            if least:
                counts &= column >= least
        return counts

    def _made(self, over: Iterable[tuple[int, _Life, ClosedBy]]) -> list[Impression]:
        """Make impressions of the lives that were on screen for long enough."""
        ordered = sorted(over, key=lambda item: (item[0], item[1].brand))
        return [self._impression(life, why) for _, life, why in ordered if self._on_screen(life) >= self._least]

    def _on_screen(self, life: _Life) -> int:
        return life.watched_to - life.watched_from if self._profile.counts_gaps else life.seen

    def _impression(self, life: _Life, closed_by: ClosedBy) -> Impression:
        brand = self._brands[life.brand]
        key = [self._stream, self._media, brand, str(life.start), self._run]
        placed = sum(life.nine)
        x1, y1, x2, y2 = (edge / PX for edge in life.best_xyxy)
        return Impression(
            stream=self._stream,
            id=str(uuid.uuid5(_NAMESPACE, "\n".join(key))),
            brand=brand,
            start_pts=life.start,
            end_pts=life.end,
            time_base=f"{self._time_base.numerator}/{self._time_base.denominator}",
            start_seconds=self._seconds(life.start),
            end_seconds=self._seconds(life.end),
            on_screen_seconds=self._seconds(self._on_screen(life)),
            bridged_seconds=self._seconds(life.watched_to - life.watched_from - life.seen),
            start_at=self._at(life.start),
            end_at=self._at(life.end),
            clock_method=self._clock.method,
            clock_error_seconds=self._clock.error_seconds,
            mean_share=_ratio(life.share, life.seen * _MILLION),
            peak_share=life.peak_share / _MILLION,
            position=1 + life.nine.index(max(life.nine)),
            position_shares=tuple(_ratio(part, placed) for part in life.nine),
            placements_mean=_ratio(life.placements, life.seen),
            placements_peak=life.most_placements,
            other_brands_mean=_ratio(life.others, life.seen),
            solus_seconds=self._seconds(life.solus),
            sharpness=_ratio(life.sharpness, life.weight),
            contrast=_ratio(life.contrast, life.weight),
            height_px=_median(life.heights),
            score_mean=_ratio(life.score, life.weight * SCORE),
            score_peak=life.peak_score / SCORE,
            best_xyxy=(x1, y1, x2, y2),
            best_seconds=self._seconds(life.best_pts),
            closed_by=closed_by,
            profile=self._profile.label,
            run=self._run,
        )

    def _seconds(self, ticks: int) -> float:
        return ticks * self._time_base.numerator / self._time_base.denominator

    def _at(self, pts: int) -> str | None:
        if self._clock.started_at is None:
            return None
        offset = timedelta(microseconds=round(pts * self._time_base * 1_000_000))
        return utc(self._clock.started_at + offset)


@dataclass(slots=True)
class _Life:
    """What is summed of an exposure: all integers, so that sums do not depend on their order.

    Times are ticks; `watched_*` counts the ticks of frames only, without what was lost between them. `seen` weighs
    frames, `weight` placements (two at once weigh twice).
    """

    brand: int
    start: int
    end: int
    watched_from: int
    watched_to: int
    seen: int
    share: int
    peak_share: int
    nine: list[int]
    placements: int
    most_placements: int
    others: int
    solus: int
    weight: int
    sharpness: int
    contrast: int
    score: int
    peak_score: int
    heights: Counter[int]
    best_quality: int
    best_xyxy: list[int]
    best_pts: int

    def join(self, later: _Life) -> None:
        """Go on with what followed; of equal best boxes the earlier one stays."""
        self.end, self.watched_to = later.end, later.watched_to
        for name in ("seen", "share", "placements", "others", "solus", "weight", "sharpness", "contrast", "score"):
            setattr(self, name, getattr(self, name) + getattr(later, name))
        for name in ("peak_share", "most_placements", "peak_score"):
            setattr(self, name, max(getattr(self, name), getattr(later, name)))
        self.nine = [a + b for a, b in zip(self.nine, later.nine, strict=True)]
        self.heights.update(later.heights)
        if later.best_quality > self.best_quality:
            self.best_quality, self.best_xyxy, self.best_pts = later.best_quality, later.best_xyxy, later.best_pts


def _exact(number: float) -> Fraction:
    """Return the decimal that was written: 0.4 is four tenths, not the nearest binary fraction."""
    return Fraction(str(number))


def _ratio(part: int, whole: int) -> float:
    """Divide, correctly rounded; frames that last no time (a stream of one frame) weigh nothing, and give 0."""
    return part / whole if whole else 0.0


def _changes(column: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say where a column differs from the value before; the first always does."""
    return np.concatenate([[True], column[1:] != column[:-1]])


def _cells_of_nine(x: NDArray[np.int64], y: NDArray[np.int64], width: int, height: int) -> NDArray[np.int64]:
    """Return the cell, 0 to 8 row by row, of centres that are given as sums of two edges."""
    column = np.minimum(x * 3 // (2 * width), 2)
    row = np.minimum(y * 3 // (2 * height), 2)
    return np.asarray(row * 3 + column)


def _first_of_most(value: NDArray[np.int64], starts: NDArray[np.int64], number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return of each run the place of its largest value, the first of several."""
    most = np.maximum.reduceat(value, starts)
    places = np.flatnonzero(value == most[number])
    return places[np.flatnonzero(_changes(number[places]))]


def _histograms(
    height: NDArray[np.int64], weight: NDArray[np.int64], number: NDArray[np.int64], runs: int
) -> list[Counter[int]]:
    """Return of each run the ticks by height in whole pixels."""
    keys = number * 65536 + height
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(_changes(keys))
    ticks = np.add.reduceat(weight[order], starts).tolist()
    found: list[Counter[int]] = [Counter() for _ in range(runs)]
    for key, tick in zip(keys[starts].tolist(), ticks, strict=True):
        found[key >> 16][key & 65535] = tick
    return found


def _median(ticks: Counter[int]) -> int:
    """Return the value below and at which half of the time lies."""
    half, so_far = sum(ticks.values()), 0
    for value in sorted(ticks):
        so_far += 2 * ticks[value]
        if so_far >= half:
            return value
    raise ValueError("no values, no median")
