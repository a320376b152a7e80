"""Promises that somebody with a role, a tampered database or a change of policy would like to see broken."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.workbench_kit import (
    ADMIN,
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
from updp_core.atomic import canonical
from updp_core.domain import Prompt, RefusedToken, Token
from updp_core.errors import NotAllowed, ReleaseError, UsageError
from updp_core.evidence.gates import RULES
from updp_core.store.store import event_digest, now, row_digest
from updp_core.workbench import ROLE_VERBS, Filters, Workbench
from updp_core.workbench.roles import PHI_ROLES

ACTS = {
    "add_user",
    "backup",
    "control",
    "copy_to",
    "generate",
    "import_",
    "import_from",
    "purge",
    "remove_user",
    "write_ready",
}
"""Verbs that an observer or an administrator may do and that answer with nothing of the lists."""
pytestmark = pytest.mark.usefixtures("quick")


def test_a_prompt_that_is_the_unfiltered_report_is_shown_and_found_by_readers_only(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(words=("zebedee",), releasable=False))
    [record] = made(bench, 1)
    for actor in (OBSERVER, ADMIN):
        detail = bench.show(record, actor=actor)
        assert "zebedee" not in repr(detail)
        assert "zebedee" not in repr(bench.candidate(detail["candidate"], actor=actor))
    assert "zebedee" in bench.show(record, actor=READER)["candidates"][0]["prompt_text"]
    assert bench.page(filters=Filters(text="zebedee"), actor=OBSERVER)["total"] == 0


def test_roles_that_see_no_original_are_told_nothing_by_which_a_holder_of_the_source_knows_it(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    reader = bench.show(record, actor=READER)
    digest, seed = reader["images"]["original"]["sha256"], reader["candidates"][0]["seed"]
    assert len(digest) == 64 and isinstance(seed, int)
    for actor in (OBSERVER, ADMIN):
        told = repr((bench.show(record, actor=actor), bench.candidate(reader["candidate"], actor=actor)))
        assert digest[:12] not in told and str(seed) not in told


def test_an_approval_falls_when_the_policy_makes_a_gate_block_that_it_did_not_override(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.set_policy({"gates": {"alignment": {"limit": 2, "action": "block"}}}, actor=OFFICER)
    assert bench.show(record, actor=READER)["state"] == "pending"
    assert bench.release_preview(actor=OFFICER)["would"] == 0
    with pytest.raises(ReleaseError):
        last(bench.release(tmp_path / "out", actor=OFFICER))
    bench.decide(record, "approve", overrides=["alignment"], comment="A teaching case.", actor=READER)
    assert bench.show(record, actor=READER)["state"] == "approved"


def test_audit_verify_finds_a_changed_row_that_a_later_event_tells_of_again(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "reject", actor=READER)
    assert bench.audit_verify(actor=OFFICER)["ok"]
    with sqlite3.connect(tmp_path / "ws" / "updp.sqlite3") as database:
        database.row_factory = sqlite3.Row
        database.execute("DROP TRIGGER decision_no_update")
        database.execute("UPDATE decision SET verdict = 'approve'")
        row = dict(database.execute("SELECT * FROM decision").fetchone())
        end = dict(database.execute("SELECT * FROM audit_event ORDER BY id DESC LIMIT 1").fetchone())
        told = {"rows": {"decision": {str(row["id"]): row_digest(row)}}}
        forged = {
            **end,
            "id": end["id"] + 1,
            "at": now(),
            "detail_json": canonical(told),
            "previous": end["digest"],
        }
        forged["digest"] = event_digest(forged)
        columns = ", ".join(forged)
        database.execute(
            f"INSERT INTO audit_event ({columns}) VALUES ({', '.join('?' * len(forged))})", [*forged.values()]
        )
    report = bench.audit_verify(actor=OFFICER)
    assert not report["ok"] and any("again" in problem for problem in report["problems"])


def test_verify_lists_nothing_of_a_folder_that_is_no_release(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    incoming = tmp_path / "incoming"
    (incoming / "QUILL_MORTIMER_1950").mkdir(parents=True)
    (incoming / "mortimer.dcm").write_bytes(b"x")
    answer = bench.verify(incoming, actor=OFFICER, anywhere=True)
    assert not answer["ok"] and "mortimer" not in repr(answer).lower()
    for actor in (OBSERVER, OFFICER):
        with pytest.raises(NotAllowed, match="python -m updp_core verify"):
            bench.verify(incoming, actor=actor)
        with pytest.raises(NotAllowed):
            bench.verify(tmp_path / "ws" / "releases" / ".." / "..", actor=actor)
    assert not bench.verify(tmp_path / "ws" / "releases" / "none", actor=OBSERVER)["ok"]


def test_prompts_stay_in_the_house_where_the_policy_keeps_them_back(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(words=("hilum", "apex")))
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    last(bench.release(tmp_path / "with", actor=OFFICER))
    assert "hilum apex" in (tmp_path / "with" / "manifest.jsonl").read_text()
    bench.set_policy({"prompts": "keep back"}, actor=OFFICER)
    last(bench.release(tmp_path / "without", actor=OFFICER))
    for path in (tmp_path / "without").rglob("*"):
        assert path.is_dir() or b"hilum" not in path.read_bytes()
    assert '"prompts_included": false' in (tmp_path / "without" / "release.json").read_text()
    assert "kept back" in (tmp_path / "without" / "README.txt").read_text()
    assert bench.verify(tmp_path / "without", actor=OBSERVER)["problems"] == []
    with pytest.raises(UsageError, match="keep back"):
        bench.set_policy({"prompts": "sell"}, actor=OFFICER)


def test_a_blind_second_reader_learns_the_first_verdict_from_nothing(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    approved, rejected = made(bench, 2)
    bench.decide(approved, "approve", actor=READER)
    bench.decide(rejected, "reject", actor=READER)
    seen = [bench.show(record, actor=SECOND) for record in (approved, rejected)]
    assert [detail["blind"] for detail in seen] == [True, True]
    assert [detail["state"] for detail in seen] == ["pending", "pending"]
    cards = bench.page(filters=Filters(second_reading=True), actor=SECOND)["records"]
    assert len(cards) == 2
    assert {(c["state"], c["approvals"], c["reviewer"], c["decided_at"]) for c in cards} == {("pending", 0, None, None)}
    every = bench.page(actor=SECOND)["records"]
    assert {(c["state"], c["approvals"], c["reviewer"], c["decided_at"]) for c in every} == {("pending", 0, None, None)}
    for telling in (
        Filters(state="approved"),
        Filters(state="rejected"),
        Filters(reviewer=READER.name),
        Filters(released=False),
    ):
        for both in (telling, replace(telling, second_reading=True)):
            assert bench.page(filters=both, actor=SECOND)["total"] == 0, both
            assert bench.take_next(filters=both, actor=SECOND) is None, both
    assert bench.page(filters=Filters(state="approved"), actor=READER)["total"] == 1
    assert bench.release_preview(actor=SECOND)["records"] == []
    assert len(bench.release_preview(actor=READER)["records"]) == 1
    word = bench.show(approved, actor=SECOND)["report"]["filtered"].split()[1]
    where = bench.lexicon_impact(add={"blacklist": {"names": [word]}}, actor=SECOND)["where"]
    assert [row["state"] for row in where] == ["pending", "pending"]
    assert {row["state"] for row in bench.insight(actor=SECOND)["candidates"]} == {"pending"}
    assert bench.decide(approved, "reject", actor=SECOND)["state"] == "rejected"
    told = {card["record"]: card["state"] for card in bench.page(actor=SECOND)["records"]}
    assert told == {approved: "rejected", rejected: "pending"}, "after one's own verdict, all is told of that pair"


def test_a_word_that_leaves_the_whitelist_is_looked_for_wherever_it_stands(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    bench.lexicon_edit(add={"whitelist": {"findings": ["mortimer sign"]}}, comment="An eponym", actor=OFFICER)
    [record] = add(bench, [study(0, report="FINDINGS: A clear Mortimer is seen. IMPRESSION: Normal.")])
    last(bench.generate(actor=OFFICER))
    assert "Mortimer" in bench.show(record, actor=READER)["report"]["filtered"]
    bench.decide(record, "approve", actor=READER)
    bench.lexicon_edit(remove={"whitelist": {"findings": ["mortimer sign"]}}, comment="A name", actor=OFFICER)
    assert bench.show(record, actor=READER)["state"] == "void"


def test_an_error_of_the_database_quotes_no_patient_text(tmp_path: Path) -> None:
    bench: Workbench = workbench(tmp_path / "ws")
    with pytest.raises(Exception) as caught, bench.desk.store.write() as tx:
        tx.run("INSERT INTO record_text (rowid, body) VALUES (:a, :body)", a="no number", body="QUILL, MORTIMER")
    assert "QUILL" not in str(caught.value)


def names_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Workbench, str]:
    """A workspace in which an officer has forbidden the name of somebody who stands in an approved pair's prompt."""
    refused = RefusedToken("kowal", 0.9, "blacklist/kowalczykkin: kowalczyk")
    bench = workbench(tmp_path / "ws", QuickMethod(words=("kowalczyk",)))
    monkeypatch.setattr(
        QuickMethod, "settings", lambda self: {"lexicon": bench.lexicon_current(actor=OFFICER)["digest"]}
    )
    token = Token(0, "heart", "neutral", 0.5, 1, "heart", (refused,))
    prompt = Prompt("heart", (token,), 0.2, 0.6, 0.7, (0.8,))
    [record] = add(bench, [study(0, report="FINDINGS: Kowalczyk was seen. IMPRESSION: Normal.")])
    propose = QuickMethod.propose

    def told(self: QuickMethod, records: Any, *, seeds: Any) -> Any:
        for step in propose(self, records, seeds=seeds):
            yield replace(step, proposals=tuple(replace(p, prompt=prompt) for p in step.proposals))

    monkeypatch.setattr(QuickMethod, "propose", told)
    last(bench.generate(actor=OFFICER))
    add_term = {"blacklist": {"kowalczykkin": ["kowalczyk"]}}
    bench.lexicon_edit(add=add_term, comment="Mrs Kowalczyk of ward 3", actor=OFFICER)
    last(bench.regenerate(record, actor=OFFICER))
    filters = Filters(text="kowalczyk")
    bench.save_view("somebody", filters=filters, shared=True, actor=READER)
    return bench, record


def test_nothing_that_everybody_may_ask_for_tells_a_name_that_was_put_on_the_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, record = names_added(tmp_path, monkeypatch)
    candidates = [c["candidate"] for c in bench.show(record, actor=READER)["candidates"]]
    digests = [row["digest"] for row in bench.lexicon_log(actor=OFFICER)]
    given: dict[str, list[dict[str, Any]]] = {
        "show": [{"record": record}],
        "candidate": [{"candidate": c} for c in candidates[1:]],  # the prompt of the first one holds the word itself
        "gate_values": [{"name": name} for name in RULES],
        "delete_view": [],
        "save_view": [],
        "verify": [],
        "image": [],
        "heat_map": [],
        "import_look": [],
        "import_again": [],
        "import_rejected": [],
        "import_list": [],
        "audit_export": [{"form": "csv"}, {"form": "jsonl"}],
    }
    asked = [name for name, roles in ROLE_VERBS.items() if roles & {OBSERVER.role, ADMIN.role}]
    asked = [name for name in asked if name in given or name not in ACTS]
    told = set()
    for actor in (OBSERVER, ADMIN):
        for name in asked:
            if actor.role in ROLE_VERBS[name]:
                for arguments in given.get(name, [{}]):
                    found = getattr(bench, name)(**arguments, actor=actor)
                    answer = repr(list(found) if isinstance(found, Iterator) else found)
                    said = answer.replace("chest radiograph kowalczyk", "")
                    assert "kowalczyk" not in said.lower(), (name, actor.role)
                    assert not [digest for digest in digests if digest in answer], (name, actor.role)
                    told.add(name)
    assert {"show", "candidate", "insight", "audit", "views", "lexicon_log", "gate_values"} <= told
    reader = repr((bench.show(record, actor=READER), bench.audit(actor=OFFICER), bench.views(actor=READER)))
    assert "kowalczyk" in reader.lower() and digests[0] in reader  # there was something to keep back


def test_no_list_of_words_is_read_without_the_right_to_see_patients() -> None:
    for name in ("lexicon_current", "lexicon_show", "lexicon_diff"):
        assert ROLE_VERBS[name] == PHI_ROLES


def test_what_an_event_tells_of_a_lexicon_cannot_be_reckoned_from_a_guess_at_it(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    for name in ("zorblatt", "quemby"):
        bench.lexicon_edit(add={"blacklist": {"names": [name]}}, comment="", actor=OFFICER)
    nonces = [event["detail"]["nonce"] for event in bench.audit(verb="lexicon_edit", actor=OFFICER)["events"]]
    assert len(set(nonces)) == 2 and all(len(nonce) == 32 for nonce in nonces)
    assert bench.audit_verify(actor=ADMIN)["ok"]


@pytest.mark.parametrize("reason", ["x" * 5_000_000, "kowalczyk", "batch"])
def test_a_reason_comes_from_the_list(tmp_path: Path, reason: str) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    with pytest.raises(UsageError, match="A reason is one of: Identity visible") as caught:
        bench.decide(record, "reject", reasons=[reason], actor=READER)
    assert len(str(caught.value)) < 500
    detail = bench.decide(record, "reject", reasons=["finding_lost", "Other", "other"], actor=READER)
    assert detail["decisions"][0]["reasons"] == ["Finding lost", "Other"]


def test_a_comment_is_bounded_wherever_one_is_given_and_steers_no_terminal(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    [record, other] = made(bench, 2)
    long, term = "x" * 4001, {"blacklist": {"names": ["zorblatt"]}}
    detail = bench.flag(record, "look", actor=READER)
    for give in (
        lambda text: bench.decide(record, "approve", comment=text, actor=READER),
        lambda text: bench.approve_all(expected_number=0, comment=text, actor=READER),
        lambda text: bench.flag(record, text, actor=READER),
        lambda text: bench.clear_flag(record, detail["flags"][0]["flag"], text, actor=READER),
        lambda text: bench.lexicon_edit(add=term, comment=text, actor=OFFICER),
        lambda text: bench.lexicon_revert(1, comment=text, actor=OFFICER),
        lambda text: bench.set_policy({}, comment=text, actor=OFFICER),
        lambda text: bench.release(tmp_path / "out", comment=text, actor=OFFICER),
    ):
        with pytest.raises(UsageError, match="4000 are the most"):
            give(long)
    comment = "seen\x1b]0;owned\x07 and \x9b31m \u202eright\u202c, twice\nby two"
    [entry] = bench.decide(other, "reject", comment=comment, actor=READER)["decisions"]
    assert entry["comment"] == "seen ]0;owned  and  31m  right , twice\nby two"


def test_views_of_a_person_are_bounded(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    with pytest.raises(UsageError, match="longer than"):
        bench.save_view("long", filters=Filters(finding="x" * 5000), actor=OBSERVER)
    for n in range(100):
        bench.save_view(f"v{n}", actor=OBSERVER)
    bench.save_view("v0", actor=OBSERVER)
    with pytest.raises(UsageError, match="100 saved views"):
        bench.save_view("one more", actor=OBSERVER)
