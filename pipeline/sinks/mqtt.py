"""Events to an MQTT 5 broker, QoS 1, by paho-mqtt.

An event is a message to `TOPIC/STREAM/TYPE`: a CloudEvent as JSON, with its id as the user property `id` too.
`TOPIC/STREAM/availability` says `online` while the run is connected, else `offline`, retained; where the run dies, the
broker says it.

A connection that fails is thrown away with all that was under way, and made anew by the next attempt. That way the
order and the pauses are those of `delivery.py`, not the library's.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote, urlsplit

from pipeline.errors import ConfigError
from pipeline.receivers import MqttSettings, place
from pipeline.sinks.delivery import Delivery, Refused, Unavailable, needed, reason, trusted
from pipeline.sinks.sink import Outlet
from pipeline.sinks.spool import Message

if TYPE_CHECKING:
    from paho.mqtt.client import Client
    from paho.mqtt.properties import Properties
    from paho.mqtt.reasoncodes import ReasonCode

_BATCH = 20  # what a broker must be ready to hold unacknowledged at least, in practice
_KEEPALIVE = 30  # seconds; after 1.5 times as much without a word the broker says `offline`
_FAREWELL = 1.0  # seconds at most
_REFUSALS = {0x90, 0x95, 0x99}  # the topic's name, the size or the format is none that it will ever take


def open_mqtt(outlet: Outlet) -> Delivery:
    """Return the sink `mqtt`. Raises ConfigError, SinkError."""
    settings = outlet.config.mqtt
    return Delivery("mqtt", outlet, Mqtt(settings, outlet.info.name), settings)


class Mqtt:
    """A courier to one broker, for one stream. Connects when there is something to deliver first."""

    batch = _BATCH

    def __init__(self, settings: MqttSettings, stream: str) -> None:
        """Raises ConfigError."""
        url = needed(settings.url, "mqtt.url")
        _library()
        self.place = place(url)
        self._parts = urlsplit(url)
        self._timeout = settings.timeout_seconds
        self._topic = f"{settings.topic}/{stream}"
        self.receiver = f"{self.place}/{self._topic}"
        self._tls = trusted(settings.ca_file, "mqtt.ca_file") if self._parts.scheme == "mqtts" else None
        self._client: Client | None = None
        self._changed = threading.Condition()
        # Told by the library's thread, under the condition:
        self._answer: ReasonCode | None = None  # to the connection
        self._is_lost = False
        self._receipts: dict[int, ReasonCode] = {}
        self._is_interrupted = False

    def deliver(self, messages: Sequence[Message]) -> int:
        client = self._client or self._connected()
        numbers = [self._publish(client, message) for message in messages]
        codes = self._acknowledged(numbers)
        acknowledged = next((n for n, code in enumerate(codes) if code is None or code.is_failure), len(codes))
        if acknowledged < len(codes):
            self._drop()  # with what is under way, so that nothing overtakes what comes again
        if acknowledged:
            return acknowledged
        first = codes[0]
        if first is None:
            raise Unavailable("closes the connection" if self._is_lost else "does not acknowledge in time")
        raise (Refused if first.value in _REFUSALS else Unavailable)(f"answers {first}")

    def interrupt(self) -> None:
        with self._changed:
            self._is_interrupted = True
            self._changed.notify_all()

    def close(self) -> None:
        if self._client is None:
            return
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.reasoncodes import ReasonCode

        # The broker then says `offline`, as it does where the run dies.
        self._client.disconnect(ReasonCode(PacketTypes.DISCONNECT, "Disconnect with will message"))
        with self._changed:
            self._changed.wait_for(lambda: self._is_lost, _FAREWELL)
        self._drop()

    def _connected(self) -> Client:
        """Connect, say so, and return the client. Raises Unavailable."""
        mqtt = _library()
        client: Client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, reconnect_on_failure=False)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.connect_timeout = self._timeout
        client.will_set(f"{self._topic}/availability", "offline", qos=1, retain=True)
        if self._parts.username is not None:
            client.username_pw_set(unquote(self._parts.username), unquote(self._parts.password or ""))
        if self._tls is not None:
            client.tls_set_context(self._tls)
        with self._changed:
            self._answer, self._is_lost, self._receipts = None, False, {}
        port = self._parts.port or (1883 if self._tls is None else 8883)
        try:
            client.connect(self._parts.hostname or "", port, keepalive=_KEEPALIVE)
        except (OSError, ValueError) as error:
            raise Unavailable(reason(error)) from error
        self._client = client
        client.loop_start()
        self._wait(lambda: self._answer is not None)
        with self._changed:
            answer = self._answer
        if answer is None or answer.is_failure:
            self._drop()
            raise Unavailable("does not answer in time" if answer is None else f"refuses the connection: {answer}")
        self._acknowledged([client.publish(f"{self._topic}/availability", "online", qos=1, retain=True).mid])
        return client

    def _publish(self, client: Client, message: Message) -> int:
        from paho.mqtt.packettypes import PacketTypes
        from paho.mqtt.properties import Properties

        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.ContentType = "application/cloudevents+json"
        properties.UserProperty = ("id", message.id)
        topic = f"{self._topic}/{message.type}"
        return client.publish(topic, message.body, qos=1, properties=properties).mid

    def _drop(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        sock = client.socket()
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(
                    cast(socket.socket, sock), socket.SHUT_RDWR
                )  # else the library waits for a dead one
        client.loop_stop()

    def _acknowledged(self, numbers: Sequence[int]) -> list[ReasonCode | None]:
        """Wait for the receipts of messages; None is one that has not come."""
        self._wait(lambda: all(number in self._receipts for number in numbers))
        with self._changed:
            return [self._receipts.pop(number, None) for number in numbers]

    def _wait(self, is_done: Callable[[], bool]) -> None:
        """Wait until something is so, the connection is lost, or time is over."""
        with self._changed:
            self._changed.wait_for(lambda: is_done() or self._is_lost or self._is_interrupted, self._timeout)

    def _on_connect(self, client: Client, data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._answer = code
            self._changed.notify_all()

    def _on_disconnect(self, client: Client, data: Any, flags: Any, code: ReasonCode, properties: Any) -> None:
        with self._changed:
            if client is self._client:
                self._is_lost = True
                self._changed.notify_all()

    def _on_publish(self, client: Client, data: Any, number: int, code: ReasonCode, properties: Properties) -> None:
        with self._changed:
            self._receipts[number] = code
            self._changed.notify_all()


def _library() -> Any:
    try:
        import paho.mqtt.client
    except ImportError as error:
        raise ConfigError("the sink 'mqtt' needs paho-mqtt: pip install 'wayside[mqtt]'") from error
    return paho.mqtt.client
