"""Videos as they come: containers, clocks, rotation, damage. Files are made here, and each picture has its number."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from streams.av_source import _SLACK_FRAMES, AvSource
from streams.errors import OpenError
from streams.frame import Frame
from streams.source import open_source
from tests.feeds import FPS, transport_stream, with_flipped_bits
from tests.media import BT601, BT709, FULL, LIMITED, Image, number_of, picture, trim_by_edit_list, write_video


def read(path: Path, *, decoder_threads: int = 1) -> tuple[list[Frame], AvSource]:
    with open_source(str(path), decoder_threads=decoder_threads) as source:
        assert isinstance(source, AvSource)
        return list(source), source


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(frame.rgb()) for frame in frames]


def starts(frames: list[Frame]) -> list[float]:
    return [round(frame.pts_seconds, 3) for frame in frames]


@cache
def restless(number: int) -> Image:
    """Draw a picture with grain, so that it takes some bytes."""
    grain = np.random.default_rng(number).integers(-25, 25, (240, 320, 1))
    return np.clip(picture(number).astype(int) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt", "options"),
    [
        (".mp4", "libx264", "yuv420p", {"bf": "2"}),  # dashcams, phones
        (".mkv", "libx264", "yuv420p", {"bf": "3"}),
        (".ts", "libx264", "yuv420p", {"bf": "2"}),  # recorders, broadcast
        (".flv", "libx264", "yuv420p", {"bf": "2"}),
        (".avi", "libx264", "yuv420p", {"bf": "3"}),  # AVI knows no order of showing
        (".avi", "mpeg4", "yuv420p", {"bf": "2"}),
        (".avi", "mjpeg", "yuvj420p", {}),  # old dashcams
        (".mov", "mjpeg", "yuvj422p", {}),
        (".mov", "prores_ks", "yuv422p10le", {}),
        (".mp4", "libx265", "yuv420p", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        (".mp4", "libx265", "yuv420p10le", {"preset": "ultrafast", "x265-params": "log-level=none"}),
        (".mp4", "libx264", "yuv422p10le", {}),
        (".mkv", "libx264", "yuv444p", {}),
        (".webm", "libvpx", "yuv420p", {"deadline": "realtime"}),
        (".webm", "libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
        (".mp4", "libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "lp=1"}),
        (".mpg", "mpeg2video", "yuv420p", {"bf": "2"}),
        (".ts", "mpeg2video", "yuv420p", {"bf": "2"}),
        (".mxf", "mpeg2video", "yuv420p", {}),
        (".wmv", "wmv2", "yuv420p", {}),
        (".mkv", "ffv1", "bgr0", {"strict": "experimental"}),
        (".h264", "libx264", "yuv420p", {"bf": "2"}),  # no container, no times
        (".gif", "gif", "rgb8", {}),
    ],
)
def test_containers_and_codecs(
    tmp_path: Path, suffix: str, codec: str, pix_fmt: str, options: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / f"drive{suffix}", codec=codec, pix_fmt=pix_fmt, options=options)
    frames, source = read(path)
    assert numbers(frames) == list(range(20))
    assert [frame.index for frame in frames] == list(range(20))
    assert starts(frames) == [round(number / 25, 3) for number in range(20)]
    assert {round(frame.duration_seconds, 3) for frame in frames} == {0.04}
    assert {frame.stream for frame in frames} == {source.info.name} == {"drive"}
    assert source.info.size_wh == (320, 240)
    assert source.info.average_fps == pytest.approx(25, rel=0.05)
    off = np.abs(frames[9].rgb().astype(int) - picture(9)).mean()
    assert off < (20 if codec == "gif" else 3), f"{off:.1f} grey levels off"
    assert (source.corrupt_packets, source.resolution_changes, source.is_truncated) == (0, 0, False)
    assert not caplog.records


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_variable_frame_rate(tmp_path: Path, suffix: str) -> None:
    """Frames last until the next one; the last as long as its packet says, or as the others did."""
    pts = [0, 40, 80, 120, 1000, 1040, 3000]
    frames, source = read(write_video(tmp_path / f"v{suffix}", pts=pts, time_base=Fraction(1, 1000)))
    assert numbers(frames) == list(range(7))
    assert starts(frames) == [time / 1000 for time in pts]
    for frame, after in pairwise(frames):
        assert frame.pts_seconds + frame.duration_seconds == pytest.approx(after.pts_seconds)
    assert 0 < frames[-1].duration_seconds <= 2
    assert not source.is_truncated


def test_times_are_exact_after_long(tmp_path: Path) -> None:
    """29.97 frames a second: a third of a tick off, ten hours on, would be plain to see."""
    pts = [1001 * number for number in (0, 1, 2, 1_078_920, 1_078_921)]
    frames, _ = read(write_video(tmp_path / "v.mp4", pts=pts, time_base=Fraction(1, 30_000)))
    assert [Fraction(frame.pts) * frame.time_base for frame in frames] == [Fraction(tick, 30_000) for tick in pts]
    assert frames[-1].pts_seconds == 1001 * 1_078_921 / 30_000


def test_edit_list(tmp_path: Path) -> None:
    """Players begin at the sixth frame, which decodes only from the first on, and show ten; so do we."""
    path = write_video(tmp_path / "v.mp4", options={"bf": "2"})
    trim_by_edit_list(path, skip=5 * 512, movie_ticks=400)
    frames, source = read(path)
    assert numbers(frames) == list(range(5, 15))
    assert starts(frames) == [round(number / 25, 3) for number in range(10)]
    assert source.info.duration_seconds == pytest.approx(0.4)
    assert not source.is_truncated


def test_a_file_that_begins_late_begins_at_zero(tmp_path: Path) -> None:
    frames, source = read(write_video(tmp_path / "v.mkv", pts=range(5000, 5020)))
    assert starts(frames)[:2] == [0, 0.04]
    assert frames[0].pts == 200_000
    assert not source.is_truncated


@pytest.mark.parametrize(
    ("rotation", "is_mirrored", "quarters", "flips"),
    [
        (0, False, 0, False),
        (90, False, 1, False),
        (180, False, 2, False),
        (270, False, 3, False),
        (0, True, 0, True),  # a front camera's mirror
        (90, True, 3, True),
        (180, True, 2, True),
        (270, True, 1, True),
    ],
)
@pytest.mark.parametrize(
    ("pix_fmt", "size_wh"),
    [("yuv420p", (320, 180)), ("yuv420p10le", (320, 180)), ("yuv444p", (320, 180)), ("yuv444p", (321, 181))],
)
def test_rotation(
    tmp_path: Path,
    rotation: int,
    is_mirrored: bool,
    quarters: int,
    flips: bool,
    pix_fmt: str,
    size_wh: tuple[int, int],
) -> None:
    """The display matrix turns counter-clockwise, after a mirror; the picture is turned, its size with it."""
    path = write_video(
        tmp_path / "v.mp4", size_wh=size_wh, pix_fmt=pix_fmt, pts=range(2), rotation=rotation, is_mirrored=is_mirrored
    )
    (frame, _), source = read(path)
    stored = picture(0, size_wh)
    shown = np.rot90(stored[:, ::-1] if flips else stored, quarters)
    assert frame.size_wh == source.info.size_wh == (shown.shape[1], shown.shape[0])
    assert np.abs(frame.rgb().astype(int) - shown).mean() < 2
    assert (
        np.abs(frame.half().astype(int) - shown[::2, ::2][: frame.half().shape[0], : frame.half().shape[1]]).mean() < 6
    )
    np.testing.assert_array_equal(frame.patch(11, 20, 100, 131), frame.rgb()[20:131, 11:100])


def test_the_matrix_that_phones_write_turns_clockwise(tmp_path: Path) -> None:
    """The iPhone's portrait matrix in the track header, byte for byte: (0 1 0, -1 0 0)."""
    path = write_video(tmp_path / "v.mov", pts=range(2), rotation=90)
    data, one = path.read_bytes(), 1 << 16
    at = data.index(b"tkhd") + 44
    matrix = np.array([0, one, 0, -one, 0, 0, 240 * one, 0, 1 << 30], ">i4").tobytes()
    path.write_bytes(data[:at] + matrix + data[at + 36 :])
    (frame, _), _ = read(path)
    assert np.abs(frame.rgb().astype(int) - np.rot90(picture(0), -1)).mean() < 2


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
def test_colour_tags_of_the_stream(tmp_path: Path, matrix: int, color_range: int) -> None:
    path = write_video(tmp_path / "v.mp4", matrix=matrix, color_range=color_range, pts=range(3))
    frames, _ = read(path)
    assert np.abs(frames[1].rgb().astype(int) - picture(1)).mean() < 2


def comb(number: int) -> Image:
    """Draw what an interlaced camera sees: a bar that is 8 pixels further in every other line."""
    image = np.full((240, 320, 3), 40, np.uint8)
    image[::2, 40 + 16 * number : 80 + 16 * number] = 220
    image[1::2, 48 + 16 * number : 88 + 16 * number] = 220
    return image


@pytest.mark.parametrize("matrix", [BT601, BT709])
def test_interlaced_pictures_lose_their_comb(tmp_path: Path, matrix: int) -> None:
    path = write_video(
        tmp_path / "v.ts",
        codec="mpeg2video",
        options={"b": "20M"},
        is_interlaced=True,
        pts=range(8),
        pictures=map(comb, range(8)),
        matrix=matrix,
    )
    frames, _ = read(path)
    assert starts(frames) == [round(number / 25, 3) for number in range(8)], "one picture for each, at its time"
    for number, frame in enumerate(frames):
        image = frame.rgb().astype(int)
        assert np.abs(np.diff(comb(number).astype(int), axis=0)).mean() > 8
        assert np.abs(np.diff(image, axis=0)).mean() < 3, f"picture {number} is combed"
        bright = np.flatnonzero(image.mean((0, 2)) > 130)
        assert 40 + 16 * number - 2 <= bright[0] <= 48 + 16 * number, f"picture {number} is of another moment"
    # The filter keeps the colours.
    plain = write_video(tmp_path / "p.ts", codec="mpeg2video", is_interlaced=True, matrix=matrix)
    frames, _ = read(plain)
    assert numbers(frames) == list(range(20))
    assert np.abs(frames[9].rgb().astype(int) - picture(9)).mean() < 2


def test_a_change_of_size_shows_in_the_frames_and_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    small = write_video(tmp_path / "a.ts", pts=range(10))
    large = write_video(tmp_path / "b.ts", pts=range(10, 20), size_wh=(640, 360))
    again = write_video(tmp_path / "c.ts", pts=range(20, 30))
    path = tmp_path / "all.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in (small, large, again)))
    frames, source = read(path)
    assert [frame.size_wh for frame in frames] == [(320, 240)] * 10 + [(640, 360)] * 10 + [(320, 240)] * 10
    assert [frame.rgb().shape[1::-1] for frame in frames] == [frame.size_wh for frame in frames]
    assert numbers(frames) == [*range(10)] * 3
    assert source.resolution_changes == 2
    assert source.info.size_wh == (320, 240)
    assert [record.getMessage().split(": ")[1].split(" at")[0] for record in caplog.records] == ["640x360", "320x240"]


def test_files_put_one_after_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The clock of the second begins anew; ours goes on."""
    part = write_video(tmp_path / "a.ts")
    path = tmp_path / "all.ts"
    path.write_bytes(part.read_bytes() * 3)
    frames, source = read(path)
    assert numbers(frames) == [*range(20)] * 3
    assert starts(frames) == [round(number / 25, 3) for number in range(60)]
    assert not source.is_truncated
    assert "its clock was reset 2 times" in caplog.text


@pytest.mark.parametrize(
    ("suffix", "codec", "muxer_options", "sound_seconds"),
    [
        (".mp4", "libx264", {"movflags": "faststart"}, 0),
        (".mp4", "libx264", {"movflags": "faststart"}, 2.4),
        (".mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}, 0),
        (".mkv", "libx264", {}, 0),
        (".mkv", "libx264", {}, 2.4),
        (".avi", "mjpeg", {}, 0),
        (".flv", "libx264", {}, 0),
        (".flv", "libx264", {}, 2.4),
        (".ts", "libx264", {}, 0),
    ],
)
def test_a_truncated_file_gives_what_it_holds_and_says_so(
    tmp_path: Path,
    suffix: str,
    codec: str,
    muxer_options: dict[str, str],
    sound_seconds: float,
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = write_video(
        tmp_path / f"whole{suffix}",
        codec=codec,
        pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p",
        options={} if codec == "mjpeg" else {"g": "10", "crf": "18"},
        pts=range(60),
        pictures=map(restless, range(60)),
        muxer_options=muxer_options,
        sound_seconds=sound_seconds,
    )
    frames, source = read(whole)
    assert len(frames) == 60
    assert not source.is_truncated
    assert not caplog.records
    data = whole.read_bytes()
    cut = tmp_path / f"cut{suffix}"
    for share in (0.9, 0.55):
        cut.write_bytes(data[: int(len(data) * share) // 2 * 2 + 1])
        caplog.clear()
        frames, source = read(cut)
        assert 60 * share * 0.5 < len(frames) < 60
        # The last one may have been torn.
        assert numbers(frames)[:-1] == [*range(len(frames) - 1)]
        assert source.is_truncated
        assert "truncated, breaks off after" in caplog.text


@pytest.mark.parametrize(
    ("suffix", "muxer_options", "fewest"),
    [(".mp4", {}, 0), (".mp4", {"movflags": "frag_keyframe+empty_moov"}, 30), (".mkv", {}, 50), (".ts", {}, 50)],
    ids=["index at the end", "fragmented", "mkv", "ts"],
)
def test_a_file_cut_at_64_places(tmp_path: Path, suffix: str, muxer_options: dict[str, str], fewest: int) -> None:
    """13: each gives what it holds, in order and from the start, or is refused in one line."""
    made = {"options": {"g": "10", "crf": "18"}, "pts": range(30), "pictures": map(restless, range(30))}
    data = write_video(tmp_path / f"whole{suffix}", muxer_options=muxer_options, **made).read_bytes()
    cut = tmp_path / f"cut{suffix}"
    opened, counts = 0, []
    for place in range(64):
        cut.write_bytes(data[: len(data) * place // 64])
        try:
            frames, source = read(cut)
        except OpenError as error:
            told = str(error)
            assert told.startswith(str(cut))
            assert "\n" not in told
            continue
        opened += 1
        counts.append(len(frames))
        assert numbers(frames)[:-1] == [*range(len(frames) - 1)], place  # the last one may have been torn
        is_all_there = len(frames) >= 30 - _SLACK_FRAMES  # less than that no length tells, nor a lost index
        assert source.is_truncated or is_all_there or suffix == ".ts", f"{place}: of ts only a torn packet tells"
    assert opened >= fewest
    assert counts == sorted(counts), "more of the file holds no less"


def test_sound_that_goes_on_makes_no_truncated_video(tmp_path: Path) -> None:
    for suffix in (".mp4", ".mkv", ".flv", ".avi", ".ts"):
        _, source = read(
            write_video(tmp_path / f"v{suffix}", codec="mpeg4" if suffix == ".avi" else "libx264", sound_seconds=3)
        )
        assert not source.is_truncated, suffix


def with_holes(path: Path, **kind: object) -> Path:
    """Write 60 pictures, a key frame in six; damage packets 10 and 30 at their start, 20 and 40 in the middle."""
    write_video(path, pts=range(60), pictures=map(restless, range(60)), **kind)  # type: ignore[arg-type]
    with av.open(str(path)) as container:
        packets = [(packet.pos or 0, packet.size) for packet in container.demux(video=0) if packet.size]
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    for number in (10, 30):
        data[packets[number][0] + 8 :][:64] = 0
    for number in (20, 40):
        data[packets[number][0] + packets[number][1] // 2 :][:40] ^= 255
    path.write_bytes(data.tobytes())
    return path


def test_corrupt_packets_are_counted_and_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = with_holes(
        tmp_path / "v.mkv", codec="libvpx-vp9", options={"deadline": "realtime", "cpu-used": "8", "g": "6"}
    )
    frames, source = read(path)
    assert source.corrupt_packets == 2
    assert [frame.index for frame in frames] == list(range(58))
    shown = [round(frame.pts_seconds * 25) for frame in frames]
    assert shown == [number for number in range(60) if number not in (10, 30)], "times shifted past the damage"
    assert [round(frame.duration_seconds * 25) for frame in frames if frame.duration_seconds > 0.05] == [2, 2]
    unharmed = [number for number in shown if number // 6 not in (1, 3, 5, 6)]
    seen = zip(shown, numbers(frames), strict=True)
    assert [number for at, number in seen if at in unharmed] == unharmed
    assert "2 packets could not be decoded" in caplog.text
    assert not source.is_truncated


def test_frames_that_the_decoder_patched_are_marked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    frames, source = read(with_holes(tmp_path / "v.avi", codec="mpeg4", options={"b": "3M", "g": "6"}))
    assert [frame.index for frame in frames if frame.is_corrupt] == [10, 20, 30, 40]
    assert source.corrupt_packets == 0
    assert "4 frames are damaged" in caplog.text


@pytest.mark.parametrize("codec", ["mpeg4", "libx264"])
def test_one_thread_decodes_damaged_files_the_same_way_every_time(tmp_path: Path, codec: str) -> None:
    path = with_holes(tmp_path / "v.avi", codec=codec, options={"g": "6"})
    first, *others = ([frame.rgb().tobytes() for frame in read(path)[0]] for _ in range(4))
    assert all(other == first for other in others)


@pytest.mark.parametrize("seed", range(6))
def test_random_damage_never_raises(tmp_path: Path, seed: int) -> None:
    path = write_video(
        tmp_path / f"v{['.mp4', '.mkv', '.ts'][seed % 3]}", pts=range(30), pictures=map(restless, range(30))
    )
    rng = np.random.default_rng(seed)
    data = np.frombuffer(path.read_bytes(), np.uint8).copy()
    data[rng.integers(len(data) // 20, len(data), len(data) // 400)] = rng.integers(256)
    path.write_bytes(data.tobytes())
    try:
        frames, _ = read(path)
    except OpenError:
        return
    assert all(before.pts < after.pts for before, after in pairwise(frames))


def sound_only(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 48000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("empty.mp4", lambda path: path.touch(), "the file is empty"),
        ("text.mp4", lambda path: path.write_text("a letter\n" * 99), "not a video"),
        ("text.txt", lambda path: path.write_text("a letter\n" * 99), "not a video"),  # FFmpeg would draw its letters
        ("noise.mp4", lambda path: path.write_bytes(np.random.default_rng(1).bytes(5000)), "not a video"),
        ("sound.m4a", sound_only, "holds no video"),
        ("list.m3u8", lambda path: path.write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n"), "not a video"),
        ("list.ffconcat", lambda path: path.write_text("ffconcat version 1.0\nfile /etc/passwd\n"), "cannot be opened"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(tmp_path: Path, name: str, make: object, message: str) -> None:
    path = tmp_path / name
    make(path)  # type: ignore[operator]
    with pytest.raises(OpenError) as caught:
        open_source(str(path))
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_index_that_is_missing_is_named(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(OpenError, match="breaks off before its index"):
        open_source(str(path))


def test_sizes_beyond_reason_are_refused_before_memory_is_taken(tmp_path: Path) -> None:
    """A PNG stream in AVI whose header claims 60000 by 60000."""
    path = write_video(tmp_path / "v.avi", codec="png", pix_fmt="rgb24", pts=range(2))
    data, header = path.read_bytes(), b"IHDR"
    assert data.count(header) == 2
    huge = header + (60_000).to_bytes(4, "big") * 2
    path.write_bytes(b"".join(piece if i == 0 else huge + piece[8:] for i, piece in enumerate(data.split(header))))
    with pytest.raises(OpenError, match="no picture in it can be decoded"):
        open_source(str(path))


def test_creation_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4", metadata={"creation_time": "2024-05-01T12:30:00Z"}, pts=range(2))
    _, source = read(path)
    assert source.info.started_at == datetime(2024, 5, 1, 12, 30, tzinfo=UTC)
    _, source = read(write_video(tmp_path / "w.mp4", pts=range(2)))
    assert source.info.started_at is None


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path) -> None:
    path = write_video(tmp_path / "12:30 a%02d?b.mp4", pts=range(3))
    frames, _ = read(path)
    assert len(frames) == 3


def test_files_are_closed_however_the_reading_ends(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    sound_only(tmp_path / "sound.m4a")
    open_files = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        read(path)  # to the end
        with open_source(str(path)) as source:
            for frame in source:
                if frame.index == 3:
                    break
        with open_source(str(path)):  # never iterated
            pass
        source = open_source(str(path))
        for _ in source:  # to the end, never closed by hand
            pass
        with pytest.raises(OpenError):
            open_source(str(tmp_path / "sound.m4a"))
    gc.collect()
    assert len(list(Path("/proc/self/fd").iterdir())) == open_files


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch, where it is loaded, warns of being looked at
def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    """Frames of 3 MB must go when they are let go: the collector comes by after hundreds of them."""
    path = write_video(tmp_path / "v.mp4", pts=range(60), rotation=90)
    gc.collect()
    gc.disable()
    try:
        with open_source(str(path)) as source:
            for frame in source:
                frame.half()
                frame.patch(0, 0, 9, 9)
            del frame
        waiting = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert waiting <= 2, f"{waiting} frames wait"


def test_a_source_gives_its_frames_once_and_none_after_closing(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mp4")
    with open_source(str(path)) as source:
        assert len(list(source)) == 20
        assert list(source) == []
    source = open_source(str(path))
    frames = iter(source)
    kept = next(frames)
    source.close()
    source.close()
    assert list(frames) == []
    assert number_of(kept.rgb()) == 0, "a frame must outlive its file"


@pytest.mark.parametrize("seed", range(4))
def test_bits_that_flip(seed: int, tmp_path: Path) -> None:
    """A damaged transport stream, in which streams appear that were not there at first, is watched to its end."""
    path = tmp_path / "drive.ts"
    path.write_bytes(with_flipped_bits(b"".join(transport_stream(count=4 * FPS)), seed))
    frames, source = read(path)
    assert len(frames) > 3
    assert source.corrupt_packets < 4 * FPS
