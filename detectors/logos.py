"""Logos: a class-agnostic scan, crops of what it proposes, and the nearest brand of a gallery of enrolled ones.

Nothing here was trained on the brands that it names: to know another brand is to enrol it (`gallery.py`). A place that
lies near no brand is nothing, however logo-like it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import weights
from detectors.alignment import WIDE, Template, align, span_within, template, template_of, templates
from detectors.boxes import iou, paired_iou
from detectors.detections import DOUBLE, Detections, settled
from detectors.embedder import load_embedder, unit
from detectors.engines import open_engine
from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.geometry import CROP_SCALE, crop_areas, decode_boxes, on_pixels
from detectors.picture import Image, Picture, as_picture
from detectors.rendering import views
from detectors.scanner import Scanner
from detectors.second import FILE as SECOND_FILE
from detectors.second import second_opinion
from detectors.slant import Upright, slanted_boxes, slope_of, upright_boxes
from detectors.verifier import crop

Floats = NDArray[np.float32]
Owners = NDArray[np.int64]

SQUEEZES = (1.0, 2.0, 4.0, 8.0)
"""How many times narrower the scanned levels are made, so that word marks are about square there."""
PLACES = 3
"""How many times `proposals` are scanned for: an arena shows that many more places like a logo than a street signs."""
CHECKED_FROM = 0.2
"""Score of the embedding alone below which nothing is laid over a place."""
MOST_CHECKED = 20
"""Places a picture on which likenesses are laid, at the most; each takes 2 ms."""
SURE = 0.97
"""Score of the embedding alone from which a proposal is not placed anew: a tracked box is well placed."""
SAME_PLACE = 0.85
"""Overlap of a place and where a likeness fits in it from which it is not embedded again."""
TRIED = 3
"""Likenesses laid over a place."""
FIT_WEIGHT, USUAL_FIT = 8.0, 0.62
"""What a correlation is worth beside the embedding's logit, and which is worth nothing (NOTES.md, "laid over")."""
ASKED_FROM = 0.0
"""Log-odds from which a second opinion is asked for, which takes 3 ms: from -4 on it is thrice as often in vain."""
FOLLOWED_BY, FOLLOWED_FROM = 2, 0.7
"""Likenesses laid over what is expected, and the correlation from which it is still there."""
NAMELESS = 12
"""Places of no brand that are told a picture, at the most: those that lie nearest to some brand."""
NAMELESS_ASPECT, NAMELESS_HEIGHT = 1.2, 12
"""Width over height and height in pixels from which such a place may hold words."""
NAMELESS_SCORE = 1.0
"""Of such places: nothing is claimed of them that could be doubted."""


class LogoDetector:
    """Logos of the brands of a gallery. Scanner and embedder come from one folder.

    gallery: the enrolled brands; its threshold counts before the shipped one
    nameless: the class of places that may hold words and are like no brand: one beyond those of the brands
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
        self._engine = open_engine(model.architecture, model.weights, device=device, precision=precision)
        self._window = model.architecture.window
        self._scan = Scanner(
            self._engine,
            model.architecture,
            threshold=least,
            longest_side=longest_side,
            most=PLACES * proposals,
            squeezes=SQUEEZES,
        )
        self.gallery = gallery
        self.nameless = len(gallery.brands)
        self._templates = Templates(gallery, self._embed.window)
        self._second = second_opinion(folder, gallery, device=device, precision=precision)
        self.labels: Sequence[str] = gallery.brands
        self.threshold = self._embed.threshold if gallery.threshold is None else gallery.threshold
        self.hashes = {model.name: model.sha256, "logos-embedder.safetensors": self._embed.sha256}
        if self._second is not None:
            self.hashes[SECOND_FILE] = self._second.sha256

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[Floats]:
        return [boxes for boxes, _ in self._scan(pictures, shrink)]

    def verify(
        self,
        pictures: Sequence[Picture],
        proposals: Sequence[Floats],
        expected: Sequence[Detections] | None = None,
    ) -> list[Detections]:
        """Name each proposal by the gallery, and lay the likenesses that are nearest over it.

        Where the best one fits is the box; how well it fits there and how near the embeddings before and after lie to
        the brand make one score, and so does a second opinion where the likeness is a photograph: then its embedding
        goes on in that of the detection. What is expected keeps its name and its embedding where a likeness of its
        brand still fits, and no network looks at it; where none does, it is looked at as a proposal is.

        Where something may be expected, nameless places are told too. They carry on what they look like, and such a
        one that is expected is there as long as it looks so.
        """
        if expected is None:
            return [named for named, _ in self._named(pictures, proposals)]
        kept, lost = zip(*map(self._followed, pictures, expected), strict=True)
        named = self._named(pictures, [np.concatenate(boxes) for boxes in zip(lost, proposals, strict=True)])
        return [self._joined(p.size_wh, [k, *new]) for p, k, new in zip(pictures, kept, named, strict=True)]

    def _joined(self, size_wh: tuple[int, int], parts: Sequence[Detections]) -> Detections:
        """The detections of one picture, doubles suppressed; one nameless place may lie in another."""
        both = Detections.concat(parts)
        is_nameless = both.class_id == self.nameless
        named, nameless = both[~is_nameless], both[is_nameless]
        named = settled(size_wh, named.xyxy, named.score, named.class_id, named.embedding)
        sure = named[named.score >= self.threshold].xyxy
        taken, kept = sure, list[int]()
        for i, box in enumerate(nameless.xyxy[:, None]):
            if iou(box, taken).max(initial=0) <= DOUBLE:
                taken, kept = np.concatenate([taken, box]), [*kept, i]
        return Detections.concat([named, nameless[np.array(kept, np.int64)]])

    def _followed(self, picture: Picture, expected: Detections) -> tuple[Detections, Floats]:
        """What is still seen of what is expected, and the boxes of the rest (N, 4)."""
        if expected.embedding is None:
            return Detections.empty(), expected.xyxy
        first, second, slopes, look = self.parted(expected.embedding)
        is_nameless = expected.class_id == self.nameless
        laid, fits = expected.xyxy.copy(), np.zeros(len(expected), np.float32)
        for i, (box, brand) in enumerate(zip(expected.xyxy, expected.class_id, strict=True)):
            if is_nameless[i]:
                tried = [replace(_looking(look[i].tobytes()), span=span_within(*(box[2:] - box[:2])))]
            else:
                rows = np.flatnonzero(self.gallery.owner == brand)
                near = rows[np.argsort(-(self.gallery.vectors[rows] @ first[i]), kind="stable")[:FOLLOWED_BY]]
                tried = [self._templates.of(row) for row in near]
            laid[i], fits[i], _ = _laid(picture, box, slopes[i], tried, follow=True)
        brands = np.where(is_nameless, 0, expected.class_id)
        logits = self._logit(first, brands) + FIT_WEIGHT * (fits - USUAL_FIT)
        if self._second is not None:
            logits += self._second.odds(second, brands)
        score = np.where(is_nameless, NAMELESS_SCORE, 1 / (1 + np.exp(-logits))).astype(np.float32)
        is_there = (fits >= FOLLOWED_FROM) & (score >= self.threshold)
        kept = Detections(laid, score, expected.class_id.copy(), expected.embedding.copy())[is_there]
        return kept, expected.xyxy[~is_there & ~is_nameless]

    def _named(self, pictures: Sequence[Picture], proposals: Sequence[Floats]) -> list[tuple[Detections, Detections]]:
        """Name proposals, of whatever they may be: what may be a brand in each picture, and the nameless places."""
        if not any(map(len, proposals)):
            return [(Detections.empty(), Detections.empty())] * len(pictures)
        if not len(self.gallery.owner):  # of brands that only words may name
            wordy = (boxes[_may_hold_words(boxes)] for boxes in proposals)
            return [(Detections.empty(), self._nameless(*each)) for each in zip(pictures, wordy, strict=True)]
        owner = np.repeat(np.arange(len(pictures)), [len(p) for p in proposals])
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *proposals]).astype(np.float32)
        owner, boxes, slopes, embeddings = self._likely(pictures, owner, boxes)
        nearest = self.gallery.nearest(embeddings, TRIED)
        fits = np.zeros(len(boxes), np.float32)
        rows = np.zeros(len(boxes), np.int64)
        laid = boxes.copy()
        for i, box in enumerate(boxes):
            tried = [self._templates.of(row) for row in nearest[i]]
            laid[i], fits[i], best = _laid(pictures[owner[i]], box, slopes[i], tried)
            rows[i] = nearest[i, best]
        brand = self.gallery.owner[rows]
        has_moved = paired_iou(boxes, laid) < SAME_PLACE
        after = embeddings.copy()
        after[has_moved] = self._embedded(pictures, owner[has_moved], laid[has_moved], slopes[has_moved])
        logits = (self._logit(embeddings, brand) + self._logit(after, brand)) / 2 + FIT_WEIGHT * (fits - USUAL_FIT)
        second = np.zeros((len(boxes), 0), np.float32)
        if self._second is not None:
            asked = np.flatnonzero((logits >= ASKED_FROM) & self.gallery.is_photo[rows])
            second = np.zeros((len(boxes), self._second.dimensions), np.float32)
            crops = _cut(pictures, owner[asked], boxes[asked], self._second.window, slopes[asked])
            second[asked] = self._second(crops)
            logits += self._second.odds(second, brand)
        score = (1 / (1 + np.exp(-logits))).astype(np.float32)
        no_look = np.zeros((len(boxes), WIDE[0] * WIDE[1]), np.float32)
        carried = unit(np.concatenate([after, second, _directions(slopes), no_look], axis=1))
        columns = laid, score, brand, carried
        named = [settled(p.size_wh, *(column[owner == i] for column in columns)) for i, p in enumerate(pictures)]
        rows = np.flatnonzero((score < self.threshold) & _may_hold_words(boxes))
        parts = (self._nameless(p, boxes[rows[owner[rows] == i]]) for i, p in enumerate(pictures))
        return list(zip(named, parts, strict=True))

    def _nameless(self, picture: Picture, boxes: Floats) -> Detections:
        """The first of the places (N, 4) of one picture, each with what it looks like now."""
        boxes = boxes[:NAMELESS]
        embeddings = np.zeros((len(boxes), self._dimensions), np.float32)
        for i, view in enumerate(_cut([picture], np.zeros(len(boxes), np.int64), boxes, self._embed.window)):
            grey = template(view, span_within(*(boxes[i, 2:] - boxes[i, :2])), WIDE).grey.ravel()
            embeddings[i, -grey.size :] = grey - grey.mean()
        score, class_id = np.full(len(boxes), NAMELESS_SCORE, np.float32), np.full(len(boxes), self.nameless, np.int64)
        return Detections(boxes, score, class_id, unit(embeddings))

    @property
    def _dimensions(self) -> int:
        return self._embed.dimensions + (self._second.dimensions if self._second else 0) + 2 + WIDE[0] * WIDE[1]

    def parted(self, embeddings: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """The parts of what detections carry on: embedding (N, D), second one, slope (N,) (see `slant.py`), look.

        Zeros for what was not made.
        """
        size = WIDE[0] * WIDE[1]
        first, second, direction, look = np.split(embeddings, [self._embed.dimensions, -size - 2, -size], axis=1)
        slopes = np.divide(
            direction[:, 1], direction[:, 0], out=np.zeros(len(look), np.float32), where=direction[:, 0] > 0
        )
        return unit(first), unit(second), slopes, unit(look)

    def _likely(
        self, pictures: Sequence[Picture], owner: Owners, rough: Floats
    ) -> tuple[Owners, Floats, Floats, Floats]:
        """The proposals that may be of a brand: as they are, upright, or as the scanner places them anew, the nearest.

        Returns owner (N,), boxes (N, 4), slopes (N,) and embeddings (N, D), MOST_CHECKED a picture at the most.
        """
        crops = _cut(pictures, owner, rough, self._embed.window)
        embeddings = self._embed_crops(crops)
        best = self._embed.score(self.gallery.match(embeddings)[1], embeddings)
        boxes, slopes = rough.copy(), np.zeros(len(rough), np.float32)
        told = [slope_of(seen, area[2:]) for seen, area in zip(crops, crop_areas(rough), strict=True)]
        unsure, slanted = np.flatnonzero(best < SURE), np.flatnonzero(told)
        placed = self._placed(pictures, owner[unsure], rough[unsure])
        for rows, others, fall in (
            (unsure, placed, slopes[unsure]),
            (slanted, rough[slanted], np.array(told, np.float32)[slanted]),
        ):
            anew = self._embedded(pictures, owner[rows], others, fall)
            score = self._embed.score(self.gallery.match(anew)[1], anew)
            is_nearer = score > best[rows]
            nearer = rows[is_nearer]
            boxes[nearer], slopes[nearer] = others[is_nearer], fall[is_nearer]
            embeddings[nearer], best[nearer] = anew[is_nearer], score[is_nearer]
        order = np.argsort(-best, kind="stable")
        order = order[best[order] >= CHECKED_FROM]
        kept = np.concatenate([order[owner[order] == i][:MOST_CHECKED] for i in range(len(pictures))])
        return owner[kept], boxes[kept], slopes[kept], embeddings[kept]

    def _logit(self, embeddings: Floats, brand: NDArray[np.int64]) -> Floats:
        """What the similarity of embeddings (N, D) to a brand each is worth, as the logit of a score (N,)."""
        similarity = self.gallery.similarities(embeddings)[np.arange(len(brand)), brand]
        score = np.clip(self._embed.score(similarity, embeddings).astype(np.float64), 1e-9, 1 - 1e-9)
        return np.asarray(np.log(score / (1 - score)), np.float32)

    def __call__(self, images: Sequence[Image | Picture]) -> list[Detections]:
        pictures = [as_picture(image) for image in images]
        return self.verify(pictures, self.scan(pictures))

    def _placed(self, pictures: Sequence[Picture], owner: Owners, boxes: Floats) -> Floats:
        """The boxes (N, 4) as the scanner's network tells them from a window around each."""
        areas = on_pixels(window_areas(boxes))
        if not len(areas):
            return boxes
        crops = [crop(pictures[o], area, self._window) for o, area in zip(owner, areas, strict=True)]
        return decode_boxes(self._engine(np.stack(crops))[:, 1:, 0, 0], areas)

    def _embedded(
        self, pictures: Sequence[Picture], owner: Owners, boxes: Floats, slopes: Floats | None = None
    ) -> Floats:
        return self._embed_crops(_cut(pictures, owner, boxes, self._embed.window, slopes))

    def _embed_crops(self, crops: Sequence[Image]) -> Floats:
        side = self._embed.window
        return self._embed(np.stack(crops) if len(crops) else np.zeros((0, side, side, 3), np.uint8))


def _cut(
    pictures: Sequence[Picture], owner: Owners, boxes: Floats, side: int, slopes: Floats | None = None
) -> list[Image]:
    """Crops of boxes (N, 4) around what stands there with these slopes (N,), upright."""
    if slopes is None:
        slopes = np.zeros(len(boxes), np.float32)
    seen = [_upright(pictures[o], box, slope) for o, box, slope in zip(owner, boxes, slopes, strict=True)]
    areas = on_pixels(crop_areas(upright_boxes(boxes, slopes)))
    return [crop(picture, area, side) for picture, area in zip(seen, areas, strict=True)]


def _laid(
    picture: Picture, box: Floats, slope: np.float32, tried: Sequence[Template], *, follow: bool = False
) -> tuple[Floats, float, int]:
    """What `align` tells of what stands in a box with that slope: the box around it, as it is slanted."""
    if slope == 0:
        return align(picture, box, tried, follow=follow)
    slopes = np.array([slope], np.float32)
    laid, fit, best = align(_upright(picture, box, slope), upright_boxes(box[None], slopes)[0], tried, follow=follow)
    laid[1::2] += slope * ((laid[0] + laid[2]) - (box[0] + box[2])) / 2
    return slanted_boxes(laid[None], slopes)[0], fit, best


def _upright(picture: Picture, box: Floats, slope: np.float32) -> Picture:
    return Upright(picture, float(slope), float(box[0] + box[2]) / 2) if slope else picture


def _directions(slopes: Floats) -> Floats:
    """Slopes (N,) as vectors of unit length (N, 2)."""
    return unit(np.stack([np.ones_like(slopes), slopes], axis=1))


def _may_hold_words(boxes: Floats) -> NDArray[np.bool_]:
    """Say of boxes (N, 4) whether they are wide and high enough."""
    wide, high = (boxes[:, 2:] - boxes[:, :2]).T
    return np.asarray((wide >= NAMELESS_ASPECT * high) & (high >= NAMELESS_HEIGHT))


@lru_cache(maxsize=64)
def _looking(look: bytes) -> Template:
    """The template of what a nameless place looks like, which stays the same as long as it is followed."""
    return template_of(np.frombuffer(look, np.float32).reshape(WIDE[::-1]))


class Templates:
    """What is laid over places: a template for each vector of a gallery, drawn when it is first wanted."""

    def __init__(self, gallery: Gallery, window: int) -> None:
        self._gallery, self._window = gallery, window
        counts = [len(e.embeddings) for e in gallery.exemplars]
        self._exemplar = np.repeat(np.arange(len(counts)), counts)
        self._first = np.cumsum([0, *counts])
        self._drawn: dict[int, list[Template]] = {}

    def of(self, row: int) -> Template:
        """The template of a row of `Gallery.vectors`."""
        number = int(self._exemplar[row])
        if number not in self._drawn:
            likeness = self._gallery.exemplars[number].likeness
            self._drawn[number] = templates(likeness, list(views(likeness, self._window)))
        return self._drawn[number][row - int(self._first[number])]


def window_areas(boxes: Floats) -> Floats:
    """Boxes (N, 4) -> centre and sides (N, 4) of the windows that a scan sees them best in: of the nearest squeeze."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    octaves = np.log2(sides[:, :1] / sides[:, 1:])
    squeeze = np.array(SQUEEZES)[np.abs(octaves - np.log2(SQUEEZES)).argmin(axis=1)]
    high = np.sqrt(sides.prod(axis=1) / squeeze) * CROP_SCALE
    areas = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, np.stack([high * squeeze, high], axis=1)], axis=1)
    return areas.astype(np.float32)
