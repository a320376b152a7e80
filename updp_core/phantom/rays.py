"""The projection: where a point falls on the detector, and how much of a solid a ray crosses.

Thickness maps are float32 (size, size), in cm along the ray. A solid is projected with the
magnification of its own depth (a point source: M = SID / (SID - distance to detector)); curves are
projected point by point.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .patient import Visit

Map = NDArray[Any]  # float32 (size, size)
Lengths = NDArray[np.float64]  # cm: points (N, 3), or one coordinate of them (N,)
HALF_BODY = 12.0  # the detector stands this far from the middle of the body


class Rays:
    """The rays of one exposure: pixel grid, source distance, rotation and position of the patient."""

    def __init__(self, visit: Visit, size: int) -> None:
        self.size = size
        self.pixel = visit.field / size
        self.view = visit.view
        self.sid = 180.0 if visit.view == "PA" else 115.0
        self.sine = float(np.sin(np.radians(visit.rotation)))
        roll = np.radians(visit.roll)
        axis = (np.arange(size, dtype=np.float32) + 0.5 - size / 2) * self.pixel
        u, v = axis[None, :] - visit.shift[0], axis[:, None] - visit.shift[1]
        self._cos, self._sin = float(np.cos(roll)), float(np.sin(roll))
        self.shift = visit.shift
        self.u: Map = (u * self._cos + v * self._sin).astype(np.float32)
        self.v: Map = (-u * self._sin + v * self._cos).astype(np.float32)
        # Body and organs follow a smooth random displacement of the patient's own, so that no outline is a conic.
        rng = np.random.default_rng([visit.patient.tree_seed, 11])
        bend = smooth_noise(rng, size, 5, 2) * 0.30 + smooth_noise(rng, size, 11, 2) * 0.09
        self.soft_u, self.soft_v = self.u + bend[0], self.v + bend[1]

    def magnification(self, z: NDArray[np.float32] | float) -> NDArray[np.float32] | float:
        """M at depth z (cm, front positive) for this view."""
        distance = HALF_BODY - z if self.view == "PA" else HALF_BODY + z
        return self.sid / (self.sid - distance)

    def plane(self, z: float, soft: bool = True) -> tuple[Map, Map]:
        """Object coordinates (x, y) in cm at which each ray crosses depth z."""
        m = self.magnification(z)
        u, v = (self.soft_u, self.soft_v) if soft else (self.u, self.v)
        return u / m - np.float32(z * self.sine), v / m

    def pixels(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pixel coordinates (N, 2) and magnification (N,) of points (N, 3) in cm."""
        m = np.asarray(self.magnification(points[:, 2].astype(np.float32)), np.float32)
        u = (points[:, 0] + points[:, 2] * self.sine) * m
        v = points[:, 1] * m
        x = u * self._cos - v * self._sin + self.shift[0]
        y = u * self._sin + v * self._cos + self.shift[1]
        return np.stack([x, y], 1).astype(np.float32) / self.pixel + self.size / 2 - 0.5, m

    def tube(
        self,
        points: NDArray[np.floating],
        lengths: NDArray[np.floating],
        radius: float,
        aspect: float = 1.0,
        core: float = 0.0,
        filling: float = 0.0,
    ) -> Map:
        """Thickness of a tube whose axis is sampled at `points` (N, 3), each standing for `lengths` (N,) cm.

        A disc swept along a line has the chord 2 sqrt(r^2 - d^2), so the axis is scattered (bilinearly,
        weighted by its true length, which lengthens the chord where the tube runs along the ray) and
        convolved with a disc. `aspect` < 1 narrows the disc horizontally (ribs are flat). With a `core`
        radius the tube is hollow, and holds `filling` (0..1) of its wall's density there.
        """
        total = np.zeros_like(self.u)
        xy, m = self.pixels(points)
        if not len(m):
            return total
        scale = float(m.mean()) / self.pixel
        kernel = disc(round(radius * scale, 2), round(radius * scale * aspect, 2))
        if core > 0:
            inner = disc(round(core * scale, 2), round(core * scale * aspect, 2))
            kernel = kernel - np.float32(1 - filling) * np.pad(inner, (len(kernel) - len(inner)) // 2)
        # Only the part of the picture around the tube is touched.
        reach = len(kernel) // 2 + 2
        x0, y0 = np.clip(np.floor(xy.min(0)).astype(int) - reach, 0, self.size)
        x1, y1 = np.clip(np.ceil(xy.max(0)).astype(int) + reach + 1, 0, self.size)
        if x0 >= x1 or y0 >= y1:
            return total
        weight = (lengths * m).astype(np.float32) / self.pixel
        line = scatter(xy - np.array([x0, y0], np.float32), weight, (y1 - y0, x1 - x0))
        # Chord in pixels of the detector, back to cm in the body.
        chords = cv2.filter2D(line, cv2.CV_32F, kernel, borderType=cv2.BORDER_CONSTANT) / np.float32(scale)
        total[y0:y1, x0:x1] = chords
        return total

    def polygon(self, points: NDArray[np.floating]) -> Map:
        """1 inside the projected outline (N, 3), antialiased."""
        xy, _ = self.pixels(points)
        canvas = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(canvas, [np.round(xy * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return canvas.astype(np.float32) / 255

    def blur(self, image: Map, sigma: float) -> Map:
        """Gaussian blur with sigma in cm; wide ones are computed on a smaller grid."""
        return gaussian(image, sigma / self.pixel)


def scatter(xy: NDArray[np.float32], weight: NDArray[np.float32], shape: tuple[int, int]) -> Map:
    """Bilinear accumulation of weights at pixel positions (x, y) in a map of this shape; what falls outside is lost."""
    height, width = shape
    corner = np.floor(xy).astype(np.int32)
    fraction = xy - corner
    total = np.zeros(height * width, np.float64)
    for dx in (0, 1):
        for dy in (0, 1):
            x, y = corner[:, 0] + dx, corner[:, 1] + dy
            w = weight * np.abs(1 - dx - fraction[:, 0]) * np.abs(1 - dy - fraction[:, 1])
            inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
            total += np.bincount(y[inside] * width + x[inside], w[inside], height * width)
    return total.reshape(height, width).astype(np.float32)


def gaussian(image: Map, sigma: float) -> Map:
    """Gaussian blur with sigma in pixels, edges replicated."""
    step = max(1, int(sigma // 3))
    if step == 1:
        return cv2.GaussianBlur(image, (0, 0), max(sigma, 0.05), borderType=cv2.BORDER_REPLICATE)
    small = cv2.resize(
        image, (max(image.shape[1] // step, 4), max(image.shape[0] // step, 4)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(small, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)


@lru_cache(maxsize=4096)
def disc(half_height: float, half_width: float) -> Map:
    """Antialiased indicator of an ellipse with the given half axes in pixels, in an odd square."""
    reach = int(np.ceil(max(half_height, half_width) + 0.5))
    fine = 8
    axis = (np.arange((2 * reach + 1) * fine) + 0.5) / fine - reach - 0.5
    inside = (axis[None] / max(half_width, 0.05)) ** 2 + (axis[:, None] / max(half_height, 0.05)) ** 2 <= 1
    return inside.reshape(2 * reach + 1, fine, 2 * reach + 1, fine).mean((1, 3)).astype(np.float32)


def smooth_noise(rng: np.random.Generator, size: int, cells: int, channels: int = 1) -> Map:
    """Unit-variance smooth noise (channels, size, size) with about `cells` bumps across, the same at any size."""
    coarse = rng.standard_normal((channels, cells + 3, cells + 3)).astype(np.float32)
    return np.stack([cv2.resize(c, (size, size), interpolation=cv2.INTER_CUBIC) for c in coarse]) * np.float32(1.25)


def chord(square: Map, depth: float) -> Map:
    """Half chord (cm) of an ellipsoid with half depth `depth`, from its normalised squared radius in the plane."""
    return np.float32(depth) * np.sqrt(np.maximum(1 - square, 0))


def union(*parts: Map, power: float = 4.0) -> Map:
    """Smooth maximum of non-negative maps."""
    total = parts[0] ** power
    for part in parts[1:]:
        total += part**power
    return total ** np.float32(1 / power)


def overlap(low_a: Map, high_a: Map, low_b: Map, high_b: Map) -> Map:
    """Length of the intersection of two intervals, elementwise."""
    return np.maximum(np.minimum(high_a, high_b) - np.maximum(low_a, low_b), 0)


def polyline(controls: NDArray[np.floating], step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Points (N, 3) every `step` cm along a smooth curve through `controls` (K, 3), and the length each stands for."""
    from scipy.interpolate import CubicSpline

    controls = np.asarray(controls, float)
    knots = np.concatenate([[0], np.cumsum(np.maximum(np.linalg.norm(np.diff(controls, axis=0), axis=1), 1e-3))])
    count = max(int(knots[-1] / step), 2)
    t = (np.arange(count) + 0.5) / count * knots[-1]
    if len(controls) == 2:
        points = controls[0] + (controls[1] - controls[0]) * (t / knots[-1])[:, None]
    else:
        points = CubicSpline(knots, controls, axis=0)(t)
    return points, np.linalg.norm(np.gradient(points, axis=0), axis=1)
