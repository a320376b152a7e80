"""Privacy levels: what an officer lets a pair tell, and that report, prompt, image and manifest say the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workbench_kit import (
    ADMIN,
    OBSERVER,
    OFFICER,
    READER,
    QuickMethod,
    QuickModels,
    add,
    hush,
    last,
    measure_all_clear,
    study,
    workbench,
)
from updp_core.atomic import canonical
from updp_core.errors import Conflict, NotAllowed, ReleaseError, UsageError
from updp_core.findings import labeler
from updp_core.findings.levels import FINDINGS, Privacy, fewest_out, privacy_of, shared, told
from updp_core.phantom import sample_patient, sample_visit, write_report
from updp_core.report.left_out import pieces, told_of
from updp_core.store.store import now

SETS = st.frozensets(st.sampled_from(FINDINGS[:6]), max_size=4)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(SETS, st.integers(0, 30)), min_size=1, max_size=40), st.integers(2, 6))
def test_what_level_1_tells_of_a_combination_is_told_of_k_patients_or_is_nothing(rows, k) -> None:
    patients: dict[frozenset[str], set[str]] = {}
    for combination, patient in rows:
        patients.setdefault(combination, set()).add(str(patient))
    kept = shared(patients, k)
    together: dict[frozenset[str], set[str]] = {}
    for combination, part in kept.items():
        assert part <= combination
        together.setdefault(part, set()).update(patients[combination])
    assert all(len(ids) >= k for part, ids in together.items() if part)
    assert all(kept[c] == c for c, ids in patients.items() if len(ids) >= k), "what enough patients share stays whole"


def test_the_rarest_finding_goes_first() -> None:
    both = frozenset({"cardiomegaly", "hernia"})
    kept = shared({both: ["a"], frozenset({"cardiomegaly"}): list("bcd")}, 3)
    assert kept[both] == {"cardiomegaly"}


@settings(max_examples=100, deadline=None)
@given(SETS, st.dictionaries(SETS, st.integers(0, 5), max_size=12), st.integers(0, 4))
def test_what_to_leave_out_is_the_fewest_that_clears_the_rarest_of_these_and_leaves_enough_company(
    together, others, least
) -> None:
    out = fewest_out(together, others, least)
    parts = (frozenset(c) for n in range(len(together) + 1) for c in combinations(sorted(together), n))
    clears = [part for part in parts if least <= 0 or others.get(together - part, -1) >= least]
    if out is None:
        assert not clears
        return
    assert frozenset(out) in clears and len(out) == min(map(len, clears))
    having = {name: sum(n for c, n in others.items() if name in c) for name in together}
    assert [having[n] for n in out] == min(sorted(having[n] for n in c) for c in clears if len(c) == len(out))


def test_level_2_tells_acute_findings_and_devices_of_the_purposes_named_and_no_other() -> None:
    everything = frozenset(FINDINGS)
    tubes = told(privacy_of({"level": 2, "purposes": ["tubes and lines"]}), {everything: ()})[everything]
    assert tubes == {"central_line", "endotracheal_tube", "chest_tube", "pneumothorax"}
    assert "nodule" not in told(Privacy(2), {everything: ()})[everything]


@pytest.mark.parametrize(
    "wish", [{"level": 3}, {"level": True}, {"k": 1}, {"level": 1, "j": 2}, {"leave_out": ["gout"]}, {"purposes": 5}]
)
def test_a_level_that_cannot_be_is_refused_with_what_can(wish) -> None:
    with pytest.raises(UsageError):
        privacy_of(wish)


# Reports


def without(text: str, names: Sequence[str]) -> str:
    for start, end in sorted(pieces(text, names), reverse=True):
        text = text[:start] + text[end:]
    return text


@pytest.mark.parametrize("seed", range(1_300_000, 1_300_010))
def test_what_is_left_of_a_report_tells_of_nothing_left_out_and_of_all_else_as_before(seed: int) -> None:
    visit = sample_visit(sample_patient(seed), 1)
    text = write_report(visit, 0).text
    present = sorted(f.name for f in visit.findings)
    for name in present:
        left = without(text, [name])
        before, after = labeler.statuses(text), labeler.statuses(left)
        assert not told_of(left, {name})
        assert {n: s for n, s in after.items() if n != name} == {n: s for n, s in before.items() if n != name}


def test_a_sentence_that_tells_more_loses_the_clause_alone_and_denials_stay() -> None:
    text = "Cardiomegaly and a small pleural effusion. No pneumothorax.\nHISTORY: Known hiatal hernia."
    assert without(text, ["pleural_effusion"]) == "Cardiomegaly and . No pneumothorax.\nHISTORY: Known hiatal hernia."
    assert without(text, ["hernia", "pneumothorax"]).endswith("No pneumothorax.\nHISTORY: ")


# Pairs


class Talkative(QuickMethod):
    """Its prompt says what the image shows, but for the words that its lexicon forbids."""

    forbidden: frozenset[str] = frozenset()

    def propose(self, records: Any, *, seeds: Any) -> Any:
        self.words = tuple(w for w in ("cardiomegaly", "effusion", "lungs") if w not in self.forbidden)
        return super().propose(records, seeds=seeds)


class Models(QuickModels):
    def make_method(self, lexicon: Any, requested: Any) -> Any:
        self.only.forbidden = frozenset(lexicon.forbidden_terms)
        return self.only


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    hush(monkeypatch)
    bench = workbench(tmp_path / "ws", Talkative())
    bench.desk.models = Models(bench.desk.settings, Talkative())
    return bench


def current(bench: Any, record: str) -> dict[str, Any]:
    pair = bench.show(record, actor=OFFICER)
    made = bench.candidate(next(c for c in pair["candidates"] if c["current"])["candidate"], actor=OFFICER)
    with bench.desk.store.read() as tx:
        return {
            **made,
            "filtered_report": tx.value("SELECT filtered FROM candidate WHERE id = :c", c=made["candidate"]),
        }


def level(bench: Any, **wish: Any) -> None:
    bench.set_policy({"privacy": wish}, actor=OFFICER)


def test_report_prompt_and_evidence_of_a_pair_say_the_same(bench) -> None:
    [record] = add(bench, [study(0)])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    assert last(bench.generate(actor=OFFICER))["generated"] == 1
    made = current(bench, record)
    assert "effusion" not in made["filtered_report"] and "[LEFT OUT]" in made["filtered_report"]
    assert "effusion" not in made["prompt_text"] and "cardiomegaly" in made["prompt_text"]
    assert made["evidence"]["findings"]["report"] == {"cardiomegaly": "present"}


def test_level_0_is_what_a_workspace_has_that_knows_no_levels(bench) -> None:
    [record] = add(bench, [study(0)])
    last(bench.generate(actor=OFFICER))
    assert "effusion" in current(bench, record)["filtered_report"]
    assert bench.policy(actor=READER)["privacy"] == {"level": 0}


def test_only_an_officer_sets_the_level_of_a_run_or_a_pair(bench) -> None:
    [record] = add(bench, [study(0)])
    with pytest.raises(NotAllowed):
        bench.generate(privacy={"level": 0}, actor=ADMIN)
    with pytest.raises(NotAllowed):
        bench.regenerate(record, privacy={"level": 0}, actor=READER)
    last(bench.regenerate(record, privacy={"level": "custom", "leave_out": ["cardiomegaly"]}, actor=OFFICER))
    assert "ardiomegaly" not in current(bench, record)["filtered_report"]


def test_a_method_that_keeps_pixels_can_leave_nothing_out_and_says_so(bench) -> None:
    add(bench, [study(0)])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    done = last(bench.generate(method="dp-pix", actor=OFFICER))
    assert done["generated"] == 0 and "source's pixels" in done["failed"][0]["reason"]


def test_at_level_1_what_a_report_leaves_open_goes_with_what_too_few_share_and_denials_stay(bench) -> None:
    said = "Cardiomegaly. Possible hiatal hernia. No pneumothorax."
    first, *_ = add(bench, [study(n, report=said if n == 0 else "Cardiomegaly.") for n in range(3)])
    level(bench, level=1, k=3)
    last(bench.generate(actor=OFFICER))
    assert current(bench, first)["filtered_report"] == "Cardiomegaly. [LEFT OUT] No pneumothorax."
    level(bench, level=1, k=4)
    assert bench.show(first, actor=READER)["state"] == "new", "three patients are not four"


def test_a_pairs_own_level_outlives_regeneration_a_new_lexicon_and_the_choice_of_an_earlier_version(bench) -> None:
    [record] = add(bench, [study(0)])
    last(bench.generate(actor=OFFICER))
    before = current(bench, record)["candidate"]
    last(bench.regenerate(record, privacy={"level": "custom", "leave_out": ["pleural_effusion"]}, actor=OFFICER))
    last(bench.regenerate(record, actor=READER))
    assert "effusion" not in current(bench, record)["filtered_report"]
    bench.lexicon_edit(add={"blacklist": {"institutions": ["cardiomegaly"]}}, comment="", actor=OFFICER)
    last(bench.generate(actor=ADMIN))
    made = current(bench, record)
    assert "effusion" not in made["filtered_report"] + made["prompt_text"]
    bench.lexicon_edit(remove={"blacklist": {"institutions": ["cardiomegaly"]}}, comment="", actor=OFFICER)
    bench.choose(record, before, actor=READER)
    with pytest.raises(Conflict, match="privacy level"):
        bench.decide(record, "approve", actor=READER)
    last(bench.regenerate(record, privacy={"level": 0}, actor=OFFICER))
    assert "effusion" in current(bench, record)["filtered_report"], "until an officer takes it back"


def test_a_pairs_own_level_cannot_tell_what_the_policy_leaves_out(bench) -> None:
    [record] = add(bench, [study(0)])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    last(bench.generate(privacy={"level": 0}, actor=OFFICER))
    assert "effusion" not in current(bench, record)["filtered_report"]


def test_pairs_that_a_new_level_forbids_are_sent_back_and_the_impact_says_so_first(bench) -> None:
    approved, pending = add(bench, [study(0), study(1)])
    last(bench.generate(actor=OFFICER))
    bench.decide(approved, "approve", actor=READER)
    level(bench, level="custom", leave_out=["hernia"])
    assert bench.show(approved, actor=READER)["state"] == "approved", "it tells of no hernia"
    wish = {"privacy": {"level": "custom", "leave_out": ["pleural_effusion"]}}
    moves = bench.policy_impact(wish, actor=OFFICER)["moves"]
    assert {(row["from"], row["to"]): row["records"] for row in moves} == {
        ("approved", "new"): [approved],
        ("pending", "new"): [pending],
    }
    bench.set_policy(wish, actor=OFFICER)
    assert last(bench.generate(actor=ADMIN))["generated"] == 2
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_what_has_become_rare_since_is_neither_approved_with_others_nor_released(bench, tmp_path, monkeypatch) -> None:
    measure_all_clear(monkeypatch)
    records = add(bench, [study(n, report="Cardiomegaly.") for n in range(2)])
    last(bench.generate(actor=OFFICER))
    bench.decide(records[0], "approve", actor=READER)
    assert bench.approve_preview(actor=READER)["number"] == 1
    raw = {"level": 1, "k": 3}
    with bench.desk.store.write() as tx:  # as if it had been in force before, when more patients were counted
        policy = {**bench.desk.policy(tx), "privacy": raw}
        tx.insert(
            "policy_version",
            verdicts=1,
            content_json=canonical(policy),
            author="somebody",
            comment="",
            created_at=now(),
        )
        tx.audit(OFFICER, "set_policy")
    assert bench.approve_preview(actor=READER)["number"] == 0
    with pytest.raises(ReleaseError, match="privacy level"):
        last(bench.release(tmp_path / "out", actor=OFFICER))
    level(bench, **raw)
    assert {bench.show(record, actor=READER)["state"] for record in records} == {"new"}


def test_a_pair_whose_prompt_was_denied_words_is_reproduced_with_them(bench) -> None:
    [record] = add(bench, [study(0)])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    last(bench.generate(actor=OFFICER))
    made = current(bench, record)
    assert "effusion" in made["settings"]["privacy"]["words"]
    found = bench.reproduce(made["candidate"], actor=OFFICER)
    assert found["same_models"] and found["same_prompt"] and found["same_image"]


def test_a_release_tells_the_level_and_nothing_that_it_leaves_out(bench, tmp_path) -> None:
    [record] = add(bench, [study(0)])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    last(bench.generate(actor=OFFICER))
    bench.decide(record, "approve", actor=READER)
    last(bench.release(tmp_path / "out", actor=OFFICER))
    release = json.loads((tmp_path / "out" / "release.json").read_text())
    assert release["header"]["policy"]["privacy"] == {"level": "custom"}
    [line] = [json.loads(row) for row in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()]
    assert line["settings"]["privacy"] == {"level": "custom"}, "the level, never what it left out"
    assert line["evidence"]["findings"]["report"] == {"cardiomegaly": "present"}
    text = "".join(
        f.read_text(errors="replace")
        for f in (tmp_path / "out").rglob("*")
        if f.suffix in (".json", ".jsonl", ".txt", ".html")
    )
    assert "cardiomegaly" in text and '"leave_out"' not in text and 'pleural_effusion": "present' not in text


# Clearing a rare combination


def rare(bench: Any, others: int = 100) -> str:
    """A record whose hernia nobody shares, among `others` who have an enlarged heart and no more."""
    reports = ["Cardiomegaly. Hiatal hernia."] + ["Cardiomegaly."] * others
    first, *_ = add(bench, [study(n, report=text) for n, text in enumerate(reports)])
    last(bench.regenerate(first, actor=READER))
    return str(first)


def rarity(bench: Any, record: str) -> dict[str, Any]:
    return next(g for g in bench.show(record, actor=READER)["gates"] if g["name"] == "rarity")


def test_a_rare_combination_names_what_to_leave_out_and_a_reader_has_the_pair_made_so(bench) -> None:
    record = rare(bench)
    assert rarity(bench, record)["state"] == "warn" and "leave out hernia" in rarity(bench, record)["explanation"]
    assert bench.show(record, actor=READER)["leave_out"] == ["hernia"]
    assert bench.show(record, actor=ADMIN)["leave_out"] == [], "what is left out tells what it hides"
    for who in (ADMIN, OBSERVER):
        with pytest.raises(NotAllowed):
            bench.clear_rarity(record, actor=who)
    assert last(bench.clear_rarity(record, actor=READER))["left_out"] == ["hernia"]
    made = current(bench, record)
    assert made["filtered_report"] == "Cardiomegaly. [LEFT OUT]"
    assert made["settings"]["privacy"]["own"] == {"level": "custom", "leave_out": ["hernia"]}
    assert rarity(bench, record)["state"] == "clear" and rarity(bench, record)["value"] == 100
    assert bench.show(record, actor=READER)["leave_out"] == []
    told = [e for e in bench.audit(actor=OFFICER, limit=50)["events"] if e["verb"] == "clear_rarity"]
    assert [(e["actor"], e["subject"], e["detail"]["left_out"]) for e in told] == [(READER.name, record, 1)]
    assert "hernia" not in json.dumps(told)
    with pytest.raises(UsageError, match="Nothing is rare"):
        bench.clear_rarity(record, actor=READER)


def test_what_a_pairs_own_level_left_out_stays_out_and_the_limit_of_the_policy_is_kept(bench) -> None:
    record = rare(bench)
    bench.set_policy({"gates": {"rarity": {"limit": 200}}}, actor=OFFICER)
    assert bench.show(record, actor=READER)["leave_out"] == []
    with pytest.raises(UsageError, match="No finding"):
        bench.clear_rarity(record, actor=READER)
    bench.set_policy({"gates": {"rarity": {"limit": 100}}}, actor=OFFICER)
    last(bench.regenerate(record, privacy={"level": "custom", "leave_out": ["nodule"]}, actor=OFFICER))
    last(bench.clear_rarity(record, actor=OFFICER))
    assert current(bench, record)["settings"]["privacy"]["own"]["leave_out"] == ["nodule", "hernia"]
    assert rarity(bench, record)["state"] == "clear", "who shares what is told is not counted less one for himself"


def test_another_visit_of_the_same_patient_is_no_company(bench) -> None:
    reports = ["Cardiomegaly. Hiatal hernia.", "Hiatal hernia."] + ["Cardiomegaly."] * 100
    first, *_ = add(bench, [study(n, patient=max(1, n), report=text) for n, text in enumerate(reports)])
    last(bench.regenerate(first, actor=READER))
    assert bench.show(first, actor=READER)["leave_out"] == ["hernia"], "not the heart, which would leave him alone"


# The preview


def test_the_preview_tells_by_level_what_is_kept_and_what_the_findings_alone_give_away(bench) -> None:
    add(bench, [study(n, patient=n // 2, report=("Hiatal hernia." if n < 2 else "Cardiomegaly.")) for n in range(60)])
    found = bench.privacy_preview(actor=READER, k=5)
    zero, one, two = found["levels"]
    assert [row["level"] for row in found["levels"]] == [0, 1, 2]
    assert (found["records"], zero["kept"], zero["affected"], zero["unique"]) == (60, 60, 0, 1)
    assert (one["kept"], one["affected"], one["left_out"]) == (58, 2, {"hernia": 2})
    assert one["fewer_than_k"] == 1, "nothing is told of the one patient who is left"
    assert two["kept"] == 0
    assert zero["link"]["patients"] == 30 and zero["link"]["value"] is not None
