"""A page on a real workspace without a browser: the shell that the app would hand it, in a role of one's choice."""

from __future__ import annotations

import gradio as gr

from ui.background import Background
from ui.door.session import Session
from ui.shell import Shell
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.workbench import Workbench


def shell_on(bench: Workbench, **settings: object) -> Shell:
    """Inside a gr.Blocks."""
    chosen = Settings.from_env({}, home=bench.desk.settings.home, **settings)
    shell = Shell(Session(bench, signed=False), chosen, Background(bench, None))
    for part in (shell.role, shell.message, shell.screen):
        part.render()
    return shell


def acting(shell: Shell, role: str) -> Actor:
    """The person at this desk in a role."""
    return shell.actor(gr.Request(), role)
