"""Reads the training and measuring data into arrays. Zips are read where they lie; nothing is unpacked.

Layouts (each a .zip): GTSRB crops with `index.csv`; photographs with `boxes.csv`; photographs alone, with
`NAME.sign.png` masks where signs are marked; SVG templates. `Folder` names the archives under one data folder.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
import zipfile
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.errors import DataError
from detectors.labels import OTHER
from detectors.picture import Image
from detectors.rendering import draw_svg

TEMPLATE_PX = 160
"""Width a template is rendered to: twice the largest sign that a window shows."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One sign in a picture. box: x1, y1, x2, y2 in pixels of the picture; track: one physical sign."""

    image: Image
    box: tuple[float, float, float, float]
    class_id: int
    track: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photograph. boxes: (x1, y1, x2, y2, label); marked: bool (H, W) where something sign-like is, or None."""

    name: str
    image: Image
    boxes: tuple[tuple[float, float, float, float, str], ...] = ()
    marked: NDArray[np.bool_] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Template:
    """A drawn sign: RGBA uint8 (h, w, 4), and its class (43: a sign that is none of the 43)."""

    name: str
    rgba: NDArray[np.uint8]
    class_id: int


def read_image(data: bytes, name: str) -> Image:
    """Decode a JPEG, PNG or WebP to RGB. Raises DataError with the name where it is none."""
    array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if array is None:
        raise DataError(f"{name}: not a readable picture")
    return np.asarray(array, np.uint8)


def open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: not a zip file") from error


def read_crops(path: Path, *, quiet: bool = True) -> list[Crop]:
    """Read GTSRB crops: columns file, class_id, track, ... and the sign's place as fractions of the picture."""
    with open_zip(path) as archive:
        try:
            rows = list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))
        except KeyError:
            raise DataError(f"{path}: no index.csv in it") from None
        crops = []
        for row in tqdm(rows, desc=path.name, unit="crop", disable=quiet):
            try:
                image = read_image(archive.read(row["file"]), row["file"])
                x1, y1, x2, y2 = (float(row[key]) for key in ("roi_x1", "roi_y1", "roi_x2", "roi_y2"))
                class_id = int(row["class_id"])
            except (KeyError, ValueError) as error:
                raise DataError(f"{path}: index.csv: {row.get('file', '?')}: {error}") from error
            h, w = image.shape[:2]
            crops.append(Crop(image, (x1 * w, y1 * h, x2 * w, y2 * h), class_id, row.get("track") or row["file"]))
    return crops


def read_photos(path: Path, *, names: set[str] | None = None) -> list[Photo]:
    """Read photographs with their boxes (`boxes.csv` or `train_boxes.csv`) and marks, where there are any."""
    with open_zip(path) as archive:
        members = set(archive.namelist())
        boxes: dict[str, list[tuple[float, float, float, float, str]]] = {}
        for table in {"boxes.csv", "train_boxes.csv"} & members:
            for row in csv.DictReader(io.StringIO(archive.read(table).decode())):
                x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
                boxes.setdefault(row["file"], []).append((x1, y1, x2, y2, row.get("label") or row.get("brand") or ""))
        photos = []
        for name in sorted(members):
            if not name.lower().endswith((".jpg", ".png")) or name.endswith(".sign.png"):
                continue
            if names is not None and PurePosixPath(name).name not in names:
                continue
            mask_name = str(PurePosixPath(name).with_suffix(".sign.png"))
            marked = None
            if mask_name in members:
                marked = read_image(archive.read(mask_name), mask_name)[..., 0] > 0
            image = read_image(archive.read(name), name)
            photos.append(Photo(name, image, tuple(boxes.get(name, ())), marked))
    return photos


def logo_photos(path: Path) -> list[Photo]:
    """The photographs of `train_boxes.csv` alone: the queries are kept for measuring."""
    with open_zip(path) as archive:
        table = csv.DictReader(io.StringIO(archive.read("train_boxes.csv").decode()))
        return read_photos(path, names={PurePosixPath(row["file"]).name for row in table})


def read_templates(paths: list[Path], *, quiet: bool = True) -> list[Template]:
    """Render the SVG templates of some archives and give each its class (`templates.toml`)."""
    table = tomllib.loads((Path(__file__).parent / "templates.toml").read_text(encoding="utf-8"))
    known = [(int(c), re.compile("|".join(patterns))) for c, patterns in table["classes"].items()]
    ignored = re.compile("|".join(table["ignored"]["patterns"]))
    templates = []
    for path in paths:
        with open_zip(path) as archive:
            for name in tqdm(sorted(archive.namelist()), desc=path.name, unit="template", disable=quiet):
                stem = PurePosixPath(name).stem
                if not name.endswith(".svg"):
                    continue
                class_id = next((c for c, pattern in known if pattern.fullmatch(stem)), OTHER)
                if class_id == OTHER and ignored.fullmatch(stem):
                    continue
                try:
                    rgba = draw_svg(archive.read(name).decode(), width=TEMPLATE_PX)
                except (ValueError, DataError):
                    continue  # a few of the public files are not well-formed
                if max(rgba.shape[:2]) <= 4 * TEMPLATE_PX:
                    templates.append(Template(stem, rgba, class_id))
    return templates
