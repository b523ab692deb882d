"""`wayside evaluate`: measures the shipped (or your own) verifier on labelled crops; prints one line of JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np

from detectors import weights
from detectors.engines import open_engine
from pipeline.errors import ConfigError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", choices=["signs"], help="which classifier")
    parser.add_argument("zip", type=Path, metavar="ZIP", help="crops with index.csv, as in GTSRB")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, f32 or bf16 (default: auto)")


def run(args: argparse.Namespace) -> int:
    from detectors.training import evaluate
    from detectors.training.data import read_crops

    quiet = args.quiet or not sys.stderr.isatty()
    model = weights.load((args.models or weights.SHIPPED) / "signs-verifier.safetensors")
    engine = open_engine(model.architecture, model.weights, device=args.device, precision=args.precision)
    crops = read_crops(args.zip, quiet=quiet)
    if not crops:
        raise ConfigError(f"{args.zip}: index.csv lists no crops")
    class_ids = np.array([c.class_id for c in crops], np.int64)
    logits = evaluate.crop_logits(engine, crops, window=model.architecture.window, quiet=quiet)
    probability = evaluate.softmax(logits, model.settings["temperature"])
    told = {
        "top1": round(evaluate.top1(logits, class_ids), 4),
        "images": len(crops),
        "parameters": model.architecture.parameters,
        "calibration_error": round(evaluate.calibration_error(probability, class_ids), 4),
        "mean_score": round(float(probability.max(axis=1).mean()), 4),
        "model": model.sha256,
    }
    print(json.dumps(told))
    return 0
