"""Phantom studies on disk: DICOM, report, truth."""

from __future__ import annotations

import json

import numpy as np
import pydicom
import pytest

from updp_core.config import SAMPLE
from updp_core.errors import UsageError
from updp_core.phantom import sample_patient, sample_visit, write_report
from updp_core.phantom.dataset import to_dicom, write_dataset
from updp_core.phantom.patient import FINDINGS
from updp_core.phantom.people import encounter
from updp_core.phantom.render import render_one


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("phantom") / "set"
    return out, write_dataset(out, patients=3, images_per_patient=2, seed=4, size=96)


def test_each_study_has_a_dicom_file_a_report_and_a_truth_of_the_same_name(written):
    out, files = written
    assert len(files) == 6
    for path in files:
        assert path.parent == out / "studies"
        assert path.with_suffix(".txt").read_text(encoding="utf-8").strip()
        truth = json.loads((out / "truth" / f"{path.stem}.json").read_text(encoding="utf-8"))
        assert set(truth["labels"]) == set(FINDINGS)
        assert {f["name"] for f in truth["findings"]} == {n for n, there in truth["labels"].items() if there}


def test_pydicom_reads_frontal_chest_images_of_12_bits(written):
    for path in written[1]:
        ds = pydicom.dcmread(path)
        assert (ds.Modality, ds.BodyPartExamined) == ("DX", "CHEST")
        assert ds.ViewPosition in ("PA", "AP")
        assert (ds.BitsStored, ds.HighBit, ds.Rows, ds.Columns) == (12, 11, 96, 96)
        assert ds.file_meta.TransferSyntaxUID.is_compressed
        assert ds.pixel_array.max() <= 4095
        assert ds.pixel_array.std() > 200


def test_the_compressed_pixels_are_the_rendered_ones_in_either_polarity():
    seen = set()
    for seed in (5, 6):
        visit = sample_visit(sample_patient(seed), 0)
        image = render_one(visit, 64)
        ds = to_dicom(visit, encounter(visit), image)
        stored = ds.pixel_array.astype(int)
        seen.add(ds.PhotometricInterpretation)
        assert np.array_equal(4095 - stored if ds.PhotometricInterpretation == "MONOCHROME1" else stored, image >> 4)
    assert seen == {"MONOCHROME1", "MONOCHROME2"}


def test_the_header_names_the_same_patient_on_both_visits(written):
    headers = [pydicom.dcmread(p, stop_before_pixels=True) for p in written[1]]
    assert headers[0].PatientID == headers[1].PatientID
    assert headers[0].PatientName == headers[1].PatientName
    assert headers[0].PatientID != headers[2].PatientID
    assert len({h.SOPInstanceUID for h in headers}) == len({h.StudyInstanceUID for h in headers}) == 6


def test_file_names_carry_no_identifier(written):
    for path in written[1]:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        assert str(ds.PatientID) not in path.name
        assert str(ds.PatientName.family_name).lower() not in path.name.lower()


def test_gold_spans_of_the_truth_fit_the_report_on_disk(written):
    out, files = written
    for path in files:
        text = path.with_suffix(".txt").read_text(encoding="utf-8")
        truth = json.loads((out / "truth" / f"{path.stem}.json").read_text(encoding="utf-8"))
        visit = sample_visit(sample_patient(truth["patient_seed"]), truth["visit_seed"])
        report = write_report(visit, 0)
        assert text == report.text
        assert [text[s["start"] : s["end"]] for s in truth["phi_spans"]] == [
            text[s.start : s.end] for s in report.spans
        ]


def test_the_same_seed_writes_the_same_bytes(written, tmp_path):
    again = write_dataset(tmp_path / "again", patients=1, images_per_patient=2, seed=4, size=96)
    for mine, first in zip(again, written[1], strict=False):
        assert mine.read_bytes() == first.read_bytes()


def test_progress_is_told_after_each_study(tmp_path):
    told = []
    write_dataset(tmp_path / "p", 1, 2, 0, size=64, progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_full_folder_and_numbers_below_one_are_refused(written, tmp_path):
    with pytest.raises(UsageError, match="not empty"):
        write_dataset(written[0], 1, 1, 0)
    with pytest.raises(UsageError, match="at least one"):
        write_dataset(tmp_path / "none", 0, 1, 0)


def test_the_sample_shows_every_finding_in_24_studies_of_12_patients():
    truths = [json.loads(p.read_text(encoding="utf-8")) for p in sorted((SAMPLE / "truth").glob("*.json"))]
    assert len(truths) == 24
    assert len({t["patient_seed"] for t in truths}) == 12
    assert {n for t in truths for n, there in t["labels"].items() if there} == set(FINDINGS)
    assert any(not t["findings"] for t in truths)
    assert sum(bool(t["burned_in"]) for t in truths) >= 3
    assert {t["view"] for t in truths} == {"PA", "AP"}
    files = sorted((SAMPLE / "studies").glob("*.dcm"))
    assert len(files) == 24
    assert sum(p.stat().st_size for p in SAMPLE.rglob("*") if p.is_file()) < 8 * 2**20
    for path in files[:3]:
        assert pydicom.dcmread(path).pixel_array.shape == (512, 512)
