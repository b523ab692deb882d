"""USB cameras, by FFmpeg's Video4Linux: native pixel formats and the kernel's timestamps. Linux only."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import parse_qsl

from streams.av_live import camera_connector
from streams.errors import OpenError
from streams.isolated import isolated
from streams.live_source import LiveSettings, LiveSource

_OPTIONS = {"size": "video_size", "fps": "framerate", "format": "input_format"}
"""Ours and FFmpeg's; without them the driver keeps what it was last set to."""

_VIDEO4LINUX = 81
"""Major number of its devices in Linux."""


def open_camera(
    url: str, name: str, settings: LiveSettings | None = None, *, isolate: bool | None = None
) -> LiveSource:
    """Open `camera:0`, `camera:/dev/video2`, `camera:0?size=1280x720&fps=30&format=mjpeg` or `/dev/video0`.

    Most cameras give more than some 5 frames a second of 1080p as `mjpeg` only. One that is pulled out later is waited
    for, as with any live stream. isolate: see `live.open_live`
    """
    place, _, query = url.removeprefix("camera:").partition("?")
    device = f"/dev/video{place}" if place.isdecimal() else place
    options = dict(parse_qsl(query, keep_blank_values=True))
    if unknown := options.keys() - _OPTIONS.keys():
        raise OpenError(f"{url}: unknown option {min(unknown)} (known: {', '.join(_OPTIONS)})")
    if sys.platform != "linux":
        raise OpenError(f"{url}: cameras are read through Video4Linux, which is not on this system")
    if not Path(device).is_char_device():
        raise OpenError(f"{url}: there is no camera {device} (wayside doctor names those that there are)")
    if os.major(Path(device).stat().st_rdev) != _VIDEO4LINUX:
        raise OpenError(f"{url}: {device} is no camera")
    settings = settings or LiveSettings()
    asked = {_OPTIONS[key]: value for key, value in options.items()}
    connect = camera_connector(device, name=name, settings=settings, options=asked)
    if settings.isolate if isolate is None else isolate:
        connect = isolated(url, name=name, shown=url, settings=settings)
    why = "cameras are read by it; a pipeline of yours (gst:v4l2src ...) reads them by GStreamer"
    return LiveSource(url, name=name, connect=connect, settings=settings, backend_reason=why)
