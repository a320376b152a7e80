"""Before a release is signed: what would leave, exceptions first, what stays, and the papers as they will be."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from updp_core.domain import Actor
from updp_core.errors import UsageError
from updp_core.release.dossier import dossier
from updp_core.release.tally import Tally, first_ranks, told
from updp_core.release.text import readme
from updp_core.workbench.desk import Noun
from updp_core.workbench.grades import gate_rows
from updp_core.workbench.keys import signing_key
from updp_core.workbench.releases import LEAVES, REASONS, STAYS, approved_in, header_of, pair_of
from updp_core.workbench.roles import OFFICER, verb
from updp_core.workbench.shapes import ReleaseSheet, SheetPair
from updp_core.workbench.verdicts import BATCH

MOST = 100
NAMED = 20
"""Records that stay and are named, a reason."""
_ALONE = (
    "EXISTS (SELECT 1 FROM valid_decision v JOIN decision d ON d.id = v.id WHERE v.candidate = s.candidate "
    "AND v.record = s.record AND v.verdict = 'approve' AND replace(d.reasons_json, :batch, '') = d.reasons_json)"
)
_OVERRIDDEN = (
    "EXISTS (SELECT 1 FROM valid_decision v WHERE v.candidate = s.candidate AND v.record = s.record "
    "AND v.overrides_json <> '[]')"
)
_EXCEPTIONS = (
    f"(CASE WHEN {_ALONE} THEN 0 ELSE 1 END + CASE WHEN {_OVERRIDDEN} THEN 2 ELSE 0 END "
    "+ CASE WHEN s.worst IN ('warn', 'block') THEN 1 ELSE 0 END)"
)


@dataclass(frozen=True)
class _Line:
    record: str
    patient: str
    candidate: int
    gates_json: str | None
    findings_json: str


@dataclass(frozen=True)
class _Approval:
    candidate: int
    reviewer: str
    role: str
    reasons_json: str
    overrides_json: str


@dataclass(frozen=True)
class _Stays:
    record: str
    patient: str


@dataclass(frozen=True)
class _Rank:
    patient: str
    rank: int
    patients: int


class Signing(Noun):
    """Look at what a signature would answer for."""

    @verb(OFFICER)
    def release_sheet(self, *, actor: Actor, offset: int = 0, limit: int = 24) -> ReleaseSheet:
        """The pairs that would leave, exceptions first, who approved them and how; what stays, by reason and record."""
        if offset < 0 or not 1 <= limit <= MOST:
            raise UsageError(f"A page begins at 0 or later and has 1 to {MOST} pairs.")
        with self.desk.store.read() as tx:
            total = tx.value(f"SELECT count(*) FROM standing s WHERE {LEAVES}")
            odd = tx.value(f"SELECT count(*) FROM standing s WHERE {LEAVES} AND {_EXCEPTIONS} > 0", batch=f'"{BATCH}"')
            lines = tx.rows(
                _Line,
                "SELECT s.record, s.patient, s.candidate, g.gates_json, r.findings_json "
                f"FROM (SELECT * FROM standing WHERE {LEAVES}) s "
                "JOIN record r ON r.id = s.record LEFT JOIN grade g ON g.candidate = s.candidate "
                f"ORDER BY {_EXCEPTIONS} DESC, s.risk DESC NULLS LAST, s.seq LIMIT :limit OFFSET :offset",
                batch=f'"{BATCH}"',
                limit=limit,
                offset=offset,
            )
            approvals = tx.rows(
                _Approval,
                "SELECT v.candidate, v.reviewer, v.role, d.reasons_json, d.overrides_json FROM valid_decision v "
                "JOIN decision d ON d.id = v.id WHERE v.verdict = 'approve' "
                f"AND v.candidate IN {tx.dialect.each('some', candidate=int)} ORDER BY v.id",
                some=json.dumps([line.candidate for line in lines]),
            )
            stay = [
                {
                    "reason": reason,
                    "number": tx.value(f"SELECT count(*) FROM standing s WHERE {STAYS[name]}"),
                    "records": [
                        {"record": row.record, "patient": row.patient}
                        for row in tx.rows(
                            _Stays,
                            f"SELECT s.record, s.patient FROM standing s WHERE {STAYS[name]} ORDER BY s.seq LIMIT :n",
                            n=NAMED,
                        )
                    ],
                }
                for name, reason in REASONS.items()
            ]
            found = partial(tx.dialect.number, "c.evidence_json", "identity")
            ranks = tx.rows(
                _Rank,
                f"SELECT patient, rank, patients FROM (SELECT s.patient, {found('rank')} AS rank, "
                f"coalesce({found('equals')}, {found('patients')}) AS patients FROM standing s "
                f"JOIN candidate c ON c.id = s.candidate WHERE {LEAVES}) ranked WHERE rank > 0 AND patients > 1",
            )
            policy = self.desk.policy(tx)
        return {
            "pairs": [_pair(line, [a for a in approvals if a.candidate == line.candidate]) for line in lines],
            "total": total,
            "exceptions": odd,
            "offset": offset,
            "limit": limit,
            "stay": [row for row in stay if row["number"]],
            "true_patient_first": first_ranks([(row.patient, row.rank == 1, 1 / row.patients) for row in ranks]),
            "policy": policy,
        }

    @verb(OFFICER)
    def release_papers(self, *, actor: Actor) -> dict[str, str]:
        """README.txt and dossier.html as a release written now would hold them: {"readme", "dossier"}.

        What only the writing can tell (the manifest's digest, the last searches) is said to be open. Raises UsageError
        where nothing would leave.
        """
        tally, key = Tally(), signing_key(self.desk.settings.home)
        with self.desk.store.read() as tx:
            approved = approved_in(tx)
            if not approved:
                raise UsageError("No pair would leave, so there is nothing to show.")
            prompts = self.desk.policy(tx)["prompts"] == "release"
            header = header_of(self.desk, tx, len(approved))
            for row in approved:
                pair = pair_of(self.desk, tx, row.candidate, pixels=False)
                tally.add(pair, told(pair, prompts))
        description = tally.description(
            header, include_prompts=prompts, signed_by=key.public.fingerprint if key else None
        )
        return {"readme": readme(description, tally.sentences), "dossier": dossier(description, tally.sentences)}


def _pair(line: _Line, approvals: list[_Approval]) -> SheetPair:
    rows = gate_rows(line.gates_json)
    gates = [gate for gate in rows if gate["state"] != "clear"]
    batch = [BATCH in json.loads(row.reasons_json) for row in approvals]
    overridden = sorted({name for row in approvals for name in json.loads(row.overrides_json)})
    titles = {gate["name"]: gate["title"] for gate in rows}
    said = [
        "not looked at one by one" if all(batch) else "",
        f"overridden: {', '.join(titles.get(name, name) for name in overridden)}" if overridden else "",
        "the original is unlike what the models know" if _state(gates, "domain") in ("warn", "block") else "",
        *(f"warns: {gate['title']}" for gate in gates if gate["state"] == "warn" and gate["name"] != "domain"),
    ]
    return {
        "record": line.record,
        "patient": line.patient,
        "candidate": line.candidate,
        "findings": json.loads(line.findings_json),
        "gates": [{"title": gate["title"], "state": gate["state"]} for gate in gates],
        "approvers": [
            {"name": row.reviewer, "role": row.role, "how": "in a batch" if one else "one by one"}
            for row, one in zip(approvals, batch, strict=True)
        ],
        "exceptions": [sentence for sentence in said if sentence],
    }


def _state(gates: list[Any], name: str) -> str:
    return next((str(gate["state"]) for gate in gates if gate["name"] == name), "clear")
