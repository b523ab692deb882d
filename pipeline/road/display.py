"""What the overlay shows of a drive: tracks, the limit in force and announcements, in the words of the driver.

It chooses words, colours and pictograms; `pipeline.overlay` draws them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from pipeline.events import Announcement, LimitChange
from pipeline.lettering import is_rtl
from pipeline.overlay import Box, Caption, Panel, Words, draw_overlay
from pipeline.road.catalogue import Catalogue
from pipeline.road.language import Phrase, Phrasebook
from pipeline.tracker import Track

CAPTION_SECONDS = 4.0
"""How long an announcement stays to be read. 40 characters take two seconds; a glance must come first."""

_CAPTIONS = 2  # at most at once: more hide the road


class Kind(Enum):
    """What a sign does to the driver, and its colour on the frame: lighter than the sign's own, to be seen at night."""

    PROHIBITION = (255, 82, 82)
    DANGER = (255, 179, 64)
    PRIORITY = (255, 224, 92)
    MANDATORY = (84, 168, 255)
    END = (214, 220, 228)
    OTHER = (150, 160, 172)


_KINDS = {"A": Kind.DANGER, "B": Kind.PRIORITY, "C": Kind.PROHIBITION, "D": Kind.MANDATORY}
"""Sections of annex 1 of the Vienna Convention. C,17 is the end of a prohibition."""


class Display:
    """Draws a drive's frames for one driver."""

    def __init__(self, catalogue: Catalogue, phrasebook: Phrasebook) -> None:
        self._catalogue = catalogue
        self._phrasebook = phrasebook

    def draw(
        self,
        rgb: NDArray[np.uint8],
        tracks: Iterable[Track],
        limit: LimitChange | None,
        announcements: Sequence[Announcement],
        *,
        pts_seconds: float,
    ) -> NDArray[np.uint8]:
        """Return a copy of the frame, RGB uint8 (H, W, 3), with everything drawn on it.

        tracks: that live at this frame
        limit: the last change, None before the first
        announcements: the latest of this stream, in their order; which of them are still shown is decided here
        """
        return draw_overlay(
            rgb,
            [self.box(track) for track in tracks],
            self.panel(limit),
            list(self.captions(announcements, pts_seconds))[-_CAPTIONS:],
            mirrored=is_rtl(self._phrasebook.lang),
        )

    def box(self, track: Track) -> Box:
        """Name a track's sign; one without a meaning in this country is another sign."""
        sign = self._catalogue.signs.get(track.class_id)
        xyxy, tentative = track.xyxy, track.state == "tentative"
        if sign is None:
            words = _words(self._phrasebook.interface("other_sign"))
            return Box(xyxy, Kind.OTHER.value, words, None, tentative, track.is_bridged)
        kind = Kind.END if sign.vienna.startswith("C,17") else _KINDS.get(sign.vienna[0], Kind.OTHER)
        words = _words(self._phrasebook.phrase(sign.meaning))
        return Box(xyxy, kind.value, words, track.class_id, tentative, track.is_bridged)

    def panel(self, limit: LimitChange | None) -> Panel:
        """Show the limit in force. One that has expired is shown with a question mark where its value is known."""
        if limit is not None and limit.state == "ended":
            return Panel(words=_words(self._phrasebook.interface("limit_ended")), is_ended=True)
        if limit is None or limit.value is None:
            return Panel(words=_words(self._phrasebook.interface("limit_unknown")), is_sure=False)
        return Panel(limit.value, limit.unit, is_sure=limit.state == "set")

    def captions(self, announcements: Iterable[Announcement], pts_seconds: float) -> Iterator[Caption]:
        """Yield those announcements that are still to be read at that time."""
        for said in announcements:
            if 0 <= pts_seconds - said.pts_seconds < CAPTION_SECONDS:
                sign = self._catalogue.signs.get(said.class_id)
                note = self._phrasebook.phrase(sign.meaning).english if sign and said.grade == "draft" else None
                yield Caption(Words(said.text, said.lang, note), said.class_id if sign else None)


def _words(phrase: Phrase) -> Words:
    return Words(phrase.text, phrase.lang, phrase.english)
