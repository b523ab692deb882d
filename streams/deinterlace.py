"""Whole pictures from interlaced ones. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av import VideoFrame
from av.filter import Graph
from av.video.format import VideoFormat


class Deinterlacer:
    """FFmpeg's bwdif: one picture out for each picture in, in order, one picture late.

    It begins at the first interlaced frame and lets single progressive frames pass unchanged, so a stream that never
    is interlaced costs nothing and is not delayed. 1080i: about 1 ms of one core a frame.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._layout: tuple[int, int, str] | None = None

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Yield what is ready after this frame."""
        layout = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and layout != self._layout:
            yield from self.flush()
        if self._graph is None:
            if not frame.interlaced_frame:
                yield frame
                return
            self._graph, self._layout = _bwdif(frame), layout
        self._graph.push(frame)
        yield from _pulled(self._graph)

    def flush(self) -> Iterator[VideoFrame]:
        """Yield what is held back, and be as new."""
        if self._graph is not None:
            self._graph.push(None)
            yield from _pulled(self._graph)
            self._graph = None


def _bwdif(frame: VideoFrame) -> Graph:
    graph = Graph()
    graph.threads = 1
    graph.link_nodes(
        graph.add_buffer(
            width=frame.width, height=frame.height, format=VideoFormat(frame.format.name), time_base=frame.time_base
        ),
        graph.add("bwdif", "mode=send_frame:deint=interlaced"),
        graph.add("settb", str(frame.time_base)),  # bwdif counts in half ticks
        graph.add("buffersink"),
    ).configure()
    return graph


def _pulled(graph: Graph) -> Iterator[VideoFrame]:
    while True:
        try:
            yield graph.vpull()
        except (BlockingIOError, av.EOFError):
            return
