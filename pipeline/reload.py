"""Streams that come, change and go while the run goes on: at SIGHUP the settings are read again.

What cannot be used changes nothing: a file that is broken, or that names a source that can never be opened. Of what is
new in it the streams are taken up at once, and what only a new start takes up is told. All of it happens in a thread of
its own, so that nobody's frames wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.config import Config, StreamSettings
from pipeline.errors import ConfigError, SinkError
from pipeline.metrics import Metrics
from pipeline.prefetch import Prefetch
from pipeline.record import Record
from pipeline.roster import Roster
from pipeline.sinks import Sinks
from pipeline.sources import open_one
from pipeline.status import Status
from streams.errors import StreamError
from streams.source import Source

log = logging.getLogger(__name__)

_END_SECONDS = 30.0  # until what was begun with a stream that goes is dealt with


@dataclass(slots=True)
class Changes:
    """What a new file changes. restart: sections of which only a new start takes up what is new in them."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    restart: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"{name}: {', '.join(names)}" for name in _KINDS if (names := getattr(self, name))]
        if self.restart:
            parts.append(f"taken up only by a new start: {', '.join(self.restart)}")
        return "; ".join(parts) or "nothing has changed"


_KINDS = ("added", "changed", "removed")
_RESTART = {"live": "live (of streams that go on)"}
"""How a section is told of, where a stream that is added or changed takes up what is new in it."""


def changes(old: Config, new: Config) -> Changes:
    """Compare two configurations."""
    before = dict(zip(old.stream_names, old.stream, strict=True))
    after = dict(zip(new.stream_names, new.stream, strict=True))
    return Changes(
        added=[name for name in after if name not in before],
        changed=[name for name in after if name in before and after[name] != before[name]],
        removed=[name for name in before if name not in after],
        restart=[
            _RESTART.get(section.name, section.name)
            for section in fields(Config)
            if section.name != "stream" and getattr(old, section.name) != getattr(new, section.name)
        ],
    )


class Reloader:
    """Takes up new settings when it is asked to. Use it in a `with`.

    reread: returns the settings as they are written now, ConfigError where they cannot be; None where nothing can
        change
    """

    def __init__(
        self,
        config: Config,
        reread: Callable[[], Config] | None,
        *,
        roster: Roster,
        frames: Prefetch,
        sinks: Sinks,
        record: Record,
        metrics: Metrics,
        status: Status,
    ) -> None:
        self._config, self._reread = config, reread
        self._roster, self._frames, self._sinks, self._record = roster, frames, sinks, record
        self._metrics, self._status = metrics, status
        self._folders = dict(config.folders)
        self._asked = threading.Event()
        self._is_over = False
        self._lock = threading.Lock()
        self._leaving: dict[str, threading.Event] = {}
        self._thread = threading.Thread(target=self._run, name="reload", daemon=True)
        metrics.last_reload_at.set_to_current_time()
        metrics.last_reload_ok.set(1)

    def ask(self) -> None:
        """Have the settings read again. A signal handler may call it."""
        self._asked.set()

    def ended(self, stream: str) -> None:
        """All that was begun with a stream is dealt with."""
        with self._lock:
            event = self._leaving.pop(stream, None)
        if event is not None:
            event.set()

    def __enter__(self) -> Self:
        if self._reread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over = True
        self._asked.set()
        with self._lock:
            for event in self._leaving.values():
                event.set()
        if self._reread is not None:
            self._thread.join(_END_SECONDS)

    def _run(self) -> None:
        while self._asked.wait() and not self._is_over:
            self._asked.clear()
            self._reload()

    def _reload(self) -> None:
        assert self._reread is not None
        what = "nothing of the new settings was taken up"
        try:
            new = self._reread()
            found = changes(self._config, new)
            with self._opened(new, found) as opened:
                what = "not all of the new settings could be taken up"
                self._apply(new, found, opened)
        except (ConfigError, StreamError, SinkError) as error:
            self._tell(False, f"{what}: {error}")
            log.warning("%s: %s", what, error)
            return
        self._tell(True, str(found))
        (log.warning if found.restart else log.info)("settings read again: %s", found)

    def _tell(self, is_ok: bool, message: str) -> None:
        self._metrics.reloads.labels("success" if is_ok else "failure").inc()
        self._metrics.last_reload_at.set(time.time())
        self._metrics.last_reload_ok.set(is_ok)
        self._status.reload = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "ok": is_ok,
            "message": " ".join(message.split()),
        }

    def _opened(self, new: Config, found: Changes) -> _Opened:
        """Open all that is new before anything that is old goes: where one of them can never be, nothing changes."""
        if not new.stream:
            raise ConfigError("no source is given")
        after = dict(zip(new.stream_names, new.stream, strict=True))
        opened = _Opened()
        with opened.closing:
            for name in (*found.added, *found.changed):
                source = open_one(after[name], name, new)
                opened.closing.callback(source.close)
                opened.sources[name] = source, after[name]
            opened.closing = opened.closing.pop_all()
        return opened

    def _apply(self, new: Config, found: Changes, opened: _Opened) -> None:
        self._frames.hold()
        try:
            self._remove((*found.removed, *found.changed), gone=found.removed)
            self._config = new
            for name, (source, settings) in list(opened.sources.items()):
                if self._is_over:
                    return
                folder = self._folders.setdefault(name, Path(new.output.folder) / name)
                self._sinks.add(self._roster.add(source, settings, folder))
                self._record.add(source, folder)
                self._frames.add(source)
                del opened.sources[name]  # whose thread closes it now
        finally:
            self._frames.release()

    def _remove(self, names: tuple[str, ...], *, gone: list[str]) -> None:
        waited = []
        for name in names:
            with self._lock:
                event = self._leaving[name] = threading.Event()
            waited.append((name, event))
            self._frames.remove(name)
        for name, event in waited:
            if not event.wait(_END_SECONDS):
                log.warning("%s: what was begun is not dealt with after %g s", name, _END_SECONDS)
            if self._is_over:
                return
            self._sinks.remove(name)
            self._roster.remove(name)
            if name in gone:
                self._record.remove(name)
                self._metrics.forget(name)


@dataclass(slots=True)
class _Opened:
    """Sources with their settings, by name. Those that nobody took are closed at the end of a `with`."""

    sources: dict[str, tuple[Source, StreamSettings]] = field(default_factory=dict)
    closing: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for source, _ in self.sources.values():
            source.close()
