"""`wayside report`: one run's account as a page for people."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.brands.report import write_report
from pipeline.commands.enrol import counted
from pipeline.commands.ledger import warn


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a stream's folder, which holds the account")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the page (default: DIR/report.html)")
    parser.add_argument("--run", metavar="ID", help="the run whose id begins so (default: the last)")


def run(args: argparse.Namespace) -> int:
    out, figures = write_report(args.folder, args.out, args.run)
    warn(args.folder, figures.problems)
    if not args.quiet:
        brands = counted(len(figures.brands), "brand")
        print(f"{out}: run {figures.account.run.id}, {brands}, {figures.seconds:,.1f} s")
        if figures.others:
            print(f"  left out: {counted(figures.others, 'other run')} in the folder; --run names one")
    return 0
