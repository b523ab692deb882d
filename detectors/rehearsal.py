"""What to expect of a gallery: its brands seen as a camera sees them, and what is none of them, verified as in use.

Every brand is seen small, warped, dimmed, blurred and compressed, and goes through the detector's own verification:
only the scan is left out. A view of a photograph is verified without it where the brand has other exemplars. False
alarms come from strangers: logos given that are not enrolled, and each enrolled brand while it is taken out; and from
places without any logo. What comes out is rosier than life where a brand is shown as no exemplar shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.detector import Detector
from detectors.errors import ModelError
from detectors.gallery import Exemplar, Gallery
from detectors.geometry import CROP_SCALE
from detectors.picture import ArrayPicture, Image
from detectors.rendering import LUMA, commonest, without_ground
from detectors.training.data import Photo
from detectors.training.icons import Artwork, Camera, Looks

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]
Open = Callable[[Gallery], Detector]
"""Makes the detector of a gallery."""

LOOKS = Looks(px=(16.0, 64.0), free=0.5, shift=0.1, scale=0.25, rare=0.08)
"""16 to 64 px, half of the drawn logos in other colours, boxes a little off, some on cloth or LED."""
SIDE = 80
"""Pixels of a view, which the detector sees as a picture with one place in it."""
PLACES = 400
FOLDS = 4
"""Parts in which brands are taken out in turn, and photographs: a detector each."""
ALIKE = 0.9
"""Similarity of two brands' exemplars from which they are look-alikes: neither is a stranger to the other."""
LEAST_CONFUSED = 0.02
"""Share of a brand's views under another's name from which the two are look-alikes."""
MOST_PAIRS = 20
BATCH = 32


@dataclass(frozen=True, slots=True)
class BrandReport:
    """recall: share of the views named rightly at the threshold; confused: the brand it is most often taken for"""

    brand: str
    exemplars: int
    views: int
    recall: float
    recall_at_shipped: float
    confused: str | None
    confused_share: float


@dataclass(frozen=True, slots=True)
class Rates:
    """At one threshold: recall over all views; of them under a wrong brand; strangers and places taken for a brand."""

    threshold: float
    recall: float
    wrong_brand: float
    strangers_taken: float
    places_taken: float


@dataclass(frozen=True, slots=True)
class LookAlikes:
    """similarity: of their nearest exemplars; confused_share: of the views of one under the other's name."""

    brands: tuple[str, str]
    similarity: float
    confused_share: float


@dataclass(frozen=True, slots=True)
class Report:
    """chosen: at the threshold chosen for the rate of false alarms asked for; shipped: at that which ships."""

    brands: tuple[BrandReport, ...]
    chosen: Rates
    shipped: Rates
    look_alikes: tuple[LookAlikes, ...]
    views: int
    strangers: int
    places: int


def rehearse(
    gallery: Gallery,
    open_with: Open,
    *,
    backgrounds: Sequence[Image],
    strangers: Mapping[str, NDArray[np.uint8]],
    views: int = 40,
    false_alarms: float = 0.01,
    seed: int = 1,
    quiet: bool = True,
) -> Report:
    """Rehearse a gallery.

    backgrounds: pictures without logos; strangers: artwork, RGBA, of logos; those with an enrolled name are left out
    views: of each brand; false_alarms: share of strangers that may be taken for a brand, which sets the threshold.
    Raises ModelError where no brand has a picture.
    """
    if not gallery.exemplars:
        raise ModelError("no brand of the gallery has a picture; words alone cannot be rehearsed")
    rng = np.random.default_rng(seed)
    camera = Camera([Photo(str(i), image) for i, image in enumerate(backgrounds)], [], LOOKS)
    own = {i: [e for e in gallery.exemplars if e.brand == b] for i, b in enumerate(gallery.brands)}
    own = {i: exemplars for i, exemplars in own.items() if exemplars}
    truth = np.repeat(np.array(list(own)), views)
    shown = [own[i][k % len(own[i])] for i in own for k in range(views)]
    alike = _similarities(gallery) >= ALIKE
    plain = gallery.with_threshold(None)

    with tqdm(desc="rehearse", unit="view", total=4 * len(shown), disable=quiet) as bar:
        made = []
        for exemplar in shown:
            made.append(_view(exemplar, camera, rng))
            bar.update()
        whole = open_with(plain)
        found, score = _named(whole, made, bar)
        # A photograph is not compared with itself.
        copies = np.array([e.kind == "photo" and len(own[i]) > 1 for e, i in zip(shown, truth, strict=True)])
        for fold in range(FOLDS):
            mine = np.flatnonzero(copies & (_place(shown, own) % FOLDS == fold))
            if len(mine):
                out = {id(e) for es in own.values() if len(es) > 1 for e in es[fold::FOLDS] if e.kind == "photo"}
                some = _with_only(gallery, [e for e in gallery.exemplars if id(e) not in out])
                found[mine], score[mine] = _named(open_with(some), [made[i] for i in mine], bar)
        # Each brand is a stranger to the others.
        foreign: list[Floats] = []
        order = np.array(list(own))
        for fold in range(min(FOLDS, len(order)) if len(order) > 1 else 0):
            out_brands = set(order[fold::FOLDS].tolist())
            some = _with_only(
                gallery, [e for e in gallery.exemplars if gallery.brands.index(e.brand) not in out_brands]
            )
            mine = np.flatnonzero(np.isin(truth, list(out_brands)))
            names, told = _named(open_with(some), [made[i] for i in mine], bar)
            foreign.append(np.where(alike[truth[mine], names] & (names >= 0), 0, told).astype(np.float32))
        others = {name: rgba for name, rgba in strangers.items() if name not in gallery.brands}
        odd = [camera.view(drawn(name, rgba), SIDE, rng) for name, rgba in others.items() for _ in range(views)]
        foreign.append(_named(whole, odd, bar)[1])
        empty = [camera.board((SIDE, SIDE), rng).astype(np.uint8) for _ in range(PLACES)]
        places = _named(whole, empty, bar)[1]

    stranger = np.concatenate(foreign)
    threshold = _threshold(stranger, false_alarms)
    confused = np.zeros((len(gallery.brands),) * 2)
    for i in own:
        names = found[(truth == i) & (score >= threshold)]
        confused[i] = np.bincount(names, minlength=len(gallery.brands)) / views
    right = confused.diagonal().copy()
    np.fill_diagonal(confused, 0)
    at_shipped = {i: float((found[(truth == i) & (score >= whole.threshold)] == i).sum() / views) for i in own}
    told_of = [_brand_report(gallery, i, len(own[i]), views, float(right[i]), at_shipped[i], confused[i]) for i in own]

    def rates(at: float) -> Rates:
        is_told, is_right = score >= at, found == truth
        shares = (is_told & is_right, is_told & ~is_right, stranger >= at, places >= at)
        return Rates(at, *map(_share, shares))

    pairs = _look_alikes(gallery, confused)
    sizes = len(truth), len(stranger), len(places)
    return Report(tuple(told_of), rates(threshold), rates(whole.threshold), pairs, *sizes)


def _brand_report(
    gallery: Gallery, brand: int, exemplars: int, views: int, right: float, at_shipped: float, confused: Floats
) -> BrandReport:
    """What is told of one brand. confused: share of its views that went under each brand's name, its own aside."""
    other = int(confused.argmax())
    share = float(confused[other])
    name = gallery.brands[other] if share > 0 else None
    return BrandReport(gallery.brands[brand], exemplars, views, right, at_shipped, name, share)


def drawn(name: str, pixels: NDArray[np.uint8]) -> Artwork:
    """Artwork as a camera takes it: without its ground, and with its ink where it is of one tone."""
    rgba = pixels if pixels.shape[2] == 4 else without_ground(pixels)
    inks = rgba[..., :3][rgba[..., 3] > 128].astype(np.float32)
    if not len(inks):
        return Artwork(name, rgba)
    low, high = np.percentile(inks @ LUMA, [3, 97])
    return Artwork(name, rgba, None if high - low > 48 else commonest(inks))


def _view(exemplar: Exemplar, camera: Camera, rng: np.random.Generator) -> Image:
    likeness = exemplar.likeness
    if likeness.kind == "artwork":
        return camera.view(drawn(likeness.name, likeness.pixels), SIDE, rng)
    h, w = likeness.pixels.shape[:2]
    left, top = w * (1 - 1 / CROP_SCALE) / 2, h * (1 - 1 / CROP_SCALE) / 2
    return camera.photographed(likeness.pixels, (left, top, w - left, h - top), SIDE, rng)


def _named(detector: Detector, crops: Sequence[Image], bar: tqdm[None]) -> tuple[Ids, Floats]:
    """Verify the place that each crop shows: its brand int64 (N,), -1 for none, and its score float32 (N,)."""
    names, scores = np.full(len(crops), -1, np.int64), np.zeros(len(crops), np.float32)
    low, high = SIDE * (1 - 1 / CROP_SCALE) / 2, SIDE * (1 + 1 / CROP_SCALE) / 2
    place = np.array([[low, low, high, high]], np.float32)
    for at in range(0, len(crops), BATCH):
        pictures = [ArrayPicture(crop) for crop in crops[at : at + BATCH]]
        for i, seen in enumerate(detector.verify(pictures, [place] * len(pictures)), at):
            if len(seen):
                best = int(seen.score.argmax())
                names[i], scores[i] = seen.class_id[best], seen.score[best]
        bar.update(len(pictures))
    return names, scores


def _place(shown: Sequence[Exemplar], own: Mapping[int, list[Exemplar]]) -> Ids:
    """Which of its brand's exemplars each view shows."""
    number = {id(exemplar): k for exemplars in own.values() for k, exemplar in enumerate(exemplars)}
    return np.array([number[id(exemplar)] for exemplar in shown], np.int64)


def _with_only(gallery: Gallery, exemplars: Sequence[Exemplar]) -> Gallery:
    """The gallery with some of its exemplars, and all of its brands in their order."""
    return Gallery(exemplars, brands=gallery.brands, embedder_sha256=gallery.embedder_sha256)


def _similarities(gallery: Gallery) -> Floats:
    """Of the nearest exemplars of each two brands: float32 (brands, brands)."""
    out = np.full((len(gallery.brands),) * 2, -1, np.float32)
    for i in np.unique(gallery.owner):
        out[i] = gallery.similarities(gallery.vectors[gallery.owner == i]).max(axis=0)
    return out


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _threshold(stranger: Floats, rate: float) -> float:
    """The lowest threshold, to four digits, that no more than this share of the scores reach."""
    if not len(stranger):
        return 0.5
    ranked = np.sort(stranger)[::-1]
    worst = float(ranked[min(int(rate * len(ranked)), len(ranked) - 1)])
    return min(0.9999, float(np.floor(worst * 1e4 + 1)) / 1e4)


def _look_alikes(gallery: Gallery, confused: NDArray[np.float64]) -> tuple[LookAlikes, ...]:
    """Pairs that pass for each other by their exemplars or in the rehearsal, the likest first."""
    similarity = _similarities(gallery)
    share = np.maximum(confused, confused.T)
    pairs = np.argwhere(np.triu((np.maximum(similarity, similarity.T) >= ALIKE) | (share >= LEAST_CONFUSED), 1))
    made = [
        LookAlikes((gallery.brands[a], gallery.brands[b]), float(similarity[a, b]), float(share[a, b]))
        for a, b in pairs.tolist()
    ]
    made.sort(key=lambda pair: (-pair.confused_share, -pair.similarity, pair.brands))
    return tuple(made[:MOST_PAIRS])
