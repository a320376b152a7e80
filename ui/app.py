"""The app: header, pages, and the settings under which Gradio serves them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ui import review
from ui.session import ROLE_NAMES, Session
from ui.shell import QUICK, Shell
from ui.theme import theme
from updp_core.config import Settings

ASSETS = Path(__file__).parent / "assets"


def build_app(session: Session, settings: Settings) -> gr.Blocks:
    """All pages in one Blocks."""
    with gr.Blocks(title="UPDP", analytics_enabled=False, fill_width=True, delete_cache=(3600, 3600)) as app:
        with gr.Row(elem_id="top"):
            gr.HTML('<div class="brand" aria-label="UPDP">UPDP</div>', apply_default_css=False)
            message = gr.HTML(elem_id="say", apply_default_css=False, js_on_load=None)
            role = gr.Dropdown(
                [(label, key) for key, label in ROLE_NAMES.items()],
                value="radiologist", label="Acting as", show_label=False, container=False, elem_id="role",
                min_width=150, scale=0, visible="hidden" if session.signed else True, filterable=False,
            )  # fmt: skip
            dark = gr.Button("◐", elem_id="theme", size="sm", min_width=0, scale=0)
            keys = gr.Button("?", elem_id="help", size="sm", min_width=0, scale=0)
        shell = Shell(session, role, message)
        with gr.Tabs(elem_id="pages"):
            with gr.Tab("Review", id="review"):
                page = review.build(shell)
        with gr.Column(elem_id="help-box", elem_classes=["sheet"]):
            gr.HTML((ASSETS / "help.html").read_text(encoding="utf-8"), apply_default_css=False, js_on_load=None)
            gr.Button("Close", elem_classes=["sheet-close"])
        dark.click(None, js="() => updp.theme()")
        keys.click(None, js="() => updp.open('help-box')")
        app.load(page.start, [role, page.filters.view], page.starters, **QUICK)
    return app


def head() -> str:
    """Styles and the shortcut script, inline: nothing is fetched from anywhere."""
    styles = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("theme.css", "app.css", "viewer.css"))
    script = (ASSETS / "keys.js").read_text(encoding="utf-8")
    return f"<style>{styles}</style><script>{script}</script>"


def launch_options(session: Session, settings: Settings) -> dict[str, Any]:
    """Gradio's settings: no telemetry, no shared link, no history in the browser, no file of the workspace served."""
    from ui.serving import guarded

    home = settings.home.resolve()
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
        "blocked_paths": [str(home), str(Path(__file__).resolve().parents[1] / "data")],
        "allowed_paths": [],
        "show_error": False,
        "quiet": True,
        "pwa": False,
        "ssr_mode": False,
        "mcp_server": False,
        "strict_cors": True,
        "auth": session.sign_in if session.signed else None,
        "auth_message": "Sign in to review. Failed attempts are recorded." if session.signed else None,
        "app_kwargs": guarded(session),
    }
