"""Before a release is signed: what would leave, exceptions first, what stays, the papers, and the question."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import show
from ui.pages.review.viewer import thumbnail
from ui.shell import Shell, Updates
from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError
from updp_core.workbench import may

PAGE = 12
TURN_JS = """
element.addEventListener("click", (e) => {
  const turn = e.target.closest("[data-turn]");
  if (turn && !turn.disabled) trigger("turn", { by: Number(turn.dataset.turn) });
});
"""
OPEN = "() => setTimeout(() => document.querySelector('#say .say-stop') || updp.open('release-box'), 80)"


class SigningBox:
    """The pairs with their thumbnails, the papers, and the sheet that asks for confirmation."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.offset, self.number = gr.State(0), gr.State(0)
        with gr.Accordion("Pair by pair, exceptions first", open=True, elem_id="release-pairs"):
            self.sheet = shell.part(elem_id="release-sheet", js=TURN_JS)
        with gr.Accordion("README and dossier as they will be", open=False, elem_id="release-papers"):
            self.read = gr.Button("Show them", elem_id="papers-show")
            self.papers = shell.part(elem_id="papers")
        shell.on(self.sheet.turn, self.turn, [self.offset], [self.sheet, self.offset], tells=["by"])
        shell.on(self.read.click, self.show_papers, [], [self.papers])

    def build_question(self) -> None:
        """The sheet over the page."""
        with gr.Column(elem_id="release-box", elem_classes=["sheet"]):
            self.shell.part(show.render("sheet_heading.html", text="Sign this release"))
            self.question = self.shell.part(elem_id="release-question")
            with gr.Row():
                self.yes = gr.Button("Release", variant="primary", elem_id="release-yes", min_width=0)
                gr.Button("Cancel", elem_classes=["sheet-close"], min_width=0)

    @property
    def shown(self) -> list[Any]:
        return [self.sheet, self.offset, self.read, self.papers]

    def look(self, actor: Actor) -> Updates:
        """The first page of pairs; the papers are made when they are asked for."""
        able = may(actor, "release_sheet")
        return {self.read: gr.update(interactive=able), self.papers: "", **self._page(actor, 0)}

    def turn(self, actor: Actor, by: int, offset: int) -> Updates:
        """One page on or back."""
        return self._page(actor, max(0, int(offset) + PAGE * int(by)))

    def _page(self, actor: Actor, offset: int) -> Updates:
        if not may(actor, "release_sheet"):
            told = "It is for who signs: the privacy officer."
            return {self.sheet: show.empty("Not shown to your role.", told), self.offset: 0}
        bench = self.shell.workbench
        sheet = bench.release_sheet(actor=actor, offset=offset, limit=PAGE)
        pictures = {pair["record"]: self._picture(pair["record"], actor) for pair in sheet["pairs"]}
        return {self.sheet: show.render("release/sheet.html", sheet=sheet, pictures=pictures), self.offset: offset}

    def _picture(self, record: str, actor: Actor) -> str:
        try:
            return thumbnail(self.shell.workbench.image(record, "synthetic", actor=actor), 160)
        except UpdpError:  # a damaged image is told when the release is written
            return ""

    def show_papers(self, actor: Actor) -> Updates:
        """README and dossier, the latter in a frame of its own that runs nothing."""
        return {
            self.papers: show.render("release/papers.html", papers=self.shell.workbench.release_papers(actor=actor))
        }

    def ask(self, actor: Actor, purpose: str, recipient: str) -> Updates:
        """The question, with numbers, purpose and recipient."""
        if not (purpose or "").strip() or not (recipient or "").strip():
            raise UsageError("Say what the release is for, and who receives it: the confirmation names both.")
        bench = self.shell.workbench
        preview, ring = bench.release_preview(actor=actor), bench.keys(actor=actor)
        said = {"preview": preview, "ring": ring, "purpose": purpose.strip(), "recipient": recipient.strip()}
        return {
            self.number: preview["would"],
            self.question: show.render("release/question.html", **said),
            self.yes: gr.update(
                value="Sign and release" if ring["fingerprint"] else "Release without a signature",
                interactive=may(actor, "release") and preview["would"] > 0,
            ),
        }
