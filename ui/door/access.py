"""Who may knock: the names the app answers to, the pages that may call it, the proxies it believes.

Pure functions on a request's headers; `ui/door/serving.py` asks them before anything else sees the request.
"""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from updp_core.config import Settings
from updp_core.errors import UsageError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = ("0.0.0.0", "::")
HEADER_CHARACTERS = set("abcdefghijklmnopqrstuvwxyz0123456789-")


@dataclass(frozen=True)
class Access:
    """What the operator has stated. `names` None: any name is answered (the public demonstration)."""

    names: frozenset[str] | None = frozenset(LOOPBACK)
    addresses: bool = False
    origins: tuple[str, ...] = ()
    header: str = ""
    networks: tuple[Network, ...] = ()
    sign_out: str = ""
    frames: str = ""

    @property
    def secure(self) -> bool:
        """True where people reach the app by https: cookies then never travel otherwise."""
        return any(origin.startswith("https://") for origin in self.origins)

    def answers_to(self, host: str) -> bool:
        """True where a Host header names this app. A foreign name that leads here is how a rebinding page comes in."""
        name = _name(host)
        if self.names is None or name in self.names:
            return True
        return self.addresses and _address(name) is not None

    def foreign(self, scope: Scope) -> bool:
        """True for a request that another site's page has made: only following a link from elsewhere is not."""
        headers = Headers(scope=scope)
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site in ("same-origin", "none"):
            return False
        if site is not None:
            return scope["method"] not in ("GET", "HEAD") or headers.get("sec-fetch-mode") != "navigate"
        if origin is None:  # no browser, or one that follows a link
            return False
        return origin not in self.origins and origin.partition("://")[2] != headers.get("host")

    def believes(self, peer: str) -> bool:
        """True where a request from this address may say who somebody is."""
        address = _address(peer)
        return address is not None and any(address in network for network in self.networks)

    def address(self, scope: Scope) -> str:
        """Where a request comes from: the peer, or what a believed proxy says of its own peer."""
        peer = str((scope.get("client") or ("",))[0])
        if self.believes(peer):
            said = ",".join(Headers(scope=scope).getlist("x-forwarded-for")).rpartition(",")[2].strip()
            return said if _address(said) is not None else peer
        return peer


def access(settings: Settings, env: Mapping[str, str] = os.environ) -> Access:
    """Read the settings. Raises UsageError for one that cannot be meant."""
    origins = tuple(_origin(url) for url in _items(settings.public_url))
    names: set[str] | None = {*LOOPBACK, _name(settings.host), *(_name(o.partition("://")[2]) for o in origins)}
    everywhere = settings.host in EVERYWHERE
    if everywhere and not settings.signed:
        names = None  # `app.check_host` lets only the demonstration be here: it holds no patient
    elif everywhere:
        names = (names or set()) | {socket.gethostname().lower(), socket.getfqdn().lower()}
    if settings.unlisted not in ("refuse", "observer"):
        raise UsageError("UPDP_UNLISTED is refuse or observer.")
    header, networks = settings.proxy_user_header.lower(), _networks(settings.proxy_from)
    if header and not networks:
        raise UsageError("UPDP_PROXY_USER_HEADER needs UPDP_PROXY_FROM: the addresses of the proxies that may send it.")
    if set(header) - HEADER_CHARACTERS:
        raise UsageError("UPDP_PROXY_USER_HEADER is the name of a header, e.g. X-Forwarded-User.")
    return Access(
        names=None if names is None else frozenset(names),
        addresses=everywhere,
        origins=origins,
        header=header,
        networks=networks,
        sign_out=settings.proxy_sign_out,
        frames="https://huggingface.co" if env.get("SPACE_ID") else "",
    )


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _origin(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
        raise UsageError("UPDP_PUBLIC_URL is like https://updp.hospital.example, without a path; several with commas.")
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(item) for item in _items(text))
    except ValueError:
        raise UsageError("UPDP_PROXY_FROM lists addresses or networks, e.g. 127.0.0.1, 10.1.0.0/28.") from None


def _name(host: str) -> str:
    """The name in "name:port" or "[address]:port"."""
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return (host.rpartition(":")[0] if host.count(":") == 1 else host).rstrip(".")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
