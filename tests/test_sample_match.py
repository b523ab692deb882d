"""The generated match: the same every time, its truth exact, its brands plain to see, cut hard."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.__main__ import main
from pipeline.samples.match import LogoView, MatchSample
from pipeline.samples.match.brands import BRANDS, LOOKALIKES, WHITE, draw
from pipeline.samples.match.camera import Camera, Surface, corners, paint_surface, warp, watch
from pipeline.samples.match.figures import Front, Kit
from pipeline.samples.picture import Picture
from pipeline.samples.sprites import Sprite
from streams.source import open_source


@lru_cache(maxsize=4)
def match(seed: int, *, with_brands: bool = True) -> MatchSample:
    return MatchSample(seed, seconds=30, size_wh=(640, 360), fps=10, with_brands=with_brands)


def test_the_same_seed_gives_the_same_bytes_in_any_order() -> None:
    again = MatchSample(1, seconds=30, size_wh=(640, 360), fps=10)
    late, early = again.frame(150), again.frame(0)
    assert match(1).frame(0)[0].tobytes() == early[0].tobytes()
    image, truth = match(1).frame(150)
    assert image.tobytes() == late[0].tobytes()
    assert truth == late[1]
    assert match(2).frame(0)[0].tobytes() != early[0].tobytes()


def test_brands_are_many_and_none_is_like_another() -> None:
    assert len(BRANDS) >= 12
    names = [brand.name for brand in (*BRANDS, *LOOKALIKES)]
    assert len(set(names)) == len(names)
    images = {}
    for brand in (*BRANDS, *LOOKALIKES):
        for ink in (brand.own(), brand.plain(WHITE, brand.main)):
            art = draw(brand, ink)
            assert art.shape[2] == 4
            assert min(art.shape[:2]) > 60
            assert min(art[0, :, 3].max(), art[:, 0, 3].max()) > 0, "cut close"
            images[brand.name, ink] = art.tobytes()
    assert len(set(images.values())) == len(images)
    single = [brand for brand in BRANDS if brand.accent_is_above]
    for brand in single:
        art = draw(brand, brand.plain(WHITE, brand.main))
        assert len(np.unique(art[art[..., 3] == 255][:, :3], axis=0)) >= 2, f"{brand.name} keeps its inner form"


@pytest.mark.parametrize("seed", [1, 3])
def test_the_box_lies_where_the_logo_is(seed: int) -> None:
    """The picture in a logo's corners, straightened, has the drawing's form: edges fit best without a shift."""
    sample = MatchSample(seed, seconds=30, size_wh=(1280, 720), fps=5)
    by_name = {brand.name: brand for brand in (*BRANDS, *LOOKALIKES)}
    checked, fits = 0, []
    for index in range(0, len(sample), 11):
        image, truth = sample.frame(index)
        for logo in truth.logos:
            if logo.visible < 0.98 or logo.height_px < 22 or logo.blur_px > 4 or logo.place == "shirt":
                continue
            brand = by_name[logo.brand]
            mask = draw(brand, brand.plain(WHITE, (0, 0, 0)))
            flat = (mask[..., 0].astype(np.float32) * (mask[..., 3] / 255)).astype(np.float32)
            w, h = 240, max(24, round(240 * flat.shape[0] / flat.shape[1]))
            flat = cv2.resize(flat, (w, h), interpolation=cv2.INTER_AREA)
            margin = 12
            to = corners((margin, margin), (margin + w, margin + h)).astype(np.float32)
            straight = cv2.getPerspectiveTransform(np.array(logo.quad, np.float32), to)
            seen = cv2.warpPerspective(image, straight, (w + 2 * margin, h + 2 * margin)).astype(np.float32)
            ground = np.median(seen[margin : margin + h, margin - 6 : margin].reshape(-1, 3), axis=0)
            contrast = np.linalg.norm(seen - ground, axis=2).astype(np.float32)
            fit = cv2.matchTemplate(contrast, flat, cv2.TM_CCOEFF_NORMED)
            _, best, _, (dx, dy) = cv2.minMaxLoc(fit)
            scale = (logo.quad[1][0] - logo.quad[0][0]) / w
            fits.append(best)
            if best > 0.6:
                assert abs(dx - margin) * abs(scale) <= 2.0, (index, logo)
                assert abs(dy - margin) * abs(scale) <= 2.0, (index, logo)
                checked += 1
    assert checked >= 15
    assert float(np.median(fits)) > 0.75, "most logos are what is in their corners"


def test_what_is_hidden_is_counted_by_the_pixel() -> None:
    """White is painted over black, so the picture itself tells how much of the area is still to be seen."""
    camera = Camera.looking((200, 100), np.array([0.0, -10, 1]), np.array([0.0, 0, 1]), 300.0)
    surface = Surface(np.array([-2.0, 0, 2]), np.array([4.0, 0, 0]), np.array([0.0, 0, -2]))
    picture = Picture(np.full((100, 200, 3), 255, np.uint8))
    to_picture = paint_surface(picture, camera, surface, Sprite((np.full((8, 16, 4), (0, 0, 0, 255), np.uint8),)))
    assert to_picture is not None
    quad = warp(to_picture, corners((0.25, 0.25), (0.75, 0.75)))
    assert quad == pytest.approx(corners((70, 35), (130, 65))), "300 pixels of focal length, 10 m away"
    assert picture.image[50, 100].tolist() == [0, 0, 0]
    seen = watch(picture, quad)
    assert seen is not None
    assert seen.fraction == pytest.approx(1, abs=0.01)
    picture.lay(np.full((100, 15, 4), 255, np.uint8), 70, 0)
    assert seen.fraction == pytest.approx(0.75, abs=0.01)


def test_a_logo_half_out_of_the_picture_is_half_seen() -> None:
    picture = Picture(np.zeros((100, 200, 3), np.uint8))
    seen = watch(picture, corners((-40, 20), (40, 40)))
    assert seen is not None
    assert seen.fraction == pytest.approx(0.5, abs=0.01)
    assert watch(picture, corners((210, 20), (240, 40))) is None


def test_cloth_moves_and_the_outline_goes_with_it() -> None:
    badge = np.full((60, 200, 4), (0, 255, 0, 255), np.uint8)
    front = Front(Kit((200, 0, 0), (250, 250, 250), (200, 0, 0)), 0, badge, seed=1)
    boxes = []
    for seconds in (0.0, 0.7, 1.4):
        shirt = front.shirt(seconds)
        green = (shirt[..., 1].astype(int) > shirt[..., 0].astype(int) + 40).astype(np.uint8)
        rows, columns = np.flatnonzero(green.any(axis=1)), np.flatnonzero(green.any(axis=0))
        size = np.array([shirt.shape[1], shirt.shape[0]])
        outline = front.outline(seconds) * size
        assert outline.min(axis=0) == pytest.approx([columns[0], rows[0]], abs=2.5)
        assert outline.max(axis=0) == pytest.approx([columns[-1] + 1, rows[-1] + 1], abs=2.5)
        boxes.append(outline)
    assert np.abs(boxes[0] - boxes[1]).max() > 3, "it moves"


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_shots_fill_the_match_and_are_cut_hard(seed: int) -> None:
    sample = MatchSample(seed, seconds=90, size_wh=(96, 64), fps=25)
    shots = sample.truth().shots
    assert [shot.number for shot in shots] == list(range(len(shots)))
    ends = [shot.first_frame + shot.frames for shot in shots]
    assert [shot.first_frame for shot in shots] == [0, *ends[:-1]]
    assert ends[-1] == len(sample)
    assert min(shot.frames for shot in shots) >= 25
    assert {"wide", "tight", "low", "goal", "close", "crowd"} == {shot.view for shot in shots}
    assert any(shot.is_replay for shot in shots)
    cut = shots[1].first_frame
    assert [sample.frame(cut + k)[1].is_cut for k in (-1, 0, 1)] == [False, True, False]
    assert sample.frame(0)[1].is_cut is False


def views(seed: int, *, with_brands: bool = True) -> list[tuple[int, LogoView]]:
    sample = match(seed, with_brands=with_brands)
    return [(index, logo) for index in range(0, len(sample), 8) for logo in sample.frame(index)[1].logos]


def test_brands_come_and_go_hidden_and_changing_everywhere() -> None:
    found = [pair for seed in (1, 2, 3) for pair in views(seed)]
    assert {logo.place for _, logo in found} == {"led", "board", "wall", "shirt", "graphic"}
    enrolled = {brand.name for brand in BRANDS}
    assert len({logo.brand for _, logo in found} & enrolled) >= 12
    assert {logo.brand for _, logo in found} - enrolled, "look-alikes too"
    assert sum(0 < logo.visible < 0.5 for _, logo in found) > 0.05 * len(found), "somebody stands before them"
    assert max(logo.blur_px for _, logo in found) > 3
    for seed in (1, 2, 3):
        by_place: dict[int, set[str]] = {}
        for _, logo in views(seed):
            by_place.setdefault(logo.id // 10, set()).add(logo.brand)
        assert any(len(brands) > 1 for brands in by_place.values()), "LED boards change"


def test_an_empty_match_has_nothing_but_lookalikes() -> None:
    brands = {logo.brand for _, logo in views(1, with_brands=False)}
    assert brands
    assert brands <= {brand.name for brand in LOOKALIKES}


def test_the_command_writes_video_truth_and_artwork(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new" / "match.mp4"
    flags = ["--seed", "3", "--seconds", "1.2", "--size", "320x180", "--fps", "10"]
    assert main(["sample", "match", str(out), *flags]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    header, *lines = [json.loads(line) for line in out.with_suffix(".truth.jsonl").read_text().splitlines()]
    assert (header["format"], header["version"]) == ("wayside-match-truth", 1)
    assert (header["seed"], header["size_wh"], header["frames"]) == (3, [320, 180], 12)
    assert header["brands"] == [brand.name for brand in BRANDS]
    with open_source(str(out)) as source:
        frames = list(source)
    assert [frame.pts_seconds for frame in frames] == pytest.approx([line["pts_seconds"] for line in lines], abs=1e-3)
    painted, _ = MatchSample(3, seconds=1.2, size_wh=(320, 180), fps=10).frame(5)
    assert np.abs(frames[5].rgb().astype(int) - painted).mean() < 10, "the video shows the match"
    folder = out.with_suffix(".brands")
    assert {path.stem for path in folder.iterdir()} == {brand.name for brand in BRANDS}
    art = cv2.imread(str(folder / "Aurelo.png"), cv2.IMREAD_UNCHANGED)
    assert art is not None
    aurelo = draw(BRANDS[0], BRANDS[0].own())
    np.testing.assert_array_equal(cv2.cvtColor(art, cv2.COLOR_BGRA2RGBA), aurelo)
