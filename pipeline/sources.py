"""The sources of a run: what `streams` can open, and what the pipeline makes itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pipeline.config import Config, StreamSettings
from pipeline.errors import ConfigError
from streams.source import Source, open_source
from streams.trust import Trust


def _open_sample(url: str, name: str) -> Source:
    from pipeline.samples.source import open_sample  # who watches a file does not wait for the painter

    return open_sample(url, name)


FACTORIES = {"sample": _open_sample}
"""What opens a URL of a scheme, beside those that `open_source` knows."""


def open_one(stream: StreamSettings, name: str, config: Config) -> Source:
    """Open one stream. Raises OpenError."""
    return open_source(
        stream.url,
        name=name,
        decoder_threads=stream.decoder_threads,
        live=config.live,
        backend=stream.backend,
        transport=stream.transport,
        allow_private=stream.allow_private,
        trust=Trust(stream.ca_file, stream.tls_verify),
        isolate=stream.isolate,
        factories=FACTORIES,
    )


@contextmanager
def open_sources(config: Config) -> Iterator[list[Source]]:
    """Open the configured streams, all or none, and close them in the end. Raises ConfigError, OpenError."""
    if not config.stream:
        raise ConfigError("no source is given")
    with ExitStack() as stack:
        sources = []
        for stream, name in zip(config.stream, config.stream_names, strict=True):
            source = open_one(stream, name, config)
            stack.callback(source.close)
            sources.append(source)
        yield sources
