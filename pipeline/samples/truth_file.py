"""The file that holds what is true of a generated video, JSON Lines: what holds for all of it, then a line a frame."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

from pipeline.errors import ConfigError


class Truth(Protocol):
    """A dataclass of what holds for a whole video, under a name and a number of its format."""

    FORMAT: ClassVar[str]
    VERSION: ClassVar[int]
    __dataclass_fields__: ClassVar[dict[str, Any]]


class FrameTruth(Protocol):
    """A dataclass of what holds for one frame."""

    __dataclass_fields__: ClassVar[dict[str, Any]]


class TruthFile:
    """Writes a video's truth, a line at once. Use it in a `with`."""

    def __init__(self, path: Path, truth: Truth) -> None:
        self._file = path.open("w", encoding="utf-8")
        self._write({"format": truth.FORMAT, "version": truth.VERSION, **asdict(truth)})

    def write(self, truth: FrameTruth) -> None:
        self._write(asdict(truth))

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a file of JSON Lines; ConfigError where it cannot be read, or is none."""
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(f"{path}: {reason}") from error
