"""Held-out phantom studies, as the suites measure on them: originals, reports, truth, and what methods make of them.

Images are kept in files that grow and are never written twice, so a run that was cut off goes on, and a larger run
begins where a smaller one ended.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from itertools import repeat
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from updp_core.atomic import write_file
from updp_core.domain import MethodInput
from updp_core.errors import Conflict
from updp_core.imageset import ImageSet, append, open_set, trim
from updp_core.phantom import FINDINGS, clinic, render, sample_patient, sample_visit
from updp_core.phantom.patient import Finding, PopulationName, Visit
from updp_core.phantom.report import write_report
from updp_core.report import filter_report

SIDE = 256
CHUNK = 16
Say = Callable[[str], None]
Renderer = Callable[[Sequence[tuple[int, int]], PopulationName], NDArray[np.uint16]]
"""(patient seed, visit) keys and their population -> radiographs (B, S, S)."""


def _stated(finding: Finding) -> str:
    return f"{finding.severity} {finding.side} {finding.zone} {finding.name}"


class Source(Protocol):
    """Studies that methods draw of. `private`: what they say is a patient's, and no prompt is kept with an image."""

    @property
    def private(self) -> bool: ...

    def inputs(self, index: Sequence[int] | NDArray[Any], lexicon: Any) -> list[MethodInput]: ...


@dataclass(frozen=True)
class Studies:
    """Studies of phantom patients, patient by patient: images uint16 (N, 256, 256), truth (N, F), patient (N,),
    and the number of each study's visit (N,)."""

    images: NDArray[np.uint16]
    visits: tuple[Visit, ...]
    patient: NDArray[np.int64]
    visit: NDArray[np.int64]
    private: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.visits)

    @property
    def truth(self) -> NDArray[np.bool_]:
        return np.array([[visit.labels[name] for name in FINDINGS] for visit in self.visits], bool)

    @property
    def stated(self) -> NDArray[np.str_]:
        """All that a report states of a study's findings (N,): names, sides, zones and severities."""
        return np.array([", ".join(sorted(_stated(f) for f in visit.findings)) for visit in self.visits], np.str_)

    def report(self, i: int) -> str:
        """The report of study `i` as it was written, identifiers and all."""
        return write_report(self.visits[i], self.visits[i].seed).text

    def inputs(self, index: Sequence[int] | NDArray[Any], lexicon: Any) -> list[MethodInput]:
        """The studies at `index` as a method sees them; the record's name is the index."""
        raw = {int(i): self.report(int(i)) for i in index}
        return [MethodInput(str(i), self.images[i], t, filter_report(t, lexicon).text) for i, t in raw.items()]


@contextmanager
def alone(work: Path) -> Iterator[None]:
    """Hold the folder `work`, so that two runs never write the same files. Raises Conflict where one does."""
    import fcntl

    work.mkdir(parents=True, exist_ok=True)
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict("Another evaluation is using this folder. Wait for it, or choose another folder.") from None
        yield


def as_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 or uint16 images (B, S, S) as float32 in 0..1."""
    return images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)


def similarity(a: NDArray[np.float32], b: NDArray[np.float32], batch: int = 256) -> NDArray[np.float64]:
    """Structural similarity (N,) of images (N, S, S) in 0..1, pair by pair."""
    import torch
    from torchmetrics.functional.image import structural_similarity_index_measure as ssim

    out = [np.zeros(0)]
    for i in range(0, len(a), batch):
        x, y = (torch.from_numpy(np.ascontiguousarray(side[i : i + batch]))[:, None] for side in (a, b))
        found: Any = ssim(x, y, data_range=1.0, reduction="none")
        out.append(found.reshape(-1).numpy().astype(np.float64))
    return np.concatenate(out)


@cache  # as it was when first asked: what runs is what was loaded then
def code_digest(*names: str) -> str:
    """What names a part of this package's code: the sources of these files and folders of updp_core."""
    total, root = hashlib.sha256(), Path(__file__).parents[1]
    for name in names:
        for file in sorted((root / name).rglob("*.py")) if (root / name).is_dir() else [root / name]:
            total.update(file.read_bytes())
    return total.hexdigest()[:12]


def phantom_digest() -> str:
    """What names the phantom: another phantom's pictures are other pictures."""
    return code_digest("phantom")


def _visits(keys: Sequence[tuple[int, int]], population: PopulationName) -> tuple[Visit, ...]:
    return tuple(sample_visit(sample_patient(p, population), v) for p, v in keys)


def render_keys(keys: Sequence[tuple[int, int]], population: PopulationName) -> NDArray[np.uint16]:
    """Radiographs (B, S, S) of (patient seed, visit) keys."""
    return render(_visits(keys, population), SIDE)


def plain_keys(keys: Sequence[tuple[int, int]], population: PopulationName) -> NDArray[np.uint16]:
    """As `render_keys`, without letters in the picture: what a generator is trained on."""
    return render(_visits(keys, population), SIDE, annotate=False)


def pictures(
    name: str, keys: Sequence[tuple[int, int]], folder: Path, workers: int, say: Say, renderer: Renderer, chunk: int
) -> NDArray[np.uint16]:
    """Radiographs (B, S, S) of (patient seed, visit) keys of the enriched population, kept in `folder` as `name`."""
    parts = partial(_render, population="enriched", workers=workers, renderer=renderer, chunk=chunk)
    return _rendered(folder / f"{name}-{phantom_digest()}.u16", keys, parts, say)


def studies(
    first: int,
    visits: Sequence[int],
    folder: Path,
    workers: int = 1,
    say: Say = print,
    population: PopulationName = "enriched",
    renderer: Renderer = render_keys,
    chunk: int = CHUNK,
) -> Studies:
    """`visits[k]` studies of the k-th patient of `population`, by seeds from `first` on, annotated as real films are.

    Of a clinic's patients only those are taken who are seen so often (30 times at most are asked for): they are sicker.
    They are rendered into `folder` by `workers` processes, `chunk` at a time, from where an earlier call with the same
    beginning stopped.
    """
    seeds: Sequence[int] = range(first, first + len(visits))
    if population == "clinical":
        seeds = clinic.frequent(first, len(visits), min([30, *visits]))
    keys = [(seed, v) for seed, count in zip(seeds, visits, strict=True) for v in range(count)]
    file = folder / f"phantoms-{population}-{first}-{visits[0]}-{phantom_digest()}.u16"
    parts = partial(_render, population=population, workers=workers, renderer=renderer, chunk=chunk)
    images = _rendered(file, keys, parts, say)
    seen = _visits(keys, population)
    return Studies(images, seen, *(np.array(column, np.int64) for column in zip(*keys, strict=True)))


def _rendered(
    file: Path,
    keys: Sequence[tuple[int, int]],
    rendered: Callable[[Sequence[tuple[int, int]]], Iterator[NDArray[np.uint16]]],
    say: Say,
) -> NDArray[np.uint16]:
    """The pictures (N, S, S) of (patient, visit) keys from `file`, memory-mapped; those that lack are added to it.

    The JSON file beside it lists what the file holds: with other keys at its beginning it is written anew.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    listed, one = file.with_suffix(".json"), 2 * SIDE**2
    wanted = [list(key) for key in keys]
    known = json.loads(listed.read_text()) if listed.is_file() else []
    if known[: len(wanted)] != wanted[: len(known)]:
        file.unlink(missing_ok=True)
    if len(wanted) > len(known) or known[: len(wanted)] != wanted:
        write_file(listed, json.dumps(wanted).encode())
    done = file.stat().st_size // one if file.is_file() else 0
    if done < len(keys):
        with file.open("ab") as out:
            out.truncate(done * one)  # half a picture of a run that was killed
            for number, images in enumerate(rendered(keys[done:])):
                out.write(images.tobytes())
                out.flush()
                if number % 10 == 0:
                    say(f"phantoms: {out.tell() // one} of {len(keys)}")
    return np.memmap(file, np.uint16, "r", shape=(len(keys), SIDE, SIDE))


def _render(
    keys: Sequence[tuple[int, int]], population: PopulationName, workers: int, renderer: Renderer, chunk: int
) -> Iterator[NDArray[np.uint16]]:
    chunks, names = [keys[i : i + chunk] for i in range(0, len(keys), chunk)], repeat(population)
    if workers <= 1 or len(chunks) < 2 * workers:
        yield from map(renderer, chunks, names)
        return
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(renderer, chunks, names)


def generated(
    method: Any,
    data: Source,
    index: Sequence[int] | NDArray[Any],
    seed: int,
    folder: Path,
    lexicon: Any,
    say: Say = print,
    chunk: int = CHUNK,
    note: Callable[[str], Mapping[str, Any]] | None = None,
) -> ImageSet:
    """What `method` makes of the studies at `index`, with the prompts and the seconds each took in `rows`.

    `folder` keeps what is made; a later call with the same beginning of `index` goes on there. Its name must tell the
    method's settings (`key_of`), and `note`, which says of a prompt what else its row shall hold. Raises RuntimeError
    where the method fails on a study: a suite must not leave out hard ones in silence.
    """
    done = trim(folder, SIDE)

    def made() -> Iterator[tuple[NDArray[np.uint8], list[dict[str, Any]]]]:
        for start in range(done, len(index), chunk):
            part = [int(i) for i in index[start : start + chunk]]
            inputs = data.inputs(part, lexicon)
            begun, used = time.monotonic(), time.process_time()
            found: dict[str, Any] = {}
            for step in method.propose(inputs, seeds=[seed * 100_003 + i for i in part]):
                found |= {proposal.record: proposal for proposal in step.proposals}
            for proposal in found.values():
                if proposal.image is None:
                    raise RuntimeError(f"{method.name} failed on held-out study {proposal.record}: {proposal.error}")
            each = (time.monotonic() - begun) / len(part)
            times = {"seconds": round(each, 3), "processor_seconds": round((time.process_time() - used) / len(part), 3)}
            texts = {i: "" if data.private else found[str(i)].prompt_text for i in part}
            notes = {i: note(found[str(i)].prompt_text) if note else {} for i in part}
            rows = [{"study": i, "prompt": texts[i], **notes[i]} | times for i in part]
            say(f"{folder.name}: {start + len(part)} of {len(index)} images, {each:.1f} s each")
            yield np.stack([found[str(i)].image for i in part]), rows

    if done < len(index):
        append(folder, SIDE, made())
    whole = open_set(folder)
    if [row["study"] for row in whole.rows[: len(index)]] != [int(i) for i in index]:
        raise RuntimeError(f"{folder.name} holds images of other studies. Remove this folder and start again.")
    return ImageSet(folder, whole.images[: len(index)], whole.rows[: len(index)])


def key_of(*what: Any) -> str:
    """A short name for JSON-able settings, for files that must not be shared between different ones."""
    return hashlib.sha256(json.dumps(what, sort_keys=True, default=str).encode()).hexdigest()[:12]
