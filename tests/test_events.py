"""What is written of an event: its fields, their order and their rounding. `docs/events.md` promises these."""

import json
from dataclasses import fields, replace

import pytest

from pipeline.events import (
    EVENTS,
    SCHEMA,
    Announcement,
    Event,
    GapEvent,
    LimitChange,
    OtherSign,
    Sighting,
    rounded,
    row,
)

SEEN = {
    "stream": "drive",
    "track": 3,
    "class_id": 2,
    "label": "speed_limit_50",
    "start_seconds": 1.0,
    "end_seconds": 2.123456,
    "score": 0.987654,
    "best_xyxy": (1.04, 2.0, 30.06, 40.0),
    "best_seconds": 2.08,
}
SIGHTING = Sighting(**SEEN, meaning="speed_limit.max", value=50, unit="km/h")  # type: ignore[arg-type]
OTHER = OtherSign(**SEEN)  # type: ignore[arg-type]
ANNOUNCEMENT = Announcement(
    stream="drive",
    pts_seconds=1 / 3,
    text="Höchstgeschwindigkeit 50 km/h",
    lang="de",
    grade="official",
    meaning="speed_limit.max",
    value=50,
    unit="km/h",
    track=3,
    class_id=2,
    label="speed_limit_50",
    passes_in_seconds=None,
)
LIMIT = LimitChange(stream="drive", pts_seconds=2.0, state="set", value=50, unit="km/h", reason="sign")
GAP_EVENT = GapEvent(
    stream="drive",
    reason="stall",
    start_seconds=12.04,
    end_seconds=None,
    lost_seconds=3.00004,
    attempts=1,
    message="nothing for 3 s",
    at="2026-11-24T12:00:12.040Z",
    clock_method="rtcp",
    clock_error_seconds=None,
)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            SIGHTING,
            '{"schema": 1, "type": "sighting", "stream": "drive", "track": 3, "class_id": 2, "label": "speed_limit_50",'
            ' "start_seconds": 1.0, "end_seconds": 2.1235, "score": 0.9877, "best_xyxy": [1.0, 2.0, 30.1, 40.0],'
            ' "best_seconds": 2.08, "meaning": "speed_limit.max", "value": 50, "unit": "km/h"}',
        ),
        (
            OTHER,
            '{"schema": 1, "type": "other_sign", "stream": "drive", "track": 3, "class_id": 2,'
            ' "label": "speed_limit_50", "start_seconds": 1.0, "end_seconds": 2.1235, "score": 0.9877,'
            ' "best_xyxy": [1.0, 2.0, 30.1, 40.0], "best_seconds": 2.08}',
        ),
        (
            ANNOUNCEMENT,
            '{"schema": 1, "type": "announcement", "stream": "drive", "pts_seconds": 0.3333,'
            ' "text": "Höchstgeschwindigkeit 50 km/h", "lang": "de", "grade": "official", "meaning": "speed_limit.max",'
            ' "value": 50, "unit": "km/h", "track": 3, "class_id": 2, "label": "speed_limit_50",'
            ' "passes_in_seconds": null}',
        ),
        (
            LIMIT,
            '{"schema": 1, "type": "limit", "stream": "drive", "pts_seconds": 2.0, "state": "set", "value": 50,'
            ' "unit": "km/h", "reason": "sign"}',
        ),
        (
            GAP_EVENT,
            '{"schema": 1, "type": "gap", "stream": "drive", "reason": "stall", "start_seconds": 12.04,'
            ' "end_seconds": null, "lost_seconds": 3.0, "attempts": 1, "message": "nothing for 3 s",'
            ' "at": "2026-11-24T12:00:12.040Z", "clock_method": "rtcp", "clock_error_seconds": null}',
        ),
        (
            replace(LIMIT, at="2026-11-24T12:00:02.000Z", clock_method="arrival", clock_error_seconds=0.123456),
            '{"schema": 1, "type": "limit", "stream": "drive", "pts_seconds": 2.0, "state": "set", "value": 50,'
            ' "unit": "km/h", "reason": "sign", "at": "2026-11-24T12:00:02.000Z", "clock_method": "arrival",'
            ' "clock_error_seconds": 0.1235}',
        ),
    ],
)
def test_a_line(event: Event, line: str) -> None:
    assert json.dumps(row(event), ensure_ascii=False) == line


def test_the_types_are_told_apart() -> None:
    assert [kind.type for kind in EVENTS] == ["sighting", "other_sign", "announcement", "limit", "impression", "gap"]
    assert not isinstance(OTHER, Sighting), "a sign that is none of the known is never a sighting"
    assert SCHEMA == 1


def test_every_time_says_its_unit() -> None:
    for kind in EVENTS:
        for field in fields(kind):
            if "seconds" not in field.name and not field.name.endswith(("_pts", "_at", "time_base")):
                assert not any(word in field.name for word in ("time", "_ms", "duration", "start", "end"))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("score", 0.123456, 0.1235),
        ("mean_share", 0.00123456, 0.001235),
        ("position_shares", (0.5, 0.1234567), [0.5, 0.123457]),
        ("best_xyxy", (0.04, 0.06, 10.0, 1e3), [0.0, 0.1, 10.0, 1000.0]),
        ("class_id", 7, 7),
        ("value", None, None),
        ("text", "1.23456", "1.23456"),
    ],
)
def test_rounded(name: str, value: object, expected: object) -> None:
    assert rounded(name, value) == expected
