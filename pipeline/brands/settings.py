"""The settings of the task `logos`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandsSettings:
    """Which brands, and what counts as an exposure of them.

    gallery: the file of the enrolled brands (`wayside enrol`); the task needs one
    profile: of the rules by which an exposure is counted (`wayside ledger recount` applies another later)
    evidence: keep pictures and the compressed span of every exposure
    looks_per_second: so many tracks are looked at closely in a second of video, at the most; 0 looks at none. Goes up:
        more look-alikes are told in time, each look takes 7 ms of a core
    readings_per_second: so often words are read in a second of video, at the most, where the extra `text` is installed
        and brands have word marks, and a third as often beside that in places that are like no brand; 0 reads nothing.
        Goes up: more places are read in time, each takes 20 ms of a core
    """

    gallery: str | None = None
    profile: str = "one-second"
    evidence: bool = True
    looks_per_second: float = 10.0
    readings_per_second: float = 6.0

    def __post_init__(self) -> None:
        for name in ("looks_per_second", "readings_per_second"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
