"""Imports of large packages without what they would import besides."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import MetaPathFinder


class _Absent(MetaPathFinder):
    """Makes packages look uninstalled to the imports of one thread."""

    def __init__(self, *names: str) -> None:
        self._names = names
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self._names and threading.get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not needed here", name=name)


@contextmanager
def light_imports() -> Iterator[None]:
    """Presidio and spaCy import torch and transformers where they find them: seconds for engines not used here."""
    finder = _Absent("torch", "transformers", "torchvision", "stanza", "gliner", "cupy", "tensorflow", "mxnet")
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
