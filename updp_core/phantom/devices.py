"""Devices: pacemaker with leads, central line, endotracheal tube, sternotomy wires, chest tube."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .chest import Scene
from .patient import Finding
from .rays import chord, polyline, smooth_noise


def _wire(scene: Scene, controls: list[tuple[float, float, float]], radius: float, metal: float) -> None:
    points, lengths = polyline(np.array(controls, float), scene.rays.pixel * 0.6)
    scene.metal += metal * scene.rays.tube(points, lengths, radius)


def pacemaker(scene: Scene, f: Finding) -> None:
    """A generator below the clavicle and one to three leads through the great veins into the heart."""
    rng = np.random.default_rng(f.seed)
    side = -1 if f.side == "right" else 1
    a = scene.anatomy
    gx, gy = side * rng.uniform(8.8, 10.6), rng.uniform(-7.6, -5.6)
    turn = rng.uniform(-0.4, 0.4)
    x, y = scene.rays.plane(9.0, soft=False)
    u = (x - gx) * np.cos(turn) + (y - gy) * np.sin(turn)
    v = -(x - gx) * np.sin(turn) + (y - gy) * np.cos(turn)
    wide, high = rng.uniform(2.0, 2.5), rng.uniform(1.75, 2.1)
    shell = np.abs(u / wide) ** 3 + np.abs(v / high) ** 3
    can = np.clip((1 - shell) * 6, 0, 1)
    inner = np.clip((1 - (np.abs(u / (0.72 * wide)) ** 4 + np.abs((v - 0.25) / (0.55 * high)) ** 4)) * 6, 0, 1)
    scene.metal += (0.22 * can + 0.25 * inner * (1 + 0.25 * smooth_noise(rng, scene.rays.size, 60)[0])).astype(
        np.float32
    )
    width = 2 * a["heart_ratio"] * a["chest_half_width"]
    floor = scene.shapes[1].dome_y
    port = (gx - side * 0.6, gy - high * 0.8, 8.0)
    vein = [
        port,
        (gx - side * 2.2, gy - 3.2, 6.5),
        (side * 4.4, -9.6, 5.0),
        (0.2 * side - 0.6, -8.2, 3.5),
        (-a["svc_offset"] + 0.7, -5.0, 2.5),
    ]
    atrial = [(-a["svc_offset"] + 0.3, 0.5, 2.5), (-0.22 * width, 4.2, 3.5), (-0.2 * width - 0.5, 2.6, 5.0)]
    ventricular = [
        (-a["svc_offset"] + 0.2, 1.5, 2.0),
        (-0.10 * width, floor - 2.0, 3.0),
        (0.18 * width, floor - 0.6, 4.5),
        (0.42 * width, floor - 1.6, 5.5),
    ]
    leads = [ventricular] + ([atrial] if f.size > 0.3 else [])
    for k, lead in enumerate(leads):
        shifted = [(px + 0.22 * k, py + 0.15 * k, pz) for px, py, pz in vein]
        _wire(scene, shifted + lead, 0.10, 0.75)
        _wire(scene, [lead[-2], lead[-1]], 0.15, 0.5)


def central_line_plan(f: Finding) -> tuple[float, bool]:
    """(height y of the tip in cm, whether it enters at the neck rather than below the clavicle)."""
    rng = np.random.default_rng(f.seed)
    return float(rng.uniform(-2.0, 0.6)), bool(rng.random() < 0.6)


def endotracheal_height(f: Finding) -> float:
    """How far the tip stands above the carina, in cm."""
    return float(np.random.default_rng(f.seed).uniform(1.6, 3.4))


def chest_tube_plan(f: Finding) -> tuple[float, bool]:
    """(height of the entry as a fraction of the lung, whether the tube runs up to the apex)."""
    rng = np.random.default_rng(f.seed)
    return float(rng.uniform(0.55, 0.68)), bool(rng.random() < 0.65)


def central_line(scene: Scene, f: Finding) -> None:
    """A catheter from the neck or the subclavian vein to the lower superior vena cava."""
    tip_y, jugular = central_line_plan(f)
    side = -1 if f.side == "right" else 1
    svc = -scene.anatomy["svc_offset"] + 0.75
    tip = (svc, tip_y, 1.5)
    if jugular:
        path = [
            (side * 5.2, -17.5, 2.0),
            (side * 4.3, -14.0, 2.5),
            (side * 3.2, -10.5, 3.0),
            (svc + 0.5 * (side > 0) * 1.0, -7.0, 2.5),
            tip,
        ]
    else:
        path = [
            (side * 12.5, -9.3, 6.0),
            (side * 8.5, -10.9, 5.0),
            (side * 4.5, -10.2, 4.0),
            (svc + (0.8 if side > 0 else 0.0), -7.6, 3.0),
            tip,
        ]
    _wire(scene, path, 0.13, 0.55)
    hub = np.array(path[0])
    _wire(scene, [tuple(hub), tuple(hub + np.array([side * 1.2, -0.9, 0.0]))], 0.24, 0.3)


def endotracheal_tube(scene: Scene, f: Finding) -> None:
    """A tube in the trachea with a dense stripe, its tip above the carina."""
    a = scene.anatomy
    x, carina = a["trachea_shift"], a["carina_y"]
    tip = carina - endotracheal_height(f)
    path = [(0.3, -23.0, 1.0), (0.1, -17.0, 0.5), (x, -11.0, -0.8), (x, tip, -1.6)]
    points, lengths = polyline(np.array(path), scene.rays.pixel * 0.6)
    scene.metal += 0.16 * scene.rays.tube(points, lengths, 0.46, 1.0, 0.33, 0.0)
    _wire(scene, [(px + 0.38, py, pz) for px, py, pz in path], 0.085, 0.95)


def sternotomy_wires(scene: Scene, f: Finding) -> None:
    """Five to seven twisted loops down the midline."""
    rng = np.random.default_rng(f.seed)
    count = 5 + int(2.5 * f.size)
    for y0 in np.linspace(-8.2, 5.0, count):
        y0 += rng.normal(0, 0.25)
        r = rng.uniform(0.75, 1.05)
        angle = np.linspace(0.0, 2 * np.pi, 9)
        tilt = rng.normal(0, 0.25)
        loop = [(0.15 + r * np.cos(q), y0 + 0.5 * r * np.sin(q) + tilt * np.cos(q), 7.5) for q in angle]
        _wire(scene, loop, 0.075, 1.5)
        _wire(scene, [(0.15, y0 + 0.5 * r, 8.0), (0.15 + rng.normal(0, 0.25), y0 + 0.5 * r + 0.5, 8.3)], 0.10, 1.6)


def chest_tube(scene: Scene, f: Finding) -> None:
    """A thick drain from the lateral wall towards the apex or the base, with a dense stripe and a side hole."""
    entry_at, up = chest_tube_plan(f)
    rng = np.random.default_rng([f.seed, 1])
    side = -1 if f.side == "right" else 1
    shape = scene.shapes[side]
    y0 = scene.zone_y(side, entry_at)
    outer = float(shape.lateral(np.array(y0)))
    goal_y = scene.zone_y(side, rng.uniform(0.12, 0.22) if up else rng.uniform(0.68, 0.75))
    entry = (side * (outer + 4.2), y0 + 3.2, 3.0)
    wall = (side * (outer + 0.2), y0 + 0.4, 2.0)
    middle = (side * (outer - 3.0), (y0 * 0.75 + goal_y * 0.25) - (0.6 if up else -0.4), -1.0)
    end = (side * rng.uniform(4.6, 6.2), goal_y, -3.0)
    path = [entry, wall, middle, end]
    points, lengths = polyline(np.array(path), scene.rays.pixel * 0.6)
    scene.metal += 0.15 * scene.rays.tube(points, lengths, 0.42, 1.0, 0.28, 0.0)
    course = np.linspace(0, 1, len(points))
    stripe = np.where(np.abs(course - 0.82) < 0.012, 0.0, 1.0)
    shifted = points + np.array([0.0, 0.30, 0.0])
    scene.metal += 0.95 * scene.rays.tube(shifted, lengths * stripe, 0.09)
    x, y = scene.rays.plane(3.0, soft=False)
    site = ((x - wall[0]) / 1.2) ** 2 + ((y - wall[1]) / 1.2) ** 2
    scene.tissue += 0.35 * chord(site, 1.0)


DEVICES: dict[str, Callable[[Scene, Finding], None]] = {
    "pacemaker": pacemaker,
    "central_line": central_line,
    "endotracheal_tube": endotracheal_tube,
    "sternotomy_wires": sternotomy_wires,
    "chest_tube": chest_tube,
}
