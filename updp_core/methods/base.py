"""The seam behind which every method of de-identification stands, and the registry of methods.

A method is batched and a generator of steps: progress, previews and early stop need no callbacks. What it makes for
a record is a Proposal; a record that fails carries its error there, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from updp_core.config import GeneratorConfig, PromptConfig, Settings
from updp_core.domain import MethodInput, Step
from updp_core.errors import UpdpError, UsageError
from updp_core.lexicon import Lexicon


class Method(Protocol):
    """A way of making a de-identified image.

    `settings()` is JSON: with the seed it determines the prompt exactly, models by digest included. `releasable` is
    False for methods that exist for comparison only.
    """

    @property
    def name(self) -> str: ...

    @property
    def title(self) -> str: ...

    @property
    def releasable(self) -> bool: ...

    def settings(self) -> dict[str, Any]: ...

    def propose(self, records: Sequence[MethodInput], *, seeds: Sequence[int]) -> Iterator[Step]: ...


@dataclass(frozen=True)
class MethodEntry:
    """A method before its models are loaded. `check` raises ModelUnavailable where they cannot be had."""

    name: str
    title: str
    releasable: bool
    check: Callable[[Settings], None]
    make: Callable[[Settings, Lexicon, PromptConfig, GeneratorConfig], Method]


def make_method(
    name: str,
    settings: Settings,
    lexicon: Lexicon,
    prompt: PromptConfig | None = None,
    generation: GeneratorConfig | None = None,
) -> Method:
    """The method `name` with its models loaded; settings that are None come from the preset.

    Raises UsageError for an unknown name, ModelUnavailable where a model is missing.
    """
    from updp_core.backends.presets import resolve

    if name not in METHODS:
        raise UsageError(f"There is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    preset = resolve(settings)
    return METHODS[name].make(settings, lexicon, prompt or preset.prompt, generation or preset.generation)


def reason_of(error: Exception) -> str:
    """What a reviewer may read of a failure: our own messages, which hold no patient text; else its kind alone."""
    if isinstance(error, UpdpError):
        return str(error)
    return f"{type(error).__name__} while making this pair. Try it again, and report it if it persists."


def _check_models(settings: Settings, *, encoder: bool) -> None:
    from updp_core.backends import presets

    presets.check(presets.resolve(settings), encoder=encoder)


def _updp(settings: Settings, lexicon: Lexicon, prompt: PromptConfig, generation: GeneratorConfig) -> Method:
    from updp_core.methods.updp import Updp

    return Updp.load(settings, lexicon, prompt, generation)


def _raw_report(settings: Settings, lexicon: Lexicon, prompt: PromptConfig, generation: GeneratorConfig) -> Method:
    from updp_core.methods.raw_report import RawReport

    return RawReport.load(settings, generation)


def _dp_pix(settings: Settings, lexicon: Lexicon, prompt: PromptConfig, generation: GeneratorConfig) -> Method:
    from updp_core.methods.dp_pix import DpPix

    return DpPix(size=generation.size or 256)


METHODS: Mapping[str, MethodEntry] = {
    entry.name: entry
    for entry in (
        MethodEntry("updp", "UPDP", True, lambda s: _check_models(s, encoder=True), _updp),
        MethodEntry(
            "raw-report",
            "Unfiltered report as prompt (comparison only)",
            False,
            lambda s: _check_models(s, encoder=False),
            _raw_report,
        ),
        MethodEntry("dp-pix", "DP-Pix (pixelisation with Laplace noise)", True, lambda s: None, _dp_pix),
    )
}
