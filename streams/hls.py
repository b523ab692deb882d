"""HLS as one run of bytes: the segments of a playlist, one after the other, as they are published.

FFmpeg's own reader of playlists would fetch whatever they name; here every address is looked at by `web`. Knows
playlists (RFC 8216: the best variant, fragmented mp4, byte ranges, program dates, whole segments encrypted by AES-128);
knows nothing of video.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from streams.errors import OpenError, StreamError
from streams.guard import Guard
from streams.urls import Address
from streams.web import Answer, Web, joined

LONGEST_PLAYLIST = 1 << 20
"""Bytes; the longest that were met, a day of television, have a third of that."""

_KEYS_KEPT = 16
"""Of those that were fetched last; most streams change theirs after minutes, some with each segment."""

_SEGMENTS_FROM_THE_END = 3
_LEAST_RELOAD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Key:
    """How a piece is encrypted: AES-128, CBC, padded.

    address: where the key lies, 16 bytes; iv: initial vector, None for the number of the segment
    """

    address: Address
    iv: bytes | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What comes before the pieces of fragmented mp4; fields as in `Segment`."""

    address: Address
    first_byte: int = 0
    byte_count: int | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of the stream.

    first_byte, byte_count: of what lies at its address; all of it where the count is None
    header: what must come before it, as fragmented mp4 wants it
    key: how it is encrypted, None where it is not
    date: UTC of its first picture
    """

    number: int
    address: Address
    seconds: float
    first_byte: int = 0
    byte_count: int | None = None
    header: Header | None = None
    date: datetime | None = None
    key: Key | None = None


@dataclass(frozen=True, slots=True)
class Playlist:
    """What a playlist says: variants with their bits a second, or segments."""

    variants: tuple[tuple[int, Address], ...]
    segments: tuple[Segment, ...]
    target_seconds: float
    is_over: bool


@dataclass(slots=True)
class HlsPlace:
    """How far a stream was read, over all its connections; -1 is not at all."""

    number: int = field(default=-1)


@dataclass(frozen=True, slots=True)
class Past:
    """What one connection over HTTP leaves to the next: which addresses are known, and how far was read."""

    guard: Guard
    place: HlsPlace


class Hls:
    """The bytes of a live stream. `read` from one thread, `close` from any.

    playlist: where it is; text: what it said
    place: of the connection before, so that what was read is not read again
    """

    def __init__(self, web: Web, playlist: Address, text: str, place: HlsPlace, *, read_seconds: float) -> None:
        self._web = web
        self._read_seconds = read_seconds
        self._place = place
        self._closed = threading.Event()
        found = parse(text, playlist)
        if found.variants:
            _, playlist = max(found.variants, key=lambda variant: variant[0])
            found = self._fetch(playlist)
        self._playlist = playlist
        self._found = found
        self._loaded_at = time.monotonic()
        self._answer: Answer | None = None
        self._left: int | None = None
        self._header: Header | None = None
        self._cipher: _Cipher | None = None
        self._keys: dict[str, bytes] = {}
        self._ready = b""
        self._waiting: list[Segment] = []
        self.first: Segment | None = None
        if not found.segments:
            return
        numbers = [segment.number for segment in found.segments]
        if not numbers[0] <= place.number + 1 <= numbers[-1] + 1:
            place.number = -1
        start = numbers[max(0, len(numbers) - _SEGMENTS_FROM_THE_END)] if not found.is_over else numbers[0]
        place.number = max(place.number, start - 1)

    def read(self, size: int) -> bytes:
        """Return the next bytes, `size` at the most; b"" where the stream is over or closed. Raises StreamError."""
        while not self._ready and not self._closed.is_set():
            if self._answer is not None:
                self._ready = self._piece(size)
            elif not self._advance():
                break
        piece, self._ready = self._ready[:size], self._ready[size:]
        return piece

    def close(self) -> None:
        """End a read that waits for the next segment."""
        self._closed.set()

    def _piece(self, size: int) -> bytes:
        """Return more of what is being fetched, deciphered; it may be none yet, and at the end there is no answer."""
        assert self._answer is not None
        piece = self._answer.read(size if self._left is None else min(size, self._left)) if self._left != 0 else b""
        if not piece:
            self._answer = None
        elif self._left is not None:
            self._left -= len(piece)
        if self._cipher is None:
            return piece
        try:
            return self._cipher.plain(piece)
        except ValueError:
            raise OpenError(
                f"{self._playlist.shown}: its key does not fit segment {self._place.number}", reason="decode"
            ) from None

    def _advance(self) -> bool:
        """Begin the next segment, and wait for it as long as it takes; False where there will be none."""
        if self._waiting:
            return self._begin(self._waiting.pop())
        while not self._closed.is_set():
            for segment in self._found.segments:
                if segment.number > self._place.number:
                    self._place.number = segment.number  # one that fails is not tried again
                    return self._begin(segment)
            if self._found.is_over:
                return False
            wait = max(_LEAST_RELOAD_SECONDS, self._found.target_seconds / 2)
            self._closed.wait(max(0.0, self._loaded_at + wait - time.monotonic()))
            if not self._closed.is_set():
                self._loaded_at = time.monotonic()
                self._found = self._fetch(self._playlist)
                last = self._found.segments[-1].number if self._found.segments else -1
                if last < self._place.number:
                    raise StreamError(f"{self._playlist.shown}: its count of segments began again", reason="end")
        return False

    def _begin(self, segment: Segment) -> bool:
        """Ask for a segment, or for the header that it wants first."""
        if segment.header is not None and segment.header != self._header:
            if self._header is not None:
                raise StreamError(f"{self._playlist.shown}: another stream took its place", reason="end")
            self._header = segment.header
            self._waiting.append(segment)
            self._ask(segment.header, segment.number)
        else:
            self.first = self.first or segment
            self._ask(segment, segment.number)
        return True

    def _ask(self, piece: Header | Segment, number: int) -> None:
        self._cipher = None
        if piece.key is not None:
            iv = (number % (1 << 128)).to_bytes(16, "big") if piece.key.iv is None else piece.key.iv
            self._cipher = _Cipher(self._key(piece.key.address), iv)
        first, count = piece.first_byte, piece.byte_count
        wanted = {} if count is None else {"Range": f"bytes={first}-{first + count - 1}"}
        self._answer = self._web.get(piece.address, headers=wanted)
        if first and not self._answer.is_part:
            raise OpenError(f"{piece.address.shown}: the server gives no part of a file", reason="decode")
        self._left = count

    def _key(self, address: Address) -> bytes:
        """Return a key, which is fetched like all else, and once. Raises StreamError."""
        where = address.url()
        if where not in self._keys:
            answer, key = self._web.get(address), b""
            while len(key) <= 16 and (piece := answer.read(17 - len(key))):
                key += piece
            if len(key) != 16:
                raise OpenError(f"{address.shown}: no key of 16 bytes", reason="decode")
            if len(self._keys) >= _KEYS_KEPT:
                del self._keys[next(iter(self._keys))]
            self._keys[where] = key
        return self._keys[where]

    def _fetch(self, address: Address) -> Playlist:
        answer = self._web.get(address)
        return parse(answer.text(longest=LONGEST_PLAYLIST, within_seconds=self._read_seconds), answer.address)


class _Cipher:
    """Deciphers one piece as it comes: AES-128, CBC, padded to blocks of 16 bytes (PKCS #7)."""

    def __init__(self, key: bytes, iv: bytes) -> None:
        self._decryptor = Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor()
        self._unpadder = padding.PKCS7(128).unpadder()

    def plain(self, piece: bytes) -> bytes:
        """Return what can be known by now, all of it after b"". Raises ValueError where the key was not its."""
        if piece:
            return self._unpadder.update(self._decryptor.update(piece))
        return self._unpadder.update(self._decryptor.finalize()) + self._unpadder.finalize()


def parse(text: str, at: Address) -> Playlist:
    """Read a playlist that came from `at`. Raises OpenError where it is none, or one that cannot be read."""
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0].lstrip("\ufeff") != "#EXTM3U":
        raise OpenError(f"{at.shown}: not a playlist", reason="decode")
    variants: list[tuple[int, Address]] = []
    segments: list[Segment] = []
    number, target, seconds, is_gap = 0, 4.0, 0.0, False
    bits: int | None = None
    header = date = byte_range = key = None
    range_end = 0
    for line in lines[1:]:
        tag, _, value = line.partition(":")
        try:
            if not line:
                continue
            if not line.startswith("#"):
                address = joined(at, line)
                if bits is not None:
                    variants.append((bits, address))
                else:
                    count, first = byte_range or (None, 0)
                    range_end = first + (count or 0)
                    if not is_gap:
                        segments.append(Segment(number, address, seconds, first, count, header, date, key))
                    date = None if date is None else date + timedelta(seconds=seconds)
                    number += 1
                bits, byte_range, seconds, is_gap = None, None, 0.0, False
            elif tag == "#EXT-X-STREAM-INF":
                bits = int(_attributes(value).get("BANDWIDTH", "0"))
            elif tag == "#EXT-X-MEDIA-SEQUENCE":
                number = int(value)
            elif tag == "#EXT-X-TARGETDURATION":
                target = min(60.0, max(0.5, float(value)))
            elif tag == "#EXTINF":
                seconds = min(600.0, max(0.0, float(value.partition(",")[0])))
            elif tag == "#EXT-X-BYTERANGE":
                byte_range = _range(value, range_end)
            elif tag == "#EXT-X-MAP":
                asked = _attributes(value)
                count, first = _range(asked["BYTERANGE"], 0) if "BYTERANGE" in asked else (None, 0)
                header = Header(joined(at, asked["URI"]), first, count, key)
            elif tag == "#EXT-X-PROGRAM-DATE-TIME":
                moment = datetime.fromisoformat(value)
                date = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            elif tag == "#EXT-X-GAP":
                is_gap = True
            elif tag == "#EXT-X-KEY":
                key = _key(at, _attributes(value))
        except (ValueError, KeyError, OverflowError):
            raise OpenError(
                f"{at.shown}: a playlist with a line that makes no sense: {tag[:40]!a}", reason="decode"
            ) from None
    is_over = "#EXT-X-ENDLIST" in lines
    return Playlist(tuple(variants), tuple(segments), target, is_over)


def _key(at: Address, asked: Mapping[str, str]) -> Key | None:
    """Return how the segments from here on are encrypted. Raises OpenError, ValueError, KeyError."""
    method, form = asked["METHOD"], asked.get("KEYFORMAT", "identity")
    if method == "NONE":
        return None
    if method != "AES-128" or form != "identity":
        how = re.sub(r"[^ -~]", "?", f"{method[:20]} ({form[:40]})")
        raise OpenError(f"{at.shown}: encrypted by {how}: DRM is not supported, AES-128 is", reason="limit")
    iv = int(asked["IV"], 16).to_bytes(16, "big") if "IV" in asked else None
    return Key(joined(at, asked["URI"]), iv)


def _attributes(text: str) -> dict[str, str]:
    rows = re.findall(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))', text)
    return {name: quoted or bare for name, quoted, bare in rows}


def _range(text: str, following: int) -> tuple[int, int]:
    """Return byte count and first byte of `count@first`, or of `count` alone, which goes on from the one before."""
    count, _, first = text.partition("@")
    return max(0, int(count)), max(0, int(first)) if first else following
