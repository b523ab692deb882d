"""Logos in pictures that stand alone: what the detector names, and what only words name there.

In a video the judge adds words up over a track's life. Here a place is seen once, so words speak for what the picture
does not name, and what it names they leave alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.detections import Detections, settled
from detectors.detector import Detector
from detectors.gallery import Gallery
from detectors.picture import Image, Picture, around, as_picture
from detectors.reading import LEAST_HEIGHT, READ_AROUND, Reader, can_read
from detectors.wording import Wording, worded


class StillDetector:
    """Finds logos in still pictures, by their looks and by their words. Passive and single-threaded.

    detector: of logos; gallery: its gallery; reader: None where nothing is read
    labels, threshold: as the detector has them
    """

    def __init__(self, detector: Detector, gallery: Gallery, reader: Reader | None) -> None:
        self._detector, self._reader, self._wording = detector, reader, Wording(gallery)
        self.labels, self.threshold = detector.labels, detector.threshold

    def __call__(self, images: Sequence[Image]) -> list[Detections]:
        """images: RGB uint8 (h, w, 3), of any sizes -> what each shows."""
        if self._reader is None:
            return self._detector(images)
        pictures = [as_picture(image) for image in images]
        expected = [Detections.empty()] * len(pictures)  # where something may be expected, nameless places are told
        found = self._detector.verify(pictures, self._detector.scan(pictures), expected)
        return [self._read(*each, self._reader) for each in zip(pictures, found, strict=True)]

    def _read(self, picture: Picture, found: Detections, reader: Reader) -> Detections:
        """The detections of one picture, the nameless ones as their words name them."""
        is_brand = found.class_id < len(self.labels)
        named = [found[is_brand]]
        for place in np.flatnonzero(~is_brand).tolist():
            one = found[place : place + 1]
            patch, _ = around(picture, one.xyxy[0].tolist(), *READ_AROUND, least=LEAST_HEIGHT)
            told = None if patch is None else worded(reader.read([patch]), self._wording)
            if told is not None:
                brand, odds = told
                # The threshold is where a picture is believed, and words are from even odds on.
                logit = np.log(self.threshold / (1 - self.threshold)) + odds
                score = np.array([1 / (1 + np.exp(-logit))], np.float32)
                named.append(Detections(one.xyxy, score, np.array([brand], np.int64), one.embedding))
        every = Detections.concat(named)
        return settled(picture.size_wh, every.xyxy, every.score, every.class_id, every.embedding)


def still_detector(detector: Detector, gallery: Gallery) -> StillDetector:
    """One that reads where brands have word marks and the extra `text` is installed."""
    has_marks = any(gallery.marks(brand) for brand in gallery.brands)
    return StillDetector(detector, gallery, Reader() if has_marks and can_read() else None)
