"""What is enrolled: every kind of file, boxes in photographs, and one clear line for what cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from detectors.errors import DataError
from detectors.geometry import crop_areas, on_pixels
from detectors.picture import ArrayPicture
from detectors.rendering import LONGEST_PX, draw_svg, icon, read_likeness, views
from detectors.verifier import crop

ARROW = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M2 6H22V1L38 10L22 19V14H2Z"{}/></svg>'
BADGE = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 60"><rect width="90" height="60" rx="9" fill="#b01020"/>'
    '<circle cx="30" cy="30" r="16" fill="#fff"/><path d="M52 20H82V40H52Z" fill="#f4c010"/></svg>'
)


def write(folder: Path, name: str, svg: str = ARROW.format("")) -> Path:
    """Write the drawing as the kind of file that its name says."""
    path = folder / name
    if path.suffix == ".svg":
        path.write_text(svg)
        return path
    image = Pillow.fromarray(draw_svg(svg, width=200, height=200))
    if path.suffix != ".png":
        ground = Pillow.new("RGB", (image.width + 40, image.height + 30), "white")
        ground.paste(image, (20, 15), image)
        image = ground
    image.save(path)
    return path


def photo(folder: Path, name: str = "photo.png", seed: int = 0) -> tuple[Path, np.ndarray]:
    """Write a picture full of detail, and return its pixels too."""
    rgb = np.random.default_rng(seed).integers(0, 256, (60, 90, 3), np.uint8)
    Pillow.fromarray(rgb).resize((180, 120), Pillow.Resampling.NEAREST).save(folder / name)
    return folder / name, np.asarray(Pillow.open(folder / name))


@pytest.mark.parametrize("name", ["a.svg", "a.png", "a.jpg", "a.webp", "a.bmp"])
def test_one_drawing_is_one_likeness_whatever_its_file(tmp_path: Path, name: str) -> None:
    likeness = read_likeness(str(write(tmp_path, name)))
    assert likeness.kind == "artwork"
    assert likeness.name == name
    h, w = likeness.pixels.shape[:2]
    assert w / h == pytest.approx(2.0, abs=0.1), "cut to what is drawn, which is twice as wide as high"
    wanted = views(read_likeness(str(write(tmp_path, "wanted.svg"))), 48)
    seen = views(likeness, 48)
    nearest = np.abs(seen[:, None].astype(int) - wanted[None]).mean(axis=(2, 3, 4)).min(axis=0)
    assert (nearest < 14).all(), "the same views, but for the file's own losses"


def test_views_show_the_drawing_on_light_and_dark_in_colours_and_in_one() -> None:
    flag = views(icon("visa"), 64)
    assert len(flag) == 5
    corners = [tuple(view[0, 0]) for view in flag]
    assert corners == [(250, 250, 250), (14, 14, 14), (26, 31, 113), (250, 250, 250), (14, 14, 14)]
    assert len(views(icon("nike"), 64)) == 2, "a black drawing: neither black on black nor the same twice"


def test_artwork_of_several_tones_keeps_what_is_in_it(tmp_path: Path) -> None:
    seen = views(read_likeness(str(write(tmp_path, "badge.svg", BADGE))), 64)
    inner = seen[:, 18:46, 10:54].reshape(len(seen), -1, 3).astype(float)
    assert len(seen) == 5
    assert (inner.std(axis=1).max(axis=1) > 40).all(), "no view is the badge's bare outline"


def test_artwork_on_its_own_ground_is_seen_on_it_too(tmp_path: Path) -> None:
    arrow = Pillow.fromarray(draw_svg(ARROW.format(' fill="#1040c0"'), width=160, height=160))
    ground = Pillow.new("RGB", (260, 180), (244, 200, 20))
    ground.paste(arrow, (50, 50), arrow)
    ground.save(tmp_path / "on-yellow.png")
    seen = views(read_likeness(str(tmp_path / "on-yellow.png")), 64)
    assert tuple(seen[0][0, 0]) == (244, 200, 20)
    assert tuple(seen[1][0, 0]) == (250, 250, 250), "and without it"
    middle = seen[:2, 32, 30].astype(int)
    assert np.abs(middle - (0x10, 0x40, 0xC0)).max() < 12, "the ink keeps its colour"


def test_a_box_gives_the_crop_that_the_detector_would_cut(tmp_path: Path) -> None:
    path, rgb = photo(tmp_path)
    for box in [(20, 30, 80, 70), (0, 0, 40, 100), (120.5, 40.25, 180, 60.75)]:
        likeness = read_likeness(f"{path}@{','.join(map(str, box))}")
        area = on_pixels(crop_areas(np.array([box], np.float32)))[0]
        np.testing.assert_array_equal(views(likeness, 32)[0], crop(ArrayPicture(rgb), area, 32), str(box))
        assert likeness.kind == "photo"


def test_an_at_sign_in_a_name_is_part_of_it(tmp_path: Path) -> None:
    path, _ = photo(tmp_path, "me@home.png")
    literal, _ = photo(tmp_path, "x.png", seed=1)
    odd = literal.rename(tmp_path / "crop@10,10,50,50")
    assert read_likeness(str(path)).pixels.shape == (150, 225, 3)
    assert read_likeness(f"{path}@10,10,50,50").pixels.shape == (50, 50, 3)
    assert read_likeness(str(odd)).pixels.shape == (150, 225, 3), "a file of just that name goes before a box"
    assert read_likeness(f"{odd}@10,10,50,50").pixels.shape == (50, 50, 3)


def test_a_picture_stands_upright_as_its_exif_says(tmp_path: Path) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    Pillow.open(photo(tmp_path)[0]).save(tmp_path / "turned.jpg", exif=exif)
    h, w = read_likeness(str(tmp_path / "turned.jpg")).pixels.shape[:2]
    assert h > w


def test_what_is_kept_is_small_and_the_same_each_time(tmp_path: Path) -> None:
    path = write(tmp_path, "a.svg")
    likeness = read_likeness(str(path))
    assert max(likeness.pixels.shape[:2]) == LONGEST_PX
    png = likeness.png()
    assert png == read_likeness(str(path)).png()
    again = likeness.from_png(likeness.kind, likeness.name, png)
    np.testing.assert_array_equal(again.pixels, likeness.pixels)


EMPTY = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"></svg>'
HUGE = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 900000"><path d="'
HUGE += 'M0 0H1V300000H0Z M0 500000H1V900000H0Z"/></svg>'


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("none.png", "none.png: no such file"),
        ("none.png@1,2,3,4", "none.png: no such file"),
        ("photo.png@1,2,3", "no such file; a box is written FILE@x1,y1,x2,y2"),
        ("notes.png", "notes.png: not a picture (SVG, PNG, JPEG, WebP), or a damaged one"),
        ("cut.png", "cut.png: not a picture"),
        ("empty.svg", "empty.svg: nothing is drawn in it"),
        ("broken.svg", "broken.svg: not an SVG that can be drawn"),
        ("clear.png", "clear.png: nothing is drawn in it"),
        ("white.png", "white.png: nothing is drawn in it"),
        ("dot.png", "dot.png: what is drawn in it has 3x3 pixels"),
        ("photo.png@100,20,190,50", "the box 100,20,190,50 is not in the picture, which has 180x120 pixels"),
        ("photo.png@-9,0,50,50", "the box -9,0,50,50 is not in the picture"),
        ("photo.png@50,50,20,90", "the box 50,50,20,90 is empty"),
        ("photo.png@50,50,54,55", "too small"),
        ("photo.png@1.2.3,5,60,60", "a box is four numbers"),
        (".", "no such file"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, told: str) -> None:
    monkeypatch.chdir(tmp_path)
    path, _ = photo(tmp_path)
    Path("notes.png").write_text("Dear diary")
    Path("cut.png").write_bytes(path.read_bytes()[:2000])
    Path("empty.svg").write_text(EMPTY)
    Path("broken.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><path")
    Pillow.new("RGBA", (30, 30)).save("clear.png")
    Pillow.new("RGB", (30, 30), "white").save("white.png")
    dot = Pillow.new("RGBA", (30, 30))
    dot.paste((0, 0, 0, 255), (9, 9, 12, 12))
    dot.save("dot.png")
    with pytest.raises(DataError) as raised:
        read_likeness(word)
    assert told in str(raised.value)


def test_a_drawing_of_any_length_is_drawn_within_bounds(tmp_path: Path) -> None:
    path = write(tmp_path, "huge.svg", HUGE)
    assert max(read_likeness(str(path)).pixels.shape) <= LONGEST_PX + 4


@pytest.mark.parametrize("name", ["visa", "Visa", "VISA", "1Password", "adidas"])
def test_icons_go_by_slug_or_title(name: str) -> None:
    likeness = icon(name)
    assert likeness.kind == "artwork"
    assert likeness.name == f"{name.lower()}.svg"
    assert max(likeness.pixels.shape[:2]) == LONGEST_PX


def test_an_unknown_icon_names_the_nearest() -> None:
    with pytest.raises(DataError, match=r"no icon 'adiddas' in simple-icons-pack; the nearest: adidas"):
        icon("adiddas")
    with pytest.raises(DataError, match=r"no icon 'qqqqqqqqqqqqqq' in simple-icons-pack$"):
        icon("qqqqqqqqqqqqqq")
