"""Suites: what is measured of which methods, and the bars it is held to. Each is one file that ends in SUITE."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping

from updp_core.evaluation.suites.suite import Bar, Suite


def _suites() -> dict[str, Suite]:
    modules = (importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__))
    return {module.SUITE.name: module.SUITE for module in modules if hasattr(module, "SUITE")}


SUITES: Mapping[str, Suite] = _suites()

__all__ = ["SUITES", "Bar", "Suite"]
