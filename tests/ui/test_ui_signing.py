"""Before signing on the release page: pairs, papers, the question, the certificate, and what a policy would do."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
import pytest
from desk import acting, shell_on

from tests.unit.workbench_kit import OFFICER, READER, hush, made, measure_all_clear, workbench
from ui import show
from ui.pages.release import Release
from ui.shell import Screen
from updp_core.errors import UsageError


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Release:
    hush(monkeypatch)
    measure_all_clear(monkeypatch)
    bench = workbench(tmp_path / "ws")
    for record in made(bench, 3)[:2]:
        bench.decide(record, "approve", comment="seen", actor=READER)
    bench.key_new(actor=OFFICER)
    with gr.Blocks():
        return Release(shell_on(bench))


def test_an_officer_sees_confirms_and_holds_a_certificate_of_what_leaves(page: Release, tmp_path: Path) -> None:
    officer = acting(page.shell, "privacy-officer")
    shown = page.look(officer, Screen())
    assert str(shown[page.signing.sheet]).count("<img") == 2 and "What stays" in shown[page.signing.sheet]
    papers = page.signing.show_papers(officer)[page.signing.papers]
    assert "sandbox srcdoc" in papers and "HOW TO VERIFY" in papers and "<script" not in papers
    for purpose, recipient in (("", "school"), ("teaching", " ")):
        with pytest.raises(UsageError, match="what the release is for"):
            page.signing.ask(officer, purpose, recipient)
    asked = page.signing.ask(officer, "teaching", "<b>school</b>")
    question = asked[page.signing.question]
    assert "2 pairs" in question and "teaching" in question and "&lt;b&gt;school" in question
    *_, end = page.write(officer, str(tmp_path / "out"), "teaching", "school", asked[page.signing.number])
    [row] = page.bench.releases(actor=officer)
    assert row["comment"] == "teaching; for school"
    for html in (end[page.outcome], page.show_certificate(officer, row["release"])[page.certificate]):
        assert row["root_digest"] in html and f'data-copy="{row["root_digest"]}"' in html and row["signed_by"] in html


def test_a_policy_s_impact_stands_on_the_page_before_it_is_set(page: Release) -> None:
    officer = acting(page.shell, "privacy-officer")
    told = page.policy.foretell(officer, 2, 0, "placeholder", "release", "", "", None)[page.policy.impact]
    assert "<b>2</b> approved now, <b>0</b> afterwards" in told and "Waits for a second approval" in told
    assert page.bench.policy(actor=officer)["verdicts"] == 1


def test_what_stays_is_told_of_one_and_of_many() -> None:
    assert show.of_many("is not decided yet", 3) == "not decided yet"
    assert show.of_many("waits for a second approval", 1) == "waits for a second approval"
    assert show.of_many("was rejected", 2) == "were rejected"
    assert show.of_many("has no version yet, or waits to be made again", 16) == (
        "have no version yet, or wait to be made again"
    )


def test_the_sheet_names_a_gate_that_warns_once() -> None:
    warns, blind = {"title": "Likeness to the patient", "state": "warn"}, {"title": "Findings lost", "state": "unknown"}
    pair = {"record": "R1", "patient": "P1", "findings": [], "gates": [warns, blind], "approvers": []}
    pair["exceptions"] = ["warns: Likeness to the patient"]
    policy = {"verdicts": 1, "report_policy": "placeholder", "prompts": "release"}
    sheet = {"pairs": [pair], "policy": policy, "true_patient_first": None, "exceptions": 1, "total": 1, "limit": 9}
    said = show.render("release/sheet.html", sheet={**sheet, "stay": []}, pictures={"R1": ""})
    assert said.count(str(warns["title"])) == said.count(str(blind["title"])) == 1
    assert "every gate clear" not in said


def test_the_header_counts_pairs_only_once_they_are_made() -> None:
    loading = show.render("status.html", now={"stage": "queue", "done": 0, "total": 16})
    assert "Loading the models for 16 pairs" in " ".join(loading.split()) and "0 of 16" not in loading
    drawing = show.render("status.html", now={"stage": "image", "done": 3, "total": 16})
    assert "Drawing images" in drawing and "3 of 16" in drawing
