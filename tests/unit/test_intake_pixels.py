"""What intake promises about pixels: nothing lost, nothing stretched, nothing else kept."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from updp_core.errors import IntakeError
from updp_core.intake import pixels

shapes = st.tuples(st.integers(1, 90), st.integers(1, 90))
ramp16 = np.arange(65536, dtype=np.uint16).reshape(256, 256)


def saved(image: Image.Image, fmt: str, **options) -> io.BytesIO:
    buffer = io.BytesIO()
    image.save(buffer, fmt, **options)
    buffer.seek(0)
    return buffer


@settings(max_examples=40, deadline=None)
@given(hnp.arrays(st.sampled_from([np.uint8, np.uint16]), shapes))
def test_a_png_round_trip_is_exact_in_8_and_16_bit(image):
    back = pixels.decode_png(pixels.encode_png(image))
    assert back.dtype == image.dtype
    np.testing.assert_array_equal(back, image)


def test_every_8_bit_value_survives_the_16_bit_form():
    values = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(pixels.to_uint8(pixels.from_8bit(values)), values)


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(16, 128))
def test_a_letterbox_keeps_the_aspect_ratio_to_half_a_pixel(shape, size):
    top, left, height, width = pixels.letterbox_box(shape, size)
    scale = size / max(shape)
    assert max(height, width) == size
    assert height == 1 or abs(height - shape[0] * scale) <= 0.5
    assert width == 1 or abs(width - shape[1] * scale) <= 0.5
    assert 0 <= top <= size - height and 0 <= left <= size - width
    square = pixels.letterbox(np.full(shape, 40000, np.uint16), size)
    inside = np.zeros((size, size), bool)
    inside[top : top + height, left : left + width] = True
    assert (square[inside] == 40000).all() and (square[~inside] == 0).all()


def test_shrinking_averages_over_the_area():
    image = np.random.default_rng(0).integers(0, 65536, (96, 96)).astype(np.uint16)
    expected = image.reshape(32, 3, 32, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(pixels.letterbox(image, 32), expected, atol=0.51)


def test_a_letterbox_can_be_undone():
    image = np.zeros((300, 200), np.uint16)
    image[100:200, 50:150] = 60000
    back = pixels.undo_letterbox(pixels.letterbox(image, 300), image.shape)
    np.testing.assert_array_equal(back, image)


def test_a_full_range_16_bit_png_keeps_every_value():
    image, depth, flags = pixels.read_raster(saved(Image.fromarray(ramp16), "PNG"))
    np.testing.assert_array_equal(image, ramp16)
    assert depth == 16 and flags == ()


def test_12_bits_in_a_16_bit_png_are_stretched_and_reported_as_12():
    image, depth, _ = pixels.read_raster(saved(Image.fromarray(ramp16 >> 4), "PNG"))
    assert depth == 12 and image.min() == 0 and image.max() == 65535
    assert len(np.unique(image)) > 4080


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P"])
def test_every_png_mode_gives_the_same_grey(mode):
    grey = (ramp16 >> 8).astype(np.uint8)
    image, depth, flags = pixels.read_raster(saved(Image.fromarray(grey).convert(mode), "PNG"))
    np.testing.assert_array_equal(image, pixels.from_8bit(grey))
    assert depth == 8 and flags == ()


def test_a_cmyk_jpeg_is_not_inverted():
    grey = np.tile(np.linspace(0, 255, 128, dtype=np.uint8), (128, 1))
    image, _, _ = pixels.read_raster(saved(Image.fromarray(grey).convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels.to_uint8(image).astype(int) - grey).mean() < 3


def test_transparent_pixels_become_black():
    rgba = np.full((80, 80, 4), 255, np.uint8)
    rgba[:40, :, 3] = 0
    image, _, _ = pixels.read_raster(saved(Image.fromarray(rgba), "PNG"))
    assert (image[:40] == 0).all() and (image[40:] == 65535).all()


def test_a_coloured_image_is_flagged():
    rgb = np.zeros((80, 80, 3), np.uint8)
    rgb[..., 0] = np.arange(80) * 3
    _, _, flags = pixels.read_raster(saved(Image.fromarray(rgb), "PNG"))
    assert flags == ("colour: the image is not grey; it was converted",)


def test_exif_orientation_is_applied_and_no_metadata_survive():
    grey = np.zeros((64, 96), np.uint8)
    grey[:, :48] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees clockwise to display
    exif[0x010E] = "JOHN DOE"
    image, _, _ = pixels.read_raster(saved(Image.fromarray(grey), "JPEG", exif=exif, quality=95))
    assert image.shape == (96, 64)
    assert image[:40].mean() > 45000 > 5000 > image[56:].mean()
    info = PngInfo()
    info.add_text("Comment", "JOHN DOE")
    image, _, _ = pixels.read_raster(saved(Image.fromarray(grey), "PNG", pnginfo=info))
    assert b"JOHN" not in pixels.encode_png(image)


def test_limits_hold_before_decoding():
    huge = saved(Image.new("1", (20000, 20000)), "PNG")
    with pytest.raises(IntakeError, match="exceeds the limit"):
        pixels.read_raster(huge)
    with pytest.raises(IntakeError, match="too small"):
        pixels.read_raster(saved(Image.new("L", (500, 63)), "PNG"))
    with pytest.raises(IntakeError, match="multi-frame"):
        frames = [Image.new("L", (80, 80), n) for n in (0, 99)]
        pixels.read_raster(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))


@pytest.mark.parametrize("fmt", ["PNG", "JPEG", "TIFF"])
def test_a_truncated_file_is_refused_at_any_length(fmt):
    noise = np.random.default_rng(1).integers(0, 256, (100, 100)).astype(np.uint8)
    data = saved(Image.fromarray(noise), fmt).getvalue()
    for length in (0, 3, 60, len(data) // 3, len(data) // 2, len(data) - 200):
        with pytest.raises(IntakeError):
            pixels.read_raster(io.BytesIO(data[:length]))


def test_a_format_outside_the_list_is_refused():
    with pytest.raises(IntakeError, match="not a readable PNG, JPEG or TIFF"):
        pixels.read_raster(saved(Image.new("L", (80, 80)), "GIF"))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=400))
def test_arbitrary_bytes_never_crash_a_decoder(data):
    for function in (lambda: pixels.read_raster(io.BytesIO(data)), lambda: pixels.decode_png(data)):
        with pytest.raises(IntakeError):
            function()


def test_a_blank_image_cannot_be_stretched():
    with pytest.raises(IntakeError, match="blank"):
        pixels.stretch(np.full((70, 70), 5))
