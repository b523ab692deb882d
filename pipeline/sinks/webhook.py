"""Events by HTTP POST, as CloudEvents 1.0 in JSON, signed as Standard Webhooks says (standardwebhooks.com).

By the standard library: one receiver, one kept connection and one request at a time need no pool and no redirects, and
what is wanted beside, a limit on a whole request and a way to break one off, no client has.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import select
import socket
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import unquote, urlsplit

from pipeline.errors import ConfigError
from pipeline.receivers import WebhookSettings, place
from pipeline.sinks.delivery import Delivery, Refused, Unavailable, needed, reason, trusted
from pipeline.sinks.sink import Outlet
from pipeline.sinks.spool import Message

_LATER = {408, 425, 429}  # 4xx of the moment, not of the request
_LONGEST_AFTER = 3600.0  # seconds that a Retry-After is believed
_ANSWER_BYTES = 65536  # read of an answer's body, so that its connection can be used again


def open_webhook(outlet: Outlet) -> Delivery:
    """Return the sink `webhook`. Raises ConfigError, SinkError."""
    settings = outlet.config.webhook
    return Delivery("webhook", outlet, Webhook(settings), settings)


class Webhook:
    """A courier to one address.

    2xx is an acknowledgement. 408, 425, 429, 5xx, a timeout and a broken connection are tried again, after
    `Retry-After` where one was given. Everything else is a refusal: of a batch, half is tried, down to the one event.
    """

    def __init__(self, settings: WebhookSettings) -> None:
        """Raises ConfigError."""
        url = needed(settings.url, "webhook.url")
        parts = urlsplit(url)
        self.place = place(url)
        self.receiver = self.place + parts.path
        self.batch = settings.batch
        self._is_batched = settings.batch > 1
        self._timeout = settings.timeout_seconds
        self._key = _key(settings.secret)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"User-Agent": f"wayside/{version('wayside')}", **_authorization(settings, url)}
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection
        if parts.scheme == "https":
            context = trusted(settings.ca_file, "webhook.ca_file")
            self._connection = http.client.HTTPSConnection(host, port, timeout=self._timeout, context=context)
        else:
            self._connection = http.client.HTTPConnection(host, port, timeout=self._timeout)
        self._is_interrupted = False

    def deliver(self, messages: Sequence[Message]) -> int:
        try:
            self._post(messages)
        except Refused:
            if len(messages) == 1:
                raise
            return self.deliver(messages[: (len(messages) + 1) // 2])
        return len(messages)

    def interrupt(self) -> None:
        self._is_interrupted = True
        self._break_off()

    def close(self) -> None:
        self._connection.close()

    def _post(self, messages: Sequence[Message]) -> None:
        if self._is_interrupted:
            raise Unavailable("interrupted")
        body, headers = self._request(messages)
        limit = threading.Timer(self._timeout, self._break_off)  # a socket's timeout is of each read, not of all
        limit.daemon = True
        limit.start()
        is_whole = False
        try:
            if _has_ended(self._connection.sock):
                self._connection.close()
            self._connection.request("POST", self._target, body, headers)
            response = self._connection.getresponse()
            if _breaks_off(response):
                raise http.client.RemoteDisconnected("the connection broke off")
            status, after = response.status, _seconds(response.headers.get("Retry-After"))
            response.read(_ANSWER_BYTES)
            is_whole = response.isclosed()
        except (OSError, http.client.HTTPException) as error:
            raise Unavailable(reason(error)) from error
        finally:
            limit.cancel()
            if not is_whole:
                self._connection.close()
        if 200 <= status < 300:
            return
        if status in _LATER or status >= 500:
            raise Unavailable(f"answers {status}", after)
        raise Refused(f"answers {status}")

    def _request(self, messages: Sequence[Message]) -> tuple[bytes, dict[str, str]]:
        bodies = [message.body for message in messages]
        if self._is_batched:
            body, kind = b"[" + b",".join(bodies) + b"]", "application/cloudevents-batch+json"
        else:
            body, kind = bodies[0], "application/cloudevents+json"
        headers = {**self._headers, "Content-Type": f"{kind}; charset=utf-8"}
        if self._key is not None:
            identity = messages[0].id
            if self._is_batched:
                identity = str(uuid.uuid5(uuid.NAMESPACE_OID, " ".join(message.id for message in messages)))
            headers |= signature(self._key, identity, int(time.time()), body)
        return body, headers

    def _break_off(self) -> None:
        """End what the connection is doing, from another thread."""
        sock = self._connection.sock
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # not SSL's own, which waits for the other side


def signature(key: bytes, identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that sign a request, Standard Webhooks 1.0: HMAC-SHA256 of id, time and body."""
    signed = hmac.new(key, f"{identity}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def _key(secret: str | None) -> bytes | None:
    if secret is None:
        return None
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError as error:
        raise ConfigError("webhook.secret: what follows whsec_ must be base64") from error


def _authorization(settings: WebhookSettings, url: str) -> dict[str, str]:
    parts = urlsplit(url)
    if settings.token is not None:
        return {"Authorization": f"Bearer {settings.token}"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
    return {}


def _has_ended(sock: socket.socket | None) -> bool:
    """Say whether the other side closed a connection that is kept: between two requests nothing comes, but its end."""
    return sock is not None and bool(select.select([sock], [], [], 0)[0])


def _breaks_off(response: http.client.HTTPResponse) -> bool:
    """Say whether the headers end where the connection does: the library takes that for the end of an answer."""
    is_delimited = response.length is not None or response.chunked or "Connection" in response.headers
    return bool(response.headers.defects) or (response.version > 10 and not is_delimited)


def _seconds(after: str | None) -> float:
    """Return what a Retry-After says: seconds, or a date; 0 where it says nothing."""
    if after is None:
        return 0.0
    if after.isdecimal():
        seconds = float(after)
    else:
        try:
            seconds = parsedate_to_datetime(after).timestamp() - time.time()
        except (ValueError, OverflowError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_AFTER)
