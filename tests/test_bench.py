"""`wayside bench` tells of both tasks what it says it does, from real runs over generated videos that are short."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from detectors.embedder import load_embedder
from detectors.gallery import Exemplar, Gallery
from pipeline.__main__ import main
from pipeline.commands import bench_logos

STAGES = {"decode", "scan", "verify", "track", "events"}


def told(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert main(["bench", "--rounds", "1", "--seconds", "0.3", "-q", *args]) == 0
    line: dict[str, Any] = json.loads(capsys.readouterr().out)
    return line


def test_signs(capsys: pytest.CaptureFixture[str]) -> None:
    line = told(capsys)
    assert line["video"] == "drive-1080p.mp4"
    assert set(line["stage_ms_a_frame"]) >= STAGES
    assert line["pipeline_over_decode"] == pytest.approx(line["pipeline_fps"] / line["decode_fps"], rel=0.05)
    assert line["pipeline_over_sliced_nano"] == pytest.approx(line["pipeline_fps"] / line["sliced_nano_fps"], rel=0.1)
    assert line["rounds"] == 1


def test_logos(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_logos, "MANY", 40)  # a thousand take half a minute to draw
    line = told(capsys, "--task", "logos")
    assert line["video"] == "match-1080p.mp4"
    assert set(line["stage_ms_a_frame"]) >= STAGES
    assert line["pipeline_over_decode"] == pytest.approx(line["pipeline_fps"] / line["decode_fps"], rel=0.05)
    few, many = line["galleries"]
    assert (few["brands"], many["brands"]) == (20, 40)
    assert few["views"] < many["views"]
    assert few["pipeline_fps"] == line["pipeline_fps"]
    for one in (few, many):
        assert 0 < one["matching_ms_a_frame"] < line["stage_ms_a_frame"]["verify"]
        assert one["matching_share"] == pytest.approx(one["matching_ms_a_frame"] / 1e3 * one["pipeline_fps"], rel=0.2)


def test_a_gallery_is_filled_up_with_brands_that_it_has_not(capsys: pytest.CaptureFixture[str]) -> None:
    embedder = load_embedder()
    first = bench_logos.filled(Gallery(), 3, embedder, quiet=True)
    assert len(first.brands) == 3
    more = bench_logos.filled(first.with_threshold(0.7), 5, embedder, quiet=True)
    assert more.brands[:3] == first.brands
    assert len(set(more.brands)) == len(more.brands) == 5
    assert more.threshold == 0.7
    assert bench_logos.filled(more, 4, embedder, quiet=True).brands == more.brands, "none is taken away"


def test_a_timed_gallery_is_the_same_gallery() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(0, 1, (12, 8)).astype(np.float32)
    plain = Gallery(
        [Exemplar(f"Brand {k}", "photo", "a.png", b"png", vectors[3 * k : 3 * k + 3]) for k in range(4)],
        brands=["Unseen"],
        embedder_sha256="0" * 64,
        threshold=0.6,
    )
    timed = bench_logos.TimedGallery(plain)
    assert timed.data == plain.data
    assert timed.seconds == 0
    asked = rng.normal(0, 1, (5, 8)).astype(np.float32)
    np.testing.assert_array_equal(timed.match(asked)[0], plain.match(asked)[0])
    after_one = timed.seconds
    assert after_one > 0
    np.testing.assert_array_equal(timed.nearest(asked, 3), plain.nearest(asked, 3))
    assert timed.seconds > after_one


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["clip.mp4", "--task", "logos"], "--task logos needs --gallery FILE"),
        (["--task", "logos", "--gallery", "brands.gallery"], "--gallery wants a VIDEO"),
        (["clip.mp4", "--gallery", "brands.gallery"], "--gallery is for --task logos, not for signs"),
        (["--rounds", "0"], "--rounds must be 1 or more, got 0"),
    ],
)
def test_what_cannot_be(capsys: pytest.CaptureFixture[str], args: list[str], line: str) -> None:
    assert main(["bench", *args, "-q"]) == 2
    assert capsys.readouterr().err.startswith(f"wayside: {line}")
