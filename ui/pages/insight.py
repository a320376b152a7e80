"""Insight: one page of plots over the whole workspace, without patient data."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import gradio as gr

from ui import plots
from ui.shell import Shell
from ui.show import review as base
from ui.show.pages import Cell, table

ABOUT = {"record", "candidate", "method", "lexicon_version", "state"}
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


def page(data: Mapping[str, Any]) -> str:
    """All plots of the workspace's numbers."""
    candidates = data["candidates"]
    if not candidates:
        return base.empty("Nothing to plot yet.", "Plots appear when pairs have been made.")
    both: dict[str, list[tuple[float, float]]] = defaultdict(list)
    gates: dict[str, list[float]] = defaultdict(list)
    for row in candidates:
        if row.get("identity_similarity") is not None and row.get("prompt_score") is not None:
            both[row["method"]].append((row["identity_similarity"], row["prompt_score"]))
        for name, value in row.items():
            if name not in ABOUT and isinstance(value, int | float):
                gates[name].append(float(value))
    days: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for d in data["decisions"]:
        days[d["day"][5:]][d["verdict"]] += d["count"]
    out = []
    if both:
        chart = plots.scatter(both, "likeness to the patient", "fit of image and prompt")
        out.append(plots.figure("Privacy against use", chart, "Left is more private; up is more useful."))
    if days:
        out.append(plots.figure("Verdicts by day", plots.columns(list(days.items()), "verdicts")))
    hours = [(r["hour"][-2:] + " h", {"pairs": r["generated"]}) for r in data["throughput"]]
    out.append(plots.figure("Pairs made by hour", plots.columns(hours, "pairs")))
    versions = [(f"v{r['version']}", {"void": r["voided"]}) for r in data["lexicon"]]
    note = "Versions of pairs that hold something which this lexicon forbids."
    out.append(plots.figure("Effect of each lexicon version", plots.columns(versions, "void"), note))
    out += [
        plots.figure(base.title(name), plots.histogram(values, base.words(name)), f"{len(values)} pairs")
        for name, values in gates.items()
        if len(set(values)) > 1
    ]
    agreement = data["agreement"]
    said = "No pair has been read twice yet."
    if agreement.get("pairs"):
        kappa = agreement.get("kappa")
        said = f"{agreement['pairs']} pairs read twice; the readers agree on {agreement['agree']}"
        said += f"; Cohen's kappa {kappa:.2f}." if kappa is not None else "."
    return f'<p class="notice">{base.esc(said)}</p><div class="plots">{"".join(out)}</div>'


PARTS = {"encoder": "Encoder", "generator": "Generator", "judges": "Judges"}


def models(data: Mapping[str, Any]) -> str:
    """What was measured of the starter models: the table, how it came about, and whether it speaks of those in use."""
    heading = '<h2 id="models-measured">Starter models: what was measured</h2>'
    if not data["rows"]:
        nothing = "Nothing was measured of these models yet."
        return heading + base.empty(nothing, "Run: python -m updp_core evaluate starter --write")
    shown = [
        (
            PARTS[row["part"]], row["measure"], row["value"], row["interval"] or "–", row["bar"] or "–",
            _verdict(row["missed"]), row["n"] or "–",
        )
        for row in data["rows"]
    ]  # fmt: skip
    heads = ("model", "measure", "value", "95% interval", "bar", "bar is", "measured on")
    used = [
        (PARTS[m["part"]], Cell(f"<code>{base.esc(m['measured'][:12]) or '–'}</code>"), _used(m))
        for m in data["models"]
    ]
    away = [PARTS[m["part"]].lower() for m in data["models"] if not m["same"]]
    warning = ""
    if away:
        which = base.esc(", ".join(away))
        warning = f'<p class="notice" role="note">▲ Not measured: another version is in use here ({which}). '
        warning += "The figures below speak of the versions that were measured.</p>"
    short = len(data["missed"])
    said = f"{short} of {sum(row['missed'] is not None for row in data['rows'])} bars are missed." if short else ""
    return (
        f"{heading}{warning}<p>{_prose(data['how'])} {base.esc(said or 'All bars are reached.')}</p>"
        f"{table(heads, shown, 'Measured figures of the starter models')}"
        f"<h3>Which versions</h3>{table(('model', 'measured (SHA-256)', 'in use here'), used, 'Versions measured')}"
    )


def _prose(text: str) -> str:
    """Text with what stands between backticks as code."""
    return re.sub("`([^`]*)`", r"<code>\1</code>", base.esc(text))


def _verdict(missed: bool | None) -> Cell:
    if missed is None:
        return Cell("–")
    return Cell('<strong class="missed">✕ missed</strong>' if missed else "✓ reached")


def _used(model: Mapping[str, Any]) -> Cell:
    if model["same"]:
        return Cell("✓ the same")
    return Cell(
        f"▲ another version, <code>{base.esc(model['used'][:12])}</code>" if model["used"] else "▲ another model"
    )


class Insight:
    """The page's handler."""

    charts: Any
    shown: Any

    def __init__(self, shell: Shell) -> None:
        self.shell = shell

    def look(self, role: str, request: gr.Request) -> dict[Any, Any]:
        actor, bench = self.shell.actor(request, role), self.shell.workbench
        return {self.charts: page(bench.insight(actor=actor)) + models(bench.evaluation(actor=actor))}


def build(shell: Shell) -> Insight:
    """The page."""
    made = Insight(shell)
    with gr.Column(elem_classes=["page", "pane", "wide"]):
        made.charts = gr.HTML(elem_id="insight", apply_default_css=False, js_on_load=SAVE_JS)
    made.shown = [made.charts, shell.message]
    return made
