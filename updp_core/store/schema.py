"""The tables. What people decided, and what it was decided on, is append-only; the rest is working state.

Columns that end in `_json` hold canonical JSON. Times are UTC in ISO 8601 with milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import TextClause, text
from sqlmodel import Field, Index, SQLModel, UniqueConstraint

VERSION = 5
"""The version of these tables: the newest revision in `migrations/versions`."""

APPEND_ONLY = (
    "record",
    "pseudonym",
    "lexicon_version",
    "candidate",
    "choice",
    "violation",
    "decision",
    "policy_version",
    "release",
    "release_pair",
    "audit_event",
)
"""Tables whose rows triggers protect from UPDATE and DELETE."""

TOLD = tuple(table for table in APPEND_ONLY if table not in ("audit_event", "pseudonym"))
"""Tables whose rows' digests the audit chain carries. Not pseudonyms: a digest of a short source id can be guessed."""

GROUPED = {"violation": "lexicon_version", "release_pair": "release"}
"""Tables of which many rows come at once -> the column by which: an audit event may tell one digest of such a group,
over the rows that no event tells one by one, or of a part of it: "GROUP|FIRST-LAST" by the table's first key."""


WAITING = text("state = 'pending' AND approvals > 0")
"""Pairs that somebody has approved and that wait for another person's approval, in `standing`."""


class Order(TextClause):
    """A column of an index in the queue's order: nothing is smaller than every value."""

    inherit_cache = True


class Record(SQLModel, table=True):
    """A source pair. Report, header and source name are PHI and stay in the workspace."""

    seq: int = Field(default=None, primary_key=True)
    id: str = Field(unique=True)
    patient: str
    study: str
    source: str
    sha256: str = Field(unique=True)
    image: str
    height: int
    width: int
    bit_depth: int
    view: str
    report: str
    header_json: str
    flags_json: str
    findings_json: str
    finding_key: str = Field(index=True)
    imported_at: str


class RecordFinding(SQLModel, table=True):
    """A finding that the original report asserts, for the queue's filter."""

    __tablename__ = "record_finding"
    __table_args__ = ({"sqlite_with_rowid": False},)
    finding: str = Field(primary_key=True)
    seq: int = Field(primary_key=True, foreign_key="record.seq")


class Pseudonym(SQLModel, table=True):
    """Source key -> random pseudonym, so that a patient keeps it over imports. Never exported."""

    kind: str = Field(primary_key=True)
    key: str = Field(primary_key=True)
    pseudonym: str = Field(unique=True)


class LexiconVersion(SQLModel, table=True):
    """An immutable version of both lists."""

    __tablename__ = "lexicon_version"
    version: int = Field(default=None, primary_key=True)
    digest: str
    content_json: str
    author: str
    role: str
    comment: str
    added: int
    removed: int
    created_at: str


class Candidate(SQLModel, table=True):
    """A proposal for a record and all that made it: method, settings (with model digests), lexicon, seed.

    `error` is set, and `image` None, where the method failed. `filtered`, `spans_json` (in the original) and
    `surrogates_json` (in the filtered text) are the report filter's result under the same lexicon version.
    """

    __table_args__ = (Index("candidate_by_record", "record"), {"sqlite_autoincrement": True})
    id: int = Field(default=None, primary_key=True)
    record: str = Field(foreign_key="record.id")
    method: str
    releasable: bool
    settings_json: str
    lexicon_version: int = Field(foreign_key="lexicon_version.version")
    seed: int
    prompt_json: str | None
    prompt_text: str
    filtered: str
    spans_json: str
    surrogates_json: str
    report_policy: str
    image: str | None
    height: int | None
    width: int | None
    evidence_json: str
    error: str
    actor: str
    created_at: str


class Grade(SQLModel, table=True):
    """How a candidate's gates stand under the policy in force: recomputed when the policy changes."""

    candidate: int = Field(primary_key=True, foreign_key="candidate.id")
    gates_json: str
    worst: str
    risk: float
    alignment: float | None


class GateValue(SQLModel, table=True):
    """One gate of a candidate, for the queue's filter and the small plots. Follows Grade."""

    __tablename__ = "gate_value"
    __table_args__ = (Index("gate_by_state", "name", "state", "candidate"), {"sqlite_with_rowid": False})
    candidate: int = Field(primary_key=True, foreign_key="candidate.id")
    name: str = Field(primary_key=True)
    state: str
    value: float | None


class StandingCount(SQLModel, table=True):
    """How many records stand alike in all that the queue is narrowed by: kept with Standing, since counting a million
    takes a second. What a record has not is "" or 0 here."""

    __tablename__ = "standing_count"
    state: str = Field(primary_key=True)
    worst: str = Field(primary_key=True)
    method: str = Field(primary_key=True)
    lexicon_version: int = Field(primary_key=True)
    reviewer: str = Field(primary_key=True)
    flagged_for: str = Field(primary_key=True)
    released: bool = Field(primary_key=True)
    remarked: bool = Field(primary_key=True)
    waiting: bool = Field(primary_key=True)
    n: int


class FacetCount(SQLModel, table=True):
    """How many records have a facet of which one has several: a gate of the current candidate (kind "gate", its state
    as `value`), or a finding (kind "finding", no value). Kept with Standing."""

    __tablename__ = "facet_count"
    kind: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    value: str = Field(primary_key=True)
    state: str = Field(primary_key=True)
    worst: str = Field(primary_key=True)
    method: str = Field(primary_key=True)
    n: int


class Choice(SQLModel, table=True):
    """This candidate became the record's current one. Verdicts up to `after_decision` were given before that."""

    __table_args__ = (Index("choice_by_record", "record", "id"), {"sqlite_autoincrement": True})
    id: int = Field(default=None, primary_key=True)
    record: str = Field(foreign_key="record.id")
    candidate: int = Field(foreign_key="candidate.id")
    after_decision: int
    actor: str
    created_at: str


class Violation(SQLModel, table=True):
    """This lexicon version forbids something in this candidate; verdicts up to `after_decision` are void."""

    candidate: int = Field(primary_key=True, foreign_key="candidate.id")
    lexicon_version: int = Field(primary_key=True, foreign_key="lexicon_version.version")
    record: str = Field(foreign_key="record.id", index=True)
    terms_json: str
    after_decision: int


class ViolationDue(SQLModel, table=True):
    """What the lexicon version in force forbids and no row of Violation says yet, since a verdict should not wait until
    all are written: a pair named here is void already. Without terms: its standing is to be derived anew. Nothing is
    looked up while many rows are added, so these point to candidates and records by their names alone."""

    __tablename__ = "violation_due"
    candidate: int = Field(primary_key=True)
    record: str
    terms_json: str


class Decision(SQLModel, table=True):
    """What somebody entered about a pair: a verdict, a flag, the clearing of a flag, or the undoing of one of these.

    Append-only. A flag's `reasons_json` names whom it asks (["radiologist"], ["privacy-officer"] or ["anybody"]), its
    comment says why. `undoes` is the entry that this one takes back or, of a flag, clears. Undoing the clearing of a
    flag is an entry that raises it again.
    """

    __table_args__ = (
        Index("decision_by_record", "record", "id"),
        Index("decision_by_candidate", "candidate", "id"),
        Index("decision_by_reviewer", "reviewer", "id"),
        Index("decision_by_time", "decided_at", "reviewer", "verdict"),
        UniqueConstraint("undoes"),
        {"sqlite_autoincrement": True},
    )
    id: int = Field(default=None, primary_key=True)
    record: str = Field(foreign_key="record.id")
    candidate: int = Field(foreign_key="candidate.id")
    reviewer: str
    role: str
    verdict: str
    reasons_json: str
    comment: str
    overrides_json: str
    undoes: int | None = Field(default=None, foreign_key="decision.id")
    blind: bool
    decided_at: str


@dataclass(frozen=True)
class OpenFlag:
    """A row of the view `open_flag` (see `standing`): a flag that nobody has cleared or taken back."""

    id: int
    record: str
    candidate: int
    reviewer: str
    role: str
    comment: str
    decided_at: str
    audience: str


class PolicyVersion(SQLModel, table=True):
    """What the privacy officer has set; the newest row is in force."""

    __tablename__ = "policy_version"
    id: int = Field(default=None, primary_key=True)
    verdicts: int
    content_json: str
    author: str
    comment: str
    created_at: str


class Release(SQLModel, table=True):
    """A release that left; this row is committed before the folder gets its name."""

    id: str = Field(primary_key=True)
    folder: str
    officer: str
    comment: str
    pairs: int
    lexicon_version: int = Field(foreign_key="lexicon_version.version")
    manifest_sha256: str
    root_digest: str
    audit_head: str
    created_at: str


class ReleasePair(SQLModel, table=True):
    """Which candidate left in which release."""

    __tablename__ = "release_pair"
    __table_args__ = (Index("release_by_candidate", "candidate"),)
    release: str = Field(primary_key=True, foreign_key="release.id")
    candidate: int = Field(primary_key=True, foreign_key="candidate.id")
    record: str = Field(foreign_key="record.id", index=True)


class AuditEvent(SQLModel, table=True):
    """One event; `digest` is the sha256 of its canonical JSON and the digest before it."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("audit_by_verb", "verb", "id"), {"sqlite_autoincrement": True})
    id: int = Field(default=None, primary_key=True)
    at: str
    actor: str
    role: str
    verb: str
    subject: str
    detail_json: str
    previous: str
    digest: str


class Embedding(SQLModel, table=True):
    """The identity embedding of an original by one judge (l2-normalised float32), to rank true patients among."""

    record: str = Field(primary_key=True, foreign_key="record.id")
    judge: str = Field(primary_key=True)
    vector: bytes


class Standing(SQLModel, table=True):
    """The view `derived_standing`, kept so that the queue can be paged by index. Never the source of truth."""

    __table_args__ = (
        Index("standing_state_seq", "state", "seq"),
        Index("standing_state_risk", "state", Order("risk DESC"), "seq"),
        Index("standing_worst_risk", "worst", Order("risk DESC"), "seq"),
        Index("standing_risk", Order("risk DESC"), "seq"),
        Index("standing_alignment", Order("alignment"), "seq"),
        Index("standing_decided", Order("decided_at DESC"), "seq"),
        Index("standing_patient", "patient", "seq"),
        Index("standing_reviewer", "reviewer", "seq"),
        Index("standing_flagged", Order("flagged_at DESC"), "seq"),
        Index("standing_method", "method", "seq"),
        Index("standing_version", "lexicon_version", "seq"),
        Index("standing_released", "released", "seq"),
        Index("standing_remarked", "remarked", "seq"),
        Index("standing_waiting", "seq", sqlite_where=WAITING, postgresql_where=WAITING),
    )
    seq: int = Field(primary_key=True)
    record: str = Field(unique=True, foreign_key="record.id")
    patient: str
    state: str
    candidate: int | None = Field(index=True)
    revision: int
    method: str | None
    lexicon_version: int | None
    risk: float | None
    worst: str | None
    alignment: float | None
    approvals: int
    reviewer: str | None
    decided_at: str | None
    released: bool
    remarked: bool
    flagged_for: str | None
    flagged_at: str | None
    error: str


class Lease(SQLModel, table=True):
    """A record that a process is working on. Free again when the time is up or the owner's lock file is."""

    record: str = Field(primary_key=True, foreign_key="record.id")
    owner: str = Field(index=True)
    expires: float


class Run(SQLModel, table=True):
    """A generate run and what is wished of it."""

    __table_args__ = ({"sqlite_autoincrement": True},)
    id: int = Field(default=None, primary_key=True)
    owner: str
    actor: str
    method: str
    state: str
    wish: str
    total: int
    done: int
    failed: int
    message: str
    started_at: str
    seconds: float


class Hold(SQLModel, table=True):
    """A record that a reviewer has in hand."""

    record: str = Field(primary_key=True, foreign_key="record.id")
    holder: str = Field(index=True)
    expires: float


class SavedView(SQLModel, table=True):
    """A named filter."""

    __tablename__ = "saved_view"
    owner: str = Field(primary_key=True)
    name: str = Field(primary_key=True)
    shared: bool
    filters_json: str
    sort: str


class Draft(SQLModel, table=True):
    """A reviewer's unfinished comment."""

    record: str = Field(primary_key=True, foreign_key="record.id")
    owner: str = Field(primary_key=True)
    content_json: str
    saved_at: str


class LexiconDraft(SQLModel, table=True):
    """What somebody has changed in the lists and not saved as a version: what it adds and removes, and why."""

    __tablename__ = "lexicon_draft"
    owner: str = Field(primary_key=True)
    content_json: str
    saved_at: str
