"""Events reach librdkafka's mock cluster in order, by their stream, once by id; an outage costs none."""

import json
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.metrics import Metrics
from pipeline.receivers import KafkaSettings
from pipeline.sinks.kafka import open_kafka
from tests.ports import free_port
from tests.receiving import counted, happening, outlet, wait_until

QUIET = {"log_level": 0}


@contextmanager
def cluster() -> Iterator[str]:
    """Run librdkafka's mock cluster of two brokers, which speak the protocol over TCP; yield their addresses."""
    host = Producer({"test.mock.num.brokers": 2, **QUIET})
    brokers = host.list_topics(timeout=10).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del host


def records(servers: str, count: int, *, topic: str = "wayside", partitions: int = 4) -> list[Message]:
    """Read so many records of a topic, and find that there are no more; in order in each partition."""
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test", **QUIET})
    try:
        consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
        found: list[Message] = []
        end = time.monotonic() + 10
        while len(found) < count and time.monotonic() < end:
            found += [record for record in consumer.consume(count, 0.2) if record.error() is None]
        return found + [record for record in consumer.consume(1, 0.3) if record.error() is None]
    finally:
        consumer.close()


def values(found: list[Message]) -> list[int]:
    return [json.loads(record.value() or b"")["data"]["value"] for record in found]


def config(servers: str, **settings: object) -> Config:
    quick = {"retry_seconds": 0.05, "timeout_seconds": 2.0, "close_seconds": 8.0}
    return Config(kafka=KafkaSettings(servers=servers, **{**quick, **settings}))  # type: ignore[arg-type]


def send(folder: Path, settings: Config, count: int, *, start: int = 0) -> Metrics:
    metrics = Metrics()
    sink = open_kafka(outlet(folder, settings, metrics))
    for event in happening(count, start=start):
        sink.write(event)
    sink.close()
    return metrics


def test_a_record_an_event(tmp_path: Path) -> None:
    with cluster() as servers:
        metrics = send(tmp_path, config(servers), 300)
        found = records(servers, 300)
        assert values(found) == list(range(300)), "in order"
        assert len({record.partition() for record in found}) == 1, "a stream stays in one partition"
        first = found[0]
        event = json.loads(first.value() or b"")
        assert first.key() == b"drive"
        assert first.headers() == [("id", event["id"].encode()), ("content-type", b"application/cloudevents+json")]
        assert (event["specversion"], event["type"], event["source"]) == ("1.0", "wayside.limit", "/wayside/drive")
        assert counted(metrics, "wayside_events_delivered_total", "kafka") == 300
        send(tmp_path, config(servers), 301)
        assert values(records(servers, 301)) == list(range(301)), "the same file again sends only what is new"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("delivery")]


def test_an_outage_over_two_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    begin = time.monotonic()
    metrics = send(tmp_path, config(f"127.0.0.1:{free_port()}", timeout_seconds=0.5, close_seconds=0.7), 20)
    assert time.monotonic() - begin < 4, "the end waits no longer than was said"
    assert counted(metrics, "wayside_spool_events", "kafka") == 20
    told = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(told) <= 2, "the library's own complaints stay out"
    assert "20 events wait in" in told[-1]
    with cluster() as servers:
        send(tmp_path, config(servers), 10, start=20)
        assert values(records(servers, 30)) == list(range(30))


def test_an_outage_in_the_middle_of_a_run(tmp_path: Path) -> None:
    """The cluster goes away and is not back: what it acknowledged is not sent to the next one, all else is."""
    metrics = Metrics()
    with cluster() as servers:
        sink = open_kafka(outlet(tmp_path, config(servers, timeout_seconds=0.3, close_seconds=0.5), metrics))
        for event in happening(10):
            sink.write(event)
        wait_until(lambda: counted(metrics, "wayside_events_delivered_total", "kafka") == 10)
        assert values(records(servers, 10)) == list(range(10))
    for event in happening(10, start=10):
        sink.write(event)
    wait_until(lambda: counted(metrics, "wayside_delivery_failures_total", "kafka") >= 2)
    sink.close()
    assert counted(metrics, "wayside_spool_events", "kafka") == 10
    with cluster() as servers:
        send(tmp_path, config(servers), 0)
        assert values(records(servers, 10)) == list(range(10, 20))


def test_what_is_given_again_while_it_is_under_way_is_written_once(tmp_path: Path) -> None:
    """An acknowledgement takes longer than the sink waits for one, so it comes back for the same events again."""
    host = Producer({"test.mock.num.brokers": 1, "test.mock.broker.rtt": 120, **QUIET})
    (broker,) = host.list_topics(timeout=10).brokers.values()
    servers = f"{broker.host}:{broker.port}"
    metrics = send(tmp_path, config(servers, timeout_seconds=0.04), 20)
    assert counted(metrics, "wayside_delivery_failures_total", "kafka") >= 1, "it did wait in vain"
    assert values(records(servers, 20)) == list(range(20))


def test_what_is_too_large_is_put_aside(tmp_path: Path) -> None:
    from dataclasses import replace

    with cluster() as servers:
        metrics = Metrics()
        sink = open_kafka(outlet(tmp_path, config(servers), metrics))
        first, second, third = happening(3)
        for event in (first, replace(second, unit="x" * 1_100_000), third):
            sink.write(event)
        sink.close()
        assert values(records(servers, 2)) == [0, 2]
    assert counted(metrics, "wayside_dead_letters_total", "kafka") == 1
    assert b"too large" in (tmp_path / "spool" / "kafka.dead.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (KafkaSettings(), "kafka.servers: is missing; the sink 'kafka' needs it"),
        (KafkaSettings(servers="a:1", security="ssl", ca_file="/none"), "kafka: "),
        (KafkaSettings(servers="a:1", security="sasl_ssl", mechanism="XYZ", password="C4N4RY"), "kafka: "),
    ],
)
def test_what_cannot_be(tmp_path: Path, settings: KafkaSettings, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_kafka(outlet(tmp_path, Config(kafka=settings)))
    assert message in str(caught.value)
    assert "C4N4RY" not in repr(caught.value) + str(caught.value.__cause__) + str(caught.value.__context__)


def test_a_login_is_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    login = {"security": "sasl_plaintext", "mechanism": "PLAIN", "username": "me", "password": "C4N4RY"}
    with cluster() as servers:  # which takes no logins
        settings = config(servers, timeout_seconds=0.3, close_seconds=0.6, **login)
        send(tmp_path, settings, 2)
    assert "2 events wait" in caplog.text
    shown = [caplog.text, repr(settings), json.dumps(settings.shown())]
    shown += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert not [text for text in shown if "C4N4RY" in text]
    with pytest.raises(ValueError, match="servers must be host:port") as caught:
        KafkaSettings(servers="me:C4N4RY@host:9092")
    assert "C4N4RY" not in str(caught.value)
