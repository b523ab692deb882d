"""A prepared transport stream that goes on for ever: its packets are stamped anew each time round. Nothing is encoded.

So one process can be dozens of cameras. It knows the few fields of MPEG-TS that tell time and order: the continuity
counters, PCR, PTS and DTS (ISO/IEC 13818-1, 2.4.3).
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

import av
from av import VideoFrame

from streams.pixels import Image

PACKET = 188
TICKS = 90_000
_WRAP = 1 << 33


def encoded(pictures: Iterable[Image], *, size_wh: tuple[int, int], fps: int, key_every: int = 30) -> list[bytes]:
    """Encode pictures as H.264 in a transport stream; return its bytes frame by frame."""
    pieces, taken = [], _Bytes()
    with av.open(taken, "w", format="mpegts", options={"flush_packets": "1"}) as out:
        options = {"tune": "zerolatency", "preset": "veryfast", "g": str(key_every), "sc_threshold": "0"}
        stream = out.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = size_wh
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, TICKS)
        for number, rgb in enumerate(pictures):
            frame = VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = number * TICKS // fps, Fraction(1, TICKS)
            out.mux(stream.encode(frame))
            pieces.append(taken.take())
        out.mux(stream.encode())
    pieces[-1] += taken.take()
    return pieces


class Endless:
    """The bytes of frame 0, 1, 2, ... of a stream that plays its pieces over and over, its clock going on.

    pieces: as `encoded` returns them; fps: frames a second
    """

    def __init__(self, pieces: Sequence[bytes], *, fps: int) -> None:
        self._pieces = pieces
        self._ticks = len(pieces) * TICKS // fps
        self._packets: Counter[int] = Counter()
        for piece in pieces:
            for at in range(0, len(piece), PACKET):
                if piece[at + 3] & 0x10:  # only packets with a payload are counted
                    self._packets[_pid(piece, at)] += 1
        self._known: dict[tuple[int, int], bytes] = {}

    def __getitem__(self, number: int) -> bytes:
        rounds, place = divmod(number, len(self._pieces))
        if rounds == 0:
            return self._pieces[place]
        key = rounds, place
        if key not in self._known:
            if len(self._known) > 2 * len(self._pieces):
                self._known.clear()
            self._known[key] = self._stamped(self._pieces[place], rounds)
        return self._known[key]

    def _stamped(self, piece: bytes, rounds: int) -> bytes:
        data, ticks = bytearray(piece), rounds * self._ticks
        for at in range(0, len(data), PACKET):
            counter = (data[at + 3] & 0x0F) + rounds * self._packets[_pid(piece, at)]
            data[at + 3] = (data[at + 3] & 0xF0) | (counter & 0x0F)
            payload = at + 4
            if data[at + 3] & 0x20:  # an adaptation field
                payload += 1 + data[at + 4]
                if data[at + 4] >= 7 and data[at + 5] & 0x10:
                    _add_pcr(data, at + 6, ticks)
            is_pes = data[at + 1] & 0x40 and data[at + 3] & 0x10 and data[payload : payload + 3] == b"\0\0\1"
            if is_pes:
                flags = data[payload + 7] >> 6
                for number in range({2: 1, 3: 2}.get(flags, 0)):
                    _add_pts(data, payload + 9 + 5 * number, ticks)
        return bytes(data)


class _Bytes(io.RawIOBase):
    """A file that hands out what was written since it was last asked."""

    def __init__(self) -> None:
        self._data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self._data += memoryview(data)  # type: ignore[arg-type]
        return len(memoryview(data))  # type: ignore[arg-type]

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


def _pid(data: bytes, at: int) -> int:
    return (data[at + 1] & 0x1F) << 8 | data[at + 2]


def _add_pts(data: bytearray, at: int, ticks: int) -> None:
    five = data[at : at + 5]
    value = (five[0] >> 1 & 7) << 30 | five[1] << 22 | (five[2] >> 1) << 15 | five[3] << 7 | five[4] >> 1
    value = (value + ticks) % _WRAP
    data[at] = five[0] & 0xF1 | (value >> 30 & 7) << 1
    data[at + 1 : at + 5] = bytes(
        (value >> 22 & 255, (value >> 15 & 127) << 1 | 1, value >> 7 & 255, (value & 127) << 1 | 1)
    )


def _add_pcr(data: bytearray, at: int, ticks: int) -> None:
    value = int.from_bytes(data[at : at + 6], "big")
    base = ((value >> 15) + ticks) % _WRAP
    data[at : at + 6] = (base << 15 | value & 0x7FFF).to_bytes(6, "big")
