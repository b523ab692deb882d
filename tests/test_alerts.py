"""The alerts: each asks for metrics that there are, fires and keeps quiet where it should, and says what to do."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exported import LIVE, registered, unknown
from tests.prometheus_server import needs_prometheus, prometheus, wait_for
from tests.test_metrics import free_port
from tests.worlds import Sign, write_world

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTS: dict[str, dict[str, Any]] = {
    rule["alert"]: rule
    for group in yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
}
CASES = [
    check
    for test in yaml.safe_load((PROMETHEUS / "rules_test.yml").read_text(encoding="utf-8"))["tests"]
    for check in test["alert_rule_test"]
]
RUNBOOK = (ROOT / "docs/deploying.md").read_text(encoding="utf-8")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)


def test_what_is_promised_is_not_there_yet() -> None:
    assert not LIVE.keys() & registered().keys(), "tests/exported.py: these are there now, take them out of LIVE"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_asks_for_metrics_that_there_are(alert: str) -> None:
    assert not unknown(ALERTS[alert]["expr"])


def test_a_misspelt_metric_is_found_out() -> None:
    assert unknown("rate(wayside_frame_total[5m]) > 0") == ["wayside_frame_total"]
    assert unknown('wayside_frames_total{results="decoded"}') == ["wayside_frames_total{results}"]
    assert unknown('waysde_frames_total{result="decoded"} == 1') == ["waysde_frames_total"]


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_what_to_do(alert: str) -> None:
    annotations = ALERTS[alert]["annotations"]
    assert annotations["runbook"] == f"docs/deploying.md#{alert.lower()}"
    assert ALERTS[alert]["labels"]["severity"] in ("page", "ticket")
    section = re.search(rf"^### {alert}\n(.*?)(?=^#|\Z)", RUNBOOK, re.MULTILINE | re.DOTALL)
    assert section, f"docs/deploying.md says nothing of {alert}"
    for part in ("**Means:**", "**Look at:**", "**Do:**"):
        assert part in section[1], f"{alert}: {part}"


def test_the_runbook_is_about_alerts_that_there_are() -> None:
    assert set(re.findall(r"^### (Wayside\w+)$", RUNBOOK, re.MULTILINE)) == set(ALERTS)


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tested_both_ways(alert: str) -> None:
    cases = [case["exp_alerts"] for case in CASES if case["alertname"] == alert]
    assert any(cases), "none in which it fires"
    assert not all(cases), "none in which it keeps quiet"


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),  # with its rules
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    checked = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_the_settings_that_the_guide_shows(tmp_path: Path) -> None:
    shown = re.search(r"^ +rule_files: .*\n(?:.+\n)+", RUNBOOK, re.MULTILINE)
    assert shown
    shutil.copy(PROMETHEUS / "rules.yml", tmp_path)
    config = tmp_path / "prometheus.yml"
    config.write_text(textwrap.dedent(shown[0]), encoding="utf-8")
    assert [job["job_name"] for job in yaml.safe_load(config.read_text("utf-8"))["scrape_configs"]] == ["wayside"]
    checked = subprocess.run(["promtool", "check", "config", str(config)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_prometheus
def test_a_real_prometheus_tells_of_a_stream_that_ends_and_of_a_run_that_is_killed(tmp_path: Path) -> None:
    rules = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_text(re.sub(r"for: \w+", "for: 1s", rules), encoding="utf-8")  # or it takes minutes
    short = write_world(tmp_path / "short.mkv", [Sign(2, z=45)], 1.0)
    port = free_port()
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "pipeline", "watch", str(short), "sample:road?seconds=300&size=320x192&fps=10"),
            *("--out", str(tmp_path / "out"), "--metrics-port", str(port), "--quiet"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        with prometheus(tmp_path, [f"127.0.0.1:{port}"], rules=tmp_path / "rules.yml") as server:

            def told() -> tuple[object, object]:
                return server.firing(), server.query("wayside_stream_up")

            wait_for(lambda: len(server.query("wayside_stream_up")) == 2, 180, told)
            wait_for(lambda: ("WaysideStreamDown", "short") in server.firing(), 60, told)
            assert ("WaysideStreamDown", "sample-road") not in server.firing(), "it is as it should be"
            run.kill()
            wait_for(lambda: ("WaysideGone", "") in server.firing(), 30, told)
    finally:
        run.kill()
        run.wait()
