"""The alerts: each asks for metrics that there are, fires and keeps quiet where it should, and says what to do."""

import re
import shutil
import signal
import socket
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.exported import unknown
from tests.feeds import udp_feed
from tests.live_child import Child
from tests.ports import free_port
from tests.prometheus_server import needs_prometheus, prometheus, wait_for

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
def test_a_real_prometheus_tells_of_a_stream_that_is_killed(tmp_path: Path) -> None:
    """Of that and of no other; then of broken settings, and of the run that is killed itself."""
    rules = (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")
    (tmp_path / "rules.yml").write_text(re.sub(r"for: \w+", "for: 1s", rules), encoding="utf-8")  # or it takes minutes
    ports = {name: free_port(socket.SOCK_DGRAM) for name in ("front", "rear")}
    urls = {name: f"udp://127.0.0.1:{port}" for name, port in ports.items()}
    with (
        udp_feed(ports["rear"]),
        udp_feed(ports["front"]) as front,
        Child(tmp_path, urls) as run,
        prometheus(tmp_path, [f"127.0.0.1:{run.port}"], rules=tmp_path / "rules.yml") as server,
    ):

        def told() -> tuple[object, ...]:
            return server.firing(), run.get("/status"), run.log.read_text(encoding="utf-8")

        down = ("WaysideStreamDown", "front")
        run.wait_live("front", "rear", seconds=120)
        wait_for(lambda: down not in server.firing() and len(server.query("wayside_stream_up == 1")) == 2, 60, told)
        front.is_paused = True
        wait_for(lambda: down in server.firing(), 60, told)
        assert ("WaysideStreamDown", "rear") not in server.firing(), "it is as it should be"
        front.is_paused = False
        wait_for(lambda: down not in server.firing(), 60, told)

        run.file.write_text("[[streams]]", encoding="utf-8")
        run.process.send_signal(signal.SIGHUP)
        wait_for(lambda: ("WaysideReloadFailed", "") in server.firing(), 60, told)
        assert run.process.poll() is None
        run.process.kill()
        wait_for(lambda: ("WaysideGone", "") in server.firing(), 60, told)
