"""A closer look: a likeness fits in its parts, or only on the whole."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from detectors.closeness import AROUND, Closeness, Likenesses, closeness
from detectors.gallery import Exemplar, Gallery
from detectors.picture import Image
from detectors.rendering import Likeness

Draw = Callable[[Image], None]
PURPLE, YELLOW = (110, 40, 150), (250, 210, 20)


def bolt(image: Image) -> None:
    cv2.circle(image, (100, 100), 98, PURPLE, -1)
    cv2.fillPoly(image, [np.array([[120, 20], [60, 110], [95, 110], [80, 180], [145, 85], [105, 85]])], YELLOW)


def bar(image: Image) -> None:
    cv2.circle(image, (100, 100), 98, PURPLE, -1)
    cv2.line(image, (70, 170), (130, 30), YELLOW, 30)


def artwork(draw: Draw) -> Likeness:
    image = np.zeros((200, 200, 3), np.uint8)
    draw(image)
    alpha = np.where(image.any(axis=2), 255, 0).astype(np.uint8)
    return Likeness("artwork", "emblem.png", np.dstack([image, alpha]))


def board(draw: Draw, side: int, *, ground: tuple[int, int, int] = (245, 245, 245), seed: int = 0) -> Image:
    """A board that shows an emblem so large, seen a little from aside, at 60, 40 of a picture of 160 x 120."""
    image = np.full((200, 200, 3), ground, np.uint8)
    draw(image)
    turn = np.array([[side / 200, 0.01, 60], [0.015, side / 200, 40]])
    seen = np.full((120, 160, 3), ground, np.uint8)
    cv2.warpAffine(image, turn, (160, 120), dst=seen, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_TRANSPARENT)
    small = cv2.GaussianBlur(seen, (0, 0), 0.8)
    return np.clip(small + np.random.default_rng(seed).normal(0, 4, small.shape), 0, 255).astype(np.uint8)


def likenesses(draw: Draw) -> Likenesses:
    likeness = artwork(draw)
    vector = np.ones((1, 4), np.float32) / 2
    return Likenesses(
        Gallery([Exemplar("Zentro", "artwork", "emblem.png", likeness.png(), vector)], texts={"W": ["W"]})
    )


def look(image: Image, side: int, looks: Likenesses, *, off: tuple[float, float] = (0, 0)) -> Closeness | None:
    """Look at the place where `board` puts it, the box off by so much."""
    x1, y1 = 60 + off[0], 40 + off[1]
    x2, y2 = x1 + side, y1 + side
    left, top = int(x1 - AROUND * side), int(y1 - AROUND * side)
    patch = image[top : int(y2 + AROUND * side), left : int(x2 + AROUND * side)]
    return closeness(patch, (x1 - left, y1 - top, x2 - left, y2 - top), looks.of(0))


@pytest.mark.parametrize("side", [20, 26, 48])
@pytest.mark.parametrize("off", [(0, 0), (3, -2)])
def test_a_look_alike_fits_on_the_whole_and_not_in_its_parts(side: int, off: tuple[float, float]) -> None:
    looks = likenesses(bolt)
    right, other = (look(board(draw, side), side, looks, off=off) for draw in (bolt, bar))
    assert right is not None
    assert other is not None
    assert right.parts > 0.8
    assert right.evidence > 1
    assert other.whole > 0.75, "by the whole it is nearly the same"
    assert other.parts < right.parts - 0.1
    assert other.evidence < -1


def test_what_is_out_of_focus_fits_as_well() -> None:
    looks = likenesses(bolt)
    for draw, fits in ((bolt, True), (bar, False)):
        blurred = np.asarray(cv2.GaussianBlur(board(draw, 70), (0, 0), 3.5), np.uint8)
        fit = look(blurred, 70, looks)
        assert fit is not None
        assert (fit.evidence > 1) == fits, fit


def test_colours_do_not_count() -> None:
    def white_on_black(image: Image) -> None:
        bolt(image)
        image[:] = np.where(image[..., 2:] < 40, 250, np.where(image[..., :1] == 110, 15, 240))

    fit = look(board(white_on_black, 40, ground=(20, 20, 20)), 40, likenesses(bolt))
    assert fit is None or fit.parts <= 1


@pytest.mark.parametrize(
    ("whole", "parts", "low", "high", "remark"),
    [
        (0.97, 0.93, 3, 3, "all of it fits"),
        (0.88, 0.78, 0.1, 0.6, "hardly"),
        (0.93, 0.74, -5, -5, "a look-alike, seen steeply from aside"),
        (0.90, 0.65, -5, -5, "a look-alike"),
        (0.70, 0.74, -1, -0.5, "nearly"),
        (0.60, 0.50, -3.2, -3.2, "laid badly, or something else: the picture alone does not do"),
        (0.50, 0.00, -3.2, -3.2, "something quite different"),
    ],
)
def test_what_a_fit_is_worth(whole: float, parts: float, low: float, high: float, remark: str) -> None:
    assert low - 1e-6 <= Closeness(whole, parts).evidence <= high + 1e-6, remark


def test_a_photograph_that_does_not_fit_says_nothing() -> None:
    assert Closeness(0.90, 0.65, is_drawn=False).evidence == 0
    assert Closeness(0.97, 0.93, is_drawn=False).evidence == 3
    looks = likenesses(bolt)
    assert looks.is_drawn(0)
    photo = Exemplar("Zentro", "photo", "a.png", b"", np.ones((1, 4), np.float32) / 2)
    assert not Likenesses(Gallery([photo])).is_drawn(0)


def test_there_is_nothing_to_compare_without_pictures_or_in_a_speck() -> None:
    looks = likenesses(bolt)
    assert looks.of(1) == ()
    assert closeness(np.zeros((40, 40, 3), np.uint8), (10, 10, 30, 30), ()) is None
    assert closeness(np.zeros((40, 40, 3), np.uint8), (10, 10, 15, 15), looks.of(0)) is None


def test_a_blank_place_and_a_place_at_the_edge_are_nothing() -> None:
    looks = likenesses(bolt).of(0)
    blank = closeness(np.full((60, 60, 3), 200, np.uint8), (12, 12, 48, 48), looks)
    assert blank is not None
    assert blank.evidence < -1.5
    cut = closeness(board(bolt, 40)[40:80, 60:100], (0, 0, 40, 40), looks)
    assert cut is not None
    assert cut.evidence > 1, "it fills the picture to its edges"
    half = closeness(board(bolt, 40)[30:90, 75:130], (-15, 10, 25, 50), looks)
    assert half is not None
    assert half.evidence > -1, "what is cut off does not speak against it"
