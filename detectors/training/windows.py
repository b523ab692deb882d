"""Makes training windows: real crops, drawn signs pasted on photographs, and background, all degraded alike.

Every class is seen as a photograph and as a drawing, with the same light, blur, noise and compression, so that a
network cannot tell the two apart and learn that instead of the sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.geometry import CROP_SCALE, NARROWEST
from detectors.labels import MIRRORED, OTHER
from detectors.picture import Image
from detectors.training.data import Crop, Photo, Template

T = TypeVar("T")
Box = tuple[float, float, float, float]
Floats = NDArray[np.float32]
CANVAS = 112
"""Side of the canvas on which a sign is pasted, in pixels."""
TRIANGLES = (11, *range(18, 32))
SHAPES = dict.fromkeys(TRIANGLES, 3) | {13: -3, 12: 4, 14: 8}
"""Corners of a class's outline (-3: a triangle on its tip); a class that is missing is round."""


@dataclass(frozen=True, slots=True)
class Jitter:
    """How far a window strays from the sign's own crop. Larger: more robust to rough proposals, less sharp.

    shift: largest offset of the centre, in sides of the sign
    scale: largest scaling, in octaves
    squareness: 0 keeps the crop's own aspect; up to this share of the way to a square, which is what a scanner tells
    """

    shift: float
    scale: float
    squareness: float


TIGHT = Jitter(0.07, 0.15, 0.15)
LOOSE = Jitter(0.30, 0.60, 1.0)


def pick(stock: Sequence[T], rng: np.random.Generator) -> T:
    """One of a stock, at random."""
    return stock[int(rng.integers(len(stock)))]


def mirrored(crop: Crop) -> Crop:
    """The crop as seen in a mirror, its class unchanged."""
    width = crop.image.shape[1]
    x1, y1, x2, y2 = crop.box
    return Crop(np.ascontiguousarray(crop.image[:, ::-1]), (width - x2, y1, width - x1, y2), crop.class_id, crop.track)


def turned(crop: Crop) -> Crop:
    """The crop turned left by a quarter, its class unchanged."""
    width = crop.image.shape[1]
    x1, y1, x2, y2 = crop.box
    return Crop(np.ascontiguousarray(np.rot90(crop.image)), (y1, width - x2, y2, width - x1), crop.class_id, crop.track)


QUARTERS_LEFT = {35: (1, 3), 38: (1,), 39: (3,)}
"""Turns after which an arrow is a sign outside the 43; others make one of the 43, or a sign that nobody sets up."""
MADE_OTHER = (21, 24, *QUARTERS_LEFT)


def made_other(crop: Crop, rng: np.random.Generator) -> Crop:
    """A photograph of a sign that is none of the 43, made from one of MADE_OTHER.

    An ahead-only arrow turned by 90 degrees is a turn-here arrow; a road that narrows on the right, mirrored, narrows
    on the left. They keep "other" from being a matter of drawings alone.
    """
    if crop.class_id in QUARTERS_LEFT:
        made = crop
        for _ in range(rng.choice(QUARTERS_LEFT[crop.class_id])):
            made = turned(made)
    else:
        made = mirrored(crop)
    return Crop(made.image, made.box, OTHER, made.track)


def cut(
    image: Image, box: Box, side: int, jitter: Jitter, rng: np.random.Generator, *, sign_px: float, strength: float
) -> tuple[Image, Box]:
    """Cut a jittered window around a box: RGB uint8 (side, side, 3), and the box in it.

    sign_px: size at which the sign is seen before the window is brought to `side`; a small value gives the look of a
    distant sign. The window is degraded at that size, as a camera and a codec would.
    strength: of the degradation (see `degrade`)
    """
    x1, y1, x2, y2 = box
    sides = np.array([x2 - x1, y2 - y1])
    sides = np.maximum(sides, NARROWEST * sides.max())
    sides = sides * (sides.max() / sides) ** rng.uniform(0, jitter.squareness)
    window = sides * CROP_SCALE * 2.0 ** (rng.uniform(-jitter.scale, jitter.scale) + rng.normal(0, 0.05, 2))
    native = np.clip(np.round(window * sign_px / max(x2 - x1, y2 - y1)), 8, 160).astype(int)
    if (shrink := float((window / native).min())) > 1.6:  # average first: a linear warp would skip pixels
        h, w = image.shape[:2]
        size_wh = max(4, round(w / shrink * 1.25)), max(4, round(h / shrink * 1.25))
        image = np.asarray(cv2.resize(image, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
        factor = np.array([size_wh[0] / w, size_wh[1] / h])
        x1, y1, x2, y2 = (np.array(box) * np.tile(factor, 2)).tolist()
        window, sides = window * factor, sides * factor
    centre = np.array([(x1 + x2) / 2, (y1 + y2) / 2])
    seen = centre + rng.uniform(-jitter.shift, jitter.shift, 2) * sides
    angle = np.deg2rad(rng.normal(0, 3.5))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = np.diag(native / window) @ turn @ np.array([[1, rng.normal(0, 0.03)], [0, 1]])
    matrix = np.concatenate([linear, (native / 2 - linear @ seen)[:, None]], axis=1)
    size = (int(native[0]), int(native[1]))
    warped = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    degraded = degrade(np.asarray(warped, np.uint8), rng, strength)
    how = cv2.INTER_AREA if native.min() > side else cv2.INTER_LINEAR
    mid = (linear @ (centre - seen) + native / 2) * (side / native)
    half = np.array([x2 - x1, y2 - y1]) / 2 * (side / window)
    placed = (float(mid[0] - half[0]), float(mid[1] - half[1]), float(mid[0] + half[0]), float(mid[1] + half[1]))
    return np.asarray(cv2.resize(degraded, (side, side), interpolation=how), np.uint8), placed


def degrade(image: Image, rng: np.random.Generator, strength: float) -> Image:
    """Light, blur, sensor noise and compression of a dashcam, at the size at which the camera sees the sign.

    strength: 1 for a drawing; less for a photograph, which has seen some of it already
    """
    h, w = image.shape[:2]
    x = image.astype(np.float32)
    if rng.random() < 0.12:  # a sticker, a twig, snow, a lamp's reflection
        size = rng.uniform(0.08, 0.36, 2) * (w, h)
        centre = rng.uniform(0.15, 0.85, 2) * (w, h)
        axes = (int(size[0] / 2) + 1, int(size[1] / 2) + 1)
        colour = rng.uniform(0, 255, 3).tolist() if rng.random() < 0.5 else [rng.uniform(0, 255)] * 3
        cv2.ellipse(x, (int(centre[0]), int(centre[1])), axes, rng.uniform(0, 180), 0, 360, colour, -1)
    x = (
        x
        * np.float32(2.0 ** rng.normal(0, 0.2 + 0.2 * strength))
        * rng.normal(1, 0.05 * strength, 3).astype(np.float32)
    )
    x += np.float32(rng.normal(0, 10 * strength))
    if rng.random() < 0.3 * strength:  # light that falls off across the sign, or the edge of a shadow
        across = rng.random() < 0.5
        line = np.linspace(-1, 1, w if across else h, dtype=np.float32)
        depth = np.float32(rng.normal(0, 0.3))
        ramp = depth * line if rng.random() < 0.6 else np.where(line > rng.uniform(-1, 1), depth, np.float32(0))
        x *= 1 + (ramp[None, :, None] if across else ramp[:, None, None])
    if rng.random() < 0.2 * strength:  # haze, and the dark of the evening
        x = x * np.float32(c := rng.uniform(0.35, 0.85)) + np.float32((1 - c) * rng.uniform(20, 220))
    if rng.random() < 0.08:  # the sun on it: what is bright has no colour and hardly a picture left
        x = x * np.float32(2.0 ** rng.uniform(0.4, 1.6)) + np.float32(rng.uniform(0, 60))
        x = 255 - np.abs(255 - np.minimum(x, 255)) ** np.float32(rng.uniform(0.85, 1.0))
    if rng.random() < 0.3 * strength:
        grey = x.mean(axis=2, keepdims=True)
        x = grey + (x - grey) * np.float32(rng.uniform(0.3, 1.4))
    if rng.random() < 0.5 * strength:
        x = _blurred(x, max(0.25, abs(rng.normal(0, 0.026)) * max(w, h)))
    if rng.random() < 0.25 * strength and (length := int(rng.uniform(0.03, 0.14) * max(w, h))) > 1:
        kernel = np.zeros((length, length), np.float32)
        direction = rng.uniform(-1, 1, 2) * (length / 2)
        mid = (length - 1) / 2
        ends = np.round(mid + np.array([direction, -direction])).astype(int)
        cv2.line(kernel, tuple(map(int, ends[0])), tuple(map(int, ends[1])), 1.0)
        x = np.asarray(cv2.filter2D(x, -1, kernel / kernel.sum()), np.float32)
    if rng.random() < 0.7 * strength:
        x = x + rng.standard_normal(x.shape, np.float32) * np.float32(rng.exponential(4.0))
    out = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.6 * strength:
        quality = int(rng.uniform(22, 92))
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, quality])
        assert ok
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return out


def _blurred(image: Floats, sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def outline(class_id: int, box: Box, grow: float, shape_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Mask of a sign's outline by its class: uint8 (H, W), 255 inside. grow: share of the side added to it."""
    x1, y1, x2, y2 = box
    cx, cy, rx, ry = (x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2 * (1 + grow), (y2 - y1) / 2 * (1 + grow)
    corners = SHAPES.get(class_id, 0)
    if corners in (3, -3):
        up = 1 if corners == 3 else -1
        points = [(cx - rx, cy + up * ry), (cx + rx, cy + up * ry), (cx, cy - up * ry)]
    elif corners == 8:
        t = np.deg2rad(22.5 + 45 * np.arange(8))
        points = list(zip(cx + rx * 1.08 * np.cos(t), cy + ry * 1.08 * np.sin(t), strict=True))
    elif corners == 4:
        points = [(cx - rx, cy), (cx, cy - ry), (cx + rx, cy), (cx, cy + ry)]
    else:
        t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
        points = list(zip(cx + rx * np.cos(t), cy + ry * np.sin(t), strict=True))
    mask = np.zeros(shape_hw, np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(points) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return mask


class Studio:
    """Pastes signs on photographs. Passive and single-threaded; the generator it is given makes it repeatable.

    crops: real signs; templates: drawn ones; photos: places without signs, or with those marked that there are
    """

    def __init__(self, crops: list[Crop], templates: list[Template], photos: list[Photo]) -> None:
        self.by_class: dict[int, list[Crop]] = {}
        for crop in crops:
            self.by_class.setdefault(crop.class_id, []).append(crop)
        self.drawn: dict[int, list[Template]] = {}
        for template in templates:
            self.drawn.setdefault(template.class_id, []).append(template)
        self.photos = photos
        self.tones = [tones(crop) for crop in crops[:: max(1, len(crops) // 4000)]]

    def background(self, side: int, rng: np.random.Generator) -> Image:
        """A piece of a photograph, RGB uint8 (side, side, 3), at a random scale, off every marked or boxed place."""
        for _ in range(20):
            photo = pick(self.photos, rng)
            h, w = photo.image.shape[:2]
            size = int(np.exp(rng.uniform(np.log(14), np.log(min(h, w)))))
            x, y = int(rng.integers(0, w - size + 1)), int(rng.integers(0, h - size + 1))
            if photo.marked is not None and photo.marked[y : y + size, x : x + size].any():
                continue
            piece = photo.image[y : y + size, x : x + size]
            if rng.random() < 0.5:
                piece = piece[:, ::-1]
            how = cv2.INTER_AREA if size > side else cv2.INTER_LINEAR
            return np.asarray(cv2.resize(piece, (side, side), interpolation=how), np.uint8)
        raise RuntimeError("no place without a sign in twenty tries: the photographs are marked all over")

    def real(self, class_id: int, rng: np.random.Generator) -> Crop:
        """A real sign of a class: as it is, mirrored from its mirror image, replanted, half hidden."""
        stock = self.by_class[class_id]
        source = next((s for s, shown in MIRRORED.items() if shown == class_id), None)
        if source is not None and rng.random() < 0.25 and source in self.by_class:
            seen = mirrored(pick(self.by_class[source], rng))
            crop = Crop(seen.image, seen.box, class_id, seen.track)
        else:
            crop = pick(stock, rng)
        crop = self.replanted(crop, rng) if rng.random() < 0.35 else crop
        return self.hidden(crop, rng) if rng.random() < 0.1 else crop

    def hidden(self, crop: Crop, rng: np.random.Generator) -> Crop:
        """The sign behind a trunk or a post, or with leaves over one side of it: up to four tenths are gone."""
        h, w = crop.image.shape[:2]
        x1, y1, x2, y2 = crop.box
        angle = rng.normal(0, 0.35) if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
        y, x = np.mgrid[:h, :w]
        across = (x - (x1 + x2) / 2) / (x2 - x1) * np.cos(angle) + (y - (y1 + y2) / 2) / (y2 - y1) * np.sin(angle)
        if rng.random() < 0.5:
            over = np.abs(across - rng.uniform(-0.4, 0.4)) < rng.uniform(0.05, 0.17)
        else:
            ragged = cv2.resize(rng.normal(0, 0.08, (6, 6)).astype(np.float32), (w, h), interpolation=cv2.INTER_CUBIC)
            over = across + ragged > rng.uniform(0.08, 0.4)
        ground = self.background(max(h, w), rng)[:h, :w]
        mask = _blurred(over.astype(np.float32), max(0.4, w * 0.012))[..., None]
        image = (ground * mask + crop.image * (1 - mask)).astype(np.uint8)
        return Crop(image, crop.box, crop.class_id, crop.track)

    def replanted(self, crop: Crop, rng: np.random.Generator) -> Crop:
        """The sign cut out along its outline and set before another background."""
        h, w = crop.image.shape[:2]
        pad = max(h, w) // 2
        ground = self.background(max(h, w) + 2 * pad, rng)[: h + 2 * pad, : w + 2 * pad].astype(np.float32)
        ground *= np.float32(np.clip((crop.image.mean() + 20) / (ground.mean() + 20), 0.3, 3.0))
        sharp = outline(crop.class_id, crop.box, rng.uniform(0.0, 0.08), (h, w)).astype(np.float32)
        mask = _blurred(sharp, max(0.4, w * 0.012))[..., None] / np.float32(255)
        place = ground[pad : pad + h, pad : pad + w]
        place[:] = crop.image * mask + place * (1 - mask)
        x1, y1, x2, y2 = crop.box
        image = np.clip(ground, 0, 255).astype(np.uint8)
        return Crop(image, (x1 + pad, y1 + pad, x2 + pad, y2 + pad), crop.class_id, crop.track)

    def drawing(self, class_id: int, rng: np.random.Generator) -> Crop:
        """A drawn sign of a class, lit like a photograph and pasted in perspective, at times with a neighbour."""
        ground = self.background(CANVAS, rng).astype(np.float32)
        low, high = pick(self.tones, rng)
        side = rng.uniform(0.38, 0.52) * CANVAS
        centre = np.array([CANVAS / 2, CANVAS / 2]) + rng.normal(0, 2, 2)
        if rng.random() < 0.4:  # a post behind it
            x, half = int(centre[0] + rng.normal(0, 0.06 * side)), int(rng.uniform(0.02, 0.06) * side) + 1
            ground[int(centre[1]) :, max(0, x - half) : x + half] = rng.uniform(40, 210)
        if rng.random() < 0.35:  # a neighbour on the same post
            other = pick(self.drawn[int(rng.integers(0, OTHER + 1))], rng)
            gap = side * rng.uniform(1.02, 1.15) * (1 if rng.random() < 0.5 else -1)
            paste(ground, other.rgba, centre + np.array([0, gap]), side, low, high, rng)
        box = paste(ground, pick(self.drawn[class_id], rng).rgba, centre, side, low, high, rng)
        if rng.random() < 0.12:  # something hides a corner of it
            size = int(side * rng.uniform(0.15, 0.4))
            x, y = (int(v) for v in centre + rng.choice([-1, 1], 2) * side * rng.uniform(0.35, 0.5, 2) - size / 2)
            x, y = max(0, x), max(0, y)
            piece = self.background(size, rng)
            region = ground[y : y + size, x : x + size]
            region[:] = piece[: region.shape[0], : region.shape[1]]
        return Crop(np.clip(ground, 0, 255).astype(np.uint8), box, class_id, "drawn")


def tones(crop: Crop) -> tuple[Floats, Floats]:
    """Darkest and brightest tones of a real sign, (3,) each: what black and white look like in its light."""
    x1, y1, x2, y2 = (round(v) for v in crop.box)
    inner = crop.image[y1:y2, x1:x2].reshape(-1, 3).astype(np.float32)
    light = inner.mean(axis=1)
    dark, bright = np.percentile(light, [4, 96])
    low, high = inner[light <= dark].mean(axis=0), inner[light >= bright].mean(axis=0)
    return low.astype(np.float32), np.maximum(high, low + 12).astype(np.float32)


def paste(
    ground: Floats,
    rgba: NDArray[np.uint8],
    centre: NDArray[np.float64],
    side: float,
    low: Floats,
    high: Floats,
    rng: np.random.Generator,
) -> Box:
    """Paste a drawn sign into `ground` (float32 (H, W, 3), changed) around `centre`; return its box."""
    h, w = rgba.shape[:2]
    scale = side / max(h, w)
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]]) / 2 * scale
    yaw = rng.normal(0, 0.22)
    angle = rng.normal(0, 0.06)
    corners[:, 0] *= np.cos(yaw)
    corners[:, 1] *= 1 + 0.25 * np.sin(yaw) * np.sign(corners[:, 0])
    corners = corners @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]) + centre
    corners += rng.normal(0, 0.012 * side, corners.shape)
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    matrix = cv2.getPerspectiveTransform(source, corners.astype(np.float32))
    size_wh = ground.shape[1], ground.shape[0]
    area = rgba if scale > 0.6 else cv2.blur(rgba, (k := int(0.9 / scale) | 1, k))
    warped = cv2.warpPerspective(area, matrix, size_wh, flags=cv2.INTER_LINEAR).astype(np.float32)
    alpha = warped[..., 3:] / 255
    faded = warped[..., :3] / 255
    if rng.random() < 0.5:  # paint that has aged
        grey = faded.mean(axis=2, keepdims=True)
        faded = grey + (faded - grey) * np.float32(rng.uniform(0.55, 1.0))
    ground[:] = (low + (high - low) * faded) * alpha + ground * (1 - alpha)
    ys, xs = np.nonzero(alpha[..., 0] > 0.4)
    if not len(xs):
        return (float(centre[0] - 1), float(centre[1] - 1), float(centre[0] + 1), float(centre[1] + 1))
    return float(xs.min()), float(ys.min()), float(xs.max() + 1), float(ys.max() + 1)
