"""A second opinion of places that were taken for a brand, by a network of another kind.

The embedder learned its forms from drawings, of which there are thousands; of photographs it saw few brands. Features
of EfficientNet-Lite0, which learned from photographs of everything, tell photographed logos apart better, and hardly
recoloured drawings. So they are asked of few places, and only where the likeness that was found is a photograph.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors import weights
from detectors.embedder import embed
from detectors.engines import open_engine
from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.picture import Image
from detectors.rendering import views

Floats = NDArray[np.float32]
FILE = "logos-second.safetensors"


class SecondOpinion:
    """Embeds crops anew, and says what their likeness to a brand's photographs is worth. Passive but for what it keeps.

    window: side of a crop in pixels
    scale, offset: what a cosine is worth, as log-odds
    """

    def __init__(self, folder: Path, gallery: Gallery, *, device: str = "auto", precision: str = "auto") -> None:
        """Raises ModelError where the weights cannot be used."""
        model = weights.load(folder / FILE)
        try:
            self.scale, self.offset = model.settings["match_scale"], model.settings["match_offset"]
        except KeyError as error:
            raise ModelError(f"{model.name}: the network lacks its setting {error}") from error
        self.window, self.sha256 = model.architecture.window, model.sha256
        self.dimensions = model.architecture.layers[-1].channels_out
        self._engine = open_engine(model.architecture, model.weights, device=device, precision=precision)
        self._gallery = gallery
        self._photos: dict[int, Floats] = {}

    def __call__(self, crops: Sequence[Image]) -> Floats:
        """crops: RGB uint8 (window, window, 3) each -> float32 (N, dimensions) of unit length."""
        return embed(self._engine, np.asarray(crops, np.uint8), self.dimensions)

    def odds(self, embeddings: Floats, brand: NDArray[np.int64]) -> Floats:
        """Log-odds (N,) that places with these embeddings (N, dimensions) show a brand each, which has photographs.

        Rows of zeros are places that were not looked at: nothing speaks for or against them.
        """
        found = np.zeros(len(brand), np.float32)
        for i in np.flatnonzero(embeddings.any(axis=1)):
            near = self._photographed(int(brand[i])) @ embeddings[i]
            if len(near):
                found[i] = self.scale * float(near.max()) + self.offset
        return found

    def _photographed(self, brand: int) -> Floats:
        """The embeddings (P, dimensions) of a brand's photographs, made when they are first wanted."""
        if brand not in self._photos:
            name = self._gallery.brands[brand]
            mine = [e.likeness for e in self._gallery.exemplars if e.brand == name and e.kind == "photo"]
            self._photos[brand] = self([view for likeness in mine for view in views(likeness, self.window)])
        return self._photos[brand]


def second_opinion(
    folder: Path, gallery: Gallery, *, device: str = "auto", precision: str = "auto"
) -> SecondOpinion | None:
    """The second opinion of a folder of weights; None where there is none in it, or no photograph to compare with."""
    if not (folder / FILE).exists() or not any(e.kind == "photo" for e in gallery.exemplars):
        return None
    return SecondOpinion(folder, gallery, device=device, precision=precision)
