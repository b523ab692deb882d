"""`wayside evaluate`: measures the shipped (or your own) networks on labelled pictures; prints one line of JSON.

signs: the verifier on labelled crops. logos: the whole detector on query photographs, after it has enrolled the brands
from boxes; or, with --rendered, the embedder on drawn logos that were never trained on.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from detectors import weights
from detectors.engines import open_engine
from pipeline.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=["signs", "logos"], help="what to measure")
    parser.add_argument(
        "zip",
        type=Path,
        metavar="ZIP",
        nargs="?",
        help="signs: crops with index.csv, as in GTSRB; logos: photographs with train_boxes.csv and query.csv",
    )
    parser.add_argument("--exemplars", type=int, default=5, help="logos: boxes to enrol of each brand (default: 5)")
    parser.add_argument("--brands", default="", metavar="A,B", help="logos: enrol and ask for these alone")
    parser.add_argument(
        "--rendered", action="store_true", help="logos: tell drawn icons apart, small and recoloured; takes no ZIP"
    )
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, f32 or bf16 (default: auto)")


def run(args: argparse.Namespace) -> int:
    if args.rendered and args.task != "logos":
        raise ConfigError("--rendered measures logos: wayside evaluate logos --rendered")
    if (args.zip is None) != args.rendered:
        raise ConfigError("--rendered takes no ZIP" if args.rendered else f"evaluate {args.task} needs a ZIP")
    if args.exemplars < 1:
        raise ConfigError(f"--exemplars must be at least 1, got {args.exemplars}")
    quiet = args.quiet or not sys.stderr.isatty()
    if args.rendered:
        told = rendered(args, quiet)
    else:
        told = logos(args, quiet) if args.task == "logos" else signs(args, quiet)
    print(json.dumps(told))
    return 0


def signs(args: argparse.Namespace, quiet: bool) -> dict[str, Any]:
    from detectors.training import evaluate
    from detectors.training.data import read_crops

    model = weights.load((args.models or weights.SHIPPED) / "signs-verifier.safetensors")
    engine = open_engine(model.architecture, model.weights, device=args.device, precision=args.precision)
    crops = read_crops(args.zip, quiet=quiet)
    if not crops:
        raise ConfigError(f"{args.zip}: index.csv lists no crops")
    class_ids = np.array([c.class_id for c in crops], np.int64)
    logits = evaluate.crop_logits(engine, crops, window=model.architecture.window, quiet=quiet)
    probability = evaluate.softmax(logits, model.settings["temperature"])
    return {
        "top1": round(evaluate.top1(logits, class_ids), 4),
        "images": len(crops),
        "parameters": model.architecture.parameters,
        "calibration_error": round(evaluate.calibration_error(probability, class_ids), 4),
        "mean_score": round(float(probability.max(axis=1).mean()), 4),
        "model": model.sha256,
    }


def logos(args: argparse.Namespace, quiet: bool) -> dict[str, Any]:
    from detectors.detector import open_detector
    from detectors.embedder import load_embedder
    from detectors.reading import Reader, can_read
    from detectors.still import still_detector
    from detectors.training import evaluate_logos

    brands = frozenset(brand.strip() for brand in args.brands.split(",") if brand.strip())
    embedder = load_embedder(args.models, args.device, args.precision)
    likenesses = evaluate_logos.exemplars(args.zip, args.exemplars, brands)
    gallery = evaluate_logos.enrolled(likenesses, embedder, Reader() if can_read() else None)
    queries = evaluate_logos.read_queries(args.zip, brands)
    if not queries:
        raise ConfigError(f"{args.zip}: query.csv asks for nothing")
    detector = open_detector("logos", folder=args.models, device=args.device, precision=args.precision, gallery=gallery)
    still = still_detector(detector, gallery)
    told = evaluate_logos.ask(queries, still, still.labels, still.threshold, quiet=quiet)
    return {**told, "exemplars": args.exemplars, "model": embedder.sha256}


def rendered(args: argparse.Namespace, quiet: bool) -> dict[str, Any]:
    from detectors.embedder import load_embedder
    from detectors.training.data import Photo
    from detectors.training.evaluate_logos import recall_of_rendered
    from detectors.training.icons import simple_icons
    from pipeline.samples.road import RoadSample

    embedder = load_embedder(args.models, args.device, args.precision)
    drive = RoadSample(7, seconds=40, with_signs=False)
    grounds = [Photo(f"drive {k}", drive.frame(k)[0]) for k in range(30, len(drive), 150)]
    told = recall_of_rendered(embedder, simple_icons(quiet=quiet), grounds, quiet=quiet)
    return {**told, "model": embedder.sha256}
