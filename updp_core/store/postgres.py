"""PostgreSQL: a database server, for many machines that share the folder of the workspace.

One writer at a time holds an advisory lock of its transaction; readers see a snapshot (repeatable read). Locks of
processes are advisory locks of a connection, which the server lets go of when the process ends. What is append-only is
so by triggers, and by grants for a role that does not own the tables (`grant`). What the server keeps beside its tables
(write-ahead log, replicas, its own backups) is in the hands of those who run it: a purge does not reach it.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlmodel import SQLModel

from updp_core.errors import UpdpError, UsageError
from updp_core.lexicon.folding import unaccented
from updp_core.store import schema, standing

if TYPE_CHECKING:
    from updp_core.store.store import Transaction

BUSY_SECONDS: Final = 60
DRIVER: Final = "postgresql+psycopg"
_WORDS: Final = ("candidate_word", "record_text")
_LONGEST: Final = 500
"""Characters of a word that are indexed as they are; the index takes none of more than some 2,000 bytes."""
_READERS: Final = "readers"
_OWNS: Final = "SELECT pg_has_role(relowner, 'MEMBER') FROM pg_class WHERE oid = to_regclass('record')"
_WORKERS: Final = (
    "SELECT grantee FROM information_schema.role_table_grants WHERE table_schema = current_schema() "
    "AND table_name = 'record' AND privilege_type = 'INSERT' AND grantee <> 'PUBLIC' "
    "AND grantee <> (SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = to_regclass('record'))"
)
"""Roles that work here and do not own the tables (see `grant`)."""
_REFUSE: Final = (
    "BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation'; END"
)

_DISK: Final = {
    "53300": "the database server takes no more connections. Raise max_connections, or run fewer workers",
    "53100": "the disk of the database server is full. Free some space there and try again",
    "25006": "the database server takes no changes now. Point UPDP_DATABASE_URL at the one that does",
    "58030": "the disk of the database server fails. Look after it and after the backup",
    "XX001": "the database is damaged. Restore it from a backup",
    "XX002": "an index of the database is damaged. Run REINDEX DATABASE on the server",
}
_GONE_STATES: Final = ("08", "28", "3D", "57P")
"""Classes of errors: connection, sign-in, no such database, shutdown."""
_GONE: Final = "the database server cannot be reached. Look after it and the network, and try again"


@compiles(schema.Order, "postgresql")
def _order(element: schema.Order, _: Any, **__: Any) -> str:
    return f"{element.text} {'NULLS LAST' if element.text.endswith('DESC') else 'NULLS FIRST'}"


class Postgres:
    """The database of a workspace at `url` (see `Dialect`)."""

    numbers_rows = False

    def __init__(self, url: str) -> None:
        try:
            self.url = make_url(url)
        except ArgumentError:
            raise UsageError(f"UPDP_DATABASE_URL is no address. It looks like {DRIVER}://USER@HOST/DATABASE.") from None
        if self.url.drivername != DRIVER:
            raise UsageError(f"UPDP_DATABASE_URL begins with {DRIVER}://; unset it for SQLite in the workspace.")

    def engine(self) -> Engine:
        try:
            self._engine = create_engine(self.url, pool_size=8, pool_pre_ping=True, hide_parameters=True)
            event.listen(self._engine, "connect", _configure)
            self._connect().close()
        except ImportError:
            raise UpdpError("PostgreSQL needs psycopg: pip install 'updp[postgres]'.") from None
        except Exception as error:  # its message may name people and addresses
            raise UpdpError(
                f"The database of UPDP_DATABASE_URL cannot be reached ({type(error).__name__}). "
                "Check host, database, user and password, and whether the server runs."
            ) from None
        return self._engine

    def begin(self, connection: Connection, *, write: bool, rebuild: bool) -> None:
        if write:
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_SECONDS}s'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_number('writer')})")
        else:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock_shared({_number(_READERS)})")

    def check_references(self, tx: Transaction) -> None:
        """The server has refused what points nowhere."""

    def busy(self, error: DBAPIError) -> bool:
        return getattr(error.orig, "sqlstate", None) == "55P03"  # lock_not_available

    def disk_error(self, error: DBAPIError) -> tuple[str, str] | None:
        state = str(getattr(error.orig, "sqlstate", None) or "")
        remedy = _DISK.get(state)
        if remedy is None and isinstance(error, OperationalError) and (not state or state.startswith(_GONE_STATES)):
            remedy = _GONE
        return (state or type(error.orig).__name__, remedy) if remedy else None

    def version(self, tx: Transaction) -> int:
        if tx.value("SELECT to_regclass('alembic_version')") is None:
            return 0
        return int(tx.value("SELECT max(version_num) FROM alembic_version") or 0)

    def set_version(self, tx: Transaction, version: int) -> None:
        """Alembic's note is the only one."""

    def create(self, tx: Transaction) -> None:
        for statement in (
            "CREATE TABLE IF NOT EXISTS candidate_word "
            "(candidate integer PRIMARY KEY, said text[] NOT NULL, near text[] NOT NULL)",
            "CREATE INDEX IF NOT EXISTS candidate_word_said ON candidate_word USING gin (said)",
            "CREATE INDEX IF NOT EXISTS candidate_word_near ON candidate_word USING gin (near)",
            "CREATE TABLE IF NOT EXISTS record_text (seq integer PRIMARY KEY, body tsvector NOT NULL)",
            "CREATE INDEX IF NOT EXISTS record_text_body ON record_text USING gin (body)",
            f"CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ {_REFUSE} $$",
        ):
            tx.run(statement)
        found = self.triggers_found(tx)
        for name, statement in self.triggers().items():
            if name not in found:
                tx.run(statement)
        for role in tx.column(_WORKERS):  # a table or view that was made anew is nobody's but its owner's
            self.grant(tx, role)

    def triggers(self) -> Mapping[str, str]:
        made = {"append_only": _REFUSE}
        for table in schema.APPEND_ONLY:
            for verb, each in (("UPDATE", "ROW"), ("DELETE", "ROW"), ("TRUNCATE", "STATEMENT")):
                name = f"{table}_no_{verb.lower()}"
                made[name] = (
                    f"CREATE TRIGGER {name} BEFORE {verb} ON {table} FOR EACH {each} EXECUTE FUNCTION append_only()"
                )
        return made

    def views_found(self, tx: Transaction) -> None:
        return None

    def triggers_found(self, tx: Transaction) -> Mapping[str, str]:
        rows = tx.all(
            "SELECT tgname AS name, pg_get_triggerdef(oid, true) AS sql FROM pg_trigger "
            "WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') "
            "UNION ALL SELECT proname, trim(prosrc) FROM pg_proc WHERE oid = to_regproc('append_only')"
        )
        return {row["name"]: row["sql"] for row in rows}

    @contextlib.contextmanager
    def unguarded(self, tx: Transaction, names: Iterable[str]) -> Iterator[None]:
        names = list(names)
        tables = [name.rpartition("_no_")[0] for name in names]
        self._check_owner()
        for verb in ("DISABLE", "ENABLE"):
            for table, name in zip(tables, names, strict=True):
                tx.run(f"ALTER TABLE {table} {verb} TRIGGER {name}")
            if verb == "DISABLE":
                yield

    def rewrite(self, seconds: float) -> bool:
        import psycopg

        self._check_owner()
        tables = ", ".join([*SQLModel.metadata.tables, *_WORDS])
        with contextlib.closing(self._connect()) as connection:
            connection.execute(f"SET lock_timeout = '{round(1000 * seconds)}ms'")
            try:  # VACUUM keeps what the snapshot of a reader, however old, may still look at
                connection.execute(f"SELECT pg_advisory_lock({_number(_READERS)})")
                connection.execute(f"SELECT pg_advisory_unlock({_number(_READERS)})")
                connection.execute(f"VACUUM (FULL, ANALYZE) {tables}")
                connection.execute("VACUUM (FULL) pg_statistic")  # it quotes values; the database's owner may
            except psycopg.errors.LockNotAvailable:
                return False
        return True

    def grant(self, tx: Transaction, role: str) -> None:
        if tx.value("SELECT 1 FROM pg_roles WHERE rolname = :role", role=role) is None:
            raise UsageError("There is no such role on the server. Make it first: CREATE ROLE ... LOGIN.")
        name = tx.connection.dialect.identifier_preparer.quote(role)
        tables = [*SQLModel.metadata.tables, *_WORDS]
        working = [table for table in tables if table not in schema.APPEND_ONLY]
        tx.run(f"GRANT SELECT ON {', '.join([*tables, *standing.VIEWS, 'alembic_version'])} TO {name}")
        tx.run(f"GRANT INSERT ON {', '.join(tables)} TO {name}")
        tx.run(f"GRANT UPDATE, DELETE ON {', '.join(working)} TO {name}")

    def seal(self, tx: Transaction) -> None:
        raise UsageError("This database is on a server already: the server's own tools move it (pg_dump).")

    def events_written(self, tx: Transaction) -> int:
        return 0

    def each(self, parameter: str, **columns: type[int] | type[str]) -> str:
        paths = ["'{}'"] if len(columns) == 1 else [f"'{{{n}}}'" for n in range(len(columns))]
        values = ", ".join(
            f"CAST(item #>> {path} AS {'integer' if kind is int else 'text'}) AS {name}"
            for path, (name, kind) in zip(paths, columns.items(), strict=True)
        )
        return f"(SELECT {values} FROM jsonb_array_elements(CAST(:{parameter} AS jsonb)) item)"

    def number(self, column: str, *path: str) -> str:
        return f"CAST(CAST({column} AS jsonb) #>> '{{{','.join(path)}}}' AS double precision)"

    def first(self, column: str) -> str:
        return f"(CAST({column} AS jsonb) ->> 0)"

    def items(self, column: str) -> str:
        return f"(SELECT jsonb_array_elements_text(CAST({column} AS jsonb)))"

    def index_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        tx.run(
            "INSERT INTO candidate_word (candidate, said, near) VALUES (:c, :said, :near)",
            c=candidate,
            said=[_short(word) for word in said],
            near=[_short(word) for word in near],
        )

    def unindex_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        tx.run("DELETE FROM candidate_word WHERE candidate = :c", c=candidate)

    def words_indexed(self, tx: Transaction) -> Iterator[tuple[int, str, str]]:
        for row in tx.stream("SELECT candidate, said, near FROM candidate_word"):
            for column in ("said", "near"):
                yield from ((row["candidate"], column, word) for word in row[column])

    def as_indexed(self, word: str) -> str:
        return _short(word)

    def settle(self, tx: Transaction) -> None:
        """The rewrite that follows makes the indexes anew."""

    def forget_words(self, tx: Transaction) -> None:
        tx.run("DELETE FROM candidate_word")

    def candidates_with(self, tx: Transaction, words: Iterable[str], where: Literal["said", "anywhere"]) -> set[int]:
        some = [_short(word) for word in words]
        clauses = []
        for n in range(len(some)):
            there = f"said @> CAST(ARRAY[:w{n}] AS text[])"
            clauses.append(there if where == "said" else f"({there} OR near @> CAST(ARRAY[:w{n}] AS text[]))")
        query = f"SELECT candidate FROM candidate_word WHERE {' AND '.join(clauses) or 'false'}"
        return set(tx.column(query, **{f"w{n}": word for n, word in enumerate(some)}))

    def index_text(self, tx: Transaction, seq: int, body: str) -> None:
        tx.run(
            "INSERT INTO record_text (seq, body) VALUES (:seq, array_to_tsvector(CAST(:words AS text[]))) "
            "ON CONFLICT (seq) DO UPDATE SET body = excluded.body",
            seq=seq,
            words=sorted(set(_plain(body))),
        )

    def texts_with(self, words: Iterable[str], parameter: str) -> tuple[str, object]:
        query = " & ".join(f"'{part}'{':*' if word.endswith('*') else ''}" for word in words for part in _plain(word))
        return f"(SELECT seq FROM record_text WHERE body @@ CAST(:{parameter} AS tsquery))", query

    @contextlib.contextmanager
    def lock(self, name: str, *, once: bool = False) -> Iterator[None]:
        connection = self._connect()
        try:
            connection.execute(f"SELECT pg_advisory_lock({_number(name)})")
            yield
        finally:
            connection.close()

    def held(self, name: str) -> bool:
        with self._engine.connect() as connection:
            return not connection.execute(text(f"SELECT pg_try_advisory_xact_lock_shared({_number(name)})")).scalar()

    def snapshot(self, file: Path) -> bool:
        return False

    def _check_owner(self) -> None:
        """Raises UpdpError unless the role of the address owns the tables."""
        with self._engine.connect() as connection:
            if not connection.execute(text(_OWNS)).scalar():
                raise UpdpError(
                    "The role of UPDP_DATABASE_URL may add rows and destroy none. "
                    "Run this once with the address of the role that owns the tables."
                )

    def _connect(self) -> Any:
        """A connection of its own, outside of transactions."""
        import psycopg

        _, arguments = self._engine.dialect.create_connect_args(self.url)
        return psycopg.connect(**arguments, autocommit=True)


def _configure(connection: Any, _: Any) -> None:
    connection.execute("SET jit = off")  # to compile a query of a verb takes longer than to answer it
    connection.commit()


def _number(name: str) -> int:
    """The number of a lock: 64 bits."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST else word[:_LONGEST] + hashlib.sha256(word.encode()).hexdigest()


def _plain(text: str) -> list[str]:
    """The words of a text without capitals and accents, as they are indexed."""
    return [word[:_LONGEST] for word in re.findall(r"[^\W_]+", unaccented(text.casefold()))]
