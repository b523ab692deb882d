"""Small convolutional networks as data: a list of layers that every engine reads, and folded weights.

A network is trained with batch normalisation, then folded: what ships is one weight and one bias a layer. The same
`Architecture` builds the torch module (training and reference) and the OpenVINO graph (`engines.py`), so nothing is
exported and nothing is pickled. This file knows no torch; `torch_net.py` and `engines.py` do.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.errors import ModelError

Weights = dict[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Conv:
    """One convolution, then a residual sum where asked, then ReLU where asked.

    add: index of the earlier layer whose output is added before the ReLU, or None
    most: what the ReLU lets through at the most (6 in networks that were trained so), or None
    """

    channels_in: int
    channels_out: int
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    relu: bool = True
    add: int | None = None
    most: float | None = None

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        return self.channels_out, self.channels_in // self.groups, self.kernel, self.kernel


@dataclass(frozen=True, slots=True)
class Architecture:
    """Layers in order. Input: RGB uint8 (N, H, W, 3), scaled to [-1, 1] by the engine.

    pool_after: index of the layer whose output is averaged over the picture (None: fully convolutional, the output
    is a map (N, C, h, w); else the output is (N, C))
    window: side in pixels of the input that one output sees, or of the crop the network expects
    """

    layers: tuple[Conv, ...]
    window: int
    pool_after: int | None = None

    def __post_init__(self) -> None:
        for i, layer in enumerate(self.layers):
            if layer.add is not None and not 0 <= layer.add < i:
                raise ModelError(f"layer {i} adds layer {layer.add}, which does not come before it")
        if self.pool_after is None and self.receptive_field != self.window:
            raise ModelError(f"a dense network must see just its window: {self.receptive_field} px, not {self.window}")

    @property
    def receptive_field(self) -> int:
        """Side of the input that one output of the layers sees, in pixels."""
        side, step = 1, 1
        for layer in self.layers:
            side += (layer.kernel - 1) * step
            step *= layer.stride
        return side

    @property
    def stride(self) -> int:
        """Pixels of input between neighbouring outputs."""
        return int(np.prod([layer.stride for layer in self.layers]))

    @property
    def parameters(self) -> int:
        """Numbers in the folded weights."""
        return sum(int(np.prod(layer.weight_shape)) + layer.channels_out for layer in self.layers)

    def check(self, weights: Weights, name: str) -> None:
        """Raise ModelError unless the weights fit the layers, key by key."""
        wanted: dict[str, tuple[int, ...]] = {}
        for i, layer in enumerate(self.layers):
            wanted[f"{i}.weight"], wanted[f"{i}.bias"] = layer.weight_shape, (layer.channels_out,)
        for key, shape in wanted.items():
            if key not in weights:
                raise ModelError(f"{name}: no tensor {key}")
            if weights[key].shape != shape or weights[key].dtype != np.float32:
                came = f"{weights[key].dtype} {weights[key].shape}"
                raise ModelError(f"{name}: {key} must be float32 {shape}, got {came}")
        if extra := sorted(set(weights) - set(wanted)):
            raise ModelError(f"{name}: unknown tensor {extra[0]}")

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Read what `to_json` wrote. Raises ModelError where it does not fit."""
        try:
            fields = json.loads(text)
            return cls(tuple(Conv(**layer) for layer in fields["layers"]), fields["window"], fields["pool_after"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"not an architecture: {error}") from error
