"""The house rules that a reader of the tree relies on, held by the syntax tree of every module."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import updp_core
from updp_core.domain import ROLES
from updp_core.workbench import ROLE_VERBS, Workbench

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


# The rooms of updp_core, from the ground up: a room may import rooms that stand before it, and none after it.
FLOORS = [
    "__init__",
    "errors",
    "atomic",
    "logs",
    "domain",
    "config",
    "lexicon",
    "findings",
    "report",
    "phantom",
    "imageset",
    "dicomweb",
    "intake",
    "backends",
    "prompt",
    "methods",
    "evidence",
    "store",
    "evaluation",
    "training",
    "release",
    "workbench",
    "cli",
    "__main__",
]


def packages(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_core_knows_nothing_of_the_page(path: Path) -> None:
    assert not packages(imported(path)) & {"gradio", "ui", "app"}


def rooms_imported(path: Path) -> set[str]:
    """The rooms of updp_core that a module imports, whatever the form of the import."""
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            rooms |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("updp_core.")}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module == "updp_core":
            rooms |= {alias.name for alias in node.names if not alias.name.startswith("__")}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("updp_core."):
            rooms.add((node.module or "").split(".")[1])
    return rooms


@pytest.mark.parametrize("path", CORE, ids=lambda p: str(p.relative_to(ROOT)))
def test_a_room_imports_only_rooms_that_stand_below_it(path: Path) -> None:
    inside = path.relative_to(ROOT / "updp_core")
    room = inside.parts[0] if len(inside.parts) > 1 else inside.stem
    below = set(FLOORS[: FLOORS.index(room) + 1])
    assert rooms_imported(path) <= below


def test_what_only_one_database_understands_stands_in_that_database_s_file() -> None:
    own = re.compile(
        r"\bPRAGMA\b|\bjson_\w+\(|\browid\b|\bMATCH\b|\bfts5\b|\bOR (REPLACE|IGNORE)\b|\bsqlite_(master|sequence)\b|"
        r"\bjsonb?\b\)|\btsvector\b|\bpg_\w+|\bplpgsql\b"
    )
    files = [path for path in CORE if path.name not in ("sqlite.py", "postgres.py")]
    found = {str(path.relative_to(ROOT)): own.findall(path.read_text(encoding="utf-8")) for path in files}
    assert {name: words for name, words in found.items() if words} == {}


def numbers_in_each_kept_layout(path: Path) -> list[int]:
    """How many numbers stand in each statement that is kept from the formatter."""
    source = path.read_text(encoding="utf-8")
    kept = {n for n, line in enumerate(source.splitlines(), 1) if line.endswith("# fmt: " + "skip")}
    ends = {node.end_lineno: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt) and kept}
    numbers = lambda node: sum(isinstance(getattr(n, "value", None), int | float) for n in ast.walk(node))  # noqa: E731
    return [numbers(ends[line]) for line in sorted(kept)]


def test_the_formatter_lays_out_all_but_tables_of_numbers() -> None:
    for path in (*CORE, *UI, *sorted((ROOT / "tests").rglob("*.py"))):
        assert all(numbers >= 20 for numbers in numbers_in_each_kept_layout(path)), path.name


OWN = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in (*CORE, *UI)}
SLOW = {"torch", "torchvision", "torchmetrics", "diffusers", "transformers", "open_clip", "sklearn", "spacy", "gradio"}


def own_or_package(node: ast.stmt, module: str) -> list[str]:
    """What an import statement of `module` names: modules of ours in full, packages of others by name."""
    if isinstance(node, ast.Import):
        named = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom):
        package = module if OWN[module].name == "__init__.py" else module.rpartition(".")[0]
        here = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
        base = ".".join([*here, *([node.module] if node.module else [])])
        named = [full if (full := f"{base}.{alias.name}") in OWN else base for alias in node.names]
    else:
        return []
    return [name if name in OWN else name.split(".")[0] for name in named]


@functools.cache
def imports_of(module: str) -> tuple[frozenset[str], frozenset[str]]:
    """(what a module imports when it is loaded, what anywhere in it)."""
    tree = ast.parse(OWN[module].read_text(encoding="utf-8"))
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    types = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    inside = {id(n) for f in functions for n in ast.walk(f)}
    ignored = {id(n) for t in types for n in ast.walk(t)}
    loaded, later = set[str](), set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and id(node) not in ignored:
            (later if id(node) in inside else loaded).update(own_or_package(node, module))
    return frozenset(loaded), frozenset(later)


def brings(module: str) -> set[str]:
    """The slow packages that come with a module, by all that it imports when it is loaded."""
    seen, waiting = set[str](), [module]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += (
                [*imports_of(name)[0], *([name.rpartition(".")[0]] if "." in name else [])] if name in OWN else []
            )
    return seen & SLOW


LIGHT = 16
"""Imports of our own modules in functions that bring no slow package: the command line's, so that `--help` starts in
0.4 and not 0.6 seconds, and those that would be circles. The number only falls."""


def test_own_modules_are_imported_in_functions_only_where_they_bring_a_slow_package() -> None:
    light = {
        f"{module} {name}"
        for module in OWN
        for name in imports_of(module)[1]
        if name in OWN and name not in imports_of(module)[0] and not brings(name) - brings(module)
    }
    assert len(light) <= LIGHT, sorted(light)


def test_nothing_outside_the_repository_is_named() -> None:
    outside = re.compile(r"\.\./shared|/work/|/root/")
    files = subprocess.run(
        ["git", "ls-files", "*.py", "*.md", "*.toml", "Makefile"], cwd=ROOT, capture_output=True, text=True
    )
    named = [name for name in files.stdout.split() if outside.search((ROOT / name).read_text(encoding="utf-8"))]
    assert [name for name in named if name != "tests/unit/test_house.py"] == []


@pytest.mark.parametrize("path", UI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_page_holds_no_models_no_dicom_and_no_sql(path: Path) -> None:
    forbidden = HEAVY | {"pydicom", "sqlmodel", "sqlalchemy", "sqlite3", "highdicom"}
    assert not packages(imported(path)) & forbidden


@pytest.mark.parametrize("path", UI, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_page_reaches_the_core_through_the_workbench(path: Path) -> None:
    allowed = {"workbench", "config", "errors", "logs", "domain"}
    core = {name.removeprefix("updp_core.") for name in imported(path) if name.startswith("updp_core.")}
    assert core <= allowed


def test_every_verb_says_what_it_does_and_stands_once() -> None:
    nouns = [noun for noun in Workbench.__mro__ if noun.__module__.startswith("updp_core.workbench.")]
    places = {name: [noun.__name__ for noun in nouns if name in vars(noun)] for name in ROLE_VERBS}
    assert ROLE_VERBS and {name: found for name, found in places.items() if len(found) != 1} == {}
    assert [name for name in ROLE_VERBS if not getattr(Workbench, name).__doc__] == []
    assert [name for name, roles in ROLE_VERBS.items() if not roles <= set(ROLES) or not roles] == []


def test_the_table_of_verbs_tells_who_may_do_what() -> None:
    def row(name: str) -> str:
        what = str(getattr(Workbench, name).__doc__).split("\n\n")[0]
        who = "everybody" if ROLE_VERBS[name] == set(ROLES) else ", ".join(r for r in ROLES if r in ROLE_VERBS[name])
        return f"| `{name}` | {who} | {' '.join(what.split())} |"

    lines = (ROOT / "docs" / "verbs.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("| `")] == [row(name) for name in sorted(ROLE_VERBS)]


def test_a_release_names_the_newest_version_that_the_changelog_tells_of() -> None:
    newest = next(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## "))
    assert newest.split()[1] == updp_core.__version__


def test_the_workbench_imports_in_a_moment_because_heavy_libraries_wait() -> None:
    code = f"import sys, updp_core.workbench; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
