"""Exposure rules as data: `profiles.toml`, each profile named and versioned. It knows nothing of how they are applied.

There is no rule that all of the trade shares: one, two and five seconds all occur. So no number is without the name of
the profile that made it.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pipeline.errors import ConfigError

_SHIPPED = Path(__file__).with_name("profiles.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What of the detections counts as an exposure; `profiles.toml` says what each number does."""

    name: str
    version: int
    about: str
    min_seconds: float
    bridge_seconds: float
    counts_gaps: bool
    min_share: float
    min_height_px: int
    min_sharpness: int
    min_contrast: int
    min_score: float

    def __post_init__(self) -> None:
        for key in ("version", *(field.name for field in fields(self) if field.name.startswith("min_"))):
            if getattr(self, key) < 0:
                raise ValueError(f"{key} must not be negative, got {getattr(self, key)}")
        if self.bridge_seconds < 0:
            raise ValueError(f"bridge_seconds must not be negative, got {self.bridge_seconds}")
        for key in ("min_share", "min_score"):
            if getattr(self, key) > 1:
                raise ValueError(f"{key} must be between 0 and 1, got {getattr(self, key)}")

    @property
    def label(self) -> str:
        """Name and version, as `one-second/1`: what stands beside every number."""
        return f"{self.name}/{self.version}"

    @property
    def sha256(self) -> str:
        """Of all that it says."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True, ensure_ascii=False).encode()).hexdigest()

    def to_table(self) -> dict[str, Any]:
        """Return it as plain values, for an account to keep."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str = "profile") -> Profile:
        """Read plain values; ConfigError names what is unknown, missing or of the wrong kind."""
        known = {field.name: str(field.type) for field in fields(cls)}
        for key in table:
            if key not in known:
                nearest = get_close_matches(key, known, n=1)
                hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
                raise ConfigError(f"{where}: {key}: unknown key; {hint}")
        values: dict[str, Any] = {}
        for key, kind in known.items():
            if key not in table:
                raise ConfigError(f"{where}: {key}: is missing")
            value = float(table[key]) if kind == "float" and type(table[key]) is int else table[key]
            if type(value).__name__ != kind:
                raise ConfigError(f"{where}: {key}: must be of type {kind}, got {table[key]!r}")
            values[key] = value
        try:
            return cls(**values)
        except ValueError as error:
            raise ConfigError(f"{where}: {error}") from error


def read_profiles(path: Path = _SHIPPED) -> Mapping[str, Profile]:
    """Read a file of profiles, by name in the order of the file; ConfigError names the file and the key."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: {reason}") from error
    found = {}
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name}: must be a table, got {table!r}")
        found[name] = Profile.from_table({"name": name, **table}, f"{path}: {name}")
    return MappingProxyType(found)


def find_profile(name: str, path: Path | None = None) -> Profile:
    """Return a profile of the shipped ones, or of a file of your own; ConfigError names the known ones."""
    known = read_profiles(path or _SHIPPED)
    if name not in known:
        nearest = get_close_matches(name, known, n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
        raise ConfigError(f"unknown exposure profile {name!r}; {hint}")
    return known[name]
