"""UPDP: filtered report -> optimised prompt -> synthetic image (paper, Algorithm 1)."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from updp_core.backends import presets
from updp_core.config import GeneratorConfig, PromptConfig, Settings, setting
from updp_core.domain import Image8, Image16, MethodInput, Prompt, Step
from updp_core.errors import PromptError, UsageError
from updp_core.findings.labeler import mentions
from updp_core.findings.terms import STEMS
from updp_core.lexicon import Lexicon
from updp_core.methods.base import Entry, SettingSet, Slider, from_text_or_image, reason_of
from updp_core.methods.synthesis import Job, synthesise
from updp_core.prompt import mma, pez, steps
from updp_core.prompt.constraint import Constraint
from updp_core.prompt.optimise import optimise
from updp_core.prompt.search import Search
from updp_core.prompt.start import start_text

if TYPE_CHECKING:
    from torch import Tensor

    from updp_core.backends.encoder import Encoder
    from updp_core.backends.generator import Generator

NAME, TITLE = "updp", "UPDP"
PROMPTS_AT_ONCE = 32
OPTIMISERS: Mapping[str, Callable[[Search], None]] = {"mma": mma.run, "steps": steps.run, "pez": pez.run}
_STEMS = re.compile(STEMS)


@dataclass(frozen=True)
class Config:
    """Settings of the prompt and of the generator. Other optimisers than ours spend `budget` on each prompt."""

    prompt: PromptConfig
    generation: GeneratorConfig
    optimiser: Literal["updp", "mma", "steps", "pez"] = setting("updp", "Who searches the words of the prompt")
    budget: int = setting(2000, "Passes through the text encoder that mma, steps and pez may use", 16, 1_000_000)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The preset's own."""
        preset = presets.resolve(settings)
        return cls(preset.prompt, preset.generation)


@dataclass(frozen=True, eq=False)
class Updp:
    """The paper's method with its models loaded and the lexicon bound to the encoder's tokens."""

    preset: str
    encoder: Encoder
    generator: Generator
    constraint: Constraint
    config: Config
    name: str = NAME
    title: str = TITLE
    releasable: bool = True

    @classmethod
    def load(cls, settings: Settings, lexicon: Lexicon, config: Config) -> Updp:
        """Raises ModelUnavailable where a model is missing."""
        preset = presets.resolve(settings)
        encoder = presets.load_preset_encoder(preset, settings.device)
        generator = presets.load_preset_generator(preset, settings.device)
        return cls(preset.name, encoder, generator, Constraint(lexicon, encoder), config)

    def settings(self) -> dict[str, Any]:
        return {
            "method": self.name,
            "preset": self.preset,
            "encoder": {"name": self.encoder.name, "sha256": self.encoder.digest},
            "generator": {"name": self.generator.name, "sha256": self.generator.digest},
            "lexicon": self.constraint.lexicon.digest,
            **asdict(self.config),
        }

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """Steps of stage "prompt", then of stage "image" with the proposals, in the order of the records."""
        if len(records) != len(seeds):
            raise UsageError("There must be one seed for each record.")
        jobs: list[Job] = []
        yield Step("prompt", 0, len(records))
        for start in range(0, len(records), PROMPTS_AT_ONCE):
            part = slice(start, start + PROMPTS_AT_ONCE)
            jobs += self._prompts(records[part], seeds[part])
            yield Step("prompt", len(jobs), len(records))
        yield from synthesise(self.generator, jobs, self.config.generation, _evidence, self._fit)

    def _prompts(self, records: Sequence[MethodInput], seeds: Sequence[int]) -> list[Job]:
        """Prompts for a batch; where the batch fails as a whole, for each record alone."""
        try:
            texts = [start_text(r.filtered_report, self.constraint.lexicon) for r in records]
            prompts = self._optimise(records, texts, seeds)
            return [self._job(*each) for each in zip(records, seeds, prompts, strict=True)]
        except Exception as error:
            if len(records) == 1:
                return [Job(records[0], seeds[0], error=reason_of(error))]
            return [self._prompts([r], [s])[0] for r, s in zip(records, seeds, strict=True)]

    def _optimise(self, records: Sequence[MethodInput], texts: Sequence[str], seeds: Sequence[int]) -> list[Prompt]:
        images, config = [r.image for r in records], self.config
        if config.optimiser == "updp":
            counted, passes = counting(self.encoder)
            prompts = optimise(counted, self.constraint, images, texts, config.prompt, seeds, what_it_says)
            return [replace(prompt, evaluations=round(passes[0] / len(prompts))) for prompt in prompts]
        return [self._search(*each) for each in zip(images, texts, seeds, strict=True)]

    def _search(self, image: Image16, text: str, seed: int) -> Prompt:
        config, meaning = self.config, what_it_says if self.config.prompt.select == "tokens" else None
        search = Search(self.encoder, self.constraint, image, text, config.prompt, seed, config.budget, meaning)
        OPTIMISERS[config.optimiser](search)
        return search.prompt()

    def _fit(self, texts: Sequence[str], images: Image8) -> NDArray[np.float32]:
        """Cosine (B,) between prompts and images in the encoder's space."""
        shown = self.encoder.encode_image(list(images))
        return (self.encoder.encode_text(texts) * shown).sum(dim=-1).float().cpu().numpy()

    def _job(self, record: MethodInput, seed: int, prompt: Prompt) -> Job:
        fitted = fit_to_generator(prompt, self.generator, self.constraint)
        return Job(record, seed, fitted.text, fitted)


def counting(encoder: Encoder) -> tuple[Encoder, list[int]]:
    """The encoder with a counter: prompts that pass forward through its text tower, and again backward."""
    passes = [0]

    def tower(x: Tensor, attention: Tensor, end: Tensor) -> Tensor:
        passes[0] += len(x) * (2 if x.requires_grad else 1)
        return encoder._tower(x, attention, end)

    return replace(encoder, _tower=tower), passes


@lru_cache(maxsize=65536)
def what_it_says(text: str) -> Hashable:
    """The findings that a text asserts or leaves open, with their sides, and each stem of a finding's name in it.

    No token of a prompt may change this: an encoder that does not know an image would otherwise invent findings.
    """
    said = frozenset((m.finding, m.status, m.side) for m in mentions(text) if m.status != "absent")
    return said, frozenset(_STEMS.findall(text.lower()))


def fit_to_generator(prompt: Prompt, generator: Generator, constraint: Constraint) -> Prompt:
    """The prompt as the generator reads it: cut at its token limit, with the rest in `unread`.

    The check of the constraint is repeated on what remains, as text and as the generator's tokenizer re-joins it; a
    text that fails loses its last words until it passes. Raises PromptError where nothing is left.
    """
    read, unread = generator.fit(prompt.text)
    while constraint.check(read) or constraint.check(generator.as_read(read)):
        read = read.rpartition(" ")[0]
    if not read:
        raise PromptError("No word of the prompt can be shown to this generator. Check the blacklist for short terms.")
    if read == prompt.text:
        return prompt
    spans = constraint.vocabulary.layout([token.id for token in prompt.tokens])[1]
    kept = tuple(token for token, (_, end) in zip(prompt.tokens, spans, strict=True) if end <= len(read))
    return replace(prompt, text=read, tokens=kept, unread=unread)


def _evidence(job: Job) -> dict[str, float | str]:
    if job.prompt is None:
        return {}
    return {
        "alignment_before": job.prompt.alignment_before,
        "alignment_constrained": job.prompt.alignment_constrained,
        "alignment_soft": job.prompt.alignment_soft,
        "alignment_after": job.prompt.alignment_after,
        "prompt_init": job.prompt.init,
        "unread": job.prompt.unread,
        "evaluations": job.prompt.evaluations,
    }


PAPER = SettingSet(
    "Algorithm 1 as written: plain gradient steps, one projection, the last one kept, tokens drawn by softmax "
    "(line 15) from the top K of the whitelist alone (line 14), one image. The paper gives no value of T, K, eta "
    "and lambda: T, K and eta are ours, and lambda has no part where the whitelist alone is taken.",
    {
        "prompt.optimizer": "gradient",
        "prompt.projections": 1,
        "prompt.select": "last",
        "prompt.whole_words": False,
        "prompt.whitelist": "only",
        "prompt.temperature": 1.0,
        "prompt.steps": 60,
        "prompt.top_k": 16,
        "prompt.bias": 0.0,
        "prompt.iterations": 1,
        "generation.candidates": 1,
    },
)

ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Draws a new person from allowed words; what the words tell (a rare mixture of findings) stays.",
    releasable=True,
    derivation=from_text_or_image,
    defaults=Config.of,
    check=lambda settings: presets.check(presets.resolve(settings)),
    make=Updp.load,
    sets={"paper": PAPER},
    sliders=(Slider("generation.guidance_scale", (1.0, 2.5, 5.0), 1, 12, 0.5),),
)
