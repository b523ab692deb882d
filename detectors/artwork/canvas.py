"""A small drawing board: filled and stroked outlines, antialiased by drawing large and averaging down.

Outlines are written in SVG's path syntax (M L H V C Q A Z, absolute) on a board of 100 by 100 units, x to the right
and y down. It knows nothing of signs.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""The corners of one outline: float64 (N, 2), board units."""

Place = NDArray[np.float64]
"""Where an outline goes: float64 (2, 3), from its own units to the board's."""

Color = tuple[int, int, int]
"""RGB, 0 to 255."""

BOARD = 100.0
_FULL_RASTER = 1024  # pixels: drawn at this size or more, a sign of 256 px has 16 samples a pixel
_SHIFT = 4  # fractional bits of cv2's coordinates
_MITRE_LIMIT = 4.0  # a sharper corner than this many half widths is cut off, as in SVG


def place(x: float = 0.0, y: float = 0.0, scale: float = 1.0, *, degrees: float = 0.0, stretch: float = 1.0) -> Place:
    """Return the placement that scales (x by `stretch` more; below 0 mirrors), turns clockwise, moves to (x, y)."""
    c, s = scale * math.cos(math.radians(degrees)), scale * math.sin(math.radians(degrees))
    return np.array([[c * stretch, -s, x], [s * stretch, c, y]])


def join(outer: Place, inner: Place) -> Place:
    """Return the placement that does `inner` first, then `outer`."""
    return np.column_stack([outer[:, :2] @ inner[:, :2], outer[:, :2] @ inner[:, 2] + outer[:, 2]])


HERE = place()
MIRRORED = place(BOARD, stretch=-1.0)
"""The board with left and right exchanged."""

UPSIDE_DOWN = place(BOARD, BOARD, degrees=180.0)


def circle(x: float, y: float, radius: float, radius_y: float | None = None) -> str:
    """Return a circle's (an ellipse's) path."""
    ry = radius if radius_y is None else radius_y
    return f"M{x - radius} {y} A{radius} {ry} 0 1 1 {x + radius} {y} A{radius} {ry} 0 1 1 {x - radius} {y} Z"


def box(x: float, y: float, width: float, height: float, radius: float = 0.0) -> str:
    """Return a rectangle's path, by its top left corner, with rounded corners."""
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], radius)


def polygon(corners: Sequence[tuple[float, float]], radius: float = 0.0) -> str:
    """Return a closed polygon's path; `radius` rounds its corners."""
    if not radius:
        return "M" + " L".join(f"{x} {y}" for x, y in corners) + " Z"
    p = np.array(corners, np.float64)
    back, ahead = _unit(np.roll(p, 1, axis=0) - p), _unit(np.roll(p, -1, axis=0) - p)
    half_angle = np.arccos(np.clip((back * ahead).sum(axis=1), -1, 1)) / 2
    start, end = p + back * (radius / np.tan(half_angle))[:, None], p + ahead * (radius / np.tan(half_angle))[:, None]
    sweep = (back[:, 0] * ahead[:, 1] - back[:, 1] * ahead[:, 0] < 0).astype(int)
    arcs = [
        f"L{sx} {sy} A{radius} {radius} 0 0 {turn} {ex} {ey}"
        for (sx, sy), (ex, ey), turn in zip(start, end, sweep, strict=True)
    ]
    return "M" + " ".join(arcs)[1:] + " Z"


class Canvas:
    """A transparent board that is painted on, later strokes over earlier ones."""

    def __init__(self, size: int) -> None:
        """Make a board that becomes an image of `size` by `size` pixels."""
        self._size = size
        self._factor = max(2, math.ceil(_FULL_RASTER / size))
        # Colours are held multiplied by their alpha, so that averaging down mixes no colour of the transparent ground.
        self._raster = np.zeros((size * self._factor, size * self._factor, 4), np.uint8)

    def fill(self, path: str, color: Color, at: Place = HERE) -> None:
        """Fill a path; where its outlines overlap, it is open (even-odd)."""
        self._paint([outline for outline, _ in _flatten(path, at)], color)

    def stroke(
        self, path: str, width: float, color: Color, at: Place = HERE, *, above: float = BOARD, below: float = 0.0
    ) -> None:
        """Draw along a path with flat ends and mitred corners; `width` is in board units whatever `at` scales.

        above, below: only what lies above the one height and below the other, board units, is drawn
        """
        for line, is_closed in _flatten(path, at):
            for piece in _widen(line, width / 2, is_closed):
                cut = _cut(_cut(piece, above, 1.0), below, -1.0)
                if len(cut):
                    self._paint([cut], color)

    def image(self) -> NDArray[np.uint8]:
        """Return the board: RGBA uint8 (size, size, 4), colours not multiplied by alpha."""
        small = cv2.resize(self._raster, (self._size, self._size), interpolation=cv2.INTER_AREA)
        alpha = small[..., 3:].astype(np.float32)
        color = np.divide(small[..., :3] * 255.0, alpha, out=np.zeros((*alpha.shape[:2], 3)), where=alpha > 0)
        return np.dstack([np.clip(np.rint(color), 0, 255).astype(np.uint8), small[..., 3]])

    def _paint(self, outlines: Sequence[Points], color: Color) -> None:
        scale = self._raster.shape[0] / BOARD
        # cv2 counts from the middle of the first pixel.
        fixed = [np.rint((o * scale - 0.5) * (1 << _SHIFT)).astype(np.int32) for o in outlines]
        cv2.fillPoly(self._raster, fixed, (*color, 255), cv2.LINE_8, _SHIFT)


def _widen(line: Points, half: float, is_closed: bool) -> list[Points]:
    """Return convex pieces that cover a line's stroke: a rectangle a segment, a mitre a corner."""
    ends = np.vstack([line, line[:1]]) if is_closed else line
    step = _unit(np.diff(ends, axis=0))
    normal = np.column_stack([-step[:, 1], step[:, 0]]) * half
    pieces = [np.array([a + n, b + n, b - n, a - n]) for a, b, n in zip(ends[:-1], ends[1:], normal, strict=True)]
    corners = range(len(step)) if is_closed else range(1, len(step))
    for k in corners:
        before, after = normal[k - 1], normal[k]
        outer = -1.0 if step[k - 1][0] * step[k][1] - step[k - 1][1] * step[k][0] > 0 else 1.0
        middle = before + after
        reach = 2 * half * half / max(float(middle @ middle), 1e-9)  # the mitre's tip lies at reach * middle
        tip = [ends[k] + outer * reach * middle] if reach * np.linalg.norm(middle) < _MITRE_LIMIT * half else []
        pieces.append(np.array([ends[k], ends[k] + outer * before, *tip, ends[k] + outer * after]))
    return pieces


def _cut(piece: Points, height: float, side: float) -> Points:
    """Return the part of a convex piece whose side * y is at most side * height (Sutherland and Hodgman)."""
    kept: list[NDArray[np.float64]] = []
    for a, b in zip(piece, np.roll(piece, -1, axis=0), strict=True):
        a_in, b_in = (side * p[1] <= side * height for p in (a, b))
        if a_in:
            kept.append(a)
        if a_in != b_in:
            kept.append(a + (b - a) * (height - a[1]) / (b[1] - a[1]))
    return np.array(kept)


def _unit(vectors: Points) -> Points:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _flatten(path: str, at: Place) -> list[tuple[Points, bool]]:
    """Return a path's outlines as (corners, is_closed) on the board."""
    return [(outline @ at[:, :2].T + at[:, 2], is_closed) for outline, is_closed in _outlines(path)]


@lru_cache(maxsize=2048)
def _outlines(path: str) -> tuple[tuple[Points, bool], ...]:
    tokens = re.findall(r"[A-Z]|-?[\d.]+(?:e-?\d+)?", path)
    done: list[tuple[Points, bool]] = []
    points: list[NDArray[np.float64]] = []
    command, at = "", 0

    def take(count: int) -> NDArray[np.float64]:
        nonlocal at
        at += count
        return np.array([float(t) for t in tokens[at - count : at]])

    def finish(is_closed: bool) -> None:
        if len(points) > 1:
            corners = np.array(points)
            moved = np.linalg.norm(np.diff(corners, axis=0, prepend=corners[:1] - 1), axis=1) > 1e-9
            corners = corners[moved]
            if is_closed and np.allclose(corners[0], corners[-1], atol=1e-6):
                corners = corners[:-1]
            done.append((corners, is_closed))
        points.clear()

    while at < len(tokens):
        if tokens[at].isalpha():
            command = tokens[at]
            at += 1
        match command:
            case "M":
                finish(is_closed=False)
                points.append(take(2))
                command = "L"
            case "L":
                points.append(take(2))
            case "H":
                points.append(np.array([take(1)[0], points[-1][1]]))
            case "V":
                points.append(np.array([points[-1][0], take(1)[0]]))
            case "Q":
                points.extend(_bezier(points[-1], take(2), take(2)))
            case "C":
                points.extend(_bezier(points[-1], take(2), take(2), take(2)))
            case "A":
                points.extend(_arc(points[-1], take(7)))
            case "Z":
                finish(is_closed=True)
            case _:
                raise ValueError(f"unknown path command {command!r} in {path!r}")
    finish(is_closed=False)
    return tuple(done)


def _bezier(*control: NDArray[np.float64], steps: int = 16) -> list[NDArray[np.float64]]:
    """Return points of a Bézier curve after its start (de Casteljau)."""
    t = np.linspace(0, 1, steps + 1)[1:, None]
    level = [np.broadcast_to(c, (steps, 2)) for c in control]
    while len(level) > 1:
        level = [a + (b - a) * t for a, b in itertools.pairwise(level)]
    return list(level[0])


def _arc(start: NDArray[np.float64], values: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return points of an SVG elliptical arc (rx ry 0 large sweep x y, axes not turned) after its start."""
    rx, ry, _, is_large, is_clockwise, x, y = values
    radii, end = np.array([rx, ry]), np.array([x, y])
    # In units of the radii it is a circle: its centre lies on the chord's perpendicular bisector.
    a, b = start / radii, end / radii
    chord = b - a
    length = float(np.linalg.norm(chord))
    away = math.sqrt(max(0.0, 1 - length * length / 4))
    side = 1.0 if bool(is_large) != bool(is_clockwise) else -1.0
    grow = max(1.0, length / 2)  # an arc too small for its chord grows until it fits, as in SVG
    centre = (a + b) / 2 + side * away * np.array([-chord[1], chord[0]]) / max(length, 1e-12)
    first, last = (math.atan2(*(p - centre)[::-1]) for p in (a, b))
    turn = (last - first) % (2 * math.pi) if is_clockwise else -((first - last) % (2 * math.pi))
    angles = first + turn * np.linspace(0, 1, max(4, math.ceil(abs(turn) / (math.pi / 24))) + 1)[1:]
    return list((centre + grow * np.column_stack([np.cos(angles), np.sin(angles)])) * radii)
