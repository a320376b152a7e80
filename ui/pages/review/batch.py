"""Approve a whole filter at once: only pairs whose gates are all clear, after a look at a random sample."""

from __future__ import annotations

import gradio as gr

from ui import show
from ui.pages.review.viewer import thumbnail
from ui.shell import Shell, Updates
from updp_core.domain import Actor
from updp_core.workbench import Filters


class BatchBox:
    """The sheet that asks for confirmation."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.number = gr.State(0)
        with gr.Column(elem_id="batch-box", elem_classes=["sheet"]):
            shell.part(show.render("sheet_heading.html", text="Approve all that is clear"))
            self.sample = shell.part(elem_id="batch-sample")
            with gr.Row():
                self.go = gr.Button("Approve", variant="primary", elem_id="batch-go", min_width=0, interactive=False)
                gr.Button("Cancel", elem_classes=["sheet-close"], min_width=0)

    def look(self, filters: Filters, actor: Actor) -> Updates:
        """What would be approved: the number, and a random sample to look at."""
        preview = self.shell.workbench.approve_preview(actor=actor, filters=filters)
        number, pictures = preview["number"], []
        for record in preview["sample"]:
            pair = [self.shell.workbench.image(record, kind, actor=actor) for kind in ("original", "synthetic")]
            pictures.append((record, *(thumbnail(image, 160) for image in pair)))
        return {
            self.number: number,
            self.sample: show.render(
                "review/batch.html", number=number, left_out=preview["left_out"], pictures=pictures
            ),
            self.go: gr.update(
                value=f"Approve these {number} pairs" if number else "Nothing to approve", interactive=number > 0
            ),
        }

    def approve(self, filters: Filters, number: int, actor: Actor) -> str:
        """Approve them; refused where the number has changed meanwhile."""
        done = self.shell.workbench.approve_all(actor=actor, filters=filters, expected_number=int(number))
        return f"{done['approved']} pairs approved."
