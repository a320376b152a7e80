"""Texts to images in batches that fit the memory, shared by the methods that generate from a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from updp_core.config import GeneratorConfig
from updp_core.domain import Image8, MethodInput, Prompt, Proposal, Step
from updp_core.errors import UsageError
from updp_core.methods.base import reason_of

if TYPE_CHECKING:
    from updp_core.backends.generator import Generator

# How well images (B, H, W) uint8 show what texts (B) say, (B,): higher is better.
Fit = Callable[[Sequence[str], Image8], NDArray[np.float32]]

# Pixels generated at once: eight images of 256 px on a CPU, four times as many on a GPU.
_PIXELS_AT_ONCE = {"cpu": 8 * 256**2, "cuda": 32 * 256**2}


@dataclass(frozen=True)
class Job:
    """A record on its way to an image. `error` is set where no prompt could be made."""

    record: MethodInput
    seed: int
    text: str = ""
    prompt: Prompt | None = None
    error: str = ""


def synthesise(
    generator: Generator,
    jobs: Sequence[Job],
    config: GeneratorConfig,
    evidence: Callable[[Job], dict[str, float | str]],
    fit: Fit | None = None,
) -> Iterator[Step]:
    """Steps of stage "image", each with the proposals of one batch; a job that fails alone fails alone.

    With `fit`, `config.candidates` images are drawn of each prompt and the one that fits its text best is kept. The
    source image has no say in this: a choice by likeness to it would be a leak.
    """
    if config.candidates < 1:
        raise UsageError("At least one image must be drawn of each prompt.")
    side = config.size or generator.size
    batch = max(1, _PIXELS_AT_ONCE["cuda" if generator.device.startswith("cuda") else "cpu"] // side**2)
    done = 0
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        proposals = _images(generator, part, config, evidence, fit)
        done += len(part)
        yield Step("image", done, len(jobs), tuple(proposals))


def _images(
    generator: Generator,
    jobs: Sequence[Job],
    config: GeneratorConfig,
    evidence: Callable[[Job], dict[str, float | str]],
    fit: Fit | None,
) -> list[Proposal]:
    good = [job for job in jobs if not job.error]
    images: dict[int, Image8 | Exception] = {}
    try:
        images = dict(zip(map(id, good), _generate(generator, good, config, fit), strict=True)) if good else {}
    except Exception as error:
        if len(good) == 1:
            images = {id(good[0]): error}
        else:
            for job in good:
                try:
                    images[id(job)] = _generate(generator, [job], config, fit)[0]
                except Exception as alone:
                    images[id(job)] = alone
    proposals = []
    for job in jobs:
        image = images.get(id(job))
        problem = job.error or (reason_of(image) if isinstance(image, Exception) else "")
        proposals.append(
            Proposal(
                record=job.record.id,
                seed=job.seed,
                image=None if isinstance(image, Exception) else image,
                prompt=job.prompt,
                prompt_text=job.text,
                method_evidence=evidence(job),
                error=problem,
            )
        )
    return proposals


def _generate(generator: Generator, jobs: Sequence[Job], config: GeneratorConfig, fit: Fit | None) -> list[Image8]:
    sources = [job.record.image for job in jobs] if config.strength is not None else None
    texts = [job.text for job in jobs]
    count = config.candidates if fit else 1
    drawn = [generator.generate(texts, [nth_seed(job.seed, k) for job in jobs], config, sources) for k in range(count)]
    if fit is None or count == 1:
        return list(drawn[0])
    best = np.argmax([fit(texts, images) for images in drawn], axis=0)
    return [drawn[k][i] for i, k in enumerate(best)]


def nth_seed(seed: int, n: int) -> int:
    """The seed of the n-th image of a record: its own for the first, one derived from it for each other."""
    return seed if n == 0 else int(np.random.SeedSequence([seed, n]).generate_state(1)[0])
