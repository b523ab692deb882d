"""The recipe of the logo networks: the embedder, from drawn logos and photographs, then the scanner.

The embedder learns by contrast: two views of one logo lie together, views of all others apart. What it is shown are
thousands of drawn logos whose colours change from view to view, words in many letters, photographs of some brands, and
places in photographs that are no logo, each a class of its own. Three groups of the brands of FlickrLogos-27 are kept
apart: those trained on; CALIBRATION, on whose training photographs scale and threshold are fitted; and HELD_BRANDS, of
which nothing is used, not even a drawing.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset

from detectors import weights
from detectors.embedder import FILE, Embedder, Match, load_embedder
from detectors.engines import open_engine
from detectors.geometry import crop_areas, on_pixels
from detectors.logos import LogoDetector
from detectors.nets import Architecture, Conv, Weights
from detectors.picture import ArrayPicture, Image
from detectors.rendering import Likeness, views
from detectors.second import FILE as SECOND_FILE
from detectors.torch_net import TorchNet, as_input
from detectors.training.brands import HELD_BRANDS
from detectors.training.data import Photo, logo_photos, read_photos
from detectors.training.evaluate_logos import enrolled, exemplars
from detectors.training.fit import Schedule, train
from detectors.training.icons import Artwork, Camera, Looks, held_icons, iconify, simple_icons, words
from detectors.training.logo_scanner import SCANNER, fit_logo_scanner, measure_logo_scanner
from detectors.training.second import SECOND, fit_second
from detectors.training.windows import pick
from detectors.verifier import crop

CALIBRATION = ("Citroen", "Google", "Pepsi")
"""Brands that are not trained on; scale and threshold are fitted on their training photographs."""
DRAWN_TOO = ("Adidas", "Apple", "Cocacola", "Ford", "McDonalds", "Mini", "Nike", "Unicef")
"""Brands trained on whose photographs show what the icon of that name shows: one class."""
WORDS = 2000
STEPS = 5000
"""Batches of 192 views that are learned from, at a scale of 1."""
LICENCE = "not stated: CamVid, BSDS500 and FlickrLogos-27 are for research"
BAD_AT = "words that differ in a letter; logos under 16 px; marks of hardly any form, as a bar or a disc"
DIMENSIONS = 128
EMBEDDER = Architecture(
    (
        Conv(3, 32, 5, 2, 2),  # 64 -> 32
        Conv(32, 64, 3, 2, 1),  # 16
        Conv(64, 64, 3, 1, 1, add=1),
        Conv(64, 128, 3, 2, 1),  # 8
        Conv(128, 128, 3, 1, 1, add=3),
        Conv(128, 192, 3, 2, 1),  # 4
        Conv(192, 192, 3, 1, 1, add=5),
        Conv(192, DIMENSIONS, 4, relu=False),  # 1: where in the crop a stroke lies matters
        Conv(DIMENSIONS, DIMENSIONS, 1, relu=False),  # behind a normalisation, so that vectors lie around zero
    ),
    window=64,
    pool_after=7,
)
Box = tuple[float, float, float, float]
Floats = NDArray[np.float32]


def train_logos(
    folder: Path,
    out: Path,
    *,
    scale: float,
    seed: int,
    device: str,
    command: str,
    quiet: bool,
    start: Path | None = None,
    icon_sets: Sequence[Path] = (),
    places: Sequence[Photo] = (),
) -> None:
    """Train the embedder, then the scanner, from the data in `folder`; write them with their cards into `out`.

    scale: how long to train, 1 is STEPS batches of the embedder; less is quicker and worse
    icon_sets: more icons, in Iconify's JSON form; places: more pictures without logos
    start: folder of weights to go on from: the scanner is kept, the embedder is refined
    """
    torch.set_num_threads(1)  # with two, one that another program holds up holds up both
    cv2.setNumThreads(1)  # its thread pool does not survive the fork that makes views beside the training
    icons = simple_icons(quiet=quiet)
    more = [icon for path in icon_sets for icon in iconify(path, quiet=quiet)]
    archive = folder / "logos/flickrlogos-27.zip"
    photos = logo_photos(archive)
    empty = [p for name in ("camvid", "bsds500") for p in read_photos(folder / f"backgrounds/{name}.zip")]
    empty += places
    kept_apart = HELD_BRANDS | set(CALIBRATION)
    seen = [p for p in photos if not any(box[4] in kept_apart for box in p.boxes)]
    held = held_icons(icons)
    logos = gathered(icons, more, words(WORDS, seed), photos, held)
    today = datetime.date.today().isoformat()
    card = {"command": command, "seed": seed, "date": today, "licence": LICENCE}
    fitted_on = f"{', '.join(CALIBRATION)} only to fit the scores"
    card["kept_apart"] = f"nothing of {', '.join(sorted(HELD_BRANDS))}; {fitted_on}; {len(held)} icons"

    embedder = fit_embedder(logos, [*empty, *seen], scale=scale, seed=seed, device=device, quiet=quiet, start=start)
    calibration = [p for p in photos if any(box[4] in CALIBRATION for box in p.boxes)]
    sets = "".join(f"; icons of {path.parent.name}" for path in icon_sets)
    data = (
        f"icons of simple-icons (CC0){sets}; words drawn by the project; FlickrLogos-27 training photographs of seen \
brands, CamVid and BSDS500 (research use)"
    )
    if start is None:
        drawn = [artwork.rgba for artworks in logos.drawn for artwork in artworks]
        scanner = fit_logo_scanner(drawn, seen, empty, scale=scale, seed=seed, device=device, quiet=quiet)
    else:
        scanner = weights.load(start / "logos-scanner.safetensors").weights
    settings, scores = measure_logo_scanner(scanner, calibration)
    weights.save(out / "logos-scanner.safetensors", SCANNER, scanner, settings, {"data": data, **card, **scores})

    match, scores = measure_embedder(embedder, calibration, [*seen, *empty], seed=seed)
    told = {"data": data, **card, **scores, "bad_at": BAD_AT}
    weights.save(out / FILE, EMBEDDER, embedder, match.settings, told, tables={"cohort": match.cohort})
    rng = np.random.default_rng(seed)
    others = [photo for group in (seen, empty) for photo in (group[i] for i in rng.permutation(len(group))[:OTHERS])]
    (out / SECOND_FILE).unlink(missing_ok=True)  # of an earlier training: the threshold is fitted without it
    threshold, scores = measure_whole(out, archive, calibration, others, device=device)
    match = replace(match, threshold=threshold)
    weights.save(out / FILE, EMBEDDER, embedder, match.settings, told | scores, tables={"cohort": match.cohort})

    batches = Views(logos, [*empty, *seen], Mix(), side=EMBEDDER.window, batch=192, seed=seed)
    told = {"data": f"EfficientNet-Lite0 as it comes from Google (ImageNet, Apache-2.0); {data}", **card}
    add_second(out, fit_second(batches, scale=scale, seed=seed), archive, calibration, others, card=told, device=device)


def fit_embedder(
    logos: Logos,
    photos: Sequence[Photo],
    *,
    scale: float,
    seed: int,
    device: str,
    quiet: bool,
    start: Path | None = None,
) -> Weights:
    """Train the embedder. photos: what lies behind drawn logos, and where there are places that are none."""
    batches = Views(logos, photos, Mix(), side=EMBEDDER.window, batch=192, seed=seed)
    torch.manual_seed(seed)
    directions, begun = torch.randn(len(logos), DIMENSIONS), None
    schedule = Schedule(max(20, round(STEPS * scale)), 1.5e-3)
    if start is not None:
        folded = weights.load(start / FILE).weights
        begun = TorchNet(EMBEDDER, normalised=True).unfold(folded, as_input(next(iter(batches))[0]))
        directions = middles(batches, folded)
    loss = Directions(directions)
    net = train(EMBEDDER, loader(batches), loss, schedule, device=device, seed=seed, start=begun, quiet=quiet)
    return net.cpu().folded()


def middles(batches: Views, folded: Weights) -> Tensor:
    """Where a trained network sees each class: the middle of its views in a gallery, or of some of its photographs."""
    engine, rng = open_engine(EMBEDDER, folded, device="torch"), np.random.default_rng(batches.seed)
    found = []
    for label in range(len(batches.logos)):
        is_drawn = bool(batches.logos.drawn[label])
        seen = batches.kept(label) if is_drawn else [batches.shown_view(label, rng) for _ in range(16)]
        found.append(F.normalize(torch.from_numpy(engine(np.stack(seen)))).mean(dim=0))
    return torch.stack(found)


def measure_embedder(
    folded: Weights, calibration: Sequence[Photo], others: Sequence[Photo], *, seed: int
) -> tuple[Match, dict[str, Any]]:
    """Choose a cohort, and fit scale and offset on brands that were not trained on; with scores.

    calibration: photographs of those brands, of which the first five each are enrolled and the others asked for;
    others: photographs without them. The places of every second are the cohort; in the rest every match is false, that
    of logos that are not enrolled too
    """
    engine = open_engine(EMBEDDER, folded, device="torch")
    nothing = Match(np.zeros((1, DIMENSIONS), np.float32), nearest=1, share=0.0)
    embedder = Embedder(engine, window=EMBEDDER.window, dimensions=DIMENSIONS, sha256="", match=nothing)
    rng = np.random.default_rng(seed)
    enrolled: list[tuple[str, Image]] = []
    asked: list[tuple[str, Image]] = []
    met: dict[str, set[str]] = {}
    for photo in calibration:
        for x1, y1, x2, y2, brand in photo.boxes:
            if brand not in CALIBRATION:
                continue
            names = met.setdefault(brand, set())
            if len(names) < 5 and photo.name not in names:
                names.add(photo.name)
                enrolled.append((brand, cut(photo.image, (x1, y1, x2, y2))))
            elif photo.name not in names:
                asked += [(brand, cut(photo.image, astray((x1, y1, x2, y2), rng))) for _ in range(3)]
    order = rng.permutation(len(others))
    cohort = [cut(others[i].image, box) for i in order[::2] for box in places(others[i], rng, 4)][:COHORT]
    match = Match(embedder(np.stack(cohort)), nearest=min(NEAREST, len(cohort)), share=SHARE)

    gallery, owner = embedder(np.stack([image for _, image in enrolled])), np.array([b for b, _ in enrolled])
    queries = embedder(np.stack([image for _, image in asked]))
    near = queries @ gallery.T
    right = owner[near.argmax(axis=1)] == np.array([brand for brand, _ in asked])
    likely = match.excess(near.max(axis=1), queries)
    false = []
    for i in order[1::2]:
        boxes = [astray(box[:4], rng) for box in others[i].boxes] + places(others[i], rng, 24)
        found = embedder(np.stack([cut(others[i].image, box) for box in boxes]))
        false.append(match.excess((found @ gallery.T).max(axis=1), found))
    values = np.concatenate([likely, *false])
    scale, offset = logistic(values, np.arange(len(values)) < len(right), np.flatnonzero(~right))
    scores = {"calibration_crops": len(asked), "calibration_right": round(float(right.mean()), 4)}
    return replace(match, scale=scale, offset=offset), scores


def measure_whole(
    folder: Path, archive: Path, calibration: Sequence[Photo], others: Sequence[Photo], *, device: str
) -> tuple[float, dict[str, Any]]:
    """The threshold at which FALSE_SHARE of photographs have a false match, by the detector as it ships; with scores.

    The CALIBRATION brands are enrolled from the first five photographs of each in `archive`, and looked for in the
    others of theirs, where a match of another of them is false, and in `others`, which show none of them.
    """
    embedder = load_embedder(folder, device)
    likenesses = exemplars(archive, 5, CALIBRATION)
    detector = LogoDetector(folder, device=device, gallery=enrolled(likenesses, embedder))
    files = {likeness.name for _, likeness in likenesses}
    likely, false = [], []
    for photo in (*(p for p in calibration if PurePosixPath(p.name).name not in files), *others):
        shown = {box[4] for box in photo.boxes} & set(CALIBRATION)
        found = detector([photo.image])[0]
        is_right = np.isin(found.class_id, [i for i, brand in enumerate(detector.labels) if brand in shown])
        false.append(float(found.score[~is_right].max(initial=0)))
        if shown:
            likely.append((float(found.score[is_right].max(initial=0)), false[-1]))
    threshold = round(float(np.quantile(false, 1 - FALSE_SHARE)), 4)
    right = [mine >= threshold and mine > other for mine, other in likely]
    scores = {
        "calibration_photographs": len(likely),
        "calibration_right_at_threshold": round(float(np.mean(right)), 4),
        "false_share_of_photographs": FALSE_SHARE,
    }
    return threshold, scores


def add_second(
    folder: Path,
    folded: Weights,
    archive: Path,
    calibration: Sequence[Photo],
    others: Sequence[Photo],
    *,
    card: dict[str, Any],
    device: str,
) -> None:
    """Write the second opinion into a folder that has the other networks, such that their threshold stays right.

    What its cosine is worth was chosen on CALIBRATION (NOTES.md, "second opinion"); which cosine is worth nothing is
    what keeps the false matches of photographs at FALSE_SHARE.
    """
    settings = {"match_scale": SECOND_SCALE, "match_offset": -0.3 * SECOND_SCALE}
    weights.save(folder / SECOND_FILE, SECOND, folded, settings, card)
    found, scores = measure_whole(folder, archive, calibration, others, device=device)
    settings["match_offset"] += round(logit(load_embedder(folder, device).threshold) - logit(found), 4)
    weights.save(folder / SECOND_FILE, SECOND, folded, settings, {**card, **scores, "bad_at": SECOND_BAD_AT})


def logit(score: float) -> float:
    """Log-odds of a score, which is rounded: 0 and 1 are a little more and less."""
    score = min(max(score, 1e-5), 1 - 1e-5)
    return math.log(score / (1 - score))


SECOND_SCALE = 20.0
"""What a cosine of the second opinion is worth, as log-odds; 15 to 40 are as good on CALIBRATION."""
SECOND_BAD_AT = "drawings in other colours, for which it is not asked"
COHORT, NEAREST, SHARE = 800, 100, 0.8
"""The cohort's size, how many of it count, and how much (see `embedder.Match`), chosen on CALIBRATION (NOTES.md)."""
FALSE_SHARE = 0.02
"""Share of photographs in which a match of one of the three calibration brands may be false."""
OTHERS = 90
"""Photographs of seen brands, and as many of none, in which nothing may be matched."""


def places(photo: Photo, rng: np.random.Generator, count: int) -> list[Box]:
    """Anywhere in a photograph, of any size, long or high."""
    found: list[Box] = []
    h, w = photo.image.shape[:2]
    for _ in range(count):
        side = float(np.exp(rng.uniform(np.log(16), np.log(0.9 * min(h, w)))))
        bw, bh = (side, side * rng.uniform(0.35, 1)) if rng.random() < 0.7 else (side * rng.uniform(0.5, 1), side)
        x, y = rng.uniform(0, w - bw), rng.uniform(0, h - bh)
        found.append((x, y, x + bw, y + bh))
    return found


def astray(box: Box, rng: np.random.Generator) -> Box:
    """A box as a scanner tells it: a tenth off, and up to a fifth larger or smaller."""
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    cx, cy = (x1 + x2) / 2 + rng.uniform(-0.1, 0.1) * w, (y1 + y2) / 2 + rng.uniform(-0.1, 0.1) * h
    w, h = w * rng.uniform(0.85, 1.2), h * rng.uniform(0.85, 1.2)
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2


def cut(image: Image, box: Box) -> Image:
    """A crop as inference cuts it."""
    return crop(ArrayPicture(image), on_pixels(crop_areas(np.array([box], np.float32)))[0], EMBEDDER.window)


def logistic(values: Floats, is_right: NDArray[np.bool_], neither: NDArray[np.int64]) -> tuple[float, float]:
    """Slope and offset of the logistic that tells best whether a similarity is right, by Newton's method.

    Both kinds weigh the same, however many there are of each: a score of 0.5 is even odds among as many of each.
    neither: rows that are left out
    """
    kept = np.setdiff1d(np.arange(len(values)), neither)
    values, is_right = values[kept], is_right[kept]
    x = np.stack([values.astype(np.float64), np.ones(len(values))], axis=1)
    y = is_right.astype(np.float64)
    weight = np.where(is_right, 0.5 / max(1, is_right.sum()), 0.5 / max(1, (~is_right).sum())) * len(values)
    told = np.array([10.0, -5.0])
    for _ in range(30):
        p = 1 / (1 + np.exp(-x @ told))
        slope = x.T @ (weight * (p - y)) + 1e-2 * told
        bend = (x * (weight * p * (1 - p))[:, None]).T @ x + 1e-2 * np.eye(2)
        told -= np.clip(np.linalg.solve(bend, slope), -5, 5)
    return round(float(told[0]), 4), round(float(told[1]), 4)


@dataclass(frozen=True, slots=True)
class Shot:
    """A logo in a photograph, which is cut to it and its surroundings. box: x1, y1, x2, y2 in pixels of `image`."""

    image: Image
    box: Box


@dataclass(slots=True)
class Logos:
    """What is learned, a row a class: its drawings and its photographs, either of which may be none."""

    drawn: list[list[Artwork]] = field(default_factory=list)
    shots: list[list[Shot]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def add(self, name: str, drawn: Sequence[Artwork] = (), shots: Sequence[Shot] = ()) -> None:
        self.names.append(name)
        self.drawn.append(list(drawn))
        self.shots.append(list(shots))

    def __len__(self) -> int:
        return len(self.names)


def gathered(
    icons: Sequence[Artwork],
    more: Sequence[Artwork],
    marks: Sequence[Artwork],
    photos: Sequence[Photo],
    held: frozenset[str],
) -> Logos:
    """The classes to learn: without the held icons and the brands that are kept apart, in any of their drawings.

    An icon that two sets have is one class where the drawings agree; where they do not, the second is left out.
    """
    apart = {plain(name) for name in (*held, *HELD_BRANDS, *CALIBRATION)}
    drawn: dict[str, list[Artwork]] = {plain(a.name): [a] for a in icons if plain(a.name) not in apart}
    for artwork in more:
        name = plain(artwork.name)
        if name in apart:
            continue
        if name not in drawn:
            drawn[name] = [artwork]
        elif alike(drawn[name][0], artwork):
            drawn[name].append(artwork)
        elif not artwork.name.endswith("-icon"):
            drawn[artwork.name + " (word)"] = [artwork]
    logos = Logos()
    by_brand: dict[str, list[Shot]] = {}
    for photo in photos:
        for x1, y1, x2, y2, brand in photo.boxes:
            if brand not in HELD_BRANDS and brand not in CALIBRATION:
                by_brand.setdefault(brand, []).append(shot(photo.image, (x1, y1, x2, y2)))
    for brand, shots in sorted(by_brand.items()):
        logos.add(brand, drawn.pop(plain(brand), []) if brand in DRAWN_TOO else [], shots)
    for name, artworks in sorted(drawn.items()):
        logos.add(name, artworks)
    for mark in marks:
        logos.add(mark.name, [mark])
    return logos


def plain(name: str) -> str:
    """A brand's name as every set writes it."""
    return "".join(c for c in name.removesuffix("-icon").lower() if c.isalnum())


def alike(a: Artwork, b: Artwork) -> bool:
    """True where two drawings cover the same."""
    aspects = [x.rgba.shape[1] / x.rgba.shape[0] for x in (a, b)]
    covers = [cv2.resize(x.rgba[..., 3], (32, 32), interpolation=cv2.INTER_AREA) > 128 for x in (a, b)]
    both = (covers[0] & covers[1]).sum() / max(1, (covers[0] | covers[1]).sum())
    return bool(0.85 < aspects[0] / aspects[1] < 1.18 and both > 0.75)


def shot(image: Image, box: Box) -> Shot:
    """A copy of the logo and of as much again around it."""
    x1, y1, x2, y2 = box
    far_x, far_y = (x2 - x1) * 0.6 + 8, (y2 - y1) * 0.6 + 8
    left, top = int(max(0, x1 - far_x)), int(max(0, y1 - far_y))
    right, bottom = int(min(image.shape[1], x2 + far_x)), int(min(image.shape[0], y2 + far_y))
    return Shot(np.ascontiguousarray(image[top:bottom, left:right]), (x1 - left, y1 - top, x2 - left, y2 - top))


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the threes: photographs of brands, places that are no logo; what is left is drawn.

    anew: share of the drawn views that are made anew; the others are seen again beside other views
    """

    shots: float = 0.18
    nothing: float = 0.14
    anew: float = 0.5


POOL = 5
"""Views kept of each class, plain and other."""
PLAIN = Looks(px=(14.0, 72.0), shift=0.1, scale=0.24, rare=0.03, plain=True)
"""Seen small, blurred and off: what most of broadcast's logos are, and what told drawings apart worst."""


class Views(IterableDataset[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]]):
    """An endless row of batches of threes, the same for the same seed.

    A batch: views uint8 (N, side, side, 3), three after three of one class; classes int64 (N,), those of places that
    are no logo beyond the last class and never the same again; and float32 (N, 4) of zeros, which `fit.train` wants. Of
    a drawing a gallery's view comes first, then a plain one, then one that has seen all that a camera meets.

    batch: N, a multiple of three
    """

    def __init__(self, logos: Logos, photos: Sequence[Photo], mix: Mix, *, side: int, batch: int, seed: int) -> None:
        neighbours = [drawn[0] for drawn in logos.drawn if drawn]
        self.film, self.plain = Camera(photos, neighbours), Camera(photos, neighbours, PLAIN)
        self.logos, self.mix, self.side, self.batch, self.seed = logos, mix, side, batch, seed
        self.drawn = [c for c, drawn in enumerate(logos.drawn) if drawn]
        self.shown = [c for c, shots in enumerate(logos.shots) if shots]
        self.pools: dict[tuple[int, bool], list[Image]] = {}
        self.enrolled: dict[int, list[Image]] = {}
        self.places = len(logos)

    def __iter__(self) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]]:
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.make(rng)

    def make(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
        images: list[Image] = []
        classes = np.empty(self.batch, np.int64)
        for i in range(0, self.batch, 3):
            kind = rng.random()
            if kind < self.mix.nothing:
                place, label = self.place(rng), self.places
                images += [self.film.photographed(place.image, place.box, self.side, rng) for _ in range(3)]
                self.places += 1
            elif kind < self.mix.nothing + self.mix.shots and self.shown:
                label = pick(self.shown, rng)
                images += [self.shown_view(label, rng) for _ in range(3)]
            else:
                label = pick(self.drawn, rng)
                images += [pick(self.kept(label), rng)] + [
                    self.view(label, rng, plain=plain) for plain in (True, False)
                ]
            classes[i : i + 3] = label
        return np.stack(images), classes, np.zeros((self.batch, 4), np.float32)

    def shown_view(self, label: int, rng: np.random.Generator) -> Image:
        if self.logos.drawn[label] and rng.random() < 0.2:
            return self.view(label, rng, plain=False)
        seen = pick(self.logos.shots[label], rng)
        return self.film.photographed(seen.image, seen.box, self.side, rng)

    def kept(self, label: int) -> list[Image]:
        """A class's drawings as a gallery embeds them, in all their colours."""
        if label not in self.enrolled:
            likenesses = [Likeness("artwork", a.name, a.rgba) for a in self.logos.drawn[label]]
            self.enrolled[label] = [view for likeness in likenesses for view in views(likeness, self.side)]
        return self.enrolled[label]

    def view(self, label: int, rng: np.random.Generator, *, plain: bool) -> Image:
        """A class's drawing as a camera sees it, made anew or one of those that were."""
        pool = self.pools.setdefault((label, plain), [])
        if len(pool) == POOL and rng.random() > self.mix.anew:
            return pick(pool, rng)
        made = (self.plain if plain else self.film).view(pick(self.logos.drawn[label], rng), self.side, rng)
        if len(pool) < POOL:
            pool.append(made)
        else:
            pool[int(rng.integers(POOL))] = made
        return made

    def place(self, rng: np.random.Generator) -> Shot:
        """Somewhere in a photograph, of any size and shape."""
        image = pick(self.film.photos, rng).image
        h, w = image.shape[:2]
        long = float(np.exp(rng.uniform(np.log(20), np.log(0.8 * min(h, w)))))
        across = long * (1.0 if rng.random() < 0.5 else rng.uniform(0.35, 1.0))
        bw, bh = (long, across) if rng.random() < 0.7 else (across, long)
        x, y = rng.uniform(0, w - bw), rng.uniform(0, h - bh)
        return shot(image, (x, y, x + bw, y + bh))


def loader(batches: Views) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The batches as tensors, made in one process beside the training, eight batches ahead."""
    return iter(DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=8, multiprocessing_context="fork"))


class Contrast:
    """The loss: each view against all others of its batch and against what was seen of late (arXiv 1912.06798).

    size: views remembered; temperature: smaller looks harder at the nearest others; calm: loss of a batch by itself,
    on the average, from which on the memory is used: earlier the network changes too fast, and all views fall together
    """

    def __init__(self, dimensions: int, *, size: int = 6144, temperature: float = 0.1, calm: float = 3.0) -> None:
        self.keys, self.labels = torch.zeros(size, dimensions), torch.full((size,), -1)
        self.temperature, self.calm, self.seen, self.alone = temperature, calm, 0, 10.0

    def __call__(self, output: Tensor, classes: Tensor, _: Tensor) -> Tensor:
        views = F.normalize(output)
        loss = self.against(views, classes, views, classes)
        self.alone += (loss.item() - self.alone) * 0.03
        if self.alone < self.calm:
            known = self.labels >= 0
            keys, labels = torch.cat([views, self.keys[known]]), torch.cat([classes, self.labels[known]])
            loss = self.against(views, classes, keys, labels)
        self.remember(views.detach(), classes)
        return loss

    def against(self, views: Tensor, classes: Tensor, keys: Tensor, labels: Tensor) -> Tensor:
        """How badly views are told among keys, of which the first are the views themselves."""
        logits = views @ keys.T / self.temperature
        itself = torch.zeros_like(logits, dtype=torch.bool)
        itself[:, : len(views)].fill_diagonal_(True)
        logits = logits.masked_fill(itself, -1e4)
        same = (classes[:, None] == labels[None]) & ~itself
        told = logits - logits.logsumexp(dim=1, keepdim=True)
        return -((told * same).sum(dim=1) / same.sum(dim=1)).mean()

    def remember(self, views: Tensor, classes: Tensor) -> None:
        at = (self.seen * len(views) + torch.arange(len(views))) % len(self.labels)
        self.keys[at], self.labels[at] = views, classes
        self.seen += 1


class Directions(nn.Module):
    """The loss: a direction is learned for each class, to which its views must lie nearer than to those of all others.

    Views compared with each other alone meet only what is in their batch and was seen of late; directions alone hardly
    begin to turn. Together, from the start, a tenth of the views reach more than either (NOTES.md, "embedder").

    temperature: smaller looks harder at the nearest others; margin: by how much nearer a view must lie
    pairs: weight of comparing views with each other
    """

    def __init__(self, begun: Tensor, *, temperature: float = 0.0625, margin: float = 0.1, pairs: float = 1.0) -> None:
        super().__init__()
        self.directions = nn.Parameter(F.normalize(begun))
        self.temperature, self.margin, self.pairs = temperature, margin, pairs
        self.contrast = Contrast(begun.shape[1], temperature=temperature)

    def forward(self, output: Tensor, classes: Tensor, codes: Tensor) -> Tensor:
        count = len(self.directions)
        is_logo = classes < count
        near = F.normalize(output[is_logo]) @ F.normalize(self.directions).T
        nearer = self.margin * F.one_hot(classes[is_logo], count)
        told = F.cross_entropy((near - nearer) / self.temperature, classes[is_logo])
        return told + self.pairs * self.contrast(output, classes, codes)
