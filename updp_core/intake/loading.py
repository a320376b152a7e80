"""One image file of any kind to the image part of a study. It runs in a decoder process (see `pool`)."""

from __future__ import annotations

from pathlib import Path

from updp_core.domain import NOTHING_ASSUMED, Assume
from updp_core.intake import dicom
from updp_core.intake.dicom_pixels import check_geometry, normalised
from updp_core.intake.files import is_dicom, sha256_of
from updp_core.intake.header import header_values
from updp_core.intake.loaded import Loaded
from updp_core.intake.looks import remarks
from updp_core.intake.pixels import encode_png, read_raster
from updp_core.intake.views import frontal_view


def load(path: Path, stated_view: str = "", assume: Assume = NOTHING_ASSUMED) -> Loaded:
    """A DICOM, PNG, JPEG or TIFF file that shows a frontal chest. Raises IntakeError with the reason otherwise.

    For raster files `stated_view` is all that is known of the view. For DICOM the header decides, and a stated
    view must be frontal too. `assume` is what the importer says where both are silent.
    """
    if is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom"):
        return load_dicom(path, stated_view, assume)
    view, view_flags = frontal_view(stated_view.strip() or assume.view)
    if assume.view and not stated_view.strip():
        view_flags = ("view: not stated; it was said by the importer",)
    pixels, depth, flags = read_raster(path)
    return Loaded(
        png=encode_png(pixels),
        size=pixels.shape,
        sha256=sha256_of(path),
        bit_depth=depth,
        view=view,
        flags=view_flags + flags + remarks(pixels),
    )


def load_dicom(path: Path, stated_view: str = "", assume: Assume = NOTHING_ASSUMED) -> Loaded:
    """A DICOM file: the header is judged before the pixel data are read. Raises IntakeError."""
    if stated_view.strip():
        frontal_view(stated_view)
    with dicom.guarded():
        header = dicom.read_header(path)
        view, flags = dicom.check_frontal_chest(header, stated_view, assume)
        check_geometry(header)
        pixels, depth, pixel_flags = normalised(dicom.read_whole(path))
        said = str(header.get("PhotometricInterpretation", ""))
        return Loaded(
            png=encode_png(pixels),
            size=pixels.shape,
            sha256=sha256_of(path),
            bit_depth=depth,
            view=view,
            flags=flags + pixel_flags + remarks(pixels, said),
            patient_key=dicom.patient_key(header, ""),
            study_key=dicom.study_key(header, ""),
            report_keys=dicom.report_keys(header),
            embedded_report=str(header.get("InterpretationText") or ""),
            header=header_values(header),
        )
