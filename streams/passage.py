"""A way of our own to an RTSP server: what reads the stream speaks to a port of this machine, and that speaks to it.

FFmpeg and GStreamer follow an RTSP redirect wherever it leads, and hand the password over there; FFmpeg checks no
certificate. Neither can be told otherwise, so neither sees the server: connections are made here, to addresses that
were looked at, and nothing gets through that leads elsewhere. It knows how RTSP is framed (RFC 2326, 10.12); it knows
nothing of video, and of UDP it hands on nothing but who may send it.
"""

from __future__ import annotations

import ipaddress
import re
import selectors
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from streams.errors import OpenError, StreamError
from streams.guard import Guard
from streams.urls import Address
from streams.web import MOST_REDIRECTS, connected, joined, trouble

Opened = TypeVar("Opened")

_PIECE = 1 << 16
_LONGEST_HEAD = 1 << 16
_LONGEST_BODY = 1 << 20

_SHORTEST_PACKET = 8
"""Bytes; FFmpeg takes what is in a shorter one for the next answer of the server."""

_LAST_WORDS_SECONDS = 0.5
"""For the reader's farewell to get through, when it closes."""

_ANSWER = re.compile(rb"RTSP/\d\.\d +(\d{3})(?: +(.*))?")
_REQUEST = re.compile(rb"[A-Z_]+ \S+ RTSP/\d\.\d")
_OTHERS = re.compile(rb',(?=(?:[^"]*"[^"]*")*[^"]*$)')
"""Before each further transport of a list; the first one holds."""

_FIELD = re.compile(rb"([\w-]+)[ \t]*:[ \t]*(.*)")


class Passage:
    """One connection to a server, and a port of this machine that one reader may use for it.

    address: for the reader, with the password; `rtsp:` also where the server is spoken to by TLS
    redirect: where the server led to, once it has; error: what went wrong here; either way nothing gets through
        any more

    Raises StreamError where the server cannot be reached or may not be.
    """

    def __init__(self, address: Address, guard: Guard, *, open_seconds: float) -> None:
        self.redirect: Address | None = None
        self.error: StreamError | None = None
        self._asked = address
        self._open_seconds = open_seconds
        ips = guard.admit(address)
        try:
            self._server = connected(address, guard, ips, open_seconds)
        except OSError as error:
            raise trouble(address, error) from None
        self._peer = self._server.getpeername()[0]
        # Of the same family as the server, since readers open their ports for UDP alike.
        is_v6 = ":" in self._peer
        try:
            self._listener = socket.create_server(
                ("::1" if is_v6 else "127.0.0.1", 0), family=socket.AF_INET6 if is_v6 else socket.AF_INET, backlog=1
            )
        except OSError as error:
            self._server.close()
            raise OpenError(f"{address.shown}: no port of this machine: {error.strerror}") from None
        self._reader: socket.socket | None = None
        host, own_port = self._listener.getsockname()[:2]
        self.address = replace(address, scheme="rtsp", host=host, port=own_port)
        self._thread = threading.Thread(target=self._run, name="passage", daemon=True)
        self._thread.start()

    def free(self) -> None:
        """Give back what it holds, once the reader has closed its end. May be called again."""
        self._thread.join(0.0 if self._reader is None else _LAST_WORDS_SECONDS)
        for end in (self._listener, self._reader, self._server):
            if end is not None:
                with suppress(OSError):  # it is gone already
                    socket.socket.shutdown(end, socket.SHUT_RDWR)  # of TLS too, without its farewell
        self._thread.join()

    def _run(self) -> None:
        try:
            self._listener.settimeout(self._open_seconds)
            self._reader, _ = self._listener.accept()
            self._listener.close()
            self._reader.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._hand_on(self._reader)
        except StreamError as error:
            self.error = error
        except OSError:
            pass  # one of the two has gone, which the other is shown by its closed connection
        finally:
            for end in (self._listener, self._reader, self._server):
                if end is not None:
                    end.close()

    def _hand_on(self, reader: socket.socket) -> None:
        """Carry bytes both ways until one of the two ends it, or the server leads elsewhere."""
        sieve = Sieve(self._peer)
        with selectors.DefaultSelector() as waiting:
            waiting.register(reader, selectors.EVENT_READ)
            waiting.register(self._server, selectors.EVENT_READ)
            while True:
                for key, _ in waiting.select():
                    if key.fileobj is reader:
                        if not (piece := reader.recv(_PIECE)):
                            return
                        self._server.settimeout(None)
                        self._server.sendall(piece)
                        continue
                    try:
                        passed = sieve.passed(self._received())
                    except (BlockingIOError, ssl.SSLWantReadError):
                        continue
                    except EOFError:
                        return
                    except ConnectionResetError as error:
                        raise trouble(self._asked, error) from None
                    except ValueError as error:
                        raise OpenError(f"{self._asked.shown}: {error}", reason="decode") from None
                    if passed:
                        reader.sendall(passed)
                    if sieve.target is not None:
                        self.redirect = joined(self._asked, sieve.target)
                        return

    def _received(self) -> bytes:
        """Return what the server sent. Raises EOFError at its end, and BlockingIOError where TLS wants more first."""
        self._server.settimeout(0)
        piece = self._server.recv(_PIECE)
        while isinstance(self._server, ssl.SSLSocket) and self._server.pending():
            piece += self._server.recv(_PIECE)
        if not piece:
            raise EOFError
        return piece


def through(address: Address, guard: Guard, *, open_seconds: float, connect: Callable[[Passage], Opened]) -> Opened:
    """Return what `connect` makes of a passage to an address, or to where its server leads. Raises StreamError.

    connect: raises StreamError where nothing can be read; what it returns frees the passage in the end
    """
    asked = address
    for _ in range(MOST_REDIRECTS + 1):
        passage = Passage(asked, guard, open_seconds=open_seconds)
        failure = None
        try:
            return connect(passage)
        except StreamError as error:
            passage.free()
            failure = passage.error or error
        except BaseException:
            passage.free()
            raise
        if passage.redirect is None:
            raise failure
        asked = passage.redirect
        if guard.is_origin(asked):
            asked = replace(asked, user=address.user, password=address.password)
    raise OpenError(f"{address.shown}: redirected more than {MOST_REDIRECTS} times", reason="limit")


class Sieve:
    """What a server sends, taken apart and put together anew, so that every reader understands the same by it.

    peer: the server's IP address, from which alone UDP is to come
    target: where it leads to, once it does; from then on nothing is passed
    """

    def __init__(self, peer: str) -> None:
        self.target: str | None = None
        self._peer = peer
        self._left = b""

    def passed(self, piece: bytes) -> bytes:
        """Return what may be handed on by now. Raises ValueError where it is no RTSP."""
        data = self._left + piece
        passed, at = [], 0
        while at < len(data) and self.target is None:
            if data[at] == 0x24:  # "$": a packet of RTP between the answers
                if len(data) < at + 4:
                    break
                end = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
                if len(data) < end:
                    break
                if end - at - 4 >= _SHORTEST_PACKET:
                    passed.append(data[at:end])
                at = end
            elif data[at] in b"\r\n":
                at += 1
            else:
                head = re.compile(rb"\n\r?\n").search(data, at)
                if head is None:
                    if len(data) - at > _LONGEST_HEAD:
                        raise ValueError("the server does not speak RTSP")
                    break
                lines, length = self._read(data[at : head.start()])
                if self.target is not None or len(data) < head.end() + length:
                    break
                body = data[head.end() : head.end() + length]
                passed.append(b"\r\n".join([*lines, b"", body]))
                at = head.end() + length
        self._left = data[at:]
        return b"".join(passed)

    def _read(self, head: bytes) -> tuple[list[bytes], int]:
        """Return the lines of a head as they are passed on, and how long the body is that follows it."""
        first, *rest = [line.replace(b"\r", b"").rstrip() for line in head.split(b"\n")]
        if re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", b"".join([first, *rest])):
            raise ValueError("the server does not speak RTSP")
        answer = _ANSWER.fullmatch(first)
        if answer is None and not _REQUEST.fullmatch(first):
            raise ValueError("the server does not speak RTSP")
        fields = [(found[1], found[2].strip()) for found in map(_FIELD.fullmatch, rest) if found is not None]
        known = {name.lower(): value for name, value in reversed(fields)}
        is_redirect = first.startswith(b"REDIRECT ") if answer is None else answer[1].startswith(b"3")
        if is_redirect:
            if b"location" not in known:
                raise ValueError(f"the server answers {answer[1].decode() if answer else 'REDIRECT'}")
            self.target = known[b"location"].decode("utf-8", "replace")
            return [], 0
        length = known.get(b"content-length", b"0")
        if not re.fullmatch(rb"\d{1,7}", length) or int(length) > _LONGEST_BODY:
            raise ValueError(f"an answer of more than {_LONGEST_BODY} bytes")
        lines = [first if answer is None else b"RTSP/1.0 " + answer[1] + b" " + (answer[2] or b"")]
        for name, value in fields:
            if name.lower() == b"transport":
                value = self._transport(value)
            if name.lower() not in (b"content-length", b"location"):
                lines.append(name + b": " + value)
        if int(length):
            lines.append(b"Content-Length: %d" % int(length))
        return lines, int(length)

    def _transport(self, value: bytes) -> bytes:
        """Name the server itself as who sends UDP, and to whom a reader's own packets go; else a group, and nobody."""
        first = _OTHERS.split(value)[0]
        kept = []
        for part in map(bytes.strip, first.split(b";")):
            name, _, rest = part.lower().partition(b"=")
            if name not in (b"source", b"destination") or (name == b"destination" and _is_group(rest)):
                kept.append(part)
        if any(part.lower().startswith(b"server_port=") for part in kept):
            kept.append(b"source=" + self._peer.partition("%")[0].encode())
        return b";".join(kept)


def _is_group(host: bytes) -> bool:
    try:
        return ipaddress.ip_address(host.decode("ascii", "replace")).is_multicast
    except ValueError:
        return False
