"""Pixels: raster files in, letterboxing, and the PNG form in which images are kept.

Everything downstream sees one form: uint16 (H, W), MONOCHROME2 sense, 0 black. An 8-bit source value v
becomes v * 257, so that no 8-bit image loses or gains a grey level on the way.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from updp_core.domain import Image8, Image16
from updp_core.errors import IntakeError

MAX_PIXELS = 40_000_000
"""Twice the largest flat-panel detector (43 cm at 0.1 mm a side); more is refused before any decoding."""
MIN_SIDE = 64
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RASTER_FORMATS = ("PNG", "JPEG", "TIFF")
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601 weights; their sum is 1, so a grey RGB pixel keeps its value."""
_COLOUR_LEVELS = 12  # JPEG chroma noise of a grey film stays below this mean channel spread (of 255)


def check_size(height: int, width: int, frames: int = 1) -> None:
    """Refuse images that are too small to read or too large to decode safely (IntakeError)."""
    if frames != 1:
        raise IntakeError(f"multi-frame image ({frames} frames): one frontal image a file is needed")
    if height < MIN_SIDE or width < MIN_SIDE:
        raise IntakeError(f"image of {width} x {height} pixels is too small (at least {MIN_SIDE} a side are needed)")
    if height * width > MAX_PIXELS:
        raise IntakeError(f"image of {width} x {height} pixels exceeds the limit of {MAX_PIXELS:,} pixels")


def read_raster(source: Path | IO[bytes]) -> tuple[Image16, int, tuple[str, ...]]:
    """A PNG, JPEG or TIFF as (uint16 (H, W), bit depth of the source, flags). Metadata are not kept.

    8-bit values become v * 257. 16-bit values stay as they are where they use at least half of the range;
    12-bit values in a 16-bit file are stretched (see `stretch`). Raises IntakeError.
    """
    try:
        # Pillow warns of large images and odd EXIF; check_size has the stricter limit and EXIF is not kept.
        with warnings.catch_warnings(action="ignore"), Image.open(source, formats=RASTER_FORMATS) as image:
            check_size(image.height, image.width, getattr(image, "n_frames", 1))
            # Orientation is the one EXIF entry that changes what a viewer shows.
            grey, depth, flags = _grey16(ImageOps.exif_transpose(image))
    except UnidentifiedImageError:
        raise IntakeError("not a readable PNG, JPEG or TIFF image") from None
    except Image.DecompressionBombError:
        raise IntakeError(f"image exceeds the limit of {MAX_PIXELS:,} pixels") from None
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError) as error:
        raise IntakeError(f"image is damaged or truncated ({type(error).__name__})") from None
    if grey.min() == grey.max():
        raise IntakeError("image is blank: every pixel has the same value")
    return grey, depth, flags


def _grey16(image: Image.Image) -> tuple[Image16, int, tuple[str, ...]]:
    """A decoded Pillow image in any mode as (uint16, bit depth, flags)."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if values.dtype.kind == "f" or values.min() < 0 or values.max() > 65535:
            raise IntakeError(f"pixel format {image.mode} is not supported: save it as 8- or 16-bit greyscale")
        values = values.astype(np.uint16)
        depth = max(8, int(values.max()).bit_length())
        return (values if values.max() >= 32768 else stretch(values)), depth, ()
    if image.mode in ("1", "L"):
        return from_8bit(np.asarray(image.convert("L"))), 8, ()
    if "A" in image.mode or image.mode == "P":
        # Where a pixel is transparent nothing was exposed: black, as outside the collimator.
        rgba = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)
    rgb = np.asarray(image.convert("RGB"))
    return from_8bit(rgb_to_grey(rgb)), 8, colour_flags(rgb)


def rgb_to_grey(rgb: NDArray[Any]) -> NDArray[Any]:
    """(H, W, 3) to (H, W) by BT.601 luma, same dtype; equal channels keep their value exactly."""
    # Channel by channel in float32, which holds 16-bit values: a third of the memory of a matrix product.
    grey = sum(rgb[..., i].astype(np.float32) * np.float32(LUMA[i]) for i in range(3))
    return np.rint(grey).astype(rgb.dtype)


def colour_flags(rgb: NDArray[np.integer]) -> tuple[str, ...]:
    """A flag where an 8-bit (H, W, 3) image is coloured, as a photograph or a screenshot is."""
    sample = rgb[::4, ::4].astype(np.int32)
    spread = float((sample.max(axis=2) - sample.min(axis=2)).mean())
    return ("colour: the image is not grey; it was converted",) if spread > _COLOUR_LEVELS else ()


def from_8bit(image: NDArray[np.uint8]) -> Image16:
    """v * 257: 0..255 to 0..65535 with nothing lost; `to_uint8` is the inverse."""
    return image.astype(np.uint16) * np.uint16(257)


def stretch(values: NDArray[Any]) -> Image16:
    """Linear map of the 0.1 to 99.9 percentiles onto 0..65535, clipped. Raises IntakeError on a blank image."""
    low, high = (float(v) for v in np.percentile(values, [0.1, 99.9]))
    if not high > low:
        low, high = float(values.min()), float(values.max())
    if not high > low:
        raise IntakeError("image is blank: every pixel has the same value")
    return unit_to_16bit((values.astype(np.float64) - low) / (high - low))


def unit_to_16bit(unit: NDArray[np.floating]) -> Image16:
    """0..1 (clipped) to 0..65535, rounded."""
    return np.rint(np.clip(unit, 0.0, 1.0) * 65535.0).astype(np.uint16)


def to_uint8(image: Image16) -> Image8:
    """Linear 16 to 8 bit, rounded to the nearest; no windowing, since intake has normalised the image."""
    return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)


def letterbox_box(shape: tuple[int, int], size: int) -> tuple[int, int, int, int]:
    """Where an image (H, W) lies inside its letterbox: (top, left, height, width) in pixels of the square."""
    scale = size / max(shape)
    height, width = (max(1, round(side * scale)) for side in shape)
    return (size - height) // 2, (size - width) // 2, height, width


def letterbox(image: Image16, size: int) -> Image16:
    """(H, W) to (size, size): area averaging down, bilinear up, black bars, aspect ratio kept."""
    top, left, height, width = letterbox_box(image.shape[:2], size)
    square = np.zeros((size, size), np.uint16)
    square[top : top + height, left : left + width] = _resize(image, height, width)
    return square


def undo_letterbox(square: Image16, shape: tuple[int, int]) -> Image16:
    """Cut the bars off and resize to `shape` (H, W): the inverse of `letterbox` up to its resolution."""
    top, left, height, width = letterbox_box(shape, square.shape[0])
    return _resize(square[top : top + height, left : left + width], *shape)


def _resize(image: Image16, height: int, width: int) -> Image16:
    if image.shape == (height, width):
        return image.copy()
    # Pillow's BOX with a scaled support is the exact mean over each target pixel's area; float32 holds 0..65535.
    down = height <= image.shape[0] and width <= image.shape[1]
    method = Image.Resampling.BOX if down else Image.Resampling.BILINEAR
    resized = Image.fromarray(image.astype(np.float32)).resize((width, height), method)
    return np.rint(np.clip(np.asarray(resized), 0, 65535)).astype(np.uint16)


def encode_png(image: Image8 | Image16) -> bytes:
    """A greyscale PNG, 8 or 16 bit as the array's dtype says, without any metadata chunk."""
    if image.ndim != 2 or image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"A uint8 or uint16 array (H, W) is needed, not {image.dtype} with shape {image.shape}.")
    # By hand, since Pillow tries five filters on every row: the difference to the row above, then runs and Huffman
    # codes. Five times as fast, and no larger on radiographs.
    height, width = image.shape
    depth = 8 * image.dtype.itemsize
    samples = np.ascontiguousarray(image, ">u2").view(np.uint8) if depth == 16 else image
    rows = np.empty((height, samples.shape[1] + 1), np.uint8)
    rows[:, 0] = 2  # the filter "up" (PNG specification, section 9.2)
    rows[0, 1:] = samples[0]
    np.subtract(samples[1:], samples[:-1], out=rows[1:, 1:])
    packer = zlib.compressobj(1, strategy=zlib.Z_RLE)
    head = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    data = packer.compress(rows.tobytes()) + packer.flush()
    return PNG_SIGNATURE + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def decode_png(data: bytes) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """The array of a PNG that `encode_png` wrote: uint8 or uint16 (H, W). Raises IntakeError on anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise IntakeError(f"image exceeds the limit of {MAX_PIXELS:,} pixels")
            if image.mode == "L":
                return np.array(image)
            if image.mode.startswith("I;16"):
                return np.array(image, dtype=np.uint16)
            raise IntakeError(f"PNG with pixel format {image.mode} is not 8- or 16-bit greyscale")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise IntakeError(f"PNG is damaged ({type(error).__name__})") from None
