"""Light and air of a generated drive."""

from __future__ import annotations

from dataclasses import dataclass

from detectors.artwork.canvas import Color


@dataclass(frozen=True, slots=True)
class Weather:
    """Light and air. Colours are as the camera would have them in neutral light.

    gain: of red, green and blue, once everything is painted
    contrast: exponent of the final curve; above 1 is harder
    """

    zenith: Color
    low: Color
    cloud: Color
    cloudiness: float
    hill: Color
    haze_m: float
    grass: Color
    asphalt: Color
    gain: tuple[float, float, float]
    contrast: float


WEATHERS = (
    Weather(  # clear noon
        zenith=(72, 120, 190),
        low=(190, 210, 228),
        cloud=(250, 250, 250),
        cloudiness=0.3,
        hill=(92, 116, 128),
        haze_m=900,
        grass=(98, 122, 58),
        asphalt=(112, 112, 114),
        gain=(1.05, 1.03, 1.0),
        contrast=1.08,
    ),
    Weather(  # scattered clouds
        zenith=(98, 140, 192),
        low=(206, 216, 226),
        cloud=(244, 244, 246),
        cloudiness=0.55,
        hill=(96, 112, 110),
        haze_m=700,
        grass=(94, 114, 60),
        asphalt=(104, 105, 108),
        gain=(1.0, 1.0, 1.0),
        contrast=1.0,
    ),
    Weather(  # overcast
        zenith=(176, 184, 192),
        low=(208, 212, 214),
        cloud=(198, 202, 206),
        cloudiness=0.9,
        hill=(112, 122, 120),
        haze_m=450,
        grass=(88, 102, 62),
        asphalt=(98, 99, 102),
        gain=(0.92, 0.95, 1.0),
        contrast=0.96,
    ),
    Weather(  # hazy
        zenith=(186, 196, 206),
        low=(216, 218, 216),
        cloud=(226, 226, 224),
        cloudiness=0.7,
        hill=(150, 158, 158),
        haze_m=240,
        grass=(102, 112, 76),
        asphalt=(116, 116, 116),
        gain=(0.98, 0.99, 1.0),
        contrast=0.92,
    ),
    Weather(  # low sun
        zenith=(104, 132, 176),
        low=(234, 214, 188),
        cloud=(250, 222, 192),
        cloudiness=0.45,
        hill=(124, 112, 104),
        haze_m=500,
        grass=(112, 112, 56),
        asphalt=(106, 102, 98),
        gain=(1.07, 0.99, 0.89),
        contrast=1.1,
    ),
    Weather(  # dusk
        zenith=(98, 116, 142),
        low=(206, 190, 172),
        cloud=(168, 166, 168),
        cloudiness=0.5,
        hill=(88, 92, 96),
        haze_m=420,
        grass=(82, 92, 58),
        asphalt=(90, 90, 92),
        gain=(0.96, 0.93, 0.92),
        contrast=1.0,
    ),
)
