"""Boards seen from aside: how much they are slanted, and pictures in which they stand upright."""

import cv2
import numpy as np
import pytest

from detectors.picture import ArrayPicture, as_picture
from detectors.slant import LEAST, Upright, slanted_boxes, slope_of, upright_boxes, uprighted

WORD = np.full((40, 150, 3), 30, np.uint8)
cv2.putText(WORD, "NORDWIND", (6, 28), cv2.FONT_HERSHEY_SIMPLEX, 0.85, (230, 230, 230), 2, cv2.LINE_AA)


def board(slope: float, at: tuple[int, int] = (100, 90), size_wh: tuple[int, int] = (360, 240)) -> np.ndarray:
    """A picture with the word in its middle at a place, falling to the right by the slope."""
    scene = np.random.default_rng(0).normal(120, 3, (size_wh[1], size_wh[0], 3)).clip(0, 255).astype(np.uint8)
    warp = np.array([[1, 0, at[0]], [slope, 1, at[1] - slope * WORD.shape[1] / 2]], np.float32)
    cv2.warpAffine(WORD, warp, size_wh, dst=scene, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_TRANSPARENT)
    return scene


def box(slope: float, at: tuple[int, int] = (100, 90)) -> tuple[float, float, float, float]:
    """The box around the word."""
    off = abs(slope) * WORD.shape[1] / 2
    return at[0], at[1] - off, at[0] + WORD.shape[1], at[1] + WORD.shape[0] + off


@pytest.mark.parametrize("slope", [-0.45, -0.3, -0.15, 0.0, 0.15, 0.3, 0.45])
def test_a_slope_is_told_from_the_place_itself(slope: float) -> None:
    x1, y1, x2, y2 = (round(edge) for edge in box(slope))
    seen = board(slope)[y1 - 5 : y2 + 5, x1 - 8 : x2 + 8]
    assert slope_of(seen, seen.shape[1::-1]) == pytest.approx(slope, abs=0.05)
    square = cv2.resize(seen, (64, 64), interpolation=cv2.INTER_AREA)
    assert slope_of(square, seen.shape[1::-1]) == pytest.approx(slope, abs=0.05), "stretched, as crops are"


def test_what_has_no_direction_is_level() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (20, 64, 64, 3), np.uint8)
    assert sum(slope_of(each, (64, 64)) != 0 for each in noise) <= 3, "by chance"
    assert slope_of(np.full((30, 60, 3), 90, np.uint8), (60, 30)) == 0.0


def test_a_slight_slope_is_level() -> None:
    seen = board(LEAST / 3)[80:140, 90:260]
    assert slope_of(seen, seen.shape[1::-1]) == 0.0


def test_boxes_go_to_upright_and_back() -> None:
    boxes = np.array([box(0.3), box(-0.2), box(0.0)], np.float32)
    slopes = np.array([0.3, -0.2, 0.0], np.float32)
    upright = upright_boxes(boxes, slopes)
    assert upright[:, 3] - upright[:, 1] == pytest.approx(40)
    assert slanted_boxes(upright, slopes) == pytest.approx(boxes)


def test_a_box_stays_one_however_steep_the_slope() -> None:
    upright = upright_boxes(np.array([[0, 0, 100, 20]], np.float32), np.array([0.9], np.float32))
    assert upright[0, 3] - upright[0, 1] > 5


@pytest.mark.parametrize("slope", [-0.35, 0.35])
def test_an_upright_picture_shows_the_word_as_it_is_written(slope: float) -> None:
    seen, (x1, y1, x2, y2) = uprighted(as_picture(board(slope)), box(slope))
    assert isinstance(seen, Upright)
    shown = seen.patch(round(x1), round(y1), round(x2), round(y2))
    word = cv2.resize(WORD, shown.shape[1::-1])
    assert np.corrcoef(shown.ravel(), word.ravel())[0, 1] > 0.9
    x, y = round(x1) + 20, round(y1) + 5
    part = seen.patch(x, y, x + 30, y + 20)
    assert np.abs(part.astype(int) - seen.rgb()[y : y + 20, x : x + 30]).max() <= 2, "a piece is as in the whole"


def test_a_piece_at_the_edge_goes_on_beyond_it() -> None:
    seen = Upright(ArrayPicture(board(0.3)), 0.5, 0.0)
    assert seen.patch(330, 200, 360, 240).shape == (40, 30, 3)
    assert seen.half().shape == (120, 180, 3)


def test_what_stands_level_is_left_as_it_is() -> None:
    picture = as_picture(board(0.0))
    assert uprighted(picture, box(0.0)) == (picture, box(0.0))
