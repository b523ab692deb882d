"""`wayside sample`: makes a generated drive as a video, and the truth about it as JSON Lines."""

from __future__ import annotations

import argparse
import re
from fractions import Fraction
from pathlib import Path

from tqdm import tqdm

from pipeline.errors import ConfigError, SinkError
from pipeline.samples.road import RoadSample, TruthFile
from streams.writer import VideoWriter


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=["road"], help="what is shown: a drive along a road with signs")
    parser.add_argument("out", type=Path, metavar="OUT.mp4", help="the video; the truth lies beside it, .truth.jsonl")
    parser.add_argument("--seed", type=int, default=1, help="another seed is another drive (default: 1)")
    parser.add_argument("--seconds", type=float, default=60.0, help="length (default: 60)")
    parser.add_argument("--size", default="1280x720", metavar="WxH", help="pixels (default: 1280x720)")
    parser.add_argument("--fps", type=float, default=30.0, help="frames a second (default: 30)")
    parser.add_argument("--empty", action="store_true", help="all the clutter and not one sign")


def run(args: argparse.Namespace) -> int:
    size = re.fullmatch(r"(\d+)x(\d+)", args.size)
    if size is None:
        raise ConfigError(f"--size must look like 1280x720, got {args.size!r}")
    size_wh = int(size[1]), int(size[2])
    try:
        sample = RoadSample(args.seed, seconds=args.seconds, size_wh=size_wh, fps=args.fps, with_signs=not args.empty)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    truth_path = args.out.with_suffix(".truth.jsonl")
    frame_seconds = 1 / Fraction(args.fps).limit_denominator(1001)
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        truth_file = TruthFile(truth_path, sample.truth())
    except OSError as error:
        raise SinkError(f"{truth_path}: cannot be written: {error.strerror}") from error
    # disable=None: a bar on a terminal only
    bar = tqdm(sample, total=len(sample), desc="sample", unit="frame", disable=True if args.quiet else None)
    with truth_file, VideoWriter(args.out, size_wh, time_base=frame_seconds) as writer:
        for image, truth in bar:
            writer.write(image, pts=truth.index, duration=1)
            truth_file.write(truth)
    if not args.quiet:
        print(f"video  {args.out}\ntruth  {truth_path}")
    return 0
