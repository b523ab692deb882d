"""Observations -> impressions, held against an obvious reference that walks frame by frame; and the observations."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.brands.impressions import Clock, Impressions
from pipeline.brands.observation import (
    CUT,
    JUMP,
    SCANNED,
    Coverage,
    Observations,
    ObservationsBuilder,
    Row,
)
from pipeline.brands.profiles import Profile, find_profile, read_profiles
from pipeline.events import Impression, row
from streams.frame import Frame
from streams.pixels import RgbPixels
from tests.observed import BRANDS, SIZE_WH, TICK, Moment, observations, seen

RAW = find_profile("raw")
PICTURE = RgbPixels(np.zeros((SIZE_WH[1], SIZE_WH[0], 3), np.uint8))


def fold(profile: Profile = RAW, clock: Clock | None = None) -> Impressions:
    return Impressions(profile, BRANDS, time_base=TICK, stream="match", media="m", run="r", clock=clock)


def impressions(moments: Sequence[Moment], profile: Profile = RAW) -> list[Impression]:
    account = fold(profile)
    return [*account.update(observations(moments)), *account.finish()]


def lines(found: Sequence[Impression]) -> list[str]:
    return [json.dumps(row(impression), ensure_ascii=False) for impression in found]


def reference(profile: Profile, moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """Walk frame by frame, brand by brand, with nothing clever; what it returns is compared field by field."""
    width, height = SIZE_WH
    picture = width * height * 100
    done: list[tuple[int, int, dict[str, Any]]] = []
    open_: dict[int, dict[str, Any]] = {}
    bridge = Fraction(str(profile.bridge_seconds)) / TICK

    def close(at: int, brand: int, why: str) -> None:
        life = open_.pop(brand)
        frames = life["frames"]
        ticks = sum(moments[n].duration for n, _ in frames)
        span = sum(moments[n].duration for n in range(frames[0][0], frames[-1][0] + 1))
        on_screen = span if profile.counts_gaps else ticks
        if on_screen * TICK < Fraction(str(profile.min_seconds)):
            return
        placed = [(n, placement) for n, placements in frames for placement in placements]
        weights = [moments[n].duration for n, _ in placed]
        total = sum(weights)
        nine: Counter[int] = Counter()
        heights: list[int] = []
        for n, (_, x1, y1, x2, y2, *_) in placed:
            cell = min(int(3 * (y1 + y2) / 2 // (height * 10)), 2) * 3 + min(int(3 * (x1 + x2) / 2 // (width * 10)), 2)
            nine[cell] += moments[n].duration
            heights += [(y2 - y1) // 10] * moments[n].duration

        def mean(values: Sequence[int], by: Sequence[int]) -> float:
            return sum(v * w for v, w in zip(values, by, strict=True)) / sum(by) if sum(by) else 0.0

        by_frame = [moments[n].duration for n, _ in frames]
        shares = [min(sum(p[5] for p in ps), 10**6) for _, ps in frames]
        others = [life["others"][n] for n, _ in frames]
        best = max(
            placed,
            key=lambda item: (item[1][3] - item[1][1]) * (item[1][4] - item[1][2]) * item[1][6] * (item[1][7] + 1),
        )
        last = frames[-1][0]
        found = {
            "brand": BRANDS[brand],
            "start_pts": moments[frames[0][0]].pts,
            "end_pts": moments[last].pts + moments[last].duration,
            "on_screen_seconds": on_screen / 100,
            "bridged_seconds": (span - ticks) / 100,
            "mean_share": mean(shares, by_frame) / 10**6,
            "peak_share": max(shares) / 10**6,
            "position": 1 + max(range(9), key=lambda cell: (nine[cell], -cell)),
            "position_shares": [nine[cell] / total if total else 0.0 for cell in range(9)],
            "placements_mean": mean([len(ps) for _, ps in frames], by_frame),
            "placements_peak": max(len(ps) for _, ps in frames),
            "other_brands_mean": mean(others, by_frame),
            "solus_seconds": sum(d for d, other in zip(by_frame, others, strict=True) if not other) / 100,
            "sharpness": mean([p[7] for _, p in placed], weights),
            "contrast": mean([p[8] for _, p in placed], weights),
            "height_px": sorted(heights)[(len(heights) - 1) // 2]
            if heights
            else min((p[4] - p[2]) // 10 for _, p in placed),
            "score_mean": mean([p[6] for _, p in placed], weights) / 10**4,
            "score_peak": max(p[6] for _, p in placed) / 10**4,
            "best_xyxy": [edge / 10 for edge in best[1][1:5]],
            "best_seconds": moments[best[0]].pts / 100,
            "closed_by": why,
        }
        done.append((at, brand, found))

    for n, moment in enumerate(moments):
        for brand in sorted(open_):
            last = moments[open_[brand]["frames"][-1][0]]
            if moment.flags & (CUT | JUMP):
                close(n, brand, "gap" if moment.flags & JUMP else "cut")
            elif moment.pts - last.pts - last.duration > bridge:
                close(n, brand, "left")
        now: dict[int, list[tuple[Any, ...]]] = {}
        for placement in moment.rows:
            x1, y1, x2, y2 = (round(edge * 10) for edge in placement.xyxy)
            share = (x2 - x1) * (y2 - y1) * 10**6 // picture
            score = round(placement.score * 10_000)
            if (
                not placement.is_bridged
                and share >= profile.min_share * 10**6
                and y2 - y1 >= profile.min_height_px * 10
                and placement.sharpness >= profile.min_sharpness
                and placement.contrast >= profile.min_contrast
                and score >= profile.min_score * 10_000
            ):
                values = (0, x1, y1, x2, y2, share, score, placement.sharpness, placement.contrast)
                now.setdefault(placement.brand, []).append(values)
        for brand, together in now.items():
            life = open_.setdefault(brand, {"frames": [], "others": {}})
            life["frames"].append((n, together))
            life["others"][n] = len(now) - 1
    for brand in sorted(open_):
        close(len(moments), brand, "end")
    return [found for *_, found in sorted(done, key=lambda item: item[:2])]


placements = st.builds(
    lambda brand, x, y, w, h, score, sharpness, contrast, is_bridged: Row(
        brand=brand,
        track=1,
        xyxy=(x / 10, y / 10, (x + w) / 10, (y + h) / 10),
        score=score / 10_000,
        sharpness=sharpness,
        contrast=contrast,
        is_bridged=is_bridged,
    ),
    st.integers(0, 2),
    st.integers(0, 5000),
    st.integers(0, 3000),
    st.integers(0, 1400),
    st.integers(0, 600),
    st.integers(0, 10_000),
    st.integers(0, 300),
    st.integers(0, 1000),
    st.booleans(),
)


@st.composite
def films(draw: st.DrawFn) -> list[Moment]:
    moments, pts = [], draw(st.integers(0, 50))
    for _ in range(draw(st.integers(0, 30))):
        duration = draw(st.sampled_from([0, 1, 4, 4, 4, 9]))
        flags = draw(st.sampled_from([SCANNED, SCANNED, SCANNED, SCANNED, 0, CUT, JUMP, CUT | JUMP]))
        moments.append(Moment(pts, draw(st.lists(placements, max_size=3)), duration, flags))
        pts += max(duration, 1) + draw(st.sampled_from([0, 0, 0, 0, 3, 40]))
    return moments


profiles = st.builds(
    Profile,
    name=st.just("p"),
    version=st.just(1),
    about=st.just(""),
    min_seconds=st.sampled_from([0.0, 0.05, 0.2]),
    bridge_seconds=st.sampled_from([0.0, 0.04, 0.1, 0.5]),
    counts_gaps=st.booleans(),
    min_share=st.sampled_from([0.0, 0.01]),
    min_height_px=st.sampled_from([0, 20]),
    min_sharpness=st.sampled_from([0, 100]),
    min_contrast=st.sampled_from([0, 400]),
    min_score=st.sampled_from([0.0, 0.5]),
)


@settings(max_examples=200, deadline=None)
@given(profiles, films(), st.data())
def test_the_same_as_frame_by_frame_however_it_is_cut_in_pieces(
    profile: Profile, moments: list[Moment], data: st.DataObject
) -> None:
    whole = lines(impressions(moments, profile))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(moments)), max_size=5)))
    account, found = fold(profile), []
    everything = observations(moments)
    for start, stop in pairwise([0, *cuts, len(moments)]):
        found += account.update(everything.part(start, stop))
        assert [i.id for i in account.open()] == [i.id for i in account.open()], "asking changes nothing"
    found += account.finish()
    assert lines(found) == whole
    expected = reference(profile, moments)
    got = [json.loads(line) for line in whole]
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        for name, value in other.items():
            if isinstance(value, float):
                assert one[name] == pytest.approx(value, abs=1e-4 if "share" not in name else 1e-6), name
            elif isinstance(value, list):
                assert one[name] == pytest.approx(value, abs=1e-5), name
            else:
                assert one[name] == value, name


@settings(max_examples=100, deadline=None)
@given(films(), st.data())
def test_a_run_of_frames_reads_back_and_joins(moments: list[Moment], data: st.DataObject) -> None:
    everything = observations(moments)
    assert Observations.from_bytes(everything.to_bytes()).is_same(everything)
    cut = data.draw(st.integers(0, len(moments)))
    parts = [everything.part(0, cut), everything.part(cut, len(moments))]
    joined = Observations.concat(parts)
    assert joined.is_same(everything)
    assert joined.to_bytes() == everything.to_bytes()
    assert Coverage().plus(everything) == Coverage().plus(parts[0]).plus(parts[1])


def run_of(count: int, *, start: int = 0, brand: int = 0, **changes: Any) -> list[Moment]:
    return [Moment(start + 4 * n, [seen(brand, **changes)]) for n in range(count)]


def test_two_logos_of_one_brand_at_once_are_one_second() -> None:
    (one,) = impressions([Moment(4 * n, [seen(), seen(x=300)]) for n in range(25)])
    assert (one.on_screen_seconds, one.placements_mean, one.placements_peak) == (1.0, 2.0, 2)
    assert one.mean_share == pytest.approx(0.02)
    assert one.position_shares[:2] == (0.5, 0.5)


def test_seconds_are_those_of_the_frames_not_hits_over_a_rate() -> None:
    moments = [Moment(0, [seen()], 4), Moment(4, [seen()], 50), Moment(54, [seen()], 2)]
    (one,) = impressions(moments)
    assert (one.on_screen_seconds, one.start_seconds, one.end_seconds) == (0.56, 0.0, 0.56)


GAP = [*run_of(30), *[Moment(120 + 4 * n) for n in range(5)], *run_of(30, start=140)]


@pytest.mark.parametrize(
    ("flag", "profile", "expected", "remark"),
    [
        (0, "one-second", [(2.6, 0.2, "end")], "five frames of a miss are bridged, and count"),
        (0, "raw", [(1.2, 0.0, "left"), (1.2, 0.0, "end")], "raw bridges nothing"),
        (0, "legible", [(2.4, 0.2, "end")], "bridged, and not counted"),
        (0, "two-second", [(2.6, 0.2, "end")], "long enough"),
        (CUT, "one-second", [(1.2, 0.0, "cut"), (1.2, 0.0, "end")], "never across a cut"),
        (JUMP, "one-second", [(1.2, 0.0, "gap"), (1.2, 0.0, "end")], "never across a jump"),
        (CUT | JUMP, "one-second", [(1.2, 0.0, "gap"), (1.2, 0.0, "end")], "a jump says more than a cut"),
        (CUT, "two-second", [], "two times 1.2 s are not 2 s"),
    ],
)
def test_gaps(flag: int, profile: str, expected: list[tuple[float, float, str]], remark: str) -> None:
    moments = [dataclasses.replace(m, flags=flag if n == 32 else SCANNED) for n, m in enumerate(GAP)]
    found = impressions(moments, find_profile(profile))
    assert [(i.on_screen_seconds, i.bridged_seconds, i.closed_by) for i in found] == expected, remark


def test_lost_time_is_never_on_screen() -> None:
    moments = [*run_of(25), *run_of(25, start=130)]
    (one,) = impressions(moments, find_profile("one-second"))
    assert (one.start_seconds, one.end_seconds, one.on_screen_seconds) == (0.0, 2.3, 2.0)
    assert Coverage().plus(observations(moments)).lost == 30


@pytest.mark.parametrize(
    ("changes", "remark"),
    [
        ({"sharpness": 79}, "too blurred"),
        ({"contrast": 149}, "too faint"),
        ({"xyxy": (10, 10, 100, 29.9)}, "too low"),
        ({"is_bridged": True}, "not found, only held to be there"),
    ],
)
def test_what_cannot_be_read_does_not_count(changes: dict[str, Any], remark: str) -> None:
    assert len(impressions(run_of(30), find_profile("legible"))) == 1
    assert impressions(run_of(30, **changes), find_profile("legible")) == [], remark


def test_other_brands_at_once_and_alone() -> None:
    moments = [Moment(4 * n, [seen(0), *([seen(1, x=300)] if n < 10 else [])]) for n in range(40)]
    one, other = sorted(impressions(moments), key=lambda i: i.brand, reverse=True)
    assert (one.brand, one.other_brands_mean, one.solus_seconds) == ("Nordwind", 0.25, 1.2)
    assert (other.brand, other.other_brands_mean, other.solus_seconds) == ("Kalt & Warm", 1.0, 0.0)


def test_ids_tell_stream_media_brand_start_and_run() -> None:
    def ids(**changes: str) -> set[str]:
        account = Impressions(RAW, BRANDS, time_base=TICK, **{"stream": "s", "media": "m", "run": "r", **changes})
        moments = [Moment(4 * n, [seen(0), seen(1)] if n != 5 else []) for n in range(10)]
        return {i.id for i in (*account.update(observations(moments)), *account.finish())}

    assert len(ids()) == 4
    assert ids() == ids()
    for changes in ({"stream": "t"}, {"media": "n"}, {"run": "q"}):
        assert not ids() & ids(**changes)


def test_wall_times_are_utc_with_method_and_error() -> None:
    started_at = datetime(2026, 5, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    account = fold(clock=Clock(started_at, "container", 0.5))
    (one,) = [*account.update(observations(run_of(25, start=150))), *account.finish()]
    assert (one.start_at, one.end_at) == ("2026-05-01T12:00:01.500Z", "2026-05-01T12:00:02.500Z")
    assert (one.clock_method, one.clock_error_seconds) == ("container", 0.5)
    (other,) = impressions(run_of(3))
    assert (other.start_at, other.clock_method, other.clock_error_seconds) == (None, "none", None)
    assert started_at.astimezone(UTC).hour == 12


def test_open_ones_are_what_a_break_would_leave() -> None:
    account = fold()
    assert account.update(observations(run_of(10))) == []
    (one,) = account.open()
    assert (one.closed_by, one.on_screen_seconds) == ("truncated", 0.4)
    assert account.finish("truncated") == [one]
    assert account.open() == account.finish() == []


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        (run_of(3), "pts must rise, got 0 after 40"),
        ([Moment(100, [seen(3)])], "brand must be 0 to 2, got 3 to 3"),
    ],
)
def test_what_does_not_follow_is_refused(moments: list[Moment], message: str) -> None:
    account = fold()
    account.update(observations(run_of(10)))
    with pytest.raises(ValueError, match=message):
        account.update(observations(moments))


def test_nanosecond_ticks_stay_exact() -> None:
    """Ten hours of a full picture in nanoseconds: sums leave 64 bits, and the result does not."""
    hour = 3600 * 10**9
    frames = 3600
    columns: dict[str, Any] = {name: np.zeros(frames, np.uint16) for name in ("sharpness", "contrast")}
    for name, value in {"track": 1, "x1": 0, "y1": 0, "x2": 6400, "y2": 3600}.items():
        columns[name] = np.full(frames, value, np.int32)
    everything = Observations(
        Fraction(1, 10**9),
        SIZE_WH,
        index=np.arange(frames),
        pts=np.arange(frames) * (10 * hour // frames),
        duration=np.full(frames, 10 * hour // frames),
        sampled=np.zeros(frames, np.int64),
        flags=np.zeros(frames, np.uint8),
        frame_row=np.arange(frames, dtype=np.int32),
        brand=np.zeros(frames, np.int16),
        score=np.full(frames, 10_000, np.uint16),
        is_bridged=np.zeros(frames, np.uint8),
        **columns,
    )
    account = Impressions(RAW, BRANDS, time_base=Fraction(1, 10**9), stream="s")
    (one,) = [*account.update(everything), *account.finish()]
    assert (one.on_screen_seconds, one.mean_share, one.score_mean) == (36_000.0, 1.0, 1.0)


# --- the builder of observations


def frame(number: int, *, seconds: float, lasts: float = 0.04, size_wh: tuple[int, int] = SIZE_WH) -> Frame:
    pixels = PICTURE if size_wh == SIZE_WH else RgbPixels(np.zeros((size_wh[1], size_wh[0], 3), np.uint8))
    tick = Fraction(1, 12_800)
    return Frame("match", number, 900 + round(seconds / tick), tick, seconds, lasts, 0.0, False, pixels)


def built(frames: Sequence[Frame], **settings: Any) -> list[Observations]:
    builder = ObservationsBuilder(TICK, **settings)
    parts = [builder.add(one, [seen()]) for one in frames]
    return [part for part in (*parts, builder.rest()) if part is not None]


def test_a_piece_a_second_and_nothing_twice() -> None:
    parts = built([frame(n, seconds=n / 25) for n in range(60)])
    assert [len(part) for part in parts] == [25, 25, 10]
    whole = Observations.concat(parts)
    assert whole.pts.tolist() == [4 * n for n in range(60)], "ticks count from the first frame"
    assert set(whole.duration.tolist()) == {4}
    assert whole.flags.tolist() == [SCANNED] * 60
    assert (whole.x1[0], whole.y2[0], whole.score[0]) == (100, 460, 9000)


def test_a_jump_ahead_is_lost_time() -> None:
    """The decoder says that the frame before the jump lasts until the next: ten seconds, which nobody saw."""
    frames = [frame(0, seconds=0), frame(1, seconds=0.04, lasts=10.0), frame(2, seconds=10.04)]
    whole = Observations.concat(built(frames))
    assert whole.duration.tolist() == [4, 4, 4]
    assert [bool(flag & JUMP) for flag in whole.flags] == [False, False, True]
    assert Coverage().plus(whole).lost == 996


def test_dropped_frames_are_lost_and_chosen_ones_are_not() -> None:
    every_third = [frame(3 * n, seconds=3 * n / 25) for n in range(5)]
    dropped, chosen = (Observations.concat(built(every_third, sample_every=n)) for n in (1, 3))
    of_dropped, of_chosen = Coverage().plus(dropped), Coverage().plus(chosen)
    assert (of_dropped.watched, of_dropped.sampled, of_dropped.lost) == (20, 0, 32)
    assert (of_chosen.watched, of_chosen.sampled, of_chosen.lost) == (20, 32, 0)
    assert chosen.duration.tolist() == [12, 12, 12, 12, 4]
    assert not any(flag & JUMP for flag in dropped.flags), "a few frames lost are no other scene"


def test_another_size_is_another_run() -> None:
    frames = [frame(0, seconds=0), frame(1, seconds=0.04, size_wh=(320, 180)), frame(2, seconds=0.08)]
    parts = built(frames)
    assert [(part.size_wh, bool(part.flags[0] & JUMP)) for part in parts] == [
        (SIZE_WH, False),
        ((320, 180), True),
        (SIZE_WH, True),
    ]
    with pytest.raises(ValueError, match="cannot be joined"):
        Observations.concat(parts)


def test_cuts_are_told() -> None:
    builder = ObservationsBuilder(TICK)
    builder.add(frame(0, seconds=0), [])
    builder.add(frame(1, seconds=0.04), [], is_cut=True, was_scanned=False)
    whole = builder.rest()
    assert whole is not None
    assert whole.flags.tolist() == [SCANNED, CUT]
    assert Coverage().plus(whole).scanned == 4
    assert builder.rest() is None


def test_times_that_do_not_rise_are_refused() -> None:
    builder = ObservationsBuilder(TICK)
    builder.add(frame(0, seconds=1), [])
    with pytest.raises(ValueError, match="pts must rise"):
        builder.add(frame(1, seconds=1), [])


@pytest.mark.parametrize(
    ("moments", "message"),
    [
        ([Moment(0, duration=5), Moment(4)], "no frame last beyond"),
        ([Moment(0, duration=0), Moment(0)], "pts must rise"),
    ],
)
def test_frames_that_overlap_are_refused(moments: list[Moment], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        observations(moments)


def test_damaged_bytes_are_refused() -> None:
    data = observations(run_of(5)).to_bytes()
    for damaged in (b"", data[:-4], data[:10] + b"\0" + data[11:], b"x" + data):
        with pytest.raises(ValueError, match="no block of observations"):
            Observations.from_bytes(damaged)


# --- profiles


def test_the_shipped_profiles() -> None:
    assert list(read_profiles()) == ["raw", "one-second", "two-second", "legible"]
    assert find_profile("legible").label == "legible/1"
    assert len({profile.sha256 for profile in read_profiles().values()}) == 4
    assert Profile.from_table(RAW.to_table()) == RAW


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[a]\nversion = 1\nmin_second = 1", "a: min_second: unknown key; did you mean min_seconds"),
        ("[a]\nversion = 1", "a: about: is missing"),
        ("a = 1", "a: must be a table"),
        ("[a", "Expected"),
        ("version", "Expected"),
    ],
)
def test_a_wrong_profile_is_told(tmp_path: Any, text: str, message: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_profiles(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"min_seconds": -1}, "min_seconds must not be negative"),
        ({"min_share": 1.5}, "min_share must be between 0 and 1"),
        ({"min_height_px": 1.5}, "min_height_px: must be of type int"),
        ({"counts_gaps": 1}, "counts_gaps: must be of type bool"),
    ],
)
def test_a_wrong_number_is_told(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Profile.from_table({**RAW.to_table(), **changes})


def test_an_unknown_profile_is_told() -> None:
    with pytest.raises(ValueError, match="did you mean two-second"):
        find_profile("two-seconds")
