"""The viewer alone in a real browser: its own HTML, styles and scripts, with images from the test and no app behind."""

from __future__ import annotations

import json
from typing import Any

from ui import ASSETS
from ui.pages.review.viewer import SCRIPTS, pack

PAGE = """<!doctype html><html data-theme="dark"><style>{styles} body {{ margin: 0 }} #v {{ height: 100vh }}</style>
<body><div id="v">{html}</div><script>
window.updp = {{ role: () => window.actingAs ?? "radiologist" }}; window.asked = [];
const watchers = [], props = {{ value: {{ message: "No pair is open." }} }};
window.setValue = (value) => {{ props.value = value; for (const f of watchers) f(); }};
const answer = (name) => async (a) => {{ window.asked.push([name, a]); return window[name](a); }};
(function (element, trigger, props, server, watch) {{ {script} }})(document.getElementById("v"), () => {{}}, props,
  {{ pixels: answer("pixels"), heat: answer("heat") }}, (name, f) => watchers.push(f));
</script></body></html>"""


def open_viewer(browser: Any, pairs: dict[str, tuple[Any, Any]], renderer: str = "canvas", **context: Any) -> Any:
    """A page whose server knows `pairs` (record -> original, synthetic; None: not for this role)."""
    page = browser.new_context(**{"viewport": {"width": 848, "height": 520}, **context}).new_page()
    page.set_default_timeout(120_000)
    read = {name: (ASSETS / name).read_text(encoding="utf-8") for name in ("viewer.html", "viewer.css", "theme.css")}
    script = "".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    html = PAGE.format(styles=read["theme.css"] + read["viewer.css"], html=read["viewer.html"], script=script)
    page.route("**/*", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"http://viewer.test/?renderer={renderer}")
    packed = {
        record: {"original": None if a is None else pack(a), "synthetic": None if b is None else pack(b)}
        for record, (a, b) in pairs.items()
    }
    page.evaluate("pairs => { window.pixels = (a) => pairs[a.record]; }", packed)
    return page


def show(page: Any, record: str, **more: Any) -> None:
    """Open a pair and wait until it is drawn."""
    value = json.dumps({"record": record, "candidate": 1, "revision": 1, "bits": 16, "next": [], **more})
    page.evaluate(f"window.setValue({value})")
    page.wait_for_function(f"window.updp.shown?.record === {json.dumps(record)}")
    settle(page)


def settle(page: Any) -> None:
    """Two frames later everything that was asked for is on the screen."""
    page.evaluate("new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r, 0))))")
