"""What stands beside and on the generated road, painted by the project: trees, houses, cars, boards, sky and ground.

Every picture is made from a fixed seed and kept for the life of the process. It knows nothing of where things stand.
None of it is a traffic sign, nor anything a person would call one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from detectors.artwork.canvas import Canvas, Color, box, circle, place, polygon
from pipeline.samples.sprites import Image, Sprite, noise, premultiplied


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The walls of a house: the long one along the road, the gable that faces the traffic, and the roof's colour."""

    front: Sprite
    gable: Sprite
    roof: Color


@dataclass(frozen=True, slots=True, eq=False)
class Scenery:
    """All sprites by kind, and the houses.

    sprites: each kind has several variants
    houses: with flats above; some with a shop
    hedges: walls of leaves or planks
    """

    sprites: Mapping[str, tuple[Sprite, ...]]
    houses: tuple[House, ...]
    hedges: tuple[Sprite, ...]


@lru_cache(maxsize=1)
def scenery() -> Scenery:
    """Paint everything, once (about a second)."""
    rng = np.random.default_rng(20)
    sprites: dict[str, tuple[Sprite, ...]] = {
        kind: tuple(Sprite.of(paint(rng)) for _ in range(count))
        for kind, (count, paint) in {
            "tree": (7, _tree),
            "conifer": (4, _conifer),
            "poplar": (2, _poplar),
            "bush": (5, _bush),
            "branch": (3, _branch),
            "advert": (10, _advert),
            "banner": (4, _banner),
            "person": (6, _person),
        }.items()
    }
    for kind, drawings in _drawn().items():
        sprites[kind] = tuple(Sprite.of(_cropped(drawing)) for drawing in drawings)
    sprites["shadow"] = (Sprite.of(_shadow()),)
    houses = tuple(_house(rng, has_shop=k % 3 == 2) for k in range(9))
    return Scenery(sprites, houses, tuple(Sprite.of(_hedge(rng, k)) for k in range(4)))


# --- plants -----------------------------------------------------------------------------------------------------------

_LEAVES = ((74, 98, 44), (60, 88, 40), (92, 108, 48), (84, 92, 38), (52, 78, 42), (110, 112, 52), (70, 104, 58))


def _foliage(
    rng: np.random.Generator,
    size_wh: tuple[int, int],
    middles: NDArray[np.floating],
    radius: float,
    color: Sequence[int],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Paint clusters of leaves, lit from the upper left; return colour (H, W, 3) and alpha (H, W)."""
    width, height = size_wh
    paint = np.zeros((height, width, 3), np.float32)
    mask = np.zeros((height, width), np.uint8)
    low, high = middles.min(axis=0), middles.max(axis=0)
    place_in = (middles - low) / np.maximum(high - low, 1)
    light = 1.02 - 0.5 * place_in[:, 1] - 0.2 * place_in[:, 0] + rng.normal(0, 0.13, len(middles))
    for k in rng.permutation(len(middles)):
        r = radius * rng.uniform(0.55, 1.3)
        centre = (round(float(middles[k, 0])), round(float(middles[k, 1])))
        shade = [float(c * max(0.3, light[k]) * rng.uniform(0.88, 1.12)) for c in color]
        cv2.circle(paint, centre, round(r), shade, -1)
        cv2.circle(mask, centre, round(r), 255, -1)
    paint = np.asarray(cv2.GaussianBlur(paint, (0, 0), max(0.8, radius / 9)), np.float32)
    grain = noise(rng, height, width, slope=0.45)
    paint *= (1 + 0.2 * grain)[..., None]
    soft = cv2.GaussianBlur(mask, (0, 0), max(1.0, radius / 4)).astype(np.float32) / 255
    ragged = 0.15 * grain + 0.13 * noise(rng, height, width, slope=0.9)
    alpha = np.clip((soft + ragged - 0.42) * 6, 0, 1) * (soft > 0.02)
    return paint, np.asarray(alpha, np.float32)


def _with_trunk(color: NDArray[np.float32], alpha: NDArray[np.float32], trunk: Image, bark: Color) -> Image:
    """Lay leaves over a trunk's mask (uint8)."""
    wood = (trunk.astype(np.float32) / 255)[..., None] * np.asarray(bark, np.float32)
    leaves = alpha[..., None]
    whole = alpha + trunk / 255 * (1 - alpha)
    mixed = (color * leaves + wood * (1 - leaves)) / np.maximum(whole, 1e-3)[..., None]
    return premultiplied(mixed, whole)


def _tree(rng: np.random.Generator) -> Image:
    height, width = 512, int(rng.integers(360, 470))
    trunk = np.zeros((height, width), np.uint8)
    foot = width / 2
    thick = rng.uniform(13, 19)
    _limb(trunk, (foot, height), (foot + rng.normal(0, 6), 250), thick, thick * 0.6)
    lobes = [(rng.uniform(0.28, 0.72) * width, rng.uniform(90, 290), rng.uniform(60, 105)) for _ in range(9)]
    for x, y, _ in lobes[:5]:
        _limb(trunk, (foot, 330), (x, y), 9, 3)
    points = [
        (x + r * np.sqrt(u) * np.cos(a) * 1.1, y + r * np.sqrt(u) * np.sin(a))
        for x, y, r in lobes
        for u, a in zip(rng.uniform(0, 1, 130), rng.uniform(0, 2 * np.pi, 130), strict=True)
    ]
    middles = np.clip(np.array(points), 16, [width - 16, 400])
    color, alpha = _foliage(rng, (width, height), middles, 9.5, _LEAVES[rng.integers(len(_LEAVES))])
    return _with_trunk(color, alpha, trunk, (66, 54, 44))


def _limb(mask: Image, start: tuple[float, float], end: tuple[float, float], thick: float, thin: float) -> None:
    along = np.subtract(end, start) / np.hypot(*np.subtract(end, start))
    across = np.array([-along[1], along[0]])
    corners = [start + across * thick, end + across * thin, end - across * thin, start - across * thick]
    cv2.fillConvexPoly(mask, np.rint(corners).astype(np.int32), 255, cv2.LINE_AA)


def _conifer(rng: np.random.Generator) -> Image:
    height, width = 512, int(rng.integers(200, 260))
    trunk = np.zeros((height, width), np.uint8)
    _limb(trunk, (width / 2, height), (width / 2, 40), 9, 2)
    points = []
    for y in np.linspace(24, 470, 34):
        reach = (y - 10) / 470 * (width / 2 - 14) * rng.uniform(0.75, 1.08)
        points += [(width / 2 + reach * u, y + 12 * abs(u)) for u in rng.uniform(-1, 1, int(10 + reach / 2))]
    green = ((38, 62, 40), (44, 66, 46), (34, 54, 40))[rng.integers(3)]
    color, alpha = _foliage(rng, (width, height), np.array(points), 6.5, green)
    return _with_trunk(color, alpha, trunk, (58, 46, 38))


def _poplar(rng: np.random.Generator) -> Image:
    height, width = 512, 150
    trunk = np.zeros((height, width), np.uint8)
    _limb(trunk, (75, height), (75, 120), 9, 4)
    y = rng.uniform(20, 455, 950)
    reach = 56 * np.sin(np.pi * np.clip((y - 5) / 470, 0, 1)) ** 0.6
    middles = np.column_stack([75 + reach * rng.uniform(-1, 1, 950), y])
    color, alpha = _foliage(rng, (width, height), middles, 7.5, (72, 96, 46))
    return _with_trunk(color, alpha, trunk, (80, 70, 58))


def _bush(rng: np.random.Generator) -> Image:
    height, width = 200, int(rng.integers(240, 380))
    x = rng.uniform(18, width - 18, 420)
    top = 40 + 110 * np.abs(x / width - 0.5) ** 1.5 * 2 + rng.normal(0, 6, 420)
    y = np.minimum(top + (192 - top) * rng.uniform(0, 1, 420), 190)
    color, alpha = _foliage(rng, (width, height), np.column_stack([x, y]), 13, _LEAVES[rng.integers(len(_LEAVES))])
    return premultiplied(color, alpha)


def _branch(rng: np.random.Generator) -> Image:
    """Leaves that hang in from the right, ragged to the left."""
    height, width = 220, 300
    twig = np.zeros((height, width), np.uint8)
    _limb(twig, (width, 70), (40, 130), 5, 1.5)
    along = rng.uniform(0, 1, 210) ** 0.7
    middles = np.column_stack([30 + 255 * along, 130 - 55 * along + rng.normal(0, 1, 210) * (10 + 38 * along)])
    middles = np.clip(middles, 12, [width - 12, height - 12])
    color, alpha = _foliage(rng, (width, height), middles, 10, _LEAVES[rng.integers(len(_LEAVES))])
    return _with_trunk(color, alpha, twig, (70, 58, 46))


# --- made things, painted ---------------------------------------------------------------------------------------------

_BOARD_COLORS = (
    (200, 30, 40), (24, 84, 160), (245, 190, 30), (30, 130, 80), (235, 235, 230), (30, 30, 36), (230, 110, 30),
    (120, 40, 120), (40, 160, 190), (180, 150, 110),
)  # fmt: skip
_WORDS = (
    "FRESH", "Bakery", "SALE", "Hotel", "Coffee", "Garten", "Wash", "NEW", "Sofa", "Radio 7", "Pizza", "Imbiss",
    "open", "Reifen", "Bank", "Tickets", "Sommerfest", "-30 %", "0,99", "Kino", "Fitness", "Apotheke",
)  # fmt: skip


def _text(image: PillowImage.Image, words: str, xy: tuple[float, float], size: float, color: Sequence[int]) -> None:
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).text(xy, words, fill=tuple(color), font=font, anchor="mm")


def _two_colors(rng: np.random.Generator) -> tuple[Color, Color]:
    """Two colours that can be told apart."""
    while True:
        a, b = (_BOARD_COLORS[k] for k in rng.choice(len(_BOARD_COLORS), 2, replace=False))
        if abs(sum(a) - sum(b)) > 150:
            return a, b


def _poster(rng: np.random.Generator, width: int, height: int) -> Image:
    """An advert's face: fields, round and slanted shapes, a picture of noise, words."""
    ground, ink = _two_colors(rng)
    image = PillowImage.new("RGB", (width, height), ground)
    draw = ImageDraw.Draw(image)
    accent = _BOARD_COLORS[rng.integers(len(_BOARD_COLORS))]
    match rng.integers(4):
        case 0:
            draw.polygon([(0, height), (width * 0.7, height), (width * 0.4, 0), (0, 0)], fill=accent)
        case 1:
            r, x, y = height * rng.uniform(0.3, 0.55), width * rng.uniform(0.15, 0.85), height * rng.uniform(0.3, 0.8)
            draw.ellipse([x - r, y - r, x + r, y + r], fill=accent)
        case 2:
            draw.rectangle([0, height * 0.7, width, height], fill=accent)
        case _:
            shared, *own = (noise(rng, height, width // 2, slope=1.8) for _ in range(4))
            picture = 130 + np.dstack([45 * shared + 9 * channel for channel in own])
            image.paste(PillowImage.fromarray(np.clip(picture, 0, 255).astype(np.uint8)), (width // 2, 0))
    first, second = rng.choice(_WORDS, 2, replace=False)
    _text(image, first, (width * 0.5, height * 0.34), height * 0.34, ink)
    _text(image, second, (width * 0.5, height * 0.76), height * 0.2, ink)
    return np.asarray(image)


def _advert(rng: np.random.Generator) -> Image:
    """A board on two legs."""
    width, face = 420, int(rng.integers(200, 260))
    image = np.zeros((face + 90, width, 4), np.uint8)
    for x in (60, width - 72):
        image[face:, x : x + 12] = (90, 90, 92, 255)
    image[:face] = (60, 60, 62, 255)
    image[6 : face - 6, 6 : width - 6, :3] = _poster(rng, width - 12, face - 12)
    return image


def _banner(rng: np.random.Generator) -> Image:
    """A tall flag on a mast, as before a shop."""
    ground, ink = _two_colors(rng)
    flag = PillowImage.new("RGB", (300, 100), ground)
    _text(flag, str(rng.choice(_WORDS)), (150, 50), 58, ink)
    image = np.zeros((480, 130, 4), np.uint8)
    image[:, 8:15] = (190, 192, 195, 255)
    face = np.rot90(np.asarray(flag))
    wave = np.rint(6 * np.sin(np.arange(300) / 40)).astype(int)
    for y, shift in enumerate(wave):
        image[12 + y, 16 : 106 + shift, :3] = face[y, : 90 + shift]
        image[12 + y, 16 : 106 + shift, 3] = 255
    return image


_HAIR = ((58, 44, 34), (96, 72, 48), (30, 28, 28), (150, 140, 132))


def _person(rng: np.random.Generator) -> Image:
    coat, trousers = (_BOARD_COLORS[k] for k in rng.choice(len(_BOARD_COLORS), 2, replace=False))
    muted = [(int(30 + 0.5 * r), int(30 + 0.5 * g), int(30 + 0.5 * b)) for r, g, b in (coat, trousers)]
    hair, skin = _HAIR[rng.integers(len(_HAIR))], (198, 154, 130)
    canvas = Canvas(256)
    canvas.stroke("M47 52 L45 74 L43.4 95", 7.4, muted[1])
    canvas.stroke("M53 52 L55.4 74 L58 95", 7.4, _shade(muted[1], 0.85))
    for x in (39, 54.4):
        canvas.fill(box(x, 93, 8, 4.4, 1.6), (40, 36, 34))
    canvas.fill(box(47.4, 14, 5.2, 8), _shade(skin, 0.85))
    canvas.fill("M40 24 C41 19.6 45 18.6 50 18.6 C55 18.6 59 19.6 60 24 L60.6 54 H39.4 Z", muted[0])
    canvas.fill("M50 18.6 C55 18.6 59 19.6 60 24 L60.6 54 H50 Z", _shade(muted[0], 0.86))
    canvas.stroke("M41.4 23 L36.8 39 L38 53", 5.6, _shade(muted[0], 0.94))
    canvas.stroke("M58.6 23 L63.4 39 L61.6 53", 5.6, _shade(muted[0], 0.8))
    for x in (38, 61.6):
        canvas.fill(circle(x, 55, 2.4), skin)
    canvas.fill(circle(50, 10.6, 4.9, 6.2), skin)
    canvas.fill(
        "M44.6 12 C43.6 4.6 46.6 2.6 50 2.6 C53.4 2.6 56.4 4.6 55.4 12 L54 8.6 C51.6 7.4 48.4 7.4 46 8.6 Z", hair
    )
    canvas.fill("M50 4.6 C54.6 5 54.9 9 54.6 12 L53.2 16 L50 16.8 Z", _shade(skin, 0.88))
    return _cropped(canvas)


def _hedge(rng: np.random.Generator, kind: int) -> Image:
    """A strip of hedge or of fence, 4 times as long as high."""
    height, width = 96, 384
    grain = noise(rng, height, width, slope=0.5)
    if kind % 2 == 0:
        color = np.array(_LEAVES[kind], np.float32) * (0.8 + 0.2 * grain)[..., None]
        color *= np.linspace(1.15, 0.6, height)[:, None, None]
        alpha = np.clip((np.arange(height)[:, None] - 7 - 3 * grain) / 2, 0, 1)
        return premultiplied(color, alpha)
    color = np.full((height, width, 3), ((150, 120, 88), (205, 205, 200))[kind // 2], np.float32)
    color *= (1 + 0.05 * grain)[..., None]
    gaps = np.arange(width) % 16 < 3
    alpha = np.ones((height, width))
    alpha[:, gaps] = 0
    for y in (20, 70):
        alpha[y : y + 9] = 1
    return premultiplied(color, alpha)


_WALLS = (
    (226, 214, 190), (205, 180, 150), (190, 192, 190), (222, 200, 150), (168, 110, 92), (236, 234, 228),
    (196, 206, 196),
)  # fmt: skip
_ROOFS = ((140, 66, 50), (112, 60, 50), (86, 84, 86), (120, 88, 70))


def _house(rng: np.random.Generator, *, has_shop: bool) -> House:
    wall, roof = _WALLS[rng.integers(len(_WALLS))], _ROOFS[rng.integers(len(_ROOFS))]
    front, gable = _wall(rng, 480, 240, wall), _wall(rng, 360, 340, wall)
    frame = (240, 240, 238) if sum(wall) < 610 else (96, 80, 66)
    for x in range(36, 440, 82):
        _window(rng, front, x, 26, frame)
        if not has_shop:
            _window(rng, front, x, 138, frame)
    if has_shop:
        ground, ink = _two_colors(rng)
        fascia = PillowImage.new("RGB", (480, 34), ground)
        _text(fascia, str(rng.choice(_WORDS)), (240, 17), 28, ink)
        front[112:146] = np.asarray(fascia)
        cv2.rectangle(front, (20, 152), (300, 232), (52, 62, 70), -1)
        cv2.rectangle(front, (330, 152), (380, 239), (70, 66, 62), -1)
    else:
        cv2.rectangle(front, (214, 150), (252, 239), (92, 62, 44), -1)
    for x, y in ((90, 130), (210, 130), (90, 230), (210, 230), (150, 50)):
        _window(rng, gable, x, y, frame)
    # Lower down a wall gets less light and more dirt.
    for image in (front, gable):
        image[:] = np.clip(image * np.linspace(1.04, 0.86, image.shape[0])[:, None, None], 0, 255)
    opaque = np.full((240, 480, 1), 255, np.uint8)
    outline = np.zeros((340, 360), np.uint8)
    cv2.fillPoly(outline, [np.array([(0, 340), (0, 112), (180, 0), (360, 112), (360, 340)])], 255, cv2.LINE_AA)
    return House(
        Sprite.of(np.dstack([front, opaque])), Sprite.of(premultiplied(gable.astype(np.float32), outline / 255)), roof
    )


def _wall(rng: np.random.Generator, width: int, height: int, color: Color) -> Image:
    grain = 1 + 0.025 * noise(rng, height, width, slope=0.3) + 0.02 * noise(rng, height, width, slope=1.4)
    return np.asarray(np.clip(np.asarray(color) * grain[..., None], 0, 255), np.uint8)


def _window(rng: np.random.Generator, image: Image, x: int, y: int, frame: Color) -> None:
    cv2.rectangle(image, (x - 4, y - 4), (x + 44, y + 64), frame, -1)
    glass = np.array((70, 84, 98)) * rng.uniform(0.5, 1.5)
    image[y : y + 60, x : x + 40] = np.clip(glass * np.linspace(1.25, 0.8, 60)[:, None, None], 0, 255)
    cv2.line(image, (x + 20, y), (x + 20, y + 60), frame, 3)
    cv2.line(image, (x, y + 22), (x + 40, y + 22), frame, 2)


def _shadow() -> Image:
    y, x = np.mgrid[-1:1:64j, -1:1:128j]
    alpha = np.clip(1.15 - np.hypot(x, y), 0, 1) ** 1.3 * 0.62
    return premultiplied(np.zeros((64, 128, 3)), alpha)


# --- made things, drawn -----------------------------------------------------------------------------------------------

_PAINTS = ((178, 28, 34), (26, 62, 128), (232, 232, 230), (34, 35, 38), (150, 154, 158), (70, 90, 78), (214, 170, 40))
_GLASS, _TYRE, _CHROME = (38, 46, 54), (24, 24, 26), (190, 192, 196)


def _shade(color: Color, factor: float) -> Color:
    r, g, b = (min(255, round(c * factor)) for c in color)
    return r, g, b


def _car(paint: Color, *, is_front: bool) -> Canvas:
    canvas = Canvas(320)
    for x in (9, 73):
        canvas.fill(box(x, 70, 18, 18, 4), _TYRE)
    canvas.fill("M15 44 C19 26 23 17 29 15 C42 11.6 58 11.6 71 15 C77 17 81 26 85 44 Z", _shade(paint, 0.92))
    canvas.fill("M19 44 C22 29 26 21 31 19.6 C44 17 56 17 69 19.6 C74 21 78 29 81 44 Z", _GLASS)
    canvas.fill("M23 41 L30 24 C36 22 41 21.4 46 21.4 L36 41 Z", (74, 86, 96))
    body = "M8 76 C6 60 8 48 16 42 C24 38 76 38 84 42 C92 48 94 60 92 76 C92 81 90 82 86 82 H14 C10 82 8 81 8 76 Z"
    canvas.fill(body, paint)
    canvas.fill("M12 47 C20 41 80 41 88 47 L89 52 H11 Z", _shade(paint, 1.16))
    canvas.fill(box(9, 70, 82, 11, 3), _shade(paint, 0.72))
    if is_front:
        canvas.fill(box(33, 56, 34, 9, 2), (30, 30, 32))
        for x in (12, 70):
            canvas.fill(box(x, 53, 18, 10, 4), (236, 238, 240))
            canvas.fill(box(x + 2, 55, 14, 6, 3), (200, 208, 214))
        canvas.fill(box(39, 70, 22, 6, 1), (240, 240, 238))
    else:
        for x in (9, 76):
            canvas.fill(box(x, 50, 15, 12, 3), (150, 16, 20))
            canvas.fill(box(x + 2, 52, 11, 4, 2), (210, 50, 44))
        canvas.fill(box(37, 60, 26, 7, 1), (240, 240, 238))
        for x in range(40, 60, 4):
            canvas.fill(box(x, 61.6, 2, 4), (40, 40, 44))
    return canvas


def _van(paint: Color, *, is_front: bool) -> Canvas:
    canvas = Canvas(320)
    for x in (13, 71):
        canvas.fill(box(x, 84, 16, 15, 3), _TYRE)
    canvas.fill(box(10, 4, 80, 88, 6), paint)
    canvas.fill(box(10, 78, 80, 14, 4), _shade(paint, 0.6))
    if is_front:
        canvas.fill(polygon([(18, 22), (82, 22), (86, 50), (14, 50)], 3), _GLASS)
        canvas.fill(box(32, 64, 36, 9, 2), (40, 40, 44))
        for x in (12, 72):
            canvas.fill(box(x, 60, 16, 12, 3), (232, 234, 238))
    else:
        for x in (17, 52):
            canvas.fill(box(x, 16, 31, 26, 2), _GLASS)
        canvas.fill(box(49.4, 8, 1.2, 76), _shade(paint, 0.7))
        for x in (11, 83):
            canvas.fill(box(x, 52, 6, 20, 1.5), (170, 22, 24))
    canvas.fill(box(38, 82, 24, 6, 1), (240, 240, 236))
    return canvas


def _lorry(paint: Color, *, is_front: bool) -> Canvas:
    canvas = Canvas(400)
    for x in (16, 68):
        canvas.fill(box(x, 86, 16, 14, 2), _TYRE)
    canvas.fill(box(14, 2, 72, 82, 1), paint)
    canvas.fill(box(14, 84, 72, 6), (50, 50, 52))
    if is_front:
        canvas.fill(box(15, 30, 70, 56, 4), _shade(paint, 0.8))
        canvas.fill(box(19, 36, 62, 21, 3), _GLASS)
        canvas.fill(box(26, 62, 48, 14, 2), (44, 44, 48))
        for x in (18, 72):
            canvas.fill(box(x, 76, 10, 6, 1), (235, 235, 230))
    else:
        canvas.fill(box(17, 5, 66, 76), _shade(paint, 0.9))
        canvas.fill(box(49.5, 5, 1, 76), _shade(paint, 0.6))
        for x in (38, 60):
            canvas.fill(box(x, 8, 1.4, 70), _CHROME)
        for x in (15, 75):
            canvas.fill(box(x, 84.6, 10, 4.4), (180, 20, 20))
    return canvas


def _traffic_light(lit: int) -> Canvas:
    canvas = Canvas(320)
    canvas.fill(box(48.4, 30, 3.2, 70), (120, 122, 126))
    canvas.fill(box(42, 0, 16, 40, 3), (28, 30, 30))
    colors = ((255, 60, 40), (255, 190, 40), (70, 255, 160))
    for k, color in enumerate(colors):
        canvas.fill(circle(50, 7.5 + 12.4 * k, 5), color if k == lit else _shade(color, 0.16))
    return canvas


def _lamp() -> Canvas:
    canvas = Canvas(512)
    canvas.fill("M49 100 L49.5 6 H50.5 L51 100 Z", (128, 132, 134))
    canvas.stroke("M50 7 Q49.6 2.4 44 2 L36 2.4", 0.9, (128, 132, 134))
    canvas.fill(polygon([(32, 1.6), (40, 1.2), (40, 3.4), (32, 3.2)], 0.5), (96, 98, 100))
    return canvas


def _power_pole() -> Canvas:
    canvas = Canvas(512)
    canvas.fill("M48.4 100 L49 2 H51 L51.6 100 Z", (104, 88, 72))
    for y in (7, 14):
        canvas.fill(box(36, y, 28, 1.5), (96, 82, 68))
        for x in (37, 44, 55, 62):
            canvas.fill(box(x, y - 2, 1.2, 2), (60, 70, 74))
    return canvas


def _delineator() -> Canvas:
    """The white post with a black band that stands at the edge of German roads."""
    canvas = Canvas(160)
    canvas.fill(polygon([(44, 4), (56, 0), (57, 100), (43, 100)]), (236, 236, 232))
    canvas.fill(polygon([(43.8, 20), (56.4, 14), (56.6, 34), (43.6, 40)]), (26, 26, 28))
    canvas.fill(box(48, 22, 4.4, 11), (214, 206, 180))
    return canvas


def _trunk() -> Canvas:
    """A thin bare trunk or mast, for what hides a sign for a moment."""
    canvas = Canvas(400)
    canvas.fill("M48.2 100 L48.8 0 H51.2 L51.8 100 Z", (84, 74, 64))
    canvas.fill("M50.4 100 L50.2 0 H51.2 L51.8 100 Z", (62, 54, 46))
    return canvas


def _container(color: Color) -> Canvas:
    canvas = Canvas(160)
    canvas.fill(polygon([(12, 30), (88, 30), (82, 98), (18, 98)], 4), color)
    canvas.fill("M8 32 C8 14 30 8 50 8 C70 8 92 14 92 32 Z", _shade(color, 1.15))
    canvas.fill(circle(50, 24, 9, 6), (28, 28, 30))
    canvas.fill(box(18, 88, 64, 10, 3), _shade(color, 0.6))
    return canvas


def _parasol(color: Color) -> Canvas:
    canvas = Canvas(240)
    canvas.fill(box(49, 30, 2, 70), (200, 200, 198))
    canvas.fill("M4 36 C14 16 34 6 50 4 C66 6 86 16 96 36 Z", color)
    for x in (26, 62):
        canvas.fill(f"M50 4 L{x - 7} 36 H{x + 9} Z", (238, 236, 230))
    return canvas


def _bale() -> Canvas:
    canvas = Canvas(160)
    canvas.fill(circle(50, 52, 46), (196, 170, 104))
    for radius in (36, 26, 16, 6):
        canvas.stroke(circle(50, 52, radius), 2, (160, 132, 76))
    return canvas


def _turbine(turn: float) -> Canvas:
    canvas = Canvas(400)
    canvas.fill("M49 100 L49.5 34 H50.5 L51 100 Z", (222, 225, 228))
    for k in range(3):
        canvas.fill("M-0.7 0 L-1.1 -8 L0 -33 L0.9 -8 L0.7 0 Z", (228, 231, 234), place(50, 34, degrees=turn + 120 * k))
    return canvas


def _drawn() -> dict[str, list[Canvas]]:
    lorries = ((206, 206, 202), (40, 84, 140), (184, 44, 38), (66, 112, 74))
    return {
        "car_behind": [_car(paint, is_front=False) for paint in _PAINTS],
        "car_front": [_car(paint, is_front=True) for paint in _PAINTS],
        "van_behind": [_van(paint, is_front=False) for paint in (_PAINTS[2], _PAINTS[6], _PAINTS[1])],
        "van_front": [_van(paint, is_front=True) for paint in (_PAINTS[2], _PAINTS[0], _PAINTS[4])],
        "lorry_behind": [_lorry(paint, is_front=False) for paint in lorries],
        "lorry_front": [_lorry(paint, is_front=True) for paint in lorries],
        "traffic_light": [_traffic_light(lit) for lit in (0, 1, 2)],
        "lamp": [_lamp()],
        "power_pole": [_power_pole()],
        "delineator": [_delineator()],
        "trunk": [_trunk()],
        "container": [_container(color) for color in ((30, 90, 160), (226, 180, 30), (40, 110, 70), (150, 30, 34))],
        "parasol": [_parasol(color) for color in ((196, 36, 40), (30, 90, 160), (226, 180, 40))],
        "bale": [_bale()],
        "turbine": [_turbine(turn) for turn in (0.0, 40.0, 80.0)],
    }


def _cropped(canvas: Canvas) -> Image:
    """Return a drawing without the empty ground around it, its colours multiplied by alpha."""
    image = canvas.image()
    rows, columns = (np.flatnonzero(image[..., 3].max(axis=axis)) for axis in (1, 0))
    image = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return premultiplied(image[..., :3].astype(np.float32), image[..., 3] / 255)
