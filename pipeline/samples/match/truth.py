"""What is true of a generated match and of each of its frames.

    truth file, JSON Lines:
    {"format": "wayside-match-truth", "version": 1, "seed", "size_wh", "fps", "frames", "brands": [...],
     "lookalikes": [...], "shots": [{"number", "view", "is_replay", "first_frame", "frames"}, ...]}
    then a line a frame:
    {"index", "pts_seconds", "shot", "is_cut", "logos": [{"id", "brand", "place", "quad", "xyxy", "visible",
     "height_px", "blur_px"}, ...]}

`brands` can be enrolled; `lookalikes` stand on boards too and are none of them. A logo is listed from 4 pixels of
height on while any of it is seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class LogoView:
    """One logo in one frame.

    id: the same through the match
    place: led, board, wall, shirt or graphic
    quad: its corners as it is read, clockwise from the upper left, pixels; they may lie outside the picture
    xyxy: the box around it, pixels, clipped to the picture
    visible: share of its area that is in the picture and not hidden, 0 to 1
    height_px: of its left or right edge, whichever is less
    blur_px: how far its points are smeared, by a pan or out of focus
    """

    id: int
    brand: str
    place: str
    quad: tuple[Point, Point, Point, Point]
    xyxy: tuple[float, float, float, float]
    visible: float
    height_px: float
    blur_px: float


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """What one frame shows. shot: its number; is_cut: it is the first of a shot that is not the first one."""

    index: int
    pts_seconds: float
    shot: int
    is_cut: bool
    logos: tuple[LogoView, ...]


@dataclass(frozen=True, slots=True)
class ShotTruth:
    """One shot. view: which camera."""

    number: int
    view: str
    is_replay: bool
    first_frame: int
    frames: int


@dataclass(frozen=True, slots=True)
class MatchTruth:
    """What holds for a whole match. size_wh: pixels; frames: their number."""

    FORMAT: ClassVar = "wayside-match-truth"
    VERSION: ClassVar = 1
    seed: int
    size_wh: tuple[int, int]
    fps: float
    frames: int
    brands: tuple[str, ...]
    lookalikes: tuple[str, ...]
    shots: tuple[ShotTruth, ...]
