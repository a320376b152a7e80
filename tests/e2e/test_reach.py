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
    several = opened.page(actor=OFFICER, sort="imported", limit=1)["records"][0]["record"]
    for _ in opened.regenerate(several, method="dp-pix", actor=OFFICER):
        pass
    yield opened
    opened.close()


def prompted(bench: Workbench) -> str:
    """A record with one version, which UPDP made: it has words to walk in, and no strip of versions."""
    return bench.page(actor=OFFICER, sort="imported", limit=2)["records"][1]["record"]


@pytest.fixture(scope="module")
def page(browser: Any, bench: Workbench, models: dict[str, str], tmp_path_factory: Any) -> Iterator[Any]:
    home: Path = bench.desk.settings.home
    with serve(home, tmp_path_factory.mktemp("no") / "sample", **models) as address:
        tab = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        tab.set_default_timeout(120_000)
        trouble: list[str] = []
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.goto(f"{address}#{prompted(bench)}")
        until(lambda: tab.evaluate("window.updp?.shown?.record") == prompted(bench), "a pair with a prompt")
        yield tab
        assert not trouble, trouble


def sized(page: Any, size: tuple[int, int]) -> Any:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.evaluate("() => { document.activeElement?.blur(); updp.close(); scrollTo(0, 0); }")
    page.evaluate("document.documentElement.className = ''")  # no panel folded, no reading mode
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
@pytest.mark.parametrize(
    "sheet", ["reject-box", "flag-box", "regen-box", "methods-box", "word-box", "batch-box", "help-box"]
)
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


# --- panels, versions beside the original, messages, numbers, one id ----------------------------------------


def several(bench: Workbench) -> str:
    """The record that has two versions."""
    return bench.page(actor=OFFICER, sort="imported", limit=1)["records"][0]["record"]


def open_link(page: Any, record: str) -> None:
    page.evaluate("(r) => { location.hash = r; }", record)
    until(lambda: page.evaluate("window.updp?.shown?.record") == record, "the pair of the link")


def apart(one: Any, other: Any) -> bool:
    """Whether two boxes do not overlap."""
    return (
        one["x"] + one["width"] <= other["x"] + 1
        or other["x"] + other["width"] <= one["x"] + 1
        or one["y"] + one["height"] <= other["y"] + 1
        or other["y"] + other["height"] <= one["y"] + 1
    )


def test_a_link_opens_its_pair_and_the_id_is_the_same_everywhere(page: Any, bench: Workbench) -> None:
    sized(page, DESKS[0])
    record = bench.page(actor=OFFICER, sort="imported", limit=3)["records"][2]["record"]
    open_link(page, record)
    assert record not in page.url, "the address keeps nothing of it"
    until(lambda: page.locator("#head h2").inner_text().startswith(record), "the heading")
    assert page.locator(f'#queue [data-record="{record}"] .who').inner_text().startswith(record)
    assert page.locator("#head a.rid").get_attribute("href") == f"#{record}"


def test_another_version_is_looked_at_beside_the_original_and_that_decides_nothing(page: Any, bench: Workbench) -> None:
    sized(page, DESKS[0])
    record = several(bench)
    open_link(page, record)
    before = bench.show(record, actor=OFFICER)
    assert page.locator(".v-strip [data-version]").count() == len(before["candidates"]) == 2
    page.keyboard.press(">")
    until(lambda: page.evaluate("updp.looking"), "the other version")
    until(lambda: "not the current one" in page.locator(".v-tag-b").inner_text(), "its name over the image")
    page.keyboard.press("a")
    until(lambda: "is looked at" in page.locator("#say").inner_text(), "why no verdict is taken")
    assert bench.show(record, actor=OFFICER)["revision"] == before["revision"]
    page.keyboard.press("Escape")
    until(lambda: page.evaluate("updp.shown?.candidate") == before["candidate"], "the current one again")
    other = next(c["candidate"] for c in before["candidates"] if c["candidate"] != before["candidate"])
    page.locator(f'.v-strip [data-version="{other}"]').click()
    until(lambda: page.evaluate("updp.looking") == other, "the other version by a click")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Enter")
    until(lambda: bench.show(record, actor=OFFICER)["candidate"] == other, "made current")
    until(lambda: page.evaluate("updp.shown?.candidate") == other, "on the screen")


@pytest.mark.parametrize("size", DESKS)
def test_panels_fold_singly_and_the_images_take_their_room(page: Any, size: tuple[int, int]) -> None:
    sized(page, size)
    folds = {"p": "height", "b": "height", "e": "width"} | ({"q": "width"} if size[0] > 1100 else {})
    for key, grows in folds.items():
        before = page.locator(".v-stage").bounding_box()[grows]
        page.keyboard.press("y")
        page.keyboard.press(key)
        page.wait_for_timeout(150)
        assert page.locator(".v-stage").bounding_box()[grows] > before, key
    stage = page.locator(".v-stage").bounding_box()
    assert stage["height"] > 0.6 * size[1] and stage["width"] > 0.9 * size[0]
    for name in ("approve", "reject", "regenerate", "flag", "undo", "previous", "next"):
        assert page.locator(f"#{name}").evaluate(IN_VIEW), name
    for panel in ("evidence", "below", "prompt", "queue")[: len(folds)]:  # each by the button that stays with it
        page.locator(f'[data-fold="{panel}"]:visible').first.click()
    page.wait_for_timeout(150)
    assert not page.evaluate("[...document.documentElement.classList].filter((c) => c.startsWith('fold-'))")


@pytest.mark.parametrize("size", [*DESKS, PHONE])
@pytest.mark.parametrize("reading", [False, True])
def test_a_message_covers_no_report_no_image_and_no_verdict(page: Any, size: tuple[int, int], reading: bool) -> None:
    sized(page, size)
    if reading:
        page.keyboard.press("e")
    number = "document.querySelector('#say .say')?.dataset.n"
    before = page.evaluate(number)
    page.keyboard.press("u")  # nothing to take back
    until(lambda: page.locator("#say .say-stop").count() and page.evaluate(number) != before, "a refusal")
    said, foot = page.locator("#say .say").bounding_box(), page.locator("#verdict").bounding_box()
    for what in (".rep", ".v-stage", "#approve", "#reject", "#next", "#undo"):
        for n in range(page.locator(f"{what}:visible").count()):
            box = page.locator(f"{what}:visible").nth(n).bounding_box()
            under = size == PHONE and what in (".rep", ".v-stage") and said["y"] >= foot["y"]  # scrolls below the bar
            assert apart(said, box) or under, f"{what} {n}"
    page.evaluate("updp.open('help-box')")
    until(lambda: page.locator("#say").evaluate("e => e.classList.contains('gone')"), "gone with the next thing")
    page.keyboard.press("Escape")
    if reading:
        page.keyboard.press("Escape")


def test_the_filters_count_as_the_progress_does_and_the_end_of_a_queue_sums_up(page: Any, bench: Workbench) -> None:
    sized(page, DESKS[0])
    record = bench.page(actor=OFFICER, sort="imported", limit=3)["records"][2]["record"]
    open_link(page, record)
    pending = bench.counts(actor=OFFICER)["states"]["pending"]
    page.keyboard.press("r")
    page.keyboard.press("2")
    until(lambda: bench.counts(actor=OFFICER)["states"]["rejected"] == 1, "the verdict")
    until(lambda: page.locator("#f-state input").input_value() == f"To review ({pending - 1})", "the filter's number")
    assert record in page.locator("#say").inner_text(), "the message names the pair by its id"
    page.keyboard.press("o")
    page.keyboard.press("f")
    until(lambda: page.locator("#head .end").count(), "the end of what is flagged")
    told = page.locator("#head .end").inner_text()
    assert "You decided 1 pair today: 1 rejected." in told and f"{pending - 1} to review" in told
    page.locator("#head .end [data-to-way=review]").click()
    assert shown(page)
