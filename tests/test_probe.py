"""`wayside probe` measures what a stream is, of files and of real servers on loopback, whatever its header claims."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from streams.errors import StreamError
from streams.gst_library import why_not
from streams.live_source import LiveSettings
from streams.probe import probe
from tests.feeds import udp_feed
from tests.media import BT601, BT709, FULL, LIMITED, write_video
from tests.ports import free_port
from tests.rtsp_server import RtspServer, needs_rtsp_server

PATIENT = LiveSettings(open_timeout_seconds=8, first_frame_seconds=8)

BACKENDS = [
    "pyav",
    pytest.param("gstreamer", marks=pytest.mark.skipif(why_not() is not None, reason=why_not() or "")),
]


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ({}, {"codec": "h264", "pixel_format": "yuv420p", "size_wh": (320, 240), "is_variable": False}),
        ({"pts": range(0, 120, 3), "time_base": Fraction(1, 75)}, {"measured_fps": 25, "is_variable": False}),
        ({"pts": [t * t for t in range(40)]}, {"is_variable": True}),
        ({"pts": [*range(20), *range(200, 220)]}, {"jumps": 1, "measured_fps": 25, "longest_step_seconds": 7.24}),
        ({"options": {"g": "10", "bf": "0"}}, {"key_frame_frames": 10, "key_frame_seconds": 0.4, "key_frames": 4}),
        ({"options": {"bf": "0"}}, {"has_b_frames": False}),
        ({"options": {"bf": "2", "b_strategy": "0"}}, {"has_b_frames": True, "disordered": 0}),
        ({"matrix": BT709, "color_range": FULL}, {"matrix": "BT.709", "range": "full", "is_range_told": True}),
        ({"matrix": BT601, "color_range": LIMITED}, {"matrix": "BT.601", "range": "limited", "is_matrix_told": True}),
        ({}, {"matrix": "BT.601", "is_matrix_told": False, "range": "limited", "is_range_told": False}),
        ({"size_wh": (1280, 720)}, {"matrix": "BT.709", "is_matrix_told": False}),
        ({"sound_seconds": 1.0}, {"sound": "aac"}),
        ({}, {"sound": "", "clock": None, "is_live": False, "corrupt_packets": 0, "is_interlaced": False}),
        ({"metadata": {"creation_time": "2026-05-01T12:00:00Z"}}, {"clock": "container"}),
        ({"pix_fmt": "yuv420p10le"}, {"pixel_format": "yuv420p10le", "profile": "High 10"}),
        ({"is_interlaced": True}, {"is_interlaced": True}),
        ({"codec": "mpeg4"}, {"codec": "mpeg4"}),
    ],
)
def test_of_files(tmp_path: Path, made: dict[str, Any], found: dict[str, Any]) -> None:
    path = write_video(tmp_path / "film.mp4", **{"pts": range(40), **made})
    told = asdict(probe(str(path), seconds=600))
    for name, value in found.items():
        expected = pytest.approx(value, rel=0.02) if isinstance(value, float | int) else value
        assert told[name] == expected, name
    assert told["frames"] == 40
    assert told["ended"] == "the file ends"
    span = 40 / 25 if "pts" not in made else told["seconds"]
    assert told["bits_per_second"] == pytest.approx(8 * path.stat().st_size / span, rel=0.7)


def test_a_long_file_is_read_in_part(tmp_path: Path) -> None:
    path = write_video(tmp_path / "film.mp4", pts=range(250))
    told = probe(str(path), seconds=2)
    assert told.seconds == pytest.approx(2, abs=0.1)
    assert told.duration_seconds == pytest.approx(10)
    assert told.ended is None


def test_damage_and_another_size(tmp_path: Path) -> None:
    small = write_video(tmp_path / "small.ts", pts=range(40)).read_bytes()
    large = write_video(tmp_path / "large.ts", size_wh=(640, 480), pts=range(40, 60)).read_bytes()
    both = tmp_path / "both.ts"
    both.write_bytes(small[: 188 * 40] + small[188 * 50 :] + large)
    told = probe(str(both), seconds=60)
    assert told.size_changes == 1
    assert told.corrupt_packets + told.corrupt_frames > 0


def test_folders_of_images_are_looked_at_too(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(3):
        Image.new("RGB", (64, 48)).save(tmp_path / f"{number}.png")
    told = probe(str(tmp_path))
    assert (told.backend, told.frames, told.size_wh, told.measured_fps) == ("images", 3, (64, 48), 1)


@needs_rtsp_server
@pytest.mark.parametrize("backend", BACKENDS)
def test_of_a_camera(backend: str) -> None:
    with RtspServer(fps=25, gop=10, b_frames=2, has_sound=True, user="ann", password="canary") as server:
        told = probe(server.url, seconds=3, backend=backend, live=PATIENT)
    assert (told.backend, told.is_live, told.container, told.codec) == (backend, True, "rtsp", "h264")
    assert told.size_wh == (320, 240)
    assert told.pixel_format == "yuv420p"
    assert told.measured_fps == pytest.approx(25, rel=0.1)
    assert told.arrival_fps == pytest.approx(25, rel=0.6)  # of a busy machine
    assert told.key_frame_frames == 10
    assert told.key_frame_seconds == pytest.approx(0.4, abs=0.15)
    assert told.has_b_frames
    assert told.clock in ("rtcp", "arrival")
    assert told.sound == ("yes" if backend == "gstreamer" else None)
    assert told.seconds == pytest.approx(3, abs=0.5)
    assert told.bits_per_second is not None
    assert 5_000 < told.bits_per_second < 500_000
    assert "canary" not in repr(told)


@pytest.mark.parametrize("backend", BACKENDS)
def test_of_a_transport_stream(backend: str) -> None:
    port = free_port(socket.SOCK_DGRAM)
    with udp_feed(port):
        told = probe(f"udp://127.0.0.1:{port}", seconds=2, backend=backend, live=PATIENT)
    assert told.codec == "h264"
    assert told.container is not None
    assert "ts" in told.container
    assert told.clock == "arrival"
    assert told.sound == ""
    assert told.measured_fps == pytest.approx(15, rel=0.15)


@needs_rtsp_server
def test_a_stream_that_ends_is_told_as_far_as_it_came() -> None:
    import threading

    with RtspServer() as server:
        timer = threading.Timer(2.0, server.kill)
        timer.start()
        told = probe(server.url, seconds=20, live=PATIENT)
        timer.join()
    assert told.ended is not None
    assert told.frames > 5


def test_the_table_and_the_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_video(tmp_path / "film.mp4", pts=[*range(20), *range(200, 220)], options={"bf": "0"})
    assert main(["probe", str(path), "--seconds", "60"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == str(path)
    assert all(line.startswith("  ") and len(line) <= 100 for line in lines[1:])
    assert "  times           in order, 1 jump, longest step 7.240 s" in lines
    assert lines[-1] == "  ! its times jump: what is tracked across a jump is ended"
    assert main(["probe", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["frames"] == 21  # the first frame after five seconds ends it


@contextmanager
def deaf() -> Iterator[int]:
    """A server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (["none.mp4"], 1, "none.mp4: no such file or folder"),
        (["film.mp4", "--seconds", "0"], 2, "--seconds must be more than 0, got 0"),
        (["film.mp4", "--seconds", "nan"], 2, "--seconds must be more than 0, got nan"),
        (["gopher://host/x"], 1, "gopher://host/x: no source for gopher:"),
        ([f"rtsp://ann:canary@127.0.0.1:{free_port()}/x"], 1, ""),
    ],
)
def test_bad_input_is_one_clear_line(
    words: list[str], code: int, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", *words]) == code
    told = capsys.readouterr().err
    assert told.startswith(f"wayside: {line}")
    assert told.count("\n") == 1
    assert "canary" not in told


def test_a_server_that_says_nothing_is_not_waited_for_long() -> None:
    with deaf() as port, pytest.raises(StreamError):
        probe(f"rtsp://127.0.0.1:{port}/x", live=LiveSettings(open_timeout_seconds=1, stall_seconds=1))
