"""What a URL opens, and what is said of one that opens nothing."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import av
import pytest
from PIL import Image as Pillow

from streams import errors
from streams.av_source import AvSource
from streams.camera import open_camera
from streams.errors import OpenError, StreamError
from streams.gap import Gap
from streams.image_source import ImageSource
from streams.source import Source, open_source
from tests.media import picture, write_video

KNOWN = "camera:, rtsp:, rtsps:, rtmp:, rtmps:, http:, https:, udp:, srt:, gst:, mine:"
DOCTOR = "(wayside doctor names those that there are)"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write_video(tmp_path / "drive.mp4", pts=range(2))
    (tmp_path / "stills").mkdir()
    Pillow.fromarray(picture(0)).save(tmp_path / "stills" / "[1].png")
    return tmp_path


@pytest.mark.parametrize(
    ("url", "kind", "name"),
    [
        ("{}/drive.mp4", AvSource, "drive"),
        ("file://{}/drive.mp4", AvSource, "drive"),
        ("file://localhost{}/%64rive.mp4", AvSource, "drive"),
        ("file:{}/drive.mp4", AvSource, "drive"),
        ("{}/stills", ImageSource, "stills"),
        ("{}/stills/", ImageSource, "stills"),
        ("{}/stills/*", ImageSource, "stills"),
        ("{}/stills/[1].png", ImageSource, "1"),  # a name that would match nothing as a glob
    ],
)
def test_what_opens(place: Path, url: str, kind: type, name: str) -> None:
    with open_source(url.format(place)) as source:
        assert type(source) is kind
        assert source.info.name == name
        assert not source.info.is_live
        assert next(frame.stream for frame in source) == name
    with open_source(url.format(place), name="rear") as source:
        assert source.info.name == "rear"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nothing.mp4", "nothing.mp4: no such file or folder"),
        ("nothing/*.png", "nothing/*.png: no such file or folder"),
        ("file:///nothing", "/nothing: no such file or folder"),
        ("12:30.mp4", "12:30.mp4: no such file or folder"),
        ("odd:name.mp4", "odd:name.mp4: no such file or folder"),
        ("", "the path is empty"),
        ("gopher://user:s3cr3t@host/x", f"gopher://***@host/x: no source for gopher: (known: a path, {KNOWN})"),
        ("rstp://user:s3cr3t@host/x", "rstp://***@host/x: no source for rstp: (did you mean rtsp:?)"),
        ("camera:97", f"camera:97: there is no camera /dev/video97 {DOCTOR}"),
        ("/dev/video97", f"/dev/video97: there is no camera /dev/video97 {DOCTOR}"),
        ("camera:/dev/nothing", f"camera:/dev/nothing: there is no camera /dev/nothing {DOCTOR}"),
        ("camera:97?speed=1", "camera:97?speed=1: unknown option speed (known: size, fps, format)"),
        ("/dev/null", "/dev/null: /dev/null is no camera"),
        ("rtsp://user:s3cr3t@/live", "rtsp:///live: it names no host"),
        ("rtsp://user:s3cr3t@host:port/live", "rtsp://***@host:port/live: it names no host"),
        ("rtsp://user:s3cr3t@host:99999/live", "rtsp://***@host:99999/live: its port is none from 1 to 65535"),
        ("udp://127.0.0.1:0", "udp://127.0.0.1:0: its port is none from 1 to 65535"),
        ("rtsp://host/live?transport=smoke", "rtsp://host/live: no such transport: smoke (known: tcp, udp)"),
        ("rtsp://host/a b", "rtsp://host/a b: an address holds no blanks or control characters"),
        ("rtsp:host", "rtsp:host: not an address such as rtsp://host/path"),
        ("udp://239.0.0.1", "udp://239.0.0.1: it names no port"),
        ("udp://host:5000", "udp://host:5000: an IP address of this machine or of a group must stand here"),
        (
            "udp://@:5000?ttl=1",
            "udp://:5000: unknown option ttl (known: localaddr, sources, reuse, buffer_size, fifo_size)",
        ),
        ("udp://@:5000?localaddr=a;b", "udp://:5000: localaddr cannot be 'a;b'"),
    ],
)
def test_what_does_not(url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OpenError) as caught:
        open_source(url, factories={"mine": open_camera})
    assert str(caught.value) == message


def test_a_caller_may_bring_schemes(place: Path) -> None:
    seen = []

    def factory(url: str, name: str) -> Source:
        seen.append((url, name))
        return open_source(str(place / "drive.mp4"), name=name)

    with open_source("mine:road?seed=1", factories={"mine": factory}) as source:
        assert source.info.name == "mine-road"
    assert seen == [("mine:road?seed=1", "mine-road")]


def test_cameras_are_told_their_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """No camera here: what FFmpeg's Video4Linux would be asked for is looked at instead."""
    asked = []

    def asked_for(*args: object, **kind: object) -> None:
        asked.append((args, kind))
        raise av.FileNotFoundError(2, "no camera")

    monkeypatch.setattr(Path, "is_char_device", lambda path: True)
    monkeypatch.setattr("streams.camera.os.major", lambda device: 81)
    monkeypatch.setattr(Path, "stat", lambda path: SimpleNamespace(st_rdev=0))
    source = open_camera("camera:2?size=1280x720&fps=30&format=mjpeg", "front")
    monkeypatch.setattr("streams.av_live.av.open", asked_for)
    gap = next(source.items())
    source.close()
    assert isinstance(gap, Gap)
    assert gap.reason == "unreachable"
    ((args, kind),) = asked
    assert args[0] == "/dev/video2"
    assert kind["format"] == "v4l2"
    assert {"video_size": "1280x720", "framerate": "30", "input_format": "mjpeg"}.items() <= kind["options"].items()


def test_errors_are_os_errors_of_one_family() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    assert {kind.__name__ for kind in kinds} == {"StreamError", "OpenError", "ReadTimeout", "DecodeError", "WriteError"}
    assert all(issubclass(kind, StreamError) for kind in kinds)
    assert issubclass(StreamError, OSError)
