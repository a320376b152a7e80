"""What each finding does to the scene.

Changes of shape (heart size, hyperinflation, scoliosis) are in `chest.effective_anatomy`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .chest import Scene
from .devices import DEVICES
from .lungs import APEX_Y, LUNG_Z
from .patient import Finding
from .rays import Lengths, Map, chord, polyline, smooth_noise
from .skeleton import rib_axis

ZONE_SPAN = {"upper": (0.20, 0.36), "mid": (0.44, 0.56), "lower": (0.62, 0.74)}


def sides(finding: Finding) -> tuple[int, ...]:
    """-1 for the patient's right, +1 for the left."""
    return {"right": (-1,), "left": (1,), "bilateral": (-1, 1)}.get(finding.side, ())


def logistic(value: Map) -> Map:
    """1 / (1 + exp(-value)), safe for large values."""
    return np.asarray(1 / (1 + np.exp(-np.clip(value, -30, 30))), np.float32)


def fill(scene: Scene, side: int, share: Map) -> None:
    """Replace a share (0..1) of the aerated lung by soft tissue or fluid."""
    scene.lung[side] = scene.lung[side] * (1 - np.clip(share, 0, 1))


def spot(
    scene: Scene, side: int, zone: str, rng: np.random.Generator, across: tuple[float, float]
) -> NDArray[np.float64]:
    """A point (3,) inside the lung's zone, within the given range from mediastinum (-1) to wall (+1)."""
    low, high = ZONE_SPAN.get(zone, (0.3, 0.7))
    s, t, d = rng.uniform(*across), rng.uniform(low, high), rng.uniform(-0.4, 0.5)
    point: NDArray[np.float64] = scene.shapes[side].place(np.array([s]), np.array([t]), np.array([d]))[0]
    return point


def pleural_effusion(scene: Scene, f: Finding) -> None:
    """Fluid pools at the base and climbs the outer wall in a meniscus."""
    for side in sides(f):
        rng = np.random.default_rng([f.seed, side + 1])
        shape, s = scene.shapes[side], scene.across[side]
        size = f.size * (1.0 if f.side != "bilateral" else rng.uniform(0.75, 1.0))
        level = shape.dome_y + 2.6 - 1.6 * size - 9.0 * size**1.6
        climb = (1.4 + 3.2 * size) * np.clip(s + 0.25, 0, 1.3) ** 2.2 + 0.5 * np.clip(-s - 0.3, 0, 1) ** 2
        depth = scene.y - (level - climb)
        wobble = 0.25 * smooth_noise(rng, scene.rays.size, 6)[0]
        share = logistic((depth + wobble) * (1.9 - 0.6 * size))
        fill(scene, side, share)


def blob(
    scene: Scene, centre: NDArray[np.float64], radius: tuple[float, float], rng: np.random.Generator, rough: float
) -> Map:
    """A soft-edged, lobulated spot of value 0..1 in the plane of `centre`."""
    x, y = scene.rays.plane(float(centre[2]))
    size = scene.rays.size
    wobble = rough * (0.7 * smooth_noise(rng, size, 9)[0] + 0.5 * smooth_noise(rng, size, 22)[0])
    distance = np.sqrt(((x - centre[0]) / radius[0]) ** 2 + ((y - centre[1]) / radius[1]) ** 2)
    return logistic((1 - distance + wobble) * 5.0)


def consolidation(scene: Scene, f: Finding) -> None:
    """Airspace filling with fluffy edges; bronchi in it stay dark (air bronchograms)."""
    for side in sides(f):
        rng = np.random.default_rng([f.seed, side + 1])
        centre = spot(scene, side, f.zone, rng, (-0.15, 0.35))
        r = 2.4 + 2.6 * f.size
        share = blob(scene, centre, (r * rng.uniform(0.95, 1.2), r * rng.uniform(0.8, 1.0)), rng, 0.34)
        mottle = np.clip(0.9 + 0.07 * smooth_noise(rng, scene.rays.size, 34)[0], 0.6, 1.1)
        share = share * mottle * (0.46 + 0.36 * f.size)
        for _ in range(3):
            root = np.array([side * 4.0, centre[1] - 1.5, centre[2]])
            goal = centre + rng.normal(0, 0.4 * r, 3)
            air = scene.rays.tube(
                *polyline(np.array([root, (root + goal) / 2 + rng.normal(0, 0.5, 3), goal]), 0.1), 0.17
            )
            share = share * (1 - 0.2 * np.clip(air * 2.5, 0, 1))
        fill(scene, side, share)


def atelectasis(scene: Scene, f: Finding) -> None:
    """Plates of collapsed lung, as bands across the base or the middle; the lower dome rises (effective_anatomy)."""
    for side in sides(f):
        rng = np.random.default_rng([f.seed, side + 1])
        for k in range(1 + int(f.size * 2.6)):
            shape = scene.shapes[side]
            y0 = (
                shape.dome_y - 0.9 - 1.7 * k + rng.normal(0, 0.35)
                if f.zone == "lower"
                else scene.zone_y(side, 0.5) + 1.3 * k
            )
            x0 = side * rng.uniform(5.6, 7.6)
            length = rng.uniform(3.5, 5.0) + 1.5 * f.size
            tilt = rng.uniform(-1.0, 1.2)
            ends = np.array(
                [
                    [x0 - side * length * 0.35, y0, 0.0],
                    [x0 + side * length * 0.3, y0 + tilt * 0.3, 0.5],
                    [x0 + side * length * 0.65, y0 + tilt * 1.5, 0.0],
                ]
            )
            points, ds = polyline(ends, scene.rays.pixel * 0.6)
            taper = np.sin(np.linspace(0.15, 3.0, len(ds))) ** 0.7
            band = scene.rays.tube(points, ds * taper, 0.22 + 0.16 * f.size) * (4.6 + 2.4 * f.size)
            scene.tissue += scene.rays.blur(band, 0.08) * np.clip(scene.lung[side] / 7, 0, 1)
        base = logistic((scene.y - (scene.shapes[side].dome_y - 1.8)) * 1.2) if f.zone == "lower" else 0 * scene.y
        fill(scene, side, base * (0.12 + 0.15 * f.size))


def edema(scene: Scene, f: Finding) -> None:
    """Haze around the hila that thins outwards, blurred vessels, septal lines at the lower walls."""
    for side in (-1, 1):
        rng = np.random.default_rng([f.seed, side + 1])
        size = scene.rays.size
        x, y = scene.rays.plane(LUNG_Z)
        cx, cy = side * 5.2, scene.zone_y(side, 0.50)
        distance = ((x - cx) / 6.2) ** 2 + ((y - cy) / 8.6) ** 2
        cloud = np.clip(0.8 + 0.16 * smooth_noise(rng, size, 16)[0] + 0.13 * smooth_noise(rng, size, 40)[0], 0.2, 1.4)
        share = np.exp(-(distance**1.1)) * cloud * (0.26 + 0.30 * f.size)
        fill(scene, side, share)
        scene.vessels[side] = scene.rays.blur(scene.vessels[side], 0.10 + 0.1 * f.size) * 1.15
        shape = scene.shapes[side]
        for k in range(7):
            y0 = shape.dome_y - 0.3 - 0.65 * k
            outer = float(shape.lateral(np.array(y0))) - 0.25
            line = np.array([[side * outer, y0, 0], [side * (outer - rng.uniform(1.2, 2.0)), y0 + 0.1, 0]])
            scene.tissue += 4.0 * scene.rays.tube(*polyline(line, 0.08), 0.055) * (scene.lung[side] > 0.3)


def pneumothorax(scene: Scene, f: Finding) -> None:
    """Air between chest wall and a retracted lung: a fine pleural line, no vessels beyond it."""
    for side in sides(f):
        rng = np.random.default_rng([f.seed, side + 1])
        shape = scene.shapes[side]
        t = (scene.y - scene.zone_y(side, 0.0)) / shape.length
        # The retracted lung is the lung's own outline, lowered at the apex and drawn in towards the hilum.
        gap = 0.10 + 0.34 * f.size
        y = shape.floor - (shape.floor - scene.y) * (1 + 0.06 + 0.34 * f.size)
        x = scene.x * (1 + gap * (1.15 - 0.75 * np.clip(t, 0, 1)))
        edge = side * x - shape.lateral(y) + 0.12 * smooth_noise(rng, scene.rays.size, 7)[0]
        edge = np.where(y < APEX_Y, np.maximum(edge, APEX_Y - y), edge)
        beyond = logistic(edge * 5)
        line = np.exp(-((edge / 0.16) ** 2)) * (scene.space[side] > 1.0)
        scene.vessels[side] = scene.vessels[side] * (1 - beyond)
        collapsed = 1.12 + 0.35 * f.size
        scene.density[side] = np.clip(scene.density[side] * collapsed * (1 - beyond), 0, 0.9)
        scene.tissue += 0.85 * line


def nodule_radius(f: Finding) -> float:
    """Radius of a nodule in cm."""
    return 1.05 + 1.25 * f.size


def nodule(scene: Scene, f: Finding) -> None:
    """A round opacity; a large one is lobulated and spiculated."""
    side = sides(f)[0]
    rng = np.random.default_rng(f.seed)
    centre = spot(scene, side, f.zone, rng, (0.1, 0.6))
    x, y = scene.rays.plane(float(centre[2]))
    r = nodule_radius(f)
    wobble = (0.10 + 0.12 * f.size) * smooth_noise(rng, scene.rays.size, 26)[0]
    distance = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / r**2
    scene.tissue += 3.0 * chord(np.maximum(distance + wobble * np.sqrt(distance), 0), r)
    for angle in rng.uniform(0, 2 * np.pi, int(9 * f.size)):
        way = np.array([np.cos(angle), np.sin(angle), 0])
        spike = np.array([centre + way * r * 0.8, centre + way * r * rng.uniform(1.25, 1.6)])
        scene.tissue += 1.4 * scene.rays.tube(*polyline(spike, 0.08), 0.07)


def emphysema(scene: Scene, f: Finding) -> None:
    """Thin-walled bullae in the upper zones and pruned vessels; hyperinflation is in effective_anatomy."""
    for side in (-1, 1):
        rng = np.random.default_rng([f.seed, side + 1])
        for _ in range(2 + int(3 * f.size)):
            centre = spot(scene, side, "upper", rng, (0.0, 0.75))
            r = rng.uniform(0.9, 1.5) + 0.7 * f.size
            x, y = scene.rays.plane(float(centre[2]))
            distance = (
                np.sqrt((x - centre[0]) ** 2 + ((y - centre[1]) / 1.15) ** 2)
                + 0.12 * smooth_noise(rng, scene.rays.size, 18)[0]
            )
            inside = logistic((r - distance) * 9)
            wall = np.exp(-(((distance - r) / 0.085) ** 2))
            scene.density[side] = scene.density[side] * (1 - 0.4 * inside)
            scene.vessels[side] = scene.vessels[side] * (1 - 0.75 * inside)
            scene.tissue += 0.30 * wall * (scene.lung[side] > 2)
        t = (scene.y - scene.zone_y(side, 0.0)) / scene.shapes[side].length
        scene.vessels[side] = scene.vessels[side] * (1 - 0.35 * f.size * logistic((0.5 - t) * 8))


def fibrosis(scene: Scene, f: Finding) -> None:
    """A net of coarse lines, densest at the outer base (or the apices)."""
    for side in (-1, 1):
        rng = np.random.default_rng([f.seed, side + 1])
        size = scene.rays.size
        net = np.zeros_like(scene.x)
        for cells, weight in ((40, 1.0), (58, 0.7), (28, 0.7)):
            noise = smooth_noise(rng, size, cells)[0]
            net += weight * np.exp(-((noise / 0.32) ** 2))
        t = (scene.y - scene.zone_y(side, 0.0)) / scene.shapes[side].length
        s = scene.across[side]
        place = logistic((t - 0.52) * 9) if f.zone == "lower" else logistic((0.40 - t) * 12)
        place = place * (0.45 + 0.55 * logistic((s - 0.1) * 4)) * np.clip(scene.lung[side] / 7, 0, 1)
        scene.tissue += place * net * (1.25 + 0.8 * f.size)
        fill(scene, side, place * (0.05 + 0.12 * f.size))


def pleural_thickening(scene: Scene, f: Finding) -> None:
    """A rind along the wall: apical cap, lateral band, or blunted base."""
    for side in sides(f):
        rng = np.random.default_rng([f.seed, side + 1])
        shape, s = scene.shapes[side], scene.across[side]
        t = (scene.y - scene.zone_y(side, 0.0)) / shape.length
        wide = 1.15 + 1.35 * f.size
        half = np.maximum((shape.lateral(scene.y) - shape.medial(scene.y)) / 2, 0.5)
        from_wall = (1 - s) * half
        wobble = 0.28 * smooth_noise(rng, scene.rays.size, 11)[0]
        if f.zone == "upper":
            cap = (t * shape.length) - (1.2 + 1.5 * f.size) * 1.25
            share = np.maximum(
                logistic((-cap + wobble) * 3.2),
                logistic((wide * 0.9 - from_wall + wobble) * 4) * logistic((0.34 - t) * 16),
            )
        else:
            low, high = (0.34, 0.66) if f.zone == "mid" else (0.58, 1.1)
            window = logistic((t - low) * 28) * logistic((high - t) * 28)
            share = logistic((wide - from_wall + wobble) * 4) * window
        fill(scene, side, share * 0.92)
        rind = share * np.clip(scene.space[side] / 4, 0, 1)
        scene.tissue += rind * (0.5 + 0.6 * f.size)


def hernia(scene: Scene, f: Finding) -> None:
    """A hiatal hernia: a round shadow behind the heart, with gas over a level."""
    rng = np.random.default_rng(f.seed)
    r = 2.3 + 1.9 * f.size
    cx, cy = rng.uniform(0.8, 1.8), scene.shapes[1].dome_y - 0.35 * r
    x, y = scene.rays.plane(-3.0)
    distance = ((x - cx) / r) ** 2 + ((y - cy) / (0.9 * r)) ** 2 + 0.06 * smooth_noise(rng, scene.rays.size, 9)[0]
    sac = 2 * chord(distance, r)
    for side in (-1, 1):
        fill(scene, side, np.clip(sac / np.maximum(scene.lung[side] + 0.5, 1), 0, 0.95))
    scene.tissue += 0.3 * sac
    inner = ((x - cx) / (0.86 * r)) ** 2 + ((y - cy) / (0.76 * r)) ** 2
    level = logistic(-(y - cy - 0.02 * r) * 14)
    scene.gas = scene.gas + 1.5 * chord(inner, 0.9 * r) * level


def granuloma(scene: Scene, f: Finding) -> None:
    """A dense calcified spot, with one or two smaller ones beside it."""
    side = sides(f)[0]
    rng = np.random.default_rng(f.seed)
    centre = spot(scene, side, f.zone, rng, (0.05, 0.6))
    for k in range(1 + int(2.9 * f.size)):
        where = centre if k == 0 else centre + rng.normal(0, 1.1, 3) * [1, 1, 0]
        r = (0.50 + 0.25 * f.size) * (1.0 if k == 0 else rng.uniform(0.45, 0.7))
        x, y = scene.rays.plane(float(where[2]))
        distance = ((x - where[0]) ** 2 + (y - where[1]) ** 2) / r**2
        scene.bone += 3.4 * chord(distance * (1 + 0.15 * smooth_noise(rng, scene.rays.size, 50)[0]), r)


def fractured_ribs(f: Finding) -> tuple[int, int]:
    """(index of the uppermost broken rib counted from 0, how many neighbours are broken)."""
    return {"upper": 2, "mid": 4, "lower": 6}[f.zone], 2 + int(f.size * 2.2)


def rib_fracture(scene: Scene, f: Finding) -> None:
    """A step and a gap in two or three neighbouring ribs, with callus around them."""
    rng = np.random.default_rng(f.seed)
    side = sides(f)[0]
    first, count = fractured_ribs(f)
    place = rng.uniform(0.25, 0.34)
    step = 0.85 + 0.5 * f.size

    def displaced(s: int, index: int, points: Lengths, course: Lengths, weight: Lengths) -> tuple[Lengths, Lengths]:
        if s != side or not first <= index < first + count:
            return points, weight
        at = place - 0.015 * (index - first)
        beyond = np.clip((course - at) / 0.004, 0, 1) * np.exp(-np.clip(course - at, 0, 1) / 0.30)
        moved = points + np.array([-0.25 * side, 1.0, 0]) * (step * beyond)[:, None]
        gap = 1 - np.exp(-(((course - at) / 0.014) ** 2))
        return moved, weight * gap

    scene.fracture = displaced
    for index in range(first, first + count):
        points, _, course = rib_axis(scene.anatomy, scene.shapes[side], index, side, scene.visit.patient.tree_seed, 0.1)
        at = place - 0.015 * (index - first)
        near = points[np.abs(course - at).argmin()] + [0, 0.4 * step, 0]
        x, y = scene.rays.plane(float(near[2]), soft=False)
        distance = ((x - near[0]) / 1.05) ** 2 + ((y - near[1]) / 1.0) ** 2
        callus = chord(distance * np.clip(1 + 0.3 * smooth_noise(rng, scene.rays.size, 40)[0], 0.4, 2), 1.0)
        scene.bone += (0.9 + 0.4 * f.size) * callus
        scene.tissue += 0.5 * callus


def none(scene: Scene, f: Finding) -> None:
    """Cardiomegaly and scoliosis act through the anatomy alone."""


ORGANIC: dict[str, Callable[[Scene, Finding], None]] = {
    "cardiomegaly": none,
    "scoliosis": none,
    "emphysema": emphysema,
    "fibrosis": fibrosis,
    "edema": edema,
    "nodule": nodule,
    "granuloma": granuloma,
    "atelectasis": atelectasis,
    "consolidation": consolidation,
    "hernia": hernia,
    "pleural_thickening": pleural_thickening,
    "rib_fracture": rib_fracture,
    "pneumothorax": pneumothorax,
    "pleural_effusion": pleural_effusion,
}
EFFECTS: dict[str, Callable[[Scene, Finding], None]] = {**ORGANIC, **DEVICES}


def apply_findings(scene: Scene) -> None:
    """Let every finding of the scene's visit act, organic ones first, in a fixed order."""
    for name, effect in EFFECTS.items():
        if f := scene.visit.get(name):
            effect(scene, f)
