"""What intake promises about hostile input: refused per record, with a reason that repeats nothing of it."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.unit.intake_sources import chest, data_set, only_reason, save_picture, split
from updp_core.errors import IntakeError
from updp_core.intake import read_source
from updp_core.intake.files import decode_text, inside, read_csv, read_report

HEADER = "file,patient_id,study_id,view,report_text\n"


def rows(folder: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    (folder / "manifest.csv").write_bytes(HEADER.encode() + data)
    return folder / "manifest.csv"


def png_that_claims(width: int, height: int) -> bytes:
    """A small PNG whose header (width, height and checksum at bytes 16 to 33) states another size."""
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("../outside.png", "'..'"),
        ("images/../../outside.png", "'..'"),
        ("..\\outside.png", "'..'"),
        ("/etc/passwd", "absolute"),
        ("C:\\Windows\\win.ini", "absolute"),
        ("\\\\server\\share\\x.png", "absolute"),
        ("file:///etc/passwd", "absolute"),
        ("~/x.png", "absolute"),
        ("", "no file name"),
        ("   ", "no file name"),
        ("a\tb.png", "does not exist"),
        ("a\x07.png", "control characters"),
        ("images", "regular file"),
        ("images/link.png", "link that leads out"),
        ("images/linked/outside.png", "link that leads out"),
        ("images/loop.png", "cannot be opened"),
        ("images/pipe", "regular file"),
        ("images/a.png/b.png", "does not exist"),
        ("x" * 5000, "cannot be opened"),
    ],
)
def test_file_names_that_lead_astray_are_refused(tmp_path, name, reason):
    root = tmp_path / "root"
    save_picture(root / "images" / "a.png")
    save_picture(tmp_path / "outside.png")
    (root / "images" / "link.png").symlink_to(tmp_path / "outside.png")
    (root / "images" / "linked").symlink_to(tmp_path)
    (root / "images" / "loop.png").symlink_to(root / "images" / "loop.png")
    os.mkfifo(root / "images" / "pipe")
    with pytest.raises(IntakeError, match=reason):
        inside(root, name)
    escaped = name.replace('"', '""')
    rows(root, f'"{escaped}",P1,S1,PA,ok\nimages/a.png,P1,S1,PA,ok\n')
    studies, rejections = split(read_source(root))
    assert len(studies) == len(rejections) == 1
    assert not any(word in rejections[0].source + rejections[0].reason for word in ("passwd", "win.ini", "server"))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["..", ".", "a", "b.png", "/", "\\", "~", "C:", "", " ", "\0", "é"]), max_size=7))
def test_no_name_ever_leads_out_of_the_folder(tmp_path, parts):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True, exist_ok=True)
    for place in (root / "b.png", root / "a" / "b.png", tmp_path / "b.png"):
        place.write_bytes(b"x")
    for name in ("/".join(parts), "".join(parts), "\\".join(parts)):
        with contextlib.suppress(IntakeError):
            assert inside(root, name).is_relative_to(root.resolve())


def test_links_that_stay_inside_are_followed(tmp_path):
    save_picture(tmp_path / "real.png")
    (tmp_path / "link.png").symlink_to("real.png")
    assert inside(tmp_path, "link.png") == (tmp_path / "real.png").resolve()


def test_one_bad_file_of_each_kind_stops_nothing(tmp_path):
    whole = save_picture(tmp_path / "good.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "bomb.png").write_bytes(png_that_claims(30000, 30000))
    save_picture(tmp_path / "tiny.png", np.zeros((10, 10), np.uint8))
    save_picture(tmp_path / "blank.png", np.full((100, 100), 9, np.uint8))
    names = ["cut.jpg", "empty.png", "text.png", "bomb.png", "tiny.png", "blank.png", "good.jpg"]
    rows(tmp_path, "".join(f"{name},P1,S-{name},PA,ok\n" for name in names))
    studies, rejections = split(read_source(tmp_path))
    assert [s.source for s in studies] == ["good.jpg"]
    expected = ["truncated", "not a readable", "not a readable", "exceeds the limit", "too small", "blank"]
    assert [word in r.reason for word, r in zip(expected, rejections, strict=True)] == [True] * 6


def test_rows_with_too_few_or_too_many_cells_are_told_apart(tmp_path):
    save_picture(tmp_path / "a.png")
    save_picture(tmp_path / "b.png")
    rows(tmp_path, "a.png,P1,S1,PA,heart normal, lungs clear\nb.png,P1,S1,PA\n")
    (study,), (rejection,) = split(read_source(tmp_path))
    assert "more cells than the header" in rejection.reason
    assert study.report == "" and study.flags == ("no report: the manifest's row has none",)


def test_an_index_column_without_name_is_ignored(tmp_path):
    save_picture(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text("," + HEADER + "0,a.png,P1,S1,PA,ok\n")
    studies, rejections = split(read_source(tmp_path))
    assert len(studies) == 1 and not rejections


def test_nul_bytes_and_control_characters_leave_the_report_readable(tmp_path):
    save_picture(tmp_path / "a.png")
    rows(tmp_path, b'a.png,P1,S1,PA,"cl\0ear\x07 lungs\x1b[31m\nsecond"\n')
    (study,), _ = split(read_source(tmp_path))
    assert study.report == "clear lungs[31m\nsecond"


def test_a_field_beyond_the_limit_ends_the_file_with_its_line_and_keeps_what_came_before(tmp_path):
    save_picture(tmp_path / "a.png")
    rows(tmp_path, "a.png,P1,S1,PA,ok\na.png,P1,S1,PA," + "x" * (2**20 + 10) + "\na.png,P1,S1,PA,ok\n")
    studies, rejections = split(read_source(tmp_path))
    assert len(studies) == 1 and "damaged from line 3 on" in rejections[0].reason


def test_an_open_quote_does_not_swallow_the_rest_into_a_report(tmp_path):
    save_picture(tmp_path / "a.png")
    rows(tmp_path, 'a.png,P1,S1,PA,"never closed\n' + "a.png,P1,S1,PA,ok\n" * 15000)
    assert "more than 200,000 characters" in only_reason(read_source(tmp_path))


def test_a_file_named_twice_with_other_values_is_refused(tmp_path):
    save_picture(tmp_path / "a.png")
    rows(tmp_path, "a.png,P1,S1,PA,left effusion\na.png,P2,S1,PA,normal\n")
    studies, (rejection,) = split(read_source(tmp_path))
    assert len(studies) == 1 and "row 2 names the same file" in rejection.reason


def test_reasons_carry_neither_report_nor_patient(tmp_path):
    save_picture(tmp_path / "a.png", np.zeros((9, 9), np.uint8))
    rows(tmp_path, "a.png,ZABRISKIE,1951-07-03,PA,Ottoline\nOttoline Zabriskie ../x,b,c,d,e\n")
    _, rejections = split(read_source(tmp_path))
    text = " ".join(r.source + r.reason for r in rejections).casefold()
    assert len(rejections) == 2 and "zabriskie" not in text and "ottoline" not in text


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_no_bytes_of_a_manifest_crash_intake(tmp_path, data):
    rows(tmp_path, data)
    assert all(isinstance(r.reason, str) for r in split(read_source(tmp_path))[1])
    (tmp_path / "manifest.csv").write_bytes(data)
    with contextlib.suppress(IntakeError):
        split(read_source(tmp_path))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_become_text(data):
    text = decode_text(data)
    assert "\0" not in text and text.encode("utf-8", "surrogatepass") is not None


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_utf_8_text_stays_as_it_is(text):
    assert decode_text(text.encode()) == text.removeprefix("\ufeff")


def test_report_files_are_bounded_and_old_encodings_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("Röntgen 37°".encode("cp1252"))
    assert read_report(tmp_path, "a.txt") == "Röntgen 37°"
    (tmp_path / "b.txt").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(IntakeError, match="larger than 1 MiB"):
        read_report(tmp_path, "b.txt")


def test_an_empty_or_broken_table_is_refused(tmp_path):
    for name, data in (("a.csv", b""), ("b.csv", b"\n\n"), ("c.csv.gz", b"not gzip")):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(IntakeError):
            read_csv(tmp_path / name)


def test_nothing_of_a_files_metadata_reaches_the_pixels_or_the_study(tmp_path):
    exif = Image.Exif()
    exif[0x010E], exif[0x013B] = "Ottoline Zabriskie", "Lakeside Infirmary"
    save_picture(tmp_path / "a.jpg", exif=exif)
    rows(tmp_path, "a.jpg,P1,S1,PA,ok\n")
    (study,), _ = split(read_source(tmp_path))
    assert b"Zabriskie" in (tmp_path / "a.jpg").read_bytes()
    buffer = io.BytesIO()
    buffer.write(study.png)
    assert b"Zabriskie" not in buffer.getvalue() and "Zabriskie" not in repr((study.header, study.flags, study.source))


def test_text_that_no_database_takes_comes_as_text_that_it_takes(tmp_path):
    save_picture(tmp_path / "a.png")
    entry = '{"id": "CXR1\\udc80", "report": "Heart \\ud800 normal.", "image_path": ["a.png"]}'
    (tmp_path / "annotation.json").write_text('{"train": [' + entry + "]}")
    (study,), _ = split(read_source(tmp_path))
    assert study.report == "Heart ? normal."
    repr(study).encode()
    assert study.patient_key.encode() == b"iu:1\\udc80"


@pytest.mark.skipif(os.name != "posix", reason="only there may file names be any bytes")
def test_a_file_name_that_is_not_utf_8_stops_nothing(tmp_path):
    data_set().save_as(tmp_path / os.fsdecode(b"q\xff.dcm"), enforce_file_format=True)
    data_set(chest(seed=1)).save_as(tmp_path / "z.dcm", enforce_file_format=True)
    studies, _ = split(read_source(tmp_path))
    assert [study.source for study in studies] == ["q\\udcff.dcm", "z.dcm"]
