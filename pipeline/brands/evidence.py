"""What an impression is proved by: its best crop, the frame that this is cut from, and the span of video around it.

Files lie in `evidence/`, named by what they hold: `evidence/ab/abcdef....jpg` has the SHA-256 `abcdef...`. They are
there whole or not at all, and are never written again. The span is copied out of the source file without encoding
(`streams/span.py`). It knows nothing of exposure rules, of the ledger or of threads: it runs where a sink runs.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import ceil, inf
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from PIL import Image as Pillow

from pipeline.brands.clarity import clarity
from pipeline.errors import SinkError
from pipeline.events import Box, Impression
from streams.errors import StreamError, WriteError
from streams.frame import Frame
from streams.image_source import IMAGE_SUFFIXES
from streams.pixels import Image
from streams.span import copy_span, has_one_clock
from streams.urls import scheme_of

log = logging.getLogger(__name__)

FOLDER = "evidence"

_BUCKET_SECONDS = 1.0
"""Of a brand, the best frame of so much time competes as one: which impression it falls to is known only later."""

_HELD_BYTES = 256 << 20
"""Pixels of frames that may be held; above, the oldest are kept as JPEG. More saves encoding, and takes memory."""

_MARGIN = 0.3
"""Of the box's longer side, shown around it: a logo is recognised by what it stands on."""

_WORTH_A_LOOK = 0.9
"""Of the best one's area times score; what has less is not so much clearer that it would be better."""

_LOOK_SECONDS = 0.2
"""So long a frame that shows no more of a brand than the best one is not measured: it looks much like the last."""

_CLOSE = 1e-4
"""Seconds by which two tellings of one moment may differ."""

_FRAME_QUALITY, _CROP_QUALITY = 85, 92


@dataclass(frozen=True, slots=True)
class Seen:
    """A placement that was found in a frame: the brand as it is enrolled, its box in pixels, its score 0 to 1."""

    brand: str
    xyxy: Box
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What proves an impression. Hashes are SHA-256 in hex, and name the files; None where there is no such file.

    crop, frame: JPEG; seconds: when in the stream both are; xyxy: the crop's placement in the frame, without margin
    span: video; it shows the stream from span_start_seconds to span_end_seconds, so the exposure begins in it at the
        impression's start less span_start_seconds
    without: why something is missing
    """

    crop: str | None = None
    frame: str | None = None
    span: str | None = None
    seconds: float | None = None
    xyxy: Box | None = None
    span_start_seconds: float | None = None
    span_end_seconds: float | None = None
    without: str | None = None

    def to_table(self) -> dict[str, Any]:
        """Return it as plain values, the same for the same proof."""
        table = asdict(self)
        for key in ("seconds", "span_start_seconds", "span_end_seconds"):
            table[key] = None if table[key] is None else round(table[key], 4)
        table["xyxy"] = None if self.xyxy is None else [round(float(edge), 1) for edge in self.xyxy]
        return table

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Proof:
        known = {key: value for key, value in table.items() if key in cls.__dataclass_fields__}
        if known.get("xyxy") is not None:
            known["xyxy"] = tuple(known["xyxy"])
        return cls(**known)

    @property
    def hashes(self) -> tuple[str, ...]:
        """Return those of the files that there are."""
        return tuple(each for each in (self.crop, self.frame, self.span) if each is not None)


@dataclass(slots=True)
class _Still:
    """A frame that may be wanted: its pixels, later its JPEG."""

    frame: Frame | None
    jpeg: bytes = b""


@dataclass(slots=True)
class _Candidate:
    """The best look at a brand in a little while. opened: when that began; measured: the latest look; seconds."""

    opened: float
    measured: float
    seconds: float
    xyxy: Box
    rough: float
    worth: float
    still: _Still
    crop: bytes = b""


class Evidence:
    """Keeps the best look at every brand of one stream, and writes it down when the impression is over.

    Feed it the frames (`offer`), `take` the proof of each impression that is over, and tell it then which ones are open
    (`keep`, else memory grows). Frames are held as they are, and encoded once, when they are taken.

    folder: of the stream; `evidence/` is made in it. What a killed run left half-written there is removed.
    source_url: as it was asked to be watched; spans are copied from it if it is a video file. None: no spans.
    grace_seconds: for as long looks are kept for impressions that `keep` does not name yet, since a profile asks for so
        many seconds before it calls one open. More takes more memory.
    bridge_seconds: a brand that is missing for longer comes back in another impression, with a look of its own. Less
        takes more looks where a brand flickers
    """

    def __init__(
        self, folder: Path, source_url: str | None, *, grace_seconds: float = 5.0, bridge_seconds: float = inf
    ) -> None:
        self.bytes_written = 0
        self._folder = folder / FOLDER
        self._grace = grace_seconds
        self._bridge = bridge_seconds
        self._path, self._no_span = _video_file(source_url)
        self._is_judged = False
        self._origin: int | None = None
        self._time_base = Fraction(1)
        self._candidates: dict[str, list[_Candidate]] = {}
        self._shot = -inf  # when it began, seconds
        self._seen_until: dict[str, float] = {}  # when the last frame of a brand ended, seconds
        with suppress(OSError):
            for left in self._folder.glob("*.part"):
                left.unlink()

    def offer(self, frame: Frame, seen: Iterable[Seen], *, is_new_shot: bool = False) -> None:
        """Keep the frame where it shows one of the brands better than those before: larger, clearer, surer.

        Frames come in order; those in which nothing was found need not be given. is_new_shot: nothing before belongs to
        the same impression.
        """
        if self._origin is None:
            self._time_base = frame.time_base
            self._origin = frame.pts - round(Fraction(frame.pts_seconds) / frame.time_base)
        if is_new_shot:  # what was seen in it is often believed, and so offered, only some frames later
            self._shot = frame.pts_seconds
        still = _Still(frame)
        is_kept = False
        for each in seen:
            is_kept |= self._consider(still, frame, each)
        if is_kept:
            self._spill()

    def keep(self, impressions: Iterable[Impression], *, until: float) -> None:
        """Let go of what no impression can want any more.

        impressions: that are open at `until`, seconds; those that were over by then have been taken
        """
        opened = {impression.brand: impression.start_seconds - _CLOSE for impression in impressions}
        for brand, candidates in list(self._candidates.items()):
            start = opened.get(brand, inf)
            old = [each for each in candidates if start <= each.seconds < until - self._grace]
            best = [max(old, key=lambda each: each.worth)] if old else []
            kept = best + [each for each in candidates if each.seconds >= until - self._grace]
            if kept:
                self._candidates[brand] = kept
            else:
                del self._candidates[brand]

    def take(self, impression: Impression) -> Proof:
        """Write down what proves an impression that is over; when this returns, it is on the disk.

        Raises SinkError or WriteError where it cannot be written; a source that cannot be read again gives no span.
        """
        start, end = impression.start_seconds - _CLOSE, impression.end_seconds - _CLOSE
        candidates = self._candidates.get(impression.brand, [])
        own = [each for each in candidates if start <= each.seconds < end]
        exact = [each for each in own if abs(each.seconds - impression.best_seconds) < _CLOSE]
        best = max(exact or own, key=lambda each: each.worth, default=None)
        self._candidates[impression.brand] = [each for each in candidates if each.seconds >= end]
        table: dict[str, Any] = {}
        reasons = []
        if best is None:
            reasons.append("no frame of it was kept")
        else:
            crop, frame = self._encoded(best)
            table |= {"crop": self._store(crop), "frame": self._store(frame)}
            table |= {"seconds": best.seconds, "xyxy": best.xyxy}
        table |= self._span(impression)
        if "span" not in table:
            reasons.append(self._no_span or "no span: the source could not be read again")
        return Proof(**table, without="; ".join(reasons) or None)

    def _consider(self, still: _Still, frame: Frame, seen: Seen) -> bool:
        box = _within(seen.xyxy, frame.size_wh)
        if box is None:
            return False
        candidates = self._candidates.setdefault(seen.brand, [])
        last = candidates[-1] if candidates else None
        missing = frame.pts_seconds - self._seen_until.get(seen.brand, frame.pts_seconds)
        self._seen_until[seen.brand] = frame.pts_seconds + frame.duration_seconds
        if last is not None and (
            frame.pts_seconds - last.opened >= _BUCKET_SECONDS
            or last.opened < self._shot
            or missing > self._bridge + _CLOSE
        ):
            last = None
        rough = (box[2] - box[0]) * (box[3] - box[1]) * seen.score
        now = frame.pts_seconds
        if last is not None:
            is_alike = rough <= last.rough and now - last.measured < _LOOK_SECONDS - _CLOSE
            if is_alike or rough < _WORTH_A_LOOK * last.rough:
                return False
            last.measured = now
        sharpness, _ = clarity(frame.patch(*box))
        worth = rough * (sharpness + 1)
        if last is not None and worth <= last.worth:
            return False
        opened = now if last is None else last.opened
        found = _Candidate(opened, now, now, seen.xyxy, rough, worth, still)
        candidates[-1 if last is not None else len(candidates) :] = [found]
        return True

    def _all(self) -> Iterator[_Candidate]:
        for candidates in self._candidates.values():
            yield from candidates

    def _spill(self) -> None:
        """Encode the oldest frames that are held, until the others fit into memory."""
        held = {id(each.still): (each.seconds, each.still) for each in self._all() if each.still.frame is not None}
        size = sum(still.frame.nbytes for _, still in held.values() if still.frame is not None)
        for _, still in sorted(held.values(), key=lambda item: item[0]):
            if size <= _HELD_BYTES or still.frame is None:
                return
            size -= still.frame.nbytes
            for each in self._all():
                if each.still is still:
                    each.crop = _crop(still.frame, each.xyxy)
            still.jpeg, still.frame = _jpeg(still.frame.rgb(), _FRAME_QUALITY), None

    def _encoded(self, best: _Candidate) -> tuple[bytes, bytes]:
        frame = best.still.frame
        if frame is not None and not best.still.jpeg:  # another brand's may be of the same frame
            best.still.jpeg = _jpeg(frame.rgb(), _FRAME_QUALITY)
        return best.crop or _crop(frame, best.xyxy) if frame is not None else best.crop, best.still.jpeg

    def _span(self, impression: Impression) -> dict[str, Any]:
        if self._path is None or self._origin is None:
            return {}
        part = self._folder / "span.part"
        try:
            if not self._is_judged:
                self._is_judged = True
                if not has_one_clock(self._path):
                    self._path, self._no_span = None, "no span: the clock of the file begins again within it"
                    return {}
            self._make(self._folder)
            start, end = (round(at / self._time_base) + self._origin for at in _moments(impression))
            span = copy_span(self._path, part, start_pts=start, end_pts=end)
            shown = [float((pts - self._origin) * span.time_base) for pts in (span.start_pts, span.end_pts)]
            sha256 = self._settle(part, span.suffix)
        except WriteError:
            raise
        except StreamError as error:
            log.warning("no span of %s at %.1f s: %s", impression.brand, impression.start_seconds, error)
            return {}
        return {"span": sha256, "span_start_seconds": shown[0], "span_end_seconds": shown[1]}

    def _store(self, data: bytes) -> str:
        part = self._folder / "still.part"
        self._make(self._folder)
        try:
            part.write_bytes(data)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise _failure(part, error) from error
        return self._settle(part, ".jpg")

    def _settle(self, part: Path, suffix: str) -> str:
        """Give a file that is whole its name, on the disk; return its hash."""
        try:
            with part.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
            target = self._folder / sha256[:2] / f"{sha256}{suffix}"
            if target.exists():
                part.unlink()
                return sha256
            self._make(target.parent)
            size = part.stat().st_size
            part.replace(target)
            _sync_folder(target.parent)
        except OSError as error:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            raise _failure(part, error) from error
        self.bytes_written += size
        return sha256

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _failure(folder, error) from error


def find(folder: Path, sha256: str) -> Path | None:
    """Return where a stream's folder holds the evidence of that hash, None where it does not."""
    return next((folder / FOLDER / sha256[:2]).glob(f"{sha256}.*"), None) if _is_hash(sha256) else None


def problems(folder: Path, hashes: Iterable[str]) -> list[str]:
    """Say what is wrong with the evidence in a stream's folder: a line for each hash whose file is gone or changed."""
    found = []
    for sha256 in dict.fromkeys(hashes):
        path = find(folder, sha256)
        if path is None:
            found.append(f"evidence {sha256}: is missing")
            continue
        try:
            with path.open("rb") as file:
                is_same = hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError as error:
            found.append(f"{path}: cannot be read: {error.strerror}")
            continue
        if not is_same:
            found.append(f"{path}: was changed")
    return found


def _is_hash(text: str) -> bool:
    return re.fullmatch("[0-9a-f]{64}", text) is not None


def _video_file(url: str | None) -> tuple[Path | None, str | None]:
    """Return the file that spans can be copied from, or why there is none."""
    if url is None or scheme_of(url) not in (None, "file"):
        return None, "no span: the source is no file"
    path = Path(unquote(re.sub("^file:(//(localhost)?(?=/))?", "", url)) if scheme_of(url) else url)
    if path.suffix.lower() in IMAGE_SUFFIXES or not path.is_file():
        return None, "no span: the source is no video file"
    return path, None


def _moments(impression: Impression) -> tuple[Fraction, Fraction]:
    time_base = Fraction(impression.time_base)
    return impression.start_pts * time_base, impression.end_pts * time_base


def _within(xyxy: Box, size_wh: tuple[int, int], margin: float = 0) -> tuple[int, int, int, int] | None:
    """Return the whole pixels of a box with a margin, within the picture; None where two by two do not remain."""
    x1, y1, x2, y2 = xyxy
    x1, y1 = max(0, int(x1 - margin)), max(0, int(y1 - margin))
    x2, y2 = min(size_wh[0], ceil(x2 + margin)), min(size_wh[1], ceil(y2 + margin))
    return (x1, y1, x2, y2) if x2 - x1 >= 2 and y2 - y1 >= 2 else None


def _crop(frame: Frame, xyxy: Box) -> bytes:
    box = _within(xyxy, frame.size_wh, _MARGIN * max(xyxy[2] - xyxy[0], xyxy[3] - xyxy[1]))
    return b"" if box is None else _jpeg(frame.patch(*box), _CROP_QUALITY)


def _jpeg(rgb: Image, quality: int) -> bytes:
    file = io.BytesIO()
    Pillow.fromarray(rgb).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _sync_folder(folder: Path) -> None:
    """Have the name on the disk too; where a system knows no such thing, it does it itself."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _failure(path: Path, error: OSError) -> SinkError:
    return SinkError(f"{path}: cannot be written: {error.strerror or error}")
