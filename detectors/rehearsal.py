"""What to expect of a gallery: its brands seen as a camera sees them, and what is none of them, all matched as in use.

Every brand is seen small, warped, dimmed, blurred and compressed; a photograph is compared with the brand's other
exemplars where there are some. False alarms come from strangers: logos given that are not enrolled, each enrolled
brand while it is taken out, and places without any logo. What comes out is rosier than life where a brand is shown in
a way that no exemplar shows. Knows nothing of videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.embedder import Embedder
from detectors.errors import ModelError
from detectors.gallery import Exemplar, Gallery
from detectors.geometry import CROP_SCALE
from detectors.picture import Image
from detectors.rendering import LUMA, commonest, without_ground
from detectors.training.data import Photo
from detectors.training.icons import Artwork, Camera, Looks

Floats = NDArray[np.float32]
LOOKS = Looks(px=(16.0, 64.0), free=0.5, shift=0.1, scale=0.25, rare=0.08)
"""16 to 64 px, half of the drawn logos in other colours, boxes a little off, some on cloth or LED."""
PLACES = 600
LEAST_CONFUSED = 0.02
"""Share of a brand's views under another's name from which the two are look-alikes."""
MOST_PAIRS = 20


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
    """score: of the one's nearest view as the other's; confused_share: of the views of one under the other's name"""

    brands: tuple[str, str]
    score: float
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
    embedder: Embedder,
    *,
    backgrounds: Sequence[Image],
    strangers: Mapping[str, NDArray[np.uint8]],
    views: int = 40,
    false_alarms: float = 0.01,
    seed: int = 1,
    quiet: bool = True,
) -> Report:
    """Rehearse a gallery.

    backgrounds: pictures without logos; strangers: artwork, RGBA, of logos that nobody enrols
    views: of each brand; false_alarms: share of strangers that may be taken for a brand, which sets the threshold.
    Raises ModelError where no brand has a picture.
    """
    if not gallery.exemplars:
        raise ModelError("no brand of the gallery has a picture; words alone cannot be rehearsed")
    rng = np.random.default_rng(seed)
    camera = Camera([Photo(str(i), image) for i, image in enumerate(backgrounds)], [], LOOKS)
    seen: list[Floats] = []
    owner: list[int] = []
    for brand, own in tqdm(list(_by_brand(gallery).items()), desc="rehearse", unit="brand", disable=quiet):
        shows = [exemplar for exemplar, _ in own]
        made = [_view(shows[k % len(shows)], embedder.window, camera, rng) for k in range(views)]
        vectors = embedder(np.stack(made))
        near = gallery.similarities(vectors)
        for k, (exemplar, rows) in enumerate(own):
            others = np.concatenate([r for e, r in own if e is not exemplar] or [rows])
            if exemplar.kind == "photo" and len(own) > 1:  # else it would be compared with itself
                near[k :: len(own), brand] = (vectors[k :: len(own)] @ gallery.vectors[others].T).max(axis=1)
        seen.append(embedder.score(near, vectors))
        owner += [brand] * views
    score, truth = np.concatenate(seen), np.array(owner)
    row = np.arange(len(truth))

    apart = score.copy()  # each brand while it is taken out
    apart[row, truth] = 0
    odd = [
        camera.view(drawn(name, rgba), embedder.window, rng) for name, rgba in strangers.items() for _ in range(views)
    ]
    foreign = np.concatenate([apart.max(axis=1), _best(odd, gallery, embedder)])
    places = _best(
        [camera.board((embedder.window, embedder.window), rng).astype(np.uint8) for _ in range(PLACES)],
        gallery,
        embedder,
    )
    found, best = score.argmax(axis=1), score.max(axis=1)

    def rates(threshold: float) -> Rates:
        is_told = best >= threshold
        return Rates(
            threshold,
            _share(is_told & (found == truth)),
            _share(is_told & (found != truth)),
            _share(foreign >= threshold),
            _share(places >= threshold),
        )

    threshold = _threshold(foreign, false_alarms)
    told = []
    confused = np.zeros((len(gallery.brands),) * 2)
    for brand, own in _by_brand(gallery).items():
        mine = truth == brand
        names = found[mine & (best >= threshold)]
        confused[brand] = np.bincount(names, minlength=len(gallery.brands)) / views
        confused[brand, brand] = 0
        other = int(confused[brand].argmax())
        told.append(
            BrandReport(
                gallery.brands[brand],
                len(own),
                views,
                float((names == brand).sum() / views),
                float((found[mine & (best >= embedder.threshold)] == brand).sum() / views),
                gallery.brands[other] if confused[brand, other] > 0 else None,
                float(confused[brand, other]),
            )
        )
    return Report(
        tuple(told),
        rates(threshold),
        rates(embedder.threshold),
        _look_alikes(gallery, embedder, confused, threshold),
        len(truth),
        len(foreign),
        len(places),
    )


def drawn(name: str, pixels: NDArray[np.uint8]) -> Artwork:
    """Artwork as a camera takes it: without its ground, and with its ink where it is of one tone."""
    rgba = pixels if pixels.shape[2] == 4 else without_ground(pixels)
    inks = rgba[..., :3][rgba[..., 3] > 128].astype(np.float32)
    if not len(inks):
        return Artwork(name, rgba)
    low, high = np.percentile(inks @ LUMA, [3, 97])
    return Artwork(name, rgba, None if high - low > 48 else commonest(inks))


def _view(exemplar: Exemplar, side: int, camera: Camera, rng: np.random.Generator) -> Image:
    likeness = exemplar.likeness
    if likeness.kind == "artwork":
        return camera.view(drawn(likeness.name, likeness.pixels), side, rng)
    h, w = likeness.pixels.shape[:2]
    half = np.array([w, h]) / CROP_SCALE / 2
    x, y = w / 2, h / 2
    box = (float(x - half[0]), float(y - half[1]), float(x + half[0]), float(y + half[1]))
    return camera.photographed(likeness.pixels, box, side, rng)


def _by_brand(gallery: Gallery) -> dict[int, list[tuple[Exemplar, NDArray[np.int64]]]]:
    """Of each brand that has some, its exemplars and the rows of their vectors."""
    rows: dict[int, list[tuple[Exemplar, NDArray[np.int64]]]] = {}
    at = 0
    for exemplar in gallery.exemplars:
        mine = np.arange(at, at + len(exemplar.embeddings))
        rows.setdefault(gallery.brands.index(exemplar.brand), []).append((exemplar, mine))
        at += len(mine)
    return rows


def _best(crops: Sequence[Image], gallery: Gallery, embedder: Embedder) -> Floats:
    """The score of the nearest brand of each crop: float32 (N,)."""
    if not len(crops):
        return np.zeros(0, np.float32)
    vectors = embedder(np.stack(crops))
    return np.asarray(embedder.score(gallery.similarities(vectors), vectors).max(axis=1), np.float32)


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0


def _threshold(foreign: Floats, rate: float) -> float:
    """The lowest threshold, to four digits, that no more than this share of the scores reach."""
    ranked = np.sort(foreign)[::-1]
    worst = float(ranked[min(int(rate * len(ranked)), len(ranked) - 1)])
    return float(min(0.9999, np.floor(worst * 1e4 + 1) / 1e4))


def _look_alikes(
    gallery: Gallery, embedder: Embedder, confused: NDArray[np.float64], threshold: float
) -> tuple[LookAlikes, ...]:
    """Pairs that pass for each other by their exemplars or in the rehearsal, the likest first."""
    pairs: dict[tuple[int, int], float] = {}
    for a in np.unique(gallery.owner):
        mine = gallery.vectors[gallery.owner == a]
        score = embedder.score(gallery.similarities(mine), mine).max(axis=0)
        for b in np.flatnonzero((score >= threshold) | (confused[a] >= LEAST_CONFUSED)):
            if a != b:
                pair = (min(int(a), int(b)), max(int(a), int(b)))
                pairs[pair] = max(pairs.get(pair, 0.0), float(score[b]))
    made = [
        LookAlikes((gallery.brands[a], gallery.brands[b]), score, float(max(confused[a, b], confused[b, a])))
        for (a, b), score in pairs.items()
    ]
    made.sort(key=lambda pair: (-pair.confused_share, -pair.score, pair.brands))
    return tuple(made[:MOST_PAIRS])
