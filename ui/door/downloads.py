"""Downloads: what a page offers to one person, once, for a minute. No file lies anywhere for it."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

SECONDS = 60
MOST = 200
GONE = "This download was offered once and for a minute. Ask for it again on the page."


@dataclass(frozen=True)
class _Offer:
    person: str | None
    name: str
    kind: str
    pieces: Iterable[str | bytes]
    until: float


class Downloads:
    """Offers, under addresses that nobody can guess."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._offers: dict[str, _Offer] = {}
        self._lock = threading.Lock()

    def offer(self, person: str | None, name: str, kind: str, pieces: Iterable[str | bytes]) -> str:
        """The address, relative to the page, under which `person` (None: whoever has the address) gets this once.

        `name` is the file's, plain; `kind` its media type; `pieces` are made as they are fetched.
        """
        token = secrets.token_urlsafe(32)
        with self._lock:
            now = self.clock()
            self._offers = {key: offer for key, offer in self._offers.items() if offer.until > now}
            while len(self._offers) >= MOST:
                self._offers.pop(next(iter(self._offers)))
            self._offers[token] = _Offer(person, name, kind, pieces, now + SECONDS)
        return f"download/{token}"

    def routes(self, person: Callable[[Request], str | None]) -> list[Route]:
        """The route that gives; `person` is who asks."""

        async def give(request: Request) -> Response:
            with self._lock:
                offer = self._offers.get(request.path_params["token"])
                if offer is None or offer.until < self.clock() or offer.person not in (None, person(request)):
                    return PlainTextResponse(GONE, 404)
                del self._offers[request.path_params["token"]]
            headers = {"content-disposition": f'attachment; filename="{offer.name}"'}
            return StreamingResponse(offer.pieces, media_type=offer.kind, headers=headers)

        return [Route("/download/{token}", give, methods=["GET"])]
