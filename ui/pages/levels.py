"""The privacy level of the policy: which findings a release may tell, and what each level would give away here."""

from __future__ import annotations

from typing import Any

import gradio as gr

from ui import show
from ui.shell import Shell, Updates
from updp_core.domain import Actor
from updp_core.workbench import FINDINGS, PURPOSES, may

LEVELS: list[tuple[str, int | str]] = [
    ("0: all findings", 0),
    ("1: what enough patients share", 1),
    ("2: acute findings and devices, by purpose", 2),
    ("A list of my own", "custom"),
]


class LevelBox:
    """The controls of the level among those of the policy, and a look at all levels before one is set."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.level = gr.Radio(LEVELS, label="Privacy level: findings that are told", elem_id="policy-level")
        with gr.Row():
            self.k = gr.Number(label="Level 1: patients who share a combination", precision=0, min_width=160)
            self.purposes = gr.CheckboxGroup(list(PURPOSES), label="Level 2: purposes", min_width=240)
            self.out = gr.Dropdown(
                [(show.titled(name), name) for name in FINDINGS],
                multiselect=True,
                label="A list of my own: findings left out",
                min_width=240,
            )
        self.compare = gr.Button("What each level tells and gives away", size="sm", elem_id="policy-levels")
        self.preview = shell.part(elem_id="policy-preview")
        shell.on(self.compare.click, self.look_ahead, [self.k], [self.preview])

    @property
    def fields(self) -> list[Any]:
        return [self.level, self.k, self.purposes, self.out]

    def look(self, actor: Actor, privacy: dict[str, Any]) -> Updates:
        """What is in force."""
        return {
            self.level: privacy.get("level", 0),
            self.k: privacy.get("k", 10),
            self.purposes: list(privacy.get("purposes") or PURPOSES),
            self.out: list(privacy.get("leave_out") or []),
            self.compare: gr.update(interactive=may(actor, "privacy_preview")),
            self.preview: "",
        }

    def look_ahead(self, actor: Actor, k: float | None) -> Updates:
        """Each level on this workspace's own reports; no image is read."""
        found = self.shell.workbench.privacy_preview(actor=actor, k=int(k) if k else None)
        return {self.preview: show.render("release/levels.html", found=found, names=dict((v, n) for n, v in LEVELS))}

    @staticmethod
    def wish(level: Any, k: float | None, purposes: list[str], out: list[str]) -> dict[str, Any]:
        """The fields as the policy keeps them: what the chosen level needs, and of a list that it is one."""
        asked: dict[str, Any] = {"level": level, "k": int(k or 0), "purposes": list(purposes)}
        return {**asked, "leave_out": list(out)} if out else asked
