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
    assert "paper" in page.chosen(actor, "")[page.named]["choices"]
    asked: dict[str, Any] = {}
    monkeypatch.setattr(page.bench, "generate", lambda **given: asked.update(given))
    monkeypatch.setattr(page.background, "go", lambda steps: None)
    page.generate(actor, "updp", 4, False, "paper", "prompt.steps=3\nprompt.whitelist=only\n")
    assert asked["method"] == "updp" and asked["named"] == "paper"
    assert asked["settings"] == {"prompt.steps": 3, "prompt.whitelist": "only"}


def test_a_line_that_is_no_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        settings_in("b 4")
