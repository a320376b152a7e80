"""Flags: a pair marked for somebody's attention, what it holds back, and how it is settled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.workbench_kit import ADMIN, OBSERVER, OFFICER, READER, SECOND, add, last, made, measure_all_clear, study
from updp_core.domain import Actor
from updp_core.errors import Conflict, NotAllowed, ReleaseError, UsageError
from updp_core.store.schema import Standing
from updp_core.workbench import Filters, Workbench, verdicts

pytestmark = pytest.mark.usefixtures("quick", "each_database")


def flags(bench: Workbench, record: str, actor: Actor = OFFICER) -> list[str]:
    return [flag["reason"] for flag in bench.show(record, actor=actor)["flags"]]


def found(bench: Workbench, **filters: object) -> list[str]:
    page = bench.page(actor=READER, filters=Filters(**filters))  # type: ignore[arg-type]
    return [card["record"] for card in page["records"]]


def test_a_flag_asks_for_a_look_and_decides_nothing(bench: Workbench) -> None:
    records = made(bench, 2)
    detail = bench.flag(records[1], "Is this a name?", audience="privacy-officer", actor=READER)
    assert detail["state"] == "pending" and detail["decisions"][-1]["verdict"] == "flag"
    [flag] = detail["flags"]
    assert (flag["reviewer"], flag["audience"], flag["reason"]) == (READER.name, "privacy-officer", "Is this a name?")
    card = bench.page(actor=OFFICER)["records"][1]
    assert card["state"] == "pending" and card["flagged_for"] == "privacy-officer"
    assert bench.decide(records[1], "approve", actor=SECOND)["state"] == "approved", "single verdicts are as before"
    assert flags(bench, records[1]) == ["Is this a name?"], "a verdict does not answer a flag"


def test_flags_are_found_counted_and_sorted_first(bench: Workbench) -> None:
    records = made(bench, 4)
    bench.flag(records[1], "Second opinion", audience="radiologist", actor=READER)
    bench.flag(records[3], "Identifier", audience="privacy-officer", actor=READER)
    assert found(bench, flagged="any") == [records[1], records[3]]
    assert found(bench, flagged="radiologist") == [records[1]]
    assert found(bench, flagged="privacy-officer", state="approved") == []
    by_flag = [card["record"] for card in bench.page(actor=READER, sort="flagged")["records"]]
    assert by_flag == [records[3], records[1], records[0], records[2]], "the newest flag first, then the others"
    mine, officers = bench.counts(actor=READER), bench.counts(actor=OFFICER)
    assert (mine["flagged"], mine["flagged_for_me"], officers["flagged_for_me"]) == (2, 1, 1)
    bench.flag(records[1], "Identifier too", audience="privacy-officer", actor=SECOND)
    assert bench.page(actor=READER)["records"][1]["flagged_for"] == "anybody", "two roles are asked"
    assert found(bench, flagged="privacy-officer") == [records[1], records[3]]


def test_a_flagged_pair_stays_out_of_releases_until_the_flag_is_cleared(bench: Workbench, tmp_path: Path) -> None:
    records = made(bench, 2)
    for record in records:
        bench.decide(record, "approve", actor=READER)
    bench.flag(records[0], "Wait for the vendor", actor=READER)
    preview = bench.release_preview(actor=OFFICER)
    assert preview["would"] == 1 and [row["record"] for row in preview["records"]] == [records[1]]
    assert preview["would_not"] == {"is approved, and a flag waits to be cleared": 1}
    assert last(bench.release(tmp_path / "out", actor=OFFICER))["released"] == 1
    flag = bench.show(records[0], actor=OFFICER)["flags"][0]["flag"]
    bench.clear_flag(records[0], flag, "The vendor agrees.", actor=OFFICER)
    assert last(bench.release(tmp_path / "out2", actor=OFFICER))["released"] == 2


def test_a_flag_raised_while_a_release_is_written_stops_it(bench: Workbench, tmp_path: Path) -> None:
    records = made(bench, 2)
    for record in records:
        bench.decide(record, "approve", actor=READER)
    steps = bench.release(tmp_path / "out", actor=OFFICER)
    raised = False
    with pytest.raises(Conflict, match="changed while the release was written"):
        # Writing goes on in its own thread: hold its last transaction back until the flag is in the book.
        with bench.desk.store.write() as tx:
            next(steps)
            stands = tx.get(Standing, record=records[0])
            assert stands is not None
            verdicts.enter(tx, stands, "flag", READER, "Stop!", reasons=["anybody"])
            tx.refresh([records[0]])
            raised = True
        last(steps)
    assert raised and not (tmp_path / "out").exists()


def test_with_every_approved_pair_flagged_there_is_nothing_to_release(bench: Workbench, tmp_path: Path) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.flag(record, "Wait", actor=READER)
    with pytest.raises(ReleaseError, match="free of open flags"):
        last(bench.release(tmp_path / "out", actor=OFFICER))


def test_batch_approval_passes_over_flagged_pairs(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_all_clear(monkeypatch)
    records = made(bench, 3)
    bench.flag(records[1], "Odd", actor=SECOND)
    preview = bench.approve_preview(actor=READER)
    assert preview["number"] == 2 and records[1] not in preview["sample"] and preview["left_out"] == 1
    bench.approve_all(actor=READER, expected_number=2)
    assert bench.show(records[1], actor=READER)["state"] == "pending"


def test_a_flag_is_cleared_with_words_by_the_role_that_it_asks_or_by_who_raised_it(bench: Workbench) -> None:
    [record] = made(bench, 1)
    flag = bench.flag(record, "Is this a name?", audience="privacy-officer", actor=READER)["flags"][0]["flag"]
    with pytest.raises(NotAllowed, match="asks the privacy-officer"):
        bench.clear_flag(record, flag, "It is not.", actor=SECOND)
    with pytest.raises(UsageError, match="what came of it"):
        bench.clear_flag(record, flag, "  ", actor=OFFICER)
    cleared = bench.clear_flag(record, flag, "A drug, no name.", actor=OFFICER)
    assert cleared["flags"] == []
    assert [d["verdict"] for d in cleared["decisions"]] == ["flag", "clear"]
    assert cleared["decisions"][1]["comment"] == "A drug, no name."
    with pytest.raises(Conflict, match="not open"):
        bench.clear_flag(record, flag, "Again", actor=OFFICER)
    mine = bench.flag(record, "And this?", audience="privacy-officer", actor=READER)["flags"][0]
    assert mine["may_clear"] and not bench.show(record, actor=SECOND)["flags"][0]["may_clear"]
    assert bench.clear_flag(record, mine["flag"], "I found it out myself.", actor=READER)["flags"] == []


def test_undo_takes_back_a_flag_and_then_the_verdict_before_it(bench: Workbench) -> None:
    records = made(bench, 2)
    bench.decide(records[0], "approve", actor=READER)
    bench.flag(records[1], "Odd", actor=READER)
    assert bench.undo(actor=READER)["record"] == records[1]
    assert flags(bench, records[1]) == [] and found(bench, flagged="any") == []
    assert bench.undo(actor=READER)["record"] == records[0]
    with pytest.raises(Conflict, match="no verdict or flag"):
        bench.undo(actor=READER)


def test_undo_of_a_clearing_raises_the_flag_again_and_it_can_be_cleared_once_more(bench: Workbench) -> None:
    [record] = made(bench, 1)
    flag = bench.flag(record, "Is this a name?", audience="privacy-officer", actor=READER)["flags"][0]["flag"]
    bench.clear_flag(record, flag, "No.", actor=OFFICER)
    [again] = bench.undo(actor=OFFICER)["flags"]
    assert (again["reason"], again["audience"]) == ("Is this a name?", "privacy-officer")
    with pytest.raises(Conflict, match="no verdict or flag"):
        bench.undo(actor=OFFICER)
    assert bench.clear_flag(record, again["flag"], "No, after all.", actor=OFFICER)["flags"] == []
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_a_flag_outlives_another_version_and_a_lexicon_that_voids_the_pair(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.flag(record, "Odd ribs", audience="radiologist", actor=READER)
    last(bench.regenerate(record, seeds=[5], actor=READER))
    assert flags(bench, record) == ["Odd ribs"]
    bench.lexicon_edit(add={"blacklist": {"names": ["effusion"]}}, comment="", actor=OFFICER)
    detail = bench.show(record, actor=READER)
    assert detail["state"] == "void" and len(detail["flags"]) == 1
    assert bench.undo(actor=READER)["flags"] == [], "a flag can be taken back whatever became of the version"


def test_a_verdict_on_a_pair_that_was_flagged_meanwhile_is_refused_until_the_flag_was_seen(bench: Workbench) -> None:
    [record] = made(bench, 1)
    seen = bench.show(record, actor=READER)
    bench.flag(record, "Wait", actor=OFFICER)
    with pytest.raises(Conflict, match="has changed"):
        bench.decide(record, "approve", actor=READER, expected_revision=seen["revision"])


def test_a_flag_needs_a_reader_a_reason_a_known_audience_and_the_version_that_was_seen(bench: Workbench) -> None:
    [record] = made(bench, 1)
    for actor in (OBSERVER, ADMIN):
        with pytest.raises(NotAllowed):
            bench.flag(record, "Odd", actor=actor)
    for reason, audience in ((" ", "anybody"), ("x" * 5000, "anybody"), ("Odd", "the boss")):
        with pytest.raises(UsageError):
            bench.flag(record, reason, audience=audience, actor=READER)  # type: ignore[arg-type]
    seen = bench.show(record, actor=READER)["candidate"]
    last(bench.regenerate(record, seeds=[5], actor=SECOND))
    with pytest.raises(Conflict, match="Another candidate"):
        bench.flag(record, "Odd", candidate=seen, actor=READER)
    [fresh] = add(bench, [study(9)])
    with pytest.raises(Conflict, match="no candidate yet"):
        bench.flag(fresh, "Odd", actor=READER)


def test_what_a_flag_says_is_kept_from_the_audit_trail_and_from_roles_that_see_no_reports(bench: Workbench) -> None:
    [record] = made(bench, 1)
    flag = bench.flag(record, "Mrs Quill is named", actor=READER)["flags"][0]["flag"]
    assert "Quill" not in str(bench.show(record, actor=OBSERVER))
    assert bench.show(record, actor=OBSERVER)["flags"][0]["may_clear"] is False
    bench.clear_flag(record, flag, "Quill is a street", actor=OFFICER)
    trail = bench.audit(actor=OFFICER)["events"]
    assert "Quill" not in str(trail) and {"flag", "clear"} <= {event["verb"] for event in trail}


def test_a_flag_tells_a_blind_second_reader_nothing(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    bench.decide(record, "reject", actor=READER)
    flag = bench.flag(record, "I would reject this", audience="radiologist", actor=READER)["flags"][0]["flag"]
    blind = bench.show(record, actor=SECOND)
    assert blind["blind"] and blind["flags"] == [] and blind["decisions"] == []
    card = bench.page(actor=SECOND, filters=Filters(second_reading=True))["records"][0]
    assert card["flagged_for"] is None
    with pytest.raises(Conflict, match="blind"):
        bench.clear_flag(record, flag, "I agree", actor=SECOND)
    bench.decide(record, "reject", actor=SECOND)
    assert bench.insight(actor=READER)["agreement"]["pairs"] == 1, "a flag is no first verdict"
    assert {row["verdict"] for row in bench.insight(actor=READER)["decisions"]} == {"reject"}


def test_counts_tell_each_person_how_many_blind_second_readings_wait_for_them(bench: Workbench) -> None:
    records = made(bench, 3)
    bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    for record in records[:2]:
        bench.decide(record, "approve", actor=READER)
    assert bench.counts(actor=SECOND)["second_readings"] == 2
    assert bench.counts(actor=READER)["second_readings"] == 0, "nobody reads their own pairs second"
    assert bench.counts(actor=OBSERVER)["second_readings"] == 0
    bench.decide(records[0], "approve", actor=SECOND)
    assert bench.counts(actor=SECOND)["second_readings"] == 1
