"""README's lists are held to the code, so that the page cannot lie."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from typer.main import get_command

from updp_core.backends.presets import PRESETS
from updp_core.config import Settings
from updp_core.methods import METHODS

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    from updp_core.__main__ import app

    return sorted(get_command(app).commands)


@pytest.mark.parametrize("name", commands())
def test_every_command_stands_in_the_readme(name: str) -> None:
    assert re.search(rf"^\| `{name}[ `]", README, re.MULTILINE)


def test_the_readme_names_no_command_that_is_not_there() -> None:
    assert set(re.findall(r"python -m updp_core ([a-z-]+)", README)) <= set(commands())


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_stands_in_the_readme(name: str) -> None:
    assert f"`UPDP_{name.upper()}`" in README


@pytest.mark.parametrize("name", [*METHODS, *PRESETS])
def test_every_method_and_preset_stands_in_the_readme(name: str) -> None:
    assert f"`{name}`" in README


def test_the_readme_tells_of_each_method_what_its_file_says() -> None:
    rows = [
        f"| `{e.name}` | {e.title} | {e.holds} | {', '.join(f'`{s.name}`' for s in e.sliders) or 'none'} |"
        for e in METHODS.values()
    ]
    assert [row for row in README.splitlines() if re.match(r"\| `([a-z-]+)` \| .* \| .* \| ", row)] == rows


def test_the_space_runs_the_gradio_that_is_pinned() -> None:
    pinned = re.search(r"^gradio==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    stated = re.search(r"^sdk_version: (\S+)$", README, re.MULTILINE)
    assert pinned and stated and pinned[1] == stated[1]


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_links_of_the_readme_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_the_release_format_names_each_gate_as_the_app_does() -> None:
    from updp_core.evidence.gates import RULES

    text = (ROOT / "docs" / "release-format.md").read_text(encoding="utf-8")
    assert [row for row in text.splitlines() if row.startswith("| `") and row.split("`")[1] in RULES] == [
        f"| `{name}` | {rule.title} |" for name, rule in RULES.items()
    ]
