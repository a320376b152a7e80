"""One image file of any kind to the image part of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from updp_core.domain import Image16
from updp_core.intake import dicom
from updp_core.intake.dicom_pixels import check_geometry, normalised
from updp_core.intake.header import header_values
from updp_core.intake.looks import remarks
from updp_core.intake.pixels import read_raster
from updp_core.intake.views import frontal_view


@dataclass(frozen=True)
class Loaded:
    """An image that may go on; the keys and the header are empty where the file carries no header."""

    pixels: Image16
    bit_depth: int
    view: str
    flags: tuple[str, ...]
    patient_key: str = ""
    study_key: str = ""
    report_keys: Sequence[tuple[str, str]] = ()
    embedded_report: str = ""
    header: Mapping[str, Sequence[str]] = field(default_factory=dict)


def load(path: Path, stated_view: str = "") -> Loaded:
    """A DICOM, PNG, JPEG or TIFF file that shows a frontal chest. Raises IntakeError with the reason otherwise.

    For raster files `stated_view` is all that is known of the view. For DICOM the header decides, and a stated
    view must be frontal too.
    """
    if dicom.is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom"):
        return load_dicom(path, stated_view)
    view, view_flags = frontal_view(stated_view)
    pixels, depth, flags = read_raster(path)
    return Loaded(pixels, depth, view, view_flags + flags + remarks(pixels))


def load_dicom(path: Path, stated_view: str = "") -> Loaded:
    """A DICOM file: the header is judged before the pixel data are read. Raises IntakeError."""
    if stated_view.strip():
        frontal_view(stated_view)
    with dicom.guarded():
        header = dicom.read_header(path)
        view, flags = dicom.check_frontal_chest(header, stated_view)
        check_geometry(header)
        pixels, depth, pixel_flags = normalised(dicom.read_whole(path))
        said = str(header.get("PhotometricInterpretation", ""))
        return Loaded(
            pixels=pixels,
            bit_depth=depth,
            view=view,
            flags=flags + pixel_flags + remarks(pixels, said),
            patient_key=dicom.patient_key(header, ""),
            study_key=dicom.study_key(header, ""),
            report_keys=dicom.report_keys(header),
            embedded_report=str(header.get("InterpretationText") or ""),
            header=header_values(header),
        )
