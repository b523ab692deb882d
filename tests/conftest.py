"""What holds for all tests: no test is skipped without saying why, and tools in .venv are found."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

# So that `wayside` and `promtool` are found in .venv, also where nobody activated it.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])

UNSAID = {"", "unconditional skip", "<Skipped instance>"}
"""What pytest says of a skip or an expected failure whose author said nothing."""


def _fail_if_unsaid(report: pytest.TestReport | pytest.CollectReport) -> None:
    if not report.skipped:
        return
    if isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped").lstrip(": ")
    else:
        reason = getattr(report, "wasxfail", "").removeprefix("reason: ")
    if reason in UNSAID:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} is skipped, or expected to fail, and does not say why"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden events anew (tests/test_replay.py)")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_if_unsaid(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_if_unsaid(report)
    return report
