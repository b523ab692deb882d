"""What is shown of a broadcast: the picture with its brands boxed, and their seconds in a band below it."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from pipeline.brands.display import draw_brands, size_with_band
from pipeline.brands.task import Screen
from pipeline.sinks.video import AnnotatedVideo
from pipeline.stages import Tracked
from pipeline.tracker import Best, Track
from streams.frame import StreamInfo
from tests.worlds import frame

BRANDS = [f"Brand {n}" for n in range(12)]
PICTURE = np.random.default_rng(0).integers(0, 255, (360, 640, 3), np.uint8)


def track(brand: int, state: str = "confirmed") -> Track:
    box = (300.0, 200.0, 360.0, 230.0)
    return Track(1, state, brand, 0.9, box, 0.9, 0.5, 1.0, 2.0, Best(box, 1.0, 0.9))  # type: ignore[arg-type]


def band(seconds: dict[int, float], *tracks: Track) -> np.ndarray:
    drawn = draw_brands(PICTURE, tracks, BRANDS, seconds)
    assert drawn.shape[1::-1] == size_with_band((640, 360))
    return drawn[360:]


@pytest.mark.parametrize("size_wh", [(1920, 1080), (1280, 720), (640, 359), (90, 120)])
def test_the_band_is_slim_and_of_even_height(size_wh: tuple[int, int]) -> None:
    width, height = size_with_band(size_wh)
    assert width == size_wh[0]
    assert height % 2 == 0
    assert 18 <= height - size_wh[1] <= max(19, 0.06 * min(size_wh))


def test_nothing_of_the_picture_is_hidden_by_seconds() -> None:
    drawn = draw_brands(PICTURE, [], BRANDS, {n: 10.0 * n for n in range(12)})
    np.testing.assert_array_equal(drawn[:360], PICTURE)
    assert (drawn[360:].max(axis=2) > 90).mean() > 0.02, "words"


def test_places_fill_from_the_left_and_the_rest_is_a_number() -> None:
    bands = {count: band(dict.fromkeys(range(count), 1.0)) for count in (1, 4, 7, 8, 12)}
    reach = {count: int(np.flatnonzero((drawn > 90).any(axis=(0, 2))).max()) for count, drawn in bands.items()}
    assert reach[1] < 640 / 7 < reach[4] < reach[7] < 630, "inside the margin"
    assert reach[8] == reach[12], "+ 2, + 5, in the last place"
    assert not np.array_equal(bands[8], bands[12])


def test_who_is_on_screen_stands_out() -> None:
    there, gone, unsure = band({3: 2.0}, track(3)), band({3: 2.0}), band({3: 2.0}, track(3, "tentative"))
    assert there.mean() > gone.mean()
    np.testing.assert_array_equal(gone, unsure)


def test_the_video_has_room_for_it(tmp_path: Path) -> None:
    picture = np.repeat(np.linspace(0, 255, 360).astype(np.uint8), 640 * 3).reshape(360, 640, 3)
    info = StreamInfo("match", (640, 360), 25.0, Fraction(1, 25), False, None, 1.0)
    video = AnnotatedVideo(tmp_path / "annotated.mp4", info, Screen(BRANDS))
    for index in range(3):
        video.write(Tracked(frame(picture, index=index, stream="match"), [track(3)], []))
    video.close()
    with av.open(str(tmp_path / "annotated.mp4")) as written:
        last = list(written.decode(video=0))[-1].to_ndarray(format="rgb24")
    assert last.shape[1::-1] == size_with_band((640, 360))
    assert np.abs(last[:150].astype(int) - picture[:150]).mean() < 3, "not scaled, not shifted"
    assert last[362:, 20:200].max() > 180, "the tally"
