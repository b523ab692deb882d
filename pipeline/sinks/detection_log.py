"""`detections.jsonl`: a line a frame, with what was accepted in it (see `docs/events.md`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pipeline.events import rounded
from pipeline.sinks.json_lines import JsonLines, OnLines
from pipeline.stages import Tracked
from pipeline.tracker import Track


class DetectionLog(OnLines):
    """Writes a stream's frames, also those in which nothing was found.

    threshold: detections below are left out; where a confirmed track was found with less, or not found at all, its
        box is written as `tracked`, with the track's score
    """

    takes = (Tracked,)

    def __init__(self, path: Path, *, labels: Sequence[str], threshold: float, goes_on: bool = False) -> None:
        self._lines = JsonLines(path, goes_on=goes_on)
        self._labels = labels
        self._threshold = threshold

    def write(self, tracked: Tracked) -> None:
        frame = tracked.frame
        self._lines.write(
            {
                "stream": frame.stream,
                "index": frame.index,
                "pts_seconds": rounded("pts_seconds", frame.pts_seconds),
                "detections": [detection for track in tracked.tracks for detection in self._detection(track)],
            }
        )

    def _detection(self, track: Track) -> Iterator[dict[str, Any]]:
        is_found = track.detection_score is not None and track.detection_score >= self._threshold
        if not is_found and track.state != "confirmed":
            return
        detection: dict[str, Any] = {
            "xyxy": rounded("xyxy", track.xyxy),
            "score": rounded("score", track.detection_score if is_found else track.score),
            "class_id": track.class_id,
            "label": self._labels[track.class_id],
            "track": track.id,
        }
        yield detection if is_found else {**detection, "tracked": True}
