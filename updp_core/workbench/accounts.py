"""Accounts: who may come in, and as what; how they come in and go out. The names themselves are in the users file."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from updp_core.atomic import sha256
from updp_core.domain import Actor, Role
from updp_core.errors import NotAllowed, UpdpError
from updp_core.workbench import users_file
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import ADMINISTRATOR, verb

MOST_FAILURES = 5
FAILURE_MINUTES = 10
NOBODY = Actor("nobody", cast(Role, "nobody"))
_one_at_a_time = threading.Lock()
"""Attempts in parallel would all be checked before the first failure is counted."""
_counts: dict[tuple[str, ...], tuple[float, int]] = {}
"""(workspace, verb, subject, address) -> (since when, how many) of what was turned away."""


class Accounts(Noun):
    """People of the users file, and how they come in and go out."""

    @verb(ADMINISTRATOR)
    def users(self, *, actor: Actor) -> list[dict[str, str]]:
        """[{"name", "role", "by"}] of the users file."""
        return users_file.listed(users_path(self.desk))

    @verb(ADMINISTRATOR)
    def add_user(self, name: str, role: str, password: str | None, *, actor: Actor, by: str = "password") -> None:
        """Add a user, or give a new role and password. `by` "oauth" or "proxy": such a person has no password here."""
        users_file.add(users_path(self.desk), name, role, password, by)
        with self.desk.store.write() as tx:
            tx.audit(actor, "add_user", name, new_role=role, by=by)

    @verb(ADMINISTRATOR)
    def remove_user(self, name: str, *, actor: Actor) -> None:
        """Remove a user; what they decided stays."""
        users_file.remove(users_path(self.desk), name)
        with self.desk.store.write() as tx:
            tx.audit(actor, "remove_user", name)

    def sign_in(self, name: str, password: str, address: str = "") -> Actor | None:
        """The actor behind a name and password, or None. Takes no actor.

        Five failures of a name within ten minutes lock it until they are older than that. Failures are audited, the
        name of a failed attempt under the workspace's key: people type their password there, and a digest of it could
        be found by guessing.
        """
        with _one_at_a_time:
            return _sign_in(self.desk, name, password, address)

    def sign_in_outside(self, name: str, by: str, account: str = "", address: str = "") -> Actor:
        """The actor for whom a sign-in service ("oauth") or a proxy ("proxy") vouches; the role is ours.

        Takes no actor. `account` is the service's own mark of the account: a name whose account changes is refused.
        Raises NotAllowed with a sentence for that person; refusals are audited.
        """
        try:
            actor = users_file.outside(users_path(self.desk), name, by, self.desk.settings.unlisted)
            mark = _hidden(self.desk, account) if account else ""
            known = {mark, sha256(account)[:16]}  # versions before 0.8 noted a digest without a key
            if mark and (first := _first_account(self.desk, actor.name)) and first not in known:
                raise NotAllowed(
                    f"The name {name} belonged to another account when it first signed in here. "
                    "Ask the administrator to add you again."
                )
        except UpdpError as error:
            subject = name if users_file.NAME.fullmatch(name) else _hidden(self.desk, name)
            _note_at_the_door(self.desk, "sign_in_refused", subject, address, by=by)
            raise NotAllowed(str(error)) from None
        with self.desk.store.write() as tx:
            tx.audit(actor, "sign_in", by=by, address=address, **({"account": mark} if mark else {}))
        return actor

    def standing(self, name: str) -> tuple[Role, str] | None:
        """A signed-in person's role, and a mark that changes when an administrator changes anything about them."""
        return users_file.standing(users_path(self.desk), name, self.desk.settings.unlisted)

    def sign_out(self, reason: str = "asked", *, actor: Actor) -> None:
        """Note that a sign-in has ended, and why."""
        with self.desk.store.write() as tx:
            tx.audit(actor, "sign_out", reason)

    def at_the_door(self, verb: str, subject: str, address: str) -> None:
        """Note a request that was turned away before anybody was known. Takes no actor."""
        _note_at_the_door(self.desk, verb, subject, address)

    def ways(self) -> set[str]:
        """The ways in which somebody signs in here: "password", "oauth", "proxy"."""
        return {user["by"] for user in users_file.listed(users_path(self.desk))}


def _sign_in(desk: Desk, name: str, password: str, address: str) -> Actor | None:
    subject = _hidden(desk, name)
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


def _hidden(desk: Desk, typed: str) -> str:
    """What stands for something that was typed at the door: the same for the same, and told by nothing but the key."""
    return desk.store.secret.derive("at the door", typed).hex()[:16]


def _first_account(desk: Desk, name: str) -> str | None:
    """The account that first signed in under this name since an administrator last added it.

    A service may give a name that somebody has left to somebody else.
    """
    with desk.store.read() as tx:
        details = tx.column(
            "SELECT detail_json FROM audit_event WHERE verb = 'sign_in' AND actor = :n AND id > coalesce("
            "(SELECT max(id) FROM audit_event WHERE verb = 'add_user' AND subject = :n), 0) ORDER BY id",
            n=name,
        )
    return next((mark for detail in details if (mark := json.loads(detail).get("account"))), None)


def _note_at_the_door(desk: Desk, verb: str, subject: str, address: str, **detail: Any) -> None:
    """Of many alike within ten minutes, the 1st, 2nd, 4th, 8th, ... are written down.

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


def users_path(desk: Desk) -> Path:
    """UPDP_AUTH, or `users.json` in the workspace."""
    return Path(desk.settings.auth or desk.settings.home / "users.json")
