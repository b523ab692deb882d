"""Detections of one stream -> tracks: one object through time, its class and score settled by a vote over its life.

Time is PTS in seconds, never a count of frames. A box is predicted by its motion and its growth: what a moving
camera comes near to grows faster and faster, and leaves the point it drives at by the same law. The tracker knows
nothing of pixels, of what a class means, or of other streams. It is passive and single-threaded; the `Track`s that it
hands out are frozen, so sinks may keep them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.labels import OTHER
from pipeline.assignment import assign
from pipeline.motion import Box, Motion

Boxes = NDArray[np.float32]
"""float32 (N, 4), x1, y1, x2, y2 in pixels."""

Cost = Callable[[Detections, Detections], NDArray[np.float64]]
"""(T predicted tracks, N detections) -> float64 (T, N): 0 is a perfect fit, about 1 is one box size off; `inf`
forbids. The tracks come as `Detections`: the predicted box, the track's score and the class that leads its vote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerSettings:
    """How tracks are born, confirmed and ended.

    keep_score: detections below are ignored even by tracks that live. Goes up: tracks of faint objects break; down:
        stray boxes pull tracks aside
    reach_sizes: how far from its predicted place, in box sizes, a track takes a detection. Goes up: holds tracks over
        bumps of the camera; too far up and a track jumps to the sign beside it
    gap_seconds: how long a track lives on without a detection. Goes up: one sighting where an obstacle hides the sign
        for longer; a sign that was lost for good is told later
    tentative_gap_seconds: the same before it has `confirm_hits`. Goes up: flickering signs get confirmed, false alarms
        too
    confirm_hits: detections at or above the threshold that make a track real. Goes up: fewer false sightings, signs
        are announced later, and short-seen ones never
    confirm_seconds: the least time from the first to the last of those. Goes up: as above, and glints of a moment die
    confirm_score: the least score of the vote, 0 to 1. Goes up: fewer false sightings, faint signs are lost
    confirm_margin: the least lead of the winning class over all others that might be meant (all classes that are
        none of the known ones count as one), as a share of the vote, 0 to 1. Goes up: fewer wrong classes, later
    confirm_side_px: the least size that one of the hits has, as the square root of its area. Goes up: fewer
        mistaken far signs, later announcements
    confirm_share: the least share of hits among the looks at it. Goes up: what is taken for a sign now and
        then, clutter, is never believed; nor are signs that stand half hidden
    confirm_growth: the least ratio of the largest box to the first ones. Goes up: what keeps its distance, as
        vehicles ahead, their plates and lamps, and boards before a camera on a stand, is never believed, and signs
        are told later; 1 asks for nothing
    shot_cuts: end all tracks where another shot begins, which broadcasts do every few seconds and dashcams never
    reach_shape: how much wider, higher, narrower or flatter a detection may be than its track has lately been, as a
        factor (`1.3`), once that has `confirm_hits` or where the detection is below the threshold, but for what lies at
        the picture's edge; 0: as much as it likes.
        Goes up: a track goes on through a fast zoom; once its logo is gone it takes what lies around for it
    change_seconds: a track whose sure detections were all of one other class for so long is over since the first of
        these, and another one goes on in its place, as on a board that shows one brand after another; 0: never, as a
        sign stays what it is. Goes up: a flicker of the class is forgiven for longer, and a change of less is missed
    """

    keep_score: float = 0.1
    reach_sizes: float = 0.7
    gap_seconds: float = 1.0
    tentative_gap_seconds: float = 0.35
    confirm_hits: int = 5
    confirm_seconds: float = 0.15
    confirm_score: float = 0.65
    confirm_margin: float = 0.35
    confirm_side_px: float = 16.0
    confirm_share: float = 0.4
    confirm_growth: float = 2.0
    shot_cuts: bool = False
    reach_shape: float = 0.0
    change_seconds: float = 0.0

    def __post_init__(self) -> None:
        for name in ("keep_score", "confirm_score", "confirm_margin", "confirm_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be between 0 and 1, got {getattr(self, name)}")
        for name in ("reach_sizes", "gap_seconds", "tentative_gap_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")
        for name in ("confirm_hits", "confirm_seconds", "confirm_side_px", "change_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.reach_shape and self.reach_shape <= 1:
            raise ValueError(f"reach_shape must be 0 or more than 1, got {self.reach_shape}")


@dataclass(frozen=True, slots=True)
class Best:
    """The box that the most can be read from: xyxy in pixels, when, and the detection's score."""

    xyxy: Box
    pts_seconds: float
    score: float


@dataclass(frozen=True, slots=True)
class Track:
    """One object as it stands at one frame (a snapshot: the next frame brings another).

    id: 1, 2, 3, ... within a stream
    state: `confirmed` is what the detections so far say; a track whose vote turns may lose it again
    class_id, score: the class that leads the vote so far, and the vote's score, 0 to 1
    xyxy: the box at this frame, pixels; a prediction where `is_bridged`
    detection_score: of this frame's detection alone, None where there is none
    start_seconds, end_seconds: PTS of the first and the last detection
    passes_in_seconds: the earliest likely time until it has left the picture or is beside the camera; `inf` where it
        does not come nearer
    doubted_since: PTS of the first of its latest detections that are all of one other class, None where the latest says
        what the vote says: should it go on so, another track takes its place from there on
    follows: id of the track whose place it took, None for most
    """

    id: int
    state: Literal["tentative", "confirmed", "ended"]
    class_id: int
    score: float
    xyxy: Box
    detection_score: float | None
    start_seconds: float
    end_seconds: float
    passes_in_seconds: float
    best: Best
    doubted_since: float | None = None
    follows: int | None = None

    @property
    def is_bridged(self) -> bool:
        """Not detected in this frame: it is held to be where it should have moved to."""
        return self.detection_score is None


class Tracker:
    """One stream's tracks.

    Per frame: `predicted` tells where to look, `update` takes what was found and returns the tracks that live, `ended`
    what has ended since it was last asked. `finish` ends the rest.

    threshold: detections at or above begin tracks and count for confirmation. Goes up: fewer false tracks, later births
    known_classes: class ids below are signs with a meaning; those from here on are one group, "other", in the vote
    is_judged: "other" is not what is known to be another thing, but what only a judge may name (see `name`): it is
        never taken for something known nor the other way round, and is in nothing's way
    cost: how badly a detection fits a track (see `Cost`); one of your own may weigh colour or embeddings

    keep_score: detections below it are ignored
    jumps: times so far that the clock jumped or the picture changed its size
    """

    def __init__(
        self,
        settings: TrackerSettings | None = None,
        *,
        threshold: float = 0.5,
        known_classes: int = OTHER,
        is_judged: bool = False,
        cost: Cost | None = None,
    ) -> None:
        self.jumps = 0
        self._settings = settings or TrackerSettings()
        self.keep_score = self._settings.keep_score
        self._threshold = threshold
        self._known_classes = known_classes
        self._is_judged = is_judged
        self._cost = cost or distance_cost
        self._lives: list[_Life] = []
        self._ended: list[Track] = []
        self._born = 0
        self._named: frozenset[int] = frozenset()
        self._pts_seconds: float | None = None
        self._size_wh = (0, 0)

    def name(self, ids: Iterable[int]) -> None:
        """Take the tracks of these ids for known whatever their votes say, until it is called again."""
        self._named = frozenset(ids)

    def predicted(self, pts_seconds: float, *, known_only: bool = False) -> Boxes:
        """Return where the living tracks should be at that time: float32 (N, 4), centres inside the picture.

        known_only: leave out those whose vote says "other", by far the most in a busy picture
        """
        return self.expected(pts_seconds, known_only=known_only).xyxy

    def expected(self, pts_seconds: float, *, known_only: bool = False) -> Detections:
        """Return the same with what was last found there: class, score and embedding of each track's last detection."""
        return self._expected([life for life in self._lives if not known_only or self._is_known(life)], pts_seconds)

    def named(self, pts_seconds: float) -> Detections:
        """Return the same of those that are known by `name` alone."""
        return self._expected([life for life in self._lives if self._is_named(life)], pts_seconds)

    def unnamed(self, pts_seconds: float) -> Boxes:
        """Return where the others should be, but for what is for a judge to name: float32 (N, 4)."""
        lives = [life for life in self._lives if not self._is_judged or self._has_meaning(life.vote.class_id)]
        return self._expected(lives, pts_seconds).xyxy

    def _expected(self, lives: Sequence[_Life], pts_seconds: float) -> Detections:
        told = [(box, life) for life in lives if self._is_inside(box := life.motion.box_at(pts_seconds))]
        embeddings = [life.embedding for _, life in told if life.embedding is not None]
        return Detections(
            np.array([box for box, _ in told], np.float32).reshape(-1, 4),
            np.array([life.last_score for _, life in told], np.float32),
            np.array([life.last_class_id for _, life in told], np.int64),
            np.stack(embeddings) if told and len(embeddings) == len(told) else None,
        )

    def update(
        self, detections: Detections, *, pts_seconds: float, size_wh: tuple[int, int], known_only: bool = False
    ) -> list[Track]:
        """Take one frame's detections and return the tracks that live, the oldest first.

        known_only: as it was asked of `predicted`; that the others were not found says nothing then

        A jump of the clock (backwards, or forwards by more than any gap that is bridged) and a new picture size end
        all tracks: what follows is another scene.
        """
        if self._is_jump(pts_seconds, size_wh):
            self.jumps += 1
            self.cut()
        self._pts_seconds, self._size_wh = pts_seconds, size_wh
        for life in self._lives:
            life.move(pts_seconds, was_looked_at=not known_only or self._is_known(life))
        detections = detections[detections.score >= self._settings.keep_score]
        self._bear(self._associate(detections), pts_seconds)
        self._change()
        self._end([life for life in self._lives if self._is_over(life)])
        for life in self._lives:
            life.is_confirmed = self._is_convincing(life)
        return [life.snapshot(size_wh) for life in self._lives]

    def cut(self) -> None:
        """End all tracks: what follows is another scene."""
        self._end(self._lives)

    def ended(self) -> list[Track]:
        """Return the confirmed tracks that ended since this was last called."""
        ended, self._ended = self._ended, []
        return ended

    def finish(self) -> list[Track]:
        """End all tracks (the stream is over) and return those that `ended` has not given yet."""
        self.cut()
        return self.ended()

    def _is_jump(self, pts_seconds: float, size_wh: tuple[int, int]) -> bool:
        if self._pts_seconds is None:
            return False
        return size_wh != self._size_wh or not 0 < pts_seconds - self._pts_seconds <= self._settings.gap_seconds

    def _associate(self, detections: Detections) -> Detections:
        """Give each track its detection; return those that none took."""
        if not self._lives or not len(detections):
            return detections
        predicted = Detections(
            np.array([life.xyxy for life in self._lives], np.float32),
            np.array([life.vote.score for life in self._lives], np.float32),
            np.array([life.vote.class_id for life in self._lives], np.int64),
        )
        reach = self._settings.reach_sizes + np.minimum([life.motion.doubt_sizes for life in self._lives], _MOST_DOUBT)
        cost = np.where(self._is_misshapen(detections), np.inf, self._cost(predicted, detections))
        if self._is_judged:
            is_other = predicted.class_id[:, None] >= self._known_classes
            cost = np.where(is_other == (detections.class_id >= self._known_classes), cost, np.inf)
        pairs = assign(cost, reach)
        for row, column in pairs:
            self._take(self._lives[row], detections, column)
        is_free = np.ones(len(detections), bool)
        is_free[[column for _, column in pairs]] = False
        return detections[is_free]

    def _is_misshapen(self, detections: Detections) -> NDArray[np.bool_]:
        """Say of each track (rows) which detections have not its shape, but for those that the edge cuts."""
        if not self._settings.reach_shape:
            return np.zeros((len(self._lives), len(detections)), bool)
        log_sides = np.log(np.maximum(detections.xyxy[:, 2:] - detections.xyxy[:, :2], 1.0))
        off = np.abs(np.array([life.log_sides for life in self._lives])[:, None] - log_sides).max(axis=2)
        is_whole = ((detections.xyxy[:, :2] > 0) & (detections.xyxy[:, 2:] < self._size_wh)).all(axis=1)
        is_steady = np.array([life.sure_hits >= self._settings.confirm_hits for life in self._lives])
        is_bound = is_steady[:, None] | (detections.score < self._threshold)
        return np.asarray((off > math.log(self._settings.reach_shape)) & is_whole & is_bound)

    def _bear(self, detections: Detections, pts_seconds: float) -> None:
        """Begin tracks, the surest first, except for a second box on a sign that has one in this frame."""
        for row in np.argsort(-detections.score, kind="stable").tolist():
            is_double = covered(detections.xyxy[row], self._in_the_way()).max(initial=0) > _DOUBLE
            if detections.score[row] < self._threshold or is_double:
                continue
            self._born += 1
            life = _Life(
                self._born,
                _box(detections, row),
                pts_seconds=pts_seconds,
                height=self._size_wh[1],
                vote=_Vote(self._known_classes),
            )
            self._take(life, detections, row)
            self._lives.append(life)

    def _in_the_way(self) -> Boxes:
        """Return the boxes of this frame where nothing begins: float32 (N, 4)."""
        seen = [life for life in self._lives if life.detection_score is not None]
        if self._is_judged:
            seen = [life for life in seen if self._has_meaning(life.vote.class_id)]
        return np.array([life.xyxy for life in seen], np.float32).reshape(-1, 4)

    def _take(self, life: _Life, detections: Detections, row: int) -> None:
        score = float(detections.score[row])
        life.take(
            _box(detections, row),
            class_id=int(detections.class_id[row]),
            score=score,
            is_sure=score >= self._threshold,
            size_wh=self._size_wh,
            embedding=None if detections.embedding is None else detections.embedding[row],
        )

    def _change(self) -> None:
        """End the tracks that have become something else, and go on with others in their places."""
        if not self._settings.change_seconds:
            return
        for place, life in enumerate(self._lives):
            since = life.doubted_since
            if since is None or life.pts_seconds - since < self._settings.change_seconds - _SLACK:
                continue
            self._born += 1
            heir = life.heir(self._born, vote=_Vote(self._known_classes), size_wh=self._size_wh)
            if life.is_confirmed:
                self._ended.append(life.snapshot(self._size_wh, is_over=True))
            self._lives[place] = heir

    def _is_over(self, life: _Life) -> bool:
        """A track is over when its gap is too long, or when it is expected to have left the picture."""
        if life.detection_score is not None:
            return False
        settings = self._settings
        gap = settings.gap_seconds if life.sure_hits >= settings.confirm_hits else settings.tentative_gap_seconds
        return not self._is_inside(life.xyxy) or life.pts_seconds - life.end_seconds > gap

    def _is_known(self, life: _Life) -> bool:
        return self._has_meaning(life.vote.class_id) or self._is_named(life)

    def _is_named(self, life: _Life) -> bool:
        return not self._has_meaning(life.vote.class_id) and life.id in self._named

    def _has_meaning(self, class_id: int) -> bool:
        return class_id < self._known_classes

    def _is_inside(self, box: Box) -> bool:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        return 0 <= x <= self._size_wh[0] and 0 <= y <= self._size_wh[1]

    def _is_convincing(self, life: _Life) -> bool:
        settings = self._settings
        return (
            life.sure_hits >= settings.confirm_hits
            and life.sure_seconds >= settings.confirm_seconds
            and life.side_px >= settings.confirm_side_px
            and life.sure_share >= settings.confirm_share
            and life.growth >= settings.confirm_growth
            and life.vote.score >= settings.confirm_score
            and life.vote.margin >= settings.confirm_margin
        )

    def _end(self, over: list[_Life]) -> None:
        ids = {life.id for life in over}
        self._ended += [life.snapshot(self._size_wh, is_over=True) for life in over if life.is_confirmed]
        self._lives = [life for life in self._lives if life.id not in ids]


def distance_cost(predicted: Detections, found: Detections) -> NDArray[np.float64]:
    """Distance of the centres in box sizes, plus half the log of the sizes' ratio, plus 0.2 for another class.

    Distance rather than IoU: one bump of the road moves a sign of 16 px out of its box, and all IoUs are then 0 alike.
    The class counts for little, so that a track survives its flicker and yet two signs on one post do not swap.
    """
    centre_a, size_a = _centres_and_sizes(predicted)
    centre_b, size_b = _centres_and_sizes(found)
    size = np.sqrt(size_a[:, None] * size_b)
    distance = np.linalg.norm(centre_a[:, None] - centre_b, axis=2) / size
    ratio = np.abs(np.log(size_a[:, None] / size_b))
    is_other = predicted.class_id[:, None] != found.class_id
    return np.asarray(distance + 0.5 * ratio + 0.2 * is_other, np.float64)


# A lost track's reach grows with its doubt, but never beyond this: three sizes away stands another sign.
_MOST_DOUBT = 2.0
# Hits whose mean is the size at first sight.
_FIRST_HITS = 3
# How far the shape that a track has lately had follows each of its boxes.
_SHAPE_GAIN = 0.3
# Seconds that PTS may be off by rounding.
_SLACK = 1e-6
# The share of a box that may lie on another's before it is a second box on the same sign.
_DOUBLE = 0.5


class _Vote:
    """The class of one object by its detections, each with the weight of its score.

    Every known class stands for itself; all classes from `known_classes` on stand together as one rival, for what
    matters is whether a sign is one of the known ones.

    class_id: of the leader, -1 before the first vote; it is asked for far more often than votes come
    """

    def __init__(self, known_classes: int) -> None:
        self.class_id = -1
        self._known_classes = known_classes
        self._weights: dict[int, float] = {}  # a class's sum of scores
        self._party_weights: dict[int, float] = {}
        self._party_squares: dict[int, float] = {}  # a party's sum of squared scores

    def add(self, class_id: int, score: float) -> None:
        party = self._party(class_id)
        self._weights[class_id] = self._weights.get(class_id, 0.0) + score
        self._party_weights[party] = self._party_weights.get(party, 0.0) + score
        self._party_squares[party] = self._party_squares.get(party, 0.0) + score * score
        leader = _heaviest(self._party_weights)
        self.class_id = _heaviest({c: weight for c, weight in self._weights.items() if self._party(c) == leader})

    @property
    def score(self) -> float:
        """The mean score of the leader's detections, weighted by score; those of its rivals count as 0."""
        return self._party_squares[_heaviest(self._party_weights)] / sum(self._party_weights.values())

    @property
    def margin(self) -> float:
        """The leader's share of the vote less its strongest rival's, 0 to 1."""
        first, second, *_ = [*sorted(self._party_weights.values(), reverse=True), 0.0]
        return (first - second) / sum(self._party_weights.values())

    def _party(self, class_id: int) -> int:
        return min(class_id, self._known_classes)


class _Life:
    """What the tracker keeps of one object; born at a box that `take` gives it at once."""

    def __init__(self, number: int, box: Box, *, pts_seconds: float, height: int, vote: _Vote) -> None:
        self.id = number
        self.vote = vote
        self.motion = Motion(box, pts_seconds=pts_seconds, height=height)
        self.is_confirmed = False
        self.detection_score: float | None = None
        self.last_score, self.last_class_id = 0.0, -1
        self.embedding: NDArray[np.float32] | None = None
        self.log_sides = _log_sides(box)  # of late: the mean jitters less than each box
        self.xyxy = box
        self.pts_seconds = self.start_seconds = self.end_seconds = pts_seconds
        self.sure_hits = 0
        self.sure_seconds = 0.0
        self.side_px = 0.0
        self._looks = 1
        self._first_sides: list[float] = []
        self._largest_side = 0.0
        self._sure_since: float | None = None
        self._best = Best(box, pts_seconds, 0.0)
        self._best_worth = 0.0
        self._follows: int | None = None
        self._last_agreed = pts_seconds
        self._others: list[_Hit] = []  # the latest detections, where they are all of one other class

    @property
    def doubted_since(self) -> float | None:
        """PTS of the first of the latest sure detections, where these are all of one other class."""
        return self._others[0].pts_seconds if self._others else None

    @property
    def sure_share(self) -> float:
        """The share of sure hits among the looks at it, 0 to 1."""
        return min(1.0, self.sure_hits / self._looks)

    @property
    def growth(self) -> float:
        """How much larger than its first boxes (the mean of three, since they jitter) the largest one is."""
        return self._largest_side / (sum(self._first_sides) / len(self._first_sides))

    def move(self, pts_seconds: float, *, was_looked_at: bool) -> None:
        """Go on to the next frame; until `take` is called, the box there is a prediction."""
        self._looks += was_looked_at
        self.motion.move(pts_seconds)
        self.xyxy = self.motion.box
        self.pts_seconds = pts_seconds
        self.detection_score = None

    def take(
        self,
        box: Box,
        *,
        class_id: int,
        score: float,
        is_sure: bool,
        size_wh: tuple[int, int],
        embedding: NDArray[np.float32] | None,
    ) -> None:
        """Take this frame's detection."""
        self.motion.correct(box)
        self.log_sides += _SHAPE_GAIN * (_log_sides(box) - self.log_sides)
        self.xyxy = box
        self.detection_score = self.last_score = score
        self.last_class_id, self.embedding = class_id, embedding
        self.end_seconds = self.pts_seconds
        self.vote.add(class_id, score)
        self._doubt(_Hit(box, self.pts_seconds, class_id, score, embedding), is_sure=is_sure)
        side = math.sqrt(max(1.0, box[2] - box[0]) * max(1.0, box[3] - box[1]))
        self._largest_side = max(self._largest_side, side)
        if len(self._first_sides) < _FIRST_HITS:
            self._first_sides.append(side)
        if is_sure:
            self._sure_since = self.pts_seconds if self._sure_since is None else self._sure_since
            self.sure_hits += 1
            self.sure_seconds = self.pts_seconds - self._sure_since
            self.side_px = max(self.side_px, side)
        is_whole = box[0] > 0 and box[1] > 0 and box[2] < size_wh[0] and box[3] < size_wh[1]
        worth = score * side * (1.0 if is_whole else 0.5)
        if worth > self._best_worth:
            self._best, self._best_worth = Best(box, self.pts_seconds, score), worth

    def _doubt(self, hit: _Hit, *, is_sure: bool) -> None:
        """Remember the sure detections of one other class since the vote's own was found; faint ones say nothing."""
        if hit.class_id == self.vote.class_id:
            self._others = []
            self._last_agreed = hit.pts_seconds
        elif is_sure:
            is_same = bool(self._others) and self._others[0].class_id == hit.class_id
            self._others = [*self._others, hit] if is_same else [hit]

    def heir(self, number: int, *, vote: _Vote, size_wh: tuple[int, int]) -> _Life:
        """Return what is in its place since it was doubted, and end with what was found before."""
        first = self._others[0]
        heir = _Life(number, first.box, pts_seconds=first.pts_seconds, height=size_wh[1], vote=vote)
        heir._follows = self.id
        for hit in self._others:
            if hit is not first:
                heir.move(hit.pts_seconds, was_looked_at=True)
            heir.take(
                hit.box,
                class_id=hit.class_id,
                score=hit.score,
                is_sure=True,
                size_wh=size_wh,
                embedding=hit.embedding,
            )
        if heir.pts_seconds < self.pts_seconds:
            heir.move(self.pts_seconds, was_looked_at=True)
        self.end_seconds = self._last_agreed
        return heir

    def snapshot(self, size_wh: tuple[int, int], *, is_over: bool = False) -> Track:
        return Track(
            id=self.id,
            state="ended" if is_over else "confirmed" if self.is_confirmed else "tentative",
            class_id=self.vote.class_id,
            score=self.vote.score,
            xyxy=self.xyxy,
            detection_score=self.detection_score,
            start_seconds=self.start_seconds,
            end_seconds=self.end_seconds,
            passes_in_seconds=0.0 if is_over else self.motion.passes_in_seconds(size_wh),
            best=self._best,
            doubted_since=self.doubted_since,
            follows=self._follows,
        )


@dataclass(frozen=True, slots=True)
class _Hit:
    """A detection that a life took."""

    box: Box
    pts_seconds: float
    class_id: int
    score: float
    embedding: NDArray[np.float32] | None


def _heaviest(weights: dict[int, float]) -> int:
    """Return the key of the greatest weight; of equal ones the lowest, so that runs agree."""
    return min(weights, key=lambda key: (-weights[key], key))


def _centres_and_sizes(detections: Detections) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the centres (N, 2) and the roots of the areas (N,), at least 1 px."""
    low, high = detections.xyxy[:, :2].astype(np.float64), detections.xyxy[:, 2:].astype(np.float64)
    return (low + high) / 2, np.sqrt(np.maximum(high - low, 1.0).prod(axis=1))


def covered(box: NDArray[np.float32], others: Boxes) -> NDArray[np.float32]:
    """Return how much of the smaller of the two boxes is common to both, for each other box: float32 (N,), 0 to 1."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    areas = np.maximum(others[:, 2:] - others[:, :2], 1).prod(axis=1)
    smaller = np.minimum(areas, np.maximum(box[2:] - box[:2], 1).prod())
    return np.asarray(np.maximum(sides, 0).prod(axis=1) / smaller, np.float32)


def _log_sides(box: Box) -> NDArray[np.float64]:
    """Return the logarithms of width and height, at least 1 px each."""
    return np.log(np.maximum(np.subtract(box[2:], box[:2]), 1.0))


def _box(detections: Detections, row: int) -> Box:
    x1, y1, x2, y2 = detections.xyxy[row].tolist()
    return x1, y1, x2, y2
