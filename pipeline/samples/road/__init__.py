"""A generated drive along a road with signs: the picture of every frame, and the truth about it.

`drive` joins the parts: `route` plans in metres and seconds, `scenery`, `ground` and `weather` have the looks, `view`
projects and paints from far to near, `stage` and `roadsign` bring things and signs before the camera, and `dashcam`
rocks it. The truth is described in `truth`.
"""

from pipeline.samples.road.drive import RoadSample
from pipeline.samples.road.truth import DriveSign, DriveTruth, FrameTruth, SignView

__all__ = ["DriveSign", "DriveTruth", "FrameTruth", "RoadSample", "SignView"]
