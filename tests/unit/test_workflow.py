"""Verdicts and states: what a reviewer may do to a pair, and how it then stands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.pixel_judges import PixelJudges
from tests.unit.workbench_kit import (
    ADMIN,
    ALL_CLEAR,
    OBSERVER,
    OFFICER,
    READER,
    SECOND,
    QuickMethod,
    add,
    last,
    made,
    study,
    workbench,
)
from updp_core.errors import Conflict, NotAllowed, UsageError
from updp_core.intake.pixels import decode_png
from updp_core.store.secret import Secret
from updp_core.workbench import ROLE_VERBS, Filters, Workbench
from updp_core.workbench.batch import seed_for

pytestmark = pytest.mark.usefixtures("quick")


def state(bench: Workbench, record: str) -> str:
    return bench.show(record, actor=OFFICER)["state"]


def test_a_record_is_new_then_pending_then_what_was_decided(bench: Workbench) -> None:
    [record] = add(bench, [study(0)])
    assert state(bench, record) == "new"
    last(bench.generate(actor=OFFICER))
    assert state(bench, record) == "pending"
    assert bench.decide(record, "approve", actor=READER)["state"] == "approved"
    assert bench.decide(record, "reject", actor=READER, reasons=["finding_lost"])["state"] == "rejected"
    assert bench.decide(record, "regenerate", actor=READER)["state"] == "new"


def test_a_regenerate_verdict_puts_the_record_back_into_the_queue_and_the_next_candidate_is_another(
    bench: Workbench,
) -> None:
    [record] = made(bench, 1)
    first = bench.show(record, actor=READER)
    bench.decide(record, "regenerate", actor=READER)
    assert last(bench.generate(actor=OFFICER))["generated"] == 1
    second = bench.show(record, actor=READER)
    assert second["state"] == "pending"
    assert second["candidate"] != first["candidate"]
    assert second["candidates"][0]["seed"] != second["candidates"][1]["seed"]
    assert len(second["decisions"]) == 1


def test_generate_leaves_decided_pairs_alone(bench: Workbench) -> None:
    records = made(bench, 3)
    bench.decide(records[0], "approve", actor=READER)
    bench.decide(records[1], "reject", actor=READER)
    assert last(bench.generate(actor=OFFICER))["generated"] == 0


def test_nobody_approves_what_they_did_not_see(bench: Workbench) -> None:
    [record] = made(bench, 1)
    seen = bench.show(record, actor=READER)
    last(bench.regenerate(record, seeds=[5], actor=SECOND))
    with pytest.raises(Conflict, match="Another candidate"):
        bench.decide(record, "approve", actor=READER, candidate=seen["candidate"])
    with pytest.raises(Conflict, match="has changed"):
        bench.decide(record, "approve", actor=READER, expected_revision=seen["revision"])
    now = bench.show(record, actor=READER)
    done = bench.decide(record, "approve", actor=READER, candidate=now["candidate"], expected_revision=now["revision"])
    assert done["state"] == "approved"


def test_undo_takes_back_the_last_verdict_as_a_new_entry(bench: Workbench) -> None:
    records = made(bench, 2)
    bench.decide(records[0], "reject", actor=READER)
    bench.decide(records[1], "approve", actor=READER)
    assert bench.undo(actor=READER)["record"] == records[1]
    assert state(bench, records[1]) == "pending"
    history = bench.show(records[1], actor=READER)["decisions"]
    assert [entry["verdict"] for entry in history] == ["approve", "undo"]
    assert history[0]["undone"] and history[1]["undoes"] == history[0]["decision"]
    assert bench.undo(actor=READER)["record"] == records[0]
    with pytest.raises(Conflict, match="no verdict"):
        bench.undo(actor=READER)


def test_nobody_undoes_the_verdict_of_another(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    with pytest.raises(Conflict, match="no verdict"):
        bench.undo(actor=SECOND, record=record)
    assert state(bench, record) == "approved"


def test_undo_of_a_second_verdict_brings_the_first_back(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.decide(record, "reject", actor=SECOND)
    assert state(bench, record) == "rejected"
    bench.undo(actor=SECOND)
    assert state(bench, record) == "approved"


def test_a_rejection_by_another_is_overruled_only_with_a_reason(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "reject", actor=READER)
    with pytest.raises(Conflict, match="say why"):
        bench.decide(record, "approve", actor=SECOND)
    assert bench.decide(record, "approve", actor=SECOND, comment="The finding is there.")["state"] == "approved"


def test_with_a_policy_of_two_two_different_people_must_approve(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.set_policy({"verdicts": 2}, actor=OFFICER)
    assert bench.decide(record, "approve", actor=READER)["state"] == "pending"
    assert bench.decide(record, "approve", actor=READER)["state"] == "pending"
    assert bench.decide(record, "approve", actor=SECOND)["state"] == "approved"


def test_a_stricter_policy_counts_for_what_was_decided_before(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.set_policy({"verdicts": 2}, actor=OFFICER)
    assert state(bench, record) == "pending"
    assert bench.page(actor=READER)["records"][0]["state"] == "pending"
    bench.set_policy({"verdicts": 1}, actor=OFFICER)
    assert state(bench, record) == "approved"


def test_choosing_another_candidate_begins_its_reading_anew(bench: Workbench) -> None:
    [record] = made(bench, 1)
    first = bench.show(record, actor=READER)["candidate"]
    assert first is not None
    bench.decide(record, "approve", actor=READER)
    result = last(bench.regenerate(record, seeds=[1, 2, 3, 4], actor=READER))
    assert len(result["candidates"]) == 4
    assert result["current"] in result["candidates"]
    assert state(bench, record) == "pending"
    assert bench.choose(record, first, actor=READER)["state"] == "pending"
    assert bench.decide(record, "approve", actor=READER, candidate=first)["state"] == "approved"


def test_other_versions_are_made_by_the_method_of_the_pair_unless_another_is_asked_for(bench: Workbench) -> None:
    [record] = made(bench, 1)
    last(bench.regenerate(record, seeds=[1], method="dp-pix", actor=READER))
    assert bench.show(record, actor=READER)["candidates"][-1]["method"] == "dp-pix"
    last(bench.regenerate(record, seeds=[2], actor=READER))
    assert bench.show(record, actor=READER)["candidates"][-1]["method"] == "dp-pix"


def test_methods_are_compared_on_one_seed_and_the_current_version_stays(bench: Workbench) -> None:
    [record] = made(bench, 1)
    before = bench.show(record, actor=READER)
    bench.decide(record, "approve", actor=READER)
    result = last(bench.compare(record, seed=7, actor=READER))
    here = [method["name"] for method in bench.methods(actor=READER) if method["available"]]
    detail = bench.show(record, actor=READER)
    tried = detail["candidates"][1:]
    assert [row["candidate"] for row in tried] == result["candidates"]
    assert [row["method"] for row in tried] == here and {row["seed"] for row in tried} == {7}
    assert detail["candidate"] == before["candidate"] == result["current"]
    assert detail["state"] == "approved", "a comparison takes no verdict away"
    steps = bench.compare(record, seed=7, methods=["dp-pix"], settings={"dp-pix": {"b": 4}}, actor=READER)
    [one] = last(steps)["candidates"]
    row = bench.show(record, actor=READER)["candidates"][-1]
    assert (row["candidate"], row["method"]) == (one, "dp-pix") and row["settings"]["requested"]["settings"] == {"b": 4}
    for wrong in ({"methods": ["updp"], "settings": {"dp-pix": {"b": 4}}}, {"settings": {"dp-pix": {"b": 0}}}):
        with pytest.raises(UsageError):
            bench.compare(record, actor=READER, **wrong)
    with pytest.raises(Conflict, match="in hand"):
        bench.take(record, actor=SECOND)
        bench.compare(record, actor=READER)


def test_a_method_for_comparison_only_is_never_approved(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(releasable=False))
    [record] = made(bench, 1)
    with pytest.raises(Conflict, match="comparison only"):
        bench.decide(record, "approve", actor=READER)


def test_a_blocking_gate_stops_approval_until_it_is_overridden_with_a_reason(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("updp_core.evidence.ocr.read_boxes", lambda image: [("SMITH", (0, 0, 9, 9))])
    [record] = made(bench, 1)
    assert bench.counts(actor=READER)["gates"]["image_text"] == {"block": 1}
    with pytest.raises(Conflict, match="image_text"):
        bench.decide(record, "approve", actor=READER)
    with pytest.raises(UsageError, match="reason"):
        bench.decide(record, "approve", actor=READER, overrides=["image_text"])
    with pytest.raises(UsageError, match="does not block"):
        bench.decide(record, "approve", actor=READER, overrides=["image_text", "domain"], comment="x")
    done = bench.decide(record, "approve", actor=READER, overrides=["image_text"], comment="It says L, the side mark.")
    assert done["state"] == "approved"
    assert done["decisions"][-1]["overrides"] == ["image_text"]


def test_a_forbidden_prompt_blocks_and_nobody_can_override_it(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(words=["january"]))
    [record] = made(bench, 1)
    for comment in ("", "I insist."):
        with pytest.raises(Conflict, match="cannot be overridden"):
            bench.decide(record, "approve", actor=OFFICER, overrides=["forbidden_in_prompt"], comment=comment)
    with pytest.raises(UsageError, match="always blocks"):
        bench.set_policy({"gates": {"forbidden_in_prompt": {"action": "warn"}}}, actor=OFFICER)


def test_the_officers_policy_says_which_gates_block(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.set_policy({"gates": {"alignment": {"limit": 0.9, "action": "block"}}}, actor=OFFICER)
    assert bench.page(actor=READER, filters=Filters(gate="alignment", gate_state="block"))["total"] == 1
    with pytest.raises(Conflict, match="alignment"):
        bench.decide(record, "approve", actor=READER)
    bench.set_policy({"gates": {}}, actor=OFFICER)
    assert bench.decide(record, "approve", actor=READER)["state"] == "approved"


@pytest.mark.parametrize(
    "changes",
    [
        {"verdicts": 0},
        {"verdicts": 3},
        {"verdicts": True},
        {"second_reading": 2},
        {"report_policy": "none"},
        {"unknown": 1},
        {"gates": {"nothing": {}}},
        {"gates": {"alignment": {"limit": "high"}}},
    ],
)
def test_an_impossible_policy_is_refused(bench: Workbench, changes: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        bench.set_policy(changes, actor=OFFICER)


# --- generation ---


def test_one_bad_record_spoils_no_other(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(fail=["nodule"]))
    records = add(bench, [study(n) for n in range(3)])
    result = last(bench.generate(actor=OFFICER))
    assert result["generated"] == 2
    assert result["failed"] == [{"record": records[2], "reason": "This record cannot be drawn."}]
    assert state(bench, records[2]) == "failed"
    with pytest.raises(Conflict, match="failed"):
        bench.decide(records[2], "approve", actor=READER)
    assert last(bench.generate(actor=OFFICER))["failed"] == []
    assert len(last(bench.generate(actor=OFFICER, retry_failed=True))["failed"]) == 1


def test_a_method_that_breaks_on_a_batch_is_tried_with_each_record_alone_and_its_message_is_kept_back(
    tmp_path: Path,
) -> None:
    class Breaks(QuickMethod):
        def propose(self, records, *, seeds):  # type: ignore[no-untyped-def]
            if any("nodule" in record.report for record in records):
                raise RuntimeError("Mrs Smith's nodule")
            yield from super().propose(records, seeds=seeds)

    bench = workbench(tmp_path / "ws", Breaks())
    records = add(bench, [study(n) for n in range(3)])
    result = last(bench.generate(actor=OFFICER))
    assert result["generated"] == 2
    assert [item["record"] for item in result["failed"]] == [records[2]]
    assert "RuntimeError" in result["failed"][0]["reason"]
    assert "Smith" not in str(result)


def test_an_image_that_was_damaged_on_disk_fails_its_own_record_only(bench: Workbench) -> None:
    records = add(bench, [study(n) for n in range(2)])
    digest = bench.show(records[0], actor=READER)["images"]["original"]["sha256"]
    bench.desk.store.image_path(digest).write_bytes(b"rubbish")
    result = last(bench.generate(actor=OFFICER))
    assert result["generated"] == 1
    assert "was changed on disk" in result["failed"][0]["reason"]


def test_a_stopped_run_goes_on_where_it_was(bench: Workbench) -> None:
    add(bench, [study(n) for n in range(6)])
    steps = bench.generate(actor=OFFICER, batch_size=2)
    for step in steps:
        if step.stage == "generate":
            bench.control(bench.runs(actor=OFFICER)[0]["run"], "stop", actor=OFFICER)
            break
    result = last(steps)
    assert result["stopped"] and result["generated"] == 2
    assert bench.runs(actor=OFFICER)[0]["state"] == "stopped"
    assert last(bench.generate(actor=OFFICER))["generated"] == 4


def test_a_run_whose_watcher_went_away_frees_its_records(bench: Workbench) -> None:
    add(bench, [study(n) for n in range(4)])
    steps = bench.generate(actor=OFFICER, batch_size=2)
    next(step for step in steps if step.stage == "draw")
    steps.close()  # type: ignore[attr-defined]
    assert last(bench.generate(actor=OFFICER))["generated"] == 4


def test_two_runs_at_once_never_take_the_same_record(bench: Workbench, tmp_path: Path) -> None:
    add(bench, [study(n) for n in range(8)])
    other = workbench(tmp_path / "ws")
    first, second = bench.generate(actor=OFFICER, batch_size=2), other.generate(actor=OFFICER, batch_size=2)
    done = {"first": 0, "second": 0}
    streams = {"first": first, "second": second}
    while streams:
        for name in list(streams):
            step = next(streams[name])
            if step.result:
                done[name] = step.result["generated"]
                del streams[name]
    assert done["first"] + done["second"] == 8
    assert min(done.values()) > 0
    with bench.desk.store.read() as tx:
        assert tx.value("SELECT count(*) FROM candidate") == 8


def test_a_record_that_a_run_has_in_work_cannot_be_regenerated(bench: Workbench) -> None:
    [record] = add(bench, [study(0)])
    steps = bench.generate(actor=OFFICER)
    next(step for step in steps if step.stage == "draw")
    with pytest.raises(Conflict, match="working on this record"):
        last(bench.regenerate(record, actor=READER))
    last(steps)


def test_seeds_are_the_same_under_the_key_of_a_workspace_and_under_no_other() -> None:
    key, other = Secret(b"k" * 32), Secret(b"o" * 32)
    drawn = [(s, f"R{n}", a) for s in range(5) for n in range(20) for a in range(3)]
    seeds = [seed_for(key, *each) for each in drawn]
    assert seeds == [seed_for(key, *each) for each in drawn]
    assert len({*seeds, *(seed_for(other, *each) for each in drawn)}) == 600
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_candidate_can_be_made_again_from_what_is_recorded(bench: Workbench) -> None:
    [record] = made(bench, 1)
    candidate = bench.show(record, actor=READER)["candidate"]
    assert candidate is not None
    again = bench.reproduce(candidate, actor=READER)
    assert again["same_prompt"] and again["same_image"] and again["same_models"] and again["largest_difference"] == 0


def test_images_come_back_at_full_depth(bench: Workbench) -> None:
    [record] = made(bench, 1)
    original = bench.image(record, "original", actor=READER)
    assert original.dtype == np.uint16
    assert np.array_equal(original, decode_png(study(0).png))
    synthetic = bench.image(record, "synthetic", actor=OBSERVER)
    assert synthetic.dtype == np.uint8 and synthetic.shape == (64, 64)


# --- import ---


def test_the_same_file_twice_is_one_record_and_a_patient_keeps_the_pseudonym(bench: Workbench) -> None:
    first = add(bench, [study(0, patient=7), study(1, patient=7), study(2, patient=8)])
    assert add(bench, [study(0, patient=7)]) == []
    more = add(bench, [study(3, patient=7)])
    patients = [bench.show(record, actor=READER)["patient"] for record in first + more]
    assert patients[0] == patients[1] == patients[3] != patients[2]
    assert not any("MRN" in patient for patient in patients)


def test_no_patient_text_reaches_the_audit_trail(bench: Workbench) -> None:
    secret = study(0, patient=4711, report="FINDINGS: Nodule seen by Dr. Mortimer Quill for MRN4711.")
    [record] = add(bench, [secret])
    last(bench.generate(actor=OFFICER))
    bench.decide(record, "approve", actor=READER, comment="Quill agrees")
    bench.approve_preview(actor=READER, filters=Filters(text="quill"))
    bench.approve_all(actor=READER, filters=Filters(text="quill"), expected_number=0)
    bench.save_view("Quill's", actor=READER, filters=Filters(text="quill"))
    bench.save_draft(record, {"comment": "Quill"}, actor=READER)
    with bench.desk.store.read() as tx:
        everything = " ".join(str(tuple(row.values())) for row in tx.all("SELECT * FROM audit_event"))
    for word in ("Quill", "quill", "MRN4711", "file-0", "Nodule"):
        assert word not in everything


# --- roles ---

VERBS_WITH_ARGUMENTS = {
    "import_": ("source",),
    "show": ("R",),
    "image": ("R", "original"),
    "candidate": (1,),
    "gate_values": ("domain",),
    "decide": ("R", "approve"),
    "regenerate": ("R",),
    "choose": ("R", 1),
    "reproduce": (1,),
    "take": ("R",),
    "save_draft": ("R", {}),
    "save_view": ("v",),
    "delete_view": ("v",),
    "lexicon_show": (1,),
    "lexicon_diff": (1, 1),
    "lexicon_revert": (1,),
    "release": ("out",),
    "verify": ("out",),
    "set_policy": ({},),
    "add_user": ("n", "r", "p"),
    "remove_user": ("n",),
    "control": (1, "stop"),
    "filter_text": ("text",),
}


def test_every_verb_stands_in_the_table_of_roles_and_refuses_those_that_do_not_carry_it(bench: Workbench) -> None:
    # What happens at the door, before anybody has a role, and the end of a sign-in, which nobody is refused.
    door = {"open", "close", "sign_in", "sign_in_outside", "sign_out", "standing", "ways", "at_the_door", "twin"}
    assert {name for name in dir(Workbench) if not name.startswith("_")} - door == set(ROLE_VERBS)
    refused = 0
    for verb, roles in ROLE_VERBS.items():
        for actor in (READER, OFFICER, OBSERVER, ADMIN):
            if actor.role not in roles:
                with pytest.raises(NotAllowed):
                    getattr(bench, verb)(*VERBS_WITH_ARGUMENTS.get(verb, ()), actor=actor)
                refused += 1
    events = bench.audit(actor=OFFICER, verb="refused")
    assert events["total"] == refused > 40


def test_only_the_officer_edits_the_lexicon_sets_the_policy_and_releases() -> None:
    for verb in ("lexicon_edit", "lexicon_revert", "set_policy", "release"):
        assert ROLE_VERBS[verb] == {"privacy-officer"}
    for verb in ("decide", "undo", "choose", "approve_all"):
        assert ROLE_VERBS[verb] == {"radiologist", "privacy-officer"}


@pytest.mark.parametrize("actor", [OBSERVER, ADMIN])
def test_roles_that_need_no_patient_data_get_none(bench: Workbench, actor) -> None:  # type: ignore[no-untyped-def]
    secret = study(0, report="FINDINGS: Nodule. Dictated by Dr. Mortimer Quill.")
    [record] = add(bench, [secret])
    last(bench.generate(actor=OFFICER))
    detail = bench.show(record, actor=actor)
    assert "Quill" not in str(detail) and "file-0" not in str(detail)
    with pytest.raises(NotAllowed, match="original"):
        bench.image(record, "original", actor=actor)
    assert bench.image(record, "synthetic", actor=actor).size


def test_who_sees_patient_data_is_in_the_audit_trail_once_whether_by_taking_the_pair_or_not(bench: Workbench) -> None:
    first, second = add(bench, [study(0), study(1)])
    bench.take(first, actor=READER)
    for _ in range(2):
        for record in (first, second):
            bench.show(record, actor=READER)
            bench.image(record, "original", actor=READER)
        bench.image(second, "original", actor=OFFICER)
        bench.show(second, actor=OBSERVER)  # sees neither report nor original
    seen = [(e["actor"], e["verb"], e["subject"]) for e in bench.audit(actor=OFFICER)["events"]]
    seen = sorted(event for event in seen if event[1] in ("take", "view"))
    assert seen == sorted([(READER.name, "take", first), (READER.name, "view", second), (OFFICER.name, "view", second)])
    bench.release_hold(actor=READER)
    bench.show(first, actor=READER)
    assert bench.audit(actor=OFFICER, verb="view")["total"] == 3 and bench.audit_verify(actor=OFFICER)["ok"]


def test_a_long_verb_may_be_followed_from_one_thread_after_another(bench: Workbench) -> None:
    """A web server resumes a generator in whichever thread is free."""
    from concurrent.futures import ThreadPoolExecutor

    [record, *_] = add(bench, [study(n) for n in range(4)])
    for steps in (bench.generate(actor=OFFICER, batch_size=2), bench.regenerate(record, seeds=[1, 2], actor=READER)):
        result = None
        while result is None:
            with ThreadPoolExecutor(1) as fresh:
                result = fresh.submit(next, steps).result().result
    assert result["current"] in result["candidates"]


def test_originals_are_embedded_once_for_the_judges_under_marks_that_the_audit_holds(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "judged", judges=PixelJudges())
    ids = made(bench, 3)
    [event] = bench.audit(verb="embed", actor=OFFICER)["events"]
    assert sorted(mark.split("|")[0] for mark in event["detail"]["embeddings"]) == sorted(ids)
    with bench.desk.store.read() as tx:
        assert sorted(tx.column("SELECT record FROM embedding")) == sorted(ids)
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_where_the_evidence_cannot_tell_an_approval_takes_a_reason(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for changes, beyond in (({"domain": {"percentile": 100.0}}, "domain"), ({"report": {"given": False}}, "report")):
        evidence = {**ALL_CLEAR, **changes}
        monkeypatch.setattr(
            "updp_core.evidence.pair.measure",
            lambda inputs, proposals, *a, evidence=evidence, **k: [evidence for _ in proposals],
        )
        first, second = made(bench, 2) if beyond == "domain" else add_two(bench)
        assert bench.show(first, actor=READER)["beyond"] == [beyond]
        with pytest.raises(UsageError, match="why you approve"):
            bench.decide(first, "approve", actor=READER, comment=" ", reasons=[" "])
        looked = ["I compared both images myself, finding by finding"]
        assert bench.decide(first, "approve", actor=READER, reasons=looked)["state"] == "approved"
        assert bench.decide(second, "approve", actor=READER, comment="Compared by eye.")["state"] == "approved"
    assert bench.counts(actor=READER)["today_mine"] == {"approve": 4}
    bench.undo(actor=READER)
    counts = bench.counts(actor=READER)
    assert counts["today_mine"] == {"approve": 3} and counts["today"] == {READER.name: 3}, "what is undone is not done"


def add_two(bench: Workbench) -> list[str]:
    """Two more records with a pending candidate each."""
    ids = add(bench, [study(n) for n in (7, 8)])
    last(bench.generate(actor=OFFICER))
    return ids


def test_a_voided_pair_says_which_word_which_version_and_whose_verdict_fell(bench: Workbench) -> None:
    [record] = made(bench, 1)
    assert bench.show(record, actor=READER)["voided"] is None
    bench.decide(record, "approve", actor=READER)
    word = bench.show(record, actor=READER)["candidates"][-1]["prompt_text"].split()[0]
    bench.lexicon_edit(add={"blacklist": {"names": [word]}}, actor=OFFICER, comment="a name here")
    told = bench.show(record, actor=SECOND)["voided"]
    assert told and told["terms"] == [word] and told["author"] == OFFICER.name
    assert told["former"] and (told["former"]["verdict"], told["former"]["reviewer"]) == ("approve", READER.name)
    assert told["version"] == bench.lexicon_current(actor=OFFICER)["version"]
