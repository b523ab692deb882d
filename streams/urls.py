"""What a source's address may show: its scheme, its name, and the address without secrets. Opens nothing."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from pathlib import PurePath
from urllib.parse import unquote

LONGEST_NAME = 64
"""Characters; a name becomes a folder and a metric's label."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")  # two letters or more: C: is a drive, not a scheme
_SECRET_VALUE = re.compile(r"(?i)([?&;][^=&;#]*(?:pass|pwd|token|key|secret|auth|sig|user|login|cred)[^=&;#]*=)[^&;#]*")


def scheme_of(url: str) -> str | None:
    """Return the scheme in lower case (`rtsp`, `camera`, `file`), or None where there is none, as in a path."""
    match = _SCHEME.match(url)
    return match[1].lower() if match else None


def redact(url: str) -> str:
    """Return the URL without user, password and secret query values, safe to be logged.

    Passwords hold `@`, `/` and `?` unescaped often enough, so everything up to the last `@` goes: rather hide a piece
    of a path than show a piece of a password. A path without `://` has no secrets and comes back as it is.
    """
    start, mark, rest = url.partition("://")
    if not mark:
        return url
    _, at, host = rest.rpartition("@")
    return start + mark + _SECRET_VALUE.sub(r"\1***", ("***@" if at else "") + host)


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
