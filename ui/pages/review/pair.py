"""The pair that is open: images, prompt, reports, findings, versions, history, and the evidence beside the verdict."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gradio as gr

from ui import show
from ui.pages.review import viewer
from ui.pages.review.regenerate import Versions
from ui.shell import Shell, Updates, typed_js
from ui.show import empty, evidence, report, review
from updp_core.domain import Actor
from updp_core.workbench import may

_PLOT_SECONDS = 60.0
WORD_JS = """
element.addEventListener("click", (e) => {
  const word = e.target.closest("[data-word], .w");
  if (!word || getSelection().toString()) return;
  trigger("word", { word: word.dataset.word ?? word.textContent }); window.updp.open("word-box");
});
// Both reports scroll together, each by its own length.
element.addEventListener("scroll", (e) => {
  const one = e.target, other = [...element.querySelectorAll(".rep")].find((r) => r !== one);
  if (!other || !one.matches?.(".rep:hover, .rep:focus")) return;
  const room = (r) => r.scrollHeight - r.clientHeight;
  other.scrollTop = (one.scrollTop / Math.max(1, room(one))) * room(other);
}, true);
"""
GATES_JS = """
element.addEventListener("click", (e) => { if (e.target.closest("[data-clear]")) trigger("clear_rarity"); });
"""
CONTACT_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-choose]");
  if (b) { trigger("choose", { candidate: Number(b.dataset.choose) }); window.updp.close(); }
});
"""


class PairColumn:
    """The middle of the desk: what there is to see and to read."""

    def __init__(self, shell: Shell) -> None:
        with gr.Column(elem_id="pair-col", min_width=0):
            self.viewer = viewer.build(shell.session)
            self.prompt = shell.part(elem_id="prompt", js=WORD_JS)
            shell.part(show.render("fold.html", panel="below", name="Reports"), elem_id="fold-below")
            with gr.Tabs(elem_id="below"):
                with gr.Tab("Reports", id="reports"):
                    self.reports = shell.part(elem_id="reports", js=WORD_JS)
                with gr.Tab("Findings", id="findings"):
                    self.findings = shell.part(elem_id="findings")
                with gr.Tab("Versions", id="versions", elem_id="versions-tab"):
                    self.contact = shell.part(elem_id="contact", js=CONTACT_JS)
                with gr.Tab("History", id="history"):
                    with gr.Row(elem_classes=["buttons", "tight"]):
                        self.again = gr.Button(
                            "Make the current version again and compare", size="sm", elem_id="reproduce"
                        )
                        self.compared = shell.part(elem_id="compared")
                    self.history = shell.part(elem_id="history")


class VerdictColumn:
    """The right of the desk: who the pair is, its evidence, and the buttons that decide."""

    def __init__(self, shell: Shell) -> None:
        with gr.Column(elem_id="verdict-col", min_width=0):
            self.head = shell.part(elem_id="head", js=typed_js("#comment"))
            self.gates = shell.part(elem_id="gates", js=GATES_JS)
            with gr.Column(elem_id="verdict", min_width=0):
                self.override = gr.Checkbox(
                    label="Override what blocks (say why below)", visible=False, elem_id="override"
                )
                self.comment = gr.Textbox(
                    placeholder="Comment  ( C )",
                    show_label=False,
                    label="Comment",
                    lines=2,
                    max_lines=3,
                    elem_id="comment",
                )
                with gr.Row(elem_id="verdict-main"):
                    self.approve = gr.Button("✓ Approve", elem_id="approve", min_width=0)
                    self.reject = gr.Button("✕ Reject…", elem_id="reject", min_width=0)
                with gr.Row(elem_id="verdict-more"):
                    self.regenerate = gr.Button("↻ Regenerate…", elem_id="regenerate", min_width=0)
                    self.flag = gr.Button("⚑ Flag…", elem_id="flag", min_width=0)
                with gr.Row(elem_id="verdict-go"):
                    self.undo = gr.Button("↶ Undo", elem_id="undo", min_width=0)
                    self.back = gr.Button("‹ Previous", elem_id="previous", min_width=0)
                    self.forth = gr.Button("Next ›", elem_id="next", min_width=0)


class Pair:
    """Both columns, filled for one record or for none."""

    def __init__(self, shell: Shell) -> None:
        self.bench = shell.workbench
        self.column, self.side = PairColumn(shell), VerdictColumn(shell)
        self._values: dict[tuple[str, str], tuple[float, list[float]]] = {}

    @property
    def buttons(self) -> dict[gr.Button, str]:
        """Each button, and the verb that it needs."""
        s = self.side
        verdicts = dict.fromkeys((s.approve, s.reject), "decide")
        return {
            **verdicts,
            s.regenerate: "regenerate",
            s.flag: "flag",
            s.undo: "undo",
            s.back: "take_next",
            s.forth: "take_next",
        }

    @property
    def deciding(self) -> dict[gr.Button, str]:
        """The buttons that act on the pair on the screen; dead where there is none."""
        s = self.side
        return {button: verb for button, verb in self.buttons.items() if button not in (s.undo, s.back, s.forth)}

    @property
    def shown(self) -> list[Any]:
        """Every part that follows the pair."""
        c, s = self.column, self.side
        said = [c.prompt, c.reports, c.findings, c.history, c.contact, c.compared]
        return [s.head, s.gates, *said, c.viewer, s.comment, s.override, *self.deciding]

    def show(
        self, detail: Mapping[str, Any], actor: Actor, versions: Versions, ahead: list[dict[str, Any]] | None = None
    ) -> Updates:
        """One record with its versions; `ahead` is what the viewer loads next (None: the rows below)."""
        c, s, gates = self.column, self.side, detail["gates"]
        current = review.current_version(detail)
        values = self._all_pairs(actor, [g["name"] for g in gates], current["method"]) if current else {}
        original = detail["images"].get("original") or {}
        can_override = any(g["state"] == "block" and not g["hard"] for g in gates)
        return {
            s.head: review.head(detail),
            s.gates: evidence.gates(gates, values, detail["leave_out"] if may(actor, "clear_rarity") else ()),
            c.prompt: review.prompt(detail["prompt"], current["prompt_text"] if current else ""),
            c.reports: report.reports(detail["report"]),
            c.findings: evidence.findings(detail["evidence"]),
            c.history: review.history(detail),
            c.compared: "",
            c.contact: versions.sheet,
            c.viewer: {
                "record": detail["record"],
                "candidate": detail["candidate"],
                "revision": detail["revision"],
                "bits": original.get("bit_depth", 16),
                "findings": evidence.to_map(detail["evidence"]),
                "next": ahead,
                "versions": versions.strip,
            },
            s.comment: str(detail["draft"].get("comment", "")),
            s.override: gr.update(visible=can_override, value=False),
            **{b: gr.update(interactive=may(actor, verb) and current is not None) for b, verb in self.deciding.items()},
        }

    def none(self, text: str) -> Updates:
        """No pair, and why."""
        c, s = self.column, self.side
        blank = dict.fromkeys(
            [c.compared, s.gates, c.prompt, c.reports, c.findings, c.history, c.contact, s.comment], ""
        )
        closed = {s.head: empty(text), c.viewer: {"message": text}, s.override: gr.update(visible=False)}
        dead = {button: gr.update(interactive=False) for button in self.deciding}
        return {**blank, **closed, **dead}

    def _all_pairs(self, actor: Actor, names: list[str], method: str) -> dict[str, list[float]]:
        """Values of each gate over all pairs, a minute old at most."""
        now = time.monotonic()
        for name in names:
            if now - self._values.get((name, method), (-1e9, []))[0] > _PLOT_SECONDS:
                values = self.bench.gate_values(name, actor=actor, method=method, limit=1000)
                self._values[name, method] = (now, values)
        return {name: self._values[name, method][1] for name in names}
