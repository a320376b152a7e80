"""`python -m tests.e2e.screenshots [FOLDER] [WIDTHxHEIGHT ...]` takes the pictures of docs/screenshots again.

The app runs on the sample studies with the shipped models, as `make app` starts it; three pairs are approved first, so
that the officer's pages show something. With sizes, each is taken dark and light and its name says it: for looking.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from benchmarks._served import ROOT, serve
from tests.chromium import CHROMIUM
from tests.e2e.keyboard import shown, until
from tests.e2e.served import CHROMIUM_ARGS

FOLDER = ROOT / "docs" / "screenshots"
SIZE = (1440, 900)
COLOURS = 256
"""Of each picture: enough for radiographs in grey and the few colours of the page, at half of the size."""
OFFICER = {"lexicons": "Lexicons", "release": "Release", "audit": "Audit", "insight": "Insight", "run": "Import & run"}


def keep(page: Page, place: Path) -> None:
    """The window as a small PNG."""
    page.wait_for_timeout(700)  # what fades in has faded in
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    image.save(place, optimize=True)


def walk(page: Page) -> Iterator[str]:
    """Go through the pages; the name of what is on the screen now."""
    shown(page)
    yield "review"
    page.keyboard.press("h")
    page.wait_for_timeout(2500)
    yield "heat"
    page.keyboard.press("h")
    page.keyboard.press("x" if page.viewport_size and page.viewport_size["width"] > 1000 else "b")
    page.keyboard.press("d")
    yield "difference"
    page.keyboard.press("b")
    page.keyboard.press("?")
    yield "keys"
    page.keyboard.press("Escape")
    act_as(page, "Privacy officer")
    for name, title in OFFICER.items():
        tab = page.get_by_role("tab", name=title, exact=True)
        if not tab.is_visible():
            page.locator(".overflow-menu button").first.click()
        page.get_by_role("tab", name=title, exact=True).or_(page.get_by_role("button", name=title, exact=True)).locator(
            "visible=true"
        ).first.click()
        page.wait_for_timeout(2500)
        yield name


def act_as(page: Page, role: str) -> None:
    page.locator("#role input").click()
    page.get_by_role("option", name=role, exact=True).click()
    until(lambda: page.locator("#role input").input_value() == role, role)


def approve_some(page: Page, number: int) -> None:
    """The verdicts of a short morning."""
    for _ in range(number):
        record = shown(page)
        page.locator("#head h2", has_text=record).wait_for()
        page.keyboard.press("a")
        page.wait_for_timeout(400)
        if page.locator("#approve-box.open").count():
            page.keyboard.press("1")
        until(lambda record=record: shown(page) != record, "the next pair")  # type: ignore[misc]


def main(folder: Path = FOLDER, sizes: tuple[tuple[int, int], ...] = ()) -> None:
    """Take them all."""
    with tempfile.TemporaryDirectory() as home, serve(Path(home)) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM or None, args=CHROMIUM_ARGS)
        for number, (size, theme) in enumerate(
            (size, theme) for size in sizes or (SIZE,) for theme in ("dark", "light")
        ):
            page = opened(browser, address, size, theme)
            if not number:
                approve_some(page, 3)
            for name in walk(page):
                said = f"{name}-{theme}" + (f"-{size[0]}" if sizes else "")
                keep(page, folder / f"{said}.png")
            page.context.close()
        browser.close()


def opened(browser: Any, address: str, size: tuple[int, int], theme: str) -> Page:
    """A browser that has seen the tour, with a pair on the screen."""
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_init_script(
        f"try {{ localStorage.setItem('updp-tour', 'seen'); localStorage.setItem('updp-theme', '{theme}') }} catch {{}}"
    )
    page: Page = context.new_page()
    page.set_default_timeout(120_000)
    page.goto(address)
    shown(page)
    return page


if __name__ == "__main__":
    places = [one for one in sys.argv[1:] if "x" not in one or "/" in one]
    windows = [one for one in sys.argv[1:] if one not in places]
    asked = [(int(w), int(h)) for w, h in (one.split("x") for one in windows)]
    main(Path(places[0]) if places else FOLDER, tuple(asked))
