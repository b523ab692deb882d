"""Read words in crops, compare them with the word marks of a gallery, and join them with what the picture tells.

Reading is slow (some 25 ms a crop on one core, where a crop is embedded in less than one), so it is for few: take
those that `worth_reading` names, of proposals or tracked places. One line of text a crop; what stands in two is read
badly. The network is PP-OCR in the wheel of `rapidocr`, run by the OpenVINO that is here anyway, and nothing is
fetched. An optional extra: without it, `Reader()` raises and all else here works.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from detectors.errors import ModelError
from detectors.gallery import Gallery
from detectors.picture import Image

Floats = NDArray[np.float32]
Line = tuple[str, float]
"""What was read, and how sure the reader is of it, 0 to 1."""

LEAST_HEIGHT = 10
"""Pixels below which letters are not read."""
LEAST_LIKENESS = 0.7
"""Below this, words are others: two letters of seven differ."""
LONG = 6
"""Letters from which a word mark is known again inside a longer word, as where a space was not read."""
BELIEF = 0.95
"""The score of a word mark read without doubt, where the picture tells nothing: letters alone are no logo."""
DECIDED = 0.98
"""The picture's own score from which reading adds nothing."""


def can_read() -> bool:
    """True where the extra `text` is installed."""
    return find_spec("rapidocr") is not None


class Reader:
    """Reads one line of text a crop. Passive and single-threaded; the first call compiles the network."""

    def __init__(self) -> None:
        if not can_read():
            raise ModelError("words are read by rapidocr, which is not installed: pip install 'wayside[text]'")
        from rapidocr import EngineType, RapidOCR

        engine = EngineType.OPENVINO
        self._reader = RapidOCR(params={"Global.log_level": "error", "Rec.engine_type": engine})

    def read(self, crops: Sequence[Image]) -> list[Line]:
        """crops: RGB uint8 (h, w, 3), of any sizes, in their own shapes -> a line each, ("", 0.0) for none.

        A crop that is too low to be read is none. The result of one crop does not depend on the others'.
        """
        lines: list[Line] = [("", 0.0)] * len(crops)
        for i, crop in enumerate(crops):
            if crop.shape[0] < LEAST_HEIGHT or crop.shape[1] < LEAST_HEIGHT:
                continue
            # One by one: a batch is padded to its widest, and the padding is seen.
            found = self._reader.recognize_txt([np.ascontiguousarray(crop[..., ::-1])])
            if found.txts and (text := str(found.txts[0]).strip()):
                lines[i] = (text, float(found.scores[0]))
        return lines


def worth_reading(xyxy: Floats, score: Floats, *, most: int = 4) -> NDArray[np.int64]:
    """Which boxes (N, 4) of one picture to read: large enough, undecided by the picture, the largest `most` of them.

    score: float32 (N,), the picture's own, 0 to 1. It looks at one picture alone, so that what is read does not depend
    on how pictures are batched. Larger `most`: more words found, and so much more time.
    """
    sides = xyxy[:, 2:] - xyxy[:, :2]
    good = np.flatnonzero((sides[:, 1] >= LEAST_HEIGHT) & (sides[:, 0] >= sides[:, 1]) & (score < DECIDED))
    return good[np.argsort(-sides[good].prod(axis=1), kind="stable")[:most]]


def text_scores(lines: Sequence[Line], gallery: Gallery) -> Floats:
    """How far each line tells of each brand by its word marks: float32 (N, brands), 0 where it does not."""
    out = np.zeros((len(lines), len(gallery.brands)), np.float32)
    for brand, words in gallery.texts.items():
        column = gallery.brands.index(brand)
        for i, (text, score) in enumerate(lines):
            out[i, column] = max(evidence(score, likeness(text, mark)) for mark in words)
    return out


def evidence(score: float, alike: float) -> float:
    """What was read with this score and is so like a word mark, as 0 to 1. Grows with both."""
    return float(np.clip(score, 0, 1) * np.clip((alike - LEAST_LIKENESS) / (1 - LEAST_LIKENESS), 0, 1))


def combined(image: Floats, text: Floats) -> Floats:
    """One score of the picture's and the text's, each 0 to 1, of one shape: either may convince, both convince more.

    The chance that not both mislead, as if they did so independently: 1 - (1 - image) (1 - BELIEF text). Grows with
    both; without text it is the picture's score, which is calibrated.
    """
    return np.asarray(1 - (1 - image) * (1 - np.float32(BELIEF) * text), np.float32)


@lru_cache(maxsize=65536)
def likeness(read: str, mark: str) -> float:
    """How like a word mark the text is, 0 to 1; case, accents, spaces and punctuation do not count.

    Words that stand together in the text are compared, so that "visit Emirates today" holds EMIRATES, and "CAMPAIGN"
    does not hold AIG.
    """
    wanted = "".join(folded(mark))
    words = folded(read)
    if not wanted or not words:
        return 0.0
    runs = {"".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)}
    best = max(1 - distance(run, wanted) / max(len(run), len(wanted)) for run in runs)
    if len(wanted) >= LONG and any(wanted in run for run in runs):
        best = max(best, 0.9)
    return max(0.0, best)


def folded(text: str) -> list[str]:
    """The words of a text without case, accents and punctuation."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    letters = "".join(c if c.isalnum() else " " for c in plain if not unicodedata.combining(c) and c not in "'’.&-")
    return letters.split()


def distance(one: str, other: str) -> int:
    """Levenshtein's: letters to put in, take out or change."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
