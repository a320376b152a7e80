"""The policy on the release page: every gate in view, changed one by one, with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest

from tests.ui.desk import acting, shell_on
from tests.unit.workbench_kit import OFFICER, hush, made, workbench
from ui.pages.policy import PolicyBox
from updp_core.errors import NotAllowed, UsageError


@pytest.fixture
def box(tmp_path: Path) -> Iterator[PolicyBox]:
    bench = workbench(tmp_path)
    with gr.Blocks():
        yield PolicyBox(shell_on(bench))
    bench.close()


def test_every_gate_stands_there_with_what_happens_where_it_fails(box: PolicyBox) -> None:
    rules = box.shell.workbench.gate_rules(actor=OFFICER)
    shown = box.look(acting(box.shell, "privacy-officer"))[box.now]
    assert len(rules) > 10 and all(rule["title"] in shown for rule in rules)
    assert shown.count("<td>always blocks</td>") == sum(rule["hard"] for rule in rules) == 2
    assert shown.count("data-gate=") == len(rules) - 2, "what always blocks has no button"


def test_what_keeps_source_pixels_leaves_only_once_the_officer_has_ticked_its_method(box: PolicyBox) -> None:
    officer, bench = acting(box.shell, "privacy-officer"), box.shell.workbench
    first = box.look(officer)[box.methods]
    offered = {name for _, name in first["choices"]}
    assert first["value"] == [] and {"dp-pix", "prichexy-net", "privacy-net", "updp-image"} <= offered
    assert not offered & {"updp", "raw-report"}, "what draws from words needs no leave, what is for comparison has none"
    bench.set_policy({"methods": {"dp-pix": {"settings": {"b": 4}}}}, actor=OFFICER)
    asked = (1, 0, "placeholder", "release", "", "", None)
    shown = box.set(officer, *asked, ["dp-pix"], "a study of pixelisation")
    assert shown[box.methods]["value"] == ["dp-pix"]
    assert bench.policy(actor=OFFICER)["methods"] == {"dp-pix": {"release": True, "settings": {"b": 4}}}
    assert box.set(officer, *asked, [], "the study is over")[box.methods]["value"] == []
    assert bench.policy(actor=OFFICER)["methods"] == {"dp-pix": {"release": False, "settings": {"b": 4}}}


def test_a_gate_is_picked_changed_with_a_reason_and_differs_visibly_from_its_default(box: PolicyBox) -> None:
    picked = box.pick(acting(box.shell, "privacy-officer"), "rarity")
    assert (picked[box.gate], picked[box.action], picked[box.limit]) == ("rarity", "", None)
    change = (acting(box.shell, "privacy-officer"), 2, 10, "placeholder", "keep back", "rarity", "block", 3, [])
    with pytest.raises(UsageError, match="why"):
        box.set(*change, " ")
    with pytest.raises(NotAllowed):
        box.set(acting(box.shell, "radiologist"), *change[1:], "fewer")
    shown = box.set(*change, "small hospital")
    assert "below 3" in shown[box.now] and "● warn, 1" in shown[box.now]
    assert "<td>blocks</td>" in shown[box.now]
    again = box.gate_now(change[0], "rarity")
    assert (again[box.action], again[box.limit]) == ("block", 3)
    assert box.shell.workbench.policy(actor=OFFICER)["verdicts"] == 2


def test_the_officer_sees_what_each_level_gives_away_and_sets_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hush(monkeypatch)
    bench = workbench(tmp_path)
    made(bench, 6)
    with gr.Blocks():
        box = PolicyBox(shell_on(bench))
    officer = acting(box.shell, "privacy-officer")
    shown = box.look(officer)
    assert (shown[box.level.level], shown[box.level.k], shown[box.level.out]) == (0, 10, [])
    told = box.level.look_ahead(officer, 2)[box.level.preview]
    assert "6 records" in told and "Level 1 asks for 2 patients" in told and told.count("<tr><td>") == 3
    asked = (1, 0, "placeholder", "release", "", "", None, [])
    box.set(officer, *asked, "custom", 10, shown[box.level.purposes], ["nodule"], "a rare finding here")
    in_force = bench.policy(actor=OFFICER)["privacy"]
    assert in_force["level"] == "custom" and in_force["leave_out"] == ["nodule"]
    again = box.look(officer)
    assert (again[box.level.level], again[box.level.out]) == ("custom", ["nodule"])
    assert box.level.look_ahead(officer, None)[box.level.preview].count("<tr><td>") == 4
    bench.close()
