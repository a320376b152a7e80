"""DICOM pixel data to one normalised form (DICOM PS3.3 C.11.1, C.11.2, C.7.6.3).

Stored values -> Modality LUT or rescale -> VOI LUT or window (the first) -> 0..1 -> MONOCHROME2 uint16. Windowing
is ours and not pydicom's because it must end in 0..1 whatever the sign of the rescale slope, and because pydicom's
VOI lookup wraps around where an 8-bit table has more than 256 entries.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from updp_core.domain import Image16
from updp_core.errors import IntakeError
from updp_core.intake.pixels import check_size, colour_flags, rgb_to_grey, unit_to_16bit

_GREY = ("MONOCHROME1", "MONOCHROME2")
_ONE_SAMPLE = (*_GREY, "PALETTE COLOR")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
_FRAME_MARKERS = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive", 0xC3: "lossless", 0xF7: "jpeg-ls"}
_KINDS = {
    JPEGBaseline8Bit: ("baseline",),
    JPEGExtended12Bit: ("baseline", "extended"),
    JPEGLossless: ("lossless",),
    JPEGLosslessSV1: ("lossless",),
    JPEGLSLossless: ("jpeg-ls",),
    JPEGLSNearLossless: ("jpeg-ls",),
}
"""Transfer syntax -> kinds of codestream that it may hold; of all others, JPEG 2000."""
_MIN_CONTRAST = 0.02  # of full scale, between the 1st and 99th percentile


def check_geometry(ds: Dataset) -> None:
    """Refuse, from the header alone, what cannot or must not be decoded. Raises IntakeError."""
    try:
        rows, columns = int(ds.Rows), int(ds.Columns)
        frames, samples = int(ds.get("NumberOfFrames") or 1), int(ds.get("SamplesPerPixel") or 1)
        allocated, stored = int(ds.BitsAllocated), int(ds.BitsStored)
        high, signed = int(ds.get("HighBit", stored - 1)), int(ds.get("PixelRepresentation") or 0)
    except (AttributeError, TypeError, ValueError):
        raise IntakeError("the header does not describe an image (rows, columns or bit depth missing)") from None
    check_size(rows, columns, frames)
    photometric = str(ds.get("PhotometricInterpretation", ""))
    if photometric not in _GREY + _COLOUR:
        raise IntakeError("the photometric interpretation is missing or not supported")
    if allocated not in (8, 16) or not 1 <= stored <= allocated:
        raise IntakeError(f"{allocated} bits allocated with {stored} bits stored are not supported")
    if high != stored - 1:
        raise IntakeError(f"the header contradicts itself: high bit {high} with {stored} bits stored")
    if signed not in (0, 1) or (signed and photometric not in _GREY):
        raise IntakeError("the header contradicts itself: its pixel representation does not fit its colours")
    if samples != (1 if photometric in _ONE_SAMPLE else 3):
        raise IntakeError(f"the header contradicts itself: {samples} samples a pixel with {photometric}")


def normalised(ds: Dataset) -> tuple[Image16, int, tuple[str, ...]]:
    """The pixel data as (uint16 (H, W) MONOCHROME2, bits stored, flags). Raises IntakeError.

    Where the header has a VOI LUT or window it decides the range; else 8-bit values are kept exactly (v * 257) and
    deeper ones are stretched between percentiles, padding left out.
    """
    check_geometry(ds)
    stored = decode(ds)
    if ds.PhotometricInterpretation not in _GREY:
        return _colour16(stored, ds)
    # Every step maps one stored value to one result, so it is computed once per grey level and not per pixel.
    lowest = int(stored.min())
    levels = np.arange(lowest, int(stored.max()) + 1)
    index = stored.astype(np.int32) - lowest
    counts = np.bincount(index.ravel(), minlength=len(levels))
    values = modality_values(levels, ds)
    unit = voi_unit(values, ds)
    flags: tuple[str, ...] = ()
    if unit is not None and np.ptp(percentiles(unit, counts, (1, 99))) < _MIN_CONTRAST:
        unit, flags = None, ("window: the header's VOI window leaves no contrast; the pixels' own range was used",)
    if unit is None and not flags and ds.BitsStored <= 8 and values is levels and not ds.PixelRepresentation:
        unit = levels / (2**ds.BitsStored - 1)
    if unit is None:
        low, high = percentiles(values, np.where(is_padding(levels, ds), 0, counts), (0.1, 99.9))
        if not high > low:
            raise IntakeError("image is blank: every pixel has the same value")
        unit = (values - low) / (high - low)
    table = unit_to_16bit(unit)
    image = table[index]
    if image.min() == image.max():
        raise IntakeError("image is blank: every pixel has the same value")
    if ds.PhotometricInterpretation == "MONOCHROME1":
        image = np.uint16(65535) - image
    return image, int(ds.BitsStored), flags


def _colour16(stored: NDArray[Any], ds: Dataset) -> tuple[Image16, int, tuple[str, ...]]:
    rgb = apply_color_lut(stored, ds) if ds.PhotometricInterpretation == "PALETTE COLOR" else stored
    depth = 8 * rgb.dtype.itemsize if ds.PhotometricInterpretation == "PALETTE COLOR" else int(ds.BitsStored)
    rgb = rgb[..., :3]
    return unit_to_16bit(rgb_to_grey(rgb) / (2**depth - 1)), depth, colour_flags(rgb >> max(0, depth - 8))


def percentiles(values: NDArray[Any], counts: NDArray[np.integer], which: Sequence[float]) -> list[float]:
    """Percentiles of a histogram: grey level i has `values[i]` and occurs `counts[i]` times (any order of values)."""
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(counts[order])
    rank = np.searchsorted(cumulative, np.asarray(which) / 100 * cumulative[-1])
    return [float(v) for v in np.asarray(values)[order[np.clip(rank, 0, len(order) - 1)]]]


def decode(ds: Dataset) -> NDArray[Any]:
    """Stored values (H, W) or RGB (H, W, 3), signed and masked as the header says. Raises IntakeError."""
    if "PixelData" not in ds or not ds.PixelData:
        raise IntakeError("the file has no pixel data")
    syntax = UID(str(ds.file_meta.get("TransferSyntaxUID", "")))
    if not syntax.is_transfer_syntax:
        raise IntakeError("the transfer syntax is missing or unknown")
    if syntax.is_compressed and syntax not in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, RLELossless):
        _check_codestream(ds, syntax)
    try:
        pixels = _pixel_array(ds, syntax)
    except MemoryError:
        raise
    except (NotImplementedError, RuntimeError) as error:
        # pydicom lists decoders and their failures; its text may quote the file, ours does not.
        if "plugin" in str(error) and "missing" in str(error):
            raise IntakeError(f"no decoder for transfer syntax {syntax.name} is installed") from None
        raise IntakeError(f"pixel data are damaged or truncated ({syntax.name})") from None
    except Exception as error:
        raise IntakeError(f"pixel data are damaged or truncated ({type(error).__name__})") from None
    if pixels.shape[:2] != (ds.Rows, ds.Columns):
        raise IntakeError("pixel data and header disagree on the image's size")
    return pixels


def _pixel_array(ds: Dataset, syntax: UID) -> NDArray[Any]:
    """The first decoder that can read the pixel data. GDCM last: it is the least guarded against crafted files; before
    it Pillow, which takes half as long again as pylibjpeg for JPEG 2000.
    """
    plugins = get_decoder(syntax).available_plugins if syntax.is_compressed else ()
    if len(plugins) < 2:
        return pixel_array(ds)
    *first, last = sorted(plugins, key=lambda name: (name == "gdcm", name == "pillow"))
    for name in first:
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError, OSError):
            return pixel_array(ds, decoding_plugin=name)
    return pixel_array(ds, decoding_plugin=last)


def _check_codestream(ds: Dataset, syntax: UID) -> None:
    """What the compressed stream says of itself must be what the header says: decoders believe now one, now the other
    (and allocate what the stream says). Raises IntakeError with the first contradiction.
    """
    try:
        frame = next(iter(generate_frames(ds.PixelData, number_of_frames=1)))
    except Exception:
        raise IntakeError("pixel data are damaged or truncated (no frame)") from None
    stream = codestream(frame)
    if stream is None:
        raise IntakeError("pixel data are damaged or truncated (no image header)")
    kinds = _KINDS.get(syntax, ("jpeg2000",))
    samples, stored, signed = (
        int(ds.get("SamplesPerPixel") or 1),
        int(ds.BitsStored),
        bool(ds.get("PixelRepresentation")),
    )
    for what, in_header, in_stream in (
        ("size", (ds.Rows, ds.Columns), (stream.rows, stream.columns)),
        ("samples a pixel", samples, stream.components),
        ("bits stored", stored, stream.precision),
    ):
        if in_header != in_stream:
            raise IntakeError(
                f"pixel data and header disagree on the image's {what}: {_said(in_stream)} and {_said(in_header)}"
            )
    if stream.kind not in kinds:
        raise IntakeError(f"the pixel data are not what the transfer syntax says ({syntax.name})")
    if signed != stream.signed and stream.kind in ("jpeg2000", "baseline", "extended"):
        words = {True: "signed", False: "unsigned"}
        raise IntakeError(f"pixel data are {words[bool(stream.signed)]} and the header says {words[signed]}")


def _said(value: Any) -> str:
    return " x ".join(map(str, value)) if isinstance(value, tuple) else str(value)


@dataclass(frozen=True)
class Codestream:
    """What a compressed frame says of itself. `signed` is None where its kind does not say."""

    kind: str  # baseline, extended, lossless, jpeg-ls, jpeg2000
    rows: int
    columns: int
    components: int
    precision: int
    signed: bool | None = None


def codestream(frame: bytes) -> Codestream | None:
    """The frame header of JPEG or JPEG-LS (ITU-T T.81 B.2.2, T.87 C.2.2) or the SIZ marker of JPEG 2000 (T.800 A.5.1).

    None where there is none, or where components differ in depth or sign.
    """
    if frame[:12] == b"\x00\x00\x00\x0cjP  \r\n\x87\n" and (start := frame.find(b"\xff\x4f\xff\x51", 0, 4096)) > 0:
        frame = frame[start:]
    if frame[:4] == b"\xff\x4f\xff\x51":
        return _siz(frame)
    if frame[:2] != b"\xff\xd8":
        return None
    offset = 2
    while offset + 9 < len(frame) and frame[offset] == 0xFF:
        marker = frame[offset + 1]
        if marker in _FRAME_MARKERS:
            precision, rows, columns, components = struct.unpack_from(">BHHB", frame, offset + 4)
            kind = _FRAME_MARKERS[marker]
            signed = False if kind in ("baseline", "extended") else None
            return Codestream(kind, rows, columns, components, precision, signed)
        offset += 1 if marker == 0xFF else 2 + int.from_bytes(frame[offset + 2 : offset + 4], "big")
    return None


def _siz(frame: bytes) -> Codestream | None:
    if len(frame) < 45:
        return None
    right, bottom, left, top = struct.unpack_from(">4I", frame, 8)
    components = int.from_bytes(frame[40:42], "big")
    depths = set(frame[42 : 42 + 3 * components : 3])
    if len(depths) != 1:
        return None
    depth = depths.pop()
    return Codestream("jpeg2000", bottom - top, right - left, components, (depth & 0x7F) + 1, bool(depth & 0x80))


def modality_values(stored: NDArray[Any], ds: Dataset) -> NDArray[Any]:
    """Stored values through the Modality LUT or the rescale (C.11.1); the same array where neither changes it."""
    if ds.get("ModalityLUTSequence"):
        return lookup(stored, ds.ModalityLUTSequence[0], _big_endian(ds))[0]
    slope, intercept = _number(ds.get("RescaleSlope")), _number(ds.get("RescaleIntercept"))
    if slope is None or intercept is None or slope == 0 or (slope, intercept) == (1.0, 0.0):
        return stored
    return stored * slope + intercept


def voi_unit(values: NDArray[Any], ds: Dataset) -> NDArray[np.float64] | None:
    """Values through the first VOI LUT, or else the first window (C.11.2), as 0..1; None where there is neither."""
    if ds.get("VOILUTSequence") and "LUTData" in ds.VOILUTSequence[0]:
        mapped, top = lookup(values, ds.VOILUTSequence[0], _big_endian(ds))
        return mapped / top
    center, width = _number(ds.get("WindowCenter")), _number(ds.get("WindowWidth"))
    if center is None or width is None:
        return None
    function = str(ds.get("VOILUTFunction") or "LINEAR").upper()
    if function == "SIGMOID" and width > 0:
        return 1.0 / (1.0 + np.exp(np.clip(-4.0 * (values - center) / width, -60, 60)))
    if function == "LINEAR":
        center, width = center - 0.5, width - 1.0
    return np.clip((values - center) / width + 0.5, 0.0, 1.0) if width > 0 else None


def lookup(values: NDArray[Any], item: Dataset, big_endian: bool = False) -> tuple[NDArray[np.float64], int]:
    """Values through a LUT item (C.11.1.1): (mapped, the table's full scale). Values outside map to the ends.

    Some devices state 16 bits for a table that holds 10 or 12: where the table uses at most half of its stated
    range, its full scale is the next power of two above its largest entry.
    """
    try:
        entries, first, bits = (int(v) for v in item.LUTDescriptor)
        entries = entries or 65536
        raw = item.LUTData
        if isinstance(raw, bytes):
            table = np.frombuffer(raw, (">u2" if big_endian else "<u2") if len(raw) >= 2 * entries else "u1")
        else:
            table = np.atleast_1d(np.asarray(raw, dtype=np.int64))
        table = table[:entries].astype(np.float64)
        if len(table) != entries or not 8 <= bits <= 16:
            raise ValueError
    except (AttributeError, TypeError, ValueError):
        raise IntakeError("the header's lookup table is damaged") from None
    index = np.clip(np.rint(values).astype(np.int64) - first, 0, entries - 1)
    top, largest = 2**bits - 1, max(1, int(table.max()))
    return table[index], top if largest > top // 2 else 2 ** largest.bit_length() - 1


def is_padding(stored: NDArray[Any], ds: Dataset) -> NDArray[np.bool_]:
    """Which stored values are padding (C.7.5.1.1.2); none where the header states no padding value."""
    low = _number(ds.get("PixelPaddingValue"))
    if low is None:
        return np.zeros(stored.shape, bool)
    high = _number(ds.get("PixelPaddingRangeLimit"))
    low, high = sorted((low, low if high is None else high))
    return (stored >= low) & (stored <= high)


def _big_endian(ds: Dataset) -> bool:
    return bool(ds.file_meta.get("TransferSyntaxUID") == ExplicitVRBigEndian)


def _number(value: Any) -> float | None:
    """The first value of an element as a finite float, or None."""
    if hasattr(value, "__iter__") and not isinstance(value, (str, bytes)):
        value = next(iter(value), None)
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if np.isfinite(number) else None
