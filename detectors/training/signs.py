"""The recipe of the sign detector: scanner with mined negatives, then verifier, calibration, and the cards.

Data layout below one folder (see README, "Train"): signs/gtsrb-train.zip, signs/templates-*.zip,
signs/roadsign877.zip, backgrounds/*.zip, logos/flickrlogos-27.zip (photographs of its training boxes, as places
without signs). Validation is by track: the tracks of HELD_SHARE are never trained on, and the temperature is fitted on
them.
"""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from detectors import weights
from detectors.artwork import draw_limit, draw_sign
from detectors.boxes import iou
from detectors.engines import open_engine
from detectors.labels import OTHER
from detectors.nets import Weights
from detectors.picture import ArrayPicture
from detectors.scanner import Scanner
from detectors.torch_net import TorchNet
from detectors.training.batches import Batch, Mix, Stocks, Windows, loader
from detectors.training.data import (
    TEMPLATE_PX,
    Crop,
    Photo,
    Template,
    logo_photos,
    read_crops,
    read_photos,
    read_templates,
)
from detectors.training.evaluate import calibration_error, crop_logits, fit_temperature, softmax, top1
from detectors.training.fit import SCANNER, VERIFIER, Schedule, scanner_loss, train, verifier_loss
from detectors.training.mining import hard_negatives
from detectors.training.windows import Jitter, Studio

HELD_SHARE = 0.06
LICENCE = "not stated: GTSRB asks for citation, CamVid, BSDS500 and FlickrLogos-27 are for research"
BAD_AT = "signs of which four tenths are hidden; a limit that is none of the 43 may be read as one that looks like it"
THRESHOLD = 0.985
"""Score from which a detection counts. Scores are calibrated on crops of signs; a street has much more that is none."""
SCAN_MIX = Mix(real=0.26, drawn=0.10, other_drawn=0.10, other_real=0.04, stray=0.08, tight=1.0)
VERIFY_MIX = Mix(real=0.47, drawn=0.14, other_drawn=0.09, other_real=0.04, stray=0.07, tight=0.6)
REFINE_MIX = Mix(real=0.64, drawn=0.10, other_drawn=0.06, other_real=0.02, stray=0.05, tight=0.75)
OTHER_LIMITS = (5, 10, 15, 25, 35, 40, 45, 55, 65, 75, 85, 90, 95, 110, 130, 140)
"""Limits that are none of the 43 and look like those that are: one drawing in ten of an "other sign" shows one."""
SCAN_JITTER = Jitter(0.11, 0.27, 1.0)
"""Half a stride, and half a step of the pyramid with a little to spare."""
DATA = (
    "GTSRB training crops (free to use with citation: Stallkamp et al. 2011); Mapillary sign templates (MIT); German \
sign templates (official works); signs drawn by the project; Road Sign Detection 877 (CC0); CamVid, BSDS500 and \
FlickrLogos-27 training photographs as background (research use)"
)


def train_signs(
    folder: Path,
    out: Path,
    *,
    scale: float,
    seed: int,
    device: str,
    command: str,
    quiet: bool,
    start: Path | None = None,
    places: Sequence[Photo] = (),
) -> None:
    """Train both networks from the data in `folder` and write them with their cards into `out`.

    scale: how long to train; 1 is twenty minutes on two cores, less is quicker and worse
    places: more pictures without signs, for refining; what looks like a sign in them weighs as much as all photographs
    start: folder of weights to go on from; the scanner is kept, the verifier is refined gently, mostly on real signs
    """
    torch.set_num_threads(2)
    cv2.setNumThreads(1)  # its thread pool does not survive the fork that makes windows beside the training
    trained, held = by_track(read_crops(folder / "signs/gtsrb-train.zip", quiet=quiet), seed)
    street, held_street = street_signs(folder / "signs/roadsign877.zip")
    templates = read_templates(sorted((folder / "signs").glob("templates-*.zip")), quiet=quiet)
    drawn = [Template(f"artwork-{c}", draw_sign(c, TEMPLATE_PX), c) for c in range(OTHER)]
    drawn += [Template(f"limit-{v}", draw_limit(v, "km/h", TEMPLATE_PX), OTHER) for v in OTHER_LIMITS] * 10
    photos = [p for name in ("camvid", "bsds500") for p in read_photos(folder / f"backgrounds/{name}.zip")]
    photos += [replace(p, boxes=()) for p in logo_photos(folder / "logos/flickrlogos-27.zip")]
    stocks = Stocks(Studio(trained, templates + drawn, photos), street)
    today = datetime.date.today().isoformat()
    card = {"data": DATA, "command": command, "seed": seed, "date": today, "licence": LICENCE}

    if start is None:
        scanner, stocks.lookalikes = fit_scanner(stocks, scale, seed, device, quiet)
    else:
        scanner = weights.load(start / "signs-scanner.safetensors").weights
        stocks.lookalikes = hard_negatives(proposer(scanner), photos, per_photo=20, quiet=quiet)
        stocks.lookalikes += hard_negatives(proposer(scanner), places, per_photo=64, quiet=quiet)
    settings, scores = measure_scanner(scanner, held_street)
    weights.save(out / "signs-scanner.safetensors", SCANNER, scanner, settings, {**card, **scores})

    mix = VERIFY_MIX if start is None else REFINE_MIX
    schedule = Schedule(max(20, round(4600 * scale))) if start is None else Schedule(max(20, round(2400 * scale)), 8e-4)
    batches = loader(Windows(stocks, mix, side=VERIFIER.window, batch=192, seed=seed))
    begun = None
    if start is not None:
        folded = weights.load(start / "signs-verifier.safetensors").weights
        begun = TorchNet(VERIFIER, normalised=False).load_folded(folded)
    net = train(
        VERIFIER, batches, verifier_loss(mix.other_odds), schedule, device=device, seed=seed, start=begun, quiet=quiet
    )
    verifier = net.cpu().folded()
    settings, scores = measure_verifier(verifier, held)
    weights.save(out / "signs-verifier.safetensors", VERIFIER, verifier, settings, {**card, **scores})


def by_track(crops: list[Crop], seed: int) -> tuple[list[Crop], list[Crop]]:
    """Split crops into trained and held; all crops of one physical sign go one way."""
    tracks = sorted({c.track for c in crops})
    chosen = np.random.default_rng(seed).choice(len(tracks), round(len(tracks) * HELD_SHARE), replace=False)
    held = {tracks[i] for i in chosen}
    return [c for c in crops if c.track not in held], [c for c in crops if c.track in held]


def street_signs(path: Path) -> tuple[list[Crop], list[Photo]]:
    """Signs in street photographs with the class that a person read off them, and every sixth photograph held back."""
    table = Path(__file__).with_name("roadsign_classes.csv").read_text(encoding="utf-8").splitlines()
    read = {(row["file"], int(row["box"])): int(row["class_id"]) for row in csv.DictReader(table)}
    crops, held = [], []
    for number, photo in enumerate(read_photos(path)):
        if number % 6 == 0:
            held.append(photo)
            continue
        for k, (x1, y1, x2, y2, label) in enumerate(photo.boxes):
            class_id = {"stop": 14, "crosswalk": OTHER}.get(label, read.get((photo.name, k)))
            if class_id is None:
                continue
            far = max(x2 - x1, y2 - y1)
            h, w = photo.image.shape[:2]
            left, top = int(max(0, x1 - far)), int(max(0, y1 - far))
            image = np.ascontiguousarray(photo.image[top : int(min(h, y2 + far)), left : int(min(w, x2 + far))])
            crops.append(Crop(image, (x1 - left, y1 - top, x2 - left, y2 - top), class_id, photo.name))
    return crops, held


def fit_scanner(stocks: Stocks, scale: float, seed: int, device: str, quiet: bool) -> tuple[Weights, list[Crop]]:
    """Train the scanner in rounds; after each, what it wrongly finds in the photographs joins the background."""
    net: TorchNet | None = None
    lookalikes: list[Crop] = []
    folded: Weights = {}
    for turn, steps in enumerate((900, 900, 1100, 1300)):
        windows = Windows(
            replace(stocks, lookalikes=lookalikes),
            SCAN_MIX,
            side=SCANNER.window,
            batch=256,
            seed=seed + turn,
            tight=SCAN_JITTER,
        )
        schedule = Schedule(max(20, round(steps * scale)), rate=4e-3)
        batches = seen_again(loader(windows), 768, keep=150_000, seed=seed)
        net = train(SCANNER, batches, scanner_loss, schedule, device=device, seed=seed, start=net, quiet=quiet)
        folded = net.cpu().folded()
        lookalikes = lookalikes + hard_negatives(proposer(folded), stocks.studio.photos, per_photo=30, quiet=quiet)
    return folded, lookalikes


def proposer(folded: Weights) -> Scanner:
    """A scanner that lets much through, for mining."""
    return Scanner(open_engine(SCANNER, folded, device="torch"), SCANNER, threshold=-1.5, most=64)


def seen_again(
    batches: Iterator[tuple[Tensor, Tensor, Tensor]], size: int, *, keep: int, seed: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches drawn from the latest `keep` windows: the scanner learns faster than windows can be made."""
    rng = np.random.default_rng(seed)
    shelf: list[Batch] = []
    while True:
        images, classes, codes = next(batches)
        shelf.append((images.numpy(), classes.numpy(), codes.numpy()))
        made = len(shelf[0][1])
        if len(shelf) > keep // made:
            shelf.pop(int(rng.integers(len(shelf) - 1)))
        if len(shelf) < 16:
            continue
        rows = rng.integers(0, made, (size // 48, 48))
        chosen = rng.integers(0, len(shelf), size // 48)
        pairs = list(zip(chosen, rows, strict=True))
        yield (
            torch.from_numpy(np.concatenate([shelf[b][0][r] for b, r in pairs])),
            torch.from_numpy(np.concatenate([shelf[b][1][r] for b, r in pairs])),
            torch.from_numpy(np.concatenate([shelf[b][2][r] for b, r in pairs])),
        )


def measure_scanner(folded: Weights, held: list[Photo]) -> tuple[dict[str, float], dict[str, Any]]:
    """Threshold that lets 99 % of the held street signs through that are found at all, and what it costs."""
    scanner = Scanner(open_engine(SCANNER, folded, device="torch"), SCANNER, threshold=-2.0, most=96)
    best, missed, proposals = [], 0, 0
    for photo in held:
        signs = np.array([b[:4] for b in photo.boxes if b[4] != "trafficlight"], np.float32).reshape(-1, 4)
        boxes, logits = scanner([ArrayPicture(photo.image)])[0]
        proposals += len(boxes)
        near = iou(signs, boxes) >= 0.35
        best += [float(logits[row].max()) for row in near if row.any()]
        missed += int((~near.any(axis=1)).sum())
    threshold = float(np.clip(np.quantile(best, 0.01), -1.5, 1.5)) if best else 0.0
    let_through = sum(b >= threshold for b in best)
    scores = {
        "held_street_signs": len(best) + missed,
        "held_street_recall": round(let_through / max(1, len(best) + missed), 4),
        "bad_at": "signs under 14 px at the scanned size; wheels, lamps and round adverts pass on to the verifier",
    }
    return {"threshold": round(threshold, 3)}, scores


def measure_verifier(folded: Weights, held: list[Crop]) -> tuple[dict[str, float], dict[str, Any]]:
    """Temperature fitted on the held tracks, and accuracy and calibration on them."""
    class_ids = np.array([c.class_id for c in held], np.int64)
    logits = crop_logits(open_engine(VERIFIER, folded, device="torch"), held, window=VERIFIER.window)
    temperature = fit_temperature(logits, class_ids)
    error = {t: calibration_error(softmax(logits, t), class_ids) for t in (1.0, temperature)}
    scores = {
        "held_tracks": len({c.track for c in held}),
        "held_top1": round(top1(logits, class_ids), 4),
        "calibration_error_before": round(error[1.0], 4),
        "calibration_error": round(error[temperature], 4),
        "bad_at": BAD_AT,
    }
    return {"temperature": round(temperature, 4), "threshold": THRESHOLD}, scores
