"""Ports of loopback for the tests' servers."""

import random
import socket

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
