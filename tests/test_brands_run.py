"""Whole runs of the task `logos` over little worlds: the account, its evidence, and that it can be repeated."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from detectors.gallery import Gallery
from pipeline.batching import BatchSettings
from pipeline.brands.account import find_account
from pipeline.brands.chain import read_ledger, verify
from pipeline.brands.evidence import find, problems
from pipeline.brands.settings import BrandsSettings
from pipeline.config import Config, OutputSettings, StreamSettings, read_config
from pipeline.errors import ConfigError
from pipeline.record import Record
from pipeline.run import watch
from tests.worlds import FPS, Sign, SquareDetector, write_world

# Two boards of one brand at once, one of them hidden for a moment, and one of another brand.
BOARDS = [
    Sign(2, x=3.0, z=60.0, hidden=((0.8, 1.0),)),
    Sign(2, x=-3.0, z=60.0),
    Sign(13, x=-2.0, y=1.2, z=50.0, hidden=((1.6, 9.0),)),
]
SECONDS = 2.6


@pytest.fixture(scope="module")
def match(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("worlds") / "match.mkv", BOARDS, SECONDS)


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    Gallery(brands=[f"Brand {number}" for number in range(44)]).save(tmp_path / "brands.gallery")
    return tmp_path / "brands.gallery"


def config(out: Path, video: Path, gallery: Path, *, profile: str = "raw") -> Config:
    preset = read_config(None, task="logos")
    return replace(
        preset,
        stream=(StreamSettings(url=str(video)),),
        tracker=replace(preset.tracker, shot_cuts=False),  # squares that come and go are no shots
        brands=BrandsSettings(gallery=str(gallery), profile=profile),
        output=OutputSettings(folder=str(out), sinks=("events", "detections", "ledger")),
    )


def run(settings: Config) -> Record:
    return watch(settings, quiet=True, detector=SquareDetector())


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_match(tmp_path: Path, match: Path, gallery: Path) -> None:
    record = run(config(tmp_path / "out", match, gallery))
    out = tmp_path / "out"
    events = lines(out / "events.jsonl")
    assert {e["type"] for e in events} == {"impression"}
    by_brand = {e["brand"]: e for e in events}
    assert set(by_brand) == {"Brand 2", "Brand 13"}
    assert by_brand["Brand 2"]["placements_peak"] == 2
    assert by_brand["Brand 2"]["on_screen_seconds"] == pytest.approx(SECONDS, abs=1 / FPS)
    assert by_brand["Brand 13"]["end_seconds"] == pytest.approx(1.6, abs=2 / FPS)
    assert by_brand["Brand 13"]["start_seconds"] <= 1 / FPS, "it was there before it was believed"

    frames = lines(out / "detections.jsonl")
    assert [f["index"] for f in frames] == list(range(round(SECONDS * FPS)))
    assert sum(len(f["detections"]) for f in frames[5:15]) == 30

    told = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert told["summary"]["brands"]["Brand 2"]["impressions"] == 1
    assert record.summaries["match"].seen["Brand 13"] == 1
    verdict = verify(out)
    assert not verdict.problems
    counted = record.metrics.registry.get_sample_value
    assert counted("wayside_ledger_rows_total", {"stream": "match"}) == verdict.records
    stored = sum(path.stat().st_size for path in (out / "evidence").rglob("*.*"))
    assert counted("wayside_evidence_bytes_total", {"stream": "match"}) == stored > 0
    assert told["ledger"]["head"] == verdict.head


def test_the_account_tells_what_the_events_tell_and_can_be_recounted(
    tmp_path: Path, match: Path, gallery: Path
) -> None:
    run(config(tmp_path / "out", match, gallery))
    events = lines(tmp_path / "out" / "events.jsonl")
    with read_ledger(tmp_path / "out") as connection:
        account = find_account(connection)
        assert [e.impression.id for e in account.entries] == [e["id"] for e in events]
        assert [i.id for i in account.recount()] == [e["id"] for e in events]
        assert account.coverage.frames == round(SECONDS * FPS)
        for entry in account.entries:
            hashes = [str(entry.evidence[part]) for part in ("crop", "frame", "span")]
            assert not problems(tmp_path / "out", hashes)
            assert all(find(tmp_path / "out", each) is not None for each in hashes)


def test_the_same_run_again_adds_nothing_and_another_profile_is_another_account(
    tmp_path: Path, match: Path, gallery: Path
) -> None:
    first = config(tmp_path / "out", match, gallery)
    run(first)
    events, head = (tmp_path / "out" / "events.jsonl").read_bytes(), verify(tmp_path / "out").head
    run(replace(first, batch=BatchSettings(size=3)))
    assert (tmp_path / "out" / "events.jsonl").read_bytes() == events
    assert verify(tmp_path / "out").head == head
    run(config(tmp_path / "out", match, gallery, profile="one-second"))
    assert verify(tmp_path / "out", head).since_head
    with read_ledger(tmp_path / "out") as connection:
        runs = {e.impression.run for e in find_account(connection).entries}
    assert len(runs) == 1, "no two accounts are ever added"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"gallery": None}, "needs --gallery"),
        ({"profile": "one-secnd"}, "did you mean one-second"),
    ],
)
def test_what_cannot_be_asked_for(
    tmp_path: Path, match: Path, gallery: Path, change: dict[str, Any], message: str
) -> None:
    asked = config(tmp_path / "out", match, gallery)
    with pytest.raises(ConfigError, match=message):
        run(replace(asked, brands=replace(asked.brands, **change)))


def test_words_that_nobody_can_read_are_said_once(
    tmp_path: Path, match: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.brands.task.can_read", lambda: False)
    Gallery(brands=[f"Brand {n}" for n in range(44)], texts={"Brand 2": ["BOLT"]}).save(tmp_path / "words.gallery")
    run(config(tmp_path / "out", match, tmp_path / "words.gallery"))
    assert caplog.text.count("pip install 'wayside[text]'") == 1
    assert caplog.text.rstrip().endswith("pictures alone: Brand 2")
    assert {e["brand"] for e in lines(tmp_path / "out" / "events.jsonl")} == {"Brand 2", "Brand 13"}


def test_who_reads_is_told_in_the_account(tmp_path: Path, match: Path) -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    Gallery(brands=[f"Brand {n}" for n in range(44)], texts={"Brand 2": ["BOLT"]}).save(tmp_path / "words.gallery")
    asked = config(tmp_path / "out", match, tmp_path / "words.gallery")
    run(asked)
    run(
        replace(
            asked,
            brands=replace(asked.brands, readings_per_second=0),
            output=replace(asked.output, folder=str(tmp_path / "mute")),
        )
    )
    models = []
    for folder in ("out", "mute"):
        with read_ledger(tmp_path / folder) as connection:
            models.append(find_account(connection).run.models)
    assert any("rec" in name for name in models[0])
    assert not any("rec" in name for name in models[1])


def test_an_account_needs_brands(tmp_path: Path, match: Path) -> None:
    signs = Config(
        stream=(StreamSettings(url=str(match)),), output=OutputSettings(folder=str(tmp_path), sinks=("ledger",))
    )
    with pytest.raises(ConfigError, match="needs the task logos"):
        run(signs)
