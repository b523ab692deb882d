"""A file of JSON lines that can be read at any moment: each line is handed to the system when it is whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError


class JsonLines:
    """Writes rows, one a line, UTF-8. Raises SinkError.

    goes_on: what lies there stays, and the rows come after it: a live stream's earlier hours cannot be watched again
    """

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        self._path = path
        try:
            is_torn = goes_on and path.is_file() and not _is_whole(path)
            self._file = path.open("a" if goes_on else "w", encoding="utf-8", buffering=1, newline="\n")
            if is_torn:  # by a crash or a full disk; what follows must not be drawn into it
                self._file.write("\n")
        except OSError as error:
            raise self._failure(error) from error

    def write(self, row: dict[str, Any]) -> None:
        try:
            self._file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            raise self._failure(error) from error

    def _failure(self, error: OSError) -> SinkError:
        return SinkError(f"{self._path}: cannot be written: {error.strerror or error}")


def _is_whole(path: Path) -> bool:
    """Say whether the last line has its end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")
