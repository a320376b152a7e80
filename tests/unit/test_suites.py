"""`evaluate SUITE`: each suite runs on any machine in seconds at a small size, and its figures mean what they say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.evaluation_kit import TINY, Bench
from updp_core.errors import IntakeError
from updp_core.evaluation import attackers, cards, phi, statistics
from updp_core.evaluation.ablations import bend
from updp_core.evaluation.fidelity import distances, learned
from updp_core.evaluation.phi import Gold, Mark
from updp_core.evaluation.recognition import FAMILIES, thumbnails
from updp_core.evaluation.studies import similarity
from updp_core.evaluation.suites import SUITES, Bar
from updp_core.findings.terms import FINDINGS


@pytest.fixture
def bench() -> Bench:
    return Bench(drawn=0, rendered=0, generator="a")


def whole(result: dict[str, Any]) -> None:
    """What holds of every result: each figure has a row, an interval, and in words what it was measured on."""
    suite = SUITES[result["suite"]]
    derived = {f.name for f in suite.figures if f.row.derived}
    assert {f.name for f in suite.figures} == set(result["intervals"]) | derived
    assert result["hardware"] and result["software"].startswith("0.")
    page = cards.report(result)
    for row in cards.rows(result):
        assert row["measure"] in page and (row["n"] or row["name"] in derived | set(result["needs"]))
    for figure in suite.figures:
        value, ends = suite.value(result, figure), result["intervals"].get(figure.name)
        assert value is None or ends is None or ends[0] <= value <= ends[1], figure.name
    assert json.loads(json.dumps(result)) == result


# phi

SAID = "Dr. Quillfeather saw the patient on 03/04/2021. The heart is enlarged. It was filed."


def span(text: str, piece: str, category: str) -> dict[str, Any]:
    start = text.index(piece)
    return {"start": start, "end": start + len(piece), "category": category}


def test_recall_precision_and_over_redaction_are_those_counted_by_hand(bench, tmp_path) -> None:
    """A name that the filter finds, a word that it cannot know, and a date that is none to the author."""
    gold = [span(SAID, "Quillfeather", "PERSON"), span(SAID, "enlarged", "organization")]
    source = tmp_path / "gold.jsonl"
    source.write_text(json.dumps({"text": SAID, "spans": gold}) + "\n" + json.dumps({"text": "Normal.", "spans": []}))
    result = bench.evaluated(tmp_path / "work", suite="phi", source=source)
    assert result["phi_recall"]["names"] == 1 and result["phi_recall"]["organisations"] == 0
    assert result["phi_recall"]["all"] == 0.5 and result["phi_recall"]["dates"] is None
    assert result["phi_precision"]["names"] == 1 and result["phi_precision"]["dates"] == 0
    words = result["n"]["phi_over.dates"]["words"]
    assert words == 15 and result["phi_over"]["dates"] == round(3 / words, 4)
    assert result["source"] == "own" and result["n"]["phi_recall.all"]["texts"] == 2
    whole(result)


def test_phantom_reports_are_what_phi_reads_by_default(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="phi")
    assert result["phi_recall"]["all"] > 0.95 and result["n"]["phi_recall.all"]["texts"] == 12
    assert bench["drawn"] == bench["rendered"] == 0
    whole(result)


def test_gold_spans_are_read_from_json_lines_and_from_a_table_alike(tmp_path) -> None:
    table, lines = tmp_path / "gold.csv", tmp_path / "gold.jsonl"
    table.write_text(
        'text,start,end,category,patient\n"Mr. Oke, seen",4,7,name,a\n"Mr. Oke, seen",9,13,date,a\nNormal,,,,b\n'
    )
    spans = [{"start": 4, "end": 7, "type": "name"}, {"start": 9, "end": 13, "category": "date"}]
    lines.write_text(
        json.dumps({"text": "Mr. Oke, seen", "spans": spans, "patient": "a"})
        + '\n\n{"text": "Normal", "patient": "b"}\n'
    )
    both = [
        Gold("Mr. Oke, seen", (Mark(4, 7, "name"), Mark(9, 13, "date")), "a"),
        Gold("Normal", (), "b"),
    ]
    assert phi.read(table) == phi.read(lines) == both


def test_a_line_that_cannot_be_read_is_left_out_by_its_number_alone(tmp_path) -> None:
    said: list[str] = []
    source = tmp_path / "gold.jsonl"
    source.write_text(
        '{"text": "Mr. Secretname", "spans": [{"start": 4, "end": 99, "type": "name"}]}\n{"text": "Normal"}\n'
    )
    assert phi.read(source, said.append) == [Gold("Normal", ())]
    assert len(said) == 1 and said[0].startswith("line 1 ") and "Secretname" not in said[0]
    source.write_text("nothing\n")
    with pytest.raises(IntakeError, match="spans"):
        phi.read(source, said.append)
    with pytest.raises(IntakeError, match="category"):
        phi.read(write(tmp_path / "t.csv", "text,start,end\na,0,1\n"))


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


# init, length, iterations


def test_prompts_are_scored_by_their_start_without_a_generator(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="init", sizes=replace(TINY, attacker_seeds=1))
    assert bench["drawn"] == 0 and set(result["chance"].values()) == {0}
    whole(result)


def test_prompts_are_scored_by_their_length_as_far_as_the_encoder_can_read(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="length")
    assert bench["drawn"] == 0
    assert result["length_score"]["random_48"] is not None and result["length_score"]["random_64"] is None
    assert {row["value"] for row in cards.rows(result) if row["name"].endswith("_128")} == {"not measured"}
    whole(result)


def test_an_inverted_u_is_seen_where_there_is_one_and_only_there() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(200, 5))
    arch, flat = bend(noise + np.array([0, 2, 3, 2, 0])), bend(noise)
    for side in ("rise", "fall"):
        assert statistics.mean(arch[side])[1] > 2
        low, high = statistics.mean(flat[side])[1:]
        assert low < 0 < high, "the best of noise is not above the rest where it did not choose itself"
    rising = bend(noise + np.arange(5))
    assert statistics.mean(rising["rise"])[1] > 2 and statistics.mean(rising["fall"])[2] < 0


def test_iterations_are_compared_on_the_same_studies_and_with_a_stranger_as_chance(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="iterations")
    assert bench["drawn"] == 4 * 3
    assert set(result["chance"]) == {f"iteration_{part}.{k}" for part in ("ssim", "excess") for k in range(1, 5)} | {
        "iteration_gain"
    }
    whole(result)


def test_likeness_of_an_image_to_itself_is_one() -> None:
    images = np.random.default_rng(0).random((3, 64, 64), np.float32)
    assert similarity(images, images) == pytest.approx(1) and (similarity(images, images[::-1])[[0, 2]] < 0.2).all()


# identity, reid


def test_identity_asks_attackers_of_originals_and_of_outputs_and_the_findings_alone(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="identity")
    whole(result)
    n = result["n"]["identity_retrained.updp"]
    assert (n["patients"], n["images"], n["trained"]) == (3, 3, 3), "trained on other visits than it is tested on"
    alone = result["identity_accuracy"]["findings_alone"]
    for method in ("updp", "raw_report"):
        gain = result["identity_accuracy"][method] - alone
        assert result["identity_excess"][method] == pytest.approx(gain, abs=2e-4)
    assert result["chance"]["identity_retrained.updp"] == round(1 / 3, 4)


def test_reid_has_every_family_with_chance_and_seeds(bench, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(attackers, "HEADS", attackers.HEADS[:1])
    result = bench.evaluated(tmp_path, suite="reid", sizes=replace(TINY, generator_seeds=2))
    whole(result)
    assert set(result["reid_auc"]) == {f"{m}_{f}" for m in ("updp", "raw_report") for f in FAMILIES}
    assert result["n"]["reid_auc.updp_learned"]["seeds"] == 2
    assert result["n"]["reid_auc.updp_learned"]["generator_seeds"] == 2
    assert result["n"]["reid_auc.updp_learned"]["images"] == 2 * (8 + 3)
    assert result["chance"]["reid_auc.updp_pixels"] == 0.5 and result["chance"]["reid_rank1.updp_pixels"] == 0.5


def linkage(signal: float, patients: int = 30) -> attackers.Linkage:
    """Two visits of each patient; an image of each, that shows who it is as far as `signal` goes."""
    rng = np.random.default_rng(1)
    patient = np.repeat(np.arange(patients), 2)
    code = rng.normal(size=(patients, 16))[patient]
    originals, drawn = ((part + 0.3 * rng.normal(size=code.shape)).astype(np.float32) for part in (code, signal * code))
    return attackers.Linkage(drawn, originals, np.arange(2 * patients), patient)


def by_nearness(data: attackers.Linkage) -> attackers.Score:
    return lambda i, j: -((data.synthetic[i] - data.originals[j]) ** 2).sum(axis=1)


def test_what_links_comes_first_in_a_gallery_and_what_does_not_comes_first_by_chance() -> None:
    everybody = np.arange(30)
    for signal, low, high in ((1.0, 0.95, 1.0), (0.0, 0.0, 0.15)):
        data = linkage(signal)
        hits, whose = attackers.rank_one(data, everybody, by_nearness(data))
        assert low <= hits.mean() <= high and len(hits) == 60
        assert (whose == data.patient).all()
    constant = attackers.rank_one(data, everybody, lambda i, j: np.zeros(len(i)))[0]
    assert not constant.any(), "who cannot tell anybody apart recognises nobody"


def test_an_attack_that_fails_upside_down_stays_below_one_half() -> None:
    data = linkage(1.0)
    away: attackers.Score = lambda i, j: -by_nearness(data)(i, j)  # noqa: E731
    assert attackers.linked(data, np.arange(30), [away])[0][0] < 0.1


def test_the_excess_is_what_images_tell_beyond_the_findings() -> None:
    images, nothing = linkage(1.0), linkage(0.0)
    test = np.arange(30)
    value, low, high = attackers.excess(images, test, [by_nearness(images)], [by_nearness(nothing)])
    apart = attackers.linked(images, test, [by_nearness(images)])[0][0]
    assert value == pytest.approx(apart - attackers.linked(images, test, [by_nearness(nothing)])[0][0])
    assert 0.3 < low < value < high
    assert attackers.excess(images, test, [by_nearness(images)], [by_nearness(images)]) == (0, 0, 0)


def test_thumbnails_tell_nothing_of_brightness_and_contrast() -> None:
    images = np.random.default_rng(0).random((2, 256, 256)).astype(np.float32)
    assert thumbnails(images) == pytest.approx(thumbnails(0.2 + 0.5 * images), abs=1e-3)


def test_a_bar_on_an_end_of_the_interval_is_held_against_that_end() -> None:
    below = Bar("at most", 0.55, "high")
    assert below.missed_by(0.5, (0.4, 0.6)) and not below.missed_by(0.5, (0.45, 0.54))
    assert not Bar("at most", 0.0, "low").missed_by(0.1, (-0.1, 0.3))
    assert below.missed_by(0.5, None), "what has no interval reaches no bar"


# fidelity, findings


def blobs(centre: float, seed: int, count: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).normal(centre, 1, (count, 6)).astype(np.float32)


def by_hand(real: np.ndarray, drawn: np.ndarray, k: int = 5) -> dict[str, float]:
    """The definitions of precision, recall, density and coverage, pair by pair."""

    def near(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.sqrt(((a - b) ** 2).sum()))

    def radius(points: np.ndarray, i: int) -> float:
        return sorted(near(points[i], other) for other in points)[k]

    radii = [radius(real, i) for i in range(len(real))]
    drawn_radii = [radius(drawn, j) for j in range(len(drawn))]
    inside = [[near(r, d) <= radii[i] for d in drawn] for i, r in enumerate(real)]
    return {
        "precision": np.mean([any(row[j] for row in inside) for j in range(len(drawn))]),
        "recall": np.mean([any(near(r, d) <= drawn_radii[j] for j, d in enumerate(drawn)) for r in real]),
        "density": np.sum(inside) / (k * len(drawn)),
        "coverage": np.mean([any(row) for row in inside]),
    }


@pytest.mark.parametrize("shift", [0.0, 0.7, 9.0])
def test_precision_recall_density_and_coverage_are_those_of_their_definitions(shift) -> None:
    real, drawn = blobs(0, 1), blobs(shift, 2, 40)
    found = distances(real, drawn, np.arange(60), np.arange(40))
    for name, value in by_hand(real, drawn).items():
        assert found[name][0] == pytest.approx(value), name


def test_the_kernel_distance_is_nothing_between_equals_and_something_between_others() -> None:
    equal, other = (distances(blobs(0, 1, 200), blobs(x, 2, 200), *2 * [np.arange(200)])["kid"] for x in (0, 0.7))
    assert equal[1] < 0 < equal[2] and other[1] > 0
    fewer = distances(blobs(0, 1, 200), blobs(0, 2, 60), np.arange(200), np.arange(60))["kid"][0]
    assert abs(fewer) < 0.1 * other[0], "also where one set is smaller"
    assert np.isnan(distances(blobs(0, 1, 5), blobs(0, 2), np.arange(5), np.arange(60))["kid"][0])


def test_fidelity_stands_beside_what_originals_reach(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="fidelity", sizes=replace(TINY, singles=20, drawn=8, beside=6))
    whole(result)
    assert set(result["kid"]) == {"original", "updp", "raw_report"}
    n = result["n"]["kid.updp"]
    assert (n["images"], n["patients"], n["reference"]) == (8, 8, 12)


def test_findings_are_told_one_by_one_and_a_classifier_learns_from_images_alone(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="findings", sizes=replace(TINY, singles=40))
    whole(result)
    assert set(result["finding"]) == {f"{s}_{f}" for s in ("original", "updp", "raw_report") for f in FINDINGS}
    assert result["n"]["trained_on.updp"] == {"trained": 8, "tested": 32, "patients": 32}


def test_what_is_learned_from_images_that_show_it_is_worth_something_on_others() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random((300, 2)) < 0.5
    shown = (3 * truth @ rng.normal(size=(2, 50)) + rng.normal(size=(300, 50))).astype(np.float32)
    scores = learned(shown[:150], truth[:150], shown[150:])
    assert statistics.macro_auc(truth[150:], scores)[0] > 0.95
    blind = learned(shown[:150], truth[:150], rng.normal(size=(150, 50)).astype(np.float32))
    assert 0.3 < statistics.macro_auc(truth[150:], blind)[0] < 0.7
    one_class = learned(shown[:150], np.ones((150, 2), bool), shown[150:])
    assert not one_class.any()
