"""Who may import whom: the leaves know nothing of each other or of the pipeline, and heavy things stay at home."""

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("streams", "detectors", "pipeline")
FORBIDDEN = {"streams": {"detectors", "pipeline"}, "detectors": {"streams", "pipeline"}, "pipeline": set[str]()}

OPTIONAL = (
    "gi",
    "onnxruntime",
    "ray",
    "nncf",
    "rapidocr",
    "confluent_kafka",
    "paho",
    "matplotlib",
    "jinja2",
    "pyarrow",
)
"""Not everybody has them: one file each knows them."""

DOCTOR = "pipeline/commands/doctor.py"
"""It asks libraries themselves how they are."""

HOMES = {
    "av": {"streams", DOCTOR},
    "gi": {"streams/gst_library.py"},
    "openvino": {"detectors/engines.py", "pipeline/commands/nano.py", DOCTOR},
    "resvg_py": {"detectors/rendering.py"},
    "safetensors": {"detectors/weights.py", "detectors/gallery.py"},
    "torch": {"detectors", DOCTOR},
    "prometheus_client": {"pipeline/metrics.py"},
}
"""Where a library may be imported: a package, or a file."""

FILES = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


@cache
def imported(path: Path) -> list[tuple[str, bool]]:
    """Return the first word of every import of a file, and whether it stands at the top level, where it always runs."""
    found = []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names = [node.module or ""]
        for name in names:
            found.append((name.split(".")[0], node in tree.body))
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_downwards(package: str) -> None:
    for path in FILES:
        if path.relative_to(ROOT).parts[0] == package:
            wrong = {name for name, _ in imported(path)} & FORBIDDEN[package]
            assert not wrong, f"{path.relative_to(ROOT)} must not import {', '.join(wrong)}"


@pytest.mark.parametrize("library", OPTIONAL)
def test_an_optional_library_is_known_to_one_file_that_does_without(library: str) -> None:
    users = {path: is_top for path in FILES for name, is_top in imported(path) if name == library}
    assert len(users) <= 1, f"{library} is imported in {', '.join(map(str, users))}"
    assert not any(users.values()), f"{library} must be imported where it is used, not at the top"


@pytest.mark.parametrize("library", HOMES)
def test_a_library_stays_at_home(library: str) -> None:
    for path in FILES:
        if any(name == library for name, _ in imported(path)):
            place = path.relative_to(ROOT)
            assert {place.parts[0], place.as_posix()} & HOMES[library], f"{place} must not import {library}"


def loaded(statement: str, modules: tuple[str, ...]) -> set[str]:
    """Return which of the modules a fresh interpreter has loaded after a statement."""
    code = f"{statement}; import sys; print(*(set(sys.modules) & set({modules!r})))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("statement", "modules", "remark"),
    [
        ("import pipeline.__main__", ("numpy", "cv2", "av", "torch"), "help comes at once"),
        ("import pipeline.commands.watch", ("torch", "torchvision", "openvino", "resvg_py"), "watching needs no torch"),
    ],
)
def test_nothing_heavy_is_loaded_in_advance(statement: str, modules: tuple[str, ...], remark: str) -> None:
    assert loaded(statement, modules) == set(), remark
