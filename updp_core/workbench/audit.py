"""The audit trail: one event a verb, hash-chained, and the check that finds any change."""

from __future__ import annotations

import bisect
import hashlib
import json
import re
import time
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, cast

from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.store import Store, Transaction, purge, standing, word_index
from updp_core.store.schema import GROUPED, TOLD
from updp_core.store.store import GENESIS, event_digest, keys, row_digest, row_key, seconds_of
from updp_core.workbench import grades, lexicons, population, trail
from updp_core.workbench import keys as keyring
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.holds import MAX_MINUTES
from updp_core.workbench.roles import OPERATORS, sees_phi, verb
from updp_core.workbench.shapes import AuditPage, AuditReport, AuditRow, Policy

MOST_PROBLEMS = 100
FLAGGING = ("flag", "clear")
"""Entries whose words stay with their pair: they ask for a look at what may be a patient's name."""
GUESSABLE = ("comment_sha256", "digest", "embeddings", "groups", "nonce", "purged", "rows")
"""Details that confirm a guess at what somebody typed, or hold it: for roles that see no PHI, an event tells the
others."""


class Audit(Noun):
    """Read the trail, and check it."""

    @verb(OPERATORS)
    def audit(
        self,
        *,
        actor: Actor,
        offset: int = 0,
        limit: int = 50,
        verb: str | None = None,
        who: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        looks: bool = True,
    ) -> AuditPage:
        """The audit trail, newest first, of one verb or one person where asked.

        `kind` is one of `trail.KINDS`; `since` and `until` are days (2026-01-31, UTC, both counted in); without
        `looks`, who looked at what is left out. Raises UsageError for another kind, or what is no day.
        """
        clause, values = _asked(verb, who, kind, since, until, looks)
        with self.desk.store.read() as tx:
            total = tx.value(f"SELECT count(*) FROM audit_event {clause}", **values)
            rows = tx.all(
                f"SELECT * FROM audit_event {clause} ORDER BY id DESC LIMIT :limit OFFSET :offset",
                **values,
                limit=max(1, min(limit, 500)),
                offset=max(0, offset),
            )
            events = _told_in_words(tx, rows, actor)
            people = tx.column("SELECT DISTINCT actor FROM audit_event ORDER BY actor LIMIT 500")
        return {"events": events, "total": total, "offset": offset, "limit": limit, "people": people}

    @verb(OPERATORS)
    def audit_export(
        self,
        form: str,
        *,
        actor: Actor,
        verb: str | None = None,
        who: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        looks: bool = True,
    ) -> Iterator[str]:
        """The trail as a file, oldest first: `form` is "csv" or "jsonl". It holds what `audit` shows to this role, of
        the same events, and that it was saved is an event itself. Raises UsageError as `audit` does.
        """
        if form not in ("csv", "jsonl"):
            raise UsageError("The trail can be saved as csv or jsonl.")
        clause, values = _asked(verb, who, kind, since, until, looks)
        with self.desk.store.read() as tx:
            last, number = tx.value("SELECT max(id) FROM audit_event"), 0
            number = tx.value(f"SELECT count(*) FROM audit_event {clause}", **values)
        with self.desk.store.write() as tx:
            tx.audit(actor, "audit_export", events=number, form=form)
        return (trail.as_csv if form == "csv" else trail.as_jsonl)(_all(self.desk, clause, values, last, actor))

    @verb(OPERATORS)
    def audit_verify(self, *, actor: Actor) -> AuditReport:
        """Recompute the chain, hold every row that it tells of to it, and compute again what is derived from them."""
        problems: list[str] = []
        lexicons.carry_out(self.desk)
        with self.desk.store.read() as tx:
            untold = _untold(tx)
            for problem in _problems(self.desk.store, tx, self.desk.policy(tx)):
                problems.append(problem)
                if len(problems) >= MOST_PROBLEMS:
                    problems.append("There are more problems than are listed here.")
                    break
            count, last = tx.value("SELECT count(*) FROM audit_event"), head(tx)
            back = tx.all(
                "SELECT id, detail_json FROM audit_event WHERE detail_json LIKE '%\"clock_back_s\":%' ORDER BY id"
            )
        seconds = {event["id"]: json.loads(event["detail_json"]).get("clock_back_s") for event in back}
        remarks = [f"Before event {n} the clock of this machine went back by {s} s." for n, s in seconds.items() if s]
        if untold:
            remarks.append(
                f"Of {untold} embeddings no event tells: UPDP 0.7 or older made them, or somebody entered them."
            )
        return {"ok": not problems, "events": count, "head": last, "problems": problems, "remarks": remarks}


def _asked(
    verb: str | None, who: str | None, kind: str | None, since: str | None, until: str | None, looks: bool
) -> tuple[str, dict[str, Any]]:
    if kind and kind not in trail.KINDS:
        raise UsageError(f"Kinds of events are: {', '.join(trail.KINDS)}.")
    try:
        first = date.fromisoformat(since).isoformat() if since else None
        after = (date.fromisoformat(until) + timedelta(days=1)).isoformat() if until else None
    except (ValueError, OverflowError):
        raise UsageError("A day is written 2026-01-31.") from None
    return trail.narrowed(verb, who, kind, first, after, looks)


def _told_in_words(tx: Transaction, rows: list[dict[str, Any]], actor: Actor) -> list[AuditRow]:
    """Events as this role may see them, each with its sentence, and with the reasons of the entry that it tells of."""
    phi = sees_phi(actor)
    kept_back = () if phi else GUESSABLE
    details = [json.loads(row["detail_json"]) for row in rows]
    entries = [detail["decision"] for detail in details if isinstance(detail.get("decision"), int)]
    some = tx.dialect.each("ids", record=int)
    found = {
        row["id"]: row
        for row in tx.all(
            f"SELECT id, verdict, reasons_json, comment FROM decision WHERE id IN {some}", ids=json.dumps(entries)
        )
    }
    events: list[AuditRow] = []
    for row, detail in zip(rows, details, strict=True):
        entry = found.get(detail.get("decision"))
        event: dict[str, Any] = {
            "event": row["id"],
            "at": row["at"],
            "actor": row["actor"],
            "role": row["role"],
            "verb": row["verb"],
            "subject": row["subject"],
            "detail": {k: v for k, v in detail.items() if k not in kept_back},
            "digest": row["digest"],
            "reasons": json.loads(entry["reasons_json"]) if entry else [],
            "comment": entry["comment"] if entry and phi and entry["verdict"] not in FLAGGING else "",
        }
        events.append(cast(AuditRow, {**event, "said": trail.sentence(event)}))
    return events


def _all(desk: Desk, clause: str, values: dict[str, Any], last: int, actor: Actor) -> Iterator[AuditRow]:
    """The events of a clause up to one of them, oldest first, some at a time."""
    done = 0
    more = f"{clause} AND" if clause else "WHERE"
    while True:
        with desk.store.read() as tx:
            rows = tx.all(
                f"SELECT * FROM audit_event {more} id > :done AND id <= :last ORDER BY id LIMIT 500",
                **values,
                done=done,
                last=last,
            )
            events = _told_in_words(tx, rows, actor)
        if not events:
            return
        yield from events
        done = events[-1]["event"]


def head(tx: Transaction) -> str:
    """The digest of the last event."""
    return tx.value("SELECT digest FROM audit_event ORDER BY id DESC LIMIT 1") or GENESIS


def _problems(store: Store, tx: Transaction, policy: Policy) -> Iterator[str]:
    """The chain itself, its end, and every row that it tells of."""
    heads = {row["audit_head"]: row["id"] for row in tx.all("SELECT id, audit_head FROM release")}
    told = _Told()
    anchor = _anchor(store)
    previous, expected = GENESIS, 1
    for row in tx.stream("SELECT * FROM audit_event ORDER BY id"):
        if row["id"] != expected:
            yield f"Audit events {expected} to {row['id'] - 1} are missing."
        if row["previous"] != previous:
            yield f"Audit event {row['id']} does not follow from the one before it."
        if event_digest(row) != row["digest"]:
            yield f"Audit event {row['id']} was changed."
        if anchor and anchor[0] == row["id"] and anchor[1] != row["digest"]:
            yield f"Audit event {row['id']} is not the one that was noted beside the database."
        heads.pop(row["digest"], None)
        told.add(row)
        previous, expected = row["digest"], row["id"] + 1
    if max(tx.dialect.events_written(tx), anchor[0] if anchor else 0) >= expected:
        yield f"Audit events from {expected} on are missing: the chain was cut short."
    for digest, release in heads.items():
        if digest != GENESIS:
            yield f"The chain does not hold the event that release {release} names as its head."
    if anchor is None and previous != GENESIS:
        yield "The head that is noted beside the database (audit.head) was removed or cannot be read."
    events = tx.all("SELECT detail_json FROM audit_event WHERE verb IN ('key_new', 'key_trust')")
    for key in keyring.unrecorded(store.home, {json.loads(row["detail_json"]).get("fingerprint") for row in events}):
        yield f"The key {key} was entered by nobody's making or trusting it."
    yield from told.differences(tx)
    gone = set(tx.column("SELECT id FROM record WHERE image = ''"))
    kept = {key: mark for key, mark in told.embeddings.items() if key.partition("|")[0] not in gone}
    yield from _embeddings(store, tx, kept)
    yield from _derived(tx, policy)


def _derived(tx: Transaction, policy: Policy) -> Iterator[str]:
    """What is computed from the rows of record, computed again: triggers, grades, standings, counts; and holds."""
    found = tx.dialect.triggers_found(tx)
    due_triggers = tx.dialect.triggers()
    for name, statement in due_triggers.items():
        if " ".join(found.get(name, "").split()) != " ".join(statement.split()):
            yield f"The trigger {name} is missing or was changed: rows could be changed since."
    for name in sorted(found.keys() - due_triggers.keys()):
        yield f"The trigger {name} was added: it may change what is written."
    for name in sorted(standing.replaced(tx)):
        yield f"The view {name} was replaced: what it showed may not have been so."
    for event in tx.all(_EDITS):
        version, due = event["subject"].removeprefix("lexicon "), json.loads(event["detail_json"]).get("voided", 0)
        if tx.value(_VOIDED, v=int(version)) < due:
            yield f"Of the {due} versions that lexicon {version} voided, some are void no longer."
    for row, states in _graded(tx):
        evidence, settings = json.loads(row["evidence_json"]), json.loads(row["settings_json"])
        graded = grades.graded(grades.evidence_of(evidence, row["method"], settings), policy)
        there, due = (_told_of(json.loads(text or "[]")) for text in (row.pop("gates_json"), graded.pop("gates_json")))
        follow = {name: (state, value) for name, (state, value, _) in due.items()}
        if there != due or states != follow or any(row[name] != v for name, v in graded.items()):
            yield f"The grade of candidate {row['id']} does not follow from its evidence and the policy in force."
    for row in tx.all(f"{standing.written_out(tx.dialect)} {standing.DISAGREES}"):
        yield f"The standing of record {row['record']} is not the one that follows from its decisions."
    for candidate in word_index.differing(tx):
        yield (
            f"The index of words of candidate {candidate} does not follow from its prompt and report: a "
            "changed lexicon may overlook it."
        )
    for name in tx.miscounted():
        yield f"The counts of {name} do not follow from the records."
    last = tx.value("SELECT max(at) FROM audit_event")
    told = seconds_of(last) if last else 0.0  # a clock that went back makes no hold a forgery
    latest = max(time.time(), told) + 60 * MAX_MINUTES
    for row in tx.all(
        "SELECT h.record FROM hold h WHERE h.expires > :latest OR NOT EXISTS (SELECT 1 FROM audit_event e "
        "WHERE e.verb = 'take' AND e.subject = h.record AND e.actor = h.holder)",
        latest=latest,
    ):
        yield f"The hold of record {row['record']} was entered by nobody's taking it."


def _graded(tx: Transaction) -> Iterator[tuple[dict[str, Any], dict[str, tuple[str, Any]]]]:
    """Candidates with their evidence and grade, and the states and values of their gates by name."""
    last = 0
    while rows := tx.all(
        "SELECT c.id, c.evidence_json, c.method, c.settings_json, g.gates_json, g.worst, g.risk, g.alignment "
        "FROM candidate c LEFT JOIN grade g ON g.candidate = c.id WHERE c.error = '' AND c.id > :last "
        "ORDER BY c.id LIMIT 500",
        last=last,
    ):
        states: dict[int, dict[str, tuple[str, Any]]] = {row["id"]: {} for row in rows}
        between = "SELECT candidate, name, state, value FROM gate_value WHERE candidate BETWEEN :first AND :last"
        for gate in tx.all(between, first=rows[0]["id"], last=rows[-1]["id"]):
            if gate["candidate"] in states:
                states[gate["candidate"]][gate["name"]] = (gate["state"], gate["value"])
        yield from ((row, states[row["id"]]) for row in rows)
        last = rows[-1]["id"]


def _told_of(gates: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """What gates say, without their wording, which a new version may change."""
    return {gate["name"]: (gate["state"], gate["value"], gate["threshold"]) for gate in gates}


def _embeddings(store: Store, tx: Transaction, told: dict[str, str]) -> Iterator[str]:
    """Embeddings that differ from what was told when they were made; those of older versions were not told."""
    for row in tx.stream("SELECT record, judge, vector FROM embedding ORDER BY record, judge"):
        noted = told.pop(f"{row['record']}|{row['judge']}", None)
        if noted is not None and noted != population.mark(store, row["record"], row["judge"], row["vector"]):
            yield f"The embedding of record {row['record']} was changed."
    for key in told:
        yield f"The embedding of record {key.partition('|')[0]} is missing."


def _untold(tx: Transaction) -> int:
    """How many embeddings no event tells of."""
    told: set[str] = set()
    for event in tx.stream("SELECT detail_json FROM audit_event WHERE verb = 'embed'"):
        told.update(json.loads(event["detail_json"]).get("embeddings", {}))
    rows = tx.stream("SELECT record, judge FROM embedding")
    return sum(f"{row['record']}|{row['judge']}" not in told for row in rows)


def _anchor(store: Store) -> tuple[int, str] | None:
    try:
        noted = json.loads((store.home / "audit.head").read_bytes())
        return int(noted["event"]), str(noted["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


_EDITS = "SELECT subject, detail_json FROM audit_event WHERE verb IN ('lexicon_edit', 'lexicon_revert')"
_VOIDED = (
    "SELECT (SELECT count(*) FROM violation WHERE lexicon_version = :v) + "
    "(SELECT count(*) FROM violation_due WHERE terms_json <> '' AND :v = (SELECT max(version) FROM lexicon_version))"
)
"""How many candidates a version of the lexicon forbids, or is about to."""
_PART = re.compile(r"(.+)\|(\d+)-(\d+)")
_SAID = r"\1 (\2 to \3)"


class _Told:
    """Digests of rows as the events tell them, to be held against the tables."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, str]] = {table: {} for table in TOLD}
        self.groups: dict[str, dict[str, dict[str, Any]]] = {table: {} for table in GROUPED}
        self.embeddings: dict[str, str] = {}
        self.purged: dict[str, dict[str, list[str]]] = {table: {} for table in purge.TOMBSTONE}
        self.again: list[str] = []

    def add(self, event: dict[str, Any]) -> None:
        try:
            detail = json.loads(event["detail_json"])
            if event["verb"] == "embed":
                self.embeddings.update(detail["embeddings"])
            if event["verb"] == "purge":
                for table, rows in detail["purged"].items():
                    self.purged[table].update(rows)
            for part, known in (("rows", self.rows), ("groups", self.groups)):
                for table, told in detail.get(part, {}).items():
                    # Rows are inserted once: a second telling would hide that one was changed in between.
                    self.again += [
                        f"Audit event {event['id']} tells of {table} {key} again."
                        for key in told.keys() & known[table].keys()
                    ]
                    known[table].update(told)
        except (ValueError, KeyError, AttributeError):
            return  # the event's own digest has already told of the change

    def _buried(self, table: str, key: str, noted: str, row: dict[str, Any]) -> bool:
        """Whether a purge tells of exactly this change, and nothing is left that it destroys."""
        stones = purge.TOMBSTONE.get(table)
        same = self.purged.get(table, {}).get(key) == [noted, row_digest(row)]
        return bool(stones) and same and all(row[name] == value for name, value in (stones or {}).items())

    def differences(self, tx: Transaction) -> Iterator[str]:
        yield from self.again
        for table, told in self.rows.items():
            name = table.replace("_", " ")
            groups = _Groups(table, self.groups.get(table, {}))
            for row in tx.stream(f"SELECT * FROM {table} ORDER BY {keys(table)}"):
                key = row_key(table, row)
                noted = told.pop(key, None)
                if noted is None and not groups.add(row):
                    yield f"No audit event tells of {name} {key}."
                elif noted is not None and noted != row_digest(row) and not self._buried(table, key, noted, row):
                    yield f"The row of {name} {key} was changed."
            for key in told:
                yield f"The row of {name} {key} is missing."
            yield from groups.differences()


class _Groups:
    """The rows of a table that events tell of by the group, in the order of the primary key."""

    def __init__(self, table: str, told: dict[str, dict[str, Any]]) -> None:
        self.column, self.name = GROUPED.get(table, ""), table.replace("_", " ")
        self.told = told
        self.found = {group: (0, hashlib.sha256()) for group in told}
        self.first = keys(table).split(", ")[0]
        self.parts: dict[str, list[tuple[int, int, str]]] = {}
        for name in told:
            if found := _PART.fullmatch(name):
                group, first, last = found.groups()
                self.parts.setdefault(group, []).append((int(first), int(last), name))
        for parts in self.parts.values():
            parts.sort()

    def add(self, row: dict[str, Any]) -> bool:
        """Count a row in; False where no event tells of its group."""
        group = self._group(row)
        if group not in self.found:
            return False
        rows, digest = self.found[group]
        digest.update(row_digest(row).encode())
        self.found[group] = rows + 1, digest
        return True

    def _group(self, row: dict[str, Any]) -> str:
        """The name under which an event may tell of this row."""
        group = str(row.get(self.column))
        parts = self.parts.get(group, [])
        place = bisect.bisect(parts, row[self.first], key=lambda part: part[0]) - 1
        return parts[place][2] if place >= 0 and row[self.first] <= parts[place][1] else group

    def differences(self) -> Iterator[str]:
        for group, (rows, digest) in self.found.items():
            noted = self.told[group]
            of = f"{self.name}, {self.column.replace('_', ' ')} {_PART.sub(_SAID, group)}"
            if rows < noted["rows"]:
                yield f"A row of {of} is missing: {rows} of {noted['rows']} are there."
            elif rows > noted["rows"]:
                yield f"No audit event tells of a row of {of}: {rows} are there, {noted['rows']} were told."
            elif digest.hexdigest() != noted["sha256"]:
                yield f"A row of {of} was changed."
