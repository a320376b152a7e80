"""What stands around Gradio's web application: headers on every answer, no files, and the end of a sign-in."""

from __future__ import annotations

import re
from typing import Any

from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ui.session import Session

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws: wss:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self' https://huggingface.co"
)
_HEADERS = [
    (b"cache-control", b"no-store"),
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_PLAIN = {name.decode(): value.decode() for name, value in _HEADERS}
_CLOSED = re.compile(r"/(file[=/]|proxy=|stream/|deep_link|monitoring|process_recording)")
"""Gradio's routes that could serve files or fetch elsewhere. The pages need none of them."""
_STATIC = ("/assets/", "/static/", "/theme.css", "/favicon.ico")


class Guard:
    """No answer that carries data may be stored, no file is served, nothing loads from elsewhere, old sign-ins end."""

    def __init__(self, app: ASGIApp, session: Session) -> None:
        self.app, self.session = app, session

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        if _CLOSED.search(scope["path"]):
            return await PlainTextResponse("This app serves no files.", 403, dict(_PLAIN))(scope, receive, send)
        if self.session.signed:
            self._end_old(scope)
        static = scope["path"].startswith(_STATIC)

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in _HEADERS[1 if static else 0 :]}
                kept = [(k, v) for k, v in message.get("headers", []) if k.lower() not in names]
                message["headers"] = kept + _HEADERS[1 if static else 0 :]
            await send(message)

        await self.app(scope, receive, sealed)

    def _end_old(self, scope: Scope) -> None:
        """Forget the tokens of sign-ins that have been idle too long, so that Gradio answers 401."""
        tokens = getattr(scope.get("app"), "tokens", None)
        if not tokens:
            return
        # Read as Gradio reads them; tokens that nobody was given are not noted, so that nothing grows by them.
        for key, token in HTTPConnection(scope).cookies.items():
            if key.startswith("access-token") and token in tokens and not self.session.alive(token):
                tokens.pop(token, None)


def guarded(session: Session) -> dict[str, Any]:
    """Keyword arguments for Gradio's FastAPI application."""
    return {"middleware": [Middleware(Guard, session=session)]}
