"""Paints what stands along a generated road and what drives on it."""

from __future__ import annotations

import itertools

import numpy as np

from pipeline.samples.road.ground import Ground, Sky, paint_sky
from pipeline.samples.road.route import SIGHT_M, Bridge, Building, Mover, Rail, Route, Standing, Thing, Wall
from pipeline.samples.road.scenery import scenery
from pipeline.samples.road.view import NEAR_M, Camera, Haze, Painting
from pipeline.samples.road.weather import Weather


class Stage:
    """Sky, ground and air of a drive."""

    def __init__(self, rng: np.random.Generator, size_wh: tuple[int, int], route: Route, weather: Weather) -> None:
        self._route = route
        self.haze = Haze(weather.low, weather.haze_m)
        self._sky: Sky = paint_sky(
            rng,
            size_wh,
            zenith=weather.zenith,
            low=weather.low,
            cloud_color=weather.cloud,
            cloudiness=weather.cloudiness,
            hill_color=weather.hill,
        )
        self._ground = Ground(
            rng,
            asphalt=route.asphalt,
            asphalt_color=weather.asphalt,
            grass_color=weather.grass,
            lines=route.lines,
            line_color=(214, 214, 208),
        )

    def paint_ground(self, painting: Painting, camera: Camera) -> None:
        self._sky.paint(painting.image, camera, self._route.heading_at(camera.s_m))
        self._ground.paint(painting, camera, self._route.strips)


def paint_mover(painting: Painting, camera: Camera, mover: Mover, s: float) -> None:
    shadow, sprite = scenery().sprites["shadow"][0], scenery().sprites[mover.kind][mover.variant]
    painting.upright(camera, shadow, x=mover.x, s=s, size_wh_m=(1.25 * mover.width_m, 0.5), foot_m=-0.25)
    painting.upright(camera, sprite, x=mover.x, s=s, size_wh_m=(mover.width_m, mover.height_m))


def paint_standing(painting: Painting, camera: Camera, what: Standing) -> None:
    match what:
        case Thing():
            # What comes into sight does so bit by bit.
            away = what.s - camera.s_m
            painting.upright(
                camera,
                scenery().sprites[what.kind][what.variant],
                x=what.x,
                s=what.s,
                size_wh_m=(what.width_m, what.height_m),
                foot_m=what.foot_m,
                is_mirrored=what.is_mirrored,
                opacity=min(1.0, (SIGHT_M - away) / 40),
            )
        case Wall():
            sprite = scenery().hedges[what.variant]
            length = sprite.aspect * what.height_m
            pieces = max(1, round((what.s2 - what.s) / length))
            edges = np.linspace(what.s, what.s2, pieces + 1)
            for s1, s2 in reversed(list(itertools.pairwise(edges))):
                painting.along(camera, sprite, x=what.x, span_s=(s1, s2), span_y=(0, what.height_m))
        case Building():
            _paint_building(painting, camera, what)
        case Rail():
            _paint_rail(painting, camera, what)
        case Bridge():
            _paint_bridge(painting, camera, what)


def _paint_building(painting: Painting, camera: Camera, what: Building) -> None:
    if what.s2 - camera.s_m < NEAR_M:
        return
    house = scenery().houses[what.variant]
    near = max(what.s, camera.s_m + NEAR_M)
    away = near - camera.s_m
    ridge = (what.x + what.x2) / 2
    roof = [
        camera.project(x, y, s)[:2]
        for x, y, s in (
            (what.x, what.eaves_m, near),
            (what.x, what.eaves_m, what.s2),
            (ridge, what.ridge_m, what.s2),
            (ridge, what.ridge_m, near),
        )
    ]
    painting.fill(roof, painting.haze.tint(house.roof, away))
    painting.along(camera, house.front, x=what.x, span_s=(what.s, what.s2), span_y=(0, what.eaves_m))
    if what.s > camera.s_m + NEAR_M:
        width = abs(what.x2 - what.x)
        painting.upright(camera, house.gable, x=ridge, s=what.s, size_wh_m=(width, what.ridge_m))


def _paint_rail(painting: Painting, camera: Camera, rail: Rail) -> None:
    near, far = max(rail.s, camera.s_m + NEAR_M), rail.s2
    if near >= far:
        return
    for s in (rail.s + 2, rail.s + 6):
        if s > near and s - camera.s_m < 60:
            post = [(rail.x - 0.05, 0.7), (rail.x + 0.05, 0.7), (rail.x + 0.05, 0.0), (rail.x - 0.05, 0.0)]
            painting.fill([camera.project(x, y, s)[:2] for x, y in post], painting.haze.tint((104, 106, 108), 0))
    for low, high, grey in ((0.44, 0.54, 130), (0.54, 0.64, 178), (0.64, 0.75, 207)):
        corners = [camera.project(rail.x, y, s)[:2] for s, y in ((near, high), (far, high), (far, low), (near, low))]
        painting.fill(corners, painting.haze.tint((grey - 2, grey + 1, grey + 4), near - camera.s_m))


def _paint_bridge(painting: Painting, camera: Camera, bridge: Bridge) -> None:
    near = max(bridge.s, camera.s_m + NEAR_M)
    if near >= bridge.s2:
        return
    low, high, tint = bridge.clearance_m, bridge.clearance_m + 1.3, painting.haze.tint

    def corners(*points: tuple[float, float, float]) -> list[tuple[float, float]]:
        return [camera.project(*point)[:2] for point in points]

    away = near - camera.s_m
    for x in (-18.5, 8.6):
        wall = corners((x, 0, near), (x, 0, bridge.s2), (x, low, bridge.s2), (x, low, near))
        painting.fill(wall, tint((92, 92, 90), away))
    under = corners((-18.5, low, near), (8.6, low, near), (8.6, low, bridge.s2), (-18.5, low, bridge.s2))
    painting.fill(under, tint((58, 58, 58), away))
    if bridge.s > camera.s_m + NEAR_M:
        for x1, x2 in ((-60, -18.5), (8.6, 50)):
            bank = corners((x1, low, near), (x2, low, near), (x2, 0, near), (x1, 0, near))
            painting.fill(bank, tint((96, 104, 72), away))
        painting.fill(
            corners((-60, low, near), (50, low, near), (50, high, near), (-60, high, near)), tint((158, 157, 152), away)
        )
        rail = corners((-60, high, near), (50, high, near), (50, high + 0.15, near), (-60, high + 0.15, near))
        painting.fill(rail, tint((112, 116, 120), away))
