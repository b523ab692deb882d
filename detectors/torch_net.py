"""The torch form of an `Architecture`: trained with batch normalisation, folded to ship, and the reference engine."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from detectors.nets import Architecture, Weights


class TorchNet(nn.Module):
    """The layers of an architecture as a module.

    normalised: with batch normalisation behind every convolution but the last, for training; without, the folded
    network as it ships.
    """

    def __init__(self, architecture: Architecture, *, normalised: bool) -> None:
        super().__init__()
        self.architecture, self.normalised = architecture, normalised
        last = len(architecture.layers) - 1
        self.convs = nn.ModuleList()
        self.norms = nn.ModuleList()
        for i, c in enumerate(architecture.layers):
            with_norm = normalised and i < last
            self.convs.append(
                nn.Conv2d(
                    c.channels_in, c.channels_out, c.kernel, c.stride, c.padding, groups=c.groups, bias=not with_norm
                )
            )
            self.norms.append(nn.BatchNorm2d(c.channels_out) if with_norm else nn.Identity())

    def forward(self, images: Tensor) -> Tensor:
        """images: float (N, 3, H, W) in [-1, 1] -> float (N, C), or (N, C, h, w) of a dense network."""
        outputs: list[Tensor] = []
        x = images
        for i in range(len(self.architecture.layers)):
            x = self.finish(i, self.norms[i](self.convs[i](x)), outputs)
        return x if self.architecture.pool_after is None else x.flatten(1)

    @torch.no_grad()
    def folded(self) -> Weights:
        """Return the weights with every batch normalisation folded into its convolution."""
        weights: Weights = {}
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            assert isinstance(conv, nn.Conv2d)
            weight, bias = conv.weight, conv.bias
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
                weight, bias = weight * scale[:, None, None, None], norm.bias - norm.running_mean * scale
            assert bias is not None
            weights[f"{i}.weight"] = np.ascontiguousarray(weight.float().cpu().numpy())
            weights[f"{i}.bias"] = np.ascontiguousarray(bias.float().cpu().numpy())
        return weights

    @torch.no_grad()
    def load_folded(self, weights: Weights) -> TorchNet:
        """Take folded weights (the module must be made with normalised=False)."""
        for i, conv in enumerate(self.convs):
            assert isinstance(conv, nn.Conv2d)
            assert conv.bias is not None
            conv.weight.copy_(torch.from_numpy(weights[f"{i}.weight"]))
            conv.bias.copy_(torch.from_numpy(weights[f"{i}.bias"]))
        return self.eval()

    @torch.no_grad()
    def unfold(self, weights: Weights, images: Tensor) -> TorchNet:
        """Take folded weights (the module must be made with normalised=True), each norm such that it changes nothing.

        images: float (N, 3, H, W), some hundreds, of which each norm gets its mean and spread
        """
        outputs: list[Tensor] = []
        x = images
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            assert isinstance(conv, nn.Conv2d)
            conv.weight.copy_(torch.from_numpy(weights[f"{i}.weight"]))
            bias = torch.from_numpy(weights[f"{i}.bias"])
            if conv.bias is not None:
                conv.bias.copy_(bias)
            x = conv(x)
            if isinstance(norm, nn.BatchNorm2d):
                assert norm.running_mean is not None
                assert norm.running_var is not None
                norm.running_mean.copy_(x.mean(dim=(0, 2, 3)))
                norm.running_var.copy_(x.var(dim=(0, 2, 3), unbiased=False))
                norm.weight.copy_(torch.sqrt(norm.running_var + norm.eps))
                norm.bias.copy_(norm.running_mean + bias)
                x = x + bias[None, :, None, None]
            x = self.finish(i, x, outputs)
        return self

    def finish(self, i: int, x: Tensor, outputs: list[Tensor]) -> Tensor:
        """What follows the convolution of layer i: the sum, the ReLU, the average; kept in `outputs`."""
        layer = self.architecture.layers[i]
        if layer.add is not None:
            x = x + outputs[layer.add]
        if layer.relu:
            x = torch.relu(x) if layer.most is None else x.clamp(0.0, layer.most)
        if i == self.architecture.pool_after:
            x = x.mean(dim=(2, 3), keepdim=True)
        outputs.append(x)
        return x


def as_input(images: np.ndarray) -> Tensor:
    """uint8 (N, H, W, 3) -> float (N, 3, H, W) in [-1, 1], channels last in memory."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
