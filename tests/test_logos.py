"""The logo detector: finds what is enrolled where it stands, and nothing where it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors import weights
from detectors.alignment import align, template
from detectors.boxes import iou
from detectors.detections import Detections
from detectors.detector import open_detector
from detectors.embedder import load_embedder
from detectors.errors import ModelError
from detectors.gallery import Exemplar, Gallery, embed
from detectors.geometry import crop_areas, decode_boxes, encode_boxes, on_pixels
from detectors.logos import window_areas
from detectors.nets import Architecture, Conv
from detectors.picture import ArrayPicture
from detectors.rendering import Likeness
from detectors.verifier import crop
from tests.test_slant import WORD, board, box

PLAIN = Architecture((Conv(3, 12, 8, 8), Conv(12, 48, 8, relu=False)), window=64, pool_after=1)
BOX = np.array([[200, 120, 296, 168]], np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The shipped scanner beside an embedder of random weights, which tells pictures apart that differ."""
    folder = tmp_path_factory.mktemp("models")
    for suffix in (".safetensors", ".json"):
        shutil.copy(weights.SHIPPED / f"logos-scanner{suffix}", folder)
    rng = np.random.default_rng(3)
    random = {}
    for i, layer in enumerate(PLAIN.layers):
        random[f"{i}.weight"] = rng.normal(0, 0.1, layer.weight_shape).astype(np.float32)
        random[f"{i}.bias"] = np.zeros(layer.channels_out, np.float32)
    cohort = rng.normal(0, 1, (4, 48)).astype(np.float32)
    cohort /= np.linalg.norm(cohort, axis=1, keepdims=True)
    settings = {"match_scale": 40.0, "match_offset": -36.0, "cohort_nearest": 2, "cohort_share": 0.0, "threshold": 0.5}
    weights.save(folder / "logos-embedder.safetensors", PLAIN, random, settings, {}, tables={"cohort": cohort})
    return folder


def arena(box: np.ndarray = BOX, *, is_mirrored: bool = False) -> ArrayPicture:
    """A plain ground with one label: an arrow of two colours in a box."""
    image = np.full((360, 640, 3), (70, 110, 80), np.uint8)
    x1, y1, x2, y2 = (int(v) for v in box[0])
    label = np.full((48, 96, 3), (200, 30, 40), np.uint8)
    cv2.fillPoly(label, [np.array([[8, 8], [40, 24], [8, 40]])], (250, 250, 250))
    cv2.circle(label, (68, 24), 14, (20, 20, 120), 5)
    image[y1:y2, x1:x2] = cv2.resize(label[:, ::-1] if is_mirrored else label, (x2 - x1, y2 - y1))
    return ArrayPicture(image)


def gallery_of(folder: Path, picture: ArrayPicture) -> Gallery:
    embedder = load_embedder(folder)
    seen = Likeness("photo", "arrow.png", crop(picture, on_pixels(crop_areas(BOX))[0], 128))
    return Gallery([embed("Arrow & Co", seen, embedder)], embedder_sha256=embedder.sha256)


def test_an_enrolled_logo_is_found_where_it_stands_now():
    detector = open_detector("logos", gallery=gallery_of(weights.SHIPPED, arena()))
    moved = BOX + np.array([150, 90, 150, 90], np.float32)
    (found,) = detector([arena(moved).array])
    assert detector.labels == ("Arrow & Co",)
    assert found.score[0] >= detector.threshold
    assert iou(found.xyxy[:1], moved)[0, 0] > 0.5
    assert found.embedding is not None
    assert np.linalg.norm(found.embedding, axis=1) == pytest.approx(1.0, abs=1e-4)


def test_what_is_expected_is_followed_without_being_named_anew(folder):
    """Its name and embedding are kept where it still stands; where it does not, it is looked at as anything is."""
    detector = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    (seen,) = detector.verify([arena()], [BOX])
    moved = BOX + np.array([6, 3, 6, 3], np.float32)
    pictures = [arena(moved), arena(BOX + 150), arena(is_mirrored=True)]
    nothing = np.zeros((0, 4), np.float32)
    followed, gone, mirrored = detector.verify(pictures, [nothing] * 3, [seen[:1]] * 3)
    assert iou(followed.xyxy, moved)[0, 0] > 0.75
    assert followed.score[0] >= detector.threshold
    assert np.array_equal(followed.embedding[0], seen.embedding[0])
    for other in (gone, mirrored):
        assert not (other.score >= detector.threshold).any()


@pytest.mark.parametrize("slope", [-0.4, 0.4])
def test_what_is_slanted_is_named_and_followed_as_it_stands_upright(slope):
    embedder = load_embedder()
    word = Likeness("artwork", "word.png", np.dstack([WORD, np.full(WORD.shape[:2], 255, np.uint8)]))
    gallery = Gallery([embed("Nordwind", word, embedder)], embedder_sha256=embedder.sha256)
    detector = open_detector("logos", gallery=gallery)
    place, later_place = (np.array([box(slope, at)], np.float32) for at in ((100, 90), (107, 86)))
    (seen,) = detector.verify([ArrayPicture(board(slope))], [place])
    assert seen.score[0] >= detector.threshold
    assert iou(seen.xyxy[:1], place)[0, 0] > 0.8
    nothing = np.zeros((0, 4), np.float32)
    (followed,) = detector.verify([ArrayPicture(board(slope, (107, 86)))], [nothing], [seen[:1]])
    assert np.array_equal(followed.embedding[0], seen.embedding[0]), "it was not named anew"
    assert iou(followed.xyxy, later_place)[0, 0] > 0.8


def test_its_mirror_image_is_another_thing(folder):
    detector = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    (right,), (other,) = (detector.verify([arena(is_mirrored=m)], [BOX]) for m in (False, True))
    assert right.score[0] > 0.9
    assert not len(other) or other.score[0] < right.score[0] - 0.2


def test_nothing_is_found_by_an_empty_gallery_or_on_a_plain_ground(folder):
    empty = open_detector("logos", folder=folder, gallery=Gallery())
    assert [len(d) for d in empty([arena().array])] == [0]
    full = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    (found,) = full([np.full((360, 640, 3), (70, 110, 80), np.uint8)])
    assert not (found.score >= full.threshold).any()


def test_a_batch_equals_its_pictures_one_by_one(folder):
    detector = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    pictures = [arena().array, arena(BOX + 40).array]
    for together, alone in zip(detector(pictures), (detector([p])[0] for p in pictures), strict=True):
        assert together.xyxy == pytest.approx(alone.xyxy, abs=0.5)
        assert together.score == pytest.approx(alone.score, abs=1e-3)


def test_without_a_gallery_or_with_one_of_other_weights_it_says_what_to_do(folder):
    with pytest.raises(ModelError, match="wayside enrol"):
        open_detector("logos", folder=folder)
    exemplar = Exemplar("A", "photo", "a.png", b"", np.eye(1, 48, dtype=np.float32))
    with pytest.raises(ModelError, match="other weights"):
        open_detector("logos", folder=folder, gallery=Gallery([exemplar], embedder_sha256="0" * 64))


def test_a_threshold_that_was_measured_for_the_gallery_counts_first(folder):
    gallery = gallery_of(folder, arena()).with_threshold(0.77)
    assert open_detector("logos", folder=folder, gallery=gallery).threshold == 0.77


@pytest.mark.parametrize("sides", [(40, 40), (90, 30), (200, 30), (30, 60)])
def test_windows_are_of_the_nearest_squeeze_and_hold_their_box(sides):
    box = np.array([[10, 20, 10 + sides[0], 20 + sides[1]]], np.float32)
    areas = window_areas(box)
    assert areas[0, 2] / areas[0, 3] == pytest.approx(
        min((1, 2, 4, 8), key=lambda s: abs(np.log2(sides[0] / sides[1] / s)))
    )
    assert decode_boxes(encode_boxes(box, areas), areas) == pytest.approx(box, abs=1e-3)


@pytest.mark.parametrize("off", [(0, 0, 0, 0), (12, -5, 12, -5), (-10, -6, 14, 8), (10, 0, -12, 0)])
def test_a_likeness_is_laid_where_it_fits(off):
    picture = arena()
    wanted = template(crop(picture, on_pixels(crop_areas(BOX))[0], 64))
    other = template(crop(arena(is_mirrored=True), on_pixels(crop_areas(BOX))[0], 64))
    laid, fit, which = align(picture, BOX[0] + np.array(off, np.float32), [other, wanted])
    assert which == 1
    assert fit > 0.8
    assert iou(laid[None], BOX)[0, 0] > 0.75


@pytest.mark.parametrize(("wider", "higher"), [(0, 0), (5, 2), (-5, -2), (6, 0)])
def test_what_is_followed_is_laid_to_the_size_that_it_has_now(wider, higher):
    """wider, higher: pixels that it has grown by on each side since the box was right."""
    wanted = template(crop(arena(), on_pixels(crop_areas(BOX))[0], 64))
    now = BOX + np.array([[-wider, -higher, wider, higher]], np.float32)
    laid, fit, _ = align(arena(now), BOX[0] + np.array([3, 2, 3, 2], np.float32), [wanted], follow=True)
    assert fit > 0.8
    assert iou(laid[None], now)[0, 0] > 0.9


def shown(word_box: np.ndarray, *, is_other: bool = False) -> ArrayPicture:
    """A plain ground with a wide board that is like nothing enrolled."""
    image = np.full((360, 640, 3), (70, 110, 80), np.uint8)
    x1, y1, x2, y2 = (int(v) for v in word_box[0])
    board = np.full((40, 160, 3), (230, 230, 230), np.uint8)
    for i in range(8):
        x, high = 8 + 19 * i, (7 * i * i) % 23
        cv2.rectangle(board, (x, 6), (x + 9, 10 + (high if is_other else 22 - high)), (30, 30, 30), -1)
    image[y1:y2, x1:x2] = cv2.resize(board, (x2 - x1, y2 - y1))
    return ArrayPicture(image)


def test_a_nameless_place_is_followed_by_its_look_where_something_may_be_expected(folder, monkeypatch):
    monkeypatch.setattr("detectors.logos.CHECKED_FROM", 0.0)
    detector = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    detector.threshold = 1.0  # what a random embedder takes for a brand says nothing
    box = np.array([[200, 120, 360, 160]], np.float32)
    nothing = np.zeros((0, 4), np.float32)
    assert not (detector.verify([shown(box)], [box])[0].class_id == detector.nameless).any()
    (found,) = detector.verify([shown(box)], [box], [Detections.empty()])
    place = found[found.class_id == detector.nameless]
    assert iou(place.xyxy, box)[0, 0] > 0.8
    moved = box + np.array([16, 8, 16, 8], np.float32)
    pictures = [shown(moved), shown(box, is_other=True), shown(box + 150)]
    followed, other, gone = detector.verify(pictures, [nothing] * 3, [place] * 3)
    assert iou(followed.xyxy, moved)[0, 0] > 0.7
    assert followed.class_id.tolist() == [detector.nameless]
    assert np.array_equal(followed.embedding, place.embedding), "it looks as it did when it was found"
    assert not len(other)
    assert not len(gone)


def test_a_gallery_of_words_alone_has_nameless_places(folder):
    detector = open_detector("logos", folder=folder, gallery=Gallery(texts={"Bolt": ["BOLT"]}))
    box = np.array([[200, 120, 360, 160]], np.float32)
    assert not len(detector.verify([shown(box)], [box])[0])
    (found,) = detector.verify([shown(box)], [box], [Detections.empty()])
    assert found.class_id.tolist() == [detector.nameless]
    (followed,) = detector.verify([shown(box)], [np.zeros((0, 4), np.float32)], [found])
    assert iou(followed.xyxy, box)[0, 0] > 0.7


def test_what_is_too_low_or_too_narrow_for_words_is_no_nameless_place(folder, monkeypatch):
    monkeypatch.setattr("detectors.logos.CHECKED_FROM", 0.0)
    detector = open_detector("logos", folder=folder, gallery=gallery_of(folder, arena()))
    detector.threshold = 1.0
    for sides, count in (((160, 40), 1), ((160, 10), 0), ((40, 40), 0), ((40, 160), 0)):
        box = np.array([[200, 120, 200 + sides[0], 120 + sides[1]]], np.float32)
        (found,) = detector.verify([shown(box)], [box], [Detections.empty()])
        assert (found.class_id == detector.nameless).sum() == count, sides
