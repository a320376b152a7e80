"""Where a finding shows: the pixels that change when it is taken away."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from .chest import Scene
from .findings import apply_findings
from .patient import Visit
from .rays import Map


def _integral(visit: Visit, size: int) -> Map:
    scene = Scene(visit, size)
    apply_findings(scene)
    return scene.attenuation()


def render_masks(visit: Visit, size: int = 256) -> dict[str, NDArray[np.bool_]]:
    """One bool mask (size, size) per finding of the visit, in the geometry of its radiograph.

    A pixel belongs to a finding where the noise-free attenuation differs from that of the same visit
    without the finding by more than a fifth of the largest difference (98th percentile of the changed pixels).
    """
    whole = _integral(visit, size)
    masks = {}
    for finding in visit.findings:
        change = np.abs(whole - _integral(visit.without(finding.name), size))
        change = cv2.GaussianBlur(change, (0, 0), size / 256)
        changed = change[change > 0.02]
        peak = float(np.percentile(changed, 98)) if changed.size else 0.0
        masks[finding.name] = change > max(0.2 * peak, 0.03)
    return masks
