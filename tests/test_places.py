"""Where a stream is looked at: what was nothing is passed over while it looks the same, and for a while only."""

import numpy as np
import pytest

from detectors.detections import Detections
from detectors.picture import Image
from pipeline.places import Places
from pipeline.tracker import Tracker
from tests.worlds import Boxes, found, frame

HERE = (100.0, 100.0, 160.0, 140.0)
THERE = (400.0, 200.0, 460.0, 240.0)
BOXES = np.array([HERE, THERE], np.float32)
NOTHING = found([], [], [])


def ground(seed: int = 1) -> Image:
    """A ground on which every place looks different, smooth over some pixels as pictures are."""
    coarse = np.random.default_rng(seed).integers(0, 255, (24, 40), np.uint8)
    return np.repeat(np.kron(coarse, np.ones((16, 16), np.uint8))[:, :, None], 3, axis=2)


def shaken(image: Image, index: int) -> Image:
    """The same from a camera that shakes a little."""
    return np.roll(image, index % 2, axis=1)


def asked(places: Places, index: int, image: Image, boxes: Boxes = BOXES, *, what: Detections = NOTHING) -> int:
    """How many places are looked at in a frame that was scanned."""
    now = frame(image, index=index)
    wanted, _ = places.where(now, boxes)
    places.learn(now, what)
    return len(wanted)


def test_what_was_nothing_is_looked_at_again_after_a_while() -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    told = [asked(places, index, shaken(ground(), index)) for index in (0, 7, 12, 19, 25, 32)]
    assert told == [2, 0, 0, 0, 2, 0]


def test_what_was_nothing_and_has_not_changed_at_all_is_looked_at_again_later() -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    assert [asked(places, index, ground()) for index in range(0, 226, 25)] == [2, 0, 0, 0, 2, 0, 0, 0, 2, 0]
    assert asked(places, 0, ground()) == 2, "nor does it stay nothing where the clock goes back"


def test_without_a_time_everything_is_looked_at_with_every_scan() -> None:
    places = Places(Tracker())
    assert [asked(places, index, ground()) for index in (0, 6, 12)] == [2, 2, 2]


@pytest.mark.parametrize(
    ("change", "count", "remark"),
    [
        (lambda image: image, 0, "it is the same"),
        (lambda image: (image * 0.9).astype(np.uint8), 0, "a little darker"),
        (lambda image: np.roll(image, 1, axis=1), 0, "a shake of the camera"),
        (lambda image: ground(2), 2, "another picture"),
        (lambda image: np.roll(image, 40, axis=1), 2, "the camera has turned"),
        (lambda image: (image * 0.5).astype(np.uint8), 2, "it comes out of the haze, or goes into it"),
        (lambda image: np.full_like(image, 90), 2, "nothing can be seen"),
    ],
)
def test_what_looks_otherwise_is_looked_at(change, count: int, remark: str) -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    asked(places, 0, ground())
    assert asked(places, 6, change(ground())) == count, remark


def test_a_place_aside_or_of_another_size_is_another() -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    board = np.kron(np.indices((24, 40)).sum(axis=0) % 2 * 200, np.ones((16, 16))).astype(np.uint8)
    chequered = np.repeat(board[..., None], 3, axis=2)
    asked(places, 0, chequered)
    aside = BOXES + np.array([32, 0, 32, 0], np.float32)  # which looks exactly the same
    assert asked(places, 6, chequered, aside) == 2
    assert asked(places, 12, ground(), BOXES + np.array([-30, -30, 30, 30], np.float32)) == 2


@pytest.mark.parametrize(("score", "remark"), [(0.9, "it is found"), (0.2, "it may be something")])
def test_what_something_came_of_is_looked_at_again_and_a_second_box_on_it_is_not(score: float, remark: str) -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    boxes = np.array([HERE, (112.0, 104.0, 180.0, 150.0), THERE], np.float32)
    sign = found([HERE], [3], [score])
    assert asked(places, 0, ground(), boxes, what=sign) == 3
    wanted, _ = places.where(frame(ground(), index=6), boxes)
    assert wanted.tolist() == [list(HERE)], remark


@pytest.mark.parametrize(
    ("is_still", "told", "remark"),
    [
        (False, [(2, 0), (0, 1), (0, 1), (0, 1), (2, 0)], "it is followed"),
        (True, [(2, 0), (0, 0), (0, 0), (0, 0), (1, 0)], "and where nothing has changed not even that"),
    ],
)
def test_what_is_tracked_is_followed_until_all_is_looked_at_anew(is_still: bool, told: list, remark: str) -> None:
    tracker = Tracker()
    places = Places(tracker, anew_seconds=1.0)
    sign = found([HERE], [3], [0.9])
    seen = []
    for index in (0, 7, 12, 19, 25):
        now = frame(ground() if is_still else shaken(ground(), index), index=index)
        wanted, expected = places.where(now, BOXES)
        seen.append((len(wanted), len(expected)))
        there = places.learn(now, sign if len(wanted) or len(expected) else NOTHING)
        assert there.xyxy.tolist() == [list(HERE)], "it is there in any case"
        tracker.update(there, pts_seconds=now.pts_seconds, size_wh=now.size_wh)
    assert seen == told, remark
    wanted, expected = places.where(frame(shaken(ground(), 0), index=26), None)
    assert (len(wanted), len(expected)) == (0, 0 if is_still else 1)


def test_what_has_changed_a_little_is_followed_and_nothing_is_told_twice() -> None:
    tracker = Tracker()
    places = Places(tracker, anew_seconds=1.0)
    first, sign = frame(ground(), index=0), found([HERE], [3], [0.9])
    places.where(first, BOXES)
    tracker.update(places.learn(first, sign), pts_seconds=0.0, size_wh=first.size_wh)
    hidden = ground()
    hidden[100:140, 120:140] = 255  # somebody stands before it
    assert len(places.where(frame(hidden, index=1), None)[1]) == 1
    again = frame(ground(), index=6)
    assert len(places.where(again, BOXES)[1]) == 0
    beside = found([(104.0, 104.0, 164.0, 144.0)], [5], [0.8])
    assert places.learn(again, beside).class_id.tolist() == [3]


def test_what_a_clock_that_went_back_shows_is_looked_at() -> None:
    places = Places(Tracker(), anew_seconds=1.0)
    asked(places, 100, ground())
    assert asked(places, 0, ground()) == 2
