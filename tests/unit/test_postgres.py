"""PostgreSQL in place of SQLite: who may change what, whose lock it is, and how a workspace gets there and back."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from sqlmodel import SQLModel

from tests.unit import workbench_kit
from tests.unit.postgres_server import OWNER, WORKER, Server
from tests.unit.workbench_kit import ADMIN, OFFICER, READER, last, made, store, workbench
from updp_core.errors import Conflict, DiskError, UpdpError, UsageError
from updp_core.store import Store, migrations, postgres, purge, schema
from updp_core.store.backup import restore_backup
from updp_core.store.standing import DISAGREES
from updp_core.workbench import Filters

pytestmark = pytest.mark.usefixtures("quick")


def test_who_works_there_can_neither_change_what_was_decided_nor_take_its_protection_away(
    on_postgres: Server, tmp_path: Path
) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    worker = on_postgres.connect(on_postgres.database(tmp_path / "ws"), WORKER)
    for table in schema.APPEND_ONLY:
        column = SQLModel.metadata.tables[table].columns.keys()[-1]
        for sql in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(sql)
        for sql in (f"DROP TRIGGER {table}_no_update ON {table}", f"ALTER TABLE {table} DISABLE TRIGGER ALL"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                worker.execute(sql)
    worker.close()


def test_a_trigger_that_was_switched_off_and_a_function_that_lets_pass_are_told(
    on_postgres: Server, tmp_path: Path
) -> None:
    bench = workbench(tmp_path / "ws")
    owner = on_postgres.connect(on_postgres.database(tmp_path / "ws"))
    owner.execute("ALTER TABLE decision DISABLE TRIGGER decision_no_update")
    owner.execute(
        "CREATE OR REPLACE FUNCTION append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$"
    )
    owner.close()
    problems = " ".join(bench.audit_verify(actor=OFFICER)["problems"])
    assert "trigger decision_no_update" in problems and "trigger append_only" in problems


def test_the_tables_on_the_server_are_those_that_the_schema_declares(on_postgres: Server, tmp_path: Path) -> None:
    with store(tmp_path / "ws").read() as tx:
        assert compare_metadata(migrations.context(tx), SQLModel.metadata) == []
        assert tx.dialect.version(tx) == schema.VERSION


def test_a_workspace_of_a_newer_version_is_refused_in_words(on_postgres: Server, tmp_path: Path) -> None:
    owner = on_postgres.connect(on_postgres.database(tmp_path / "ws"))
    owner.execute("UPDATE alembic_version SET version_num = '0099'")
    owner.close()
    with pytest.raises(UpdpError, match=r"newer UPDP \(version 99; .*Update UPDP"):
        store(tmp_path / "ws")


def test_an_older_workspace_is_brought_up_to_date_and_who_works_there_goes_on_working(
    on_postgres: Server, tmp_path: Path
) -> None:
    home = tmp_path / "ws"
    bench = workbench(home)
    ids = made(bench, 2)
    bench.decide(ids[0], "approve", actor=READER)
    bench.close()
    owner = on_postgres.connect(on_postgres.database(home))
    owner.execute("DROP TABLE standing_count, facet_count")
    owner.execute("CREATE TABLE gate_count (name text, state text, n integer, PRIMARY KEY (name, state))")
    owner.execute("UPDATE alembic_version SET version_num = '0004'")
    owner.close()
    Store(home, on_postgres.url(on_postgres.database(home), OWNER)).close()
    bench = workbench(home)
    assert bench.counts(actor=READER)["states"]["approved"] == 1
    assert bench.decide(ids[1], "reject", actor=READER)["state"] == "rejected"
    with bench.desk.store.read() as tx:
        assert tx.all(DISAGREES) == [] and tx.miscounted() == []
        assert tx.value("SELECT to_regclass('gate_count')") is None


def test_a_lock_ends_with_the_process_that_held_it(on_postgres: Server, tmp_path: Path) -> None:
    url = on_postgres.url(on_postgres.database(tmp_path / "ws"))
    code = (
        f"import time; from updp_core.store.postgres import Postgres; it = Postgres({url!r}); it.engine()\n"
        "with it.lock('W1'): print('held', flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    dialect = store(tmp_path / "ws").dialect
    assert dialect.held("W1") and not dialect.held("W2")
    process.kill()
    process.wait()
    until = time.monotonic() + 20
    while dialect.held("W1"):
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_writer_that_waits_too_long_is_told_to_try_again(
    on_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "BUSY_SECONDS", 1)
    opened = store(tmp_path / "ws")
    with opened.write(), pytest.raises(Conflict, match="busy"), opened.write():
        pass


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql+psycopg://me:hidden@127.0.0.1:1/none"])
def test_an_address_that_leads_nowhere_is_told_in_words_without_the_password(url: str, tmp_path: Path) -> None:
    with pytest.raises(UpdpError, match="UPDP_DATABASE_URL") as caught:
        Store(tmp_path / "ws", url)
    assert "hidden" not in str(caught.value)


def test_a_workspace_moves_with_its_chain_and_the_old_database_takes_no_more(server: Server, tmp_path: Path) -> None:
    home = tmp_path / "ws"
    bench = workbench(home)
    ids = made(bench)
    bench.decide(ids[0], "approve", actor=READER)
    bench.decide(ids[1], "reject", comment="The finding is lost.", actor=READER)
    bench.lexicon_edit(add={"blacklist": {"names": ["nodule"]}}, comment="", actor=OFFICER)
    before = bench.page(actor=READER)["records"]
    found = bench.page(actor=READER, filters=Filters(text="lungs"))["total"]
    url = server.url(server.empty(), OWNER)
    with pytest.raises(UsageError, match="no such role"):
        bench.copy_to(url, actor=ADMIN, role="nobody at all")
    moved = bench.copy_to(url, actor=ADMIN, role=WORKER)
    assert moved["events"] == bench.audit(actor=OFFICER)["total"]
    with pytest.raises(UpdpError, match="moved to a server"):
        bench.decide(ids[1], "approve", comment="No.", actor=READER)
    bench.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbench_kit, "url_of", lambda _: url.replace(OWNER, WORKER))
        there = workbench(home)
    assert there.audit_verify(actor=OFFICER)["problems"] == []
    assert there.page(actor=READER)["records"] == before
    assert there.page(actor=READER, filters=Filters(text="lungs"))["total"] == found
    assert there.lexicon_impact(add={"blacklist": {"names": ["effusion"]}}, actor=OFFICER)["approved"] == 1
    with there.desk.store.read() as tx:
        assert tx.all(DISAGREES) == [] and tx.miscounted() == []
    assert there.undo(actor=READER, record=ids[1])["state"] == "pending"
    assert last(there.release(tmp_path / "out", actor=OFFICER))["released"] == 1
    assert there.audit_verify(actor=OFFICER)["problems"] == []

    other = workbench(tmp_path / "other")
    with pytest.raises(UpdpError, match="holds a workspace already"):
        other.copy_to(url, actor=ADMIN)
    assert made(other, 1), "a move that failed leaves the old database as it was"

    there.backup(tmp_path / "saved.updp", "correct horse battery", actor=ADMIN)
    there.close()
    restore_backup(tmp_path / "saved.updp", tmp_path / "again", "correct horse battery")
    again = workbench(tmp_path / "again")
    assert again.audit_verify(actor=OFFICER)["problems"] == []
    assert len(again.page(actor=READER)["records"]) == len(ids)


def test_the_copy_before_a_migration_holds_every_recorded_row(on_postgres: Server, tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    made(bench, 1)
    migrations.plain_copy(bench.desk.store, tmp_path / "updp.sqlite3")
    kept, there = workbench_kit.Raw(tmp_path), workbench_kit.raw(tmp_path / "ws")
    for table in SQLModel.metadata.tables:
        number = f"SELECT count(*) FROM {table}"
        assert kept.rows(number) == there.rows(number), table


def test_a_purge_takes_the_role_that_owns_the_tables_and_waits_for_readers(
    on_postgres: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "reject", actor=READER)
    time.sleep(0.002)  # what is younger than the purge stays
    with pytest.raises(UpdpError, match="role that owns the tables"):
        bench.purge(0, actor=ADMIN)
    assert bench.show(record, actor=READER)["report"]["original"], "nothing of it was kept"
    bench.close()
    owners = on_postgres.url(on_postgres.database(tmp_path / "ws"), OWNER)
    monkeypatch.setattr(workbench_kit, "url_of", lambda _: owners)
    monkeypatch.setattr(purge, "_WAIT_SECONDS", 1)
    bench, reader = workbench(tmp_path / "ws"), store(tmp_path / "ws")
    with reader.read():
        done = bench.purge(0, actor=ADMIN)
    assert done["records"] == 1 and not done["whole"]
    assert bench.purge(0, actor=ADMIN)["whole"]
    assert bench.audit_verify(actor=OFFICER)["ok"]


def test_a_server_that_goes_away_is_told_in_words_and_found_again(on_postgres: Server, tmp_path: Path) -> None:
    home = tmp_path / "ws"
    opened, name = store(home), on_postgres.database(home)
    with on_postgres.connect("postgres") as owner:
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        owner.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        with pytest.raises(DiskError, match="cannot be reached") as caught, opened.read():
            pass
        assert str(on_postgres.folder) not in str(caught.value)
        owner.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    with opened.read() as tx:
        assert tx.value("SELECT 1") == 1
