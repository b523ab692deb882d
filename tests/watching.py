"""Watches a live source in a thread, and keeps what came and when: for the tests of faults."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from streams.frame import Frame
from streams.gap import Gap
from streams.live_source import LiveSettings, LiveSource
from streams.source import open_source

QUICK = LiveSettings(stall_seconds=1.0, open_timeout_seconds=3.0, backoff_seconds=0.5)


class Watched:
    """Watches a source in a thread, and keeps what came and when."""

    def __init__(self, source: LiveSource) -> None:
        self.source = source
        self.items: list[tuple[float, Frame | Gap]] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for item in self.source.items():
            with self._changed:
                self.items.append((time.monotonic(), item))
                self._changed.notify_all()

    @property
    def frames(self) -> list[Frame]:
        return [item for _, item in self.items if isinstance(item, Frame)]

    @property
    def gaps(self) -> list[Gap]:
        return [item for _, item in self.items if isinstance(item, Gap)]

    def wait(self, kind: type, *, count: int = 1, timeout: float = 10.0) -> tuple[float, Frame | Gap]:
        """Return the time and the item when there are `count` of a kind; fails where they do not come."""
        with self._changed:
            is_there = self._changed.wait_for(lambda: sum(isinstance(i, kind) for _, i in self.items) >= count, timeout)
            assert is_there, f"no {kind.__name__} number {count} within {timeout} s: {self.source.health()}"
            return [pair for pair in self.items if isinstance(pair[1], kind)][count - 1]

    def gap_after(self, moment: float, *, timeout: float = 10.0) -> tuple[float, Gap]:
        """Return the first gap that began after a moment, and the seconds until it was told."""
        return self._after(moment, lambda item: isinstance(item, Gap) and item.end_seconds is None, timeout)  # type: ignore[return-value]

    def frame_after(self, moment: float, *, timeout: float = 10.0) -> tuple[float, Frame]:
        """Return the first frame that was given after a moment, and the seconds until then."""
        return self._after(moment, lambda item: isinstance(item, Frame), timeout)  # type: ignore[return-value]

    def _after(
        self, moment: float, is_wanted: Callable[[Frame | Gap], bool], timeout: float
    ) -> tuple[float, Frame | Gap]:
        def found() -> tuple[float, Frame | Gap] | None:
            return next(((at - moment, item) for at, item in self.items if at >= moment and is_wanted(item)), None)

        with self._changed:
            row = self._changed.wait_for(found, timeout)
        assert row is not None, f"nothing of the kind within {timeout} s: {self.source.health()}"
        return row

    def end(self) -> float:
        """Close the source and return how long the iteration went on."""
        began = time.monotonic()
        self.source.close()
        self._thread.join(5)
        assert not self._thread.is_alive(), "the iteration goes on after close"
        return time.monotonic() - began


@contextmanager
def watched(url: str, settings: LiveSettings = QUICK, **kind: object) -> Iterator[Watched]:
    source = open_source(url, name="cam", live=settings, **kind)  # type: ignore[arg-type]
    assert isinstance(source, LiveSource)
    watch = Watched(source)
    try:
        yield watch
    finally:
        watch.end()
