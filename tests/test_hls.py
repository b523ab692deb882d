"""HLS in its forms, made by FFmpeg: transport stream, fragmented mp4, byte ranges, encrypted; and what is refused."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from streams.errors import OpenError
from streams.frame import Frame
from streams.hls import parse
from streams.urls import address_of
from tests.feeds import FPS, HlsFeed, Pages, encrypted, transport_stream
from tests.media import number_of
from tests.watching import watched

AT = address_of("http://cam.example/live.m3u8")
SECONDS = 4
KEY = bytes(range(16))

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg (Debian package ffmpeg)")


def made(folder: Path, *options: str) -> None:
    """Have FFmpeg publish four seconds, in segments of one, as `live.m3u8` in a folder."""
    command = ["ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", f"testsrc=size=160x120:rate={FPS}"]
    command += ["-t", str(SECONDS), "-c:v", "libx264", "-preset", "ultrafast", "-g", str(FPS), "-pix_fmt", "yuv420p"]
    command += ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-start_number", "300", *options]
    subprocess.run([*command, "live.m3u8"], cwd=folder, check=True)


def serve(pages: Pages, folder: Path) -> str:
    for path in folder.iterdir():
        kind = "application/vnd.apple.mpegurl" if path.suffix == ".m3u8" else "application/octet-stream"
        pages.add(f"/{path.name}", path.read_bytes(), kind)
    return pages.url("/live.m3u8")


@needs_ffmpeg
@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "0.ts"),
        (("-hls_key_info_file", "info"), 'METHOD=AES-128,URI="the.key"'),
        (("-hls_key_info_file", "info-iv"), 'METHOD=AES-128,URI="the.key",IV=0x0f'),
        (("-hls_key_info_file", "info", "-hls_flags", "single_file"), "EXT-X-BYTERANGE"),
        (("-hls_segment_type", "fmp4"), "EXT-X-MAP"),
        (("-hls_flags", "single_file"), "EXT-X-BYTERANGE"),
        (("-hls_segment_type", "fmp4", "-hls_flags", "single_file"), "EXT-X-BYTERANGE"),
    ],
    ids=["plain", "aes", "aes-iv", "aes-ranges", "fmp4", "ranges", "fmp4-ranges"],
)
def test_every_frame_of_every_form(options: tuple[str, ...], said: str, tmp_path: Path) -> None:
    (tmp_path / "the.key").write_bytes(KEY)
    (tmp_path / "info").write_text("the.key\nthe.key\n")
    (tmp_path / "info-iv").write_text("the.key\nthe.key\n" + "0f" * 16 + "\n")
    made(tmp_path, *options)
    assert said.lower() in (tmp_path / "live.m3u8").read_text().lower()
    with Pages() as pages, watched(serve(pages, tmp_path)) as watch:
        watch.wait(Frame, count=SECONDS * FPS)
        _, gap = watch.gap_after(0)
        assert (gap.reason, len(watch.frames)) == ("end", SECONDS * FPS)
        times = [frame.pts_seconds for frame in watch.frames]
        assert times == pytest.approx([number / FPS for number in range(SECONDS * FPS)], abs=0.01)
        assert pages.hits.count("/the.key") == ("-hls_key_info_file" in options), "a key is fetched once a connection"


@needs_ffmpeg
def test_encrypted_fragmented_mp4(tmp_path: Path) -> None:
    """Which FFmpeg does not make: its header is encrypted too, by the vector that the tag names."""
    made(tmp_path, "-hls_segment_type", "fmp4")
    iv = bytes(range(16, 32))
    for path in (*tmp_path.glob("*.m4s"), tmp_path / "init.mp4"):
        path.write_bytes(encrypted(path.read_bytes(), KEY, iv))
    (tmp_path / "the.key").write_bytes(KEY)
    playlist = tmp_path / "live.m3u8"
    tag = f'#EXT-X-KEY:METHOD=AES-128,URI="the.key",IV=0x{iv.hex().upper()}\n#EXT-X-MAP'
    playlist.write_text(playlist.read_text().replace("#EXT-X-MAP", tag))
    with Pages() as pages, watched(serve(pages, tmp_path)) as watch:
        watch.wait(Frame, count=SECONDS * FPS)
        watch.gap_after(0)
        assert len(watch.frames) == SECONDS * FPS


def test_an_encrypted_live_stream_whose_keys_change() -> None:
    with Pages() as pages, HlsFeed(pages, key_every=2), watched(pages.url("/live.m3u8")) as watch:
        watch.wait(Frame, count=5 * FPS)
        numbers = [number_of(frame.rgb()) for frame in watch.frames]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert watch.gaps == []
        keys = [hit for hit in pages.hits if hit.endswith(".key")]
        assert len(keys) == len(set(keys)) >= 2


@pytest.mark.parametrize(
    ("key", "reason", "message"),
    [
        (b"0123456789abcdef", "decode", "its key does not fit segment 0"),
        (b"short", "decode", "no key of 16 bytes"),
        (b"far too long for one", "decode", "no key of 16 bytes"),
        (None, "unreachable", "the server answers 404"),
    ],
)
def test_a_key_that_is_none(key: bytes | None, reason: str, message: str) -> None:
    with Pages() as pages:
        pages.add("/0.ts", encrypted(b"".join(transport_stream()), KEY, bytes(16)))
        if key is not None:
            pages.add("/the.key", key)
        text = '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="the.key"\n#EXTINF:1,\n0.ts\n'
        pages.add("/live.m3u8", text.encode(), "application/vnd.apple.mpegurl")
        with watched(pages.url("/live.m3u8")) as watch:
            _, gap = watch.gap_after(0)
        assert gap.reason == reason
        assert message in gap.message


def test_a_server_without_ranges() -> None:
    with Pages() as pages:
        pages.redirect("/all.ts", "/whole.ts")
        whole = b"".join(transport_stream())
        pages.add("/all.ts", whole)
        page = pages.pages["/all.ts"]

        def deaf(request: object) -> None:
            del request.headers["Range"]  # type: ignore[attr-defined]
            page(request)  # type: ignore[arg-type]

        pages.pages["/all.ts"] = deaf
        text = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n#EXT-X-BYTERANGE:376@188\nall.ts\n"
        pages.add("/live.m3u8", text.encode(), "application/vnd.apple.mpegurl")
        with watched(pages.url("/live.m3u8")) as watch:
            _, gap = watch.gap_after(0)
        assert (gap.reason, gap.message) == ("decode", pages.url("/all.ts") + ": the server gives no part of a file")


@pytest.mark.parametrize(
    ("tag", "how"),
    [
        ('METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.apple.streamingkeydelivery"', "SAMPLE-AES (com.apple."),
        ('METHOD=SAMPLE-AES,URI="key"', "SAMPLE-AES (identity)"),
        ('METHOD=SAMPLE-AES-CTR,URI="data:x",KEYFORMAT="urn:uuid:edef8ba9"', "SAMPLE-AES-CTR (urn:uuid:"),
        ('METHOD=AES-128,URI="x",KEYFORMAT="own\x1b[31m"', "AES-128 (own?[31m)"),
    ],
)
def test_drm_is_refused_in_one_line(tag: str, how: str) -> None:
    with pytest.raises(OpenError) as caught:
        parse(f"#EXTM3U\n#EXT-X-KEY:{tag}\n#EXTINF:1,\n0.ts\n", AT)
    assert str(caught.value).startswith(f"http://cam.example/live.m3u8: encrypted by {how}")
    assert str(caught.value).endswith("DRM is not supported, AES-128 is")
    assert (caught.value.reason, str(caught.value).isprintable()) == ("limit", True)


def test_keys_in_a_playlist() -> None:
    text = """#EXTM3U
#EXT-X-MEDIA-SEQUENCE:7
#EXTINF:1,
clear.ts
#EXT-X-KEY:METHOD=AES-128,URI="a.key?x=y",IV=0x1F
#EXT-X-MAP:URI="init.mp4"
#EXTINF:1,
a.m4s
#EXT-X-KEY:METHOD=AES-128,URI="http://keys.example/b"
#EXTINF:1,
b.m4s
#EXT-X-KEY:METHOD=NONE
#EXTINF:1,
c.m4s
"""
    clear, a, b, c = parse(text, AT).segments
    assert (clear.key, c.key) == (None, None)
    assert a.key is not None
    assert (a.key.address.url(), a.key.iv) == ("http://cam.example/a.key?x=y", bytes(15) + b"\x1f")
    assert b.key is not None
    assert (b.key.address.url(), b.key.iv) == ("http://keys.example/b", None)
    assert a.header is not None
    assert a.header.key == a.key
    for broken in (
        "METHOD=AES-128",
        'METHOD=AES-128,URI="k",IV=0x' + "f" * 33,
        'URI="k"',
        'METHOD=AES-128,URI="k",IV=x',
    ):
        with pytest.raises(OpenError, match="a line that makes no sense"):
            parse(f"#EXTM3U\n#EXT-X-KEY:{broken}\n", AT)
