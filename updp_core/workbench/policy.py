"""The policy: what a release takes, how the gates are set, how reports are filtered."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from updp_core.atomic import canonical
from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.evidence.gates import RULES, check_thresholds
from updp_core.findings.levels import privacy_of
from updp_core.methods import METHODS, entry_of
from updp_core.store import Transaction
from updp_core.store.store import now
from updp_core.workbench import grades, levels, queue, verdicts
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import EVERYBODY, OFFICER, verb
from updp_core.workbench.shapes import Policy, PolicyImpact
from updp_core.workbench.wording import written

_EXAMPLE = '{"release": true, "settings": {"b": 4}}'
REPORT_POLICIES = ("remove", "placeholder", "surrogate")
PROMPTS = ("release", "keep back")
NAMED = 20
"""Records that are named, a move."""


class Policies(Noun):
    """What is in force, and how it changes."""

    @verb(EVERYBODY)
    def policy(self, *, actor: Actor) -> Policy:
        """What is in force."""
        return self.desk.policy()

    @verb(OFFICER)
    def policy_impact(self, changes: Mapping[str, Any], *, actor: Actor) -> PolicyImpact:
        """What a change of policy would do to pairs and gates; nothing is changed by asking.

        The change is made in a transaction that is taken back, so that the answer is what saving would derive.
        """
        found: list[PolicyImpact] = []
        with contextlib.suppress(_TakenBack), self.desk.store.write() as tx:
            before = _Stand.of(tx)
            _put(self.desk, tx, changes, actor, "")
            found.append(before.against(_Stand.of(tx)))
            raise _TakenBack
        return found[0]

    @verb(OFFICER)
    def set_policy(self, changes: Mapping[str, Any], *, actor: Actor, comment: str = "") -> Policy:
        """Change some fields of the policy; records' states follow at once.

        Pairs that tell what the privacy level leaves out go back into the queue, to be made again.
        """
        comment = written(comment)
        with self.desk.store.write() as tx:
            return _put(self.desk, tx, changes, actor, comment)


class _TakenBack(Exception):
    """Ends a transaction that was made only to see what it does."""


@dataclass(frozen=True)
class _Gates:
    name: str
    state: str
    n: int


@dataclass(frozen=True)
class _Record:
    record: str
    state: str
    approvals: int


@dataclass(frozen=True)
class _Stand:
    """How every record and gate stands: record -> state in words, gate -> state -> number."""

    records: Mapping[str, str]
    gates: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, tx: Transaction) -> _Stand:
        gates: dict[str, dict[str, int]] = {}
        for row in tx.rows(_Gates, queue.GATES):
            gates.setdefault(row.name, {})[row.state] = row.n
        rows = tx.rows(_Record, "SELECT record, state, approvals FROM standing ORDER BY seq")
        return cls(
            {row.record: "waiting" if row.state == "pending" and row.approvals else row.state for row in rows}, gates
        )

    def against(self, after: _Stand) -> PolicyImpact:
        moved: dict[tuple[str, str], list[str]] = {}
        for record, was in self.records.items():
            if after.records[record] != was:
                moved.setdefault((was, after.records[record]), []).append(record)
        return {
            "moves": [
                {"from": was, "to": now_is, "number": len(records), "records": records[:NAMED]}
                for (was, now_is), records in sorted(moved.items(), key=lambda item: -len(item[1]))
            ],
            "gates": [
                {"title": rule.title, "before": self.gates.get(name, {}), "after": after.gates.get(name, {})}
                for name, rule in RULES.items()
                if self.gates.get(name, {}) != after.gates.get(name, {})
            ],
            "approved_before": sum(state == "approved" for state in self.records.values()),
            "approved_after": sum(state == "approved" for state in after.records.values()),
            "waiting": sum(state == "waiting" for state in after.records.values()),
        }


def _put(desk: Desk, tx: Transaction, changes: Mapping[str, Any], actor: Actor, comment: str) -> Policy:
    """Put a changed policy in force, and derive what follows."""
    old = desk.policy(tx)
    new = cast(Policy, {**old, **changes})
    _check(desk, old, new)
    tx.insert(
        "policy_version",
        verdicts=new["verdicts"],
        content_json=canonical(new),
        author=actor.name,
        comment=comment,
        created_at=now(),
    )
    if new["gates"] != old["gates"]:
        grades.regrade(tx, new)
    sent_back = _send_back(desk, tx, actor) if "privacy" in changes else 0
    tx.audit(actor, "set_policy", changed=sorted(changes), policy=new)
    if new != old or sent_back:
        tx.refresh()
    return new


def _send_back(desk: Desk, tx: Transaction, actor: Actor) -> int:
    """Have pairs made again that tell what the privacy level leaves out, approved ones as well; how many."""
    alive = tx.column(
        "SELECT s.candidate FROM standing s JOIN record r ON r.id = s.record "
        "WHERE s.state IN ('pending', 'approved') AND r.image <> ''"
    )
    telling = levels.breaking(desk, tx, alive)
    for row in telling:
        verdicts.enter(tx, row, "regenerate", actor, "The privacy level leaves out what this pair tells.")
    return len(telling)


def _check(desk: Desk, old: Policy, new: Policy) -> None:
    if unknown := sorted(set(new) - set(old)):
        raise UsageError(f"The policy has no field {unknown[0]!r}. It has: {', '.join(old)}.")
    if new["verdicts"] not in (1, 2) or isinstance(new["verdicts"], bool):
        raise UsageError("A release takes 1 or 2 verdicts.")
    if new["report_policy"] not in REPORT_POLICIES:
        raise UsageError(f"The report policy is one of: {', '.join(REPORT_POLICIES)}.")
    if new["prompts"] not in PROMPTS:
        raise UsageError(f"What the policy says of prompts is one of: {', '.join(PROMPTS)}.")
    share = new["second_reading"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError("The share of second readings is a number from 0 to 1.")
    privacy_of(new["privacy"])
    for name, wish in new["methods"].items():
        _check_method(desk, name, wish)
    check_thresholds(new["gates"])


def _check_method(desk: Desk, name: str, wish: Any) -> None:
    entry = entry_of(name)
    if not isinstance(wish, Mapping) or (unknown := sorted(set(wish) - {"release", "named", "settings"})):
        detail = f" has no field {unknown[0]!r}; it" if isinstance(wish, Mapping) else ""
        raise UsageError(f"The policy of method {name}{detail} holds release, named and settings, such as {_EXAMPLE}.")
    if not isinstance(wish.get("release", False), bool) or not isinstance(wish.get("settings", {}), Mapping):
        raise UsageError(f"The policy of a method looks like {_EXAMPLE}.")
    if wish.get("release") and not entry.releasable:
        raise UsageError(f"The method {name} is for comparison only: what it makes is never released.")
    desk.models.check_settings({"method": name, **{key: wish.get(key) for key in ("named", "settings")}})


def may_leave(policy: Policy, method: str, settings: Mapping[str, Any]) -> bool:
    """Whether what `method` made under recorded `settings` may be released: deny what keeps source pixels unless the
    policy names the method, and what a method made that exists for comparison only, or is not known here."""
    entry = METHODS.get(method)
    if entry is None or not entry.releasable:
        return False
    return not entry.derivation(settings).source_pixels or policy["methods"].get(method, {}).get("release") is True
