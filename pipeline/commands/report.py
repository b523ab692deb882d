"""`wayside report`: one run's account as a page for people."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.brands.report import write_report


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a stream's folder, which holds the account")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--run", metavar="ID", help="the run whose id begins so (default: the last)")


def run(args: argparse.Namespace) -> int:
    out, figures = write_report(args.folder, args.out, args.run)
    if not args.quiet:
        print(f"{out}: run {figures.account.run.id}, {len(figures.brands)} brands, {figures.seconds:,.1f} s")
        if figures.others:
            print(f"  {figures.others} other runs in the folder are not in it; --run names one")
    return 0
