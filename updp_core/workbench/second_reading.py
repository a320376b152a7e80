"""Blind second reading: a sample of decided pairs is read again by somebody who does not see the first verdict."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from updp_core.domain import Actor
from updp_core.store import Transaction
from updp_core.store.standing import VERDICTS

# Knuth's multiplicative hash spreads consecutive ids evenly over 32 bits, so the sample is fixed and fair.
_SAMPLED = "(s.candidate * 2654435761) % 4294967296 < :second_share"
_WAITING = (
    f"s.state IN ('approved', 'rejected') AND {_SAMPLED} AND NOT EXISTS ("
    "SELECT 1 FROM valid_decision v WHERE v.candidate = s.candidate AND (v.reviewer = :second_me OR v.blind))"
)


def waiting(tx: Transaction, actor: Actor) -> tuple[str, dict[str, Any]]:
    """The clause over `standing s` for pairs that wait for the actor's blind second verdict, and its values."""
    policy = json.loads(tx.value("SELECT content_json FROM policy_version ORDER BY id DESC LIMIT 1"))
    share = policy.get("second_reading")
    return _WAITING, {"second_share": int(float(share or 0) * 4294967296), "second_me": actor.name}


def number(tx: Transaction, actor: Actor) -> int:
    """How many pairs wait for the actor's blind second verdict."""
    clause, values = waiting(tx, actor)
    return tx.value(f"SELECT count(*) FROM standing s WHERE {clause}", **values) if values["second_share"] else 0


def among(tx: Transaction, records: Iterable[str], actor: Actor) -> set[str]:
    """Those of `records` that wait for the actor's blind verdict, and of which nothing may tell the first."""
    clause, values = waiting(tx, actor)
    if not values["second_share"]:
        return set()
    asked = f"s.record IN {tx.dialect.each('asked', record=str)}"
    found = tx.column(
        f"SELECT s.record FROM standing s WHERE {asked} AND {clause}", asked=json.dumps(list(records)), **values
    )
    return set(found)


def is_waiting(tx: Transaction, record: str, actor: Actor) -> bool:
    """True where this record waits for the actor's blind verdict."""
    clause, values = waiting(tx, actor)
    return bool(tx.value(f"SELECT 1 FROM standing s WHERE s.record = :record AND {clause}", record=record, **values))


@dataclass(frozen=True)
class _Reading:
    """Whether the blind second reader approved, and whether the first had; None where nobody had read before."""

    second: int
    first: int | None


def agreement(tx: Transaction) -> dict[str, Any]:
    """{"pairs", "agree", "kappa"}: first against blind second verdicts (approve, or not), Cohen's kappa.

    J. Cohen, A coefficient of agreement for nominal scales, 1960. None where fewer than two pairs were read twice
    or every verdict is the same (kappa is not defined then).
    """
    rows = tx.rows(
        _Reading,
        f"""SELECT b.verdict = 'approve' AS second, (
            SELECT a.verdict = 'approve' FROM decision a WHERE a.candidate = b.candidate AND a.id < b.id
              AND a.reviewer <> b.reviewer AND a.verdict IN {VERDICTS}
              AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = a.id AND u.id < b.id)
            ORDER BY a.id DESC LIMIT 1) AS first
        FROM decision b WHERE b.blind AND b.verdict <> 'undo'
          AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = b.id)""",
    )
    firsts = [row.first for row in rows if row.first is not None]
    seconds = [row.second for row in rows if row.first is not None]
    kappa = None
    if len(firsts) >= 2 and len(set(firsts) | set(seconds)) > 1:
        from sklearn.metrics import cohen_kappa_score

        kappa = float(cohen_kappa_score(firsts, seconds))
    agree = sum(a == b for a, b in zip(firsts, seconds, strict=True))
    return {"pairs": len(firsts), "agree": agree, "kappa": kappa}
