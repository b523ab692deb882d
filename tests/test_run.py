"""Whole runs over little worlds: what is written, that it can be repeated, and how a run ends."""

import json
import multiprocessing
import os
import signal
import threading
import urllib.request
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import pytest

from detectors.detections import Detections
from detectors.picture import Picture
from pipeline.batching import BatchSettings
from pipeline.config import Config, MetricsSettings, OutputSettings, StreamSettings
from pipeline.errors import ConfigError
from pipeline.record import Record
from pipeline.road.task import RoadSettings
from pipeline.run import watch
from streams.errors import OpenError
from tests.ports import free_port
from tests.worlds import FPS, Boxes, Expected, Sign, SquareDetector, write_world

SIGNS = [Sign(2, z=45), Sign(13, x=-3.0, z=50), Sign(43, x=3.4, z=64)]
SECONDS = 4.0


@pytest.fixture(scope="module")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "drive.mkv", SIGNS, SECONDS)


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "empty.mkv", [], 1.0)


def config(out: Path, *videos: Path, sinks: Sequence[str] = ("events",), lang: str = "de") -> Config:
    return Config(
        stream=tuple(StreamSettings(url=str(video)) for video in videos),
        road=RoadSettings(lang=lang),
        output=OutputSettings(folder=str(out), sinks=tuple(sinks)),
    )


def run(settings: Config, detector: SquareDetector | None = None) -> Record:
    return watch(settings, quiet=True, detector=detector or SquareDetector())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_drive(tmp_path: Path, drive: Path) -> None:
    run(config(tmp_path, drive, sinks=("events", "detections", "video")))

    events = lines(tmp_path / "events.jsonl")
    assert [e["label"] for e in events if e["type"] == "sighting"] == ["speed_limit_50", "give_way"]
    assert [e["type"] for e in events].count("other_sign") == 1
    told = {e["label"]: e for e in events if e["type"] == "announcement"}
    assert told["speed_limit_50"]["text"] == "Zulässige Höchstgeschwindigkeit 50 km/h"
    for sign, label in zip(SIGNS, ("speed_limit_50", "give_way"), strict=False):
        assert told[label]["pts_seconds"] < sign.passes_at, "told before it passes"
    (limit,) = (e for e in events if e["type"] == "limit")
    assert (limit["state"], limit["value"], limit["unit"]) == ("set", 50, "km/h")
    assert limit["pts_seconds"] == pytest.approx(SIGNS[0].passes_at, abs=2 / FPS), "in force from the sign on"

    frames = lines(tmp_path / "detections.jsonl")
    assert [f["index"] for f in frames] == list(range(round(SECONDS * FPS)))
    assert [f["pts_seconds"] for f in frames] == pytest.approx([i / FPS for i in range(len(frames))])

    with av.open(str(tmp_path / "annotated.mp4")) as video:
        pictures = [f.to_ndarray(format="rgb24") for f in video.decode(video=0)]
    assert len(pictures) == len(frames)

    told_run = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert (told_run["frames"], told_run["processed"], told_run["scanned"]) == (100, 100, 34)
    assert told_run["video_seconds"] == pytest.approx(SECONDS)
    assert (told_run["dropped"], told_run["corrupt"], told_run["error"]) == (0, 0, None)
    assert told_run["frames_per_second"] == pytest.approx(100 / told_run["elapsed_seconds"], rel=0.01)
    assert told_run["models"] == {"squares.safetensors": "0" * 64}
    assert told_run["language"]["lang"] == "de"
    assert {"decode", "scan", "verify", "track", "events", "sink events"} <= told_run["stages"].keys()
    assert told_run["summary"]["signs"] == {"give_way": 1, "other_sign": 1, "speed_limit_50": 1}
    assert told_run["config"]["road"] == {"lang": "de", "country": "DE"}


def test_the_same_file_twice_gives_the_same_bytes(tmp_path: Path, drive: Path) -> None:
    for out in ("a", "b"):
        run(config(tmp_path / out, drive, sinks=("events", "detections")))
    for name in ("events.jsonl", "detections.jsonl"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_damaged_file_twice_gives_the_same_bytes(tmp_path: Path, drive: Path) -> None:
    """FFmpeg patches the holes; with several threads, in another way every time."""
    damaged = write_world(tmp_path / "damaged.avi", SIGNS, SECONDS, codec="mpeg4", pix_fmt="yuv420p")
    data = bytearray(damaged.read_bytes())
    for at in range(len(data) // 4, len(data), len(data) // 12):
        data[at : at + 40] = bytes(40)
    damaged.write_bytes(data)
    kinds = ("events", "detections")
    first = run(config(tmp_path / "0", damaged, sinks=kinds))
    (frames,) = first.frames.values()
    assert frames.corrupt or frames.decoded < round(SECONDS * FPS), "the damage does not show"
    for k in range(1, 4):
        run(config(tmp_path / str(k), damaged, sinks=kinds))
        for name in ("events.jsonl", "detections.jsonl"):
            assert (tmp_path / str(k) / name).read_bytes() == (tmp_path / "0" / name).read_bytes()


def test_events_hold_no_path_and_no_setting_of_speed(tmp_path: Path, drive: Path) -> None:
    """Another place of the same file, another folder and another batch size: not a byte differs."""
    moved = tmp_path / "elsewhere" / drive.name
    moved.parent.mkdir()
    moved.write_bytes(drive.read_bytes())
    run(config(tmp_path / "a", drive))
    run(replace(config(tmp_path / "b", moved), batch=BatchSettings(size=3)))
    assert (tmp_path / "a" / "events.jsonl").read_bytes() == (tmp_path / "b" / "events.jsonl").read_bytes()


def test_several_streams_do_not_touch_each_other(tmp_path: Path, drive: Path, empty: Path) -> None:
    run(config(tmp_path / "alone", drive))
    run(config(tmp_path / "both", drive, empty))
    alone = (tmp_path / "alone" / "events.jsonl").read_bytes()
    assert (tmp_path / "both" / "drive" / "events.jsonl").read_bytes() == alone
    assert lines(tmp_path / "both" / "empty" / "events.jsonl") == []
    total = json.loads((tmp_path / "both" / "run.json").read_text(encoding="utf-8"))
    assert total["frames"] == 125
    assert {name: row["frames"] for name, row in total["streams"].items()} == {"drive": 100, "empty": 25}
    own = json.loads((tmp_path / "both" / "empty" / "run.json").read_text(encoding="utf-8"))
    assert (own["stream"], own["frames"]) == ("empty", 25)


@pytest.mark.parametrize(("lang", "words"), [("ja", "50"), ("ar", "50"), ("pt-BR", "50"), ("en-GB", "50 km/h")])
def test_in_the_drivers_language(tmp_path: Path, drive: Path, lang: str, words: str) -> None:
    record = run(config(tmp_path, drive, lang=lang))
    (told,) = (e for e in lines(tmp_path / "events.jsonl") if e["type"] == "announcement" and e["value"] == 50)
    assert told["lang"] == lang.split("-")[0]
    assert words in told["text"]
    assert any(words in seen for seen in record.summaries["drive"].seen)


class Failing(SquareDetector):
    """Breaks at its so many-th verification."""

    def __init__(self, at: int, error: Exception) -> None:
        super().__init__()
        self.at, self.error = at, error

    def verify(
        self, pictures: Sequence[Picture], proposals: Sequence[Boxes], expected: Expected = None
    ) -> list[Detections]:
        if len(self.verifications) == self.at:
            raise self.error
        return super().verify(pictures, proposals, expected)


def test_what_was_written_before_an_error_stays_readable(tmp_path: Path, drive: Path) -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run(config(tmp_path, drive, sinks=("events", "detections", "video")), Failing(60, RuntimeError("a bug")))
    assert [f["index"] for f in lines(tmp_path / "detections.jsonl")] == list(range(60))
    assert lines(tmp_path / "events.jsonl")[0]["type"] == "announcement"
    with av.open(str(tmp_path / "annotated.mp4")) as video:
        assert len(list(video.decode(video=0))) == 60
    told = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert told["error"] == "a bug"
    assert not [t for t in threading.enumerate() if t.name.startswith(("decode", "sink"))]


def test_nothing_is_begun_where_a_source_cannot_be_opened(tmp_path: Path, drive: Path) -> None:
    with pytest.raises(OpenError, match=r"none\.mp4"):
        run(config(tmp_path / "out", drive, tmp_path / "none.mp4"))
    assert not (tmp_path / "out").exists()


def test_no_source_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no source"):
        run(config(tmp_path))


class Signalled(SquareDetector):
    """Sends a signal to its own process in the fiftieth frame."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__()
        self.number = number

    def verify(
        self, pictures: Sequence[Picture], proposals: Sequence[Boxes], expected: Expected = None
    ) -> list[Detections]:
        if len(self.verifications) == 50:
            os.kill(os.getpid(), self.number)
        return super().verify(pictures, proposals, expected)


def run_and_be_signalled(folder: Path, drive: Path, number: signal.Signals) -> None:
    before = signal.getsignal(number)
    record = run(config(folder, drive, sinks=("events", "detections")), Signalled(number))
    assert record.interrupted_by is number
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_lets_it_finish_what_it_has_begun(tmp_path: Path, drive: Path, number: signal.Signals) -> None:
    # In a process of its own: what other tests load has left this one unable to take a signal.
    child = multiprocessing.get_context("spawn").Process(target=run_and_be_signalled, args=(tmp_path, drive, number))
    child.start()
    child.join(60)
    assert child.exitcode == 0
    told = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert told["interrupted_by"] == number.name
    assert 51 <= told["frames"] < 100, "it has stopped to read"
    assert told["frames"] == told["processed"], "and lost nothing of what was read"
    assert len(lines(tmp_path / "detections.jsonl")) == told["frames"]


def test_metrics_are_served_while_it_runs(tmp_path: Path, drive: Path) -> None:
    port, pages = free_port(), []

    class Scraped(SquareDetector):
        def verify(
            self, pictures: Sequence[Picture], proposals: Sequence[Boxes], expected: Expected = None
        ) -> list[Detections]:
            if len(self.verifications) == 50:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
                    pages.append(page.read().decode())
            return super().verify(pictures, proposals, expected)

    run(replace(config(tmp_path, drive), metrics=MetricsSettings(port=port)), Scraped())
    (page,) = set(pages)
    assert 'wayside_frames_total{result="processed",stream="drive"} 50.0' in page
    assert 'wayside_model_info{file="squares.safetensors"' in page
    assert 'wayside_stream_up{stream="drive"} 1.0' in page
