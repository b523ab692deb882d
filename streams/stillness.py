"""Whether a live picture has stood still or been black for long. Knows pixels; knows not where they come from."""

from __future__ import annotations

from typing import Literal

import numpy as np

from streams.frame import Frame
from streams.pixels import Plane

_SAMPLES = 64
"""Points that are compared along the longer side."""

_EVERY_SECONDS = 0.25

_SAME = 0.25
"""Grey levels of 255 by which a picture that stands still may differ from what it was, in the mean: -60 dB."""

_BLACK = 38
"""Luma up to which a point is black: a tenth above the black of video, which is 16."""

_BLACK_SHARE = 0.98


class Stillness:
    """Looks at a few points of a few frames a second. Single-threaded.

    frozen_seconds: after so long without change the picture is frozen. Goes up: a still scene is less often taken for a
        dead camera
    black_seconds: the same for a black picture; 0 for either never says so
    """

    def __init__(self, *, frozen_seconds: float, black_seconds: float) -> None:
        self._frozen_seconds = frozen_seconds
        self._black_seconds = black_seconds
        self._looked_at = float("-inf")
        self._reference: Plane | None = None
        self._same_since = 0.0
        self._black_since: float | None = None
        self.state: Literal["live", "frozen", "black"] = "live"

    def look(self, frame: Frame) -> Literal["live", "frozen", "black"]:
        """Return how the picture is, this frame taken into account."""
        at = frame.received_at
        if at - self._looked_at >= _EVERY_SECONDS:
            self._looked_at = at
            self.state = self._judge(frame.luma(max(1, max(frame.size_wh) // _SAMPLES)), at)
        return self.state

    def forget(self) -> None:
        """Begin anew, as after a gap."""
        self._reference = self._black_since = None
        self._looked_at = float("-inf")
        self.state = "live"

    def _judge(self, sample: Plane, at: float) -> Literal["live", "frozen", "black"]:
        is_black = np.count_nonzero(sample <= _BLACK) >= _BLACK_SHARE * sample.size
        self._black_since = (at if self._black_since is None else self._black_since) if is_black else None
        reference = self._reference
        if (
            reference is None
            or reference.shape != sample.shape
            or np.abs(sample.astype(np.int16) - reference).mean() > _SAME
        ):
            self._reference, self._same_since = sample.copy(), at
        if 0 < self._black_seconds <= at - (at if self._black_since is None else self._black_since):
            return "black"
        if 0 < self._frozen_seconds <= at - self._same_since:
            return "frozen"
        return "live"
