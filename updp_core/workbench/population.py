"""What a pair is compared with: the identities of other patients, and how many share its findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from updp_core.atomic import sha256
from updp_core.domain import SYSTEM
from updp_core.evidence.gates import PEOPLE, RULES
from updp_core.evidence.pair import Company, IdentityBank, for_judges
from updp_core.findings.levels import fewest_out, privacy_of
from updp_core.intake.pixels import decode_png
from updp_core.store import Store
from updp_core.store.schema import Record
from updp_core.workbench.desk import Desk
from updp_core.workbench.levels import left_out, levelled, own_of

MOST = 1000
"""Originals that true patients are ranked among; more cost memory and say no more."""
AT_ONCE = 64
"""Originals embedded before a batch: a small workspace is complete at once, a large one grows batch by batch."""


@dataclass(frozen=True)
class _Shared:
    patient: str
    findings_json: str


@dataclass(frozen=True)
class _Embedded:
    patient: str
    findings_json: str
    vector: bytes


@dataclass(frozen=True)
class _Original:
    id: str
    image: str


def sharing(desk: Desk) -> tuple[dict[frozenset[str], int], int]:
    """Combination of findings -> number of patients of whom the privacy level in force tells it, and how many patients
    there are; counted anew after an import."""
    with desk.store.read() as tx:
        privacy = privacy_of(desk.policy(tx)["privacy"])
        kept = levelled(desk, tx, privacy)
        last = (tx.value("SELECT max(seq) FROM record"), privacy)
        if desk.shared[0] != last:
            rows = tx.rows(_Shared, "SELECT DISTINCT patient, findings_json FROM record")
            seen = ((frozenset(json.loads(row.findings_json)), row.patient) for row in rows)
            pairs = {(kept.get(combination, combination), patient) for combination, patient in seen}
            people = tx.value("SELECT count(DISTINCT patient) FROM record")
            desk.shared = (last, dict(Counter(combination for combination, _ in pairs)), people)
    return desk.shared[1:]


def company(desk: Desk, patient: str) -> Company:
    """Who else is told the same of as this patient, and how many must be for the gate of rare combinations."""
    shared, people = sharing(desk)
    return Company(shared, people, own(desk, {"": patient})[""], least(desk))


def own(desk: Desk, patients: Mapping[str, str]) -> dict[str, frozenset[frozenset[str]]]:
    """Where `sharing` counts each of `patients`, by the same key."""
    with desk.store.read() as tx:
        kept = levelled(desk, tx, privacy_of(desk.policy(tx)["privacy"]))
        told: dict[str, frozenset[frozenset[str]]] = {}
        for patient in set(patients.values()):
            seen = tx.column(
                "SELECT DISTINCT r.findings_json FROM standing s JOIN record r ON r.id = s.record WHERE s.patient = :p",
                p=patient,
            )
            combinations = (frozenset[str](json.loads(row)) for row in seen)
            told[patient] = frozenset(kept.get(c, c) for c in combinations)
    return {key: told[patient] for key, patient in patients.items()}


def to_leave_out(desk: Desk, row: Record) -> tuple[str, ...] | None:
    """What more to leave out of what is told of a record, so that enough other patients share the rest: see
    `fewest_out`. () where they do, or where too few patients are known to tell."""
    with desk.store.read() as tx:
        findings = frozenset[str](json.loads(row.findings_json))
        hidden = left_out(desk, tx, findings, privacy_of(desk.policy(tx)["privacy"]), own_of(tx, row.id))
    beside = company(desk, row.patient)
    if beside.people < PEOPLE or not row.report.strip():
        return ()
    together = findings - hidden
    return fewest_out(together, beside.others(together), beside.least)


def least(desk: Desk) -> float:
    """How many other patients the gate of rare combinations asks for, under the policy in force."""
    return float(desk.policy()["gates"].get("rarity", {}).get("limit", RULES["rarity"].limit))


def bank(desk: Desk, judges: Any) -> Any:
    """The identity bank of at most MOST originals, one a patient first; None without judges."""
    if judges is None:
        return None
    import numpy as np

    judge = str(getattr(judges, "digest", "judges"))
    _embed_more(desk, judges, judge)
    with desk.store.read() as tx:
        rows = tx.rows(
            _Embedded,
            "SELECT r.patient, r.findings_json, e.vector "
            "FROM embedding e JOIN record r ON r.id = e.record WHERE e.judge = :j LIMIT :n",
            j=judge,
            n=MOST,
        )
    vectors = [np.frombuffer(row.vector, dtype=np.float32) for row in rows]
    if not vectors:
        return None
    findings = tuple(frozenset(json.loads(row.findings_json)) for row in rows)
    return IdentityBank(tuple(row.patient for row in rows), np.stack(vectors), findings)


def _embed_more(desk: Desk, judges: Any, judge: str) -> None:
    import numpy as np

    with desk.store.read() as tx:
        known = tx.value("SELECT count(*) FROM embedding WHERE judge = :j", j=judge)
        rows = tx.rows(
            _Original,
            "SELECT id, image FROM record r WHERE NOT EXISTS (SELECT 1 FROM embedding e WHERE e.record = r.id "
            "AND e.judge = :j) ORDER BY seq LIMIT :n",
            j=judge,
            n=max(0, min(AT_ONCE, MOST - known)),
        )
    for start in range(0, len(rows), 16):
        part = rows[start : start + 16]
        images = for_judges([decode_png(desk.store.get_image(row.image)) for row in part])
        vectors = np.asarray(judges.identity(images), dtype=np.float32)
        with desk.store.write() as tx:
            for row, vector in zip(part, vectors, strict=True):
                tx.put("embedding", record=row.id, judge=judge, vector=vector.tobytes())
            known = zip(part, vectors, strict=True)
            marks = {f"{row.id}|{judge}": mark(desk.store, row.id, judge, v.tobytes()) for row, v in known}
            tx.audit(SYSTEM, "embed", f"{len(part)} originals", embeddings=marks)


def mark(store: Store, record: str, judge: str, vector: bytes) -> str:
    """A keyed mark of an embedding: its plain digest could be computed by whoever has the original and the judge."""
    return store.secret.derive("embedding", record, judge, sha256(vector)).hex()


def context(desk: Desk, judges: Any, patients: Mapping[str, str]) -> dict[str, Any]:
    """The keyword arguments of `evidence.pair.measure` that speak of the other records."""
    shared, people = sharing(desk)
    return {
        "patients": patients,
        "bank": bank(desk, judges),
        "sharing": shared,
        "people": people,
        "own": own(desk, patients),
        "company": least(desk),
    }
