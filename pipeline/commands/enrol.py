"""`wayside enrol`: takes up a brand into a gallery, by artwork, by places in photographs, by icons, by words.

A folder in place of the brand takes up each picture in it, as the brand that the file is called by.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from unicodedata import normalize

import numpy as np
from tqdm import tqdm

from detectors.errors import DataError
from detectors.gallery import Gallery, embed
from detectors.reading import Reader, can_read, folded
from detectors.rendering import LONGEST_PX, Likeness, draw_svg, icon, read_likeness
from detectors.wording import letters_of
from pipeline.errors import ConfigError, SinkError

PICTURES = frozenset({".svg", ".png", ".jpg", ".jpeg", ".webp"})
"""Suffixes of what is taken up of a folder."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "brand", metavar="BRAND", help="its name, as it is to stand in the account; or a folder with a file a brand"
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="artwork (SVG, PNG, JPEG, WebP), a crop, or a place in a photograph: photo.jpg@x1,y1,x2,y2",
    )
    parser.add_argument("--gallery", type=Path, required=True, metavar="FILE", help="made where it is not there")
    parser.add_argument("--icon", action="append", default=[], metavar="NAME", help="artwork of simple-icons-pack")
    parser.add_argument("--text", action="append", default=[], metavar="WORDS", help="a word mark, to be read")
    parser.add_argument("--no-letters", action="store_true", help="do not read the words that the files show")
    parser.add_argument("--models", type=Path, metavar="DIR", help="folder of your own weights (default: the shipped)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or torch (default: auto)")
    parser.add_argument("--precision", default="auto", help="auto, f32 or bf16 (default: auto)")


def run(args: argparse.Namespace) -> int:
    try:
        likenesses = _likenesses(args)
    except DataError as error:
        raise ConfigError(str(error)) from error
    old = Gallery.load(args.gallery, embedder_sha256=None) if args.gallery.exists() else Gallery()
    new = old.with_texts(args.brand, args.text)
    if likenesses:
        from detectors.embedder import load_embedder

        embedder = load_embedder(args.models, args.device, args.precision)
        if old.exemplars and old.embedder_sha256 != embedder.sha256:
            Gallery.load(args.gallery, embedder_sha256=embedder.sha256)  # which says what to do
        quiet = args.quiet or not sys.stderr.isatty()
        bar = tqdm(likenesses, desc="enrol", unit="exemplar", disable=quiet)
        reader = Reader() if can_read() and not args.no_letters else None
        exemplars = [embed(brand, likeness, embedder, letters_of(likeness, reader)) for brand, likeness in bar]
        new = new.with_exemplars(exemplars, embedder_sha256=embedder.sha256)
    if new is not old:
        save(new, args.gallery)
    if not args.quiet:
        print(_summary(args, sorted({brand for brand, _ in likenesses} or {args.brand}), old, new))
        if args.text and not can_read():
            print("words are read where the extra is installed: pip install 'wayside[text]'", file=sys.stderr)
    return 0


def _likenesses(args: argparse.Namespace) -> list[tuple[str, Likeness]]:
    """What is to be taken up, with its brand. Raises ConfigError where there is nothing, DataError where it is bad."""
    for word in args.text:
        if not folded(word):
            raise ConfigError(f"--text {word!r}: no letter or digit is in it, so it can never be read")
    for word in args.files:
        if Path(word).is_dir():
            raise ConfigError(f"{word}: a folder; name its files, or put it in place of BRAND, with a file a brand")
        _check_letters(Path(word))
    if args.files or args.icon or args.text:
        given = [read_likeness(word) for word in args.files] + [icon(name) for name in args.icon]
        return [(args.brand, likeness) for likeness in given]
    folder = Path(args.brand)
    if not folder.is_dir():
        raise ConfigError(f"nothing to know {args.brand!r} by: give a FILE, --icon or --text")
    files = [file for file in sorted(folder.iterdir()) if file.suffix.lower() in PICTURES and file.is_file()]
    if not files:
        raise ConfigError(f"{folder}: no pictures in it ({', '.join(sorted(PICTURES))})")
    for file in files:
        _check_letters(file)
    return [(file.stem, read_likeness(str(file))) for file in files]


def _check_letters(path: Path) -> None:
    """Raise DataError for an SVG with text of which nothing is drawn, as where its fonts are not on this machine.

    A word mark would be enrolled without its word. Of several texts one that is drawn is enough.
    """
    if path.suffix.lower() != ".svg" or not path.is_file():
        return
    svg = path.read_text("utf-8", errors="replace")
    texts = re.findall(r"<text\b[^>]*>(.*?)</text>", svg, re.DOTALL)
    if not any(re.sub("<[^>]*>", "", text).strip() for text in texts):
        return
    try:
        whole = draw_svg(svg, width=LONGEST_PX, height=LONGEST_PX)
        without = draw_svg(re.sub(r"(</?)text\b", r"\1metadata", svg), width=LONGEST_PX, height=LONGEST_PX)
    except DataError:
        return  # of a damaged file `read_likeness` tells, and a drawing that is nothing without its text has it
    if np.array_equal(whole, without):
        raise DataError(
            f"{path}: its text cannot be drawn, as where this machine lacks the font; turn it into outlines, "
            "or take it out"
        )


def save(gallery: Gallery, path: Path) -> None:
    """Write a gallery. Raises SinkError where it cannot be."""
    try:
        gallery.save(path)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error


def _summary(args: argparse.Namespace, brands: Sequence[str], old: Gallery, new: Gallery) -> str:
    """What is new, in a line, and where it is."""
    mine = [e for e in new.exemplars if e.brand in brands]
    added = len(new.exemplars) - len(old.exemplars)
    words = len(new.texts.get(args.brand, ())) - len(old.texts.get(args.brand, ()))
    what = [counted(added, "exemplar"), counted(words, "word mark")]
    told = " and ".join(w for w, n in zip(what, (added, words), strict=True) if n) or "nothing that it did not have"
    letters = dict.fromkeys(e.letters for e in mine if e.letters)
    lines = [f"{args.brand}: {told} added, {counted(sum(len(e.embeddings) for e in mine), 'view')} in all"]
    if letters:
        lines.append(f"read in its pictures: {', '.join(letters)} (if it says nothing of the kind: --no-letters)")
    for brand in brands:
        alike = [other for other in new.brands if other != brand and _plain(other) == _plain(brand)]
        if brand not in old.brands and alike:
            lines.append(f"{alike[0]!r} is enrolled too: to the account that is another brand than {brand!r}")
    if old.threshold is not None and new.threshold is None:
        lines.append("its threshold was measured without them: `wayside gallery check --set` measures it anew")
    lines.append(f"{args.gallery}: {counted(len(new.brands), 'brand')}, {counted(len(new.exemplars), 'exemplar')}")
    return "\n".join(lines)


def _plain(name: str) -> str:
    """A name without case, and without what cannot be seen of its spaces."""
    return " ".join(normalize("NFKC", name).casefold().split())


def counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
