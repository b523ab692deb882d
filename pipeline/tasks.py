"""The tasks: what comes of tracks, and how it is shown. A new one is a class like `Task` and a line in `TASKS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from detectors.picture import Image
from pipeline.config import Config
from pipeline.errors import ConfigError
from pipeline.events import Event, OtherSign, Sighting
from pipeline.road.task import Road
from pipeline.stages import Tracked, Watcher


class Screen(Protocol):
    """Draws one stream's frames; it is given the events that lie before each."""

    def take(self, event: Event) -> None: ...

    def draw(self, tracked: Tracked) -> Image: ...


class Task(Protocol):
    """What a run is about.

    labels: names by class_id; lang: the language of what is said, BCP 47
    """

    @property
    def labels(self) -> Sequence[str]: ...

    @property
    def lang(self) -> str: ...

    def watcher(self, stream: str) -> Watcher: ...

    def screen(self) -> Screen: ...

    def words(self, event: Sighting | OtherSign) -> str:
        """Name what was seen, in the language of the run."""
        ...

    def about(self) -> dict[str, object]:
        """Return what a run's record should tell of it."""
        ...


def _road(config: Config) -> Task:
    return Road(road=config.road, limit=config.limit, announcer=config.announcer)


TASKS: Mapping[str, Callable[[Config], Task]] = {"signs": _road}


def open_task(config: Config) -> Task:
    """Return the configured task; ConfigError where it is unknown, or where its language or country is."""
    task = config.detector.task
    if task not in TASKS:
        raise ConfigError(f"unknown task {task!r}; known are {', '.join(TASKS)}")
    return TASKS[task](config)
