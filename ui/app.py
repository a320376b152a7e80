"""The app: header, pages, and the settings under which Gradio serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui import ASSETS
from ui.background import Background
from ui.door.access import access
from ui.door.serving import guarded
from ui.door.session import ROLE_NAMES, SITTING, Session, told
from ui.door.signin import SignIn
from ui.pages import audit, insight, intake, lexicons, release
from ui.pages.review import layout as review
from ui.shell import ASK, QUICK, Shell
from ui.show import pages as format_pages
from ui.theme import theme
from updp_core.config import Settings

STYLES = ("theme.css", "app.css", "viewer.css", "tablet.css")


WORKSPACE = (
    "images",
    "locks",
    "tmp",
    "releases",
    "copies",
    "users.json",
    "updp.sqlite3",
    "updp.sqlite3-wal",
    "audit.head",
)
DEMO = (
    "Public demonstration: sample studies only, computed from a phantom. The disk is ephemeral; everything is gone at "
    "the next restart. Do not upload patient data."
)


def build_app(session: Session, settings: Settings, background: Background) -> gr.Blocks:
    """All pages in one Blocks."""
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Blocks(title="UPDP", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as app:
        with gr.Row(elem_id="top"):
            gr.HTML('<div class="brand">UPDP</div>', **part)
            status = gr.HTML(elem_id="status", **part)
            role = gr.Dropdown(
                [(label, key) for key, label in ROLE_NAMES.items()],
                value="radiologist", label="Acting as", show_label=False, container=False, elem_id="role",
                min_width=150, scale=0, visible="hidden" if session.signed else True, filterable=False,
            )  # fmt: skip
            who = gr.HTML(elem_id="who", visible=session.signed, **part)
            leave = gr.Button("Sign out", elem_id="signout", size="sm", min_width=0, scale=0, visible=session.signed)
            dark = gr.Button("◐", elem_id="theme", size="sm", min_width=0, scale=0)
            keys = gr.Button("?", elem_id="help", size="sm", min_width=0, scale=0)
        message = gr.HTML(elem_id="say", **part)
        gr.HTML(f'<div class="banner" role="note">▲ {DEMO}</div>' if settings.demo else "", elem_id="banner", **part)
        shell = Shell(session, role, message)
        with gr.Tabs(elem_id="pages"):
            with gr.Tab("Review", id="review") as on_review:
                reading = review.build(shell)
            with gr.Tab("Lexicons", id="lexicons") as on_lexicons:
                lists = lexicons.build(shell, background)
            with gr.Tab("Import & run", id="intake") as on_intake:
                running = intake.build(shell, background, settings, role)
            with gr.Tab("Release", id="release") as on_release:
                leaving = release.build(shell, settings)
            with gr.Tab("Audit", id="audit") as on_audit:
                trail = audit.build(shell)
            with gr.Tab("Insight", id="insight") as on_insight:
                charts = insight.build(shell)
        with gr.Column(elem_id="help-box", elem_classes=["sheet"]):
            gr.HTML((ASSETS / "help.html").read_text(encoding="utf-8"), **part)
            gr.Button("Close", elem_classes=["sheet-close"])
        dark.click(None, js="() => updp.theme()")
        keys.click(None, js="() => updp.open('help-box')")
        leave.click(None, js="() => updp.leave()")

        guard, view = told(shell.say), reading.filters.view
        for event in (app.load, role.change):
            event(guard(reading.start), [role, view], reading.starters, **QUICK)
            event(guard(running.allowed), [role], [running.hint, *running.buttons, message], **QUICK)
        role.change(guard(lists.allowed), [role], [*lists.permitted, message], **QUICK)  # edits in hand stay
        role.change(guard(leaving.refresh), [role], [*leaving.shown, message], **QUICK)
        role.change(guard(trail.first), trail.inputs, [*trail.shown, message], **QUICK)
        on_lexicons.select(guard(lists.start), lists.inputs, lists.everything, **QUICK)
        on_intake.select(guard(running.refresh), [role], [*running.shown, message], **QUICK)
        on_release.select(guard(leaving.refresh), [role], [*leaving.shown, message], **QUICK)
        on_audit.select(guard(trail.first), trail.inputs, [*trail.shown, message], **QUICK)
        on_insight.select(guard(charts.look), [role], charts.shown, **QUICK)
        on_review.select(guard(reading.refresh), [reading.asked, role, view], reading.every, js=ASK, **QUICK)

        # The background's sentence every two seconds; the pages it touches only when it has done something.
        seen = gr.State("")

        def tick(asked: str, role: str, view: dict[str, Any], seen_now: str, request: gr.Request) -> dict[Any, Any]:
            actor = session.actor(request, role)
            now = f"{background.status}{session.workbench.counts(actor=actor)['states']}{role}"
            if now == seen_now:
                return {seen: now}
            shown = {seen: now, status: format_pages.status(background.status)}
            return {**shown, **running.refresh(role, request), **reading.tick(asked, role, view, request)}

        gr.Timer(2).tick(
            guard(tick),
            [reading.asked, role, view, seen],
            [seen, status, *running.shown, *reading.every],
            js=ASK,
            **QUICK,
        )

        def signed_in(request: gr.Request) -> str:
            return format_pages.person(session.actor(request))

        if session.signed:
            app.load(signed_in, None, [who], **QUICK)
    return app


def head() -> str:
    """Styles and the shortcut script, inline: nothing is fetched from anywhere."""
    styles = "".join((ASSETS / name).read_text(encoding="utf-8") for name in STYLES)
    script = (ASSETS / "keys.js").read_text(encoding="utf-8")
    return f"<style>{styles}</style><script>{script}</script>"


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
        "app_kwargs": guarded(session, allowed, sign_in),
    }


def _person(request: Any) -> str | None:
    """Whom `Guard` has found behind a request: what Gradio then calls its username."""
    sitting = request.scope.get(SITTING)
    return sitting.name if sitting else None
