"""Pairs in hand: who reads a pair holds it for some minutes, so that nobody else gets it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from updp_core.domain import Actor, Sort
from updp_core.errors import Conflict, UsageError
from updp_core.store import Transaction
from updp_core.store.schema import Standing
from updp_core.store.store import known
from updp_core.workbench import queue
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import READERS, verb
from updp_core.workbench.shapes import Filters

MAX_MINUTES = 120
_NOT_MINE = (
    "(s.approvals = 0 OR s.state <> 'pending' OR NOT EXISTS (SELECT 1 FROM valid_decision v "
    "WHERE v.candidate = s.candidate AND v.reviewer = :holder AND v.verdict = 'approve'))"
)
"""Leaves out what the holder has approved and what now waits for somebody else's approval."""


@dataclass(frozen=True)
class Following:
    """A record of the queue, and its candidate where it has one."""

    record: str
    candidate: int | None


class Holds(Noun):
    """Take pairs in hand, one at a time, and let go of them."""

    @verb(READERS)
    def take(self, record: str, *, actor: Actor, minutes: int = 10) -> str:
        """Hold a record (or go on holding it) so that nobody else gets it, and let go of any other.

        Raises Conflict where somebody else holds it.
        """
        with self.desk.store.write() as tx:
            known(tx.value("SELECT 1 FROM record WHERE id = :r", r=record), f"record {record}")
            held = nobody_elses(tx, record, actor)
            _hold(tx, record, actor, minutes)
            if not held:
                tx.audit(actor, "take", record)
        return record

    @verb(READERS)
    def take_next(
        self,
        *,
        actor: Actor,
        filters: Filters = Filters(),
        sort: Sort = "imported",
        after: str | None = None,
        back: bool = False,
        minutes: int = 10,
    ) -> str | None:
        """Hold and return the next record of the queue (after `after`) that nobody else holds; None at its end.

        Lets go of what was held before. `back` walks the other way. A pair that the actor has approved and that
        waits for somebody else's approval is passed over, unless the filter searches for a text.
        """
        with self.desk.store.write() as tx:
            following = _following(tx, filters, sort, after, back, actor, 1)
            found = following[0].record if following else None
            if found:
                _hold(tx, found, actor, minutes)
                tx.audit(actor, "take", found)
        return found

    @verb(READERS)
    def upcoming(
        self, after: str, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", limit: int = 2
    ) -> list[dict[str, Any]]:
        """What `take_next` would give after `after`, without holding it: [{"record", "candidate"}], to load ahead."""
        with self.desk.store.read() as tx:
            following = _following(tx, filters, sort, after, False, actor, max(1, min(limit, 10)))
        return [asdict(row) for row in following]

    @verb(READERS)
    def release_hold(self, *, actor: Actor, record: str | None = None) -> int:
        """Let go of one record, or of all that the actor holds; how many."""
        with self.desk.store.write() as tx:
            if record is None:
                number = tx.run("DELETE FROM hold WHERE holder = :me", me=actor.name)
            else:
                number = tx.run("DELETE FROM hold WHERE holder = :me AND record = :r", me=actor.name, r=record)
            if number:
                tx.audit(actor, "release_hold", record or "", number=number)
        return number


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


def _hold(tx: Transaction, record: str, actor: Actor, minutes: int) -> None:
    if not 1 <= minutes <= MAX_MINUTES:
        raise UsageError(f"A record is held for 1 to {MAX_MINUTES} minutes.")
    # One pair in hand at a time: what somebody has left keeps nobody waiting.
    tx.run("DELETE FROM hold WHERE holder = :me AND record <> :r", me=actor.name, r=record)
    tx.put("hold", record=record, holder=actor.name, expires=time.time() + 60 * minutes)


def _following(
    tx: Transaction, filters: Filters, sort: Sort, after: str | None, back: bool, actor: Actor, limit: int
) -> list[Following]:
    """The next records (and their candidates) of the queue that nobody else holds."""
    clause, values = queue.where(tx, filters, actor)
    free = "s.record NOT IN (SELECT record FROM hold WHERE expires > :clock AND holder <> :holder)"
    clause = f"{clause} AND {free}" if clause else f"WHERE {free}"
    if not filters.text:  # who searches by name gets what was named
        clause += f" AND {_NOT_MINE}"
    values |= {"clock": time.time(), "holder": actor.name, "most": limit}
    columns = queue.keys(sort, back)
    if after and (place := tx.get(Standing, record=after)):
        beyond, more = queue.beyond(columns, place)
        clause, values = f"{clause} AND {beyond}", values | more
    ordered = f"SELECT s.record, s.candidate FROM standing s {clause} ORDER BY {queue.order_by(columns)} LIMIT :most"
    return tx.rows(Following, ordered, **values)
