"""The settings of the task `logos`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BrandsSettings:
    """Which brands, and what counts as an exposure of them.

    gallery: the file of the enrolled brands (`wayside enrol`); the task needs one
    profile: of the rules by which an exposure is counted (`wayside ledger recount` applies another later)
    evidence: keep pictures and the compressed span of every exposure
    """

    gallery: str | None = None
    profile: str = "one-second"
    evidence: bool = True
