"""The account on disk: nothing is lost, nothing is added twice, and whatever is changed afterwards is found."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pipeline.brands.account import Account, RunIdentity, accounts, find_account
from pipeline.brands.chain import FILE, GENESIS, chained, read_ledger, verify
from pipeline.brands.impressions import Clock
from pipeline.brands.ledger import Ledger
from pipeline.brands.observation import CUT, SCANNED, Observations
from pipeline.brands.profiles import find_profile
from pipeline.errors import ConfigError, SinkError
from pipeline.events import Impression, row
from tests.observed import BRANDS, TICK, Moment, observations, seen

RAW, ONE_SECOND = find_profile("raw"), find_profile("one-second")
CLOCK = Clock(datetime(2026, 5, 1, 12, tzinfo=UTC), "container", 1.0)

NOTHING = hashlib.sha256(b"").hexdigest()
"""The hash of an empty file: evidence that is easily made."""


def identity(**changes: Any) -> RunIdentity:
    values: dict[str, Any] = {"models": {"logos.safetensors": "1" * 64}, "gallery": "2" * 64, "brands": BRANDS}
    values |= {"stream": "match", "media": "0" * 64, "profile": RAW, "config": "3" * 64, "software": "0.1.0"}
    return RunIdentity(**{**values, **changes})


def film(seconds: float, seed: int = 0) -> list[Moment]:
    """Brands that come and go, cuts and gaps: the same for the same seed, and a longer one begins as a shorter one."""
    rng, moments, pts = random.Random(seed), [], 0
    on = [False] * len(BRANDS)
    while pts < seconds * 100:
        on = [is_on != (rng.random() < 0.08) for is_on in on]
        rows = [seen(b, x=rng.uniform(0, 500), y=40 * b, score=rng.random()) for b, is_on in enumerate(on) if is_on]
        moments.append(Moment(pts, rows, flags=SCANNED | (CUT if rng.random() < 0.02 else 0)))
        pts += 4 + (30 if rng.random() < 0.01 else 0)
    return moments


def pieces(moments: Sequence[Moment]) -> list[Observations]:
    """Cut in seconds, as they come."""
    whole = observations(moments)
    seconds = [m.pts // 100 for m in moments]
    starts = [n for n in range(len(moments)) if n == 0 or seconds[n] != seconds[n - 1]]
    return [whole.part(a, b) for a, b in zip(starts, [*starts[1:], len(moments)], strict=True)]


def write(
    path: Path,
    moments: Sequence[Moment],
    run: RunIdentity | None = None,
    *,
    stop: bool = False,
    closed_by: Any = "end",
    block_seconds: float = 3,
) -> tuple[list[Impression], str]:
    """Write a run as it is written live; return its impressions, and the head. stop: break off without an end."""
    run = run or identity()
    fold, found = run.impressions(TICK, CLOCK), []
    with Ledger(path, run, clock=CLOCK, block_seconds=block_seconds) as ledger:
        for piece in pieces(moments):
            closed = fold.update(piece)
            ledger.write(piece, open=fold.open())
            for impression in closed:
                ledger.write(None, closed=[(impression, {"crop": NOTHING})])
            found += closed
        if not stop:
            last = fold.finish(closed_by)
            for impression in last:
                ledger.write(None, closed=[(impression, {})])
            ledger.finish(closed_by)
            found += last
        return found, ledger.head()


@contextmanager
def account(path: Path, run: str | None = None) -> Iterator[Account]:
    with read_ledger(path) as connection:
        yield find_account(connection, run)


def lines(found: Sequence[Impression]) -> list[str]:
    return [json.dumps(row(impression), ensure_ascii=False) for impression in found]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FILE


def test_what_is_written_is_read(path: Path) -> None:
    moments = film(20)
    found, head = write(path, moments)
    assert len(found) > 20
    with account(path) as kept:
        assert lines([entry.impression for entry in kept.entries]) == lines(found)
        assert (kept.run, kept.clock, kept.open) == (identity(), CLOCK, ())
        assert Observations.concat(list(kept.observations())).is_same(observations(moments))
        assert kept.end is not None
        assert kept.end["closed_by"] == "end"
        assert kept.coverage.watched == sum(m.duration for m in moments)
        assert kept.entries[0].evidence == {"crop": NOTHING}
        assert kept.entries[0].impression.start_at is not None
    verdict = verify(path, head)
    assert (verdict.problems, verdict.head, verdict.since_head) == ([], head, 0)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM impressions").fetchone() == (len(found),)
        blocks = connection.execute("SELECT count(*) FROM records WHERE kind = 'block'").fetchone()[0]
        assert blocks == 7, "20 seconds in blocks of three"
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize("profile", ["raw", "one-second", "two-second", "legible"])
def test_a_recount_gives_the_same_bytes_as_the_run(path: Path, profile: str) -> None:
    run = identity(profile=find_profile(profile))
    found, _ = write(path, film(40), run)
    with account(path) as kept:
        assert lines(list(kept.recount())) == lines(found)


def test_a_recount_by_other_rules_is_the_account_that_a_run_by_them_keeps(path: Path, tmp_path: Path) -> None:
    write(path, film(40))
    other, _ = write(tmp_path / "other.sqlite", film(40), identity(profile=ONE_SECOND))
    with account(path) as kept:
        assert lines(list(kept.recount(ONE_SECOND))) == lines(other)
        assert 0 < len(other) < len(kept.entries)


def test_the_same_run_twice_adds_nothing(path: Path) -> None:
    _, head = write(path, film(20))
    before = dump(path)
    for _ in range(2):
        assert write(path, film(20))[1] == head
        assert dump(path) == before


def test_another_cutting_into_pieces_is_the_same_run(path: Path) -> None:
    """Frames are compared, not pieces: how the seconds fell is no part of what was seen."""
    _, head = write(path, film(20))
    fold = identity().impressions(TICK, CLOCK)
    whole = observations(film(20))
    with Ledger(path, identity(), clock=CLOCK) as ledger:
        for start in range(0, len(whole), 17):
            part = whole.part(start, min(start + 17, len(whole)))
            ledger.write(part, closed=[(impression, {}) for impression in fold.update(part)])
        ledger.finish()
        assert ledger.head() == head


def dump(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as connection:
        tables = ("records", "pending", "open")
        return [connection.execute(f"SELECT * FROM {table} ORDER BY rowid").fetchall() for table in tables]


@pytest.mark.parametrize(
    "changes",
    [
        {"models": {"logos.safetensors": "4" * 64}},
        {"gallery": "4" * 64},
        {"profile": ONE_SECOND},
        {"config": "4" * 64},
        {"media": "4" * 64},
        {"software": "0.2.0"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_run_in_the_same_folder_is_another_account(path: Path, changes: dict[str, Any]) -> None:
    first, head = write(path, film(10))
    second, _ = write(path, film(10), identity(**changes))
    with read_ledger(path) as connection:
        one, other = accounts(connection)
        assert lines([e.impression for e in one.entries]) == lines(first)
        assert lines([e.impression for e in other.entries]) == lines(second)
        assert not {e.impression.id for e in one.entries} & {e.impression.id for e in other.entries}
        assert find_account(connection).run == other.run, "the last one, where none is named"
        assert find_account(connection, one.run.id[:12]).run == one.run
        with pytest.raises(ConfigError, match="there is no such one"):
            find_account(connection, "x")
    verdict = verify(path, head)
    assert not verdict.problems
    assert verdict.since_head == verdict.records - 1 - len(first) - 4 - 1, "what came after the head is told"


def test_the_same_run_that_tells_otherwise_is_refused(path: Path) -> None:
    write(path, film(20))
    before = dump(path)
    moments = film(20)
    moments[100] = dataclasses.replace(moments[100], rows=[seen(1, x=99)])
    with pytest.raises(SinkError, match=r"tells otherwise than before: what was seen at .*another folder"):
        write(path, moments)
    with (
        pytest.raises(SinkError, match="its wall clock"),
        Ledger(path, identity(), clock=Clock()),
    ):
        pass
    with Ledger(path, identity(), clock=CLOCK) as ledger, account(path) as kept:
        changed = dataclasses.replace(kept.entries[0].impression, on_screen_seconds=99.0)
        with pytest.raises(SinkError, match="tells otherwise than before: the impression of"):
            ledger.write(None, closed=[(changed, {})])
        with pytest.raises(SinkError, match="was stopped by an error"):
            ledger.write(None, open=[])
    assert dump(path) == before


def test_a_correction_is_a_new_record(path: Path) -> None:
    write(path, film(10))
    with Ledger(path, identity(), clock=CLOCK) as ledger, account(path) as kept:
        first, second = kept.entries[:2]
        ledger.correct(first.impression.id, dataclasses.replace(first.impression, brand="Öl=1"))
        ledger.correct(second.impression.id, None)
        head = ledger.head()
        with pytest.raises(KeyError):
            ledger.correct("no such id", None)
    with account(path) as now:
        assert len(now.entries) == len(kept.entries) - 1
        assert (now.entries[-1].impression.brand, now.entries[-1].supersedes) == ("Öl=1", first.hash)
        assert now.entries[-1].evidence == first.evidence
        assert second.impression not in [entry.impression for entry in now.entries]
    assert not verify(path, head).problems
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM impressions").fetchone() == (len(now.entries),)


# --- breaking off


@pytest.mark.parametrize("seconds", [0.5, 2.2, 5.0, 9.9])
def test_a_run_that_broke_off_goes_on(path: Path, tmp_path: Path, seconds: float) -> None:
    moments = film(20)
    whole, _ = write(tmp_path / "whole.sqlite", moments)
    part = [m for m in moments if m.pts < seconds * 100]
    write(path, part, stop=True)
    fold = identity().impressions(TICK, CLOCK)
    fold.update(observations(part))
    with account(path) as kept:
        assert kept.end is None
        assert lines(kept.open) == lines(fold.open()), "what is on screen is known"
    write(path, moments)
    with account(path) as kept:
        assert lines([e.impression for e in kept.entries]) == lines(whole)
        assert lines(list(kept.recount())) == lines(whole)
        assert kept.open == ()
        assert Observations.concat(list(kept.observations())).is_same(observations(moments))
    assert not verify(path).problems


def test_a_run_that_broke_off_and_another_that_follows(path: Path) -> None:
    """The other one ends it: what was on screen becomes `truncated`, from the stored observations."""
    moments = film(20)
    part = [m for m in moments if m.pts < 800]
    written, _ = write(path, part, stop=True)
    fold = identity().impressions(TICK, CLOCK)
    expected = [*fold.update(observations(part)), *fold.finish("truncated")]
    assert len(written) < len(expected)
    write(path, moments, identity(gallery="9" * 64))
    with account(path, identity().id) as kept:
        assert lines([e.impression for e in kept.entries]) == lines(expected)
        assert lines(list(kept.recount())) == lines(expected)
        assert kept.end is not None
        assert kept.end["closed_by"] == "truncated"
        assert kept.open == ()
    assert not verify(path).problems


@pytest.mark.parametrize("kept_of_it", ["all", "one"])
def test_a_run_that_broke_off_within_a_gap(path: Path, kept_of_it: str) -> None:
    """It was closed by the gap, and is recounted so; also what was not kept yet when it broke off."""
    part = [m for m in film(20) if m.pts < 800]
    written, _ = write(path, part, stop=True)
    fold = identity().impressions(TICK, CLOCK)
    expected = fold.update(observations(part))
    at_gap = fold.finish("gap")
    assert len(at_gap) >= 2, "a world in which much is on screen then"
    with Ledger(path, identity(), clock=CLOCK) as ledger:
        for impression in at_gap[: None if kept_of_it == "all" else 1]:
            ledger.write(None, open=(), closed=[(impression, {})])
    write(path, film(1), identity(gallery="9" * 64))
    with account(path, identity().id) as kept:
        assert sorted(lines([e.impression for e in kept.entries])) == sorted(lines([*expected, *at_gap]))
        assert sorted(lines(list(kept.recount()))) == sorted(lines([*expected, *at_gap]))
        assert kept.end is not None
        assert kept.end["closed_by"] == "gap"
    assert len(written) == len(expected)
    assert not verify(path).problems


def test_an_interrupted_run_that_goes_on_corrects_its_last_ones(path: Path, tmp_path: Path) -> None:
    moments = film(20)
    whole, _ = write(tmp_path / "whole.sqlite", moments)
    part = [m for m in moments if m.pts < 800]
    write(path, part, closed_by="truncated")
    write(path, moments)
    with account(path) as kept:
        assert sorted(lines([e.impression for e in kept.entries])) == sorted(lines(whole))
        assert any(entry.supersedes for entry in kept.entries)
        assert lines(list(kept.recount())) == lines(whole)
    _, head = write(path, part, closed_by="truncated")
    with account(path) as kept:
        assert sorted(lines([e.impression for e in kept.entries])) == sorted(lines(whole)), "a shorter one adds nothing"
    assert not verify(path, head).problems


def test_an_interrupted_run_may_judge_its_last_second_anew(path: Path, tmp_path: Path) -> None:
    """What was not confirmed when it was interrupted counted as none; a run that goes on knows better."""
    moments = film(20)
    whole, _ = write(tmp_path / "whole.sqlite", moments)
    part = [m if m.pts < 720 else dataclasses.replace(m, rows=m.rows[:1]) for m in moments if m.pts < 800]
    write(path, part, closed_by="truncated")
    write(path, moments)
    with account(path) as kept:
        assert sorted(lines([e.impression for e in kept.entries])) == sorted(lines(whole))
        assert lines(list(kept.recount())) == lines(whole)
        assert Observations.concat(list(kept.observations())).is_same(observations(moments))
    assert not verify(path).problems


def test_one_process_at_a_time(path: Path) -> None:
    with Ledger(path, identity()), pytest.raises(SinkError, match="another process is writing"):
        Ledger(path, identity(gallery="9" * 64))
    Ledger(path, identity()).close()


KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.test_ledger import CLOCK, TICK, Ledger, film, identity, pieces

folder, seed = Path(sys.argv[1]), random.Random(7)
moments = pieces(film(60))
acknowledged = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
for attempt in range(100):
    run = identity(gallery=str(attempt // 10))  # ten attempts at each of ten runs
    child = os.fork()
    if child == 0:
        fold = run.impressions(TICK, CLOCK)
        with Ledger(folder / "ledger.sqlite", run, clock=CLOCK, block_seconds=3) as ledger:
            for piece in moments:
                closed = fold.update(piece)
                ledger.write(piece, open=fold.open())
                for impression in closed:
                    ledger.write(None, closed=[(impression, {})])
                    os.write(acknowledged, f"{run.id} {impression.id}\\n".encode())
        os._exit(0)
    time.sleep(seed.uniform(0, 0.08))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_an_acknowledged_impression_survives_a_kill_at_100_random_moments(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, tmp_path, Path(__file__).parents[1]], check=True, timeout=120)
    told = [line.split() for line in (tmp_path / "acknowledged").read_text().splitlines()]
    assert len({run for run, _ in told}) >= 5, "kills came before anything was written"
    verdict = verify(tmp_path)
    assert not verdict.problems
    with read_ledger(tmp_path) as connection:
        kept = {one.run.id: one for one in accounts(connection)}
        for run, id in told:
            assert id in {entry.impression.id for entry in kept[run].entries}
        *broken, _ = kept.values()
        for one in broken:
            assert one.end is not None, "the next run has ended it"
            assert lines([e.impression for e in one.entries]) == lines(list(one.recount()))
    # Each can be gone on with, and then tells what an unbroken run tells.
    for attempt in (0, 9):
        run = identity(gallery=str(attempt))
        found, head = write(tmp_path / FILE, film(60), run)
        with account(tmp_path, run.id) as now:
            assert sorted(lines([e.impression for e in now.entries])) == sorted(lines(found))
        assert not verify(tmp_path, head).problems


# --- a full disk


def fill(path: Path) -> tuple[str, list[str]]:
    """Write until it fails; return the message and what was acknowledged."""
    fold, told = identity().impressions(TICK, CLOCK), []
    ledger = Ledger(path, identity(), clock=CLOCK, block_seconds=3)
    try:
        for piece in pieces(film(2000)):
            closed = fold.update(piece)
            ledger.write(piece, open=fold.open())
            for impression in closed:
                ledger.write(None, closed=[(impression, {})])
                told.append(impression.id)
    except SinkError as error:
        with pytest.raises(SinkError, match="was stopped by an error"):
            ledger.write(None, open=[])
        return str(error), told
    finally:
        ledger.close()
    raise AssertionError("there was room for all of it")


FILLED = """
import json, resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.test_ledger import fill
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
print(json.dumps(fill(Path(sys.argv[1]) / "ledger.sqlite")))
"""


def check_filled(folder: Path, message: str, told: Sequence[str]) -> None:
    assert "the account cannot be written" in message
    assert "all that was written before is kept" in message
    assert len(told) > 10
    assert not verify(folder).problems
    with account(folder) as kept:
        assert set(told) <= {entry.impression.id for entry in kept.entries}


def test_a_file_that_may_not_grow_loses_nothing_acknowledged(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FILLED, tmp_path, Path(__file__).parents[1]]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    check_filled(tmp_path, *json.loads(done.stdout))


def test_a_full_disk_loses_nothing_acknowledged(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", disk], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounted.stderr.strip()}; the limit on a file's size is tested")
    try:
        message, told = fill(disk / FILE)
        assert os.strerror(errno.ENOSPC) in message or "full" in message
        kept = shutil.copytree(disk, tmp_path / "kept")
    finally:
        subprocess.run(["umount", disk], check=True)
    check_filled(kept, message, told)


# --- whoever changes the file afterwards


def execute(*statements: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA writable_schema = ON")
            for statement in statements:
                connection.execute(statement)
            connection.commit()

    return change


def flip(path: Path) -> None:
    """Turn one bit in the middle of the largest block, in the file itself."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT data FROM records WHERE kind = 'block' ORDER BY length(data) DESC LIMIT 1"
        (data,) = connection.execute(query).fetchone()
    content = bytearray(path.read_bytes())
    content[content.index(data[:64]) + 40] ^= 1
    path.write_bytes(content)


def forge(path: Path) -> None:
    """Change a record and make its own hash fit: then the next one does not."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT seq, kind, run, body, hash FROM records ORDER BY seq").fetchall()
        seq, kind, run, body, _ = rows[5]
        body = body.replace('"start_seconds":', '"start_seconds":1')
        digest = chained(rows[4][4], kind.encode(), run.encode(), body.encode())
        connection.execute("UPDATE records SET body = ?, hash = ? WHERE seq = ?", (body, digest, seq))
        connection.commit()


def forge_all(path: Path, drop: int = 0) -> None:
    """Change a record and make all hashes fit that follow."""
    with closing(sqlite3.connect(path)) as connection:
        before, rows = GENESIS, connection.execute("SELECT seq, kind, run, body FROM records ORDER BY seq").fetchall()
        for seq, kind, run, body in rows:
            body = body.replace('"brand":"Nordwind"', '"brand":"Südwind"')
            before = chained(before, kind.encode(), run.encode(), body.encode())
            connection.execute("UPDATE records SET body = ?, hash = ? WHERE seq = ?", (body, before, seq))
        connection.commit()


IMPRESSION = "(SELECT seq FROM records WHERE kind = 'impression' LIMIT 1 OFFSET 3)"
BLOCK = "(SELECT seq FROM records WHERE kind = 'block' LIMIT 1 OFFSET 1)"
LAST = "(SELECT max(seq) FROM records)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(
            execute(
                f"UPDATE records SET body = replace(body, 'score_peak\":', 'score_peak\":1') WHERE seq = {IMPRESSION}"
            ),
            r"\(impression\): does not fit its hash",
            id="an impression is edited",
        ),
        pytest.param(
            execute("UPDATE records SET body = replace(body, 'match', 'watch') WHERE seq = 1"),
            r"record 1 \(run\): does not fit",
            id="the run is edited",
        ),
        pytest.param(
            execute(f"UPDATE records SET data = x'00' WHERE seq = {BLOCK}"), "block.*hash", id="a block is edited"
        ),
        pytest.param(flip, "observations do not fit their hash", id="one bit of a block is turned"),
        pytest.param(
            execute(f"UPDATE records SET data = x'00' WHERE seq = {IMPRESSION}"),
            "no block",
            id="data are put to an impression",
        ),
        pytest.param(
            execute(f"UPDATE records SET hash = zeroblob(32) WHERE seq = {IMPRESSION}"), "hash", id="a hash is edited"
        ),
        pytest.param(
            execute(f"UPDATE records SET kind = 'retraction' WHERE seq = {IMPRESSION}"), "hash", id="a kind is edited"
        ),
        pytest.param(execute(f"UPDATE records SET run = 'x' WHERE seq = {IMPRESSION}"), "hash", id="a run is edited"),
        pytest.param(
            execute(f"UPDATE records SET body = 7 WHERE seq = {IMPRESSION}"), "hash|type", id="a type is changed"
        ),
        pytest.param(
            execute(f"DELETE FROM records WHERE seq = {IMPRESSION}"), "missing", id="an impression is removed"
        ),
        pytest.param(execute(f"DELETE FROM records WHERE seq = {BLOCK}"), "missing", id="a block is removed"),
        pytest.param(execute("DELETE FROM records WHERE seq = 1"), "record 1: is missing", id="the first is removed"),
        pytest.param(
            execute(
                f"DELETE FROM records WHERE seq = {IMPRESSION}",
                "UPDATE records SET seq = -seq WHERE seq > (SELECT min(r.seq) FROM records r WHERE NOT EXISTS"
                " (SELECT 1 FROM records n WHERE n.seq = r.seq + 1))",
                "UPDATE records SET seq = -seq - 1 WHERE seq < 0",
            ),
            "does not fit",
            id="a record is removed and the others moved up",
        ),
        pytest.param(
            execute(
                "UPDATE records SET seq = -5 WHERE seq = 5",
                "UPDATE records SET seq = 5 WHERE seq = 6",
                "UPDATE records SET seq = 6 WHERE seq = -5",
            ),
            "record 5 .* does not fit",
            id="two are put in another order",
        ),
        pytest.param(
            execute(
                f"INSERT INTO records SELECT {LAST} + 1, kind, run, body, hash, data FROM records"
                f" WHERE seq = {IMPRESSION}",
            ),
            "does not fit its hash and the record before it",
            id="an impression is put in twice",
        ),
        pytest.param(
            forge, "does not fit its hash and the record before it", id="an edited record's hash is made to fit"
        ),
        pytest.param(execute("DROP VIEW impressions"), "schema: impressions is missing", id="the view is removed"),
        pytest.param(
            execute("DROP VIEW impressions", "CREATE VIEW impressions AS SELECT * FROM records WHERE seq < 9"),
            "schema: impressions is not as Wayside makes it",
            id="the view shows something else",
        ),
        pytest.param(
            execute("CREATE TRIGGER later AFTER INSERT ON records BEGIN SELECT 1; END"),
            "schema: later is not as",
            id="a trigger lies in wait",
        ),
        pytest.param(execute("DROP TABLE records"), "schema: records is missing", id="everything is removed"),
        pytest.param(
            lambda path: path.write_bytes(path.read_bytes()[:9000]), "cannot be read|malformed", id="the file is cut"
        ),
        pytest.param(lambda path: path.write_bytes(b"x" * 9000), "not a database", id="it is another file"),
    ],
)
def test_whatever_is_changed_is_found(path: Path, change: Callable[[Path], None], message: str) -> None:
    write(path, film(20))
    assert not verify(path).problems
    change(path)
    problems = verify(path).problems
    assert problems
    assert any(re.search(message, problem) for problem in problems), problems


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(execute(f"DELETE FROM records WHERE seq = {LAST}"), id="the last record is cut off"),
        pytest.param(execute(f"DELETE FROM records WHERE seq > {LAST} - 20"), id="twenty are cut off"),
        pytest.param(forge_all, id="the whole chain is made anew"),
    ],
)
def test_a_tail_that_is_cut_off_is_found_by_its_head(path: Path, change: Callable[[Path], None]) -> None:
    _, head = write(path, film(20))
    change(path)
    assert not verify(path).problems, "the chain alone cannot tell"
    problems = verify(path, head).problems
    assert problems == [f"head {head}: no record has this hash; the end was cut off or replaced"]


def test_every_single_record_matters(path: Path, tmp_path: Path) -> None:
    """Remove, and edit, each record of a small account in turn."""
    _, head = write(path, film(3))
    count = verify(path).records
    assert count > 8
    for seq in range(1, count + 1):
        for statement in ("DELETE FROM records WHERE seq = {}", "UPDATE records SET body = body || ' ' WHERE seq = {}"):
            changed = shutil.copy(path, tmp_path / "changed.sqlite")
            execute(statement.format(seq))(changed)
            assert verify(changed, head).problems, f"{statement} {seq}"


def test_no_account(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no account"):
        verify(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be written"):
        Ledger(tmp_path / "file" / FILE, identity())
