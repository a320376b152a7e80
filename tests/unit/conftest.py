"""What the tests of the Workbench share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit import postgres_server, workbench_kit
from tests.unit.workbench_kit import Raw, hush, workbench
from updp_core.workbench import Workbench


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without what costs seconds to load: for a whole file, `pytestmark = pytest.mark.usefixtures("quick")`."""
    hush(monkeypatch)


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return workbench(tmp_path / "ws")


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.MISSING)
    with postgres_server.running() as server:
        yield server


@pytest.fixture
def on_postgres(server: postgres_server.Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[postgres_server.Server]:
    """Workspaces of this test have their database on the server, and work there as a role that owns nothing."""
    monkeypatch.setattr(workbench_kit, "url_of", lambda home: server.url(server.database(home)))
    monkeypatch.setattr(workbench_kit, "raw", lambda home: Raw(home, server.connect(server.database(home))))
    yield server
    server.clear()


@pytest.fixture
def owning(each_database: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The test runs on each database, on the server as the role that owns the tables."""
    if each_database == "postgresql":
        server: postgres_server.Server = request.getfixturevalue("server")
        monkeypatch.setattr(
            workbench_kit, "url_of", lambda home: server.url(server.database(home), postgres_server.OWNER)
        )
    return each_database


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest) -> str:
    """The test runs on each database."""
    if request.param == "postgresql":
        request.getfixturevalue("on_postgres")
    return str(request.param)
