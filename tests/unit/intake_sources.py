"""Sources for the intake tests, built from generated images: DICOM data sets and picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from updp_core.domain import Rejection, SourceStudy


def chest(height: int = 96, width: int = 80, seed: int = 0) -> np.ndarray:
    """uint8 (H, W): body bright, two dark lungs, dark air above the shoulders, a little noise."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    image = np.full((height, width), 190.0)
    for side in (0.3, 0.7):
        image -= 130 * (((x - side) / 0.15) ** 2 + ((y - 0.45) / 0.3) ** 2 < 1)
    image[(y < 0.18) & (np.abs(x - 0.5) > 0.15)] = 10
    image += np.random.default_rng(seed).normal(0, 4, image.shape)
    return np.clip(image, 0, 255).astype(np.uint8)


def save_picture(path: Path, image: np.ndarray | None = None, **options: Any) -> Path:
    """Write a picture (a generated chest unless given), folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(chest() if image is None else image).save(path, **options)
    return path


def data_set(image: np.ndarray | None = None, *, bits: int = 0, **attributes: Any) -> FileDataset:
    """An uncompressed chest CR; `attributes` replace the usual ones, None removes one."""
    image = chest() if image is None else image
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    ds = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    usual: dict[str, Any] = {
        "SOPClassUID": ComputedRadiographyImageStorage,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "Modality": "CR",
        "BodyPartExamined": "CHEST",
        "ViewPosition": "PA",
        "PatientID": "MRN00417",
        "PatientName": "Zabriskie^Ottoline",
        "AccessionNumber": "ACC20417",
        "SamplesPerPixel": 1 if image.ndim == 2 else 3,
        "PhotometricInterpretation": "MONOCHROME2" if image.ndim == 2 else "RGB",
        "Rows": image.shape[0],
        "Columns": image.shape[1],
        "BitsAllocated": 8 * image.dtype.itemsize,
        "BitsStored": bits or 8 * image.dtype.itemsize,
        "HighBit": (bits or 8 * image.dtype.itemsize) - 1,
        "PixelRepresentation": int(image.dtype.kind == "i"),
    }
    if image.ndim == 3:
        usual["PlanarConfiguration"] = 0
    for keyword, value in {**usual, **attributes}.items():
        if value is not None:
            setattr(ds, keyword, value)
    ds.PixelData = image.tobytes()
    ds["PixelData"].VR = "OB" if image.dtype.itemsize == 1 else "OW"
    return ds


def save_dicom(path: Path, ds: Dataset | None = None, **attributes: Any) -> Path:
    """Write a data set (a chest CR with `attributes` unless given), folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (data_set(**attributes) if ds is None else ds).save_as(path, enforce_file_format=True)
    return path


def lut_item(descriptor: list[int], data: np.ndarray) -> Dataset:
    """A Modality or VOI LUT Sequence item."""
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.add_new(0x00283006, "OW", data.astype("<u2").tobytes())
    return item


def split(results) -> tuple[list[SourceStudy], list[Rejection]]:
    """Studies and rejections of a read source."""
    results = list(results)
    return (
        [r for r in results if isinstance(r, SourceStudy)],
        [r for r in results if isinstance(r, Rejection)],
    )


def only_reason(results) -> str:
    """The reason of a source that has one image, which is rejected."""
    studies, rejections = split(results)
    assert not studies and len(rejections) == 1, (studies, rejections)
    return rejections[0].reason
