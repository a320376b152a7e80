"""Visitors of a public demonstration: each has a workspace of their own for an hour, and nobody sees another's.

The app is built over one workspace, which holds the sample studies with their pairs. A visitor's is a copy of it, found
again by a cookie that nobody can guess. `Current` stands where the workspace (or its background work) stood, and leads
to the visitor's own; which visitor it is, `Visitors.enter` says at each step that is taken for one.
"""

from __future__ import annotations

import contextlib
import contextvars
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.background import Background
from updp_core.errors import NotAllowed, UsageError
from updp_core.workbench import Workbench

COOKIE = "updp-visitor"
HOUR = 3600
AWAY_SECONDS = 300
"""An open page asks every few seconds: who has not asked for so long has closed it."""
MEGABYTES = 200
"""What a visitor's workspace may take on the disk."""
GROW = ("generate", "regenerate", "compare", "import_", "import_again", "release", "reproduce")
WAKES = ("lexicon_edit", "lexicon_revert")
"""Verbs after which there may be something to draw anew."""
NO_COOKIE = (
    "This demonstration tells visitors apart by a cookie, and your browser keeps none. Open UPDP in its own tab, "
    "or let this site keep cookies, and reload."
)
FULL = "All places of this demonstration are taken. Come back in some minutes."
OVER = "Your hour is over, and your workspace is forgotten. Reload the page to begin again."
_HERE: contextvars.ContextVar[str] = contextvars.ContextVar("updp_visitor", default="")


@dataclass
class Visit:
    """One visitor's workspace, and the work that goes on in it."""

    home: Path
    workbench: Workbench
    background: VisitorWork
    began: float
    last: float


class VisitorWork(Background):
    """As for everybody, but asleep until the visitor asks for something: the copy has its pairs already."""

    def go(self, run: Any = None) -> None:
        """Generate (again)."""
        super().go(run)
        with contextlib.suppress(RuntimeError):  # it runs already
            self._thread.start()


class Visitors:
    """The visits that go on."""

    def __init__(self, original: Workbench, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.original, self.most, self.clock = original, most, clock
        self.folder = original.desk.settings.home / "visitors"
        shutil.rmtree(self.folder, ignore_errors=True)  # of the process before
        self.folder.mkdir(mode=0o700)
        self._visits: dict[str, Visit] = {}
        self._gone: dict[str, float] = {}
        self._lock = threading.Lock()

    def enter(self, token: str) -> None:
        """What follows in this thread's context is done for the visitor behind a token ("": nobody)."""
        _HERE.set(_key(token) if token else "")

    def here(self) -> Visit:
        """The visit that this step is taken for; begun where there is none yet. Raises NotAllowed without a cookie,
        UsageError where the hour is over or no place is free."""
        key = _HERE.get()
        if not key:
            raise NotAllowed(NO_COOKIE)
        with self._lock:
            now = self.clock()
            if key in self._visits:
                self._visits[key].last = now
            self._forget()
            if key not in self._visits:
                if key in self._gone:
                    raise UsageError(OVER)
                if len(self._visits) >= self.most:
                    raise UsageError(FULL)
                self._visits[key] = self._begun(now)
            return self._visits[key]

    def begin_again(self, token: str) -> str:
        """The token for a page that is opened: the one it has, or a fresh one where that has had its hour."""
        with self._lock:
            self._forget()
            known = bool(token) and len(token) < 100 and _key(token) not in self._gone
        return token if known else secrets.token_urlsafe(32)

    def close(self) -> None:
        """Forget all."""
        with self._lock:
            for key in list(self._visits):
                self._end(key)

    def _begun(self, now: float) -> Visit:
        home = self.folder / secrets.token_hex(8)
        bench = self.original.twin(home)
        return Visit(home, bench, VisitorWork(bench, None), now, now)

    def _forget(self) -> None:
        now = self.clock()
        full = len(self._visits) >= self.most
        for key, visit in list(self._visits.items()):
            if now - visit.began > HOUR or (full and now - visit.last > AWAY_SECONDS):
                self._end(key)
                self._gone[key] = now
        self._gone = {key: at for key, at in self._gone.items() if now - at < HOUR}

    def _end(self, key: str) -> None:
        visit = self._visits.pop(key)
        visit.background.stop()
        visit.workbench.close()
        shutil.rmtree(visit.home, ignore_errors=True)


class Current:
    """Stands for a part of the current visit: `Current(visitors, "workbench")` for the workspace."""

    def __init__(self, visitors: Visitors, part: str) -> None:
        self._visitors, self._part = visitors, part

    def __getattr__(self, name: str) -> Any:
        visit = self._visitors.here()
        if name in GROW and _size(visit.home) > MEGABYTES * 10**6:
            raise UsageError(f"Your workspace has used up its {MEGABYTES} MB: look at what is there, or begin again.")
        if name in WAKES:
            visit.background.go()
        return getattr(getattr(visit, self._part), name)


class VisitorCookie:
    """Gives each browser its token, and says for whom a request is answered."""

    def __init__(self, app: ASGIApp, visitors: Visitors, secure: bool) -> None:
        self.app, self.visitors, self.secure = app, visitors, secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = token_of(scope)
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"
        token = self.visitors.begin_again(given) if path == "/" and scope["method"] == "GET" else given
        self.visitors.enter(token)

        async def with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start" and token != given:
                # Within another site's frame a browser keeps a cookie only where it says so, and by https.
                how = "Secure; SameSite=None; Partitioned" if self.secure else "SameSite=Lax"
                cookie = f"{COOKIE}={token}; HttpOnly; Path=/; Max-Age={2 * HOUR}; {how}"
                message["headers"] = [*message.get("headers", []), (b"set-cookie", cookie.encode())]
            await send(message)

        await self.app(scope, receive, with_cookie)


def token_of(scope: Scope) -> str:
    """The visitor's token in a request, "" where there is none."""
    for name, value in scope.get("headers", []):
        if name == b"cookie":
            with contextlib.suppress(CookieError):
                jar = SimpleCookie(value.decode("latin-1"))
                if COOKIE in jar:
                    return jar[COOKIE].value
    return ""


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _size(folder: Path) -> int:
    """Bytes below a folder that are its own: links to the sample's images are not."""
    total = 0
    for at, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                found = os.stat(Path(at) / name)
                total += found.st_size if found.st_nlink == 1 else 0
    return total
