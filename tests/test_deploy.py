"""What is deployed fits what the program does; dashboards and alerts have tests of their own."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from pipeline.config import read_config

ROOT = Path(__file__).parent.parent
PROMETHEUS = ROOT / "deploy/prometheus"


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
