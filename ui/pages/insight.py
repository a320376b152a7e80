"""Insight: one page of plots over the whole workspace, without patient data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import plots, show
from ui.pages.page import Page
from ui.shell import Screen, Shell, Updates
from ui.show import answers, arena
from updp_core.domain import Actor
from updp_core.workbench import GateRule

SHOWN = 6
"""Pairs beyond a gate's limit that are named below its plot."""
ABOUT = {"record", "candidate", "method", "lexicon_version", "state"}
PARTS = {"encoder": "Encoder", "generator": "Generator", "judges": "Judges"}
SAVE_JS = """
element.addEventListener("click", (e) => {
  const b = e.target.closest("[data-save]"); if (!b) return;
  const svg = b.closest("figure").querySelector("svg"), copy = svg.cloneNode(true);
  const ink = "<style>text{font:11px sans-serif;fill:#222}.grid{stroke:#ccc}.fill{fill:#0072B2}"
    + ".limit{stroke:#b00020;stroke-dasharray:4 3}</style>";
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
        rules = {rule["name"]: rule for rule in self.bench.gate_rules(actor=actor)}
        found = charts(self.bench.insight(actor=actor), rules)
        measured = self.bench.evaluation(actor=actor)
        said = answers.answers(self.bench.answers(actor=actor), measured)
        methods = arena.section(self.bench.arena(actor=actor))
        return {self.charts: said + found + methods + models(measured)}


def charts(data: Mapping[str, Any], rules: Mapping[str, GateRule]) -> Markup:
    """All plots of the workspace's numbers; `rules` are the gates as they are set, by name."""
    if not data["candidates"]:
        return show.empty("Nothing to plot yet.", "Plots appear when pairs have been made.")
    return show.render("insight/charts.html", figures=list(_figures(data, rules)))


def _figures(data: Mapping[str, Any], rules: Mapping[str, GateRule]) -> Iterator[Markup]:
    both: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    gates: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for row in data["candidates"]:
        if row.get("identity_similarity") is not None and row.get("prompt_score") is not None:
            both[row["method"]].append((row["identity_similarity"], row["prompt_score"], row["record"]))
        for name, value in row.items():
            if name not in ABOUT and isinstance(value, int | float):
                gates[name].append((float(value), row["record"]))
    days: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for d in data["decisions"]:
        days[d["day"][5:]][d["verdict"]] += d["count"]
    if both:
        limits = [rules[name]["limit"] if name in rules else None for name in ("identity_similarity", "prompt_score")]
        chart = plots.scatter(both, "likeness to the patient", "fit of image and prompt", *limits)
        note = (
            "Left is more private; up is more useful. The dashed lines are the gates' limits; a point opens its pair."
        )
        yield plots.figure("Privacy against use", chart, note)
    if days:
        yield plots.figure("Verdicts by day", plots.columns(list(days.items()), "verdicts"))
    hours = [(r["hour"][-2:] + " h", {"pairs": r["generated"]}) for r in data["throughput"]]
    yield plots.figure("Pairs made by hour", plots.columns(hours, "pairs"))
    versions = [(f"v{r['version']}", {"void": r["voided"]}) for r in data["lexicon"]]
    note = "Versions of pairs that hold something which this lexicon forbids."
    yield plots.figure("Effect of each lexicon version", plots.columns(versions, "void"), note)
    for name, measured in gates.items():
        values, rule = [value for value, _ in measured], rules.get(name)
        limit = rule["limit"] if rule else None
        beyond = outside(measured, rule)
        if len(set(values)) > 1 or beyond:
            title = rule["title"] if rule else show.titled(name)
            chart = plots.histogram(values, title, limit)
            listed = show.render("insight/beyond.html", records=beyond[:SHOWN], number=len(beyond), rule=rule)
            yield plots.figure(title, chart, show.counted(len(values), "pair"), listed)


def outside(measured: Sequence[tuple[float, str]], rule: GateRule | None) -> list[str]:
    """The records whose value (value, record) lies beyond the gate's limit, the worst first."""
    if rule is None:
        return []
    above, limit = rule["worse"] == "above", rule["limit"]
    beyond = [(value, record) for value, record in measured if (value > limit if above else value < limit)]
    return [record for _, record in sorted(beyond, reverse=above)]


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
