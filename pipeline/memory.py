"""Gives memory back that nobody uses. FFmpeg takes megabytes for each connection, and what it frees stays with the
process: 900 connections over eight streams left 170 MB that way. What broken connections hold in circles of references
waits for a collection besides; with both, 320 connections left 9 MB.
"""

from __future__ import annotations

import ctypes
import gc
import time
from collections.abc import Callable
from contextlib import suppress

_SECONDS = 30.0


class Tidy:
    """Asks the C library now and then to give back what is free; does nothing where it cannot. Single-threaded.

    seconds: from one time to the next. Goes up: more is kept between, and fewer milliseconds go into it
    """

    def __init__(self, *, seconds: float = _SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._last = clock()
        self._trim: Callable[[int], object] | None = None
        with suppress(AttributeError, OSError, TypeError):  # of glibc alone
            self._trim = ctypes.CDLL(None).malloc_trim

    def tick(self) -> bool:
        """Do it where it is time to, and say whether it was done."""
        now = self._clock()
        if self._trim is None or now - self._last < self._seconds:
            return False
        self._last = now
        gc.collect()
        self._trim(0)
        return True
