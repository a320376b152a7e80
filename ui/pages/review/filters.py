"""The filter of the queue: its controls, the ways into it, and what they mean as `Filters`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, cast, get_args

import gradio as gr

from ui import show
from ui.shell import Shell, Updates
from updp_core.domain import Actor, Audience
from updp_core.errors import UsageError
from updp_core.workbench import Counts, Filters

START: dict[str, Any] = {"state": "pending", "sort": "risk", "offset": 0}
SORTS = [
    ("Doubtful first", "risk"),
    ("Clear first", "-risk"),
    ("Flagged first", "flagged"),
    ("Import order", "imported"),
    ("Newest first", "-imported"),
    ("Poor fit first", "alignment"),
    ("Last decided", "decided"),
]
FLAGS = [
    ("Any", ""),
    ("With an open flag", "any"),
    ("Flagged for a radiologist", "radiologist"),
    ("Flagged for the privacy officer", "privacy-officer"),
]
_NAMES = {f.name for f in fields(Filters)}


def read(view: Mapping[str, Any]) -> tuple[Filters, Any]:
    """The filters and the order that a view's plain values mean; empty values do not narrow."""
    kept = {k: v for k, v in view.items() if k in _NAMES and v not in (None, "", False)}
    if "gate" in kept and "gate_state" not in kept:  # half a question narrows nothing yet
        del kept["gate"]
    if "lexicon_version" in kept:
        kept["lexicon_version"] = int(kept["lexicon_version"])
    if kept.get("state") == "waiting":
        kept |= {"state": "pending", "waiting": True}
    return Filters(**kept), view.get("sort", START["sort"])


def way_into(name: str, actor: Actor) -> dict[str, Any]:
    """The view behind one of the buttons above the queue: "review", "flagged" (for this role) or "second"."""
    if name == "second":
        return {"sort": "imported", "second_reading": True, "offset": 0}
    if name == "flagged":
        asked = actor.role if actor.role in get_args(Audience) else "any"
        return {"sort": "flagged", "flagged": asked, "offset": 0}
    return dict(START)


def way_of(view: Mapping[str, Any]) -> str:
    """Which of these buttons a view belongs to, "" for none."""
    if view.get("second_reading"):
        return "second"
    if view.get("flagged"):
        return "flagged"
    return "review" if view.get("state") == "pending" else ""


class FilterBar:
    """Controls above the queue. `view` (gr.State) keeps their values, the offset of the page, and under "saved" which
    saved view they stand for."""

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
        with gr.Accordion("More filters, views", open=False, elem_id="f-more"):
            self.saved = gr.Dropdown([("None", "")], value="", label="Saved view", min_width=60, elem_id="f-saved")
            self.flagged = gr.Dropdown(FLAGS, value="", label="Flag", min_width=60, elem_id="f-flagged")
            self.gate = gr.Dropdown([("Any", "")], value="", label="Evidence", min_width=60)
            marks = [(show.GATE_WORDS[s].capitalize(), s) for s in show.GATE_MARKS]
            self.gate_state = gr.Dropdown([("Any", ""), *marks], value="", label="is", min_width=60)
            self.finding = gr.Dropdown([("Any", "")], value="", label="Finding", min_width=60)
            self.method = gr.Dropdown([("Any", "")], value="", label="Method", min_width=60)
            self.lexicon = gr.Dropdown([("Any", "")], value="", label="Lexicon version", min_width=60)
            self.reviewer = gr.Dropdown([("Anyone", "")], value="", label="Decided by", min_width=60)
            self.free = gr.Checkbox(label="Held by nobody else", container=False)
            self.second = gr.Checkbox(label="My blind second readings", container=False)
            self.name = gr.Textbox(placeholder="Name of this view", show_label=False, label="Name of this view")
            self.share = gr.Checkbox(label="For everybody", container=False)
            with gr.Row():
                self.save = gr.Button("Save view", size="sm", min_width=60, elem_id="view-save")
                self.drop = gr.Button("Delete view", size="sm", min_width=60, elem_id="view-delete")
            self.batch = gr.Button("Approve all that is clear…", size="sm", elem_id="batch-open")
        shell.on(self.save.click, self.keep, [self.name, self.share, self.view], [self.saved, self.name, self.view])
        shell.on(self.drop.click, self.forget, [self.saved, self.view], [self.saved, self.view])

    def controls(self) -> dict[str, Any]:
        """View key -> control."""
        return {
            "state": self.state,
            "sort": self.sort,
            "text": self.text,
            "flagged": self.flagged,
            "gate": self.gate,
            "gate_state": self.gate_state,
            "finding": self.finding,
            "method": self.method,
            "lexicon_version": self.lexicon,
            "reviewer": self.reviewer,
            "free": self.free,
            "second_reading": self.second,
        }

    def menus(self) -> list[Any]:
        """Controls whose choices follow the workspace."""
        return [self.state, self.gate, self.finding, self.method, self.lexicon, self.reviewer, self.saved]

    def values(self, *given: Any) -> dict[str, Any]:
        """The controls' values as a view at its first page."""
        return {**dict(zip(self.controls(), given, strict=True)), "offset": 0}

    def put(self, view: Mapping[str, Any]) -> Updates:
        """The controls set as a view says, and the view itself."""
        blank = {"sort": START["sort"], "free": False, "second_reading": False}
        shown = {key: view.get(key, blank.get(key, "")) for key in self.controls()}
        shown["lexicon_version"] = str(shown["lexicon_version"])
        return {self.view: {**view, **shown, "offset": 0}, **{c: shown[key] for key, c in self.controls().items()}}

    def choices(self, actor: Actor, counts: Counts) -> Updates:
        """What can be chosen now, each with its number of records as `counts` has it."""
        bench = self.shell.workbench
        titles = {rule["name"]: rule["title"] for rule in bench.gate_rules(actor=actor)}

        def with_counts(some: Mapping[str, int], first: str, name: Any = str) -> Any:
            return gr.update(choices=[(first, ""), *[(f"{name(k)} ({n})", k) for k, n in some.items()]])

        number = {**counts["states"], "waiting": counts["waiting"]}
        states = [(f"{label} ({number.get(key, 0)})", key) for key, (label, _) in show.STATES.items()]
        doubtful = {g: sum(n for s, n in by.items() if s in ("warn", "block")) for g, by in counts["gates"].items()}
        return {
            self.state: gr.update(choices=[*states, (f"All ({counts['total']})", "")]),
            self.gate: gr.update(
                choices=[("Any", ""), *[(f"{titles.get(g, show.titled(g))} ({n} ▲)", g) for g, n in doubtful.items()]]
            ),
            self.finding: with_counts(counts["findings"], "Any", show.titled),
            self.method: with_counts(counts["methods"], "Any"),
            self.lexicon: with_counts(counts["lexicon_versions"], "Any", lambda v: f"v{v}"),
            self.reviewer: with_counts(counts["reviewers"], "Anyone"),
            self.saved: gr.update(choices=self._views(actor)),
        }

    def _views(self, actor: Actor) -> list[tuple[str, str]]:
        """Saved views as (label, key): one's own by name, those of others with theirs."""
        rows = self.shell.workbench.views(actor=actor)
        return [
            ("None", ""),
            *[
                (row["name"] if row["owner"] == actor.name else f"{row['name']} ({row['owner']})", _key(row))
                for row in rows
            ],
        ]

    def recall(self, key: str, actor: Actor) -> dict[str, Any]:
        """The view that is saved under a key of `saved`."""
        rows = self.shell.workbench.views(actor=actor)
        chosen = next((row for row in rows if _key(row) == key), None)
        return {**chosen["filters"], "sort": chosen["sort"], "offset": 0} if chosen else dict(START)

    def keep(self, actor: Actor, name: str, share: bool, view: dict[str, Any]) -> Updates:
        """Save the filter in use under a name."""
        filters, sort = read(view)
        self.shell.workbench.save_view(name.strip(), actor=actor, filters=filters, sort=cast(Any, sort), shared=share)
        kept = _key({"owner": actor.name, "name": name.strip()})
        return {
            self.saved: gr.update(choices=self._views(actor), value=kept),
            self.view: {**view, "saved": kept},
            self.name: "",
            **self.shell.say(f"View “{name.strip()}” saved."),
        }

    def forget(self, actor: Actor, key: str, view: Mapping[str, Any]) -> Updates:
        """Delete the saved view that is chosen."""
        owner, _, name = (key or "").partition("\n")
        if not name:
            raise UsageError("Choose a saved view first.")
        if owner != actor.name:
            raise UsageError(f"This view belongs to {owner}.")
        self.shell.workbench.delete_view(name, actor=actor)
        return {
            self.saved: gr.update(choices=self._views(actor), value=""),
            self.view: {**view, "saved": ""},
            **self.shell.say(f"View “{name}” deleted."),
        }


def _key(view: Mapping[str, Any]) -> str:
    return f"{view['owner']}\n{view['name']}"
