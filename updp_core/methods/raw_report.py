"""The paper's "images without de-identification": the unfiltered report is the prompt. For comparison only.

Its prompt is the source report itself and so PHI: it stays in the workspace, and nothing of it is ever releasable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from updp_core.backends import presets
from updp_core.config import GeneratorConfig, Settings
from updp_core.domain import MethodInput, Step
from updp_core.errors import UsageError
from updp_core.methods.base import Entry, from_text_or_image
from updp_core.methods.synthesis import Job, synthesise

if TYPE_CHECKING:
    from updp_core.backends.generator import Generator

NAME, TITLE = "raw-report", "Unfiltered report as prompt (comparison only)"


@dataclass(frozen=True)
class Config:
    """Settings of the generator; a prompt is not optimised here."""

    generation: GeneratorConfig


@dataclass(frozen=True, eq=False)
class RawReport:
    """Generates from the report as it stands, as far as the generator reads."""

    preset: str
    generator: Generator
    generation: GeneratorConfig
    name: str = NAME
    title: str = TITLE
    releasable: bool = False

    @classmethod
    def load(cls, settings: Settings, config: Config) -> RawReport:
        """Raises ModelUnavailable where the generator is missing."""
        preset = presets.resolve(settings)
        return cls(preset.name, presets.load_preset_generator(preset, settings.device), config.generation)

    def settings(self) -> dict[str, Any]:
        return {
            "method": self.name,
            "preset": self.preset,
            "generator": {"name": self.generator.name, "sha256": self.generator.digest},
            "generation": asdict(self.generation),
        }

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]:
        """Steps of stage "image" with the proposals, in the order of the records."""
        if len(records) != len(seeds):
            raise UsageError("There must be one seed for each record.")
        jobs = []
        for record, seed in zip(records, seeds, strict=True):
            text = self.generator.fit(" ".join(record.report.split()))[0]
            problem = "" if text else "The report holds no text that the generator could read."
            jobs.append(Job(record, seed, text, error=problem))
        yield from synthesise(self.generator, jobs, self.generation, lambda job: {})


ENTRY = Entry(
    name=NAME,
    title=TITLE,
    holds="Hides the source's pixels and nothing that the report says: names and dates reach the generator.",
    releasable=False,
    derivation=from_text_or_image,
    defaults=lambda settings: Config(presets.resolve(settings).generation),
    check=lambda settings: presets.check(presets.resolve(settings), encoder=False),
    make=lambda settings, lexicon, config: RawReport.load(settings, config),
)
