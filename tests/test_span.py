"""Spans copied out of real files play, show the very pictures of the source, at the right times."""

from pathlib import Path

import av
import numpy as np
import pytest

from streams.av_source import AvSource
from streams.errors import DecodeError, OpenError, WriteError
from streams.frame import Frame
from streams.span import copy_span, has_one_clock
from tests.media import number_of, write_video

X264 = {"g": "24", "keyint_min": "24", "sc_threshold": "0"}
FRAMES = 120


def frames_of(path: Path) -> list[Frame]:
    with AvSource(str(path), name="s", threads=1) as source:
        return list(source)


def first_pts(frames: list[Frame]) -> int:
    return frames[0].pts - round(frames[0].pts_seconds / frames[0].time_base)


@pytest.mark.parametrize(
    ("name", "codec", "options", "suffix"),
    [
        ("a.mp4", "libx264", {**X264, "bf": "0"}, ".mp4"),  # the plain case
        ("a.mp4", "libx264", {**X264, "bf": "3", "b_strategy": "0"}, ".mp4"),  # shown in another order than stored
        ("a.mp4", "libx264", {**X264, "bf": "3", "x264-params": "open-gop=1:b-adapt=0"}, ".mp4"),  # reaching back
        ("a.ts", "libx264", {**X264, "bf": "3", "b_strategy": "0"}, ".mp4"),  # starts at 1.4 s, is entered anywhere
        ("a.mkv", "libx264", {**X264, "bf": "3", "b_strategy": "0"}, ".mp4"),  # milliseconds, no times of decoding
        ("a.mp4", "libx265", {"x265-params": "keyint=24:min-keyint=24:bframes=4:log-level=none"}, ".mp4"),
        ("a.ts", "mpeg2video", {"g": "12", "bf": "2"}, ".mp4"),  # what broadcast was
        ("a.webm", "libvpx", {"g": "24"}, ".mkv"),  # not for mp4
        ("a.avi", "mpeg4", {"g": "24"}, ".avi"),  # no times of its own
        ("a.mp4", "mpeg4", {"g": "24", "bf": "2"}, ".mp4"),
        ("a.mkv", "mjpeg", {}, ".mp4"),  # every picture a key frame
    ],
)
def test_the_same_pictures_at_the_right_times(
    tmp_path: Path, name: str, codec: str, options: dict[str, str], suffix: str
) -> None:
    path = write_video(
        tmp_path / name,
        codec=codec,
        options=options,
        pts=range(FRAMES),
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        size_wh=(128, 96),
    )
    source = frames_of(path)
    assert len(source) == FRAMES
    for start, end in [(30, 50), (0, 5), (49, 49), (100, 119)]:
        check_span(path, source, start, end, suffix=suffix, is_exact=codec != "mjpeg")


def check_span(path: Path, source: list[Frame], start: int, end: int, *, suffix: str, is_exact: bool) -> None:
    """is_exact: where not, full range is told in another place of the container, and read as the other one."""
    target = path.parent / "span.part"
    span = copy_span(path, target, start_pts=source[start].pts, end_pts=source[end].pts + 1)
    assert span.suffix == suffix
    assert span.is_whole
    played = frames_of(target.rename(path.parent / f"span{span.suffix}"))
    assert abs(played[0].pts_seconds) < 0.001
    numbers = [number_of(frame.rgb()) for frame in played]
    assert numbers[0] <= start
    assert numbers[-1] >= end
    assert numbers == list(range(numbers[0], numbers[-1] + 1)) or suffix == ".avi"
    begins = float((span.start_pts - first_pts(source)) * span.time_base)
    for frame, number in zip(played, numbers, strict=True):
        assert begins + frame.pts_seconds == pytest.approx(source[number].pts_seconds, abs=0.0021)
        if is_exact:
            assert np.array_equal(frame.rgb(), source[number].rgb())


def test_no_picture_is_encoded_and_two_that_share_key_frames_are_one_file(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options={**X264, "bf": "2"}, pts=range(FRAMES))
    spans = []
    for number, (start, end) in enumerate([(40, 45), (42, 50)]):
        spans.append(tmp_path / f"{number}")
        copy_span(path, spans[-1], start_pts=ticks(path, start), end_pts=ticks(path, end))
    assert spans[0].read_bytes() == spans[1].read_bytes()
    packets = [bytes(packet) for packet in packets_of(path)]
    assert [bytes(packet) for packet in packets_of(spans[0])] == packets[24:72]


def ticks(path: Path, frame: int) -> int:
    return frames_of(path)[frame].pts


def packets_of(path: Path) -> list[av.Packet]:  # type: ignore[type-arg]
    with av.open(str(path)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


def test_a_phone_s_rotation_and_the_shape_of_pixels_go_along(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, rotation=90)
    copy_span(path, tmp_path / "span.mp4", start_pts=0, end_pts=ticks(path, 10))
    assert frames_of(tmp_path / "span.mp4")[0].size_wh == frames_of(path)[0].size_wh == (240, 320)


def test_a_long_one_is_cut_and_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264, pts=range(FRAMES))
    span = copy_span(path, tmp_path / "span.mp4", start_pts=0, end_pts=ticks(path, 119), longest_seconds=1)
    assert not span.is_whole
    assert 25 <= len(frames_of(tmp_path / "span.mp4")) < FRAMES


def test_a_transport_stream_of_two_has_no_one_clock(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.ts", options={**X264, "bf": "3"}, pts=range(60))
    two = write_video(tmp_path / "two.ts", options={**X264, "bf": "3"}, pts=range(60))
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() + two.read_bytes())
    assert has_one_clock(one)
    assert not has_one_clock(both)


def test_what_is_not_there_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", options=X264)
    target = tmp_path / "span"
    with pytest.raises(DecodeError, match="holds nothing at"):
        copy_span(path, target, start_pts=10_000_000, end_pts=10_000_500)
    with pytest.raises(OpenError, match="No such file"):
        copy_span(tmp_path / "none.mp4", target, start_pts=0, end_pts=1)
    with pytest.raises(WriteError, match="cannot be written"):
        copy_span(path, tmp_path / "no folder" / "span", start_pts=0, end_pts=1)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.mp4"]
