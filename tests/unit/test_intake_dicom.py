"""What intake promises about DICOM: only frontal chests go on, everything else is listed with its reason."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmwrite
from pydicom.dataset import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from tests.real_data import FOLDER as DEV
from tests.real_data import needs_real_data
from tests.unit.intake_sources import chest, data_set, lut_item, only_reason, save_dicom, save_picture, split
from updp_core.errors import IntakeError
from updp_core.intake import read_source
from updp_core.intake.dicom_pixels import codestream, lookup, normalised
from updp_core.intake.header import header_values
from updp_core.intake.pixels import decode_png


def code(meaning: str) -> Dataset:
    item = Dataset()
    item.CodeMeaning = meaning
    item.CodeValue = "X"
    return item


@pytest.mark.parametrize(
    ("attributes", "view"),
    [
        ({}, "PA"),
        ({"ViewPosition": "AP"}, "AP"),
        ({"BodyPartExamined": "CHEST_PORT"}, "PA"),
        ({"BodyPartExamined": "CHESTPA"}, "PA"),
        ({"Modality": "DX", "BodyPartExamined": "THORAX"}, "PA"),
        ({"BodyPartExamined": None, "StudyDescription": "XR CHEST PA"}, "PA"),
        ({"ViewPosition": None, "ViewCodeSequence": [code("antero-posterior")]}, "AP"),
        ({"ViewPosition": "", "SeriesDescription": "CHEST AP PORT GRID"}, "AP"),
        ({"ViewPosition": None, "StudyDescription": "XR CHEST 1V PORTABLE"}, "frontal"),
        ({"ViewPosition": None, "StudyDescription": "Chest PA and lateral", "SeriesDescription": "PA"}, "PA"),
        ({"ViewPosition": None, "PatientOrientation": ["L", "F"]}, "frontal"),
        ({"InstitutionName": "Hand and Spine Center"}, "PA"),
    ],
)
def test_frontal_chests_go_on(tmp_path, attributes, view):
    save_dicom(tmp_path / "image", **attributes)
    (study,), rejections = split(read_source(tmp_path))
    assert not rejections
    assert (study.view, study.bit_depth, study.report) == (view, 8, "")
    assert any(flag.startswith("no report") for flag in study.flags)


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"Modality": "CT"}, "modality CT is not"),
        ({"Modality": "RF"}, "modality RF is not"),
        ({"Modality": None}, "not a projection radiograph"),
        ({"ViewPosition": "LL"}, "View Position says lateral"),
        ({"ViewPosition": "LLD"}, "decubitus"),
        ({"ViewPosition": "AP", "SeriesDescription": "Chest Lateral"}, "series description says lateral"),
        ({"ViewPosition": None, "PatientOrientation": ["P", "F"]}, "Patient Orientation says lateral"),
        ({"ViewPosition": None}, "no view is stated"),
        ({"ViewPosition": None, "StudyDescription": "Chest PA and lateral"}, "without saying which one"),
        ({"BodyPartExamined": "KNEE"}, "body part is leg"),
        ({"BodyPartExamined": "TSPINE"}, "body part is spine"),
        ({"BodyPartExamined": "MRS SMITH"}, "something other than the chest"),
        ({"BodyPartExamined": None, "StudyDescription": "Thoracic spine AP"}, "spine"),
        ({"BodyPartExamined": None, "StudyDescription": "Chest and abdomen AP"}, "abdomen"),
        ({"BodyPartExamined": None}, "nothing in the header says that this is a chest"),
        ({"BodyPartExamined": None, "InstitutionName": "Chest Clinic"}, "nothing in the header says"),
        ({"SeriesDescription": "KNEE AP"}, "not clearly a chest"),
        ({"AcquisitionDeviceProcessingDescription": "FELINE THORAX"}, "'feline'"),
        ({"InstitutionName": "City Veterinary Hospital"}, "'veterinary'"),
        ({"PatientBreedDescription": "Beagle"}, "species or breed"),
        ({"NumberOfFrames": 2}, "multi-frame"),
        ({"Rows": 40, "Columns": 48}, "too small"),
        ({"Rows": 60000, "Columns": 60000}, "exceeds the limit"),
        ({"Rows": 95}, "damaged"),
        ({"Rows": None}, "does not describe an image"),
        ({"PhotometricInterpretation": "HSV"}, "photometric interpretation"),
        ({"BitsAllocated": 32, "BitsStored": 32, "HighBit": 31}, "bits"),
    ],
)
def test_everything_else_is_listed_with_its_reason(tmp_path, attributes, reason):
    ds = data_set(**attributes)
    if attributes.get("Rows") == 95:
        ds.PixelData = ds.PixelData[:5000]
    save_dicom(tmp_path / "image.dcm", ds)
    save_dicom(tmp_path / "good.dcm")
    studies, rejections = split(read_source(tmp_path))
    assert [s.source for s in studies] == ["good.dcm"]
    assert [r.source for r in rejections] == ["image.dcm"]
    assert reason in rejections[0].reason
    assert not {"SMITH", "Zabriskie", "MRN00417", "Beagle"} & set(rejections[0].reason.replace("'", " ").split())


def test_missing_pixels_blank_pixels_and_files_that_are_no_dicom_are_listed(tmp_path):
    empty = data_set()
    del empty.PixelData
    save_dicom(tmp_path / "a", empty)
    save_dicom(tmp_path / "b", data_set(np.full((80, 80), 7, np.uint8)))
    (tmp_path / "c.dcm").write_bytes(b"not DICOM at all" * 20)
    (tmp_path / "d").write_bytes(b"\0" * 128 + b"DICM" + b"\x02\x00")
    save_picture(tmp_path / "e.png")
    (tmp_path / "notes.txt").write_text("ignored")
    studies, rejections = split(read_source(tmp_path, "dicom"))
    reasons = {r.source: r.reason for r in rejections}
    assert not studies and set(reasons) == set("ab") | {"c.dcm", "d", "e.png"}
    assert "no pixel data" in reasons["a"] and "blank" in reasons["b"]
    assert "not a DICOM file" in reasons["c.dcm"] and "not a DICOM file" in reasons["e.png"]


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_damaged_compressed_pixels_are_listed(tmp_path, syntax):
    ds = data_set(np.random.default_rng(0).integers(0, 4096, (96, 96)).astype(np.uint16), bits=12)
    with warnings.catch_warnings(action="ignore"):
        ds.compress(syntax)
    whole = save_dicom(tmp_path / "whole.dcm", ds).read_bytes()
    for number, length in enumerate((400, len(whole) // 2, len(whole) - 3000)):
        (tmp_path / f"cut{number}.dcm").write_bytes(whole[:length])
    studies, rejections = split(read_source(tmp_path))
    assert [s.source for s in studies] == ["whole.dcm"]
    assert len(rejections) == 3


@pytest.mark.parametrize("syntax", [JPEG2000Lossless, JPEGLSLossless])
def test_a_stream_larger_than_its_header_says_is_refused_before_decoding(tmp_path, syntax):
    ds = data_set(np.zeros((512, 512), np.uint16), bits=12)
    with warnings.catch_warnings(action="ignore"):
        ds.compress(syntax)
    ds.Rows = ds.Columns = 64
    save_dicom(tmp_path / "bomb.dcm", ds)
    assert "disagree on the image's size" in only_reason(read_source(tmp_path))


def test_deflated_files_are_refused_without_inflating(tmp_path):
    ds = data_set()
    ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    save_dicom(tmp_path / "deflated.dcm", ds)
    assert "deflated" in only_reason(read_source(tmp_path))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=64))
def test_any_start_of_a_stream_gives_a_size_or_none(tail):
    for head in (b"", b"\xff\xd8", b"\xff\xd8\xff\xe0", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n"):
        stream = codestream(head + tail)
        assert stream is None or stream.precision > 0 or head != b"\xff\x4f\xff\x51"


def test_files_with_flipped_bytes_never_stop_the_rest_nor_quote_themselves(tmp_path, caplog, recwarn):
    whole = save_dicom(tmp_path / "good.dcm", data_set(WindowCenter=100, WindowWidth=200)).read_bytes()
    random = np.random.default_rng(3)
    for number in range(150):
        content = bytearray(whole)
        for _ in range(int(random.integers(1, 12))):
            content[random.integers(132, 1000)] = random.integers(0, 256)
        (tmp_path / f"{number}.dcm").write_bytes(bytes(content))
    studies, rejections = split(read_source(tmp_path, "dicom"))
    assert "good.dcm" in {s.source for s in studies}
    assert len(studies) + len(rejections) == 151 and len(rejections) > 20
    assert not any("Zabriskie" in r.reason for r in rejections)
    assert caplog.text == "" and not recwarn.list


def test_the_header_states_identifiers_of_every_kind():
    step = Dataset()
    step.ScheduledPerformingPhysicianName = "Quimby^Ada"
    step.RequestedProcedureID = "RP-55821"
    ds = data_set(
        SpecificCharacterSet="ISO_IR 192",
        PatientName="Zabriskie^Ottoline^M^^Dr=山田^太郎",
        OtherPatientIDs=["HX-99812", "2"],
        PatientBirthDate="19510703",
        StudyDate="20240229",
        ReferringPhysicianName="Nakamura^Kei",
        OperatorsName=["Bell^Jo", "XX"],
        InstitutionName="Lakeside Infirmary",
        InstitutionAddress="12 Quay Road",
        InstitutionalDepartmentName="Imaging West",
        StationName="DXROOM07",
        DeviceSerialNumber="SN-4471-B",
        PatientTelephoneNumbers="555 0173",
        RequestAttributesSequence=[step],
        ReasonForVisit="not an identifier",
    )
    header = header_values(ds)
    assert header["patient_name"] == ("Zabriskie^Ottoline^M^^Dr", "山田^太郎")
    assert set(header["physician"]) == {"Nakamura^Kei", "Bell^Jo", "Quimby^Ada"}
    assert header["patient_id"] == ("MRN00417",) and header["accession"] == ("ACC20417",)
    assert set(header["institution"]) == {"Imaging West", "Lakeside Infirmary"}
    assert set(header["address"]) == {"12 Quay Road", "555 0173"}
    assert set(header["date"]) == {"19510703", "20240229"}
    assert set(header["other_id"]) == {"HX-99812", "DXROOM07", "SN-4471-B", "RP-55821"}


def test_reports_come_from_sidecar_then_table_then_structured_report_then_header(tmp_path):
    def image(name: str, **attributes) -> Dataset:
        return data_set(StudyInstanceUID=f"1.2.{name}", AccessionNumber=f"ACC000{name}", **attributes)

    save_dicom(tmp_path / "a" / "1.dcm", image("1", InterpretationText="from the header"))
    (tmp_path / "a" / "1.txt").write_text("FINDINGS: from the sidecar", "utf-8")
    save_dicom(tmp_path / "a" / "1.2.840.2", image("2"))
    save_dicom(tmp_path / "a" / "3", image("3"))
    save_dicom(tmp_path / "a" / "4", image("4", InterpretationText="from the header"))
    save_dicom(tmp_path / "a" / "5", image("5"))
    (tmp_path / "a" / "1.2.txt").write_text("of something else", "utf-8")
    (tmp_path / "reports.csv").write_text(
        "accession_number,findings,impression\nACC0001,no,no\nACC0002,Clear lungs,Normal\nACC0005,one,\nACC0005,two,\n"
    )
    report = Dataset()
    report.file_meta = data_set().file_meta
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = BasicTextSRStorage
    report.SOPInstanceUID, report.Modality, report.StudyInstanceUID = generate_uid(), "SR", "1.2.3"
    report.VerifyingObserverName = "Okafor^Ngozi"
    section, text = Dataset(), Dataset()
    section.ValueType, section.RelationshipType, section.ConceptNameCodeSequence = (
        "CONTAINER",
        "CONTAINS",
        [code("Findings")],
    )
    text.ValueType, text.RelationshipType, text.TextValue = "TEXT", "CONTAINS", "from the structured report"
    section.ContentSequence = [text]
    report.ContentSequence = [section]
    save_dicom(tmp_path / "z" / "sr", report)

    studies, rejections = split(read_source(tmp_path))
    reports = {s.study_key: s.report for s in studies}
    assert not rejections
    assert reports == {
        "1.2.1": "FINDINGS: from the sidecar",
        "1.2.2": "FINDINGS: Clear lungs\nIMPRESSION: Normal",
        "1.2.3": "FINDINGS:\nfrom the structured report",
        "1.2.4": "from the header",
        "1.2.5": "",
    }
    assert "Okafor^Ngozi" in next(s for s in studies if s.study_key == "1.2.3").header["physician"]
    doubtful = next(s for s in studies if s.study_key == "1.2.5")
    assert doubtful.flags == ("no report: the table holds different reports for this accession",)


def test_a_single_dicom_file_is_a_source_and_its_neighbours_are_not_read(tmp_path):
    save_dicom(tmp_path / "one.dcm")
    save_dicom(tmp_path / "two.dcm")
    studies, rejections = split(read_source(tmp_path / "one.dcm"))
    assert [s.source for s in studies] == ["one.dcm"] and not rejections


def test_links_out_of_the_folder_are_listed_and_not_followed(tmp_path):
    save_dicom(tmp_path / "outside" / "secret.dcm")
    save_dicom(tmp_path / "in" / "good.dcm")
    (tmp_path / "in" / "file.dcm").symlink_to(tmp_path / "outside" / "secret.dcm")
    (tmp_path / "in" / "folder").symlink_to(tmp_path / "outside")
    (tmp_path / "in" / "good.txt").symlink_to(tmp_path / "outside" / "secret.dcm")
    (tmp_path / "in" / "broken.dcm").symlink_to(tmp_path / "nowhere")
    studies, rejections = split(read_source(tmp_path / "in"))
    assert not studies
    reasons = {r.source: r.reason for r in rejections}
    assert "link that leads out" in reasons["file.dcm"] and "linked folders" in reasons["folder"]
    assert (
        "its report: the file is a link that leads out" in reasons["good.dcm"]
        and "does not exist" in reasons["broken.dcm"]
    )


def test_a_window_without_contrast_is_flagged_and_the_range_of_the_pixels_used(tmp_path):
    image, _, flags = normalised(data_set(chest().astype(np.uint16) * 16, bits=12, WindowCenter=60000, WindowWidth=10))
    assert flags and flags[0].startswith("window:")
    assert image.min() == 0 and image.max() == 65535


def test_without_a_window_the_range_ignores_padding_and_a_few_hot_pixels():
    image = chest(200, 200).astype(np.uint16) * 8 + 1000
    image[:40] = 65535
    image[100, 100] = 60000
    result, _, _ = normalised(data_set(image, PixelPaddingValue=65535))
    assert result[60:].astype(float).std() > 5000
    assert normalised(data_set(image))[0][60:].astype(float).std() < 2000


def test_rgb_dicom_becomes_grey_and_colour_is_flagged():
    grey = np.repeat(chest()[..., None], 3, axis=2)
    image, depth, flags = normalised(data_set(grey))
    np.testing.assert_array_equal(image, chest().astype(np.uint16) * 257)
    assert depth == 8 and flags == ()
    tinted = grey.copy()
    tinted[..., 2] //= 4
    assert normalised(data_set(tinted))[2][0].startswith("colour")


def test_a_table_that_uses_a_part_of_its_stated_range_still_reaches_white():
    mapped, top = lookup(np.array([0, 1023, 5000]), lut_item([1024, 0, 16], np.arange(1024)))
    np.testing.assert_array_equal(mapped, [0, 1023, 1023])
    assert top == 1023
    with pytest.raises(IntakeError, match="damaged"):
        lookup(np.array([0]), lut_item([4096, 0, 16], np.arange(10)))


def test_patients_without_an_id_are_kept_apart_by_study(tmp_path):
    save_dicom(tmp_path / "a", PatientID="", StudyInstanceUID="1.2.3")
    save_dicom(tmp_path / "b", PatientID="7", IssuerOfPatientID="Ward", StudyInstanceUID="1.2.4")
    studies, _ = split(read_source(tmp_path))
    assert [s.patient_key for s in studies] == ["study:1.2.3", "Ward|7"]


def test_remarks_of_the_header_reach_the_reviewer(tmp_path):
    save_dicom(
        tmp_path / "a",
        BurnedInAnnotation="YES",
        PresentationIntentType="FOR PROCESSING",
        PatientOrientation=["L", "H"],
    )
    (study,), _ = split(read_source(tmp_path))
    kinds = [flag.split(":")[0] for flag in study.flags]
    assert {"orientation", "burned-in text", "processing", "no report"} <= set(kinds)


@needs_real_data
def test_of_the_real_files_the_chests_go_on_and_the_rest_is_listed_truly(tmp_path):
    studies, rejections = split(read_source(DEV / "dicom"))
    assert {s.source: s.view for s in studies} == {
        "NEMA_RG1_chestPA_mono1_15bit_j2k.dcm": "PA",
        "NEMA_RG1_chestPA_mono1_jpegls_near.dcm": "PA",
        "PSEUDOPHI_chestAP_burnedin_rle_mono1.dcm": "AP",
        "RSNA_chestPA_fake_mono1.dcm": "PA",
        "RSNA_chestPA_jpeg8.dcm": "PA",
    }
    reasons = {r.source.split("_")[0] + r.source[-8:-4]: r.reason for r in rejections}
    assert "teeth" in reasons["FODICOM_lut"] and "canine" in reasons["HIGHDICOMorax"]
    assert "extremity" in reasons["NEMAless"] and "no pixel data" in reasons["PSEUDOPHIxels"]
    assert "spine" in reasons["PYDICOMtiny"]
    looks_inverted = [s.source for s in studies if any(f.startswith("polarity") for f in s.flags)]
    assert looks_inverted == ["RSNA_chestPA_fake_mono1.dcm"]
    name = "RSNA_chestPA_jpeg8.dcm"
    shutil.copy(DEV / "dicom" / name, tmp_path / name)
    assert split(read_source(tmp_path))[0][0].sha256 == next(s.sha256 for s in studies if s.source == name)


def test_a_big_endian_file_with_a_table_gives_the_same_picture(tmp_path):
    image = chest().astype(np.uint16) * 16
    table = (4095 - np.arange(4096)) * 16
    little = data_set(image, bits=12, VOILUTSequence=[lut_item([4096, 0, 16], table)])
    item = Dataset()
    item.add_new(0x00283002, "US", [4096, 0, 16])
    item.add_new(0x00283006, "OW", table.astype(">u2").tobytes())
    big = data_set(image, bits=12, VOILUTSequence=[item])
    big.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    big.PixelData = image.astype(">u2").tobytes()
    dcmwrite(tmp_path / "big.dcm", big, implicit_vr=False, little_endian=False, force_encoding=True)
    (study,), _ = split(read_source(tmp_path))
    np.testing.assert_array_equal(decode_png(study.png), normalised(little)[0])


@pytest.mark.parametrize("vr", ["LO", "LT", "OB", "UN"])
def test_an_element_is_what_its_tag_says_whatever_the_device_wrote_beside_it(vr):
    ds = Dataset()
    for tag, value in ((0x00100010, "Zabriskie^Ottoline"), (0x00100030, "19600131"), (0x00080090, "Bell^Jo")):
        ds.add_new(tag, vr, value.encode() if vr in ("OB", "UN") else value)
    found = header_values(ds)
    assert found["patient_name"] == ("Zabriskie^Ottoline",)
    assert found["date"] == ("19600131",)
    assert found["physician"] == ("Bell^Jo",)


@pytest.mark.parametrize("written", ["1960.01.31", "1960-01-31", "19600131120000.000000"])
def test_a_date_in_another_form_than_the_standards_is_one_all_the_same(written):
    ds = Dataset()
    ds.add_new(0x00100030, "LO", written)
    assert header_values(ds)["date"] == ("19600131",)


def test_a_name_in_utf8_that_the_header_does_not_announce_is_also_read_as_it_was_meant():
    ds = Dataset()
    ds.PatientName = "Müllenscheid^Jürgen".encode().decode("latin-1")
    assert "Müllenscheid^Jürgen" in header_values(ds)["patient_name"]
