"""The Workbench: every verb of the product, for the page and for the command line alike.

`ui/` and `updp_core/cli/` call this class and nothing below it. A file of this folder is a noun, and a verb is a
method of its noun's class: there stand its role, what it does and its transaction, once. A verb takes an `Actor`,
refuses whoever lacks the role, and is one transaction with its audit event; a refusal is audited too. What it takes and
gives back is plain (`shapes`).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from updp_core.config import DATABASE, Settings
from updp_core.domain import SYSTEM, Actor
from updp_core.findings.levels import PURPOSES
from updp_core.findings.terms import FINDINGS
from updp_core.store import moving, secret
from updp_core.workbench.accounts import Accounts
from updp_core.workbench.answers import Answers
from updp_core.workbench.audit import Audit
from updp_core.workbench.desk import Desk
from updp_core.workbench.drafts import Drafts
from updp_core.workbench.flags import Flags
from updp_core.workbench.grades import Grades, follow_rules
from updp_core.workbench.holds import Holds
from updp_core.workbench.impact import Impacts
from updp_core.workbench.imports import Imports
from updp_core.workbench.insight import Insight
from updp_core.workbench.keys import Keys
from updp_core.workbench.levels import Levels
from updp_core.workbench.lexicons import Lexicons, carry_out
from updp_core.workbench.models import Models
from updp_core.workbench.pacs import Pacs
from updp_core.workbench.pairs import Pairs
from updp_core.workbench.policy import Policies
from updp_core.workbench.queue import Queue
from updp_core.workbench.ready import Ready
from updp_core.workbench.releases import Releases
from updp_core.workbench.roles import ROLE_VERBS, may, sees_phi
from updp_core.workbench.runs import Runs
from updp_core.workbench.shapes import Counts, Filters, GateRule, Progress
from updp_core.workbench.signing import Signing
from updp_core.workbench.studies import Studies
from updp_core.workbench.trail import KINDS as EVENT_KINDS
from updp_core.workbench.upkeep import Upkeep
from updp_core.workbench.verdicts import Verdicts
from updp_core.workbench.views import Views
from updp_core.workbench.wording import APPROVE_REASONS, REASONS, place_of

__all__ = [
    "APPROVE_REASONS",
    "EVENT_KINDS",
    "FINDINGS",
    "PURPOSES",
    "REASONS",
    "ROLE_VERBS",
    "Actor",
    "Counts",
    "Filters",
    "GateRule",
    "Models",
    "Progress",
    "Workbench",
    "may",
    "place_of",
    "sees_phi",
]


class Workbench(
    Imports,  # in the order in which a pair goes through the house
    Studies,
    Runs,
    Ready,
    Queue,
    Pairs,
    Verdicts,
    Flags,
    Holds,
    Drafts,
    Views,
    Lexicons,
    Impacts,
    Grades,
    Policies,
    Levels,
    Releases,
    Signing,
    Keys,
    Pacs,
    Audit,
    Insight,
    Answers,
    Accounts,
    Upkeep,
):
    """One workspace, open. Safe to share between threads; several processes may open the same workspace.

    Errors that any verb may raise: NotAllowed (role), UsageError (unknown record, impossible value),
    Conflict (the state changed or does not permit the verb). Verbs that return an iterator check the role
    at once, work as it is consumed, and give the outcome in the last Progress's `result`.
    """

    @classmethod
    def open(cls, settings: Settings, models: Models | None = None) -> Workbench:
        """Open the workspace in `settings.home`; create it (mode 0700, lexicon version 1) where there is none.

        `models` stands in for the models that the settings name.
        """
        desk = Desk.open(settings, models)
        follow_rules(desk)
        carry_out(desk)
        return cls(desk)

    def twin(self, home: Path) -> Workbench:
        """A copy of this workspace at `home`, open: for a visitor of a demonstration. Images are shared on the disk,
        models and the turn to use them in memory; nothing else."""
        store = self.desk.store
        home.mkdir(mode=0o700)
        moving.snapshot(store, home / DATABASE)
        for path in [*(store.home / "images").rglob("*.png"), store.home / secret.NAME, store.home / "gates.rules"]:
            if path.is_file():
                place = home / path.relative_to(store.home)
                place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                os.link(path, place)
        settings = replace(self.desk.settings, home=home, database_url="")
        twin = Workbench.open(settings, self.desk.models)
        twin.desk.model_lock = self.desk.model_lock
        with twin.desk.store.write() as tx:
            tx.audit(SYSTEM, "open", "a visitor's copy")
        return twin

    def close(self) -> None:
        """Close the database; open iterators become invalid."""
        self.desk.close()
