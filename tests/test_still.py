"""Words in pictures that stand alone: they name what the detector finds and does not name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from detectors.detections import Detections
from detectors.gallery import Gallery
from detectors.picture import Image, Picture
from detectors.reading import can_read
from detectors.still import StillDetector, still_detector
from tests.test_reading import board

GALLERY = Gallery(texts={"Rolex": ["ROLEX"], "Emirates": ["EMIRATES"]})
PLACES = np.array([[100, 40, 260, 80], [300, 200, 460, 240]], np.float32)


class Told:
    """A detector that tells what it was made with; of nameless places only where something may be expected."""

    labels = GALLERY.brands
    threshold = 0.9
    hashes: ClassVar[dict[str, str]] = {}

    def __init__(self, found: Detections) -> None:
        self.found = found

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[np.ndarray]:
        return [self.found.xyxy] * len(pictures)

    def verify(
        self, pictures: Sequence[Picture], proposals: Sequence[np.ndarray], expected: Sequence[Detections] | None = None
    ) -> list[Detections]:
        return [self.found if expected is not None else self.found[self.found.class_id < 2]] * len(pictures)

    def __call__(self, images: Sequence[Image | Picture]) -> list[Detections]:
        return [self.found[self.found.class_id < 2]] * len(images)


def picture() -> Image:
    image = np.full((360, 640, 3), (70, 110, 80), np.uint8)
    for (x, y), text in (((104, 42), "EMIRATES"), ((304, 202), "Tomorrow")):
        word = board(text, 36)
        image[y : y + 36, x : x + min(152, word.shape[1])] = word[:, :152]
    return image


def test_words_name_what_the_picture_does_not():
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    nameless = Detections(PLACES, np.ones(2, np.float32), np.full(2, 2, np.int64))
    detect = still_detector(Told(nameless), GALLERY)
    (found,) = detect([picture()])
    assert [detect.labels[i] for i in found.class_id] == ["Emirates"], "and what is read as something else is nothing"
    assert np.allclose(found.xyxy, PLACES[:1])
    assert found.score[0] > detect.threshold


def test_what_the_picture_names_is_left_alone():
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    named = Detections(PLACES[1:], np.array([0.95], np.float32), np.array([0], np.int64))
    (found,) = still_detector(Told(named), GALLERY)([picture()])
    assert found.class_id.tolist() == [0]
    assert found.score[0] == np.float32(0.95)


def test_without_a_reader_or_word_marks_the_detector_alone_is_asked():
    nameless = Detections(PLACES, np.ones(2, np.float32), np.full(2, 2, np.int64))
    (found,) = StillDetector(Told(nameless), GALLERY, None)([picture()])
    assert not len(found)
    if can_read():
        wordless = Gallery(brands=["Rolex", "Emirates"])
        assert not len(still_detector(Told(nameless), wordless)([picture()])[0])
