"""`wayside bench`: frames a second of the whole pipeline, of decoding alone, and of a sliced detector, with medians.

The three take turns, so that whatever else the machine does falls on all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, replace
from fractions import Fraction
from pathlib import Path
from statistics import median

from tqdm import tqdm

from pipeline.commands.nano import SIDE, Nano, fastest_nano, slices
from pipeline.config import Config, OutputSettings, StreamSettings
from pipeline.errors import ConfigError
from pipeline.run import watch
from pipeline.samples.road import RoadSample
from streams.source import open_source
from streams.writer import VideoWriter

_SLICED_FRAMES = 3
"""Frames that the sliced detector is given a round: it takes long, and the same for each."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO", help="default: a generated 1080p drive")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the generated drive (default: 4)")
    parser.add_argument(
        "--streams", type=int, metavar="N", help="time N streams in one process against N processes instead"
    )
    parser.add_argument(
        "--live",
        type=int,
        nargs="+",
        metavar="N",
        help="watch N live streams of 640x360 at 15 frames a second over UDP instead, for --seconds each",
    )


def run(args: argparse.Namespace) -> int:
    if args.rounds < 1:
        raise ConfigError(f"--rounds must be 1 or more, got {args.rounds}")
    counts = [*(args.live or []), *([] if args.streams is None else [args.streams])]
    if any(count < 1 for count in counts):
        raise ConfigError(f"there must be 1 stream or more, got {min(counts)}")
    with tempfile.TemporaryDirectory() as scratch:
        if counts:
            return _many(args, Path(scratch))
        videos = list(args.videos) or [drive(Path(scratch) / "drive-1080p.mp4", args.seconds)]
        nano, quiet = fastest_nano(), args.quiet or not sys.stderr.isatty()
        for video in videos:
            print(json.dumps(measured(video, nano, args.rounds, Path(scratch), quiet=quiet)))
    return 0


def _many(args: argparse.Namespace, scratch: Path) -> int:
    from pipeline.commands import streams

    video, pieces = streams.drive(scratch / "drive.ts", args.seconds)
    for count in args.live or []:
        row = streams.live(count, args.seconds, scratch, pieces)
        print(json.dumps({**asdict(row), "is_fine": row.is_fine}), flush=True)
    if args.streams is not None:
        for _ in range(args.rounds):
            print(json.dumps(streams.compared(video, streams=args.streams, scratch=scratch)), flush=True)
    return 0


def measured(video: Path, nano: Nano, rounds: int, scratch: Path, *, quiet: bool) -> dict[str, object]:
    """Time decoding to RGB, the whole pipeline without overlay, and decoding with a sliced detector, in turn."""
    decode, whole, sliced, stages = [], [], [], []
    for k in tqdm(range(rounds + 1), desc=video.name, unit="round", disable=quiet):
        frames, decode_seconds = decoded(video)
        output = OutputSettings(folder=str(scratch / f"{video.stem}-{k}"))
        record = watch(replace(Config(), stream=(StreamSettings(url=str(video)),), output=output), quiet=True)
        sliced_seconds = sliced_frame(video, nano)
        if k == 0:
            continue  # files, caches and compiled shapes are warm from here on
        decode.append(frames / decode_seconds)
        whole.append(record.frames_per_second)
        sliced.append(1 / (sliced_seconds + decode_seconds / frames))
        path = Path(output.folder) / "run.json"
        stages.append(json.loads(path.read_text(encoding="utf-8"))["stages"])
    return {
        "video": video.name,
        "decode_fps": round(median(decode), 1),
        "pipeline_fps": round(median(whole), 1),
        "sliced_nano_fps": round(median(sliced), 1),
        "pipeline_over_decode": round(median(w / d for w, d in zip(whole, decode, strict=True)), 3),
        "pipeline_over_sliced_nano": round(median(w / s for w, s in zip(whole, sliced, strict=True)), 1),
        "stage_ms_a_frame": {name: round(median(s[name] for s in stages) / frames * 1e3, 2) for name in stages[0]},
        "rounds": rounds,
    }


def decoded(video: Path) -> tuple[int, float]:
    """Decode a video to RGB, as fast as it goes; return its frames and the seconds that they took."""
    began, frames = time.perf_counter(), 0
    with open_source(str(video), decoder_threads=0) as source:
        for frame in source:
            frame.rgb()
            frames += 1
    return frames, time.perf_counter() - began


def sliced_frame(video: Path, nano: Nano) -> float:
    """Find things in slices of the first frames; return the seconds that one of them takes, without its decoding."""
    seconds = []
    with open_source(str(video)) as source:
        for frame, _ in zip(source, range(_SLICED_FRAMES), strict=False):
            rgb = frame.rgb()
            if min(rgb.shape[:2]) < SIDE:
                raise ConfigError(f"{video}: too small to be sliced: {SIDE} pixels are the least")
            began = time.perf_counter()
            nano(slices(rgb))
            seconds.append(time.perf_counter() - began)
    return median(seconds)


def drive(path: Path, seconds: float) -> Path:
    """Write a generated 1080p drive."""
    size_wh = 1920, 1080
    with VideoWriter(path, size_wh, time_base=Fraction(1, 30)) as writer:
        for rgb, truth in RoadSample(3, seconds=seconds, size_wh=size_wh):
            writer.write(rgb, pts=truth.index, duration=1)
    return path
