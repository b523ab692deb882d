"""`detections.jsonl` of the task `logos`: a line a frame, with the placements that its account is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.brands.observation import PX, SCORE, Observations
from pipeline.brands.task import Observed
from pipeline.events import rounded
from pipeline.sinks.json_lines import JsonLines, OnLines


class ObservationLog(OnLines):
    """Writes a stream's frames when it is clear what was seen in them, also those in which nothing was."""

    takes = (Observed,)

    def __init__(self, path: Path, brands: Sequence[str], *, goes_on: bool = False) -> None:
        self._lines = JsonLines(path, goes_on=goes_on)
        self._brands = brands

    def write(self, seen: Observed) -> None:
        if (o := seen.observations) is None:
            return
        starts = o.frame_row.searchsorted(range(len(o) + 1)).tolist()
        for number, (index, pts) in enumerate(zip(o.index.tolist(), o.pts.tolist(), strict=True)):
            self._lines.write(
                {
                    "stream": seen.stream,
                    "index": index,
                    "pts_seconds": rounded("pts_seconds", float(pts * o.time_base)),
                    "detections": [self._detection(o, row) for row in range(starts[number], starts[number + 1])],
                }
            )

    def _detection(self, o: Observations, row: int) -> dict[str, Any]:
        brand = int(o.brand[row])
        detection: dict[str, Any] = {
            "xyxy": [int(edge[row]) / PX for edge in (o.x1, o.y1, o.x2, o.y2)],
            "score": int(o.score[row]) / SCORE,
            "class_id": brand,
            "label": self._brands[brand],
            "track": int(o.track[row]),
        }
        return {**detection, "tracked": True} if o.is_bridged[row] else detection
