"""Retention: what identifies a patient is destroyed once a record is done with; what was decided stays.

A purged record keeps its place, its pseudonyms, its findings, its measures and its decisions. Its report, header, names
and digests of the source, its prompts and filtered reports become TOMBSTONE; its original, and every image of it that
has not left in a release, are overwritten and deleted. The audit event tells the digest of each row before and after,
so that the chain still answers for the rows, and `audit_verify` takes no other change of them.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from updp_core.store import word_index
from updp_core.store.store import row_digest, row_key

if TYPE_CHECKING:
    from updp_core.store import Store, Transaction

PURGED_FLAG: Final = '["destroyed: original, report and header"]'
TOMBSTONE: Final[Mapping[str, Mapping[str, Any]]] = {
    "record": {"source": "", "image": "", "report": "", "header_json": "{}", "flags_json": PURGED_FLAG},
    "candidate": {
        "prompt_json": None,
        "prompt_text": "",
        "filtered": "",
        "spans_json": "[]",
        "surrogates_json": "[]",
    },
}
"""Table -> what stands in its columns after a purge. Beside these, a record's `sha256` names the record alone, and a
candidate's `image` is none unless it was released."""
DONE: Final = """
SELECT s.record FROM standing s JOIN record r ON r.id = s.record
WHERE r.image <> '' AND s.flagged_for IS NULL
  AND (s.state = 'rejected' OR (s.state = 'approved' AND s.released))
  AND coalesce((SELECT max(d.decided_at) FROM decision d WHERE d.record = s.record), '') < :before
  AND NOT EXISTS (SELECT 1 FROM release_pair p JOIN release l ON l.id = p.release
    WHERE p.record = s.record AND l.created_at >= :before)
  AND NOT EXISTS (SELECT 1 FROM hold h WHERE h.record = s.record AND h.expires > :clock)
  AND NOT EXISTS (SELECT 1 FROM lease e WHERE e.record = s.record)
ORDER BY s.seq
"""
"""Records that are rejected, or have left, since before a time, and that nobody asks about or works on."""
_OTHERS: Final = {
    "record": "sha256 = 'purged ' || id",
    "candidate": "image = CASE WHEN EXISTS (SELECT 1 FROM release_pair p WHERE p.candidate = candidate.id) "
    "THEN image END",
}
ORPHAN_SECONDS = 3600
_WAIT_SECONDS = 30


@dataclass(frozen=True)
class _Texts(word_index.Texts):
    id: int
    error: str


def due(tx: Transaction, before: str) -> list[str]:
    """Records to be purged: done with before this time (ISO 8601)."""
    return tx.column(DONE, before=before, clock=time.time())


def images(tx: Transaction, records: str) -> set[str]:
    """Digests of the images that go with these records (JSON): those that no row names that stays."""
    some = tx.dialect.each("records", record=str)
    going = set(
        tx.column(
            f"SELECT image FROM record WHERE id IN {some} UNION SELECT c.image FROM candidate c "
            f"WHERE c.record IN {some} AND c.image IS NOT NULL "
            "AND NOT EXISTS (SELECT 1 FROM release_pair p WHERE p.candidate = c.id)",
            records=records,
        )
    )
    staying = tx.column(
        f"SELECT image FROM record WHERE id NOT IN {some} UNION SELECT c.image FROM candidate c WHERE c.image IS "
        f"NOT NULL AND (c.record NOT IN {some} OR EXISTS (SELECT 1 FROM release_pair p WHERE p.candidate = c.id))",
        records=records,
    )
    return going - set(staying) - {""}


def bury(tx: Transaction, records: str) -> dict[str, dict[str, list[str]]]:
    """Put tombstones in the rows of these records (JSON): table -> key -> [digest before, digest after].

    The caller has the audit event tell of it.
    """
    some = f"IN {tx.dialect.each('records', record=str)}"
    _forget_words(tx, records)
    told: dict[str, dict[str, list[str]]] = {}
    with tx.dialect.unguarded(tx, ("record_no_update", "candidate_no_update", "pseudonym_no_delete")):
        for table, column in (("record", "id"), ("candidate", "record")):
            where = f"FROM {table} WHERE {column} {some}"
            before = {row_key(table, row): row_digest(row) for row in tx.stream(f"SELECT * {where}", records=records)}
            values = {f"new_{name}": value for name, value in TOMBSTONE[table].items()}
            changes = [*(f"{name} = :new_{name}" for name in TOMBSTONE[table]), _OTHERS[table]]
            tx.run(f"UPDATE {table} SET {', '.join(changes)} WHERE {column} {some}", records=records, **values)
            after = tx.stream(f"SELECT * {where}", records=records)
            told[table] = {key: [before[key], row_digest(row)] for row in after if (key := row_key(table, row))}
        for kind in ("patient", "study"):
            tx.run(
                f"DELETE FROM pseudonym WHERE kind = '{kind}' AND pseudonym NOT IN "
                f"(SELECT {kind} FROM record WHERE image <> '')"
            )
    tx.run(f"DELETE FROM embedding WHERE record {some}", records=records)
    tx.run(f"DELETE FROM draft WHERE record {some}", records=records)
    return told


def _forget_words(tx: Transaction, records: str) -> None:
    """Take the words of these records out of both indexes, from every page that they may stand on."""
    some = f"IN {tx.dialect.each('records', record=str)}"
    texts = f"SELECT c.id, c.error, {word_index.TEXTS} FROM candidate c WHERE c.record {some}"
    for row in tx.rows(_Texts, texts, records=records):
        if not row.error:
            word_index.remove(tx, row.id, row)
    for found in tx.all(f"SELECT seq, id, patient, study FROM record WHERE id {some}", records=records):
        tx.dialect.index_text(tx, found["seq"], f"{found['id']} {found['patient']} {found['study']}")
    tx.dialect.settle(tx)


def destroy_images(store: Store, digests: set[str]) -> int:
    """Overwrite and delete images; also any that no row names and that no import is writing now. How many."""
    with store.read() as tx:
        named = set(tx.column("SELECT image FROM record UNION SELECT image FROM candidate WHERE image IS NOT NULL"))
    orphans = {
        path.stem
        for path in (store.home / "images").rglob("*.png")
        if path.stem not in named and time.time() - path.stat().st_mtime > ORPHAN_SECONDS
    }
    return sum(destroy(store.image_path(digest)) for digest in sorted((digests - named) | orphans))


def destroy(path: Path) -> bool:
    """Overwrite a file with nothing and delete it; False where it is gone already. (What a disk keeps of it beside
    the file system, no program can promise.) Where another workspace has the file too (`Workbench.twin`), its name
    alone goes."""
    with contextlib.suppress(FileNotFoundError):
        with open(path, "r+b", buffering=0) as file:
            there = os.fstat(file.fileno())
            if there.st_nlink == 1:
                file.write(b"\0" * there.st_size)
                os.fsync(file.fileno())
        path.unlink()
        return True
    return False


def old_files(home: Path, before: float, all_copies: bool) -> Iterator[Path]:
    """Copies of the database from migrations (`all_copies`: of any age, since they hold what is purged), and lists of
    rejected sources from before a time."""
    copies = sorted((home / "copies").glob("*.sqlite3*"))
    yield from (path for path in copies if all_copies or path.stat().st_mtime < before)
    yield from (path for path in sorted((home / "imports").glob("*.[cj]s*")) if path.stat().st_mtime < before)


def rewrite(store: Store) -> bool:
    """Write the database anew and empty its log; False where a reader held on to the old one."""
    store.close()  # connections that nobody uses; they are opened anew when they are needed
    return store.dialect.rewrite(_WAIT_SECONDS)
