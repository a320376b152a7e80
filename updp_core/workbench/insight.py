"""Numbers without PHI: behind the plots, and what was measured of the starter models."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from updp_core.backends import files, presets
from updp_core.config import STARTER
from updp_core.domain import Actor
from updp_core.evaluation import arena_report, cards
from updp_core.workbench import second_reading
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import EVERYBODY, verb

MOST = 5000


@dataclass(frozen=True)
class _Current:
    """A current candidate."""

    record: str
    candidate: int
    method: str
    lexicon_version: int
    state: str


@dataclass(frozen=True)
class _Gate:
    candidate: int
    name: str
    value: float | None


@dataclass(frozen=True)
class _Decided:
    day: str
    reviewer: str
    verdict: str
    count: int


@dataclass(frozen=True)
class _Made:
    hour: str
    generated: int


@dataclass(frozen=True)
class _Voided:
    version: int
    created_at: str
    voided: int


class Insight(Noun):
    """Numbers for the plots, and the measured figures of the models."""

    @verb(EVERYBODY)
    def insight(self, *, actor: Actor) -> dict[str, Any]:
        """Numbers behind the page of plots, without PHI.

        {"candidates": [{"record", "method", "lexicon_version", "state", gate name: value, ...}] (at most 5,000),
        "decisions": [{"day", "reviewer", "verdict", "count"}], "throughput": [{"hour", "generated"}],
        "lexicon": [{"version", "created_at", "voided"}], "agreement": {"pairs", "kappa", "agree"}}.
        """
        with self.desk.store.read() as tx:
            rows = tx.rows(
                _Current,
                "SELECT s.record, s.candidate, s.method, s.lexicon_version, s.state FROM standing s "
                "WHERE s.candidate IS NOT NULL AND s.state <> 'failed' ORDER BY s.seq LIMIT :n",
                n=MOST,
            )
            blind = second_reading.among(tx, [row.record for row in rows], actor)
            by_candidate = {
                row.candidate: asdict(row) | ({"state": "pending"} if row.record in blind else {}) for row in rows
            }
            for value in tx.rows(
                _Gate,
                "SELECT g.candidate, g.name, g.value FROM gate_value g JOIN (SELECT candidate FROM standing WHERE "
                "candidate IS NOT NULL AND state <> 'failed' ORDER BY seq LIMIT :n) s ON s.candidate = g.candidate",
                n=MOST,
            ):
                by_candidate[value.candidate][value.name] = value.value
            decisions = tx.rows(
                _Decided,
                "SELECT substr(decided_at, 1, 10) AS day, reviewer, verdict, count(*) AS count FROM decision d "
                "WHERE verdict NOT IN ('flag', 'clear', 'undo') "
                "AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id) "
                "GROUP BY day, reviewer, verdict ORDER BY day",
            )
            throughput = tx.rows(
                _Made,
                "SELECT substr(created_at, 1, 13) AS hour, count(*) AS generated FROM candidate WHERE error = '' "
                "GROUP BY hour ORDER BY hour",
            )
            lexicon = tx.rows(
                _Voided,
                "SELECT l.version, l.created_at, (SELECT count(*) FROM violation v "
                "WHERE v.lexicon_version = l.version) AS voided FROM lexicon_version l ORDER BY l.version",
            )
            agreement = second_reading.agreement(tx)
        return {
            "candidates": list(by_candidate.values()),
            "decisions": [asdict(row) for row in decisions],
            "throughput": [asdict(row) for row in throughput],
            "lexicon": [asdict(row) for row in lexicon],
            "agreement": agreement,
        }

    @verb(EVERYBODY)
    def arena(self, *, actor: Actor) -> dict[str, Any]:
        """Every method at several points of its slider, under the same attackers: the result that is shown here.

        {"svg", "head", "rows" (words, the originals first), "reading" (sentences), "how", "beside"}: of this workspace
        where `evaluate arena --insight` kept one, else of the starter models; "rows" is empty where there is none.
        """
        found = arena_report.read(self.desk.settings.home)
        if found is None:
            return {"svg": "", "head": [], "rows": [], "reading": [], "how": "", "beside": ""}
        return {
            "svg": arena_report.svg(found),
            "head": list(arena_report.HEAD),
            "rows": arena_report.rows(found),
            "reading": found["reading"],
            "how": arena_report.how(found),
            "beside": arena_report.BESIDE,
        }

    @verb(EVERYBODY)
    def evaluation(self, *, actor: Actor) -> dict[str, Any]:
        """The measured figures of the starter models.

        {"rows": [{"name", "part", "measure", "value", "interval", "bar", "n", "missed"}], "how", "date", "seed",
        "missed": [name], "models": [{"part", "measured", "used", "same"}]}: digests of the models measured and of those
        in use here ("" where another model is used).
        """
        result = cards.read()
        if result is None:
            return {"rows": [], "how": "", "date": "", "seed": None, "missed": [], "models": []}
        preset = presets.resolve(self.desk.settings)
        # The judges are the starter models' own whatever the preset.
        used = {"encoder": preset.encoder, "generator": preset.generator, "judges": str(STARTER / "judges")}
        models = []
        for part, source in used.items():
            folder = files.local_folder(source)
            ours = folder is not None and Path(folder).resolve() == (STARTER / part).resolve()
            digest = files.digest(STARTER / part) if ours else ""
            known = str(result.get("models", {}).get(part, ""))
            models.append({"part": part, "measured": known, "used": digest, "same": bool(known) and digest == known})
        return {
            "rows": cards.rows(result),
            "how": cards.how(result),
            "date": result["date"],
            "seed": result["seed"],
            "missed": result["missed"],
            "models": models,
        }
