"""Which camera shows what part of the match, and for how long: the shots, cut hard one after another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.samples.match.camera import Camera
from pipeline.samples.match.play import Play

View = Literal["wide", "tight", "low", "goal", "close", "crowd"]

_SECONDS: dict[View, tuple[float, float]] = {
    "wide": (3.5, 7.0), "tight": (2.2, 4.5), "low": (2.5, 5.0), "goal": (2.2, 4.5), "close": (2.0, 3.8),
    "crowd": (1.4, 2.2),
}  # fmt: skip
_AFTER_WIDE: tuple[View, ...] = ("tight", "low", "close", "goal", "crowd", "close")
_REPLAY_RATE = 0.4
_SHORTEST_SECONDS = 1.2
_CLOSE_AWAY_M = 22.0


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One shot.

    number: from 0; first_frame, frames: where it lies in the video
    start: seconds of the match that its first frame shows; rate: of the match a second of video; below 1 in replays
    side: -1 or 1, for cameras that stand on one or the other; team: of who is seen close
    wobble: phases of how it is held
    """

    number: int
    view: View
    first_frame: int
    frames: int
    start: float
    rate: float
    side: int
    team: Literal["home", "away"]
    people: int
    zoom: float
    wobble: tuple[float, ...]

    @property
    def is_replay(self) -> bool:
        return self.rate < 1


def plan_shots(rng: np.random.Generator, seconds: float, fps: float, frames: int) -> list[Shot]:
    """Return shots that fill the video: a wide one, then one from nearer, now and then a replay in slow motion."""
    shots: list[Shot] = []
    bag: list[View] = []
    begin = 0
    while begin < frames:
        now = begin / fps
        replays = len(shots) % 5 == 4 and now > 6
        if replays:
            view: View = ("low", "goal", "tight")[rng.integers(3)]
        elif len(shots) % 2 == 0 or replays:
            view = "wide"
        else:
            bag = bag or [_AFTER_WIDE[k] for k in rng.permutation(len(_AFTER_WIDE))]
            view = bag.pop()
        count = round(float(rng.uniform(*_SECONDS[view])) * fps)
        if frames - begin - count < _SHORTEST_SECONDS * fps:
            count = frames - begin
        rate = _REPLAY_RATE if replays else 1.0
        shots.append(
            Shot(
                number=len(shots),
                view=view,
                first_frame=begin,
                frames=count,
                start=now - float(rng.uniform(3.5, 6)) if replays else now,
                rate=rate,
                side=int(rng.choice((-1, 1))),
                team=("home", "away")[rng.integers(2)],
                people=int(rng.integers(1, 4)),
                zoom=float(rng.uniform(-0.25, 0.3)),
                wobble=tuple(rng.uniform(0, 2 * math.pi, 6)),
            )
        )
        begin += count
    return shots


def camera_of(shot: Shot, play: Play, size_wh: tuple[int, int], seconds: float, part: float) -> Camera:
    """Return the camera of a shot. seconds: of the match; part: of the shot that is over, 0 to 1."""
    width = size_wh[0]
    ball_x, ball_y = np.mean([play.ball(seconds + d) for d in (-0.9, -0.6, -0.3, 0.0, 0.3)], axis=0)
    eased = part * part * (3 - 2 * part)
    zoom = 1 + shot.zoom * eased
    a, b, c, d, *_ = shot.wobble
    held = np.array(
        [math.sin(1.3 * seconds + a) + 0.4 * math.sin(4.1 * seconds + b), 0.0, 0.6 * math.sin(1.7 * seconds + c)]
    )
    match shot.view:
        case "wide":
            position, focal = np.array([52.5, -46.0, 22.0]), 2.9 * width
            target = np.array([52.5 + 0.78 * (ball_x - 52.5), 54 + 0.25 * (ball_y - 34), 0.0]) + 0.15 * held
        case "tight":
            position, focal = np.array([52.5, -46.0, 22.0]), 4.2 * width
            target = np.array([ball_x, 60 + 0.22 * (ball_y - 34), 0.0]) + 0.12 * held
        case "low":
            position, focal = np.array([52.5 + 14 * shot.side, -5.0, 1.9]), 2.7 * width
            target = np.array([ball_x + 5 * math.sin(0.6 * seconds + d), 66.0, 2.1]) + 0.15 * held
        case "goal":
            position, focal = np.array([52.5 + 26 * shot.side, -30.0, 13.0]), 1.9 * width
            target = np.array([52.5 + 54 * shot.side, 38 + 0.3 * (ball_y - 34), 0.6]) + 0.15 * held
            target[0] += 4 * math.sin(0.7 * seconds + d)
        case "close":
            x = close_x(shot)
            position, focal = np.array([x, 8.0, 1.75]), (9.2 - 1.9 * shot.people) * width
            target = np.array([x, 8 + _CLOSE_AWAY_M, 1.32]) + 0.03 * held
        case "crowd":
            position, focal = np.array([52.5, -20.0, 5.0]), 3.4 * width
            target = np.array([40.0 + 25 * shot.side + 3 * eased, 98.0, 12.0]) + 0.2 * held
    return Camera.looking(size_wh, position, target, focal * zoom)


def close_x(shot: Shot) -> float:
    """Return where along the pitch the people of a close shot stand, metres."""
    return 50.0 + 28 * math.sin(shot.wobble[4])


def close_feet(shot: Shot, seconds: float) -> list[tuple[float, float, float]]:
    """Return where the people of a close shot stand as they shift from foot to foot, the far first."""
    x, away = close_x(shot), 8 + _CLOSE_AWAY_M
    feet = []
    for k in range(shot.people):
        sway = 0.05 * math.sin(1.6 * seconds + shot.wobble[k])
        step = 0.015 * abs(math.sin(3.1 * seconds + shot.wobble[k]))
        aside = (k - (shot.people - 1) / 2) * 0.92
        feet.append((x + aside + sway, away + 0.5 * ((k * 2) % 3), step))
    return sorted(feet, key=lambda foot: -foot[1])
