"""The starter models' measured figures, as one table for the model cards, the command line and the app.

`evaluation.json` lies beside the models and is written by `python -m updp_core evaluate starter --write`; the cards'
tables are made of the same file, so that they cannot disagree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from updp_core.config import STARTER
from updp_core.evaluation.measures import Part, Unit
from updp_core.evaluation.suites import SUITES, Bar, Suite

NAME = "evaluation.json"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"


def suite_of(result: Mapping[str, Any]) -> Suite:
    """The suite that gave a result."""
    return SUITES[result.get("suite", "starter")]


def missed(result: Mapping[str, Any]) -> list[str]:
    """The bars that a result does not reach, by name; of a complete result a figure that is missing is missed too."""
    suite = suite_of(result)
    return [f.name for f in suite.figures if f.bar and _misses(f.name, f.bar, suite.value(result, f), result)]


def _misses(name: str, bar: Bar, value: float | None, result: Mapping[str, Any]) -> bool:
    if value is None:
        return bool(result.get("complete"))
    return bar.missed_by(value, result.get("intervals", {}).get(name))


def rows(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The table: [{"name", "part", "measure", "value", "interval", "chance", "bar", "n", "missed"}], all in words but
    the last.

    `missed` is None where there is no bar.
    """
    out, suite = [], suite_of(result)
    for figure in suite.figures:
        value, unit = suite.value(result, figure), figure.unit
        if value is None and not result.get("complete"):
            continue
        ends = result.get("intervals", {}).get(figure.name)
        chance = result.get("chance", {}).get(figure.name)
        spread = f"{_in_words(ends[0], unit)} to {_in_words(ends[1], unit)}" if ends and ends[0] != ends[1] else ""
        counted = result.get("n", {}).get(figure.name) or {}
        out.append(
            {
                "name": figure.name,
                "part": figure.part,
                "measure": figure.words,
                "value": _unmeasured(result, figure.name) if value is None else _in_words(value, unit),
                "interval": spread,
                "chance": "" if chance is None else _in_words(chance, unit),
                "bar": _bar_in_words(figure.bar, unit) if figure.bar else "",
                "n": ", ".join(f"{count:,} {unit.replace('_', ' ')}" for unit, count in counted.items()),
                "missed": _misses(figure.name, figure.bar, value, result) if figure.bar else None,
            }
        )
    return out


def _unmeasured(result: Mapping[str, Any], name: str) -> str:
    lacking = result.get("needs", {}).get(name)
    return f"not measured: needs {lacking}" if lacking else "not measured"


def _bar_in_words(bar: Bar, unit: Unit) -> str:
    end = {"value": "", "low": ", lower end", "high": ", upper end"}[bar.of]
    return "rising" if unit == "order" else f"{bar.sense} {_in_words(bar.value, unit)}{end}"


def _in_words(value: float, unit: Unit) -> str:
    if unit == "order":
        return "rising" if value else "not rising"
    if unit == "seen":
        return "seen" if value else "not seen"
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
    if result.get("source") == "own":
        return (
            f"One's own texts or studies, measured on {result['date']}. Intervals are 95%: bootstrap over patients, "
            "Wilson's for shares."
        )
    command = f"python -m updp_core evaluate {suite_of(result).name} {form} --seed {result['seed']}"
    return (
        "Held-out phantom patients (seeds from 9,000,000, never trained or tuned on), measured on "
        f"{result['date']} by `{command}`.{whom}{small} "
        "Intervals are 95%: bootstrap over patients, Wilson's for shares."
    )


def report(result: Mapping[str, Any]) -> str:
    """A suite's result as a page of Markdown."""
    where = (
        f"Software {result['software']}; {result['hardware']}; {result['minutes']:g} minutes; seed {result['seed']}."
    )
    lines = [f"# Evaluation: {result['suite']}", "", suite_of(result).title, "", how(result), where, ""]
    lines += ["| measure | value | 95% interval | chance | bar | measured on |", "|---|---|---|---|---|---|"]
    for row in rows(result):
        bar = row["bar"] + (", **missed**" if row["missed"] else ", reached" if row["bar"] else "")
        cells = (row["measure"], row["value"], row["interval"], row["chance"], bar, row["n"])
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
