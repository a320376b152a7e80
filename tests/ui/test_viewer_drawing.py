"""The viewer draws the same with and without a graphics card, keeps little, and forgets what it must."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from viewer_page import open_viewer, settle, show

from tests.chromium import CHROMIUM

pytestmark = pytest.mark.browser
Y, X = np.mgrid[0:1:300j, 0:1:240j]
SMOOTH = ((0.2 + 0.3 * X + 0.4 * Y * (1 - X)) * 65535).astype(np.uint16)
OTHER = ((0.9 - 0.5 * Y) * 255).astype(np.uint8)
# A hill in the middle of the map and nothing around it.
HILL = np.exp(-((np.mgrid[-1:1:64j, -1:1:64j] ** 2).sum(axis=0)) * 8)
HEAT = {
    "faint": False,
    "original": {"probability": 0.9, "side": 64, "data": base64.b64encode((HILL * 255).astype(np.uint8)).decode()},
    "synthetic": {"probability": 0.1, "side": 64, "data": base64.b64encode((HILL * 90).astype(np.uint8)).decode()},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=args)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def both(browser: Any) -> list[Any]:
    """The same pair drawn by the shader and by the loop over pixels."""
    pages = [open_viewer(browser, {"R": (SMOOTH, OTHER)}, renderer) for renderer in ("webgl", "canvas")]
    for page in pages:
        page.evaluate("heat => { window.heat = () => structuredClone(heat); }", HEAT)
        show(page, "R", findings=[{"name": "edema", "text": "Edema"}])
    assert [p.evaluate("document.querySelector('#v').dataset.renderer") for p in pages] == ["WebGL2", "canvas"]
    return pages


def picture(page: Any) -> np.ndarray:
    """The canvas as the reader sees it, without the tags over it: (H, W, 3)."""
    page.add_style_tag(content=".v-stage > :not(canvas) { display: none !important }")
    settle(page)
    shot = page.locator(".v-stage").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).astype(int)


VIEWS = {
    "side": "",
    "slider": "s",
    "swapped": "x ",
    "difference": "d",
    "lung window, inverted": "2i",
    "zoomed": "+++",
    "heat": "h",
    "heat in the slider": "sh",
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_card_and_a_processor_draw_the_same(both: list[Any], view: str) -> None:
    drawn = []
    for page in both:
        page.evaluate("for (const k of ['b', 'z', ...(updp.viewer.heat.on ? ['h'] : [])]) updp.viewer.key(k)")
        for key in VIEWS[view]:
            page.evaluate(f"updp.viewer.key({key!r})")
        if "h" in VIEWS[view]:
            page.wait_for_function("document.querySelector('#v').dataset.heat === 'edema'")
        drawn.append(picture(page))
    far = np.abs(drawn[0] - drawn[1]).max(axis=2)
    assert drawn[0].std() > 10  # there is something to compare
    assert np.mean(far > 4) < 0.02, np.mean(far > 4)  # edges and contours may lie a pixel apart


def test_the_window_maps_the_full_depth(browser: Any) -> None:
    """Two values of 65,536 that differ in the last bits only are two greys once the window is narrow."""
    image = np.full((256, 256), 30000, np.uint16)
    image[:, 128:] = 30040
    page = open_viewer(browser, {"R": (image, None)})
    show(page, "R")
    page.evaluate("updp.viewer.key('5')")
    # Full range, then the narrowest window about these values.
    page.evaluate("Object.assign(updp.viewer.view, { width: 0.002, level: 30020 / 65535 - 0.5 }); updp.viewer.key('l')")
    seen = picture(page)
    middle = seen[seen.shape[0] // 2, :, 0]
    left, right = middle[seen.shape[1] // 2 - 60], middle[seen.shape[1] // 2 + 60]
    assert right - left > 60


def test_memory_is_bounded_and_the_very_next_pair_is_there_before_it_is_asked_for(browser: Any) -> None:
    page = open_viewer(browser, {f"R{n}": (SMOOTH, OTHER) for n in range(9)})
    for n in range(8):
        show(page, f"R{n}", next=[{"record": f"R{n + 1}", "candidate": 1}])
        page.wait_for_function(f"updp.viewer.has({{ record: 'R{n + 1}', candidate: 1 }})")
    asked = page.evaluate("asked.filter(a => a[0] === 'pixels').map(a => a[1].record)")
    assert asked == [f"R{n}" for n in range(9)]  # each once
    assert page.evaluate("updp.viewer.held().pairs") <= 4


def test_who_may_see_less_finds_nothing_of_who_saw_more(browser: Any) -> None:
    page = open_viewer(browser, {"R": (SMOOTH, OTHER)})
    show(page, "R")
    page.evaluate("window.actingAs = 'observer'; window.pixels = () => ({ original: null, synthetic: null })")
    page.evaluate("window.setValue({ record: 'R', candidate: 1, revision: 1, next: [] })")
    page.wait_for_function("asked.length === 2")
    assert page.evaluate("asked[1][1].role") == "observer"


def test_leaving_the_page_drops_every_pair(browser: Any) -> None:
    page = open_viewer(browser, {"R": (SMOOTH, OTHER)})
    show(page, "R")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    assert page.evaluate("updp.viewer.held().pairs") == 0


def test_fingers_pan_and_pinch_and_a_button_lets_one_finger_window(browser: Any) -> None:
    page = open_viewer(browser, {"R": (SMOOTH, OTHER)}, has_touch=True)
    show(page, "R")
    view = "updp.viewer.view"
    move = """([id, type, x, y]) => { const s = document.querySelector('.v-stage'); s.setPointerCapture = () => {};
        s.dispatchEvent(new PointerEvent(type, { pointerId: id, pointerType: 'touch', bubbles: true,
          clientX: s.getBoundingClientRect().left + x, clientY: s.getBoundingClientRect().top + y })); }"""
    page.evaluate(f"{view}.hand = true")
    for step in ([1, "pointerdown", 200, 200], [1, "pointermove", 240, 200], [1, "pointerup", 240, 200]):
        page.evaluate(move, step)
    assert page.evaluate(f"{view}.x") < 0.5 and page.evaluate(f"{view}.width") == 1
    for step in ([1, "pointerdown", 200, 200], [2, "pointerdown", 260, 200], [2, "pointermove", 320, 200]):
        page.evaluate(move, step)
    assert page.evaluate(f"{view}.zoom") == pytest.approx(2)
    for step in ([1, "pointerup", 200, 200], [2, "pointerup", 320, 200]):
        page.evaluate(move, step)
    page.locator("[data-act=hand]").click()
    for step in ([1, "pointerdown", 200, 200], [1, "pointermove", 240, 180], [1, "pointerup", 240, 180]):
        page.evaluate(move, step)
    assert page.evaluate(f"{view}.width") > 1 and page.evaluate(f"{view}.level") > 0
