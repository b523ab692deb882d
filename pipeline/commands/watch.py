"""`wayside watch`: watches videos, folders of images and cameras; writes what it saw and tells the driver."""

from __future__ import annotations

import argparse
import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.config import Config, StreamSettings, read_config
from pipeline.errors import ConfigError
from pipeline.record import Record
from pipeline.run import watch
from pipeline.sinks import FILES
from pipeline.tasks import TASKS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Settings = TypeVar("Settings", bound="DataclassInstance")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources",
        nargs="*",
        metavar="SOURCE",
        help="a video, a folder or glob of images, camera:0, or sample:road?seed=1; several are watched at once",
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings as TOML; flags go before them")
    parser.add_argument("--task", help="what to look for (default: signs)")
    parser.add_argument("--gallery", metavar="FILE", help="the enrolled brands, for --task logos (see wayside enrol)")
    parser.add_argument("--profile", help="what counts as an exposure, for --task logos (default: one-second)")
    parser.add_argument("--lang", metavar="TAG", help="language of the driver, as de or pt-BR (default: the locale's)")
    parser.add_argument("--country", metavar="CODE", help="whose signs and units these are (default: DE)")
    parser.add_argument("--out", metavar="DIR", help="folder for events.jsonl, run.json and the rest (default: out)")
    parser.add_argument("--video", action="store_true", help="also write annotated.mp4")
    parser.add_argument("--detections", action="store_true", help="also write detections.jsonl, a line a frame")
    parser.add_argument("--speak", action="store_true", help="say announcements aloud, where espeak-ng is installed")
    parser.add_argument("--metrics-port", type=int, metavar="PORT", help="serve metrics for Prometheus")
    parser.add_argument("--models", metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", help="auto, f32 or bf16 (default: auto)")
    parser.add_argument("--batch", type=int, metavar="N", help="frames scanned at once (default: 8)")


def run(args: argparse.Namespace) -> int:
    config = configured(args)
    # What a file says may change while live streams go on; flags keep going before it.
    reread = None if args.config is None else lambda: configured(args)
    record = watch(config, quiet=args.quiet, reread=reread)
    if record.interrupted_by is signal.SIGTERM:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # one that comes while Python ends would change the exit code
    if not args.quiet:
        print(told(config, record))
    if record.interrupted_by is None or (record.interrupted_by is signal.SIGTERM and record.is_live):
        return 0  # live streams have no other end than to be told so
    return 128 + record.interrupted_by


def configured(args: argparse.Namespace) -> Config:
    """Return the settings of the file, if there is one, with those of the command line put over them."""
    config = read_config(args.config, task=args.task)
    task = args.task or config.detector.task
    for flag in ("gallery", "profile"):
        if getattr(args, flag) is not None and task in TASKS and task != "logos":
            raise ConfigError(f"--{flag} is for --task logos, not for {task}")
    asked = {"video": args.video, "detections": args.detections, "speech": args.speak}
    sinks = dict.fromkeys((*config.output.sinks, *(name for name, is_asked in asked.items() if is_asked)))
    streams = tuple(StreamSettings(url=url) for url in args.sources) or config.stream
    return replace(
        config,
        stream=streams,
        detector=_changed(
            config.detector,
            "detector",
            task=args.task,
            models=args.models,
            device=args.device,
            precision=args.precision,
        ),
        batch=_changed(config.batch, "batch", size=args.batch),
        brands=_changed(config.brands, "brands", gallery=args.gallery, profile=args.profile),
        road=_changed(config.road, "road", lang=args.lang, country=args.country),
        output=_changed(config.output, "output", folder=args.out, sinks=tuple(sinks)),
        metrics=_changed(config.metrics, "metrics", port=args.metrics_port),
    )


def told(config: Config, record: Record) -> str:
    """Return what a person wants to know in the end: what was seen, and where it is written."""
    lines = []
    for name in record.summaries:
        counts, folder = record.frames[name], record.folders[name]
        lost = {"dropped": counts.dropped_total, "corrupt": counts.corrupt}
        told = [f"{counts.video_seconds:.1f} s", f"{counts.decoded} frames"]
        lines.append(f"{name}: {', '.join(told + [f'{number} {what}' for what, number in lost.items() if number])}")
        summary = record.summaries[name]
        for words, count in summary.seen.most_common():
            spent = f"  {summary.seconds[words]:.1f} s" if words in summary.seconds else ""
            lines.append(f"{count:>6} × {words}{spent}")
        condition = record.metrics.streams.snapshot().get(name)
        if condition is not None and condition.gap_seconds:
            why = ", ".join(f"{number} × {reason}" for reason, number in condition.gaps.items())
            lines.append(f"  not watched for {condition.gap_seconds:.1f} s ({why})")
        if not summary.seen and (counts.decoded or condition is None or not condition.is_live):
            lines.append("  nothing that counts")
        files = {sink: folder / FILES[sink] for sink in config.output.sinks if sink in FILES}
        lines += [f"  {sink:<10} {path}" for sink, path in {**files, "run": folder / "run.json"}.items()]
    lines.append(f"{record.frames_per_second:.1f} frames a second")
    return "\n".join(lines)


def _changed(settings: Settings, section: str, **values: object) -> Settings:
    """Return a section of the settings with those values that are given."""
    given = {name: value for name, value in values.items() if value is not None}
    try:
        return replace(settings, **given)
    except ValueError as error:
        raise ConfigError(f"{section}.{error}") from error
