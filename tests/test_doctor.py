"""What `wayside doctor` says of this machine, and of one where something is broken."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def doctor(*words: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run it in a process of its own, after some lines of Python that break something."""
    script = f"import sys\n{before}\nfrom pipeline.__main__ import main\nsys.exit(main(['doctor', *{words!r}]))"
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, timeout=120)


@cache
def told(before: str = "") -> tuple[int, dict[str, Any], dict[tuple[str, str], dict[str, Any]]]:
    done = doctor("--json", before=before)
    assert not done.stderr, done.stderr
    found = json.loads(done.stdout)
    return done.returncode, found, {(one["group"], one["name"]): one for one in found["findings"]}


def test_this_machine_is_well() -> None:
    code, found, findings = told()
    assert (code, found["is_well"]) == (0, True)
    for finding in findings.values():
        assert finding["detail"], finding
        assert finding["is_working"] or not finding["is_needed"], finding
        assert not (finding["is_working"] and finding["fix"]), finding
    assert "FFmpeg" in findings["backends", "pyav"]["detail"]
    assert findings["watching", "detectors"]["is_working"]


def test_extras_are_those_of_the_project() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    _, _, findings = told()
    assert {name for group, name in findings if group == "extras"} == extras.keys() - {"dev"}


def test_the_table_is_for_a_terminal() -> None:
    done = doctor()
    assert done.returncode == 0
    assert re.match(r"wayside \d+\.\d+\.\d+, Python 3\.\d+\.\d+, .+ on \w+, \d+ cores\n\nwatching\n  ok ", done.stdout)
    assert done.stdout.endswith("All that watching needs works.\n")
    for line in done.stdout.splitlines():
        assert re.match(r"$|\w|  (ok|--|!!) \S|     +> \S", line), line


@pytest.mark.parametrize(
    ("before", "place", "code", "fix"),
    [
        ("sys.modules['av'] = None", ("backends", "pyav"), 1, "pip install --force-reinstall av"),
        ("sys.modules['cv2'] = None", ("watching", "detectors"), 1, "pip install"),
        ("sys.modules['openvino'] = None", ("devices", "openvino"), 1, "pip install --force-reinstall openvino"),
        ("sys.modules['gi'] = None", ("backends", "gstreamer"), 0, "apt-get install gstreamer1.0"),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (200, 4096))",
            ("watching", "open files"),
            0,
            "ulimit -n 1024",
        ),
        (
            "import detectors.weights as w; from pathlib import Path; w.SHIPPED = Path('nowhere')",
            ("watching", "detectors"),
            1,
            "pip install",
        ),
        ("import os; os.environ['PATH'] = ''", ("programs", "espeak-ng"), 0, "apt-get install espeak-ng"),
    ],
)
def test_what_is_broken_is_named_with_its_remedy(before: str, place: tuple[str, str], code: int, fix: str) -> None:
    returned, found, findings = told(before)
    assert not findings[place]["is_working"], findings[place]
    assert fix in findings[place]["fix"]
    assert "\n" not in findings[place]["detail"]
    assert (returned, found["is_well"]) == (code, not code)
