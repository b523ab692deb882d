"""Gaps of live streams, from the source to the events: nothing bridges them, and they are never silent."""

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from pipeline.batching import BatchSettings, batch
from pipeline.brands.observation import Coverage
from pipeline.brands.profiles import find_profile
from pipeline.brands.task import Broadcast, Observed
from pipeline.events import Event, GapEvent, Impression, LimitChange, Sighting, row
from pipeline.metrics import Metrics
from pipeline.prefetch import Given, Gone, Prefetch, PrefetchSettings
from pipeline.road.announce import AnnouncerSettings
from pipeline.road.limit import LimitSettings
from pipeline.road.task import Road, RoadSettings
from pipeline.stages import Break, StreamEnd, Tracked, detect, events, follow
from pipeline.tasks import Origin
from pipeline.tracker import Tracker
from streams.frame import Frame
from streams.gap import Gap
from tests.brand_worlds import identity
from tests.live_worlds import CLOCK, LiveWorld, Step, frames, gap
from tests.test_brands_task import track
from tests.test_prefetch import settled
from tests.worlds import FPS, Sign, SquareDetector

SIGN = Sign(2, z=45)
ALL = PrefetchSettings(live_frames=1000)


def taken(*worlds: LiveWorld, settings: PrefetchSettings = ALL, metrics: Metrics | None = None) -> list[Given]:
    with Prefetch(worlds, settings, metrics=metrics or Metrics()) as prefetch:
        return list(prefetch)


def shape(items: Sequence[Given]) -> str:
    """Write f for a frame, ( for a gap that begins, ) for one that is over."""
    return "".join(
        "f" if isinstance(i, Frame) else "(" if isinstance(i, Gap) and i.end_seconds is None else ")" for i in items
    )


def steps(name: str = "road") -> list[Step]:
    """A sign comes nearer; the stream falls silent for 2 s while it is seen; another world follows."""
    return [
        *frames(name, [SIGN], (0, 2.4)),
        gap(name, 2.4),
        gap(name, 2.4, 4.4),
        *frames(name, [], (0, 0.4), first=60, pts=110),
    ]


def watched(source: LiveWorld, *, size: int = 8, metrics: Metrics | None = None) -> list[Any]:
    """Watch a road to the end of its steps."""
    metrics, name = metrics or Metrics(), source.info.name
    road = Road(road=RoadSettings(lang="en"), limit=LimitSettings(), announcer=AnnouncerSettings())
    trackers = {name: Tracker()}
    watchers = {name: road.watcher(Origin(source.info, "", {}))}
    with Prefetch([source], ALL, metrics=metrics) as prefetch:
        batches = batch(prefetch, BatchSettings(size=size))
        found = detect(batches, SquareDetector(), trackers, scan_seconds=0.08, metrics=metrics)
        return list(events(follow(found, trackers, metrics=metrics), watchers, metrics=metrics))


def test_gaps_keep_their_place_among_the_frames() -> None:
    row_ = [*frames("a", [], (0, 0.12)), gap("a", 0.12), gap("a", 0.12, 1.0), *frames("a", [], (0, 0.08), pts=25)]
    assert shape(taken(LiveWorld("a", row_, ends=True))) == "fff()ff"


def test_a_gap_takes_no_place_of_a_frame_and_is_never_dropped() -> None:
    source, metrics = LiveWorld("road", steps(), ends=True), Metrics()
    with Prefetch([source], PrefetchSettings(live_frames=2), metrics=metrics) as prefetch:
        assert settled(lambda: not prefetch.is_live or bool(source.closed_by)), "nobody takes anything"
        left = list(prefetch)
    assert shape(left) == "()ff"
    assert metrics.frames.snapshot()["road"].dropped == {"late": 68}
    assert metrics.streams.snapshot()["road"].gap_seconds == pytest.approx(2.0)


def test_a_batch_counts_frames_alone() -> None:
    source = LiveWorld(
        "road", [*frames("road", [], (0, 0.08)), gap("road", 0.08), *frames("road", [], (0, 0.24))], ends=True
    )
    with Prefetch([source], ALL, metrics=Metrics()) as prefetch:
        assert settled(lambda: bool(source.closed_by))
        assert [shape(part) for part in batch(prefetch, BatchSettings(size=4))] == ["ff(ff", "ffff"]


def test_gone_comes_after_what_waits() -> None:
    source, other = LiveWorld("a", frames("a", [], (0, 0.12))), LiveWorld("b", frames("b", [], (0, 0.04)))
    with Prefetch([source, other], ALL, metrics=Metrics()) as prefetch:
        assert settled(lambda: source.last_frame_at is not None and other.last_frame_at is not None)
        prefetch.remove("a")
        items = [prefetch.take(1.0) for _ in range(5)]
        of_a = [item for item in items if item is not None and item.stream == "a"]
        assert isinstance(of_a[-1], Gone)
        assert not any(isinstance(item, Gone) for item in of_a[:-1])
        assert source.closed.is_set()
        assert prefetch.take(0.05) is None, "the other one is silent, and not over"
        assert prefetch.is_live


@pytest.mark.parametrize("size", [1, 8, 100])
def test_no_track_and_no_limit_bridges_a_gap(size: int) -> None:
    passed = Sign(2, z=22)  # is passed after a second, so that a limit is in force
    steps: list[Step] = [
        *frames("road", [passed, Sign(14, x=-3.0, z=55)], (0, 2.6)),
        gap("road", 2.6),
        gap("road", 2.6, 3.0),  # shorter than what a tracker bridges
        *frames("road", [Sign(14, x=-3.0, z=55)], (2.6, 3.4), first=65, pts=75, world=0.0),
    ]
    items = watched(LiveWorld("road", steps, ends=True), size=size)
    told = [item for item in items if isinstance(item, Sighting | LimitChange | GapEvent)]
    first = next(i for i, item in enumerate(told) if isinstance(item, GapEvent))
    assert [type(item) for item in told[:first]] == [Sighting, LimitChange, Sighting, LimitChange]
    limit, stop, unknown = told[1:4]
    assert (limit.state, limit.value) == ("set", 50)
    assert (stop.label, stop.end_seconds) == ("stop", pytest.approx(2.56))
    assert (unknown.state, unknown.reason, unknown.pts_seconds) == ("unknown", "gap", 2.6)
    assert all((item.clock_method, item.clock_error_seconds) == ("rtcp", 0.05) and item.at for item in told)
    begun, over = told[first : first + 2]
    assert (begun.end_seconds, over.end_seconds, over.lost_seconds) == (None, 3.0, pytest.approx(0.4))
    frames_ = [item for item in items if isinstance(item, Tracked)]
    before = {t.id for item in frames_ if item.frame.pts_seconds < 2.6 for t in item.tracks}
    after = {t.id for item in frames_ if item.frame.pts_seconds >= 2.6 for t in item.tracks}
    assert after, "the sign is seen again"
    assert not before & after, "and is another track"
    assert [(item.frame.index, item.cut, item.was_scanned) for item in frames_ if item.cut] == [(65, "jump", True)]


def test_events_of_a_live_stream_tell_the_worlds_time() -> None:
    items = watched(LiveWorld("road", steps(), ends=True))
    rows = [row(item) for item in items if isinstance(item, Event)]
    assert {r["type"] for r in rows} == {"announcement", "sighting", "gap"}
    for r in rows:
        seconds = r["start_seconds"] if "start_seconds" in r else r["pts_seconds"]
        assert r["at"] == f"2026-11-24T12:00:{seconds:06.3f}Z", r
        assert (r["clock_method"], r["clock_error_seconds"]) == ("rtcp", 0.05)


def test_a_stream_that_never_came_has_a_gap_with_a_time() -> None:
    items = watched(LiveWorld("road", [gap("road", 0.0)], ends=True))
    (told,) = (item for item in items if isinstance(item, GapEvent))
    assert told.clock_method == "arrival"
    assert told.at is not None
    assert told.clock_error_seconds is None


def broadcast(*parts: str | Gap) -> list[Any]:
    """Watch a brand's tracks, a character a frame as in `test_brands_task`, and gaps between."""
    watcher = Broadcast(LiveWorld("match").info, run=identity(find_profile("raw")))
    out: list[Any] = []
    number, is_after_gap = 0, False
    for part in parts:
        if isinstance(part, Gap):
            out += watcher.interrupt(Break(part, []))
            number, is_after_gap = round((part.end_seconds or part.start_seconds) * FPS), True
            continue
        for look in part:
            (picture,) = frames("match", [], (0, 1 / FPS), first=number, pts=number)
            out += watcher.update(Tracked(picture, [track(1, look)], [], True, "jump" if is_after_gap else None))
            number, is_after_gap = number + 1, False
    return out + list(watcher.close(StreamEnd("match", number / FPS, [], is_cut_short=True)))


def closed(items: Sequence[Any]) -> list[tuple[float, float, str]]:
    found = [item for item in items if isinstance(item, Impression)]
    return [(i.start_seconds, i.end_seconds, i.closed_by) for i in found]


def test_an_exposure_ends_with_the_gap_and_not_when_it_is_over() -> None:
    items = broadcast("c" * 30, gap("match", 1.2))
    assert closed(items) == [(0.0, 1.2, "gap")]
    is_ended = [item.ended for item in items if isinstance(item, Observed)]
    assert is_ended[-1] == "gap", "a recount must know why nothing follows"


def test_no_exposure_bridges_a_gap_and_what_was_lost_is_told() -> None:
    items = broadcast("c" * 30, gap("match", 1.2), gap("match", 1.2, 1.4), "c" * 40)
    assert closed(items) == [(0.0, 1.2, "gap"), (1.4, 3.0, "truncated")], "also a gap that the profile would bridge"
    pieces = [item.observations for item in items if isinstance(item, Observed) and item.observations is not None]
    coverage = Coverage()
    for piece in pieces:
        coverage = coverage.plus(piece)
    told = coverage.to_table(pieces[0].time_base)
    assert (told["lost_seconds"], told["watched_seconds"], told["jumps"]) == (0.2, 2.8, 1)


@pytest.mark.parametrize("parts", [["c" * 30, 1.2], ["c" * 30, (1.2, 1.4), "c" * 20], ["t" * 5, (0.2, 9.0), "c" * 50]])
def test_a_recount_of_an_account_with_gaps_gives_the_same(parts: list[Any]) -> None:
    turned = [p if isinstance(p, str) else gap("match", *(p if isinstance(p, tuple) else (p,))) for p in parts]
    items = broadcast(*turned)
    seen = [item for item in items if isinstance(item, Observed)]
    fold = seen[0].run.impressions(seen[0].observations.time_base, seen[0].clock)
    again = [i for part in seen if part.observations is not None for i in fold.update(part.observations)]
    again += fold.finish(seen[-1].ended)
    assert [row(i) for i in again] == [row(item) for item in items if isinstance(item, Impression)]


def test_an_exposures_clock_is_that_of_the_first_frame() -> None:
    (impression,) = (item for item in broadcast("c" * 30) if isinstance(item, Impression))
    assert (impression.clock_method, impression.clock_error_seconds) == ("rtcp", 0.05)
    assert impression.end_at == "2026-11-24T12:00:01.200Z"
    assert CLOCK.started_at.isoformat().startswith("2026-11-24T12:00:00")


def test_the_end_does_not_wait_for_frames_of_live_streams_but_for_their_gaps() -> None:
    source, metrics = LiveWorld("road", steps()), Metrics()
    with Prefetch([source], ALL, metrics=metrics) as prefetch:
        assert settled(lambda: metrics.frames.snapshot()["road"].decoded == 70)
        prefetch.stop()
        assert shape(list(prefetch)) == "()"
    assert metrics.frames.snapshot()["road"].dropped == {"shutdown": 70}
    assert source.closed_by[0] == "close streams", "another thread than the one that reads it"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_end_of_the_only_stream_is_told_while_another_is_awaited(count: int) -> None:
    source = LiveWorld("a", frames("a", [], (0, 0.04 * count)))
    with Prefetch([source], ALL, metrics=Metrics()) as prefetch:
        assert settled(lambda: source.is_done)
        prefetch.hold()
        prefetch.remove("a")
        batches = batch(prefetch, BatchSettings(size=8))
        told: list[list[Given]] = []
        thread = threading.Thread(target=lambda: told.append(next(batches)), daemon=True)
        thread.start()
        thread.join(5)
        assert told, "it waits for frames that nobody will send before it is told"
        assert [type(item) for item in told[0]] == [Frame] * count + [Gone]
        prefetch.release()
