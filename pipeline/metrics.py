"""Every number that a run shows to the outside: counted here, named here, served here for Prometheus.

Rules: prefix `wayside_`, base units, labels from bounded sets (a stream, never a URL or a track). For every stream
and at every scrape holds

    decoded = processed + dropped + sampled out + corrupt + in flight

because one ledger keeps all six under one lock, and one collector reads them in one go. What a live source says of
itself is asked for at the scrape, once a stream. `docs/metrics.md` describes each metric. It knows nothing of frames or
models: it is told.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Count
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Literal, cast

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    make_wsgi_app,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pipeline.events import Announcement, Event, Impression, LimitChange, OtherSign, Sighting
from streams.gap import STATES, Gap, Health, Reason, State

LIBRARIES = ("av", "numpy", "opencv-python-headless", "openvino", "pillow")
"""Whose versions may change what comes out."""

BRAND_LABELS = 200
"""Brands that get a label of their own, the first that are seen: a gallery may hold thousands, and each is a series."""

_STAGE_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
_LATENCY_BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
_AHEAD_BUCKETS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0)
_SCORE_BUCKETS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64)
_WATCHED: tuple[State, ...] = ("live", "frozen", "black")

disable_created_metrics()  # type: ignore[no-untyped-call]  # they double the series and tell nothing


@dataclass(frozen=True, slots=True)
class FrameCounts:
    """One stream's frames so far.

    dropped: by reason; in_flight: decoded and not yet settled; scanned: those of the processed given a full scan
    video_seconds: the time in the stream at which the last decoded frame ends
    watched_seconds: how long the processed frames stand, together
    """

    decoded: int = 0
    video_seconds: float = 0.0
    scanned: int = 0
    processed: int = 0
    sampled_out: int = 0
    corrupt: int = 0
    in_flight: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    watched_seconds: float = 0.0

    @property
    def dropped_total(self) -> int:
        return sum(self.dropped.values())


class FrameLedger(Collector):
    """Counts each stream's frames by what became of them. Any thread may call it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[str, FrameCounts] = {}
        self._last_frame: dict[str, float] = {}

    def open(self, stream: str) -> None:
        """Begin to count a stream, so that it is seen with zeros before its first frame; or go on with it."""
        with self._lock:
            self._counts.setdefault(stream, FrameCounts())

    def forget(self, stream: str) -> None:
        """Count a stream no more, and show it no more."""
        with self._lock:
            self._counts.pop(stream, None)
            self._last_frame.pop(stream, None)

    def decoded(self, stream: str, video_seconds: float) -> None:
        """A frame came out of the decoder; it is in flight until one of the others says what became of it."""
        with self._lock:
            counts = self._counts[stream]
            self._counts[stream] = replace(
                counts, decoded=counts.decoded + 1, in_flight=counts.in_flight + 1, video_seconds=video_seconds
            )
            self._last_frame[stream] = time.time()

    def scanned(self, stream: str) -> None:
        """It was given a full scan, and stays in flight."""
        with self._lock:
            counts = self._counts[stream]
            self._counts[stream] = replace(counts, scanned=counts.scanned + 1)

    def processed(self, stream: str, duration_seconds: float = 0.0) -> None:
        """It has been through detection and tracking, and what came of it is handed to the sinks."""
        with self._lock:
            counts = self._counts[stream]
            self._counts[stream] = replace(
                counts,
                processed=counts.processed + 1,
                in_flight=counts.in_flight - 1,
                watched_seconds=counts.watched_seconds + duration_seconds,
            )

    def sampled_out(self, stream: str) -> None:
        """It was chosen not to be looked at."""
        with self._lock:
            counts = self._counts[stream]
            self._counts[stream] = replace(counts, sampled_out=counts.sampled_out + 1, in_flight=counts.in_flight - 1)

    def corrupt(self, stream: str) -> None:
        """It was damaged and is not looked at."""
        with self._lock:
            counts = self._counts[stream]
            self._counts[stream] = replace(counts, corrupt=counts.corrupt + 1, in_flight=counts.in_flight - 1)

    def dropped(self, stream: str, reason: Literal["late", "shutdown"]) -> None:
        """A newer one took its place (`late`), or the run ended before its turn (`shutdown`)."""
        with self._lock:
            counts = self._counts[stream]
            dropped = {**counts.dropped, reason: counts.dropped.get(reason, 0) + 1}
            self._counts[stream] = replace(counts, dropped=dropped, in_flight=counts.in_flight - 1)

    def late(self) -> int:
        """Return how many frames of all streams were dropped as too late."""
        with self._lock:
            return sum(counts.dropped.get("late", 0) for counts in self._counts.values())

    def snapshot(self) -> dict[str, FrameCounts]:
        """Return all streams' counts of one moment."""
        with self._lock:
            return dict(self._counts)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            counts, last_frame = dict(self._counts), dict(self._last_frame)
        results = CounterMetricFamily(
            "wayside_frames", "Frames by what became of them; decoded counts them all.", labels=["stream", "result"]
        )
        scanned = CounterMetricFamily("wayside_frames_scanned", "Frames given a full scan.", labels=["stream"])
        seconds = CounterMetricFamily(
            "wayside_video_seconds", "Time in the stream that was decoded.", labels=["stream"]
        )
        flying = GaugeMetricFamily("wayside_frames_in_flight", "Frames decoded and not yet settled.", labels=["stream"])
        dropped = CounterMetricFamily("wayside_frames_dropped", "Frames dropped.", labels=["stream", "reason"])
        last = GaugeMetricFamily(
            "wayside_stream_last_frame_timestamp_seconds", "When the last frame was decoded.", labels=["stream"]
        )
        for stream, count in counts.items():
            results.add_metric([stream, "decoded"], count.decoded)
            results.add_metric([stream, "processed"], count.processed)
            results.add_metric([stream, "dropped"], count.dropped_total)
            results.add_metric([stream, "sampled_out"], count.sampled_out)
            results.add_metric([stream, "corrupt"], count.corrupt)
            scanned.add_metric([stream], count.scanned)
            seconds.add_metric([stream], count.video_seconds)
            flying.add_metric([stream], count.in_flight)
            for reason, number in count.dropped.items():
                dropped.add_metric([stream, reason], number)
        for stream, timestamp in last_frame.items():
            last.add_metric([stream], timestamp)
        yield from (results, scanned, seconds, flying, dropped, last)


@dataclass(frozen=True, slots=True)
class StreamCondition:
    """How a stream is, as of one moment.

    is_up: it gives frames; health: what a live source says of itself, None of one that says nothing
    age_seconds: since the last frame was decoded, None where there was none
    lag_seconds: how long the last frame that was dealt with took, from decoding on; None where there was none
    gap: the one that lasts now; gaps: so far, by reason; gap_seconds: not watched so far, this one included
    coverage: the share of its time that frames were looked at in, 0 to 1
    """

    is_up: bool
    is_live: bool
    health: Health | None
    age_seconds: float | None
    lag_seconds: float | None
    gap: Gap | None
    gaps: Mapping[Reason, int]
    gap_seconds: float
    coverage: float


class StreamLedger(Collector):
    """Keeps what is known of each stream beside its frames. Any thread may call it."""

    def __init__(self, frames: FrameLedger) -> None:
        self._lock = threading.Lock()
        self._frames = frames
        self._streams: dict[str, _Stream] = {}

    def open(self, stream: str, health: Callable[[], Health] | None = None, *, is_live: bool = False) -> None:
        """Begin with a stream; health: what a live source is asked by, which any thread may do and never blocks."""
        with self._lock:
            before = self._streams.get(stream)
            self._streams[stream] = new = _Stream(health, is_live, time.monotonic())
            if before is not None:  # the source was changed; what was counted stays
                new.gaps, new.gap_seconds, new.opened_at = before.gaps, before.gap_seconds, before.opened_at

    def over(self, stream: str) -> None:
        """It has ended or failed."""
        with self._lock:
            self._streams[stream].is_over = True

    def forget(self, stream: str) -> None:
        """Show it no more."""
        with self._lock:
            self._streams.pop(stream, None)

    def gap(self, gap: Gap) -> None:
        """It is not being watched; or, with an end, it is again."""
        with self._lock:
            known = self._streams[gap.stream]
            if known.gap is None:
                known.gaps[gap.reason] += 1
            known.gap = gap if gap.end_seconds is None else None
            known.gap_at = time.monotonic()
            if gap.end_seconds is not None:
                known.gap_seconds += gap.lost_seconds

    def lag(self, stream: str, seconds: float) -> None:
        """A frame was dealt with, so long after it was decoded."""
        with self._lock:
            if stream in self._streams:
                self._streams[stream].lag_seconds = seconds

    def snapshot(self) -> dict[str, StreamCondition]:
        """Return how all streams are."""
        with self._lock:
            known = {stream: replace(kept, gaps=kept.gaps.copy()) for stream, kept in self._streams.items()}
        counts = self._frames.snapshot()
        return {stream: _condition(kept, counts.get(stream, FrameCounts())) for stream, kept in known.items()}

    def collect(self) -> Iterator[Metric]:
        def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(f"wayside_stream_{name}", text, labels=["stream", *labels])

        def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
            return CounterMetricFamily(f"wayside_stream_{name}", text, labels=["stream", *labels])

        up = gauge("up", "1 while the stream gives frames, 0 while or since it does not.")
        state = gauge("state", "1 for the state that a live stream is in, 0 for the others.", "state")
        reconnects = counter("reconnects", "Times that a live stream was connected to again.", "reason")
        gaps = counter("gaps", "Times that a live stream was not watched.", "reason")
        gap_seconds = counter("gap_seconds", "Time that a live stream was not watched.")
        fps = gauge("fps", "Frames a second that a live stream gives, measured of late.")
        lag = gauge("lag_seconds", "How long the last frame that was dealt with took, from decoding on.")
        clock = gauge("clock_info", "How a live stream's times are tied to the world's.", "method")
        error = gauge("clock_error_seconds", "How far they may be off.")
        jumps = counter("discontinuities", "Jumps of a live stream's own clock.")
        coverage = GaugeMetricFamily(
            "wayside_coverage_ratio", "Share of a stream's time that was looked at, since it began.", labels=["stream"]
        )
        for stream, now in self.snapshot().items():
            up.add_metric([stream], now.is_up)
            coverage.add_metric([stream], now.coverage)
            if now.lag_seconds is not None:
                lag.add_metric([stream], now.lag_seconds)
            if not now.is_live:
                continue
            gap_seconds.add_metric([stream], now.gap_seconds)
            for reason, number in now.gaps.items():
                gaps.add_metric([stream, reason], number)
            if (health := now.health) is None:
                continue
            for name in STATES:
                state.add_metric([stream, name], name == health.state)
            for reason, number in health.reconnects.items():
                reconnects.add_metric([stream, reason], number)
            jumps.add_metric([stream], health.discontinuities)
            if health.fps is not None:
                fps.add_metric([stream], health.fps)
            if health.wall_clock is not None:
                clock.add_metric([stream, health.wall_clock.method], 1)
                if health.wall_clock.error_seconds is not None:
                    error.add_metric([stream], health.wall_clock.error_seconds)
        yield from (up, state, reconnects, gaps, gap_seconds, fps, lag, clock, error, jumps, coverage)


@dataclass(slots=True)
class _Stream:
    """What is kept of one; times are `time.monotonic()`."""

    health: Callable[[], Health] | None
    is_live: bool
    opened_at: float
    is_over: bool = False
    lag_seconds: float | None = None
    gap: Gap | None = None
    gap_at: float = 0.0
    gaps: Count[Reason] = field(default_factory=Count)
    gap_seconds: float = 0.0


def _condition(kept: _Stream, counts: FrameCounts) -> StreamCondition:
    now, health = time.monotonic(), kept.health() if kept.health is not None else None
    lasting = 0.0 if kept.gap is None else kept.gap.lost_seconds + now - kept.gap_at
    passed = now - kept.opened_at if kept.is_live else counts.video_seconds
    last = None if health is None else health.last_frame_at
    return StreamCondition(
        is_up=not kept.is_over and (health is None or health.state in _WATCHED),
        is_live=kept.is_live,
        health=health,
        age_seconds=None if last is None else now - last,
        lag_seconds=kept.lag_seconds,
        gap=kept.gap,
        gaps=kept.gaps,
        gap_seconds=kept.gap_seconds + lasting,
        coverage=min(1.0, counts.watched_seconds / passed) if passed > 0 else 0.0,
    )


class StageClock:
    """How long each stage of the pipeline works, in wall time; stages of different threads overlap."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._lock = threading.Lock()
        self._seconds: dict[str, float] = {}
        self._histogram = Histogram(
            "wayside_stage_duration_seconds",
            "Time a stage took for one piece of its work (decode: a frame, scan: a batch, verify: a round).",
            ["stage"],
            buckets=_STAGE_BUCKETS,
            registry=registry,
        )

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Time the body of a `with`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            self._histogram.labels(stage).observe(seconds)
            with self._lock:
                self._seconds[stage] = self._seconds.get(stage, 0.0) + seconds

    def seconds(self) -> dict[str, float]:
        """Return each stage's total so far."""
        with self._lock:
            return dict(self._seconds)


class Metrics:
    """The metrics of one run, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.frames = FrameLedger()
        registry.register(self.frames)
        self.streams = StreamLedger(self.frames)
        registry.register(self.streams)
        self.stages = StageClock(registry)
        self.batch_frames = Histogram(
            "wayside_batch_frames", "Frames in a batch, of all streams.", buckets=_BATCH_BUCKETS, registry=registry
        )
        self.overload_level = Gauge(
            "wayside_overload_level",
            "What is left out of live streams to stay in time: 0 nothing, 6 the most.",
            registry=registry,
        )
        self.reloads = Counter(
            "wayside_config_reloads", "Times that the settings were read again.", ["result"], registry=registry
        )
        self.last_reload_at = Gauge(
            "wayside_config_last_reload_timestamp_seconds", "When they were last read.", registry=registry
        )
        self.last_reload_ok = Gauge(
            "wayside_config_last_reload_ok", "1 where they could be used then, 0 where not.", registry=registry
        )
        self.cuts = Counter(
            "wayside_stream_cuts",
            "Shot cuts, jumps of a stream's clock and changes of its picture size; each ends all tracks.",
            ["stream"],
            registry=registry,
        )
        self.queued = Gauge(
            "wayside_queue_frames", "Frames that wait in a stream's queue.", ["stream"], registry=registry
        )
        self.queue_bytes = Gauge("wayside_queue_bytes", "Bytes that all waiting frames hold.", registry=registry)
        self.queue_limit_bytes = Gauge("wayside_queue_limit_bytes", "Bytes they may hold.", registry=registry)
        self.latency = Histogram(
            "wayside_end_to_end_latency_seconds",
            "From decoding a frame to handing what came of it to the sinks.",
            buckets=_LATENCY_BUCKETS,
            registry=registry,
        )
        self.sightings = Counter("wayside_sightings", "Signs seen and passed.", ["meaning"], registry=registry)
        self.other_signs = Counter(
            "wayside_other_signs", "Signs seen that the catalogue does not know.", registry=registry
        )
        self.announced = Counter("wayside_signs_announced", "Signs told to the driver.", ["meaning"], registry=registry)
        self.announced_ahead = Histogram(
            "wayside_sign_announced_ahead_seconds",
            "How long before a sign passes it was told, as estimated then; 0 where it had passed.",
            buckets=_AHEAD_BUCKETS,
            registry=registry,
        )
        self.limit_changes = Counter(
            "wayside_limit_changes", "Changes of the limit in force.", ["reason"], registry=registry
        )
        self.scores = Histogram(
            "wayside_sighting_score",
            "Scores of finished signs: watch it drift.",
            buckets=_SCORE_BUCKETS,
            registry=registry,
        )
        self.written = Counter("wayside_sink_items", "Things written by a sink.", ["sink"], registry=registry)
        self.sink_errors = Counter("wayside_sink_errors", "Sinks that failed.", ["sink"], registry=registry)
        self.impressions = Counter(
            "wayside_impressions", "Exposures of a brand that ended.", ["stream", "brand"], registry=registry
        )
        self.exposure_seconds = Counter(
            "wayside_exposure_seconds",
            "Time on screen of exposures that ended.",
            ["stream", "brand"],
            registry=registry,
        )
        self.open_exposures = Gauge(
            "wayside_open_exposures", "Exposures that have begun and not ended.", ["stream"], registry=registry
        )
        self.ledger_rows = Counter(
            "wayside_ledger_rows", "Rows added to the chain of the ledger.", ["stream"], registry=registry
        )
        self.evidence_bytes = Counter(
            "wayside_evidence_bytes", "Bytes of evidence written.", ["stream"], registry=registry
        )
        sink = ["stream", "sink"]
        self.spool_events = Gauge("wayside_spool_events", "Events that wait for a receiver.", sink, registry=registry)
        self.spool_bytes = Gauge("wayside_spool_bytes", "Bytes that they hold.", sink, registry=registry)
        self.spool_limit_bytes = Gauge(
            "wayside_spool_limit_bytes", "Bytes that they may hold.", sink, registry=registry
        )
        self.events_delivered = Counter(
            "wayside_events_delivered", "Events that a receiver acknowledged.", sink, registry=registry
        )
        self.delivery_failures = Counter(
            "wayside_delivery_failures", "Attempts at delivery that failed and are repeated.", sink, registry=registry
        )
        self.dead_letters = Counter(
            "wayside_dead_letters", "Events that a receiver refused for good.", sink, registry=registry
        )
        self.events_lost = Counter(
            "wayside_events_lost",
            "Events that were dropped as there was no room for them on disk.",
            sink,
            registry=registry,
        )
        self._of_streams = (
            *(self.cuts, self.queued, self.impressions, self.exposure_seconds, self.open_exposures, self.ledger_rows),
            *(self.evidence_bytes, self.spool_events, self.spool_bytes, self.spool_limit_bytes),
            *(self.events_delivered, self.delivery_failures, self.dead_letters, self.events_lost),
        )
        self._brands: set[str] = set()
        self._models = Gauge("wayside_model_info", "Weights in use.", ["file", "sha256"], registry=registry)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Gauge("wayside_build_info", "The program's version.", ["version"], registry=registry).labels(
            versions()["wayside"]
        ).set(1)
        libraries = Gauge("wayside_dependency_info", "Versions of libraries.", ["lib", "version"], registry=registry)
        for name in LIBRARIES:
            libraries.labels(name, versions()[name]).set(1)

    def event(self, event: Event) -> None:
        """Count what came of a stream."""
        match event:
            case Sighting():
                self.sightings.labels(event.meaning).inc()
                self.scores.observe(event.score)
            case OtherSign():
                self.other_signs.inc()
            case Announcement():
                self.announced.labels(event.meaning).inc()
                self.announced_ahead.observe(event.passes_in_seconds or 0.0)
            case LimitChange():
                self.limit_changes.labels(event.reason).inc()
            case Impression():
                labels = event.stream, self._brand(event.brand)
                self.impressions.labels(*labels).inc()
                self.exposure_seconds.labels(*labels).inc(event.on_screen_seconds)

    def models(self, hashes: Mapping[str, str]) -> None:
        """Tell which weights are in use: file name to sha256."""
        for file, sha256 in hashes.items():
            self._models.labels(file, sha256).set(1)

    def _brand(self, brand: str) -> str:
        """Return the label of a brand: its name, or "other" for those that come when there are `BRAND_LABELS`."""
        if len(self._brands) < BRAND_LABELS:
            self._brands.add(brand)
        return brand if brand in self._brands else "other"

    def pages(self) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
        """Return a WSGI application that answers with all metrics."""
        return cast("Callable[[dict[str, Any], Any], Iterable[bytes]]", make_wsgi_app(self.registry))

    def forget(self, stream: str) -> None:
        """Show a stream no more: it was taken out of the run."""
        self.frames.forget(stream)
        self.streams.forget(stream)
        for metric in self._of_streams:
            metric.remove_by_labels({"stream": stream})


def versions() -> dict[str, str]:
    """Return the versions of Wayside and of the libraries that may change what comes out; "" for what is not there."""
    return {name: _version(name) for name in ("wayside", *LIBRARIES)}


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
