"""The order in which the characters of a line are drawn: the Unicode bidirectional algorithm (UAX #9).

Pillow orders a line that is set in one font. A line here is set in several, so the order has to be known before it is
cut into runs. What is left out, since no such text occurs: the old embedding controls (U+202A to U+202E, ignored) and
paired brackets (N0), which the neutral rules place well enough around a unit or a number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from unicodedata import bidirectional

_ISOLATES = {"LRI", "RLI", "FSI"}
_IGNORED = {"BN", "LRE", "RLE", "LRO", "RLO", "PDF"}


def levels(text: str, *, is_rtl: bool) -> list[int]:
    """Return the embedding level of each character (odd is right to left) in a paragraph of that direction."""
    types = [bidirectional(character) or "L" for character in text]
    resolved = [int(is_rtl)] * len(text)
    _resolve(range(len(text)), types, int(is_rtl), resolved)
    return resolved


def visual_order(run_levels: Sequence[int]) -> list[int]:
    """Return the indices of the runs of a line from left to right (rule L2)."""
    order = list(range(len(run_levels)))
    for level in range(max(run_levels, default=0), 0, -1):
        start = 0
        while start < len(order):
            stop = start
            while stop < len(order) and run_levels[order[stop]] >= level:
                stop += 1
            order[start:stop] = reversed(order[start:stop])
            start = max(stop, start + 1)
    return order


def _resolve(span: Sequence[int], types: list[str], base: int, resolved: list[int]) -> None:
    """Write the levels of a paragraph, or of what stands inside an isolate, to `resolved`."""
    kept: list[int] = []
    for index, inner in _top_level(span, types):
        if types[index] in _IGNORED:
            resolved[index] = resolved[index - 1] if index else base
            continue
        kept.append(index)
        if inner:
            is_rtl = types[index] == "RLI" or (types[index] == "FSI" and _first_strong_is_rtl(inner, types))
            _resolve(inner, types, base + 1 + (base % 2 == is_rtl), resolved)
    kinds = ["ON" if types[i] in _ISOLATES | {"PDI"} else types[i] for i in kept]
    _weak(kinds, "R" if base % 2 else "L")
    _neutral(kinds, "R" if base % 2 else "L")
    for index, kind in zip(kept, kinds, strict=True):
        up = kind != "R" if base % 2 else {"L": 0, "R": 1}.get(kind, 2)
        resolved[index] = base + int(up)
    for index in span:  # what is not drawn goes with what stands before it, so that it splits no run
        if types[index] in _IGNORED and index:
            resolved[index] = resolved[index - 1]


def _top_level(span: Sequence[int], types: list[str]) -> Iterator[tuple[int, list[int]]]:
    """Yield each index that stands outside isolates and, for one that opens an isolate, the indices inside it."""
    position = 0
    while position < len(span):
        index, inner = span[position], []
        position += 1
        if types[index] in _ISOLATES:
            depth = 1
            while position < len(span) and (depth := depth + _step(types[span[position]])):
                inner.append(span[position])
                position += 1
        yield index, inner


def _step(kind: str) -> int:
    return 1 if kind in _ISOLATES else -1 if kind == "PDI" else 0


def _first_strong_is_rtl(span: Sequence[int], types: list[str]) -> bool:
    strong = (types[index] for index, _ in _top_level(span, types) if types[index] in {"L", "R", "AL"})
    return next(strong, "L") != "L"


def _weak(kinds: list[str], outside: str) -> None:
    """Rules W1 to W7, in place: marks, numbers, and the separators and terminators around numbers."""
    strong = outside
    for i, kind in enumerate(kinds):
        if kind == "NSM":  # W1
            kinds[i] = kind = kinds[i - 1] if i else outside
        if kind in {"L", "R", "AL"}:
            strong = kind
        if kind == "EN" and strong == "AL":  # W2
            kinds[i] = "AN"
    kinds[:] = ["R" if kind == "AL" else kind for kind in kinds]  # W3
    for i in range(1, len(kinds) - 1):  # W4
        before, after = kinds[i - 1], kinds[i + 1]
        if before == after and ((kinds[i] in {"ES", "CS"} and before == "EN") or (kinds[i] == "CS" and before == "AN")):
            kinds[i] = before
    for order in (range(1, len(kinds)), range(len(kinds) - 2, -1, -1)):  # W5: terminators after, then before, a number
        for i in order:
            if kinds[i] == "ET" and kinds[i - order.step] == "EN":
                kinds[i] = "EN"
    strong = outside
    for i, kind in enumerate(kinds):
        if kind in {"ES", "ET", "CS"}:  # W6
            kinds[i] = "ON"
        elif kind in {"L", "R"}:
            strong = kind
        elif kind == "EN" and strong == "L":  # W7
            kinds[i] = "L"


def _neutral(kinds: list[str], outside: str) -> None:
    """Rules N1 and N2, in place: a neutral stretch takes the direction on both its sides, or the paragraph's."""
    drawn = {"L": "L", "R": "R", "EN": "R", "AN": "R"}
    i = 0
    while i < len(kinds):
        stop = i
        while stop < len(kinds) and kinds[stop] not in drawn:
            stop += 1
        before = drawn[kinds[i - 1]] if i else outside
        after = drawn[kinds[stop]] if stop < len(kinds) else outside
        kinds[i:stop] = [before if before == after else outside] * (stop - i)
        i = stop + 1
