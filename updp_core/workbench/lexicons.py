"""Lexicon versions: show, compare, foresee what an edit would do, save it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from updp_core.atomic import canonical, sha256
from updp_core.domain import SYSTEM, Actor
from updp_core.errors import Conflict, LexiconError
from updp_core.lexicon import Lexicon, edit
from updp_core.report import filter_report
from updp_core.store import Transaction
from updp_core.store.schema import LexiconVersion
from updp_core.store.store import known, now
from updp_core.workbench.desk import CURRENT_LEXICON, Desk, Noun
from updp_core.workbench.impact import catch_up, difference, foresee, impact, rows, violations
from updp_core.workbench.roles import EVERYBODY, OFFICER, READERS, sees_phi, verb
from updp_core.workbench.shapes import LexiconDiff, LexiconRow, LexiconView, Terms
from updp_core.workbench.wording import written

_FEW = 200
"""Pairs that are voided in the first turn; how many in the next follows from how long it took."""
_TURN_S = 0.25
"""How long others wait for a turn."""
_PAUSE_S = 0.12
"""Between two turns: whoever waits for SQLite asks again every tenth of a second."""


class Lexicons(Noun):
    """Read the versions of the lists, save another, and try the report filter under the one in force."""

    @verb(READERS)
    def lexicon_current(self, *, actor: Actor) -> LexiconView:
        """The version in force."""
        return _view(self.desk, None)

    @verb(READERS)
    def lexicon_show(self, version: int, *, actor: Actor) -> LexiconView:
        """Any version."""
        return _view(self.desk, version)

    @verb(EVERYBODY)
    def lexicon_log(self, *, actor: Actor) -> list[LexiconRow]:
        """All versions, newest first. What could tell an added term (comment, digest) is kept back like a report."""
        with self.desk.store.read() as tx:
            rows = tx.rows(
                LexiconRow,
                "SELECT version, digest, author, role, comment, created_at, added, removed FROM lexicon_version "
                "ORDER BY version DESC",
            )
        return rows if sees_phi(actor) else [{**row, "digest": "", "comment": ""} for row in rows]

    @verb(READERS)
    def lexicon_diff(self, a: int, b: int, *, actor: Actor) -> LexiconDiff:
        """What version b has more and less than version a."""
        with self.desk.store.read() as tx:
            added, removed = difference(self.desk.lexicon(tx, a)[1], self.desk.lexicon(tx, b)[1])
        return {"a": a, "b": b, "added": added, "removed": removed}

    @verb(OFFICER)
    def lexicon_edit(
        self,
        *,
        actor: Actor,
        comment: str,
        add: Terms | None = None,
        remove: Terms | None = None,
        expected_version: int | None = None,
    ) -> dict[str, Any]:
        """Save a new version and void what it forbids, in one transaction: {"version": n, "impact": Impact}.

        LexiconError where the edit changes nothing or is invalid; Conflict where `expected_version` is not current.
        """

        def make(tx: Transaction, version: int, old: Lexicon) -> Lexicon:
            if expected_version not in (None, version):
                raise Conflict(f"Somebody saved lexicon version {version} meanwhile. Look at it and edit again.")
            return edit(old, add=add, remove=remove)

        return _save(self.desk, make, comment, actor, "lexicon_edit")

    @verb(OFFICER)
    def lexicon_revert(self, version: int, *, actor: Actor, comment: str) -> dict[str, Any]:
        """Save a new version with the content of an old one; as lexicon_edit."""

        def make(tx: Transaction, current: int, old: Lexicon) -> Lexicon:
            return self.desk.lexicon(tx, version)[1]

        return _save(self.desk, make, comment or f"Back to version {version}", actor, "lexicon_revert")

    @verb(READERS)
    def filter_text(
        self, text: str, *, actor: Actor, header: Mapping[str, Sequence[str]] | None = None
    ) -> dict[str, Any]:
        """Filter any report text under the current lexicon and policy: {"text", "spans": [{start, end, rule, ...}]}."""
        with self.desk.store.read() as tx:
            _, lexicon = self.desk.lexicon(tx)
            policy = self.desk.policy(tx)["report_policy"]
        found = filter_report(text, lexicon, header=header, policy=policy, ner=self.desk.models.ner())
        return {
            "text": found.text,
            "spans": [{**vars(span), "text": text[span.start : span.end]} for span in found.spans],
        }


def _view(desk: Desk, version: int | None) -> LexiconView:
    with desk.store.read() as tx:
        current = tx.value(CURRENT_LEXICON)
        version, lexicon = desk.lexicon(tx, version)
        row = known(tx.get(LexiconVersion, version=version), f"lexicon {version}")
    lists = lexicon.to_dict()
    return {
        "version": version,
        "current": version == current,
        "digest": row.digest,
        "author": row.author,
        "comment": row.comment,
        "created_at": row.created_at,
        "blacklist": lists["blacklist"],
        "whitelist": lists["whitelist"],
    }


def _save(
    desk: Desk, make: Callable[[Transaction, int, Lexicon], Lexicon], comment: str, actor: Actor, verb: str
) -> dict[str, Any]:
    """Look at everything while others go on working; then, in one transaction, at what changed since, and save.

    From then on what the version forbids is void; its rows follow part by part (see `carry_out`).
    """
    comment = written(comment)
    while True:
        carry_out(desk)
        with desk.store.read() as tx:
            version, old = desk.lexicon(tx)
            new = make(tx, version, old)
            added, removed = difference(old, new)
            if not added and not removed:
                raise LexiconError("This edit changes nothing: every term is already as you want it.")
            seen = foresee(tx, version, old, new)
            told = impact(tx, seen, seen.hits, actor)
            due = _due(tx, seen.hits)
        with desk.store.write() as tx:
            if tx.value(CURRENT_LEXICON) != version or tx.value("SELECT 1 FROM violation_due LIMIT 1"):
                continue  # somebody saved a version while we looked
            hits = catch_up(tx, seen)
            if hits is not seen.hits:
                told = impact(tx, seen, hits, actor)
                due = _due(tx, hits)
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
            tx.run(
                "INSERT INTO violation_due (candidate, record, terms_json) SELECT candidate, record, terms "
                f"FROM {tx.dialect.each('due', candidate=int, record=str, terms=str)} hit",
                due=due,
            )
            # What the version before forbade may be allowed again: its state changes too.
            tx.run(
                "INSERT INTO violation_due (candidate, record, terms_json) SELECT v.candidate, v.record, '' "
                "FROM violation v WHERE v.lexicon_version = :before "
                "AND NOT EXISTS (SELECT 1 FROM violation_due x WHERE x.candidate = v.candidate)",
                before=version,
            )
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
        carry_out(desk)
        return {"version": number, "digest": new.digest, "impact": told}


def _due(tx: Transaction, hits: Mapping[int, Sequence[str]]) -> str:
    """Rows of `violation_due` as JSON, in order."""
    some = f"SELECT id, record FROM candidate WHERE id IN {tx.dialect.each('some', candidate=int)} ORDER BY id"
    rows = tx.stream(some, some=json.dumps(list(hits)))
    return json.dumps([(row["id"], row["record"], canonical(hits[row["id"]])) for row in rows])


def carry_out(desk: Desk) -> None:
    """Write what the version in force forbids into the book, and derive the standings that follow: some at a time, so
    that nobody's verdict waits for all. Who opens the workspace finishes what a process that ended has left."""
    with desk.store.read() as tx:
        if tx.value("SELECT 1 FROM violation_due LIMIT 1") is None:
            return
    some = _FEW
    while True:
        with desk.store.write() as tx:
            began = time.perf_counter()
            candidates = tx.column("SELECT candidate FROM violation_due ORDER BY candidate LIMIT :some", some=some)
            if candidates:
                _carry_out(tx, range(candidates[0], candidates[-1] + 1))
        if len(candidates) < some:
            return
        some = max(1, min(2 * some, round(some * _TURN_S / (time.perf_counter() - began))))
        time.sleep(_PAUSE_S)


def _carry_out(tx: Transaction, part: range) -> None:
    version = tx.value(CURRENT_LEXICON)
    between = "candidate BETWEEN :first AND :last"
    values = {"first": part[0], "last": part[-1]}
    known = tx.column(f"SELECT candidate FROM violation WHERE lexicon_version = :v AND {between}", v=version, **values)
    tx.run(
        "INSERT INTO violation (candidate, lexicon_version, record, terms_json, after_decision) "
        "SELECT x.candidate, :v, x.record, x.terms_json, "
        "  coalesce((SELECT max(d.id) FROM decision d WHERE d.candidate = x.candidate), 0) "
        f"FROM violation_due x WHERE x.{between} AND x.terms_json <> '' AND NOT EXISTS "
        "(SELECT 1 FROM violation v WHERE v.candidate = x.candidate AND v.lexicon_version = :v)",
        v=version,
        **values,
    )
    records = tx.column(f"SELECT record FROM violation_due WHERE {between}", **values)
    tx.run(f"DELETE FROM violation_due WHERE {between}", **values)
    if number := tx.tell("violation", version, part, set(known)):
        tx.audit(SYSTEM, "void", f"lexicon {version}", number=number)
    tx.refresh_where(f"record IN {tx.dialect.each('records', record=str)}", records=json.dumps(records))


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


def is_due(tx: Transaction, candidate: int | None) -> bool:
    """Whether the version in force forbids a candidate and the book is yet to say so."""
    due = "SELECT 1 FROM violation_due WHERE candidate = :c AND terms_json <> ''"
    return bool(tx.value(due, c=candidate))


def check_candidate(tx: Transaction, desk: Desk, candidate: int) -> None:
    """Mark a candidate that the current lexicon forbids and that no edit has looked at, since it was not current."""
    version, lexicon = desk.lexicon(tx)
    [row] = rows(tx, [candidate])
    seen = is_due(tx, candidate) or tx.value(
        "SELECT 1 FROM violation WHERE candidate = :c AND lexicon_version = :v", c=candidate, v=version
    )
    if row.lexicon_version != version and not seen and (terms := violations(lexicon, row)):
        mark(tx, candidate, version, row.record, terms)


def _count(lists: Mapping[str, Mapping[str, Sequence[str]]]) -> int:
    return sum(len(terms) for categories in lists.values() for terms in categories.values())
