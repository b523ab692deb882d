"""`wayside gallery`: lists a gallery, takes brands out, says what to expect of it, and embeds it anew."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from detectors.gallery import Gallery
from pipeline.commands.enrol import counted, save
from pipeline.errors import ConfigError

if TYPE_CHECKING:
    from detectors.picture import Image
    from detectors.rehearsal import Rates, Report


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=list(_ACTIONS), metavar="ACTION", help=", ".join(_ACTIONS))
    parser.add_argument("gallery", type=Path, metavar="GALLERY", help="as `wayside enrol` made it")
    parser.add_argument("brands", nargs="*", metavar="BRAND", help="remove: which")
    parser.add_argument("--views", type=int, default=40, metavar="N", help="check: of each brand (default: 40)")
    parser.add_argument(
        "--false-alarms",
        type=float,
        default=0.01,
        metavar="SHARE",
        help="check: of strangers that may be taken for a brand (default: 0.01)",
    )
    parser.add_argument("--seed", type=int, default=1, help="check: of all that is drawn at random (default: 1)")
    parser.add_argument("--set", action="store_true", help="check: write the threshold into the gallery")
    parser.add_argument("--json", action="store_true", help="list, check: a line of JSON")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, f32 or bf16 (default: auto)")


def run(args: argparse.Namespace) -> int:
    if args.brands and args.action != "remove":
        raise ConfigError(f"gallery {args.action} takes no brands, got {args.brands[0]!r}")
    return int(_ACTIONS[args.action](args))


def _list(args: argparse.Namespace) -> int:
    gallery = Gallery.load(args.gallery, embedder_sha256=None)
    if args.json:
        print(json.dumps(_listed(gallery), ensure_ascii=False))
        return 0
    rows = [("brand", "exemplars", "views", "from", "words")]
    for brand in gallery.brands:
        mine = [e for e in gallery.exemplars if e.brand == brand]
        names = _shortened(", ".join(e.name for e in mine), 48)
        words = ", ".join(gallery.texts.get(brand, ()))
        rows.append((brand, str(len(mine)), str(sum(len(e.embeddings) for e in mine)), names, words))
    print(_table(rows, right=(1, 2)))
    if not args.quiet:
        threshold = "as shipped" if gallery.threshold is None else f"{gallery.threshold:.4f}"
        print(f"\n{counted(len(gallery.brands), 'brand')}; threshold {threshold}; sha256 {gallery.sha256}")
    return 0


def _remove(args: argparse.Namespace) -> int:
    if not args.brands:
        raise ConfigError("gallery remove needs a BRAND")
    old = new = Gallery.load(args.gallery, embedder_sha256=None)
    for brand in args.brands:
        if brand not in new.brands:
            near = difflib.get_close_matches(brand, new.brands, 1, 0.5)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{args.gallery}: no brand {brand!r} is enrolled{hint}")
        new = new.without(brand)
    save(new, args.gallery)
    if not args.quiet:
        print(f"{args.gallery}: {counted(len(old.brands) - len(new.brands), 'brand')} less, {len(new.brands)} left")
    return 0


def _rebuild(args: argparse.Namespace) -> int:
    from detectors.embedder import load_embedder

    old = Gallery.load(args.gallery, embedder_sha256=None)
    embedder = load_embedder(args.models, args.device, args.precision)
    quiet = args.quiet or not sys.stderr.isatty()
    new = old.embedded_by(embedder, tqdm(old.exemplars, desc="rebuild", unit="exemplar", disable=quiet))
    save(new, args.gallery)
    if not args.quiet:
        print(f"{args.gallery}: {counted(len(new.exemplars), 'exemplar')} embedded anew; sha256 {new.sha256}")
    return 0


def _check(args: argparse.Namespace) -> int:
    if args.views < 1:
        raise ConfigError(f"--views must be 1 or more, got {args.views}")
    if not 0 <= args.false_alarms < 1:
        raise ConfigError(f"--false-alarms must be a share, 0 or more and below 1, got {args.false_alarms}")
    from detectors.detector import Detector, open_detector
    from detectors.embedder import load_embedder
    from detectors.rehearsal import rehearse
    from pipeline.samples.match.brands import BRANDS, LOOKALIKES, draw

    embedder = load_embedder(args.models, args.device, args.precision)
    gallery = Gallery.load(args.gallery, embedder_sha256=embedder.sha256)

    def open_with(some: Gallery) -> Detector:
        return open_detector("logos", folder=args.models, device=args.device, precision=args.precision, gallery=some)

    report = rehearse(
        gallery,
        open_with,
        backgrounds=_streets() if gallery.exemplars else [],
        strangers={brand.name: draw(brand, brand.own()) for brand in (*BRANDS, *LOOKALIKES)},
        views=args.views,
        false_alarms=args.false_alarms,
        seed=args.seed,
        quiet=args.quiet or not sys.stderr.isatty(),
    )
    if args.set:
        save(gallery.with_threshold(report.chosen.threshold), args.gallery)
    if args.json:
        told = _rounded({**asdict(report), "is_set": args.set, "gallery": gallery.sha256, "model": embedder.sha256})
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(_told(report, args.false_alarms))
        if not args.quiet:
            print(
                f"\nthe threshold {report.chosen.threshold:.4f} is now the gallery's"
                if args.set
                else f"\n--set writes the threshold {report.chosen.threshold:.4f} into the gallery"
            )
    return 0


_ACTIONS = {"list": _list, "remove": _remove, "check": _check, "rebuild": _rebuild}


def _streets() -> list[Image]:
    """Frames of generated drives without signs: places of many kinds and no logo."""
    from pipeline.samples.road import RoadSample

    frames = []
    for seed in (2000, 2001):
        drive = RoadSample(seed, seconds=12, size_wh=(640, 360), with_signs=False)
        frames += [drive.frame(k)[0] for k in range(20, len(drive), 120)]
    return frames


def _told(report: Report, rate: float) -> str:
    """The report for a person: brands, rates, look-alikes."""
    rows = [("brand", "exemplars", "found", "at the shipped", "taken for")]
    for one in report.brands:
        other = "" if one.confused is None else f"{one.confused} ({_percent(one.confused_share)})"
        rows.append((one.brand, str(one.exemplars), _percent(one.recall), _percent(one.recall_at_shipped), other))
    parts = [_table(rows, right=(1, 2, 3))]

    def line(what: str, at: Rates) -> tuple[str, ...]:
        shares = (at.recall, at.wrong_brand, at.strangers_taken, at.places_taken)
        return (what, f"{at.threshold:.4f}", *map(_percent, shares))

    head = ("threshold", "", "found", "wrong brand", "strangers taken", "places taken")
    chosen = line(f"for {_percent(rate)} of strangers", report.chosen)
    parts.append(_table([head, chosen, line("shipped", report.shipped)], right=(1, 2, 3, 4, 5)))
    parts.append(
        f"{report.views} views of {counted(len(report.brands), 'brand')}; "
        f"{report.strangers} of strangers; {report.places} places without a logo"
    )
    if report.look_alikes:
        pairs = [("look-alikes", "", "similarity", "confused")]
        pairs += [(*p.brands, f"{p.similarity:.2f}", _percent(p.confused_share)) for p in report.look_alikes]
        parts.append(_table(pairs, right=(2, 3)))
    return "\n\n".join(parts)


def _listed(gallery: Gallery) -> dict[str, Any]:
    return {
        "brands": [
            {
                "brand": brand,
                "exemplars": [
                    {"kind": e.kind, "name": e.name, "views": len(e.embeddings)}
                    for e in gallery.exemplars
                    if e.brand == brand
                ],
                "texts": list(gallery.texts.get(brand, ())),
            }
            for brand in gallery.brands
        ],
        "threshold": gallery.threshold,
        "sha256": gallery.sha256,
        "embedder_sha256": gallery.embedder_sha256,
    }


def _rounded(value: Any) -> Any:
    """The value with every fraction in it to four digits."""
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(v) for key, v in value.items()}
    return [_rounded(v) for v in value] if isinstance(value, list | tuple) else value


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _table(rows: Sequence[tuple[str, ...]], *, right: tuple[int, ...]) -> str:
    """Columns two spaces apart; right: those whose cells stand on the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)
