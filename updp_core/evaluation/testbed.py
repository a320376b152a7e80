"""What measures share: the models, held-out studies, and what methods make of them.

What is slow (phantoms, synthetic images) is kept in the work folder under a name that tells everything it depends on,
models by digest included. A run that was cut off at any point goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from updp_core.backends import files
from updp_core.backends.presets import load_preset_encoder, load_preset_generator, resolve
from updp_core.config import STARTER, Preset, Settings
from updp_core.errors import UsageError
from updp_core.evaluation.studies import (
    CHUNK,
    Renderer,
    Say,
    Source,
    Studies,
    as_float,
    code_digest,
    generated,
    key_of,
    phantom_digest,
    pictures,
    plain_keys,
    render_keys,
    studies,
)
from updp_core.imageset import HELD_OUT, ImageSet
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.methods import Method, make_method
from updp_core.phantom.patient import PopulationName

DRAWING = (
    "prompt",
    "methods",
    "report",
    "lexicon",
    "backends/encoder.py",
    "backends/generator.py",
    "backends/vocabulary.py",
)
"""The code that an image depends on."""


@dataclass(frozen=True)
class Sizes:
    """How much is measured, and of whom.

    Findings are measured on `singles`, patients with one visit, among whom each finding is frequent enough to be
    measured: the suite's subject draws the first `drawn` of them, other methods the first `beside`, and prompts are
    scored on the first `prompts`. Whom an image gives away depends on how common his findings are: `couples` of two
    visits, for linkage, and the identity set come from `population`. In that set `patients` share `images` visits, of
    which the last `test_visits` each are held out and the last `generated_visits` also drawn. `scale` is what these
    sizes were asked as; None for the quick form. Attackers are trained with `attacker_seeds` seeds; where a suite says
    so, images are drawn with `generator_seeds` too."""

    singles: int
    drawn: int
    beside: int
    prompts: int
    couples: int
    patients: int
    images: int
    test_visits: int
    generated_visits: int
    reconstructed: int
    real: int = 160
    attacker_seeds: int = 3
    generator_seeds: int = 1
    population: PopulationName = "clinical"
    scale: float | None = None

    @property
    def visits(self) -> list[int]:
        """Visits of each patient of the identity set, shared out evenly."""
        return [self.images // self.patients + (k < self.images % self.patients) for k in range(self.patients)]


QUICK = Sizes(
    singles=96,
    drawn=16,
    beside=8,
    prompts=8,
    couples=8,
    patients=10,
    images=80,
    test_visits=2,
    generated_visits=1,
    reconstructed=48,
    real=24,
)


def sizes(scale: float = 1.0, quick: bool = False, population: PopulationName = "clinical") -> Sizes:
    """The sizes of a run; `scale` 1 fills about two hours of 2 cores. The 2,682 originals of 50 patients are the
    same at each scale, since the bar is stated for them; what is drawn by the generator is less. Raises UsageError."""
    if quick:
        return replace(QUICK, population=population)
    if not 0 < scale <= 100:
        raise UsageError("The scale must lie above 0; 1 is the full form.")
    drawn = max(16, round(1280 * scale))
    return Sizes(
        singles=max(320, round(1600 * scale)),
        drawn=drawn,
        beside=drawn // 4,
        prompts=drawn // 4,
        couples=max(8, round(640 * scale)),
        patients=50,
        images=2682,
        test_visits=11,
        generated_visits=min(11, max(1, round(30 * scale))),
        reconstructed=max(100, round(400 * scale)),
        population=population,
        scale=scale,
        generator_seeds=3,
    )


class Models:
    """The models that are measured, of one folder, each loaded when it is first needed. A subclass puts others there,
    as tests do. Each attribute raises ModelUnavailable where its model is missing."""

    def __init__(self, folder: Path = STARTER) -> None:
        self.folder = folder

    @cached_property
    def digests(self) -> Mapping[str, str]:
        """Digest of each model's files that are there."""
        return digests(self.folder)

    @property
    def preset(self) -> Preset:
        return resolve(self.settings)

    @property
    def settings(self) -> Settings:
        return Settings(encoder=f"{files.LOCAL}{self.folder / 'encoder'}", generator=str(self.folder / "generator"))

    @cached_property
    def encoder(self) -> Any:
        return load_preset_encoder(self.preset)

    @cached_property
    def generator(self) -> Any:
        return load_preset_generator(self.preset)

    @cached_property
    def judges(self) -> Any:
        from updp_core.backends.judges import load_judges

        return load_judges(self.folder / "judges")

    def method(self, name: str, lexicon: Lexicon, changes: Mapping[str, Any] | None = None, **how: Any) -> Method:
        """A method that draws with these models, with settings changed by dotted name; `how` as of `make_method`.
        Raises UsageError for what is unknown."""
        return make_method(name, self.settings, lexicon, changes, **how)


@dataclass
class Testbed:
    """What a run measures on. `methods` are the suite's, the first its subject; `real` is a folder of real radiographs
    (PNG, JPEG) for the one figure that needs some, `source` a file of one's own for the suites that read one; `workers`
    processes render phantoms, by `renderer`, and by `plain` where they shall bear no letters."""

    models: Models
    work: Path
    sizes: Sizes
    seed: int = 0
    workers: int = 1
    say: Say = print
    real: Path | None = None
    source: Path | None = None
    methods: tuple[str, ...] = ()
    renderer: Renderer = render_keys
    plain: Renderer = plain_keys
    chunk: int = CHUNK
    shared: dict[str, Any] = field(default_factory=dict)  # what several measures need, in memory

    @property
    def subject(self) -> str:
        """The method that the suite is about."""
        return self.methods[0]

    @cached_property
    def lexicon(self) -> Lexicon:
        return load_lexicon()

    @cached_property
    def singles(self) -> Studies:
        """Every study that findings are measured on."""
        return self._studies(0, [1] * self.sizes.singles, "enriched")

    @cached_property
    def couples(self) -> Studies:
        """Two visits of each patient: who is linked."""
        return self._studies(3_000, [2] * self.sizes.couples, self.sizes.population)

    @cached_property
    def people(self) -> Studies:
        """The identity set."""
        return self._studies(5_000, self.sizes.visits, self.sizes.population)

    def _studies(self, offset: int, visits: list[int], population: PopulationName) -> Studies:
        first = HELD_OUT.start + 10_000 * (self.seed % 90) + offset
        return studies(first, visits, self.work, self.workers, self.say, population, self.renderer, self.chunk)

    def trained_on(self, name: str, keys: Sequence[tuple[int, int]]) -> NDArray[np.uint16]:
        """Phantoms (B, S, S) by patient seed and visit as a generator is trained on them, kept as `name`."""
        return pictures(name, keys, self.work, self.workers, self.say, self.plain, self.chunk)

    def held_out(self, visits: int) -> NDArray[np.int64]:
        """The last `visits` studies of each person: everybody's last first, so that more visits only add."""
        last = np.cumsum(self.sizes.visits) - 1
        return np.concatenate([last - back for back in range(visits)])

    def drawn(
        self,
        method: str,
        data: Source,
        name: str,
        index: NDArray[Any],
        changes: Mapping[str, Any] | None = None,
        again: int = 0,
        lexicon: Lexicon | None = None,
        note: Callable[[str], Mapping[str, Any]] | None = None,
        **how: Any,
    ) -> ImageSet:
        """What `method` draws of the studies at `index`, with settings changed by dotted name (and `how`, as of
        `make_method`), kept under all that it depends on. `again` counts other drawings of the same, with other seeds;
        `lexicon` is another one than the house's; `note` is as of `generated`.
        """
        lexicon = lexicon or self.lexicon
        made = self.models.method(method, lexicon, changes, **how)
        # Models are named by their digests, so that a folder may be moved.
        settings = {k: v["sha256"] if isinstance(v, dict) and "sha256" in v else v for k, v in made.settings().items()}
        seed = self.seed + 7_919 * again
        key = key_of(settings, seed, phantom_digest(), code_digest(*DRAWING))
        folder = self.work / f"{name}-{method}-{key}"
        return generated(made, data, index, seed, folder, lexicon, self.say, self.chunk, note)


def digests(models: Path) -> dict[str, str]:
    """Digest of each starter model that is in the folder `models`."""
    parts = ("encoder", "generator", "judges")
    return {part: files.digest(models / part) for part in parts if (models / part).is_dir()}


def key_of_method(method: str) -> str:
    """How a figure names a method: raw-report is raw_report."""
    return method.replace("-", "_")


def in_parts(images: NDArray[Any], measure: Callable[[NDArray[np.float32]], NDArray[Any]], size: int = 64) -> Any:
    """`measure` of images in 0..1, a few at a time: the whole set as floats would take gigabytes."""
    parts = range(0, len(images), size)
    return np.concatenate([measure(as_float(np.asarray(images[i : i + size]))) for i in parts])
