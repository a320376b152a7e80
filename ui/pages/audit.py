"""Audit: every event, newest first, and the check of the chain."""

from __future__ import annotations

import gradio as gr

from ui import show
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.show import work
from updp_core.domain import Actor
from updp_core.errors import UpdpError

PAGE = 50
TURN_JS = """
element.addEventListener("click", (e) => {
  const turn = e.target.closest("[data-turn]");
  if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
"""


class Audit(Page):
    """The trail of events, narrowed by verb and person."""

    title, key = "Audit", "audit"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Column(elem_classes=["page", "pane", "wide"]):
            with gr.Row(elem_classes=["buttons"]):
                shell.part(show.render("heading.html", text="Audit trail"))
                verb = gr.Textbox(
                    label="What was done", placeholder="decide, lexicon_edit, …", elem_id="audit-verb", max_lines=1
                )
                who = gr.Textbox(label="By whom", elem_id="audit-who", max_lines=1)
                check = gr.Button("Verify the chain", elem_id="audit-verify", min_width=0)
            self.checked = shell.part(elem_id="audit-outcome")
            self.events = shell.part(elem_id="audit-events", js=TURN_JS)
            self.offset = gr.State(0)
        self.inputs, self.shown = [verb, who], [self.events, self.offset]
        for field in (verb, who):
            shell.on(field.submit, self.look, [shell.screen, *self.inputs], self.shown)
        shell.on(self.events.turn, self.turn, [*self.inputs, self.offset], self.shown, tells=["by"])
        shell.on(check.click, self.verify, [], [self.checked])

    def look(self, actor: Actor, screen: Screen, verb: str, who: str) -> Updates:
        return self._page(actor, verb, who, 0)

    def turn(self, actor: Actor, by: int, verb: str, who: str, offset: int) -> Updates:
        """One page on or back."""
        return self._page(actor, verb, who, max(0, offset + PAGE * int(by)))

    def _page(self, actor: Actor, verb: str, who: str, offset: int) -> Updates:
        verb, who = (verb or "").strip(), (who or "").strip()
        try:
            page = self.bench.audit(actor=actor, offset=offset, limit=PAGE, verb=verb or None, who=who or None)
        except UpdpError as error:
            return {self.events: show.empty("Not shown to your role.", str(error)), self.offset: 0}
        return {self.events: work.events(page), self.offset: page["offset"]}

    def verify(self, actor: Actor) -> Updates:
        """Check the chain of events from its beginning."""
        return {self.checked: show.render("audit/checked.html", report=self.bench.audit_verify(actor=actor))}
