"""The detached signature of a release: Ed25519 (RFC 8032) in a DSSE envelope, over the root digest.

What is signed is the line of `sha256sum` for SHA256SUMS, so that a receiver reads it without UPDP. The folder
`signature` holds the envelope (github.com/secure-systems-lab/dsse) and, for openssl, its parts as plain files; `verify`
holds them to each other. A key is named by its fingerprint: the SHA-256 of its public half in DER form.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import Error, UnverifiedSignatureError
from securesystemslib.signer import CryptoSigner, SSlibKey

from updp_core.errors import UpdpError, UsageError

FOLDER = "signature"
ENVELOPE, SIGNED, RAW, PUBLIC = (
    f"{FOLDER}/{name}" for name in ("envelope.json", "signed.txt", "signature.bin", "public-key.pem")
)
FILES = (ENVELOPE, SIGNED, RAW, PUBLIC)
TYPE = "application/vnd.updp.root-digest"
MOST_BYTES = 16 * 2**10
"""A larger file is none of a signature."""
CHECKS = (
    (
        f"openssl pkey -pubin -in {PUBLIC} -outform DER | openssl dgst -sha256",
        "must print the fingerprint that the sender told you over another channel",
    ),
    (
        f"openssl pkeyutl -verify -pubin -inkey {PUBLIC} -rawin -in {SIGNED} -sigfile {RAW}",
        "must print: Signature Verified Successfully",
    ),
    ("openssl dgst -sha256 SHA256SUMS", f"must print the digest in {SIGNED}"),
    (
        "sha256sum --check --quiet SHA256SUMS",
        "must print nothing (openssl dgst -sha256 FILE tells the digest of one file)",
    ),
)
"""How a receiver checks a signed release without UPDP, in its folder: (command, what it must say)."""
_PAYLOAD = re.compile(rb"([0-9a-f]{64})  SHA256SUMS\n")


class PublicKey:
    """An Ed25519 public key: its PEM form, and its fingerprint (64 hexadecimal digits)."""

    def __init__(self, key: Ed25519PublicKey) -> None:
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.fingerprint = hashlib.sha256(der).hexdigest()
        self.named = SSlibKey.from_crypto(key, self.fingerprint)

    @classmethod
    def read(cls, pem: bytes) -> PublicKey:
        """From PEM. Raises UsageError for anything else than an Ed25519 public key."""
        try:
            key = load_pem_public_key(pem)
        except Exception:  # cryptography raises by what it stumbled on
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise UsageError(
                "This is no Ed25519 public key in PEM form. A release has its sender's in signature/public-key.pem; "
                "`python -m updp_core key show` prints that of a workspace."
            )
        return cls(key)


class SigningKey:
    """An Ed25519 private key. It is told nowhere: `private_pem` is for the one file that holds it."""

    __slots__ = ("__signer", "public")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.public = PublicKey(key.public_key())
        self.__signer = CryptoSigner(key, self.public.named)

    @classmethod
    def make(cls) -> SigningKey:
        """A new key, from the system's entropy."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def read(cls, pem: bytes) -> SigningKey:
        """From an unencrypted PEM (PKCS 8). Raises UpdpError where it is damaged."""
        try:
            key = load_pem_private_key(pem, None)
        except Exception:  # its message might quote the key
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise UpdpError("The signing key of the workspace is damaged. Restore it from a backup, or make a new one.")
        return cls(key)

    def __repr__(self) -> str:
        return "SigningKey(...)"

    def __reduce__(self) -> str:
        raise TypeError("A key is not copied out of its process.")

    def private_pem(self) -> bytes:
        """The private key as unencrypted PEM."""
        return self.__signer.private_bytes

    def sign(self, root: str) -> dict[str, bytes]:
        """The files of the folder `signature` for a release with this root digest: name -> content."""
        envelope = Envelope(f"{root}  SHA256SUMS\n".encode(), TYPE, {})
        envelope.sign(self.__signer)
        return _files(envelope, self.public)


def _files(envelope: Envelope, public: PublicKey) -> dict[str, bytes]:
    text = json.dumps(envelope.to_dict(), indent=2, sort_keys=True) + "\n"
    raw = bytes.fromhex(envelope.signatures[public.fingerprint].signature)
    return dict(zip(FILES, (text.encode(), envelope.pae(), raw, public.pem), strict=True))


def check(files: Mapping[str, bytes], root: str) -> tuple[str, list[tuple[str, str]]]:
    """Who signed the root digest `root`, by fingerprint ("" where nobody did), and every (file, what is wrong with it).

    `files` are those of the folder `signature`, by name; missing ones are told.
    """
    if missing := [(name, "is missing: the signature is not whole") for name in FILES if name not in files]:
        return "", missing
    try:
        public = PublicKey.read(files[PUBLIC])
    except UsageError:
        return "", [(PUBLIC, "is no Ed25519 public key in PEM form")]
    try:
        envelope = Envelope.from_dict(json.loads(files[ENVELOPE]))
        whole = envelope.payload_type == TYPE and list(envelope.signatures) == [public.fingerprint]
        written = _files(envelope, public) if whole else {}
    except (Error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", [(ENVELOPE, "cannot be understood, or does not have the form of a signature's envelope")]
    if not whole:
        return "", [(ENVELOPE, "holds no signature, or another than that of the key in public-key.pem, or more")]
    wrong = list(_wrong(envelope, public, written, files, root))
    return ("" if wrong else public.fingerprint), wrong


def _wrong(
    envelope: Envelope, public: PublicKey, written: Mapping[str, bytes], files: Mapping[str, bytes], root: str
) -> Iterator[tuple[str, str]]:
    try:
        envelope.verify([public.named], 1)
    except UnverifiedSignatureError:
        yield ENVELOPE, "holds a signature that the key in public-key.pem did not make"
    named = _PAYLOAD.fullmatch(envelope.payload)
    if named is None:
        yield ENVELOPE, "signs something else than the root digest of a release"
    elif named[1].decode() != root:
        yield ENVELOPE, "signs another root digest: the release was changed after it was signed, or was never signed"
    for name, content in written.items():
        if files[name] != content:
            yield name, "has changed: it is not what the envelope and the key say"
