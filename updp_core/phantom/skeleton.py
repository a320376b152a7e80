"""Bones: twelve rib pairs, clavicles, scapulae, upper arms and the spine, as thickness maps of mineral (cm)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from .lungs import APEX_Y, LungShape
from .rays import Lengths, Map, Rays, polyline, smooth_noise

SPAN = (
    0.86,
    0.97,
    1.0,
    1.0,
    1.0,
    1.0,
    1.0,
    1.0,
    1.0,
    0.98,
    0.9,
    0.7,
)  # widest point, as a share of the lung's half width there
RIB_DROP = (5.2, 8.4, 10.9, 12.8, 14.2, 15.2, 15.8, 15.8, 15.0, 13.4, 8.5, 4.5)  # from spine to front end
Fracture = Callable[[int, int, Lengths, Lengths, Lengths], tuple[Lengths, Lengths]]
RIB_END = (0.80, 0.84, 0.86, 0.86, 0.85, 0.84, 0.82, 0.77, 0.70, 0.62, 0.42, 0.30)  # fraction of the half turn


def spine_curve(anatomy: Mapping[str, float]) -> Callable[[Lengths], Lengths]:
    """The spine's sideways offset (cm) by height: a slight bend of its own, and scoliosis."""
    bend, curve = anatomy["spine_bend"], anatomy.get("scoliosis", 0.0)
    centre = anatomy.get("scoliosis_y", 0.0)
    return lambda y: bend * np.sin(y / 7.0) + curve * np.exp(-(((y - centre) / 7.0) ** 2)) - 0.35 * curve


def rib_axis(
    anatomy: Mapping[str, float], shape: LungShape, index: int, side: int, seed: int, step: float
) -> tuple[Lengths, Lengths, Lengths]:
    """Axis points (N, 3), lengths (N,) and course (N,), 0 at the spine to 1 at the front end, of rib `index` (0-11)."""
    a = anatomy
    rng = np.random.default_rng([seed, 21, index, side + 1])
    uneven = a["rib_unevenness"]
    k = a["chest_half_width"] / 13.6
    depth = (a["chest_depth"] + 0.3) * (0.58 + 0.42 * min(index / 4, 1.0))
    y0 = APEX_Y + 0.1 + index * a["vertebra_spacing"] + uneven * rng.normal()
    drop = RIB_DROP[index] * k * a["rib_slope"] * (1 + 0.35 * uneven * rng.normal()) * a.get("rib_lift", 1.0)
    end = RIB_END[index] * a["rib_reach"] / 0.83
    turn = np.linspace(0.04, end, 15) * np.pi
    # At its widest a rib lies on the lung's outer wall.
    widest = np.array(min(y0 + 0.5 * drop - 0.8 * a["rib_bow"], shape.floor))
    span = (float(shape.lateral(widest)) + 0.25) * SPAN[index] * (1 + 0.05 * uneven * rng.normal())
    curve = spine_curve(a)
    x = side * (1.6 + (span - 1.6) * np.sin(np.minimum(turn, np.pi)) ** 0.72)
    x = np.where(turn > np.pi / 2, side * span * np.sin(turn) ** 0.62, x)
    x = x + curve(np.array(y0)) * (0.55 + 0.45 * np.cos(turn))
    z = -depth * np.cos(turn) * (1.0 - 0.08 * np.sin(turn) ** 2) - 0.4
    course = (1 - np.cos(turn)) / 2
    rise = 0.9 * a["rib_bow"] * np.sin(np.clip(turn / 1.1, 0, np.pi)) * (0.5 if index == 0 else 1.0)
    y = y0 + drop * course**1.05 - rise + uneven * 0.45 * np.interp(turn, [0, 1, 2, 3], rng.normal(size=4))
    # The last stretch turns up towards its cartilage, more so in the lower ribs.
    y = y - np.clip(turn / np.pi - 0.62, 0, 1) ** 2 * (6 + 4 * index)
    points, lengths = polyline(np.stack([x, y, z], 1), step)
    return points, lengths, np.linspace(0, 1, len(points))


def ribs(
    rays: Rays,
    anatomy: Mapping[str, float],
    shapes: Mapping[int, LungShape],
    seed: int,
    fracture: Fracture | None = None,
) -> Map:
    """Mineral thickness of all ribs; `fracture(side, index, points, course)` may displace one."""
    a = anatomy
    points, lengths, course = [], [], []
    for side in (-1, 1):
        for index in range(12):
            p, ds, c = rib_axis(a, shapes[side], index, side, seed, rays.pixel * 0.6)
            weight = np.where(c < 0.62, 1.0, 1.0 - 0.42 * np.clip((c - 0.62) / 0.3, 0, 1)) * np.clip(
                (1 - c) / 0.05, 0, 1
            )
            weight *= 0.8 if index > 9 else 1.0
            if fracture is not None:
                p, weight = fracture(side, index, p, c, weight)
            points.append(p)
            lengths.append(ds * weight)
            course.append(c)
    p, ds, c = (np.concatenate(v) for v in (points, lengths, course))
    total = np.zeros_like(rays.u)
    for low, high, scale, aspect in ((-0.1, 0.3, 1.0, 0.5), (0.3, 0.62, 0.96, 0.46), (0.62, 1.1, 1.12, 0.5)):
        chosen = (c >= low) & (c < high)
        radius = a["rib_width"] * scale
        total += rays.tube(p[chosen], ds[chosen], radius, aspect, radius - a["rib_cortex"], 0.28)
    return total


def clavicles(rays: Rays, anatomy: Mapping[str, float], lift: float) -> Map:
    """Both clavicles: S-shaped, thick at the breastbone, flat and thin at the shoulder."""
    a = anatomy
    total = np.zeros_like(rays.u)
    for side in (-1, 1):
        length, bow = a["clavicle_length"], a["clavicle_bow"]
        t = np.array([0, 0.18, 0.42, 0.68, 0.88, 1.0])
        x = side * (2.3 + (length - 2.3) * t)
        y = -9.9 - (a["clavicle_tilt"] + lift) * t**0.85 + bow * np.array([0.2, 0.35, 0.1, -0.35, -0.25, 0.1])
        z = 6.2 - 6.5 * t + bow * np.array([0, 0.8, 0.7, -0.4, -0.6, 0])
        points, ds = polyline(np.stack([x, y, z], 1), rays.pixel * 0.6)
        c = np.linspace(0, 1, len(points))
        for low, high, scale in ((0, 0.14, 1.35), (0.14, 0.3, 1.1), (0.3, 0.7, 0.92), (0.7, 1.01, 1.05)):
            chosen = (c >= low) & (c < high)
            radius = a["clavicle_radius"] * scale
            total += rays.tube(points[chosen], ds[chosen], radius, 1.0, radius - 0.15, 0.22)
    return total


def shoulders(rays: Rays, anatomy: Mapping[str, float], arms: float, view: str) -> Map:
    """Scapulae (plate, borders, spine, acromion, coracoid) and the upper ends of the humeri."""
    a = anatomy
    total = np.zeros_like(rays.u)
    forward = 2.3 * arms + (0.0 if view == "AP" else 0.6)
    for side in (-1, 1):
        base = a["shoulder_width"] - 19.6
        turn = np.radians(a["scapula_turn"] + 9 * arms)
        origin = np.array([12.0 + forward + a["scapula_x"] + 0.8 * base, -5.5 + a["scapula_y"]])
        rotate = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])

        def place(
            local: list[tuple[float, float, float]],
            origin: Lengths = origin,
            rotate: Lengths = rotate,
            side: int = side,
        ) -> Lengths:
            flat = np.array(local, float)
            xy = flat[:, :2] @ rotate.T + origin
            return np.stack([side * xy[:, 0], xy[:, 1], flat[:, 2]], 1)

        upper, tip, neck = (-2.2, -7.0), (-1.2, 7.2), (3.9, -4.6)
        medial = [(*upper, -7.5), (-2.9, -4.0, -8.2), (-2.9, 1.0, -8.3), (-2.3, 5.0, -8.2), (*tip, -8.0)]
        lateral = [(*tip, -8.0), (-0.1, 5.9, -7.9), (1.3, 2.2, -7.2), (2.3, -1.6, -6.3), (*neck, -5.0)]
        top = [(*upper, -7.5), (0.5, -7.2, -6.0), (2.6, -6.4, -4.8), (*neck, -5.0)]
        outline = np.concatenate([place(medial), place(lateral)[1:], place(top)[::-1][1:-1]])
        total += 0.14 * rays.blur(rays.polygon(outline), 0.2)
        ridge = [(-2.8, -3.6, -8.8), (0.5, -5.6, -9.0), (3.6, -7.6, -7.5), (6.0, -8.2, -4.5)]
        coracoid = [(2.9, -6.0, -4.5), (3.0, -7.4, -2.5), (4.2, -7.2, -1.5)]
        socket = [(3.9, -6.3, -4.5), (4.2, -4.8, -4.5), (3.9, -3.4, -4.8)]
        for line, radius, core in (
            (medial, 0.16, 0.0),
            (lateral, 0.34, 0.24),
            (top, 0.13, 0.0),
            (ridge, 0.5, 0.4),
            (coracoid, 0.5, 0.4),
            (socket, 0.45, 0.36),
        ):
            points, ds = polyline(place(line), rays.pixel * 0.6)
            total += rays.tube(points, ds * 0.5, radius, 1.0, core, 0.3)
        head = place([(6.6, -5.2, -3.5)])[0]
        x, y = rays.plane(-3.5, soft=False)
        square = ((x - head[0]) ** 2 + (y - head[1]) ** 2) / 2.35**2
        inner = ((x - head[0]) ** 2 + (y - head[1]) ** 2) / 2.2**2
        total += 0.6 * 2.35 * np.sqrt(np.maximum(1 - square, 0)) - 0.5 * 2.2 * np.sqrt(np.maximum(1 - inner, 0))
        spread = np.radians(8 + 30 * arms)
        end = head + 20 * np.array([side * np.sin(spread), np.cos(spread), 0])
        points, ds = polyline(np.stack([head + (end - head) * f for f in (0.06, 0.35, 0.7, 1.0)]), rays.pixel * 0.7)
        total += rays.tube(points, ds, 1.2, 1.0, 0.78, 0.1)
    return total


def spine(rays: Rays, anatomy: Mapping[str, float], seed: int) -> Map:
    """Vertebral bodies with end plates and disc spaces, pedicles, transverse and spinous processes."""
    a = anatomy
    rng = np.random.default_rng([seed, 31])
    x, y = rays.plane(-5.0, soft=False)
    n = rays.size
    middle = int(n / 2 + rays.shift[0] / rays.pixel)
    half = int(8.5 / rays.pixel)
    columns = slice(max(middle - half, 0), min(middle + half, n))
    x, y = x[:, columns], y[:, columns]
    curve = spine_curve(a)
    spacing = a["vertebra_spacing"]
    level = (y - APEX_Y + 0.4) / spacing
    width = a["vertebra_width"] * (0.86 + 0.018 * np.clip(level, -3, 16))
    offset = (x - curve(y)) / width
    phase = level - np.floor(level)
    body = np.clip(1 - np.abs(offset) ** 4, 0, 1) ** 0.5 * 2.3
    disc_gap = 1 / (1 + np.exp((np.abs(phase - 0.5) - 0.385) * 55))
    plate = np.exp(-(((np.abs(phase - 0.5) - 0.37) / 0.035) ** 2))
    cortex = np.exp(-(((np.abs(offset) - 0.93) / 0.07) ** 2))
    cervical = 1 / (1 + np.exp(-(y + 21) * 1.5))
    mineral = body * (0.075 + 0.05 * disc_gap + 0.035 * plate) + 0.05 * cortex * disc_gap
    pedicle = ((np.abs(offset) - 0.62) / 0.2) ** 2 + ((phase - 0.36) / 0.16) ** 2
    mineral = mineral + 0.15 * np.exp(-((np.sqrt(pedicle) - 1) ** 2) * 5) + 0.05 * np.exp(-pedicle)
    process = (offset / 0.17) ** 2 + ((phase - 0.78) / 0.2) ** 2
    mineral = mineral + 0.16 * np.exp(-(process**1.5))
    total = np.zeros_like(rays.u)
    total[:, columns] = mineral * cervical * (0.9 - 0.3 / (1 + np.exp(-(y - 9) * 0.6)))
    for side in (-1, 1):
        points, lengths = [], []
        for index in range(12):
            y0 = APEX_Y + 0.1 + index * spacing
            p, ds = polyline(
                np.array([[1.2, y0, -6.6], [2.7, y0 - 0.25 + 0.1 * rng.normal(), -7.8]]) * [side, 1, 1],
                rays.pixel * 0.7,
            )
            p[:, 0] += curve(p[:, 1])
            points.append(p)
            lengths.append(ds)
        total += 0.3 * rays.tube(np.concatenate(points), np.concatenate(lengths), 0.45, 1.0, 0.3, 0.3)
    return total


def sternum(rays: Rays, anatomy: Mapping[str, float]) -> Map:
    """Manubrium and body of the breastbone: hardly seen from the front but at the manubrium's corners."""
    x, y = rays.plane(7.5, soft=False)
    width = np.interp(y, [-10.4, -9.6, -7, -5.5, 4, 6.5], [2.0, 2.9, 1.9, 1.4, 1.9, 0.3]).astype(np.float32)
    inside = 1 / (1 + np.exp(np.clip((np.abs(x) - width) * 6, -40, 40)))
    ends = 1 / (1 + np.exp((y - 6) * 2)) / (1 + np.exp((-10.2 - y) * 3))
    return (0.28 * inside * ends).astype(np.float32)


def trabeculae(rays: Rays, seed: int) -> Map:
    """Factor around 1 that keeps bone from being an even grey."""
    rng = np.random.default_rng([seed, 41])
    noise = 0.09 * smooth_noise(rng, rays.size, 60)[0] + 0.10 * smooth_noise(rng, rays.size, 14)[0]
    return np.clip(1 + noise, 0.6, 1.5).astype(np.float32)


def skeleton(
    rays: Rays,
    anatomy: Mapping[str, float],
    shapes: Mapping[int, LungShape],
    seed: int,
    arms: float,
    fracture: Fracture | None = None,
) -> Map:
    """All bones: mineral thickness in cm, patchy and scaled by the patient's bone density."""
    total = ribs(rays, anatomy, shapes, seed, fracture) + clavicles(rays, anatomy, 2.2 * arms - 0.6)
    total += shoulders(rays, anatomy, arms, rays.view) + spine(rays, anatomy, seed) + sternum(rays, anatomy)
    return total * trabeculae(rays, seed) * np.float32(anatomy["bone_density"])
