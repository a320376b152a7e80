"""Lexicon versions: show, compare, foresee what an edit would do, save it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from updp_core.domain import Actor
from updp_core.errors import Conflict, LexiconError
from updp_core.store import Transaction, canonical, known, now, sha256
from updp_core.workbench.desk import CURRENT_LEXICON, Desk
from updp_core.workbench.shapes import Impact, LexiconDiff, LexiconRow, LexiconView

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

Terms = Mapping[str, Mapping[str, Sequence[str]]]
SHOWN = 200
"""Records that an impact lists by name."""


def show(desk: Desk, version: int | None) -> LexiconView:
    """See Workbench.lexicon_show."""
    with desk.store.read() as tx:
        current = tx.value(CURRENT_LEXICON)
        version, lexicon = desk.lexicon(tx, version)
        row = known(tx.one("SELECT * FROM lexicon_version WHERE version = :v", v=version), f"lexicon {version}")
    about = {name: row[name] for name in ("digest", "author", "comment", "created_at")}
    return cast(LexiconView, {"version": version, "current": version == current, **about, **lexicon.to_dict()})


def log(desk: Desk) -> list[LexiconRow]:
    """See Workbench.lexicon_log."""
    with desk.store.read() as tx:
        rows = tx.all(
            "SELECT version, digest, author, role, comment, created_at, added, removed FROM lexicon_version "
            "ORDER BY version DESC"
        )
    return cast(list[LexiconRow], rows)


def diff(desk: Desk, a: int, b: int) -> LexiconDiff:
    """See Workbench.lexicon_diff."""
    with desk.store.read() as tx:
        added, removed = _difference(desk.lexicon(tx, a)[1], desk.lexicon(tx, b)[1])
    return {"a": a, "b": b, "added": added, "removed": removed}


def _difference(old: Lexicon, new: Lexicon) -> tuple[dict[str, Any], dict[str, Any]]:
    from updp_core.lexicon import diff as difference

    found = difference(old, new)
    plain = [
        {name: {c: list(terms) for c, terms in lists.items()} for name, lists in part.items()}
        for part in (found.added, found.removed)
    ]
    return plain[0], plain[1]


def impact(desk: Desk, add: Terms, remove: Terms) -> Impact:
    """See Workbench.lexicon_impact."""
    from updp_core.lexicon import edit as edited

    with desk.store.read() as tx:
        version, old = desk.lexicon(tx)
        new = edited(old, add=add, remove=remove)
        hits = _forbidden(tx, old, new, version)
        return _impact(tx, version, old, new, hits, add)


def edit(
    desk: Desk, add: Terms, remove: Terms, comment: str, expected_version: int | None, actor: Actor
) -> dict[str, Any]:
    """See Workbench.lexicon_edit."""
    from updp_core.lexicon import edit as edited

    with desk.store.write() as tx:
        version, old = desk.lexicon(tx)
        if expected_version not in (None, version):
            raise Conflict(f"Somebody saved lexicon version {version} meanwhile. Look at it and edit again.")
        return _save(desk, tx, version, old, edited(old, add=add, remove=remove), comment, actor, "lexicon_edit", add)


def revert(desk: Desk, version: int, comment: str, actor: Actor) -> dict[str, Any]:
    """See Workbench.lexicon_revert."""
    with desk.store.write() as tx:
        current, old = desk.lexicon(tx)
        _, new = desk.lexicon(tx, version)
        comment = comment or f"Back to version {version}"
        return _save(desk, tx, current, old, new, comment, actor, "lexicon_revert", {})


def _save(
    desk: Desk, tx: Transaction, version: int, old: Lexicon, new: Lexicon, comment: str, actor: Actor, verb: str,
    asked: Terms,
) -> dict[str, Any]:  # fmt: skip
    added, removed = _difference(old, new)
    if not added and not removed:
        raise LexiconError("This edit changes nothing: every term is already as you want it.")
    hits = _forbidden(tx, old, new, version)
    told = _impact(tx, version, old, new, hits, asked)
    number = tx.insert(
        "lexicon_version", version=version + 1, digest=new.digest, content_json=canonical(new.to_dict()),
        author=actor.name, role=actor.role, comment=comment, added=_count(added), removed=_count(removed),
        created_at=now(),
    )  # fmt: skip
    touched = {hit["record"] for hit in hits}
    # what the version before forbade may be allowed again: its state changes too
    touched |= {row["record"] for row in tx.all("SELECT record FROM violation WHERE lexicon_version = :v", v=version)}
    for hit in hits:
        mark(tx, hit["candidate"], number, hit["record"], hit["terms"])
    tx.audit(
        actor, verb, f"lexicon {number}", digest=new.digest, added=_count(added), removed=_count(removed),
        voided=len(hits), **({"comment_sha256": sha256(comment)} if comment else {}),
    )  # fmt: skip
    tx.refresh(sorted(touched))
    return {"version": number, "digest": new.digest, "impact": told}


def mark(tx: Transaction, candidate: int, version: int, record: str, terms: Iterable[str]) -> None:
    """Note that a lexicon version forbids something in a candidate; verdicts given so far are void."""
    after = tx.value("SELECT coalesce(max(id), 0) FROM decision WHERE candidate = :c", c=candidate)
    tx.insert(
        "violation", candidate=candidate, lexicon_version=version, record=record,
        terms_json=canonical(sorted(terms)), after_decision=after,
    )  # fmt: skip


def check_candidate(tx: Transaction, desk: Desk, candidate: int) -> None:
    """Mark a candidate that the current lexicon forbids and that no edit has looked at, since it was not current."""
    version, lexicon = desk.lexicon(tx)
    row = tx.one(
        "SELECT c.record, c.prompt_text, c.filtered, c.surrogates_json, c.lexicon_version, r.header_json "
        "FROM candidate c JOIN record r ON r.id = c.record WHERE c.id = :c",
        c=candidate,
    )
    assert row is not None
    seen = tx.value("SELECT 1 FROM violation WHERE candidate = :c AND lexicon_version = :v", c=candidate, v=version)
    if row["lexicon_version"] != version and not seen and (terms := violations(lexicon, row)):
        mark(tx, candidate, version, row["record"], terms)


def _count(lists: Mapping[str, Mapping[str, Sequence[str]]]) -> int:
    return sum(len(terms) for categories in lists.values() for terms in categories.values())


def _forbidden(tx: Transaction, old: Lexicon, new: Lexicon, version: int) -> list[dict[str, Any]]:
    """Current candidates that `new` forbids: [{"record", "candidate", "state", "released", "terms"}].

    Only candidates that contain a changed word, or that the version before forbade, can change sides; only those are
    checked in full.
    """
    from updp_core.lexicon import Lexicon as Make

    added, removed = _difference(old, new)
    lists = (added.get("blacklist", {}), removed.get("whitelist", {}))
    words = {term for categories in lists for terms in categories.values() for term in terms}
    # Each word of a whitelist term was allowed by itself, too.
    words |= {word for terms in lists[1].values() for term in terms for word in term.split()}
    changed = Make(blacklist={"changed": tuple(sorted(words))}) if words else None
    before = _void_under(tx, version)
    found = []
    for row in tx.stream(
        "SELECT c.id AS candidate, c.record, c.prompt_text, c.filtered, c.surrogates_json, s.state, s.released, "
        "r.header_json "
        "FROM candidate c JOIN standing s ON s.record = c.record JOIN record r ON r.id = c.record "
        "WHERE c.error = '' AND (c.id = s.candidate OR EXISTS (SELECT 1 FROM release_pair p WHERE p.candidate = c.id))"
    ):
        suspect = row["candidate"] in before or (
            changed is not None and (changed.terms_in(row["prompt_text"]) or changed.terms_in(row["filtered"]))
        )
        if suspect and (terms := violations(new, row)):
            found.append({**row, "terms": terms})
    return found


def _void_under(tx: Transaction, version: int) -> set[int]:
    rows = tx.all("SELECT candidate FROM violation WHERE lexicon_version = :v", v=version)
    return {row["candidate"] for row in rows}


def violations(lexicon: Lexicon, row: Mapping[str, Any]) -> list[str]:
    """What the lexicon forbids in a candidate (`prompt_text`, `filtered`, `surrogates_json`, `header_json`), by term.

    What the filter would now remove from the report counts, the stand-ins that it wrote itself do not.
    """
    from updp_core.domain import Span
    from updp_core.report import residual

    text = row["filtered"]
    stand_ins = [Span(**span) for span in json.loads(row["surrogates_json"])]
    spans = residual(text, lexicon, json.loads(row["header_json"]), stand_ins)
    terms = {hit.term for hit in lexicon.forbidden_in(row["prompt_text"])}
    for span in spans:
        named = {hit.term for hit in lexicon.terms_in(text[span.start : span.end])}
        terms |= named or {f"{span.category} (in the report)"}
    return sorted(terms)


def _impact(
    tx: Transaction, version: int, old: Lexicon, new: Lexicon, hits: list[dict[str, Any]], asked: Terms
) -> Impact:
    added, removed = _difference(old, new)
    before = _void_under(tx, version)
    fresh = [hit for hit in hits if hit["candidate"] not in before]
    states = [hit["state"] for hit in fresh]
    named = {term for terms in asked.get("blacklist", {}).values() for term in map(str.casefold, terms)}
    swallowed = sorted(
        term for term in new.preferred_terms if any(hit.term in named for hit in new.terms_in(term, "blacklist"))
    )
    return {
        "version": version,
        "added": added,
        "removed": removed,
        "pending": states.count("pending"),
        "approved": states.count("approved"),
        "released": sum(bool(hit["released"]) for hit in fresh),
        "other": len(states) - states.count("pending") - states.count("approved"),
        "conflicts": sorted(named & old.preferred_terms.keys()),
        "swallowed": swallowed[:SHOWN],
        "where": [{"record": h["record"], "state": h["state"], "terms": h["terms"]} for h in fresh[:SHOWN]],
    }


def filter_text(desk: Desk, text: str, header: Mapping[str, Sequence[str]] | None) -> dict[str, Any]:
    """See Workbench.filter_text."""
    from updp_core.report import filter_report

    with desk.store.read() as tx:
        _, lexicon = desk.lexicon(tx)
        policy = desk.policy(tx)["report_policy"]
    found = filter_report(text, lexicon, header=header, policy=policy, ner=desk.ner())
    return {
        "text": found.text,
        "spans": [{**vars(span), "text": text[span.start : span.end]} for span in found.spans],
    }
