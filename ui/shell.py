"""What every page shares: the session, the role switch, the message line, and how an event is wired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.door.session import Session
from ui.show import review as show
from updp_core.domain import Actor
from updp_core.workbench import Workbench

QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""An event that answers at once, past the queue of model work."""
LONG: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "model"}
"""An event that may take minutes; one at a time."""
ASK = "(shown, ...rest) => [JSON.stringify(window.updp?.ask?.() ?? null), ...rest]"
"""Fills an event's first input with what is on the reader's screen at that moment."""


def typed_js(fields: str) -> str:
    """For a gr.HTML's js_on_load: triggers "typed" when what stands in `fields` (a selector) has changed.

    Gradio's own `input` tells of key presses only; pasting and deleting change a field too. What is typed is told after
    a short pause, and at once when the field is left: before another pair or list takes its place.
    """
    return f"""
let waiting = 0;
const typed = () => {{ clearTimeout(waiting); waiting = 0; trigger("typed", {{}}); }};
const ours = (e) => e.target.closest?.("{fields}");
const later = () => {{ clearTimeout(waiting); waiting = setTimeout(typed, 500); }};
document.addEventListener("input", (e) => {{ if (ours(e)) later(); }});
document.addEventListener("focusout", (e) => {{ if (ours(e) && waiting) typed(); }});
"""


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
