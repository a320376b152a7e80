"""A reader with a keyboard and no mouse: press, type, go to a control by Tab, and see what is on the screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE = 120.0
"""Seconds to wait for what must come; a busy machine is slow, and a passing test never waits so long."""


def until(true: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The first true answer; AssertionError with `what` where none comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.05)
    raise AssertionError(f"never: {what}")


def shown(page: Any) -> str:
    """The record whose images are on the screen."""
    return until(lambda: page.evaluate("window.updp?.shown?.record ?? ''"), "a pair on the screen")


def press(page: Any, key: str) -> str:
    """Press a key that leads to another pair, and wait for that pair."""
    before = shown(page)
    page.keyboard.press(key)
    return until(lambda: (now := shown(page)) != before and now, f"another pair after {key}")


def focused(page: Any, selector: str) -> bool:
    """Whether the focus is on, or inside, what the selector names."""
    return page.evaluate("(s) => !!document.activeElement?.closest(s)", selector)


def reach(page: Any, selector: str, key: str = "Tab", most: int = 80) -> int:
    """Press Tab (or another key) until the focus is on what the selector names; how many presses it took."""
    for presses in range(most + 1):
        if focused(page, selector):
            return presses
        page.keyboard.press(key)
    raise AssertionError(f"{most} times {key} do not lead to {selector}")


def write(page: Any, text: str) -> None:
    """Replace what stands in the field that has the focus."""
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def go_to(page: Any, letter: str, name: str) -> None:
    """O and a letter open a page."""
    page.keyboard.press("o")
    page.keyboard.press(letter)
    selected = '[role=tab][aria-selected="true"]'
    until(lambda: name in page.locator(selected).all_inner_texts(), f"the page {name}")


def said(page: Any, text: str) -> str:
    """The page's message line, once it holds `text`."""
    return until(lambda: text in (line := page.locator("#say").inner_text()) and line, f"the message “{text}”")


def sign_in(page: Any, address: str, name: str, password: str) -> None:
    """Open the app and sign in at its first page."""
    page.set_default_timeout(1000 * PATIENCE)
    page.goto(address)
    page.locator("input[type=password]").wait_for()
    reach(page, "input:not([type=password])")
    page.keyboard.type(name)
    reach(page, "input[type=password]")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.locator("#desk").wait_for()


@contextmanager
def desk(browser: Any, address: str, name: str, password: str) -> Iterator[Any]:
    """A browser of this person's own, signed in, with a pair on the screen; no script of the page may fail."""
    opened = browser.new_context(viewport={"width": 1440, "height": 900})
    page = opened.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    sign_in(page, address, name, password)
    shown(page)
    yield page
    opened.close()
    assert not trouble, trouble
