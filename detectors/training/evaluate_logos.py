"""Measures the logo networks: brands named in query photographs, and drawn logos told apart, seen small and recoloured.

The protocol for photographs is that of FlickrLogos: each brand is enrolled from a few boxes, each query is answered
with one brand or none. It runs what a user runs: exemplars are read and embedded as `wayside enrol` does, queries go
through the detector as a whole.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.detections import Detections
from detectors.embedder import Embedder
from detectors.errors import DataError
from detectors.gallery import Gallery, embed
from detectors.picture import Image
from detectors.reading import Reader
from detectors.rendering import Likeness, read_likeness, views
from detectors.training.data import Photo, open_zip, read_image
from detectors.training.icons import Artwork, Camera, Looks, held_icons
from detectors.wording import letters_of

NONE = "none"
"""The answer, and the truth, where a photograph shows no brand."""
SMALL = Looks(px=(16.0, 64.0), shift=0.08, scale=0.2, rare=0.0, plain=True)
"""How drawn logos are asked for: 16 to 64 px, warped, dimmed, blurred, compressed, the box a little off."""


@dataclass(frozen=True, slots=True)
class Query:
    """A photograph and the brand it shows, or NONE."""

    name: str
    image: Image
    brand: str


def read_table(path: Path, name: str, columns: Collection[str]) -> list[dict[str, str]]:
    """The rows of a CSV in a zip. Raises DataError where it or a column is missing."""
    with open_zip(path) as archive:
        try:
            rows = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
        except KeyError:
            raise DataError(f"{path}: no {name} in it") from None
    if missing := [c for c in columns if any(row.get(c) is None for row in rows)]:
        raise DataError(f"{path}: {name} has no column {missing[0]}, or a row without it")
    return rows


def exemplars(path: Path, count: int, brands: Collection[str]) -> list[tuple[str, Likeness]]:
    """Of each brand the boxes of the first `count` rows of distinct files in `train_boxes.csv`, as enrolled.

    brands: which (empty: all). Raises DataError for one that has none.
    """
    rows = read_table(path, "train_boxes.csv", ("file", "x1", "y1", "x2", "y2", "brand"))
    if unknown := sorted(set(brands) - {row["brand"] for row in rows}):
        raise DataError(f"{path}: no boxes of {unknown[0]}")
    chosen: dict[str, dict[str, str]] = {}
    for row in rows:
        files = chosen.setdefault(row["brand"], {})
        if len(files) < count and row["file"] not in files and (not brands or row["brand"] in brands):
            files[row["file"]] = ",".join(row[key] for key in ("x1", "y1", "x2", "y2"))
    made = []
    with open_zip(path) as archive, tempfile.TemporaryDirectory() as folder:
        members = {PurePosixPath(name).name: name for name in archive.namelist()}
        for brand, files in chosen.items():
            for file, box in files.items():
                copy = Path(folder) / file
                copy.write_bytes(archive.read(members[file]))
                made.append((brand, read_likeness(f"{copy}@{box}")))
    return made


def read_queries(path: Path, brands: Collection[str]) -> list[Query]:
    """The photographs of `query.csv`, those without a brand included. brands: which to ask for (empty: all)."""
    rows = read_table(path, "query.csv", ("file", "brand"))
    with open_zip(path) as archive:
        members = {PurePosixPath(name).name: name for name in archive.namelist()}
        return [
            Query(row["file"], read_image(archive.read(members[row["file"]]), row["file"]), row["brand"])
            for row in rows
            if row["brand"] == NONE or not brands or row["brand"] in brands
        ]


def enrolled(likenesses: Iterable[tuple[str, Likeness]], embedder: Embedder, reader: Reader | None = None) -> Gallery:
    """A gallery of likenesses, with the words that the reader finds in them."""
    made = [embed(brand, likeness, embedder, letters_of(likeness, reader)) for brand, likeness in likenesses]
    return Gallery().with_exemplars(made, embedder_sha256=embedder.sha256)


def answer(found: Detections, labels: Sequence[str], threshold: float) -> str:
    """The brand of the highest detection from the threshold on, else NONE."""
    kept = np.flatnonzero(found.score >= threshold)
    return labels[int(found.class_id[kept[found.score[kept].argmax()]])] if len(kept) else NONE


def count_answers(queries: Sequence[Query], answers: Sequence[str]) -> dict[str, Any]:
    """Counts over all queries, and for each brand: asked, right, named wrongly; and where it was named falsely."""
    branded = [(q.brand, a) for q, a in zip(queries, answers, strict=True) if q.brand != NONE]
    empty = [a for q, a in zip(queries, answers, strict=True) if q.brand == NONE]
    table = {}
    for brand in sorted({brand for brand, _ in branded}):
        told = [a for b, a in branded if b == brand]
        table[brand] = {
            "queries": len(told),
            "right_brand": sum(a == brand for a in told),
            "other_brand": sum(a not in (brand, NONE) for a in told),
            "false_alarms_on_none": sum(a == brand for a in empty),
        }
    return {
        "queries": len(branded),
        "right_brand": sum(b == a for b, a in branded),
        "none": len(empty),
        "false_alarms_on_none": sum(a != NONE for a in empty),
        "brands": table,
    }


def ask(
    queries: Sequence[Query], detect: Callable[[Sequence[Image]], list[Detections]], labels: Sequence[str],
    threshold: float, *, quiet: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Answer every query with the brand of its highest detection, and count."""
    asked = tqdm(queries, desc="queries", unit="photo", disable=quiet)
    return count_answers(queries, [answer(detect([q.image])[0], labels, threshold) for q in asked])


def recall_of_rendered(
    embedder: Embedder, icons: Sequence[Artwork], grounds: Sequence[Photo], *, seed: int = 1, quiet: bool = True
) -> dict[str, Any]:
    """recall@1 of the held icons, seen small: in their own colours and recoloured; among themselves and among all.

    grounds: pictures to see them before
    """
    held = held_icons(icons)
    rng = np.random.default_rng(seed)
    camera = Camera(grounds, [], SMALL)
    names = np.array([icon.name for icon in icons if icon.name in held])
    asked = {
        key: np.stack([camera.view(i, embedder.window, rng, free=free) for i in icons if i.name in held])
        for key, free in (("own", False), ("recoloured", True))
    }
    owners: list[str] = []
    vectors: list[NDArray[np.float32]] = []
    for icon in tqdm(icons, desc="gallery", unit="icon", disable=quiet):
        vectors.append(embedder(views(Likeness("artwork", icon.name, icon.rgba), embedder.window)))
        owners += [icon.name] * len(vectors[-1])
    gallery, owner = np.concatenate(vectors), np.array(owners)
    told: dict[str, Any] = {"icons": len(names), "all": len(icons)}
    for key, crops in asked.items():
        near = embedder(crops) @ gallery.T
        told[f"{key}_among_all"] = recall(near, owner, names)
        among = np.isin(owner, names)
        told[key] = recall(near[:, among], owner[among], names)
    return told


def recall(near: NDArray[np.float32], owner: NDArray[np.str_], names: NDArray[np.str_]) -> float:
    """Share of rows whose nearest column is theirs."""
    return round(float((owner[near.argmax(axis=1)] == names).mean()), 4)
