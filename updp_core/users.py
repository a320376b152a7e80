"""The users file: names, roles and argon2 hashes; made by `python -m updp_core user add`.

A JSON file (mode 0600), outside the database so that it can be managed as other secrets are. Sign-in is rate
limited by name, in the database, so that several processes share the count.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, cast

from updp_core.domain import Actor, Role
from updp_core.errors import UsageError

_NAME = re.compile(r"[\w][\w.@ -]{0,63}")
MIN_PASSWORD = 10


def load(path: Path) -> dict[str, dict[str, str]]:
    """Name -> {"role", "hash"}; empty where there is no file. Raises UsageError where it is not a users file."""
    if not path.exists():
        return {}
    try:
        users = json.loads(path.read_text(encoding="utf-8"))["users"]
        return {str(name): {"role": str(u["role"]), "hash": str(u["hash"])} for name, u in users.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise UsageError(f"{path.name} is not a users file. Make one with: python -m updp_core user add") from None


def save(path: Path, users: dict[str, dict[str, str]]) -> None:
    """Write the file whole, readable by its owner alone."""
    from updp_core.store import write_file

    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({"users": users}, indent=1, sort_keys=True).encode())


def add(path: Path, name: str, role: str, password: str) -> None:
    """Add a user, or give a new role and password. Raises UsageError for a bad name, role or short password."""
    from argon2 import PasswordHasher

    from updp_core.workbench.roles import ROLES

    if not _NAME.fullmatch(name):
        raise UsageError("A user's name has 1 to 64 letters, digits, and . @ - _ or blanks, and begins with a letter.")
    if role not in ROLES:
        raise UsageError(f"There is no role {role!r}. Choose one of: {', '.join(ROLES)}.")
    if len(password) < MIN_PASSWORD:
        raise UsageError(f"A password has at least {MIN_PASSWORD} characters.")
    save(path, load(path) | {name: {"role": role, "hash": PasswordHasher().hash(password)}})


def remove(path: Path, name: str) -> None:
    """Remove a user. Raises UsageError where there is none of this name."""
    users = load(path)
    if name not in users:
        raise UsageError("There is no user of this name.")
    save(path, {n: u for n, u in users.items() if n != name})


def listed(path: Path) -> list[dict[str, str]]:
    """[{"name", "role"}], by name."""
    return [{"name": name, "role": user["role"]} for name, user in sorted(load(path).items())]


_DUMMY: list[Any] = []


def check(path: Path, name: str, password: str) -> Actor | None:
    """The actor of a name and password, or None. Takes as long for an unknown name as for a wrong password."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    from updp_core.workbench.roles import ROLES

    hasher = PasswordHasher()
    if not _DUMMY:
        _DUMMY.append(hasher.hash("nobody's password"))
    user = load(path).get(name)
    try:
        hasher.verify(user["hash"] if user else _DUMMY[0], password)
    except (VerificationError, InvalidHashError):
        return None
    if user is None or user["role"] not in ROLES:
        return None
    return Actor(name, cast(Role, user["role"]))
