"""Words in every script: no boxes instead of letters, nothing reversed, nothing clipped, nothing too wide."""

import logging
from collections.abc import Iterator
from pathlib import Path

import manimgx_fonts
import numpy as np
import pytest
from babel.messages.pofile import read_po
from PIL import Image, ImageDraw, ImageFont

from pipeline import lettering
from pipeline.errors import ConfigError
from pipeline.lettering import block, has_glyph, is_rtl, line, runs, width_of

CATALOGUES = sorted(Path("pipeline/road/locale").glob("*/LC_MESSAGES/*.po"))

WORDS = [
    ("de", "Zulässige Höchstgeschwindigkeit 50 km/h"),
    ("en", "Speed limit 50 mph, in 80 m"),
    ("ar", "السرعة القصوى \u206850 كم/س\u2069"),
    ("he", "מהירות מרבית \u206850 קמ״ש\u2069"),
    ("fa", "حداکثر سرعت ۵۰ کیلومتر می\u200cشود"),
    ("hi", "अधिकतम गति सीमा 50 कि॰मी॰/घं॰"),
    ("th", "จำกัดความเร็ว 50 กม./ชม. ห้ามแซงที่นี่"),
    ("ja", "最高速度 50 km/h「追越し禁止」"),
    ("zh-Hans", "限速 50 公里/小时，解除“禁止超车”"),
    ("ko", "최고속도 제한 50km/h"),
    ("el", "Όριο ταχύτητας 50 χλμ./ώρα"),
    ("uk", "Обмеження швидкості 50 км/год"),
    ("vi", "Tốc độ tối đa cho phép Ẫ Ặ Ữ"),
    ("fi", "Kuorma-autojen ohituskielto päättyy"),
]


@pytest.fixture(autouse=True)
def _fresh_warnings() -> None:
    lettering._warn_of_missing.cache_clear()


def _drawn(text: str, *, layout: ImageFont.Layout, direction: str | None = None) -> np.ndarray:
    face = next(f for f in lettering.faces("ar") if has_glyph(f, text[0]))
    image = Image.new("L", (300, 60))
    font = ImageFont.truetype(face.path, 32, layout_engine=layout)
    font.set_variation_by_axes([600])
    ImageDraw.Draw(image).text((10, 40), text, 255, font, anchor="ls", direction=direction)
    ink = np.asarray(image)
    columns = np.flatnonzero(ink.max(0))
    return ink[:, columns[0] : columns[-1] + 1]


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda p: p.parts[-3])
def test_every_sentence_of_every_language_has_its_glyphs(path: Path) -> None:
    lang = path.parts[-3].replace("_", "-")
    with path.open("rb") as file:
        strings = [m.string for m in read_po(file) if m.id]
    missing = {
        character
        for string in strings
        for run in runs(string if isinstance(string, str) else string[0], lang=lang)
        for character in run.text
        if not has_glyph(run.face, character)
    }
    assert strings
    assert not missing, f"no font for {sorted(missing)}"


@pytest.mark.parametrize(("lang", "text"), WORDS)
def test_words_are_drawn_whole(lang: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    bitmap = line(text, lang=lang, size=32)
    larger = line(text, lang=lang, size=96)
    spaced = line(f" {text} ", lang=lang, size=32)
    assert not caplog.records, "a character has no font"
    assert bitmap[..., 3].sum(dtype=int) == pytest.approx(spaced[..., 3].sum(dtype=int), rel=0.005), "clipped at a side"
    assert bitmap[[0, -1], :, 3].mean() < 40, "clipped above or below"
    assert larger.shape[1] / bitmap.shape[1] == pytest.approx(3, rel=0.03), "layout depends on the size"
    assert 0.05 < (bitmap[..., 3] > 127).mean() < 0.6


def test_arabic_is_joined_and_runs_from_right_to_left() -> None:
    text = "السرعة"
    ours = line(text, lang="ar", size=32)[..., 3]
    columns = np.flatnonzero(ours.max(0))
    ours = ours[:, columns[0] : columns[-1] + 1]
    shaped = _drawn(text, layout=ImageFont.Layout.RAQM, direction="rtl")
    unshaped = _drawn(text, layout=ImageFont.Layout.BASIC)
    assert ours.shape[1] == pytest.approx(shaped.shape[1], rel=0.04)
    assert ours.shape[1] != pytest.approx(unshaped.shape[1], rel=0.08), "as wide as separate letters: not joined"
    halves = [[half.sum(dtype=int) for half in np.array_split(ink, 2, axis=1)] for ink in (ours, shaped)]
    assert halves[0] == pytest.approx(halves[1], rel=0.05), "mirrored or reversed"


def test_a_number_with_its_unit_reads_left_to_right_in_a_hebrew_line() -> None:
    found = [run.text.strip() for run in runs("מהירות \u206850 km/h\u2069 כאן", lang="he")]
    assert [text for text in found if text] == ["כאן", "50 km/h", "מהירות"]


@pytest.mark.parametrize(
    ("lang", "expected"),
    [("ar", True), ("fa", True), ("he", True), ("de", False), ("zh-Hans", False), ("zh-Hant-TW", False), ("ur", True)],
)
def test_direction_of_a_language(lang: str, expected: bool) -> None:
    assert is_rtl(lang) is expected


def test_han_characters_have_the_shapes_of_their_country() -> None:
    shapes = [line("直骨", lang=lang, size=64)[..., 3] for lang in ("ja", "zh-Hans", "ko")]
    assert not np.array_equal(shapes[0], shapes[1])
    assert not np.array_equal(shapes[1], shapes[2])


def test_labels_of_one_language_share_a_baseline() -> None:
    heights = {line(text, lang="cs", size=24).shape[0] for text in ("Stop", "ag", "Übel", "km/h", "nur", "Ég", "Čj")}
    assert len(heights) == 1


@pytest.mark.parametrize(("lang", "text"), WORDS)
def test_a_block_keeps_to_its_width(lang: str, text: str) -> None:
    for max_width in (120, 240, 480):
        bitmap = block(text, lang=lang, size=24, max_width=max_width)
        assert bitmap.shape[1] <= max_width + 3  # a slanted letter may lean over its advance
        assert bitmap.shape[0] <= 2 * 24 * 1.7
    assert block(text, lang=lang, size=24, max_width=2000).shape[0] < 24 * 1.7, "one line, where one is enough"


def test_a_long_word_shrinks_before_it_is_cut() -> None:
    whole = block("Höchstgeschwindigkeitsbegrenzung", lang="de", size=24, max_width=340)
    assert width_of("Höchstgeschwindigkeitsbegrenzung", lang="de", size=24) > 340
    assert whole.shape[1] > 300


def test_lines_of_a_right_to_left_language_are_flush_right() -> None:
    text, width = "מהירות מרבית מותרת", 130
    mask = block(text, lang="he", size=24, max_width=width)[..., 3]
    half = mask.shape[0] // 2
    gaps = [mask.shape[1] - 1 - np.flatnonzero(part.max(0))[-1] for part in (mask[:half], mask[half:])]
    assert max(gaps) <= 3


def test_a_missing_glyph_is_said_once_and_drawn_as_a_box(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        first = line("\U00013000 km", lang="de", size=24)
        line("\U00013001 km", lang="de", size=24)
    assert first.shape[1] > width_of(" km", lang="de", size=24)
    assert len(caplog.records) == 1
    assert "pip install" in caplog.text


@pytest.fixture
def fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder instead of this machine's fonts."""
    caches = (line, lettering.faces, lettering._font_file, lettering._installed_fonts)
    monkeypatch.setattr(lettering, "_FONT_PACKAGES", ())
    monkeypatch.setattr(lettering, "_FONT_FOLDERS", (tmp_path,))
    for cache in caches:
        cache.cache_clear()
    yield tmp_path
    for cache in caches:
        cache.cache_clear()


def test_a_machine_with_latin_fonts_alone_says_what_arabic_needs(fonts: Path, caplog: pytest.LogCaptureFixture) -> None:
    latin = Path(manimgx_fonts.__file__).with_name("NotoSans[wght].ttf")
    (fonts / latin.name).symlink_to(latin)
    assert line("السرعة 50", lang="ar", size=24).shape[1] > 60
    assert [record.getMessage() for record in caplog.records if "Arabic" in record.getMessage()]
    assert len(caplog.records) == 1


def test_a_machine_without_fonts_gets_one_clear_line(fonts: Path) -> None:
    with pytest.raises(ConfigError, match="pip install manimgx-fonts"):
        line("Stop", lang="en", size=24)


def test_a_machine_without_fribidi_gets_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    lettering._font.cache_clear()
    with pytest.raises(ConfigError, match="apt-get install libfribidi0"):
        line("Stop", lang="en", size=19)


def test_bitmaps_are_kept_and_read_only() -> None:
    first = line("Stop", lang="en", size=20)
    assert line("Stop", lang="en", size=20) is first
    assert line("Stop", lang="en", size=20, colour=(255, 0, 0)) is not first
    with pytest.raises(ValueError, match="read-only"):
        first[0, 0] = 0
