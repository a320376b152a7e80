"""Flags: ask somebody to look at a pair, with a reason, without deciding it; and settle what was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import gradio as gr

from ui import show
from ui.shell import Shell, Updates
from updp_core.domain import Actor, Audience
from updp_core.errors import UsageError

REASONS: tuple[tuple[str, Audience], ...] = (
    ("Second opinion on the finding", "radiologist"),
    ("Report and image do not belong together", "radiologist"),
    ("May still identify the patient", "privacy-officer"),
    ("A word here should perhaps be forbidden", "privacy-officer"),
    ("Original image or report is faulty", "anybody"),
)
ASKED = [(text.capitalize(), who) for who, text in show.AUDIENCES.items()]
FLAG_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-flag]");
  if (b) { trigger("mark", { reason: Number(b.dataset.flag) }); window.updp.close(); }
});
"""


class FlagBox:
    """Two sheets: F raises a flag, Shift+F clears one."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Column(elem_id="flag-box", elem_classes=["sheet"]):
            self.presets = shell.part(show.render("review/flag_reasons.html", reasons=REASONS), js=FLAG_JS)
            self.words = gr.Textbox(label="In your own words", elem_id="flag-words", max_lines=1)
            self.asked = gr.Radio(ASKED, value="privacy-officer", label="Who should look", elem_id="flag-asked")
            with gr.Row():
                self.go = gr.Button("⚑ Flag", variant="primary", elem_id="flag-go", min_width=0)
                gr.Button("Cancel", elem_classes=["sheet-close"], min_width=0)
        with gr.Column(elem_id="clear-box", elem_classes=["sheet"]):
            shell.part(show.render("sheet_heading.html", text="Clear a flag"))
            self.which = gr.Radio([], label="Open flags that you may clear", elem_id="clear-which")
            self.came = gr.Textbox(
                label="What came of it (kept in the history)", elem_id="clear-came", elem_classes=["first"], max_lines=1
            )
            with gr.Row():
                self.clear = gr.Button("Clear the flag", variant="primary", elem_id="clear-go", min_width=0)
                gr.Button("Cancel", elem_classes=["sheet-close"], min_width=0)

    @property
    def shown(self) -> list[Any]:
        """Parts that follow the pair on the screen."""
        return [self.which, self.came, self.words]

    def look(self, detail: Mapping[str, Any], role: str) -> Updates:
        """Offer the open flags of this pair that the reader may clear, first those that ask the reader's role."""
        mine = [
            (f"{flag['reason']} ({flag['reviewer']}, for {show.AUDIENCES[flag['audience']]})", flag["flag"])
            for flag in sorted(detail["flags"], key=lambda flag: flag["audience"] != role)
            if flag["may_clear"]
        ]
        return {self.which: gr.update(choices=mine, value=mine[0][1] if mine else None), self.came: "", self.words: ""}

    def preset(self, number: int, words: str) -> tuple[str, Audience]:
        """(reason, who is asked) of a ready-made reason, with the reader's own words after it."""
        reason, audience = REASONS[number - 1]
        return (f"{reason}: {words.strip()}" if (words or "").strip() else reason), audience

    def raise_(
        self, shown: Mapping[str, Any], reason: str, audience: str, actor: Actor
    ) -> tuple[Mapping[str, Any], Updates]:
        """Flag the pair on the screen: the record as it then stands, and what to say."""
        detail = self.shell.workbench.flag(
            shown["record"], reason or "", audience=cast(Audience, audience), candidate=shown["candidate"], actor=actor
        )
        return detail, self.shell.say(f"Flagged for {show.AUDIENCES[audience]}. U takes it back.")

    def settle(self, record: str, flag: int | None, came: str, actor: Actor) -> tuple[Mapping[str, Any], Updates]:
        """Clear a flag of the pair that is open."""
        if not flag:
            raise UsageError("This pair has no open flag that you may clear.")
        detail = self.shell.workbench.clear_flag(record, int(flag), came or "", actor=actor)
        return detail, self.shell.say("Flag cleared. U raises it again.")
