"""One pair, with all that is known about it. PHI is kept back from roles that do not need it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from updp_core.domain import Actor, State
from updp_core.errors import ModelUnavailable, NotAllowed, UsageError
from updp_core.evidence.gates import beyond_measure
from updp_core.evidence.pair import for_judges
from updp_core.intake.pixels import decode_png
from updp_core.report import filter_report
from updp_core.report.categories import category_of
from updp_core.store import Transaction
from updp_core.store.schema import OpenFlag, Record, Standing
from updp_core.store.store import known
from updp_core.workbench import population, second_reading
from updp_core.workbench.desk import CURRENT_LEXICON, Desk, Noun
from updp_core.workbench.grades import gate_rows, keeps_source
from updp_core.workbench.holds import holder
from updp_core.workbench.roles import EVERYBODY, sees_phi, verb
from updp_core.workbench.shapes import CandidateRow, DecisionRow, Detail, FlagRow, HeatMap, ImageKind, Voided

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_VIEW_SECONDS = 600
_GRADED = (
    "c.id, c.record, c.method, c.releasable, c.settings_json, c.lexicon_version, c.seed, c.prompt_json, c.prompt_text, "
    "c.filtered, c.spans_json, c.image, c.height, c.width, c.evidence_json, c.error, c.created_at"
)
_ENTRY = (
    "d.id, d.candidate, d.reviewer, d.role, d.verdict, d.reasons_json, d.comment, d.overrides_json, d.decided_at, "
    "d.undoes, d.blind"
)


@dataclass(frozen=True)
class _Graded:
    """A candidate and its grade."""

    id: int
    record: str
    method: str
    releasable: bool
    settings_json: str
    lexicon_version: int
    seed: int
    prompt_json: str | None
    prompt_text: str
    filtered: str
    spans_json: str
    image: str | None
    height: int | None
    width: int | None
    evidence_json: str
    error: str
    created_at: str
    gates_json: str | None
    risk: float | None


@dataclass(frozen=True)
class _Forbidden:
    candidate: int
    terms_json: str


@dataclass(frozen=True)
class _Entry:
    """An entry of the book, and whether a later one took it back."""

    id: int
    candidate: int
    reviewer: str
    role: str
    verdict: str
    reasons_json: str
    comment: str
    overrides_json: str
    decided_at: str
    undoes: int | None
    blind: bool
    undone: bool


class Pairs(Noun):
    """Look at one record, its candidates and its images."""

    @verb(EVERYBODY)
    def show(self, record: str, *, actor: Actor) -> Detail:
        """All about one record. PHI is kept back from roles that do not need it."""
        phi = sees_phi(actor)
        with self.desk.store.read() as tx:
            row = known(tx.get(Record, id=record), f"record {record}")
            stands = known(tx.get(Standing, record=record), f"record {record}")
            blind = second_reading.is_waiting(tx, record, actor)
            rows = tx.rows(
                _Graded,
                f"SELECT {_GRADED}, g.gates_json, g.risk FROM candidate c LEFT JOIN grade g ON g.candidate = c.id "
                "WHERE c.record = :r ORDER BY c.id",
                r=record,
            )
            forbidden = _forbidden(tx, record)
            candidates = [_candidate(c, stands.candidate, forbidden, actor) for c in rows]
            current = next((c for c in rows if c.id == stands.candidate), None)
            draft = tx.value(
                "SELECT content_json FROM draft WHERE record = :r AND owner = :me", r=record, me=actor.name
            )
            rarity = tx.value(
                "SELECT count(*) FROM "
                "(SELECT DISTINCT patient FROM record WHERE finding_key = :k AND patient <> :p LIMIT 100) others",
                k=row.finding_key,
                p=row.patient,
            )
            voided = _voided(tx, record, stands.candidate, phi, phi and not blind)
            decisions = _decisions(tx, record, phi)
            flags = _flags(tx, record, actor, blind)
            held = holder(tx, record)
            needs = self.desk.policy(tx)["verdicts"]
        if phi and held != actor.name:
            _note_view(self.desk, record, actor)
        gates = next((c["gates"] for c in candidates if c["current"]), [])
        rare = phi and any(gate["name"] == "rarity" and gate["state"] in ("warn", "block") for gate in gates)
        return {
            "record": record,
            "state": "pending" if blind else cast(State, stands.state),  # the state would tell the first verdict
            "revision": stands.revision,
            "candidate": stands.candidate,
            "patient": row.patient,
            "study": row.study,
            "view": row.view,
            "source": row.source if phi else None,
            "imported_at": row.imported_at,
            "remarks": json.loads(row.flags_json) if phi else [],
            "flags": flags,
            "error": stands.error,
            "prompt": _prompt(current, phi),
            "report": _report(self.desk, row, current, phi),
            "evidence": _evidence(current, phi) if current else {},
            "gates": gates,
            "images": {
                "original": _described(row.image, row.height, row.width, row.bit_depth, phi),
                "synthetic": _described(current.image, current.height, current.width, 8) if current else None,
            },
            "findings": json.loads(row.findings_json),
            "rarity": rarity if row.report.strip() else None,
            "leave_out": list(population.to_leave_out(self.desk, row) or ()) if rare else [],
            "voided": voided,
            "beyond": list(beyond_measure(gates)),
            "candidates": candidates,
            "decisions": [d for d in decisions if not blind or d["reviewer"] == actor.name],
            "held_by": held,
            "draft": json.loads(draft) if draft else {},
            "blind": blind,
            "void_terms": forbidden.get(stands.candidate or 0, []) if phi else [],
            "needs": needs,
        }

    @verb(EVERYBODY)
    def candidate(self, candidate: int, *, actor: Actor) -> CandidateRow:
        """One candidate in full (for a contact sheet)."""
        with self.desk.store.read() as tx:
            row = known(
                tx.row(
                    _Graded,
                    f"SELECT {_GRADED}, g.gates_json, g.risk FROM candidate c LEFT JOIN grade g ON g.candidate = c.id "
                    "WHERE c.id = :c",
                    c=candidate,
                ),
                f"candidate {candidate}",
            )
            current = tx.value("SELECT candidate FROM standing WHERE record = :r", r=row.record)
            return _candidate(row, current, _forbidden(tx, row.record), actor)

    @verb(EVERYBODY)
    def image(
        self, record: str, kind: ImageKind, *, actor: Actor, candidate: int | None = None
    ) -> NDArray[np.uint16] | NDArray[np.uint8]:
        """The original (uint16) or a candidate's image (uint8), (H, W), at full size and depth."""
        if kind == "original" and not sees_phi(actor):
            raise NotAllowed(f"The role {actor.role} does not see original images.")
        if kind not in ("original", "synthetic"):
            raise UsageError(f"There is no image {kind!r}: choose original or synthetic.")
        with self.desk.store.read() as tx:
            original = known(tx.get(Record, id=record), f"record {record}").image
            if kind == "original":
                digest = original
                noted = holder(tx, record) == actor.name
            else:
                made = tx.row(
                    _Made,
                    "SELECT c.image, c.method, c.settings_json FROM standing s "
                    "JOIN candidate c ON c.id = coalesce(:c, s.candidate) AND c.record = s.record WHERE s.record = :r",
                    r=record,
                    c=candidate,
                )
                digest = (made.image if made else "") or ""
                if made and keeps_source(made.method, json.loads(made.settings_json)) and not sees_phi(actor):
                    raise NotAllowed(
                        f"The role {actor.role} does not see this image: it was made from the original's own pixels."
                    )
                noted = True
        if not noted:
            _note_view(self.desk, record, actor)
        if not digest and not original:
            raise UsageError("This image was destroyed when the record's time of retention was over.")
        if not digest:
            raise UsageError("This record has no synthetic image yet. Generate one first.")
        return decode_png(self.desk.store.get_image(digest))

    @verb(EVERYBODY)
    def heat_map(self, record: str, finding: str, *, actor: Actor, candidate: int | None = None) -> HeatMap:
        """Where the finding classifier looked for one finding, in the images that the actor may see; computed anew.

        It tells of the classifier, not of the patient. ModelUnavailable without judges.
        """
        judges = self.desk.models.judges()
        if judges is None:
            raise ModelUnavailable("The judges are not available, so there is no heat map.", "See `doctor`.")
        if finding not in judges.finding_names:
            raise UsageError(f"The judges do not know the finding {finding!r}.")
        kinds: list[ImageKind] = ["synthetic"] if candidate is not None else []
        if sees_phi(actor):
            kinds.insert(0, "original")
        maps: HeatMap = {"finding": finding, "original": None, "synthetic": None}
        for kind in kinds:
            seen = for_judges([self.image(record, kind, candidate=candidate, actor=actor)])
            probability = float(judges.findings(seen)[0, list(judges.finding_names).index(finding)])
            maps[kind] = {"probability": round(probability, 3), "fields": judges.heat(seen, finding)[0]}
        return maps


_AT_ONCE = 5_000
"""Characters of a report that are filtered while somebody waits: about half a second."""


@dataclass(frozen=True)
class _Made:
    image: str | None
    method: str
    settings_json: str


def _report(desk: Desk, row: Record, current: _Graded | None, phi: bool) -> dict[str, Any]:
    """Original, filtered and spans; filtered now, under the current lexicon, where there is no candidate yet, and not
    filtered (None) where that would take seconds."""
    filtered: str | None
    if current is not None:
        filtered, spans = current.filtered, json.loads(current.spans_json)
    elif len(row.report) > _AT_ONCE:
        filtered, spans = None, []
    else:
        result = filter_record(desk, row)
        filtered, spans = result.text, [vars(span) for span in result.spans]
    text = row.report
    spans = [
        {**span, "text": text[span["start"] : span["end"]], "short": category_of(span["category"]).short}
        for span in spans
    ]
    return {"original": text if phi else None, "filtered": filtered, "spans": spans if phi else []}


def filter_record(desk: Desk, row: Record) -> Any:
    """`report.filter_report` of a row of `record`, under the lexicon and policy in force."""
    with desk.store.read() as tx:
        _, lexicon = desk.lexicon(tx)
        policy = desk.policy(tx)["report_policy"]
    header = json.loads(row.header_json)
    return filter_report(row.report, lexicon, header, policy, desk.stand_in_key(row.id), desk.models.ner())


def _described(
    digest: str | None, height: int | None, width: int | None, depth: int, told: bool = True
) -> dict[str, Any] | None:
    return {"sha256": digest if told else "", "height": height, "width": width, "bit_depth": depth} if digest else None


def _prompt(row: _Graded | None, phi: bool) -> dict[str, Any] | None:
    """The prompt with its provenance. Who sees no PHI is not told which entry of the lists refused a word."""
    if row is None or not row.prompt_json or not (phi or row.releasable):
        return None
    prompt: dict[str, Any] = json.loads(row.prompt_json)
    return prompt if phi else {**prompt, "tokens": [{**token, "refused": []} for token in prompt["tokens"]]}


def _evidence(row: _Graded, phi: bool) -> dict[str, Any]:
    """The measures. Categories are named by whoever keeps the lists, so they are kept back like their terms."""
    evidence: dict[str, Any] = json.loads(row.evidence_json)
    if phi:
        return evidence
    kept = {name: part for name, part in evidence.items() if isinstance(part, dict)}
    return {**evidence, **{name: {k: v for k, v in part.items() if k != "kinds"} for name, part in kept.items()}}


def _forbidden(tx: Transaction, record: str) -> dict[int, list[str]]:
    """Candidate -> terms that the current lexicon forbids in it."""
    rows = tx.rows(
        _Forbidden,
        f"SELECT candidate, terms_json FROM violation WHERE record = :r AND lexicon_version = ({CURRENT_LEXICON})",
        r=record,
    )
    return {row.candidate: json.loads(row.terms_json) for row in rows}


@dataclass(frozen=True)
class _Taken:
    """The first lexicon version that forbids something in a candidate."""

    candidate: int
    version: int
    author: str
    created_at: str
    terms_json: str
    after_decision: int


@dataclass(frozen=True)
class _Former:
    verdict: str
    reviewer: str
    decided_at: str


def _voided(tx: Transaction, record: str, current: int | None, phi: bool, told: bool) -> Voided | None:
    """What a lexicon took back of this record, until somebody has judged the version that stands now; `told` is whether
    this reader may know who judged before."""
    taken = tx.row(
        _Taken,
        "SELECT v.candidate, v.lexicon_version AS version, l.author, l.created_at, v.terms_json, "
        "v.after_decision FROM violation v JOIN lexicon_version l ON l.version = v.lexicon_version "
        "WHERE v.record = :r ORDER BY v.candidate DESC, v.lexicon_version LIMIT 1",
        r=record,
    )
    judged = "SELECT 1 FROM valid_decision WHERE record = :r AND candidate = :c"
    if taken is None or tx.value(judged, r=record, c=current):
        return None
    former = tx.row(
        _Former,
        "SELECT d.verdict, d.reviewer, d.decided_at FROM decision d WHERE d.candidate = :c AND d.id <= :last "
        "AND d.verdict IN ('approve', 'reject') AND NOT EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id) "
        "ORDER BY d.id DESC LIMIT 1",
        c=taken.candidate,
        last=taken.after_decision,
    )
    return {
        "version": taken.version,
        "author": taken.author,
        "at": taken.created_at,
        "candidate": taken.candidate,
        "terms": json.loads(taken.terms_json) if phi else [],
        "former": {"verdict": former.verdict, "reviewer": former.reviewer, "at": former.decided_at}
        if former and told
        else None,
    }


def _candidate(row: _Graded, current: int | None, forbidden: dict[int, list[str]], actor: Actor) -> CandidateRow:
    # The prompt of a method for comparison may be the unfiltered report.
    phi = sees_phi(actor)
    told = row.releasable or phi
    return {
        "candidate": row.id,
        "method": row.method,
        "releasable": row.releasable,
        # The lexicon's digest would confirm a guess at an added term, and a pair's own level one at what it leaves out.
        "settings": {
            name: v for name, v in json.loads(row.settings_json).items() if phi or name not in ("lexicon", "privacy")
        },
        "lexicon_version": row.lexicon_version,
        "seed": row.seed if phi else None,
        "prompt_text": row.prompt_text if told else "",
        "created_at": row.created_at,
        "current": row.id == current,
        "void": row.id in forbidden,
        "void_terms": forbidden.get(row.id, []) if phi else [],
        "risk": row.risk,
        "gates": gate_rows(row.gates_json),
        "evidence": _evidence(row, phi),
        "error": row.error,
    }


def _decisions(tx: Transaction, record: str, phi: bool) -> list[DecisionRow]:
    """The whole book of a record. What people typed may quote a report: it is kept back like one."""
    rows = tx.rows(
        _Entry,
        f"SELECT {_ENTRY}, EXISTS (SELECT 1 FROM decision u WHERE u.undoes = d.id) AS undone "
        "FROM decision d WHERE record = :r ORDER BY id",
        r=record,
    )
    return [
        {
            "decision": d.id,
            "candidate": d.candidate,
            "reviewer": d.reviewer,
            "role": d.role,
            "verdict": d.verdict,
            "reasons": json.loads(d.reasons_json),
            "comment": d.comment if phi else "",
            "overrides": json.loads(d.overrides_json),
            "decided_at": d.decided_at,
            "undoes": d.undoes,
            "undone": d.undone,
            "blind": d.blind,
        }
        for d in rows
    ]


def _flags(tx: Transaction, record: str, actor: Actor, blind: bool) -> list[FlagRow]:
    """The open flags of a record, oldest first; a blind second reader sees their own only."""
    rows = tx.rows(OpenFlag, "SELECT * FROM open_flag WHERE record = :r ORDER BY id", r=record)
    return [
        {
            "flag": row.id,
            "candidate": row.candidate,
            "reviewer": row.reviewer,
            "role": row.role,
            "audience": row.audience,
            "reason": row.comment if sees_phi(actor) else "",
            "raised_at": row.decided_at,
            "may_clear": may_clear(row, actor),
        }
        for row in rows
        if not blind or row.reviewer == actor.name
    ]


def may_clear(flag: OpenFlag, actor: Actor) -> bool:
    """A flag is cleared by the role that it asks (a reader, where it asks anybody), or by who raised it."""
    asked = flag.audience in (actor.role, "anybody") or flag.reviewer == actor.name
    return asked and sees_phi(actor)


def _note_view(desk: Desk, record: str, actor: Actor) -> None:
    """Audit, before it is shown, that somebody sees a patient's report or original image.

    Who has the pair in hand was audited when taking it; others are once in ten minutes of a process."""
    clock, key = time.monotonic(), (actor.name, record)
    if clock - desk.viewed.get(key, -_VIEW_SECONDS) < _VIEW_SECONDS:
        return
    with desk.store.write() as tx:
        tx.audit(actor, "view", record)
    desk.viewed[key] = clock
    if len(desk.viewed) > 10_000:
        desk.viewed = {key: then for key, then in desk.viewed.items() if clock - then < _VIEW_SECONDS}
