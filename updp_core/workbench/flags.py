"""Flags: a pair marked for somebody's attention, with a reason, and the entry that settles it.

A flag is no verdict: the pair stands as it stood. While a flag is open, the pair stays out of releases and of batch
approval. Entries are rows of the same append-only book as verdicts, so that one history and one undo serve both.
"""

from __future__ import annotations

from typing import get_args

from updp_core.domain import Actor, Audience
from updp_core.errors import Conflict, NotAllowed, UsageError
from updp_core.store.schema import OpenFlag, Standing
from updp_core.store.store import known
from updp_core.workbench import second_reading, verdicts
from updp_core.workbench.desk import Noun
from updp_core.workbench.pairs import Pairs, may_clear
from updp_core.workbench.roles import READERS, verb
from updp_core.workbench.shapes import Detail
from updp_core.workbench.wording import written


class Flags(Noun):
    """Raise a flag, and clear it."""

    @verb(READERS)
    def flag(
        self, record: str, reason: str, *, actor: Actor, audience: Audience = "anybody", candidate: int | None = None
    ) -> Detail:
        """Mark a pair for the attention of a role (or anybody), with a reason, without deciding it.

        While a flag is open the pair stays out of releases and of `approve_all`; single verdicts are as before.
        `undo` takes a flag back. Conflict where `candidate` (what the reviewer saw) is no longer current.
        """
        reason = written(reason, "Say in a few words what to look at.")
        if audience not in get_args(Audience):
            raise UsageError(f"A flag asks one of: {', '.join(get_args(Audience))}; not {audience!r}.")
        with self.desk.store.write() as tx:
            stands = known(tx.get(Standing, record=record), f"record {record}")
            if stands.candidate is None:
                raise Conflict("This record has no candidate yet. Generate one first.")
            if candidate is not None and candidate != stands.candidate:
                raise Conflict("Another candidate has become current since you opened this pair. Look at it again.")
            verdicts.enter(tx, stands, "flag", actor, reason, reasons=[audience])
            tx.refresh([record])
        return Pairs(self.desk).show(record, actor=actor)

    @verb(READERS)
    def clear_flag(self, record: str, flag: int, comment: str, *, actor: Actor) -> Detail:
        """Settle an open flag, saying what came of it: by the role that it asks, or by who raised it."""
        comment = written(comment, "Say in a few words what came of it.")
        with self.desk.store.write() as tx:
            row = tx.row(OpenFlag, "SELECT * FROM open_flag WHERE id = :f AND record = :r", f=flag, r=record)
            if row is None:
                raise Conflict("This flag is not open (any more). Look at the pair again.")
            if not may_clear(row, actor):
                raise NotAllowed(f"This flag asks the {row.audience}: that role clears it, or {row.reviewer}.")
            if second_reading.is_waiting(tx, record, actor) and row.reviewer != actor.name:
                raise Conflict("You read this pair blind: give your verdict first, then see its flags.")
            verdicts.enter(tx, row, "clear", actor, comment, undoes=flag)
            tx.refresh([record])
        return Pairs(self.desk).show(record, actor=actor)
