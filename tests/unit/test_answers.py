"""Insight in words: figures that follow from pairs and verdicts as they stand, and none that was not measured."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import ALL_CLEAR, OBSERVER, OFFICER, READER, SECOND, hush, last, made, workbench
from ui.show import answers as said
from updp_core.workbench import Models

NO_MODELS: dict[str, Any] = {"rows": [], "models": []}


def measured_as(monkeypatch: pytest.MonkeyPatch, **parts: Any) -> None:
    evidence = {**copy.deepcopy(ALL_CLEAR), **parts}
    monkeypatch.setattr(Models, "measure", lambda self, inputs, proposals, *args, **more: [evidence for _ in proposals])


def test_verdicts_that_were_taken_back_are_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    measured_as(monkeypatch)
    bench = workbench(tmp_path)
    first, second, third = made(bench, 3)
    for record in (first, second):
        bench.decide(record, "approve", actor=READER)
    bench.undo(actor=READER)
    bench.decide(third, "reject", reasons=["Other"], actor=SECOND)
    people = {row["reviewer"]: (row["approved"], row["rejected"]) for row in bench.answers(actor=OBSERVER)["people"]}
    assert people == {READER.name: (1, 0), SECOND.name: (0, 1)}
    days = bench.insight(actor=OBSERVER)["decisions"]
    assert sum(row["count"] for row in days) == 2 and {row["verdict"] for row in days} == {"approve", "reject"}


def test_approvals_without_evidence_are_counted_apart_with_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    measured_as(monkeypatch, domain={"percentile": 100.0, "shown": 100.0})
    bench = workbench(tmp_path)
    first, second, _ = made(bench, 3)
    for record in (first, second):
        bench.decide(record, "approve", comment="I compared them", actor=READER)
    beyond = bench.answers(actor=OBSERVER)["beyond"]
    assert beyond == {"approved": 2, "domain": 2, "report": 0}
    bench.undo(actor=READER)
    assert bench.answers(actor=OBSERVER)["beyond"]["approved"] == 1


def test_what_was_not_measured_is_said_to_be_and_is_never_safe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path)
    empty = bench.answers(actor=OBSERVER)
    assert empty["first"] is None and empty["findings"] == [] and empty["people"] == []
    page = said.answers(empty, NO_MODELS)
    assert page.count("Not measurable yet") == 2 and "not measurable yet" in page and "Nothing measured" not in page


def test_lost_findings_ranks_and_outliers_follow_from_the_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch)
    measured_as(
        monkeypatch,
        identity={"similarity": 0.9, "rank": 1, "patients": 20, "nearer": 0},
        findings={"lost_count": 1, "lost": ["cardiomegaly"], "unjudged": [], "invented_count": 0},
    )
    bench = workbench(tmp_path)
    records = made(bench, 3)
    found = bench.answers(actor=OBSERVER)
    assert found["pairs"] == 3 and found["first"]["first"] == 3 and found["first"]["chance"] == 0.05
    assert found["likeness"] == {"measured": 3, "over": 3} and {row["record"] for row in found["outliers"]} == set(
        records
    )
    assert next(row for row in found["findings"] if row["finding"] == "cardiomegaly")["lost"] >= 1
    page = said.answers(found, NO_MODELS)
    assert "found more often than by chance" in page and all(f'data-to-record="{record}"' in page for record in records)


def test_each_version_of_the_lists_tells_what_it_voided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    measured_as(monkeypatch)
    bench = workbench(tmp_path)
    first, *_ = made(bench, 3)
    bench.decide(first, "approve", actor=READER)
    bench.lexicon_edit(add={"blacklist": {"names": ["radiograph"]}}, comment="x", actor=OFFICER)
    newest, oldest = bench.answers(actor=OBSERVER)["lexicons"]
    assert (newest["version"], newest["voided"], newest["approvals"]) == (2, 3, 1)
    assert (oldest["version"], oldest["voided"], oldest["approvals"]) == (1, 0, 0)
    last(bench.generate(actor=OFFICER))
    assert bench.answers(actor=OBSERVER)["lexicons"][0]["voided"] == 3
