"""A workspace's rows in another database: all that was recorded is copied, all that is derived is made anew."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import func, insert, select
from sqlmodel import SQLModel

from updp_core.config import DATABASE
from updp_core.errors import UpdpError
from updp_core.store import word_index
from updp_core.store.migrations import DERIVED_TABLES, ROWS
from updp_core.store.store import Store, Transaction

_TEXT: Final = (
    "SELECT r.seq, r.id || ' ' || r.patient || ' ' || r.study || coalesce(' ' || "
    "CASE WHEN c.releasable THEN c.prompt_text ELSE '' END || ' ' || c.filtered, '') AS body FROM record r "
    "LEFT JOIN candidate c ON c.id = "
    "(SELECT h.candidate FROM choice h WHERE h.record = r.id ORDER BY h.id DESC LIMIT 1)"
)


@dataclass(frozen=True)
class _Text:
    """What a record is found by."""

    seq: int
    body: str


def index_text(tx: Transaction, record: str) -> None:
    """Let a record be found by its ids and by the words of its current candidate."""
    for row in tx.rows(_Text, f"{_TEXT} WHERE r.id = :r", r=record):
        tx.dialect.index_text(tx, row.seq, row.body)


def copy(old: Transaction, new: Transaction) -> dict[str, int]:
    """Copy every row into an empty database with the same tables: the number of rows by table.

    Rows keep their numbers, so the digests that the audit chain tells of them hold. Raises UpdpError where the new
    database holds something.
    """
    tables = [table for table in SQLModel.metadata.sorted_tables if table.name not in DERIVED_TABLES]
    if new.value("SELECT count(*) FROM audit_event") or new.value("SELECT count(*) FROM record"):
        raise UpdpError("The database to copy to holds a workspace already. Name an empty one.")
    copied = {}
    for table in tables:
        rows = old.connection.execute(select(table).order_by(*table.primary_key.columns)).mappings()
        for part in rows.partitions(ROWS):
            new.connection.execute(insert(table), [dict(row) for row in part])
        copied[table.name] = new.connection.execute(select(func.count()).select_from(table)).scalar_one()
    new.refresh()
    word_index.add_all(new)
    last = 0
    while texts := new.rows(_Text, f"{_TEXT} WHERE r.seq > :last ORDER BY r.seq LIMIT {ROWS}", last=last):
        for row in texts:
            new.dialect.index_text(new, row.seq, row.body)
        last = texts[-1].seq
    return copied


def snapshot(store: Store, file: Path) -> None:
    """Write the database as of one moment to the new SQLite file `file`, while others write."""
    if store.dialect.snapshot(file):
        return
    with tempfile.TemporaryDirectory(prefix="snapshot-", dir=store.home / "tmp") as folder:
        other = Store(Path(folder))
        with store.read() as old, other.write() as new:
            copy(old, new)
        other.close()
        (Path(folder) / DATABASE).replace(file)
