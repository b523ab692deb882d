"""`wayside ledger`: what it prints, and how it ends."""

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.brands.chain import FILE, open_ledger, verify
from pipeline.brands.profiles import find_profile
from pipeline.events import row
from tests.test_ledger import NOTHING, film, identity, write


def test_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, head = write(tmp_path / FILE, film(5))
    assert main(["ledger", "verify", str(tmp_path)]) == 1
    assert f"evidence {NOTHING}: is missing" in capsys.readouterr().out
    proof = tmp_path / "evidence" / NOTHING[:2] / f"{NOTHING}.jpg"
    proof.parent.mkdir(parents=True)
    proof.touch()
    assert main(["ledger", "verify", str(tmp_path), "--head", head]) == 0
    assert f"0 of them after the head that was given; head {head}" in capsys.readouterr().out
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("DELETE FROM records WHERE seq = 3")
        connection.commit()
    assert main(["ledger", "verify", str(tmp_path)]) == 1
    out, told = capsys.readouterr()
    assert "record 3: is missing" in out
    assert "not as it was written" in told


def test_a_record_of_another_type_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / FILE, film(5))
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        connection.execute("UPDATE records SET hash = 'abc' WHERE kind = 'impression'")
        connection.commit()
    assert main(["ledger", "verify", str(tmp_path)]) == 1
    out, told = capsys.readouterr()
    assert "(impression): does not fit its hash" in out
    assert told == f"wayside: {tmp_path}: the account is not as it was written\n"


@pytest.mark.parametrize("words", [["ledger", "recount"], ["ledger", "export", "--out", "x.csv"], ["report"]])
def test_what_is_made_of_a_changed_account_comes_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "out" / FILE, film(5))
    assert main([*words, "out"]) == 0
    assert capsys.readouterr().err == ""
    with closing(sqlite3.connect(tmp_path / "out" / FILE)) as connection:
        more = "json_set(body, '$.impression.on_screen_seconds', 99.0)"
        connection.execute(f"UPDATE records SET body = {more} WHERE kind = 'impression'")
        connection.commit()
    assert main([*words, "out"]) == 0
    assert "out: the account is not as it was written: do not rely on these figures" in capsys.readouterr().err


@contextmanager
def handed_over(folder: Path, mode: int = 0o444) -> Iterator[Path]:
    """A copy of an account where nothing can be written, as on a medium; root may write everywhere, so is not root."""
    with tempfile.TemporaryDirectory() as made:
        (path := Path(made, FILE)).write_bytes((folder / FILE).read_bytes())
        path.chmod(mode)
        Path(made).chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield path
        finally:
            os.seteuid(user)
            Path(made).chmod(0o755)


def test_an_account_is_verified_where_nothing_can_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, head = write(tmp_path / FILE, film(5))
    with handed_over(tmp_path) as path:
        assert main(["ledger", "recount", str(path.parent)]) == 0
        assert capsys.readouterr().err == ""
        verdict = verify(path, head)
        assert (verdict.problems, verdict.since_head, list(path.parent.iterdir())) == ([], 0, [path])


def test_what_may_not_be_read_is_not_said_to_be_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / FILE, film(5))
    with handed_over(tmp_path, mode=0) as path:
        assert main(["ledger", "verify", str(path.parent)]) == 2
        assert capsys.readouterr().err == f"wayside: {path}: cannot be read: Permission denied\n"


@pytest.mark.parametrize("profile", ["raw", "one-second"])
def test_recount(tmp_path: Path, capsys: pytest.CaptureFixture[str], profile: str) -> None:
    write(tmp_path / FILE, film(20))
    by_run, _ = write(tmp_path / "other" / FILE, film(20), identity(profile=find_profile(profile)))
    out = tmp_path / "recounted.jsonl"
    assert main(["ledger", "recount", str(tmp_path), "--profile", profile, "--out", str(out)]) == 0
    expected = "".join(json.dumps(row(impression), ensure_ascii=False) + "\n" for impression in by_run)
    assert out.read_text("utf-8") == expected
    assert main(["ledger", "recount", str(tmp_path), "--profile", profile, "--run", identity().id[:8]]) == 0
    assert capsys.readouterr().out == expected


def test_recount_by_rules_of_your_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / FILE, film(20))
    rules = {**find_profile("raw").to_table(), "min_seconds": 0.5}
    text = "".join(f"{key} = {json.dumps(value)}\n" for key, value in rules.items() if key != "name")
    (tmp_path / "own.toml").write_text(f"[half-second]\n{text}")
    command = ["ledger", "recount", str(tmp_path), "--profiles", str(tmp_path / "own.toml")]
    assert main(command) == 2
    assert main([*command, "--profile", "half-second"]) == 0
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {impression["profile"] for impression in found} == {"half-second/1"}
    assert min(impression["on_screen_seconds"] for impression in found) >= 0.5


def test_bench_finds_what_it_wrote(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ledger", "bench", "--hours", "0.02"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["hours"]) == (1750, 0.02)
    assert told["detections"] > 10 * told["frames"]
    assert told["impressions"] > 100


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["verify"], "needs the folder of an account"),
        (["verify", "nowhere"], "nowhere: there is no account"),
        (["recount", "."], "there is no account; one is in empty"),
        (["recount", "empty"], "the account is empty"),
        (["verify", "streams"], "streams holds accounts of several streams: streams/a, streams/b"),
        (["verify", "empty", "--head", "5dc16cec"], "--head must be a hash of 64 hexadecimal digits, got '5dc16cec'"),
        (["verify", "empty", "--head", ""], "--head must be a hash of 64 hexadecimal digits, got ''"),
        (["bench", "--hours", "0"], "--hours must be more than 0"),
    ],
)
def test_what_cannot_be(
    words: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "streams/a", "streams/b"):
        Path(folder).mkdir(parents=True)
        open_ledger(Path(folder, FILE)).close()
    assert main(["ledger", *words]) == 2
    assert message in capsys.readouterr().err
