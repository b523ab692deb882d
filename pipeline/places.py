"""Where to look in one stream's frames: what a scan proposes, where tracks are, and what need not be looked at again.

A scan proposes the same places again and again. What was looked at a moment ago, was nothing and still looks the same
is passed over, and what is tracked is followed as between scans. What is tracked and has not changed at all, as before
a camera that stands still, is not even that: it is what it was. After a while everything is looked at anew, places that
were nothing and have not changed at all a little later: so neither a name that was taken for granted nor a place that
was given up lives for ever. All goes by PTS.
"""

from __future__ import annotations

from math import inf

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from detectors.detections import DOUBLE, Detections
from pipeline.looks import Looks
from pipeline.tracker import Boxes, Tracker
from streams.frame import Frame

_SAME_PLACE = 0.5  # IoU from which a proposal is where a track is expected: looking twice would find the same
_UNCHANGED_SECONDS = 4.0  # so long what has not changed at all stays nothing: another look would see the same


class Places:
    """One stream's. Per frame: `where`, then `learn` what was found there.

    tracker: of the stream
    anew_seconds: so long after everything in a scan was looked at, everything is again. Goes up: faster, and what is
        taken for something else, or for nothing, stays so for longer; 0: with every scan, and nothing is taken for
        unchanged
    """

    def __init__(self, tracker: Tracker, *, anew_seconds: float = 0.0) -> None:
        self._tracker = tracker
        self._anew_seconds = anew_seconds
        self._anew_at = -inf
        self._nothing, self._nothing_since = Looks.empty(), np.zeros(0)
        self._things, self._things_looks = Detections.empty(), Looks.empty()
        self._unchanged = Detections.empty()
        self._asked: tuple[Boxes, Looks] | None = None

    def where(self, frame: Frame, proposals: Boxes | None) -> tuple[Boxes, Detections]:
        """Return the boxes to look at in a frame, and what is expected there, less what has not changed.

        proposals: None where nothing was scanned; then only tracks of known classes are looked at
        """
        self._asked, self._unchanged = None, Detections.empty()
        now, none = frame.pts_seconds, np.zeros((0, 4), np.float32)
        if proposals is None:
            return none, self._changed(frame, self._tracker.expected(now, known_only=True))
        is_anew = not 0 <= now - self._anew_at < self._anew_seconds - frame.duration_seconds / 2
        if is_anew:
            self._anew_at = now
            self._forget_nothing(frame)
            self._things, self._things_looks = Detections.empty(), Looks.empty()
            # What a judge named stays: who reads sees to it that it is read anew.
            expected, again = self._tracker.named(now), self._tracker.unnamed(now)
        else:
            expected, again = self._tracker.expected(now), none
        tracked = np.concatenate([expected.xyxy, again])
        proposals = proposals[iou(proposals, tracked).max(axis=1, initial=0) < _SAME_PLACE]
        if self._anew_seconds:
            looks = Looks.at(frame, proposals)
            looks = looks.of(~looks.are_among(self._nothing))
            self._asked, proposals = (tracked, looks), looks.boxes
        return np.concatenate([again, proposals]), self._changed(frame, expected)

    def learn(self, frame: Frame, found: Detections) -> Detections:
        """Remember what was found in the frame where it was last asked for, and what was nothing.

        Returns all that is there: what has not changed as well.
        """
        found = found[iou(found.xyxy, self._unchanged.xyxy).max(axis=1, initial=0) <= DOUBLE]
        hints = found[found.score >= self._tracker.keep_score]
        if self._asked is not None:
            tracked, looks = self._asked
            overlaps = iou(np.concatenate([tracked, looks.boxes]), hints.xyxy)
            is_source = np.zeros(len(overlaps), bool)
            if len(overlaps):
                is_source[overlaps.argmax(axis=0)] = True  # of a second box on one thing nothing comes again
            nothing = looks.of(~is_source[len(tracked) :])
            self._nothing = self._nothing.with_more(nothing)
            self._nothing_since = np.append(self._nothing_since, np.full(len(nothing), frame.pts_seconds))
        if self._anew_seconds:
            is_old = np.flatnonzero(~_are_same(self._things, hints).any(axis=1))
            self._things = Detections.concat([self._things[is_old], hints])
            self._things_looks = self._things_looks.of(is_old).with_more(Looks.at(frame, hints.xyxy))
        return Detections.concat([self._unchanged, found])

    def _forget_nothing(self, frame: Frame) -> None:
        """Forget what was nothing, but for what still looks exactly so and was looked at not long ago."""
        age = frame.pts_seconds - self._nothing_since
        is_held = (age >= 0) & (age < _UNCHANGED_SECONDS) & self._nothing.are_unchanged(frame)
        self._nothing, self._nothing_since = self._nothing.of(is_held), self._nothing_since[is_held]

    def _changed(self, frame: Frame, expected: Detections) -> Detections:
        """Return what of the expected is to be looked at: all but what looks exactly as when it was found."""
        pairs = _are_same(self._things, expected)
        candidates = np.flatnonzero(pairs.any(axis=1))
        rows = candidates[self._things_looks.of(candidates).are_unchanged(frame)]
        self._unchanged = self._things[rows]
        return expected[np.flatnonzero(~pairs[rows].any(axis=0))]


def _are_same(some: Detections, others: Detections) -> NDArray[np.bool_]:
    """Say which of some (rows) are which of the others (columns): of the same class, in the same place."""
    overlaps = iou(some.xyxy, others.xyxy) >= _SAME_PLACE
    return np.asarray(overlaps & (some.class_id[:, None] == others.class_id), np.bool_)
