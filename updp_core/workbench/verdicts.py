"""Verdicts: approve, reject, regenerate, undo; one pair or a whole filter whose gates are all clear and unflagged."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, get_args

from updp_core.atomic import canonical, sha256
from updp_core.domain import Actor, Verdict
from updp_core.errors import Conflict, UsageError
from updp_core.evidence.gates import beyond_measure
from updp_core.store import Transaction
from updp_core.store.moving import index_text
from updp_core.store.schema import Candidate, Decision, Standing
from updp_core.store.store import known, now
from updp_core.workbench import holds, levels, lexicons, queue, second_reading
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.grades import gate_rows
from updp_core.workbench.pairs import Pairs
from updp_core.workbench.roles import READERS, verb
from updp_core.workbench.shapes import Detail, Filters
from updp_core.workbench.wording import listed, written

BEYOND = {
    "domain": "The judges do not know images like this original",
    "report": "This record has no report to compare with",
}
"""Why approving a pair takes a reason, whatever its gates say."""
BATCH = "batch"
"""The reason that marks a verdict given to a whole filter at once."""


class Verdicts(Noun):
    """Judge a pair, or all of a filter whose gates are clear; take a verdict back; choose another candidate."""

    @verb(READERS)
    def decide(
        self,
        record: str,
        verdict: Verdict,
        *,
        actor: Actor,
        comment: str = "",
        reasons: Sequence[str] = (),
        overrides: Sequence[str] = (),
        candidate: int | None = None,
        expected_revision: int | None = None,
    ) -> Detail:
        """Approve, reject or send back for regeneration; returns the record as it then stands.

        `candidate` and `expected_revision` name what the reviewer saw; Conflict where it is no longer so.
        `overrides` names blocking gates that this approval overrides; it needs a comment, and hard gates
        (residual PHI, a forbidden prompt) cannot be overridden. Approving needs a pending candidate of a
        releasable method. A rejection by somebody else is overruled only with a comment. `reasons` are of
        `wording.REASONS`.
        """
        if verdict == "undo":
            return self.undo(record=record, actor=actor)
        if verdict not in get_args(Verdict):
            raise UsageError(f"There is no verdict {verdict!r}. Choose approve, reject or regenerate.")
        comment, reasons = written(comment), listed(reasons)
        with self.desk.store.write() as tx:
            stands = known(tx.get(Standing, record=record), f"record {record}")
            _still(tx, stands, actor, candidate, expected_revision)
            blind = second_reading.is_waiting(tx, record, actor)
            if verdict == "approve":
                _may_approve(tx, stands, actor, comment, reasons, overrides, blind)
                if levels.breaking(self.desk, tx, [known(stands.candidate, "candidate")]):
                    raise Conflict("This pair tells of a finding that the privacy level leaves out. Generate it again.")
            elif overrides:
                raise UsageError("Only an approval overrides gates.")
            enter(tx, stands, verdict, actor, comment, reasons, overrides, blind=blind)
            tx.run("DELETE FROM draft WHERE record = :r AND owner = :me", r=record, me=actor.name)
            tx.refresh([record])
        return Pairs(self.desk).show(record, actor=actor)

    @verb(READERS)
    def undo(self, *, actor: Actor, record: str | None = None) -> Detail:
        """Take back the actor's own last standing verdict, flag or clearing of a flag (of this record, or of all).

        The book is append-only: it is a new entry.
        """
        with self.desk.store.write() as tx:
            last = tx.row(
                Decision,
                "SELECT * FROM decision d WHERE reviewer = :me AND (undoes IS NULL OR verdict = 'clear') "
                "AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id) "
                + ("AND record = :r " if record else "")
                + "ORDER BY id DESC LIMIT 1",
                me=actor.name,
                **({"r": record} if record else {}),
            )
            if last is None:
                raise Conflict("You have no verdict or flag that could be undone.")
            if last.verdict == "clear":  # the flag that it settled is raised again, in its own words
                flag = known(tx.get(Decision, id=last.undoes), "flag")
                audience = json.loads(flag.reasons_json)
                enter(tx, last, "flag", actor, flag.comment, audience, undoes=last.id)
            else:
                if last.verdict != "flag":
                    _still_counts(tx, last)
                enter(tx, last, "undo", actor, undoes=last.id)
            tx.refresh([last.record])
        return Pairs(self.desk).show(last.record, actor=actor)

    @verb(READERS)
    def approve_preview(self, *, actor: Actor, filters: Filters = Filters(), sample: int = 12) -> dict[str, Any]:
        """{"number": n, "sample": [record], "left_out": n}: what approve_all would approve."""
        with self.desk.store.read() as tx:
            fit, left_out = _all_clear(self.desk, tx, filters, actor)
        drawn = random.sample([row.record for row in fit], min(sample, len(fit)))
        return {"number": len(fit), "sample": drawn, "left_out": left_out}

    @verb(READERS)
    def approve_all(
        self, *, actor: Actor, expected_number: int, filters: Filters = Filters(), comment: str = ""
    ) -> dict[str, int]:
        """Approve every pending pair of the filter with all gates clear and no open flag: {"approved": n}.

        Conflict where the number is not `expected_number`, the one that the reviewer confirmed.
        """
        comment = written(comment)
        with self.desk.store.write() as tx:
            fit, _ = _all_clear(self.desk, tx, filters, actor)
            if len(fit) != expected_number:
                raise Conflict(f"The filter now holds {len(fit)} pairs, not {expected_number}. Confirm again.")
            for row in fit:
                enter(tx, row, "approve", actor, comment, reasons=(BATCH,))
            narrowed = {
                name: value for name, value in filters.to_dict().items() if name != "text"
            }  # a text may be a name
            tx.audit(actor, "approve_all", number=len(fit), filters=narrowed, by_text=bool(filters.text))
            tx.refresh([row.record for row in fit])
        return {"approved": len(fit)}

    @verb(READERS)
    def choose(self, record: str, candidate: int, *, actor: Actor) -> Detail:
        """Make another candidate of this record current. Verdicts belong to the candidate that they were given on."""
        with self.desk.store.write() as tx:
            row = tx.get(Candidate, id=candidate, record=record)
            if known(row, f"candidate {candidate} of record {record}").error:
                raise Conflict("This candidate failed, so it cannot be chosen.")
            stands = known(tx.get(Standing, record=record), f"record {record}")
            _still(tx, stands, actor, None, None)
            make_current(tx, record, candidate, actor)
            lexicons.check_candidate(tx, self.desk, candidate)
            tx.audit(actor, "choose", record, candidate=candidate)
            tx.refresh([record])
        return Pairs(self.desk).show(record, actor=actor)


def _still(tx: Transaction, stands: Standing, actor: Actor, candidate: int | None, revision: int | None) -> None:
    """Conflict unless the record is as the reviewer saw it, and in nobody else's hands."""
    if stands.candidate is None:
        raise Conflict("This record has no candidate yet. Generate one first.")
    if candidate is not None and candidate != stands.candidate:
        raise Conflict("Another candidate has become current since you opened this pair. Look at it again.")
    if revision is not None and revision != stands.revision:
        raise Conflict("This pair has changed since you opened it. Look at it again.")
    holds.nobody_elses(tx, stands.record, actor)


def _may_approve(
    tx: Transaction,
    stands: Standing,
    actor: Actor,
    comment: str,
    reasons: Sequence[str],
    overrides: Sequence[str],
    blind: bool,
) -> None:
    state = stands.state
    if state == "void" or lexicons.is_due(tx, stands.candidate):
        raise Conflict("The lexicon forbids something in this pair, so it cannot be approved. Generate it again.")
    if state == "new":
        raise Conflict("This pair waits to be regenerated, so it cannot be approved. Generate it, or undo the verdict.")
    if state == "failed":
        raise Conflict(f"Generation failed for this record ({stands.error}), so there is nothing to approve.")
    row = known(tx.get(Candidate, id=stands.candidate), "candidate")
    if not row.releasable:
        raise Conflict(
            f"This version by {row.method} is never released: it is for comparison only, or it keeps source pixels "
            "and the policy did not let such images leave when it was made."
        )
    if state == "rejected" and not blind and not comment.strip():
        last = tx.value(
            "SELECT reviewer FROM valid_decision WHERE candidate = :c AND verdict = 'reject' ORDER BY id DESC LIMIT 1",
            c=stands.candidate,
        )
        if last != actor.name:
            raise Conflict(f"{last} rejected this pair. To overrule it, say why in the comment.")
    every = gates(tx, stands.candidate)
    found = [gate for gate in every if gate["state"] == "block"]
    blocking = {gate["name"] for gate in found}
    named = {gate["name"]: f"“{gate['title']}” ({gate['name']})" for gate in found}
    if hard := sorted(named[gate["name"]] for gate in found if gate["hard"]):
        raise Conflict(f"This pair cannot be approved: {', '.join(hard)} blocks it and cannot be overridden.")
    if rest := sorted(named[name] for name in blocking - set(overrides)):
        raise Conflict(f"This pair is blocked by {', '.join(rest)}. Regenerate it, or override with a reason.")
    if blocking and not comment.strip():
        raise UsageError("Overriding a gate needs a reason in the comment.")
    if unknown := sorted(set(overrides) - blocking):
        raise UsageError(f"The gate {unknown[0]} does not block this pair, so there is nothing to override.")
    if (beyond := beyond_measure(every)) and not comment.strip() and not any(reason.strip() for reason in reasons):
        raise UsageError(
            f"{BEYOND[beyond[0]]}, so the evidence cannot tell whether it may leave. Say why you approve it."
        )


def gates(tx: Transaction, candidate: int | None) -> list[Any]:
    """The gates of a candidate under the policy in force."""
    return gate_rows(tx.value("SELECT gates_json FROM grade WHERE candidate = :c", c=candidate))


class Entered(Protocol):
    """What an entry is about: a standing, or an earlier entry."""

    @property
    def record(self) -> str: ...

    @property
    def candidate(self) -> int | None: ...


def enter(
    tx: Transaction,
    stands: Entered,
    verdict: str,
    actor: Actor,
    comment: str = "",
    reasons: Sequence[str] = (),
    overrides: Sequence[str] = (),
    undoes: int | None = None,
    blind: bool = False,
) -> int:
    """Add an entry to the book of verdicts and flags, with its audit event. The caller refreshes the standing."""
    row = {
        "record": stands.record,
        "candidate": stands.candidate,
        "reviewer": actor.name,
        "role": actor.role,
        "verdict": verdict,
        "reasons_json": canonical(list(reasons)),
        "comment": comment,
        "overrides_json": canonical(sorted(overrides)),
        "undoes": undoes,
        "blind": blind,
        "decided_at": now(),
    }
    decision = tx.insert("decision", **row)
    tx.audit(
        actor,
        verdict,
        stands.record,
        decision=decision,
        candidate=stands.candidate,
        **({"overrides": sorted(overrides)} if overrides else {}),
        **({"undoes": undoes} if undoes else {}),
        **({"comment_sha256": sha256(comment)} if comment else {}),
    )
    return int(decision)


def _still_counts(tx: Transaction, verdict: Decision) -> None:
    valid = tx.value("SELECT 1 FROM valid_decision WHERE id = :d", d=verdict.id)
    current = tx.value("SELECT candidate FROM standing WHERE record = :r", r=verdict.record)
    if not valid or current != verdict.candidate:
        raise Conflict("Your last verdict no longer counts: the pair has been regenerated or voided since.")


def make_current(tx: Transaction, record: str, candidate: int, actor: Actor) -> None:
    """Make a candidate the record's current one; its reading begins anew. The caller refreshes the standing."""
    after = tx.value("SELECT coalesce(max(id), 0) FROM decision WHERE record = :r", r=record)
    tx.insert("choice", record=record, candidate=candidate, after_decision=after, actor=actor.name, created_at=now())
    index_text(tx, record)


@dataclass(frozen=True)
class _Fit:
    """A pair that may be approved with others. A whole row of the schema would cost more, for each of many."""

    record: str
    candidate: int | None


def _all_clear(desk: Desk, tx: Transaction, filters: Filters, actor: Actor) -> tuple[list[_Fit], int]:
    """Pending pairs of the filter with all gates clear, no open flag, in nobody else's hands, that tell nothing which
    the privacy level leaves out; how many are left out."""
    clause, values = queue.where(tx, filters, actor)
    rows = tx.rows(_Fit, f"SELECT s.record, s.candidate FROM standing s {clause} ORDER BY s.seq", **values)
    others = "SELECT record FROM hold WHERE expires > :t AND holder <> :me"
    taken = set(tx.column(others, t=time.time(), me=actor.name))
    mine = "SELECT DISTINCT candidate FROM valid_decision WHERE reviewer = :me AND verdict = 'approve'"
    approved = set(tx.column(mine, me=actor.name))
    usable = set(
        tx.column(
            "SELECT s.candidate FROM standing s JOIN candidate c ON c.id = s.candidate "
            "WHERE s.state = 'pending' AND s.worst = 'clear' AND s.flagged_for IS NULL AND c.releasable "
            "AND NOT EXISTS (SELECT 1 FROM violation_due x WHERE x.candidate = c.id AND x.terms_json <> '')"
        )
    )
    fit = [row for row in rows if row.candidate in usable - approved and row.record not in taken]
    telling = {row.candidate for row in levels.breaking(desk, tx, [row.candidate for row in fit if row.candidate])}
    fit = [row for row in fit if row.candidate not in telling]
    return fit, len(rows) - len(fit)
