"""The words of the signs: complete, in the right script, left never right, and the language chosen on purpose."""

from __future__ import annotations

import logging
import re
import unicodedata
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from pipeline.errors import ConfigError
from pipeline.road.catalogue import Meaning, SpeedUnit, meaning_ids
from pipeline.road.language import Phrasebook, languages, negotiate
from pipeline.road.units import speed

LOCALE = Path(__file__).parent.parent / "pipeline/road/locale"

# Per language: its script, and the stems by which its left, its right and its end are known. Where a language has two
# words for one, they are parted by |.
WORDS = {
    "ar": ("ARABIC", "يسار|أيسر", "يمين|أيمن", "نهاية"),
    "bg": ("CYRILLIC", "ляво", "дясно", "край"),
    "cs": ("LATIN", "lev", "prav", "konec"),
    "da": ("LATIN", "venstre", "højre", "ophør"),
    "de": ("LATIN", "links", "rechts", "ende "),
    "el": ("GREEK", "αριστερ", "δεξι", "τέλο"),
    "en": ("LATIN", "left", "right", "end of"),
    "es": ("LATIN", "izquierd", "derech", "fin de"),
    "et": ("LATIN", "vasak", "parem", "lõpp"),
    "fa": ("ARABIC", "چپ", "راست", "پایان"),
    "fi": ("LATIN", "vasem", "oike", "päätty"),
    "fr": ("LATIN", "gauche", "droite", "fin d"),
    "ga": ("LATIN", "chlé", "dheis", "deireadh"),
    "he": ("HEBREW", "שמאל", "ימינ|ימין|ימני", "קצה"),
    "hi": ("DEVANAGARI", "बाईं|बाएँ", "दाईं|दाएँ", "समाप्त"),
    "hr": ("LATIN", "lijev", "desn", "prestanak"),
    "hu": ("LATIN", "balra|balról", "jobbra|jobbról|jobb oldal", "vége"),
    "it": ("LATIN", "sinistr", "destr", "fine "),
    "ja": ("CJK|HIRAGANA|KATAKANA", "左", "右", "終わり"),
    "ko": ("HANGUL", "좌", "우|오른", "해제"),
    "lt": ("LATIN", "kair", "dešin", "pabaig"),
    "lv": ("LATIN", "kreis", "pa lab|labajā", "beidz"),
    "mt": ("LATIN", "xellug", "lemin", "tmiem"),
    "nb": ("LATIN", "venstre", "høyre", "slutt"),
    "nl": ("LATIN", "links", "rechts", "einde"),
    "pl": ("LATIN", "lew", "praw", "koniec"),
    "pt": ("LATIN", "esquerd", "direit", "fim d"),
    "ro": ("LATIN", "stâng", "dreapt", "sfârșit"),
    "ru": ("CYRILLIC", "налево|слева", "направо|справа", "конец"),
    "sk": ("LATIN", "ľav", "prav", "koniec"),
    "sl": ("LATIN", "lev", "desn", "konec"),
    "sr": ("CYRILLIC", "лев", "десн", "престанак|крај"),
    "sv": ("LATIN", "vänster", "höger", "slut"),
    "th": ("THAI", "ซ้าย", "ขวา", "สุดเขต"),
    "tr": ("LATIN", "sol", "sağ", "sonu"),
    "uk": ("CYRILLIC", "лів", "прав", "кінець"),
    "vi": ("LATIN", "(?:bên|rẽ|sang) trái", "(?:bên|rẽ|sang) phải", "hết"),
    "zh-Hans": ("CJK", "左", "右", "解除"),
}

# Letters of a neighbour's alphabet, by which a text in the wrong language or the wrong code points is found out.
FOREIGN_LETTERS = {
    "ar": "یکپچژگ",
    "bg": "ыэёіїєґђћ",
    "da": "öäß",
    "de": "øåæ",
    "fa": "يكةى",
    "hr": "ěřůýäö",
    "nb": "öäß",
    "nl": "äöåøß",
    "ro": "şţŞŢ",  # with a cedilla: Romanian has a comma below
    "ru": "іїєґђћјљњ",
    "sr": "йщъыьэюяіїєґ",
    "sv": "øæß",
    "uk": "ыэёъ",
    "zh-Hans": "車號讓點線標誌優轉彎駛",
}

LEFT_AND_RIGHT = [
    ("curve.left", "curve.right"),
    ("turn_left", "turn_right"),
    ("ahead_or_left", "ahead_or_right"),
    ("pass_left", "pass_right"),
]
START_AND_END = [
    ("speed_limit.max", "speed_limit.end"),
    ("no_overtaking", "no_overtaking.end"),
    ("no_overtaking.trucks_3_5t", "no_overtaking.trucks_3_5t.end"),
    ("no_overtaking", "end_all_restrictions"),
]

LONGEST = 50  # characters: two lines of the overlay at most, and three seconds of speech

each_language = pytest.mark.parametrize("lang", WORDS)


@cache
def messages(lang: str) -> dict[str, Message]:
    """Read a language's catalogue with all its comments, by context."""
    with (LOCALE / lang.replace("-", "_") / "LC_MESSAGES/wayside.po").open("rb") as file:
        return {str(message.context): message for message in read_po(file, abort_invalid=True) if message.id}


@cache
def template() -> dict[str, str]:
    """Return the English texts by context."""
    with (LOCALE / "wayside.pot").open("rb") as file:
        return {str(message.context): str(message.id) for message in read_po(file) if message.id}


def text(lang: str, id_: str) -> str:
    return str(messages(lang)[id_].string).casefold()


def example(id_: str, unit: SpeedUnit = "km/h") -> Meaning:
    """Return a meaning with the longest number there is, where it has one."""
    return Meaning(id_, 120, unit) if "{limit}" in template()[id_] else Meaning(id_)


def test_all_38_languages_are_there() -> None:
    assert len(WORDS) == 38
    assert set(languages()) == set(WORDS)


def test_the_template_has_every_meaning_and_the_words_of_the_screen() -> None:
    screen = {"interface.limit_unknown", "interface.limit_ended", "interface.other_sign"}
    assert set(template()) == set(meaning_ids()) | screen


@each_language
def test_no_sentence_is_missing(lang: str) -> None:
    entries = messages(lang)
    assert {id_: str(message.id) for id_, message in entries.items()} == template(), "msgmerge with wayside.pot"
    assert [id_ for id_, message in entries.items() if not message.string or message.fuzzy] == []


@each_language
def test_placeholders_are_those_of_the_english(lang: str) -> None:
    for id_, message in messages(lang).items():
        wanted, got = (sorted(re.findall(r"\{.*?\}", str(part))) for part in (message.id, message.string))
        assert got == wanted, id_


@each_language
def test_the_script_is_the_languages_own(lang: str) -> None:
    for id_, message in messages(lang).items():
        bare = re.sub(r"\{\w+\}|(?<=3[.,]5) t\b", "", str(message.string))  # t for tonnes is written so everywhere
        wrong = {c for c in bare if c.isalpha() and not re.match(WORDS[lang][0], unicodedata.name(c))}
        assert not wrong, f"{id_}: {bare}"
        assert unicodedata.is_normalized("NFC", bare), id_
        assert any(c.isalpha() for c in bare), id_


@pytest.mark.parametrize(("lang", "letters"), FOREIGN_LETTERS.items())
def test_no_letters_of_a_neighbour(lang: str, letters: str) -> None:
    assert [id_ for id_ in messages(lang) if set(text(lang, id_)) & set(letters)] == []


@each_language
def test_no_direction_marks_are_hidden_in_the_words(lang: str) -> None:
    """The program isolates its numbers itself; a mark that nobody sees would be lost at the next edit."""
    marks = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069\u061c]")
    assert [id_ for id_, message in messages(lang).items() if marks.search(str(message.string))] == []


@pytest.mark.parametrize("lang", [lang for lang in WORDS if lang != "en"])
def test_nothing_is_left_in_english(lang: str) -> None:
    assert [id_ for id_, english in template().items() if text(lang, id_) == english.casefold()] == []


@each_language
def test_no_two_signs_have_the_same_words(lang: str) -> None:
    """Among these: left and right, a ban and its end, stop and give way."""
    seen: dict[str, str] = {}
    for id_ in meaning_ids():
        assert text(lang, id_) not in seen, f"{id_} reads like {seen[text(lang, id_)]}"
        seen[text(lang, id_)] = id_


@each_language
def test_left_is_left_and_right_is_right(lang: str) -> None:
    _, left, right, _ = WORDS[lang]
    for of_left, of_right in [*LEFT_AND_RIGHT, (None, "narrows_right")]:
        if of_left:
            assert re.search(left, text(lang, of_left)), f"{of_left}: {text(lang, of_left)}"
            assert not re.search(right, text(lang, of_left)), f"{of_left}: {text(lang, of_left)}"
        assert re.search(right, text(lang, of_right)), f"{of_right}: {text(lang, of_right)}"
        assert not re.search(left, text(lang, of_right)), f"{of_right}: {text(lang, of_right)}"
    first = re.search(f"(?P<left>{left})|{right}", text(lang, "curve.double_left_first"))
    assert first is not None, text(lang, "curve.double_left_first")
    assert first["left"], "the first bend of the two is to the left"


@each_language
def test_a_ban_and_its_end_are_told_apart_by_the_word_for_the_end(lang: str) -> None:
    end = WORDS[lang][3]
    for start_id, end_id in START_AND_END:
        assert re.search(end, text(lang, end_id)), f"{end_id}: {text(lang, end_id)}"
        assert not re.search(end, text(lang, start_id)), f"{start_id}: {text(lang, start_id)}"


@each_language
def test_every_sentence_has_a_grade_and_an_official_one_its_source(lang: str) -> None:
    for id_, message in messages(lang).items():
        grades = [comment for comment in message.user_comments if comment.startswith("grade:")]
        assert len(grades) == 1, f"{id_}: {message.user_comments}"
        assert re.fullmatch(r"grade: (draft|(official|reviewed) \(\S.*\S\))", grades[0]), f"{id_}: {grades[0]}"


@each_language
@pytest.mark.parametrize("unit", ["km/h", "mph"])
def test_what_is_shown_is_short_and_has_no_raw_key(lang: str, unit: SpeedUnit) -> None:
    book = Phrasebook(lang)
    for id_ in meaning_ids():
        meaning = example(id_, unit)
        phrase = book.phrase(meaning)
        assert phrase.lang == lang
        assert phrase.is_rtl == (lang in ("ar", "fa", "he"))
        assert len(phrase.text) <= LONGEST, f"{len(phrase.text)}: {phrase.text}"
        assert not re.search(r"[{}_]|speed-|-per-|\u200e|\u200f", phrase.text), phrase.text
        if meaning.value is not None:
            number = f"\u2068{speed(120, unit, lang)}\u2069" if phrase.is_rtl else speed(120, unit, lang)
            assert number in phrase.text
            assert "120" in number, "the number as on the sign"


@pytest.mark.parametrize(
    ("lang", "unit", "shown", "remark"),
    [
        ("de", "km/h", "50 km/h", "the plain case"),
        ("de", "mph", "50 mi/h", "German has its own word for the unit of another country"),
        ("en", "mph", "50 mph", ""),
        ("ga", "km/h", "50 km/h", "CLDR has km/u; the signs have km/h"),
        ("ga", "mph", "50 msu", "CLDR's long form is the raw key"),
        ("mt", "km/h", "50 km/h", "CLDR's long form is the raw key"),
        ("fa", "km/h", "50 km/h", "CLDR hides a U+200E in it; Latin digits, as on the sign"),
        ("fa", "mph", "50 mph", "the same"),
        ("ar", "km/h", "50 كم/س", "Latin digits, as on the sign"),
        ("hi", "km/h", "50 कि॰मी॰/घं॰", ""),
        ("he", "km/h", "50 קמ״ש", ""),
        ("uk", "km/h", "50 км/год", ""),
        ("th", "km/h", "50 กม./ชม.", ""),
        ("zh-Hans", "km/h", "50 km/h", "a tag with a script"),
        ("fr", "km/h", "50\u202fkm/h", "a narrow space, which does not break"),
    ],
)
def test_units_in_the_language_of_the_driver(lang: str, unit: SpeedUnit, shown: str, remark: str) -> None:
    assert speed(50, unit, lang) == shown, remark


@pytest.mark.parametrize(
    ("tags", "lang", "remark"),
    [
        (["da"], "da", "never nb, which is near"),
        (["de-AT"], "de", "a region"),
        (["de_CH"], "de", "an underscore, as a locale has it"),
        (["gsw"], "de", "Swiss German is written in German"),
        (["pt-BR"], "pt", ""),
        (["EN-gb"], "en", "in any case"),
        (["no"], "nb", "the macrolanguage"),
        (["iw"], "he", "the old code"),
        (["sr-Latn"], "sr", "Serbs read both scripts"),
        (["zh"], "zh-Hans", "the likely script"),
        (["zh-CN"], "zh-Hans", ""),
        (["zh-SG"], "zh-Hans", ""),
        (["eu", "es"], "es", "Spanish for a Basque who asks for it, as the second choice"),
        (["nn", "sv"], "sv", "the first that can be had"),
    ],
)
def test_the_language_that_was_asked_for(tags: list[str], lang: str, remark: str) -> None:
    assert negotiate(tags) == lang, remark


@pytest.mark.parametrize(
    ("tags", "says", "remark"),
    [
        (["eu"], r"no sentences in the language 'eu' \(the nearest is es,", "Spanish is no Basque"),
        (["nn"], r"'nn' \(the nearest is nb,", "Nynorsk is near, but not asked for"),
        (["zh-TW"], r"'zh-TW' \(the nearest is zh-Hans,", "traditional script: simplified is not given unasked"),
        (["zh-Hant-HK"], r"the nearest is zh-Hans,", ""),
        (["id"], r"in the language 'id'\. Known are ar, bg, ", "nothing near"),
        (["german"], r"'german' is no language tag \(did you mean de\?\)", "an English name"),
        (["Français"], r"did you mean fr\?", "a language's own name"),
        (["xx"], r"'xx' is no language tag\. Known", "a tag that is none"),
        ([""], r"'' is no language tag", "an empty flag"),
        (["eu", "id"], r"'eu' .*; .*'id'", "every choice is answered"),
    ],
)
def test_a_language_that_cannot_be_had_is_refused_with_the_nearest(tags: list[str], says: str, remark: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        negotiate(tags)
    assert "\n" not in str(caught.value), remark


@pytest.mark.parametrize(
    ("environment", "lang", "remark"),
    [
        ({}, "en", "nothing is set"),
        ({"LANG": "de_DE.UTF-8"}, "de", ""),
        ({"LANG": "sr_RS@latin"}, "sr", "a modifier"),
        ({"LANG": "C.UTF-8"}, "en", "no language"),
        ({"LANG": "POSIX"}, "en", ""),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "fr_FR.UTF-8"}, "fr", "LC_MESSAGES before LANG"),
        ({"LC_MESSAGES": "fr_FR.UTF-8", "LC_ALL": "it_IT.UTF-8"}, "it", "LC_ALL before LC_MESSAGES"),
        ({"LC_ALL": "it_IT.UTF-8", "LANGUAGE": "eu:es:fr"}, "es", "LANGUAGE before all, the first that can be had"),
        ({"LANGUAGE": "", "LANG": "fi_FI.UTF-8"}, "fi", "an empty variable is none"),
        ({"LANG": "da_DK.UTF-8"}, "da", "never nb"),
        ({"LANG": "nn_NO.UTF-8"}, "en", "a locale that cannot be had is no error: English"),
        ({"LANG": "zh_TW.UTF-8"}, "en", "no simplified script unasked"),
        ({"LANG": "nonsense"}, "en", ""),
    ],
)
def test_without_a_flag_the_locale_decides(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], lang: str, remark: str
) -> None:
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert negotiate() == lang, remark


def test_the_choice_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        negotiate(["eu", "de-AT"])
    assert caplog.messages == ["language: de (asked for eu, de-AT)"]


def test_a_draft_comes_with_the_english() -> None:
    phrase = Phrasebook("mt").phrase(Meaning("speed_limit.max", 50, "km/h"))
    assert (phrase.text, phrase.lang, phrase.grade) == ("Limitu tal-veloċità 50 km/h", "mt", "draft")
    assert phrase.english == "Speed limit 50 km/h"


def test_the_wording_of_a_law_needs_no_english() -> None:
    phrase = Phrasebook("de").phrase(Meaning("give_way"))
    assert (phrase.text, phrase.grade, phrase.english) == ("Vorfahrt gewähren", "official", None)


def test_english_needs_no_english() -> None:
    phrase = Phrasebook("en").phrase(Meaning("give_way"))
    assert (phrase.text, phrase.grade, phrase.english) == ("Give way", "draft", None)


def test_numbers_are_isolated_from_right_to_left_text() -> None:
    assert Phrasebook("ar").phrase(Meaning("speed_limit.max", 50, "km/h")).text.endswith("\u206850 كم/س\u2069")


def test_words_of_the_screen() -> None:
    phrase = Phrasebook("de").interface("limit_unknown")
    assert (phrase.text, phrase.lang) == ("Höchstgeschwindigkeit unbekannt", "de")
    with pytest.raises(KeyError, match="limit_unknwon"):
        Phrasebook("de").interface("limit_unknwon")


PO = """
msgid ""
msgstr "Content-Type: text/plain; charset=UTF-8\\n"

# grade: {grade}
{flag}
msgctxt "stop"
msgid "Stop and give way"
msgstr "{text}"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of catalogues with English, and a German one that every test writes for itself."""
    for lang in ("en", "de"):
        (tmp_path / lang / "LC_MESSAGES").mkdir(parents=True)
    english = PO.format(grade="draft", flag="#.", text="Stop and give way")
    (tmp_path / "en/LC_MESSAGES/wayside.po").write_text(english, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("flag", "german", "text", "lang", "remark"),
    [
        ("#.", "Halt", "Halt", "de", "translated"),
        ("#.", "", "Stop and give way", "en", "not translated yet"),
        ("#, fuzzy", "Halt", "Stop and give way", "en", "the English changed after it was translated"),
    ],
)
def test_what_a_language_lacks_is_said_in_english(
    folder: Path, flag: str, german: str, text: str, lang: str, remark: str
) -> None:
    (folder / "de/LC_MESSAGES/wayside.po").write_text(PO.format(grade="official (StVO)", flag=flag, text=german))
    phrase = Phrasebook("de", folder=folder).phrase(Meaning("stop"))
    assert (phrase.text, phrase.lang) == (text, lang), remark
    assert phrase.grade == ("official" if lang == "de" else "draft"), "the grade is that of the words that are shown"


@pytest.mark.parametrize(
    ("content", "says", "remark"),
    [
        (
            PO.format(grade="superb", flag="#.", text="Halt"),
            r"stop: wants one comment '# grade: draft'",
            "no such grade",
        ),
        (PO.format(grade="official", flag="#.", text="Halt"), r"stop: wants one comment", "official without the law"),
        ("Halt!\n", r"wayside.po: Unknown or misformatted keyword", "no gettext catalogue"),
    ],
)
def test_a_damaged_catalogue_is_one_clear_error(folder: Path, content: str, says: str, remark: str) -> None:
    path = folder / "de/LC_MESSAGES/wayside.po"
    path.write_text(content)
    with pytest.raises(ConfigError, match=says) as caught:
        Phrasebook("de", folder=folder)
    assert str(caught.value).startswith(str(path)), remark


def test_a_language_without_a_catalogue_is_one_clear_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"fr/LC_MESSAGES/wayside\.po"):
        Phrasebook("fr", folder=folder)
