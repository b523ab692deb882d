"""The gallery file: the same bytes for the same content, never half written, refused where it does not fit."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save as serialise

from detectors.engines import OpenVinoEngine
from detectors.errors import ModelError
from detectors.gallery import Exemplar, Gallery, embed
from detectors.nets import Architecture, Conv
from detectors.rendering import icon, views
from tests.test_nets import random_weights


class TinyEmbedder:
    """A network of three layers with drawn weights: a true engine, and no knowledge."""

    window = 32

    def __init__(self, seed: int = 0) -> None:
        layers = (Conv(3, 8, 5, 2, 2), Conv(8, 16, 3, 2, 1), Conv(16, 24, 1, relu=False))
        architecture = Architecture(layers, self.window, pool_after=2)
        self.sha256 = hashlib.sha256(str(seed).encode()).hexdigest()
        self._engine = OpenVinoEngine(architecture, random_weights(architecture, seed), "f32")

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        raw = self._engine(crops)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def embedder() -> TinyEmbedder:
    return TinyEmbedder()


@pytest.fixture(scope="module")
def gallery(embedder: TinyEmbedder) -> Gallery:
    rows = [("Visa", "visa"), ("Čedok ✈", "adidas"), ("Visa", "nike"), ("=1+1", "youtube")]
    made = [embed(brand, icon(name), embedder) for brand, name in rows]
    return Gallery().with_exemplars(made, embedder_sha256=embedder.sha256)


def unit(rng: np.random.Generator, n: int, d: int = 16) -> np.ndarray:
    rows = rng.standard_normal((n, d)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def drawn(rng: np.random.Generator, counts: list[int], **more: object) -> Gallery:
    rows = [Exemplar(f"brand {i}", "photo", "x", bytes([i]), unit(rng, n)) for i, n in enumerate(counts)]
    return Gallery(rows, embedder_sha256="f00", **more)  # type: ignore[arg-type]


def test_brands_stand_in_order_of_enrolment_as_typed(gallery: Gallery) -> None:
    assert gallery.brands == ("Visa", "Čedok ✈", "=1+1")
    assert [e.name for e in gallery.exemplars] == ["visa.svg", "nike.svg", "adidas.svg", "youtube.svg"]
    assert len(gallery.vectors) == len(gallery.owner) == sum(len(e.embeddings) for e in gallery.exemplars)
    assert not gallery.vectors.flags.writeable


def test_a_file_holds_all_and_the_same_content_is_the_same_bytes(gallery: Gallery, tmp_path: Path) -> None:
    whole = gallery.with_texts("Emirates", ["FLY EMIRATES", "Emirates"]).with_threshold(0.625)
    path = tmp_path / "new" / "brands.gallery"
    whole.save(path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == whole.sha256
    again = Gallery.load(path, embedder_sha256=gallery.embedder_sha256)
    assert again.sha256 == whole.sha256
    assert again.brands == ("Visa", "Čedok ✈", "=1+1", "Emirates")
    assert again.texts == {"Emirates": ("FLY EMIRATES", "Emirates")}
    assert again.threshold == 0.625
    np.testing.assert_array_equal(again.vectors, whole.vectors)
    for one, other in zip(again.exemplars, whole.exemplars, strict=True):
        assert (one.brand, one.kind, one.name, one.png) == (other.brand, other.kind, other.name, other.png)
    assert os.listdir(path.parent) == ["brands.gallery"], "nothing is left beside it"  # noqa: PTH208


def test_the_same_exemplar_twice_adds_nothing(gallery: Gallery, embedder: TinyEmbedder) -> None:
    twice = [embed("Visa", icon("visa"), embedder)] * 2
    assert gallery.with_exemplars(twice, embedder_sha256=embedder.sha256) is gallery
    assert gallery.with_texts("Visa", []) is gallery
    marked = gallery.with_texts("Visa", ["VISA", "VISA"])
    assert marked.texts == {"Visa": ("VISA",)}
    assert marked.with_texts("Visa", ["VISA"]) is marked
    other = gallery.with_exemplars([embed("Other", icon("visa"), embedder)], embedder_sha256=embedder.sha256)
    assert other.brands[-1] == "Other", "the same artwork of another brand is another exemplar"


def test_without_a_brand_its_exemplars_and_words_are_gone(gallery: Gallery) -> None:
    less = gallery.with_texts("Visa", ["VISA"]).without("Visa")
    assert less.brands == ("Čedok ✈", "=1+1")
    assert not less.texts
    assert {e.brand for e in less.exemplars} == set(less.brands)
    with pytest.raises(ModelError, match="no brand 'Visa' is enrolled"):
        less.without("Visa")


def test_a_threshold_goes_where_brands_come_or_go(gallery: Gallery, embedder: TinyEmbedder) -> None:
    measured = gallery.with_threshold(0.7)
    assert measured.without("Visa").threshold is None
    more = [embed("Sony", icon("sony"), embedder)]
    assert measured.with_exemplars(more, embedder_sha256=embedder.sha256).threshold is None
    assert measured.with_exemplars([], embedder_sha256=embedder.sha256).threshold == 0.7


def test_other_weights_are_refused_and_rebuilding_makes_it_fit(gallery: Gallery, tmp_path: Path) -> None:
    path, other = tmp_path / "a.gallery", TinyEmbedder(seed=5)
    gallery.save(path)
    for refuse in (
        lambda: Gallery.load(path, embedder_sha256=other.sha256),
        lambda: gallery.with_exemplars([embed("Sony", icon("sony"), other)], embedder_sha256=other.sha256),
    ):
        with pytest.raises(ModelError, match="made with other weights; `wayside gallery rebuild`"):
            refuse()
    Gallery.load(path, embedder_sha256=None).embedded_by(other).save(path)
    rebuilt = Gallery.load(path, embedder_sha256=other.sha256)
    assert [e.png for e in rebuilt.exemplars] == [e.png for e in gallery.exemplars]
    crops = views(icon("nike"), other.window)
    brand, near = rebuilt.match(other(crops))
    assert {rebuilt.brands[b] for b in brand} == {"Visa"}
    np.testing.assert_allclose(near, 1, atol=1e-5)
    assert rebuilt.embedded_by(other).sha256 == rebuilt.sha256


def test_words_alone_fit_all_weights_and_match_no_picture(tmp_path: Path) -> None:
    path = tmp_path / "words.gallery"
    Gallery().with_texts("Emirates", ["EMIRATES"]).save(path)
    words = Gallery.load(path, embedder_sha256="anything")
    brand, near = words.match(unit(np.random.default_rng(0), 3))
    assert brand.tolist() == [-1, -1, -1]
    assert near.tolist() == [-1, -1, -1]


@pytest.mark.parametrize(("count", "most"), [(200, 3), (200, 1), (3, 3), (2, 3), (0, 3)])
def test_the_nearest_views_are_those_that_sorting_all_gives(count: int, most: int) -> None:
    rng = np.random.default_rng(count + most)
    vectors = rng.integers(-1, 2, (count, 4)).astype(np.float32)  # many of them alike: the first of those counts
    exemplars = [Exemplar("Brand", "photo", "a.png", b"png", vectors)] if count else []
    asked = rng.integers(-2, 3, (30, 4)).astype(np.float32)
    rows = Gallery(exemplars).nearest(asked, most) if count else np.zeros((30, 0), np.int64)
    expected = np.argsort(-(asked @ vectors.T), axis=1, kind="stable")[:, :most]
    np.testing.assert_array_equal(rows, expected)


@pytest.mark.parametrize("seed", range(4))
def test_match_is_the_nearest_view_of_each_brand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    gallery = drawn(rng, list(rng.integers(1, 7, 30))).with_texts("words only", ["WORDS"])
    asked = unit(rng, 17)
    near = gallery.similarities(asked)
    slow = np.array(
        [
            [max((float(v @ a) for v, o in zip(gallery.vectors, gallery.owner, strict=True) if o == b), default=-1)
             for b in range(31)]
            for a in asked
        ]
    )  # fmt: skip
    np.testing.assert_allclose(near, slow, atol=1e-6)
    brand, best = gallery.match(asked)
    np.testing.assert_array_equal(brand, slow.argmax(axis=1))
    np.testing.assert_allclose(best, slow.max(axis=1), atol=1e-6)
    assert gallery.match(asked[:0])[0].shape == (0,)


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "\x1b[31mred", "x" * 201])
def test_a_name_that_no_table_can_show_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="must be 1 to 200 printable characters"):
        Gallery().with_texts(name, ["WORD"])


def test_a_damaged_file_is_told_whatever_the_damage(gallery: Gallery, tmp_path: Path) -> None:
    whole, path = gallery.data, tmp_path / "a.gallery"
    size = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(1)
    damaged = [b"", b"x", whole[:100], whole[:-5], whole + b"more", b"Dear diary" * 9, serialise({"a": unit(rng, 2)})]
    for at in rng.integers(8, 8 + size, 60):
        damaged.append(whole[:at] + bytes([whole[at] ^ 0x15]) + whole[at + 1 :])
    for data in damaged:
        path.write_bytes(data)
        try:
            Gallery.load(path, embedder_sha256=None)
        except ModelError as error:
            told = str(error)
            if not told.startswith(f"{path}: not a gallery of Wayside"):
                pytest.fail(told)
    with pytest.raises(ModelError, match=r"none\.gallery: no such gallery; `wayside enrol` makes one"):
        Gallery.load(tmp_path / "none.gallery", embedder_sha256=None)
    later = json.dumps({"format": 99})
    path.write_bytes(serialise({"embeddings": unit(rng, 2)}, {"gallery": later}))
    with pytest.raises(ModelError, match="its format is 99, and this release reads 1"):
        Gallery.load(path, embedder_sha256=None)


def test_a_gallery_that_cannot_be_written_stays_as_it_was(gallery: Gallery, tmp_path: Path) -> None:
    path = tmp_path / "a.gallery"
    path.mkdir()
    with pytest.raises(OSError, match=r"."):
        gallery.save(path)
    assert path.is_dir()
    assert os.listdir(tmp_path) == ["a.gallery"]  # noqa: PTH208


@pytest.mark.parametrize(
    ("brand", "letters", "marks", "remark"),
    [
        ("Fjorda", ["FJORDA AIR", ""], ("FJORDA AIR", "Fjorda"), "another board may show its name without the rest"),
        ("Fjorda", ["flyfjorda"], ("flyfjorda", "Fjorda"), "a space that was not read"),
        ("Fjorda", ["jorda"], ("jorda", "Fjorda"), "a letter that was not"),
        ("Team shirts", ["FJORDA"], ("FJORDA",), "what it is called in the account stands on no board"),
        ("Fjorda", [""], (), "nothing was read"),
    ],
)
def test_a_name_that_was_read_is_a_word_mark(
    brand: str, letters: list[str], marks: tuple[str, ...], remark: str
) -> None:
    vector = np.ones((1, 4), np.float32) / 2
    rows = [Exemplar(brand, "photo", f"{i}.png", bytes([i]), vector, text) for i, text in enumerate(letters)]
    assert Gallery(rows).marks(brand) == marks, remark
