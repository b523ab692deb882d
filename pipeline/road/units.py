"""A number with its unit, in the words of a language: as CLDR has it, less what is wrong or harmful there.

The number is printed as it stands on the sign, in Latin digits; the country decides the unit, the language its name.
"""

from __future__ import annotations

from functools import cache

from babel import Locale
from babel.units import format_unit

from pipeline.road.catalogue import SpeedUnit

_CLDR: dict[SpeedUnit, str] = {"km/h": "speed-kilometer-per-hour", "mph": "speed-mile-per-hour"}

# Irish road signs print km/h; CLDR has km/u.
_OVERRIDES: dict[tuple[str, SpeedUnit], str] = {("ga", "km/h"): "km/h"}

# CLDR puts a direction mark into Persian; a phrase isolates its numbers itself (`language.py`).
_MARKS = str.maketrans("", "", "\u200e\u200f")


@cache
def speed(value: int, unit: SpeedUnit, lang: str) -> str:
    """Return a speed in short form: 50 km/h, 50 км/ч, 50 קמ״ש."""
    name = _OVERRIDES.get((lang, unit))
    if name is not None:
        return f"{value} {name}"
    locale = Locale.parse(lang, sep="-")
    # The short form: the long one of Irish and Maltese, and the narrow one of many, is the bare key of CLDR.
    text = format_unit(value, _CLDR[unit], length="short", locale=locale, numbering_system="latn").translate(_MARKS)
    return f"{value} {unit}" if _CLDR[unit] in text else text
