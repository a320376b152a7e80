"""The privacy level: what it leaves out of a record, and what each level would keep and give away here."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from updp_core.domain import Actor
from updp_core.errors import NotAllowed
from updp_core.evaluation.archive import as_told
from updp_core.evaluation.findings_alone import figure, linkage, rare
from updp_core.findings.levels import LEVELS, Privacy, privacy_of, told
from updp_core.findings.terms import FINDINGS
from updp_core.report.left_out import told_of
from updp_core.store import Transaction
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import EVERYBODY, OFFICER, verb
from updp_core.workbench.shapes import LevelPreview

_MOST = 400  # patients asked for linkage, so that it takes seconds
_AT_ONCE = 500


@dataclass(frozen=True)
class _Visit:
    patient: str
    findings_json: str


@dataclass(frozen=True)
class Held:
    """What is held against the levels: a candidate's texts, its record's findings, and the latest settings of that."""

    record: str
    candidate: int
    filtered: str
    prompt_text: str
    findings_json: str
    latest_json: str


class Levels(Noun):
    """Say what privacy levels would do."""

    @verb(EVERYBODY)
    def privacy_preview(self, *, actor: Actor, k: int | None = None) -> LevelPreview:
        """By level, of the workspace's own reports: findings kept, pairs affected, what the findings alone give away.

        `k` is the patients that level 1 asks for, by default the policy's. Level "custom" is the policy's list. No
        image is read.
        """
        policy = privacy_of(self.desk.policy()["privacy"])
        with self.desk.store.read() as tx:
            visits = _visits(tx)
        whose = _whose(visits)
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


def asked(wish: Mapping[str, Any] | None, actor: Actor) -> None:
    """Refuse a level that a run may not ask for. Raises NotAllowed, UsageError."""
    if wish is not None:
        if actor.role not in OFFICER:
            raise NotAllowed("Only a privacy officer sets the level of a run or a pair; the policy's holds for others.")
        privacy_of(wish)


def recorded(policy: Privacy, own: Privacy | None, words: Sequence[str] = ()) -> dict[str, Any]:
    """What a candidate keeps of its levels: the policy's, its record's own, and the `words` that its prompt was denied
    for them."""
    return {**policy.to_dict(), **({"own": own.to_dict()} if own else {}), **({"words": list(words)} if words else {})}


def own_of(tx: Transaction, record: str) -> Privacy | None:
    """The level that an officer asked for this record. It holds besides the policy's until another one is asked for,
    so each candidate hands it on."""
    latest = tx.value("SELECT settings_json FROM candidate WHERE record = :r ORDER BY id DESC LIMIT 1", r=record)
    return _own(latest) if latest else None


def _own(settings_json: str) -> Privacy | None:
    wish = json.loads(settings_json).get("privacy", {}).get("own")
    return privacy_of(wish) if wish else None


def left_out(
    desk: Desk, tx: Transaction, findings: frozenset[str], policy: Privacy, own: Privacy | None
) -> frozenset[str]:
    """What must neither be told nor left open of a record with these findings: all that the policy or its own level
    does not tell of it."""
    kept = frozenset(FINDINGS)
    for level in (policy, own) if own else (policy,):
        kept &= level.listed() if level.level != 1 else levelled(desk, tx, level).get(findings, frozenset())
    return frozenset(FINDINGS) - kept


def levelled(desk: Desk, tx: Transaction, privacy: Privacy) -> dict[frozenset[str], frozenset[str]]:
    """Each combination of findings in the workspace -> what of it this level tells; counted anew after an import."""
    last = tx.value("SELECT coalesce(max(seq), 0) FROM record")
    if desk.levelled.get(privacy, (-1, {}))[0] != last:
        desk.levelled[privacy] = (last, told(privacy, _whose(_visits(tx))))
    return desk.levelled[privacy][1]


def _visits(tx: Transaction) -> list[tuple[str, frozenset[str]]]:
    """Patient and findings of each record."""
    rows = tx.rows(_Visit, "SELECT patient, findings_json FROM record ORDER BY seq")
    return [(row.patient, frozenset(json.loads(row.findings_json))) for row in rows]


def _whose(visits: Iterable[tuple[str, frozenset[str]]]) -> dict[frozenset[str], set[str]]:
    """Each combination of findings -> the patients who have it."""
    whose: dict[frozenset[str], set[str]] = defaultdict(set)
    for patient, combination in visits:
        whose[combination].add(patient)
    return whose


def breaking(desk: Desk, tx: Transaction, candidates: Sequence[int]) -> list[Held]:
    """Those of `candidates` whose report or prompt tells what the levels in force leave out of their record."""
    policy = privacy_of(desk.policy(tx)["privacy"])
    latest = "(SELECT l.settings_json FROM candidate l WHERE l.record = c.record ORDER BY l.id DESC LIMIT 1)"
    some = tx.dialect.each("some", candidate=int)
    narrowed = f" AND {latest} LIKE '%\"own\"%'" if policy.level == 0 else ""
    found: list[Held] = []
    for start in range(0, len(candidates), _AT_ONCE):
        rows = tx.rows(
            Held,
            f"SELECT c.record, c.id AS candidate, c.filtered, c.prompt_text, r.findings_json, {latest} AS latest_json "
            f"FROM candidate c JOIN record r ON r.id = c.record WHERE c.id IN {some}{narrowed}",
            some=json.dumps(list(candidates[start : start + _AT_ONCE])),
        )
        for row in rows:
            findings = frozenset(json.loads(row.findings_json))
            hidden = left_out(desk, tx, findings, policy, _own(row.latest_json))
            if hidden and (told_of(row.filtered, hidden) or told_of(row.prompt_text, hidden)):
                found.append(row)
    return found
