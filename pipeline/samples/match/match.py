"""A generated broadcast of a match, with the exact truth of every frame. The same seed gives the same bytes."""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from detectors.artwork.canvas import Color
from pipeline.samples.film import Film
from pipeline.samples.match import brands as artwork
from pipeline.samples.match.boards import plan_boards
from pipeline.samples.match.brands import BRANDS, LOOKALIKES, WHITE, Artwork, Brand
from pipeline.samples.match.camera import Camera, paint_surface, upright, warp, watch
from pipeline.samples.match.direction import Shot, camera_of, close_feet, close_x, plan_shots
from pipeline.samples.match.figures import FIGURE_M, PHASES, Front, Kit, runner, seated
from pipeline.samples.match.graphics import Graphics, Plate
from pipeline.samples.match.play import Person, Play
from pipeline.samples.match.stadium import LIGHTS, Stadium
from pipeline.samples.match.truth import FrameTruth, LogoView, MatchTruth, ShotTruth
from pipeline.samples.picture import Picture, Watched
from pipeline.samples.settings import check
from pipeline.samples.sprites import Image, Sprite, premultiplied

SMALLEST_PX = 4.0
"""Height from which on a logo is in the truth."""

_SPONSORS, _STRANGERS = 11, 4
_KITS: tuple[Color, ...] = ((198, 26, 40), (28, 70, 160), (236, 236, 232), (250, 204, 40), (20, 110, 70), (34, 34, 40))
_SHUTTER_SECONDS = 1 / 100
_SEATED = ((6.0, 70.7), (17.0, 70.8), (33.5, 70.7), (47.0, 70.9), (66.0, 70.7), (79.0, 70.8), (97.0, 70.7))


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """A logo that is painted. outline: (N, 2); quad: (4, 2); share: of it that its board shows, not hidden or not."""

    id: int
    brand: str
    place: str
    outline: NDArray[np.float64]
    quad: NDArray[np.float64]
    watched: Watched
    share: float = 1.0
    defocus_px: float = 0.0


class MatchSample:
    """A broadcast, frame by frame: iterate it, or ask for any frame by its index. Single-threaded.

    seed: another one is another stadium, other sponsors, other shots
    seconds: length; a longer match does not begin like a shorter one
    size_wh: pixels; the field of view stays, so a larger picture shows larger logos
    fps: frames a second
    with_brands: without them the boards show nothing but look-alikes
    """

    def __init__(
        self,
        seed: int,
        *,
        seconds: float = 60.0,
        size_wh: tuple[int, int] = (1280, 720),
        fps: float = 25.0,
        with_brands: bool = True,
    ) -> None:
        check(seed, seconds=seconds, size_wh=size_wh, fps=fps)
        self.seed = seed
        self.size_wh = size_wh
        self.fps = fps
        self._count = max(1, round(seconds * fps))
        rng = np.random.default_rng([seed, 20])
        light = LIGHTS[seed % len(LIGHTS)]
        home, away = (_KITS[k] for k in rng.permutation(len(_KITS))[:2])
        strangers = [LOOKALIKES[k] for k in rng.permutation(len(LOOKALIKES))]
        sponsors = [BRANDS[k] for k in rng.permutation(len(BRANDS))[:_SPONSORS]]
        self._brands = [*sponsors, *strangers[:_STRANGERS]] if with_brands else strangers
        on_shirts = sponsors[:2] if with_brands else strangers[:2]
        self._kits = {
            "home": Kit(home, WHITE if home != _KITS[2] else (40, 50, 90), home),
            "away": Kit(away, away, WHITE),
            "home keeper": Kit((120, 210, 70), (30, 60, 30), (120, 210, 70)),
            "away keeper": Kit((250, 140, 40), (30, 30, 30), (250, 140, 40)),
            "referee": Kit((24, 24, 28), (24, 24, 28), (24, 24, 28)),
            "bib": Kit((224, 236, 60), (40, 44, 60), (230, 230, 230)),
        }
        self._shirts = {
            team: (brand, self._fronts(team, brand)) for team, brand in zip(("home", "away"), on_shirts, strict=True)
        }
        self._play = Play(np.random.default_rng([seed, 21]), seconds)
        self._boards = plan_boards(np.random.default_rng([seed, 22]), self._brands, seconds)
        self._shots = plan_shots(np.random.default_rng([seed, 23]), seconds, fps, self._count)
        self._stadium = Stadium(np.random.default_rng([seed, 24]), light, home, away)
        plates = tuple(
            Plate(self._brands[int(rng.integers(len(self._brands)))], float(start), float(start + rng.uniform(4, 8)))
            for start in np.arange(rng.uniform(4, 14), seconds, 24.0)
        )
        self._graphics = Graphics(np.random.default_rng([seed, 25]), size_wh, home, away, plates)
        self._film = Film(np.random.default_rng([seed, 26]), size_wh, gain=light.gain, contrast=light.contrast)
        flashes = np.random.default_rng([seed, 27])
        self._flashes = {
            round(at * fps): float(flashes.uniform(1.2, 1.6))
            for at in flashes.uniform(4, 16, 1000).cumsum()
            if at < seconds
        }

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._count

    def __iter__(self) -> Iterator[tuple[Image, FrameTruth]]:
        return (self.frame(index) for index in range(self._count))

    def brands(self) -> Mapping[str, Artwork]:
        """Return the artwork of every brand that can be enrolled, in its own colours, whether it is shown or not."""
        return artwork.artworks()

    def truth(self) -> MatchTruth:
        """Return what holds for the whole match, its shots among it."""
        shots = tuple(ShotTruth(s.number, s.view, s.is_replay, s.first_frame, s.frames) for s in self._shots)
        brands, lookalikes = (tuple(brand.name for brand in group) for group in (BRANDS, LOOKALIKES))
        return MatchTruth(self.seed, self.size_wh, self.fps, len(self), brands, lookalikes, shots)

    def frame(self, index: int) -> tuple[Image, FrameTruth]:
        """Paint a frame: RGB uint8 (H, W, 3), and its truth."""
        shot = self._shots[bisect.bisect_right([s.first_frame for s in self._shots], index) - 1]
        seconds = shot.start + (index - shot.first_frame) / self.fps * shot.rate
        camera = self._camera(shot, seconds)
        width, height = self.size_wh
        picture = Picture(np.empty((height, width, 3), np.uint8))
        seen = self._paint_field(picture, camera, shot, seconds)
        if shot.view == "close":
            defocus = self._defocus(picture)
            seen = [replace(logo, defocus_px=defocus) for logo in seen]
            seen += self._paint_close(picture, camera, shot, seconds)
        smear = self._smear(shot, camera, seconds)
        for axis in (0, 1):
            if smear[axis] > 1.5:
                size = 2 * round(smear[axis] / 2) + 1
                picture.image = np.asarray(cv2.blur(picture.image, (size, 1) if axis == 0 else (1, size)), np.uint8)
        plate = self._graphics.paint(picture, index / self.fps, is_replay=shot.is_replay)
        logos = [self._view(logo, logo.defocus_px + float(np.hypot(*smear))) for logo in seen]
        if plate:
            logos.append(self._view(_Seen(3000, plate[0].brand.name, "graphic", plate[1], plate[1], plate[2]), 0.0))
        image = self._film.develop(picture.image, index, index / self.fps, flash=self._flashes.get(index, 1.0))
        listed = tuple(logo for logo in logos if logo is not None)
        return image, FrameTruth(index, round(index / self.fps, 6), shot.number, index == shot.first_frame > 0, listed)

    def _camera(self, shot: Shot, seconds: float) -> Camera:
        part = (seconds - shot.start) / shot.rate * self.fps / shot.frames
        return camera_of(shot, self._play, self.size_wh, seconds, part)

    def _smear(self, shot: Shot, camera: Camera, seconds: float) -> tuple[float, float]:
        """Return how far the middle of the picture moves while the shutter is open, pixels right and down."""
        ahead = camera.position[None] + 80 * camera.axes[2:]
        later, _ = self._camera(shot, seconds + _SHUTTER_SECONDS * shot.rate).project(ahead)
        moved = np.abs(later[0] - np.array(self.size_wh) / 2)
        return float(moved[0]), float(moved[1])

    def _paint_field(self, picture: Picture, camera: Camera, shot: Shot, seconds: float) -> list[_Seen]:
        """Paint everything but who is seen close; return the logos."""
        self._stadium.paint(picture, camera)
        seen: list[_Seen] = []
        for board in sorted(self._boards, key=lambda board: board.kind != "wall"):
            shown = board.shown(seconds)
            middle = board.surface.origin + (board.surface.across + board.surface.down) / 2
            # What is printed has a face; a camera behind a board sees its back.
            facing = np.cross(board.surface.across, board.surface.down) @ (middle - camera.position)
            if facing <= 0:
                continue
            to_picture = paint_surface(picture, camera, board.surface, shown.sprite)
            if to_picture is None:
                continue
            for brand, number, area, share in shown.logos:
                quad = warp(to_picture, area)
                watched = watch(picture, quad) if (area @ to_picture[2, :2] + to_picture[2, 2]).min() > 0.5 else None
                if watched:
                    seen.append(_Seen(10 * board.number + number, brand.name, board.kind, quad, quad, watched, share))
        people = self._play.people(seconds)
        if shot.view == "close":
            people = [p for p in people if p.position[1] > 44]
        whats: list[Person | float | int] = [*people, 0.0, 105.0, *range(len(_SEATED))]
        places = [*(p.position for p in people), (0.0, 34.0), (105.0, 34.0), *_SEATED]
        _, depth = camera.project(np.column_stack([np.array(places), np.zeros(len(places))]))
        things = sorted(zip(depth.tolist(), whats, strict=True), key=lambda thing: -thing[0])
        for away, what in things:
            if away < 3:
                continue
            if isinstance(what, Person):
                self._paint_person(picture, camera, what)
            elif isinstance(what, float):
                self._stadium.paint_goal(picture, camera, what)
            else:
                upright(
                    picture, camera, seated(what), foot=(*_SEATED[what], 0), height_m=1.0, is_mirrored=what % 3 == 0
                )
        return seen

    def _defocus(self, picture: Picture) -> float:
        """Put what is painted so far out of focus; return by how much, pixels."""
        sigma = 3.4 * self.size_wh[0] / 1280
        small = cv2.resize(picture.image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / 2)
        cv2.resize(small, self.size_wh, dst=picture.image, interpolation=cv2.INTER_LINEAR)
        return 2 * sigma

    def _paint_person(self, picture: Picture, camera: Camera, person: Person) -> None:
        speed = float(np.hypot(*person.velocity))
        phase = int(person.stride * PHASES) % PHASES if speed > 0.7 else 0
        sideways = float(np.array([*person.velocity, 0.0]) @ camera.axes[0])
        foot = (*person.position, 0.0)
        upright(picture, camera, _SHADOW, foot=(foot[0], foot[1] - 0.15, -0.12), height_m=0.26)
        kit = self._kits[person.kind]
        upright(
            picture, camera, runner(kit, person.variant, phase), foot=foot, height_m=FIGURE_M, is_mirrored=sideways < 0
        )

    def _paint_close(self, picture: Picture, camera: Camera, shot: Shot, seconds: float) -> list[_Seen]:
        brand, fronts = self._shirts[shot.team]
        seen: list[_Seen] = []
        for number, foot in enumerate(close_feet(shot, seconds)):
            front = fronts[(number + shot.number) % len(fronts)]
            _, depth = camera.project(np.array([foot]))
            scale = camera.focal / depth[0]
            upright(picture, camera, front.sprite_body, foot=foot, height_m=Front.FIGURE_WH_M[1])
            shirt_foot = (foot[0], foot[1], foot[2] + Front.SHIRT_FOOT_M)
            upright(
                picture, camera, Sprite((front.shirt(seconds + number),)), foot=shirt_foot, height_m=Front.SHIRT_M[1]
            )
            base, _ = camera.project(np.array([shirt_foot]))
            size = np.array(Front.SHIRT_M) * scale
            outline = base[0] + (front.outline(seconds + number) - (0.5, 1.0)) * size
            watched = watch(picture, outline)
            if watched:
                number_of_all = 2000 + 10 * shot.number + number
                seen.append(_Seen(number_of_all, brand.name, "shirt", outline, outline[::8], watched))
        # Somebody runs through between the camera and those it shows.
        x = close_x(shot) + (seconds - shot.start - 1.1) * 4.5 * shot.side
        person = Person(
            ("away", "home")[shot.team == "away"], 1, (x, 8 + 15.0), (4.5 * shot.side, 0.0), 0.9 * seconds * 2
        )
        self._paint_person(picture, camera, person)
        return seen

    def _view(self, logo: _Seen, blur_px: float) -> LogoView | None:
        size = np.array(self.size_wh)
        low, high = np.clip(logo.outline.min(axis=0), 0, size), np.clip(logo.outline.max(axis=0), 0, size)
        quad = logo.quad
        height = float(min(np.linalg.norm(quad[3] - quad[0]), np.linalg.norm(quad[2] - quad[1])))
        visible = round(logo.watched.fraction * logo.share, 3)
        if height < SMALLEST_PX or visible <= 0 or (high - low).min() < 1:
            return None
        a, b, c, d = ((round(float(x), 2), round(float(y), 2)) for x, y in quad)
        x1, y1, x2, y2 = (round(float(edge), 2) for edge in (*low, *high))
        return LogoView(
            id=logo.id,
            brand=logo.brand,
            place=logo.place,
            quad=(a, b, c, d),
            xyxy=(x1, y1, x2, y2),
            visible=visible,
            height_px=round(height, 2),
            blur_px=round(blur_px, 2),
        )

    def _fronts(self, team: str, brand: Brand) -> list[Front]:
        kit = self._kits[team]
        bright = sum(kit.shirt) > 380
        badge = artwork.draw(brand, brand.plain(artwork.BLACK if bright else WHITE, kit.shirt))
        return [Front(kit, variant, badge, seed=self.seed) for variant in range(3)]


def _shadow() -> Sprite:
    y, x = np.mgrid[-1:1:32j, -1:1:128j]
    return Sprite.of(premultiplied(np.zeros((32, 128, 3)), 0.42 * np.clip(1.25 - np.hypot(x, y) ** 2 * 1.25, 0, 1)))


_SHADOW = _shadow()
