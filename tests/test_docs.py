"""What there is is described: every command and flag, key, metric, event and field; and nothing that is not there."""

import argparse
import importlib
import re
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from pipeline.__main__ import COMMANDS
from pipeline.config import Config
from pipeline.events import EVENTS
from pipeline.sinks import FILES, SINKS
from tests.test_metrics import filled

ROOT = Path(__file__).parents[1]
DOCS = {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md")}
README = (ROOT / "README.md").read_text("utf-8")


def section(text: str, title: str) -> str:
    """Return what stands below a heading, up to the next one of its rank."""
    match = re.search(rf"^(#+) {re.escape(title)}\n(.*?)(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match, f"no heading {title!r}"
    return match[2]


def flags(command: str) -> set[str]:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(COMMANDS[command][0]).configure(parser)
    return {option for action in parser._actions for option in action.option_strings if option.startswith("--")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_flag(command: str) -> None:
    text = section(DOCS["docs/commands.md"], f"wayside {command}")
    told = set(re.findall(r"^\| `(--[\w-]+)", text, re.MULTILINE))
    assert told == flags(command)


@pytest.mark.parametrize("name", [field.name for field in fields(Config)])
def test_every_key_and_its_default(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", section(DOCS["docs/configuration.md"], name), re.MULTILINE))
    kind = next(field for field in fields(Config) if field.name == name)
    default = getattr(Config(), name)
    keys = (
        fields(default)
        if not isinstance(default, tuple)
        else fields(importlib.import_module("pipeline.config").StreamSettings)
    )
    assert rows.keys() == {key.name for key in keys}, kind.name
    for key in keys:
        if key.default not in (MISSING, None) and not isinstance(key.default, tuple):
            told = rows[key.name].strip("` ")
            shown = key.default if isinstance(default, tuple) else getattr(default, key.name)
            same = told.lower() == str(shown).lower() or (not isinstance(shown, bool | str) and float(told) == shown)
            assert same, f"{name}.{key.name}"


def test_every_metric() -> None:
    told = set(re.findall(r"`(wayside_\w+)`", DOCS["docs/metrics.md"])) - {"wayside_"}
    named = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in filled().registry.collect()
        if family.name.startswith("wayside_")
    }
    assert told == named


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.type)
def test_every_event_and_field(event: type) -> None:
    text = section(DOCS["docs/events.md"], event.type)  # type: ignore[attr-defined]
    if event.type == "other_sign":  # type: ignore[attr-defined]
        text += section(DOCS["docs/events.md"], "sighting")
    text += section(DOCS["docs/events.md"], "The world's time in events of live streams")
    told = set(re.findall(r"`(\w+)`", text)) | {"stream"}
    missing = {field.name for field in fields(event)} - told
    assert not missing


def test_every_sink_and_its_file() -> None:
    for name in SINKS:
        assert f"`{name}`" in section(DOCS["docs/configuration.md"], "output")
    for file in FILES.values():
        assert f"`{file}`" in DOCS["docs/events.md"]


def test_every_page_is_linked_and_every_link_leads_somewhere() -> None:
    for page in DOCS:
        assert page in README, f"README does not lead to {page}"
    for page, text in {"README.md": README, **DOCS}.items():
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"


def test_every_fault_has_tests_that_there_are() -> None:
    text = section(DOCS["docs/faults.md"], "Which test makes which fault happen")
    rows = re.findall(r"^\| (\d+) [^|]+\| ([^|]+) \|$", text, re.MULTILINE)
    named = [(int(number), re.findall(r"`(tests/\w+\.py)::(\w+)`", tests)) for number, tests in rows]
    assert {*range(1, 14), *range(15, 23), 25, 26, *range(28, 33)} <= {number for number, _ in named}
    for number, tests in named:
        assert tests, f"{number}: none"
        for file, name in tests:
            assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8"), f"{number}: {file} has no {name}"
