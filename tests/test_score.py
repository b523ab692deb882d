"""A watched drive against its truth: what counts as announced, late, false, repeated."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.__main__ import main
from pipeline.errors import ConfigError
from pipeline.samples.score import Score, score_drive

FPS = 10.0
# A limit of 50 from 1 s to 3 s, a stop sign from 4 s to 6 s, and a sign that is none of the 43 from 4 s to 6 s.
SIGNS = [(0, 2, 1.0, 3.0), (1, 14, 4.0, 6.0), (2, None, 4.0, 6.0)]
BOX = [100.0, 100.0, 140.0, 140.0]
AWAY = [400.0, 100.0, 440.0, 140.0]


def truth() -> list[dict[str, Any]]:
    drive = {
        "format": "wayside-road-truth",
        "fps": FPS,
        "frames": 80,
        "signs": [
            {"id": number, "class_id": class_id, "name": f"sign {number}", "leaves_seconds": leaves}
            for number, class_id, _, leaves in SIGNS
        ],
    }
    frames = [
        {
            "index": index,
            "pts_seconds": index / FPS,
            "signs": [
                {"id": number, "class_id": class_id, "xyxy": BOX if number == 0 else AWAY}
                for number, class_id, begins, leaves in SIGNS
                if begins <= index / FPS < leaves
            ],
        }
        for index in range(80)
    ]
    return [drive, *frames]


def told(class_id: int, pts_seconds: float) -> dict[str, Any]:
    return {"type": "announcement", "class_id": class_id, "pts_seconds": pts_seconds}


def seen(class_id: int, seconds: float, xyxy: list[float] = BOX) -> dict[str, Any]:
    return {"type": "sighting", "class_id": class_id, "best_seconds": seconds, "best_xyxy": xyxy}


def limit(pts_seconds: float, state: str, value: int | None) -> dict[str, Any]:
    return {"type": "limit", "pts_seconds": pts_seconds, "state": state, "value": value}


def score(tmp_path: Path, events: list[dict[str, Any]]) -> Score:
    for name, rows in (("truth", truth()), ("events", events)):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return score_drive(tmp_path / "truth", tmp_path / "events")


@pytest.mark.parametrize(
    ("events", "expected", "remark"),
    [
        ([], {"signs": 2, "announced": 0, "sightings": 0, "missed": ("sign 0 at 3.0 s", "sign 1 at 6.0 s")}, "nothing"),
        (
            [told(2, 2.0), told(14, 5.0)],
            {"announced": 2, "late": 0, "false_announcements": 0, "missed": ()},
            "all told",
        ),
        ([told(2, 3.5)], {"announced": 0, "late": 1, "false_announcements": 0}, "told when it had left"),
        ([told(1, 2.0)], {"announced": 0, "late": 0, "false_announcements": 1}, "told as another sign"),
        (
            [told(14, 5.0), told(13, 5.0)],
            {"announced": 1, "false_announcements": 1},
            "told of a sign that is not there",
        ),
        ([seen(2, 2.0)], {"sightings": 1, "true_sightings": 1, "false_sightings": 0}, "seen"),
        ([seen(2, 2.0), seen(2, 2.5)], {"true_sightings": 1, "repeated_sightings": 1}, "seen twice"),
        ([seen(2, 2.0, AWAY)], {"true_sightings": 0, "false_sightings": 1}, "seen elsewhere"),
        ([seen(1, 2.0)], {"true_sightings": 0, "false_sightings": 1}, "seen as another"),
        ([seen(14, 2.0, AWAY)], {"true_sightings": 0, "false_sightings": 1}, "seen before it comes"),
        ([limit(3.0, "set", 50)], {"limit_right": 1.0}, "the limit is in force from the sign on"),
        ([], {"limit_right": 0.375}, "unknown is right until the sign"),
        ([limit(4.0, "set", 50)], {"limit_right": 0.875}, "a second late"),
        ([limit(3.0, "set", 30)], {"limit_right": 0.375}, "another limit"),
    ],
)
def test_score(tmp_path: Path, events: list[dict[str, Any]], expected: dict[str, object], remark: str) -> None:
    got = score(tmp_path, events)
    assert {name: getattr(got, name) for name in expected} == expected, remark


def test_the_command_prints_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(tmp_path, [told(2, 2.0)])
    assert main(["score", str(tmp_path / "truth"), str(tmp_path / "events")]) == 0
    assert json.loads(capsys.readouterr().out)["announced"] == 1


def test_what_is_no_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(tmp_path, [])
    assert main(["score", str(tmp_path / "events"), str(tmp_path / "events")]) == 2
    assert "events: is no truth" in capsys.readouterr().err


def test_what_is_no_events_file(tmp_path: Path) -> None:
    score(tmp_path, [])
    (tmp_path / "events").write_text("not json\n")
    with pytest.raises(ConfigError, match="events: "):
        score_drive(tmp_path / "truth", tmp_path / "events")
