"""An account as a page for people: one HTML file that needs no network and no other file but the evidence beside it.

It shows one run and never adds two: seconds and share of voice a brand, when and where it was seen, what was not
watched, the evidence, and how every figure was made. It knows nothing of how an account is written.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image as Pillow

from pipeline.brands import charts
from pipeline.brands.account import Account, Entry, accounts, find_account
from pipeline.brands.chain import read_ledger, verify
from pipeline.brands.evidence import Proof, find
from pipeline.brands.profiles import Profile
from pipeline.errors import ConfigError, SinkError

DRAWN_BRANDS = 20
"""Rows of a drawing at the most, those with the most seconds; the tables have them all."""
MAPPED_BRANDS = 7
SHOWN_BRANDS = 12
SHOWN_EACH = 4
"""Evidence in the page: of so many brands, so many exposures each, the longest ones."""
LISTED = 2000
"""Exposures in the table, in the order of time; an export has them all."""

SIZES = (0.0, 0.005, 0.01, 0.025, 0.05, 0.1)
"""Classes of size begin here: share of the picture."""
SIZE_NAMES = ("below 0.5 %", "0.5–1 %", "1–2.5 %", "2.5–5 %", "5–10 %", "10 % and more")

_PLACES = (
    "top left",
    "top",
    "top right",
    "left",
    "centre",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
_TEMPLATE = Path(__file__).with_name("report.html")
_THUMBNAIL_WH = (320, 240)
_CROP_WH = (160, 120)


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand's exposures, and what they come to. Means are weighted by seconds on screen."""

    name: str
    entries: Sequence[Entry]
    seconds: float
    bridged: float
    mean_share: float
    peak_share: float
    solus: float
    height: float
    score: float
    longest: float
    positions: Sequence[float]
    sizes: Sequence[float]

    @classmethod
    def of(cls, name: str, entries: Sequence[Entry]) -> Brand:
        seen = [entry.impression for entry in entries]
        weights = [i.on_screen_seconds for i in seen]
        total = sum(weights)

        def mean(values: Iterable[float]) -> float:
            return sum(v * w for v, w in zip(values, weights, strict=True)) / total if total else 0.0

        sizes = [0.0] * len(SIZES)
        for i in seen:
            sizes[max(n for n, least in enumerate(SIZES) if i.mean_share >= least)] += i.on_screen_seconds
        return cls(
            name=name,
            entries=entries,
            seconds=total,
            bridged=sum(i.bridged_seconds for i in seen),
            mean_share=mean(i.mean_share for i in seen),
            peak_share=max((i.peak_share for i in seen), default=0.0),
            solus=sum(i.solus_seconds for i in seen),
            height=mean(i.height_px for i in seen),
            score=mean(i.score_mean for i in seen),
            longest=max(weights, default=0.0),
            positions=[mean(i.position_shares[cell] for i in seen) for cell in range(9)],
            sizes=sizes,
        )

    @property
    def size_by_place(self) -> list[float | None]:
        """Return the mean share of the picture in each of the nine cells, None where the brand was not."""
        sums, weights = [0.0] * 9, [0.0] * 9
        for entry in self.entries:
            i = entry.impression
            for cell, share in enumerate(i.position_shares):
                sums[cell] += i.mean_share * share * i.on_screen_seconds
                weights[cell] += share * i.on_screen_seconds
        return [s / w if w else None for s, w in zip(sums, weights, strict=True)]


@dataclass(frozen=True)
class Figures:
    """What an account comes to; times in seconds."""

    account: Account
    others: int
    head: str
    problems: Sequence[str]
    records: int

    @cached_property
    def brands(self) -> list[Brand]:
        """Those that were seen, the one with the most seconds first."""
        entries: dict[str, list[Entry]] = {}
        for entry in self.account.entries:
            entries.setdefault(entry.impression.brand, []).append(entry)
        found = [Brand.of(name, each) for name, each in entries.items()]
        return sorted(found, key=lambda brand: (-brand.seconds, brand.name))

    @cached_property
    def unseen(self) -> list[str]:
        """Enrolled brands without an exposure by these rules."""
        seen = {brand.name for brand in self.brands}
        return [name for name in self.account.run.brands if name not in seen]

    @cached_property
    def seconds(self) -> float:
        """Of all brands together: a second with two brands counts for both."""
        return sum(brand.seconds for brand in self.brands)

    @cached_property
    def coverage(self) -> dict[str, Any]:
        return self.account.coverage.to_table(self.account.time_base)

    @cached_property
    def end(self) -> float:
        """When the last frame ends, seconds of the stream."""
        return float((self.account.coverage.end_pts or 0) * self.account.time_base)

    @cached_property
    def frame_seconds(self) -> float:
        """How long a frame is, in the mean: no exposure's start or end is known better."""
        frames = self.coverage["frames"]
        return (self.coverage["watched_seconds"] + self.coverage["sampled_seconds"]) / frames if frames else 0.0

    @cached_property
    def lost(self) -> list[tuple[float, float]]:
        """From when to when there was no frame."""
        time_base = self.account.time_base
        found: list[tuple[int, int]] = []
        end: int | None = None
        for observations in self.account.observations():
            starts, ends = observations.pts.tolist(), (observations.pts + observations.duration).tolist()
            if not starts:
                continue
            befores = [starts[0] if end is None else end, *ends[:-1]]
            found += [(before, start) for before, start in zip(befores, starts, strict=True) if start > before]
            end = ends[-1]
        return [(float(a * time_base), float(b * time_base)) for a, b in found]


def write_report(folder: Path, out: Path | None = None, run: str | None = None) -> tuple[Path, Figures]:
    """Write the page of one run, the last one unless told, whole or not at all; return where it is and what it shows.

    folder: of a stream, with its account; out: `report.html` in it without; run: how the run's id begins

    Raises ConfigError where there is no such account, or libraries are missing, SinkError where it cannot be written.
    """
    folder = folder.parent if folder.is_file() else folder
    out = out or folder / "report.html"
    verdict = verify(folder)
    with read_ledger(folder) as connection:
        account = find_account(connection, run)
        figures = Figures(account, len(accounts(connection)) - 1, verdict.head, verdict.problems, verdict.records)
        page = _page(figures, folder, out)
    part = out.with_name(out.name + ".part")
    try:
        part.write_text(page, encoding="utf-8", newline="\n")
        part.replace(out)
    except OSError as error:
        raise SinkError(f"{out}: cannot be written: {error.strerror or error}") from error
    return out, figures


def _page(figures: Figures, folder: Path, out: Path) -> str:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise ConfigError("the report needs jinja2: pip install 'wayside[report]'") from error
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"seconds": _seconds, "count": _count, "percent": _percent, "size": _size}
    environment.filters["clock"] = charts.clock
    links = _Links(folder, out)
    run = figures.account.run
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(
        figures=figures,
        account=figures.account,
        run=run,
        coverage=figures.coverage,
        charts=_charts(figures, links),
        evidence=list(_evidence(figures, links)),
        links=links,
        proof=lambda entry: Proof.from_table(entry.evidence),
        places=_PLACES,
        listed=sorted(figures.account.entries, key=lambda e: (e.impression.start_pts, e.impression.brand))[:LISTED],
        drawn=DRAWN_BRANDS,
        unverified=figures.problems[:10],
        limits=list(_limits(run.profile)),
        uncertain=2 * figures.frame_seconds * len(figures.account.entries),
    )


def _limits(profile: Profile) -> Iterator[str]:
    """Say what the rules ask of a logo's size and clarity."""
    if profile.min_share:
        yield f"at least {_size(profile.min_share)} of the picture"
    if profile.min_height_px:
        yield f"a height of {profile.min_height_px} px"
    for name in ("sharpness", "contrast", "score"):
        if least := getattr(profile, f"min_{name}"):
            yield f"a {name} of {least}"


def _charts(figures: Figures, links: _Links) -> dict[str, str]:
    from markupsafe import Markup

    brands = figures.brands[:DRAWN_BRANDS]
    if not brands:
        return {}
    total = figures.seconds or 1.0
    everything = Brand.of("All brands", figures.account.entries)
    mapped = [everything, *brands[:MAPPED_BRANDS]] if len(figures.brands) > 1 else brands
    drawn = {
        "voice": charts.bars(
            [(b.name, b.seconds, f"{_seconds(b.seconds)} s · {_percent(b.seconds / total)}") for b in brands],
            about="Seconds and share of voice of each brand",
        ),
        "timeline": charts.timeline(
            [(b.name, [_bar(entry, links) for entry in b.entries]) for b in brands],
            end=figures.end,
            lost=figures.lost,
        ),
        "positions": charts.positions([(b.name, b.positions, b.size_by_place) for b in mapped]),
        "sizes": charts.sizes([b.name for b in brands], SIZE_NAMES, [b.sizes for b in brands]),
    }
    return {name: Markup(svg) for name, svg in drawn.items()}


def _bar(entry: Entry, links: _Links) -> charts.Bar:
    return charts.Bar(entry.impression.start_seconds, entry.impression.end_seconds, links.span(entry))


@dataclass(frozen=True, slots=True)
class _Shown:
    """An exposure with its pictures as data URLs. box: of the crop in the frame, per cent: left, top, width, height."""

    entry: Entry
    frame: str | None
    crop: str | None
    box: tuple[float, float, float, float] | None
    problem: str | None


def _evidence(figures: Figures, links: _Links) -> Iterator[tuple[Brand, list[_Shown]]]:
    for brand in figures.brands[:SHOWN_BRANDS]:
        longest = sorted(brand.entries, key=lambda e: (-e.impression.on_screen_seconds, e.impression.start_pts))
        shown = sorted(longest[:SHOWN_EACH], key=lambda e: e.impression.start_pts)
        yield brand, [_show(entry, links) for entry in shown]


def _show(entry: Entry, links: _Links) -> _Shown:
    proof = Proof.from_table(entry.evidence)
    frame, size_wh, problem = _thumbnail(links.folder, proof.frame, _THUMBNAIL_WH)
    crop, _, crop_problem = _thumbnail(links.folder, proof.crop, _CROP_WH)
    box = None
    if size_wh is not None and proof.xyxy is not None:
        x1, y1, x2, y2 = proof.xyxy
        width, height = (size / 100 for size in size_wh)
        box = (x1 / width, y1 / height, (x2 - x1) / width, (y2 - y1) / height)
    return _Shown(entry, frame, crop, box, problem or crop_problem)


def _thumbnail(
    folder: Path, sha256: str | None, most_wh: tuple[int, int]
) -> tuple[str | None, tuple[int, int] | None, str | None]:
    """Return a picture of the evidence as a small data URL, its own size, and what is wrong with it."""
    if sha256 is None:
        return None, None, None
    path = find(folder, sha256)
    if path is None:
        return None, None, "its evidence is missing"
    try:
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != sha256:
            return None, None, "its evidence was changed"
        with Pillow.open(io.BytesIO(data), formats=("JPEG",)) as image:
            size_wh = image.size
            image.draft("RGB", (2 * most_wh[0], 2 * most_wh[1]))
            image.thumbnail(most_wh)
            file = io.BytesIO()
            image.save(file, "JPEG", quality=80)
    except OSError:
        return None, None, "its evidence cannot be read"
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}", size_wh, None


@dataclass(frozen=True, slots=True)
class _Links:
    """Ways from the page to the files beside it, None where there is no such file."""

    folder: Path
    out: Path

    def file(self, sha256: str | None) -> str | None:
        path = None if sha256 is None else find(self.folder, sha256)
        if path is None:
            return None
        return quote(os.path.relpath(path.absolute(), self.out.absolute().parent).replace(os.sep, "/"))

    def span(self, entry: Entry) -> str | None:
        """Return the way to the video of an exposure, which players begin where it begins."""
        proof = Proof.from_table(entry.evidence)
        url = self.file(proof.span)
        if url is None or proof.span_start_seconds is None:
            return url
        start = max(0.0, entry.impression.start_seconds - proof.span_start_seconds)
        return f"{url}#t={start:.2f},{start + entry.impression.end_seconds - entry.impression.start_seconds:.2f}"


def _seconds(value: float) -> str:
    return f"{value:,.1f}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _size(share: float) -> str:
    """Shares of the picture are small."""
    return f"{100 * share:.2f} %"
