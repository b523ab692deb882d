"""Ctrl-C and SIGTERM: the first asks a run to finish what it has begun, a Ctrl-C after it ends it at once. Another
SIGTERM changes nothing: who is impatient by program has SIGKILL, and what is open is still to be written. SIGHUP asks
it to read its settings again.

A handler interrupts the main thread anywhere, also where it holds a lock; so it takes none, and a thread of its own
does what was asked for.
"""

from __future__ import annotations

import queue
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Catches signals while the body of a `with` runs.

    catches_hangup: SIGHUP too, which otherwise ends a process

    received: the first signal to end, None while there was none
    """

    def __init__(self, *, catches_hangup: bool = False) -> None:
        self.received: signal.Signals | None = None
        self._signals = (*SIGNALS, signal.SIGHUP) if catches_hangup else SIGNALS
        self._is_hung_up = False
        self._asked: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()  # its `put` is re-entrant
        self._thread = threading.Thread(target=self._run, name="signals", daemon=True)
        self._stops: tuple[Callable[[], None], ...] = ()
        self._reload: Callable[[], None] | None = None
        self._before: dict[signal.Signals, Any] = {}

    def call(self, *stops: Callable[[], None]) -> None:
        """Have these called at the first signal to end; at once, where it has come already."""
        self._stops = stops
        if self.received is not None:
            self._stop()

    def call_at_hangup(self, reload: Callable[[], None]) -> None:
        """Have `reload` called at every SIGHUP; at once, where one has come already."""
        self._reload = reload
        if self._is_hung_up:
            reload()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._thread.start()
            self._before = {number: signal.signal(number, self._handle) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if self._thread.is_alive():
            self._asked.put(None)
            self._thread.join()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._is_hung_up = True
            if self._reload is not None:
                self._asked.put(self._reload)
            return
        if self.received is not None:
            if number == signal.SIGTERM:
                return
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        self._asked.put(self._stop)

    def _run(self) -> None:
        while (action := self._asked.get()) is not None:
            action()

    def _stop(self) -> None:
        for stop in self._stops:
            stop()
