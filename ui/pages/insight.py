"""Insight: one page of plots over the whole workspace, without patient data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import plots, show
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.show import answers, arena
from updp_core.domain import Actor

ABOUT = {"record", "candidate", "method", "lexicon_version", "state"}
PARTS = {"encoder": "Encoder", "generator": "Generator", "judges": "Judges"}
SAVE_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-save]"); if (!b) return;
  const svg = b.closest("figure").querySelector("svg"), copy = svg.cloneNode(true);
  const ink = "<style>text{font:11px sans-serif;fill:#222}.grid{stroke:#ccc}.fill{fill:#0072B2}</style>";
  copy.insertAdjacentHTML("afterbegin", ink + "<rect width='100%' height='100%' fill='#fff'/>");
  const link = Object.assign(document.createElement("a"), { download: b.dataset.save + ".svg" });
  link.href = URL.createObjectURL(new Blob([copy.outerHTML], { type: "image/svg+xml" }));
  link.click(); URL.revokeObjectURL(link.href);
});
"""


class Insight(Page):
    """Plots of the workspace's numbers, and what was measured of the starter models."""

    title, key = "Insight", "insight"

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        with gr.Column(elem_classes=["page", "pane", "wide"]):
            self.charts = shell.part(elem_id="insight", js=SAVE_JS)
        self.shown = [self.charts]

    def look(self, actor: Actor, screen: Screen) -> Updates:
        titles = {rule["name"]: rule["title"] for rule in self.bench.gate_rules(actor=actor)}
        found = charts(self.bench.insight(actor=actor), titles)
        measured = self.bench.evaluation(actor=actor)
        said = answers.answers(self.bench.answers(actor=actor), measured)
        methods = arena.section(self.bench.arena(actor=actor))
        return {self.charts: said + found + methods + models(measured)}


def charts(data: Mapping[str, Any], titles: Mapping[str, str]) -> Markup:
    """All plots of the workspace's numbers; `titles` are the gates' names for people."""
    if not data["candidates"]:
        return show.empty("Nothing to plot yet.", "Plots appear when pairs have been made.")
    return show.render("insight/charts.html", figures=list(_figures(data, titles)))


def _figures(data: Mapping[str, Any], titles: Mapping[str, str]) -> Iterator[Markup]:
    both: dict[str, list[tuple[float, float]]] = defaultdict(list)
    gates: dict[str, list[float]] = defaultdict(list)
    for row in data["candidates"]:
        if row.get("identity_similarity") is not None and row.get("prompt_score") is not None:
            both[row["method"]].append((row["identity_similarity"], row["prompt_score"]))
        for name, value in row.items():
            if name not in ABOUT and isinstance(value, int | float):
                gates[name].append(float(value))
    days: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for d in data["decisions"]:
        days[d["day"][5:]][d["verdict"]] += d["count"]
    if both:
        chart = plots.scatter(both, "likeness to the patient", "fit of image and prompt")
        yield plots.figure("Privacy against use", chart, "Left is more private; up is more useful.")
    if days:
        yield plots.figure("Verdicts by day", plots.columns(list(days.items()), "verdicts"))
    hours = [(r["hour"][-2:] + " h", {"pairs": r["generated"]}) for r in data["throughput"]]
    yield plots.figure("Pairs made by hour", plots.columns(hours, "pairs"))
    versions = [(f"v{r['version']}", {"void": r["voided"]}) for r in data["lexicon"]]
    note = "Versions of pairs that hold something which this lexicon forbids."
    yield plots.figure("Effect of each lexicon version", plots.columns(versions, "void"), note)
    for name, values in gates.items():
        if len(set(values)) > 1:
            title = titles.get(name) or show.titled(name)
            yield plots.figure(title, plots.histogram(values, title), f"{len(values)} pairs")


def models(measured: Mapping[str, Any]) -> Markup:
    """What was measured of the starter models, and whether it speaks of those in use."""
    short, bars = len(measured["missed"]), sum(row["missed"] is not None for row in measured["rows"])
    return show.render(
        "insight/models.html",
        measured=measured,
        PARTS=PARTS,
        away=[PARTS[m["part"]].lower() for m in measured["models"] if not m["same"]],
        said=f"{short} of {bars} bars are missed." if short else "All bars are reached.",
    )
