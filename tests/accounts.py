"""Whole accounts for tests, with evidence: made of real videos, and of what is said to be seen in them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import ceil
from pathlib import Path
from typing import Any

from pipeline.brands.account import RunIdentity
from pipeline.brands.chain import FILE
from pipeline.brands.clarity import clarity
from pipeline.brands.evidence import Evidence, Seen
from pipeline.brands.impressions import Clock
from pipeline.brands.ledger import Ledger
from pipeline.brands.observation import Observations, ObservationsBuilder, Row
from pipeline.brands.profiles import find_profile
from pipeline.events import Box
from streams.av_source import AvSource
from streams.frame import Frame


def write_account(
    video: Path,
    folder: Path,
    brands: Sequence[str],
    looks: Mapping[int, Sequence[tuple[int, Box]]],
    *,
    profile: str = "one-second",
    cuts: Collection[int] = (),
    lost: Collection[int] = (),
    clock: Clock | None = None,
    ends: bool = True,
) -> RunIdentity:
    """Watch a video as the pipeline does, with boxes that are given: frame -> (brand, box); keep account and evidence.

    cuts: frames with which a shot begins; lost: frames that do not come; not `ends`: the run breaks off
    """
    run = RunIdentity(
        stream=video.stem,
        media="5" * 64,
        models={"logos-scanner": "1" * 64, "logos-embedder": "4" * 64},
        gallery="2" * 64,
        brands=tuple(brands),
        profile=find_profile(profile),
        config="3" * 64,
        software="0.1.0",
    )
    with AvSource(str(video), name=video.stem, threads=1) as source:
        fold = run.impressions(source.info.time_base, clock or Clock())
        builder = ObservationsBuilder(source.info.time_base)
        evidence = Evidence(folder, str(video))
        with Ledger(folder / FILE, run, clock=clock) as ledger:

            def account(observed: Observations | None, closed: list[Any]) -> None:
                proofs = [(impression, evidence.take(impression).to_table()) for impression in closed]
                ledger.write(observed, open=fold.open(), closed=proofs)
                if observed is not None:
                    evidence.keep(fold.open(), until=float(observed.end_pts * observed.time_base))

            for frame in source:
                if frame.index in lost:
                    continue
                seen = looks.get(frame.index, [])
                evidence.offer(frame, [Seen(brands[b], box, 0.9) for b, box in seen], is_new_shot=frame.index in cuts)
                rows = [row(frame, number, brand, box) for number, (brand, box) in enumerate(seen)]
                if (full := builder.add(frame, rows, is_cut=frame.index in cuts)) is not None:
                    account(full, fold.update(full))
            if (rest := builder.rest()) is not None:
                account(rest, fold.update(rest))
            if ends:
                account(None, fold.finish())
                ledger.finish()
    return run


def row(frame: Frame, track: int, brand: int, box: Box) -> Row:
    width, height = frame.size_wh
    x1, y1, x2, y2 = max(0, int(box[0])), max(0, int(box[1])), min(width, ceil(box[2])), min(height, ceil(box[3]))
    sharpness, contrast = clarity(frame.patch(x1, y1, x2, y2))
    return Row(brand=brand, track=track, xyxy=box, score=0.9, sharpness=sharpness, contrast=contrast)
