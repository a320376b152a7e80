"""The queue: filters, order, counts, holds, batch approval, second readings."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.unit.workbench_kit import (
    OFFICER,
    READER,
    SECOND,
    QuickMethod,
    add,
    last,
    made,
    measure_all_clear,
    study,
    workbench,
)
from updp_core.domain import Actor
from updp_core.errors import Conflict, UpdpError, UsageError
from updp_core.store.standing import DISAGREES
from updp_core.workbench import Filters, Workbench, queue

pytestmark = pytest.mark.usefixtures("quick")


def ids(bench: Workbench, actor: Actor = READER, sort: str = "imported", **filters: object) -> list[str]:
    page = bench.page(actor=actor, filters=Filters(**filters), sort=sort)  # type: ignore[arg-type]
    assert page["total"] == len(page["records"])
    return [card["record"] for card in page["records"]]


NARROWED = [
    Filters(**some)  # type: ignore[arg-type]
    for some in (
        {},
        {"state": "pending", "free": True},
        {"state": "approved", "released": False},
        {"gate": "alignment", "gate_state": "block", "state": "pending"},
        {"gate": "alignment", "gate_state": "unknown", "method": "updp"},
        {"finding": "nodule", "gate_state": "unknown"},
        {"finding": "nodule", "gate": "alignment", "gate_state": "unknown"},
        {"reviewer": READER.name, "lexicon_version": 1, "remarked": False},
        {"reviewer": SECOND.name, "finding": "nodule"},
        {"flagged": "any", "waiting": True},
        {"flagged": "radiologist", "method": "updp"},
        {"state": "void", "text": "lungs"},
    )
]


class Verbs(RuleBasedStateMachine):
    """Any sequence of verbs leaves the queue's table equal to the derivation."""

    home: Path
    number = 0

    @initialize()
    def start(self) -> None:
        Verbs.number += 1
        self.bench = workbench(Verbs.home / str(Verbs.number))
        self.records = add(self.bench, [study(n, n // 2) for n in range(3)])
        self.term = 0

    @rule()
    def generate(self) -> None:
        last(self.bench.generate(actor=OFFICER))

    @rule(
        n=st.integers(0, 2),
        verdict=st.sampled_from(["approve", "reject", "regenerate"]),
        who=st.sampled_from([READER, SECOND, OFFICER]),
        comment=st.sampled_from(["", "because"]),
    )
    def decide(self, n: int, verdict: str, who: Actor, comment: str) -> None:
        self.attempt(lambda: self.bench.decide(self.records[n], verdict, actor=who, comment=comment))  # type: ignore[arg-type]

    @rule(who=st.sampled_from([READER, SECOND, OFFICER]))
    def undo(self, who: Actor) -> None:
        self.attempt(lambda: self.bench.undo(actor=who))

    @rule(
        n=st.integers(0, 2),
        who=st.sampled_from([READER, OFFICER]),
        audience=st.sampled_from(["radiologist", "privacy-officer", "anybody"]),
    )
    def flag(self, n: int, who: Actor, audience: str) -> None:
        self.attempt(lambda: self.bench.flag(self.records[n], "odd", audience=audience, actor=who))  # type: ignore[arg-type]

    @rule(n=st.integers(0, 2), who=st.sampled_from([READER, OFFICER]))
    def clear(self, n: int, who: Actor) -> None:
        for flag in self.bench.show(self.records[n], actor=who)["flags"]:
            number = flag["flag"]
            self.attempt(lambda number=number: self.bench.clear_flag(self.records[n], number, "settled", actor=who))

    @rule(n=st.integers(0, 2), seed=st.integers(0, 20))
    def regenerate(self, n: int, seed: int) -> None:
        last(self.bench.regenerate(self.records[n], seeds=[seed, seed + 1], actor=READER))

    @rule(n=st.integers(0, 2), which=st.integers(0, 5))
    def choose(self, n: int, which: int) -> None:
        candidates = self.bench.show(self.records[n], actor=READER)["candidates"]
        if candidates:
            candidate = candidates[which % len(candidates)]["candidate"]
            self.attempt(lambda: self.bench.choose(self.records[n], candidate, actor=READER))

    @rule(word=st.sampled_from(["effusion", "nodule", "3", "clear"]), add_it=st.booleans())
    def lexicon(self, word: str, add_it: bool) -> None:
        change = {"blacklist": {"names": [word]}}
        self.attempt(
            lambda: self.bench.lexicon_edit(
                add=change if add_it else None, remove=None if add_it else change, comment="", actor=OFFICER
            )
        )

    @rule(verdicts=st.integers(1, 2), limit=st.sampled_from([0.1, 0.9]), share=st.sampled_from([0.0, 1.0]))
    def policy(self, verdicts: int, limit: float, share: float) -> None:
        gates = {"alignment": {"limit": limit, "action": "block"}}
        self.bench.set_policy({"verdicts": verdicts, "gates": gates, "second_reading": share}, actor=OFFICER)

    def attempt(self, verb) -> None:  # type: ignore[no-untyped-def]
        with contextlib.suppress(UpdpError):  # a refusal must leave everything as it was, too
            verb()

    @invariant()
    def the_table_equals_the_derivation(self) -> None:
        if hasattr(self, "bench"):
            with self.bench.desk.store.read() as tx:
                assert tx.all(DISAGREES) == []
                assert tx.miscounted() == []

    @invariant()
    def every_number_that_is_kept_is_the_one_that_is_counted(self) -> None:
        if hasattr(self, "bench"):
            with self.bench.desk.store.read() as tx:
                for filters in NARROWED:
                    clause, values = queue.where(tx, filters, SECOND)
                    counted = tx.value(f"SELECT count(*) FROM standing s {clause}", **values)
                    assert queue._total(tx, filters, SECOND) == counted, filters

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            report = self.bench.audit_verify(actor=OFFICER)
            assert report["ok"], report["problems"]
            self.bench.close()


@pytest.mark.usefixtures("each_database")
def test_the_queue_always_equals_what_is_derived_from_the_history(tmp_path: Path) -> None:
    Verbs.home = tmp_path
    quick = settings(max_examples=4, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(Verbs, settings=quick)


@pytest.mark.usefixtures("each_database")
def test_filters_narrow_by_state_finding_patient_text_and_reviewer(bench: Workbench) -> None:
    records = made(bench, 4, patients=2)
    bench.decide(records[1], "approve", actor=READER)
    assert ids(bench, state="approved") == [records[1]]
    assert ids(bench, state="pending") == [records[0], records[2], records[3]]
    assert ids(bench, finding="nodule") == [records[2]]
    assert ids(bench, reviewer=READER.name) == [records[1]]
    patient = bench.show(records[0], actor=READER)["patient"]
    assert ids(bench, patient=patient) == [records[0], records[2]]
    assert ids(bench, text=patient) == [records[0], records[2]]
    assert ids(bench, text="pneumothorax clear") == [records[1]]
    assert ids(bench, text="cardiom*") == [records[0], records[3]]
    assert ids(bench, text="cardiom") == []
    assert ids(bench, text='"*(') == records
    assert ids(bench, method="updp", lexicon_version=1, released=False) == records
    assert ids(bench, gate="rarity", gate_state="unknown", finding="nodule") == [records[2]], "too few to tell"
    assert ids(bench, gate="rarity", gate_state="clear", finding="nodule") == []
    assert sorted(ids(bench, gate_state="unknown") + ids(bench, gate_state="warn")) == sorted(records)


@pytest.mark.usefixtures("each_database")
def test_a_search_finds_the_current_prompt_only(tmp_path: Path) -> None:
    method = QuickMethod(words=["granuloma"])
    bench = workbench(tmp_path / "ws", method)
    [record] = made(bench, 1)
    assert ids(bench, text="granuloma") == [record]
    method.words = ("fibrosis",)
    last(bench.regenerate(record, seeds=[9], actor=READER))
    assert ids(bench, text="granuloma") == []
    assert ids(bench, text="fibrosis") == [record]


@pytest.mark.parametrize("sort", sorted(queue.ORDERS))
def test_every_order_pages_without_gaps_or_repeats_and_next_walks_it(sort: str, tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws", QuickMethod(fail=["nodule"]))
    records = made(bench, 7)
    bench.decide(records[1], "approve", actor=READER)
    bench.decide(records[4], "reject", actor=READER)
    whole = ids(bench, sort=sort)
    pages = [bench.page(actor=READER, sort=sort, offset=n, limit=2)["records"] for n in range(0, 8, 2)]  # type: ignore[arg-type]
    assert [card["record"] for page in pages for card in page] == whole
    assert sorted(whole) == sorted(records)
    walked, at = [], None
    while (at := bench.take_next(actor=READER, sort=sort, after=at)) is not None:  # type: ignore[arg-type]
        walked.append(at)
        assert len(walked) <= 7
    assert walked == whole
    back = bench.take_next(actor=READER, sort=sort, after=whole[-1], back=True)  # type: ignore[arg-type]
    assert back == whole[-2]


def test_risk_puts_the_pairs_that_need_care_first(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    records = made(bench, 2)
    monkeypatch.setattr("updp_core.evidence.ocr.read_boxes", lambda image: [("X", (0, 0, 9, 9))])
    records += add(bench, [study(5)])
    last(bench.generate(actor=OFFICER))
    assert ids(bench, sort="risk")[0] == records[2]
    assert ids(bench, gate_state="block") == [records[2]]
    assert bench.gate_values("image_text", actor=READER).count(1) == 1


def test_impossible_pages_are_refused(bench: Workbench) -> None:
    for arguments in ({"limit": 0}, {"limit": 501}, {"offset": -1}, {"sort": "random"}, {"filters": Filters(gate="x")}):
        with pytest.raises(UsageError):
            bench.page(actor=READER, **arguments)  # type: ignore[arg-type]


def test_what_is_loaded_ahead_is_what_comes_next_and_is_not_held(bench: Workbench) -> None:
    records = made(bench, 5)
    bench.take(records[1], actor=SECOND)
    mine = bench.take_next(actor=READER)
    assert mine == records[0]
    ahead = bench.upcoming(mine, actor=READER, filters=Filters(state="pending"))
    assert [row["record"] for row in ahead] == [records[2], records[3]]
    assert ahead[0]["candidate"] == bench.show(records[2], actor=READER)["candidate"]
    assert ids(bench, mine=True) == [mine]
    assert bench.take_next(actor=READER, after=mine) == records[2]
    assert bench.upcoming(records[4], actor=READER) == []


def test_two_reviewers_never_hold_the_same_pair(bench: Workbench) -> None:
    records = made(bench, 3)
    mine, yours = bench.take_next(actor=READER), bench.take_next(actor=SECOND)
    assert [mine, yours] == records[:2]
    with pytest.raises(Conflict, match=r"Dr\. Second has this pair"):
        bench.take(records[1], actor=READER)
    with pytest.raises(Conflict, match="in hand"):
        bench.decide(records[1], "approve", actor=READER)
    assert ids(bench, mine=True) == [records[0]]
    assert ids(bench, free=True) == [records[0], records[2]]
    assert bench.page(actor=READER)["records"][1]["held_by"] == SECOND.name
    assert bench.take_next(actor=READER, after=mine) == records[2]
    assert bench.take_next(actor=READER, after=records[2]) is None
    assert bench.release_hold(actor=SECOND) == 1
    assert bench.take(records[1], actor=READER) == records[1]


def test_who_takes_another_pair_lets_go_of_the_one_before(bench: Workbench) -> None:
    records = made(bench, 3)
    bench.take_next(actor=READER)
    bench.take(records[2], actor=READER)
    assert ids(bench, mine=True) == [records[2]]
    assert bench.take_next(actor=SECOND) == records[0]


@pytest.mark.usefixtures("each_database")
def test_what_one_has_approved_and_waits_for_a_second_person_is_offered_to_others_only(bench: Workbench) -> None:
    records = made(bench)
    bench.set_policy({"verdicts": 2}, actor=OFFICER)
    bench.decide(records[0], "approve", actor=READER)
    pending = Filters(state="pending")
    assert bench.take_next(actor=READER, filters=pending) == records[1]
    assert bench.take_next(actor=SECOND, filters=pending) == records[0]
    bench.release_hold(actor=SECOND)
    assert ids(bench, state="pending") == records, "the list still shows it"
    assert bench.take_next(actor=READER, filters=Filters(state="pending", text=records[0])) == records[0]
    bench.undo(actor=READER)
    assert bench.take_next(actor=READER, filters=pending) == records[0]


def test_a_hold_that_has_run_out_is_free(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    [record] = made(bench, 1)
    bench.take(record, actor=READER, minutes=1)
    later = __import__("time").time() + 61
    monkeypatch.setattr("time.time", lambda: later)
    assert bench.take(record, actor=SECOND) == record


@pytest.mark.usefixtures("each_database")
def test_batch_approval_takes_only_pairs_whose_gates_are_all_clear_and_the_confirmed_number(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = made(bench, 3)
    assert bench.approve_preview(actor=READER)["number"] == 0, "unknown gates are not clear"
    measure_all_clear(monkeypatch)
    for record in records[:2]:
        last(bench.regenerate(record, seeds=[3], actor=READER))
    preview = bench.approve_preview(actor=READER)
    assert preview["number"] == 2 and preview["left_out"] == 1
    assert set(preview["sample"]) <= set(records[:2])
    with pytest.raises(Conflict, match="2 pairs, not 3"):
        bench.approve_all(actor=READER, expected_number=3)
    assert bench.approve_all(actor=READER, expected_number=2) == {"approved": 2}
    assert ids(bench, state="approved") == records[:2]


@pytest.mark.usefixtures("each_database")
def test_counts_say_how_far_the_work_is(bench: Workbench) -> None:
    records = made(bench, 3)
    bench.decide(records[0], "approve", actor=READER)
    bench.decide(records[1], "reject", actor=SECOND)
    bench.take(records[2], actor=READER)
    counts = bench.counts(actor=READER)
    assert counts["total"] == 3 and counts["left"] == 1 and counts["mine"] == 1
    assert counts["states"] == {"new": 0, "pending": 1, "approved": 1, "rejected": 1, "failed": 0, "void": 0}
    assert counts["reviewers"] == {READER.name: 1, SECOND.name: 1} == counts["today"]
    assert counts["methods"] == {"updp": 3} and counts["lexicon_versions"] == {"1": 3}
    assert counts["findings"]["nodule"] == 1


@pytest.mark.usefixtures("each_database")
def test_drafts_and_views_are_each_persons_own(bench: Workbench) -> None:
    [record] = made(bench, 1)
    bench.save_draft(record, {"comment": "half a sen"}, actor=READER)
    assert bench.show(record, actor=READER)["draft"] == {"comment": "half a sen"}
    assert bench.show(record, actor=SECOND)["draft"] == {}
    bench.decide(record, "approve", actor=READER)
    assert bench.show(record, actor=READER)["draft"] == {}
    bench.save_view("risky", actor=READER, filters=Filters(state="pending"), sort="risk")
    bench.save_view("risky", actor=READER, filters=Filters(state="void"), sort="risk", shared=True)
    assert bench.views(actor=SECOND) == [
        {"name": "risky", "owner": READER.name, "shared": True, "filters": {"state": "void"}, "sort": "risk"}
    ]
    with pytest.raises(UsageError):
        bench.delete_view("risky", actor=SECOND)
    bench.delete_view("risky", actor=READER)
    assert bench.views(actor=READER) == []


def test_a_blind_second_reader_does_not_see_the_first_verdict_and_agreement_is_measured(bench: Workbench) -> None:
    records = made(bench, 4)
    bench.set_policy({"second_reading": 1.0}, actor=OFFICER)
    for record, verdict in zip(records, ("approve", "approve", "reject", "reject"), strict=True):
        bench.decide(record, verdict, actor=READER)  # type: ignore[arg-type]
    assert ids(bench, READER, second_reading=True) == []
    assert ids(bench, SECOND, second_reading=True) == records
    blind = bench.show(records[0], actor=SECOND)
    assert blind["blind"] and blind["decisions"] == []
    for record, verdict in zip(records, ("approve", "reject", "reject", "approve"), strict=True):
        bench.decide(record, verdict, actor=SECOND)  # type: ignore[arg-type]
    assert ids(bench, SECOND, second_reading=True) == []
    assert len(bench.show(records[0], actor=SECOND)["decisions"]) == 2
    assert bench.insight(actor=READER)["agreement"] == {"pairs": 4, "agree": 2, "kappa": 0.0}
    states = [bench.show(record, actor=OFFICER)["state"] for record in records]
    assert states == ["approved", "rejected", "rejected", "rejected"], "a blind approval overrules nobody"


def test_insight_gives_numbers_for_the_plots(bench: Workbench) -> None:
    records = made(bench, 3)
    bench.decide(records[0], "approve", actor=READER)
    found = bench.insight(actor=READER)
    assert len(found["candidates"]) == 3
    assert found["candidates"][0]["alignment"] == 0.6
    assert found["decisions"][0]["count"] == 1
    assert sum(row["generated"] for row in found["throughput"]) == 3
    assert found["lexicon"] == [{"version": 1, "created_at": found["lexicon"][0]["created_at"], "voided": 0}]
