"""What is known about a pair: gates and their place among all pairs, findings, versions side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui import plots
from ui.show import counted, empty, render, titled

ORDER = {"block": 0, "warn": 1, "clear": 2}
SEEN = 0.5
"""The probability from which a judge is said to see a finding."""


def gates(
    rows: Sequence[Mapping[str, Any]], values: Mapping[str, Sequence[float]], leave_out: Sequence[str] = ()
) -> str:
    """Every gate; those that are not clear stand open. `values` are those of all pairs, gate by gate, `leave_out` the
    findings without which the combination is not rare: a button has the pair made again so."""
    if not rows:
        return empty("No evidence yet.", "It is measured when a synthetic image has been made.")
    measured = sorted((r for r in rows if r["state"] in ORDER), key=lambda r: ORDER[r["state"]])

    def placed(row: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, str]:
        all_pairs = values.get(row["name"], ())
        plot = plots.place(all_pairs, row["value"], row["threshold"])
        return row, _place(all_pairs, row["value"]), plot

    return render(
        "review/gates.html",
        measured=[placed(row) for row in measured],
        missing=[r for r in rows if r["state"] not in ORDER],
        clear=sum(row["state"] == "clear" for row in rows),
        total=len(rows),
        leave_out=[titled(name).lower() for name in leave_out],
    )


def _place(values: Sequence[float], here: Any) -> str:
    """Where a measure lies among all pairs, in words; "" where that says nothing."""
    numbers = [v for v in values if isinstance(v, int | float)]
    if len(numbers) < 5 or not isinstance(here, float) or len(set(numbers)) < 3:
        return ""
    lower, higher = sum(v < here for v in numbers), sum(v > here for v in numbers)
    if not lower or not higher:
        return f"the {'lowest' if not lower else 'highest'} of {len(numbers)} pairs"
    return f"higher than in {lower} of {len(numbers)} pairs"


def contact_sheet(rows: Sequence[Mapping[str, Any]], pictures: Mapping[int, str], current: int | None) -> str:
    """All versions of a pair, each with the gates that are not clear; a click or its digit makes one current."""
    if len(rows) < 2:
        return empty("One version so far.", "G makes others: with new seeds, other settings or another method.")

    def version(row: Mapping[str, Any]) -> tuple[Any, ...]:
        doubtful = [g for g in row["gates"] if g["state"] in ("block", "warn")]
        clear = sum(g["state"] == "clear" for g in row["gates"])
        return row, pictures.get(row["candidate"]), sorted(doubtful, key=lambda g: ORDER[g["state"]]), clear

    return render("review/contact_sheet.html", versions=[version(row) for row in rows], current=current)


def methods(
    record: str = "",
    rows: Sequence[Mapping[str, Any]] = (),
    newest: Mapping[str, Mapping[str, Any]] | None = None,
    pictures: Mapping[str, str] | None = None,
    original: str = "",
    busy: bool = False,
    drawn: int = 0,
) -> str:
    """Each method with its slider, what it hides and not, and its newest version of this pair with all gates.

    `drawn` tells one drawing of the same cards from another, since a script has disabled their buttons.
    """
    cards = [_method(row, (newest or {}).get(row["name"]), (pictures or {}).get(row["name"], "")) for row in rows]
    return render("review/methods.html", record=record, cards=cards, original=original, busy=busy, drawn=drawn)


def _method(row: Mapping[str, Any], version: Mapping[str, Any] | None, picture: str) -> dict[str, Any]:
    sliders = []
    for slider in row["sliders"]:
        made = version and _set_to(version["settings"], slider["name"])
        now = slider["value"] if made is None else made
        low, high = min(slider["low"], now), max(slider["high"], now)
        sliders.append({**slider, "made": made, "now": now, "low": low, "high": high})
    gates_ = version["gates"] if version else ()
    measured = [gate for gate in gates_ if gate["state"] in ORDER]
    leaves = version["releasable"] if version else row["leaves"]
    stays = "" if leaves else "stays in the house: the policy does not let it out"
    return {
        "method": row,
        "version": version,
        "sliders": sliders,
        "picture": picture,
        "measured": measured,
        "missing": len(gates_) - len(measured),
        "stays": stays if row["releasable"] else "for comparison only, never released",
    }


def _set_to(settings: Mapping[str, Any], name: str) -> Any:
    """The value of a setting, by its dotted name, in what is recorded with a candidate; None where it is not."""
    value: Any = settings
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def strip(rows: Sequence[Mapping[str, Any]], pictures: Mapping[int, str], current: int | None) -> list[dict[str, Any]]:
    """Versions as small pictures beside the original, each with how many of its gates are not clear."""
    if len(rows) < 2:
        return []

    def version(row: Mapping[str, Any]) -> dict[str, Any]:
        doubtful = sum(g["state"] in ("block", "warn") for g in row["gates"])
        mark = "✓ " if row["candidate"] == current else ""
        text = f"{mark}{'▲' + str(doubtful) if doubtful else 'clear'}"
        title = f"Version {row['candidate']}, {row['method']}: {counted(doubtful, 'warning')}"
        title += ", the current one" if mark else ", look at it beside the original"
        return {"candidate": row["candidate"], "src": pictures[row["candidate"]], "text": text, "title": title}

    return [version(row) for row in rows]


def _by_interest(value: Mapping[str, Any]) -> list[str]:
    """Every finding that is named or judged: lost and invented ones first, then stated ones, then the likeliest."""
    report, original, synthetic = (value.get(side) or {} for side in ("report", "original", "synthetic"))
    odd = {*value.get("lost", ()), *value.get("invented", ())}
    most = {n: max(original.get(n, 0.0), synthetic.get(n, 0.0)) for n in {*report, *original, *synthetic}}
    return sorted(most, key=lambda n: (n not in odd, report.get(n) != "present", -most[n], n))


def to_map(evidence: Mapping[str, Any]) -> list[dict[str, str]]:
    """Findings that the classifier knows, as a choice for the heat map: [{"name", "text"}], most telling first."""
    value = evidence.get("findings") or {}
    original, synthetic = value.get("original") or {}, value.get("synthetic") or {}
    remarks = {n: word for word in ("lost", "invented") for n in value.get(word, ())}
    return [
        {
            "name": name,
            "text": f"{titled(name)}: {_percent(original.get(name))} → {_percent(synthetic.get(name))}"
            + (f", {remarks[name]}" if name in remarks else ""),
        }
        for name in _by_interest(value)
        if name in synthetic
    ]


def findings(evidence: Mapping[str, Any]) -> str:
    """What is seen in the original, said in the report, and seen in the synthetic image."""
    value = evidence.get("findings") or {}
    report, original, synthetic = (value.get(side) or {} for side in ("report", "original", "synthetic"))
    seen = {n for side in (original, synthetic) for n, p in side.items() if p >= SEEN}
    names = [name for name in _by_interest(value) if name in report or name in seen]
    if not names:
        return empty("No finding.", "Neither the report nor the judges name one.")
    remarks = {n: f"▲ {word}" for word in ("invented", "lost") for n in value.get(word, ())}
    for name in names:  # a judge that is blind to a finding cannot tell whether it was lost
        blind = all(name in side and side[name] < SEEN for side in (original, synthetic))
        if blind and report.get(name) == "present":
            remarks.setdefault(name, "? seen in neither: not measurable")
    said = {"present": "● stated", "absent": "○ denied"}
    for name in value.get("missing", ()):
        remarks[name] = "▲ stated and seen in neither image"
    known = value.get("sensitivity") or {}
    rows = [
        {
            "name": name,
            "sees": f"{_percent(known[name])} of them" if name in known else "not known",
            "original": _seen(original.get(name)),
            "said": said.get(report.get(name, ""), report.get(name) or "–"),
            "synthetic": _seen(synthetic.get(name)),
            "remark": remarks.get(name, ""),
        }
        for name in names
    ]
    return render("review/findings.html", rows=rows, judged=bool(synthetic))


def _seen(probability: float | None) -> str:
    return "–" if probability is None else f"{'●' if probability >= SEEN else '○'} {_percent(probability)}"


def _percent(probability: float | None) -> str:
    return "–" if probability is None else f"{100 * probability:.0f} %"
