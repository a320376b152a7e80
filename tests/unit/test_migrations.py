"""A workspace of an older UPDP opens with every decision in it; one of a newer is left alone."""

from __future__ import annotations

import json
import sqlite3
import stat
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from sqlalchemy import Column, MetaData, String, exc
from sqlmodel import SQLModel

from tests.unit.workbench_kit import OFFICER, READER, SECOND, workbench
from updp_core.errors import UpdpError
from updp_core.store import Store, migrations, schema
from updp_core.store.standing import DISAGREES

VERSION_1 = Path(__file__).parent / "data" / "workspace_v1.sql"
RECORDED = ("record", "decision", "violation", "release", "release_pair", "lexicon_version", "choice", "audit_event")


pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A workspace as version 1 of the schema wrote it: verdicts, a release, a pair that a lexicon voided."""
    home = tmp_path / "ws"
    home.mkdir()
    with sqlite3.connect(home / "updp.sqlite3") as database:
        database.executescript(VERSION_1.read_text(encoding="utf-8"))
    database.close()
    return home


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    database = sqlite3.connect(path)
    rows = {table: database.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in RECORDED}
    database.close()
    return rows


def version(path: Path) -> int:
    database = sqlite3.connect(path)
    found = database.execute("PRAGMA user_version").fetchone()[0]
    database.close()
    return int(found)


def test_there_is_one_step_for_every_version() -> None:
    assert len(migrations._steps(1)) == schema.VERSION - 1
    assert migrations.scripts().get_current_head() == f"{schema.VERSION:04}"


@pytest.mark.parametrize("from_version_1", [False, True])
def test_the_migrated_tables_are_those_that_the_schema_declares(
    old: Path, tmp_path: Path, from_version_1: bool
) -> None:
    store = Store(old if from_version_1 else tmp_path / "new")
    with store.read() as tx:
        context = migrations.context(tx)
        assert compare_metadata(context, SQLModel.metadata) == []
        assert context.get_current_revision() == f"{schema.VERSION:04}"
        changed = MetaData()
        for table in SQLModel.metadata.tables.values():
            table.to_metadata(changed)
        changed.tables["hold"].append_column(Column("why", String))
        assert "add_column" in str(compare_metadata(context, changed)), "a difference would be seen"


@pytest.fixture
def next_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A UPDP whose next version has a column more in the table of candidates, which is append-only."""
    folder = tmp_path / "versions"
    folder.mkdir()
    (folder / "next.py").write_text(
        f"""
import sqlalchemy as sa
from alembic import op
from updp_core.store.migrations import no_way_back
revision, down_revision = "{schema.VERSION + 1:04}", "{schema.VERSION:04}"

def upgrade():
    with op.batch_alter_table("candidate", recreate="always", table_kwargs={{"sqlite_autoincrement": True}}) as batch:
        batch.add_column(sa.Column("mood", sa.String(), nullable=False, server_default="calm"))

def downgrade():
    no_way_back()
"""
    )
    monkeypatch.setattr(migrations, "VERSIONS", [*migrations.VERSIONS, str(folder)])
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


def test_a_table_that_others_point_to_is_made_anew_with_every_row_and_stays_append_only(
    old: Path, next_version: None
) -> None:
    plain = sqlite3.connect(old / "updp.sqlite3")
    before = plain.execute("SELECT id, record, prompt_text, seed FROM candidate").fetchall()
    plain.close()
    store = Store(old)
    with store.read() as tx:
        rows = tx.all("SELECT id, record, prompt_text, seed, mood FROM candidate")
        assert [tuple(row.values()) for row in rows] == [(*row, "calm") for row in before]
        assert tx.dialect.triggers_found(tx) == tx.dialect.triggers()
        assert tx.all(DISAGREES) == [] and tx.miscounted() == []
    with pytest.raises(exc.IntegrityError, match="append-only"), store.write() as tx:
        tx.run("UPDATE candidate SET mood = 'wild'")
    with pytest.raises(exc.IntegrityError, match="FOREIGN KEY"), store.write() as tx:
        tx.insert("hold", record="Rnobody", holder="x", expires=1.0)


def test_a_workspace_that_was_migrated_is_refused_by_the_version_before(
    old: Path, next_version: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(old).close()
    monkeypatch.undo()
    with pytest.raises(UpdpError, match="newer UPDP"):
        Store(old)


def test_there_is_no_way_back_but_the_copy_and_it_is_said_in_words(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(old).close()
    monkeypatch.setenv("UPDP_HOME", str(old))
    config = Config(toml_file=Path(__file__).parents[2] / "pyproject.toml")
    for script in migrations.scripts().walk_revisions():
        with pytest.raises(UpdpError, match="copies"):
            script.module.downgrade()
    with pytest.raises(UpdpError, match="copies"):
        command.downgrade(config, "-1")
    with pytest.raises(UpdpError, match="when it opens it"):
        command.upgrade(config, "head")
    command.check(config)  # raises where a workspace and the schema differ


def test_an_old_workspace_opens_with_every_decision_in_it_and_work_goes_on(old: Path) -> None:
    before = content(old / "updp.sqlite3")
    bench = workbench(old)
    assert version(old / "updp.sqlite3") == schema.VERSION
    after = content(old / "updp.sqlite3")
    told = after["audit_event"].pop()
    assert after == before
    assert told[4:6] == ("migrate", "version 4")
    assert json.loads(told[6])["source_seeds_to"] == 3, "what was drawn with seeds of the source"
    assert bench.audit_verify(actor=OFFICER)["ok"]
    states = {card["record"]: card["state"] for card in bench.page(actor=READER)["records"]}
    assert sorted(states.values()) == ["approved", "rejected", "void"]
    [rejected] = [record for record, state in states.items() if state == "rejected"]
    assert bench.show(rejected, actor=READER)["decisions"][0]["comment"] == "The finding is lost."
    assert bench.show(rejected, actor=SECOND)["draft"] == {"comment": "look again"}
    with bench.desk.store.read() as tx:
        assert tx.all(DISAGREES) == [] and tx.miscounted() == []
    foreseen = bench.lexicon_impact(add={"blacklist": {"names": ["effusion"]}}, actor=OFFICER)
    assert (foreseen["approved"], foreseen["released"]) == (1, 1), "the words of old candidates are indexed"
    assert bench.undo(actor=READER, record=rejected)["state"] == "pending"


def test_a_copy_is_made_before_anything_is_changed(old: Path) -> None:
    before = content(old / "updp.sqlite3")
    workbench(old).close()
    copy = old / "copies" / "updp.version-1.sqlite3"
    assert version(copy) == 1 and content(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600 and stat.S_IMODE(copy.parent.stat().st_mode) == 0o700
    workbench(old).close()  # a second time, nothing is left to do
    assert version(copy) == 1


def test_a_step_that_fails_leaves_the_workspace_as_it_was_and_says_what_to_do(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tx):  # type: ignore[no-untyped-def]
        tx.run("DROP TABLE decision")
        raise ValueError("QUILL, MORTIMER")

    before = content(old / "updp.sqlite3")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (*migrations.STEPS[:-1], broken))
        with pytest.raises(UpdpError, match=r"copies/updp\.version-1\.sqlite3") as caught:
            Store(old)
    assert "QUILL" not in str(caught.value)
    assert version(old / "updp.sqlite3") == len(migrations.STEPS) and content(old / "updp.sqlite3") == before
    assert workbench(old).audit_verify(actor=OFFICER)["ok"], "the next try goes on from there"


def test_every_step_of_the_past_gives_the_schema_that_a_new_workspace_has(old: Path, tmp_path: Path) -> None:
    workbench(old).close()
    workbench(tmp_path / "new").close()

    def shape(home: Path) -> set[tuple[str, str]]:
        database = sqlite3.connect(home / "updp.sqlite3")
        rows = database.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        database.close()
        return {(name, " ".join(sql.split())) for name, sql in rows if not name.startswith("sqlite_stat")}

    assert shape(old) == shape(tmp_path / "new")


def test_a_workspace_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    Store(tmp_path / "ws").close()
    with sqlite3.connect(tmp_path / "ws" / "updp.sqlite3") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    before = (tmp_path / "ws" / "updp.sqlite3").read_bytes()
    with pytest.raises(UpdpError, match=r"newer UPDP \(version 99; .*Update UPDP"):
        Store(tmp_path / "ws")
    assert (tmp_path / "ws" / "updp.sqlite3").read_bytes() == before
