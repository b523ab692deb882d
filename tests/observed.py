"""Observations for tests, written as moments: when, and what is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from pipeline.brands.observation import SCANNED, Observations, Row

TICK = Fraction(1, 100)
SIZE_WH = (640, 360)
BRANDS = ("Nordwind", "Kalt & Warm", "Öl=1")


@dataclasses.dataclass
class Moment:
    """A frame of a test: ticks and what is seen."""

    pts: int
    rows: Sequence[Row] = ()
    duration: int = 4
    flags: int = SCANNED
    sampled: int = 0


def observations(moments: Sequence[Moment], size_wh: tuple[int, int] = SIZE_WH, start: int = 0) -> Observations:
    flat = [(number, seen) for number, moment in enumerate(moments) for seen in moment.rows]
    edges = np.array([seen.xyxy for _, seen in flat], np.float64).reshape(-1, 4) * 10

    def column(name: str, kind: Any, scale: float = 1) -> Any:
        return np.round(np.array([getattr(seen, name) for _, seen in flat], np.float64) * scale).astype(kind)

    return Observations(
        TICK,
        size_wh,
        index=np.arange(start, start + len(moments), dtype=np.int64),
        pts=np.array([m.pts for m in moments], np.int64),
        duration=np.array([m.duration for m in moments], np.int64),
        sampled=np.array([m.sampled for m in moments], np.int64),
        flags=np.array([m.flags for m in moments], np.uint8),
        frame_row=np.array([number for number, _ in flat], np.int32),
        brand=column("brand", np.int16),
        track=column("track", np.int32),
        **{n: np.round(edges[:, k]).astype(np.int32) for k, n in enumerate(("x1", "y1", "x2", "y2"))},
        score=column("score", np.uint16, 10_000),
        sharpness=column("sharpness", np.uint16),
        contrast=column("contrast", np.uint16),
        is_bridged=column("is_bridged", np.uint8),
    )


def seen(brand: int = 0, x: float = 10, y: float = 10, **changes: Any) -> Row:
    values = {"track": 1, "xyxy": (x, y, x + 64, y + 36), "score": 0.9, "sharpness": 200, "contrast": 500}
    return Row(brand=brand, **{**values, **changes})
