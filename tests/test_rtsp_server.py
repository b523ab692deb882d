"""The RTSP server of the tests does what tests of live streams rely on, as PyAV sees it."""

from __future__ import annotations

import time
from itertools import islice, pairwise

import av
import pytest

from tests.media import number_of
from tests.rtsp_server import RtspServer, needs_rtsp_server

pytestmark = needs_rtsp_server

TCP = {"rtsp_transport": "tcp"}


def numbers(url: str, count: int, **options: str) -> list[int]:
    with av.open(url, options={**TCP, **options}, timeout=(10, 5)) as container:
        return [number_of(frame.to_ndarray(format="rgb24")) for frame in islice(container.decode(video=0), count)]


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("b_frames", [0, 2])
def test_pictures_come_in_order(transport: str, b_frames: int) -> None:
    with RtspServer(fps=50, gop=10, b_frames=b_frames) as server:
        seen = numbers(server.url, 40, rtsp_transport=transport)
    assert [after - before for before, after in pairwise(seen)] == [1] * 39


@pytest.mark.parametrize("is_digest", [True, False])
def test_credentials_are_asked_for(is_digest: bool) -> None:
    with RtspServer(user="ann", password="s3cret", is_digest=is_digest) as server:
        assert len(numbers(server.url, 2)) == 2
        for wrong in (server.url.replace("s3cret", "wrong"), server.url.replace("ann:s3cret@", "")):
            with pytest.raises(av.HTTPUnauthorizedError):
                numbers(wrong, 1)


def test_killed_and_started_again_on_the_same_port() -> None:
    with RtspServer() as server:
        first = numbers(server.url, 3)
        with av.open(server.url, options=TCP, timeout=(10, 5)) as container:
            frames = container.decode(video=0)
            next(frames)
            server.kill()
            assert len(list(frames)) < 100  # ends instead of hanging
        server.start()
        assert len(first) == len(numbers(server.url, 3)) == 3


def test_frozen_and_thawed() -> None:
    with RtspServer() as server, av.open(server.url, options=TCP, timeout=(10, 1)) as container:
        frames = container.decode(video=0)
        next(frames)
        server.freeze()
        began = time.monotonic()
        with pytest.raises((av.ExitError, av.TimeoutError)):
            list(frames)
        assert 0.5 < time.monotonic() - began < 5
        server.thaw()
        assert len(numbers(server.url, 2)) == 2


def test_sound_comes_beside_the_pictures() -> None:
    with (
        RtspServer(has_sound=True) as server,
        av.open(server.url, options=TCP, timeout=(10, 5)) as container,
    ):
        kinds = {packet.stream.type for packet in islice(container.demux(), 40)}
    assert kinds == {"video", "audio"}
