"""Says announcements aloud through espeak-ng, where it is installed; where it cannot, it says why, once, in the log.

One espeak-ng process is fed a line a sentence through a pipe. The pipe is the queue: sentences never overlap, and who
calls never waits. espeak-ng is a program under the GPL and is run as one; nothing of it is linked.
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from types import TracebackType
from typing import Self

import langcodes
from babel import Locale
from babel.units import format_unit

from pipeline.road.catalogue import SpeedUnit
from pipeline.road.units import speed

log = logging.getLogger(__name__)

_SECONDS_A_CHARACTER = 0.075  # at the 175 words a minute of espeak-ng
_LATEST_SECONDS = 4.0  # a sentence that could not start within this is left out: its sign has passed by then
_FINISH_SECONDS = 5.0  # how long the last sentence is waited for

_CLDR: dict[SpeedUnit, str] = {"km/h": "speed-kilometer-per-hour", "mph": "speed-mile-per-hour"}
_ISOLATES = {ord(mark): None for mark in "\u200e\u200f\u2068\u2069"}  # for the eye alone

_MUST_READ = {"ja": "速度", "zh": "限制"}
"""Words that a voice has to be able to read: espeak-ng 1.51 says "Chinese letter", in English, for each kanji."""


class Speaker:
    """Speaks one language. Where that cannot be had, it is silent."""

    def __init__(self, lang: str, *, program: str = "espeak-ng") -> None:
        self._free_at = 0.0  # when all that was given will have been said, as far as can be told; monotonic seconds
        self._process: subprocess.Popen[bytes] | None = None
        voice = find_voice(lang, program=program)
        if voice is None:
            return
        if complaint := _complaint(program, voice):
            log.warning("announcements are not spoken, %s has no sound: %s", program, complaint)
            return
        log.info("announcements in %s are spoken by the voice %s of %s", lang, voice, program)
        self._process = subprocess.Popen(
            [program, "-v", voice, "-b", "1"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        )

    def say(self, text: str) -> bool:
        """Have a sentence spoken after those before it, and do not wait for it. False where it will not be heard."""
        if self._process is None or self._process.stdin is None:
            return False
        now = time.monotonic()
        if self._free_at - now > _LATEST_SECONDS:
            log.info("not spoken, since too much is waiting to be: %s", text)
            return False
        try:
            # Never blocks: what waits in the pipe is some seconds of speech, a few hundred bytes of its 64 KiB.
            self._process.stdin.write(" ".join(text.split()).encode() + b"\n")
        except BrokenPipeError:
            log.warning("espeak-ng has ended, announcements are no longer spoken")
            self.close()
            return False
        self._free_at = max(now, self._free_at) + len(text) * _SECONDS_A_CHARACTER
        return True

    def close(self) -> None:
        """Let the last sentences be finished, for some seconds at most."""
        process, self._process = self._process, None
        if process is None or process.stdin is None:
            return
        process.stdin.close()
        try:
            process.wait(_FINISH_SECONDS)
        except subprocess.TimeoutExpired:
            process.terminate()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def spoken(text: str, *, lang: str, value: int | None, unit: SpeedUnit | None) -> str:
    """Write out the unit of a sentence for the ear: voices spell km/h, and say the stroke of км/год in English."""
    text = text.translate(_ISOLATES)
    if value is None or unit is None:
        return text
    locale, key = Locale.parse(lang, sep="-"), _CLDR[unit]
    long, short = (
        format_unit(value, key, length=length, locale=locale, numbering_system="latn") for length in ("long", "short")
    )
    # Where CLDR has no long form, babel gives the bare key, from 2.19 on the short form.
    if key in long or long == short:
        return text
    return text.replace(speed(value, unit, lang), long.translate(_ISOLATES))


def find_voice(lang: str, *, program: str = "espeak-ng") -> str | None:
    """Return the program's voice for a language (a BCP-47 tag); None, and the reason in the log, where it has none."""
    if shutil.which(program) is None:
        log.warning("announcements are not spoken: %s is not installed (apt install espeak-ng)", program)
        return None
    listed = subprocess.run([program, "--voices"], capture_output=True, text=True, encoding="utf-8", check=False)
    columns = (row.split() for row in listed.stdout.splitlines()[1:])
    voices = [column[1] for column in columns if len(column) > 1 and langcodes.tag_is_valid(column[1])]
    same = [voice for voice in voices if voice.lower() == lang.lower()]
    voice = same[0] if same else langcodes.closest_supported_match(lang, voices, max_distance=10)
    if voice is None:
        log.warning("announcements are not spoken: %s has no voice for %s", program, lang)
        return None
    if not _can_read(program, voice, _MUST_READ.get(lang.split("-")[0], "")):
        log.warning("announcements are not spoken: the voice %s of %s cannot read the characters", voice, program)
        return None
    return voice


def _can_read(program: str, voice: str, words: str) -> bool:
    """Say whether a voice knows these words; in the phonemes of one that does not, "(en)" marks the help of English."""
    said = subprocess.run(
        [program, "-q", "-x", "-v", voice, words], capture_output=True, text=True, encoding="utf-8", check=False
    )
    return "(en)" not in said.stdout


def _complaint(program: str, voice: str) -> str:
    """Speak a pause, and return what the program says of that: without a sound device it fails, with exit status 0."""
    tried = subprocess.run([program, "-v", voice, " "], capture_output=True, text=True, encoding="utf-8", check=False)
    errors = [row for row in tried.stderr.splitlines() if row.lower().startswith("error")]
    return errors[-1] if errors else ""
