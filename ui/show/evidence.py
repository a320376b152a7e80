"""Display of evidence: gates, their distributions, findings, versions side by side. Pure, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.show.review import GATE_MARKS, GATE_WORDS, empty, esc, number, seed, title


def gates(rows: Sequence[Mapping[str, Any]], plots: Mapping[str, Sequence[float]]) -> str:
    """Every gate; those that are not clear stand open with their sentence and their place among all pairs."""
    if not rows:
        return empty("No evidence yet.", "It is measured when a synthetic image has been made.")
    order = {"block": 0, "warn": 1, "clear": 2}
    measured = sorted((r for r in rows if r["state"] in order), key=lambda r: order[r["state"]])
    missing = [r for r in rows if r["state"] not in order]
    out = "".join(_gate(row, plots.get(row["name"], ())) for row in measured)
    if missing:
        out += (
            f'<details class="gate g-unknown"><summary><span class="mark g-unknown"><b aria-hidden="true">?</b></span>'
            f'<span class="gname">Not measured ({len(missing)})</span></summary>'
            + "".join(f"<p><b>{esc(_gate_title(r))}.</b> {esc(r['explanation'])}</p>" for r in missing)
            + "</details>"
        )
    clear = sum(row["state"] == "clear" for row in rows)
    return f'<div class="gates"><h3>Evidence <small>{clear} of {len(rows)} clear</small></h3>{out}</div>'


def _gate_title(row: Mapping[str, Any]) -> str:
    return row.get("title") or title(row["name"])


def _gate(row: Mapping[str, Any], values: Sequence[float]) -> str:
    state = row["state"]
    limit = f" · limit {esc(number(row['threshold']))}" if row["threshold"] is not None else ""
    place = f" · {share:.0f} % of pairs lie below" if (share := below(values, row["value"])) is not None else ""
    hard = " · cannot be overridden" if row["hard"] and state == "block" else ""
    return (
        f'<details class="gate g-{state}"{" open" if state in ("block", "warn") else ""}><summary>'
        f'<span class="mark g-{state}"><b aria-hidden="true">{GATE_MARKS[state]}</b>'
        f'<span class="sr">{GATE_WORDS[state]}</span></span><span class="gname">{esc(_gate_title(row))}</span>'
        f'<span class="gval">{esc(number(row["value"]))}</span></summary><p>{esc(row["explanation"])}</p>'
        f'<p class="muted">{GATE_WORDS[state].capitalize()}{limit}{place}{hard}</p>'
        f"{histogram(values, row['value'], row['threshold'])}</details>"
    )


def below(values: Sequence[float], here: Any) -> float | None:
    """The share of pairs, in percent, whose value lies below this one's; None where that says nothing."""
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    if len(numbers) < 5 or not isinstance(here, int | float):
        return None
    return 100 * sum(v < float(here) for v in numbers) / len(numbers)


def histogram(values: Sequence[float], here: Any, threshold: Any, width: int = 260, height: int = 40) -> str:
    """Where this pair lies among all: bars, a line for the limit, a triangle for this pair."""
    numbers = [float(v) for v in values if isinstance(v, int | float)]
    share = below(values, here)
    if share is None:
        return ""
    marks = [float(here), *([float(threshold)] if isinstance(threshold, int | float) else [])]
    low, high = min([*numbers, *marks]), max([*numbers, *marks])
    span = (high - low) or 1.0
    bins = [0] * 26
    for v in numbers:
        bins[min(25, int((v - low) / span * 26))] += 1
    top, base, step = max(bins), height - 8, width / 26
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{base - b / top * (base - 2):.1f}" width="{step - 1:.1f}" '
        f'height="{b / top * (base - 2):.1f}"/>'
        for i, b in enumerate(bins)
        if b
    )
    x = (float(here) - low) / span * (width - 8) + 4
    line = ""
    if len(marks) > 1:
        t = (marks[1] - low) / span * (width - 8) + 4
        line = f'<line class="limit" x1="{t:.1f}" x2="{t:.1f}" y1="0" y2="{base}"/>'
    return (
        f'<svg class="hist" viewBox="0 0 {width} {height}" role="img" aria-label="{share:.0f} % of '
        f'{len(numbers)} pairs lie below this one">{bars}{line}'
        f'<path class="here" d="M{x:.1f} {base + 1} l4.5 7 h-9 z"/></svg>'
    )


def contact_sheet(rows: Sequence[Mapping[str, Any]], pictures: Mapping[int, str], current: int | None) -> str:
    """All versions of a pair, each with the gates that are not clear; a click or its digit makes one current."""
    if len(rows) < 2:
        return empty("One version so far.", "G makes others: with new seeds, other settings or another method.")
    cards = "".join(_card(n, row, pictures.get(row["candidate"]), current) for n, row in enumerate(rows, 1))
    return (
        '<div class="sheet-head"><h2 tabindex="-1">Versions of this pair</h2><span class="muted">A digit, or Enter on '
        'one, makes it current. Arrows go from one to the next.</span><button type="button" class="sheet-close">Close'
        f'</button></div><div class="cards">{cards}</div>'
    )


def _card(n: int, row: Mapping[str, Any], picture: str | None, current: int | None) -> str:
    order = {"block": 0, "warn": 1}
    doubtful = sorted((g for g in row["gates"] if g["state"] in order), key=lambda g: order[g["state"]])
    marks = "".join(
        f'<span class="line"><span class="mark g-{g["state"]}"><b aria-hidden="true">{GATE_MARKS[g["state"]]}</b>'
        f'<span class="sr">{GATE_WORDS[g["state"]]}</span></span> {esc(_gate_title(g))} '
        f"<i>{esc(number(g['value']))}</i></span>"
        for g in doubtful
    )
    clear = sum(g["state"] == "clear" for g in row["gates"])
    chosen = row["candidate"] == current
    image = f'<img alt="Version {row["candidate"]}" src="{picture}">' if picture else "<i>no image</i>"
    risk = f" · doubt {row['risk']:.2f}" if row["risk"] is not None else ""
    digit, key = (f' data-digit="{n}"', f"<kbd>{n}</kbd> ") if n <= 9 else ("", "")
    return (
        f'<button type="button" class="card{" chosen" if chosen else ""}{" first" if n == 1 else ""}" '
        f'data-choose="{row["candidate"]}"{digit} aria-pressed="{str(chosen).lower()}">{image}'
        f"<span>{key}<b>{'✓ current, ' if chosen else ''}version {row['candidate']}</b></span>"
        f'<span class="muted">{esc(row["method"])}{seed(row)}{risk}</span><span class="marks">{marks}'
        f'<span class="muted">{clear} of {len(row["gates"])} gates clear</span></span>'
        f"{'<span class=stop>⊘ void</span>' if row['void'] else ''}</button>"
    )


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
            "text": f"{title(name)}: {_percent(original.get(name))} → {_percent(synthetic.get(name))}"
            + (f", {remarks[name]}" if name in remarks else ""),
        }
        for name in _by_interest(value)
        if name in synthetic
    ]


def findings(evidence: Mapping[str, Any]) -> str:
    """What is seen in the original, said in the report, and seen in the synthetic image."""
    value = evidence.get("findings") or {}
    report, original, synthetic = (value.get(side) or {} for side in ("report", "original", "synthetic"))
    seen = {n for side in (original, synthetic) for n, p in side.items() if p >= 0.5}
    names = [name for name in _by_interest(value) if name in report or name in seen]
    if not names:
        return empty("No finding.", "Neither the report nor the judges name one.")
    rows = []
    for name in names:
        remark = (
            "▲ lost" if name in value.get("lost", ()) else "▲ invented" if name in value.get("invented", ()) else ""
        )
        said = {"present": "● stated", "absent": "○ denied"}.get(report.get(name, ""), report.get(name) or "–")
        rows.append(
            f'<tr class="{"odd" if remark else ""}"><th scope="row">{esc(title(name))}</th>'
            f"<td>{_seen(original.get(name))}</td>"
            f"<td>{esc(said)}</td><td>{_seen(synthetic.get(name))}</td><td>{remark}</td></tr>"
        )
    note = "" if synthetic else '<p class="muted">The images were not judged: the judges were not available.</p>'
    return (  # focusable, so that keys can scroll the pane
        '<section tabindex="0" aria-label="Findings">'
        '<table class="table"><thead><tr><th scope="col">Finding</th><th scope="col">Seen in original</th>'
        '<th scope="col">Report</th><th scope="col">Seen in synthetic</th><th scope="col"></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>{note}</section>"
    )


def _seen(probability: float | None) -> str:
    return "–" if probability is None else f"{'●' if probability >= 0.5 else '○'} {_percent(probability)}"


def _percent(probability: float | None) -> str:
    return "–" if probability is None else f"{100 * probability:.0f} %"


def batch(number: int, left_out: int, pictures: Sequence[tuple[str, str]]) -> str:
    """The question before a batch approval: how many, what stays, and a random sample."""
    sample = "".join(
        f'<figure><img alt="Synthetic image of {esc(record)}" src="{picture}">'
        f"<figcaption>{esc(record)}</figcaption></figure>"
        for record, picture in pictures
    )
    return (
        f"<p><b>{number}</b> {'pairs of this filter have' if number != 1 else 'pair of this filter has'} every gate "
        f"clear and no open flag. {left_out} other{'s' if left_out != 1 else ''} of it stay for single review.</p>"
        f'<p class="muted">A random sample:</p><div class="sample">{sample}</div>'
    )
