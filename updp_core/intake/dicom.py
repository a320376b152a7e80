"""A DICOM file: is it a frontal chest radiograph, what does it identify, and its pixels."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from pydicom.uid import DeflatedExplicitVRLittleEndian, MediaStorageDirectoryStorage

from updp_core.domain import NOTHING_ASSUMED, Assume
from updp_core.errors import IntakeError
from updp_core.intake.files import is_dicom
from updp_core.intake.views import FRONTAL, MODALITIES, check_chest, one_frontal, views_in

_OTHER_MODALITIES = frozenset(
    {"CT", "MR", "US", "XA", "RF", "MG", "IO", "PX", "NM", "PT", "OT", "SC", "SR", "PR", "KO", "DOC", "SEG", "ES"}
    | {"XC", "OP", "GM", "SM", "ECG", "HD", "AU", "RTIMAGE", "RTPLAN", "RTDOSE", "BMD"}
)
_SAYS_NOTHING = ("", "OT", "SC")
_HUMAN = {"L-85B00", "337915000", "447612001"}
"""SNOMED RT and CT codes of Homo sapiens (PS3.16 CID 7454)."""
_SERIES_TEXTS = (
    "SeriesDescription",
    "ProtocolName",
    "AcquisitionProtocolName",
    "AcquisitionProtocolDescription",
    "AcquisitionDeviceProcessingDescription",
    "PerformedProtocolCodeSequence",
)
_STUDY_TEXTS = (
    "StudyDescription",
    "PerformedProcedureStepDescription",
    "RequestedProcedureDescription",
    "ProcedureCodeSequence",
    "RequestedProcedureCodeSequence",
)


# pydicom's warnings quote header values, which are PHI: they go neither to the log nor to stderr.
logging.getLogger("pydicom").setLevel(logging.CRITICAL)
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


@contextmanager
def guarded() -> Iterator[None]:
    """Around all use of one data set: no warnings, and any error of pydicom on a damaged file as IntakeError.

    Elements are parsed when they are first looked at, so a damaged one can fail anywhere, with its value in the text.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    except (IntakeError, MemoryError):
        raise
    except InvalidDicomError:
        raise IntakeError("not a DICOM file") from None
    except Exception as error:
        raise IntakeError(f"the DICOM file is damaged ({type(error).__name__})") from None


def read_header(path: Path) -> Dataset:
    """The data set up to the pixel data. Files without prefix are tried where the name ends as DICOM's do.

    Raises IntakeError: not DICOM, damaged, deflated (it would be inflated without a bound), or a directory file.
    """
    forced = path.suffix.lower() in (".dcm", ".dicom", ".ima")
    with guarded():
        if is_dicom(path):
            meta = read_file_meta_info(path)
            if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
                raise IntakeError("deflated DICOM is not read: convert it to another transfer syntax first")
            if meta.get("MediaStorageSOPClassUID") == MediaStorageDirectoryStorage:
                raise IntakeError("a DICOMDIR holds no image")
        ds = pydicom.dcmread(path, force=forced, stop_before_pixels=True)
    if not any(keyword in ds for keyword in ("SOPClassUID", "Modality", "Rows")):
        raise IntakeError("not a DICOM file, or a damaged one")
    return ds


def read_whole(path: Path) -> Dataset:
    """The data set with its pixel data. Raises IntakeError."""
    with guarded():
        return pydicom.dcmread(path, force=True)


def check_frontal_chest(
    ds: Dataset, stated_view: str = "", assume: Assume = NOTHING_ASSUMED
) -> tuple[str, tuple[str, ...]]:
    """(view, flags) of a frontal human chest radiograph. Raises IntakeError with the reason for anything else.

    `stated_view` is what a manifest says; it counts where the header has no view of its own, and may not
    contradict it. `assume` counts where neither says anything ("OT" and "SC" say nothing of how an image was made).
    """
    modality = str(ds.get("Modality") or "").strip().upper()
    said: tuple[str, ...] = ()
    if modality in _SAYS_NOTHING and assume.modality in MODALITIES:
        said = ("modality: not stated in the header; that it is a projection radiograph was said by the importer",)
    elif modality not in MODALITIES:
        what = f"modality {modality}" if modality in _OTHER_MODALITIES else "the modality, or its absence,"
        raise IntakeError(f"{what} is not a projection radiograph's (CR, DX or RG)")
    species = {str(code.get("CodeValue", "")) for code in ds.get("PatientSpeciesCodeSequence") or ()}
    if (species and not species & _HUMAN) or _text(ds, ("PatientBreedDescription", "PatientBreedCodeSequence")):
        raise IntakeError("not a human patient: the header states a species or breed")
    descriptions = _text(ds, (*_SERIES_TEXTS, *_STUDY_TEXTS, "PatientSpeciesDescription"))
    body_part = _text(ds, ("BodyPartExamined", "AnatomicRegionSequence"))
    flags = said + check_chest(body_part, descriptions, _text(ds, ("InstitutionName",)), assume.chest)
    view, view_flags = _view(ds, stated_view, assume.view)
    flags += view_flags
    orientation = [str(v) for v in ds.get("PatientOrientation") or ()]
    if len(orientation) == 2 and orientation[1].startswith("H"):
        flags += ("orientation: the header says that the image is stored head down",)
    if str(ds.get("BurnedInAnnotation", "")).upper() == "YES":
        flags += ("burned-in text: the header says that the pixels carry annotations",)
    if str(ds.get("PresentationIntentType", "")).upper() == "FOR PROCESSING":
        flags += ("processing: the header says raw detector data, not an image for presentation",)
    return view, flags


def _view(ds: Dataset, stated_view: str, assumed: str) -> tuple[str, tuple[str, ...]]:
    """The view from the most specific place that states one; anything but frontal on the image's own level refuses."""
    places = {
        "View Position": views_in(_text(ds, ("ViewPosition",))),
        "view code": views_in(_text(ds, ("ViewCodeSequence",))),
        "series description": views_in(_text(ds, _SERIES_TEXTS)),
    }
    for place, views in places.items():
        if views and not views & FRONTAL:
            raise IntakeError(f"the header's {place} says {' and '.join(sorted(views))}: only frontal images go on")
    places["manifest"] = views_in(stated_view)
    places["study description"] = views_in(_text(ds, _STUDY_TEXTS))
    orientation = [str(v) for v in ds.get("PatientOrientation") or ()]
    if orientation and orientation[0][:1] in ("A", "P"):
        places["Patient Orientation"] = frozenset({"lateral"})
    elif len(orientation) == 2 and orientation[0][:1] in ("L", "R") and orientation[1][:1] in ("F", "H"):
        places["Patient Orientation"] = frozenset({"frontal"})
    for place, views in places.items():
        if views and not views & FRONTAL:
            raise IntakeError(f"the header's {place} says {' and '.join(sorted(views))}: only frontal images go on")
        if view := one_frontal(views):
            flags = (
                ()
                if place in ("View Position", "view code", "manifest")
                else (f"view: View Position is not stated; taken from the {place}",)
            )
            return view, flags
    if any(places.values()):
        raise IntakeError("the header names frontal and other views without saying which one this image is")
    if view := one_frontal(views_in(assumed)):
        return view, ("view: not stated in the header; it was said by the importer",)
    raise IntakeError("no view is stated in the header: only images known to be frontal (PA or AP) go on")


def patient_key(ds: Dataset, fallback: str) -> str:
    """Patient ID with its issuer; without an ID the study stands for the patient, then `fallback`."""
    if number := str(ds.get("PatientID") or "").strip():
        issuer = str(ds.get("IssuerOfPatientID") or "").strip()
        return f"{issuer}|{number}" if issuer else number
    return f"study:{ds.StudyInstanceUID}" if ds.get("StudyInstanceUID") else fallback


def study_key(ds: Dataset, fallback: str) -> str:
    """Study Instance UID, else accession number, else `fallback`."""
    return str(ds.get("StudyInstanceUID") or ds.get("AccessionNumber") or fallback)


def report_keys(ds: Dataset) -> list[tuple[str, str]]:
    """Keys under which a table of reports may hold this image's, most specific first."""
    pairs = (("instance", "SOPInstanceUID"), ("study", "StudyInstanceUID"), ("accession", "AccessionNumber"))
    return [(kind, str(ds.get(keyword) or "").strip()) for kind, keyword in pairs]


def _text(ds: Dataset, keywords: Iterable[str]) -> str:
    """The values of these elements as one text; of code sequences, the meanings."""
    texts: list[str] = []
    for keyword in keywords:
        value = ds.get(keyword)
        if keyword.endswith("Sequence"):
            texts += [str(item.get("CodeMeaning", "")) for item in value or ()]
        elif value:
            texts.append(str(value))
    return " | ".join(text for text in texts if text.strip())
