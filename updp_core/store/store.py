"""The workspace: transactions, the audit chain's pen, and images by their sha256.

There is one writer at a time; triggers refuse to change or delete what is append-only. The folder is readable by its
owner alone (0700, files 0600).
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import secrets
from collections.abc import Container, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from sqlalchemy import Boolean, Connection, TextClause, TextualSelect, event, exc, insert, text
from sqlalchemy.types import TypeEngine
from sqlmodel import SQLModel

from updp_core.atomic import canonical, sha256, write_file
from updp_core.domain import Actor
from updp_core.errors import Conflict, DiskError, UpdpError, UsageError, kind_and_place, told
from updp_core.store import migrations, schema, secret, standing
from updp_core.store.dialect import Dialect
from updp_core.store.postgres import Postgres
from updp_core.store.sqlite import MOVED, Sqlite

LOG = logging.getLogger("updp")
GENESIS = "0" * 64
"""What stands as "the digest before" in the first audit event."""
CLOCK_SECONDS = 5
"""A clock that is set right goes back by less; from here on the trail tells of it."""
FEW = 50
"""Up to here, records are derived one by one: each with statements that the database has prepared."""
R = TypeVar("R")
M = TypeVar("M", bound=SQLModel)
_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


def now() -> str:
    """This moment, as `stamp` writes it."""
    return stamp(datetime.now(UTC))


def stamp(moment: datetime) -> str:
    """A moment in UTC as the workspace keeps it: ISO 8601 with milliseconds, so that order of text is order of time."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def fresh_id(prefix: str) -> str:
    """A random name that says nothing: prefix, then 10 of 32 unmistakable letters and digits (50 bits)."""
    return prefix + "".join(secrets.choice(_LETTERS) for _ in range(10))


class Transaction:
    """One open transaction. Reads see one snapshot; writes are all kept or none."""

    def __init__(self, connection: Connection, dialect: Dialect) -> None:
        self.connection = connection
        self.dialect = dialect
        self.head: tuple[int, str] | None = None
        self._untold: dict[str, dict[str, str]] = {}
        self._untold_groups: dict[str, dict[str, dict[str, Any]]] = {}

    def rows(self, kind: type[R], sql: str, **values: Any) -> list[R]:
        """The rows of a query, each as `kind`: a class of the schema, or a dataclass with a field for each column."""
        return [kind(**row) for row in self.connection.execute(_typed(kind, sql), values).mappings()]

    def row(self, kind: type[R], sql: str, **values: Any) -> R | None:
        """The first row of a query as `kind`, or None."""
        found = self.connection.execute(_typed(kind, sql), values).mappings().first()
        return kind(**found) if found is not None else None

    def get(self, kind: type[M], **key: Any) -> M | None:
        """The row of a table of the schema whose columns have these values (the first of them), or None."""
        clause = " AND ".join(f"{name} = :{name}" for name in key)
        return self.row(kind, f"SELECT * FROM {kind.__tablename__} WHERE {clause} LIMIT 1", **key)

    def column(self, sql: str, **values: Any) -> list[Any]:
        """The first column of all rows."""
        return list(self.connection.execute(text(sql), values).scalars())

    def all(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a query as they are, for code that looks at any table (the audit, migrations): see `rows`."""
        return [dict(row) for row in self.connection.execute(text(sql), values).mappings()]

    def stream(self, sql: str, **values: Any) -> Iterator[dict[str, Any]]:
        """The rows of a query, one after the other, in flat memory."""
        result = self.connection.execute(text(sql).execution_options(stream_results=True), values)
        for row in result.mappings():
            yield dict(row)

    def one(self, sql: str, **values: Any) -> dict[str, Any] | None:
        """The first row, or None."""
        row = self.connection.execute(text(sql), values).mappings().first()
        return dict(row) if row is not None else None

    def value(self, sql: str, **values: Any) -> Any:
        """The first column of the first row, or None."""
        return self.connection.execute(text(sql), values).scalar()

    def run(self, sql: str, **values: Any) -> int:
        """Execute a statement; the number of rows it touched."""
        return self.connection.execute(text(sql), values).rowcount

    def insert(self, table: str, **values: Any) -> Any:
        """Add a row; the first column of its primary key. The next audit event tells the digest of a protected row."""
        columns = SQLModel.metadata.tables[table]
        first = next(iter(columns.primary_key.columns))
        if not self.dialect.numbers_rows and first.name not in values:
            values[first.name] = self.value(f"SELECT coalesce(max({first.name}), 0) + 1 FROM {table}")
        key = self.connection.execute(insert(columns), values).inserted_primary_key
        assert key is not None
        if table in schema.TOLD:
            keys = dict(zip(columns.primary_key.columns.keys(), key, strict=True))
            row = dict.fromkeys(columns.columns.keys()) | values | keys
            self._untold.setdefault(table, {})[row_key(table, row)] = row_digest(row)
        return key[0]

    def put(self, table: str, **values: Any) -> None:
        """Add a row, in place of the one with the same primary key."""
        key = SQLModel.metadata.tables[table].primary_key.columns.keys()
        rest = ", ".join(f"{name} = excluded.{name}" for name in values if name not in key)
        self.run(
            f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(f':{name}' for name in values)}) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {rest}",
            **values,
        )

    def refresh(self, records: Sequence[str] | None = None) -> None:
        """Derive the standing of these records anew (None: of all)."""
        if records is None:
            for statement in standing.REFRESH_ALL:
                self.run(statement)
        elif len(records) > FEW:
            some = self.dialect.each("records", record=str)
            self.refresh_where(f"record IN {some}", records=json.dumps(list(records)))
        else:
            for record in records:
                for statement in standing.REFRESH_ONE:
                    self.run(statement, record=record)

    def refresh_where(self, clause: str, **values: Any) -> None:
        """Derive the standing of the records that a clause over `record` names: few statements for any number."""
        made, filled = standing.DERIVE_SOME
        self.run(made)
        self.run(filled.format(clause=clause), **values)
        for statement in standing.REFRESH_DERIVED:
            self.run(statement)

    def note_released(self, candidates: Sequence[int]) -> None:
        """Have the standing of these candidates' records say that they have left."""
        some = self.dialect.each("some", candidate=int)
        for statement in standing.RELEASE:
            self.run(statement.format(some=some), some=json.dumps(list(candidates)))

    def miscounted(self) -> list[str]:
        """Whose counts differ from what is counted: names of gates and findings, or "records"."""
        return sorted({name for query in standing.MISCOUNTED for name in self.column(query)})

    def tell(self, table: str, group: Any, part: range | None = None, known: Container[int] = ()) -> int:
        """Have the next audit event tell one digest of the rows of a group (schema.GROUPED) that were just added; how
        many. `part`: only those whose first key lies in there, without the `known`, of which other events tell."""
        rows, digest, first = 0, hashlib.sha256(), keys(table).split(", ")[0]
        clause = f"{schema.GROUPED[table]} = :group" + (f" AND {first} BETWEEN :first AND :last" if part else "")
        values = {"first": part[0], "last": part[-1]} if part else {}
        for row in self.stream(f"SELECT * FROM {table} WHERE {clause} ORDER BY {keys(table)}", group=group, **values):
            if part is None or row[first] not in known:
                rows += 1
                digest.update(row_digest(row).encode())
        if rows:
            name = f"{group}|{part[0]}-{part[-1]}" if part else str(group)
            self._untold_groups.setdefault(table, {})[name] = {"rows": rows, "sha256": digest.hexdigest()}
        return rows

    def audit(self, actor: Actor, verb: str, subject: str = "", **detail: Any) -> None:
        """Append an event to the chain. `detail` carries ids, counts and digests: no patient text.

        The event tells the digest of every protected row that this transaction has added since its last event.
        """
        if self._untold:
            detail["rows"], self._untold = self._untold, {}
        if self._untold_groups:
            detail["groups"], self._untold_groups = self._untold_groups, {}
        # Without it, who may read the trail but no comment or term could confirm a guess at one by the event's digest.
        detail["nonce"] = secrets.token_hex(16)
        first: dict[str, Any] = {"id": 0, "digest": GENESIS, "at": ""}
        last = self.one("SELECT id, digest, at FROM audit_event ORDER BY id DESC LIMIT 1") or first
        at = now()
        if at < last["at"] and (back := seconds_of(last["at"]) - seconds_of(at)) > CLOCK_SECONDS:
            self._clock_went_back(detail, round(back))
        row = {
            "id": last["id"] + 1,
            "at": at,
            "actor": actor.name,
            "role": actor.role,
            "verb": verb,
            "subject": subject,
            "detail_json": canonical(detail),
            "previous": last["digest"],
        }
        row["digest"] = event_digest(row)
        self.insert("audit_event", **row)
        self.head = (row["id"], row["digest"])

    def _clock_went_back(self, detail: dict[str, Any], seconds: int) -> None:
        """Tell of it, and let nobody hold a pair or a record longer than they would have."""
        detail["clock_back_s"] = seconds
        LOG.warning("the clock of this machine went back by %d s", seconds)
        for table in ("hold", "lease"):
            self.run(f"UPDATE {table} SET expires = expires - :s", s=seconds)

    def finish(self) -> None:
        """Called before the commit: a protected row that no event tells of is a mistake of ours."""
        if untold := [*self._untold, *self._untold_groups]:
            raise AssertionError(f"No audit event tells of the new rows of {', '.join(untold)}.")


def row_key(table: str, row: Mapping[str, Any]) -> str:
    """The primary key of a row as one string."""
    return "|".join(str(row[column.name]) for column in SQLModel.metadata.tables[table].primary_key.columns)


def keys(table: str) -> str:
    """The columns of a table's primary key, as ORDER BY takes them."""
    return ", ".join(column.name for column in SQLModel.metadata.tables[table].primary_key.columns)


def event_digest(row: Mapping[str, Any]) -> str:
    """The digest of an audit event: sha256 over everything else in its row, the previous digest included."""
    names = ("id", "at", "actor", "role", "verb", "subject", "detail_json", "previous")
    return sha256(canonical([row[name] for name in names]))


def row_digest(row: Mapping[str, Any]) -> str:
    """The digest of a row, as the audit event that tells of it carries it: sha256 over its canonical JSON."""
    return sha256(canonical({name: int(v) if isinstance(v, bool) else v for name, v in row.items()}))


class Store:
    """An open workspace. Threads may share it; other processes may have it open too."""

    def __init__(self, home: Path, url: str = "") -> None:
        """Open the workspace at `home` with the database at `url` ("": SQLite in the folder), creating what is missing.

        Raises UpdpError where one of them is not usable.
        """
        self.home = home
        try:
            for folder in (home, home / "images", home / "locks", home / "tmp"):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            home.chmod(0o700)
        except OSError as error:
            LOG.error("the workspace cannot be written: %s", kind_and_place(error))
            raise DiskError(
                f"The workspace {home} cannot be written ({error.strerror}). Choose another --home."
            ) from None
        self.dialect: Dialect = Postgres(url) if url else Sqlite(home)
        self._engine = self.dialect.engine()
        event.listen(self._engine, "begin", self._begin)
        with self.dialect.lock("schema"):
            with self.read() as tx:
                found = self.dialect.version(tx)
            if found > schema.VERSION:
                raise migrations.too_new(found)
            if found == 0:
                with self.write() as tx:
                    create(tx)
                    migrations.note(tx, schema.VERSION)
            elif found < schema.VERSION:
                migrations.migrate(self, found, create)
                self._engine.dispose()  # a connection that rebuilt tables does not go on
            self.secret = _secret(home)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Transaction]:
        """A snapshot to read from. DiskError where the disk does not let it."""
        try:
            with self._engine.connect() as connection, connection.begin():
                yield Transaction(connection, self.dialect)
        except exc.DatabaseError as error:
            raise self._in_words(error) from None

    @contextlib.contextmanager
    def write(self, *, rebuild: bool = False) -> Iterator[Transaction]:
        """The one writer: committed at the end, rolled back on any error. Conflict where another holds on too long,
        DiskError where the disk is full, can only be read, or fails.

        `rebuild`: tables are dropped and made again meanwhile; what points to their rows is checked at the end.
        """
        how = {"write": True, "rebuild": rebuild}
        try:
            with self._engine.connect().execution_options(**how) as connection, connection.begin():
                tx = Transaction(connection, self.dialect)
                yield tx
                tx.finish()
                if rebuild:
                    self.dialect.check_references(tx)
        except exc.DatabaseError as error:
            if self.dialect.busy(error):
                raise Conflict("The workspace is busy with another process. Try again in a minute.") from None
            if MOVED in str(error.orig):
                raise UpdpError(MOVED) from None
            raise self._in_words(error) from None
        if tx.head:
            self._anchor(*tx.head)

    def _begin(self, connection: Connection) -> None:
        how = connection.get_execution_options()
        self.dialect.begin(connection, write=bool(how.get("write")), rebuild=bool(how.get("rebuild")))

    def _in_words(self, error: exc.DatabaseError) -> Exception:
        """A failure of the disk as an error that says what to do; any other as it is."""
        found = self.dialect.disk_error(error)
        if found is None:
            return error
        name, remedy = found
        LOG.error("the database could not be read or written: %s, %s", name, kind_and_place(error))
        return DiskError(f"Nothing of this was kept: {remedy}.")

    def _anchor(self, event_id: int, digest: str) -> None:
        """Note the chain's head beside the database, so that a chain cut short is noticed. Best effort by design."""
        with contextlib.suppress(OSError):
            write_file(self.home / "audit.head", canonical({"event": event_id, "digest": digest}).encode(), sync=False)

    # images

    def put_image(self, png: bytes) -> str:
        """Keep a PNG under its sha256; returns that. On return it is on the disk. DiskError where it cannot be."""
        digest = sha256(png)
        path = self.image_path(digest)
        if not path.exists():
            try:
                path.parent.mkdir(mode=0o700, exist_ok=True)
                write_file(path, png)
            except OSError as error:
                LOG.error("an image could not be kept: %s", kind_and_place(error))
                raise DiskError(told(error, "The image could not be kept")) from None
        return digest

    def image_path(self, digest: str) -> Path:
        """Where the image of this sha256 lies."""
        return self.home / "images" / digest[:2] / f"{digest}.png"

    def get_image(self, digest: str) -> bytes:
        """The PNG of this sha256. Raises UpdpError where it is missing or was changed."""
        if not digest:
            raise UpdpError("This image was destroyed when its time of retention was over.")
        try:
            png = self.image_path(digest).read_bytes()
        except OSError:
            raise UpdpError(f"The image {digest[:12]} is missing in the workspace. Restore it from a backup.") from None
        if sha256(png) != digest:
            raise UpdpError(f"The image {digest[:12]} was changed on disk. Restore it from a backup.")
        return png


def _secret(home: Path) -> secret.Secret:
    """The key of the workspace, made where there is none: call it under a lock. UpdpError where it is damaged."""
    path = home / secret.NAME
    try:
        if not path.exists():
            write_file(path, secrets.token_bytes(secret.BYTES))
        key = path.read_bytes()
        if path.stat().st_mode & 0o077:
            path.chmod(0o600)
    except OSError as error:
        raise UpdpError(f"The key {secret.NAME} of the workspace cannot be read or made ({error.strerror}).") from None
    if len(key) != secret.BYTES:
        raise UpdpError(
            f"The key {secret.NAME} of the workspace is damaged. Restore it from a backup. Without one, delete it: "
            "a new key is made, and what is drawn from then on follows it."
        )
    return secret.Secret(key)


def seconds_of(at: str) -> float:
    """When an event was, in seconds since 1970; 0 where somebody changed its time into none (the chain tells of it)."""
    try:
        return datetime.fromisoformat(at).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _typed(kind: Any, sql: str) -> TextClause | TextualSelect:
    """The query, its columns read as the fields of `kind` are declared: SQLite keeps true and false as numbers."""
    switches = _switches(kind)
    return text(sql).columns(**switches) if switches else text(sql)


@functools.cache
def _switches(kind: Any) -> dict[str, TypeEngine[Any]]:
    return {name: Boolean() for name, hint in get_type_hints(kind).items() if hint is bool}


def known(row: R | None, what: str) -> R:
    """The row, or UsageError where there is none."""
    if row is None:
        raise UsageError(f"There is no {what} in this workspace.")
    return row


def create(tx: Transaction) -> None:
    """Make what is missing of the schema."""
    SQLModel.metadata.create_all(tx.connection)
    for name, query in standing.views(tx.dialect).items():
        tx.run(f"CREATE VIEW {name} AS {query}")
    tx.dialect.create(tx)
