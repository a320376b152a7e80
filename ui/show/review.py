"""What the review page shows: the queue, the pair, its prompt and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui.show import STATES, empty, render

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
ENTRIES = {
    "approve": "Approved",
    "reject": "Rejected",
    "regenerate": "Sent back to be made anew",
    "undo": "Took back",
    "flag": "Flag",
    "clear": "Flag cleared",
}
RISK_SHOWN = 12.0
"""The risk at which the bar of a queue row is full: one blocking gate and two doubtful ones."""


def progress(counts: Mapping[str, Any], name: str, way: str = "") -> str:
    """How far the review is, for the release and by person, and the ways into the queue with their numbers."""
    total, states, today = counts["total"], counts["states"], counts["today"]
    done = total - counts["left"]
    named = ("approved", "rejected", "void", "new", "failed")
    parts = [f"{states[s]} {STATES[s][0].lower()}" for s in named if states.get(s)]
    parts += [f"{counts['released']} released"] if counts["released"] else []
    others = sorted(((n, who) for who, n in today.items() if who != name), reverse=True)
    people = [f"You {today.get(name, 0)}", *[f"{who} {n}" for n, who in others[:3]]]
    people += [f"{len(others) - 3} more"] if len(others) > 3 else []
    ways = (
        ("review", states["pending"], "to review", "Pairs that wait for a verdict (O then Q)"),
        ("flagged", counts["flagged_for_me"], "⚑ flagged", "Flagged for you or for anybody (O then F)"),
        ("second", counts["second_readings"], "◐ blind", "Your blind second readings (O then S)"),
    )
    return render(
        "review/progress.html",
        counts=counts,
        done=done,
        share=100 * done / total if total else 0,
        left=_duration(counts["minutes_left"]) if counts.get("minutes_left") else "",
        parts=parts,
        people=people,
        ways=ways,
        way=way,
    )


def _duration(minutes: float) -> str:
    if minutes < 1:
        return "a minute"
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def queue(page: Mapping[str, Any], name: str = "") -> str:
    """A page of the queue, as `name` sees it: what others hold is marked."""
    if not page["records"]:
        return empty("Nothing here.", "Change the filter, or import studies on the page Import & run.")
    return render("review/queue.html", page=page, name=name, risk_shown=RISK_SHOWN)


def head(pair: Mapping[str, Any]) -> str:
    """Who and what this pair is, and what a reader must know before the verdict."""
    current = current_version(pair)
    foreign = any(g["name"] == "domain" and g["state"] == "warn" for g in pair["gates"])
    starter = current is not None and _preset(current) == "starter" and "generator" in current["settings"]
    notes = ("flags", "remarks", "void_terms", "error", "blind")
    return render(
        "review/head.html",
        pair=pair,
        current=current,
        foreign=foreign,
        starter=starter,
        has_notes=bool(
            any(pair[name] for name in notes)
            or (current and not current["releasable"])
            or foreign
            or starter
            or pair["needs"] > 1
        ),
    )


def end(text: str, counts: Mapping[str, Any], name: str, way: str) -> str:
    """Where no pair is left: what was done today, and where there is something to do."""
    ways = (
        ("review", counts["states"]["pending"], "to review"),
        ("flagged", counts["flagged_for_me"], "flagged for you"),
        ("second", counts["second_readings"], "blind second readings"),
    )
    mine = counts["today_mine"]
    return render(
        "review/end.html",
        text=text,
        counts=counts,
        today=counts["today"].get(name, 0),
        mine=[f"{n} {ENTRIES[verdict].lower()}" for verdict, n in mine.items()],
        stands=[f"{n} {STATES[state][0].lower()}" for state, n in counts["states"].items() if n],
        approved=counts["states"].get("approved", 0),
        ways=[(key, n, label) for key, n, label in ways if n and key != way],
    )


def current_version(pair: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The candidate that the pair stands with now."""
    return next((c for c in pair["candidates"] if c["candidate"] == pair["candidate"]), None)


def _preset(candidate: Mapping[str, Any]) -> str:
    settings = candidate["settings"]
    return str((settings.get("requested") or {}).get("preset") or settings.get("preset") or "")


def prompt(value: Mapping[str, Any] | None, text: str = "") -> str:
    """The optimised prompt, a button a token; or the plain text of a method that optimises none."""
    tokens = [(token, _word(token["text"]), _tip(token)) for token in value["tokens"]] if value else []
    first = next((token for token, word, _ in tokens if word), None)
    return render("review/prompt.html", prompt=value, tokens=tokens, first=first, text=text)


def _word(text: str) -> str:
    """What of a token can go on a list: a full stop is no target for a finger, and no word."""
    return text.strip("#") if any(c.isalnum() for c in text) else ""


def _tip(token: Mapping[str, Any]) -> str:
    lines = [
        f"“{token['text']}”: {'kept, on the whitelist' if token['role'] == 'whitelist' else 'allowed, on no list'}",
        f"Report word here: {token['report_word'] or '–'}",
        f"Cosine {token['cosine']:.2f}, rank {token['rank']} of the allowed words",
    ]
    lines += [
        f"Refused although closer: {r['text']} ({r['cosine']:.2f}), by {r['entry']}" for r in token["refused"][:4]
    ]
    return "\n".join(lines)


def history(pair: Mapping[str, Any]) -> str:
    """Every candidate and every verdict, newest first."""
    entries = [(c["created_at"], 0, n, "candidate", c) for n, c in enumerate(pair["candidates"])]
    entries += [(d["decided_at"], 1, n, "decision", d) for n, d in enumerate(pair["decisions"])]
    if not entries:
        return empty("No history yet.")
    cleared = {d["undoes"] for d in pair["decisions"] if d["verdict"] == "clear"}
    newest_first = [(at, kind, entry) for at, _, _, kind, entry in sorted(entries, key=lambda e: e[:3], reverse=True)]
    return render("review/history.html", entries=newest_first, cleared=cleared, ENTRIES=ENTRIES)


def voided(value: Mapping[str, Any]) -> str:
    """What saving did to pairs that were pending or approved."""
    n = value["pending"] + value["approved"]
    return f"{n} pair{'s' if n != 1 else ''} went back into the queue." if n else "No pair was affected."


def reproduced(value: Mapping[str, Any]) -> str:
    """Whether a version could be made again from its record."""
    parts = (("models", value["same_models"]), ("prompt", value["same_prompt"]), ("image", value["same_image"]))
    return render("review/reproduced.html", parts=parts)
