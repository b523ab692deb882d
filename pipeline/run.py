"""A run on one screen: streams in, events out."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from detectors.detector import Detector, open_detector
from pipeline.batching import batch
from pipeline.config import Config, StreamSettings
from pipeline.events import EVENTS
from pipeline.interrupts import Interrupts
from pipeline.metrics import Metrics
from pipeline.prefetch import Prefetch
from pipeline.progress import Progress
from pipeline.record import Record
from pipeline.shots import Shots
from pipeline.sinks import Sinks
from pipeline.sinks.sink import Outlet
from pipeline.sources import open_sources
from pipeline.stages import Tracked, detect, events, follow
from pipeline.tasks import Origin, Task, open_task
from pipeline.tracker import Tracker
from streams.fingerprint import fingerprint
from streams.source import Source


def watch(config: Config, *, quiet: bool = False, detector: Detector | None = None) -> Record:
    """Watch all streams to their ends, and return the account of it.

    detector: the configured one, unless one is given

    Raises ConfigError, StreamError, ModelError or SinkError. What was seen until then is written, and all of it where a
    stream fails: the others go on, and its error is raised in the end.
    """
    with open_sources(config) as sources:
        task = open_task(config)
        detector = detector or _open_detector(config, task)
        metrics = Metrics()
        metrics.models(detector.hashes)
        names = [source.info.name for source in sources]
        threshold = config.detector.threshold or detector.threshold
        trackers = {
            name: Tracker(config.tracker, threshold=threshold, known_classes=task.known_classes) for name in names
        }
        cutters = {name: Shots() for name in names} if config.tracker.shot_cuts else {}
        origins = {
            source.info.name: Origin(source.info, _media(source, stream), detector.hashes)
            for source, stream in zip(sources, config.stream, strict=True)
        }
        watchers = {name: task.watcher(origin) for name, origin in origins.items()}
        judges = {name: judge for name in names if (judge := task.judge()) is not None}
        outlets = [
            Outlet(config.folders[name], origin.info, task, threshold, config, metrics, origin.media)
            for name, origin in origins.items()
        ]
        with (
            metrics.served(config.metrics.address, config.metrics.port),
            Interrupts() as interrupts,
            Progress([source.info for source in sources], quiet=quiet) as progress,
            Record(config, sources=sources, task=task, detector=detector, metrics=metrics) as record,
            Sinks(config.output.sinks, outlets, metrics) as sinks,
            Prefetch(sources, config.prefetch, metrics=metrics) as frames,
        ):
            interrupts.call(frames.stop)
            batches = batch(frames, config.batch)
            seconds = config.detector.scan_seconds
            found = detect(batches, detector, trackers, scan_seconds=seconds, metrics=metrics, cutters=cutters)
            tracked = follow(
                found,
                trackers,
                metrics=metrics,
                judges=judges,
                is_cut_short=lambda stream: interrupts.received is not None or stream in frames.failures(),
            )
            for item in events(tracked, watchers, metrics=metrics):
                sinks.write(item)
                if isinstance(item, Tracked):
                    progress.advance()
                elif isinstance(item, EVENTS):
                    record.count(item)
            record.interrupted_by = interrupts.received
            record.failures = frames.failures()
            frames.raise_failures()
        return record


def _media(source: Source, stream: StreamSettings) -> str:
    """Return what a stream's content is known by; a live one never comes again, and is known by when it was watched."""
    return f"live {datetime.now(UTC).isoformat()}" if source.info.is_live else fingerprint(stream.url)


def _open_detector(config: Config, task: Task) -> Detector:
    settings = config.detector
    return open_detector(
        settings.task,
        folder=None if settings.models is None else Path(settings.models),
        device=settings.device,
        precision=settings.precision,
        longest_side=settings.longest_side,
        gallery=task.gallery,
    )
