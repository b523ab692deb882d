"""An account as it is read: whose it is, which impressions hold, what was observed; and recounting it by other rules.

It never writes.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from fractions import Fraction
from functools import cached_property
from importlib.metadata import version
from typing import Any

from pipeline.brands.impressions import Clock, Impressions
from pipeline.brands.observation import Coverage, Observations
from pipeline.brands.profiles import Profile
from pipeline.errors import ConfigError
from pipeline.events import Impression


@dataclass(frozen=True, slots=True, kw_only=True)
class RunIdentity:
    """What an account depends on: where any of it differs, it is another account, and nothing adds the two.

    stream: its name; media: sha256 that the content is known by; models: sha256 by file; gallery: its sha256
    brands: names by the observations' `brand`; config: sha256 of the settings that have a say; software: its version
    """

    stream: str
    media: str
    models: Mapping[str, str]
    gallery: str
    brands: Sequence[str]
    profile: Profile
    config: str
    software: str = field(default_factory=lambda: version("wayside"))

    @property
    def id(self) -> str:
        """Sixteen bytes of the hash of it all, as hexadecimals."""
        return hashlib.sha256(to_json(self.to_table()).encode()).hexdigest()[:32]

    def with_profile(self, profile: Profile) -> RunIdentity:
        """Return the account that the same run would have kept by other rules."""
        return replace(self, profile=profile)

    def to_table(self) -> dict[str, Any]:
        table = {f.name: getattr(self, f.name) for f in fields(self)}
        return {**table, "models": dict(self.models), "brands": list(self.brands), "profile": self.profile.to_table()}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> RunIdentity:
        profile = Profile.from_table(table["profile"])
        return cls(**{**table, "brands": tuple(table["brands"]), "profile": profile})

    def impressions(self, time_base: Fraction, clock: Clock) -> Impressions:
        """Return the fold that makes this run's impressions."""
        return Impressions(
            self.profile,
            self.brands,
            time_base=time_base,
            stream=self.stream,
            media=self.media,
            run=self.id,
            clock=clock,
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """An impression as it stands in an account: its place in the chain, its hash, its evidence, what it corrected.

    evidence: sha256 by what it is (`crop`, `frame`, `span`), empty where none was kept
    """

    seq: int
    hash: str
    impression: Impression
    evidence: Mapping[str, str | None]
    supersedes: str | None


class Account:
    """One run's account, read from a ledger; it is read when it is asked for, and never written.

    run: what it depends on; clock: what is known of wall time
    """

    def __init__(self, connection: sqlite3.Connection, run_id: str) -> None:
        self._connection = connection
        body = json.loads(one(connection, "SELECT body FROM records WHERE run = ? AND kind = 'run'", run_id))
        self.run = RunIdentity.from_table(body["run"])
        self.clock = clock_of(body["clock"])

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """The impressions that hold, in the order in which they were closed; what was corrected is left out."""
        found: dict[str | None, Entry] = {}
        query = "SELECT seq, hash, kind, body FROM records WHERE run = ? AND kind IN ('impression', 'retraction')"
        for seq, digest, kind, text in self._connection.execute(f"{query} ORDER BY seq", (self.run.id,)):
            body = json.loads(text)
            found.pop(body["supersedes"], None)
            if kind == "impression":
                impression = impression_of(body["impression"])
                found[digest.hex()] = Entry(seq, digest.hex(), impression, body["evidence"], body["supersedes"])
        return tuple(found.values())

    @cached_property
    def open(self) -> tuple[Impression, ...]:
        """Those that were on screen when it was last written; none where the run has ended."""
        rows = self._connection.execute("SELECT body FROM open WHERE run = ? ORDER BY rowid", (self.run.id,))
        return tuple(impression_of(json.loads(text)) for (text,) in rows)

    @cached_property
    def end(self) -> Mapping[str, Any] | None:
        """What was written when the run ended: `closed_by` and `coverage`; None where it has not."""
        query = "SELECT body FROM records WHERE run = ? AND kind = 'end' ORDER BY seq DESC LIMIT 1"
        found = self._connection.execute(query, (self.run.id,)).fetchone()
        return None if found is None else json.loads(found[0])

    @cached_property
    def time_base(self) -> Fraction:
        """Seconds a tick; 1 where nothing was observed."""
        first = next(iter(self.observations()), None)
        return Fraction(1) if first is None else first.time_base

    @cached_property
    def coverage(self) -> Coverage:
        """What of the stream was looked at."""
        coverage = Coverage()
        for observations in self.observations():
            coverage = coverage.plus(observations)
        return coverage

    def observations(self) -> Iterator[Observations]:
        """Yield all that was observed, in order, also what is in no full block yet."""
        for span in spans_of(self._connection, self.run.id):
            yield span.read(self._connection)
        for (data,) in self._connection.execute(PENDING, (self.run.id,)):
            yield Observations.from_bytes(data)

    def recount(self, profile: Profile | None = None) -> Iterator[Impression]:
        """Yield the impressions by other rules, or its own, from the stored observations; nothing is decoded.

        By the same rules it gives what the run gave, byte for byte.
        """
        run = self.run if profile is None else self.run.with_profile(profile)
        fold = run.impressions(self.time_base, self.clock)
        for observations in joined(self.observations()):
            yield from fold.update(observations)
        yield from fold.finish("end" if self.end is None else self.end["closed_by"])


def accounts(connection: sqlite3.Connection) -> list[Account]:
    """Return every run's account, in the order in which they began. Never add two of them."""
    rows = connection.execute("SELECT run FROM records WHERE kind = 'run' ORDER BY seq")
    return [Account(connection, run) for (run,) in rows.fetchall()]


def find_account(connection: sqlite3.Connection, run: str | None = None) -> Account:
    """Return the account of the run whose id begins so, or the last one; ConfigError where that is not one."""
    found = [account for account in accounts(connection) if run is None or account.run.id.startswith(run)]
    if run is None and not found:
        raise ConfigError("the account is empty: no run was ever written to it")
    if not found or (run is not None and len(found) > 1):
        known = ", ".join(account.run.id for account in accounts(connection)) or "none"
        raise ConfigError(f"run {run!r}: there is no such one, or more than one; known are {known}")
    return found[-1]


@dataclass(frozen=True, slots=True)
class Span:
    """A block, as far as it holds: ticks from `start` to before `stop`."""

    start: int
    stop: int
    seq: int

    def read(self, connection: sqlite3.Connection) -> Observations:
        found = Observations.from_bytes(one(connection, "SELECT data FROM records WHERE seq = ?", self.seq))
        return found.part(0, int(found.pts.searchsorted(self.stop)))


PENDING = "SELECT data FROM pending WHERE run = ? ORDER BY start_pts"


def spans_of(connection: sqlite3.Connection, run: str) -> list[Span]:
    """Return a run's blocks in the order of time; a later block holds from its start on, whatever was before."""
    spans: list[Span] = []
    query = "SELECT seq, body FROM records WHERE run = ? AND kind = 'block' ORDER BY seq"
    for seq, text in connection.execute(query, (run,)):
        body = json.loads(text)
        spans = spans_with(spans, Span(body["start_pts"], body["end_pts"], seq))
    return spans


def spans_with(spans: list[Span], new: Span) -> list[Span]:
    while spans and spans[-1].start >= new.start:
        spans.pop()
    if spans and spans[-1].stop > new.start:
        spans[-1] = replace(spans[-1], stop=new.start)
    spans.append(new)
    return spans


def joined(pieces: Iterator[Observations] | Sequence[Observations], frames: int = 4000) -> Iterator[Observations]:
    """Join pieces into larger ones where they fit: the fold takes some time a call, whatever it is given."""
    waiting: list[Observations] = []
    for piece in pieces:
        fits = not waiting or (waiting[0].size_wh, waiting[0].time_base) == (piece.size_wh, piece.time_base)
        if not fits or sum(map(len, waiting)) + len(piece) > frames:
            if waiting:
                yield Observations.concat(waiting)
            waiting = []
        waiting.append(piece)
    if waiting:
        yield Observations.concat(waiting)


def impression_of(table: Mapping[str, Any]) -> Impression:
    """Return what `events.row` wrote."""
    values = {f.name: table[f.name] for f in fields(Impression)}
    return Impression(
        **{**values, "position_shares": tuple(values["position_shares"]), "best_xyxy": tuple(values["best_xyxy"])}
    )


def to_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def clock_table(clock: Clock) -> dict[str, Any]:
    at = clock.started_at
    return {"started_at": at and at.isoformat(), "method": clock.method, "error_seconds": clock.error_seconds}


def clock_of(table: Mapping[str, Any]) -> Clock:
    at = table["started_at"]
    return Clock(at and datetime.fromisoformat(at), table["method"], table["error_seconds"])


def one(connection: sqlite3.Connection, query: str, *values: object) -> Any:
    return connection.execute(query, values).fetchone()[0]
