"""A run on one screen: streams in, events out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from detectors.detector import Detector, open_detector
from pipeline.batching import batch
from pipeline.config import Config
from pipeline.events import EVENTS
from pipeline.interrupts import Interrupts
from pipeline.memory import Tidy
from pipeline.metrics import Metrics
from pipeline.overload import Overload
from pipeline.prefetch import Prefetch
from pipeline.progress import Progress
from pipeline.record import Record
from pipeline.reload import Reloader
from pipeline.roster import Roster
from pipeline.sinks import Sinks
from pipeline.sources import open_sources
from pipeline.stages import StreamEnd, Tracked, detect, events, follow
from pipeline.status import Status, served
from pipeline.tasks import Task, open_task


def watch(
    config: Config,
    *,
    quiet: bool = False,
    detector: Detector | None = None,
    reread: Callable[[], Config] | None = None,
    metrics: Metrics | None = None,
) -> Record:
    """Watch all streams to their ends, and return the account of it.

    detector: the configured one, unless one is given
    reread: the settings as they are written now: at SIGHUP streams are added, changed and removed by them
    metrics: fresh ones, for who wants to look at them while it runs

    Raises ConfigError, StreamError, ModelError or SinkError. What was seen until then is written, and all of it where a
    stream fails: the others go on, and its error is raised in the end.
    """
    metrics = metrics or Metrics()
    overload = Overload(config.overload, late=metrics.frames.late)
    status = Status(metrics, overload)
    with (
        Interrupts(catches_hangup=reread is not None) as interrupts,
        served(config.metrics.address, config.metrics.port, metrics, status),
        open_sources(config) as sources,
    ):
        task = open_task(config)
        detector = detector or _open_detector(config, task)
        metrics.models(detector.hashes)
        roster = Roster(config, task=task, detector=detector, metrics=metrics, overload=overload)
        folders = [config.folders[source.info.name] for source in sources]
        outlets = [roster.add(*row) for row in zip(sources, config.stream, folders, strict=True)]
        record = Record(config, task=task, detector=detector, metrics=metrics, overload=overload)
        for source, folder in zip(sources, folders, strict=True):
            record.add(source, folder)
        with (
            Progress([source.info for source in sources], quiet=quiet) as progress,
            record,
            Sinks(config.output.sinks, outlets, metrics) as sinks,
            Prefetch(
                sources,
                config.prefetch,
                metrics=metrics,
                keep_every=lambda stream: overload.effort_of(stream).keep_every,
            ) as frames,
            Reloader(
                config, reread, roster=roster, frames=frames, sinks=sinks, record=record, metrics=metrics, status=status
            ) as reloader,
        ):
            status.run(sinks.failures)
            interrupts.call(status.stop, frames.stop)
            interrupts.call_at_hangup(reloader.ask)
            tidy = Tidy()
            batches = batch(frames, config.batch, overload=overload)
            found = detect(
                batches,
                detector,
                roster.trackers,
                scan_seconds=config.detector.scan_seconds,
                still_scan_seconds=config.detector.still_scan_seconds,
                anew_seconds=config.detector.anew_seconds,
                metrics=metrics,
                cutters=roster.cutters,
                overload=overload,
            )
            tracked = follow(
                found,
                roster.trackers,
                metrics=metrics,
                judges=roster.judges,
                is_cut_short=lambda stream: interrupts.received is not None or stream in frames.failures(),
            )
            for item in events(tracked, roster.watchers, metrics=metrics, overload=overload):
                sinks.write(item)
                status.beat()
                tidy.tick()
                if isinstance(item, Tracked):
                    progress.advance()
                elif isinstance(item, EVENTS):
                    record.count(item)
                elif isinstance(item, StreamEnd):
                    reloader.ended(item.stream)
            record.interrupted_by = interrupts.received
            record.failures = frames.failures()
            frames.raise_failures()
        return record


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
