"""From a URL to a source of frames. The formats are known to the files that this one picks from."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Protocol, Self
from urllib.parse import unquote

from streams.av_source import AvSource
from streams.camera import open_camera
from streams.errors import OpenError
from streams.frame import Frame, StreamInfo
from streams.image_source import IMAGE_SUFFIXES, ImageSource
from streams.live import SCHEMES, open_live
from streams.live_source import LiveSettings
from streams.trust import Trust
from streams.urls import redact, scheme_of, stream_name


class Source(Protocol):
    """A stream of frames. Iterate it once and close it, in one thread; `close` may be called again.

    corrupt_packets: pieces that could not be decoded and were passed over, so far
    resolution_changes: times that a frame had another size than the one before, so far
    is_truncated: the file breaks off before its end; settled once the iteration is over
    """

    @property
    def info(self) -> StreamInfo: ...

    @property
    def corrupt_packets(self) -> int: ...

    @property
    def resolution_changes(self) -> int: ...

    @property
    def is_truncated(self) -> bool: ...

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


Factory = Callable[[str, str], Source]
"""Opens (url, stream name); raises OpenError."""


def open_source(
    url: str,
    *,
    name: str | None = None,
    image_fps: float = 1.0,
    decoder_threads: int = 1,
    live: LiveSettings | None = None,
    backend: str = "auto",
    transport: str = "tcp",
    allow_private: bool = False,
    trust: Trust | None = None,
    isolate: bool | None = None,
    factories: Mapping[str, Factory] = MappingProxyType({}),
) -> Source:
    """Open a video file, a folder or glob of images, one image, a camera, a live stream, or what a factory opens.

    A live stream is not connected before it is iterated.

    name: of the stream; without it `urls.stream_name` finds one.
    image_fps: pace of images, which have no times of their own.
    decoder_threads: for a video file; see `AvSource`. Only 1 gives the same frames every time of a damaged file.
    live: how live streams and cameras are watched; backend, transport, allow_private, trust, isolate: see
        `live.open_live`
    factories: more schemes, from a caller that makes frames itself.

    Raises OpenError with one clear line where there is nothing to open.
    """
    name = name or stream_name(url)
    scheme = scheme_of(url)
    if scheme is not None and scheme in factories:
        return factories[scheme](url, name)
    if scheme == "camera":
        return open_camera(url, name, live, isolate=isolate)
    if scheme in SCHEMES:
        return open_live(
            url,
            name,
            settings=live,
            backend=backend,
            transport=transport,
            allow_private=allow_private,
            trust=trust,
            isolate=isolate,
        )
    if scheme == "file":
        url = unquote(re.sub("^file:(//(localhost)?(?=/))?", "", url))
    elif "://" in url:
        schemes = ("camera", *SCHEMES, *factories)
        nearest = get_close_matches(scheme or "", schemes, n=1)
        known = f"did you mean {nearest[0]}:?" if nearest else f"known: a path, {', '.join(f'{s}:' for s in schemes)}"
        raise OpenError(f"{redact(url)}: no source for {scheme}: ({known})")
    return _open_path(url, name, image_fps, decoder_threads, live, isolate)


def _open_path(
    text: str, name: str, image_fps: float, decoder_threads: int, live: LiveSettings | None, isolate: bool | None
) -> Source:
    path = Path(text)
    if not text:  # which pathlib takes for the current folder
        raise OpenError("the path is empty")
    if path.is_char_device() or (text.startswith("/dev/video") and not path.exists()):
        return open_camera(text, name, live, isolate=isolate)
    if path.is_dir():
        return ImageSource(path.iterdir(), place=text, name=name, fps=image_fps)
    if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
        return ImageSource([path], place=text, name=name, fps=image_fps)
    if path.exists():
        return AvSource(text, name=name, threads=decoder_threads)
    if matches := glob.glob(text):  # noqa: PTH207  Path.glob takes no absolute pattern
        return ImageSource(map(Path, matches), place=text, name=name, fps=image_fps)
    raise OpenError(f"{text}: no such file or folder")
