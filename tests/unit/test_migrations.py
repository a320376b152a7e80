"""A workspace of an older UPDP opens with every decision in it; one of a newer is left alone."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from workbench_kit import OFFICER, READER, SECOND, workbench

from updp_core.errors import UpdpError
from updp_core.store import Store, migrations, schema
from updp_core.store.standing import DISAGREES, MISCOUNTED

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
    assert len(migrations.STEPS) == schema.VERSION - 1


def test_an_old_workspace_opens_with_every_decision_in_it_and_work_goes_on(old: Path) -> None:
    before = content(old / "updp.sqlite3")
    bench = workbench(old)
    assert version(old / "updp.sqlite3") == schema.VERSION
    after = content(old / "updp.sqlite3")
    told = after["audit_event"].pop()
    assert after == before
    assert told[4:7] == ("migrate", "version 4", '{"source_seeds_to":3}'), "what was drawn with seeds of the source"
    assert bench.audit_verify(actor=OFFICER)["ok"]
    states = {card["record"]: card["state"] for card in bench.page(actor=READER)["records"]}
    assert sorted(states.values()) == ["approved", "rejected", "void"]
    [rejected] = [record for record, state in states.items() if state == "rejected"]
    assert bench.show(rejected, actor=READER)["decisions"][0]["comment"] == "The finding is lost."
    assert bench.show(rejected, actor=SECOND)["draft"] == {"comment": "look again"}
    with bench.desk.store.read() as tx:
        assert tx.all(DISAGREES) == [] and tx.all(MISCOUNTED) == []
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
    assert version(old / "updp.sqlite3") == schema.VERSION - 1 and content(old / "updp.sqlite3") == before
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
