"""How each sign is built: its plate, its rim and what stands on it, after the German StVO."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from detectors.artwork import pictograms
from detectors.artwork.canvas import (
    HERE,
    MIRRORED,
    UPSIDE_DOWN,
    Canvas,
    Color,
    Place,
    box,
    circle,
    join,
    place,
    polygon,
)
from detectors.artwork.lettering import write
from detectors.artwork.pictograms import BLACK, WHITE, arrow_head

Drawing = Callable[[Canvas], None]

# The colours of RAL F14 (traffic red 3020, blue 5017, yellow 1023, green 6024), as sRGB.
RED: Color = (196, 18, 30)
BLUE: Color = (16, 78, 148)
YELLOW: Color = (250, 186, 10)
GREEN: Color = (0, 131, 81)
GREY: Color = (122, 123, 126)

# An upright triangle as wide as the board, and the same one smaller by the white rim, and by the red band too.
_TRIANGLE = polygon([(50, 1), (103.65, 93.9), (-3.65, 93.9)], 5)
_RED_TRIANGLE = polygon([(50, 4.2), (100.9, 92.3), (-0.9, 92.3)], 3.9)
_INNER_TRIANGLE = polygon([(50, 25.4), (82.5, 81.7), (17.5, 81.7)], 0.8)


# --- plates -----------------------------------------------------------------------------------------------------------


def _warning(picture: Drawing) -> Drawing:
    def draw(canvas: Canvas) -> None:
        canvas.fill(_TRIANGLE, WHITE)
        canvas.fill(_RED_TRIANGLE, RED)
        canvas.fill(_INNER_TRIANGLE, WHITE)
        picture(canvas)

    return draw


def _prohibition(picture: Drawing, ground: Color = WHITE) -> Drawing:
    def draw(canvas: Canvas) -> None:
        canvas.fill(circle(50, 50, 50), WHITE)
        canvas.fill(circle(50, 50, 36.5), ground)
        picture(canvas)
        canvas.fill(circle(50, 50, 48.6) + circle(50, 50, 35.6), RED)

    return draw


def _end(picture: Drawing) -> Drawing:
    """A prohibition's end: in grey, struck through from lower left to upper right."""

    def draw(canvas: Canvas) -> None:
        canvas.fill(circle(50, 50, 50), WHITE)
        picture(canvas)
        for k in range(-2, 3):
            canvas.stroke("M-46 0 H46", 2.3, BLACK, place(50 + 2.9 * k, 50 + 2.9 * k, degrees=-45))
        # The bars' ends lie under the rim.
        canvas.fill(circle(50, 50, 50) + circle(50, 50, 48.2), WHITE)
        canvas.fill(circle(50, 50, 48.4) + circle(50, 50, 45.6), BLACK)

    return draw


def _mandatory(picture: Drawing) -> Drawing:
    def draw(canvas: Canvas) -> None:
        canvas.fill(circle(50, 50, 50), WHITE)
        canvas.fill(circle(50, 50, 48.2), BLUE)
        picture(canvas)

    return draw


def _square(picture: Drawing, color: Color = BLUE) -> Drawing:
    def draw(canvas: Canvas) -> None:
        canvas.fill(box(0, 0, 100, 100, 6), WHITE)
        canvas.fill(box(1.8, 1.8, 96.4, 96.4, 4.6), color)
        picture(canvas)

    return draw


def _nothing(canvas: Canvas) -> None:
    pass


# --- numbers ----------------------------------------------------------------------------------------------------------


def _number(value: int, color: Color = BLACK, unit: str = "") -> Drawing:
    """A number in a ring's middle, and beneath it the unit, small, where one is wanted."""
    face = 1.0 if value < 100 else 0.74
    height, y = (41.0, 50.0) if not unit else (33.0, 45.0)

    def draw(canvas: Canvas) -> None:
        write(canvas, str(value), color, x=50, y=y, height=height, narrow=face, weight=1.08)
        if unit:
            write(canvas, unit, color, x=50, y=71, height=10.5, weight=1.1)

    return draw


def limit(value: int, unit: str = "", *, is_ended: bool = False) -> Drawing:
    return _end(_number(value, GREY, unit)) if is_ended else _prohibition(_number(value, BLACK, unit))


def unknown_limit(canvas: Canvas) -> None:
    canvas.fill(circle(50, 50, 50), WHITE)
    canvas.fill(circle(50, 50, 48.6) + circle(50, 50, 38.6), (168, 170, 174))
    write(canvas, "?", (120, 122, 126), x=50, y=50, height=44, weight=1.1)


# --- warnings ---------------------------------------------------------------------------------------------------------


def _exclamation(canvas: Canvas) -> None:
    canvas.fill("M45.2 38 A4.8 4.8 0 0 1 54.8 38 L52.5 64.4 A2.5 2.5 0 0 1 47.5 64.4 Z", BLACK)
    canvas.fill(circle(50, 73.6, 4.2), BLACK)


def _bend(at: Place) -> Drawing:
    """A bend to the left; `at` may mirror it."""

    def draw(canvas: Canvas) -> None:
        canvas.stroke("M60.5 78.6 V65 A11.5 11.5 0 0 0 49 53.5 H43", 10.4, BLACK, at)
        canvas.fill("M44.6 46.6 L33.6 53.5 L44.6 60.4 Z", BLACK, at)
        canvas.fill("M55 79 L60.5 72.6 L66 79 Z", WHITE, at)

    return draw


def _double_bend(canvas: Canvas) -> None:
    canvas.stroke("M59.6 79.4 V66.8 L47 60 V51", 9.4, BLACK)
    canvas.fill("M39.6 52 L47 40.6 L54.4 52 Z", BLACK)
    canvas.fill("M54.6 79.8 L59.6 73.8 L64.6 79.8 Z", WHITE)


def _priority_arrow(canvas: Canvas) -> None:
    canvas.fill("M50 36.4 L58.8 46.4 V78.6 L50 72.6 L41.2 78.6 V46.4 Z", BLACK)
    canvas.fill(box(32.4, 55.4, 35.2, 4.6), BLACK)


def _bumps(canvas: Canvas) -> None:
    left, right = (
        "C32.4 73.4 33 64.4 39 64.4 C44.6 64.4 45.4 72 50 72",
        "C54.6 72 55.4 64.4 61 64.4 C67 64.4 67.6 73.4 73.5 73.4",
    )
    canvas.fill(f"M26.5 77 V73.4 {left} {right} V77 Z", BLACK)


def _narrows_right(canvas: Canvas) -> None:
    canvas.fill("M41.4 78.6 L42.6 43.4 H47 L47.4 78.6 Z", BLACK)
    canvas.fill("M53.4 43.4 H57.8 V53.4 L63 60.6 V78.6 H57 V62.6 L53.4 56.4 Z", BLACK)


def _lights(canvas: Canvas) -> None:
    for y, color in ((43.6, RED), (57.6, YELLOW), (71.6, GREEN)):
        canvas.fill(circle(50, y, 5.7), color)


def _crossing_roads(canvas: Canvas) -> None:
    canvas.stroke("M39.5 76.5 L60.5 46.5 M60.5 76.5 L39.5 46.5", 7.6, BLACK)


def _steep_descent(canvas: Canvas) -> None:
    canvas.fill("M28 78.4 L42 53 L74 78.4 Z", BLACK)
    write(canvas, "10%", BLACK, x=58, y=56.4, height=9.6, narrow=0.8)


# --- prohibitions and their ends --------------------------------------------------------------------------------------


def _two_cars(left: Color, right: Color) -> Drawing:
    def draw(canvas: Canvas) -> None:
        pictograms.car_from_behind(canvas, left, place(34, 50))
        pictograms.car_from_behind(canvas, right, place(66.4, 50))

    return draw


def _lorry_and_car(left: Color, right: Color) -> Drawing:
    def draw(canvas: Canvas) -> None:
        pictograms.lorry_from_behind(canvas, left, place(35.6, 49.4))
        pictograms.car_from_behind(canvas, right, place(66.2, 56, 0.92))

    return draw


def _lorry(canvas: Canvas) -> None:
    pictograms.lorry_from_the_side(canvas, BLACK)


def _no_cycling(canvas: Canvas) -> None:
    pictograms.bicycle(canvas, BLACK, place(-8, -25, 1.16), 2.4)


def _bar_of_no_entry(canvas: Canvas) -> None:
    canvas.fill(circle(50, 50, 50), WHITE)
    canvas.fill(circle(50, 50, 48.6), RED)
    canvas.fill(box(9.5, 42.2, 81, 15.6), WHITE)


def _struck(*degrees: float) -> Drawing:
    def draw(canvas: Canvas) -> None:
        for turn in degrees:
            canvas.stroke("M-40 0 H40", 10, RED, place(50, 50, degrees=turn))

    return draw


# --- mandatory --------------------------------------------------------------------------------------------------------


def _straight_arrow(canvas: Canvas) -> None:
    canvas.stroke("M50 86 V20", 10.4, WHITE)
    arrow_head(canvas, place(50, 11.6), reach=22, thick=14.3)


def _turn_arrow(at: Place) -> Drawing:
    """An arrow that turns to the right; `at` may mirror it."""

    def draw(canvas: Canvas) -> None:
        canvas.stroke("M35.6 84 V58 A15.5 15.5 0 0 1 51.1 42.5 H74", 10.4, WHITE, at)
        arrow_head(canvas, join(at, place(83.4, 42.5, degrees=90)), reach=20.8, thick=13.2)

    return draw


def _straight_or_turn(at: Place) -> Drawing:
    """Arrows ahead and to the right; `at` may mirror them."""

    def draw(canvas: Canvas) -> None:
        canvas.stroke("M39.6 86 V18", 9.2, WHITE, at)
        arrow_head(canvas, join(at, place(39.6, 9.8)), reach=17.6, thick=11.8)
        canvas.stroke("M39.6 76 A18.6 18.6 0 0 1 58.2 60.4 H79", 9.2, WHITE, at)
        arrow_head(canvas, join(at, place(87.4, 60.4, degrees=90)), reach=16.8, thick=11.8)

    return draw


def _passing_arrow(degrees: float) -> Drawing:
    def draw(canvas: Canvas) -> None:
        at = place(50, 50, degrees=degrees)
        canvas.stroke("M0 39.6 V-28", 10.6, WHITE, at)
        arrow_head(canvas, join(at, place(0, -39)), reach=24, thick=15.6)

    return draw


def _roundabout(canvas: Canvas) -> None:
    # Against the clock: each arc runs from its tail, at the top, to its head, which points along it.
    for turn in (-12, 108, 228):
        at = place(50, 50, degrees=turn)
        canvas.stroke("M6 -28.4 A29 29 0 0 0 -28.6 -5", 7.8, WHITE, at)
        arrow_head(canvas, join(at, place(-28.2, 7.6, degrees=-174)), reach=13.4, thick=9.6)


def _cycle_path(canvas: Canvas) -> None:
    pictograms.bicycle(canvas, WHITE, place(-21, -37, 1.42), 3.2)


# --- signs with a shape of their own ----------------------------------------------------------------------------------


def _priority_road(canvas: Canvas) -> None:
    for reach, color in ((51.5, WHITE), (48.4, BLACK), (46.6, WHITE), (31, BLACK), (29.4, YELLOW)):
        canvas.fill(polygon([(50, 50 - reach), (50 + reach, 50), (50, 50 + reach), (50 - reach, 50)], 3), color)


def _give_way(canvas: Canvas) -> None:
    for outline, color in ((_TRIANGLE, WHITE), (_RED_TRIANGLE, RED), (_INNER_TRIANGLE, WHITE)):
        canvas.fill(outline, color, UPSIDE_DOWN)


def _stop(canvas: Canvas) -> None:
    for reach, color in ((50.0, WHITE), (46.6, RED)):
        side = reach * 0.4142  # tan(22.5 degrees): the half of an octagon's side
        corners = [(side, -reach), (reach, -side), (reach, side), (side, reach)]
        corners += [(-x, -y) for x, y in corners]
        canvas.fill(polygon(corners), color, place(50, 50))
    write(canvas, "STOP", WHITE, x=50, y=50, height=34, narrow=0.88, weight=1.06, gap=7)


def _one_way(canvas: Canvas) -> None:
    canvas.fill(box(0, 32, 100, 36, 4), WHITE)
    canvas.fill(box(1.4, 33.4, 97.2, 33.2, 3), BLUE)
    canvas.fill("M5 43 H72 L69 36 H78 L96 50 L78 64 H69 L72 57 H5 Z", WHITE)
    write(canvas, "Einbahnstraße", BLACK, x=39, y=49.6, height=8.2, narrow=0.86)


def _bus_stop(canvas: Canvas) -> None:
    for radius, color in ((50, YELLOW), (48, GREEN), (34, YELLOW)):
        canvas.fill(circle(50, 50, radius), color)
    write(canvas, "H", GREEN, x=50, y=50, height=52, narrow=0.86, weight=1.1)


def _parking(canvas: Canvas) -> None:
    write(canvas, "P", WHITE, x=52, y=50, height=76, weight=1.3)


def _pedestrian_crossing(canvas: Canvas) -> None:
    canvas.fill("M50 10 L94 86 H6 Z", WHITE)
    for x in (20, 34, 48, 62, 76):
        canvas.fill(f"M{x} 82 L{x + 3.6} 71 H{x + 9} L{x + 7.6} 82 Z", BLACK)
    pictograms.pedestrian(canvas, place(-6, -17, 1.12))


def _motorway(canvas: Canvas) -> None:
    canvas.fill("M13 90 L32 52 H45 L44 90 Z M87 90 L68 52 H55 L56 90 Z", WHITE)
    canvas.fill("M36 39 L43 10 H47.6 L46.4 39 Z M64 39 L57 10 H52.4 L53.6 39 Z", WHITE)
    canvas.fill("M10 41 H90 V46.4 H77 V50.6 H70 V46.4 H30 V50.6 H23 V46.4 H10 Z", WHITE)


def _town(canvas: Canvas) -> None:
    canvas.fill(box(0, 18, 100, 64, 4), YELLOW)
    canvas.fill(box(1.6, 19.6, 96.8, 60.8, 3) + box(3.6, 21.6, 92.8, 56.8, 2), BLACK)
    write(canvas, "Wayside", BLACK, x=50, y=49, height=24, narrow=0.82, gap=7)


def _dead_end(canvas: Canvas) -> None:
    canvas.fill(box(43, 38, 14, 52), WHITE)
    canvas.fill(box(25, 18, 50, 20), WHITE)
    canvas.fill(box(27, 20, 46, 16), RED)


SIGNS: tuple[Drawing, ...] = (
    limit(20),
    limit(30),
    limit(50),
    limit(60),
    limit(70),
    limit(80),
    limit(80, is_ended=True),
    limit(100),
    limit(120),
    _prohibition(_two_cars(RED, BLACK)),
    _prohibition(_lorry_and_car(RED, BLACK)),
    _warning(_priority_arrow),
    _priority_road,
    _give_way,
    _stop,
    _prohibition(_nothing),
    _prohibition(_lorry),
    _bar_of_no_entry,
    _warning(_exclamation),
    _warning(_bend(HERE)),
    _warning(_bend(MIRRORED)),
    _warning(_double_bend),
    _warning(_bumps),
    _warning(pictograms.skidding_car),
    _warning(_narrows_right),
    _warning(pictograms.digging_worker),
    _warning(_lights),
    _warning(pictograms.pedestrian),
    _warning(pictograms.children),
    _warning(lambda canvas: pictograms.bicycle(canvas, BLACK)),
    _warning(pictograms.snowflake),
    _warning(pictograms.leaping_deer),
    _end(_nothing),
    _mandatory(_turn_arrow(HERE)),
    _mandatory(_turn_arrow(MIRRORED)),
    _mandatory(_straight_arrow),
    _mandatory(_straight_or_turn(HERE)),
    _mandatory(_straight_or_turn(MIRRORED)),
    _mandatory(_passing_arrow(135)),
    _mandatory(_passing_arrow(225)),
    _mandatory(_roundabout),
    _end(_two_cars(GREY, GREY)),
    _end(_lorry_and_car(GREY, GREY)),
)
"""By GTSRB class number, 0 to 42."""

OTHERS: Mapping[str, Drawing] = {
    "bus_stop": _bus_stop,
    "crossroads": _warning(_crossing_roads),
    "cycle_path": _mandatory(_cycle_path),
    "dead_end": _square(_dead_end),
    "limit_10": limit(10),
    "limit_40": limit(40),
    "limit_90": limit(90),
    "limit_110": limit(110),
    "limit_130": limit(130),
    "motorway": _square(_motorway),
    "no_cycling": _prohibition(_no_cycling),
    "no_parking": _prohibition(_struck(45), BLUE),
    "no_stopping": _prohibition(_struck(45, -45), BLUE),
    "one_way": _one_way,
    "parking": _square(_parking),
    "pedestrian_crossing": _square(_pedestrian_crossing),
    "steep_descent": _warning(_steep_descent),
    "town": _town,
}
