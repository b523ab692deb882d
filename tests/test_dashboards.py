"""The dashboards: made from Python, and every panel asks for what a real run exports, in words a Prometheus takes."""

import json
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.models import units
from prometheus_client import start_http_server

from deploy.grafana.boards import BAD, FOLDER, OVERLOAD, STATE, STATES, boards, gained, of
from detectors.gallery import Gallery
from pipeline.brands.settings import BrandsSettings
from pipeline.config import Config, OutputSettings, StreamSettings, read_config
from pipeline.metrics import Metrics
from pipeline.overload import LEVELS, Effort
from pipeline.receivers import WebhookSettings
from pipeline.road.task import RoadSettings
from pipeline.run import watch
from streams.gap import STATES as STREAM_STATES
from tests.exported import asked, registered, unknown
from tests.feeds import udp_feed
from tests.live_child import Child
from tests.ports import free_port
from tests.prometheus_server import Server, needs_prometheus, prometheus, wait_for
from tests.receiving import receiver
from tests.worlds import Sign, SquareDetector, write_world

BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in boards().items()}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, board in BOARDS.items()
    for panel in board["panels"]
    if panel["type"] != "row"
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)


def filled_in(query: str) -> str:
    """Return a query as Grafana sends it, everything chosen."""
    for name, value in {"$__rate_interval": "1m", "$__range": "1h", "$instance": ".*", "$stream": ".*"}.items():
        query = query.replace(name, value)
    query = query.replace("$brand", ".*")
    assert "$" not in query, "a variable that the test does not know"
    return query


QUERIES = {
    f"{title} {target['refId']}": filled_in(target["expr"])
    for title, panel in PANELS.items()
    for target in panel["targets"]
}
ASIDE = {
    f"{name}: {note['name']}": filled_in(note["expr"])
    for name, board in BOARDS.items()
    for note in board["annotations"]["list"]
}

QUIET = {
    "Alerts": "none fires, as no rules are loaded",
    "Bad streams C": "a stream that gives no frames has no rate",
    "Bad streams G": "nothing was dropped",
    "Cuts": "there was none",
    "Dropped, by reason": "nothing was dropped",
    "Dropped, by stream": "nothing was dropped",
    "Sinks that failed": "none did",
    "Attempts that failed": "none did",
    "Refused for good": "nothing was",
    "Lost": "nothing was",
}
"""Panels, or one query of a panel, that may be empty, since nothing need have gone wrong."""


# --- what is committed


def test_the_committed_dashboards_are_those_that_are_made() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(boards())
    for name, text in boards().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"run python deploy/grafana/boards.py: {name}"


@pytest.mark.parametrize("name", BOARDS)
def test_a_dashboard_is_kept_well(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == {"streams.json": "wayside-streams", "brands.json": "wayside-brands"}[name], (
        "links hold on it"
    )
    variables = [variable["name"] for variable in board["templating"]["list"]]
    assert variables[:3] == ["datasource", "instance", "stream"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    assert max(x for x, _ in cells) == 23, "wider than the screen"


@pytest.mark.parametrize("title", PANELS)
def test_a_panel_explains_itself(title: str) -> None:
    panel = PANELS[title]
    assert panel["description"].endswith("."), "a sentence"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"]["uid"] == "${datasource}"
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}"
        assert target["legendFormat"]
    if panel["type"] == "stat":
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]


def test_units_are_those_that_grafana_knows() -> None:
    known = {value for name, value in vars(units).items() if not name.startswith("_") and isinstance(value, str)}
    for title, panel in PANELS.items():
        overrides = [one for override in panel["fieldConfig"]["overrides"] for one in override["properties"]]
        asked_for = [
            panel["fieldConfig"]["defaults"]["unit"],
            *(one["value"] for one in overrides if one["id"] == "unit"),
        ]
        assert set(asked_for) <= known, title


def test_every_state_of_a_stream_has_its_colour() -> None:
    assert set(STATES) == set(STREAM_STATES)
    assert sorted(code for code, _ in STATES.values()) == list(range(len(STATES)))
    timeline = next(panel for title, panel in PANELS.items() if "Each stream's state" in title)
    shown = timeline["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert {option["text"] for option in shown.values()} == set(STATES)


def test_every_level_of_overload_has_its_words() -> None:
    assert list(OVERLOAD) == list(range(len(LEVELS)))
    assert [text for text, _ in OVERLOAD.values()] == [_words(effort) for effort in LEVELS]


def _words(effort: Effort) -> str:
    if effort.keep_every > 1:
        return {2: "every 2nd frame", 4: "every 4th frame"}[effort.keep_every]
    if effort.shrink < 1:
        return {0.7: "scans at 0.7 of the size", 0.5: "scans at half the size"}[effort.shrink]
    return f"scans {effort.scans:g}x further apart" if effort.scans > 1 else "nothing left out"


# --- what they ask for


@pytest.mark.parametrize("panel", [*QUERIES, *ASIDE])
def test_a_panel_asks_for_metrics_that_there_are(panel: str) -> None:
    assert not unknown({**QUERIES, **ASIDE}[panel])


def test_every_metric_is_shown() -> None:
    shown = {name for query in QUERIES.values() for name in asked(query)}
    named = {name for name in registered() if name.startswith("wayside_")}
    untold = {name for name in named - shown if not name.endswith(("_bucket", "_sum", "_count"))}
    assert untold == {"wayside_dependency_info"}, "it is for looking up, not for a wall"


@needs_promtool
def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    rules = [{"record": f"panel{number}", "expr": query} for number, query in enumerate((QUERIES | ASIDE).values())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboards", "rules": rules}]}))  # is YAML too
    checked = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


SECONDS = filled_in(gained(of("wayside_exposure_seconds_total", brand="=~$brand"), "brand"))


@needs_promtool
@pytest.mark.parametrize(
    ("query", "series", "expected"),
    [
        (
            SECONDS,
            {'x{brand="old"}': "0+2x120", 'x{brand="new"}': "_x90 5x30", 'x{brand="gone"}': "_x70 9x5 _x60"},
            {'{brand="old"}': 120, '{brand="new"}': 5, '{brand="gone"}': 9},
        ),
        (SECONDS, {'x{brand="a", stream="1"}': "7x120", 'x{brand="a", stream="2"}': "_x90 3x30"}, {'{brand="a"}': 3}),
        (
            STATE,
            {
                'wayside_stream_state{stream="wall", state="frozen"}': "1x120",
                'wayside_stream_state{stream="wall", state="live"}': "0x120",
                'wayside_stream_up{stream="wall"}': "1x120",
                'wayside_stream_up{stream="file"}': "1x120",
                'wayside_stream_up{stream="read"}': "0x120",
            },
            {'{stream="wall"}': STATES["frozen"][0], '{stream="file"}': 1, '{stream="read"}': 0},
        ),
        (
            f"count by (stream) ({BAD})",
            {
                'wayside_stream_up{stream="down"}': "0x120",
                'wayside_stream_up{stream="well"}': "1x120",
                'wayside_stream_state{stream="well", state="live"}': "1x120",
                'wayside_stream_state{stream="well", state="black"}': "0x120",
                'wayside_stream_state{stream="dark", state="black"}': "1x120",
                'wayside_stream_lag_seconds{stream="late"}': "3x120",
                'wayside_stream_lag_seconds{stream="well"}': "0.2x120",
                'wayside_frames_total{stream="thin", result="decoded"}': "0+100x120",
                'wayside_frames_total{stream="thin", result="processed"}': "0+50x120",
                'wayside_frames_total{stream="well", result="processed"}': "0+99x120",
                'wayside_coverage_ratio{stream="well"}': "0.5x120",
                'wayside_frames_dropped_total{stream="lossy", reason="late"}': "0+10x120",
                'wayside_frames_dropped_total{stream="well", reason="shutdown"}': "0+10x120",
                'wayside_frames_total{stream="lossy", result="decoded"}': "0+100x120",
                'wayside_frames_total{stream="well", result="decoded"}': "0+100x120",
            },
            {f'{{stream="{name}"}}': 1 for name in ("down", "dark", "late", "thin", "lossy")},
        ),
    ],
    ids=["a counter that begins", "two streams of a brand", "states as numbers", "what is bad"],
)
def test_a_query_means_what_it_should(
    tmp_path: Path, query: str, series: dict[str, str], expected: dict[str, float]
) -> None:
    inputs = [
        {
            "series": name.replace("x{", "wayside_exposure_seconds_total{").replace("{", '{instance="a", '),
            "values": values,
        }
        for name, values in series.items()
    ]
    # The states and what is bad are told for each machine; here there is one.
    query = filled_in(query).replace("by (instance, stream)", "by (stream)")
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    test = {
        "interval": "1m",
        "input_series": inputs,
        "promql_expr_test": [{"expr": query, "eval_time": "2h", "exp_samples": samples}],
    }
    (tmp_path / "test.yml").write_text(json.dumps({"evaluation_interval": "1m", "tests": [test]}))  # is YAML too
    checked = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "test.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


# --- what real runs export


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Metrics]:
    """Return the metrics of two real runs over generated videos: signs, sent to a webhook, and brands with a ledger."""
    folder = tmp_path_factory.mktemp("runs")
    signs = write_world(folder / "drive.mkv", [Sign(2, z=45), Sign(13, x=-3.0, z=50)], 4.0)
    brands = write_world(folder / "match.mkv", [Sign(2, x=3.0, z=60.0, hidden=((1.2, 1.9),))], 2.6)
    Gallery(brands=[f"Brand {number}" for number in range(44)]).save(folder / "brands.gallery")
    logos = read_config(None, task="logos")
    with receiver() as webhook, pytest.MonkeyPatch.context() as patch:
        settings = [
            Config(
                stream=(StreamSettings(url=str(signs)),),
                road=RoadSettings(lang="de"),
                output=OutputSettings(folder=str(folder / "signs"), sinks=("events", "webhook")),
                webhook=WebhookSettings(url=webhook.url),
            ),
            replace(
                logos,
                stream=(StreamSettings(url=str(brands)),),
                tracker=replace(logos.tracker, shot_cuts=False),  # squares that come and go are no shots
                brands=BrandsSettings(gallery=str(folder / "brands.gallery"), profile="raw"),
                output=OutputSettings(folder=str(folder / "brands"), sinks=("events", "ledger")),
            ),
        ]
        kept: list[Metrics] = []

        class Kept(Metrics):
            def __init__(self) -> None:
                super().__init__()
                kept.append(self)

        patch.setattr("pipeline.run.Metrics", Kept)
        for config in settings:
            watch(config, quiet=True, detector=SquareDetector())
    return kept


def test_what_panels_ask_for_was_exported_by_real_runs(runs: list[Metrics]) -> None:
    families = {family.name for metrics in runs for family in metrics.registry.collect()}
    for panel, query in QUERIES.items():
        for name in asked(query):
            known = families & {name, name.removesuffix("_total")} or any(
                name == family + ending for family in families for ending in ("_bucket", "_sum", "_count")
            )
            assert known, f"{panel}: {name}"


@pytest.fixture(scope="module")
def server(runs: list[Metrics], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Yield a Prometheus that has scraped both runs, and one over two live streams, of which one is dead."""
    ports = []
    folder = tmp_path_factory.mktemp("live")
    feeds = {name: free_port(socket.SOCK_DGRAM) for name in ("wall", "dead")}
    with ExitStack() as stack:
        for metrics in runs:
            web, _ = start_http_server(0, addr="127.0.0.1", registry=metrics.registry)
            stack.callback(web.server_close)
            stack.callback(web.shutdown)
            ports.append(web.server_port)
        stack.enter_context(udp_feed(feeds["wall"]))
        urls = {name: f"udp://127.0.0.1:{port}" for name, port in feeds.items()}
        live = stack.enter_context(Child(folder, urls))
        live.wait_live("wall", seconds=120)
        live.process.send_signal(signal.SIGHUP)  # the same file: nothing changes, and it is told
        live.wait(lambda: live.status()["streams"]["dead"]["gap_seconds"] > 0, "the dead one is known to be", 60)
        targets = [f"127.0.0.1:{port}" for port in (*ports, live.port)]
        running = stack.enter_context(prometheus(tmp_path_factory.mktemp("prometheus"), targets))
        often = "count_over_time(up[1m]) >= 4 and up == 1"  # or there are no rates
        wait_for(lambda: len(running.query(often)) == len(targets), 60, lambda: running.query("up"))
        yield running


@needs_prometheus
@pytest.mark.parametrize("panel", QUERIES)
def test_a_real_prometheus_has_an_answer_for_every_panel(server: Server, panel: str) -> None:
    query = panel.split(": ", 1)[1]
    if query in QUIET or query.rsplit(" ", 1)[0] in QUIET:
        server.query(QUERIES[panel])
    else:  # at once, but where a scrape took too long on a busy machine
        wait_for(lambda: bool(server.query(QUERIES[panel])), 20, lambda: f"no answer; {server.query('up')}")
