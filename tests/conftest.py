"""Tests marked `browser` are left out on a machine without Chromium, and the last lines of the run say so."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from tests.chromium import BRINGS_IT, CHROMIUM


@pytest.fixture(scope="session", autouse=True)
def judges_know_the_images_of_tests() -> Iterator[None]:
    """Whether the judges know an image is not measured of pairs that tests make, since on noise every approval would
    take a reason. Tests of that measure ask `updp_core.evidence.appearance` itself."""
    from updp_core.evidence import pair

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pair, "appearance", SimpleNamespace(load_appearance=lambda: None))
        yield


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
