"""The generated drive: the same every time, its truth exact, its signs plain to see for long enough."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors import artwork
from detectors.labels import SIGN_LABELS
from pipeline.__main__ import main
from pipeline.samples.picture import Picture, Watched
from pipeline.samples.road import DriveSign, RoadSample, SignView
from pipeline.samples.road.route import plan_route
from streams.source import open_source

SEEDS = (1, 2, 3)  # a country road in good weather, one under clouds, a motorway in haze


@lru_cache(maxsize=8)
def drive(seed: int, *, with_signs: bool = True) -> RoadSample:
    return RoadSample(seed, seconds=20, size_wh=(640, 360), fps=10, with_signs=with_signs)


def views(sample: RoadSample, sign: DriveSign, *before_leaving: float) -> list[tuple[np.ndarray, SignView]]:
    """Return pictures and truths of a sign, some seconds before it leaves the picture."""
    found = []
    for seconds in before_leaving:
        image, truth = sample.frame(round((sign.leaves_seconds - seconds) * sample.fps))
        found += [(image, view) for view in truth.signs if view.id == sign.id]
    return found


def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    again = RoadSample(1, seconds=20, size_wh=(640, 360), fps=10)
    late = again.frame(50)
    for index in (0, 50):
        image, truth = drive(1).frame(index)
        same, same_truth = late if index == 50 else again.frame(index)
        assert image.tobytes() == same.tobytes()
        assert truth == same_truth
    assert drive(2).frame(50)[0].tobytes() != late[0].tobytes()


def test_iterating_gives_every_frame_once() -> None:
    sample = RoadSample(2, seconds=0.5, size_wh=(96, 64), fps=8)
    frames = list(sample)
    assert len(sample) == len(frames) == 4
    assert [truth.index for _, truth in frames] == [0, 1, 2, 3]
    assert [truth.pts_seconds for _, truth in frames] == [0, 0.125, 0.25, 0.375]
    for index, (image, _) in enumerate(frames):
        assert image.shape == (64, 96, 3)
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, sample.frame(index)[0])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_box_lies_where_the_sign_is(seed: int) -> None:
    """The drawing, slid over the picture, fits best within a pixel and a half of the box."""
    sample = RoadSample(seed, seconds=24, size_wh=(1280, 720), fps=30)
    checked = 0
    for sign in sample.truth().signs:
        for image, view in views(sample, sign, 0.3):
            x1, y1, x2, y2 = view.xyxy
            if view.visible < 0.97 or x2 - x1 < 40:
                continue
            drawn = artwork.draw_sign(sign.class_id, 128) if sign.class_id is not None else None
            drawn = artwork.draw_other(sign.name, 128) if drawn is None else drawn
            rows, columns = (np.flatnonzero(drawn[..., 3].max(axis=axis) > 127) for axis in (1, 0))
            tight = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            size = round(x2 - x1), round(y2 - y1)
            small = cv2.resize(tight, size, interpolation=cv2.INTER_AREA).astype(np.float32)
            mask = np.repeat((small[..., 3:] > 250).astype(np.float32), 3, axis=2)
            left, top = round(x1) - 8, round(y1) - 8
            around = image[top : top + size[1] + 16, left : left + size[0] + 16].astype(np.float32)
            fit = cv2.matchTemplate(around, small[..., :3].copy(), cv2.TM_CCOEFF_NORMED, mask=mask)
            _, best, _, (dx, dy) = cv2.minMaxLoc(fit)
            assert best > 0.6, f"{sign.name} is not what is in its box"
            assert abs(left + dx - x1) <= 2, sign.name
            assert abs(top + dy - y1) <= 2, sign.name
            checked += 1
    assert checked >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_every_sign_can_be_read_for_a_second(seed: int) -> None:
    sample = drive(seed)
    readable = 24 * sample.size_wh[0] / 1280
    for sign in sample.truth().signs:
        before = np.arange(0.1, 2.2, 1 / sample.fps)
        free = [
            view
            for _, view in views(sample, sign, *before)
            if view.xyxy[2] - view.xyxy[0] >= readable and view.visible > 0.85
        ]
        assert len(free) >= sample.fps, f"{sign.name} is seen in {len(free)} frames only"


@pytest.mark.parametrize("seed", range(4, 10))
def test_planning_leaves_signs_readable_and_done_in_time(seed: int) -> None:
    route = plan_route(seed, 60, with_signs=True)
    assert len(route.signs) >= 10
    for sign in route.signs:
        assert route.readable_seconds(sign) >= 1
        assert route.passes_seconds(sign) < 60
    assert route.speed.min() > 7
    assert route.speed.max() < 31


def test_a_sign_comes_nearer_and_grows_and_leaves() -> None:
    sample = drive(1)
    for sign in sample.truth().signs:
        seen = [view for _, view in views(sample, sign, 2.0, 1.5, 1.0, 0.5)]
        distances = [view.distance_m for view in seen]
        assert distances == sorted(distances, reverse=True)
        widths = np.array([view.xyxy[2] - view.xyxy[0] for view in seen])
        # A pinhole's image is the wider the nearer: width times distance stays, but for the turn of the sign.
        product = widths * distances
        assert product.max() / product.min() < 1.25, sign.name
        index = round(sign.leaves_seconds * sample.fps)
        last, next_one = (sample.frame(index + k)[1].signs for k in (-1, 0))
        assert [view for view in last if view.id == sign.id], "in the picture until then"
        # Its edge may still show.
        assert all(view.visible < 0.65 for view in next_one if view.id == sign.id)
        assert sign.leaves_seconds <= sign.passes_seconds + 0.1


def test_signs_of_and_outside_the_43_are_named() -> None:
    signs = [sign for seed in SEEDS for sign in drive(seed).truth().signs]
    inside, outside = [s for s in signs if s.class_id is not None], [s for s in signs if s.class_id is None]
    assert len(inside) > len(outside) > 0
    assert all(sign.name == SIGN_LABELS[sign.class_id] for sign in inside if sign.class_id is not None)
    assert {sign.name for sign in outside} <= set(artwork.other_names())


def test_things_pass_before_signs() -> None:
    hidden = 0
    for seed in SEEDS:
        for index in range(0, len(drive(seed)), 5):
            _, truth = drive(seed).frame(index)
            hidden += sum(view.visible < 0.7 and view.distance_m > 15 for view in truth.signs)
    assert hidden >= 5


def test_an_empty_drive_has_the_same_road_and_no_sign() -> None:
    empty, full = drive(1, with_signs=False), drive(1)
    assert empty.truth().signs == ()
    for index in range(0, len(empty), 20):
        image, truth = empty.frame(index)
        assert truth.signs == ()
        # The road before the car has nothing on it that a drive with signs would have moved.
        np.testing.assert_array_equal(image[330:], full.frame(index)[0][330:])


def test_what_is_covered_is_counted_by_the_pixel() -> None:
    """White is painted over black, so the picture itself tells how much of the square is still to be seen."""
    painting = Picture(np.zeros((100, 100, 3), np.uint8))
    seen = Watched(20, 20, np.full((40, 40), 255, np.uint8), 1600.0)
    painting.watched.append(seen)
    painting.fill([(0, 0), (10, 0), (10, 99), (0, 99)], (255, 255, 255))
    assert seen.fraction == 1, "what is beside it hides nothing"
    painting.fill([(30, 0), (42, 0), (38, 100), (30, 100)], (255, 255, 255))
    painting.lay(np.full((100, 20, 4), 128, np.uint8), 45, 0)
    left = 1 - float(painting.image[20:60, 20:60].mean()) / 255
    assert 0.4 < left < 0.7
    assert seen.fraction == pytest.approx(left, abs=0.01)


def test_the_command_writes_the_video_and_its_truth(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "drive.mp4"
    assert (
        main(["sample", "road", str(out), "--seed", "3", "--seconds", "1.2", "--size", "320x180", "--fps", "10"]) == 0
    )
    printed = capsys.readouterr()
    assert str(out) in printed.out
    assert printed.err == "", "no progress bar where there is no terminal"
    header, *lines = [json.loads(line) for line in out.with_suffix(".truth.jsonl").read_text().splitlines()]
    assert header["format"] == "wayside-road-truth"
    assert (header["version"], header["seed"], header["size_wh"], header["frames"]) == (1, 3, [320, 180], 12)
    with open_source(str(out)) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == [line["index"] for line in lines]
    assert [frame.pts_seconds for frame in frames] == pytest.approx([line["pts_seconds"] for line in lines], abs=1e-3)
    painted, _ = RoadSample(3, seconds=1.2, size_wh=(320, 180), fps=10).frame(5)
    assert np.abs(frames[5].rgb().astype(int) - painted).mean() < 8, "the video shows the drive"


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--size", "big"], "--size must look like 1280x720, got 'big'"),
        (["--size", "20x20"], "size must be 64 to 8192 pixels, got 20x20"),
        (["--seed", "-1"], "seed must be 0 or more, got -1"),
        (["--seconds", "0"], "seconds and fps must be above 0"),
        (["--fps", "nan"], "seconds and fps must be above 0"),
    ],
)
def test_what_cannot_be_made_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str
) -> None:
    assert main(["sample", "road", str(tmp_path / "drive.mp4"), *flags]) == 2
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["sample", "road", str(tmp_path / "file" / "drive.mp4"), "--seconds", "0.1", "--size", "96x64"]) == 1
    assert "cannot be written" in capsys.readouterr().err
