"""Audit: every event, newest first, the check of the chain, and what is no longer kept."""

from __future__ import annotations

from collections.abc import Iterator

import gradio as gr

from ui import show
from ui.pages.page import Page
from ui.shell import STREAM, Screen, Shell, Updates
from ui.show import work
from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import may

PAGE = 50
CONFIRM_JS = """
(role, days, ...rest) => {
  const sure = window.confirm("Destroy originals, reports and headers of these records? They cannot be brought back.");
  return [role, sure ? days : -1, ...rest];
}
"""
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
            with gr.Accordion("Retention: destroy what is no longer needed", open=False, elem_id="purge"):
                shell.part(show.render("audit/retention.html"))
                days = gr.Number(
                    365, label="Rejected or released more than so many days ago", precision=0, elem_id="purge-days"
                )
                with gr.Row(elem_classes=["buttons"]):
                    self.see = gr.Button("Show what would go", elem_id="purge-look", min_width=0)
                    self.go = gr.Button(
                        "Destroy it", variant="stop", interactive=False, elem_id="purge-go", min_width=0
                    )
                self.gone = shell.part(elem_id="purge-outcome")
                self.foreseen = gr.State(None)
        self.inputs, self.shown = [verb, who], [self.events, self.offset, self.see, self.go, self.gone, self.foreseen]
        outcome = [self.go, self.gone, self.foreseen]
        shell.on(self.see.click, self.foresee, [days], outcome)
        shell.on(self.go.click, self.destroy, [days, self.foreseen], outcome, how=STREAM, js=CONFIRM_JS)
        shell.on(days.change, self.reconsider, [], outcome, quiet=True)
        for field in (verb, who):
            shell.on(field.submit, self.look, [shell.screen, *self.inputs], self.shown)
        shell.on(self.events.turn, self.turn, [*self.inputs, self.offset], self.shown, tells=["by"])
        shell.on(check.click, self.verify, [], [self.checked])

    def look(self, actor: Actor, screen: Screen, verb: str, who: str) -> Updates:
        return {
            **self._page(actor, verb, who, 0),
            **self.reconsider(actor),
            self.see: gr.update(interactive=may(actor, "purge")),
        }

    def reconsider(self, actor: Actor) -> Updates:
        """What was foreseen is of other days, or of another person."""
        return {self.go: gr.update(interactive=False), self.gone: "", self.foreseen: None}

    def foresee(self, actor: Actor, days: float | None) -> Updates:
        """What a purge would destroy; then it may be destroyed."""
        found = self.bench.purge(int(days or 0), dry_run=True, actor=actor)
        any_ = bool(found["records"] or found["files"])
        return {
            self.go: gr.update(interactive=any_),
            self.gone: show.render("audit/purged.html", found=found),
            self.foreseen: [int(days or 0), found["records"]],
        }

    def destroy(self, actor: Actor, days: float | None, foreseen: list[int] | None) -> Iterator[Updates]:
        """Destroy what was shown, if it is still that; fewer than no days is a "no" to the browser's question."""
        if days is not None and days < 0:
            yield self.shell.say("Nothing was destroyed.")
            return
        now = self.bench.purge(int(days or 0), dry_run=True, actor=actor)
        if foreseen != [int(days or 0), now["records"]]:
            raise UsageError("This is not what was shown to you. Have it shown again.")
        yield {self.gone: work.bar(0, 0, "Destroying …"), self.go: gr.update(interactive=False)}
        found = self.bench.purge(int(days or 0), actor=actor)
        yield {**self.reconsider(actor), self.gone: show.render("audit/purged.html", found=found)}

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
