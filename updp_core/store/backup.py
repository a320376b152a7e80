"""Backup and restore of a workspace: one encrypted file, consistent while the app runs.

The file is a zip of two members that the public tool `age` (age-encryption.org, version 1) also reads: `key.age` is a
fresh age identity, encrypted with the passphrase; `workspace.tar.age` is a tar archive, encrypted to that identity.
Images never change under their name and are on the disk before a row names them, so a snapshot of the
database that is taken first names nothing that the archive lacks.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from updp_core.config import DATABASE
from updp_core.errors import UpdpError, UsageError
from updp_core.store.moving import snapshot
from updp_core.store.sqlite import FILES, last_event
from updp_core.store.store import Store

KEY, WORKSPACE = "key.age", "workspace.tar.age"
MIN_PASSPHRASE = 12
MOST_KEY_BYTES = 4096
MOST_WORK = 21
"""log2 of scrypt's cost: 2 GiB of memory. `write_backup` asks for 18 to 20, by the machine's speed."""
_WORK = re.compile(rb"age-encryption\.org/v1\n-> scrypt [\w+/]+ ([0-9]{1,2})\n")
_NO_BACKUP = "This file is no backup of a workspace, or it is damaged."
_LEFT_OUT = {"gradio", "locks", "tmp", *FILES}
"""Names in a workspace that belong to running processes, and the database, of which a snapshot goes."""


def write_backup(store: Store, file: Path, passphrase: str) -> int:
    """Write the workspace and its database to the new file `file`, encrypted; the number of files in it.

    Raises UsageError for a short passphrase, for a file that exists, and where a part of the workspace is a link, which
    no restore would bring back; UpdpError where the disk fails. A failed backup leaves no file.
    """
    from pyrage import encrypt_io, x25519
    from pyrage import passphrase as by_passphrase

    check_passphrase(passphrase)
    if file.exists():
        raise UsageError("The backup file exists already. Name a new one.")
    home, identity = store.home, x25519.Identity.generate()
    if any(path.is_symlink() for path in _paths(home)):
        raise UsageError(
            "A part of the workspace is a link, and a backup takes none. Put the files themselves there, or move the "
            "whole workspace (UPDP_HOME)."
        )
    part = file.with_name(f".{file.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix="backup-", dir=home / "tmp") as private:
            database = Path(private) / DATABASE
            snapshot(store, database)
            with _private(part) as raw, zipfile.ZipFile(raw, "w") as archive:
                archive.writestr(KEY, by_passphrase.encrypt(str(identity).encode(), passphrase))
                with archive.open(WORKSPACE, "w", force_zip64=True) as encrypted, _tar(home, database) as (tar, count):
                    encrypt_io(tar, encrypted, [identity.to_public()])
            os.replace(part, file)
    except OSError as error:
        raise UpdpError(
            f"The backup could not be written ({error.strerror}). Free space, or choose another place."
        ) from None
    finally:
        part.unlink(missing_ok=True)
    return count[0]


def check_passphrase(passphrase: str) -> None:
    """Raises UsageError for one that is too short, or that no keyboard types."""
    if not isinstance(passphrase, str) or len(passphrase) < MIN_PASSPHRASE:
        raise UsageError(f"A passphrase has at least {MIN_PASSPHRASE} characters.")
    try:
        passphrase.encode()
    except UnicodeEncodeError:
        raise UsageError("The passphrase holds what is no character. Type another one.") from None


def restore_backup(file: Path, home: Path, passphrase: str) -> int:
    """Unpack a backup into the new folder `home`, mode 0700; the number of files.

    Raises UsageError where `home` is something else or holds something already, for a file that is no backup of a
    workspace, and for a wrong passphrase; UpdpError where the disk fails. A failed restore leaves `home` as it was.
    """
    from pyrage import DecryptError, IdentityError, decrypt_io, x25519
    from pyrage import passphrase as by_passphrase

    if home.is_symlink() or (home.exists() and (not home.is_dir() or any(home.iterdir()))):
        raise UsageError("The workspace to restore into is not empty, or no folder. Choose a new folder (--home).")
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UpdpError(f"The workspace cannot be made there ({error.strerror}). Choose another place.") from None
    with tempfile.TemporaryDirectory(prefix=".restore-", dir=home.parent) as private:
        try:
            with zipfile.ZipFile(file) as archive:
                _check_form(archive)
                identity = x25519.Identity.from_str(by_passphrase.decrypt(archive.read(KEY), passphrase).decode())
                plain = Path(private) / "workspace.tar"
                with archive.open(WORKSPACE) as encrypted, _private(plain) as tar:
                    decrypt_io(encrypted, tar, [identity])
        except (zipfile.BadZipFile, KeyError, EOFError, UnicodeDecodeError, IdentityError):
            raise UsageError(_NO_BACKUP) from None
        except (DecryptError, UnicodeEncodeError):
            raise UsageError("The passphrase does not open this backup, or the file is damaged.") from None
        except OSError as error:
            if error.errno is None:  # pyrage's word for a stream that does not fit its seal
                raise UsageError("This file is damaged. Take another backup.") from None
            raise UpdpError(f"The backup could not be read ({error.strerror}).") from None
        unpacked = Path(private) / "workspace"
        unpacked.mkdir(mode=0o700)
        try:
            with tarfile.open(plain, mode="r:") as tar:
                names = tar.getnames()
                tar.extractall(unpacked, filter=_plain)
            _note_head(unpacked)
        except (
            tarfile.TarError,
            sqlite3.Error,
            ValueError,
            KeyError,
            RecursionError,
        ):  # their own words name files of the archive
            raise UsageError("This file holds something else than a workspace. Take another backup.") from None
        except OSError as error:
            raise UpdpError(f"The backup could not be unpacked ({error.strerror}).") from None
        for path in unpacked.rglob("*"):
            path.chmod(0o700 if path.is_dir() else 0o600)
        if home.exists():
            home.rmdir()
        os.replace(unpacked, home)
    return len(names)


def _check_form(archive: zipfile.ZipFile) -> None:
    """Raises UsageError unless both members are there, not packed, and the key's asks for no more work than a backup of
    ours: what they say would otherwise be done before anybody's passphrase has been looked at."""
    members = [archive.getinfo(name) for name in (KEY, WORKSPACE)]
    if any(member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1 for member in members):
        raise UsageError(_NO_BACKUP)
    if members[0].file_size > MOST_KEY_BYTES:
        raise UsageError(_NO_BACKUP)
    asked = _WORK.match(archive.read(KEY))
    if asked is None or int(asked[1]) > MOST_WORK:
        raise UsageError(_NO_BACKUP)


def _plain(member: tarfile.TarInfo, into: str) -> tarfile.TarInfo:
    """A filter for `extractall`. Raises TarError for what leads out of the folder `into`, and for links and devices."""
    if not (member.isreg() or member.isdir() or member.islnk()):  # hard links: a file that a backup met twice
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, into)


def _note_head(home: Path) -> None:
    """Note the chain's head of the snapshot: the one that was noted beside the database may be newer by some events."""
    if last := last_event(home / DATABASE):
        (home / "audit.head").write_text(json.dumps({"event": last[0], "digest": last[1]}), encoding="utf-8")


def _paths(home: Path) -> Iterator[Path]:
    """All that belongs to a workspace, folders and links included."""
    for top in sorted(home.iterdir()):
        if top.name in _LEFT_OUT or top.name.startswith((".part-", "upload-")):
            continue
        yield top
        if top.is_dir() and not top.is_symlink():
            yield from sorted(top.rglob("*"))


def _files(home: Path) -> Iterator[Path]:
    return (path for path in _paths(home) if path.is_file() and not path.is_symlink())


class _tar:
    """The workspace as a stream of tar bytes, written by a thread while it is read: nothing is on the disk in clear."""

    def __init__(self, home: Path, snapshot: Path) -> None:
        self.home, self.snapshot, self.count = home, snapshot, [0]
        self.error: BaseException | None = None

    def __enter__(self) -> tuple[IO[bytes], list[int]]:
        read, write = os.pipe()
        self.reader, self.thread = (
            os.fdopen(read, "rb"),
            threading.Thread(target=self._write, args=(write,), daemon=True),
        )
        self.thread.start()
        return self.reader, self.count

    def __exit__(self, *_: object) -> None:
        self.reader.close()
        self.thread.join()
        if isinstance(self.error, OSError) and not isinstance(self.error, BrokenPipeError):
            raise self.error

    def _write(self, descriptor: int) -> None:
        try:
            with os.fdopen(descriptor, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                for path in (self.snapshot, *_files(self.home)):
                    name = DATABASE if path == self.snapshot else path.relative_to(self.home).as_posix()
                    tar.add(path, name, recursive=False)
                    self.count[0] += 1
        except BaseException as error:
            self.error = error


def _private(path: Path) -> IO[bytes]:
    """A new file for writing that its owner alone can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
