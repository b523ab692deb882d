"""A sink behind a thread and a bounded queue, so that encoding and writing do not hold up detection.

Where the queue is full the pipeline waits: nothing is lost, and memory stays flat. This is one of the few places with
threads (see DESIGN, section 2).
"""

from __future__ import annotations

import queue
import threading
from typing import Any

from pipeline.metrics import Metrics
from pipeline.sinks.sink import Sink

_DEPTH = 8  # items; frames are the large ones: 8 of 1080p hold 25 MB


class Background:
    """Feeds one sink. Called from one thread; the sink runs in another."""

    def __init__(self, name: str, sink: Sink, metrics: Metrics) -> None:
        self._name = name
        self._sink = sink
        self._metrics = metrics
        self._queue: queue.Queue[Any] = queue.Queue(_DEPTH)
        self._error: Exception | None = None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, name=f"sink {name}", daemon=True)
        self._thread.start()

    @property
    def failure(self) -> str | None:
        """What went wrong, in a line; None where nothing did."""
        return None if self._error is None else f"sink {self._name}: {self._error}"

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
        while (item := self._queue.get()) is not None:
            if self._error is None:  # after that, only empty the queue: who writes must not wait for ever
                self._attempt(self._sink.write, item)
        self._attempt(self._sink.close)

    def _attempt(self, action: Any, *item: Any) -> None:
        try:
            with self._metrics.stages(f"sink {self._name}"):
                action(*item)
        except Exception as error:  # noqa: BLE001  whatever ends a sink is for the one who writes to it
            self._metrics.sink_errors.labels(self._name).inc()
            self._error = self._error or error
        else:
            self._metrics.written.labels(self._name).inc(len(item))
