"""Scanner, verifier and the detector of signs, with the weights that ship and signs that the project draws."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.artwork import draw_sign
from detectors.boxes import iou, paired_iou, suppress
from detectors.detector import Detector, open_detector
from detectors.errors import ModelError
from detectors.geometry import CROP_SCALE, crop_areas, decode_boxes, encode_boxes, on_pixels
from detectors.labels import SIGN_LABELS
from detectors.picture import ArrayPicture
from detectors.pyramid import pyramid
from detectors.verifier import crop


def road(*signs: tuple[int, int, int, int], size_wh: tuple[int, int] = (640, 360), seed: int = 0) -> np.ndarray:
    """A grey, noisy street with drawn signs (class, x, y, side) on it."""
    rng = np.random.default_rng(seed)
    w, h = size_wh
    image = np.full((h, w, 3), 150, np.float32)
    image[h // 2 :] = 95
    image += rng.normal(0, 4, image.shape)
    for class_id, x, y, side in signs:
        rgba = draw_sign(class_id, side).astype(np.float32)
        alpha = rgba[..., 3:] / 255
        place = image[y : y + side, x : x + side]
        place[:] = (rgba[..., :3] * 0.8 + 10) * alpha + place * (1 - alpha)
    return np.clip(image, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return open_detector("signs")


SIGNS = [(14, 100, 80, 40), (2, 300, 100, 36), (12, 450, 60, 48)]


def test_signs_are_found_named_and_placed(detector: Detector) -> None:
    found = detector([road(*SIGNS)])[0]
    shown = found[found.score >= detector.threshold]
    assert sorted(shown.class_id.tolist()) == sorted(c for c, *_ in SIGNS)
    boxes = np.array([[x, y, x + s, y + s] for _, x, y, s in SIGNS], np.float32)
    assert iou(boxes, shown.xyxy).max(axis=1).min() > 0.7


def test_an_empty_street_and_tiny_pictures_give_nothing(detector: Detector) -> None:
    for image in (road(), np.zeros((5, 7, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)):
        found = detector([image])[0]
        assert not (found.score >= detector.threshold).any()


def test_a_batch_gives_what_its_pictures_give_one_by_one(detector: Detector) -> None:
    images = [road(*SIGNS), road((17, 200, 60, 44), seed=1), road(size_wh=(320, 240)), road((38, 50, 50, 40), seed=2)]
    for image, together in zip(images, detector(images), strict=True):
        alone = detector([image])[0]
        assert together.class_id.tolist() == alone.class_id.tolist()
        np.testing.assert_allclose(together.score, alone.score, atol=1e-3)
        np.testing.assert_allclose(together.xyxy, alone.xyxy, atol=0.5)


def test_torch_and_openvino_find_the_same(detector: Detector) -> None:
    pytest.importorskip("torch", reason="torch comes with the train extra")
    image = road(*SIGNS)
    reference, fast = open_detector("signs", device="torch")([image])[0], detector([image])[0]
    reference, fast = reference[reference.score >= 0.3], fast[fast.score >= 0.3]
    assert reference.class_id.tolist() == fast.class_id.tolist()
    np.testing.assert_allclose(reference.score, fast.score, atol=0.03)
    np.testing.assert_allclose(reference.xyxy, fast.xyxy, atol=1.0)


def test_detector_tells_what_it_runs(detector: Detector) -> None:
    assert tuple(detector.labels) == SIGN_LABELS
    assert set(detector.hashes) == {"signs-scanner.safetensors", "signs-verifier.safetensors"}
    assert all(len(value) == 64 for value in detector.hashes.values())
    with pytest.raises(ModelError, match="unknown task 'cats': one of logos, signs"):
        open_detector("cats")


def test_one_crop_geometry_serves_training_scan_and_inference() -> None:
    boxes = np.array([[10, 20, 50, 60], [0, 0, 20, 40], [5.5, 3.25, 100, 20]], np.float32)
    areas = on_pixels(crop_areas(boxes))
    np.testing.assert_allclose(decode_boxes(encode_boxes(boxes, areas), areas), boxes, atol=1e-3)
    np.testing.assert_allclose(areas[0], [30, 40, 40 * CROP_SCALE, 40 * CROP_SCALE])
    assert areas[2, 3] >= 0.4 * areas[2, 2] - 1, "no crop is narrower than NARROWEST"


def test_a_crop_over_the_edge_has_its_size() -> None:
    picture = ArrayPicture(road((14, 0, 0, 40)))
    for area in ([0, 0, 40, 40], [640, 360, 31, 20], [320, 180, 700, 400], [-30, 10, 20, 20]):
        assert crop(picture, np.array(area, np.float32), 48).shape == (48, 48, 3)


@pytest.mark.parametrize(("size_wh", "finest"), [((1920, 1080), 0.5), ((640, 360), 1.0), ((1280, 720), 0.75)])
def test_pyramid_levels_map_back_to_the_picture(size_wh: tuple[int, int], finest: float) -> None:
    levels = pyramid(ArrayPicture(np.zeros((size_wh[1], size_wh[0], 3), np.uint8)), finest=finest, window=24)
    assert levels[0].scale_wh[0] == pytest.approx(finest, abs=0.01)
    for level in levels:
        h, w = level.image.shape[:2]
        corner = level.to_picture(np.array([w - level.border]), np.array([h - level.border]))[0]
        np.testing.assert_allclose(corner, size_wh, atol=0.01)


def test_doubles_and_inner_parts_are_suppressed() -> None:
    boxes = np.array([[0, 0, 40, 40], [4, 2, 42, 42], [10, 10, 24, 24], [100, 0, 140, 40]], np.float32)
    score = np.array([0.9, 0.95, 0.5, 0.3], np.float32)
    assert suppress(boxes, score, 0.5).tolist() == [1, 3]
    assert suppress(boxes, score, 0.5, most=1).tolist() == [1]


def test_boxes_overlap_in_pairs_as_in_the_table() -> None:
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (2, 20, 2))
    a, b = np.concatenate([low, low + rng.uniform(0, 60, (2, 20, 2))], axis=2).astype(np.float32)
    np.testing.assert_allclose(paired_iou(a, b), np.diag(iou(a, b)), atol=1e-6)
    assert paired_iou(a[:0], b[:0]).shape == (0,)


def test_a_box_that_stays_where_it_is_gets_one_look(detector: Detector) -> None:
    """The second time the proposals are the boxes that were found, as those that a track foresees."""
    images = [ArrayPicture(road(*SIGNS))]
    verifier = detector._verify  # type: ignore[attr-defined]
    proposals = [found.xyxy for found in detector.verify(images, detector.scan(images))]
    crops: list[int] = []
    engine = verifier.engine

    def counting(part: np.ndarray) -> np.ndarray:
        crops.append(len(part))
        return np.asarray(engine(part))

    verifier.engine = counting
    try:
        once = detector.verify(images, proposals)[0]
        looks_once = sum(crops)
        verifier.settled = 1.1
        twice = detector.verify(images, proposals)[0]
        looks_twice = sum(crops) - looks_once
    finally:
        verifier.engine, verifier.settled = engine, 0.9
    assert looks_once <= looks_twice - len(SIGNS)
    once, twice = (found[found.score >= detector.threshold] for found in (once, twice))
    assert sorted(once.class_id.tolist()) == sorted(twice.class_id.tolist()) == sorted(c for c, *_ in SIGNS)
    assert iou(once.xyxy, twice.xyxy).max(axis=1).min() > 0.9
