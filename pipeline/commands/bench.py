"""`wayside bench`: frames a second of the whole pipeline over those of decoding alone, interleaved, with medians."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from statistics import median

import numpy as np
from tqdm import tqdm

from detectors.engines import OpenVinoEngine
from detectors.nets import Architecture, Conv, Weights
from pipeline.config import Config, OutputSettings, StreamSettings
from pipeline.errors import ConfigError
from pipeline.run import watch
from pipeline.samples.road import RoadSample
from streams.source import open_source
from streams.writer import VideoWriter

SLICES = 24
"""Slices of 416 pixels that cover a 1080p picture with overlap, as sliced inference does it."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="*", type=Path, metavar="VIDEO", help="default: a generated 1080p drive")
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of the generated drive (default: 4)")


def run(args: argparse.Namespace) -> int:
    if args.rounds < 1:
        raise ConfigError(f"--rounds must be 1 or more, got {args.rounds}")
    with tempfile.TemporaryDirectory() as scratch:
        videos = list(args.videos) or [drive(Path(scratch) / "drive-1080p.mp4", args.seconds)]
        for video in videos:
            print(json.dumps(measured(video, args.rounds, Path(scratch), quiet=args.quiet or not sys.stderr.isatty())))
    return 0


def measured(video: Path, rounds: int, scratch: Path, *, quiet: bool) -> dict[str, object]:
    """Time decoding to RGB, the whole pipeline without overlay, and a sliced nano network, in turn."""
    nano = nano_network()
    slices = np.random.default_rng(0).integers(0, 256, (SLICES, 416, 416, 3), np.uint8)
    decode, whole, sliced, stages = [], [], [], []
    for k in tqdm(range(rounds + 1), desc=video.name, unit="round", disable=quiet):
        began, frames = time.perf_counter(), 0
        with open_source(str(video)) as source:
            for frame in source:
                frame.rgb()
                frames += 1
        decode_seconds = time.perf_counter() - began
        output = OutputSettings(folder=str(scratch / f"{video.stem}-{k}"))
        config = replace(Config(), stream=(StreamSettings(url=str(video)),), output=output)
        record = watch(config, quiet=True)
        began = time.perf_counter()
        for one in slices:
            nano(one[None])
        sliced_seconds = time.perf_counter() - began
        if k == 0:
            continue  # files, caches and compiled shapes are warm from here on
        decode.append(frames / decode_seconds)
        whole.append(record.frames_per_second)
        sliced.append(1 / (sliced_seconds + decode_seconds / frames))
        path = Path(config.output.folder) / "run.json"
        stages.append(json.loads(path.read_text(encoding="utf-8"))["stages"])
    ratios = [w / d for w, d in zip(whole, decode, strict=True)]
    return {
        "video": video.name,
        "decode_fps": round(median(decode), 1),
        "pipeline_fps": round(median(whole), 1),
        "pipeline_over_decode": round(median(ratios), 3),
        "over_sliced_nano": round(median(w / s for w, s in zip(whole, sliced, strict=True)), 1),
        "stage_ms_a_frame": {name: round(median(s[name] for s in stages) / frames * 1e3, 2) for name in stages[0]},
        "rounds": rounds,
    }


def drive(path: Path, seconds: float) -> Path:
    """Write a generated 1080p drive."""
    size_wh = 1920, 1080
    with VideoWriter(path, size_wh, time_base=Fraction(1, 30)) as writer:
        for rgb, truth in RoadSample(3, seconds=seconds, size_wh=size_wh):
            writer.write(rgb, pts=truth.index, duration=1)
    return path


def nano_network() -> OpenVinoEngine:
    """A network of the cost of YOLOX-nano (1.08 GFLOP at 416 pixels; arXiv 2107.08430), with random weights.

    Only its time counts, and it is generous: a few plain convolutions, without the detector's own post-processing.
    """
    layers = (
        Conv(3, 24, 3, 2, 1),
        Conv(24, 48, 3, 2, 1),
        Conv(48, 96, 3, 2, 1),
        Conv(96, 144, 3, 2, 1),
        Conv(144, 144, 3, 1, 1),
        Conv(144, 256, 3, 2, 1),
        Conv(256, 85, 1, relu=False),
    )
    side = 1 + sum((c.kernel - 1) * int(np.prod([p.stride for p in layers[:i]])) for i, c in enumerate(layers))
    rng = np.random.default_rng(0)
    weights: Weights = {}
    for i, layer in enumerate(layers):
        weights[f"{i}.weight"] = rng.standard_normal(layer.weight_shape).astype(np.float32) * np.float32(0.05)
        weights[f"{i}.bias"] = np.zeros(layer.channels_out, np.float32)
    return OpenVinoEngine(Architecture(layers, side), weights, "auto")
