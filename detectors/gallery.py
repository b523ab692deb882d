"""The gallery of enrolled brands: one file with the exemplars, their embeddings, and the hash of what embedded them.

The file is safetensors: exemplars as PNG, so that they can be embedded again with other weights; embeddings; and one
JSON text with brands, names, word marks and the threshold. The same content gives the same bytes, and `Gallery.sha256`
is the SHA-256 of those. Knows nothing of files to enrol (`rendering.py`) or of detection.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as deserialise
from safetensors.numpy import save as serialise

from detectors.errors import ModelError
from detectors.reading import LEAST_LIKENESS, likeness
from detectors.rendering import Kind, Likeness, views

Floats = NDArray[np.float32]
FORMAT = 1
LONGEST_NAME = 200
"""Characters of a brand's name or a word mark."""


class Embeds(Protocol):
    """What a gallery needs of an embedder (`embedder.Embedder`)."""

    @property
    def sha256(self) -> str: ...

    @property
    def window(self) -> int: ...

    def __call__(self, crops: NDArray[np.uint8]) -> Floats:
        """crops: RGB uint8 (N, window, window, 3) -> float32 (N, D) of unit length."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Exemplar:
    """One likeness of a brand.

    name: of its file, without the folder; embeddings: float32 (V, D), of unit length
    letters: the words that were read in it, "" where there are none or nobody read
    """

    brand: str
    kind: Kind
    name: str
    png: bytes
    embeddings: Floats
    letters: str = ""

    @property
    def likeness(self) -> Likeness:
        return Likeness.from_png(self.kind, self.name, self.png)

    def is_like(self, other: Exemplar) -> bool:
        """True where both show the same of the same brand, whatever their files were called."""
        return (self.brand, self.kind, self.png) == (other.brand, other.kind, other.png)


def embed(brand: str, likeness: Likeness, embedder: Embeds, letters: str = "") -> Exemplar:
    """Embed all views of a likeness. letters: as `Exemplar` has them."""
    vectors = np.asarray(embedder(views(likeness, embedder.window)), np.float32)
    return Exemplar(brand, likeness.kind, likeness.name, likeness.png(), vectors, letters)


class Gallery:
    """Enrolled brands. Immutable: what changes it returns another.

    brands: in order of enrolment, exactly as typed; texts: word marks by brand, for those that have some
    embedder_sha256: of the weights that made the embeddings; "" where there are none, which fits all weights
    threshold: score from which a match counts, measured for these brands; None: the one that ships. It goes where
    brands come or go, as it was measured without them.
    vectors: float32 (M, D), all exemplars' views, brand by brand; owner: int64 (M,), which brand of `brands` each is
    of; is_photo: bool (M,), which are of photographs
    """

    def __init__(
        self,
        exemplars: Iterable[Exemplar] = (),
        *,
        brands: Iterable[str] = (),
        texts: Mapping[str, Sequence[str]] | None = None,
        embedder_sha256: str = "",
        threshold: float | None = None,
    ) -> None:
        given = tuple(exemplars)
        marks = {brand: tuple(dict.fromkeys(words)) for brand, words in (texts or {}).items() if words}
        self.brands = tuple(dict.fromkeys((*brands, *(e.brand for e in given), *marks)))
        for text in (*self.brands, *(word for words in marks.values() for word in words)):
            _check_name(text)
        row = {brand: i for i, brand in enumerate(self.brands)}
        self.exemplars = tuple(sorted(given, key=lambda e: row[e.brand]))
        self.texts: Mapping[str, tuple[str, ...]] = {b: marks[b] for b in self.brands if b in marks}
        self.embedder_sha256 = embedder_sha256 if given else ""
        if threshold is not None and not 0 < threshold < 1:
            raise ModelError(f"a threshold must be between 0 and 1, got {threshold}")
        self.threshold = threshold
        parts = [e.embeddings for e in self.exemplars]
        if len({part.shape[1:] for part in parts}) > 1 or not all(part.ndim == 2 and len(part) for part in parts):
            raise ModelError("exemplars of one gallery must be embedded alike")
        self.vectors: Floats = np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, 0), np.float32)
        self.owner = np.array([row[e.brand] for e in self.exemplars for _ in e.embeddings], np.int64)
        self.is_photo = np.array([e.kind == "photo" for e in self.exemplars for _ in e.embeddings], bool)
        self.vectors.setflags(write=False)
        self.owner.setflags(write=False)
        self._seen, self._starts = np.unique(self.owner, return_index=True)

    # -------------------------------------------------------------------------------------------- matching

    def similarities(self, embeddings: Floats) -> Floats:
        """Cosine of embeddings (N, D) and each brand's nearest view: float32 (N, brands), -1 where it has none."""
        out = np.full((len(embeddings), len(self.brands)), -1, np.float32)
        if len(self.owner) and len(embeddings):
            if embeddings.shape[1] != self.vectors.shape[1]:
                raise ModelError(f"embeddings must be (N, {self.vectors.shape[1]}), got {embeddings.shape}")
            # One product; views lie brand by brand, so the greatest of each brand is taken without a loop.
            near = self.vectors @ np.asarray(embeddings, np.float32).T
            out[:, self._seen] = np.maximum.reduceat(near, self._starts, axis=0).T
        return out

    def match(self, embeddings: Floats) -> tuple[NDArray[np.int64], Floats]:
        """The nearest brand of each embedding (N, D), int64 (N,), -1 for none, and its similarity, float32 (N,)."""
        if not len(self.owner):
            return np.full(len(embeddings), -1, np.int64), np.full(len(embeddings), -1, np.float32)
        near = self.similarities(embeddings)
        brand = near.argmax(axis=1)
        return brand, near[np.arange(len(near)), brand]

    def nearest(self, embeddings: Floats, most: int) -> NDArray[np.int64]:
        """Which vectors lie nearest to each embedding (N, D), the nearest first: int64 (N, at the most `most`)."""
        near = embeddings @ self.vectors.T
        count = min(most, near.shape[1])
        rows = np.zeros((len(near), count), np.int64)
        if count:
            # Of 20 embeddings among 5,000 vectors to sort all would take 6.6 ms, this takes 0.7 (the product 1.6).
            least = np.partition(near, -count, axis=1)[:, -count]
            for i, row in enumerate(near):
                kept = np.flatnonzero(row >= least[i])
                rows[i] = kept[np.argsort(-row[kept], kind="stable")[:count]]
        return rows

    # -------------------------------------------------------------------------------------------- words

    def marks(self, brand: str) -> tuple[str, ...]:
        """The word marks of a brand: those that it was enrolled with, and what was read in its likenesses.

        So is its name, where it was read in one of them: the rest of what stands there may differ from board to board.
        """
        read = [e.letters for e in self.exemplars if e.brand == brand and e.letters]
        name = [brand] if any(likeness(letters, brand) >= LEAST_LIKENESS for letters in read) else []
        return tuple(dict.fromkeys((*self.texts.get(brand, ()), *read, *name)))

    def is_lettered(self, brand: str) -> bool:
        """True where every likeness of a brand holds letters: then it is never seen without."""
        return all(e.letters for e in self.exemplars if e.brand == brand)

    # -------------------------------------------------------------------------------------------- changing

    def with_exemplars(self, exemplars: Sequence[Exemplar], *, embedder_sha256: str) -> Gallery:
        """This gallery and more exemplars; those that it has already are passed over.

        embedder_sha256: of the weights that embedded them. Raises ModelError where those of the gallery are others.
        """
        if self.exemplars and embedder_sha256 != self.embedder_sha256:
            raise ModelError(_OTHER_WEIGHTS)
        new: list[Exemplar] = []
        for one in exemplars:
            if not any(one.is_like(other) for other in (*self.exemplars, *new)):
                new.append(one)
        return self._changed((*self.exemplars, *new), self.texts, embedder_sha256) if new else self

    def with_texts(self, brand: str, words: Sequence[str]) -> Gallery:
        """This gallery and more word marks of a brand; those that it has already are passed over."""
        if set(words) <= set(self.texts.get(brand, ())):
            return self
        texts = {**self.texts, brand: (*self.texts.get(brand, ()), *words)}
        return self._changed(self.exemplars, texts, self.embedder_sha256)

    def without(self, brand: str) -> Gallery:
        """This gallery less a brand. Raises ModelError where it is not there."""
        if brand not in self.brands:
            raise ModelError(f"no brand {brand!r} is enrolled")
        kept = [e for e in self.exemplars if e.brand != brand]
        texts = {b: words for b, words in self.texts.items() if b != brand}
        brands = [b for b in self.brands if b != brand]
        return Gallery(kept, brands=brands, texts=texts, embedder_sha256=self.embedder_sha256)

    def with_threshold(self, threshold: float | None) -> Gallery:
        """This gallery with a threshold that was measured for it."""
        return Gallery(
            self.exemplars,
            brands=self.brands,
            texts=self.texts,
            embedder_sha256=self.embedder_sha256,
            threshold=threshold,
        )

    def embedded_by(self, embedder: Embeds, exemplars: Iterable[Exemplar] | None = None) -> Gallery:
        """This gallery with its exemplars embedded anew. exemplars: those of this gallery, in any iterable (a bar)."""
        anew = [embed(e.brand, e.likeness, embedder) for e in (self.exemplars if exemplars is None else exemplars)]
        kept = [replace(e, png=old.png, letters=old.letters) for e, old in zip(anew, self.exemplars, strict=True)]
        return self._changed(kept, self.texts, embedder.sha256)

    def _changed(
        self, exemplars: Iterable[Exemplar], texts: Mapping[str, Sequence[str]], embedder_sha256: str
    ) -> Gallery:
        return Gallery(exemplars, brands=self.brands, texts=texts, embedder_sha256=embedder_sha256)

    # -------------------------------------------------------------------------------------------- on disk

    @cached_property
    def data(self) -> bytes:
        """The file's bytes."""
        # What an exemplar has no letters for, its line does not tell of: so galleries stay as they were.
        told = {
            "format": FORMAT,
            "brands": self.brands,
            "exemplars": [
                {"brand": self.brands.index(e.brand), "kind": e.kind, "name": e.name, "views": len(e.embeddings)}
                | ({"letters": e.letters} if e.letters else {})
                for e in self.exemplars
            ],
            "texts": self.texts,
            "embedder_sha256": self.embedder_sha256,
            "threshold": self.threshold,
        }
        tensors: dict[str, NDArray[np.generic]] = {
            f"exemplar.{i:06}.png": np.frombuffer(e.png, np.uint8) for i, e in enumerate(self.exemplars)
        }
        tensors["embeddings"] = self.vectors
        # One key: a header of several is written in no fixed order.
        return bytes(serialise(tensors, {"gallery": json.dumps(told, ensure_ascii=False)}))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def save(self, path: Path) -> None:
        """Write the file anew beside the old one, then put it in its place: there is always a whole one. OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path, *, embedder_sha256: str | None) -> Gallery:
        """Read a gallery.

        embedder_sha256: of the weights that will be compared with it; None: the file is only listed or rebuilt
        Raises ModelError where it is missing, damaged, no gallery, or made with other weights.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"{path}: no such gallery; `wayside enrol` makes one") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            gallery = cls._parsed(data)
        except (SafetensorError, KeyError, IndexError, TypeError, ValueError, AttributeError, ModelError) as error:
            raise ModelError(f"{path}: not a gallery of Wayside, or a damaged one: {error}") from error
        if embedder_sha256 is not None and gallery.exemplars and gallery.embedder_sha256 != embedder_sha256:
            raise ModelError(f"{path}: {_OTHER_WEIGHTS}")
        return gallery

    @classmethod
    def _parsed(cls, data: bytes) -> Gallery:
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        told = json.loads(header["__metadata__"]["gallery"])
        if told["format"] != FORMAT:
            raise ModelError(f"its format is {told['format']}, and this release reads {FORMAT}")
        tensors = deserialise(data)
        brands, vectors = told["brands"], tensors["embeddings"]
        if vectors.dtype != np.float32 or vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ModelError(f"its embeddings must be float32 (M, D), got {vectors.dtype} {vectors.shape}")
        exemplars, at = [], 0
        for i, row in enumerate(told["exemplars"]):
            kind: Kind = "photo" if row["kind"] == "photo" else "artwork"
            part = vectors[at : at + row["views"]]
            at += row["views"]
            png = tensors[f"exemplar.{i:06}.png"].tobytes()
            exemplars.append(Exemplar(brands[row["brand"]], kind, row["name"], png, part, row.get("letters", "")))
        if at != len(vectors):
            raise ModelError(f"it tells of {at} embeddings and has {len(vectors)}")
        return cls(
            exemplars,
            brands=brands,
            texts=told["texts"],
            embedder_sha256=told["embedder_sha256"],
            threshold=told["threshold"],
        )


_OTHER_WEIGHTS = (
    "the gallery was made with other weights; `wayside gallery rebuild` embeds its exemplars with the present ones"
)


def _check_name(text: str) -> None:
    """Raise ModelError for a brand or word mark that no table could show."""
    if not isinstance(text, str) or not text.strip() or not text.isprintable() or len(text) > LONGEST_NAME:
        raise ModelError(f"a brand or word mark must be 1 to {LONGEST_NAME} printable characters, got {text!r}")
