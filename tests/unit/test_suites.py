"""`evaluate SUITE`: each suite runs on any machine in seconds at a small size, and its figures mean what they say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.evaluation_kit import Bench
from updp_core.errors import IntakeError
from updp_core.evaluation import cards, phi, statistics
from updp_core.evaluation.ablations import bend, ssim
from updp_core.evaluation.phi import Gold, Mark
from updp_core.evaluation.suites import SUITES


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
        assert row["measure"] in page and (row["n"] or row["name"] in derived)
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


@pytest.mark.parametrize("suite", ["init", "length"])
def test_prompts_are_scored_without_a_generator_and_with_every_figure(bench, tmp_path, suite) -> None:
    result = bench.evaluated(tmp_path, suite=suite)
    assert bench["drawn"] == 0
    whole(result)
    assert result["chance"] and all(value == 0 for value in result["chance"].values())


def test_a_length_that_the_encoder_cannot_read_is_not_measured(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="length")
    assert result["length_score"]["random_48"] is not None and result["length_score"]["random_64"] is None
    assert {row["value"] for row in cards.rows(result) if row["name"].endswith("_128")} == {"not measured"}


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
    assert ssim(images, images) == pytest.approx(1) and (ssim(images, images[::-1])[[0, 2]] < 0.2).all()
