"""What `benchmarks.queue` fills at a million is a workspace like any other: in small, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import _filled, queue
from tests.unit import workbench_kit
from tests.unit.workbench_kit import OFFICER, READER
from updp_core.config import Settings
from updp_core.store.standing import DISAGREES
from updp_core.workbench import Filters, Workbench

pytestmark = pytest.mark.usefixtures("quick", "owning")


def test_the_store_that_is_measured_stands_as_its_rows_say_and_a_word_of_a_third_is_forbidden_in_it(
    tmp_path: Path,
) -> None:
    home = tmp_path / "ws"
    bench = Workbench.open(Settings(home=home, database_url=workbench_kit.url_of(home)))
    _filled.fill(bench.desk.store, 600)
    before = bench.counts(actor=READER)
    assert before["total"] == 600 and before["left"] < 600
    assert bench.page(actor=READER, filters=Filters(text="copper"))["total"] > 100
    told = queue.at_once(bench)
    for what, item in told.items():
        assert item["records"] > 0 and item["writes"] > 0, what
        assert item["event_bytes"] < queue.LIMIT_EVENT, what
    with bench.desk.store.read() as tx:
        assert tx.all(DISAGREES) == [] and tx.miscounted() == []
        assert tx.value("SELECT count(*) FROM violation_due") == 0
    after = bench.counts(actor=OFFICER)
    assert after["states"]["void"] > 100 and after["released"] > 0
