"""What the browser tests share: a browser, one set of tiny models, and the reading room with 500 pairs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import CHROMIUM
from tests.e2e.reading_room import PAIRS, Room, fill, open_room, write_archive
from tests.e2e.served import CHROMIUM_ARGS, write_models


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One a file: Playwright runs one loop a thread, and other files may start it in their own way."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGS)
        begun = opened.new_context

        def experienced(**options: Any) -> Any:
            """A browser in which the tour was seen: `tour=True` for one in which it was not."""
            tour = options.pop("tour", False)
            context = begun(**options)
            if not tour:
                context.add_init_script("try { localStorage.setItem('updp-tour', 'seen') } catch {}")
            return context

        opened.new_context = experienced
        opened.new_page = lambda **options: experienced(**options).new_page()
        yield opened
        opened.close()


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return write_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="package")
def store(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Path:
    """The folder with a store of 500 pairs, as it is in the morning: copy it, do not change it."""
    place = tmp_path_factory.mktemp("store")
    fill(place / "home", write_archive(place / "archive", PAIRS), models).close()
    return place / "home"


@pytest.fixture(scope="package")
def room(store: Path, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    """The app on a copy of that store, with sign-in."""
    with open_room(store, tmp_path_factory.mktemp("room"), models) as opened:
        yield opened
