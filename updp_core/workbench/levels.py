"""The privacy level: what it leaves out of a record, and what each level would keep and give away here."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from updp_core.domain import Actor
from updp_core.errors import NotAllowed
from updp_core.findings.levels import LEVELS, Privacy, privacy_of, told
from updp_core.findings.terms import FINDINGS
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import EVERYBODY, OFFICER, verb
from updp_core.workbench.shapes import LevelPreview

if TYPE_CHECKING:
    from updp_core.lexicon import Lexicon

_MOST = 400  # patients asked for linkage, so that it takes seconds


@dataclass(frozen=True)
class _Visit:
    patient: str
    findings_json: str


class Levels(Noun):
    """Say what privacy levels would do."""

    @verb(EVERYBODY)
    def privacy_preview(self, *, actor: Actor, k: int | None = None) -> LevelPreview:
        """By level, of the workspace's own reports: findings kept, pairs affected, what the findings alone give away.

        `k` is the patients that level 1 asks for, by default the policy's. Level "custom" is the policy's list. No
        image is read.
        """
        from updp_core.evaluation.archive import as_told
        from updp_core.evaluation.findings_alone import figure, linkage, rare

        policy = privacy_of(self.desk.policy()["privacy"])
        with self.desk.store.read() as tx:
            rows = tx.rows(_Visit, "SELECT patient, findings_json FROM record ORDER BY seq")
        visits = [(row.patient, frozenset(json.loads(row.findings_json))) for row in rows]
        whose: dict[frozenset[str], set[str]] = defaultdict(set)
        for patient, combination in visits:
            whose[combination].add(patient)
        asserted = sum(len(c) for _, c in visits)
        levels = []
        for level in LEVELS if policy.leave_out else LEVELS[:3]:
            at = Privacy(level, k or policy.k, policy.purposes, policy.leave_out)
            kept = told(at, whose)
            now = as_told((patient, kept[c]) for patient, c in visits)
            value, patients = linkage(now, most=_MOST)
            lost = Counter(name for _, c in visits for name in c - kept[c])
            levels.append(
                {
                    "level": level,
                    "kept": sum(len(kept[c]) for _, c in visits),
                    "affected": sum(kept[c] != c for _, c in visits),
                    "left_out": dict(lost.most_common()),
                    "link": figure(value) | {"patients": patients},
                    **{name: n for name, n in rare(now, at.k).items() if name != "k"},
                }
            )
        return {"records": len(visits), "findings": asserted, "k": k or policy.k, "levels": levels}


def asked(desk: Desk, wish: Mapping[str, Any] | None, actor: Actor) -> Privacy:
    """The level of a run: the policy's, or what a privacy officer asks for. Raises NotAllowed, UsageError."""
    if wish is None:
        return privacy_of(desk.policy()["privacy"])
    if actor.role not in OFFICER:
        raise NotAllowed("Only a privacy officer sets the privacy level of a run; the policy's holds for all others.")
    return privacy_of(wish)


def left_out(desk: Desk, privacy: Privacy, findings: frozenset[str]) -> frozenset[str]:
    """What must not be told of a record with these findings: at level 1 some of them, else all that the level does not
    name, so that what a report leaves open goes as well."""
    if privacy.level == 1:
        return findings - levelled(desk, privacy).get(findings, frozenset())
    everything = frozenset(FINDINGS)
    return everything - told(privacy, {everything: ()})[everything]


def levelled(desk: Desk, privacy: Privacy) -> dict[frozenset[str], frozenset[str]]:
    """Each combination of findings in the workspace -> what of it this level tells; counted anew after an import."""
    with desk.store.read() as tx:
        key = (tx.value("SELECT max(seq) FROM record"), privacy)
        if desk.levelled[0] != key:
            whose: dict[frozenset[str], set[str]] = defaultdict(set)
            for row in tx.rows(_Visit, "SELECT DISTINCT patient, findings_json FROM record"):
                whose[frozenset(json.loads(row.findings_json))].add(row.patient)
            desk.levelled = (key, told(privacy, whose))
    return desk.levelled[1]


def words_of(lexicon: Lexicon, names: frozenset[str], prompt: str) -> list[str]:
    """The words that tell of findings `names`: those of the whitelist, and those that `prompt` used."""
    from updp_core.findings.labeler import statuses

    def says(words: str) -> bool:
        return bool(names & statuses(words).keys())

    words = prompt.lower().split()
    used = [" ".join(words[i : i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]
    least = {term for term in used if says(term) and not any(says(part) for part in term.split() if part != term)}
    return sorted({term for term in lexicon.preferred_terms if says(term)} | least)
