"""The drawings of a report: SVG to be put into a page, in the page's own colours and letters, drawn by matplotlib.

Colours are the page's variables (`--ink`, `--muted` and others), so light, dark and print are the
page's affair. It knows nothing of accounts: it is given names and numbers.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unicodedata import east_asian_width

from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK, _MUTED, _LINE, _ACCENT, _LOST, _PAPER = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_VARIABLES = {
    _INK: "--ink",
    _MUTED: "--muted",
    _LINE: "--line",
    _ACCENT: "--accent",
    _LOST: "--lost",
    _PAPER: "--paper",
}
"""Colours that nobody would choose; the page's variables take their place."""

_WIDTH = 10.4
"""Inches of 72 px: about the width of the page, so letters keep their size."""

_ROW = 0.3

_NAMES = 1.75
"""Inches for the names of rows."""

_SINGLE_BARS = 300
"""Of a brand with more, bars less than a pixel apart are drawn as one: a page of ten hours stays a page."""

_STYLE: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "text.color": _INK,
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": _LINE,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": _LINE,
    "xtick.labelcolor": _MUTED,
    "ytick.color": _LINE,
    "ytick.labelcolor": _INK,
    "ytick.major.size": 0,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}


@dataclass(frozen=True, slots=True)
class Bar:
    """From and to, seconds, and where a click on it leads, None if nowhere."""

    start: float
    end: float
    url: str | None = None


def timeline(brands: Sequence[tuple[str, Sequence[Bar]]], *, end: float, lost: Sequence[tuple[float, float]]) -> str:
    """Draw each brand's exposures over the stream's time, one row a brand; lost time is grey from top to bottom."""

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [name for name, _ in brands])
        for start, stop in lost:
            axes.axvspan(start, stop, color=_LOST, linewidth=0, zorder=0)
        least = end / 900  # about a pixel: a flash is seen too
        for row, (_, whole) in enumerate(brands):
            bars = whole if len(whole) <= _SINGLE_BARS else _merged(whole, least)
            spans = [(bar.start, max(bar.end - bar.start, least)) for bar in bars]
            drawn = axes.broken_barh(spans, (row - 0.32, 0.64), facecolors=_ACCENT, edgecolors=_PAPER, linewidth=0.7)
            drawn.set_urls([bar.url for bar in bars])
        axes.set_xlim(0, max(end, 0.001))
        axes.grid(axis="x")
        ticks = _clock_ticks(end)
        axes.set_xticks(ticks, [clock(tick) for tick in ticks])

    return _svg(draw, (_WIDTH, 0.55 + _ROW * len(brands)), "timeline", "Exposures of each brand over time")


def bars(rows: Sequence[tuple[str, float, str]], *, about: str) -> str:
    """Draw a bar a row: its name, its length, and what is written at its end."""

    def draw(figure: Figure) -> None:
        axes = _rows(figure, [name for name, _, _ in rows])
        most = max((value for _, value, _ in rows), default=0) or 1
        axes.barh(range(len(rows)), [value for _, value, _ in rows], height=0.64, color=_ACCENT)
        for place, (_, value, text) in enumerate(rows):
            axes.text(value + most * 0.008, place, text, va="center", color=_MUTED, parse_math=False)
        axes.set_xlim(0, most * 1.22)
        axes.set_xticks([])
        axes.spines["bottom"].set_visible(False)

    return _svg(draw, (_WIDTH, 0.15 + _ROW * len(rows)), "bars", about)


def sizes(names: Sequence[str], classes: Sequence[str], seconds: Sequence[Sequence[float]]) -> str:
    """Draw each brand's seconds by size of the logo: a row a brand, darker is larger. seconds: (brands, classes)."""

    def draw(figure: Figure) -> None:
        axes = _rows(figure, names, top=0.3)
        strengths = [0.2 + 0.8 * place / max(1, len(classes) - 1) for place in range(len(classes))]
        lefts = [0.0] * len(names)
        for place, name in enumerate(classes):
            widths = [row[place] for row in seconds]
            axes.barh(
                range(len(names)), widths, left=lefts, height=0.64, color=_ACCENT, alpha=strengths[place], label=name
            )
            lefts = [left + width for left, width in zip(lefts, widths, strict=True)]
        axes.set_xlim(0, max([*lefts, 0.001]) * 1.02)
        axes.grid(axis="x")
        axes.set_xlabel("seconds", fontsize=8)
        inches = figure.get_size_inches()[1]
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1 + 0.02 / inches),
            ncols=len(classes),
            frameon=False,
            fontsize=8,
            borderaxespad=0,
            handlelength=1,
            columnspacing=1.4,
        )

    return _svg(draw, (_WIDTH, 0.85 + _ROW * len(names)), "sizes", "Seconds of each brand by size")


def positions(maps: Sequence[tuple[str, Sequence[float], Sequence[float | None]]]) -> str:
    """Draw pictures of three by three cells: the share of the time in each, and the size of the logos there.

    maps: name, nine shares (0 to 1, row by row), nine mean sizes (0 to 1 of the picture; None where there was nothing)
    """
    columns = 4
    count = -(-len(maps) // columns)

    def draw(figure: Figure) -> None:
        for place, (name, shares, means) in enumerate(maps):
            axes = figure.add_subplot(count, columns, place + 1)
            axes.set_title(_short(name, 2.2), fontsize=9, loc="left", parse_math=False, color=_INK, pad=4)
            for cell, (share, mean) in enumerate(zip(shares, means, strict=True)):
                row, column = divmod(cell, 3)
                corner = (column, 2 - row)
                axes.add_patch(_box(corner, alpha=0.7 * share))
                told = "–" if not share else f"{100 * share:.0f} %" if share >= 0.005 else "< 1 %"
                axes.text(column + 0.5, 2.58 - row, told, ha="center", va="center", fontsize=9)
                if mean is not None:
                    told, tone = f"{100 * mean:.2f} %", _MUTED if share < 0.35 else _INK  # grey on blue cannot be read
                    axes.text(column + 0.5, 2.26 - row, told, ha="center", va="center", fontsize=7, color=tone)
            axes.set_xlim(0, 3)
            axes.set_ylim(0, 3)
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
        figure.subplots_adjust(0.005, 0.01, 0.995, 1 - 0.24 / figure.get_size_inches()[1], 0.08, 0.22)

    return _svg(draw, (_WIDTH, 0.1 + 1.72 * count), "positions", "Where in the picture the brands were")


def clock(seconds: float, digits: int = 0) -> str:
    """Return a moment as it stands on a player: 0:05, 1:02:03.4."""
    unit = 10**digits
    whole, part = divmod(round(seconds * unit), unit)
    hours, minutes = divmod(whole // 60, 60)
    text = f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
    return f"{text}.{part:0{digits}}" if digits else text


def _merged(bars: Sequence[Bar], gap: float) -> list[Bar]:
    """Join bars that nobody could tell apart; they are in order, and what is joined leads nowhere."""
    found: list[Bar] = []
    for bar in bars:
        if found and bar.start - found[-1].end < gap:
            found[-1] = Bar(found[-1].start, max(bar.end, found[-1].end))
        else:
            found.append(bar)
    return found


def _clock_ticks(end: float) -> list[float]:
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400)
    step = next((step for step in steps if end / step <= 12), 43200)
    return [tick * float(step) for tick in range(int(end / step) + 1)]


def _rows(figure: Figure, names: Sequence[str], *, top: float = 0.05) -> Axes:
    """Make axes with a row a name, the first on top, and room for the names at the left."""
    width, height = figure.get_size_inches()
    bottom = 0.1 if height <= 0.2 + _ROW * len(names) else height - _ROW * len(names) - top
    axes = figure.add_axes((_NAMES / width, bottom / height, 1 - (_NAMES + 0.25) / width, 1 - (bottom + top) / height))
    axes.set_yticks(range(len(names)), [_short(name, _NAMES - 0.1) for name in names], parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    return axes


def _box(corner: tuple[float, float], *, alpha: float) -> Any:
    from matplotlib.patches import Rectangle

    red, green, blue = (int(_ACCENT[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return Rectangle(corner, 1, 1, facecolor=(red, green, blue, alpha), edgecolor=_LINE, linewidth=0.8)


def _short(name: str, inches: float) -> str:
    """Cut a name to what has room, by the measure of matplotlib's letters: hardly any are wider."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    def fits(text: str) -> bool:
        # Scripts that are set in squares, and emoji, are not among those letters. No letter is wider than a W.
        known = "".join("W" if east_asian_width(c) in "WF" else c for c in text)
        width, _, _ = text_to_path.get_text_width_height_descent(known, FontProperties(size=9), ismath=False)
        return bool(width <= 72 * inches)

    line = " ".join(name.split())
    if fits(line):
        return line
    line = line[:60]
    while not fits(line.rstrip() + "…"):
        line = line[:-1]
    return line.rstrip() + "…"


def _svg(draw: Callable[[Figure], None], size: tuple[float, float], name: str, about: str) -> str:
    try:
        import matplotlib
        from matplotlib.figure import Figure as NewFigure
    except ImportError as error:
        raise ConfigError("the report needs matplotlib: pip install 'wayside[report]'") from error
    file = io.StringIO()
    with matplotlib.rc_context({**_STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        # Names come in all scripts; the page's letters show them, matplotlib's only take their measure.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = NewFigure(figsize=size, dpi=72)
        draw(figure)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = file.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style type=\"text/css\">.*?</style>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<[^>]+>", lambda tag: _of_the_page(tag[0], name), svg)  # texts between, names, stay as they are
    return svg.replace("<svg ", f'<svg role="img" aria-label="{about}" ', 1)


def _of_the_page(tag: str, name: str) -> str:
    """Give a tag of a drawing the page's colours and letters, and ids that no other drawing has."""
    tag = re.sub(r"\bid=\"|url\(#|href=\"#", rf"\g<0>{name}-", tag)
    tag = re.sub(r"(font-family: |font: [^;\"']*?px )[^;\"]*", r"\1var(--letters)", tag)
    for colour, variable in _VARIABLES.items():
        tag = tag.replace(colour, f"var({variable})")
    return tag
