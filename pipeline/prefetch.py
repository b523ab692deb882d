"""Decoding ahead: a thread a stream, its own bounded queue, one byte budget over all; frames come out in turns.

A file's thread waits where its queue is full, so nothing is lost. A live stream's thread never waits: a new frame takes
the place of the oldest one, which is counted as dropped. Files are taken strictly in turn, so the order in which frames
come out does not depend on which decoder is the faster; where there are live streams, what is there is taken, so that
nobody waits for one that is silent.

A live stream that survives its troubles tells of them between its frames, and so they come out: a `Gap` takes no place
of a frame, is never dropped, and keeps its place among the frames.

This is one of the few places with threads (see DESIGN, section 2). It knows nothing of what is done with frames.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self, runtime_checkable

from pipeline.metrics import Metrics
from streams.frame import Frame
from streams.gap import Gap, Health
from streams.source import Source

_JOIN_SECONDS = 5.0  # a file may be read from a disk that is slow; its thread is a daemon, and left behind then
_LIVE_JOIN_SECONDS = 1.0  # the same for all live sources together: one may be in a read that never returns


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


@runtime_checkable
class Survivor(Protocol):
    """A live source that connects again by itself, and says when it was not watching (see `streams.gap`).

    Any thread may ask for its health, and may close it.
    """

    def items(self) -> Iterator[Frame | Gap]: ...

    def health(self) -> Health: ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Gone:
    """A stream was taken out of the run: nothing comes of it any more."""

    stream: str


Given = Frame | Gap | Gone


class Prefetch:
    """The frames of all sources. Use it in a `with`: leaving it ends the threads and closes the sources.

    A source that fails ends like one that is over, and the others go on; `raise_failures` hands its error on when the
    frames before it have been dealt with.

    keep_every: of a stream only every so many-th frame is let through, as of now; it is asked at every frame of a live
        one, and streams take turns
    """

    def __init__(
        self,
        sources: Sequence[Source],
        settings: PrefetchSettings | None = None,
        *,
        metrics: Metrics,
        keep_every: Callable[[str], int] = lambda stream: 1,
    ) -> None:
        self._settings = settings or PrefetchSettings()
        self._metrics = metrics
        self._keep_every = keep_every
        self._budget = round(self._settings.budget_megabytes * 1e6)
        self._bytes = 0
        self._is_stopping = False
        self._holds = 0
        # One lock for all queues: it is held for microseconds.
        self._lock = threading.RLock()
        self._arrived = threading.Condition(self._lock)
        self._taken = threading.Condition(self._lock)
        self._stopped = threading.Condition(self._lock)
        self._queues: list[_Queue] = []
        self._turns: deque[_Queue] = deque()
        metrics.queue_limit_bytes.set(self._budget)
        for source in sources:
            self.add(source)
        # A live source may be in a read that nothing but `close` from another thread ends.
        self._closer = threading.Thread(target=self._close_at_stop, name="close streams", daemon=True)
        self._closer.start()

    @property
    def is_live(self) -> bool:
        """Some stream goes on at the world's pace and must not be kept waiting."""
        with self._lock:
            return any(queue.is_live for queue in self._turns)

    def __iter__(self) -> Iterator[Given]:
        while (given := self.take()) is not None:
            yield given

    def add(self, source: Source) -> None:
        """Begin to read one more source. Any thread may call it."""
        with self._lock:
            queue = _Queue(source, self._settings, number=len(self._queues))
            self._queues.append(queue)
            self._turns.append(queue)
            self._metrics.frames.open(queue.stream)
            health = source.health if isinstance(source, Survivor) else None
            self._metrics.streams.open(queue.stream, health, is_live=queue.is_live)
            queue.thread = threading.Thread(
                target=self._decode, args=(queue,), name=f"decode {queue.stream}", daemon=True
            )
            queue.thread.start()

    def remove(self, stream: str) -> None:
        """Stop to read a stream. What waits of it can still be taken, and `Gone` after it. Any thread may call it."""
        with self._lock:
            leaving = [queue for queue in self._queues if queue.stream == stream and not queue.is_leaving]
            for queue in leaving:
                queue.is_leaving = True
                if queue not in self._turns:  # it was over before
                    self._turns.append(queue)
            self._taken.notify_all()
            self._arrived.notify_all()
        for queue in leaving:
            if isinstance(queue.source, Survivor):
                queue.source.close()

    def hold(self) -> None:
        """Do not be over when no stream is left: another one is on its way. Until `release` is called."""
        with self._lock:
            self._holds += 1

    def release(self) -> None:
        with self._lock:
            self._holds -= 1
            self._arrived.notify_all()

    def take(self, timeout_seconds: float | None = None) -> Given | None:
        """Return what the next stream has next; None where all streams are over, or nothing came in time."""
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        with self._lock:
            while self._turns or (self._holds and not self._is_stopping):
                if (queue := self._next_ready()) is not None:
                    if not queue.items:
                        return Gone(queue.stream)
                    item = queue.items.popleft()
                    if isinstance(item, Frame):
                        queue.waiting -= 1
                        self._count_bytes(queue, -item.nbytes)
                        self._taken.notify_all()
                    return item
                left = None if deadline is None else deadline - time.monotonic()
                is_over = not self._turns and not self._holds
                if is_over or (left is not None and left <= 0) or not self._arrived.wait(left):
                    return None
        return None

    def stop(self) -> None:
        """Decode no more. What waits of files can still be taken, and the gaps of live streams; their frames are
        dropped, for the end is not to wait for what nobody will ask for again.
        """
        with self._lock:
            self._is_stopping = True
            self._taken.notify_all()
            self._arrived.notify_all()
            self._stopped.notify_all()

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
        self._closer.join(_LIVE_JOIN_SECONDS)
        live_until = time.monotonic() + _LIVE_JOIN_SECONDS
        for queue in self._queues:
            queue.thread.join(max(0.0, live_until - time.monotonic()) if queue.is_live else _JOIN_SECONDS)
        with self._lock:
            for queue in self._queues:
                queue.is_closed = True
                self._drop_waiting(queue)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _next_ready(self) -> _Queue | None:
        """Return the queue whose turn it is and put it at the end of the line; None where one must be waited for.

        One without items that is returned is gone.
        """
        is_live = any(queue.is_live for queue in self._turns)
        for _ in range(len(self._turns)):
            queue = self._turns[0]
            if queue.is_live and self._is_stopping:
                self._drop_waiting(queue)
            # A live source that does not end when it is told to is not waited for.
            is_over = queue.is_over or (queue.is_live and (self._is_stopping or queue.is_leaving))
            if not queue.items and not is_over and not is_live:
                return None
            self._turns.popleft()
            if queue.items:
                self._turns.append(queue)
                return queue
            if not is_over:
                self._turns.append(queue)
            else:
                queue.is_closed = True
                if queue.is_leaving:
                    self._queues.remove(queue)
                    return queue
        return None

    def _close_at_stop(self) -> None:
        """Wait for the end and close the live sources, as their own threads cannot: the body of the closer's thread."""
        with self._lock:
            while not self._is_stopping:
                self._stopped.wait()
            sources = [queue.source for queue in self._queues if isinstance(queue.source, Survivor)]
        for source in sources:
            source.close()

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
                if not queue.is_closed:
                    self._metrics.streams.over(queue.stream)
                self._arrived.notify_all()

    def _read(self, queue: _Queue) -> None:
        items = iter(queue.source.items() if isinstance(queue.source, Survivor) else queue.source)
        while not self._is_stopping and not queue.is_leaving:
            if queue.is_live:  # a live source mostly waits, and how long is no work of a stage
                item = next(items, None)
            else:
                with self._metrics.stages("decode"):
                    item = next(items, None)
            if item is None:
                return
            with self._lock:
                if queue.is_closed:
                    return
                if isinstance(item, Gap):
                    self._metrics.streams.gap(item)
                    queue.items.append(item)
                    self._arrived.notify_all()
                else:
                    self._sort(queue, item)

    def _sort(self, queue: _Queue, frame: Frame) -> None:
        """Count a frame, and put it in the queue where it is to be looked at."""
        ledger, every = self._metrics.frames, self._settings.sample_every
        number = frame.index
        if queue.is_live:
            kept = self._keep_every(queue.stream)
            every *= kept
            # Where frames are left out, the one before the last has waited for too long already.
            queue.depth = 1 if kept > 1 else self._settings.live_frames
            number += queue.number  # so that not all pass over the same moment
        ledger.decoded(queue.stream, frame.pts_seconds + frame.duration_seconds)
        if frame.is_corrupt:
            ledger.corrupt(queue.stream)
        elif number % every:
            ledger.sampled_out(queue.stream)
        else:
            self._put(queue, frame)

    def _put(self, queue: _Queue, frame: Frame) -> None:
        if queue.is_live and self._is_stopping:
            self._metrics.frames.dropped(queue.stream, "shutdown")
            return
        while queue.waiting and self._is_full(queue, frame) and not self._is_stopping and not queue.is_leaving:
            if queue.is_live:
                self._drop_oldest(queue)
            else:
                self._taken.wait()
        queue.items.append(frame)
        queue.waiting += 1
        self._count_bytes(queue, frame.nbytes)
        self._arrived.notify_all()

    def _drop_oldest(self, queue: _Queue, reason: Literal["late", "shutdown"] = "late") -> None:
        oldest = next(item for item in queue.items if isinstance(item, Frame))
        queue.items.remove(oldest)
        queue.waiting -= 1
        self._count_bytes(queue, -oldest.nbytes)
        self._metrics.frames.dropped(queue.stream, reason)

    def _drop_waiting(self, queue: _Queue) -> None:
        while queue.waiting:
            self._drop_oldest(queue, "shutdown")

    def _is_full(self, queue: _Queue, frame: Frame) -> bool:
        return queue.waiting >= queue.depth or self._bytes + frame.nbytes > self._budget

    def _count_bytes(self, queue: _Queue, change: int) -> None:
        self._bytes += change
        self._metrics.queue_bytes.set(self._bytes)
        self._metrics.queued.labels(queue.stream).set(queue.waiting)


class _Queue:
    """One stream's waiting items.

    waiting: frames among them
    is_leaving: the stream is taken out of the run; is_closed: nobody takes anything of it any more
    """

    thread: threading.Thread

    def __init__(self, source: Source, settings: PrefetchSettings, *, number: int) -> None:
        self.source = source
        self.stream = source.info.name
        self.number = number
        self.is_live = source.info.is_live
        self.depth = settings.live_frames if self.is_live else settings.file_frames
        self.items: deque[Frame | Gap] = deque()
        self.waiting = 0
        self.is_over = False
        self.is_leaving = False
        self.is_closed = False
        self.error: Exception | None = None
