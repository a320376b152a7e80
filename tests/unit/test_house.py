"""The house rules that a reader of the tree relies on, held by the syntax tree of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import updp_core

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "updp_core").rglob("*.py"))
UI = [ROOT / "app.py", *sorted((ROOT / "ui").rglob("*.py"))]
HEAVY = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "presidio_analyzer", "rapidocr", "spacy"}


def imported(path: Path, *, top_level_only: bool = False) -> set[str]:
    """Names of the packages that a module imports (absolute imports; top level or anywhere)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if top_level_only else list(ast.walk(tree))
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return names


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_nothing_of_the_page(path: Path) -> None:
    assert not packages(imported(path)) & {"gradio", "ui", "app"}


@pytest.mark.parametrize("path", UI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_page_holds_no_models_no_dicom_and_no_sql(path: Path) -> None:
    forbidden = HEAVY | {"pydicom", "sqlmodel", "sqlalchemy", "sqlite3", "highdicom"}
    assert not packages(imported(path)) & forbidden


@pytest.mark.parametrize("path", UI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_page_reaches_the_core_through_the_workbench(path: Path) -> None:
    allowed = {"workflow", "config", "errors", "domain"}
    core = {name.split(".")[1] for name in imported(path) if name.startswith("updp_core.")}
    assert core <= allowed


def test_a_release_names_the_newest_version_that_the_changelog_tells_of() -> None:
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert newest.split()[1] == updp_core.__version__


def test_the_workbench_imports_in_a_moment_because_heavy_libraries_wait() -> None:
    code = f"import sys, updp_core.workflow; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
