"""Signing in and out: the page, the password, the OpenID provider, and the cookie that stands for a person."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import anyio.to_thread
from markupsafe import Markup
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from ui import ASSETS
from ui.door.access import Access
from ui.door.oauth import CALLBACK, START_SECONDS, Provider
from ui.door.session import SITTING, Session
from ui.show import render
from updp_core.config import Settings
from updp_core.errors import NotAllowed

LARGEST_FORM, FORM_SECONDS = 8192, 10
MOST_FAILURES, FAILURE_SECONDS = 30, 10 * 60
MOST_WAITING = 16
"""Sign-ins by password that may wait for their turn; hashing is slow on purpose, and one is hashed at a time."""
BUSY = "Many people are signing in just now. Try again in a few seconds."
WRONG = "The name or the password is not right."
WRONG_AGAIN = (
    "The name or the password is not right, or the name is locked after several failures. "
    "Try again in ten minutes, or ask the administrator."
)
AGAIN = 3
"""Attempts from an address after which the page speaks of a lock: whether there is one, it does not tell."""
LOCKED = "Too many failed sign-ins from this address. Try again in ten minutes."
ENDED = "Your sign-in has ended. Sign in again to go on."


class SignIn:
    """The routes of the door, and the page that whoever is signed out sees."""

    def __init__(
        self, session: Session, settings: Settings, access: Access, env: Mapping[str, str] = os.environ
    ) -> None:
        self.session, self.access = session, access
        self.provider = Provider(env) if settings.oauth else None
        self.cookie = (
            f"updp-{settings.port}"  # cookies do not tell ports apart: another desk on this machine has its own
        )
        self.started = f"updp-{settings.port}-start"
        self.limit = Limit(time.monotonic)
        # A worker of its own: who waits for a password to be hashed takes no worker from people who read.
        self.hashing, self.waiting = anyio.CapacityLimiter(1), 0

    def routes(self) -> list[Route]:
        """To be put before Gradio's own, which they replace."""
        found = [
            Route("/login", self.login, methods=["POST"]),
            Route("/login", _front, methods=["GET"]),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/logout", _gone, methods=["GET"]),
        ]
        if self.provider:
            found += [Route("/login/oauth", self.start, methods=["GET"]), Route(CALLBACK, self.back, methods=["GET"])]
        return found

    async def login(self, request: Request) -> Response:
        """Name and password, from the page's form (answered with a page) or from a program (with JSON)."""
        address = self.access.address(request.scope)
        if self.limit.reached(address):
            await run_in_threadpool(self.session.workbench.at_the_door, "sign_in_locked", "", address)
            return self._said(request, LOCKED, 429)
        try:
            fields = await asyncio.wait_for(_form(request), FORM_SECONDS)
        except TimeoutError:
            return self._said(request, "The form did not arrive whole. Try again.", 408)
        if self.waiting >= MOST_WAITING:
            return self._said(request, BUSY, 503)
        if self.limit.reached(address):  # others of this address were quicker with their forms
            return self._said(request, LOCKED, 429)
        name, password = fields.get("username", "").strip(), fields.get("password", "")
        attempt = self.limit.begin(address)  # counted before it is judged, so that attempts side by side count too
        self.waiting += 1
        try:
            sign_in = self.session.workbench.sign_in
            actor = await anyio.to_thread.run_sync(sign_in, name, password, address, limiter=self.hashing)
        finally:
            self.waiting -= 1
        if actor is None:
            again = self.limit.recent(address) >= AGAIN
            return self._said(request, WRONG_AGAIN if again else WRONG, 400)
        self.limit.forgive(address, attempt)
        answer: Response = RedirectResponse("./", 303) if _by_page(request) else JSONResponse({"success": True})
        return await self._welcome(request, answer, lambda: self.session.open(actor))

    async def start(self, request: Request) -> Response:
        """On to the provider."""
        assert self.provider
        try:
            answer, token = await self.provider.start(request, self._back(request))
        except Exception:  # it does not answer, or not as an OpenID provider does
            return self.page("The sign-in service does not answer. Try again in a minute.", 502)
        self._keep(answer, self.started, token, max_age=START_SECONDS)
        return answer

    async def back(self, request: Request) -> Response:
        """Back from the provider."""
        assert self.provider
        address = self.access.address(request.scope)
        try:
            person = await self.provider.finish(request, request.cookies.get(self.started, ""))
        except NotAllowed as error:
            await run_in_threadpool(self.session.workbench.at_the_door, "sign_in_failed", "oauth", address)
            return self.page(str(error), 403)
        workbench = self.session.workbench

        def admitted() -> str:
            return self.session.open(workbench.sign_in_outside(person.name, "oauth", person.account, address))

        try:
            answer = await self._welcome(request, RedirectResponse("/", 303), admitted)
        except NotAllowed as error:
            return self.page(str(error), 403)
        answer.delete_cookie(self.started)
        return answer

    async def logout(self, request: Request) -> Response:
        """End this sign-in. {"to": address to go on to, "said": what to tell}."""
        token = request.cookies.get(self.cookie, "")
        if self.session.sitting(token) is None and request.scope.get(SITTING):
            said = (
                "" if self.access.sign_out else "Your sign-in belongs to the service in front of UPDP: sign out there."
            )
            return JSONResponse({"to": self.access.sign_out, "said": said})
        await run_in_threadpool(self.session.close, token)
        answer = JSONResponse({"to": "./", "said": ""}, headers={"clear-site-data": '"cache"'})
        answer.delete_cookie(self.cookie)
        return answer

    def page(self, note: str = "", status: int = 401) -> HTMLResponse:
        """The sign-in page; `note` says what went wrong."""
        elsewhere = self.provider or self.access.header
        by_password = not elsewhere or "password" in self.session.workbench.ways()
        return self._html("door/signin.html", status, note=note, by_password=by_password, provider=self.provider)

    def refused(self, note: str) -> HTMLResponse:
        """A page for somebody who is known elsewhere and may not come in."""
        return self._html("door/page.html", 403, note=note)

    def _html(self, template: str, status: int, **given: Any) -> HTMLResponse:
        theme = Markup((ASSETS / "theme.css").read_text(encoding="utf-8"))
        return HTMLResponse(render(template, theme=theme, **given), status)

    def _said(self, request: Request, text: str, status: int) -> Response:
        return self.page(text, status) if _by_page(request) else JSONResponse({"detail": text}, status)

    async def _welcome(self, request: Request, answer: Response, opened: Callable[[], str]) -> Response:
        """A fresh token for the browser; the one that it came with, if any, is no longer good."""
        token = await run_in_threadpool(opened)
        await run_in_threadpool(self.session.close, request.cookies.get(self.cookie, ""))
        self._keep(answer, self.cookie, token)
        return answer

    def _keep(self, answer: Response, name: str, token: str, **more: Any) -> None:
        # Lax: sent along when somebody follows a link or comes back from the provider, not when another site calls.
        answer.set_cookie(name, token, httponly=True, samesite="lax", secure=self.access.secure, **more)

    def _back(self, request: Request) -> str:
        """Where the provider sends the browser back to."""
        here = f"{request.url.scheme}://{request.headers['host']}"
        return (self.access.origins[0] if self.access.origins else here) + CALLBACK


class Limit:
    """Passwords tried by address and not found right: a guesser who goes through many names is slowed down as well."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock, self._failures = clock, dict[str, list[float]]()

    def reached(self, address: str) -> bool:
        """True once an address has 30 attempts within ten minutes that failed or are not judged yet."""
        return self.recent(address) >= MOST_FAILURES

    def recent(self, address: str) -> int:
        """Attempts of an address within ten minutes that failed or are not judged yet."""
        since = self.clock() - FAILURE_SECONDS
        return sum(at > since for at in self._failures.get(address, []))

    def begin(self, address: str) -> float:
        """Count an attempt; what `forgive` takes."""
        if len(self._failures) > 10_000:
            self._failures.clear()
        now = self.clock()
        self._failures[address] = [*self._failures.get(address, [])[1 - MOST_FAILURES :], now]
        return now

    def forgive(self, address: str, attempt: float) -> None:
        """The attempt was right and does not count."""
        if attempt in (kept := self._failures.get(address, [])):
            kept.remove(attempt)


def _front(request: Request) -> Response:
    return RedirectResponse("./", 303)


def _gone(request: Request) -> Response:
    return JSONResponse({"detail": "Sign out with the button on the page."}, 405, {"allow": "POST"})


def _by_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


async def _form(request: Request) -> dict[str, str]:
    """Fields of a short form; anything longer than a name and a password is not read."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_FORM:
            return {}
    return {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace")).items()}
