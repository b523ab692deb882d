"""`annotated.mp4`: the stream with everything drawn on it, with the stream's own times."""

from __future__ import annotations

from pathlib import Path

from pipeline.events import EVENTS, Event
from pipeline.stages import Tracked
from pipeline.tasks import Screen
from streams.frame import StreamInfo
from streams.writer import VideoWriter


class AnnotatedVideo:
    """Draws and encodes a stream's frames; raises WriteError (a StreamError)."""

    takes = (*EVENTS, Tracked)

    def __init__(self, path: Path, info: StreamInfo, screen: Screen) -> None:
        self._path, self._time_base, self._screen = path, info.time_base, screen
        # A live stream may tell its size with its first frame only; of a file it is known, and so is a bad path.
        self._writer = None if info.size_wh is None else self._opened(info.size_wh)

    def write(self, item: Event | Tracked) -> None:
        if not isinstance(item, Tracked):
            self._screen.take(item)
            return
        frame = item.frame
        if self._writer is None:
            self._writer = self._opened(frame.size_wh)
        duration = round(frame.duration_seconds / frame.time_base)
        self._writer.write(self._screen.draw(item), pts=frame.pts, duration=duration, time_base=frame.time_base)

    def _opened(self, picture_wh: tuple[int, int]) -> VideoWriter:
        return VideoWriter(self._path, self._screen.size_wh(picture_wh), time_base=self._time_base)

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
