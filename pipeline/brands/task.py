"""The task `logos`: from a broadcast's tracks to the account of its brands, and how it is shown."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from detectors.closeness import Likenesses
from detectors.gallery import Gallery
from detectors.picture import Image
from detectors.reading import Reader, can_read
from detectors.wording import Wording
from pipeline.brands.account import RunIdentity
from pipeline.brands.chain import FILE, last_record, read_ledger
from pipeline.brands.clarity import clarity
from pipeline.brands.display import draw_brands, size_with_band
from pipeline.brands.hindsight import followed_back, kept
from pipeline.brands.impressions import Clock
from pipeline.brands.judge import Judge
from pipeline.brands.observation import Moment, Observations, ObservationsBuilder, Row
from pipeline.brands.profiles import find_profile
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.events import Event, Impression
from pipeline.motion import Box
from pipeline.stages import Break, StreamEnd, Tracked
from pipeline.tracker import Track, covered
from streams.frame import Frame, StreamInfo
from streams.pixels import Plane

if TYPE_CHECKING:
    from pipeline.tasks import Origin

log = logging.getLogger(__name__)

SETTLE_SECONDS = 1.0
"""So long a frame waits for it to be clear which of its tracks are real; what is not confirmed by then is none. And so
far back what is found is looked for in the frames before. Goes up: more small and smeared logos count from when they
came, the account is later by that, and takes half a megabyte a frame of 1080p."""
_SPEED_FRAMES = 3  # over so many frames after it was first found it is told how fast it moves
CLARITY_SECONDS = 0.2
"""So long what was measured of a placement's sharpness and contrast holds for it."""


Ended = Literal["end", "truncated", "gap"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """What was seen in a second of video; not an event that is written down, but what the account is made of.

    run, clock: whose account it is, and its wall time
    observations: None where there are no more frames
    open: the impressions that are on screen after it, as if the stream broke off there; closed: that are over by it
    ended: why nothing follows, None while something does; `gap`: the stream was not watched before it ended
    """

    stream: str
    run: RunIdentity
    clock: Clock
    observations: Observations | None
    open: Sequence[Impression]
    closed: Sequence[Impression]
    ended: Ended | None = None


class Brands:
    """What all streams share: the gallery, and the rules of what counts as an exposure."""

    lang = "en"

    def __init__(self, config: Config) -> None:
        """Raises ConfigError where there is no gallery or no such profile, ModelError where it cannot be read."""
        if config.brands.gallery is None:
            raise ConfigError(
                "--task logos needs --gallery FILE; `wayside enrol BRAND FILE... --gallery FILE` makes one"
            )
        path = Path(config.brands.gallery)
        self.gallery = Gallery.load(path, embedder_sha256=None)
        if not self.gallery.brands:
            raise ConfigError(f"{path}: no brand is enrolled in it")
        self._wording = Wording(self.gallery)
        self._likenesses = Likenesses(self.gallery)
        self._reader = self._opened_reader(path, config.brands.readings_per_second)
        self.profile = find_profile(config.brands.profile)
        self._config = config

    @property
    def labels(self) -> Sequence[str]:
        return self.gallery.brands

    @property
    def known_classes(self) -> int:
        return len(self.gallery.brands)

    def _opened_reader(self, path: Path, readings_per_second: float) -> Reader | None:
        if self._wording.is_empty or readings_per_second == 0:
            return None
        if can_read():
            return Reader()
        marked = [brand for brand in self.gallery.brands if self.gallery.marks(brand)]
        log.warning(
            "%s: words are not read, for which `pip install 'wayside[text]'` is missing; "
            "these brands are found by their pictures alone: %s",
            path,
            ", ".join(marked),
        )
        return None

    def judge(self) -> Judge:
        settings = self._config.brands
        return Judge(
            self._likenesses,
            looks_per_second=settings.looks_per_second,
            reader=self._reader,
            wording=self._wording,
            readings_per_second=settings.readings_per_second,
        )

    def watcher(self, origin: Origin) -> Broadcast:
        run = RunIdentity(
            stream=origin.info.name,
            media=origin.media,
            models={**origin.models, **(self._reader.hashes if self._reader else {})},
            gallery=self.gallery.sha256,
            brands=self.gallery.brands,
            profile=self.profile,
            config=self._config_sha256(),
        )
        return Broadcast(origin.info, run=run)

    def screen(self) -> Screen:
        return Screen(self.gallery.brands)

    def words(self, event: Event) -> str | None:
        return event.brand if isinstance(event, Impression) else None

    def about(self) -> dict[str, object]:
        """Return what a run's record should tell: the gallery, and the rules."""
        return {
            "gallery": self.gallery.sha256,
            "brands": list(self.gallery.brands),
            "profile": self.profile.label,
        }

    def settled(self, folder: Path) -> dict[str, object]:
        """Return the hash that the end of the account in a stream's folder can be proved by."""
        if not (folder / FILE).is_file():
            return {}
        with read_ledger(folder) as connection:
            records, head = last_record(connection)
        return {"ledger": {"records": records, "head": head.hex()}}

    def _config_sha256(self) -> str:
        """Of the settings that have a say in what is found; where it is written and served has none."""
        shown = self._config.shown()
        deciding = {key: shown[key] for key in ("detector", "tracker")}
        del deciding["detector"]["models"]  # whose hashes say it better than their folder
        deciding["looks_per_second"] = self._config.brands.looks_per_second
        if self._reader is not None:
            deciding["readings_per_second"] = self._config.brands.readings_per_second
        deciding["sample_every"] = shown["prefetch"]["sample_every"]
        return hashlib.sha256(json.dumps(deciding, sort_keys=True).encode()).hexdigest()


class Broadcast:
    """One stream's watcher (see `stages.Watcher`): passive, fed frame by frame.

    A track is believed after some frames, and then it was there from its first one on, and before it as far back as it
    is seen (`hindsight.py`); a box that bridges a gap is real where the brand is found again. So a frame is counted
    SETTLE_SECONDS later.
    """

    def __init__(self, info: StreamInfo, *, run: RunIdentity) -> None:
        self._stream = info.name
        self._run, self._clock = run, _clock(info)
        self._builder = ObservationsBuilder(info.time_base)
        self._impressions = run.impressions(info.time_base, self._clock)
        self._is_begun = self._is_broken = False
        self._waiting: deque[_Seen] = deque()
        self._brand_of: dict[int, int] = {}  # of tracks that were believed once, by their latest vote
        self._alive: set[int] = set()
        self._heirs: set[int] = set()  # tracks that took another's place, and its boxes with it
        self._found_at: dict[int, float] = {}  # when tracks were last found
        self._looked_back: set[int] = set()  # tracks that were looked for before they were found
        self._clarity: dict[int, tuple[float, tuple[int, int]]] = {}

    def update(self, tracked: Tracked) -> Iterator[Impression | Observed]:
        """Yield what is settled by now: a second's observations, and after them the impressions that are over."""
        if not self._is_begun:
            self._begin(tracked.frame)
        self._is_broken = False
        self._believe(tracked.ended)
        if tracked.cut is not None:
            self._alive = set()
            yield from self._settle()
        self._believe(track for track in tracked.tracks if track.state == "confirmed")
        self._alive = {track.id for track in tracked.tracks}
        now = tracked.frame.pts_seconds
        self._hand_over(tracked.tracks)
        self._found_at.update((track.id, now) for track in tracked.tracks if not track.is_bridged)
        self._waiting.append(self._seen(tracked))
        for track in tracked.tracks:
            if track.state == "confirmed" and track.id not in self._looked_back:
                self._look_back(track)
        yield from self._settle(now - SETTLE_SECONDS)

    def interrupt(self, missed: Break) -> Iterator[Impression | Observed]:
        """Yield what is left before a gap: what was on screen is over."""
        if self._is_begun and not self._is_broken:
            yield from self._rest(missed.ended, "gap")
            self._is_broken = True

    def close(self, end: StreamEnd) -> Iterator[Impression | Observed]:
        """Yield what is left."""
        ended: Ended = "gap" if self._is_broken else "truncated" if end.is_cut_short else "end"
        yield from self._rest(end.ended, ended, is_over=True)

    def _begin(self, frame: Frame) -> None:
        """Take the clock of a live stream, which its first frame brings; the account keeps it."""
        self._is_begun = True
        if (wall := frame.wall_clock) is not None:
            self._clock = Clock(wall.started_at, wall.method, wall.error_seconds)
            self._impressions = self._run.impressions(frame.time_base, self._clock)

    def _rest(
        self, ended: Sequence[Track], closed_by: Ended, *, is_over: bool = False
    ) -> Iterator[Impression | Observed]:
        self._believe(ended)
        self._alive = set()
        yield from self._settle()
        rest = self._builder.rest()
        closed = [] if rest is None else self._impressions.update(rest)
        closed += self._impressions.finish(closed_by)
        yield self._observed(rest, closed, ended=closed_by if is_over else None)
        yield from closed

    def _believe(self, tracks: Iterable[Track]) -> None:
        self._brand_of.update((track.id, track.class_id) for track in tracks)

    def _hand_over(self, tracks: Iterable[Track]) -> None:
        """Give those that took another's place its boxes in the frames that wait, from their start on."""
        new = {track.follows: track for track in tracks if track.follows is not None and track.id not in self._heirs}
        if not new:
            return
        self._heirs.update(track.id for track in new.values())
        for seen in self._waiting:
            for number, row in enumerate(seen.rows):
                heir = new.get(row.track)
                if heir is not None and seen.moment.pts_seconds >= heir.start_seconds:
                    seen.rows[number] = replace(row, track=heir.id)
                    if not row.is_bridged:
                        self._found_at[heir.id] = seen.moment.pts_seconds

    def _look_back(self, track: Track) -> None:
        """Look for a track in the waiting frames before it was found, and put it where it is seen there."""
        self._looked_back.add(track.id)
        if track.follows is not None:
            return
        at = [
            (number, row)
            for number, seen in enumerate(self._waiting)
            for row in seen.rows
            if row.track == track.id and not row.is_bridged
        ]
        if not at:
            return
        (first, row), (last, latest) = at[0], at[min(len(at) - 1, _SPEED_FRAMES)]
        here, *earlier = [self._waiting[number] for number in range(first, -1, -1)]
        (x, y), (later_x, later_y), frames = _centre(row.xyxy), _centre(latest.xyxy), max(1, last - first)
        boxes = followed_back(
            here.picture,
            row.xyxy,
            ((later_x - x) / frames, (later_y - y) / frames),
            (seen.picture for seen in earlier),
            size_wh=here.moment.size_wh,
        )
        for seen, box in zip(earlier, boxes, strict=False):
            others = [other.xyxy for other in seen.rows if other.track in self._brand_of]
            if covered(np.array(box, np.float32), np.array(others, np.float32).reshape(-1, 4)).max(initial=0) > 0.5:
                return
            seen.rows.append(replace(row, xyxy=box))

    def _is_real(self, row: Row, moment: Moment) -> bool:
        is_there = not row.is_bridged or self._found_at.get(row.track, -inf) > moment.pts_seconds
        return is_there and row.track in self._brand_of

    def _settle(self, before: float = inf) -> Iterator[Impression | Observed]:
        """Count the frames from before that time, by default all."""
        while self._waiting and self._waiting[0].moment.pts_seconds < before:
            seen = self._waiting.popleft()
            rows = [
                replace(row, brand=self._brand_of[row.track]) for row in seen.rows if self._is_real(row, seen.moment)
            ]
            full = self._builder.add(
                seen.moment,
                rows,
                is_cut=seen.cut == "shot",
                is_jump=seen.cut == "jump",
                was_scanned=seen.was_scanned,
            )
            if full is not None:
                self._forget()
                yield from self._account(full)

    def _forget(self) -> None:
        """Forget the tracks that are gone, and whose boxes have all been counted: ids are never used again."""
        held = self._alive.union(row.track for seen in self._waiting for row in seen.rows)
        self._heirs &= held
        self._looked_back &= held
        self._brand_of = {track: brand for track, brand in self._brand_of.items() if track in held}
        self._found_at = {track: at for track, at in self._found_at.items() if track in held}
        self._clarity = {track: known for track, known in self._clarity.items() if track in held}

    def _account(self, observations: Observations) -> Iterator[Impression | Observed]:
        closed = self._impressions.update(observations)
        yield self._observed(observations, closed)
        yield from closed

    def _observed(
        self,
        observations: Observations | None,
        closed: Sequence[Impression],
        *,
        ended: Ended | None = None,
    ) -> Observed:
        return Observed(
            stream=self._stream,
            run=self._run,
            clock=self._clock,
            observations=observations,
            open=self._impressions.open(),
            closed=closed,
            ended=ended,
        )

    def _seen(self, tracked: Tracked) -> _Seen:
        frame = tracked.frame
        moment = Moment(frame.index, frame.pts_seconds, frame.duration_seconds, frame.size_wh)
        rows = [self._row(frame, track) for track in tracked.tracks]
        return _Seen(moment, rows, tracked.cut, tracked.was_scanned, kept(frame))

    def _row(self, frame: Frame, track: Track) -> Row:
        at, known = self._clarity.get(track.id, (-inf, (0, 0)))
        if not track.is_bridged and frame.pts_seconds - at >= CLARITY_SECONDS:
            known = _clarity_of(frame, track.xyxy)
            self._clarity[track.id] = (frame.pts_seconds, known)
        sharpness, contrast = known
        score = track.score if track.detection_score is None else track.detection_score
        return Row(
            brand=track.class_id,
            track=track.id,
            xyxy=track.xyxy,
            score=score,
            sharpness=sharpness,
            contrast=contrast,
            is_bridged=track.is_bridged,
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A frame that waits, with a row for each of its tracks, believed or not, and a small picture of it.

    Rows may still change hands (see `Broadcast._hand_over`), and more may come (see `Broadcast._look_back`).
    """

    moment: Moment
    rows: list[Row]
    cut: Literal["shot", "jump"] | None
    was_scanned: bool
    picture: Plane


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def _clarity_of(frame: Frame, xyxy: tuple[float, float, float, float]) -> tuple[int, int]:
    width, height = frame.size_wh
    x1, y1 = max(0, int(xyxy[0])), max(0, int(xyxy[1]))
    x2, y2 = min(width, ceil(xyxy[2])), min(height, ceil(xyxy[3]))
    if x2 - x1 < 2 or y2 - y1 < 2:
        return 0, 0
    return clarity(frame.patch(x1, y1, x2, y2))


def _clock(info: StreamInfo) -> Clock:
    if info.started_at is None:
        return Clock()
    return Clock(info.started_at, "container")


class Screen:
    """Draws one stream's frames: it remembers of the account each brand's seconds."""

    def __init__(self, brands: Sequence[str]) -> None:
        self._brands = brands
        self._seconds: dict[int, float] = {}

    def take(self, event: Event) -> None:
        """Nothing: what is drawn are the tracks, as they are seen."""

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        return size_with_band(picture_wh)

    def draw(self, tracked: Tracked) -> Image:
        """Return the frame with everything drawn on it and the band below it, RGB uint8 (H, W, 3)."""
        shown = [track for track in tracked.tracks if track.state == "confirmed"]
        for brand in {track.class_id for track in shown if not track.is_bridged}:
            self._seconds[brand] = self._seconds.get(brand, 0.0) + tracked.frame.duration_seconds
        return draw_brands(tracked.frame.rgb(), tracked.tracks, self._brands, self._seconds)
