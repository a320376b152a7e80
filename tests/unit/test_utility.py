"""`evaluate utility`: a generator that learns to write what an image shows, and metrics that say how well."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from tests.unit.evaluation_kit import TINY, Bench
from tests.unit.test_suites import whole
from tests.unit.workbench_kit import hush
from updp_core.evaluation import cards, utility, written
from updp_core.evaluation.reporter import ReporterConfig, small, train_reporter, words
from updp_core.evaluation.suites import SUITES
from updp_core.evaluation.written import BLEU, METRICS, metrics

LITTLE = ReporterConfig(width=32, layers=1, longest=24, least=1, steps=80, batch=16, rate=3e-3)


def shown(number: int, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Images in which a bright half is what the report tells of."""
    rng = np.random.default_rng(seed)
    left = rng.random(number) < 0.5
    images = rng.normal(0.4, 0.05, (number, 128, 128)).astype(np.float32)
    images[left, :, :64] += 0.4
    images[~left, :, 64:] += 0.4
    return images, [f"There is a {'left' if side else 'right'} pleural effusion." for side in left]


def test_a_generator_learns_to_write_what_images_show_and_writes_it_of_others() -> None:
    images, reports = shown(64)
    reporter = train_reporter(small(images), reports, LITTLE)
    others, true = shown(32, seed=1)
    assert [" ".join(words(report)) for report in true] == reporter.write(small(others))


def test_the_same_pairs_and_seed_give_the_same_generator_and_no_pairs_are_refused() -> None:
    images, reports = shown(16)
    few = replace(LITTLE, steps=5)
    one, other = (train_reporter(small(images), reports, few).network.state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(ValueError, match="report"):
        train_reporter(small(images), reports[1:], few)


def test_images_are_seen_without_their_brightness() -> None:
    images = shown(2)[0]
    assert small(images).shape == (2, 64, 64) and small(images) == pytest.approx(small(0.1 + 0.5 * images), abs=1e-3)


TRUE = ["the heart is enlarged .", "there is a small left pleural effusion .", "the lungs are clear ."]


def test_bleu_and_rouge_are_those_counted_by_hand_and_a_copy_has_all() -> None:
    one = ["the heart is normal .", *TRUE[1:]]
    found = metrics([TRUE, one], TRUE)
    for name in (*BLEU, "rouge", "findings"):
        copy, near = found[name]
        assert copy[0] == pytest.approx(1) and near[0] < 1 and near[1] <= near[0] <= near[2]
    tokens = sum(len(text.split()) for text in TRUE)
    assert found["b1"][1][0] == pytest.approx((tokens - 1) / tokens)
    assert found["rouge"][1][0] == pytest.approx((3 / 4 + 1 + 1) / 3), "rouge reads no points"


def test_what_cannot_be_measured_says_what_it_needs(monkeypatch) -> None:
    for module in ("bert_score", "radgraph", "sacrebleu.metrics.bleu", "nltk.translate.meteor_score"):
        monkeypatch.setitem(sys.modules, module, None)
    found = metrics([TRUE], TRUE)
    assert "updp[metrics]" in found["b4"] and "updp[metrics]" in found["meteor"]
    assert found["bert"] == "bert-score and its English model" and "radgraph" in found["radgraph"]
    assert isinstance(found["rouge"], list)


def test_packages_that_bring_a_model_are_asked_as_they_wish_and_may_fail_in_their_own_way(monkeypatch) -> None:
    half = torch.full((3,), 0.5)
    bert = SimpleNamespace(score=lambda cands, refs, lang: (half, half, half * 0.5))
    radgraph = SimpleNamespace(F1RadGraph=lambda reward_level: lambda refs, hyps: (0.7, [0.6, 0.7, 0.8], [], []))
    monkeypatch.setitem(sys.modules, "bert_score", bert)
    monkeypatch.setitem(sys.modules, "radgraph", radgraph)
    found = metrics([TRUE], TRUE)
    assert found["bert"][0][0] == 0.25 and found["radgraph"][0][0] == pytest.approx(0.7)

    def fails(**more: Any) -> Any:
        raise OSError("no model, no net")

    monkeypatch.setattr(radgraph, "F1RadGraph", fails)
    assert metrics([TRUE], TRUE)["radgraph"] == "radgraph and its model (OSError here)"


def test_the_suite_trains_every_arm_alike_and_keeps_what_it_wrote(tmp_path, monkeypatch) -> None:
    hush(monkeypatch)
    monkeypatch.setattr(utility, "config", lambda bed: replace(LITTLE, steps=4))
    monkeypatch.setattr(written, "_DRAWS", 20)
    bench = Bench(drawn=0, rendered=0, generator="a")
    result = bench.evaluated(tmp_path, suite="utility", sizes=replace(TINY, singles=16))
    whole(result)
    arms = {"local", *(f"{how}_{m}" for how in ("transfer", "mixed") for m in ("updp", "raw_report"))}
    for metric in METRICS:
        assert set(result[f"utility_{metric}"]) == arms
    assert {k: v["trained"] for k, v in result["n"].items() if k.startswith("utility_rouge.")} == {
        "utility_rouge.local": 4,
        "utility_rouge.transfer_updp": 8,
        "utility_rouge.transfer_raw_report": 8,
        "utility_rouge.mixed_updp": 12,
        "utility_rouge.mixed_raw_report": 12,
    }
    assert result["utility_mixed_beats_local"] in (True, False) and bench["drawn"] == 16
    assert "not measured: needs" in {row["name"]: row["value"] for row in cards.rows(result)}["utility_radgraph.local"]
    assert len(list(tmp_path.glob("written-*.json"))) == len(arms)


def test_the_order_of_table_1_is_read_from_every_metric_that_was_measured() -> None:
    def result(**values: float) -> dict[str, Any]:
        return {f"utility_{metric}": dict(values) for metric in ("b1", "rouge")}

    suite = SUITES["utility"]
    rows = {figure.name: figure for figure in suite.figures if figure.row.derived}
    good = result(local=0.4, transfer_updp=0.38, mixed_updp=0.5, transfer_raw_report=0.3)
    assert suite.value(good, rows["utility_mixed_beats_local"]) is True
    assert suite.value(good, rows["utility_transfer_share"]) == 0.95
    assert suite.value(good, rows["utility_updp_beats_raw"]) is True
    bad = good | {"utility_rouge": {**good["utility_rouge"], "mixed_updp": 0.4}}
    assert suite.value(bad, rows["utility_mixed_beats_local"]) is False
    assert suite.value({}, rows["utility_transfer_share"]) is None
    assert written.METRICS.keys() >= {"meteor", "bert"}
