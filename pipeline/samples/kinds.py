"""The generated videos there are, by name. A new one is a class like `Sample` and a line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from pipeline.samples.match import MatchSample
from pipeline.samples.road import RoadSample
from pipeline.samples.sprites import Image
from pipeline.samples.truth_file import FrameTruth, Truth


class Sample(Protocol):
    """A generated video: iterate it for its pictures, RGB uint8 (H, W, 3), and what is true of each."""

    size_wh: tuple[int, int]
    fps: float

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Image, FrameTruth]]: ...

    def truth(self) -> Truth: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """One sort of generated video. fps: where none is asked for."""

    make: Callable[[int, float, tuple[int, int], float, bool], Sample]
    fps: float


def _road(seed: int, seconds: float, size_wh: tuple[int, int], fps: float, is_empty: bool) -> Sample:
    return RoadSample(seed, seconds=seconds, size_wh=size_wh, fps=fps, with_signs=not is_empty)


def _match(seed: int, seconds: float, size_wh: tuple[int, int], fps: float, is_empty: bool) -> Sample:
    return MatchSample(seed, seconds=seconds, size_wh=size_wh, fps=fps, with_brands=not is_empty)


KINDS: Mapping[str, Kind] = {"road": Kind(_road, 30.0), "match": Kind(_match, 25.0)}


def make_sample(
    kind: str,
    *,
    seed: int = 1,
    seconds: float = 60.0,
    size_wh: tuple[int, int] = (1280, 720),
    fps: float | None = None,
    is_empty: bool = False,
) -> Sample:
    """Return a generated video of a kind in `KINDS`; ValueError where it cannot be painted."""
    return KINDS[kind].make(seed, seconds, size_wh, KINDS[kind].fps if fps is None else fps, is_empty)
