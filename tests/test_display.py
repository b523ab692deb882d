"""What is shown of a drive: the driver's words, the sign's kind, the limit's state, captions for their time."""

import math

import numpy as np
import pytest

from pipeline.events import Announcement, LimitChange
from pipeline.overlay import Panel
from pipeline.road.catalogue import Catalogue
from pipeline.road.display import CAPTION_SECONDS, Display, Kind
from pipeline.road.language import Phrasebook, languages
from pipeline.tracker import Best, Track

OTHER = 43


def _display(lang: str = "de", country: str = "DE") -> Display:
    return Display(Catalogue.for_country(country), Phrasebook(lang))


def _track(class_id: int, *, state: str = "confirmed", is_bridged: bool = False) -> Track:
    xyxy = (600.0, 200.0, 660.0, 260.0)
    best = Best(xyxy, 1.0, 0.9)
    return Track(1, state, class_id, 0.9, xyxy, None if is_bridged else 0.9, 0.5, 1.0, math.inf, best)  # type: ignore[arg-type]


def _limit(state: str, value: int | None = None) -> LimitChange:
    unit = "km/h" if value else None
    return LimitChange(stream="s", pts_seconds=0.0, state=state, value=value, unit=unit, reason="sign")  # type: ignore[arg-type]


def _announcement(pts_seconds: float, *, lang: str = "de", grade: str = "official", class_id: int = 13) -> Announcement:
    return Announcement(
        stream="s",
        pts_seconds=pts_seconds,
        text="Vorfahrt gewähren",
        lang=lang,
        grade=grade,
        meaning="give_way",
        value=None,
        unit=None,
        track=1,
        class_id=class_id,
        label="give way",
        passes_in_seconds=2.0,
    )


@pytest.mark.parametrize(
    ("class_id", "kind", "word"),
    [
        (2, Kind.PROHIBITION, "50"),
        (6, Kind.END, "80"),
        (32, Kind.END, "Ende"),
        (13, Kind.PRIORITY, "Vorfahrt"),
        (18, Kind.DANGER, "Gefahr"),
        (40, Kind.MANDATORY, "Kreisverkehr"),
        (OTHER, Kind.OTHER, "zeichen"),
    ],
)
def test_a_sign_has_its_kind_and_its_words(class_id: int, kind: Kind, word: str) -> None:
    box = _display().box(_track(class_id))
    assert box.colour == kind.value
    assert box.words is not None
    assert word.lower() in box.words.text.lower()
    assert box.pictogram == (class_id if class_id < OTHER else None)


def test_the_country_decides_the_unit_and_which_signs_there_are() -> None:
    british = _display("de", "GB")
    box = british.box(_track(2))
    assert box.words is not None
    assert "mi/h" in box.words.text, "miles, in German"
    assert british.box(_track(12)).colour == Kind.OTHER.value, "priority roads are not signed there"


def _drafts() -> list[tuple[str, int]]:
    """Return the languages that have a draft, each with the class of one."""
    catalogue = Catalogue.for_country("DE")
    grades = {
        (lang, class_id): Phrasebook(lang).phrase(sign.meaning).grade
        for lang in languages()
        if lang != "en"
        for class_id, sign in catalogue.signs.items()
    }
    return [(lang, class_id) for (lang, class_id), grade in grades.items() if grade == "draft"]


def test_a_draft_has_english_below_in_its_label_and_its_caption() -> None:
    drafts = _drafts()
    assert drafts
    for lang, class_id in drafts:
        display, english = _display(lang), _display("en").box(_track(class_id)).words
        label = display.box(_track(class_id)).words
        (caption,) = display.captions([_announcement(1.0, lang=lang, grade="draft", class_id=class_id)], 1.5)
        assert label is not None
        assert english is not None
        assert label.note == caption.words.note == english.text, (lang, class_id)


def test_a_quoted_law_stands_alone() -> None:
    words = _display("de").box(_track(13)).words
    assert words is not None
    assert words.note is None


@pytest.mark.parametrize(
    ("limit", "expected", "remark"),
    [
        (None, (None, False, False, True), "nothing seen yet"),
        (_limit("unknown"), (None, False, False, True), "expired"),
        (_limit("unknown", 80), (80, False, False, False), "expired, the last value with a question mark"),
        (_limit("set", 80), (80, True, False, False), "in force"),
        (_limit("ended"), (None, True, True, True), "ended"),
    ],
)
def test_the_panel_follows_the_limit(
    limit: LimitChange | None, expected: tuple[int | None, bool, bool, bool], remark: str
) -> None:
    panel: Panel = _display().panel(limit)
    assert (panel.value, panel.is_sure, panel.is_ended, panel.words is not None) == expected, remark


@pytest.mark.parametrize(("after", "shown"), [(-0.1, 0), (0.0, 1), (CAPTION_SECONDS - 0.1, 1), (CAPTION_SECONDS, 0)])
def test_an_announcement_stays_for_its_time(after: float, shown: int) -> None:
    assert len(list(_display().captions([_announcement(10.0)], 10.0 + after))) == shown


@pytest.mark.parametrize("lang", ["de", "ar"])
def test_a_frame_is_drawn_with_all_of_it(lang: str) -> None:
    frame = np.full((360, 640, 3), 96, np.uint8)
    tracks = [_track(2), _track(OTHER, is_bridged=True), _track(13, state="tentative")]
    drawn = _display(lang).draw(frame, tracks, _limit("set", 50), [_announcement(0.0)] * 5, pts_seconds=1.0)
    changed = np.any(drawn != frame, axis=2)
    start = changed[:80, :80] if lang == "de" else changed[:80, -80:]
    assert start.mean() > 0.4, "the panel, where the language starts"
    assert changed[300:, 200:440].mean() > 0.2, "the caption"
    assert changed[:150].all(axis=1).sum() == 0, "two captions at most: the road stays visible"
