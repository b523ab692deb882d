"""Events reach a real Mosquitto in order, once by id, also when it is killed, deaf, or asks for a password and TLS."""

import gc
import json
import logging
import select
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.metrics import Metrics
from pipeline.receivers import MqttSettings
from pipeline.sinks.mqtt import open_mqtt
from tests.ports import free_port
from tests.receiving import certificate, counted, happening, outlet, wait_until

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")

pytestmark = [
    pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed (Debian package mosquitto)"),
    # paho leaves the socket of a handshake that failed to the garbage collector
    pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning"),
]


class Broker:
    """A Mosquitto of its own, on one port, that can be killed and started again; its sessions survive that."""

    def __init__(self, folder: Path, *lines: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._config = folder / "mosquitto.conf"
        kept = [
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_on_changes true",
            "autosave_interval 1",
        ]
        self._config.write_text(
            "\n".join([f"listener {self.port} 127.0.0.1", *(lines or OPEN), *kept, "user root", ""])
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([str(MOSQUITTO), "-c", self._config], stderr=subprocess.DEVNULL)
        wait_until(self._answers)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


OPEN = ("allow_anonymous true",)


@contextmanager
def broker(folder: Path, *lines: str) -> Iterator[Broker]:
    running = Broker(folder, *lines)
    try:
        yield running
    finally:
        running.kill()


class Subscriber:
    """Takes all that is published, with a session that outlives its connection."""

    def __init__(self, port: int, **login: Any) -> None:
        self.messages: list[mqtt.MQTTMessage] = []
        self._is_subscribed = threading.Event()
        self._client = client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id="subscriber", protocol=mqtt.MQTTv5
        )
        if login:
            client.username_pw_set(**login)
        client.reconnect_delay_set(0.05, 0.05)  # type: ignore[arg-type]
        client.on_message = lambda client, data, message: self.messages.append(message)
        client.on_connect = lambda client, *args: client.subscribe("#", qos=1)
        client.on_subscribe = lambda *args: self._is_subscribed.set()
        session = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        session.SessionExpiryInterval = 3600
        client.connect("127.0.0.1", port, clean_start=False, properties=session)
        client.loop_start()
        assert self._is_subscribed.wait(5)

    @property
    def events(self) -> list[mqtt.MQTTMessage]:
        return [message for message in self.messages if not message.topic.endswith("availability")]

    @property
    def values(self) -> list[int]:
        return [json.loads(message.payload)["data"]["value"] for message in self.events]

    @property
    def availability(self) -> list[str]:
        return [message.payload.decode() for message in self.messages if message.topic.endswith("availability")]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def subscriber(port: int, **login: Any) -> Iterator[Subscriber]:
    connected = Subscriber(port, **login)
    try:
        yield connected
    finally:
        connected.close()


class Proxy:
    """Stands between client and broker. Deaf, it passes on what the client says, and not what the broker answers."""

    def __init__(self, port: int) -> None:
        self.is_deaf = False
        self._broker = port
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._server], [], [], 0.05)[0]:
                client, _ = self._server.accept()
                thread = threading.Thread(target=self._pass, args=(client,))
                self._threads.append(thread)
                thread.start()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self._broker)) as server, suppress(OSError):
            while not self._is_over.is_set():
                for ready in select.select([client, server], [], [], 0.05)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        server.sendall(data)
                    elif not self.is_deaf:
                        client.sendall(data)

    def close(self) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()
        self._server.close()


def config(port: int, *, login: str = "", scheme: str = "mqtt", **settings: object) -> Config:
    quick = {"retry_seconds": 0.05, "timeout_seconds": 2.0, "close_seconds": 5.0}
    url = f"{scheme}://{login}127.0.0.1:{port}"
    return Config(mqtt=MqttSettings(url=url, **{**quick, **settings}))  # type: ignore[arg-type]


def send(folder: Path, settings: Config, count: int, *, start: int = 0) -> Metrics:
    metrics = Metrics()
    sink = open_mqtt(outlet(folder, settings, metrics))
    for event in happening(count, start=start):
        sink.write(event)
    sink.close()
    return metrics


def test_a_message_an_event(tmp_path: Path) -> None:
    with broker(tmp_path) as running, subscriber(running.port) as heard:
        metrics = send(tmp_path, config(running.port), 60)
        wait_until(lambda: len(heard.events) == 60 and len(heard.availability) == 2)
        assert heard.values == list(range(60)), "in order, in more than one batch"
        first = heard.events[0]
        event = json.loads(first.payload)
        assert (first.topic, first.qos, first.retain) == ("wayside/drive/limit", 1, False)
        assert event["specversion"] == "1.0"
        assert first.properties.UserProperty == [("id", event["id"])]  # type: ignore[union-attr]
        assert first.properties.ContentType == "application/cloudevents+json"  # type: ignore[union-attr]
        assert heard.availability == ["online", "offline"], "the end of a run is told"
        assert counted(metrics, "wayside_events_delivered_total", "mqtt") == 60
        send(tmp_path, config(running.port), 61)
        wait_until(lambda: len(heard.events) >= 61)
        assert heard.values == list(range(61)), "the same file again sends only what is new"
    assert not [thread for thread in threading.enumerate() if "paho" in thread.name]


def test_who_comes_later_hears_whether_it_is_there(tmp_path: Path) -> None:
    with broker(tmp_path) as running:
        sink = open_mqtt(outlet(tmp_path, config(running.port, topic="site/7")))
        sink.write(happening(1)[0])
        wait_until(lambda: sink._spool.count == 0)
        with subscriber(running.port) as heard:
            wait_until(lambda: heard.availability == ["online"])
            assert heard.messages[0].topic == "site/7/drive/availability"
            assert heard.messages[0].retain
            courier = sink._courier
            courier._client.socket().shutdown(socket.SHUT_RDWR)  # type: ignore[attr-defined]  # as where the run dies
            wait_until(lambda: heard.availability == ["online", "offline"])
        sink.close()


def test_killed_and_started_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path) as running, subscriber(running.port) as heard:
        metrics = Metrics()
        sink = open_mqtt(outlet(tmp_path, config(running.port), metrics))
        events = happening(60)
        for event in events[:20]:
            sink.write(event)
        wait_until(lambda: len(heard.events) == 20)
        time.sleep(1.1)  # its autosave
        running.kill()
        for event in events[20:40]:
            sink.write(event)
        wait_until(lambda: counted(metrics, "wayside_delivery_failures_total", "mqtt") >= 2)
        running.start()
        for event in events[40:]:
            sink.write(event)
        sink.close()
        wait_until(lambda: len(heard.events) >= 60)
    assert list(dict.fromkeys(heard.values)) == list(range(60)), "all, in order"
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) == 1, "one line an outage"
    assert told[0].endswith("; events wait in the spool")


def test_killed_for_longer_than_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with broker(tmp_path) as running:
        port = running.port
    begin = time.monotonic()
    send(tmp_path, config(port, close_seconds=0.3), 5)
    assert time.monotonic() - begin < 3
    assert "5 events wait" in caplog.text
    running.start()
    with subscriber(port) as heard:
        send(tmp_path, config(port), 3, start=5)
        wait_until(lambda: len(heard.events) >= 8)
    running.kill()
    assert heard.values == list(range(8))


def test_receipts_that_are_lost_mean_the_same_ids_again(tmp_path: Path) -> None:
    with broker(tmp_path) as running, subscriber(running.port) as heard:
        proxy, metrics = Proxy(running.port), Metrics()
        sink = open_mqtt(outlet(tmp_path, config(proxy.port, timeout_seconds=0.3), metrics))
        sink.write(happening(1)[0])
        wait_until(lambda: counted(metrics, "wayside_events_delivered_total", "mqtt") == 1)
        proxy.is_deaf = True
        for event in happening(5, start=1):
            sink.write(event)
        wait_until(lambda: counted(metrics, "wayside_delivery_failures_total", "mqtt") >= 1)
        proxy.is_deaf = False
        sink.close()
        wait_until(lambda: len(set(heard.values)) == 6)
        proxy.close()
    values = heard.values
    assert len(values) > 6, "at least once on the wire"
    assert list(dict.fromkeys(values)) == list(range(6)), "first heard in order"
    assert len({json.loads(message.payload)["id"] for message in heard.events}) == 6, "once by id"


def test_a_broker_that_does_not_answer(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        send(tmp_path, config(silent.getsockname()[1], timeout_seconds=30, close_seconds=0.3), 3)
        assert time.monotonic() - begin < 4, "the end waits no longer than was said"


def test_password_and_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key, made = certificate(tmp_path)
    passwords = tmp_path / "passwords"
    # C4N4RY, as `mosquitto_passwd -U` writes it: PBKDF2-SHA512.
    passwords.write_text(f"me:{hashed('C4N4RY')}\n")
    lines = ("allow_anonymous false", f"password_file {passwords}", f"certfile {made}", f"keyfile {key}")
    secure = {"scheme": "mqtts", "ca_file": str(made), "close_seconds": 0.5}
    with broker(tmp_path, *lines) as running:
        send(tmp_path, config(running.port, login="me:C4N4RYwrong@", **secure), 2)  # type: ignore[arg-type]
        assert "refuses the connection: Not authorized" in caplog.text
        send(tmp_path, config(running.port, login="me:C4N4RY@", scheme="mqtts", close_seconds=0.3), 0)
        assert "its certificate is not trusted" in caplog.text
        metrics = send(tmp_path, config(running.port, login="me:C4N4RY@", **secure), 3)  # type: ignore[arg-type]
        assert counted(metrics, "wayside_events_delivered_total", "mqtt") == 3, "with what waited"
    assert "C4N4RY" not in caplog.text
    assert not [p for p in (tmp_path / "spool").iterdir() if b"C4N4RY" in p.read_bytes()]
    gc.collect()


def hashed(password: str) -> str:
    import base64
    import hashlib

    salt = b"twelve bytes"
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, 101)
    return f"$7$101${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def test_not_allowed_to_publish(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can be put right at the broker is waited for, not thrown away."""
    rights = tmp_path / "rights"
    rights.write_text("topic read #\n")
    with broker(tmp_path, *OPEN, f"acl_file {rights}") as running:
        send(tmp_path, config(running.port, close_seconds=0.3), 2)
    assert "answers Not authorized; events wait" in caplog.text
    assert "2 events wait" in caplog.text


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (MqttSettings(), "mqtt.url: is missing; the sink 'mqtt' needs it"),
        (MqttSettings(url="mqtts://a", ca_file="/none"), "mqtt.ca_file: /none: No such file"),
    ],
)
def test_what_cannot_be(tmp_path: Path, settings: MqttSettings, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_mqtt(outlet(tmp_path, Config(mqtt=settings)))
    assert message in str(caught.value)


@pytest.mark.parametrize("topic", ["", "a/#", "+", "/a", "a/", "$SYS"])
def test_topics_that_cannot_be(topic: str) -> None:
    with pytest.raises(ValueError, match="topic must"):
        MqttSettings(topic=topic)
