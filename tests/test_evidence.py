"""The evidence of impressions: the best look at a brand, and the span of the very file that was watched."""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from pipeline.brands import evidence as module
from pipeline.brands.evidence import Evidence, Proof, Seen, find, problems
from pipeline.errors import SinkError
from pipeline.events import Box, Impression
from streams.av_source import AvSource
from streams.frame import Frame
from streams.pixels import RgbPixels
from tests.media import number_of, picture, write_video

FPS = 25


def impression(brand: str = "Acme", start: int = 20, end: int = 60, **changed: object) -> Impression:
    """One from frame to frame, at 25 a second."""
    values = {
        "stream": "match",
        "id": f"{brand}-{start}",
        "brand": brand,
        "start_pts": start,
        "end_pts": end,
        "time_base": f"1/{FPS}",
        "start_seconds": start / FPS,
        "end_seconds": end / FPS,
        "on_screen_seconds": (end - start) / FPS,
        "bridged_seconds": 0.0,
        "start_at": None,
        "end_at": None,
        "clock_method": "none",
        "clock_error_seconds": None,
        "mean_share": 0.02,
        "peak_share": 0.03,
        "position": 5,
        "position_shares": (0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0),
        "placements_mean": 1.0,
        "placements_peak": 1,
        "other_brands_mean": 0.0,
        "solus_seconds": (end - start) / FPS,
        "sharpness": 120.0,
        "contrast": 400.0,
        "height_px": 40,
        "score_mean": 0.9,
        "score_peak": 0.95,
        "best_xyxy": (100.0, 100.0, 180.0, 140.0),
        "best_seconds": start / FPS,
        "closed_by": "left",
        "profile": "raw/1",
        "run": "0" * 32,
    }
    return Impression(**{**values, **changed})  # type: ignore[arg-type]


def still(number: int, size_wh: tuple[int, int] = (320, 240)) -> Frame:
    """A frame that shows its number, with broad stripes over the rest so that there is something sharp to see."""
    image = picture(number, size_wh)
    image[size_wh[1] // 4 :] = np.where(np.arange(size_wh[0])[:, None] // 10 % 2, 230, 20).astype(np.uint8)
    return Frame("match", number, number, Fraction(1, FPS), number / FPS, 1 / FPS, 0.0, False, RgbPixels(image))


def offered(evidence: Evidence, frames: Iterator[Frame] | list[Frame], boxes: dict[int, Box]) -> None:
    for frame in frames:
        seen = [Seen("Acme", boxes[frame.index], 0.9)] if frame.index in boxes else []
        evidence.offer(frame, seen)


def square(side: float) -> Box:
    return (100.0, 100.0, 100.0 + side, 100.0 + side)


def shown(folder: Path, sha256: str | None) -> Pillow.Image:
    path = find(folder, sha256 or "")
    assert path is not None
    return Pillow.open(io.BytesIO(path.read_bytes()))


def test_the_largest_look_is_kept_with_its_frame_and_the_span(tmp_path: Path) -> None:
    path = write_video(tmp_path / "match.mp4", pts=range(100), options={"g": "20", "bf": "2"})
    evidence = Evidence(tmp_path / "out", str(path))
    with AvSource(str(path), name="match", threads=1) as source:
        offered(evidence, source, {number: square(20 + number if number < 45 else 30) for number in range(20, 60)})
    proof = evidence.take(impression())
    assert proof.without is None
    assert proof.seconds == pytest.approx(44 / FPS)
    assert proof.xyxy == square(64)
    frame, crop = shown(tmp_path / "out", proof.frame), shown(tmp_path / "out", proof.crop)
    assert frame.size == (320, 240)
    assert number_of(np.asarray(frame)) == 44
    margin = round(64 * 0.3)
    assert abs(crop.width - (64 + 2 * margin)) <= 2
    expected = np.asarray(frame)[100 - margin : 164 + margin, 100 - margin : 164 + margin].mean()
    assert np.asarray(crop).mean() == pytest.approx(expected, abs=4)
    span = find(tmp_path / "out", proof.span or "")
    assert span is not None
    assert span.suffix == ".mp4"
    with AvSource(str(span), name="span", threads=1) as source:
        played = [(frame.pts_seconds, number_of(frame.rgb())) for frame in source]
    assert proof.span_start_seconds is not None
    for seconds, number in played:
        assert proof.span_start_seconds + seconds == pytest.approx(number / FPS, abs=0.001)
    assert played[0][1] <= 20
    assert played[-1][1] >= 60


def test_files_are_named_by_what_they_hold_and_written_once(tmp_path: Path) -> None:
    path = write_video(tmp_path / "match.mp4", pts=range(100))
    proofs = []
    for _ in range(2):
        evidence = Evidence(tmp_path, str(path))
        with AvSource(str(path), name="match", threads=1) as source:
            offered(evidence, source, {number: square(40) for number in range(20, 60)})
        proofs.append(evidence.take(impression()))
    assert proofs[0] == proofs[1]
    assert evidence.bytes_written == 0
    files = {file for file in (tmp_path / "evidence").rglob("*") if file.is_file()}
    assert {file.stem for file in files} == set(proofs[0].hashes)
    for file in files:
        assert hashlib.sha256(file.read_bytes()).hexdigest() == file.stem
        assert file.parent.name == file.stem[:2]


def test_a_proof_goes_through_a_table_and_back() -> None:
    proof = Proof(crop="a" * 64, frame="b" * 64, seconds=1.25, xyxy=(1.0, 2.0, 3.5, 4.0), without="no span: x")
    assert Proof.from_table(proof.to_table()) == proof
    assert Proof.from_table({}) == Proof()


def test_each_impression_of_a_brand_gets_a_look_of_its_own(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None)
    frames = [still(number) for number in range(100)]
    offered(evidence, frames, {number: square(80 if number == 70 else 40) for number in range(10, 90)})
    first = evidence.take(impression(start=10, end=40, best_seconds=1.0))
    second = evidence.take(impression(start=50, end=90, best_seconds=70 / FPS))
    assert first.seconds is not None
    assert 10 / FPS <= first.seconds < 40 / FPS
    assert second.seconds == 70 / FPS


@pytest.mark.parametrize("believed", [15, 17], ids=["at once", "some frames later"])
@pytest.mark.parametrize("side", [30, 60], ids=["smaller", "larger"])
def test_a_shot_cut_parts_two_looks_of_one_second(tmp_path: Path, believed: int, side: int) -> None:
    evidence = Evidence(tmp_path, None)
    for number in range(10, 20):
        seen = [Seen("Acme", square(40 if number < 15 else side), 0.9)] if not 15 <= number < believed else []
        evidence.offer(still(number), seen, is_new_shot=number == 15)
    before = evidence.take(impression(start=10, end=15, best_seconds=10 / FPS))
    after = evidence.take(impression(start=15, end=20, best_seconds=15 / FPS))
    assert before.xyxy == square(40)
    assert after.xyxy == square(side)


@pytest.mark.parametrize(("bridge", "has_looks"), [(0.0, [True, True]), (0.1, [True, False])])
def test_a_miss_that_is_not_bridged_parts_two_looks(tmp_path: Path, bridge: float, has_looks: list[bool]) -> None:
    evidence = Evidence(tmp_path, None, bridge_seconds=bridge)
    offered(
        evidence, [still(n) for n in range(10, 20)], {n: square(40 if n < 15 else 30) for n in range(10, 20) if n != 15}
    )
    proofs = [evidence.take(impression(start=start, end=end, best_seconds=1e9)) for start, end in ((10, 15), (16, 20))]
    assert [proof.crop is not None for proof in proofs] == has_looks


def test_the_look_that_the_impression_calls_its_best_goes_before_a_better_one(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None)
    offered(evidence, [still(10), still(50)], {10: square(40), 50: square(60)})
    assert evidence.take(impression(start=10, end=60, best_seconds=10 / FPS)).seconds == 10 / FPS


def test_what_stands_still_is_measured_five_times_a_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what has become larger at once."""
    measured: list[int] = []
    monkeypatch.setattr(module, "clarity", lambda crop: (measured.append(crop.shape[0]), (100, 100))[1])
    evidence = Evidence(tmp_path, None)
    offered(evidence, [still(n) for n in range(FPS)], {n: square(40 if n < 12 else 50) for n in range(FPS)})
    assert measured[0] == 40
    assert len(measured) == pytest.approx(6, abs=1)
    assert evidence.take(impression(start=0, end=FPS)).seconds == pytest.approx(12 / FPS)


def test_memory_is_let_go_of_and_the_best_of_a_long_exposure_stays(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None, grace_seconds=1)
    for number in range(1500):
        seen = [Seen("Acme", square(80 if number == 200 else 40), 0.9), Seen("Gone", square(30), 0.9)]
        evidence.offer(still(number % 250), [])  # frames without anything cost nothing
        frame = replace(still(number % 250), index=number, pts=number, pts_seconds=number / FPS)
        evidence.offer(frame, seen if number < 500 else seen[:1])
        if number % 25 == 0:
            evidence.keep([impression(start=0, end=number)], until=number / FPS)
    held = {brand: len(candidates) for brand, candidates in evidence._candidates.items()}
    assert held.keys() == {"Acme"}
    assert held["Acme"] <= 4
    assert evidence.take(impression(start=0, end=1500, best_seconds=1e9)).seconds == 200 / FPS


def test_what_does_not_fit_into_memory_is_kept_as_jpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = [still(number) for number in range(0, 200, 25)]
    monkeypatch.setattr(module, "_HELD_BYTES", 2 * frames[0].nbytes)
    evidence = Evidence(tmp_path, None)
    for frame in frames:
        evidence.offer(frame, [Seen("Acme", square(40), 0.9), Seen("Bolt", (10.0, 70.0, 60.0, 120.0), 0.9)])
    held = [each.still.frame for each in evidence._all()]
    assert len({id(frame) for frame in held if frame is not None}) == 2
    for brand in ("Acme", "Bolt"):
        proof = evidence.take(impression(brand, start=0, end=200, best_seconds=0.0))
        assert proof.seconds == 0
        assert number_of(np.asarray(shown(tmp_path, proof.frame))) == 0
        assert shown(tmp_path, proof.crop).width == pytest.approx(40 * 1.6 if brand == "Acme" else 10 + 50 * 1.3, abs=2)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (None, "the source is no file"),
        ("camera:0", "the source is no file"),
        ("sample:match?seed=1", "the source is no file"),
        ("folder", "the source is no video file"),
        ("folder/1.png", "the source is no video file"),
        ("none.mp4", "the source is no video file"),
    ],
)
def test_a_source_that_is_no_video_file_has_no_span(tmp_path: Path, url: str | None, told: str) -> None:
    (tmp_path / "folder").mkdir()
    Pillow.fromarray(picture(1)).save(tmp_path / "folder" / "1.png")
    place = url if url is None or ":" in url else str(tmp_path / url)
    evidence = Evidence(tmp_path, place)
    evidence.offer(still(30), [Seen("Acme", square(40), 0.9)])
    proof = evidence.take(impression())
    assert proof.span is None
    assert proof.frame is not None
    assert proof.without == f"no span: {told}"


def test_a_file_whose_clock_begins_again_has_no_span(tmp_path: Path) -> None:
    one = write_video(tmp_path / "one.ts", pts=range(60))
    both = tmp_path / "both.ts"
    both.write_bytes(one.read_bytes() * 2)
    evidence = Evidence(tmp_path, f"file://{both}")
    evidence.offer(still(30), [Seen("Acme", square(40), 0.9)])
    assert evidence.take(impression()).without == "no span: the clock of the file begins again within it"


def test_a_source_that_has_gone_meanwhile_gives_no_span(tmp_path: Path) -> None:
    path = write_video(tmp_path / "match.mp4", pts=range(100))
    evidence = Evidence(tmp_path, str(path))
    evidence.offer(still(30), [Seen("Acme", square(40), 0.9)])
    path.unlink()
    proof = evidence.take(impression())
    assert proof.frame is not None
    assert proof.without == "no span: the source could not be read again"


def test_an_impression_without_a_look_says_so(tmp_path: Path) -> None:
    proof = Evidence(tmp_path, None).take(impression())
    assert proof.hashes == ()
    assert proof.without == "no frame of it was kept; no span: the source is no file"


def test_a_box_at_the_edge_or_outside(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None)
    evidence.offer(
        still(25), [Seen("Out", (400.0, 10.0, 500.0, 50.0), 0.9), Seen("Edge", (-20.0, 200.0, 60.0, 260.0), 0.9)]
    )
    assert evidence.take(impression("Out")).frame is None
    assert shown(tmp_path, evidence.take(impression("Edge")).crop).size == (84, 64)


def test_what_cannot_be_written_is_an_error_that_leaves_nothing(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None)
    evidence.offer(still(30), [Seen("Acme", square(40), 0.9)])
    (tmp_path / "evidence").write_text("a file where a folder should be")
    with pytest.raises(SinkError, match="evidence: cannot be written"):
        evidence.take(impression())


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / "span.part").write_bytes(b"half")
    Evidence(tmp_path, None)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_problems_name_what_is_gone_and_what_was_changed(tmp_path: Path) -> None:
    evidence = Evidence(tmp_path, None)
    evidence.offer(still(30), [Seen("Acme", square(40), 0.9)])
    proof = evidence.take(impression())
    assert problems(tmp_path, proof.hashes) == []
    crop, frame = find(tmp_path, proof.crop or ""), find(tmp_path, proof.frame or "")
    assert crop is not None
    assert frame is not None
    crop.write_bytes(crop.read_bytes()[:-1] + b"x")
    frame.unlink()
    told = problems(tmp_path, proof.hashes)
    assert told == [f"{crop}: was changed", f"evidence {proof.frame}: is missing"]
    assert problems(tmp_path, ["../../etc/passwd"]) == ["evidence ../../etc/passwd: is missing"]
