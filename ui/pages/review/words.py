"""One word from a report or a prompt to a list, with its impact shown before it is saved."""

from __future__ import annotations

from typing import Any, cast

import gradio as gr

from ui import show
from ui.shell import Shell, Updates
from ui.show import lexicons
from ui.show.review import voided
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.workbench import may

FORBID, KEEP = "blacklist", "whitelist"
USUAL = {FORBID: "names", KEEP: "findings"}


class WordBox:
    """The sheet that opens on a click on a word, or with the key W."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Column(elem_id="word-box", elem_classes=["sheet"]):
            shell.part(show.render("sheet_heading.html", text="Put a word on a list"))
            self.term = gr.Textbox(label="Word or phrase", elem_id="word-term", elem_classes=["first"], max_lines=1)
            self.which = gr.Radio(
                [("Forbid this", FORBID), ("Always keep this", KEEP)], value=FORBID, label="What to do"
            )
            self.category = gr.Dropdown([], label="Category", elem_id="word-category", allow_custom_value=True)
            self.impact = shell.part(elem_id="word-impact")
            self.comment = gr.Textbox(label="Why (kept with the version)", elem_id="word-comment", max_lines=2)
            with gr.Row():
                self.check = gr.Button("Show impact", elem_id="word-check", min_width=0)
                self.save = gr.Button("Save as a new version", variant="primary", elem_id="word-save", min_width=0)
                self.ask = gr.Button("⚑ Ask the privacy officer", variant="primary", elem_id="word-ask", min_width=0)
                self.cancel = gr.Button("Cancel", elem_classes=["sheet-close"], min_width=0)

    def edit(self, term: str, which: str, category: str) -> dict[str, dict[str, list[str]]]:
        """The addition in the Workbench's form."""
        if not (term or "").strip() or not category:
            raise UsageError("Give a word and a category.")
        return {which: {category: [term.strip()]}}

    def open(self, actor: Actor, term: str, which: str) -> Updates:
        """Fill the sheet for a word."""
        lexicon = self.shell.workbench.lexicon_current(actor=actor)
        categories = list(cast(Any, lexicon)[which])
        edits = may(actor, "lexicon_edit")
        return {
            self.term: str(term),
            self.category: gr.update(
                choices=[(show.titled(c), c) for c in categories],
                value=USUAL[which] if USUAL[which] in categories else categories[0],
            ),
            self.impact: "",
            self.save: gr.update(visible=edits),
            self.ask: gr.update(visible=not edits),
        }

    def asking(self, term: str, which: str, category: str) -> str:
        """The reason of a flag that asks the officer for this edit."""
        self.edit(term, which, category)
        what = "Forbid" if which == FORBID else "Always keep"
        return f"{what} “{term.strip()}” ({show.words(category)})?"

    def look(self, actor: Actor, term: str, which: str, category: str) -> Updates:
        """What the addition would do."""
        impact = self.shell.workbench.lexicon_impact(actor=actor, add=self.edit(term, which, category))
        return {self.impact: lexicons.impact(cast(Any, impact))}

    def keep(self, term: str, which: str, category: str, comment: str, actor: Actor) -> Updates:
        """Save the addition as a new version."""
        done = self.shell.workbench.lexicon_edit(
            actor=actor,
            add=self.edit(term, which, category),
            comment=comment or f"{term.strip()}: from the review page",
        )
        return {
            self.impact: lexicons.impact(done["impact"]),
            **self.shell.say(f"Saved as lexicon version {done['version']}. {voided(done['impact'])}"),
        }
