"""A generated video as a source, painted as one watches: `sample:road?seed=1&seconds=20&size=1280x720&fps=30&empty`.

`sample:match` is the broadcast, with the same keys.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self
from urllib.parse import parse_qsl

from pipeline.samples.kinds import KINDS, Sample, make_sample
from streams.errors import OpenError
from streams.frame import Frame, StreamInfo
from streams.pixels import RgbPixels

KEYS = ("seed", "seconds", "size", "fps", "empty")


class SampleSource:
    """Plays a generated video; see `streams.source.Source`. A frame takes longer to paint than a video's to decode."""

    corrupt_packets = 0
    resolution_changes = 0
    is_truncated = False

    def __init__(self, sample: Sample, name: str) -> None:
        self._sample = sample
        self._time_base = 1 / Fraction(sample.fps).limit_denominator(1001)
        self.info = StreamInfo(
            name=name,
            size_wh=sample.size_wh,
            average_fps=sample.fps,
            time_base=self._time_base,
            is_live=False,
            started_at=None,
            duration_seconds=float(len(sample) * self._time_base),
        )

    def __iter__(self) -> Iterator[Frame]:
        for index, (image, _) in enumerate(self._sample):
            yield Frame(
                stream=self.info.name,
                index=index,
                pts=index,
                time_base=self._time_base,
                pts_seconds=float(index * self._time_base),
                duration_seconds=float(self._time_base),
                received_at=time.monotonic(),
                is_corrupt=False,
                pixels=RgbPixels(image),
            )

    def close(self) -> None:
        """There is nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def open_sample(url: str, name: str) -> SampleSource:
    """Open a url like that at the top; what it leaves out is as `make_sample` has it. Raises OpenError."""
    kind, _, query = url.partition(":")[2].partition("?")
    if kind not in KINDS:
        raise OpenError(f"{url}: no sample {kind!r} (known: {', '.join(KINDS)})")
    options = dict(parse_qsl(query, keep_blank_values=True))
    for key in options.keys() - set(KEYS):
        raise OpenError(f"{url}: unknown {key!r} (known: {', '.join(KEYS)})")
    try:
        width, _, height = options.get("size", "1280x720").partition("x")
        fps = options.get("fps")
        sample = make_sample(
            kind,
            seed=int(options.get("seed", "1")),
            seconds=float(options.get("seconds", "60")),
            size_wh=(int(width), int(height)),
            fps=None if fps is None else float(fps),
            is_empty="empty" in options,
        )
    except ValueError as error:
        raise OpenError(f"{url}: {error}") from error
    return SampleSource(sample, name)
