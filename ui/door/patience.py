"""How long a connection may be open without asking for anything.

The server's own bound is for a connection that is silent between two requests. One that sends its head byte by byte,
or goes on with a body that has been answered, is never silent: it has HEAD_SECONDS for a whole head.
"""

from __future__ import annotations

import asyncio
from typing import Any

import uvicorn.protocols.http.auto as chosen
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 15.0


class Patience(H11Protocol):
    """HTTP/1.1 with an end of patience."""

    _ends: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        before = self.cycle
        super().handle_events()
        if self.cycle is not before and self._ends is not None:  # a whole head has arrived
            self._ends.cancel()
            self._ends = None

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:  # else it has begun with the next request, which was waiting
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._ends is not None:
            self._ends.cancel()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
        self._ends = self.loop.call_later(HEAD_SECONDS, self.transport.close)


def be_patient_no_longer() -> None:
    """Have servers that are started from here on close such connections."""
    chosen.AutoHTTPProtocol = Patience
