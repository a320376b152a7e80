"""Grades: how a candidate's gates stand under the policy in force."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, cast

from updp_core.atomic import canonical, sha256, write_file
from updp_core.domain import Actor
from updp_core.evidence.gates import RULES, gates, hard, risk, worst
from updp_core.methods import METHODS
from updp_core.store import Transaction
from updp_core.workbench.desk import Desk, Noun
from updp_core.workbench.roles import EVERYBODY, verb
from updp_core.workbench.shapes import GateRow, GateRule, Policy


@dataclass(frozen=True)
class Measured:
    """A candidate, its evidence, and what it was made by."""

    id: int
    evidence_json: str
    method: str
    settings_json: str


class Grades(Noun):
    """Say how the gates are set."""

    @verb(EVERYBODY)
    def gate_rules(self, *, actor: Actor) -> list[GateRule]:
        """Every gate: its title, limit and action under the policy in force, and its defaults."""
        policy = self.desk.policy()
        return [
            {
                "name": name,
                "title": rule.title,
                "worse": rule.worse,
                "hard": rule.hard,
                "limit": policy["gates"].get(name, {}).get("limit", rule.limit),
                "action": policy["gates"].get(name, {}).get("action", rule.action),
                "default_limit": rule.limit,
                "default_action": rule.action,
            }
            for name, rule in RULES.items()
        ]


def gate_rows(gates_json: str | None) -> list[GateRow]:
    """Gates as stored in `grade`, each marked hard or not, with what a reader can do where it fails."""
    rows = []
    for gate in json.loads(gates_json or "[]"):
        rule = RULES.get(gate["name"])
        advice = rule.advice if rule and gate["state"] in ("warn", "block") else ""
        rows.append(cast(GateRow, {"cause": "", **gate, "hard": hard(gate["name"]), "advice": advice}))
    return rows


def evidence_of(evidence: Mapping[str, Any], method: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Measured evidence with what is known without measuring: whether the image was made from the source's pixels."""
    if method not in METHODS:
        return {**evidence}
    return {**evidence, "derivation": {"source_pixels": int(keeps_source(method, settings))}}


def keeps_source(method: str, settings: Mapping[str, Any]) -> bool:
    """Whether pixels of the original reach the images of a method; of one that is not known here, they may."""
    return method not in METHODS or METHODS[method].derivation(settings).source_pixels


def grade(tx: Transaction, candidate: int, evidence: Mapping[str, Any], policy: Policy) -> float:
    """Compute and keep the gates of a candidate by its `evidence_of`; its risk."""
    row = graded(evidence, policy)
    tx.put("grade", candidate=candidate, **row)
    for gate in gates(evidence, policy["gates"]):
        tx.put("gate_value", candidate=candidate, name=gate.name, state=gate.state, value=gate.value)
    return float(row["risk"])


def graded(evidence: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """The row of `grade` that this evidence gives under a policy, without its candidate."""
    found = gates(evidence, policy["gates"])
    return {
        "gates_json": canonical([asdict(gate) for gate in found]),
        "worst": worst({gate.name: gate.state for gate in found}),
        "risk": risk(found),
        "alignment": (evidence.get("alignment") or {}).get("after"),
    }


def regrade(tx: Transaction, policy: Policy) -> None:
    """Compute every candidate's gates anew, after the policy has changed."""
    last = 0
    while rows := tx.rows(
        Measured,
        "SELECT id, evidence_json, method, settings_json FROM candidate WHERE id > :last AND error = '' "
        "ORDER BY id LIMIT 500",
        last=last,
    ):
        for row in rows:
            evidence = evidence_of(json.loads(row.evidence_json), row.method, json.loads(row.settings_json))
            grade(tx, row.id, evidence, policy)
        last = rows[-1].id


def follow_rules(desk: Desk) -> None:
    """Compute all gates anew where the workspace was graded under other rules: limits change with UPDP's version.

    Grades are derived, so nothing that people decided is touched. The mark beside the database says whose rules they
    follow; who removes it has them computed once more.
    """
    mark, due = desk.store.home / "gates.rules", sha256(repr(sorted(RULES.items()))).encode()
    if mark.exists() and mark.read_bytes() == due:
        return
    with desk.store.write() as tx:
        regrade(tx, desk.policy(tx))
        tx.refresh()
    write_file(mark, due)
