"""`verify`: any changed, missing or added byte of a release folder, and what it cannot know.

SHA256SUMS is not merely read: it is written again from the files on disk and compared byte for byte, so a changed
digit, letter case, order or line of it is found as surely as a changed image. A folder that was rewritten as a whole,
sums included, is consistent in itself: only a signature by a key that one knows, or the root digest (the sha256 of
SHA256SUMS) kept elsewhere, tells it apart.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from updp_core.release import signature

FORMAT = "updp-release/3"
FORMATS = ("updp-release/1", "updp-release/2", FORMAT)
FOLDERS = {"images": ".png", "dicom": ".dcm", "reports": ".txt"}
FILES = ("README.txt", "manifest.jsonl", "release.json")
DOSSIER = "dossier.html"
"""Besides these, since format 3."""
PARTIAL = re.compile(r"\.(?P<name>.+)\.updp-(?P<pid>\d+)-[0-9a-f]{8}\.partial")
_ID = re.compile(r"r[0-9a-f]{16}")


MIB = 2**20
MOST_BYTES = {
    ".png": 64 * MIB,
    ".dcm": 64 * MIB,
    ".txt": 4 * MIB,
    "README.txt": MIB,
    "release.json": MIB,
    "SHA256SUMS": 256 * MIB,
    "manifest.jsonl": 4096 * MIB,
}
"""A larger file of this name or kind is none of a release, and is not read."""
MOST_LINE = MIB
"""Bytes of a line of the manifest."""


@dataclass(frozen=True)
class Problem:
    """One thing that is not as it was released. `path` is relative to the folder ("." is the folder itself).

    Somebody else may have chosen the name: what cannot be printed in ASCII is escaped, and 200 characters are kept.
    """

    path: str
    what: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", self.path.encode("unicode_escape").decode("ascii")[:200] or "(no name)")


def partial_name(name: str) -> str:
    """The name of the temporary folder for a release `name`; it tells whose process writes it."""
    return f".{name}.updp-{os.getpid()}-{secrets.token_hex(4)}.partial"


def sums_text(hashes: Mapping[str, str]) -> bytes:
    """SHA256SUMS as `sha256sum -c` reads it: two spaces, sorted by path, one newline after each line."""
    lines = (f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return "".join(lines).encode("utf-8", "backslashreplace")


def root_digest(sums: bytes) -> str:
    """One digest for the whole release: the sha256 of SHA256SUMS."""
    return hashlib.sha256(sums).hexdigest()


def release_digest(out: Path) -> str:
    """The root digest of a folder as it stands; raises OSError where SHA256SUMS is missing."""
    return root_digest((Path(out) / "SHA256SUMS").read_bytes())


@dataclass(frozen=True)
class Checked:
    """What a check found: all that differs, and whose key signed the release as it stands ("" for nobody's)."""

    problems: list[Problem]
    signed_by: str = ""


def verify(out: Path, root: str | None = None, *, partial: bool = False) -> list[Problem]:
    """Everything by which the folder `out` differs from a whole release; empty where it is one. See `check`."""
    return check(out, root, partial=partial).problems


def check(
    out: Path, root: str | None = None, *, key: signature.PublicKey | None = None, partial: bool = False
) -> Checked:
    """Hold the folder `out` to what a whole release is, and find out who signed it.

    `root` is the digest that was printed and audited when the release was made: with it, a folder that somebody
    rewrote consistently is found too. So it is with the `key` of the one who must have signed. `partial` lets the
    writer check its own temporary folder.
    """
    out = Path(out)
    problems = _unfit(out, partial)
    if problems:
        return Checked(problems)
    files, problems = _walk(out)
    if large := [name for name, size in files.items() if size > _most(name)]:
        return Checked([Problem(name, "is larger than any file of a release, so nothing was read") for name in large])
    hashes, signed = {}, {}
    for name in files:
        try:
            if name in signature.FILES:
                signed[name] = (out / name).read_bytes()
            else:
                hashes[name] = _sha256(out / name)
        except OSError:
            problems.append(Problem(name, "cannot be read"))
    stated = hashes.pop("SHA256SUMS", None)
    if stated is None:
        return Checked([*problems, Problem("SHA256SUMS", "is missing: the release is not whole")])
    if root is not None and stated != root.strip().lower():
        problems.append(Problem("SHA256SUMS", "does not have the root digest that was recorded for this release"))
    problems += _compare_sums(out, hashes)
    problems += _compare_manifest(out, hashes)
    signer, wrong = _signer(out, signed, stated, "release.json" in files)
    problems += wrong
    if key and not wrong and signer != key.fingerprint:
        what = f"was made with another key ({signer})" if signer else "is missing: this release is not signed"
        problems.append(Problem(signature.FOLDER, f"{what}; the key that you gave is {key.fingerprint}"))
    return Checked(sorted(set(problems), key=lambda problem: (problem.path, problem.what)), signer)


def _unfit(out: Path, partial: bool) -> list[Problem]:
    if out.is_symlink() or not out.is_dir():
        return [Problem(".", "is not a folder, or is a link; name the release folder itself")]
    if not partial and PARTIAL.fullmatch(out.absolute().name):
        return [Problem(".", "is the leftover of a release that was interrupted; release again")]
    if not (out / "SHA256SUMS").is_file():  # and nothing is said of what else lies in a folder that is no release
        return [Problem("SHA256SUMS", "is missing: the release is not whole, or the folder is no release")]
    return []


def _signer(out: Path, signed: Mapping[str, bytes], root: str, described: bool) -> tuple[str, list[Problem]]:
    """Whose key signed, and what is wrong with that; a release that names its signer cannot lose the signature."""
    try:
        named = json.loads((out / "release.json").read_bytes()).get("signed_by") if described else None
    except (OSError, ValueError, AttributeError, RecursionError):
        named = None  # told by `_compare_manifest`
    if not signed:
        if named:
            return "", [Problem(signature.FOLDER, "is missing: release.json says that this release was signed")]
        empty = (out / signature.FOLDER).is_dir()
        return "", [Problem(signature.FOLDER, "is a folder that was added")] if empty else []
    signer, wrong = signature.check(signed, root)
    if not wrong and signer != named:
        wrong = [(signature.PUBLIC, "is not the key that release.json names: somebody else has signed")]
    return ("" if wrong else signer), [Problem(name, what) for name, what in wrong]


def _most(name: str) -> int:
    if name in signature.FILES:
        return signature.MOST_BYTES
    return MOST_BYTES.get(name, MOST_BYTES.get(Path(name).suffix, MIB))


def _walk(out: Path) -> tuple[dict[str, int], list[Problem]]:
    """Sizes of regular files by name, relative and with forward slashes; and all that a release never holds. Follows no
    link."""
    files: dict[str, int] = {}
    problems: list[Problem] = []
    for name in FOLDERS:
        if not (out / name).is_dir():
            problems.append(Problem(name, "is missing"))
    pending = [""]
    while pending:
        below = pending.pop()
        with os.scandir(out / below) as entries:
            for entry in entries:
                name = f"{below}/{entry.name}" if below else entry.name
                status = entry.stat(follow_symlinks=False)
                mode = status.st_mode
                if stat.S_ISLNK(mode):
                    problems.append(Problem(name, "is a link; a release holds plain files only"))
                elif stat.S_ISDIR(mode):
                    if name in FOLDERS or name == signature.FOLDER:
                        pending.append(name)
                    else:
                        problems.append(Problem(name, "is a folder that was added"))
                elif stat.S_ISREG(mode):
                    files[name] = status.st_size
                else:
                    problems.append(Problem(name, "is not a plain file"))
    return files, problems


def _compare_sums(out: Path, hashes: Mapping[str, str]) -> list[Problem]:
    sums = (out / "SHA256SUMS").read_bytes()
    if sums == sums_text(hashes):
        return []
    problems = []
    stated: dict[str, str] = {}
    for line in sums.decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        stated[name] = digest
    for name in sorted(stated.keys() | hashes.keys()):
        if name not in hashes:
            problems.append(Problem(name, "is listed in SHA256SUMS and missing"))
        elif name not in stated:
            problems.append(Problem(name, "was added: SHA256SUMS does not list it"))
        elif stated[name] != hashes[name]:
            problems.append(Problem(name, "has changed: its SHA-256 is not the one in SHA256SUMS"))
    return problems or [Problem("SHA256SUMS", "has changed: it is not in the form in which it was written")]


def _compare_manifest(out: Path, hashes: Mapping[str, str]) -> list[Problem]:
    """Whether manifest and files name each other, exactly; catches sums that were made anew for another content."""
    problems = [Problem(name, "is missing") for name in FILES if name not in hashes]
    if problems:
        return problems
    try:
        description = json.loads((out / "release.json").read_bytes())
        older = isinstance(description, dict) and description.get("format") in FORMATS[:2]
        listed, pairs = dict.fromkeys(FILES if older else (*FILES, DOSSIER), ""), 0
        for line in _lines(out / "manifest.jsonl"):
            pairs += 1
            if not _ID.fullmatch(line["release_id"]):
                raise ValueError
            for key, folder in (("image", "images"), ("dicom", "dicom"), ("report", "reports")):
                if line[key]["path"] != f"{folder}/{line['release_id']}{FOLDERS[folder]}":
                    raise ValueError
                listed[line[key]["path"]] = line[key]["sha256"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return [Problem("manifest.jsonl", "cannot be understood, or does not have the form of a release")]
    if not isinstance(description, dict):
        return [Problem("release.json", "does not have the form of a release")]
    if description.get("format") not in FORMATS:
        problems.append(Problem("release.json", f"does not say that its format is {FORMAT} or an earlier one"))
    if description.get("manifest_sha256") != hashes["manifest.jsonl"] or description.get("pairs") != pairs:
        problems.append(Problem("manifest.jsonl", "is not the manifest that release.json describes"))
    for name in sorted(listed.keys() | hashes.keys()):
        if name not in hashes:
            problems.append(Problem(name, "is named in the manifest and missing"))
        elif name not in listed:
            problems.append(Problem(name, "was added: the manifest does not name it"))
        elif listed[name] and listed[name] != hashes[name]:
            problems.append(Problem(name, "has changed: its SHA-256 is not the one in the manifest"))
    return problems


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a manifest, one after the other in flat memory. Raises ValueError for a line that is too long."""
    with open(path, "rb") as file:
        while line := file.readline(MOST_LINE + 1):
            if len(line) > MOST_LINE:
                raise ValueError
            yield json.loads(line)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
