"""What a monitoring system is told, and who is told nothing; the log as JSON lines."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.testclient import TestClient
from test_serving import Desk, desk

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, QuickMethod, add, hush, last, study, workbench
from ui.door import watching
from ui.door.serving import Guard
from ui.door.watching import Watch
from updp_core.errors import DiskError, NotAllowed, UsageError
from updp_core.logs import JsonLines
from updp_core.workbench import Workbench

TOKEN = "a-token-that-nobody-guesses"
AS = {"authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """One record that was approved, one that waits, one that failed."""
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws", QuickMethod(fail=("nodule",)))
    records = add(bench, [study(n) for n in range(3)])
    last(bench.generate(actor=OFFICER))
    bench.decide(records[0], "approve", actor=READER)
    return bench


def client(bench: Workbench, signed: bool, tmp_path: Path) -> TestClient:
    made: Desk = desk(tmp_path / f"desk {signed}", signed)
    guard = Guard(Starlette(), made.session, made.guard.access, made.guard.sign_in, Watch(bench, TOKEN))
    return TestClient(guard, base_url="http://127.0.0.1:7860", client=("127.0.0.1", 4711))


@pytest.mark.parametrize("signed", [True, False])
def test_numbers_are_told_to_who_knows_the_token_alone(bench: Workbench, signed: bool, tmp_path: Path) -> None:
    there = client(bench, signed, tmp_path)
    for path in watching.PATHS:
        for given in (
            {},
            {"authorization": "Bearer "},
            {"authorization": f"Bearer {TOKEN}x"},
            {"authorization": TOKEN},
        ):
            refused = there.get(path, headers=given)
            assert refused.status_code == 401 and "updp_" not in refused.text
        assert there.get(path, headers=AS).status_code == 200
        assert there.get(path, headers=AS | {"host": "elsewhere.example"}).status_code == 421
    none = Watch(bench, "")
    assert none.answer("/metrics", "Bearer ").status_code == none.answer("/health", "").status_code == 404
    with pytest.raises(UsageError, match="16 characters"):
        Watch(bench, "short")


def test_the_numbers_are_those_of_the_workspace(bench: Workbench, tmp_path: Path, monkeypatch: Any) -> None:
    cuda = SimpleNamespace(is_available=lambda: True, device_count=lambda: 1, mem_get_info=lambda index: (3, 7))
    monkeypatch.setitem(watching.sys.modules, "torch", SimpleNamespace(cuda=cuda))
    there = client(bench, False, tmp_path)
    logging.getLogger("updp").error("something failed")
    text = there.get("/metrics", headers=AS).text
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    counts = bench.counts(actor=ADMIN)
    for state, number in counts["states"].items():
        assert found["updp_records", state] == number
    assert found["updp_records", "approved"] == found["updp_records", "failed"] == 1
    assert found["updp_candidates_total",] == 3 and found["updp_run_failures_total",] == 1
    assert found["updp_decisions_total",] == 1 and found["updp_log_errors_total",] == 1
    assert found["updp_audit_events_total",] == bench.audit(actor=ADMIN)["total"]
    assert (found["updp_gpu_memory_free_bytes", "0"], found["updp_gpu_memory_total_bytes", "0"]) == (3, 7)
    assert found["process_resident_memory_bytes",] > 1e6


def test_no_record_patient_person_or_report_is_in_the_numbers(bench: Workbench, tmp_path: Path) -> None:
    text = client(bench, False, tmp_path).get("/metrics", headers=AS).text
    with bench.desk.store.read() as tx:
        ids = tx.column("SELECT id FROM record UNION SELECT patient FROM record UNION SELECT source FROM record")
    for word in (*ids, READER.name, OFFICER.name, "MRN", "nodule", "heart", str(tmp_path)):
        assert word not in text


def test_a_database_that_fails_is_told_as_such(bench: Workbench, tmp_path: Path, monkeypatch: Any) -> None:
    def broken(*, actor: object) -> None:
        raise DiskError("Nothing of this was kept: the disk is full. Free some space and try again.")

    monkeypatch.setattr(bench, "vitals", broken)
    there = client(bench, False, tmp_path)
    answer = there.get("/health", headers=AS)
    assert answer.status_code == 503 and answer.json()["status"] == "failing"
    assert there.get("/metrics", headers=AS).status_code == 503


def test_only_an_administrator_asks_for_vitals(bench: Workbench) -> None:
    with pytest.raises(NotAllowed):
        bench.vitals(actor=READER)


def test_a_line_of_the_log_is_json_and_quotes_neither_libraries_nor_errors() -> None:
    try:
        raise ValueError("Mrs. Quill, MRN 4711")
    except ValueError as error:
        told = (type(error), error, error.__traceback__)
    ours = logging.LogRecord("updp", logging.ERROR, "/a/place.py", 7, "a step failed: %s", ("here",), told)
    theirs = logging.LogRecord("pydicom", logging.WARNING, "/a/charset.py", 9, "value of Mrs. Quill", (), None)
    first, second = (json.loads(JsonLines().format(record)) for record in (ours, theirs))
    assert first["message"] == "a step failed: here" and first["error"].startswith("ValueError at test_watching.py")
    assert second["logger"] == "pydicom" and second["place"] == "charset.py:9" and "message" not in second
    assert "Quill" not in json.dumps([first, second])
