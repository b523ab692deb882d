"""`wayside bench`: frames a second of the whole pipeline, of decoding alone, and of a sliced detector, with medians.

They take turns, so that whatever else the machine does falls on all of them. Of logos (`bench_logos.py`) it tells, in
place of the sliced detector, what the size of the gallery costs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from statistics import median

from tqdm import tqdm

from detectors.detector import Detector
from pipeline.commands.nano import SIDE, Nano, fastest_nano, slices
from pipeline.config import Config, StreamSettings
from pipeline.errors import ConfigError
from pipeline.run import watch
from pipeline.samples.match import MatchSample
from pipeline.samples.road import RoadSample
from streams.source import open_source
from streams.writer import VideoWriter

FULL_HD = (1920, 1080)
_SLICED_FRAMES = 3
"""Frames that the sliced detector is given a round: it takes long, and the same for each."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "videos", nargs="*", type=Path, metavar="VIDEO", help="default: a generated 1080p drive or match"
    )
    parser.add_argument("--task", default="signs", choices=["signs", "logos"], help="what to time (default: signs)")
    parser.add_argument(
        "--gallery", metavar="FILE", help="the enrolled brands, for --task logos and videos of your own"
    )
    parser.add_argument("--rounds", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of what is generated (default: 4)")
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
        quiet = args.quiet or not sys.stderr.isatty()
        if args.task == "logos":
            from pipeline.commands import bench_logos  # of which who watches drives needs nothing

            for line in bench_logos.lines(args, Path(scratch), quiet=quiet):
                print(json.dumps(line), flush=True)
            return 0
        if args.gallery is not None:
            raise ConfigError("--gallery is for --task logos, not for signs")
        videos = list(args.videos) or [drive(Path(scratch) / "drive-1080p.mp4", args.seconds)]
        nano = fastest_nano()
        for video in videos:
            print(json.dumps(measured(video, nano, args.rounds, Path(scratch), quiet=quiet)), flush=True)
    return 0


def _many(args: argparse.Namespace, scratch: Path) -> int:
    from pipeline.commands import bench_streams

    video, pieces = bench_streams.drive(scratch / "drive.ts", args.seconds)
    for count in args.live or []:
        row = bench_streams.live(count, args.seconds, scratch, pieces)
        print(json.dumps({**asdict(row), "is_fine": row.is_fine}), flush=True)
    if args.streams is not None:
        for _ in range(args.rounds):
            print(json.dumps(bench_streams.compared(video, streams=args.streams, scratch=scratch)), flush=True)
    return 0


@dataclass(frozen=True, slots=True)
class Watched:
    """One run of the pipeline. stages: seconds of each, of all frames."""

    fps: float
    stages: Mapping[str, float]


def measured(video: Path, nano: Nano, rounds: int, scratch: Path, *, quiet: bool) -> dict[str, object]:
    """Time decoding to RGB, the whole pipeline without overlay, and decoding with a sliced detector, in turn."""
    decode, whole, sliced = [], [], []
    for is_warm, folder in turns(video, rounds, scratch, quiet=quiet):
        frames, decode_seconds = decoded(video)
        run = watched(Config(), video, folder)
        sliced_seconds = sliced_frame(video, nano)
        if is_warm:
            decode.append(frames / decode_seconds)
            whole.append(run)
            sliced.append(1 / (sliced_seconds + decode_seconds / frames))
    told = told_of(video, frames, decode, whole)
    ratio = median(w.fps / s for w, s in zip(whole, sliced, strict=True))
    return {**told, "sliced_nano_fps": round(median(sliced), 1), "pipeline_over_sliced_nano": round(ratio, 1)}


def turns(video: Path, rounds: int, scratch: Path, *, quiet: bool) -> Iterator[tuple[bool, Path]]:
    """Yield for each round whether it counts, and a folder; the first does not: it warms files, caches and shapes."""
    for k in tqdm(range(rounds + 1), desc=video.name, unit="round", disable=quiet):
        yield k > 0, scratch / f"{video.stem}-{k}"


def watched(config: Config, video: Path, folder: Path, detector: Detector | None = None) -> Watched:
    """Watch a video, without overlay."""
    output = replace(config.output, folder=str(folder))
    record = watch(
        replace(config, stream=(StreamSettings(url=str(video)),), output=output), quiet=True, detector=detector
    )
    return Watched(record.frames_per_second, record.metrics.stages.seconds())


def told_of(video: Path, frames: int, decode: Sequence[float], whole: Sequence[Watched]) -> dict[str, object]:
    """Return what is told of every task: medians over rounds. decode: frames a second; frames: of the video."""
    stages = {name: median(run.stages[name] for run in whole) / frames * 1e3 for name in whole[0].stages}
    ratio = median(run.fps / alone for run, alone in zip(whole, decode, strict=True))
    return {
        "video": video.name,
        "decode_fps": round(median(decode), 1),
        "pipeline_fps": round(median(run.fps for run in whole), 1),
        "pipeline_over_decode": round(ratio, 3),
        "stage_ms_a_frame": {name: round(ms, 2) for name, ms in stages.items()},
        "rounds": len(whole),
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
    return written(path, RoadSample(3, seconds=seconds, size_wh=FULL_HD))


def written(path: Path, sample: RoadSample | MatchSample) -> Path:
    """Write a generated video."""
    rate = Fraction(sample.fps).limit_denominator(1001)
    with VideoWriter(path, FULL_HD, time_base=1 / rate) as writer:
        for index, (rgb, _) in enumerate(sample):
            writer.write(rgb, pts=index, duration=1)
    return path
