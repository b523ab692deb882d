"""Logos: a class-agnostic scan, crops of what it proposes, and the nearest brand of a gallery of enrolled ones.

Nothing here was trained on the brands that it names: to know another brand is to enrol it (`gallery.py`). A place that
lies near no brand is nothing, however logo-like it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import weights
from detectors.boxes import suppress
from detectors.detections import Detections
from detectors.embedder import load_embedder
from detectors.engines import open_engine
from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.geometry import CROP_SCALE, crop_areas, decode_boxes, on_pixels
from detectors.picture import Image, Picture, as_picture
from detectors.scanner import Scanner
from detectors.verifier import crop

Floats = NDArray[np.float32]
Owners = NDArray[np.int64]

SQUEEZES = (1.0, 2.0, 4.0)
"""How many times narrower the scanned levels are made, so that word marks are about square there."""
PLACES = 3
"""How many times `proposals` are scanned for: an arena shows that many more places like a logo than a street signs."""
LEAST_SCORE = 0.01
LEAST_SIDE = 4


class LogoDetector:
    """Logos of the brands of a gallery. Scanner and embedder come from one folder.

    gallery: the enrolled brands; its threshold counts before the shipped one
    """

    def __init__(
        self,
        folder: Path,
        *,
        device: str = "auto",
        precision: str = "auto",
        longest_side: int = 960,
        proposals: int = 16,
        gallery: Gallery | None = None,
    ) -> None:
        if gallery is None:
            raise ModelError("logos are found by a gallery of brands, and none was given; `wayside enrol` makes one")
        model = weights.load(folder / "logos-scanner.safetensors")
        self._embed = load_embedder(folder, device, precision)
        if gallery.exemplars and gallery.embedder_sha256 != self._embed.sha256:
            raise ModelError(
                "the gallery was made with other weights; `wayside gallery rebuild` embeds it with the present ones"
            )
        try:
            least = model.settings["threshold"]
        except KeyError as error:
            raise ModelError(f"{folder}: a network lacks its setting {error}") from error
        self._engine, self._window = (
            open_engine(model.architecture, model.weights, device=device, precision=precision),
            model.architecture.window,
        )
        self._scan = Scanner(
            self._engine,
            model.architecture,
            threshold=least,
            longest_side=longest_side,
            most=PLACES * proposals,
            squeezes=SQUEEZES,
        )
        self.gallery = gallery
        self.labels: Sequence[str] = gallery.brands
        self.threshold = self._embed.threshold if gallery.threshold is None else gallery.threshold
        self.hashes = {model.name: model.sha256, "logos-embedder.safetensors": self._embed.sha256}

    def scan(self, pictures: Sequence[Picture]) -> list[Floats]:
        return [boxes for boxes, _ in self._scan(pictures)]

    def verify(self, pictures: Sequence[Picture], proposals: Sequence[Floats]) -> list[Detections]:
        """Embed each proposal as it is and as the scanner's network places it anew; the nearer of the two counts."""
        owner = np.repeat(np.arange(len(pictures)), [len(p) for p in proposals])
        rough = np.concatenate([np.zeros((0, 4), np.float32), *proposals]).astype(np.float32)
        if not len(rough) or not len(self.gallery.owner):
            return [Detections.empty()] * len(pictures)
        boxes = np.stack([rough, self._placed(pictures, owner, rough)], axis=1)
        embeddings = self._embedded(pictures, np.repeat(owner, 2), boxes.reshape(-1, 4))
        brand, similarity = self.gallery.match(embeddings)
        score = self._embed.score(similarity, embeddings)
        best = np.arange(len(rough)) * 2 + score.reshape(-1, 2).argmax(axis=1)
        named = boxes.reshape(-1, 4)[best], score[best], brand[best], embeddings[best]
        return [settled(p.size_wh, *(column[owner == i] for column in named)) for i, p in enumerate(pictures)]

    def __call__(self, images: Sequence[Image | Picture]) -> list[Detections]:
        pictures = [as_picture(image) for image in images]
        return self.verify(pictures, self.scan(pictures))

    def _placed(self, pictures: Sequence[Picture], owner: Owners, boxes: Floats) -> Floats:
        """The boxes (N, 4) as the scanner's network tells them from a window around each."""
        areas = on_pixels(window_areas(boxes))
        crops = [crop(pictures[o], area, self._window) for o, area in zip(owner, areas, strict=True)]
        return decode_boxes(self._engine(np.stack(crops))[:, 1:, 0, 0], areas)

    def _embedded(self, pictures: Sequence[Picture], owner: Owners, boxes: Floats) -> Floats:
        areas = on_pixels(crop_areas(boxes))
        return self._embed(
            np.stack([crop(pictures[o], area, self._embed.window) for o, area in zip(owner, areas, strict=True)])
        )


def window_areas(boxes: Floats) -> Floats:
    """Boxes (N, 4) -> centre and sides (N, 4) of the windows that a scan sees them best in: of the nearest squeeze."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    octaves = np.log2(sides[:, :1] / sides[:, 1:])
    squeeze = np.array(SQUEEZES)[np.abs(octaves - np.log2(SQUEEZES)).argmin(axis=1)]
    high = np.sqrt(sides.prod(axis=1) / squeeze) * CROP_SCALE
    areas = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, np.stack([high * squeeze, high], axis=1)], axis=1)
    return areas.astype(np.float32)


def settled(
    size_wh: tuple[int, int], boxes: Floats, score: Floats, brand: NDArray[np.int64], embeddings: Floats
) -> Detections:
    """Detections of one picture: clipped, those with a score and a size, doubles suppressed, best first."""
    width, height = size_wh
    boxes = np.clip(boxes, 0, np.array([width, height, width, height], np.float32)).astype(np.float32)
    sides = (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf)
    good = np.flatnonzero((score >= LEAST_SCORE) & (sides >= LEAST_SIDE))
    keep = good[suppress(boxes[good], score[good], 0.35)]
    return Detections(boxes[keep], score[keep].astype(np.float32), brand[keep].astype(np.int64), embeddings[keep])
