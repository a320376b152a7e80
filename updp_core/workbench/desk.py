"""What every verb works with: the store, the settings, and the models once somebody has needed them."""

from __future__ import annotations

import json
import threading
from typing import Any, cast

from updp_core.atomic import canonical
from updp_core.config import Settings
from updp_core.domain import SYSTEM, Actor
from updp_core.lexicon import Lexicon, load_lexicon
from updp_core.store import Store, Transaction
from updp_core.store.schema import LexiconVersion
from updp_core.store.store import known, now
from updp_core.workbench.models import Models
from updp_core.workbench.shapes import Policy

CURRENT_LEXICON = "SELECT max(version) FROM lexicon_version"


class Desk:
    """An open workspace with its models. One model at a time works: `model_lock` is held around it."""

    def __init__(self, settings: Settings, store: Store, models: Models) -> None:
        self.settings = settings
        self.store = store
        self.models = models
        # Not re-entrant: it is held over the steps of a generator, which may be resumed in another thread.
        self.model_lock = threading.Lock()
        self._lexicons: dict[int, Lexicon] = {}
        self.viewed: dict[tuple[str, str], float] = {}  # (person, record) -> when it was noted that they saw it
        self.shared: tuple[Any, dict[frozenset[str], int], int] = (None, {}, 0)
        self.levelled: dict[Any, tuple[int, dict[frozenset[str], frozenset[str]]]] = {}

    @classmethod
    def open(cls, settings: Settings, models: Models | None = None) -> Desk:
        """Open the workspace; a new one gets lexicon version 1 and the default policy."""
        desk = cls(settings, Store(settings.home, settings.database_url), models or Models(settings))
        with desk.store.read() as tx:
            ready = tx.value(CURRENT_LEXICON)
        if ready is None:
            desk._first_rows()
        return desk

    def _first_rows(self) -> None:
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
        # An older policy knows none of these.
        return cast(Policy, {"methods": {}, "prompts": "release", "privacy": {"level": 0}, **content})

    def lexicon(self, tx: Transaction, version: int | None = None) -> tuple[int, Lexicon]:
        """(version, lexicon) of a version (None: the current one). Versions are immutable, so they are cached."""
        if version is None:
            version = int(tx.value(CURRENT_LEXICON))
        if version not in self._lexicons:
            row = known(tx.get(LexiconVersion, version=version), f"lexicon version {version}")
            self._lexicons = {version: Lexicon.from_dict(json.loads(row.content_json)), **self._lexicons}
            self._lexicons = dict(list(self._lexicons.items())[:4])
        return version, self._lexicons[version]


class Noun:
    """What the verbs of one noun share with all others: the desk, and nothing else."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
