"""A run on a machine without Chromium says what it left out, and how to bring it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREE = """
import pytest

@pytest.mark.browser
@pytest.mark.parametrize("size", [1, 2])
def test_in_a_browser(size): ...

def test_without(): ...
"""


def last_lines(folder: Path, path: str) -> list[str]:
    (folder / "test_three.py").write_text(THREE)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers = browser\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider", "-q", str(folder)]
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_without_chromium_the_last_line_counts_the_browser_tests_and_names_the_command(tmp_path: Path) -> None:
    lines = last_lines(tmp_path, "")
    (line,) = [line for line in lines if "browser tests" in line]
    assert line == "2 browser tests were left out: no Chromium here. `apt-get install chromium` brings it."
    assert "1 passed, 2 skipped" in lines[-1] or "1 passed, 2 skipped" in lines[-2]


def test_with_chromium_they_run_and_nothing_is_said(tmp_path: Path) -> None:
    (tmp_path / "chromium").write_text("#!/bin/sh\n")
    (tmp_path / "chromium").chmod(0o755)
    lines = last_lines(tmp_path, str(tmp_path))
    assert "3 passed" in lines[-1] and not any("browser tests" in line for line in lines)


@pytest.mark.parametrize("file", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda p: p.stem)
def test_who_starts_chromium_is_marked(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert "chromium.launch" not in text or "mark.browser" in text
