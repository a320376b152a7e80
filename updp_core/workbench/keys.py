"""Keys: the one that signs this workspace's releases, and those of others that are trusted here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from updp_core.atomic import canonical, write_file
from updp_core.domain import Actor
from updp_core.errors import Conflict, UpdpError, UsageError
from updp_core.release import PublicKey, SigningKey
from updp_core.store.store import now
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import EVERYBODY, OFFICER, verb
from updp_core.workbench.shapes import KeyRing, KeyRow

if TYPE_CHECKING:
    from updp_core.release import PublicKey, SigningKey

PRIVATE, TRUSTED = "signing.key", "trusted-keys.json"
OWN = "this workspace"
MOST_NAME = 100


class Keys(Noun):
    """Make the key that signs releases, and say whose keys are trusted."""

    @verb(EVERYBODY)
    def keys(self, *, actor: Actor) -> KeyRing:
        """The public half of the key that signs here, and the keys that are trusted."""
        own = signing_key(self.desk.settings.home)
        return {
            "fingerprint": own.public.fingerprint if own else "",
            "public_key": own.public.pem.decode() if own else "",
            "trusted": _trusted(self.desk.settings.home),
        }

    @verb(OFFICER)
    def key_new(self, *, actor: Actor, replace: bool = False) -> KeyRing:
        """Make the key that signs the releases of this workspace from now on.

        Raises Conflict where there is one and `replace` does not say that it goes; the public half of the old one stays
        trusted, so that older releases are still known.
        """
        home = self.desk.settings.home
        made = SigningKey.make()
        with self.desk.store.write() as tx:
            if (home / PRIVATE).exists() and not replace:
                raise Conflict(
                    "This workspace has a signing key, and receivers know its fingerprint. Replace it (--replace) only "
                    "where it was lost or seen by others, and tell them the new one."
                )
            old = _read_key(home)
            tx.audit(actor, "key_new", fingerprint=made.public.fingerprint, replaced=old.fingerprint if old else "")
            if old:
                _keep(home, old, "an earlier key of this workspace")
            write_file(home / PRIVATE, made.private_pem())
        return self.keys(actor=actor)

    @verb(OFFICER)
    def key_trust(self, public_key: str, name: str, *, actor: Actor) -> KeyRing:
        """Trust a public key (PEM) as that of `name`: `verify` then says who signed."""
        key, name = PublicKey.read(public_key.encode()), " ".join(name.split())
        if not name.isprintable() or not 0 < len(name) <= MOST_NAME:
            raise UsageError(f"Say whose key it is, in 1 to {MOST_NAME} characters.")
        with self.desk.store.write() as tx:
            tx.audit(actor, "key_trust", fingerprint=key.fingerprint)
            _keep(self.desk.settings.home, key, name)
        return self.keys(actor=actor)


@dataclass(frozen=True)
class Signer:
    """Whose key signed. `trust`: own, trusted, given, unknown; or "" where nobody signed."""

    fingerprint: str
    name: str
    trust: str

    def sentence(self) -> str:
        """In words, with what to do next."""
        key = f"(key {self.fingerprint})"
        return {
            "own": f"Signed by {OWN} {key}.",
            "trusted": f"Signed by {self.name} {key}, whom this workspace trusts.",
            "given": f"Signed with the key that you gave {key}.",
            "unknown": f"Signed with a key that is not trusted here {key}. Compare this fingerprint with the sender's "
            "over another channel; then trust it: python -m updp_core key trust FOLDER/signature/public-key.pem",
            "": "Not signed: nobody can tell from it who made it. Compare the root digest with the sender's over "
            "another channel.",
        }[self.trust]


def signer_of(fingerprint: str, *, home: Path | None = None, given: PublicKey | None = None) -> Signer:
    """Who signed with the key of this fingerprint ("" for nobody), as far as the key given and the workspace know."""
    if not fingerprint:
        return Signer("", "", "")
    if given and given.fingerprint == fingerprint:
        return Signer(fingerprint, "", "given")
    own = signing_key(home) if home else None
    if own and own.public.fingerprint == fingerprint:
        return Signer(fingerprint, OWN, "own")
    names = {row["fingerprint"]: row["name"] for row in _trusted(home)} if home else {}
    return Signer(fingerprint, names.get(fingerprint, ""), "trusted" if fingerprint in names else "unknown")


def signing_key(home: Path) -> SigningKey | None:
    """The key that signs the releases of a workspace, or None. Raises UpdpError where it is damaged."""
    path = home / PRIVATE
    try:
        if not path.exists():
            return None
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
        return SigningKey.read(path.read_bytes())
    except OSError as error:
        raise UpdpError(f"The signing key of the workspace cannot be read ({error.strerror}).") from None


def unrecorded(home: Path, recorded: set[str]) -> list[str]:
    """Fingerprints of keys of this workspace of which no event tells that somebody made or trusted them."""
    own = _read_key(home)
    there = [own.fingerprint] if own else []
    return [key for key in (*there, *(row["fingerprint"] for row in _trusted(home))) if key not in recorded]


def _read_key(home: Path) -> PublicKey | None:
    """The public half of the key that is replaced; None where there is none or it is damaged."""
    try:
        key = signing_key(home)
    except UpdpError:
        return None
    return key.public if key else None


def _trusted(home: Path) -> list[KeyRow]:
    path = home / TRUSTED
    try:
        rows = json.loads(path.read_bytes()) if path.exists() else []
        return [cast(KeyRow, {name: str(row[name]) for name in KeyRow.__annotations__}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        raise UpdpError(f"The list of trusted keys ({TRUSTED}) is damaged. Restore it from a backup.") from None


def _keep(home: Path, key: PublicKey, name: str) -> None:
    rows = [row for row in _trusted(home) if row["fingerprint"] != key.fingerprint]
    rows.append({"fingerprint": key.fingerprint, "name": name, "public_key": key.pem.decode(), "since": now()})
    write_file(home / TRUSTED, canonical(rows).encode())
