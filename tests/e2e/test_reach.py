"""Everything is within reach, by mouse and by keys, at every size: evidence, prompt, sheets, images; and no key decides
by accident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keyboard import focused, go_to, reach, shown, until
from tests.e2e.reading_room import OFFICER, fill, write_archive
from tests.e2e.served import serve
from ui.show import evidence
from updp_core.config import Settings
from updp_core.workbench import Workbench

pytestmark = pytest.mark.browser
DESKS = ((1440, 900), (1280, 720), (1024, 768))
ZOOMED = (720, 450)
"""1440 x 900 at 200 %."""
PHONE = (390, 844)
IN_VIEW = """(e) => {
  e.scrollIntoView({ block: "center" });
  const r = e.getBoundingClientRect(), at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
  return r.left >= 0 && r.right <= innerWidth + 1 && r.top >= 0 && r.bottom <= innerHeight + 1 && (e === at || e.contains(at) || at?.contains(e));
}"""  # noqa: E501


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Iterator[Workbench]:
    place = tmp_path_factory.mktemp("reach")
    fill(place / "home", write_archive(place / "archive", 12), models).close()
    opened = Workbench.open(Settings(home=place / "home"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def page(browser: Any, bench: Workbench, models: dict[str, str], tmp_path_factory: Any) -> Iterator[Any]:
    home: Path = bench.desk.settings.home
    with serve(home, tmp_path_factory.mktemp("no") / "sample", **models) as address:
        tab = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        tab.set_default_timeout(120_000)
        trouble: list[str] = []
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.goto(address)
        shown(tab)
        yield tab
        assert not trouble, trouble


def sized(page: Any, size: tuple[int, int]) -> Any:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate("() => { document.activeElement?.blur(); updp.close(); scrollTo(0, 0); }")
    page.wait_for_timeout(200)
    return page


@pytest.mark.parametrize("size", [*DESKS, ZOOMED, PHONE])
def test_the_last_gate_and_the_last_word_of_the_prompt_are_reached(page: Any, size: tuple[int, int]) -> None:
    sized(page, size)
    for what in ("#gates details:last-of-type summary", "#prompt .tok:last-of-type", "#gates details:first-of-type"):
        assert page.locator(what).first.evaluate(IN_VIEW), what
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing sticks out sideways"


@pytest.mark.parametrize("size", DESKS)
def test_the_evidence_scrolls_by_wheel_and_by_keys(page: Any, size: tuple[int, int]) -> None:
    sized(page, size)
    gates = page.locator("#gates")
    gates.evaluate("e => e.scrollTo(0, 0)")
    assert gates.evaluate("e => e.scrollHeight > e.clientHeight + 40"), "there is more than fits"
    gates.hover()
    page.mouse.wheel(0, 4000)
    until(lambda: gates.evaluate("e => e.scrollTop + e.clientHeight >= e.scrollHeight - 2"), "the end of the evidence")
    gates.evaluate("e => e.scrollTo(0, 0)")
    reach(page, "#gates summary")
    reach(page, "#gates details:last-of-type summary", most=40)
    assert page.locator("#gates details:last-of-type summary").evaluate(
        "e => e.getBoundingClientRect().bottom <= innerHeight"
    )


@pytest.mark.parametrize("size", [*DESKS, ZOOMED, PHONE])
@pytest.mark.parametrize("sheet", ["reject-box", "flag-box", "regen-box", "word-box", "batch-box", "help-box"])
def test_every_button_of_every_sheet_is_reached(page: Any, size: tuple[int, int], sheet: str) -> None:
    sized(page, size)
    page.evaluate("(id) => updp.open(id)", sheet)
    buttons = page.locator(f"#{sheet} button:visible")
    assert buttons.count()
    for n in range(buttons.count()):
        assert buttons.nth(n).evaluate(IN_VIEW), f"button {n} of {sheet}"
    page.keyboard.press("Escape")


def test_the_sheet_of_versions_lies_inside_the_window(page: Any) -> None:
    gates = [{"name": "identity", "title": "Likeness to the patient", "state": "warn", "value": 0.9}]
    row = {"method": "updp", "seed": 1, "gates": gates, "risk": 1.5, "void": False}
    sheet = evidence.contact_sheet([{**row, "candidate": n} for n in range(1, 7)], {}, 1)
    sized(page, DESKS[0])
    page.keyboard.press("y")
    page.keyboard.press("v")
    page.locator("#contact").wait_for()
    for size in (*DESKS, ZOOMED):
        sized(page, size)
        page.evaluate("(html) => { document.querySelector('#contact .html-container > div').innerHTML = html; }", sheet)
        page.evaluate("updp.versions()")
        until(lambda: page.locator("#contact.open").count(), "the versions")
        box = page.locator("#contact.open").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
        for what in ("#contact .sheet-close", "#contact .card:last-child"):
            assert page.locator(what).evaluate(IN_VIEW), f"{what} at {size}"
        page.keyboard.press("Escape")


def test_a_first_key_waits_and_is_shown_and_never_becomes_a_verdict(page: Any, bench: Workbench) -> None:
    sized(page, DESKS[0])
    before, record = bench.counts(actor=OFFICER)["states"], shown(page)
    for first in ("y", "o"):
        page.keyboard.press(first)
        assert page.locator("#keys-begun").is_visible()
        page.wait_for_timeout(1500)
        page.keyboard.press("a")
        assert not page.locator("#keys-begun").count(), "the chain is over"
    go_to(page, "r", "Review")  # O and A had led to Audit
    page.keyboard.press("o")
    page.keyboard.press("Escape")
    assert not page.locator("#keys-begun").count()
    page.wait_for_timeout(500)
    assert bench.counts(actor=OFFICER)["states"] == before and shown(page) == record
    page.keyboard.press("y")
    page.wait_for_timeout(1500)
    page.keyboard.press("h")
    until(lambda: page.locator("#history").is_visible(), "the history, however long the pause")
    page.keyboard.press("y")
    page.keyboard.press("r")
    until(lambda: page.locator("#reports").is_visible(), "the reports")


@pytest.mark.parametrize("size", DESKS)
def test_reading_mode_gives_the_images_the_window_and_keeps_the_verdict(page: Any, size: tuple[int, int]) -> None:
    sized(page, size)
    small = page.locator(".v-stage").bounding_box()
    page.keyboard.press("e")
    large = page.locator(".v-stage").bounding_box()
    assert large["height"] > 0.72 * size[1] and large["width"] == size[0] > small["width"]
    for name in ("approve", "reject", "regenerate", "flag", "undo", "previous", "next"):
        assert page.locator(f"#{name}").evaluate(IN_VIEW), name
    page.keyboard.press("Escape")
    assert page.locator("#gates").is_visible()


def test_the_prompt_is_one_stop_and_the_arrows_walk_in_it(page: Any) -> None:
    sized(page, DESKS[0])
    reach(page, "#prompt .tok")
    first = page.evaluate("document.activeElement.textContent")
    page.keyboard.press("ArrowRight")
    second = page.evaluate("document.activeElement.textContent")
    assert second != first and focused(page, "#prompt .tok")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.textContent") == first
    page.keyboard.press("Tab")
    assert not focused(page, "#prompt")


def test_the_first_stops_lead_past_the_header(page: Any) -> None:
    sized(page, DESKS[0])
    page.evaluate("() => { document.body.tabIndex = -1; document.body.focus(); }")
    for target in (".v-stage", "#approve", "#queue .q"):
        reach(page, f'[data-skip="{target}"]')
        assert page.evaluate("document.activeElement.getBoundingClientRect().top >= 0"), "seen once it has the focus"
        page.keyboard.press("Enter")
        assert focused(page, target)
        page.evaluate("document.body.focus()")


def test_every_button_has_a_name(page: Any) -> None:
    sized(page, DESKS[0])
    nameless = page.evaluate(
        """() => [...document.querySelectorAll("button")].filter((b) => b.offsetParent
        && !/[\\p{L}\\p{N}]/u.test((b.getAttribute("aria-label") ?? "") + b.textContent)).map((b) => b.outerHTML)"""
    )
    assert not nameless


@pytest.mark.parametrize("size", [ZOOMED, PHONE])
def test_a_small_window_gets_one_column_and_the_verdict_stays_at_hand(page: Any, size: tuple[int, int]) -> None:
    sized(page, size)
    assert page.evaluate("document.documentElement.scrollHeight > innerHeight")
    for top in (0, 400, 100_000):
        page.evaluate("(y) => scrollTo(0, y)", top)
        page.wait_for_timeout(100)
        box = page.locator("#approve").bounding_box()
        assert box["y"] >= 0 and box["y"] + box["height"] <= size[1], f"scrolled to {top}"
