"""Events to a Kafka topic, by librdkafka's idempotent producer.

An event is a record: the stream is its key, so that a stream stays in one partition and in order; the value is a
CloudEvent as JSON; the headers `id` and `content-type` stand beside it.

What is under way stays with the library until it is acknowledged, however long that takes: only so it can keep the
order, and write nothing twice while the run lasts. What is given again meanwhile is not produced again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError
from pipeline.receivers import KafkaSettings
from pipeline.sinks.delivery import Delivery, Refused, Unavailable, needed
from pipeline.sinks.sink import Outlet
from pipeline.sinks.spool import Message

if TYPE_CHECKING:
    from confluent_kafka import KafkaError, Producer

_BATCH = 500
_POLL = 0.1  # seconds, from which an interruption is noticed

_log = logging.getLogger(__name__)


def open_kafka(outlet: Outlet) -> Delivery:
    """Return the sink `kafka`. Raises ConfigError, SinkError."""
    settings = outlet.config.kafka
    return Delivery("kafka", outlet, Kafka(settings, outlet.info.name), settings)


class Kafka:
    """A courier to one topic, for one stream."""

    batch = _BATCH

    def __init__(self, settings: KafkaSettings, stream: str) -> None:
        """Raises ConfigError."""
        servers = needed(settings.servers, "kafka.servers")
        _library()
        self.place = self.receiver = f"kafka://{servers}/{settings.topic}"
        self._settings = settings
        self._key = stream.encode()
        self._reason = "does not acknowledge in time"
        self._receipts: dict[str, KafkaError | None] = {}  # of those under way that were answered
        self._flying: set[str] = set()
        self._interrupted = threading.Event()
        self._producer = self._made()

    def deliver(self, messages: Sequence[Message]) -> int:
        for gone in self._receipts.keys() - {message.id for message in messages}:
            self._forget(gone)  # made room in the spool meanwhile
        for message in messages:
            if message.id not in self._flying:
                self._produce(message)
        end = time.monotonic() + self._settings.timeout_seconds
        while any(message.id not in self._receipts for message in messages):
            self._producer.poll(_POLL)
            if time.monotonic() > end or self._interrupted.is_set():
                break
        acknowledged = 0
        for message in messages:
            if self._receipts.get(message.id, True) is not None:
                break
            acknowledged += 1
            self._forget(message.id)
        if acknowledged:
            self._reason = "does not acknowledge in time"
            return acknowledged
        error = self._receipts.get(messages[0].id)
        if error is None:
            raise Unavailable(self._reason)
        self._forget(messages[0].id)
        if error.code() in _refusals():
            raise Refused(error.str())
        self._start_anew()
        raise Unavailable(error.str())

    def interrupt(self) -> None:
        self._interrupted.set()

    def close(self) -> None:
        self._producer.purge()
        self._producer.poll(0)

    def _produce(self, message: Message) -> None:
        kafka = _library()

        def receipt(error: KafkaError | None, record: Any) -> None:
            if message.id in self._flying:
                self._receipts[message.id] = error

        headers: list[tuple[str, str | bytes | None]] = [
            ("id", message.id.encode()),
            ("content-type", b"application/cloudevents+json"),
        ]
        self._flying.add(message.id)
        try:
            self._producer.produce(self._settings.topic, message.body, self._key, headers=headers, on_delivery=receipt)
        except kafka.KafkaException as exception:
            self._receipts[message.id] = exception.args[0]
        except BufferError as error:
            self._forget(message.id)
            raise Unavailable("the library holds as much as it can") from error

    def _forget(self, identity: str) -> None:
        self._flying.discard(identity)
        self._receipts.pop(identity, None)

    def _start_anew(self) -> None:
        """Throw the producer away with what is under way, so that nothing overtakes what comes again."""
        self._receipts = {identity: error for identity, error in self._receipts.items() if error is None}
        self._flying = set(self._receipts)
        self._producer.purge()
        self._producer = self._made()

    def _made(self) -> Producer:
        kafka, settings = _library(), self._settings
        given = {
            "bootstrap.servers": settings.servers,
            "security.protocol": settings.security,
            "sasl.mechanism": settings.mechanism if settings.security.startswith("sasl") else None,
            "sasl.username": settings.username,
            "sasl.password": settings.password,
            "ssl.ca.location": settings.ca_file,
        }
        options: Mapping[str, Any] = {
            **{key: value for key, value in given.items() if value is not None},
            "client.id": "wayside",
            "enable.idempotence": True,
            "message.timeout.ms": 0,  # never: see the module
            "linger.ms": 5,
            "compression.type": "zstd",
            "error_cb": self._note,
            "logger": _log.getChild("library"),
            "log_level": 0,  # it repeats what error_cb tells, every second of an outage
        }
        try:
            return kafka.Producer(options)  # type: ignore[no-any-return]
        except (kafka.KafkaException, ValueError, TypeError) as error:
            told = error.args[0].str() if isinstance(error, kafka.KafkaException) else str(error)
            raise ConfigError(f"kafka: {told}") from None  # the original may quote the settings

    def _note(self, error: KafkaError) -> None:
        """Keep what the library says of the whole: that no broker is up, that it may not log in."""
        self._reason = error.str()


def _library() -> Any:
    try:
        import confluent_kafka
    except ImportError as error:
        raise ConfigError("the sink 'kafka' needs confluent-kafka: pip install 'wayside[kafka]'") from error
    return confluent_kafka


def _refusals() -> set[int]:
    """Return the errors that stay, whatever is done about the cluster: of size and format."""
    errors = _library().KafkaError
    return {errors.MSG_SIZE_TOO_LARGE, errors.INVALID_MSG, errors.INVALID_MSG_SIZE, errors.INVALID_RECORD}
