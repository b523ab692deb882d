"""Which language the driver is spoken to in, and the sentences of that language.

The sentences are gettext catalogues in `locale/`, one folder a language, with the meaning's id as context; they are
read as they are, without compiled files. `docs/languages.md` describes them. It knows no countries: those decide which
signs there are and the unit (`catalogue.py`).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Literal, cast

import langcodes
from babel import Locale
from babel.messages.pofile import PoFileError, read_po

from pipeline.errors import ConfigError
from pipeline.road.catalogue import Meaning
from pipeline.road.units import speed

log = logging.getLogger(__name__)

Grade = Literal["official", "reviewed", "draft"]
"""How far a sentence can be trusted: the wording of a law, checked by a named native speaker, or neither."""

FALLBACK = "en"

_LOCALE = Path(__file__).with_name("locale")
_CATALOGUE = Path("LC_MESSAGES", "wayside.po")
_GRADE = re.compile(r"grade: (?:(official|reviewed) \(.+\)|(draft))")

# Languages as near as this are understood by who speaks the other: de-AT and de, sr-Latn and sr. The default of the
# library, 25, gives Norwegian to a Dane and Spanish to a Basque: too far for sentences that a life may hang on.
_MAX_DISTANCE = 10
_RELATED = 80  # from here on the nearest language is no more than a coincidence and not worth naming


@cache
def languages() -> tuple[str, ...]:
    """Return the tags (BCP 47) of the languages that have sentences, sorted."""
    return tuple(sorted(path.parent.parent.name.replace("_", "-") for path in _LOCALE.glob(f"*/{_CATALOGUE}")))


def negotiate(tags: Sequence[str] | None = None) -> str:
    """Choose the language to speak: the first of the tags that has sentences, or one close enough to it.

    tags: BCP 47, as the driver asked for them, the best first; ConfigError where none of them can be had. None takes
    the environment's locale instead, and English where that cannot be had.
    """
    wanted = list(tags) if tags is not None else list(_locale_tags())
    for tag in wanted:
        lang = _closest(tag)
        if lang is not None:
            log.info("language: %s (asked for %s)", lang, ", ".join(wanted))
            return lang
    if tags is not None:
        raise ConfigError(f"{'; '.join(map(_refusal, tags))}. Known are {', '.join(languages())}")
    log.info("language: %s (the locale asks for %s)", FALLBACK, ", ".join(wanted) or "none")
    return FALLBACK


def _closest(tag: str) -> str | None:
    if not langcodes.tag_is_valid(tag):
        return None
    return langcodes.closest_supported_match(tag, list(languages()), max_distance=_MAX_DISTANCE)


def _refusal(tag: str) -> str:
    """Say why a tag cannot be had, and what is nearest to it."""
    if langcodes.tag_is_valid(tag):
        distance, nearest = min((langcodes.tag_distance(tag, lang), lang) for lang in languages())
        hint = f" (the nearest is {nearest}, too far to be taken unasked)" if distance < _RELATED else ""
        return f"there are no sentences in the language {tag!r}{hint}"
    guesses = get_close_matches(tag.lower(), _names(), n=1)
    hint = f" (did you mean {_names()[guesses[0]]}?)" if guesses else ""
    return f"{tag!r} is no language tag{hint}"


def _names() -> dict[str, str]:
    """Return the tags of the languages by what one may call them: the tag, the English and their own name."""
    names: dict[str, str] = {}
    for lang in languages():
        locale = Locale.parse(lang, sep="-")
        names |= {str(name).lower(): lang for name in (lang, locale.english_name, locale.display_name)}
    return names


def _locale_tags() -> Iterator[str]:
    """Yield the tags that the environment's locale asks for. The first variable that is set counts, as in gettext."""
    for name in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            for part in value.split(":"):
                tag = re.split(r"[.@]", part)[0].replace("_", "-")  # de_DE.UTF-8@euro
                if tag not in ("", "C", "POSIX"):
                    yield tag
            return


@dataclass(frozen=True, slots=True)
class Phrase:
    """A sentence to show or to speak.

    text: numbers stand in isolates (U+2068, U+2069) where the language is written from right to left
    lang: of the text; English where the language asked for lacks the sentence
    english: the same in English, to be shown with a draft; None where the text needs no such help
    """

    text: str
    lang: str
    grade: Grade
    is_rtl: bool
    english: str | None = None


class Phrasebook:
    """The sentences of one language, and English for what it lacks."""

    def __init__(self, lang: str, *, folder: Path = _LOCALE) -> None:
        """lang: one of `languages()`, as `negotiate` gives it; ConfigError where its catalogue cannot be read.

        folder: of the catalogues, laid out as gettext wants it
        """
        self.lang = lang
        self._books = {book: _read(book, folder) for book in dict.fromkeys((lang, FALLBACK))}

    def phrase(self, meaning: Meaning) -> Phrase:
        """Return what a sign means, in words."""
        lang, entry = self._entry(meaning.id)
        needs_english = entry.grade == "draft" and lang != FALLBACK
        english = _filled(self._books[FALLBACK][meaning.id].text, meaning, FALLBACK) if needs_english else None
        return Phrase(_filled(entry.text, meaning, lang), lang, entry.grade, _is_rtl(lang), english)

    def interface(self, key: str) -> Phrase:
        """Return a word of the screen, e.g. `limit_unknown`."""
        lang, entry = self._entry(f"interface.{key}")
        return Phrase(entry.text, lang, entry.grade, _is_rtl(lang))

    def _entry(self, id_: str) -> tuple[str, _Entry]:
        for lang, book in self._books.items():
            if id_ in book:
                return lang, book[id_]
        raise KeyError(f"no sentence for {id_!r}, not even in English")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A translated message of a catalogue."""

    text: str
    grade: Grade


@cache
def _read(lang: str, folder: Path) -> Mapping[str, _Entry]:
    """Read a language's catalogue by context; what is untranslated or fuzzy (its English has changed) is left out."""
    path = folder / lang.replace("-", "_") / _CATALOGUE
    try:
        with path.open("rb") as file:
            messages = [m for m in read_po(file, abort_invalid=True) if m.id and m.string and not m.fuzzy]
    except (OSError, UnicodeDecodeError, PoFileError) as error:
        raise ConfigError(f"{path}: {error}") from error
    entries = {}
    for message in messages:
        grades = [match for match in map(_GRADE.fullmatch, message.user_comments) if match]
        if len(grades) != 1:
            raise ConfigError(f"{path}: {message.context}: wants one comment '# grade: draft' or 'official (source)'")
        entries[str(message.context)] = _Entry(str(message.string), cast(Grade, grades[0][1] or grades[0][2]))
    return entries


def _filled(text: str, meaning: Meaning, lang: str) -> str:
    """Put the number of the sign into its sentence."""
    if meaning.value is None or meaning.unit is None:
        return text
    limit = speed(meaning.value, meaning.unit, lang)
    return text.format(limit=f"\u2068{limit}\u2069" if _is_rtl(lang) else limit)


def _is_rtl(lang: str) -> bool:
    return str(Locale.parse(lang, sep="-").character_order) == "right-to-left"
