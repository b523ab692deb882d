"""The overlay: labels inside the picture and beside the signs, mirrored for Arabic, the panel's states, the cost."""

import time
from itertools import combinations

import numpy as np
import pytest

from pipeline.overlay import Box, Caption, Look, Panel, Words, draw_overlay, place

GREY = 96
SIZES = [(640, 360), (1280, 720), (1920, 1080), (3840, 2160), (720, 1280), (641, 479)]
LONG = Words("Zulässige Höchstgeschwindigkeit 120 km/h", "de", "Speed limit 120 km/h")
UNKNOWN = Words("Limit unbekannt", "de")


def _grey(width: int = 1280, height: int = 720) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def _changed(frame: np.ndarray) -> np.ndarray:
    return np.any(frame != GREY, axis=2)


def _sign(x: float, y: float, size: float = 60, words: Words | None = LONG, **more: object) -> Box:
    return Box((x, y, x + size, y + size), (255, 82, 82), words, **more)  # type: ignore[arg-type]


def _area(mask: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize("size_wh", SIZES)
def test_labels_stand_inside_the_picture_and_off_their_sign(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    side = min(size_wh) / 12
    spots = [(x * (width - side), y * (height - side)) for x in (0.0, 0.03, 0.5, 0.97, 1.0) for y in (0.0, 0.5, 1.0)]
    for x, y in spots:
        look = Look(width, height, False)
        framed = look.framed(_sign(x, y, side))
        label = (round(width * 0.4), round(height * 0.08))
        x1, y1, x2, y2 = place(label, framed, [framed], look)
        assert 0 <= x1 < x2 <= width, (x, y)
        assert 0 <= y1 < y2 <= height, (x, y)
        assert x2 <= framed[0] or x1 >= framed[2] or y2 <= framed[1] or y1 >= framed[3], "over its own sign"


def test_labels_keep_off_each_other_and_off_other_signs() -> None:
    look = Look(1280, 720, False)
    signs = [look.framed(_sign(x, y, 50)) for x, y in ((600, 300), (600, 360), (600, 420), (700, 330), (1200, 300))]
    taken = list(signs)
    for framed in signs:
        taken.append(place((260, 44), framed, taken, look))
    for a, b in combinations(taken, 2):
        if a not in signs or b not in signs:
            assert min(a[2], b[2]) <= max(a[0], b[0]) or min(a[3], b[3]) <= max(a[1], b[1]), (a, b)


def test_the_sign_itself_stays_uncovered() -> None:
    frame = draw_overlay(_grey(), [_sign(500, 300), _sign(576, 300), _sign(500, 376)])
    for x, y in ((500, 300), (576, 300), (500, 376)):
        assert _changed(frame[y : y + 60, x : x + 60]).mean() < 0.01, "more than the rounded corners"


def test_a_frame_is_copied_and_a_read_only_one_will_do() -> None:
    frame = _grey()
    frame.flags.writeable = False
    drawn = draw_overlay(frame, [_sign(300, 300)], Panel(50, "km/h"))
    assert (frame == GREY).all()
    assert drawn.shape == frame.shape
    assert drawn.dtype == np.uint8


def test_without_anything_to_show_nothing_is_drawn() -> None:
    assert not _changed(draw_overlay(_grey(), [])).any()


@pytest.mark.parametrize("at", [(-80.0, -80.0), (1270.0, 700.0), (5000.0, 300.0), (600.0, -3000.0)])
def test_a_box_that_hangs_out_of_the_picture_does_no_harm(at: tuple[float, float]) -> None:
    drawn = draw_overlay(_grey(), [_sign(*at, is_bridged=True)])
    assert drawn.shape == (720, 1280, 3)


def test_right_to_left_is_the_mirror_image() -> None:
    panel = Panel(80, "km/h")
    left = _area(_changed(draw_overlay(_grey(), [], panel)))
    right = _area(_changed(draw_overlay(_grey(), [], panel, mirrored=True)))
    assert (1280 - right[2], right[1], 1280 - right[0], right[3]) == left
    hebrew = Words("מהירות מרבית", "he")
    red = [
        np.flatnonzero(((f[..., 0] > 150) & (f[..., 2] < 70)).any(0)).mean() - np.flatnonzero(_changed(f).any(0)).mean()
        for f in (
            draw_overlay(_grey(), [], None, [Caption(Words("Speed limit 80", "en"), 5)]),
            draw_overlay(_grey(), [], None, [Caption(hebrew, 5)], mirrored=True),
        )
    ]
    assert red[0] < 0 < red[1], "the pictogram stands where the language starts"


def test_the_panel_tells_its_states_apart() -> None:
    panels = {
        "set": Panel(80, "km/h"),
        "other": Panel(100, "km/h"),
        "mph": Panel(80, "mph"),
        "assumed": Panel(80, "km/h", is_sure=False),
        "unknown": Panel(words=UNKNOWN),
        "ended": Panel(is_ended=True),
    }
    drawn = {name: draw_overlay(_grey(), [], panel)[:180, :260].astype(int) for name, panel in panels.items()}
    for a, b in combinations(drawn, 2):
        assert np.abs(drawn[a] - drawn[b]).mean() > 0.5, f"{a} looks like {b}"
    amber = (drawn["assumed"][..., 0] > 200) & (drawn["assumed"][..., 2] < 110) & (drawn["assumed"][..., 1] > 150)
    assert amber.sum() > 300, "an assumed limit carries its question mark"


def test_what_is_less_sure_is_drawn_more_faintly() -> None:
    inks = [
        np.abs(draw_overlay(_grey(), [_sign(600, 300, words=None, **more)]).astype(int) - GREY).sum()
        for more in ({}, {"is_bridged": True}, {"is_tentative": True})
    ]
    assert inks[0] > 1.5 * inks[1] > 2 * inks[2] > 0


def test_a_tentative_sign_has_no_label() -> None:
    frame = draw_overlay(_grey(), [_sign(600, 300, is_tentative=True)])
    assert _area(_changed(frame)) == pytest.approx((595, 295, 665, 365), abs=3)


@pytest.mark.parametrize("size_wh", SIZES)
@pytest.mark.parametrize("lang", ["de", "ar"])
def test_captions_stand_centred_at_the_foot_and_inside(size_wh: tuple[int, int], lang: str) -> None:
    words = Words(
        "Zulässige Höchstgeschwindigkeit 120 km/h in achthundert Metern Entfernung", lang, "Speed limit 120 km/h"
    )
    x1, y1, x2, y2 = _area(_changed(draw_overlay(_grey(*size_wh), [], None, [Caption(words, 8), Caption(LONG, 8)])))
    assert x1 + x2 == pytest.approx(size_wh[0], abs=2)
    assert x1 > 0
    assert size_wh[1] * 0.5 < y1 < y2 < size_wh[1]


def test_sizes_follow_the_picture() -> None:
    areas = [_area(_changed(draw_overlay(_grey(1280 * k, 720 * k), [], Panel(50, "km/h")))) for k in (1, 3)]
    assert np.array(areas[1]) / 3 == pytest.approx(np.array(areas[0]), abs=2)


def test_a_frame_costs_little() -> None:
    boxes = [_sign(200 + 150 * n, 250, 50) for n in range(5)]
    frame, panel, captions = _grey(), Panel(50, "km/h"), [Caption(LONG, 8)]
    draw_overlay(frame, boxes, panel, captions)
    spent = []
    for _ in range(15):
        started = time.process_time()
        draw_overlay(frame, boxes, panel, captions)
        spent.append(time.process_time() - started)
    assert np.median(spent) < 0.006, "0.9 ms at 720p with seven boxes on the development machine"
