"""The story that a visitor of a public demonstration is led through in three minutes, and the report filter to try."""

from __future__ import annotations

import os
import re
from typing import Any

import gradio as gr

from ui import show
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.show import report
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.workbench import Filters

LONGEST = 4000
"""Characters of a text to try."""
USUAL = {"chest", "radiograph", "frontal", "image", "report", "findings"}
EXAMPLE = (
    "EXAM: Chest PA on 03/14/2019. Mr. Jonas Whitfield, 61, MRN 4471182. FINDINGS: The heart is enlarged. Small left "
    "pleural effusion. Called to Dr. Mary Hill at 555-0134. IMPRESSION: Cardiomegaly with left effusion."
)
GO_JS = """
element.addEventListener("click", (e) => {
  const step = e.target.closest("[data-role]");
  if (step) trigger("go", { role: step.dataset.role });
});
"""


class Story(Page):
    """Steps that tick themselves off, links, and a box for a text of one's own."""

    title, key, at_once, demo_only = "Try it", "story", True, True

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Row(elem_classes=["page"]):
            with gr.Column(elem_classes=["pane"], min_width=0):
                self.steps = shell.part(elem_id="story", js=GO_JS, live=True)
                shell.part(show.render("story/links.html", **links(os.environ.get("SPACE_ID", ""))))
            with gr.Column(elem_classes=["pane"], min_width=0):
                shell.part(show.render("story/text.html", most=LONGEST))
                text = gr.Textbox(
                    EXAMPLE, label="A report", lines=6, max_lines=10, max_length=LONGEST, elem_id="try-text"
                )
                go = gr.Button("Filter it", variant="primary", elem_id="try-go")
                self.found = shell.part(elem_id="try-found")
        self.shown = [self.steps]
        shell.on(self.steps.go, self.act_as, [], [shell.role], tells=["role"])
        shell.on(go.click, self.filter, [text], [self.found])

    def look(self, actor: Actor, screen: Screen) -> Updates:
        return {self.steps: show.render("story/steps.html", **self.standing(actor))}

    def tick(self, actor: Actor, screen: Screen) -> Updates:
        return self.look(actor, screen)

    def standing(self, actor: Actor) -> dict[str, Any]:
        """How far the visitor has come: {"done": {step: bool}, "done_names": [step], "word": one to forbid,
        "record": the pair that is approved}."""
        officer, reader = Actor(actor.name, "privacy-officer"), Actor(actor.name, "radiologist")
        total = lambda verb: self.bench.audit(verb=verb, actor=officer, limit=1)["total"]  # noqa: E731
        edits = self.bench.audit(verb="lexicon_edit", actor=officer, limit=50)["events"]
        fell = any(event["detail"].get("voided") for event in edits)
        approved = self.bench.page(filters=Filters(state="approved"), limit=1, actor=reader)["records"]
        word, record = "", approved[0]["record"] if approved else ""
        if record and not fell:
            word = a_word(self.bench.show(record, actor=reader))
        done = {
            "read": total("approve") > 0,
            "forbid": bool(edits),
            "fell": fell,
            "release": bool(self.bench.releases(actor=officer)),
            "verify": total("verify") > 0,
        }
        return {"done": done, "done_names": [name for name, so in done.items() if so], "word": word, "record": record}

    def act_as(self, actor: Actor, role: str) -> Updates:
        """The role of a step; the browser goes to the page."""
        return {self.shell.role: role if role in ("radiologist", "privacy-officer") else actor.role}

    def filter(self, actor: Actor, text: str) -> Updates:
        """A text through the report filter: nothing of it is kept."""
        text = (text or "").strip()
        if not text:
            raise UsageError("Write or paste a report first. Do not use one of a real patient.")
        if len(text) > LONGEST:
            raise UsageError(f"The text has {len(text)} characters; {LONGEST} are the most here.")
        found = self.bench.filter_text(text, actor=Actor(actor.name, "radiologist"))
        pieces = list(report.original_pieces(text, found["spans"]))
        return {
            self.found: show.render("story/filtered.html", pieces=pieces, text=found["text"], n=len(found["spans"]))
        }


def a_word(pair: Any) -> str:
    """A word of a pair's prompt that says something of this patient and not of all."""
    words = re.findall(r"[a-z]{5,}", str((pair["prompt"] or {}).get("text", "")).lower())
    return max((word for word in words if word not in USUAL), key=len, default="")


def links(space: str) -> dict[str, str]:
    """Where code and cards are to be read: of the Space that this is, "" elsewhere."""
    at = f"https://huggingface.co/spaces/{space}" if re.fullmatch(r"[\w.-]+/[\w.-]+", space) else ""
    return {
        "code": f"{at}/tree/main" if at else "",
        "generator": f"{at}/blob/main/data/models/starter/generator/README.md" if at else "",
        "threats": f"{at}/blob/main/docs/threat-model.md" if at else "",
    }
