"""What the signs mean: from a detector's class to a meaning that knows no language, with the codes of a country.

The data are `meanings.toml` (what a class means, and its sign in the Vienna Convention) and one pack a country in
`countries/` (its unit of speed, and the code of each of these signs in its own catalogue). A country is added by adding
its pack. It knows no words: those are in `language.py`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, get_args

from pipeline.errors import ConfigError

SpeedUnit = Literal["km/h", "mph"]

_MEANINGS = Path(__file__).with_name("meanings.toml")
_COUNTRIES = Path(__file__).with_name("countries")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a sign tells the driver, e.g. `give_way`, or `speed_limit.max` with 50 and km/h.

    value: the number on the sign, None where it has none
    unit: of the value; the country decides it, never the language
    """

    id: str
    value: int | None = None
    unit: SpeedUnit | None = None


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of a country.

    vienna: its code in the Convention on Road Signs and Signals, 1968
    code: its code in the country's own catalogue, as of the catalogue's year (codes change: 50 km/h was 274-55)
    """

    meaning: Meaning
    vienna: str
    code: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The signs of one country, by the detector's class_id.

    country: ISO 3166 code, e.g. DE
    title, year: of the country's own catalogue, e.g. VzKat, 2017
    signs: a class that is missing is no sign of this country
    """

    country: str
    name: str
    title: str
    year: int
    speed_unit: SpeedUnit
    signs: Mapping[int, Sign]

    @classmethod
    def for_country(cls, code: str) -> Catalogue:
        """Return the catalogue of a country by its ISO code, in any case; ConfigError names the known ones."""
        known = countries()
        if code.upper() not in known:
            nearest = get_close_matches(code.upper(), known, n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ConfigError(f"no signs are known for country {code!r}{hint} Known: {', '.join(known)}")
        return cls.read(_COUNTRIES / f"{code.lower()}.toml")

    @classmethod
    def read(cls, pack: Path) -> Catalogue:
        """Read a country pack; its file is named after the country. ConfigError names the file and the key."""
        table = _toml(pack)
        _check_keys(table, {"name": str, "speed_unit": str, "catalogue": str, "year": int, "codes": dict}, pack)
        unit = table["speed_unit"]
        if unit not in get_args(SpeedUnit):
            raise ConfigError(f"{pack}: speed_unit: must be one of {', '.join(get_args(SpeedUnit))}, got {unit!r}")
        meanings = _meanings()
        signs = {}
        for key, code in table["codes"].items():
            class_id = int(key) if key.isdecimal() else -1
            if class_id not in meanings:
                raise ConfigError(f"{pack}: codes.{key}: no class with a meaning; known are 0 to {max(meanings)}")
            if not isinstance(code, str) or not code:
                raise ConfigError(f"{pack}: codes.{key}: must be the code of a sign, got {code!r}")
            known = meanings[class_id]
            meaning = Meaning(known.id, known.value, unit if known.value is not None else None)
            signs[class_id] = Sign(meaning, known.vienna, code)
        return cls(pack.stem.upper(), table["name"], table["catalogue"], table["year"], unit, MappingProxyType(signs))

    def meaning(self, class_id: int) -> Meaning | None:
        """Return what a class means here; None where this country has no such sign, or the class no meaning."""
        sign = self.signs.get(class_id)
        return sign.meaning if sign else None


def countries() -> tuple[str, ...]:
    """Return the ISO codes of the countries that have a pack, sorted."""
    return tuple(sorted(path.stem.upper() for path in _COUNTRIES.glob("*.toml")))


def meaning_ids() -> tuple[str, ...]:
    """Return the ids of all meanings, each once, in the order of the classes."""
    return tuple(dict.fromkeys(known.id for known in _meanings().values()))


@dataclass(frozen=True, slots=True)
class _Known:
    """A row of meanings.toml."""

    id: str
    value: int | None
    vienna: str


@cache
def _meanings() -> Mapping[int, _Known]:
    """Return what each class means, by class_id."""
    rows = _toml(_MEANINGS)["signs"]
    return MappingProxyType({row["class_id"]: _Known(row["meaning"], row.get("value"), row["vienna"]) for row in rows})


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _check_keys(table: Mapping[str, Any], types: Mapping[str, type], path: Path) -> None:
    for key in table.keys() - types.keys():
        nearest = get_close_matches(key, types, n=1)
        raise ConfigError(f"{path}: {key}: unknown key" + (f"; did you mean {nearest[0]}?" if nearest else ""))
    for key, wanted in types.items():
        if not isinstance(table.get(key), wanted):
            raise ConfigError(f"{path}: {key}: must be of type {wanted.__name__}, got {table.get(key)!r}")
