"""What a page has under way belongs to who began it: names of sessions, events in hand, and bodies that must arrive.

Gradio keeps queued events, their answers and the state of a page under a name that the page chose. Behind sign-in each
such name is replaced, on its way in, by one that follows from it and the person: who uses another's name of a session
comes to a session of their own. Nothing is kept for that; what is kept are the ids of events, so that nobody steps or
ends another's.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

API = "/gradio_api/"
HEARTBEAT = f"{API}heartbeat/"
UPLOAD = f"{API}upload"
LARGEST_BODY = 16 * 2**20
BODY_SECONDS = 30
"""In which the whole body of a call must arrive; an upload has a pace to keep instead."""
MOST_SESSIONS, SESSION_SECONDS = 120, 3600
"""Pages that one person may open within an hour: each keeps its state here."""
MOST_EVENTS = 20_000
NOT_YOURS = "This event is not yours, or it is over."
MANY_PAGES = f"You have opened {MOST_SESSIONS} pages within an hour. Close some, and go on in one that is open."


class Streams:
    """Binds sessions and events to people."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self._key = clock, secrets.token_bytes(32)
        self._events: OrderedDict[str, str] = OrderedDict()
        self._sessions: dict[str, dict[str, float]] = {}

    def named(self, person: str, session: str) -> str:
        """The name under which a person's session is kept."""
        return hmac.digest(self._key, json.dumps([person, session]).encode(), "sha256").hex()[:32]

    def admits(self, person: str, session: str) -> bool:
        """Count a session in, unless the person has begun too many of late."""
        since = self.clock() - SESSION_SECONDS
        mine = {name: at for name, at in self._sessions.get(person, {}).items() if at > since}
        if session not in mine and len(mine) >= MOST_SESSIONS:
            return False
        self._sessions[person] = {**mine, session: mine.get(session, self.clock())}
        return True

    async def bound(self, scope: Scope, receive: Receive, person: str | None) -> Receive | Response:
        """The request in the person's own sessions (None: a single desk, where all is one person's), its body read
        whole; or the answer to one that asks for what is not theirs, is too long or too slow."""
        path = scope["path"]
        if path.startswith(f"{API}call/"):  # a second way to streams, by the event's id alone; the pages use none of it
            return PlainTextResponse("UPDP is called by its pages only.", 403)
        if scope["method"] in ("GET", "HEAD"):
            return self._asked(scope, receive, person)
        if path.rstrip("/") == UPLOAD:
            return receive  # read by `Uploads`, as it comes
        if Headers(scope=scope).get("content-type", "").lower().startswith("multipart/"):
            return PlainTextResponse("A form of files is taken as an upload only.", 415)  # it could name a session too
        body = await read(receive)
        if isinstance(body, Response):
            return body
        if person is not None:
            body = self._called(body, person)
        return body if isinstance(body, Response) else _again(body, receive, scope)

    def noted(self, send: Send, scope: Scope, person: str | None) -> Send:
        """Keeps whose event it is that an answer gives an id to."""
        if person is None or scope["path"].rstrip("/") != f"{API}queue/join":
            return send
        told = b""

        async def noting(message: Message) -> None:
            nonlocal told
            if message["type"] == "http.response.body":
                told += message.get("body", b"")[:1000]
                if not message.get("more_body") and (event := _field(told, "event_id")):
                    self._events[event] = person
                    while len(self._events) > MOST_EVENTS:
                        self._events.popitem(last=False)
            await send(message)

        return noting

    def _asked(self, scope: Scope, receive: Receive, person: str | None) -> Receive | Response:
        if person is None:
            return receive
        query = parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        mine = [(name, self.named(person, v) if name == "session_hash" else v) for name, v in query]
        if mine != query:
            scope["query_string"] = urlencode(mine).encode()
        path = scope["path"]
        if path.startswith(HEARTBEAT):
            scope["path"] = HEARTBEAT + self.named(person, path[len(HEARTBEAT) :])
            scope["raw_path"] = quote(scope["path"]).encode()
        return receive

    def _called(self, body: bytes, person: str) -> bytes | Response:
        try:
            call = json.loads(body or b"null")
        except ValueError:
            return body  # Gradio refuses it
        if not isinstance(call, dict):
            return body
        event, session = call.get("event_id"), call.get("session_hash")
        if event is not None and self._events.get(str(event)) != person:
            return PlainTextResponse(NOT_YOURS, 403)
        if session is None:
            return body
        if not self.admits(person, str(session)):
            return PlainTextResponse(MANY_PAGES, 429)
        return json.dumps({**call, "session_hash": self.named(person, str(session))}).encode()


async def read(receive: Receive, largest: int = LARGEST_BODY, seconds: float | None = None) -> bytes | Response:
    """A body, whole; or the answer to one that is longer than `largest` or takes longer than BODY_SECONDS."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS if seconds is None else seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return PlainTextResponse("", 400)
                body += message.get("body", b"")
                if len(body) > largest:
                    return PlainTextResponse(f"At most {largest} bytes are read.", 413, {"connection": "close"})
                if not message.get("more_body"):
                    return bytes(body)
    except TimeoutError:
        return PlainTextResponse("The request did not arrive whole. Try again.", 408, {"connection": "close"})


def _again(body: bytes, receive: Receive, scope: Scope) -> Receive:
    """Hands the body out once, then tells what comes after it."""
    length = str(len(body)).encode()
    scope["headers"] = [(k, length if k == b"content-length" else v) for k, v in scope["headers"]]
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


def _field(text: bytes, name: str) -> str:
    try:
        found: Any = json.loads(text)
    except ValueError:
        return ""
    return str(found.get(name) or "") if isinstance(found, dict) else ""
