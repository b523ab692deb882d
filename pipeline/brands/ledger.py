"""The account of a stream's brands on disk: `ledger.sqlite`, which only ever grows, and whose every row is chained.

Records (runs, blocks of ten seconds of observations, impressions and what corrects them, ends of runs) each carry the
hash of themselves and of the one before. Two tables stand outside the chain, for they change: the observations of the
block that is not full yet, and the impressions that are on screen. What `write` returned from is on the disk.
`docs/accounts.md` says what the chain proves and what it cannot. It knows nothing of pictures, networks or reports.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from pipeline.brands.account import (
    PENDING,
    Account,
    Entry,
    RunIdentity,
    Span,
    clock_table,
    impression_of,
    joined,
    spans_of,
    spans_with,
    to_json,
)
from pipeline.brands.chain import FILE, Kind, chained, last_record, open_ledger
from pipeline.brands.impressions import Clock
from pipeline.brands.observation import Observations
from pipeline.errors import SinkError
from pipeline.events import Impression, row

__all__ = ["FILE", "Ledger", "RunIdentity"]

BLOCK_SECONDS = 10
_TAIL_SECONDS = 2
"""A run that was interrupted may have judged so much of its end otherwise than one that goes on."""


class Ledger:
    """Writes one run's account to a file, which may hold others. One process at a time; passive, single-threaded.

    Written again, the same run adds nothing: what is known is compared. A run that broke off is gone on with by running
    it again. Runs that broke off and are not this one are ended first, and what was on screen becomes `truncated`.

    path: of the file, made where it is missing; run: whose account; clock: for wall times
    block_seconds: of observations in a block

    Raises SinkError where it cannot be opened or written, and where the same run tells otherwise than before.
    After such an error nothing more is written.
    """

    def __init__(
        self, path: Path, run: RunIdentity, *, clock: Clock | None = None, block_seconds: float = BLOCK_SECONDS
    ) -> None:
        self._path = path
        self._run = run
        self._id = run.id
        self._clock = clock or Clock()
        self._block = Fraction(str(block_seconds))
        self._is_broken = False
        with self._errors():
            self._lock = _locked(path)
            try:
                self._connection = open_ledger(path)
                self._seq, self._head = last_record(self._connection)
                self._found = self._seq
                for other in self._unfinished():
                    self._recover(other)
                self._begin()
            except BaseException:
                os.close(self._lock)
                raise

    def write(
        self,
        observations: Observations | None,
        *,
        open: Sequence[Impression] | None = None,
        closed: Sequence[tuple[Impression, Mapping[str, str | None]]] = (),
    ) -> None:
        """Keep all of it or nothing: what was observed next, what is on screen now, and what is over."""
        with self._transaction():
            if observations is not None and len(observations):
                self._observe(observations)
            for impression, evidence in closed:
                self._close(impression, evidence)
            if open is not None:
                self._show(open)

    def correct(self, id: str, impression: Impression | None, evidence: Mapping[str, str | None] | None = None) -> None:
        """Put an impression in the place of another of this run, or with None take that one back; KeyError."""
        before = self._known[id]
        with self._transaction():
            if impression is None:
                self._retract(id)
            else:
                kept = before.evidence if evidence is None else evidence
                del self._known[id]
                self._append_impression(impression, kept, supersedes=before.hash)

    def finish(self, closed_by: Literal["end", "truncated", "gap"] = "end") -> None:
        """End the run: what is not in a full block becomes one, and coverage is written down.

        truncated: the stream was not watched to its end; running it again goes on from there. gap: it was not watched
        before its end
        """
        with self._transaction():
            self._seal()
            if self._rewritten_from is not None:
                self._settle(closed_by)
            self._end(self._id, closed_by)

    @property
    def added(self) -> int:
        """Records that were added since it was opened, the run's own among them."""
        return self._seq - self._found

    def head(self) -> str:
        """Return the hash of the last record, in which all before it have a say."""
        return self._head.hex()

    def close(self) -> None:
        """Close the file; a run that was not finished stays open, and can be gone on with."""
        with suppress(sqlite3.Error):  # all that was acknowledged is in the file or its log already
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with suppress(sqlite3.Error):
            self._connection.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    # --- opening

    def _begin(self) -> None:
        """Find what is known of this run, or begin it."""
        body = to_json({"run": self._run.to_table(), "clock": clock_table(self._clock)})
        query = "SELECT body FROM records WHERE run = ? AND kind = 'run'"
        known = self._connection.execute(query, (self._id,)).fetchone()
        if known is None:
            with self._transaction():
                self._append("run", self._id, body)
        elif known[0] != body:
            raise self._differs("its wall clock")
        self._spans = spans_of(self._connection, self._id)
        pieces = self._connection.execute(PENDING, (self._id,)).fetchall()
        self._pending = [_Piece(Observations.from_bytes(data), data) for (data,) in pieces]
        account = Account(self._connection, self._id)
        self._known = {entry.impression.id: entry for entry in account.entries}
        self._was_ended = account.end is not None
        self._rewritten_from: int | None = None

    def _unfinished(self) -> list[str]:
        """Return the runs that broke off and are not this one: their last record is no end."""
        query = (
            "SELECT run FROM records AS r WHERE kind = 'run' AND run <> ? AND 'end' <> "
            "(SELECT kind FROM records WHERE run = r.run ORDER BY seq DESC LIMIT 1) ORDER BY seq"
        )
        return [run for (run,) in self._connection.execute(query, (self._id,))]

    def _recover(self, run: str) -> None:
        """End a run that broke off: count what is stored of it, and keep what was not kept yet."""
        with self._transaction():
            pieces = [Observations.from_bytes(d) for (d,) in self._connection.execute(PENDING, (run,))]
            for whole in joined(pieces):
                self._append_block(run, whole, whole.to_bytes())
            account = Account(self._connection, run)
            self._connection.execute("DELETE FROM pending WHERE run = ?", (run,))
            known = {entry.impression.id: entry.impression for entry in account.entries}
            shown = account.open
            self._connection.execute("DELETE FROM open WHERE run = ?", (run,))
            fold = account.run.impressions(account.time_base, account.clock)
            found = [i for o in joined(account.observations()) for i in fold.update(o)]
            # Where it broke off within a gap, what had been on screen was closed by that already.
            is_in_gap = any(known[i.id].closed_by == "gap" for i in fold.open() if i.id in known)
            closed_by: Literal["truncated", "gap"] = "gap" if is_in_gap else "truncated"
            found += fold.finish(closed_by)
            known_now = known.keys() | {impression.id for impression in found}
            found += [impression for impression in shown if impression.id not in known_now]
            for impression in found:
                if impression.id not in known:
                    self._append("impression", run, _impression_body(impression, {}, None))
            self._end(run, closed_by)

    # --- observations

    def _observe(self, o: Observations) -> None:
        """Take what is new, after what is known was compared."""
        end = self._stored_end()
        if end is not None and int(o.pts[0]) < end:
            o = self._unknown_part(o, end)
        start = 0
        blocks = [self._block_of(int(pts), o.time_base) for pts in (o.pts[0], o.pts[-1])] if len(o) else []
        while start < len(o):
            stop = len(o)
            if blocks[0] != blocks[1]:
                number = self._block_of(int(o.pts[start]), o.time_base)
                boundary = self._block * (number + 1) / o.time_base
                stop = int(o.pts.searchsorted(-(-boundary.numerator // boundary.denominator)))
            self._keep(o.part(start, stop))
            start = stop

    def _keep(self, piece: Observations) -> None:
        if self._pending and not self._fits(piece):
            self._seal()
        data = piece.to_bytes()
        self._connection.execute("INSERT INTO pending VALUES (?, ?, ?)", (self._id, int(piece.pts[0]), data))
        self._pending.append(_Piece(piece, data))

    def _fits(self, piece: Observations) -> bool:
        """Say whether it belongs to the block that is not full yet."""
        first = self._pending[0].observations
        return (first.size_wh, first.time_base) == (piece.size_wh, piece.time_base) and (
            self._block_of(int(first.pts[0]), first.time_base) == self._block_of(int(piece.pts[0]), piece.time_base)
        )

    def _block_of(self, pts: int, time_base: Fraction) -> int:
        return int(pts * time_base // self._block)

    def _seal(self) -> None:
        """Make a block of what is pending."""
        if not self._pending:
            return
        whole = Observations.concat([piece.observations for piece in self._pending])
        data = self._pending[0].data if len(self._pending) == 1 else whole.to_bytes()
        self._append_block(self._id, whole, data)
        self._connection.execute("DELETE FROM pending WHERE run = ?", (self._id,))
        self._pending = []
        self._spans = spans_with(self._spans, Span(int(whole.pts[0]), whole.end_pts, self._seq))

    def _stored_end(self) -> int | None:
        if self._pending:
            return self._pending[-1].observations.end_pts
        return self._spans[-1].stop if self._spans else None

    def _unknown_part(self, o: Observations, end: int) -> Observations:
        """Compare the part that is known with what is stored, and return the rest.

        Near the end of a run that was interrupted another verdict is taken: from the first frame that differs.
        """
        count = int(o.pts.searchsorted(end))
        stored = self._stored(int(o.pts[0]), int(o.pts[count - 1]), o)
        if stored.is_same(o.part(0, count)):
            return o.part(count, len(o))
        same = 0
        while same < min(count, len(stored)) and stored.part(same, same + 1).is_same(o.part(same, same + 1)):
            same += 1
        at = int(o.pts[min(same, len(o) - 1)])
        if not self._was_ended or (end - at) * o.time_base > _TAIL_SECONDS:
            raise self._differs(f"what was seen at {float(at * o.time_base):.2f} s")
        self._rewritten_from = at if self._rewritten_from is None else self._rewritten_from
        return o.part(same, len(o))

    def _stored(self, start: int, last: int, like: Observations) -> Observations:
        """Return the stored frames from `start` to `last`, ticks; none where they are of another size."""
        pieces = [piece.observations for piece in self._pending]
        for span in reversed(self._spans):
            if span.stop <= start:
                break
            if span.start <= last:
                pieces.insert(0, self._read(span))
        parts = []
        for piece in pieces:
            part = piece.part(int(piece.pts.searchsorted(start)), int(piece.pts.searchsorted(last, "right")))
            if len(part) and part.size_wh == like.size_wh and part.time_base == like.time_base:
                parts.append(part)
        return Observations.concat(parts) if parts else like.part(0, 0)

    def _read(self, span: Span) -> Observations:
        """Read a block; the last one is kept, for a run that is compared asks for it second by second."""
        if getattr(self, "_last_read", (None, None))[0] != span:
            self._last_read = (span, span.read(self._connection))
        observations = self._last_read[1]
        assert observations is not None
        return observations

    # --- impressions

    def _close(self, impression: Impression, evidence: Mapping[str, str | None]) -> None:
        if impression.run != self._id:
            raise ValueError(f"the impression belongs to run {impression.run}, not to {self._id}")
        before = self._known.get(impression.id)
        if before is None:
            self._append_impression(impression, evidence, supersedes=None)
            return
        old = before.impression
        if row(old) == row(impression):
            return
        is_known_further = old.end_pts > impression.end_pts or (old.end_pts == impression.end_pts and _is_whole(old))
        if not _is_whole(impression) and is_known_further:
            return
        is_rewritten = self._rewritten_from is not None and self._reaches(old) >= self._rewritten_from
        if _is_whole(old) and not is_rewritten:
            raise self._differs(f"the impression of {impression.brand!r} at {impression.start_seconds:.2f} s")
        self._append_impression(impression, evidence, supersedes=before.hash)

    def _reaches(self, impression: Impression) -> Fraction:
        """Return until when, in ticks, frames have a say in when it ends."""
        return impression.end_pts + Fraction(str(self._run.profile.bridge_seconds)) / Fraction(impression.time_base)

    def _append_impression(
        self, impression: Impression, evidence: Mapping[str, str | None], *, supersedes: str | None
    ) -> None:
        self._append("impression", self._id, _impression_body(impression, evidence, supersedes))
        self._connection.execute("DELETE FROM open WHERE run = ? AND id = ?", (self._id, impression.id))
        stored = impression_of(row(impression))
        self._known[impression.id] = Entry(self._seq, self.head(), stored, evidence, supersedes)

    def _retract(self, id: str) -> None:
        before = self._known.pop(id)
        self._append("retraction", self._id, to_json({"id": id, "supersedes": before.hash}))

    def _show(self, open: Sequence[Impression]) -> None:
        self._connection.execute("DELETE FROM open WHERE run = ?", (self._id,))
        new = (impression for impression in open if impression.id not in self._known)
        rows = [(self._id, impression.id, to_json(row(impression))) for impression in new]
        self._connection.executemany("INSERT INTO open VALUES (?, ?, ?)", rows)

    def _settle(self, closed_by: Literal["end", "truncated", "gap"]) -> None:
        """After a tail was judged anew: keep what is missing, and take back what is none any more."""
        account = Account(self._connection, self._id)
        fold = self._run.impressions(account.time_base, self._clock)
        found = [i for o in joined(account.observations()) for i in fold.update(o)] + fold.finish(closed_by)
        for impression in found:
            self._close(impression, {})
        for id in self._known.keys() - {impression.id for impression in found}:
            self._retract(id)

    def _end(self, run: str, closed_by: Literal["end", "truncated", "gap"]) -> None:
        """Write down that a run is over, unless that is known."""
        account = Account(self._connection, run)
        self._connection.execute("DELETE FROM open WHERE run = ?", (run,))
        tick = account.time_base
        body = {
            "closed_by": closed_by,
            "time_base": f"{tick.numerator}/{tick.denominator}",
            "coverage": asdict(account.coverage),
            "impressions": len(account.entries),
        }
        known = account.end
        is_shorter = known is not None and closed_by == "truncated" and known["coverage"] == body["coverage"]
        if known != body and not is_shorter:
            self._append("end", run, to_json(body))

    # --- the chain

    def _append_block(self, run: str, o: Observations, data: bytes) -> None:
        body = {
            "start_pts": int(o.pts[0]),
            "end_pts": o.end_pts,
            "frames": len(o),
            "detections": len(o.frame_row),
            "sha256": hashlib.sha256(data).hexdigest(),
        }
        self._append("block", run, to_json(body), data)

    def _append(self, kind: Kind, run: str, body: str, data: bytes = b"") -> None:
        self._head = chained(self._head, kind.encode(), run.encode(), body.encode())
        self._seq += 1
        values = (self._seq, kind, run, body, self._head, data)
        self._connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?)", values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        if self._is_broken:
            raise SinkError(f"{self._path}: the account was stopped by an error")
        with self._errors():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # What is remembered may be ahead of what is stored now.
                self._is_broken = True
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, SinkError):
                raise
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise SinkError(
                f"{self._path}: the account cannot be written: {reason}; all that was written before is kept"
            ) from error

    def _differs(self, what: str) -> SinkError:
        return SinkError(
            f"{self._path}: the same run (models, gallery, profile, settings, media) tells otherwise than before: "
            f"{what}; write it to another folder"
        )


@dataclass(frozen=True, slots=True)
class _Piece:
    observations: Observations
    data: bytes


def _is_whole(impression: Impression) -> bool:
    """Say whether it ended by itself, and not because the stream or the run did."""
    return impression.closed_by not in ("end", "truncated")


def _impression_body(impression: Impression, evidence: Mapping[str, str | None], supersedes: str | None) -> str:
    return to_json({"impression": row(impression), "evidence": dict(evidence), "supersedes": supersedes})


def _locked(path: Path) -> int:
    """Take the file's lock; SinkError where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise SinkError(f"{path}: another process is writing this account") from error
    return lock
