"""`wayside score`: says how well a generated drive was watched; prints one line of JSON."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.samples.score import score_drive


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("truth", type=Path, metavar="TRUTH", help="drive.truth.jsonl, as `wayside sample` wrote it")
    parser.add_argument("events", type=Path, metavar="EVENTS", help="events.jsonl, as `wayside watch` wrote it")
    parser.add_argument("--country", default="DE", metavar="CODE", help="whose signs these are (default: DE)")


def run(args: argparse.Namespace) -> int:
    print(score_drive(args.truth, args.events, country=args.country).to_json())
    return 0
