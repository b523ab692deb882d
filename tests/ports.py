"""Ports of loopback for the tests' servers."""

import random
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

_LOW, _HIGH = 12_000, 32_000  # below those that Linux gives to sockets that ask for none: nobody takes one meanwhile
_taken: set[int] = set()


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """Return a port that nobody has, another one each time."""
    while True:
        port = random.SystemRandom().randrange(_LOW, _HIGH)
        if port in _taken:
            continue
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _taken.add(port)
        return port


class Listener:
    """Accepts on a port of loopback until it is closed, and gives each client to `serve` in a thread of its own."""

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
