"""`wayside bench --task logos`: the whole pipeline against decoding alone, and what the size of the gallery costs.

The gallery is filled up with drawn icons to FEW and to MANY brands, and the video is watched with each in turn.
Matching is what compares embeddings with the gallery. What else a larger one costs, as more places lie near one of more
brands, shows in the frames a second.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from detectors.detector import open_detector
from detectors.embedder import Embedder, load_embedder
from detectors.errors import DataError
from detectors.gallery import Exemplar, Gallery, embed
from detectors.rendering import Likeness, icon
from pipeline.brands.settings import BrandsSettings
from pipeline.commands.bench import FULL_HD, Watched, decoded, told_of, turns, watched, written
from pipeline.commands.detect import gallery_of
from pipeline.config import read_config
from pipeline.errors import ConfigError
from pipeline.samples.match import MatchSample

FEW, MANY = 20, 1000
"""Brands in a gallery: as many as a match has, and as many as an agency has."""


class TimedGallery(Gallery):
    """A gallery that knows how long it was matched against. seconds: in all"""

    def __init__(self, gallery: Gallery) -> None:
        super().__init__(
            gallery.exemplars,
            brands=gallery.brands,
            texts=gallery.texts,
            embedder_sha256=gallery.embedder_sha256,
            threshold=gallery.threshold,
        )
        self.seconds = 0.0

    def similarities(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        began = time.perf_counter()
        try:
            return super().similarities(embeddings)
        finally:
            self.seconds += time.perf_counter() - began

    def nearest(self, embeddings: NDArray[np.float32], most: int) -> NDArray[np.int64]:
        began = time.perf_counter()
        try:
            return super().nearest(embeddings, most)
        finally:
            self.seconds += time.perf_counter() - began


def lines(args: argparse.Namespace, scratch: Path, *, quiet: bool) -> Iterator[dict[str, object]]:
    """Yield what is told of each video. Raises ConfigError for videos without a gallery, and the other way round."""
    embedder = load_embedder()
    if args.videos:
        gallery = gallery_of("logos", args.gallery)
        assert gallery is not None
        videos = list(args.videos)
    elif args.gallery is not None:
        raise ConfigError("--gallery wants a VIDEO: what is generated shows brands of its own")
    else:
        sample = MatchSample(3, seconds=args.seconds, size_wh=FULL_HD)
        videos = [written(scratch / "match-1080p.mp4", sample)]
        likenesses = [(name, Likeness("artwork", name, rgba)) for name, rgba in sample.brands().items()]
        gallery = Gallery().with_exemplars(
            [embed(*one, embedder) for one in likenesses], embedder_sha256=embedder.sha256
        )
    many = filled(gallery, MANY, embedder, quiet=quiet)
    names = set(many.brands[: max(FEW, len(gallery.brands))])
    few = Gallery(
        [exemplar for exemplar in many.exemplars if exemplar.brand in names],
        brands=[brand for brand in many.brands if brand in names],
        texts=gallery.texts,
        embedder_sha256=many.embedder_sha256,
        threshold=gallery.threshold,
    )
    for video in videos:
        yield measured(video, few, many, args.rounds, scratch, quiet=quiet)


def filled(gallery: Gallery, count: int, embedder: Embedder, *, quiet: bool) -> Gallery:
    """Return the gallery with so many drawn icons that it has `count` brands. Raises DataError without the icons."""
    if find_spec("simple_icons_pack") is None:
        raise DataError("a gallery is filled up from simple-icons-pack: pip install 'wayside[icons]'")
    import simple_icons_pack as pack

    slugs = sorted(getattr(pack, key).slug for key in dir(pack) if key.startswith("SI_"))
    missing = max(0, count - len(gallery.brands))
    spread = [slug for slug in slugs[:: max(1, len(slugs) // max(1, missing))] if slug not in gallery.brands][:missing]
    exemplars: list[Exemplar] = list(gallery.exemplars)
    for slug in tqdm(spread, desc="gallery", unit="brand", disable=quiet):
        exemplars.append(embed(slug, icon(slug), embedder))
    brands = (*gallery.brands, *spread)
    return Gallery(
        exemplars,
        brands=brands,
        texts=gallery.texts,
        embedder_sha256=embedder.sha256,
        threshold=gallery.threshold,
    )


def measured(video: Path, few: Gallery, many: Gallery, rounds: int, scratch: Path, *, quiet: bool) -> dict[str, object]:
    """Time decoding to RGB and the whole pipeline without overlay, with each of the galleries, in turn."""
    config = read_config(None, task="logos")
    kept = {}
    for name, gallery in (("few", few), ("many", many)):
        path = scratch / f"{name}.gallery"
        gallery.save(path)
        timed = TimedGallery(gallery)
        settings = replace(config, brands=BrandsSettings(gallery=str(path)))
        kept[name] = timed, settings, open_detector("logos", gallery=timed)
    decode: list[float] = []
    runs: dict[str, list[Watched]] = {name: [] for name in kept}
    matching: dict[str, list[float]] = {name: [] for name in kept}
    for is_warm, folder in turns(video, rounds, scratch, quiet=quiet):
        frames, seconds = decoded(video)
        if is_warm:
            decode.append(frames / seconds)
        for name, (timed, settings, detector) in kept.items():
            timed.seconds = 0.0
            run = watched(settings, video, folder.with_name(f"{folder.name}-{name}"), detector)
            if is_warm:
                runs[name].append(run)
                matching[name].append(timed.seconds / frames)
    told = told_of(video, frames, decode, runs["few"])
    return {
        **told,
        "galleries": [
            {
                "brands": len(gallery.brands),
                "views": len(gallery.owner),
                "pipeline_fps": round(median(run.fps for run in runs[name]), 1),
                "matching_ms_a_frame": round(median(matching[name]) * 1e3, 2),
                "matching_share": round(median(s * r.fps for s, r in zip(matching[name], runs[name], strict=True)), 4),
            }
            for name, (gallery, _, _) in kept.items()
        ],
    }
