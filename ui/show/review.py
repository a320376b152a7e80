"""From what the Workbench returns to what a reader sees: pure functions to HTML strings, everything escaped."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

STATES = {
    "pending": ("To review", "○"),
    "approved": ("Approved", "✓"),
    "rejected": ("Rejected", "✕"),
    "new": ("In preparation", "…"),
    "void": ("Void", "⊘"),
    "failed": ("Failed", "!"),
}
GATE_MARKS = {"clear": "✓", "warn": "▲", "block": "■", "unknown": "?"}
GATE_WORDS = {"clear": "clear", "warn": "look here", "block": "blocks release", "unknown": "not measured"}
REASONS = (
    "Identity visible",
    "Finding lost",
    "Finding invented",
    "Implausible anatomy",
    "Text or mark in image",
    "Report still identifies",
    "Poor image quality",
    "Other",
)
AUDIENCES = {"radiologist": "a radiologist", "privacy-officer": "the privacy officer", "anybody": "anybody"}
ENTRIES = {
    "approve": "Approved", "reject": "Rejected", "regenerate": "Sent back to be made anew", "undo": "Took back",
    "flag": "Flag", "clear": "Flag cleared",
}  # fmt: skip
RISK_SHOWN = 12.0
"""The risk at which the bar of a queue row is full: one blocking gate and two doubtful ones."""
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_TOKEN = re.compile(r"\s+|\[[^\]\s]*\]|[^\W_]+|[^\w\s]|_+")


def esc(text: Any) -> str:
    """Text made safe inside HTML, attributes included."""
    return html.escape(str(text), quote=True)


def words(name: str) -> str:
    """`pleural_effusion` as people read it: pleural effusion."""
    return name.replace("_", " ").replace("-", " ")


def title(name: str) -> str:
    """As `words`, with a capital first letter."""
    plain = words(name)
    return plain[:1].upper() + plain[1:]


def number(value: Any) -> str:
    """A value in the shortest form that a reader needs."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{words(str(k))} {number(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(number(v) for v in value) or "none"
    return str(value)


def when(stamp: str | None) -> str:
    """An ISO time to the minute."""
    return (stamp or "")[:16].replace("T", " ")


def message(text: str, kind: str = "ok") -> str:
    """The page's one line of feedback. Kinds: ok, warn, stop."""
    mark = {"ok": "✓", "warn": "▲", "stop": "■"}[kind]
    return f'<div class="say say-{kind}"><b aria-hidden="true">{mark}</b> {esc(text)}</div>' if text else ""


def empty(head: str, hint: str = "") -> str:
    """What stands where there is nothing to show."""
    return f'<div class="empty"><b>{esc(head)}</b><span>{esc(hint)}</span></div>'


def progress(counts: Mapping[str, Any], name: str, way: str = "") -> str:
    """How far the review is, for the release and by person, and the ways into the queue with their numbers."""
    total, left = counts["total"], counts["left"]
    states, today = counts["states"], counts["today"]
    done = total - left
    share = 100 * done / total if total else 0
    eta = f", about {_duration(counts['minutes_left'])} left" if counts.get("minutes_left") else ""
    parts = " · ".join(
        f"{states[s]} {STATES[s][0].lower()}"
        for s in ("approved", "rejected", "void", "new", "failed")
        if states.get(s)
    )
    parts += f" · {counts['released']} released" if counts["released"] else ""
    others = sorted(((n, who) for who, n in today.items() if who != name), reverse=True)
    people = " · ".join([f"You {today.get(name, 0)}", *[f"{esc(who)} {n}" for n, who in others[:3]]])
    people += f" · {len(others) - 3} more" if len(others) > 3 else ""
    ways = "".join(
        f'<button type="button" data-way="{key}" aria-pressed="{str(key == way).lower()}" title="{esc(tip)}">'
        f"<b>{n}</b> {label}</button>"
        for key, n, label, tip in (
            ("review", states["pending"], "to review", "Pairs that wait for a verdict (O then Q)"),
            ("flagged", counts["flagged_for_me"], "⚑ flagged", "Flagged for you or for anybody (O then F)"),
            ("second", counts["second_readings"], "◐ blind", "Your blind second readings (O then S)"),
        )
    )
    return (
        f'<div class="progress"><div class="progress-line"><b>{done} of {total}</b> decided{eta}</div>'
        f'<div class="bar" role="progressbar" aria-label="Decided" aria-valuemin="0" aria-valuemax="{total}" '
        f'aria-valuenow="{done}"><i style="width:{share:.1f}%"></i></div>'
        f'<div class="muted">{parts}</div><div class="muted">Today: {people}</div>'
        f'<div class="ways" role="group" aria-label="Ways into the queue">{ways}</div></div>'
    )


def _duration(minutes: float) -> str:
    if minutes < 1:
        return "a minute"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def queue(page: Mapping[str, Any], name: str = "") -> str:
    """A page of the queue; a row carries its record and candidate for the viewer's preloading."""
    cards = page["records"]
    if not cards:
        return empty("Nothing here.", "Change the filter, or import studies on the page Import & run.")
    rows = "".join(_row(card, name) for card in cards)
    first, last, total = page["offset"] + 1, page["offset"] + len(cards), page["total"]
    back = "" if page["offset"] else " disabled"
    forth = "" if last < total else " disabled"
    return (
        f'<ol class="q" role="listbox" aria-label="Queue" tabindex="0">{rows}</ol>'
        f'<nav class="pager" aria-label="Pages of the queue"><button type="button" data-turn="-1"{back} '
        f'aria-label="Previous page">‹</button><span>{first}–{last} of {total}</span>'
        f'<button type="button" data-turn="1"{forth} aria-label="Next page">›</button></nav>'
    )


def _row(card: Mapping[str, Any], name: str) -> str:
    label, sign = STATES[card["state"]]
    gate, risk, notes, flag = card["worst_gate"] or "unknown", card["risk"], "", ""
    if card["held_by"] and card["held_by"] != name:
        notes += f'<span class="note" title="{esc(card["held_by"])} is reading this pair">held</span>'
    if card["flagged_for"]:
        who = AUDIENCES[card["flagged_for"]]
        flag = f'<span class="flag" title="Flagged for {who}">⚑<span class="sr">flagged for {who}</span></span>'
    if card["remarks"]:
        tip = esc("; ".join(card["remarks"]))
        notes += f'<span class="note" title="{tip}">i<span class="sr"> remark of the import</span></span>'
    if not card["has_report"]:
        notes += '<span class="note">no report</span>'
    bar = ""
    if risk is not None:
        share = min(100.0, 100 * risk / RISK_SHOWN)
        bar = f'<span class="risk" title="Doubt {risk:.2f}"><i style="width:{share:.0f}%"></i></span>'
    return (
        f'<li role="option" aria-selected="false" data-record="{esc(card["record"])}" '
        f'data-candidate="{esc(card["candidate"] or "")}" data-revision="{card["revision"]}">'
        f'<span class="mark g-{gate}" title="{GATE_WORDS[gate]}"><b aria-hidden="true">{GATE_MARKS[gate]}</b>'
        f'<span class="sr">{GATE_WORDS[gate]}</span></span>'
        f'<span class="who">{esc(card["patient"])}<small>{notes}{esc(card["study"])} · {esc(card["view"])}</small>'
        f'</span><span class="side">{flag}<span class="st s-{card["state"]}" title="{label}">'
        f'<b aria-hidden="true">{sign}</b><span class="sr">{label}</span></span>{bar}</span></li>'
    )


def head(detail: Mapping[str, Any]) -> str:
    """Who and what this pair is."""
    label, sign = STATES[detail["state"]]
    current = next((c for c in detail["candidates"] if c["candidate"] == detail["candidate"]), None)
    made = ""
    if current:
        made = (
            f'<div class="muted">{esc(current["method"])}{seed(current)} · '
            f"lexicon v{current['lexicon_version']} · {len(detail['candidates'])} version"
            f"{'s' if len(detail['candidates']) != 1 else ''}</div>"
        )
    notes = [_flag(flag) for flag in detail["flags"]]
    if notes:
        notes.append(
            '<li class="plain">Until cleared: not in a release or batch approval. Verdicts can still be given.</li>'
        )
    notes += [f"<li>Import: {esc(remark)}</li>" for remark in detail["remarks"]]
    if current and not current["releasable"]:
        notes.append(
            '<li><b aria-hidden="true">■</b> This version cannot be released: it is for comparison only, or '
            "keeps source pixels and the policy lets none leave.</li>"
        )
    if detail["void_terms"]:
        notes.append(
            f'<li><b aria-hidden="true">⊘</b> Void: the lexicon now forbids '
            f"{esc(', '.join(detail['void_terms']))}.</li>"
        )
    if detail["error"]:
        notes.append(f'<li><b aria-hidden="true">!</b> {esc(detail["error"])}</li>')
    if any(g["name"] == "domain" and g["state"] == "warn" for g in detail["gates"]):
        notes.append('<li><b aria-hidden="true">▲</b> Unlike what the models were trained on: trust no detail.</li>')
    if current and _preset(current) == "starter" and "generator" in current["settings"]:
        notes.append("<li>Starter models, trained on computed chests: for learning the tool, not for real use.</li>")
    if detail["blind"]:
        notes.append('<li><b aria-hidden="true">◐</b> Blind second reading: earlier verdicts are kept back.</li>')
    if detail["needs"] > 1:
        notes.append(f"<li>{detail['needs']} people must approve this pair.</li>")
    rarity = detail["rarity"]
    findings = ", ".join(words(f) for f in detail["findings"]) or "no finding named"
    return (
        f'<div class="head"><div class="head-line"><h2>{esc(detail["patient"])}</h2>'
        f'<span class="pill s-{detail["state"]}"><b aria-hidden="true">{sign}</b> {label}</span></div>'
        f'<div class="muted">{esc(detail["study"])} · {esc(detail["view"])} · {esc(findings)}</div>{made}'
        f'<div class="muted">{_shared(rarity)}</div>'
        f"{'<ul class=notes>' + ''.join(notes) + '</ul>' if notes else ''}</div>"
    )


def _flag(flag: Mapping[str, Any]) -> str:
    who, when_ = AUDIENCES[flag["audience"]], when(flag["raised_at"])
    clear = ' <button type="button" data-open="clear-box">Clear…</button>' if flag["may_clear"] else ""
    return (
        f'<li class="flagged"><b aria-hidden="true">⚑</b> For {who}: {esc(flag["reason"] or "(reason kept back)")} '
        f"<small>{esc(flag['reviewer'])}, {when_}</small>{clear}</li>"
    )


def _preset(candidate: Mapping[str, Any]) -> str:
    settings = candidate["settings"]
    return str((settings.get("requested") or {}).get("preset") or settings.get("preset") or "")


def _shared(rarity: int) -> str:
    if rarity == 0:
        return "▲ No other patient has this combination of findings."
    return f"{rarity} other patient{'s' if rarity != 1 else ''} with the same findings."


def prompt(value: Mapping[str, Any] | None, prompt_text: str = "") -> str:
    """The optimised prompt, a button a token: role by colour, underline and tooltip."""
    if value is None:
        text = esc(prompt_text) if prompt_text else "This method uses no prompt."
        return f'<div class="prompt"><h3>Prompt</h3><p class="muted">{text}</p></div>'
    tokens = []
    for token in value["tokens"]:
        role = token["role"]
        tip = [
            f"“{token['text']}”: {'kept, on the whitelist' if role == 'whitelist' else 'allowed, on no list'}",
            f"Report word here: {token['report_word'] or '–'}",
            f"Cosine {token['cosine']:.2f}, rank {token['rank']} of the allowed words",
        ]
        tip += [
            f"Refused although closer: {r['text']} ({r['cosine']:.2f}), by {r['entry']}" for r in token["refused"][:4]
        ]
        mark = f"<sup>{len(token['refused'])}</sup>" if token["refused"] else ""
        said, shown = esc("\n".join(tip)), f"{esc(token['text'])}{mark}"
        if any(c.isalnum() for c in token["text"]):
            word = esc(token["text"].strip("#"))
            tokens.append(
                f'<button type="button" class="tok t-{role}" data-word="{word}" data-tip="{said}">{shown}</button>'
            )
        else:  # a full stop is no target for a finger, and no word for a list
            tokens.append(f'<span class="tok t-{role}" data-tip="{said}">{shown}</span>')
    unread = value.get("unread")
    tail = f'<p class="muted">Not read by the generator: {esc(unread)}</p>' if unread else ""
    return (
        f'<div class="prompt"><h3>Prompt <small>alignment {value["alignment_before"]:.2f} → '
        f"{value['alignment_after']:.2f}</small><span class=key><i class='t-whitelist'>whitelist</i>"
        f"<i class='t-neutral'>on no list</i><i>¹ better words refused</i></span></h3>"
        f'<div class="toks">{" ".join(tokens)}</div>{tail}</div>'
    )


def _clickable(text: str) -> str:
    """Each word a target for "forbid" and "keep"."""
    out, at = [], 0
    for match in _WORD.finditer(text):
        out.append(esc(text[at : match.start()]))
        out.append(f'<span class="w">{esc(match.group())}</span>')
        at = match.end()
    return "".join(out) + esc(text[at:])


def original_report(text: str, spans: Iterable[Mapping[str, Any]]) -> str:
    """The source report with its PHI marked; a mark's tooltip names the rule that fired."""
    out, at = [], 0
    for span in sorted(spans, key=lambda s: (s["start"], -s["end"])):
        if span["start"] < at:
            continue
        out.append(_clickable(text[at : span["start"]]))
        tip = f"{title(span['category'])}\nRule: {span['rule']}"
        short = span.get("short") or words(span["category"])
        out.append(
            f'<mark class="phi" data-tip="{esc(tip)}" data-cat="{esc(short)}" tabindex="0">'
            f"{_clickable(text[span['start'] : span['end']])}</mark>"
        )
        at = span["end"]
    return "".join(out) + _clickable(text[at:])


def filtered_report(original: str | None, filtered: str) -> str:
    """The report that leaves the house; what stands in place of PHI is marked."""
    if original is None:
        return _clickable(filtered)
    a, b = _TOKEN.findall(original), _TOKEN.findall(filtered)
    out = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        piece = "".join(b[start:end])
        if kind == "equal":
            out.append(_clickable(piece))
        elif piece.strip():
            out.append(f'<mark class="sub">{_clickable(piece)}</mark>')
        elif kind == "delete":
            out.append('<mark class="gone" aria-label="removed">⌫</mark>')
        else:
            out.append(esc(piece))
    return "".join(out)


def reports(report: Mapping[str, Any]) -> str:
    """Both reports side by side."""
    original, spans = report["original"], report["spans"]
    left = original_report(original, spans) if original is not None else "<p class=muted>Not shown to your role.</p>"
    n = len(spans)
    return (
        f'<div class="reports"><section class="rep" tabindex="0" aria-label="Original report"><h3>Original report '
        f"<small>{n} identifying piece{'s' if n != 1 else ''}</small></h3><div class=text>{left}</div></section>"
        f'<section class="rep" tabindex="0" aria-label="Filtered report"><h3>Filtered report <small>this leaves the '
        f'house</small></h3><div class="text">{filtered_report(original, report["filtered"] or "")}</div></section>'
        "</div>"
    )


def seed(candidate: Mapping[str, Any]) -> str:
    """The seed of a candidate, for those who are told it."""
    return "" if candidate["seed"] is None else f" · seed {candidate['seed']}"


def history(detail: Mapping[str, Any]) -> str:
    """Every candidate and every verdict, newest first."""
    entries = [
        (
            c["created_at"],
            f"<b>Version {c['candidate']}</b> {esc(c['method'])}{seed(c)} · lexicon v{c['lexicon_version']}"
            f"{' · current' if c['current'] else ''}{' · void' if c['void'] else ''}"
            + (f"<p class=muted>{esc(c['error'] or c['prompt_text'])}</p>" if c["error"] or c["prompt_text"] else ""),
        )
        for c in detail["candidates"]
    ]
    cleared = {d["undoes"] for d in detail["decisions"] if d["verdict"] == "clear"}
    for d in detail["decisions"]:
        reasons = [] if d["verdict"] == "flag" else d["reasons"]
        why = "; ".join([*reasons, *([d["comment"]] if d["comment"] else [])])
        over = f" Overrides {', '.join(words(o) for o in d['overrides'])}." if d["overrides"] else ""
        asked = f" for {AUDIENCES[d['reasons'][0]]}" if d["verdict"] == "flag" else ""
        text = f"<b>{ENTRIES[d['verdict']]}{asked}</b> by {esc(d['reviewer'])}, {esc(words(d['role']))}"
        text += (" (cleared)" if d["decision"] in cleared else " (taken back)") if d["undone"] else ""
        text += " (blind second reading)" if d["blind"] else ""
        entries.append((d["decided_at"], f"{text}<p>{esc(why)}{esc(over)}</p>" if why or over else text))
    if not entries:
        return empty("No history yet.")
    rows = "".join(f"<li><time>{when(at)}</time><div>{text}</div></li>" for at, text in sorted(entries, reverse=True))
    return f'<section tabindex="0" aria-label="History"><ol class="history">{rows}</ol></section>'


def voided(value: Mapping[str, Any]) -> str:
    """What saving did to pairs that were pending or approved."""
    n = value["pending"] + value["approved"]
    return f"{n} pair{'s' if n != 1 else ''} went back into the queue." if n else "No pair was affected."


def reproduced(value: Mapping[str, Any]) -> str:
    """Whether a version could be made again from its record."""
    parts = (("models", value["same_models"]), ("prompt", value["same_prompt"]), ("image", value["same_image"]))
    said = " · ".join(f"{'✓ same' if same else '▲ another'} {name}" for name, same in parts)
    return f'<p class="muted">{said}</p>'
