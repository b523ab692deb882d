"""What waits for a receiver, on disk: it keeps its order, and survives an outage, `kill -9` and a restart.

One SQLite file a stream and sink (WAL, every commit is on the disk when it returns). In it lie the messages that wait,
in their order, and the ids of those that were delivered, by receiver: what is put in again under such an id is passed
over, so a second run over the same file sends nothing new. It knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import SinkError

_SCHEMA = """
create table if not exists waiting (
    number integer primary key autoincrement, id text not null unique, type text not null, body blob not null
);
create table if not exists delivered (
    number integer primary key autoincrement, receiver blob not null, id text not null, unique (receiver, id)
);
"""


@dataclass(frozen=True, slots=True)
class Message:
    """One event on its way: its id, which never changes, its type, and what is sent: a CloudEvent as JSON."""

    id: str
    type: str
    body: bytes


class Spool:
    """Messages that wait, oldest first. Any thread may call it; no other process may, while this one has it open.

    receiver: what it is known by; only a hash is kept. What one was sent, another was not. What waits is for any
    limit_bytes: of bodies that may wait
    is_dropping: where it is full, the oldest make room. Else `put` raises, and nothing is lost that was taken
    remember: ids of delivered messages to keep, the newest

    Raises SinkError.
    """

    def __init__(self, path: Path, *, receiver: str, limit_bytes: int, is_dropping: bool, remember: int) -> None:
        self.path = path
        self.dropped = 0
        self._count = self._nbytes = 0
        self._receiver = hashlib.sha256(receiver.encode()).digest()[:8]
        self._limit_bytes = limit_bytes
        self._is_dropping = is_dropping
        self._remember = remember
        self._lock = threading.Lock()
        with self._failures():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            with self._failures():
                self._db.execute("pragma locking_mode = exclusive")  # until closed, or until this process dies
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = full")
                self._db.executescript(_SCHEMA)
                with self._transaction():  # takes the lock
                    measured = self._db.execute("select count(*), coalesce(sum(length(body)), 0) from waiting")
                    self._count, self._nbytes = measured.fetchone()
        except SinkError:
            self._db.close()
            raise

    @property
    def count(self) -> int:
        """Messages that wait."""
        return self._count

    @property
    def nbytes(self) -> int:
        """Bytes of their bodies."""
        return self._nbytes

    def put(self, message: Message) -> bool:
        """Keep a message; on return it is on the disk. False where its id waits already, or was delivered."""
        with self._lock, self._failures(), self._transaction():
            if self._knows(message.id):
                return False
            if self._nbytes + len(message.body) > self._limit_bytes:
                self._make_room(len(message.body))
            self._db.execute("insert into waiting (id, type, body) values (?, ?, ?)", _columns(message))
            self._count += 1
            self._nbytes += len(message.body)
        return True

    def first(self, number: int) -> list[Message]:
        """Return the oldest messages, at most so many; they stay."""
        with self._lock, self._failures():
            rows = self._db.execute("select id, type, body from waiting order by number limit ?", (number,))
            return [Message(*row) for row in rows]

    def delivered(self, messages: Sequence[Message]) -> None:
        """Take messages out and remember their ids; on return that is on the disk."""
        self._take_out(messages, is_delivered=True)

    def discard(self, message: Message) -> None:
        """Take a message out that was not delivered and never will be; a later run may try it again."""
        self._take_out([message], is_delivered=False)

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def _take_out(self, messages: Sequence[Message], *, is_delivered: bool) -> None:
        with self._lock, self._failures(), self._transaction():
            for message in messages:
                if is_delivered:
                    self._db.execute(
                        "insert or ignore into delivered (receiver, id) values (?, ?)", (self._receiver, message.id)
                    )
                # Nothing there to delete: it was dropped while it was on its way.
                if self._db.execute("delete from waiting where id = ?", (message.id,)).rowcount:
                    self._count -= 1
                    self._nbytes -= len(message.body)
            self._db.execute(
                "delete from delivered where number <= (select max(number) from delivered) - ?", (self._remember,)
            )

    def _knows(self, identity: str) -> bool:
        found = self._db.execute(
            "select 1 from waiting where id = ? union all select 1 from delivered where receiver = ? and id = ?",
            (identity, self._receiver, identity),
        )
        return found.fetchone() is not None

    def _make_room(self, size: int) -> None:
        if not self._is_dropping:
            raise SinkError(
                f"{self.path}: the spool is full: {self._count} events of {self._nbytes / 1e6:.1f} MB wait for their"
                f" receiver"
            )
        while self._count and self._nbytes + size > self._limit_bytes:
            number, length = self._db.execute(
                "select number, length(body) from waiting order by number limit 1"
            ).fetchone()
            self._db.execute("delete from waiting where number = ?", (number,))
            self._count -= 1
            self._nbytes -= length
            self.dropped += 1

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Do all of it or nothing, the counts with it."""
        before = (self._count, self._nbytes, self.dropped)
        self._db.execute("begin immediate")
        try:
            yield
            self._db.execute("commit")
        except BaseException:
            self._count, self._nbytes, self.dropped = before
            if self._db.in_transaction:  # SQLite rolls some errors back itself
                self._db.execute("rollback")
            raise

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            is_taken = isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
            reason = "another run uses it" if is_taken else str(error)
            raise SinkError(f"{self.path}: the spool cannot be used: {reason}") from error
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"{self.path}: the spool cannot be used: {error.strerror or error}") from error


class DeadLetters:
    """`SINK.dead.jsonl`: what a receiver will never take, with its reason, a line each. Bounded. Raises SinkError."""

    def __init__(self, path: Path, *, limit_bytes: int, is_dropping: bool) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._is_dropping = is_dropping

    def write(self, message: Message, reason: str) -> bool:
        """Keep a message; on return it is on the disk. False where there is no room and it may be lost."""
        line = json.dumps({"id": message.id, "reason": reason, "event": json.loads(message.body)}, ensure_ascii=False)
        data = f"{line}\n".encode()
        try:
            with self._path.open("ab") as file:
                if file.tell() + len(data) > self._limit_bytes:
                    if self._is_dropping:
                        return False
                    raise SinkError(f"{self._path}: is full: the receiver refuses too much; the last reason: {reason}")
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except SinkError:
            raise
        except OSError as error:
            raise SinkError(f"{self._path}: cannot be written: {error.strerror or error}") from error
        return True


def _columns(message: Message) -> tuple[str, str, bytes]:
    return message.id, message.type, message.body
