"""What the Workbench takes and gives back: plain data, ready for JSON, with no SQL and no arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from updp_core.domain import GateState, State

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ImageKind = Literal["original", "synthetic"]
ListName = Literal["blacklist", "whitelist"]
Terms = Mapping[str, Mapping[str, Sequence[str]]]
"""List name ("blacklist", "whitelist") -> category -> terms."""


@dataclass(frozen=True)
class Filters:
    """Which records a queue shows. Unset fields do not narrow; set fields are joined by "and".

    `reviewer` gave the last verdict that counts. `gate` with `gate_state` asks for records whose current candidate
    has this gate in this state; `gate_state` alone asks for the worst gate. `text` is searched for in the prompt, the
    filtered report and the pseudonyms (whole words, prefixes with `*`). `mine` asks for records that the actor holds,
    `free` for those that nobody else holds, `waiting` for those that one person has approved and that wait for
    another's approval. `second_reading` asks for the pairs that wait for the actor's blind second verdict; these
    are among none that `state`, `reviewer` or `released` ask for. `flagged` asks for records with an open flag: of
    "any" kind, or one that a role is asked to look at (or anybody). `remarked` asks for records about which the import
    had something to remark.
    """

    state: State | None = None
    gate: str | None = None
    gate_state: GateState | None = None
    finding: str | None = None
    method: str | None = None
    lexicon_version: int | None = None
    reviewer: str | None = None
    patient: str | None = None
    text: str | None = None
    released: bool | None = None
    remarked: bool | None = None
    flagged: Literal["any", "radiologist", "privacy-officer"] | None = None
    mine: bool = False
    free: bool = False
    waiting: bool = False
    second_reading: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Only what narrows, for a saved view or an audit event."""
        return {name: value for name, value in asdict(self).items() if value not in (None, False, "")}


@dataclass(frozen=True)
class Progress:
    """One step of a long verb. The last step of a verb carries `result`; the others have None.

    `preview` is the id of a record that has just got a candidate.
    """

    stage: str
    done: int
    total: int
    message: str = ""
    preview: str | None = None
    result: dict[str, Any] | None = None


class Card(TypedDict):
    """One line of the queue."""

    record: str
    state: State
    patient: str
    study: str
    view: str
    candidate: int | None
    revision: int
    method: str | None
    lexicon_version: int | None
    risk: float | None
    worst_gate: GateState | None
    alignment: float | None
    approvals: int
    reviewer: str | None
    decided_at: str | None
    held_by: str | None
    has_report: bool
    remarks: list[str]
    flagged_for: str | None
    error: str


class Page(TypedDict):
    """A slice of the queue, and how many records the filters leave in all."""

    records: list[Card]
    total: int
    offset: int
    limit: int


class Vitals(TypedDict):
    """What a monitoring system is told. `candidates`, `decisions`, `events` and `run_*` only ever grow."""

    states: dict[str, int]
    released: int
    flagged: int
    candidates: int
    decisions: int
    events: int
    active: int
    run_records: int
    run_failures: int
    run_seconds: float


class Counts(TypedDict):
    """How far the work is. `reviewers` counts each person's standing verdicts, `today` those of this UTC day that were
    not taken back, `today_mine` the actor's own by verdict.

    `left` is the number of records that nobody has decided (new, pending, void); `minutes_left` is the
    estimate from the pace of the last verdicts of everybody, None where there is no pace yet. `flagged` counts records
    with an open flag, `flagged_for_me` those that ask the actor's role (or anybody); `second_readings` the pairs that
    wait for the actor's blind second verdict, `waiting` those of the pending that one person has approved and that
    wait for another.
    """

    total: int
    states: dict[str, int]
    gates: dict[str, dict[str, int]]
    methods: dict[str, int]
    lexicon_versions: dict[str, int]
    reviewers: dict[str, int]
    findings: dict[str, int]
    today: dict[str, int]
    today_mine: dict[str, int]
    released: int
    waiting: int
    mine: int
    flagged: int
    flagged_for_me: int
    second_readings: int
    left: int
    minutes_left: float | None


class GateRow(TypedDict):
    """A gate with its explanation. `hard` gates that block cannot be overridden. `worse`: "above" or "below".
    `advice` says what a reader can do where it fails, `cause` why it is unknown (see `evidence.gates.Cause`)."""

    name: str
    title: str
    value: Any
    threshold: Any
    state: GateState
    explanation: str
    advice: str
    cause: str
    worse: str
    hard: bool


class GateRule(TypedDict):
    """A gate under the policy in force, and its default. `hard` gates always block; `worse`: "above" or "below"."""

    name: str
    title: str
    worse: str
    hard: bool
    limit: float
    action: str
    default_limit: float
    default_action: str


class CandidateRow(TypedDict):
    """One proposal for a record: how it came to be, and how it stands."""

    candidate: int
    method: str
    releasable: bool
    settings: dict[str, Any]
    lexicon_version: int
    seed: int | None
    prompt_text: str
    created_at: str
    current: bool
    void: bool
    void_terms: list[str]
    risk: float | None
    gates: list[GateRow]
    evidence: dict[str, Any]
    error: str


class DecisionRow(TypedDict):
    """One entry of the append-only history. `undone` says that a later undo took it back."""

    decision: int
    candidate: int
    reviewer: str
    role: str
    verdict: str
    reasons: list[str]
    comment: str
    overrides: list[str]
    decided_at: str
    undoes: int | None
    undone: bool
    blind: bool


class FlagRow(TypedDict):
    """An open flag: who asks whom to look at what. `may_clear` is true where this actor may settle it."""

    flag: int
    candidate: int
    reviewer: str
    role: str
    audience: str
    reason: str
    raised_at: str
    may_clear: bool


class Voided(TypedDict):
    """What a lexicon version took back."""

    version: int
    author: str
    at: str
    candidate: int
    terms: list[str]
    former: dict[str, str] | None


class Detail(TypedDict):
    """All about one record, for the review page.

    `prompt` is None until there is a candidate with one; else text, tokens (`domain.Token` as dicts),
    alignment_before, alignment_after, alignment_soft, trace, unread. `report` holds original (None for
    roles that see no PHI), filtered, and spans {start, end, rule, category, short} into the original.
    `images` maps original and synthetic to {sha256, height, width, bit_depth}, or None; the digest of an original is
    "", and seeds are None, for roles that see no PHI: a holder of the source could know it by them.
    `blind` is true where the actor reads second and other people's verdicts are kept back.
    `remarks` are those of the import, `flags` the open flags of people.
    `rarity` is the number of other patients who share this combination of findings (100: that many or more), None for a
    record without a report. `leave_out` is what `clear_rarity` would leave out now, where that gate fails and the role
    sees PHI (what a pair has left out says what it hides). `voided` says what a lexicon took back and nobody has judged
    since: its version, terms, the candidate, and the former verdict ({"verdict", "reviewer", "at"} or None). `beyond`
    says why the evidence cannot tell whether the pair may leave ("domain", "report"): approving it takes a reason.
    """

    record: str
    state: State
    revision: int
    candidate: int | None
    patient: str
    study: str
    view: str
    source: str | None
    imported_at: str
    remarks: list[str]
    flags: list[FlagRow]
    error: str
    prompt: dict[str, Any] | None
    report: dict[str, Any]
    evidence: dict[str, Any]
    gates: list[GateRow]
    images: dict[str, Any]
    findings: list[str]
    rarity: int | None
    leave_out: list[str]
    voided: Voided | None
    beyond: list[str]
    candidates: list[CandidateRow]
    decisions: list[DecisionRow]
    held_by: str | None
    draft: dict[str, Any]
    blind: bool
    void_terms: list[str]
    needs: int


class Heat(TypedDict):
    """Where the judges looked in one image: its probability of the finding, and what each field adds to the logit.

    `fields` is (h, w) float32, signed, over the square that holds the image in its middle.
    """

    probability: float
    fields: NDArray[np.float32]


class HeatMap(TypedDict):
    """The maps of one finding; None where there is no such image or the role does not see it."""

    finding: str
    original: Heat | None
    synthetic: Heat | None


class LexiconRow(TypedDict):
    """One line of the lexicon's history."""

    version: int
    digest: str
    author: str
    role: str
    comment: str
    created_at: str
    added: int
    removed: int


class LexiconView(TypedDict):
    """One version in full: list name -> category -> terms."""

    version: int
    current: bool
    digest: str
    author: str
    comment: str
    created_at: str
    blacklist: dict[str, list[str]]
    whitelist: dict[str, list[str]]


class LexiconDiff(TypedDict):
    """What `b` has more and less than `a`: list name -> category -> terms."""

    a: int
    b: int
    added: dict[str, dict[str, list[str]]]
    removed: dict[str, dict[str, list[str]]]


class Impact(TypedDict):
    """What an edit would do. `pending`, `approved`, `released`: records whose prompt or report it would forbid.

    `conflicts` are terms that leave the whitelist since they join the blacklist; `swallowed` whitelist terms that
    contain a newly forbidden word; `where` lists at most 200 records {record, state, terms, in: prompt, report}.
    """

    version: int
    added: dict[str, dict[str, list[str]]]
    removed: dict[str, dict[str, list[str]]]
    pending: int
    approved: int
    released: int
    other: int
    conflicts: list[str]
    swallowed: list[str]
    where: list[dict[str, Any]]


class Piece(TypedDict):
    """A token of the encoder: its letters, and whether it goes on from the one before or into the one behind."""

    text: str
    joins_left: bool
    joins_right: bool


class Pieces(TypedDict):
    """What an edit means for the encoder's `size` word pieces: how many are `masked` and `freed` by it.

    `terms` are added terms {term, masked, reads}: a piece is masked only because its letters alone read as the term;
    `reads` are the pieces into which the encoder takes the term apart. `more` terms are not told; `free_again` are
    pieces that only removed terms masked.
    """

    encoder: str
    size: int
    masked: int
    freed: int
    terms: list[dict[str, Any]]
    more: int
    free_again: list[Piece]


class LexiconDraft(TypedDict):
    """The actor's unsaved changes: what they add to and take from the version in force, and why.

    `terms` counts them; `version` is the version they were begun on, `current` the one in force.
    """

    add: dict[str, dict[str, list[str]]]
    remove: dict[str, dict[str, list[str]]]
    comment: str
    terms: int
    version: int
    current: int
    saved_at: str


class ReleasePreview(TypedDict):
    """What would leave, and what would not and why: reason -> number of records."""

    would: int
    would_not: dict[str, int]
    records: list[dict[str, Any]]
    patients: int
    lexicon_version: int
    audit_head: str


class SheetPair(TypedDict):
    """A pair that would leave, as the officer sees it: gates that are not clear, approvers {"name", "role", "how"}, and
    in `exceptions` what to look at before signing, in words."""

    record: str
    patient: str
    candidate: int
    findings: list[str]
    gates: list[dict[str, Any]]
    approvers: list[dict[str, Any]]
    exceptions: list[str]


class ReleaseSheet(TypedDict):
    """What a signature would answer for.

    `exceptions` is the number of pairs with some, `stay` is [{"reason", "number", "records": at most 20}], and
    `true_patient_first` as in release.json, None where it was not measured.
    """

    pairs: list[SheetPair]
    total: int
    exceptions: int
    offset: int
    limit: int
    stay: list[dict[str, Any]]
    true_patient_first: dict[str, Any] | None
    policy: Policy


class PolicyImpact(TypedDict):
    """What a change of policy would do: `moves` {"from", "to", "number", "records": at most 20}, `gates`
    {"title", "before", "after"} of those whose states change (state -> number of current candidates), and `waiting`:
    how many pairs would wait for a second approval."""

    moves: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    approved_before: int
    approved_after: int
    waiting: int


class ReleaseRow(TypedDict):
    """A release that was written. `signed_by` is the fingerprint of the key that signed it, "" for none."""

    release: str
    folder: str
    officer: str
    created_at: str
    pairs: int
    manifest_sha256: str
    root_digest: str
    signed_by: str
    comment: str
    present: bool
    audit_head: str


class KeyRow(TypedDict):
    """A public key (PEM) that is trusted here as that of `name`."""

    fingerprint: str
    name: str
    public_key: str
    since: str


class KeyRing(TypedDict):
    """The public half of the key that signs here ("" where there is none), and the keys that are trusted."""

    fingerprint: str
    public_key: str
    trusted: list[KeyRow]


class AuditRow(TypedDict):
    """One event of the chain. `said` is what was done as a sentence without its subject; `reasons` and `comment` are of
    the verdict or flag that it tells of ("" for roles that see no patient)."""

    event: int
    at: str
    actor: str
    role: str
    verb: str
    subject: str
    detail: dict[str, Any]
    digest: str
    said: str
    reasons: list[str]
    comment: str


class AuditPage(TypedDict):
    """A slice of the audit trail, newest first; `people` are all who stand in the trail."""

    events: list[AuditRow]
    total: int
    offset: int
    limit: int
    people: list[str]


class AuditReport(TypedDict):
    """Whether the chain holds: `problems` are sentences, empty where it does; `remarks` are worth knowing all the same
    (a clock that went back)."""

    ok: bool
    events: int
    head: str
    problems: list[str]
    remarks: list[str]


class SourceLook(TypedDict):
    """A first look at a source; see `updp_core.intake.layouts.Look`. `fields` are our column names."""

    layout: str
    table: str
    columns: Sequence[str]
    matched: dict[str, str] | None
    missing: Sequence[str]
    rows: Sequence[dict[str, str]]
    files: int
    fields: list[str]


class ImportRow(TypedDict):
    """One import. `finished` is "" where it goes on or was killed; `there`: whether its source is still there."""

    id: str
    source: str
    actor: str
    started: str
    finished: str
    layout: str
    imported: int
    duplicates: int
    rejections: int
    without_report: int
    assume: dict[str, Any]
    again: str
    there: bool


class ImportPage(TypedDict):
    """What an import has not taken: a page of it, and the commonest reasons of all that was asked for."""

    row: ImportRow
    rejected: list[dict[str, str]]
    reasons: list[dict[str, Any]]
    total: int
    offset: int
    limit: int


class UploadLimits(TypedDict):
    """What may wait to be imported: of one person, and of all together."""

    files: int
    files_of_all: int
    megabytes: int
    megabytes_of_all: int


class Policy(TypedDict):
    """What the privacy officer has set.

    `verdicts`: 1 or 2, by different people. `gates`: gate name -> {"limit": number, "action": "warn" | "block"};
    what is not named keeps its default (updp_core.evidence.gates.RULES). `second_reading`: share (0 to 1) of
    decided pairs that a second person reads blind. `report_policy`: what stands in place of PHI in the report.
    `prompts`: whether releases hold the prompts or keep them back.
    `privacy`: {"level": 0, 1, 2 or "custom", "k", "purposes", "leave_out"}: which findings are told (findings.levels).
    `methods`: method -> {"release": bool, "named": name of a set, "settings": {dotted name: value}}. `release` lets
    images leave that keep source pixels (by default they stay); the others are what a run takes where it says nothing.
    """

    verdicts: int
    gates: dict[str, dict[str, Any]]
    second_reading: float
    report_policy: Literal["remove", "placeholder", "surrogate"]
    prompts: Literal["release", "keep back"]
    privacy: dict[str, Any]
    methods: dict[str, dict[str, Any]]


class LevelPreview(TypedDict):
    """What each privacy level would do to the workspace's own `records`, whose reports assert `findings`.

    `levels`: rows of {"level", "kept" (findings that are still told), "affected" (records told less of), "left_out"
    (finding -> records), "link" ({"value": AUC, "interval", "patients"}), "distinct", "unique", "fewer_than_k"
    (combinations, by patients who have them), "visits_fewer_than_k"}, of "custom" where the policy lists findings.
    """

    records: int
    findings: int
    k: int
    levels: list[dict[str, Any]]


class MethodRow(TypedDict):
    """A method as page and command show it. `remedy` says what is missing where it is not `available`.

    `holds`: what it can and cannot hide. `leaves`: its images may be released under the policy in force.
    `source_pixels`: pixels of the source reach its images, so they leave only where the policy names it.
    `settings`: rows of {"name", "kind" (int, number, text, choice, switch), "value", "doc", "low", "high", "choices",
    "optional"}, the value that of the policy. `sets`: name -> {"doc", "changes"}. `sliders`: the settings that
    trade privacy against use, as rows of {"name", "label", "value", "doc", "low", "high", "step"}.
    """

    name: str
    title: str
    holds: str
    releasable: bool
    leaves: bool
    source_pixels: bool
    available: bool
    remedy: str
    settings: list[dict[str, Any]]
    sets: dict[str, dict[str, Any]]
    sliders: list[dict[str, Any]]


class Run(TypedDict):
    """A generate run, of this or another process. `state`: running, paused, stopping, finished, stopped, died."""

    run: int
    actor: str
    method: str
    state: str
    total: int
    done: int
    failed: int
    message: str
    started_at: str
    seconds: float


class SavedView(TypedDict):
    """A named filter. `shared` views are seen by everybody."""

    name: str
    owner: str
    shared: bool
    filters: dict[str, Any]
    sort: str
