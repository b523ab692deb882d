"""The plan of a generated drive: how the car moves, what stands where, which signs come. All in metres and seconds.

It knows nothing of pixels but one thing: every sign must be plain to see long enough, see `Route.readable_seconds`.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from detectors import artwork
from pipeline.samples.road.ground import Line, Strip
from pipeline.samples.road.scenery import scenery
from pipeline.samples.road.view import BEND_STEP_M, FOCAL

EYE_M = 1.3
LANE_M = 1.75
"""Where the car drives: so far right of the road's middle."""

SIGHT_M = 300.0
_CLOCK = 50  # samples a second of the car's motion
_READABLE = 24 / 1280  # of the picture's width: a sign this wide can be read
_MUST_READ_SECONDS = 1.15  # a second is asked for; the bumps and the blur of a real exposure take some


@dataclass(frozen=True, slots=True)
class Thing:
    """A sprite that stands across the road's direction, its foot's middle at (x, foot_m, s)."""

    kind: str
    variant: int
    x: float
    s: float
    width_m: float
    height_m: float
    foot_m: float = 0.0
    is_mirrored: bool = False


@dataclass(frozen=True, slots=True)
class Building:
    """A house with its long wall at x along the road; x2 is where its gable ends away from the road."""

    variant: int
    x: float
    x2: float
    s: float
    s2: float
    eaves_m: float
    ridge_m: float


@dataclass(frozen=True, slots=True)
class Wall:
    """A hedge or a fence along the road."""

    variant: int
    x: float
    s: float
    s2: float
    height_m: float


@dataclass(frozen=True, slots=True)
class Rail:
    """One length of guard rail."""

    x: float
    s: float
    s2: float


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge over the road."""

    s: float
    s2: float
    clearance_m: float


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """A vehicle that moves: where it is at which time; at no other time is it there."""

    kind: str
    variant: int
    x: float
    width_m: float
    height_m: float
    seconds: NDArray[np.float64]
    s_m: NDArray[np.float64]

    def at(self, seconds: float) -> float | None:
        if not self.seconds[0] <= seconds <= self.seconds[-1]:
            return None
        return float(np.interp(seconds, self.seconds, self.s_m))


@dataclass(frozen=True, slots=True)
class SignPost:
    """A sign and how it hangs.

    class_id: GTSRB's number, None for a sign outside of the 43
    name: of `artwork.draw_other`, None for one of the 43
    y: metres of its middle above the road
    diameter_m: the side of the square that it is drawn in
    yaw, roll: degrees that it is turned towards the road, and tilted
    light: how much of the light it gives back, 1 a clean sign in the sun
    fade: 0 to 1, colours lost to age
    is_overhead: it hangs from an arm over the road
    """

    id: int
    class_id: int | None
    name: str | None
    x: float
    y: float
    s: float
    diameter_m: float
    yaw: float
    roll: float
    light: float
    fade: float
    is_overhead: bool


Standing = Thing | Building | Wall | Rail | Bridge


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A whole drive, laid out.

    kind: "country" (two lanes, through woods, fields and villages) or "motorway"
    seconds, s_m, speed: the car's motion, 50 samples a second; m and m/s
    heading, beside: of the road, a sample each 2 m: radians, and metres beside its first tangent
    """

    kind: str
    seconds: NDArray[np.float64]
    s_m: NDArray[np.float64]
    speed: NDArray[np.float64]
    heading: NDArray[np.float64]
    beside: NDArray[np.float64]
    standing: Sequence[Standing]  # by s
    movers: Sequence[Mover]
    strips: Sequence[Strip]
    lines: Sequence[Line]
    asphalt: tuple[float, float]
    signs: Sequence[SignPost]

    def s_at(self, seconds: float) -> float:
        return float(np.interp(seconds, self.seconds, self.s_m))

    def speed_at(self, seconds: float) -> float:
        return float(np.interp(seconds, self.seconds, self.speed))

    def heading_at(self, s: float) -> float:
        return _between(self.heading, s / BEND_STEP_M)

    def bend(self, s: float) -> NDArray[np.float64]:
        """Return how far the road ahead of s lies beside its tangent there, metres to the right, every 2 m."""
        count = int(1.5 * SIGHT_M / BEND_STEP_M)
        first, part = divmod(s / BEND_STEP_M, 1)
        near = self.beside[int(first) : int(first) + count + 1]
        ahead = near[:-1] * (1 - part) + near[1:] * part
        return np.asarray(ahead - ahead[0] - self.heading_at(s) * np.arange(len(ahead)) * BEND_STEP_M)

    def seen_between(self, s1: float, s2: float) -> Sequence[Standing]:
        """Return what begins to stand between two places, near first."""
        return self.standing[bisect_left(self.standing, s1, key=_s) : bisect_left(self.standing, s2, key=_s)]

    def passes_seconds(self, sign: SignPost) -> float:
        """Return when the camera is level with a sign."""
        return float(np.interp(sign.s, self.s_m, self.seconds))

    def readable_seconds(self, sign: SignPost) -> float:
        """Return for how long a sign is wide enough, within the picture and not hidden by more than a tenth."""
        return sum(not self.hiding(sign, t) for t in self._readable_times(sign)) / _CLOCK

    def _readable_times(self, sign: SignPost) -> list[float]:
        passes = self.passes_seconds(sign)
        times = []
        for t in np.arange(passes, max(0.0, passes - 12), -1 / _CLOCK):
            z = sign.s - self.s_at(t)
            if z < 2:
                continue
            if FOCAL * sign.diameter_m / z < _READABLE:
                break
            left, right, _, top = self._shape(sign.x, sign.s, sign.diameter_m, sign.y, sign.diameter_m, t)
            # A picture may be as flat as 16 by 9, its horizon in the middle.
            if max(-left, right) < 0.5 / FOCAL and top < 0.5 / FOCAL * 9 / 16:
                times.append(float(t))
        return times

    def hiding(self, sign: SignPost, seconds: float) -> list[Standing | Mover]:
        """Return what stands in a sign's way at a time, by the rectangles around things."""
        eye = self.s_at(seconds)
        box = self._shape(sign.x, sign.s, sign.diameter_m, sign.y, sign.diameter_m, seconds)
        hiding: list[Standing | Mover] = []
        for thing in self.seen_between(eye + 1, sign.s):
            if any(_share(box, part) > 0.1 for part in self._outlines(thing, seconds)):
                hiding.append(thing)
        for mover in self.movers:
            s = mover.at(seconds)
            if s is not None and eye + 1 < s < sign.s:
                part = self._shape(mover.x, s, mover.width_m, mover.height_m / 2, mover.height_m, seconds)
                if _share(box, part) > 0.1:
                    hiding.append(mover)
        return hiding

    def _shape(
        self, x: float, s: float, width: float, middle: float, height: float, seconds: float
    ) -> tuple[float, float, float, float]:
        """Return left, right, bottom and top of an upright rectangle as slopes: metres at a distance of one."""
        eye = self.s_at(seconds)
        z = max(s - eye, 0.5)
        k = eye / BEND_STEP_M
        here, there = _between(self.beside, k), _between(self.beside, k + z / BEND_STEP_M)
        aside = x + there - here - self.heading_at(eye) * z - LANE_M
        up = middle - EYE_M
        return (aside - width / 2) / z, (aside + width / 2) / z, (up - height / 2) / z, (up + height / 2) / z

    def _outlines(self, thing: Standing, seconds: float) -> list[tuple[float, float, float, float]]:
        """Return rectangles that hold all that is opaque of a thing."""
        match thing:
            case Thing(kind="tree"):  # a bare trunk, and the leaves above it
                crown = self._shape(
                    thing.x, thing.s, thing.width_m, 0.62 * thing.height_m, 0.8 * thing.height_m, seconds
                )
                return [crown, self._shape(thing.x, thing.s, 0.1 * thing.width_m, 1.5, 3.0, seconds)]
            case Thing(kind="shadow"):
                return []
            case Thing():
                middle = thing.foot_m + thing.height_m / 2
                return [self._shape(thing.x, thing.s, thing.width_m, middle, thing.height_m, seconds)]
            case Building() | Wall():
                height = thing.eaves_m if isinstance(thing, Building) else thing.height_m
                ends = [self._shape(thing.x, s, 0.3, height / 2, height, seconds) for s in (thing.s, thing.s2)]
                return [
                    (min(e[0] for e in ends), max(e[1] for e in ends), min(e[2] for e in ends), max(e[3] for e in ends))
                ]
            case _:
                return []  # rails are lower than any sign, bridges higher


def _between(values: NDArray[np.float64], place: float) -> float:
    """Return a value between two samples."""
    k = min(int(place), len(values) - 2)
    return float(values[k] + (values[k + 1] - values[k]) * (place - k))


def _s(thing: Standing) -> float:
    return thing.s


def _share(box: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Return how much of a box (left, right, bottom, top) another one covers, 0 to 1."""
    wide = max(0.0, min(box[1], other[1]) - max(box[0], other[0]))
    high = max(0.0, min(box[3], other[3]) - max(box[2], other[2]))
    return wide * high / ((box[1] - box[0]) * (box[3] - box[2]))


# --- planning ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the drive with one kind of surroundings."""

    kind: str
    seconds: float
    speed: float


def plan_route(seed: int, seconds: float, *, with_signs: bool) -> Route:
    """Lay out a drive. With and without signs it is the same drive, but for what hides a sign."""
    layout, traffic, signage = (np.random.default_rng([seed, k]) for k in range(3))
    kind = "motorway" if layout.random() < 0.25 else "country"
    stretches = _stretches(layout, kind, seconds)
    clock, s_m, speed = _motion(layout, stretches, seconds)
    heading, beside = _bends(layout, kind, s_m[-1] + 2 * SIGHT_M)
    borders = np.interp(np.cumsum([0.0] + [stretch.seconds for stretch in stretches]), clock, s_m)
    borders[-1] = s_m[-1] + SIGHT_M + 50
    borders[0] = -30

    standing: list[Standing] = []
    strips: list[Strip] = []
    for stretch, (s1, s2) in zip(stretches, itertools.pairwise(borders), strict=True):
        _SURROUNDINGS[stretch.kind](layout, float(s1), float(s2), standing, strips)
    movers = _traffic(traffic, kind, clock, s_m, speed)
    asphalt, lines = _road(kind)
    route = Route(
        kind=kind,
        seconds=clock,
        s_m=s_m,
        speed=speed,
        heading=heading,
        beside=beside,
        standing=sorted(standing, key=_s),
        movers=movers,
        strips=strips,
        lines=lines,
        asphalt=asphalt,
        signs=(),
    )
    return _with_signs(signage, route) if with_signs else route


def _stretches(rng: np.random.Generator, kind: str, seconds: float) -> list[_Stretch]:
    speeds = {"woods": (17, 26), "fields": (18, 28), "village": (8.5, 13.5), "avenue": (14, 21), "motorway": (23, 28)}
    left, last, stretches = seconds, "", []
    while left > 0:
        choices = [k for k in speeds if (k == "motorway") == (kind == "motorway") and (k != last or k == "motorway")]
        last = str(rng.choice(choices))
        length = float(rng.uniform(13, 26))
        stretches.append(_Stretch(last, length, float(rng.uniform(*speeds[last]))))
        left -= length
    return stretches


def _motion(
    rng: np.random.Generator, stretches: Sequence[_Stretch], seconds: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return clock, way and speed; the speed follows the stretches as a driver does, some seconds late."""
    clock = np.arange(math.ceil((seconds + 1) * _CLOCK) + 1) / _CLOCK
    ends = np.cumsum([stretch.seconds for stretch in stretches])
    wanted = np.array([stretches[k].speed for k in np.minimum(np.searchsorted(ends, clock), len(stretches) - 1)])
    wanted += 0.8 * np.sin(clock * rng.uniform(0.2, 0.5) + rng.uniform(0, 6))
    speed = np.empty_like(wanted)
    speed[0] = wanted[0]
    for k in range(1, len(clock)):
        pull = np.clip((wanted[k] - speed[k - 1]) / 1.8, -2.6, 1.8)
        speed[k] = speed[k - 1] + pull / _CLOCK
    way = np.concatenate([[0.0], np.cumsum((speed[1:] + speed[:-1]) / 2 / _CLOCK)])
    return clock, way, speed


def _bends(rng: np.random.Generator, kind: str, length: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return heading and place of a road whose curvature swells and fades."""
    count = math.ceil(length / BEND_STEP_M) + 2
    curvature = np.zeros(count)
    tightest, k = 0.0006 if kind == "motorway" else 0.003, 0
    while k < count:
        span = int(rng.uniform(40, 110) / BEND_STEP_M * (3 if kind == "motorway" else 1))
        if rng.random() < 0.7:
            swell = np.sin(np.linspace(0, np.pi, span)) ** 2 * rng.uniform(-tightest, tightest)
            curvature[k : k + span] = swell[: count - k]
        k += span
    heading = np.cumsum(curvature) * BEND_STEP_M
    return heading, np.cumsum(heading) * BEND_STEP_M


def _road(kind: str) -> tuple[tuple[float, float], list[Line]]:
    if kind == "motorway":
        dashes = [Line(0, 0.15, 6, 12), Line(-9.2, 0.15, 6, 12)]
        edges = [Line(3.6, 0.3), Line(-3.7, 0.15), Line(-5.6, 0.15), Line(-12.9, 0.3)]
        return (-15.2, 6.2), dashes + edges
    return (-3.6, 3.6), [Line(0, 0.13, 4, 8), Line(-3.3, 0.13), Line(3.3, 0.13)]


# --- surroundings -----------------------------------------------------------------------------------------------------


def _plant(rng: np.random.Generator, kind: str, x: float, s: float, height: float) -> list[Standing]:
    """A plant and its shadow."""
    variant = int(rng.integers(len(scenery().sprites[kind])))
    width = height * scenery().sprites[kind][variant].aspect
    shadow = Thing("shadow", 0, x + 0.2 * width, s, 1.1 * width, 0.35 * width, -0.15 * width)
    return [shadow, Thing(kind, variant, x, s - 0.01, width, height, 0.0, bool(rng.random() < 0.5))]


def _object(rng: np.random.Generator, kind: str, x: float, s: float, height: float, width: float = 0.0) -> Thing:
    variant = int(rng.integers(len(scenery().sprites[kind])))
    return Thing(kind, variant, x, s, width or height * scenery().sprites[kind][variant].aspect, height)


def _places(rng: np.random.Generator, s1: float, s2: float, every: float) -> NDArray[np.float64]:
    count = max(0, round((s2 - s1) / every))
    return np.sort(s1 + (s2 - s1) * (np.arange(count) + rng.uniform(0.05, 0.95, count)) / max(count, 1))


def _delineators(s1: float, s2: float, edge: float) -> list[Standing]:
    variant = scenery().sprites["delineator"][0]
    return [
        Thing("delineator", 0, side * edge, s, 1.0 * variant.aspect, 1.0)
        for s in np.arange(math.ceil(s1 / 50) * 50, s2, 50)
        for side in (-1, 1)
    ]


def _woods(rng: np.random.Generator, s1: float, s2: float, standing: list[Standing], strips: list[Strip]) -> None:
    mix = rng.uniform(0.1, 0.9)
    for side in (-1, 1):
        for near, far, every in ((8.5, 12.0, 8.0), (13.0, 22.0, 7.0)):
            for s in _places(rng, s1, s2, every):
                kind = "conifer" if rng.random() < mix else "tree"
                standing += _plant(rng, kind, side * rng.uniform(near, far), float(s), rng.uniform(8, 15))
        for s in _places(rng, s1, s2, 9):
            standing += _plant(rng, "bush", side * rng.uniform(6.8, 9), float(s), rng.uniform(0.8, 1.9))
        strips.append(Strip(side * 7.5, side * 60, s1, s2, (66, 62, 42)))
    standing += _delineators(s1, s2, 4.4)


_FIELDS = ((206, 190, 66), (116, 100, 76), (126, 146, 74), (196, 176, 116), (98, 130, 62), (150, 150, 92))


def _fields(rng: np.random.Generator, s1: float, s2: float, standing: list[Standing], strips: list[Strip]) -> None:
    for side in (-1, 1):
        for a, b in itertools.pairwise(np.linspace(s1, s2, 4)):
            strips.append(Strip(side * rng.uniform(8, 12), side * 400, a, b, _FIELDS[rng.integers(len(_FIELDS))]))
        for s in _places(rng, s1, s2, 34):
            kind, low, high = (("tree", 6, 12), ("bush", 1, 2.6))[rng.integers(2)]
            standing += _plant(rng, kind, side * rng.uniform(9, 45), float(s), rng.uniform(low, high))
        for s in _places(rng, s1, s2, 80):
            standing.append(_object(rng, "bale", side * rng.uniform(13, 40), float(s), 1.5))
        for s in _places(rng, s1, s2, 150):
            standing.append(_object(rng, "advert", side * rng.uniform(9, 13), float(s), rng.uniform(3, 4.4)))
        for s in _places(rng, s1, s2, 200):
            standing.append(_object(rng, "turbine", side * rng.uniform(110, 200), float(s) + 120, 95))
    side = -1 if rng.random() < 0.5 else 1
    standing += [_object(rng, "power_pole", side * 7.6, float(s), 8.5) for s in np.arange(s1, s2, 45)]
    standing += _delineators(s1, s2, 4.4)


def _avenue(rng: np.random.Generator, s1: float, s2: float, standing: list[Standing], strips: list[Strip]) -> None:
    kind = "poplar" if rng.random() < 0.5 else "tree"
    for side in (-1, 1):
        strips.append(Strip(side * 10, side * 400, s1, s2, _FIELDS[rng.integers(len(_FIELDS))]))
        for s in np.arange(s1 + 5, s2, 13):
            standing += _plant(rng, kind, side * 7.4, float(s + rng.normal(0, 0.5)), rng.uniform(9, 12))
        for s in _places(rng, s1, s2, 40):
            standing += _plant(rng, "bush", side * rng.uniform(9, 20), float(s), rng.uniform(0.8, 2))
    standing += _delineators(s1, s2, 4.4)


def _village(rng: np.random.Generator, s1: float, s2: float, standing: list[Standing], strips: list[Strip]) -> None:
    shops = ("parasol", "banner", "container", "advert")
    heights = {"parasol": 2.6, "banner": 5.0, "container": 1.6, "advert": 3.0}
    for side in (-1, 1):
        strips += [
            Strip(side * 3.45, side * 3.7, s1, s2, (176, 174, 168)),
            Strip(side * 3.7, side * 6.2, s1, s2, (150, 146, 140)),
        ]
        s = s1 + rng.uniform(2, 10)
        while s < s2 - 16:
            length, depth, x = rng.uniform(11, 17), rng.uniform(8, 10), rng.uniform(8.2, 11)
            eaves = rng.uniform(4.8, 6.6)
            variant = int(rng.integers(len(scenery().houses)))
            standing.append(
                Building(variant, side * x, side * (x + depth), s, s + length, eaves, eaves + rng.uniform(2.4, 3.6))
            )
            gap = rng.uniform(4, 15)
            fence = int(rng.integers(len(scenery().hedges)))
            standing.append(Wall(fence, side * 6.9, s + length, s + length + gap, rng.uniform(0.9, 1.5)))
            if gap > 6:
                standing += _plant(rng, "tree", side * rng.uniform(10, 13), s + length + gap / 2, rng.uniform(6, 9))
            s += length + gap
        for s in _places(rng, s1, s2, 26):
            standing.append(_object(rng, "person", side * rng.uniform(4.2, 6), float(s), rng.uniform(1.6, 1.85)))
        for s in _places(rng, s1, s2, 45):
            kind = shops[rng.integers(len(shops))]
            standing.append(_object(rng, kind, side * rng.uniform(6.6, 7.4), float(s), heights[kind]))
        for s in _places(rng, s1, s2, 38):
            kind = "car_behind" if side > 0 else "car_front"
            standing += _parked(rng, kind, side * rng.uniform(4.5, 4.8), float(s))
        standing += [_object(rng, "lamp", side * 6.0, float(s), 7.0) for s in np.arange(s1 + 9 * side, s2, 34)]
    middle = (s1 + s2) / 2
    strips += [Strip(x1, x2, middle, middle + 7, (104, 104, 106)) for x1, x2 in ((-60, -3.6), (3.6, 60))]
    standing += [_object(rng, "traffic_light", side * 4.6, middle - 1, 3.5) for side in (-1, 1)]


def _parked(rng: np.random.Generator, kind: str, x: float, s: float) -> list[Standing]:
    width, height = _SIZES[kind]
    shadow = Thing("shadow", 0, x, s + 0.6, 1.25 * width, 0.5, -0.25)
    return [shadow, _object(rng, kind, x, s, height, width)]


def _motorway(rng: np.random.Generator, s1: float, s2: float, standing: list[Standing], strips: list[Strip]) -> None:
    strips.append(Strip(-5.3, -3.95, s1, s2, (112, 118, 78)))
    for x in (6.9, -4.65):
        standing += [Rail(x, float(s), float(s) + 8) for s in np.arange(s1, s2, 8)]
    for side in (-1, 1):
        edge = 8.5 if side > 0 else 17
        if rng.random() < 0.5:
            strips.append(Strip(side * (edge + 4), side * 400, s1, s2, _FIELDS[rng.integers(len(_FIELDS))]))
        for s in _places(rng, s1, s2, 9):
            kind = ("tree", "bush", "conifer")[rng.integers(3)]
            low, high = (0.8, 2.2) if kind == "bush" else (6, 13)
            far = rng.uniform(edge + 4, edge + 25) if kind != "bush" else rng.uniform(edge + 1, edge + 5)
            standing += _plant(rng, kind, side * far, float(s), rng.uniform(low, high))
        for s in _places(rng, s1, s2, 160):
            standing.append(_object(rng, "advert", side * (edge + rng.uniform(5, 12)), float(s), rng.uniform(4, 6)))
        for s in _places(rng, s1, s2, 260):
            standing.append(_object(rng, "turbine", side * rng.uniform(110, 200), float(s) + 120, 95))
    if s2 - s1 > 260:
        s = rng.uniform(s1 + 120, s2 - 60)
        standing.append(Bridge(s, s + rng.uniform(7, 12), rng.uniform(5.4, 6.2)))


_SURROUNDINGS = {"woods": _woods, "fields": _fields, "avenue": _avenue, "village": _village, "motorway": _motorway}

# --- traffic ----------------------------------------------------------------------------------------------------------

_SIZES = {
    "car_behind": (1.8, 1.48),
    "car_front": (1.8, 1.48),
    "van_behind": (2.0, 2.4),
    "van_front": (2.0, 2.4),
    "lorry_behind": (2.55, 3.7),
    "lorry_front": (2.55, 3.7),
}
"""Width and height, metres."""


def _vehicle(
    rng: np.random.Generator, side: str, x: float, times: NDArray[np.float64], s_m: NDArray[np.float64]
) -> Mover:
    kind = str(rng.choice(["car", "car", "car", "van", "lorry"])) + side
    width, height = _SIZES[kind]
    return Mover(kind, int(rng.integers(len(scenery().sprites[kind]))), x, width, height, times, s_m)


def _traffic(
    rng: np.random.Generator,
    kind: str,
    clock: NDArray[np.float64],
    s_m: NDArray[np.float64],
    speed: NDArray[np.float64],
) -> list[Mover]:
    movers = []
    t = rng.uniform(0, 4)
    while t < clock[-1] + 6:
        # It comes the other way and meets the car at t.
        pace = float(np.interp(t, clock, speed)) * rng.uniform(0.85, 1.15)
        meeting = float(np.interp(t, clock, s_m)) + max(0.0, t - clock[-1]) * pace
        times = np.array([t - 9, t + 0.5])
        lane = LANE_M if kind == "country" else float(rng.choice([7.4, 11.0]))
        movers.append(_vehicle(rng, "_front", -lane, times, meeting - pace * (times - t)))
        t += rng.uniform(2, 8) if kind == "country" else rng.uniform(0.8, 3)
    t = rng.uniform(3, 8)
    while t < clock[-1]:
        # It drives ahead for a while: coming nearer, staying, drawing away.
        times = t + np.linspace(0, rng.uniform(9, 16), 20)
        gap = rng.uniform(22, 40) + 190 * np.abs(np.linspace(-1, 1, 20)) ** 3
        movers.append(_vehicle(rng, "_behind", LANE_M, times, np.interp(times, clock, s_m) + gap))
        t = times[-1] + rng.uniform(4, 12)
    if kind == "motorway":
        t = rng.uniform(1, 5)
        while t < clock[-1]:
            times = np.array([t, t + 12])
            faster = float(np.interp(t, clock, speed)) + rng.uniform(4, 9)
            start = float(np.interp(t, clock, s_m))
            movers.append(_vehicle(rng, "_behind", -LANE_M, times, start + faster * (times - t)))
            t += rng.uniform(4, 10)
    return movers


# --- signs ------------------------------------------------------------------------------------------------------------


def _with_signs(rng: np.random.Generator, route: Route) -> Route:
    """Set up signs, then take away whatever would hide one for too long."""
    signs: list[SignPost] = []
    covers: list[Standing] = []
    deck: list[int | str] = []
    t = rng.uniform(3.5, 5)
    while True:
        s = route.s_at(t)
        # The last sign has left the picture before the drive ends.
        if t > route.seconds[-1] - 1.5:
            break
        if not deck:
            others = artwork.other_names()
            deck = [int(c) for c in rng.permutation(artwork.CLASSES)]
            for at, k in enumerate(rng.permutation(len(others))):
                deck.insert(3 + at * 3, others[int(k)])
        group = [deck.pop(0)]
        if deck and rng.random() < 0.12:
            group.append(deck.pop(0))
        posts = _sign_post(rng, route, s, group, len(signs))
        signs += posts
        if rng.random() < 0.4 and not posts[0].is_overhead:
            covers += _cover(rng, route, posts[0])
        t += rng.uniform(3.2, 5.6)
    standing = sorted([*route.standing, *covers], key=_s)
    route = replace(route, standing=standing, signs=signs)
    for sign in signs:
        route = _cleared(route, sign)
    return route


def _sign_post(
    rng: np.random.Generator, route: Route, s: float, group: Sequence[int | str], first_id: int
) -> list[SignPost]:
    """Hang one sign, or two, one above the other."""
    speed = float(np.interp(s, route.s_m, route.speed))
    is_motorway = route.kind == "motorway"
    diameter = 0.64 if speed < 15 else 0.75 if speed < 19 else 0.9
    is_overhead = len(group) == 1 and rng.random() < 0.07
    is_left = not is_motorway and not is_overhead and rng.random() < 0.12
    if is_overhead:
        x, y = rng.uniform(1.2, 2.6), 5.4
        diameter = 0.9
    elif is_motorway:
        x, y = rng.uniform(7.5, 8.1), rng.uniform(2.1, 2.5)
    else:
        x, y = rng.uniform(4.9, 5.7) * (-1 if is_left else 1), rng.uniform(2.0, 2.6)
    yaw = float(rng.normal(3, 5)) * (-1 if is_left else 1)
    roll = float(rng.normal(0, 2.2))
    signs = []
    for k, what in enumerate(group):
        signs.append(
            SignPost(
                id=first_id + k,
                class_id=what if isinstance(what, int) else None,
                name=what if isinstance(what, str) else None,
                x=x,
                y=y + (len(group) - 1 - k) * 1.02 * diameter,
                s=s - 0.001 * k,  # the lower one is painted later, over the post
                diameter_m=diameter,
                yaw=yaw,
                roll=roll,
                light=float(rng.uniform(0.5, 1.02)),
                fade=float(np.clip(rng.normal(0.04, 0.1), 0, 0.3)),
                is_overhead=is_overhead,
            )
        )
    return signs


def _cover(rng: np.random.Generator, route: Route, sign: SignPost) -> list[Standing]:
    """Put something where it hides the sign, wholly or in part, while it is still far."""
    seen_from = min(float(rng.uniform(28, 70)), 0.9 * sign.s)  # metres before the sign
    before = seen_from * float(rng.uniform(0.2, 0.4))
    part = (seen_from - before) / seen_from
    bend = route.bend(sign.s - seen_from)
    to_sign = sign.x + bend[round(seen_from / BEND_STEP_M)] - LANE_M
    x = LANE_M + to_sign * part - bend[round((seen_from - before) / BEND_STEP_M)]
    y = EYE_M + (sign.y - EYE_M) * part
    s = sign.s - before
    match rng.integers(4):
        case 0:
            return [_object(rng, "trunk", x, s, 6.0, 0.3)]
        case 1 if abs(x) > 4:
            height = y + 0.1
            return _plant(rng, "bush", x + math.copysign(0.4, x), s, height)[1:]
        case 2:
            variant = int(rng.integers(len(scenery().sprites["branch"])))
            # The twig comes from the roadside's trees.
            return [Thing("branch", variant, x + math.copysign(0.7, x), s, 3.0, 2.2, y - 0.9, x < 0)]
        case _:
            edge = 4.9 if route.kind == "country" else 5.0
            return _parked(rng, "van_behind", math.copysign(edge, x), s)


def _cleared(route: Route, sign: SignPost) -> Route:
    """Take away what hides a sign, nearest to it in time first, until it can be read for long enough."""
    while route.readable_seconds(sign) < _MUST_READ_SECONDS:
        for t in route._readable_times(sign):
            hiding = route.hiding(sign, t)
            if hiding:
                break
        else:
            break
        route = replace(
            route,
            standing=[thing for thing in route.standing if thing not in hiding],
            movers=[mover for mover in route.movers if mover not in hiding],
        )
    return route
