"""The studies of `data/sample`: two visits of 12 patients, showing every finding, both views and burned-in text.

`python -m updp_core.phantom.sample` writes them again.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .dataset import write_studies
from .patient import sample_patient, sample_visit
from .render import render

# (patient seed, seeds of the two visits). The seeds lie outside every range that models train on.
SAMPLE_VISITS: tuple[tuple[int, int, int], ...] = (
    (7700206, 0, 6), (7700274, 1, 4), (7700058, 4, 6), (7700059, 4, 7), (7700590, 1, 3), (7700249, 2, 6),
    (7700097, 3, 6), (7700372, 0, 5), (7700289, 1, 5), (7700141, 1, 5), (7700099, 4, 7), (7700172, 1, 5),
)  # fmt: skip


def write_sample(out_dir: Path, size: int = 512) -> list[Path]:
    """Write the sample studies (see `dataset.write_dataset` for the form); returns the DICOM files."""
    visits = [
        (f"sample-{number:02d}-{k + 1}", sample_visit(sample_patient(seed), visit))
        for number, (seed, *pair) in enumerate(SAMPLE_VISITS, 1)
        for k, visit in enumerate(pair)
    ]
    return write_studies(Path(out_dir), visits, len(visits), size)


def contact_sheet(path: Path, columns: int = 6, size: int = 256) -> None:
    """Draw the sample's pictures, without burned-in text, into one JPEG or PNG."""
    from PIL import Image

    visits = [sample_visit(sample_patient(seed), visit) for seed, *pair in SAMPLE_VISITS for visit in pair]
    images = (render(visits, size) >> 8).astype(np.uint8)
    rows = images.reshape(-1, columns, size, size).transpose(0, 2, 1, 3).reshape(-1, columns * size)
    Image.fromarray(rows).save(path, quality=88)


if __name__ == "__main__":
    from updp_core.config import SAMPLE

    write_sample(SAMPLE)
