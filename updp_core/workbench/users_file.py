"""The users file: names, roles, how each signs in, argon2 hashes; made by `python -m updp_core user add`.

A JSON file (mode 0600), outside the database so that it can be managed as other secrets are. Roles come from here
and from nowhere else: a sign-in service or a proxy says who somebody is, never what they may do. Sign-in is rate
limited by name, in the database, so that several processes share the count.
"""

from __future__ import annotations

import contextlib
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypedDict

import filelock

from updp_core.atomic import sha256, write_file
from updp_core.domain import ROLES, WAYS, Actor, Role
from updp_core.errors import NotAllowed, UsageError

NAME = re.compile(r"[\w][\w.@ -]{0,63}")
MIN_PASSWORD = 10


class User(TypedDict):
    """One entry. `hash` is "" for a person without a password here."""

    role: str
    by: str
    hash: str


def load(path: Path) -> dict[str, User]:
    """The users by name; empty where there is no file. Raises UsageError where it is not a users file."""
    try:
        stat = path.stat()
    except FileNotFoundError:
        return {}
    except OSError:
        raise _unreadable(path) from None
    return dict(_read(path, (stat.st_ino, stat.st_mtime_ns, stat.st_size)))


@functools.lru_cache(maxsize=8)
def _read(path: Path, signature: tuple[int, ...]) -> dict[str, User]:
    # Every request asks for somebody's role: the file is read again once it is another one.
    try:
        users = json.loads(path.read_text(encoding="utf-8"))["users"]
        return {
            _neat(str(name)): User(role=str(u["role"]), by=str(u.get("by", "password")), hash=str(u.get("hash", "")))
            for name, u in users.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise _unreadable(path) from None


def _neat(name: str) -> str:
    return " ".join(name.split())


def _unreadable(path: Path) -> UsageError:
    return UsageError(f"{path.name} is not a users file. Make one with: python -m updp_core user add")


@contextlib.contextmanager
def _changed(path: Path) -> Iterator[dict[str, User]]:
    """The users, to be changed; written whole at the end. Two writers wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(path.with_name(path.name + ".lock"), mode=0o600, timeout=10):
            users = load(path)
            yield users
            write_file(path, json.dumps({"users": users}, indent=1, sort_keys=True).encode())
    except filelock.Timeout:
        raise UsageError("Somebody else is changing the users file. Try again.") from None


def add(path: Path, name: str, role: str, password: str | None, by: str = "password") -> None:
    """Add a user, or give a new role, way and password. Raises UsageError for a bad name, role, way or password."""
    from argon2 import PasswordHasher

    if not NAME.fullmatch(name):
        raise UsageError("A user's name has 1 to 64 letters, digits, and . @ - _ or blanks, and begins with a letter.")
    if role not in ROLES:
        raise UsageError(f"There is no role {role!r}. Choose one of: {', '.join(ROLES)}.")
    if by not in WAYS:
        raise UsageError(f"There is no way to sign in called {by!r}. Choose one of: {', '.join(WAYS)}.")
    if (by == "password") != (password is not None):
        raise UsageError("A person has a password here, or signs in elsewhere; not both and not neither.")
    if password is not None and len(password) < MIN_PASSWORD:
        raise UsageError(f"A password has at least {MIN_PASSWORD} characters.")
    entry = User(role=role, by=by, hash=PasswordHasher().hash(password) if password else "")
    name = _neat(name)
    with _changed(path) as users:
        if other := _alike(users, name):
            raise UsageError(f"There is a user {other!r}. Two names must differ in more than capitals and blanks.")
        users[name] = entry


def remove(path: Path, name: str) -> None:
    """Remove a user. Raises UsageError where there is none of this name."""
    with _changed(path) as users:
        if users.pop(_neat(name), None) is None:
            raise UsageError("There is no user of this name.")


def listed(path: Path) -> list[dict[str, str]]:
    """[{"name", "role", "by"}], by name."""
    return [{"name": name, "role": user["role"], "by": user["by"]} for name, user in sorted(load(path).items())]


_DUMMY: list[Any] = []


def check(path: Path, name: str, password: str) -> Actor | None:
    """The actor of a name and password, or None. Takes as long for an unknown name as for a wrong password."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    hasher = PasswordHasher()
    if not _DUMMY:
        _DUMMY.append(hasher.hash("nobody's password"))
    name = _neat(name)
    user = load(path).get(name)
    own = user is not None and user["by"] == "password" and bool(user["hash"])
    try:
        hasher.verify(user["hash"] if user and own else _DUMMY[0], password)
    except (VerificationError, InvalidHashError):
        return None
    return _actor(name, user) if user and own else None


def outside(path: Path, name: str, by: str, unlisted: str) -> Actor:
    """The actor for whom somebody else vouches: a sign-in service (`by` "oauth") or a proxy ("proxy").

    `unlisted` says what a person without an entry is: "observer", else refused. Raises NotAllowed with a sentence
    for that person.
    """
    if not NAME.fullmatch(name):
        raise NotAllowed("The sign-in service gave no name that can be used here. Ask the administrator.")
    name, users = _neat(name), load(path)
    user = users.get(name)
    if user is None and unlisted == "observer" and name.isascii() and not _alike(users, name):
        return Actor(name, "observer")
    if user is None:
        raise NotAllowed(f"You are signed in as {name}, but {name} has no role here. Ask the administrator to add you.")
    if user["by"] != by:
        raise NotAllowed(f"The name {name} signs in here in another way. Ask the administrator.")
    actor = _actor(name, user)
    if actor is None:
        raise NotAllowed(f"The role of {name} is not one that UPDP knows. Ask the administrator.")
    return actor


def standing(path: Path, name: str, unlisted: str) -> tuple[Role, str] | None:
    """A signed-in person's role now, and a mark that changes with role, way or password; None for nobody."""
    user = load(path).get(name)
    if user is None:
        return ("observer", "unlisted") if unlisted == "observer" else None
    actor = _actor(name, user)
    return (actor.role, sha256("\n".join((user["role"], user["by"], user["hash"])))) if actor else None


def _actor(name: str, user: User) -> Actor | None:
    return Actor(name, user["role"]) if user["role"] in ROLES and user["by"] in WAYS else None


def _alike(users: dict[str, User], name: str) -> str | None:
    """Another user whose name a reader would take for this one."""
    return next((other for other in users if other != name and other.casefold() == name.casefold()), None)
