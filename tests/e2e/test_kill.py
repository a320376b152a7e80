"""`kill -9` at random moments of generate and release: nothing lost, nothing doubled, no partial release that verifies.

The children are forked from this process, which has already imported everything, so that the kill falls into the work
and not into Python's start. UPDP_KILLS sets how many there are of each.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import OFFICER, READER, add, hush, last, study
from updp_core.atomic import sha256
from updp_core.config import Settings
from updp_core.release import verify
from updp_core.workbench import Workbench

KILLS = int(os.environ.get("UPDP_KILLS", "10"))
RECORDS = 16

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork (Linux, macOS)")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    monkeypatch.setattr("updp_core.workbench.Models.judges", lambda self: None)


def opened(home: Path) -> Workbench:
    return Workbench.open(Settings(home=home, method="dp-pix"))


def killed(work: Callable[[], Any], after: float) -> bool:
    """Run `work` in a child and kill it after so many seconds; False where it had ended by then."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def generate(home: Path) -> dict[str, Any]:
    bench = opened(home)
    try:
        return last(bench.generate(actor=OFFICER, batch_size=4))
    finally:
        bench.close()


def filled(home: Path, number: int = RECORDS) -> list[str]:
    bench = opened(home)
    records = add(bench, [study(n) for n in range(number)])
    bench.close()
    return records


def check(home: Path) -> int:
    """How many records have their candidate; fails where the workspace is not sound."""
    bench = opened(home)
    with bench.desk.store.read() as tx:
        assert tx.value("PRAGMA integrity_check") == "ok"
        rows = tx.all("SELECT record, image, error FROM candidate")
        held = tx.value("SELECT count(*) FROM standing WHERE state = 'pending'")
    assert len({row["record"] for row in rows}) == len(rows), "a record was done twice"
    assert held == len(rows)
    for row in rows:
        assert row["error"] == ""
        assert sha256(bench.desk.store.image_path(row["image"]).read_bytes()) == row["image"]
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"], report["problems"]
    bench.close()
    return len(rows)


def test_a_generate_run_that_is_killed_at_random_moments_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    filled(tmp_path / "warm", 4)
    began = time.perf_counter()
    generate(tmp_path / "warm")
    whole = (time.perf_counter() - began) * RECORDS / 4
    chance = random.Random(os.environ.get("UPDP_KILL_SEED", "1"))
    kills = rounds = 0
    while kills < KILLS:
        rounds += 1
        assert rounds < 5 * KILLS
        home = tmp_path / f"ws{rounds}"
        filled(home)
        while kills < KILLS and killed(lambda: generate(home), chance.uniform(0, whole)):  # noqa: B023
            kills += 1
            before = check(home)
        before = check(home)
        rest = generate(home)
        assert rest["failed"] == []
        assert before + rest["generated"] == RECORDS, "the next start takes exactly what was left"
        assert check(home) == RECORDS


def test_a_release_that_is_killed_at_random_moments_is_whole_or_is_not_there(tmp_path: Path) -> None:
    home = tmp_path / "ws"
    records = filled(home, 6)
    bench = opened(home)
    bench.set_policy({"methods": {"dp-pix": {"release": True}}}, actor=OFFICER)
    generate(home)
    for record in records:
        bench.decide(record, "approve", actor=READER, comment="compared by eye")
    began = time.perf_counter()
    last(bench.release(tmp_path / "warm", actor=OFFICER))
    whole = time.perf_counter() - began
    bench.close()

    def release(out: Path) -> None:
        child = opened(home)
        last(child.release(out, actor=OFFICER))

    chance = random.Random(os.environ.get("UPDP_KILL_SEED", "1"))
    for number in range(KILLS):
        out = tmp_path / f"release{number}"
        killed(lambda: release(out), chance.uniform(0, 1.2 * whole))  # noqa: B023
        bench = opened(home)
        recorded = {row["folder"] for row in bench.releases(actor=OFFICER)}
        if out.exists():
            assert verify(out) == [], "what bears the name is whole"
            assert str(out) in recorded, "what left is recorded"
        for leftover in tmp_path.iterdir():
            if leftover.name.startswith(".") or "partial" in leftover.name:
                assert verify(leftover) != [], "a part does not verify"
        assert bench.audit_verify(actor=OFFICER)["ok"]
        if not out.exists():
            assert last(bench.release(out, actor=OFFICER))["released"] == 6
            assert verify(out) == []
        bench.close()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")], "leftovers are cleared away"
