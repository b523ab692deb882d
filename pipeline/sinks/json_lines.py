"""A file of JSON lines that can be read at any moment: each line is handed to the system when it is whole.

Of a live stream nothing can be watched again, so where the disk is full its lines wait in memory until there is room.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from pipeline.errors import SinkError

HELD_BYTES = 16_000_000
"""What may wait for room on a full disk: some 50,000 events, or minutes of detections."""


class JsonLines:
    """Writes rows, one a line, UTF-8. Raises SinkError, also where another run writes the file.

    goes_on: what lies there stays, and the rows come after it: a live stream's earlier hours cannot be watched again.
        Where the disk is full they are held, up to `HELD_BYTES`, and `trouble` says so

    trouble: why rows are held, a line; None where none are
    """

    def __init__(self, path: Path, *, goes_on: bool = False) -> None:
        self.trouble: str | None = None
        self._path, self._goes_on = path, goes_on
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        try:
            is_torn = goes_on and path.is_file() and not _is_whole(path)
            self._file = path.open("ab", buffering=0)
            try:
                _lock(self._file.fileno())
                if not goes_on and os.fstat(self._file.fileno()).st_size:
                    self._file.truncate(0)
            except OSError:
                self._file.close()
                raise
            if is_torn:  # by a crash; what follows must not be drawn into it
                self._put(b"\n")
        except OSError as error:
            raise self._failure(error) from error

    def write(self, row: dict[str, Any]) -> None:
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode()
        self._held.append(line)
        self._held_bytes += len(line)
        if self.trouble is None or self._held_bytes > HELD_BYTES:
            self.retry()

    def retry(self) -> None:
        """Write what is held, as far as there is room; raises SinkError where it is too much to be held on."""
        try:
            while self._held:
                self._put(self._held[0])
                self._held_bytes -= len(self._held.popleft())
        except OSError as error:
            failure = self._failure(error)
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            if not (is_full and self._goes_on) or self._held_bytes > HELD_BYTES:
                raise failure from error
            self.trouble = f"{failure}; its lines wait for room"
        else:
            self.trouble = None

    def close(self) -> None:
        try:
            self.retry()
            if self._held:
                count = f"{len(self._held)} line{'s' if len(self._held) > 1 else ''}"
                raise SinkError(f"{self._path}: {count} could not be written: the disk is full")
        finally:
            self._file.close()

    def _put(self, data: bytes) -> None:
        """Write a line whole or not at all."""
        written = 0
        try:
            while written < len(data):
                written += self._file.write(data[written:]) or 0
        except OSError:
            if written:
                with suppress(OSError):
                    self._file.truncate(os.fstat(self._file.fileno()).st_size - written)
            raise

    def _failure(self, error: OSError) -> SinkError:
        if isinstance(error, BlockingIOError):
            return SinkError(f"{self._path}: another run writes it; give this one another folder (--out)")
        return SinkError(f"{self._path}: cannot be written: {error.strerror or error}")


class OnLines:
    """What sinks that write JSON lines have in common: that they may hold some of them (see `sink.Holder`)."""

    _lines: JsonLines

    @property
    def trouble(self) -> str | None:
        return self._lines.trouble

    def retry(self) -> None:
        self._lines.retry()

    def close(self) -> None:
        self._lines.close()


def _lock(file: int) -> None:
    """Take a file until it is closed; BlockingIOError where somebody has it. A file system without locks has none."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if isinstance(error, BlockingIOError):
            raise


def _is_whole(path: Path) -> bool:
    """Say whether the last line has its end."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")
