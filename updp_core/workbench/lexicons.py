"""Lexicon versions: show, compare, foresee what an edit would do, save it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from updp_core.domain import Actor
from updp_core.errors import Conflict, LexiconError
from updp_core.store import Transaction
from updp_core.store.store import canonical, known, now, sha256
from updp_core.workbench.desk import CURRENT_LEXICON, Desk
from updp_core.workbench.impact import Foreseen, catch_up, foresee, rows, violations, void_under
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
        seen = foresee(tx, version, old, edited(old, add=add, remove=remove))
        return _impact(tx, seen, seen.hits)


def edit(
    desk: Desk, add: Terms, remove: Terms, comment: str, expected_version: int | None, actor: Actor
) -> dict[str, Any]:
    """See Workbench.lexicon_edit."""
    from updp_core.lexicon import edit as edited

    def make(tx: Transaction, version: int, old: Lexicon) -> Lexicon:
        if expected_version not in (None, version):
            raise Conflict(f"Somebody saved lexicon version {version} meanwhile. Look at it and edit again.")
        return edited(old, add=add, remove=remove)

    return _save(desk, make, comment, actor, "lexicon_edit")


def revert(desk: Desk, version: int, comment: str, actor: Actor) -> dict[str, Any]:
    """See Workbench.lexicon_revert."""

    def make(tx: Transaction, current: int, old: Lexicon) -> Lexicon:
        return desk.lexicon(tx, version)[1]

    return _save(desk, make, comment or f"Back to version {version}", actor, "lexicon_revert")


def _save(
    desk: Desk, make: Callable[[Transaction, int, Lexicon], Lexicon], comment: str, actor: Actor, verb: str
) -> dict[str, Any]:
    """Look at everything while others go on working; then, in one transaction, at what changed since, and save."""
    while True:
        with desk.store.read() as tx:
            version, old = desk.lexicon(tx)
            new = make(tx, version, old)
            added, removed = _difference(old, new)
            if not added and not removed:
                raise LexiconError("This edit changes nothing: every term is already as you want it.")
            seen = foresee(tx, version, old, new)
        with desk.store.write() as tx:
            if tx.value(CURRENT_LEXICON) != version:
                continue  # somebody saved a version while we looked
            hits = catch_up(tx, seen)
            told = _impact(tx, seen, hits)
            number = tx.insert(
                "lexicon_version",
                version=version + 1,
                digest=new.digest,
                content_json=canonical(new.to_dict()),
                author=actor.name,
                role=actor.role,
                comment=comment,
                added=_count(added),
                removed=_count(removed),
                created_at=now(),
            )
            _mark_all(tx, hits, number)
            tx.audit(
                actor,
                verb,
                f"lexicon {number}",
                digest=new.digest,
                added=_count(added),
                removed=_count(removed),
                voided=len(hits),
                **({"comment_sha256": sha256(comment)} if comment else {}),
            )
            # What the version before forbade may be allowed again: its state changes too.
            tx.refresh_where(
                "record IN (SELECT record FROM violation WHERE lexicon_version IN (:before, :after))",
                before=version,
                after=number,
            )
            return {"version": number, "digest": new.digest, "impact": told}


def _mark_all(tx: Transaction, hits: Mapping[int, Sequence[str]], version: int) -> None:
    """As `mark`, for all that an edit forbids. The audit event tells one digest of these rows, however many."""
    tx.run(
        "INSERT INTO violation (candidate, lexicon_version, record, terms_json, after_decision) "
        "SELECT c.id, :v, c.record, json_extract(hit.value, '$[1]'), "
        "  coalesce((SELECT max(d.id) FROM decision d WHERE d.candidate = c.id), 0) "
        "FROM json_each(:hits) hit JOIN candidate c ON c.id = json_extract(hit.value, '$[0]')",
        v=version,
        hits=json.dumps([(candidate, canonical(terms)) for candidate, terms in sorted(hits.items())]),
    )
    tx.tell("violation", version)


def mark(tx: Transaction, candidate: int, version: int, record: str, terms: Iterable[str]) -> None:
    """Note that a lexicon version forbids something in a candidate; verdicts given so far are void."""
    after = tx.value("SELECT coalesce(max(id), 0) FROM decision WHERE candidate = :c", c=candidate)
    tx.insert(
        "violation",
        candidate=candidate,
        lexicon_version=version,
        record=record,
        terms_json=canonical(sorted(terms)),
        after_decision=after,
    )


def check_candidate(tx: Transaction, desk: Desk, candidate: int) -> None:
    """Mark a candidate that the current lexicon forbids and that no edit has looked at, since it was not current."""
    version, lexicon = desk.lexicon(tx)
    [row] = rows(tx, [candidate])
    seen = tx.value("SELECT 1 FROM violation WHERE candidate = :c AND lexicon_version = :v", c=candidate, v=version)
    if row["lexicon_version"] != version and not seen and (terms := violations(lexicon, row)):
        mark(tx, candidate, version, row["record"], terms)


def _count(lists: Mapping[str, Mapping[str, Sequence[str]]]) -> int:
    return sum(len(terms) for categories in lists.values() for terms in categories.values())


def _impact(tx: Transaction, seen: Foreseen, hits: Mapping[int, Sequence[str]]) -> Impact:
    from updp_core.lexicon import diff as difference

    added, removed = _difference(seen.old, seen.new)
    fresh = hits.keys() - void_under(tx, seen.version)
    values = {"fresh": json.dumps(sorted(fresh))}
    listed = "FROM json_each(:fresh) hit JOIN standing s ON s.candidate = hit.value"
    states = {r["state"]: r["n"] for r in tx.all(f"SELECT s.state, count(*) AS n {listed} GROUP BY s.state", **values)}
    released = tx.value(
        "SELECT count(DISTINCT p.candidate) FROM json_each(:fresh) hit JOIN release_pair p ON p.candidate = hit.value",
        **values,
    )
    named = difference(seen.old, seen.new).added.get("blacklist", {})
    forbidden = {term for terms in named.values() for term in terms}
    swallowed = sorted(
        term
        for term in seen.new.preferred_terms
        if any(hit.term in forbidden for hit in seen.new.terms_in(term, "blacklist"))
    )
    return {
        "version": seen.version,
        "added": added,
        "removed": removed,
        "pending": states.get("pending", 0),
        "approved": states.get("approved", 0),
        "released": released,
        "other": sum(n for state, n in states.items() if state not in ("pending", "approved")),
        "conflicts": sorted(forbidden & seen.old.preferred_terms.keys()),
        "swallowed": swallowed[:SHOWN],
        "where": _where(tx, seen.new, sorted(fresh)[:SHOWN]),
    }


def _where(tx: Transaction, new: Lexicon, candidates: Sequence[int]) -> list[dict[str, Any]]:
    """Each pair by record: how it stands, what would be forbidden, and in which of its texts."""
    standings = {
        row["record"]: row
        for row in tx.all(
            "SELECT record, candidate, state FROM standing WHERE record IN "
            "(SELECT record FROM candidate WHERE id IN (SELECT value FROM json_each(:some)))",
            some=json.dumps(candidates),
        )
    }
    found = []
    for row in rows(tx, candidates):
        now_is = standings[row["record"]]
        in_prompt, in_report = violations(new, {**row, "filtered": ""}), violations(new, {**row, "prompt_text": ""})
        found.append(
            {
                "record": row["record"],
                # a candidate that left in a release may have been replaced in the queue since
                "state": now_is["state"] if now_is["candidate"] == row["candidate"] else "replaced",
                "terms": sorted({*in_prompt, *in_report}),
                "in": [name for name, terms in (("prompt", in_prompt), ("report", in_report)) if terms],
            }
        )
    return found


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
