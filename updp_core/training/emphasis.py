"""Where a training image shows its findings, so that small ones count in the generator's loss.

A nodule covers one in two hundred latents: an average over the image hardly hears it. Phantoms know where each finding
is; an archive does not, and its images count evenly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.imageset import visit_of
from updp_core.phantom import render_masks

SHARE, MOST = 0.1, 10.0
_SIDE = 64  # pixels of the masks


def emphasis(row: Mapping[str, Any], cells: int) -> NDArray[np.float16]:
    """Weight of each latent of a phantom row, (cells, cells), 1 where nothing is found.

    Each finding adds weights that sum to SHARE of the image, however small it is, spread evenly over the latents that
    show it, and no more than MOST to one of them.
    """
    weight = np.ones((cells, cells))
    for mask in render_masks(visit_of(row), _SIDE).values():
        shown = mask.reshape(cells, _SIDE // cells, cells, _SIDE // cells).mean(axis=(1, 3)) > 0.05
        weight += shown * min(MOST, SHARE * weight.size / max(1, int(shown.sum())))
    return weight.astype(np.float16)


def emphases(rows: Sequence[Mapping[str, Any]], cells: int, workers: int = 1) -> NDArray[np.float16]:
    """Weights (N, cells, cells) of phantom rows, computed by `workers` processes."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return np.stack(list(pool.map(emphasis, rows, [cells] * len(rows), chunksize=32)))
