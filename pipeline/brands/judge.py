"""Says of which brand a track is by all evidence: the picture's vote over its life, and the words that stand there.

A track is read when it is first believed, and again where it has become notably larger or what was read is not clear; a
few times a second of video over all of them, by PTS, so that the same file is judged alike. Both kinds of evidence are
log-odds and are added up (`detectors/wording.py`): words that are clearly others reject what the picture took for a
brand, and words that are another brand's name it. Passive, of one stream.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import ceil, inf

from detectors.reading import LEAST_HEIGHT, Line, Reader
from detectors.wording import Wording, judged
from pipeline.motion import Box
from pipeline.tracker import Track
from streams.frame import Frame

MARGIN_WH = 0.15, 0.2
"""What is read around a box, in its sides: boxes are often a little too small or aside."""
HELD_SECONDS = 0.6
"""So long a track waits to be read before it is believed for its picture alone; less than the account waits."""
AGAIN_SECONDS = 0.24
"""So long after a look at which the words were not clear it is looked at again."""
LARGER = 1.3
"""A track is looked at again when its side is so many times that of the last look."""
MOST_LOOKS = 6
CLEAR = 4.0
"""Log-odds of the words from which nothing more is read."""
BURST_SECONDS = 2.0
"""So much of the allowance may be spent at once, as after a cut."""


class Judge:
    """One stream's judge: `judged` every frame, in order.

    reader: None where nothing is read; wording: the word marks of the brands, by class_id
    readings_per_second: allowed in a second of video. Goes up: more tracks are read in time, 20 ms each on a core
    """

    def __init__(self, reader: Reader | None, wording: Wording, *, readings_per_second: float = 6.0) -> None:
        self._reader = None if wording.is_empty or readings_per_second <= 0 else reader
        self._wording = wording
        self._rate = readings_per_second
        self._allowance = self._most = max(1.0, readings_per_second * BURST_SECONDS)
        self._now = -inf
        self._cases: dict[int, _Case] = {}

    def judged(self, frame: Frame, tracks: Sequence[Track]) -> list[Track]:
        """The frame's tracks, named by all that is known of them; those that are none of the brands are left out."""
        if self._reader is None:
            return list(tracks)
        self._cases = {track.id: self._cases[track.id] for track in tracks if track.id in self._cases}
        now = frame.pts_seconds
        self._allowance = min(self._most, self._allowance + self._rate * max(0.0, now - max(self._now, 0.0)))
        self._now = now
        believed = [track for track in tracks if track.state == "confirmed"]
        for track in believed:
            self._cases.setdefault(track.id, _Case(now))
        due = [t for t in believed if self._is_due(t, now)]
        for track in sorted(due, key=lambda t: (len(self._cases[t.id].lines), -_side(t.xyxy), t.id)):
            if self._allowance < 1:
                break
            self._allowance -= 1
            self._look(frame, track, self._reader)
        return [verdict for track in tracks if (verdict := self._verdict(track, now)) is not None]

    def ended(self, tracks: Iterable[Track]) -> list[Track]:
        """Those that were a brand, of the tracks that ended since the last frame; to be asked before the next."""
        return [verdict for track in tracks if (verdict := self._verdict(track, inf)) is not None]

    def _is_due(self, track: Track, now: float) -> bool:
        case = self._cases[track.id]
        x1, y1, x2, y2 = track.xyxy
        if track.is_bridged or y2 - y1 < LEAST_HEIGHT or x2 - x1 < y2 - y1 or len(case.lines) >= MOST_LOOKS:
            return False
        if not case.lines or _side(track.xyxy) >= LARGER * case.side:
            return True
        return now - case.looked_at >= AGAIN_SECONDS and not self._is_clear(track, case)

    def _is_clear(self, track: Track, case: _Case) -> bool:
        """Whether more reading would tell no more: the words are clear, or there are none."""
        if len(case.lines) >= 2 and not any(text for text, _ in case.lines):
            return True
        brand, odds = judged(track.score, track.class_id, case.lines, self._wording)
        return abs(self._wording.of(case.lines, brand)) >= CLEAR and abs(odds) >= 1

    def _look(self, frame: Frame, track: Track, reader: Reader) -> None:
        case = self._cases[track.id]
        x1, y1, x2, y2 = track.xyxy
        dx, dy = MARGIN_WH[0] * (x2 - x1), MARGIN_WH[1] * (y2 - y1)
        width, height = frame.size_wh
        left, top = max(0, int(x1 - dx)), max(0, int(y1 - dy))
        right, bottom = min(width, ceil(x2 + dx)), min(height, ceil(y2 + dy))
        if right - left < LEAST_HEIGHT or bottom - top < LEAST_HEIGHT:
            return
        (line,) = reader.read([frame.patch(left, top, right, bottom)])
        case.lines.append(line)
        case.looked_at, case.side = frame.pts_seconds, _side(track.xyxy)

    def _verdict(self, track: Track, now: float) -> Track | None:
        case = self._cases.get(track.id)
        if case is None:
            return track
        if not case.lines:
            is_to_be_read = self._wording.has_marks(track.class_id) and track.xyxy[3] - track.xyxy[1] >= LEAST_HEIGHT
            waits = is_to_be_read and now - case.since < HELD_SECONDS
            return replace(track, state="tentative") if waits else track
        brand, odds = judged(track.score, track.class_id, case.lines, self._wording)
        if odds < 0:
            return None
        if brand == track.class_id and not self._wording.of(case.lines, brand):
            return track
        return replace(track, class_id=brand, score=1 / (1 + math.exp(-odds)))


@dataclass(slots=True)
class _Case:
    """What was read of a track. side: of its box at the last look."""

    since: float
    lines: list[Line] = field(default_factory=list)
    looked_at: float = -inf
    side: float = 0.0


def _side(box: Box) -> float:
    return math.sqrt(max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1]))
