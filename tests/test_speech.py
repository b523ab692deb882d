"""Speech: whole sentences in order, nobody waits, and where it cannot be had it is said once and goes on as text."""

import logging
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from pipeline.road.catalogue import Meaning, SpeedUnit
from pipeline.road.language import Phrasebook
from pipeline.road.speech import Speaker, find_voice, spoken

VOICES = """\
Pty Language       Age/Gender VoiceName          File                 Other Languages
 5  cmn             --/M      Chinese_(Mandarin) sit/cmn
 5  de              --/M      German             gmw/de
 5  en-us           --/M      English_(America)  gmw/en-US
 5  ja              --/M      Japanese           jpx/ja
 5  nb              --/M      Norwegian_Bokmål   gmq/nb
 5  pt              --/M      Portuguese         roa/pt
 5  pt-br           --/M      Portuguese_(Brazil) roa/pt-BR
 5  piqd            --/M      Klingon            art/piqd
"""


def _program(folder: Path, *, seconds_a_line: float = 0.0, has_sound: bool = True) -> str:
    """Write a stand-in for espeak-ng that notes when it begins and ends each line."""
    path = folder / "speak"
    # To the shell the second line starts Python, to Python it is a string: a path after #! may hold no space.
    path.write_text(f"""#!/bin/sh
"exec" "{sys.executable}" "$0" "$@"
import sys, time
if "--voices" in sys.argv:
    print({VOICES!r})
elif "-x" in sys.argv:
    print("(en)tS'aIni:z(ja)l'et@" if "ja" in sys.argv else "tsaI")
elif sys.argv[-1] == " ":
    print("" if {has_sound} else "error: No such file or directory", file=sys.stderr)
else:
    for line in sys.stdin:
        with open({str(folder / "said")!r}, "a") as said:
            print("begin", line.strip(), file=said, flush=True)
            time.sleep({seconds_a_line})
            print("end", line.strip(), file=said, flush=True)
""")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_sentences_are_spoken_whole_and_in_order_and_nobody_waits(tmp_path: Path) -> None:
    started = time.monotonic()
    speaker = Speaker("de", program=_program(tmp_path, seconds_a_line=0.5))
    ready = time.monotonic()
    assert speaker.say("Stopp")
    assert speaker.say("Vorfahrt\ngewähren")
    waited = time.monotonic() - ready
    speaker.close()
    assert (tmp_path / "said").read_text().splitlines() == [
        "begin Stopp",
        "end Stopp",
        "begin Vorfahrt gewähren",
        "end Vorfahrt gewähren",
    ]
    assert waited < 0.5
    assert time.monotonic() - started > 1.0, "the last sentence was cut off"


def test_what_would_come_too_late_is_left_out(tmp_path: Path) -> None:
    with Speaker("de", program=_program(tmp_path)) as speaker:
        heard = [speaker.say("Überholverbot für Kraftfahrzeuge über 3,5 t") for _ in range(5)]
    assert heard == [True, True, False, False, False]


def test_a_program_that_has_ended_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    speaker = Speaker("de", program=_program(tmp_path))
    assert speaker._process is not None
    speaker._process.kill()
    speaker._process.wait()
    assert [speaker.say("eins"), speaker.say("zwei")] == [False, False]
    speaker.close()
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 1


@pytest.mark.parametrize(
    ("lang", "has_sound", "expected", "remark"),
    [
        ("de", False, "no sound", "without a sound device"),
        ("ga", True, "no voice for ga", "no voice, and no other language instead"),
        ("da", True, "no voice for da", "Danish is not read by a Norwegian"),
        ("ja", True, "cannot read", "a voice that spells characters in English"),
    ],
)
def test_what_cannot_be_spoken_is_said_once(
    lang: str, has_sound: bool, expected: str, remark: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with Speaker(lang, program=_program(tmp_path, has_sound=has_sound)) as speaker:
        assert not speaker.say("50"), remark
        assert not speaker.say("60"), remark
    assert [r for r in caplog.records if expected in r.getMessage()] == caplog.records
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("lang", "unit", "expected", "remark"),
    [
        ("de", "km/h", "50 Kilometer pro Stunde", "spelt otherwise"),
        ("en", "mph", "50 miles per hour", "a country with miles"),
        ("uk", "km/h", "50 кілометрів за годину", "the stroke would be said in English"),
        ("ga", "km/h", "50 km/h", "CLDR has no long form: the short one stays, and no raw key"),
        ("ar", "km/h", "50 كيلومتر في الساعة", "Latin digits as on the sign, and no direction marks"),
    ],
)
def test_units_are_written_out_for_the_ear(lang: str, unit: SpeedUnit, expected: str, remark: str) -> None:
    text = Phrasebook(lang).phrase(Meaning("speed_limit.max", 50, unit)).text
    said = spoken(text, lang=lang, value=50, unit=unit)
    assert expected in said, remark
    assert "\u2068" not in said


def test_a_sentence_without_a_number_stays() -> None:
    assert spoken("Vorfahrt gewähren", lang="de", value=None, unit=None) == "Vorfahrt gewähren"


def test_without_the_program_it_says_what_to_install(caplog: pytest.LogCaptureFixture) -> None:
    assert find_voice("de", program="no-such-program") is None
    assert "apt install espeak-ng" in caplog.text


@pytest.mark.parametrize(
    ("lang", "voice"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("zh-Hans", "cmn"),
        ("nb", "nb"),
        ("en", "en-us"),
        ("pt-BR", "pt-br"),
        ("pt", "pt"),
    ],
)
def test_voice_of_a_language(lang: str, voice: str, tmp_path: Path) -> None:
    assert find_voice(lang, program=_program(tmp_path)) == voice


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is optional and not installed here")
@pytest.mark.parametrize(("lang", "voice"), [("de", "de"), ("uk", "uk"), ("he", "he"), ("sr", "sr"), ("ga", "ga")])
def test_voices_of_the_real_program(lang: str, voice: str) -> None:
    assert find_voice(lang) == voice
