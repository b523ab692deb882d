"""A file of JSON lines that can be read at any moment: each line is handed to the system when it is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError


class JsonLines:
    """Writes rows, one a line, UTF-8. Raises SinkError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = path.open("w", encoding="utf-8", buffering=1, newline="\n")
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
