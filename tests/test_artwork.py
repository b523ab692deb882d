"""The drawn signs: every class is there, looks like itself and like no other, at every size."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from detectors.artwork import CLASSES, draw_limit, draw_other, draw_sign, draw_unknown_limit, other_names

COLORS = {
    "red": (196, 18, 30),
    "blue": (16, 78, 148),
    "yellow": (250, 186, 10),
    "white": (255, 255, 255),
    "black": (20, 20, 22),
}

LOOKS = [
    # class_id, x, y in hundredths of the square, colour, remark
    (1, 7, 50, "red", "a limit's ring"),
    (1, 50, 50, "white", "between the digits"),
    (6, 50, 50, "black", "the middle bar of an end"),
    (9, 24, 51, "red", "the car on the left is the red one"),
    (9, 66, 51, "black", "the car on the right is the black one"),
    (10, 34, 40, "red", "the lorry on the left is red"),
    (12, 50, 50, "yellow", "priority road's middle"),
    (13, 50, 40, "white", "give way is open above"),
    (14, 50, 12, "red", "stop above its word"),
    (15, 50, 50, "white", "no vehicles is empty"),
    (17, 50, 50, "white", "no entry's bar"),
    (17, 50, 25, "red", "no entry above its bar"),
    (26, 50, 43, "red", "the upper light"),
    (26, 50, 57, "yellow", "the middle light"),
    (35, 50, 60, "white", "the arrow's shaft"),
    (35, 20, 60, "blue", "the ground of a mandatory sign"),
    (38, 69, 69, "white", "keep right points to lower right"),
    (39, 31, 69, "white", "keep left points to lower left"),
]

MIRRORED = [
    (19, 20, "curves"),
    (33, 34, "turns"),
    (36, 37, "ahead or turn"),
    (38, 39, "keep right, keep left"),
]


def over(image: NDArray[np.uint8], ground: int) -> NDArray[np.float32]:
    """Lay a drawing on a grey ground: float32 (H, W, 3)."""
    alpha = image[..., 3:].astype(np.float32) / 255
    return np.asarray(image[..., :3] * alpha + ground * (1 - alpha), np.float32)


@pytest.mark.parametrize(("class_id", "x", "y", "color", "remark"), LOOKS)
def test_a_sign_has_its_colours_in_their_places(class_id: int, x: int, y: int, color: str, remark: str) -> None:
    got = draw_sign(class_id, 200)[2 * y, 2 * x]
    assert got[3] == 255, remark
    np.testing.assert_allclose(got[:3], COLORS[color], atol=3, err_msg=remark)


@pytest.mark.parametrize(("left", "right", "remark"), MIRRORED)
def test_left_and_right_are_mirror_images(left: int, right: int, remark: str) -> None:
    difference = np.abs(over(draw_sign(left, 64), 128) - over(draw_sign(right, 64)[:, ::-1], 128))
    assert difference.mean() < 1.5, remark
    assert np.abs(over(draw_sign(left, 64), 128) - over(draw_sign(right, 64), 128)).mean() > 8, remark


def test_no_two_signs_look_alike_when_small() -> None:
    drawn = {f"class {c}": draw_sign(c, 32) for c in range(CLASSES)} | {n: draw_other(n, 32) for n in other_names()}
    seen = {name: cv2.GaussianBlur(over(image, 128), (0, 0), 0.8) for name, image in drawn.items()}
    for (a, image_a), (b, image_b) in itertools.combinations(seen.items(), 2):
        assert np.abs(image_a - image_b).mean() > 2.5, f"{a} and {b} look alike"


@pytest.mark.parametrize("size", [8, 33, 300])
def test_every_sign_fills_its_square_at_any_size(size: int) -> None:
    images = [draw_sign(c, size) for c in range(CLASSES)] + [draw_other(n, size) for n in other_names()]
    for image in images:
        assert image.shape == (size, size, 4)
        assert image.dtype == np.uint8
        assert not image.flags.writeable
        columns = np.flatnonzero(image[..., 3].max(axis=0) > 100)
        assert columns[0] <= 0.03 * size
        assert columns[-1] >= 0.97 * size - 1
        middle = image[size // 2, size // 2]
        assert middle[3] == 255, "a hole in the middle"


def test_a_small_drawing_is_the_large_one_averaged() -> None:
    for class_id in (2, 23, 40):
        large = over(draw_sign(class_id, 256), 90)
        small = over(draw_sign(class_id, 32), 90)
        np.testing.assert_allclose(cv2.resize(large, (32, 32), interpolation=cv2.INTER_AREA), small, atol=12)


def test_edges_carry_no_colour_of_the_transparent_ground() -> None:
    image = draw_sign(2, 64)
    edge = (image[..., 3] > 20) & (image[..., 3] < 235)
    assert edge.any()
    assert image[edge][:, 0].min() > 150, "a dark seam around a sign with a white rim"


def test_the_panel_draws_a_limit_as_the_road_does() -> None:
    np.testing.assert_array_equal(draw_limit(50, "km/h", 64), draw_sign(2, 64))
    np.testing.assert_array_equal(draw_limit(80, "km/h", 64, ended=True), draw_sign(6, 64))
    others = [
        draw_limit(50, "mph", 64),
        draw_limit(55, "km/h", 64),
        draw_limit(130, "km/h", 64),
        draw_unknown_limit(64),
    ]
    for a, b in itertools.combinations([draw_sign(2, 64), *others], 2):
        assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: draw_sign(43, 32), "class_id must be 0 to 42, got 43"),
        (lambda: draw_sign(0, 0), "size must be positive, got 0"),
        (lambda: draw_other("zebra", 32), "no such sign: 'zebra'"),
        (lambda: draw_limit(0, "km/h", 32), "a limit must be 1 to 199, got 0"),
    ],
)
def test_what_cannot_be_drawn_is_said(draw: object, message: str) -> None:
    assert callable(draw)
    with pytest.raises(ValueError, match=message):
        draw()
