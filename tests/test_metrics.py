"""What is counted adds up at every scrape, and Prometheus likes the look of it."""

import shutil
import subprocess
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.events import Impression
from pipeline.metrics import BRAND_LABELS, FrameCounts, Metrics
from streams.gap import STATES, Gap, Health, WallClock
from tests.test_events import ANNOUNCEMENT, GAP_EVENT, LIMIT, OTHER, SIGHTING

IMPRESSION = Impression(
    stream="front",
    id="1",
    brand="Nordlys",
    start_pts=25,
    end_pts=100,
    time_base="1/25",
    start_seconds=1.0,
    end_seconds=4.0,
    on_screen_seconds=2.5,
    bridged_seconds=0.5,
    start_at=None,
    end_at=None,
    clock_method="none",
    clock_error_seconds=None,
    mean_share=0.01,
    peak_share=0.02,
    position=5,
    position_shares=(0.0,) * 4 + (1.0,) + (0.0,) * 4,
    placements_mean=1.0,
    placements_peak=1,
    other_brands_mean=0.0,
    solus_seconds=2.5,
    sharpness=0.5,
    contrast=0.5,
    height_px=40,
    score_mean=0.9,
    score_peak=0.95,
    best_xyxy=(0.0, 0.0, 10.0, 10.0),
    best_seconds=2.0,
    closed_by="left",
    profile="one-second 1",
    run="r",
)

GAP = Gap("front", "stall", 1.0)
HEALTH = Health(
    "waiting",
    0.0,
    "pyav",
    last_frame_at=1.0,
    reason="stall",
    reconnects={"stall": 2},
    fps=14.9,
    wall_clock=WallClock(datetime(2026, 11, 24, tzinfo=UTC), "rtcp", 0.05),
    discontinuities=1,
)
PARTS = ("processed", "dropped", "sampled_out", "corrupt")


def filled() -> Metrics:
    """Return metrics in which everything has happened once."""
    metrics = Metrics()
    metrics.frames.open("front")
    for settle in (
        metrics.frames.processed,
        metrics.frames.sampled_out,
        metrics.frames.corrupt,
        lambda stream: metrics.frames.dropped(stream, "late"),
    ):
        metrics.frames.decoded("front", 0.04)
        settle("front")
    metrics.frames.decoded("front", 0.2)
    metrics.frames.scanned("front")
    metrics.models({"signs-scanner.safetensors": "ab" * 32})
    metrics.streams.open("front", lambda: HEALTH, is_live=True)
    metrics.streams.gap(GAP)
    metrics.streams.lag("front", 0.2)
    metrics.batch_frames.observe(3)
    metrics.reloads.labels("success").inc()
    metrics.cuts.labels("front").inc()
    metrics.queued.labels("front").set(3)
    metrics.latency.observe(0.2)
    metrics.written.labels("events").inc()
    metrics.sink_errors.labels("video").inc()
    for event in (SIGHTING, OTHER, ANNOUNCEMENT, LIMIT, IMPRESSION, GAP_EVENT):
        metrics.event(event)
    metrics.open_exposures.labels("front").set(1)
    metrics.ledger_rows.labels("front").inc()
    metrics.evidence_bytes.labels("front").inc(40_000)
    for gauge in (metrics.spool_events, metrics.spool_bytes, metrics.spool_limit_bytes):
        gauge.labels("front", "webhook").set(1)
    for counter in (metrics.events_delivered, metrics.delivery_failures, metrics.dead_letters, metrics.events_lost):
        counter.labels("front", "webhook").inc()
    with metrics.stages("decode"):
        pass
    return metrics


def scraped(metrics: Metrics) -> dict[str, float]:
    """Scrape once and return stream front's frames by result, with those in flight."""
    frames = {}
    for family in text_string_to_metric_families(generate_latest(metrics.registry).decode()):
        for sample in family.samples:
            if sample.name == "wayside_frames_total":
                frames[sample.labels["result"]] = sample.value
            elif sample.name == "wayside_frames_in_flight":
                frames["in_flight"] = sample.value
    return frames


def test_frames_by_what_became_of_them() -> None:
    assert scraped(filled()) == {**dict.fromkeys(PARTS, 1.0), "decoded": 5.0, "in_flight": 1.0}


def test_a_stream_is_seen_before_its_first_frame() -> None:
    metrics = Metrics()
    metrics.frames.open("front")
    assert scraped(metrics) == {**dict.fromkeys(PARTS, 0.0), "decoded": 0.0, "in_flight": 0.0}


def test_the_sum_holds_at_every_scrape_while_threads_count() -> None:
    metrics = Metrics()
    metrics.frames.open("front")
    is_over = threading.Event()

    def count(number: int) -> None:
        ledger = metrics.frames
        settle = (ledger.processed, ledger.sampled_out, ledger.corrupt, lambda s: ledger.dropped(s, "late"))[number % 4]
        while not is_over.is_set():
            for step in range(50):
                ledger.decoded("front", step / 25)
            for _ in range(50):
                settle("front")

    threads = [threading.Thread(target=count, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(40):
            frames = scraped(metrics)
            assert frames["decoded"] == sum(frames[part] for part in (*PARTS, "in_flight"))
            assert 0 <= frames["in_flight"] <= 8 * 50
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert scraped(metrics)["in_flight"] == 0, "every frame is settled"
    assert scraped(metrics)["decoded"] > 0


def test_a_snapshot_does_not_change() -> None:
    metrics = Metrics()
    metrics.frames.open("front")
    before = metrics.frames.snapshot()
    metrics.frames.decoded("front", 0.04)
    assert before == {"front": FrameCounts()}


def test_names_follow_the_rules() -> None:
    text = generate_latest(filled().registry).decode()
    for family in text_string_to_metric_families(text):
        assert family.name.startswith(("wayside_", "process_", "python_")), family.name
        assert family.documentation
        for sample in family.samples:
            assert not sample.name.endswith("_created"), "they double the series"
            assert sample.labels.keys() <= {
                *("stream", "result", "reason", "stage", "sink", "meaning", "file", "sha256", "lib", "version", "le"),
                *("brand", "state", "method", "implementation", "major", "minor", "patchlevel"),
            }, f"a label of {sample.name} may have no bounds"


def test_brands_have_labels_of_their_own_up_to_a_bound() -> None:
    metrics, many = Metrics(), BRAND_LABELS + 50
    for _ in range(2):
        for number in range(many):
            metrics.event(replace(IMPRESSION, brand=f"Brand {number}"))

    def told(metric: str, brand: str) -> float | None:
        return metrics.registry.get_sample_value(metric, {"stream": "front", "brand": brand})

    assert told("wayside_impressions_total", "Brand 0") == 2
    assert told("wayside_exposure_seconds_total", "Brand 0") == 5.0
    assert told("wayside_impressions_total", f"Brand {BRAND_LABELS}") is None
    assert told("wayside_impressions_total", "other") == 100, "none is lost"
    assert told("wayside_exposure_seconds_total", "other") == 250.0


def test_how_a_live_stream_is() -> None:
    metrics = filled()

    def told(name: str, **labels: str) -> float | None:
        return metrics.registry.get_sample_value(f"wayside_{name}", {"stream": "front", **labels})

    assert told("stream_up") == 0, "it waits to be connected again"
    assert {state: told("stream_state", state=state) for state in STATES} == {s: float(s == "waiting") for s in STATES}
    assert told("stream_reconnects_total", reason="stall") == 2
    assert told("stream_gaps_total", reason="stall") == 1
    first = told("stream_gap_seconds_total")
    time.sleep(0.02)
    assert 0 <= (first or 0) < (told("stream_gap_seconds_total") or 0) < 5, "it grows while the gap lasts"
    metrics.streams.gap(replace(GAP, end_seconds=8.5, lost_seconds=7.5))
    assert told("stream_gap_seconds_total") == 7.5
    assert told("stream_gaps_total", reason="stall") == 1, "its end is no other gap"
    metrics.streams.gap(replace(GAP, reason="end", end_seconds=12.0, lost_seconds=1.5))
    assert told("stream_gap_seconds_total") == 9.0
    assert told("stream_gaps_total", reason="end") == 1, "one that is told of only when it is over"
    assert (told("stream_fps"), told("stream_lag_seconds")) == (14.9, 0.2)
    assert (told("stream_clock_info", method="rtcp"), told("stream_clock_error_seconds")) == (1, 0.05)
    assert told("stream_discontinuities_total") == 1
    metrics.streams.open("front", lambda: replace(HEALTH, state="frozen"), is_live=True)
    assert told("stream_up") == 1, "a picture that stands still is watched"
    assert told("stream_gap_seconds_total") == 9.0, "another source, the same stream"
    metrics.streams.forget("front")
    assert told("stream_up") is None


def test_coverage_is_the_time_that_was_looked_at() -> None:
    metrics = Metrics()
    metrics.frames.open("front")
    metrics.streams.open("front")
    for number in range(10):
        metrics.frames.decoded("front", (number + 1) / 10)
        if number % 2:
            metrics.frames.processed("front", 0.1)
        else:
            metrics.frames.sampled_out("front")
    assert metrics.streams.snapshot()["front"].coverage == pytest.approx(0.5)
    metrics.streams.open("wall", is_live=True)
    time.sleep(0.01)
    assert metrics.streams.snapshot()["wall"].coverage == 0.0, "a live stream's time passes also without frames"


def test_promtool_finds_nothing_to_say() -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed (Debian package prometheus)")
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=generate_latest(filled().registry), capture_output=True, check=False
    )
    said = (checked.stdout + checked.stderr).decode()
    assert checked.returncode == 0, said
    assert said.strip() == ""


def test_stages_add_up() -> None:
    metrics = Metrics()
    for _ in range(3):
        with metrics.stages("scan"):
            pass
    with pytest.raises(RuntimeError), metrics.stages("verify"):
        raise RuntimeError
    assert metrics.stages.seconds().keys() == {"scan", "verify"}, "also the time before an error counts"
    count = metrics.registry.get_sample_value("wayside_stage_duration_seconds_count", {"stage": "scan"})
    assert count == 3
