"""Says of which brand a track is by all evidence: the picture's vote over its life, closer looks, and words read there.

A track is looked at closely and read when it is first believed, again where that was not clear or it has become
notably larger, and now and then as boards change. Both are bounded in a second of video, and all goes by PTS, so that
the same file is judged alike. Each kind of evidence is log-odds, and they are added up: words that are clearly others,
or a likeness that fits on the whole and not in its parts, reject what the picture took for a brand, and words that are
another brand's name it. Passive, of one stream.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import exp, inf, sqrt

import numpy as np

from detectors.boxes import iou
from detectors.closeness import AROUND, Closeness, Likenesses, closeness
from detectors.picture import around
from detectors.reading import LEAST_HEIGHT, READ_AROUND, Line, Reader
from detectors.slant import uprighted
from detectors.wording import Wording, judged, worded
from pipeline.looks import Looks
from pipeline.motion import Box
from pipeline.tracker import Track, covered
from streams.frame import Frame

CUTS_WIDE, CUTS_HIGH = (READ_AROUND, (0.05, 0.05)), ((0.05, -0.2), READ_AROUND)
"""The same of nameless places, in turn: of high ones the middle comes first, as of two lines one is mostly there."""
HIGH = 2.2
"""Width over height below which two lines may stand in a box."""
HELD_SECONDS = 0.6
"""So long a track waits to be looked at before it is believed for its picture alone; less than the account waits."""
AGAIN_SECONDS = 0.24
"""So long after a look that was not clear it is looked at again."""
LOOK_ANEW_SECONDS, READ_ANEW_SECONDS = 1.0, 2.0
"""So long after any look it is looked at again: boards change, and boxes slip off them."""
LARGER = 1.3
"""A track is looked at again when its side is so many times that of the last look."""
UNCLEAR = 6
"""Looks after which a track that stays unclear is left until it is larger, or it is time to look anew."""
LOOKS_REMEMBERED, LINES_REMEMBERED = 2, 3
"""The latest looks and lines, which count."""
CLEAR = 2.5
"""Log-odds of closer looks or of words, for or against, that are clear."""
SEEN = 1.0
"""Log-odds of closer looks at artwork from which nothing needs to be read: no look-alike comes so near."""
NEAR = 0.6
"""How like a word mark what was read in a nameless place must be for it to be read again soon."""
NAMELESS_SHARE, NAMELESS_BURST_SECONDS = 1 / 3, 6.0
"""Readings of nameless places beside those of tracks, as a share of these, and those of how long at once: a new shot
shows many. From one allowance for all, tracks whose words stay unclear took nearly all."""
NAMELESS_ANEW_SECONDS = 4.0
"""So long after a nameless place was read it is read again."""
AS_READ = 0.8
"""Overlap of two boxes from which the same is read in both, where nothing has changed."""
SAME_PLACE = 0.5
"""The share of the smaller of two boxes that lies on the other, from which both are one thing."""
BURST_SECONDS = 2.0
"""So much of an allowance may be spent at once, as after a cut."""


class Judge:
    """One stream's judge: `ended`, then `judged`, for every frame in order.

    likenesses: of the brands, by class_id; looks_per_second: closer looks in a second of video at the most. Goes up:
        more tracks are judged in time, each takes 7 ms of a core
    reader: None where nothing is read; wording: the brands' word marks; readings_per_second: the same, each takes 20 ms
    """

    def __init__(
        self,
        likenesses: Likenesses,
        *,
        looks_per_second: float = 10.0,
        reader: Reader | None = None,
        wording: Wording,
        readings_per_second: float = 6.0,
    ) -> None:
        self._likenesses = likenesses
        self._wording = wording
        self._reader = None if wording.is_empty else reader
        self._looks = _Allowance(looks_per_second)
        self._readings = _Allowance(readings_per_second if self._reader else 0.0)
        self._nameless = _Allowance(NAMELESS_SHARE * self._readings.rate, NAMELESS_BURST_SECONDS)
        self._cases: dict[int, _Case] = {}

    def ended(self, tracks: Iterable[Track]) -> list[Track]:
        """Those that were a brand, of the tracks that ended since the last frame."""
        return [verdict for track in tracks if (verdict := self._verdict(track, inf)) is not None]

    def judged(self, frame: Frame, tracks: Sequence[Track]) -> list[Track]:
        """The frame's tracks, named by all that is known of them; those that are none of the brands are left out."""
        now = frame.pts_seconds
        self._looks.pass_to(now)
        self._readings.pass_to(now)
        self._nameless.pass_to(now)
        self._cases = {track.id: self._cases[track.id] for track in tracks if track.id in self._cases}
        nameless = [track for track in tracks if not self._wording.is_brand(track.class_id)]
        believed = [t for t in tracks if t.state == "confirmed" and self._wording.is_brand(t.class_id)]
        for track in believed:
            self._cases.setdefault(track.id, _Case(now))
        found = [track for track in believed if not track.is_bridged]
        for track in self._by_urgency(found, lambda case: case.close):
            if self._likenesses.is_drawn(track.class_id):
                self._look(frame, track)
        for track in self._by_urgency(found, lambda case: case.words):
            self._read(frame, track)
        for track in self._by_urgency(found, lambda case: case.close):
            # A closer look at photographs speaks for a brand alone: whether that is wanted, words tell.
            if not self._likenesses.is_drawn(track.class_id):
                self._look(frame, track)
        for track in sorted(nameless, key=lambda t: (self._case_of(t).words.count, t.id)):
            self._read_nameless(frame, track)
        verdicts = [verdict for track in tracks if (verdict := self._verdict(track, now)) is not None]
        return _without_doubles(verdicts, {track.id for track in nameless})

    def _by_urgency(self, tracks: Sequence[Track], times: Callable[[_Case], _Times]) -> list[Track]:
        """Those that were looked at least often first, and of these the largest."""
        return sorted(tracks, key=lambda t: (times(self._cases[t.id]).count, -_side(t.xyxy), t.id))

    def _look(self, frame: Frame, track: Track) -> None:
        case = self._cases[track.id]
        looks = self._likenesses.of(track.class_id)
        if not looks or not case.close.is_due(track, frame.pts_seconds, case.is_close_clear):
            return
        if not self._may_look_decide(track, case):
            return
        if not self._looks.take():
            return
        seen, (x1, y1, x2, y2) = uprighted(frame, track.xyxy)
        patch, (left, top) = around(seen, (x1, y1, x2, y2), AROUND, AROUND, least=LEAST_HEIGHT)
        if patch is None:
            return
        fit = closeness(patch, (x1 - left, y1 - top, x2 - left, y2 - top), looks)
        case.close.done(track, frame.pts_seconds)
        if fit is not None:
            fit = replace(fit, is_drawn=self._likenesses.is_drawn(track.class_id))
            case.fits = [*case.fits, (track.class_id, fit)][-LOOKS_REMEMBERED:]

    def _read(self, frame: Frame, track: Track) -> None:
        case = self._cases[track.id]
        if self._reader is None or not _may_hold_words(track.xyxy) or self._is_seen(track, case):
            return
        brand, _ = self._sum(track, case)
        is_clear = abs(self._wording.of(case.lines, brand)) >= CLEAR
        is_blank = len(case.lines) > 1 and not any(self._wording.is_telling(line) for line in case.lines)
        if case.words.is_due(track, frame.pts_seconds, is_clear or is_blank):
            self._read_line(frame, track, case, READ_AROUND, self._readings)

    def _read_nameless(self, frame: Frame, track: Track) -> None:
        """Read a place that is like no brand. What words named is known by its look from then on."""
        case, now = self._case_of(track), frame.pts_seconds
        if track.is_bridged and case.by_words is not None:
            self._cases.pop(track.id)
        if track.is_bridged or self._reader is None:
            return
        x1, y1, x2, y2 = track.xyxy
        cuts = CUTS_WIDE if x2 - x1 >= HIGH * (y2 - y1) else CUTS_HIGH
        if case.by_words is not None:
            is_clear = case.by_words[1] >= CLEAR
        else:
            is_clear = not case.is_near and (cuts is CUTS_WIDE or case.words.count > 1)
        if not case.words.is_due(track, now, is_clear):
            return
        if not self._read_line(frame, track, case, cuts[case.words.count % len(cuts)], self._nameless):
            return
        case.by_words, case.is_near = worded(case.lines, self._wording), bool(self._wording.named(case.lines, NEAR))
        self._cases[track.id] = case

    def _read_line(
        self, frame: Frame, track: Track, case: _Case, cut: tuple[float, float], allowance: _Allowance
    ) -> bool:
        """Read what stands in a track's box and around it; what has not changed since it was read is taken as read.

        cut: see `READ_AROUND`. Returns False where it is too small or the allowance is spent.
        """
        line = case.read[cut].line_in(frame, track.xyxy) if cut in case.read else None
        if line is None:
            patch, _ = around(*uprighted(frame, track.xyxy), *cut, least=LEAST_HEIGHT)
            if patch is None or self._reader is None or not allowance.take():
                return False
            (line,) = self._reader.read([patch])
            case.read[cut] = _Reading(Looks.at(frame, np.array([track.xyxy], np.float32)), line)
        case.words.done(track, frame.pts_seconds)
        case.lines = [*case.lines, line][-LINES_REMEMBERED:]
        return True

    def _case_of(self, track: Track) -> _Case:
        return self._cases.get(track.id) or _Case(0.0, words=_Times(NAMELESS_ANEW_SECONDS))

    def _may_look_decide(self, track: Track, case: _Case) -> bool:
        """Say whether a closer look may change what the track is: at photographs it speaks against nothing."""
        if self._likenesses.is_drawn(track.class_id):
            return True
        brand, odds = self._sum(track, case)
        return brand != track.class_id or odds < CLEAR

    def _is_seen(self, track: Track, case: _Case) -> bool:
        """Say whether closer looks have told what it is."""
        return self._likenesses.is_drawn(track.class_id) and case.closeness_to(track.class_id) >= SEEN

    def _verdict(self, track: Track, now: float) -> Track | None:
        case = self._cases.get(track.id)
        if not self._wording.is_brand(track.class_id):
            return None if case is None or case.by_words is None else _by_words(track, *case.by_words)
        if case is None:
            return track
        is_doubtful = now - case.since < HELD_SECONDS or case.closeness_to(track.class_id) < 0
        if is_doubtful and self._is_waited_for(track, case):
            return replace(track, state="tentative")
        if not case.fits and not case.lines:
            return None if case.close.count else track  # what is too small to be compared is not believed unseen
        brand, odds = self._sum(track, case)
        return None if odds < 0 else replace(track, class_id=brand, score=1 / (1 + exp(-odds)))

    def _sum(self, track: Track, case: _Case) -> tuple[int, float]:
        """The brand by all evidence, and its log-odds."""
        close = case.closeness_to(track.class_id)
        return judged(track.score, track.class_id, case.lines, self._wording, more=close)

    def _is_waited_for(self, track: Track, case: _Case) -> bool:
        has_marks = self._wording.has_marks(track.class_id)
        is_to_be_read = self._readings.rate > 0 and has_marks and _may_hold_words(track.xyxy)
        is_to_be_read = is_to_be_read and not self._is_seen(track, case)
        is_to_be_seen = (
            self._looks.rate > 0 and bool(self._likenesses.of(track.class_id)) and self._may_look_decide(track, case)
        )
        return (is_to_be_read and not case.words.count) or (is_to_be_seen and not case.close.count)


@dataclass(slots=True)
class _Times:
    """When a track was looked at in one of the two ways. side: of its box, the largest at a look."""

    anew_seconds: float
    count: int = 0
    at: float = -inf
    side: float = 0.0

    def is_due(self, track: Track, now: float, is_clear: bool) -> bool:
        side = _side(track.xyxy)
        if not self.count or side >= LARGER * self.side or now - self.at >= self.anew_seconds:
            return True
        return not is_clear and self.count < UNCLEAR and now - self.at >= AGAIN_SECONDS

    def done(self, track: Track, now: float) -> None:
        self.count, self.at, self.side = self.count + 1, now, max(self.side, _side(track.xyxy))


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read, and how the place looked then."""

    look: Looks
    line: Line

    def line_in(self, frame: Frame, box: Box) -> Line | None:
        """Return what reading the box in that frame would give, None where something has changed."""
        is_there = iou(self.look.boxes, np.array([box], np.float32))[0, 0] >= AS_READ
        return self.line if is_there and self.look.are_unchanged(frame)[0] else None


@dataclass(slots=True)
class _Case:
    """What is known of a track.

    since: when it was first believed; fits: of closer looks, with what was looked for
    read: the latest readings, by how they were cut
    by_words, is_near: of a nameless place, the brand that its words name, and whether they are near those of any
    """

    since: float
    lines: list[Line] = field(default_factory=list)
    read: dict[tuple[float, float], _Reading] = field(default_factory=dict)
    fits: list[tuple[int, Closeness]] = field(default_factory=list)
    by_words: tuple[int, float] | None = None
    is_near: bool = False
    close: _Times = field(default_factory=lambda: _Times(LOOK_ANEW_SECONDS))
    words: _Times = field(default_factory=lambda: _Times(READ_ANEW_SECONDS))

    def closeness_to(self, brand: int) -> float:
        """Log-odds of a brand by the best look for it: what stands before it or smears it makes the others worse."""
        fits = [fit for looked_for, fit in self.fits if looked_for == brand]
        return max(fits, key=lambda fit: fit.parts).evidence if fits else 0.0

    @property
    def is_close_clear(self) -> bool:
        """Whether the latest of the closer looks was clear."""
        return bool(self.fits) and abs(self.fits[-1][1].evidence) >= CLEAR


class _Allowance:
    """So many a second of video, and those of some seconds at once."""

    def __init__(self, rate: float, burst_seconds: float = BURST_SECONDS) -> None:
        self.rate = rate
        self._most = max(1.0, rate * burst_seconds) if rate > 0 else 0.0
        self._left = self._most
        self._now: float | None = None

    def pass_to(self, now: float) -> None:
        if self._now is not None:
            self._left = min(self._most, self._left + self.rate * max(0.0, now - self._now))
        self._now = now

    def take(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _by_words(track: Track, brand: int, odds: float) -> Track:
    score = 1 / (1 + exp(-odds))
    return replace(track, class_id=brand, score=score, detection_score=None if track.is_bridged else score)


def _without_doubles(tracks: Sequence[Track], nameless: Container[int]) -> list[Track]:
    """Leave out what only words name where it stands on another track of that brand."""
    kept = [track for track in tracks if track.id not in nameless]
    for track in tracks:
        if track.id in nameless:
            others = np.array([t.xyxy for t in kept if t.class_id == track.class_id], np.float32).reshape(-1, 4)
            if covered(np.array(track.xyxy, np.float32), others).max(initial=0) <= SAME_PLACE:
                kept.append(track)
    return sorted(kept, key=lambda track: track.id)


def _may_hold_words(box: Box) -> bool:
    """Say whether a box is high enough to be read, and no higher than wide."""
    x1, y1, x2, y2 = box
    return LEAST_HEIGHT <= y2 - y1 <= x2 - x1


def _side(box: Box) -> float:
    return sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))
