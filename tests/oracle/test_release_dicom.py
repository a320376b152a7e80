"""The released DICOM objects, judged by others: pydicom's reader and dicom3tools' dciodvfy."""

from __future__ import annotations

import datetime as dt
import io
import shutil
import subprocess

import numpy as np
import pydicom
import pytest

from updp_core.errors import ReleaseError
from updp_core.methods import METHODS, Derivation, derivation_of
from updp_core.release import dicom

DERIVATIONS = {
    derivation.sentence: derivation
    for entry in METHODS.values()
    for derivation in (entry.derivation({}), entry.derivation({"generation": {"strength": 0.5}}))
}
TEXT = derivation_of("updp", {})
IMAGES = {
    "square": np.random.default_rng(1).integers(0, 256, (256, 256), dtype=np.uint8),
    "odd": np.random.default_rng(2).integers(0, 256, (127, 95), dtype=np.uint8),
    "view": np.random.default_rng(3).integers(0, 256, (300, 300), dtype=np.uint8)[::2, 1::3],
}


def write(image: np.ndarray, derivation: Derivation = TEXT) -> bytes:
    return dicom.dicom_bytes(
        image,
        patient="p0123456789abcdef",
        study_uid=dicom.new_uid(),
        version="0.1.0",
        today=dt.date(2031, 2, 3),
        derivation=derivation,
    )


@pytest.mark.parametrize("name", IMAGES)
def test_pydicom_reads_the_pixels_back_exactly(name):
    read = pydicom.dcmread(io.BytesIO(write(IMAGES[name])))
    assert np.array_equal(read.pixel_array, IMAGES[name])


@pytest.mark.parametrize("derivation", DERIVATIONS.values(), ids=list(DERIVATIONS))
def test_only_allow_listed_attributes_are_written(derivation):
    read = pydicom.dcmread(io.BytesIO(write(IMAGES["square"], derivation)))
    keywords = {element.keyword for element in read.iterall()}
    assert keywords <= dicom.ALLOWED
    assert not any(element.tag.is_private for element in read.iterall())
    assert set(read.file_meta.dir()) == {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }


def test_the_allow_list_names_nothing_that_is_never_written():
    read = pydicom.dcmread(io.BytesIO(write(IMAGES["square"])))
    assert {element.keyword for element in read.iterall()} == dicom.ALLOWED


def test_an_attribute_off_the_list_is_noticed():
    data = pydicom.dcmread(io.BytesIO(write(IMAGES["square"])))
    data.InstitutionName = "x"
    data.DeidentificationMethodCodeSequence[0].add_new(0x00091001, "LO", "x")
    out = io.BytesIO()
    data.save_as(out)
    assert dicom.unlisted(out.getvalue()) == ["(0009,1001)", "InstitutionName"]
    assert dicom.unlisted(write(IMAGES["square"])) == []


def test_the_header_says_that_it_is_synthetic_and_holds_no_person_place_or_time():
    read = pydicom.dcmread(io.BytesIO(write(IMAGES["square"])))
    assert list(read.ImageType) == ["DERIVED", "SECONDARY", "SYNTHETIC"] and read.ConversionType == "SYN"
    assert "SYNTHETIC" in read.DerivationDescription and "SYNTHETIC" in str(read.ImageComments)
    assert read.PatientIdentityRemoved == "YES" and read.BurnedInAnnotation == "NO"
    assert [str(item.CodeValue) for item in read.DeidentificationMethodCodeSequence] == ["113100", "113101"]
    for keyword in ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber", "StudyID"):
        assert read[keyword].is_empty
    assert read.ContentDate == read.InstanceCreationDate == "20310203"
    uids = [read.SOPInstanceUID, read.SeriesInstanceUID, read.StudyInstanceUID]
    assert all(uid.startswith("2.25.") and uid.is_valid for uid in uids) and len(set(uids)) == 3


@pytest.mark.parametrize(
    ("method", "settings", "derivation"),
    [
        ("updp", {"generation": {"strength": None, "steps": 20}}, "text"),
        ("updp", {"generation": {"strength": 0.4}}, "image"),
        ("dp-pix", {"block": 8}, "obfuscation"),
    ],
)
def test_what_kept_source_pixels_is_never_called_free_of_them(method, settings, derivation):
    found = derivation_of(method, settings)
    assert found.kind == derivation and found.source_pixels == (derivation != "text")
    read = pydicom.dcmread(io.BytesIO(write(IMAGES["square"], found)))
    free = "no source pixels" in str(read.DeidentificationMethod)
    assert free == (derivation == "text")
    assert ("SYNTHETIC" in str(read.ImageType)) == (derivation != "obfuscation")


def test_an_image_that_is_not_8_bit_grayscale_is_refused():
    with pytest.raises(ReleaseError, match="8-bit grayscale"):
        write(np.zeros((8, 8), dtype=np.uint16))


@pytest.mark.skipif(shutil.which("dciodvfy") is None, reason="dciodvfy (Debian package dicom3tools) is not installed")
@pytest.mark.parametrize("derivation", DERIVATIONS.values(), ids=list(DERIVATIONS))
@pytest.mark.parametrize("name", IMAGES)
def test_dciodvfy_finds_no_error(tmp_path, name, derivation):
    (tmp_path / "a.dcm").write_bytes(write(IMAGES[name], derivation))
    run = subprocess.run(["dciodvfy", tmp_path / "a.dcm"], capture_output=True, text=True, check=False)
    said = run.stdout + run.stderr
    assert "SCImage" in said, "dciodvfy did not recognise the object"
    assert "Error" not in said
