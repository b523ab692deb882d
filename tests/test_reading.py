"""Words: read from crops without a network, compared with word marks, joined with the picture's score."""

from __future__ import annotations

import socket
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.reading import Reader, can_read, combined, distance, evidence, likeness, text_scores, worth_reading


def board(text: str, height: int, seed: int = 0) -> np.ndarray:
    """A board in dark red with white letters, seen this high, with some noise."""
    (width, letters), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_DUPLEX, 2.5, 5)
    pad = round(0.3 * letters)
    rgb = np.full((letters + 2 * pad, width + 2 * pad, 3), (160, 20, 40), np.uint8)
    cv2.putText(rgb, text, (pad, pad + letters), cv2.FONT_HERSHEY_DUPLEX, 2.5, (240, 240, 240), 5, cv2.LINE_AA)
    scale = height / rgb.shape[0]
    small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    noisy = small + np.random.default_rng(seed).normal(0, 8, small.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_boards_are_read_and_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")

    def refuse(*_: object) -> None:
        raise OSError("reading needs no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    reader = Reader()
    marks = ("EMIRATES", "Coca-Cola", "Rolex")
    crops = [board(mark, height) for mark in marks for height in (14, 30)]
    lines = reader.read([*crops, np.full((40, 90, 3), 90, np.uint8), np.zeros((4, 50, 3), np.uint8)])
    gallery = Gallery()
    for mark in marks:
        gallery = gallery.with_texts(mark, [mark])
    score = text_scores(lines, gallery)
    assert score[:6].argmax(axis=1).tolist() == [0, 0, 1, 1, 2, 2]
    assert (score[:6].max(axis=1) > 0.9).all(), lines
    assert (score[6:] < 0.1).all(), "an empty board and one too low tell nothing"
    assert reader.read([crops[1]]) == [lines[1]], "alone as among others"
    assert reader.read([]) == []


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rapidocr", None)
    monkeypatch.setattr("detectors.reading.find_spec", lambda name: None)
    assert not can_read()
    with pytest.raises(ModelError, match=r"pip install 'wayside\[text\]'"):
        Reader()


@pytest.mark.parametrize(
    ("read", "mark", "low", "high", "remark"),
    [
        ("EMIRATES", "Emirates", 1, 1, "case"),
        ("societe generale", "Société Générale", 1, 1, "accents"),
        ("STRASSE", "Straße", 1, 1, "folded, not lowered"),
        ("Coca Cola", "Coca-Cola", 1, 1, "a hyphen"),
        ("McDonalds", "McDonald's", 1, 1, "an apostrophe"),
        ("visit Emirates today", "Emirates", 1, 1, "among other words"),
        ("Qatar Air ways", "Qatar Airways", 1, 1, "a space too many"),
        ("FLYEMIRATES", "EMIRATES", 0.9, 0.9, "a space too few"),
        ("EM1RATES", "EMIRATES", 0.87, 0.88, "a letter misread"),
        ("CAMPAIGN", "AIG", 0, 0.5, "a short mark inside another word"),
        ("HP", "BP", 0.5, 0.5, "one letter of two is another brand"),
        ("ЛУКОЙЛ", "Лукойл", 1, 1, "other scripts"),
        ("", "Visa", 0, 0, "nothing read"),
        ("!!!", "Visa", 0, 0, "no letter read"),
    ],
)
def test_likeness_of_words(read: str, mark: str, low: float, high: float, remark: str) -> None:
    assert low <= likeness(read, mark) <= high, remark


@given(st.text("abcd", max_size=8), st.text("abcd", max_size=8), st.text("abcd", max_size=8))
def test_distance_is_a_metric(a: str, b: str, c: str) -> None:
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, c) <= distance(a, b) + distance(b, c)
    assert abs(len(a) - len(b)) <= distance(a, b) <= max(len(a), len(b))


shares = st.floats(0, 1, width=32)


@given(shares, shares, shares, shares)
def test_both_kinds_of_evidence_only_ever_add(image: float, text: float, more_image: float, more_text: float) -> None:
    low = combined(np.float32([image]), np.float32([text]))[0]
    high = combined(np.float32([max(image, more_image)]), np.float32([max(text, more_text)]))[0]
    assert -1e-6 <= low <= high + 1e-6 <= 1 + 2e-6
    assert combined(np.float32([image]), np.float32([0]))[0] == pytest.approx(image, abs=1e-6)
    assert evidence(image, text) <= evidence(max(image, more_image), max(text, more_text))


def test_only_the_largest_undecided_places_are_read() -> None:
    boxes = np.float32(
        [[0, 0, 90, 20], [0, 0, 50, 8], [0, 0, 200, 40], [0, 0, 30, 60], [0, 0, 300, 60], [0, 0, 60, 20]]
    )
    score = np.float32([0.5, 0.5, 0.1, 0.1, 0.99, 0.2])
    assert worth_reading(boxes, score).tolist() == [2, 0, 5]
    assert worth_reading(boxes, score, most=1).tolist() == [2]
    assert worth_reading(boxes[:0], score[:0]).tolist() == []
