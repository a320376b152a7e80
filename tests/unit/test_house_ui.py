"""The house rules of the page: HTML stands in templates, a page is a class of PAGES, events are wired in one way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from jinja2 import Environment, StrictUndefined, nodes

from ui import pages, show
from ui.pages import PAGES, Page

ROOT = Path(__file__).resolve().parents[2]
UI = sorted((ROOT / "ui").rglob("*.py"))
TEMPLATES = sorted((ROOT / "ui" / "templates").rglob("*.html"))
SVG = ROOT / "ui" / "plots.py"
TAG = re.compile(r"</?[a-z][a-z0-9]*[\s/>]")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def html_in(path: Path) -> list[int]:
    """Lines at which a module builds HTML: a tag in an f-string, in a format, in a sum or in a plain string.

    A docstring may name a tag, and a script of the browser (a name that ends in JS) is not HTML of ours.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    passed: set[int] = set()
    for node in ast.walk(tree):
        script = isinstance(node, ast.Assign) and any(getattr(t, "id", "").endswith("JS") for t in node.targets)
        if script or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            passed |= {id(inner) for inner in ast.walk(node)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in passed
        and TAG.search(node.value)
    ]


@pytest.mark.parametrize("path", [p for p in UI if p != SVG], ids=names([p for p in UI if p != SVG]))
def test_html_stands_in_templates(path: Path) -> None:
    found = html_in(path)
    if path == ROOT / "ui" / "show" / "__init__.py":
        assert len(found) == len({"<code>", "<span>", "</span>"}), "filters mark words and code, and nothing else"
    else:
        assert not found


def test_the_rule_sees_html_where_there_is_some() -> None:
    assert html_in(SVG)


def test_templates_escape_by_themselves_and_a_name_that_is_not_given_is_an_error() -> None:
    made: Environment = show._ENV
    assert made.autoescape is True and made.undefined is StrictUndefined


@pytest.mark.parametrize("path", TEMPLATES, ids=names(TEMPLATES))
def test_no_template_takes_escaping_back_and_each_is_used(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = show._ENV.parse(text)
    assert "safe" not in {node.name for node in tree.find_all(nodes.Filter)}
    assert not list(tree.find_all(nodes.ScopedEvalContextModifier))
    name = str(path.relative_to(ROOT / "ui" / "templates"))
    users = [p.read_text(encoding="utf-8") for p in [*UI, *TEMPLATES] if p != path]
    assert any(f'"{name}"' in user for user in users), "a template that nobody renders"


def test_a_page_is_a_class_with_a_title_and_stands_in_the_list_of_pages() -> None:
    written = {
        node.name
        for path in (ROOT / "ui" / "pages").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(getattr(base, "id", "") == "Page" for base in node.bases)
    }
    assert written == {page.__name__ for page in PAGES}
    assert len({page.title for page in PAGES}) == len({page.key for page in PAGES}) == len(PAGES)
    for page in PAGES:
        assert issubclass(page, Page) and page.__doc__ and callable(page.look)
    assert pages.PAGES is PAGES


@pytest.mark.parametrize("path", UI, ids=names(UI))
def test_components_are_made_with_their_page_and_handlers_are_wired_through_the_shell(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    later = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.annotation, ast.Name) and node.annotation.id == "Any"
        if node.value is None
    ]
    assert not later, "a field that is declared and filled in later"
    if path.name != "shell.py":
        verbs = {"click", "change", "input", "submit", "select"}
        direct = [
            node.lineno
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in verbs
            if not (node.args and isinstance(node.args[0], ast.Constant) and node.args[0].value is None)
        ]
        assert not direct, "an event that is wired past Shell.on; only a script of the browser may be"


@pytest.mark.parametrize("path", UI, ids=names(UI))
def test_the_formatter_has_its_way(path: Path) -> None:
    assert "fmt: " + "skip" not in path.read_text(encoding="utf-8")
