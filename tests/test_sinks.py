"""Sinks write whole lines in order, fail loudly, and hold nothing up for ever."""

import errno
import json
import os
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from detectors.labels import SIGN_LABELS
from pipeline.config import Config
from pipeline.errors import ConfigError, SinkError
from pipeline.events import Announcement, Event
from pipeline.metrics import Metrics
from pipeline.sinks import SINKS, Sinks, json_lines
from pipeline.sinks.background import Background
from pipeline.sinks.detection_log import DetectionLog
from pipeline.sinks.event_log import EventLog
from pipeline.sinks.json_lines import JsonLines
from pipeline.sinks.sink import Outlet
from pipeline.stages import Tracked
from pipeline.tasks import open_task
from pipeline.tracker import Best, Track
from streams.frame import StreamInfo
from tests.test_events import ANNOUNCEMENT, LIMIT, OTHER, SIGHTING
from tests.worlds import frame

BOX = (10.04, 20.0, 30.0, 40.0)


def track(number: int, state: str, detection_score: float | None, class_id: int = 2) -> Track:
    return Track(number, state, class_id, 0.8, BOX, detection_score, 0.0, 0.5, 1.0, Best(BOX, 0.4, 0.9))  # type: ignore[arg-type]


def tracked(*tracks: Track, index: int = 7) -> Tracked:
    return Tracked(frame(np.zeros((64, 64, 3), np.uint8), index=index, stream="drive"), tracks, ())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(
    ("tracks", "written", "remark"),
    [
        ([], [], "a frame without signs has its line too"),
        ([track(1, "tentative", 0.6)], [(0.6, False)], "accepted by its score"),
        ([track(1, "confirmed", 0.95)], [(0.95, False)], "the detection's own score"),
        ([track(1, "confirmed", None)], [(0.8, True)], "bridged: the track's score"),
        (
            [track(1, "confirmed", 0.3)],
            [(0.8, True)],
            "found below the threshold: that it is there is the track's word",
        ),
        ([track(1, "tentative", None)], [], "nobody vouches for it"),
        ([track(1, "tentative", 0.3)], [], "below the threshold and not confirmed"),
    ],
)
def test_detections(tmp_path: Path, tracks: list[Track], written: list[tuple[float, bool]], remark: str) -> None:
    log = DetectionLog(tmp_path / "detections.jsonl", labels=SIGN_LABELS, threshold=0.5)
    log.write(tracked(*tracks))
    log.close()
    (line,) = lines(tmp_path / "detections.jsonl")
    assert {key: line[key] for key in ("stream", "index", "pts_seconds")} == {
        "stream": "drive",
        "index": 7,
        "pts_seconds": 0.28,
    }
    assert [(d["score"], d.get("tracked", False)) for d in line["detections"]] == written, remark
    for detection in line["detections"]:
        assert detection["xyxy"] == [10.0, 20.0, 30.0, 40.0]
        assert (detection["class_id"], detection["label"]) == (2, "speed_limit_50")


def test_events_can_be_read_before_the_end(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl")
    for count, event in enumerate((SIGHTING, OTHER, ANNOUNCEMENT, LIMIT), 1):
        log.write(event)
        assert len(lines(tmp_path / "events.jsonl")) == count, "each line is there as soon as it is written"
    log.close()
    assert [line["type"] for line in lines(tmp_path / "events.jsonl")] == [
        "sighting",
        "other_sign",
        "announcement",
        "limit",
    ]
    assert "Höchstgeschwindigkeit" in (tmp_path / "events.jsonl").read_text(encoding="utf-8"), "as people write it"


class Probe:
    """A sink of announcements that does what it is told."""

    takes = (Announcement,)

    def __init__(self, act: Callable[[], None] = lambda: None) -> None:
        self.got: list[Event] = []
        self.is_closed = False
        self._act = act

    def write(self, item: Event) -> None:
        self._act()
        self.got.append(item)

    def close(self) -> None:
        self.is_closed = True


def test_a_sink_gets_what_it_takes_in_order() -> None:
    probe, metrics = Probe(), Metrics()
    writer = Background("probe", probe, metrics)
    for _ in range(50):
        for item in (SIGHTING, ANNOUNCEMENT, tracked()):
            writer.write(item)
    writer.close()
    assert probe.got == [ANNOUNCEMENT] * 50
    assert probe.is_closed
    assert metrics.registry.get_sample_value("wayside_sink_items_total", {"sink": "probe"}) == 50


def test_a_slow_sink_is_waited_for() -> None:
    gate, metrics = threading.Event(), Metrics()
    probe = Probe(lambda: gate.wait() and None)
    writer = Background("probe", probe, metrics)
    writing = threading.Thread(target=write_many, args=(writer, 30))
    writing.start()
    writing.join(0.05)
    assert writing.is_alive(), "its queue is bounded"
    gate.set()
    writing.join()
    writer.close()
    assert len(probe.got) == 30, "nothing is lost"


def test_a_failing_sink_is_heard_of_and_does_not_block() -> None:
    def fail() -> None:
        raise SinkError("disk full")

    probe, metrics = Probe(fail), Metrics()
    writer = Background("probe", probe, metrics)
    with pytest.raises(SinkError, match="disk full"):
        write_many(writer, 10_000)
    with pytest.raises(SinkError, match="disk full"):
        writer.close()
    assert probe.is_closed
    assert metrics.registry.get_sample_value("wayside_sink_errors_total", {"sink": "probe"}) == 1


def write_many(writer: Background, count: int) -> None:
    for _ in range(count):
        writer.write(ANNOUNCEMENT)


def outlet(folder: Path) -> Outlet:
    info = StreamInfo("drive", (64, 64), 25.0, Fraction(1, 25), False, None, 1.0)
    return Outlet(folder, info, open_task(Config()), 0.5)


def test_all_sinks_of_a_stream(tmp_path: Path) -> None:
    with Sinks(["events", "detections", "video"], [outlet(tmp_path / "a" / "b")], Metrics()) as sinks:
        for index in range(5):
            sinks.write(tracked(index=index))
        sinks.write(ANNOUNCEMENT)
    assert len(lines(tmp_path / "a" / "b" / "detections.jsonl")) == 5
    assert len(lines(tmp_path / "a" / "b" / "events.jsonl")) == 1
    with av.open(str(tmp_path / "a" / "b" / "annotated.mp4")) as video:
        times = [float(f.pts * f.time_base) for f in video.decode(video=0)]
    assert times == pytest.approx([0.0, 0.04, 0.08, 0.12, 0.16]), "the source's own times"


def test_a_sink_that_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"output\.sinks: unknown sink 'vidoe'; did you mean video\?"):
        Sinks(["events", "vidoe"], [outlet(tmp_path)], Metrics())
    assert list(tmp_path.iterdir()) == [], "nothing is begun"


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match="cannot be made"):
        Sinks(["events"], [outlet(tmp_path / "file" / "out")], Metrics())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk that is full")
def test_a_disk_that_is_full(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("/dev/full")
    with (
        pytest.raises(SinkError, match=r"events\.jsonl: cannot be written: No space left"),
        Sinks(["events"], [outlet(tmp_path)], Metrics()) as sinks,
    ):
        sinks.write(SIGHTING)


@pytest.mark.parametrize("goes_on", [True, False])
def test_two_runs_do_not_write_one_file(tmp_path: Path, goes_on: bool) -> None:
    path = tmp_path / "events.jsonl"
    first = JsonLines(path)
    first.write({"n": 1})
    with pytest.raises(SinkError, match=r"events\.jsonl: another run writes it; give this one another folder"):
        JsonLines(path, goes_on=goes_on)
    first.write({"n": 2})
    first.close()
    assert path.read_text() == '{"n": 1}\n{"n": 2}\n'
    JsonLines(path, goes_on=goes_on).close()
    assert path.read_text() == ('{"n": 1}\n{"n": 2}\n' if goes_on else ""), "the next run begins anew, or goes on"


def test_lines_of_a_live_stream_wait_for_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a disk with room for one and a half lines: the half is taken back, and more than may wait is an error."""
    path, room = tmp_path / "events.jsonl", 3000

    class Disk:
        """The file, as far as there is room."""

        def __init__(self, file: Any) -> None:
            self._file = file

        def write(self, data: bytes) -> int:
            left = room - path.stat().st_size
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(self._file.write(data[:left]))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

    log = JsonLines(path, goes_on=True)
    log._file = Disk(log._file)  # type: ignore[assignment]
    for number in range(3):
        log.write({"n": number, "text": "x" * 2000})
    assert log.trouble == f"{path}: cannot be written: No space left on device; its lines wait for room"
    assert [row["n"] for row in lines(path)] == [0], "no half of a line"
    room = 100_000
    log.retry()
    assert log.trouble is None
    assert [row["n"] for row in lines(path)] == [0, 1, 2]
    room = 0
    monkeypatch.setattr(json_lines, "HELD_BYTES", 5000)
    log.write({"n": 3, "text": "x" * 2000})
    log.write({"n": 4, "text": "x" * 2000})
    with pytest.raises(SinkError, match="No space left"):
        log.write({"n": 5, "text": "x" * 2000})
    with pytest.raises(SinkError, match=r"No space left|3 lines could not be written"):
        log.close()


def test_no_thread_is_left_where_one_sink_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "detections.jsonl").mkdir()
    with pytest.raises(SinkError, match=r"detections\.jsonl"):
        Sinks(["events", "detections"], [outlet(tmp_path)], Metrics())
    assert not [t for t in threading.enumerate() if t.name.startswith("sink")]
    assert set(SINKS) >= {"events", "detections", "video", "speech", "ledger"}
