"""What words say of brands, as log-odds that are added to what the picture says."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.gallery import Exemplar, Gallery
from detectors.reading import Line, Reader
from detectors.rendering import Likeness
from detectors.wording import FOR, MOST, UNSEEN, Wording, judged, letters_of, worded

BRANDS = ("Gantry", "Dynto", "Julma", "Fjorda", "Bolt", "Spoken")
GANTRY, DYNTO, JULMA, FJORDA, BOLT, SPOKEN = range(6)


def wording() -> Wording:
    """Word marks read in artwork; Bolt is an emblem that was given words too, Spoken a brand of words alone."""
    letters = {"Gantry": "GANTRY", "Dynto": "dynto", "Julma": "JULMA", "Fjorda": "FJORDA", "Bolt": ""}
    vector = np.ones((1, 4), np.float32) / 2
    exemplars = [Exemplar(brand, "artwork", f"{brand}.png", b"", vector, word) for brand, word in letters.items()]
    return Wording(Gallery(exemplars, texts={"Bolt": ["Bolt Energy"], "Spoken": ["Fly Spoken"]}))


@pytest.mark.parametrize(
    ("brand", "lines", "low", "high", "remark"),
    [
        (JULMA, [("JULMA", 1.0)], FOR, FOR, "read without doubt"),
        (JULMA, [("JULNA", 1.0)], 0.5, 2, "a letter misread"),
        (JULMA, [("JOLVA", 1.0)], -5, -4, "a look-alike"),
        (JULMA, [("JOLVA", 0.85)], -2, -1, "but letters that were hardly read may be wrong"),
        (JULMA, [("JOLVA", 1.0)] * 4, -MOST, -MOST, "read again and again"),
        (FJORDA, [("FJELLA", 0.95)], -5, -2, "a look-alike"),
        (FJORDA, [("RDA", 1.0)], 0, 0, "the rest is hidden: it may be the brand"),
        (DYNTO, [("GANTRY", 1.0)], -5, -4, "another brand's word"),
        (DYNTO, [("to", 1.0)], 0, 0, "too short to tell"),
        (DYNTO, [("GANTRY", 0.5)], 0, 0, "the reader guesses"),
        (DYNTO, [("", 0.0)], 0, 0, "nothing read"),
        (BOLT, [("GANTRY", 1.0)], 0, 0, "an emblem may stand beside any words"),
        (BOLT, [("BOLT ENERGY", 1.0)], FOR, FOR, "and its own words speak for it"),
        (SPOKEN, [("fly spoken", 0.9)], 4.4, 4.6, "words alone"),
    ],
)
def test_evidence(brand: int, lines: Sequence[Line], low: float, high: float, remark: str) -> None:
    assert low <= wording().of(lines, brand) <= high, remark


@pytest.mark.parametrize(
    ("picture", "brand", "lines", "expected", "remark"),
    [
        (0.9, JULMA, [], JULMA, "the picture alone"),
        (0.3, JULMA, [("JULMA", 1.0)], JULMA, "words lift a doubtful picture"),
        (0.9, JULMA, [("JOLVA", 1.0), ("JOLVA", 1.0)], None, "two looks reject a look-alike"),
        (0.9, DYNTO, [("GANTRY", 1.0)], GANTRY, "the words name another brand of the gallery"),
        (0.999, JULMA, [("JOLVA", 1.0)] * 3, None, "no picture is so sure that clear words could not reject it"),
        (0.9, BOLT, [("JOLVA", 1.0)] * 3, BOLT, "but an emblem's board may say anything"),
    ],
)
def test_both_kinds_of_evidence_make_one_verdict(
    picture: float, brand: int, lines: Sequence[Line], expected: int | None, remark: str
) -> None:
    found, odds = judged(picture, brand, lines, wording())
    assert (found if odds >= 0 else None) == expected, remark


def test_letters_alone_are_less_than_a_picture_with_them() -> None:
    alone = judged(0.01, DYNTO, [("GANTRY", 1.0)], wording())
    both = judged(0.9, GANTRY, [("GANTRY", 1.0)], wording())
    assert alone == (GANTRY, pytest.approx(UNSEEN + FOR))
    assert both[1] > alone[1]


@given(st.floats(0, 1), st.text("JULMAOV", max_size=6), st.floats(0, 1), st.floats(0, 1))
def test_a_surer_picture_is_never_worth_less(picture: float, text: str, score: float, more: float) -> None:
    words = wording()
    low, high = sorted((picture, more))
    assert judged(low, JULMA, [(text, score)], words)[1] <= judged(high, JULMA, [(text, score)], words)[1]


def test_a_gallery_without_words_tells_nothing() -> None:
    words = Wording(Gallery(brands=["Acme"]))
    assert words.is_empty
    assert words.named([("ACME", 1.0)]) == set()
    assert words.of([("Other", 1.0)], 0) == 0


def artwork(text: str) -> Likeness:
    """A word in dark red on nothing."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 2.0, 5)
    alpha = np.zeros((height + 8, width + 8), np.uint8)
    cv2.putText(alpha, text, (4, height + 4), cv2.FONT_HERSHEY_DUPLEX, 2.0, 255, 5, cv2.LINE_AA)
    return Likeness("artwork", "word.png", np.dstack([np.full((*alpha.shape, 3), (150, 20, 30), np.uint8), alpha]))


def test_letters_are_read_in_artwork_and_none_in_an_emblem() -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    reader = Reader()
    assert letters_of(artwork("NORVANTE"), reader) == "NORVANTE"
    ring = np.zeros((120, 120, 4), np.uint8)
    cv2.circle(ring, (60, 60), 50, (20, 90, 200, 255), 14)
    assert letters_of(Likeness("artwork", "ring.png", ring), reader) == ""


@pytest.mark.parametrize(
    ("lines", "expected", "remark"),
    [
        ([("GANTRY", 1.0)], GANTRY, "read without doubt"),
        ([("GANTRY", 0.59)], None, "the reader guesses"),
        ([("GANTBY", 1.0)], None, "one letter of six is wrong"),
        ([("GANTRY", 1.0), ("", 0.0)], GANTRY, "nothing read says nothing"),
        ([("GANTRY", 0.9), ("FJORDA", 1.0), ("FJORDA", 1.0)], FJORDA, "what was read more often"),
        ([("HP", 1.0)], None, "two letters are read in any pattern"),
        ([], None, "nothing read"),
    ],
)
def test_what_words_alone_name(lines: Sequence[Line], expected: int | None, remark: str) -> None:
    gallery = Gallery(texts={"Hp": ["HP"]}, brands=BRANDS)
    words = wording()
    assert worded([("HP", 1.0)], Wording(gallery)) is None
    found = worded(lines, words)
    assert (None if found is None else found[0]) == expected, remark
