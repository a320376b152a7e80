"""Methods: ways of making a de-identified image of a record. Each is one file of this folder that ends in ENTRY."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any

from updp_core.config import Settings
from updp_core.errors import UsageError
from updp_core.lexicon import Lexicon
from updp_core.methods.base import Derivation, Entry, Method, SettingSet
from updp_core.methods.settings import changed, overlaid

FIRST = "updp"


def _entries() -> dict[str, Entry]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    found = [module.ENTRY for module in modules if hasattr(module, "ENTRY")]
    return {entry.name: entry for entry in sorted(found, key=lambda entry: (entry.name != FIRST, entry.name))}


METHODS: dict[str, Entry] = _entries()


def entry_of(name: str) -> Entry:
    """The entry of a method. Raises UsageError for an unknown name."""
    if name not in METHODS:
        raise UsageError(f"There is no method {name!r}. Choose one of: {', '.join(METHODS)}.")
    return METHODS[name]


def config_of(
    name: str, settings: Settings, changes: Mapping[str, Any] | None = None, named: str = "", also: Any = None
) -> Any:
    """The Config of a method: its defaults under `settings`, then the set `named`, then `changes` by dotted name.

    `also` holds changes that count only where the method has such a setting. Raises UsageError for what is unknown.
    """
    entry = entry_of(name)
    config = entry.defaults(settings)
    if named:
        if named not in entry.sets:
            known = ", ".join(entry.sets) or "none"
            raise UsageError(f"The method {name} has no settings named {named!r}. There are: {known}.")
        config = changed(config, entry.sets[named].changes)
    return changed(overlaid(config, also or {}), changes or {})


def make_method(
    name: str,
    settings: Settings,
    lexicon: Lexicon,
    changes: Mapping[str, Any] | None = None,
    named: str = "",
    also: Mapping[str, Any] | None = None,
) -> Method:
    """The method `name` with its models loaded; see `config_of` for the rest.

    Raises UsageError for an unknown name or setting, ModelUnavailable where a model is missing.
    """
    config = config_of(name, settings, changes, named, also)
    return entry_of(name).make(settings, lexicon, config)


def derivation_of(name: str, settings: Mapping[str, Any]) -> Derivation:
    """What an image was made from, by its method and the settings recorded with it. UsageError for an unknown name."""
    return entry_of(name).derivation(settings)


__all__ = [
    "METHODS",
    "Derivation",
    "Entry",
    "Method",
    "SettingSet",
    "config_of",
    "derivation_of",
    "entry_of",
    "make_method",
]
