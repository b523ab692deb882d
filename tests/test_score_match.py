"""A watched match against its truth: what is right, false, missed, neither; and that one cannot get by with a trick."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.brands.impressions import Impressions
from pipeline.brands.observation import CUT, Observations
from pipeline.brands.profiles import find_profile
from pipeline.errors import ConfigError
from pipeline.events import row
from pipeline.samples.match import MatchSample
from pipeline.samples.score_match import MatchScore, score_match
from pipeline.samples.truth_file import TruthFile, read_lines

FPS = 10.0
BOX = [100.0, 100.0, 160.0, 140.0]
AWAY = [400.0, 100.0, 460.0, 140.0]


def view(brand: str, *, visible: float = 1.0, height_px: float = 40.0, blur_px: float = 0.0) -> dict[str, Any]:
    return {"brand": brand, "xyxy": BOX, "visible": visible, "height_px": height_px, "blur_px": blur_px}


def truth() -> list[dict[str, Any]]:
    """Return ten seconds with cuts at 4 and 8 s.

    Aurelo: hidden more and more from 1.0 to 1.5 s, clear from 1.5 to 4.0 and again, in the next shot, to 6.0.
    Briva: clear from 5.0 to 7.0 s, but half hidden from 5.8 to 6.2. Corvane: small all the time. Dynto: never.
    """
    match = {"format": "wayside-match-truth", "fps": FPS, "brands": ["Aurelo", "Briva", "Corvane", "Dynto"]}
    frames = []
    for index in range(100):
        at = index / FPS
        logos = [view("Corvane", height_px=12), view("Lookalike")]
        if 1 <= at < 6:
            logos.append(view("Aurelo", visible=0.4 if at < 1.5 else 1))
        if 5 <= at < 7:
            logos.append(view("Briva", visible=0.5 if 5.75 < at < 6.15 else 0.9))
        shot = int(at >= 4) + int(at >= 8)
        frames.append({"index": index, "pts_seconds": at, "shot": shot, "is_cut": index in (40, 80), "logos": logos})
    return [match, *frames]


def found(brand: str, start: float, end: float, *, xyxy: list[float] = BOX, profile: str = "raw/1") -> dict[str, Any]:
    return {
        "type": "impression",
        "brand": brand,
        "start_seconds": start,
        "end_seconds": end,
        "on_screen_seconds": round(end - start, 4),
        "best_seconds": (start + end) / 2,
        "best_xyxy": xyxy,
        "profile": profile,
    }


RIGHT = [found("Aurelo", 1.2, 4), found("Aurelo", 4, 6), found("Briva", 5, 7)]


def score(tmp_path: Path, events: list[dict[str, Any]]) -> MatchScore:
    for name, rows in (("truth", truth()), ("events", events)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in rows), encoding="utf-8")
    return score_match(tmp_path / "truth", tmp_path / "events")


@pytest.mark.parametrize(
    ("events", "expected", "remark"),
    [
        (RIGHT, {"exposures": 3, "right": 3, "precision": 1.0, "recall": 1.0, "onset_seconds": 0.0}, "all"),
        (RIGHT, {"duration_error": 0.0, "neither": 0, "missed": (), "false": ()}, "all"),
        ([], {"right": 0, "precision": None, "recall": 0.0, "onset_seconds": None}, "nothing"),
        (RIGHT[1:], {"missed": ("Aurelo at 1.50 s",), "recall": 0.6667, "precision": 1.0}, "one is missed"),
        ([found("Aurelo", 2.0, 4), *RIGHT[1:]], {"onset_seconds": 0.1667, "right": 3}, "half a second late"),
        ([found("Aurelo", 0.9, 4), *RIGHT[1:]], {"onset_seconds": 0.0333, "right": 3}, "earlier than anything is seen"),
        ([found("Aurelo", 2.0, 4), *RIGHT[1:]], {"duration_error": round(0.5 / 6.5, 4)}, "half a second too short"),
        ([found("Aurelo", 1.2, 6), RIGHT[2]], {"right": 2, "missed": ("Aurelo at 4.00 s",)}, "one over a cut is one"),
        ([*RIGHT, found("Aurelo", 4.2, 6)], {"right": 3, "precision": 0.75}, "twice the same"),
        ([*RIGHT, found("Dynto", 2, 3)], {"precision": 0.75, "false": ("Dynto at 2.00 s",)}, "is not there"),
        ([*RIGHT, found("Lookalike", 0, 4)], {"precision": 0.75}, "is no brand"),
        ([*RIGHT, found("Corvane", 0, 4)], {"precision": 1.0, "neither": 1}, "too small to be asked for, but there"),
        ([*RIGHT, found("Corvane", 0, 4, xyxy=AWAY)], {"precision": 0.75}, "there, but elsewhere"),
        ([found("Briva", 5, 7, xyxy=AWAY), *RIGHT[:2]], {"right": 2, "precision": 0.6667}, "in another place"),
        ([found("Briva", 5, 5.8), found("Briva", 6.2, 7), *RIGHT[:2]], {"right": 3, "precision": 1.0}, "half hidden"),
        ([found("Briva", 5, 5.4), found("Briva", 5.6, 7), *RIGHT[:2]], {"right": 3, "precision": 0.75}, "in pieces"),
        ([found("Briva", 5.0, 5.3), *RIGHT[:2]], {"right": 2, "false": ("Briva at 5.00 s",)}, "far too short"),
        ([found("aurelo", 1.2, 4)], {"right": 0, "impressions": 1}, "brands are named as they were enrolled"),
    ],
)
def test_score(tmp_path: Path, events: list[dict[str, Any]], expected: dict[str, object], remark: str) -> None:
    got = score(tmp_path, events)
    assert {name: getattr(got, name) for name in expected} == expected, remark


def test_each_brand_is_told_apart(tmp_path: Path) -> None:
    got = score(tmp_path, [*RIGHT[:1], RIGHT[2], found("Dynto", 2, 3)])
    assert {name: (b.precision, b.recall) for name, b in got.brands.items()} == {
        "Aurelo": (1.0, 0.5),
        "Briva": (1.0, 1.0),
        "Dynto": (0.0, None),
    }


def test_the_rules_are_those_of_the_impressions(tmp_path: Path) -> None:
    long = [{**event, "profile": "two-second/1"} for event in RIGHT]
    assert score(tmp_path, long).exposures == 3, "1.5 to 4, 4 to 6, 5 to 7"
    with pytest.raises(ConfigError, match="several profiles"):
        score(tmp_path, [*RIGHT, *long])
    with pytest.raises(ConfigError, match="'legible' cannot be scored"):
        score(tmp_path, [{**RIGHT[0], "profile": "legible/1"}])


SEED, SECONDS = 5, 40.0
TICK = Fraction(1, 5)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """Return the truth of a generated match, seen five times a second, as a file and as lines."""
    path = tmp_path_factory.mktemp("match") / "match.truth.jsonl"
    sample = MatchSample(SEED, seconds=SECONDS, size_wh=(960, 540), fps=5)
    with TruthFile(path, sample.truth()) as file:
        for _, frame in sample:
            file.write(frame)
    return path, read_lines(path)


def watched(frames: list[dict[str, Any]], brands: list[str], boxes: list[list[dict[str, Any]]], path: Path) -> Path:
    """Write what the account makes of boxes: one list a frame."""
    rows = [(k, brands.index(v["brand"]), v["xyxy"]) for k, views in enumerate(boxes) for v in views]
    edges = np.rint(np.array([xyxy for *_, xyxy in rows]).reshape(-1, 4) * 10).astype(np.int32)
    count = len(rows)
    observations = Observations(
        size_wh=(960, 540),
        time_base=TICK,
        index=np.arange(len(frames)),
        pts=np.arange(len(frames)),
        duration=np.ones(len(frames), np.int64),
        sampled=np.zeros(len(frames), np.int64),
        flags=np.array([CUT if frame["is_cut"] else 0 for frame in frames], np.uint8),
        frame_row=np.array([k for k, *_ in rows], np.int32),
        brand=np.array([brand for _, brand, _ in rows], np.int16),
        track=np.zeros(count, np.int32),
        x1=edges[:, 0],
        y1=edges[:, 1],
        x2=edges[:, 2],
        y2=edges[:, 3],
        score=np.full(count, 9000, np.uint16),
        sharpness=np.full(count, 100, np.uint16),
        contrast=np.full(count, 500, np.uint16),
        is_bridged=np.zeros(count, np.uint8),
    )
    fold = Impressions(find_profile("raw"), brands, time_base=TICK, stream="match")
    events = [*fold.update(observations), *fold.finish()]
    path.write_text("".join(json.dumps(row(event)) + "\n" for event in events), encoding="utf-8")
    return path


def test_who_sees_what_is_there_passes(generated: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    path, (match, *frames) = generated
    brands = match["brands"]
    boxes = [
        [v for v in f["logos"] if v["brand"] in brands and v["visible"] >= 0.5 and v["height_px"] >= 12] for f in frames
    ]
    got = score_match(path, watched(frames, brands, boxes, tmp_path / "events"))
    assert got.exposures >= 20
    assert got.precision is not None
    assert got.recall is not None
    assert got.precision >= 0.99
    assert got.recall >= 0.97
    assert got.onset_seconds == 0
    assert got.duration_error is not None
    assert got.duration_error <= 0.02


def test_who_repeats_the_first_frame_fails(generated: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    path, (match, *frames) = generated
    brands = match["brands"]
    first = [v for v in frames[0]["logos"] if v["brand"] in brands]
    assert first
    got = score_match(path, watched(frames, brands, [first] * len(frames), tmp_path / "events"))
    assert got.precision is not None
    assert got.recall is not None
    assert got.precision < 0.5
    assert got.recall < 0.5


def test_who_names_everything_fails(generated: tuple[Path, list[dict[str, Any]]], tmp_path: Path) -> None:
    """Every brand in every frame, and even where some logo really is."""
    path, (match, *frames) = generated
    brands = match["brands"]
    boxes = [[{"brand": brand, "xyxy": v["xyxy"]} for brand in brands for v in f["logos"][:4]] for f in frames]
    got = score_match(path, watched(frames, brands, boxes, tmp_path / "events"))
    assert got.precision is not None
    assert got.precision < 0.5


def test_the_command_prints_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    score(tmp_path, RIGHT)
    assert main(["score", str(tmp_path / "truth"), str(tmp_path / "events")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["right"], printed["brands"]["Briva"]["recall"]) == (3, 1.0)
