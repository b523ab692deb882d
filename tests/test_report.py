"""The report: one page that shows one run, needs nothing from outside, and is looked at in a browser."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from matplotlib import get_data_path
from PIL import Image as Pillow
from PIL import ImageFont

from pipeline.__main__ import main
from pipeline.brands.chain import FILE
from pipeline.brands.charts import bars, positions
from pipeline.brands.report import Brand, write_report
from pipeline.errors import ConfigError
from streams.av_source import AvSource
from tests.accounts import write_account
from tests.media import number_of, write_video

EVIL = '<script>alert(1)</script>&"\' $x$ id="a" #040404'
BRANDS = ("Nordwind", EVIL, "株式会社 Öl", "Never seen")
FRAMES, FPS = 200, 25
BOX = (120.0, 100.0, 200.0, 140.0)


def looks() -> dict[int, list[tuple[int, tuple[float, float, float, float]]]]:
    """Nordwind twice for two seconds, parted by a cut; the others for two and one and a half seconds."""
    found: dict[int, list[tuple[int, tuple[float, float, float, float]]]] = {n: [] for n in range(FRAMES)}
    for number in range(FRAMES):
        if 10 <= number < 110:
            found[number].append((0, BOX))
        if 80 <= number < 130:
            found[number].append((1, (10.0, 180.0, 60.0, 220.0)))
        if 155 <= number < 193:
            found[number].append((2, (250.0, 10.0, 310.0, 50.0)))
    return found


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("film") / "match.mp4", pts=range(FRAMES), options={"g": "25"})


@pytest.fixture(scope="module")
def kept(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    write_account(film, folder, BRANDS, looks(), cuts={60}, lost=range(132, 150))
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept, tmp_path / "out"))


class Page(HTMLParser):
    """What a browser makes of a page: its tags with their attributes, and its words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(path.read_text("utf-8"))
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def links(self) -> list[str]:
        names = ("href", "src", "xlink:href", "srcset", "action", "data", "poster")
        return [value for _, attrs in self.tags for name in names if (value := attrs.get(name))]


def test_it_names_its_run_and_gives_the_figures(folder: Path) -> None:
    out, figures = write_report(folder)
    assert out == folder / "report.html"
    page = Page(out)
    seconds = {brand.name: brand.seconds for brand in figures.brands}
    assert seconds == pytest.approx({"Nordwind": 4.0, EVIL: 2.0, "株式会社 Öl": 1.52})
    assert [len(brand.entries) for brand in figures.brands] == [2, 1, 1]
    assert figures.lost == [pytest.approx((132 / 25, 150 / 25))]
    account = figures.account
    for told in (
        account.run.id,
        account.run.gallery,
        account.run.profile.sha256,
        *account.run.models.values(),
        figures.head,
        "one-second/1",
        "4.0 s · 53.2 %",  # seconds and share of voice
        "Enrolled and not seen: Never seen",
        "0:05.3–0:06.0",  # lost
    ):
        assert told in page.text, told
    assert re.search(r"Lost 0\.7 s", page.text)
    assert re.search(r"Watched 7\.3 s", page.text)


def test_nothing_comes_from_outside_and_every_link_leads_to_evidence(folder: Path) -> None:
    out, _ = write_report(folder)
    page = Page(out)
    files = set()
    for link in page.links():
        if link.startswith(("data:image/jpeg;base64,", "#")):
            continue
        parts = urlsplit(link)
        assert not parts.scheme, link
        assert not parts.netloc, link
        path = out.parent / unquote(parts.path)
        assert path.is_file(), link
        files.add(path.suffix)
    assert files == {".mp4", ".jpg"}
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/)", out.read_text("utf-8"))
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "iframe", "object", "embed"})


def test_a_link_to_a_video_begins_where_the_exposure_does(folder: Path) -> None:
    out, _ = write_report(folder)
    frames = [attrs["href"] for tag, attrs in Page(out).tags if tag == "a" and attrs.get("class") == "frame"]
    link = str(frames[0])  # of the brand with the most seconds, its first exposure
    path, _, fragment = link.partition("#t=")
    start, end = map(float, fragment.split(","))
    with AvSource(str(out.parent / path), name="span", threads=1) as source:
        shown = [number_of(frame.rgb()) for frame in source if start - 0.01 <= frame.pts_seconds < end - 0.01]
    assert (shown[0], shown[-1]) == (10, 59)


def test_names_are_only_words(folder: Path) -> None:
    out, _ = write_report(folder)
    page = Page(out)
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert page.text.count(EVIL) >= 3  # in the tables, and above its evidence
    assert "株式会社 Öl" in page.text
    drawn = [" ".join(word.split()) for word in page.words]
    assert any(word.endswith("…") and EVIL.startswith(word[:-1]) for word in drawn)  # in the drawings, cut


@pytest.mark.parametrize(
    "name", ["W" * 60, "Mitsubishi Heavy Industries", "日本放送協会テレビジョン放送局株式会社", "i" * 60]
)
def test_names_in_drawings_are_cut_to_their_room(name: str) -> None:
    drawing = bars([(name, 1.0, "1 s"), ("Öl", 1.0, "1 s")], about="Seconds")
    cut, whole, *_ = re.findall(r"<text[^>]*text-anchor: end[^>]*>([^<]+)</text>", drawing)
    letters = ImageFont.truetype(Path(get_data_path(), "fonts/ttf/DejaVuSans.ttf"), 90)
    width = sum(9 if ord(c) > 0x2FFF else letters.getlength(c) / 10 for c in cut)
    assert 100 < width < 72 * 1.75, f"{cut} has 1.75 inches of 72 px"
    assert (cut.removesuffix("…"), whole) == (name[: len(cut) - 1], "Öl")


@pytest.mark.parametrize("closed", [True, False])
def test_an_account_without_an_exposure_is_told_from_none(film: Path, tmp_path: Path, closed: bool) -> None:
    write_account(film, tmp_path, BRANDS, {}, lost=range(50, 100), ends=closed)
    out, figures = write_report(tmp_path)
    page = Page(out)
    assert figures.brands == []
    assert "No brand was seen" in page.text
    assert "6.0 s were looked at" in page.text
    assert "Of the 2.0 s that were lost nothing can be said" in page.text
    assert ("This run has not ended" in page.text) == (not closed)


def test_nothing_watched_is_not_nothing_seen(film: Path, tmp_path: Path) -> None:
    write_account(film, tmp_path, BRANDS, {}, lost=range(FRAMES))
    page = Page(write_report(tmp_path)[0])
    assert "Nothing was watched in this run" in page.text
    assert "No brand was seen" not in page.text


def test_of_several_runs_one_is_shown_and_never_two_added(
    film: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Page(write_report(folder)[0])
    run = write_account(film, folder, BRANDS, looks(), cuts={60}, lost=range(132, 150), profile="two-second")
    out, figures = write_report(folder)
    assert figures.account.run.id == run.id
    assert figures.seconds == pytest.approx(6.0)
    page = Page(out)
    assert "holds 1 other account" in page.text
    assert "two-second/1" in page.text
    earlier = re.search(r"run ([0-9a-f]{32})", first.text)
    assert earlier is not None
    assert main(["report", str(folder), "--run", earlier[1][:8], "--out", str(folder / "first.html")]) == 0
    assert "left out: 1 other run in the folder" in capsys.readouterr().out
    again = Page(folder / "first.html")
    assert earlier[1] in again.text
    assert "4.0 s · 53.2 %" in again.text
    with pytest.raises(ConfigError, match="'ffff'"):
        write_report(folder, run="ffff")


def test_what_is_changed_or_gone_is_told(folder: Path) -> None:
    pictures = sorted((folder / "evidence").rglob("*.jpg"))
    for place, path in enumerate(pictures):
        if place % 2:
            path.unlink()
        else:
            path.write_bytes(path.read_bytes() + b"x")
    page = Page(write_report(folder)[0])
    assert "its evidence is missing" in page.text
    assert "its evidence was changed" in page.text
    assert not [tag for tag, _ in page.tags if tag == "img"]


def test_an_account_that_does_not_verify_is_not_shown_as_if_it_did(folder: Path) -> None:
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute("UPDATE records SET body = replace(body, 'Nordwind', 'Nordwand') WHERE kind = 'impression'")
    page = Page(write_report(folder)[0])
    assert "The account is not as it was written" in page.text
    assert "which do not verify" in page.text


def test_sizes_can_be_read_in_cells_of_any_share() -> None:
    drawn = positions([("Brand", [1.0, 0.2, *[0.0] * 7], [0.0123, 0.0456, *[None] * 7])])
    fills = {told: fill for fill, told in re.findall(r"<text[^>]*fill: var\(--(\w+)\)[^>]*>(\d\.\d+) %", drawn)}
    assert fills == {"1.23": "ink", "4.56": "muted"}, "grey on the full accent cannot be read"


def test_errors_are_one_clear_line(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(tmp_path / "nothing")]) == 2
    assert "there is no account" in capsys.readouterr().err
    (tmp_path / "streams").mkdir()
    for name in ("a", "b"):
        shutil.copytree(folder, tmp_path / "streams" / name)
    assert main(["report", str(tmp_path / "streams")]) == 2
    assert "several streams" in capsys.readouterr().err
    assert main(["report", str(folder), "--out", str(tmp_path / "no" / "page.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["report", str(folder)]) == 0
    assert str(folder / "report.html") in capsys.readouterr().out


def test_the_same_account_makes_the_same_page(folder: Path) -> None:
    first = write_report(folder)[0].read_bytes()
    assert write_report(folder)[0].read_bytes() == first


def test_means_are_weighted_by_seconds(folder: Path) -> None:
    _, figures = write_report(folder)
    brand = next(brand for brand in figures.brands if brand.name == "Nordwind")
    share = 80 * 40 / (320 * 240)
    assert brand.mean_share == pytest.approx(share, abs=1e-4)
    assert brand.positions == [0, 0, 0, 0, 1, 0, 0, 0, 0]
    assert brand.size_by_place[4] == pytest.approx(share, abs=1e-4)
    assert brand.size_by_place[0] is None
    assert sum(brand.sizes) == pytest.approx(brand.seconds)
    assert brand.sizes[3] == pytest.approx(4.0)  # 4.2 %: between 2.5 and 5
    assert Brand.of("nobody", []).seconds == 0


# --- in a browser

BROWSER = next(filter(None, map(shutil.which, ("chromium-headless-shell", "chromium", "google-chrome"))), None)
browser = pytest.mark.skipif(BROWSER is None, reason="Chromium is not to be had here (deploy/setup.sh installs it)")


def browse(page: Path, *flags: str) -> str:
    command = [str(BROWSER), "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
    command += ["--no-sandbox"] if os.geteuid() == 0 else []
    profile = f"--user-data-dir={page.parent / 'browser'}"
    result = subprocess.run(
        [*command, profile, *flags, page.as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    return result.stdout


@browser
@pytest.mark.parametrize(
    ("scheme", "paper", "accent"),
    [(1, (255, 255, 255), (31, 111, 235)), (0, (16, 21, 28), (88, 166, 255))],
    ids=["light", "dark"],
)
def test_it_is_drawn_in_light_and_in_dark(
    folder: Path, scheme: int, paper: tuple[int, int, int], accent: tuple[int, int, int]
) -> None:
    page, _ = write_report(folder)
    picture = page.parent / "page.png"
    browse(
        page, f"--screenshot={picture}", "--window-size=1200,3200", f"--blink-settings=preferredColorScheme={scheme}"
    )
    with Pillow.open(picture) as image:
        seen = np.asarray(image.convert("RGB"))
    assert tuple(seen[5, 5]) == paper
    near = np.abs(seen.astype(int) - accent).max(axis=2) < 6
    assert near.mean() > 0.01  # bars of brands, of exposures, of coverage
    # The timeline: Nordwind is the first row, and its bars are as wide as they last.
    assert near[:, :200].mean() < near[:, 200:].mean()
    # Photographs are there: colours that the page itself has not.
    colourful = (seen.max(axis=2).astype(int) - seen.min(axis=2)) > 60
    assert (colourful & ~near).mean() > 0.005


@browser
def test_no_word_of_it_runs(folder: Path) -> None:
    page, _ = write_report(folder)
    assert "<script" not in browse(page, "--dump-dom").replace("&lt;script", "")


@browser
def test_it_prints_on_a4(folder: Path) -> None:
    page, _ = write_report(folder)
    paper = page.parent / "page.pdf"
    browse(page, "--no-pdf-header-footer", f"--print-to-pdf={paper}")
    data = paper.read_bytes()
    assert data.startswith(b"%PDF")
    boxes = {tuple(round(float(n)) for n in box.split()) for box in re.findall(rb"/MediaBox ?\[([^\]]*)\]", data)}
    assert boxes == {(0, 0, 595, 842)}
    assert 2 <= len(re.findall(rb"/Type ?/Page\b", data)) <= 6
