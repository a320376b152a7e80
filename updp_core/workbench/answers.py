"""Answers about the workspace as a whole: is it safe to release, who does how much, where findings are lost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from updp_core.domain import Actor
from updp_core.evidence.gates import beyond_measure
from updp_core.release.tally import first_ranks
from updp_core.store import Transaction
from updp_core.workbench import second_reading
from updp_core.workbench.desk import Noun
from updp_core.workbench.grades import gate_rows
from updp_core.workbench.roles import EVERYBODY, verb

MOST = 5000
"""Pairs that are looked at for findings and outliers: the first of the queue."""
OUTLIERS = 8
_CURRENT = "s.candidate IS NOT NULL AND s.state IN ('pending', 'approved')"
_STANDS = "verdict <> 'undo' AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id)"


@dataclass(frozen=True)
class _Rank:
    patient: str
    rank: int
    patients: int


@dataclass(frozen=True)
class _Person:
    reviewer: str
    approved: int
    rejected: int
    regenerated: int
    last: str


@dataclass(frozen=True)
class _Pair:
    record: str
    state: str
    findings_json: str
    evidence_json: str
    gates_json: str


@dataclass(frozen=True)
class _Version:
    version: int
    created_at: str
    author: str
    added: int
    removed: int
    voided: int
    approvals: int


class Answers(Noun):
    """What the numbers of the workspace say."""

    @verb(EVERYBODY)
    def answers(self, *, actor: Actor) -> dict[str, Any]:
        """What the page Insight says in words, without patient data.

        {"pairs": current pairs looked at, "approved": of them, "first": {"pairs", "first", "share", "low", "high",
        "chance"} or None, "outliers": [{"record", "value", "limit"}] whose likeness to the patient is over the limit,
        worst first, "likeness": {"measured", "over"}, "findings": [{"finding", "stated", "lost", "unseen"}], "people":
        [{"reviewer", "approved", "rejected", "regenerated", "last"}] of verdicts that were not taken back, "lexicons":
        [{"version", "created_at", "author", "added", "removed", "voided", "approvals"}], "beyond": {"approved",
        "domain", "report"}: standing approvals although the evidence had nothing to say, "agreement": see `insight`}.
        """
        with self.desk.store.read() as tx:
            pairs = tx.rows(
                _Pair,
                "SELECT s.record, s.state, r.findings_json, c.evidence_json, "
                "coalesce(g.gates_json, '[]') AS gates_json FROM standing s JOIN record r ON r.id = s.record "
                "JOIN candidate c ON c.id = s.candidate "
                f"LEFT JOIN grade g ON g.candidate = s.candidate WHERE {_CURRENT} ORDER BY s.seq LIMIT :n",
                n=MOST,
            )
            people = tx.rows(
                _Person,
                "SELECT reviewer, count(*) FILTER (WHERE verdict = 'approve') AS approved, "
                "count(*) FILTER (WHERE verdict = 'reject') AS rejected, "
                "count(*) FILTER (WHERE verdict = 'regenerate') AS regenerated, max(decided_at) AS last "
                "FROM decision d "
                f"WHERE verdict NOT IN ('flag', 'clear') AND {_STANDS} GROUP BY reviewer ORDER BY reviewer",
            )
            lexicons = tx.rows(
                _Version,
                "SELECT l.version, l.created_at, l.author, l.added, l.removed, count(v.candidate) AS voided, "
                "count(*) FILTER (WHERE EXISTS (SELECT 1 FROM decision d WHERE d.candidate = v.candidate AND "
                f"d.verdict = 'approve' AND d.id <= v.after_decision AND {_STANDS})) AS approvals "
                "FROM lexicon_version l LEFT JOIN violation v ON v.lexicon_version = l.version "
                "GROUP BY l.version ORDER BY l.version DESC LIMIT 20",
            )
            first = _ranks(tx)
            agreement = second_reading.agreement(tx)
        return {
            "pairs": len(pairs),
            "approved": sum(pair.state == "approved" for pair in pairs),
            "first": first,
            **_likeness(pairs),
            "findings": _findings(pairs),
            "people": [asdict(row) for row in people],
            "lexicons": [asdict(row) for row in lexicons],
            "beyond": _beyond(pairs),
            "agreement": agreement,
        }


def _ranks(tx: Transaction) -> dict[str, Any] | None:
    """How often the true patient ranks first among the current pairs, beside chance; None where it was not measured."""
    found = partial(tx.dialect.number, "c.evidence_json", "identity")
    rows = tx.rows(
        _Rank,
        f"SELECT patient, rank, patients FROM (SELECT s.patient, {found('rank')} AS rank, {found('patients')} AS "
        f"patients FROM standing s JOIN candidate c ON c.id = s.candidate WHERE {_CURRENT}) x "
        "WHERE rank > 0 AND patients > 1",
    )
    return first_ranks([(row.patient, row.rank == 1, 1 / row.patients) for row in rows])


def _likeness(pairs: list[_Pair]) -> dict[str, Any]:
    """Pairs whose likeness to the patient is over the limit of the policy in force."""
    measured, over = 0, list[dict[str, Any]]()
    for pair in pairs:
        gate = next((g for g in gate_rows(pair.gates_json) if g["name"] == "identity_similarity"), None)
        if gate is None or gate["value"] is None:
            continue
        measured += 1
        if gate["state"] in ("warn", "block"):
            over.append({"record": pair.record, "value": float(gate["value"]), "limit": float(gate["threshold"])})
    over.sort(key=lambda row: -row["value"])
    return {"likeness": {"measured": measured, "over": len(over)}, "outliers": over[:OUTLIERS]}


def _findings(pairs: list[_Pair]) -> list[dict[str, Any]]:
    """Per finding: pairs whose report states it, where the judge lost it, and where it sees it in neither image."""
    stated, lost, unseen = Counter[str](), Counter[str](), Counter[str]()
    for pair in pairs:
        found = json.loads(pair.evidence_json).get("findings") or {}
        if "lost" not in found:
            continue  # not measured: no judges, or no report
        stated.update(json.loads(pair.findings_json))
        lost.update(found.get("lost") or [])
        unseen.update(found.get("unjudged") or [])
    rows = [
        {"finding": name, "stated": number, "lost": lost[name], "unseen": unseen[name]}
        for name, number in stated.items()
    ]
    return sorted(rows, key=lambda row: (-row["lost"] / row["stated"], -row["stated"], row["finding"]))


def _beyond(pairs: list[_Pair]) -> dict[str, int]:
    """Standing approvals of pairs of which the evidence cannot tell whether they may leave, and why it cannot."""
    causes = [beyond_measure(gate_rows(pair.gates_json)) for pair in pairs if pair.state == "approved"]
    counted = Counter(cause for each in causes for cause in each)
    return {"approved": sum(bool(each) for each in causes), "domain": counted["domain"], "report": counted["report"]}
