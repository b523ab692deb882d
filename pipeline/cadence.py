"""Says when streams are scanned: by the time, and more rarely where the picture stands still. Knows nothing of models.

Where nothing has changed since a scan, another would propose what that one did, so that is looked at again, and the
scan can wait. To tell so, a small picture of brightness is compared, tile by tile, with that of the last scan: people
who run about a court change up to a tenth of the tiles, a camera that moves more (NOTES.md, "standing still"). While a
picture goes on standing still the time between scans doubles, since what one misses by a hair the next may propose.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipeline.overload import Overload
from pipeline.shots import small
from streams.frame import Frame
from streams.pixels import Plane

_WIDTH = 256  # of the small picture
_TILE = 16  # pixels of it, a side
_OTHER = 0.3  # variance of the difference over the sum of both variances; two tiles that correlate by 0.7 have as much
_NOISE = 16.0  # variance of the difference that is none, in grey levels squared
_CHANGED = 0.1  # share of the tiles up to which a picture stands still


@dataclass(frozen=True, slots=True)
class _Scan:
    """A stream's last scan.

    picture: what it saw, where that is of interest
    apart: seconds until it is due again while nothing changes
    due_at, look_at: PTS of that, and from which on it is asked whether something has changed
    """

    picture: Plane | None
    apart: float
    due_at: float
    look_at: float


Turn = Literal["scan", "again", "track"]
"""What is due with a frame: a scan; another look at what the last scan proposed; or a look at what is tracked alone."""


class Cadence:
    """When streams are scanned. Single-threaded; ask it about every frame, in order.

    scan_seconds: a stream is scanned again so long after a scan, to the nearest frame, or looked at again
    still_scan_seconds: and up to so long after it where the picture stands still. Goes up: faster; what comes into a
        small part of such a picture is found later
    overload: has a say in how far apart the scans of live streams are
    """

    def __init__(self, *, scan_seconds: float, still_scan_seconds: float, overload: Overload) -> None:
        self._scan_seconds, self._still_scan_seconds = scan_seconds, still_scan_seconds
        self._overload = overload
        self._last: dict[str, _Scan] = {}

    def turn(self, frame: Frame, *, now: bool) -> Turn:
        """Say what is due with a frame; a scan is where `now` or where nothing is known of its stream."""
        shortest = self._overload.scan_seconds(frame.stream, self._scan_seconds)
        last = None if now else self._last.get(frame.stream)
        middle = frame.pts_seconds + frame.duration_seconds / 2
        if last is not None and middle < last.look_at:
            return "track"
        picture = small(frame, _WIDTH) if self._still_scan_seconds > shortest else None
        apart = shortest
        if last is not None and is_still(last.picture, picture):
            if middle < last.due_at:
                self._last[frame.stream] = replace(last, look_at=min(frame.pts_seconds + shortest, last.due_at))
                return "again"
            apart = max(shortest, min(2 * last.apart, self._still_scan_seconds))
        self._last[frame.stream] = _Scan(picture, apart, frame.pts_seconds + apart, frame.pts_seconds + shortest)
        return "scan"

    def forget(self, stream: str) -> None:
        """Take the stream's next frame for another scene."""
        self._last.pop(stream, None)


def is_still(before: Plane | None, picture: Plane | None) -> bool:
    """Say whether two small pictures show the same from the same place, but for things that move before it."""
    if before is None or picture is None or before.shape != picture.shape:
        return False
    a, b = _tiles(before), _tiles(picture)
    other = (a - b).var(axis=(1, 3)) > _OTHER * (a.var(axis=(1, 3)) + b.var(axis=(1, 3))) + _NOISE
    return float(other.mean()) <= _CHANGED


def _tiles(picture: Plane) -> NDArray[np.float32]:
    """Return the whole tiles of a picture: float32 (rows, _TILE, columns, _TILE)."""
    rows, columns = (side // _TILE for side in picture.shape)
    whole = picture[: rows * _TILE, : columns * _TILE].astype(np.float32)
    return whole.reshape(rows, _TILE, columns, _TILE)
