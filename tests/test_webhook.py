"""Events reach a web server in order, once by id, whatever it and the network do; and what is secret stays so."""

import base64
import hashlib
import hmac
import json
import logging
import random
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import replace
from datetime import timedelta
from email.utils import formatdate
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from pipeline.config import Config, read_config
from pipeline.errors import ConfigError, SinkError
from pipeline.metrics import Metrics
from pipeline.receivers import WebhookSettings
from pipeline.sinks import Sinks
from pipeline.sinks.delivery import Delivery, Envelope
from pipeline.sinks.webhook import open_webhook
from tests.ports import free_port
from tests.receiving import INFO, certificate, counted, happening, outlet, receiver, wait_until
from tests.test_events import LIMIT, SIGHTING

ROOT = Path(__file__).parents[1]


def config(url: str, **settings: object) -> Config:
    quick = {"retry_seconds": 0.05, "timeout_seconds": 1.0, "close_seconds": 5.0}
    return Config(webhook=WebhookSettings(url=url, **{**quick, **settings}))  # type: ignore[arg-type]


def send(folder: Path, settings: Config, count: int, metrics: Metrics | None = None, *, start: int = 0) -> Metrics:
    """Send so many events as a run would, to its end."""
    metrics = metrics or Metrics()
    sink = open_webhook(outlet(folder, settings, metrics))
    for event in happening(count, start=start):
        sink.write(event)
    sink.close()
    return metrics


def test_a_cloud_event_a_request(tmp_path: Path) -> None:
    with receiver() as server:
        metrics = send(tmp_path, config(server.url + "?tenant=7"), 3)
    assert server.values == [0, 1, 2]
    path, headers, body = server.requests[2]
    assert path == "/hook?tenant=7"
    assert headers["Content-Type"] == "application/cloudevents+json; charset=utf-8"
    assert headers["User-Agent"].startswith("wayside/")
    event = json.loads(body)
    assert len(event.pop("id")) == 36
    assert event == {
        "specversion": "1.0",
        "source": "/wayside/drive",
        "type": "wayside.limit",
        "time": "2026-05-01T12:00:00.500Z",
        "datacontenttype": "application/json",
        "data": {
            "schema": 1,
            "type": "limit",
            "stream": "drive",
            "pts_seconds": 0.5,
            "state": "set",
            "value": 2,
            "unit": "km/h",
            "reason": "sign",
        },
    }
    assert counted(metrics, "wayside_events_delivered_total", "webhook") == 3
    assert counted(metrics, "wayside_spool_events", "webhook") == 0


@pytest.mark.parametrize(
    ("answer", "remark"),
    [
        (500, "it fails"),
        (503, "it is overloaded"),
        (429, "it is asked too much"),
        (408, "it got the request too slowly"),
        ("stall", "it does not answer"),
        ("drip", "it answers byte by byte, and never to the end"),
        ("reset", "the connection breaks"),
        ("cut", "the answer breaks off"),
    ],
)
def test_what_fails_is_tried_again_in_its_order(tmp_path: Path, answer: int | str, remark: str) -> None:
    with receiver("ok", answer, answer) as server:
        metrics = send(tmp_path, config(server.url, timeout_seconds=0.3), 4)
    assert server.values == [0, 1, 2, 3], remark
    assert counted(metrics, "wayside_delivery_failures_total", "webhook") == 2
    assert counted(metrics, "wayside_dead_letters_total", "webhook") == 0


def test_an_answer_that_is_lost_means_the_same_id_again(tmp_path: Path) -> None:
    with receiver("ok", "lost") as server:
        send(tmp_path, config(server.url), 3)
    assert server.values == [0, 1, 1, 2], "at least once on the wire"
    assert len({event["id"] for event in server.taken}) == 3, "once by id"


@pytest.mark.parametrize("status", [400, 404, 410, 301], ids=str)
def test_what_is_refused_is_put_aside(tmp_path: Path, status: int) -> None:
    with receiver("ok", status) as server:
        metrics = send(tmp_path, config(server.url), 3)
        assert server.values == [0, 2], "it holds up nothing"
        (line,) = (tmp_path / "spool" / "webhook.dead.jsonl").read_text("utf-8").splitlines()
        letter = json.loads(line)
        assert (letter["reason"], letter["event"]["data"]["value"]) == (f"answers {status}", 1)
        assert counted(metrics, "wayside_dead_letters_total", "webhook") == 1
        send(tmp_path, config(server.url), 3)
        assert server.values == [0, 2, 1], "the next run over the file tries it again, and that alone"


def test_batches(tmp_path: Path) -> None:
    with receiver("stall") as server:
        server.refuses = {5}
        sink = open_webhook(outlet(tmp_path, config(server.url, batch=4, timeout_seconds=0.3)))
        for event in happening(12):
            sink.write(event)
        sink.close()
    assert server.values == [0, 1, 2, 3, 4, *range(6, 12)], (
        "of a batch that is refused, half is tried, and half of that"
    )
    _, headers, body = server.requests[-1]
    assert headers["Content-Type"] == "application/cloudevents-batch+json; charset=utf-8"
    assert isinstance(json.loads(body), list)
    assert len(server.requests) < 12
    assert "answers 422" in (tmp_path / "spool" / "webhook.dead.jsonl").read_text("utf-8")


@pytest.mark.parametrize(
    ("secret", "key"),
    [("open sesame", b"open sesame"), ("whsec_" + base64.b64encode(b"\0key").decode(), b"\0key")],
)
def test_signed(tmp_path: Path, secret: str, key: bytes) -> None:
    with receiver() as server:
        send(tmp_path, config(server.url, secret=secret), 1)
    _, headers, body = server.requests[0]
    assert headers["webhook-id"] == json.loads(body)["id"]
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 10
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body))
    expected = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.parametrize(
    ("login", "settings", "header"),
    [
        ("me:p%40ss@", {}, "Basic " + base64.b64encode(b"me:p@ss").decode()),
        ("", {"token": "abc"}, "Bearer abc"),
        ("", {}, None),
    ],
)
def test_authorized(tmp_path: Path, login: str, settings: dict[str, str], header: str | None) -> None:
    with receiver() as server:
        send(tmp_path, config(server.url.replace("//", f"//{login}"), **settings), 1)
    assert server.requests[0][1].get("Authorization") == header


@pytest.mark.parametrize("after", ["1", "date"])
def test_it_comes_back_when_it_is_asked_to(tmp_path: Path, after: str) -> None:
    with receiver(429) as server:
        server.headers_of_answers["Retry-After"] = "1" if after == "1" else formatdate(time.time() + 2, usegmt=True)
        sink = open_webhook(outlet(tmp_path, config(server.url)))
        sink.write(LIMIT)
        begin = time.monotonic()
        wait_until(lambda: bool(server.taken))
        assert 0.9 < time.monotonic() - begin < 4
        sink.close()


def test_an_outage_over_two_runs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/hook"
    begin = time.monotonic()
    metrics = send(tmp_path, config(url, close_seconds=0.3), 5)
    assert time.monotonic() - begin < 3, "the end waits no longer than was said"
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 2, "an outage is told once, however many attempts there are"
    assert said[0] == f"drive: http://127.0.0.1:{port}: Connection refused; events wait in the spool"
    assert said[1].startswith(f"drive: 5 events wait in {tmp_path}/spool/webhook.sqlite for http://127.0.0.1:{port}; ")
    assert counted(metrics, "wayside_spool_events", "webhook") == 5
    assert counted(metrics, "wayside_delivery_failures_total", "webhook") >= 2
    with receiver(port=port) as server:
        send(tmp_path, config(url), 3, start=5)
    assert server.values == list(range(8))


def test_an_outage_in_the_middle_of_a_run(tmp_path: Path) -> None:
    port, metrics = free_port(), Metrics()
    sink = open_webhook(outlet(tmp_path, config(f"http://127.0.0.1:{port}/hook"), metrics))
    events = happening(30)
    taken = []
    for start in (0, 10, 20):
        with receiver(port=port) as server:
            for event in events[start : start + 5]:
                sink.write(event)
            wait_until(lambda: counted(metrics, "wayside_spool_events", "webhook") == 0)
        taken += server.values
        for event in events[start + 5 : start + 10]:
            sink.write(event)
        time.sleep(0.05)
    with receiver(port=port) as server:
        sink.close()
    taken += server.values
    assert taken == list(range(30)), "all of it, in order; a kept connection that has ended costs no event"


def test_the_same_file_again_sends_nothing(tmp_path: Path) -> None:
    with receiver() as server:
        send(tmp_path, config(server.url), 5)
        send(tmp_path, config(server.url), 7)
        assert server.values == [0, 1, 2, 3, 4, 5, 6], "only what is new"
        send(tmp_path, config(server.url.replace("//", "//me:changed@")), 7)
        assert len(server.taken) == 7, "another password is not another receiver"
        send(tmp_path, config(server.url + "/other"), 7)
        assert len(server.taken) == 14, "another address is"


def test_detection_waits_for_the_disk_alone(tmp_path: Path) -> None:
    with receiver("stall") as server:
        sink = open_webhook(outlet(tmp_path, config(server.url, timeout_seconds=60, close_seconds=0.1)))
        begin = time.monotonic()
        for event in happening(100):
            sink.write(event)
        assert time.monotonic() - begin < 5
        begin = time.monotonic()
        sink.close()
        assert time.monotonic() - begin < 2, "a request that hangs is broken off"
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("delivery")]
    with receiver() as server:
        send(tmp_path, config(server.url), 0)
        assert server.values == list(range(100)), "what waits is for whoever is there next"


@pytest.mark.parametrize(("when_full", "kept"), [("stop", "first"), ("drop_oldest", "last")])
def test_the_spool_is_bounded(tmp_path: Path, when_full: str, kept: str) -> None:
    port, metrics = free_port(), Metrics()
    settings = config(
        f"http://127.0.0.1:{port}/hook",
        spool_megabytes=0.004,
        when_full=when_full,
        close_seconds=0.0,
        retry_seconds=60.0,
    )
    sink = open_webhook(outlet(tmp_path, settings, metrics))
    written, said = fill(sink)
    sink.close()
    assert ("spool is full" in said) == (when_full == "stop")
    assert (written == 50) == (when_full == "drop_oldest")
    assert 3000 < counted(metrics, "wayside_spool_bytes", "webhook") <= 4000
    with receiver(port=port) as server:
        send(tmp_path, config(server.url), 0)
    assert len(server.values) > 5
    assert server.values == (list(range(written)) if kept == "first" else list(range(50 - len(server.values), 50)))
    assert counted(metrics, "wayside_events_lost_total", "webhook") == (
        0 if kept == "first" else 50 - len(server.values)
    )


def fill(sink: Delivery, *, start: int = 0) -> tuple[int, str]:
    """Write fifty events, or as many as there is room for; return how many, and what was said then."""
    for number, event in enumerate(happening(50, start=start)):
        try:
            sink.write(event)
        except SinkError as error:
            return number, str(error)
    return 50, ""


def test_a_full_spool_ends_the_run(tmp_path: Path) -> None:
    settings = config(f"http://127.0.0.1:{free_port()}/", spool_megabytes=0.001, close_seconds=0.0)
    sinks = Sinks(["webhook"], [outlet(tmp_path, settings)], Metrics())
    for event in happening(9):  # as many as its queue holds, and one
        sinks.write(event)
    with pytest.raises(SinkError, match="spool is full"):
        sinks.close()


def test_many_streams_end_side_by_side(tmp_path: Path) -> None:
    settings = config(f"http://127.0.0.1:{free_port()}/", close_seconds=0.5)
    outlets = [
        outlet(tmp_path / name, settings, info=replace(INFO, name=name)) for name in ("a", "b", "c", "d", "e", "f")
    ]
    sinks = Sinks(["webhook"], outlets, Metrics())
    for name in ("a", "b", "c", "d", "e", "f"):
        sinks.write(replace(LIMIT, stream=name))
    begin = time.monotonic()
    sinks.close()
    assert time.monotonic() - begin < 2.5, "not one after the other"


def test_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    key, made = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made, key)
    with receiver(wrap=lambda sock: context.wrap_socket(sock, server_side=True)) as server:
        url = server.url.replace("http:", "https:")
        send(tmp_path, config(url, close_seconds=0.2), 1)
        assert server.taken == [], "who vouches for itself is not believed"
        assert "its certificate is not trusted: self-signed certificate" in caplog.text
        send(tmp_path, config(url, ca_file=str(made)), 1)
        assert server.values == [0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (WebhookSettings(), "webhook.url: is missing; the sink 'webhook' needs it"),
        (WebhookSettings(url="https://a", ca_file="/none"), "webhook.ca_file: /none: No such file"),
        (
            WebhookSettings(url="https://a", secret="whsec_S3CRET!"),
            "webhook.secret: what follows whsec_ must be base64",
        ),
    ],
)
def test_what_cannot_be(tmp_path: Path, settings: WebhookSettings, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_webhook(outlet(tmp_path, Config(webhook=settings)))
    assert message in str(caught.value)
    assert "S3CRET" not in str(caught.value)


def test_secrets_are_shown_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A canary in every place that can hold a secret, through every kind of failure."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CANARY", "C4N4RY")
    with receiver(500, 400, "reset", "stall", "cut") as server:
        url = server.url.replace("//", "//me:${CANARY}@") + "/${CANARY}?key=${CANARY}"
        (tmp_path / "wayside.toml").write_text(
            f'[webhook]\nurl = "{url}"\ntoken = "${{CANARY}}"\nsecret = "${{CANARY}}"\ntimeout_seconds = 0.3\n'
            "retry_seconds = 0.05\nspool_megabytes = 0.002\n"
            '[mqtt]\nurl = "mqtts://me:${CANARY}@h"\n[kafka]\nservers = "h:1"\npassword = "${CANARY}"\n'
        )
        settings = read_config(tmp_path / "wayside.toml")
        (tmp_path / "wayside.toml").unlink()
        metrics = send(tmp_path, settings, 3)
        assert "C4N4RY" in str(server.requests), "it does reach the receiver"
    sink = open_webhook(outlet(tmp_path, settings, metrics))
    _, said = fill(sink, start=3)
    assert "spool is full" in said
    sink._settings = replace(settings.webhook, close_seconds=0.1)
    sink.close()
    shown = [said, repr(settings), json.dumps(settings.shown()), caplog.text]
    shown += [generate_latest(metrics.registry).decode()]
    shown += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    assert len(shown) > 6
    assert "events wait" in caplog.text
    assert not [text for text in shown if "C4N4RY" in text]
    for key in ("url", "token", "secret"):
        with pytest.raises(ConfigError) as wrong:
            read_text(tmp_path, f"[webhook]\n{key} = ['C4N4RY']\n")
        assert "C4N4RY" not in str(wrong.value)
    with pytest.raises(ConfigError, match=r"webhook\.url must be http://host or https://host") as wrong:
        read_text(tmp_path, "[webhook]\nurl = 'ftp://me:${CANARY}@h'\n")
    assert "C4N4RY" not in str(wrong.value)


def read_text(folder: Path, text: str) -> Config:
    path = folder / "wayside.toml"
    path.write_text(text)
    return read_config(path)


def test_ids() -> None:
    def ids(envelope: Envelope, *events: object) -> list[str]:
        return [envelope(event).id for event in events]  # type: ignore[arg-type]

    once = ids(Envelope(INFO, "film"), LIMIT, SIGHTING, LIMIT, LIMIT)
    assert once == ids(Envelope(INFO, "film"), LIMIT, SIGHTING, LIMIT, LIMIT), "the same file gives the same"
    assert len(set(once)) == 4, "equal events are different ones"
    assert not set(once) & set(ids(Envelope(INFO, "another film"), LIMIT, SIGHTING))
    live = replace(INFO, is_live=True)
    assert ids(Envelope(live, ""), LIMIT) != ids(Envelope(live, ""), LIMIT), "what is live comes once"
    envelope = Envelope(INFO, "film")
    assert len({envelope(event).id for event in happening(3000)}) == 3000
    assert len(envelope._recent) <= 1024


def test_times() -> None:
    def time_of(info: object) -> object:
        return json.loads(Envelope(info)(SIGHTING).body).get("time")  # type: ignore[arg-type]

    assert time_of(INFO) == "2026-05-01T12:00:02.123Z", "when it ended"
    assert INFO.started_at is not None
    assert time_of(replace(INFO, started_at=None)) is None, "nobody knows"
    assert time_of(replace(INFO, started_at=INFO.started_at + timedelta(hours=1))) == "2026-05-01T13:00:02.123Z"


RUN = """
import sys
from pathlib import Path
from tests.test_webhook import config
from tests.receiving import happening, outlet
from pipeline.sinks.webhook import open_webhook
sink = open_webhook(outlet(Path(sys.argv[1]), config(sys.argv[2], batch=int(sys.argv[3]))))
for event in happening(200):
    sink.write(event)
    print(event.value, flush=True)
sink.close()
"""


@pytest.mark.parametrize("batch", [1, 7])
def test_kill_9_at_any_moment(tmp_path: Path, batch: int) -> None:
    """Runs over the same file, killed; every event arrives, in order, and twice only what was on its way at a kill."""
    kills, chance = 3, random.Random(batch)
    with receiver() as server:
        for _ in range(kills):
            run = subprocess.Popen(
                [sys.executable, "-c", RUN, tmp_path, server.url, str(batch)], cwd=ROOT, stdout=subprocess.PIPE
            )
            assert run.stdout is not None
            run.stdout.readline()
            time.sleep(chance.uniform(0, 0.3))
            run.send_signal(signal.SIGKILL)
            run.stdout.close()
            run.wait()
        subprocess.run([sys.executable, "-c", RUN, tmp_path, server.url, str(batch)], cwd=ROOT, check=True, stdout=-3)
    values = server.values
    assert list(dict.fromkeys(values)) == list(range(200)), "all, in order"
    assert len({event["id"] for event in server.taken}) == 200
    assert len(values) - 200 <= kills * batch, "no more than what the kills caught between receipt and its record"


def test_a_socket_that_never_answers_the_connection(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        begin = time.monotonic()
        send(tmp_path, config(url, close_seconds=0.2, timeout_seconds=30), 1)
        assert time.monotonic() - begin < 3
