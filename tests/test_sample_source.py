"""A generated drive can be watched without being written to a file first."""

import numpy as np
import pytest

from pipeline.config import Config, StreamSettings
from pipeline.samples.match import MatchSample
from pipeline.samples.road import RoadSample
from pipeline.sources import open_sources
from streams.errors import OpenError
from streams.frame import Frame, StreamInfo


def play(url: str) -> tuple[StreamInfo, list[Frame]]:
    with open_sources(Config(stream=(StreamSettings(url=url),))) as (source,):
        return source.info, list(source)


def test_a_drive_is_played() -> None:
    info, frames = play("sample:road?seed=3&seconds=0.3&size=320x192&fps=10")
    assert (info.name, info.size_wh, info.average_fps, info.is_live) == ("sample-road", (320, 192), 10.0, False)
    assert [f.index for f in frames] == [0, 1, 2]
    assert [f.pts_seconds for f in frames] == pytest.approx([0.0, 0.1, 0.2])
    assert [f.duration_seconds for f in frames] == pytest.approx([0.1, 0.1, 0.1])
    image, _ = RoadSample(3, seconds=0.3, size_wh=(320, 192), fps=10).frame(2)
    assert np.array_equal(frames[2].rgb(), image)


def test_a_match_is_played_at_its_own_rate() -> None:
    info, frames = play("sample:match?seed=2&seconds=0.12&size=192x108&empty")
    assert (info.name, info.size_wh, info.average_fps) == ("sample-match", (192, 108), 25.0)
    image, _ = MatchSample(2, seconds=0.12, size_wh=(192, 108), with_brands=False).frame(1)
    assert np.array_equal(frames[1].rgb(), image)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sample:rode", "no sample 'rode' .known: road, match."),
        ("sample:road?sead=1", "unknown 'sead'"),
        ("sample:road?seed=one", "invalid literal"),
        ("sample:road?size=big", "invalid literal"),
        ("sample:road?seconds=0", "must be above 0"),
    ],
)
def test_a_drive_that_cannot_be(url: str, message: str) -> None:
    with pytest.raises(OpenError, match=message):
        play(url)
