"""Videos that are written can be read: at the right times, with the right colours, and after a fault too."""

from __future__ import annotations

import resource
import signal
import struct
import subprocess
import sys
import textwrap
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streams.errors import OpenError, WriteError
from streams.frame import Frame
from streams.source import open_source
from streams.writer import VideoWriter
from tests.media import number_of, picture

MS = Fraction(1, 1000)


def read(path: Path) -> list[Frame]:
    with open_source(str(path)) as source:
        frames = list(source)
    assert not source.is_truncated
    assert source.corrupt_packets == 0
    return frames


def write_all(writer: VideoWriter, count: int) -> None:
    for number in range(count):
        writer.write(picture(number % 256), pts=40 * number)


def write(path: Path, count: int = 20, **kind: object) -> None:
    with VideoWriter(path, (320, 240), time_base=MS, **kind) as writer:  # type: ignore[arg-type]
        write_all(writer, count)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_the_sources_times_are_kept(tmp_path: Path, suffix: str) -> None:
    """Variable frame rate, a start that is not 0, and a last frame that lasts as long as it is told to."""
    pts = [5000, 5040, 5041, 5100, 6500, 9000]
    path = tmp_path / f"v{suffix}"
    with VideoWriter(path, (320, 240), time_base=MS) as writer:
        for number, time in enumerate(pts):
            writer.write(picture(number), pts=time, duration=77)
    frames = read(path)
    assert [number_of(frame.rgb()) for frame in frames] == list(range(6))
    assert [round(frame.pts_seconds, 4) for frame in frames] == [(time - 5000) / 1000 for time in pts]
    assert frames[0].pts == 0
    assert frames[-1].duration_seconds == pytest.approx(0.077)


def test_thirty_thousand_and_one(tmp_path: Path) -> None:
    """29.97 frames a second, to the tick."""
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (320, 240), time_base=Fraction(1, 30_000)) as writer:
        for number in range(50):
            writer.write(picture(number), pts=1001 * number, duration=1001)
    assert [Fraction(f.pts) * f.time_base for f in read(path)] == [Fraction(1001 * n, 30_000) for n in range(50)]


def test_a_source_is_written_as_it_was(tmp_path: Path) -> None:
    write(tmp_path / "a.mp4")
    source = read(tmp_path / "a.mp4")
    with VideoWriter(tmp_path / "b.mp4", source[0].size_wh, time_base=source[0].time_base) as writer:
        for frame in source:
            writer.write(frame.rgb(), pts=frame.pts, duration=round(frame.duration_seconds / frame.time_base))
    copy = read(tmp_path / "b.mp4")
    assert [frame.pts_seconds for frame in copy] == [frame.pts_seconds for frame in source]


def test_ticks_of_another_clock(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", (320, 240), time_base=MS) as writer:
        for number in range(5):
            writer.write(picture(number), pts=900_000 + 3600 * number, time_base=Fraction(1, 90_000))
    assert [round(frame.pts_seconds, 4) for frame in read(tmp_path / "v.mp4")] == [0, 0.04, 0.08, 0.12, 0.16]


def test_times_that_do_not_rise(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "v.mp4", (320, 240), time_base=MS) as writer:
        for number, time in enumerate([0, 40, 40, 20, 80]):
            writer.write(picture(number), pts=time)
    assert [round(frame.pts_seconds, 4) for frame in read(tmp_path / "v.mp4")] == [0, 0.04, 0.041, 0.042, 0.08]


@pytest.mark.parametrize("size_wh", [(320, 240), (321, 240), (320, 241), (321, 241), (96, 54)])
def test_colours_and_odd_sizes(tmp_path: Path, size_wh: tuple[int, int]) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, size_wh, time_base=MS, quality=10) as writer:
        for number in range(3):
            writer.write(picture(number, size_wh), pts=40 * number)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert context.name == "h264"
        tags = (context.colorspace, context.color_primaries, context.color_trc, context.color_range)
        assert tags == (1, 1, 1, 1), "BT.709, limited range"
        assert context.pix_fmt == "yuv420p", "what every player shows"
    width, height = size_wh
    frame = read(path)[1]
    assert frame.size_wh == (width + width % 2, height + height % 2)
    difference = np.abs(frame.rgb().astype(int)[:height, :width] - picture(1, size_wh))
    assert difference.mean() < 2.2
    # What is added repeats the edge, so that no line shows.
    assert np.abs(frame.rgb()[:, -1].astype(int) - frame.rgb()[:, -2]).mean() < 3


def test_pictures_of_another_size_are_fitted_in(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with VideoWriter(path, (320, 240), time_base=MS) as writer:
        writer.write(picture(1), pts=0)
        writer.write(picture(2, (640, 240)), pts=40)  # wide: bars above and below
        writer.write(picture(3, (100, 150)), pts=80)  # narrow: bars left and right
    first, wide, narrow = (frame.rgb() for frame in read(path))
    assert number_of(first) == 1
    assert number_of(wide[60:180]) == 2
    assert wide[:56].max() < 12
    assert wide[184:].max() < 12
    assert number_of(narrow[:, 80:240]) == 3
    assert narrow[:, :76].max() < 12


def test_an_exception_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    with suppress(ZeroDivisionError), VideoWriter(path, (320, 240), time_base=MS) as writer:
        for number in range(25):
            writer.write(picture(number), pts=40 * number)
        raise ZeroDivisionError
    assert [number_of(frame.rgb()) for frame in read(path)] == list(range(25))


def test_a_kill_leaves_all_but_the_last_pictures(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    program = f"""
        import os, signal
        from fractions import Fraction
        from streams.writer import VideoWriter
        from tests.media import picture
        writer = VideoWriter({str(path)!r}, (320, 240), time_base=Fraction(1, 1000))
        for number in range(200):
            writer.write(picture(number), pts=40 * number)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=Path(__file__).parent.parent)
    assert done.returncode == -signal.SIGKILL
    with open_source(str(path)) as source:
        numbers = [number_of(frame.rgb()) for frame in source]
    assert len(numbers) >= 120
    assert numbers == list(range(len(numbers)))


def test_a_finished_mp4_is_an_ordinary_one(tmp_path: Path) -> None:
    """No fragments in it, which some players cannot seek in, and no edit list."""
    write(tmp_path / "v.mp4", 130)
    data, boxes, at = (tmp_path / "v.mp4").read_bytes(), [], 0
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        boxes.append(kind)
        at += length
    assert boxes == [b"ftyp", b"free", b"mdat", b"moov"], "a fragment is left"
    with av.open(str(tmp_path / "v.mp4")) as container:
        assert container.streams.video[0].frames == 130
        assert container.streams.video[0].start_time == 0
    assert b"elst" not in data[-length:]


def test_a_full_disk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    path.symlink_to("/dev/full")
    with pytest.raises(WriteError, match=r"v\.mp4: cannot be written: No space left on device$"):
        write(path, 200)


def test_a_disk_that_fills_up_keeps_what_was_written(tmp_path: Path) -> None:
    """A limit to the size of files stands for the end of the disk."""
    path = tmp_path / "v.mp4"
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    writer = VideoWriter(path, (320, 240), time_base=MS, quality=1)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limit[1]))
        with pytest.raises(WriteError, match=r"v\.mp4: cannot be written: File too large$"):
            write_all(writer, 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    writer.close()
    writer.close()
    with pytest.raises(WriteError, match="is closed"):
        writer.write(picture(0), pts=99_999)
    with open_source(str(path)) as source:
        numbers = [number_of(frame.rgb()) for frame in source]
    assert len(numbers) >= 60
    assert numbers == [number % 256 for number in range(len(numbers))]


def test_no_pictures_at_all(tmp_path: Path) -> None:
    """An empty file, and no crash."""
    write(tmp_path / "v.mp4", 0)
    with pytest.raises(OpenError):
        open_source(str(tmp_path / "v.mp4"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere/v.mp4", "No such file or directory"),
        ("v.unheard-of", "Could not determine output format"),
        ("", "Could not determine output format"),
    ],
)
def test_places_that_cannot_be_written(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(WriteError, match=f"cannot be written: {message}"):
        VideoWriter(tmp_path / name, (320, 240), time_base=MS)


def test_settings_that_x264_does_not_know(tmp_path: Path) -> None:
    with pytest.raises(WriteError):
        write(tmp_path / "v.mp4", preset="unheard-of")
