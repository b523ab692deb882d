"""One drive past everything that a road can hold, against the events that it gave before.

Where a change is meant to change them: `pytest tests/test_replay.py --update-golden`, and read the difference.
"""

import json
from pathlib import Path

import pytest

from pipeline.config import Config, OutputSettings, StreamSettings
from pipeline.road.task import RoadSettings
from pipeline.run import watch
from pipeline.tracker import TrackerSettings
from tests.worlds import Sign, SquareDetector, write_world

GOLDEN = Path(__file__).with_name("golden") / "replay.events.jsonl"

SIGNS = [
    Sign(2, z=45),
    Sign(14, x=-3.0, z=62, hidden=((2.4, 2.9),)),  # a lamp post before it
    Sign(43, x=3.4, z=80),
    Sign(6, z=98),  # the end of 80 where 50 is in force
    Sign(1, y=-1.9, z=118),  # two on a post
    Sign(13, y=-1.0, z=118),
    Sign(2, x=-3.2, z=140),  # the same on both sides
    Sign(2, x=3.2, z=140),
    Sign(2, x=3.2, z=146, hidden=((0.0, 9.4), (9.5, 20.0))),  # a glimpse
    Sign(32, z=165),
    Sign(1, z=186),  # still in sight when the drive ends
]
SECONDS = 12.4


def test_the_events_are_those_of_before(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    video = write_world(tmp_path / "replay.mkv", SIGNS, SECONDS)
    watch(
        Config(
            tracker=TrackerSettings(),  # the squares' scores are not those of the sign verifier
            stream=(StreamSettings(url=str(video)),),
            road=RoadSettings(lang="en"),
            output=OutputSettings(folder=str(tmp_path)),
        ),
        quiet=True,
        detector=SquareDetector(),
    )
    text = (tmp_path / "events.jsonl").read_text(encoding="utf-8")
    if request.config.getoption("--update-golden"):
        GOLDEN.write_text(text, encoding="utf-8")
        pytest.skip(f"{GOLDEN.name} is written anew")
    new, old = ([json.loads(line) for line in lines.splitlines()] for lines in (text, GOLDEN.read_text("utf-8")))
    assert new == old
    assert text == GOLDEN.read_text("utf-8"), "the same to the byte"
