"""A live stream that survives: it watches its connection, gives it up, and connects again. Knows no protocol.

A connection is opened and read in a thread of its own, a daemon, since nothing stops a read that hangs; `items` waits
for its frames no longer than it must. One that is in trouble is told to close and left to itself.
"""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, runtime_checkable

from streams.backoff import Backoff
from streams.errors import ReadTimeout, StreamError
from streams.frame import Frame, StreamInfo
from streams.gap import Gap, Health, Reason, State, WallClock
from streams.stillness import Stillness
from streams.timeline import TICKS, TIME_BASE, Place, Timeline
from streams.urls import redact

log = logging.getLogger(__name__)

_LOOKAHEAD_SECONDS = 0.2
"""A frame waits so long for the next one, which tells how long it lasted; then it goes with what is typical."""

_MOST_READERS = 4
"""Threads of one stream that may hang at once; while they do, it is not connected again."""

_QUEUE = 2

_FPS_SECONDS = 5.0

_UNTOLD_SECONDS = 0.5
"""What network and decoder may have taken before a frame came, which nothing tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """How a live stream is watched, and when it is given up and connected again.

    stall_seconds: so long without a decoded frame is a stall. Goes up: pauses of a weak network are borne, and a dead
        camera is noticed later
    open_timeout_seconds: until the server has answered and the stream is known
    first_frame_seconds: until the first picture, which waits for the next key frame
    backoff_seconds: longest wait before connecting again. Goes up: fewer attempts, and a source that is back is seen
        later
    refused_seconds: the same where the server turned the credentials down, since some lock the account
    healthy_seconds: after so long with frames the waits begin anew
    frozen_seconds, black_seconds: after so long the picture counts as frozen or black; 0 never
    longest_side: of a picture, in pixels; what claims more is refused
    isolate: each stream that does not say otherwise is decoded in a process of its own
    isolate_megabytes: of memory that such a process may ask for, its libraries included. Goes up: larger pictures fit,
        and a decoder that runs wild takes more before it is stopped
    """

    stall_seconds: float = 3.0
    open_timeout_seconds: float = 5.0
    first_frame_seconds: float = 10.0
    backoff_seconds: float = 4.0
    refused_seconds: float = 60.0
    healthy_seconds: float = 10.0
    frozen_seconds: float = 10.0
    black_seconds: float = 5.0
    longest_side: int = 8192
    isolate: bool = False
    isolate_megabytes: int = 1536

    def __post_init__(self) -> None:
        for name in ("stall_seconds", "open_timeout_seconds", "first_frame_seconds", "backoff_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")
        for name in ("refused_seconds", "healthy_seconds", "frozen_seconds", "black_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")
        if not 16 <= self.longest_side <= 16384:
            raise ValueError(f"longest_side must be between 16 and 16384, got {self.longest_side}")
        if not 1 <= self.isolate_megabytes <= 1 << 20:
            raise ValueError(f"isolate_megabytes must be between 1 and 1048576, got {self.isolate_megabytes}")


class Connection(Protocol):
    """One connection to a live stream. It is iterated once, in one thread, and never connects again.

    Its end, like any trouble, raises StreamError, whose `reason` says what it was. Frames carry its own PTS, time base
    and index. `close` may be called from another thread, and makes a read that waits return in some seconds; the
    reading thread then sets free what the connection holds.

    wall_clock: how its `pts_seconds` lie in the world's time, None where the stream does not say; it may be known late
    """

    @property
    def info(self) -> StreamInfo: ...

    @property
    def corrupt_packets(self) -> int: ...

    @property
    def wall_clock(self) -> WallClock | None: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


@runtime_checkable
class SlowConnection(Connection, Protocol):
    """A connection that is there before it is open, so that `close` can end that too.

    start_seconds: what it may take before it begins to connect
    """

    @property
    def start_seconds(self) -> float: ...

    def wait_started(self) -> None:
        """Wait until it begins to connect: first of all. Raises StreamError."""
        ...

    def wait_open(self) -> None:
        """Wait until the stream is known: after that, and before the iteration. Raises StreamError."""
        ...


class LiveSource:
    """The frames of a live stream for as long as somebody wants them, and the gaps between them.

    Nothing is connected before `items` is iterated: once, in one thread. `health` and `close` are for any thread.

    url: for the log, without its secrets
    connect: opens a connection, which may take its time; raises StreamError
    backend, backend_reason: name of what connects, and why it is that one, for `health`
    backoff, wall_time: for tests
    """

    def __init__(
        self,
        url: str,
        *,
        name: str,
        connect: Callable[[], Connection],
        settings: LiveSettings | None = None,
        backend: str = "pyav",
        backend_reason: str = "",
        backoff: Backoff | None = None,
        wall_time: Callable[[], float] = time.time,
    ) -> None:
        self.info = StreamInfo(name, None, None, TIME_BASE, True, None, None)
        self.resolution_changes = 0
        self.is_truncated = False
        self._url = redact(url)
        self._connect = connect
        self._settings = settings or LiveSettings()
        self._backend, self._backend_reason = backend, backend_reason
        self._backoff = backoff or Backoff(cap_seconds=self._settings.backoff_seconds)
        self._wall_time = wall_time
        self._timeline = Timeline()
        self._stillness = Stillness(
            frozen_seconds=self._settings.frozen_seconds, black_seconds=self._settings.black_seconds
        )
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._readers: list[_Reader] = []
        self._corrupt_before = 0
        self._index = 0
        self._gap: Gap | None = None
        self._gap_began_at = 0.0
        self._started_at = 0.0
        # What `health` tells, under the lock.
        self._state: State = "connecting"
        self._since = time.monotonic()
        self._reason: Reason | None = None
        self._message = ""
        self._reconnects: Counter[Reason] = Counter()
        self._arrivals: deque[float] = deque(maxlen=1000)
        self._last_frame_at: float | None = None
        self._wall_clock: WallClock | None = None
        self._discontinuities = 0

    @property
    def corrupt_packets(self) -> int:
        """Pieces that could not be decoded and were passed over, so far."""
        readers = list(self._readers)
        return self._corrupt_before + sum(reader.corrupt_packets for reader in readers)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames alone, for who takes no account of the time between them."""
        return (item for item in self.items() if isinstance(item, Frame))

    def items(self) -> Iterator[Frame | Gap]:
        """Yield frames on one rising line of time, and the gaps between them, until `close`."""
        self._started_at = time.monotonic()
        try:
            while not self._closed.is_set():
                if not self._has_room_for_a_reader():
                    self._closed.wait(self._settings.stall_seconds)
                    continue
                if self._gap is not None:
                    self._gap = replace(self._gap, attempts=self._gap.attempts + 1)
                error: StreamError | None = None
                reader = _Reader(self._connect, self.info.name)
                try:
                    yield from self._read(reader)
                except StreamError as caught:
                    error = caught
                finally:
                    reader.stop()
                if error is None:
                    return
                yield from self._tell_trouble(error)
                self._wait(error)
        finally:
            self._closed.set()
            self._enter("ended")

    def connect(self) -> Connection:
        """Open a connection for whoever wants it without what this class does around it. Raises StreamError."""
        connection = self._connect()
        if isinstance(connection, SlowConnection):
            connection.wait_started()
            connection.wait_open()
        return connection

    def health(self) -> Health:
        """Return how the stream is. Any thread; never waits for the network."""
        with self._lock:
            now = time.monotonic()
            arrivals = [at for at in self._arrivals if now - at <= _FPS_SECONDS]
            span = arrivals[-1] - arrivals[0] if len(arrivals) > 1 else 0.0
            return Health(
                state=self._state,
                since=self._since,
                backend=self._backend,
                backend_reason=self._backend_reason,
                last_frame_at=self._last_frame_at,
                reason=self._reason,
                message=self._message,
                reconnects=MappingProxyType(dict(self._reconnects)),
                fps=(len(arrivals) - 1) / span if span > 0 else None,
                wall_clock=self._wall_clock,
                discontinuities=self._discontinuities,
            )

    def close(self) -> None:
        """End `items`, wherever it waits."""
        self._closed.set()
        for reader in list(self._readers):
            reader.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def _has_room_for_a_reader(self) -> bool:
        """Forget the readers that have ended, and say whether another may begin."""
        ended = [reader for reader in self._readers if not reader.is_alive()]
        self._corrupt_before += sum(reader.corrupt_packets for reader in ended)
        self._readers = [reader for reader in self._readers if reader not in ended]
        return len(self._readers) < _MOST_READERS

    def _read(self, reader: _Reader) -> Iterator[Frame | Gap]:
        """Yield what one connection gives until `close`; raises StreamError at its end."""
        self._enter("connecting")
        self._readers.append(reader)
        self._timeline.begin()
        self._stillness.forget()
        clock = _Clock(self._wall_time)
        held: Frame | None = None
        began_at = None
        reader.start()
        try:
            while True:
                raw = self._next(reader, is_hasty=held is not None)
                if self._closed.is_set():
                    break
                if raw is None:  # the frame that is held has waited long enough
                    assert held is not None
                    yield held
                    held = None
                    continue
                end_seconds = self._timeline.end_seconds
                place = self._timeline.place(raw.pts, raw.time_base, raw.received_at)
                if held is not None:
                    yield held if place.is_hole else _lasting(held, place.tick)
                    held = None
                if began_at is None:
                    began_at = raw.received_at
                elif raw.received_at - began_at >= self._settings.healthy_seconds:
                    self._backoff.reset()
                yield from self._tell_gap(place, raw.received_at, end_seconds)
                held = self._placed(raw, place, clock, reader)
        except StreamError:
            if held is not None:
                yield held
            raise
        if held is not None:
            yield held

    def _next(self, reader: _Reader, *, is_hasty: bool) -> Frame | None:
        """Wait for the next frame; None where hasty and it is not there soon, or on `close`. Raises StreamError."""
        settings = self._settings
        soon = time.monotonic() + _LOOKAHEAD_SECONDS if is_hasty else float("inf")
        while not self._closed.is_set():
            reason: Reason = "timeout"
            if reader.last_at is not None:
                since, seconds, what, reason = reader.last_at, settings.stall_seconds, "no picture for", "stall"
            elif reader.opened_at is not None:
                since, seconds, what = reader.opened_at, settings.first_frame_seconds, "no picture within"
            else:
                since, start_seconds = reader.begun
                seconds, what = settings.open_timeout_seconds, "no answer within"
                if start_seconds:
                    seconds, what, reason = start_seconds, "its process did not start within", "decoder"
            frame = reader.take(min(since + seconds, soon))
            if frame is not None or self._closed.is_set():
                return frame
            now = time.monotonic()
            if now >= since + seconds and since == (reader.last_at or reader.opened_at or reader.begun[0]):
                raise ReadTimeout(f"{self._url}: {what} {seconds:g} s", reason=reason)
            if now >= soon:
                return None
        return None

    def _placed(self, raw: Frame, place: Place, clock: _Clock, reader: _Reader) -> Frame:
        """Return a connection's frame as one of this stream's, lasting as long as most do."""
        seconds = place.tick / TICKS
        wall_clock = clock(raw, seconds, reader.wall_clock)
        frame = replace(
            raw,
            stream=self.info.name,
            index=self._index,
            pts=place.tick,
            time_base=TIME_BASE,
            pts_seconds=seconds,
            duration_seconds=self._timeline.typical_step / TICKS,
            wall_clock=wall_clock,
        )
        self._index += 1
        size_wh = self.info.size_wh
        if frame.size_wh != size_wh:
            if size_wh is not None:
                self.resolution_changes += 1
                log.warning("%s: %dx%d, was %dx%d", self.info.name, *frame.size_wh, *size_wh)
            self.info = replace(self.info, size_wh=frame.size_wh)
        state = self._stillness.look(frame)
        with self._lock:
            self._arrivals.append(frame.received_at)
            self._last_frame_at = frame.received_at
            self._wall_clock = wall_clock
        self._enter(state, None if state == "live" else state)
        return frame

    def _tell_gap(self, place: Place, at: float, end_seconds: float) -> Iterator[Gap]:
        """Yield the end of a gap that lasts until this frame, or the whole of one that nobody knew of.

        end_seconds: at which the frame before it ended
        """
        seconds = place.tick / TICKS
        if place.jump_seconds:
            with self._lock:
                self._discontinuities += 1
        if self._gap is None and place.is_hole:
            message = f"{self._url}: frames were lost"
            if place.jump_seconds:
                message = f"{self._url}: its clock jumped by {place.jump_seconds:.3f} s"
            log.warning("%s: %s", self.info.name, message)
            reason: Reason = "other" if place.jump_seconds else "stall"
            start = min(end_seconds, seconds)
            self._gap = Gap(self.info.name, reason, start, lost_seconds=seconds - start, message=message)
            yield self._gap
        if self._gap is None:
            return
        lost = seconds - self._gap.start_seconds if place.tick else at - self._gap_began_at
        gap, self._gap = replace(self._gap, end_seconds=seconds, lost_seconds=max(0.0, lost)), None
        log.warning("%s: watched again, %.1f s were not (attempts: %d)", gap.stream, gap.lost_seconds, gap.attempts)
        yield gap

    def _tell_trouble(self, error: StreamError) -> Iterator[Gap]:
        """Count the trouble, and yield the gap that begins with it unless one lasts already."""
        now = time.monotonic()
        message = str(error)
        with self._lock:
            self._reconnects[error.reason] += 1
        self._enter("stalled", error.reason, message)
        if self._gap is not None:
            log.info("%s: %s", self.info.name, message)
            return
        log.warning("%s: %s", self.info.name, message)
        began_at = self._last_frame_at if self._last_frame_at is not None else self._started_at
        self._gap_began_at = began_at
        start, lost = self._timeline.end_seconds, max(0.0, now - began_at)
        self._gap = Gap(self.info.name, error.reason, start, lost_seconds=lost, message=message)
        yield self._gap

    def _wait(self, error: StreamError) -> None:
        """Wait before connecting again, or until `close`."""
        if error.reason == "refused":
            seconds = self._backoff.longer_seconds(self._settings.refused_seconds)
            self._enter("refused", error.reason, str(error))
        else:
            seconds = self._backoff.next_seconds()
            self._enter("waiting", error.reason, str(error))
        self._closed.wait(seconds)

    def _enter(self, state: State, reason: Reason | None = None, message: str = "") -> None:
        with self._lock:
            before = self._state
            if state != before:
                self._state, self._since = state, time.monotonic()
            if state != "connecting":  # which goes on telling why it must
                self._reason, self._message = reason, message
        if state != before and state in ("frozen", "black"):
            log.warning("%s: the picture is %s", self.info.name, state)
        elif state == "live" and before in ("frozen", "black"):
            log.warning("%s: the picture is no longer %s", self.info.name, before)


class _Reader(threading.Thread):
    """One attempt at the stream: opens a connection, and reads it into a short queue until it is stopped.

    begun: monotonic time at which it began to connect; or to start what connects, and the seconds that this may take
    opened_at, last_at: monotonic times of what has happened so far, None for what has not
    """

    def __init__(self, connect: Callable[[], Connection], stream: str) -> None:
        super().__init__(name=f"read {stream}", daemon=True)
        self.begun = time.monotonic(), 0.0
        self.opened_at: float | None = None
        self.last_at: float | None = None
        self._open = connect
        self._connection: Connection | None = None
        self._is_stopping = False
        self._error: StreamError | None = None
        self._is_over = False
        self._frames: deque[Frame] = deque()
        self._changed = threading.Condition()

    @property
    def wall_clock(self) -> WallClock | None:
        connection = self._connection
        return None if connection is None else connection.wall_clock

    @property
    def corrupt_packets(self) -> int:
        connection = self._connection
        return 0 if connection is None else connection.corrupt_packets

    def take(self, deadline: float) -> Frame | None:
        """Return the next frame, None at the deadline or once stopped; raises what ended the connection."""
        with self._changed:
            while not self._frames and not self._is_over and not self._is_stopping:
                before, left = (self.begun, self.opened_at), deadline - time.monotonic()
                if left <= 0 or not self._changed.wait(left) or before != (self.begun, self.opened_at):
                    return None
            if self._frames and not self._is_stopping:
                frame = self._frames.popleft()
                self.last_at = time.monotonic()  # who takes frames late is not to blame the stream for it
                self._changed.notify_all()
                return frame
            if self._error is not None and not self._is_stopping:
                raise self._error
            return None

    def stop(self) -> None:
        """Read no more, and close the connection as soon as may be. Any thread; does not wait."""
        with self._changed:
            self._is_stopping = True
            self._frames.clear()
            self._changed.notify_all()
            connection = self._connection
        if connection is not None:
            connection.close()

    def run(self) -> None:
        try:
            self._run()
        except StreamError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001  a stream that makes us stumble must not end the watch over it
            at = traceback.extract_tb(error.__traceback__)[-1]
            # Not its text, which may hold an address as it is.
            self._error = StreamError(
                f"{self.name}: an error of this program: {type(error).__name__} at {at.name}, line {at.lineno}"
            )
        finally:
            with self._changed:
                self._is_over = True
                self._changed.notify_all()

    def _run(self) -> None:
        connection = self._open()
        with self._changed:
            self._connection = connection
            is_stopping = self._is_stopping
        if is_stopping:
            connection.close()
        if isinstance(connection, SlowConnection):
            self._begin(connection.start_seconds)
            connection.wait_started()
            self._begin(0.0)
            connection.wait_open()
        with self._changed:
            self.opened_at = time.monotonic()
            self._changed.notify_all()
        for frame in connection:  # its own `finally` sets free what it holds
            if not self._put(frame):
                connection.close()
        raise StreamError("the stream ended", reason="end")

    def _begin(self, start_seconds: float) -> None:
        with self._changed:
            self.begun = time.monotonic(), start_seconds
            self._changed.notify_all()

    def _put(self, frame: Frame) -> bool:
        with self._changed:
            while len(self._frames) >= _QUEUE and not self._is_stopping:
                self._changed.wait()
            if self._is_stopping:
                return False
            self._frames.append(frame)
            self.last_at = time.monotonic()
            self._changed.notify_all()
            return True


class _Clock:
    """How the times of one connection lie in the world's, told of the stream's own line of time. Single-threaded.

    Where the stream does not say, a frame's time is when it came. The frame that came the soonest after its PTS says it
    best; the system's clock is read once, so that setting it does not tear the stream's times apart.
    """

    def __init__(self, wall_time: Callable[[], float]) -> None:
        self._wall_at_zero = wall_time() - time.monotonic()
        self._lags: deque[float] = deque(maxlen=100)
        self._least = float("inf")
        self._told: WallClock | None = None

    def __call__(self, raw: Frame, seconds: float, told: WallClock | None) -> WallClock:
        """Return the clock for a frame that lies at `seconds`; `told` is what its connection says of its own times."""
        if told is not None:
            started_at = told.started_at + timedelta(seconds=raw.pts_seconds - seconds)
            return self._same_or(WallClock(started_at, told.method, told.error_seconds))
        lag = raw.received_at - seconds
        self._lags.append(lag)
        self._least = min(self._least, lag)
        started_at = datetime.fromtimestamp(self._wall_at_zero + self._least, UTC)
        error_seconds = _UNTOLD_SECONDS + round(max(self._lags) - self._least, 1)
        return self._same_or(WallClock(started_at, "arrival", error_seconds))

    def _same_or(self, clock: WallClock) -> WallClock:
        """Return the clock that was told last unless this one tells something else."""
        last = self._told
        if (
            last is None
            or last.method != clock.method
            or last.error_seconds != clock.error_seconds
            or abs(last.started_at - clock.started_at) > timedelta(milliseconds=1)
        ):
            self._told = last = clock
        return last


def _lasting(frame: Frame, until: int) -> Frame:
    """Return a frame that lasts until a tick."""
    return replace(frame, duration_seconds=(until - frame.pts) / TICKS)
