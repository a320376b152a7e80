"""axe-core finds nothing serious on any page, in either theme (rules of WCAG 2.2, levels A and AA)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from tests.e2e.keyboard import go_to, shown, sign_in, until
from tests.e2e.reading_room import PASSWORD, Room

pytestmark = pytest.mark.browser
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
PAGES = {"r": "Review", "l": "Lexicons", "i": "Import & run", "e": "Release", "a": "Audit", "p": "Insight"}
SHEETS = {"?": "help-box", "r": "reject-box", "g": "regen-box", "w": "word-box", "f": "flag-box"}
RUN = r"""async ([tags, rules]) => {
  const found = await axe.run(document, { runOnly: { type: "tag", values: tags }, rules, resultTypes: ["violations"] });
  const told = (n) => `${n.target.join(" ")}: ${n.html.slice(0, 160)} ${n.failureSummary ?? ""}`;
  return found.violations.filter((v) => ["serious", "critical"].includes(v.impact))
    .map((v) => [`${v.id}: ${v.help}`, ...v.nodes.map(told)].join("\n  "));
}"""


AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def check(page: Any, where: str) -> None:
    found = page.evaluate(RUN, [TAGS, {}])
    assert not found, "\n".join([where, *found])


@pytest.fixture(scope="module", params=("dark", "light"))
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def page(browser: Any, room: Room, theme: str) -> Iterator[Any]:
    """The privacy officer's desk: her pages hold what the others' hold and more."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, bypass_csp=True)
    tab = context.new_page()
    tab.add_init_script(AXE)
    tab.emulate_media(reduced_motion="reduce")
    tab.add_init_script(f"try {{ localStorage.setItem('updp-theme', '{theme}') }} catch {{}}")
    sign_in(tab, room.address, "otto", PASSWORD)
    shown(tab)
    assert tab.evaluate("document.documentElement.dataset.theme") == theme
    yield tab
    context.close()


def test_the_engine_knows_the_rules_of_wcag_2_2(page: Any) -> None:
    assert re.match(r"4\.(1[0-9]|[4-9])", page.evaluate("axe.version"))
    assert page.evaluate("(tags) => axe.getRules(tags).length", TAGS) > 50
    page.evaluate("document.body.append(Object.assign(document.createElement('img'), { id: 'bad', src: 'data:,' }))")
    with pytest.raises(AssertionError, match="image-alt"):
        check(page, "a picture without a text")
    page.evaluate("document.getElementById('bad').remove()")


def test_the_sign_in_has_no_serious_problem(page: Any, room: Room, browser: Any, theme: str) -> None:
    stranger = browser.new_context(bypass_csp=True)
    tab = stranger.new_page()
    tab.add_init_script(AXE)
    tab.add_init_script(f"try {{ localStorage.setItem('updp-theme', '{theme}') }} catch {{}}")
    tab.goto(room.address)
    tab.locator("input[type=password]").wait_for()
    check(tab, f"sign-in, {theme}")
    stranger.close()


@pytest.mark.parametrize("letter", PAGES)
def test_no_page_has_a_serious_problem(page: Any, letter: str, theme: str) -> None:
    go_to(page, letter, PAGES[letter])
    wait = {"l": "#lex-log table", "e": "#release-preview .leave", "a": "#audit-events table", "p": ".plot svg"}
    if letter in wait:
        page.locator(wait[letter]).first.wait_for()
    if letter == "e":
        page.locator("#policy button").first.evaluate("button => button.click()")
        page.locator("#policy-save").wait_for()
    check(page, f"{PAGES[letter]}, {theme}")


@pytest.mark.parametrize("part", ["Findings", "Versions", "History"])
def test_no_part_of_the_review_has_one(page: Any, part: str, theme: str) -> None:
    go_to(page, "r", "Review")
    page.locator("#below").get_by_role("tab", name=part).evaluate("tab => tab.click()")
    check(page, f"{part}, {theme}")


def test_the_methods_side_by_side_have_none(page: Any, theme: str) -> None:
    go_to(page, "r", "Review")
    page.evaluate("updp.open('regen-box')")
    page.locator("#regen-compare").click()
    page.locator("#methods [data-method]").first.wait_for()
    check(page, f"methods, {theme}")
    page.keyboard.press("Escape")


@pytest.mark.parametrize("key", SHEETS)
def test_no_dialog_has_one(page: Any, key: str, theme: str) -> None:
    go_to(page, "r", "Review")
    page.evaluate("document.activeElement?.blur()")
    page.keyboard.press(key)
    until(lambda: page.locator(f"#{SHEETS[key]}.open").count(), "the dialog")
    check(page, f"{SHEETS[key]}, {theme}")
    page.keyboard.press("Escape")
