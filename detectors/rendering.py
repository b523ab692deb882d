"""Artwork and photographs of logos -> likenesses to enrol, and the views in which a likeness is embedded.

A likeness is artwork (an SVG, a picture with transparency or on a plain ground, an icon by name) or a place in a
photograph. Artwork is seen in several views: in its own colours on light and on dark, in one colour, inverted. A place
in a photograph is seen as it is, with the margin of every other crop. Knows nothing of networks or of galleries.
"""

from __future__ import annotations

import difflib
import io
import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from detectors.errors import DataError
from detectors.geometry import crop_areas, on_pixels
from detectors.picture import Image

Kind = Literal["artwork", "photo"]
Rgba = NDArray[np.uint8]
Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

LONGEST_PX = 256
"""Longer side of a likeness as it is kept: several times an embedder's window, and some kilobytes."""
LEAST_PX = 8
"""A logo with a shorter longest side than this tells nothing."""
WHITE, BLACK = (250, 250, 250), (14, 14, 14)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_FORMATS = ("BMP", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MAX_PIXELS = 1 << 26
_MAX_SVG_BYTES = 1 << 24
_BOXED = re.compile(r"(?s)(.+)@(-?[\d.]+),(-?[\d.]+),(-?[\d.]+),(-?[\d.]+)")


@dataclass(frozen=True, slots=True, eq=False)
class Likeness:
    """What a brand is known by.

    pixels: artwork as RGBA uint8 (h, w, 4), cut to what is drawn, or as RGB where it stands on a plain ground, with a
    rim of that; a photograph as RGB uint8 (h, w, 3), the box with its margin
    name: of the file or icon it comes from, without the folder
    """

    kind: Kind
    name: str
    pixels: NDArray[np.uint8]

    def png(self) -> bytes:
        """The pixels as PNG: the same bytes for the same pixels."""
        out = io.BytesIO()
        Pillow.fromarray(self.pixels).save(out, "png", compress_level=9)
        return out.getvalue()

    @classmethod
    def from_png(cls, kind: Kind, name: str, png: bytes) -> Likeness:
        """Read what `png` gave. Raises DataError where it is none."""
        try:
            with Pillow.open(io.BytesIO(png), formats=("PNG",)) as image:
                image.load()
                return cls(kind, name, np.asarray(image))
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"{name}: its picture is damaged: {error}") from error


def read_likeness(word: str) -> Likeness:
    """Read `FILE` or `FILE@x1,y1,x2,y2` (a box in pixels of the upright picture). Raises DataError.

    A file of just that name goes before a box, so that names may hold an @. Without a box the whole picture counts.
    """
    path, box = Path(word), None
    if not path.exists() and (match := _BOXED.fullmatch(word)):
        path = Path(match[1])
        box = _numbers(word, match.groups()[1:])
    if not path.is_file():
        hint = "; a box is written FILE@x1,y1,x2,y2" if "@" in word and box is None else ""
        raise DataError(f"{path}: no such file{hint}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    svg = _as_svg(data)
    if svg is not None:
        try:
            rgba = draw_svg(svg, width=4 * LONGEST_PX, height=4 * LONGEST_PX)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
    else:
        rgba = _decoded(data, path)
    if box is not None:
        return Likeness("photo", path.name, _placed(over(rgba, WHITE), box, path))
    return _whole(rgba, path)


def icon(name: str) -> Likeness:
    """Artwork of a brand from `simple-icons-pack`, in the brand's colour. name: a slug or title, as `visa` or `Visa`.

    Raises DataError for an unknown one, and tells the nearest that are known.
    """
    if find_spec("simple_icons_pack") is None:
        raise DataError("icons by name need simple-icons-pack: pip install 'wayside[icons]'")
    import simple_icons_pack as pack

    found = pack.get_icon(name.casefold())
    if found is None:
        icons = [getattr(pack, key) for key in dir(pack) if key.startswith("SI_")]
        by_word = {one.slug: one for one in icons} | {one.title.casefold(): one for one in icons}
        found = by_word.get(name.casefold())
        if found is None:
            near = dict.fromkeys(by_word[w].slug for w in difflib.get_close_matches(name.casefold(), by_word, 3, 0.5))
            hint = f"; the nearest: {', '.join(near)}" if near else ""
            raise DataError(f"no icon {name!r} in simple-icons-pack{hint}")
    rgba = draw_svg(found.svg, width=4 * LONGEST_PX, height=4 * LONGEST_PX)
    rgba[..., :3] = [int(found.hex[i : i + 2], 16) for i in (0, 2, 4)]
    return _whole(rgba, Path(f"{found.slug}.svg"))


def draw_svg(svg: str, *, width: int, height: int | None = None) -> Rgba:
    """Draw an SVG: RGBA uint8 (h, w, 4), within width x height, its own shape kept. Raises DataError.

    height: None leaves it to the drawing's shape, however long; only for drawings that are known
    """
    import resvg_py

    try:
        png = bytes(
            resvg_py.svg_to_bytes(svg_string=svg, width=width, height=height, skip_system_fonts="<text" not in svg)
        )
    except ValueError as error:
        raise DataError(f"not an SVG that can be drawn: {error}") from error
    return np.array(Pillow.open(io.BytesIO(png)).convert("RGBA"))


def views(likeness: Likeness, side: int) -> NDArray[np.uint8]:
    """How a likeness may be seen: RGB uint8 (V, side, side, 3), V >= 1, cut as `verifier.crop` cuts.

    A photograph gives one view. Artwork gives up to nine: on its own ground, if it has one; on white and on black;
    black on white, white on black, and white on its own colour; where it has several tones, inverted and in grey.
    Views in which nothing can be seen, and those like another, are left out.
    """
    if likeness.kind == "photo":
        return _squared(likeness.pixels, side)[None]
    images = colourings(likeness)
    kept: list[Image] = []
    for image in images:
        view = _squared(image, side)
        flat = view.reshape(-1, 3).astype(np.float32)
        is_seen = float(flat.std(axis=0).max()) >= 10
        is_new = all(float(np.abs(flat - other.reshape(-1, 3)).mean()) >= 5 for other in kept)
        if is_seen and is_new:
            kept.append(view)
    return np.stack(kept or [_squared(over(_with_margin(likeness.pixels), WHITE), side)])


def colourings(likeness: Likeness) -> list[Image]:
    """A likeness with its margin, in its own shape, in the colours in which it may be seen, the likeliest first.

    A photograph is seen as it is.
    """
    pixels = likeness.pixels
    if likeness.kind == "photo":
        return [pixels]
    has_ground = pixels.shape[2] == 3
    as_it_is = [_with_margin(pixels)] if has_ground else []
    return [*as_it_is, *_renderings(without_ground(pixels) if has_ground else pixels)]


# ------------------------------------------------------------------------------------------------ reading


def _numbers(word: str, texts: tuple[str, ...]) -> Box:
    try:
        x1, y1, x2, y2 = (float(text) for text in texts)
    except ValueError:
        raise DataError(f"{word}: a box is four numbers, FILE@x1,y1,x2,y2") from None
    return x1, y1, x2, y2


def _as_svg(data: bytes) -> str | None:
    """The text of an SVG, or None where the data is something else."""
    if len(data) > _MAX_SVG_BYTES or b"<svg" not in data[:65536] or b"\0" in data[:256]:
        return None
    return data.decode("utf-8", errors="replace")


def _decoded(data: bytes, path: Path) -> Rgba:
    """Decode a picture, upright: RGBA uint8 (h, w, 4)."""
    try:
        with Pillow.open(io.BytesIO(data), formats=_FORMATS) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise DataError(f"{path}: {image.width}x{image.height} pixels are too many")
            upright = ImageOps.exif_transpose(image)
            if upright.mode.startswith("I"):  # 16 bits
                upright = Pillow.fromarray((np.asarray(upright, np.float64) / 257).clip(0, 255).astype(np.uint8))
            return np.array(upright.convert("RGBA"))
    except (OSError, SyntaxError, ValueError, Pillow.DecompressionBombError) as error:
        raise DataError(f"{path}: not a picture (SVG, PNG, JPEG, WebP), or a damaged one") from error


def _placed(rgb: Image, box: Box, path: Path) -> Image:
    """The box with its margin; what lies outside the picture mirrors its edge, as in every other crop."""
    h, w = rgb.shape[:2]
    x1, y1, x2, y2 = box
    told = ",".join(f"{v:g}" for v in box)
    if x2 <= x1 or y2 <= y1:
        raise DataError(f"{path}: the box {told} is empty: x1,y1 is its upper left corner, x2,y2 its lower right")
    if x1 < -1 or y1 < -1 or x2 > w + 1 or y2 > h + 1:  # by a pixel: boxes are rounded
        raise DataError(f"{path}: the box {told} is not in the picture, which has {w}x{h} pixels")
    if max(x2 - x1, y2 - y1) < LEAST_PX:
        raise DataError(f"{path}: the box {told} is too small: a side must have {LEAST_PX} pixels or more")
    cx, cy, aw, ah = on_pixels(crop_areas(np.array([box], np.float32)))[0]
    left, top = round(float(cx - aw / 2)), round(float(cy - ah / 2))
    xs = _mirrored(np.arange(left, left + int(aw)), w)
    ys = _mirrored(np.arange(top, top + int(ah)), h)
    return _fitted(np.ascontiguousarray(rgb[ys[:, None], xs[None]]))


def _mirrored(at: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Places of a row that goes on beyond its ends as in a mirror (OpenCV's REFLECT_101)."""
    if size == 1:
        return np.zeros_like(at)
    period = 2 * (size - 1)
    at = np.abs(at) % period
    return np.where(at < size, at, period - at)


def _whole(rgba: Rgba, path: Path) -> Likeness:
    """The likeness of a whole picture: artwork on a transparent or plain ground, else a crop of a photograph."""
    h, w = rgba.shape[:2]
    if rgba[..., 3].min() >= 250:
        rgb = np.ascontiguousarray(rgba[..., :3])
        ground = _plain_ground(rgb)
        if ground is None:
            if max(h, w) < LEAST_PX:
                raise DataError(f"{path}: {w}x{h} pixels are too few")
            return Likeness("photo", path.name, _placed(rgb, (0, 0, w, h), path))
        cut = _cut(rgb, np.abs(rgb.astype(np.int16) - np.array(ground)).max(axis=2) > 40, path)
        rimmed = cv2.copyMakeBorder(_fitted(cut), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=ground)
        return Likeness("artwork", path.name, np.asarray(rimmed, np.uint8))
    return Likeness("artwork", path.name, _fitted(_cut(rgba, rgba[..., 3] > 24, path)))


def _cut(pixels: NDArray[np.uint8], drawn: NDArray[np.bool_], path: Path) -> NDArray[np.uint8]:
    ys, xs = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(xs):
        raise DataError(f"{path}: nothing is drawn in it")
    cut = pixels[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
    if max(cut.shape[:2]) < LEAST_PX:
        raise DataError(f"{path}: what is drawn in it has {cut.shape[1]}x{cut.shape[0]} pixels, which are too few")
    return cut


def _plain_ground(rgb: Image) -> tuple[int, int, int] | None:
    """The colour all around the edge of a picture, or None where there is no one colour."""
    h, w = rgb.shape[:2]
    rim = max(1, round(0.01 * min(h, w)))
    edge = np.concatenate([part.reshape(-1, 3) for part in (rgb[:rim], rgb[-rim:], rgb[:, :rim], rgb[:, -rim:])])
    ground = np.median(edge, axis=0)
    if (np.abs(edge - ground).max(axis=1) > 16).mean() > 0.02:
        return None
    r, g, b = (int(v) for v in ground)
    return r, g, b


def _fitted(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring the longer side down to LONGEST_PX; transparent pixels lend no colour to their neighbours."""
    h, w = pixels.shape[:2]
    scale = LONGEST_PX / max(h, w)
    if scale >= 1:
        return np.ascontiguousarray(pixels)
    size_wh = max(1, round(w * scale)), max(1, round(h * scale))
    if pixels.shape[2] == 3:
        return np.asarray(cv2.resize(pixels, size_wh, interpolation=cv2.INTER_AREA), np.uint8)
    weighted = pixels.astype(np.float32)
    weighted[..., :3] *= weighted[..., 3:] / 255
    small = np.asarray(cv2.resize(weighted, size_wh, interpolation=cv2.INTER_AREA), np.float32)
    small[..., :3] *= 255 / np.maximum(small[..., 3:], 1)
    return np.clip(np.round(small), 0, 255).astype(np.uint8)


# ------------------------------------------------------------------------------------------------ views


def _renderings(rgba: Rgba) -> list[Image]:
    """Artwork, with its margin, in the colours and on the grounds in which it may be seen, the likeliest first."""
    solid = rgba[..., 3] > 128
    if not solid.any():
        return []
    inks = rgba[..., :3][solid].astype(np.float32)
    low, high = (float(v) for v in np.percentile(inks @ LUMA, [3, 97]))
    own = commonest(inks)
    light = BLACK if float(np.array(own, np.float32) @ LUMA) > 190 else WHITE
    wide = _with_margin(rgba)
    on_white, on_black = over(wide, WHITE), over(wide, BLACK)
    seen = [on_white, on_black]
    has_tones = high - low > 48
    if has_tones:
        tone = np.clip((wide[..., :3].astype(np.float32) @ LUMA - low) / (high - low), 0, 1)
        grey = np.repeat((14 + 236 * tone)[..., None], 3, axis=2)
        seen += [255 - on_white, _blend(grey, wide, WHITE), _blend(264 - grey, wide, BLACK)]
    if not has_tones or solid.mean() < 0.75:  # else the silhouette is a blot, which is like any other
        inks_on = ((light, own), (BLACK, WHITE), (WHITE, BLACK))
        seen += [_blend(np.array(ink, np.float32), wide, ground) for ink, ground in inks_on]
    return seen


def without_ground(rgb: Image) -> Rgba:
    """Artwork on a plain ground, which its corner shows, with that made transparent."""
    ground = rgb[0, 0].astype(np.float32)
    away = rgb.astype(np.float32) - ground
    alpha = np.clip((np.abs(away).max(axis=2, keepdims=True) - 16) / 48, 0, 1)
    ink = ground + away / np.maximum(alpha, 0.1)
    return np.asarray(np.clip(np.concatenate([ink, 255 * alpha], axis=2), 0, 255), np.uint8)


def commonest(inks: Floats) -> tuple[int, int, int]:
    """The colour that most of the inks (N, 3) share, in steps of 32."""
    keys = (inks // 32).astype(np.int64) @ np.array([64, 8, 1])
    r, g, b = (int(v) for v in inks[keys == np.bincount(keys).argmax()].mean(axis=0))
    return r, g, b


def over(pixels: NDArray[np.uint8], ground: tuple[int, int, int]) -> Image:
    """RGB of a picture over a ground of one colour."""
    if pixels.shape[2] == 3:
        return pixels
    return _blend(pixels[..., :3].astype(np.float32), pixels, ground)


def _blend(ink: Floats, rgba: Rgba, ground: tuple[int, int, int]) -> Image:
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.clip(np.round(ink * alpha + np.array(ground, np.float32) * (1 - alpha)), 0, 255).astype(np.uint8)


def _with_margin(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Artwork with the margin that crops have: transparent, or in the colour of the ground."""
    h, w = pixels.shape[:2]
    aw, ah = (int(v) for v in on_pixels(crop_areas(np.array([[0, 0, w, h]], np.float32)))[0, 2:])
    left, top = (aw - w) // 2, (ah - h) // 2
    edges = (top, ah - h - top, left, aw - w - left)
    ground = (0, 0, 0, 0) if pixels.shape[2] == 4 else [int(v) for v in pixels[0, 0]]
    return np.asarray(cv2.copyMakeBorder(pixels, *edges, cv2.BORDER_CONSTANT, value=ground), np.uint8)


def _squared(rgb: Image, side: int) -> Image:
    how = cv2.INTER_AREA if min(rgb.shape[:2]) > side else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (side, side), interpolation=how), np.uint8)
