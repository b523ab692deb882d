"""A bar for long work, on a terminal and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from tqdm import tqdm

from streams.frame import StreamInfo


class Progress:
    """Shows how far a run has come, where its streams tell how long they are. Use it in a `with`."""

    def __init__(self, infos: Sequence[StreamInfo], *, quiet: bool) -> None:
        expected = [
            info.duration_seconds * info.average_fps if info.duration_seconds and info.average_fps else None
            for info in infos
        ]
        known = [frames for frames in expected if frames is not None]
        total = round(sum(known)) if len(known) == len(expected) else None
        # disable=None: on a terminal only
        self._bar = tqdm(desc="watch", unit="frame", total=total, disable=True if quiet else None, dynamic_ncols=True)

    def advance(self) -> None:
        """One more frame is done."""
        self._bar.update()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.close()
