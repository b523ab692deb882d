"""TLS in front of a server of the tests, as stunnel would put it there: with a certificate, on a port of its own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.ports import Listener


class Tls:
    """Takes TLS and hands on what was in it; `asked` counts the clients that said something."""

    def __init__(self, target_port: int, key: Path, certificate: Path) -> None:
        self.asked = 0
        self._target = target_port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listener = Listener(self._serve)
        self.port, self.close = self._listener.port, self._listener.close

    def _serve(self, raw: socket.socket) -> None:
        raw.settimeout(5)
        try:
            client = self._context.wrap_socket(raw, server_side=True)
        except OSError:
            raw.close()
            return
        client.settimeout(0.02)  # both ways in one thread, since OpenSSL takes no two at once
        is_first = True
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            server.settimeout(0.005)
            while True:
                with suppress(TimeoutError):
                    if not (piece := client.recv(1 << 16)):
                        return
                    self.asked += is_first
                    is_first = False
                    server.sendall(piece)
                with suppress(TimeoutError):
                    if not (piece := server.recv(1 << 16)):
                        return
                    client.settimeout(5)
                    client.sendall(piece)
                    client.settimeout(0.02)


@contextmanager
def tls(target_port: int, pair: tuple[Path, Path]) -> Iterator[Tls]:
    """Put TLS before a port of loopback; pair: key and certificate, as `receiving.certificate` makes them."""
    made = Tls(target_port, *pair)
    try:
        yield made
    finally:
        made.close()
