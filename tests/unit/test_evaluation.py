"""`evaluate starter`: honest intervals, attackers that can attack, and a run that goes on wherever it was killed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import roc_auc_score

from tests.unit.evaluation_kit import TINY, Bench
from tests.unit.workbench_kit import OBSERVER
from updp_core.config import STARTER, Settings
from updp_core.errors import Conflict, UsageError
from updp_core.evaluation import attackers, cards, run, statistics, testbed
from updp_core.evaluation.suites import SUITES, Bar
from updp_core.workbench import Workbench

# Intervals


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3)), min_size=2, max_size=40))
def test_auc_of_repeated_rows_is_that_of_scikit_learn(rows) -> None:
    truth, score, times = (np.array(column) for column in zip(*rows, strict=True))
    repeated = np.repeat(truth, times)
    found = statistics.auc(truth, score, times[None].astype(float))[0]
    if len(set(repeated)) < 2:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(roc_auc_score(repeated, np.repeat(score, times)))


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_share_comes_with_wilsons_interval(case) -> None:
    hits, n = case
    value, low, high = statistics.share(np.arange(n) < hits)
    known = binomtest(hits, n).proportion_ci(method="wilson")
    assert value == hits / n
    assert (low, high) == (pytest.approx(known.low, abs=1e-6), pytest.approx(known.high, abs=1e-6))


def test_ten_copies_of_an_image_say_no_more_than_one() -> None:
    hits = np.repeat([True, False, True, True, False, False, True, True], 10)
    _, low, high = statistics.share(hits, np.repeat(np.arange(8), 10))
    _, few_low, few_high = statistics.share(hits[::10])
    assert high - low == pytest.approx(few_high - few_low, rel=0.15)
    wide = np.diff(statistics.mean(hits.astype(float), np.repeat(np.arange(8), 10))[1:])
    assert wide > 2 * np.diff(statistics.mean(hits.astype(float))[1:])


def test_what_cannot_be_measured_is_unknown_and_not_a_number() -> None:
    assert np.isnan(statistics.macro_auc(np.ones((4, 2), bool), np.zeros((4, 2)))[0])
    assert np.isnan(statistics.mean(np.zeros(0))[0])


# Attackers


def linkage(leak: float, patients: int = 24, seed: int = 0) -> attackers.Linkage:
    """Two visits of each patient; `leak` of the patient's own code comes through into the synthetic features."""
    rng = np.random.default_rng(seed)
    code = np.repeat(rng.normal(size=(patients, 12)), 2, axis=0)
    originals = code + 0.3 * rng.normal(size=code.shape)
    synthetic = leak * code + rng.normal(size=code.shape)
    visits = np.arange(2 * patients)
    return attackers.Linkage(synthetic.astype(np.float32), originals.astype(np.float32), visits, visits // 2)


def linked(data: attackers.Linkage, test: Any, seeds: list[int], alike: Any = None) -> Any:
    return attackers.linked(data, test, attackers.retrained(data, test, seeds), seeds[0], alike)


def test_the_retrained_attacker_links_images_that_leak_and_guesses_on_those_that_do_not() -> None:
    test = np.arange(12, 24)
    (leaking, low, _), each = linked(linkage(2.0), test, [1, 2])
    assert leaking > 0.9 and low > 0.7 and len(each) == 2
    (blind, low, high), _ = linked(linkage(0.0), test, [1, 2])
    assert 0.3 < blind < 0.7 and low < 0.5 < high


def test_where_findings_are_the_same_only_anatomy_can_link() -> None:
    """Half of the patients are healthy, of the others two have the same disease; synthetic images show it, and in the
    second case the person too. Diseases coincide in one patient more than in two, which is no anatomy either."""
    patient = np.arange(48)
    disease = np.repeat(np.where(patient % 2, 1 + patient // 2 % 6, 0), 2)
    shown, test = np.eye(7)[disease] * (disease > 0)[:, None], np.arange(24, 48)
    for leak, low, high in ((0.0, 0.3, 0.7), (2.0, 0.85, 1.0)):
        person = linkage(leak, 48)
        data = attackers.Linkage(
            np.hstack([person.synthetic, 3 * shown]).astype(np.float32),
            np.hstack([person.originals, 3 * shown]).astype(np.float32),
            person.source,
            person.patient,
        )
        assert linked(data, test, [1, 2])[0][0] > 0.7
        assert low < linked(data, test, [1, 2], alike=disease)[0][0] <= high


def test_an_auc_within_strata_is_the_mean_of_theirs_by_their_positives() -> None:
    rng = np.random.default_rng(0)
    strata, truth = rng.integers(0, 3, 300), rng.random(300) < 0.4
    score = rng.normal(size=300) + truth + 5 * strata  # between strata it would tell nothing of truth
    parts = [(statistics.auc(truth[s], score[s])[0], truth[s].sum()) for s in (strata == k for k in range(3))]
    expected = sum(a * n for a, n in parts) / truth.sum()
    assert statistics.auc_within(strata, truth, score)[0] == pytest.approx(expected)
    lonely = np.append(strata, 9), np.append(truth, True), np.append(score, -9.0)  # a stratum that compares nobody
    assert statistics.auc_within(*lonely)[0] == pytest.approx(expected)
    doubled = statistics.auc_within(strata, truth, score, np.full((2, 300), 2.0))
    assert doubled == pytest.approx([expected] * 2)


def test_told_who_comes_into_question_the_attacker_names_one_of_them() -> None:
    """Anatomy that comes through names the person among any; without it, what is left is chance."""
    rng = np.random.default_rng(0)
    code, who = rng.normal(size=(12, 8)), np.arange(240) % 12
    originals = (code[who] + 0.2 * rng.normal(size=(240, 8))).astype(np.float32)
    model = attackers.identity_classifier(originals, who)
    asked = [[(p + step) % 12 for step in (0, 3, 5)] for p in who]
    assert attackers.recognised_among(model, originals, who, asked).mean() > 0.95
    blind = rng.normal(size=(240, 8)).astype(np.float32)
    assert 0.23 < attackers.recognised_among(model, blind, who, asked).mean() < 0.43
    assert not attackers.recognised_among(model, originals, who, [[(p + 1) % 12] for p in who]).any()


def test_the_attacker_is_never_asked_about_the_visit_that_an_image_was_made_from() -> None:
    data = linkage(1.0, 5)
    pairs = data.positives(np.arange(5))
    assert len(pairs) == 10 and (data.source[pairs[:, 0]] != pairs[:, 1]).all()
    assert (data.patient[data.source[pairs[:, 0]]] == data.patient[pairs[:, 1]]).all()
    others = data.others(np.arange(5), 10**6, np.random.default_rng(0))
    assert len(others) == 10 * 8


def test_the_retrained_attacker_learns_from_other_patients_than_it_is_tested_on(monkeypatch) -> None:
    seen: list[set[int]] = []
    train = attackers.train_linker
    monkeypatch.setattr(
        attackers,
        "train_linker",
        lambda data, patients, seed: seen.append(set(patients)) or train(data, patients, seed),
    )
    linked(linkage(1.0), np.arange(12, 24), [1])
    assert seen == [set(range(12))]


# The run, on quick stand-ins for models and phantoms


@pytest.fixture
def bench() -> Bench:
    return Bench(drawn=0, rendered=0, generator="a")


def figures(result: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on how often a run was killed: all but times."""
    timed = {
        "minutes",
        "stage_minutes",
        "processor_minutes",
        "date",
        "missed",
        "seconds_per_pair",
        "processor_seconds_per_pair",
    }
    plain = {k: v for k, v in result.items() if k not in timed}
    return plain | {"intervals": {k: v for k, v in plain["intervals"].items() if k not in timed}}


def test_the_result_holds_every_figure_with_its_interval_and_what_it_was_measured_on(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path)
    assert set(result["finding_auc"]) == {"original", "raw_report", "updp", "updp_of_original"}
    assert set(result["identity_accuracy"]) == {
        "original",
        "raw_report",
        "updp",
        "findings_alone",
        "same_findings",
        "same_findings_chance",
        "chance",
    }
    assert set(result["prompt_score"]) == {"random", "random_updp", "raw_report", "raw_report_updp"}
    assert set(result["autoencoder_ssim"]) == {"phantom", "real"}
    nearest = ("nearest_neighbour", "nearest_neighbour_unseen")
    for name in ("zero_shot_auc", "reid_auc_retrained", "reid_auc_findings_alone", *nearest):
        value, (low, high) = result[name], result["intervals"][name]
        assert low <= value <= high and result["n"][name]
    assert result["identity_accuracy"]["chance"] == round(1 / 3, 4)
    assert result["autoencoder_ssim"]["real"] is None and "autoencoder_ssim.real" in result["missed"]
    assert result["seed"] == 0 and result["complete"] and set(result["models"]) == {"encoder", "generator", "judges"}
    assert json.loads(json.dumps(result)) == result


def test_a_second_run_draws_and_renders_nothing(bench, tmp_path) -> None:
    first = bench.evaluated(tmp_path)
    bench |= {"limit": bench["drawn"], "render_limit": bench["rendered"]}
    assert figures(bench.evaluated(tmp_path)) == figures(first)


@pytest.mark.parametrize("what, every", [("limit", 3), ("render_limit", 5)])
def test_a_run_killed_again_and_again_finds_what_an_undisturbed_one_finds(bench, tmp_path, what, every) -> None:
    whole = bench.evaluated(tmp_path / "whole")
    count = "drawn" if what == "limit" else "rendered"
    kills = 0
    while True:
        bench[what] = bench[count] + every
        try:
            again = bench.evaluated(tmp_path / "cut")
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills > 3 and figures(again) == figures(whole)


def test_what_a_killed_process_left_half_written_is_cut_off(bench, tmp_path) -> None:
    whole = bench.evaluated(tmp_path / "whole")
    bench["limit"] = bench["drawn"] + 5
    with pytest.raises(KeyboardInterrupt):
        bench.evaluated(tmp_path / "cut")
    for file in (tmp_path / "cut").rglob("*"):
        if file.suffix in (".u16", ".u8"):
            file.open("ab").write(b"x" * 77)
        elif file.suffix == ".jsonl":
            file.open("a").write('{"study"')
    bench["limit"] = 10**9
    assert figures(bench.evaluated(tmp_path / "cut")) == figures(whole)


def test_another_generator_is_another_measurement(bench, tmp_path) -> None:
    bench.evaluated(tmp_path)
    drawn = bench["drawn"]
    rendered = bench["rendered"]
    bench["generator"] = "bb"
    other = bench.evaluated(tmp_path)
    assert bench["drawn"] == 2 * drawn, "no image of the first generator is taken for one of the second"
    assert bench["rendered"] == rendered, "the originals are the same"
    assert figures(other) == figures(bench.evaluated(tmp_path / "alone"))


def test_a_larger_run_begins_where_a_smaller_one_ended(bench, tmp_path) -> None:
    bench.evaluated(tmp_path)
    drawn = bench["drawn"]
    larger = replace(TINY, couples=6)
    found = bench.evaluated(tmp_path, sizes=larger)
    assert bench["drawn"] == drawn + 4
    assert figures(found) == figures(bench.evaluated(tmp_path / "alone", sizes=larger))


def test_the_stages_on_originals_need_no_generator(bench, tmp_path) -> None:
    found = bench.evaluated(tmp_path, only=["zero-shot", "findings", "identity-originals"])
    assert bench["drawn"] == 0 and not found["complete"]
    assert found["zero_shot_auc"] is not None and found["identity_accuracy"]["original"] is not None
    assert not any(name.startswith(("autoencoder", "seconds", "reid")) for name in found["missed"])


def test_attackers_look_for_people_whose_findings_are_as_common_as_on_films(bench, tmp_path) -> None:
    assert bench.evaluated(tmp_path)["population"] == "clinical"
    tested, often = bench.bed(tmp_path), bench.bed(tmp_path, replace(TINY, population="enriched"))
    assert len(often.people.truth[0]) and often.people.truth.mean() > 1.5 * tested.people.truth.mean()
    assert (often.singles.truth == tested.singles.truth).all(), "findings are measured on the same patients"


def test_two_runs_never_write_the_same_folder(bench, tmp_path) -> None:
    with run.alone(tmp_path), pytest.raises(Conflict):
        bench.evaluated(tmp_path)


def test_an_unknown_stage_is_refused_before_anything_is_done(bench, tmp_path) -> None:
    with pytest.raises(UsageError, match="zero-shot"):
        bench.evaluated(tmp_path, only=["nothing"])


def test_a_suite_about_other_methods_is_measured_and_shown_without_a_line_of_code(bench, tmp_path, monkeypatch) -> None:
    methods = {"dp-pix": "block means", "privacy-net": "redrawn images"}
    suite = replace(SUITES["starter"], name="other", methods=methods, bars={"finding_auc.dp_pix": Bar("at least", 2)})
    monkeypatch.setitem(SUITES, "other", suite)
    result = run.evaluate(suite, bench.bed(tmp_path), ["pairs", "identity"])
    assert set(result["finding_auc"]) == {"dp_pix", "privacy_net"} and result["missed"] == ["finding_auc.dp_pix"]
    words = {figure.name: figure.words for figure in suite.figures}
    assert words["identity_accuracy.privacy_net"] == "Patient recognised, redrawn images"
    assert words["reid_auc_retrained"].endswith("retrained on block means (AUC)")


def test_every_figure_that_a_measure_finds_has_a_row_and_every_bar_a_figure(bench, tmp_path) -> None:
    result, suite = bench.evaluated(tmp_path), SUITES["starter"]
    derived = {figure.name for figure in suite.figures if figure.row.derived}
    assert {figure.name for figure in suite.figures} == set(result["intervals"]) | derived
    assert set(suite.bars) <= {figure.name for figure in suite.figures}


def test_the_full_form_measures_what_the_bars_are_stated_for() -> None:
    for scale in (0.1, 1.0):
        full = testbed.sizes(scale)
        assert full.patients == 50 and sum(full.visits) == full.images == 2682
        assert full.generated_visits <= full.test_visits < min(full.visits)


# The table


def test_a_missed_bar_is_named_and_a_reached_one_is_not() -> None:
    result = {
        "complete": False,
        "zero_shot_auc": 0.96,
        "finding_auc": {"original": 0.99, "updp": 0.93},
        "identity_accuracy": {"updp": 0.05, "original": 0.98},
        "prompt_score_order_holds": True,
    }
    assert cards.missed(result) == ["finding_auc.updp_of_original", "identity_accuracy.updp"]
    assert "reid_auc_retrained" in cards.missed(result | {"complete": True})


def test_rows_say_value_interval_bar_and_size_in_words(bench, tmp_path) -> None:
    table = {row["name"]: row for row in cards.rows(bench.evaluated(tmp_path))}
    row = table["identity_accuracy.updp"]
    assert row["bar"] == "at most 4.57%" and " to " in row["interval"] and row["value"].endswith("%")
    assert row["n"] == "3 patients, 3 images" and row["missed"] in (True, False)
    assert table["finding_auc.raw_report"]["missed"] is None
    assert table["autoencoder_ssim.real"]["value"] == "not measured" and table["autoencoder_ssim.real"]["missed"]


def test_writing_changes_the_cards_tables_and_nothing_else_in_them(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path / "work")
    card = "# Model\n\nUse.\n\n## Measured\n\nTried: much.\n\n## Limits\n\nMany.\n"
    for part in ("encoder", "generator", "judges"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "README.md").write_text(card)
    for _ in range(2):
        assert len(cards.write(result, tmp_path)) == 4
    text = (tmp_path / "judges" / "README.md").read_text()
    assert cards.table_in(text) == cards.markdown(result, "judges")
    assert text.replace(f"{cards.BEGIN}\n{cards.markdown(result, 'judges')}\n{cards.END}\n", "") == card.replace(
        "## Measured\n\n", "## Measured\n\n\n"
    )
    assert cards.read(tmp_path) == result


def test_the_workbench_tells_whether_the_figures_speak_of_the_models_in_use(tmp_path, monkeypatch) -> None:
    known = testbed.digests(STARTER)
    result = {
        "complete": False,
        "quick": True,
        "date": "2026-01-02",
        "seed": 0,
        "zero_shot_auc": 0.9,
        "missed": [],
        "models": known | {"judges": "of another day"},
    }
    monkeypatch.setattr(cards, "read", lambda: result)
    same = {}
    for name, generator in (("starter", ""), ("other", str(tmp_path))):
        bench = Workbench.open(Settings(home=tmp_path / name, generator=generator))
        found = bench.evaluation(actor=OBSERVER)
        bench.close()
        same[name] = {model["part"]: model["same"] for model in found["models"]}
        assert [row["name"] for row in found["rows"]] == ["zero_shot_auc"] and "--quick" in found["how"]
    assert same["starter"] == {"encoder": True, "generator": True, "judges": False}
    assert same["other"] == {"encoder": True, "generator": False, "judges": False}


def test_without_a_measurement_the_workbench_says_nothing_about_the_models(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cards, "read", lambda: None)
    bench = Workbench.open(Settings(home=tmp_path))
    assert bench.evaluation(actor=OBSERVER)["rows"] == []
    bench.close()


def test_the_shipped_cards_and_the_app_show_the_same_measurement() -> None:
    result = cards.read()
    assert result is not None and result["complete"]
    assert result["missed"] == cards.missed(result)
    for part in ("encoder", "generator", "judges"):
        card = (STARTER / part / "README.md").read_text(encoding="utf-8")
        assert cards.table_in(card) == cards.markdown(result, part)


def test_the_shipped_figures_speak_of_the_shipped_models_or_their_card_says_of_which() -> None:
    result = cards.read()
    assert result is not None
    shipped = testbed.digests(STARTER)
    for part, digest in result["models"].items():
        card = (STARTER / part / "README.md").read_text(encoding="utf-8")
        assert digest == shipped[part] or f"measured with the {part} before" in card
