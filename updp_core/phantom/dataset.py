"""Phantom studies as a hospital would hand them over: DICOM and report side by side, the ground truth kept apart."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from updp_core.errors import UsageError

from .masks import render_masks
from .patient import Visit, sample_patient, sample_visit
from .people import Encounter, encounter
from .phi import burn, burned_lines
from .render import render_one
from .report import write_report

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SEED_STRIDE = 1_000_003  # data sets of different seeds share no patient


def write_dataset(
    out_dir: Path,
    patients: int,
    images_per_patient: int,
    seed: int,
    size: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write `patients` x `images_per_patient` studies into `out_dir`; returns the DICOM files.

    `studies/` holds NAME.dcm (512 px, 12 bit, lossless) with NAME.txt beside it; `truth/` holds NAME.json with labels,
    findings, the report's gold spans and the boxes of burned-in text. Names carry no PHI. The same arguments
    give the same files. `progress` is called with (done, total). Raises UsageError where a number is not
    positive or `out_dir` holds something already.
    """
    if patients < 1 or images_per_patient < 1 or size < 64:
        raise UsageError("Give at least one patient, one image per patient, and 64 pixels.")
    out_dir = Path(out_dir)
    if out_dir.exists() and (not out_dir.is_dir() or any(out_dir.iterdir())):
        raise UsageError("The output folder is not empty: name a new one.")
    visits = (
        (f"phantom-{seed}-{number:04d}-{k + 1}", sample_visit(patient, k))
        for number in range(patients)
        for patient in [sample_patient(seed * SEED_STRIDE + number)]
        for k in range(images_per_patient)
    )
    return write_studies(out_dir, visits, patients * images_per_patient, size, progress)


def write_studies(
    out_dir: Path,
    visits: Iterable[tuple[str, Visit]],
    total: int,
    size: int = 512,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Write named visits as `write_dataset` does; returns the DICOM files in the given order."""
    studies, truths = out_dir / "studies", out_dir / "truth"
    studies.mkdir(parents=True, exist_ok=True)
    truths.mkdir(exist_ok=True)
    written = []
    for name, visit in visits:
        e = encounter(visit)
        image = render_one(visit, size)
        boxes: list[tuple[int, int, int, int]] = []
        lines: list[str] = []
        if visit.burned_in:
            rng = np.random.default_rng([visit.patient.seed, visit.seed, 7103])
            lines = burned_lines(e, rng)
            image, boxes = burn(image, lines, rng)
        report = write_report(visit, 0)
        dataset = to_dicom(visit, e, image)
        path = studies / f"{name}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        path.with_suffix(".txt").write_text(report.text, encoding="utf-8", newline="\n")
        truth = {
            "patient_seed": visit.patient.seed,
            "visit_seed": visit.seed,
            "view": visit.view,
            "age": visit.patient.age,
            "sex": visit.patient.sex,
            "labels": visit.labels,
            "findings": [asdict(f) for f in visit.findings],
            "mask_boxes": {n: _box(mask) for n, mask in render_masks(visit, min(size, 256)).items()},
            "mask_size": min(size, 256),
            "phi_spans": [asdict(s) for s in report.spans],
            "burned_in": [{"text": text, "box": box} for text, box in zip(lines, boxes, strict=True)],
            "findings_text": report.findings_text,
            "impression": report.impression,
        }
        (truths / f"{name}.json").write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8", newline="\n")
        written.append(path)
        if progress:
            progress(len(written), total)
    return written


def _box(mask: NDArray[np.bool_]) -> list[int]:
    """[x0, y0, x1, y1] around a mask, or [] where it is empty (a finding outside the field)."""
    y, x = np.nonzero(mask)
    return [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1] if len(x) else []


def to_dicom(visit: Visit, e: Encounter, image: NDArray[np.uint16]) -> Dataset:
    """A Digital X-Ray Image (For Presentation, PS3.3 A.26) of a uint16 image: 12 bits stored, JPEG-LS lossless.

    Every eighth patient's images are MONOCHROME1. Burned-in text is declared for half of the images that have it, as
    real archives do.
    """
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

    p, key = visit.patient, f"{visit.patient.seed}/{visit.seed}"
    inverse = p.seed % 8 == 5
    pixels = (image >> 4).astype(np.uint16)
    if inverse:
        pixels = (4095 - pixels).astype(np.uint16)
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["updp phantom", "image", key])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["updp phantom", "study", key])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=["updp phantom", "series", key])
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.Modality, ds.BodyPartExamined, ds.ViewPosition = "DX", "CHEST", visit.view
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.StudyDescription, ds.SeriesDescription = "XR CHEST 1 VIEW", f"Chest {visit.view}"
    ds.PatientName = f"{e.patient.family}^{e.patient.given}^{e.patient.middle}"
    ds.PatientID, ds.PatientSex, ds.PatientAge = e.mrn, e.sex, f"{e.age:03d}Y"
    ds.PatientBirthDate = f"{e.birth:%Y%m%d}"
    ds.PatientAddress = f"{e.address}, {e.city}, {e.state[0]} {e.zip_code}"
    ds.PatientTelephoneNumbers = e.home_phone
    ds.StudyDate = ds.SeriesDate = ds.AcquisitionDate = ds.ContentDate = f"{e.date:%Y%m%d}"
    ds.StudyTime = ds.SeriesTime = ds.AcquisitionTime = ds.ContentTime = f"{e.time:%H%M%S}"
    ds.AccessionNumber, ds.StudyID = e.accession[:16], e.order
    ds.InstitutionName, ds.InstitutionalDepartmentName, ds.StationName = e.hospital, e.department, e.station
    ds.ReferringPhysicianName = f"{e.referrer.family}^{e.referrer.given}^{e.referrer.middle}^Dr"
    ds.NameOfPhysiciansReadingStudy = f"{e.radiologist.family}^{e.radiologist.given}^{e.radiologist.middle}"
    ds.PerformingPhysicianName = f"{e.resident.family}^{e.resident.given}"
    ds.OperatorsName = f"{e.nurse.family}^{e.nurse.given}"
    ds.DeviceSerialNumber = e.serial.split()[-1]
    ds.Manufacturer, ds.ManufacturerModelName = "UPDP phantom", "analytic chest"
    ds.PatientOrientation = ["L", "F"]
    ds.Laterality = ""
    ds.SeriesNumber = ds.InstanceNumber = 1
    if visit.burned_in:
        if visit.seed % 2 == 0:
            ds.BurnedInAnnotation = "YES"
    else:
        ds.BurnedInAnnotation = "NO"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME1" if inverse else "MONOCHROME2"
    ds.PresentationLUTShape = "INVERSE" if inverse else "IDENTITY"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", -1 if inverse else 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.LossyImageCompression = "00"
    ds.Rows, ds.Columns = pixels.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    ds.ImagerPixelSpacing = [round(10 * visit.field / pixels.shape[0], 4)] * 2
    ds.DistanceSourceToDetector = 1800 if visit.view == "PA" else 1150
    ds.KVP = 120 if visit.view == "PA" else 95
    ds.PixelData = pixels.tobytes()
    ds.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    return ds
