"""A YOLOX-nano sliced over a frame: what `wayside bench` measures the pipeline against.

The topology is that of the paper's code (arXiv 2107.08430; width 0.25, depth 0.33, depthwise convolutions, SiLU): Focus
stem, CSPDarknet, SPP, PAFPN and a decoupled head at strides 8, 16 and 32, for the 80 classes of COCO. The weights are
random, since only its time counts, but the biases of the scores are those that training starts from: as good as nothing
is found, so decoding costs next to nothing. Normalisation is folded into the convolutions, the Focus stem and its
convolution are one of 6 by 6 (the same sums), and its
precision is that of our networks: nothing makes it slower than it is.
"""

from __future__ import annotations

import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.boxes import suppress
from detectors.engines import cpu_hints

Floats = NDArray[np.float32]
Image = NDArray[np.uint8]

SIDE = 416
GRID_WH = 6, 4
"""Slices across and down. These cover a 1080p picture and overlap by a quarter or more, as sliced inference has it."""

SLICES = GRID_WH[0] * GRID_WH[1]

STRIDES = 8, 16, 32
CLASSES = 80
_UNLIKELY = -math.log(99)
"""Bias of every score before training: a probability of 0.01."""


def slices(rgb: Image) -> Image:
    """Cut a picture (H, W, 3), at least as large as a slice, into overlapping slices: uint8 (24, 416, 416, 3)."""
    height, width, _ = rgb.shape
    lefts = np.linspace(0, width - SIDE, GRID_WH[0]).round().astype(int)
    tops = np.linspace(0, height - SIDE, GRID_WH[1]).round().astype(int)
    return np.stack([rgb[y : y + SIDE, x : x + SIDE] for y in tops for x in lefts])


class Nano:
    """The network, ready to find things in slices.

    batch: slices that are run at once; the rest follow
    is_parallel: as many requests at a time as OpenVINO finds best for throughput, rather than one with all cores
    """

    def __init__(self, *, batch: int, is_parallel: bool) -> None:
        import openvino

        self._batch = batch
        hints = {**cpu_hints("auto"), "PERFORMANCE_HINT": "THROUGHPUT" if is_parallel else "LATENCY"}
        self._compiled = openvino.Core().compile_model(_Graph(batch).model, "CPU", hints)
        self._queue = openvino.AsyncInferQueue(self._compiled)
        self._queue.set_callback(self._keep)
        self._outputs: dict[int, Floats] = {}

    def __call__(self, images: Image) -> tuple[Floats, Floats]:
        """Return boxes (N, 4) in pixels of their slices and scores (N,), doubles suppressed slice by slice.

        images: uint8 (a multiple of `batch`, 416, 416, 3)
        """
        for i in range(0, len(images), self._batch):
            self._queue.start_async([images[i : i + self._batch]], i, share_inputs=True)
        self._queue.wait_all()
        return decoded(np.concatenate([self._outputs.pop(i) for i in sorted(self._outputs)]))

    def _keep(self, request: Any, index: int) -> None:
        self._outputs[index] = np.array(request.get_output_tensor(0).data, np.float32)


def fastest_nano(trials: int = 3) -> Nano:
    """Return the one that is the fastest here: all slices at once, one by one, or halves of them side by side."""
    images = np.random.default_rng(0).integers(0, 256, (SLICES, SIDE, SIDE, 3), np.uint8)
    ways = [
        Nano(batch=batch, is_parallel=is_parallel)
        for batch, is_parallel in ((SLICES, False), (1, False), (1, True), (SLICES // 2, True))
    ]
    seconds: list[list[float]] = [[] for _ in ways]
    for _ in range(trials + 1):
        for nano, times in zip(ways, seconds, strict=True):
            began = time.perf_counter()
            nano(images)
            times.append(time.perf_counter() - began)
    return ways[int(np.argmin([min(times[1:]) for times in seconds]))]


def counted() -> tuple[int, int]:
    """Return the network's parameters, and its multiplications and additions over one slice."""
    graph = _Graph(1)
    return graph.parameters, 2 * graph.products


def decoded(outputs: Floats, threshold: float = 0.25) -> tuple[Floats, Floats]:
    """Decode what the network tells of every place of every slice, (N, 4 + 1 + 80, 3549); see `Nano.__call__`.

    Only places that are objects enough are decoded: a class makes none of them likelier.
    """
    owner, place = np.nonzero(outputs[:, 4] >= threshold)
    found = outputs[owner, :, place]
    score = found[:, 4] * found[:, 5:].max(axis=1, initial=0)
    corners, strides = _PLACES[place, :2], _PLACES[place, 2:]
    centre, half = (found[:, :2] + corners) * strides, np.exp(found[:, 2:4]) * strides / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    likely = np.flatnonzero(score >= threshold)
    apart = boxes + owner[:, None] * np.float32(1e4)  # so that no two slices share a box
    keep = likely[suppress(apart[likely], score[likely], 0.45)]
    return boxes[keep], score[keep]


def _places() -> Floats:
    """Column, row and stride (3549, 3) of every place, in the order of the outputs."""
    parts = []
    for stride in STRIDES:
        rows, columns = np.divmod(np.arange((SIDE // stride) ** 2), SIDE // stride)
        parts.append(np.stack([columns, rows, np.full_like(rows, stride)], axis=1))
    return np.concatenate(parts).astype(np.float32)


_PLACES = _places()


class _Graph:
    """Builds the OpenVINO model part by part (the names are those of the paper's code), and counts as it goes.

    parameters: as trained: a convolution's weights, and a scale and a shift a channel for its normalisation
    products: multiplications of the convolutions over one slice
    """

    def __init__(self, batch: int) -> None:
        import openvino
        from openvino import opset13 as ops

        self.ops = ops
        self.parameters = self.products = 0
        self._random = np.random.default_rng(0)
        pixels = ops.parameter([batch, SIDE, SIDE, 3], np.uint8, name="images")
        x = ops.convert(ops.transpose(pixels, np.array([0, 3, 1, 2])), np.float32)
        self.model = openvino.Model([self.head(self.neck(*self.backbone(x)))], [pixels], "yolox-nano")

    def backbone(self, x: Any) -> tuple[Any, Any, Any]:
        """CSPDarknet: the maps at strides 8, 16 and 32."""
        x = self.conv(x, 16, 6, 2)  # Focus: 2 by 2 pixels become channels, then a convolution of 3 by 3
        x = self.csp(self.separable(x, 32, 2), 32, 1, is_residual=True)
        third = self.csp(self.separable(x, 64, 2), 64, 3, is_residual=True)
        fourth = self.csp(self.separable(third, 128, 2), 128, 3, is_residual=True)
        fifth = self.csp(self.pooled(self.separable(fourth, 256, 2)), 256, 1, is_residual=False)
        return third, fourth, fifth

    def neck(self, third: Any, fourth: Any, fifth: Any) -> tuple[Any, Any, Any]:
        """PAFPN: down the pyramid and up again."""
        side_5 = self.conv(fifth, 128, 1)
        x = self.csp(self.joined(self.doubled(side_5), fourth), 128, 1, is_residual=False)
        side_4 = self.conv(x, 64, 1)
        out_3 = self.csp(self.joined(self.doubled(side_4), third), 64, 1, is_residual=False)
        out_4 = self.csp(self.joined(self.separable(out_3, 64, 2), side_4), 128, 1, is_residual=False)
        out_5 = self.csp(self.joined(self.separable(out_4, 128, 2), side_5), 256, 1, is_residual=False)
        return out_3, out_4, out_5

    def head(self, maps: tuple[Any, Any, Any]) -> Any:
        """Decoupled: (N, 85, 3549) of box, objectness and classes of every place."""
        ops, places = self.ops, []
        for x in maps:
            x = self.conv(x, 64, 1)
            of_class = self.separable(self.separable(x, 64), 64)
            of_box = self.separable(self.separable(x, 64), 64)
            box = self.conv(of_box, 4, 1, bias=0.0)
            is_object = ops.sigmoid(self.conv(of_box, 1, 1, bias=_UNLIKELY))
            classes = ops.sigmoid(self.conv(of_class, CLASSES, 1, bias=_UNLIKELY))
            every = self.joined(box, is_object, classes)
            places.append(ops.reshape(every, np.array([0, 5 + CLASSES, -1]), special_zero=True))
        return ops.concat(places, 2)

    def csp(self, x: Any, channels: int, depth: int, *, is_residual: bool) -> Any:
        """Half of the channels go through bottlenecks, the other half past them."""
        through, past = self.conv(x, channels // 2, 1), self.conv(x, channels // 2, 1)
        for _ in range(depth):
            y = self.separable(self.conv(through, channels // 2, 1), channels // 2)
            through = self.ops.add(through, y) if is_residual else y
        return self.conv(self.joined(through, past), channels, 1)

    def pooled(self, x: Any) -> Any:
        """SPP: the highest of 5, 9 and 13 pixels around, beside the map itself."""
        channels = _channels(x)
        x = self.conv(x, channels // 2, 1)
        around = [
            self.ops.max_pool(x, [1, 1], [1, 1], [k // 2] * 2, [k // 2] * 2, [k, k]).output(0) for k in (5, 9, 13)
        ]
        return self.conv(self.joined(x, *around), channels, 1)

    def separable(self, x: Any, channels: int, stride: int = 1) -> Any:
        """A depthwise convolution of 3 by 3, then one of 1 by 1."""
        return self.conv(self.conv(x, _channels(x), 3, stride, is_depthwise=True), channels, 1)

    def conv(
        self,
        x: Any,
        channels: int,
        kernel: int,
        stride: int = 1,
        *,
        is_depthwise: bool = False,
        bias: float | None = None,
    ) -> Any:
        """A convolution with SiLU; with `bias`, one of the last ones, which have neither that nor a normalisation."""
        ops, inputs = self.ops, 1 if is_depthwise else _channels(x)
        spread = math.sqrt(2 / (inputs * kernel * kernel)) if bias is None else 1e-6  # scores stay at their bias
        weight = self._random.standard_normal((channels, inputs, kernel, kernel)).astype(np.float32) * spread
        padding = [(kernel - 1) // 2] * 2
        geometry = ([stride] * 2, padding, padding, [1, 1])
        if is_depthwise:
            x = ops.group_convolution(x, ops.constant(weight[:, None]), *geometry)
        else:
            x = ops.convolution(x, ops.constant(weight), *geometry)
        height, width = x.output(0).shape[2:]
        self.products += weight.size * height * width
        self.parameters += weight.size + channels * (2 if bias is None else 1)
        x = ops.add(x, ops.constant(np.full((1, channels, 1, 1), bias or 0.0, np.float32)))
        return ops.swish(x) if bias is None else x

    def doubled(self, x: Any) -> Any:
        """Twice as wide and high, every value four times."""
        scales = self.ops.constant(np.array([2, 2], np.float32))
        return self.ops.interpolate(
            x,
            scales,
            "nearest",
            "scales",
            axes=np.array([2, 3]),
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def joined(self, *maps: Any) -> Any:
        return self.ops.concat(list(maps), 1)


def _channels(x: Any) -> int:
    output = x.output(0) if hasattr(x, "output") else x
    return int(output.shape[1])
