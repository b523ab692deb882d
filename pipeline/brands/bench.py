"""A generated account of hours of broadcast, to time verifying and recounting it: `wayside ledger bench`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.brands.account import RunIdentity, find_account
from pipeline.brands.chain import FILE, read_ledger, verify
from pipeline.brands.impressions import Clock
from pipeline.brands.ledger import BLOCK_SECONDS, Ledger
from pipeline.brands.observation import CUT, SCANNED, Observations
from pipeline.brands.profiles import find_profile
from pipeline.events import row

FPS = 25
BRANDS = 20
PLACEMENTS = 23
"""Boards in a scene; half of them are found at a time, so 11 detections a frame: 10 million in ten hours."""
_TICK = Fraction(1, 12_800)
_FRAME = 12_800 // FPS
_WIDTH, _HEIGHT = 19_200, 10_800


def generate(hours: float, seed: int = 1) -> Iterator[Observations]:
    """Yield blocks of observations: boards that drift, come and go, flicker and are cut away every few seconds."""
    rng = np.random.default_rng(seed)
    frames = BLOCK_SECONDS * FPS
    for block in range(round(hours * 3600 / BLOCK_SECONDS)):
        first = block * frames
        is_cut = rng.random(frames) < 1 / (5 * FPS)
        # A board changes between seen and unseen every two seconds, and one look in fifty misses it.
        flips = rng.random((frames, PLACEMENTS)) < 1 / (2 * FPS)
        flips[0] = rng.random(PLACEMENTS) < 0.5
        is_seen = (np.cumsum(flips, axis=0) % 2 == 1) & (rng.random((frames, PLACEMENTS)) > 0.02)
        frame_row, board = (found.astype(np.int32) for found in np.nonzero(is_seen))
        count = len(frame_row)
        drift = np.cumsum(rng.normal(0, 8, (frames, 2)), axis=0)[frame_row]
        place = rng.uniform(0.1, 0.9, (PLACEMENTS, 2))[board] * (_WIDTH, _HEIGHT) + drift
        side = rng.uniform(300, 1500, PLACEMENTS)[board] + rng.normal(0, 5, count)
        edges = np.stack([place[:, 0], place[:, 1], place[:, 0] + side, place[:, 1] + side / 3])
        columns: dict[str, Any] = dict(zip(("x1", "y1", "x2", "y2"), edges.astype(np.int32), strict=True))
        yield Observations(
            _TICK,
            (_WIDTH // 10, _HEIGHT // 10),
            index=np.arange(first, first + frames),
            pts=np.arange(first, first + frames) * _FRAME,
            duration=np.full(frames, _FRAME),
            sampled=np.zeros(frames, np.int64),
            flags=(SCANNED + CUT * is_cut).astype(np.uint8),
            frame_row=frame_row,
            brand=(board % BRANDS).astype(np.int16),
            track=board + PLACEMENTS * block,
            score=rng.integers(5000, 10_000, count, np.uint16),
            sharpness=rng.integers(60, 200, count, np.uint16),
            contrast=rng.integers(100, 900, count, np.uint16),
            is_bridged=np.zeros(count, np.uint8),
            **columns,
        )


def bench(folder: Path, hours: float) -> dict[str, float | int]:
    """Write a generated account to a folder, verify and recount it; return the seconds that each took, and counts.

    The recount, by the rules of the run, is compared with what the run wrote: RuntimeError where they differ.
    """
    profile = find_profile("one-second")
    brands = tuple(f"Brand {number}" for number in range(BRANDS))
    run = RunIdentity(
        stream="bench", media="", models={}, gallery="", brands=brands, profile=profile, config=f"{hours} hours"
    )
    start = time.perf_counter()
    detections = frames = 0
    fold = run.impressions(_TICK, Clock())
    with Ledger(folder / FILE, run) as ledger:
        for observations in generate(hours):
            closed = fold.update(observations)
            ledger.write(observations, open=fold.open(), closed=[(impression, {}) for impression in closed])
            frames, detections = frames + len(observations), detections + len(observations.frame_row)
        ledger.write(None, closed=[(impression, {}) for impression in fold.finish()])
        ledger.finish()
        head = ledger.head()
    written = time.perf_counter()
    verdict = verify(folder, head)
    verified = time.perf_counter()
    with read_ledger(folder) as connection:
        account = find_account(connection)
        recounted = list(account.recount())
        done = time.perf_counter()
        kept = [entry.impression for entry in account.entries]
    if verdict.problems or [row(impression) for impression in recounted] != [row(impression) for impression in kept]:
        raise RuntimeError(f"the account is not as it was written: {list(verdict.problems)}")
    return {
        "hours": hours,
        "frames": frames,
        "detections": detections,
        "impressions": len(recounted),
        "megabytes": round((folder / FILE).stat().st_size / 1e6, 1),
        "write_seconds": round(written - start, 2),
        "verify_seconds": round(verified - written, 2),
        "recount_seconds": round(done - verified, 2),
    }
