"""Policy, users and sign-in."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from updp_core import users as users_file
from updp_core.domain import Actor, Role
from updp_core.errors import UsageError
from updp_core.store import canonical, now, sha256
from updp_core.workbench import grading
from updp_core.workbench.desk import Desk
from updp_core.workbench.shapes import Policy

REPORT_POLICIES = ("remove", "placeholder", "surrogate")
MOST_FAILURES = 5
FAILURE_MINUTES = 10
_NOBODY = "nobody"
_one_at_a_time = threading.Lock()
"""Attempts in parallel would all be checked before the first failure is counted."""


def set_policy(desk: Desk, changes: Mapping[str, Any], comment: str, actor: Actor) -> Policy:
    """See Workbench.set_policy."""
    with desk.store.write() as tx:
        old = desk.policy(tx)
        new = cast(Policy, {**old, **changes})
        _check(old, new)
        tx.insert(
            "policy_version", verdicts=new["verdicts"], content_json=canonical(new), author=actor.name,
            comment=comment, created_at=now(),
        )  # fmt: skip
        if new["gates"] != old["gates"]:
            grading.regrade(tx, new)
        tx.audit(actor, "set_policy", changed=sorted(changes), policy=new)
        if new != old:
            tx.refresh()
    return new


def _check(old: Policy, new: Policy) -> None:
    from updp_core.evidence.gates import check_thresholds
    from updp_core.workbench.reading import HARD_GATES

    if unknown := sorted(set(new) - set(old)):
        raise UsageError(f"The policy has no field {unknown[0]!r}. It has: {', '.join(old)}.")
    if new["verdicts"] not in (1, 2) or isinstance(new["verdicts"], bool):
        raise UsageError("A release takes 1 or 2 verdicts.")
    if new["report_policy"] not in REPORT_POLICIES:
        raise UsageError(f"The report policy is one of: {', '.join(REPORT_POLICIES)}.")
    share = new["second_reading"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise UsageError("The share of second readings is a number from 0 to 1.")
    for name, change in check_thresholds(new["gates"]).items():
        if name in HARD_GATES and (change.get("action", "block") != "block" or change.get("limit", 0) != 0):
            raise UsageError(f"The gate {name} always blocks: what it finds must not leave.")


def users_path(desk: Desk) -> Path:
    """UPDP_AUTH, or `users.json` in the workspace."""
    return Path(os.environ.get("UPDP_AUTH") or desk.settings.home / "users.json")


def users(desk: Desk) -> list[dict[str, str]]:
    """See Workbench.users."""
    return users_file.listed(users_path(desk))


def add_user(desk: Desk, name: str, role: str, password: str, actor: Actor) -> None:
    """See Workbench.add_user."""
    users_file.add(users_path(desk), name, role, password)
    with desk.store.write() as tx:
        tx.audit(actor, "add_user", name, new_role=role)


def remove_user(desk: Desk, name: str, actor: Actor) -> None:
    """See Workbench.remove_user."""
    users_file.remove(users_path(desk), name)
    with desk.store.write() as tx:
        tx.audit(actor, "remove_user", name)


def sign_in(desk: Desk, name: str, password: str) -> Actor | None:
    """See Workbench.sign_in. Five failures of a name within ten minutes lock it until they are older than that.

    The name of a failed attempt is kept as a digest: people type their password there.
    """
    with _one_at_a_time:
        return _sign_in(desk, name, password)


def _sign_in(desk: Desk, name: str, password: str) -> Actor | None:
    subject = sha256(name)[:16]
    since = (datetime.now(UTC) - timedelta(minutes=FAILURE_MINUTES)).isoformat(timespec="milliseconds")
    with desk.store.read() as tx:
        failures = tx.value(
            "SELECT count(*) FROM audit_event WHERE verb = 'sign_in_failed' AND subject = :s AND at > :since",
            s=subject, since=since.replace("+00:00", "Z"),
        )  # fmt: skip
    locked = failures >= MOST_FAILURES
    actor = None if locked else users_file.check(users_path(desk), name, password)
    with desk.store.write() as tx:
        if actor:
            tx.audit(actor, "sign_in")
        elif locked:
            tx.audit(Actor(_NOBODY, cast(Role, _NOBODY)), "sign_in_locked", subject)
        else:
            tx.audit(Actor(_NOBODY, cast(Role, _NOBODY)), "sign_in_failed", subject)
    return actor
