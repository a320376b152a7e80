"""Audit: every event, newest first, the check of the chain, and what is no longer kept."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import gradio as gr

from ui import show
from ui.pages.page import Page
from ui.shell import STREAM, Screen, Shell, Updates
from ui.show import work
from updp_core.domain import Actor
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import EVENT_KINDS, may

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


KINDS = [("Everything but who looked at what", ""), *((title, name) for name, (title, _) in EVENT_KINDS.items())]
EVERYBODY = [("Everybody", "")]


class Audit(Page):
    """The trail of events in sentences, narrowed by what, who and when."""

    title, key = "Audit", "audit"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Column(elem_classes=["page", "pane", "wide"]):
            shell.part(show.render("heading.html", text="Audit trail"))
            with gr.Row(elem_classes=["buttons"], elem_id="audit-filter"):
                kind = gr.Dropdown(KINDS, value="", label="What was done", elem_id="audit-kind", min_width=150)
                self.who = gr.Dropdown(EVERYBODY, value="", label="By whom", elem_id="audit-who", min_width=120)
                since = gr.Textbox(
                    label="From day", placeholder="2026-01-31", elem_id="audit-since", max_lines=1, min_width=100
                )
                until = gr.Textbox(
                    label="To day (UTC)", placeholder="2026-12-31", elem_id="audit-until", max_lines=1, min_width=100
                )
            with gr.Row(elem_classes=["buttons"]):
                check = gr.Button("Verify the chain", elem_id="audit-verify", min_width=0)
                self.table = gr.Button("Save as CSV", elem_id="audit-csv", min_width=0)
                self.lines = gr.Button("Save as JSONL", elem_id="audit-jsonl", min_width=0)
            self.checked = shell.part(elem_id="audit-outcome")
            self.events = shell.part(elem_id="audit-events", js=TURN_JS)
            self.offset = gr.State(0)
            with gr.Accordion(
                "Retention: destroy what is no longer needed", open=False, elem_id="purge", visible=False
            ) as self.retention:
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
        self.inputs = [kind, self.who, since, until]
        may_not = [self.retention, self.see, self.go, self.gone, self.foreseen]
        self.shown = [self.events, self.offset, self.who, self.table, self.lines, *may_not]
        outcome = [self.go, self.gone, self.foreseen]
        shell.on(self.see.click, self.foresee, [days], outcome)
        shell.on(self.go.click, self.destroy, [days, self.foreseen], outcome, how=STREAM, js=CONFIRM_JS)
        shell.on(days.change, self.reconsider, [], outcome, quiet=True)
        for event in (kind.change, self.who.input, since.submit, until.submit):
            shell.on(event, self.look, [shell.screen, *self.inputs], self.shown)
        for form, button in (("csv", self.table), ("jsonl", self.lines)):
            shell.on(button.click, functools.partial(self.save, form), self.inputs, [])
        shell.on(self.events.turn, self.turn, [*self.inputs, self.offset], self.shown, tells=["by"])
        shell.on(check.click, self.verify, [], [self.checked])

    def look(
        self, actor: Actor, screen: Screen, kind: str = "", who: str = "", since: str = "", until: str = ""
    ) -> Updates:
        owner = may(actor, "purge")
        saves = {button: gr.update(interactive=may(actor, "audit_export")) for button in (self.table, self.lines)}
        return {
            **self._page(actor, (kind, who, since, until), 0),
            **self.reconsider(actor),
            **saves,
            self.retention: gr.update(visible=owner),
            self.see: gr.update(interactive=owner),
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

    def turn(self, actor: Actor, by: int, kind: str, who: str, since: str, until: str, offset: int) -> Updates:
        """One page on or back."""
        return self._page(actor, (kind, who, since, until), max(0, offset + PAGE * int(by)))

    def save(self, form: str, actor: Actor, kind: str, who: str, since: str, until: str) -> Updates:
        """The events of the filter as a file."""
        lines = self.bench.audit_export(form, actor=actor, **_asked(kind, who, since, until))
        media = "text/csv; charset=utf-8" if form == "csv" else "application/jsonl; charset=utf-8"
        return self.shell.give(actor, f"audit-trail.{form}", media, lines)

    def _page(self, actor: Actor, asked: tuple[str, str, str, str], offset: int) -> Updates:
        try:
            page = self.bench.audit(actor=actor, offset=offset, limit=PAGE, **_asked(*asked))
        except NotAllowed as error:
            return {self.events: show.empty("Not shown to your role.", str(error)), self.offset: 0}
        choices = [*EVERYBODY, *[(name, name) for name in page["people"]]]
        return {
            self.events: work.events(page),
            self.offset: page["offset"],
            self.who: gr.update(choices=choices),
        }

    def verify(self, actor: Actor) -> Updates:
        """Check the chain of events from its beginning."""
        return {self.checked: show.render("audit/checked.html", report=self.bench.audit_verify(actor=actor))}


def _asked(kind: str, who: str, since: str, until: str) -> dict[str, Any]:
    """The filter as the core takes it."""
    given = {"kind": kind, "who": who, "since": (since or "").strip(), "until": (until or "").strip()}
    return {**{name: value or None for name, value in given.items()}, "looks": False}
