"""HTTP for streams: every address is looked at before it is connected, and a read that waits can be ended by `close`.

FFmpeg's own HTTP would follow a server wherever it leads. This knows requests, redirects and passwords (Basic and
Digest); it knows nothing of video.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import re
import secrets
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import urljoin

from streams.errors import OpenError, ReadTimeout, StreamError
from streams.gap import Reason
from streams.guard import ENCRYPTED, PORTS, Guard
from streams.urls import Address, address_of

MOST_REDIRECTS = 5
_AGENT = "wayside"


class Web:
    """Asks servers on behalf of one stream, one request after the other, all in one thread but `close`.

    open_seconds: until a server has answered; read_seconds: of silence within an answer
    """

    def __init__(self, origin: Address, guard: Guard, *, open_seconds: float, read_seconds: float) -> None:
        self._origin = origin
        self._guard = guard
        self._open_seconds = open_seconds
        self._read_seconds = read_seconds
        self._connection: _Pinned | None = None
        self._is_closed = False
        self._challenge: str | None = None
        self._uses = 0

    def get(self, address: Address, *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask for an address and return the answer, redirects followed. Raises StreamError."""
        asked = address
        for _ in range(MOST_REDIRECTS + 1):
            response = self._ask(asked, headers or {})
            if response.status == 401 and self._may_log_in(asked, response):
                response = self._ask(asked, headers or {})
            target = response.headers.get("Location") if response.status in (301, 302, 303, 307, 308) else None
            if target is None:
                self._judge(asked, response.status)
                return Answer(self, asked, response)
            asked = joined(asked, target)
        raise OpenError(f"{address.shown}: redirected more than {MOST_REDIRECTS} times", reason="limit")

    def close(self) -> None:
        """End whatever is going on. Any thread."""
        self._is_closed = True
        connection = self._connection
        if connection is not None:
            connection.abort()

    def free(self) -> None:
        """Give back what it holds; in the thread that asks."""
        self.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, address: Address, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        if self._connection is not None:
            self._connection.close()
        ips = self._guard.admit(address)
        self._connection = _Pinned(address, self._guard, ips, self._open_seconds)
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        sent = {"User-Agent": _AGENT, "Accept": "*/*", "Connection": "close", **headers}
        if (word := self._password(address, target)) is not None:
            sent["Authorization"] = word
        try:
            if self._is_closed:
                raise TimeoutError
            self._connection.request("GET", target, headers=sent)
            response = self._connection.getresponse()
            self._connection.bear(self._read_seconds)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise trouble(address, error) from None  # which may hold the password
        return response

    def _password(self, address: Address, target: str) -> str | None:
        user, password = self._origin.user, self._origin.password or ""
        if user is None or self._challenge is None or not self._guard.is_origin(address):
            return None
        kind, _, rest = self._challenge.partition(" ")
        if kind.lower() == "basic":
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self._uses += 1
        return _digest(user, password, target, rest, count=self._uses)

    def _may_log_in(self, address: Address, response: http.client.HTTPResponse) -> bool:
        """Keep how the server wants its password; False where it was told already and turned down."""
        offers = response.headers.get_all("WWW-Authenticate") or []
        known = {offer.partition(" ")[0].lower(): offer for offer in offers}
        challenge = known.get("digest") or known.get("basic")
        is_stale = challenge is not None and re.search(r'stale="?true', challenge, re.IGNORECASE) is not None
        if challenge is None or self._origin.user is None or not self._guard.is_origin(address):
            return False
        is_new = self._challenge is None or is_stale
        self._challenge, self._uses = challenge, 0
        return is_new

    def _judge(self, address: Address, status: int) -> None:
        if status in (200, 206):
            return
        reason: Reason = "refused" if status in (401, 403) else "unreachable"
        raise OpenError(f"{address.shown}: the server answers {status}", reason=reason)


class Answer:
    """What a server sends. `read` gives what there is, b"" at the end; never more than asked for.

    address: where it came from in the end; kind: its media type in lower case; length: bytes, None where it goes on
    is_part: it is the range of bytes that was asked for
    """

    def __init__(self, web: Web, address: Address, response: http.client.HTTPResponse) -> None:
        self.address = address
        self.kind = response.headers.get_content_type().lower()
        self.length = response.length
        self.is_part = response.status == 206
        self._web = web
        self._response = response

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises StreamError."""
        try:
            return self._response.read1(size)
        except (OSError, http.client.HTTPException, ValueError, AttributeError) as error:
            raise trouble(self.address, error, is_reading=True) from None

    def text(self, *, longest: int, within_seconds: float, begun: bytes = b"") -> str:
        """Return all of it as text, after what was read of it before. Raises StreamError where it takes too long.

        longest: bytes; more is an OpenError
        """
        until = time.monotonic() + within_seconds
        pieces = [begun]
        left = longest
        while left > 0 and time.monotonic() < until:
            piece = self.read(min(left, 1 << 16))
            if not piece:
                return b"".join(pieces).decode("utf-8", "replace")
            pieces.append(piece)
            left -= len(piece)
        if left > 0:
            raise ReadTimeout(f"{self.address.shown}: takes more than {within_seconds:g} s", reason="timeout")
        raise OpenError(f"{self.address.shown}: longer than {longest} bytes", reason="limit")


def joined(address: Address, target: str) -> Address:
    """Return where a relative or absolute target leads. Raises OpenError."""
    try:
        found = address_of(urljoin(address.url(), target))
    except ValueError as error:
        raise OpenError(f"{address.shown}: leads to what is no address: {error}", reason="limit") from None
    # What a server writes into a target is no password of ours.
    return Address(found.scheme, None, None, found.host, found.port, found.path, found.query)


def trouble(address: Address, error: Exception, *, is_reading: bool = False) -> StreamError:
    """Return what went wrong with a server as an error with its reason, in one line without secrets."""
    where = address.shown
    if isinstance(error, TimeoutError):
        reason: Reason = "stall" if is_reading else "timeout"
        return ReadTimeout(f"{where}: silent for too long" if is_reading else f"{where}: no answer", reason=reason)
    if isinstance(error, ConnectionResetError | BrokenPipeError | http.client.RemoteDisconnected):
        return StreamError(f"{where}: the connection was reset", reason="reset")
    if isinstance(error, http.client.IncompleteRead):
        return StreamError(f"{where}: the server broke off", reason="end")
    if isinstance(error, ssl.SSLCertVerificationError):
        why = f"its certificate is not trusted: {error.verify_message}"
        how = "ca_file names who vouches for it, tls_verify = false does without"
        return OpenError(f"{where}: {why} ({how})", reason="unreachable")
    if isinstance(error, ssl.SSLError):
        return OpenError(f"{where}: no encrypted connection: {error.reason or 'failed'}", reason="unreachable")
    if isinstance(error, OSError) and error.strerror:
        return OpenError(f"{where}: {error.strerror}", reason="unreachable")
    return OpenError(f"{where}: the server does not speak HTTP", reason="unreachable")


def doubted(address: Address, guard: Guard, seconds: float) -> StreamError | None:
    """Return what is wrong with a server's certificate, where something else could not read it; None where nothing is.

    FFmpeg and GStreamer say of a certificate no more than that it did not work.
    """
    if address.scheme not in ENCRYPTED:
        return None
    try:
        connected(address, guard, guard.admit(address), seconds).close()
    except ssl.SSLCertVerificationError as error:
        return trouble(address, error)
    except OSError:
        pass  # then it had something else to say
    return None


def connected(address: Address, guard: Guard, ips: Sequence[str], seconds: float) -> socket.socket:
    """Connect the first of some IP addresses that answers, by TLS where the scheme says so. Raises OSError."""
    port = address.port or PORTS[address.scheme]
    error: OSError = OSError("no address")
    until = time.monotonic() + seconds
    for ip in ips:
        try:
            made = socket.create_connection((ip, port), timeout=max(0.05, until - time.monotonic()))
            break
        except OSError as caught:
            error = caught
    else:
        raise error
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if address.scheme in ENCRYPTED:
            return guard.trust.context().wrap_socket(made, server_hostname=address.host)
    except BaseException:
        made.close()
        raise
    return made


class _Pinned(http.client.HTTPConnection):
    """A connection to addresses that were looked at before, whatever the name resolves to by now."""

    def __init__(self, address: Address, guard: Guard, ips: list[str], timeout: float) -> None:
        super().__init__(address.host, address.port or PORTS[address.scheme], timeout=timeout)
        self._address, self._guard, self._ips = address, guard, ips
        self._raw: socket.socket | None = None
        self._answer: http.client.HTTPResponse | None = None

    def getresponse(self) -> http.client.HTTPResponse:
        self._answer = super().getresponse()
        return self._answer

    def connect(self) -> None:
        self._raw = self.sock = connected(self._address, self._guard, self._ips, self.timeout or 0)

    def close(self) -> None:
        super().close()
        if self._answer is not None:
            self._answer.close()
        if self._raw is not None:  # which a response that reads to the end keeps open
            self._raw.close()

    def bear(self, seconds: float) -> None:
        """Let reads of the answer wait for so long."""
        if self._raw is not None:  # `sock` has been passed on to the answer
            self._raw.settimeout(seconds)

    def abort(self) -> None:
        """Make whoever waits for it go on."""
        if self._raw is not None:
            with suppress(OSError):  # it is gone already
                self._raw.shutdown(socket.SHUT_RDWR)


def _digest(user: str, password: str, target: str, challenge: str, *, count: int) -> str | None:
    """Answer a challenge (RFC 7616: MD5 and SHA-256, with and without qop); None where it asks for something else."""
    rows = re.findall(r'(\w+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', challenge)
    asked = {key.lower(): quoted or bare for key, quoted, bare in rows}
    algorithm = asked.get("algorithm", "MD5")
    kinds = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
    if algorithm.upper() not in kinds or not {"realm", "nonce"} <= asked.keys():
        return None

    def hashed(*parts: str) -> str:
        return kinds[algorithm.upper()](":".join(parts).encode()).hexdigest()

    first, second = hashed(user, asked["realm"], password), hashed("GET", target)
    name = user.replace("\\", "\\\\").replace('"', '\\"')
    said = f'username="{name}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{target}"'
    if "algorithm" in asked:
        said += f", algorithm={algorithm}"
    if "opaque" in asked:
        said += f', opaque="{asked["opaque"]}"'
    if "auth" in re.split(r"[\s,]+", asked.get("qop", "")):
        own = secrets.token_hex(8)
        response = hashed(first, asked["nonce"], f"{count:08x}", own, "auth", second)
        return f'Digest {said}, qop=auth, nc={count:08x}, cnonce="{own}", response="{response}"'
    return f'Digest {said}, response="{hashed(first, asked["nonce"], second)}"'
