"""Decoding ahead: a thread a stream, its own bounded queue, one byte budget over all; frames come out in turns.

A file's thread waits where its queue is full, so nothing is lost. A live stream's thread never waits: a new frame takes
the place of the oldest one, which is counted as dropped. Files are taken strictly in turn, so the order in which frames
come out does not depend on which decoder is the faster; of live streams what is there is taken.

This is one of the few places with threads (see DESIGN, section 2). It knows nothing of what is done with frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from pipeline.metrics import Metrics
from streams.frame import Frame
from streams.source import Source

_JOIN_SECONDS = 5.0  # a live source may be in a read that never returns; its thread is a daemon and left behind


@dataclass(frozen=True, slots=True, kw_only=True)
class PrefetchSettings:
    """How far decoding runs ahead.

    file_frames: frames that wait in a file's queue. Goes up: decoding and detection wait less for each other, up to a
        point; more memory
    live_frames: the same for a live stream. Goes up: bursts lose fewer frames, and every frame comes later
    budget_megabytes: what all waiting frames may hold together. Goes up: many large streams decode further ahead. One
        frame a stream is always let through
    sample_every: only every so many-th frame is looked at, the others are counted as sampled out. Goes up: faster, and
        signs are seen in fewer frames
    """

    file_frames: int = 4
    live_frames: int = 2
    budget_megabytes: float = 512.0
    sample_every: int = 1

    def __post_init__(self) -> None:
        for name in ("file_frames", "live_frames", "sample_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.budget_megabytes <= 0:
            raise ValueError(f"budget_megabytes must be more than 0, got {self.budget_megabytes}")


class Prefetch:
    """The frames of all sources. Use it in a `with`: leaving it ends the threads and closes the sources.

    A source that fails ends like one that is over, and the others go on; `raise_failures` hands its error on when the
    frames before it have been dealt with.
    """

    def __init__(
        self, sources: Sequence[Source], settings: PrefetchSettings | None = None, *, metrics: Metrics
    ) -> None:
        self._settings = settings or PrefetchSettings()
        self._metrics = metrics
        self._budget = round(self._settings.budget_megabytes * 1e6)
        self._bytes = 0
        self._is_stopping = False
        # One lock for all queues: it is held for microseconds. Re-entrant, since a signal handler may call `stop`.
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._taken = threading.Condition(self._lock)
        self._queues = [_Queue(source, self._settings) for source in sources]
        self._turns = deque(self._queues)
        metrics.queue_limit_bytes.set(self._budget)
        for queue in self._queues:
            metrics.frames.open(queue.stream)
            metrics.stream_up.labels(queue.stream).set(1)
        self._threads = [
            threading.Thread(target=self._decode, args=(queue,), name=f"decode {queue.stream}", daemon=True)
            for queue in self._queues
        ]
        for thread in self._threads:
            thread.start()

    @property
    def is_live(self) -> bool:
        """Some stream goes on at the world's pace and must not be kept waiting."""
        return any(queue.is_live for queue in self._queues)

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.take()) is not None:
            yield frame

    def take(self, timeout_seconds: float | None = None) -> Frame | None:
        """Return the next stream's next frame; None where all streams are over, or nothing came in time."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with self._lock:
            while self._turns:
                if (queue := self._next_ready()) is not None:
                    frame = queue.frames.popleft()
                    self._count_bytes(queue, -frame.nbytes)
                    self._taken.notify_all()
                    return frame
                left = None if deadline is None else deadline - time.monotonic()
                if self._turns and ((left is not None and left <= 0) or not self._arrived.wait(left)):
                    return None
        return None

    def stop(self) -> None:
        """Decode no more. What waits can still be taken."""
        with self._lock:
            self._is_stopping = True
            self._taken.notify_all()
            self._arrived.notify_all()

    def failures(self) -> dict[str, Exception]:
        """Return the errors of the streams that failed so far."""
        with self._lock:
            return {queue.stream: queue.error for queue in self._queues if queue.error is not None}

    def raise_failures(self) -> None:
        """Hand on the first error of a source, if there was one."""
        for error in self.failures().values():
            raise error

    def close(self) -> None:
        """End the threads; frames that still wait are counted as dropped."""
        self.stop()
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)
        with self._lock:
            for queue in self._queues:
                while queue.frames:
                    self._count_bytes(queue, -queue.frames.popleft().nbytes)
                    self._metrics.frames.dropped(queue.stream, "shutdown")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next_ready(self) -> _Queue | None:
        """Return the queue whose turn it is and put it at the end of the line; None where one must be waited for."""
        for _ in range(len(self._turns)):
            queue = self._turns[0]
            if not queue.frames and not queue.is_over and not queue.is_live:
                return None
            self._turns.popleft()
            if queue.frames:
                self._turns.append(queue)
                return queue
            if not queue.is_over:
                self._turns.append(queue)
        return None

    def _decode(self, queue: _Queue) -> None:
        """Run a source to its end: the body of its thread."""
        try:
            self._read(queue)
        except Exception as error:  # noqa: BLE001  whatever ends a thread is for the one who waits for its frames
            queue.error = error
        finally:
            queue.source.close()  # in the thread that read it
            with self._lock:
                queue.is_over = True
                self._arrived.notify_all()
            self._metrics.stream_up.labels(queue.stream).set(0)

    def _read(self, queue: _Queue) -> None:
        frames, ledger = iter(queue.source), self._metrics.frames
        while not self._is_stopping:
            with self._metrics.stages("decode"):
                frame = next(frames, None)
            if frame is None:
                return
            ledger.decoded(queue.stream, frame.pts_seconds + frame.duration_seconds)
            if frame.is_corrupt:
                ledger.corrupt(queue.stream)
            elif frame.index % self._settings.sample_every:
                ledger.sampled_out(queue.stream)
            else:
                self._put(queue, frame)

    def _put(self, queue: _Queue, frame: Frame) -> None:
        with self._lock:
            while queue.frames and self._is_full(queue, frame) and not self._is_stopping:
                if queue.is_live:
                    self._count_bytes(queue, -queue.frames.popleft().nbytes)
                    self._metrics.frames.dropped(queue.stream, "late")
                else:
                    self._taken.wait()
            queue.frames.append(frame)
            self._count_bytes(queue, frame.nbytes)
            self._arrived.notify_all()

    def _is_full(self, queue: _Queue, frame: Frame) -> bool:
        return len(queue.frames) >= queue.depth or self._bytes + frame.nbytes > self._budget

    def _count_bytes(self, queue: _Queue, change: int) -> None:
        self._bytes += change
        self._metrics.queue_bytes.set(self._bytes)
        self._metrics.queued.labels(queue.stream).set(len(queue.frames))


class _Queue:
    """One stream's waiting frames."""

    def __init__(self, source: Source, settings: PrefetchSettings) -> None:
        self.source = source
        self.stream = source.info.name
        self.is_live = source.info.is_live
        self.depth = settings.live_frames if self.is_live else settings.file_frames
        self.frames: deque[Frame] = deque()
        self.is_over = False
        self.error: Exception | None = None
