"""Ctrl-C and SIGTERM: the first asks a run to finish what it has begun, the second ends it at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Catches signals while the body of a `with` runs.

    received: the first signal, None while there was none
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._stop: Callable[[], None] = lambda: None
        self._before: dict[signal.Signals, Any] = {}

    def call(self, stop: Callable[[], None]) -> None:
        """Have `stop` called at the first signal; at once, where it has come already."""
        self._stop = stop
        if self.received is not None:
            stop()

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python allows handlers nowhere else
            self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        self._stop()
