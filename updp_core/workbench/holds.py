"""What people keep on their desks: records they hold, drafts, saved views."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from updp_core.domain import Actor
from updp_core.errors import Conflict, UsageError
from updp_core.store import Transaction
from updp_core.store.store import canonical, known, now
from updp_core.workbench import queue
from updp_core.workbench.desk import Desk
from updp_core.workbench.shapes import Filters, SavedView, Sort

MAX_MINUTES = 120
MAX_DRAFT = 20_000
_NOT_MINE = (
    "(s.approvals = 0 OR s.state <> 'pending' OR NOT EXISTS (SELECT 1 FROM valid_decision v "
    "WHERE v.candidate = s.candidate AND v.reviewer = :holder AND v.verdict = 'approve'))"
)
"""Leaves out what the holder has approved and what now waits for somebody else's approval."""


def holder(tx: Transaction, record: str) -> str | None:
    """Who has a record in hand."""
    who: str | None = tx.value("SELECT holder FROM hold WHERE record = :r AND expires > :t", r=record, t=time.time())
    return who


def nobody_elses(tx: Transaction, record: str, actor: Actor) -> bool:
    """Whether the actor has the record in hand already. Raises Conflict where somebody else has it."""
    who = holder(tx, record)
    if who not in (None, actor.name):
        raise Conflict(f"{who} has this pair in hand. Take another one.")
    return who is not None


def take(desk: Desk, record: str, actor: Actor, minutes: int) -> str:
    """See Workbench.take."""
    with desk.store.write() as tx:
        known(tx.one("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
        held = nobody_elses(tx, record, actor)
        _hold(tx, record, actor, minutes)
        if not held:
            tx.audit(actor, "take", record)
    return record


def _hold(tx: Transaction, record: str, actor: Actor, minutes: int) -> None:
    if not 1 <= minutes <= MAX_MINUTES:
        raise UsageError(f"A record is held for 1 to {MAX_MINUTES} minutes.")
    # One pair in hand at a time: what somebody has left keeps nobody waiting.
    tx.run("DELETE FROM hold WHERE holder = :me AND record <> :r", me=actor.name, r=record)
    tx.run(
        "INSERT OR REPLACE INTO hold (record, holder, expires) VALUES (:r, :me, :t)",
        r=record,
        me=actor.name,
        t=time.time() + 60 * minutes,
    )


def take_next(
    desk: Desk, filters: Filters, sort: Sort, after: str | None, back: bool, actor: Actor, minutes: int
) -> str | None:
    """See Workbench.take_next."""
    with desk.store.write() as tx:
        following = _following(tx, filters, sort, after, back, actor, 1)
        found = following[0]["record"] if following else None
        if found:
            _hold(tx, found, actor, minutes)
            tx.audit(actor, "take", found)
    return found


def upcoming(desk: Desk, filters: Filters, sort: Sort, after: str, limit: int, actor: Actor) -> list[dict[str, Any]]:
    """See Workbench.upcoming."""
    with desk.store.read() as tx:
        return _following(tx, filters, sort, after, False, actor, max(1, min(limit, 10)))


def _following(
    tx: Transaction, filters: Filters, sort: Sort, after: str | None, back: bool, actor: Actor, limit: int
) -> list[dict[str, Any]]:
    """The next records (and their candidates) of the queue that nobody else holds."""
    clause, values = queue.where(tx, filters, actor)
    free = "s.record NOT IN (SELECT record FROM hold WHERE expires > :clock AND holder <> :holder)"
    clause = f"{clause} AND {free}" if clause else f"WHERE {free}"
    if not filters.text:  # who searches by name gets what was named
        clause += f" AND {_NOT_MINE}"
    values |= {"clock": time.time(), "holder": actor.name, "most": limit}
    columns = queue.keys(sort, back)
    if after and (place := tx.one("SELECT * FROM standing WHERE record = :r", r=after)):
        beyond, more = queue.beyond(columns, place)
        clause, values = f"{clause} AND {beyond}", values | more
    ordered = f"SELECT s.record, s.candidate FROM standing s {clause} ORDER BY {queue.order_by(columns)} LIMIT :most"
    return tx.all(ordered, **values)


def release_hold(desk: Desk, record: str | None, actor: Actor) -> int:
    """See Workbench.release_hold."""
    with desk.store.write() as tx:
        if record is None:
            number = tx.run("DELETE FROM hold WHERE holder = :me", me=actor.name)
        else:
            number = tx.run("DELETE FROM hold WHERE holder = :me AND record = :r", me=actor.name, r=record)
        if number:
            tx.audit(actor, "release_hold", record or "", number=number)
    return number


def save_draft(desk: Desk, record: str, draft: Mapping[str, Any], actor: Actor) -> None:
    """See Workbench.save_draft. Drafts are working state: no audit event tells of them."""
    content = canonical(dict(draft))
    if len(content) > MAX_DRAFT:
        raise UsageError(f"The draft is longer than {MAX_DRAFT} characters.")
    with desk.store.write() as tx:
        known(tx.one("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
        tx.run("DELETE FROM draft WHERE record = :r AND owner = :me", r=record, me=actor.name)
        if draft:
            tx.insert("draft", record=record, owner=actor.name, content_json=content, saved_at=now())


def views(desk: Desk, actor: Actor) -> list[SavedView]:
    """See Workbench.views."""
    with desk.store.read() as tx:
        rows = tx.all("SELECT * FROM saved_view WHERE owner = :me OR shared ORDER BY name, owner", me=actor.name)
    return [
        {
            "name": row["name"],
            "owner": row["owner"],
            "shared": bool(row["shared"]),
            "filters": json.loads(row["filters_json"]),
            "sort": row["sort"],
        }
        for row in rows
    ]


def save_view(desk: Desk, name: str, filters: Filters, sort: Sort, shared: bool, actor: Actor) -> None:
    """See Workbench.save_view."""
    name = name.strip()
    if not 1 <= len(name) <= 60:
        raise UsageError("A view's name has 1 to 60 characters.")
    queue.order(sort)
    with desk.store.write() as tx:
        tx.run("DELETE FROM saved_view WHERE owner = :me AND name = :n", me=actor.name, n=name)
        tx.insert(
            "saved_view",
            owner=actor.name,
            name=name,
            shared=shared,
            filters_json=canonical(filters.to_dict()),
            sort=sort,
        )
        tx.audit(actor, "save_view", shared=shared)


def delete_view(desk: Desk, name: str, actor: Actor) -> None:
    """See Workbench.delete_view."""
    with desk.store.write() as tx:
        if not tx.run("DELETE FROM saved_view WHERE owner = :me AND name = :n", me=actor.name, n=name):
            raise UsageError("You have no saved view of this name.")
        tx.audit(actor, "delete_view")
