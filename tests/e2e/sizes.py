"""The windows at which people work, and what it is to have something within reach there."""

from __future__ import annotations

from typing import Any

SIZES = ((1440, 900), (1024, 768), (390, 844))
IN_VIEW = """(e) => {
  e.scrollIntoView({ block: "center" });
  const r = e.getBoundingClientRect(), at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
  return r.left >= 0 && r.right <= innerWidth + 1 && r.top >= 0 && r.bottom <= innerHeight + 1 && (e === at || e.contains(at) || at?.contains(e));
}"""  # noqa: E501
"""Of an element: whether it lies whole in the window, once scrolled to, and nothing covers it."""


def resize(page: Any, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.wait_for_timeout(200)


def turn_to(page: Any, title: str) -> None:
    """Open a page by its tab, or by the menu that holds the tabs for which a narrow window has no room."""
    tab = page.get_by_role("tab", name=title, exact=True)
    if not tab.locator("visible=true").count():
        page.locator(".overflow-menu button").first.click()
    tab.or_(page.get_by_role("button", name=title, exact=True)).locator("visible=true").first.click()


def within_reach(page: Any, what: str) -> None:
    """Every visible one of these can be seen and clicked, and nothing sticks out sideways."""
    found = page.locator(f"{what}:visible")
    assert found.count(), what
    for n in range(found.count()):
        assert found.nth(n).evaluate(IN_VIEW), f"{what} {n} at {page.viewport_size}"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"sideways at {page.viewport_size}"
