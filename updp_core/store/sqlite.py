"""SQLite: one file in the workspace, for one machine.

Every write is one `BEGIN IMMEDIATE` transaction with synchronous FULL, so there is one writer at a time; readers see a
snapshot of the write-ahead log. Locks are files that the kernel lets go of when a process ends.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import filelock
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlmodel import SQLModel

from updp_core.config import DATABASE
from updp_core.errors import DiskError, UsageError
from updp_core.store import schema

if TYPE_CHECKING:
    from updp_core.store.store import Transaction

MOVED: Final = "This workspace has moved to a server. Set UPDP_DATABASE_URL to the address given to copy-to."
_SEAL: Final = f"CREATE TRIGGER moved BEFORE INSERT ON audit_event BEGIN SELECT RAISE(ABORT, '{MOVED}'); END"
FILES: Final = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm")
BUSY_SECONDS: Final = 60
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",
    "trusted_schema=OFF",
    "cache_size=-65536",
    "temp_store=MEMORY",
)
_DISK: Final = {
    sqlite3.SQLITE_FULL: "the disk is full. Free some space and try again",
    sqlite3.SQLITE_READONLY: "the workspace can only be read. Have its disk mounted for writing, or its rights changed",
    sqlite3.SQLITE_CANTOPEN: "a file of the workspace cannot be opened or made. Look after its disk and its rights",
    sqlite3.SQLITE_IOERR: "the disk is full or fails. Free some space, and look after the disk and after the backup",
    sqlite3.SQLITE_CORRUPT: "the database is damaged. Restore the workspace from a backup",
    sqlite3.SQLITE_NOTADB: "the database is damaged. Restore the workspace from a backup",
}
_CANDIDATE_WORD: Final = (
    "CREATE VIRTUAL TABLE IF NOT EXISTS candidate_word "
    "USING fts5(said, near, content = '', detail = column, columnsize = 0, tokenize = 'ascii')"
)
_LONGEST_TOKEN: Final = 32768
"""Bytes of a word that FTS5 keeps."""
_RECORD_TEXT: Final = "CREATE VIRTUAL TABLE IF NOT EXISTS record_text USING fts5(body, tokenize = 'unicode61')"


class Sqlite:
    """The SQLite file of the workspace `home` (see `Dialect`)."""

    numbers_rows = True

    def __init__(self, home: Path) -> None:
        self.home, self.path = home, home / DATABASE

    def engine(self) -> Engine:
        try:
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        except OSError as error:
            raise DiskError(
                f"The workspace {self.home} cannot be written ({error.strerror}). Choose another --home."
            ) from None
        engine = create_engine(
            f"sqlite:///{self.path}",
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=8,
            hide_parameters=True,  # an error would quote reports
        )
        event.listen(engine, "connect", _configure)
        return engine

    def begin(self, connection: Connection, *, write: bool, rebuild: bool) -> None:
        if rebuild:  # to drop a table would delete its rows one by one, and refuse those that others point to
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    def busy(self, error: DBAPIError) -> bool:
        return "locked" in str(error.orig)

    def disk_error(self, error: DBAPIError) -> tuple[str, str] | None:
        code = getattr(error.orig, "sqlite_errorcode", None)
        remedy = _DISK.get(code & 0xFF) if code is not None else None
        return (str(getattr(error.orig, "sqlite_errorname", "")), remedy) if remedy else None

    def check_references(self, tx: Transaction) -> None:
        if found := tx.all("PRAGMA foreign_key_check"):
            raise ValueError(f"{len(found)} rows of {found[0]['table']} point nowhere")

    def version(self, tx: Transaction) -> int:
        return int(tx.value("PRAGMA user_version"))

    def set_version(self, tx: Transaction, version: int) -> None:
        tx.run(f"PRAGMA user_version = {version}")

    def create(self, tx: Transaction) -> None:
        tx.run(_CANDIDATE_WORD)
        tx.run(_RECORD_TEXT)
        for statement in self.triggers().values():
            tx.run(statement.replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS", 1))

    def triggers(self) -> Mapping[str, str]:
        made: dict[str, str] = {}
        for table in schema.APPEND_ONLY:
            keys = SQLModel.metadata.tables[table].primary_key.columns.keys()
            same = " AND ".join(f"{key} = NEW.{key}" for key in keys)
            refuse = f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            for verb in ("UPDATE", "DELETE"):
                name = f"{table}_no_{verb.lower()}"
                made[name] = f"CREATE TRIGGER {name} BEFORE {verb} ON {table} {refuse}"
            name, again = f"{table}_no_replace", f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same})"
            made[name] = f"CREATE TRIGGER {name} BEFORE INSERT ON {table} {again} {refuse}"
        return made

    def views_found(self, tx: Transaction) -> Mapping[str, str]:
        return {row["name"]: row["sql"] for row in tx.all("SELECT name, sql FROM sqlite_master WHERE type = 'view'")}

    def triggers_found(self, tx: Transaction) -> Mapping[str, str]:
        rows = tx.all("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        return {row["name"]: row["sql"] for row in rows if row["sql"] != _SEAL}

    @contextlib.contextmanager
    def unguarded(self, tx: Transaction, names: Iterable[str]) -> Iterator[None]:
        names = list(names)
        for name in names:
            tx.run(f"DROP TRIGGER {name}")
        yield
        for name in names:
            tx.run(self.triggers()[name])

    def rewrite(self, seconds: float) -> bool:
        connection = sqlite3.connect(self.path, timeout=seconds, isolation_level=None)
        with contextlib.closing(connection):
            connection.execute("PRAGMA secure_delete = ON")
            try:
                connection.execute("VACUUM")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                return False
            until, busy = time.monotonic() + seconds, True
            while busy and time.monotonic() < until:
                busy = bool(connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0])
                time.sleep(0.2 * busy)
        return not busy

    def seal(self, tx: Transaction) -> None:
        tx.run(_SEAL)

    def grant(self, tx: Transaction, role: str) -> None:
        raise UsageError("A file has no roles: who can write it can do all.")

    def events_written(self, tx: Transaction) -> int:
        return tx.value("SELECT seq FROM sqlite_sequence WHERE name = 'audit_event'") or 0

    def each(self, parameter: str, **columns: type[int] | type[str]) -> str:
        if len(columns) == 1:
            [name] = columns
            return f"(SELECT value AS {name} FROM json_each(:{parameter}))"
        values = ", ".join(f"json_extract(value, '$[{n}]') AS {name}" for n, name in enumerate(columns))
        return f"(SELECT {values} FROM json_each(:{parameter}))"

    def number(self, column: str, *path: str) -> str:
        return f"json_extract({column}, '$.{'.'.join(path)}')"

    def first(self, column: str) -> str:
        return f"(SELECT e.value FROM json_each({column}) e LIMIT 1)"

    def items(self, column: str) -> str:
        return f"(SELECT value FROM json_each({column}))"

    def index_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        tx.run(
            "INSERT INTO candidate_word (rowid, said, near) VALUES (:c, :said, :near)",
            c=candidate,
            said=" ".join(said),
            near=" ".join(near),
        )

    def unindex_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        tx.run(
            "INSERT INTO candidate_word (candidate_word, rowid, said, near) VALUES ('delete', :c, :said, :near)",
            c=candidate,
            said=" ".join(said),
            near=" ".join(near),
        )

    def words_indexed(self, tx: Transaction) -> Iterator[tuple[int, str, str]]:
        vocabulary = "fts5vocab(main, candidate_word, instance)"
        tx.run(f"CREATE VIRTUAL TABLE IF NOT EXISTS temp.candidate_vocabulary USING {vocabulary}")
        for row in tx.stream("SELECT doc, col, term FROM temp.candidate_vocabulary"):
            yield row["doc"], row["col"], row["term"]

    def as_indexed(self, word: str) -> str:
        return word[:_LONGEST_TOKEN]

    def settle(self, tx: Transaction) -> None:
        for table in ("record_text", "candidate_word"):  # a deleted word stays in a segment until segments are merged
            tx.run(f"INSERT INTO {table} ({table}) VALUES ('optimize')")

    def forget_words(self, tx: Transaction) -> None:
        tx.run("DROP TABLE IF EXISTS candidate_word")
        tx.run(_CANDIDATE_WORD)

    def candidates_with(self, tx: Transaction, words: Iterable[str], where: Literal["said", "anywhere"]) -> set[int]:
        column = "said : " if where == "said" else ""
        query = " AND ".join(f'{column}"{word}"' for word in words)
        return set(tx.column("SELECT rowid FROM candidate_word WHERE candidate_word MATCH :q", q=query))

    def index_text(self, tx: Transaction, seq: int, body: str) -> None:
        tx.run("DELETE FROM record_text WHERE rowid = :seq", seq=seq)
        tx.run("INSERT INTO record_text (rowid, body) VALUES (:seq, :body)", seq=seq, body=body)

    def texts_with(self, words: Iterable[str], parameter: str) -> tuple[str, object]:
        query = " ".join(f'"{word.rstrip("*")}"{"*" if word.endswith("*") else ""}' for word in words)
        return f"(SELECT rowid FROM record_text WHERE record_text MATCH :{parameter})", query

    @contextlib.contextmanager
    def lock(self, name: str, *, once: bool = False) -> Iterator[None]:
        path = self._lock_path(name)
        lock = filelock.FileLock(path, mode=0o600, thread_local=False)
        lock.acquire()
        try:
            yield
        finally:
            lock.release()
            if once:  # else somebody may be waiting for this very file
                path.unlink(missing_ok=True)

    def held(self, name: str) -> bool:
        path = self._lock_path(name)
        if not path.exists():
            return False
        lock = filelock.FileLock(path, mode=0o600, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return True
        lock.release()
        path.unlink(missing_ok=True)
        return False

    def snapshot(self, file: Path) -> bool:
        closing = contextlib.closing
        with closing(sqlite3.connect(self.path, timeout=BUSY_SECONDS)) as old, closing(sqlite3.connect(file)) as new:
            old.backup(new)
        return True

    def _lock_path(self, name: str) -> Path:
        return self.home / "locks" / f"{name}.lock"


def last_event(database: Path) -> tuple[int, str] | None:
    """The number and digest of the last audit event in a file that nobody has open."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        found = connection.execute("SELECT id, digest FROM audit_event ORDER BY id DESC LIMIT 1").fetchone()
    return (int(found[0]), str(found[1])) if found else None


def _configure(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions are begun by us, not by the driver
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
