"""Little worlds: a straight road with squares for signs, and a detector that finds coloured squares.

So most tests need no weights, and what must be found is known exactly. A square's colour is its class.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.detector import with_expected
from detectors.labels import SIGN_LABELS
from detectors.picture import Image, Picture
from streams.frame import Frame, StreamInfo
from streams.pixels import RgbPixels
from tests.media import write_video

Boxes = NDArray[np.float32]
Expected = Sequence[Detections] | None
"""As `Detector.verify` takes it."""

FPS = 25
SIZE_WH = (640, 384)
FOCAL_PX = 560.0
SPEED = 14.0  # metres a second, 50 km/h

# Colours far apart in RGB, so that a lossy encoder does not mix them up.
CLASS_COLOURS: dict[int, tuple[int, int, int]] = {
    1: (250, 30, 30),  # speed limit 30
    2: (30, 230, 30),  # speed limit 50
    6: (30, 60, 250),  # end of 80
    13: (240, 240, 20),  # give way
    14: (230, 20, 230),  # stop
    32: (20, 230, 230),  # end of all restrictions
    43: (250, 140, 20),  # a sign that is none of the known ones
}
ROAD_GREY = 90


@dataclass(frozen=True)
class Sign:
    """A square beside the road. x, y: metres right of and below the camera; z: metres ahead of it at time 0."""

    class_id: int
    x: float = 3.0
    y: float = -1.0
    z: float = 40.0
    side: float = 0.8
    hidden: tuple[tuple[float, float], ...] = ()  # spans of seconds in which something stands before it

    def xyxy(self, seconds: float) -> tuple[float, float, float, float] | None:
        """Return its box where it is wholly in the picture and not hidden, else None."""
        z = self.z - SPEED * seconds
        if z < 0.5 or any(start <= seconds < end for start, end in self.hidden):
            return None
        x, y, half = (FOCAL_PX * v / z for v in (self.x, self.y, self.side / 2))
        x, y = x + SIZE_WH[0] / 2, y + SIZE_WH[1] / 2
        if x - half < 0 or y - half < 0 or x + half > SIZE_WH[0] or y + half > SIZE_WH[1]:
            return None
        return x - half, y - half, x + half, y + half

    @property
    def passes_at(self) -> float:
        """The last moment at which it is wholly in the picture, seconds."""
        reach_x, reach_y = SIZE_WH[0] / 2, SIZE_WH[1] / 2
        nearest = FOCAL_PX * max((abs(self.x) + self.side / 2) / reach_x, (abs(self.y) + self.side / 2) / reach_y)
        return (self.z - nearest) / SPEED


def times(seconds: float, fps: float = FPS) -> list[float]:
    return [i / fps for i in range(round(seconds * fps))]


def detections(signs: Sequence[Sign], seconds: float, *, score: float = 0.95) -> Detections:
    """Return what a perfect detector finds at that time."""
    seen = [(box, sign.class_id) for sign in signs if (box := sign.xyxy(seconds)) is not None]
    return found([box for box, _ in seen], [class_id for _, class_id in seen], [score] * len(seen))


def found(
    boxes: Sequence[tuple[float, float, float, float]], class_ids: Sequence[int], scores: Sequence[float]
) -> Detections:
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(class_ids, np.int64)
    )


def picture(signs: Sequence[Sign], seconds: float) -> Image:
    """Draw the road at that time, RGB uint8 (H, W, 3)."""
    image = np.full((SIZE_WH[1], SIZE_WH[0], 3), ROAD_GREY, np.uint8)
    for sign in sorted(signs, key=lambda s: -s.z):
        box = sign.xyxy(seconds)
        if box is not None:
            x1, y1, x2, y2 = (round(edge) for edge in box)
            image[y1:y2, x1:x2] = CLASS_COLOURS[sign.class_id]
    return image


def frame(image: Image, *, index: int = 0, stream: str = "road", fps: int = FPS, pts: int | None = None) -> Frame:
    """Wrap a picture as the index-th frame of a stream with a constant rate (or with a pts of its own)."""
    pts = index if pts is None else pts
    return Frame(
        stream=stream,
        index=index,
        pts=pts,
        time_base=Fraction(1, fps),
        pts_seconds=pts / fps,
        duration_seconds=1 / fps,
        received_at=time.monotonic(),
        is_corrupt=False,
        pixels=RgbPixels(image),
    )


class WorldSource:
    """A source that plays a world; it is a file unless told otherwise."""

    corrupt_packets = 0
    is_truncated = False
    resolution_changes = 0

    def __init__(
        self,
        signs: Sequence[Sign],
        seconds: float,
        *,
        name: str = "road",
        is_live: bool = False,
        breaks_after: int | None = None,
        error: Exception | None = None,
    ) -> None:
        self.info = StreamInfo(name, SIZE_WH, float(FPS), Fraction(1, FPS), is_live, None, seconds)
        self.is_closed = False
        self._signs, self._times = signs, times(seconds)
        self._breaks_after, self._error = breaks_after, error

    def __iter__(self) -> Iterator[Frame]:
        for index, seconds in enumerate(self._times):
            if index == self._breaks_after and self._error is not None:
                raise self._error
            yield frame(picture(self._signs, seconds), index=index, stream=self.info.name)

    def close(self) -> None:
        self.is_closed = True


class SquareDetector:
    """Finds coloured squares of 4 px and more. `scan` sees all of the picture, `verify` only around its proposals."""

    labels = SIGN_LABELS
    threshold = 0.5

    def __init__(self) -> None:
        self.hashes = {"squares.safetensors": "0" * 64}
        self.scans: list[int] = []  # pictures in each call
        self.shrinks: list[float] = []
        self.verifications: list[int] = []

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[NDArray[np.float32]]:
        self.scans.append(len(pictures))
        self.shrinks.append(shrink)
        return [_squares(p.rgb()).xyxy.copy() for p in pictures]

    def verify(
        self,
        pictures: Sequence[Picture],
        proposals: Sequence[Boxes],
        expected: Expected = None,
    ) -> list[Detections]:
        self.verifications.append(len(pictures))
        proposals = with_expected(proposals, expected)
        return [self._verify(p, boxes) for p, boxes in zip(pictures, proposals, strict=True)]

    def __call__(self, images: Sequence[Picture]) -> list[Detections]:
        return self.verify(images, self.scan(images))

    def _verify(self, picture: Picture, proposals: NDArray[np.float32]) -> Detections:
        """Keep the squares whose centre lies in a proposal: a wrong proposal finds nothing."""
        squares = _squares(picture.rgb())
        centres = (squares.xyxy[:, :2] + squares.xyxy[:, 2:]) / 2
        inside = (proposals[:, None, :2] <= centres) & (centres <= proposals[:, None, 2:])
        return squares[inside.all(axis=2).any(axis=0)]


def _squares(image: Image) -> Detections:
    """Find what is coloured, and name it by the colour of its middle."""
    saturation = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[:, :, 1]
    _, _, stats, _ = cv2.connectedComponentsWithStats((saturation > 120).astype(np.uint8))
    boxes, class_ids, scores = [], [], []
    for x, y, width, height, area in stats[1:].tolist():
        if width >= 4 and height >= 4 and area > 0.8 * width * height:
            middle = image[y + height // 2, x + width // 2].astype(int)
            boxes.append((x, y, x + width, y + height))
            class_ids.append(min(CLASS_COLOURS, key=lambda c: np.abs(middle - CLASS_COLOURS[c]).sum()))
            scores.append(1 - 0.5 * math.exp(-min(width, height) / 6))
    return found(boxes, class_ids, scores)


def write_world(
    path: Path, signs: Sequence[Sign], seconds: float, *, codec: str = "ffv1", pix_fmt: str = "bgr0"
) -> Path:
    """Write a world as a video; by itself without loss, so that no encoder's version has a say in what is decoded."""
    pictures = [picture(signs, now) for now in times(seconds)]
    return write_video(
        path,
        codec=codec,
        pix_fmt=pix_fmt,
        size_wh=SIZE_WH,
        pts=range(len(pictures)),
        time_base=Fraction(1, FPS),
        pictures=pictures,
    )
