"""Settings: what UPDP_* variables may say, and what is told where they say something impossible."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from updp_core.config import ROOT, Settings
from updp_core.errors import UsageError


def test_every_kind_of_variable_is_read() -> None:
    made = Settings.from_env(
        {"UPDP_HOME": "/w", "UPDP_PORT": "80", "UPDP_OAUTH": "1", "UPDP_DEMO": "1", "UPDP_REPORT_POLICY": "surrogate"}
    )
    assert (made.home, made.port, made.oauth, made.demo, made.report_policy) == (
        Path("/w"),
        80,
        True,
        True,
        "surrogate",
    )


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("UPDP_PORT", "abc", "whole number"),
        ("UPDP_PORT", "-1", "whole number"),
        ("UPDP_REPORT_POLICY", "foo", "remove, placeholder, surrogate"),
        ("UPDP_UNLISTED", "everybody", "refuse, observer"),
        ("UPDP_OAUTH", "yes please", "1 .on. or 0 .off."),
    ],
)
def test_an_impossible_value_is_a_usage_error_that_names_the_variable(name: str, value: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"{name}.*{told}"):
        Settings.from_env({name: value})


@pytest.mark.parametrize("command", [["app.py"], ["-m", "updp_core", "progress"]])
def test_page_and_command_say_so_in_one_line(command: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "UPDP_PORT": "abc", "UPDP_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, *command], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode in (1, 2) and "Traceback" not in done.stderr
    assert "UPDP_PORT is 'abc'" in done.stderr
