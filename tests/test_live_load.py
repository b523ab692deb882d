"""Runs over live streams that give more than can be dealt with, or hang: in time, fair, accounted for, and they end."""

import json
import multiprocessing
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.detections import Detections
from detectors.picture import Picture
from pipeline import sources
from pipeline.commands.watch import told
from pipeline.config import Config, OutputSettings, StreamSettings
from pipeline.metrics import FrameCounts, Metrics
from pipeline.overload import OverloadSettings
from pipeline.prefetch import Prefetch
from pipeline.record import Record
from pipeline.run import watch
from streams.frame import Frame
from streams.source import Source
from tests.live_worlds import LiveWorld, Step, frames, gap
from tests.test_prefetch import Source as Film
from tests.worlds import FPS, Boxes, Expected, Sign, SquareDetector

SIGN = Sign(2, z=45)


class SlowDetector(SquareDetector):
    """Takes so long for a picture: the scan by its area, the verification always the same. Sleeps, so that a busy
    machine changes little.
    """

    def __init__(self, scan_seconds: float, verify_seconds: float = 0.0) -> None:
        super().__init__()
        self._scan_seconds, self._verify_seconds = scan_seconds, verify_seconds

    def scan(self, pictures: Sequence[Picture], *, shrink: float = 1.0) -> list[NDArray[np.float32]]:
        time.sleep(self._scan_seconds * len(pictures) * shrink**2)
        return super().scan(pictures, shrink=shrink)

    def verify(
        self, pictures: Sequence[Picture], proposals: Sequence[Boxes], expected: Expected = None
    ) -> list[Detections]:
        time.sleep(self._verify_seconds * len(pictures))
        return super().verify(pictures, proposals, expected)


def camera(name: str, seconds: float, *, fps: float = 15.0, signs: Sequence[Sign] = ()) -> LiveWorld:
    """A live stream at the world's pace, that ends after so many seconds."""

    def steps() -> Iterator[Step]:
        began = time.monotonic()
        made = frames(name, signs, (0, 0.04))[0] if not signs else None
        for number in range(round(seconds * fps)):
            yield max(0.0, began + number / fps - time.monotonic())
            pts = round(number / fps * FPS)
            if made is None:
                yield frames(name, signs, (number / fps, number / fps + 0.04), first=number, pts=pts)[0]
            else:
                yield type(made)(
                    name,
                    number,
                    number,
                    made.time_base,
                    number / fps,
                    1 / fps,
                    0.0,
                    False,
                    made.pixels,
                    made.wall_clock,
                )

    return LiveWorld(name, steps(), ends=True)


def run(
    folder: Path,
    worlds: dict[str, Source],
    detector: SquareDetector,
    monkeypatch: pytest.MonkeyPatch | None,
    overload: OverloadSettings | None = None,
) -> Record:
    """Watch sources of the test's own: a scheme that leads to them is all that is put in."""
    table: dict[str, Any] = {**sources.FACTORIES, "world": lambda url, name: worlds[name]}
    if monkeypatch is None:
        sources.FACTORIES.update(table)
    else:
        monkeypatch.setattr(sources, "FACTORIES", table)
    config = Config(
        stream=tuple(StreamSettings(url=f"world:{name}", name=name) for name in worlds),
        output=OutputSettings(folder=str(folder)),
        overload=overload or OverloadSettings(),
    )
    return watch(config, quiet=True, detector=detector)


def share_within(metrics: Metrics, seconds: float) -> float:
    """Return the share of frames that were dealt with within so many seconds, of those that were."""
    name, get = "wayside_end_to_end_latency_seconds", metrics.registry.get_sample_value
    return (get(f"{name}_bucket", {"le": str(seconds)}) or 0.0) / (get(f"{name}_count") or 1.0)


def settles(counts: FrameCounts) -> bool:
    return counts.decoded == counts.processed + counts.dropped_total + counts.sampled_out + counts.corrupt


def test_with_too_much_to_do_it_stays_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six streams ask for 48 scans a second, of which 12 can be had: the first levels are enough."""
    names = [f"cam{number}" for number in range(6)]
    record = run(tmp_path, {n: camera(n, 12.0) for n in names}, SlowDetector(0.08, 0.001), monkeypatch)
    counts = record.frames
    assert share_within(record.metrics, 1.0) >= 0.99
    account = json.loads((tmp_path / "run.json").read_text())
    assert 1 <= account["overload"]["highest"] <= 6
    for name in names:
        assert counts[name].decoded == 180
        assert settles(counts[name]), name
        assert counts[name].scanned >= 4, "each is scanned now and then"
        assert account["streams"][name]["coverage"] == pytest.approx(counts[name].processed / 180, abs=0.1)
    looked = [counts[name].processed for name in names]
    assert max(looked) - min(looked) <= 0.3 * max(looked), f"no stream is starved: {looked}"


def test_with_far_too_much_to_do_it_looks_at_fewer_frames_and_stays_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six streams bring 90 frames a second, each with a sign, and 15 can be verified where nothing is scanned."""

    names = [f"cam{number}" for number in range(6)]
    worlds: dict[str, Source] = {name: camera(name, 10.0, signs=[SIGN]) for name in names}
    record = run(tmp_path, worlds, SlowDetector(0.15, 0.06), monkeypatch, OverloadSettings(latency_budget_seconds=0.75))
    assert share_within(record.metrics, 0.75) >= 0.99
    assert json.loads((tmp_path / "run.json").read_text())["overload"]["highest"] >= 4
    counts = record.frames
    assert all(settles(counts[name]) for name in names)
    assert all(counts[name].sampled_out + counts[name].dropped_total > 30 for name in names)
    looked = [counts[name].processed for name in names]
    assert min(looked) >= 0.5 * max(looked), f"no stream is starved: {looked}"


def test_a_file_beside_live_streams_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = Film(60, name="film")
    worlds: dict[str, Source] = {"film": film, **{n: camera(n, 8.0) for n in ("a", "b", "c")}}
    detector = SlowDetector(0.1)
    record = run(tmp_path, worlds, detector, monkeypatch)
    counts = record.frames
    assert (counts["film"].decoded, counts["film"].processed) == (60, 60)
    assert counts["film"].scanned == 20, "and none of its scans is left out"
    assert counts["a"].processed < 120


def test_the_summary_tells_not_watched_from_nothing_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = frames("fine", [], (0, 0.4))
    worlds: dict[str, Source] = {
        "dead": LiveWorld("dead", [gap("dead", 0.0, reason="refused")], ends=True),
        "torn": LiveWorld("torn", [*frames("torn", [], (0, 0.4)), gap("torn", 0.4), gap("torn", 0.4, 4.4)], ends=True),
        "fine": LiveWorld("fine", empty, ends=True),
    }
    record = run(tmp_path, worlds, SquareDetector(), monkeypatch)
    lines = told(Config(stream=(), output=OutputSettings(folder=str(tmp_path), sinks=())), record).splitlines()
    parts = "\n".join(line for line in lines if "run.json" not in line)
    assert re.fullmatch(
        r"dead: 0.0 s, 0 frames\n  not watched for \d+.\d s \(1 × refused\)\n"
        r"torn: 0.4 s, 10 frames.*\n  not watched for 4.0 s \(1 × stall\)\n  nothing that counts\n"
        r"fine: 0.4 s, 10 frames.*\n  nothing that counts\n.*",
        parts,
    ), parts


def test_fair_turns_also_with_a_stream_of_many_frames() -> None:
    """One stream at 200 frames a second beside two at 10: none of theirs is lost, whoever takes the frames slowly."""
    worlds = [camera("busy", 3.0, fps=200.0), camera("a", 3.0, fps=10.0), camera("b", 3.0, fps=10.0)]
    metrics = Metrics()
    with Prefetch(worlds, metrics=metrics) as prefetch:
        for item in prefetch:
            assert isinstance(item, Frame)
            time.sleep(0.02)
            metrics.frames.processed(item.stream)
    counts = metrics.frames.snapshot()
    for name in ("a", "b"):
        assert counts[name].processed == 30, "a busy stream takes nobody's turn"
    assert counts["busy"].dropped_total > 300


def end_stuck(folder: Path) -> None:
    """Watch a stream with a sign and one that hangs for ever, and be asked to end after two seconds."""
    worlds: dict[str, Source] = {
        "drive": camera("drive", 60.0, fps=25.0, signs=[SIGN]),
        "stuck": LiveWorld("stuck", is_stuck=True),
    }
    threading.Timer(2.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    began = time.monotonic()
    record = run(folder, worlds, SquareDetector(), None)
    assert record.interrupted_by is signal.SIGTERM
    assert record.is_live
    assert time.monotonic() - began < 10, "a source that hangs holds up the end"


def test_sigterm_closes_what_is_open_though_a_source_hangs(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(target=end_stuck, args=(tmp_path,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    events = [json.loads(line) for line in (tmp_path / "drive" / "events.jsonl").read_text().splitlines()]
    assert [event["type"] for event in events] == ["announcement", "sighting"], "the sign that was still in sight"
    assert events[1]["at"].startswith("2026-11-24T12:00:0")
    assert json.loads((tmp_path / "run.json").read_text())["streams"]["stuck"]["frames"] == 0
