"""Held-out phantom studies, as the suites measure on them: originals, reports, truth, and what methods make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.domain import MethodInput


@dataclass(frozen=True)
class Studies:
    """Held-out studies: images uint16 (N, 256, 256), raw and filtered reports, truth (N, F), patient (N,)."""

    images: NDArray[np.uint16]
    reports: tuple[str, ...]
    filtered: tuple[str, ...]
    truth: NDArray[np.bool_]
    patient: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.reports)

    def inputs(self, index: Sequence[int] | NDArray[Any]) -> list[MethodInput]:
        """The studies at `index` as a method sees them."""
        return [MethodInput(str(i), self.images[i], self.reports[i], self.filtered[i]) for i in map(int, index)]


def as_float(images: NDArray[Any]) -> NDArray[np.float32]:
    """uint8 or uint16 images (B, S, S) as float32 in 0..1."""
    return images.astype(np.float32) / np.float32(np.iinfo(images.dtype).max)


def studies(patients: Sequence[int], visits: int, first_visit: int, lexicon: Any, cache: Path | None = None) -> Studies:
    """`visits` studies of each held-out patient seed, annotated as real films are; rendered once into `cache`."""
    from updp_core.phantom import FINDINGS, render, sample_patient, sample_visit
    from updp_core.phantom.report import write_report
    from updp_core.report import filter_report

    all_visits = [sample_visit(sample_patient(p), first_visit + v) for p in patients for v in range(visits)]
    raw = tuple(write_report(visit, visit.seed).text for visit in all_visits)
    filtered = tuple(filter_report(text, lexicon).text for text in raw)
    truth = np.array([[visit.labels[name] for name in FINDINGS] for visit in all_visits], bool)
    owner = np.repeat(np.asarray(patients, np.int64), visits)
    if cache and cache.is_file():
        images = np.load(cache)
    else:
        images = np.concatenate([render([visit]) for visit in all_visits])
        if cache:
            np.save(cache, images)
    return Studies(images, raw, filtered, truth, owner)


def generated(
    method: Any, data: Studies, index: Sequence[int] | NDArray[Any], seed: int, cache: Path | None = None,
    say: Callable[[str], None] = print, batch: int = 16,
) -> tuple[NDArray[np.uint8], list[str]]:  # fmt: skip
    """Images (B, 256, 256) and prompts that `method` makes of the studies at `index`; resumable through `cache`.

    Raises RuntimeError where the method fails on a study: a suite must not leave out hard ones in silence.
    """
    images: list[NDArray[np.uint8]] = []
    prompts: list[str] = []
    if cache and cache.is_file():
        with np.load(cache) as stored:
            images, prompts = list(stored["images"]), [str(p) for p in stored["prompts"]]
    while len(images) < len(index):
        part = index[len(images) : len(images) + batch]
        made = {}
        for step in method.propose(data.inputs(part), seeds=[seed * 100_003 + int(i) for i in part]):
            for proposal in step.proposals:
                if proposal.image is None:
                    raise RuntimeError(f"{method.name} failed on held-out study {proposal.record}: {proposal.error}")
                made[proposal.record] = proposal
        for i in part:
            images.append(made[str(int(i))].image)
            prompts.append(made[str(int(i))].prompt_text)
        if cache:
            np.savez(cache, images=np.stack(images), prompts=np.array(prompts))
        say(f"{method.name}: {len(images)} of {len(index)} images")
    return np.stack(images[: len(index)]), prompts[: len(index)]
