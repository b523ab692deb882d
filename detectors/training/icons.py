"""Logos that are drawn, and what a camera makes of them: colours drawn freely, perspective, cloth, LED, light, codec.

Artwork comes from the icons of `simple-icons-pack` (one colour each), from icon sets in Iconify's JSON form (coloured;
npm `@iconify-json/logos`) and from words (`wordmarks.py`). `Camera` cuts what it makes as inference cuts its
crops: by a box that may be off, with the shared margin. This file knows nothing of networks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.errors import DataError
from detectors.geometry import CROP_SCALE, NARROWEST
from detectors.picture import Image
from detectors.rendering import draw_svg
from detectors.training.data import Photo
from detectors.training.windows import degrade, pick
from detectors.training.wordmarks import word_mark

ARTWORK_PX = 128
"""Longer side of an artwork: twice the window that shows it."""
HELD = 300
"""Icons that are never trained on: `wayside evaluate logos --rendered` asks for them."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Artwork:
    """What is drawn of a brand, cut to its edges. rgba: uint8 (h, w, 4), longer side ARTWORK_PX.

    ink: the one colour it is drawn in, RGB, or None where it has several
    """

    name: str
    rgba: NDArray[np.uint8]
    ink: tuple[int, int, int] | None = None


# ---------------------------------------------------------------------------------------------- what is drawn


def simple_icons(*, quiet: bool = True) -> list[Artwork]:
    """Every icon of `simple-icons-pack`, in its brand's colour, sorted by name."""
    if find_spec("simple_icons_pack") is None:
        raise DataError("drawn logos need simple-icons-pack: pip install simple-icons-pack")
    import simple_icons_pack as pack

    icons = sorted((getattr(pack, name) for name in dir(pack) if name.startswith("SI_")), key=lambda icon: icon.slug)
    made = []
    for icon in tqdm(icons, desc="simple-icons", unit="icon", disable=quiet):
        rgba = render(icon.svg)
        if rgba is not None:
            ink = tuple(int(icon.hex[i : i + 2], 16) for i in (0, 2, 4))
            rgba[..., :3] = ink
            made.append(Artwork(icon.slug, rgba, (ink[0], ink[1], ink[2])))
    return made


def iconify(path: Path, *, quiet: bool = True) -> list[Artwork]:
    """The icons of a set in Iconify's JSON form. Raises DataError where it is none."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        icons, width, height = told["icons"], told.get("width", 16), told.get("height", 16)
        bodies = [(name, i["body"], i.get("width", width), i.get("height", height)) for name, i in icons.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path}: not a set of icons in Iconify's JSON form: {error}") from error
    made = []
    for name, body, w, h in tqdm(sorted(bodies), desc=path.parent.name, unit="icon", disable=quiet):
        rgba = render(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}">{body}</svg>')
        if rgba is not None:
            made.append(Artwork(name, rgba))
    return made


def render(svg: str) -> NDArray[np.uint8] | None:
    """An SVG cut to what is drawn, longer side ARTWORK_PX; None where nothing is, or where it is not readable."""
    try:
        return trimmed(draw_svg(svg, width=2 * ARTWORK_PX))
    except DataError:
        return None  # a few of the public files are not well-formed


def trimmed(rgba: NDArray[np.uint8]) -> NDArray[np.uint8] | None:
    """Cut to what is drawn and bring the longer side to ARTWORK_PX; None where hardly anything is drawn."""
    ys, xs = np.nonzero(rgba[..., 3] > 24)
    if not len(xs) or min(np.ptp(xs), np.ptp(ys)) < 6:
        return None
    cut = rgba[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    h, w = cut.shape[:2]
    scale = ARTWORK_PX / max(h, w)
    size_wh = max(2, round(w * scale)), max(2, round(h * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(cut), size_wh, interpolation=how), np.uint8)


def words(count: int, seed: int) -> list[Artwork]:
    """Word marks of invented names (`wordmarks.py`): half of what stands on boards is words."""
    rng = np.random.default_rng(seed)
    made: list[Artwork] = []
    while len(made) < count:
        drawn = word_mark(rng)
        colours = np.unique(drawn[drawn[..., 3] > 128][:, :3], axis=0)
        rgba = trimmed(drawn)
        if rgba is not None:
            ink = tuple(int(v) for v in colours[0]) if len(colours) == 1 else None
            made.append(Artwork(f"word {len(made)}", rgba, None if ink is None else (ink[0], ink[1], ink[2])))
    return made


def held_icons(icons: Sequence[Artwork]) -> frozenset[str]:
    """Names of the HELD icons that are kept for measuring: those whose names hash lowest, the same in every release."""
    by_hash = sorted(icons, key=lambda icon: hashlib.sha256(icon.name.encode()).digest())
    return frozenset(icon.name for icon in by_hash[:HELD])


# ---------------------------------------------------------------------------------------------- what is seen


@dataclass(frozen=True, slots=True)
class Looks:
    """How much a camera changes what it sees.

    px: least and greatest longer side of the logo, in pixels, as it is seen; strength: of light, blur and codec (see
    `windows.degrade`); free: share of views in freely drawn colours; shift, scale: how far off the box may be, in
    shares of its sides and in octaves; rare: share of views on cloth or LED, or with a neighbour; plain: no sun, haze,
    stickers or bare ground behind it, but dimmed, blurred and compressed alone
    """

    px: tuple[float, float] = (14.0, 80.0)
    strength: float = 0.5
    free: float = 0.7
    shift: float = 0.14
    scale: float = 0.32
    rare: float = 0.12
    plain: bool = False


class Camera:
    """Makes views. Passive and single-threaded; the generator that it is given makes it repeatable.

    photos: what lies behind and around a logo; neighbours: artwork that at times stands beside another
    """

    def __init__(self, photos: Sequence[Photo], neighbours: Sequence[Artwork], looks: Looks | None = None) -> None:
        self.photos, self.neighbours, self.looks = photos, neighbours, looks or Looks()

    def view(self, artwork: Artwork, side: int, rng: np.random.Generator, *, free: bool | None = None) -> Image:
        """A crop of a drawn logo as a camera sees it: RGB uint8 (side, side, 3).

        free: in freely drawn colours, or in its own (None: drawn)
        """
        looks = self.looks
        h, w = artwork.rgba.shape[:2]
        px = float(np.exp(rng.uniform(*np.log(looks.px))))
        corners = quad(w, h, px / max(w, h), rng)
        size_wh, place = framed(corners, looks, rng)
        picture = self.board(size_wh, rng)
        free = rng.random() < looks.free if free is None else free
        matrix, board = inks(artwork, free, rng)
        ground = rng.random() * (0.85 if looks.plain else 1.0)
        if ground < 0.6:  # a board of one colour, hardly lit unevenly
            picture = (np.float32(0.92) * board + np.float32(0.08) * picture).astype(np.float32)
        elif ground < 0.85:  # a plate a little larger than the logo
            reach = rng.uniform(1.03, 1.3)
            outer = ((corners - corners.mean(0)) * reach + corners.mean(0)) @ place[:, :2].T + place[:, 2]
            mask = np.zeros(picture.shape[:2], np.uint8)
            cv2.fillPoly(mask, [np.round(outer * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
            cover = mask[..., None] / np.float32(255)
            picture = (picture * (1 - cover) + board * cover).astype(np.float32)
        if self.neighbours and rng.random() < looks.rare:
            beside = pick(self.neighbours, rng)
            other = quad(beside.rgba.shape[1], beside.rgba.shape[0], px / max(beside.rgba.shape[:2]), rng)
            far = (np.ptp(corners, axis=0) + np.ptp(other, axis=0)) / 2 * rng.uniform(1.02, 1.25)
            across = rng.random() < 0.7
            other += np.array([far[0], 0.0] if across else [0.0, far[1]]) * rng.choice([-1, 1])
            paste(
                picture, beside.rgba, other, place, matrix if beside.ink == artwork.ink else inks(beside, free, rng)[0]
            )
        paste(picture, artwork.rgba, corners, place, matrix)
        if not looks.plain and rng.random() < 0.3:  # gloss, weave, shadows: a little of a photograph lies over it
            over = self.board(size_wh, rng)
            picture = picture + np.float32(rng.uniform(0.1, 0.45)) * (over - over.mean(axis=(0, 1)))
        if rng.random() < looks.rare:
            picture = cloth(picture, rng)
        if rng.random() < 0.6 * looks.rare:
            picture = led(picture, rng)
        return finished(np.clip(picture, 0, 255).astype(np.uint8), side, looks, rng)

    def board(self, size_wh: tuple[int, int], rng: np.random.Generator) -> Floats:
        """A piece of a photograph: float32 (h, w, 3)."""
        image = pick(self.photos, rng).image
        h, w = image.shape[:2]
        size = int(np.exp(rng.uniform(np.log(16), np.log(min(h, w)))))
        x, y = int(rng.integers(0, w - size + 1)), int(rng.integers(0, h - size + 1))
        piece = cv2.resize(image[y : y + size, x : x + size], size_wh, interpolation=cv2.INTER_AREA)
        return np.asarray(piece, np.float32)

    def photographed(
        self, image: Image, box: tuple[float, float, float, float], side: int, rng: np.random.Generator
    ) -> Image:
        """A crop of a place in a photograph, seen again from elsewhere: smaller, turned, relit."""
        looks = self.looks
        x1, y1, x2, y2 = box
        w, h = x2 - x1, y2 - y1
        own = max(w, h)
        px = float(np.exp(rng.uniform(np.log(min(own, looks.px[0] * 1.3)), np.log(min(own, 100.0)))))
        corners = quad(w, h, px / own, rng, most=0.5)
        size_wh, place = framed(corners, looks, rng)
        away = max(1.0, own / px / 1.6)
        if away > 1:  # average first: a linear warp would skip pixels
            ih, iw = image.shape[:2]
            small_wh = max(4, round(iw / away)), max(4, round(ih / away))
            image = np.asarray(cv2.resize(image, small_wh, interpolation=cv2.INTER_AREA), np.uint8)
            x1, x2, y1, y2 = x1 * small_wh[0] / iw, x2 * small_wh[0] / iw, y1 * small_wh[1] / ih, y2 * small_wh[1] / ih
        source = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float32)
        target = (corners @ place[:, :2].T + place[:, 2]).astype(np.float32)
        matrix = cv2.getPerspectiveTransform(source, target)
        seen = np.asarray(cv2.warpPerspective(image, matrix, size_wh, borderMode=cv2.BORDER_REFLECT_101), np.uint8)
        if rng.random() < 0.3:
            seen = recoloured(seen, rng)
        return finished(seen, side, replace(looks, strength=0.5 * looks.strength), rng)


def quad(w: float, h: float, scale: float, rng: np.random.Generator, most: float = 1.0) -> NDArray[np.float64]:
    """Corners (4, 2) of a flat thing w by h, scaled, seen from aside and turned a little, around (0, 0)."""
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 * scale
    yaw, pitch = rng.normal(0, 0.35 * most), rng.normal(0, 0.2 * most)
    depth = 1 + 0.35 * (np.sin(yaw) * np.sign(corners[:, :1]) + np.sin(pitch) * np.sign(corners[:, 1:]))
    corners = corners * [np.cos(yaw), np.cos(pitch)] / np.maximum(depth, 0.4)
    angle = rng.normal(0, 0.06 if rng.random() < 0.8 else 0.25) * most
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return np.asarray(corners, np.float64)


def framed(
    corners: NDArray[np.float64], looks: Looks, rng: np.random.Generator
) -> tuple[tuple[int, int], NDArray[np.float64]]:
    """The crop of a box that is off: its size in pixels as seen, and the (2, 3) map from the corners' frame into it."""
    low, high = corners.min(0), corners.max(0)
    sides = np.maximum(high - low, 1.0)
    centre = (low + high) / 2 + rng.uniform(-looks.shift, looks.shift, 2) * sides
    sides = sides * 2.0 ** (rng.uniform(-0.6, 1.0) * looks.scale + rng.normal(0, 0.3 * looks.scale, 2))
    area = np.maximum(sides, NARROWEST * sides.max()) * CROP_SCALE
    size = np.clip(np.round(area), 8, 128).astype(int)
    stretch = size / area
    place = np.array([[stretch[0], 0, size[0] / 2 - stretch[0] * centre[0]], [0, stretch[1], 0]])
    place[1, 2] = size[1] / 2 - stretch[1] * centre[1]
    return (int(size[0]), int(size[1])), place


def paste(
    picture: Floats, rgba: NDArray[np.uint8], corners: NDArray[np.float64], place: NDArray[np.float64], colours: Floats
) -> None:
    """Paste an artwork into `picture` (float32 (h, w, 3), changed); colours: (3, 4), applied to RGB and 1."""
    h, w = rgba.shape[:2]
    target = (corners @ place[:, :2].T + place[:, 2]).astype(np.float32)
    away = min(w / max(1.0, np.ptp(target[:, 0])), h / max(1.0, np.ptp(target[:, 1])))
    if away > 1.5:  # average first: a linear warp would skip pixels
        size_wh = max(2, round(w / away * 1.2)), max(2, round(h / away * 1.2))
        rgba = np.asarray(cv2.resize(rgba, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        h, w = rgba.shape[:2]
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    warped = cv2.warpPerspective(rgba, matrix, (picture.shape[1], picture.shape[0])).astype(np.float32)
    alpha = warped[..., 3:] / np.float32(255)
    colour = warped[..., :3] @ colours[:, :3].T + colours[:, 3]
    picture[:] = np.clip(colour, 0, 255) * alpha + picture * (1 - alpha)


LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def inks(artwork: Artwork, free: bool, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """What becomes of an artwork's colours: a (3, 4) map of RGB and 1, a board's colour (3,).

    A drawing of one colour gets another, or its own with the board that its brand may use; one of several colours is
    turned in hue, inverted, mixed anew or brought down to two tones.
    """
    keep = np.concatenate([np.eye(3, dtype=np.float32), np.zeros((3, 1), np.float32)], axis=1)
    if artwork.ink is not None:
        own = np.array(artwork.ink, np.float32)
        if free:
            ink, board = apart(rng)
        else:
            ink, board = own, np.full(3, 255 if own @ LUMA < 150 else rng.uniform(0, 40), np.float32)
            if rng.random() < 0.35:
                ink, board = (np.full(3, 255, np.float32) if own @ LUMA < 190 else np.zeros(3, np.float32)), own
        return np.concatenate([np.zeros((3, 3), np.float32), ink[:, None]], axis=1), board
    colours = artwork.rgba[..., :3][artwork.rgba[..., 3] > 128].astype(np.float32)
    if not free:
        light = float(np.median(colours @ LUMA)) if len(colours) else 128.0
        return keep, np.full(3, 255 if light < 190 else rng.uniform(0, 60), np.float32)
    kind = rng.random()
    ink, board = apart(rng)
    if kind < 0.35:  # two tones by lightness
        low, high = np.percentile(colours @ LUMA, [3, 97]) if len(colours) else (0, 255)
        if high - low < 40:  # one tone: a silhouette
            return np.concatenate([np.zeros((3, 3), np.float32), ink[:, None]], axis=1), board
        other = apart_from(ink, rng)
        slope = (other - ink) / np.float32(high - low)
        return np.concatenate([slope[:, None] * LUMA, (ink - slope * np.float32(low))[:, None]], axis=1), board
    if kind < 0.45 and (artwork.rgba[..., 3] > 128).mean() < 0.75:
        return np.concatenate([np.zeros((3, 3), np.float32), ink[:, None]], axis=1), board
    if kind < 0.55:
        return np.concatenate([-np.eye(3, dtype=np.float32), np.full((3, 1), 255, np.float32)], axis=1), board
    linear = hue_turn(rng)
    linear *= np.float32(rng.uniform(0.7, 1.1))
    middle = np.full(3, 128, np.float32)
    return np.concatenate([linear, (middle - linear @ middle)[:, None]], axis=1), board


def hue_turn(rng: np.random.Generator) -> Floats:
    """A turn of colour about the grey axis, mostly; at times the channels change places: (3, 3)."""
    if rng.random() < 0.3:
        return np.eye(3, dtype=np.float32)[rng.permutation(3)]
    angle = rng.uniform(0.3, 2 * np.pi - 0.3)
    c, s = np.cos(angle), np.sin(angle) / np.sqrt(3)
    third = (1 - c) / 3
    return np.array([[c + third, third - s, third + s], [third + s, c + third, third - s],
                     [third - s, third + s, c + third]], np.float32)  # fmt: skip


def apart(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Two colours, ink and board, that a person can tell apart."""
    ink = colour(rng)
    return ink, apart_from(ink, rng)


def apart_from(ink: Floats, rng: np.random.Generator) -> Floats:
    for _ in range(8):
        board = colour(rng)
        if abs(float((ink - board) @ LUMA)) > 60:
            return board
    return np.full(3, 255 if ink @ LUMA < 128 else 0, np.float32)


def colour(rng: np.random.Generator) -> Floats:
    """White, black, a grey, or any colour."""
    kind = rng.random()
    if kind < 0.45:
        return np.full(3, 255 if kind < 0.2 else 0 if kind < 0.35 else rng.uniform(20, 235), np.float32)
    return rng.uniform(0, 255, 3).astype(np.float32)


def recoloured(image: Image, rng: np.random.Generator) -> Image:
    """A photograph in other colours, its lightness kept or inverted."""
    linear = hue_turn(rng) * np.float32(rng.uniform(0.3, 1.0))
    linear += (1 - linear.sum(axis=1, keepdims=True)) * LUMA  # grey stays grey
    x = image.astype(np.float32) @ linear.T
    if rng.random() < 0.25:
        x = 255 - x
    return np.clip(x, 0, 255).astype(np.uint8)


def cloth(picture: Floats, rng: np.random.Generator) -> Floats:
    """Folds: the picture is drawn out along waves, and lit along them."""
    h, w = picture.shape[:2]
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    angle, length = rng.uniform(0, np.pi), max(h, w) * rng.uniform(0.3, 1.2)
    wave = 2 * np.pi * (xs * np.cos(angle) + ys * np.sin(angle)) / length + rng.uniform(0, 2 * np.pi)
    swing = np.sin(wave + 0.6 * np.sin(0.7 * wave)).astype(np.float32)
    depth = rng.uniform(0.01, 0.05) * max(h, w)
    dx, dy = depth * np.sin(angle), depth * np.cos(angle)
    moved = cv2.remap(
        picture, (xs + dx * swing).astype(np.float32), (ys + dy * swing).astype(np.float32),
        cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101,
    )  # fmt: skip
    lit = 1 + np.float32(rng.uniform(0.05, 0.3)) * np.cos(wave)[..., None]
    return np.asarray(moved * lit, np.float32)


def led(picture: Floats, rng: np.random.Generator) -> Floats:
    """A wall of lamps: a grid of dots with dark between them."""
    h, w = picture.shape[:2]
    pitch = max(2, round(max(h, w) / rng.uniform(12, 36)))
    coarse = cv2.resize(picture, (max(4, w // pitch), max(4, h // pitch)), interpolation=cv2.INTER_AREA)
    dots = np.asarray(cv2.resize(coarse, (w, h), interpolation=cv2.INTER_NEAREST), np.float32)
    lamp = (
        np.sin(np.pi * (np.arange(w) % pitch + 0.5) / pitch)[None]
        * np.sin(np.pi * (np.arange(h) % pitch + 0.5) / pitch)[:, None]
    )
    return np.asarray(dots * (1 - rng.uniform(0.1, 0.7) * (1 - lamp[..., None])), np.float32)


def finished(seen: Image, side: int, looks: Looks, rng: np.random.Generator) -> Image:
    """Light, blur and codec at the size as seen, then brought to the window."""
    seen = np.ascontiguousarray(seen)
    out = dimmed(seen, rng) if looks.plain else degrade(seen, rng, looks.strength)
    how = cv2.INTER_AREA if min(out.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(out, (side, side), interpolation=how), np.uint8)


def dimmed(seen: Image, rng: np.random.Generator) -> Image:
    """Down to two fifths of the light, blurred by up to a thirtieth of the longer side, JPEG of quality 25 to 90."""
    x = seen.astype(np.float32) * np.float32(rng.uniform(0.4, 1.05))
    x = np.asarray(cv2.GaussianBlur(x, (0, 0), max(0.2, rng.uniform(0, 0.033) * max(x.shape[:2]))), np.float32)
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 90))]
    ok, data = cv2.imencode(".jpg", np.clip(x, 0, 255).astype(np.uint8), quality)
    assert ok
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
