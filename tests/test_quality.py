"""Figures that may not get worse: what the shipped weights reach, against the floors in `quality.json`.

The real pictures are not part of the project; where the folder `../shared` lies beside the checkout they are measured
too. After a gain, raise the floors by hand to just below what was measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.samples.score import score_drive

FLOORS = json.loads(Path(__file__).with_name("quality.json").read_text(encoding="utf-8"))
SHARED = Path(__file__).parents[2] / "shared"
real_data = pytest.mark.skipif(not SHARED.is_dir(), reason="the real pictures are not part of the project")


def wayside(*words: str | Path) -> str:
    command = [sys.executable, "-m", "pipeline", *map(str, words), "--quiet"]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout


def test_signs_of_a_generated_drive_are_told_in_time(tmp_path: Path) -> None:
    wayside("sample", "road", tmp_path / "drive.mp4", "--seed", "21", "--seconds", "20")
    wayside("watch", tmp_path / "drive.mp4", "--lang", "en", "--out", tmp_path)
    told = score_drive(tmp_path / "drive.truth.jsonl", tmp_path / "events.jsonl")
    assert told.signs >= 3
    assert told.announced / told.signs >= FLOORS["drive_seed_21_20_s_announced_share"], told.missed
    assert told.false_sightings <= FLOORS["drive_seed_21_20_s_false_sightings"]


@real_data
def test_crops_of_signs_are_named() -> None:
    told = json.loads(wayside("evaluate", "signs", SHARED / "data/signs/gtsrb-test-public.zip"))
    assert told["top1"] >= FLOORS["gtsrb_test_public_top1"]
    assert told["parameters"] <= 1_000_000


@real_data
def test_signs_in_street_pictures_are_found(tmp_path: Path) -> None:
    pictures, found = SHARED / "data/signs/italian-streets-test.zip", tmp_path / "found.jsonl"
    wayside("detect", pictures, "--out", found)
    script = [sys.executable, str(SHARED / "eval/score_signs.py"), str(pictures), str(found)]
    told: dict[str, Any] = json.loads(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    for key in ("best_f1", "f1_at_threshold", "located"):
        assert told[key] >= FLOORS[f"italian_streets_{key}"], key
