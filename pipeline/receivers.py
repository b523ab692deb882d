"""The settings of what is sent to other machines: `[webhook]`, `[mqtt]`, `[kafka]`. Sends nothing itself.

Secrets are marked as such in their field, so that no record of a run shows them (see `shown`), and stay out of
`repr`. Of an address only `place` may be shown: paths and queries carry tokens often enough.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any
from urllib.parse import urlsplit

WHEN_FULL = ("stop", "drop_oldest")
SECURITY = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")

_SECRET: Any = {"is_secret": True}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """What holds for every receiver: what waits for it lies in a spool on disk, one a stream.

    spool_megabytes: what may wait, and as much again for what is refused. Goes up: longer outages are survived
    when_full: `stop` ends the run with an error; `drop_oldest` makes room, and counts what is lost
    timeout_seconds: for an answer. Goes up: slow receivers are heard out; a dead one is noticed later
    retry_seconds: the longest pause between two attempts. Goes up: a dead receiver is troubled less, and sent to later
        once it is back
    close_seconds: how long the end of a run waits for the spool to empty. Goes up: less is left for the next run
    remember_events: ids that are kept of what was delivered; none of them is sent again. Goes up: longer re-runs send
        nothing twice; about 60 bytes of disk each
    """

    spool_megabytes: float = 64.0
    when_full: str = "stop"
    timeout_seconds: float = 10.0
    retry_seconds: float = 60.0
    close_seconds: float = 10.0
    remember_events: int = 1_000_000

    def __post_init__(self) -> None:
        if self.when_full not in WHEN_FULL:
            raise ValueError(f"when_full must be one of {', '.join(WHEN_FULL)}, got {self.when_full!r}")
        for name in ("spool_megabytes", "timeout_seconds", "retry_seconds"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be more than 0, got {getattr(self, name)}")
        for name in ("close_seconds", "remember_events"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings(DeliverySettings):
    """Events as CloudEvents by HTTP POST.

    url: http or https, with user and password where it takes those
    token: sent as `Authorization: Bearer`
    secret: requests are signed with it as Standard Webhooks says; `whsec_...` is base64, all else is taken as it is
    ca_file: PEM of the authorities that are trusted; without it, the system's
    batch: events a request. From 2 on they go as a CloudEvents batch, which the receiver must take whole or not at
        all. Goes up: fewer requests
    """

    url: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False, metadata=_SECRET)
    secret: str | None = field(default=None, repr=False, metadata=_SECRET)
    ca_file: str | None = None
    batch: int = 1

    def __post_init__(self) -> None:
        DeliverySettings.__post_init__(self)
        _check_url(self.url, ("http", "https"))
        if self.batch < 1:
            raise ValueError(f"batch must be 1 or more, got {self.batch}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttSettings(DeliverySettings):
    """Events to an MQTT 5 broker, QoS 1.

    url: mqtt or mqtts (TLS), with user and password where it takes those
    topic: what topics begin with: `TOPIC/STREAM/TYPE`, and `TOPIC/STREAM/availability`
    ca_file: PEM of the authorities that are trusted; without it, the system's
    """

    url: str | None = field(default=None, repr=False)
    topic: str = "wayside"
    ca_file: str | None = None

    def __post_init__(self) -> None:
        DeliverySettings.__post_init__(self)
        _check_url(self.url, ("mqtt", "mqtts"))
        if not self.topic or set(self.topic) & set("+#\0") or self.topic[0] in "/$" or self.topic[-1] == "/":
            raise ValueError(f"topic must not be empty, hold +, # or begin or end with /, got {self.topic!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings(DeliverySettings):
    """Events to a Kafka topic, by an idempotent producer; the key is the stream, so each keeps its order.

    servers: of brokers to ask first, `host:port`, with commas between
    security: plaintext, ssl, sasl_plaintext or sasl_ssl
    username, password, mechanism: for sasl
    ca_file: PEM of the authorities that are trusted; without it, the system's
    """

    servers: str | None = None
    topic: str = "wayside"
    security: str = "plaintext"
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False, metadata=_SECRET)
    ca_file: str | None = None

    def __post_init__(self) -> None:
        DeliverySettings.__post_init__(self)
        if self.servers is not None and ("@" in self.servers or "/" in self.servers):
            raise ValueError("servers must be host:port with commas between; user and password have keys of their own")
        if not self.topic:
            raise ValueError("topic must not be empty")
        if self.security not in SECURITY:
            raise ValueError(f"security must be one of {', '.join(SECURITY)}, got {self.security!r}")


def place(url: str) -> str:
    """Return of an address what may be shown to anybody: scheme, host and port."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def shown(settings: DeliverySettings) -> dict[str, Any]:
    """Return settings as they may be shown to anybody: of an address its `place`, of a secret that there is one."""
    table = asdict(settings)
    for key in fields(settings):
        value = table[key.name]
        if value is not None and key.metadata.get("is_secret"):
            table[key.name] = "***"
        elif value is not None and key.name == "url":
            table[key.name] = place(value)
    return table


def _check_url(url: str | None, schemes: tuple[str, ...]) -> None:
    """Raise ValueError where an address is none; it is not shown, as it may hold a password."""
    if url is None:
        return
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if not is_good:
        raise ValueError(f"url must be {' or '.join(f'{scheme}://host' for scheme in schemes)}")
