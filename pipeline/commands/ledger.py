"""`wayside ledger`: verifies the account of brands, recounts and exports it, and times that on a generated one."""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from pipeline.brands.account import accounts, find_account
from pipeline.brands.chain import read_ledger, verify
from pipeline.brands.evidence import Proof, problems
from pipeline.brands.exports import FORMATS, export
from pipeline.brands.profiles import find_profile
from pipeline.commands.enrol import counted
from pipeline.errors import ConfigError, SinkError
from pipeline.events import row


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=list(_ACTIONS), metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="a stream's folder, which holds the account"
    )
    parser.add_argument(
        "--head", metavar="HASH", help="verify: a hash from run.json or the report; tells a cut-off end"
    )
    parser.add_argument("--profile", metavar="NAME", help="recount: by these rules (default: the run's own)")
    parser.add_argument("--profiles", type=Path, metavar="FILE", help="recount: a file of rules (default: the shipped)")
    parser.add_argument("--run", metavar="ID", help="recount, export: the run whose id begins so (default: the last)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="recount, export: the file (recount, default: output)")
    parser.add_argument(
        "--format", choices=list(FORMATS), help="export: as what (default: as the file is named, else csv)"
    )
    parser.add_argument(
        "--hours", type=float, default=10.0, help="bench: length of the generated account (default: 10)"
    )


def run(args: argparse.Namespace) -> int:
    if args.action != "bench" and args.folder is None:
        raise ConfigError(f"ledger {args.action} needs the folder of an account")
    return int(_ACTIONS[args.action](args))


def _verify(args: argparse.Namespace) -> int:
    if args.head is not None and not re.fullmatch("[0-9a-fA-F]{64}", args.head.strip()):
        raise ConfigError(f"--head must be a hash of 64 hexadecimal digits, got {args.head!r}")
    verdict = verify(args.folder, args.head)
    found = [*verdict.problems, *_evidence(args.folder)]
    for problem in found:
        print(problem)
    if found:
        print(f"wayside: {args.folder}: the account is not as it was written", file=sys.stderr)
        return 1
    if not args.quiet:
        later = "" if verdict.since_head is None else f", {verdict.since_head} of them after the head that was given"
        print(f"{verdict.records} records{later}; head {verdict.head}")
    return 0


def warn(folder: Path, problems: Sequence[str]) -> None:
    """Say that figures are of an account that was changed, which a table of them does not tell."""
    if problems:
        line = "the account is not as it was written: do not rely on these figures (`wayside ledger verify` says more)"
        print(f"wayside: {folder}: {line}", file=sys.stderr)


def _evidence(path: Path) -> list[str]:
    """Say what is wrong with the files that the records name."""
    folder = path if path.is_dir() else path.parent
    with suppress(SinkError), read_ledger(path) as connection:  # what cannot be read, the records' own check tells
        entries = [entry for account in accounts(connection) for entry in account.entries]
        return problems(folder, (hash for entry in entries for hash in Proof.from_table(entry.evidence).hashes))
    return []


def _export(args: argparse.Namespace) -> int:
    if args.out is None:
        raise ConfigError("ledger export needs --out: the file to write")
    warn(args.folder, verify(args.folder).problems)
    with read_ledger(args.folder) as connection:
        account = find_account(connection, args.run)
        named = args.out.suffix.lower().removeprefix(".")
        count = export(account, args.format or (named if named in FORMATS else "csv"), args.out)
        if not args.quiet:
            print(f"{args.out}: {counted(count, 'impression')} of run {account.run.id}")
    return 0


def _recount(args: argparse.Namespace) -> int:
    if args.profiles is not None and args.profile is None:
        raise ConfigError("--profiles needs --profile: which of them?")
    profile = None if args.profile is None else find_profile(args.profile, args.profiles)
    warn(args.folder, verify(args.folder).problems)
    with read_ledger(args.folder) as connection, _output(args.out) as out:
        for impression in find_account(connection, args.run).recount(profile):
            out.write(json.dumps(row(impression), ensure_ascii=False) + "\n")
    return 0


def _bench(args: argparse.Namespace) -> int:
    from pipeline.brands.bench import bench

    if args.hours <= 0:
        raise ConfigError(f"--hours must be more than 0, got {args.hours}")
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(bench(args.folder or Path(made), args.hours)))
    return 0


_ACTIONS = {"verify": _verify, "recount": _recount, "export": _export, "bench": _bench}


@contextmanager
def _output(path: Path | None) -> Iterator[TextIO]:
    if path is None:
        yield sys.stdout
        return
    try:
        with path.open("w", encoding="utf-8", newline="\n") as file:
            yield file
    except OSError as error:
        if isinstance(error, SinkError):
            raise
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
