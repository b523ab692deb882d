"""Frames -> batches. Files by count alone, so that a run can be repeated; a live batch also by time.

What else comes between frames (a gap, the end of a stream) goes with them, in its place, and takes none of a frame's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.overload import Overload
from pipeline.prefetch import Given, Gone
from streams.frame import Frame


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """How many frames are scanned at once.

    size: at the most. Goes up: the scan is a little faster a frame (much on a GPU), and takes more memory
    wait_seconds: how long a live batch waits to be full. Goes up: fuller batches, later events
    """

    size: int = 8
    wait_seconds: float = 0.04

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be 1 or more, got {self.size}")
        if self.wait_seconds < 0:
            raise ValueError(f"wait_seconds must not be negative, got {self.wait_seconds}")


class Frames(Protocol):
    """Where frames come from, stream by stream in turn (see `prefetch.Prefetch`)."""

    @property
    def is_live(self) -> bool: ...

    def take(self, timeout_seconds: float | None = None) -> Given | None: ...


def batch(
    frames: Frames, settings: BatchSettings | None = None, *, overload: Overload | None = None
) -> Iterator[list[Given]]:
    """Yield what comes in lists with `size` frames, in the order in which it comes; the last of all may be shorter.

    overload: has a say in how many frames a live batch has, and is told how long each took
    """
    settings = settings or BatchSettings()
    asked = time.monotonic()
    while (first := frames.take()) is not None:
        filled = [first]
        count = int(isinstance(first, Frame))
        deadline = time.monotonic() + settings.wait_seconds if frames.is_live else None
        size = settings.size
        if overload is not None and frames.is_live:
            size = min(size, overload.most_frames())
        # What a stream's end brings is not to wait for others: somebody may wait for that, to begin another one.
        while count < size and not isinstance(filled[-1], Gone):
            given = frames.take(None if deadline is None else deadline - time.monotonic())
            if given is None:
                break
            filled.append(given)
            count += isinstance(given, Frame)
        before, began = asked, time.monotonic()
        yield filled
        asked = time.monotonic()  # who asks for more has dealt with what there was
        if overload is not None:
            overload.batch(count, asked - began, began - before)
