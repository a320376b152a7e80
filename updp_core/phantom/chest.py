"""The scene: every solid of one visit's chest turned into thickness maps, ready for the findings and the detector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .lungs import APEX_Y, LungShape, vessels
from .patient import Visit
from .rays import Map, Rays, chord, polyline, smooth_noise, union
from .skeleton import Fracture, skeleton, spine_curve

HEART_Z = 1.8


def effective_anatomy(visit: Visit) -> dict[str, float]:
    """The patient's parameters as this visit shows them: breathing, and findings that change shape."""
    a = dict(visit.patient.anatomy)
    breath = visit.inspiration
    a["lung_height"] += 1.3 * breath
    a["heart_ratio"] -= 0.012 * breath
    a["rib_lift"] = 1 - 0.05 * breath
    if f := visit.get("cardiomegaly"):
        a["heart_ratio"] = 0.555 + 0.125 * f.size
        a["heart_roundness"] += 0.05
    if f := visit.get("emphysema"):
        a["lung_height"] += 0.5 + 0.8 * f.size
        a["dome_height"] *= 0.62 - 0.3 * f.size
        a["lung_density"] *= 0.78 - 0.3 * f.size
        a["chest_depth"] *= 1.08
        a["vessel_calibre"] *= 0.9 - 0.15 * f.size
        if not visit.labels["cardiomegaly"]:
            a["heart_ratio"] = min(a["heart_ratio"], 0.44) - 0.03 * f.size
    if f := visit.get("fibrosis"):
        a["lung_height"] -= 0.6 + 0.9 * f.size
    if f := visit.get("scoliosis"):
        rng = np.random.default_rng(f.seed)
        a["scoliosis"] = (-1 if f.side == "right" else 1) * (2.3 + 2.2 * f.size)
        a["scoliosis_y"] = float(rng.uniform(-2, 4))
    if f := visit.get("atelectasis"):
        raised = 0.7 + 1.3 * f.size
        for side in ("right", "left"):
            if f.side in (side, "bilateral") and f.zone == "lower":
                a[f"raise_{side}"] = raised
    return a


class Scene:
    """Thickness maps in cm: `body` soft tissue, `lung[side]` aerated lung, `tissue` added soft tissue,
    `gas` air elsewhere, `bone` mineral, `metal`. Findings change them in place."""

    def __init__(self, visit: Visit, size: int) -> None:
        self.visit = visit
        self.rays = Rays(visit, size)
        self.anatomy = effective_anatomy(visit)
        seed = visit.patient.tree_seed
        a, rays = self.anatomy, self.rays
        self.shapes = {side: LungShape(a, side) for side in (-1, 1)}
        self.heart = mediastinum(rays, a, self.shapes)
        self.body = trunk(rays, a, visit.arms)
        x, y = rays.plane(0.0)
        self.x, self.y = x, y
        sway = (0.3 * spine_curve(a)(y)).astype(np.float32)  # a curved spine draws the chest along
        self.lung: dict[int, Map] = {}
        self.space: dict[int, Map] = {}
        self.across: dict[int, Map] = {}
        for side, shape in self.shapes.items():
            self.lung[side], self.space[side], self.across[side] = shape.thickness(x - sway, y, self.heart, HEART_Z)
        rng = np.random.default_rng([seed, 51])
        patchy = 1 + 0.05 * smooth_noise(rng, size, 7)[0] + 0.035 * smooth_noise(rng, size, 42)[0]
        fine = smooth_noise(rng, size, 96)[0]
        self.density: dict[int, Map] = {
            side: np.clip(a["lung_density"] * 5.0 * (patchy + 0.035 * fine) * (1 + 0.018 * y), 0.05, 0.6).astype(
                np.float32
            )
            for side in (-1, 1)
        }
        edema = visit.get("edema")
        calibre = 1.0 + (0.25 + 0.3 * edema.size if edema else 0.0)
        self.vessels = vessels(rays, self.shapes, a, seed, calibre)
        self.tissue = np.zeros_like(rays.u)
        self.gas = airway(rays, a) + stomach(rays, a, self.shapes[1], seed)
        self.bone = np.zeros_like(rays.u)
        self.metal = np.zeros_like(rays.u)
        self.fracture: Fracture | None = None

    def zone_y(self, side: int, fraction: float) -> float:
        """Height y at a fraction (0 apex, 1 floor) of one lung."""
        return APEX_Y + fraction * self.shapes[side].length

    def attenuation(self) -> Map:
        """Line integral of the attenuation, in units of e-folds."""
        bone = skeleton(
            self.rays, self.anatomy, self.shapes, self.visit.patient.tree_seed, self.visit.arms, self.fracture
        )
        water = self.body + self.tissue - self.gas
        for side, lung in self.lung.items():
            presence = lung / (lung + 4.0)
            water = water - lung * (1 - self.density[side]) + self.vessels[side] * presence * 2.1
        # Per cm, effective for a hardened 100-120 kVp beam; bone counts what it adds to the soft tissue it replaces.
        # Chosen so that lung, mediastinum and ribs keep the contrast that they have on films.
        return 0.165 * np.maximum(water, 0) + 0.52 * (bone + self.bone) + 6.0 * self.metal


def mediastinum(rays: Rays, a: Mapping[str, float], shapes: Mapping[int, LungShape]) -> Map:
    """Half chord (cm) of heart, great vessels and mediastinal fat, around depth HEART_Z."""
    x, y = rays.plane(HEART_Z)
    x = x - 0.5 * spine_curve(a)(y).astype(np.float32)
    width = 2 * a["heart_ratio"] * a["chest_half_width"] / 1.02
    shift = a["heart_shift"]
    left, right = 0.64 * width + shift, 0.36 * width - shift
    tilt = np.radians(a["heart_tilt"])
    long_axis, short_axis = 0.49 * width, 0.49 * width * a["heart_roundness"]
    reach = np.sqrt((long_axis * np.cos(tilt)) ** 2 + (short_axis * np.sin(tilt)) ** 2)
    height = np.sqrt((long_axis * np.sin(tilt)) ** 2 + (short_axis * np.cos(tilt)) ** 2)
    cx, cy = left - reach, shapes[1].dome_y + 1.3 - height * 0.80
    u = ((x - cx) * np.cos(tilt) + (y - cy) * np.sin(tilt)) / long_axis
    v = (-(x - cx) * np.sin(tilt) + (y - cy) * np.cos(tilt)) / short_axis
    depth = 0.48 * width + 1.9
    ventricle = chord((np.abs(u) ** 2.2 + np.abs(v) ** 2.2) ** 1.2, depth)
    # The left border runs straight from the pulmonary trunk to the apex.
    top = np.array([0.6, a["carina_y"] + 2.6])
    apex = np.array([left - 0.24 * width, cy + 0.55 * height])
    along = (apex - top) / np.linalg.norm(apex - top)
    half = np.linalg.norm(apex - top) / 2 + 1.2
    mid = (top + apex) / 2
    u = ((x - mid[0]) * along[0] + (y - mid[1]) * along[1]) / half
    v = (-(x - mid[0]) * along[1] + (y - mid[1]) * along[0]) / (0.25 * width)
    slope = chord(np.abs(u) ** 2.4 + np.abs(v) ** 2.4, depth * 0.95)
    radius = 0.29 * width
    atrium = chord(((x + right - radius) / radius) ** 2 + ((y - cy + 0.4) / (0.46 * width)) ** 2, depth * 0.9)
    carina, svc = a["carina_y"], a["svc_offset"]

    def ball(px: float, py: float, rx: float, ry: float, dz: float) -> Map:
        return chord(((x - px) / rx) ** 2 + ((y - py) / ry) ** 2, dz)

    knob = a["aortic_knob"]
    unfold = a["aortic_unfolding"]
    knob_y = carina - 1.5
    parts = [
        ventricle,
        slope,
        atrium,
        ball(1.75 + 0.35 * unfold, knob_y, knob, knob * 1.05, 5.2),
        ball(1.9, carina + 2.3, a["pulmonary_trunk"] + 0.3, 2.4, 5.6),
        ball(2.2, carina + 4.8, 1.9 + 0.07 * width, 3.2, 6.4),
        ball(-svc + 1.7 - 0.5 * unfold, carina + 1.5, 1.9, 5.8, 5.8),
        ball(0.1, carina - 4.0, svc + 0.7, 12.5, 6.6),
        ball(0.2, cy - 1.0, 3.2, 8.0, 7.0),
    ]
    # The descending aorta runs left of the spine down to the diaphragm.
    line = 1.0 + 0.55 * unfold + 0.5 * np.exp(-(((y + 1) / 5) ** 2)) * unfold
    aorta = 2.6 * np.sqrt(np.maximum(1 - ((x - line) / 1.35) ** 2, 0)) / (1 + np.exp(-(y - knob_y) * 1.5))
    parts.append(aorta.astype(np.float32))
    # Below the heart its shadow merges with the diaphragm (cardiophrenic fat).
    fat = ball(left * 0.72, shapes[1].dome_y + 0.8, 2.6, 1.7, 2.0) * 0.8
    parts.append(fat)
    return union(*parts, power=3.5) * 0.95


def trunk(rays: Rays, a: Mapping[str, float], arms: float) -> Map:
    """Soft-tissue thickness (cm): trunk, shoulders, neck, arms, breasts, with folds."""
    from scipy.interpolate import PchipInterpolator

    x, y = rays.plane(0.0)
    ax = np.abs(x)
    fat, shoulder, chest = a["wall_fat"], a["shoulder_width"], a["chest_half_width"]
    slope = a["shoulder_slope"]
    neck = a["neck_half_width"]
    side_wall = chest + 1.4 + fat
    outline = PchipInterpolator(
        [-30, -13, -10, -6.5, -4, 0, 8, 14, 30],
        [
            shoulder + 1,
            shoulder + 0.8,
            shoulder + 0.6,
            side_wall + 2.0,
            side_wall + 0.8,
            side_wall + 0.1,
            side_wall - 0.1,
            side_wall - 0.6,
            side_wall - 0.2,
        ],
    )
    grid = np.linspace(-30, 30, 601)
    half_width = np.interp(y, grid, outline(grid)).astype(np.float32)
    top = PchipInterpolator(
        [0, neck, neck + 1.2, neck + 4.0, shoulder - 4.0, shoulder - 1, shoulder + 2],
        [-24, -21 - slope, -17.6 - slope, -15.6 - 0.5 * slope, -14.4, -13.2, -10.0],
    )
    grid = np.linspace(0, 30, 301)
    ceiling = np.interp(ax, grid, np.where(grid > shoulder + 2, -10.0, top(np.minimum(grid, shoulder + 2)))).astype(
        np.float32
    )
    depth = np.interp(
        y, [-16, -12, -6, 2, 9, 14, 25], np.array([5.6, 6.6, 8.2, 9.2, 9.8, 10.0, 10.0]) + 0.55 * (fat - 2)
    ).astype(np.float32)
    drop = np.clip((y - ceiling) / 5.0, 0, 1)
    rounded = np.sqrt(1 - (1 - drop) ** 2)
    block = depth * np.maximum(1 - (ax / half_width) ** 2.6, 0) ** (1 / 2.2) * rounded
    throat = 6.0 * np.sqrt(np.maximum(1 - (x / (neck + 0.3)) ** 2, 0)) / (1 + np.exp((y + 13) * 0.8))
    spread = np.radians(6 + 30 * arms)
    along = (ax - shoulder + 2.2) * np.sin(spread) + (y + 9.5) * np.cos(spread)
    off = (ax - shoulder + 2.2) * np.cos(spread) - (y + 9.5) * np.sin(spread)
    girth = 4.1 + 0.5 * (fat - 2) - 0.035 * np.clip(along, 0, 30)
    arm = np.sqrt(np.maximum(girth**2 - off**2 - np.clip(-along, 0, 9) ** 2, 0))
    body = 2 * union(block, throat.astype(np.float32), arm.astype(np.float32), power=4.0)
    for side in (-1, 1):
        body += breast(rays, a, side)
        # The front axillary fold: the pectoral muscle's lower edge runs from the armpit inwards.
        fx, fy = side * x - (side_wall - 1.5), y + 3.0
        edge = fy + 0.55 * (fx + 2) + 0.05 * fx**2
        body += (
            1.1
            / (1 + np.exp(np.clip(edge * 1.6, -40, 40)))
            / (1 + np.exp(-(fx + 7) * 0.8))
            * np.clip(drop * 2 - 1, 0, 1)
        )
    return body.astype(np.float32)


def breast(rays: Rays, a: Mapping[str, float], side: int) -> Map:
    """One breast or pectoral pad (cm): flat above, round below."""
    x, y = rays.plane(9.0)
    volume = a["breast_volume"]
    cx, cy = a["breast_x"] + 0.15 * side, 3.2 + a["breast_drop"]
    rx, lower = 5.0 + 0.5 * volume, 2.4 + 1.1 * min(volume, 2.6)
    dx, dy = (side * x - cx) / rx, (y - cy)
    square = dx**2 + np.where(dy > 0, (dy / lower) ** 2, (dy / 9.5) ** 2)
    profile = np.maximum(1 - square, 0)
    return (0.62 * volume + 0.2) * 1.6 * np.where(dy > 0, profile**0.55, profile**0.9)


def airway(rays: Rays, a: Mapping[str, float]) -> Map:
    """Air (cm) in the trachea and main bronchi."""
    radius, carina = a["trachea_radius"], a["carina_y"]
    shift, half = a["trachea_shift"], np.radians(a["carina_angle"]) / 2
    wind = polyline(
        np.array([[0.0, -24, -1], [0.1 * shift, -16, 0], [shift, -9, -1.5], [shift, carina, -2.5]]), rays.pixel * 0.6
    )
    total = rays.tube(*wind, radius) * 1.3
    for side, length, angle, r in ((-1, 3.0, half * 0.8, 0.72), (1, 4.6, half * 1.25, 0.62)):
        end = np.array([shift + side * length * np.sin(angle), carina + length * np.cos(angle), -2.8])
        bronchus = polyline(np.array([[shift + side * 0.25, carina - 0.2, -2.5], end]), rays.pixel * 0.6)
        total += rays.tube(*bronchus, r * radius) * 0.75
        lower = polyline(np.array([end, end + np.array([side * 0.9, 2.4, -0.8])]), rays.pixel * 0.6)
        total += rays.tube(*lower, r * 0.7 * radius) * 0.7
    return total


def stomach(rays: Rays, a: Mapping[str, float], left: LungShape, seed: int) -> Map:
    """Gas (cm) of the gastric bubble under the left dome and of the colon's flexure."""
    rng = np.random.default_rng([seed, 61])
    x, y = rays.plane(3.0)
    size = a["gas_bubble"]
    cx, cy = left.dome_x + rng.normal(0, 0.8) - 0.8, left.dome_y + 1.1 + 0.55 * size
    wobble = 0.25 * smooth_noise(rng, rays.size, 9)[0]
    bubble = chord(((x - cx) / (1.35 * size)) ** 2 + ((y - cy) / (0.75 * size)) ** 2 + wobble * 0.5, size * 1.1)
    level = 1 / (1 + np.exp((y - cy - 0.5 * size) * 4))
    total = bubble * level * 1.3
    for _ in range(int(rng.integers(0, 5))):
        gx, gy, r = rng.uniform(3, 12), left.dome_y + rng.uniform(4, 8), rng.uniform(0.6, 1.4)
        total = total + chord(((x - gx) / (r * 1.3)) ** 2 + ((y - gy) / r) ** 2 + wobble, r)
    return (total * (y > left.dome_y + 0.6)).astype(np.float32)
