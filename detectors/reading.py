"""Reads one line of text in a crop, and tells how like two texts are.

Reading is slow (some 20 ms a crop on one core, where a crop is embedded in less than one), so it is for few. What
stands in two lines is read badly. The network is PP-OCR in the wheel of `rapidocr`, run by the OpenVINO that is here
anyway, on one thread, so that the same crop always gives the same line; nothing is fetched. An optional extra: without
it, `Reader()` raises and all else here works. What a line says of brands is in `wording.py`.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from detectors.engines import best_precision, open_request
from detectors.errors import ModelError
from detectors.picture import Image

Line = tuple[str, float]
"""What was read, and how sure the reader is of it, 0 to 1."""

LEAST_HEIGHT = 10
"""Pixels below which letters are not read."""
READ_AROUND = 0.15, 0.2
"""What is read around a box, in its width and height: boxes are often a little too small or aside."""
LEAST_LIKENESS = 0.75
"""From here up a line speaks for a word mark: one letter of four differs."""
LETTERS_HIGH, LEAST_WIDE = 48, 192
"""Pixels that a line is read at, and to which a shorter one is padded: to 320, its maker's choice, takes half as long
again and reads no more (NOTES.md, "shorter lines")."""
LONG = 6
"""Letters from which a word mark is known again inside a longer word, as where a space was not read."""


def can_read() -> bool:
    """True where the extra `text` is installed."""
    return find_spec("rapidocr") is not None


class Reader:
    """Reads one line of text a crop. Passive; all readers share one network, and so belong to one thread.

    hashes: SHA-256 of the network's file by its name
    """

    def __init__(self) -> None:
        if not can_read():
            raise ModelError("words are read by rapidocr, which is not installed: pip install 'wayside[text]'")
        self._reader, self.hashes = _opened()

    def find(self, picture: Image) -> list[Line]:
        """Find and read the lines of text in a picture, RGB uint8 (h, w, 3), from above; slower than `read`."""
        found: Any = self._reader(np.ascontiguousarray(picture[..., ::-1]))
        lines = zip(found.txts or (), found.scores or (), strict=True)
        return [(str(text).strip(), float(score)) for text, score in lines]

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


@lru_cache(maxsize=1)
def _opened() -> tuple[Any, dict[str, str]]:
    """The network, which takes half a second to open, and `Reader.hashes`."""
    import rapidocr

    engine = rapidocr.EngineType.OPENVINO
    params = {
        "Global.log_level": "error",
        "Global.use_cls": False,
        **{f"{part}.engine_type": engine for part in ("Det", "Cls", "Rec")},
        "Rec.rec_img_shape": [3, LETTERS_HIGH, LEAST_WIDE],
        "EngineConfig.openvino.inference_num_threads": 1,
    }
    reader: Any = rapidocr.RapidOCR(params=params)
    # The network is opened with the first line, and with the precision that OpenVINO chooses.
    reader.recognize_txt([np.zeros((LETTERS_HIGH, LEAST_WIDE, 3), np.uint8)])
    if best_precision() != "auto":  # which rapidocr has no setting for
        network = reader.text_rec.session
        network.session = open_request(network.model, threads=1)
    models = sorted((Path(rapidocr.__file__).parent / "models").glob("*_rec_*.onnx"))
    return reader, {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models}


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


@lru_cache(maxsize=65536)
def part_likeness(read: str, mark: str) -> float:
    """How like a part of one text the whole of the other is, 0 to 1: what is hidden or cut off tells nothing.

    "RDA" is a part of FJORDA, and so is "FJOROA" nearly; "FJELLA" is not.
    """
    one, other = ("".join(folded(text)) for text in (read, mark))
    if not one or not other:
        return 0.0
    return max(1 - _distance_in(a, b) / len(a) for a, b in ((one, other), (other, one)))


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


def _distance_in(part: str, whole: str) -> int:
    """The least distance of a text to any piece of another."""
    row = [0] * (len(whole) + 1)
    for i, a in enumerate(part, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(whole, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return min(row)
