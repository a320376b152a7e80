"""Who acts: the role switch of a single-user desk, or the signed-in user; and the feedback for refusals."""

from __future__ import annotations

import functools
import getpass
import logging
import time
from collections.abc import Callable
from typing import Any, cast, get_args

import gradio as gr

from updp_core.domain import Actor, Role
from updp_core.errors import NotAllowed, UpdpError
from updp_core.workflow import Workbench

ROLE_NAMES: dict[Role, str] = {
    "radiologist": "Radiologist",
    "privacy-officer": "Privacy officer",
    "observer": "Observer",
    "administrator": "Administrator",
}
LOG = logging.getLogger("updp")
IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600
ROLES_SECONDS = 5


class Session:
    """Maps a request to an Actor. With `signed`, roles come from the users file alone and sessions end."""

    def __init__(self, workbench: Workbench, signed: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self.workbench, self.signed, self.clock = workbench, signed, clock
        self._roles: tuple[float, dict[str, Role]] = (float("-inf"), {})
        self._seen: dict[str, tuple[float, float]] = {}

    def sign_in(self, name: str, password: str) -> bool:
        """Gradio's auth callable: the core checks the password, limits the rate and audits failures."""
        return self.workbench.sign_in(name, password) is not None

    def role_of(self, name: str) -> Role | None:
        """The role in the users file, read again every few seconds: a removed user is out at once."""
        read_at, roles = self._roles
        if self.clock() - read_at > ROLES_SECONDS:
            listed = self.workbench.users(actor=Actor("app", "administrator"))
            roles = {user["name"]: cast(Role, user["role"]) for user in listed}
            self._roles = (self.clock(), roles)
        return roles.get(name)

    def actor(self, request: Any, role: str = "") -> Actor:
        """Who is behind this request. `role` is the switch's position, heeded on a single-user desk only."""
        if not self.signed:
            chosen = role if role in get_args(Role) else "radiologist"
            return Actor(_desk_name(), cast(Role, chosen))
        name = username(request)
        of_file = self.role_of(name) if name else None
        if name is None or of_file is None:
            raise NotAllowed("You are signed out. Reload the page and sign in.")
        return Actor(name, of_file)

    def alive(self, token: str) -> bool:
        """False once a sign-in has been idle for 30 minutes or is 12 hours old."""
        now = self.clock()
        born, last = self._seen.get(token, (now, now))
        if now - last > IDLE_SECONDS or now - born > LONGEST_SECONDS:
            self._seen.pop(token, None)
            return False
        self._seen[token] = (born, now)
        return True


def username(request: Any) -> str | None:
    """The signed-in name behind a gr.Request, or behind the plain request that a server function gets."""
    if isinstance(request, gr.Request):
        return request.username
    app = request.app
    for kind in ("access-token-", "access-token-unsecure-"):
        if token := request.cookies.get(kind + app.cookie_id):
            return app.tokens.get(token)
    return None


@functools.cache
def _desk_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no account name in a container
        return "local"


def told(say: Callable[[str, str], dict[Any, Any]]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Turn an error into the page's message line; `say(text, kind)` names the component to write to."""

    def wrap(handler: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(handler)
        def safe(*args: Any, **kwargs: Any) -> Any:
            try:
                return handler(*args, **kwargs)
            except UpdpError as error:
                return say(str(error), "stop")
            except Exception:
                # The text of an unforeseen error may hold patient data: the page gets a remedy, the log the place.
                LOG.error("a handler failed: %s", handler.__qualname__, exc_info=LOG.isEnabledFor(logging.DEBUG))
                return say("Something went wrong. Reload the page; if it happens again, tell the engineer.", "stop")

        return safe

    return wrap
