"""The models behind the verbs: methods, judges and the recogniser of names, each loaded when a verb first needs it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from updp_core import methods
from updp_core.atomic import canonical
from updp_core.backends.files import digest
from updp_core.config import STARTER, GeneratorConfig, PromptConfig, Settings
from updp_core.domain import MethodInput, Proposal
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.evidence import pair
from updp_core.lexicon import Lexicon
from updp_core.report.ner import load_ner


class Models:
    """What `Workbench.open` takes its models from. A subclass puts others in their place, as tests do.

    Override `make_method`, `judges`, `measure` or `ner`. A verb that loads models holds the desk's `model_lock`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._method: tuple[str, Any] | None = None
        self._judges: tuple[Any] | None = None
        self._ner: Any = None

    def method(self, lexicon: Lexicon, requested: Mapping[str, Any]) -> Any:
        """The method that was requested, loaded once for the same lexicon and settings.

        `requested` is what a candidate records: {"method", "prompt", "generation"} and, of newer candidates,
        {"settings", "named"}. Raises ModelUnavailable, UsageError.
        """
        key = canonical([lexicon.digest, dict(requested)])
        if self._method is None or self._method[0] != key:
            self._method = None  # let go of the old models before the new ones are loaded
            self._method = (key, self.make_method(lexicon, requested))
        return self._method[1]

    def make_method(self, lexicon: Lexicon, requested: Mapping[str, Any]) -> Any:
        """The method that was requested, with its models. Raises ModelUnavailable, UsageError."""
        return methods.make_method(requested["method"], self.settings, lexicon, *_changes(requested))

    def check_settings(self, requested: Mapping[str, Any]) -> None:
        """Raises UsageError for a method, a set of settings or a setting that does not exist, or a value out of range.
        No model is loaded."""
        methods.config_of(requested["method"], self.settings, *_changes(requested))

    def judges(self) -> Any:
        """The judges, or None where they are not to be had; looked for once."""
        if self._judges is None:
            try:
                from updp_core.backends.judges import load_judges

                self._judges = (load_judges(device=self.settings.device),)
            except (ImportError, ModelUnavailable):
                self._judges = (None,)
        return self._judges[0]

    def judges_digest(self) -> str:
        """The digest of the judges' files, "" where they are not to be had; none is loaded."""
        return digest(STARTER / "judges") if (STARTER / "judges").is_dir() else ""

    def measure(
        self, inputs: Sequence[MethodInput], proposals: Sequence[Proposal], lexicon: Lexicon, judges: Any, **more: Any
    ) -> list[dict[str, Any]]:
        """The evidence of each proposal, as `evidence.pair.measure` gives it."""
        return pair.measure(inputs, proposals, lexicon, judges, **more)

    def ner(self) -> Any:
        """The token-classification model of UPDP_NER, or None where none is set. Raises ModelUnavailable."""
        if self._ner is None and self.settings.ner:
            self._ner = load_ner(self.settings.ner)
        return self._ner


def _changes(requested: Mapping[str, Any]) -> tuple[Mapping[str, Any], str, dict[str, Any]]:
    """(settings by dotted name, name of a set, settings of prompt and generator that count where a method has them)."""
    also: dict[str, Any] = {}
    for part, kind, what in (("prompt", PromptConfig, "prompt"), ("generation", GeneratorConfig, "generator")):
        known = {field.name for field in dataclasses.fields(kind)}
        for name, value in (requested.get(part) or {}).items():
            if name not in known:
                raise UsageError(f"There is no {what} setting {name!r}. Settings are: {', '.join(sorted(known))}.")
            also[f"{part}.{name}"] = value
    return requested.get("settings") or {}, requested.get("named") or "", also
