"""Signing in by an OpenID provider: on a Space that of Hugging Face, elsewhere the hospital's own.

The variables are those that a Space with `hf_oauth: true` sets (OAUTH_CLIENT_ID, OAUTH_CLIENT_SECRET, OAUTH_SCOPES,
OPENID_PROVIDER_URL), and the callback is at the same place as Gradio's. Gradio's own routes are not used: outside a
Space they let anybody in, and on one they keep the access token in the browser, where no sign-out of ours ends it.
Here the provider says who somebody is, once; no token of its is kept.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ui.door.access import LOOPBACK
from updp_core.errors import NotAllowed, UsageError

START_SECONDS = 10 * 60
MOST_STARTED = 1000
CALLBACK = "/login/callback"


@dataclass(frozen=True)
class Person:
    """Who the provider says has signed in. `account` is its lasting mark of the account; names may pass on."""

    name: str
    account: str


class Provider:
    """One OpenID provider and the sign-ins that people have started there."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.url = env.get("OPENID_PROVIDER_URL", "").rstrip("/")
        for name in ("OAUTH_CLIENT_ID", "OAUTH_CLIENT_SECRET", "OPENID_PROVIDER_URL"):
            if not env.get(name):
                raise UsageError(f"UPDP_OAUTH needs {name}. A Space sets it where README.md says `hf_oauth: true`.")
        parts = urlsplit(self.url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise UsageError("OPENID_PROVIDER_URL begins with https://, so that nobody in between can answer for it.")
        self.title = "Hugging Face" if parts.hostname == "huggingface.co" else str(parts.hostname)
        scopes = dict.fromkeys(["openid", *(env.get("OAUTH_SCOPES") or "profile").split()])
        self._client = _client(env["OAUTH_CLIENT_ID"], env["OAUTH_CLIENT_SECRET"], self.url, " ".join(scopes))
        self._started: dict[str, tuple[float, dict[str, Any]]] = {}

    async def start(self, request: Request, back: str) -> tuple[Response, str]:
        """Send the browser to the provider. The token is for a cookie: only this browser may come back."""
        session: dict[str, Any] = {}
        request.scope["session"] = session  # where authlib keeps state, nonce and code verifier: here, not in a cookie
        answer: Response = await self._client.authorize_redirect(request, back)
        token = secrets.token_urlsafe(32)
        self._tidy()
        self._started[_digest(token)] = (time.monotonic(), session)
        return answer, token

    async def finish(self, request: Request, token: str) -> Person:
        """Who has come back. Raises NotAllowed where the provider, checked by its keys, does not confirm it."""
        self._tidy()
        _, request.scope["session"] = self._started.pop(_digest(token), (0.0, {}))
        try:
            claims = (await self._client.authorize_access_token(request))["userinfo"]
            name, account = str(claims["preferred_username"]), f"{claims['iss']}\n{claims['sub']}"
        except Exception as error:  # authlib, joserfc and httpx have no error in common; their text is not ours to show
            raise NotAllowed("The sign-in service did not confirm who you are. Start again.") from error
        return Person(name, account)

    def _tidy(self) -> None:
        oldest = time.monotonic() - START_SECONDS
        kept = [(key, value) for key, value in self._started.items() if value[0] > oldest]
        self._started = dict(kept[-(MOST_STARTED - 1) :])


def _client(client_id: str, secret: str, url: str, scope: str) -> Any:
    from authlib.integrations.starlette_client import OAuth

    return OAuth().register(
        name="provider",
        client_id=client_id,
        client_secret=secret,
        server_metadata_url=f"{url}/.well-known/openid-configuration",
        client_kwargs={"scope": scope, "code_challenge_method": "S256", "timeout": 15},
    )


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
