"""Draws scenes with logos: artwork on boards, labels, cloth and screens in perspective on photographs, as filmed.

Every scene comes with the boxes of its logos. A board may carry a logo many times; a label of hardly more than the
logo's own size counts as part of it, as it does for the people who box them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.boxes import iou
from detectors.picture import Image
from detectors.training.windows import pick
from detectors.training.wordmarks import Artwork, to_ink, word_mark

Floats = NDArray[np.float32]
LUMA = np.array([0.3, 0.59, 0.11], np.float32)
SCENE_WH = (448, 320)
SIDES_PX = (9.0, 190.0)
"""Height of a logo in a scene, least and most; small ones are the more frequent."""
LABEL_MARGIN = 0.3
"""A label that reaches no farther than this share of the logo's height beyond it is boxed with it."""


def lockup(rng: np.random.Generator, icons: Sequence[Artwork]) -> Artwork:
    """An icon, a word mark, or both side by side or one above the other."""
    how = rng.random()
    if how < 0.38:
        return pick(icons, rng)
    word = word_mark(rng)
    if how < 0.72:
        return word
    icon = pick(icons, rng)
    is_beside = rng.random() < 0.65
    if is_beside:
        high = round(word.shape[0] * rng.uniform(0.9, 2.0))
        icon = resized(icon, high / icon.shape[0])
        parts = [icon, word] if rng.random() < 0.8 else [word, icon]
    else:
        wide = max(8, round(word.shape[1] * rng.uniform(0.3, 0.9)))
        icon = resized(icon, min(wide / icon.shape[1], 3 * word.shape[0] / icon.shape[0]))
        parts = [icon, word] if rng.random() < 0.85 else [word, icon]
    if rng.random() < 0.7:
        parts[0 if parts[1] is word else 1] = recoloured(icon, word[..., :3].reshape(-1, 3)[0].astype(np.float32))
    axis = 1 if is_beside else 0
    side = max(p.shape[1 - axis] for p in parts)
    gap = round(word.shape[0] * rng.uniform(0.1, 0.4))
    padded = []
    for part in parts:
        before = (side - part.shape[1 - axis]) // 2
        after = side - part.shape[1 - axis] - before
        pad = ((before, after), (0, gap)) if is_beside else ((0, gap), (before, after))
        padded.append(np.pad(part, (*pad, (0, 0))))
    return to_ink(np.concatenate(padded, axis=axis))


def resized(art: Artwork, scale: float) -> Artwork:
    size_wh = max(2, round(art.shape[1] * scale)), max(2, round(art.shape[0] * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(art, size_wh, interpolation=how), np.uint8)


def recoloured(art: Artwork, colour: Floats) -> Artwork:
    """The artwork in one colour, (3,)."""
    out = art.copy()
    out[..., :3] = np.clip(colour, 0, 255).astype(np.uint8)
    return out


def contrasting(colour: Floats, rng: np.random.Generator, least: float = 55.0) -> Floats:
    """A colour whose lightness differs from another's; white and black are the more frequent."""
    for _ in range(30):
        how = rng.random()
        new = (
            rng.uniform(0, 255, 3)
            if how < 0.5
            else np.full(3, rng.uniform(215, 255) if how < 0.8 else rng.uniform(0, 60))
        )
        if abs(float((new - colour) @ LUMA)) >= least:
            return new.astype(np.float32)
    return np.full(3, 255.0 if colour.mean() < 128 else 0.0, np.float32)


class Scenes:
    """Makes scenes. Passive and single-threaded; the generator it is given makes it repeatable.

    icons: artwork to paste beside the word marks that it draws; grounds: photographs to paste on
    """

    def __init__(self, icons: Sequence[Artwork], grounds: Sequence[Image]) -> None:
        self.icons, self.grounds = icons, grounds
        self.shelf: list[Artwork] = []

    def make(self, rng: np.random.Generator) -> tuple[Image, Floats]:
        """Return RGB uint8 (H, W, 3) and the boxes of all logos in it, float32 (N, 4)."""
        width, height = SCENE_WH
        image = self.ground(rng)
        boxes = np.zeros((0, 4), np.float32)
        taken = np.zeros((0, 4), np.float32)
        for _ in range(int(rng.integers(4, 11))):
            raster, alpha, places = self.item(rng)
            h, w = raster.shape[:2]
            if w > 1.3 * width or h > height:
                continue
            centre = rng.uniform((0, 0), (width, height))
            matrix = tilted(w, h, centre, rng)
            corners = moved(np.array([[0, 0, w, h]], np.float32), matrix)
            if len(taken) and (iou(corners, taken) > 0).any():
                continue
            taken = np.concatenate([taken, corners])
            set_down(image, raster, alpha, matrix, rng)
            found = moved(places, matrix)
            clipped = np.clip(found, 0, np.array([width, height, width, height], np.float32))
            whole = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) > 0.7 * np.prod(
                found[:, 2:] - found[:, :2], axis=1
            )
            boxes = np.concatenate([boxes, clipped[whole]])
        return filmed(image, rng), boxes.astype(np.float32)

    def ground(self, rng: np.random.Generator) -> Floats:
        """A photograph's piece, or a plain ground with lines as on a court; float32 (H, W, 3)."""
        width, height = SCENE_WH
        if rng.random() < 0.2:
            low, high = rng.uniform(0, 255, 3), rng.uniform(-40, 40, 3)
            ramp = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
            plain = np.broadcast_to(low + ramp * high, (height, width, 3)).astype(np.float32).copy()
            for _ in range(int(rng.integers(0, 6))):
                (x1, y1), (x2, y2) = (rng.uniform(0, 1, (2, 2)) * SCENE_WH).astype(int).tolist()
                colour = rng.uniform(0, 255, 3).tolist()
                cv2.line(plain, (x1, y1), (x2, y2), colour, int(rng.integers(1, 7)), cv2.LINE_AA)
            return plain
        photo = pick(self.grounds, rng)
        h, w = photo.shape[:2]
        share = rng.uniform(0.5, 1.0)
        cut_w = int(min(w, h * width / height) * share)
        cut_h = int(cut_w * height / width)
        x, y = int(rng.integers(0, w - cut_w + 1)), int(rng.integers(0, h - cut_h + 1))
        piece = photo[y : y + cut_h, x : x + cut_w]
        if rng.random() < 0.5:
            piece = piece[:, ::-1]
        return np.asarray(cv2.resize(piece, SCENE_WH, interpolation=cv2.INTER_AREA), np.float32)

    def artwork(self, rng: np.random.Generator) -> Artwork:
        """A lockup; one in thirty is drawn anew, the others are seen again."""
        if len(self.shelf) < 1500 or rng.random() < 0.03:
            made = lockup(rng, self.icons)
            most = max(made.shape[0] / 160, made.shape[1] / 480, 1)
            made = resized(made, 1 / most)
            if len(self.shelf) < 1500:
                self.shelf.append(made)
            else:
                self.shelf[int(rng.integers(len(self.shelf)))] = made
            return made
        return pick(self.shelf, rng)

    def item(self, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
        """One board, label or bare logo: colours float32 (h, w, 3), opacity (h, w), boxes (N, 4) in its pixels."""
        art = self.artwork(rng)
        aspect = art.shape[1] / art.shape[0]
        high = float(np.exp(rng.triangular(np.log(SIDES_PX[0]), np.log(16), np.log(SIDES_PX[1]))))
        high = min(high, 0.9 * SCENE_WH[0] / aspect)
        art = resized(art, high / art.shape[0])
        if rng.random() < 0.04:
            art = np.ascontiguousarray(np.rot90(art, int(rng.choice([1, 3]))))
        h, w = art.shape[:2]
        how = rng.random()
        if how < 0.3:  # nothing behind it
            if rng.random() < 0.5:
                art = recoloured(art, rng.choice([rng.uniform(200, 255), rng.uniform(0, 70)]) * np.ones(3, np.float32))
            return (
                art[..., :3].astype(np.float32),
                (art[..., 3] / 255).astype(np.float32),
                np.array([[0, 0, w, h]], np.float32),
            )
        if how < 0.58:  # a label or a patch
            x, y = (np.array([rng.uniform(0.08, 0.6), rng.uniform(0.08, 0.45)]) * min(h, w)).astype(int) + 1
            places = [(x, y)]
            size_wh = (w + 2 * x, h + 2 * y)
            is_part = max(x, y) <= LABEL_MARGIN * h
        else:  # a board, the logo on it once or many times
            times = int(min(rng.choice([1, 1, 2, 3, 4]), max(1, 1.2 * SCENE_WH[0] // (w + h))))
            gap = int(rng.uniform(0.4, 2.5) * h)
            x, y = int(rng.uniform(0.5, 3.0) * h), int(rng.uniform(0.15, 0.8) * h) + 1
            size_wh = (2 * x + times * w + (times - 1) * gap, h + 2 * y)
            places = [(x + k * (w + gap), y) for k in range(times)]
            is_part = False
        base = (
            rng.uniform(0, 255, 3).astype(np.float32)
            if rng.random() < 0.7
            else np.full(3, rng.uniform(0, 255), np.float32)
        )
        raster = np.broadcast_to(base, (size_wh[1], size_wh[0], 3)).copy()
        ink = art[art[..., 3] > 128][:, :3].reshape(-1, 3)
        is_faint = len(ink) > 0 and abs(float((ink.mean(axis=0) - base) @ LUMA)) < 35
        if is_faint or rng.random() < 0.55:
            art = recoloured(art, contrasting(base, rng))
        see = art[..., 3:].astype(np.float32) / 255
        for px, py in places:
            part = raster[py : py + h, px : px + w]
            part[:] = part * (1 - see) + art[..., :3] * see
        opacity = np.ones((size_wh[1], size_wh[0]), np.float32)
        if how < 0.58 and rng.random() < 0.35:  # an oval or a disc
            opacity[:] = 0
            middle = (size_wh[0] // 2, size_wh[1] // 2)
            cv2.ellipse(opacity, middle, middle, 0, 0, 360, 1.0, -1, cv2.LINE_AA)
        elif rng.random() < 0.15:
            cv2.rectangle(raster, (0, 0), (size_wh[0] - 1, size_wh[1] - 1), rng.uniform(0, 255, 3).tolist(), 2)
        if rng.random() < 0.15:  # cloth: folds of light
            waves = cv2.resize(rng.normal(0, 0.25, (3, 6)).astype(np.float32), size_wh, interpolation=cv2.INTER_CUBIC)
            raster *= 1 + waves[..., None]
        if is_part:
            return raster, opacity, np.array([[0, 0, *size_wh]], np.float32)
        return raster, opacity, np.array([[px, py, px + w, py + h] for px, py in places], np.float32)


def set_down(
    image: Floats, raster: Floats, opacity: Floats, matrix: NDArray[np.float64], rng: np.random.Generator
) -> None:
    """Paint a raster seen through a homography into `image` (changed); one in eight lets the ground shine through."""
    height, width = image.shape[:2]
    h, w = opacity.shape
    x1, y1, x2, y2 = moved(np.array([[0, 0, w, h]], np.float32), matrix)[0]
    left, top, right, bottom = max(0, int(x1)), max(0, int(y1)), min(width, int(x2) + 1), min(height, int(y2) + 1)
    if right <= left or bottom <= top:
        return
    here = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]]) @ matrix
    warped = cv2.warpPerspective(np.dstack([raster, opacity]), here, (right - left, bottom - top))
    see = warped[..., 3:] * np.float32(rng.uniform(0.5, 0.9) if rng.random() < 0.12 else 1.0)
    part = image[top:bottom, left:right]
    if (
        opacity.min() < 0.1
        and abs(
            float((warped[see[..., 0] > 0.5][:, :3].mean(axis=0) - part.mean(axis=(0, 1))) @ LUMA)
            if (see > 0.5).any()
            else 99.0
        )
        < 45
    ):
        warped[..., :3] = contrasting(part.mean(axis=(0, 1)), rng)
    part[:] = part * (1 - see) + warped[..., :3] * see


def tilted(w: int, h: int, centre: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Homography that sets a w by h raster around a point, turned and seen from the side (one in four strongly)."""
    strong = 2.5 if rng.random() < 0.25 else 0.7
    corners = np.array([[-w, -h], [w, -h], [w, h], [-w, h]], float) / 2
    corners[:, 0] *= np.cos(yaw := np.clip(rng.normal(0, 0.25 * strong), -1.1, 1.1))
    corners[:, 1] *= 1 + 0.3 * np.sin(yaw) * np.sign(corners[:, 0])
    angle = rng.normal(0, 0.07 * strong)
    shear = rng.normal(0, 0.06 * strong)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = corners @ np.array([[1, 0], [shear, 1]]) @ turn + centre
    source = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(source, corners.astype(np.float32)), np.float64)


def moved(boxes: Floats, matrix: NDArray[np.float64]) -> Floats:
    """The boxes (N, 4) that hold boxes seen through a homography."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 1, 2)
    points = cv2.perspectiveTransform(corners.astype(np.float32), matrix).reshape(-1, 4, 2)
    return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1).astype(np.float32)


def filmed(image: Floats, rng: np.random.Generator) -> Image:
    """Light, blur, a screen's grid, noise and compression of a camera and a codec."""
    h, w = image.shape[:2]
    x = image * np.float32(2.0 ** rng.normal(0, 0.35)) * rng.normal(1, 0.05, 3).astype(np.float32)
    if rng.random() < 0.3:
        x = x * np.float32(c := rng.uniform(0.45, 0.9)) + np.float32((1 - c) * rng.uniform(0, 200))
    if rng.random() < 0.1:  # light-emitting boards: dark lines between the dots
        step = int(rng.integers(2, 5))
        x[::step] *= np.float32(rng.uniform(0.4, 0.8))
        x[:, ::step] *= np.float32(rng.uniform(0.4, 0.8))
    if rng.random() < 0.12:  # a net before it
        step = int(rng.integers(5, 14))
        tone = np.float32(rng.uniform(0, 60) if rng.random() < 0.7 else 220)
        x[::step] = x[::step] * np.float32(0.55) + tone * np.float32(0.45)
        x[:, ::step] = x[:, ::step] * np.float32(0.55) + tone * np.float32(0.45)
    if rng.random() < 0.6:
        x = np.asarray(cv2.GaussianBlur(x, (0, 0), float(np.exp(rng.uniform(np.log(0.4), np.log(1.8))))), np.float32)
    if rng.random() < 0.15:
        kernel = np.zeros((9, 9), np.float32)
        (x1, y1), (x2, y2) = np.round(4 + np.outer((-1, 1), rng.uniform(-4, 4, 2))).astype(int).tolist()
        cv2.line(kernel, (x1, y1), (x2, y2), 1.0)
        x = np.asarray(cv2.filter2D(x, -1, kernel / kernel.sum()), np.float32)
    if rng.random() < 0.3:  # a smaller picture, enlarged
        less = rng.uniform(0.45, 0.9)
        small = cv2.resize(x, None, fx=less, fy=less, interpolation=cv2.INTER_AREA)
        x = np.asarray(cv2.resize(small, (w, h)), np.float32)
    if rng.random() < 0.5:
        x = x + rng.standard_normal(x.shape, np.float32) * np.float32(rng.exponential(4.0))
    out = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        ok, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(25, 92))])
        assert ok
        out = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(out, np.uint8)
