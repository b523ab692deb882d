"""Hard cuts are told; flashes, pans, boards that change and people who run through are none."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from pipeline.samples.match import MatchSample
from pipeline.samples.sprites import noise
from pipeline.shots import Shots
from streams.frame import Frame
from streams.pixels import RgbPixels, YuvPixels, yuv_to_rgb

Picture = NDArray[np.uint8]

SIZE = 640, 360
TO_RGB = yuv_to_rgb(kr=0.2126, kb=0.0722, is_full_range=True)


def frame(image: Picture, index: int, *, is_yuv: bool = False) -> Frame:
    height, width = image.shape[:2]
    chroma = np.full(((height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    luma = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.uint8)
    pixels = YuvPixels(luma, chroma, chroma, TO_RGB) if is_yuv else RgbPixels(image.copy())
    return Frame("s", index, index, Fraction(1, 25), index / 25, 1 / 25, 0.0, False, pixels)


def cuts(images: list[Picture], *, is_yuv: bool = False) -> list[int]:
    shots = Shots()
    return [k for k, image in enumerate(images) if shots.is_cut(frame(image, k, is_yuv=is_yuv))]


def scenery(seed: int, width: int = 1400) -> Picture:
    """Return a wide picture with soft and sharp things in it, uint8 (360, width, 3)."""
    rng = np.random.default_rng(seed)
    field = 120 + 34 * noise(rng, SIZE[1], width, slope=1.1) + 14 * noise(rng, SIZE[1], width, slope=0.5)
    image = np.repeat(np.clip(field, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    for _ in range(40):
        x, y, w, h = (int(n) for n in rng.integers((0, 0, 10, 10), (width, SIZE[1], 140, 90)))
        cv2.rectangle(image, (x, y), (x + w, y + h), rng.integers(0, 255, 3).tolist(), -1)
    return image


def view(image: Picture, x: int) -> Picture:
    return np.ascontiguousarray(image[:, x : x + SIZE[0]])


@pytest.mark.parametrize("is_yuv", [False, True])
def test_a_cut_is_told_once(is_yuv: bool) -> None:
    a, b = view(scenery(1), 0), view(scenery(2), 0)
    assert cuts([a, a, a, b, b, a, a], is_yuv=is_yuv) == [3, 5]


@pytest.mark.parametrize("pixels", [6, 20, 45])
def test_a_pan_is_none(pixels: int) -> None:
    """45 pixels a frame are the picture's width in half a second."""
    wide = scenery(3)
    assert cuts([view(wide, k * pixels) for k in range(min(20, 700 // pixels))]) == []


def test_a_smeared_pan_is_none_and_the_cut_after_it_is_one() -> None:
    wide = cv2.blur(scenery(3), (31, 1))
    pan = [view(np.asarray(wide, np.uint8), 30 * k) for k in range(15)]
    assert cuts([*pan, view(scenery(4), 0)]) == [15]


@pytest.mark.parametrize("gain", [0.5, 1.3, 1.8])
def test_a_flash_is_none(gain: float) -> None:
    a = view(scenery(5), 0)
    flash = np.clip(a * gain, 0, 255).astype(np.uint8)
    assert cuts([a, a, flash, a, a, flash, flash, a]) == []


def test_a_board_that_changes_is_none() -> None:
    a = view(scenery(6), 0)
    b = a.copy()
    b[130:200] = view(scenery(7), 0)[130:200]
    assert cuts([a, a, b, b, a]) == []


def test_who_runs_through_is_no_cut() -> None:
    a = view(scenery(8), 0)
    images = []
    for k in range(20):
        image = a.copy()
        cv2.ellipse(image, (40 * k, 220), (90, 200), 0, 0, 360, (20, 30, 160), -1)
        images.append(image)
    assert cuts(images) == []


def test_a_cut_between_black_bars_is_one() -> None:
    a, b = view(scenery(9), 0), view(scenery(10), 0)
    for image in (a, b):
        image[:, :120] = image[:, -120:] = 4
    assert cuts([a, a, b, b]) == [2]


def test_black_flat_tiny_and_resized_pictures_are_taken() -> None:
    black, a = np.zeros((360, 640, 3), np.uint8), view(scenery(11), 0)
    assert cuts([black, black, a, a]) == [2], "out of black"
    assert cuts([np.full((360, 640, 3), v, np.uint8) for v in (20, 200, 90)]) == []
    assert cuts([a, np.asarray(cv2.resize(a, (320, 180), interpolation=cv2.INTER_AREA), np.uint8)]) == [], "same shot"
    assert cuts([a, np.ascontiguousarray(a[:, :400])]) == [], "another shape cannot be compared"
    assert cuts([np.full((2, 3, 3), v, np.uint8) for v in (0, 250)]) == []


def test_the_cuts_of_a_match() -> None:
    """Frames around every cut, and around every flash; the whole is measured in NOTES.md."""
    sample = MatchSample(13, seconds=40, size_wh=SIZE, fps=25)
    true, told = [], []
    for shot in sample.truth().shots[1:]:
        shots = Shots()
        for index in range(shot.first_frame - 3, shot.first_frame + 4):
            image, truth = sample.frame(index)
            true += [index] * truth.is_cut
            told += [index] * shots.is_cut(frame(image, index))
    assert len(true) >= 7
    assert told == true
