"""The file of an account, `ledger.sqlite`: what it holds, how its records are chained, and how that is verified.

It knows nothing of what the records say.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pipeline.errors import ConfigError, SinkError

FILE = "ledger.sqlite"
GENESIS = hashlib.sha256(b"wayside ledger 1").digest()
"""What stands before the first record."""

SCHEMA = {
    "records": """CREATE TABLE records (
  seq INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  run TEXT NOT NULL,
  body TEXT NOT NULL,
  hash BLOB NOT NULL,
  data BLOB NOT NULL
)""",
    "records_of_run": "CREATE INDEX records_of_run ON records (run, kind)",
    "pending": """CREATE TABLE pending (
  run TEXT NOT NULL,
  start_pts INTEGER NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, start_pts)
)""",
    "open": """CREATE TABLE open (
  run TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (run, id)
)""",
    "impressions": """CREATE VIEW impressions AS SELECT
  seq, run, json_extract(body, '$.impression.id') AS id, json_extract(body, '$.impression.brand') AS brand,
  json_extract(body, '$.impression.start_seconds') AS start_seconds,
  json_extract(body, '$.impression.end_seconds') AS end_seconds,
  json_extract(body, '$.impression.on_screen_seconds') AS on_screen_seconds,
  body, lower(hex(hash)) AS hash, json_extract(body, '$.supersedes') AS supersedes
FROM records WHERE kind = 'impression' AND lower(hex(hash)) NOT IN (
  SELECT json_extract(body, '$.supersedes') FROM records
  WHERE kind IN ('impression', 'retraction') AND json_extract(body, '$.supersedes') IS NOT NULL)""",
}
"""Everything that the file holds; anything else in it is a sign that somebody was there."""

Kind = Literal["run", "block", "impression", "retraction", "end"]


def chained(before: bytes, kind: bytes, run: bytes, body: bytes) -> bytes:
    """Return the hash of a record: sha256 of the hash before it, then of each part its length (8 bytes) and itself.

    The observations of a block have a say by their sha256, which stands in its body.
    """
    digest = hashlib.sha256(before)
    for part in (kind, run, body):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.digest()


def open_ledger(path: Path) -> sqlite3.Connection:
    """Open a ledger for writing, made where it is missing; raises sqlite3.Error."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            connection.execute("BEGIN IMMEDIATE")
            for statement in SCHEMA.values():
                connection.execute(statement)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def last_record(connection: sqlite3.Connection) -> tuple[int, bytes]:
    """Return the number of the last record and its hash, the head; of an empty ledger 0 and GENESIS."""
    last = connection.execute("SELECT seq, hash FROM records ORDER BY seq DESC LIMIT 1").fetchone()
    return (int(last[0]), bytes(last[1])) if last else (0, GENESIS)


@contextmanager
def read_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger, or the folder that holds one, for reading; ConfigError where there is none, SinkError where it
    cannot be read."""
    folder, path = path, path / FILE if path.is_dir() else path
    if not path.is_file():
        streams = [str(found.parent) for found in sorted(folder.glob(f"*/{FILE}"))]
        if len(streams) > 1:
            raise ConfigError(f"{folder} holds accounts of several streams: {', '.join(streams)}")
        raise ConfigError(f"{path}: there is no account" + "".join(f"; one is in {stream}" for stream in streams))
    try:
        connection = _opened(path)
        try:
            yield connection
        finally:
            connection.close()
    except (sqlite3.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, ConfigError):
            raise
        raise SinkError(f"{path}: the account cannot be read: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    """Open a file for reading, also where nothing can be written beside it, as on a medium that was handed over.

    ConfigError where it may not be read: that says nothing of what is in it.
    """
    try:
        path.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    url, log = path.absolute().as_uri(), path.with_name(path.name + "-wal")
    connection = sqlite3.connect(f"{url}?mode=ro", uri=True)
    try:
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        connection.close()
        if log.exists() and log.stat().st_size:
            raise
        # SQLite wants to lay an index of its log beside the file. There is no log: the file is all there is.
        connection = sqlite3.connect(f"{url}?mode=ro&immutable=1", uri=True)
    except BaseException:
        connection.close()
        raise
    return connection


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found.

    problems: one line each, empty where all is well; records: how many there are; head: the last one's hash
    since_head: records after the one whose hash was given; None where none was given or none has it
    """

    problems: Sequence[str]
    records: int
    head: str
    since_head: int | None


def verify(path: Path, head: str | None = None) -> Verdict:
    """Check every record against its hash and the one before it, and what the file holds besides.

    head: a hash that was told outside the file (run.json, the report): that it is found proves that nothing before it
    was cut off or replaced. Raises ConfigError where there is no account.
    """
    wanted = None if head is None else head.strip().lower()
    problems: list[str] = []
    seq, count, before, found_at = 0, 0, GENESIS, None
    try:
        with read_ledger(path) as connection:
            connection.text_factory = bytes
            problems += _strange(connection)
            for number, *parts in connection.execute(
                "SELECT seq, kind, run, body, hash, data FROM records ORDER BY seq"
            ):
                count += 1
                if number != seq + 1:
                    problems.append(f"record {seq + 1}: is missing" + ", and more" * (number > seq + 2))
                problems += _record_problems(number, before, parts)
                seq, before = number, parts[3]
                if wanted is not None and before.hex() == wanted:
                    found_at = count
    except SinkError as error:
        problems.append(str(error))
    if wanted is not None and found_at is None:
        problems.append(f"head {wanted}: no record has this hash; the end was cut off or replaced")
    return Verdict(problems, count, before.hex(), None if found_at is None else count - found_at)


def _record_problems(number: int, before: bytes, parts: Sequence[Any]) -> Iterator[str]:
    kind, run, body, digest, data = parts
    if not all(isinstance(part, bytes) for part in parts):
        yield f"record {number}: is of the wrong type"
    elif chained(before, kind, run, body) != digest:
        yield f"record {number} ({kind.decode(errors='replace')}): does not fit its hash and the record before it"
    elif data and kind != b"block":
        yield f"record {number} ({kind.decode(errors='replace')}): holds observations, and is no block"
    elif kind == b"block" and hashlib.sha256(data).hexdigest() != json.loads(body)["sha256"]:
        yield f"record {number} ({kind.decode(errors='replace')}): its observations do not fit their hash"


def _strange(connection: sqlite3.Connection) -> Iterator[str]:
    """Tell which of the file's tables, indexes and views are not as they are made."""
    rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")
    held = {name.decode(): sql.decode() for name, sql in rows}
    for name in sorted(held.keys() | SCHEMA.keys()):
        if held.get(name) != SCHEMA.get(name):
            yield f"schema: {name} is " + ("not as Wayside makes it" if name in held else "missing")
