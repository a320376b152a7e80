"""The starter models' measured figures, as one table for the model cards, the command line and the app.

`evaluation.json` lies beside the models and is written by `python -m updp_core evaluate starter --write`; the cards'
tables are made of the same file, so that they cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from updp_core.config import STARTER

NAME = "evaluation.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
Part = Literal["encoder", "generator", "judges"]
Unit = Literal["", "share", "score", "seconds", "MiB"]


@dataclass(frozen=True)
class Measure:
    """One figure: its place in the result, what it is in words, and the bar that it is held to."""

    name: str
    part: Part
    words: str
    sense: Literal["at least", "at most", ""] = ""
    bar: float = 0.0
    unit: Unit = ""


MEASURES: tuple[Measure, ...] = (
    Measure(
        "zero_shot_auc",
        "encoder",
        "Findings named by the encoder, zero-shot (AUC, mean over findings)",
        "at least",
        0.95,
    ),
    Measure("finding_auc.original", "judges", "Findings on originals (AUC, mean over findings)", "at least", 0.97),
    Measure(
        "identity_accuracy.original",
        "judges",
        "Patient recognised, originals of later visits",
        "at least",
        0.97,
        "share",
    ),
    Measure("identity_accuracy.chance", "judges", "Patient recognised by chance alone", unit="share"),
    Measure(
        "finding_auc.updp", "generator", "Findings on UPDP images (AUC against the source's findings)", "at least", 0.92
    ),
    Measure(
        "finding_auc.updp_of_original",
        "generator",
        "The same, as a share of that on originals",
        "at least",
        0.95,
        "share",
    ),
    Measure("finding_auc.raw_report", "generator", "Findings on images drawn from the unfiltered report (AUC)"),
    Measure("identity_accuracy.updp", "generator", "Patient recognised, UPDP images", "at most", 0.0457, "share"),
    Measure(
        "identity_accuracy.raw_report",
        "generator",
        "Patient recognised, images drawn from the unfiltered report",
        unit="share",
    ),
    Measure(
        "identity_accuracy.findings_alone",
        "generator",
        "Patient recognised by the findings in the reports alone, without any image",
        unit="share",
    ),
    Measure(
        "identity_accuracy.same_findings",
        "generator",
        "Patient recognised, UPDP images, among those who have had the same findings, sides, zones and severities: "
        "what is left is anatomy",
        unit="share",
    ),
    Measure("identity_accuracy.same_findings_chance", "generator", "The same by chance alone", unit="share"),
    Measure(
        "reid_auc_retrained",
        "generator",
        "UPDP image linked to another visit of its patient by an attacker retrained on UPDP images (AUC)",
        "at most",
        0.55,
    ),
    Measure(
        "reid_auc_same_findings",
        "generator",
        "The same, compared only among visits with the same findings, sides, zones and severities: what is left is "
        "anatomy (AUC)",
    ),
    Measure(
        "reid_auc_findings_alone",
        "generator",
        "Visits linked by the findings in their reports alone, without any image (AUC)",
    ),
    Measure(
        "nearest_neighbour",
        "generator",
        "Images nearer to a training image than training images are to each other (1st percentile)",
        "at most",
        0.0,
        "share",
    ),
    Measure(
        "nearest_neighbour_unseen",
        "generator",
        "The same of original images of held-out patients, which nothing was trained on",
        unit="share",
    ),
    Measure("prompt_score.random", "generator", "Prompt score: random words", unit="score"),
    Measure("prompt_score.random_updp", "generator", "Prompt score: random words, UPDP", unit="score"),
    Measure("prompt_score.raw_report", "generator", "Prompt score: unfiltered report", unit="score"),
    Measure("prompt_score.raw_report_updp", "generator", "Prompt score: report, UPDP", unit="score"),
    Measure(
        "autoencoder_ssim.phantom",
        "generator",
        "Autoencoder, likeness of reconstructed phantoms (SSIM)",
        "at least",
        0.95,
    ),
    Measure(
        "autoencoder_ssim.real",
        "generator",
        "Autoencoder, likeness of reconstructed real radiographs (SSIM)",
        "at least",
        0.85,
    ),
    Measure("seconds_per_pair", "generator", "Time for one pair on 2 cores", "at most", 5.0, "seconds"),
    Measure("processor_seconds_per_pair", "generator", "Processor time for one pair, all cores added", unit="seconds"),
    Measure("weights_mib", "generator", "All starter models together", "at most", 64.0, "MiB"),
)
ORDER = "prompt_score_order_holds"


def value_of(result: Mapping[str, Any], name: str) -> Any:
    """A figure of a result by its dotted name; None where it was not measured."""
    group, _, part = name.partition(".")
    if name == "finding_auc.updp_of_original":
        auc = result.get("finding_auc", {})
        updp, original = auc.get("updp"), auc.get("original")
        return round(updp / original, 4) if updp and original else None
    return (result.get(group) or {}).get(part) if part else result.get(group)


def missed(result: Mapping[str, Any]) -> list[str]:
    """The bars that a result does not reach, by name; of a complete result a figure that lacks is missed too."""
    out = [m.name for m in MEASURES if m.sense and _misses(m, result)]
    order = result.get(ORDER)
    return out if order or (order is None and not result.get("complete")) else [*out, ORDER]


def _misses(measure: Measure, result: Mapping[str, Any]) -> bool:
    value = value_of(result, measure.name)
    if value is None:
        return bool(result.get("complete"))
    return bool(value < measure.bar if measure.sense == "at least" else value > measure.bar)


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table: [{"name", "part", "measure", "value", "interval", "bar", "n", "missed"}], all but the last in words.

    `missed` is None where there is no bar or nothing was measured.
    """
    out = []
    for m in MEASURES:
        value = value_of(result, m.name)
        if value is None and not result.get("complete"):
            continue
        ends = result.get("intervals", {}).get(m.name)
        spread = f"{_said(ends[0], m.unit)} to {_said(ends[1], m.unit)}" if ends and ends[0] != ends[1] else ""
        counted = result.get("n", {}).get(m.name) or {}
        out.append(
            {
                "name": m.name,
                "part": m.part,
                "measure": m.words,
                "value": "not measured" if value is None else _said(value, m.unit),
                "interval": spread,
                "bar": f"{m.sense} {_said(m.bar, m.unit)}" if m.sense else "",
                "n": ", ".join(f"{count:,} {unit.replace('_', ' ')}" for unit, count in counted.items()),
                "missed": None if not m.sense else True if value is None else _misses(m, result),
            }
        )
    if (order := result.get(ORDER)) is not None:
        out.append(
            {
                "name": ORDER,
                "part": "generator",
                "measure": "Order of the four prompt scores above",
                "value": "rising" if order else "not rising",
                "interval": "",
                "bar": "rising",
                "n": "",
                "missed": not order,
            }
        )
    return out


def _said(value: float, unit: Unit) -> str:
    if unit == "share":
        return f"{100 * value:.2f}".rstrip("0").rstrip(".") + "%"
    if unit == "score":
        return f"{value:.1f}"
    if unit == "seconds":
        return f"{value:.2f} s"
    if unit == "MiB":
        return f"{value:.1f} MiB"
    return f"{value:.3f}"


def how(result: Mapping[str, Any]) -> str:
    """How a result was measured, in sentences."""
    form = "--quick" if result.get("quick") else f"--scale {result.get('scale'):g}"
    if result.get("population") == "enriched":
        form += " --population enriched"
    whom = {
        "clinical": " Findings are measured on patients among whom each is frequent; the patients whom the attackers "
        "look for have findings as common as on real films, since a rare one gives its owner away by itself.",
        "enriched": " Each finding is frequent among the patients, also among those whom the attackers look for.",
    }.get(result.get("population", ""), "")
    small = " The samples are small: read the intervals." if result.get("quick") else ""
    return (
        "Held-out phantom patients (seeds from 9,000,000, never trained or tuned on), measured on "
        f"{result['date']} by `python -m updp_core evaluate starter {form} --seed {result['seed']}`.{whom}{small} "
        "Intervals are 95%: bootstrap over patients, Wilson's for shares."
    )


def markdown(result: Mapping[str, Any], part: Part) -> str:
    """The part of a model's card between the two marks."""
    lines = [how(result), "", "| measure | value | 95% interval | bar | measured on |", "|---|---|---|---|---|"]
    for row in (row for row in rows(result) if row["part"] == part):
        bar = row["bar"] + (", **missed**" if row["missed"] else ", reached" if row["bar"] else "")
        lines.append(f"| {row['measure']} | {row['value']} | {row['interval']} | {bar} | {row['n']} |")
    return "\n".join(lines)


def read(models: Path = STARTER) -> dict[str, Any] | None:
    """The result that lies beside the models, or None."""
    file = models / NAME
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def write(result: Mapping[str, Any], models: Path = STARTER) -> list[Path]:
    """Write the result beside the models and into their cards; returns the files written.

    A card without marks gets the table under its heading "Measured", before what stands there.
    """
    out = [models / NAME]
    out[0].write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for part in get_args(Part):
        card = models / part / "README.md"
        if card.is_file():
            text = card.read_text(encoding="utf-8")
            card.write_text(with_table(text, markdown(result, part)), encoding="utf-8")
            out.append(card)
    return out


def with_table(card: str, table: str) -> str:
    """A card with `table` between its marks."""
    block = f"{BEGIN}\n{table}\n{END}"
    if BEGIN in card and END in card:
        before, _, rest = card.partition(BEGIN)
        return before + block + rest.partition(END)[2]
    heading = "## Measured\n"
    before, found, after = card.partition(heading)
    return f"{before}{heading}\n{block}\n{after}" if found else f"{card.rstrip()}\n\n{heading}\n{block}\n"


def table_in(card: str) -> str:
    """What stands between a card's marks."""
    return card.partition(BEGIN)[2].partition(END)[0].strip()
