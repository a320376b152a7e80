"""Display of the pages beside the review: import and runs, lexicons, release, audit. Pure, everything escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ui.show.review import STATES, empty, esc, number, title, when, words
from updp_core.domain import Actor
from updp_core.workbench import may

_HASH = re.compile(r"\b([0-9a-f]{10})[0-9a-f]{30,}\b")
RUN_STATES = {
    "running": "● running",
    "paused": "❚❚ paused",
    "stopping": "… stopping",
    "finished": "✓ finished",
    "stopped": "■ stopped",
    "died": "✕ ended abruptly; start again, nothing is lost",
}
STAGES = {
    "load": "Loading the models",
    "queue": "Loading the models",
    "import": "Importing",
    "generate": "Making synthetic pairs",
    "align": "Writing prompts",
    "measure": "Measuring evidence",
    "paused": "Paused",
}


NEEDS = {
    "lexicons": ("lexicon_edit", "Reading and trying out is open to you; saving a version takes a privacy officer."),
    "intake": ("import_", "Import and runs take a privacy officer or an administrator."),
    "release": ("release", "A release takes a privacy officer. Checking one is open to everybody."),
}


def hint(page: str, actor: Actor) -> str:
    """One line where this person will be refused the page's verbs, so that nobody finds out by a click."""
    verb, text = NEEDS[page]
    return "" if may(actor, verb) else f'<p class="notice">○ {esc(text)}</p>'


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], caption: str) -> str:
    """A plain table; cells that are already HTML come as a `Cell`."""
    body = "".join(
        "<tr>" + "".join(f"<td>{c if isinstance(c, Cell) else esc(c)}</td>" for c in row) + "</tr>" for row in rows
    )
    columns = "".join(f'<th scope="col">{esc(h)}</th>' for h in heads)
    return (
        f'<table class="table"><caption class="sr">{esc(caption)}</caption><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


class Cell(str):
    """HTML that has been escaped already."""


def bar(done: int, total: int, text: str) -> str:
    """A progress bar with its sentence."""
    share = 100 * done / total if total else 0
    return (
        f'<div class="meter"><span>{esc(text)}</span><div class="bar" role="progressbar" aria-valuemin="0" '
        f'aria-valuemax="{total}" aria-valuenow="{done}" aria-label="{esc(text)}"><i style="width:{share:.1f}%"></i>'
        "</div></div>"
    )


def status(now: Mapping[str, Any]) -> str:
    """One line in the header: what the background does."""
    stage = now.get("stage") or ""
    if not stage or stage == "done":
        return ""
    if stage == "failed":
        return f'<span class="working stop" title="{esc(now["message"])}">■ Generation stopped</span>'
    done, total = now["done"], now["total"]
    share = (
        f'<i aria-hidden="true"><b style="width:{100 * done / total:.0f}%"></b></i>{done} of {total}' if total else ""
    )
    return f'<span class="working">{esc(STAGES.get(stage, title(stage)))} {share}</span>'


def person(actor: Any) -> str:
    """Who is signed in, and as what."""
    return f'<span class="person">{esc(actor.name)}, {esc(words(actor.role))}</span>'


def gate_rules(rules: Sequence[Mapping[str, Any]]) -> str:
    """Every gate with what happens where it fails; what differs from its default says so."""
    rows = []
    for r in rules:
        fails = "always blocks" if r["hard"] else {"block": "blocks", "warn": "warns"}[r["action"]]
        changed = (r["limit"], r["action"]) != (r["default_limit"], r["default_action"])
        default = f"● {r['default_action']}, {r['default_limit']:g}" if changed else ""
        change = "" if r["hard"] else f'<button type="button" data-gate="{esc(r["name"])}">Change</button>'
        rows.append((r["title"], fails, f"{r['worse']} {r['limit']:g}", default, Cell(change)))
    note = (
        "What blocks keeps a pair from approval unless a person overrides it with a reason; what always blocks, stays."
    )
    return f'<p class="muted">{note}</p>' + table(
        ["Gate", "Action", "Fails", "Its default", ""], rows, "Gates of the policy in force"
    )


def runs(rows: Sequence[Mapping[str, Any]]) -> str:
    """Generate runs, newest first."""
    if not rows:
        return empty("No run yet.")
    return table(
        ["Run", "State", "Made", "Failed", "Method", "Started", "By"],
        [
            (
                r["run"], RUN_STATES.get(r["state"], r["state"]), f"{r['done']} of {r['total']}", r["failed"],
                r["method"],
                when(r["started_at"]), r["actor"],
            )
            for r in rows
        ],
        "Generate runs",
    )  # fmt: skip


def running(rows: Sequence[Mapping[str, Any]], now: Mapping[str, Any], waiting: int) -> str:
    """The state of generation in large."""
    live = next((r for r in rows if r["state"] in ("running", "paused", "stopping")), None)
    if now.get("stage") == "failed":
        return f'<p class="notice stop">■ {esc(now["message"])}</p>'
    if live:
        finished = live["done"] + live["failed"]
        pace = f", {live['seconds'] / finished:.1f} s a pair" if finished else ""
        text = f"{RUN_STATES[live['state']]}: {finished} of {live['total']}{pace}"
        return bar(finished, live["total"], text)
    if now.get("stage"):
        return f'<p class="notice">… {esc(STAGES.get(now["stage"], now["stage"]))}</p>'
    if waiting:
        return (
            f'<p class="notice">○ {waiting} record{"s wait" if waiting != 1 else " waits"} for a synthetic image.</p>'
        )
    return '<p class="notice">✓ Every record has its synthetic image.</p>'


def imported(result: Mapping[str, Any]) -> str:
    """The outcome of an import; what was not taken stands with its reason."""
    rejected = result["rejected"]
    said = [f"✓ {result['imported']} imported", f"{result['duplicates']} known already", f"{len(rejected)} not taken"]
    if result.get("without_report"):
        said.append(f"{len(result['without_report'])} without a report")
    out = f'<p class="notice">{" · ".join(said)}</p>'
    if rejected:
        out += table(
            ["Source", "Why it was not taken"], [(r["source"], r["reason"]) for r in rejected[:500]], "Not taken"
        )
    return out


def failures(cards: Sequence[Mapping[str, Any]]) -> str:
    """Records whose generation failed."""
    if not cards:
        return ""
    return "<h3>Failed</h3>" + table(["Record", "Why"], [(c["record"], c["error"]) for c in cards], "Failed records")


def release_preview(value: Mapping[str, Any]) -> str:
    """What would leave and what would not, and why."""
    would_not = value["would_not"]
    stay = "".join(f"<li><b>{n}</b> {esc(reason.removeprefix('is '))}</li>" for reason, n in would_not.items())
    return (
        f'<div class="leave"><section class="go"><b>{value["would"]}</b>'
        f"<span>pair{'s' if value['would'] != 1 else ''} of "
        f"{value['patients']} patient{'s' if value['patients'] != 1 else ''} would leave</span></section>"
        f'<section class="stay"><b>{sum(would_not.values())}</b><span>would stay</span><ul>{stay}</ul></section></div>'
        f'<p class="muted">Lexicon version {value["lexicon_version"]} · '
        f"audit head {esc(str(value['audit_head'])[:12])}</p>"
    )


def release_records(value: Mapping[str, Any]) -> str:
    """The single records, with the reason of each that stays."""
    rows = value["records"]
    if not rows:
        return empty("No record.")
    heads = [h for h in ("record", "state", "reason") if h in rows[0]]
    shown = [[STATES[r[h]][0] if h == "state" else r[h] or "leaves" for h in heads] for r in rows[:300]]
    more = f"<p class=muted>and {len(rows) - 300} more</p>" if len(rows) > 300 else ""
    return table([title(h) for h in heads], shown, "Records") + more


def releases(rows: Sequence[Mapping[str, Any]]) -> str:
    """Releases so far."""
    if not rows:
        return empty("Nothing has been released.", "A release holds approved pairs only.")
    return table(
        ["Release", "When", "Officer", "Pairs", "Folder", "Manifest"],
        [
            (r["release"], when(r["created_at"]), r["officer"], r["pairs"], r["folder"], r["manifest_sha256"][:12])
            for r in rows
        ],
        "Releases",
    )


def verified(value: Mapping[str, Any]) -> str:
    """The outcome of a check of a release folder or of the audit chain."""
    if value["ok"]:
        return '<p class="notice ok">✓ Whole. Nothing was changed, lost or added.</p>'
    rows = "".join(f"<li>{esc(p)}</li>" for p in value["problems"][:100])
    n = len(value["problems"])
    return f'<p class="notice stop">■ {n} problem{"s" if n != 1 else ""} found.</p><ul class="problems">{rows}</ul>'


def audit(page: Mapping[str, Any]) -> str:
    """A page of the audit trail."""
    if not page["events"]:
        return empty("No event.")
    rows = [
        (
            e["event"], when(e["at"]), e["actor"], words(e["role"]), words(e["verb"]), e["subject"],
            _HASH.sub(r"\1…", ", ".join(f"{words(k)}: {number(v)}" for k, v in e["detail"].items()))[:240],
            Cell(f"<code>{esc(e['digest'][:10])}</code>"),
        )
        for e in page["events"]
    ]  # fmt: skip
    first, last = page["offset"] + 1, page["offset"] + len(page["events"])
    off_back = "" if page["offset"] else " disabled"
    off_forth = "" if last < page["total"] else " disabled"
    pager = (
        f'<nav class="pager" aria-label="Pages">'
        f'<button type="button" data-turn="-1"{off_back} aria-label="Newer">‹</button>'
        f"<span>{first}–{last} of {page['total']}</span>"
        f'<button type="button" data-turn="1"{off_forth} aria-label="Older">›</button></nav>'
    )
    return pager + table(["#", "When (UTC)", "Who", "As", "Did", "To", "Detail", "Link"], rows, "Audit trail")
