"""What a sink is, and what it is told when it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from pipeline.config import Config
from pipeline.metrics import Metrics
from pipeline.tasks import Task
from streams.frame import StreamInfo


class Sink(Protocol):
    """Takes what comes of one stream, in the thread of its own that it is given (see `background.py`).

    takes: the types of what it is given: of events, and `Tracked` for frames

    `write` and `close` raise SinkError, or StreamError where a video cannot be written.
    """

    @property
    def takes(self) -> tuple[type, ...]: ...

    def write(self, item: Any) -> None: ...

    def close(self) -> None: ...


@runtime_checkable
class Holder(Protocol):
    """A sink that holds what it cannot write now, and tries again when it is told to.

    trouble: why, a line; None where nothing is held
    """

    @property
    def trouble(self) -> str | None: ...

    def retry(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outlet:
    """One stream's way out: the folder of its files, what the stream is, the task, and the detector's threshold.

    media: what the stream's content is known by, the same in every run over it; "" where nothing is known
    url: where the stream comes from; it may hold a password
    """

    folder: Path
    info: StreamInfo
    task: Task
    threshold: float
    config: Config = field(default_factory=Config)
    metrics: Metrics = field(default_factory=Metrics)
    media: str = ""
    url: str = ""
