"""What intake promises about layouts: manifests, IU X-Ray, MIMIC-CXR-JPG, and telling them apart."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from tests.real_data import FOLDER as DEV
from tests.real_data import needs_real_data
from tests.unit.intake_sources import chest, save_dicom, save_picture, split
from updp_core.errors import IntakeError
from updp_core.intake import read_source
from updp_core.intake.layouts import recognise
from updp_core.intake.looks import polarity_and_upright
from updp_core.intake.pixels import decode_png, from_8bit
from updp_core.intake.pool import Pool, shared_pool
from updp_core.report import sections

HEADER = "file,patient_id,study_id,view,report_text\n"


def manifest(folder: Path, rows: str, header: str = HEADER, encoding: str = "utf-8") -> Path:
    (folder / "manifest.csv").write_bytes((header + rows).encode(encoding))
    return folder / "manifest.csv"


def test_a_manifest_row_becomes_a_study_with_its_pixels_report_and_identifiers(tmp_path):
    save_picture(tmp_path / "images" / "one.png")
    manifest(tmp_path, 'images/one.png,MRN-4471,ST-2024-9,AP Supine,"Line one.\nHeart, normal."\n')
    (study,), rejections = split(read_source(tmp_path))
    assert not rejections
    assert (study.source, study.patient_key, study.study_key) == ("images/one.png", "MRN-4471", "ST-2024-9")
    assert study.report == "Line one.\nHeart, normal." and study.view == "AP"
    np.testing.assert_array_equal(decode_png(study.png), from_8bit(chest()))
    assert dict(study.header) == {"patient_id": ("MRN-4471",), "other_id": ("ST-2024-9",)}
    assert study.flags == ("view: the patient lay supine",) and len(study.sha256) == 64


def test_every_row_is_a_study_or_a_rejection_with_its_line_number(tmp_path):
    save_picture(tmp_path / "a.png")
    manifest(tmp_path, "a.png,P1,S1,PA,ok\n\nb.png,P1,S1,PA,ok\na.png,P1,S1,Lateral,ok\na.png,P1,S1,PA,ok\n")
    studies, rejections = split(read_source(tmp_path / "manifest.csv"))
    assert len(studies) == 2  # the same row twice is left to the store, which keeps one record of the same bytes
    assert [r.source for r in rejections] == ["manifest.csv row 4: b.png", "manifest.csv row 5: a.png"]
    assert rejections[0].reason == "the file does not exist"
    assert "row 2 names the same file with other values" in rejections[1].reason


@pytest.mark.parametrize(
    ("view", "expected"),
    [("PA", "PA"), ("ap", "AP"), ("Frontal", "frontal"), ("frontal (PA/AP not stated)", "frontal"), ("AP_erect", "AP")],
)
def test_frontal_views_are_understood(tmp_path, view, expected):
    save_picture(tmp_path / "a.png")
    manifest(tmp_path, f"a.png,P1,S1,{view},ok\n")
    (study,), _ = split(read_source(tmp_path))
    assert study.view == expected
    assert ("view: frontal, PA or AP is not stated" in study.flags) == (expected == "frontal")


@pytest.mark.parametrize(
    ("view", "reason"),
    [("Lateral", "lateral"), ("", "not stated"), ("upright", "not one that is known"), ("PA and lateral", "lateral")],
)
def test_other_views_are_listed(tmp_path, view, reason):
    save_picture(tmp_path / "a.png")
    manifest(tmp_path, f"a.png,P1,S1,{view},ok\n")
    assert reason in split(read_source(tmp_path))[1][0].reason


def test_a_row_without_report_is_taken_and_flagged(tmp_path):
    save_picture(tmp_path / "a.png")
    manifest(tmp_path, "a.png,P1,S1,PA,  \n")
    (study,), rejections = split(read_source(tmp_path))
    assert not rejections and study.flags == ("no report: the manifest's row has none",)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encodings_and_delimiters_of_spreadsheets_are_read(tmp_path, encoding, delimiter):
    save_picture(tmp_path / "a.png")
    row = delimiter.join(["a.png", "P1", "S1", "PA", "Größe normal – 37°"])
    manifest(tmp_path, f"{row}\r\n", HEADER.replace(",", delimiter), encoding)
    (study,), _ = split(read_source(tmp_path))
    assert study.report == "Größe normal – 37°"


def test_columns_can_be_named_otherwise_or_mapped(tmp_path):
    save_picture(tmp_path / "a.png")
    manifest(tmp_path, "a.png,77001,PA,Clear.,None.\n", "Image,Subject_ID,ViewPosition,findings,impression\n")
    (study,), _ = split(read_source(tmp_path))
    assert study.report == "FINDINGS: Clear.\nIMPRESSION: None." and study.patient_key == "77001"
    manifest(tmp_path, "a.png,77001,PA,Klar.\n", "bild,patient_id,view,befund\n")
    with pytest.raises(
        IntakeError, match=r"lacks the column file and report_text. Found: bild, patient_id, view, befund"
    ):
        read_source(tmp_path)
    (study,), _ = split(read_source(tmp_path, columns={"file": "bild", "report_text": "befund"}))
    assert study.report == "Klar."
    with pytest.raises(IntakeError, match="lacks: text2"):
        read_source(tmp_path, columns={"report_text": "text2"})
    with pytest.raises(IntakeError, match="Unknown column reports"):
        read_source(tmp_path, columns={"reports": "befund"})


def test_a_manifest_without_header_line_does_not_repeat_its_first_row(tmp_path):
    manifest(tmp_path, "", "a.png,Ottoline Zabriskie 1951-07-03,MRN00417,PA,none\n")
    with pytest.raises(IntakeError, match="is the header line missing") as caught:
        read_source(tmp_path)
    assert "MRN00417" not in str(caught.value) and "1951" not in str(caught.value)


def test_a_dicom_file_in_a_manifest_keeps_its_header_and_is_judged_by_it(tmp_path):
    save_dicom(tmp_path / "a.dcm", ReferringPhysicianName="Nakamura^Kei")
    save_dicom(tmp_path / "b.dcm", ViewPosition="LL")
    save_dicom(tmp_path / "c.dcm", ViewPosition=None)
    rows = "a.dcm,MRN00417,S1,PA,ok\nb.dcm,P2,S1,PA,ok\nc.dcm,P3,S1,AP,ok\n"
    manifest(tmp_path, rows)
    studies, rejections = split(read_source(tmp_path))
    assert [(s.patient_key, s.view) for s in studies] == [("MRN00417", "PA"), ("P3", "AP")]
    assert "Nakamura^Kei" in studies[0].header["physician"]
    assert not any("different ids" in f for f in studies[0].flags) and any(
        "different ids" in f for f in studies[1].flags
    )
    assert "View Position says lateral" in rejections[0].reason


def iu(folder: Path) -> None:
    for name in ("1_IM-0001-1001.dcm.png", "1_IM-0001-2001.dcm.png", "2_IM-0002-1001.dcm.png"):
        save_picture(folder / "images" / "images_normalized" / name)
    (folder / "indiana_reports.csv").write_text(
        "uid,MeSH,Problems,image,indication,comparison,findings,impression\n"
        "1,normal,normal,PA,Cough,,The lungs are clear.,No acute disease.\n2,,,PA,,,,\n9,,,PA,,,Text,\n"
    )
    (folder / "indiana_projections.csv").write_text(
        "uid,filename,projection\n1,1_IM-0001-1001.dcm.png,Frontal\n1,1_IM-0001-2001.dcm.png,Lateral\n"
        "2,2_IM-0002-1001.dcm.png,Frontal\n3,3_IM-0003-1001.dcm.png,Frontal\n3,../../etc/passwd,Frontal\n"
    )


def test_the_iu_layout_takes_frontal_images_with_their_sections(tmp_path):
    iu(tmp_path)
    studies, rejections = split(read_source(tmp_path))
    assert [s.patient_key for s in studies] == ["iu:1", "iu:2"]
    assert studies[0].report == "INDICATION: Cough\nFINDINGS: The lungs are clear.\nIMPRESSION: No acute disease."
    assert studies[1].flags[-1] == "no report: findings and impression are empty"
    assert studies[0].header == {}
    reasons = [r.reason for r in rejections]
    assert "lateral" in reasons[0] and "does not exist" in reasons[1] and "'..'" in reasons[2]
    assert rejections[3].source == "report 9" and len(rejections) == 4
    assert all("passwd" not in r.source + r.reason for r in rejections)


def test_the_iu_layout_says_what_it_lacks(tmp_path):
    (tmp_path / "our_reports.csv").write_text("uid,findings,impression\n")
    with pytest.raises(IntakeError, match=r"indiana_projections\.csv"):
        read_source(tmp_path)
    (tmp_path / "indiana_projections.csv").write_text("uid,name\n")
    with pytest.raises(IntakeError, match=r"indiana_projections\.csv lacks the column filename and projection"):
        read_source(tmp_path)


def test_annotation_json_takes_the_first_image_of_each_report(tmp_path):
    for name in ("CXR7_IM-1/0.png", "CXR7_IM-1/1.png"):
        save_picture(tmp_path / "images" / name)
    entries = [
        {"id": "CXR7_IM-1", "report": "Clear.", "image_path": ["CXR7_IM-1/0.png", "CXR7_IM-1/1.png"], "split": "val"},
        {"id": "CXR8", "report": "x", "image_path": ["../../secret.png"]},
        {"id": "CXR9", "report": "x", "image_path": "0.png"},
        {"id": "aa-1", "subject_id": 1, "study_id": 2, "report": "x", "image_path": ["CXR7_IM-1/0.png"]},
        "nonsense",
    ]
    (tmp_path / "annotation.json").write_text(json.dumps({"val": entries}))
    (study,), rejections = split(read_source(tmp_path))
    assert (study.report, study.split, study.patient_key) == ("Clear.", "val", "iu:7")
    assert study.flags == ("view: frontal only by annotation.json's convention (the first image of a report)",)
    expected = ("not the first", "'..'", "lacks", "states no view", "lacks")
    assert [words in r.reason for words, r in zip(expected, rejections, strict=True)] == [True] * 5
    (tmp_path / "annotation.json").write_text("[1, 2]")
    with pytest.raises(IntakeError, match="not of the form"):
        read_source(tmp_path)


MIMIC_REPORT = """                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___ year old with cough // pneumonia?

 FINDINGS:

 The lungs are clear.  There is no effusion: none.

 IMPRESSION:

 No acute process.
"""


def mimic(folder: Path, compressed: bool = False) -> None:
    study = folder / "files" / "p10" / "p10000032" / "s50414267"
    for image in ("aa-1", "bb-2", "cc-3", "dd-4"):
        save_picture(study / f"{image}.jpg")
    save_picture(folder / "files" / "p10" / "p10000032" / "s59999999" / "ee-5.jpg")
    (study.parent / "s50414267.txt").write_text(MIMIC_REPORT)
    tables = {
        "mimic-cxr-2.0.0-metadata.csv": "dicom_id,subject_id,study_id,ViewPosition,StudyDate,"
        "ViewCodeSequence_CodeMeaning\n"
        "aa-1,10000032,50414267,PA,21800506,postero-anterior\nbb-2,10000032,50414267,LATERAL,21800506,lateral\n"
        "cc-3,10000032,50414267,,21800506,antero-posterior\nee-5,10000032,59999999,AP,21800507,\n",
        "mimic-cxr-2.0.0-split.csv": "dicom_id,study_id,subject_id,split\naa-1,50414267,10000032,train\n",
    }
    for name, text in tables.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / name).write_text(text)


@pytest.mark.parametrize("compressed", [False, True])
def test_the_mimic_layout_goes_by_its_metadata(tmp_path, compressed):
    mimic(tmp_path, compressed)
    studies, rejections = split(read_source(tmp_path))
    assert [(Path(s.source).stem, s.view, s.split) for s in studies] == [
        ("aa-1", "PA", "train"),
        ("cc-3", "AP", ""),
        ("ee-5", "AP", ""),
    ]
    assert studies[0].report == MIMIC_REPORT and studies[0].flags == ()
    assert studies[2].flags == ("no report: its file is missing beside the study's folder",)
    assert dict(studies[0].header) == {"patient_id": ("10000032",), "date": ("21800506",), "other_id": ("50414267",)}
    reasons = {Path(r.source).stem: r.reason for r in rejections}
    assert "lateral" in reasons["bb-2"] and "no row for this image" in reasons["dd-4"] and len(reasons) == 2


def test_the_mimic_layout_without_metadata_says_so(tmp_path):
    mimic(tmp_path)
    (tmp_path / "mimic-cxr-2.0.0-metadata.csv").unlink()
    with pytest.raises(IntakeError, match=r"metadata\.csv is missing"):
        read_source(tmp_path)


def test_report_sections_are_parsed_and_a_report_without_findings_is_flagged(tmp_path):
    parsed = sections(MIMIC_REPORT)
    assert list(parsed) == ["", "examination", "indication", "findings", "impression"]
    assert parsed["findings"] == "The lungs are clear.  There is no effusion: none."
    mimic(tmp_path)
    sidecar = next(tmp_path.rglob("s50414267.txt"))
    sidecar.write_text("EXAMINATION: chest\n\nINDICATION: cough\n")
    studies, _ = split(read_source(tmp_path))
    assert studies[0].flags == ("report: it has sections, but neither findings nor an impression",)


def test_layouts_are_told_apart(tmp_path):
    mimic(tmp_path / "m")
    iu_folder = tmp_path / "i"
    iu_folder.mkdir()
    iu(iu_folder)
    save_dicom(tmp_path / "d" / "deep" / "er" / "image")
    save_dicom(tmp_path / "c" / "x.dcm")
    manifest(tmp_path / "c", "")
    found = {name: recognise(tmp_path / name) for name in "midc"}
    assert found == {"m": "mimic-cxr", "i": "iu-xray", "d": "dicom", "c": "csv"}


def test_sources_that_cannot_be_read_get_a_clear_answer(tmp_path):
    picture = save_picture(tmp_path / "pictures" / "a.png")
    empty = tmp_path / "empty"
    empty.mkdir()
    for source, answer in (
        (picture, "single image says nothing"),
        (picture.parent, "Add a manifest.csv with the columns file, patient_id"),
        (empty, "no DICOM files and no manifest.csv"),
        (tmp_path / "absent", "does not exist"),
    ):
        with pytest.raises(IntakeError, match=answer):
            read_source(source)
    with pytest.raises(IntakeError, match="Unknown layout 'nifti'"):
        read_source(empty, "nifti")


def test_no_more_than_a_few_images_are_read_ahead(tmp_path, monkeypatch):
    rows = "".join(f"{save_picture(tmp_path / f'{n}.png').name},P{n},S{n},PA,ok\n" for n in range(40))
    manifest(tmp_path, rows)
    asked = []
    real = Pool.ask
    monkeypatch.setattr(Pool, "ask", lambda self, request: asked.append(request) or real(self, request))
    stream = read_source(tmp_path)
    assert asked == []
    next(stream)
    assert 1 <= len(asked) <= 2 * shared_pool().size + 1
    assert len(split(stream)[0]) == len(asked) - 1 == 39


def test_inverting_or_turning_an_image_reverses_the_answer_about_its_looks():
    image = from_8bit(chest(200, 160))
    polarity, upright = polarity_and_upright(image)
    assert polarity > 0 and upright > 0
    for changed, signs in (
        (65535 - image, (-1, 1)),
        (image[::-1], (1, -1)),
        (65535 - image[::-1], (-1, -1)),
        (image[:, ::-1], (1, 1)),
    ):
        result = polarity_and_upright(changed)
        np.testing.assert_allclose(result, (signs[0] * polarity, signs[1] * upright), rtol=1e-3)


@needs_real_data
def test_every_row_of_the_real_manifests_is_a_record_and_one_of_230_pictures_is_misjudged():
    misjudged = []
    for name, rows, without_text, patients in (("manifest.csv", 160, 60, 79), ("manifest_nih.csv", 70, 70, 40)):
        studies, rejections = split(read_source(DEV / name))
        assert len(studies) == rows and not rejections
        assert sum(any(f.startswith("no report") for f in s.flags) for s in studies) == without_text
        assert len({s.patient_key for s in studies}) == patients
        misjudged += [s.source for s in studies if any(f.startswith(("polarity", "orientation")) for f in s.flags)]
    assert misjudged == ["images/HAN-0664ee2b_101.png"]
