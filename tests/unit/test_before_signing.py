"""What an officer sees before signing, what a change of policy would do, and pairs that wait for a second approval."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import ADMIN, ALL_CLEAR, OBSERVER, OFFICER, READER, SECOND, last, made, workbench
from updp_core.errors import Conflict, NotAllowed, UsageError
from updp_core.workbench import Filters, Workbench

pytestmark = pytest.mark.usefixtures("quick", "each_database")
RANKED = [{**ALL_CLEAR, "identity": {"similarity": 0.1, "rank": rank, "equals": 40}} for rank in (1, 5, 5, 5, 5, 5)]
RANKED[1] = {**RANKED[1], "domain": {"percentile": 99.0}}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workbench, list[str]]:
    """Six pairs: one warns, one is out of domain, and all that is clear is approved in a batch."""
    monkeypatch.setattr("updp_core.evidence.pair.measure", lambda inputs, proposals, *a, **k: RANKED[: len(proposals)])
    bench = workbench(tmp_path / "ws")
    ids = made(bench, 6)
    for record in ids[:3]:
        bench.decide(record, "approve", comment="seen", actor=READER)
    filters = Filters(state="pending")
    number = bench.approve_preview(filters=filters, actor=READER)["number"]
    bench.approve_all(filters=filters, expected_number=number, actor=READER)
    bench.decide(ids[5], "reject", reasons=["Implausible anatomy"], actor=SECOND)
    return bench, ids


def test_exceptions_come_first_and_say_what_to_look_at(desk: tuple[Workbench, list[str]]) -> None:
    bench, ids = desk
    sheet = bench.release_sheet(actor=OFFICER)
    assert (sheet["total"], sheet["exceptions"]) == (5, 4)
    said = {pair["record"]: " ".join(pair["exceptions"]) for pair in sheet["pairs"]}
    assert said[ids[0]] == "warns: Rank of the true patient"
    assert said[ids[1]] == "the original is unlike what the models know"
    assert said[ids[2]] == ""
    assert said[ids[3]] == said[ids[4]] == "not looked at one by one"
    assert sheet["pairs"][-1]["record"] == ids[2], "the one without an exception is last"
    by_one = next(pair for pair in sheet["pairs"] if pair["record"] == ids[0])
    assert by_one["approvers"] == [{"name": READER.name, "role": "radiologist", "how": "one by one"}]
    assert {"cardiomegaly"} <= set(by_one["findings"])


def test_the_share_of_true_patients_first_stands_beside_chance(desk: tuple[Workbench, list[str]]) -> None:
    first = desk[0].release_sheet(actor=OFFICER)["true_patient_first"]
    assert first and (first["pairs"], first["first"], first["share"], first["chance"]) == (5, 1, 0.2, 0.025)


def test_what_was_not_measured_has_no_share(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    assert bench.release_sheet(actor=OFFICER)["true_patient_first"] is None


def test_what_stays_is_named_by_reason_and_record(desk: tuple[Workbench, list[str]]) -> None:
    bench, ids = desk
    bench.flag(ids[0], "look again", audience="radiologist", actor=READER)
    stay = {row["reason"]: [r["record"] for r in row["records"]] for row in bench.release_sheet(actor=OFFICER)["stay"]}
    assert stay == {"was rejected": [ids[5]], "is approved, and a flag waits to be cleared": [ids[0]]}


def test_the_sheet_is_paged_without_losing_a_pair(desk: tuple[Workbench, list[str]]) -> None:
    bench, _ = desk
    pages = [bench.release_sheet(offset=n, limit=2, actor=OFFICER)["pairs"] for n in (0, 2, 4)]
    paged = [pair["record"] for page in pages for pair in page]
    assert paged == [pair["record"] for pair in bench.release_sheet(actor=OFFICER)["pairs"]] and len(set(paged)) == 5
    for offset, limit in ((-1, 5), (0, 0), (0, 101)):
        with pytest.raises(UsageError):
            bench.release_sheet(offset=offset, limit=limit, actor=OFFICER)


def test_the_papers_shown_are_those_that_leave_but_for_what_only_writing_tells(
    desk: tuple[Workbench, list[str]], tmp_path: Path
) -> None:
    bench, _ = desk
    bench.key_new(actor=OFFICER)
    papers = bench.release_papers(actor=OFFICER)
    result = last(bench.release(tmp_path / "out", actor=OFFICER, expected=5))
    assert papers["readme"] == (tmp_path / "out" / "README.txt").read_text()
    written = (tmp_path / "out" / "dossier.html").read_text()
    assert "not searched yet" in papers["dossier"] and "not searched yet" not in written

    def same(html: str) -> str:
        html = html.replace(f"<code>{result['manifest_sha256']}</code>", "MANIFEST")
        html = html.replace('<span class="not">known when the release is written</span>', "MANIFEST")
        return html.replace('<td class="n">not searched yet</td>', '<td class="n">0</td>')

    assert same(papers["dossier"]) == same(written)


def test_who_signs_confirms_a_number_and_another_number_is_refused(
    desk: tuple[Workbench, list[str]], tmp_path: Path
) -> None:
    bench, ids = desk
    bench.decide(ids[2], "reject", reasons=["Implausible anatomy"], actor=SECOND)
    with pytest.raises(Conflict, match=r"4 pair.* 5 were confirmed"):
        last(bench.release(tmp_path / "out", actor=OFFICER, expected=5))
    assert not (tmp_path / "out").exists()
    assert last(bench.release(tmp_path / "out", actor=OFFICER, expected=4, comment="teaching"))["released"] == 4
    assert [bench.releases(actor=who)[0]["comment"] for who in (OFFICER, OBSERVER)] == ["teaching", ""]


@pytest.mark.parametrize("who", [READER, OBSERVER, ADMIN], ids=lambda who: who.role)
def test_only_who_signs_sees_the_sheet_and_asks_what_a_policy_would_do(bench: Workbench, who: Any) -> None:
    for act in (bench.release_sheet, bench.release_papers):
        with pytest.raises(NotAllowed):
            act(actor=who)
    with pytest.raises(NotAllowed):
        bench.policy_impact({"verdicts": 2}, actor=who)


def test_a_change_of_policy_tells_what_it_would_do_and_does_exactly_that(desk: tuple[Workbench, list[str]]) -> None:
    bench, ids = desk

    def stand() -> str:
        return json.dumps([bench.page(actor=OFFICER)["records"], bench.policy(actor=OFFICER)])

    before, events = stand(), bench.audit(actor=OFFICER)["total"]
    impact = bench.policy_impact({"verdicts": 2, "gates": {"domain": {"limit": 98, "action": "block"}}}, actor=OFFICER)
    assert (stand(), bench.audit(actor=OFFICER)["total"]) == (before, events), "asking changes nothing"
    assert bench.audit_verify(actor=OFFICER)["ok"]
    moves = {(move["from"], move["to"]): move["records"] for move in impact["moves"]}
    assert moves == {("approved", "waiting"): [ids[0], *ids[2:5]], ("approved", "pending"): [ids[1]]}
    assert (impact["approved_before"], impact["approved_after"], impact["waiting"]) == (5, 0, 4)
    assert impact["gates"] == [
        {"title": "Known to the models", "before": {"clear": 5, "warn": 1}, "after": {"block": 1, "clear": 5}}
    ]
    bench.set_policy({"verdicts": 2, "gates": {"domain": {"limit": 98, "action": "block"}}}, actor=OFFICER)
    assert bench.counts(actor=OFFICER)["states"]["approved"] == 0
    with pytest.raises(UsageError):
        bench.policy_impact({"verdicts": 3}, actor=OFFICER)


def test_pairs_that_wait_for_a_second_approval_are_told_apart_everywhere(desk: tuple[Workbench, list[str]]) -> None:
    bench, ids = desk
    assert bench.counts(actor=READER)["waiting"] == 0
    bench.set_policy({"verdicts": 2}, actor=OFFICER)
    bench.decide(ids[0], "approve", actor=SECOND)
    assert bench.counts(actor=READER)["waiting"] == 4
    waiting = bench.page(filters=Filters(waiting=True), actor=READER)["records"]
    assert [card["record"] for card in waiting] == ids[1:5]
    reasons = bench.release_preview(actor=OFFICER)["would_not"]
    assert reasons == {"waits for a second approval": 4, "was rejected": 1}
