"""HLS as one run of bytes: the segments of a playlist, one after the other, as they are published.

FFmpeg's own reader of playlists would fetch whatever they name; here every address is looked at by `web`. Knows
playlists (RFC 8216: the best variant, fragmented mp4, byte ranges, program dates); knows nothing of video.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from streams.errors import OpenError, StreamError
from streams.urls import Address
from streams.web import Answer, Web, joined

LONGEST_PLAYLIST = 1 << 20
"""Bytes; the longest that were met, a day of television, have a third of that."""

_LONGEST_HEADER = 1 << 24
_SEGMENTS_FROM_THE_END = 3
_LEAST_RELOAD_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Segment:
    """One piece of the stream.

    first_byte, byte_count: of what lies at its address; all of it where the count is None
    header: address, first byte and byte count of what must come before it, as fragmented mp4 wants it
    date: UTC of its first picture
    """

    number: int
    address: Address
    seconds: float
    first_byte: int = 0
    byte_count: int | None = None
    header: tuple[Address, int, int | None] | None = None
    date: datetime | None = None


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
        self._header: tuple[Address, int, int | None] | None = None
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
        """Return the next bytes; b"" where the stream is over or closed. Raises StreamError."""
        while not self._closed.is_set():
            if self._answer is not None and self._left != 0:
                piece = self._answer.read(size if self._left is None else min(size, self._left))
                if piece:
                    self._left = None if self._left is None else self._left - len(piece)
                    return piece
            self._answer = None
            if not self._advance():
                break
        return b""

    def close(self) -> None:
        """End a read that waits for the next segment."""
        self._closed.set()

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
            self._ask(*segment.header)
        else:
            self.first = self.first or segment
            self._ask(segment.address, segment.first_byte, segment.byte_count)
        return True

    def _ask(self, address: Address, first: int, count: int | None) -> None:
        wanted = {} if count is None else {"Range": f"bytes={first}-{first + count - 1}"}
        self._answer = self._web.get(address, headers=wanted)
        self._left = count

    def _fetch(self, address: Address) -> Playlist:
        answer = self._web.get(address)
        return parse(answer.text(longest=LONGEST_PLAYLIST, within_seconds=self._read_seconds), answer.address)


def parse(text: str, at: Address) -> Playlist:
    """Read a playlist that came from `at`. Raises OpenError where it is none, or one that cannot be read."""
    lines = [line.strip() for line in text.splitlines()]
    if not lines or lines[0].lstrip("\ufeff") != "#EXTM3U":
        raise OpenError(f"{at.shown}: not a playlist", reason="decode")
    variants: list[tuple[int, Address]] = []
    segments: list[Segment] = []
    number, target, seconds, is_gap = 0, 4.0, 0.0, False
    bits: int | None = None
    header = date = byte_range = None
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
                        segments.append(Segment(number, address, seconds, first, count, header, date))
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
                header = (joined(at, asked["URI"]), first, count)
            elif tag == "#EXT-X-PROGRAM-DATE-TIME":
                moment = datetime.fromisoformat(value)
                date = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
            elif tag == "#EXT-X-GAP":
                is_gap = True
            elif tag == "#EXT-X-KEY" and _attributes(value).get("METHOD") != "NONE":
                raise OpenError(f"{at.shown}: its segments are encrypted, which is not supported", reason="decode")
        except (ValueError, KeyError, OverflowError):
            raise OpenError(
                f"{at.shown}: a playlist with a line that makes no sense: {tag[:40]!a}", reason="decode"
            ) from None
    is_over = "#EXT-X-ENDLIST" in lines
    return Playlist(tuple(variants), tuple(segments), target, is_over)


def _attributes(text: str) -> dict[str, str]:
    rows = re.findall(r'([A-Z0-9-]+)=(?:"([^"]*)"|([^",]*))', text)
    return {name: quoted or bare for name, quoted, bare in rows}


def _range(text: str, following: int) -> tuple[int, int]:
    """Return byte count and first byte of `count@first`, or of `count` alone, which goes on from the one before."""
    count, _, first = text.partition("@")
    return max(0, int(count)), max(0, int(first)) if first else following
