"""Lexicon versions: immutable, foreseen before they are saved, and at once in force."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit import workbench_kit
from tests.unit.workbench_kit import (
    OBSERVER,
    OFFICER,
    READER,
    QuickMethod,
    add,
    last,
    made,
    measure_all_clear,
    study,
    workbench,
)
from updp_core.errors import Conflict, LexiconError, NotAllowed, ReleaseError, UsageError
from updp_core.lexicon import load_lexicon
from updp_core.store import Transaction
from updp_core.workbench import Workbench, lexicons

pytestmark = pytest.mark.usefixtures("quick")


def forbid(*terms: str) -> dict[str, dict[str, list[str]]]:
    return {"blacklist": {"names": list(terms)}}


def state(bench: Workbench, record: str) -> str:
    return bench.show(record, actor=OFFICER)["state"]


def test_a_new_workspace_begins_with_the_lexicons_that_are_shipped(bench: Workbench) -> None:
    view = bench.lexicon_current(actor=READER)
    assert view["version"] == 1 and view["digest"] == load_lexicon().digest
    assert view["blacklist"] == load_lexicon().to_dict()["blacklist"]


def test_an_approval_falls_when_the_lexicon_forbids_a_word_of_its_report_and_the_pair_is_made_again(
    bench: Workbench,
) -> None:
    records = made(bench, 3)
    for record in records:
        bench.decide(record, "approve", actor=READER)
    foreseen = bench.lexicon_impact(add=forbid("effusion"), actor=READER)
    assert (foreseen["approved"], foreseen["pending"], foreseen["released"]) == (1, 0, 0)
    assert foreseen["where"] == [{"record": records[0], "state": "approved", "terms": ["effusion"], "in": ["report"]}]
    assert [state(bench, record) for record in records] == ["approved"] * 3, "looking changes nothing"
    saved = bench.lexicon_edit(add=forbid("effusion"), comment="a name here", actor=OFFICER)
    assert saved["version"] == 2
    assert saved["impact"]["approved"] == 1
    assert [state(bench, record) for record in records] == ["void", "approved", "approved"]
    assert bench.show(records[0], actor=READER)["void_terms"] == ["effusion"]
    with pytest.raises(Conflict, match="forbids"):
        bench.decide(records[0], "approve", actor=READER)
    assert last(bench.generate(actor=OFFICER))["generated"] == 1
    detail = bench.show(records[0], actor=READER)
    assert detail["state"] == "pending"
    assert "effusion" not in detail["report"]["filtered"]


def test_a_word_of_the_prompt_that_becomes_forbidden_voids_the_pair(tmp_path: Path) -> None:
    method = QuickMethod(words=["periosteal"])
    bench = workbench(tmp_path / "ws", method)
    [record] = made(bench, 1)
    bench.lexicon_edit(add=forbid("periosteal"), comment="", actor=OFFICER)
    assert state(bench, record) == "void"
    # a method that goes on using the word (no real one can) does not loop: the pair is left, blocked
    assert last(bench.generate(actor=OFFICER))["generated"] == 1
    assert last(bench.generate(actor=OFFICER))["generated"] == 0


def test_a_lexicon_taken_back_does_not_bring_a_fallen_approval_back(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.lexicon_edit(add=forbid("effusion"), comment="", actor=OFFICER)
    assert state(bench, record) == "void"
    bench.lexicon_revert(1, comment="a mistake", actor=OFFICER)
    assert bench.lexicon_current(actor=READER)["digest"] == bench.lexicon_show(1, actor=READER)["digest"]
    assert state(bench, record) == "pending"
    assert bench.decide(record, "approve", actor=READER)["state"] == "approved"


def test_an_older_candidate_that_the_lexicon_now_forbids_is_void_when_it_is_chosen_again(tmp_path: Path) -> None:
    method = QuickMethod(words=["granuloma"])
    bench = workbench(tmp_path / "ws", method)
    [record] = made(bench, 1)
    first = bench.show(record, actor=READER)["candidate"]
    assert first is not None
    method.words = ()
    last(bench.regenerate(record, seeds=[4], actor=READER))
    bench.lexicon_edit(add=forbid("granuloma"), comment="", actor=OFFICER)
    assert state(bench, record) == "pending"
    assert bench.choose(record, first, actor=READER)["state"] == "void"


def test_a_candidate_made_under_a_lexicon_that_changed_meanwhile_is_checked_again(tmp_path: Path) -> None:
    class Slow(QuickMethod):
        def propose(self, records, *, seeds):  # type: ignore[no-untyped-def]
            for step in super().propose(records, seeds=seeds):
                if step.proposals and bench.lexicon_current(actor=READER)["version"] == 1:
                    bench.lexicon_edit(add=forbid("effusion"), comment="", actor=OFFICER)
                yield step

    bench = workbench(tmp_path / "ws", Slow())
    [record] = add(bench, [study(0)])
    result = last(bench.generate(actor=OFFICER))
    detail = bench.show(record, actor=READER)
    assert result["generated"] == 2, "the run makes it again under the new version"
    assert [c["void"] for c in detail["candidates"]] == [True, False]
    assert detail["state"] == "pending"


def test_an_edit_that_changes_nothing_or_is_based_on_an_old_version_is_refused(bench: Workbench) -> None:
    bench.lexicon_edit(add=forbid("zyx"), comment="", actor=OFFICER, expected_version=1)
    with pytest.raises(LexiconError, match="changes nothing"):
        bench.lexicon_edit(add=forbid("zyx"), comment="", actor=OFFICER)
    with pytest.raises(Conflict, match="version 2"):
        bench.lexicon_edit(add=forbid("wvu"), comment="", actor=OFFICER, expected_version=1)
    with pytest.raises(UsageError, match="lexicon version 9"):
        bench.lexicon_show(9, actor=READER)


def test_the_history_says_who_changed_what(bench: Workbench) -> None:
    bench.lexicon_edit(add=forbid("zyx", "wvu"), comment="two names", actor=OFFICER)
    bench.lexicon_edit(remove=forbid("zyx"), comment="one less", actor=OFFICER)
    log = bench.lexicon_log(actor=READER)
    assert [(row["version"], row["added"], row["removed"]) for row in log[:2]] == [(3, 0, 1), (2, 2, 0)]
    assert log[0]["author"] == OFFICER.name and log[0]["comment"] == "one less"
    found = bench.lexicon_diff(1, 3, actor=READER)
    assert found["added"] == {"blacklist": {"names": ["wvu"]}} and found["removed"] == {}


def test_an_edit_tells_beforehand_which_whitelist_terms_it_would_take_away(bench: Workbench) -> None:
    allowed = bench.lexicon_current(actor=READER)["whitelist"]
    term = next(term for terms in allowed.values() for term in terms if " " not in term)
    foreseen = bench.lexicon_impact(add=forbid(term), actor=READER)
    assert foreseen["conflicts"] == [term]
    assert all(term in swallowed for swallowed in foreseen["swallowed"])
    assert foreseen["removed"]["whitelist"]


def test_the_filter_can_be_tried_on_any_text(bench: Workbench) -> None:
    found = bench.filter_text("Seen by Dr. Mortimer Quill.", actor=READER)
    assert "Quill" not in found["text"]
    assert any("Quill" in span["text"] for span in found["spans"])


def test_unsaved_changes_are_kept_for_each_person_and_shrink_as_they_come_into_force(bench: Workbench) -> None:
    change = {"blacklist": {"names": ["Zyx", "wvu", "zyx"]}, "whitelist": {"findings": ["tuv sign"]}}
    bench.save_lexicon_draft(add=change, comment="two names", actor=OFFICER)
    kept = bench.lexicon_draft(actor=OFFICER)
    assert kept["add"] == {"blacklist": {"names": ["zyx", "wvu"]}, "whitelist": {"findings": ["tuv sign"]}}
    assert (kept["terms"], kept["comment"], kept["version"]) == (3, "two names", 1)
    assert bench.lexicon_draft(actor=READER)["terms"] == 0, "another person has another desk"
    bench.lexicon_edit(add=forbid("zyx"), comment="by somebody else", actor=OFFICER)
    kept = bench.lexicon_draft(actor=OFFICER)
    assert (kept["terms"], kept["version"], kept["current"]) == (2, 1, 2)
    bench.save_lexicon_draft(actor=OFFICER)
    assert bench.lexicon_draft(actor=OFFICER)["terms"] == 0


def test_drafts_are_no_way_to_change_a_list_and_stay_small(bench: Workbench) -> None:
    bench.save_lexicon_draft(add=forbid("zyx"), actor=READER)
    assert "zyx" not in bench.lexicon_current(actor=READER)["blacklist"]["names"]
    with pytest.raises(NotAllowed):
        bench.save_lexicon_draft(add=forbid("zyx"), actor=OBSERVER)
    with pytest.raises(UsageError, match="longer"):
        bench.save_lexicon_draft(add=forbid(*(f"name{n:09d}" for n in range(200_000))), actor=OFFICER)


def test_the_word_pieces_that_a_term_masks_are_told_for_the_encoder_in_use(bench: Workbench) -> None:
    from updp_core.backends.presets import load_preset_words, resolve
    from updp_core.prompt.constraint import Constraint

    encoder = load_preset_words(resolve(bench.desk.settings).encoder)
    with bench.desk.store.read() as tx:
        _, old = bench.desk.lexicon(tx)
    before = Constraint(old, encoder)
    told = bench.lexicon_pieces(add=forbid("effusion", "mortimer", "pleural effusion"), actor=READER)
    bench.lexicon_edit(add=forbid("effusion", "mortimer", "pleural effusion"), comment="", actor=OFFICER)
    with bench.desk.store.read() as tx:
        _, new = bench.desk.lexicon(tx)
    after = Constraint(new, encoder)
    fresh = {encoder.vocabulary.texts[i] for i in (after.forbidden & ~before.forbidden).nonzero()[0]}
    by_term = {row["term"]: row for row in told["terms"]}
    assert {piece["text"] for row in told["terms"] for piece in row["masked"]} == fresh == {"effusion"}
    assert told["masked"] == int((after.forbidden & ~before.forbidden).sum())
    assert told["size"] == int(encoder.vocabulary.usable.sum())
    assert by_term["mortimer"]["masked"] == [], "no piece alone reads as it"
    assert "".join(piece["text"] for piece in by_term["mortimer"]["reads"]) == "mortimer"
    assert told["encoder"] == "starter encoder", "a path may name people"
    back = bench.lexicon_pieces(remove=forbid("effusion"), actor=READER)
    assert [piece["text"] for piece in back["free_again"]] == ["effusion"] * back["freed"] and back["freed"]


def test_no_weights_are_read_to_tell_of_word_pieces(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    from updp_core.backends import encoder, presets

    presets.load_preset_words.cache_clear()
    monkeypatch.setattr(encoder, "_from_folder", lambda *args: pytest.fail("the weights were read"))
    bench.desk.model_lock.acquire()  # somebody is generating
    assert bench.lexicon_pieces(add=forbid("effusion"), actor=READER)["masked"]


def test_what_a_lexicon_forbids_is_void_at_once_though_its_rows_follow_in_turns_and_who_opens_it_next_ends_them(
    tmp_path: Path, each_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure_all_clear(monkeypatch)
    bench = workbench(tmp_path / "ws", QuickMethod(words=["copper"]))
    records = made(bench, 5)
    bench.decide(records[4], "approve", actor=READER)
    turn = lexicons._carry_out

    def ends_early(tx: Transaction, part: range) -> None:
        if bench.audit(actor=OFFICER, verb="void")["total"]:
            raise RuntimeError("the process ends")
        turn(tx, part)

    with monkeypatch.context() as patch:
        patch.setattr(lexicons, "_FEW", 2)
        patch.setattr(lexicons, "_carry_out", ends_early)
        with pytest.raises(RuntimeError):
            bench.lexicon_edit(add={"blacklist": {"names": ["copper"]}}, comment="", actor=OFFICER)
    assert bench.counts(actor=READER)["states"]["void"] == 2, "the rest are in no row yet"
    with bench.desk.store.read() as tx:
        assert tx.column("SELECT DISTINCT state FROM derived_standing") == ["void"]
    assert bench.approve_preview(actor=READER)["number"] == 0
    with pytest.raises(Conflict, match="lexicon forbids"):
        bench.decide(records[2], "approve", actor=READER)
    with pytest.raises(ReleaseError, match="approved"):
        last(bench.release(tmp_path / "out", actor=OFFICER))
    bench.decide(records[3], "reject", actor=READER)
    bench.close()

    bench = workbench(tmp_path / "ws")
    assert bench.counts(actor=READER)["states"]["void"] == 5
    assert bench.audit_verify(actor=OFFICER)["problems"] == []
    told = bench.audit(actor=OFFICER, verb="void")["events"]
    assert sorted(event["said"] for event in told) == [
        "voided 2 versions by lexicon 2",
        "voided 3 versions by lexicon 2",
    ]
    bench.lexicon_edit(remove={"blacklist": {"names": ["copper"]}}, comment="", actor=OFFICER)
    assert bench.counts(actor=READER)["states"]["pending"] == 5, "verdicts from before do not come back"


def test_a_row_that_was_voided_in_a_turn_cannot_be_changed_or_slipped_in_unseen(
    tmp_path: Path, each_database: str
) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(words=["copper"]))
    made(bench, 3)
    bench.lexicon_edit(add={"blacklist": {"names": ["copper"]}}, comment="", actor=OFFICER)
    plain = workbench_kit.raw(tmp_path / "ws")
    plain.drop_triggers()
    plain.execute("UPDATE violation SET terms_json = '[]' WHERE candidate = 2")
    plain.execute("DELETE FROM violation WHERE candidate = 3")
    plain.close()
    problems = " ".join(bench.audit_verify(actor=OFFICER)["problems"])
    assert "A row of violation, lexicon version 2 (1 to 3) is missing: 2 of 3 are there." in problems
