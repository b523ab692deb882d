"""A relay that makes a network misbehave on command: between a server of streams and who watches it, on loopback.

`TcpRelay` and `UdpRelay` hand bytes on in a thread of their own, in both directions. What they do to those that come
from the server is set by their fields while they run.
"""

from __future__ import annotations

import heapq
import random
import select
import socket
import struct
import threading
import time
from contextlib import suppress

_PIECE = 1 << 16
_TICK = 0.005


class _Trouble:
    """What is done to the bytes from the server.

    delay_seconds, jitter_seconds: each piece comes so much later, and up to so much more
    is_stalled: nothing is handed on, and the sockets stay open
    loss, corruption: share of the pieces that get lost, or of which one byte is changed
    bytes_per_second: no faster than that; None does not hold back
    reorder_seconds: pieces may overtake each other by so much (UDP alone)
    """

    def __init__(self, seed: int = 1) -> None:
        self.delay_seconds = 0.0
        self.jitter_seconds = 0.0
        self.is_stalled = False
        self.loss = 0.0
        self.corruption = 0.0
        self.bytes_per_second: float | None = None
        self.reorder_seconds = 0.0
        self.random = random.Random(seed)

    def damaged(self, data: bytes) -> bytes:
        if self.corruption and self.random.random() < self.corruption:
            at = self.random.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        return data


class TcpRelay(_Trouble):
    """Listens on a port of its own and connects each client to the server."""

    def __init__(self, target_port: int, seed: int = 1) -> None:
        super().__init__(seed)
        self._target = target_port
        self.connections = 0
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._torn: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_over = False
        self._truncate_after: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, with_reset: bool = False) -> None:
        """End all connections: in order (FIN), or torn (RST)."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for client, server in pairs:
            if with_reset:
                self._torn.add(client)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.shutdown(socket.SHUT_RD)  # or the thread that reads it would keep it open
            else:
                _shut(client)
            _shut(server)

    def truncate(self, count: int) -> None:
        """Let so many more bytes of the server through, then end the connection in order."""
        self._truncate_after = count

    def close(self) -> None:
        self._is_over = True
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def __enter__(self) -> TcpRelay:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._is_over:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self._lock:
                self._pairs.append((client, server))
            threading.Thread(target=self._pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, is_from_server: bool) -> None:
        try:
            while not self._is_over:
                size = _PIECE
                if is_from_server and self.bytes_per_second:
                    size = max(1, int(self.bytes_per_second / 20))
                    time.sleep(0.05)
                data = source.recv(size)
                if not data:
                    break
                if is_from_server:
                    while self.is_stalled and not self._is_over:
                        time.sleep(_TICK)
                    time.sleep(self.delay_seconds + self.random.uniform(0, self.jitter_seconds))
                    data = self.damaged(data)
                    if self._truncate_after is not None:
                        data = data[: self._truncate_after]
                        self._truncate_after -= len(data)
                target.sendall(data)
                if is_from_server and self._truncate_after == 0:
                    self._truncate_after = None
                    self.cut()
        except (OSError, ValueError):
            pass
        if target not in self._torn:
            _shut(target)
        if not is_from_server and source in self._torn:
            time.sleep(_TICK)
            source.close()
        if is_from_server:
            source.close()
            target.close()


class UdpRelay(_Trouble):
    """Takes datagrams on a port of its own and sends them on to another."""

    def __init__(self, target_port: int, seed: int = 1) -> None:
        super().__init__(seed)
        self._target = ("127.0.0.1", target_port)
        self._is_over = False
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self.port = int(self._socket.getsockname()[1])
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_over = True
        self._thread.join()
        self._socket.close()

    def __enter__(self) -> UdpRelay:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()

    def _run(self) -> None:
        waiting: list[tuple[float, int, bytes]] = []
        count = 0
        last_due = 0.0
        while not self._is_over:
            readable, _, _ = select.select([self._socket], [], [], _TICK)
            if readable:
                data = self.damaged(self._socket.recv(_PIECE))
                if not self.is_stalled and self.random.random() >= self.loss:
                    due = time.monotonic() + self.delay_seconds + self.random.uniform(0, self.jitter_seconds)
                    due = max(due, last_due)
                    last_due = due
                    heapq.heappush(waiting, (due + self.random.uniform(0, self.reorder_seconds), count, data))
                    count += 1
            while waiting and waiting[0][0] <= time.monotonic():
                self._socket.sendto(heapq.heappop(waiting)[2], self._target)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):  # it is gone already
        one.shutdown(socket.SHUT_RDWR)
