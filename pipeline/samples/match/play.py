"""Where the ball and everybody on the pitch is at any moment of the match. Knows nothing of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PITCH_M = (105.0, 68.0)
_STEP_SECONDS = 0.1
_FORMATION = (
    (-36, 0),
    (-22, -21),
    (-24, -7),
    (-24, 7),
    (-22, 21),
    (-8, -14),
    (-10, 1),
    (-8, 15),
    (6, -18),
    (9, 2),
    (6, 19),
)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody at one moment. position: (x, y), metres; velocity: m/s; stride: steps of two made so far."""

    kind: str
    variant: int
    position: tuple[float, float]
    velocity: tuple[float, float]
    stride: float


class Play:
    """A match that goes on for some seconds; nothing in it depends on who watches.

    Besides the 22 players and the referee there is one who runs the far line and three who warm up behind it, before
    the boards.
    """

    def __init__(self, rng: np.random.Generator, seconds: float) -> None:
        times = np.arange(-2.0, seconds + 4.0, _STEP_SECONDS)
        self._times = times
        self._ball = np.column_stack(
            [52.5 + _wander(rng, times, 34.0, (21.0, 9.3, 4.1)), 34 + _wander(rng, times, 22.0, (15.0, 6.7, 3.3))]
        )
        self._kinds: list[tuple[str, int]] = []
        paths = []
        for team, side in (("home", 1), ("away", -1)):
            for number, (x, y) in enumerate(_FORMATION):
                follows = 0.12 if number == 0 else rng.uniform(0.45, 0.75)
                home = np.array([52.5 + side * x, 34 + y * 1.0])
                path = home + (self._ball - (52.5, 34)) * (follows, follows * 0.55)
                path = path + np.column_stack([_wander(rng, times, 4.0, (7.0, 3.9)) for _ in range(2)])
                paths.append(np.clip(path, (1, 1), (104, 67)))
                self._kinds.append((f"{team} keeper" if number == 0 else team, int(rng.integers(3))))
        paths.append(self._ball + np.column_stack([_wander(rng, times, 5.0, (11.0, 5.0)) for _ in range(2)]) + (-6, 3))
        self._kinds.append(("referee", 0))
        line = self._ball[:, 0] * 0.5 + 52.5 + _wander(rng, times, 6.0, (13.0, 6.0))
        paths.append(np.column_stack([np.clip(line, 53, 104), np.full(len(times), 68.7)]))
        self._kinds.append(("referee", 1))
        for k in range(3):
            along = 30 + 22 * k + _wander(rng, times, 11.0, (9.0 + 2 * k, 5.1))
            paths.append(np.column_stack([along, np.full(len(times), 70.2 + 0.3 * k)]))
            self._kinds.append(("bib", k))
        window = np.hanning(9) / np.hanning(9).sum()
        self._paths = np.stack([_smoothed(path, window) for path in paths])  # (people, times, 2)
        self._speeds = np.gradient(self._paths, _STEP_SECONDS, axis=1)
        metres = np.cumsum(np.linalg.norm(self._speeds, axis=2), axis=1) * _STEP_SECONDS
        self._strides = metres / 2.3 + rng.uniform(0, 1, (len(paths), 1))

    def ball(self, seconds: float) -> tuple[float, float]:
        return self._at(self._ball, seconds)

    def people(self, seconds: float) -> list[Person]:
        return [
            Person(kind, variant, self._at(path, seconds), self._at(speed, seconds), self._one(stride, seconds))
            for (kind, variant), path, speed, stride in zip(
                self._kinds, self._paths, self._speeds, self._strides, strict=True
            )
        ]

    def _at(self, path: NDArray[np.float64], seconds: float) -> tuple[float, float]:
        return self._one(path[:, 0], seconds), self._one(path[:, 1], seconds)

    def _one(self, values: NDArray[np.float64], seconds: float) -> float:
        return float(np.interp(seconds, self._times, values))


def _wander(
    rng: np.random.Generator, times: NDArray[np.float64], reach: float, periods: tuple[float, ...]
) -> NDArray[np.float64]:
    """Return a smooth coming and going around 0, at most `reach` far, float64 (N,)."""
    total = np.zeros_like(times)
    for p in periods:
        total += p * np.sin(2 * math.pi * times / p + rng.uniform(0, 2 * math.pi))
    return total * (reach / sum(periods))


def _smoothed(path: NDArray[np.float64], window: NDArray[np.float64]) -> NDArray[np.float64]:
    pad = len(window) // 2
    padded = np.pad(path, ((pad, pad), (0, 0)), mode="edge")
    return np.column_stack([np.convolve(padded[:, k], window, mode="valid") for k in range(2)])
