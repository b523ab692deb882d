"""`wayside sample`: makes a generated drive or match as a video, and the truth about it as JSON Lines."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from pipeline.errors import ConfigError, SinkError
from pipeline.samples.kinds import KINDS, make_sample
from pipeline.samples.match import MatchSample
from pipeline.samples.truth_file import TruthFile
from streams.writer import VideoWriter


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "kind", choices=list(KINDS), help="a drive along a road with signs, or a match between boards with brands"
    )
    parser.add_argument("out", type=Path, metavar="OUT.mp4", help="the video; the truth lies beside it, .truth.jsonl")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another drive or match (default: 1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length (default: 60)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="pixels (default: 1280x720)")
    parser.add_argument("--fps", type=float, help="frames a second (default: 30 of a drive, 25 of a match)")
    parser.add_argument("--empty", action="store_true", help="all the clutter, and not one sign or brand")


def run(args: argparse.Namespace) -> int:
    size = re.fullmatch(r"(\d+)x(\d+)", args.size)
    if size is None:
        raise ConfigError(f"--size must look like 1280x720, got {args.size!r}")
    size_wh = int(size[1]), int(size[2])
    try:
        sample = make_sample(
            args.kind, seed=args.seed, seconds=args.seconds, size_wh=size_wh, fps=args.fps, is_empty=args.empty
        )
    except ValueError as error:
        raise ConfigError(str(error)) from error
    truth_path, brands_path = args.out.with_suffix(".truth.jsonl"), args.out.with_suffix(".brands")
    frame_seconds = 1 / Fraction(sample.fps).limit_denominator(1001)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        truth_file = TruthFile(truth_path, sample.truth())
    except OSError as error:
        raise SinkError(f"{truth_path}: cannot be written: {error.strerror}") from error
    # disable=None: a bar on a terminal only
    bar = tqdm(sample, total=len(sample), desc="sample", unit="frame", disable=True if args.quiet else None)
    with truth_file, VideoWriter(args.out, size_wh, time_base=frame_seconds) as writer:
        for index, (image, truth) in enumerate(bar):
            writer.write(image, pts=index, duration=1)
            truth_file.write(truth)
    if isinstance(sample, MatchSample):
        _write_artwork(brands_path, sample.brands())
    if not args.quiet:
        print(f"video  {args.out}\ntruth  {truth_path}")
        if isinstance(sample, MatchSample):
            print(f"brands {brands_path}")
    return 0


def _write_artwork(folder: Path, brands: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write each brand's artwork as FOLDER/BRAND.png, RGBA."""
    try:
        folder.mkdir(exist_ok=True)
        for name, artwork in brands.items():
            png = cv2.imencode(".png", cv2.cvtColor(artwork, cv2.COLOR_RGBA2BGRA))[1]
            (folder / f"{name}.png").write_bytes(png.tobytes())
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error.strerror}") from error
