"""Radiographs and finding masks of visits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .chest import Scene
from .detector import expose, finish, process
from .findings import apply_findings
from .patient import Visit, sample_patient, sample_visit


def render_one(visit: Visit, size: int = 256, annotate: bool = True) -> NDArray[np.uint16]:
    """The radiograph of one visit: uint16 (size, size), MONOCHROME2."""
    scene = Scene(visit, size)
    apply_findings(scene)
    signal = expose(scene.attenuation(), scene.rays, visit)
    image = finish(process(signal, scene.rays, visit), scene.rays, visit, annotate)
    return np.round(image * 4095).astype(np.uint16) * np.uint16(16)


def render(visits: Sequence[Visit], size: int = 256, annotate: bool = True) -> NDArray[np.uint16]:
    """Radiographs of `visits`: uint16 (B, size, size), MONOCHROME2, 12-bit content in the upper bits (0..65520).

    Deterministic in the visits and `size`. Without `annotate` there is no side marker or view label in the picture
    (what a generator is trained on, since it would scribble letters).
    """
    return (
        np.stack([render_one(visit, size, annotate) for visit in visits])
        if visits
        else np.zeros((0, size, size), np.uint16)
    )


def images_per_second(size: int = 256, count: int = 24, seed: int = 0) -> float:
    """Speed of `render` on one thread of this machine, over `count` visits of different patients."""
    from time import perf_counter

    visits = [sample_visit(sample_patient(seed + i), 0) for i in range(count)]
    render(visits[:1], size)
    start = perf_counter()
    render(visits, size)
    return count / (perf_counter() - start)
