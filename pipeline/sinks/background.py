"""A sink behind a thread and a bounded queue, so that encoding and writing do not hold up detection.

Where the queue is full the pipeline waits: nothing is lost, and memory stays flat. This is one of the few places with
threads (see DESIGN, section 2).
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Any

from pipeline.metrics import Metrics
from pipeline.sinks.sink import Holder, Sink

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0  # between two attempts of a sink that holds what it could not write

_DEPTH = 8  # items; frames are the large ones: 8 of 1080p hold 25 MB


class Background:
    """Feeds one sink. Called from one thread; the sink runs in another."""

    def __init__(self, name: str, sink: Sink, metrics: Metrics) -> None:
        self._name = name
        self._sink = sink
        self._metrics = metrics
        self._queue: queue.Queue[Any] = queue.Queue(_DEPTH)
        self._error: Exception | None = None
        self._trouble: str | None = None
        self._retry_at = 0.0
        metrics.sink_errors.labels(name)  # so that there is a 0 from which it rises
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """What went wrong, in a line; None where nothing did."""
        what = self._error or self._trouble
        return None if what is None else f"sink {self._name}: {what}"

    def write(self, item: Any) -> None:
        """Hand over an item that the sink takes. Raises what the sink raised since."""
        if self._error is not None:
            raise self._error
        if isinstance(item, self._sink.takes):
            self._queue.put(item)

    def end(self) -> None:
        """Have what waits written and the sink closed, and do not wait for it."""
        if not self._is_ending:
            self._is_ending = True
            self._queue.put(None)

    def close(self) -> None:
        """Write what waits and close the sink. Raises what the sink raised."""
        self.end()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while (item := self._next()) is not None:
            if self._error is None:  # after that, only empty the queue: who writes must not wait for ever
                self._attempt(self._sink.write, item)
                self._look()
                if self._trouble is not None and time.monotonic() >= self._retry_at:
                    self._retry()  # also where the next item is always there already
        self._attempt(self._sink.close)

    def _next(self) -> Any:
        """Wait for the next item; meanwhile have the sink try again what it holds."""
        while self._trouble is not None:
            try:
                return self._queue.get(timeout=max(0.0, self._retry_at - time.monotonic()))
            except queue.Empty:
                self._retry()
        return self._queue.get()

    def _retry(self) -> None:
        assert isinstance(self._sink, Holder)
        self._attempt(self._sink.retry)
        self._look()
        if self._trouble is not None:
            self._metrics.sink_errors.labels(self._name).inc()
            self._retry_at = time.monotonic() + _RETRY_SECONDS

    def _look(self) -> None:
        """Take note of whether the sink holds something; tell when that begins and when it is over."""
        before = self._trouble
        self._trouble = self._sink.trouble if self._error is None and isinstance(self._sink, Holder) else None
        if self._trouble is not None and before is None:
            self._metrics.sink_errors.labels(self._name).inc()
            self._retry_at = time.monotonic() + _RETRY_SECONDS
            log.warning("sink %s: %s", self._name, self._trouble)
        elif before is not None and self._trouble is None and self._error is None:
            log.warning("sink %s: what waited for room is written", self._name)

    def _attempt(self, action: Any, *item: Any) -> None:
        try:
            with self._metrics.stages(f"sink {self._name}"):
                action(*item)
        except Exception as error:  # noqa: BLE001  whatever ends a sink is for the one who writes to it
            self._metrics.sink_errors.labels(self._name).inc()
            self._error = self._error or error
        else:
            self._metrics.written.labels(self._name).inc(len(item))
