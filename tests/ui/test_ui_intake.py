"""Import & run: the menu of methods, and what a person sets for the next run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
import pytest

from tests.ui.desk import acting, shell_on
from tests.unit.workbench_kit import workbench
from ui.pages.intake import Intake, settings_in
from ui.shell import Screen
from updp_core.errors import UsageError
from updp_core.methods import METHODS


def test_the_menu_holds_the_methods_and_a_chosen_one_shows_its_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with gr.Blocks():
        page = Intake(shell_on(workbench(tmp_path)))
    actor = acting(page.shell, "privacy-officer")
    choices = page.look(actor, Screen())[page.method]["choices"]
    assert ("DP-Pix (pixelisation with Laplace noise)", "dp-pix") in choices and choices[0][1] == ""
    told = page.chosen(actor, "dp-pix")[page.settings_text]["placeholder"]
    assert "b=8" in told and "epsilon=0.1" in told
    usual = page.chosen(actor, "")
    assert "paper" in usual[page.named]["choices"] and not any(usual[s]["visible"] for s in page.sliders)
    asked: dict[str, Any] = {}
    monkeypatch.setattr(page.bench, "generate", lambda **given: asked.update(given))
    monkeypatch.setattr(page.background, "go", lambda steps: None)
    page.generate(actor, "updp", 4, False, "paper", "prompt.steps=3\nprompt.whitelist=only\n")
    assert asked["method"] == "updp" and asked["named"] == "paper"
    assert asked["settings"] == {"prompt.steps": 3, "prompt.whitelist": "only"}
    assert max(len(entry.sliders) for entry in METHODS.values()) == len(page.sliders)
    shown = page.chosen(actor, "dp-pix")
    assert METHODS["dp-pix"].holds in shown[page.holds]
    b, epsilon = (shown[slider] for slider in page.sliders[:2])
    assert b["visible"] and epsilon["visible"] and (b["minimum"], b["value"], b["maximum"]) == (1, 8, 32)
    page.generate(actor, "dp-pix", 4, False, "", "", 4, epsilon["value"])
    assert asked["settings"] == {"b": 4}, "a slider that was not moved asks for nothing"
    page.generate(actor, "dp-pix", 4, False, "", "b=2", 4, 1)
    assert asked["settings"] == {"b": 2, "epsilon": 1}


def test_a_line_that_is_no_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        settings_in("b 4")
