"""The DICOM object of a released image: a Secondary Capture built from nothing, with allow-listed attributes only.

No attribute of a source header is read here. Secondary Capture (PS3.3 A.8.1) is the honest class: nobody was exposed to
radiation for this image, so the acquisition modules of a CR or DX object would have to be invented.
"""

from __future__ import annotations

import datetime as dt
import io
import uuid
from typing import TYPE_CHECKING

import numpy as np

from updp_core.domain import Image8
from updp_core.errors import ReleaseError
from updp_core.methods import Derivation

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

# Everything that a released object may hold, by keyword. `dataset()` removes what is not listed, and a test holds
# the written files to this table.
_ALLOWED = """
    SpecificCharacterSet ImageType InstanceCreationDate SOPClassUID SOPInstanceUID StudyDate ContentDate
    StudyTime AccessionNumber Modality ConversionType Manufacturer ManufacturerModelName ReferringPhysicianName
    SeriesDescription DerivationDescription PatientName PatientID PatientBirthDate PatientSex PatientIdentityRemoved
    DeidentificationMethod DeidentificationMethodCodeSequence BodyPartExamined SoftwareVersions StudyInstanceUID
    SeriesInstanceUID StudyID SeriesNumber InstanceNumber PatientOrientation ImageComments SamplesPerPixel
    PhotometricInterpretation Rows Columns BitsAllocated BitsStored HighBit PixelRepresentation BurnedInAnnotation
    LongitudinalTemporalInformationModified PixelData CodeValue CodingSchemeDesignator CodeMeaning
"""
ALLOWED = frozenset(_ALLOWED.split())

# PS3.16 CID 7050. Two are true here: all attributes of the basic profile are absent, empty or new, and every image is
# searched for text. Clean Descriptors, Clean Structured Content and the Retain options would claim source content.
CODES = (
    ("113100", "Basic Application Confidentiality Profile"),
    ("113101", "Clean Pixel Data Option"),
)


def header_actions(data: bytes) -> list[tuple[str, str, str]]:
    """Of a Part 10 file that was written here: (tag, attribute, action code of PS3.15 table E.1-1a), as found in it.

    Z: present and empty. U: a new random UID. D: a new value, since nothing of a source is read. What a source had
    besides is absent (X).
    """
    import pydicom

    rows = []
    for element in pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True):
        action = "Z" if element.is_empty else "U" if element.keyword.endswith("InstanceUID") else "D"
        rows.append((f"{element.tag}".replace(" ", ""), element.name, action))
    return rows


def new_uid() -> str:
    """A UID under 2.25 from a random UUID (PS3.5 B.2): it says nothing of place, time or machine."""
    return f"2.25.{uuid.uuid4().int}"


def dicom_bytes(
    image: Image8, *, patient: str, study_uid: str, version: str, today: dt.date, derivation: Derivation
) -> bytes:
    """The Part 10 file of a synthetic image (H, W) uint8, MONOCHROME2, explicit little endian, uncompressed.

    `patient` is the fresh group id of this release; `today` (a day, no time) is the day of the release; `derivation`
    says what the image was made from.
    Raises ReleaseError for an image that is not 8-bit grayscale.
    """
    from highdicom.sc import SCImage
    from pydicom.dataset import Dataset
    from pydicom.uid import ExplicitVRLittleEndian

    if image.dtype != np.uint8 or image.ndim != 2:
        raise ReleaseError("A released image must be 8-bit grayscale (H, W). Generate this candidate again.")
    ds = SCImage(
        pixel_array=np.ascontiguousarray(image),
        photometric_interpretation="MONOCHROME2",
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=study_uid,
        series_instance_uid=new_uid(),
        series_number=1,
        sop_instance_uid=new_uid(),
        instance_number=1,
        manufacturer="UPDP",
        manufacturer_model_name="UPDP release",
        software_versions=version,
        patient_id=patient,
        patient_name=f"{derivation.image_type}^UPDP",
        patient_orientation=("L", "F"),
        series_description=derivation.series,
        transfer_syntax_uid=ExplicitVRLittleEndian,
        content_date=today,
    )
    ds.SpecificCharacterSet = "ISO_IR 192"
    ds.InstanceCreationDate = ds.ContentDate
    # Synthetic Data (0008,001C) of newer editions is left out: dicom3tools in Debian stable calls it an error.
    ds.ImageType = ["DERIVED", "SECONDARY", derivation.image_type]
    ds.ConversionType = derivation.conversion
    ds.BodyPartExamined = "CHEST"
    ds.BurnedInAnnotation = "NO"
    ds.DerivationDescription = derivation.description
    ds.ImageComments = derivation.comment
    ds.PatientIdentityRemoved = "YES"
    ds.DeidentificationMethod = [derivation.method, "UPDP: header built from nothing"]
    ds.DeidentificationMethodCodeSequence = [_code(Dataset(), value, meaning) for value, meaning in CODES]
    ds.LongitudinalTemporalInformationModified = "REMOVED"
    for element in list(ds):
        if element.keyword not in ALLOWED:
            del ds[element.tag]
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _code(item: Dataset, value: str, meaning: str) -> Dataset:
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def unlisted(data: bytes) -> list[str]:
    """Keywords or tags of a Part 10 file that are not on the allow-list, nested ones and private ones included."""
    import pydicom

    found: set[str] = set()

    def visit(dataset: Dataset) -> None:
        for element in dataset:
            if element.keyword not in ALLOWED:
                found.add(element.keyword or str(element.tag))
            if element.VR == "SQ":
                for item in element.value:
                    visit(item)

    visit(pydicom.dcmread(io.BytesIO(data)))
    return sorted(found)
