"""`wayside detect`: finds signs or logos in images, folders and zips, and writes a line of JSON an image."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from detectors.detections import Detections
from detectors.detector import Detector, open_detector
from detectors.gallery import Gallery
from detectors.picture import Image
from detectors.still import still_detector
from pipeline.brands.settings import BrandsSettings
from pipeline.config import Config
from pipeline.errors import ConfigError, SinkError
from streams.errors import DecodeError
from streams.image_source import IMAGE_SUFFIXES, read_image

SCANS: Mapping[str, Mapping[str, int]] = {"signs": {"longest_side": 4096, "proposals": 48}}
"""How finely a still picture is scanned: nobody waits for the next frame, so small signs are worth the time. Logos are
scanned as in a video, as everything that is told of them was measured."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="an image, a folder or a zip of images")
    parser.add_argument("--task", default="signs", help="what to look for (default: signs)")
    parser.add_argument("--gallery", metavar="FILE", help="the enrolled brands, for --task logos (see wayside enrol)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="JSON Lines file (default: standard output)")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, f32 or bf16 (default: auto)")
    parser.add_argument("--batch", type=int, default=4, help="images at once (default: 4)")


def run(args: argparse.Namespace) -> int:
    if args.batch < 1:
        raise ConfigError(f"--batch must be 1 or more, got {args.batch}")
    for path in args.paths:
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder")
    gallery = gallery_of(args.task, args.gallery)
    detector = open_detector(
        args.task,
        folder=args.models,
        device=args.device,
        precision=args.precision,
        gallery=gallery,
        **SCANS.get(args.task, {}),
    )
    detect = detector if gallery is None else still_detector(detector, gallery)
    quiet = args.quiet or not sys.stderr.isatty()
    try:
        out = args.out.open("w", encoding="utf-8") if args.out else sys.stdout
    except OSError as error:
        raise SinkError(f"{args.out}: cannot be written: {error.strerror}") from error
    count = 0
    with tqdm(desc="detect", unit="image", disable=quiet) as bar:
        for batch in batched(images(args.paths), args.batch):
            for (name, image), found in zip(batch, detect([image for _, image in batch]), strict=True):
                out.write(json.dumps(line(name, image, found, detector)) + "\n")
            count += len(batch)
            bar.update(len(batch))
    if args.out:
        out.close()
        if not args.quiet:
            print(f"{count} images, {args.out}", file=sys.stderr)
    return 0


def gallery_of(task: str, file: str | None) -> Gallery | None:
    """Read the gallery of a task that needs one. Raises ConfigError or ModelError where there is none, or of no use."""
    if task != "logos":
        if file is not None:
            raise ConfigError(f"--gallery is for --task logos, not for {task}")
        return None
    from pipeline.brands.task import Brands  # who looks for signs needs none of it

    return Brands(replace(Config(), brands=BrandsSettings(gallery=file))).gallery


def images(paths: list[Path]) -> Iterator[tuple[str, Image]]:
    """Every image of the paths with its name; what is no image in a folder or a zip is passed over.

    Raises ConfigError for a path given by name that is no image.
    """
    for path in paths:
        if path.is_dir():
            for file in sorted(p for p in path.rglob("*") if p.is_file()):
                yield from image_of(file, file.relative_to(path).as_posix())
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    yield from image_of(io.BytesIO(archive.read(name)), name)
        else:
            try:
                yield path.name, read_image(path)
            except DecodeError as error:
                raise ConfigError(f"{path}: neither an image nor a zip") from error


def image_of(file: Path | io.BytesIO, name: str) -> Iterator[tuple[str, Image]]:
    """The image with its name, or nothing where it is none."""
    if Path(name).suffix.lower() in IMAGE_SUFFIXES:
        with contextlib.suppress(DecodeError):
            yield name, read_image(file)


def batched(row: Iterator[tuple[str, Image]], size: int) -> Iterator[list[tuple[str, Image]]]:
    batch: list[tuple[str, Image]] = []
    for item in row:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def line(name: str, image: Image, found: Detections, detector: Detector) -> dict[str, Any]:
    """What is written for an image; boxes to 0.1 px, scores to 4 digits."""
    detections = [
        {
            "xyxy": [round(float(v), 1) for v in box],
            "score": round(float(score), 4),
            "class_id": int(class_id),
            "label": detector.labels[int(class_id)],
        }
        for box, score, class_id in zip(found.xyxy, found.score, found.class_id, strict=True)
    ]
    return {
        "file": name,
        "size_wh": [image.shape[1], image.shape[0]],
        "threshold": detector.threshold,
        "detections": detections,
    }
