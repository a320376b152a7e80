"""From line integrals to a displayed radiograph: scatter, noise, blur, grid, processing, collimation, marker."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .patient import Visit
from .rays import Map, Rays


def expose(attenuation: Map, rays: Rays, visit: Visit) -> Map:
    """Logarithmic signal of the detector (higher is more opaque) for line integrals in e-folds."""
    rng = np.random.default_rng([visit.patient.seed, visit.seed, 81])
    primary = np.exp(-attenuation)
    clipped = np.minimum(primary, 0.6)
    wide = rays.blur(clipped, 4.2)
    scatter = visit.scatter * 0.30 * wide + visit.scatter * 0.0035
    signal = primary + scatter
    signal = rays.blur(signal, 0.035 + 0.015 * visit.noise)
    # A pixel gathers quanta from its whole area: fewer pixels, less noise.
    quanta = 2.2e5 * visit.exposure * rays.pixel**2 / (visit.noise**2 * 0.16**2)
    signal = signal * (1 + rng.standard_normal(signal.shape, dtype=np.float32) / np.sqrt(quanta * signal))
    if visit.grid_lines:
        period = 0.36 + 0.1 * rng.random()
        signal = signal * (1 + 0.012 * np.sin(2 * np.pi * rays.u / period).astype(np.float32))
    return np.asarray(-np.log(np.maximum(signal, 1e-4)), np.float32)


def process(signal: Map, rays: Rays, visit: Visit) -> Map:
    """Display values 0..1: mild unsharp mask, window from the image's own percentiles, and a film-like curve."""
    local = rays.blur(signal, 3.2)
    fine = rays.blur(signal, 0.35)
    sharp = signal - 0.22 * (local - local.mean()) + 0.45 * (signal - fine)
    margin = rays.size // 10
    inner = sharp[margin:-margin:3, margin:-margin:3]
    low, high = np.percentile(inner, [5, 94])
    span = max(high - low, 0.3)
    value = (sharp - low) / span
    value = 0.25 + 0.02 * np.log(visit.exposure) + 0.60 * value * visit.contrast + 0.25 * (1 - visit.contrast)
    # Toe and shoulder of the display curve.
    return (1 / (1 + np.exp(-(value - 0.5) * 4.2)) - 0.15) / 0.71


@lru_cache(maxsize=256)
def glyphs(text: str, height: int) -> Map:
    """The text as an antialiased mask (H, W) in Pillow's own typeface, letters `height` pixels tall."""
    font = ImageFont.load_default(size=max(height * 1.35, 6))
    left, top, right, bottom = font.getbbox(text)
    image = Image.new("L", (int(right - left) + 4, int(bottom - top) + 4))
    ImageDraw.Draw(image).text((2 - left, 2 - top), text, fill=255, font=font)
    return np.asarray(image, np.float32) / 255


def stamp(
    image: Map, text: str, x: float, y: float, height: int, level: float = 1.0, turn: float = 0.0
) -> tuple[int, int, int, int]:
    """Draw `text` into `image` (0..1) with its centre at the fractions (x, y); returns its box in pixels."""
    mask: Map = glyphs(text, height)
    h, w = mask.shape
    if turn:
        matrix = cv2.getRotationMatrix2D((w / 2, h / 2), turn, 1.0)
        side = int(np.hypot(h, w)) + 2
        matrix[:, 2] += [side / 2 - w / 2, side / 2 - h / 2]
        mask = cv2.warpAffine(mask, matrix, (side, side), flags=cv2.INTER_LINEAR)
        h, w = mask.shape
    n = image.shape[0]
    x0 = int(np.clip(x * n - w / 2, 0, max(n - w, 0)))
    y0 = int(np.clip(y * n - h / 2, 0, max(n - h, 0)))
    mask = mask[: n - y0, : n - x0]
    part = image[y0 : y0 + h, x0 : x0 + w]
    part += mask * (level - part)
    return x0, y0, x0 + mask.shape[1], y0 + mask.shape[0]


def finish(image: Map, rays: Rays, visit: Visit, annotate: bool = True) -> Map:
    """Collimator borders and, with `annotate`, the side marker and view label, on display values 0..1."""
    n = rays.size
    rng = np.random.default_rng([visit.patient.seed, visit.seed, 82])
    edges = [round(c / rays.pixel) for c in visit.collimation]
    if any(edges):
        left, right, top, bottom = edges
        shade: Map = np.zeros((n, n), np.float32)
        shade[top : n - bottom, left : n - right] = 1
        shade = cv2.GaussianBlur(shade, (0, 0), 0.9 * n / 256)
        image = image * shade + 0.012 * (1 - shade)
    image = np.clip(image, 0, 1)
    if not annotate:
        return image
    x = 0.93 - 0.05 * rng.random() if visit.marker == "L" else 0.07 + 0.05 * rng.random()
    height = round(n * (0.038 + 0.014 * rng.random()))
    stamp(image, visit.marker, x, 0.07 + 0.2 * rng.random(), height, 0.93, float(rng.normal(0, 7)))
    if visit.view == "AP" and rng.random() < 0.6:
        stamp(
            image,
            str(rng.choice(["AP", "PORTABLE", "AP PORTABLE", "SUPINE", "AP ERECT"])),
            x,
            0.035,
            round(n * 0.024),
            0.93,
        )
    return image
