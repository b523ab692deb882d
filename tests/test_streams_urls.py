"""Names of streams, and addresses without their secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.urls import LONGEST_NAME, redact, scheme_of, stream_name, stream_names


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("camera:0", "camera"),
        ("RTSP://host/x", "rtsp"),
        ("drive.mp4", None),
        ("/videos/12:30 drive.mp4", None),  # a colon in a path
        ("C:/videos/drive.mp4", None),  # a drive letter
    ],
)
def test_scheme(url: str, scheme: str | None) -> None:
    assert scheme_of(url) == scheme


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://10.0.0.5:554/live", "rtsp://10.0.0.5:554/live"),
        ("rtsp://user:pw@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),
        ("rtsp://user.name:p%40w@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),  # a dot, an escape
        ("rtsp://user:p@w@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),  # @ unescaped
        ("rtsp://user:p/w?x#y@10.0.0.5/live", "rtsp://***@10.0.0.5/live"),  # all that ends a host, unescaped
        ("rtsp://user@host", "rtsp://***@host"),
        ("http://host/v.m3u8?token=abc&fps=5", "http://host/v.m3u8?token=***&fps=5"),
        ("http://host/v.m3u8?t=abc&abc&FPS=5&", "http://host/v.m3u8?t=***&***&FPS=5&"),  # any key may be a secret's
        ("srt://host:9?mode=caller&streamid=#!::u=me,s=pw", "srt://host:9?mode=caller&streamid=***#***"),
        ("udp://239.0.0.1:9?localaddr=10.0.0.2&reuse=1", "udp://239.0.0.1:9?localaddr=10.0.0.2&reuse=1"),
        ("http://host/v?X-Amz-Signature=abc", "http://host/v?X-Amz-Signature=***"),
        ("http://host/v?fps=5;PASSWORD=abc", "http://host/v?fps=5;PASSWORD=***"),
        ("sample:road?seed=1", "sample:road?seed=1"),
        # Of a pipeline its elements alone.
        ("gst:v4l2src ! jpegdec ! appsink name=sink", "gst:v4l2src ! jpegdec ! appsink"),
        ("gst:rtspsrc location=rtsp://a:b@h/c user-pw=d ! appsink name=sink", "gst:rtspsrc ! appsink"),
        ("gst:rtspsrc user-pw=\"a ! b\" user-id='c! d' ! decodebin !appsink", "gst:rtspsrc ! decodebin ! appsink"),
        ("gst:srtsrc passphrase=a!b ! video/x-raw,width=3 ! appsink", "gst:srtsrc ! appsink"),
        ("/home/me@work/drive.mp4", "/home/me@work/drive.mp4"),  # a path holds no secret
    ],
)
def test_redact(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), st.sampled_from(["", "/", "/a/b", "/a?fps=5"]))
def test_no_password_is_ever_shown(noise: str, path: str) -> None:
    password = f"{noise}s3cr3t{noise[::-1]}"
    url = f"rtsp://user:{password}@10.0.0.5{path}"
    assert "s3cr3t" not in redact(url)
    assert "s3cr3t" not in stream_name(url)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("drives/monday.mp4", "monday"),
        ("/other/place/monday.mp4", "monday"),  # the same file elsewhere is the same stream
        ("file:///drives/monday%20morning.mp4", "monday-morning"),
        ("2024.05.01 12:30.mp4", "2024.05.01-12-30"),
        ("Fahrt über Köln.mkv", "Fahrt-über-Köln"),
        ("drives/東京.mp4", "東京"),
        ("frames/", "frames"),
        ("frames/*.png", "frames"),
        ("frames/a?/*.png", "frames"),
        ("../..", "stream"),  # no way out of the output folder
        ("..mp4", "stream"),
        ("drives/monday[1].mp4", "monday-1"),
        ("", "stream"),
        ("camera:0", "camera-0"),
        ("camera:/dev/video2?fps=30", "camera-dev-video2"),
        ("sample:road?seed=1", "sample-road"),
        ("rtsp://user:pw@10.0.0.5:554/live/1", "10.0.0.5-554-live-1"),
        ("https://host/v.m3u8?token=abc", "host-v.m3u8"),
    ],
)
def test_stream_name(url: str, name: str) -> None:
    assert stream_name(url) == name


@given(st.text())
def test_every_name_is_one_safe_folder(url: str) -> None:
    name = stream_name(url)
    assert 0 < len(name) <= LONGEST_NAME
    assert not set(name) & set('/\\:*?"<>|\0\n ')
    assert not name.startswith((".", "-"))


def test_names_of_many_streams_differ() -> None:
    urls = ["a/drive.mp4", "b/drive.mp4", "c/drive-2.mp4", "d/drive.mp4"]
    assert stream_names(urls) == ["drive", "drive-2", "drive-2-2", "drive-3"]
