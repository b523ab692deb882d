"""What a network is shown: how many windows of which kind, made beside the training in a process of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset

from detectors.geometry import CROP_SCALE, encode_boxes
from detectors.labels import BACKGROUND, OTHER
from detectors.picture import Image
from detectors.training.data import Crop
from detectors.training.windows import LOOSE, MADE_OTHER, TIGHT, Jitter, Studio, cut, degrade, made_other, pick

POOL = 120
"""Drawings kept for each class (ten times as many for other signs)."""
Batch = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]
"""Windows uint8 (N, side, side, 3), classes int64 (N,), box codes float32 (N, 4) (rows of background: zeros)."""


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of the kinds of window; what is left of 1 is background."""

    real: float
    drawn: float
    other_drawn: float
    other_real: float
    stray: float
    tight: float
    """share of the signs' windows that are cut closely"""

    @property
    def other_odds(self) -> float:
        """How many times as often as one of the 43, on average, an "other sign" is shown."""
        return (self.other_drawn + self.other_real) * OTHER / (self.real + self.drawn)


@dataclass(slots=True)
class Stocks:
    """What windows are made of.

    studio: real crops, templates and photographs; street: signs in photographs of streets, with a class; lookalikes:
    places in photographs that look like a sign and are none (`hard_negatives`), with their boxes and class 44
    """

    studio: Studio
    street: list[Crop] = field(default_factory=list)
    lookalikes: list[Crop] = field(default_factory=list)


class Windows(IterableDataset[Batch]):
    """An endless row of batches, the same for the same seed."""

    def __init__(
        self,
        stocks: Stocks,
        mix: Mix,
        *,
        side: int,
        batch: int,
        seed: int,
        loose: Jitter = LOOSE,
        tight: Jitter = TIGHT,
    ) -> None:
        self.stocks, self.mix, self.side, self.batch, self.seed = stocks, mix, side, batch, seed
        self.loose, self.tight = loose, tight
        counts = np.array([len(stocks.studio.by_class.get(c, ())) for c in range(OTHER)], float) ** 0.6
        self.frequency = counts / counts.sum()
        self.other_street = [c for c in stocks.street if c.class_id == OTHER]
        self.pool: dict[int, list[Crop]] = {}

    def __iter__(self) -> Iterator[Batch]:
        rng = np.random.default_rng(self.seed)
        while True:
            yield self.make(rng)

    def make(self, rng: np.random.Generator) -> Batch:
        images = np.empty((self.batch, self.side, self.side, 3), np.uint8)
        classes = np.full(self.batch, BACKGROUND, np.int64)
        boxes = np.zeros((self.batch, 4), np.float32)
        mix = self.mix
        edges = np.cumsum([mix.real, mix.drawn, mix.other_drawn, mix.other_real, mix.stray])
        for i, kind in enumerate(np.searchsorted(edges, rng.random(self.batch))):
            if kind == len(edges):
                images[i] = self.nothing(rng)
                continue
            crop = self.sign(int(kind), rng)
            drawn = crop.track == "drawn"
            sign_px = float(np.exp(rng.uniform(np.log(0.34 * self.side), np.log(1.15 * self.side / CROP_SCALE))))
            strength = 1.0 if drawn else 0.55
            if kind == 4:
                images[i] = self.stray(crop, sign_px, strength, rng)
                continue
            jitter = self.tight if rng.random() < mix.tight else self.loose
            images[i], boxes[i] = cut(crop.image, crop.box, self.side, jitter, rng, sign_px=sign_px, strength=strength)
            classes[i] = crop.class_id
        whole = np.array([[self.side / 2, self.side / 2, self.side, self.side]], np.float32).repeat(self.batch, 0)
        sign = classes != BACKGROUND
        codes = np.zeros((self.batch, 4), np.float32)
        codes[sign] = encode_boxes(boxes[sign], whole[sign])
        return images, classes, codes

    def sign(self, kind: int, rng: np.random.Generator) -> Crop:
        studio = self.stocks.studio
        if kind == 1:
            return self.drawing(int(rng.integers(OTHER)), rng)
        if kind == 2:
            return self.drawing(OTHER, rng)
        if kind == 3:
            if self.other_street and rng.random() < 0.5:
                return pick(self.other_street, rng)
            return made_other(studio.real(int(rng.choice(MADE_OTHER)), rng), rng)
        if self.stocks.street and rng.random() < 0.08:
            return pick(self.stocks.street, rng)
        return studio.real(int(rng.choice(OTHER, p=self.frequency)), rng)

    def drawing(self, class_id: int, rng: np.random.Generator) -> Crop:
        """A drawn sign; one in four is drawn anew, the others are seen again from another window."""
        pool = self.pool.setdefault(class_id, [])
        if len(pool) < POOL or rng.random() < 0.25:
            made = self.stocks.studio.drawing(class_id, rng)
            if len(pool) < POOL * (10 if class_id == OTHER else 1):
                pool.append(made)
            else:
                pool[int(rng.integers(len(pool)))] = made
            return made
        return pick(pool, rng)

    def stray(self, crop: Crop, sign_px: float, strength: float, rng: np.random.Generator) -> Image:
        """A window beside a sign, or far too large or too small for it: background, though it shows some of it."""
        x1, y1, x2, y2 = crop.box
        w, h = x2 - x1, y2 - y1
        if rng.random() < 0.5:
            angle, far = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.0)
            dx, dy, scale = np.cos(angle) * far * w, np.sin(angle) * far * h, 2.0 ** rng.uniform(-0.4, 0.4)
        else:
            scale = 2.0 ** (rng.uniform(0.95, 1.6) * (1 if rng.random() < 0.4 else -1))
            dx, dy = rng.uniform(-0.3, 0.3, 2) * np.array([w, h])
        cx, cy = (x1 + x2) / 2 + dx, (y1 + y2) / 2 + dy
        box = (cx - w / 2 * scale, cy - h / 2 * scale, cx + w / 2 * scale, cy + h / 2 * scale)
        return cut(crop.image, box, self.side, self.tight, rng, sign_px=sign_px, strength=strength)[0]

    def nothing(self, rng: np.random.Generator) -> Image:
        if self.stocks.lookalikes and rng.random() < 0.6:
            crop = pick(self.stocks.lookalikes, rng)
            sign_px = min(crop.box[2] - crop.box[0], 1.15 * self.side / CROP_SCALE)
            return cut(crop.image, crop.box, self.side, self.loose, rng, sign_px=max(6.0, sign_px), strength=0.5)[0]
        return degrade(self.stocks.studio.background(self.side, rng), rng, 0.5)


def loader(windows: Windows) -> Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """The batches as tensors, made in one process beside the training, eight batches ahead."""
    return iter(DataLoader(windows, batch_size=None, num_workers=1, prefetch_factor=8, multiprocessing_context="fork"))
