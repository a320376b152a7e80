"""Privacy levels: what an officer lets a pair tell, and that report, prompt, image and manifest say the same."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.workbench_kit import ADMIN, OFFICER, READER, QuickMethod, QuickModels, add, hush, last, study, workbench
from updp_core.errors import NotAllowed, ReleaseError, UsageError
from updp_core.findings import labeler
from updp_core.findings.levels import FINDINGS, Privacy, privacy_of, shared, told
from updp_core.phantom import sample_patient, sample_visit, write_report
from updp_core.report.left_out import pieces, told_of

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


def test_a_pair_made_under_a_lower_level_does_not_leave(bench, tmp_path) -> None:
    [record] = add(bench, [study(0)])
    last(bench.generate(actor=OFFICER))
    bench.decide(record, "approve", actor=READER, overrides=[])
    level(bench, level="custom", leave_out=["pleural_effusion"])
    with pytest.raises(ReleaseError, match="privacy level"):
        last(bench.release(tmp_path / "out", actor=OFFICER))
    last(bench.regenerate(record, actor=OFFICER))
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
