"""Signing in and out in a real browser: what it keeps, and what becomes of a page whose sign-in has ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import CHROMIUM
from tests.e2e.served import CHROMIUM_ARGS
from tests.ui.served_here import PASSWORD, served, workspace
from tests.unit.workbench_kit import ADMIN
from updp_core.config import Settings
from updp_core.workbench import Workbench

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return workspace(tmp_path_factory.mktemp("signin-browser") / "home")


@pytest.fixture(scope="module")
def at(home: Path) -> Iterator[str]:
    with served(home, auth=str(home / "users.json")) as address:
        yield address


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    """A browser with a profile on disk, as a person's own is."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, args=CHROMIUM_ARGS, viewport={"width": 1280, "height": 720}
        )
        opened.set_default_timeout(120_000)
        yield opened
        opened.close()


def until(true: Callable[[], Any], what: str, seconds: float = 180) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := true():
            return answer
        time.sleep(0.2)
    raise AssertionError(f"never: {what}")


def sign_in(page: Any, at: str, name: str = "rita") -> str:
    """Through the form; the record on the screen then."""
    page.goto(at)
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    return until(lambda: page.evaluate("window.updp?.shown?.record ?? ''"), "a pair on the screen")


def signed_out(page: Any) -> None:
    page.get_by_role("button", name="Sign in").wait_for()
    assert "pleural" not in page.content() and "updp-viewer" not in page.content()


def test_after_signing_out_the_browser_keeps_nothing_of_the_pair(browser: Any, at: str, tmp_path: Path) -> None:
    page = browser.pages[0]
    record = sign_in(page, at)
    assert record not in page.url and len(page.url.rstrip("/")) == len(at)
    page.get_by_role("button", name="Sign out").click()
    signed_out(page)
    left = page.evaluate(
        """async () => ({
          local: Object.keys(localStorage), session: Object.keys(sessionStorage), cookies: document.cookie,
          caches: await caches.keys(), databases: (await indexedDB.databases()).map((d) => d.name),
        })"""
    )
    assert set(left.pop("local")) <= {"updp-theme", "updp-tour"}
    assert not any(left.values()), left
    page.go_back()
    assert record not in page.content() and "pleural" not in page.content()
    assert not [cookie for cookie in browser.cookies() if cookie["name"].startswith("updp")]
    browser.close()
    kept = b"\n".join(path.read_bytes() for path in (tmp_path / "profile").rglob("*") if path.is_file())
    assert b"/assets/" in kept, "the program's own files are kept, so this looks in the right place"
    for trace in (record, "gradio_api/run", "component_server", "/config", "pleural effusion"):
        assert trace.encode() not in kept and trace.encode("utf-16-le") not in kept, trace


def test_a_page_goes_blank_when_its_sign_in_ends_elsewhere(browser: Any, home: Path, at: str) -> None:
    first, second = browser.pages[0], browser.new_page()
    sign_in(first, at)
    second.goto(at)
    until(lambda: second.evaluate("window.updp?.shown?.record ?? ''"), "the same person in another tab")
    second.get_by_role("button", name="Sign out").click()
    signed_out(second)
    signed_out(first)
    sign_in(first, at)
    bench = Workbench.open(Settings(home=home, auth=str(home / "users.json")))
    bench.add_user("rita", "radiologist", PASSWORD + "!", actor=ADMIN)
    signed_out(first)
    assert "has ended" in first.content()
    bench.add_user("rita", "radiologist", PASSWORD, actor=ADMIN)
    bench.close()


def test_a_wrong_password_is_told_beside_the_form(browser: Any, at: str) -> None:
    page = browser.pages[0]
    page.goto(at)
    page.get_by_label("Name").fill("rita")
    page.get_by_label("Password").fill("not this one")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    assert "not right" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("Password").input_value() == ""
