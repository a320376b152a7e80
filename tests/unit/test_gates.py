"""Gates are data and pure functions: what blocks, what warns, and what is said when nothing was measured."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from updp_core.errors import UsageError
from updp_core.evidence.gates import RULES, beyond_measure, check_thresholds, gates, risk, worst

CLEAR = {
    "residual_phi": {"count": 0},
    "forbidden_in_prompt": {"count": 0},
    "image_text": {"count": 0},
    "alignment": {"before": 0.2, "after": 0.9},
    "prompt_score": {"synthetic": 0.9},
    "identity": {"similarity": -0.1, "rank": 30, "nearer": 29, "equals": 60},
    "findings": {"lost": [], "invented": [], "lost_count": 0, "invented_count": 0},
    "memorisation": {"percentile": 80.0},
    "derivation": {"source_pixels": 0},
    "domain": {"percentile": 40.0},
    "rarity": {"others": 9, "patients": 400, "leave_out": []},
}


def by_name(evidence, thresholds=None):
    return {gate.name: gate for gate in gates(evidence, thresholds)}


def changed(part, **values):
    return {**CLEAR, part: {**CLEAR[part], **values}}


def test_a_pair_that_measures_well_is_clear_at_every_gate():
    found = by_name(CLEAR)
    assert list(found) == list(RULES)
    assert {gate.state for gate in found.values()} == {"clear"}


def test_what_was_not_measured_is_unknown_and_never_clear():
    found = by_name({})
    assert {gate.state for gate in found.values()} == {"unknown"}
    assert all("ot measured" in gate.explanation for gate in found.values())
    assert by_name(changed("identity", similarity=math.nan))["identity_similarity"].state == "unknown"


def test_only_leaks_of_text_block_by_default():
    assert {name for name, rule in RULES.items() if rule.action == "block"} == {
        "residual_phi",
        "forbidden_in_prompt",
        "image_text",
    }
    for part in ("residual_phi", "forbidden_in_prompt", "image_text"):
        assert by_name(changed(part, count=1))[part].state == "block"


@pytest.mark.parametrize(
    ("gate", "part", "values"),
    [
        ("alignment", "alignment", {"after": -0.5}),
        ("prompt_score", "prompt_score", {"synthetic": -0.5}),
        ("identity_similarity", "identity", {"similarity": 0.99}),
        ("identity_rank", "identity", {"rank": 1, "nearer": 0}),
        ("findings_lost", "findings", {"lost_count": 1, "lost": ["pleural_effusion"]}),
        ("findings_invented", "findings", {"invented_count": 2, "invented": ["edema", "nodule"]}),
        ("memorisation", "memorisation", {"percentile": 0.2}),
        ("source_pixels", "derivation", {"source_pixels": 1}),
        ("domain", "domain", {"percentile": 100.0}),
        ("rarity", "rarity", {"others": 0}),
    ],
)
def test_a_bad_measure_warns_at_its_own_gate_and_at_no_other(gate, part, values):
    found = by_name(changed(part, **values))
    assert {name for name, g in found.items() if g.state == "warn"} == {gate}
    rest = {name: g for name, g in found.items() if name != gate}
    assert {g.state for g in rest.values()} == ({"clear", "unknown"} if gate == "domain" else {"clear"})


def test_outside_of_what_the_judges_know_their_gates_are_never_clear_and_a_warning_stays():
    found = by_name({**changed("domain", percentile=100.0), "identity": {"similarity": 0.99, "rank": 30}})
    judged = {name for name, rule in RULES.items() if "judges" in rule.needs}
    assert {name for name, g in found.items() if g.state == "unknown"} == judged - {"identity_similarity"}
    assert found["identity_similarity"].state == "warn", "doubt takes no warning away"
    assert all("do not know images like this" in g.explanation for g in found.values() if g.state == "unknown")


def test_without_a_report_nothing_is_said_of_findings_and_rarity():
    found = by_name({**CLEAR, "report": {"given": False}})
    assert {name for name, g in found.items() if g.state == "unknown"} == {
        "findings_lost",
        "findings_invented",
        "rarity",
    }
    assert beyond_measure([vars(g) for g in found.values()]) == ["report"]
    assert beyond_measure([vars(g) for g in by_name(CLEAR).values()]) == []
    assert beyond_measure([vars(g) for g in by_name(changed("domain", percentile=100.0)).values()]) == ["domain"]


def test_a_finding_that_the_judge_sees_in_neither_image_leaves_nothing_clear():
    found = by_name(changed("findings", unjudged=["nodule"]))["findings_lost"]
    assert found.state == "unknown" and "nodule" in found.explanation
    assert (
        by_name(changed("findings", unjudged=["nodule"], lost_count=1, lost=["edema"]))["findings_lost"].state == "warn"
    )


def test_each_gate_that_can_fail_says_what_a_reader_can_do_in_words_without_numbers():
    for name, rule in RULES.items():
        assert rule.advice.endswith(".") and "%" not in rule.advice and "{" not in rule.advice, name


def test_explanations_are_one_sentence_with_the_numbers_filled_in():
    for evidence in (CLEAR, {}, changed("findings", lost_count=1, lost=["pleural_effusion"])):
        for gate in gates(evidence):
            assert gate.explanation.endswith(".") and "{" not in gate.explanation
            assert gate.title and ". " not in gate.explanation
    lost = by_name(changed("findings", lost_count=1, lost=["pleural_effusion"]))["findings_lost"]
    assert "pleural effusion" in lost.explanation and lost.value == 1
    assert "Of 60 patients" in by_name(CLEAR)["identity_rank"].explanation


def test_a_policy_changes_limit_and_action_of_one_gate_alone():
    strict = by_name(changed("identity", similarity=0.3), {"identity_similarity": {"limit": 0.2, "action": "block"}})
    assert strict["identity_similarity"].state == "block" and strict["identity_similarity"].threshold == 0.2
    assert strict["domain"].threshold == RULES["domain"].limit


@pytest.mark.parametrize(
    "thresholds",
    [
        {"likeness": {"limit": 1}},
        {"domain": {"limit": "high"}},
        {"domain": {"limit": math.nan}},
        {"domain": {"limit": True}},
        {"domain": {"action": "ignore"}},
        {"domain": {"colour": 1}},
        {"residual_phi": {"action": "warn"}},
        {"forbidden_in_prompt": {"limit": 1}},
    ],
)
def test_a_policy_that_cannot_be_right_is_refused_with_a_valid_example(thresholds):
    with pytest.raises(UsageError):
        check_thresholds(thresholds)


def test_a_hard_gate_blocks_and_a_policy_may_repeat_its_default_alone():
    hard = {name: rule for name, rule in RULES.items() if rule.hard}
    assert set(hard) == {"residual_phi", "forbidden_in_prompt"}
    assert {rule.action for rule in hard.values()} == {"block"}
    same = {name: {"limit": rule.limit, "action": "block"} for name, rule in hard.items()}
    assert check_thresholds(same) == same


def test_no_value_that_was_read_from_the_original_leaves():
    """A cosine with the original is a fingerprint of it: such gates leave as states."""
    leaving = {rule.path for rule in RULES.values() if rule.leaves}
    assert leaving == {
        ("residual_phi", "count"),
        ("forbidden_in_prompt", "count"),
        ("image_text", "count"),
        ("prompt_score", "synthetic"),
        ("memorisation", "percentile"),
    }


@given(st.sampled_from(list(RULES)), st.floats(-5, 200), st.floats(-5, 200))
def test_a_worse_value_never_turns_a_failing_gate_clear(name, a, b):
    rule = RULES[name]
    worse, better = (max(a, b), min(a, b)) if rule.worse == "above" else (min(a, b), max(a, b))
    part, key = rule.path
    at_better = by_name({part: {key: better}})[name].state
    at_worse = by_name({part: {key: worse}})[name].state
    assert not (at_better != "clear" and at_worse == "clear")


def test_block_is_worst_and_a_missing_measure_is_worse_than_a_clear_one():
    assert worst({"a": "clear", "b": "unknown"}) == "unknown"
    assert worst({"a": "warn", "b": "unknown"}) == "warn"
    assert worst({"a": "warn", "b": "block"}) == "block"
    assert worst({}) == "clear"


def test_pairs_that_block_come_before_all_others_in_a_queue_sorted_by_risk():
    blocked = risk(gates(changed("residual_phi", count=1)))
    warned = risk(gates({**CLEAR, "domain": {"percentile": 100.0}, "rarity": {"others": 0}}))
    assert blocked > warned > risk(gates(CLEAR)) == 0.0
