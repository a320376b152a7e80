"""The identifiers that a study's own header states, for the report filter to search the report for.

Nothing of these leaves the workspace. Kinds are those of SourceStudy.header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

KINDS = (
    "patient_name",
    "patient_id",
    "physician",
    "institution",
    "address",
    "accession",
    "date",
    "other_id",
)
_PATIENT_NAMES = frozenset(
    {"PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "ResponsiblePerson"}
)
_KEYWORDS: dict[str, str] = {
    "PatientID": "patient_id",
    "AccessionNumber": "accession",
    "InstitutionName": "institution",
    "InstitutionalDepartmentName": "institution",
    "RequestingService": "institution",
    "CurrentPatientLocation": "institution",
    "ResponsibleOrganization": "institution",
    "OtherPatientIDs": "other_id",
    "StudyID": "other_id",
    "AdmissionID": "other_id",
    "ServiceEpisodeID": "other_id",
    "RequestedProcedureID": "other_id",
    "PerformedProcedureStepID": "other_id",
    "ScheduledProcedureStepID": "other_id",
    "FillerOrderNumberImagingServiceRequest": "other_id",
    "PlacerOrderNumberImagingServiceRequest": "other_id",
    "MedicalRecordLocator": "other_id",
    "DeviceSerialNumber": "other_id",
    "GantryID": "other_id",
    "DetectorID": "other_id",
    "PlateID": "other_id",
    "CassetteID": "other_id",
    "StationName": "other_id",
    "CountryOfResidence": "address",
    "RegionOfResidence": "address",
}
_DAY = re.compile(r"([12][0-9]{3})[.\-/]?(0[1-9]|1[0-2])[.\-/]?(0[1-9]|[12][0-9]|3[01])")
_PLACEHOLDERS = frozenset(
    {"xx", "xxx", "xxxx", "none", "null", "unknown", "anonymous", "anonymized", "anonymised", "anon", "removed"}
    | {"redacted", "unspecified", "na", "n/a", "not", "stated"}
)


def name_values(name: str) -> list[str]:
    """A person name in DICOM's form: its alphabetic, ideographic and phonetic groups, each whole ("Family^Given^...");
    groups that hold nothing but placeholders are dropped.
    """
    return [group.strip() for group in name.split("=") if any(_tells(part) for part in re.split(r"[\^\s,]+", group))]


def patient_id(value: str) -> str:
    """The value as a patient's or accession number, "" for placeholders and single characters."""
    return value.strip() if _tells(value) else ""


def other_id(value: str) -> str:
    """The value where it can identify by itself (at least 4 characters, one of them a digit), else "".

    A station called "CHEST" or a study id "2" would be found all over a report.
    """
    value = value.strip()
    return value if len(value) >= 4 and any(c.isdigit() for c in value) else ""


def _tells(value: str) -> bool:
    value = value.strip(" .,")
    return len(value) >= 2 and value.casefold() not in _PLACEHOLDERS


def merge(*headers: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Several headers as one, each value once, kinds in the order of KINDS, empty kinds left out."""
    merged = {kind: tuple(dict.fromkeys(v for h in headers for v in h.get(kind, ()) if v)) for kind in KINDS}
    return {kind: values for kind, values in merged.items() if values}


def header_values(ds: Dataset) -> dict[str, tuple[str, ...]]:
    """Kind -> values, from every level of the data set (sequences included). What an element is, its tag says, whatever
    value representation a device has written beside it."""
    found: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for element in ds.iterall():
        if element.VR == "SQ" or element.value in (None, "", b"") or element.tag.is_private:
            continue
        values = element.value if element.VM > 1 else [element.value]
        texts = [text for value in values for text in _readings(value)]
        keyword, meant = element.keyword, _meant(element.tag, element.VR)
        if meant == "PN":
            kind = "patient_name" if keyword in _PATIENT_NAMES else "physician"
            found[kind] += [part for text in texts for part in name_values(text)]
        elif meant in ("DA", "DT"):
            found["date"] += [f"{day[1]}{day[2]}{day[3]}" for text in texts if (day := _DAY.match(text))]
        elif kind := _KEYWORDS.get(keyword, ""):
            found[kind] += [text for text in texts if _worth(kind, text)]
        elif "Address" in keyword or "TelephoneNumber" in keyword:
            found["address"] += [text for text in texts if text.casefold() not in _PLACEHOLDERS]
    return merge(found)


def _meant(tag: int, written: str) -> str:
    """The value representation that the dictionary states for a tag; for unknown tags that which is written."""
    from pydicom.datadict import dictionary_VR

    try:
        return dictionary_VR(tag)
    except KeyError:
        return written


def _readings(value: object) -> list[str]:
    """A value as text; where its characters are UTF-8 in a file that says otherwise, also as they were meant."""
    text = (value.decode("latin-1") if isinstance(value, bytes) else str(value)).strip(" \0\t\r\n")
    if not text or text.isascii():
        return [text] if text else []
    try:
        return [text, text.encode("latin-1").decode("utf-8")]
    except UnicodeError:
        return [text]


def _worth(kind: str, text: str) -> bool:
    return bool(other_id(text)) if kind == "other_id" else _tells(text)
