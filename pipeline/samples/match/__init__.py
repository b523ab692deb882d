"""A generated broadcast of a match: the picture of every frame, and the truth about the brands in it.

`match` joins the parts: `play` says where everybody is, `direction` which camera shows it, `stadium`, `boards` and
`figures` have the looks, `brands` the artwork, `camera` projects and paints, `graphics` lays the score over it. The
truth is described in `truth`.
"""

from pipeline.samples.match.match import MatchSample
from pipeline.samples.match.truth import FrameTruth, LogoView, MatchTruth, ShotTruth

__all__ = ["FrameTruth", "LogoView", "MatchSample", "MatchTruth", "ShotTruth"]
