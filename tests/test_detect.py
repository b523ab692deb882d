"""`wayside detect --task logos`: a line an image, brands by their own names, and one clear line for what cannot be."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from detectors import weights
from detectors.boxes import iou
from detectors.embedder import load_embedder
from detectors.gallery import Gallery
from pipeline.__main__ import main
from tests.test_gallery_commands import other_weights
from tests.test_logos import BOX, arena, gallery_of

MOVED = BOX + np.array([150, 90, 150, 90], np.float32)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures with and without the one logo that a gallery holds, and galleries of no use."""
    folder = tmp_path_factory.mktemp("detect")
    gallery = gallery_of(weights.SHIPPED, arena())
    gallery.save(folder / "brands.gallery")
    gallery.with_threshold(0.9).save(folder / "strict.gallery")
    other = load_embedder(other_weights(folder / "other"))
    gallery.embedded_by(other).save(folder / "other.gallery")
    Gallery().save(folder / "empty.gallery")
    (folder / "pictures").mkdir()
    Pillow.fromarray(arena(MOVED).array).save(folder / "pictures/board.png")
    Pillow.fromarray(np.full((240, 320, 3), (70, 110, 80), np.uint8)).save(folder / "pictures/meadow.png")
    (folder / "pictures/notes.txt").write_text("no picture")
    return folder


def detected(stock: Path, gallery: str, out: Path) -> list[dict[str, Any]]:
    words = ["--task", "logos", "--gallery", str(stock / gallery), "--out", str(out), "-q"]
    assert main(["detect", str(stock / "pictures"), *words]) == 0
    return [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]


def test_brands_of_a_folder(stock: Path, tmp_path: Path) -> None:
    board, meadow = detected(stock, "brands.gallery", tmp_path / "found.jsonl")
    assert (board["file"], board["size_wh"]) == ("board.png", [640, 360])
    assert board["threshold"] == load_embedder().threshold
    best = board["detections"][0]
    assert (best["label"], best["class_id"]) == ("Arrow & Co", 0)
    assert best["score"] >= board["threshold"]
    assert iou(np.array([best["xyxy"]], np.float32), MOVED)[0, 0] > 0.6
    scores = [d["score"] for d in board["detections"]]
    assert scores == sorted(scores, reverse=True)
    assert min(scores) >= 0.01
    assert meadow == {"file": "meadow.png", "size_wh": [320, 240], "threshold": board["threshold"], "detections": []}


def test_the_threshold_of_the_gallery_is_the_one_that_counts(stock: Path, tmp_path: Path) -> None:
    shipped = detected(stock, "brands.gallery", tmp_path / "shipped.jsonl")
    strict = detected(stock, "strict.gallery", tmp_path / "strict.jsonl")
    assert [line["threshold"] for line in strict] == [0.9, 0.9]
    assert [line["detections"] for line in strict] == [line["detections"] for line in shipped], "scores are the same"


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["--task", "logos"], 2, r"--task logos needs --gallery FILE; `wayside enrol BRAND .*` makes one"),
        (["--task", "logos", "--gallery", "none"], 1, r"none: no such gallery; `wayside enrol` makes one"),
        (["--task", "logos", "--gallery", "empty.gallery"], 2, r"empty\.gallery: no brand is enrolled in it"),
        (
            ["--task", "logos", "--gallery", "other.gallery"],
            1,
            r".*made with other weights; `wayside gallery rebuild`.*",
        ),
        (["--task", "logos", "--gallery", "pictures/board.png"], 1, r"pictures/board\.png: not a gallery of Wayside.*"),
        (["--gallery", "brands.gallery"], 2, r"--gallery is for --task logos, not for signs"),
        (["--task", "sings"], 1, r"unknown task 'sings': one of logos, signs"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(
    stock: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    args: list[str],
    code: int,
    line: str,
) -> None:
    monkeypatch.chdir(stock)
    assert main(["detect", "pictures", "--out", "found.jsonl", *args]) == code
    told = capsys.readouterr()
    assert told.out == ""
    assert re.fullmatch(f"wayside: {line}\n", told.err), told.err
    assert not Path("found.jsonl").exists(), "nothing was begun"
