"""One sign gives one track, in little worlds."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from detectors.detections import Detections
from pipeline.tracker import Track, Tracker, TrackerSettings, distance_cost
from tests.worlds import FPS, SIZE_WH, Sign, detections, found, times

Change = Callable[[int, Detections], Detections]


def follow(
    signs: Sequence[Sign],
    seconds: float = 3.0,
    *,
    change: Change | None = None,
    fps: float = FPS,
    settings: TrackerSettings | None = None,
    skip: Sequence[tuple[float, float]] = (),
) -> tuple[list[Track], list[list[Track]]]:
    """Track a world; return the ended tracks and, per frame, those that lived."""
    tracker = Tracker(settings)
    lives, ended = [], []
    for index, now in enumerate(times(seconds, fps)):
        if any(start <= now < end for start, end in skip):
            continue
        seen = detections(signs, now)
        lives.append(tracker.update(change(index, seen) if change else seen, pts_seconds=now, size_wh=SIZE_WH))
        ended += tracker.ended()
    return ended + tracker.finish(), lives


def jitter(pixels: float) -> Change:
    """Move every edge by noise, as a real detector does."""
    rng = np.random.default_rng(1)

    def change(index: int, seen: Detections) -> Detections:
        noise = rng.normal(0, pixels, seen.xyxy.shape).astype(np.float32)
        return replace(seen, xyxy=seen.xyxy + noise)

    return change


def shake(pixels: float) -> Change:
    """Move the whole picture up and down, as a bad road does."""

    def change(index: int, seen: Detections) -> Detections:
        offset = np.array([0, 1, 0, 1], np.float32) * np.float32(pixels * np.sin(index * 1.1))
        return replace(seen, xyxy=seen.xyxy + offset)

    return change


def lose(frames: Callable[[int], bool]) -> Change:
    return lambda index, seen: Detections.empty() if frames(index) else seen


def flicker(other: int, every: int) -> Change:
    """Call the sign something else in every so many-th frame."""

    def change(index: int, seen: Detections) -> Detections:
        return replace(seen, class_id=np.full_like(seen.class_id, other)) if index % every == 0 else seen

    return change


def add(class_id: int, score: float, at: Callable[[Detections], np.ndarray]) -> Change:
    """Add a second detection wherever there is a first one."""

    def change(index: int, seen: Detections) -> Detections:
        if not len(seen):
            return seen
        second = found([tuple(at(seen).tolist())], [class_id], [score])
        return Detections.concat([seen, second])

    return change


def freeze(box: tuple[float, float, float, float]) -> Change:
    """Put the sign at the same place in every frame."""
    return lambda index, seen: replace(seen, xyxy=np.array([box] * len(seen), np.float32).reshape(-1, 4))


NEAR = Sign(2, z=38)
TWO_ON_A_POST = [Sign(2, y=-1.9, z=38), Sign(13, y=-1.05, z=38)]
TWO_ALIKE = [Sign(2, x=3.0, z=38), Sign(2, x=4.0, z=39)]


@pytest.mark.parametrize(
    ("signs", "options", "classes", "remark"),
    [
        ([], {}, [], "an empty road"),
        ([NEAR], {}, [2], "it approaches and passes"),
        ([NEAR], {"fps": 10}, [2], "the same at 10 frames a second"),
        ([NEAR], {"fps": 60}, [2], "the same at 60 frames a second"),
        ([NEAR], {"change": jitter(1.0)}, [2], "its edges jitter by a pixel"),
        ([NEAR], {"change": shake(6.0)}, [2], "the picture shakes"),
        ([NEAR], {"change": lose(lambda i: i % 2 == 1)}, [2], "found in every other frame"),
        ([NEAR], {"change": lose(lambda i: 25 <= i < 45)}, [2], "gone for 0.8 s"),
        ([replace(NEAR, hidden=((1.2, 1.9),))], {"fps": 60}, [2], "a lamp post before it for 0.7 s"),
        ([NEAR], {"change": flicker(1, 4)}, [2], "every fourth frame says 30"),
        ([NEAR], {"change": flicker(1, 2)}, [], "50 and 30 by turns: nobody knows, nothing is told"),
        ([NEAR], {"change": flicker(43, 3)}, [], "one frame in three calls it none of the known"),
        ([Sign(43, z=38)], {}, [43], "a sign that is none of the known ones"),
        (TWO_ON_A_POST, {}, [2, 13], "two signs on one post"),
        (TWO_ON_A_POST, {"change": shake(6.0)}, [2, 13], "two signs on one post on a bad road"),
        (TWO_ON_A_POST, {"fps": 10}, [2, 13], "two signs on one post at 10 frames a second"),
        (TWO_ALIKE, {}, [2, 2], "two of the same side by side"),
        ([Sign(2, z=30), Sign(2, z=52)], {}, [2, 2], "the same again 22 m on"),
        ([Sign(2, x=-4, z=38), Sign(2, x=4, z=38)], {}, [2, 2], "one on each side of the road"),
        ([NEAR], {"change": add(2, 0.8, lambda d: d.xyxy[0] + np.array([1, 1, -2, -2]))}, [2], "a second box within"),
        ([NEAR], {"change": add(14, 0.45, lambda d: d.xyxy[0] + 60)}, [2], "a faint stray box is not even begun"),
        ([NEAR], {"change": lose(lambda i: i not in (10, 30, 50))}, [], "three glimpses are no sign"),
        ([NEAR], {"change": lose(lambda i: i not in (40, 41, 42))}, [], "a flash of three frames is no sign"),
        ([NEAR], {"change": lose(lambda i: i % 4 != 0)}, [], "found in one frame of four: clutter does that"),
        ([NEAR], {"change": freeze((300, 100, 330, 130))}, [], "it keeps its distance, as a lorry ahead does"),
        (
            [NEAR],
            {"change": freeze((300, 100, 330, 130)), "settings": TrackerSettings(confirm_growth=1.0)},
            [2],
            "which may be asked for",
        ),
    ],
)
def test_one_sign_one_track(signs: list[Sign], options: dict, classes: list[int], remark: str) -> None:
    ended, _ = follow(signs, 4.5, **options)
    assert sorted(t.class_id for t in ended) == classes, remark
    assert all(t.state == "ended" for t in ended)


def test_a_track_knows_its_life() -> None:
    (track,), lives = follow([NEAR])
    assert track.id == 1
    assert track.start_seconds == 0.0
    assert track.end_seconds == pytest.approx(NEAR.passes_at, abs=1.5 / FPS)
    assert track.score == pytest.approx(0.95)
    assert track.best.xyxy == pytest.approx(NEAR.xyxy(track.best.pts_seconds), abs=0.01)
    assert track.best.pts_seconds > track.end_seconds - 0.2, "an approaching sign is best seen last"
    states = [t.state for frame in lives for t in frame]
    first = states.index("confirmed")
    assert set(states[first:]) == {"confirmed"}
    side = [t.xyxy[2] - t.xyxy[0] for frame in lives for t in frame]
    growth = [s / (sum(side[:3]) / 3) for s in side]
    assert growth[first - 1] < TrackerSettings().confirm_growth <= growth[first], "believed as soon as it came nearer"


def test_a_gap_is_bridged_where_the_sign_is() -> None:
    _, lives = follow([NEAR], change=lose(lambda i: 30 <= i < 42))
    for index in range(30, 42):
        (track,) = lives[index]
        assert track.is_bridged
        true = NEAR.xyxy(index / FPS)
        assert true is not None
        side = true[2] - true[0]
        assert track.xyxy == pytest.approx(true, abs=0.25 * side), f"frame {index}: perspective is foretold"


def test_predicted_boxes_lead_the_verifier() -> None:
    tracker = Tracker()
    for now in times(1.0):
        tracker.update(detections([NEAR], now), pts_seconds=now, size_wh=SIZE_WH)
    assert tracker.predicted(1.0)[0] == pytest.approx(NEAR.xyxy(1.0), abs=0.5)
    assert tracker.predicted(1.0).dtype == np.float32
    assert Tracker().predicted(0.0).shape == (0, 4)


@pytest.mark.parametrize(("fps", "jitter_px"), [(10, 0.3), (25, 0.3), (60, 0.3), (25, 0.8)])
def test_passing_is_foretold_early_rather_than_late(fps: float, jitter_px: float) -> None:
    _, lives = follow([NEAR], fps=fps, change=jitter(jitter_px))
    for now, tracks in zip(times(3.0, fps), lives, strict=True):
        left = NEAR.passes_at - now
        if tracks and 0.3 < left < 1.5:
            assert 0.4 * left < tracks[0].passes_in_seconds < left + 0.15, f"at {now:.2f} s"


def test_a_parked_camera_never_passes() -> None:
    tracker = Tracker()
    for now in times(3.0):
        (track,) = tracker.update(found([(100, 50, 130, 80)], [2], [0.9]), pts_seconds=now, size_wh=SIZE_WH)
    assert track.passes_in_seconds > 4


@pytest.mark.parametrize(
    ("now", "size_wh", "remark"),
    [
        (0.5, SIZE_WH, "the clock goes back"),
        (7.0, SIZE_WH, "the clock jumps ahead"),
        (1.0, (1280, 768), "the picture has another size"),
    ],
)
def test_a_cut_ends_all_tracks(now: float, size_wh: tuple[int, int], remark: str) -> None:
    tracker = Tracker(TrackerSettings(confirm_growth=1.0))
    box = found([(100, 50, 130, 80)], [2], [0.9])
    for before in times(1.0):
        tracker.update(box, pts_seconds=before, size_wh=SIZE_WH)
    (after,) = tracker.update(box, pts_seconds=now, size_wh=size_wh)
    assert after.id == 2, remark
    assert [t.id for t in tracker.ended()] == [1], remark


def test_the_vote_is_by_score_and_known_classes_stand_alone() -> None:
    """Two sure looks outweigh three doubtful ones; two other kinds of sign together outweigh a known one."""
    cases = [([(2, 0.9), (2, 0.9), (1, 0.5), (1, 0.5), (1, 0.5)], 2), ([(2, 0.8), (43, 0.6), (44, 0.5)], 43)]
    for looks, winner in cases:
        tracker = Tracker()
        for index, (class_id, score) in enumerate(looks):
            box = found([(100, 50, 130, 80)], [class_id], [score])
            (track,) = tracker.update(box, pts_seconds=index / FPS, size_wh=SIZE_WH)
        assert track.class_id == winner


def test_the_cost_is_an_extension_point() -> None:
    """A cost that forbids every pair makes every detection a track of its own."""
    tracker = Tracker(cost=lambda predicted, seen: np.full((len(predicted), len(seen)), np.inf))
    box = found([(100, 50, 130, 80)], [2], [0.9])
    for index in range(3):
        tracks = tracker.update(box, pts_seconds=index / FPS, size_wh=SIZE_WH)
    assert [t.id for t in tracks] == [1, 2, 3]
    assert distance_cost(box, box).shape == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [{"confirm_score": 1.5}, {"gap_seconds": 0.0}, {"confirm_hits": -1}, {"reach_sizes": -0.1}, {"reach_shape": 1.0}],
)
def test_settings_that_cannot_be(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrackerSettings(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(("reach_shape", "ends"), [(1.4, 1.0), (0.0, 3.0)])
def test_what_stands_where_a_logo_has_gone_is_not_taken_for_it(reach_shape: float, ends: float) -> None:
    """After a second something flatter lies there now and then; it is told as one thing unless shapes are looked at."""
    tracker = Tracker(TrackerSettings(confirm_growth=1.0, reach_shape=reach_shape, gap_seconds=0.5))
    for now in times(3.0):
        steady, stray = (100, 100, 160, 130), (100, 102, 170, 122)
        box = steady if now < 1.0 else stray
        seen = found([box], [1], [0.95])
        tracker.update(seen, pts_seconds=now, size_wh=SIZE_WH)
    first, *_ = tracker.finish()
    assert first.end_seconds == pytest.approx(ends - 1 / FPS)


def test_what_the_pictures_edge_cuts_may_have_any_shape() -> None:
    tracker = Tracker(TrackerSettings(confirm_growth=1.0, reach_shape=1.4))
    for number, now in enumerate(times(1.2)):
        left = 20 - 2 * number
        box = (max(0, left), 100, left + 60, 130)
        tracker.update(found([box], [1], [0.95]), pts_seconds=now, size_wh=SIZE_WH)
    (one,) = tracker.finish()
    assert one.xyxy == (0, 100, 22, 130)


def board(seconds: float, changes: dict[float, int], *, change_seconds: float) -> tuple[list[Track], list[list[Track]]]:
    """A board that stands still and shows one class after another; changes: from when on which."""
    settings = TrackerSettings(confirm_growth=1.0, change_seconds=change_seconds)
    tracker, lives = Tracker(settings), []
    for now in times(seconds):
        class_id = changes[max(start for start in changes if start <= now)]
        lives.append(
            tracker.update(found([(100, 100, 160, 130)], [class_id], [0.95]), pts_seconds=now, size_wh=SIZE_WH)
        )
    return tracker.finish(), lives


def test_a_board_that_changes_what_it_shows_is_another_track_from_then_on() -> None:
    ended, lives = board(3.0, {0.0: 1, 1.6: 13}, change_seconds=0.2)
    first, second = ended
    assert (first.class_id, second.class_id) == (1, 13)
    assert first.end_seconds == pytest.approx(1.6 - 1 / FPS)
    assert second.start_seconds == pytest.approx(1.6)
    assert second.follows == first.id
    doubted = [tracks[0].doubted_since for tracks in lives]
    assert doubted[39] is None
    assert doubted[41] == pytest.approx(1.6), "it is told at once that a change may be coming"
    assert [track.id for track in lives[44]] == [first.id]
    assert [track.id for track in lives[45]] == [second.id], "0.2 s later it is sure"
    assert lives[45][0].state == "confirmed", "it was found five times by then"


def test_a_flicker_of_the_class_is_no_change_and_a_sign_never_changes() -> None:
    flickers = {0.0: 1, 1.0: 13, 1.16: 1, 2.0: 13, 2.16: 1}
    (one,), _ = board(3.0, flickers, change_seconds=0.2)
    assert (one.class_id, one.follows, one.doubted_since) == (1, None, None)
    (one,), _ = board(3.0, {0.0: 1, 2.4: 13}, change_seconds=0.0)
    assert (one.class_id, one.start_seconds) == (1, 0)


OTHER_PLACE = (300, 50, 400, 90)


def judged_tracker() -> Tracker:
    return Tracker(TrackerSettings(confirm_growth=1.0), known_classes=3, is_judged=True)


def test_what_only_a_judge_may_name_is_neither_taken_for_a_known_thing_nor_in_its_way() -> None:
    """A place without a name, then a known thing there, then the place again: two tracks."""
    tracker = judged_tracker()
    for index, class_id in enumerate([3, 1, 3]):
        tracks = tracker.update(found([OTHER_PLACE], [class_id], [0.9]), pts_seconds=index / FPS, size_wh=SIZE_WH)
    assert [(t.id, t.class_id, t.is_bridged) for t in tracks] == [(1, 3, False), (2, 1, True)]
    both = found([OTHER_PLACE, OTHER_PLACE], [3, 1], [1.0, 0.9])
    tracks = judged_tracker().update(both, pts_seconds=0.0, size_wh=SIZE_WH)
    assert sorted(t.class_id for t in tracks) == [1, 3], "the surer place hides nothing"


def test_what_a_judge_named_is_expected_in_every_frame_and_what_not_in_none() -> None:
    tracker = judged_tracker()
    tracker.update(found([(100, 50, 130, 80), OTHER_PLACE], [1, 3], [0.9, 0.9]), pts_seconds=0.0, size_wh=SIZE_WH)
    later = 1 / FPS
    assert len(tracker.expected(later, known_only=True)) == len(tracker.unnamed(later)) == 1
    assert not len(tracker.named(later))
    tracker.name([1, 2])
    assert tracker.expected(later, known_only=True).class_id.tolist() == [1, 3]
    assert tracker.named(later).class_id.tolist() == [3]
    assert len(tracker.unnamed(later)) == 1, "the known one is looked at anew"
    tracker.name([])
    assert not len(tracker.named(later))
