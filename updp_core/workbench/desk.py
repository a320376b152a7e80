"""What every verb works with: the store, the settings, and the models once somebody has needed them."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from updp_core import methods
from updp_core.config import GeneratorConfig, PromptConfig, Settings
from updp_core.domain import SYSTEM, Actor
from updp_core.errors import ModelUnavailable, UsageError
from updp_core.store import Store, Transaction
from updp_core.store.store import canonical, known, now
from updp_core.workbench.shapes import Policy

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

CURRENT_LEXICON = "SELECT max(version) FROM lexicon_version"


class Desk:
    """An open workspace with its models. One model at a time works: `model_lock` is held around it."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self.store = store
        # Not re-entrant: it is held over the steps of a generator, which may be resumed in another thread.
        self.model_lock = threading.Lock()
        self._lexicons: dict[int, Lexicon] = {}
        self._method: tuple[str, Any] | None = None
        self._judges: tuple[Any] | None = None
        self._ner: Any = None
        self.make_method = self._make_method
        self.viewed: dict[tuple[str, str], float] = {}  # (person, record) -> when it was noted that they saw it
        self.shared: tuple[int | None, dict[frozenset[str], int]] = (None, {})

    @classmethod
    def open(cls, settings: Settings) -> Desk:
        """Open the workspace; a new one gets lexicon version 1 and the default policy."""
        desk = cls(settings, Store(settings.home))
        with desk.store.read() as tx:
            ready = tx.value(CURRENT_LEXICON)
        if ready is None:
            desk._first_rows()
        return desk

    def _first_rows(self) -> None:
        from updp_core.lexicon import load_lexicon

        lexicon = load_lexicon()
        with self.store.write() as tx:
            if tx.value(CURRENT_LEXICON) is not None:
                return  # another process was faster
            terms = sum(len(terms) for lists in lexicon.to_dict().values() for terms in lists.values())
            tx.insert(
                "lexicon_version",
                version=1,
                digest=lexicon.digest,
                content_json=canonical(lexicon.to_dict()),
                author=SYSTEM.name,
                role=SYSTEM.role,
                comment="The lexicons that UPDP ships",
                added=terms,
                removed=0,
                created_at=now(),
            )
            content = {"verdicts": 1, "gates": {}, "second_reading": 0.0, "prompts": "release"}
            content["report_policy"] = self.settings.report_policy
            tx.insert(
                "policy_version",
                verdicts=1,
                content_json=canonical(content),
                author=SYSTEM.name,
                comment="The default",
                created_at=now(),
            )
            tx.audit(SYSTEM, "open", "lexicon 1", digest=lexicon.digest)

    def stand_in_key(self, record: str) -> bytes:
        """The key of a report's stand-ins: one original has one stand-in in all that is made of the record."""
        return self.store.secret.derive("stand-ins", record)

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()

    def audit_refusal(self, actor: Actor, verb: str) -> None:
        """Note that somebody tried what their role does not carry."""
        with self.store.write() as tx:
            tx.audit(actor, "refused", verb)

    def policy(self, tx: Transaction | None = None) -> Policy:
        """What is in force (in the given snapshot)."""
        if tx is None:
            with self.store.read() as snapshot:
                return self.policy(snapshot)
        content = json.loads(tx.value("SELECT content_json FROM policy_version ORDER BY id DESC LIMIT 1"))
        return cast(Policy, {"methods": {}, "prompts": "release", **content})  # an older policy knows neither

    def lexicon(self, tx: Transaction, version: int | None = None) -> tuple[int, Lexicon]:
        """(version, lexicon) of a version (None: the current one). Versions are immutable, so they are cached."""
        from updp_core.lexicon import Lexicon

        if version is None:
            version = int(tx.value(CURRENT_LEXICON))
        if version not in self._lexicons:
            row = known(
                tx.one("SELECT content_json FROM lexicon_version WHERE version = :v", v=version),
                f"lexicon version {version}",
            )
            self._lexicons = {version: Lexicon.from_dict(json.loads(row["content_json"])), **self._lexicons}
            self._lexicons = dict(list(self._lexicons.items())[:4])
        return version, self._lexicons[version]

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

    def _make_method(self, lexicon: Lexicon, requested: Mapping[str, Any]) -> Any:
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

    def ner(self) -> Any:
        """The token-classification model of UPDP_NER, or None where none is set. Raises ModelUnavailable."""
        if self._ner is None and self.settings.ner:
            from updp_core.report.ner import load_ner

            self._ner = load_ner(self.settings.ner)
        return self._ner


class Noun:
    """What the verbs of one noun share with all others: the desk, and nothing else."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk


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
