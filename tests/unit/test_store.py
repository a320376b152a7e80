"""The workspace: what it keeps, it keeps whole, private and unchanged."""

from __future__ import annotations

import shutil
import stat
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import exc
from sqlmodel import SQLModel

from tests.unit import workbench_kit
from tests.unit.workbench_kit import OFFICER, READER, made, store, workbench
from updp_core.atomic import canonical
from updp_core.errors import UpdpError
from updp_core.store import schema, word_index
from updp_core.store.store import fresh_id, keys
from updp_core.workbench import population

pytestmark = pytest.mark.usefixtures("quick", "each_database")


def test_the_workspace_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")
    made(bench, 1)
    for path in [tmp_path / "ws", *(tmp_path / "ws").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_sqlite_runs_with_wal_foreign_keys_and_full_synchronous(tmp_path: Path, each_database: str) -> None:
    if each_database != "sqlite":
        return
    with store(tmp_path / "ws").read() as tx:
        assert tx.value("PRAGMA journal_mode") == "wal"
        assert tx.value("PRAGMA foreign_keys") == 1
        assert tx.value("PRAGMA synchronous") == 2


def test_a_row_that_points_nowhere_is_refused(tmp_path: Path) -> None:
    with pytest.raises(exc.IntegrityError), store(tmp_path / "ws").write() as tx:
        tx.insert("hold", record="Rnobody", holder="x", expires=1.0)


def test_what_was_decided_and_what_it_was_decided_on_cannot_be_changed_or_deleted(
    tmp_path: Path, each_database: str
) -> None:
    bench = workbench(tmp_path / "ws")
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.lexicon_edit(add={"blacklist": {"names": ["chest"]}}, comment="", actor=OFFICER)
    plain = workbench_kit.raw(tmp_path / "ws")
    plain.execute("INSERT INTO release VALUES ('L', 'f', 'o', '', 1, 1, 'm', 'r', 'h', 't')")
    plain.execute("INSERT INTO release_pair VALUES ('L', 1, ?)", (record,))
    for table in schema.APPEND_ONLY:
        before = plain.rows(f"SELECT * FROM {table}")
        column = SQLModel.metadata.tables[table].columns.keys()[-1]
        assert before, table
        marks = ", ".join("?" * len(before[0]))
        again = f"INSERT OR REPLACE INTO {table} VALUES ({marks})"
        if each_database == "postgresql":
            again = f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({keys(table)}) DO UPDATE SET {column} = NULL"
            with pytest.raises(Exception, match="is append-only"):
                plain.execute(f"TRUNCATE {table} CASCADE")
        for sql in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
            with pytest.raises(Exception, match=f"{table} is append-only"):
                plain.execute(sql)
        with pytest.raises(Exception, match=rf"{table} is append-only|UNIQUE"):
            plain.execute(again, before[0])
        assert plain.rows(f"SELECT * FROM {table}") == before


def test_a_failed_transaction_leaves_nothing_behind(tmp_path: Path) -> None:
    opened = store(tmp_path / "ws")
    with pytest.raises(RuntimeError), opened.write() as tx:
        tx.audit(OFFICER, "test")
        raise RuntimeError
    with opened.read() as tx:
        assert tx.value("SELECT count(*) FROM audit_event") == 0


def test_a_protected_row_that_no_audit_event_tells_of_is_not_committed(tmp_path: Path) -> None:
    opened = store(tmp_path / "ws")
    with pytest.raises(AssertionError, match="policy_version"), opened.write() as tx:
        tx.insert("policy_version", verdicts=1, content_json="{}", author="x", comment="", created_at="now")
    with opened.read() as tx:
        assert tx.value("SELECT count(*) FROM policy_version") == 0


def test_many_writers_at_once_each_get_their_turn_and_the_chain_holds(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "ws")

    def work() -> None:
        for _ in range(10):
            with bench.desk.store.write() as tx:
                tx.audit(OFFICER, "test")

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"], report["problems"]
    assert report["events"] == 61


def test_a_changed_or_missing_image_is_noticed_when_it_is_read(tmp_path: Path) -> None:
    opened = store(tmp_path / "ws")
    digest = opened.put_image(b"pixels")
    assert opened.get_image(digest) == b"pixels"
    assert opened.put_image(b"pixels") == digest
    opened.image_path(digest).write_bytes(b"pixelz")
    with pytest.raises(UpdpError, match="was changed"):
        opened.get_image(digest)
    opened.image_path(digest).unlink()
    with pytest.raises(UpdpError, match="is missing"):
        opened.get_image(digest)


def test_a_home_that_is_a_file_gives_a_message_and_not_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UpdpError, match="cannot be written"):
        store(tmp_path / "file")


def test_fresh_ids_do_not_repeat_and_hold_no_letter_that_is_mistaken_for_another() -> None:
    ids = {fresh_id("R") for _ in range(5000)}
    assert len(ids) == 5000
    assert not set("".join(ids)) & set("01IO")


# --- the audit chain ---


_FIRST = dict[str, Path]()
"""The workspace that `audited` copies, by database."""


@pytest.fixture
def audited(
    tmp_path: Path, each_database: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """A workspace with an approval that a lexicon has made void."""
    if each_database not in _FIRST:
        first = _FIRST[each_database] = tmp_path_factory.mktemp("audited") / "ws"
        bench = workbench(first)
        records = made(bench, 2)
        bench.decide(records[0], "approve", actor=READER)
        bench.lexicon_edit(add={"blacklist": {"names": ["chest"]}}, comment="why", actor=OFFICER)
        assert bench.audit_verify(actor=OFFICER)["ok"]
        bench.close()
    shutil.copytree(_FIRST[each_database], tmp_path / "ws")
    if each_database == "postgresql":
        request.getfixturevalue("server").copy(_FIRST[each_database], tmp_path / "ws")
    return tmp_path / "ws"


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE grade SET worst = 'clear', risk = 0 WHERE candidate = 1", "grade of candidate 1"),
        ("UPDATE grade SET gates_json = replace(gates_json, 'unknown', 'clear')", "grade of candidate 2"),
        ("UPDATE gate_value SET state = 'clear' WHERE state = 'unknown'", "grade of candidate 1"),
        ("UPDATE gate_value SET value = 0.5 WHERE candidate = 1", "grade of candidate 1"),
        ("DELETE FROM gate_value WHERE candidate = 1", "grade of candidate 1"),
        ("DELETE FROM grade", "grade of candidate 1"),
        ("UPDATE standing SET state = 'approved'", "standing of record"),
        ("UPDATE standing_count SET n = n + 1", "counts of records"),
        ("UPDATE facet_count SET n = n - 1 WHERE kind = 'finding'", "counts of cardiomegaly"),
        ("UPDATE embedding SET vector = x'00000000'", "embedding of record"),
        ("DELETE FROM embedding", "embedding of record"),
        ("INSERT INTO hold SELECT id, 'Somebody', 1e12 FROM record LIMIT 1", "hold of record"),
        ("INSERT INTO hold SELECT id, 'Somebody', 1 FROM record LIMIT 1", "hold of record"),
        ("DROP TRIGGER decision_no_update", "trigger decision_no_update"),
        ("DROP TRIGGER record_no_replace", "trigger record_no_"),
    ],
)
def test_what_is_derived_and_what_protects_it_is_checked_as_well(audited: Path, statement: str, told: str) -> None:
    bench = workbench(audited)
    judges = SimpleNamespace(digest="j", identity=lambda images: np.ones((len(images), 4)))
    population._embed_more(bench.desk, judges, "j")
    assert bench.audit_verify(actor=OFFICER)["ok"]
    bench.close()
    plain = workbench_kit.raw(audited)
    plain.execute(statement)
    plain.close()
    problems = workbench(audited).audit_verify(actor=OFFICER)["problems"]
    assert any(told in problem for problem in problems), problems


def test_a_word_that_was_taken_out_of_the_index_or_entered_there_is_told(audited: Path) -> None:
    bench = workbench(audited)
    with bench.desk.store.write() as tx:
        word_index.remove(
            tx, 1, tx.rows(word_index.Texts, f"SELECT {word_index.TEXTS} FROM candidate c WHERE id = 1")[0]
        )
    assert any("index of words of candidate 1" in p for p in bench.audit_verify(actor=OFFICER)["problems"])
    with bench.desk.store.write() as tx:
        word_index.add_all(tx)
    assert bench.audit_verify(actor=OFFICER)["ok"]
    with bench.desk.store.write() as tx:
        tx.dialect.index_words(tx, 99, ["planted"], [])
    assert any("index of words of candidate 99" in p for p in bench.audit_verify(actor=OFFICER)["problems"])


def test_an_embedding_that_no_event_tells_of_is_remarked(audited: Path) -> None:
    bench = workbench(audited)
    with bench.desk.store.write() as tx:
        tx.run("INSERT INTO embedding SELECT id, 'old', :v FROM record ORDER BY seq LIMIT 1", v=b"0000")
    report = bench.audit_verify(actor=OFFICER)
    assert report["ok"]
    assert any(remark.startswith("Of 1 embeddings no event tells") for remark in report["remarks"])


def test_a_removed_head_beside_the_database_is_told(audited: Path) -> None:
    (audited / "audit.head").unlink()
    assert "audit.head" in " ".join(workbench(audited).audit_verify(actor=OFFICER)["problems"])


def tampered(home: Path, *statements: str) -> list[str]:
    """Problems after somebody with the file in hand took the triggers away and ran `statements`."""
    plain = workbench_kit.raw(home)
    plain.drop_triggers()
    for statement in statements:
        plain.execute(statement)
    plain.close()
    return workbench(home).audit_verify(actor=OFFICER)["problems"]


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM audit_event WHERE id = 3", "are missing"),
        ("DELETE FROM audit_event WHERE id = (SELECT max(id) FROM audit_event)", "cut short"),
        ("UPDATE audit_event SET actor = 'Somebody' WHERE id = 4", "was changed"),
        ("UPDATE audit_event SET at = at || ' ' WHERE id = 1", "was changed"),
        ("UPDATE decision SET verdict = 'reject'", "decision 1 was changed"),
        ("UPDATE decision SET reviewer = 'Somebody'", "decision 1 was changed"),
        ("DELETE FROM decision", "decision 1 is missing"),
        ("UPDATE candidate SET filtered = 'another' WHERE id = 2", "candidate 2 was changed"),
        ("UPDATE record SET report = report || '.' WHERE seq = 1", "was changed"),
        ("UPDATE lexicon_version SET content_json = '{}' WHERE version = 1", "lexicon version 1 was changed"),
        ("UPDATE policy_version SET verdicts = 0", "policy version 1 was changed"),
        ("DELETE FROM violation WHERE candidate = 1", "is missing"),
        ("UPDATE violation SET terms_json = '[]' WHERE candidate = 1", "lexicon version 2 (1 to 2) was changed"),
        (
            "INSERT INTO violation SELECT candidate, 1, record, '[]', 0 FROM violation WHERE candidate = 1",
            "No audit event tells of violation",
        ),
        (
            "INSERT INTO choice (id, record, candidate, after_decision, actor, created_at) "
            "SELECT 99, record, 1, 0, 'x', 'y' FROM candidate WHERE id = 1",
            "No audit event tells of choice",
        ),
    ],
)
def test_the_audit_finds_any_row_that_was_changed_removed_or_slipped_in(
    audited: Path, statement: str, told: str
) -> None:
    problems = tampered(audited, statement)
    assert any(told in problem for problem in problems), problems


def test_the_audit_finds_a_chain_cut_short_even_when_its_counter_was_set_back(
    audited: Path, each_database: str
) -> None:
    last = "(SELECT max(id) FROM audit_event)"
    counter = f"UPDATE sqlite_sequence SET seq = {last} WHERE name = 'audit_event'"
    counters = [counter] if each_database == "sqlite" else []
    problems = tampered(audited, f"DELETE FROM audit_event WHERE id = {last}", *counters)
    assert any("cut short" in problem for problem in problems)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_character_of_any_event_is_found(audited: Path, data: st.DataObject) -> None:
    plain = workbench_kit.raw(audited)
    columns = ("at", "actor", "role", "verb", "subject", "detail_json", "previous", "digest")
    rows = plain.rows(f"SELECT id, {', '.join(columns)} FROM audit_event ORDER BY id")
    row = data.draw(st.sampled_from(rows))
    which = data.draw(st.integers(1, len(columns)).filter(lambda n: row[n]))
    text = row[which]
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8", min_codepoint=1, exclude_characters=text[place]))
    changed = text[:place] + letter + text[place + 1 :]
    plain.execute("DROP TRIGGER IF EXISTS audit_event_no_update")
    plain.execute(f"UPDATE audit_event SET {columns[which - 1]} = ? WHERE id = ?", (changed, row[0]))
    try:
        assert not workbench(audited).audit_verify(actor=OFFICER)["ok"]
    finally:
        plain.execute(f"UPDATE audit_event SET {columns[which - 1]} = ? WHERE id = ?", (text, row[0]))
        plain.close()


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none()))
def test_equal_values_have_one_canonical_text(value: dict[str, object]) -> None:
    assert canonical(value) == canonical(dict(reversed(value.items())))
