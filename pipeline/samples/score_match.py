"""How well a match was watched: its impressions against the match's truth.

In every frame a brand is clearly seen, clearly not, or something between: half hidden, small, smeared. What is between
counts neither way, so an onset anywhere in it is right. Exposures are made of the truth by the profile that the
impressions were made by: all placements of a brand together, gaps bridged as it says, never across a cut.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from pipeline.brands.profiles import Profile, find_profile
from pipeline.errors import ConfigError
from pipeline.samples.truth_file import read_lines

CLEAR_VISIBLE, HIDDEN_VISIBLE = 0.6, 0.2
"""Share of a logo's area: from the first on it is seen, up to the second it is not."""

CLEAR_HEIGHT_PX, TINY_HEIGHT_PX = 16.0, 8.0
CLEAR_BLUR, SMEARED = 0.25, 0.5
"""Of its height."""

_LEAST_SECONDS = 0.3  # clearly seen for less, it may be missed
_SAME_TIME = 0.5  # intersection over union of an impression and an exposure
_SAME_PLACE = 0.3  # IoU of the best box and a true one


@dataclass(frozen=True, slots=True)
class BrandScore:
    """What holds for one brand; the fields are those of `MatchScore`."""

    exposures: int
    impressions: int
    right: int
    precision: float | None
    recall: float | None
    onset_seconds: float | None
    duration_error: float | None


@dataclass(frozen=True, slots=True)
class MatchScore:
    """What a match's impressions are worth.

    exposures: of the truth, those that must be found; impressions: those that count for or against; right: of those
    precision, recall: shares of impressions and exposures that are right; None where there are none
    onset_seconds: mean distance between the starts of an impression and its exposure
    duration_error: sum of the distances between their seconds on screen, over the sum of the true seconds
    neither: impressions of what is neither clearly seen nor clearly not
    missed, false: which exposures were not found, and which impressions are of none
    """

    profile: str
    exposures: int
    impressions: int
    right: int
    precision: float | None
    recall: float | None
    onset_seconds: float | None
    duration_error: float | None
    neither: int
    brands: dict[str, BrandScore]
    missed: tuple[str, ...]
    false: tuple[str, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class _Exposure:
    """One unbroken exposure, seconds. It begins between `start` and `clear_start`, and so on.

    least, most: seconds on screen without and with what is between
    """

    start: float
    clear_start: float
    clear_end: float
    end: float
    least: float
    most: float


@dataclass(slots=True)
class _Pairs:
    """What was found out for a brand, or for all of them."""

    exposures: int = 0
    impressions: int = 0
    right: int = 0
    neither: int = 0
    onset: float = 0.0
    duration: float = 0.0
    seconds: float = 0.0

    def add(self, other: _Pairs) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def score(self) -> BrandScore:
        return BrandScore(
            exposures=self.exposures,
            impressions=self.impressions,
            right=self.right,
            precision=_ratio(self.right, self.impressions),
            recall=_ratio(self.right, self.exposures),
            onset_seconds=_ratio(self.onset, self.right),
            duration_error=_ratio(self.duration, self.seconds),
        )


def score_match(truth_path: Path, events_path: Path) -> MatchScore:
    """Compare `events.jsonl` with the truth that `wayside sample match` wrote.

    ConfigError where one cannot be read, or the impressions' profile asks what the truth does not tell.
    """
    match, *frames = read_lines(truth_path)
    found = [event for event in read_lines(events_path) if event["type"] == "impression"]
    profile = _profile(found)
    shots = np.array([frame["shot"] for frame in frames])
    whole, brands = _Pairs(), {}
    missed: list[tuple[float, str]] = []
    false: list[tuple[float, str]] = []
    for brand in sorted({*match["brands"], *(event["brand"] for event in found)}):
        levels = _levels(brand if brand in match["brands"] else None, frames)
        exposures = _exposures(levels, shots, 1 / match["fps"], profile)
        mine = _joined([event for event in found if event["brand"] == brand], levels, shots, match["fps"])
        pairs = _compare(brand, mine, exposures, frames, match["fps"], profile, missed, false)
        whole.add(pairs)
        if pairs.exposures or pairs.impressions:
            brands[brand] = pairs.score()
    return MatchScore(
        profile=profile.label,
        neither=whole.neither,
        brands=brands,
        missed=tuple(words for _, words in sorted(missed)),
        false=tuple(words for _, words in sorted(false)),
        **asdict(whole.score()),
    )


def _profile(found: Sequence[dict[str, Any]]) -> Profile:
    labels = {event["profile"] for event in found} or {"raw"}
    if len(labels) > 1:
        raise ConfigError(f"impressions by several profiles cannot be scored at once: {', '.join(sorted(labels))}")
    profile = find_profile(labels.pop().partition("/")[0])
    asked = {key: value for key, value in profile.to_table().items() if key.startswith("min_") and key != "min_seconds"}
    if any(asked.values()):
        raise ConfigError(f"profile {profile.name!r} cannot be scored: the truth does not tell how legible a logo is")
    return profile


def _levels(brand: str | None, frames: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """Return of each frame 2 where the brand is clearly seen, 0 where it clearly is not, else 1."""
    return np.array([max((_level(v) for v in frame["logos"] if v["brand"] == brand), default=0) for frame in frames])


def _level(view: dict[str, Any]) -> int:
    visible, height, blur = view["visible"], view["height_px"], view["blur_px"]
    if visible >= CLEAR_VISIBLE and height >= CLEAR_HEIGHT_PX and blur <= CLEAR_BLUR * height:
        return 2
    return int(visible > HIDDEN_VISIBLE and height > TINY_HEIGHT_PX and blur < SMEARED * height)


def _joined(
    found: Sequence[dict[str, Any]], levels: NDArray[np.int64], shots: NDArray[np.int64], fps: float
) -> list[dict[str, Any]]:
    """Take impressions as one where what lies between them, in one shot, is neither clearly seen nor clearly not."""
    joined: list[dict[str, Any]] = []
    for event in sorted(found, key=lambda e: float(e["start_seconds"])):
        if joined:
            last, first = round(joined[-1]["end_seconds"] * fps), round(event["start_seconds"] * fps)
            if first > last and (levels[last:first] == 1).all() and len(set(shots[last - 1 : first + 1])) == 1:
                seconds = joined[-1]["on_screen_seconds"] + event["on_screen_seconds"]
                joined[-1] = {**joined[-1], "end_seconds": event["end_seconds"], "on_screen_seconds": seconds}
                continue
        joined.append(event)
    return joined


def _exposures(levels: NDArray[np.int64], shots: NDArray[np.int64], step: float, profile: Profile) -> list[_Exposure]:
    """Return a brand's exposures that can be found at all; the truth's frames all last `step` seconds."""
    seen = np.flatnonzero(levels)
    if not len(seen):
        return []
    gaps = (np.diff(seen) - 1) * step
    breaks = np.flatnonzero((gaps > profile.bridge_seconds + 1e-9) | (np.diff(shots[seen]) != 0)) + 1
    found = []
    for run in np.split(seen, breaks):
        clear = run[levels[run] == 2]
        start, end = int(run[0]), int(run[-1]) + 1
        clear_start, clear_end = (int(clear[0]), int(clear[-1]) + 1) if len(clear) else (end, start)
        least, most = len(clear), len(run)
        if profile.counts_gaps:
            least, most = max(0, clear_end - clear_start), end - start
        if most * step >= profile.min_seconds:
            edges = start, clear_start, clear_end, end, least, most
            found.append(_Exposure(*(edge * step for edge in edges)))
    return found


def _compare(
    brand: str,
    found: Sequence[dict[str, Any]],
    exposures: Sequence[_Exposure],
    frames: Sequence[dict[str, Any]],
    fps: float,
    profile: Profile,
    missed: list[tuple[float, str]],
    false: list[tuple[float, str]],
) -> _Pairs:
    pairs = _Pairs()
    least = max(profile.min_seconds, _LEAST_SECONDS)
    left = list(found)
    for exposure in exposures:
        must = exposure.least >= least
        pairs.exposures += must
        mine = [event for event in left if _is_in_place(event, brand, frames, fps)]
        best = max(mine, key=lambda event: _same_time(event, exposure), default=None)
        if best is None or _same_time(best, exposure) < _SAME_TIME:
            if must:
                missed.append((exposure.clear_start, f"{brand} at {exposure.clear_start:.2f} s"))
            continue
        left.remove(best)
        if not must:
            pairs.neither += 1
            continue
        seconds = best["on_screen_seconds"]
        true = min(max(seconds, exposure.least), exposure.most)
        pairs.impressions += 1
        pairs.right += 1
        pairs.onset += _away(best["start_seconds"], exposure.start, exposure.clear_start)
        pairs.duration += abs(seconds - true)
        pairs.seconds += true
    for event in left:
        if _is_between(event, exposures) and _is_in_place(event, brand, frames, fps):
            pairs.neither += 1
        else:
            pairs.impressions += 1
            false.append((event["start_seconds"], f"{brand} at {event['start_seconds']:.2f} s"))
    return pairs


def _same_time(event: dict[str, Any], exposure: _Exposure) -> float:
    """Return intersection over union; what is between counts for the intersection, not for the union."""
    start, end = event["start_seconds"], event["end_seconds"]
    shared = min(end, exposure.end) - max(start, exposure.start)
    if exposure.least > 0:
        if min(end, exposure.clear_end) <= max(start, exposure.clear_start):
            return 0.0
        union = (end - start) + (exposure.clear_end - exposure.clear_start)
        union -= min(end, exposure.clear_end) - max(start, exposure.clear_start)
    else:
        union = end - start
    return max(0.0, shared) / union if union > 0 else 0.0


def _is_between(event: dict[str, Any], exposures: Sequence[_Exposure]) -> bool:
    """Say whether an impression lies where the brand is neither clearly seen nor clearly not."""
    start, end = event["start_seconds"], event["end_seconds"]
    for exposure in exposures:
        for low, high in ((exposure.start, exposure.clear_start), (exposure.clear_end, exposure.end)):
            if min(end, high) - max(start, low) > _SAME_TIME * (end - start):
                return True
    return False


def _is_in_place(event: dict[str, Any], brand: str, frames: Sequence[dict[str, Any]], fps: float) -> bool:
    """Say whether the best box of an impression lies on a logo of the brand."""
    frame = frames[min(len(frames) - 1, round(event["best_seconds"] * fps))]
    boxes = [view["xyxy"] for view in frame["logos"] if view["brand"] == brand]
    if not boxes:
        return False
    overlap = iou(np.array([event["best_xyxy"]], np.float32), np.array(boxes, np.float32))
    return bool(overlap.max() >= _SAME_PLACE)


def _away(value: float, low: float, high: float) -> float:
    return max(0.0, low - value, value - high)


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None
