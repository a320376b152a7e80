"""What a reader needs is on the screen without scrolling, in a sane order, and the focus can be seen."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.keyboard import desk, focused, until
from tests.e2e.reading_room import PASSWORD, Room

pytestmark = pytest.mark.browser
VERDICTS = ("comment", "approve", "reject", "regenerate", "flag", "undo", "previous", "next")
SCREENS = ((1440, 900), (1280, 720))
AT = "([point, id]) => !!document.elementFromPoint(...point)?.closest('#' + id)"
LOOK = """() => {
  const look = (e) => { const s = getComputedStyle(e); return [s.outlineStyle, s.outlineWidth, s.boxShadow, s.borderColor].join(" "); };
  const up = []; for (let e = document.activeElement; e && up.length < 4; e = e.parentElement) up.push(e);
  const now = up.map(look), at = document.activeElement, id = at.closest("[id]:not([id^=html-]):not([id^=component-])")?.id ?? "";
  const box = at.getBoundingClientRect();
  at.blur(); const without = up.map(look); at.focus({ preventScroll: true });
  return { id, what: `${at.tagName} ${id} ${at.getAttribute("aria-label") ?? at.textContent.trim().slice(0, 20)}`, body: at === document.body,
    visible: now.join() !== without.join(), onscreen: box.width > 0 && box.right > 0 && box.bottom > 0 && box.left < innerWidth && box.top < innerHeight };
}"""  # noqa: E501


@pytest.fixture(scope="module")
def page(browser: Any, room: Room) -> Iterator[Any]:
    with desk(browser, room.address, "lena", PASSWORD) as tab:
        yield tab


@pytest.mark.parametrize(("width", "height"), SCREENS)
def test_no_scrolling_leads_to_the_verdict_and_nothing_covers_it(page: Any, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    assert page.evaluate(
        "document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth"
    )
    boxes = {name: page.locator(f"#{name}").bounding_box() for name in (*VERDICTS, "viewer", "queue", "reports")}
    for name, box in boxes.items():
        assert box and box["width"] > 40 and box["height"] > 20, name
        assert box["x"] >= 0 and box["x"] + box["width"] <= width, name
        assert box["y"] >= 0 and (name in ("queue", "reports") or box["y"] + box["height"] <= height), name
        middle = [box["x"] + box["width"] / 2, min(box["y"] + box["height"] / 2, height - 5)]
        assert page.evaluate(AT, [middle, name]), f"{name} is covered"
    viewer = boxes["viewer"]
    assert viewer["width"] * viewer["height"] > 0.25 * width * height, "the images have the largest part"


def test_tab_leads_through_the_page_to_the_verdicts_and_the_focus_is_always_seen(page: Any) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.evaluate("document.activeElement?.blur()")
    stops = []
    for _ in range(100):
        page.keyboard.press("Tab")
        stop = page.evaluate(LOOK)
        if stop["body"]:
            break
        stops.append(stop)
    assert not [stop["what"] for stop in stops if not stop["visible"]], "stops where no focus is seen"
    assert not [stop["what"] for stop in stops if not stop["onscreen"]], "stops that are off the screen"
    order = [stop["id"] for stop in stops]
    wanted = ["pages", "f-state", "f-text", "queue", "viewer", "prompt", "below", "reports", "gates", *VERDICTS]
    places = [order.index(name) for name in wanted]
    assert places == sorted(places), list(zip(wanted, places, strict=True))
    assert order[-len(VERDICTS) :] == list(VERDICTS)


def test_shift_tab_from_the_verdict_leads_back_and_a_dialog_keeps_the_focus_and_gives_it_back(page: Any) -> None:
    page.keyboard.press("Shift+Tab")
    until(lambda: focused(page, "#next"), "the last stop from behind")
    page.keyboard.press("?")
    until(lambda: focused(page, "#help-box.open"), "the keys")
    for _ in range(4):
        page.keyboard.press("Tab")
        assert focused(page, "#help-box.open")
    page.keyboard.press("Escape")
    until(lambda: focused(page, "#next"), "the focus is where it was")
