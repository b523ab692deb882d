"""Says announcements aloud."""

from __future__ import annotations

from pipeline.events import Announcement
from pipeline.road.speech import Speaker, spoken


class Speech:
    """Speaks a stream's announcements in one language, where a voice can be had (see `pipeline.road.speech`)."""

    takes = (Announcement,)

    def __init__(self, lang: str) -> None:
        self._speaker = Speaker(lang)

    def write(self, said: Announcement) -> None:
        self._speaker.say(spoken(said.text, lang=said.lang, value=said.value, unit=said.unit))

    def close(self) -> None:
        self._speaker.close()
