"""GStreamer as it is installed here: the one file that imports `gi`. Knows no stream.

On Linux GStreamer comes from the distribution; PyPI has it for macOS and Windows alone.
"""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from streams.errors import OpenError

HOW_TO_INSTALL = (
    "apt-get install gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav "
    "gir1.2-gst-plugins-base-1.0 libgirepository1.0-dev libcairo2-dev pkg-config gcc; pip install 'wayside[gstreamer]'"
    if sys.platform == "linux"
    else "pip install 'wayside[gstreamer]'"
)

_LIBRARIES = {
    "linux": ("libgstreamer-1.0.so.0", "libgstvideo-1.0.so.0"),
    "darwin": ("libgstreamer-1.0.0.dylib", "libgstvideo-1.0.0.dylib"),
    "win32": ("gstreamer-1.0-0.dll", "gstvideo-1.0-0.dll"),
}

_VIDEO_DECODER = 1 << 0 | 1 << 49
"""GST_ELEMENT_FACTORY_TYPE_DECODER and _MEDIA_VIDEO."""


@dataclass(frozen=True, slots=True)
class Library:
    """The modules of `gi`, and the C functions that map memory without a copy (None where they are not found)."""

    glib: Any
    gst: Any
    video: Any
    core_c: ctypes.CDLL | None
    video_c: ctypes.CDLL | None


@dataclass(frozen=True, slots=True)
class GstDecoder:
    """A video decoder: the higher the rank, the sooner it is taken."""

    name: str
    what: str
    rank: int
    is_hardware: bool


def why_not() -> str | None:
    """Say in one line why GStreamer cannot be used here; None where it can."""
    try:
        library()
    except OpenError as error:
        return str(error)
    return None


@cache
def library() -> Library:
    """Load GStreamer once. Raises OpenError with what it lacks."""
    _settle_the_unwinder()
    try:
        import gi

        for name in ("Gst", "GstApp", "GstVideo"):
            gi.require_version(name, "1.0")
        from gi.repository import GLib, Gst, GstApp, GstVideo
    except (ImportError, ValueError) as error:
        what = str(error).removeprefix("cannot import name ").splitlines()[0]
        raise OpenError(f"GStreamer is not installed ({what}): {HOW_TO_INSTALL}", reason="limit") from error
    assert GstApp  # whose methods the appsink has by this import
    is_ready, _ = Gst.init_check(None)
    if not is_ready:
        raise OpenError("GStreamer does not start here", reason="limit")
    core_c, video_c = _functions()
    found = Library(GLib, Gst, GstVideo, core_c, video_c)
    for factory in _decoder_factories(Gst):
        # Some of them rank below software, since they were new when they were ranked. An administrator's own order,
        # by GST_PLUGIN_FEATURE_RANK, is as high as that administrator wants it.
        if _is_hardware(Gst, factory) and Gst.Rank.MARGINAL <= factory.get_rank() <= Gst.Rank.PRIMARY:
            factory.set_rank(Gst.Rank.PRIMARY + 1)
    return found


def decoders() -> list[GstDecoder]:
    """List the video decoders that GStreamer has here, those that it takes first in front. Raises OpenError."""
    gst = library().gst
    found = [
        GstDecoder(
            factory.get_name(), factory.get_metadata("long-name"), factory.get_rank(), _is_hardware(gst, factory)
        )
        for factory in _decoder_factories(gst)
    ]
    return sorted(found, key=lambda decoder: (-decoder.rank, decoder.name))


def is_video_decoder(factory: Any) -> bool:
    """Whether the elements that a factory makes turn packets into pictures."""
    return factory is not None and bool(factory.list_is_type(_VIDEO_DECODER))


def is_hardware(factory: Any) -> bool:
    """Whether a decoder runs on a chip of its own."""
    return _is_hardware(library().gst, factory)


def _is_hardware(gst: ModuleType, factory: Any) -> bool:
    return "Hardware" in (factory.get_metadata(gst.ELEMENT_METADATA_KLASS) or "")


def _decoder_factories(gst: Any) -> list[Any]:
    return list(gst.ElementFactory.list_get_elements(_VIDEO_DECODER, gst.Rank.NONE))


def _settle_the_unwinder() -> None:
    """Make C++ libraries that GStreamer loads find libgcc's unwinder, which the others here use already.

    Debian's GStreamer brings libunwind, which has the same functions. Where libsrt finds those, its exceptions (it
    throws one whenever a connection is closed) are begun by one and ended by the other, and the process crashes.
    """
    if sys.platform == "linux":
        with suppress(OSError):
            ctypes.CDLL("libgcc_s.so.1", mode=ctypes.RTLD_GLOBAL)


def _functions() -> tuple[ctypes.CDLL | None, ctypes.CDLL | None]:
    """Find the C functions of `gst_pixels`; PyGObject's own `map` copies."""
    try:
        core, video = (ctypes.CDLL(name) for name in _LIBRARIES[sys.platform])
    except (KeyError, OSError):
        return None, None
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    core.gst_buffer_map.argtypes, core.gst_buffer_map.restype = [pointer, pointer, integer], integer
    core.gst_buffer_unmap.argtypes, core.gst_buffer_unmap.restype = [pointer, pointer], None
    video.gst_buffer_get_video_meta.argtypes, video.gst_buffer_get_video_meta.restype = [pointer], pointer
    return core, video
