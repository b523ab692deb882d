"""The embedder: unit vectors, the same in any batch, what a similarity is worth, and weights that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import weights
from detectors.embedder import FILE, load_embedder
from detectors.errors import ModelError
from detectors.nets import Architecture, Conv, Weights

SMALL = Architecture((Conv(3, 8, 5, 4, 2), Conv(8, 6, 4, relu=False), Conv(6, 6, 1, relu=False)), 16, pool_after=1)
SETTINGS = {"match_scale": 20.0, "match_offset": -12.0, "cohort_nearest": 2, "cohort_share": 0.5, "threshold": 0.8}
COHORT = np.eye(6, dtype=np.float32)[:3]


def made(seed: int = 0) -> Weights:
    rng = np.random.default_rng(seed)
    layers = enumerate(SMALL.layers)
    tensors = {f"{i}.weight": rng.standard_normal(c.weight_shape).astype(np.float32) for i, c in layers}
    return tensors | {f"{i}.bias": np.zeros(c.channels_out, np.float32) for i, c in enumerate(SMALL.layers)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    weights.save(tmp_path / FILE, SMALL, made(), SETTINGS, {"data": "random numbers"}, tables={"cohort": COHORT})
    return tmp_path


def crops(n: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)


def test_crops_become_unit_vectors_alike_in_any_batch(folder: Path) -> None:
    embedder = load_embedder(folder)
    together = embedder(crops(150))
    assert together.shape == (150, embedder.dimensions)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for i in (0, 63, 64, 149):
        np.testing.assert_allclose(together[i], embedder(crops(150)[i : i + 1])[0], atol=1e-3)
    assert embedder(crops(0)).shape == (0, embedder.dimensions)


def test_both_engines_embed_alike(folder: Path) -> None:
    pytest.importorskip("torch", reason="torch comes with the train extra")
    np.testing.assert_allclose(
        load_embedder(folder, "cpu", "f32")(crops(5)), load_embedder(folder, "torch")(crops(5)), atol=1e-4
    )


def test_a_score_follows_the_similarity(folder: Path) -> None:
    far = np.repeat(np.eye(6, dtype=np.float32)[5:], 5, axis=0)
    score = load_embedder(folder).score(np.array([-1.0, 0.5, 0.6, 0.7, 1.0], np.float32), far)
    np.testing.assert_allclose(score, [0, 0.1192, 0.5, 0.8808, 0.9997], atol=1e-4)


def test_what_is_near_to_places_of_any_kind_counts_less(folder: Path) -> None:
    """The two nearest of the cohort count by half: 0.8 for one that is one of them and 0.6 like another."""
    near = np.array([[1.0, 0.6, 0, 0, 0, 0], [0, 0, 0, 0, 0, 1]], np.float32)
    embedder = load_embedder(folder)
    one = embedder.score(np.array([1.0, 0.6], np.float32), near)
    np.testing.assert_allclose(one, [0.5, 0.5], atol=1e-5)
    many = embedder.score(np.array([[1.0, 0.9], [0.6, 0.5]], np.float32), near)
    np.testing.assert_allclose(many, [[0.5, 0.1192], [0.5, 0.1192]], atol=1e-4)


@pytest.mark.parametrize("shape", [(2, 16, 15, 3), (2, 16, 16), (2, 24, 24, 3)])
def test_crops_of_another_size_are_refused(folder: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"crops must be uint8 \(N, 16, 16, 3\)"):
        load_embedder(folder)(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("missing", [*SETTINGS, "cohort"])
def test_weights_without_a_setting_are_refused(folder: Path, missing: str) -> None:
    settings = {key: value for key, value in SETTINGS.items() if key != missing}
    tables = {} if missing == "cohort" else {"cohort": COHORT}
    weights.save(folder / FILE, SMALL, made(), settings, {}, tables=tables)
    with pytest.raises(ModelError, match=f"lacks its setting '{missing}'"):
        load_embedder(folder)


def test_a_cohort_of_other_weights_is_refused(folder: Path) -> None:
    weights.save(folder / FILE, SMALL, made(), SETTINGS, {}, tables={"cohort": COHORT[:, :4]})
    with pytest.raises(ModelError, match="does not fit 6 dimensions"):
        load_embedder(folder)


def test_missing_weights_tell_what_makes_them(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="`wayside train logos` makes it"):
        load_embedder(tmp_path)
