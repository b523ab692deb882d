"""Training: windows show what they say, turned signs change their class, calibration and the split by track."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch comes with the train extra")

import torch

from detectors.artwork import draw_sign
from detectors.labels import BACKGROUND, MIRRORED, OTHER
from detectors.nets import Architecture, Conv
from detectors.training.batches import Mix, Stocks, Windows
from detectors.training.data import Crop, Photo, Template
from detectors.training.evaluate import calibration_error, fit_temperature, softmax
from detectors.training.fit import CLASSES, Schedule, train, verifier_loss
from detectors.training.signs import by_track
from detectors.training.windows import MADE_OTHER, TIGHT, Jitter, Studio, cut, made_other, mirrored, turned

MIX = Mix(real=0.3, drawn=0.2, other_drawn=0.1, other_real=0.1, stray=0.1, tight=0.5)


def square_crop(class_id: int = 35, track: str = "a") -> Crop:
    """A red square at (10, 20) to (30, 50) in a green picture of 60 by 80."""
    image = np.zeros((80, 60, 3), np.uint8)
    image[..., 1] = 120
    image[20:50, 10:30] = (220, 0, 0)
    return Crop(image, (10, 20, 30, 50), class_id, track)


def red_box(image: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero((image[..., 0] > 120) & (image[..., 1] < 90))
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


def studio() -> Studio:
    crops = [replace(square_crop(c, f"t{c}"), image=square_crop().image.copy()) for c in range(OTHER)]
    templates = [Template(f"art-{c}", draw_sign(c, 64), c) for c in range(OTHER)]
    templates.append(Template("art-other", draw_sign(0, 64), OTHER))
    rng = np.random.default_rng(0)
    photos = [Photo(f"p{i}", rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)) for i in range(3)]
    return Studio(crops, templates, photos)


@pytest.mark.parametrize("change", [mirrored, turned])
def test_a_changed_crop_keeps_its_box_on_the_sign(change: object) -> None:
    crop = change(square_crop())  # type: ignore[operator]
    assert red_box(crop.image) == crop.box


def test_mirroring_is_its_own_inverse_and_never_makes_left_of_left() -> None:
    for class_id, shown in MIRRORED.items():
        assert MIRRORED[shown] == class_id
    for pair in ((19, 20), (33, 34), (36, 37), (38, 39)):
        assert MIRRORED[pair[0]] == pair[1], "left becomes right"
    assert not {0, 1, 2, 3, 4, 5, 6, 7, 8, 21, 24} & MIRRORED.keys(), "digits and one-sided warnings are not mirrored"


@pytest.mark.parametrize("class_id", MADE_OTHER)
def test_a_turned_sign_is_another_sign(class_id: int) -> None:
    made = made_other(square_crop(class_id), np.random.default_rng(0))
    assert made.class_id == OTHER
    assert red_box(made.image) == made.box


@pytest.mark.parametrize("jitter", [TIGHT, Jitter(0.25, 0.5, 1.0)], ids=["tight", "loose"])
def test_a_window_tells_where_its_sign_is(jitter: Jitter) -> None:
    rng, crop, errors = np.random.default_rng(3), square_crop(), []
    for _ in range(40):
        image, box = cut(crop.image, crop.box, 48, jitter, rng, sign_px=40, strength=0.0)
        if min(box) > 4 and max(box) < 44:
            errors.append(np.abs(np.array(red_box(image)) - box).mean())
    assert len(errors) >= 5
    assert np.median(errors) < 2.0, "px of 48; the turn of a few degrees widens what is seen"


def test_batches_have_what_they_say_and_repeat() -> None:
    stocks = Stocks(studio())
    first, again = (Windows(stocks, MIX, side=24, batch=64, seed=5).make(np.random.default_rng(5)) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    images, classes, codes = first
    assert images.shape == (64, 24, 24, 3)
    assert images.dtype == np.uint8
    assert set(classes) & {OTHER}
    assert set(classes) & {BACKGROUND}
    assert not codes[classes == BACKGROUND].any()
    assert codes[classes != BACKGROUND].any(axis=1).all()


def test_tracks_are_never_split() -> None:
    crops = [square_crop(track=f"t{i % 40}") for i in range(400)]
    trained, held = by_track(crops, seed=1)
    assert len(trained) + len(held) == 400
    assert held
    assert not {c.track for c in trained} & {c.track for c in held}


def test_temperature_mends_scores_that_are_too_sure() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 3000)
    logits = rng.normal(0, 1, (3000, 3)).astype(np.float32)
    logits[np.arange(3000), truth] += 1.0
    too_sure = logits * 4
    temperature = fit_temperature(too_sure, truth)
    assert temperature == pytest.approx(4.0, rel=0.35)
    before, after = (calibration_error(softmax(too_sure, t), truth) for t in (1.0, temperature))
    assert after < 0.25 * before


def test_training_learns_and_can_go_on_from_folded_weights() -> None:
    architecture = Architecture((Conv(3, 8, 5, 4, 2), Conv(8, CLASSES + 4, 1, relu=False)), window=24, pool_after=0)
    rng = np.random.default_rng(0)
    classes = torch.from_numpy(rng.integers(0, 2, 64) * BACKGROUND)
    images = torch.where(classes[:, None, None, None] > 0, 40, 200).to(torch.uint8).expand(64, 24, 24, 3)

    def batches() -> object:
        while True:
            yield images, classes, torch.zeros(64, 4)

    net = train(architecture, batches(), verifier_loss(1.0), Schedule(60, 2e-2), device="cpu", seed=0)  # type: ignore[arg-type]
    x = images.permute(0, 3, 1, 2).float() / 127.5 - 1
    with torch.inference_mode():
        assert (net(x)[:, :CLASSES].argmax(1) == classes).float().mean() > 0.95
