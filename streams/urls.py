"""What a source's address may show: its scheme, its name, and the address without secrets. Opens nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePath
from urllib.parse import quote, unquote

LONGEST_NAME = 64
"""Characters; a name becomes a folder and a metric's label."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C: is a drive, not a scheme
_SECRET_VALUE = re.compile(r"(?i)([?&;][^=&;#]*(?:pass|pwd|token|key|secret|auth|sig|user|login|cred)[^=&;#]*=)[^&;#]*")
_QUERY = re.compile(r"(^|[&;])([^&;]*)")
_PLAIN_KEYS = re.compile(
    r"buffer_size|channel|empty|fifo_size|format|fps|latency|localaddr(ess)?|localport|mode|pbkeylen|reuse|seconds|seed"
    r"|size|sources|subtype|transport",
    re.IGNORECASE,
)
"""Of a query, what may be shown with its value. Any other key may be a secret's: `streamid` of SRT holds passwords."""

_QUOTED = re.compile(r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'")
_ELEMENT = re.compile(r"(?:^|(?<=\s)!)\s*([a-z][a-z0-9_-]*)(?=\s|$)")  # a ! without a blank may be of a password


def scheme_of(url: str) -> str | None:
    """Return the scheme in lower case (`rtsp`, `camera`, `file`), or None where there is none, as in a path."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else None


def redact(url: str) -> str:
    """Return the URL without user, password, and the values of its query that may be secret, safe to be logged.

    Passwords hold `@`, `/` and `?` unescaped often enough, so everything up to the last `@` goes: rather hide a piece
    of a path than show a piece of a password. A path without `://` has no secrets and comes back as it is.
    """
    if scheme_of(url) == "gst":  # a pipeline, whose properties are no business of anybody's: what is left is elements
        return "gst:" + " ! ".join(_ELEMENT.findall(_QUOTED.sub("", url[4:])))
    start, mark, rest = url.partition("://")
    if not mark:
        return url
    _, at, host = rest.rpartition("@")
    bare, fragment, _ = host.partition("#")
    place, question, query = bare.partition("?")
    place = _SECRET_VALUE.sub(r"\1***", ("***@" if at else "") + place)
    return start + mark + place + question + _QUERY.sub(_shown_pair, query) + ("#***" if fragment else "")


def _shown_pair(match: re.Match[str]) -> str:
    key, equals, value = match[2].partition("=")
    if not match[2] or (_PLAIN_KEYS.fullmatch(key) and re.fullmatch(r"[\w.,:-]*", value)):
        return match[0]
    return match[1] + (f"{key}=" if equals else "") + "***"


def stream_name(url: str) -> str:
    """Return a name for the stream that can be a folder and a label, the same for the same file wherever it lies.

    `drives/monday.mp4` is `monday`, a folder of images or a glob in it is the folder's name, and
    `rtsp://user:pw@10.0.0.5/live/1` is `10.0.0.5-live-1`. Letters of every script stay. See also `stream_names`.
    """
    scheme = scheme_of(url)
    bare, _, _ = redact(url).partition("?") if scheme else (url, "", "")
    if "://" in bare and scheme != "file":
        name = unquote(bare.split("://", 1)[1].removeprefix("***@"))
    elif scheme and scheme != "file":
        name = bare
    else:
        path = PurePath(unquote(bare.removeprefix("file://")) if scheme else bare)
        while "*" in path.name or "?" in path.name:  # not [: files called `drive[1].mp4` are more frequent than globs
            path = path.parent
        name = path.stem
    words = re.sub(r"[^\w.]+", "-", unicodedata.normalize("NFC", name))
    return words.strip("-.")[:LONGEST_NAME] or "stream"


def stream_names(urls: Iterable[str]) -> list[str]:
    """Return one name a URL, all different: the second `drive` is `drive-2`."""
    names: list[str] = []
    for url in urls:
        name = stream_name(url)
        count = 1
        unique = name
        while unique in names:
            count += 1
            unique = f"{name}-{count}"
        names.append(unique)
    return names


@dataclass(frozen=True, slots=True)
class Address:
    """Where a network stream is, taken apart; nothing in it is escaped but path and query.

    scheme: in lower case; host: without brackets; port: None where the URL names none
    path, query: as they stand, with their first `/` and without the `?`
    is_doubtful: there is an `@` after the host; it may be that of a password, as in `user:1/x@host`
    """

    scheme: str
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    host: str
    port: int | None
    path: str
    query: str = field(repr=False)
    is_doubtful: bool = False

    @property
    def place(self) -> str:
        """Host and port, as in a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """It as a URL that may be told to anybody: without user, password and query."""
        return f"{self.scheme}://***" if self.is_doubtful else f"{self.scheme}://{self.place}{self.path}"

    def url(self, *, query: str | None = None) -> str:
        """Return it as a URL with all that is secret in it, well escaped; `query` takes the place of its own."""
        who = "" if self.user is None else quote(self.user, safe="")
        who += "" if self.password is None else ":" + quote(self.password, safe="")
        query = self.query if query is None else query
        return f"{self.scheme}://{who}{'@' if who else ''}{self.place}{self.path}{'?' if query else ''}{query}"


_PLACE = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+(?:%25\w+)?)\]|(?P<host>[\w.-]*))(?::(?P<port>\d{1,5}))?", re.ASCII)


def address_of(url: str) -> Address:
    """Take a URL apart. Raises ValueError with what is wrong with it, without its secrets.

    Passwords hold `@`, `/`, `?` and `%` unescaped often enough: where what stands before the first slash is no host, it
     is looked for after each later `@`.
    """
    scheme, mark, rest = url.partition("://")
    if not mark or scheme_of(url) != scheme.lower():
        raise ValueError("not an address such as rtsp://host/path")
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ValueError("an address holds no blanks or control characters")
    ends = [match.start() for match in re.finditer("@", rest)]
    authority_end = re.search(r"[/?#]|$", rest).start()  # type: ignore[union-attr]
    within = [at for at in ends if at < authority_end][-1:]
    for at in [*(within or [-1]), *(at for at in ends if at >= authority_end)]:
        place, tail = re.match(r"([^/?#]*)(.*)", rest[at + 1 :]).groups()  # type: ignore[union-attr]
        match = _PLACE.fullmatch(place)
        if match and 0 < int(match["port"] or 1) < 1 << 16:
            break
    else:
        place = re.match(r"[^/?#]*", rest[(within or [-1])[0] + 1 :])[0]  # type: ignore[index]
        is_port = re.fullmatch(r".+:\d+", place)  # which is not shown, as it may be a password
        raise ValueError("its port is none from 1 to 65535" if is_port else "it names no host")
    user, colon, password = rest[: max(at, 0)].partition(":")
    path, _, query = tail.partition("#")[0].partition("?")
    return Address(
        scheme=scheme.lower(),
        user=unquote(user) if at >= 0 else None,
        password=unquote(password) if colon else None,
        host=match["v6"] or match["host"],
        port=int(match["port"]) if match["port"] else None,
        path=path,
        query=query,
        is_doubtful=bool(ends) and ends[-1] > at,
    )
