"""What the pipeline's speed is measured against is a YOLOX-nano, and finds what its outputs tell."""

import numpy as np
import pytest

from pipeline.commands.nano import CLASSES, SIDE, SLICES, Nano, counted, decoded, slices

PLACES = 52**2 + 26**2 + 13**2
"""Of strides 8, 16 and 32."""


def test_it_has_the_size_of_the_paper() -> None:
    """0.91 million parameters and 1.08 GFLOPs, of which 0.03 are the normalisations that are folded here."""
    parameters, operations = counted()
    assert parameters == pytest.approx(0.91e6, rel=0.005)
    assert operations == pytest.approx(1.08e9, rel=0.04)


@pytest.mark.parametrize("size_wh", [(1920, 1080), (1280, 720), (SIDE, SIDE)])
def test_slices_cover_the_picture_and_overlap(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    where = np.arange(width * height, dtype=np.uint32).reshape(height, width)
    picture = where[..., None].view(np.uint8)[..., :3]
    cut = slices(picture)
    assert cut.shape == (SLICES, SIDE, SIDE, 3)
    seen = np.unique(np.dot(cut.reshape(-1, 3).astype(np.int64), [1, 256, 65536]))
    assert len(seen) == width * height


def test_ways_to_run_it_give_the_same() -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, SIDE, SIDE, 3), np.uint8)
    alone, together = (Nano(batch=b, is_parallel=p) for b, p in ((1, True), (4, False)))
    for boxes, scores in (alone(images), together(images)):
        assert boxes.shape == (0, 4), "random weights find nothing"
        assert len(scores) == 0


def test_outputs_are_decoded_slice_by_slice_and_doubles_suppressed() -> None:
    outputs = np.zeros((2, 4 + 1 + CLASSES, PLACES), np.float32)

    def tell(owner: int, place: int, *, offset: float, log_side: float, score: float) -> None:
        outputs[owner, :6, place] = offset, offset, log_side, log_side, score, 0.9

    tell(0, 52 * 3 + 2, offset=0.5, log_side=1.0, score=0.9)  # stride 8, row 3, column 2
    tell(0, 52 * 3 + 3, offset=-0.5, log_side=1.0, score=0.8)  # almost the same box
    tell(1, 52 * 3 + 2, offset=0.5, log_side=1.0, score=0.7)  # the same in another slice
    tell(1, 52**2 + 26 + 1, offset=0.0, log_side=0.0, score=0.2)  # not likely enough
    boxes, scores = decoded(outputs)
    half = np.e * 8 / 2
    np.testing.assert_allclose(boxes, [[20 - half, 28 - half, 20 + half, 28 + half]] * 2, rtol=1e-5)
    np.testing.assert_allclose(scores, [0.81, 0.63], rtol=1e-5)
