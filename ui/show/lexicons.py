"""What the lexicon desk shows: unsaved changes, what an edit would do, history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ui.show import counted, empty, render

LISTS = {"blacklist": "forbidden", "whitelist": "always kept"}
Terms = Mapping[str, Mapping[str, Sequence[str]]]
Line = tuple[str, str, str, str]


def _lines(value: Terms, mark: str) -> list[Line]:
    """(mark, side, category, term) of every term."""
    return [
        (mark, side, category, term)
        for side, categories in value.items()
        for category, terms in categories.items()
        for term in terms
    ]


def diff(value: Mapping[str, Any], head: str, limit: int = 200) -> str:
    """Terms that were added and removed between two versions, under a heading."""
    lines = _lines(value["added"], "plus") + _lines(value["removed"], "minus")
    return render("lexicons/diff.html", head=head, lines=lines, limit=limit, undo=False, LISTS=LISTS)


def draft(value: Mapping[str, Any], limit: int = 100) -> str:
    """What is changed and not in force: number, each change, and the way back."""
    lines = _lines(value["add"], "plus") + _lines(value["remove"], "minus")
    return render("lexicons/draft.html", draft=value, lines=lines, limit=limit, undo=True, LISTS=LISTS)


def impact(value: Mapping[str, Any], limit: int = 8) -> str:
    """What an edit would do to pairs, and how it sits with the other list."""
    named = (("pending", "to review"), ("approved", "approved"), ("released", "already released"), ("other", "other"))
    rows = [(value[n], name) for n, name in named if value[n]]
    return render("lexicons/impact.html", impact=value, rows=rows, limit=limit)


def pieces(value: Mapping[str, Any], limit: int = 30) -> str:
    """Which word pieces the new terms mask, and why only these."""
    if not value["terms"] and not value["free_again"]:
        return ""
    said = [counted(value["masked"], "piece") + " masked"] if value["terms"] else []
    said += [counted(value["freed"], "piece") + " free again"] if value["freed"] else []
    return render("lexicons/pieces.html", pieces=value, said=said, limit=limit)


def log(rows: Sequence[Mapping[str, Any]], opens: bool = True) -> str:
    """All versions, newest first; where `opens`, a row's buttons show its difference or bring it back to the desk."""
    return render("lexicons/log.html", rows=rows, opens=opens) if rows else empty("No version yet.")


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
    return render("lexicons/hits.html", query=query, hits=found, limit=limit)


def export(view: Mapping[str, Any]) -> str:
    """Both lists as one text that "Add from a text file" reads again: a heading in brackets, then a term a line."""
    return "\n".join(
        line
        for side in ("blacklist", "whitelist")
        for category, terms in view[side].items()
        for line in (f"[{side}/{category}]", *terms, "")
    )
