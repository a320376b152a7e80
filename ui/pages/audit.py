"""Audit: every event, newest first, and the check of the chain."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui.door.session import told
from ui.shell import QUICK, Shell
from ui.show import pages as show
from ui.show import review as base
from updp_core.errors import UpdpError

PAGE = 50
TURN_JS = """
element.addEventListener("click", (e) => {
  const turn = e.target.closest("[data-turn]");
  if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
"""


class Audit:
    """The page's handlers."""

    events: Any
    offset: Any
    checked: Any
    inputs: Any
    shown: Any

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def look(self, role: str, verb: str, who: str, offset: int, request: gr.Request) -> dict[Any, Any]:
        try:
            page = self.shell.workbench.audit(
                actor=self.shell.actor(request, role), offset=offset, limit=PAGE, verb=(verb or "").strip() or None,
                who=(who or "").strip() or None,
            )  # fmt: skip
        except UpdpError as error:
            return {self.events: base.empty("Not shown to your role.", str(error)), self.offset: 0}
        return {self.events: show.audit(page), self.offset: page["offset"]}

    def first(self, role: str, verb: str, who: str, request: gr.Request) -> dict[Any, Any]:
        return self.look(role, verb, who, 0, request)

    def turn(
        self, role: str, verb: str, who: str, offset: int, event: gr.EventData, request: gr.Request
    ) -> dict[Any, Any]:
        return self.look(role, verb, who, max(0, offset + PAGE * int(event._data["by"])), request)

    def verify(self, role: str, request: gr.Request) -> dict[Any, Any]:
        answer = self.shell.workbench.audit_verify(actor=self.shell.actor(request, role))
        tail = f'<p class="muted">{answer["events"]} events · head {base.esc(answer["head"][:16])}</p>'
        return {self.checked: show.verified(answer) + tail}


def build(shell: Shell) -> Audit:
    """The page."""
    page, guard, role = Audit(shell), told(shell.say), shell.role
    part: dict[str, Any] = {"apply_default_css": False, "js_on_load": None}
    with gr.Column(elem_classes=["page", "pane", "wide"]):
        with gr.Row(elem_classes=["buttons"]):
            gr.HTML("<h2>Audit trail</h2>", **part)
            verb = gr.Textbox(
                label="What was done", placeholder="decide, lexicon_edit, …", elem_id="audit-verb", max_lines=1
            )
            who = gr.Textbox(label="By whom", elem_id="audit-who", max_lines=1)
            check = gr.Button("Verify the chain", elem_id="audit-verify", min_width=0)
        page.checked = gr.HTML(elem_id="audit-outcome", **part)
        page.events = gr.HTML(elem_id="audit-events", apply_default_css=False, js_on_load=TURN_JS)
        page.offset = gr.State(0)
    shown = [page.events, page.offset]
    for field in (verb, who):
        field.submit(guard(page.first), [role, verb, who], [*shown, shell.message], **QUICK)
    page.events.turn(guard(page.turn), [role, verb, who, page.offset], [*shown, shell.message], **QUICK)
    check.click(guard(page.verify), [role], [page.checked, shell.message], **QUICK)
    page.inputs, page.shown = [role, verb, who], shown
    return page
