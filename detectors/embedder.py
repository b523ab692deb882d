"""Embed: crops of logos become unit vectors, alike for views of one logo; and what a similarity is worth as a score."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import weights
from detectors.engines import Engine, open_engine
from detectors.errors import ModelError

Floats = NDArray[np.float32]
CHUNK = 64
"""Crops run at once at the most, so that memory stays flat while a large gallery is made."""
FILE = "logos-embedder.safetensors"


def unit(embeddings: Floats) -> Floats:
    """Embeddings (N, D) at unit length; zeros stay."""
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(length, 1e-12), np.float32)


def embed(engine: Engine, crops: NDArray[np.uint8], dimensions: int) -> Floats:
    """What a network makes of crops, RGB uint8 (N, window, window, 3), at unit length: float32 (N, dimensions)."""
    out = np.zeros((len(crops), dimensions), np.float32)
    for i in range(0, len(crops), CHUNK):
        out[i : i + CHUNK] = engine(crops[i : i + CHUNK])
    return unit(out)


class Embedder:
    """Embeds crops, cut by `verifier.crop` with the margin that all crops share.

    window: side of a crop in pixels; sha256: of the weights, which a gallery made with them remembers
    match: how much a similarity is worth
    """

    def __init__(self, engine: Engine, *, window: int, dimensions: int, sha256: str, match: Match) -> None:
        self.engine, self.window, self.dimensions, self.sha256 = engine, window, dimensions, sha256
        self.match = match

    @property
    def threshold(self) -> float:
        """The shipped score from which a match counts."""
        return self.match.threshold

    def __call__(self, crops: NDArray[np.uint8]) -> Floats:
        """crops: RGB uint8 (N, window, window, 3) -> float32 (N, dimensions) of unit length."""
        if crops.dtype != np.uint8 or crops.shape[1:] != (self.window, self.window, 3):
            raise ValueError(
                f"crops must be uint8 (N, {self.window}, {self.window}, 3), got {crops.dtype} {crops.shape}"
            )
        return embed(self.engine, crops, self.dimensions)

    def score(self, similarity: Floats, embeddings: Floats) -> Floats:
        """The calibrated score, 0 to 1, of similarities (cosines to a brand) of embeddings (N, D).

        similarity: (N,), or (N, brands); the scores are float32 of the same shape
        """
        return self.match.score(similarity, embeddings)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What a similarity is worth.

    An embedding that lies near places of any kind lies near any brand too. So its similarity to a brand counts less by
    a share of how near it is to the nearest places of a cohort, which are no logos. On brands that were not trained on
    this doubles what is found at the same rate of false alarms (NOTES.md, "embedder").

    cohort: float32 (M, D), embeddings of places in photographs that are no logo; nearest: how many of them count;
    share: how much
    scale, offset: of the logistic that makes a score of what is left, fitted on brands that were not trained on
    threshold: the score from which a match counts
    """

    cohort: Floats
    nearest: int
    share: float
    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5

    def excess(self, similarity: Floats, embeddings: Floats) -> Floats:
        """By how much embeddings (N, D) lie nearer to a brand than to any place: of the shape of similarity."""
        near = np.asarray(embeddings, np.float32) @ self.cohort.T
        usual = np.partition(near, -self.nearest, axis=1)[:, -self.nearest :].mean(axis=1)
        return np.asarray(similarity - self.share * usual.reshape(-1, *[1] * (similarity.ndim - 1)), np.float32)

    def score(self, similarity: Floats, embeddings: Floats) -> Floats:
        logit = self.scale * self.excess(similarity, embeddings).astype(np.float64) + self.offset
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -50, 50))), np.float32)

    @property
    def settings(self) -> dict[str, float]:
        return {
            "match_scale": self.scale,
            "match_offset": self.offset,
            "cohort_nearest": self.nearest,
            "cohort_share": self.share,
            "threshold": self.threshold,
        }


def load_embedder(folder: Path | None = None, device: str = "auto", precision: str = "auto") -> Embedder:
    """Open the embedder of a folder of weights (None: the shipped). Raises ModelError where it cannot be used."""
    model = weights.load((folder or weights.SHIPPED) / FILE)
    dimensions, settings = model.architecture.layers[-1].channels_out, model.settings
    try:
        match = Match(
            model.tables["cohort"],
            nearest=int(settings["cohort_nearest"]),
            share=settings["cohort_share"],
            scale=settings["match_scale"],
            offset=settings["match_offset"],
            threshold=settings["threshold"],
        )
    except KeyError as error:
        raise ModelError(f"{model.name}: the embedder lacks its setting {error}") from error
    if match.cohort.ndim != 2 or match.cohort.shape[1] != dimensions or not 0 < match.nearest <= len(match.cohort):
        raise ModelError(f"{model.name}: a cohort of {match.cohort.shape} does not fit {dimensions} dimensions")
    engine = open_engine(model.architecture, model.weights, device=device, precision=precision)
    return Embedder(engine, window=model.architecture.window, dimensions=dimensions, sha256=model.sha256, match=match)
