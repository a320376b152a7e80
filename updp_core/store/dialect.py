"""What a database does in its own words. All other SQL of the workspace is common to those that UPDP speaks.

A second database is one more class with these methods, in a file of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from updp_core.store.store import Transaction


class Dialect(Protocol):
    """One database of a workspace."""

    numbers_rows: bool
    """Whether it numbers new rows by itself without a gap where a transaction is given up."""

    def engine(self) -> Engine:
        """Connections to it. Raises UpdpError where it cannot be used."""

    def begin(self, connection: Connection, *, write: bool, rebuild: bool) -> None:
        """Begin a transaction: a snapshot to read from, or the one writer; `rebuild` lets it drop tables that others
        point to."""

    def check_references(self, tx: Transaction) -> None:
        """After a rebuild: raise ValueError where a row points nowhere."""

    def busy(self, error: DBAPIError) -> bool:
        """Whether a writer has waited too long for another."""

    def disk_error(self, error: DBAPIError) -> tuple[str, str] | None:
        """The name of a failure of the disk and what to do about it; None where the error is another."""

    def views_found(self, tx: Transaction) -> Mapping[str, str] | None:
        """Name of each view that there is -> the statement that made it; None where the database keeps it in words of
        its own (and lets only its owner exchange one)."""

    # the schema

    def version(self, tx: Transaction) -> int:
        """The version of the schema; 0 where there is none yet."""

    def set_version(self, tx: Transaction, version: int) -> None:
        """Note the version of the schema."""

    def create(self, tx: Transaction) -> None:
        """Make what the tables and views lack: triggers, and the two indexes of words."""

    def triggers(self) -> Mapping[str, str]:
        """What keeps the append-only tables so: name of each trigger -> its statement, as the database keeps it."""

    def triggers_found(self, tx: Transaction) -> Mapping[str, str]:
        """The triggers that the database has, in the same form."""

    def unguarded(self, tx: Transaction, names: Iterable[str]) -> AbstractContextManager[None]:
        """Some triggers away, for a purge; they are back before the transaction ends. Raises UpdpError where the role
        may not."""

    def rewrite(self, seconds: float) -> bool:
        """Write the database anew without what was deleted, and empty its log; False where a reader held on to the old
        one for so many seconds."""

    def seal(self, tx: Transaction) -> None:
        """Take no more events, and so no more verbs: the workspace has moved to another database."""

    def grant(self, tx: Transaction, role: str) -> None:
        """Let another role of the server work here, which adds to what is append-only and cannot take its protection
        away. Raises UsageError where there is none of this name."""

    def events_written(self, tx: Transaction) -> int:
        """The highest number that an audit event ever had, as far as the database itself remembers."""

    # JSON

    def each(self, parameter: str, **columns: type[int] | type[str]) -> str:
        """A subquery of the JSON list that a parameter carries: an item a row. An item is one value, or a list with a
        value for each of `columns`."""

    def number(self, column: str, *path: str) -> str:
        """The number at this path of keys in a column's JSON object; NULL where there is none."""

    def first(self, column: str) -> str:
        """The first text of a column's JSON list."""

    def items(self, column: str) -> str:
        """A subquery of the texts of a column's JSON list."""

    # the words of a candidate (see `word_index`), and what the queue is searched for

    def index_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        """Keep the words of a new candidate."""

    def unindex_words(self, tx: Transaction, candidate: int, said: Iterable[str], near: Iterable[str]) -> None:
        """Take out the words of a candidate, which are those that it was indexed with."""

    def words_indexed(self, tx: Transaction) -> Iterator[tuple[int, str, str]]:
        """What the index of candidates' words holds: candidate, "said" or "near", word as `as_indexed` writes it."""
        ...

    def as_indexed(self, word: str) -> str:
        """A word as the index keeps it."""
        ...

    def settle(self, tx: Transaction) -> None:
        """Leave no word that was taken out on any page of the indexes."""

    def forget_words(self, tx: Transaction) -> None:
        """Empty the index of candidates' words."""

    def candidates_with(self, tx: Transaction, words: Iterable[str], where: Literal["said", "anywhere"]) -> set[int]:
        """Candidates that hold all of these words."""

    def index_text(self, tx: Transaction, seq: int, body: str) -> None:
        """Keep the text by which a record is found, in place of an earlier one."""

    def texts_with(self, words: Iterable[str], parameter: str) -> tuple[str, object]:
        """A subquery of the records (`seq`) whose text has all these words, and the parameter's value. A word that ends
        in `*` stands for all that begin so."""

    # processes

    def lock(self, name: str, *, once: bool = False) -> AbstractContextManager[None]:
        """Hold a lock that ends with the process, however sudden; waits for whoever holds it.

        `once`: nobody ever takes this name again, so nothing is left of it.
        """

    def held(self, name: str) -> bool:
        """Whether a living process holds this lock."""

    def snapshot(self, file: Path) -> bool:
        """Write the database as of one moment to the new SQLite file `file`, while others write; False where it cannot:
        then its rows are copied (see `moving`)."""
