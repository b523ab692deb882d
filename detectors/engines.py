"""Runs a folded network: OpenVINO on the CPU, torch on CUDA and as the reference. Both read the same weights.

OpenVINO was chosen by measurement (NOTES.md, "engines"); the graph is built layer by layer from the `Architecture`, so
that a machine that only runs the pipeline needs no torch.
"""

from __future__ import annotations

import os
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.errors import ModelError
from detectors.nets import Architecture, Weights

PRECISIONS = ("auto", "f32", "bf16")


class Engine(Protocol):
    """A network that is ready to run."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """images: RGB uint8 (N, H, W, 3) -> float32 (N, C), or (N, C, h, w) of a dense network."""
        ...


def open_engine(
    architecture: Architecture, weights: Weights, *, device: str = "auto", precision: str = "auto"
) -> Engine:
    """Return the fastest engine for a device.

    device: auto (CUDA where there is one and torch is installed, else the CPU), cpu, cuda, or torch (the reference on
    the CPU)
    precision: auto (what the device is fastest at), f32, bf16
    """
    if precision not in PRECISIONS:
        raise ModelError(f"unknown precision {precision!r}: one of {', '.join(PRECISIONS)}")
    if device == "auto":
        device = "cuda" if cuda_is_there() else "cpu"
    if device == "cpu":
        return OpenVinoEngine(architecture, weights, precision)
    if device in ("cuda", "torch"):
        return TorchEngine(architecture, weights, "cuda" if device == "cuda" else "cpu", precision)
    raise ModelError(f"unknown device {device!r}: one of auto, cpu, cuda, torch")


def cuda_is_there() -> bool:
    """True where torch can use a GPU; asks for a driver and for torch first, since importing it takes seconds."""
    if not os.path.exists("/proc/driver/nvidia/version") or find_spec("torch") is None:  # noqa: PTH110
        return False
    import torch

    return torch.cuda.is_available()


def cpu_hints(precision: str, *, threads: int | None = None) -> dict[str, Any]:
    """What OpenVINO is told of a network for the CPU. threads: None: as many as there are cores."""
    hints: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if threads is not None:
        hints["INFERENCE_NUM_THREADS"] = threads
    if precision == "auto":
        precision = best_precision()
    if precision != "auto":
        hints["INFERENCE_PRECISION_HINT"] = precision
    return hints


def open_request(model: Any, precision: str = "auto", *, threads: int | None = None) -> Any:
    """Compile an OpenVINO model for the CPU, and return a request to it (see `cpu_hints`)."""
    import openvino

    return openvino.Core().compile_model(model, "CPU", cpu_hints(precision, threads=threads)).create_infer_request()


def best_precision() -> str:
    """What this CPU is fastest at: auto, which is OpenVINO's own choice, or f32 where that is a bad one."""
    return "f32" if is_slow_at_bf16(_cpu()) else "auto"


def is_slow_at_bf16(cpu: str) -> bool:
    """Say of a CPU, by its part of /proc/cpuinfo, whether it can do bf16 but takes longer with it than with f32.

    OpenVINO takes bf16 wherever there are instructions for it. Those of AVX-512 run at full speed on AMD's cores. On
    Intel's bf16 is for the tiles of AMX, and where a virtual machine hides these, f32 takes half as long (NOTES.md,
    "bf16 without AMX").
    """
    words = set(cpu.split())
    return "GenuineIntel" in words and "avx512_bf16" in words and "amx_bf16" not in words


@cache
def _cpu() -> str:
    """The maker and the flags of the first core, "" where nothing tells."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    return text.split("\n\n", 1)[0]


class OpenVinoEngine:
    """The network on the CPU. Shapes may change between calls; each new one is compiled once and kept."""

    def __init__(self, architecture: Architecture, weights: Weights, precision: str) -> None:
        self._request = open_request(graph(architecture, weights), precision)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self._request.infer([np.ascontiguousarray(images)], share_inputs=True)
        return np.array(self._request.get_output_tensor(0).data, np.float32)


def graph(architecture: Architecture, weights: Weights) -> Any:
    """Build the OpenVINO model of a network: input uint8 (N, H, W, 3), output as `Engine` says."""
    import openvino
    from openvino import opset13 as ops

    pixels = ops.parameter([-1, -1, -1, 3], np.uint8, name="images")
    x = ops.convert(ops.transpose(pixels, np.array([0, 3, 1, 2])), np.float32)
    x = ops.subtract(ops.multiply(x, np.float32(1 / 127.5)), np.float32(1.0))
    outputs: list[Any] = []
    for i, layer in enumerate(architecture.layers):
        weight = weights[f"{i}.weight"]
        geometry = ([layer.stride] * 2, [layer.padding] * 2, [layer.padding] * 2, [1, 1])
        if layer.groups == 1:
            x = ops.convolution(x, ops.constant(weight), *geometry)
        else:
            grouped = weight.reshape(layer.groups, layer.channels_out // layer.groups, *weight.shape[1:])
            x = ops.group_convolution(x, ops.constant(grouped), *geometry)
        x = ops.add(x, ops.constant(weights[f"{i}.bias"].reshape(1, -1, 1, 1)))
        if layer.add is not None:
            x = ops.add(x, outputs[layer.add])
        if layer.relu:
            x = ops.relu(x) if layer.most is None else ops.clamp(x, 0.0, layer.most)
        if i == architecture.pool_after:
            x = ops.reduce_mean(x, np.array([2, 3]), keep_dims=True)
        outputs.append(x)
    if architecture.pool_after is not None:
        x = ops.squeeze(x, np.array([2, 3]))
    return openvino.Model([x], [pixels], "wayside")


class TorchEngine:
    """The network in torch: the reference on the CPU (f32 unless told otherwise), the engine on CUDA."""

    def __init__(self, architecture: Architecture, weights: Weights, device: str, precision: str) -> None:
        if find_spec("torch") is None:
            raise ModelError("torch is not installed, which CUDA and the reference need; `make setup` has it")
        import torch

        from detectors.torch_net import TorchNet

        if device == "cuda" and not torch.cuda.is_available():
            raise ModelError("no CUDA device was found; use --device cpu")
        self._torch, self._device = torch, device
        half = precision == "bf16" or (precision == "auto" and device == "cuda")
        self._dtype = torch.bfloat16 if half else torch.float32
        net = TorchNet(architecture, normalised=False).load_folded(weights)
        self._net = net.to(device).to(memory_format=torch.channels_last)

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        torch = self._torch
        with torch.inference_mode(), torch.autocast(self._device, self._dtype, enabled=self._dtype != torch.float32):
            x = torch.from_numpy(np.ascontiguousarray(images)).to(self._device).permute(0, 3, 1, 2)
            return np.asarray(self._net(x.float().div_(127.5).sub_(1.0)).float().cpu().numpy())
