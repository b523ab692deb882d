"""What is true of a generated drive and of each of its frames, and the file that holds it.

    truth file, JSON Lines:
    {"format": "wayside-road-truth", "version": 1, "seed", "size_wh", "fps", "frames", "signs": [
        {"id", "class_id", "name", "diameter_m", "leaves_seconds", "passes_seconds", "readable_seconds"}, ...]}
    then a line a frame:
    {"index", "pts_seconds", "signs": [{"id", "class_id", "name", "xyxy", "visible", "distance_m"}, ...]}

A sign outside of GTSRB's 43 classes has `class_id` null. It is listed in a frame from 6 pixels of width on, also while
it is hidden. Signs have left the picture before the drive ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class SignView:
    """One sign in one frame.

    id: the same through the drive
    class_id: GTSRB's number, None for a sign outside of the 43
    name: the class's label, or the other sign's name
    xyxy: the box around it, pixels, clipped to the picture
    visible: share of its area that is in the picture and not hidden, 0 to 1
    distance_m: along the road
    """

    id: int
    class_id: int | None
    name: str
    xyxy: tuple[float, float, float, float]
    visible: float
    distance_m: float


@dataclass(frozen=True, slots=True)
class FrameTruth:
    """What one frame shows."""

    index: int
    pts_seconds: float
    signs: tuple[SignView, ...]


@dataclass(frozen=True, slots=True)
class DriveSign:
    """One sign of the drive.

    leaves_seconds: time of the first frame after the last one that has its middle in the picture
    passes_seconds: when the camera is level with it
    readable_seconds: for so long it is 24/1280 of the picture's width or more, and at least nine tenths of it free
    """

    id: int
    class_id: int | None
    name: str
    diameter_m: float
    leaves_seconds: float
    passes_seconds: float
    readable_seconds: float


@dataclass(frozen=True, slots=True)
class DriveTruth:
    """What holds for a whole drive. size_wh: pixels; frames: their number; signs: in the order in which they come."""

    FORMAT: ClassVar = "wayside-road-truth"
    VERSION: ClassVar = 1
    seed: int
    size_wh: tuple[int, int]
    fps: float
    frames: int
    signs: tuple[DriveSign, ...]
