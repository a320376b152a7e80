"""Make other versions of a pair: settings, seeds, and the contact sheet to pick from."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui import show
from ui.pages.review.viewer import thumbnail
from ui.shell import Shell
from ui.show import evidence
from updp_core.config import GeneratorConfig, PromptConfig
from updp_core.domain import Actor
from updp_core.errors import UpdpError

_PROMPT, _MODEL = PromptConfig(), GeneratorConfig()
SHEET = 12
"""Versions on a contact sheet at most, newest first."""


@dataclass(frozen=True)
class Versions:
    """The versions of a pair: the contact sheet as HTML; the viewer's strip [{"candidate", "src", "text", "title"}]."""

    sheet: str
    strip: list[dict[str, Any]]


class RegenerateBox:
    """The sheet of settings that the key G opens."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Column(elem_id="regen-box", elem_classes=["sheet"]):
            shell.part(show.render("sheet_heading.html", text="Make other versions"))
            self.number = gr.Radio([1, 2, 4, 8], value=4, label="How many, each with a new seed", elem_id="regen-k")
            self.method = gr.Dropdown([("As before", "")], value="", label="Method", elem_id="regen-method")
            with gr.Accordion("Settings", open=False):
                self.length = gr.Slider(8, 77, _PROMPT.length, step=1, label="Prompt length in tokens")
                self.steps = gr.Slider(0, 300, _PROMPT.steps, step=5, label="Alignment steps")
                self.bias = gr.Slider(0, 1, _PROMPT.bias, step=0.01, label="Preference for whitelisted words")
                self.temperature = gr.Slider(0, 1, _PROMPT.temperature, step=0.05, label="Temperature (0: best word)")
                self.whitelist = gr.Radio(
                    [("Prefer the whitelist", "bias"), ("Whitelist words only", "only")], value="bias", label="Words"
                )
                self.guidance = gr.Slider(1, 12, _MODEL.guidance_scale, step=0.5, label="Guidance")
                self.denoise = gr.Slider(5, 100, _MODEL.steps, step=1, label="Diffusion steps")
            with gr.Row():
                self.now = gr.Button(
                    "Make now", variant="primary", elem_id="regen-now", elem_classes=["first"], min_width=0
                )
                self.later = gr.Button("Back to the queue", elem_id="regen-later", min_width=0)
                self.cancel = gr.Button("Cancel", elem_id="regen-cancel", elem_classes=["sheet-close"], min_width=0)
            self.compare = gr.Button("Compare methods on this pair…", elem_id="regen-compare", size="sm")

    @property
    def settings(self) -> list[gr.components.Component]:
        prompt = [self.length, self.steps, self.bias, self.temperature, self.whitelist]
        return [self.number, self.method, *prompt, self.guidance, self.denoise]

    def run(
        self,
        record: str,
        actor: Actor,
        number: int,
        method: str,
        length: int,
        steps: int,
        bias: float,
        temperature: float,
        whitelist: str,
        guidance: float,
        denoise: int,
    ) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """Progress sentences, and in the end the result. Settings that stand at their default are not sent."""
        prompt = {
            "length": int(length),
            "steps": int(steps),
            "bias": bias,
            "temperature": temperature,
            "whitelist": whitelist,
        }
        generation = {"guidance_scale": guidance, "steps": int(denoise)}
        seeds = [secrets.randbelow(2**31) for _ in range(int(number))]
        for step in self.shell.workbench.regenerate(
            record,
            actor=actor,
            seeds=seeds,
            method=method or None,
            prompt={k: v for k, v in prompt.items() if v != getattr(_PROMPT, k)} or None,
            generation={k: v for k, v in generation.items() if v != getattr(_MODEL, k)} or None,
        ):
            yield f"{step.stage.capitalize()} {step.done} of {step.total}", step.result

    def less(self, record: str, actor: Actor) -> Iterator[tuple[str, dict[str, Any] | None]]:
        """One version without the findings that too few patients share: progress sentences, and the result."""
        for step in self.shell.workbench.clear_rarity(record, actor=actor):
            yield f"{step.stage.capitalize()} {step.done} of {step.total}", step.result

    def versions(self, detail: Mapping[str, Any], actor: Actor) -> Versions:
        """All versions of this pair, as a contact sheet and as the strip beside the original."""
        pictures: dict[int, str] = {}
        small: dict[int, str] = {}
        rows = list(reversed(detail["candidates"]))[:SHEET]
        if len(rows) > 1:
            for row in rows:
                try:
                    image = self.shell.workbench.image(
                        detail["record"], "synthetic", actor=actor, candidate=row["candidate"]
                    )
                    pictures[row["candidate"]] = thumbnail(image)
                    small[row["candidate"]] = thumbnail(image, 96)
                except UpdpError:
                    continue
        return Versions(
            evidence.contact_sheet(rows, pictures, detail["candidate"]),
            evidence.strip([row for row in rows if row["candidate"] in small], small, detail["candidate"]),
        )
