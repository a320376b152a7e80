"""Policy, users and sign-in."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from updp_core.domain import Actor, Role
from updp_core.errors import NotAllowed, UpdpError, UsageError
from updp_core.store.store import canonical, now, sha256
from updp_core.workbench import accounts as users_file
from updp_core.workbench import grades
from updp_core.workbench.desk import Desk
from updp_core.workbench.shapes import Policy

REPORT_POLICIES = ("remove", "placeholder", "surrogate")
MOST_FAILURES = 5
FAILURE_MINUTES = 10
NOBODY = Actor("nobody", cast(Role, "nobody"))
_one_at_a_time = threading.Lock()
"""Attempts in parallel would all be checked before the first failure is counted."""


def set_policy(desk: Desk, changes: Mapping[str, Any], comment: str, actor: Actor) -> Policy:
    """See Workbench.set_policy."""
    with desk.store.write() as tx:
        old = desk.policy(tx)
        new = cast(Policy, {**old, **changes})
        _check(old, new)
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


def _check(old: Policy, new: Policy) -> None:
    from updp_core.evidence.gates import check_thresholds
    from updp_core.workbench.pairs import HARD_GATES

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
    return Path(desk.settings.auth or desk.settings.home / "users.json")


def users(desk: Desk) -> list[dict[str, str]]:
    """See Workbench.users."""
    return users_file.listed(users_path(desk))


def add_user(desk: Desk, name: str, role: str, password: str | None, by: str, actor: Actor) -> None:
    """See Workbench.add_user."""
    users_file.add(users_path(desk), name, role, password, by)
    with desk.store.write() as tx:
        tx.audit(actor, "add_user", name, new_role=role, by=by)


def remove_user(desk: Desk, name: str, actor: Actor) -> None:
    """See Workbench.remove_user."""
    users_file.remove(users_path(desk), name)
    with desk.store.write() as tx:
        tx.audit(actor, "remove_user", name)


def standing(desk: Desk, name: str) -> tuple[Role, str] | None:
    """See Workbench.standing."""
    return users_file.standing(users_path(desk), name, desk.settings.unlisted)


def sign_in(desk: Desk, name: str, password: str, address: str) -> Actor | None:
    """See Workbench.sign_in. Five failures of a name within ten minutes lock it until they are older than that.

    The name of a failed attempt is kept as a digest: people type their password there.
    """
    with _one_at_a_time:
        return _sign_in(desk, name, password, address)


def _sign_in(desk: Desk, name: str, password: str, address: str) -> Actor | None:
    subject = sha256(name)[:16]
    since = (datetime.now(UTC) - timedelta(minutes=FAILURE_MINUTES)).isoformat(timespec="milliseconds")
    with desk.store.read() as tx:
        failures = tx.value(
            "SELECT count(*) FROM audit_event WHERE verb = 'sign_in_failed' AND subject = :s AND at > :since",
            s=subject,
            since=since.replace("+00:00", "Z"),
        )
    locked = failures >= MOST_FAILURES
    actor = None if locked else users_file.check(users_path(desk), name, password)
    with desk.store.write() as tx:
        if actor:
            tx.audit(actor, "sign_in", by="password", address=address)
        else:
            tx.audit(NOBODY, "sign_in_locked" if locked else "sign_in_failed", subject, by="password", address=address)
    return actor


def sign_in_outside(desk: Desk, name: str, by: str, account: str, address: str) -> Actor:
    """See Workbench.sign_in_outside."""
    try:
        actor = users_file.outside(users_path(desk), name, by, desk.settings.unlisted)
        mark = sha256(account)[:16] if account else ""
        if mark and (first := _first_account(desk, actor.name)) and first != mark:
            raise NotAllowed(
                f"The name {name} belonged to another account when it first signed in here. Ask the administrator to "
                "add you again."
            )
    except UpdpError as error:
        at_the_door(
            desk, "sign_in_refused", name if users_file.NAME.fullmatch(name) else sha256(name)[:16], address, by=by
        )
        raise NotAllowed(str(error)) from None
    with desk.store.write() as tx:
        tx.audit(actor, "sign_in", by=by, address=address, **({"account": mark} if mark else {}))
    return actor


def _first_account(desk: Desk, name: str) -> str | None:
    """The account that first signed in under this name since an administrator last added it.

    A service may give a name that somebody has left to somebody else.
    """
    with desk.store.read() as tx:
        rows = tx.all(
            "SELECT detail_json FROM audit_event WHERE verb = 'sign_in' AND actor = :n AND id > coalesce("
            "(SELECT max(id) FROM audit_event WHERE verb = 'add_user' AND subject = :n), 0) ORDER BY id",
            n=name,
        )
    return next((mark for row in rows if (mark := json.loads(row["detail_json"]).get("account"))), None)


def sign_out(desk: Desk, actor: Actor, reason: str) -> None:
    """See Workbench.sign_out."""
    with desk.store.write() as tx:
        tx.audit(actor, "sign_out", reason)


_counts: dict[tuple[str, ...], tuple[float, int]] = {}


def at_the_door(desk: Desk, verb: str, subject: str, address: str, **detail: Any) -> None:
    """See Workbench.at_the_door. Of many alike within ten minutes the 1st, 2nd, 4th, 8th, ... are written down.

    So a flood of requests cannot fill the disk, and the trail still tells at least half of their number.
    """
    key = (str(desk.store.home), verb, subject, address)
    began, count = _counts.get(key, (time.monotonic(), 0))
    if time.monotonic() - began > FAILURE_MINUTES * 60:
        began, count = time.monotonic(), 0
    if len(_counts) > 10_000:
        _counts.clear()
    _counts[key] = began, count + 1
    if count & (count + 1) == 0:
        with desk.store.write() as tx:
            tx.audit(NOBODY, verb, subject, address=address, count=count + 1, **detail)
