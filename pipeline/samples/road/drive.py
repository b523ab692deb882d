"""A generated drive as a dashcam sees it, with the exact truth of every frame. The same seed gives the same bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from detectors.labels import SIGN_LABELS
from pipeline.samples.film import Film
from pipeline.samples.road.dashcam import Rocking
from pipeline.samples.road.roadsign import paint_sign, sign_textures
from pipeline.samples.road.route import EYE_M, LANE_M, SIGHT_M, Mover, SignPost, Standing, plan_route
from pipeline.samples.road.stage import Stage, paint_mover, paint_standing
from pipeline.samples.road.truth import DriveSign, DriveTruth, FrameTruth, SignView
from pipeline.samples.road.view import FOCAL, NEAR_M, Camera, Painting
from pipeline.samples.road.weather import WEATHERS
from pipeline.samples.settings import check
from pipeline.samples.sprites import Image


class RoadSample:
    """A drive, frame by frame: iterate it, or ask for any frame by its index. Single-threaded.

    seed: another one is another road, another weather, other signs
    seconds: length; a longer drive does not begin like a shorter one
    size_wh: pixels; the field of view stays, so a larger picture shows larger signs
    fps: frames a second
    with_signs: without them the drive has all the clutter and not one sign
    """

    def __init__(
        self,
        seed: int,
        *,
        seconds: float = 60.0,
        size_wh: tuple[int, int] = (1280, 720),
        fps: float = 30.0,
        with_signs: bool = True,
    ) -> None:
        check(seed, seconds=seconds, size_wh=size_wh, fps=fps)
        self.seed = seed
        self.size_wh = size_wh
        self.fps = fps
        self._count = max(1, round(seconds * fps))
        self._route = plan_route(seed, seconds, with_signs=with_signs)
        weather = WEATHERS[seed % len(WEATHERS)]  # a few seeds in a row see every weather
        self._film = Film(np.random.default_rng([seed, 10]), size_wh, gain=weather.gain, contrast=weather.contrast)
        self._stage = Stage(np.random.default_rng([seed, 11]), size_wh, self._route, weather)
        self._textures = {sign.id: sign_textures(sign) for sign in self._route.signs}
        self._rocking = Rocking(np.random.default_rng([seed, 12]))
        self._shutter_seconds = float(np.random.default_rng([seed, 13]).uniform(1 / 400, 1 / 90))

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._count

    def __iter__(self) -> Iterator[tuple[Image, FrameTruth]]:
        return (self.frame(index) for index in range(self._count))

    def truth(self) -> DriveTruth:
        """Return what holds for the whole drive, its signs among it."""
        signs = tuple(
            DriveSign(
                id=sign.id,
                class_id=sign.class_id,
                name=_name(sign),
                diameter_m=sign.diameter_m,
                leaves_seconds=self._leaves_seconds(sign),
                passes_seconds=round(self._route.passes_seconds(sign), 3),
                readable_seconds=round(self._route.readable_seconds(sign), 2),
            )
            for sign in self._route.signs
        )
        return DriveTruth(self.seed, self.size_wh, self.fps, len(self), signs)

    def frame(self, index: int) -> tuple[Image, FrameTruth]:
        """Paint a frame: RGB uint8 (H, W, 3), and its truth."""
        seconds = index / self.fps
        camera = self._camera(seconds)
        width, height = self.size_wh
        painting = Painting(np.empty((height, width, 3), np.uint8), haze=self._stage.haze)
        self._stage.paint_ground(painting, camera)
        views = []
        for distance, what in self._far_to_near(camera, seconds):
            if isinstance(what, SignPost):
                views.append(paint_sign(painting, camera, what, self._textures[what.id]))
            elif isinstance(what, Mover):
                paint_mover(painting, camera, what, camera.s_m + distance)
            else:
                paint_standing(painting, camera, what)
        signs = tuple(
            SignView(
                id=sign.id,
                class_id=sign.class_id,
                name=_name(sign),
                xyxy=xyxy,
                visible=round(seen.fraction, 3),
                distance_m=round(sign.s - camera.s_m, 2),
            )
            for sign, xyxy, seen in sorted((view for view in views if view), key=lambda view: view[0].id)
        )
        image = self._film.develop(painting.image, index, seconds)
        return image, FrameTruth(index, round(seconds, 6), signs)

    def _camera(self, seconds: float) -> Camera:
        s = self._route.s_at(seconds)
        speed = self._route.speed_at(seconds)
        yaw, pitch, aside, lift = self._rocking.at(seconds, speed)
        width, height = self.size_wh
        return Camera(
            size_wh=self.size_wh,
            center_u=width / 2 + yaw * FOCAL * width,
            horizon_v=0.49 * height + pitch * FOCAL * width,
            x_m=LANE_M + aside,
            eye_m=EYE_M + lift,
            s_m=s,
            speed=speed,
            shutter_seconds=self._shutter_seconds,
            bend=self._route.bend(s),
        )

    def _far_to_near(self, camera: Camera, seconds: float) -> list[tuple[float, Standing | Mover | SignPost]]:
        """Return what is ahead with its distance, the far first."""
        ahead: list[tuple[float, Standing | Mover | SignPost]] = [
            (max(thing.s - camera.s_m, 0.0), thing)
            # What is long begins behind the camera and may still be ahead.
            for thing in self._route.seen_between(camera.s_m - 25, camera.s_m + SIGHT_M)
        ]
        for mover in self._route.movers:
            s = mover.at(seconds)
            if s is not None and NEAR_M < s - camera.s_m < SIGHT_M:
                ahead.append((s - camera.s_m, mover))
        for sign in self._route.signs:
            if NEAR_M < sign.s - camera.s_m < SIGHT_M:
                ahead.append((sign.s - camera.s_m, sign))
        ahead.sort(key=lambda pair: -pair[0])
        return ahead

    def _leaves_seconds(self, sign: SignPost) -> float:
        index = min(self._count, math.ceil(self._route.passes_seconds(sign) * self.fps))
        while index > 0:
            camera = self._camera((index - 1) / self.fps)
            u, v, _ = camera.project(sign.x, sign.y, sign.s)
            if sign.s - camera.s_m > NEAR_M and 0 <= u < self.size_wh[0] and 0 <= v < self.size_wh[1]:
                break
            index -= 1
        return round(index / self.fps, 6)


def _name(sign: SignPost) -> str:
    return sign.name or SIGN_LABELS[sign.class_id or 0]
