"""Errors of the streams: one clear line each, fit to be shown; the library's own error is their `__cause__`.

StreamError (OSError)
├── OpenError      nothing to open: no such file, no video in it, no camera, an unknown kind of source
├── ReadTimeout    a live source was silent for too long
├── DecodeError    a source broke off, and nothing more can be read from it
└── WriteError     a video cannot be written: disk full, no such folder, no encoder
"""


class StreamError(OSError):
    """Anything that goes wrong between a URL and its frames, or between frames and a file."""


class OpenError(StreamError):
    """The source cannot be opened; the message names it without credentials."""


class ReadTimeout(StreamError):  # noqa: N818  as the world calls it
    """A live source gave nothing for longer than allowed."""


class DecodeError(StreamError):
    """A source cannot be read any further. Single damaged packets are counted instead, see `Source.corrupt_packets`."""


class WriteError(StreamError):
    """A video cannot be written; what was written before stays readable."""
