"""The audit trail for people: sentences, filters in SQL, and a file that holds what the role may see."""

from __future__ import annotations

import ast
import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, hush, made, workbench
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import trail

CORE = Path(trail.__file__).parents[1]


def verbs_written() -> set[str]:
    """The verbs that our code writes into the trail, where they stand there as a word."""
    found = set()
    for path in CORE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "audit":
                found |= (
                    {a.value for a in ast.walk(node.args[1]) if isinstance(a, ast.Constant)} if node.args[1:] else set()
                )
    return {verb for verb in found if isinstance(verb, str)}


def test_every_verb_of_the_trail_has_its_sentence_and_its_kind() -> None:
    kinds = {verb for _, verbs in trail.KINDS.values() for verb in verbs}
    assert len(verbs_written()) > 30
    assert verbs_written() <= set(trail.SENTENCES) and verbs_written() <= kinds


def test_a_sentence_is_made_even_of_an_event_of_another_version_that_carries_nothing() -> None:
    for verb in [*trail.SENTENCES, "something_new"]:
        said = trail.sentence({"verb": verb, "subject": "R1", "detail": {}})
        assert said and "None" not in said
    assert trail.sentence({"verb": "something_new", "subject": "R1", "detail": {}}) == "something new R1"


def test_filters_narrow_by_kind_person_and_day_and_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path)
    first, second = made(bench, 2)
    bench.decide(first, "reject", reasons=["Other"], actor=READER)
    bench.show(second, actor=READER)
    everything = bench.audit(actor=OFFICER, limit=500)
    by_kind = {kind: bench.audit(actor=OFFICER, kind=kind, limit=500)["total"] for kind in trail.KINDS}
    assert sum(by_kind.values()) == everything["total"], "each event has one kind"
    assert bench.audit(actor=OFFICER, looks=False)["total"] == everything["total"] - by_kind["views"]
    assert READER.name in everything["people"] and bench.audit(actor=OFFICER, who=READER.name)["total"] >= 2
    today = datetime.now(UTC).date().isoformat()
    assert bench.audit(actor=OFFICER, since=today, until=today)["total"] == everything["total"]
    assert bench.audit(actor=OFFICER, until="2001-01-01")["total"] == 0
    for wrong in ({"kind": "x' OR 1=1"}, {"since": "01/02/2026"}, {"until": "9999-12-31"}):
        with pytest.raises(UsageError):
            bench.audit(actor=OFFICER, **wrong)


def test_the_file_holds_what_the_role_may_see_and_saving_it_is_an_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path)
    [first] = made(bench, 1)
    bench.decide(first, "reject", reasons=["Other"], comment="=HYPERLINK(1) of Ann", actor=READER)
    lines = [json.loads(line) for line in bench.audit_export("jsonl", actor=OFFICER)]
    assert [line["event"] for line in lines] == list(range(1, len(lines) + 1)), "oldest first"
    assert any(line["comment"].startswith("=HYPERLINK") and line["reasons"] == ["Other"] for line in lines)
    rows = list(csv.DictReader(io.StringIO("".join(bench.audit_export("csv", actor=OFFICER)))))
    assert len(rows) == len(lines) + 1 and any(row["comment"].startswith("'=HYPERLINK") for row in rows)
    assert "Ann" not in "".join(bench.audit_export("csv", actor=ADMIN, kind="verdicts"))
    saved = bench.audit(actor=OFFICER, verb="audit_export")
    assert saved["total"] == 3 and saved["events"][0]["said"].startswith("saved 1 event of this trail")
    with pytest.raises(NotAllowed):
        bench.audit_export("csv", actor=READER)
    with pytest.raises(UsageError, match="csv or jsonl"):
        bench.audit_export("xml", actor=OFFICER)
    assert bench.audit_verify(actor=OFFICER)["ok"]
