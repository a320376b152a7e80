"""What the review page shows: the queue, the pair, its prompt and its history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ui.show import AUDIENCES, STATES, counted, empty, gate_title, quoted, render, words

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
    parts += [f"{counts['waiting']} wait for a second approval"] if counts["waiting"] else []
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


def queue(page: Mapping[str, Any], name: str = "", coming: int = 0) -> str:
    """A page of the queue, as `name` sees it: what others hold is marked; `coming` pairs are not made yet."""
    if not page["records"] and coming:
        return empty(
            "The first pairs are being made.", f"{counted(coming, 'pair')} to come; each appears here by itself."
        )
    if not page["records"]:
        return empty("Nothing here.", "Change the filter, or import studies on the page Import & run.")
    return render("review/queue.html", page=page, name=name, risk_shown=RISK_SHOWN)


def head(pair: Mapping[str, Any]) -> str:
    """Who and what this pair is, and what a reader must know before the verdict."""
    current = current_version(pair)
    starter = current is not None and _preset(current) == "starter" and "generator" in current["settings"]
    ready = bool(((current or {}).get("evidence") or {}).get("method", {}).get("ready_made"))
    notes = ("flags", "remarks", "void_terms", "voided", "beyond", "error", "blind")
    return render(
        "review/head.html",
        pair=pair,
        current=current,
        starter=starter,
        ready=ready,
        has_notes=bool(
            any(pair[name] for name in notes)
            or (current and not current["releasable"])
            or starter
            or ready
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
    """Every version, every verdict, and what a lexicon took back, newest first, in sentences."""
    taken = pair.get("voided")
    entries = [
        (c["created_at"], 0, n, _made(c), c["error"] or c["prompt_text"]) for n, c in enumerate(pair["candidates"])
    ]
    entries += [(d["decided_at"], 1, n, _entered(d, pair), _why(d, pair)) for n, d in enumerate(pair["decisions"])]
    if taken:
        fell = f" The verdict of {taken['former']['reviewer']} on it fell." if taken["former"] else ""
        said = f"Lexicon version {taken['version']} by {taken['author']} forbade {quoted(taken['terms'])} in version "
        entries.append((taken["at"], 2, 0, f"{said}{taken['candidate']}.{fell}", ""))
    if not entries:
        return empty("No history yet.")
    newest_first = [(at, said, why) for at, _, _, said, why in sorted(entries, key=lambda e: e[:3], reverse=True)]
    return render("review/history.html", entries=newest_first)


def _made(candidate: Mapping[str, Any]) -> str:
    """How a version came to be."""
    seed = "" if candidate.get("seed") is None else f" and seed {candidate['seed']}"
    stands = " It is the current one." if candidate["current"] else ""
    stands += " The lexicon forbids something in it." if candidate["void"] else ""
    said = "could not be made" if candidate["error"] else "was made"
    return (
        f"Version {candidate['candidate']} {said} by {candidate['method']} under lexicon version "
        f"{candidate['lexicon_version']}{seed}.{stands}"
    )


def _entered(entry: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    """Who did what to which version."""
    who, version = f"{entry['reviewer']} ({words(entry['role'])})", f"version {entry['candidate']}"
    done = {
        "approve": f"approved {version}",
        "reject": f"rejected {version}",
        "regenerate": f"sent {version} back to be made anew",
        "undo": f"took back what was entered on {version}",
        "flag": f"asked {AUDIENCES[entry['reasons'][0]] if entry['verdict'] == 'flag' else ''} to look at {version}",
        "clear": f"cleared a flag on {version}",
    }[entry["verdict"]]
    cleared = {d["undoes"] for d in pair["decisions"] if d["verdict"] == "clear"}
    later = " It was taken back later." if entry["undone"] else ""
    later = " It was cleared later." if entry["undone"] and entry["decision"] in cleared else later
    blind = ", as a blind second reading" if entry["blind"] else ""
    return f"{who} {done}{blind}.{later}"


def _why(entry: Mapping[str, Any], pair: Mapping[str, Any]) -> str:
    """The reasons, the comment, and the gates that a verdict overrode."""
    titles = {gate["name"]: gate_title(gate) for gate in pair["gates"]}
    why = [] if entry["verdict"] == "flag" else [r for r in entry["reasons"] if r != "batch"]
    why += ["approved with all that was clear, in a batch"] if "batch" in entry["reasons"] else []
    why += [entry["comment"]] if entry["comment"] else []
    why += [f"overrides {', '.join(titles.get(g, words(g)) for g in entry['overrides'])}"] if entry["overrides"] else []
    return "; ".join(why)


def voided(value: Mapping[str, Any]) -> str:
    """What saving did to pairs that were pending or approved."""
    n = value["pending"] + value["approved"]
    return f"{n} pair{'s' if n != 1 else ''} went back into the queue." if n else "No pair was affected."


def reproduced(value: Mapping[str, Any]) -> str:
    """Whether a version could be made again from its record."""
    parts = (("models", value["same_models"]), ("prompt", value["same_prompt"]), ("image", value["same_image"]))
    return render("review/reproduced.html", parts=parts, apart=value["largest_difference"])
