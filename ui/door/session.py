"""Who acts: the role switch of a single-user desk, or the signed-in person."""

from __future__ import annotations

import functools
import getpass
import hashlib
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

import gradio as gr

from ui.door.downloads import Downloads
from ui.door.visitors import Current, Visitors, token_of
from updp_core.domain import Actor, Role
from updp_core.errors import NotAllowed, UpdpError
from updp_core.workbench import Workbench

ROLE_NAMES: dict[Role, str] = {
    "radiologist": "Radiologist",
    "privacy-officer": "Privacy officer",
    "observer": "Observer",
    "administrator": "Administrator",
}
IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600
SITTING = "updp.sitting"
"""Where a request's scope holds the Sitting of the person behind it."""


@dataclass
class Sitting:
    """One person's sign-in. `mark` is what the users file said of them then."""

    name: str
    role: Role
    mark: str
    born: float
    last: float


class Session:
    """Maps a request to an Actor. With `signed`, roles come from the users file alone and sign-ins end.

    Sign-ins live in memory, under the digest of the token in the person's cookie: a restart ends them all.
    """

    def __init__(
        self,
        workbench: Workbench,
        signed: bool,
        clock: Callable[[], float] = time.monotonic,
        visitors: Visitors | None = None,
    ) -> None:
        self.original, self.signed, self.clock, self.visitors = workbench, signed, clock, visitors
        self.workbench: Workbench = cast(Workbench, Current(visitors, "workbench")) if visitors else workbench
        self.downloads = Downloads()
        self._sittings: dict[str, Sitting] = {}
        self._proxied: dict[str, Sitting] = {}
        self._lock = threading.Lock()

    def open(self, actor: Actor) -> str:
        """Begin a sign-in; the token for the cookie."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._sittings[_digest(token)] = self._sitting(actor)
        for old in list(self._sittings):
            self._end(self._sittings, old)
        return token

    def sitting(self, token: str) -> Sitting | None:
        """The sign-in behind a token, while it lasts; it lasts longer by being used."""
        found = self._sittings.get(_digest(token))
        if found is None or self.over(found):
            return None
        found.last = self.clock()
        return found

    def proxied(self, name: str, address: str) -> Sitting:
        """The sign-in of somebody whom a believed proxy names at each request. Raises NotAllowed.

        The proxy decides how long; here a new sign-in is noted after a pause, and a role that was changed is heeded.
        """
        with self._lock:
            found = self._proxied.get(name)
            if found is None or self.over(found):
                self._proxied.pop(name, None)
                found = self._sitting(self.workbench.sign_in_outside(name, "proxy", address=address))
                self._proxied[name] = found
            found.last = self.clock()
            return found

    def _sitting(self, actor: Actor) -> Sitting:
        standing = self.workbench.standing(actor.name)
        if standing is None:
            raise NotAllowed("You have no role here. Ask the administrator to add you.")
        now = self.clock()
        return Sitting(actor.name, standing[0], standing[1], now, now)

    def over(self, sitting: Sitting) -> str:
        """Why a sign-in has ended, or "": nobody touched it for 30 minutes, it is 12 hours old, or the person's entry
        in the users file is another one."""
        now = self.clock()
        if now - sitting.last > IDLE_SECONDS:
            return "idle"
        if now - sitting.born > LONGEST_SECONDS:
            return "too old"
        try:
            standing = self.workbench.standing(sitting.name)
        except UpdpError:  # a damaged users file lets nobody in
            standing = None
        return "" if standing and standing[1] == sitting.mark else "account changed"

    def end(self, token: str) -> None:
        """Forget a sign-in that is over, and note why. Writes to the database."""
        self._end(self._sittings, _digest(token))

    def _end(self, where: dict[str, Sitting], key: str) -> None:
        with self._lock:
            found = where.get(key)
            reason = self.over(found) if found else ""
            if not found or not reason:
                return
            del where[key]
        self.workbench.sign_out(reason, actor=Actor(found.name, found.role))

    def close(self, token: str) -> None:
        """Sign out."""
        with self._lock:
            found = self._sittings.pop(_digest(token), None)
        if found:
            found.last = float("-inf")  # streams that are still open see it
            self.workbench.sign_out(actor=Actor(found.name, found.role))

    def enter(self, request: Any) -> None:
        """Say for which visitor the next step in this thread is taken: each step may be taken in another one."""
        if self.visitors:
            whole = getattr(request, "request", None) or request  # Gradio's, or the plain one of a server function
            scope = getattr(whole, "scope", None)
            self.visitors.enter(token_of(scope) if scope else "")

    def home(self) -> Path:
        """Where the workspace lies that this step is taken in."""
        return Path(self.workbench.desk.settings.home).resolve()

    def actor(self, request: Any, role: str = "") -> Actor:
        """Who is behind this request. `role` is the switch's position, heeded on a single-user desk only."""
        self.enter(request)
        if self.visitors:
            self.visitors.here()
        if not self.signed:
            chosen = role if role in get_args(Role) else "radiologist"
            return Actor("visitor" if self.visitors else _desk_name(), cast(Role, chosen))
        name = username(request)
        standing = self.workbench.standing(name) if name else None
        if name is None or standing is None:
            raise NotAllowed("You are signed out. Reload the page and sign in.")
        return Actor(name, standing[0])


def username(request: Any) -> str | None:
    """The signed-in name behind a gr.Request, or behind the plain request that a server function gets."""
    if isinstance(request, gr.Request):
        return request.username
    sitting = request.scope.get(SITTING)
    return sitting.name if sitting else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


@functools.cache
def _desk_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account name in a container
        return "local"
