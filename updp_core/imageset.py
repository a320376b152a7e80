"""Growing image sets on disk: images as one flat uint8 file, one JSON row an image, appended and so resumable.

The three ranges of patient seeds are defined here and nowhere else. Nothing is ever tuned on HELD_OUT.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.phantom import Visit, render, sample_patient, sample_visit

TRAIN = range(1_000_000, 2_000_000)
VALIDATION = range(2_000_000, 2_100_000)
HELD_OUT = range(9_000_000, 10_000_000)

# Share of the phantom images that carry side marker, view label and burned-in letters. The generator learns from
# the others only: a model this small would scribble letters, and the release gate reads letters as text.
ANNOTATED = 0.3


@dataclass(frozen=True)
class ImageSet:
    """Images (N, S, S) uint8 and what is known of each: `rows[i]` has "patient" (a key), "annotated", and either
    "visit" (phantoms: texts and labels follow from the seeds) or "text" and "labels" (name -> bool, may be empty)."""

    folder: Path
    images: NDArray[np.uint8]
    rows: tuple[Mapping[str, Any], ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def patients(self) -> NDArray[np.int64]:
        """Patient of each image as a number (N,), counted in order of first sight."""
        seen: dict[Any, int] = {}
        return np.array([seen.setdefault(row["patient"], len(seen)) for row in self.rows], np.int64)


def open_set(folder: Path) -> ImageSet:
    """The set in `folder`, memory-mapped; the part that is complete if it is still being written."""
    size = json.loads((folder / "set.json").read_text())["size"]
    rows = [
        json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines(keepends=True) if line[-1] == "\n"
    ]
    file = folder / "images.u8"
    count = min(len(rows), file.stat().st_size // size**2)
    images = np.memmap(file, np.uint8, "r", shape=(count, size, size)) if count else np.zeros((0, size, size), np.uint8)
    return ImageSet(folder, images, tuple(rows[:count]))


def append(folder: Path, size: int, batches: Iterable[tuple[NDArray[np.uint8], Sequence[Mapping[str, Any]]]]) -> None:
    """Append batches of images and rows; what an interrupted run left half-written is cut off first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "set.json").write_text(json.dumps({"size": size}))
    with (folder / "images.u8").open("ab") as pixels, (folder / "rows.jsonl").open("a") as rows:
        for images, batch in batches:
            pixels.write(np.ascontiguousarray(images).tobytes())
            pixels.flush()
            rows.write("".join(json.dumps(row) + "\n" for row in batch))
            rows.flush()


def trim(folder: Path, size: int) -> int:
    """Cut both files to their common length and return it (0 where there is no set yet)."""
    if not (folder / "rows.jsonl").exists():
        return 0
    done = len(open_set(folder))
    lines = (folder / "rows.jsonl").read_text().splitlines(keepends=True)[:done]
    (folder / "rows.jsonl").write_text("".join(lines))
    with (folder / "images.u8").open("r+b") as pixels:
        pixels.truncate(done * size**2)
    return done


def phantom_rows(
    seeds: range, patients: int, visits: tuple[int, int] = (2, 5), annotated: float = ANNOTATED
) -> list[dict[str, Any]]:
    """Rows of the first `patients` seeds of a range, `visits` (least, most) images each; the same every time."""
    rows: list[dict[str, Any]] = []
    for seed in seeds[:patients]:
        rng = np.random.default_rng([seed, 7003])
        for visit in range(int(rng.integers(visits[0], visits[1] + 1))):
            rows.append({"patient": seed, "visit": visit, "annotated": bool(rng.random() < annotated)})
    return rows


def visit_of(row: Mapping[str, Any]) -> Visit:
    """The phantom Visit of a row."""
    return sample_visit(sample_patient(row["patient"]), row["visit"])


def render_rows(rows: Sequence[Mapping[str, Any]], size: int = 256) -> NDArray[np.uint8]:
    """Radiographs of phantom rows, uint8 (B, size, size)."""
    images = [render([visit_of(row)], size, annotate=row["annotated"])[0] >> 8 for row in rows]
    return np.stack(images).astype(np.uint8)


def phantom_set(
    folder: Path,
    seeds: range,
    patients: int,
    size: int = 256,
    workers: int = 1,
    visits: tuple[int, int] = (2, 5),
    annotated: float = ANNOTATED,
    say: Callable[[str], None] = print,
) -> ImageSet:
    """Render a phantom training set into `folder`, going on where an earlier call stopped."""
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    rows = phantom_rows(seeds, patients, visits, annotated)
    done = trim(folder, size)
    chunks = [rows[i : i + 32] for i in range(done, len(rows), 32)]

    def rendered() -> Iterator[tuple[NDArray[np.uint8], Sequence[Mapping[str, Any]]]]:
        if workers <= 1:
            images: Iterable[NDArray[np.uint8]] = (render_rows(chunk, size) for chunk in chunks)
            pool = None
        else:
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            images = pool.map(render_rows, chunks, [size] * len(chunks))
        for number, (batch, chunk) in enumerate(zip(images, chunks, strict=True)):
            if number % 10 == 0:
                say(f"{folder.name}: {done + 32 * number} of {len(rows)} images")
            yield batch, chunk
        if pool:
            pool.shutdown()

    if chunks:
        append(folder, size, rendered())
    return open_set(folder)
