"""Trains the scanner of logos: is there a logo in this window, of whichever brand, and where in it.

Windows are cut from drawn scenes (`scenes.py`) and from photographs with boxed logos. How much of a logo a window is
follows from the overlap of its nominal box with the logo's, so that windows beside it, inside it and around it are
all taken: what is hardly a logo is background, what is in between counts in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset
from tqdm import tqdm

from detectors.boxes import iou
from detectors.engines import open_engine
from detectors.geometry import CROP_SCALE, encode_boxes, on_pixels
from detectors.logos import SQUEEZES
from detectors.nets import Architecture, Conv, Weights
from detectors.picture import ArrayPicture, Image
from detectors.scanner import Scanner
from detectors.torch_net import TorchNet
from detectors.training.data import Photo
from detectors.training.fit import Schedule, train
from detectors.training.mining import touches
from detectors.training.scenes import Scenes, filmed
from detectors.training.windows import pick
from detectors.training.wordmarks import Artwork

Floats = NDArray[np.float32]
Batch = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]
"""Windows uint8 (N, side, side, 3), how much of a logo each is (N,), 0 to 1, box codes (N, 4)."""

NOTHING, WHOLE = 0.3, 0.6
"""Overlaps of a window's nominal box with a logo's, up to which it is no logo and from which it is one."""

SCANNER = Architecture(
    (
        Conv(3, 24, 4, 2),  # 24 -> 11
        Conv(24, 40, 3, 2),  # 5
        Conv(40, 64, 3),  # 3
        Conv(64, 80, 3),  # 1
        Conv(80, 64, 1),
        Conv(64, 5, 1, relu=False),
    ),
    window=24,
)


@dataclass(frozen=True, slots=True)
class Boxed:
    """A picture, its logos' boxes float32 (N, 4), and whether what is not boxed is known to be none."""

    image: Image
    boxes: Floats
    is_complete: bool


@dataclass(slots=True)
class Stock:
    """What windows are cut from: scenes to draw, photographs with boxes, photographs without logos, and the places in
    these (photo's number, box) that a scanner took for logos."""

    scenes: Scenes
    photos: Sequence[Boxed]
    empty: Sequence[Image]
    lookalikes: list[tuple[int, Floats]]


class LogoWindows(IterableDataset[Batch]):
    """An endless row of batches, each from a few pictures, the same for the same seed."""

    def __init__(
        self, stock: Stock, *, side: int, seed: int, real: float, squeezes: Sequence[float] = SQUEEZES
    ) -> None:
        self.stock, self.side, self.seed, self.real, self.squeezes = stock, side, seed, real, squeezes

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.make(rng)

    def make(self, rng: np.random.Generator) -> Batch:
        """About 200 windows: of a drawn scene or of photographs with logos, and of photographs without."""
        parts = []
        if rng.random() < self.real and self.stock.photos:
            for _ in range(4):
                parts.append(self.around(mirrored(pick(self.stock.photos, rng), rng), rng, per_logo=8))
        else:
            image, boxes = self.stock.scenes.make(rng)
            parts.append(self.around(Boxed(image, boxes, True), rng, per_logo=8))
        parts.append(self.elsewhere(rng))
        images, shares, codes = (np.concatenate(column) for column in zip(*parts, strict=True))
        return lit(images, rng), shares, codes

    def around(self, boxed: Boxed, rng: np.random.Generator, *, per_logo: int) -> Batch:
        """Windows on and about each logo, and anywhere where the picture's boxes are complete."""
        h, w = boxed.image.shape[:2]
        areas = []
        for box in boxed.boxes:
            areas.append(near(box, per_logo, self.squeezes, rng))
        if boxed.is_complete:
            areas.append(anywhere(40, (w, h), self.squeezes, self.side, rng))
        if not areas:
            return nothing(self.side)
        everything = on_pixels(np.concatenate(areas).astype(np.float32))
        overlap = iou(nominal(everything), boxed.boxes).max(axis=1, initial=0)
        if not boxed.is_complete:  # what is beside a boxed logo may be another that nobody boxed
            touching = overlap > 0.02
            everything = everything[touching]
        return cut_windows(boxed.image, everything, boxed.boxes, self.side)

    def elsewhere(self, rng: np.random.Generator) -> Batch:
        """Windows of photographs without logos, half of them where a scanner saw some."""
        parts = []
        for _ in range(2):
            image = pick(self.stock.empty, rng)
            areas = on_pixels(anywhere(24, (image.shape[1], image.shape[0]), self.squeezes, self.side, rng))
            parts.append(cut_windows(image, areas, np.zeros((0, 4), np.float32), self.side))
        for _ in range(48 if self.stock.lookalikes else 0):
            number, box = pick(self.stock.lookalikes, rng)
            areas = on_pixels(near(box, 1, self.squeezes, rng))
            parts.append(cut_windows(self.stock.empty[number], areas, np.zeros((0, 4), np.float32), self.side))
        images, shares, codes = (np.concatenate(column) for column in zip(*parts, strict=True))
        return images, shares, codes


def nothing(side: int) -> Batch:
    return np.zeros((0, side, side, 3), np.uint8), np.zeros(0, np.float32), np.zeros((0, 4), np.float32)


def mirrored(boxed: Boxed, rng: np.random.Generator) -> Boxed:
    """The picture as it is, or at times filmed anew."""
    if rng.random() < 0.5:
        return boxed
    return Boxed(filmed(boxed.image.astype(np.float32), rng), boxed.boxes, boxed.is_complete)


def near(box: Floats, count: int, squeezes: Sequence[float], rng: np.random.Generator) -> Floats:
    """Areas (count, 4) as a scanner's windows lie about a box: well placed half of the time."""
    sides = np.maximum(box[2:] - box[:2], 1)
    octave = np.log2(sides[0] / sides[1])
    fits = np.array([s for s in squeezes if abs(octave - np.log2(s)) <= 0.8] or [nearest(octave, squeezes)])
    squeeze = np.where(rng.random(count) < 0.85, rng.choice(fits, count), rng.choice(squeezes, count))
    well = rng.random(count) < 0.55
    scale = 2.0 ** np.where(well, rng.uniform(-0.3, 0.3, count), rng.normal(0, 0.9, count))
    side = np.sqrt(sides.prod() / squeeze) * scale * CROP_SCALE
    wh = np.stack([side * squeeze, side], axis=1)
    reach = np.where(well, 0.12, rng.choice([0.3, 0.8], count))[:, None]
    centre = (box[:2] + box[2:]) / 2 + rng.uniform(-1, 1, (count, 2)) * reach * np.minimum(wh, 1.5 * sides)
    return np.concatenate([centre, wh], axis=1).astype(np.float32)


def nearest(octave: float, squeezes: Sequence[float]) -> float:
    return min(squeezes, key=lambda s: abs(octave - float(np.log2(s))))


def anywhere(
    count: int, size_wh: tuple[int, int], squeezes: Sequence[float], side: int, rng: np.random.Generator
) -> Floats:
    """Areas (count, 4) anywhere in a picture, of all sizes that fit."""
    squeeze = rng.choice(squeezes, count)
    most = np.maximum(side, min(size_wh) * 1.2 / np.minimum(squeeze, 2))
    high = side * (most / side) ** rng.uniform(-0.1, 1, count)
    wh = np.stack([high * squeeze, high], axis=1)
    return np.concatenate([rng.uniform((0, 0), size_wh, (count, 2)), wh], axis=1).astype(np.float32)


def nominal(areas: Floats) -> Floats:
    """The boxes (N, 4) that areas are the crops of."""
    half = areas[:, 2:] / CROP_SCALE / 2
    return np.concatenate([areas[:, :2] - half, areas[:, :2] + half], axis=1)


def cut_windows(image: Image, areas: Floats, boxes: Floats, side: int) -> Batch:
    """Cut areas (N, 4) on whole pixels as windows, with their share of a logo and the code of the nearest one's box."""
    h, w = image.shape[:2]
    images = np.empty((len(areas), side, side, 3), np.uint8)
    for i, (cx, cy, aw, ah) in enumerate(areas):
        x1, y1, x2, y2 = round(cx - aw / 2), round(cy - ah / 2), round(cx + aw / 2), round(cy + ah / 2)
        left, top, right, bottom = (
            min(max(x1, 0), w - 1),
            min(max(y1, 0), h - 1),
            max(1, min(x2, w)),
            max(1, min(y2, h)),
        )
        right, bottom = max(right, left + 1), max(bottom, top + 1)
        patch = image[top:bottom, left:right]
        edges = (max(0, top - y1), max(0, y2 - bottom), max(0, left - x1), max(0, x2 - right))
        if any(edges):
            patch = np.asarray(cv2.copyMakeBorder(patch, *edges, cv2.BORDER_REPLICATE), np.uint8)
        how = cv2.INTER_AREA if min(patch.shape[:2]) > side else cv2.INTER_LINEAR
        images[i] = cv2.resize(patch, (side, side), interpolation=how)
    if not len(boxes):
        return images, np.zeros(len(areas), np.float32), np.zeros((len(areas), 4), np.float32)
    overlap = iou(nominal(areas), boxes)
    shares = np.clip((overlap.max(axis=1) - NOTHING) / (WHOLE - NOTHING), 0, 1).astype(np.float32)
    codes = encode_boxes(boxes[overlap.argmax(axis=1)], areas)
    return images, shares, np.where(shares[:, None] > 0, codes, np.float32(0)).astype(np.float32)


def lit(images: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Windows in light of their own; one in eight grey, one in eight with its channels changed over."""
    n = len(images)
    x = images.astype(np.float32)
    swap = rng.random(n) < 0.12
    x[swap] = x[swap][..., rng.permutation(3)]
    grey = rng.random(n) < 0.12
    x[grey] = x[grey].mean(axis=3, keepdims=True)
    flip = rng.random(n) < 0.05
    x[flip] = 255 - x[flip]
    gain = (2.0 ** rng.normal(0, 0.25, (n, 1, 1, 1))).astype(np.float32)
    return np.asarray(np.clip(x * gain + rng.normal(0, 10, (n, 1, 1, 1)), 0, 255), np.uint8)


def logo_loss(output: Tensor, shares: Tensor, codes: Tensor) -> Tensor:
    """Cross-entropy of the logit, logos weighing double, and a smooth distance of the boxes where there is one."""
    output = output.flatten(1)
    told = F.binary_cross_entropy_with_logits(output[:, 0], shares * 0.98 + 0.01, weight=1 + shares)
    logo = shares > 0.2
    placed = F.smooth_l1_loss(output[logo, 1:], codes[logo], beta=0.1) if logo.any() else output.sum() * 0
    return told + 1.5 * placed


def shelved(windows: LogoWindows, size: int, *, keep: int, seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches drawn from the latest `keep` parts, made in one process beside the training: it learns faster than they
    can be made."""
    parts = iter(DataLoader(windows, batch_size=None, num_workers=1, prefetch_factor=8, multiprocessing_context="fork"))
    rng = np.random.default_rng(seed)
    shelf: list[tuple[Tensor, Tensor, Tensor]] = []
    while True:
        shelf.append(next(parts))
        if len(shelf) > keep:
            shelf.pop(int(rng.integers(keep)))
        if len(shelf) < 24:
            continue
        chosen = rng.integers(0, len(shelf), 24)
        picked = [
            (part, torch.from_numpy(rng.integers(0, len(part[1]), size // 24))) for part in (shelf[c] for c in chosen)
        ]
        yield tuple(torch.cat([part[k][rows] for part, rows in picked]) for k in range(3))  # type: ignore[misc]


def fit_logo_scanner(
    icons: Sequence[Artwork],
    photos: Sequence[Photo],
    empty: Sequence[Photo],
    *,
    scale: float,
    seed: int,
    device: str,
    quiet: bool,
) -> Weights:
    """Train the scanner in rounds; after each, what it wrongly finds in photographs without logos joins the background.

    icons: artwork to paste, RGBA; photos: photographs with boxed logos, of brands that may be trained on; empty:
    photographs without logos; scale: how long to train, 1 is about twelve minutes on two cores
    """
    grounds = [p.image for p in empty]
    boxed = [Boxed(p.image, np.array([b[:4] for b in p.boxes], np.float32).reshape(-1, 4), False) for p in photos]
    stock = Stock(Scenes(icons, grounds), boxed, grounds, [])
    net: TorchNet | None = None
    folded: Weights = {}
    for turn, steps in enumerate((1500, 1500, 2500)):
        windows = LogoWindows(stock, side=SCANNER.window, seed=seed + turn, real=0.3)
        schedule = Schedule(max(20, round(steps * scale)), rate=4e-3)
        batches = shelved(windows, 768, keep=600, seed=seed)
        net = train(SCANNER, batches, logo_loss, schedule, device=device, seed=seed, start=net, quiet=quiet)
        folded = net.cpu().folded()
        stock.lookalikes += false_logos(folded, empty, per_photo=24, quiet=quiet)
    return folded


def false_logos(
    folded: Weights, empty: Sequence[Photo], *, per_photo: int, quiet: bool = True
) -> list[tuple[int, Floats]]:
    """The places (photo's number, box) that a scanner scores highest in photographs without logos."""
    scanner = Scanner(open_engine(SCANNER, folded, device="torch"), SCANNER, threshold=-1.5, most=64, squeezes=SQUEEZES)
    found: list[tuple[int, Floats]] = []
    for number, photo in enumerate(tqdm(empty, desc="mining", unit="photo", disable=quiet)):
        boxes, _ = scanner([ArrayPicture(photo.image)])[0]
        free = [box for box in boxes if not touches(photo, box)]
        found += [(number, box) for box in free[:per_photo]]
    return found


def measure_logo_scanner(
    folded: Weights, held: Sequence[Photo], *, most: int = 32
) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the share of held logos that one of the first `most` proposals overlaps, and the threshold.

    The threshold loses one in a hundred of those that are found.
    """
    scanner = Scanner(
        open_engine(SCANNER, folded, device="torch"), SCANNER, threshold=-4.0, most=most, squeezes=SQUEEZES
    )
    best, total = [], 0
    near_enough = {0.35: 0, 0.5: 0}
    for photo in held:
        truth = np.array([b[:4] for b in photo.boxes], np.float32).reshape(-1, 4)
        boxes, logits = scanner([ArrayPicture(photo.image)])[0]
        overlap = iou(truth, boxes)
        total += len(truth)
        for least in near_enough:
            near_enough[least] += int((overlap >= least).any(axis=1).sum())
        best += [float(logits[row].max()) for row in overlap >= 0.35 if row.any()]
    threshold = float(np.clip(np.quantile(best, 0.01), -4.0, -1.0)) if best else -2.0
    scores = {
        "held_logos": total,
        "proposals": most,
        "held_recall_at_0.35": round(near_enough[0.35] / max(1, total), 4),
        "held_recall_at_0.5": round(near_enough[0.5] / max(1, total), 4),
        "bad_at": "logos under 10 px at the scanned size; text that is no logo passes on to the embedder",
    }
    return {"threshold": round(threshold, 3)}, scores
