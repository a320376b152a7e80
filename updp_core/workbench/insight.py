"""Numbers behind the plots, without PHI."""

from __future__ import annotations

from typing import Any

from updp_core.workbench import second_reading
from updp_core.workbench.desk import Desk

MOST = 5000


def insight(desk: Desk) -> dict[str, Any]:
    """See Workbench.insight."""
    with desk.store.read() as tx:
        rows = tx.all(
            "SELECT s.record, s.candidate, s.method, s.lexicon_version, s.state FROM standing s "
            "WHERE s.candidate IS NOT NULL AND s.state <> 'failed' ORDER BY s.seq LIMIT :n",
            n=MOST,
        )
        by_candidate = {row["candidate"]: row for row in rows}
        for value in tx.stream(
            "SELECT g.candidate, g.name, g.value FROM gate_value g JOIN (SELECT candidate FROM standing "
            "WHERE candidate IS NOT NULL AND state <> 'failed' ORDER BY seq LIMIT :n) s ON s.candidate = g.candidate",
            n=MOST,
        ):
            by_candidate[value["candidate"]][value["name"]] = value["value"]
        decisions = tx.all(
            "SELECT substr(decided_at, 1, 10) AS day, reviewer, verdict, count(*) AS count FROM decision "
            "WHERE verdict NOT IN ('flag', 'clear') "
            "GROUP BY day, reviewer, verdict ORDER BY day"
        )
        throughput = tx.all(
            "SELECT substr(created_at, 1, 13) AS hour, count(*) AS generated FROM candidate WHERE error = '' "
            "GROUP BY hour ORDER BY hour"
        )
        lexicon = tx.all(
            "SELECT l.version, l.created_at, (SELECT count(*) FROM violation v WHERE v.lexicon_version = l.version) "
            "AS voided FROM lexicon_version l ORDER BY l.version"
        )
        agreement = second_reading.agreement(tx)
    return {
        "candidates": rows,
        "decisions": decisions,
        "throughput": throughput,
        "lexicon": lexicon,
        "agreement": agreement,
    }
