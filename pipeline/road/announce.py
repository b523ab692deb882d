"""When a sign is told to the driver: once, in time before it passes, the urgent first, no sentence twice in a row.

It knows tracks and meanings of one stream, not words and not sounds. Passive and single-threaded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.road.catalogue import Meaning
from pipeline.tracker import Track

URGENCY: tuple[tuple[str, ...], ...] = (
    ("stop", "give_way", "no_entry", "no_vehicles"),
    ("danger", "children", "pedestrians", "cyclists", "wild_animals", "traffic_lights"),
    ("curve", "roadworks", "slippery", "ice_snow", "narrows_right", "uneven"),
    ("speed_limit",),
    ("turn_left", "turn_right", "ahead_only", "ahead_or_left", "ahead_or_right"),
    ("pass_left", "pass_right", "roundabout", "priority_next_intersection"),
    ("no_overtaking", "no_trucks_3_5t", "priority_road", "end_all_restrictions"),
)
"""The first words of the ids of meanings, the most urgent first: what may make one brake, then what one must know."""

_RANKS = {word: rank for rank, words in enumerate(URGENCY) for word in words}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnouncerSettings:
    """When announcements come.

    lead_seconds: a sign is told from so long before it passes, as soon as it is sure. Goes up: told earlier, and of two
        signs one behind the other the far one sooner
    repeat_seconds: for so long after a sentence the same one is not said again, also for another sign. Goes up:
        quieter where signs stand on both sides or in a row; a limit that holds again after another one is not told
    spacing_seconds: the least time between two sentences, where the second sign does not pass before. Goes up: easier
        to follow, later
    """

    lead_seconds: float = 5.0
    repeat_seconds: float = 6.0
    spacing_seconds: float = 1.0

    def __post_init__(self) -> None:
        for name in ("lead_seconds", "repeat_seconds", "spacing_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


class Announcer:
    """One stream's choice of what is told now."""

    def __init__(self, settings: AnnouncerSettings | None = None) -> None:
        self._settings = settings or AnnouncerSettings()
        self._told: dict[int, Meaning] = {}  # by track
        self._said_at: dict[Meaning, float] = {}
        self._last_said_at = float("-inf")

    def due(self, signs: Iterable[tuple[Track, Meaning]], pts_seconds: float) -> list[tuple[Track, Meaning]]:
        """Return those of the confirmed and the just ended tracks that are to be told now, in this order.

        A track whose vote has turned since it was told is told again: the wrong sentence cannot be taken back, but
        what stands can be put right.
        """
        told = []
        for track, meaning in sorted(signs, key=_urgent_first):
            is_over = track.state == "ended"
            if self._told.get(track.id) != meaning and (is_over or self._is_near(track)):
                if pts_seconds - self._said_at.get(meaning, float("-inf")) < self._settings.repeat_seconds:
                    self._told[track.id] = meaning
                elif is_over or self._may_speak(track, pts_seconds):
                    self._told[track.id] = meaning
                    self._said_at[meaning] = self._last_said_at = pts_seconds
                    told.append((track, meaning))
            if is_over:
                self._told.pop(track.id, None)
        return told

    def _is_near(self, track: Track) -> bool:
        return track.passes_in_seconds <= self._settings.lead_seconds

    def _may_speak(self, track: Track, pts_seconds: float) -> bool:
        """Wait for the sentence before to be over, but not so long that this sign passes."""
        spacing = self._settings.spacing_seconds
        return pts_seconds - self._last_said_at >= spacing or track.passes_in_seconds < 2 * spacing


def _urgent_first(sign: tuple[Track, Meaning]) -> tuple[int, float, int]:
    track, meaning = sign
    return _RANKS[meaning.id.split(".")[0]], track.passes_in_seconds, track.id
