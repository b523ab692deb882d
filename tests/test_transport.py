"""A prepared stream that goes on for ever: a decoder sees one stream whose clock rises, and nothing missing."""

import io
from itertools import pairwise

import av
import pytest

from streams.transport import Endless, encoded
from tests.media import number_of, picture

FPS, COUNT, SIZE_WH = 15, 20, (160, 120)


@pytest.fixture(scope="module")
def endless() -> Endless:
    return Endless(
        encoded((picture(n, SIZE_WH) for n in range(COUNT)), size_wh=SIZE_WH, fps=FPS, key_every=10), fps=FPS
    )


def decoded(data: bytes) -> list[av.VideoFrame]:
    with av.open(io.BytesIO(data), format="mpegts") as container:
        return list(container.decode(video=0))


def test_its_clock_rises_over_every_seam_and_no_packet_is_missed(endless: Endless) -> None:
    frames = decoded(b"".join(endless[number] for number in range(3 * COUNT)))
    assert len(frames) == 3 * COUNT
    assert {b.pts - a.pts for a, b in pairwise(frames)} == {90_000 // FPS}
    assert not any(frame.is_corrupt for frame in frames)
    assert [number_of(frame.to_ndarray(format="rgb24")) for frame in frames] == [*range(COUNT)] * 3


def test_its_counters_go_on(endless: Endless) -> None:
    seen: dict[int, int] = {}
    for number in range(5 * COUNT):
        data = endless[number]
        assert len(data) % 188 == 0
        for at in range(0, len(data), 188):
            pid, control = (data[at + 1] & 0x1F) << 8 | data[at + 2], data[at + 3]
            if control & 0x10:
                assert pid not in seen or control & 15 == (seen[pid] + 1) & 15, number
                seen[pid] = control & 15


def test_the_33_bits_of_its_clock_wrap(endless: Endless) -> None:
    rounds = (1 << 33) // (COUNT * 90_000 // FPS)
    frames = decoded(b"".join(endless[n] for n in range(rounds * COUNT, rounds * COUNT + 2 * COUNT)))
    assert len(frames) == 2 * COUNT
    assert not any(frame.is_corrupt for frame in frames)
