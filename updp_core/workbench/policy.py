"""The policy: what a release takes, how the gates are set, how reports are filtered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.evidence.gates import check_thresholds
from updp_core.methods import METHODS, entry_of
from updp_core.store.store import canonical, now
from updp_core.workbench import grades
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import EVERYBODY, OFFICER, verb
from updp_core.workbench.shapes import Policy

_EXAMPLE = '{"release": true, "settings": {"b": 4}}'
REPORT_POLICIES = ("remove", "placeholder", "surrogate")
PROMPTS = ("release", "keep back")


class Policies(Noun):
    """What is in force, and how it changes."""

    @verb(EVERYBODY)
    def policy(self, *, actor: Actor) -> Policy:
        """What is in force."""
        return self.desk.policy()

    @verb(OFFICER)
    def set_policy(self, changes: Mapping[str, Any], *, actor: Actor, comment: str = "") -> Policy:
        """Change some fields of the policy; records' states follow at once."""
        with self.desk.store.write() as tx:
            old = self.desk.policy(tx)
            new = cast(Policy, {**old, **changes})
            _check(self.desk, old, new)
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
            tx.audit(actor, "set_policy", changed=sorted(changes), policy=new)
            if new != old:
                tx.refresh()
        return new


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
