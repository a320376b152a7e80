"""Texts to images in batches that fit the memory, shared by the methods that generate from a prompt."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from updp_core.config import GeneratorConfig
from updp_core.domain import Image8, MethodInput, Prompt, Proposal, Step
from updp_core.methods.base import reason_of

if TYPE_CHECKING:
    from updp_core.backends.generator import Generator

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
) -> Iterator[Step]:
    """Steps of stage "image", each with the proposals of one batch; a job that fails alone fails alone."""
    side = config.size or generator.size
    batch = max(1, _PIXELS_AT_ONCE["cuda" if generator.device.startswith("cuda") else "cpu"] // side**2)
    done = 0
    for start in range(0, len(jobs), batch):
        part = jobs[start : start + batch]
        proposals = _images(generator, part, config, evidence)
        done += len(part)
        yield Step("image", done, len(jobs), tuple(proposals))


def _images(
    generator: Generator,
    jobs: Sequence[Job],
    config: GeneratorConfig,
    evidence: Callable[[Job], dict[str, float | str]],
) -> list[Proposal]:
    good = [job for job in jobs if not job.error]
    images: dict[int, Image8 | Exception] = {}
    try:
        images = dict(zip(map(id, good), _generate(generator, good, config), strict=True)) if good else {}
    except Exception as error:
        if len(good) == 1:
            images = {id(good[0]): error}
        else:
            for job in good:
                try:
                    images[id(job)] = _generate(generator, [job], config)[0]
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


def _generate(generator: Generator, jobs: Sequence[Job], config: GeneratorConfig) -> list[Image8]:
    sources = [job.record.image for job in jobs] if config.strength is not None else None
    return list(generator.generate([job.text for job in jobs], [job.seed for job in jobs], config, sources))
