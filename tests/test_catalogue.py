"""The catalogue: every class has its meaning, the country decides the unit, and a wrong pack is named in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detectors.labels import OTHER, SIGN_LABELS
from pipeline.errors import ConfigError
from pipeline.road.catalogue import Catalogue, Meaning, countries, meaning_ids


def test_germany_has_every_class_and_the_36_meanings() -> None:
    catalogue = Catalogue.for_country("DE")
    assert sorted(catalogue.signs) == list(range(OTHER))
    assert {sign.meaning.id for sign in catalogue.signs.values()} == set(meaning_ids())
    assert len(meaning_ids()) == 36


def test_the_meaning_is_the_one_that_the_label_of_the_class_says() -> None:
    """The catalogue and the detector count the same signs: a shifted row would tell the driver another sign."""
    renamed = {
        "no_overtaking_trucks": "no_overtaking.trucks_3_5t",
        "no_overtaking_trucks_end": "no_overtaking.trucks_3_5t.end",
        "no_overtaking_end": "no_overtaking.end",
        "no_trucks": "no_trucks_3_5t",
        "general_danger": "danger.general",
        "curve_left": "curve.left",
        "curve_right": "curve.right",
        "double_curve_left_first": "curve.double_left_first",
        "uneven_road": "uneven",
        "slippery_road": "slippery",
        "speed_limit_80_end": "speed_limit.end 80 km/h",
    }
    catalogue = Catalogue.for_country("DE")
    for class_id, label in enumerate(SIGN_LABELS[:OTHER]):
        limit = re.fullmatch(r"speed_limit_(\d+)", label)
        wanted = f"speed_limit.max {limit[1]} km/h" if limit else renamed.get(label, label)
        meaning = catalogue.meaning(class_id)
        assert meaning is not None
        told = meaning.id if meaning.value is None else f"{meaning.id} {meaning.value} {meaning.unit}"
        assert told == wanted, f"class {class_id}"


@pytest.mark.parametrize(
    ("country", "class_id", "meaning", "code", "remark"),
    [
        ("DE", 2, Meaning("speed_limit.max", 50, "km/h"), "274-50", "numbered as since 2017: it was 274-55"),
        ("de", 14, Meaning("stop"), "206", "the country in any case"),
        ("GB", 2, Meaning("speed_limit.max", 50, "mph"), "670", "the country decides the unit"),
        ("GB", 7, None, None, "100 mph is no limit there"),
        ("GB", 32, None, None, "a white disc with a bar means the national limit, not the end of all bans"),
        ("US", 2, None, None, "a red ring is no speed limit there"),
        ("US", 14, Meaning("stop"), "R1-1", "the octagon is"),
        ("FR", 16, None, None, "B8 bars goods vehicles of any weight"),
        ("IT", 36, Meaning("ahead_or_right"), "II 81/b", "figures of the regolamento"),
        ("AT", 6, Meaning("speed_limit.end", 80, "km/h"), "52.10b", "§ 52 Z 10b"),
        ("DE", OTHER, None, None, "a sign that is none of the known has no meaning"),
        ("DE", -1, None, None, "nor has a class that does not exist"),
    ],
)
def test_what_a_class_means_in_a_country(
    country: str, class_id: int, meaning: Meaning | None, code: str | None, remark: str
) -> None:
    catalogue = Catalogue.for_country(country)
    assert catalogue.meaning(class_id) == meaning, remark
    sign = catalogue.signs.get(class_id)
    assert (sign.code if sign else None) == code, remark


def test_vienna_codes_do_not_depend_on_the_country() -> None:
    german = Catalogue.for_country("DE").signs
    assert [german[c].vienna for c in (0, 13, 17, 32, 42)] == ["C,14", "B,1", "C,1a", "C,17a", "C,17d"]
    for country in countries():
        for class_id, sign in Catalogue.for_country(country).signs.items():
            assert sign.vienna == german[class_id].vienna
            assert re.fullmatch(r"[A-D],\d+[a-e]?", sign.vienna)


@pytest.mark.parametrize("country", countries())
def test_every_pack_can_be_read(country: str) -> None:
    catalogue = Catalogue.for_country(country)
    assert catalogue.country == country
    assert 1949 < catalogue.year < 2100
    for sign in catalogue.signs.values():
        assert (sign.meaning.unit is None) == (sign.meaning.value is None)
        assert sign.meaning.unit in (None, catalogue.speed_unit)


def test_an_unknown_country_is_named_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"'DEU'; did you mean DE\? Known: AT, DE, "):
        Catalogue.for_country("DEU")


PACK = """
name = "Utopia"
speed_unit = "km/h"
catalogue = "U"
year = 2020
[codes]
14 = "S1"
"""


@pytest.mark.parametrize(
    ("old", "new", "says", "remark"),
    [
        ('"km/h"', '"kmh"', r"speed_unit: must be one of km/h, mph, got 'kmh'", "a unit that is none"),
        ("14 =", "43 =", r"codes.43: no class with a meaning", "another sign has no meaning"),
        ("14 =", "stop =", r"codes.stop: no class with a meaning", "classes go by number"),
        ('"S1"', '""', r"codes.14: must be the code of a sign", "an empty code"),
        ("year = 2020", "", r"year: must be of type int, got None", "a key that is missing"),
        ("year", "yaer", r"yaer: unknown key; did you mean year\?", "a key that is misspelt"),
        ("[codes]", "[codes", r"xx.toml: ", "no TOML"),
    ],
)
def test_a_wrong_pack_is_refused_with_its_file_and_key(
    tmp_path: Path, old: str, new: str, says: str, remark: str
) -> None:
    pack = tmp_path / "xx.toml"
    pack.write_text(PACK)
    assert Catalogue.read(pack).meaning(14) == Meaning("stop")
    pack.write_text(PACK.replace(old, new))
    with pytest.raises(ConfigError, match=says) as caught:
        Catalogue.read(pack)
    assert str(pack) in str(caught.value), remark
    assert "\n" not in str(caught.value), "one line for the user"
