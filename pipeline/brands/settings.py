"""The settings of the task `logos`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandsSettings:
    """Which brands, and what counts as an exposure of them.

    gallery: the file of the enrolled brands (`wayside enrol`); the task needs one
    profile: of the rules by which an exposure is counted (`wayside ledger recount` applies another later)
    evidence: keep pictures and the compressed span of every exposure
    readings_per_second: so often words are read in a second of video, at the most, where the extra `text` is installed
        and brands have word marks; 0 reads nothing. Goes up: more places are read in time, each takes 20 ms of a core
    """

    gallery: str | None = None
    profile: str = "one-second"
    evidence: bool = True
    readings_per_second: float = 6.0

    def __post_init__(self) -> None:
        if self.readings_per_second < 0:
            raise ValueError(f"readings_per_second must not be negative, got {self.readings_per_second}")
