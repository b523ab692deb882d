"""Who reads what when: tracks judged by their pictures and by the words that really stand there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from detectors.closeness import Closeness, Likenesses
from detectors.gallery import Exemplar, Gallery
from detectors.picture import Image
from detectors.reading import Line, Reader
from detectors.rendering import Kind, Likeness
from detectors.wording import Wording
from pipeline.brands.judge import HELD_SECONDS, UNCLEAR, Judge
from pipeline.tracker import Best, Track
from tests.test_closeness import artwork, bar, bolt, likenesses
from tests.test_closeness import board as emblem
from tests.test_reading import board
from tests.worlds import frame

FPS = 25
BOX = (40.0, 40.0, 200.0, 80.0)
JULMA, GANTRY, BOLT = range(3)
_VECTOR = np.ones((1, 4), np.float32) / 2
WORDING = Wording(
    Gallery(
        [
            Exemplar("Julma", "artwork", "julma.png", b"", _VECTOR, "JULMA"),
            Exemplar("Gantry", "artwork", "gantry.png", b"", _VECTOR, "GANTRY"),
            Exemplar("Bolt", "artwork", "bolt.png", b"", _VECTOR),
        ]
    )
)


NOTHING = Likenesses(Gallery(brands=["Julma", "Gantry", "Bolt"]))


def judge_with(reader: Reader | None, readings_per_second: float = 6.0, wording: Wording = WORDING) -> Judge:
    """A judge that only reads."""
    return Judge(NOTHING, reader=reader, wording=wording, readings_per_second=readings_per_second)


class Told(Reader):
    """Reads what it is told, and counts."""

    def __init__(self, line: Line) -> None:
        self.line, self.count = line, 0

    def read(self, crops: Sequence[Image]) -> list[Line]:
        self.count += len(crops)
        return [self.line] * len(crops)


def track(number: int = 1, brand: int = JULMA, **changes: Any) -> Track:
    one = Track(number, "confirmed", brand, 0.95, BOX, 0.95, 0.0, 0.0, 0.0, Best(BOX, 0.0, 0.95))
    return replace(one, **changes)


def watched(judge: Judge, tracks: Sequence[Track], frames: int, picture: Image | None = None) -> list[list[Track]]:
    """What the judge makes of the tracks in each frame. picture: what all frames show; None: each something else."""
    pictures = np.random.default_rng(0).integers(0, 255, (frames, 144, 256, 3), np.uint8)
    shown = pictures if picture is None else [picture] * frames
    return [judge.judged(frame(one, index=i, fps=FPS, stream="match"), tracks) for i, one in enumerate(shown)]


def test_words_on_a_board_really_read_reject_a_look_alike_and_keep_the_brand() -> None:
    pytest.importorskip("rapidocr", reason="words are read where the extra `text` is installed")
    reader = Reader()
    for text, expected in (("JULMA", JULMA), ("JOLVA", None), ("GANTRY", GANTRY)):
        picture = np.full((144, 256, 3), (60, 120, 60), np.uint8)
        letters = board(text, 40)
        picture[40:80, 40 : 40 + letters.shape[1]] = letters
        place = track(xyxy=(40.0, 40.0, 40.0 + letters.shape[1], 80.0))
        last = watched(judge_with(reader), [place], 20, picture)[-1]
        assert [t.class_id for t in last] == ([] if expected is None else [expected]), text


def test_a_track_is_read_once_where_the_words_are_clear_and_again_where_they_are_not() -> None:
    clear, doubtful, none = Told(("JULMA", 1.0)), Told(("JULNA", 1.0)), Told(("", 0.0))
    for reader, count in ((clear, 1), (doubtful, 3), (none, 2), (Told(("LMA", 1.0)), UNCLEAR)):
        watched(judge_with(reader), [track()], 45)
        assert reader.count == count, reader.line
    watched(judge_with(clear), [track()], 60)
    assert clear.count == 3, "and once more after two seconds, as boards change"
    larger = replace(track(), xyxy=(20.0, 20.0, 240.0, 90.0))
    judge = judge_with(none)
    watched(judge, [track()], 20)
    judge.judged(frame(np.zeros((144, 256, 3), np.uint8), index=20, fps=FPS, stream="match"), [larger])
    assert none.count == 2 + 2 + 1, "nearer by, something may be read"


@pytest.mark.parametrize("is_nameless", [False, True])
def test_what_has_not_changed_since_it_was_read_is_taken_as_read(is_nameless: bool) -> None:
    thing, ways = (place(), 2) if is_nameless else (track(), 1)  # a nameless place is cut in two ways
    still = np.random.default_rng(1).integers(0, 255, (144, 256, 3), np.uint8)
    reader = Told(("JULNA", 1.0))  # which is not clear
    assert [t.class_id for t in watched(judge_with(reader), [thing], 45)[-1]] == [JULMA]
    assert reader.count > ways, "every picture is another"
    reader.count, judge = 0, judge_with(reader)
    assert [t.class_id for t in watched(judge, [thing], 45, still)[-1]] == [JULMA]
    assert reader.count == ways
    still = still.copy()
    still[50:70, 60:90] = 255  # somebody stands before it
    for second in (5, 10, 15, 20):
        judge.judged(frame(still, index=second * FPS, fps=FPS, stream="match"), [thing])
    assert reader.count == 2 * ways


def test_no_more_is_read_in_a_second_of_video_than_is_allowed() -> None:
    reader = Told(("JULMA", 1.0))
    tracks = [track(number) for number in range(1, 61)]
    first, *_, last = watched(judge_with(reader, 4), tracks, 3 * FPS)
    assert reader.count == 8 + 3 * 4 - 1
    assert sum(t.state == "confirmed" for t in first) == 8, "the others wait to be read"
    assert [t.state for t in last] == ["confirmed"] * 60, f"but not for longer than {HELD_SECONDS} s"


def test_the_largest_is_read_first_and_what_is_none_of_a_readers_is_left_alone() -> None:
    reader = Told(("JULMA", 1.0))
    judge = judge_with(reader, 0.5)
    small, large = track(1), track(2, xyxy=(20.0, 20.0, 240.0, 90.0))
    assert [t.score > 0.99 for t in watched(judge, [small, large], 1)[0]] == [False, True]
    for other in (
        track(state="tentative"),
        track(xyxy=(40.0, 40.0, 60.0, 80.0)),
        track(xyxy=(40.0, 40.0, 60.0, 47.0)),
        track(detection_score=None, brand=BOLT),
    ):
        reader = Told(("JOLVA", 1.0))
        assert watched(judge_with(reader), [other], 30)[-1] == [other]
        assert reader.count == 0


def test_a_track_that_was_rejected_does_not_come_back_in_the_end() -> None:
    judge = judge_with(Told(("JOLVA", 1.0)))
    assert [t.id for t in watched(judge, [track(1), track(2, BOLT)], 20)[-1]] == [2]
    assert [t.id for t in judge.ended([track(1, state="ended"), track(2, BOLT, state="ended")])] == [2]


def test_nothing_is_read_without_a_reader_without_words_or_where_it_is_not_allowed() -> None:
    reader = Told(("JOLVA", 1.0))
    empty = Wording(Gallery(brands=["Julma"]))
    for judge in (judge_with(None), judge_with(reader, wording=empty), judge_with(reader, 0)):
        assert watched(judge, [track()], 5) == [[track()]] * 5
    assert reader.count == 0


def test_a_look_alike_emblem_is_rejected_by_a_closer_look() -> None:
    looks = likenesses(bolt)
    for draw, expected in ((bolt, [0]), (bar, [])):
        judge = Judge(looks, wording=Wording(Gallery(brands=["Zentro"])))
        place = track(brand=0, xyxy=(60.0, 40.0, 92.0, 72.0))
        shown = watched(judge, [place], 10, emblem(draw, 32))
        assert [t.class_id for t in shown[0]] == expected, "the first look tells"
        assert [t.class_id for t in shown[-1]] == expected


def test_photographs_are_looked_at_closely_only_where_that_may_decide(monkeypatch: pytest.MonkeyPatch) -> None:
    """They reject nothing, so a track that is sure of its picture needs no look until words speak against it."""
    looked: list[str] = []
    kinds: tuple[Kind, ...] = ("photo", "artwork")
    for kind in kinds:
        shown = emblem(bolt, 32)[36:76, 56:96]
        alike = Likeness(
            kind, "bolt.png", shown if kind == "photo" else np.dstack([shown, np.full((40, 40), 255, np.uint8)])
        )
        gallery = Gallery([Exemplar("Zentro", kind, "bolt.png", alike.png(), _VECTOR, "ZENTRO")])
        for text, score, is_looked_at in (
            ("ZENTRO", 0.95, kind == "artwork"),
            ("ZENTRO", 0.6, kind == "artwork"),
            ("FJORDA", 0.95, True),
        ):
            place = track(brand=0, xyxy=(60.0, 40.0, 92.0, 72.0), score=score)
            judge = Judge(Likenesses(gallery), reader=Told((text, 1.0)), wording=Wording(gallery))
            monkeypatch.setattr("pipeline.brands.judge.closeness", lambda *_: looked.append("look"))
            first = watched(judge, [place], 1, emblem(bolt, 32))[0]
            assert bool(looked) == is_looked_at, (kind, text, score)
            assert [t.state for t in first] == (["confirmed"] if text == "ZENTRO" else [])
            looked.clear()


def test_what_a_closer_look_has_told_is_not_read_and_what_fits_nowhere_waits_for_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gallery = Gallery([Exemplar("Julma", "artwork", "julma.png", artwork(bolt).png(), _VECTOR, "JULMA")])
    for parts, others, state in ((0.95, 0, "confirmed"), (0.3, 0, "confirmed"), (0.3, 40, "tentative")):
        reader = Told(("JULMA", 1.0))
        judge = Judge(Likenesses(gallery), looks_per_second=100, reader=reader, wording=Wording(gallery))
        monkeypatch.setattr("pipeline.brands.judge.closeness", lambda *_, parts=parts: Closeness(0.6, parts))
        place = track(0, xyxy=(40.0, 40.0, 100.0, 60.0))
        larger = [track(number) for number in range(1, others + 1)]
        last = watched(judge, [*larger, place], 20)[-1]
        assert next(t.state for t in last if t.id == 0) == state, (parts, others)
        assert (reader.count == 0) == (parts > 0.9)


def test_each_track_is_looked_at_before_any_is_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery = Gallery([Exemplar("Julma", "artwork", "julma.png", artwork(bolt).png(), _VECTOR, "JULMA")])
    looked: list[float] = []

    def unclear(patch: Image, box: tuple[float, ...], looks: object) -> Closeness:
        looked.append(round(box[2] - box[0]))
        return Closeness(0.6, 0.7)

    monkeypatch.setattr("pipeline.brands.judge.closeness", unclear)
    reader = Told(("JULMA", 1.0))
    judge = Judge(Likenesses(gallery), looks_per_second=1, reader=reader, wording=Wording(gallery))
    tracks = [track(number, xyxy=(40.0, 40.0, 140.0 + number, 80.0)) for number in range(1, 5)]
    watched(judge, tracks, 3 * FPS)
    assert looked[:4] == [104, 103, 102, 101], "though they were read before, and words were clear"


def test_what_is_too_small_to_be_compared_is_not_believed_for_its_picture_alone() -> None:
    flat = track(xyxy=(40.0, 40.0, 120.0, 46.0), brand=0)
    judge = Judge(likenesses(bolt), wording=Wording(Gallery(brands=["Zentro"])))
    assert watched(judge, [flat], 20)[-1] == []


def test_looks_are_bounded_and_what_was_not_looked_at_waits_a_little() -> None:
    tracks = [track(number, 0, xyxy=(60.0, 40.0, 92.0, 72.0)) for number in range(1, 11)]
    judge = Judge(likenesses(bolt), wording=Wording(Gallery(brands=["Zentro"])), looks_per_second=2)
    first, *_, last = watched(judge, tracks, 20, emblem(bolt, 32))
    assert sum(t.state == "confirmed" for t in first) == 4
    assert [t.state for t in last] == ["confirmed"] * 10
    blind = Judge(likenesses(bolt), wording=Wording(Gallery(brands=["Zentro"])), looks_per_second=0)
    assert watched(blind, tracks, 1, emblem(bar, 32)) == [tracks]


NAMELESS = 3


def place(number: int = 1, **changes: Any) -> Track:
    return track(number, NAMELESS, **{"state": "tentative", **changes})


class Turns(Told):
    """Reads one line after another, then the last for ever."""

    def __init__(self, *lines: Line) -> None:
        super().__init__(lines[0])
        self.lines = lines

    def read(self, crops: Sequence[Image]) -> list[Line]:
        self.line = self.lines[min(self.count, len(self.lines) - 1)]
        return super().read(crops)


def test_a_nameless_place_is_what_the_words_there_name_and_else_nothing() -> None:
    for line, expected in (
        (("JULMA", 1.0), [JULMA]),
        (("JOLVA", 1.0), []),
        (("", 0.0), []),
        (("JULMA", 0.5), []),
    ):
        first = watched(judge_with(Told(line)), [place()], 1)[0]
        assert [t.class_id for t in first] == expected, line
        assert [t.state for t in first] == ["tentative"] * len(expected), "whether it is real, the tracker says"
        assert all(t.score == t.detection_score == pytest.approx(0.88, abs=0.01) for t in first)
    for blind in (judge_with(None), judge_with(Told(("JULMA", 1.0)), 0)):
        assert watched(blind, [place()], 3)[-1] == []


def test_a_nameless_place_is_read_again_where_it_was_near_a_word_mark_or_may_hold_two_lines() -> None:
    high = (40.0, 40.0, 110.0, 90.0)
    for line, box, count in (
        (("JULMA", 1.0), BOX, 2),
        (("ZEPHOS", 1.0), BOX, 1),
        (("", 0.0), BOX, 1),
        (("", 0.0), high, 2),
        (("JOLMO", 1.0), BOX, UNCLEAR),
    ):
        reader = Told(line)
        watched(judge_with(reader), [place(xyxy=box)], 60)
        assert reader.count == count, (line, box)


def test_nameless_places_get_a_share_of_the_readings_each_once_before_any_twice() -> None:
    reader = Told(("JOLMO", 1.0))
    places = [place(number) for number in range(1, 31)]
    judge = judge_with(reader, 6)
    watched(judge, places, 1)
    assert reader.count == 12, "what six seconds allow for them"
    watched(judge, places, 3 * FPS)
    assert reader.count == 12 + 3 * 2 - 1
    reader.count = 0
    watched(judge_with(reader, 6), [*places, *(track(number) for number in range(31, 51))], 1)
    assert reader.count == 12 + 12, "and as many more of what the picture takes for brands"


def test_what_words_named_is_read_anew_where_its_look_is_lost() -> None:
    reader = Turns(("JULMA", 1.0), ("FJELLA", 1.0))
    judge = judge_with(reader)
    assert [t.class_id for t in watched(judge, [place()], 5)[-1]] == [JULMA]
    assert reader.count == 1
    assert watched(judge, [place(detection_score=None)], 1)[0] == []
    assert watched(judge, [place()], 1)[0] == [], "another board stands there now"


def test_what_words_name_is_left_out_where_the_picture_has_found_that_brand() -> None:
    inner = place(2, xyxy=(50.0, 42.0, 190.0, 78.0))
    for brand, count in ((JULMA, 1), (BOLT, 2)):
        shown = watched(judge_with(Told(("JULMA", 1.0))), [track(1, brand), inner], 1)[0]
        assert len(shown) == count
        assert shown[0].id == 1
    first, other = watched(judge_with(Told(("JULMA", 1.0))), [inner, place(3, xyxy=(0.0, 0.0, 90.0, 30.0))], 1)[0]
    assert (first.id, other.id) == (2, 3)
