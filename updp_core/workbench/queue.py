"""The queue: filters, order, counts. Everything here reads the table `standing` by its indexes."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, get_args

from updp_core.domain import Actor, GateState, Sort, State
from updp_core.errors import UsageError
from updp_core.store import Transaction
from updp_core.store.schema import Standing
from updp_core.store.standing import VERDICTS, WAITING
from updp_core.workbench import second_reading
from updp_core.workbench.desk import Noun
from updp_core.workbench.roles import EVERYBODY, sees_phi, verb
from updp_core.workbench.shapes import Card, Counts, Filters, Page

MAX_PAGE = 500
ORDERS: dict[str, tuple[str, bool]] = {
    "imported": ("seq", False),
    "-imported": ("seq", True),
    "risk": ("risk", True),
    "-risk": ("risk", False),
    "alignment": ("alignment", False),
    "-alignment": ("alignment", True),
    "decided": ("decided_at", True),
    "-decided": ("decided_at", False),
    "flagged": ("flagged_at", True),
}
"""Sort name -> (column, descending). "risk" puts the riskiest first, "decided" the latest, "alignment" the worst fit,
"flagged" what somebody asks to be looked at.

Records without a value stand at the end of a descending order and at the start of an ascending one; equal values are in
the order of import.
"""

_SIMPLE = {
    "state": "s.state = :state",
    "method": "s.method = :method",
    "lexicon_version": "s.lexicon_version = :lexicon_version",
    "patient": "s.patient = :patient",
    "released": "s.released = :released",
    "remarked": "s.remarked = :remarked",
    "reviewer": "s.reviewer = :reviewer",
}
MANY = 2000
"""From here on, a page in order meets enough matches that each record is asked; below, the matches are listed first."""
LISTED = 100_000
"""The same where all matches are counted, so that none is met early."""
GATES = (
    "SELECT name, value AS state, sum(n) AS n FROM facet_count WHERE kind = 'gate' "
    "GROUP BY name, value HAVING sum(n) > 0 ORDER BY name, value"
)
"""How many records have each gate in each state."""
_WITH_FACET = "SELECT coalesce(sum(n), 0) FROM facet_count WHERE kind = :kind AND name = :name AND value = :value"


_ALIKE = ("lexicon_version", "reviewer", "released", "remarked")
"""Filters that `standing_count` answers by a column of the same name, and `facet_count` does not."""
_LINE = (
    "s.record, s.state, s.patient, s.candidate, s.revision, s.method, s.lexicon_version, s.risk, s.worst, s.alignment, "
    "s.approvals, s.reviewer, s.decided_at, s.flagged_for, s.error"
)


@dataclass(frozen=True)
class _Line:
    """A record of the queue as it stands, with what its card tells besides."""

    record: str
    state: State
    patient: str
    candidate: int | None
    revision: int
    method: str | None
    lexicon_version: int | None
    risk: float | None
    worst: GateState | None
    alignment: float | None
    approvals: int
    reviewer: str | None
    decided_at: str | None
    flagged_for: str | None
    error: str
    study: str
    view: str
    has_report: bool
    flags_json: str
    holder: str | None


@dataclass(frozen=True)
class _Group:
    """How many records have this much in common. What a record has not is "" or 0."""

    state: State
    method: str
    lexicon_version: int
    reviewer: str
    flagged_for: str
    released: bool
    waiting: bool
    n: int


@dataclass(frozen=True)
class _Day:
    reviewer: str
    verdict: str
    n: int


@dataclass(frozen=True)
class _Gate:
    name: str
    state: str
    n: int


@dataclass(frozen=True)
class _Number:
    name: str
    n: int


class Queue(Noun):
    """Look at the queue as a whole: a page of it, how far the work is, the spread of one gate."""

    @verb(EVERYBODY)
    def page(
        self, *, actor: Actor, filters: Filters = Filters(), sort: Sort = "imported", offset: int = 0, limit: int = 50
    ) -> Page:
        """A slice of the queue. `limit` is at most 500."""
        if offset < 0 or not 1 <= limit <= MAX_PAGE:
            raise UsageError(f"A page begins at 0 or later and has 1 to {MAX_PAGE} records.")
        with self.desk.store.read() as tx:
            clause, values = where(tx, filters, actor)
            total = _total(tx, filters, actor)
            asked = f"""SELECT {_LINE}, r.study, r.view, r.report <> '' AS has_report, r.flags_json, h.holder
                FROM (SELECT s.seq FROM standing s {clause} ORDER BY {order(sort)} LIMIT :limit OFFSET :offset) p
                JOIN standing s ON s.seq = p.seq JOIN record r ON r.seq = s.seq
                LEFT JOIN hold h ON h.record = s.record AND h.expires > :clock
                ORDER BY {order(sort)}"""
            values |= {"limit": limit, "offset": offset, "clock": time.time()}
            rows = tx.rows(_Line, asked, **values) if total > offset else []  # to find nothing takes longest
            blind = second_reading.among(tx, [row.record for row in rows], actor)
        cards = [_card(row, actor) for row in rows]
        for card in cards:
            if card["record"] in blind:
                card |= {"state": "pending", "approvals": 0, "reviewer": None, "decided_at": None, "flagged_for": None}
        return {"records": cards, "total": total, "offset": offset, "limit": limit}

    @verb(EVERYBODY)
    def counts(self, *, actor: Actor) -> Counts:
        """How many records stand where, and who has done what."""
        states: Counter[str] = Counter(dict.fromkeys(get_args(State), 0))
        methods: Counter[str] = Counter()
        versions: Counter[str] = Counter()
        reviewers: Counter[str] = Counter()
        flags: Counter[str] = Counter()
        gates: dict[str, dict[str, int]] = {}
        released = waiting = 0
        today = datetime.now(UTC).date().isoformat()
        with self.desk.store.read() as tx:
            for row in tx.rows(
                _Group,
                "SELECT state, method, lexicon_version, reviewer, flagged_for, released, waiting, sum(n) AS n "
                "FROM standing_count GROUP BY 1, 2, 3, 4, 5, 6, 7 HAVING sum(n) > 0",
            ):
                states[row.state] += row.n
                released += row.n if row.released else 0
                waiting += row.n if row.waiting else 0
                for counted, value in ((methods, row.method), (reviewers, row.reviewer), (flags, row.flagged_for)):
                    if value:
                        counted[value] += row.n
                if row.lexicon_version:
                    versions[str(row.lexicon_version)] += row.n
            for gate in tx.rows(_Gate, GATES):
                gates.setdefault(gate.name, {})[gate.state] = gate.n
            findings = _pairs(
                tx,
                "SELECT name, sum(n) AS n FROM facet_count WHERE kind = 'finding' GROUP BY name HAVING sum(n) > 0",
            )
            stands = (
                f"decided_at >= :today AND verdict IN {VERDICTS} "
                "AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id)"
            )
            day, day_mine = Counter[str](), Counter[str]()
            for entry in tx.rows(  # by time: the index of reviewers, which the bare column would have, holds years
                _Day,
                f"SELECT reviewer || '' AS reviewer, verdict, count(*) AS n FROM decision d WHERE {stands} "
                "GROUP BY 1, 2",
                today=today,
            ):
                day[entry.reviewer] += entry.n
                if entry.reviewer == actor.name:
                    day_mine[entry.verdict] += entry.n
            mine = tx.value(
                "SELECT count(*) FROM hold WHERE holder = :me AND expires > :t", me=actor.name, t=time.time()
            )
            blind = second_reading.number(tx, actor) if sees_phi(actor) else 0
            latest = tx.column(f"SELECT decided_at FROM decision WHERE verdict IN {VERDICTS} ORDER BY id DESC LIMIT 50")
            needed = self.desk.policy(tx)["verdicts"]
            waiting = waiting if needed > 1 else 0
        left = states["new"] + states["pending"] + states["void"]
        verdicts_left = needed * left - waiting
        return {
            "total": sum(states.values()),
            "states": dict(states),
            "gates": gates,
            "methods": dict(methods),
            "lexicon_versions": dict(versions),
            "reviewers": dict(reviewers),
            "findings": findings,
            "today": dict(day),
            "today_mine": dict(day_mine),
            "released": released,
            "waiting": waiting,
            "mine": mine,
            "flagged": sum(flags.values()),
            "flagged_for_me": flags.get(actor.role, 0) + flags.get("anybody", 0),
            "second_readings": blind,
            "left": left,
            "minutes_left": _minutes_left(latest, verdicts_left),
        }

    @verb(EVERYBODY)
    def gate_values(self, name: str, *, actor: Actor, method: str | None = None, limit: int = 5000) -> list[float]:
        """Values of one gate over the current candidates (a random part of them beyond `limit`), for a small plot."""
        clause = "AND s.method = :method" if method else ""
        with self.desk.store.read() as tx:
            values: list[float] = tx.column(
                f"""SELECT g.value FROM gate_value g JOIN standing s ON s.candidate = g.candidate
                WHERE g.name = :name AND g.value IS NOT NULL {clause} ORDER BY random() LIMIT :limit""",
                name=name,
                limit=limit,
                **({"method": method} if method else {}),
            )
        return values


def where(tx: Transaction, filters: Filters, actor: Actor, many: int = MANY) -> tuple[str, dict[str, Any]]:
    """The WHERE clause (with "WHERE", or empty) over `standing s` and its values. See `MANY` for `many`."""
    parts: list[str] = []
    values: dict[str, Any] = {}
    for name, clause in _SIMPLE.items():
        value = getattr(filters, name)
        if value not in (None, ""):
            parts.append(clause)
            values[name] = value
    if filters.gate and filters.gate_state:
        values |= {"gate": filters.gate, "gate_state": filters.gate_state}
        known = tx.value(_WITH_FACET, kind="gate", name=filters.gate, value=filters.gate_state)
        parts.append(
            "EXISTS (SELECT 1 FROM gate_value g WHERE g.candidate = s.candidate AND g.name = :gate "
            "AND g.state = :gate_state)"
            if known > many
            else "s.candidate IN (SELECT candidate FROM gate_value WHERE name = :gate AND state = :gate_state)"
        )
    elif filters.gate_state:
        parts.append("s.worst = :gate_state")
        values["gate_state"] = filters.gate_state
    elif filters.gate:
        raise UsageError("A gate filter needs a gate_state: clear, warn, block or unknown.")
    if filters.finding:
        values["finding"] = filters.finding
        known = tx.value(_WITH_FACET, kind="finding", name=filters.finding, value="")
        parts.append(
            "EXISTS (SELECT 1 FROM record_finding f WHERE f.finding = :finding AND f.seq = s.seq)"
            if known > many
            else "s.seq IN (SELECT seq FROM record_finding WHERE finding = :finding)"
        )
    if filters.text and (words := re.findall(r"[^\W_]+\*?", filters.text)):
        found, values["text"] = tx.dialect.texts_with(words, "text")
        parts.append(f"s.seq IN {found}")
    if filters.flagged == "any":
        parts.append("s.flagged_at IS NOT NULL")
    elif filters.flagged:
        parts.append("s.flagged_at IS NOT NULL AND s.flagged_for IN (:flagged, 'anybody')")
        values["flagged"] = filters.flagged
    held = "SELECT record FROM hold WHERE expires > :now AND holder"
    if filters.mine:
        parts.append(f"s.record IN ({held} = :me)")
    if filters.free:
        parts.append(f"s.record NOT IN ({held} <> :me)")
    if filters.mine or filters.free:
        values |= {"now": time.time(), "me": actor.name}
    if filters.waiting:
        parts.append(WAITING)
    clause, more = second_reading.waiting(tx, actor)
    if filters.second_reading:
        parts.append(clause)
        values |= more
    telling = filters.state in ("approved", "rejected") or filters.reviewer or filters.released is not None
    if telling and more["second_share"]:  # to be among these would tell a blind reader the first verdict
        parts.append(f"NOT ({clause})")
        values |= more
    return ("WHERE " + " AND ".join(parts) if parts else ""), values


def keys(sort: Sort | str, back: bool = False) -> list[tuple[str, bool]]:
    """The order of a sort name as (column, descending), `back` to front where asked."""
    if sort not in ORDERS:
        raise UsageError(f"There is no order {sort!r}. Choose one of: {', '.join(ORDERS)}.")
    column, down = ORDERS[sort]
    columns = [(column, down)] + ([("seq", False)] if column != "seq" else [])
    return [(name, direction != back) for name, direction in columns]


def order_by(columns: list[tuple[str, bool]]) -> str:
    """The ORDER BY terms."""
    nothing = {name: "" if name == "seq" else " NULLS LAST" if down else " NULLS FIRST" for name, down in columns}
    return ", ".join(f"s.{name}{' DESC' if down else ''}{nothing[name]}" for name, down in columns)


def order(sort: Sort | str) -> str:
    """The ORDER BY terms of a sort name."""
    return order_by(keys(sort))


def beyond(columns: list[tuple[str, bool]], place: Standing) -> tuple[str, dict[str, Any]]:
    """The clause for records that come after the row `place` in this order (NULL is smaller than every value)."""
    (name, down), seq = columns[0], place.seq
    values: dict[str, Any] = {"place_seq": seq}
    later_seq = f"s.seq {'<' if columns[-1][1] else '>'} :place_seq"
    if name == "seq":
        return later_seq, values
    if getattr(place, name) is None:
        further = "false" if down else f"s.{name} IS NOT NULL"
        return f"({further} OR (s.{name} IS NULL AND {later_seq}))", values
    values["place_value"] = getattr(place, name)
    further = f"(s.{name} < :place_value OR s.{name} IS NULL)" if down else f"s.{name} > :place_value"
    return f"({further} OR (s.{name} = :place_value AND {later_seq}))", values


def _total(tx: Transaction, filters: Filters, actor: Actor) -> int:
    """How many records the filters leave. Kept counts answer what no single patient, text or reader narrows."""
    if filters.free:  # few records are in somebody's hands
        freely = replace(filters, free=False)
        clause, values = where(tx, freely, actor)
        held = "s.record IN (SELECT record FROM hold WHERE expires > :clock AND holder <> :holder)"
        clause = f"{clause} AND {held}" if clause else f"WHERE {held}"
        others = tx.value(f"SELECT count(*) FROM standing s {clause}", **values, clock=time.time(), holder=actor.name)
        return _total(tx, freely, actor) - int(others)
    clause, values = where(tx, filters, actor, LISTED)
    kept = None if "second_share" in values else _kept(filters)
    if kept:
        return int(tx.value(f"SELECT coalesce(sum(n), 0) FROM {kept}", **asdict(filters)))
    return int(tx.value(f"SELECT count(*) FROM standing s {clause}", **values))


def _kept(filters: Filters) -> str | None:
    """The rows of a table of counts that these filters ask for, as a FROM clause over their values; None where they
    ask for more than is kept."""
    asked = {name for name, value in asdict(filters).items() if value not in (None, "") and value is not False}
    asked |= {name for name in ("released", "remarked") if getattr(filters, name) is not None}
    by_gate = "gate" in asked
    parts = [f"{name} = :{name}" for name in ("state", "method") if name in asked]
    if "gate_state" in asked and not by_gate:
        parts.append("worst = :gate_state")
    if by_gate or "finding" in asked:
        if not asked <= {"state", "method", "gate_state", "gate" if by_gate else "finding"}:
            return None
        facet = "'gate' AND name = :gate AND value = :gate_state" if by_gate else "'finding' AND name = :finding"
        return f"facet_count WHERE {' AND '.join([f'kind = {facet}', *parts])}"
    if not asked <= {*_ALIKE, "state", "method", "gate_state", "flagged", "waiting"}:
        return None
    parts += [f"{name} = :{name}" for name in _ALIKE if name in asked]
    if filters.flagged:
        parts.append("flagged_for <> ''" if filters.flagged == "any" else "flagged_for IN (:flagged, 'anybody')")
    if filters.waiting:
        parts.append("waiting")
    return f"standing_count WHERE {' AND '.join(parts) or 'true'}"


def _card(row: _Line, actor: Actor) -> Card:
    phi = sees_phi(actor)
    return {
        "record": row.record,
        "state": row.state,
        "patient": row.patient,
        "study": row.study,
        "view": row.view,
        "candidate": row.candidate,
        "revision": row.revision,
        "method": row.method,
        "lexicon_version": row.lexicon_version,
        "risk": row.risk,
        "worst_gate": row.worst,
        "alignment": row.alignment,
        "approvals": row.approvals,
        "reviewer": row.reviewer,
        "decided_at": row.decided_at,
        "held_by": row.holder,
        "has_report": row.has_report,
        "remarks": json.loads(row.flags_json) if phi else [],
        "flagged_for": row.flagged_for,
        "error": row.error,
    }


def _pairs(tx: Transaction, sql: str, **values: Any) -> dict[str, int]:
    """Name -> number, of a query of `name` and `n`."""
    return {row.name: row.n for row in tx.rows(_Number, sql, **values)}


def _minutes_left(latest: list[str], left: int) -> float | None:
    """From the median pause between recent verdicts (pauses over ten minutes are not work)."""
    times = [datetime.fromisoformat(at).timestamp() for at in latest]
    pauses = sorted(a - b for a, b in pairwise(times) if 0 < a - b < 600)
    return round(pauses[len(pauses) // 2] * left / 60, 1) if len(pauses) >= 5 else None
