"""The filter of the queue: its controls, and what they mean as `Filters`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast

import gradio as gr

from ui import format as show
from ui.shell import QUICK, Shell
from updp_core.workflow import Filters

START: dict[str, Any] = {"state": "pending", "sort": "risk", "offset": 0}
SORTS = [
    ("Doubtful first", "risk"),
    ("Clear first", "-risk"),
    ("Import order", "imported"),
    ("Newest first", "-imported"),
    ("Poor fit first", "alignment"),
    ("Last decided", "decided"),
]
_NAMES = {f.name for f in fields(Filters)}


def read(view: Mapping[str, Any]) -> tuple[Filters, Any]:
    """The filters and the order that a view's plain values mean; empty values do not narrow."""
    kept = {k: v for k, v in view.items() if k in _NAMES and v not in (None, "", False)}
    if "gate" in kept and "gate_state" not in kept:  # half a question narrows nothing yet
        del kept["gate"]
    if "lexicon_version" in kept:
        kept["lexicon_version"] = int(kept["lexicon_version"])
    return Filters(**kept), view.get("sort", START["sort"])


class FilterBar:
    """Controls above the queue. `view` (gr.State) keeps their values and the offset of the page."""

    read = staticmethod(read)

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.view = gr.State(dict(START))
        with gr.Row(elem_id="filters"):
            states = [(label, key) for key, (label, _) in show.STATES.items()]
            self.state = gr.Dropdown(
                [*states, ("All", "")], value="pending", label="Show", elem_id="f-state", min_width=60
            )
            self.sort = gr.Dropdown(SORTS, value=START["sort"], label="Order", elem_id="f-sort", min_width=60)
        self.text = gr.Textbox(
            label="Search",
            placeholder="Search prompt and report  ( / )",
            show_label=False,
            elem_id="f-text",
            max_lines=1,
        )
        with gr.Accordion("More filters", open=False, elem_id="f-more"):
            self.gate = gr.Dropdown([("Any", "")], value="", label="Evidence", min_width=60)
            marks = [(show.GATE_WORDS[s].capitalize(), s) for s in show.GATE_MARKS]
            self.gate_state = gr.Dropdown([("Any", ""), *marks], value="", label="is", min_width=60)
            self.finding = gr.Dropdown([("Any", "")], value="", label="Finding", min_width=60)
            self.method = gr.Dropdown([("Any", "")], value="", label="Method", min_width=60)
            self.lexicon = gr.Dropdown([("Any", "")], value="", label="Lexicon version", min_width=60)
            self.reviewer = gr.Dropdown([("Anyone", "")], value="", label="Decided by", min_width=60)
            self.free = gr.Checkbox(label="Held by nobody else", container=False)
            self.second = gr.Checkbox(label="My blind second readings", container=False)
            self.saved = gr.Dropdown([("None", "")], value="", label="Saved view", min_width=60)
            with gr.Row():
                self.name = gr.Textbox(placeholder="Name of this view", show_label=False, label="Name of this view")
                self.save = gr.Button("Save view", size="sm", min_width=60)
            self.batch = gr.Button("Approve all that is clear…", size="sm", elem_id="batch-open")

    def controls(self) -> dict[str, Any]:
        """View key -> control."""
        return {
            "state": self.state, "sort": self.sort, "text": self.text, "gate": self.gate, "gate_state": self.gate_state,
            "finding": self.finding, "method": self.method, "lexicon_version": self.lexicon, "reviewer": self.reviewer,
            "free": self.free, "second_reading": self.second,
        }  # fmt: skip

    def values(self, *given: Any) -> dict[str, Any]:
        """The controls' values as a view at its first page."""
        return {**dict(zip(self.controls(), given, strict=True)), "offset": 0}

    def choices(self, counts: Mapping[str, Any], views: list[Any]) -> dict[Any, Any]:
        """What can be chosen now, each with its number of records."""

        def with_counts(some: Mapping[str, int], first: str, name: Any = str) -> Any:
            return gr.update(choices=[(first, ""), *[(f"{name(k)} ({n})", k) for k, n in some.items()]])

        states = [(f"{label} ({counts['states'].get(key, 0)})", key) for key, (label, _) in show.STATES.items()]
        return {
            self.state: gr.update(choices=[*states, (f"All ({counts['total']})", "")]),
            self.gate: gr.update(choices=[("Any", ""), *[(show.title(g), g) for g in counts["gates"]]]),
            self.finding: with_counts(counts["findings"], "Any", show.title),
            self.method: with_counts(counts["methods"], "Any"),
            self.lexicon: with_counts(counts["lexicon_versions"], "Any", lambda v: f"v{v}"),
            self.reviewer: with_counts(counts["reviewers"], "Anyone"),
            self.saved: gr.update(choices=[("None", ""), *[(v["name"], v["name"]) for v in views]]),
        }

    def recall(self, name: str, role: str, request: gr.Request) -> dict[Any, Any]:
        """Set the controls as a saved view says."""
        views = self.shell.workbench.views(actor=self.shell.actor(request, role))
        chosen = next((v for v in views if v["name"] == name), None)
        kept = {**chosen["filters"], "sort": chosen["sort"]} if chosen else START
        blank = {"free": False, "second_reading": False, "sort": START["sort"]}
        return {control: kept.get(key, blank.get(key, "")) for key, control in self.controls().items()}

    def keep(self, name: str, view: dict[str, Any], role: str, request: gr.Request) -> dict[Any, Any]:
        """Save the filter in use under a name."""
        actor = self.shell.actor(request, role)
        filters, sort = read(view)
        self.shell.workbench.save_view(name.strip(), actor=actor, filters=filters, sort=cast(Any, sort))
        names = [v["name"] for v in self.shell.workbench.views(actor=actor)]
        return {
            self.saved: gr.update(choices=[("None", ""), *[(n, n) for n in names]]),
            **self.shell.say(f"View “{name.strip()}” saved."),
        }

    def wire(self, guard: Any) -> None:
        role = self.shell.role
        self.saved.input(
            guard(self.recall), [self.saved, role], [*self.controls().values(), self.shell.message], **QUICK
        )
        self.save.click(guard(self.keep), [self.name, self.view, role], [self.saved, self.shell.message], **QUICK)
