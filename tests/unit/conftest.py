"""What the tests of the Workbench share."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench_kit import hush, workbench

from updp_core.workbench import Workbench


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what costs seconds to load: for a whole file, `pytestmark = pytest.mark.usefixtures("quick")`."""
    hush(monkeypatch)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return workbench(tmp_path / "ws")
