"""What every page shares: the session, the role switch, the message line, and how an event is wired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import format as show
from ui.session import Session
from updp_core.domain import Actor
from updp_core.workflow import Workbench

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""An event that answers at once, past the queue of model work."""
LONG: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "model"}
"""An event that may take minutes; one at a time."""
ASK = "(shown, ...rest) => [JSON.stringify(window.updp?.ask?.() ?? null), ...rest]"
"""Fills an event's first input with what is on the reader's screen at that moment."""


@dataclass(frozen=True)
class Shell:
    """Handed to each page's `build`."""

    session: Session
    role: gr.components.Component
    message: gr.HTML

    @property
    def workbench(self) -> Workbench:
        return self.session.workbench

    def actor(self, request: gr.Request, role: str) -> Actor:
        return self.session.actor(request, role)

    def say(self, text: str, kind: str = "ok") -> dict[Any, Any]:
        """An update of the message line alone."""
        return {self.message: show.message(text, kind)}
