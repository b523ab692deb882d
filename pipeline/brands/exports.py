"""One run's account as a table for others: CSV, JSON Lines or Parquet, with the same columns and the same numbers.

The first row is the run (`type` is `run`): what was watched, sampled and lost, so that an account without an exposure
is told from none. Then each exposure that holds is a row (`impression`). Every row names its run, profile, models and
gallery. Only the first row has coverage and only the others seconds on screen, so a column's sum is right.
`docs/reports.md` has the columns. It knows nothing of how the account is kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import fields
from itertools import islice
from pathlib import Path
from typing import Any

from pipeline.brands.account import Account, Entry
from pipeline.errors import ConfigError, SinkError
from pipeline.events import Impression, rounded

Value = str | int | float | None

_RUN: dict[str, type] = {
    "type": str,
    "run": str,
    "stream": str,
    "media": str,
    "profile": str,
    "profile_sha256": str,
    "models": str,
    "gallery": str,
    "config": str,
    "software": str,
}
"""What every row tells: whose it is."""

_COVERAGE: dict[str, type] = {
    "ended": str,
    "watched_seconds": float,
    "sampled_seconds": float,
    "lost_seconds": float,
    "scanned_seconds": float,
    "frames": int,
    "cuts": int,
    "jumps": int,
    "impressions": int,
}

_SPREAD = {
    "position_shares": tuple(f"position_share_{cell}" for cell in range(1, 10)),
    "best_xyxy": ("best_x1", "best_y1", "best_x2", "best_y2"),
}
"""A column holds one number."""

_KINDS = {"str": str, "str | None": str, "int": int, "float": float, "float | None": float}

_EVIDENCE: dict[str, type] = {
    "evidence_crop": str,
    "evidence_frame": str,
    "evidence_span": str,
    "evidence_span_start_seconds": float,
    "record": int,
    "record_sha256": str,
    "supersedes": str,
}


def _impression_columns() -> dict[str, type]:
    found: dict[str, type] = {}
    for field in fields(Impression):
        if field.name in _SPREAD:
            found |= dict.fromkeys(_SPREAD[field.name], float)
        elif field.name not in _RUN:
            found[field.name] = _KINDS.get(str(field.type), str)
    return found


COLUMNS: dict[str, type] = {**_RUN, **_COVERAGE, **_impression_columns(), **_EVIDENCE}
"""Every column, in order, with the type of what is in it; a cell may be empty."""


def export(account: Account, format: str, out: Path) -> int:
    """Write an account to a file, whole or not at all, in one of `FORMATS`; return the number of impressions.

    Raises ConfigError where there is no such format, or a library for it is missing, SinkError where it cannot be
    written.
    """
    if format not in FORMATS:
        raise ConfigError(f"--format: there is no {format!r}; known are {', '.join(FORMATS)}")
    with _whole(out) as part:
        FORMATS[format](rows(account), part)
    return len(account.entries)


def rows(account: Account) -> Iterator[dict[str, Value]]:
    """Yield the run's row and each impression's, with all of `COLUMNS`."""
    run, end = account.run, account.end
    models = "; ".join(f"{name}={sha256}" for name, sha256 in sorted(run.models.items()))
    whose: dict[str, Value] = {
        "run": run.id,
        "stream": run.stream,
        "media": run.media,
        "profile": run.profile.label,
        "profile_sha256": run.profile.sha256,
        "models": models,
        "gallery": run.gallery,
        "config": run.config,
        "software": run.software,
    }
    empty: dict[str, Value] = dict.fromkeys(COLUMNS)
    coverage = account.coverage.to_table(account.time_base)
    told: dict[str, Value] = {name: value for name, value in coverage.items() if name in _COVERAGE}
    first: dict[str, Value] = {
        "type": "run",
        "ended": end["closed_by"] if end else None,
        "impressions": len(account.entries),
    }
    yield {**empty, **whose, **told, **first}
    for entry in account.entries:
        yield {**empty, **_impression_row(entry), **whose, "type": "impression"}


def _impression_row(entry: Entry) -> dict[str, Value]:
    row: dict[str, Any] = {}
    for field in fields(Impression):
        value = rounded(field.name, getattr(entry.impression, field.name))
        if isinstance(value, list):
            row |= zip(_SPREAD[field.name], value, strict=True)
        else:
            row[field.name] = value
    for name in ("crop", "frame", "span", "span_start_seconds"):
        row[f"evidence_{name}"] = entry.evidence.get(name)
    return {**row, "record": entry.seq, "record_sha256": entry.hash, "supersedes": entry.supersedes}


# --- formats

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""What a spreadsheet takes for a formula, and what this file puts before it."""


def guarded(text: str) -> str:
    """Return a text that no spreadsheet takes for a formula: with an apostrophe before it where it could be one."""
    return "'" + text if _FORMULA.match(text) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _csv(rows: Iterable[dict[str, Value]], path: Path) -> None:
    """RFC 4180: texts are in quotes, numbers are not; empty is nothing. Excel asks for the mark at the start."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        file.write(",".join(map(_cell, COLUMNS)) + "\r\n")
        for row in rows:
            file.write(",".join(map(_cell, row.values())) + "\r\n")


def _cell(value: Value) -> str:
    if value is None:
        return ""
    return '"' + guarded(value).replace('"', '""') + '"' if isinstance(value, str) else repr(value)


def _json_lines(rows: Iterable[dict[str, Value]], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


_GROUP_ROWS = 50_000


def _parquet(rows: Iterable[dict[str, Value]], path: Path) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise ConfigError("--format parquet needs pyarrow: pip install 'wayside[tables]'") from error
    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    remaining = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while group := list(islice(remaining, _GROUP_ROWS)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))


FORMATS: dict[str, Callable[[Iterable[dict[str, Value]], Path], None]] = {
    "csv": _csv,
    "jsonl": _json_lines,
    "parquet": _parquet,
}


@contextmanager
def _whole(out: Path) -> Iterator[Path]:
    """Give a file to write; it gets its name when it is whole, and is gone where that fails."""
    part = out.with_name(out.name + ".part")
    try:
        yield part
        part.replace(out)
    except OSError as error:
        raise SinkError(f"{out}: cannot be written: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
