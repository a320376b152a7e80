"""What stands around Gradio's web application: who may knock, who is let in, headers on every answer, no files."""

from __future__ import annotations

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.door.access import Access
from ui.door.session import SITTING, Session, Sitting
from ui.door.signin import ENDED, SignIn
from ui.door.streams import Streams
from ui.door.uploads import Uploads
from ui.door.visitors import VisitorCookie
from ui.door.watching import PATHS, Watch
from updp_core.errors import NotAllowed, UpdpError

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' "
)
_CLOSED = re.compile(r"/(file[=/]|proxy=|stream/|deep_link|monitoring|process_recording|vibe-|dev/reload)")
"""Gradio's routes that could serve files, fetch elsewhere or change the app. The pages need none of them."""
_STATIC = ("/assets/", "/static/", "/theme.css", "/favicon.ico")
_OPEN = ("/login", "/logout", "/login/oauth", "/login/callback", "/gradio_api/startup-events")
"""What is answered to whoever is signed out, beside files of the program itself: the door, and Gradio's own start."""


class Guard:
    """Deny by default: an answer leaves only for a name of ours, a page of ours and, with sign-in, a person we know.

    No answer that carries data may be stored, no file is served, nothing loads from elsewhere.
    """

    def __init__(
        self,
        app: ASGIApp,
        session: Session,
        access: Access = Access(),
        sign_in: SignIn | None = None,
        watch: Watch | None = None,
    ) -> None:
        self.app, self.session, self.access, self.sign_in = app, session, access, sign_in
        self.watch = watch or Watch(session.original, "")
        self.streams = Streams()
        policy = (_POLICY + access.frames).strip()
        self.headers = [
            (b"cache-control", b"no-store"),
            (b"content-security-policy", policy.encode()),
            # Not "no-referrer": a browser would then say "Origin: null" of our own sign-in form.
            (b"referrer-policy", b"same-origin"),
            (b"x-content-type-options", b"nosniff"),
            (b"cross-origin-resource-policy", b"same-origin"),
            (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # the pages open no web socket
            return await send({"type": "websocket.close", "code": 1008})
        path = scope["path"].removeprefix(scope.get("root_path", "").rstrip("/")) or "/"
        static = path.startswith(_STATIC)
        sealed = self._sealed(send, static)
        refusal = await self._turned_away(scope, path)
        if refusal is None and path in PATHS:
            given = Request(scope).headers.get("authorization", "")
            refusal = await run_in_threadpool(self.watch.answer, path, given)
        if refusal is None and self.session.signed and not static:
            refusal = await self._unknown(scope, path)
        if refusal is not None:
            return await refusal(scope, receive, sealed)
        sitting = scope.get(SITTING)
        person = sitting.name if sitting else None
        if static or path in _OPEN:
            return await self.app(scope, receive, self._watched(sealed, sitting))
        bound = await self.streams.bound(scope, receive, person)
        if isinstance(bound, Response):
            return await bound(scope, receive, sealed)
        await self.app(scope, bound, self.streams.noted(self._watched(sealed, sitting), scope, person))

    async def _turned_away(self, scope: Scope, path: str) -> Response | None:
        """Requests that nobody may make."""
        request = Request(scope)
        if not self.access.answers_to(request.headers.get("host", "")):
            await self._note(scope, "host")
            return PlainTextResponse(
                "UPDP does not answer under this name. Whoever runs it can add the name to UPDP_PUBLIC_URL.", 421
            )
        if self.access.foreign(scope):
            await self._note(scope, "other site")
            return PlainTextResponse("UPDP is not called from other sites' pages.", 403)
        if _CLOSED.search(path):
            return PlainTextResponse("This app serves no files.", 403)
        return None

    async def _unknown(self, scope: Scope, path: str) -> Response | None:
        """Find the person behind a request and put them into its scope; an answer for whoever is not known."""
        assert self.sign_in
        request = Request(scope)
        try:
            scope[SITTING] = await self._proxied(request) or self._sitting(request)
        except UpdpError as error:
            return self.sign_in.refused(str(error))
        if scope[SITTING] or path in _OPEN:
            return None
        token = request.cookies.get(self.sign_in.cookie)
        if token:
            await run_in_threadpool(self.session.end, token)
        if path == "/" and request.method in ("GET", "HEAD"):
            return await run_in_threadpool(self.sign_in.page, ENDED if token else "")
        return JSONResponse({"detail": "You are signed out. Reload the page and sign in."}, 401)

    def _sitting(self, request: Request) -> Sitting | None:
        token = request.cookies.get(self.sign_in.cookie) if self.sign_in else None
        return self.session.sitting(token) if token else None

    async def _proxied(self, request: Request) -> Sitting | None:
        """The person whom the proxy's header names. Raises NotAllowed where it comes from elsewhere, or twice."""
        header = self.access.header
        if not header or not (named := request.headers.getlist(header)):
            return None
        peer = str((request.scope.get("client") or ("",))[0])
        if not self.access.believes(peer):
            await self._note(request.scope, "user header")
            raise NotAllowed("This request says who you are, but does not come from the sign-in proxy. Go through it.")
        name = named[0].strip() if len(named) == 1 else ""
        return await run_in_threadpool(self.session.proxied, name, self.access.address(request.scope))

    async def _note(self, scope: Scope, what: str) -> None:
        await run_in_threadpool(self.session.original.at_the_door, "request_refused", what, self.access.address(scope))

    def _sealed(self, send: Send, static: bool) -> Send:
        headers = self.headers[1 if static else 0 :]
        names = {name for name, _ in headers}

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in names]
                message["headers"] = kept + headers
            await send(message)

        return sealed

    def _watched(self, send: Send, sitting: Sitting | None) -> Send:
        """A stream ends with the sign-in that opened it."""
        if sitting is None:
            return send
        cut = False

        async def watched(message: Message) -> None:
            nonlocal cut
            if cut:
                return
            if message["type"] == "http.response.body" and message.get("more_body") and self.session.over(sitting):
                cut, message = True, {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        return watched


def guarded(
    session: Session, access: Access, sign_in: SignIn | None, uploads: Uploads, token: str = ""
) -> dict[str, Any]:
    """Keyword arguments for Gradio's FastAPI application."""
    visitors, watch = session.visitors, Watch(session.original, token)
    return {
        "middleware": [
            Middleware(Guard, session=session, access=access, sign_in=sign_in, watch=watch),
            *([Middleware(VisitorCookie, visitors=visitors, secure=access.secure)] if visitors else []),
        ],
        "routes": [*(sign_in.routes() if sign_in else []), *uploads.routes(), *session.downloads.routes(_person)],
    }


def _person(request: Request) -> str | None:
    sitting = request.scope.get(SITTING)
    return sitting.name if sitting else None
