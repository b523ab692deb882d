"""Exports are read back by DuckDB, number by number, and no spreadsheet finds a formula in them."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipeline.__main__ import main
from pipeline.brands.account import Account, find_account
from pipeline.brands.chain import FILE, read_ledger
from pipeline.brands.exports import COLUMNS, FORMATS, export, guarded, rows, unguarded
from pipeline.brands.ledger import Ledger
from pipeline.errors import ConfigError, SinkError
from tests.observed import Moment, observations, seen
from tests.test_ledger import CLOCK, TICK, identity

EVIL = (
    '=HYPERLINK("http://x.example","pay")',
    "+1",
    "-2+3",
    "@sum",
    "\tTab",
    "\rReturn",
    "'=1",
    'Smith, "Sons"\n& Co',
    "Ünïcode 株式会社",
)
HASHES = {"crop": "a" * 64, "frame": "b" * 64, "span": None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An account of brands with all kinds of names, each seen for a second, and a part of the time lost."""
    run = identity(brands=EVIL)
    moments = [Moment(4 * n, [seen(n // 25, x=-3.0)] if n < 25 * len(EVIL) else []) for n in range(300)]
    moments += [Moment(4 * 300 + 500, [])]
    fold = run.impressions(TICK, CLOCK)
    with Ledger(tmp_path / FILE, run, clock=CLOCK) as ledger:
        whole = observations(moments)
        closed = [*fold.update(whole), *fold.finish()]
        ledger.write(whole, closed=[(impression, HASHES) for impression in closed])
        ledger.finish()
    return tmp_path


@pytest.fixture
def account(folder: Path) -> Iterator[Account]:
    with read_ledger(folder) as connection:
        yield find_account(connection)


def read_back(path: Path, format: str) -> list[dict[str, Any]]:
    reader = {"csv": f"read_csv('{path}')", "jsonl": f"read_json('{path}')", "parquet": f"read_parquet('{path}')"}
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT * REPLACE (start_at::VARCHAR AS start_at, end_at::VARCHAR AS end_at) FROM {reader[format]}"
        )
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


@pytest.mark.parametrize("format", FORMATS)
def test_duckdb_reads_back_every_number_and_name(account: Account, tmp_path: Path, format: str) -> None:
    out = tmp_path / f"export.{format}"
    assert export(account, format, out) == len(EVIL)
    found, told = read_back(out, format), list(rows(account))
    assert [row["type"] for row in found] == ["run"] + ["impression"] * len(EVIL)
    assert list(found[0]) == list(COLUMNS)
    for got, meant in zip(found, told, strict=True):
        for name, value in meant.items():
            if isinstance(value, float):
                assert got[name] == pytest.approx(value), name
            elif name in ("start_at", "end_at"):
                assert (got[name] is None) == (value is None)
            elif format == "csv" and isinstance(value, str):
                assert unguarded(str(got[name])) == value, name
            else:
                assert str(got[name]) == str(value), name


def test_every_row_names_its_run_and_only_the_first_has_coverage(account: Account) -> None:
    run, *impressions = rows(account)
    for row in (run, *impressions):
        assert row["run"] == account.run.id
        assert row["profile"] == "raw/1"
        assert row["profile_sha256"] == account.run.profile.sha256
        assert row["models"] == "logos.safetensors=" + "1" * 64
        assert row["gallery"] == "2" * 64
    assert run["watched_seconds"] == pytest.approx(12.04)
    assert run["lost_seconds"] == pytest.approx(5.0 - 0.04 + 0.04, abs=0.05)
    assert run["on_screen_seconds"] is None
    assert {row["watched_seconds"] for row in impressions} == {None}
    assert [row["brand"] for row in impressions] == list(EVIL)
    assert sum(row["on_screen_seconds"] for row in impressions) == pytest.approx(len(EVIL))  # type: ignore[misc]
    assert {row["evidence_crop"] for row in impressions} == {"a" * 64}


def test_csv_is_rfc_4180_and_no_cell_is_a_formula(account: Account, tmp_path: Path) -> None:
    out = tmp_path / "export.csv"
    export(account, "csv", out)
    data = out.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    with out.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file, strict=True))
    assert {len(line) for line in lines} == {len(COLUMNS)}
    numbers = {place for place, kind in enumerate(COLUMNS.values()) if kind is not str}
    for line in lines[1:]:
        for place, cell in enumerate(line):
            if place in numbers:
                assert cell == "" or float(cell) is not None
            else:
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    negative = list(COLUMNS).index("best_x1")
    assert lines[1 + 1][negative] == "-3.0"  # a number stays one


@pytest.mark.parametrize("text", [*EVIL, "", "'", "''", "'quoted", "''=x", "＝1", "a=b"])
def test_the_guard_can_be_taken_off(text: str) -> None:
    assert unguarded(guarded(text)) == text
    assert not guarded(text).startswith(("=", "+", "-", "@", "\t", "\r", "＝"))
    if text in ("", "a=b", "'quoted"):
        assert guarded(text) == text


@pytest.mark.parametrize("format", FORMATS)
def test_an_account_without_an_exposure_tells_what_was_watched(tmp_path: Path, format: str) -> None:
    with Ledger(tmp_path / FILE, identity(), clock=CLOCK) as ledger:
        ledger.write(observations([Moment(4 * n, []) for n in range(250)]))
        ledger.finish()
    out = tmp_path / "out"
    with read_ledger(tmp_path) as connection:
        assert export(find_account(connection), format, out) == 0
    (row,) = read_back(out, format)
    assert (row["type"], row["watched_seconds"], row["impressions"]) == ("run", 10.0, 0)


def test_a_failure_leaves_what_was_there(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "export.csv"
    out.write_text("before")
    with pytest.raises(ConfigError, match="no 'xlsx'; known are csv, jsonl, parquet"):
        export(account, "xlsx", out)
    with pytest.raises(SinkError, match="cannot be written"):
        export(account, "csv", tmp_path / "no folder" / "export.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"pip install 'wayside\[tables\]'"):
        export(account, "parquet", out)
    assert out.read_text() == "before"
    assert sorted(file.name for file in tmp_path.glob("export*")) == ["export.csv"]


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = folder / "export.jsonl"
    assert main(["ledger", "export", str(folder), "--format", "jsonl", "--out", str(out)]) == 0
    assert len([json.loads(line) for line in out.read_text("utf-8").splitlines()]) == 1 + len(EVIL)
    assert f"{len(EVIL)} impressions" in capsys.readouterr().out
    assert main(["ledger", "export", str(folder), "--format", "csv"]) == 2
    assert "--out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        (["x.parquet"], b"PAR1"),
        (["x.JSONL"], b'{"type": "run"'),
        (["x.csv"], b'\xef\xbb\xbf"type"'),
        (["x.txt"], b'\xef\xbb\xbf"type"'),
        (["x.csv", "--format", "jsonl"], b'{"type": "run"'),
    ],
)
def test_the_name_of_the_file_says_the_format(folder: Path, words: list[str], begins: bytes) -> None:
    name, *flags = words
    assert main(["ledger", "export", str(folder), "--out", str(folder / name), *flags]) == 0
    assert (folder / name).read_bytes().startswith(begins)


def test_verify_also_checks_the_evidence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "verify", str(folder)]) == 1
    assert f"evidence {'a' * 64}: is missing" in capsys.readouterr().out
