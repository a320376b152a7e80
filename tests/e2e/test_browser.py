"""The day's work of both roles in a real browser (Debian's Chromium)."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.served import CHROMIUM, CHROMIUM_ARGS, serve, write_models, write_studies
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.workflow import Filters, Workbench

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not CHROMIUM, reason="Debian's chromium is not installed"),
]
STUDIES = 14


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reading-room")


@pytest.fixture(scope="module")
def models(place: Path) -> dict[str, str]:
    return write_models(place / "models")


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
    tab.goto(address)
    tab.set_default_timeout(40_000)
    yield tab
    assert not trouble, trouble


@pytest.fixture(scope="module")
def bench(place: Path) -> Workbench:
    """The same workspace through the core, to hold the page to."""
    return Workbench.open(Settings(home=place / "home"))


OFFICER = Actor("test", "privacy-officer")


def until(true: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"never: {what}")


def shown(page: Any) -> str:
    """The record whose images are on the screen."""
    return until(lambda: page.evaluate("window.updp?.shown?.record ?? ''"), "a pair on the screen")


def press(page: Any, key: str) -> str:
    """Press a key that leads to another pair, and wait for that pair."""
    before = shown(page)
    page.keyboard.press(key)
    return until(lambda: (now := shown(page)) != before and now, f"another pair after {key}")


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
    assert page.locator("#prompt .tok").count() > 0


def test_the_verdict_buttons_need_no_scrolling(page: Any) -> None:
    for width, height in ((1440, 900), (1280, 720)):
        page.set_viewport_size({"width": width, "height": height})
        for name in ("approve", "reject", "regenerate", "undo", "next"):
            box = page.locator(f"#{name}").bounding_box()
            assert box and box["y"] + box["height"] <= height and box["x"] + box["width"] <= width
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.set_viewport_size({"width": 1440, "height": 900})


def test_images_travel_without_an_address_of_their_own_and_leave_nothing_in_the_browser(page: Any) -> None:
    addresses = page.evaluate("performance.getEntriesByType('resource').map(r => r.name)")
    data = [a for a in addresses if "/assets/" not in a and "/static/" not in a]
    assert data and not [a for a in data if shown(page) in a or re.search(r"\.(png|jpe?g|dcm)|file=", a)]
    assert page.evaluate("Object.keys(localStorage).filter(k => k !== 'updp-theme').length") == 0
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


def states_unchanged(page: Any) -> bool:
    return "0 of" in page.locator("#progress").inner_text()


def test_a_draft_of_a_comment_survives_a_reload_and_is_kept_on_the_server(page: Any, bench: Workbench) -> None:
    record = shown(page)
    until(
        lambda: any(
            bench.show(record, actor=Actor(name, "radiologist"))["draft"] for name in {_user(), "local"}
        ),
        "the draft is kept",
    )  # fmt: skip
    page.reload()
    shown(page)
    until(lambda: page.locator("#comment textarea").input_value() == "a sad remark", "the draft is back")
    page.locator("#comment textarea").fill("")
    page.keyboard.press("Escape")


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


def test_ten_approvals_a_rejection_and_an_undo_by_keyboard_alone(page: Any, bench: Workbench) -> None:
    shown(page)
    for _ in range(10):
        press(page, "a")
    assert states(bench)["approved"] == 10
    page.keyboard.press("u")
    until(lambda: states(bench)["approved"] == 9, "the last approval is taken back")
    taken_back = shown(page)
    assert bench.show(taken_back, actor=OFFICER)["state"] == "pending"
    press(page, "a")
    assert states(bench)["approved"] == 10
    page.keyboard.press("r")
    page.locator("#reject-box.open").wait_for()
    rejected = shown(page)
    page.keyboard.press("4")
    until(lambda: states(bench)["rejected"] == 1, "one rejection")
    assert bench.show(rejected, actor=OFFICER)["decisions"][-1]["reasons"] == ["Implausible anatomy"]


def test_two_versions_are_made_and_one_is_picked(page: Any, bench: Workbench) -> None:
    rejected = bench.page(actor=OFFICER, filters=Filters(state="rejected"))["records"][0]["record"]
    record = until(lambda: (now := shown(page)) != rejected and now, "the pair after the rejected one")
    page.keyboard.press("g")
    page.locator("#regen-k").get_by_text("2", exact=True).click()
    page.locator("#regen-now").click()
    until(lambda: page.locator("#contact .card").count() >= 3, "the contact sheet", 60)
    other = page.locator('#contact .card[aria-pressed="false"]').first
    wanted = int(other.get_attribute("data-choose"))
    other.click()
    until(lambda: bench.show(record, actor=OFFICER)["candidate"] == wanted, "the picked version is current")


def test_the_release_holds_the_approved_pairs_alone_and_one_changed_byte_is_found(
    page: Any, bench: Workbench, place: Path
) -> None:
    out = place / "release"
    tab(page, "Release")
    page.locator("#release-folder textarea, #release-folder input").fill(str(out))
    page.locator("#release-go").click()
    said(page, "role radiologist may not")
    act_as(page, "Privacy officer")
    page.locator("#release-go").click()
    until(lambda: "released to" in page.locator("#release-outcome").inner_text(), "a release", 90)
    lines = [json.loads(line) for line in (out / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(lines) == 10 == states(bench)["approved"]
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


def test_signed_out_nobody_gets_data_and_signed_in_a_role_and_a_hold_are_kept_through_the_api_too(
    browser: Any, place: Path
) -> None:
    from updp_core import users

    for name in ("rita", "ravi"):
        users.add(place / "users.json", name, "radiologist", "a long password")
    with serve(
        place / "home2", write_studies(place / "few", 4), UPDP_AUTH=str(place / "users.json"), UPDP_METHOD="dp-pix"
    ) as at:
        context = browser.new_context()
        ask = context.request
        body = {"session_hash": "x", "component_id": 1, "fn_name": "pixels", "data": {"record": "R"}}
        for route in ("config", "gradio_api/info", "gradio_api/queue/data?session_hash=x"):
            assert ask.get(f"{at}/{route}").status == 401, route
        assert ask.get(f"{at}/gradio_api/file=app.py").status == 403
        for route in ("gradio_api/component_server/", "gradio_api/run/predict", "gradio_api/queue/join"):
            assert ask.post(f"{at}/{route}", data=body).status == 401, route
        wrong = {"username": "rita", "password": "wrong"}
        assert ask.post(f"{at}/login", form=wrong).status == 400
        assert ask.post(f"{at}/login", form={**wrong, "password": "a long password"}).ok
        config = ask.get(f"{at}/config")
        assert config.ok and config.headers["cache-control"] == "no-store"
        save = next(
            d for d in config.json()["dependencies"]
            if any(t[1] == "click" and _is(config.json(), t[0], "lex-save") for t in d["targets"])
        )  # fmt: skip
        data = ["privacy-officer", "blacklist", "names", "effusion", "because", 0]
        answer = ask.post(
            f"{at}/gradio_api/run/predict", data={"fn_index": save["id"], "data": data, "session_hash": "x"}
        )
        assert "radiologist may not" in answer.text()
        assert Workbench.open(Settings(home=place / "home2")).lexicon_current(actor=OFFICER)["version"] == 1
        second = browser.new_context()
        assert second.request.post(f"{at}/login", form={"username": "ravi", "password": "a long password"}).ok
        core = Workbench.open(Settings(home=place / "home2"))
        until(lambda: states(core)["pending"] == 4, "four pairs", 120)
        held = []
        for one in (context, second):
            tab_of = one.new_page()
            tab_of.goto(at)
            held.append(shown(tab_of))
        assert held[0] != held[1], "two people got the same pair"
        context.close()
        second.close()


def _is(config: dict[str, Any], component: int, elem_id: str) -> bool:
    return any(c["id"] == component and c["props"].get("elem_id") == elem_id for c in config["components"])
