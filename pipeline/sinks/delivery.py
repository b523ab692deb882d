"""The sink in front of every receiver: events go into a spool, and a thread takes them from there to the receiver.

So detection waits for the disk at most, never for the network. What a receiver is, a courier knows (`webhook.py`,
`mqtt.py`, `kafka.py`); order, repetition, back-off and what was delivered are known here alone.

What is promised: an event is on the disk when `write` returns; it is sent in its stream's order, at least once, always
under the same id, and never again once its receipt is on the disk. Between a receiver's acknowledgement and that lies
one commit, some milliseconds: an event whose acknowledgement is lost there, or on the wire, is sent again under its id.
"""

from __future__ import annotations

import json
import logging
import random
import ssl
import threading
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol
from urllib.parse import quote

from pipeline.errors import ConfigError
from pipeline.events import EVENTS, Event, row, utc
from pipeline.receivers import DeliverySettings
from pipeline.sinks.sink import Outlet
from pipeline.sinks.spool import DeadLetters, Message, Spool
from streams.frame import StreamInfo

_log = logging.getLogger(__name__)

_FIRST_PAUSE = 0.5  # seconds at most, before the second attempt; doubled for each that follows
_GRACE = 2.0  # seconds that a courier has to give up what it is doing
_NAMESPACE = uuid.UUID("6f4a1e52-6a0b-5d0e-9d5f-3c1f0a7e9b11")
_NEIGHBOURS = 1024  # events among which equal ones are told apart; they hold their times, so equal ones are close


class Unavailable(Exception):  # noqa: N818  said as it is
    """The receiver cannot be had now: try again, after so many seconds at least. The reason holds no secrets."""

    def __init__(self, reason: str, after_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.after_seconds = after_seconds


class Refused(Exception):  # noqa: N818
    """The receiver will never take the first of the messages. The reason holds no secrets."""


class Courier(Protocol):
    """Takes messages to one receiver. Called from one thread, but for `interrupt`.

    place: of the receiver, as it may be shown
    receiver: the same for as long as it is the same receiver, which user and password may change; never shown
    batch: messages that it can take at once
    """

    @property
    def place(self) -> str: ...

    @property
    def receiver(self) -> str: ...

    @property
    def batch(self) -> int: ...

    def deliver(self, messages: Sequence[Message]) -> int:
        """Return how many of the first messages the receiver has acknowledged, 1 or more; raise Unavailable or Refused.

        Those after them may be on their way; they are given again.
        """
        ...

    def interrupt(self) -> None:
        """Make a `deliver` that is under way raise Unavailable soon, and every one after it."""
        ...

    def close(self) -> None: ...


class Delivery:
    """A sink of all events. See the module."""

    takes = EVENTS

    def __init__(self, name: str, outlet: Outlet, courier: Courier, settings: DeliverySettings) -> None:
        """name: of the sink, for its files and metrics. Raises SinkError."""
        self._labels = (outlet.info.name, name)
        self._envelope = Envelope(outlet.info, outlet.media)
        self._courier = courier
        self._settings = settings
        self._metrics = outlet.metrics
        limit, is_dropping = round(settings.spool_megabytes * 1e6), settings.when_full == "drop_oldest"
        self._spool = Spool(
            outlet.folder / "spool" / f"{name}.sqlite",
            receiver=courier.receiver,
            limit_bytes=limit,
            is_dropping=is_dropping,
            remember=settings.remember_events,
        )
        dead = self._spool.path.with_suffix(".dead.jsonl")
        self._dead = DeadLetters(dead, limit_bytes=limit, is_dropping=is_dropping)
        self._error: Exception | None = None
        self._news = threading.Event()
        self._closing = threading.Event()
        self._stop = threading.Event()
        self._show()
        self._metrics.spool_limit_bytes.labels(*self._labels).set(limit)
        self._thread = threading.Thread(target=self._run, name=f"delivery {name}", daemon=True)
        self._thread.start()

    def write(self, event: Event) -> None:
        """Spool an event; on return it is on the disk. Raises what has ended the delivery since."""
        if self._error is not None:
            raise self._error
        before = self._spool.dropped
        if self._spool.put(self._envelope(event)):
            self._news.set()
        if lost := self._spool.dropped - before:
            self._metrics.events_lost.labels(*self._labels).inc(lost)
        self._show()

    def close(self) -> None:
        """Wait for the spool to empty, for so long as is configured, and say what stays in it."""
        self._closing.set()
        self._news.set()
        self._thread.join(self._settings.close_seconds)
        if self._thread.is_alive():
            self._stop.set()
            self._courier.interrupt()
            self._thread.join(_GRACE)
        if self._spool.count:
            _log.warning(
                "%s: %d events wait in %s for %s; the next run into the same folder sends them",
                *(self._labels[0], self._spool.count, self._spool.path, self._courier.place),
            )
        if not self._thread.is_alive():  # else it hangs in the network, and is left behind with its files
            self._spool.close()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._deliver_all()
        except Exception as error:  # noqa: BLE001  whatever ends the delivery is for the one who writes to it
            self._error = error
        finally:
            self._courier.close()

    def _deliver_all(self) -> None:
        failures = 0
        while not self._stop.is_set():
            self._news.clear()  # before looking: what comes after the look wakes again
            messages = self._spool.first(self._courier.batch)
            if not messages:
                if self._closing.is_set():
                    return
                self._news.wait()
                continue
            try:
                count = self._courier.deliver(messages)
            except Refused as refusal:
                self._bury(messages[0], str(refusal))
            except Unavailable as outage:
                failures += 1
                self._fail(failures, outage)
            else:
                if failures:
                    _log.info("%s: %s takes events again", self._labels[0], self._courier.place)
                failures = 0
                self._spool.delivered(messages[:count])
                self._metrics.events_delivered.labels(*self._labels).inc(count)
            self._show()

    def _fail(self, failures: int, outage: Unavailable) -> None:
        """Count a failed attempt, say the first of a row, and pause: anything up to a time that doubles (full jitter).

        So that all who lost a receiver at once do not come back at once. The end of the run cuts a pause short, and
        those that follow are short.
        """
        if self._stop.is_set():
            return
        self._metrics.delivery_failures.labels(*self._labels).inc()
        if failures == 1:
            _log.warning("%s: %s: %s; events wait in the spool", self._labels[0], self._courier.place, outage)
        is_last_chance = self._closing.is_set()
        doublings = 0 if is_last_chance else min(failures - 1, 30)
        longest = min(self._settings.retry_seconds, _FIRST_PAUSE * 2**doublings)
        pause = max(outage.after_seconds, random.uniform(0, longest))
        (self._stop if is_last_chance else self._closing).wait(pause)

    def _bury(self, message: Message, reason: str) -> None:
        """Put aside what will never be taken, so that it holds up nothing behind it."""
        _log.warning("%s: %s refuses event %s: %s", self._labels[0], self._courier.place, message.id, reason)
        is_kept = self._dead.write(message, reason)
        (self._metrics.dead_letters if is_kept else self._metrics.events_lost).labels(*self._labels).inc()
        self._spool.discard(message)

    def _show(self) -> None:
        self._metrics.spool_events.labels(*self._labels).set(self._spool.count)
        self._metrics.spool_bytes.labels(*self._labels).set(self._spool.nbytes)


@dataclass(slots=True)
class Envelope:
    """Makes messages of one stream's events: CloudEvents 1.0 in JSON, each with an id that is the same in every run.

    An impression has its own id. The id of other events is made of the stream, of what `media` says of its content, of
    the event, and of how many equal ones came before it. A live stream never comes again: its ids are of this run.
    """

    info: StreamInfo
    media: str = ""
    _recent: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        if self.info.is_live:
            self.media += f" {uuid.uuid4()}"

    def __call__(self, event: Event) -> Message:
        data = row(event)
        known = getattr(event, "id", None)
        identity = known if isinstance(known, str) and known else self._identity(_json(data))
        envelope = {
            "specversion": "1.0",
            "id": identity,
            "source": f"/wayside/{quote(self.info.name)}",
            "type": f"wayside.{event.type}",
            **({"time": moment} if (moment := self._time(event)) else {}),
            "datacontenttype": "application/json",
            "data": data,
        }
        return Message(identity, event.type, _json(envelope).encode())

    def _identity(self, text: str) -> str:
        ordinal = self._recent.pop(text, 0)
        self._recent[text] = ordinal + 1  # at the end: the longest unseen is forgotten first
        if len(self._recent) > _NEIGHBOURS:
            del self._recent[next(iter(self._recent))]
        return str(uuid.uuid5(_NAMESPACE, _json([self.info.name, self.media, text, ordinal])))

    def _time(self, event: Event) -> str | None:
        """Return when it happened, UTC, where the stream's clock is tied to the world's."""
        for name in ("end_at", "at"):
            if isinstance(known := getattr(event, name, None), str):
                return known
        if self.info.started_at is None:
            return None
        seconds = getattr(event, "pts_seconds", getattr(event, "end_seconds", None))
        if seconds is None:
            return None
        return utc(self.info.started_at + timedelta(seconds=seconds))


def needed(value: str | None, key: str) -> str:
    """Return a setting without which a sink cannot be; ConfigError where it is missing."""
    if value is None:
        raise ConfigError(f"{key}: is missing; the sink {key.partition('.')[0]!r} needs it")
    return value


def trusted(ca_file: str | None, key: str) -> ssl.SSLContext:
    """Return a TLS context that checks certificates; ConfigError where the authorities cannot be read."""
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:
        raise ConfigError(f"{key}: {ca_file}: {error.strerror or 'holds no certificate'}") from error


def reason(error: Exception) -> str:
    """Say what went wrong on the way to a receiver, without what was sent."""
    if isinstance(error, TimeoutError):
        return "does not answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return (isinstance(error, OSError) and error.strerror) or type(error).__name__


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
