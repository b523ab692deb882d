"""`wayside score`: says how well a generated drive or match was watched; prints one line of JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.errors import ConfigError
from pipeline.samples.match.truth import MatchTruth
from pipeline.samples.road.truth import DriveTruth
from pipeline.samples.score import score_drive
from pipeline.samples.score_match import score_match
from pipeline.samples.truth_file import read_lines


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="OUT.truth.jsonl, as `wayside sample` wrote it")
    parser.add_argument("events", type=Path, metavar="EVENTS", help="events.jsonl, as `wayside watch` wrote it")
    parser.add_argument("--country", default="DE", metavar="CODE", help="whose signs a drive has (default: DE)")


def run(args: argparse.Namespace) -> int:
    header = next(iter(read_lines(args.truth)), {})
    match header.get("format"):
        case DriveTruth.FORMAT:
            print(score_drive(args.truth, args.events, country=args.country).to_json())
        case MatchTruth.FORMAT:
            print(score_match(args.truth, args.events).to_json())
        case _:
            raise ConfigError(f"{args.truth}: is no truth that `wayside sample` wrote")
    return 0
