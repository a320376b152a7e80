"""How a workspace of an older schema becomes one of this: steps in order, each a transaction, after a copy was made.

A step changes tables of record: what people decided and what it was decided on. It never deletes a row of them. All
that is derived from them (views, standings, counts, the index of words) is dropped and made anew at the end.

From version 4 on a step is a revision of Alembic in `versions/`, its name the version in four digits. There is no way
back but the copy: people have worked with the newer tables since.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from sqlalchemy import MetaData, create_engine, insert, select
from sqlmodel import SQLModel

from updp_core.atomic import whole
from updp_core.domain import SYSTEM
from updp_core.errors import UpdpError
from updp_core.store import schema, standing, word_index

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    from updp_core.store import Store, Transaction

Step = Callable[["Transaction"], None]


def _recorded_as_before(tx: Transaction) -> None:
    """A step that changes derived things alone."""


def _note_source_seeds(tx: Transaction) -> None:
    """Note up to which candidate the seeds followed from the source files: releases keep back how these were made."""
    last = tx.value("SELECT coalesce(max(id), 0) FROM candidate")
    tx.audit(SYSTEM, "migrate", "version 4", source_seeds_to=last)


def source_seeds_to(tx: Transaction) -> int:
    """The last candidate whose seed follows from its source file; 0 in a workspace that never drew one so."""
    details = tx.all("SELECT detail_json FROM audit_event WHERE verb = 'migrate'")
    return max((int(json.loads(row["detail_json"]).get("source_seeds_to", 0)) for row in details), default=0)


STEPS: Final[tuple[Step, ...]] = (
    _recorded_as_before,  # 1 -> 2: flags are decisions; the standing tells of them
    _recorded_as_before,  # 2 -> 3: candidates have an index of words; people keep drafts of the lists
    _note_source_seeds,  # 3 -> 4: seeds come from the workspace's key
)
"""STEPS[n - 1] leads from version n to version n + 1; there is one for each version before the first revision."""

FOLDER: Final = Path(__file__).parent
VERSIONS = [str(FOLDER / "versions")]
"""Where the revisions lie."""

ROWS: Final = 1000
"""Rows that are copied at a time."""
DERIVED_TABLES = ("standing", "standing_count", "facet_count")
"""Tables that can be made anew from the others at any time."""


def no_way_back() -> NoReturn:
    """What every revision's `downgrade` does. Raises UpdpError."""
    raise UpdpError(
        "A workspace is not taken back to an older version: what was decided since would be lost. "
        "The folder `copies` of the workspace holds it as it was before it was migrated; open that with the older UPDP."
    )


def too_new(found: int) -> UpdpError:
    """What to tell of a workspace that a newer UPDP has migrated."""
    return UpdpError(
        f"The workspace was made by a newer UPDP (version {found}; this one knows {schema.VERSION}). "
        "Update UPDP, or choose another --home."
    )


def context(tx: Transaction) -> MigrationContext:
    """What Alembic works with: this transaction, and the tables as they should be."""
    from alembic.runtime.migration import MigrationContext

    options = {"target_metadata": SQLModel.metadata, "include_object": is_ours, "render_as_batch": True}
    return MigrationContext.configure(tx.connection, opts=options)


def is_ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
    """Whether Alembic should look at a thing: not at the tables that an index of words consists of, and not at indexes
    of derived tables, which are made anew each time."""
    if kind == "table":
        return name in SQLModel.metadata.tables
    return kind != "index" or thing.table.name not in DERIVED_TABLES


def scripts() -> ScriptDirectory:
    """The revisions."""
    from alembic.script import ScriptDirectory

    return ScriptDirectory(FOLDER, version_locations=VERSIONS)


def note(tx: Transaction, version: int) -> None:
    """Note which version the tables have, for Alembic and for the UPDP that opens them next."""
    context(tx).stamp(scripts(), f"{max(version, len(STEPS) + 1):04}")
    tx.dialect.set_version(tx, version)


def _steps(found: int) -> list[Step]:
    """The steps from version `found` on."""
    first = len(STEPS) + 1
    ahead = list(scripts().iterate_revisions("head", f"{max(found, first):04}"))
    return [*STEPS[found - 1 :], *(_revision(script) for script in reversed(ahead))]


def _revision(script: Any) -> Step:
    def upgrade(tx: Transaction) -> None:
        from alembic.operations import Operations

        with Operations.context(context(tx)):
            script.module.upgrade()

    return upgrade


def migrate(store: Store, found: int, create: Step) -> None:
    """Bring the workspace from version `found` to `schema.VERSION`; `create` makes what is missing of the schema.

    Raises UpdpError, with the workspace as it was before the step that failed, and with the name of the copy.
    """
    copy = _copy(store, found)
    version = found
    try:
        for version, step in enumerate(_steps(found), found + 1):
            with store.write(rebuild=True) as tx:
                _forget(tx)
                step(tx)
                if version == schema.VERSION:
                    _derive(tx, create)
                note(tx, version)
    except Exception as error:
        raise UpdpError(
            f"The workspace could not be brought from version {version - 1} to {version} ({type(error).__name__}). "
            f"Nothing of that step was kept, and {copy} in the workspace holds it as it was. "
            "Open it with the UPDP that wrote it, and report this."
        ) from error


def _copy(store: Store, found: int) -> str:
    """A whole copy of the database in a folder of the workspace, on the disk before anything changes; its name."""
    folder = store.home / "copies"
    folder.mkdir(mode=0o700, exist_ok=True)
    names = (f"updp.version-{found}{again}.sqlite3" for again in chain([""], (f"-{n}" for n in count(2))))
    path = folder / next(
        name for name in names if not (folder / name).exists()
    )  # an earlier copy may be an older state
    with whole(path) as part:
        if not store.dialect.snapshot(part):
            plain_copy(store, part)
    return f"copies/{path.name}"


def plain_copy(store: Store, file: Path) -> None:
    """Write the recorded rows, in the tables as they are found, to the new SQLite file `file`."""
    found, engine = MetaData(), create_engine(f"sqlite:///{file}")
    with store.read() as tx, engine.begin() as new:
        found.reflect(tx.connection, only=lambda name, _: name in SQLModel.metadata.tables)
        for table in found.sorted_tables:
            table.indexes.clear()
            for column in table.columns:
                column.server_default, column.type = None, column.type.as_generic()
        found.create_all(new)
        for table in found.sorted_tables:
            for part in tx.connection.execute(select(table)).mappings().partitions(ROWS):
                new.execute(insert(table), [dict(row) for row in part])
    engine.dispose()


def _forget(tx: Transaction) -> None:
    for view in reversed(standing.VIEWS):
        tx.run(f"DROP VIEW IF EXISTS {view}")


def _derive(tx: Transaction, create: Step) -> None:
    for table in DERIVED_TABLES:
        tx.run(f"DROP TABLE IF EXISTS {table}")
    create(tx)
    tx.refresh()
    word_index.add_all(tx)
