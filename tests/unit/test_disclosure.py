"""`evaluate disclosure`: attacks succeed where there is something to find, elsewhere no more than their controls."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.tiny_models import write_diffusion_folder
from tests.unit.evaluation_kit import TINY, Bench, Judges
from tests.unit.test_suites import whole
from tests.unit.workbench_kit import hush
from updp_core.backends.generator import load_generator
from updp_core.evaluation import attackers, cards, denoising, remembered
from updp_core.evaluation.archive import demographics
from updp_core.evaluation.disclosure import guessed, risk, singled
from updp_core.evaluation.remembered import told_apart, worst
from updp_core.evaluation.suites import SUITES

METHODS = ("updp", "raw_report")


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    hush(monkeypatch)
    monkeypatch.setattr(attackers, "HEADS", ())
    made = Judges.__init__

    def with_bank(self: Judges) -> None:
        made(self)
        self.reference |= {"bank": np.zeros((2, 64), np.float32)}

    monkeypatch.setattr(Judges, "__init__", with_bank)
    return Bench(drawn=0, rendered=0, generator="a")


def test_the_suite_tells_attack_control_and_baseline_and_what_it_lacks(bench, tmp_path) -> None:
    result = bench.evaluated(tmp_path, suite="disclosure", sizes=replace(TINY, couples=8))
    whole(result)
    for group in ("singled_out", "linked", "inferred_sex", "inferred_age"):
        parts = {f"{m}_{part}" for m in METHODS for part in ("attack", "control", "naive", "risk")}
        assert set(result[group]) == parts and None not in result[group].values()
        assert result["chance"][f"{group}.updp_attack"] == result[group]["updp_naive"]
    assert result["n"]["singled_out.updp_attack"] == {"patients": 8, "images": 8}
    assert result["linked"]["updp_naive"] == round(1 / 4, 4)
    assert result["memorised_worst"]["unseen"] is not None
    assert result["marker_prompts"] == {"updp": 0.0, "raw_report": 0.0}
    told = {row["name"]: row["value"] for row in cards.rows(result)}
    assert "UNet" in told["marker_memory"] and told["membership_tpr.loss"].startswith("not measured: needs")
    again = bench.evaluated(tmp_path, suite="disclosure", sizes=replace(TINY, couples=8))
    assert again["needs"] == result["needs"] and again["linked"] == result["linked"]


def test_an_archive_is_asked_the_same_and_prompts_of_it_are_not_kept(bench, tmp_path) -> None:
    rows = ["file,patient_id,study_id,view,report_text,sex,age"]
    for n in range(20):
        Image.fromarray(np.random.default_rng(n).integers(0, 65535, (64, 64), np.uint16)).save(tmp_path / f"{n}.png")
        said = ("Cardiomegaly.", "No acute disease.")[n % 3 == 0]
        rows.append(f"{n}.png,MRN{n // 2},S{n},PA,{said},{'MF'[n // 2 % 2]},{40 + n // 2 * 3}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    source = tmp_path / "manifest.csv"
    assert demographics(source)["MRN1"] == ("F", 43)
    result = bench.evaluated(
        tmp_path / "work", ["singling-out", "inference", "markers"], suite="disclosure", source=source
    )
    assert result["n"]["singled_out.updp_attack"]["patients"] == 10
    assert result["source"] == "own" and "archive" in result["needs"]["inferred_unreported.updp_attack"]
    assert "archive" in result["needs"]["marker_prompts.updp"] and bench["rendered"] == 0
    kept = "".join(f.read_text(errors="replace") for f in (tmp_path / "work").rglob("*.json*"))
    assert "MRN" not in kept and "Cardiomegaly" not in kept


def test_a_predicate_singles_out_who_is_copied_and_nobody_more_often_than_others_where_nothing_is() -> None:
    rng = np.random.default_rng(0)
    inside, outside, others = (rng.normal(size=(60, 40)).astype(np.float32) for _ in range(3))
    copied = singled(inside, inside, outside)
    assert copied["attack"].mean() == 1 and copied["control"].mean() < 0.6
    apart = singled(others, inside, outside)
    assert abs(apart["attack"].mean() - apart["control"].mean()) < 0.25


def test_what_an_image_shows_is_guessed_beyond_the_report_and_what_it_does_not_is_not() -> None:
    rng = np.random.default_rng(0)
    patient, answer = np.arange(200), np.where(np.arange(200) % 4 < 2, "M", "F")
    told = rng.random((200, 5)).astype(np.float32)
    noise = rng.normal(size=(200, 30)).astype(np.float32)
    halves = (patient[::2], patient[1::2])
    shown = noise + 3 * (answer == "M")[:, None].astype(np.float32)
    figures, n = guessed(shown, told, answer, patient, halves)
    assert n == {"patients": 200, "images": 200}
    assert figures["attack"][0] > 0.95 > 0.7 > figures["control"][2]
    figures, _ = guessed(noise, told, answer, patient, halves)
    assert risk(figures["attack"], figures["control"])[1] < 0
    rare = np.where(np.arange(200) // 2 % 10 == 3, "yes", "no")
    figures, n = guessed(noise, told, rare, patient, halves, balanced=True)
    assert figures["naive"][0] == 0.5 and n["images"] <= 40, "as many with it as without"


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 1), st.floats(0, 0.99), st.floats(0, 0.2))
def test_the_risk_is_nothing_where_the_control_does_as_well_and_grows_with_the_attack(a, c, half) -> None:
    attack, control = (a, max(0, a - half), min(1, a + half)), (c, max(0, c - half), min(1, c + half))
    value, low, high = risk(attack, control)
    assert low <= value + 1e-9 and value <= high + 1e-9 and value <= 1 + 1e-9
    assert (value > 0) == (a > c) or abs(a - c) < 1e-12
    assert np.isnan(risk(attack, (1.0, 0.9, 1.0))[0])


def test_members_are_told_where_they_differ_and_at_the_rate_of_false_alarms_where_not() -> None:
    rng = np.random.default_rng(0)
    who = np.arange(400)
    strangers = rng.normal(size=400)
    share, area = told_apart(rng.normal(size=400), strangers, who, who)
    assert share[0] < 0.04 and area[1] < 0.5 < area[2]
    share, area = told_apart(strangers + 20, strangers, who, who)
    assert share[0] == 1 and share[1] > 0.98 and area[0] == 1


def test_the_worst_image_is_the_highest_and_its_interval_knows_that_it_may_not_be_drawn() -> None:
    values = np.array([0.0] * 30 + [5.0])
    value, low, high = worst(values, np.arange(31))
    assert (value, low, high) == (5, 0, 5)


def test_a_generator_is_asked_for_its_errors_and_what_a_text_changes(tmp_path: Path) -> None:
    write_diffusion_folder(tmp_path)
    generator = load_generator(tmp_path, "cpu")
    assert denoising.can_be_asked(generator)
    images = np.random.default_rng(0).random((3, generator.size, generator.size)).astype(np.float32)
    both = denoising.errors(generator, images, ["heart", "lung", ""])
    alone = denoising.errors(generator, images[1:2], ["lung"])
    assert both.shape == (3,) and (both > 0).all() and both[1] == pytest.approx(alone[0], rel=1e-4)
    moved = denoising.steering(generator, ["", "heart"], 2.0)
    assert moved[0] == pytest.approx(0, abs=1e-5) and moved[1] > 0


def test_every_mark_of_de_identification_begins_the_prompt_that_is_asked() -> None:
    assert remembered._marked("The heart.", "___") == "___ ___ ___ The heart."
    assert "disclosure" in SUITES
