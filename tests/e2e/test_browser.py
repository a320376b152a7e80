"""One person at a desk without sign-in, from the first start to a release, in a real browser (Debian's Chromium)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.keyboard import shown, until
from tests.e2e.served import serve, write_studies
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.workbench import Workbench

pytestmark = pytest.mark.browser
STUDIES, APPROVED = 8, 3


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading-room")


@pytest.fixture(scope="module")
def address(place: Path, models: dict[str, str]) -> Iterator[str]:
    with serve(place / "home", write_studies(place / "studies", STUDIES), **models) as at:
        yield at


@pytest.fixture(scope="module")
def page(browser: Any, address: str) -> Iterator[Any]:
    """One tab for all steps: they follow each other as on a morning."""
    tab = browser.new_page(viewport={"width": 1440, "height": 900})
    trouble: list[str] = []
    tab.on("pageerror", lambda error: trouble.append(str(error)))
    tab.set_default_timeout(120_000)
    tab.goto(address)
    yield tab
    assert not trouble, trouble


@pytest.fixture(scope="module")
def bench(place: Path) -> Workbench:
    """The same workspace through the core, to hold the page to."""
    return Workbench.open(Settings(home=place / "home"))


OFFICER = Actor("test", "privacy-officer")


def tab(page: Any, name: str) -> None:
    page.get_by_role("tab", name=name, exact=True).click()


def act_as(page: Any, role: str) -> None:
    page.locator("#role input").click()
    page.get_by_role("option", name=role).click()
    until(lambda: page.locator("#role input").input_value() == role, f"acting as {role}")


def said(page: Any, pattern: str) -> str:
    return until(
        lambda: re.search(pattern, text := page.locator("#say .say").all_inner_texts().__str__()) and text, pattern
    )


def states(bench: Workbench) -> dict[str, int]:
    return bench.counts(actor=OFFICER)["states"]


def prompts(bench: Workbench) -> list[str]:
    """The current prompt of every record."""
    cards = bench.page(actor=OFFICER, limit=100)["records"]
    details = [bench.show(card["record"], actor=OFFICER) for card in cards]
    return [d["prompt"]["text"] for d in details if d["prompt"]]


def test_the_sample_is_imported_and_pairs_appear_while_the_page_is_open(page: Any, bench: Workbench) -> None:
    until(lambda: states(bench)["pending"] == STUDIES, "all pairs made", 240)
    assert shown(page)
    until(lambda: page.locator("#queue [data-record]").count() == STUDIES, "the queue shows them all")
    until(lambda: page.locator("#status .working").count() == 0, "the header tells of no work that is over")
    assert set(page.evaluate("updp.ask().parts")) >= {"queue", "progress"}, "the clock knows what stands there"
    assert page.locator("#prompt .tok").count() > 0


def test_images_travel_without_an_address_of_their_own_and_leave_nothing_in_the_browser(page: Any) -> None:
    addresses = page.evaluate("performance.getEntriesByType('resource').map(r => r.name)")
    data = [a for a in addresses if "/assets/" not in a and "/static/" not in a]
    assert data and not [a for a in data if shown(page) in a or re.search(r"\.(png|jpe?g|dcm)|file=", a)]
    assert page.evaluate("Object.keys(localStorage).filter(k => !['updp-theme', 'updp-tour'].includes(k)).length") == 0
    assert page.evaluate("Object.keys(sessionStorage).length") == 0
    assert page.evaluate("caches.keys().then(k => k.length)") == 0


def test_the_viewer_answers_to_keys_alone_and_is_quiet_while_somebody_types(page: Any) -> None:
    view = "window.updp.viewer.view"
    for key, expected in (("s", "slider"), ("x", "flicker"), ("d", "diff"), ("b", "side")):
        page.keyboard.press(key)
        assert page.evaluate(f"{view}.mode") == expected
    page.keyboard.press("i")
    assert page.evaluate(f"{view}.invert") is True
    page.keyboard.press("z")
    assert page.evaluate(f"{view}.invert") is False
    page.keyboard.press("c")
    page.keyboard.type("a sad remark")
    assert page.evaluate(f"{view}.mode") == "side" and states_unchanged(page)
    page.keyboard.press("Escape")


def test_the_viewer_answers_to_fingers(page: Any) -> None:
    view, box = "window.updp.viewer.view", page.locator(".v-stage").bounding_box()
    x, y = box["x"] + box["width"] / 4, box["y"] + box["height"] / 2
    screen = page.context.new_cdp_session(page)

    def touch(kind: str, *fingers: tuple[float, float]) -> None:
        points = [{"x": a, "y": b, "id": i} for i, (a, b) in enumerate(fingers)]
        screen.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    page.keyboard.press("z")
    touch("touchStart", (x - 20, y), (x + 20, y))
    for apart in (30, 45, 60):
        touch("touchMove", (x - apart, y), (x + apart, y))
    touch("touchEnd")
    until(lambda: page.evaluate(f"{view}.zoom") == pytest.approx(3, rel=0.05), "three times as far apart: zoom 3")
    page.keyboard.press("l")  # now dragging pans
    before = page.evaluate(f"{view}.x")
    touch("touchStart", (x, y))
    touch("touchMove", (x - 40, y))
    touch("touchEnd")
    until(lambda: page.evaluate(f"{view}.x") > before, "the image follows the finger")
    page.keyboard.press("l")
    touch("touchStart", (x, y))
    touch("touchMove", (x + 48, y))
    touch("touchEnd")
    until(lambda: page.evaluate(f"{view}.width") > 1, "one finger sets the window")
    page.keyboard.press("z")
    screen.detach()


def states_unchanged(page: Any) -> bool:
    return "0 of" in page.locator("#progress").inner_text()


def test_a_draft_of_a_comment_survives_a_reload_and_is_kept_on_the_server(page: Any, bench: Workbench) -> None:
    record = shown(page)

    def kept() -> set[str]:
        drafts = [bench.show(record, actor=Actor(name, "radiologist"))["draft"] for name in {_user(), "local"}]
        return {str(draft["comment"]) for draft in drafts if draft}

    until(lambda: kept() == {"a sad remark"}, "what is typed is kept")
    page.keyboard.press("c")
    page.locator("#comment textarea").fill("a pasted remark")  # as pasting does: an input, and no key
    until(lambda: kept() == {"a pasted remark"}, "what is pasted is kept")
    page.keyboard.press("End")
    for _ in range(len(" remark")):
        page.keyboard.press("Backspace")
    until(lambda: kept() == {"a pasted"}, "what is left is kept")
    page.reload()
    shown(page)
    until(lambda: page.locator("#comment textarea").input_value() == "a pasted", "the draft is back")
    page.locator("#comment textarea").fill("")
    page.keyboard.press("Escape")
    until(lambda: not kept(), "an empty comment is no draft")


def _user() -> str:
    import getpass

    return getpass.getuser()


def test_a_word_that_becomes_forbidden_is_gone_from_every_prompt(page: Any, bench: Workbench) -> None:
    words = {w for text in prompts(bench) for w in re.findall(r"[a-z]{4,}", text)}
    word = max(words, key=lambda w: sum(w in text.split() for text in prompts(bench)))
    act_as(page, "Privacy officer")
    tab(page, "Lexicons")
    terms = page.locator("#lex-terms textarea")
    until(lambda: terms.input_value(), "terms of a category")
    terms.fill(terms.input_value() + "\n" + word)
    page.locator("#lex-look").click()
    until(lambda: "Pairs that contain it" in page.locator("#lex-impact").inner_text(), "the impact is shown")
    page.locator("#lex-comment textarea, #lex-comment input").fill("a name in this town")
    page.locator("#lex-save").click()
    said(page, "Version 2 is in force")
    until(lambda: states(bench)["pending"] == STUDIES, "void pairs made again", 200)
    assert all(word not in re.findall(r"\w+", text.lower()) for text in prompts(bench))
    tab(page, "Review")
    act_as(page, "Radiologist")


def test_imports_and_runs_are_offered_to_those_who_may_start_them(page: Any) -> None:
    shown(page)
    tab(page, "Import & run")
    buttons = [page.locator(f"#{name}") for name in ("import-go", "run-start", "run-pause", "run-stop")]
    until(lambda: all(button.is_disabled() for button in buttons), "buttons that are dead for a radiologist")
    act_as(page, "Privacy officer")
    until(lambda: all(button.is_enabled() for button in buttons), "buttons that are live for an officer")
    tab(page, "Review")
    act_as(page, "Radiologist")


def test_the_release_holds_the_approved_pairs_alone_and_one_changed_byte_is_found(
    page: Any, bench: Workbench, place: Path
) -> None:
    shown(page)
    for _ in range(APPROVED):
        before = shown(page)
        until(lambda before=before: page.locator("#head h2").inner_text().startswith(before), "its heading")
        page.keyboard.press("a")
        if page.locator("#approve-box.open").count():  # the judges do not know such pictures: a reason, by its digit
            page.keyboard.press("1")
        until(lambda before=before: shown(page) != before, "the next pair")
    out = place / "release"
    tab(page, "Release")
    page.locator("#release-folder textarea, #release-folder input").fill(str(out))
    assert page.locator("#release-go").is_disabled(), "a release takes an officer"
    act_as(page, "Privacy officer")
    page.locator("#release-sheet .leaving li").first.wait_for()
    page.locator("#release-comment textarea, #release-comment input").fill("teaching")
    page.locator("#release-recipient textarea, #release-recipient input").fill("the medical school")
    page.locator("#release-go").click()
    page.locator("#release-box.open").wait_for()
    asked = page.locator("#release-question").inner_text()
    assert f"{APPROVED} pair" in asked and "teaching" in asked and "the medical school" in asked
    page.locator("#release-yes").click()
    until(lambda: "released to" in page.locator("#release-outcome").inner_text(), "a release", 90)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == APPROVED == states(bench)["approved"]
    page.locator("#verify-go").click()
    until(lambda: "Whole" in page.locator("#verify-outcome").inner_text(), "the release verifies")
    victim = next(out.rglob("*.png"))
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(data)
    page.locator("#verify-go").click()
    until(lambda: "found" in page.locator("#verify-outcome").inner_text(), "the flipped byte is found")
    act_as(page, "Administrator")
    tab(page, "Audit")
    page.locator("#audit-verify").click()
    until(lambda: "Whole" in page.locator("#audit-outcome").inner_text(), "the audit chain verifies")
