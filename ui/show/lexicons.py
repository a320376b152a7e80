"""Display of the lexicon desk: unsaved changes, what an edit would do, history. Pure, everything escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.show.pages import Cell, table
from ui.show.review import STATES, empty, esc, when, words

LISTS = {"blacklist": "forbidden", "whitelist": "always kept"}
Terms = Mapping[str, Mapping[str, Sequence[str]]]


def count(n: int, what: str) -> str:
    """A number with its noun: 1 pair, 2 pairs."""
    return f"{n:,} {what}{'s' if n != 1 else ''}"


def _sides(value: Terms, sign: str, mark: str, undo: bool = False) -> list[str]:
    """Lines of terms; with `undo`, each with a button that takes the change back."""
    verb = {"plus": "Do not add", "minus": "Do not remove"}[mark]
    return [
        f'<li class="{mark}"><b>{sign}</b> {esc(term)} '
        f'<span class="muted">{LISTS[side]} · {esc(words(category))}</span>'
        + (
            f' <button type="button" data-side="{side}" data-category="{esc(category)}" data-term="{esc(term)}" '
            f'aria-label="{verb} {esc(term)}" title="{verb}">Take back</button>'
            if undo
            else ""
        )
        + "</li>"
        for side, categories in value.items()
        for category, terms in categories.items()
        for term in terms
    ]


def diff(value: Mapping[str, Any], limit: int = 200) -> str:
    """Terms that were added and removed between two versions."""
    lines = _sides(value["added"], "+", "plus") + _sides(value["removed"], "−", "minus")
    if not lines:
        return empty("No difference.")
    more = f'<li class="muted">and {len(lines) - limit} more</li>' if len(lines) > limit else ""
    return f'<ul class="diff">{"".join(lines[:limit])}{more}</ul>'


def draft(value: Mapping[str, Any], limit: int = 100) -> str:
    """What is changed and not in force: number, each change, and the way back."""
    n = value["terms"]
    if not n:
        return '<p class="muted">No unsaved changes.</p>'
    lines = _sides(value["add"], "+", "plus", undo=True) + _sides(value["remove"], "−", "minus", undo=True)
    more = f'<li class="muted">and {len(lines) - limit} more</li>' if len(lines) > limit else ""
    newer = (
        f" They were begun on version {value['version']}; version {value['current']} is in force now."
        if value["version"] < value["current"]
        else ""
    )
    return (
        f'<section class="unsaved"><h3>▲ {count(n, "unsaved change")}</h3>'
        '<p class="muted">Not in force: saving opens once their impact has been shown. Kept for you '
        f"({esc(when(value['saved_at']))} UTC), also when you leave."
        f"{newer}</p>"
        f'<ul class="diff">{"".join(lines[:limit])}{more}</ul>'
        '<button type="button" data-discard="1">Discard all</button></section>'
    )


def impact(value: Mapping[str, Any]) -> str:
    """What an edit would do to pairs, and how it sits with the other list."""
    named = (("pending", "to review"), ("approved", "approved"), ("released", "already released"), ("other", "other"))
    rows = "".join(f"<li><b>{value[n]:,}</b> {name}</li>" for n, name in named if value[n])
    out = [f"<p>Pairs that contain it:</p><ul class=counts>{rows}</ul>" if rows else "<p>✓ No pair contains it.</p>"]
    if value["pending"] + value["approved"]:
        out.append("<p>Saving voids them: approvals fall, and the pairs are made again and reviewed again.</p>")
    if value["released"]:
        out.append("<p class=stop>■ It has already left the house in a release. Saving does not bring that back.</p>")
    if value["conflicts"]:
        out.append(f"<p class=warn>▲ Leaves the list of words always kept: {_some(value['conflicts'])}</p>")
    if value["swallowed"]:
        out.append(
            f"<p class=warn>▲ Still on that list, but with a forbidden word inside: {_some(value['swallowed'])}</p>"
        )
    if value["where"]:
        cells = [
            (w["record"], STATES[w["state"]][0] if w["state"] in STATES else "Released, replaced since",
             " and ".join(w["in"]), ", ".join(w["terms"][:4]))
            for w in value["where"][:8]
        ]  # fmt: skip
        n = value["pending"] + value["approved"] + value["other"] - len(cells)
        out.append(table(["Pair", "State", "In", "What"], cells, "Pairs that contain a term"))
        out.append(f"<p class=muted>and {n:,} more</p>" if n > 0 else "")
    return f'<div class="impact">{"".join(out)}</div>'


def _some(terms: Sequence[str], limit: int = 12) -> str:
    more = f" and {len(terms) - limit} more" if len(terms) > limit else ""
    return esc(", ".join(terms[:limit])) + more


def pieces(value: Mapping[str, Any], limit: int = 30) -> str:
    """Which word pieces the new terms mask, and why only these."""
    if not value["terms"] and not value["free_again"]:
        return ""
    said = [count(value["masked"], "piece") + " masked"] if value["terms"] else []
    said += [count(value["freed"], "piece") + " free again"] if value["freed"] else []
    cells = [
        (row["term"],
         Cell(_pieces(row["masked"]) if row["masked"] else '<span class="muted">none</span>'),
         Cell(_pieces(row["reads"], "·") if row["reads"] else '<span class="muted">cannot be spelled</span>'))
        for row in value["terms"][:limit]
    ]  # fmt: skip
    more = len(value["terms"]) + value["more"] - len(cells)
    out = [
        f"<h3>Word pieces</h3><p>{', '.join(said)} of {value['size']:,} of the {esc(value['encoder'])}.</p>",
        table(["New term", "Masks", "Is spelled"], cells, "Word pieces by term") if cells else "",
        f"<p class=muted>and {count(more, 'term')} more</p>" if more > 0 else "",
        f"<p>Free again: {_pieces(value['free_again'][:limit])}</p>" if value["free_again"] else "",
        '<p class="muted">A piece is masked only because its letters alone read as the term. Pieces that other words '
        "need too stay allowed; the finished prompt is checked as a whole, so the term cannot be put together. "
        "“–” marks the side on which a piece joins its neighbour.</p>",
    ]
    return f'<div class="impact pieces">{"".join(out)}</div>'


def _pieces(some: Sequence[Mapping[str, Any]], between: str = " ") -> str:
    return between.join(
        f"<code>{'–' if p['joins_left'] else ''}{esc(p['text'])}{'–' if p['joins_right'] else ''}</code>" for p in some
    )


def log(rows: Sequence[Mapping[str, Any]]) -> str:
    """All versions, newest first; a row's buttons show its difference or bring it back to the desk."""
    if not rows:
        return empty("No version yet.")
    newest = rows[0]["version"]
    cells = []
    for r in rows:
        v = r["version"]
        see = (
            f'<button type="button" data-diff="{v}" aria-label="What version {v} changed">What changed</button>'
            if v > 1
            else ""
        )
        back = (
            f'<button type="button" data-now="{v}" aria-label="Version {v} against now">Against now</button>'
            f'<button type="button" data-revert="{v}" aria-label="Go back to version {v}">Go back to it…</button>'
            if v != newest
            else ""
        )
        cells.append(
            (f"v{v}", when(r["created_at"]), r["author"], r["comment"], f"+{r['added']} −{r['removed']}",
             Cell(see + back))
        )  # fmt: skip
    return table(["Version", "When", "Who", "Why", "Terms", ""], cells, "History of the lexicons")


def hits(query: str, view: Mapping[str, Any], limit: int = 60) -> str:
    """Where a search finds terms, in both lists."""
    wanted = " ".join(query.casefold().split())
    if not wanted:
        return ""
    found = [
        (side, category, term)
        for side in ("blacklist", "whitelist")
        for category, terms in view[side].items()
        for term in terms
        if wanted in term
    ]
    if not found:
        return f'<p class="muted">No term contains “{esc(query)}”.</p>'
    names = {"blacklist": "■ forbidden", "whitelist": "✓ kept"}
    rows = "".join(
        f'<li><button type="button" data-side="{s}" data-category="{esc(c)}" data-term="{esc(t)}">{esc(t)} '
        f'<span class="muted">{names[s]} · {esc(words(c))}</span></button></li>'
        for s, c, t in found[:limit]
    )
    more = f"<p class=muted>and {len(found) - limit} more</p>" if len(found) > limit else ""
    return f'<p class="muted">{count(len(found), "term")}</p><ul class="hits">{rows}</ul>{more}'


def export(view: Mapping[str, Any]) -> str:
    """Both lists as one text that "Add from a text file" reads again: a heading in brackets, then a term a line."""
    return "\n".join(
        line
        for side in ("blacklist", "whitelist")
        for category, terms in view[side].items()
        for line in (f"[{side}/{category}]", *terms, "")
    )
