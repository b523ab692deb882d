"""Overlap of boxes, and suppression of doubles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of every box of `a` (N, 4) with every one of `b` (M, 4): float32 (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    union = area(a)[:, None] + area(b)[None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), np.float32)


def paired_iou(a: Floats, b: Floats) -> Floats:
    """Intersection over union of each box of `a` (N, 4) with the same one of `b` (N, 4): float32 (N,)."""
    shared = area(np.concatenate([np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])], axis=1))
    return np.asarray(shared / np.maximum(area(a) + area(b) - shared, 1e-9), np.float32)


def area(xyxy: Floats) -> Floats:
    """Areas of boxes (N, 4), in square pixels: float32 (N,)."""
    return np.asarray(np.prod(np.clip(xyxy[:, 2:] - xyxy[:, :2], 0, None), axis=1), np.float32)


def suppress(xyxy: Floats, score: Floats, overlap: float, *, most: int | None = None) -> NDArray[np.int64]:
    """Keep the best of every group of boxes that overlap by more than `overlap` (IoU); indices, best first.

    Also drops a box that lies almost whole (85 %) inside a better one: a sign's inner part is not another sign.
    most: how many are kept at the most; more of them cost time later
    """
    order = np.argsort(-score, kind="stable")
    boxes = xyxy[order]
    sizes = area(boxes)
    alive = np.ones(len(order), bool)
    kept: list[int] = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        kept.append(i)
        if most is not None and len(kept) == most:
            break
        low, high = np.maximum(boxes[i, :2], boxes[:, :2]), np.minimum(boxes[i, 2:], boxes[:, 2:])
        shared = np.prod(np.clip(high - low, 0, None), axis=1)
        union = sizes[i] + sizes - shared
        alive &= (shared <= overlap * union) & (shared <= 0.85 * sizes)
    return order[np.array(kept, np.int64)]
