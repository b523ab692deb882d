"""Trains the two networks: the scanner (is there a sign in this small window) and the verifier (which, and where)."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from detectors.labels import BACKGROUND, OTHER
from detectors.nets import Architecture, Conv
from detectors.torch_net import TorchNet

CLASSES = BACKGROUND + 1
"""Outputs of the verifier that are classes; four more tell the box."""

VERIFIER = Architecture(
    (
        Conv(3, 32, 5, 2, 2),  # 48 -> 24
        Conv(32, 32, 3, 1, 1),
        Conv(32, 32, 3, 1, 1, add=0),
        Conv(32, 64, 3, 2, 1),  # 12
        Conv(64, 64, 3, 1, 1),
        Conv(64, 64, 3, 1, 1, add=3),
        Conv(64, 144, 3, 2, 1),  # 6
        Conv(144, 144, 3, 1, 1),
        Conv(144, 144, 3, 1, 1, add=6),
        Conv(144, CLASSES + 4, 1, relu=False),
    ),
    window=48,
    pool_after=8,
)

SCANNER = Architecture(
    (
        Conv(3, 24, 4, 2),  # 24 -> 11
        Conv(24, 32, 3, 2),  # 5
        Conv(32, 48, 3),  # 3
        Conv(48, 64, 3),  # 1
        Conv(64, 48, 1),
        Conv(48, 1, 1, relu=False),
    ),
    window=24,
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast to learn.

    steps: batches seen; rate: the highest learning rate, reached after a tenth of the steps, then a cosine to zero;
    decay: weight decay
    """

    steps: int
    rate: float = 3e-3
    decay: float = 0.02


PACE = 5.0
"""How many times the network's rate a loss that learns does: a row of it is in few batches."""


class Average:
    """A slow copy of a network: an exponential moving average of its weights, which generalises better."""

    def __init__(self, net: TorchNet, horizon: int) -> None:
        self.horizon = horizon
        self.state = {k: v.detach().clone() for k, v in net.state_dict().items()}

    def follow(self, net: TorchNet, step: int) -> None:
        keep = min(1 - 1 / self.horizon, (1 + step) / (10 + step))
        for key, value in net.state_dict().items():
            if value.dtype.is_floating_point:
                self.state[key].lerp_(value.detach(), 1 - keep)
            else:
                self.state[key].copy_(value)


def train(
    architecture: Architecture,
    batches: Iterator[tuple[Tensor, Tensor, Tensor]],
    loss_of: Callable[[Tensor, Tensor, Tensor], Tensor],
    schedule: Schedule,
    *,
    device: str,
    seed: int,
    start: TorchNet | None = None,
    quiet: bool = True,
) -> TorchNet:
    """Train a network and return it with averaged weights, batch normalisation still unfolded.

    batches: images uint8 (N, H, W, 3), classes, box codes; loss_of: (output, classes, codes) -> scalar; what it learns
    itself, where it is a module, is learned PACE times as fast
    """
    torch.manual_seed(seed)
    net = start or TorchNet(architecture, normalised=True)
    net = net.to(device).to(memory_format=torch.channels_last).train()
    matrices = [p for p in net.parameters() if p.ndim > 1]
    vectors = [p for p in net.parameters() if p.ndim <= 1]
    groups: list[dict[str, Any]] = [
        {"params": matrices, "weight_decay": schedule.decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    if isinstance(loss_of, nn.Module):
        told = list(loss_of.to(device).parameters())
        groups.append({"params": told, "weight_decay": 0.0, "lr": PACE * schedule.rate})
    optimizer = torch.optim.AdamW(groups, lr=schedule.rate)
    warm = max(1, schedule.steps // 10)
    plan = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda t: min(
            (t + 1) / warm, 0.5 + 0.5 * math.cos(math.pi * min(1.0, max(0, t - warm) / (schedule.steps - warm)))
        ),
    )
    average = Average(net, horizon=max(20, schedule.steps // 25))
    bar = tqdm(range(schedule.steps), unit="batch", disable=quiet)
    began, running = time.monotonic(), 0.0
    for step in bar:
        images, classes, codes = (t.to(device, non_blocking=True) for t in next(batches))
        x = images.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)
        with torch.autocast(device, torch.bfloat16):
            output = net(x)
        loss = loss_of(output.float(), classes, codes)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimizer.step()
        plan.step()
        average.follow(net, step)
        running += (loss.item() - running) / min(step + 1, 100)
        if (step + 1) % max(1, schedule.steps // 10) == 0 and not quiet:
            bar.write(f"{step + 1:6d} batches  {time.monotonic() - began:6.0f} s  loss {running:.4f}")
    return averaged(net, average)


def averaged(net: TorchNet, average: Average) -> TorchNet:
    """A network like `net` with the averaged weights, for use and not for training."""
    copy = TorchNet(net.architecture, normalised=net.normalised)
    copy.load_state_dict(average.state)
    return copy.eval()


def verifier_loss(other_odds: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Cross-entropy over the classes, and a smooth distance of the boxes where there is a sign.

    other_odds: how many times as often as one of the 43 the windows show an "other sign". The network learns what is
    left when that is taken into account (arXiv 2007.07314); else what it cannot read would all be "other".
    """
    lean = torch.zeros(CLASSES)
    lean[OTHER] = math.log(other_odds)

    def loss(output: Tensor, classes: Tensor, codes: Tensor) -> Tensor:
        named = F.cross_entropy(output[:, :CLASSES] + lean.to(output.device), classes, label_smoothing=0.05)
        sign = classes != BACKGROUND
        placed = F.smooth_l1_loss(output[sign, CLASSES:], codes[sign], beta=0.05)
        return named + 2.0 * placed

    return loss


def scanner_loss(output: Tensor, classes: Tensor, codes: Tensor) -> Tensor:
    """Binary cross-entropy of the one output; signs weigh more, since what the scan misses nobody finds again."""
    sign = (classes != BACKGROUND).float()
    logit = output.flatten()
    return F.binary_cross_entropy_with_logits(logit, sign * 0.98 + 0.01, weight=1 + sign)
