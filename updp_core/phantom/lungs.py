"""Lungs: their outline in depth, what the heart and the diaphragm take from them, and their vessel trees."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .rays import Lengths, Map, Rays, overlap, polyline

APEX_Y = -13.2
LUNG_Z = -0.3  # middle of the lungs in depth
DOME_Z = 0.9


class LungShape:
    """One lung as a solid: outline and depth by height, and the diaphragm's dome. `side` is -1 right, +1 left."""

    def __init__(self, anatomy: Mapping[str, float], side: int) -> None:
        a = anatomy
        self.side = side
        self.apex_x, self.width = a["apex_x"], a["chest_half_width"]
        self.taper, self.lower_taper = a["upper_taper"], a["lower_taper"]
        self.depth_max = a["chest_depth"]
        raised = a.get("raise_right" if side < 0 else "raise_left", 0.0)
        self.floor = APEX_Y + a["lung_height"] + (a["dome_gap"] if side > 0 else 0.0) - 0.35 * raised
        self.dome_height = a["dome_height"] + 0.65 * raised
        self.dome_y = self.floor - self.dome_height
        self.dome_x = a["dome_peak_x"]
        self.length = self.floor - APEX_Y

    def lateral(self, y: Lengths) -> Lengths:
        """Distance of the outer wall from the midline."""
        t = (y - APEX_Y) / self.length
        rise = np.clip(t / self.taper, 0, 1)
        return (
            self.apex_x
            + (self.width - self.apex_x) * (1 - (1 - rise) ** 2.2) ** 0.62
            - self.lower_taper * np.clip((t - self.taper) / 0.4, 0, 1.3) ** 2
        )

    def medial(self, y: Lengths) -> Lengths:
        """Distance of the mediastinal wall from the midline, before heart and vessels press it in."""
        rise = np.clip((y - APEX_Y) / 5.0, 0, 1)
        return self.apex_x - (self.apex_x - 1.9) * (1 - (1 - rise) ** 2) ** 0.5

    def half_depth(self, y: Lengths) -> Lengths:
        """Half the lung's extent from front to back at this height."""
        t = (y - APEX_Y) / self.length
        top = np.clip(t / 0.42, 0, 1)
        bottom = np.clip((self.floor - y) / 4.0, 0, 1)
        return self.depth_max * (1 - (1 - top) ** 2) ** 0.5 * (1 - (1 - bottom) ** 2) ** 0.5

    def across(self, x: Lengths, y: Lengths) -> Lengths:
        """Position between mediastinal (-1) and outer wall (+1)."""
        outer, inner = self.lateral(y), self.medial(y)
        return (self.side * x - (outer + inner) / 2) / np.maximum((outer - inner) / 2, 1e-3)

    def dome_half_depth(self, x: Lengths, y: Lengths) -> Lengths:
        """Half the extent in depth of the abdomen below the dome at (x, y): 0 above the dome."""
        fall = np.clip((y - self.dome_y) / self.dome_height, 0, 1)
        offset = self.side * x - self.dome_x
        reach = np.where(offset > 0, self.width - self.dome_x + 0.4, self.dome_x + 2.5)
        return self.depth_max * 1.1 * np.sqrt(np.maximum(1 - (1 - fall) ** 2 - (offset / reach) ** 2, 0))

    def thickness(self, x: Map, y: Map, heart: Map, heart_z: float) -> tuple[Map, Map, Map]:
        """(whole, behind-the-dome-only cut, position across) in cm: lung crossed by each ray at (x, y).

        `heart` is the half chord of heart and vessels centred at depth `heart_z`: lung is displaced there.
        """
        s = self.across(x, y)
        inside = np.abs(s) < 1
        power = np.where(s > 0, 2.3, 5.0)
        half = self.half_depth(y) * np.where(inside, np.maximum(1 - np.abs(s) ** power, 0), 0) ** (1 / power)
        half = half.astype(np.float32)
        low, high = LUNG_Z - half, LUNG_Z + half
        dome = self.dome_half_depth(x, y).astype(np.float32)
        cut = overlap(low, high, DOME_Z - dome, DOME_Z + dome)
        taken = overlap(low, high, heart_z - heart, heart_z + heart)
        # Where heart and abdomen both displace lung, they overlap in depth: count the larger, and half of the other.
        lost = np.maximum(cut, taken) + 0.5 * np.minimum(cut, taken)
        return np.maximum(2 * half - lost, 0), 2 * half, s.astype(np.float32)

    def place(self, s: Lengths, t: Lengths, depth: Lengths) -> Lengths:
        """Points (N, 3) from across (-1..1), height (0..1) and depth (-1..1) in the lung's own coordinates."""
        y = APEX_Y + t * self.length
        outer, inner = self.lateral(y), self.medial(y)
        x = self.side * ((outer + inner) / 2 + s * (outer - inner) / 2)
        z = LUNG_Z + depth * self.half_depth(y) * np.sqrt(np.maximum(1 - s**2, 0))
        return np.stack([x, y, z], -1)

    def dome_surface(self, x: Lengths, z: Lengths) -> Lengths:
        """Height y of the dome at (x, z); the floor beyond its rim."""
        offset = self.side * x - self.dome_x
        reach = np.where(offset > 0, self.width - self.dome_x + 0.4, self.dome_x + 2.5)
        square = (offset / reach) ** 2 + ((z - DOME_Z) / (self.depth_max * 1.1)) ** 2
        return self.dome_y + self.dome_height * (1 - np.sqrt(np.maximum(1 - square, 0)))


def leaf_points(shape: LungShape, count: int, rng: np.random.Generator) -> Lengths:
    """`count` points (N, 3) spread through the lung's volume, which the vessel tree is to reach."""
    found: list[Lengths] = []
    total = 0
    while total < count:
        s, t, d = (
            rng.uniform(-0.95, 0.95, count * 3),
            rng.uniform(0.04, 1, count * 3),
            rng.uniform(-0.6, 0.6, count * 3),
        )
        y = APEX_Y + t * shape.length
        volume = (shape.lateral(y) - shape.medial(y)) * shape.half_depth(y) * np.sqrt(1 - s**2)
        points = shape.place(s, t, d)[rng.uniform(0, 130, count * 3) < volume]
        points = points[points[:, 1] < shape.dome_surface(points[:, 0], points[:, 2]) - 0.3]
        found.append(points)
        total += len(points)
    return np.concatenate(found)[:count]


def vessel_tree(
    root: Lengths, leaves: Lengths, radius: float, rng: np.random.Generator, step: float
) -> tuple[Lengths, Lengths, Lengths]:
    """Points (N, 3), the lengths they stand for (N,) and radii (N,) of a tree from `root` (3,) to `leaves` (2^k, 3).

    Each level halves the leaves of a branch by their direction as seen from its tip, and grows a branch part of the
    way to the centroid of each half; the radius follows r ~ (leaves served)^(1/2.45), near Murray's law.
    """
    groups = leaves[None]
    start = root[None]
    heading = (leaves.mean(0) - root)[None] * 0.15
    points, lengths, radii = [], [], []
    levels = int(np.log2(len(leaves)))
    for level in range(1, levels + 1):
        ahead = groups.mean(1) - start
        ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-6)
        offset = groups - start[:, None]
        offset = offset / np.maximum(np.linalg.norm(offset, axis=2, keepdims=True), 0.5)
        # Fork across the heading, in the plane of the film more often than in depth.
        across = np.stack([-ahead[:, 1], ahead[:, 0], 0.35 * rng.normal(size=len(ahead))], 1)
        order = (offset * across[:, None]).sum(2).argsort(1)
        groups = np.take_along_axis(groups, order[..., None], 1).reshape(2**level, -1, 3)
        start, heading = np.repeat(start, 2, 0), np.repeat(heading, 2, 0)
        gap = groups.mean(1) - start
        part = 1.0 if level == levels else 0.20 + 0.14 * rng.random((len(gap), 1))
        end = start + gap * part
        span = np.linalg.norm(end - start, axis=1)
        if level < levels:
            end = end + rng.normal(0, 0.07, end.shape) * span[:, None]
        bend = start + heading / np.maximum(np.linalg.norm(heading, axis=1, keepdims=True), 1e-6) * 0.36 * span[:, None]
        bend += rng.normal(0, 0.05, bend.shape) * span[:, None]
        count = max(int(span.mean() * 1.15 / step), 3)
        t = ((np.arange(count) + 0.5) / count)[None, :, None]
        curve = (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * bend[:, None] + t**2 * end[:, None]
        served = groups.shape[1] / len(leaves)
        calibre = radius * served ** (1 / 2.45) * np.exp(rng.normal(0, 0.18, len(span)))
        points.append(curve.reshape(-1, 3))
        # Daughters leave from inside the parent: only what emerges from it counts.
        emerge = np.clip(0.45 + 3.0 * t[0, :, 0], 0, 1)
        lengths.append((span[:, None] * 1.03 / count * emerge[None]).ravel())
        radii.append((calibre[:, None] * np.linspace(1.1, 0.85, count)[None]).ravel())
        heading = end - bend
        start = end
    return np.concatenate(points), np.concatenate(lengths), np.concatenate(radii)


def vessels(
    rays: Rays, shapes: Mapping[int, LungShape], anatomy: Mapping[str, float], tree_seed: int, calibre: float
) -> dict[int, Map]:
    """Thickness (cm) of pulmonary vessels by side; the trees are the patient's, stretched by inspiration."""
    result = {}
    step = rays.pixel * 0.75
    for side, shape in shapes.items():
        rng = np.random.default_rng([tree_seed, side + 1])
        hilum_y = anatomy["hilum_y"] - 1.6 - (1.2 if side > 0 else 0.0)
        artery_root = np.array([side * (anatomy["hilum_x"] - 0.5), hilum_y - 0.4, 0.3])
        vein_root = np.array([side * 2.4, hilum_y + 2.0, 0.0])
        radius = 0.74 * anatomy["vessel_calibre"] * calibre
        parts = [
            vessel_tree(artery_root, leaf_points(shape, 1024, rng), radius, rng, step),
            vessel_tree(vein_root, leaf_points(shape, 512, rng), radius * 0.78, rng, step),
        ]
        # The descending (interlobar) artery and the upper trunk give the hilum its body.
        out = anatomy["hilum_x"]
        trunk = np.array([[1.6, -0.8, 0.5], [out - 0.2, -0.2, 0.2], [out + 0.5, 2.4, -0.6], [out + 0.3, 4.8, -1.4]])
        trunk = trunk * [side, 1, 1] + [0, hilum_y, 0]
        stem, ds = polyline(trunk, step)
        parts.append((stem, ds, radius * np.linspace(1.15, 0.55, len(stem))))
        points, lengths, radii = (np.concatenate(p) for p in zip(*parts, strict=True))
        edges = np.array([0.0, 0.075, 0.1, 0.135, 0.18, 0.25, 0.36, 0.52, 5.0])
        total = np.zeros_like(rays.u)
        place = np.digitize(radii, edges)
        for k in np.unique(place):
            chosen = place == k
            total += rays.tube(points[chosen], lengths[chosen], float(radii[chosen].mean()))
        result[side] = total / (1 + total / 3.5)
    return result
