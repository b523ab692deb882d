"""The things shown on the signs: vehicles, people, animals, arrows. All drawn for this project.

Every function paints one thing at its place on the 100 by 100 board; what is drawn around the origin takes `at`.
"""

from __future__ import annotations

from detectors.artwork.canvas import HERE, Canvas, Color, Place, box, circle, place, polygon

BLACK: Color = (20, 20, 22)
WHITE: Color = (255, 255, 255)


def car_from_behind(canvas: Canvas, color: Color, at: Place) -> None:
    """A car 28 wide and 23 high around the origin, its window open."""
    cabin = polygon([(-9.2, -11.5), (9.2, -11.5), (12, 0), (-12, 0)], 1.6)
    window = polygon([(-7.4, -9), (7.4, -9), (9.2, -1.2), (-9.2, -1.2)], 0.8)
    canvas.fill(cabin + window, color, at)
    canvas.fill(box(-14, -1.2, 28, 9, 2.2), color, at)
    for x in (-12, 7.6):
        canvas.fill(box(x, 6.5, 4.4, 5, 0.8), color, at)


def lorry_from_behind(canvas: Canvas, color: Color, at: Place) -> None:
    """A lorry 25 wide and 34 high around the origin."""
    canvas.fill(box(-12.5, -17, 25, 26, 0.6), color, at)
    canvas.fill(box(-9, 9, 18, 3.6), color, at)
    for x in (-12, 7):
        canvas.fill(box(x, 10, 5, 7, 0.8), color, at)
    canvas.fill(circle(0, 12.4, 2.6), color, at)


def lorry_from_the_side(canvas: Canvas, color: Color) -> None:
    """A lorry that drives to the left, across the board's middle."""
    canvas.fill(box(39.5, 36, 40, 20.5, 0.4), color)
    cab = "M21 60 V50.5 L24.5 41 H37 V60 Z"
    window = "M24 50 L26.6 43.6 H31.5 V50 Z"
    canvas.fill(cab + window, color)
    canvas.fill(box(20.4, 56.4, 58.6, 4), color)
    for x in (31, 68.5):
        canvas.fill(circle(x, 60.5, 5.6), WHITE)
        canvas.fill(circle(x, 60.5, 4.8) + circle(x, 60.5, 1.5), color)


def arrow_head(canvas: Canvas, at: Place, *, reach: float, thick: float) -> None:
    """Two white limbs that go back at 45 degrees from a tip in the origin; it points up until `at` turns it.

    reach: how far a limb goes to the side
    thick: how far the limbs' inner edge lies behind the outer, along the arrow
    """
    right = [(0.0, 0.0), (reach, reach), (reach, reach + thick), (0.0, thick)]
    canvas.fill(polygon(right + [(-x, y) for x, y in right[:0:-1]]), WHITE, at)


def pedestrian(canvas: Canvas, at: Place = HERE) -> None:
    """A person walking to the left, from head to foot about 45 high, around (50, 57)."""
    canvas.fill(circle(50.5, 37.4, 4.1), BLACK, at)
    canvas.fill("M46.2 42.6 H54.6 L56.4 46 L54.8 61 H47 L45.4 46 Z", BLACK, at)
    canvas.stroke("M46.6 44 L42.4 52.6 L39.6 57.6", 3.5, BLACK, at)
    canvas.stroke("M54.6 44 L59.2 51.6 L59.4 58.6", 3.5, BLACK, at)
    canvas.stroke("M49.6 59 L46.4 67.4 L40.6 78.6", 4.6, BLACK, at)
    canvas.stroke("M52.2 59 L54.6 67.6 L61 78.6", 4.6, BLACK, at)


def _running_child(canvas: Canvas, at: Place, width: float, *, has_skirt: bool) -> None:
    """A child running to the left, about 40 high around the origin; `width` is that of its limbs on the board."""
    canvas.fill(circle(-1.5, -15.5, 4.6), BLACK, at)
    canvas.fill("M-4 -10 L3.5 -10 L6.5 2 L-2 4 Z", BLACK, at)
    canvas.stroke("M-2.5 -7.8 L-9.5 -4.5 L-15 -6.5", width, BLACK, at)
    canvas.stroke("M2.5 -8 L10 -4 L14.5 -8.5", width, BLACK, at)
    if has_skirt:
        canvas.fill("M-3 -1 L6 -2 L11.5 7.5 L-6 9 Z", BLACK, at)
    canvas.stroke("M0.5 1 L-6.5 8.5 L-4.5 20 L-9 21", width * 1.15, BLACK, at)
    canvas.stroke("M4.5 1 L9.5 9.5 L17 14.5 L15.6 19", width * 1.15, BLACK, at)


def children(canvas: Canvas) -> None:
    _running_child(canvas, place(57, 60.5, 0.88), 3.5, has_skirt=False)
    _running_child(canvas, place(37.5, 66, 0.62), 2.6, has_skirt=True)


def digging_worker(canvas: Canvas) -> None:
    canvas.fill("M53.5 77.5 L64 63.6 Q65.5 62 67 63.6 L77.5 77.5 Z", BLACK)
    canvas.fill(circle(46.6, 40.6, 4.0), BLACK)
    canvas.fill("M41.4 44.2 Q44 42.8 46.6 44.6 L49 48.4 L44.4 61.4 L36.6 58 Z", BLACK)
    canvas.stroke("M46.4 46.4 L54.4 50.6 L51.8 57.6", 3.2, BLACK)
    canvas.stroke("M42 60 L45 66.6 L42 78", 4.4, BLACK)
    canvas.stroke("M38.8 57.5 L36.2 67 L29.6 78", 4.4, BLACK)
    canvas.stroke("M42.6 53.4 L56.4 70.6", 1.9, BLACK)
    canvas.fill("M53.6 69.4 L57.6 65.8 L62.2 74.4 L59.6 76 Z", BLACK)


def bicycle(canvas: Canvas, color: Color, at: Place = HERE, width: float = 2.1) -> None:
    """A bicycle to the left, 48 wide, around (50, 63); `width` is that of its lines on the board."""
    for x in (36.5, 63.5):
        canvas.stroke(circle(x, 68.4, 9.4), width, color, at)
    frame = (
        "M36.5 68.4 L42.6 52 M41.6 55.6 L58 55.4 L49.6 68.4 L42.4 56 M49.6 68.4 H63.5 L56.6 52.6 M58 55.4 L49.6 68.4"
    )
    canvas.stroke(frame, width, color, at)
    canvas.stroke("M53.4 52.2 H60.6", width * 1.3, color, at)
    canvas.stroke("M46.6 50.6 L42.6 50.2 L39.6 52.6", width * 1.1, color, at)
    canvas.stroke("M47.4 71.6 L51.8 65.4 M45.6 71.8 H49 M50.4 65.2 H53.6", width * 0.9, color, at)


def snowflake(canvas: Canvas) -> None:
    for k in range(6):
        at = place(50, 62, degrees=60 * k)
        canvas.stroke("M0 0 V-17", 2.9, BLACK, at)
        canvas.stroke("M-6 -14.6 L0 -9.2 L6 -14.6", 2.5, BLACK, at)
        canvas.stroke("M-3.6 -7.6 L0 -4.4 L3.6 -7.6", 2.2, BLACK, at)


def leaping_deer(canvas: Canvas) -> None:
    body = (
        "M36.4 47.6 L40.4 43.8 L42.8 42.4 L45.4 44.2 L45.2 47.6 L47.8 52.8 C51 54.4 56 55 60 56.2 C63.6 57.4 "
        "65.6 59 66 62 L68.2 60.4 L68.4 62.6 L66.2 64.6 L68.4 69.6 L74.6 76.6 L73 77.4 L65.6 71.6 L63.2 67.6 "
        "L66.6 75 L70.2 79.2 L68.4 79.6 L63.4 75.4 L58.4 66.4 C54.6 66 51.4 64.8 48.6 63.2 L43 66 L38.4 63.8 "
        "L36.2 67 L35 66.2 L37.2 61.6 L42.6 62.4 L44.4 61.2 L39 61 L34 57 L31.6 59 L30.6 57.8 L33.6 54.4 "
        "L40.2 57.8 L43.4 57 C42.4 54.2 42 51.6 41.4 48.8 L37.6 49.6 Z"
    )
    at = place(4.6, 4.2, 0.94)
    canvas.fill(body, BLACK, at)
    canvas.stroke("M42.6 43.4 L41 39.4 L42 35 M41.2 39.2 L38.2 36.6", 1.4, BLACK, at)
    canvas.stroke("M44.6 44 L46.2 40 L50 37.2 M46.2 40 L45.6 36.2", 1.4, BLACK, at)


def skidding_car(canvas: Canvas) -> None:
    car_from_behind(canvas, BLACK, place(51.5, 52.6, 0.86, degrees=-13))
    canvas.stroke("M43.4 63.6 C52.6 67.6 29 69 34.6 73.6 C38.6 76.6 44.6 73 50.6 77.8", 2.3, BLACK)
    canvas.stroke("M59.6 60.6 C70.6 65.4 47.6 66.8 53 71.2 C56.6 74 63.6 71.4 70.6 76.6", 2.3, BLACK)
