"""What is deployed fits what the program does: its dashboard and alerts ask for metrics that there are, and so on."""

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.config import read_config
from tests.test_metrics import filled

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/overview.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed (Debian package prometheus)"
)


def expressions() -> dict[str, str]:
    """Return the queries of the dashboard by their panel, with Grafana's variables filled in."""
    return {
        f"{panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "1m").replace("$stream", ".*")
        for panel in PANELS
        for target in panel["targets"]
    }


def metrics() -> dict[str, set[str]]:
    """Return the labels of every metric that a run may show, by its name."""
    names: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(generate_latest(filled().registry).decode()):
        for sample in family.samples:
            names.setdefault(sample.name, set()).update(sample.labels)
    return names


def selectors(text: str) -> list[tuple[str, set[str]]]:
    """Return each metric that a text names, with the labels that it is asked for."""
    found = re.findall(r"\b((?:wayside|process)_\w+)(?:\{([^}]*)\})?", text)
    return [(name, set(re.findall(r"(\w+)[=!]", labels))) for name, labels in found]


@pytest.mark.parametrize("panel", expressions())
def test_the_dashboard_asks_for_metrics_that_there_are(panel: str) -> None:
    asked = selectors(expressions()[panel])
    assert asked, "a query names a metric"
    for name, labels in asked:
        assert name in metrics(), panel
        assert labels <= metrics()[name], f"{panel}: labels of {name}"


def test_the_rules_ask_for_metrics_that_there_are() -> None:
    asked = selectors(
        re.sub(r"^# .*|alert: .*", "", (PROMETHEUS / "rules.yml").read_text(encoding="utf-8"), flags=re.M)
    )
    assert len(asked) > 5
    for name, labels in asked:
        assert labels <= metrics().get(name, set()), f"rules.yml: {name} {labels}"


def test_the_dashboard_is_kept_well() -> None:
    assert DASHBOARD["uid"] == "wayside-overview", "links to it hold only while this stays"
    assert [variable["name"] for variable in DASHBOARD["templating"]["list"]] == ["datasource", "stream"]
    cells = [
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells), "panels overlap"
    for panel in PANELS:
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["datasource"]["uid"] == "${datasource}", panel["title"]


@needs_promtool
@pytest.mark.parametrize(
    "command",
    [
        ("check", "config", "prometheus.yml"),  # with its rules
        ("check", "rules", "rules.yml"),
        ("test", "rules", "rules_test.yml"),  # each alert fires, and keeps quiet
    ],
    ids=" ".join,
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    checked = subprocess.run(["promtool", *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@needs_promtool
def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"panel{number}", "expr": query} for number, query in enumerate(expressions().values())]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))  # is YAML too
    checked = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_every_alert_is_tested() -> None:
    alerts = set(re.findall(r"alert: (\w+)", (PROMETHEUS / "rules.yml").read_text(encoding="utf-8")))
    fired = set(re.findall(r"alertname: (\w+)\n +exp_alerts:\n", (PROMETHEUS / "rules_test.yml").read_text("utf-8")))
    assert alerts == fired


def test_the_container_is_reached_where_prometheus_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WAYSIDE_SOURCE", "sample:road?seconds=600")
    config = read_config(ROOT / "deploy/wayside.compose.toml")
    assert config.metrics.address == "0.0.0.0"
    assert f"wayside:{config.metrics.port}" in (PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8")


def test_an_installed_package_has_its_data() -> None:
    """Data that no pattern of pyproject.toml names is there in a checkout and missing in the container."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for package, patterns in project["tool"]["setuptools"]["package-data"].items():
        kept = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        files = {path for path in (ROOT / package).rglob("*") if path.is_file() and "__pycache__" not in path.parts}
        left_out = {path for path in files - kept if path.suffix != ".py"}
        assert not left_out, f"{package}: no pattern for these"


def test_contributors_are_sent_to_places_that_there_are() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    places = set(re.findall(r"(?<=`)(?:streams|detectors|pipeline|tests|deploy|docs)/[\w./-]*(?=`)", text))
    assert len(places) > 20
    assert not [place for place in places if not (ROOT / place).exists()]


def made(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder with this Makefile, where setup and wayside are stand-ins that say how they are called."""
    shutil.copy(ROOT / "Makefile", folder)
    for program in ("deploy/setup.sh", ".venv/bin/wayside"):
        (folder / program).parent.mkdir(parents=True)
        (folder / program).write_text("#!/bin/sh\nIFS='|'; echo \"$0|$*\"\n")
        (folder / program).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    return subprocess.run(
        ["make", *words], cwd=folder, env=inherited, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("given", "calls"),
    [
        ([], ["sample|road|out/road.mp4|--seconds|30", "watch|out/road.mp4|--task|signs|--out|out/demo|--video"]),
        (["VIDEO=my drive.mp4", "TO=de"], ["watch|my drive.mp4|--task|signs|--lang|de|--out|out/demo|--video"]),
        (
            ["VIDEO=Anna's.mp4", "OUT=my out", "ARGS=--country PT"],
            ["watch|Anna's.mp4|--task|signs|--out|my out|--video|--country|PT"],
        ),
    ],
    ids=["a sample, in the locale's language", "an own video, in German", "odd names, more flags"],
)
def test_make_demo_watches_what_it_is_given(tmp_path: Path, given: list[str], calls: list[str]) -> None:
    done = made(tmp_path, "demo", *given)
    assert done.stdout.splitlines() == ["deploy/setup.sh|", *(f".venv/bin/wayside|{call}" for call in calls)]


@pytest.mark.parametrize(
    ("given", "calls", "folder"),
    [
        (
            [],
            [
                "sample|match|out/match.mp4|--seconds|30",
                "enrol|out/match.brands|--gallery|out/match.gallery",
                "watch|out/match.mp4|--task|logos|--gallery|out/match.gallery|--out|out/demo-logos|--video",
            ],
            "out/demo-logos",
        ),
        (
            ["VIDEO=Anna's.mp4", "GALLERY=my brands", "OUT=my out", "ARGS=--profile raw"],
            ["watch|Anna's.mp4|--task|logos|--gallery|my brands|--out|my out|--video|--profile|raw"],
            "my out",
        ),
        (["VIDEO=m.mp4"], ["watch|m.mp4|--task|logos|--out|out/demo-logos|--video"], "out/demo-logos"),
    ],
    ids=["a sample", "an own video, odd names", "an own video without a gallery, of which watch speaks"],
)
def test_make_demo_accounts_for_brands(tmp_path: Path, given: list[str], calls: list[str], folder: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/match.gallery").write_text("of another version")
    done = made(tmp_path, "demo", "TASK=logos", *given)
    after = [f"ledger|verify|{folder}", f"report|{folder}"]
    told = ["deploy/setup.sh|report", *(f".venv/bin/wayside|{call}" for call in [*calls, *after])]
    files = ("video    annotated.mp4", "report   report.html", "account  ledger.sqlite", "events   events.jsonl")
    told += [f"{line[:9]}{folder}/{line[9:]}" for line in files]
    assert done.stdout.splitlines() == told
    assert (tmp_path / "out/match.gallery").exists() == bool(given), "made anew with what it is compared with"


def test_make_demo_of_an_unknown_task(tmp_path: Path) -> None:
    done = made(tmp_path, "demo", "TASK=logo")
    assert done.returncode != 0
    assert done.stderr.startswith("make demo: there is no TASK=logo: it is signs or logos\n")
    assert not done.stdout


def test_setup_is_quick_for_what_is_there(tmp_path: Path) -> None:
    """With a stand-in for Python that says what it is called for: pip is asked once for each thing."""
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    python, setup = tmp_path / ".venv/bin/python", tmp_path / "deploy/setup.sh"
    for path in (python, setup):
        path.parent.mkdir(parents=True)
    shutil.copy(ROOT / "deploy/setup.sh", setup)
    python.write_text('#!/bin/sh\ncase "$*" in *install*) echo "$*" >>pip.log;; esac\n')
    python.chmod(0o755)

    def installed(extras: str) -> list[str]:
        (tmp_path / "pip.log").write_text("")
        subprocess.run([setup, extras], capture_output=True, timeout=60, check=True)
        return [line.split()[-1] for line in (tmp_path / "pip.log").read_text().splitlines()]

    assert installed("") == ["."]
    assert installed("") == []
    assert installed("report") == [".[report]"]
    for held in ("", "report"):
        assert installed(held) == [], "the one does not make the other forgotten"
    (tmp_path / ".venv/setup-stamp").write_text(
        "\n".join([(tmp_path / ".venv/setup-stamp").read_text().splitlines()[0], "train", "dev"])
    )
    assert installed("report") == [], "all of it holds this too"
    with (tmp_path / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    assert installed("report") == [".[report]"]
    assert installed("tables") == [".[tables]"], "only some of it is there now"
