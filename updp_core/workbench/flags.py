"""Flags: a pair marked for somebody's attention, with a reason, and the entry that settles it.

A flag is no verdict: the pair stands as it stood. While a flag is open, the pair stays out of releases and of batch
approval. Entries are rows of the same append-only book as verdicts, so that one history and one undo serve both.
"""

from __future__ import annotations

from typing import get_args

from updp_core.domain import Actor, Audience
from updp_core.errors import Conflict, NotAllowed, UsageError
from updp_core.store.store import known
from updp_core.workbench import second_reading, verdicts
from updp_core.workbench.desk import Desk
from updp_core.workbench.pairs import may_clear, show
from updp_core.workbench.shapes import Detail


def flag(desk: Desk, record: str, reason: str, audience: Audience, candidate: int | None, actor: Actor) -> Detail:
    """See Workbench.flag."""
    reason = _said(reason, "Say in a few words what to look at.")
    if audience not in get_args(Audience):
        raise UsageError(f"A flag asks one of: {', '.join(get_args(Audience))}; not {audience!r}.")
    with desk.store.write() as tx:
        stands = known(tx.one("SELECT * FROM standing WHERE record = :r", r=record), f"record {record}")
        if stands["candidate"] is None:
            raise Conflict("This record has no candidate yet. Generate one first.")
        if candidate is not None and candidate != stands["candidate"]:
            raise Conflict("Another candidate has become current since you opened this pair. Look at it again.")
        verdicts.enter(tx, stands, "flag", actor, reason, reasons=[audience])
        tx.refresh([record])
    return show(desk, record, actor)


def clear(desk: Desk, record: str, entry: int, comment: str, actor: Actor) -> Detail:
    """See Workbench.clear_flag."""
    comment = _said(comment, "Say in a few words what came of it.")
    with desk.store.write() as tx:
        row = tx.one("SELECT * FROM open_flag WHERE id = :f AND record = :r", f=entry, r=record)
        if row is None:
            raise Conflict("This flag is not open (any more). Look at the pair again.")
        if not may_clear(row, actor):
            raise NotAllowed(f"This flag asks the {row['audience']}: that role clears it, or {row['reviewer']}.")
        if second_reading.is_waiting(tx, record, actor) and row["reviewer"] != actor.name:
            raise Conflict("You read this pair blind: give your verdict first, then see its flags.")
        verdicts.enter(tx, row, "clear", actor, comment, undoes=entry)
        tx.refresh([record])
    return show(desk, record, actor)


def _said(text: str, remedy: str) -> str:
    text = text.strip()
    if not text:
        raise UsageError(remedy)
    if len(text) > verdicts.MAX_COMMENT:
        raise UsageError(f"The text has {len(text)} characters; {verdicts.MAX_COMMENT} are the most.")
    return text
