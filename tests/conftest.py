"""Tests marked `browser` are left out on a machine without Chromium, and the last lines of the run say so."""

from __future__ import annotations

import pytest

from tests.chromium import BRINGS_IT, CHROMIUM


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not CHROMIUM:
        for item in items:
            if item.get_closest_marker("browser"):
                item.add_marker(pytest.mark.skip(reason="Debian's chromium is not installed"))


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if not CHROMIUM and (count := sum("browser" in report.keywords for report in skipped)):
        terminalreporter.write_line(f"{count} browser tests were left out: no Chromium here. `{BRINGS_IT}` brings it.")
