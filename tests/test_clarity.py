"""Sharpness and contrast fall with blur and dimming, whatever the size, and are not fooled by noise."""

import time
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import pytest

from detectors.picture import Image
from pipeline.brands.clarity import MOST_LINES, clarity
from pipeline.brands.profiles import find_profile

LEGIBLE = find_profile("legible")


def word(height: int) -> Image:
    """A word mark that fills its crop, drawn large and made small as a camera would."""
    picture = np.full((400, 1200, 3), (20, 40, 120), np.uint8)
    cv2.putText(picture, "WAYSIDE", (40, 300), cv2.FONT_HERSHEY_SIMPLEX, 8, (240, 240, 240), 30, cv2.LINE_AA)
    return resized(picture[80:330, 20:1150], height)


def emblem(height: int) -> Image:
    picture = np.full((400, 400, 3), (200, 30, 30), np.uint8)
    cv2.circle(picture, (200, 200), 150, (250, 250, 250), -1)
    cv2.rectangle(picture, (150, 150), (250, 250), (0, 0, 0), -1)
    return resized(picture, height)


def resized(picture: Image, height: int) -> Image:
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def blurred(picture: Image, share: float) -> Image:
    """Blur by a share of the height."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), share * picture.shape[0]), np.uint8)


@pytest.mark.parametrize("height", [24, 48, 64, 128, 240])
@pytest.mark.parametrize("make", [word, emblem])
def test_blur_makes_less_sharp_and_less_rich(make: Any, height: int) -> None:
    picture = make(height)
    measured = [clarity(blurred(picture, share)) for share in (0.02, 0.04, 0.06, 0.1)]
    for (sharper, richer), (sharp, rich) in pairwise(measured):
        assert sharper > sharp
        assert richer >= rich


@pytest.mark.parametrize("make", [word, emblem])
def test_dimming_takes_contrast_in_proportion_and_leaves_sharpness(make: Any) -> None:
    picture = make(64)
    sharpness, contrast = clarity(picture)
    for light in (0.6, 0.3, 0.1):
        dimmed = clarity((picture * light).astype(np.uint8))
        assert dimmed[0] == pytest.approx(sharpness, rel=0.1)
        assert dimmed[1] == pytest.approx(light * contrast, abs=10)


def test_the_same_blur_is_as_sharp_at_any_size() -> None:
    measured = [clarity(blurred(word(height), 0.03))[0] for height in (32, 64, 128, 240, 480)]
    assert max(measured) < 1.25 * min(measured)


def test_small_is_not_sharp() -> None:
    measured = [clarity(word(height))[0] for height in (6, 10, 16, 24, 32)]
    assert measured == sorted(measured)
    assert measured[0] < LEGIBLE.min_sharpness < measured[-1]


@pytest.mark.parametrize(
    ("picture", "remark"),
    [
        (blurred(word(64), 0.06), "blurred"),
        (np.asarray(word(64) * 0.15, np.uint8), "in the dark"),
        (np.full((64, 200, 3), 90, np.uint8), "a blank"),
    ],
)
def test_what_the_profile_legible_refuses(picture: Image, remark: str) -> None:
    sharpness, contrast = clarity(picture)
    assert sharpness < LEGIBLE.min_sharpness or contrast < LEGIBLE.min_contrast, remark
    assert all(value >= least for value, least in zip(clarity(word(64)), (80, 150), strict=True))


def test_noise_sharpens_nothing() -> None:
    noise = np.random.default_rng(0).normal(0, 8, (64, 200, 3))
    picture = blurred(word(64), 0.08)[:, :200]
    noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
    assert clarity(noisy)[0] < LEGIBLE.min_sharpness
    flat = np.clip(90 + noise, 0, 255).astype(np.uint8)
    assert clarity(flat)[1] < LEGIBLE.min_contrast, "noise has no contrast to speak of"


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 0, 3), (1, 1, 3), (1, 50, 3), (3, 1, 3)])
def test_what_is_too_small_to_tell(shape: tuple[int, ...]) -> None:
    assert clarity(np.zeros(shape, np.uint8)) == (0, 0)


def test_bounds_and_luma() -> None:
    checkers = np.uint8(255) * (np.indices((400, 400)).sum(axis=0) % 2).astype(np.uint8)
    sharpness, contrast = clarity(checkers)
    assert 0 <= sharpness <= 10 * MOST_LINES
    assert 0 <= contrast <= 1000
    grey = word(40)
    assert clarity(np.asarray(cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY), np.uint8)) == clarity(grey)


def test_it_is_cheap() -> None:
    """About 30 us on an idle core; ten times that would be felt, and is what this keeps out."""
    picture, times = word(48), []
    for _ in range(20):
        start = time.process_time()
        for _ in range(20):
            clarity(picture)
        times.append((time.process_time() - start) / 20)
    assert min(times) < 300e-6
