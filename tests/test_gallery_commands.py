"""`wayside enrol` and `wayside gallery` as a person meets them, with the embedder that ships."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from detectors import weights
from detectors.detector import Detector, open_detector
from detectors.embedder import FILE, load_embedder
from detectors.gallery import Gallery, embed
from detectors.rehearsal import rehearse
from detectors.rendering import Likeness
from pipeline.__main__ import main
from pipeline.commands.gallery import _streets
from pipeline.samples.match.brands import BRANDS, LOOKALIKES, draw

LETTERED = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 60 20"><circle cx="10" cy="10" r="9"/>'
    '<text x="22" y="15" fill="none"><tspan>{}</tspan></text></svg>'
)


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with artwork of some brands, a photograph, and a gallery of four brands."""
    folder = tmp_path_factory.mktemp("enrol")
    for brand in (*BRANDS[:4], LOOKALIKES[0]):
        Pillow.fromarray(draw(brand, brand.own())).save(folder / f"{brand.name}.png")
    photo = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Pillow.fromarray(photo).save(folder / "match@night.png")
    for brand in BRANDS[:4]:
        assert enrol(folder, brand.name, f"{brand.name}.png", "-q") == 0
    return folder


@pytest.fixture
def at(stock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the stock that a test may change, as the working directory."""
    for file in stock.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def enrol(folder: Path, brand: str, *words: str) -> int:
    files = [str(folder / w) if w.endswith(".png") else w for w in words]
    return main(["enrol", brand, *files, "--gallery", str(folder / "brands.gallery")])


def other_weights(folder: Path) -> Path:
    """The shipped embedder with one number changed: other weights, as after a training."""
    model = weights.load(weights.SHIPPED / FILE)
    changed = {key: value.copy() for key, value in model.weights.items()}
    changed["0.bias"][0] += 0.01
    weights.save(folder / FILE, model.architecture, changed, model.settings, {}, tables=model.tables)
    return folder


def told(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, object]:
    assert main(["gallery", *args, "--json", "-q"]) == 0
    line: dict[str, object] = json.loads(capsys.readouterr().out)
    return line


def test_a_brand_has_exemplars_of_all_kinds_and_each_once(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["Aurelo.png", "match@night.png@20,30,90,80", "match@night.png", "--text", "AURELO", "--icon", "visa"]
    more = ["enrol", "Aurelo", *words, "--gallery", "brands.gallery"]
    assert main(more) == 0
    out = capsys.readouterr().out
    assert "Aurelo: 3 exemplars and 1 word mark added" in out, "the artwork it had already"
    whole = Path("brands.gallery").read_bytes()
    assert main(more) == 0
    assert "Aurelo: nothing that it did not have added" in capsys.readouterr().out
    assert Path("brands.gallery").read_bytes() == whole
    listed = told(capsys, "list", "brands.gallery")["brands"]
    assert listed[0] == {  # type: ignore[index]
        "brand": "Aurelo",
        "exemplars": [
            {"kind": "artwork", "name": "Aurelo.png", "views": 6},
            {"kind": "photo", "name": "match@night.png", "views": 1},
            {"kind": "photo", "name": "match@night.png", "views": 1},
            {"kind": "artwork", "name": "visa.svg", "views": 5},
        ],
        "texts": ["AURELO"],
    }


def test_a_folder_is_a_brand_a_file(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    artwork = at / "artwork"
    artwork.mkdir()
    (artwork / "README.txt").write_text("no picture")
    for name, brand in (("Zum Löwen.png", BRANDS[4]), ("Briva.png", BRANDS[1]), ("Aurelo.png", BRANDS[0])):
        Pillow.fromarray(draw(brand, brand.own())).save(artwork / name)
    assert main(["enrol", "artwork", "--no-letters", "--gallery", "new.gallery"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"artwork: 3 exemplars added, \d+ views in all", out[0])
    assert out[1:] == ["new.gallery: 3 brands, 3 exemplars"]
    assert Gallery.load(Path("new.gallery"), embedder_sha256=None).brands == ("Aurelo", "Briva", "Zum Löwen")
    assert main(["enrol", "artwork", "--no-letters", "--gallery", "brands.gallery"]) == 0, "two are there already"
    assert "artwork: 1 exemplar added" in capsys.readouterr().out


def test_the_same_words_make_the_same_file(at: Path) -> None:
    for name in ("one", "two"):
        assert main(["enrol", "Briva", "Briva.png", "--text", "BRIVA", "--gallery", name, "-q"]) == 0
    assert Path("one").read_bytes() == Path("two").read_bytes()


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["enrol", "X", "none.png"], 2, r"none\.png: no such file"),
        (["enrol", "X", "notes.png"], 2, r"notes\.png: not a picture \(SVG, PNG, JPEG, WebP\), or a damaged one"),
        (["enrol", "X", "empty.svg"], 2, r"empty\.svg: nothing is drawn in it"),
        (["enrol", "X", "bare"], 2, r"bare: a folder; name its files, or put it in place of BRAND.*"),
        (["enrol", "X", "--text", "!?"], 2, r"--text '!\?': no letter or digit is in it, so it can never be read"),
        (["enrol", "X", "lettered.svg"], 2, r"lettered\.svg: its text cannot be drawn, .*turn it into outlines.*"),
        (["enrol", "lettered"], 2, r"lettered/a\.svg: its text cannot be drawn, .*"),
        (["enrol", "X", "Aurelo.png@1,1,9000,50"], 2, r"Aurelo\.png: the box 1,1,9000,50 is not in the picture.*"),
        (["enrol", "X", "Aurelo.png", "--icon", "addidas"], 2, r"no icon 'addidas' .*nearest: adidas.*"),
        (["enrol", "X"], 2, r"nothing to know 'X' by: give a FILE, --icon or --text"),
        (["enrol", "bare"], 2, r"bare: no pictures in it \(\.jpeg, \.jpg, \.png, \.svg, \.webp\)"),
        (["enrol", "  ", "--text", "X"], 1, r"a brand or word mark must be 1 to 200 printable characters, got ' '"),
        (["enrol", "X", "Briva.png", "--models", "missing"], 1, r"missing/.*no such file; `wayside train logos`.*"),
        (
            ["enrol", "X", "Briva.png", "--models", "other"],
            1,
            r"brands\.gallery: .*other weights; `wayside gallery rebu.*",
        ),
        (["gallery", "remove", "brands.gallery"], 2, r"gallery remove needs a BRAND"),
        (["gallery", "remove", "brands.gallery", "Aurello"], 2, r".*no brand 'Aurello'.*did you mean 'Aurelo'\?"),
        (["gallery", "remove", "brands.gallery", "Aurelo", "zzz"], 2, r".*no brand 'zzz' is enrolled"),
        (["gallery", "list", "none.gallery"], 1, r"none\.gallery: no such gallery; `wayside enrol` makes one"),
        (["gallery", "list", "notes.png"], 1, r"notes\.png: not a gallery of Wayside, or a damaged one: .*"),
        (
            ["gallery", "check", "brands.gallery", "--models", "other"],
            1,
            r"brands\.gallery: .*made with other weights.*",
        ),
        (["gallery", "check", "brands.gallery", "--views", "0"], 2, r"--views must be 1 or more, got 0"),
        (["gallery", "check", "brands.gallery", "--false-alarms", "1"], 2, r"--false-alarms must be a share.*"),
        (["gallery", "check", "words.gallery"], 1, r".*words alone cannot be rehearsed"),
        (["gallery", "list", "brands.gallery", "Aurelo"], 2, r"gallery list takes no brands, got 'Aurelo'"),
    ],
)
def test_what_cannot_be_is_told_in_one_line_and_nothing_changes(
    at: Path, capsys: pytest.CaptureFixture[str], args: list[str], code: int, line: str
) -> None:
    Path("notes.png").write_text("Dear diary")
    Path("empty.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>')
    Path("bare").mkdir()
    Path("lettered").mkdir()
    for path in (Path("lettered.svg"), Path("lettered/a.svg")):
        path.write_text(LETTERED.format("ACME"))  # no ink, as no font: which there are differs from machine to machine
    Gallery().with_texts("X", ["X"]).save(Path("words.gallery"))
    if "other" in args:
        other_weights(Path("other"))
    before = Path("brands.gallery").read_bytes()
    flags = ["--gallery", "brands.gallery"] if args[0] == "enrol" else []
    assert main([*args, *flags]) == code
    out = capsys.readouterr()
    assert out.out == ""
    assert re.fullmatch(f"wayside: {line}\n", out.err), out.err
    assert Path("brands.gallery").read_bytes() == before


def test_a_name_that_differs_in_case_or_spaces_alone_is_told(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = "'Aurelo' is enrolled too: to the account that is another brand than 'aurelo '"
    for words, is_told in ((["aurelo ", "--text", "A"], True), (["aurelo ", "--text", "B"], False)):
        assert main(["enrol", *words, "--gallery", "brands.gallery"]) == 0
        assert (told in capsys.readouterr().out) == is_told, "once, when it is new"


def test_an_empty_text_of_a_drawing_is_not_missed(at: Path) -> None:
    Path("dot.svg").write_text(LETTERED.format(" "))
    assert main(["enrol", "Dot", "dot.svg", "--gallery", "dot.gallery", "-q"]) == 0


def test_a_broken_gallery_is_not_written_over(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("brands.gallery").write_bytes(b"Dear diary")
    assert enrol(at, "Aurelo", "Aurelo.png") == 1
    assert "not a gallery of Wayside" in capsys.readouterr().err
    assert Path("brands.gallery").read_bytes() == b"Dear diary"


def test_a_gallery_of_other_weights_is_rebuilt_from_its_own_exemplars(
    at: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other_weights(Path("other"))
    before = told(capsys, "list", "brands.gallery")
    assert main(["gallery", "rebuild", "brands.gallery", "--models", "other", "-q"]) == 0
    after = told(capsys, "list", "brands.gallery")
    assert after["brands"] == before["brands"]
    assert after["embedder_sha256"] == load_embedder(Path("other")).sha256 != before["embedder_sha256"]
    assert main(["gallery", "rebuild", "brands.gallery", "-q"]) == 0
    assert told(capsys, "list", "brands.gallery")["sha256"] == before["sha256"], "and back: the same bytes"


def test_removing_and_listing(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "remove", "brands.gallery", "Briva", "Dynto"]) == 0
    assert capsys.readouterr().out == "brands.gallery: 2 brands less, 2 left\n"
    assert main(["gallery", "list", "brands.gallery"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["Aurelo", "Corvane"]
    assert re.fullmatch(r"2 brands; threshold as shipped; sha256 [0-9a-f]{64}", lines[-1])


def test_check_measures_and_sets_a_threshold(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert enrol(at, "Aurelo's twin", "Aurelo.png", "-q") == 0
    one = told(capsys, "check", "brands.gallery", "--views", "8", "--set")
    chosen = one["chosen"]
    assert Gallery.load(Path("brands.gallery"), embedder_sha256=None).threshold == chosen["threshold"]  # type: ignore[index]
    again = told(capsys, "check", "brands.gallery", "--views", "8")
    assert chosen == again["chosen"], "the same seed, the same figures, whatever was set before"
    assert one["gallery"] != again["gallery"], "what was set is part of the content"
    assert chosen["strangers_taken"] <= 0.01  # type: ignore[index]
    assert one["views"] == 40
    assert one["strangers"] == 40 + 8 * (len(LOOKALIKES) + len(BRANDS) - 4), "those enrolled are no strangers"
    pairs = {tuple(pair["brands"]): pair["similarity"] for pair in one["look_alikes"]}  # type: ignore[attr-defined]
    assert pairs["Aurelo", "Aurelo's twin"] == 1, "the same artwork under two names"
    assert enrol(at, "Elvaro", "Corvane.png") == 0
    assert "measures it anew" in capsys.readouterr().out


def test_check_prints_tables_that_fit_a_terminal(at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gallery", "check", "brands.gallery", "--views", "2"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^Corvane +1 +\d+\.\d % +\d+\.\d %", out, re.MULTILINE)
    assert re.search(r"^shipped +0\.\d{4}( +\d+\.\d %){4}$", out, re.MULTILINE)
    assert max(map(len, out.splitlines())) <= 100


def shipped(gallery: Gallery) -> Detector:
    return open_detector("logos", gallery=gallery)


def test_a_rehearsal_tells_a_good_gallery_from_a_bad_one() -> None:
    embedder = load_embedder()
    brands = {b.name: Likeness("artwork", b.name, draw(b, b.own())) for b in BRANDS[:5]}
    strangers = {b.name: draw(b, b.own()) for b in LOOKALIKES[:4]}
    bar = np.zeros((60, 90, 4), np.uint8)
    bar[..., 3] = 255
    blots = {f"bar {w}": Likeness("artwork", "bar", bar[:, :w]) for w in (88, 89, 90)}
    wrong = []
    for shown in (brands, blots):
        made = [embed(name, likeness, embedder) for name, likeness in shown.items()]
        gallery = Gallery().with_exemplars(made, embedder_sha256=embedder.sha256)
        report = rehearse(gallery, shipped, backgrounds=_streets(), strangers=strangers, views=10, false_alarms=0.05)
        wrong.append(report.shipped.wrong_brand)
        assert report.chosen.strangers_taken <= 0.05
        assert report.places == 400
        assert report.chosen.places_taken < 0.05
        if shown is brands:
            assert report.chosen.recall > 0.35
        else:
            assert len(report.look_alikes) == 3, "each is like each"
    assert wrong[0] < 0.1
    assert wrong[1] > wrong[0] + 0.15, "one black bar under three names"


def test_a_photograph_is_verified_without_itself_where_there_are_others() -> None:
    embedder = load_embedder()
    shots = [
        np.kron(np.random.default_rng(i).integers(0, 256, (5, 5, 3), np.uint8), np.ones((16, 16, 1), np.uint8))
        for i in (0, 1)
    ]
    other = embed("other", Likeness("artwork", "other", draw(BRANDS[2], BRANDS[2].own())), embedder)
    recall = []
    for photos in (shots[:1], shots):
        made = [embed("shot", Likeness("photo", str(i), image), embedder) for i, image in enumerate(photos)]
        gallery = Gallery().with_exemplars([*made, other], embedder_sha256=embedder.sha256)
        report = rehearse(gallery, shipped, backgrounds=_streets(), strangers={}, views=12)
        recall.append(report.brands[0].recall_at_shipped)
    assert recall[0] > recall[1] + 0.2, "alone it is compared with itself; of two unlike ones neither helps the other"
