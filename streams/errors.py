"""Errors of the streams: one clear line each, fit to be shown; the library's own error is their `__cause__`.

StreamError (OSError)
├── OpenError      nothing to open: no such file, no video in it, no camera, an unknown kind of source
├── ReadTimeout    a live source was silent for too long
├── DecodeError    a source broke off, and nothing more can be read from it
└── WriteError     a video cannot be written: disk full, no such folder, no encoder
"""

from __future__ import annotations

from streams.gap import Reason


class StreamError(OSError):
    """Anything that goes wrong between a URL and its frames, or between frames and a file.

    reason: why a live stream that fails so is not watched
    """

    reason: Reason = "other"

    def __init__(self, *args: object, reason: Reason | None = None) -> None:
        super().__init__(*args)
        if reason is not None:
            self.reason = reason


class OpenError(StreamError):
    """The source cannot be opened; the message names it without credentials."""

    reason = "unreachable"


class ReadTimeout(StreamError):  # noqa: N818  as the world calls it
    """A live source gave nothing for longer than allowed."""

    reason = "stall"


class DecodeError(StreamError):
    """A source cannot be read any further. Single damaged packets are counted instead, see `Source.corrupt_packets`."""

    reason = "decode"


class WriteError(StreamError):
    """A video cannot be written; what was written before stays readable."""
