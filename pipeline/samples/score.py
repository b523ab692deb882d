"""How well a drive was watched: its events against the drive's truth."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from detectors.boxes import iou
from pipeline.road.catalogue import Catalogue
from pipeline.road.limit import LimitState
from pipeline.samples.truth_file import read_lines

_REPEAT_SECONDS = 6.0  # a sentence said so long before counts for the same sign again: it is not said twice
_SAME_BOX = 0.3  # IoU


@dataclass(frozen=True, slots=True)
class Score:
    """What a drive's events are worth.

    signs: of the 43 classes that the drive holds; announced: of those, told rightly before they left the picture
    late: told rightly, but after that; missed: the labels and leaving times of those that were not told in time
    false_announcements: sentences for which there was no such sign
    sightings: in all; true_sightings: signs that have one; repeated_sightings: more of the same; false_sightings: of
        what is no such sign
    limit_right: share of the time in which the limit in force was known as the passed signs give it
    """

    signs: int
    announced: int
    late: int
    false_announcements: int
    sightings: int
    true_sightings: int
    repeated_sightings: int
    false_sightings: int
    limit_right: float
    missed: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def score_drive(truth_path: Path, events_path: Path, *, country: str = "DE") -> Score:
    """Compare `events.jsonl` with the truth that `wayside sample` wrote; ConfigError where one cannot be read."""
    drive, *frames = read_lines(truth_path)
    events = read_lines(events_path)
    signs = [sign for sign in drive["signs"] if sign["class_id"] is not None]
    first_seen = _first_seen(frames)
    told = [event for event in events if event["type"] == "announcement"]
    in_time, late, used = [], [], set[int]()
    for sign in signs:
        begin = first_seen.get(sign["id"], 0.0) - _REPEAT_SECONDS
        mine = [i for i, e in enumerate(told) if e["class_id"] == sign["class_id"] and e["pts_seconds"] >= begin]
        used.update(i for i in mine if told[i]["pts_seconds"] <= sign["leaves_seconds"] + 2)
        if any(told[i]["pts_seconds"] <= sign["leaves_seconds"] for i in mine):
            in_time.append(sign)
        elif any(i in used for i in mine):
            late.append(sign)
    sightings = [event for event in events if event["type"] == "sighting"]
    owners = [_owner(sighting, frames, drive["fps"]) for sighting in sightings]
    found = [owner for owner in owners if owner is not None]
    return Score(
        signs=len(signs),
        announced=len(in_time),
        late=len(late),
        false_announcements=len(told) - len(used),
        sightings=len(sightings),
        true_sightings=len(set(found)),
        repeated_sightings=len(found) - len(set(found)),
        false_sightings=owners.count(None),
        limit_right=round(_limit_right(drive, signs, events, country), 4),
        missed=tuple(f"{sign['name']} at {sign['leaves_seconds']:.1f} s" for sign in signs if sign not in in_time),
    )


def _owner(sighting: dict[str, Any], frames: Sequence[dict[str, Any]], fps: float) -> int | None:
    """Return the sign whose class and place a sighting has at its best moment."""
    frame = frames[min(len(frames) - 1, round(sighting["best_seconds"] * fps))]
    same = [sign for sign in frame["signs"] if sign["class_id"] == sighting["class_id"]]
    if not same:
        return None
    overlap = iou(np.array([sighting["best_xyxy"]], np.float32), np.array([sign["xyxy"] for sign in same], np.float32))[
        0
    ]
    best = int(overlap.argmax())
    return int(same[best]["id"]) if overlap[best] >= _SAME_BOX else None


def _first_seen(frames: Sequence[dict[str, Any]]) -> dict[int, float]:
    """Return when each sign is listed first."""
    first: dict[int, float] = {}
    for frame in frames:
        for sign in frame["signs"]:
            first.setdefault(sign["id"], frame["pts_seconds"])
    return first


def _limit_right(
    drive: dict[str, Any], signs: Sequence[dict[str, Any]], events: Sequence[dict[str, Any]], country: str
) -> float:
    """Return the share of the drive's frames at which the logged limit is the one that its signs give."""
    catalogue, limit = Catalogue.for_country(country), LimitState("truth")
    true = []
    for sign in sorted(signs, key=lambda s: s["leaves_seconds"]):
        meaning = catalogue.meaning(sign["class_id"])
        change = limit.pass_sign(meaning, sign["leaves_seconds"]) if meaning else None
        true += [(change.pts_seconds, change.state, change.value)] if change else []
    told = [(e["pts_seconds"], e["state"], e["value"]) for e in events if e["type"] == "limit"]
    times = [frame / drive["fps"] for frame in range(drive["frames"])]
    return sum(_at(true, now) == _at(told, now) for now in times) / len(times)


def _at(changes: Sequence[tuple[float, str, int | None]], now: float) -> tuple[str, int | None]:
    """Return the limit at a time, after changes in their order."""
    past = [(state, value) for pts_seconds, state, value in changes if pts_seconds <= now]
    return past[-1] if past else ("unknown", None)
