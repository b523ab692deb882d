"""Words: read from crops without a network, the same each time, and compared with word marks."""

from __future__ import annotations

import socket
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import reading
from detectors.errors import ModelError
from detectors.reading import Reader, can_read, distance, likeness, part_likeness


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
    reading._opened.cache_clear()
    reader = Reader()
    marks = ("EMIRATES", "Coca-Cola", "Rolex")
    crops = [board(mark, height) for mark in marks for height in (14, 30)]
    lines = reader.read([*crops, np.full((40, 90, 3), 90, np.uint8), np.zeros((4, 50, 3), np.uint8)])
    for (text, score), mark in zip(lines, (mark for mark in marks for _ in range(2)), strict=False):
        assert likeness(text, mark) >= 0.85, lines
        assert score > 0.7, lines
    assert all(not text or score < 0.5 for text, score in lines[6:]), "an empty board and one too low tell nothing"
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


@pytest.mark.parametrize(
    ("read", "mark", "low", "high", "remark"),
    [
        ("RDA", "FJORDA", 1, 1, "the rest is hidden"),
        ("ANORVAN", "NORVANTE", 0.85, 0.9, "an emblem read as a letter, and the end cut off"),
        ("FJELLA", "FJORDA", 0.5, 0.7, "another word that begins alike"),
        ("JOLVA", "JULMA", 0.6, 0.6, "another word in the same letters' shapes"),
        ("GANTRY", "dynto", 0, 0.5, "another word"),
        ("", "Visa", 0, 0, "nothing read"),
    ],
)
def test_likeness_of_parts_of_words(read: str, mark: str, low: float, high: float, remark: str) -> None:
    assert low <= part_likeness(read, mark) <= high, remark


def test_two_readers_read_the_very_same() -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    crops = [board(text, height, seed=height) for text in ("JULMA", "Norvante", "山河") for height in (12, 20, 48)]
    first = Reader()
    reading._opened.cache_clear()
    second = Reader()
    assert first.read(crops) == second.read(crops) == first.read(crops)
    assert first.hashes == second.hashes != {}


def test_lines_are_found_in_a_picture() -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    one = board("MIRABO", 60)
    picture = np.full((240, 320, 3), (30, 60, 90), np.uint8)
    picture[40:100, 30 : 30 + one.shape[1]] = one
    picture[150:210, 60 : 60 + one.shape[1]] = board("HOLVAR", 60)[:, : one.shape[1]]
    assert [text for text, _ in Reader().find(picture)] == ["MIRABO", "HOLVAR"]
    assert Reader().find(np.full((90, 200, 3), 120, np.uint8)) == []
