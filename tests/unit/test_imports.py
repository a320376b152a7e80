"""Import for people: a look first, tables of any name and wording, zip archives, a page of each import, another try."""

from __future__ import annotations

import csv
import io
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.intake_sources import chest, data_set, only_reason, save_dicom, save_picture, split
from tests.unit.workbench_kit import ADMIN, OFFICER, READER, workbench
from updp_core.domain import Assume
from updp_core.errors import IntakeError, NotAllowed, UsageError
from updp_core.intake import look_at, read_source
from updp_core.intake.archive import _place, unpack

ROW = ("Bild", "Patientennummer", "Projektion", "Befund")
MAP = {"file": "Bild", "patient_id": "Patientennummer", "view": "Projektion", "report_text": "Befund"}


def table(path: Path, *rows: tuple[str, ...], header: tuple[str, ...] = ROW, tab: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as out:
        csv.writer(out, delimiter=tab).writerows([header, *rows])
    return path


def done(steps: Any) -> dict[str, Any]:
    *_, last = steps
    return last.result


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in members.items():
            out.writestr(name, content)
    return path


# tables


@pytest.mark.parametrize(("name", "tab"), [("liste 2019.csv", ";"), ("export.TSV", "\t"), ("x.csv", ",")])
def test_a_table_may_have_any_name_and_images_are_found_by_their_base_name(tmp_path: Path, name: str, tab: str) -> None:
    save_picture(tmp_path / "deep" / "er" / "a1.png")
    save_picture(tmp_path / "b2.jpg", chest(seed=2))
    table(tmp_path / name, ("a1", "1", "PA", "Clear."), ("elsewhere/B2.JPG", "2", "AP", "Clear."), tab=tab)
    studies, rejections = split(read_source(tmp_path, columns=MAP))
    assert [s.view for s in studies] == ["PA", "AP"] and not rejections


def test_a_base_name_that_two_files_have_is_not_guessed_and_a_path_out_is_not_looked_for(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        save_picture(tmp_path / folder / "a.png")
    table(tmp_path / "t.csv", ("a.png", "1", "PA", ""))
    assert "2 files of the folder have this name" in only_reason(read_source(tmp_path, columns=MAP))
    table(tmp_path / "t.csv", ("one/../a.png", "1", "PA", ""))
    assert "'..'" in only_reason(read_source(tmp_path, columns=MAP))


def test_of_several_tables_the_one_that_names_all_that_is_needed_is_taken_or_none(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    table(tmp_path / "notes.csv", ("x", "y"), header=("who", "what"))
    table(tmp_path / "list.csv", ("a.png", "1", "PA", ""), header=("file", "patient", "view", "report"))
    assert len(split(read_source(tmp_path))[0]) == 1
    (tmp_path / "list.csv").unlink()
    table(tmp_path / "more.csv", ("x", "y"), header=("who", "what"))
    with pytest.raises(IntakeError, match=r"several tables \(more.csv, notes.csv\)"):
        read_source(tmp_path)


def test_a_look_shows_columns_first_rows_and_what_is_missing_without_reading_anything_in(tmp_path: Path) -> None:
    save_picture(tmp_path / "a.png")
    table(tmp_path / "t.csv", ("a.png", "1", "PA", "Clear."), ("gone.png", "2", "PA", "x" * 400))
    found = look_at(tmp_path)
    assert found.columns == ROW and found.missing == ("file", "patient_id", "view", "report_text")
    bench = workbench(tmp_path / "home")
    look = bench.import_look(tmp_path, columns=MAP, actor=OFFICER)
    assert look["missing"] == () and [row["problem"] for row in look["rows"]] == ["", "the file does not exist"]
    assert look["rows"][0]["report_text"] == "Clear." and len(look["rows"][1]["report_text"]) < 200
    assert bench.import_look(tmp_path, columns=MAP, actor=ADMIN)["rows"][0]["report_text"] == "•••"
    assert not bench.counts(actor=OFFICER)["total"] and not bench.imports(actor=OFFICER)
    with pytest.raises(NotAllowed):
        bench.import_look(tmp_path, actor=READER)
    without = bench.import_look(tmp_path, columns={"file": "Bild"}, assume=Assume(view="AP"), actor=OFFICER)
    assert without["missing"] == ("patient_id", "report_text")


def test_the_mapping_of_a_table_is_kept_for_the_next_one_with_the_same_columns(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    for n in (1, 2):
        save_picture(tmp_path / f"in{n}" / "a.png", chest(seed=n))
        table(tmp_path / f"in{n}" / "t.csv", ("a.png", str(n), "PA", "Clear."))
    with pytest.raises(IntakeError, match="lacks the column"):
        done(bench.import_(tmp_path / "in1", actor=OFFICER))
    assert done(bench.import_(tmp_path / "in1", columns=MAP, actor=OFFICER))["imported"] == 1
    assert bench.import_look(tmp_path / "in2", actor=OFFICER)["missing"] == ()
    assert done(bench.import_(tmp_path / "in2", actor=OFFICER))["imported"] == 1


def test_the_template_is_a_table_that_import_takes(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "template.csv").write_text("".join(bench.import_template(actor=OFFICER)), encoding="utf-8")
    for n in (1, 2):
        save_picture(tmp_path / "in" / "images" / f"000{n}.png", chest(seed=n))
    result = done(bench.import_(tmp_path / "in", actor=OFFICER))
    assert result["imported"] == 2 and not result["rejections"] and not result["without_report"]


# what the importer says of images that do not say it


def test_what_the_importer_says_counts_where_the_header_is_silent_and_never_against_it(tmp_path: Path) -> None:
    save_dicom(tmp_path / "silent.dcm", BodyPartExamined=None, ViewPosition=None, Modality=None)
    save_dicom(tmp_path / "captured.dcm", BodyPartExamined=None, ViewPosition=None, Modality="SC")
    for name, said in (
        ("hand", {"BodyPartExamined": "HAND"}),
        ("side", {"ViewPosition": "LL"}),
        ("ct", {"Modality": "CT"}),
    ):
        save_dicom(tmp_path / f"{name}.dcm", **said)
    save_dicom(tmp_path / "dog.dcm", BodyPartExamined=None, StudyDescription="canine")
    assert not split(read_source(tmp_path))[0]
    studies, rejections = split(read_source(tmp_path, assume=Assume(True, "AP", "DX")))
    assert {s.source for s in studies} == {"silent.dcm", "captured.dcm"} and len(rejections) == 4
    assert all(s.view == "AP" and sum("said by the importer" in flag for flag in s.flags) == 3 for s in studies)


def test_nothing_but_frontal_chest_radiographs_can_be_assumed(tmp_path: Path) -> None:
    bench = workbench(tmp_path / "home")
    for wrong in (Assume(view="lateral"), Assume(modality="CT")):
        with pytest.raises(UsageError, match="is assumed is"):
            bench.import_(tmp_path, assume=wrong, actor=OFFICER)


def test_what_was_not_taken_can_be_tried_again_with_what_the_importer_says_and_the_trail_tells(tmp_path: Path) -> None:
    source = tmp_path / "in"
    save_dicom(source / "good.dcm")
    save_dicom(source / "silent.dcm", data_set(chest(seed=2), ViewPosition=None))
    save_dicom(source / "hand.dcm", data_set(chest(seed=3), BodyPartExamined="HAND"))
    bench = workbench(tmp_path / "home")
    first = done(bench.import_(source, actor=OFFICER))
    assert (first["imported"], first["rejections"]) == (1, 2)
    again = done(bench.import_again(first["import"], assume=Assume(view="PA"), actor=OFFICER))
    assert (again["imported"], again["duplicates"], again["rejections"]) == (1, 0, 1)
    event = bench.audit(actor=OFFICER, verb="import")["events"][0]
    assert event["detail"]["assumed"] == {"view": "PA"} and event["detail"]["again"] == first["import"]
    rows = bench.imports(actor=OFFICER)
    assert [row["id"] for row in rows] == [again["import"], first["import"]] and all(row["there"] for row in rows)
    assert bench.audit_verify(actor=OFFICER)["ok"]
    (source / "hand.dcm").rename(tmp_path / "elsewhere")
    for file in source.iterdir():
        file.unlink()
    source.rmdir()
    with pytest.raises(UsageError, match="not there any more"):
        bench.import_again(first["import"], actor=OFFICER)


# the page of an import


def test_each_import_has_a_page_that_lasts_with_a_filter_and_a_list(tmp_path: Path) -> None:
    source = tmp_path / "in"
    table(source / "t.csv", *((f"{n}.png", "1", "PA", "") for n in range(120)), ("=cmd.png", "1", "LL", ""))
    bench = workbench(tmp_path / "home")
    result = done(bench.import_(source, columns=MAP, actor=OFFICER))
    assert result["imported"] == 0 and result["list"] == ""
    bench.close()
    bench = workbench(tmp_path / "home")
    page = bench.import_rejected(result["import"], offset=100, limit=50, actor=OFFICER)
    assert page["total"] == 121 and len(page["rejected"]) == 21 and page["row"]["rejections"] == 121
    assert page["reasons"][0] == {"reason": "the file does not exist", "count": 121}
    assert bench.import_rejected(result["import"], text="ROW 7: 5", actor=OFFICER)["total"] == 1
    rows = list(csv.reader(io.StringIO("".join(bench.import_list(result["import"], actor=OFFICER)))))
    assert rows[0] == ["source", "reason"] and len(rows) == 122
    assert bench.audit(actor=OFFICER, verb="import_list")["total"] == 1
    with pytest.raises(UsageError, match="no such import"):
        bench.import_rejected("I0000000000", actor=OFFICER)


def test_names_of_files_are_for_roles_that_see_patients_and_for_who_imported(tmp_path: Path) -> None:
    save_picture(tmp_path / "in" / "anna_smith.png")
    table(tmp_path / "in" / "t.csv", ("anna_smith.png", "1", "LL", "Clear."))
    bench = workbench(tmp_path / "home")
    by_officer = done(bench.import_(tmp_path / "in", columns=MAP, actor=OFFICER))["import"]
    by_admin = done(bench.import_(tmp_path / "in", columns=MAP, actor=ADMIN))["import"]
    seen = json.dumps([bench.import_rejected(by_officer, actor=ADMIN), bench.imports(actor=ADMIN)[1]])
    assert "anna" not in seen and '"in"' not in seen
    assert bench.import_rejected(by_officer, text="anna", actor=ADMIN)["total"] == 1, "what is hidden is not searched"
    assert bench.import_rejected(by_officer, text="zzz", actor=ADMIN)["total"] == 1
    assert "anna" in json.dumps(bench.import_rejected(by_admin, actor=ADMIN))
    with pytest.raises(NotAllowed, match="names files"):
        bench.import_list(by_officer, actor=ADMIN)


def test_notes_of_imports_are_the_owner_s_alone_and_a_damaged_one_hides_nothing_else(tmp_path: Path) -> None:
    table(tmp_path / "in" / "t.csv", ("a.png", "1", "PA", ""))
    bench = workbench(tmp_path / "home")
    for _ in range(2):
        done(bench.import_(tmp_path / "in", columns=MAP, actor=OFFICER))
    kept = sorted((tmp_path / "home" / "imports").iterdir())
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept} == {0o600} and len(kept) == 4
    next(path for path in kept if path.suffix == ".json").write_text("{", encoding="utf-8")
    assert len(bench.imports(actor=OFFICER)) == 1


# zip archives


def test_a_zip_archive_is_read_like_the_folder_in_it_and_leaves_nothing_behind(tmp_path: Path) -> None:
    picture = save_picture(tmp_path / "a.png").read_bytes()
    content = table(tmp_path / "t.csv", ("a.png", "1", "PA", "Clear.")).read_bytes()
    members = {"top/pictures/a.png": picture, "top/t.csv": content, "__MACOSX/._t.csv": b"x", "top/.DS_Store": b"x"}
    bench = workbench(tmp_path / "home")
    zipped = archive(tmp_path / "studies.zip", members)
    assert bench.import_look(zipped, columns=MAP, actor=OFFICER)["rows"][0]["problem"] == ""
    assert done(bench.import_(zipped, columns=MAP, actor=OFFICER))["imported"] == 1
    assert not list((tmp_path / "home").glob("upload-*"))


@pytest.mark.parametrize(
    "name", ["../a", "a/../../b", "/etc/x", "C:\\x", "~/x", "a//b", "a/./b", "a\\..\\..\\b", "x\ny"]
)
def test_a_name_that_leads_out_refuses_the_whole_archive(tmp_path: Path, name: str) -> None:
    zipped, folder = archive(tmp_path / "x.zip", {"good.png": b"x", name: b"x"}), tmp_path / "in" / "to"
    folder.mkdir(parents=True)
    with pytest.raises(IntakeError, match="lead out"):
        list(unpack(zipped, folder))
    assert {p.name for p in (tmp_path / "in").rglob("*")} <= {"to", "good.png"}


@given(st.text(min_size=1, max_size=40) | st.lists(st.sampled_from(["..", ".", "a", "", "C:", "~"])).map("/".join))
def test_no_name_of_a_member_is_taken_that_lies_outside(name: str) -> None:
    member = zipfile.ZipInfo("x")
    member.filename = name
    try:
        place = _place(member)
    except IntakeError:
        return
    root = Path("/somewhere/deep")
    assert (root / place).resolve().is_relative_to(root) and (root / place) != root


def test_bombs_links_encrypted_damaged_and_doubled_members_are_refused(tmp_path: Path) -> None:
    def refused(path: Path, **limits: int) -> str:
        folder = tmp_path / f"to{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        with pytest.raises(IntakeError) as error:
            list(unpack(path, folder, **limits))
        assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= 6_000_000
        return str(error.value)

    zeros = archive(tmp_path / "bomb.zip", {f"{n}.png": bytes(3_000_000) for n in range(4)})
    assert "larger than it may be" in refused(zeros, most_bytes=5_000_000)
    assert "more than 3 files" in refused(zeros, most_files=3)
    lying = bytearray(zeros.read_bytes())  # the sizes that the archive states are changed to 1 byte each
    while (at := lying.find((3_000_000).to_bytes(4, "little"))) >= 0:
        lying[at : at + 4] = (1).to_bytes(4, "little")
    (tmp_path / "lying.zip").write_bytes(lying)
    assert refused(tmp_path / "lying.zip", most_bytes=5_000_000)
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as out:
        out.writestr(link, "/etc/passwd")
    assert "link" in refused(tmp_path / "link.zip")
    assert "same name" in refused(archive(tmp_path / "twice.zip", {"a.png": b"1", "A.PNG": b"2"}))
    (tmp_path / "cut.zip").write_bytes(zeros.read_bytes()[:-30])
    assert "damaged" in refused(tmp_path / "cut.zip")
    locked = bytearray(archive(tmp_path / "l.zip", {"a.png": b"1"}).read_bytes())
    locked[locked.find(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    assert "encrypted" in refused(tmp_path / "locked.zip")
