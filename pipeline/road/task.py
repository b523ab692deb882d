"""The task `signs`: from a drive's tracks to sightings, announcements and the limit in force, and how it is shown."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.labels import OTHER, SIGN_LABELS
from detectors.picture import Image
from pipeline.events import Announcement, Event, LimitChange, OtherSign, Sighting
from pipeline.road.announce import Announcer, AnnouncerSettings
from pipeline.road.catalogue import Catalogue, Meaning
from pipeline.road.display import Display
from pipeline.road.language import Phrasebook, negotiate
from pipeline.road.limit import LimitSettings, LimitState
from pipeline.stages import Break, StreamEnd, Tracked
from pipeline.tracker import Track

if TYPE_CHECKING:
    from pipeline.tasks import Origin

# The signs of the catalogue are as wide as high; seen from the side they are narrower. Gables and hoardings, which a
# detector may take for them, are wider.
_WIDEST = 1.4
# A sign that was found so shortly ago is drawn as found: not every sign is looked at in every frame (`stages.detect`).
_STEADY_SECONDS = 0.12
_SHOWN = 8  # announcements of which the display chooses those that are still to be read


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadSettings:
    """Whose signs, in which language.

    lang: a BCP 47 tag, as de or pt-BR; without it the locale decides, else English
    country: ISO 3166 code of the country whose signs and units these are
    """

    lang: str | None = None
    country: str = "DE"


class Road:
    """What all streams share: the signs of the country, and the words for them."""

    labels = SIGN_LABELS
    known_classes = OTHER
    gallery = None

    def __init__(self, *, road: RoadSettings, limit: LimitSettings, announcer: AnnouncerSettings) -> None:
        """Raises ConfigError where the language or the country is unknown."""
        self.catalogue = Catalogue.for_country(road.country)
        self.phrasebook = Phrasebook(negotiate(None if road.lang is None else [road.lang]))
        self._limit = limit
        self._announcer = announcer

    @property
    def lang(self) -> str:
        return self.phrasebook.lang

    def watcher(self, origin: Origin) -> Drive:
        stream = origin.info.name
        return Drive(
            stream,
            catalogue=self.catalogue,
            phrasebook=self.phrasebook,
            limit=LimitState(stream, self._limit),
            announcer=Announcer(self._announcer),
        )

    def judge(self) -> None:
        """Nothing: a sign is what its detections say."""

    def screen(self) -> Screen:
        return Screen(Display(self.catalogue, self.phrasebook))

    def words(self, event: Event) -> str | None:
        """Return what a seen sign means, in the driver's language."""
        if not isinstance(event, Sighting | OtherSign):
            return None
        meaning = self.catalogue.meaning(event.class_id)
        return (self.phrasebook.phrase(meaning) if meaning else self.phrasebook.interface("other_sign")).text

    def settled(self, folder: Path) -> dict[str, object]:
        return {}

    def about(self) -> dict[str, object]:
        """Return what a run's record should tell: the language, and how far its sentences can be trusted."""
        meanings = {sign.meaning.id: sign.meaning for sign in self.catalogue.signs.values()}
        grades = Counter(self.phrasebook.phrase(meaning).grade for meaning in meanings.values())
        catalogue = f"{self.catalogue.title} {self.catalogue.year}"
        return {"lang": self.lang, "grades": dict(grades), "country": self.catalogue.country, "catalogue": catalogue}


class Drive:
    """One stream's watcher (see `stages.Watcher`): passive, fed frame by frame."""

    def __init__(
        self,
        stream: str,
        *,
        catalogue: Catalogue,
        phrasebook: Phrasebook,
        limit: LimitState,
        announcer: Announcer,
    ) -> None:
        self._stream = stream
        self._catalogue = catalogue
        self._phrasebook = phrasebook
        self._limit = limit
        self._announcer = announcer
        self._watched_until = 0.0

    def update(self, tracked: Tracked) -> Iterator[Event]:
        """Yield what this frame brings: what is told, what was passed, and what that means for the limit."""
        pts_seconds, ended = tracked.frame.pts_seconds, tracked.ended
        if tracked.cut == "jump":
            yield from self._missed(ended, self._watched_until)
            ended = ()
        self._watched_until = pts_seconds + tracked.frame.duration_seconds
        confirmed = (track for track in tracked.tracks if track.state == "confirmed")
        yield from self._told((*confirmed, *ended), pts_seconds)
        for track in sorted(ended, key=lambda t: (t.end_seconds, t.id)):
            yield from self._passed(track)
        if (change := self._limit.wait(pts_seconds)) is not None:
            yield change

    def interrupt(self, missed: Break) -> Iterator[Event]:
        """Yield what the tracks bring that a gap ended, and that no limit is known any more."""
        yield from self._missed(missed.ended, missed.gap.start_seconds)

    def close(self, end: StreamEnd) -> Iterator[Event]:
        """Yield what the last tracks bring."""
        yield from self._broken_off(end.ended, end.pts_seconds)

    def _missed(self, ended: Sequence[Track], pts_seconds: float) -> Iterator[Event]:
        """Yield what the tracks bring that were cut off there; what signs came since, nobody knows."""
        yield from self._broken_off(ended, pts_seconds)
        if (change := self._limit.miss(pts_seconds)) is not None:
            yield change

    def _broken_off(self, tracks: Sequence[Track], pts_seconds: float) -> Iterator[Event]:
        """They say nothing of the limit: their signs were never passed."""
        yield from self._told(tracks, pts_seconds)
        for track in tracks:
            yield self._sighting(track)

    def _told(self, tracks: Iterable[Track], pts_seconds: float) -> Iterator[Event]:
        signs = [(track, meaning) for track in tracks if (meaning := self._meaning(track)) is not None]
        for track, meaning in self._announcer.due(signs, pts_seconds):
            yield self._announcement(track, meaning, pts_seconds)

    def _passed(self, track: Track) -> Iterator[Event]:
        yield self._sighting(track)
        meaning, passed_at = self._meaning(track), track.end_seconds
        if meaning is not None:
            changes = (self._limit.wait(passed_at), self._limit.pass_sign(meaning, passed_at))
            yield from (change for change in changes if change is not None)

    def _meaning(self, track: Track) -> Meaning | None:
        """Return what the sign means; None where the catalogue does not know it, or where it has not a sign's shape."""
        x1, y1, x2, y2 = track.best.xyxy
        return self._catalogue.meaning(track.class_id) if x2 - x1 <= _WIDEST * (y2 - y1) else None

    def _sighting(self, track: Track) -> Sighting | OtherSign:
        meaning = self._meaning(track)
        if meaning is None:
            return OtherSign(**self._seen(replace(track, class_id=max(track.class_id, OTHER))))
        return Sighting(**self._seen(track), meaning=meaning.id, value=meaning.value, unit=meaning.unit)

    def _seen(self, track: Track) -> dict[str, Any]:
        return {
            "stream": self._stream,
            "track": track.id,
            "class_id": track.class_id,
            "label": SIGN_LABELS[track.class_id],
            "start_seconds": track.start_seconds,
            "end_seconds": track.end_seconds,
            "score": track.score,
            "best_xyxy": track.best.xyxy,
            "best_seconds": track.best.pts_seconds,
        }

    def _announcement(self, track: Track, meaning: Meaning, pts_seconds: float) -> Announcement:
        phrase = self._phrasebook.phrase(meaning)
        return Announcement(
            stream=self._stream,
            pts_seconds=pts_seconds,
            text=phrase.text,
            lang=phrase.lang,
            grade=phrase.grade,
            meaning=meaning.id,
            value=meaning.value,
            unit=meaning.unit,
            track=track.id,
            class_id=track.class_id,
            label=SIGN_LABELS[track.class_id],
            passes_in_seconds=None if track.state == "ended" else track.passes_in_seconds,
        )


class Screen:
    """Draws one stream's frames: it remembers of the events what stays visible."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._limit: LimitChange | None = None
        self._announcements: deque[Announcement] = deque(maxlen=_SHOWN)

    def size_wh(self, picture_wh: tuple[int, int]) -> tuple[int, int]:
        return picture_wh

    def take(self, event: Event) -> None:
        """Take an event that came before the next frame."""
        if isinstance(event, LimitChange):
            if event.reason in ("expired", "gap") and self._limit is not None:
                # What it was is still worth showing, as a question.
                event = replace(event, value=self._limit.value, unit=self._limit.unit)
            self._limit = event
        elif isinstance(event, Announcement):
            self._announcements.append(event)

    def draw(self, tracked: Tracked) -> Image:
        """Return the frame with everything drawn on it, RGB uint8 (H, W, 3)."""
        seen_since = tracked.frame.pts_seconds - _STEADY_SECONDS
        return self._display.draw(
            tracked.frame.rgb(),
            [replace(t, detection_score=t.score) if t.end_seconds >= seen_since else t for t in tracked.tracks],
            self._limit,
            list(self._announcements),
            pts_seconds=tracked.frame.pts_seconds,
        )
