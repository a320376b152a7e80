"""A PostgreSQL server for the tests: in a folder of its own, behind a socket, gone when the tests end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg

from updp_core.store import Store
from updp_core.store.postgres import Postgres

MISSING = "no PostgreSQL server here: apt-get install postgresql"
OWNER, WORKER = "hospital", "reader"
"""Roles of the server: who owns the tables, and who works with them."""


def programs() -> Path | None:
    """The folder of `initdb` and `pg_ctl`."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


class Server:
    """A running server. A workspace's database is named after its folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._number = folder, count()
        self._known, self._kept = dict[Path, str](), dict[Path, str]()

    def url(self, database: str, role: str = WORKER) -> str:
        return f"postgresql+psycopg:///{database}?host={self.folder}&user={role}"

    def connect(self, database: str, role: str = OWNER) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.folder), dbname=database, user=role, autocommit=True)

    def empty(self) -> str:
        """The name of a new database without tables."""
        return self._create(Path(f"empty {next(self._number)}"), "template1")

    def database(self, home: Path) -> str:
        """The database of the workspace `home`: one with all tables, owned by OWNER, that WORKER may use."""
        return self._known.get(home) or self._create(home, "ready")

    def copy(self, first: Path, home: Path) -> None:
        """A copy of the database of `first`, which nobody has open and which is kept, for `home`."""
        if first in self._known:
            self._kept[first] = self._known.pop(first)
        self._create(home, self._kept[first])

    def clear(self) -> None:
        """Drop every database but those that others are copied from."""
        with self.connect("postgres") as connection:
            for name in self._known.values():
                connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        self._known.clear()

    def _create(self, home: Path, like: str) -> str:
        name = self._known[home] = f"w{next(self._number)}"
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY file_copy")
        return name

    def prepare(self) -> None:
        """Make the database that the others are copied from."""
        with self.connect("postgres") as connection:
            connection.execute(f"CREATE ROLE {WORKER} LOGIN")
            connection.execute("CREATE DATABASE ready")
        store = Store(self.folder / "prepare", self.url("ready", OWNER))
        assert isinstance(store.dialect, Postgres)
        with store.write() as tx:
            store.dialect.grant(tx, WORKER)
        store.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server under a user without rights, for as long as the block runs."""
    where = programs()
    assert where is not None
    memory = Path("/dev/shm")
    roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2**30
    folder = Path(tempfile.mkdtemp(prefix="updp-pg-", dir=memory if roomy else None))
    as_user: dict[str, object] = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    if os.getuid() == 0:  # the server refuses to run as root
        shutil.chown(folder, "nobody", "nogroup")
        as_user |= {"user": "nobody", "group": "nogroup", "extra_groups": []}
    data, options = folder / "data", f"-k {folder} -c listen_addresses= -c fsync=off -c full_page_writes=off"
    subprocess.run([where / "initdb", "-D", data, "-U", OWNER, "-A", "trust", "-E", "UTF8", "--no-sync"], **as_user)  # type: ignore[call-overload]
    subprocess.run([where / "pg_ctl", "-D", data, "-o", options, "-l", folder / "log", "-w", "start"], **as_user)  # type: ignore[call-overload]
    try:
        server = Server(folder)
        server.prepare()
        yield server
    finally:
        subprocess.run([where / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **as_user)  # type: ignore[call-overload]
        shutil.rmtree(folder, ignore_errors=True)
