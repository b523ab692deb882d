"""Embed: crops of logos become unit vectors, alike for views of one logo; and what a similarity is worth as a score."""

from __future__ import annotations

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


class Embedder:
    """Embeds crops, cut by `verifier.crop` with the margin that all crops share.

    window: side of a crop in pixels; sha256: of the weights, which a gallery made with them remembers
    match_scale, match_offset: the logistic that turns a similarity into a score, fitted on brands not trained on
    threshold: the score from which a match counts
    """

    def __init__(
        self,
        engine: Engine,
        *,
        window: int,
        dimensions: int,
        sha256: str,
        match_scale: float,
        match_offset: float,
        threshold: float,
    ) -> None:
        self.engine, self.window, self.dimensions, self.sha256 = engine, window, dimensions, sha256
        self.match_scale, self.match_offset, self.threshold = match_scale, match_offset, threshold

    def __call__(self, crops: NDArray[np.uint8]) -> Floats:
        """crops: RGB uint8 (N, window, window, 3) -> float32 (N, dimensions) of unit length."""
        if crops.dtype != np.uint8 or crops.shape[1:] != (self.window, self.window, 3):
            raise ValueError(
                f"crops must be uint8 (N, {self.window}, {self.window}, 3), got {crops.dtype} {crops.shape}"
            )
        out = np.zeros((len(crops), self.dimensions), np.float32)
        for i in range(0, len(crops), CHUNK):
            out[i : i + CHUNK] = self.engine(crops[i : i + CHUNK])
        return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12), np.float32)

    def score(self, similarity: Floats) -> Floats:
        """The calibrated score, 0 to 1, of a similarity (cosine) to the nearest brand: float32, of the same shape."""
        logit = self.match_scale * np.asarray(similarity, np.float64) + self.match_offset
        return np.asarray(1 / (1 + np.exp(-np.clip(logit, -50, 50))), np.float32)


def load_embedder(folder: Path | None = None, device: str = "auto", precision: str = "auto") -> Embedder:
    """Open the embedder of a folder of weights (None: the shipped). Raises ModelError where it cannot be used."""
    model = weights.load((folder or weights.SHIPPED) / FILE)
    try:
        return Embedder(
            open_engine(model.architecture, model.weights, device=device, precision=precision),
            window=model.architecture.window,
            dimensions=model.architecture.layers[-1].channels_out,
            sha256=model.sha256,
            match_scale=model.settings["match_scale"],
            match_offset=model.settings["match_offset"],
            threshold=model.settings["threshold"],
        )
    except KeyError as error:
        raise ModelError(f"{model.name}: the embedder lacks its setting {error}") from error
