"""A public demonstration on a Space: a visitor plays the story to its end, a second one beside sees nothing of it."""

from __future__ import annotations

import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keyboard import shown, until
from tests.e2e.served import serve, write_studies

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("space") / "home"


@pytest.fixture(scope="module")
def address(home: Path, models: dict[str, str]) -> Iterator[str]:
    space = {"SPACE_ID": "someone/updp", "UPDP_HOST": "127.0.0.1"}
    with serve(home, write_studies(home.parent / "studies", 4), **models, **space) as at:
        until(
            lambda: rows(home / "updp.sqlite3", "SELECT count(*) FROM standing WHERE state = 'pending'") == 4, "pairs"
        )
        yield at


def rows(database: Path, sql: str) -> Any:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as base:
        return base.execute(sql).fetchone()[0]


def visits(home: Path, sql: str) -> list[Any]:
    """An answer of each visitor's database, the highest first."""
    return sorted((rows(path, sql) for path in (home / "visitors").glob("*/updp.sqlite3")), reverse=True)


def visitor(browser: Any, address: str) -> Any:
    page = browser.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True).new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    page.locator("#story .now").wait_for()
    return page


def go(page: Any, head: str) -> None:
    """To the step that comes next, by its button."""
    page.get_by_role("tab", name="Try it", exact=True).click()
    step = page.locator("#story .now", has_text=head)
    step.wait_for()
    step.locator("[data-role]").click()


def approve(page: Any) -> str:
    record = shown(page)
    page.locator("#head h2", has_text=record).wait_for()
    page.locator("#approve").click()
    until(lambda: page.locator("#approve-box.open").count() or shown(page) != record, "a question, or the next pair")
    if page.locator("#approve-box.open").count():
        page.keyboard.press("1")
    until(lambda: shown(page) != record, "the next pair")
    return record


def test_a_visitor_plays_the_story_and_another_has_a_workspace_of_their_own(
    browser: Any, address: str, home: Path
) -> None:
    ann, bob = visitor(browser, address), visitor(browser, address)
    go(ann, "Read a pair")
    first = approve(ann)
    go(ann, "Forbid a word")
    until(lambda: ann.locator("#role input").input_value() == "Privacy officer", "the role of the step")
    until(lambda: shown(ann) == first, "the approved pair")
    ann.locator("#prompt .tok[data-word]", has_text="a").first.click()
    ann.locator("#word-box.open").wait_for()
    until(lambda: ann.locator("#word-category input").input_value(), "the categories")
    ann.locator("#word-save").click()
    until(lambda: visits(home, "SELECT max(version) FROM lexicon_version")[0] == 2, "another version of the lexicon")
    until(lambda: visits(home, "SELECT count(*) FROM violation")[0] >= 1, "the approval falls")
    ann.keyboard.press("Escape")
    approvals = "SELECT count(*) FROM decision WHERE verdict = 'approve'"
    edited = "(SELECT max(version) FROM lexicon_version) = 2"
    drawn = f"SELECT {edited} AND NOT EXISTS (SELECT 1 FROM standing WHERE state = 'void')"
    until(lambda: visits(home, drawn)[0], "pairs drawn anew", 300)
    go(ann, "Approve another pair and release it")
    ann.get_by_role("tab", name="Review", exact=True).click()
    current = "SELECT candidate FROM standing WHERE record = '{}'"
    until(
        lambda: ann.evaluate("window.updp.shown?.candidate") == visits(home, current.format(shown(ann)))[0],
        "the pair as it was drawn anew",
    )
    approve(ann)
    assert visits(home, approvals) == [2, 0]
    ann.get_by_role("tab", name="Release", exact=True).click()
    ann.locator("#release-sheet .leaving li").first.wait_for()
    ann.locator("#release-comment textarea, #release-comment input").fill("to try it")
    ann.locator("#release-recipient textarea, #release-recipient input").fill("nobody")
    ann.locator("#release-go").click()
    ann.locator("#release-box.open").wait_for()
    ann.locator("#release-yes").click()
    until(lambda: "released to" in ann.locator("#release-outcome").inner_text(), "a release")
    go(ann, "Verify it")
    ann.locator("#verify-path textarea, #verify-path input").wait_for()
    ann.locator("#verify-go").click()
    with ann.expect_download() as coming:
        ann.locator("[data-zip]").first.click()
    names = zipfile.ZipFile(coming.value.path()).namelist()
    assert any(name.endswith("/manifest.jsonl") for name in names) and any(name.endswith(".png") for name in names)
    assert visits(home, approvals) == [2, 0], "nothing of it is in the other visitor's workspace"
    assert visits(home, "SELECT count(*) FROM release") == [1, 0]
    assert visits(home, "SELECT max(version) FROM lexicon_version") == [2, 1]
    assert rows(home / "updp.sqlite3", approvals) == 0
    bob.reload()
    bob.locator("#story .now", has_text="Read a pair").wait_for()
    bob.locator("#try-text textarea").fill("Seen by Dr. Mary Hill on 03/14/2019.")
    bob.locator("#try-go").click()
    bob.locator("#try-found", has_text="What would leave").wait_for()
    assert "Hill" not in bob.locator("#try-found .rep").last.inner_text()
    for file in home.rglob("*"):
        assert not file.is_file() or b"Mary Hill on 03/14" not in file.read_bytes(), "nothing of the text is kept"
