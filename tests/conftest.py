"""What holds for all tests: no test is skipped without saying why, and tools in .venv are found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterator
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
    parser.addoption("--fault-table", metavar="PAGE", help="write the measured faults into a page (docs/faults.md)")


@pytest.fixture(scope="session")
def measured_faults(request: pytest.FixtureRequest) -> Iterator[dict[str, tuple[float | None, float | None]]]:
    """Rows of the table of faults: until it was told, until it was over, in seconds; written where it was asked for."""
    rows: dict[str, tuple[float | None, float | None]] = {}
    yield rows
    path = request.config.getoption("--fault-table")
    if path and rows:
        page = Path(path)
        head, _, rest = page.read_text("utf-8").partition("| fault |")
        _, _, tail = rest.partition("\n\n")
        lines = ["| fault | told after | back after |", "|---|---|---|"]
        for fault, times in sorted(rows.items(), key=lambda row: (int(row[0].split()[0]), row[0])):
            shown = ["" if seconds is None else f"{seconds:.2f} s" for seconds in times]
            lines.append(f"| {fault} | {' | '.join(shown)} |")
        page.write_text(head + "\n".join(lines) + "\n\n" + tail, "utf-8")


@pytest.fixture
def measure(
    measured_faults: dict[str, tuple[float | None, float | None]],
) -> Callable[[str, float | None, float | None], None]:
    """Keep what a fault cost, for the table, and print it (`-s`)."""

    def keep(fault: str, told: float | None, back: float | None) -> None:
        measured_faults[fault] = told, back
        print(f"fault {fault}: told after {told}, back after {back}")

    return keep


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
