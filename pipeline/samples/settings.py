"""What can be asked of a generated video, whichever it is."""

from __future__ import annotations

import math


def check(seed: int, *, seconds: float, size_wh: tuple[int, int], fps: float) -> None:
    """Raise ValueError where a video of these cannot be painted."""
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, got {seed}")
    if not 64 <= min(size_wh) <= max(size_wh) <= 8192:
        raise ValueError(f"size must be 64 to 8192 pixels, got {size_wh[0]}x{size_wh[1]}")
    if not 0 < seconds < math.inf or not 0 < fps < math.inf:
        raise ValueError(f"seconds and fps must be above 0, got {seconds} and {fps}")
