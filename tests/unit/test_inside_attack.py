"""What somebody inside the house may try: reading what lies beside the studies, seeing an original by a detour, an
approval that nobody gave, and a folder that keeps the app from answering."""

from __future__ import annotations

import gzip
import json
import os
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.intake_sources import save_picture
from tests.unit.test_imports import done, table
from tests.unit.workbench_kit import (
    ADMIN,
    OBSERVER,
    OFFICER,
    READER,
    QuickMethod,
    add,
    hush,
    made,
    raw,
    study,
    workbench,
)
from ui.show.report import reports
from updp_core.errors import IntakeError, NotAllowed, UpdpError, UsageError
from updp_core.intake import look_at
from updp_core.intake.archive import unpack
from updp_core.release.verifying import check
from updp_core.store import standing

KEY = "-----BEGIN PRIVATE KEY-----"
HEADER = ("file", "patient_id", "view", "report_text")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hush(monkeypatch)


@pytest.mark.parametrize("name", ["signing.key", "imports/I1.csv", "", "images"])
@pytest.mark.parametrize("by", ["import_look", "import_"])
def test_the_workspaces_own_files_are_no_studies(tmp_path: Path, name: str, by: str) -> None:
    bench = workbench(tmp_path / "home")
    file = tmp_path / "home" / name
    if file.suffix:
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{KEY}\nMC4CAQAw\n")
    with pytest.raises(UsageError, match="workspace itself"):
        list(getattr(bench, by)(file, actor=ADMIN, layout="csv"))
    (tmp_path / "way").symlink_to(file)
    with pytest.raises(UsageError, match="workspace itself"):
        list(getattr(bench, by)(tmp_path / "way", actor=ADMIN, layout="csv"))


def test_what_is_uploaded_or_fetched_into_the_workspace_is_a_source(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    for folder in ("upload-1-x", "gradio/upload-1/olga/a1"):
        place = tmp_path / "home" / folder
        save_picture(place / "a.png")
        made = table(place / "manifest.csv", ("a.png", "1", "PA", "Clear."), header=HEADER)
        assert bench.import_look(made, actor=OFFICER)["rows"][0]["problem"] == ""


def test_studies_come_from_the_folders_that_are_set_and_from_nowhere_else(tmp_path: Path) -> None:
    for folder in ("in", "out"):
        save_picture(tmp_path / folder / "a.png")
        table(tmp_path / folder / "m.csv", ("a.png", "1", "PA", "Clear."), header=HEADER)
    bench = workbench(tmp_path / "home")
    bench.desk.settings = replace(bench.desk.settings, import_from=os.pathsep.join([str(tmp_path / "in"), "/none"]))
    assert done(bench.import_(tmp_path / "in" / "m.csv", actor=OFFICER))["imported"] == 1
    with pytest.raises(UsageError, match="UPDP_IMPORT_FROM"):
        list(bench.import_(tmp_path / "in" / ".." / "out" / "m.csv", actor=OFFICER))


def test_a_source_that_never_ends_is_refused_before_it_is_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for source in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(UsageError, match="neither a file nor a folder"):
            list(workbench(tmp_path / "home").import_(source, actor=OFFICER))


def test_a_file_that_is_no_table_is_not_read_as_one(tmp_path: Path) -> None:
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    with pytest.raises(IntakeError, match=r"\.csv"):
        look_at(tmp_path / "passwd", "csv")


def test_a_reason_repeats_no_cell_that_is_not_the_name_of_an_image(tmp_path: Path) -> None:
    source = table(tmp_path / "m.csv", ("a.png", "Jane", "PA", "Jane has effusion"), header=HEADER)
    swapped = {"file": "report_text", "patient_id": "patient_id", "view": "view", "report_text": "file"}
    rejected = done(workbench(tmp_path / "home").import_(source, actor=ADMIN, columns=swapped))["rejected"]
    assert rejected and "Jane" not in str(rejected)


def test_an_image_made_of_the_originals_pixels_is_seen_by_those_who_see_originals(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    [record] = made(bench, 1)
    with bench.desk.store.write() as tx:
        tx.run("DROP TRIGGER candidate_no_update")
        tx.run("UPDATE candidate SET method = 'dp-pix', settings_json = '{}'")
    assert bench.image(record, "synthetic", actor=READER).size
    for actor in (OBSERVER, ADMIN):
        with pytest.raises(NotAllowed, match="own pixels"):
            bench.image(record, "synthetic", actor=actor)


def test_a_view_that_was_replaced_makes_no_approval(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    [record] = made(bench, 1)
    bench.decide(record, "reject", actor=READER, reasons=("other",), comment="no")
    assert bench.audit_verify(actor=OFFICER)["ok"]
    query = standing.views(bench.desk.store.dialect)["derived_standing"].replace("ELSE 'rejected'", "ELSE 'approved'")
    base = raw(tmp_path / "home")
    base.execute("DROP VIEW derived_standing")
    base.execute(f"CREATE VIEW derived_standing AS {query}")
    base.execute("UPDATE standing SET state = 'approved'")
    assert any("standing of record" in problem for problem in bench.audit_verify(actor=OFFICER)["problems"])


def test_a_trigger_that_was_added_is_told(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    raw(tmp_path / "home").execute("CREATE TRIGGER evil AFTER INSERT ON decision BEGIN DELETE FROM hold; END")
    assert any("evil was added" in problem for problem in bench.audit_verify(actor=OFFICER)["problems"])


def test_a_release_folder_with_a_pipe_in_it_is_told_of_at_once(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").write_text("")
    os.mkfifo(tmp_path / "release.json")
    found: list[object] = []
    reading = threading.Thread(target=lambda: found.append(check(tmp_path)), daemon=True)
    reading.start()
    reading.join(20)
    assert found, "it answers"


def test_a_view_that_was_replaced_for_the_moment_of_a_release_lets_nothing_leave_and_is_told(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    rejected, approved = made(bench, 2)
    bench.decide(rejected, "reject", actor=READER, reasons=("other",), comment="no")
    bench.decide(approved, "approve", actor=READER)
    query = standing.views(bench.desk.store.dialect)["derived_standing"].replace(
        "ELSE 'rejected'", "WHEN NOT EXISTS (SELECT 1 FROM release) THEN 'approved' ELSE 'rejected'"
    )
    base = raw(tmp_path / "home")
    base.execute("DROP VIEW derived_standing")
    base.execute(f"CREATE VIEW derived_standing AS {query}")
    assert any("derived_standing was replaced" in problem for problem in bench.audit_verify(actor=OFFICER)["problems"])
    assert done(bench.release(tmp_path / "out", actor=OFFICER))["released"] == 1
    with bench.desk.store.read() as tx:
        assert tx.column("SELECT record FROM release_pair") == [approved]


def test_a_void_pair_that_is_void_no_longer_is_told(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home", QuickMethod(words=("quiet",)))
    [record] = made(bench, 1)
    bench.decide(record, "approve", actor=READER)
    bench.lexicon_edit(add={"blacklist": {"names": ["quiet"]}}, comment="a name", actor=OFFICER)
    assert bench.audit_verify(actor=OFFICER)["ok"]
    with bench.desk.store.write() as tx:
        tx.run("DROP TRIGGER violation_no_delete")
        tx.run("DELETE FROM violation")
    assert any("void no longer" in problem for problem in bench.audit_verify(actor=OFFICER)["problems"])


def test_what_a_visitor_destroys_is_destroyed_for_nobody_else(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    [record] = made(bench, 1)
    twin = bench.twin(tmp_path / "visitor")
    twin.decide(record, "reject", actor=READER, reasons=("other",), comment="no")
    assert twin.purge(0, actor=ADMIN)["records"] == 1
    assert bench.image(record, "original", actor=OFFICER).size
    with pytest.raises(UpdpError):
        twin.image(record, "original", actor=OFFICER)


def test_who_may_not_read_a_comment_cannot_confirm_a_guess_at_it(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    [record] = made(bench, 1)
    for _ in range(2):
        bench.decide(record, "approve", actor=READER, comment="as Mrs Quill said")
        bench.undo(actor=READER)
    with bench.desk.store.read() as tx:
        events = [json.loads(e["detail_json"]) for e in tx.all("SELECT detail_json FROM audit_event")]
    nonces = [event["nonce"] for event in events]
    assert len(set(nonces)) == len(nonces), "each event holds what nobody can guess"
    shown_to_them = json.dumps(bench.audit(actor=ADMIN, limit=100))
    assert not any(nonce in shown_to_them for nonce in nonces)


def test_a_table_without_a_header_line_shows_no_cell_to_roles_that_see_no_patients(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    save_picture(tmp_path / "a.png")
    source = table(tmp_path / "m.csv", ("a.png", "2", "PA", "Clear."), header=("a.png", "Kowalczyk Anna", "PA", "Mass"))
    assert "Kowalczyk" not in str(bench.import_look(source, actor=ADMIN))
    assert "Kowalczyk Anna" in bench.import_look(source, actor=OFFICER)["columns"]
    with pytest.raises(IntakeError) as refused:
        list(bench.import_(source, actor=ADMIN))
    assert "Kowalczyk" not in str(refused.value)


def test_a_small_table_or_archive_that_would_fill_the_memory_is_refused_at_once(tmp_path: Path) -> None:
    table(tmp_path / "wide.csv", ("a",), header=tuple(f"c{n}" for n in range(1_001)))
    with pytest.raises(IntakeError, match="1,000 columns"):
        look_at(tmp_path / "wide.csv", "csv")
    with gzip.open(tmp_path / "bomb.csv.gz", "wb", compresslevel=9) as out:
        out.write(b"file,patient_id,view,report_text\n")
        for _ in range(80):
            out.write(b"\n" * 2**20)
    with pytest.raises(IntakeError, match="unpacks to far more"):
        look_at(tmp_path / "bomb.csv.gz", "csv")
    with zipfile.ZipFile(tmp_path / "many.zip", "w") as archive:
        for n in range(60):
            archive.writestr(f"{n}.txt", b"")
    (tmp_path / "to").mkdir()
    with pytest.raises(IntakeError, match="more than 10 files"):
        list(unpack(tmp_path / "many.zip", tmp_path / "to", most_files=10))


def test_a_long_report_that_no_pair_was_made_of_is_not_filtered_while_somebody_looks(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    short, long = add(bench, [study(0, report="Clear."), study(1, report="Clear lungs. " * 1_000)])
    assert bench.show(short, actor=OFFICER)["report"]["filtered"] == "Clear."
    told = bench.show(long, actor=OFFICER)["report"]
    assert told["filtered"] is None and "filtered when its pair is made" in reports(told)
