"""What lines of text say of brands: log-odds, to be added to what the picture says.

A brand has word marks, that it was enrolled with or that were read in its likenesses. A line that is like one of them
speaks for it. One that is like none speaks against it, but only where every likeness of the brand holds letters: an
emblem may stand beside any words. What was hardly read, or is too short, says nothing. Knows nothing of time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import cv2
import numpy as np

from detectors.gallery import Gallery
from detectors.reading import LEAST_LIKENESS, Line, Reader, folded, likeness, part_likeness
from detectors.rendering import BLACK, WHITE, Likeness, over

LEAST_SCORE = 0.6
"""Below this, the reader guesses."""
SHORTEST = 3
"""Letters of a line below which it speaks against nobody: single letters are read in any pattern."""
FOR, AGAINST = 5.0, 5.0
"""Log-odds of one line at the most, read without doubt."""
MOST = 7.0
"""Log-odds of all lines together at the most: looks at one place are much alike."""
UNSEEN = -3.0
"""Log-odds of a brand whose picture was not recognised: letters alone reach a score of 0.98."""
SUREST = 0.95
"""The score of a picture at the most, against other evidence: 2.9 as log-odds."""
SURE_ENOUGH = 0.9
"""Score from which what was read in a likeness is taken for its word mark."""


class Wording:
    """The word marks of a gallery's brands. Immutable."""

    def __init__(self, gallery: Gallery) -> None:
        self._marks = tuple(gallery.marks(brand) for brand in gallery.brands)
        self._is_lettered = tuple(gallery.is_lettered(brand) for brand in gallery.brands)
        self._letters = [(b, mark, set("".join(folded(mark)))) for b, marks in enumerate(self._marks) for mark in marks]

    @property
    def is_empty(self) -> bool:
        """True where no brand has a word mark."""
        return not self._letters

    def has_marks(self, brand: int) -> bool:
        return bool(self._marks[brand])

    def is_brand(self, class_id: int) -> bool:
        """False of the class of nameless places."""
        return class_id < len(self._marks)

    def evidence(self, line: Line, brand: int) -> float:
        """Log-odds that one line gives a brand, by its place in the gallery: 0 where it says nothing."""
        text, score = line
        marks = self._marks[brand]
        if score < LEAST_SCORE or not marks:
            return 0.0
        alike = max(likeness(text, mark) for mark in marks)
        if alike >= LEAST_LIKENESS:
            return FOR * score * (alike - LEAST_LIKENESS) / (1 - LEAST_LIKENESS)
        if not self._is_lettered[brand] or _letters(text) < SHORTEST:
            return 0.0
        alike = max(part_likeness(text, mark) for mark in marks)
        return -AGAINST * score**8 * min(1.0, max(0.0, 9 * (LEAST_LIKENESS - alike)))

    def is_telling(self, line: Line) -> bool:
        """Whether a line could speak for or against anybody."""
        return line[1] >= LEAST_SCORE and _letters(line[0]) >= SHORTEST

    def of(self, lines: Iterable[Line], brand: int) -> float:
        """Log-odds that all lines of one place give a brand together."""
        return max(-MOST, min(MOST, sum(self.evidence(line, brand) for line in lines)))

    def named(self, lines: Iterable[Line], least: float = LEAST_LIKENESS) -> set[int]:
        """The brands that some line names. least: how like a word mark a line must be."""
        found = set()
        for text, score in lines:
            letters = set("".join(folded(text)))
            for brand, mark, wanted in self._letters:
                is_near = score >= LEAST_SCORE and len(wanted & letters) >= least * len(wanted)
                if is_near and likeness(text, mark) >= least:
                    found.add(brand)
        return found


def judged(
    picture: float, brand: int, lines: Sequence[Line], wording: Wording, *, more: float = 0.0
) -> tuple[int, float]:
    """The brand that a place shows by all evidence, and the log-odds of that.

    picture: the score by the picture, 0 to 1, of the brand that it shows; more: log-odds for that brand from elsewhere
    """
    sure = min(max(picture, 1 - SUREST), SUREST)
    odds = {other: UNSEEN + wording.of(lines, other) for other in wording.named(lines)}
    odds[brand] = math.log(sure / (1 - sure)) + wording.of(lines, brand) + more
    return _best(odds)


def worded(lines: Iterable[Line], wording: Wording) -> tuple[int, float] | None:
    """The brand that words alone name, and the log-odds of that; None where they name none."""
    telling = [line for line in lines if wording.is_telling(line)]
    odds = {brand: UNSEEN + wording.of(telling, brand) for brand in wording.named(telling)}
    best = _best(odds) if odds else None
    return best if best is not None and best[1] >= 0 else None


def _best(odds: dict[int, float]) -> tuple[int, float]:
    best = min(odds, key=lambda brand: (-odds[brand], brand))
    return best, odds[best]


def letters_of(likeness: Likeness, reader: Reader | None) -> str:
    """The words that a likeness holds, "" where none are read without doubt, or nobody reads."""
    if reader is None:
        return ""
    pixels = likeness.pixels
    rim = pixels.shape[0] // 3
    best: list[Line] = []
    for ground in (WHITE, BLACK) if pixels.shape[2] == 4 else (WHITE,):
        image = over(pixels, ground)
        if likeness.kind == "artwork":  # which is cut close, and letters at the edge are not found
            edge = tuple(int(v) for v in image[0, 0])
            image = np.asarray(cv2.copyMakeBorder(image, rim, rim, rim, rim, cv2.BORDER_CONSTANT, value=edge), np.uint8)
        lines = [(text, score) for text, score in reader.find(image) if score >= SURE_ENOUGH and _letters(text) >= 2]
        best = max(best, lines, key=lambda found: sum(_letters(text) for text, _ in found))
    words = " ".join(text for text, _ in best)
    return words if _letters(words) >= SHORTEST else ""


def _letters(text: str) -> int:
    return sum(map(len, folded(text)))
