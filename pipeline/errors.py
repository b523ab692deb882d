"""Errors of the pipeline.

    ConfigError(ValueError)   what was asked for cannot be: a flag, a key, a language, a country (exit code 2)
    SinkError(OSError)        an output that cannot be opened or written (exit code 1)

The other packages have trees of their own: `streams.errors.StreamError`, `detectors.errors.ModelError`.
"""


class ConfigError(ValueError):
    """A setting that cannot be; the message names the file or flag, the key, and the nearest that is known."""


class SinkError(OSError):
    """An output that cannot be opened or written; the message names it and the reason."""
