"""The second opinion: tells photographed logos apart, and is asked only where there is a photograph to compare with."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from detectors import weights
from detectors.detector import open_detector
from detectors.errors import ModelError
from detectors.gallery import Exemplar, Gallery
from detectors.geometry import crop_areas, on_pixels
from detectors.picture import ArrayPicture
from detectors.rendering import Likeness
from detectors.second import FILE, SecondOpinion, second_opinion
from detectors.verifier import crop
from tests.test_logos import BOX, arena, gallery_of

VECTOR = np.eye(1, 128, dtype=np.float32)


def seen(picture: ArrayPicture, side: int) -> np.ndarray:
    return crop(picture, on_pixels(crop_areas(BOX))[0], side)


def exemplar(brand: str, picture: ArrayPicture) -> Exemplar:
    return Exemplar(brand, "photo", "a.png", Likeness("photo", "a.png", seen(picture, 128)).png(), VECTOR)


def test_the_brand_that_is_seen_has_better_odds_than_another():
    gallery = Gallery([exemplar("Arrow", arena()), exemplar("Mirrored", arena(is_mirrored=True))])
    second = SecondOpinion(weights.SHIPPED, gallery)
    embedded = second([seen(arena(), second.window)] * 2)
    assert np.linalg.norm(embedded, axis=1) == pytest.approx(1.0, abs=1e-4)
    right, other = second.odds(embedded, np.array([0, 1]))
    assert right > 0
    assert right > other + 2


def test_nothing_speaks_for_or_against_what_was_not_looked_at_or_has_no_photograph():
    gallery = Gallery([exemplar("Arrow", arena())], texts={"Words": ["WORDS"]})
    second = SecondOpinion(weights.SHIPPED, gallery)
    embedded = np.concatenate([np.zeros((1, second.dimensions), np.float32), second([seen(arena(), second.window)])])
    assert second.odds(embedded, np.array([0, 1])).tolist() == [0.0, 0.0]
    assert second(np.zeros((0, second.window, second.window, 3), np.uint8)).shape == (0, second.dimensions)


def test_it_is_opened_only_where_it_is_asked(tmp_path):
    photographed = Gallery([exemplar("Arrow", arena())])
    drawn = Gallery([Exemplar("Arrow", "artwork", "a.png", photographed.exemplars[0].png, VECTOR)])
    assert second_opinion(weights.SHIPPED, photographed) is not None
    assert second_opinion(weights.SHIPPED, drawn) is None
    assert second_opinion(tmp_path, photographed) is None
    assert photographed.is_photo.all()
    assert not drawn.is_photo.any()


def test_damaged_weights_are_refused(tmp_path):
    for suffix in (".safetensors", ".json"):
        shutil.copy(weights.SHIPPED / f"logos-second{suffix}", tmp_path)
    with (tmp_path / FILE).open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    with pytest.raises(ModelError, match="SHA-256"):
        second_opinion(tmp_path, Gallery([exemplar("Arrow", arena())]))


def test_the_detector_asks_it_and_follows_by_what_it_said():
    """What is followed keeps both embeddings, and its score counts the second too."""
    detector = open_detector("logos", gallery=gallery_of(weights.SHIPPED, arena()))
    assert FILE in detector.hashes
    (found,) = detector.verify([arena()], [BOX])
    assert found.embedding is not None
    first, second, _, _ = detector.parted(found.embedding[:1])
    assert np.linalg.norm(found.embedding, axis=1) == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(first) == pytest.approx(1.0, abs=1e-4)
    assert np.linalg.norm(second) == pytest.approx(1.0, abs=1e-4)
    moved, nothing = BOX + np.array([6, 3, 6, 3], np.float32), np.zeros((0, 4), np.float32)
    (followed,) = detector.verify([arena(moved)], [nothing], [found[:1]])
    assert np.array_equal(followed.embedding, found.embedding[:1])
    assert followed.score[0] >= detector.threshold
