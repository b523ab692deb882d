"""The tasks: what comes of tracks, and how it is shown. A new one is a class like `Task` and a line in `TASKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from detectors.picture import Image
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.events import Event
from pipeline.road.task import Road
from pipeline.stages import Judge, Tracked, Watcher
from streams.frame import StreamInfo

if TYPE_CHECKING:
    from detectors.gallery import Gallery


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stream's events come from.

    media: what its content is known by, "" where nothing is known (see `streams.fingerprint`)
    models: SHA-256 of each weight file by its name
    """

    info: StreamInfo
    media: str
    models: Mapping[str, str]


class Screen(Protocol):
    """Draws one stream's frames; it is given the events that lie before each."""

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        """Return the size of what is drawn of a picture of that size."""
        ...

    def take(self, event: Event) -> None: ...

    def draw(self, tracked: Tracked) -> Image: ...


class Task(Protocol):
    """What a run is about.

    labels: names by class_id; lang: the language of what is said, BCP 47
    known_classes: class ids from here on are things that the task has no name for
    gallery: what the detector is to find, where that is not in its weights
    """

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def lang(self) -> str: ...

    @property
    def known_classes(self) -> int: ...

    @property
    def gallery(self) -> Gallery | None: ...

    def watcher(self, origin: Origin) -> Watcher: ...

    def judge(self) -> Judge | None:
        """Return what judges one stream's tracks by more than their detections; None where nothing does."""
        ...

    def screen(self) -> Screen: ...

    def words(self, event: Event) -> str | None:
        """Name what was seen, in the language of the run; None where an event tells of nothing that was."""
        ...

    def settled(self, folder: Path) -> Mapping[str, object]:
        """Return what a run's record should tell of what lies in a stream's folder, when all is written."""
        ...

    def about(self) -> dict[str, object]:
        """Return what a run's record should tell of it."""
        ...


def _road(config: Config) -> Task:
    return Road(road=config.road, limit=config.limit, announcer=config.announcer)


def _brands(config: Config) -> Task:
    from pipeline.brands.task import Brands  # who watches a drive needs none of it

    return Brands(config)


TASKS: Mapping[str, Callable[[Config], Task]] = {"signs": _road, "logos": _brands}


def open_task(config: Config) -> Task:
    """Return the configured task; ConfigError where it is unknown, or where its language or country is."""
    task = config.detector.task
    if task not in TASKS:
        raise ConfigError(f"unknown task {task!r}; known are {', '.join(TASKS)}")
    return TASKS[task](config)
