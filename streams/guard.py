"""Where a stream may lead. Playlists and redirects come from a server that may want this machine to ask others for it.

The address that the user configured may be anywhere, also on the private network, where cameras are: it is the user's
own choice. What the server behind it leads to may be its own origin or a public address, and no other private one.
Names are resolved here, once for each connection, and it is made to the very address that was looked at.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Iterable

from streams.errors import OpenError
from streams.trust import Trust
from streams.urls import Address

PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322, "rtmp": 1935, "rtmps": 443}

ENCRYPTED = {"https": "http", "rtsps": "rtsp", "rtmps": "rtmp"}
"""Schemes with TLS, and the same without: a stream leads to these two alone."""

_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Resolver = Callable[[str, int], list[str]]
"""Host and port to IP addresses; raises OSError."""


def resolve(host: str, port: int) -> list[str]:
    """Ask the system for the IP addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


def is_public(text: str) -> bool:
    """Say whether an IP address is one of the open internet, also where it hides within an IPv6 address."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address.teredo is not None:
            inner = address.teredo[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return address.is_global and not address.is_multicast


class Guard:
    """What one stream may reach.

    origin: the configured address. Its host may be private, but may not become so: a name that was public, and is
        resolved to something private later, is refused
    allow_private: what the server leads to may be private too. Goes on: the server can reach what this machine can
    trust: whose certificates are believed, of all servers that the stream leads to
    known: private addresses of the configured host, where another guard has found them out already
    resolver: for tests
    """

    def __init__(
        self,
        origin: Address,
        *,
        allow_private: bool = False,
        trust: Trust | None = None,
        known: Iterable[str] | None = None,
        resolver: Resolver = resolve,
    ) -> None:
        self.trust = trust or Trust()
        if origin.scheme in ENCRYPTED:
            self.trust.context()  # so that a mistake is told at once
        self.origin = origin
        self._origin = self._key(origin)
        self._allow_private = allow_private
        self._resolver = resolver
        self._known = None if known is None else frozenset(known)

    @property
    def known(self) -> frozenset[str] | None:
        """Private addresses that the configured host had when it was asked for first; None before."""
        return self._known

    def is_origin(self, address: Address) -> bool:
        """Say whether it is the configured server: only there does its password go."""
        return self._key(address) == self._origin

    def admit(self, address: Address) -> list[str]:
        """Return the IP addresses that may be connected for it. Raises OpenError: `limit` where it may not be."""
        family = ENCRYPTED.get(self._origin[0], self._origin[0])
        if address.scheme not in PORTS or ENCRYPTED.get(address.scheme, address.scheme) != family:
            raise OpenError(f"{address.shown}: the stream leads to {address.scheme}:, which it may not", reason="limit")
        if address.scheme == family != self._origin[0]:
            raise OpenError(f"{address.shown}: an encrypted stream leads to an open one", reason="limit")
        port = address.port or PORTS[address.scheme]
        try:
            found = self._resolver(address.host, port)
        except (OSError, UnicodeError):
            raise OpenError(f"{address.shown}: there is no such host", reason="unreachable") from None
        private = [ip for ip in found if not is_public(ip)]
        if self.is_origin(address):
            if self._known is None:
                self._known = frozenset(private)
            private = [ip for ip in private if ip not in self._known]
        if private and not self._allow_private:
            raise OpenError(
                f"{address.shown}: the stream leads to the private address {private[0]}; allow_private would let it",
                reason="limit",
            )
        return found

    @staticmethod
    def _key(address: Address) -> tuple[str, str, int | None]:
        return address.scheme, address.host.lower(), address.port or PORTS.get(address.scheme)
