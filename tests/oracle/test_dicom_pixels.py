"""Intake's grey levels against pydicom's own functions, and decoders against each other."""

from __future__ import annotations

import warnings

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array
from pydicom.uid import JPEG2000Lossless, JPEGLSLossless, RLELossless

from tests.real_data import FOLDER, needs_real_data
from tests.unit.intake_sources import data_set, lut_item
from updp_core.intake.dicom_pixels import decode, modality_values, normalised, voi_unit
from updp_core.intake.pixels import from_8bit, to_uint8

DICOM = FOLDER / "dicom"
DECODABLE = sorted(p for p in DICOM.glob("*.dcm") if "no_pixels" not in p.name) if DICOM.is_dir() else []
random = np.random.default_rng(7)
RAMP12 = random.permutation(np.arange(4096, dtype=np.uint16)).reshape(64, 64)
SIGNED12 = random.permutation(np.arange(-2048, 2048, dtype=np.int16)).reshape(64, 64)


def pydicom_unit(ds) -> np.ndarray:
    """pydicom's windowed values, brought to 0..1 by the output range that its documentation states."""
    values = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(float)
    if ds.get("VOILUTSequence"):
        return values / (2 ** ds.VOILUTSequence[0].LUTDescriptor[2] - 1)
    low, high = 0, 2**ds.BitsStored - 1
    if ds.get("ModalityLUTSequence"):
        high = 2 ** ds.ModalityLUTSequence[0].LUTDescriptor[2] - 1
    elif ds.PixelRepresentation:
        low, high = -(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1
    if "RescaleSlope" in ds:
        low, high = (bound * float(ds.RescaleSlope) + float(ds.RescaleIntercept) for bound in (low, high))
    return (values - low) / (high - low)


def assert_same_as_pydicom(ds) -> None:
    expected = pydicom_unit(ds)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        expected = 1 - expected
    image, _, flags = normalised(ds)
    assert flags == ()
    np.testing.assert_allclose(image / 65535, expected, atol=0.51 / 65535)


@needs_real_data
@pytest.mark.parametrize("path", DECODABLE, ids=lambda p: p.stem)
def test_real_files_have_the_values_of_pydicom(path):
    ds = pydicom.dcmread(path)
    stored = ds.pixel_array
    np.testing.assert_array_equal(decode(ds), stored)
    np.testing.assert_allclose(modality_values(stored, ds), apply_modality_lut(stored, ds))
    if "WindowCenter" in ds:
        np.testing.assert_allclose(voi_unit(modality_values(stored, ds), ds), pydicom_unit(ds), atol=1e-9)


@needs_real_data
@pytest.mark.parametrize(
    ("name", "plugins"),
    [
        ("NEMA_RG1_chestPA_mono1_15bit_j2k", ("gdcm", "pylibjpeg")),
        ("NEMA_RG1_chestPA_mono1_jpegls_near", ("gdcm", "pyjpegls")),
        ("RSNA_chestPA_jpeg8", ("gdcm", "pillow")),
    ],
)
def test_two_decoders_give_the_same_pixels(name, plugins):
    first, second = (pixel_array(DICOM / f"{name}.dcm", decoding_plugin=plugin) for plugin in plugins)
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize(
    "window",
    [
        {"WindowCenter": 2048, "WindowWidth": 4096},
        {"WindowCenter": 1000, "WindowWidth": 700},
        {"WindowCenter": [1500, 10], "WindowWidth": [900, 20]},
        {"WindowCenter": 1000, "WindowWidth": 700, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 1200, "WindowWidth": 900, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 300, "WindowWidth": 500, "RescaleSlope": 0.5, "RescaleIntercept": -700},
    ],
)
def test_windows_have_the_values_of_pydicom(window, polarity):
    assert_same_as_pydicom(data_set(RAMP12, bits=12, PhotometricInterpretation=polarity, **window))


def test_signed_pixels_have_the_values_of_pydicom():
    assert_same_as_pydicom(data_set(SIGNED12, bits=12, WindowCenter=-100, WindowWidth=1500))


def test_lookup_tables_have_the_values_of_pydicom():
    curve = (np.sqrt(np.arange(4096) / 4095) * 65535).round()
    modality = lut_item([4096, 0, 16], curve)
    ds = data_set(RAMP12, bits=12, ModalityLUTSequence=[modality])
    np.testing.assert_array_equal(modality_values(RAMP12, ds), apply_modality_lut(RAMP12, ds))
    assert_same_as_pydicom(
        data_set(RAMP12, bits=12, ModalityLUTSequence=[modality], WindowCenter=30000, WindowWidth=40000)
    )
    assert_same_as_pydicom(data_set(RAMP12, bits=12, VOILUTSequence=[lut_item([3000, 500, 16], curve[1096:])]))


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
@pytest.mark.parametrize("image", [RAMP12, (RAMP12 >> 4).astype(np.uint8)], ids=["12 bit", "8 bit"])
def test_lossless_compression_changes_nothing(image, syntax):
    ds = data_set(image, bits=12 if image.dtype == np.uint16 else 8)
    before = normalised(ds)[0]
    with warnings.catch_warnings(action="ignore"):
        ds.compress(syntax)
    np.testing.assert_array_equal(normalised(ds)[0], before)


def test_an_8_bit_source_keeps_every_grey_level():
    image = np.arange(4096, dtype=np.uint16).reshape(64, 64).astype(np.uint8)
    np.testing.assert_array_equal(normalised(data_set(image))[0], from_8bit(image))
    full = data_set(image, WindowCenter=128, WindowWidth=256)
    np.testing.assert_array_equal(to_uint8(normalised(full)[0]), image)
    inverted = data_set(image, PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_array_equal(to_uint8(normalised(inverted)[0]), 255 - image)
