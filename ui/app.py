"""The app: header, pages, and the settings under which Gradio serves them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import ASSETS, show
from ui.background import Background
from ui.door.access import access
from ui.door.serving import guarded
from ui.door.session import SITTING, Session
from ui.door.signin import SignIn
from ui.door.uploads import Uploads
from ui.pages import PAGES
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.theme import theme
from updp_core.config import Settings
from updp_core.domain import Actor

STYLES = ("theme.css", "app.css", "viewer.css", "tablet.css", "reading.css", "release.css", "story.css", "tour.css")
SCRIPTS = ("keys.js", "tour.js")
WORKSPACE = (
    "images",
    "locks",
    "tmp",
    "releases",
    "copies",
    "imports",
    "users.json",
    "updp.sqlite3",
    "updp.sqlite3-wal",
    "audit.head",
    "secret.key",
    "signing.key",
    "trusted-keys.json",
    "gates.rules",
)


def build_app(session: Session, settings: Settings, background: Background) -> gr.Blocks:
    """All pages in one Blocks."""
    with gr.Blocks(title="UPDP", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as app:
        shell = Shell(session, settings, background)
        status, who = _header(shell)
        made: list[tuple[gr.Tab, Page]] = []
        with gr.Tabs(elem_id="pages"):
            for page in PAGES:
                if page.demo_only and not settings.demo:
                    continue
                with gr.Tab(page.title, id=page.key) as tab:
                    made.append((tab, page(shell)))
        with gr.Column(elem_id="help-box", elem_classes=["sheet"]):
            shell.part((ASSETS / "help.html").read_text(encoding="utf-8"))
            gr.Button("Close", elem_classes=["sheet-close"])
        for tab, one in made:
            inputs, changed = [shell.screen, *one.inputs], one.on_role or one.look
            shell.on(tab.select, one.look, inputs, one.shown)
            shell.on(shell.role.change, changed, inputs, one.shown)
            if one.at_once:
                shell.on(app.load, changed, inputs, one.shown, quiet=True)
        if session.signed:
            shell.on(app.load, lambda actor: {who: show.render("person.html", actor=actor)}, [], [who], quiet=True)
        _clock(shell, status, [one for _, one in made])
    return app


def _header(shell: Shell) -> tuple[gr.HTML, gr.HTML]:
    """What stands above the pages. Returns the places of the background's sentence and of the person's name."""
    signed = shell.session.signed
    with gr.Row(elem_id="top"):
        shell.part(show.render("brand.html"))
        status = shell.part(elem_id="status", live=True)
        shell.role.render()
        who = shell.part(elem_id="who", visible=signed)
        leave = gr.Button("Sign out", elem_id="signout", size="sm", min_width=0, scale=0, visible=signed)
        dark = gr.Button("◐", elem_id="theme", size="sm", min_width=0, scale=0)
        keys = gr.Button("?", elem_id="help", size="sm", min_width=0, scale=0)
    shell.message.render()
    shell.gift.render()
    shell.screen.render()
    shell.part(show.render("tour.html"), elem_id="tour")
    shell.part(show.render("banner.html") if shell.settings.demo else "", elem_id="banner")
    leave.click(None, js="() => updp.leave()")
    dark.click(None, js="() => updp.theme()")
    keys.click(None, js="() => updp.open('help-box')")
    return status, who


def _clock(shell: Shell, status: gr.HTML, pages: Sequence[Page]) -> None:
    """Every two seconds: nothing while nothing happens; else the parts of the pages that stand otherwise on the
    reader's screen than they would now."""
    seen = gr.State("")
    pages = [page for page in pages if page.tick]
    numbers = [len(page.inputs) for page in pages]

    def tick(actor: Actor, screen: Screen, seen_now: str, *values: Any) -> Updates:
        counts = {k: v for k, v in shell.workbench.counts(actor=actor).items() if k != "minutes_left"}
        now = f"{shell.background.status}{counts}{actor}"
        if now == seen_now:
            return {}
        updates: Updates = {status: show.render("status.html", now={"stage": "", **shell.background.status})}
        for page, number in zip(pages, numbers, strict=True):
            mine, values = values[:number], values[number:]
            updates |= page.tick(actor, screen, *mine) if page.tick else {}
        return {seen: now, **shell.fresh(updates, screen)}

    inputs = [shell.screen, seen, *(part for page in pages for part in page.inputs)]
    outputs = [seen, status, *(part for page in pages for part in page.shown)]
    shell.on(gr.Timer(2).tick, tick, inputs, outputs, quiet=True)


def head() -> str:
    """Styles and scripts, inline: nothing is fetched from anywhere."""
    styles = "".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES)
    script = "".join((ASSETS / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return show.render("head.html", styles=Markup(styles), script=Markup(script))


def launch_options(session: Session, settings: Settings) -> dict[str, Any]:
    """Gradio's settings: no telemetry, no shared link, no history in the browser, no file of the workspace served."""
    home = settings.home.resolve()
    allowed = access(settings)
    sign_in = SignIn(session, settings, allowed) if session.signed else None
    return {
        "server_name": settings.host,
        "server_port": settings.port,
        "theme": theme(),
        "head": head(),
        "footer_links": [],
        "run_history": False,
        "share": False,
        "enable_monitoring": False,
        "max_file_size": "2gb",
        # All of the workspace but the folder of uploads, which Gradio itself must read; `Guard` serves none of it.
        "blocked_paths": [*(str(home / name) for name in WORKSPACE), str(Path(__file__).resolve().parents[1] / "data")],
        "allowed_paths": [],
        "show_error": False,
        "quiet": True,
        "pwa": False,
        "ssr_mode": False,
        "mcp_server": False,
        "strict_cors": True,
        "num_workers": 0,  # workers of Gradio's would serve files past `Guard`
        "auth_dependency": _person if session.signed else None,
        "state_session_capacity": settings.sessions,
        "app_kwargs": guarded(session, allowed, sign_in, Uploads(session, settings.demo), settings.metrics_token),
    }


def _person(request: Any) -> str | None:
    """Whom `Guard` has found behind a request: what Gradio then calls its username."""
    sitting = request.scope.get(SITTING)
    return sitting.name if sitting else None
