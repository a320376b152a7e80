"""The methods side by side on one pair: each with its slider, its gates, and what it can and cannot hide."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping

import gradio as gr
import numpy as np

from ui.pages.review.viewer import thumbnail
from ui.shell import Screen, Shell, Updates
from ui.show import evidence
from updp_core.domain import Actor
from updp_core.errors import UpdpError

METHODS_JS = """
const cards = () => [...element.querySelectorAll("[data-method]")];
const inputs = (card) => [...card.querySelectorAll("input[data-setting]")];
const asked = (card) => Object.fromEntries(inputs(card).map((i) => [i.dataset.setting, Number(i.value)]));
const kept = {}; // what was set and is not drawn yet stays when the cards are drawn again
const named = (input) => [element.querySelector("[data-pair]").dataset.pair,
  input.closest("[data-method]").dataset.method, input.dataset.setting].join(" ");
const moved = (input) => {
  input.closest("label").querySelector("output").value = input.value;
  const card = input.closest("[data-method]"), made = inputs(card).filter((i) => i.dataset.made);
  card.classList.toggle("moved", made.some((i) => Number(i.value) !== Number(i.dataset.made)));
};
const draw = (some, method, seed) => {
  const settings = Object.fromEntries(some.filter((c) => inputs(c).length).map((c) => [c.dataset.method, asked(c)]));
  some.forEach((card) => card.classList.add("drawing"));
  element.querySelectorAll("button:not(.sheet-close)").forEach((b) => { b.disabled = true; });
  trigger("draw", { method, settings, seed });
};
element.addEventListener("input", (e) => {
  if (e.target.dataset.setting) { kept[named(e.target)] = e.target.value; moved(e.target); }
});
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-draw], [data-choose]"); if (!b) return;
  const card = b.closest("[data-method]");
  if (b.dataset.choose) { trigger("choose", { candidate: Number(b.dataset.choose) }); window.updp.close(); }
  else if (card) draw([card], card.dataset.method, card.dataset.seed ? Number(card.dataset.seed) : null);
  else draw(cards(), "", null);
});
watch("value", () => requestAnimationFrame(() => {
  for (const input of cards().flatMap(inputs)) {
    if (named(input) in kept) { input.value = kept[named(input)]; moved(input); }
  }
}));
"""


class MethodsBox:
    """The sheet that compares the methods on the pair that is open."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        with gr.Column(elem_id="methods-box", elem_classes=["sheet"]):
            self.cards = shell.part(evidence.methods(), elem_id="methods", js=METHODS_JS)
        self._drawn = itertools.count(1)

    def look(self, actor: Actor, screen: Screen) -> Updates:
        """The sheet for the pair that is open."""
        return self._show(screen.opened(), actor)

    def draw(
        self, record: str, actor: Actor, method: str, settings: Mapping[str, Mapping[str, float]], seed: int | None
    ) -> Iterator[Updates]:
        """A version by `method`, or by each where it is empty; the cards anew whenever one was made."""
        bench, failed = self.shell.workbench, list[str]()
        methods = [method] if method else []
        try:
            for step in bench.compare(record, actor=actor, seed=seed, methods=methods, settings=settings):
                failed = list((step.result or {}).get("failed", ()))
                said = self.shell.say(f"{step.message or 'Methods'}: {step.done} of {step.total} done")
                yield {**said, **(self._show(record, actor, busy=True) if step.preview else {})}
            text = f"{len(failed)} failed: {failed[0]}" if failed else "The methods stand side by side."
            yield {**self._show(record, actor), **self.shell.say(text, "warn" if failed else "ok")}
        except UpdpError as error:
            yield {**self._show(record, actor), **self.shell.say(str(error), "stop")}

    def _show(self, record: str, actor: Actor, busy: bool = False) -> Updates:
        bench = self.shell.workbench
        detail = bench.show(record, actor=actor)
        rows = [row for row in bench.methods(actor=actor) if row["available"]]
        newest = {row["method"]: row for row in detail["candidates"]}
        pictures: dict[str, str] = {}
        original = ""
        for name, row in newest.items():
            with contextlib.suppress(UpdpError):  # it failed, or is not for this role
                image = bench.image(record, "synthetic", actor=actor, candidate=row["candidate"])
                pictures[name] = thumbnail(image)
        with contextlib.suppress(UpdpError):
            original = thumbnail((bench.image(record, "original", actor=actor) >> 8).astype(np.uint8))
        return {self.cards: evidence.methods(record, rows, newest, pictures, original, busy, next(self._drawn))}
